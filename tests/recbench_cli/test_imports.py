import json
import pickle
from pathlib import Path

import pandas as pd
import pytest

from recbench.stages import asked_protocol
from recbench.studies.candidates import Candidates
from recbench.studies.study import Asked
from recbench_cli import main as cli

ITEMS = "id\ttitle\n" + "".join(f"{i}\tGame {i}\n" for i in range(30))
PARTS = ("train", "validation", "test")


@pytest.fixture
def call(capsys, tmp_path):
    """Run a command with a cache of its own; return code, stdout, stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            cli.main([*map(str, arguments), "--cache", str(tmp_path / "cache")])
        shown = capsys.readouterr()
        return left.value.code or 0, shown.out, shown.err

    return run


@pytest.fixture
def folder(tmp_path):
    """Write a small split: two users who train, four rows of each asked part."""
    made = tmp_path / "released"
    made.mkdir()
    users = [[*range(8)], [*range(20, 29)]]
    train = [(user[max(0, at - 5) : at], user[at]) for user in users for at in range(3, len(user))]
    asked = [([at, at + 1, at + 2], at + 3) for at in range(4)]
    for part, rows in zip(PARTS, (train, asked, asked[::-1]), strict=True):
        lines = [json.dumps({"history": past, "target": target}) for past, target in rows]
        (made / f"{part}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (made / "items.tsv").write_text(ITEMS, encoding="utf-8")
    return made


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("ids", [int, "é{}".format], ids=["integers", "texts"])
def test_what_is_exported_is_imported_and_exported_again(call, folder, tmp_path, ids):
    for part in PARTS:
        text = (folder / f"{part}.jsonl").read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text.splitlines()]
        lines = [
            json.dumps({"history": [*map(ids, row["history"])], "target": ids(row["target"])})
            for row in rows
        ]
        (folder / f"{part}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    items = "".join(f"{ids(i)}\tGame {i}\n" for i in range(30))
    (folder / "items.tsv").write_text("id\ttitle\n" + items, encoding="utf-8")
    out = [tmp_path / "out1", tmp_path / "out2"]
    for source, name, target in [(folder, "one", out[0]), (out[0], "two", out[1])]:
        code, shown, _ = call("data", "import-splits", source, "--name", name)
        assert code == 0
        assert f"{name}: 11 train, 4 validation, 4 test rows, 30 items" in shown
        assert call("data", "export", "--dataset", name, "--out", target)[0] == 0
    assert content(out[0]) == content(out[1])
    first = json.loads((out[1] / "train.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first == {"history": [ids(0), ids(1), ids(2)], "target": ids(3)}


def test_it_works_everywhere_without_a_protocol_named(call, folder, tmp_path):
    assert call("data", "import-splits", folder, "--name", "mine", "--noun", "game")[0] == 0
    assert "protocols: released\n" in call("data", "list")[1]
    assert "a user interacted with them" in call("data", "show", "mine")[1]
    assert "whether users who are asked" in " ".join(call("data", "doctor", "mine")[1].split())
    code, shown, _ = call("data", "prepare", "--dataset", "mine")
    assert (code, "30 items" in shown) == (0, True)
    file = tmp_path / "pack.parquet"
    code, shown, _ = call("candidates", "--dataset", "mine", "--draws", 2, "--out", file)
    assert (code, "4 examples, 2 draws" in shown) == (0, True)
    assert {len(row) for row in pd.read_parquet(file).candidates} == {20}
    asked = ("run", "--model", "popularity", "--dataset", "mine", "--results", tmp_path / "r")
    code, shown, _ = call(*asked, "--candidates", 5, "--json", "--no-audit")
    assert code == 0
    record = json.loads(Path(json.loads(shown)["record"]).read_text(encoding="utf-8"))
    assert (record["protocol"], record["examples"]) == ("released,candidates=5", 4)
    code, _, err = call(*asked, "--protocol", "next-item")
    assert (code, "unknown protocol of mine 'next-item'; known: released" in err) == (2, True)


def test_llara_releases_are_imported(call, tmp_path):
    release = tmp_path / "movies"
    release.mkdir()
    rows = [([(at, 5), (at + 1, 3), (at + 2, 4)], (at + 3, 5)) for at in range(4)]
    table = pd.DataFrame(
        {
            "seq": [[*past, *[(30, 0)] * 7] for past, _ in rows],
            "len_seq": [3] * 4,
            "next": [target for _, target in rows],
        }
    )
    for name in ("train_data.df", "Val_data.df", "Test_data.df"):
        (release / name).write_bytes(pickle.dumps(table))
    items = "".join(f"{i}|Film {i} (1990)|\n" for i in range(1, 31))
    (release / "u.item").write_text(items, encoding="latin-1")
    code, shown, err = call("data", "import-llara", release, "--name", "films")
    assert (code, "films: 4 train, 4 validation, 4 test rows, 30 items" in shown) == (0, True)
    assert "one more than in the released tables" in err
    assert call("data", "export", "--dataset", "films", "--out", tmp_path / "out")[0] == 0
    first = (tmp_path / "out/test.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert first == '{"history":[1,2,3],"target":4}'
    assert "1\tFilm 1\n" in (tmp_path / "out/items.tsv").read_text(encoding="utf-8")


def test_the_released_files_are_read_again_where_the_cache_lost_them(call, folder, tmp_path):
    call("data", "import-splits", folder, "--name", "mine")
    (prepared,) = (tmp_path / "cache/datasets/mine").iterdir()
    (prepared / "interactions.parquet").write_bytes(b"damaged")
    code, _, err = call("data", "prepare", "--dataset", "mine")
    assert (code, "preparing it again" in err) == (0, True)
    (prepared / "interactions.parquet").unlink()
    lines = (folder / "test.jsonl").read_text().splitlines()
    (folder / "test.jsonl").write_text("\n".join(lines[1:]))
    code, _, err = call("data", "prepare", "--dataset", "mine")
    assert (code, "no longer what was added" in err) == (1, True)
    code, _, err = call("data", "prepare", "--dataset", "mine", "--data-dir", folder)
    assert (code, "figures are not comparable" in err) == (0, True)
    (folder / "val.jsonl").write_text("")
    code, _, err = call("data", "prepare", "--dataset", "mine", "--data-dir", folder)
    assert (code, "found val.jsonl and validation.jsonl" in err) == (2, True)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    code, _, err = call("data", "prepare", "--dataset", "mine")
    assert (code, "name its folder with --data-dir" in err) == (1, True)


@pytest.mark.parametrize("command", ["import-splits", "import-llara"])
@pytest.mark.parametrize(
    ("name", "message"),
    [("movielens", "the name 'movielens' is taken"), ("a/b", "'a/b' cannot name a dataset")],
)
def test_a_name_that_cannot_be_is_refused_first(call, tmp_path, command, name, message):
    code, _, err = call("data", command, tmp_path / "none", "--name", name)
    assert (code, message in err) == (2, True)


@pytest.mark.parametrize("command", ["import-splits", "import-llara"])
def test_what_cannot_be_imported_leaves_nothing_behind(call, folder, tmp_path, command):
    (folder / "items.tsv").write_text("id\ttitle\n0\tA\n", encoding="utf-8")
    for place in (folder, tmp_path / "none"):
        code, out, err = call("data", command, place, "--name", "mine")
        assert (code, out) == (2, "")
        assert err.startswith(f"error: {place}")
        assert err.count("\n") == 1
    assert not (tmp_path / "cache").exists()


def with_candidates(folder, part="test", size=6):
    """Let each row bring its target, always first, and what stands on a ring before it."""
    file = folder / f"{part}.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    lines = [
        json.dumps({**row, "candidates": [(row["target"] - step) % 30 for step in range(size)]})
        for row in rows
    ]
    file.write_text("\n".join(lines), encoding="utf-8")


def record_of(shown):
    return json.loads(Path(json.loads(shown)["record"]).read_text(encoding="utf-8"))


def test_the_order_of_systems_is_of_the_candidates_that_rows_bring_and_of_all(
    call, folder, tmp_path
):
    with_candidates(folder)
    assert call("data", "import-splits", folder, "--name", "mine")[0] == 0
    asked = Asked("mine", models=("popularity", "llara"), cache=tmp_path / "cache")
    cells = Candidates().cells(asked)
    assert [(cell.model, asked_protocol(cell).name) for cell in cells] == [
        ("popularity", "released,candidates=6,negatives=given"),
        ("llara", "released,candidates=6,negatives=given"),
        ("popularity", "released,candidates=all"),
    ]


@pytest.mark.honesty
def test_candidates_of_the_rows_are_what_is_asked(call, folder, tmp_path):
    with_candidates(folder)
    assert call("data", "import-splits", folder, "--name", "mine")[0] == 0
    assert "a finished split whose rows bring 6 candidates" in call("data", "show", "mine")[1]
    file = tmp_path / "pack.parquet"
    code, shown, err = call("candidates", "--dataset", "mine", "--out", file)
    assert (code, "4 examples, 1 draws" in shown, "--draws" in err) == (0, True, False)
    pack = pd.read_parquet(file)
    assert [sorted(row) for row in pack.candidates] == [
        sorted((target - step) % 30 for step in range(6)) for target in (6, 5, 4, 3)
    ]
    assert [row[at] for row, at in zip(pack.candidates, pack.target_position, strict=True)] == [
        *(6, 5, 4, 3)
    ]
    asked = ("run", "--model", "popularity", "--dataset", "mine", "--results", tmp_path / "r")
    code, shown, err = call(*asked, "--draws", 20, "--json")
    assert (code, "so --draws changes nothing" in err) == (0, True)
    record = record_of(shown)
    assert record["protocol"] == "released,candidates=6,negatives=given"
    assert (record["draws"], record["candidates"], record["examples"]) == (1, 6, 4)
    code, said, _ = call("verify", tmp_path / "r")
    assert (code, "  ok           question" in said) == (0, True)
    code, shown, err = call(*asked, "--protocol", "released", "--json")
    assert record_of(shown)["digests"] == record["digests"]
    board = (
        "leaderboard",
        "--models",
        "popularity",
        "--datasets",
        "mine",
        "--results",
        tmp_path / "r",
    )
    for more in ((), ("--run", "--draws", 1)):
        code, shown, _ = call(*board, "--protocol", "released", *more)
        assert (code, "released v2,candidates=6,negatives=given: 4 examples" in shown) == (0, True)
    for by in ("user", "user-count"):
        code, shown, _ = call(*board, "--group-by", by)
        assert (code, "does not say whose its rows are: each counts as" in shown) == (0, True)
    assert "whose its rows are" not in call(*board, "--group-by", "target-count")[1]
    code, shown, _ = call(*asked, "--candidates", "all", "--json", "--no-audit")
    assert (code, record_of(shown)["protocol"]) == (0, "released,candidates=all")
    code, said, _ = call("data", "doctor", "mine")
    assert said.startswith("mine, protocol released v2,candidates=6,negatives=given\n")
    assert "given candidates" in said
    assert "5 draws" not in " ".join(said.split())
    call("data", "remove", "mine")
    for name in ("released", "released,candidates=6", "released, negatives = given"):
        code, shown, err = call(*board, "--protocol", name)
        assert (code, "released v2,candidates=6,negatives=given: 4 examples" in shown) == (0, True)
        code, shown, err = call("compare", "popularity", *board[-2:], "--protocol", name)
        assert (code, "popularity is one row; name another" in err) == (2, True)
        code, shown, err = call("plan", *board[-2:], "--dataset", "mine", "--protocol", name)
        assert (code, "--models A,B --datasets mine" in err) == (2, True)
    code, _, err = call("compare", "popularity", *board[-2:], "--protocol", "relased")
    assert (code, "did you mean 'released'" in err) == (2, True)


def test_the_candidates_come_back_from_an_export(call, folder, tmp_path):
    with_candidates(folder)
    with_candidates(folder, "validation", size=4)
    digests = []
    for source, name in [(folder, "one"), (tmp_path / "one", "two")]:
        code, shown, _ = call("data", "import-splits", source, "--name", name)
        assert code == 0
        digests.append(shown.split("digest ")[1])
        assert call("data", "export", "--dataset", name, "--out", tmp_path / name)[0] == 0
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert digests[0] == digests[1]
    row = json.loads((tmp_path / "two/test.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert row == {"history": [3, 4, 5], "target": 6, "candidates": [1, 2, 3, 4, 5, 6]}
    code, shown, _ = call(
        *("candidates", "--dataset", "two", "--split", "validation", "--out", tmp_path / "pack")
    )
    assert (code, "4 examples, 1 draws" in shown) == (0, True)
    assert {len(row) for row in pd.read_parquet(tmp_path / "pack").candidates} == {4}


@pytest.mark.honesty
def test_other_candidates_are_other_data_and_other_questions(call, folder, tmp_path):
    found = []
    for size in (0, 6, 7):
        if size:
            with_candidates(folder, size=size)
        name = f"with-{size}"
        code, shown, _ = call("data", "import-splits", folder, "--name", name)
        assert code == 0
        digest = shown.split("digest ")[1]
        place = ("--out", tmp_path / "pack")
        found.append((digest, call("candidates", "--dataset", name, *place)[1].split("hash ")[1]))
    assert len({digest for digest, _ in found}) == len({pack for _, pack in found}) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--candidates", 5),
            "each row of mine brings its 6 candidates, and no others are drawn; ",
        ),
        (("--candidates", 20), "leave out --candidates and --negatives, or give --candidates all"),
        (("--negatives", "popular"), "each row of mine brings its 6 candidates"),
        (("--negatives", "uniform"), "each row of mine brings its 6 candidates"),
        (("--protocol", "released,candidates=7"), "each row of mine brings its 6 candidates"),
        (("--split", "validation"), "the validation rows bring no candidates; ask about the other"),
        (("--candidates", "all", "--negatives", "given"), "ranks every item, so no given"),
    ],
)
def test_other_candidates_than_the_rows_bring_are_refused(call, folder, tmp_path, options, message):
    with_candidates(folder)
    call("data", "import-splits", folder, "--name", "mine")
    code, _, err = call("candidates", "--dataset", "mine", *options, "--out", tmp_path / "pack")
    assert (code, message in err, err.count("\n")) == (2, True, 1)
    same = ("--candidates", 6, "--negatives", "given", "--history", 2)
    assert call("candidates", "--dataset", "mine", *same, "--out", tmp_path / "pack")[0] == 0


@pytest.mark.parametrize("dataset", ["movielens", "mine"])
def test_candidates_that_nobody_gave_are_refused(call, folder, tmp_path, dataset):
    call("data", "import-splits", folder, "--name", "mine")
    asked = ("candidates", "--dataset", dataset, "--out", tmp_path / "pack")
    code, _, err = call(*asked, "--negatives", "given")
    message = f"no candidates are given with {dataset}; take --negatives uniform or popular"
    assert (code, message in err) == (2, True)


def test_rows_of_another_folder_bring_what_the_card_says(call, folder, tmp_path):
    call("data", "import-splits", folder, "--name", "without")
    with_candidates(folder)
    call("data", "import-splits", folder, "--name", "with")
    asked = ("candidates", "--data-dir", folder, "--out", tmp_path / "pack")
    code, _, err = call(*asked, "--dataset", "without")
    assert (code, "bring 6 candidates, its card says none; import them under" in err) == (2, True)
    with_candidates(folder, size=7)
    code, _, err = call(*asked, "--dataset", "with")
    assert (code, "bring 7 candidates, its card says 6; import them under" in err) == (2, True)


def test_rows_that_are_known_from_training_stand_on_the_card(call, folder, tmp_path):
    train = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    test = (folder / "test.jsonl").read_text(encoding="utf-8").splitlines()
    (folder / "test.jsonl").write_text("\n".join([train[3], train[3], *test]), encoding="utf-8")
    code, _, err = call("data", "import-splits", folder, "--name", "mine")
    flaws = [
        "6 of 6 test rows stand in training or validation, history and target alike.",
        "Rows that repeat an earlier one of their part: 0 of 11 in train, 0 of 4 in validation, "
        "1 of 6 in test.",
    ]
    assert (code, [flaw for flaw in flaws if flaw not in err.splitlines()]) == (0, [])
    shown = " ".join(call("data", "show", "mine")[1].split())
    assert all(flaw in shown for flaw in flaws)
    found = json.loads(call("data", "doctor", "mine", "--format", "json")[1])
    counted = {one["name"]: (one["count"], one["of"], one["severity"]) for one in found}
    assert counted["test rows in training"] == (6, 6, "warning")
    assert counted["repeated rows"] == (1, 21, "warning")


def test_pre_split_files_of_recbole_are_asked_about(call, tmp_path):
    place = tmp_path / "shop"
    place.mkdir()
    header = "user_id:token\titem_id_list:token_seq\titem_id:token\n"
    for part, users in [("part1", range(6)), ("part2", range(6, 9)), ("part3", range(9, 12))]:
        rows = [f"u{user}\t{user} {user + 1}\t{user + 2}\n" for user in users]
        (place / f"shop.{part}.inter").write_text(header + "".join(rows), encoding="utf-8")
    items = "".join(f"{i}\tThing {i}\n" for i in range(30))
    (place / "shop.item").write_text("item_id:token\ttitle:token_seq\n" + items, encoding="utf-8")
    code, shown, err = call("data", "import-splits", place, "--name", "mine")
    assert (code, "mine: 6 train, 3 validation, 3 test rows, 30 items" in shown) == (0, True)
    assert "shop.part1.inter trains, shop.part2.inter validates, shop.part3.inter tests." in err
    asked = ("run", "--model", "popularity", "--dataset", "mine", "--results", tmp_path / "r")
    assert record_of(call(*asked, "--json", "--no-audit")[1])["examples"] == 3
    (prepared,) = (tmp_path / "cache/datasets/mine").iterdir()
    (prepared / "items.parquet").unlink()
    code, again, _ = call("data", "prepare", "--dataset", "mine")
    assert (code, again.split("digest ")[1]) == (0, shown.split("digest ")[1])
    assert call("data", "export", "--dataset", "mine", "--out", tmp_path / "out")[0] == 0
    first = (tmp_path / "out/test.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert first == '{"history":[9,10],"target":11}'
