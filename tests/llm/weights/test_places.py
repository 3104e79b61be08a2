from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from recbench.errors import RecbenchError, UserError
from recbench.llm.cards import TEXT_ENCODER, LanguageModelCard, card_of
from recbench.llm.folder_hash import hashed
from recbench.llm.weights import places
from recbench.llm.weights.places import InFolder, InGguf, OnHub, at_hand, place_of

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
        monkeypatch.setattr(places, "card_of", lambda name, _: {"halves": card}.get(name))
        return card

    return known


@pytest.fixture
def encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Install a distribution with a text encoder's folder; make its card known."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "titles-1.0.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: titles\nVersion: 1.0\n"
    (tmp_path / "titles-1.0.dist-info" / "METADATA").write_text(metadata)
    folder = tmp_path / "titles" / "model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")

    def known(digest: str) -> Path:
        source = {"kind": "packaged folder", "distribution": "titles", "path": "titles/model"}
        card = LanguageModelCard.model_validate(
            {
                **{"name": "titles", "title": "Titles", "licence": "none", "terms": "none"},
                **{"parameters": 1, "context": 8},
                "source": {**source, "install": "pip install titles", "digest": digest},
            }
        )
        cards = {("titles", TEXT_ENCODER): card}
        monkeypatch.setattr(places, "card_of", lambda *asked: cards.get(asked))
        return folder

    return known


def test_a_folder_of_a_distribution_is_found_without_an_import(
    encoder: Callable[[str], Path],
) -> None:
    folder = encoder(hashed(encoder("0" * 64)))
    assert place_of("titles", TEXT_ENCODER) == InFolder(folder)
    assert place_of("titles") == OnHub("titles")  # no language model has that name


def test_a_folder_that_is_not_installed_or_another_says_how(
    encoder: Callable[[str], Path],
) -> None:
    folder = encoder("0" * 64)
    with pytest.raises(RecbenchError, match=r"text encoder 'titles' are not .* --force-reinstall"):
        place_of("titles", TEXT_ENCODER)
    folder.rename(folder.parent / "elsewhere")
    with pytest.raises(UserError, match=r"encoder 'titles' is not installed: pip install titles$"):
        place_of("titles", TEXT_ENCODER)


def test_a_misspelt_text_encoder_is_answered_with_the_nearest() -> None:
    meant = "did you mean 'all-minilm-l6-v2'? give 'all-minilm-l6-v2', a folder or a hub id"
    assert places.remedy("all-MiniLM-L6", TEXT_ENCODER) == meant


def test_the_pinned_text_encoder_is_that_of_its_package() -> None:
    card = card_of("all-minilm-l6-v2", TEXT_ENCODER)
    assert card is not None
    if not at_hand(card):
        pytest.skip(f"it is not installed: {card.way}")
    place = place_of("all-minilm-l6-v2", TEXT_ENCODER)
    assert isinstance(place, InFolder)
    assert (place.path / "1_Pooling" / "config.json").is_file()


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


WHOLE = ("config.json", "tokenizer.json", "model.safetensors")
PARTS = '{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'


@pytest.mark.parametrize(
    ("names", "parts", "whole"),
    [
        ((), None, False),
        (WHOLE[:1], None, False),  # all that `recbench models` and a rehearsal may have fetched
        (WHOLE[:2], None, False),
        (WHOLE[::2], None, False),
        (WHOLE, None, True),
        ((*WHOLE[:2], "model-1.safetensors"), PARTS, False),
        ((*WHOLE[:2], "model-1.safetensors", "model-2.safetensors"), PARTS, True),
        (WHOLE, "{", False),
    ],
)
def test_a_card_of_the_hub_is_at_hand_where_all_of_it_is(
    names: tuple[str, ...],
    parts: str | None,
    whole: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    card = card_of("smollm2-135m")
    assert card is not None
    place = place_of("smollm2-135m")
    assert isinstance(place, OnHub)
    root = tmp_path / f"models--{place.id.replace('/', '--')}"
    folder = root / "snapshots" / str(place.revision)
    for one in (folder, root / "refs"):
        one.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("{}")
    if parts is not None:
        (folder / "model.safetensors.index.json").write_text(parts)
    assert at_hand(card) == whole


def test_other_names_are_of_the_hub() -> None:
    assert place_of("owner/name") == OnHub("owner/name")
    assert place_of("name") == OnHub("name")


def test_a_card_goes_before_a_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    assert place_of("tiny") != InFolder(Path("tiny"))


@pytest.mark.parametrize("whole", [True, False])
def test_a_folder_with_an_adapter_is_refused(whole: bool, tmp_path: Path) -> None:
    """Transformers would add it to the weights, or read another model beneath it, unsaid."""
    (tmp_path / "adapter_config.json").write_text("{}")
    if whole:
        (tmp_path / "config.json").write_text("{}")
        said, named = (
            "an adapter beside the weights of a language model: move adapter_config",
            "FOLDER",
        )
    else:
        said, named = "an adapter, not a language model: name the model", str(tmp_path)
    with pytest.raises(
        UserError, match=rf"holds {said}.*, and name it with --set adapter="
    ) as told:
        place_of(str(tmp_path))
    assert str(told.value).endswith(f"adapter={named}")
    with pytest.raises(UserError) as told:
        place_of(str(tmp_path), TEXT_ENCODER)
    assert "--set" not in str(told.value)


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    for name in ("smolm2", "SmolLM2"):
        assert places.remedy(name).startswith("did you mean 'smollm2'?")
    for name in ("", " "):
        with pytest.raises(UserError, match="no language model is named; give a name of"):
            place_of(name)
    assert places.remedy("meta-llama/Llama-2-7b-hf").startswith("give a name of")
