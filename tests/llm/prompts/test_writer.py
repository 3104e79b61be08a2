import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hostile import HOSTILE
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import AddedToken, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from recbench.data.catalogue import Catalogue
from recbench.data.titles import plain_title
from recbench.errors import UserError
from recbench.llm.cards import Style
from recbench.llm.inference.generation import behind
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.inference.prefix import read
from recbench.llm.inference.trie import Trie, search
from recbench.llm.prompts.chat import TODAY
from recbench.llm.prompts.wording import UNLISTED
from recbench.llm.prompts.writer import ITEM_TOKEN, PromptWriter
from recbench.llm.weights.backbone import load_backbone
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


def test_an_item_token_in_a_title_is_text(data: TrainingData) -> None:
    writer = PromptWriter(titled(data, f"A{ITEM_TOKEN}B", "C"), toy_tokenizer())
    (prompt,) = writer.prompts(np.array([[0]]), np.array([[0, 1]]), [True])
    assert prompt.ids.count(writer.item_token) == len(prompt.items) == 3
    assert writer.read(writer.answers[0], np.array([0, 1])) == f"A{ITEM_TOKEN}B"


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
    titles = ("Red River", "Blue! Garden", "Green .", "reading")
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
            assert writer.read(answer, np.arange(4)) == title
    assert writer.lengths.tolist() == [len(answer) for answer in writer.answers]


def test_a_search_counts_the_tokens_that_merge_with_the_prompt(data: TrainingData) -> None:
    """Of a question without candidates: every title's likelihood is that of the whole text."""
    titles = ("Red River", "Blue! Garden", "Green.", "reading")
    tokenizer = merging_tokenizer([f"The next book is:\n{one}\n" for one in titles] * 20, None)
    writer = PromptWriter(titled(data, *titles), tokenizer, question=UNLISTED)
    assert writer.leading_tokens > 0
    with torch.random.fork_rng():
        torch.manual_seed(0)
        shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
        config = LlamaConfig(vocab_size=420, num_attention_heads=2, **shape, initializer_range=0.5)
        lm = LlamaForCausalLM(config).eval()
    model, history = HybridLM(lm, writer.item_token), np.array([0, 1])
    (prompt,) = writer.prompts(history[None], np.empty((1, 0), dtype=np.int32), [False])
    with model.reading(None):
        found = search(behind(model, read(model, [prompt])), Trie.of(writer.answers), beams=99)
    text = writer.text(history, history[:0], hybrid=False)
    for title, likelihood in zip(titles, found, strict=True):
        whole = tokenizer(f"{text}{title}\n", add_special_tokens=False).input_ids
        with torch.no_grad():
            steps = lm(torch.tensor([whole])).logits[0].log_softmax(dim=-1)
        places = range(len(prompt.ids), len(whole))
        expected = sum(float(steps[place - 1, whole[place]]) for place in places)
        assert likelihood == pytest.approx(expected, abs=1e-5)


def test_the_beginning_of_the_text_is_marked_where_the_tokenizer_does(data: TrainingData) -> None:
    tokenizer = toy_tokenizer()
    plain = PromptWriter(data, tokenizer).prompts(HISTORY[None], CANDIDATES[None], [False])[0]
    assert plain.ids[0] != tokenizer.bos_token_id
    tokenizer = toy_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", tokenizer.bos_token_id)]
    )
    writer = PromptWriter(data, tokenizer)
    marked = writer.prompts(HISTORY[None], CANDIDATES[None], [False])[0]
    assert marked.ids == [tokenizer.bos_token_id, *plain.ids]
    assert tokenizer.bos_token_id not in writer.answers[0]
    assert tokenizer.bos_token_id in writer.framing  # of which the model must have an embedding


def test_tiny_never_merges_across_the_joint(data: TrainingData) -> None:
    _, tokenizer = load_backbone("tiny", "cpu")
    writer = PromptWriter(titled(data, '"quoted"', "!", "9", "...", "日本", "a"), tokenizer)
    assert writer.leading_tokens == 0
    (newline,) = tokenizer("\n", add_special_tokens=False).input_ids
    assert all(answer[-1] == newline for answer in writer.answers)


@pytest.mark.parametrize(
    ("text", "line"),
    [("Red River\n", "Red River"), (" Red River", "Red River"), ("A\nB", "A"), ("\nA\n", "A")],
)
def test_the_answer_is_the_first_line(data: TrainingData, text: str, line: str) -> None:
    tokenizer = toy_tokenizer()
    writer = PromptWriter(data, tokenizer)
    assert writer.read(tokenizer(text, add_special_tokens=False).input_ids, CANDIDATES) == line
    assert writer.read([tokenizer.eos_token_id], CANDIDATES) == ""


CONTROL = ("Live <eos> Live", "<pad>", "<bos><eos>", "a<eos", "[INST] [/INST]", "<EOS>", "a <unk>")
"""Titles that a tokenizer could take for its own control tokens."""


def tokenizers() -> dict[str, PreTrainedTokenizerFast]:
    """Tokenizers of several kinds, each with control tokens, special and not."""
    texts = [*CONTROL, "Red River\n", "Choose the next book from this list:\n"] * 20
    made = {
        "bytes": toy_tokenizer(),
        "bpe": merging_tokenizer(texts, "words"),
        "merging": merging_tokenizer(texts, None),
        "metaspace": _metaspace(texts),
        "lower": merging_tokenizer([text.lower() for text in texts], "words"),
    }
    made["lower"].backend_tokenizer.normalizer = normalizers.Lowercase()
    for tokenizer in made.values():
        tokenizer.add_special_tokens({"pad_token": "<pad>", "bos_token": "<bos>"})
        tokenizer.add_tokens([AddedToken(text) for text in ("[INST]", "[/INST]", "<think>")])
    return made


def _metaspace(texts: list[str]) -> PreTrainedTokenizerFast:
    """Like SentencePiece: a space before every text, unknown characters as bytes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    special = ["<unk>", "<eos>", *[f"<0x{byte:02X}>" for byte in range(256)]]
    trainer = trainers.BpeTrainer(vocab_size=500, show_progress=False, special_tokens=special)
    tokenizer.train_from_iterator(texts, trainer)
    page = json.loads(tokenizer.to_str())
    page["added_tokens"] = page["added_tokens"][:2]  # bytes are no control tokens
    made = Tokenizer.from_str(json.dumps(page))
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<eos>", unk_token="<unk>")


@pytest.mark.parametrize("kind", ["bytes", "bpe", "merging", "metaspace", "lower"])
@pytest.mark.parametrize("style", ["plain", "chat"])
def test_control_tokens_in_titles_nouns_and_verbs_are_text(
    data: TrainingData, kind: str, style: Style
) -> None:
    tokenizer = tokenizers()[kind]
    tokenizer.chat_template = CHATML
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    plain = PromptWriter(titled(data, *["Red River"] * len(CONTROL)), tokenizer, style)
    words = replace(titled(data, *CONTROL), noun=("<eos>", "[INST]s"), verb="<|im_end|>")
    writer = PromptWriter(words, tokenizer, style)
    control = set(tokenizer.added_tokens_decoder) - {tokenizer.unk_token_id}
    rows = np.arange(3)[None], np.arange(3, len(CONTROL))[None], [True]
    (expected,), (found,) = plain.prompts(*rows), writer.prompts(*rows)
    assert [i for i in found.ids if i in control] == [i for i in expected.ids if i in control]
    for title, ids, usual in zip(CONTROL, writer.answers, plain.answers, strict=True):
        assert [i for i in ids if i in control] == [i for i in usual if i in control]
        read = writer.read(ids, np.arange(len(CONTROL)))
        assert read == (title.lower() if kind == "lower" else title)


@pytest.mark.parametrize("style", ["plain", "chat"])
def test_no_hostile_title_ends_a_turn_or_takes_an_items_place(
    data: TrainingData, style: Style
) -> None:
    tokenizer = chatting()
    tokenizer.add_tokens([AddedToken(text) for text in ("[INST]", "[HistoryEmb]", "</s>")])
    titles = [plain_title(text) for text in HOSTILE.values()]
    writer = PromptWriter(titled(data, *titles), tokenizer, style)
    plain = PromptWriter(titled(data, *["Red River"] * len(titles)), tokenizer, style)
    control = set(tokenizer.added_tokens_decoder) - {tokenizer.unk_token_id}
    rows = np.arange(4)[None], np.arange(4, len(titles))[None], [True]
    (expected,), (found,) = plain.prompts(*rows), writer.prompts(*rows)
    assert [i for i in found.ids if i in control] == [i for i in expected.ids if i in control]
    assert found.ids.count(writer.item_token) == len(titles)
    text = writer.text(rows[0][0], rows[1][0], hybrid=False).split("\n")
    assert [line for line in text if line in titles] == titles


CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA2 = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] "
    "| trim + ' [/INST]' }}{% else %}{{ ' ' + m['content'] | trim + ' ' + eos_token }}{% endif %}"
    "{% endfor %}"
)


def chatting(template: str = CHATML) -> PreTrainedTokenizerFast:
    tokenizer = toy_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = template
    return tokenizer


def test_a_chat_is_the_tokenizers_own_template(data: TrainingData) -> None:
    tokenizer = chatting()
    writer = PromptWriter(data, tokenizer, "chat")
    question = PromptWriter(data, toy_tokenizer()).text(HISTORY, CANDIDATES, hybrid=True)
    message = {"role": "user", "content": question.removesuffix("\n")}
    asked = tokenizer.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
    assert writer.text(HISTORY, CANDIDATES, hybrid=True) == asked
    (prompt,) = writer.prompts(HISTORY[None], CANDIDATES[None], [True])
    for item in CANDIDATES:
        answer = {"role": "assistant", "content": data.catalogue.titles[item]}
        whole = tokenizer.apply_chat_template([message, answer], return_dict=False)
        (newline,) = tokenizer("\n", add_special_tokens=False).input_ids
        assert [*prompt.ids, *writer.answers[item], newline] == whole
    assert writer.ends == {tokenizer.convert_tokens_to_ids("<|im_end|>")}
    assert writer.answers[0][-1] in writer.ends
    assert writer.lengths.tolist() == [len(answer) for answer in writer.answers]


@pytest.mark.parametrize("template", [CHATML, LLAMA2])
@pytest.mark.parametrize("marked", [True, False])
def test_the_beginning_is_marked_once(data: TrainingData, template: str, marked: bool) -> None:
    tokenizer = chatting(template)
    if marked:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", tokenizer.bos_token_id)]
        )
    (prompt,) = PromptWriter(data, tokenizer, "chat").prompts(
        HISTORY[None], CANDIDATES[None], [False]
    )
    count = 1 if marked or template == LLAMA2 else 0
    assert prompt.ids.count(tokenizer.bos_token_id) == count
    assert (prompt.ids[0] == tokenizer.bos_token_id) == bool(count)


def test_an_answer_in_a_chat_may_merge_with_the_header(data: TrainingData) -> None:
    """As with Llama 2, where a space stands between the header and the answer."""
    titles = ("Red River", "Blue! Garden", "reading")
    lines = [f"[/INST] {title} </s>" for title in titles] * 20
    tokenizer = merging_tokenizer(lines, "words")
    tokenizer.add_special_tokens({"bos_token": "<s>", "eos_token": "</s>"})
    tokenizer.chat_template = LLAMA2
    writer = PromptWriter(titled(data, *titles), tokenizer, "chat")
    assert writer.leading_tokens > 0
    (prompt,) = writer.prompts(np.array([[0]]), np.array([[1, 2]]), [False])
    text = writer.text(np.array([0]), np.array([1, 2]), hybrid=False)
    for item, title in enumerate(titles):
        whole = tokenizer(f"{text}{title} </s>", add_special_tokens=False).input_ids
        assert prompt.ids + writer.answers[item] == whole
        assert writer.read(writer.answers[item], np.array([0, 1, 2])) == title


def test_what_ends_a_turn_is_no_part_of_an_answer(data: TrainingData) -> None:
    tokenizer = toy_tokenizer()
    tokenizer.add_tokens([AddedToken("<|im_end|>")])  # not special: decoding does not skip it
    tokenizer.chat_template = CHATML
    writer = PromptWriter(titled(data, "Red River", "Blue"), tokenizer, "chat")
    answer = writer.answers[0]
    assert tokenizer.decode(answer, skip_special_tokens=True) == "Red River<|im_end|>"
    assert writer.read(answer, np.arange(2)) == "Red River"


def test_a_chat_without_a_template_is_refused(data: TrainingData) -> None:
    with pytest.raises(UserError, match="no chat template; --set prompt_style=plain"):
        PromptWriter(data, toy_tokenizer(), "chat")
    PromptWriter(data, toy_tokenizer(), "plain")


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('never') }}",
        "{{ messages[5].content }}x",
        "{{ 1 / 0 }}",
        "{% if %}",
        "y",
    ],
)
def test_a_template_that_fails_is_refused(data: TrainingData, template: str) -> None:
    with pytest.raises(UserError, match="--set prompt_style=plain") as refused:
        PromptWriter(data, chatting(template), "chat")
    assert "\n" not in str(refused.value)


def test_a_tokenizer_that_thinks_texts_too_long_is_asked_in_silence(
    data: TrainingData, capfd: pytest.CaptureFixture[str]
) -> None:
    """What the model reads at most is checked by its context."""
    tokenizer = toy_tokenizer()
    tokenizer.model_max_length = 2
    writer = PromptWriter(data, tokenizer)
    writer.prompts(HISTORY[None], CANDIDATES[None], [True])
    assert capfd.readouterr() == ("", "")


def test_a_chat_does_not_change_by_the_day(data: TrainingData) -> None:
    dated = "{%- set today = strftime_now('%d %b %Y') %}{{ today }}|" + CHATML
    text = PromptWriter(data, chatting(dated), "chat").text(HISTORY, CANDIDATES, hybrid=False)
    assert text.startswith(f"{TODAY}|<|im_start|>user\nThis user")


def test_shortened_titles(data: TrainingData) -> None:
    titles = ("The Lord of the Rings", "Up", "Incomprehensibilities", "The Lord of War", "The Lord")
    writer = PromptWriter(titled(data, *titles), toy_tokenizer(), title_tokens=12)
    assert writer.shown == ["The Lord...", "Up", "Incompreh...", "The Lord...", "The Lord"]
    assert writer.lengths.max() == 13
    text = writer.text(np.array([0]), np.array([1, 2]), hybrid=False)
    assert "\nThe Lord...\n" in text
    assert writer.losses.record() == {"titles_shortened": 3, "titles_alike": 2}
    assert writer.losses.lines()[0].startswith(
        "3 of 5 titles are shortened: 'The Lord of the Rings' as 'The Lord...', "
    )
    ranked = writer.losses.lines(listed=False)
    assert not ranked[0].endswith("short form too")
    assert ranked[1] == (
        "2 titles are shown as another one is: their ranks tie, which counts against the model; "
        "a larger title_tokens parts them"
    )


def test_of_two_prompts_the_difference_in_size_is_that_of_their_tokens(data: TrainingData) -> None:
    titles = ("a", "The Lord of the Rings", "Incomprehensibilities", "War", "The Lord")
    writer = PromptWriter(titled(data, *titles), toy_tokenizer())
    histories = np.array([[PAD, PAD, 3], [1, 2, 4]], dtype=np.int32)
    candidates = np.array([[0, 1], [2, 3]], dtype=np.int32)
    short, long = (len(one.ids) for one in writer.prompts(histories, candidates, [False] * 2))
    of_short, of_long = writer.sizes(histories, candidates).tolist()
    # A title brings its tokens and a line end; nothing stands where no item was met.
    assert of_long - of_short == long - short


@pytest.mark.parametrize(
    ("candidates", "written", "meant"),
    [
        ([0, 1], "The Lord...", "The Lord of the Rings"),
        ([3, 1], "the lord...", "The Lord of War"),
        ([0, 3], "The Lord...", ""),
        ([0, 3], "The Lord of War", "The Lord of War"),
        ([0, 4], "The Lord", "The Lord"),
        ([1, 2], "The Lord...", "The Lord..."),
    ],
)
def test_a_shortened_title_stands_for_the_whole(
    data: TrainingData, candidates: list[int], written: str, meant: str
) -> None:
    titles = ("The Lord of the Rings", "Up", "Incomprehensibilities", "The Lord of War", "The Lord")
    tokenizer = toy_tokenizer()
    writer = PromptWriter(titled(data, *titles), tokenizer, title_tokens=12)
    ids = tokenizer(f"{written}\n", add_special_tokens=False).input_ids
    assert writer.read(ids, np.array(candidates)) == meant


@pytest.mark.parametrize("limit", [4, 5, 7, 30])
@pytest.mark.parametrize("kind", ["bytes", "bpe", "metaspace"])
def test_no_shown_title_has_more_tokens(data: TrainingData, limit: int, kind: str) -> None:
    titles = (
        "日本の夏",
        "🎸🎸🎸 rock",
        "a b c d e f g h i j k l",
        "x" * 50,
        "<eos> and <eos>",
        "q",
    )
    writer = PromptWriter(titled(data, *titles), tokenizers()[kind], title_tokens=limit)
    assert writer.lengths.max() <= limit + 1
    assert all(writer.shown)


def test_titles_that_do_not_survive_are_counted(data: TrainingData) -> None:
    tokenizer = tokenizers()["lower"]
    writer = PromptWriter(titled(data, "Red River", "blue", "Green"), tokenizer)
    assert writer.losses.record() == {"titles_damaged": 2, "damaged_titles": ["Red River", "Green"]}
    (line,) = writer.losses.lines()
    assert line == (
        "2 of 3 titles do not come out of the tokenizer as they went in: 'Red River' as "
        "'red river', 'Green' as 'green'; answers name them all the same"
    )
    assert writer.losses.lines(listed=False)[0].endswith("; they are ranked as they come out")
    whole = PromptWriter(titled(data, "Red 🎸", "日本"), toy_tokenizer())
    assert whole.losses.lines() == []
    assert whole.losses.record() == {}
