"""From what a user names to a sheet of questions."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recbench.defaults import DRAWS, PACK_SEED
from recbench.outside.folder import check_files
from recbench.outside.manifest import MANIFEST, Manifest, read_manifest
from recbench.outside.sheet import Kind, Sheet
from recbench.questions.protocols import Protocol
from recbench.questions.protocols.choice import protocol_of
from recbench.runs.question import frozen_question


@dataclass(frozen=True)
class Wanted:
    """
    Which questions.

    Attributes
    ----------
    dataset, protocol, pack_seed
        As for `recbench.runs.question.frozen_question`.
    kind
        How they are to be answered.
    draws
        Of each example; None for the usual number, which is 1 where texts are asked for.
    """

    dataset: str
    protocol: Protocol
    kind: Kind = "scores"
    draws: int | None = None
    pack_seed: int = PACK_SEED


def sheet_of(
    wanted: Wanted, cache: Path, data_dir: Path | None, report: Callable[[str], None]
) -> Sheet:
    """
    Make a sheet; raises as `recbench.runs.question.frozen_question` and `Sheet.of`.

    Parameters
    ----------
    wanted
        Which one.
    cache, data_dir, report
        As for `frozen_question`.
    """
    usual = 1 if wanted.kind == "text" and not wanted.protocol.full else DRAWS
    draws = usual if wanted.draws is None else wanted.draws
    places = cache, data_dir, report
    question = frozen_question(
        wanted.dataset, wanted.protocol, draws, wanted.pack_seed, *places, show_progress=True
    )
    return Sheet.of(question, wanted.kind)


def sheet_in(
    folder: Path, cache: Path, data_dir: Path | None, report: Callable[[str], None]
) -> tuple[Sheet, int]:
    """
    Make the questions of a folder again, with their targets.

    Returns
    -------
    Sheet
        The same that was written there.
    int
        The pack seed.

    Raises
    ------
    DataError
        If they are others, or a file in the folder was changed; as `read_manifest`.
    UserError
        As `sheet_of`.
    """
    given = read_manifest(folder)
    check_files(folder, given)
    rule = protocol_of(given.dataset, given.protocol, cache)
    # A full ranking draws nothing, and need not be told so.
    drawn = (None, PACK_SEED) if rule.full else (given.draws, given.pack_seed)
    sheet = sheet_of(Wanted(given.dataset, rule, given.kind, *drawn), cache, data_dir, report)
    given.check_same(Manifest.of(sheet, given.pack_seed, given.files), folder / MANIFEST)
    return sheet, given.pack_seed
