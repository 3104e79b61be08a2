"""Reading language models with transformers: in silence, and with errors of one line."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from huggingface_hub import errors as hub

from recbench.errors import RecbenchError, UserError
from recbench.llm.cards import LANGUAGE_MODEL, Kind
from recbench.llm.silence import quiet
from recbench.llm.weights.places import remedy
from recbench.out_of_memory import lacks_memory


@contextmanager
def reading(llm: str, part: str, kind: Kind = LANGUAGE_MODEL) -> Iterator[None]:
    """Read a part of a model in silence; what goes wrong is said in one line."""
    with quiet():
        try:
            yield
        except RecbenchError:
            raise
        except Exception as error:  # a broken file can raise anything: KeyError, struct.error, ...
            raise explained(llm, error, part, kind) from error


def explained(
    llm: str, error: BaseException, part: str = "config.json", kind: Kind = LANGUAGE_MODEL
) -> RecbenchError:
    """Turn what was raised while `part` was read into one line with a remedy."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    text = " ".join(str(link) for link in chain)
    if any(isinstance(link, torch.OutOfMemoryError) for link in chain):
        return UserError(
            f"'{llm}' does not fit the memory of the GPU; choose a smaller model, --device cpu or "
            "fewer bits (recbench run --set load_in=4bit)"
        )
    if any(map(lacks_memory, chain)):
        return UserError(f"'{llm}' does not fit the memory of this machine; choose a smaller model")
    if any(isinstance(link, hub.GatedRepoError) for link in chain) or "gated repo" in text:
        return UserError(
            f"'{llm}' is gated: ask for access on its page, then log in with 'hf auth login'"
        )
    if any(isinstance(link, hub.RepositoryNotFoundError) for link in chain):
        return UserError(
            f"no model '{llm}' on the hub (or it is private: 'hf auth login'); {remedy(llm, kind)}"
        )
    if any(isinstance(link, hub.LocalEntryNotFoundError | ConnectionError) for link in chain) or (
        "couldn't connect" in text or "offline" in text.lower()
    ):
        return RecbenchError(
            f"the hub cannot be reached for '{llm}': check the connection; {remedy(llm, kind)}"
        )
    if isinstance(error, hub.HFValidationError) or "not a valid model identifier" in text:
        return UserError(f"'{llm}' is no model: {remedy(llm, kind)}")
    if "trust_remote_code" in text:
        return UserError(
            f"'{llm}' needs code that comes with it, and such code is never run: "
            "choose a model that transformers knows by itself"
        )
    first = next(iter(str(error).strip().splitlines()), "")
    if isinstance(error, ImportError):
        return UserError(f"reading '{llm}' needs a package: {first}")
    return RecbenchError(
        f"the {kind.noun} '{llm}' cannot be read; download {part} again or choose another "
        f"model ({type(error).__name__}: {first})"
    )


def check_whole(missing: Collection[str]) -> None:
    """Refuse weights that are not all there: transformers would make up the rest at random."""
    if missing:
        raise ValueError(f"{len(missing)} weights are not in the file: {min(missing)}, ...")


def check_numbers(name: str, tokens: Collection[int], rows: int) -> None:
    """Refuse a tokenizer of another model: one with tokens that so many embeddings have no row."""
    if (largest := max(tokens)) >= rows:
        raise UserError(
            f"the tokenizer of '{name}' has a token {largest}, but the model's {rows} embeddings "
            f"end at {rows - 1}: they are of two models; download both again or choose another"
        )
