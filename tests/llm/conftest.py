from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    GemmaConfig,
    GPT2Config,
    LlamaConfig,
    PretrainedConfig,
    Qwen2Config,
)

from recbench.llm.inference.hybrid import HybridLM, ItemProjector
from recbench.llm.prompts.writer import PromptWriter
from recbench.llm.settings import ALL_LINEAR, LanguageModelSettings
from recbench.llm.tuning.adapter import add_lora
from recbench.llm.tuning.gate import InstanceGate
from recbench.llm.weights.backbone import load_backbone
from recbench.recommender import Runtime, TrainingData
from recbench.testing.toy import toy_training_data
from recbench.testing.toy_lm import toy_llm

_SMALL = {
    "vocab_size": 280,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
}
ARCHITECTURES: dict[str, tuple[PretrainedConfig, tuple[str, ...]]] = {
    "llama": (LlamaConfig(**_SMALL), ALL_LINEAR),
    "qwen2": (Qwen2Config(**_SMALL), ALL_LINEAR),
    "gemma": (GemmaConfig(**_SMALL, head_dim=8), ALL_LINEAR),
    "gpt2": (
        GPT2Config(vocab_size=280, n_embd=32, n_layer=2, n_head=4, initializer_range=0.2),
        ("c_attn", "c_proj", "c_fc"),
    ),
}


def random_lora(model: torch.nn.Module) -> None:
    """B starts at zero, where no gate can be seen."""
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    """A quiet one, with folders of its own."""
    for name in ("run", "cache"):
        (tmp_path / name).mkdir()
    return Runtime(0, "cpu", tmp_path / "run", tmp_path / "cache")


@pytest.fixture(params=sorted(ARCHITECTURES))
def any_lm(request: pytest.FixtureRequest) -> PeftModel:
    """A small random model of each architecture, with random LoRA of rank 8, in evaluation mode."""
    config, targets = ARCHITECTURES[request.param]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        lm = AutoModelForCausalLM.from_config(config)
        model = add_lora(lm, LanguageModelSettings(dropout=0.0, targets=targets))
        random_lora(model)
    return model.eval()


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_llm(tmp_path_factory.mktemp("toy") / "llm")


@pytest.fixture(scope="session")
def data() -> TrainingData:
    return toy_training_data()


@pytest.fixture
def toy_lora(toy_folder: Path, data: TrainingData) -> tuple[PeftModel, PromptWriter]:
    lm, tokenizer = load_backbone(str(toy_folder), "cpu")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = add_lora(lm, LanguageModelSettings(dropout=0.0))
        random_lora(model)
    return model.eval(), PromptWriter(data, tokenizer)


class Projection(torch.nn.Module):
    """One linear layer, to be gated."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


@pytest.fixture
def projection() -> PeftModel:
    """Rank 8, alpha 32, float64."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = get_peft_model(
            Projection(), LoraConfig(r=8, lora_alpha=32, target_modules=["layer"])
        ).double()
        random_lora(model)
    return model.eval()


@pytest.fixture
def make_hybrid() -> Callable[..., HybridLM]:
    """Wrap a model of width 32: four item vectors at token 270, a gate on users of size 2."""

    def make(lm: PeftModel, *, gated: bool = True) -> HybridLM:
        with torch.random.fork_rng():
            torch.manual_seed(5)
            projector = ItemProjector(torch.randn(4, 6).numpy(), 32, (torch.zeros(32), 0.2))
            gate = InstanceGate(2, (2, 2, 2, 2)) if gated else None
        return HybridLM(lm, 270, projector, gate).eval()

    return make
