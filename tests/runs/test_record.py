import json
import re

import pytest
from pydantic import ValidationError

from recbench.runs.record import RunRecord, documentation
from recbench.runs.record_parts import Device, Times
from recbench.settings import digest

SCHEMA = RunRecord.model_json_schema()
PARTS = {"RunRecord": SCHEMA} | SCHEMA["$defs"]


@pytest.mark.parametrize("part", PARTS)
def test_every_field_of_every_part_is_documented(part):
    _, _, section = documentation().partition(f"### {part}\n")
    section, _, _ = section.partition("### ")
    said = dict(re.findall(r"^- `(\w+)`: (.+)\.$", section, re.MULTILINE))
    assert list(said) == list(PARTS[part]["properties"])


def test_round_trip(made):
    record = made(writes=True).record
    text = record.model_dump_json()
    assert RunRecord.model_validate(json.loads(text)) == record
    assert json.loads(text)["schema_version"] == 2
    value = json.loads(text)["metrics"]["HitRatio@1"]
    assert set(value) == {"value", "low", "high", "n"}


def test_what_could_not_be_asked_for_is_in_no_older_records_digest():
    """A field that came later is written down, and hashed, only where it says something."""
    usual = Device(name="cpu", hardware="x", system="y", threads=1)
    assert set(usual.model_dump()) == {"name", "hardware", "system", "threads"}
    assert Device.model_validate_json(usual.model_dump_json()) == usual
    asked = usual.model_copy(update={"deterministic": True})
    assert Device.model_validate_json(asked.model_dump_json()) == asked != usual


def test_unknown_fields_are_refused(made):
    value = made().record.model_dump()
    with pytest.raises(ValidationError):
        RunRecord.model_validate({**value, "surprise": 1})


def test_a_record_knows_its_own_digest(made):
    record = made(writes=True).record
    assert record.record_sha256 == record.own_digest
    read = RunRecord.model_validate_json(record.model_dump_json())
    assert read.own_digest == record.own_digest
    assert record.model_copy(update={"caption": "x"}).own_digest != record.own_digest
    assert record.signed("other").record_sha256 != record.record_sha256


def test_a_record_of_before_what_only_writes_keeps_its_digest(made):
    record = made(writes=True).record
    value = record.model_dump(mode="json")
    later = {"left_out", "ranks", "account", "kind", "outside", "control", "limit", "ranked"}
    later.add("rules")
    before = {name: one for name, one in value.items() if name not in later}
    before.pop("record_sha256")
    assert digest(before) == record.record_sha256
    assert RunRecord.model_validate(value | before) == record
    assert RunRecord.model_validate({**before, "record_sha256": record.own_digest}) == record
    only = made(writes=True, only=True, model="endpoint").record
    assert only.model_copy(update={"ranks": True}).own_digest != only.own_digest
    told = record.model_copy(update={"account": {"questions": 1}})
    assert told.own_digest != record.own_digest


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("changes", "ranked"),
    [({}, 1), ({}, 4), ({"full": True, "ranks": [1, 2]}, 0), ({"full": True, "ranks": [1]}, 100)],
)
def test_how_many_items_were_ranked_is_said_of_a_full_ranking_alone(made, changes, ranked):
    """What has one item to rank shows no figure: whoever wrote that hid them."""
    value = made(**changes).record.model_dump() | {"ranked": ranked}
    with pytest.raises(ValidationError, match="ranked is said of a full ranking alone, from 1 to"):
        RunRecord.model_validate(value)
    assert made(full=True, ranks=[1], ranked=99, model="b").record.choices == 99


def test_seconds_are_added_up():
    assert Times(prepare=1, fit=2, score=3, audit=4).total == 10


def test_nothing_is_trained_of_a_language_model_that_is_asked_as_it_is(made):
    record = made(settings={"llm": "tiny"}).record
    assert record.training_seconds == record.trained.seconds
    as_it_is = record.trained.model_copy(update={"parameters_trained": 0})
    assert record.model_copy(update={"trained": as_it_is}).training_seconds is None


def test_what_is_no_result_says_so_and_what_is_one_says_nothing(made):
    assert made().record.no_result == ""
    assert made(control="other-user").record.no_result.startswith("a control, not a result to rank")
    both = made(control="other-user", limit=3).record
    assert both.no_result == "not a result: the first 3 test rows alone were asked about"
    with pytest.raises(ValidationError):
        RunRecord.model_validate({**both.model_dump(), "control": "sunshine"})
