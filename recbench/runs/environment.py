"""On what a run was computed: versions, hardware, peak memory. Imports nothing heavy."""

import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from recbench.hardware.devices import is_deterministic
from recbench.hardware.threads import asked_threads
from recbench.runs.record_parts import Device, Memory

PACKAGES = (
    "recbench", "numpy", "pandas", "pyarrow", "scipy", "torch", "transformers", "peft",
    "accelerate", "safetensors", "tokenizers",
)  # fmt: skip

CPUINFO = Path("/proc/cpuinfo")

BFLOAT16 = ("avx512_bf16", "amx_bf16")
"""Instructions that multiply bfloat16: by them `precision=auto` is bfloat16 or float32."""


def versions() -> dict[str, str]:
    """Return the version of Python and of each package that is installed, without importing any."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def device(name: str) -> Device:
    """
    Describe where a run was computed.

    Parameters
    ----------
    name
        ``"cpu"``, ``"cuda"`` or ``"cuda:N"``, already checked.
    """
    cuda = _cuda() if name.startswith("cuda") else None
    return Device(
        name=name,
        hardware=_processor() if cuda is None else cuda.get_device_name(name),
        system=f"{platform.system()} {platform.machine()}",
        threads=_threads(),
        deterministic=is_deterministic(),
    )


def peak_memory(device: str) -> Memory:
    """Return the peak memory of this process so far, on the host and, for a GPU, on the device."""
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    cuda = _cuda() if device.startswith("cuda") else None
    return Memory(
        host=largest * unit,
        device=None if cuda is None else int(cuda.max_memory_allocated(device)),
    )


def _cuda() -> Any:
    """Return torch.cuda where a model has loaded torch, else None: the core does not import it."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None


def _threads() -> int:
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    return asked_threads() or os.cpu_count() or 1


def _processor() -> str:
    """Return the processor's name as Linux gives it, else what the platform calls it."""
    try:
        first = CPUINFO.read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        first = ""
    lines = (line.partition(":") for line in first.splitlines())
    known = {name.strip(): value.strip() for name, _, value in lines}
    if "model name" not in known:
        return platform.processor() or platform.machine()
    told = ", ".join(_told_apart(known))
    return f"{known['model name']} ({told})" if told else known["model name"]


def _told_apart(known: dict[str, str]) -> Iterator[str]:
    """Say what tells a processor from others of its name: virtual machines call many "AMD EPYC"."""
    for name, key in (("family", "cpu family"), ("model", "model")):
        if key in known:
            yield f"{name} {known[key]}"
    if flags := known.get("flags", "").split():
        yield from [one for one in BFLOAT16 if one in flags] or ["no bfloat16"]
