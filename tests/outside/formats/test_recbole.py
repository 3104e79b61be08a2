"""What RecBole's ``full_sort_topk`` and ``full_sort_scores`` give, kept by ``numpy.savez``."""

import zipfile

import numpy as np
import pytest

from recbench.errors import DataError
from recbench.outside.answers import read_answers
from recbench.outside.formats import plain, recbole

PAD = "[PAD]"


def arrays(sheet):
    """Return keys, RecBole's tokens, the first of which is no item, and scores of each item."""
    tokens = np.array([PAD, *sheet.ids])
    scores = np.random.default_rng(0).standard_normal((len(sheet.keys), len(tokens)))
    scores[:, 0] = -np.inf
    return np.array(sheet.keys), tokens, scores.astype(np.float32)


def topk(scores, tokens, k):
    order = np.argsort(-scores, axis=1)[:, :k]
    return np.take_along_axis(scores, order, axis=1), tokens[order]


def read(file, sheet):
    return read_answers(file, recbole.read(file, sheet), sheet)


@pytest.fixture
def saved(tmp_path):
    def save(**held):
        np.savez(tmp_path / "scores.npz", **held)
        return tmp_path / "scores.npz"

    return save


@pytest.mark.parametrize("rule", ["next-item", "next-item,candidates=all"])
def test_all_scores_are_those_of_the_candidates(sheet, saved, write, rule):
    made = sheet(rule=rule)
    keys, tokens, scores = arrays(made)
    rows = [
        {"key": key, "scores": {made.ids[c]: float(row[c + 1]) for c in made.shown(number)}}
        for number, (key, row) in enumerate(zip(keys.tolist(), scores, strict=True))
    ]
    file = write(rows)
    wanted = read_answers(file, plain.read(file, made), made)
    assert read(saved(key=keys, scores=scores, iid=tokens), made).digest == wanted.digest


@pytest.mark.parametrize("k", [1, 10, 81])
def test_the_top_ranks_candidates_alone(sheet, saved, k):
    made = sheet(draws=1)
    keys, tokens, scores = arrays(made)
    best, items = topk(scores, tokens, k)
    found = read(saved(key=keys, topk_score=best, topk_iid_list=items), made)
    pack = made.question.pack
    for number, row in enumerate(pack.candidates[:, 0]):
        named = [made.codes[one] for one in items[number] if one != PAD]
        order = sorted(row.tolist(), key=lambda c: named.index(c) if c in named else len(named))
        own = found.scores[number]
        best_first = [int(row[slot]) for slot in np.argsort(-own, kind="stable") if own[slot] > 0]
        assert best_first == order[: len(best_first)]
        assert len(best_first) == len(set(named) & set(row.tolist()))
    assert found.given == "ranking"


def test_what_recbole_left_out_of_a_whole_ranking_is_refused(sheet, saved):
    made = sheet(draws=1)
    keys, tokens, scores = arrays(made)
    scores[5, made.shown(5)[0] + 1] = -np.inf  # as it does with what the user has met
    with pytest.raises(DataError, match=r"row 6, key .*finite numbers, found -inf"):
        read(saved(key=keys, scores=scores, iid=tokens), made)
    with pytest.raises(DataError, match=r"row 1, key .*score of every candidate, found none of"):
        read(saved(key=keys, scores=scores[:, 40:], iid=tokens[40:]), made)


def with_item(place, token):
    """Return what puts another token into the top."""

    def change(whole, top):
        items = top["topk_iid_list"].copy()
        items[place] = items[place[0], 0] if token is None else token
        return top | {"topk_iid_list": items}

    return change


def numbered(tokens):
    """Return RecBole's own numbers, as ``full_sort_topk`` gives them: each is some item's id."""
    return np.unique(tokens, return_inverse=True)[1].reshape(tokens.shape) + 1


BROKEN = {
    "no keys": (lambda w, t: {"scores": w["scores"], "iid": w["iid"]}, "expected an .npz file of"),
    "no tokens": (lambda w, t: {"key": w["key"], "scores": w["scores"]}, "no array called iid;"),
    "other shapes": (lambda w, t: w | {"iid": w["iid"][1:]}, "expected an .npz file.*shapes"),
    "fewer keys": (lambda w, t: t | {"key": t["key"][1:]}, "expected an .npz file.*shapes"),
    "numbers as keys": (lambda w, t: t | {"key": np.arange(len(t["key"]))}, "types int64"),
    "one dimension": (lambda w, t: t | {"topk_score": t["topk_score"][:, 0]}, "shapes"),
    "objects": (lambda w, t: t | {"key": t["key"].astype(object)}, "found an array of Python"),
    "integers": (lambda w, t: t | {"topk_score": t["topk_score"].astype(int)}, "types .*int64"),
    "numbers of the top": (lambda w, t: t | {"topk_iid_list": numbered(t["topk_iid_list"])},
                           r"as tokens \(text\), found .*int64; .*id2token.*astype\(str\)"),
    "numbers of all": (lambda w, t: w | {"iid": np.arange(len(w["iid"]))}, "int64; .*id2token"),
    "an item twice": (with_item((4, 1), None), "row 5: expected different items"),
    "no item": (with_item((0, 0), "x"), "row 1.* items of the dataset, found 'x'"),
    "NaN": (lambda w, t: w | {"scores": w["scores"] * np.nan}, "finite numbers, found nan"),
    "foreign": (lambda w, t: t | {"key": np.full_like(t["key"], "a")}, "the key of a question"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_so_is_refused(sheet, saved, name):
    change, message = BROKEN[name]
    made = sheet(draws=1)
    keys, tokens, scores = arrays(made)
    best, items = topk(scores, tokens, 10)
    whole = {"key": keys, "scores": scores, "iid": tokens}
    top = {"key": keys, "topk_score": best, "topk_iid_list": items}
    with pytest.raises(DataError, match=message):
        read(saved(**change(whole, top)), made)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"{}", b"\x80\x04."])
def test_what_is_no_archive_is_refused(sheet, tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DataError, match=r"row 1: expected an .npz file") as raised:
        read(tmp_path / "a", sheet())
    assert "pickle" not in str(raised.value)


def test_a_single_array_is_refused(sheet, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"row 1: expected an .npz file"):
        read(tmp_path / "a.npy", sheet())


def test_a_small_archive_of_many_bytes_is_not_read(sheet, tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", key=np.array(["a"]), scores=np.zeros((1, 10**7)))
    assert (tmp_path / "a.npz").stat().st_size < 100_000
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", None)
    with pytest.raises(
        DataError, match=r"a\.npz is refused: it unpacks to more than 100 times its"
    ):
        read(tmp_path / "a.npz", sheet())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_array_that_is_there_twice_is_refused(sheet, saved):
    made = sheet(draws=1)
    keys, tokens, scores = arrays(made)
    file = saved(key=keys, scores=scores, iid=tokens)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("scores.npy", archive.read("scores.npy"))
    with pytest.raises(DataError, match=r"each array once, found scores\.npy twice"):
        read(file, made)
