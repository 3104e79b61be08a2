"""A purse: so many tokens may be spent, and not one more."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class EmptyError(Exception):
    """
    What is left does not pay for the next question.

    Attributes
    ----------
    spent, price
        Tokens: that are gone, and that the question may take.
    """

    def __init__(self, spent: int, price: int) -> None:
        super().__init__(f"{spent} spent, {price} wanted")
        self.spent, self.price = spent, price


class Purse:
    """
    Tokens for several questions at a time.

    What a question may take at most is set aside while it is asked; what it took is then spent.

    Parameters
    ----------
    most
        Tokens in it at first; None for any number.
    spent
        Those that were spent before.
    """

    def __init__(self, most: int | None, spent: int = 0) -> None:
        self.most, self.spent = most, spent
        self._aside, self._change = 0, Condition()

    @contextmanager
    def paying(self, price: int) -> Iterator[None]:
        """
        Set tokens aside for the block, in which `spend` says how many it took.

        While others have set tokens aside that may come back, it waits.

        Raises
        ------
        EmptyError
            If there are not so many, and none can come back.
        """
        with self._change:
            while self.most is not None and self.spent + self._aside + price > self.most:
                if not self._aside:
                    raise EmptyError(self.spent, price)
                self._change.wait()
            self._aside += price
        try:
            yield
        finally:
            with self._change:
                self._aside -= price
                self._change.notify_all()

    def spend(self, tokens: int) -> None:
        """Take tokens out for good."""
        with self._change:
            self.spent += tokens
