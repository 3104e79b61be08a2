import json

import pytest
from pydantic import BaseModel, ValidationError

from recbench.evaluation.audit import Audit
from recbench.runs.record import (
    FIGURE_VERSION,
    Device,
    Digests,
    Memory,
    Provenance,
    RunRecord,
    Times,
    Trained,
    Training,
    documentation,
    row_digest,
    row_of,
    run_id,
    training_digest,
    training_id_of,
)
from recbench.settings import digest
from recbench.statistics.intervals import Figure

DIGESTS = Digests(dataset="d", catalogue="c", split="s", pack="p")
PARTS = (
    *(RunRecord, Training, Digests, Trained, Figure, Audit, Provenance, Device, Times, Memory),
)


@pytest.mark.parametrize("part", PARTS)
def test_every_field_is_documented(part):
    assert issubclass(part, BaseModel)
    for name, field in part.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        assert f"- `{name}`: {field.description}" in documentation()


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


def test_a_row_is_everything_that_may_change_a_figure_but_the_seed():
    def row(
        *,
        model="m",
        settings=1,
        llm="x",
        digests=DIGESTS,
        protocol="paper",
        matching="exact",
        fraction=1,
        control=None,
    ):
        asked = digests, protocol, matching, Training(fraction=fraction), control
        return row_digest(model, {"a": settings}, {"llm": llm}, *asked)

    other_pack = DIGESTS.model_copy(update={"pack": "q"})
    other_data = DIGESTS.model_copy(update={"dataset": "e"})
    rows = {
        row(),
        row(model="n"),
        row(settings=2),
        row(llm="y"),
        row(digests=other_pack),
        row(digests=other_data),
        row(protocol="next-item"),
        row(matching="substring"),
        row(fraction=0.5),
        row(control="other-user"),
        row(control="permuted-items"),
    }
    assert len(rows) == 11
    assert row() == row()
    assert run_id(row(), 0) != run_id(row(), 1)


def test_a_training_is_everything_that_decides_what_is_learnt_but_the_seed():
    def training(
        *,
        model="m",
        settings=1,
        llm="x",
        data="d",
        fraction=1,
        plugin="p 1",
        version=FIGURE_VERSION,
    ):
        learnt = {"a": settings}, {"llm": llm}, data, Training(fraction=fraction)
        return training_digest(model, *learnt, plugin, version)

    trainings = {
        training(),
        training(model="n"),
        training(settings=2),
        training(llm="y"),
        training(data="e"),
        training(fraction=0.5),
        training(plugin="p 2"),
        training(version=FIGURE_VERSION + 1),
    }
    assert len(trainings) == 8
    assert training() == training()


def test_a_record_names_its_row_and_training(made):
    record = made(seed=4, settings={"a": 1}, ingredients={"llm": "x"}).record
    assert row_of(record) == record.row
    assert training_id_of(record) == record.trained.training_id
    assert record.trained.training_id.endswith("-seed4")


def test_another_question_asks_the_same_training(made):
    one, other = made(), made(pack="other", draws=1, protocol="next-item", matching="substring")
    assert one.record.trained.training_id == other.record.trained.training_id
    assert one.record.row != other.record.row


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
    later = ("left_out", "ranks", "account", "kind", "outside", "control", "limit")
    before = {name: one for name, one in value.items() if name not in later}
    before.pop("record_sha256")
    assert digest(before) == record.record_sha256
    assert RunRecord.model_validate(value | before) == record
    assert RunRecord.model_validate({**before, "record_sha256": record.own_digest}) == record
    only = made(writes=True, only=True, model="endpoint").record
    assert only.model_copy(update={"ranks": True}).own_digest != only.own_digest
    told = record.model_copy(update={"account": {"questions": 1}})
    assert told.own_digest != record.own_digest


def test_seconds_are_added_up():
    assert Times(prepare=1, fit=2, score=3, audit=4).total == 10


def test_what_is_no_result_says_so_and_what_is_one_says_nothing(made):
    assert made().record.no_result == ""
    assert made(control="other-user").record.no_result.startswith("a control, not a result to rank")
    both = made(control="other-user", limit=3).record
    assert both.no_result == "not a result: the first 3 test rows alone were asked about"
    with pytest.raises(ValidationError):
        RunRecord.model_validate({**both.model_dump(), "control": "sunshine"})
