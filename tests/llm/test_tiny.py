"""The built-in language model, as it is shipped and before it is tuned."""

from pathlib import Path

import numpy as np
from killed_at_work import small_encoders

from recbench import registry
from recbench.evaluation.answers import match
from recbench.llm.weights.backbone import load_backbone
from recbench.questions.queries import Queries
from recbench.recommender import Runtime
from recbench.testing.toy import toy_split, toy_training_data


def test_a_text_begins_as_tiny_was_trained() -> None:
    _, tokenizer = load_backbone("tiny", "cpu")
    assert tokenizer("The").input_ids[0] == tokenizer.bos_token_id


@small_encoders()
def test_untuned_it_answers_with_a_candidate(tmp_path: Path) -> None:
    """Titles of the toy begin and end alike, by sixes: to copy one, its line must be known."""
    split = toy_split(users=200)
    llara = registry.load("models", "llara")
    model = llara(llara.settings_class(examples=1, learning_rate=1e-9))
    runtime = Runtime(seed=0, device="cpu", checkpoints=tmp_path, cache=tmp_path)
    model.fit(toy_training_data(split), runtime)
    draw, items = np.random.default_rng(0), len(split.catalogue)
    shown = np.stack([draw.permutation(items)[:20] for _ in split.test.targets]).astype(np.int32)
    answers = model.answer(Queries(split.test.histories, shown), runtime)
    slots = match(answers, shown, split.catalogue.titles, "exact")
    assert len(slots) == 20
    assert (slots >= 0).mean() >= 0.8
