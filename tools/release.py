"""
Build what a release consists of, wheel and sdist, and check it.

    pip install -c constraints.txt -e ".[release]"
    python tools/release.py --out dist
    python tools/release.py --out dist --install     # and try the wheel in a fresh environment

Both are built twice, in different places, from an export of the last commit, so that nothing else
that lies about gets in; the two must be the same bytes. Whoever has the commit and the pinned build
tools (``constraints.txt``) gets these bytes too: all times in them are the commit's, or what
SOURCE_DATE_EPOCH says. ``--install`` also writes the bill of materials of what the wheel brings
with it where everything is pinned (``recbench.cdx.json``, CycloneDX).
"""

import argparse
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BILL = "recbench.cdx.json"
BESIDES = {"pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "PKG-INFO", "setup.cfg"}
"""What an sdist has besides packages."""


def carried_out(*command: str | Path, where: Path = ROOT, **environment: str) -> bytes:
    """Run a command with the umask of most machines; return what it printed, or end with that."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=where,
        env={**os.environ, **environment},
        umask=0o022,
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        sys.exit(f"error: {' '.join(map(str, command[:4]))} failed")
    return done.stdout


def exported(folder: Path) -> Path:
    """Unpack the last commit into a folder; its files have the same mode wherever that is done."""
    content = carried_out("git", "-c", "tar.umask=0022", "archive", "--format=tar", "HEAD")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def built(folder: Path, epoch: int, zone: str) -> dict[str, bytes]:
    """Build sdist and wheel from an export in that folder; return their contents by name."""
    source, out = exported(folder / "source"), folder / "dist"
    pins = str(source / "constraints.txt")
    carried_out(
        *(sys.executable, "-m", "build", "--quiet", "--outdir", out, source),
        SOURCE_DATE_EPOCH=str(epoch),
        TZ=zone,
        PIP_CONSTRAINT=pins,
        PIP_BUILD_CONSTRAINT=pins,
    )
    return {
        path.name: normalised(path.read_bytes(), epoch)
        if path.name.endswith(".tar.gz")
        else path.read_bytes()
        for path in sorted(out.iterdir())
    }


def normalised(sdist: bytes, epoch: int) -> bytes:
    """Return an sdist whose members stand in order, of one time and nobody's: setuptools does not.

    Contents, names and whether a file may be run stay as they are.
    """
    stream = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(sdist)) as read,
        gzip.GzipFile("", "wb", 9, stream, epoch) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as written,
    ):
        for member in sorted(read.getmembers(), key=lambda one: one.name):
            kept = tarfile.TarInfo(member.name)
            kept.type, kept.size, kept.mtime = member.type, member.size, epoch
            kept.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            written.addfile(kept, read.extractfile(member) if member.isfile() else None)
    return stream.getvalue()


def sources(root: Path) -> dict[str, str]:
    """Return the files of all packages that pyproject.toml names: in the wheel, in the sdist."""
    page = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    said = page["tool"]["setuptools"]
    found = {}
    for package in said["packages"]:
        top, *rest = package.split(".")
        folder = root.joinpath(said["package-dir"][top], *rest)
        for pattern in ("*.py", *said["package-data"].get(package, ())):
            for path in folder.glob(pattern):
                inside = Path(*package.split("."), path.relative_to(folder))
                found[inside.as_posix()] = path.relative_to(root).as_posix()
    return found


def check_contents(files: dict[str, bytes], root: Path) -> None:
    """Refuse a wheel or an sdist that lacks a file of a package, or holds anything else."""
    known = sources(root)
    for name, content in files.items():
        if name.endswith(".whl"):
            with zipfile.ZipFile(io.BytesIO(content)) as wheel:
                there = {one for one in wheel.namelist() if ".dist-info/" not in one}
            check_same(name, there, set(known))
        else:
            with tarfile.open(fileobj=io.BytesIO(content)) as sdist:
                inside = (one.name.partition("/")[2] for one in sdist if one.isfile())
                there = {one for one in inside if ".egg-info/" not in one}
            check_same(name, there, {*known.values(), *BESIDES})


def check_same(name: str, there: set[str], wanted: set[str]) -> None:
    """End with what is lacking, or should not be there."""
    for said, odd in (("lacks", wanted - there), ("should not hold", there - wanted)):
        if odd:
            sys.exit(f"error: {name} {said} {', '.join(sorted(odd)[:5])}")


def installed(wheel: Path, out: Path) -> None:
    """Install the wheel with everything pinned into a fresh environment, try it, and list that."""
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "user"
        carried_out(sys.executable, "-m", "venv", environment)
        pins = ROOT / "constraints.txt"
        carried_out(environment / "bin/pip", "install", "--quiet", "-c", pins, wheel)
        for asked in (["--help"], ["models"], ["data", "list"]):
            carried_out(environment / "bin/recbench", *asked, where=Path(folder))
        carried_out(
            *(sys.executable, "-m", "cyclonedx_py", "environment", environment / "bin/python"),
            *("--pyproject", ROOT / "pyproject.toml", "--output-reproducible"),
            *("--output-format", "JSON", "--output-file", out / BILL),
        )


def main() -> None:
    """Build, check, write, and print the SHA-256 of every file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--install", action="store_true")
    arguments = parser.parse_args()
    if carried_out("git", "status", "--porcelain"):
        print("what is not committed is left out", file=sys.stderr)
    said = os.environ.get("SOURCE_DATE_EPOCH") or carried_out("git", "log", "-1", "--format=%ct")
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        files = built(Path(one), int(said), "UTC")
        again = built(Path(other), int(said), "Pacific/Auckland")
        if different := [name for name in files | again if files.get(name) != again.get(name)]:
            sys.exit(f"error: built twice, {', '.join(different)} came out as other bytes")
        check_contents(files, Path(one) / "source")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (arguments.out / name).write_bytes(content)
    paths = [arguments.out / name for name in files]
    print(carried_out(sys.executable, "-m", "twine", "check", "--strict", *paths).decode().strip())
    if arguments.install:
        installed(next(path for path in paths if path.suffix == ".whl"), arguments.out)
    for path in sorted(arguments.out.iterdir()):
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}")


if __name__ == "__main__":
    main()
