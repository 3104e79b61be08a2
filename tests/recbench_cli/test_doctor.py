import json

import pytest

from recbench_cli import main as cli


@pytest.fixture
def call(capsys, raw_folder, tmp_path):
    """Run ``recbench data ... movielens`` on made-up data; return code, stdout, stderr."""

    def run(command, *arguments, data=raw_folder):
        places = ["--data-dir", str(data), "--cache", str(tmp_path / "cache")]
        with pytest.raises(SystemExit) as left:
            cli.main(["data", command, "movielens", *arguments, *places])
        shown = capsys.readouterr()
        return left.value.code or 0, shown.out, shown.err

    return run


def test_show_prints_card_and_statistics(call):
    code, out, _ = call("show")
    assert code == 0
    assert out.startswith("movielens: MovieLens-100K. ")
    assert "users: 60\n" in out


def test_show_as_json(call):
    page = json.loads(call("show", "--format", "json")[1])
    assert page["card"]["name"] == "movielens"
    assert page["statistics"]["items"] == 80
    assert page["why_none"] == ""


def test_show_without_data_says_why_there_are_no_statistics(call, tmp_path):
    code, out, _ = call("show", data=tmp_path)
    assert code == 0
    assert "none: " in out.split("statistics\n")[1]
    page = json.loads(call("show", "--format", "json", data=tmp_path)[1])
    assert page["statistics"] is None
    assert str(tmp_path) in page["why_none"]
