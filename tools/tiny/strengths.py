"""
Find the strengths of tiny's first wiring, by random search on exercises, before any training.

    python tools/tiny/strengths.py --tokenizer recbench/llm/tiny --minutes 6

One to three strengths at a time are multiplied by random factors; what lowers the loss is kept.
"""

import argparse
import math
import random
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch
from exercises import Exercise, Maker, TitlePool
from torch.nn import functional
from train import predict
from transformers import AutoTokenizer
from wiring import Strengths, new_model

SEED = 7
EXERCISES, AT_ONCE = 96, 12
SPREAD = 0.3  # of the logarithm of a factor
WORST = 6.0  # nats: a hopeless token counts no more, or a few of them would decide


def loss(strengths: Strengths, exercises: list[Exercise], pool: TitlePool) -> float:
    """Return the mean loss of an untrained model with these strengths, in nats a token."""
    model = new_model(pool.colon, pool.newline, strengths=strengths).eval()
    parts = [exercises[i : i + AT_ONCE] for i in range(0, len(exercises), AT_ONCE)]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        losses = [
            functional.cross_entropy(*predict(model, part), reduction="none") for part in parts
        ]
    return float(torch.cat(losses).clamp(max=WORST).mean())


def main() -> None:
    """Search by the clock; print every improvement."""
    parser = argparse.ArgumentParser(description="Find the strengths of the first wiring.")
    parser.add_argument("--tokenizer", type=Path, default=Path("build/tiny/tokenizer"))
    parser.add_argument("--minutes", type=float, default=6)
    chosen = parser.parse_args()
    pool = TitlePool(AutoTokenizer.from_pretrained(chosen.tokenizer), SEED, 2000)
    maker, draw = Maker(pool, SEED), random.Random(SEED)
    exercises = [
        maker.recommend(*sizes, noise=noise)
        for noise in (0.1, 0.3, 0.5)
        for sizes in ((20, 10), (None, None))
        for _ in range(EXERCISES // 6)
    ]
    best, lowest = Strengths(), loss(Strengths(), exercises, pool)
    until = time.monotonic() + 60 * chosen.minutes
    while time.monotonic() < until:
        names = draw.sample(list(asdict(best)), draw.randint(1, 3))
        factors = {name: math.exp(draw.gauss(0, SPREAD)) for name in names}
        tried = replace(best, **{n: getattr(best, n) * factor for n, factor in factors.items()})
        found = loss(tried, exercises, pool)
        if found < lowest:
            best, lowest = tried, found
            print(f"{lowest:.4f} {best}", flush=True)


if __name__ == "__main__":
    main()
