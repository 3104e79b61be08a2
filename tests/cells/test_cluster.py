"""Cells on a Dask cluster: who is handed what, and that a killed worker costs nothing."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from recbench.cells import cluster, process
from recbench.cells import worker as working
from recbench.cells.board import Board
from recbench.cells.cell import Cell
from recbench.cells.cluster import Cluster
from recbench.cells.fill import fill
from recbench.cells.process import Ended
from recbench.cells.reached import Reached
from recbench.cells.worker import Refused, fault, on_worker
from recbench.errors import NotInstalledError, RecbenchError, UserError
from recbench.experiment import run
from recbench.registry import listed, load
from recbench.request import Experiment
from recbench.runs.kept_trainings import kept_model, whole_training
from recbench.runs.leftovers import leftovers
from recbench.runs.remade_question import Questions
from recbench.runs.store import runs
from recbench.sent_files import write_files
from recbench.submission.importing import take_files

distributed = pytest.importorskip("distributed", reason="Dask comes with the extra dask")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Dask's own


CODE = "recbench 1, figure version 2, commit 3"


@pytest.fixture(autouse=True)
def _code(request, monkeypatch):
    """Ask no process for it, but where workers are processes themselves that run cells."""
    if {"call", "one_thread"}.isdisjoint(request.fixturenames):
        for module in (cluster, working):
            monkeypatch.setattr(module, "own_code", lambda: CODE)


class Handed:
    """A future of Dask's that is done."""

    def __init__(self, ended):
        self.ended, self.released = ended, False

    def add_done_callback(self, callback):
        callback(self)

    def result(self):
        if isinstance(self.ended, Exception):
            raise self.ended
        return self.ended

    def release(self):
        self.released = True


class Asleep:
    """A future of Dask's that is not done yet."""

    def add_done_callback(self, callback):
        pass


class Client:
    """A client whose workers have these resources; all cells end well at once."""

    def __init__(self, *workers, later=()):
        self.workers, self.tasks, self.ran = workers, [], []
        self.later, self.glances, self.naps = later, 0, []
        self.handed, self.ends = [], Ended(0)
        self.kept = {}

    def run(self, function, *arguments, on_error="raise"):
        self.ran.append(function)
        return {i: function(*arguments) for i in range(len(self.workers))}

    def scheduler_info(self, n_workers):
        self.glances += 1
        if self.glances > 3:
            self.workers = (*self.workers, *self.later)
            self.later = ()
        known = enumerate(self.workers)
        there = {f"tcp://{i}:1": {"resources": own, "nthreads": 2} for i, own in known}
        return {"workers": there}

    def subscribe_topic(self, topic, handler):
        self.hear = handler

    def submit(self, function, task, pure, resources=None, workers=None):
        assert not pure
        if function is time.sleep:
            self.naps += workers
            return Asleep()
        assert function is on_worker
        self.tasks.append((json.loads(task), resources))
        ends = self.ends.pop(0) if isinstance(self.ends, list) else self.ends
        self.handed.append(Handed(ends))
        return self.handed[-1]

    def cancel(self, handed):
        pass

    def close(self):
        pass

    def get_metadata(self, keys, default):
        return self.kept.get(tuple(keys), default)

    def set_metadata(self, key, value):
        self.kept[tuple(key)] = value


CELLS = [
    Cell("popularity, seed 0", ("--seed", "0")),
    Cell("ilora, seed 0", ("--model", "ilora"), True),
]


@pytest.fixture
def handed_over(monkeypatch, tmp_path):
    """Hand CELLS to workers of such resources; return the client, lines and what failed."""

    def hand_over(*workers, device="auto", ends=Ended(0), take=None, reached=None, later=()):  # noqa: B008 (it is frozen)
        client, lines = Client(*workers, later=later), []
        client.ends = ends
        for cell in CELLS if reached else ():
            folder = tmp_path / "afar"
            write_files(reached, folder)
            Reached(client, cell.arguments).send(folder)
        monkeypatch.setattr(cluster, "_connected", lambda address: client)
        board = Board(len(CELLS), lines.append)
        shared = {} if take else {"results": tmp_path / "results"}
        own = shared, device, board, lines.append, take
        failed = fill(CELLS, Cluster("tcp://here:1", *own), board)
        assert not list((tmp_path / "results").glob("*"))  # no mark is left
        return client, lines, failed

    return hand_over


@pytest.mark.parametrize(
    ("workers", "device", "needs"),
    [
        ([{"GPU": 1.0}, {}], "auto", [None, {"GPU": 1}]),
        ([{}, {}], "auto", [None, None]),
        ([{"GPU": 1.0}], "cpu", [None, None]),
        ([{}], "cuda", [None, {"GPU": 1}]),
        ([], "cuda", [None, {"GPU": 1}]),
        ([], "cpu", [None, None]),
    ],
    ids=str,
)
def test_a_cell_is_handed_to_a_worker_that_has_what_it_needs(handed_over, workers, device, needs):
    client, lines, failed = handed_over(*workers, device=device)
    assert failed == {}
    assert [resources for _, resources in client.tasks] == needs
    given = [task["device"] for task, _ in client.tasks]
    assert given == ["cuda" if one else "cpu" for one in needs]
    assert all(one.released for one in client.handed)
    waits = 'no worker has the resource "GPU=1" yet; cells wait for one'
    assert (waits in lines) == (device == "cuda")
    none = "no worker at tcp://here:1 yet; cells begin when one comes"
    assert (none in lines) == (not workers and device == "cpu")
    has, kind = ("some worker has", "cuda") if needs[1] else ("no worker has", "cpu")
    chosen = f'{has} the resource "GPU=1": cells that use a GPU run with --device {kind}'
    assert (chosen in lines) == (device == "auto")


@pytest.mark.parametrize(("worker", "device"), [({"GPU": 1.0}, "cuda"), ({}, "cpu")])
def test_the_first_worker_is_waited_for_before_a_device_is_chosen(
    handed_over, monkeypatch, worker, device
):
    """SLURM starts jobs when it likes: cells that use a GPU are not for the CPU till then."""
    monkeypatch.setattr(cluster, "GLANCE", 0.0)
    client, lines, _ = handed_over(later=[worker])
    assert [task["device"] for task, _ in client.tasks] == ["cpu", device]
    assert client.ran == [fault]
    assert lines[0].startswith("no worker at tcp://here:1 yet; the first tells whether cells")
    assert lines[1].endswith(f"run with --device {device}")


def test_a_lost_scheduler_and_lost_workers_are_said(handed_over):
    _, _, failed = handed_over({}, ends=CancelledError())
    gone = "the scheduler at tcp://here:1 is gone; start one, and the same command goes on"
    assert [how.said for how in failed.values()] == [gone] * 2
    killed = distributed.KilledWorker("on_worker", SimpleNamespace(address="a"), 3)
    _, _, failed = handed_over({}, ends=killed)
    lost = "each worker that had it died, as one without recbench does; see its log, and the same "
    lost += "command goes on"
    assert [how.said for how in failed.values()] == [lost] * 2


def test_what_is_handed_over_is_plain_data(handed_over, tmp_path):
    client, _, _ = handed_over({})
    task = dict(client.tasks[0][0])
    assert task.pop("filling").startswith("recbench-")
    (mark,) = map(Path, task.pop("marks").values())
    assert mark.parent == tmp_path / "results"
    assert task.pop("code") == CODE
    assert task == {"name": "popularity, seed 0", "arguments": ["--seed", "0"], "device": "cpu"}


def test_what_a_killed_command_leaves_is_cleaned_away_and_not_before(monkeypatch, tmp_path):
    """Whoever cleans up on another host than the command's does not see its process."""
    monkeypatch.setattr(cluster, "_connected", lambda address: Client({}))
    monkeypatch.setattr(os, "getpid", lambda: 4194304)  # no process has so high an id
    shared = {name: tmp_path / name for name in ("results", "cache")}
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # it is killed
        with Cluster("tcp://here:1", shared, "auto", Board(0, print), print):
            assert len(list(tmp_path.glob("*/.recbench-*"))) == 2
            assert leftovers(**shared, days=0) == []
    for left in leftovers(**shared, days=0):
        left.remove()
    assert not list(tmp_path.glob("*/.*"))


def test_workers_that_could_not_do_right_are_refused(handed_over, monkeypatch, tmp_path):
    monkeypatch.setattr(cluster, "fault", lambda *_: "the workers on a have no disk")
    with pytest.raises(UserError, match="the workers on a have no disk"):
        handed_over({})
    assert not list((tmp_path / "results").iterdir())


NONE = ModuleNotFoundError("No module\nnamed 'recbench'")
OTHER = TypeError("fault() takes 2 positional arguments")


def test_workers_without_recbench_are_a_line(handed_over, monkeypatch, tmp_path):
    monkeypatch.setattr(Client, "run", lambda *_, on_error: {"tcp://b:1": NONE})  # as Dask does
    said = r"worker at tcp://b:1 .*\(No module named 'recbench'\); install 'recbench\[dask\]' \d"
    with pytest.raises(RecbenchError, match=said):
        handed_over({})
    assert not list((tmp_path / "results").iterdir())


def test_a_cell_of_a_worker_that_is_refused_later_is_handed_to_others(handed_over):
    """One that joins late would eat the table: whoever fails at once is always free."""
    lacks = Refused("tcp://0:1", "the workers on b do not see /results: mount it")
    gone = Refused("tcp://9:1", "the workers on c have another recbench")
    ends = [lacks, lacks, lacks, gone, Ended(0), Ended(2, "error: no")]
    client, lines, failed = handed_over({}, ends=ends)
    assert [task["name"] for task, _ in client.tasks] == [CELLS[0].name] * 5 + [CELLS[1].name]
    assert client.naps == ["tcp://0:1"] * 2  # while all its threads are busy others are chosen
    assert lines.count(f"{lacks.why} (cells wait for other workers)") == 1
    assert {cell: how.code for cell, how in failed.items()} == {CELLS[1]: 2}


def test_a_cell_is_handed_to_others_with_the_code_that_is_here_by_then(handed_over, monkeypatch):
    """A checkout that all share may be another in the midst of a table: no worker had the first."""
    codes = [CODE, "recbench 2"]
    monkeypatch.setattr(cluster, "own_code", lambda: codes.pop(0))
    refused = Refused("tcp://0:1", "the workers on b have recbench 2 where this has recbench 1")
    client, _, failed = handed_over({}, ends=[refused, Ended(0), Ended(0)])
    assert [task["code"] for task, _ in client.tasks] == [CODE, "recbench 2", "recbench 2"]
    assert failed == {}


def test_a_cell_that_a_worker_of_another_recbench_had_is_handed_to_others(handed_over, monkeypatch):
    asked = [{"a": ""}, {"a": "", "tcp://0:1": OTHER}]
    monkeypatch.setattr(Client, "run", lambda *_, on_error: asked.pop(0))
    client, lines, failed = handed_over({}, ends=[KeyError("marks"), Ended(0), Ended(0)])
    assert failed == {}
    assert len(client.tasks) == 3
    assert client.naps == ["tcp://0:1"]
    assert sum("worker at tcp://0:1 cannot be asked" in line for line in lines) == 1


@pytest.mark.parametrize("then", [{"a": ""}, OSError("gone")], ids=str)
def test_what_dask_breaks_without_such_a_worker_is_a_failure_of_its_cell(
    handed_over, monkeypatch, then
):
    def run(self, *_, on_error):
        if self.tasks and isinstance(then, OSError):
            raise then
        return {"a": ""}

    monkeypatch.setattr(Client, "run", run)
    _, _, failed = handed_over({}, ends=[ValueError("odd\nend"), Ended(0)])
    assert list(failed.values()) == [Ended(1, "ValueError: odd end")]


def test_no_scheduler_is_a_line(monkeypatch, tmp_path):
    monkeypatch.setattr(cluster, "PATIENCE", 1.0)
    places = Cluster("tcp://127.0.0.1:9", {"results": tmp_path}, "auto", Board(0, print), print)
    with pytest.raises(RecbenchError, match="answers at tcp://"), places:
        pass
    for name in ("distributed.client", "distributed.core"):  # of a scheduler that goes later
        assert not logging.getLogger(name).isEnabledFor(logging.ERROR)


@pytest.mark.parametrize(
    "address", ["nonsense", "", "tcp://host", "tcp://host:one", "gopher://x:1"]
)
def test_what_is_no_address_is_refused_at_once(monkeypatch, tmp_path, address):
    monkeypatch.setattr(distributed, "Client", None)  # which would complain in a thread of its own
    places = Cluster(address, {"results": tmp_path / "results"}, "auto", Board(0, print), print)
    said = f"'{address}' is no address of a scheduler .*, such as tcp://HOST:8786"
    with pytest.raises(UserError, match=said), places:
        pass
    assert not (tmp_path / "results").exists()


def test_without_dask_there_is_a_remedy(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(NotInstalledError, match=r"pip install 'recbench\[dask\]'"):
        Cluster("tcp://here:1", {"results": tmp_path}, "auto", Board(0, print), print)


def test_models_say_whether_they_use_a_gpu():
    own = [name for name in listed("models") if not name.startswith("recbole:")]
    without = {name for name in own if not load("models", name).uses_gpu}
    assert without == {
        *{"random", "last-id", "popularity", "recent-popularity", "cooccurrence", "itemknn"},
        *{"ease", "chatrec"},
    }


class Killing(Board):
    """A board that calls `kill` when the trainings of some cells begin, or their audit, once."""

    def __init__(self, cells, at, kill, begins="training"):
        self.lines, self.heard = [], []
        super().__init__(cells, self.lines.append)
        self._at, self._kill, self._begins = set(at), kill, begins

    def said(self, name, line):
        super().said(name, line)
        self.heard.append(line)
        if name in self._at and line.startswith(self._begins):
            self._at.remove(name)
            threading.Thread(target=self._kill).start()


def killed_and_serial(cells, kill_at, shared, tmp_path):
    """Fill cells on two workers, one of which is killed at each of `kill_at`; and serially here."""
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(**settings) as local,
        distributed.Client(local.scheduler_address, set_as_default=False) as client,
    ):

        def at_work():  # inside, so that it is sent as it stands
            from recbench.cells.worker import _LEASHES

            return os.getpid(), sum(map(len, _LEASHES.values()))

        def kill():
            pid = next(pid for pid, busy in client.run(at_work).values() if busy)
            os.kill(pid, signal.SIGKILL)

        board = Killing(len(cells), kill_at, kill)
        places = Cluster(
            local.scheduler_address,
            {"results": tmp_path / "far"},
            "auto",
            board,
            board.lines.append,
        )
        assert fill(cells, places, board) == {}
    for cell in cells:
        model, seed = cell.arguments[1], int(cell.name.rpartition(" ")[2])
        one = {"model": model, "seed": seed, "device": "cpu", **shared}
        run(Experiment(**one, results=tmp_path / "near"), lambda line: None)
    begun = sum(line.endswith("begun") for line in board.lines)
    assert begun >= len(cells) + len(kill_at)  # whoever was killed has begun again
    return [evidence(tmp_path / one) for one in ("far", "near")]


def evidence(results):
    """Return what must be the same of each run, by model and seed, as texts (nan is no nan)."""
    found = {}
    for one in runs(results):
        record = one.record
        figures = record.model_dump_json(include={"metrics", "examples_sha256"})
        threads = record.provenance.device.threads, record.trained.provenance.device.threads
        found[record.model, record.seed] = figures, record.trained.weights, threads
    return found


@pytest.fixture
def one_thread(monkeypatch):
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv(process.VARIABLE, "1")
    yield
    torch.set_num_threads(before)


GPU = {"sasrec", "gru4rec"}
"""Models that use one."""


def far_and_near(models, seeds, kill_at, raw_folder, tmp_path):
    shared = {"data_dir": raw_folder, "cache": tmp_path / "cache", "draws": 1, "audit": False}
    wanted = [
        Experiment(model=model, seed=seed, results=tmp_path / "far", **shared)
        for model in models
        for seed in range(seeds)
    ]
    cells = [
        Cell(f"{one.model} on movielens, seed {one.seed}", tuple(one.arguments), one.model in GPU)
        for one in wanted
    ]
    return killed_and_serial(cells, kill_at, shared, tmp_path)


def test_the_cell_of_a_killed_worker_is_gone_on_with(one_thread, raw_folder, tmp_path):
    kill_at = ["sasrec on movielens, seed 0"]
    far, near = far_and_near(["sasrec"], 2, kill_at, raw_folder, tmp_path)
    assert len(far) == 2
    assert far == near


@contextmanager
def workers_apart(address, tmp_path, count=2):
    """Start workers that share no folder with each other or with this test."""
    often = "import recbench.cells.reached as one; one.EVERY = 0.05; "
    start = f"{often}from distributed.cli.dask_worker import main; main()"
    command = [sys.executable, "-c", start, address, "--no-dashboard"]
    started = []
    for number in range(count):
        folder = tmp_path / f"machine {number}"
        folder.mkdir()
        own = os.environ | {"RECBENCH_CACHE": str(folder / "cache")}
        own |= {"OMP_NUM_THREADS": "1"}
        options = {"cwd": folder, "env": own, "stderr": subprocess.DEVNULL}
        words = ["--nthreads", "1", "--no-nanny", "--name", f"machine {number}"]
        started.append(subprocess.Popen([*command, *words], **options))
    try:
        yield started
    finally:
        for one in started:
            one.kill()
            one.wait()


@pytest.fixture
def scheduler():
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0") as local:
        yield local.scheduler_address


BAD = {
    "sees no disk": "w.Path = lambda mark: pathlib.Path('/nowhere', mark[1:])",
    "has another recbench": "w.on_worker = lambda task: {}['an argument']; w.fault = lambda: ''",
    "has no recbench": "sys.modules['recbench.cells.worker'] = None",  # Dask ends it
}
"""What is done to a worker that could not do right."""


def test_workers_that_come_later_and_could_not_do_right_eat_no_cell(scheduler, tmp_path):
    """On Dask itself: the cells are all run by the one worker that can run them."""
    begin = "import pathlib, sys, recbench.cells.worker as w; from recbench.cells.process import "
    begin += "Ended; import time; w.run_cell = lambda *_: time.sleep(0.3) or Ended(0); "
    begin += f"w.own_code = lambda: {CODE!r}; "
    start = "; from distributed.cli.dask_worker import main; main()"
    words = [scheduler, "--no-dashboard", "--nthreads", "1", "--no-nanny"]
    started, lines = [], []

    def come(name, what="pass"):
        command = [sys.executable, "-c", begin + what + start, *words, "--name", name]
        started.append(subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL))

    class Joined(Board):
        def begun(self, name, where):
            if not self._running and len(started) == 1:
                for bad, what in BAD.items():
                    come(bad, what)
            super().begun(name, where)

    with distributed.Client(scheduler, set_as_default=False) as client:
        try:
            come("good")
            client.wait_for_workers(1)
            cells = [Cell(f"{number} on d", ("--seed", str(number))) for number in range(40)]
            board = Joined(len(cells), lines.append)
            places = Cluster(
                scheduler, {"results": tmp_path / "results"}, "cpu", board, lines.append
            )
            assert fill(cells, places, board) == {}
        finally:
            for one in started:
                one.kill()
                one.wait()
    begun = [line for line in lines if line.endswith("begun")]
    assert len(begun) == 40
    assert all(" good: " in line for line in begun)
    refused = [line for line in lines if "cells wait for other workers" in line]
    for why in "for its recbench (<lambda>() takes 0 positional", "do not see /nowhere/":
        (own,) = (line for line in refused if why in line)
        refused.remove(own)
    # On a busy machine the one without recbench is asked for it before Dask has ended it.
    assert len(refused) <= 1
    assert all("cannot be asked for its recbench" in line for line in refused)


@pytest.mark.slow
def test_workers_without_a_shared_folder_send_what_they_have_finished(
    scheduler, call, raw_folder, tmp_path
):
    """They are verified and taken in as any run from elsewhere, with their models."""
    given = ("--data-dir", str(raw_folder), "--draws", "1", "--cache", str(tmp_path / "cache"))
    far = ("--results", str(tmp_path / "far"))
    models = "popularity,recent-popularity"
    asked = ("leaderboard", "--run", "--models", models, "--datasets", "movielens")
    sent = (*asked, *given, *far, "--scheduler", scheduler, "--fetch")
    with workers_apart(scheduler, tmp_path) as started:
        with distributed.Client(scheduler, set_as_default=False) as client:
            client.wait_for_workers(len(started))
        code, _, err = call(*sent)
        assert code == 0, err
        code, _, err = call(*sent)
        assert (code, "begun" in err) == (0, False)  # nothing is asked of a worker again
    assert call(*asked, *given, "--results", str(tmp_path / "near"))[0] == 0
    found, serial = (evidence(tmp_path / one) for one in ("far", "near"))
    assert len(found) == 2
    assert found == serial
    assert len(list(tmp_path.glob("machine */recbench-cells/*/**/record.json"))) == 2
    for one in runs(tmp_path / "far"):
        assert whole_training(kept_model(tmp_path / "far", one.record).parent)


@pytest.mark.slow
def test_a_worker_without_a_shared_folder_goes_on_where_a_killed_one_was(
    scheduler, one_thread, raw_folder, tmp_path
):
    wanted = Experiment(model="sasrec", data_dir=raw_folder, draws=1, results=None, cache=None)
    cell = Cell("sasrec on movielens, seed 0", tuple(wanted.arguments))
    questions = Questions(tmp_path / "cache", raw_folder, print)
    take = partial(take_files, results=tmp_path / "far", questions=questions)
    with workers_apart(scheduler, tmp_path) as started:

        def kill():
            with distributed.Client(scheduler, set_as_default=False) as client:
                until = time.monotonic() + 60
                while "model" not in " ".join(Reached(client, cell.arguments).files):
                    assert time.monotonic() < until
            number = next(k for k in (0, 1) if any(tmp_path.glob(f"machine {k}/recbench-cells/*")))
            os.kill(started[number].pid, signal.SIGKILL)

        # Its training is over by then, and its record not written.
        board = Killing(1, [cell.name], kill, begins="audit")
        places = Cluster(scheduler, {}, "cpu", board, board.lines.append, take)
        assert fill([cell], places, board) == {}
    assert sum(line.endswith("begun") for line in board.lines) == 2
    assert sum(line.startswith("training") for line in board.heard) == 1  # by the first alone
    near = wanted.model_copy(
        update={"device": "cpu", "results": tmp_path / "near", "cache": tmp_path / "cache"}
    )
    run(near, lambda line: None)
    assert evidence(tmp_path / "far") == evidence(tmp_path / "near")


def test_a_worker_that_shares_no_folder_sends_what_a_cell_has_reached(monkeypatch, tmp_path):
    """A short form of those above."""
    worker, client = SimpleNamespace(name="w", log_event=lambda *_: None), Client({})
    monkeypatch.setattr(distributed, "get_worker", lambda: worker)
    monkeypatch.setattr(distributed, "get_client", lambda: client)
    monkeypatch.chdir(tmp_path)
    ends, seen = iter([Ended(-9), Ended(0)]), []
    content = iter([b"x", b"xx"])

    def run_cell(arguments, *_):
        *given, option, folder = arguments
        assert (given, option) == (["--seed", "0"], "--results")
        seen.append(Path(folder))
        (Path(folder) / "d").mkdir(parents=True, exist_ok=True)
        with (Path(folder) / "d" / "record.json").open("ab") as file:
            file.write(b"x")
        (Path(folder) / "d" / "lock").touch()
        assert next(content) == (Path(folder) / "d" / "record.json").read_bytes()
        return next(ends)

    monkeypatch.setattr(working, "run_cell", run_cell)
    task = {"name": "a", "arguments": ["--seed", "0"], "device": "cpu", "filling": "mine"}
    task |= {"marks": {}, "code": CODE}
    reached = Reached(client, ["--seed", "0"])
    assert on_worker(json.dumps(task)) == Ended(-9)
    assert reached.files == {"d/record.json": b"x"}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert on_worker(json.dumps(task)) == Ended(0)  # it goes on there
    assert reached.files == {"d/record.json": b"xx"}
    first, second = (one.relative_to(tmp_path).as_posix() for one in seen)
    assert first == f"recbench-cells/{reached.name}"
    assert second == f"elsewhere/{first}"


def test_what_a_worker_sends_is_not_trusted(tmp_path):
    questions = Questions(tmp_path / "cache", None, print)
    for path in ("../out", "/etc/out", "a/../../out"):
        with pytest.raises(UserError, match="expected a path that stays in its folder"):
            take_files({path: b"x"}, tmp_path / "here", questions)
    with pytest.raises(UserError, match="run that a worker sent is refused: it fails the check"):
        take_files({"a/b/c/d/record.json": b"{}"}, tmp_path / "here", questions)
    assert not list(tmp_path.rglob("out"))
    assert not list(tmp_path.glob("here/**/record.json"))


def test_a_run_that_is_refused_is_a_failure_of_its_cell(handed_over):
    def take(files):
        raise UserError(f"no {files}")

    sent = {"a": b"x"}
    client, _, failed = handed_over({}, take=take, reached=sent)
    assert set(failed.values()) == {Ended(2, "no {'a': b'x'}")}
    assert [task["marks"] for task, _ in client.tasks] == [{}] * 2
    _, _, failed = handed_over({}, ends=Ended(1, "why"), take=take, reached=sent)
    assert set(failed.values()) == {Ended(1, "why")}


def test_a_run_that_was_taken_is_kept_by_the_scheduler_no_more(handed_over):
    taken, sent = [], {"a": b"x"}
    client, _, failed = handed_over({}, take=taken.append, reached=sent)
    assert (taken, failed) == ([sent] * 2, {})
    assert not any(client.kept.values())
    client, _, _ = handed_over({}, ends=Ended(1), take=taken.append, reached=sent)
    assert all(client.kept.values())  # the same command goes on from there


@pytest.mark.slow
def test_twelve_cells_of_which_two_lost_their_worker_are_the_serial_ones(
    one_thread, raw_folder, tmp_path
):
    kill_at = ["sasrec on movielens, seed 1", "gru4rec on movielens, seed 2"]
    far, near = far_and_near(["sasrec", "gru4rec"], 6, kill_at, raw_folder, tmp_path)
    assert len(far) == 12
    assert far == near
