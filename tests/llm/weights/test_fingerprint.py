"""What a language model is, whatever it is called."""

from pathlib import Path

import pytest

from recbench.errors import RecbenchError, UserError
from recbench.llm.prompts.wording import prompt_files
from recbench.llm.weights import backbone
from recbench.llm.weights import fingerprint as module
from recbench.llm.weights.fingerprint import fingerprint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_every_file_counts(folder: Path, name: str) -> None:
    before = fingerprint(str(folder))
    assert fingerprint(str(folder)) == before
    (folder / name).write_text("other")
    assert fingerprint(str(folder)) != before


def test_what_lies_beside_the_model_does_not(folder: Path) -> None:
    before = fingerprint(str(folder))
    (folder / "README.md").write_text("about")
    (folder / ".cache").mkdir()
    assert fingerprint(str(folder)) == before
    (folder / "config.json").rename(folder / "generation_config.json")
    with pytest.raises(UserError, match=r"no config\.json"):
        fingerprint(str(folder))


def test_the_built_in_model_and_its_prompts() -> None:
    """Published records name them: they change with the weights and the templates alone."""
    assert fingerprint("tiny").startswith("d3873c36293080b7")
    assert len(prompt_files()) == 64


def test_a_model_of_the_hub_is_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/cache/models--owner--name/snapshots/0a1b2c/config.json"
    monkeypatch.setattr(module, "check_reachable", lambda: None)
    monkeypatch.setattr(module, "cached_file", lambda *_, **__: path)
    assert fingerprint("owner/name") == "0a1b2c"


def test_a_name_that_is_none_is_one_line() -> None:
    with pytest.raises(UserError, match=r"no folder './nothing'"):
        fingerprint("./nothing")


def test_the_commit_that_was_fingerprinted_is_the_one_that_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moving = iter(["/cache/snapshots/first/config.json", "/cache/snapshots/second/config.json"])
    monkeypatch.setattr(module, "check_reachable", lambda: None)
    monkeypatch.setattr(module, "cached_file", lambda *_, **__: next(moving))
    asked: list[object] = []

    def reads(**where: object) -> None:
        asked.append(where["revision"])
        raise OSError("enough seen")

    monkeypatch.setattr(backbone.AutoConfig, "from_pretrained", reads)
    known = fingerprint("owner/moving")
    with pytest.raises(RecbenchError):
        backbone.load_backbone("owner/moving", "cpu")
    assert asked == [known]
