"""Questions about made-up data, and whoever answers them."""

import json

import pytest

from recbench.outside.making import Wanted, sheet_of
from recbench.questions.protocols import protocol


def silent(_):
    pass


@pytest.fixture(scope="session")
def outside_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def sheet(outside_cache, raw_folder):
    """Return a function that makes a sheet of the made-up data, each once."""
    made = {}

    def make(kind="scores", rule="next-item", draws=None, pack_seed=0):
        key = kind, rule, draws, pack_seed
        if key not in made:
            wanted = Wanted("movielens", protocol(rule), kind, draws, pack_seed)
            made[key] = sheet_of(wanted, outside_cache, raw_folder, silent)
        return made[key]

    return make


def ids_shown(sheet, number):
    raw = sheet.question.split.catalogue.raw_ids
    return raw[sheet.shown(number)].tolist()


@pytest.fixture
def write(tmp_path):
    """Return a function that writes rows as JSON Lines."""

    def written(rows, name="answers.jsonl"):
        file = tmp_path / name
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        return file

    return written


@pytest.fixture
def rows_of():
    """Return a function that answers a sheet in one way, in the sheet's order."""

    def rows(sheet, field="scores"):
        answers = {
            "scores": lambda ids: [-float(one) for one in ids],
            "object": lambda ids: {str(one): -float(one) for one in ids},
            "ranking": sorted,
            "text": lambda ids: f"Film {min(ids)}",
        }
        name = "scores" if field == "object" else field
        return [
            {"key": sheet.keys[number], name: answers[field](ids_shown(sheet, number))}
            for number in sheet.order
        ]

    return rows
