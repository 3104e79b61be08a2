import re
from dataclasses import replace

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from recbench.data.catalogue import Catalogue
from recbench.errors import RecbenchError
from recbench.llm.backbone import load_backbone
from recbench.llm.prompts import ITEM_TOKEN, PromptWriter
from recbench.questions.split import PAD
from recbench.recommender import TrainingData
from recbench.testing.toy_lm import toy_tokenizer

HISTORY = np.array([PAD, PAD, 3, 7], dtype=np.int32)
COLD = np.full(4, PAD, dtype=np.int32)
CANDIDATES = np.array([9, 0, 30], dtype=np.int32)


def titled(data: TrainingData, *titles: str) -> TrainingData:
    return replace(
        data, catalogue=Catalogue(np.arange(len(titles), dtype=np.int64), titles, "of a test")
    )


def merging_tokenizer(texts: list[str], pattern: str | None) -> PreTrainedTokenizerFast:
    """A byte-level BPE trained on `texts`; without a pattern any two characters may merge."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    if pattern is not None:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        special_tokens=["<eos>"],
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>")


def test_the_wording(data: TrainingData) -> None:
    writer = PromptWriter(data, toy_tokenizer())
    titles = data.catalogue.titles
    assert writer.text(HISTORY, CANDIDATES, hybrid=False) == (
        "This user read these books, oldest first:\n"
        f"{titles[3]}\n{titles[7]}\n"
        "Choose the next book from this list:\n"
        f"{titles[9]}\n{titles[0]}\n{titles[30]}\n"
        "The next book is:\n"
    )


def test_of_an_unknown_user_it_says_so(data: TrainingData) -> None:
    text = PromptWriter(data, toy_tokenizer()).text(COLD, CANDIDATES, hybrid=True)
    assert text.startswith("Nothing is known about this user yet.\nChoose the next book")
    assert "read" not in text


def test_an_item_token_follows_every_title(data: TrainingData) -> None:
    writer = PromptWriter(data, toy_tokenizer())
    plain = writer.text(HISTORY, CANDIDATES, hybrid=False)
    hybrid = writer.text(HISTORY, CANDIDATES, hybrid=True)
    assert hybrid.replace(ITEM_TOKEN, "") == plain
    for item in (3, 7, *CANDIDATES):
        assert f"\n{data.catalogue.titles[item]}{ITEM_TOKEN}\n" in hybrid
    prompt = writer.prompts(HISTORY[None], CANDIDATES[None], [True])[0]
    assert prompt.items == [3, 7, 9, 0, 30]
    assert prompt.ids.count(writer.item_token) == 5


def test_a_prompt_never_states_a_number(data: TrainingData) -> None:
    """Other titles have numbers; what we say around them has none, whatever is shown."""
    writer = PromptWriter(data, toy_tokenizer())
    numbers = re.compile(r"\d|\b(one|two|three|five|ten|twenty|thirty)\b", re.IGNORECASE)
    for history in (HISTORY, COLD):
        for shown in (1, 2, 3):
            assert not numbers.search(writer.text(history, CANDIDATES[:shown], hybrid=True))


def test_braces_in_a_title_are_text(data: TrainingData) -> None:
    writer = PromptWriter(titled(data, "{noun}", "{0} %s"), toy_tokenizer())
    text = writer.text(np.array([0]), np.array([1]), hybrid=False)
    assert "\n{noun}\n" in text
    assert "\n{0} %s\n" in text


def test_braces_in_a_noun_or_a_verb_are_text(data: TrainingData) -> None:
    words = replace(data, noun=("{item}", "{0}s"), verb="{candidates}")
    writer = PromptWriter(words, toy_tokenizer())
    text = writer.text(HISTORY, CANDIDATES, hybrid=False)
    assert text.startswith("This user {candidates} these {0}s, oldest first:\n")
    (prompt,) = writer.prompts(HISTORY[None], CANDIDATES[None], [False])
    whole = writer.tokenizer(f"{text}{data.catalogue.titles[9]}\n", add_special_tokens=False)
    assert prompt.ids + writer.answers[9] == whole.input_ids


def test_a_title_with_an_item_token_is_refused(data: TrainingData) -> None:
    with pytest.raises(RecbenchError, match="marks an item"):
        PromptWriter(titled(data, f"A{ITEM_TOKEN}"), toy_tokenizer())


def test_pieces_between_item_tokens_are_the_whole(data: TrainingData) -> None:
    """The item token cuts the text: its pieces, tokenised apart, are the prompt."""
    texts = ["Red River\n", "Blue Garden!\n", "is:\n"] * 50
    tokenizer = merging_tokenizer([*texts, *data.catalogue.titles], None)
    writer = PromptWriter(data, tokenizer)
    text = writer.text(HISTORY, CANDIDATES, hybrid=True)
    pieces = [
        tokenizer(piece, add_special_tokens=False).input_ids for piece in text.split(ITEM_TOKEN)
    ]
    joined = pieces[0]
    for piece in pieces[1:]:
        joined = [*joined, writer.item_token, *piece]
    assert tokenizer(text, add_special_tokens=False).input_ids == joined


@pytest.mark.parametrize("pattern", [None, "words"])
def test_prompt_and_answer_are_the_whole_tokenised_at_once(
    data: TrainingData, pattern: str | None
) -> None:
    """With and without merges across the joint: nothing is tokenised as the model never sees it."""
    titles = ("Red River", "Blue! Garden", "Green.", "reading")
    lines = [f"The next book is:\n{title}\n" for title in titles] * 20
    tokenizer = merging_tokenizer(lines, pattern)
    data = titled(data, *titles)
    writer = PromptWriter(data, tokenizer)
    assert (writer.leading_tokens > 0) == (pattern is None)
    for hybrid in (True, False):
        prompt = writer.prompts(np.array([[0, 1]]), np.array([[2, 3]]), [hybrid])[0]
        text = writer.text(np.array([0, 1]), np.array([2, 3]), hybrid=hybrid)
        for title, answer in zip(titles, writer.answers, strict=True):
            whole = tokenizer(f"{text}{title}\n", add_special_tokens=False).input_ids
            assert prompt.ids + answer == whole
    assert writer.lengths.tolist() == [len(answer) for answer in writer.answers]


def test_the_beginning_of_the_text_is_marked_where_the_tokenizer_does(data: TrainingData) -> None:
    tokenizer = toy_tokenizer()
    plain = PromptWriter(data, tokenizer).prompts(HISTORY[None], CANDIDATES[None], [False])[0]
    assert plain.ids[0] != tokenizer.bos_token_id
    from tokenizers.processors import TemplateProcessing

    tokenizer = toy_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", tokenizer.bos_token_id)]
    )
    writer = PromptWriter(data, tokenizer)
    marked = writer.prompts(HISTORY[None], CANDIDATES[None], [False])[0]
    assert marked.ids == [tokenizer.bos_token_id, *plain.ids]
    assert tokenizer.bos_token_id not in writer.answers[0]


def test_tiny_never_merges_across_the_joint(data: TrainingData) -> None:
    _, tokenizer = load_backbone("tiny", "cpu")
    writer = PromptWriter(titled(data, '"quoted"', "!", "9", "...", "日本", "a"), tokenizer)
    assert writer.leading_tokens == 0
    (newline,) = tokenizer("\n", add_special_tokens=False).input_ids
    assert all(answer[-1] == newline for answer in writer.answers)
