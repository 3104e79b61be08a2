import dataclasses

import cheats
import numpy as np
import pytest
from numpy.typing import NDArray

from recbench.errors import RecbenchError
from recbench.evaluation import audit as module
from recbench.evaluation.asking import ask
from recbench.evaluation.audit import Audit, AuditError, audit, check, sample, scale
from recbench.evaluation.evaluator import Judgement, evaluate, looked_at
from recbench.evaluation.fresh_process import SavedModel
from recbench.evaluation.full_ranking import FullRanking
from recbench.evaluation.outcome import Outcome
from recbench.file_digests import folder_digest
from recbench.questions.split import Examples
from recbench.settings import Settings
from recbench.testing.toy import toy_training_data

pytestmark = pytest.mark.honesty


@pytest.fixture
def answer_alone(many, runtime, tmp_path):
    """Judge a model; ask a copy of it singly in this process, since a fresh one takes a second."""

    def judged(model_class, full=False):
        data = toy_training_data(many.split)
        model, copy = model_class(Settings()), model_class(Settings())
        model.fit(data, runtime)
        (tmp_path / "saved").mkdir(exist_ok=True)
        model.save(tmp_path / "saved")
        pack = FullRanking.of(many.split, "test") if full else many.pack
        judgement = evaluate(model, many.split.test, many.split.catalogue, pack, runtime)
        copy.load(tmp_path / "saved", data, runtime)
        (tmp_path / "empty").mkdir()
        alone = dataclasses.replace(runtime, cache=tmp_path / "empty")
        asked = sample(many.split.test, pack, 0)
        rows = [asked.queries[row : row + 1] for row in range(len(asked.rows))]
        given = [ask(copy, row, alone) for row in rows]
        scores = None if given[0][0] is None else np.concatenate([one for one, _ in given])
        texts = [texts[0] for _, texts in given if texts is not None]
        return check(
            *(asked, (scores, texts), judgement, pack, many.split.catalogue),
            *(model.scores_in, "exact"),
        )

    return judged


REFUSED = [
    cheats.ListedRememberingCandidates,
    cheats.SmallScores,
    cheats.CloseScores,
    cheats.LowPrecision,
    cheats.RememberingShown,
    cheats.CountingAll,
    cheats.BatchNormalised,
    cheats.NormalisedByRow,
    cheats.ReadingCache,
    cheats.SavedByHalves,
    cheats.ImpreciseUnsaid,
    cheats.ImpreciseDouble,
    cheats.WritingWhatItRemembers,
    cheats.WrittenFromMemory,
]


@pytest.mark.parametrize("model_class", REFUSED)
def test_scores_that_depend_on_what_else_was_asked_are_refused(answer_alone, model_class):
    found = "test row [0-9]+ has a score that differs by .*"
    if model_class is cheats.LowPrecision:
        found = "of the rows .*, singly, the run placed [0-9]+ better and 0 worse"
    if model_class is cheats.WritingWhatItRemembers:
        found = "test row [0-9]+ is answered in other words .*"
    subject = "scores"
    if model_class is cheats.WrittenFromMemory:
        subject, found = "answers", "test row [0-9]+ is answered in other words .*"
    said = f"^{subject} depend on what else was asked: {found}; the run is refused$"
    with pytest.raises(AuditError, match=said):
        answer_alone(model_class)


def test_in_full_rankings_as_well(answer_alone):
    with pytest.raises(AuditError, match=r"has its target in place \d+, and in \d+ to"):
        answer_alone(cheats.SavedByHalves, full=True)


def test_ties_hide_nothing_in_full_rankings(answer_alone):
    with pytest.raises(AuditError, match=r"the run placed 3\d better and 0 worse"):
        answer_alone(cheats.BatchNormalised, full=True)  # alone, it scores all items the same


HONEST = [
    cheats.Guess,
    cheats.Imprecise,
    cheats.ImpreciseHalf,
    cheats.Writing,
    cheats.AtOnce,
    cheats.Written,
    cheats.Counting,
    cheats.LookingAhead,
]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("model_class", HONEST)
def test_what_gained_nothing_passes(answer_alone, model_class, full):
    if full and issubclass(model_class, cheats.Answerer):
        pytest.skip("reads its candidates in a prompt")
    found = answer_alone(model_class, full)
    assert (found.rows, found.seed) == (32, 0)
    if full or model_class is cheats.Written:
        assert found.largest_difference is None
    elif model_class is cheats.Guess:
        assert found.largest_difference == found.better_placed == found.worse_placed == 0
    elif model_class is cheats.Imprecise:
        assert 0 < found.largest_difference < 1e-4
    elif model_class is cheats.ImpreciseHalf:
        assert found.largest_difference > 1e-4
        assert found.better_placed + found.worse_placed > 3


def test_texts_may_be_worse_in_the_run_and_not_better(many):
    asked, titles = sample(many.split.test, many.pack, 0), many.split.catalogue.titles
    right = [titles[target] for target in np.repeat(many.split.test.targets, many.pack.draws)]
    wrong = ["none of them"] * len(right)

    def checked(in_run, alone):
        question = many.pack, many.split.test, many.split.catalogue
        judgement = Judgement(looked_at(*question, None, in_run), in_run, {})
        given = None, [alone[row] for row in asked.rows]
        rules = many.pack, many.split.catalogue, "bfloat16", "exact"
        return check(asked, given, judgement, *rules)

    found = checked(wrong, right)
    assert (found.better_placed, found.worse_placed) == (0, 32)
    with pytest.raises(AuditError, match=r"^answers depend .* placed 32 better and 0 worse"):
        checked(right, wrong)


def _placed(many, run: tuple[slice, slice], alone: tuple[slice, slice]) -> tuple[int, int]:
    """Return how many rows a run placed better and worse: where scores, and texts, are right."""
    asked, titles = sample(many.split.test, many.pack, 0), many.split.catalogue.titles
    rows, size = len(many.split.test) * many.pack.draws, many.pack.size
    targets = many.split.test.targets[asked.examples]
    right = asked.queries.candidates == targets[:, None], np.array(titles, "O")[targets]

    def answers(where: tuple[slice, slice]) -> tuple[NDArray[np.float32], list[str]]:
        scores, texts = np.zeros((len(targets), size), np.float32), np.full(len(targets), "no", "O")
        scores[where[0]], texts[where[1]] = right[0][where[0]], right[1][where[1]]
        return scores, texts.tolist()

    scores, texts = np.zeros((rows, size), np.float32), np.full(rows, "no", "O")
    scores[asked.rows], texts[asked.rows] = answers(run)
    question = many.pack, many.split.test, many.split.catalogue
    judgement = Judgement(looked_at(*question, scores, texts.tolist()), texts.tolist(), {})
    rules = judgement, many.pack, many.split.catalogue, "bfloat16", "exact"
    found = check(asked, answers(alone), *rules)
    return found.better_placed, found.worse_placed


def test_rows_of_scores_and_of_texts_are_counted_together(many) -> None:
    none, every = slice(0), slice(None)
    assert _placed(many, (none, none), (every, every)) == (0, 32)  # each row once


def test_a_place_within_rounding_is_no_other_in_full_rankings(many):
    ranking, test = FullRanking.of(many.split, "test"), many.split.test
    asked = sample(test, ranking, 0)
    rows = np.arange(len(asked.rows))
    allowed = [np.setdiff1d(np.arange(ranking.size), row) for row in ranking.excluded]
    rivals = [allowed[row][allowed[row] != test.targets[row]][0] for row in asked.examples]
    before = np.ones(len(test), dtype=np.int32)
    before[asked.examples[::2]] = 2
    scores = np.tile(np.linspace(0, 1, ranking.size, dtype=np.float32), (len(rows), 1))
    scores[rows, test.targets[asked.examples]] = 2
    scores[rows, rivals] = np.where(rows % 2, 2 + 1e-4, 2 - 1e-4)  # alone it is the other way
    judgement = Judgement(Outcome(1, test.users, writes=False, rank=before), None, {})
    given, rules = (scores, []), (many.split.catalogue, "float32", "exact")
    found = check(asked, given, judgement, ranking, *rules)
    assert (found.better_placed, found.worse_placed) == (16, 16)
    scores[0, rivals[0]] = 1.9
    with pytest.raises(AuditError, match="has its target in place 2, and in 1 to 1"):
        check(asked, given, judgement, ranking, *rules)


@pytest.mark.parametrize(
    ("rows", "asked"), [(1, 1), (31, 31), (33, 32), (640, 32), (1000, 50), (100_000, 2000)]
)
def test_how_many_rows_are_asked_again(many, rows, asked):
    histories = np.zeros((rows, 10), dtype=np.int32)
    numbers = np.zeros(rows, dtype=np.int32)
    ranking = FullRanking.of(many.split, "test")
    chosen = sample(Examples(histories, numbers, numbers), ranking, 0)
    assert len(chosen.rows) == len(set(chosen.examples.tolist())) == asked
    large = dataclasses.replace(ranking, size=(1 << 26) // 40)
    assert len(sample(Examples(histories, numbers, numbers), large, 0).rows) == min(asked, 40)
    assert sorted(chosen.examples.tolist()) != chosen.examples.tolist() or asked == 1


def test_each_audit_asks_other_rows_and_says_which(many, monkeypatch, runtime):
    seeds = []
    monkeypatch.setattr(module, "ask_fresh", lambda saved, queries, runtime: None)
    monkeypatch.setattr(module, "check", lambda asked, *rest: seeds.append(asked.seed))
    test, catalogue = many.split.test, many.split.catalogue
    for _ in range(2):
        audit(None, None, test, catalogue, many.pack, runtime, "float32", "exact")
    assert seeds[0] != seeds[1]
    one, same, other = (sample(test, many.pack, seed) for seed in (seeds[0], *seeds))
    assert one.rows.tolist() == same.rows.tolist() != other.rows.tolist()
    own = many.pack.candidates.reshape(-1, many.pack.size)[one.rows]
    np.testing.assert_array_equal(one.queries.candidates, own)
    np.testing.assert_array_equal(one.queries.histories, test.histories[one.examples])
    assert (one.rows // many.pack.draws == one.examples).all()
    assert len({*(one.rows % many.pack.draws).tolist()}) > 1


def test_differences_are_held_against_what_scores_differ_by():
    rows = [[0, 1, 2], [500, 500, 500], [7, 7, 9], [1, 1, 1]]  # the last is held to the others'
    scores = np.array(rows, dtype=np.float32)
    assert scale(scores).ravel().tolist() == [2, 5, 2, 1]
    np.testing.assert_array_equal(scale(-scores), scale(scores))
    np.testing.assert_allclose(scale(scores * np.float32(1e-6)), scale(scores) * 1e-6, rtol=1e-6)
    assert (scale(np.zeros((2, 3), dtype=np.float32)) > 0).all()


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("model_class", [cheats.Writing, cheats.WritingWhatItRemembers])
def test_the_whole_of_it_with_a_fresh_process(many, runtime, tmp_path, model_class):
    data, folder, told = toy_training_data(many.split), tmp_path / "saved", []
    folder.mkdir()
    model = model_class(Settings())
    model.fit(data, runtime)
    model.save(folder)
    question = many.split.test, many.split.catalogue, many.pack
    judgement = evaluate(model, *question, runtime)
    saved = SavedModel(model_class, model.settings, folder, folder_digest(folder), data)
    loud = dataclasses.replace(runtime, report=told.append)
    if model_class is cheats.Writing:
        found = audit(saved, judgement, *question, loud, "float32", "exact")
        assert (found.rows, found.largest_difference) == (32, 0)
    else:
        with pytest.raises(RecbenchError, match="answered in other words"):
            audit(saved, judgement, *question, loud, "float32", "exact")
    assert told == ["audit: asking 32 test rows again of a copy in a fresh process"]


def test_a_place_that_the_run_alone_knows_is_refused_in_full_rankings(many) -> None:
    ranking, test = FullRanking.of(many.split, "test"), many.split.test
    asked = sample(test, ranking, 0)
    rows = np.arange(len(asked.rows))
    scores = np.tile(np.linspace(0, 1, ranking.size, dtype=np.float32), (len(rows), 1))
    scores[rows, test.targets[asked.examples]] = 2
    scores[0, test.targets[asked.examples[0]]] = -1  # the copy places it last, the run first
    judgement = Judgement(
        Outcome(1, test.users, writes=False, rank=np.ones(len(test), dtype=np.int32)), None, {}
    )
    rules = judgement, ranking, many.split.catalogue, "float32", "exact"
    with pytest.raises(AuditError, match=r"has its target in place 1, and in \d+ to \d+"):
        check(asked, (scores, []), *rules)


def _written(many, in_run: list[str], alone: list[str], precision: str) -> Audit:
    """Check answers of a model that only writes; `alone` holds one text a row of the run."""
    asked = sample(many.split.test, many.pack, 0)
    judgement = Judgement(
        looked_at(many.pack, many.split.test, many.split.catalogue, None, in_run), in_run, {}
    )
    given = None, [alone[row] for row in asked.rows]
    return check(asked, given, judgement, many.pack, many.split.catalogue, precision, "exact")


def test_equal_answers_are_neither_better_nor_worse(many) -> None:
    titles = many.split.catalogue.titles
    right = [titles[target] for target in np.repeat(many.split.test.targets, many.pack.draws)]
    found = _written(many, right, right, "float32")
    assert (found.rows, found.better_placed, found.worse_placed) == (32, 0, 0)


def test_one_answer_may_read_otherwise_and_two_may_not(many) -> None:
    rows = sample(many.split.test, many.pack, 0).rows
    said = ["none of them"] * (len(many.split.test) * many.pack.draws)
    one = [text + "!" * int(row == rows[0]) for row, text in enumerate(said)]
    two = [text + "!" * int(row in rows[:2]) for row, text in enumerate(said)]
    assert _written(many, said, one, "float32").rows == 32
    with pytest.raises(AuditError, match="is answered in other words"):
        _written(many, said, two, "float32")


def test_rows_that_scores_alone_or_texts_alone_place_better_all_count(many) -> None:
    assert _placed(many, (slice(1), slice(1, 2)), (slice(2, 16), slice(24, None))) == (2, 22)
