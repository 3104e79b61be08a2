import re
from dataclasses import replace

import numpy as np
import pytest

from recbench.errors import UserError
from recbench.outside.sheet import Sheet
from recbench.questions.candidates import make_pack
from recbench.questions.split import Examples

pytestmark = pytest.mark.honesty


def changed(question, examples=None, candidates=None, target=None, **card):
    """Return the question with other test rows, candidates or fields of the card."""
    split = question.split if examples is None else replace(question.split, test=examples)
    pack = question.pack
    if candidates is not None:
        codes = np.array(candidates, dtype=np.int32)
        pack = make_pack(codes, np.array(target, dtype=np.int16), 0, split.catalogue)
    dataset = replace(question.dataset, card=question.dataset.card.model_copy(update=card))
    return replace(question, split=split, pack=pack, dataset=dataset)


def rows(histories, targets, users=None):
    """Return test rows, their histories padded on the left to four."""
    padded = [[-1] * (4 - len(one)) + list(one) for one in histories]
    users = range(len(targets)) if users is None else users
    return Examples(*(np.array(part, dtype=np.int32) for part in (padded, targets, users)))


def test_a_row_shows_the_items_of_all_draws_by_id(sheet):
    made = sheet(draws=3)
    pack = made.question.pack
    for number in range(len(pack)):
        shown = made.shown(number).tolist()
        assert shown == sorted({int(code) for code in pack.candidates[number].ravel()})


def test_a_row_that_is_answered_in_text_shows_the_only_draw_in_its_order(sheet):
    made = sheet("text")
    assert made.question.pack.draws == 1
    assert made.shown(3).tolist() == made.question.pack.candidates[3, 0].tolist()


def test_keys_are_opaque_distinct_and_the_same_every_time(sheet):
    made = sheet()
    assert len(set(made.keys)) == len(made.question.split.test)
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in made.keys)
    assert Sheet.of(made.question, "scores").keys == made.keys


def test_rows_stand_in_no_order_of_examples(sheet):
    order = np.array(sheet().order)
    assert sorted(order.tolist()) == list(range(len(order)))
    assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 0.5


def test_another_pack_or_kind_has_other_keys(sheet):
    keys = [set(one.keys) for one in (sheet(), sheet(pack_seed=1), sheet(draws=1), sheet("text"))]
    assert not any(a & b for n, a in enumerate(keys) for b in keys[:n])


def test_keys_take_more_than_the_questions_to_make(sheet):
    """Whoever has histories, candidates and the pack's hash cannot name the row of a user."""
    question = sheet().question
    other = replace(
        question.split,
        sequences=question.split.sequences.__class__(
            question.split.sequences.values[::-1].copy(), question.split.sequences.offsets
        ),
    )
    assert not set(Sheet.of(replace(question, split=other), "scores").keys) & set(sheet().keys)


def test_several_rows_of_a_user_are_refused(sheet):
    with pytest.raises(UserError, match=r"asks \d+ users \d+ times.*--protocol next-item"):
        sheet(rule="temporal")


def test_several_draws_are_refused_where_a_text_answers(sheet):
    with pytest.raises(UserError, match=r"in common.*give --draws 1"):
        sheet("text", draws=2)


def test_texts_are_refused_of_a_full_ranking(sheet):
    with pytest.raises(UserError, match="no prompt can list the whole catalogue"):
        sheet("text", rule="next-item,candidates=all")


@pytest.mark.parametrize(
    ("candidates", "target", "given_away"),
    [
        ([1, 8, 9], 0, True),  # the target alone was met
        ([2, 1, 9], 1, False),
        ([1, 2, 9], 2, True),  # the target alone was not
        ([1, 2, 9], 0, False),  # another one alone was not: it says nothing
        ([7, 8, 9], 0, False),
    ],
)
def test_a_target_that_the_history_tells_is_refused(sheet, candidates, target, given_away):
    asked = changed(
        sheet().question, rows([[1, 2, 3]], [candidates[target]]), [[candidates]], [[target]]
    )
    if not given_away:
        Sheet.of(asked, "scores")
        return
    with pytest.raises(UserError, match=r"1 of 1 rows the target stands.*--pairs first"):
        Sheet.of(asked, "scores")


WINDOWS = [[1, 2, 3, 4], [2, 3, 4, 5], [11, 12, 13, 14]]


@pytest.mark.parametrize(
    ("histories", "targets", "told"),
    [
        (WINDOWS, [5, 6, 15], 1),
        (WINDOWS, [6, 7, 15], 0),
        ([[1, 2, 3, 4], [3, 4, 5, 6]], [5, 7], 0),  # two in common may be by chance
        ([[1, 2, 3], [1, 2, 3, 4], [7, 8]], [4, 5, 9], 1),
    ],
)
def test_a_history_that_goes_on_with_the_target_of_another_row_is_refused(
    sheet, histories, targets, told
):
    """Of a finished split, which does not say whose its rows are."""
    shown = [[[target, 20, 21]] for target in targets]
    question = sheet().question
    asked = changed(question, rows(histories, targets), shown, [[0]] * len(targets), finished=True)
    if not told:
        Sheet.of(asked, "scores")
        return
    with pytest.raises(UserError, match=f"{told} of {len(targets)} test rows"):
        Sheet.of(asked, "scores")
