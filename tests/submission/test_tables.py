"""A table that somebody sent is measured before it is read, and nothing in it ends the process."""

import subprocess
import sys

import pyarrow as pa
import pytest
from pyarrow import parquet

from recbench.errors import DataError
from recbench.runs.examples import EXAMPLES
from recbench.submission import tables
from recbench.submission.tables import check_table

pytestmark = pytest.mark.honesty

DAMAGE = """
import random, sys
from pathlib import Path
from recbench.errors import DataError
from recbench.runs.examples import EXAMPLES
from recbench.runs.store import read_record
from recbench.submission.tables import check_table

folder, target = map(Path, sys.argv[1:])
record, whole = read_record(folder), (folder / EXAMPLES).read_bytes()
size = int.from_bytes(whole[-8:-4], "little")
for number in range(600):
    chance, content = random.Random(number), bytearray(whole)
    for _ in range(chance.randint(1, 2)):  # in what the file says of itself
        place = len(whole) - 8 - chance.randrange(1, size)
        content[place] = chance.choice([0, 2, 4, chance.randrange(256)])
    (target / EXAMPLES).write_bytes(content)
    try:
        check_table(target, record)
    except DataError:
        pass
"""


def test_a_damaged_table_does_not_end_the_process(made, tmp_path):
    """Arrow aborts where it is asked of columns whose description it cannot read."""
    target = tmp_path / "damaged"
    target.mkdir()
    folder = made(writes=True).folder
    words = [sys.executable, "-c", DAMAGE, str(folder), str(target)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_run_of_ours_passes(made):
    for run in (made(), made(writes=True, model="b"), made(model="c", full=True, ranks=(1, 2))):
        check_table(run.folder, run.record)


@pytest.mark.parametrize("name", ["titles", "rank"])
def test_a_column_that_no_run_has_is_refused(made, tmp_path, name):
    """A bundle would pass on whatever it holds, and nobody would look."""
    table = parquet.read_table((run := made()).folder / EXAMPLES)
    parquet.write_table(table.append_column(name, table["rank"]), tmp_path / EXAMPLES)
    with pytest.raises(DataError, match=f"has a column that no run has, or twice: {name}$"):
        check_table(tmp_path, run.record)


@pytest.mark.parametrize("kind", ["values", "text"])
def test_what_no_memory_takes_is_refused(made, tmp_path, monkeypatch, kind):
    run = made(writes=True)
    table = parquet.read_table(run.folder / EXAMPLES)
    place = table.column_names.index("answer")
    long = table.set_column(place, "answer", pa.array(["x" * 10_000] * 4))
    parquet.write_table(long, tmp_path / EXAMPLES)
    monkeypatch.setattr(tables, "_MOST_TEXT", 39_999)
    if kind == "values":
        monkeypatch.setattr(tables, "MOST_VALUES", 10)
    what = "40000 bytes of text, and may have 39999"
    with pytest.raises(DataError, match=what if kind == "text" else "values, and may have 10"):
        check_table(tmp_path, run.record)
