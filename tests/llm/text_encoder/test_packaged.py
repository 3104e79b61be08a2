"""The text encoder that MoRec has by default, as its package brings it; skipped where missing."""

import pytest
import torch
from recbench_baselines.morec import MoRec
from torch.nn.functional import normalize
from transformers import AutoModel, AutoTokenizer

from recbench.llm.cards import TEXT_ENCODER, card_of
from recbench.llm.text_encoder.pooling import own_pooling
from recbench.llm.text_encoder.title_encoder import load_title_encoder
from recbench.llm.weights.places import InFolder, at_hand, place_of
from recbench.recommender import Runtime
from recbench.testing.toy import toy_split, toy_training_data

NAME = "all-minilm-l6-v2"
SPACE = "Star Trek: The Wrath of Khan", "Alien"
TITLES = ("Star Wars", *SPACE, "Cinderella", "The Little Mermaid", "Amélie — 愛", "")


@pytest.fixture(scope="module", autouse=True)
def card():
    card = card_of(NAME, TEXT_ENCODER)
    assert card is not None
    if not at_hand(card):
        pytest.skip(f"it is not installed: {card.way}")
    return card


@pytest.fixture(scope="module")
def vectors() -> torch.Tensor:
    encoder = load_title_encoder(NAME, own_pooling(NAME))
    with torch.no_grad():
        return encoder(encoder.tokens(TITLES))


def test_a_title_is_what_its_card_says(vectors: torch.Tensor, card) -> None:
    """The mean over the tokens of each title by itself, made of length 1."""
    place = place_of(NAME, TEXT_ENCODER)
    assert isinstance(place, InFolder)
    model = AutoModel.from_pretrained(place.path, add_pooling_layer=False)
    tokenizer = AutoTokenizer.from_pretrained(place.path)
    with torch.no_grad():
        read = [
            model(**tokenizer(title, return_tensors="pt")).last_hidden_state[0].mean(0)
            for title in TITLES
        ]
    torch.testing.assert_close(vectors, normalize(torch.stack(read), dim=1), atol=1e-5, rtol=0)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(card.parameters, rel=0.01)


def test_films_of_one_kind_are_near(vectors: torch.Tensor) -> None:
    like = (vectors @ vectors.T)[0]
    assert like[1] > max(like[3], like[4])
    assert vectors[3] @ vectors[4] > max(vectors[3] @ vectors[1], vectors[3] @ vectors[2])


@pytest.mark.parametrize("trained", [False, True])
def test_morec_learns_with_it(tmp_path, trained: bool) -> None:
    quick = {"epochs": 1, "embedding_dim": 16, "train_text_encoder": trained}
    model = MoRec(MoRec.settings_class.build(quick))
    runtime = Runtime(0, "cpu", tmp_path, tmp_path)
    report = model.fit(toy_training_data(), runtime)
    assert (report["parameters_trained"] > 20_000_000) == trained
    assert model.item_vectors().shape == (len(toy_split().catalogue), 16)
