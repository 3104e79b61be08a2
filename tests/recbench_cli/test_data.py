import json

import pytest
from pyarrow import parquet

from recbench_cli import main as cli


@pytest.fixture
def call(capsys, raw_folder, tmp_path):
    """Run a command on made-up data; return code, stdout, stderr."""

    def run(*arguments, data=raw_folder):
        options = [
            "--dataset",
            "movielens",
            "--data-dir",
            str(data),
            "--cache",
            str(tmp_path / "c"),
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


@pytest.mark.parametrize("protocol", ["paper", "next-item"])
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


def test_validation_rows_have_candidates_too(call, tmp_path):
    code, out, _ = call("candidates", "--split", "validation", "--out", str(tmp_path / "v.parquet"))
    assert code == 0
    assert "5 draws" in out


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
