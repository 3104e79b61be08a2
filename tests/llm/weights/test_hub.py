"""What of the hub is on this machine is taken without asking it; no answer is waited for long."""

import hashlib
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from peft import LoraConfig
from transformers import AutoModelForCausalLM

from recbench.errors import RecbenchError, UserError
from recbench.llm.text_encoder.pooling import own_pooling
from recbench.llm.tuning.adapter import add_adapter
from recbench.llm.weights import fingerprint as module
from recbench.llm.weights import hub
from recbench.llm.weights.backbone import load_backbone
from recbench.llm.weights.fingerprint import fingerprint
from recbench.llm.weights.places import OnHub

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def _nothing_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    remembered = module.commit, hub._answers, hub._check_all
    for one in remembered:
        one.cache_clear()
    yield
    for one in remembered:
        one.cache_clear()


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no hub: whoever asks for it has failed."""
    monkeypatch.setattr(hub, "check_reachable", pytest.fail)
    monkeypatch.setattr(module, "check_reachable", pytest.fail)
    monkeypatch.setattr("huggingface_hub.file_download.get_hf_file_metadata", pytest.fail)
    monkeypatch.setattr("huggingface_hub.utils._http.get_session", pytest.fail)


@pytest.fixture
def downloaded(toy_folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that puts the toy model where the hub's client keeps what it fetched."""

    def place(without: str = "") -> Path:
        root = tmp_path / "hub/models--some--model"
        folder, blobs = root / "snapshots" / COMMIT, root / "blobs"
        for one in (folder, blobs, root / "refs"):
            one.mkdir(parents=True)
        (root / "refs/main").write_text(COMMIT)
        for file in toy_folder.iterdir():
            if file.name == without:
                continue
            content = file.read_bytes()
            if file.suffix == ".safetensors":
                name = hashlib.sha256(content).hexdigest()
            else:
                name = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            (blobs / name).write_bytes(content)
            (folder / file.name).symlink_to(Path("../../blobs") / name)
        return folder

    return place


def test_a_model_that_is_here_is_loaded_without_asking(
    downloaded: Callable[..., Path], nobody: None
) -> None:
    downloaded()
    assert fingerprint("some/model") == COMMIT
    lm, tokenizer = load_backbone("some/model", "cpu")
    assert lm.config.hidden_size == 32
    assert len(tokenizer) == 259


def test_an_adapter_beside_the_weights_is_not_applied_unsaid(
    downloaded: Callable[..., Path], toy_folder: Path, nobody: None
) -> None:
    folder = downloaded()
    adapted = add_adapter(
        AutoModelForCausalLM.from_pretrained(toy_folder), LoraConfig(target_modules=["q_proj"])
    )
    adapted.save_pretrained(str(folder))
    with pytest.raises(UserError, match="holds an adapter beside its weights, which would be"):
        load_backbone("some/model", "cpu")


@pytest.mark.honesty
@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_file_that_a_disk_has_changed_is_refused_and_the_remedy_helps(
    name: str, downloaded: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = downloaded()
    blob = (folder / name).resolve()
    kept = blob.read_bytes()
    middle = len(kept) // 2
    blob.write_bytes(kept[:middle] + bytes([kept[middle] ^ 1]) + kept[middle + 1 :])
    with pytest.raises(RecbenchError, match=f"remove {blob}, and the same command") as refused:
        load_backbone("some/model", "cpu")
    assert str(folder / name) in str(refused.value)
    blob.unlink()  # then it is asked for again
    asked: list[Any] = []
    monkeypatch.setattr(hub, "_answers", lambda: asked.append(1))
    with pytest.raises(RecbenchError, match="hub cannot be reached"):
        load_backbone("some/model", "cpu")
    assert asked
    blob.write_bytes(kept)
    module.commit.cache_clear()
    load_backbone("some/model", "cpu")


@pytest.mark.parametrize("change", [(b"{", b"z"), (b"weight_map", b"weight_maq"), (b"", b"")])
def test_a_list_of_parts_that_a_disk_has_changed_is_refused(
    change: tuple[bytes, bytes], downloaded: Callable[..., Path]
) -> None:
    folder = downloaded()
    content = json.dumps({"weight_map": {"x": "model.safetensors"}}).encode()
    named = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    blob = folder.parents[1] / "blobs" / named
    (folder / "model.safetensors.index.json").symlink_to(blob)
    blob.write_bytes(content.replace(*change) if change[0] else content[:9])
    with pytest.raises(RecbenchError, match=f"remove {blob}, and the same command"):
        load_backbone("some/model", "cpu")


@pytest.mark.parametrize("without", ["model.safetensors", "config.json"])
def test_what_is_not_all_here_is_asked_for(
    without: str, downloaded: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    downloaded(without)
    assert hub.cached_model(OnHub("some/model", COMMIT)) is None
    monkeypatch.setattr(hub, "_answers", lambda: False)
    with pytest.raises(RecbenchError, match="the hub cannot be reached for 'some/model'"):
        load_backbone("some/model", "cpu")


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def looks_up(*_: Any, **__: Any) -> None:
    raise OSError("Name or service not known")


@pytest.mark.parametrize("ask", [fingerprint, own_pooling], ids=["a model", "a text encoder"])
@pytest.mark.parametrize("fault", ["hangs", "is not there", "has no address"])
def test_a_hub_that_does_not_answer_is_one_line_and_its_client_never_tries_for_minutes(
    fault: str,
    ask: Callable[[str], Any],
    silent_server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub, "SECONDS", 0.3)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    address = {"hangs": silent_server, "is not there": "http://127.0.0.1:9"}
    monkeypatch.setattr(constants, "ENDPOINT", address.get(fault, "http://hub.invalid"))
    if fault == "has no address":
        monkeypatch.setattr(socket, "getaddrinfo", looks_up)
    monkeypatch.setattr("huggingface_hub.file_download.hf_hub_download", pytest.fail)
    monkeypatch.setattr(module, "cached_file", pytest.fail)
    with pytest.raises(RecbenchError, match="the hub cannot be reached for 'some/model': check"):
        ask("some/model")


def test_a_machine_that_is_said_to_be_offline_is_not_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "_answers", pytest.fail)
    with pytest.raises(RecbenchError, match="the hub cannot be reached for 'some/model': check"):
        fingerprint("some/model")
