"""Everything that reads from outside reads, or refuses in one line, whatever it is given."""

import argparse
import random
import warnings

import pytest

from recbench.errors import DataError

pytestmark = pytest.mark.honesty


@pytest.fixture(scope="module")
def readers(load):
    return load("fuzz_readers")


def test_sound_files_are_read_and_damaged_ones_never_raise(load, readers, tmp_path):
    """A short form of the one below, which a fuzzer leads."""
    damaged = load("mutated_answers").damaged_bytes
    for number, (name, reader) in enumerate(readers.readers().items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        seeds = iter(reader.seeds())
        sound = next(one for one in seeds if readers.tried(reader, one, folder) == "read")
        for seed in range(8):
            chance, content = random.Random(f"{name} {seed}"), sound
            for _ in range(1 + seed % 3):
                content = damaged(content, chance)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                readers.tried(reader, content, folder)


def failing(error):
    def read(_):
        raise error

    return read


def test_a_fault_is_not_taken_for_a_refusal(readers, tmp_path):
    def reader(error):
        return readers.Reader("x", lambda: [b""], failing(error))

    assert readers.tried(reader(DataError("x, line 1: no")), b"", tmp_path) == "refused"
    with pytest.raises(KeyError):
        readers.tried(reader(KeyError("a")), b"", tmp_path)
    with pytest.raises(AssertionError, match="several lines"):
        readers.tried(reader(DataError("one\ntwo")), b"", tmp_path)


def test_every_room_that_reads_is_there(readers):
    from recbench.data.readers import READERS, SPLITS
    from recbench.outside.formats import FORMATS

    named = " ".join(readers.readers())
    assert set(readers.RAW) | {"atomic", "table"} == set(READERS)
    assert {name for name in SPLITS if f"split: {name}" in named} == set(SPLITS)
    assert {form.format for form in readers.FORMS.values()} == set(FORMATS)


@pytest.mark.slow
def test_a_fuzzer_finds_nothing_but_refusals(load, readers, tmp_path):
    """Or as many inputs of each reader as ``python tools/fuzz.py --runs N``."""
    pytest.importorskip("atheris", reason="the fuzzer is not installed: pip install -e '.[fuzz]'")
    fuzz = load("fuzz")
    asked = argparse.Namespace(runs=1_000, seed=1, corpus=tmp_path)
    for name in readers.readers():
        count, fault = fuzz.fuzzed(name, asked)
        assert not fault, f"{name}: {fault}"
        assert count >= 1_000, name


@pytest.mark.slow
def test_the_fuzzer_stops_at_a_fault(load, tmp_path, monkeypatch):
    pytest.importorskip("atheris", reason="the fuzzer is not installed: pip install -e '.[fuzz]'")
    fuzz = load("fuzz")
    asked = argparse.Namespace(runs=5, seed=1, corpus=tmp_path)
    count, fault = fuzz.fuzzed("no such reader", asked)
    assert (count, "KeyError" in fault) == (0, True)
