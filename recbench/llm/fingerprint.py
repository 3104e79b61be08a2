"""What a language model is: the same name may hold other weights tomorrow."""

from functools import cache
from pathlib import Path

from transformers.utils.hub import cached_file

from recbench.llm.file_digest import hashed
from recbench.llm.places import InFolder, OnHub, place_of
from recbench.llm.reading import explained, quiet


def fingerprint(llm: str) -> str:
    """
    Return the commit of a model on the hub, or the SHA-256 of a local model's files.

    Parameters
    ----------
    llm
        As for `recbench.llm.places.place_of`.

    Raises
    ------
    UserError, RecbenchError
        As `recbench.llm.backbone.load_backbone` does: a name that is none fails here, before
        anything is trained.
    """
    place = place_of(llm)
    if isinstance(place, OnHub):
        return commit(place)
    return hashed(place.path) if isinstance(place, InFolder) else place.digest()


@cache  # so that what was fingerprinted is what is loaded, whatever the hub does in between
def commit(place: OnHub) -> str:
    """Return the commit that a model's revision is, by its configuration, which is fetched."""
    with quiet():
        try:
            config = cached_file(place.id, "config.json", revision=place.revision)
        except OSError as error:
            raise explained(place.id, error) from error
    return Path(str(config)).parent.name
