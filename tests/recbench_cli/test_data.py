import json
import shutil

import pytest
from pyarrow import parquet

from recbench_cli import main as cli


@pytest.fixture
def call(capsys, raw_folder, tmp_path):
    """Run a command on made-up data; return code, stdout, stderr."""

    def run(*arguments, data=raw_folder, cache=tmp_path / "c"):
        options = [
            "--dataset",
            "movielens",
            "--data-dir",
            str(data),
            "--cache",
            str(cache),
        ]
        with pytest.raises(SystemExit) as left:
            cli.main([*arguments, *options])
        shown = capsys.readouterr()
        return left.value.code or 0, shown.out, shown.err

    return run


def test_prepare_says_what_there_is(call):
    code, out, _ = call("data", "prepare")
    assert code == 0
    assert "80 items" in out
    assert len(out.split("digest ")[1].strip()) == 64


@pytest.mark.parametrize(
    "protocol", ["paper", "next-item", "next-item,history=3,negatives=popular"]
)
def test_export_and_candidates_speak_of_the_same_lines(call, tmp_path, protocol):
    asked = ["--protocol", protocol, "--out", str(tmp_path / "out")]
    assert call("data", "export", *asked)[0] == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["items.tsv", "test.jsonl", "train.jsonl", "validation.jsonl"]
    rows = [json.loads(line) for line in (tmp_path / "out/test.jsonl").read_text().splitlines()]
    file = tmp_path / "pack.parquet"
    code, out, _ = call(
        *("candidates", "--protocol", protocol, "--draws", "3", "--pack-seed", "1"),
        *("--out", str(file)),
    )
    assert code == 0
    assert f"{len(rows)} examples, 3 draws, hash " in out
    table = parquet.read_table(file).to_pydict()
    assert list(table) == ["example", "draw", "candidates", "target_position"]
    assert len(table["example"]) == 3 * len(rows)
    for example, candidates, position in zip(
        table["example"], table["candidates"], table["target_position"], strict=True
    ):
        assert candidates[position] == rows[example]["target"]


@pytest.fixture
def insatiable(raw_folder, tmp_path):
    """Return data whose first user has touched nearly all items."""
    folder = shutil.copytree(raw_folder, tmp_path / "insatiable")
    file = folder / "u.data"
    most = [f"999\t{item}\t5\t{item}\n" for item in range(1, 71)]
    file.write_text("".join(most) + file.read_text("latin-1"), "latin-1")
    return folder


@pytest.mark.parametrize("told", [("--candidates", "20"), ("--negatives", "popular")])
def test_export_and_candidates_leave_out_the_same_rows(call, tmp_path, insatiable, told):
    asked, said = ("--protocol", "next-item"), "1 of 61 test rows has fewer than 19 competitors"
    _, all_rows, err = call("data", "export", *asked, "--out", str(tmp_path), data=insatiable)
    assert ", 61 test rows" in all_rows
    assert "all rows are written; with --candidates 20, as it is asked, " in err
    assert f", {said} and is left out" in err
    _, out, err = call("data", "export", *asked, *told, "--out", str(tmp_path), data=insatiable)
    assert ", 60 test rows" in out
    assert f"\n{said} and is left out" in err
    file = tmp_path / "pack.parquet"
    assert call("candidates", *asked, *told, "--out", str(file), data=insatiable)[0] == 0
    rows = [json.loads(line) for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    table = parquet.read_table(file).to_pydict()
    shown = zip(table["example"], table["candidates"], table["target_position"], strict=True)
    assert all(ids[position] == rows[example]["target"] for example, ids, position in shown)


def test_validation_rows_have_candidates_too(call, tmp_path):
    file = tmp_path / "v.parquet"
    code, out, err = call("candidates", "--split", "validation", "--out", str(file))
    assert code == 0
    assert "5 draws" in out
    assert "candidates frozen in " in err


def test_history_and_candidates_are_as_many_as_asked_for(call, tmp_path):
    assert call("data", "export", "--history", "3", "--out", str(tmp_path / "out"))[0] == 0
    rows = [json.loads(line) for line in (tmp_path / "out/test.jsonl").read_text().splitlines()]
    assert {len(row["history"]) for row in rows} == {3}
    file = tmp_path / "pack.parquet"
    assert call("candidates", "--history", "3", "--candidates", "7", "--out", str(file))[0] == 0
    assert set(map(len, parquet.read_table(file).to_pydict()["candidates"])) == {7}


def test_a_full_ranking_has_no_candidates_to_write(call, tmp_path):
    file = tmp_path / "pack.parquet"
    code, out, err = call("candidates", "--candidates", "all", "--out", str(file))
    assert (code, out) == (2, "")
    assert "under paper,candidates=all every item is ranked and none are drawn" in err
    assert not file.exists()


@pytest.mark.parametrize(
    "arguments",
    [["data", "prepare"], ["data", "export", "--out", "o"], ["candidates", "--out", "o.parquet"]],
    ids=lambda arguments: arguments[0],
)
def test_a_folder_without_data_is_one_line(call, tmp_path, arguments, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(*arguments, data=tmp_path / "empty")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["candidates", "--out", "folder"], "folder: "),
        (["candidates", "--out", "."], ".: "),
        (["candidates", "--out", "file/x.parquet"], "file: "),
        (["candidates", "--out", "file/deeper/x.parquet"], "file/deeper: "),
        (["data", "export", "--out", "file"], "file: "),
        (["run", "--model", "popularity", "--results", "file"], "file: "),
        (["run", "--model", "popularity", "--results", "file/r"], "file/r/movielens/"),
    ],
    ids=str,
)
def test_a_place_that_cannot_be_written_is_the_users_mistake(
    call, tmp_path, monkeypatch, arguments, named
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept")
    assert_refused(call(*arguments), named)
    assert (tmp_path / "file").read_text() == "kept"
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["data", "prepare"],
        ["data", "export", "--out", "o"],
        ["candidates", "--out", "o.parquet"],
        ["run", "--model", "popularity"],
    ],
    ids=" ".join,
)
def test_a_cache_that_is_a_file_is_the_users_mistake(call, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("kept")
    assert_refused(call(*arguments, cache=tmp_path / "file"), f"{tmp_path / 'file'}")


def assert_refused(result, named):
    code, out, err = result
    assert (code, out) == (2, "")
    last = err.splitlines()[-1]
    assert last.startswith(f"error: {named}")
    assert "stands where a f" in last


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--model", "popularity"],
        ["candidates", "--out", "pack.parquet"],
        ["data", "export", "--out", "rows"],
        ["data", "doctor"],
    ],
    ids=str,
)
def test_a_protocol_that_cannot_be_asked_is_refused_before_any_download(
    tmp_path, monkeypatch, capsys, arguments
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("recbench.data.prepare.fetched", lambda *_: pytest.fail("downloads"))
    monkeypatch.setenv("RECBENCH_CACHE", str(tmp_path / "cache"))
    dataset = ["steam"] if arguments[-1] == "doctor" else ["--dataset", "steam"]
    with pytest.raises(SystemExit) as left:
        cli.main([*arguments, *dataset, "--protocol", "paper"])
    said = capsys.readouterr().err
    assert (left.value.code, said.count("\n")) == (2, 1)
    assert "unknown protocol of steam 'paper'" in said
    assert "why: recbench data show steam" in said
    assert not list(tmp_path.iterdir())
