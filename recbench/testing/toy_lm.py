"""A toy language model and a toy text encoder for tests: random weights, written to a folder."""

import json
import string
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)


def toy_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer with one token a byte, and ``<pad>``, ``<bos>``, ``<eos>``."""
    special = ["<pad>", "<bos>", "<eos>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(special + alphabet)}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>"
    )


def toy_llm(folder: Path) -> Path:
    """
    Write a Llama with random weights (width 32, two layers) and its tokenizer into `folder`.

    Returns
    -------
    Path
        The folder, to be given as ``llm``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=264,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=2048,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=True,
        initializer_range=0.2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = LlamaForCausalLM(config)
    (folder / "config.json").write_text(config.to_json_string(), encoding="utf-8")
    tensors = {n: t for n, t in model.state_dict().items() if n != "lm_head.weight"}  # tied
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    toy_tokenizer().save_pretrained(folder)
    return folder


def toy_text_encoder(folder: Path) -> Path:
    """
    Write a BERT with random weights (width 32, two layers) and its tokenizer into `folder`.

    The tokenizer knows letters and digits alone, and is uncased. Texts are pooled by their mean and
    made of length 1, as sentence-transformers writes it down.

    Returns
    -------
    Path
        The folder, to be given as ``text_encoder``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = BertConfig(
        architectures=["BertModel"],
        vocab_size=80,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        initializer_range=0.2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = BertModel(config)
    (folder / "config.json").write_text(config.to_json_string(), encoding="utf-8")
    save_file(model.state_dict(), folder / "model.safetensors", {"format": "pt"})
    signs = string.ascii_lowercase + string.digits
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *signs, *(f"##{one}" for one in signs)]
    vocabulary = {word: number for number, word in enumerate(words)}
    BertTokenizerFast(vocab=vocabulary, model_max_length=64).save_pretrained(folder)
    modules = [{"type": kind, "path": path} for kind, path in _PARTS]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (folder / "1_Pooling").mkdir(exist_ok=True)
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    return folder


_PARTS = (
    ("sentence_transformers.models.Transformer", ""),
    ("sentence_transformers.models.Pooling", "1_Pooling"),
    ("sentence_transformers.models.Normalize", "2_Normalize"),
)
