"""Where the files of a language model are: of a card, in a folder, in a GGUF file, on the hub."""

from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from recbench.data.prepare import in_distribution
from recbench.errors import RecbenchError, UserError, nearest
from recbench.file_digests import digest_once
from recbench.llm.cards import (
    LANGUAGE_MODEL,
    TEXT_ENCODER,
    Kind,
    LanguageModelCard,
    PackagedFolder,
    PackagedGguf,
    PackageFolder,
    card_of,
)
from recbench.llm.folder_hash import hashed
from recbench.llm.weights.snapshot import is_whole
from recbench.registry import listed

ADAPTER = "adapter_config.json"
"""Where it lies beside a model, transformers adds the adapter to it without a word."""


@dataclass(frozen=True)
class InFolder:
    """A folder in the layout of transformers."""

    path: Path

    def digest(self) -> str:
        """Return the SHA-256 of its files."""
        return hashed(self.path)


@dataclass(frozen=True)
class InGguf:
    """One GGUF file, whole or in parts, in the order in which they are put together."""

    parts: tuple[Path, ...]

    def digest(self) -> str:
        """Return the SHA-256 of the whole."""
        return digest_once(*self.parts)


@dataclass(frozen=True)
class OnHub:
    """A model on the Hugging Face Hub; None is the revision that its main branch has today."""

    id: str
    revision: str | None = None


Place = InFolder | InGguf | OnHub


def place_of(llm: str, kind: Kind = LANGUAGE_MODEL) -> Place:
    """
    Find a language model.

    Parameters
    ----------
    llm
        Name of a card, a folder in the layout of transformers, a ``.gguf`` file or a hub id.
    kind
        Whose card it may be, and what it is called where it is none.

    Raises
    ------
    UserError
        If a card's packages are not installed, or there is no such folder or file. Whether the hub
        has an id, it alone can tell.
    RecbenchError
        If what the packages hold is not what the card pins.
    """
    card = card_of(llm, kind)
    if card is not None:
        return _of_card(card, kind)
    if not llm.strip():  # as a path it would be the folder that one stands in
        raise UserError(f"no {kind.noun} is named; {remedy(llm, kind)}")
    path = Path(llm).expanduser()
    if path.suffix.lower() == ".gguf":
        if kind is TEXT_ENCODER:
            raise UserError(f"a text encoder is read from no GGUF file; {remedy(llm, kind)}")
        if not path.is_file():
            raise UserError(f"no GGUF file '{llm}'")
        return _readable(InGguf((path,)))
    if path.is_dir():
        _check_folder(llm, path, kind)
        return InFolder(path)
    if path.is_absolute() or llm.startswith((".", "~")) or llm.count("/") > 1:
        raise UserError(f"no folder '{llm}'; {remedy(llm, kind)}")
    return OnHub(llm)


def _check_folder(llm: str, path: Path, kind: Kind) -> None:
    """Refuse a folder without a model, or with an adapter that transformers would apply unsaid."""
    whole, adapted = ((path / name).is_file() for name in ("config.json", ADAPTER))
    if adapted and not whole:
        raise UserError(
            f"the folder '{llm}' holds an adapter, not a {kind.noun}: name the model that it was "
            f"made for{_as_adapter(kind, llm)}"
        )
    if adapted:
        raise UserError(
            f"the folder '{llm}' holds an adapter beside the weights of a {kind.noun}: move "
            f"{ADAPTER} and adapter_model.* out of it{_as_adapter(kind, 'FOLDER')}"
        )
    if not whole:
        raise UserError(f"the folder '{llm}' holds no {kind.noun}: no config.json in it")


def _as_adapter(kind: Kind, folder: str) -> str:
    """Say how an adapter is named, of a kind that can have one."""
    return f", and name it with --set adapter={folder}" if kind is LANGUAGE_MODEL else ""


def remedy(llm: str, kind: Kind = LANGUAGE_MODEL) -> str:
    """Say what may stand in the place of a name that is none."""
    near = nearest(llm, listed(kind.group))
    meant = f"did you mean '{near}'? " if near else ""
    return f"{meant}give {kind.ways}"


def at_hand(card: LanguageModelCard) -> bool:
    """Tell whether all files of a card are on this machine, without holding them to a digest."""
    source = card.source
    if isinstance(source, PackagedGguf):
        return len(_parts(source)) == len(source.parts)
    if isinstance(source, PackagedFolder):
        return in_distribution(source.distribution, source.path) is not None
    if isinstance(source, PackageFolder):
        return True
    config = try_to_load_from_cache(source.id, "config.json", revision=source.revision)
    return isinstance(config, str) and is_whole(Path(config).parent)


def _of_card(card: LanguageModelCard, kind: Kind) -> Place:
    source = card.source
    if isinstance(source, PackageFolder):
        return InFolder(Path(str(files(source.package))) / source.folder)
    if not isinstance(source, PackagedGguf | PackagedFolder):
        return OnHub(source.id, source.revision)
    place = _unpacked(source)
    if place is None:
        raise UserError(f"the {kind.noun} '{card.name}' is not installed: {source.install}")
    if (found := place.digest()) != source.digest:
        raise RecbenchError(
            f"the installed files of the {kind.noun} '{card.name}' are not those of its card "
            f"(SHA-256 {found[:16]}...): {source.install} --force-reinstall"
        )
    return place


def _unpacked(source: PackagedGguf | PackagedFolder) -> InGguf | InFolder | None:
    """Find what installed distributions hold; None where it is not all there."""
    if isinstance(source, PackagedFolder):
        folder = in_distribution(source.distribution, source.path)
        return InFolder(folder) if folder is not None else None
    parts = _parts(source)
    return _readable(InGguf(parts)) if len(parts) == len(source.parts) else None


def _parts(source: PackagedGguf) -> tuple[Path, ...]:
    """Find the parts that are installed."""
    found = (in_distribution(part.distribution, part.path) for part in source.parts)
    return tuple(file for file in found if file is not None)


def _readable(place: InGguf) -> InGguf:
    if find_spec("gguf") is None:
        raise UserError(f"reading '{place.parts[0].name}' needs a package: pip install gguf")
    return place
