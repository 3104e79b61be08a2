"""A training step of a language model with random weights: how fast, and what the gate costs."""

from dataclasses import dataclass
from typing import Any

import torch
from timing import Work, interleaved, peak_memory
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig

from recbench.hardware.memory import free_memory
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.scoring import Packed, log_likelihoods, pack
from recbench.llm.prompts.writer import Prompt
from recbench.llm.settings import LanguageModelSettings
from recbench.llm.tuning.adapter import add_lora
from recbench.llm.tuning.gate import InstanceGate, equal_ranks
from recbench.llm.tuning.narrow_scale import scale_where_narrow
from recbench.neural.precision import Precision, computing

RANK, EXPERTS, USERS = 8, 4, 64


@dataclass(frozen=True)
class Shape:
    """Of a language model, and of a micro-batch: rows, tokens of a prompt, of an answer."""

    config: LlamaConfig
    rows: int
    tokens: int = 300
    answer: int = 8


def shapes(small: bool) -> dict[str, Shape]:
    """Return what is measured: the sizes that the names say, or toys in their proportions."""
    if small:
        toy = LlamaConfig(
            vocab_size=512, hidden_size=32, intermediate_size=86, num_hidden_layers=2,
            num_attention_heads=4,
        )  # fmt: skip
        return {"toy": Shape(toy, rows=2, tokens=40)}
    llama = LlamaConfig(
        vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32,
        num_attention_heads=32,
    )  # fmt: skip
    smollm = LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
        num_attention_heads=9, num_key_value_heads=3, tie_word_embeddings=True,
    )  # fmt: skip
    return {"llama2-7b": Shape(llama, rows=8), "smollm2-135m": Shape(smollm, rows=32)}


def measure(
    shape: Shape, device: torch.device, precision: Precision, peak: float
) -> dict[str, Any]:
    """
    Time a step of stock LoRA and of iLoRA on one model, in turn.

    Both have all linear layers and one rank; a step is forward, backward and AdamW.

    Parameters
    ----------
    shape
        Where a GPU has not the memory for all layers, it is measured with fewer, which is said.
    peak
        Operations a second of a large matrix product on the device, in the same precision.

    Returns
    -------
    dict
        Of a step: seconds, tokens a second, share of `peak`, peak memory; and iLoRA over LoRA.
    """
    layers = _fit_layers(shape.config, device, precision)
    config = LlamaConfig(**{**shape.config.to_diff_dict(), "num_hidden_layers": layers})
    model, gate = _model(config, device, precision)
    packed = _batch(shape, device)
    works = {name: _step(model, gate, name, packed, precision) for name in ("lora", "ilora")}
    taken = interleaved(works, device, rounds=7)
    memory = {name: peak_memory(work, device) for name, work in works.items()}
    operations, tokens = _operations(model, packed), int((packed.segments >= 0).sum())
    return {
        "layers": layers,
        "layers_of_the_real_model": shape.config.num_hidden_layers,
        "rows": shape.rows,
        "tokens": tokens,
        "seconds": taken,
        "tokens_a_second": {name: tokens / value for name, value in taken.items()},
        "share_of_peak": {name: operations / value / peak for name, value in taken.items()},
        "peak_memory": memory,
        "ilora_over_lora": taken["ilora"] / taken["lora"],
    }


def _fit_layers(config: LlamaConfig, device: torch.device, precision: Precision) -> int:
    """Return how many layers' weights fill at most a third of a GPU's free memory."""
    if device.type != "cuda":
        return config.num_hidden_layers
    width, inner = config.hidden_size, config.intermediate_size
    layer = (4 * width**2 + 3 * width * inner) * precision.weights.itemsize
    return max(1, min(config.num_hidden_layers, free_memory(device) // 3 // layer))


def _model(
    config: LlamaConfig, device: torch.device, precision: Precision
) -> tuple[HybridLM, InstanceGate]:
    """Make a model with two adapters, of which a gate weighs the one that is called "ilora"."""
    torch.manual_seed(0)
    with torch.device(device):
        lm = AutoModelForCausalLM.from_config(config, dtype=precision.weights)
    settings = LanguageModelSettings(rank=RANK)
    lm = add_lora(lm, settings)
    lm.add_adapter("ilora", lm.peft_config["default"])
    scale_where_narrow(lm, "ilora")
    gate = InstanceGate(USERS, equal_ranks(RANK, EXPERTS))
    gate.attach(lm, "ilora")
    return HybridLM(lm, config.vocab_size).to(device).train(), gate.to(device)


def _batch(shape: Shape, device: torch.device) -> Packed:
    random = torch.Generator().manual_seed(0)

    def text(length: int) -> list[int]:
        drawn: list[int] = torch.randint(
            shape.config.vocab_size, (length,), generator=random
        ).tolist()
        return drawn

    prompts = [Prompt(text(shape.tokens), []) for _ in range(shape.rows)]
    return pack(prompts, [[text(shape.answer)] for _ in prompts], device)


def _step(
    model: HybridLM, gate: InstanceGate, name: str, packed: Packed, precision: Precision
) -> Work:
    """Return one optimizer step with one of the two adapters."""
    adapter = "ilora" if name == "ilora" else "default"
    model.lm.set_adapter(adapter)
    trained = [p for p in model.parameters() if p.requires_grad]
    trained += list(gate.parameters()) if name == "ilora" else []
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    users = torch.randn(packed.shape[0], USERS, device=model.device)

    def work() -> None:
        model.lm.set_adapter(adapter)
        with computing(precision, model.device):
            if name == "ilora":
                gate.hold(users)
            loss: Tensor = -log_likelihoods(model, packed).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        gate.release()

    return work


def _operations(model: HybridLM, packed: Packed) -> int:
    """
    Return the operations of a step's frozen matrices, forward and backward to their inputs.

    Four a weight and token; the output head's on the places that are read alone. Attention scores
    and LoRA are left out, so the share of the peak is understated.
    """
    head = model.lm.get_output_embeddings().weight
    layers = sum(
        p.numel() for n, p in model.named_parameters() if "base_layer.weight" in n and p.dim() == 2
    )
    tokens, places = int((packed.segments >= 0).sum()), int(packed.reads.sum())
    return 4 * (layers * tokens + head.numel() * places)
