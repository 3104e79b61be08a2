"""Damaged files of answers are refused with one line, or understood as another reader does."""

import pytest

pytestmark = pytest.mark.honesty


def test_damaged_answers_are_refused_or_understood(load, tmp_path):
    """Of many more: python tools/mutated_answers.py."""
    counts, faults = load("mutated_answers").tried(300, seed=1, folder=tmp_path)
    assert not faults
    for form in load("mutated_answers").FORMS:
        assert counts[f"{form}: refused"]
        assert counts[f"{form}: accepted"]
    assert not (tmp_path / "results").exists()
