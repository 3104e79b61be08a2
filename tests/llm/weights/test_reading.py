"""What goes wrong while a language model is read becomes one line."""

import logging

import pytest
import torch
from huggingface_hub import errors as hub

from recbench.errors import RecbenchError, UserError
from recbench.llm.weights import fingerprint
from recbench.llm.weights.reading import reading


class Response:
    """What an error of the hub carries."""

    headers: dict[str, str] = {}  # noqa: RUF012
    request = None
    status_code = 403


@pytest.mark.parametrize(
    ("cause", "kind", "message"),
    [
        (hub.GatedRepoError("403", response=Response()), UserError, "hf auth login"),
        (hub.RepositoryNotFoundError("404", response=Response()), UserError, "no model 'some/llm'"),
        (hub.LocalEntryNotFoundError("no copy"), RecbenchError, "hub cannot be reached"),
        (ConnectionError("refused"), RecbenchError, "hub cannot be reached"),
        (hub.OfflineModeIsEnabled("offline mode"), RecbenchError, "hub cannot be reached"),
    ],
)
def test_what_the_hub_says_becomes_one_line(
    cause: Exception, kind: type[RecbenchError], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError("Something went\nwrong, see the docs") from cause

    monkeypatch.setattr(fingerprint, "check_reachable", lambda: None)
    monkeypatch.setattr(fingerprint, "cached_file", fails)
    with pytest.raises(kind, match=message) as caught:
        fingerprint.fingerprint("some/llm")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == kind.exit_code


@pytest.mark.parametrize(
    ("error", "whose"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "of the GPU; choose a smaller"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "of this machine; choose a"),
        (RuntimeError("std::bad_alloc"), "of this machine; choose a smaller model$"),
        (MemoryError(), "of this machine; choose a smaller model$"),
        (OSError("Cannot allocate memory (os error 12)"), "of this machine; choose a smaller"),
    ],
    ids=["GPU", "CPU", "C++", "Python", "system"],
)
def test_a_model_that_is_too_large_is_not_called_a_broken_file(
    error: Exception, whose: str
) -> None:
    said = f"'some/llm' does not fit the memory {whose}"
    with pytest.raises(UserError, match=said), reading("some/llm", "the weights"):
        raise error


def test_the_hub_is_quiet_about_its_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    retries, heard = logging.getLogger("huggingface_hub.utils._http"), []

    def fails(*_: object, **__: object) -> None:
        heard.append(retries.isEnabledFor(logging.WARNING))
        raise ConnectionError("refused")

    monkeypatch.setattr(fingerprint, "check_reachable", lambda: None)
    monkeypatch.setattr(fingerprint, "cached_file", fails)
    before = retries.getEffectiveLevel()
    with pytest.raises(RecbenchError, match="hub cannot be reached"):
        fingerprint.fingerprint("some/llm")
    assert heard == [False]
    assert retries.getEffectiveLevel() == before
