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


def test_doctor_prints_a_table(call):
    code, out, _ = call("doctor", "--protocol", "next-item")
    assert code == 0
    assert out.startswith("movielens, protocol next-item v3\n")
    assert "test before train" in out


def test_doctor_as_json(call):
    findings = json.loads(call("doctor", "--format", "json")[1])
    rows = next(one for one in findings if one["name"] == "test rows")
    assert (rows["count"], rows["of"], rows["share"]) == (6, None, None)
    assert {one["severity"] for one in findings} <= {"fine", "note", "warning"}


def test_doctor_refuses_a_protocol_that_there_is_not(call):
    code, out, err = call("doctor", "--protocol", "papr")
    assert (code, out) == (2, "")
    assert "did you mean 'paper'" in err
