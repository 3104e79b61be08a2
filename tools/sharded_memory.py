r"""
Measure what memory each process takes that tunes a large language model, whole or sharded.

A Llama with random weights is written to FOLDER, once. Every process loads it as a run would, adds
LoRA, and makes one forward and one backward pass over 32 tokens; the main one says the most memory
(resident set, Linux) that each had while it loaded and in the step:

    python -m torch.distributed.run --nproc_per_node 2 tools/sharded_memory.py FOLDER
    ACCELERATE_USE_FSDP=true python -m torch.distributed.run --nproc_per_node 2 \
        tools/sharded_memory.py FOLDER
"""

import json
import re
from pathlib import Path

import torch
import typer
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from recbench.hardware.launched import launched
from recbench.llm.settings import LanguageModelSettings
from recbench.llm.tuning.adapter import add_lora
from recbench.llm.weights.backbone import load_backbone
from recbench.llm.weights.sharded import shard
from recbench.processes import Sharding
from recbench.testing.toy_lm import toy_tokenizer

LAYERS, WIDTH = 28, 1024


def write(folder: Path) -> None:
    """Write the model, of 1.5 GB."""
    config = LlamaConfig(
        **{"architectures": ["LlamaForCausalLM"], "vocab_size": 264, "hidden_size": WIDTH},
        **{"intermediate_size": 3 * WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 8},
    )
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config.to_json_string(), encoding="utf-8")
    weights = LlamaForCausalLM(config).state_dict()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    toy_tokenizer().save_pretrained(folder)


def peak() -> float:
    """Return the most resident memory since the last call, in MiB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    Path("/proc/self/clear_refs").write_text("5")  # begins to measure anew
    return int(found[1]) / 1024


def main(folder: Path) -> None:
    """Measure."""
    processes = launched()
    with processes.main_first():
        if not folder.exists():
            write(folder)
            peak()
    before = peak()
    lm, _ = load_backbone(str(folder), "cpu")
    weights = list(lm.parameters())
    tuned = add_lora(lm, LanguageModelSettings())
    if isinstance(processes, Sharding):
        shard(lm, weights, processes, "cpu")
    loading = peak()
    tuned(torch.arange(32)[None], use_cache=False).logits.mean().backward()
    told = {"before": before, "loading": loading, "step": peak()}
    for rank, one in enumerate(processes.of_all(json.dumps(told).encode())):
        figures = json.loads(one).items()
        said = ", ".join(f"{name} {size:.0f} MiB" for name, size in figures)
        if processes.is_main:
            print(f"process {rank}: {said}")


if __name__ == "__main__":
    typer.run(main)
