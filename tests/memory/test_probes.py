from dataclasses import replace

import numpy as np
import pytest

from recbench.data.catalogue import make_catalogue
from recbench.data.prepare import prepare
from recbench.errors import UserError
from recbench.memory.probes import of_items, of_users


@pytest.fixture(scope="module")
def dataset(raw_folder, tmp_path_factory):
    return prepare("movielens", tmp_path_factory.mktemp("cache"), raw_folder, lambda _: None)


def read(probe):
    """Return the heading, the lines that are shown whole, and the beginning of the last one."""
    heading, empty, *lines, asked = probe.text.split("\n")
    assert empty == ""
    return heading, [line.split("::") for line in lines], asked.removesuffix("::")


def test_an_item_is_asked_for_behind_its_neighbours(dataset):
    probes = of_items(dataset, 7, 4)
    assert len(probes.real) == len(probes.control) == 7
    for probe in probes.real:
        heading, lines, asked = read(probe)
        assert heading == "MovieLens-100K, u.item"
        number = int(asked)
        assert lines == [[str(i), f"Film {i}"] for i in range(number - 4, number)]
        assert probe.expected == f"Film {number}"
        assert probe.text.endswith(f"\n{number}::")


def test_in_the_control_the_same_titles_have_other_ids(dataset):
    probes = of_items(dataset, 7, 4)
    for probe, control in zip(probes.real, probes.control, strict=True):
        (_, own, asked), (_, other, elsewhere) = read(probe), read(control)
        assert [title for _, title in own] == [title for _, title in other]
        assert control.expected == probe.expected
        assert abs(int(elsewhere) - int(asked)) == 40
        assert not {i for i, _ in own} & {i for i, _ in other}


def test_what_is_shown_is_not_asked_for(dataset):
    ids = dataset.catalogue.raw_ids
    twins = replace(dataset, catalogue=make_catalogue(ids, [f"Film {i // 2}" for i in ids]))
    for probe in of_items(twins, 99, 4).real:
        assert probe.expected not in {title for _, title in read(probe)[1]}
    unknown = replace(dataset, catalogue=make_catalogue(ids, ["unknown"] * len(ids)))
    with pytest.raises(UserError, match="show fewer with --lines"):
        of_items(unknown, 9, 4)


def test_the_next_item_of_a_user_is_that_of_the_file(dataset):
    probes = of_users(dataset, 9, 5)
    ids = dataset.catalogue.raw_ids
    assert len({read(probe)[2] for probe in probes.real}) == 9  # each user once
    for probe in probes.real:
        heading, lines, user = read(probe)
        assert heading == f"MovieLens-100K, u.data, items of user {user} in the order of the file"
        assert {line[0] for line in lines} == {user}
        of_user = ids[dataset.items[dataset.users == int(user) - 1]].astype(str).tolist()
        shown = [line[1] for line in lines] + [probe.expected]
        assert len(shown) == 6
        assert any(of_user[at : at + 6] == shown for at in range(len(of_user)))


def test_in_the_control_of_users_ids_are_dealt_out_anew(dataset):
    probes = of_users(dataset, 30, 5)
    dealt = {}
    for probe, control in zip(probes.real, probes.control, strict=True):
        (heading, own, _), (same, other, _) = read(probe), read(control)
        assert heading == same
        pairs = zip(
            [*(line[1] for line in own), probe.expected],
            [*(line[1] for line in other), control.expected],
            strict=True,
        )
        for before, after in pairs:
            assert dealt.setdefault(before, after) == after
    assert len(set(dealt.values())) == len(dealt)
    assert np.mean([before != after for before, after in dealt.items()]) > 0.9


def test_probes_are_the_same_every_time_and_fewer_are_the_first_of_more(dataset):
    assert of_items(dataset, 7, 4) == of_items(dataset, 7, 4)
    assert of_users(dataset, 3, 5) == of_users(dataset, 3, 5)
    assert set(of_items(dataset, 3, 4).real) <= set(of_items(dataset, 7, 4).real)
    assert of_users(dataset, 3, 5).real == of_users(dataset, 7, 5).real[:3]


@pytest.mark.parametrize("ask", [of_items, of_users])
def test_too_many_lines_are_refused(dataset, ask):
    with pytest.raises(UserError, match="show fewer with --lines"):
        ask(dataset, 9, 80)
