"""`recbench models`: what can be run."""

import typer

from recbench_cli.options import Cache, Debug, Results


def models(_results: Results = None, _cache: Cache = None, _debug: Debug = False) -> None:
    """List the models that are installed, ours and those of plug-ins."""
    from recbench.registry import listed

    found = listed("models")
    width = max(map(len, found), default=0)
    for name, point in found.items():
        package = point.dist.name if point.dist is not None else "?"
        typer.echo(f"{name:<{width}}  {point.value}  ({package})")
