"""How many rows fit, by hand; and what is done where they did not."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import (
    CONFIG_MAPPING,
    GPT2Config,
    LlamaConfig,
    PretrainedConfig,
    Qwen2Config,
)

from recbench.errors import RecbenchError
from recbench.hardware.memory import free_memory
from recbench.llm.inference.batching import bytes_a_row, in_batches, rows_at_once, rows_that_fit
from recbench.neural.precision import FLOAT32, Precision

HALF = Precision("bfloat16", torch.bfloat16, torch.bfloat16)
GiB = 1 << 30
LLAMA = LlamaConfig(  # Llama2-7B
    vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32
)
QWEN = Qwen2Config(  # Qwen2.5-0.5B: 14 heads of 64, 2 of them keys and values
    vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24,
    num_attention_heads=14, num_key_value_heads=2,
)  # fmt: skip
SMOLLM = LlamaConfig(  # SmolLM2-135M
    vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
    num_attention_heads=9, num_key_value_heads=3,
)  # fmt: skip
GPT2 = GPT2Config()  # 124M: width 768, 12 layers, no inner width named


@pytest.mark.parametrize(
    ("config", "tokens", "places", "kind", "precision", "expected"),
    [
        # 300 tokens x 32 layers x 24 x (4096 + 11008), and 10 places x 32000 x 12
        (LLAMA, 300, 10, "training", HALF, 3_479_961_600 + 3_840_000),
        # 300 x (32 layers x 2 bytes x 4096, and 24 x (4096 + 11008) of one)
        (LLAMA, 300, 10, "checkpointing", HALF, 187_392_000 + 3_840_000),
        # 500 x (2 x 32 layers x 2 bytes x 8192 of keys and values, and one layer), 200 x 32000 x 8,
        # and a mask of 500 x 500 x 6
        (LLAMA, 500, 200, "reading", HALF, 705_536_000 + 51_200_000 + 1_500_000),
        # 500 x (2 x 24 x 2 x 256, and 24 x (896 + 4864)), 200 x 151936 x 8: the logits are the most
        (QWEN, 500, 200, "reading", HALF, 81_408_000 + 243_097_600 + 1_500_000),
        # 260 x 30 x 34 x (576 + 1536), 12 x 49152 x 12
        (SMOLLM, 260, 12, "training", FLOAT32, 560_102_400 + 7_077_888),
        # 100 x 12 x 24 x (768 + 4 x 768), 5 x 50257 x 12
        (GPT2, 100, 5, "training", HALF, 110_592_000 + 3_015_420),
    ],
)
def test_a_row_is_counted(
    config: PretrainedConfig, tokens, places, kind, precision, expected
) -> None:
    assert bytes_a_row(config, tokens, places, kind, precision) == expected


@pytest.mark.parametrize(
    "kind",
    [
        *("mamba", "mamba2", "falcon", "mpt", "bloom", "opt", "gpt_neo", "openelm", "jamba"),
        *("falcon_mamba", "rwkv", "recurrent_gemma", "bamba", "lfm2", "qwen3_next", "gpt_oss"),
        *("gemma3_text", "gemma3n_text", "gemma4_text", "nemotron_h", "mixtral", "qwen3_moe"),
    ],
)
def test_a_row_of_any_family_can_be_counted(kind: str) -> None:
    """Some have no heads, other names, or other numbers in every layer."""
    if kind not in CONFIG_MAPPING:
        pytest.skip("this transformers does not know it")
    config = CONFIG_MAPPING[kind]()
    rows = [bytes_a_row(config, n, 10, "reading", HALF) for n in (100, 200)]
    assert 0 < rows[0] < rows[1]
    on_a_cpu = [rows_at_once(config, n, 10, torch.device("cpu"), "training", HALF) for n in (9, 99)]
    assert on_a_cpu[0] >= on_a_cpu[1] >= 1


@pytest.mark.parametrize(
    ("free", "row", "expected"),
    [
        (66 * GiB, 3_483_801_600, 14),  # an H100 with Llama2-7B in bfloat16 on it, training
        (66 * GiB, 191_232_000, 128),  # the same with checkpointing: 259, but 128 are enough
        (22 * GiB, 326_005_600, 50),  # 24 GiB with Qwen2.5-0.5B, reading; 128 x 244 MB were 29 GiB
        (7 * GiB, 567_180_288, 9),  # 8 GiB with SmolLM2, training in float32
        (2 * GiB, 3_483_801_600, 1),  # it does not fit, and one row at a time is tried
        (0, 191_232_000, 1),
    ],
)
def test_seven_tenths_of_what_is_free_are_filled(free: int, row: int, expected: int) -> None:
    assert rows_that_fit(free, row) == expected


def test_memory_that_torch_keeps_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 10 GiB reserved 4 are in use: with the driver's 1 there are 7."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1 * GiB, 16 * GiB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 10 * GiB)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 4 * GiB)
    gpu = torch.device("cuda")
    assert free_memory(gpu) == 7 * GiB
    assert rows_at_once(SMOLLM, 260, 12, gpu, "training", FLOAT32) == 9


def test_a_cpu_takes_a_few_rows_and_no_more_than_two_gibibytes() -> None:
    cpu = torch.device("cpu")
    assert rows_at_once(SMOLLM, 10, 10, cpu, "training", FLOAT32) == 16
    for tokens in (300, 600):
        rows = rows_at_once(SMOLLM, tokens, 10, cpu, "training", FLOAT32)
        assert 1 < rows * bytes_a_row(SMOLLM, tokens, 10, "training", FLOAT32) / 2**30 < 2.2
    assert rows_at_once(LLAMA, 4000, 10, cpu, "training", FLOAT32) == 1
    fewer = rows_at_once(SMOLLM, 300, 10, cpu, "training", HALF)
    assert fewer == 2  # attended to by plain products, whose scores are kept: 835 MB a row measured


def device_of(most: int) -> SimpleNamespace:
    """A computation that runs out of memory above so many rows, and what it was asked."""
    tried: list[int] = []

    def compute(rows: np.ndarray) -> list[int]:
        tried.append(len(rows))
        if len(rows) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [10 * row for row in rows]

    return SimpleNamespace(compute=compute, tried=tried)


def test_half_as_many_rows_are_read_where_memory_ran_out() -> None:
    order, device, lines = np.array([4, 2, 0, 1, 3, 6, 5, 8, 7, 9]), device_of(2), []
    read = {
        int(row): value
        for rows, values in in_batches(order, lambda _: 8, device.compute, lines.append)
        for row, value in zip(rows, values, strict=True)
    }
    assert read == {row: 10 * row for row in range(10)}
    assert device.tried == [8, 4, 2, 2, 2, 2, 2]  # once found out, it is not tried again
    assert lines == [
        "out of memory: going on with 4 questions at once",
        "out of memory: going on with 2 questions at once",
    ]


def test_a_question_that_does_not_fit_alone_is_one_line() -> None:
    with pytest.raises(RecbenchError, match="does not suffice for one question; ask with fewer"):
        list(in_batches(np.arange(5), lambda _: 3, device_of(0).compute, lambda _: None))
