"""
Feed everything that reads from outside with what a coverage-guided fuzzer finds (atheris).

    pip install -e ".[fuzz]"
    python tools/fuzz.py --list
    python tools/fuzz.py                                   # every reader, one after another
    python tools/fuzz.py "card: dataset" --runs 100000 --corpus ~/fuzz

A fault is whatever is neither read nor refused in one line: any other exception or warning, more
than `SECONDS` for one input, more than `MEGABYTES` in all. The input that shows it is kept in the
corpus, as ``faults/...``, and ``--again FILE`` tries it again. What was found to reach new code
stays in the corpus too, and the next call goes on from there.
"""

import argparse
import ctypes
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

SECONDS, MEGABYTES, LONGEST = 20, 4096, 1 << 16
"""Of one input; of the process; bytes of an input."""


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().split("\n")[0])
    parser.add_argument("readers", nargs="*", help="all, if none is named")
    parser.add_argument("--list", action="store_true", help="print their names")
    parser.add_argument("--runs", type=int, default=2_000, help="inputs of each reader")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--corpus", type=Path, default=Path(tempfile.gettempdir()) / "recbench-fuzz"
    )
    parser.add_argument("--again", type=Path, help="one input, tried without the fuzzer")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def place_of(corpus: Path, name: str) -> Path:
    """Return the folder of a reader's inputs."""
    return corpus / re.sub("[^a-z0-9.]+", "-", name.lower())


def fuzz(name: str, arguments: argparse.Namespace) -> None:
    """Fuzz one reader in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["recbench", "recbench_baselines"]):
        import fuzz_readers

        reader = fuzz_readers.readers()[name]
        folder = Path(tempfile.mkdtemp(prefix="recbench-fuzz-"))
        own = place_of(arguments.corpus, name)
        (own / "faults").mkdir(parents=True, exist_ok=True)
        (inputs := own / "inputs").mkdir(exist_ok=True)
        for number, content in enumerate(reader.seeds()):
            (inputs / f"seed-{number}").write_bytes(content)
            fuzz_readers.tried(reader, content, folder)  # what is imported late is seen too
    warnings.simplefilter("error")
    # The fuzzer ends the process while it holds the interpreter's lock. Arrow waits at the end for
    # its threads, of which one may wait for that lock: so whoever is first at the end leaves.
    leave = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: os._exit(0))
    ctypes.CDLL(None).__cxa_atexit(leave, None, None)
    atheris.Setup(
        [
            *(sys.argv[0], f"-runs={arguments.runs}", f"-seed={arguments.seed}"),
            *(f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}", f"-max_len={LONGEST}"),
            *(f"-artifact_prefix={own / 'faults'}/", "-verbosity=0", "-print_final_stats=1"),
            str(inputs),
        ],
        lambda content: fuzz_readers.tried(reader, content, folder) and None,
    )
    atheris.Fuzz()


def fuzzed(name: str, arguments: argparse.Namespace) -> tuple[int, str]:
    """Fuzz one reader in a process of its own; return the inputs tried, and what went wrong."""
    command = [sys.executable, __file__, name, "--here", "--runs", str(arguments.runs)]
    command += ["--seed", str(arguments.seed), "--corpus", str(arguments.corpus)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    count = re.search(r"number_of_executed_units:\s+(\d+)", done.stderr)
    if done.returncode == 0:
        return int(count[1]) if count else 0, ""
    said = re.search(r"(?m)^\s*(\w*(Error|Warning|Exception)\b.*|.*SUMMARY: .*)$", done.stderr)
    return int(count[1]) if count else 0, said[0].strip()[:200] if said else done.stderr[-200:]


def main() -> None:
    """Print a line for each reader; leave with 1 where something went wrong."""
    arguments = parsed()
    if arguments.here:
        fuzz(arguments.readers[0], arguments)
    import fuzz_readers

    known = fuzz_readers.readers()
    if arguments.list:
        print("\n".join(known))
        return
    if arguments.again:
        warnings.simplefilter("error")
        reader, content = known[arguments.readers[0]], arguments.again.read_bytes()
        with tempfile.TemporaryDirectory() as folder:
            print(fuzz_readers.tried(reader, content, Path(folder)))
        return
    faults, total = 0, 0
    for name in arguments.readers or known:
        count, fault = fuzzed(name, arguments)
        total, faults = total + count, faults + bool(fault)
        print(f"{count:>8}  {name}{f': {fault}' if fault else ''}", flush=True)
    print(f"{total} inputs, {faults} faults")
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
