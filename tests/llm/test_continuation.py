import shutil

import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, AutoTokenizer

from recbench.errors import UserError
from recbench.llm.continuation import Continuation
from recbench.llm.prompts.writer import Prompt

TEXTS = ["1::Red River\n2::", "MovieLens\n\n10::Toy Story\n11::", "1::"]


@pytest.fixture(scope="module")
def continuation(toy_folder):
    return Continuation(str(toy_folder), "cpu", lambda _: None)


def test_it_writes_what_the_model_is_most_likely_to(continuation, toy_folder):
    tokenizer = AutoTokenizer.from_pretrained(toy_folder)
    model = AutoModelForCausalLM.from_pretrained(toy_folder).eval()
    expected = []
    for text in TEXTS:
        ids = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])
        for _ in range(12):
            with torch.no_grad():
                ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], dim=1)
        new = tokenizer.decode(ids[0, -12:], skip_special_tokens=True)
        expected.append(new.split("\n")[0].strip())
    assert continuation.lines(TEXTS, 12) == expected
    assert continuation.lines(TEXTS[1:], 12) == expected[1:]


def test_it_ends_where_the_model_says_that_it_ends(continuation, toy_folder, tmp_path):
    folder = tmp_path / "llm"
    shutil.copytree(toy_folder, folder)
    (folder / "generation_config.json").write_text('{"eos_token_id": [2, 1]}')
    other = Continuation(str(folder), "cpu", lambda _: None)
    text = Prompt([5, 6, 7, 8], [])
    assert [one._reader(text).ends.tokens[1] for one in (continuation, other)] == [False, True]


def test_a_token_before_every_text_that_the_model_does_not_have_is_refused(toy_folder, tmp_path):
    folder = tmp_path / "llm"
    shutil.copytree(toy_folder, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"<{number}>" for number in range(9)])
    first = tokenizer.convert_tokens_to_ids("<8>")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<8> $A", special_tokens=[("<8>", first)]
    )
    tokenizer.save_pretrained(folder)
    with pytest.raises(UserError, match=f"has a token {first}, but the model's 264 embeddings"):
        Continuation(str(folder), "cpu", lambda _: None)


def test_a_text_that_does_not_fit_is_refused(continuation):
    with pytest.raises(UserError, match="reads 2048; show fewer with --lines"):
        continuation.lines(["1::Red River\n" * 200], 12)


def test_as_many_tokens_as_the_longest_needs_and_some_more(continuation):
    assert continuation.tokens(["abc", "abcdef"]) == 6 + 4
