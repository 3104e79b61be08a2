import pytest

from recbench.data.prepare import prepare
from recbench.memory.probes import of_items
from recbench.memory.recital import Memory, recital
from recbench.memory.rendering import render


@pytest.fixture(scope="module")
def dataset(raw_folder, tmp_path_factory):
    return prepare("movielens", tmp_path_factory.mktemp("cache"), raw_folder, lambda _: None)


def asked(text):
    return text.rpartition("\n")[2].removesuffix("::")


def from_the_file(texts):
    """Recite: the year that the file has, and what stands behind the title."""
    return [f"Film {asked(text)} (1990)::Drama" for text in texts]


def of_the_line_before(text):
    return int(text.split("\n")[-2].rpartition(" ")[2])


def test_who_has_read_the_file_recites_it_and_not_the_control(dataset):
    found = recital(of_items(dataset, 30, 4), dataset, from_the_file)
    assert (found.recited.value, found.control.value) == (1.0, 0.0)
    assert found.difference == 1.0
    assert found.low > 0.5
    text = render(Memory(llm="x", dataset="movielens", recitals=[found]))
    assert "x, as it is, goes on behind the files of movielens" in text
    assert "+1.000" in text


def test_who_guesses_by_the_neighbours_has_no_memory(dataset):
    def guess(texts):
        return [f"FILM {of_the_line_before(text) + 1}" for text in texts]

    found = recital(of_items(dataset, 30, 4), dataset, guess)
    assert (found.recited.value, found.control.value, found.difference) == (1.0, 1.0, 0.0)
    assert found.low <= 0 <= found.high


def test_what_was_written_is_kept(dataset):
    probes = of_items(dataset, 3, 4)
    found = recital(probes, dataset, lambda texts: [f"{len(text)}" for text in texts])
    assert [one.expected for one in found.answers] == [one.expected for one in probes.real]
    assert [one.written for one in found.answers] == [str(len(one.text)) for one in probes.real]
    assert [one.control for one in found.answers] == [str(len(one.text)) for one in probes.control]
