from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel

from recbench.errors import UserError
from recbench.llm.guidance import OtherUsers, prompt_vectors, random_vectors
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.probe import randomised
from recbench.llm.prompts.writer import Prompt
from recbench.llm.tuning.adapter import add_adapter
from recbench.llm.weights.backbone import load_backbone
from recbench.questions.split import PAD
from recbench.recommender import TrainingData
from recbench.testing.toy import toy_next_item_split, toy_training_data

PROMPTS = [Prompt([5, 6, 7, 8], []), Prompt([9, 6, 11], []), Prompt([5, 6, 7], [])]


def test_noise_is_of_the_history_alone() -> None:
    histories = np.array([[PAD, 3, 4], [1, 3, 4], [3, 4, 1]], dtype=np.int32)
    vectors = random_vectors(histories, 400)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(random_vectors(histories[1:2], 400)[0], vectors[1])
    np.testing.assert_array_equal(random_vectors(histories[:1, 1:], 400)[0], vectors[0])
    assert np.abs(np.corrcoef(vectors) - np.eye(3)).max() < 0.2
    assert np.sqrt(np.square(vectors).mean()) == pytest.approx(1, abs=0.1)
    assert random_vectors(histories[:0], 8).shape == (0, 8)


@pytest.mark.parametrize("split", [None, toy_next_item_split()], ids=["paper", "next-item"])
def test_another_user_is_never_the_same_one(split: object) -> None:
    """A derangement: neither of training rows nor of test rows whose users have trained."""
    data = toy_training_data(split)
    others, rows = OtherUsers(data), [data.train]
    rows += [] if split is None else [split.test]
    for some in rows:
        given = others.histories(some.histories)
        ends = {tuple(data.sequences[i][-given.shape[1] :]): i for i in range(len(data.sequences))}
        whose = [data.sequence_users[ends[tuple(one)]] for one in given[:, -10:]]
        assert (np.array(whose) != some.users).all()
        assert len(set(whose)) > 20
        np.testing.assert_array_equal(others.histories(some.histories[3:4]), given[3:4])


def test_of_the_same_items_everywhere_the_least_alike_is_taken(data: TrainingData) -> None:
    two = replace(
        data,
        sequences=data.sequences.__class__(
            np.array([1, 2, 3, 1, 2, 4], dtype=np.int32), np.array([0, 3, 6])
        ),
    )
    (other,) = OtherUsers(two).histories(np.array([[PAD, PAD, 1, 2, 4]], dtype=np.int32))
    assert other.tolist() == [PAD, PAD, 1, 2, 3]
    one = replace(
        data, sequences=data.sequences.__class__(np.array([1, 2], dtype=np.int32), np.array([0, 2]))
    )
    with pytest.raises(UserError, match="needs two training users"):
        OtherUsers(one)


def test_who_shares_half_of_a_history_may_be_the_same_user(data: TrainingData) -> None:
    values = np.array([1, 2, 8, 9, 1, 8, 9, 7], dtype=np.int32)
    two = replace(data, sequences=data.sequences.__class__(values, np.array([0, 4, 8])))
    histories = np.array([[1, 2, a, b] for a in range(3, 7) for b in range(10, 20)], dtype=np.int32)
    given = OtherUsers(two).histories(histories)  # half of each in the one, a quarter in the other
    assert (given == values[4:]).all()


def test_tokens_are_the_mean_of_input_embeddings(any_lm: PeftModel) -> None:
    vectors = prompt_vectors(HybridLM(any_lm, 270).eval(), PROMPTS, "tokens")
    words = any_lm.get_input_embeddings()
    for prompt, vector in zip(PROMPTS, vectors, strict=True):
        mean = words(torch.tensor(prompt.ids)).mean(dim=0)
        torch.testing.assert_close(vector, mean / mean.square().mean().sqrt())


def test_a_prompt_is_the_last_state_of_the_frozen_model(
    any_lm: PeftModel, make_hybrid: object
) -> None:
    expected = []
    with any_lm.disable_adapter(), torch.no_grad():
        for prompt in PROMPTS:
            ids = torch.tensor([prompt.ids])
            expected.append(any_lm(input_ids=ids, output_hidden_states=True).hidden_states[-1])
    model = make_hybrid(any_lm)  # gated, and the gate is not held
    model.train()
    vectors = prompt_vectors(model, PROMPTS, "prompt")
    assert model.training
    assert not vectors.requires_grad
    for whole, vector in zip(expected, vectors, strict=True):
        state = whole[0, -1]
        torch.testing.assert_close(vector, state / state.square().mean().sqrt())
    torch.testing.assert_close(prompt_vectors(model, PROMPTS[1:2], "prompt")[0], vectors[1])


@pytest.mark.parametrize("guidance", ["tokens", "prompt"])
@pytest.mark.parametrize("words", ["modules_to_save", "trainable_token_indices"])
def test_what_is_learnt_of_words_moves_no_guidance(
    toy_folder: Path, guidance: str, words: str
) -> None:
    own = {"modules_to_save": ["embed_tokens"], "trainable_token_indices": [5, 6, 7]}
    lm, _ = load_backbone(str(toy_folder), "cpu")
    config = LoraConfig(r=4, target_modules=["q_proj"], **{words: own[words]})
    model = HybridLM(add_adapter(lm, config), 270).eval()
    before = prompt_vectors(model, PROMPTS, guidance)
    embedded = model.embed(torch.tensor([PROMPTS[0].ids]), [])
    randomised(model)
    assert not torch.equal(model.embed(torch.tensor([PROMPTS[0].ids]), []), embedded)
    assert torch.equal(prompt_vectors(model, PROMPTS, guidance), before)
