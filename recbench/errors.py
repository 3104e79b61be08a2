"""The errors a user can meet: one line that says what is wrong and what to do about it."""

import difflib
from collections.abc import Iterable


class RecbenchError(Exception):
    """A failure that is not the user's mistake: exit code 1."""

    exit_code = 1


class PluginError(RecbenchError):
    """What a plug-in gave is not what its contract asks; `recbench.registry` says whose it is."""


class UserError(RecbenchError):
    """Something the user can put right at the command line or in a file: exit code 2."""

    exit_code = 2


class TooLongError(UserError):
    """
    A prompt may be longer than what a language model reads.

    Parameters
    ----------
    what
        What is too long for what.
    ways
        What helps in a run.
    """

    def __init__(self, what: str, ways: str) -> None:
        super().__init__(what, ways)
        self.what = what

    def __str__(self) -> str:
        return "; ".join(self.args)


class UnusableError(UserError):
    """A plug-in cannot be had as things are installed, whatever it is asked."""


class NotInstalledError(UnusableError):
    """A plug-in needs a package that is not there; the message says what to install."""


class DataError(UserError):
    """A data file is not what its format promises; the message names file, line and expectation."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """
    Build the error for a name that nobody registered, with the nearest known one.

    Parameters
    ----------
    kind
        What the name should have been, for example ``"model"``.
    name
        What the user wrote.
    known
        All names that would have been right.

    Returns
    -------
    UserError
        To be raised by the caller.
    """
    names = sorted(known)
    near = nearest(name, names)
    hint = f"did you mean '{near}'?" if near else f"known: {', '.join(names) or 'none'}"
    return UserError(f"unknown {kind} '{name}'; {hint}")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like `name`, case apart; None where none is like it."""
    folded = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    return folded[near[0]] if near else None
