"""The ledger of a run: every question that was answered, once, and what it cost."""

import errno
import json
import os
from collections import Counter
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import BaseModel, ConfigDict

from recbench.atomic_write import naming
from recbench.endpoint.answer import FILTERED, Answer
from recbench.errors import DataError
from recbench.sealed import sealed, unsealed


class Line(BaseModel):
    """
    One question.

    Attributes
    ----------
    key
        Its name (`recbench.endpoint.kept.key_of`).
    kept
        Whether its answer was at hand already and cost nothing.
    prompt, completion
        Tokens.
    counted
        Whether the server counted them; if not, they are what the question may have taken at most.
    cut_off, filtered
        Whether its answer ended early: before the first line was written, by the server's filter.
    model, fingerprint
        As in `recbench.endpoint.answer.Answer`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    kept: bool
    prompt: int
    completion: int
    counted: bool
    cut_off: bool
    filtered: bool
    model: str | None
    fingerprint: str | None

    @classmethod
    def of(cls, key: str, answer: Answer, kept: bool, most: tuple[int, int]) -> "Line":
        """Write down an answer; `most` tokens of prompt and completion it may have taken."""
        counts = answer.prompt_tokens, answer.completion_tokens
        counted = None not in counts
        prompt, completion = counts if counted else most
        return cls(
            key=key,
            kept=kept,
            prompt=prompt or 0,
            completion=completion or 0,
            counted=counted,
            cut_off=answer.is_cut_off,
            filtered=answer.finish == FILTERED,
            model=answer.model,
            fingerprint=answer.fingerprint,
        )

    @property
    def server(self) -> tuple[str | None, str | None]:
        """What the server said it is: model and fingerprint."""
        return self.model, self.fingerprint

    @property
    def is_named(self) -> bool:
        """Whether it said anything: not where a filter refuses a question before it is read."""
        return self.server != (None, None)


class Ledger:
    """
    The lines of a run, in a file to which each is added when its question is answered.

    Parameters
    ----------
    path
        The file; what a process before this one has written there is read, but for a last line that
        a kill has cut off, which is removed.

    Raises
    ------
    DataError
        If a line was changed after it was written: what the run has cost cannot be told any more.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock, self._lines = path, Lock(), dict[str, Line]()
        self._servers = Counter[tuple[str | None, str | None]]()
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), start=1):
            self._take(_read(path, number, line))
        if len(whole) < len(content):
            os.truncate(path, len(whole))

    def __contains__(self, key: str) -> bool:
        return key in self._lines

    def add(self, line: Line) -> bool:
        """
        Write a line, unless its question has one.

        Returns
        -------
        bool
            Whether it is the first of its server after lines of another one.
        """
        with self._lock:
            if line.key in self._lines:
                return False
            is_another = bool(self._servers) and line.is_named and line.server not in self._servers
            self._write(json.dumps(sealed(line.model_dump())) + "\n")
            self._take(line)
            return is_another

    def _write(self, line: str) -> None:
        """Write a line whole or not at all."""
        with naming(self._path), self._path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                if file.write(line.encode()) < len(line.encode()):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                file.truncate(before)
                raise

    def _take(self, line: Line) -> None:
        self._lines[line.key] = line
        if line.is_named:
            self._servers[line.server] += 1

    @property
    def spent(self) -> int:
        """Tokens that were paid for."""
        return sum(one.prompt + one.completion for one in self._lines.values() if not one.kept)

    @property
    def paid(self) -> int:
        """Questions that were paid for."""
        return sum(not one.kept for one in self._lines.values())

    def lines(self) -> list[str]:
        """Say to the user what it came to, and what a reader of the figures must know of it."""
        found = self.record()
        lines = [
            f"{found['questions']:,} questions, {found['from_cache']:,} of them answered before: "
            f"{found['prompt_tokens']:,} tokens read and {found['completion_tokens']:,} written"
        ]
        if found["not_counted"]:
            lines.append(
                f"of {found['not_counted']:,} answers the server counted no tokens: they stand for "
                "the most that they can have taken"
            )
        if found["cut_off"]:
            lines.append(
                f"{found['cut_off']:,} answers were cut off, at the most tokens of an answer or "
                "among thoughts, before their first line ended; they are judged as far as they go"
            )
        if found["filtered"]:
            lines.append(
                f"{found['filtered']:,} answers were withheld by the server's content filter; they "
                "are judged as far as they go"
            )
        return lines

    def record(self) -> dict[str, Any]:
        """
        Return what a run's record holds of it.

        Counts of questions and tokens; `servers` holds what servers said they are, each with the
        number of its answers; those that name none are not among them.
        """
        lines = self._lines.values()
        bought, kept = [one for one in lines if not one.kept], [one for one in lines if one.kept]
        return {
            "questions": len(lines),
            "from_cache": len(kept),
            "prompt_tokens": sum(one.prompt for one in bought),
            "completion_tokens": sum(one.completion for one in bought),
            "tokens_from_cache": sum(one.prompt + one.completion for one in kept),
            "not_counted": sum(not one.counted for one in lines),
            "cut_off": sum(one.cut_off for one in lines),
            "filtered": sum(one.filtered for one in lines),
            "servers": [
                {"model": model, "system_fingerprint": fingerprint, "answers": answers}
                for (model, fingerprint), answers in self._servers.items()
            ],
        }


def _read(path: Path, number: int, line: bytes) -> Line:
    try:
        return Line.model_validate(unsealed(json.loads(line)))
    except ValueError:
        raise DataError(
            f"{path}, line {number}: expected a line as it was written, found one that was changed "
            "since; remove the file: its questions then count as answered before, and cost nothing"
        ) from None
