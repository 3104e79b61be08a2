"""Records in Every Eval Ever's schema: valid, complete, and the same for the same record."""

import json
import re
import time
import uuid
from pathlib import Path

import pytest

from recbench.data.card import card
from recbench.errors import DataError, UserError
from recbench.runs.record import RunRecord
from recbench.runs.record_parts import Outside, Training
from recbench.runs.store import Run, runs
from recbench.submission.every_eval_ever import left_out, path_of, write_logs

SCHEMA = json.loads(Path(__file__).with_name("every_eval_ever.json").read_text())
FILE = re.compile(r"data(/(?!data/)[A-Za-z0-9._=,+-]+){3}/[0-9a-f-]{36}\.json")


@pytest.fixture
def export(tmp_path):
    """Return a function that writes logs, and reads them back, each valid."""
    schemas = pytest.importorskip("jsonschema")
    validator = schemas.validators.validator_for(SCHEMA)
    validator.check_schema(SCHEMA)
    valid = validator(SCHEMA)

    def write(found, organization="A Lab", relationship="other"):
        out = tmp_path / "out"
        files = write_logs(found, out, organization, relationship, tmp_path / "cache")
        logs = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        for file, log in zip(files, logs, strict=True):
            valid.validate(log)
            assert FILE.fullmatch(file.relative_to(out).as_posix())
            assert uuid.UUID(file.stem).version == 4
            assert file.parts[-3:-1] == tuple(log["model_info"]["id"].split("/"))
        return logs

    return write


def test_a_record_says_the_same_there(made, export):
    run = made(settings={"rate": 0.1}, seed=2, dataset_digest=card("movielens").digest)
    (log,) = export([run])
    assert log["model_info"]["additional_details"]["settings"] == '{"rate": 0.1}'
    assert log["source_metadata"]["source_organization_name"] == "A Lab"
    assert log["retrieved_timestamp"] == "1767225600"
    told = {one["metric_config"]["metric_name"]: one for one in log["evaluation_results"]}
    assert told.keys() == run.record.telling.keys()
    for name, one in told.items():
        figure, score = run.record.metrics[name], one["score_details"]
        ends = score["uncertainty"]["confidence_interval"]
        assert (score["score"], ends["lower"], ends["upper"]) == (
            figure.value,
            figure.low,
            figure.high,
        )
        assert score["uncertainty"]["num_samples"] == figure.n
    one = told["HitRatio@1"]
    assert one["metric_config"]["metric_parameters"] == {"k": 1}
    assert "--set rate=0.1" in one["generation_config"]["generation_args"]["execution_command"]
    assert one["source_data"]["url"] == ["https://grouplens.org/datasets/movielens/100k/"]


@pytest.mark.honesty
def test_intervals_that_nobody_compared_are_worked_out(made, export):
    run = made(trained_by={"figure_version": 0})
    narrow = run.record.metrics["MRR"].model_copy(update={"low": run.record.metrics["MRR"].value})
    lie = run.record.model_copy(update={"metrics": run.record.metrics | {"MRR": narrow}})
    (log,) = export([Run(run.folder, lie)])
    told = {one["metric_config"]["metric_name"]: one for one in log["evaluation_results"]}
    ends = told["MRR"]["score_details"]["uncertainty"]["confidence_interval"]
    assert ends["lower"] == run.record.metrics["MRR"].low


@pytest.mark.honesty
def test_rows_of_one_model_are_systems_of_their_own(made, export):
    """Whoever reads the files knows a system by its id: a table of several would be of one."""
    one = {"model": "ilora", "writes": True}
    found = [
        made(**one, settings={"llm": "tiny", "rate": 0.1}),
        made(**one, settings={"llm": "tiny", "rate": 0.1}, seed=1),
        made(**one, settings={"llm": "tiny", "rate": 0.1}, pack="another", dataset="lastfm"),
        made(**one, settings={"llm": "org/Qwen 3", "rate": 0.1}),
        made(**one, settings={"llm": "tiny", "rate": 0.2}),
        made(**one, settings={"llm": "tiny", "rate": 0.1}, ingredients={"prompt": "b"}),
        made(**one, settings={"llm": "tiny", "rate": 0.1}, training=Training(fraction=0.5)),
    ]
    told = [log["model_info"] for log in export(found)]
    ids = [one["id"] for one in told]
    assert ids[0] == ids[1] == ids[2]
    assert len(set(ids)) == 5
    assert re.fullmatch(r"recbench/ilora-tiny-[0-9a-f]{8}", ids[0])
    assert re.fullmatch(r"recbench/ilora-org-Qwen-3-[0-9a-f]{8}", ids[3])
    assert (told[0]["name"], told[3]["name"]) == ("ilora (tiny)", "ilora (org/Qwen 3)")


@pytest.mark.honesty
def test_a_control_cannot_pass_for_the_plain_result(made, export):
    plain, control = export([made(), made(control="shuffled-history")])
    named = {one["evaluation_name"] for one in control["evaluation_results"]}
    assert named == {"recbench.movielens.paper,control=shuffled-history"}
    assert {one["evaluation_name"] for one in plain["evaluation_results"]} == {
        "recbench.movielens.paper"
    }
    told = control["evaluation_results"][0]
    details = told["source_data"]["additional_details"]
    assert details["control"] == "shuffled-history"
    assert details["no_result"].startswith("a control, not a result to rank: ")
    assert told["metric_config"]["evaluation_description"].endswith(details["no_result"])
    said = plain["evaluation_results"][0]["source_data"]["additional_details"]
    assert not {"control", "no_result"} & set(said)


@pytest.mark.honesty
def test_of_a_model_behind_an_address_nobody_knows_who_deploys_it(made, export):
    theirs = {"endpoint": "http://127.0.0.1:8000/v1", "chat_model": "theirs"}
    logs = export([made(), made(model="chatrec", settings=theirs, writes=True)])
    told = [log["model_info"]["additional_details"]["deployment_type"] for log in logs]
    assert told == ["self_deployed", "unknown"]


@pytest.mark.honesty
def test_of_other_data_of_the_name_the_home_page_is_no_source(made, export):
    (log,) = export([made(dataset_digest="of a user's folder")])
    for one in log["evaluation_results"]:
        assert one["source_data"]["source_type"] == "other"
        assert "url" not in one["source_data"]
        said = one["source_data"]["additional_details"]["other_data"]
        assert said == "the data are not movielens as published"


@pytest.mark.honesty
def test_less_is_better_where_it_is_and_what_nobody_knows_is_left_out(made, export):
    run = made(writes=True)
    strange = {"MRRs of theirs": run.record.metrics["HitRatio@1"]}
    record = run.record.model_copy(update={"metrics": run.record.metrics | strange})
    (log,) = export([Run(run.folder, record)])
    told = {
        one["metric_config"]["metric_name"]: one["metric_config"]["lower_is_better"]
        for one in log["evaluation_results"]
    }
    assert told.keys() == run.record.telling.keys()
    assert [name for name, lower in told.items() if lower] == ["SharedTitleRatio"]
    assert left_out([run, Run(run.folder, record)]) == ["MRRs of theirs"]
    assert left_out([run]) == []


@pytest.mark.honesty
def test_what_was_learnt_from_is_said(made, export):
    (log,) = export([made(training=Training(fraction=0.1, dataset="lastfm"))])
    training = json.loads(log["model_info"]["additional_details"]["training"])
    assert (training["fraction"], training["dataset"]) == (0.1, "lastfm")


@pytest.mark.honesty
def test_a_run_of_the_first_rows_is_not_exported(made, tmp_path):
    few = made(limit=1, pack="few")
    with pytest.raises(
        UserError, match=r"is not a result: the first 1 test rows.* without --limit"
    ):
        write_logs([made(), few], tmp_path / "out", "A", "other", tmp_path)
    assert not (tmp_path / "out").exists()


def test_the_published_runs_can_be_exported(export, request):
    published = runs(request.config.rootpath / "results")
    logs = export(published)
    ids = [one["evaluation_result_id"] for log in logs for one in log["evaluation_results"]]
    assert len(set(ids)) == len(ids)


def test_the_same_record_gives_the_same_file_and_others_are_left_alone(made, tmp_path):
    found = [made(), made(seed=1)]
    out = tmp_path / "out"
    (out / "data").mkdir(parents=True)
    (out / "data/mine.json").write_text("mine")
    said = out, "A Lab", "first_party", tmp_path / "cache"
    first = {file: file.read_bytes() for file in write_logs(found, *said)}
    assert {file: file.read_bytes() for file in write_logs(found[::-1], *said)} == first
    assert len(first) == 2
    assert (out / "data/mine.json").read_text() == "mine"


def test_what_came_from_outside_is_said_to_be_unknown(made, export):
    outside = Outside(given="scores", answers="a", file="b")
    changes = {"kind": "external", "outside": outside, "trained": None, "settings": {}}
    fields = made().record.model_dump() | changes | {"model": "external:theirs", "audit": None}
    record = RunRecord.model_validate(fields).signed("")
    (log,) = export([Run(Path(), record)])
    assert log["model_info"]["id"] == "external/theirs"
    assert log["model_info"]["additional_details"]["deployment_type"] == "unknown"
    assert not any("generation_config" in one for one in log["evaluation_results"])


@pytest.mark.parametrize(
    ("model", "named"),
    [("recbole:SASRec", "recbole-SASRec-"), ("data", "data-"), ("..", ""), ("é", "")],
)
def test_a_name_is_one_that_every_file_system_takes(made, model, named):
    record = made().record.model_copy(update={"model": model})
    *above, last, _ = path_of(record).split("/")
    assert above == ["data", "movielens", "recbench"]
    assert re.fullmatch(f"{named}[0-9a-f]{{8}}", last)
    outside = Outside(given="scores", answers="a", file="b")
    theirs = record.model_copy(
        update={"trained": None, "outside": outside, "model": f"external:{model}"}
    )
    assert path_of(theirs).split("/")[3] in ("recbole-SASRec", "data-", "unnamed")


def test_a_dataset_that_nobody_knows_here_has_no_page(made, export):
    (log,) = export([made(dataset="shop-of-mine")])
    assert log["evaluation_results"][0]["source_data"]["source_type"] == "other"


@pytest.mark.parametrize("organization", ["", " ", "a\nb"])
def test_an_organization_has_a_name(made, tmp_path, organization):
    with pytest.raises(UserError, match="--organization takes the name of whoever gives"):
        write_logs([made()], tmp_path / "out", organization, "other", tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_time_without_a_zone_is_not_that_of_the_place(made, export, monkeypatch):
    monkeypatch.setenv("TZ", "UTC-9")
    time.tzset()
    try:
        run = made()
        naive = run.record.model_copy(update={"finished": "2026-01-01T00:00:00"})
        (log,) = export([Run(run.folder, naive)])
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert log["evaluation_timestamp"] == "1767225600"


@pytest.mark.parametrize("finished", ["", "yesterday", "2026-13-01"])
def test_a_record_says_when_it_was_made(made, tmp_path, finished):
    run = made()
    other = Run(run.folder, run.record.model_copy(update={"finished": finished}))
    with pytest.raises(DataError, match="expected a time as 2026-01-31"):
        write_logs([run, other], tmp_path / "out", "A", "other", tmp_path)
    assert not (tmp_path / "out").exists()
