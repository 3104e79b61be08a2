"""
A pickle read as a description: what it would build is written down, and nothing is built.

A pickle is a program for a small stack machine, and a program can do anything. This machine knows
only the instructions that put data together; where a pickle calls something by name, the call is
noted down with its arguments (`Call`) and not made. So no code of pandas, NumPy or anybody else
runs, whatever the file says, and frames of old and new versions are read alike.

The instructions are those that Python 3 writes (protocols 3 to 5, in ``pickletools``); the
extension registry, instances by name and out-of-band buffers are not among them, and persistent
ids, by which torch names what lies beside a pickle, only where they are asked for.
"""

import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from pickletools import genops
from typing import Any

from recbench.errors import DataError

LARGEST = 1 << 26
"""Bytes of a file at most: one byte of a hostile pickle can ask for some hundred in memory."""


@dataclass(frozen=True)
class Name:
    """A class or function that a pickle names: ``module.name``."""

    path: str


@dataclass
class Call:
    """A call that a pickle would make: of what, with what, and the state it would then set."""

    name: str
    args: tuple[Any, ...]
    state: Any = None


@dataclass(frozen=True)
class Stored:
    """What lies beside a pickle, by the persistent id under which it names it."""

    id: Any


def describe(file: Path, admitted: Collection[str]) -> Any:
    """
    Read what a pickle describes.

    Parameters
    ----------
    file
        At most `LARGEST` bytes.
    admitted
        Paths (``module.name``) that it may name.

    Returns
    -------
    object
        Numbers, texts, bytes, None, tuples, lists and dicts with texts or whole numbers as keys,
        `Name` and `Call`. It may hold one list many times, or itself: who walks it must know how
        deep to go.

    Raises
    ------
    DataError
        If the file is missing, too large, cut short or no pickle, uses another instruction or
        names something else; that name is in the message.
    """
    try:
        size = file.stat().st_size
        if size > LARGEST:
            raise DataError(f"{file}: expected a pickle of at most {LARGEST} bytes, found {size}")
        return described(file.read_bytes(), str(file), admitted)
    except FileNotFoundError:
        raise DataError(f"{file}: expected a file, found none") from None


def described(
    program: bytes, file: str, admitted: Collection[str] | None, beside: bool = False
) -> Any:
    """
    Read what a pickle in memory describes, as `describe` does.

    Parameters
    ----------
    program
        The pickle.
    file
        What it is called in errors.
    admitted
        As for `describe`; None for any name, where what is read looks at few of them.
    beside
        Whether it may name what lies beside it; then `Stored` stands for that.
    """
    try:
        with warnings.catch_warnings():  # genops warns of a backslash in a name
            warnings.simplefilter("ignore", DeprecationWarning)
            return _Machine(admitted, beside).run(program)
    except _RefusedError as refused:
        raise DataError(f"{file}: refused, nothing of it was run: {refused}") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: expected a whole pickle ({error})") from None


class _RefusedError(Exception):
    """What a file asks for that no table needs."""


class _Machine:
    def __init__(self, admitted: Collection[str] | None, beside: bool) -> None:
        self.admitted, self.beside = admitted, beside
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []  # the stacks below each mark
        self.memo: dict[int, Any] = {}

    def run(self, program: bytes) -> Any:
        for instruction, argument, _ in genops(program):
            name = instruction.name
            if name in _CONSTANTS:
                self.stack.append(argument)
            elif (act := _ACTS.get(name)) is not None:
                act(self, argument)
            elif name == "STOP":
                return self.stack.pop()
            elif name not in _IDLE:
                raise _RefusedError(f"it uses the pickle instruction {name}")
        raise ValueError("no end")  # genops raises before

    def name(self, path: str) -> None:
        if self.admitted is not None and path not in self.admitted:
            raise _RefusedError(f"it asks for {path[:100]!r}, which no table of rows needs")
        self.stack.append(Name(path))

    def stack_name(self, _: object) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise _RefusedError("it asks for a name that is no text")
        self.name(f"{module}.{name}")

    def call(self, _: object) -> None:
        args, called = self.stack.pop(), self.stack.pop()
        if not (isinstance(called, Name) and isinstance(args, tuple)):
            raise _RefusedError("it calls what is no name")
        is_dict = called.path == "collections.OrderedDict" and not args
        self.stack.append({} if is_dict else Call(called.path, args))

    def stored(self, _: object) -> None:
        if not self.beside:
            raise _RefusedError("it names what lies beside it")
        self.stack.append(Stored(self.stack.pop()))

    def build(self, _: object) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], dict):  # attributes of an ordered dict: nobody's data
            return
        if not isinstance(self.stack[-1], Call):
            raise _RefusedError("it sets the state of what it did not make")
        self.stack[-1].state = state

    def mark(self, _: object) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def above(self) -> list[Any]:
        """Take off what lies above the last mark."""
        values, self.stack = self.stack, self.marks.pop()
        return values

    def tuple_above(self, _: object) -> None:
        values = tuple(self.above())
        self.stack.append(values)

    def last(self, count: int) -> None:
        """Make a tuple of the last values."""
        if len(self.stack) < count:
            raise ValueError("a tuple of nothing")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def extend(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise _RefusedError("it appends to what is no list")
        self.stack[-1].extend(values)

    def update(self, pairs: list[Any]) -> None:
        target, keys = self.stack[-1], pairs[::2]
        # No tuples: the hash of a tuple in tuples in tuples would overflow the C stack.
        if not isinstance(target, dict) or not all(isinstance(key, str | int) for key in keys):
            raise _RefusedError("it fills something else than a dict with texts as keys")
        target.update(zip(keys, pairs[1::2], strict=True))

    def set_item(self, _: object) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.update([key, value])

    def put(self, number: int) -> None:
        self.memo[number] = self.stack[-1]

    def get(self, number: int) -> None:
        self.stack.append(self.memo[number])


_CONSTANTS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_IDLE = {"PROTO", "FRAME"}
_ACTS: dict[str, Callable[[_Machine, Any], None]] = {
    "NONE": lambda machine, _: machine.stack.append(None),
    "NEWTRUE": lambda machine, _: machine.stack.append(True),
    "NEWFALSE": lambda machine, _: machine.stack.append(False),
    "EMPTY_TUPLE": lambda machine, _: machine.stack.append(()),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "MARK": _Machine.mark,
    "TUPLE": _Machine.tuple_above,
    "TUPLE1": lambda machine, _: machine.last(1),
    "TUPLE2": lambda machine, _: machine.last(2),
    "TUPLE3": lambda machine, _: machine.last(3),
    "APPEND": lambda machine, _: machine.extend([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine.above()),
    "SETITEM": _Machine.set_item,
    "SETITEMS": lambda machine, _: machine.update(machine.above()),
    "GLOBAL": lambda machine, argument: machine.name(argument.replace(" ", ".", 1)),
    "STACK_GLOBAL": _Machine.stack_name,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.stored,
    "MEMOIZE": lambda machine, _: machine.put(len(machine.memo)),
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
}
