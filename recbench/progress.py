"""The progress bar of everything that takes long."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


def progress_bar(shown: bool) -> Progress:
    """Make a bar on standard error that vanishes when done; it draws nothing unless `shown`."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        # Where standard error is a file, a bar would leave blank lines.
        disable=not (shown and console.is_terminal),
    )
