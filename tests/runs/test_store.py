import json

import numpy as np
import pytest
from pyarrow import parquet

from recbench.errors import DataError, UserError
from recbench.evaluation.answers import NO_CANDIDATE
from recbench.evaluation.metrics import figures
from recbench.runs import store
from recbench.runs.store import finished, publish, read_outcome, runs

COLUMNS = ["example", "draw", "user", "rank", "scores", "hit", "valid", "answer", "answer_slot"]
COLUMNS += ["target_count", "user_count", "history_length"]


def test_a_run_stands_where_its_names_say(made, tmp_path):
    run = made(model="sasrec", seed=3)
    place = tmp_path / "results/movielens/paper/sasrec"
    assert run.folder == place / f"{run.record.row[:12]}-seed3"
    assert finished(run.folder) == run.record
    assert made(model="sasrec", seed=3).folder == run.folder


def test_the_examples_row_by_row(made):
    run = made(hits=[1, 0, 0, 1, 1, 1], writes=True, draws=3, users=[8, 5])
    table = parquet.read_table(run.folder / "examples.parquet")
    assert table.column_names == COLUMNS
    rows = table.to_pydict()
    assert rows["example"] == [0, 0, 0, 1, 1, 1]
    assert rows["draw"] == [0, 1, 2, 0, 1, 2]
    assert rows["user"] == [8, 8, 8, 5, 5, 5]
    assert table.schema.field("user").type == "int32"
    assert rows["rank"] == [1, 2, 2, 1, 1, 1]
    assert rows["scores"][1] == [4.0, 5.0, 6.0, 7.0]
    assert rows["hit"] == [True, False, False, True, True, True]
    assert rows["valid"] == [True, False, True, True, True, True]
    assert rows["answer"][2] == "Title 2"
    assert rows["answer_slot"][:3] == [0, NO_CANDIDATE, 1]


def test_a_model_that_scores_has_no_answers(made):
    table = parquet.read_table(made().folder / "examples.parquet")
    assert table["answer"].null_count == len(table)


@pytest.mark.parametrize("writes", [True, False])
def test_figures_can_be_worked_out_again_from_what_is_stored(made, writes):
    run = made(hits=[1, 0, 0, 1], writes=writes)
    again = figures(read_outcome(run))
    recorded = {name: one.value for name, one in run.record.metrics.items()}
    recorded.pop("HitRatio@1|likelihood-per-token", None)  # needs the tokenizer: not stored
    assert set(again) == set(recorded)
    for name, values in again.items():
        assert np.nanmean(values) == pytest.approx(recorded[name])


def test_no_examples_at_all_can_be_stored(made):
    assert len(read_outcome(made(hits=[]))) == 0


@pytest.mark.parametrize("step", ["_write_table", "_write_record"])
def test_a_run_killed_while_writing_is_not_complete(
    made, judge, count, describe, monkeypatch, step
):
    judged = judge([1, 0])
    described = describe(judged, model="caser")
    folder = made().folder.parents[1] / "caser" / described.run_id
    checkpoints = folder / store.CHECKPOINTS
    checkpoints.mkdir(parents=True)
    real = getattr(store, step)

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(store, step, killed)
    with pytest.raises(KeyboardInterrupt):
        store.finish(folder, described, judged, count(judged))
    assert finished(folder) is None
    assert checkpoints.is_dir()
    assert not list(folder.rglob("*.partial"))
    monkeypatch.setattr(store, step, real)
    store.finish(folder, described, judged, count(judged))
    assert finished(folder) == described
    assert not checkpoints.exists()


def test_a_kill_inside_a_file_leaves_no_half_file(made, judge, count, monkeypatch):
    folder = made().folder
    before = (folder / "examples.parquet").read_bytes()

    def torn(table, path, **_):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(parquet, "write_table", torn)
    judged = judge([0, 0])
    path = folder / "examples.parquet"
    with pytest.raises(KeyboardInterrupt):
        store.write_examples(path, judged.outcome, judged.answers, count(judged))
    assert (folder / "examples.parquet").read_bytes() == before


def test_counts_are_read_back_one_an_example(made):
    run = made(hits=[1, 0, 0, 1, 1, 1], draws=3, target_count=[7, 0])
    found = store.read_cold_start(run)
    assert found.target_count.tolist() == [7, 0]
    assert found.user_count.tolist() == [100, 101]
    assert found.history_length.tolist() == [10, 10]


def test_users_are_read_back_one_an_example(made):
    users = read_outcome(made(hits=[1, 0, 0, 1, 1, 1], users=[8, 8, 5])).users
    assert (users.tolist(), users.dtype) == ([8, 8, 5], np.int32)


def test_a_run_older_than_the_users_has_one_an_example(made):
    run = made(hits=[1, 0, 0, 1, 1, 1], users=[8, 8, 5])
    path = run.folder / "examples.parquet"
    parquet.write_table(parquet.read_table(path).drop_columns(["user"]), path)
    assert read_outcome(run).users.tolist() == [0, 1, 2]


def test_a_run_older_than_the_counts_can_be_read_but_not_grouped(made):
    run = made()
    path = run.folder / "examples.parquet"
    table = parquet.read_table(path)
    parquet.write_table(table.drop_columns(["target_count", "user_count", "history_length"]), path)
    assert len(read_outcome(run)) == 4
    with pytest.raises(UserError, match="was written before counts were; move"):
        store.read_cold_start(run)


def test_only_finished_runs_are_read(made, tmp_path):
    first, second = made(model="b"), made(model="a")
    (tmp_path / "results/movielens/paper/b/unfinished").mkdir()
    assert [run.folder for run in runs(tmp_path / "results")] == [second.folder, first.folder]
    assert runs(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda value: {**value, "schema_version": 99}, "schema version 99, expected 1"),
        (lambda value: {**value, "seed": "x"}, "field 'seed'"),
        (lambda value: [value], "field"),
    ],
)
def test_a_broken_record_is_named(made, change, said):
    run = made()
    path = run.folder / "record.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(DataError, match=said) as caught:
        finished(run.folder)
    assert str(path) in str(caught.value)
    path.write_text("{")
    with pytest.raises(DataError, match="expected a JSON record"):
        finished(run.folder)


def test_a_published_copy_has_no_titles(made, tmp_path):
    run = made(writes=True)
    (run.folder / "model").mkdir()
    copy = publish(run, tmp_path / "public")
    assert copy == tmp_path / "public" / run.folder.relative_to(tmp_path / "results")
    assert sorted(path.name for path in copy.iterdir()) == ["examples.parquet", "record.json"]
    assert b"Title" not in (copy / "examples.parquet").read_bytes()
    table = parquet.read_table(copy / "examples.parquet")
    assert table.column_names == [name for name in COLUMNS if name != "answer"]
    published = runs(tmp_path / "public")[0]
    np.testing.assert_array_equal(read_outcome(published).hit, read_outcome(run).hit)
    assert publish(published, tmp_path / "again").is_dir()


def test_missing_examples_are_named(made):
    run = made()
    (run.folder / "examples.parquet").unlink()
    with pytest.raises(UserError, match=r"examples\.parquet is missing; move .* away and run"):
        read_outcome(run)


def torn(path):
    path.write_bytes(path.read_bytes()[:100])


def emptied(path):
    path.write_bytes(b"")


def garbled(path):
    """Spoil the footer and keep its length and magic bytes: Arrow answers with an OSError."""
    raw = path.read_bytes()
    path.write_bytes(raw[:-40] + b"\xff" * 30 + raw[-10:])


def without_ranks(path):
    parquet.write_table(parquet.read_table(path).drop_columns(["rank"]), path)


def cut(path):
    parquet.write_table(parquet.read_table(path).slice(0, 2), path)


@pytest.mark.parametrize("damage", [torn, emptied, garbled, without_ranks, cut])
def test_damaged_examples_are_named_in_one_line(made, damage):
    run = made()
    path = run.folder / "examples.parquet"
    damage(path)
    with pytest.raises(DataError) as caught:
        read_outcome(run)
    assert str(caught.value).startswith(f"{path} cannot be read (")
    assert str(caught.value).endswith(
        f"; move {run.folder} away and run this cell again to have its examples"
    )
    assert "\n" not in str(caught.value)


def test_a_damaged_table_is_not_published(made, tmp_path):
    run = made()
    torn(run.folder / "examples.parquet")
    with pytest.raises(DataError, match="cannot be read"):
        publish(run, tmp_path / "public")
    assert runs(tmp_path / "public") == []
