"""
Which kinds of tokenizers can be used, found out on small ones that are trained on a few titles.

Each is put through what any language model's is before anything is trained: prompts are written,
tokens are checked against embeddings, titles are read back. The table stands in
`docs/tokenizers.md`, and `tests/tools/test_tokenizer_kinds.py` looks into the prompts themselves:

    python tools/tokenizer_kinds.py
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from recbench.data.catalogue import Catalogue
from recbench.errors import RecbenchError
from recbench.llm.cards import Style
from recbench.llm.checks import check_tokens
from recbench.llm.prompts.writer import PromptWriter
from recbench.testing.toy import toy_training_data

PAGE = Path(__file__).resolve().parents[1] / "docs/tokenizers.md"

TITLES = (
    *("The Matrix", "Toy Story", "Se7en", "M*A*S*H", "8 1/2", "Amélie", "Das Boot"),
    *("Life Is Beautiful", "L.A. Confidential", "The Matrix Reloaded"),
    *("Live <eos> Live", "</s> and <|im_end|>", "Ran \N{CJK UNIFIED IDEOGRAPH-4E71}"),
)
"""Beginnings of one another, punctuation, accents, control tokens, a sign seen nowhere else."""

_SEEN = (*TITLES[:10], "This user saw these films, oldest first:", "Choose the next film:")
_SPECIAL = ["<pad>", "<bos>", "<eos>", "<unk>"]
_BYTES = [f"<0x{number:02X}>" for number in range(256)]


@dataclass(frozen=True)
class Kind:
    """
    A kind of tokenizer.

    Attributes
    ----------
    name
        What it does, in words.
    members
        Models that people know.
    build
        Makes a small one.
    style
        Of the prompts.
    """

    name: str
    members: str
    build: Callable[[], PreTrainedTokenizerFast]
    style: Style = "plain"


def _known(tokenizer: Tokenizer, *without: str) -> PreTrainedTokenizerFast:
    names = {f"{name}_token": f"<{name}>" for name in ("pad", "bos", "eos", "unk")}
    kept = {name: text for name, text in names.items() if name not in without}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **kept)


def byte_level(
    *, prefix_space: bool = False, pattern: str | None = None, normalizer: object = None
) -> Tokenizer:
    """Return a byte-level BPE; a pattern says what may merge, by default words with their space."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space, use_regex=pattern is None)
    tokenizer.pre_tokenizer = (
        split
        if pattern is None
        else pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), split])
    )
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=450,
        special_tokens=_SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["\n".join(_SEEN)] * 20, trainer)
    return tokenizer


def sentence_piece(*, byte_fallback: bool = True, normaliser: bool = False) -> Tokenizer:
    """Return a BPE of signs, spaces written as "▁", with bytes for signs never seen or without."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=byte_fallback, fuse_unk=True))
    if normaliser:  # as Llama's
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    special = [*_SPECIAL, *([] if byte_fallback else ["\n"])]
    trainer = trainers.BpeTrainer(vocab_size=250, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(_SEEN, trainer)
    if byte_fallback:
        tokenizer = _with_bytes(tokenizer)
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return tokenizer


def _with_bytes(tokenizer: Tokenizer) -> Tokenizer:
    """Return one that also has a token for every byte; these are ordinary tokens."""
    described = json.loads(tokenizer.to_str())
    vocabulary = described["model"]["vocab"]
    vocabulary |= {byte: len(vocabulary) + number for number, byte in enumerate(_BYTES)}
    return Tokenizer.from_str(json.dumps(described))


def unigram(*, spaces_alike: bool = False) -> Tokenizer:
    """Return a unigram model, as T5's: signs never seen are unknown; all spaces alike, or not."""
    tokenizer = Tokenizer(models.Unigram())
    if spaces_alike:
        tokenizer.normalizer = normalizers.Replace(Regex(r"\s+"), " ")
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    trainer = trainers.UnigramTrainer(
        vocab_size=200,
        special_tokens=_SPECIAL,
        unk_token="<unk>",
        initial_alphabet=["\n"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(_SEEN, trainer)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    return tokenizer


def word_piece() -> Tokenizer:
    """Return BERT's: lower case, words in pieces, white space dropped."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=_SPECIAL, show_progress=False
    )
    tokenizer.train_from_iterator(_SEEN, trainer)
    return tokenizer


def around(tokenizer: Tokenizer, template: str) -> Tokenizer:
    """Return one that puts control tokens around a text."""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[("<bos>", 1), ("<eos>", 2)]
    )
    return tokenizer


TURNS = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}"
_DATED = "{{ 'Today is ' + strftime_now('%d %b %Y') + '\n' }}"
_PLAIN_TURNS = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
_CHANGED = TURNS.replace("m['content']", "m['content'] | upper")


def chatting(template: str | None) -> Callable[[], PreTrainedTokenizerFast]:
    """Return what makes a byte-level tokenizer with a chat template."""

    def build() -> PreTrainedTokenizerFast:
        tokenizer = _known(byte_level())
        tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
        tokenizer.chat_template = template
        return tokenizer

    return build


KINDS = (
    Kind("byte-level BPE", "GPT-2, Pythia, SmolLM2, Qwen", lambda: _known(byte_level())),
    Kind(
        "the same, a space put before a text",
        "BART, OPT",
        lambda: _known(byte_level(prefix_space=True)),
    ),
    Kind(
        "the same, line ends merge with what follows",
        "Llama 3, GPT-4's",
        lambda: _known(byte_level(pattern=r"\n+[A-Z][a-z]+|\s*\S+")),
    ),
    Kind("the same, anything merges", "", lambda: _known(byte_level(pattern=r"(.|\n)+"))),
    Kind("the same, without a token for padding", "GPT-2", lambda: _known(byte_level(), "pad")),
    Kind(
        "the same, no control token has a role",
        "",
        lambda: _known(byte_level(), "pad", "bos", "eos", "unk"),
    ),
    Kind(
        "the same, a token begins a text",
        "Llama 3, Gemma",
        lambda: _known(around(byte_level(), "<bos> $A")),
    ),
    Kind("the same, a token ends a text", "", lambda: _known(around(byte_level(), "$A <eos>"))),
    Kind(
        "the same, tokens around a text", "", lambda: _known(around(byte_level(), "<bos> $A <eos>"))
    ),
    Kind(
        "the same, made lower case",
        "",
        lambda: _known(byte_level(normalizer=normalizers.Lowercase())),
    ),
    Kind(
        "the same, signs made alike (NFKC)",
        "",
        lambda: _known(byte_level(normalizer=normalizers.NFKC())),
    ),
    Kind(
        "SentencePiece's BPE with bytes",
        "Llama 2, Mistral, Gemma",
        lambda: _known(around(sentence_piece(), "<bos> $A")),
    ),
    Kind(
        "the same, its space put by a normaliser",
        "Llama 2, TinyLlama",
        lambda: _known(around(sentence_piece(normaliser=True), "<bos> $A")),
    ),
    Kind("the same without bytes", "", lambda: _known(sentence_piece(byte_fallback=False))),
    Kind("SentencePiece's unigrams", "XGLM", lambda: _known(unigram())),
    Kind("the same, all white space alike", "T5", lambda: _known(unigram(spaces_alike=True))),
    Kind("WordPiece", "BERT", lambda: _known(word_piece())),
    Kind("a chat, turns between control tokens", "Qwen, SmolLM2", chatting(TURNS), "chat"),
    Kind("a chat that takes no system turn", "Gemma", chatting(_NO_SYSTEM + TURNS), "chat"),
    Kind("a chat that names the day", "Llama 3.2", chatting(_DATED + TURNS), "chat"),
    Kind("a chat without control tokens", "Vicuna", chatting(_PLAIN_TURNS), "chat"),
    Kind("a chat that changes what is said", "", chatting(_CHANGED), "chat"),
    Kind("a chat template with a mistake", "", chatting("{% for m in %}"), "chat"),
    Kind("a chat is asked for, no template", "base models", chatting(None), "chat"),
)


def writer_of(kind: Kind, titles: Sequence[str] = TITLES) -> PromptWriter:
    """
    Return what writes prompts with a small tokenizer of a kind.

    Raises
    ------
    RecbenchError
        If the kind is refused.
    """
    ids = np.arange(len(titles), dtype=np.int64)
    data = replace(toy_training_data(), catalogue=Catalogue(ids, tuple(titles), "titles"))
    tokenizer = kind.build()
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    with torch.device("meta"):
        lm = LlamaForCausalLM(config)
    writer = PromptWriter(data, tokenizer, kind.style)
    check_tokens(writer, lm, "a model")
    return writer


def verdict(kind: Kind) -> str:
    """Return in words how a kind can be used."""
    try:
        losses = writer_of(kind).losses
    except RecbenchError as error:
        return f"refused: {error}"
    return "; ".join(["works", *losses.lines()])


HEAD = f"""# Kinds of tokenizers

With which tokenizers a language model can be asked. Made by `python tools/tokenizer_kinds.py` on
small ones, with {len(TITLES)} titles, among them accents, a sign that was never seen, and names of
control tokens, which are text in a title. A tokenizer is tried in the same way before a run trains
anything; what titles lose in it is said and stands in the record.

| kind | for example | with recbench |
| :--- | :--- | :--- |
"""


def page() -> str:
    """Return the table of all kinds."""
    rows = [f"| {one.name} | {one.members} | {_cell(verdict(one))} |" for one in KINDS]
    return HEAD + "\n".join(rows) + "\n"


def _cell(words: str) -> str:
    """Write words so that a table shows them as they are."""
    for sign in "|<>*":
        words = words.replace(sign, f"\\{sign}")
    return words


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}: {len(KINDS)} kinds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
