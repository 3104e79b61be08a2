"""A language model as it is, that goes on behind plain text: no question, no frame, no adapter."""

from collections.abc import Callable, Sequence
from functools import partial

import torch

from recbench.errors import RecbenchError, UserError
from recbench.hardware.memory import if_it_fits
from recbench.llm.checks import context_of
from recbench.llm.inference.generation import LineEnds
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.probe import probe, trial
from recbench.llm.inference.reader import Batch, Reader
from recbench.llm.prompts.text import TextEncoder, plain_tokens
from recbench.llm.prompts.writer import MARGIN, Prompt
from recbench.llm.weights.backbone import load_backbone
from recbench.llm.weights.particulars import closing_tokens
from recbench.llm.weights.reading import check_numbers
from recbench.neural.precision import computing, reading_precision, training_precision
from recbench.progress import progress_bar

_NO_ITEM = -1
"""No token stands for an item here."""

_TOO_LARGE = (
    "the memory of the device does not suffice for one text; show less, take a smaller model or "
    "--device cpu"
)


class Continuation:
    """
    Writes what a model would write, a text at a time: in a batch rounding may choose other words.

    Parameters
    ----------
    llm
        As for `recbench.llm.weights.backbone.load_backbone`, which says what is refused.
    device
        ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    report
        Told one line before what takes long.
    show_progress
        Whether to draw progress bars on standard error.
    """

    def __init__(
        self, llm: str, device: str, report: Callable[[str], None], show_progress: bool = False
    ) -> None:
        weights = training_precision("auto", torch.device(device)).weights
        lm, self._tokenizer = load_backbone(llm, device, weights, None, report)
        self._module = HybridLM(lm.requires_grad_(False), _NO_ITEM).eval()
        self._encoder = TextEncoder(self._tokenizer)
        rows = lm.get_input_embeddings().weight.shape[0]
        check_numbers(llm, {*plain_tokens(self._tokenizer), *self._encoder.start}, rows)
        self._llm, self._show_progress = llm, show_progress

    def lines(self, texts: Sequence[str], tokens: int) -> list[str]:
        """
        Go on behind each text, greedily, up to the line's end or so many tokens.

        Raises
        ------
        UserError
            If a text, with what is written behind it, is longer than the model's context.
        """
        config, device = self._module.lm.config, self._module.device
        encoded = self._encoder.encode(self._encoder.as_text(texts))
        prompts = [Prompt([*self._encoder.start, *ids], []) for ids in encoded]
        longest = max(prompts, key=lambda prompt: len(prompt.ids))
        context, needed = context_of(config), len(longest.ids) + tokens
        if context is not None and needed > context:
            raise UserError(
                f"a text, with what is written behind it, may have {needed} tokens, but the "
                f"language model reads {context}; show fewer with --lines"
            )
        precision, written = reading_precision("auto", device), []
        with (
            computing(precision, device),
            progress_bar(self._show_progress) as bar,
        ):
            reader = self._reader(longest)
            for prompt in bar.track(prompts, description="reciting"):
                batch = Batch([prompt], None, limits=[tokens])
                found = if_it_fits(partial(reader.answer, batch))
                if found is None:
                    raise RecbenchError(_TOO_LARGE)
                written.append(self._text(found[1][0]))
        return written

    def tokens(self, texts: Sequence[str]) -> int:
        """Return how many tokens the longest of some texts has, and a `MARGIN`."""
        return max(map(len, self._encoder.encode(self._encoder.as_text(texts)))) + MARGIN

    def _reader(self, longest: Prompt) -> Reader:
        answers = [longest.ids[-1:], longest.ids[-3:]]  # any will do
        batch = trial(self._module, longest, answers)
        abilities = if_it_fits(partial(probe, self._module, batch, self._llm, trains=False))
        if abilities is None:
            raise RecbenchError(_TOO_LARGE)
        lm, tokenizer = self._module.lm, self._tokenizer
        closing = closing_tokens(lm.config, lm.generation_config, tokenizer)
        vocabulary = lm.config.get_text_config().vocab_size
        return Reader(self._module, abilities, LineEnds.of(tokenizer, vocabulary, ends=closing))

    def _text(self, tokens: list[int]) -> str:
        text = self._tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text.split("\n", 1)[0].strip()
