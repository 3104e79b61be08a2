import hashlib

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from recbench.errors import DataError
from recbench.evaluation.answers import NO_CANDIDATE
from recbench.evaluation.metrics import figures
from recbench.runs import examples
from recbench.runs.examples import (
    COLUMNS,
    copy_without_answers,
    read_answers,
    read_cold_start,
    read_outcome,
    sha256,
    write_examples,
)

ORDER = ["example", "draw", "user", "rank", "target_slot", "answer_slot", "scores", "title_tokens"]
ORDER += ["answer", "target_count", "user_count", "history_length"]


def outcome_of(run):
    return read_outcome(run.folder, run.record)


def changed(run, **columns):
    """Write a run's table with other values in some columns."""
    path = run.folder / "examples.parquet"
    table = parquet.read_table(path)
    for name, values in columns.items():
        place = table.column_names.index(name)
        column = pa.array(values, table.schema.field(name).type)
        table = table.set_column(place, name, column)
    parquet.write_table(table, path)


def test_the_examples_row_by_row(made):
    run = made(hits=[1, 0, 0, 1, 1, 1], writes=True, draws=3, users=[8, 5])
    table = parquet.read_table(run.folder / "examples.parquet")
    assert table.column_names == ORDER
    assert set(ORDER) == set(COLUMNS)
    rows = table.to_pydict()
    assert rows["example"] == [0, 0, 0, 1, 1, 1]
    assert rows["draw"] == [0, 1, 2, 0, 1, 2]
    assert rows["user"] == [8, 8, 8, 5, 5, 5]
    assert rows["rank"] == [1, 2, 2, 1, 1, 1]
    assert rows["target_slot"] == [0, 1, 1, 0, 0, 0]
    assert rows["answer_slot"][:3] == [0, NO_CANDIDATE, 0]
    assert rows["scores"][1] == [0.0, -1.0, -2.0, -3.0]
    assert rows["title_tokens"][1] == [2, 2, 2, 2]
    assert rows["answer"][2] == "Title 2"
    assert read_answers(run.folder) == rows["answer"]


def test_a_model_that_scores_has_neither_answers_nor_tokens(made):
    run = made()
    table = parquet.read_table(run.folder / "examples.parquet")
    assert table["answer"].null_count == table["title_tokens"].null_count == len(table)
    assert read_answers(run.folder) is None


ONLY = {"writes": True, "only": True}


@pytest.mark.parametrize("shape", [{"writes": True}, {"writes": False}, {"full": True}, ONLY])
def test_every_figure_can_be_worked_out_again_from_what_is_stored(made, shape):
    run = made(hits=[1, 0, 0, 1], ranks=[3, 1] if "full" in shape else None, **shape)
    again = figures(outcome_of(run))
    assert again.keys() == run.record.metrics.keys()
    for name, values in again.items():
        assert np.nanmean(values) == pytest.approx(run.record.metrics[name].value)
    assert ("HitRatio@1|likelihood-per-token" in again) == (shape == {"writes": True})


@pytest.mark.parametrize("only", [False, True])
def test_what_is_read_is_what_was_written(made, judge, only):
    judged = judge([1, 0, 0, 1], writes=True, users=[4, 4], only=only)
    found = outcome_of(made(hits=[1, 0, 0, 1], writes=True, users=[4, 4], only=only))
    for name, value in vars(judged.outcome).items():
        other = getattr(found, name)
        np.testing.assert_array_equal(other, value)
        assert getattr(other, "dtype", None) == getattr(value, "dtype", None)


def test_of_what_only_writes_ranks_scores_and_tokens_are_null(made):
    run = made(**ONLY)
    table = parquet.read_table(run.folder / "examples.parquet")
    assert table.column_names == ORDER
    for name in ("rank", "scores", "title_tokens"):
        assert table[name].null_count == len(table) == 4
        assert str(table.schema.field(name).type).replace("element", "item") == COLUMNS[name]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"rank": [1, 2, 2, 1]}, "ranks are kept of all but what only writes"),
        ({"scores": [[9.0, 8, 7, 6]] * 4}, "scores are kept of a pack that is ranked"),
        ({"title_tokens": [[2, 2, 2, 2]] * 4}, "tokens are kept of titles that are ranked"),
        ({"answer_slot": [0, 4, 0, 0]}, "an answer names no slot of 4"),
        ({"answer_slot": [0, -3, 0, 0]}, "an answer names no slot of 4"),
        ({"target_slot": [0, 4, 0, 0]}, "a target is in no slot of 4"),
    ],
)
def test_a_table_that_gives_a_rank_to_what_only_writes_is_refused(made, columns, said):
    run = made(**ONLY)
    changed(run, **columns)
    with pytest.raises(DataError, match=said):
        outcome_of(run)


@pytest.mark.parametrize("shape", [{"writes": True}, {"writes": False}, {"full": True}])
def test_a_table_that_lost_its_ranks_is_refused(made, shape):
    run = made(hits=[1, 0, 0, 1], ranks=[3, 1, 2, 2] if "full" in shape else None, **shape)
    changed(run, rank=[None] * 4)
    with pytest.raises(DataError, match="ranks are kept of all but what only writes"):
        outcome_of(run)


def test_no_examples_at_all_can_be_stored(made):
    assert len(outcome_of(made(hits=[], **ONLY))) == 0
    assert len(outcome_of(made(hits=[]))) == 0


def test_counts_are_read_back_one_an_example(made):
    run = made(hits=[1, 0, 0, 1, 1, 1], draws=3, target_count=[7, 0])
    found = read_cold_start(run.folder, run.record)
    assert found.target_count.tolist() == [7, 0]
    assert found.user_count.tolist() == [100, 101]
    assert found.history_length.tolist() == [10, 10]


def test_a_table_without_counts_is_damaged(made):
    run = made()
    path = run.folder / "examples.parquet"
    parquet.write_table(parquet.read_table(path).drop_columns(["user_count"]), path)
    with pytest.raises(DataError, match="user_count"):
        read_cold_start(run.folder, run.record)


def test_the_digest_is_that_of_the_file(made, judge, count, tmp_path):
    judged = judge([1, 0])
    digest = write_examples(tmp_path, judged.outcome, None, count(judged))
    raw = (tmp_path / "examples.parquet").read_bytes()
    assert digest == sha256(tmp_path) == hashlib.sha256(raw).hexdigest()


def test_a_copy_without_answers_has_the_same_outcome(made, tmp_path):
    run = made(writes=True)
    digest = copy_without_answers(run.folder, tmp_path)
    assert digest == sha256(tmp_path) != run.record.examples_sha256
    assert b"Title" not in (tmp_path / "examples.parquet").read_bytes()
    copy = read_outcome(tmp_path, run.record)
    np.testing.assert_array_equal(copy.answer_slot, outcome_of(run).answer_slot)
    assert read_answers(tmp_path) is None
    copy_without_answers(tmp_path, tmp_path)  # what has none can be copied as well
    misnamed(run.folder / "examples.parquet")
    with pytest.raises(DataError, match="can't decode"):
        copy_without_answers(run.folder, tmp_path)


WEIGHED = {"writes": True, "experts": [[0.25, 0.75], [1.0, 0.0]]}


def test_weights_of_experts_are_kept_one_list_an_example(made, tmp_path):
    run = made(**WEIGHED)
    table = parquet.read_table(run.folder / "examples.parquet")
    assert table.column_names == [*ORDER, "expert_weights"]
    assert table["expert_weights"].to_pylist() == [[0.25, 0.75]] * 2 + [[1.0, 0.0]] * 2
    copy_without_answers(run.folder, tmp_path)
    for folder in (run.folder, tmp_path):
        weights = read_outcome(folder, run.record).expert_weights
        np.testing.assert_array_equal(weights, np.float32(WEIGHED["experts"]))
    assert outcome_of(made(seed=1)).expert_weights is None


@pytest.mark.honesty
@pytest.mark.parametrize(
    "weights",
    [
        [[0.25, 0.5]] * 4,
        [[-0.5, 1.5]] * 4,
        [[float("nan"), 1.0]] * 4,
        [[0.25, 0.75]] * 3 + [[0.5, 0.5]],
        [[0.25, 0.75]] * 3 + [[1.0]],
        [[0.25, 0.75]] * 3 + [None],
        [[]] * 4,
    ],
    ids=str,
)
def test_weights_that_are_none_are_refused(made, weights):
    run = made(**WEIGHED)
    changed(run, expert_weights=weights)
    with pytest.raises(DataError, match="expert"):
        outcome_of(run)


def test_a_kill_inside_the_file_leaves_no_half_file(made, judge, count, monkeypatch):
    folder = made().folder
    before = (folder / "examples.parquet").read_bytes()

    real = parquet.ParquetWriter.write_table

    def torn(writer, table):
        real(writer, table)
        raise KeyboardInterrupt

    monkeypatch.setattr(parquet.ParquetWriter, "write_table", torn)
    judged = judge([0, 0])
    with pytest.raises(KeyboardInterrupt):
        write_examples(folder, judged.outcome, None, count(judged))
    assert (folder / "examples.parquet").read_bytes() == before
    assert not list(folder.glob("*.partial"))


@pytest.mark.parametrize("writes", [True, False])
def test_many_rows_are_written_piece_by_piece(made, writes, tmp_path, monkeypatch):
    whole = made(writes=writes)
    table = parquet.read_table(whole.folder / "examples.parquet")
    monkeypatch.setattr(examples, "ROWS_AT_ONCE", 3)
    run = made(writes=writes)
    copy_without_answers(run.folder, tmp_path)
    assert parquet.read_table(run.folder / "examples.parquet").equals(table)
    for folder in (run.folder, tmp_path):
        about = parquet.read_metadata(folder / "examples.parquet")
        assert about.num_row_groups == -(-len(table) // 3) > 1


@pytest.mark.parametrize("kind", [{}, {"writes": True, "experts": [[0.25, 0.75], [1.0, 0.0]]}])
def test_pieces_hold_no_more_values_than_can_be_counted_and_are_read_one_by_one(
    made, monkeypatch, kind
):
    expected = outcome_of(made(**kind))
    monkeypatch.setattr(examples, "VALUES_AT_ONCE", 11)  # of 4 rows, with 4 candidates each
    run = made(**kind)
    assert parquet.read_metadata(run.folder / "examples.parquet").num_row_groups == 2
    table = examples._read(run.folder)
    assert table["scores"].num_chunks == 2
    read = outcome_of(run)
    for name in ("scores", "title_tokens", "expert_weights", "rank", "users"):
        one, other = getattr(read, name), getattr(expected, name)
        np.testing.assert_array_equal(one, other)
        assert (one is None) == (other is None)
        assert one is None or one.dtype == other.dtype


def test_missing_examples_are_named(made):
    run = made()
    (run.folder / "examples.parquet").unlink()
    for read in (lambda: outcome_of(run), lambda: sha256(run.folder)):
        with pytest.raises(DataError, match=r"examples\.parquet is missing; move .* away and run"):
            read()


def torn(path):
    path.write_bytes(path.read_bytes()[:100])


def emptied(path):
    path.write_bytes(b"")


def garbled(path):
    """Spoil the footer and keep its length and magic bytes: Arrow answers with an OSError."""
    raw = path.read_bytes()
    path.write_bytes(raw[:-40] + b"\xff" * 30 + raw[-10:])


def with_answers_that_are_no_text(path):
    table = parquet.read_table(path)
    wrong = pa.array([b"\x80"] * len(table)).view(pa.string())
    at = table.schema.get_field_index("answer")
    parquet.write_table(table.set_column(at, "answer", wrong), path)


def without_ranks(path):
    parquet.write_table(parquet.read_table(path).drop_columns(["rank"]), path)


def twice_ranked(path):
    table = parquet.read_table(path)
    parquet.write_table(table.append_column("rank", table["rank"]), path)


def cut(path):
    parquet.write_table(parquet.read_table(path).slice(0, 2), path)


def misnamed(path):
    """Name a column by what is no text."""
    parquet.write_table(parquet.read_table(path), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"rank", b"ran\x80"))


@pytest.mark.honesty
@pytest.mark.parametrize(
    "damage", [torn, emptied, garbled, without_ranks, twice_ranked, cut, misnamed]
)
def test_damaged_examples_are_named_in_one_line(made, damage):
    run = made()
    path = run.folder / "examples.parquet"
    damage(path)
    with pytest.raises(DataError) as caught:
        outcome_of(run)
    assert str(caught.value).startswith(f"{path} cannot be read (")
    assert str(caught.value).endswith(
        f"; move {run.folder} away and run this cell again to have its examples"
    )
    assert "\n" not in str(caught.value)


@pytest.mark.honesty
def test_answers_that_are_no_text_are_named_in_one_line(made):
    run = made()
    with_answers_that_are_no_text(run.folder / "examples.parquet")
    with pytest.raises(DataError, match="can't decode") as caught:
        read_answers(run.folder)
    assert "\n" not in str(caught.value)


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"rank": [1, 2, 2, 2]}, "ranks are not those of its scores"),
        ({"rank": [1, 2, 2, 0]}, "a rank is not among 1 to 4"),
        ({"rank": [1, 2, 2, None]}, "column rank lacks 1 of 4 values"),
        ({"target_slot": [0, 1, 1, 9]}, "a target is in no slot of 4"),
        ({"answer_slot": [0, 0, 0, 3]}, "answers are not those of its scores"),
        ({"answer_slot": [0, 0, 0, -3]}, "an answer names no slot of 4"),
        ({"scores": [[9.0, 8, 7, 6]] * 3 + [[6.0, 7, 8, 9]]}, "ranks are not those of its scores"),
        ({"scores": [[9.0, 8, 7, 6]] * 3 + [[9.0, float("nan"), 7, 6]]}, "score is not finite"),
        ({"scores": [[9.0, 8, 7]] * 2 + [[9.0, 8, 7, 6, 5]] * 2}, "scores has not 4 values"),
        ({"scores": [None] * 4}, "scores are kept of a pack"),
        ({"draw": [0, 1, 1, 0]}, "draws are not numbered"),
        ({"example": [0, 0, 0, 1]}, "examples are not numbered"),
        ({"user": [0, 0, 0, 1]}, "draws of an example are of several users"),
    ],
    ids=str,
)
def test_a_table_that_contradicts_itself_is_refused(made, columns, said):
    run = made(hits=[1, 0, 0, 1])
    changed(run, **columns)
    with pytest.raises(DataError, match=said):
        outcome_of(run)


@pytest.mark.honesty
def test_other_types_are_refused(made):
    run = made()
    path = run.folder / "examples.parquet"
    table = parquet.read_table(path)
    ranks = table["rank"].cast(pa.float64())
    parquet.write_table(table.set_column(table.column_names.index("rank"), "rank", ranks), path)
    with pytest.raises(DataError, match="column rank of type double, expected int32"):
        outcome_of(run)


@pytest.mark.honesty
def test_a_title_without_tokens_is_refused(made):
    run = made(writes=True)
    changed(run, title_tokens=[[2, 2, 2, 0]] * 4)
    with pytest.raises(DataError, match="a title has no token"):
        outcome_of(run)
