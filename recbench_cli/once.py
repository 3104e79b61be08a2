"""
Commands whose options are read as users mean them.

One that has one value is given once: of two, the second would silently be the one. One that takes
several, as its metavar says ("TITLE..."), has all words behind it up to the next option. What is
not UTF-8 is refused before anything is done: no record could say it.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption

from recbench.errors import UserError
from recbench_cli.options import only_put_prints


class Commands(typer.Typer):
    """A group of commands, each of which refuses an option of one value that is given twice."""

    def command(self, *arguments: Any, **settings: Any) -> Any:
        """Add a command, as `typer.Typer.command` does."""
        return super().command(*arguments, cls=_Once, **settings)


class _Once(TyperCommand):
    # Typer has a Click of its own, whose types it does not export.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        args = _repeated(args, {name for one in self.params if _several(one) for name in one.opts})
        with _of(ctx):
            *_, given = self.make_parser(ctx).parse_args(args=list(args))
        for option, times in Counter(given).items():
            single = isinstance(option, TyperOption) and not (option.multiple or option.is_flag)
            if single and times > 1:
                often = "twice" if times == 2 else f"{times} times"
                ctx.fail(f"{option.opts[0]} is given {often}; give it once")
        left: list[str] = super().parse_args(ctx, args)
        for value in ctx.params.values():
            for one in value if isinstance(value, list | tuple) else (value,):
                _check_utf8(one)
        return left

    def invoke(self, ctx: Any) -> Any:
        with only_put_prints():
            return super().invoke(ctx)


@contextmanager
def _of(ctx: Any) -> Iterator[None]:
    """Name the command in what its parser refuses, whose help is then pointed to."""
    try:
        yield
    except typer.TyperException as error:
        refused: Any = error  # the base declares no context; what a parser raises has one
        refused.ctx = refused.ctx or ctx
        raise


def _check_utf8(value: Any) -> None:
    if isinstance(value, Path):
        from recbench.data.own import check_place

        check_place(value)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise UserError(f"{value}: expected UTF-8; rename what is called so") from None


def _several(option: Any) -> bool:
    return bool(option.multiple) and (option.metavar or "").endswith("...")


def _repeated(args: Sequence[str], several: Collection[str]) -> list[str]:
    """
    Write an option that takes several words before each of them.

    The first word behind an option is always its value; one of the others that begins with a dash
    ends them, and is given as ``--option=WORD`` where it is a value.

    Examples
    --------
    >>> _repeated(["--history", "Alien", "Heat", "--top", "3"], {"--history"})
    ['--history', 'Alien', '--history', 'Heat', '--top', '3']
    """
    found: list[str] = []
    current, is_first = "", False
    for word in args:
        option = word.partition("=")[0]
        if current and not is_first and not word.startswith("-"):
            found += [current, word]
            continue
        found.append(word)
        if is_first:
            is_first = False
        else:
            current, is_first = (option, option == word) if option in several else ("", False)
    return found
