"""Somebody may change a record and sign all anew: that is told or refused, whatever it says."""

import hashlib
import json
import random
import zipfile

import pytest
from pydantic import ValidationError

from recbench.errors import DataError
from recbench.outside.read_again import check_given
from recbench.runs.evidence import RECORD
from recbench.runs.record import RunRecord
from recbench.runs.remade_question import Questions
from recbench.submission.manifest import Manifest, place_of
from recbench.submission.verification import verify
from recbench.submission.writing import write_bundle

pytestmark = pytest.mark.honesty

JUNK = (
    *(None, True, -1, 0, 1.5, 1e300, float("nan"), 10**30, 2**31, "", "../../x", "a/b", "x\ny"),
    *("\0", "é", "'; rm -rf /", "x" * 3000, [], [[]], [1], {}, {"a": {"b": [1, None]}}),
)


def places(value, before=()):
    """Yield where something stands in a JSON value."""
    pairs = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        pairs = enumerate(value[:3])
    for key, one in pairs:
        yield (*before, key)
        yield from places(one, (*before, key))


def changed(record, chance):
    """Return a record with one or two of its fields left out or spoiled; None if it is none."""
    fields = json.loads(record.model_dump_json())
    for _ in range(chance.randint(1, 2)):
        *way, last = chance.choice(list(places(fields)))
        part = fields
        for key in way:
            part = part[key]
        part[last] = chance.choice(JUNK)
        if chance.random() < 0.1:
            del part[last]
    try:
        return RunRecord.model_validate_json(json.dumps(fields))
    except ValidationError:
        return None


def write(path, record, table):
    """Write a bundle of one run, whose manifest says what it should."""
    place, text = place_of(record), record.model_dump_json().encode()
    files = {f"{place}/{RECORD}": text, f"{place}/examples.parquet": table}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    files["manifest.json"] = Manifest.of([record], "open", hashes).text.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)


@pytest.mark.filterwarnings("ignore:Duplicate name")  # a name ends where it holds a zero
@pytest.mark.parametrize("seed", range(4))
def test_a_record_that_is_signed_anew_is_told_or_refused(made, tmp_path, seed):
    run = made(writes=seed % 2 == 0, dataset="nowhere", model="popularity")
    table = (run.folder / "examples.parquet").read_bytes()
    path, ends, refusals = tmp_path / "theirs.zip", set(), []
    questions = Questions(tmp_path / "cache", None, print)
    write_bundle([run], path)
    assert verify([path], questions, check_given)
    for number in range(150):
        record = changed(run.record, chance := random.Random(f"{seed} {number}"))
        if record is None:
            continue
        if chance.random() < 0.7:
            record = record.signed(record.examples_sha256)
        write(path, record, table)
        try:
            (found,) = verify([path], questions, check_given)
            ends.add("failed" if found.failed else "verified")
        except DataError as error:
            refusals.append(str(error))
    assert ends == {"failed", "verified"}
    assert all(line.startswith(f"{path} is refused: ") for line in refusals)
    assert all(len(line.splitlines()) == 1 for line in refusals)
