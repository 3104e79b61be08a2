import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from recbench.errors import RecbenchError, UserError
from recbench.llm.text_encoder import title_encoder
from recbench.llm.text_encoder.pooling import Pooling
from recbench.llm.text_encoder.title_encoder import TitleEncoder, load_title_encoder
from recbench.testing.toy_lm import toy_text_encoder, toy_tokenizer

TITLES = ["Red River", "a", "The Silence of the Lambs (1991)", "Blue Garden", "", "Zz 9 Top"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_text_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def encoder(folder: Path) -> TitleEncoder:
    return load_title_encoder(str(folder), Pooling("mean"))


def test_a_title_depends_on_itself_alone(
    encoder: TitleEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = encoder.tokens(TITLES)
    with torch.no_grad():
        together = encoder(tokens)
        alone = torch.cat([encoder([one]) for one in tokens])
        monkeypatch.setattr(title_encoder, "AT_ONCE", 20)
        in_parts = encoder(tokens)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together, in_parts, atol=1e-5, rtol=1e-5)


def test_a_padding_that_the_model_does_not_have_is_none(
    encoder: TitleEncoder, folder: Path, tmp_path: Path
) -> None:
    """What is padded is masked: a token that the tokenizer alone was given changes no vector."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<a>", "<b>", "<c>"])
    tokenizer.add_special_tokens({"pad_token": "<fill>"})
    assert tokenizer.pad_token_id >= encoder.model.config.vocab_size
    changed = TitleEncoder(encoder.model, tokenizer, encoder.pooling)
    with torch.no_grad():
        expected = encoder(encoder.tokens(TITLES))
        torch.testing.assert_close(changed(changed.tokens(TITLES)), expected)


def test_gradients_are_those_of_all_titles_at_once(
    encoder: TitleEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gradient() -> torch.Tensor:
        encoder.zero_grad()
        encoder.train()(encoder.tokens(TITLES)).square().sum().backward()
        return encoder.model.get_input_embeddings().weight.grad.clone()

    in_parts = gradient()
    monkeypatch.setattr(title_encoder, "checkpoint", lambda f, *args, **_: f(*args))
    torch.testing.assert_close(in_parts, gradient())


def test_no_more_tokens_are_read_at_once(
    encoder: TitleEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    read = encoder._read
    monkeypatch.setattr(
        encoder, "_read", lambda ids, mask: (sizes.append(ids.numel()), read(ids, mask))[1]
    )
    monkeypatch.setattr(title_encoder, "AT_ONCE", 40)
    encoder(encoder.tokens(TITLES * 5))
    assert len(sizes) > 5
    assert max(sizes) <= 40


def test_control_tokens_in_titles_are_text(encoder: TitleEncoder) -> None:
    (ids,) = encoder.tokens(["Red [SEP] River [mask]"])
    start, end = 2, 3
    assert (ids[0], ids[-1]) == (start, end)
    assert not {0, 2, 3, 4} & set(ids[1:-1])


def test_a_long_title_is_read_as_far_as_the_encoder_reads(encoder: TitleEncoder) -> None:
    (ids,) = encoder.tokens(["a " * 500])
    assert (len(ids), ids[0], ids[-1]) == (64, 2, 3)
    assert encoder([ids]).shape == (1, 32)


def test_weights_of_a_pooling_layer_may_lack_others_may_not(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    weights = load_file(other / "model.safetensors")
    kept = {name: one for name, one in weights.items() if not name.startswith("pooler.")}
    assert len(kept) < len(weights)
    save_file(kept, other / "model.safetensors", {"format": "pt"})
    load_title_encoder(str(other), Pooling("mean"))
    kept.pop("embeddings.LayerNorm.weight")
    save_file(kept, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(RecbenchError, match=r"the text encoder .* cannot be read; .*1 weights are"):
        load_title_encoder(str(other), Pooling("mean"))


def test_few_bits_that_would_be_read_without_their_scales_are_refused(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "narrow")
    file = tmp_path / "narrow/model.safetensors"
    weights = load_file(file)
    name = "encoder.layer.0.output.dense.weight"
    save_file(weights | {name: weights[name].to(torch.int8)}, file, {"format": "pt"})
    with pytest.raises(UserError, match=rf"holds quantised weights .*\({name}, "):
        load_title_encoder(str(tmp_path / "narrow"), Pooling("mean"))


def test_what_writes_from_what_it_reads_is_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "t5"
    shutil.copytree(folder, other)
    (other / "config.json").write_text(json.dumps({"model_type": "t5"}))
    with pytest.raises(UserError, match="is a t5 model, which does not read a text into"):
        load_title_encoder(str(other), Pooling("mean"))


def test_a_tokenizer_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "two models"
    shutil.copytree(folder, other)
    toy_tokenizer().save_pretrained(other)
    with pytest.raises(UserError, match=r"has a token 258, but the model's 80 embeddings"):
        load_title_encoder(str(other), Pooling("mean"))
