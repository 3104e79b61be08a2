import json

import pytest
from pydantic import BaseModel, ValidationError

from recbench.runs.record import (
    Device,
    Digests,
    Memory,
    RunRecord,
    Times,
    Training,
    documentation,
    row_digest,
    run_id,
)
from recbench.statistics.intervals import Figure

DIGESTS = Digests(dataset="d", catalogue="c", split="s", pack="p")
PARTS = (RunRecord, Training, Digests, Device, Times, Memory, Figure)


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
    assert json.loads(text)["schema_version"] == 1
    value = json.loads(text)["metrics"]["HitRatio@1"]
    assert set(value) == {"value", "low", "high", "n"}


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
    ):
        asked = digests, protocol, matching, Training(fraction=fraction)
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
    }
    assert len(rows) == 9
    assert row() == row()
    assert run_id(row(), 0) != run_id(row(), 1)
