"""Seconds by stage, over all processes that work on one thing."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from recbench.atomic_write import atomic_file
from recbench.runs.busy_folder import below, changed
from recbench.sealed import sealed, unsealed

FILE = "seconds.json"


class Stopwatch:
    """
    Counts the seconds of stages, kept in a folder.

    A process that is killed cannot say when: its last sign of life is the latest change of a file
    in the folder, so a stage that was begun and never ended counts up to there.

    Parameters
    ----------
    folder
        Made when needed.
    report
        Told where what was kept is damaged: seconds are then counted from here on.
    writes
        Whether the folder is written to: of several processes that work on one thing, one does.
    """

    def __init__(self, folder: Path, report: Callable[[str], None], writes: bool = True) -> None:
        self._folder, self._writes = folder, writes
        self.seconds: dict[str, float] = {}
        if writes and (file := folder / FILE).is_file():  # which is renamed under others' eyes
            try:
                kept = unsealed(json.loads(file.read_bytes()))
            except ValueError:
                report(f"{file} was changed after it was written: seconds count from here on")
                return
            self.seconds = kept["seconds"]
            if kept["running"] is not None:
                stage, begun = kept["running"]
                latest = max(map(changed, below(folder)))
                self.add(stage, max(0.0, latest - begun))

    def add(self, stage: str, seconds: float) -> None:
        """Count seconds that were measured elsewhere."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
        self._write(None)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the seconds of the block, also of one that raises."""
        self._write((name, time.time()))
        began = time.monotonic()
        try:
            yield
        finally:
            self.add(name, time.monotonic() - began)

    def _write(self, running: tuple[str, float] | None) -> None:
        if not self._writes:
            return
        text = json.dumps(sealed({"seconds": self.seconds, "running": running}))
        with atomic_file(self._folder / FILE) as partial:
            partial.write_text(text, encoding="utf-8")
