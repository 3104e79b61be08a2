import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig
from recbench_baselines.ilora import ILoRA, ILoRASettings
from recbench_baselines.tallrec import TALLRec, TALLRecSettings
from recbench_baselines.zero_shot import ZeroShot
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    FalconConfig,
    Gemma3Config,
    GPT2Config,
    LlamaConfig,
    MambaConfig,
    MptConfig,
    OPTConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    RwkvConfig,
    WhisperConfig,
)

from recbench.errors import RecbenchError, UserError
from recbench.llm.checks import check_context, check_tokens, context_of, examine, own_dropout
from recbench.llm.prompts.wording import UNLISTED
from recbench.llm.prompts.writer import MARGIN, PromptWriter
from recbench.llm.settings import LanguageModelSettings, PromptedSettings
from recbench.llm.tuning.adapter import add_adapter
from recbench.recommender import Runtime, TrainingData
from recbench.testing.toy_lm import toy_llm, toy_tokenizer


def outline(rows: int) -> torch.nn.Module:
    config = LlamaConfig(
        **{"vocab_size": rows, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1},
        **{"num_attention_heads": 1, "num_key_value_heads": 1},
    )
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize(
    ("config", "context"),
    [
        (LlamaConfig(max_position_embeddings=77), 77),
        (GPT2Config(n_positions=55), 55),
        (FalconConfig(max_position_embeddings=33), 33),
        (Gemma3Config(text_config={"max_position_embeddings": 44}), 44),
        (FalconConfig(alibi=True), None),
        (BloomConfig(), None),
        (MptConfig(max_seq_len=88), 88),
        (MptConfig(attn_config={"alibi": False}, max_seq_len=99), 99),
        (WhisperConfig(max_target_positions=66), 66),
        (MambaConfig(), None),
        (RwkvConfig(), None),
    ],
)
def test_the_context_by_whatever_name(config: PretrainedConfig, context: int | None) -> None:
    assert context_of(config) == context


@pytest.mark.parametrize("hybrid", [True, False])
def test_the_longest_prompt_is_longer_than_any(data: TrainingData, hybrid: bool) -> None:
    writer = PromptWriter(data, toy_tokenizer())
    longest = writer.longest(5, 8, hybrid=hybrid)
    random = np.random.default_rng(0)
    for _ in range(50):
        items = random.permutation(len(data.catalogue)).astype(np.int32)
        (prompt,) = writer.prompts(items[None, :5], items[None, 5:13], [hybrid])
        assert len(prompt.ids) + writer.lengths[items[5:13]].max() + MARGIN <= longest
    largest = np.argsort(-writer.lengths)[None].astype(np.int32)
    (prompt,) = writer.prompts(largest[:, :5], largest[:, :8], [hybrid])
    assert len(prompt.ids) + writer.lengths.max() + MARGIN == longest


def test_where_no_item_tokens_are_read_none_are_counted(data: TrainingData) -> None:
    writer = PromptWriter(data, toy_tokenizer())
    assert writer.longest(5, 8, hybrid=True) == writer.longest(5, 8, hybrid=False) + 5 + 8


@pytest.mark.parametrize("hybrid", [True, False])
def test_a_prompt_that_does_not_fit_is_refused_with_what_would(
    data: TrainingData, hybrid: bool
) -> None:
    writer, check = PromptWriter(data, toy_tokenizer()), partial(check_context, hybrid=hybrid)
    longest = writer.longest(5, 8, hybrid=hybrid)
    check(writer, LlamaConfig(max_position_embeddings=longest), 5, 8)
    small = LlamaConfig(max_position_embeddings=longest - 30)
    with pytest.raises(UserError, match="--history, --candidates") as refused:
        check(writer, small, 5, 8)
    assert f"may have {longest} tokens" in str(refused.value)
    assert f"reads {small.max_position_embeddings};" in str(refused.value)
    named = int(str(refused.value).rpartition("title_tokens=")[2])
    check(writer.with_titles_of(named), small, 5, 8)
    with pytest.raises(UserError):
        check(writer.with_titles_of(named + 1), small, 5, 8)
    check(writer, small, 4, 5)


def test_a_prompt_without_candidates_is_refused_by_what_it_shows(data: TrainingData) -> None:
    writer = PromptWriter(data, toy_tokenizer(), question=UNLISTED)
    check = partial(check_context, hybrid=False)
    small = LlamaConfig(max_position_embeddings=writer.longest(5, 0, hybrid=False) - 1)
    said = "a prompt of up to 5 items seen, with its answer, .*with --history, or --set title_tok"
    with pytest.raises(UserError, match=said) as refused:
        check(writer, small, 5, 0)
    named = int(str(refused.value).rpartition("title_tokens=")[2])
    check(writer.with_titles_of(named), small, 5, 0)
    check(writer, small, 4, 0)


def test_fewer_titles_are_no_remedy_where_one_is_too_long(data: TrainingData) -> None:
    writer, check = PromptWriter(data, toy_tokenizer()), partial(check_context, hybrid=False)
    small = LlamaConfig(max_position_embeddings=writer.longest(1, 2, hybrid=False) - 1)
    with pytest.raises(UserError) as refused:
        check(writer, small, 5, 8)
    assert "--history" not in str(refused.value)


def test_a_prefix_takes_its_tokens_of_the_context(data: TrainingData) -> None:
    writer, check = PromptWriter(data, toy_tokenizer()), partial(check_context, hybrid=True)
    config = LlamaConfig(max_position_embeddings=writer.longest(5, 8, hybrid=True) + 3)
    check(writer, config, 5, 8, 3)
    said = rf"reads {config.max_position_embeddings}, 4 of them for a prefix; .*a shorter prefix$"
    with pytest.raises(UserError, match=said) as refused:
        check(writer, config, 5, 8, 4)
    named = int(re.findall(r"title_tokens=(\d+)", str(refused.value))[0])
    check(writer.with_titles_of(named), config, 5, 8, 4)
    with pytest.raises(UserError):
        check(writer.with_titles_of(named + 1), config, 5, 8, 4)


def test_no_number_of_tokens_is_named_where_none_helps(data: TrainingData) -> None:
    writer = PromptWriter(data, toy_tokenizer())
    with pytest.raises(UserError) as refused:
        check_context(writer, LlamaConfig(max_position_embeddings=40), 5, 8, hybrid=True)
    assert "title_tokens" not in str(refused.value)


def test_a_tokenizer_larger_than_the_embeddings_is_refused(data: TrainingData) -> None:
    writer = PromptWriter(data, toy_tokenizer())
    check_tokens(writer, outline(259), "x")
    with pytest.raises(UserError, match="has a token 258, but the model's 258 embeddings end at"):
        check_tokens(writer, outline(258), "x")


def test_a_name_that_no_text_becomes_needs_no_embedding(data: TrainingData) -> None:
    tokenizer = toy_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<extra>", "<turn>"]})
    check_tokens(PromptWriter(data, tokenizer), outline(259), "x")
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] + m['content'] + '<turn>' }}{% endfor %}"
    )
    with pytest.raises(UserError, match="has a token 260"):
        check_tokens(PromptWriter(data, tokenizer, "chat"), outline(259), "x")


def test_a_tokenizer_without_line_ends_is_refused(data: TrainingData) -> None:
    words = {word: number for number, word in enumerate(["<unk>", "<eos>", "a", "b"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<eos>")
    with pytest.raises(RecbenchError, match="does not keep line ends"):
        check_tokens(PromptWriter(data, made), outline(10), "x")


@pytest.mark.parametrize("normalizer", [normalizers.Strip(), normalizers.Replace("\n", " ")])
def test_a_tokenizer_that_drops_line_ends_is_refused(
    data: TrainingData, normalizer: normalizers.Normalizer
) -> None:
    """Also where only the last one is lost: an answer would never end."""
    tokenizer = toy_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizer
    with pytest.raises(RecbenchError, match="does not keep line ends"):
        check_tokens(PromptWriter(data, tokenizer), outline(300), "x")


def altered(folder: Path, alter: Callable[[dict], None]) -> Path:
    import json

    path = toy_llm(folder) / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    alter(config)
    path.write_text(json.dumps(config), encoding="utf-8")
    return folder


def test_a_language_model_is_refused_before_its_encoder_is_trained(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = altered(tmp_path / "llm", lambda config: config.update(max_position_embeddings=99))
    model = ILoRA(ILoRASettings.build({"llm": str(folder)}))
    monkeypatch.setattr(model, "_fit_guide", lambda *_: pytest.fail("the encoder was trained"))
    with pytest.raises(UserError, match="the language model reads 99"):
        model.fit(data, Runtime(0, "cpu", tmp_path, tmp_path))


def test_a_prompt_is_measured_as_the_model_reads_it(data: TrainingData, tmp_path: Path) -> None:
    """When it is rehearsed and when it is asked: a text-only one reads no item tokens."""
    writer, history = PromptWriter(data, toy_tokenizer()), data.train.histories.shape[1]
    most = writer.longest(history, 20, hybrid=False)
    folder = altered(tmp_path / "llm", lambda config: config.update(max_position_embeddings=most))
    values, runtime = {"llm": str(folder)}, Runtime(0, "cpu", tmp_path, tmp_path)
    TALLRec(TALLRecSettings.build(values)).rehearse(data, 20, runtime)
    asked = ZeroShot(PromptedSettings.build(values))
    asked.fit(data, runtime)
    asked._check_context(history, 20)
    with pytest.raises(UserError, match=rf"have {most + history + 20} tokens, .* reads {most};"):
        ILoRA(ILoRASettings.build(values)).rehearse(data, 20, runtime)


def test_what_is_found_is_said_and_stands_in_the_record(data: TrainingData, tmp_path: Path) -> None:
    folder, lines = str(toy_llm(tmp_path / "llm")), []
    titles = ("A very long title of a book", *data.catalogue.titles[1:])
    longer = replace(data, catalogue=replace(data.catalogue, titles=titles))
    settings = LanguageModelSettings.build(
        {"llm": folder, "targets": "all-linear", "title_tokens": 20}
    )
    _, found = examine(settings, longer, 20, lines.append, hybrid=False)
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    assert found == {"prompt_style": "plain", "targets": targets, "titles_shortened": 1}
    assert lines == [
        "1 of 40 titles are shortened: 'A very long title of a book' as 'A very long title...'; "
        "an answer names a title by its short form too",
        f"LoRA is on these layers of the language model: {', '.join(targets)}",
    ]
    lines.clear()
    usual = LanguageModelSettings.build({"llm": folder})
    _, found = examine(usual, data, 20, lines.append, hybrid=False)
    assert found == {"prompt_style": "plain", "targets": targets}
    assert lines == []


def test_a_models_own_dropout_is_said_where_it_is_tuned(data: TrainingData, tmp_path: Path) -> None:
    folder, lines = altered(tmp_path / "llm", lambda it: it.update(attention_dropout=0.25)), []
    told = {"llm": str(folder)}
    _, found = examine(LanguageModelSettings.build(told), data, 20, lines.append, hybrid=False)
    assert found["lm_dropout"] == {"attention_dropout": 0.25}
    line = "the language model's own dropout is on while it is tuned: attention_dropout 0.25"
    assert line in lines
    lines.clear()
    _, found = examine(PromptedSettings.build(told), data, 20, lines.append, hybrid=False)
    assert "lm_dropout" not in found
    assert not lines


@pytest.mark.parametrize(
    ("config", "rates"),
    [
        (GPT2Config(), {"resid_pdrop": 0.1, "embd_pdrop": 0.1, "attn_pdrop": 0.1}),
        (OPTConfig(), {"dropout": 0.1}),
        (LlamaConfig(), {}),
        (BloomConfig(hidden_dropout=0.2), {"hidden_dropout": 0.2}),
        (Gemma3Config(text_config={"attention_dropout": 0.3}), {"attention_dropout": 0.3}),
    ],
)
def test_the_dropout_of_a_model_by_whatever_name(
    config: PretrainedConfig, rates: dict[str, float]
) -> None:
    assert own_dropout(config) == rates


def test_the_configuration_of_an_adapter_stands_in_the_record(
    data: TrainingData, tmp_path: Path
) -> None:
    """The settings have the rank of a LoRA that is not there."""
    folder, adapter = toy_llm(tmp_path / "llm"), str(tmp_path / "adapter")
    config = LoraConfig(task_type="CAUSAL_LM", r=3, target_modules=["q_proj"])
    add_adapter(AutoModelForCausalLM.from_pretrained(folder), config).save_pretrained(adapter)
    told = {"llm": str(folder), "adapter": adapter}
    for settings in (LanguageModelSettings.build(told), PromptedSettings.build(told)):
        _, found = examine(settings, data, 20, lambda _: None, hybrid=False)
        assert (found["adapter"]["r"], found["adapter"]["target_modules"]) == (3, ["q_proj"])
        assert str(tmp_path) not in str(found)
