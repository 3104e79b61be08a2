import json
import shutil
from pathlib import Path

import pytest
from recbench_baselines.zero_shot import ZeroShot

from recbench import experiment
from recbench.recommender import Answerer
from recbench.request import Experiment
from recbench.runs.examples import read_cold_start, read_outcome
from recbench.runs.store import finished, publish


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder of this test, with its results and its cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def made(call, raw_folder, place):
    """Return a function that runs a model on the made-up data, and its folder."""

    def run(model, *options):
        asked = ("--model", model, "--dataset", "movielens", "--data-dir", str(raw_folder))
        assert call("run", *asked, "--no-audit", *options)[0] == 0
        return the_run(place)

    return run


def the_run(place):
    (record,) = (place / "results").glob("*/*/*/*/record.json")
    return record.parent


@pytest.fixture(scope="module")
def ran(raw_folder, tmp_path_factory):
    """Return a function that runs a model as `made` does, in a folder that tests copy."""

    def run(model, **asked):
        folder = tmp_path_factory.mktemp(model)
        places = {"results": folder / "results", "cache": folder / "cache"}
        wanted = Experiment(model=model, audit=False, data_dir=raw_folder, **places, **asked)
        experiment.run(wanted, lambda _: None)
        return folder

    return run


@pytest.fixture(scope="module")
def ran_popularity(ran):
    return ran("popularity", draws=2)


@pytest.fixture(scope="module")
def ran_zero_shot(ran):
    return ran("zero-shot", draws=1, settings={"llm": "tiny"})


def looked(call, folder, *options):
    code, out, err = call("inspect", str(folder), "--format", "json", *options)
    assert (code, err) == (0, "")
    return json.loads(out)


@pytest.fixture
def popular(ran_popularity, place):
    shutil.copytree(ran_popularity, place, dirs_exist_ok=True)
    return the_run(place)


def test_an_id_model_is_looked_at(call, popular, raw_folder):
    found = looked(call, popular, "--data-dir", str(raw_folder))
    record = finished(popular).record
    assert sum(slot["rows"] for slot in found["slots"]) == record.examples * 2
    assert len(found["slots"]) == record.candidates
    assert sum(slot["answered"] for slot in found["slots"]) == pytest.approx(1)
    assert found["recommended"]["lift"] > 1  # it does prefer what is popular
    assert found["answers"] is None
    assert found["left_out"] == []


def test_who_was_not_learnt_from_makes_nothing_popular(call, made, raw_folder):
    folder = made("popularity", "--draws", "1", "--train-fraction", "0.5")
    found = looked(call, folder, "--data-dir", str(raw_folder))["recommended"]
    counts = read_cold_start(folder, finished(folder).record).target_count
    assert found["popularity_of_targets"] == pytest.approx(counts.mean())


def test_rows_are_parted_by_what_there_was_to_go_on(call, popular, raw_folder):
    found = looked(call, popular, "--data-dir", str(raw_folder))
    examples = finished(popular).record.examples
    by = {part["by"] for part in found["groups"]}
    assert "training interactions of the target" in by
    assert "training interactions of the user" not in by  # nobody who is tested has trained
    for one in by:
        assert sum(part["rows"] for part in found["groups"] if part["by"] == one) == examples
    assert "By how much there was to go on:" in call("inspect", str(popular))[1]


def test_the_page_says_the_same(call, popular, raw_folder):
    code, out, err = call("inspect", str(popular), "--data-dir", str(raw_folder))
    assert (code, err) == (0, "")
    assert out.startswith("popularity, seed 0: movielens, protocol paper")
    assert "Recommended: " in out
    assert "By the place in the list:" in out
    assert "What was written" not in out


def test_without_the_data_what_takes_them_is_left_out(call, popular, monkeypatch, tmp_path):
    monkeypatch.setenv("RECBENCH_CACHE", str(tmp_path / "another"))
    monkeypatch.setattr("recbench.runs.remade_question.at_hand", lambda *_: False)
    found = looked(call, popular)
    assert found["recommended"] is None
    assert "movielens is not at hand" in found["left_out"][0]
    code, out, err = call("inspect", str(popular), "--example", "0")
    assert (code, out) == (2, "")
    assert "name its folder with --data-dir" in err


def test_one_example_is_shown(call, popular, raw_folder):
    options = ("--data-dir", str(raw_folder), "--example", "1", "--draw", "1")
    one = looked(call, popular, *options)
    assert (one["example"], one["draw"], one["valid"]) == (1, 1, True)
    (target,) = [each for each in one["candidates"] if each["target"]]
    (answer,) = [each for each in one["candidates"] if each["answered"]]
    assert answer["score"] == max(each["score"] for each in one["candidates"])
    assert one["hit"] is (target == answer)
    code, out, _ = call("inspect", str(popular), *options)
    assert code == 0
    assert "example 1, draw 1, user " in out
    assert target["title"] in out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--example", "-1"), "--example must be from 0 to "),
        (("--example", "100000"), "--example must be from 0 to "),
        (("--example", "0", "--draw", "2"), "--draw must be from 0 to 1, not 2"),
    ],
)
def test_a_row_that_there_is_not_is_one_line(call, popular, options, says):
    code, out, err = call("inspect", str(popular), *options)
    assert (code, out) == (2, "")
    assert says in err


def test_what_is_no_run_is_one_line(call, tmp_path):
    code, out, err = call("inspect", str(tmp_path))
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {tmp_path} holds no finished run")


def test_a_full_ranking_is_refused(call, made):
    folder = made("popularity", "--candidates", "all")
    code, out, err = call("inspect", str(folder))
    assert (code, out) == (2, "")
    assert "recbench leaderboard --group-by" in err


def test_of_a_control_is_told_what_was_shown(call, made, raw_folder):
    folder = made("zero-shot", "--llm", "tiny", "--draws", "1", "--control", "anonymised-titles")
    data = ("--data-dir", str(raw_folder))
    found, record = looked(call, folder, *data), finished(folder).record
    assert found["no_result"].startswith("a control, not a result to rank")
    valid = found["answers"]["the target"] + found["answers"]["another candidate"]
    assert valid / record.examples == pytest.approx(record.metrics["ValidRatio"].value)
    one = looked(call, folder, *data, "--example", "0")
    assert all(each["title"].startswith("item ") for each in one["candidates"])
    assert (
        "history, as it was shown:\n  item "
        in call("inspect", str(folder), *data, "--example", "0")[1]
    )


@pytest.fixture
def written(ran_zero_shot, place):
    shutil.copytree(ran_zero_shot, place, dirs_exist_ok=True)
    return the_run(place)


def test_what_was_written_is_told_apart(call, written, raw_folder, tmp_path):
    data = ("--data-dir", str(raw_folder))
    found, record = looked(call, written, *data), finished(written).record
    assert sum(found["answers"].values()) == record.examples
    valid = found["answers"]["the target"] + found["answers"]["another candidate"]
    assert valid / record.examples == pytest.approx(record.metrics["ValidRatio"].value)
    assert [rule["rule"] for rule in found["rules"]] == ["exact", "substring", "fuzzy"]
    assert found["rules"][0]["hit"]["value"] == record.metrics["HitRatio@1"].value
    both = found["text_and_likelihood"]
    assert both["both"] + both["text"] == pytest.approx(record.metrics["HitRatio@1"].value)
    assert "What was written:" in call("inspect", str(written), *data)[1]

    copy: Path = publish(finished(written), tmp_path / "published")
    silent = looked(call, copy, *data)
    assert silent["answers"] is None
    assert silent["left_out"] == ["answers: its texts are not kept, as in every published copy"]


def test_the_target_is_asked_for_in_every_slot(call, written, raw_folder, monkeypatch):
    data, record = ("--data-dir", str(raw_folder)), finished(written).record
    code, out, _ = call("inspect", str(written), "--rotate", *data, "--format", "json")
    assert code == 0
    found = json.loads(out)
    assert [one["slot"] for one in found["slots"]] == list(range(1, record.candidates + 1))
    assert found["rows"] == record.examples
    # Where the target stood in the run, the answer is the run's.
    outcome = read_outcome(written, record)
    hits = [one["hit"]["value"] for one in found["slots"]]
    assert found["spread"] == pytest.approx(max(hits) - min(hits))
    if outcome.hit.any():
        assert max(hits) > 0
    monkeypatch.setattr("recbench.runs.provenance.plugin", lambda _: "recbench 9.9")
    code, out, err = call("inspect", str(written), "--rotate", *data, "--rows", "2")
    assert code == 0
    assert "installed is recbench 9.9; make it again by: recbench run" in err
    assert "2 test rows, each with its target in all 20 slots in turn" in out


def test_in_its_own_words_a_run_is_found_again(call, written, raw_folder):
    data, record = ("--data-dir", str(raw_folder)), finished(written).record
    code, out, _ = call("inspect", str(written), "--templates", *data, "--format", "json")
    assert code == 0
    found = json.loads(out)
    names = [one["template"] for one in found["templates"]]
    assert names == ["own", "predict", "recommend", "continue"]
    for name, figure in (("hit", "HitRatio@1"), ("valid", "ValidRatio")):
        assert found["templates"][0][name] == record.metrics[figure].model_dump()
    assert (
        "asked in the words of 4 templates"
        in call("inspect", str(written), "--templates", *data)[1]
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--rotate", "--templates"), "--rotate and --templates are looks of their own"),
        (("--rotate", "--example", "0"), "--example and --rotate are looks of their own"),
        (("--rows", "3"), "--rows is of --rotate and --templates"),
        (("--device", "cpu"), "--device is of --rotate and --templates"),
        (("--set", "most_tokens=1"), "--set is of --rotate and --templates"),
        (("--draw", "1"), "--draw is of an example"),
        (("--rotate", "--rows", "0"), "greater than or equal to 1"),
        (("--rotate",), "popularity reads no list of candidates: it scores each wherever it"),
    ],
)
def test_what_cannot_be_looked_at_so_is_one_line(call, popular, options, says):
    code, out, err = call("inspect", str(popular), *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err


def test_a_run_without_its_model_or_data_is_not_asked_again(
    call, written, raw_folder, tmp_path, monkeypatch
):
    copy = publish(finished(written), tmp_path / "published")
    data = ("--data-dir", str(raw_folder))
    code, out, err = call("inspect", str(copy), "--rotate", *data)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "is not there; make it again by: recbench run" in err
    (model,) = (tmp_path / "results").glob("*/trainings/*/*/model")
    (model / "another").write_text("file")
    said = call("inspect", str(written), "--rotate", *data)[2]
    assert "is not the one that the run has asked" in said
    (model / "another").unlink()
    usual = ZeroShot.ingredients
    with monkeypatch.context() as patch:
        patch.setattr(ZeroShot, "ingredients", lambda own: usual(own) | {"llm": "b" * 64})
        said = call("inspect", str(written), "--rotate", *data)[2]
    assert "was made with 'llm' " in said
    assert "here it is bbbbbbbbbbbb; make it again by: recbench run" in said
    monkeypatch.setenv("RECBENCH_CACHE", str(tmp_path / "another"))
    monkeypatch.setattr("recbench.runs.remade_question.at_hand", lambda *_: False)
    code, _, err = call("inspect", str(written), "--templates")
    assert code == 2
    assert "name its folder with --data-dir" in err


def test_a_model_with_one_wording_says_so(call, written, raw_folder, monkeypatch):
    monkeypatch.setattr("recbench.llm.listed.ListedLanguageModel.reword", Answerer.reword)
    code, out, err = call("inspect", str(written), "--templates", "--data-dir", str(raw_folder))
    assert (code, out) == (2, "")
    assert "its prompts have one wording" in err
