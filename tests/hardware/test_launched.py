"""Several processes against one: gloo on a CPU, as a launcher would start them."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import SystemRandom
from typing import Any

import numpy as np
import pytest
import torch

from recbench import experiment
from recbench.errors import UserError
from recbench.hardware import launched
from recbench.hardware.devices import resolve
from recbench.processes import ALONE, DesertedError, Processes, UnreachableError, launched_as
from recbench.registry import load

SCRIPT = Path(__file__).with_name("side_by_side.py")

SHORT = ("sasrec", "sasrec-estimated", "esasrec", "bert4rec")


def free_port() -> str:
    """Return a free port that nobody is given who asks for any: those begin at 32768."""
    while True:
        port = SystemRandom().randrange(15_000, 30_000)
        with suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port))
            return str(port)


def start(count: int, *arguments: object, **more: str) -> list[subprocess.Popen[str]]:
    """Start processes that know of each other, with a thread each."""
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    shared = {"WORLD_SIZE": str(count), **place, **more}
    return [
        subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            env=os.environ | shared | {"RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]


def ended(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Return what each said on standard error; all must have ended well."""
    try:
        said = [process.communicate(timeout=1800)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()  # one may wait for another that has failed
    assert [process.returncode for process in processes] == [0] * len(processes), said
    return said


def compare(folder: Path, *names: str, **more: str) -> None:
    """Train and ask in one process and in two, and then compare."""
    ended(start(1, SCRIPT, folder / "1", "-", *names))
    ended(start(2, SCRIPT, folder / "2", folder / "1", *names, **more))
    for name in names:
        one, two = folder / "1" / name, folder / "2" / name
        fits = [json.loads((place / "fit.json").read_text()) for place in (one, two)]
        assert [fit["processes"] for fit in fits] == [1, 2]
        assert fits[0]["steps"] == fits[1]["steps"]
        np.testing.assert_allclose(fits[0]["losses"], fits[1]["losses"], 1e-4, 1e-4)
        # Not weight by weight: attention does not depend on the bias of its keys, so what moves
        # that is rounding, which Adam makes as large as any step.
        scores = [np.load(place / "scores.npy") for place in (one, two)]
        np.testing.assert_allclose(*scores, 1e-4, 1e-4)
        np.testing.assert_array_equal(np.load(one / "ranks.npy"), np.load(two / "ranks.npy"))


def test_two_processes_learn_and_rank_as_one(tmp_path: Path) -> None:
    compare(tmp_path, *SHORT)


SHARDING = {"ACCELERATE_USE_FSDP": "true", "FSDP_CPU_RAM_EFFICIENT_LOADING": "true"}
"""What `accelerate launch --use_fsdp` says."""


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, SHARDING], ids=["whole", "sharded"])
def test_two_processes_tune_a_language_model_as_one(tmp_path: Path, more: dict[str, str]) -> None:
    compare(tmp_path, "ilora", "ilora-resnet", **more)


def test_a_process_gets_the_layers_that_it_needs_whatever_the_other_does() -> None:
    said = ended(start(2, SCRIPT.with_name("rounds.py"), **SHARDING))
    assert not any("has not parted" in one for one in said)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "more"), [("sasrec", {}), ("ilora", SHARDING)])
def test_when_one_dies_the_other_says_so_and_both_go_on_where_they_were(
    tmp_path: Path, model: str, more: dict[str, str]
) -> None:
    ended(start(2, SCRIPT, tmp_path / "whole", "-", model, **more))
    main, other = start(2, SCRIPT, tmp_path / "killed", "-", model, DIES_AT="30", **more)
    said = main.communicate(timeout=600)[1]
    other.communicate(timeout=600)
    assert other.returncode == -signal.SIGKILL
    assert main.returncode == 1
    assert "DesertedError: another process of this run has ended before its time" in said
    ended(start(2, SCRIPT, tmp_path / "killed", "-", model, **more))
    for file in ("learnt.safetensors", "ranks.npy"):
        whole, killed = (tmp_path / name / model / file for name in ("whole", "killed"))
        assert whole.read_bytes() == killed.read_bytes()


class Several(Processes):
    """Four of which this is the third, for what they need not tell each other."""

    rank, count = 2, 4


def test_without_a_launcher_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert launched_as() == (0, 1)
    assert launched.launched() is ALONE
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", "2")
    assert launched_as() == (2, 3)
    monkeypatch.setenv("RANK", "")  # as some clusters leave it
    assert launched_as() == (0, 1)


@pytest.mark.parametrize("name", ["DEEPSPEED", "MEGATRON_LM"])
def test_other_ways_of_dividing_a_model_are_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert launched.launched() is ALONE
    monkeypatch.setenv(f"ACCELERATE_USE_{name}", "true")
    with pytest.raises(UserError, match=r"whole model .* --multi_gpu, or with --use_fsdp"):
        launched.launched()  # where one process is all, too


def test_that_weights_are_sharded_is_told_to_us_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    launched._is_told_to_shard.cache_clear()
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert launched.launched() is ALONE
    assert "ACCELERATE_USE_FSDP" not in os.environ
    assert launched._is_told_to_shard()
    launched._is_told_to_shard.cache_clear()
    assert not launched._is_told_to_shard()


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr("torch.cuda.get_arch_list", lambda: ["sm_90"])
    monkeypatch.setattr("torch.cuda.set_device", lambda _: None)
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert resolve("cuda") == resolve("auto") == "cuda:0"
    assert resolve("cuda", Several()) == resolve("auto", Several()) == "cuda:2"
    assert resolve("cpu", Several()) == "cpu"
    with pytest.raises(UserError, match="cannot share 'cuda:1'; give --device cuda"):
        resolve("cuda:1", Several())
    monkeypatch.setenv("LOCAL_RANK", "3")
    with pytest.raises(UserError, match="no device 'cuda:3' for each of 4 processes"):
        resolve("auto", Several())


def test_what_only_writes_is_asked_by_one_process() -> None:
    endpoint = {"endpoint": "http://127.0.0.1:1/v1", "chat_model": "toy"}
    chatrec, popularity, ilora = (
        load("models", name)(load("models", name).settings_class.build(settings))
        for name, settings in (("chatrec", endpoint), ("popularity", {}), ("ilora", {}))
    )
    for divided in (popularity, ilora):
        experiment._check_can_be_divided(divided, "it", Several())
    experiment._check_can_be_divided(chatrec, "chatrec", ALONE)
    with pytest.raises(UserError, match="chatrec only writes, and is asked by one process"):
        experiment._check_can_be_divided(chatrec, "chatrec", Several())


CLOSED = "[gloo/transport/tcp/pair.cc:538] Connection closed by peer [127.0.0.1]:3456"
REMOTE = "NCCL error in: x.cpp:20\nLast error:\nsocketProgress: Connection closed by remote peer h"
TWICE = "NCCL error in: x.cpp:3384, invalid usage\nncclInvalidUsage\nLast error:\nDuplicate GPU"


@pytest.mark.parametrize(
    ("told", "kind", "said"),
    [
        (RuntimeError(CLOSED), DesertedError, "another process of this run has ended"),
        (RuntimeError(REMOTE), DesertedError, "another process of this run has ended"),
        (RuntimeError(TWICE), UnreachableError, "invalid usage Duplicate GPU; when that is mended"),
        (RuntimeError("No backend for cuda"), UnreachableError, "No backend for cuda"),
        (torch.OutOfMemoryError("CUDA out of memory"), torch.OutOfMemoryError, "CUDA out of"),
    ],
    ids=["gloo", "NCCL", "twice", "other", "memory"],
)
def test_what_fails_between_processes_keeps_its_reason(
    told: Exception, kind: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise told

    monkeypatch.setattr("torch.distributed.all_reduce", fails)
    with pytest.raises(kind, match=said) as caught:
        launched.Launched(0, 2).add_up([torch.zeros(2)])
    assert type(caught.value) is kind
