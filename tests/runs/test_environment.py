import subprocess
import sys
from pathlib import Path

import pytest

from recbench.errors import UserError
from recbench.runs import environment
from recbench.runs.places import cache_folder, results_folder


def test_versions_are_read_without_importing_anything():
    code = (
        "import sys; from recbench.runs.environment import versions, device, peak_memory;"
        "v = versions(); device('cpu'); peak_memory('cpu');"
        "assert 'torch' in v and 'python' in v, v;"
        "assert not {'torch', 'transformers', 'peft', 'accelerate'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def test_a_package_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(environment, "PACKAGES", ("numpy", "no-such-package"))
    assert set(environment.versions()) == {"python", "numpy"}


def test_the_processor():
    here = environment.device("cpu")
    assert here.name == "cpu"
    assert here.hardware
    assert here.threads >= 1


NAMED = "model name\t: AMD EPYC\n"
OF_MILAN = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 1\n" + NAMED
OF_GENOA = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\n" + NAMED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (OF_MILAN + "flags\t\t: fpu avx2\n", "AMD EPYC (family 25, model 1, no bfloat16)"),
        (
            OF_GENOA + "flags\t\t: fpu avx512_bf16\n\nprocessor\t: 1\nflags\t\t: fpu\n",
            "AMD EPYC (family 25, model 17, avx512_bf16)",
        ),
        (
            NAMED + "flags\t\t: amx_bf16 avx512_bf16 amx_tile\n",
            "AMD EPYC (avx512_bf16, amx_bf16)",
        ),
        (NAMED, "AMD EPYC"),
    ],
)
def test_processors_of_one_name_are_told_apart(monkeypatch, tmp_path, text, expected):
    """A language model is trained in bfloat16 on the one and in float32 on the other."""
    file = tmp_path / "cpuinfo"
    file.write_text(text, encoding="utf-8")
    monkeypatch.setattr(environment, "CPUINFO", file)
    assert environment.device("cpu").hardware == expected


@pytest.mark.parametrize("text", [None, "processor\t: 0\nFeatures\t: fp asimd\n"])
def test_where_linux_gives_no_name_the_platform_does(monkeypatch, tmp_path, text):
    file = tmp_path / "cpuinfo"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    monkeypatch.setattr(environment, "CPUINFO", file)
    monkeypatch.setattr(environment.platform, "processor", lambda: "arm of some kind")
    assert environment.device("cpu").hardware == "arm of some kind"


def test_peak_memory_is_in_bytes():
    memory = environment.peak_memory("cpu")
    assert 2**20 < memory.host < 2**40
    assert memory.device is None


def test_places(monkeypatch, tmp_path):
    monkeypatch.setenv("RECBENCH_CACHE", str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
    assert cache_folder(tmp_path / "given") == tmp_path / "given"
    monkeypatch.delenv("RECBENCH_CACHE")
    assert cache_folder().name == "recbench"
    assert cache_folder(Path("~/x")) == Path.home() / "x"
    assert results_folder() == Path("results")


def test_a_file_where_a_folder_belongs_is_refused(monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UserError, match=r"file: a file stands .* by --results"):
        results_folder(file)
    with pytest.raises(UserError, match=r"file: a file stands .* by --cache"):
        cache_folder(file)
    monkeypatch.setenv("RECBENCH_CACHE", str(file))
    with pytest.raises(UserError, match=r"or RECBENCH_CACHE"):
        cache_folder()
