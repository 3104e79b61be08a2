import numpy as np

from recbench.data.ragged import Ragged
from recbench.neural.sequences import chunks, flush_left, last_columns, longest, pieces
from recbench.questions.split import PAD


def ragged(*rows: list[int]) -> Ragged:
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Ragged(np.concatenate(rows).astype(np.int32), offsets)


def test_chunks_make_every_item_but_the_first_a_target_once() -> None:
    inputs, targets = chunks(ragged([1, 2, 3, 4, 5, 6], [7], [], [8, 9]), 3)
    assert inputs.tolist() == [[3, 4, 5], [1, 2, PAD], [8, PAD, PAD]]
    assert targets.tolist() == [[4, 5, 6], [2, 3, PAD], [9, PAD, PAD]]
    assert inputs.dtype == targets.dtype == np.int32


def test_chunks_of_nothing() -> None:
    inputs, targets = chunks(ragged([1]), 4)
    assert inputs.shape == targets.shape == (0, 4)


def test_pieces_overlap_in_one_item() -> None:
    cut = pieces(ragged([1, 2, 3, 4, 5, 6], [7], [], [8, 9]), 3)
    assert cut.tolist() == [[4, 5, 6], [2, 3, 4], [PAD, 1, 2], [PAD, 8, 9]]
    assert cut.dtype == np.int32
    assert pieces(ragged([1]), 4).shape == (0, 4)


def test_flush_left_moves_the_padding() -> None:
    histories = np.array([[PAD, PAD, 1, 2], [3, 4, 5, 6], [PAD] * 4], dtype=np.int32)
    moved, lengths = flush_left(histories)
    assert moved.tolist() == [[1, 2, PAD, PAD], [3, 4, 5, 6], [PAD] * 4]
    assert lengths.tolist() == [2, 4, 0]


def test_last_columns_cut_or_pad_on_the_left() -> None:
    histories = np.array([[PAD, 1, 2]], dtype=np.int32)
    assert last_columns(histories, 2).tolist() == [[1, 2]]
    assert last_columns(histories, 5).tolist() == [[PAD, PAD, PAD, 1, 2]]


def test_beginnings_are_found_in_what_they_begin() -> None:
    rows = [[1, 2, PAD], [1, 3, 2], [PAD] * 3, [1, PAD, PAD], [1, 2, 0], [2, 1, PAD], [1, 3, 2]]
    histories = np.array(rows, dtype=np.int32)
    kept, beginning = longest(histories)
    assert sorted(map(tuple, histories[kept].tolist())) == [(1, 2, 0), (1, 3, 2), (2, 1, PAD)]
    whole = histories[kept][beginning]
    assert ((whole == histories) | (histories == PAD)).all()
    assert whole[[0, 4]].tolist() == [[1, 2, 0]] * 2


def test_beginnings_among_many() -> None:
    random = np.random.default_rng(0)
    histories = random.integers(3, size=(500, 6)).astype(np.int32)
    histories[np.arange(6) >= random.integers(7, size=500)[:, None]] = PAD
    kept, beginning = longest(histories)
    whole = histories[kept][beginning]
    assert ((whole == histories) | (histories == PAD)).all()
    left = histories[kept]
    begins = ((left[:, None] == left) | (left[:, None] == PAD)).all(axis=2)
    assert (begins == np.eye(len(left), dtype=bool)).all()


def test_no_history_begins_another_where_there_is_none() -> None:
    kept, beginning = longest(np.empty((0, 4), dtype=np.int32))
    assert kept.shape == beginning.shape == (0,)
