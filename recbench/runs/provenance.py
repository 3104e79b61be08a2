"""By what code a run was computed."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from recbench.registry import find, listed, package_of
from recbench.runs import environment
from recbench.runs.record import FIGURE_VERSION, RunRecord
from recbench.runs.record_parts import Provenance


def provenance(model: str, device: str, precision: str) -> Provenance:
    """
    Say by what code and where something is computed, now and in this process.

    Parameters
    ----------
    model
        Registered name.
    device
        ``"cpu"`` or ``"cuda:N"``, already checked.
    precision
        Of the arithmetic.
    """
    return Provenance(
        figure_version=FIGURE_VERSION,
        plugin=plugin(model),
        commit=commit(Path(__file__).parents[1]),
        device=environment.device(device),
        precision=precision,
        versions=environment.versions(),
    )


def plugin(model: str) -> str:
    """Return the distribution that registers a model, and its version."""
    return package_of(find("models", model)) if model in listed("models") else "unknown"


def other_code(record: RunRecord) -> Iterator[str]:
    """
    Say by what other code than is installed a run was made, behind "a run"; nothing of the same.

    What counts is what names a training (`recbench.runs.identity.training_digest`).
    """
    made = record.provenance
    if made.figure_version != FIGURE_VERSION:
        yield (
            f"of figure version {made.figure_version}, this recbench makes {FIGURE_VERSION}: its "
            "figures may differ"
        )
    if made.plugin != (own := plugin(record.model)):
        yield f"of {made.plugin}, installed is {own}"


def commit(folder: Path) -> str | None:
    """
    Return the commit of the checkout that a source folder belongs to, None where it is in none.

    Returns
    -------
    str or None
        40 hexadecimal digits, and ``+`` where a file of the folder is not as committed.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # else it only lies in someone's checkout
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
