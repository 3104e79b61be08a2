"""The console script `recbench`: commands, and errors as one line each."""

import errno
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from recbench.errors import RecbenchError, UserError
from recbench.out_of_memory import lacks_memory
from recbench.processes import DesertedError, launched_as
from recbench_cli import (
    candidates,
    compare,
    data,
    export,
    inspect,
    leaderboard,
    memory,
    models,
    protocols,
    questions,
    recommend,
    report,
    reproduce,
    run,
    runs,
    score,
    study,
    submit,
    verify,
)
from recbench_cli.leaving import Told, leaving_in_time, say_last
from recbench_cli.once import Commands
from recbench_cli.options import put, say

REMEDIES = {
    PermissionError: "you may not read or write there; change its permissions or name another path",
    IsADirectoryError: "a folder stands where a file belongs; name a file",
    NotADirectoryError: "a file stands where a folder belongs; name another path",
    FileExistsError: "a file stands where a folder belongs; name another path",
}
"""What the operating system refuses because of a path that the user named."""

INTERRUPTED, TERMINATED = 130, 143
"""Exit codes after SIGINT (Ctrl-C) and SIGTERM: 128 and the signal's number."""

RESUMING = frozenset(
    {
        *("run", "leaderboard", "study", "runs import"),
        *("data prepare", "data show", "data doctor", "data export"),  # the rest of a download
    }
)
"""Commands that keep what they have done when they are interrupted; the others begin anew."""

ASKING = frozenset({"--rotate", "--templates"})
"""Of ``inspect``: an endpoint's answers to these may be paid for, and are kept."""

app = Commands(
    help="The evaluation harness for sequential recommendation with and without language models.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _tell_version(wanted: bool) -> None:
    """Say by what code anything is computed here, as a record does, and end."""
    if wanted:
        from recbench import __version__
        from recbench.runs.provenance import commit
        from recbench.runs.record import FIGURE_VERSION

        own = commit(Path(__file__).parents[1] / "recbench")
        at = "" if own is None else f", commit {own}"
        put(f"recbench {__version__}, figure version {FIGURE_VERSION}{at}")
        raise typer.Exit


@app.callback()
def _about(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Show what is installed."
        ),
    ] = False,
) -> None:
    """Hold what concerns no command."""


COMMANDS: dict[str, tuple[Callable[..., None] | typer.Typer, str]] = {
    "run": (run.run, "Train a model and judge it on frozen questions."),
    "leaderboard": (leaderboard.leaderboard, "Print the tables of all records, or make records."),
    "compare": (compare.compare, "Say what the difference of two rows is worth."),
    "plan": (compare.plan, "Say how many users, draws and seeds a claim takes."),
    "report": (report.report, "Write one page of tables, charts and examples."),
    "models": (models.models, "List the models, or the settings of one."),
    "study": (study.study, "Put a step of iLoRA's argument to the test."),
    "reproduce": (reproduce.reproduce, "Show a paper's tables beside what is on record."),
    "inspect": (inspect.inspect, "Say why answers are invalid, and what places do."),
    "memory": (memory.memory, "Say whether a language model knows a dataset."),
    "recommend": (recommend.recommend, "Rank what somebody with your history may take next."),
    "runs": (runs.app, "List runs, clean up, take in others'."),
    "verify": (verify.verify, "Check runs, and work their figures out again."),
    "submit": (submit.submit, "Write runs into one file that anyone can check."),
    "export": (export.export, "Write records as files of Every Eval Ever."),
    "data": (data.app, "List, add, check and prepare datasets."),
    "protocols": (protocols.app, "List protocols, say what each asks."),
    "candidates": (candidates.candidates, "Write the candidates of all questions."),
    "questions": (questions.questions, "Write questions for a program of another's."),
    "score": (score.score, "Judge a file of answers to such questions."),
}
"""Each with what it is for, in one line of the list of all."""

for _name, (_does, _summary) in COMMANDS.items():
    if isinstance(_does, typer.Typer):
        app.add_typer(_does, name=_name, short_help=_summary)
    else:
        app.command(_name, short_help=_summary)(_does)


def main(arguments: list[str] | None = None) -> None:
    """
    Run the command line and leave with its exit code.

    0 done, 2 the user's mistake, 1 a failure, 130 and 143 interrupted by SIGINT (Ctrl-C) and
    SIGTERM. An error is one line on standard error; ``--debug``, anywhere, shows its traceback too.

    Parameters
    ----------
    arguments
        Without the program's name; None takes those of the process.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments in ([], ["data"], ["protocols"], ["runs"]):  # a group alone asks what it holds
        arguments = [*arguments, "--help"]
    last_words = _interrupted(arguments)
    told = Told()
    try:
        with leaving_in_time(told, last_words):
            code = _run(arguments, told)
            if code in (INTERRUPTED, TERMINATED):
                say_last(last_words)
    except KeyboardInterrupt:  # told before the command had begun, or as it ended
        code = INTERRUPTED if told.signal is None else told.code
        say_last(last_words)
    sys.exit(code)


def _run(arguments: list[str], told: Told) -> int:
    """Run a command; return its exit code, an error being explained."""
    code = 0
    try:
        _check_launch(arguments)
        code = app(arguments, prog_name="recbench", standalone_mode=False) or 0
    except KeyboardInterrupt:  # while a command was ending
        code = INTERRUPTED
    except Exception as error:
        if "--debug" in arguments:
            with suppress(OSError):  # nobody may be left to read it; the exit code is still told
                say(traceback.format_exc())
        if told.signal is None:  # else it is what a library made of the interrupt
            code, line = _explained(error)
            if _is_news(error):
                say(f"error: {line}")
    return code if told.signal is None else told.code


def _interrupted(arguments: list[str]) -> str:
    """Say what the same command does when it is given again."""
    named = {*arguments[:1], " ".join(arguments[:2])}
    shows = arguments[:1] == ["leaderboard"] and "--run" not in arguments
    resumes = not RESUMING.isdisjoint(named) and not shows and "--fresh" not in arguments
    told = "goes on where this one stopped" if resumes else "begins anew"
    if arguments[:1] == ["inspect"] and not ASKING.isdisjoint(arguments):
        told += ", but for what an endpoint has answered"
    return f"interrupted; the same command {told}"


def _check_launch(arguments: list[str]) -> None:
    """Refuse to do a thing as often as there are processes."""
    rank, count = launched_as()
    if count == 1 or arguments[0] == "run":
        return
    if rank > 0:
        sys.exit(UserError.exit_code)  # the main process says why
    raise UserError(
        f"recbench {arguments[0]} is for one process, and {count} were launched; only recbench run "
        "divides its work among several: call this one without accelerate launch"
    )


def _is_news(error: Exception) -> bool:
    """Whether it is not that of another process, which the main process tells of."""
    return launched_as()[0] == 0 or not isinstance(error, DesertedError)


def _explained(error: Exception) -> tuple[int, str]:
    """Return exit code and one line."""
    if isinstance(error, RecbenchError):
        return error.exit_code, _one_line(str(error))
    if isinstance(error, typer.TyperException):  # what the command line itself refuses
        # The base declares neither; what is raised has both.
        command = getattr(getattr(error, "ctx", None), "command_path", "recbench")
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        said = _one_line(message).replace(": Value error, ", ": ")  # pydantic's, of a choice
        return 2, f"{said} (see: {command} --help)"
    if isinstance(error, OSError) and (found := _of_a_path(error)):
        return found
    if lacks_memory(error):
        return 1, (
            f"there is not enough memory: {_one_line(str(error))[:160]}; ask for less, for example "
            "fewer --draws or smaller settings"
        )
    if "AcceleratorError" in {kind.__name__ for kind in type(error).__mro__}:  # torch's
        return 1, (
            f"the GPU failed: {_one_line(str(error).splitlines()[0])}; where the same command "
            "fails again, take another by --device cuda:N, or --device cpu"
        )
    return 1, (
        f"this is a bug in recbench or a plug-in: {_one_line(f'{type(error).__name__}: {error}')}; "
        "run the same command with --debug for the traceback"
    )


def _of_a_path(error: OSError) -> tuple[int, str] | None:
    """Return exit code and one line for what a path or a disk refused, None for anything else."""
    # A file written aside is renamed to the second name, which the user knows; where there is no
    # name at all, Arrow has put it into its reason.
    path = error.filename2 or error.filename
    reason = error.strerror or str(error)
    where = _one_line(f"{path}: {reason}" if path else reason)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return 1, f"{where}; the disk is full: make room and run the same command again"
    if error.errno == errno.EROFS:
        return 2, f"{where}; nothing can be written there: name another by --results or --cache"
    if remedy := REMEDIES.get(type(error)):
        return 2, f"{where}; {remedy}"
    if path or isinstance(error, FileNotFoundError):
        return 1, f"{where}; check that path and its disk, then run the same command again"
    return None


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    main()
