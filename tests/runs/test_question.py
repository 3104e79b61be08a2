from dataclasses import replace

import pytest

from recbench.data.prepare import prepare
from recbench.questions.candidates import draw
from recbench.questions.full_ranking import FullRanking
from recbench.questions.make_split import asked_split
from recbench.questions.protocols import protocol
from recbench.runs.question import Question


@pytest.fixture
def asked(raw_folder, tmp_path):
    """A full ranking of what each user has not touched of eighty items."""
    data = prepare("movielens", tmp_path, raw_folder, lambda _: None)
    rule = protocol("next-item", candidates="all")
    split = asked_split(data, rule)
    return Question(data, rule, split, FullRanking.of(split, "test"))


def test_of_a_full_ranking_is_written_down_what_the_rows_leave_to_rank(asked):
    split = asked.split
    left = [
        len(set(range(80)) - set(split.excluded_test[row].tolist()) | {int(target)})
        for row, target in enumerate(split.test.targets)
    ]
    assert len(set(left)) > 1
    assert (asked.fields["candidates"], asked.fields["ranked"]) == (80, max(left))


def test_where_negatives_are_drawn_there_is_nothing_to_write_down(asked):
    drawn = replace(asked, pack=draw(asked.split, protocol("next-item"), "test", 1, 0))
    assert drawn.fields["ranked"] is None
