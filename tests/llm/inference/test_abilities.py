import pytest

from recbench.llm.inference.abilities import Abilities

PACKED = Abilities(tokens=9)
STEPPED = Abilities(tokens=7, reads="stepped", lists=False)
PLAIN = Abilities(tokens=8, reads="plain", writes="plain", together=False)
ONLY_PACKED = Abilities(tokens=5, writes="plain", batches=False, together=False)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (PACKED, PACKED, PACKED),
        (PACKED, STEPPED, Abilities(tokens=9, reads="stepped", lists=False)),
        (PACKED, PLAIN, Abilities(tokens=9, reads="plain", writes="plain", together=False)),
        (PACKED, ONLY_PACKED, ONLY_PACKED.model_copy(update={"tokens": 9})),
        (
            STEPPED,  # a token at a time is right for one of them, and as one sequence for another
            ONLY_PACKED,
            # and unequal rows cannot be read together without a cache
            Abilities(
                **{"tokens": 7, "reads": "plain", "writes": "plain", "lists": False},
                **{"batches": False, "together": False},
            ),
        ),
    ],
)
def test_two_are_able_to_do_what_each_of_them_is(one, other, both):
    assert one.both(other) == both
    assert other.both(one) == both
