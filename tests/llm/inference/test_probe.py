"""What the probe finds of models that answer wrongly without a word, and of those that cannot."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import (
    IA3Config,
    LoHaConfig,
    LoKrConfig,
    LoraConfig,
    OFTConfig,
    PeftConfig,
    PeftModel,
    TrainableTokensConfig,
    VeraConfig,
    get_peft_model,
)
from transformers import (
    AutoModelForCausalLM,
    BartConfig,
    BloomConfig,
    CTRLConfig,
    GPTNeoConfig,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    Phi3Config,
    PretrainedConfig,
    RwkvConfig,
)

from recbench.errors import RecbenchError, UserError
from recbench.hardware.devices import deterministic
from recbench.llm.inference import trainable
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.probe import probe, randomised, total, trial
from recbench.llm.inference.scoring import Packed
from recbench.llm.prompts.writer import MARGIN, Prompt
from recbench.llm.settings import LanguageModelSettings
from recbench.llm.tolerance import TOLERANCE
from recbench.llm.tuning.adapter import add_adapter, add_lora
from recbench.llm.tuning.gate import InstanceGate
from recbench.llm.weights.backbone import unscaled

Hybrid = Callable[..., HybridLM]
ITEM = 270
PROMPT = Prompt([5, 6, ITEM, 7, *range(20, 40), 8, ITEM, *range(60, 80), 9], [1, 3])
ANSWERS = [[40, 41, 10], [42, 10], [43, 44, 45, 46, 10], [10]]
SMALL = {"vocab_size": 280, "hidden_size": 32, "initializer_range": 0.2}
LLAMA = LlamaConfig(
    **SMALL, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2
)


def hybrid(config: PretrainedConfig, targets: tuple[str, ...], make: Hybrid) -> HybridLM:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        lm = AutoModelForCausalLM.from_config(config)
        model = add_lora(lm, LanguageModelSettings(targets=targets))
        return randomised(make(model))


def found(model: HybridLM) -> dict[str, Any]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        abilities = probe(model, trial(model, PROMPT, ANSWERS), "toy")
    assert abilities.tokens == total(PROMPT, ANSWERS)
    return abilities.model_dump(exclude={"tokens"})


FAST = {
    "batches": True,
    "lists": True,
    "reads": "packed",
    "writes": "cached",
    "together": True,
}


def test_what_attends_to_all_is_read_in_the_fastest_way(
    any_lm: PeftModel, make_hybrid: Hybrid
) -> None:
    assert found(make_hybrid(any_lm)) == FAST


def test_a_backward_pass_is_tried_on_less_than_a_training_keeps(
    any_lm: PeftModel, make_hybrid: Hybrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that every layer computes is kept for it: of three whole rows that would be the peak."""
    kept: list[int] = []
    real = trainable.log_likelihoods

    def noted(model: HybridLM, packed: Packed) -> torch.Tensor:
        if torch.is_grad_enabled():
            kept.append(packed.ids.numel())
        return real(model, packed)

    monkeypatch.setattr(trainable, "log_likelihoods", noted)
    found(make_hybrid(any_lm))
    assert len(kept) == 1
    assert len(PROMPT.ids) < kept[0] < 1.5 * len(PROMPT.ids)


@pytest.mark.parametrize(
    ("config", "targets"),
    [
        (
            MistralConfig(
                **SMALL,
                intermediate_size=48,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                sliding_window=16,
            ),
            ("q_proj", "v_proj"),
        ),
        (
            GPTNeoConfig(
                **SMALL,
                num_layers=2,
                num_heads=4,
                intermediate_size=48,
                attention_types=[[["global", "local"], 1]],
                window_size=16,
            ),
            ("q_proj", "v_proj"),
        ),
        (BloomConfig(**SMALL, n_layer=2, n_head=4), ("query_key_value",)),
    ],
    ids=["window", "local attention", "alibi"],
)
def test_where_many_answers_as_one_sequence_are_wrong_they_are_read_apart(
    config: PretrainedConfig, targets: tuple[str, ...], make_hybrid: Hybrid
) -> None:
    slower = {**FAST, "lists": False, "reads": "stepped"}
    assert found(hybrid(config, targets, make_hybrid)) == slower


def test_a_swallowed_cache_is_not_used(make_hybrid: Hybrid) -> None:
    config = MambaConfig(**SMALL, num_hidden_layers=2, state_size=8)
    slowest = {**FAST, "lists": False, "reads": "plain", "writes": "plain"}
    assert found(hybrid(config, ("in_proj",), make_hybrid)) == slowest


LONG = Phi3Config(
    **{**SMALL, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4},
    **{"num_key_value_heads": 2, "max_position_embeddings": 400, "pad_token_id": 0},
    original_max_position_embeddings=(BORDER := total(PROMPT, ANSWERS)),
    rope_parameters={
        **{"rope_type": "longrope", "rope_theta": 1e4},
        **{"short_factor": [1.0] * 4, "long_factor": [4.0] * 4},
    },
)


@pytest.mark.parametrize("border", [BORDER, BORDER + MARGIN])
def test_where_a_text_may_come_to_other_angles_nothing_stands_beside_it(
    border: int, make_hybrid: Hybrid
) -> None:
    """What was tried lies on one side of the border: prompts to come may cross it."""
    LONG.rope_parameters["original_max_position_embeddings"] = border
    LONG.original_max_position_embeddings = border
    apart = {"batches": False, "lists": False, "together": False}
    plain = {**apart, "reads": "plain", "writes": "plain"}
    crosses = border == BORDER
    assert found(hybrid(LONG, ("qkv_proj",), make_hybrid)) == (plain if crosses else FAST)


@pytest.mark.parametrize("part", ["item vectors", "gate"])
def test_what_is_learnt_beside_an_adapter_has_a_say(part: str, make_hybrid: Hybrid) -> None:
    model = hybrid(LLAMA, ("q_proj", "v_proj"), make_hybrid)
    assert model.projector is not None
    if part == "gate":
        model.gate.network.register_forward_hook(lambda _, __, out: out * 0)
    else:
        model.projector.register_forward_hook(lambda _, __, out: out * 0)
    with pytest.raises(UserError, match=f"answers without its {part}, which would learn nothing"):
        found(model)


def test_an_adapter_whose_gradient_is_zero_learns_nothing(make_hybrid: Hybrid) -> None:
    """As of LoRA behind tokens that are not there (aLoRA)."""
    model = hybrid(LLAMA, ("q_proj", "v_proj"), make_hybrid)
    for name, module in model.lm.named_modules():
        if name.endswith("v_proj.lora_A.default"):
            module.register_forward_hook(lambda _, __, out: out * 0)
    with pytest.raises(UserError, match=r"without v_proj: .*--set targets=q_proj, "):
        found(model)


BART = BartConfig(
    vocab_size=280,
    d_model=32,
    decoder_layers=1,
    decoder_attention_heads=4,
    decoder_ffn_dim=48,
    init_std=0.2,
    is_decoder=True,
    is_encoder_decoder=False,
)


@pytest.mark.parametrize(
    ("targets", "remedy"),
    [
        (("q_proj", "fc1"), r"targets=fc1, or these .*, or --set targets=all-linear, which leaves"),
        (("q_proj", "v_proj"), r"take --set targets=all-linear, which leaves out"),
    ],
)
def test_attention_to_another_text_is_left_out_by_all_linear(
    targets: tuple[str, ...], remedy: str, make_hybrid: Hybrid
) -> None:
    """Its layers have the names of those that a text alone passes."""
    with pytest.raises(UserError, match=remedy):
        found(hybrid(BART, targets, make_hybrid))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        lm = AutoModelForCausalLM.from_config(BART)
    found(randomised(make_hybrid(add_lora(lm, LanguageModelSettings(targets=("all-linear",))))))


def test_words_that_no_prompt_has_may_be_learnt(make_hybrid: Hybrid) -> None:
    lm = AutoModelForCausalLM.from_config(LLAMA)
    config = TrainableTokensConfig(token_indices=[200, 201])
    model = randomised(make_hybrid(add_adapter(lm, config), gated=False))
    assert found(model) == FAST


def altered(model: HybridLM, change: Callable[[dict[str, Any]], None]) -> HybridLM:
    """Let `change` have a hand in all that the language model is given."""
    body = model.lm.get_base_model()
    real = body.forward

    def forward(
        input_ids: Any = None,
        inputs_embeds: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        **more: Any,
    ) -> Any:
        given = {"input_ids": input_ids, "inputs_embeds": inputs_embeds, **more}
        given |= {"attention_mask": attention_mask, "position_ids": position_ids}
        change(given)
        return real(**given)

    body.forward = forward
    return model


def forgets_the_cache(given: dict[str, Any]) -> None:
    given["past_key_values"] = None
    if given["attention_mask"] is not None and given["input_ids"] is not None:
        given["attention_mask"] = given["attention_mask"][:, -given["input_ids"].shape[1] :]


def looks_ahead(given: dict[str, Any]) -> None:
    vectors = given["inputs_embeds"]
    if vectors is not None and vectors.shape[1] > 1:
        given["inputs_embeds"] = vectors + vectors.flip(1)


def takes_no_vectors(given: dict[str, Any]) -> None:
    if given["inputs_embeds"] is not None:
        given["inputs_embeds"] = given["inputs_embeds"] * 2


def forgets_positions(given: dict[str, Any]) -> None:
    given["position_ids"] = None


def counts_by_twos(given: dict[str, Any]) -> None:
    """In steps of two, by itself; told a position, it takes that (RoBERTa counts from two)."""
    if given["position_ids"] is None:
        vectors = given["inputs_embeds"]
        tokens = given["input_ids"] if vectors is None else vectors
        given["position_ids"] = 2 * torch.arange(tokens.shape[1])[None]


def cannot_be_padded(given: dict[str, Any]) -> None:
    mask = given["attention_mask"]
    if mask is not None and mask.dim() == 2 and not mask.all():
        raise NotImplementedError


def test_a_cache_that_is_forgotten_is_found_out(any_lm: PeftModel, make_hybrid: Hybrid) -> None:
    model = altered(randomised(make_hybrid(any_lm)), forgets_the_cache)
    assert found(model) == {**FAST, "reads": "plain", "writes": "plain"}


def test_a_leak_that_is_smaller_than_rounding_is_found_out(
    any_lm: PeftModel, make_hybrid: Hybrid
) -> None:
    """A token sees a trace of the one that stands before it, as in a convolution."""
    model = randomised(make_hybrid(any_lm))

    def leak(_: torch.nn.Module, __: Any, hidden: torch.Tensor) -> torch.Tensor:
        return hidden + 6e-4 * torch.nn.functional.pad(hidden, (0, 0, 1, 0))[:, :-1]

    any_lm.get_input_embeddings().register_forward_hook(leak)
    ways = found(model)
    assert ways["reads"] != "packed"
    assert not ways["lists"]


def test_positions_that_are_ignored_are_found_out(any_lm: PeftModel, make_hybrid: Hybrid) -> None:
    """Then many answers do not count on from the prompt's end."""
    model = altered(randomised(make_hybrid(any_lm)), forgets_positions)
    assert not found(model)["lists"]


def test_what_cannot_be_padded_is_read_and_trained_alone(
    any_lm: PeftModel, make_hybrid: Hybrid
) -> None:
    model = altered(randomised(make_hybrid(any_lm)), cannot_be_padded)
    assert found(model) == {**FAST, "batches": False, "together": False}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (looks_ahead, "depends on those behind it"),
        (takes_no_vectors, "than vectors in their place"),
        (counts_by_twos, "no way of reading it gives the numbers of plain text"),
    ],
)
def test_what_no_way_of_reading_is_right_for_is_refused(
    any_lm: PeftModel,
    make_hybrid: Hybrid,
    change: Callable[[dict[str, Any]], None],
    why: str,
) -> None:
    model = altered(randomised(make_hybrid(any_lm)), change)
    with pytest.raises(UserError, match=why):
        found(model)


def fails(_: dict[str, Any]) -> None:
    raise ValueError("You have to specify input_ids\nand more")


def test_what_fails_at_plain_text_is_refused_in_a_line(
    any_lm: PeftModel, make_hybrid: Hybrid
) -> None:
    """As BLT does without ids, and MPT beyond its table of distances."""
    model = altered(randomised(make_hybrid(any_lm)), fails)
    said = r"fails at plain text .*\(ValueError: You have to specify input_ids\); choose another"
    with pytest.raises(UserError, match=said) as refused:
        found(model)
    assert "\n" not in str(refused.value)


def test_what_scales_its_input_in_place_is_no_less_causal(make_hybrid: Hybrid) -> None:
    config = CTRLConfig(vocab_size=280, n_positions=256, n_embd=32, dff=48, n_layer=2, n_head=4)
    found(hybrid(config, ("Wq", "Wv"), make_hybrid))


RWKV: dict[str, Any] = {
    **{"vocab_size": 280, "hidden_size": 32, "attention_hidden_size": 32, "intermediate_size": 48},
    **{"num_hidden_layers": 4, "rescale_every": 2},
}


def test_what_is_another_function_in_training_is_not_tuned(make_hybrid: Hybrid) -> None:
    model = hybrid(RwkvConfig(**RWKV), ("output", "value"), make_hybrid)
    with pytest.raises(UserError, match="in training it computes other numbers than when it is"):
        found(model)
    found(hybrid(unscaled(RwkvConfig(**RWKV)), ("output", "value"), make_hybrid))


def test_it_is_asked_though_it_is_not_tuned(make_hybrid: Hybrid) -> None:
    model = hybrid(RwkvConfig(**RWKV), ("output", "value"), make_hybrid)
    model.requires_grad_(False)
    assert found(model)["reads"] == "plain"


def test_what_is_other_in_training_by_design_is_tuned(make_hybrid: Hybrid) -> None:
    """Dropout of attention and of LoRA, a gate's batch statistics, and noise."""
    config = LlamaConfig(**LLAMA.to_dict() | {"attention_dropout": 0.5})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        lm = AutoModelForCausalLM.from_config(config)
        lora = add_lora(lm, LanguageModelSettings(dropout=0.5, targets=("q_proj", "v_proj")))
        projector = make_hybrid(lora, gated=False).projector
        gate = InstanceGate(8, (2, 2, 2, 2), "resnet")
        model = randomised(HybridLM(lora, ITEM, projector, gate))
    assert found(model) == FAST
    lora.get_output_embeddings().register_forward_pre_hook(
        lambda head, given: (given[0] + head.training * torch.randn_like(given[0]),)
    )
    assert found(model) == FAST


def test_weights_that_are_no_numbers_are_named(any_lm: PeftModel, make_hybrid: Hybrid) -> None:
    model = randomised(make_hybrid(any_lm))
    with torch.no_grad():
        model.lm.get_input_embeddings().weight.fill_(torch.nan)
    with pytest.raises(UserError, match=r"answers NaN.*download it again"):
        found(model)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize(
    "adapter",
    [
        LoraConfig(r=8, target_modules=["in_proj", "dt_proj"]),
        IA3Config(target_modules=["in_proj", "dt_proj"], feedforward_modules=[]),
        LoHaConfig(r=2, target_modules=["in_proj", "dt_proj"]),
    ],
    ids=["LoRA", "IA3", "LoHa"],
)
def test_a_layer_that_answers_do_not_pass_through_is_named(
    adapter: PeftConfig, make_hybrid: Hybrid
) -> None:
    config = MambaConfig(**SMALL, num_hidden_layers=2, state_size=8)
    lm = AutoModelForCausalLM.from_config(config)
    model = randomised(make_hybrid(get_peft_model(lm, adapter), gated=False))
    with pytest.raises(UserError, match=r"without dt_proj:.*--set targets=in_proj, or these as"):
        found(model)


def test_what_fails_in_the_backward_pass_is_refused(any_lm: PeftModel, make_hybrid: Hybrid) -> None:
    class NoWayBack(torch.autograd.Function):
        @staticmethod
        def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(_: Any, __: torch.Tensor) -> torch.Tensor:
            raise NotImplementedError("no way back")

    model = randomised(make_hybrid(any_lm))
    any_lm.get_output_embeddings().register_forward_pre_hook(
        lambda _, given: (NoWayBack.apply(given[0]),)
    )
    with pytest.raises(UserError, match=r"cannot be tuned \(NotImplementedError: no way back"):
        found(model)


@pytest.mark.parametrize("when", ["at first", "reading", "training"])
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] . DefaultCPUAllocator: can't allocate memory: you tried ..."),
        RuntimeError("std::bad_alloc"),
        MemoryError(),
    ],
    ids=["GPU", "CPU", "C++", "Python"],
)
def test_too_little_memory_is_not_taken_for_a_lack_of_ability(
    make_hybrid: Hybrid, error: Exception, when: str
) -> None:
    """Else a model would be read slowly ever after, or called one that cannot be tuned."""
    model = hybrid(LLAMA, ("q_proj", "v_proj"), make_hybrid)

    def computes(*_: Any) -> None:
        full = {"at first": True, "reading": len(seen) > 8, "training": torch.is_grad_enabled()}
        if full[when]:
            raise error
        seen.append(1)

    seen: list[int] = []
    model.lm.get_base_model().register_forward_pre_hook(computes)
    with pytest.raises(type(error)) as caught:
        found(model)
    assert caught.value is error


def test_what_has_no_deterministic_form_is_not_laid_to_the_model(make_hybrid: Hybrid) -> None:
    model = hybrid(LLAMA, ("q_proj", "v_proj"), make_hybrid)

    def puts(*_: Any) -> None:
        torch.zeros(3).put_(torch.tensor([1]), torch.tensor([2.0]))

    model.lm.get_base_model().register_forward_pre_hook(puts)
    with (
        pytest.raises(RecbenchError, match="leave out --deterministic"),
        deterministic(asked=True),
    ):
        found(model)
    assert found(model)["reads"] == "packed"


OTHERS: dict[str, PeftConfig] = {
    "LoRA": LoraConfig(r=2, target_modules=["q_proj"]),
    "DoRA": LoraConfig(r=2, use_dora=True, target_modules=["q_proj"]),
    "IA3": IA3Config(target_modules=["v_proj"], feedforward_modules=[]),
    "LoHa": LoHaConfig(r=2, target_modules=["q_proj"]),
    "LoKr": LoKrConfig(r=2, target_modules=["q_proj"]),
    "VeRA": VeraConfig(r=2, target_modules=["q_proj"]),
    "OFT": OFTConfig(r=0, oft_block_size=4, target_modules=["q_proj"]),
}


@pytest.mark.filterwarnings("ignore")  # what peft says while it makes one
@pytest.mark.parametrize("kind", OTHERS)
def test_an_adapter_of_any_kind_can_be_seen_while_a_model_is_tried(
    kind: str, make_hybrid: Hybrid
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        lm = AutoModelForCausalLM.from_config(LLAMA)
        model = randomised(make_hybrid(get_peft_model(lm, OTHERS[kind]), gated=False))
    ids = torch.tensor([PROMPT.ids]) % 260
    with torch.no_grad():
        own = model.lm.eval()(input_ids=ids).logits.log_softmax(-1)
        with model.lm.disable_adapter():
            plain = model.lm(input_ids=ids).logits.log_softmax(-1)
    assert own.isfinite().all()
    assert (own - plain).abs().max() > 10 * TOLERANCE[torch.float32]


def test_what_an_adapter_has_learnt_is_tried_as_it_is(make_hybrid: Hybrid) -> None:
    model = hybrid(LLAMA, ("q_proj", "v_proj"), make_hybrid)
    model.lm.requires_grad_(False)
    before = {name: weight.clone() for name, weight in model.lm.named_parameters()}
    randomised(model)
    assert all(torch.equal(weight, before[n]) for n, weight in model.lm.named_parameters())
