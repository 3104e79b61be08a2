"""The tokenizer of `tiny`: byte-level BPE, trained on made-up titles."""

import random
from pathlib import Path

from titles import TitleWriter, write_headers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast
from wiring import VOCABULARY

SEED = 20261


def train_tokenizer(folder: Path) -> None:
    """Train the byte-level BPE tokenizer on written titles and save it.

    The new line is split off before the merges, so that it is always one token of its own
    and a line is tokenised alike alone and inside a text.

    Parameters
    ----------
    folder : Path
        Where ``tokenizer.json`` and ``tokenizer_config.json`` go.
    """
    writer, r = TitleWriter(SEED), random.Random(SEED)
    lines = [writer.title() for _ in range(400_000)]
    for _ in range(6000):
        made = write_headers(r, writer)
        lines += [made.history, made.candidates, made.question]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex("\n"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=2,
        special_tokens=["<pad>", "<bos>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=16,
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    # As Llama's tokenizers do: whoever encodes a text gets the beginning that tiny was trained on.
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", tokenizer.token_to_id("<bos>"))]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
    ).save_pretrained(folder)
