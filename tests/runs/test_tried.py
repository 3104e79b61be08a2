import json

import pytest

from recbench.errors import DataError
from recbench.runs.tried import read_tried, trials_of


@pytest.fixture
def tried(tmp_path):
    """Write a search below results: model and settings a line."""

    def write(name, *lines):
        file = tmp_path / "search" / name
        file.parent.mkdir(exist_ok=True)
        quoted = [json.dumps(settings).replace('"', '""') for _, settings in lines]
        rows = [f'{model},"{text}"' for (model, _), text in zip(lines, quoted, strict=True)]
        file.write_text("\n".join(["model,settings", *rows, ""]))
        return file

    return write


def test_a_setting_counts_once_however_many_seeds_it_had(tried):
    one, two = {"rate": 1.0}, {"rate": 2.0}
    assert read_tried(tried("s.csv", ("a", one), ("a", two), ("a", one))) == {"a": [one, two]}


def test_trials_are_those_of_the_model_with_its_language_model(tried, tmp_path, made):
    record = made([1, 0], model="llara", settings={"llm": "tiny", "rate": 1.0}).record
    asked = f"{record.dataset}-{record.protocol}"
    assert trials_of(record, tmp_path) is None
    tiny = [("llara", {"llm": "tiny", "rate": n}) for n in (1, 2)]
    tried(f"{asked}.csv", *tiny, ("sasrec", {"rate": 1}))
    tried(f"{asked}-big.csv", tiny[0], ("llara", {"llm": "big", "rate": 1}))
    tried("other-paper.csv", ("llara", {"llm": "tiny", "rate": 9}))
    assert trials_of(record, tmp_path) == 2


def test_what_was_tried_for_others_is_not_known_to_be_nothing(tried, tmp_path, made):
    record = made([1, 0], model="popularity").record
    tried(f"{record.dataset}-{record.protocol}.csv", ("sasrec", {"rate": 1}))
    assert trials_of(record, tmp_path) is None


def test_a_search_that_cannot_be_read_is_refused_by_name(tried):
    file = tried("s.csv")
    file.write_text("model,settings\na,1\n")
    with pytest.raises(DataError, match="expected the columns model and settings"):
        read_tried(file)
