"""What the README says must be so: its commands, its table."""

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest

from recbench import experiment
from recbench.cells import fill as filling
from recbench.errors import UserError
from recbench.questions.protocols import protocol
from recbench.registry import find
from recbench.runs.places import CACHE_VARIABLE, cache_folder
from recbench.stages import build
from recbench_cli import main as cli
from recbench_cli.parsing import devices_of

_SPEC = importlib.util.spec_from_file_location(
    "printed", Path(__file__).parents[1] / "tools" / "printed.py"
)
printed = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(printed)

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(?:bash|console)\n(.*?)```", README, flags=re.DOTALL)
LINES = [line.strip() for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]
COMMANDS = [line for line in LINES if line.startswith("recbench ")]
COMMANDS += [part.strip() for line in LINES for part in line.split("&&")[1:] if "recbench" in part]
SLOW = [c for c in COMMANDS if shlex.split(c)[1] == "run" or "--run" in shlex.split(c)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One folder for all commands, so that the data are prepared once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache, monkeypatch):
    """Leave the cache of whoever runs the tests alone; child processes inherit this."""
    monkeypatch.setenv(CACHE_VARIABLE, str(cache))


def test_there_are_commands():
    assert {shlex.split(command)[1] for command in COMMANDS} >= {"run", "leaderboard", "models"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command, command_line, tmp_path, monkeypatch):
    """Its options are known; with --help after them, nothing is run."""
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(command, comments=True)[1:]
    code, helped, err = command_line(*arguments, "--help")
    assert code == 0, err
    known = set(re.findall(r"--[a-z][a-z-]*", helped))
    assert {one for one in arguments if one.startswith("--")} <= known


@pytest.fixture
def checked(monkeypatch, tmp_path):
    """Return a function that reads a command line that trains, down to each model's settings."""
    wanted = []

    def run(one, report, show_progress):
        wanted.append(one)
        raise KeyboardInterrupt  # what would be run is known

    def fill(asked, places, board):
        assert asked
        for cell in asked:
            read("run", *cell.arguments, "--device", "cpu")
        raise KeyboardInterrupt

    def read(*arguments):
        with pytest.raises(SystemExit) as left:
            cli.main(list(arguments))
        assert left.value.code == cli.INTERRUPTED, arguments

    def check(command):
        read(*shlex.split(command, comments=True)[1:])
        for one in wanted:
            build(one)
            protocol(one.protocol)
            find("datasets", one.dataset)
            devices_of(one.device)
        return wanted

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "run", run)
    monkeypatch.setattr(filling, "fill", fill)
    return check


@pytest.mark.parametrize("command", SLOW)
def test_every_value_of_a_command_that_trains_is_understood(command, checked):
    assert checked(command)


@pytest.mark.parametrize(
    "mistake",
    [
        "run --model ilra --dataset movielens",
        "run --model ilora --dataset movielen",
        "run --model ilora --dataset movielens --preset papr",
        "run --model ilora --dataset movielens --set encodr=x",
        "run --model ilora --dataset movielens --set epochs=many",
        "run --model ilora --dataset movielens --protocol papre",
        "run --model ilora --dataset movielens --device gpu",
        "run --model ilora --dataset movielens --draws 0",
        "leaderboard --run --models ilora,ilra --datasets movielens",
        "leaderboard --run --models ilora --datasets movielen",
        "leaderboard --run --models ilora --datasets movielens --protocol papre",
    ],
)
def test_a_mistake_in_such_a_value_would_be_seen(mistake, checked):
    with pytest.raises((UserError, AssertionError)):
        checked(f"recbench {mistake}")


def test_the_cache_of_whoever_runs_this_is_left_alone(cache):
    assert cache_folder() == cache


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in SLOW])
def test_the_quick_commands_run(command, command_line, tmp_path, monkeypatch):
    pytest.importorskip("recbole", reason="MovieLens-100K comes with the extra recbole")
    arguments = shlex.split(command, comments=True)[1:]
    (tmp_path / "results").symlink_to(ROOT / "results")  # as in a checkout; none of them writes
    monkeypatch.chdir(tmp_path)
    code, _, err = command_line(*arguments)
    assert code == 0, err


@pytest.mark.honesty
@pytest.mark.parametrize(
    ("command", "shown"),
    dict.fromkeys(
        block for page in printed.PAGES for block in printed.blocks(page.read_text("utf-8"))
    ),
)
def test_a_table_is_what_its_command_prints(command, shown, command_line, monkeypatch):
    """If not: python tools/printed.py."""
    monkeypatch.chdir(ROOT)
    code, out, err = command_line(*shlex.split(command)[1:])
    assert code == 0, err
    assert out.strip() == shown


def test_the_cost_of_the_pretrained_rows_is_that_of_their_records():
    """Minutes of trying or training and of asking, GiB: whichever process took the most."""
    said = re.search(
        r"took (\S+) minutes of asking, after (\S+) in .* tried, and (\S+) GiB for the first, "
        r"(\S+) minutes of training, (\S+) of asking and (\S+) GiB for LLaRA, "
        r"(\S+), (\S+) and (\S+) for iLoRA, and (\S+), (\S+) and (\S+) for TALLRec; "
        r"one core of another processor (\S+) minutes, (\S+) and (\S+) GiB for the listwise LLaRA",
        " ".join(README.split()),
    )
    asking, trying, *rest = said.groups()
    costs = {}
    for file in (ROOT / "results/movielens/paper").glob("*/*/record.json"):
        record = json.loads(file.read_text("utf-8"))
        if record["settings"].get("llm") == "smollm2":
            peaks = [one["peak_memory"]["host"] for one in (record, record["trained"])]
            minutes = [one / 60 for one in (record["trained"]["seconds"], record["times"]["score"])]
            shown = [f"{one:.0f}" for one in minutes]
            row = record["model"], record["settings"].get("objective")
            costs[row] = [*shown, f"{max(peaks) / 2**30:.1f}"]
    rows = [(model, None) for model in ("zero-shot", "llara", "ilora", "tallrec")]
    rows.append(("llara", "listwise"))
    assert [trying, asking, *rest] == [one for row in rows for one in costs[row]]


def test_the_speed_of_a_step_is_that_of_the_page():
    found = json.loads((ROOT / "results/performance/cpu-smollm2.json").read_text("utf-8"))
    times = {
        one["against"]: f"{one['other_seconds'] / one['seconds']:.1f}" for one in found["cases"]
    }
    said = re.search(
        r"on one core a step is (\S+) times as fast in float32, where 2 were asked, and (\S+) "
        "times in bfloat16 against the loop in float32",
        " ".join(README.split()),
    )
    assert said.groups() == (times["a plain loop on peft"], times["the plain loop, float32"])


def test_it_says_which_systems_have_rows() -> None:
    said = re.search(r"In the published tables (.*?) have rows;", README)
    assert said is not None
    names = {one.strip("`").lower() for one in re.split(r", | and ", said[1])}
    published = {path.name for path in (ROOT / "results").glob("movielens/*/*")}
    simple = {"random", "last-id", "popularity", "recent-popularity", "cooccurrence", "itemknn"}
    simple |= {"ease"}
    recboles = {name for name in published if name.startswith("recbole.")}
    together = {"the simple models", f"all {len(recboles)} of recbole's"}
    assert names == (published - simple - recboles) | together
    assert simple <= published


def test_tables_are_printed_by_commands():
    commands = [command for command, _ in printed.blocks(README)]
    assert "recbench leaderboard --results results --protocol paper --format markdown" in commands
