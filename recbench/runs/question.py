"""The question that systems are asked: a dataset under a protocol, with frozen candidates."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from recbench.data.dataset import Dataset
from recbench.data.prepare import prepare
from recbench.data.titles import TitleGroups
from recbench.defaults import DRAWS, PACK_SEED
from recbench.questions.candidates import DRAWN_ONCE, Pack, frozen_pack
from recbench.questions.competitors import competitors, left_out_lines
from recbench.questions.controls import Control, seen
from recbench.questions.full_ranking import FullRanking
from recbench.questions.limit import first_rows
from recbench.questions.make_split import asked_split, rules_of
from recbench.questions.protocols import Protocol
from recbench.questions.split import Split
from recbench.runs.record_parts import Digests


@dataclass(frozen=True)
class Question:
    """
    A dataset under a protocol, with its frozen candidates: what every system is asked.

    Attributes
    ----------
    limit
        How many test rows these are, the first ones; None for all.
    """

    dataset: Dataset
    protocol: Protocol
    split: Split
    pack: Pack | FullRanking
    limit: int | None = None

    def first(self, rows: int) -> "Question":
        """Ask about the first test rows alone; all, where there are no more."""
        if rows >= len(self.split.test):
            return self
        split, pack = first_rows(self.split, self.pack, rows)
        return replace(self, split=split, pack=pack, limit=rows)

    def seen(self, control: Control | None) -> "Question":
        """Return what a system is shown of it under a control."""
        split, pack = seen(self.split, control), self.pack
        if isinstance(pack, FullRanking):
            pack = replace(pack, examples=split.test)
        return replace(self, split=split, pack=pack)

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
            "rules": rules_of(self.dataset, self.protocol).decisive,
            "digests": self.digests,
            "draws": self.pack.draws,
            "candidates": self.pack.size,
            "full_ranking": self.protocol.full,
            "ranked": self._ranked,
            "examples": len(self.split.test),
            "left_out": self.split.left_out_test,
            "limit": self.limit,
        }

    @cached_property
    def _ranked(self) -> int | None:
        """Of a full ranking the items of the row that ranks the most of them."""
        if not isinstance(self.pack, FullRanking):
            return None
        items = TitleGroups.apart(self.split.catalogue)
        return 1 + int(competitors(items, self.pack.examples.targets, self.pack.excluded).max())


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
