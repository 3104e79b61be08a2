"""The question that systems are asked: a dataset under a protocol, with frozen candidates."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbench.data.dataset import Dataset
from recbench.data.prepare import prepare
from recbench.defaults import DRAWS, PACK_SEED
from recbench.questions.candidates import DRAWN_ONCE, Pack, frozen_pack
from recbench.questions.competitors import left_out_lines
from recbench.questions.full_ranking import FullRanking
from recbench.questions.make_split import asked_split
from recbench.questions.protocols import Protocol
from recbench.questions.split import Split
from recbench.runs.record import Digests


@dataclass(frozen=True)
class Question:
    """A dataset under a protocol, with its frozen candidates: what every system is asked."""

    dataset: Dataset
    protocol: Protocol
    split: Split
    pack: Pack | FullRanking

    @property
    def digests(self) -> Digests:
        """What the question is, as hashes."""
        return Digests(
            dataset=self.dataset.digest,
            catalogue=self.split.catalogue.digest,
            split=self.split.digest,
            pack=self.pack.hash,
        )

    @property
    def fields(self) -> dict[str, Any]:
        """What the fields of a `Setup` say that are about the question alone."""
        return {
            "dataset": self.dataset.card.name,
            "protocol": self.protocol.name,
            "protocol_version": self.protocol.version,
            "digests": self.digests,
            "draws": self.pack.draws,
            "candidates": self.pack.size,
            "full_ranking": self.protocol.full,
            "examples": len(self.split.test),
            "left_out": self.split.left_out_test,
        }


def frozen_question(
    dataset: str,
    protocol: Protocol,
    draws: int,
    pack_seed: int,
    cache: Path,
    data_dir: Path | None,
    report: Callable[[str], None],
    show_progress: bool = False,
) -> Question:
    """
    Read the data, split it and freeze the candidates, before any model sees them.

    Parameters
    ----------
    dataset
        Registered name.
    protocol
        One that may be asked of it.
    draws, pack_seed
        Of the candidates; of no use where all items are ranked.
    cache, data_dir, report, show_progress
        As for `recbench.data.prepare.prepare`.

    Raises
    ------
    UserError
        For an unknown dataset, or rows or candidates that the data do not suffice for; a DataError
        for a broken line.
    RecbenchError
        If no source of the data can be had.
    """
    prepared = prepare(dataset, cache, data_dir, report, show_progress)
    split = asked_split(prepared, protocol)
    for line in left_out_lines(split, protocol):
        report(line)
    if protocol.full:
        if (draws, pack_seed) != (DRAWS, PACK_SEED):
            report(f"{protocol.name} draws nothing: --draws and --pack-seed change nothing")
        return Question(prepared, protocol, split, FullRanking.of(split, "test"))
    if protocol.given and draws not in (1, DRAWS):
        report(DRAWN_ONCE)
    pack = frozen_pack(split, protocol, "test", draws, pack_seed, cache)
    return Question(prepared, protocol, split, pack)
