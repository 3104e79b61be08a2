"""Where the files of a language model are: of a card, in a folder, in a GGUF file, on the hub."""

import hashlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from recbench.errors import RecbenchError, UserError, nearest
from recbench.llm.cards import LanguageModelCard, PackagedGguf, PackageFolder, card_of
from recbench.registry import listed

_BLOCK = 1 << 20


@dataclass(frozen=True)
class InFolder:
    """A folder in the layout of transformers."""

    path: Path


@dataclass(frozen=True)
class InGguf:
    """One GGUF file, whole or in parts, in the order in which they are put together."""

    parts: tuple[Path, ...]

    def digest(self) -> str:
        """Return the SHA-256 of the whole."""
        total = hashlib.sha256()
        for part in self.parts:
            with part.open("rb") as file:
                while block := file.read(_BLOCK):
                    total.update(block)
        return total.hexdigest()


@dataclass(frozen=True)
class OnHub:
    """A model on the Hugging Face Hub; None is the revision that its main branch has today."""

    id: str
    revision: str | None = None


Place = InFolder | InGguf | OnHub


def place_of(llm: str) -> Place:
    """
    Find a language model.

    Parameters
    ----------
    llm
        Name of a card, a folder in the layout of transformers, a ``.gguf`` file or a hub id.

    Raises
    ------
    UserError
        If a card's packages are not installed, or there is no such folder or file. Whether the hub
        has an id, it alone can tell.
    RecbenchError
        If what the packages hold is not what the card pins.
    """
    card = card_of(llm)
    if card is not None:
        return _of_card(card)
    if not llm.strip():  # as a path it would be the folder that one stands in
        raise UserError(f"no language model is named; {remedy(llm)}")
    path = Path(llm).expanduser()
    if path.suffix.lower() == ".gguf":
        if not path.is_file():
            raise UserError(f"no GGUF file '{llm}'")
        return _readable(InGguf((path,)))
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UserError(f"the folder '{llm}' holds no language model: no config.json in it")
        return InFolder(path)
    if path.is_absolute() or llm.startswith((".", "~")) or llm.count("/") > 1:
        raise UserError(f"no folder '{llm}'; {remedy(llm)}")
    return OnHub(llm)


def remedy(llm: str) -> str:
    """Say what may stand in the place of a name that is none."""
    near = nearest(llm, listed("language_models"))
    meant = f"did you mean '{near}'? " if near else ""
    return f"{meant}give a name of recbench models --llms, a folder, a .gguf file or a hub id"


def at_hand(card: LanguageModelCard) -> bool:
    """Tell whether the files of a card are on this machine, without looking into them."""
    source = card.source
    if isinstance(source, PackagedGguf):
        return len(_parts(source)) == len(source.parts)
    if isinstance(source, PackageFolder):
        return True
    return isinstance(
        try_to_load_from_cache(source.id, "config.json", revision=source.revision), str
    )


def _of_card(card: LanguageModelCard) -> Place:
    source = card.source
    if isinstance(source, PackageFolder):
        return InFolder(Path(str(files(source.package))) / source.folder)
    if not isinstance(source, PackagedGguf):
        return OnHub(source.id, source.revision)
    parts = _parts(source)
    if len(parts) < len(source.parts):
        raise UserError(f"the language model '{card.name}' is not installed: {source.install}")
    place = _readable(InGguf(parts))
    if (found := place.digest()) != source.digest:
        raise RecbenchError(
            f"the installed files of the language model '{card.name}' are not those of its card "
            f"(SHA-256 {found[:16]}...): {source.install} --force-reinstall"
        )
    return place


def _parts(source: PackagedGguf) -> tuple[Path, ...]:
    """Find the parts that are installed by the lists of their distributions."""
    found = []
    for part in source.parts:
        try:
            file = Path(str(distribution(part.distribution).locate_file(part.path)))
        except PackageNotFoundError:
            continue
        if file.is_file():
            found.append(file)
    return tuple(found)


def _readable(place: InGguf) -> InGguf:
    if find_spec("gguf") is None:
        raise UserError(f"reading '{place.parts[0].name}' needs a package: pip install gguf")
    return place
