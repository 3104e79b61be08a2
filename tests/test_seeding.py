import numpy as np

from recbench.seeding import derived_seed, generator


def test_a_derived_seed_is_the_same_on_every_machine():
    assert derived_seed(0, "order", 3) == 5172884068272721061


def test_uses_and_seeds_do_not_share_streams():
    seeds = {derived_seed(seed, use, n) for seed in (0, 1) for use in "ab" for n in range(50)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_global_state_is_untouched():
    np.random.seed(7)
    before = np.random.get_state()[1].copy()
    generator(7, "anything").random(10)
    assert (np.random.get_state()[1] == before).all()
