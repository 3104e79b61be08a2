"""Commands that take an option once: of two values the second would silently be the one."""

from collections import Counter
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption


class Commands(typer.Typer):
    """A group of commands, each of which refuses an option that is given twice."""

    def command(self, *arguments: Any, **settings: Any) -> Any:
        """Add a command, as `typer.Typer.command` does."""
        return super().command(*arguments, cls=_Once, **settings)


class _Once(TyperCommand):
    # Typer has a Click of its own, whose types it does not export.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        *_, given = self.make_parser(ctx).parse_args(args=list(args))
        for option, times in Counter(given).items():
            single = isinstance(option, TyperOption) and not (option.multiple or option.is_flag)
            if single and times > 1:
                often = "twice" if times == 2 else f"{times} times"
                ctx.fail(f"{option.opts[0]} is given {often}; give it once")
        return super().parse_args(ctx, args)
