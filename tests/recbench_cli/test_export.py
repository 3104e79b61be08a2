"""`recbench export`."""

import json

import pytest


@pytest.fixture
def ran(call_inside, raw_folder):
    """Run one model on the made-up data, in the folder of this test."""
    given = ("--dataset", "movielens", "--data-dir", str(raw_folder), "--draws", "1", "--no-audit")
    assert call_inside("run", "--model", "popularity", *given)[0] == 0


def test_a_record_becomes_a_file_of_every_eval_ever(call_inside, ran, tmp_path):
    given = ("results", "--out", "eee", "--organization", "A Lab")
    code, out, err = call_inside("export", *given, "--relationship", "third_party")
    assert (code, out, err) == (0, "eee: files: 1, Every Eval Ever 0.3.0\n", "")
    (file,) = tmp_path.glob("eee/data/movielens/recbench/popularity/*.json")
    log = json.loads(file.read_text())
    assert log["source_metadata"]["evaluator_relationship"] == "third_party"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "--organization", "A"), "nowhere holds no finished run"),
        (("results", "--organization", ""), "--organization takes the name"),
        (("results",), "--organization"),
        (("results", "--organization", "A", "--format", "csv"), "--format"),
        (("results", "--organization", "A", "--relationship", "friend"), "--relationship"),
    ],
)
def test_what_cannot_be_exported_is_one_line(call_inside, ran, tmp_path, arguments, message):
    code, out, err = call_inside("export", *arguments, "--out", "eee")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not (tmp_path / "eee").exists()


def test_a_record_that_was_changed_is_not_exported(call_inside, ran, tmp_path):
    (path,) = tmp_path.glob("results/*/*/*/*/record.json")
    path.write_text(path.read_text().replace('"examples": ', '"examples": 1'))
    code, _, err = call_inside("export", "results", "--out", "eee", "--organization", "A")
    assert (code, err.count("\n")) == (2, 1)
    assert not (tmp_path / "eee").exists()
