"""Titles into vectors: a text encoder of Hugging Face with its pooling, frozen or trained."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel
from transformers import PreTrainedTokenizerBase as TokenizerBase

from recbench.errors import UserError
from recbench.llm.cards import TEXT_ENCODER, card_of
from recbench.llm.checks import context_of
from recbench.llm.prompts.text import TextEncoder, plain_tokens
from recbench.llm.text_encoder.pooling import Pooling
from recbench.llm.weights.backbone import files_of
from recbench.llm.weights.hub import folder_of
from recbench.llm.weights.places import place_of
from recbench.llm.weights.quantised import check_scaled
from recbench.llm.weights.reading import check_numbers, check_whole, reading

MOST_TOKENS = 256
"""Of a title that are read, where the encoder reads so many."""
AT_ONCE = 2048
"""Tokens that are read at once, padding counted; no result depends on it but by rounding."""


class TitleEncoder(nn.Module):
    """
    Reads titles into vectors of width w.

    The dropout of the model stays off, in training as well: titles are short and alike, and what it
    does to a vector is more than what tells one title from another. So one that is trained at a
    rate of nought is the frozen one.

    Parameters
    ----------
    model, tokenizer
        Of transformers.
    pooling
        What makes one vector of a title's tokens.

    Attributes
    ----------
    width
        w, the model's own.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: TokenizerBase, pooling: Pooling) -> None:
        super().__init__()
        self.model, self.pooling = model, pooling
        self.width: int = model.config.hidden_size
        rows, padding = model.get_input_embeddings().weight.shape[0], tokenizer.pad_token_id or 0
        self._texts = TextEncoder(tokenizer)
        self._padding = padding if padding < rows else 0  # masked: any that the model has will do
        reads = context_of(model.config) or MOST_TOKENS
        self._most = min(MOST_TOKENS, tokenizer.model_max_length, reads)

    def train(self, mode: bool = True) -> "TitleEncoder":  # noqa: ARG002
        """Leave the dropout of the model off."""
        return super().train(False)

    def tokens(self, titles: Sequence[str]) -> list[list[int]]:
        """Return the token ids of titles, as the encoder wants them begun and ended."""
        start, end = self._texts.start, self._texts.end
        most = self._most - len(start) - len(end)
        ids = self._texts.encode(self._texts.as_text(titles))
        return [[*start, *one[:most], *end] or [self._padding] for one in ids]

    def forward(self, tokens: Sequence[list[int]]) -> Tensor:
        """
        Return [n, w] for the token ids of n titles, at least one.

        With gradients, what lies between is computed again when they are: memory holds that of
        `AT_ONCE` tokens, and a step costs a third more.
        """
        order, parts = self.parts(tokens)
        vectors = torch.cat([self.part(part) for part in parts])
        return vectors[order.to(vectors.device).argsort()]

    def parts(self, tokens: Sequence[list[int]]) -> tuple[Tensor, list[list[list[int]]]]:
        """Return the order of titles by length [n], and their tokens so, as `part` takes them."""
        order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))  # little is padded
        parts: list[list[list[int]]] = []
        for one in (tokens[row] for row in order):
            if parts and (len(parts[-1]) + 1) * len(one) <= AT_ONCE:
                parts[-1].append(one)
            else:
                parts.append([one])
        return torch.tensor(order), parts

    def part(self, tokens: list[list[int]]) -> Tensor:
        """Return [n, w] for the token ids of titles that are read at once."""
        device, longest = self.model.device, max(map(len, tokens))
        ids = torch.full((len(tokens), longest), self._padding)
        mask = torch.zeros_like(ids)
        for row, one in enumerate(tokens):
            ids[row, : len(one)], mask[row, : len(one)] = torch.tensor(one), 1
        args = ids.to(device), mask.to(device)
        if torch.is_grad_enabled():
            pooled: Tensor = checkpoint(self._read, *args, use_reentrant=False)
            return pooled
        return self._read(*args)

    def _read(self, ids: Tensor, mask: Tensor) -> Tensor:
        hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state  # [B, T, w]
        return self.pooling(hidden, mask)


def load_title_encoder(
    name: str, pooling: Pooling, report: Callable[[str], None] = lambda _: None
) -> TitleEncoder:
    """
    Load a text encoder in float32, in evaluation mode, on the CPU.

    Parameters
    ----------
    name
        Of a text encoder's card, a folder in the layout of transformers, or a hub id, at the commit
        that `recbench.llm.weights.fingerprint.fingerprint` returns.
    pooling
        What makes one vector of a title's tokens.
    report
        Told whose the model is, if it is not ours.

    Raises
    ------
    UserError
        If there is no such encoder, it is not installed, it does not read texts as one sequence, or
        transformers would read its weights as other numbers.
    RecbenchError
        If the hub cannot be reached or the files cannot be read.
    """
    place, card = place_of(name, TEXT_ENCODER), card_of(name, TEXT_ENCODER)
    if card is not None:  # others' work, under their terms
        report(f"{name} is {card.title}, licence: {card.licence}, {card.terms}")
    where = files_of(name, place, report, TEXT_ENCODER)
    with reading(name, "config.json", TEXT_ENCODER):
        config = AutoConfig.from_pretrained(**where)
    if config.is_encoder_decoder or not hasattr(config, "hidden_size"):
        raise UserError(
            f"'{name}' is a {config.model_type} model, which does not read a text into one vector "
            f"a token; take {TEXT_ENCODER.ways}"
        )
    with reading(name, "the tokenizer's files", TEXT_ENCODER):
        tokenizer = AutoTokenizer.from_pretrained(**where)
    with reading(name, "config.json and the weights (*.safetensors)", TEXT_ENCODER):
        model, told = AutoModel.from_pretrained(
            **where, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
        check_scaled(name, config, model, told["unexpected_keys"], folder_of(where))
        # What pools by a layer of its own is of no use here, and many files lack it.
        check_whole([key for key in told["missing_keys"] if not key.startswith("pooler.")])
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    encoder = TitleEncoder(model, tokenizer, pooling).eval()
    rows = model.get_input_embeddings().weight.shape[0]
    check_numbers(name, {*plain_tokens(tokenizer), *encoder.tokens([""])[0]}, rows)
    return encoder
