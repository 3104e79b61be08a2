from collections.abc import Callable
from pathlib import Path

import pytest

from recbench.errors import RecbenchError, UserError
from recbench.llm import places
from recbench.llm.cards import LanguageModelCard
from recbench.llm.places import InFolder, InGguf, OnHub, at_hand, place_of

CONTENT = (b"the first half, ", b"the second half")


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], LanguageModelCard]:
    """Install two distributions with half a GGUF file each; make the card of the whole known."""
    monkeypatch.syspath_prepend(tmp_path)
    parts = []
    for number, content in enumerate(CONTENT):
        info = tmp_path / f"half{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: half{number}\nVersion: 1.0\n")
        (tmp_path / f"half{number}").mkdir()
        (tmp_path / f"half{number}" / "part").write_bytes(content)
        parts.append({"distribution": f"half{number}", "path": f"half{number}/part"})

    def known(digest: str) -> LanguageModelCard:
        source = {"kind": "gguf", "parts": parts, "install": "pip install halves", "digest": digest}
        card = LanguageModelCard.model_validate(
            {
                **{"name": "halves", "title": "Halves", "licence": "none", "terms": "none"},
                **{"parameters": 1, "context": 8, "source": source},
            }
        )
        monkeypatch.setattr(places, "card_of", {"halves": card}.get)
        return card

    return known


def whole(tmp_path: Path) -> InGguf:
    return InGguf((tmp_path / "half0" / "part", tmp_path / "half1" / "part"))


def test_parts_are_found_without_an_import(
    packaged: Callable[[str], LanguageModelCard], tmp_path: Path
) -> None:
    card = packaged(whole(tmp_path).digest())
    assert at_hand(card)
    assert place_of("halves") == whole(tmp_path)


def test_a_card_that_is_not_installed_says_how(
    packaged: Callable[[str], LanguageModelCard], tmp_path: Path
) -> None:
    card = packaged(whole(tmp_path).digest())
    (tmp_path / "half1" / "part").unlink()
    assert not at_hand(card)
    with pytest.raises(UserError, match=r"'halves' is not installed: pip install halves$"):
        place_of("halves")


def test_files_that_are_not_those_of_the_card_are_refused(
    packaged: Callable[[str], LanguageModelCard],
) -> None:
    packaged("0" * 64)
    with pytest.raises(RecbenchError, match=r"not those of its card .* --force-reinstall"):
        place_of("halves")


def test_the_built_in_model_is_a_folder_of_the_package() -> None:
    place = place_of("tiny")
    assert isinstance(place, InFolder)
    assert (place.path / "config.json").is_file()


def test_a_card_of_the_hub_has_its_commit() -> None:
    place = place_of("smollm2-135m")
    assert isinstance(place, OnHub)
    assert place.id == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert len(place.revision or "") == 40


def test_other_names_are_of_the_hub() -> None:
    assert place_of("owner/name") == OnHub("owner/name")
    assert place_of("name") == OnHub("name")


def test_a_card_goes_before_a_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    assert place_of("tiny") != InFolder(Path("tiny"))


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    for name in ("smolm2", "SmolLM2"):
        assert places.remedy(name).startswith("did you mean 'smollm2'?")
    for name in ("", " "):
        with pytest.raises(UserError, match="no language model is named; give a name of"):
            place_of(name)
    assert places.remedy("meta-llama/Llama-2-7b-hf").startswith("give a name of")
