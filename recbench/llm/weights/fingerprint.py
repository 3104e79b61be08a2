"""What a language model is: the same name may hold other weights tomorrow."""

from functools import cache
from pathlib import Path

from transformers.utils.hub import cached_file

from recbench.llm.cards import LANGUAGE_MODEL, Kind
from recbench.llm.silence import quiet
from recbench.llm.weights.hub import cached_config, check_reachable
from recbench.llm.weights.places import OnHub, place_of
from recbench.llm.weights.reading import explained


def fingerprint(name: str, kind: Kind = LANGUAGE_MODEL) -> str:
    """
    Return the commit of a model on the hub, or the SHA-256 of a local model's files.

    Parameters
    ----------
    name, kind
        As for `recbench.llm.weights.places.place_of`.

    Raises
    ------
    UserError, RecbenchError
        As `recbench.llm.weights.backbone.load_backbone` does: a name that is none fails here,
        before anything is trained.
    """
    place = place_of(name, kind)
    return commit(place, kind) if isinstance(place, OnHub) else place.digest()


@cache  # so that what was fingerprinted is what is loaded, whatever the hub does in between
def commit(place: OnHub, kind: Kind = LANGUAGE_MODEL) -> str:
    """
    Return the commit that a model's revision is, by its configuration.

    What is on this machine is taken as it is, without asking the hub; else it is fetched.
    """
    if (kept := cached_config(place)) is not None:
        return kept.parent.name
    with quiet():
        try:
            check_reachable()
            config = cached_file(place.id, "config.json", revision=place.revision)
        except OSError as error:
            raise explained(place.id, error, kind=kind) from error
    return Path(str(config)).parent.name
