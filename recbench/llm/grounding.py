"""
Grounding: the titles that are nearest to what a language model wrote.

Bao et al., "A Bi-Step Grounding Paradigm for Large Language Models in Recommendation Systems",
arXiv 2308.08434. A text is embedded as its last token's last hidden state, and a title is the
nearer the smaller the Euclidean distance. As in the released code (data/movie/evaluate.py), it is
the language model without its adapter that embeds, and texts stand alone, behind no prompt.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from torch import Tensor

from recbench.errors import UserError
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.reader import Batch, Reader
from recbench.llm.prompts.writer import MARGIN, Prompt, PromptWriter

_AT_ONCE = 64
"""Texts that are embedded together, at most."""

_NOWHERE = 1e9
"""Every number of the vector of a title of which the tokenizer leaves nothing: near to no text."""


@dataclass(frozen=True)
class Grounding:
    """
    A catalogue in the space of its titles' embeddings.

    Attributes
    ----------
    writer
        Of the prompts; a title is embedded as it is read where it is written.
    texts
        The different titles, by number.
    vectors
        float32 [texts, width], their embeddings.
    numbers
        int64 [items], which text each item has: equal titles are equally near.
    """

    writer: PromptWriter
    texts: dict[str, int]
    vectors: Tensor
    numbers: NDArray[np.int64]

    @classmethod
    def of(cls, model: HybridLM, writer: PromptWriter) -> "Grounding":
        """Embed the titles of a catalogue."""
        titles = [writer.line(ids) for ids in writer.answers]
        texts = {text: number for number, text in enumerate(dict.fromkeys(titles))}
        read = [text for text in texts if text]
        given = embedded(model, writer.alone(read))
        vectors = torch.full((len(texts), given.shape[1]), _NOWHERE)
        vectors[[texts[text] for text in read]] = given
        return cls(writer, texts, vectors, np.array([texts[title] for title in titles]))

    def scores(self, reader: Reader, prompt: Prompt) -> NDArray[np.float32]:
        """
        Let the model write behind a prompt, greedily, and find what is near.

        Returns
        -------
        NDArray
            float32 [items], minus the distance of each title: 0 where it is what was written, to
            the letter. An empty line is near to nothing, and all items tie.
        """
        limit = int(self.writer.lengths.max()) + MARGIN
        _, (tokens,) = reader.answer(Batch([prompt], None, limits=[limit]))
        text = self.writer.line(tokens)
        if not text:
            return np.full(len(self.numbers), -1, dtype=np.float32)
        if text in self.texts:
            vector = self.vectors[self.texts[text]]
        else:
            (vector,) = embedded(reader.model, self.writer.alone([text]))
        # Not by matrix products, in which what is small is lost.
        exactly = "donot_use_mm_for_euclid_dist"
        distances = torch.cdist(vector[None], self.vectors, compute_mode=exactly)[0]
        return -distances.numpy()[self.numbers]


def embedded(model: HybridLM, texts: Sequence[Sequence[int]]) -> Tensor:
    """
    Return the last hidden state of the last token of each text, float32 [n, width], on the CPU.

    Parameters
    ----------
    model
        Read without its adapter.
    texts
        Token ids, at least one each. Those of one length are read together: none is padded.

    Raises
    ------
    UserError
        If the model does not give its hidden states.
    """
    own = model.lm
    found: dict[int, Tensor] = {}
    with (
        model.reading(None),
        own.disable_adapter() if isinstance(own, PeftModel) else nullcontext(),
    ):
        for rows in _alike(texts):
            ids = torch.tensor([list(texts[row]) for row in rows], device=model.device)
            no_place = torch.zeros_like(ids, dtype=torch.bool)
            told = {"output_hidden_states": True, "use_cache": False}
            output, _ = model.run(no_place, positions=None, input_ids=ids, **told)
            if output.get("hidden_states") is None:
                raise UserError(
                    "the language model does not give its hidden states, by which titles are "
                    "compared; choose another with --llm, or --model constrained-beam"
                )
            found |= zip(rows, output.hidden_states[-1][:, -1].float().cpu(), strict=True)
    return torch.stack([found[row] for row in range(len(texts))])


def _alike(texts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the numbers of texts of one length, not too many at once."""
    by_length: dict[int, list[int]] = {}
    for row, text in enumerate(texts):
        by_length.setdefault(len(text), []).append(row)
    return [
        rows[start : start + _AT_ONCE]
        for rows in by_length.values()
        for start in range(0, len(rows), _AT_ONCE)
    ]
