from pathlib import Path

import pytest
import torch

from recbench.llm.text_encoder import reading_all, title_encoder
from recbench.llm.text_encoder.pooling import Pooling
from recbench.llm.text_encoder.reading_all import read_all
from recbench.llm.text_encoder.title_encoder import TitleEncoder, load_title_encoder
from recbench.neural.tensor_file import read_tensors, write_tensors
from recbench.testing.toy_lm import toy_text_encoder

TITLES = [f"Film {'x' * (number % 7)} {number}" for number in range(40)]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TitleEncoder:
    return load_title_encoder(
        str(toy_text_encoder(tmp_path_factory.mktemp("encoder"))), Pooling("mean")
    )


@pytest.fixture
def whole(encoder: TitleEncoder, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """What is read at once, in several parts of which each is kept."""
    monkeypatch.setattr(title_encoder, "AT_ONCE", 100)
    monkeypatch.setattr(reading_all, "SECONDS", 0.0)
    with torch.no_grad():
        found: torch.Tensor = encoder(encoder.tokens(TITLES))
    return found


def interrupted(encoder: TitleEncoder, folder: Path, at: int) -> int:
    """Read until part `at`, and be interrupted there; return how many parts there are."""
    tokens = encoder.tokens(TITLES)
    real, parts = TitleEncoder.part, len(encoder.parts(tokens)[1])
    read: list[int] = []

    def part(self: TitleEncoder, tokens: list[list[int]]) -> torch.Tensor:
        read.append(len(tokens))
        if len(read) == at:
            raise KeyboardInterrupt
        return real(self, tokens)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TitleEncoder, "part", part)
        with pytest.raises(KeyboardInterrupt):
            read_all(encoder, tokens, folder)
    return parts


def left(encoder: TitleEncoder, folder: Path, whole: torch.Tensor) -> int:
    """Read the rest, hold it against the whole, and return how many parts that were."""
    read: list[int] = []
    real = TitleEncoder.part
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            TitleEncoder, "part", lambda self, one: (read.append(len(one)), real(self, one))[1]
        )
        found = read_all(encoder, encoder.tokens(TITLES), folder)
    assert torch.equal(found, whole)
    return len(read)


def test_what_was_read_is_not_read_again(
    encoder: TitleEncoder, whole: torch.Tensor, tmp_path: Path
) -> None:
    parts = interrupted(encoder, tmp_path, at=4)
    assert parts > 4
    assert left(encoder, tmp_path, whole) == parts - 3
    assert left(encoder, tmp_path, whole) == 0


def test_what_is_damaged_is_read_again(
    encoder: TitleEncoder, whole: torch.Tensor, tmp_path: Path
) -> None:
    parts = interrupted(encoder, tmp_path, at=4)
    files = sorted(tmp_path.iterdir())
    files[1].write_bytes(b"half")
    assert left(encoder, tmp_path, whole) == parts - 1


def test_what_was_parted_otherwise_is_read_again(
    encoder: TitleEncoder, whole: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = interrupted(encoder, tmp_path, at=4)
    files = sorted(tmp_path.iterdir())
    files[0].unlink()  # what is left ends where no part does, or is counted as another
    files[1].unlink()
    rows = len(read_tensors(files[2])[0]["vectors"])
    write_tensors(files[2], {"vectors": torch.zeros(rows - 1, 1)})
    assert left(encoder, tmp_path, whole) == parts
