"""What a file of answers holds that nobody reads, and that is passed on with it."""

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from recbench.outside.unread import unread

pytestmark = pytest.mark.honesty


def lines(file, *rows):
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def plain(file):
    lines(file, {"key": "a", "scores": [1]}, {"key": "b", "scores": [1], "titles": ["A"]})


def table(file):
    parquet.write_table(pa.table({"key": ["a"], "text": ["b"], "titles": ["A"]}), file)


def logged(file):
    lines(file, {"doc": {"key": "a", "title": "A"}, "filtered_resps": ["b"], "filter": "none"})


def llara(file):
    file.write_text(",generate,real,cans\n0,A,A,\"['A']\"\n")


def arrays(file):
    with file.open("wb") as stream:
        np.savez(stream, key=["a"], scores=[[1.0]], iid=["b"], titles=["A"])


def run(file):
    file.write_text("key Q0 item 1 0.5 tag\n")


@pytest.mark.parametrize(
    ("write", "form", "names"),
    [
        (plain, "plain", ["titles"]),
        (table, "plain", ["titles"]),
        (logged, "lm-eval", ["doc"]),
        (llara, "llara", ["cans", "real"]),
        (arrays, "recbole", ["titles"]),
        (run, "trec", []),
    ],
)
def test_it_is_named_whatever_the_format(tmp_path, write, form, names):
    file = tmp_path / "answers"
    write(file)
    assert unread(file, form) == names
    if form != "lm-eval":  # which is told from JSON Lines by nothing
        assert unread(file, None) == names


def test_of_a_file_that_holds_answers_alone_nothing_is_named(tmp_path):
    lines(tmp_path / "a", {"key": "a", "ranking": [1], "candidates": [1, 2]})
    assert unread(tmp_path / "a", "plain") == []
