"""Many questions to an endpoint, several at once: what was answered before is not asked again."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from recbench.endpoint.answer import Answer
from recbench.endpoint.client import Endpoint, StoppedError
from recbench.endpoint.kept import KeptAnswers, Turn, key_of
from recbench.endpoint.ledger import Ledger, Line
from recbench.endpoint.purse import Purse
from recbench.endpoint.under_way import UnderWay

AROUND = 128
"""Tokens that a server may put around a question, as by a chat's template."""

LIMITS = ("max_tokens", "max_completion_tokens")
"""Names of the field that bounds an answer: the older one, and OpenAI's for its newer models."""

Body = dict[str, Any]


@dataclass
class Asking:
    """
    What one run asks an endpoint.

    Attributes
    ----------
    endpoint
        Whom.
    kept
        Answers of this run and of others; every new one is kept as soon as it is there.
    ledger, purse, under_way
        What it cost, what it may, and what it may have cost where a process was killed or a disk
        was full.
    at_once
        Most questions that are under way at a time.
    report
        Told when the server becomes another one, and what is waited for after Ctrl-C.
    """

    endpoint: Endpoint
    kept: KeptAnswers
    ledger: Ledger
    purse: Purse
    under_way: UnderWay
    at_once: int
    report: Callable[[str], None]
    _stop: Event = field(default_factory=Event)

    def answers(self, bodies: Sequence[Body]) -> list[Answer]:
        """
        Answer every request; equal ones are put once.

        However it ends, it waits until what is under way has been answered and kept, since it may
        have been paid for. Where the process ends before, or the disk refuses what was answered,
        word is left of it (`UnderWay`).

        Raises
        ------
        OSError
            If answers cannot be kept, as a rule before anything is asked.
        recbench.endpoint.purse.EmptyError
            If the purse does not pay for the next question.
        UserError, RecbenchError
            As `Endpoint.complete`.
        """
        keys = [self.key(body) for body in bodies]
        questions = dict(zip(keys, bodies, strict=True))
        found: dict[str, Answer] = {}
        for key, body in questions.items():
            if (known := self.kept.find(self.endpoint.address, body)) is not None:
                found[key] = known
                self._found(key, body, known)
        wanted = {key: body for key, body in questions.items() if key not in found}
        if wanted:
            self.kept.check_writable(wanted)
            found |= dict(zip(wanted, self._ask(list(wanted.values())), strict=True))
        return [found[key] for key in keys]

    def key(self, body: Body) -> str:
        """Name a request."""
        return key_of(self.endpoint.address, body)

    def _ask(self, bodies: Sequence[Body]) -> list[Answer]:
        self._stop.clear()
        with (
            self.kept.turns(self._stop) as turn,
            self.endpoint.connected() as client,
            ThreadPoolExecutor(self.at_once) as pool,
        ):
            futures: list[Future[Answer]] = []
            try:
                for body in bodies:
                    futures.append(pool.submit(self._one, client, turn, body))
                for done in as_completed(futures):
                    if not isinstance(done.exception(), StoppedError):  # another one says why
                        done.result()
            except BaseException as error:
                self._stop.set()
                self._end(futures, isinstance(error, KeyboardInterrupt))
                raise
        return [future.result() for future in futures]

    def _end(self, futures: Sequence[Future[Answer]], is_asked_for: bool) -> None:
        """Begin nothing more; say what is waited for."""
        under_way = sum(not (one.cancel() or one.done()) for one in futures)
        if is_asked_for and under_way:
            self.report(
                f"waiting a few seconds for {under_way} answers that are under way, to keep them; "
                "what does not come counts as paid for"
            )

    def _one(self, client: Any, turn: Turn, body: Body) -> Answer:
        try:
            key = self.key(body)
            with turn(key):
                if self.kept.holds(key):  # by now: another process has asked
                    return self._kept_meanwhile(key, body)
                return self._paid(client, key, body)
        except StoppedError:
            raise
        except BaseException:
            self._stop.set()
            raise

    def _kept_meanwhile(self, key: str, body: Body) -> Answer:
        known = self.kept.find(self.endpoint.address, body)
        assert known is not None  # nobody takes an answer away that is whole
        self._write(key, body, known, kept=True)
        return known

    def _paid(self, client: Any, key: str, body: Body) -> Answer:
        most = sum(price(body))
        with self.purse.paying(most):
            with self.under_way.waiting(key, most) as mark:
                answer = self.endpoint.complete(client, body, self._stop)
            self._take(key, body, answer, most)
            mark.unlink()
        return answer

    def _take(self, key: str, body: Body, answer: Answer, most: int) -> None:
        """Keep what was answered, and write down what it cost; it was paid for if that fails."""
        try:
            self.kept.keep(self.endpoint.address, body, answer)
            self.purse.spend(self._write(key, body, answer, kept=False))
        except BaseException:
            self.purse.spend(self.under_way.lose(key, most))
            raise

    def _found(self, key: str, body: Body, known: Answer) -> None:
        """Write down a kept answer; it cost this run something if a process of its own asked."""
        own = key in self.under_way.answered
        tokens = self._write(key, body, known, kept=not own)
        if own:
            self.under_way.answered.remove(key)
            self.purse.spend(tokens)

    def _write(self, key: str, body: Body, answer: Answer, kept: bool) -> int:
        """Put an answer into the ledger; return its tokens."""
        line = Line.of(key, answer, kept, price(body))
        if self.ledger.add(line):
            self.report(
                f"{self.endpoint.address} says now that it is {_named(line)}, which it did not "
                "before: the figures are of both"
            )
        return line.prompt + line.completion


def price(body: Body) -> tuple[int, int]:
    """Return the tokens of prompt and completion that a request may take at most: bytes, mostly."""
    words = sum(len(message["content"].encode()) for message in body["messages"])
    return words + AROUND, max(body.get(limit, 0) for limit in LIMITS)


def _named(line: Line) -> str:
    of = f" ({line.fingerprint})" if line.fingerprint else ""
    return f"{line.model or 'nameless'}{of}"
