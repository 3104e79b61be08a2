"""Results that somebody has changed, by hand or by mistake; each once passed without a word."""

import json
import os
import shutil
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from recbench import registry
from recbench.errors import DataError
from recbench.evaluation.metrics import Metric
from recbench.runs.evidence import check_run, of_today
from recbench.runs.examples import sha256
from recbench.runs.identity import row_of, run_id, training_id_of
from recbench.runs.leaderboard import leaderboard
from recbench.runs.listing import shown
from recbench.runs.record import FIGURE_VERSION, RunRecord
from recbench.runs.remade_question import Questions
from recbench.runs.store import finished, read_record, runs
from recbench.runs.verify import verify

pytestmark = pytest.mark.honesty


def edit(folder, change, careful=False):
    """Change a record in its file; who is `careful` also writes what its own digest then is."""
    path = folder / "record.json"
    value = json.loads(path.read_text())
    change(value)
    if careful:
        value["record_sha256"] = RunRecord.model_validate(value).own_digest
    path.write_text(json.dumps(value))


def left_out(root):
    """Return the runs that stand and what is said of the others."""
    said = []
    return runs(root, said.append), said


@pytest.fixture
def root(tmp_path):
    return tmp_path / "results"


def test_what_is_as_it_was_written_stands(made, root):
    written = [
        made(),
        made(seed=1),
        made(model="ilora", writes=True),
        made(full=True, ranks=[1], pack="all"),
    ]
    found, said = left_out(root)
    assert (len(found), said) == (4, [])
    assert [check_run(run.folder, run.record) for run in written] == [None] * 4


def put(*path):
    """Return a change of one field: its path, then its value."""
    *parents, name, value = path

    def change(record):
        for parent in parents:
            record = record[parent]
        record[name] = value

    return change


EDITS = {
    "figure": put("metrics", "HitRatio@1", "value", 0.9),
    "interval": put("metrics", "HitRatio@1", "low", 0.49),
    "n": put("metrics", "HitRatio@1", "n", 200),
    "not a number": put("metrics", "HitRatio@1", "value", float("nan")),
    "seed": put("seed", 1),
    "caption": put("caption", "the real thing"),
    "writes": put("writes", True),
    "draws": put("draws", 1),
    "candidates": put("candidates", 100),
    "examples": put("examples", 4),
    "left out": put("left_out", 4),
    "full ranking": put("full_ranking", True),
    "audit": put("audit", "better_placed", 0),
    "no audit": put("audit", {"rows": 9, "seed": 0, "largest_difference": 0, **dict.fromkeys(
        ("better_placed", "worse_placed"), 0)}),
    "pack seed": put("pack_seed", 7),
    "protocol version": put("protocol_version", 2),
    "random": put("random_training", False),
    "preset": put("preset", "paper"),
    "settings": put("settings", "epochs", 300),
    "ingredients": put("ingredients", "llm", "x"),
    "matching": put("matching", "substring"),
    "model": put("model", "sasrec"),
    "protocol": put("protocol", "next-item"),
    "dataset": put("dataset", "lastfm"),
    "dataset digest": put("digests", "dataset", "other"),
    "catalogue digest": put("digests", "catalogue", "other"),
    "split": put("digests", "split", "other"),
    "pack": put("digests", "pack", "other"),
    "fraction": put("training", "fraction", 0.1),
    "training": put("trained", "training_id", "0123456789ab-seed0"),
    "training data": put("trained", "data", "other"),
    "parameters": put("trained", "parameters_trained", 1),
    "device": put("provenance", "device", "name", "cuda:0"),
    "figure version": put("provenance", "figure_version", 7),
    "commit": put("provenance", "commit", None),
    "hours": put("times", "fit", 0.1),
}  # fmt: skip


@pytest.mark.parametrize("what", EDITS)
def test_an_edited_record_is_named_and_left_out(made, root, what):
    audit = {
        "rows": 32,
        "seed": 0,
        "largest_difference": 0.1,
        "better_placed": 3,
        "worse_placed": 2,
    }
    kept = made(model="sasrec", seed=5)
    run = made(audit=None if what == "no audit" else audit)
    edit(run.folder, EDITS[what])
    found, said = left_out(root)
    assert [one.folder for one in found] == [kept.folder]
    assert len(said) == 1
    assert str(run.folder) in said[0]
    assert "\n" not in said[0]


def leaves(value, path=()):
    """Yield the path of every value in a record that holds no others."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inside:
        if isinstance(one, dict | list) and one:
            yield from leaves(one, (*path, key))
        else:
            yield (*path, key)


def other(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return {"a": 1} if isinstance(value, dict) else [1] if value == [] else f"{value or ''}x"


def test_no_value_of_a_record_can_be_changed_unseen(made, root):
    run = made(writes=True, parts={"encoder": "e"}, ingredients={"llm": "x"})
    text = (run.folder / "record.json").read_text()
    paths = list(leaves(json.loads(text)))
    assert len(paths) > 100
    for path in paths:
        value = json.loads(text)
        inner = value
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = other(inner[path[-1]])
        (run.folder / "record.json").write_text(json.dumps(value))
        assert len(left_out(root)[1]) == 1, path


CAREFUL = {
    "figure": (put("metrics", "HitRatio@1", "value", 0.55), "HitRatio@1 is 0.5500"),
    "interval": (put("metrics", "HitRatio@1", "low", 0.49), "HitRatio@1 is 0.5000"),
    "n": (put("metrics", "HitRatio@1", "n", 200), "of 200, its examples give"),
    "lost figure": (lambda record: record["metrics"].pop("MRR"), "it lacks the figure MRR"),
    "own figure": (
        lambda record: record["metrics"].update({"HitRatio@7": record["metrics"]["MRR"]}),
        "its examples give no HitRatio@7",
    ),
    "draws": (put("draws", 1), "rows, expected"),
    "writes": (put("writes", True), "tokens are kept of titles that are ranked"),
    "ranks": (put("ranks", False), "it can have answered nothing of what was asked"),
    "full ranking": (put("full_ranking", True), "of a full ranking none"),
    "settings": (put("settings", "epochs", 300), "its settings are of"),
    "training": (put("trained", "training_id", "0-seed0"), "its training is 0-seed0"),
    "training data": (put("trained", "data", "other"), "its training is"),
    "training code": (put("trained", "provenance", "plugin", "x 2"), "its training is"),
    "training seed": (put("trained", "seed", 3), "its seed is 0, its training's is 3"),
    "examples": (put("examples_sha256", "0" * 64), "its examples have the SHA-256"),
    "dataset": (put("dataset", "lastfm"), "it belongs into lastfm/paper/gru4rec/"),
    "rows in a caption": (put("caption", "x\n| best | 0.99 |"), "cannot be printed"),
    "colours in a caption": (put("caption", "\x1b[2K0.99"), "cannot be printed"),
    "rows in a figure's name": (
        lambda record: record["metrics"].update({"a\n| b": record["metrics"]["MRR"]}),
        "cannot be printed",
    ),
}


@pytest.mark.parametrize("what", CAREFUL)
def test_who_also_mends_the_digest_of_the_record_is_found_out(made, root, what):
    run = made()
    change, said = CAREFUL[what]
    edit(run.folder, change, careful=True)
    with pytest.raises(DataError) as caught:
        runs(root)
    assert said in str(caught.value)
    assert str(run.folder) in str(caught.value)


def test_an_interval_of_another_figure_version_is_not_worked_out_but_must_hold_its_value(made):
    run = made(trained_by={"figure_version": FIGURE_VERSION - 1})
    edit(run.folder, put("metrics", "HitRatio@1", "low", 0.49), careful=True)
    assert finished(run.folder)
    edit(run.folder, put("metrics", "HitRatio@1", "low", 0.51), careful=True)
    with pytest.raises(DataError, match=r"HitRatio@1 is 0\.5000 \[0\.5100"):
        finished(run.folder)


def test_figures_of_a_version_to_come_are_refused(made):
    """Nobody here can tell how its intervals come about, whatever they hold."""
    run = made(trained_by={"figure_version": FIGURE_VERSION + 1})
    said = "its figures are of version 2, and this recbench makes 1: update recbench; move"
    with pytest.raises(DataError, match=said):
        finished(run.folder)


def test_that_intervals_were_not_compared_is_said(made, root):
    today = made()
    run = made(seed=1, trained_by={"figure_version": FIGURE_VERSION - 1})
    edit(run.folder, put("metrics", "HitRatio@1", "low", 0.0), careful=True)
    found = verify([today.folder, run.folder], Questions(root / "none", None, lambda _: None))
    whole, values = ({one.name: one for one in run.checks} for run in found)
    for name in ("figures", "plug-ins"):
        assert (whole[name].result, whole[name].why) == ("ok", "")
        assert values[name].result == "ok"
        assert values[name].why == "of values alone: its intervals are of figure version 0"


def test_intervals_of_another_figure_version_are_shown_as_the_examples_give_them(made, root):
    run = made(trained_by={"figure_version": FIGURE_VERSION - 1})
    honest = run.record.metrics["HitRatio@1"]
    edit(run.folder, put("metrics", "HitRatio@1", "low", 0.4999), careful=True)
    shown_again = of_today(run.folder, read_record(run.folder)).metrics["HitRatio@1"]
    assert shown_again == honest
    assert shown(finished(run.folder), [])["metrics"]["HitRatio@1"] == honest.model_dump()


@pytest.mark.parametrize("link", [False, True])
def test_a_run_copied_under_another_name_counts_once(made, root, link):
    run = made()
    copy = run.folder.with_name(run.folder.name.replace("seed0", "seed1"))
    if link:
        copy.symlink_to(run.folder)
    else:
        shutil.copytree(run.folder, copy)
    found, said = left_out(root)
    assert [one.folder for one in found] == [run.folder]
    (line,) = said
    assert f"it belongs into movielens/paper/gru4rec/{run.folder.name}" in line


def renumber(record, weights=None):
    """Make a record that of seed 1, as one would who knows how names come about."""
    record["seed"] = record["trained"]["seed"] = 1
    record["trained"]["weights"] = weights or record["trained"]["weights"]
    record["run_id"] = run_id(record["row"], 1)
    record["trained"]["training_id"] = run_id(record["trained"]["training_id"].split("-")[0], 1)


@pytest.mark.parametrize(("weights", "what"), [(None, "model"), ("others", "scores")])
def test_a_copy_with_another_seed_is_known_by_its_model_or_scores(made, root, weights, what):
    run = made()
    copy = run.folder.with_name(run.folder.name.replace("seed0", "seed1"))
    shutil.copytree(run.folder, copy)
    edit(copy, lambda record: renumber(record, weights), careful=True)
    found, said = left_out(root)
    assert [one.folder for one in found] == [run.folder]
    (line,) = said
    assert f"it has the {what} of seed 0: it is a copy, or its training is not random" in line


def test_runs_of_a_row_answer_in_one_way(made, root):
    """A mean of written answers and of rankings would be a figure of nothing."""
    made(model="a")
    other = made(model="a", seed=1, writes=True)
    with pytest.raises(DataError, match="it answers in another way than seed 0 of its row; move"):
        runs(root)
    made(model="b", writes=True)
    said = []
    assert len(runs(root, said.append)) == 2
    assert [str(other.folder) in line for line in said] == [True]


def test_full_rankings_of_two_trainings_may_be_the_same(made, root):
    for seed in (0, 1):
        made(full=True, ranks=[1, 2], seed=seed)
    assert len(left_out(root)[0]) == 2


def test_no_fewer_items_were_ranked_than_a_rank_says(made, root):
    made(full=True, ranks=[1, 5], ranked=5)
    assert left_out(root)[1] == []
    made(full=True, ranks=[1, 5], ranked=4, model="b")
    (said,) = left_out(root)[1]
    assert "a rank is larger than the 4 items that it ranked; move" in said


def test_a_record_moved_to_another_dataset_counts_once(made, root):
    """The row knows the data by their digest, so the same data under two names are one row."""
    run = made(dataset="mine")
    copy = root / "yours" / run.folder.relative_to(root / "mine")
    shutil.copytree(run.folder, copy)
    edit(copy, put("dataset", "yours"), careful=True)
    found, said = left_out(root)
    assert [one.folder for one in found] == [run.folder]
    assert "those of another run of mine, the same data by another name; move" in said[0]


def test_the_examples_of_another_model_are_refused(made, root):
    run, other = made(hits=[1, 1, 1, 1]), made(hits=[0, 0, 0, 0], model="sasrec")
    shutil.copy(run.folder / "examples.parquet", other.folder)
    found, said = left_out(root)
    assert [one.folder for one in found] == [run.folder]
    assert "its examples have the SHA-256" in said[0]


def test_the_examples_of_another_model_with_their_digest_are_refused(made, root):
    run, other = made(hits=[1, 1, 1, 1]), made(hits=[0, 0, 0, 0], model="sasrec")
    shutil.copy(run.folder / "examples.parquet", other.folder)
    edit(other.folder, put("examples_sha256", sha256(other.folder)), careful=True)
    assert "its examples give" in left_out(root)[1][0]


def test_missing_and_torn_examples_are_named(made, root):
    runs_made = [made(seed=seed) for seed in range(3)]
    (runs_made[0].folder / "examples.parquet").unlink()
    torn = runs_made[1].folder / "examples.parquet"
    torn.write_bytes(torn.read_bytes()[:100])
    edit(runs_made[1].folder, put("examples_sha256", sha256(torn.parent)), careful=True)
    found, said = left_out(root)
    assert [one.folder for one in found] == [runs_made[2].folder]
    assert "is missing" in said[0]
    assert "cannot be read" in said[1]


class Halves(Metric):
    def values(self, outcome):
        return {"Half": np.full(len(outcome), 0.5)}


@pytest.fixture
def plugin(monkeypatch):
    """Return a function that installs a metric of another package, or takes it away."""
    real = registry.entry_points

    class Foreign:
        name, version = "foreign", "1"

    def install(there=True):
        point = EntryPoint("Half", f"{__name__}:Halves", "recbench.metrics")
        vars(point)["dist"] = Foreign()
        monkeypatch.setattr(
            type(point), "load", lambda one: Halves if one.name == "Half" else REAL_LOAD(one)
        )
        monkeypatch.setattr(
            registry,
            "entry_points",
            lambda group: [*real(group=group), *([point] if there and "metrics" in group else [])],
        )

    return install


REAL_LOAD = EntryPoint.load


def test_a_figure_of_a_plugin_that_is_not_installed_is_left_alone(made, root, plugin):
    plugin()
    run = made()
    assert run.record.metrics["Half"].value == 0.5
    assert left_out(root)[1] == []
    plugin(there=False)
    assert left_out(root)[1] == []


@pytest.mark.honesty
def test_a_plugin_that_was_mended_takes_no_run_out_of_a_table(made, root, plugin):
    plugin()
    run = made()
    edit(run.folder, put("metrics", "Half", "value", 0.4), careful=True)
    assert left_out(root)[1] == []
    (row,) = [row for table in leaderboard(runs(root)) for row in table.rows]
    assert row.estimates["Half"].figure.value == 0.5  # worked out from the examples
    (verified,) = verify([run.folder], Questions(root / "none", None, lambda _: None))
    (plugins,) = [one for one in verified.checks if one.name == "plug-ins"]
    assert plugins.result == "failed"
    assert "its Half is 0.4000" in plugins.why


def test_runs_older_than_a_plugin_do_not_lack_its_figure(made, root, plugin):
    made()
    plugin()
    assert left_out(root)[1] == []


@pytest.mark.parametrize("name", [".", "results", "./results/", "../{here}/results"])
def test_a_results_folder_may_be_named_in_any_way(made, root, monkeypatch, name):
    run = made()
    monkeypatch.chdir(root if name == "." else root.parent)
    path = name.format(here=root.parent.name)
    assert [one.record for one in runs(type(root)(path))] == [run.record]
    monkeypatch.chdir(run.folder)
    assert finished(type(root)("."))


def test_a_results_folder_may_be_a_link(made, root, tmp_path):
    made()
    (tmp_path / "link").symlink_to(root)
    assert len(runs(tmp_path / "link")) == 1


def test_a_linked_dataset_counts_once(made, root):
    made(dataset="mine")
    (root / "yours").symlink_to(root / "mine")
    found, said = left_out(root)
    assert len(found) == 1
    assert "it belongs into mine/" in said[0]


def test_the_record_of_another_schema_is_named(made, root):
    run = made()
    edit(run.folder, put("schema_version", 1))
    assert "schema version 1, expected 2" in left_out(root)[1][0]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "\xff", "[" * 100_000])
def test_what_is_no_record_is_one_line(made, root, text):
    kept, run = made(), made(seed=1)
    (run.folder / "record.json").write_bytes(text.encode("latin-1"))
    found, said = left_out(root)
    assert [one.folder for one in found] == [kept.folder]
    assert len(said) == 1
    assert "\n" not in said[0]
    assert str(run.folder) in said[0]


def test_a_record_that_may_not_be_read_is_one_line(made, root):
    run = made()
    (run.folder / "record.json").unlink()
    (run.folder / "record.json").mkdir()
    assert "is no file; move" in left_out(root)[1][0]


def test_names_follow_from_what_is_recorded(made):
    record = read_record(made(settings={"a": [1, 2.5, None]}, seed=3).folder)
    assert row_of(record) == record.row
    assert training_id_of(record) == record.trained.training_id


def test_the_paths_of_a_check_do_not_depend_on_the_working_folder(made, monkeypatch):
    run = made()
    monkeypatch.chdir(run.folder.parent)
    check_run(type(run.folder)(os.curdir) / run.folder.name, run.record)


@pytest.mark.parametrize("letter", ["\u3164", "\u034f", "\u115f", "\u180b", "\ufe0f", "\U000e0100"])
@pytest.mark.parametrize("name", ["model", "dataset", "protocol"])
def test_no_name_holds_letters_that_nobody_sees(made, name, letter):
    """Each of them can be printed, as Python has it, and shows nothing."""
    run = made(**{name: f"movielens{letter}"})
    with pytest.raises(DataError, match="a name holds letters that nobody sees; move"):
        check_run(run.folder, run.record)


def test_a_caption_may_hold_what_a_maker_writes(made):
    run = made(caption="with ❤\ufe0f")
    check_run(run.folder, run.record)
