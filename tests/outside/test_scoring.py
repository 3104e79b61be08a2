import json

import numpy as np
import pytest
from forged_runs import forge, sign

from recbench.errors import DataError, UserError
from recbench.evaluation.evaluator import evaluate, summary
from recbench.evaluation.ranks import target_ranks
from recbench.outside import scoring
from recbench.outside.about import Maker
from recbench.outside.scoring import score
from recbench.recommender import Answerer, Recommender, Runtime
from recbench.runs.evidence import check_run
from recbench.runs.examples import read_answers, read_outcome
from recbench.runs.leaderboard import leaderboard
from recbench.runs.remade_question import Questions
from recbench.runs.rendering import render
from recbench.runs.store import RECORD, publish, read_record, runs
from recbench.runs.verify import verify
from recbench.settings import Settings

pytestmark = pytest.mark.honesty


def silent(_):
    pass


class LowestId(Recommender):
    """Does as the made-up answers do: the lowest id first."""

    settings_class = Settings

    def fit(self, data, runtime):
        return {"parameters_trained": 0}

    def score(self, queries, runtime):
        return -queries.candidates.astype(np.float32)

    def save(self, folder):
        pass

    def load(self, folder, data, runtime):
        pass


class WritesLowestId(Answerer):
    settings_class = Settings
    fit, save, load = LowestId.fit, LowestId.save, LowestId.load

    def answer(self, queries, runtime):
        return [f"Film {row.min() + 1}" for row in queries.candidates]


@pytest.fixture
def scored(tmp_path, rows_of, write):
    """Return a function that judges made-up answers to a sheet."""

    def run(sheet, field="scores", name="theirs", change=lambda rows: rows, **options):
        said = {"report": silent, "maker": Maker()} | options
        rows = change(rows_of(sheet, field))
        return score(write(rows), name, sheet, 0, tmp_path / "results", **said)

    return run


@pytest.mark.parametrize(
    ("field", "kind", "rule", "draws"),
    [
        ("scores", "scores", "next-item", 3),
        ("ranking", "scores", "paper", 5),
        ("object", "scores", "next-item,candidates=all", None),
        ("ranking", "scores", "next-item,candidates=all", None),
        ("text", "text", "next-item", None),
        ("ranking", "text", "next-item", None),
    ],
)
def test_answers_are_judged_as_those_of_a_model(sheet, scored, tmp_path, field, kind, rule, draws):
    made = sheet(kind, rule, draws)
    question = made.question
    runtime = Runtime(0, "cpu", tmp_path, tmp_path)
    model = (WritesLowestId if field == "text" else LowestId)(Settings())
    own = evaluate(model, question.split.test, question.split.catalogue, question.pack, runtime)
    run = scored(made, field)
    assert run.record.metrics == own.metrics
    found = read_outcome(run.folder, run.record)
    for name in ("rank", "target_slot", "answer_slot"):
        np.testing.assert_equal(getattr(found, name), getattr(own.outcome, name))
    assert read_answers(run.folder) == own.answers


def test_a_record_says_that_it_is_from_outside(sheet, scored):
    about = {"model": "a rule", "data": "none"}
    record = scored(sheet(draws=3), maker=Maker(seed=4, **about)).record
    assert (record.kind, record.model, record.seed) == ("external", "external:theirs", 4)
    assert (record.trained, record.audit, record.settings) == (None, None, {})
    assert record.caption == "answers from a file; its maker says: model: a rule; data: none"
    assert record.outside.about.model == "a rule"


def test_what_has_no_training_at_random_is_seed_0(sheet, scored):
    record = scored(sheet(draws=3), maker=Maker(seed=4, random_training=False)).record
    assert (record.seed, record.random_training) == (0, False)
    assert record.run_id.endswith("-seed0")


def test_how_texts_are_matched_is_nothing_to_scores(sheet, scored):
    exact, other = (scored(sheet(draws=3), matching=one) for one in ("exact", "substring"))
    assert (other.folder, other.reused) == (exact.folder, True)
    assert other.record.matching == "exact"
    text = scored(sheet("text"), "text", matching="substring").record
    assert text.matching == "substring"


@pytest.mark.parametrize(
    ("kind", "rule", "field"),
    [
        ("scores", "next-item", "scores"),
        ("scores", "paper", "ranking"),
        ("scores", "next-item,candidates=all", "scores"),
        ("text", "paper", "text"),
    ],
)
def test_a_record_verifies_like_any(sheet, scored, outside_cache, raw_folder, kind, rule, field):
    run = scored(sheet(kind, rule), field)
    check_run(run.folder, run.record)
    (found,) = verify([run.folder], Questions(outside_cache, raw_folder, silent))
    results = {one.name: one.result for one in found.checks}
    assert "failed" not in results.values()
    assert results["outside"] == results["question"] == results["rows"] == "ok"
    assert not {"training", "model", "claims", "learnt"} & results.keys()


def test_a_published_copy_verifies_without_its_texts(
    sheet, scored, tmp_path, outside_cache, raw_folder
):
    folder = publish(scored(sheet("text", "paper"), "text"), tmp_path / "published")
    (found,) = verify([folder], Questions(outside_cache, raw_folder, silent))
    results = {one.name: one.result for one in found.checks}
    assert (results["answers"], results["figures"]) == ("not checked", "ok")


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "run"},
        {"caption": "audited by everybody"},
        {"model": "sasrec"},
        {"outside": None},
        {"settings": {"embedding_dim": 64}},
        {"trained": "sasrec"},
        {"writes": True},
    ],
)
def test_a_record_that_was_changed_is_refused(sheet, scored, tmp_path, changes):
    run = scored(sheet(draws=3))
    text = json.loads((run.folder / RECORD).read_text()) | changes
    (run.folder / RECORD).write_text(json.dumps(text))
    with pytest.raises(DataError):
        runs(tmp_path / "results")


def test_tables_mark_what_came_from_outside(sheet, scored, tmp_path):
    made = sheet(draws=3)
    scored(made, maker=Maker(model="a rule"))
    scored(made, "ranking", "other")
    tables = leaderboard(runs(tmp_path / "results"))
    (table,) = tables
    assert {row.label for row in table.rows} == {"external:theirs", "external:other"}
    text = render(tables, "table")
    assert "external:theirs: answers from a file; its maker says: model: a rule" in text
    assert "external:other, external:theirs: not audited" in text
    assert "a single training is judged" in text
    (page,) = json.loads(render(tables, "json"))
    assert {(row["kind"], row["about"]["model"]) for row in page["rows"]} == {
        ("external", "a rule"),
        ("external", ""),
    }


def test_the_same_answers_find_their_record(sheet, scored):
    made = sheet(draws=3)
    first = scored(made)
    before = (first.folder / RECORD).read_bytes()
    again = scored(made, "object", change=lambda rows: rows[::-1])
    assert (again.folder, again.reused, first.reused) == (first.folder, True, False)
    assert (first.folder / RECORD).read_bytes() == before
    assert {path.name for path in first.folder.iterdir()} == {RECORD, "examples.parquet"}


def test_other_answers_under_one_name_are_refused_until_the_first_are_moved(sheet, scored):
    made = sheet(draws=3)
    first = scored(made)
    before = (first.folder / RECORD).read_bytes()
    with pytest.raises(UserError, match=r"holds other answers.*--name.*--about.*move .* away"):
        scored(made, "ranking")
    assert (first.folder / RECORD).read_bytes() == before
    first.folder.rename(first.folder.parents[4] / "away")
    assert not scored(made, "ranking").reused


def test_a_record_that_stands_is_held_to_the_answers(sheet, scored):
    """The command in a bundle would else print the figure of whoever made that up."""
    made = sheet(draws=3)
    run = scored(made)
    forge(run.folder)
    check_run(run.folder, read_record(run.folder))
    said = r"the scores in its table are not those of its file of answers; move .* away"
    with pytest.raises(DataError, match=said):
        scored(made)


def test_a_plugins_figure_that_stands_is_the_one_that_was_worked_out(sheet, scored, monkeypatch):
    def with_one(outcome, report):
        found = summary(outcome, report)
        return found | {"Mine": found["MRR"]}

    monkeypatch.setattr(scoring, "summary", with_one)
    made = sheet(draws=3)
    run = scored(made)
    assert scored(made).reused
    sign(run.folder, metrics={"Mine": run.record.metrics["HitRatio@1"]})
    with pytest.raises(DataError, match=r"its Mine is .*, its examples give .*; move .* away"):
        scored(made)


def test_other_words_about_the_same_answers_are_refused(sheet, scored):
    made = sheet(draws=3)
    first = scored(made)
    for maker in (Maker(model="a rule"), Maker(random_training=False)):
        with pytest.raises(UserError, match=r"other words of their maker.*move .* away"):
            scored(made, maker=maker)
    first.folder.rename(first.folder.parents[4] / "away")
    assert scored(made, maker=Maker(model="a rule")).record.outside.about.model == "a rule"


def test_seeds_of_one_name_are_one_row(sheet, scored, tmp_path):
    made = sheet(draws=3)
    first = scored(made, maker=Maker(seed=0))
    other = scored(made, "ranking", maker=Maker(seed=1))
    assert first.record.row == other.record.row
    (table,) = leaderboard(runs(tmp_path / "results"))
    (row,) = table.rows
    assert len(row.runs) == 2


@pytest.mark.parametrize("field", ["model", "code"])
def test_seeds_of_one_row_are_of_one_system(sheet, scored, field):
    """Two makers may have called theirs alike, and one mean would be of both."""
    made = sheet(draws=3)
    first = scored(made, maker=Maker(seed=0, **{field: "ours, v1"}))
    said = rf"is seed 0 of external:theirs, whose {field} is 'ours, v1', not 'theirs': .*--name"
    with pytest.raises(UserError, match=said):
        scored(made, "ranking", maker=Maker(seed=1, **{field: "theirs"}))
    assert [path.parent for path in first.folder.parent.glob("*/*.json")] == [first.folder]
    scored(made, "ranking", maker=Maker(seed=1, data="said of this seed", **{field: "ours, v1"}))


@pytest.mark.parametrize(
    ("first", "second", "did"), [("ranking", "text", "ranked"), ("text", "scores", "wrote")]
)
def test_one_row_answers_in_one_way(sheet, scored, tmp_path, first, second, did):
    """Else one mean would be of written answers and of likelihoods, which are two figures."""
    made = sheet("text")
    scored(made, first, maker=Maker(seed=0))
    with pytest.raises(UserError, match=rf"is seed 0 of external:theirs, which {did}: .*--name"):
        scored(made, second, maker=Maker(seed=1))
    scored(made, second, "other", maker=Maker(seed=1))
    assert len(runs(tmp_path / "results")) == 2


def test_rows_that_name_no_candidate_are_told(sheet, scored):
    made, told = sheet(draws=1), []

    def shortened(rows):
        return [row | {"ranking": []} if number < 40 else row for number, row in enumerate(rows)]

    scored(made, "ranking", change=shortened, report=told.append)
    (line,) = told
    assert "in 40 of 60 rows no candidate of the question is named" in line
    scored(made, "scores", "other", report=told.append)
    assert len(told) == 1


def test_the_same_answers_as_another_seed_are_refused(sheet, scored):
    made = sheet(draws=3)
    first = scored(made, maker=Maker(seed=0))
    with pytest.raises(UserError, match="these are the answers of seed 0"):
        scored(made, maker=Maker(seed=1))
    assert [path.parent for path in first.folder.parent.glob("*/*.json")] == [first.folder]
    assert list(first.folder.parent.iterdir()) == [first.folder]


@pytest.mark.parametrize("first_is_random", [True, False])
def test_what_is_not_random_has_no_seeds(sheet, scored, first_is_random):
    made = sheet(draws=3)
    scored(made, maker=Maker(seed=5 * first_is_random, random_training=first_is_random))
    other = Maker(seed=7, random_training=not first_is_random)
    with pytest.raises(UserError, match="has a random training"):
        scored(made, "ranking", maker=other)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a b", "a\nb", "-a", "a:b", "a,b", "é", "a" * 65]
)
def test_what_can_be_no_name_is_refused(sheet, scored, tmp_path, name):
    with pytest.raises(UserError, match="--name takes up to 64 letters"):
        scored(sheet(draws=3), name=name)
    assert not (tmp_path / "results").exists()


def test_nothing_is_written_for_what_is_refused(sheet, scored, tmp_path):
    with pytest.raises(DataError):
        scored(sheet(draws=3), change=lambda rows: rows[1:])
    assert not (tmp_path / "results").exists()


def test_what_was_stopped_between_examples_and_record_is_made_again(sheet, scored):
    made = sheet(draws=3)
    run = scored(made)
    (run.folder / RECORD).unlink()
    again = scored(made, "ranking")  # nothing stood there, so other answers may
    assert not again.reused
    assert read_record(again.folder).outside.given == "ranking"


@pytest.mark.parametrize("place", ["none", ".", "/dev/null"])
def test_what_is_no_plain_file_is_refused(sheet, tmp_path, place):
    with pytest.raises(DataError, match="expected a file of answers, found"):
        score(tmp_path / place, "a", sheet(), 0, tmp_path / "results", silent, Maker())


def test_ties_count_against_the_system(sheet, scored):
    def tied(rows):
        return [row | {"scores": [0.0] * len(row["scores"])} for row in rows]

    run = scored(sheet(draws=3), change=tied)
    assert run.record.metrics["HitRatio@1"].value == 0
    found = read_outcome(run.folder, run.record)
    assert (found.rank == 20).all()
    assert (target_ranks(found.scores, found.target_slot) == 20).all()


def test_texts_are_matched_by_the_rule_that_is_asked_for(sheet, scored):
    made = sheet("text", "paper")

    def longer(rows):
        return [row | {"text": f"I say: {row['text']}!"} for row in rows]

    exact = scored(made, "text", change=longer)
    assert exact.record.metrics["ValidRatio"].value == 0
    other = scored(made, "text", change=longer, matching="substring")
    assert other.record.metrics["ValidRatio"].value > 0
    assert exact.record.row != other.record.row
