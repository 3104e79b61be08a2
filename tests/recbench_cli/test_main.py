import errno
import os
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from recbench import __version__, registry
from recbench.errors import RecbenchError, UserError
from recbench.runs.record import FIGURE_VERSION

LATIN = os.fsdecode(b"/tmp/r\xe9sultats")
"""A path that is not UTF-8."""


class AcceleratorError(RuntimeError):
    """As torch's, which is not imported here."""


HEAVY = {"torch", "transformers", "pandas", "recbole", "peft", "accelerate"}


def raising(error):
    def listed(group):
        raise error

    return listed


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["models"],
        ["data", "list"],
        ["protocols", "list"],
        ["protocols", "show", "paper"],
        ["leaderboard", "--results", "nowhere"],
        ["leaderboard", "--results", "nowhere", "--protocol", "paper", "--models", "sasrec"],
        ["leaderboard", "--help"],
        ["run", "--help"],
    ],
    ids=" ".join,
)
def test_what_must_be_quick_imports_nothing_heavy(arguments, tmp_path):
    code = (
        "import sys\nfrom recbench_cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as left:\n    assert not left.code, left.code\n"
        "print('MODULES', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    modules = set(done.stdout.splitlines()[-1].split())
    assert "recbench_cli.main" in modules
    assert not HEAVY & modules


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["leaderboard"],
        ["models"],
        ["protocols", "list"],
        ["protocols", "show"],
        ["data", "list"],
        ["data", "prepare"],
        ["data", "export"],
        ["candidates"],
    ],
    ids=" ".join,
)
def test_results_cache_and_debug_are_everywhere(call, arguments):
    code, out, _ = call(*arguments, "--help")
    assert code == 0
    for option in ("--results", "--cache", "--debug"):
        assert option in out


@pytest.mark.parametrize("group", [[], ["data"], ["runs"], ["protocols"]], ids=" ".join)
def test_what_a_command_is_for_is_said_whole(call, group):
    """In a terminal of eighty columns, which this is."""
    _, out, _ = call(*group, "--help")
    assert "Commands:" in out
    assert "..." not in out.partition("Commands:")[2]


def test_the_version_is_told(call):
    code, out, err = call("--version")
    assert (code, err) == (0, "")
    assert out.startswith(f"recbench {__version__}, figure version {FIGURE_VERSION}")


@pytest.mark.parametrize("arguments", [[], ["data"]], ids=["recbench", "recbench data"])
def test_a_group_alone_says_what_it_holds(call, arguments):
    code, out, err = call(*arguments)
    assert (code, err) == (0, "")
    assert "Commands:" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["modles"], "No such command 'modles'. Did you mean 'models'"),
        (["data", "lst"], "Did you mean 'list'"),
        (["models", "--resluts", "x"], "--results"),
        (["run", "--model", "sasrec"], "Missing option '--dataset'"),
        (["candidates", "--split", "train"], "'train' is not one of"),
        (["data", "prepare", "--dataset", "movielen"], "did you mean 'movielens'?"),
        (["leaderboard", "--models", "sasrek"], "unknown model 'sasrek'; did you mean 'sasrec'?"),
        (["leaderboard", "--results", "/dev/null"], "/dev/null: a file stands where a folder"),
        (["leaderboard", "--models", ","], "--models names nothing"),
        (["leaderboard", "--protocol", "papr"], "unknown protocol 'papr'; did you mean 'paper'?"),
        (["leaderboard", "--seeds", "1"], "--seeds cannot be given without --run"),
        (["leaderboard", "--device", "auto"], "--device cannot be given without --run"),
        (["leaderboard", "--seeds", "2", "--device", "cpu"], "--seeds and --device cannot be"),
        (["run", "--seed", "1", "--seed=2"], "--seed is given twice; give it once"),
        (["data", "prepare", *3 * ["--dataset", "movielens"]], "--dataset is given 3 times"),
        (["protocols", "show", "paper", *2 * ["--history", "5"]], "--history is given twice"),
        (["study", "order", "--draws", "5", "--draws", "20"], "--draws is given twice"),
        (["protocols", "show", "paper,history=5,history=6"], "history is given twice: 5 and 6"),
        (["leaderboard", "--run"], "--run needs --models"),
        (["leaderboard", "--results", LATIN], "expected a path in UTF-8; rename the file or"),
        (["leaderboard", "--cache", LATIN], "expected a path in UTF-8"),
        (["report", "--out", f"{LATIN}.html", "--results", "x"], "expected a path in UTF-8"),
        (["recommend", "--run", LATIN, "--history", "A"], "expected a path in UTF-8"),
        (["verify", LATIN], "expected a path in UTF-8"),
        (["run", "--model", "zero-shot", "--dataset", "movielens", "--llm", LATIN], "UTF-8"),
        (["compare", LATIN], "expected UTF-8; rename what is called so"),
        (
            ["recommend", "--run", "R", "--history"],
            "requires an argument. (see: recbench recommend",
        ),
        (["models", "--llms", "ilora"], "reads no name; leave out ilora"),
        (
            ["protocols", "show", "paper,history=5", "--history", "6"],
            "protocol paper,history=5 and --history 6 ask two things: give one of them",
        ),
        (["leaderboard", "--run", "--models", "sasrec"], "--run needs --datasets"),
    ],
    ids=str,
)
def test_the_users_mistake_is_one_line_and_code_2(call, arguments, said):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err


def test_a_cache_of_the_environment_is_refused_as_an_option_is(call, monkeypatch):
    monkeypatch.setenv("RECBENCH_CACHE", LATIN)
    code, out, err = call("leaderboard", "--results", "nowhere")
    assert (code, out) == (2, "")
    assert (
        err == f"error: {ascii(LATIN)[1:-1]}: expected a path in UTF-8; rename the file or folder\n"
    )


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("no such\n  thing"), 2, "error: no such thing\n"),
        (RecbenchError("the hub cannot be reached"), 1, "error: the hub cannot be reached\n"),
        (
            ValueError("x"),
            1,
            "error: this is a bug in recbench or a plug-in: ValueError: x; run the same command",
        ),
        (
            MemoryError("Unable to allocate 691. TiB"),
            1,
            "error: there is not enough memory: Unable to allocate 691. TiB; ask for less, for ",
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
            1,
            "error: there is not enough memory: DefaultCPUAllocator: can't allocate memory: you",
        ),
        (
            AcceleratorError("CUDA error: the launch timed out\nCompile with ..."),
            1,
            "error: the GPU failed: CUDA error: the launch timed out; where the same command fails",
        ),
        (
            KeyboardInterrupt(),
            130,
            "interrupted; the same command begins anew\n",
        ),
    ],
    ids=["mistake", "failure", "bug", "memory", "torch", "GPU", "interrupt"],
)
def test_every_end_is_one_line_with_its_code(call, monkeypatch, error, code, said):
    monkeypatch.setattr(registry, "listed", raising(error))
    got, out, err = call("models")
    assert (got, out) == (code, "")
    assert err.startswith(said)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "x"), 2, "x: Permission denied; you "),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "y", None, "x"), 2, "x: Is a directory"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "x"), 2, "x: Not a directory; a "),
        (FileExistsError(errno.EEXIST, "File exists", "x"), 2, "x: File exists; a file stands"),
        (PermissionError(errno.EACCES, "Failed to open 'x'"), 2, "Failed to open 'x'; you may not"),
        (OSError(errno.ENOSPC, "No space left"), 1, "No space left; the disk is full: make room"),
        (OSError(errno.ENOSPC, "No space left", "x"), 1, "x: No space left; the disk is full"),
        (OSError(errno.EIO, "Input/output error", "x"), 1, "x: Input/output error; check that"),
        (
            FileNotFoundError(errno.ENOENT, "Failed to open 'x'"),
            1,
            "Failed to open 'x'; check that",
        ),
        (
            OSError("what is this"),
            1,
            "this is a bug in recbench or a plug-in: OSError: what is this",
        ),
    ],
    ids=str,
)
def test_what_a_path_or_a_disk_refuses_is_no_bug(call, monkeypatch, error, code, said):
    monkeypatch.setattr(registry, "listed", raising(error))
    got, out, err = call("models")
    assert (got, out) == (code, "")
    assert err.startswith(f"error: {said}")
    assert err.count("\n") == 1


def test_debug_shows_the_traceback(call, monkeypatch):
    monkeypatch.setattr(registry, "listed", raising(UserError("no")))
    code, _, err = call("models", "--debug")
    assert code == 2
    assert "Traceback" in err
    assert err.endswith("error: no\n")


def test_models_are_listed_without_importing_them(call, monkeypatch):
    points = [EntryPoint("gone", "no_such_package:It", "recbench.models")]
    real = registry.entry_points
    monkeypatch.setattr(
        registry,
        "entry_points",
        lambda group: points if group == "recbench.models" else real(group=group),
    )
    code, out, err = call("models")
    assert (code, err) == (0, "")
    assert out.split()[:2] == ["gone", "no_such_package:It"]
    code, _, err = call("run", "--model", "gone", "--dataset", "movielens")
    assert code == 1
    assert "the model 'gone'" in err
    assert "ModuleNotFoundError" in err


def test_a_broken_card_breaks_no_other(call, monkeypatch):
    real = registry.listed

    def listed(group):
        broken = EntryPoint("broken", "no_such_package:it.toml", "recbench.datasets")
        return {"broken": broken, **real(group)}

    monkeypatch.setattr("recbench.data.card.listed", listed)
    code, out, err = call("data", "list")
    assert code == 0
    assert "movielens: MovieLens-100K" in out
    assert "the card of the dataset 'broken' of package" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "--model", "popularity", "--dataset", "toy"), "goes on where this one stopped"),
        (("memory", "--llm", "tiny", "--dataset", "toy"), "begins anew"),
        (("submit", "results", "--out", "bundle.zip"), "begins anew"),
        (("data", "prepare", "--dataset", "toy"), "goes on where this one stopped"),
        (("data", "add", "toy", "--interactions", "a.csv"), "begins anew"),
        (("data", "import-splits", "a", "--name", "toy"), "begins anew"),
        (("runs", "import", "a"), "goes on where this one stopped"),
        (("runs", "clean"), "begins anew"),
        (("leaderboard", "--run", "--models", "popularity"), "goes on where this one stopped"),
        (("leaderboard",), "begins anew"),
        (("inspect", "RUN"), "begins anew"),
        (
            ("inspect", "RUN", "--templates"),
            "begins anew, but for what an endpoint has answered",
        ),
    ],
    ids=" ".join,
)
def test_only_what_keeps_its_work_is_said_to_go_on(call, monkeypatch, words, told):
    monkeypatch.setattr("recbench_cli.main.app", lambda *_, **__: 130)
    assert call(*words) == (130, "", f"interrupted; the same command {told}\n")


def test_a_choice_that_is_none_is_one_plain_line(call):
    code, out, err = call("run", "--model", "sasrec", "--dataset", "toy", "--matching", "exat")
    assert (code, out) == (2, "")
    assert err.startswith("error: Invalid value for '--matching': 'exat' is not one of 'exact', ")


@pytest.mark.parametrize("rank", [0, 1])
def test_what_is_for_one_process_is_not_done_by_several(rank, monkeypatch, capsys):
    from recbench_cli.main import main

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", str(rank))
    with pytest.raises(SystemExit) as left:
        main(["leaderboard", "--run"])
    said = capsys.readouterr().err.splitlines()
    assert left.value.code == 2
    assert len(said) == 1 - rank
    assert all("recbench leaderboard is for one process, and 2 were launched" in x for x in said)


@pytest.mark.parametrize("rank", [0, 1])
def test_that_another_process_has_ended_is_told_by_the_main_one(rank, monkeypatch, capsys):
    from recbench.processes import DesertedError
    from recbench_cli import main

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", str(rank))
    for error, lines in ((DesertedError("gone"), 1 - rank), (UserError("own"), 1)):
        raised = raising(error)
        monkeypatch.setattr(main, "app", lambda *_, raised=raised, **__: raised(None))
        with pytest.raises(SystemExit):
            main.main(["run"])
        assert len(capsys.readouterr().err.splitlines()) == lines
