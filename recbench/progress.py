"""The progress bar of everything that takes long."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)


def progress_bar(shown: bool) -> Progress:
    """Make a bar on standard error that vanishes when done; it draws nothing unless `shown`."""
    return _bar(shown, MofNCompleteColumn())


def transfer_bar(shown: bool) -> Progress:
    """Make such a bar that counts bytes."""
    return _bar(shown, DownloadColumn(), TransferSpeedColumn())


def _bar(shown: bool, *counts: ProgressColumn) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),  # it may hold the name of a file
        BarColumn(),
        *counts,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        # Where standard error is a file, a bar would leave blank lines.
        disable=not (shown and console.is_terminal),
    )
