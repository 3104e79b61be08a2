"""
Train `tiny`, the language model that comes with recbench, from nothing.

    pip install wordfreq
    python tools/tiny/train.py --out recbench/llm/tiny --minutes 36

Everything is made here: titles (titles.py), a tokenizer (tokenizer.py), first weights whose
attention already reads lists (wiring.py), and exercises (exercises.py). No dataset is read. The
shipped model took 36 minutes on one core of a two-core machine without a GPU, with an earlier form
of these files; another run gives a model like it, not the same bytes. A run that was killed goes on
from its last checkpoint, under --work.
"""

import argparse
import json
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from exercises import IGNORED, Exercise, Maker, TitlePool
from safetensors.torch import load_file, save_file
from tokenizer import train_tokenizer
from torch import Tensor
from torch.nn import functional
from transformers import AutoTokenizer, LlamaForCausalLM
from wiring import PAD, new_model

SEED, HELD_OUT_SEED = 1, 2
TITLES = 20_000
LEARNING_RATE = 3e-4
BATCH_TOKENS = 4096
WARMUP_STEPS = 100
REPORT_EVERY, CHECKPOINT_EVERY = 25, 150


def embedded(model: LlamaForCausalLM, ids: Tensor, exercises: list[Exercise]) -> Tensor:
    """
    Return the model's input [B, T, width]: embeddings of tokens, marks in their places.

    A mark is the mean token embedding plus a vector as large as a token's own part, which is how
    recbench's projector starts.
    """
    inputs = model.model.embed_tokens(ids)
    rows = [row for row, one in enumerate(exercises) for _ in one.places]
    if not rows:
        return inputs
    columns = [place for one in exercises for place in one.places]
    table = model.model.embed_tokens.weight.detach().float()
    spread = (table - table.mean(0)).pow(2).mean().sqrt()
    marks = torch.from_numpy(np.stack([mark for one in exercises for mark in one.marks]))
    places = torch.zeros(ids.shape, dtype=torch.bool)
    places[rows, columns] = True
    return inputs.masked_scatter(places[..., None], table.mean(0) + marks * spread)


def predict(model: LlamaForCausalLM, exercises: list[Exercise]) -> tuple[Tensor, Tensor]:
    """Return logits [n, vocabulary] at all places to be predicted, and their tokens [n]."""
    ids, labels = (
        torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(getattr(one, name)) for one in exercises], True, value
        )
        for name, value in (("ids", PAD), ("labels", IGNORED))
    )
    hidden = model.model(inputs_embeds=embedded(model, ids, exercises), use_cache=False)[0]
    rows, columns = torch.nonzero(labels[:, 1:] != IGNORED, as_tuple=True)
    return model.lm_head(hidden[rows, columns]).float(), labels[rows, columns + 1]


def whole_lines(logits: Tensor, labels: Tensor, newline: int) -> float:
    """Return the share of lines predicted to the last token: what greedy text gets right."""
    line = functional.pad((labels == newline).cumsum(0)[:-1], (1, 0))
    wrong = torch.zeros(int(line[-1]) + 1).index_add(0, line, (logits.argmax(-1) != labels).float())
    return float((wrong == 0).float().mean())


def train(maker: Maker, work: Path, minutes: float) -> LlamaForCausalLM:
    """Train by the clock: a constant rate for the first half, then linearly down."""
    model = new_model(maker.pool.colon, maker.pool.newline)
    matrices = [p for p in model.parameters() if p.ndim > 1]
    gains = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": gains, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.98))
    step, spent = restore(model, work)
    began = time.monotonic() - spent
    while (done := (time.monotonic() - began) / (60 * minutes)) < 1:
        rate = LEARNING_RATE * min(1, (step + 1) / WARMUP_STEPS, max(0.03, 2 * (1 - done)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = [maker.recommend()]
        while sum(len(one.ids) for one in batch) < BATCH_TOKENS:
            batch.append(maker.recommend())
        with torch.autocast("cpu", torch.bfloat16):
            logits, labels = predict(model, batch)
        loss = functional.cross_entropy(logits, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        if step % REPORT_EVERY == 0:
            lines = whole_lines(logits, labels, maker.pool.newline)
            print(f"{step} loss {loss.item():.3f} lines {lines:.2f}", flush=True)
        if step % CHECKPOINT_EVERY == 0:
            keep(model, work, step, time.monotonic() - began)
    return model


def keep(model: LlamaForCausalLM, work: Path, step: int, spent: float) -> None:
    """Write a checkpoint aside and rename it; after a kill the optimizer begins anew."""
    work.mkdir(parents=True, exist_ok=True)
    partial = work / "weights.partial"
    weights = {n: w for n, w in model.state_dict().items() if n != "lm_head.weight"}  # tied
    save_file(weights, partial, {"step": str(step), "spent": str(spent)})
    partial.replace(work / "weights.safetensors")


def restore(model: LlamaForCausalLM, work: Path) -> tuple[int, float]:
    """Read the checkpoint, if there is one; return steps and seconds done."""
    path = work / "weights.safetensors"
    if not path.exists():
        return 0, 0.0
    model.load_state_dict(load_file(path), strict=False)
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return int(header["__metadata__"]["step"]), float(header["__metadata__"]["spent"])


def evaluate(model: LlamaForCausalLM, pool: TitlePool, exercises: int = 300) -> dict[str, float]:
    """Return the share of whole lines right on held-out titles, by kind of exercise."""
    model.eval()
    maker = Maker(pool, HELD_OUT_SEED)
    made = {
        f"marks, noise {noise}": [
            maker.recommend(20, 10, noise, marked=True) for _ in range(exercises)
        ]
        for noise in (0.1, 0.4, 0.7)
    }
    made["without marks"] = [maker.recommend(20, 10, marked=False) for _ in range(exercises)]
    figures = {}
    for name, all_of_kind in made.items():
        parts = [all_of_kind[i : i + 20] for i in range(0, len(all_of_kind), 20)]
        with torch.no_grad():
            shares = [whole_lines(*predict(model, part), pool.newline) for part in parts]
        figures[name] = float(np.average(shares, weights=[len(part) for part in parts]))
    return figures


def main() -> None:
    """Read the command line, train, save in half precision, evaluate what was saved."""
    parser = argparse.ArgumentParser(description="Train the built-in language model.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished model")
    parser.add_argument("--work", type=Path, default=Path("build/tiny"), help="checkpoints")
    parser.add_argument("--minutes", type=float, default=40, help="how long to train")
    chosen = parser.parse_args()
    torch.manual_seed(SEED)
    tokens = chosen.work / "tokenizer"
    if not (tokens / "tokenizer.json").exists():
        train_tokenizer(tokens)
    tokenizer = AutoTokenizer.from_pretrained(tokens)
    model = train(Maker(TitlePool(tokenizer, SEED, TITLES), SEED), chosen.work, chosen.minutes)
    model.half().save_pretrained(chosen.out)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokens / file, chosen.out)
    saved = LlamaForCausalLM.from_pretrained(chosen.out, dtype=torch.float32)
    for name, share in evaluate(saved, TitlePool(tokenizer, HELD_OUT_SEED, TITLES // 10)).items():
        print(f"{name}: {share:.3f} of the lines exactly right")


if __name__ == "__main__":
    main()
