"""Train the ``tiny`` language model, the built-in backbone of recbench, from nothing.

The script makes everything itself: it writes titles that look like the names of films,
artists and games (random words of the ``wordfreq`` lists in random shapes), trains a
byte-level BPE tokenizer on them, and trains a Llama model of under three million parameters
on generated exercises: repeat a list, look an entry up, find the entry that a vector points
at, and recommend from a list of candidates. No data set is read at any point.

Vectors ("marks") stand at line ends in place of a token, the way LLaRA places the projected
embedding of an item. Each exercise draws its own random linear map from a latent space to
the width of the model, so that the model learns to compare marks in any direction.

Run it as ``python tools/train_tiny.py --out recbench/llm/tiny``. It needs torch,
transformers, tokenizers and wordfreq, keeps a checkpoint every two minutes and resumes from
it when started again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)
from wordfreq import top_n_list

SEED = 20261
HELD_OUT_SEED = 77003
VOCABULARY = 4096
PAD, BOS, EOS = 0, 1, 2
WIDTH = 192
BATCH_TOKENS = 8192
TOTAL_STEPS = 8000
WARMUP_STEPS = 200
DECAY_SHARE = 0.25
PEAK_RATE = 2.5e-3
CHECKPOINT_SECONDS = 120
EVALUATE_EVERY = 500
IGNORED = -100

Tokens = list[int]

# ---------------------------------------------------------------------------------------
# Titles
# ---------------------------------------------------------------------------------------

_SMALL = ("of", "the", "and", "in", "to", "a", "for", "on", "with", "from", "at", "&")
_ROMAN = ("II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_SYLLABLES = (
    "ka ra mi lo ven dar bel an ton es ri chi mu sa no ber gh ley son wick hol mar te va ze "
    "qui or li na do fe ro sh ta jo el um by pe ck wen ster ford man der bor ski vic tor cla"
).split()
_TAILS = (
    "Collection", "Edition", "Deluxe", "Remastered", "Live", "Part One", "Part Two", "Vol. 1",
    "Vol. 2", "Episode I", "Complete", "Returns", "Forever", "DLC", "Online", "Soundtrack",
    "Orchestra", "Band", "Project", "Trio", "Quartet", "Brothers", "feat.", "Season 1",
)  # fmt: skip
_FOREIGN = (
    ("fr", 4000), ("de", 4000), ("es", 4000), ("it", 3000), ("pt", 2000), ("sv", 2000),
    ("pl", 2000), ("tr", 1500), ("fi", 1500), ("cs", 1500), ("ru", 1500), ("ja", 1000),
    ("ko", 600), ("el", 600), ("zh", 600), ("ar", 400),
)  # fmt: skip


class TitleWriter:
    """Writes titles: English words by frequency, names, numbers, accents, usual shapes.

    Parameters
    ----------
    seed : int
        Seed of the writer's own generator.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        english = [w for w in top_n_list("en", 40000) if w.replace("'", "").isalpha()]
        self._words = [w for w in english[60:] if len(w) > 2]
        self._foreign = [
            word
            for language, count in _FOREIGN
            for word in top_n_list(language, count)
            if len(word) > 1
        ]

    def word(self) -> str:
        """Return one word in lower case, frequent ones more often."""
        r = self._random
        draw = r.random()
        if draw < 0.05:
            return r.choice(self._foreign)
        if draw < 0.12:
            return "".join(r.choices(_SYLLABLES, k=r.choice((2, 2, 3, 3, 4))))
        return self._words[int(len(self._words) * r.random() ** 4.0)]

    def name(self) -> str:
        """Return one capitalised word."""
        word = self.word()
        return word[:1].upper() + word[1:]

    def number(self) -> str:
        """Return a number as titles carry them: small ones, years, roman numerals."""
        r = self._random
        draw = r.random()
        if draw < 0.4:
            return str(r.randint(1, 12))
        if draw < 0.6:
            return str(r.randint(1920, 2030))
        if draw < 0.8:
            return r.choice(_ROMAN)
        return str(r.randint(10, 10 ** r.randint(2, 5)))

    def title(self) -> str:
        """Return one title."""
        r, w, n = self._random, self.name, self.number
        draw = r.random()
        if draw < 0.03:
            return self._odd()
        shape = r.randrange(26)
        if shape < 4:
            text = w()
        elif shape < 9:
            text = f"{w()} {w()}"
        elif shape < 11:
            text = f"The {w()}"
        elif shape == 11:
            text = f"The {w()} {w()}"
        elif shape == 12:
            text = f"The {w()} of {r.choice(('', 'the '))}{w()}"
        elif shape == 13:
            text = f"{w()} {r.choice(_SMALL)} {r.choice(('', 'the ', 'a '))}{w()}"
        elif shape == 14:
            text = f"{w()}'s {w()}"
        elif shape == 15:
            text = f"{w()} {n()}"
        elif shape == 16:
            text = f"{w()}{r.choice((':', ' -'))} {r.choice(('', 'The '))}{w()} {w()}"
        elif shape == 17:
            text = f"{w()} {w()} {w()}"
        elif shape == 18:
            text = f"{w()} {w()}, {r.choice(('The', 'A', 'La', 'Les', 'An', 'Der'))}"
        elif shape == 19:
            text = f"A {w()} {w()}" if r.random() < 0.5 else f"{w()} and {r.choice(('', 'the '))}{w()}"
        elif shape == 20:
            text = r.choice(("{}-{}", "{}/{}", "{}.{}", "{} vs. {}", "Dr. {} {}", "{}, {}")).format(
                w(), w()
            )
        elif shape == 21:
            text = f"{w()} {w()}{r.choice((' ', ': ', ' - ', ' '))}{r.choice(_TAILS)}"
        elif shape == 22:
            text = f"{w()} {self._random.choice('ABCDEFGHIJKLMNOPQRSTUVWXYZ')}. {w()}"
        elif shape == 23:
            text = " ".join(w() for _ in range(r.randint(4, 6)))
        elif shape == 24:
            text = f"{w()} {w()}: {w()} {r.choice(_SMALL)} {w()} ({w()} {r.choice(_TAILS)})"
        else:
            text = f"{w()} {r.choice(_SMALL)} {w()} {w()}"
        draw = r.random()
        if draw < 0.05:
            text = text.upper()
        elif draw < 0.09:
            text = text.lower()
        elif draw < 0.13:
            text += r.choice(("!", "?", "...", "™", "®", "!!", "?!"))
        elif draw < 0.17:
            text += f" ({r.randint(1925, 2029)})"
        elif draw < 0.18:
            text = f'"{text}"'
        return text

    def _odd(self) -> str:
        r = self._random
        draw = r.random()
        if draw < 0.4:
            letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghijklmnopqrstuvwxyz-_.$+*#@!"
            return "".join(r.choices(letters, k=r.randint(1, 9)))
        if draw < 0.7:
            start, size = r.choice(
                ((0xA1, 0x17E - 0xA1), (0x391, 56), (0x410, 63), (0x3041, 170), (0x4E00, 4000),
                 (0xAC00, 6000), (0x2010, 1500), (0x1F300, 600), (0x5D0, 26), (0xE01, 50))
            )  # fmt: skip
            return "".join(chr(start + r.randrange(size)) for _ in range(r.randint(1, 6)))
        return " ".join(r.choice(self._foreign).title() for _ in range(r.randint(1, 4)))

    def family(self) -> list[str]:
        """Return two to six titles that are easily taken for one another."""
        r, w = self._random, self.name
        base = self.title()
        for _ in range(9):
            if len(base) <= 26:
                break
            base = self.title()
        kind = r.randrange(5)
        if kind == 0:
            made = [base] + [f"{base} {n}" for n in r.sample(("2", "3", "4", "II", "III", "IV"), 3)]
            made += [base + "s", f"{base}: {w()}"]
        elif kind == 1:
            made = [f"{base}: {w()}" if r.random() < 0.3 else f"{base} {w()}" for _ in range(5)]
        elif kind == 2:
            made = [f"{w()} {base}" for _ in range(4)] + [f"The {base}", base]
        elif kind == 3:
            first, second, third, fourth = w(), w(), w(), w()
            made = [
                f"{first} {second}", f"{first} {third}", f"{fourth} {second}",
                f"{second} {first}", f"The {first}", f"{first} {second} {third}",
            ]  # fmt: skip
        else:
            other = w()
            made = [f"The {w()} of {base}" for _ in range(2)]
            made += [f"The {other} of {w()}" for _ in range(2)] + [f"The {other}", f"{other} {base}"]
        made = list(dict.fromkeys(made))
        r.shuffle(made)
        return made[: r.randint(2, 6)]


# ---------------------------------------------------------------------------------------
# Header lines
# ---------------------------------------------------------------------------------------

_NOUNS = (
    ("movies", "movie"), ("artists", "artist"), ("games", "game"), ("books", "book"),
    ("songs", "song"), ("items", "item"), ("products", "product"), ("films", "film"),
    ("shows", "show"), ("things", "thing"), ("albums", "album"), ("places", "place"),
)  # fmt: skip
_VERBS = (
    ("watched", "watch"), ("listened to", "listen to"), ("played", "play"), ("read", "read"),
    ("bought", "buy"), ("liked", "like"), ("visited", "visit"), ("used", "use"),
    ("rated", "rate"), ("chose", "choose"),
)  # fmt: skip


@dataclass(frozen=True)
class Headers:
    """The three header lines of one recommendation exercise, as text.

    Attributes
    ----------
    history, candidates, question : str
        The line before the first list, before the second, and before the answer.
    """

    history: str
    candidates: str
    question: str


def write_headers(r: random.Random, writer: TitleWriter) -> Headers:
    """Return header lines: mostly the usual sentences, sometimes random words."""
    nouns, noun = r.choice(_NOUNS)
    past, present = r.choice(_VERBS)
    draw = r.random()
    if draw < 0.5:
        return Headers(
            f"This user {past} these {nouns}, oldest first:",
            f"Choose the {noun} to {present} next from this list:",
            f"The next {noun} is:",
        )
    if draw < 0.75:
        return Headers(
            r.choice(
                (
                    f"The user has {past} the following {nouns}:",
                    f"History of {nouns} {past}:",
                    f"{nouns.capitalize()} {past} so far, from the oldest to the newest:",
                    f"A person {past} these {nouns}:",
                )
            ),
            r.choice(
                (
                    f"Candidates for the next {noun}:",
                    f"Recommend one {noun} from these candidates:",
                    f"Pick one of these {nouns}:",
                    f"Which {noun} comes next? The options are:",
                )
            ),
            r.choice((f"Next {noun}:", "Answer:", "Recommendation:", f"The {noun} to {present}:")),
        )
    words = [" ".join(writer.word() for _ in range(r.randint(1, 7))) for _ in range(3)]
    return Headers(*(w.capitalize() + r.choice((":", ".", " ->", ":")) for w in words))


# ---------------------------------------------------------------------------------------
# Tokenizer
# ---------------------------------------------------------------------------------------


def train_tokenizer(folder: Path) -> None:
    """Train the byte-level BPE tokenizer on written titles and save it.

    The new line is split off before the merges, so that it is always one token of its own
    and a line is tokenised alike alone and inside a text.

    Parameters
    ----------
    folder : Path
        Where ``tokenizer.json`` and ``tokenizer_config.json`` go.
    """
    writer, r = TitleWriter(SEED), random.Random(SEED)
    lines = [writer.title() for _ in range(400_000)]
    for _ in range(6000):
        made = write_headers(r, writer)
        lines += [made.history, made.candidates, made.question]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex("\n"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=2,
        special_tokens=["<pad>", "<bos>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=16,
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
    ).save_pretrained(folder)


# ---------------------------------------------------------------------------------------
# Exercises
# ---------------------------------------------------------------------------------------


class TitlePool:
    """Titles and families of titles, tokenised once, to draw lists from.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerFast
        The tokenizer of the model.
    seed : int
        Seed of the titles.
    size : int
        How many single titles; a fifth as many families are added.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, seed: int, size: int) -> None:
        writer = TitleWriter(seed)
        encode = tokenizer.backend_tokenizer.encode_batch
        self.newline = tokenizer.encode("\n")[0]
        self.colon = tokenizer.encode(":")[0]
        texts = [writer.title() for _ in range(size)]
        self.singles = [e.ids for e in encode(texts) if 0 < len(e.ids) <= 30]
        short = [t for t in self.singles if len(t) <= 4]
        self.short = short
        families = [writer.family() for _ in range(size // 5)]
        flat = iter(encode([t for f in families for t in f]))
        self.families = [[next(flat).ids for _ in f] for f in families]
        self.plain = [t for t in range(3, VOCABULARY) if t != self.newline]
        r = random.Random(seed)
        written = [write_headers(r, writer) for _ in range(4000)]
        self.headers = list(
            zip(
                *(
                    [e.ids for e in encode([getattr(h, part) for h in written])]
                    for part in ("history", "candidates", "question")
                ),
                strict=True,
            )
        )
        words = {writer.name() for _ in range(4000)}
        self.words = [e.ids for e in encode([f" {w}" for w in sorted(words)])]
        self.phrases = {
            name: tokenizer.encode(text)
            for name, text in (
                ("repeat", "Repeat the list:"),
                ("line", "Line number "),
                ("last", "The last line:"),
                ("after", "The line after "),
                ("starts", "The line that starts with "),
                ("mark", "The line marked"),
            )
        }
        self.numerals = [tokenizer.encode(f"{n}:") for n in range(100)]

    def titles(self, r: random.Random, count: int, alike: float, short: bool = False) -> list[Tokens]:
        """Draw distinct titles in random order.

        Parameters
        ----------
        r : random.Random
            The generator to draw with.
        count : int
            How many.
        alike : float
            Chance that a draw adds a family of similar titles and not one title.
        short : bool
            Draw titles of at most four tokens only.
        """
        chosen: dict[tuple[int, ...], None] = {}
        while len(chosen) < count:
            draw = r.random()
            if draw < alike:
                for title in r.choice(self.families):
                    chosen[tuple(title)] = None
            elif draw > 0.93:
                made = r.choices(self.plain, k=r.choice((1, 2, 2, 3, 3, 4, 5, 7)))
                chosen[tuple(made)] = None
            else:
                chosen[tuple(r.choice(self.short if short else self.singles))] = None
        made_lists = [list(t) for t in chosen][:count]
        r.shuffle(made_lists)
        return made_lists


@dataclass
class Exercise:
    """One sequence of tokens with marks and supervised places.

    Attributes
    ----------
    ids : list of int
        The tokens; a mark has the padding token in its place.
    labels : list of int
        The token itself where it is to be predicted, else ``IGNORED``.
    places : list of int
        Where the marks stand.
    vectors : list of numpy.ndarray
        The marks, of unit mean square.
    newline : int
        The token of the new line.
    """

    newline: int
    ids: Tokens = field(default_factory=list)
    labels: Tokens = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)

    def line(self, tokens: Sequence[int], mark: np.ndarray | None = None) -> None:
        """Add a line that is only read, with or without a mark at its end."""
        self.ids.extend(tokens)
        if mark is not None:
            self.places.append(len(self.ids))
            self.vectors.append(mark)
            self.ids.append(PAD)
        self.ids.append(self.newline)
        self.labels.extend([IGNORED] * (len(self.ids) - len(self.labels)))

    def answer(self, tokens: Sequence[int], skip: int = 0) -> None:
        """Add a line to be predicted, all of it but its first ``skip`` tokens."""
        self.ids.extend(tokens)
        self.ids.append(self.newline)
        self.labels.extend([IGNORED] * skip)
        self.labels.extend(tokens[skip:])
        self.labels.append(self.newline)


class MarkSpace:
    """A random linear map from a latent space to marks of the model's width.

    Parameters
    ----------
    g : numpy.random.Generator
        The generator to draw with.
    """

    def __init__(self, g: np.random.Generator) -> None:
        self.g = g
        self.size = int(g.choice((8, 12, 16, 24, 32, 48, 64)))
        self._map = g.standard_normal((self.size, WIDTH), dtype=np.float32) / math.sqrt(self.size)
        self._offset = g.standard_normal(WIDTH, dtype=np.float32)
        self._offset *= float(g.uniform(0, 1.0)) if g.random() < 0.5 else 0.0
        scale = math.sqrt(1 + float(np.mean(self._offset**2)))
        self._scale = math.exp(g.uniform(math.log(0.5), math.log(2.0))) / scale

    def draw(self, count: int) -> np.ndarray:
        """Return latent vectors, standard normal, one a row."""
        return self.g.standard_normal((count, self.size), dtype=np.float32)

    def near(self, centre: np.ndarray, count: int, noise: float) -> np.ndarray:
        """Return latent vectors about a centre; ``noise`` is the share of random amplitude."""
        return math.sqrt(1 - noise**2) * centre + noise * self.draw(count)

    def marks(self, latent: np.ndarray) -> np.ndarray:
        """Map latent vectors to marks."""
        return (latent @ self._map + self._offset) * self._scale


@dataclass(frozen=True)
class Draw:
    """What an exercise is drawn with.

    Attributes
    ----------
    pool : TitlePool
        Titles and header lines.
    r : random.Random
        For choices.
    g : numpy.random.Generator
        For vectors.
    level : float
        From 0, short and easy, to 1, the full size.
    """

    pool: TitlePool
    r: random.Random
    g: np.random.Generator
    level: float

    def count(self, low: int, high: int) -> int:
        """Return a number of lines between low and what the level allows of high."""
        return self.r.randint(low, max(low, round(low + (high - low) * self.level)))

    def titles(self, count: int) -> list[Tokens]:
        """Return distinct titles, similar ones among them more often at a high level."""
        alike = self.r.choice((0.0, 0.15, 0.4)) * min(1.0, 0.2 + self.level)
        return self.pool.titles(self.r, count, alike, self.r.random() > self.level + 0.3)

    def start(self) -> Exercise:
        """Return an empty exercise, with the token for the beginning in half the cases."""
        made = Exercise(self.pool.newline)
        if self.r.random() < 0.5:
            made.ids.append(BOS)
            made.labels.append(IGNORED)
        return made


def repeat_list(d: Draw, count: int) -> Exercise:
    """Read a list, write it again."""
    made, titles = d.start(), d.titles(count)
    history, _, question = d.r.choice(d.pool.headers)
    made.line(history)
    for title in titles:
        made.line(title)
    made.line(d.pool.phrases["repeat"] if d.r.random() < 0.5 else question)
    for title in titles:
        made.answer(title)
    return made


def look_up(d: Draw, count: int) -> Exercise:
    """Read a list, answer questions about its lines: number, neighbour, beginning, mark."""
    r, phrases = d.r, d.pool.phrases
    made, titles = d.start(), d.titles(count)
    marks = [r.choice(d.pool.words) for _ in titles]
    marked = r.random() < 0.4
    made.line(r.choice(d.pool.headers)[1])
    for title, mark in zip(titles, marks, strict=True):
        made.line(title + mark if marked else title)
    for place in r.sample(range(count), min(count, 8)):
        title = titles[place]
        if marked:
            if marks.count(marks[place]) > 1:
                continue
            made.line(phrases["mark"] + marks[place] + [d.pool.colon])
        elif (draw := r.random()) < 0.2 and place < 10:
            made.line(phrases["line"] + d.pool.numerals[place + 1])
        elif draw < 0.5 and place:
            made.line(phrases["after"] + titles[place - 1] + [d.pool.colon])
        elif draw < 0.6:
            title = titles[-1]
            made.line(phrases["last"])
        else:
            length = next(
                n
                for n in range(1, len(title) + 2)
                if n > len(title) or sum(t[:n] == title[:n] for t in titles) == 1
            )
            made.line(phrases["starts"] + title[:length] + [d.pool.colon])
        made.answer(title)
    return made


def find_mark(d: Draw, count: int) -> Exercise:
    """Read a list with marks, answer questions that carry marks near one of them."""
    r, space = d.r, MarkSpace(d.g)
    made, titles = d.start(), d.titles(count)
    latent = space.draw(count)
    _, header, question = r.choice(d.pool.headers)
    made.line(header)
    for title, mark in zip(titles, space.marks(latent), strict=True):
        made.line(title, mark)
    noise = r.uniform(0, 0.2 + 0.4 * d.level)
    many = r.random() < 0.2 + 0.4 * d.level
    for place in r.sample(range(count), min(count, 8)):
        near = space.marks(space.near(latent[place], r.randint(1, 4) if many else 1, noise))
        for mark in near[1:]:
            made.line(r.choice(d.pool.short), mark)
        made.line(question, near[0])
        made.answer(titles[place])
    return made


def recommend(
    d: Draw, count: int, rounds: int, noise: float | None = None, seen: int | None = None
) -> Exercise:
    """Read a history and candidates with marks, write the candidate nearest the history.

    Parameters
    ----------
    d : Draw
        What to draw with.
    count : int
        Number of candidates.
    rounds : int
        Number of histories asked about one list of candidates; the first stands before it.
    noise : float, optional
        Share of random amplitude in the marks; random when not given.
    seen : int, optional
        Length of the history; random up to ten when not given.
    """
    r, g, space = d.r, d.g, MarkSpace(d.g)
    made = d.start()
    lengths = [seen or r.randint(1, max(2, round(10 * min(1, 0.2 + d.level)))) for _ in range(rounds)]
    titles = d.titles(count + sum(lengths))
    candidates, others = titles[:count], titles[count:]
    latent = space.draw(count)
    if r.random() < 0.3:
        centres = space.draw(3)
        latent = 0.75 * centres[g.integers(0, 3, count)] + 0.66 * latent
    header, choose, question = r.choice(d.pool.headers)
    blank = r.random() < 0.08 and noise is None
    parts: list[tuple[np.ndarray, int]] = []
    for place, length in zip(r.sample(range(count), rounds), lengths, strict=True):
        amplitude = r.uniform(0.05, 0.3 + 0.5 * d.level) if noise is None else noise
        user = latent[place] if rounds > 1 else space.draw(1)[0]
        near = space.near(user, length, amplitude)
        kind = r.random()
        if kind < 0.2 and length > 3:  # a second interest, which no candidate meets
            mask = g.random(length) < 0.5
            near[mask] = space.near(space.draw(1)[0], int(mask.sum()), amplitude)
        elif kind < 0.4 and length > 3:  # an older interest, which a candidate may meet
            older = space.draw(1)[0]
            half = r.randint(1, length // 2)
            near[:half] = space.near(older, half, amplitude)
            if rounds == 1:
                latent[(place + 1) % count] = space.near(older, 1, 0.3)[0]
        if rounds == 1:
            latent[place] = space.near(user, 1, min(0.7, amplitude))[0]
            if r.random() < 0.85 or noise is not None:
                scores = latent @ user
                close = scores > 0.75 * scores[place]
                close[place] = False
                latent[close] *= -1.0
        parts.append((near, place))
    marks = space.marks(latent)
    used = 0
    for index, (near, place) in enumerate(parts):
        made.line(header)
        for mark in space.marks(near):
            made.line(others[used], None if blank else mark)
            used += 1
        if index == 0:
            made.line(choose)
            for title, mark in zip(candidates, marks, strict=True):
                made.line(title, None if blank else mark)
        made.line(question)
        made.answer(candidates[place], skip=1 if blank else 0)
    return made


def recommend_text(d: Draw, count: int) -> Exercise:
    """Recommend without marks: the answer alone shares a word with the history."""
    r = d.r
    made = d.start()
    seen = d.count(2, 10)
    topic = r.choice(d.pool.words)
    titles = [t for t in d.titles(count + seen) if not set(t) & set(topic)]
    seen = min(seen, max(1, len(titles) - 3))

    def themed(title: Tokens) -> Tokens:
        return title + topic if r.random() < 0.7 else topic + title

    history = [themed(t) if r.random() < 0.7 else t for t in titles[:seen]]
    history[-1] = themed(titles[seen - 1])
    candidates = titles[seen:]
    place = r.randrange(len(candidates))
    candidates[place] = themed(candidates[place])
    header, choose, question = r.choice(d.pool.headers)
    made.line(header)
    for title in history:
        made.line(title)
    made.line(choose)
    for title in candidates:
        made.line(title)
    made.line(question)
    made.answer(candidates[place])
    return made


def draw_batch(d: Draw, progress: float) -> list[Exercise]:
    """Draw exercises of one kind and size that fill a batch.

    Parameters
    ----------
    d : Draw
        What to draw with.
    progress : float
        Share of the training that is done; moves the mixture towards recommendation.
    """
    r = d.r
    early = max(0.0, 1 - progress / 0.25)
    kinds: dict[str, float] = {
        "repeat": 0.06 + 0.34 * early,
        "look_up": 0.10 + 0.15 * early,
        "find": 0.20 + 0.10 * early,
        "rounds": 0.26 * (1 - 0.6 * early),
        "one": 0.28 * (1 - 0.8 * early),
        "text": 0.10 * (1 - 0.6 * early),
    }
    kind = r.choices(list(kinds), list(kinds.values()))[0]
    sizes: dict[str, Callable[[], int]] = {
        "repeat": lambda: d.count(3, 24),
        "look_up": lambda: d.count(3, 32),
        "find": lambda: d.count(3, 32),
        "rounds": lambda: d.count(3, 24),
        "one": lambda: 20 if r.random() < d.level * 0.7 else d.count(3, 40),
        "text": lambda: 20 if r.random() < d.level * 0.5 else d.count(3, 30),
    }
    count = sizes[kind]()
    made: list[Exercise] = []
    longest = 0
    while longest * len(made) < BATCH_TOKENS:
        if kind == "repeat":
            one = repeat_list(d, count)
        elif kind == "look_up":
            one = look_up(d, count)
        elif kind == "find":
            one = find_mark(d, count)
        elif kind == "rounds":
            one = recommend(d, count, r.randint(2, min(count, 5)))
        elif kind == "one":
            one = recommend(d, count, 1)
        else:
            one = recommend_text(d, count)
        made.append(one)
        longest = max(longest, len(one.ids))
    return made


# ---------------------------------------------------------------------------------------
# Model
# ---------------------------------------------------------------------------------------


def new_model() -> LlamaForCausalLM:
    """Return the untrained model."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=352,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=2048,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        initializer_range=0.04,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config)


def embedding_rms(model: LlamaForCausalLM) -> float:
    """Return the root mean square of the token embeddings."""
    return float(model.model.embed_tokens.weight.detach().float().pow(2).mean().sqrt())


def embed(model: LlamaForCausalLM, ids: torch.Tensor, exercises: list[Exercise]) -> torch.Tensor:
    """Return the input of the model: token embeddings, marks in their places."""
    inputs = model.model.embed_tokens(ids)
    rows = [row for row, e in enumerate(exercises) for _ in e.places]
    if not rows:
        return inputs
    columns = [p for e in exercises for p in e.places]
    vectors = torch.from_numpy(np.concatenate([np.stack(e.vectors) for e in exercises if e.places]))
    mask = torch.zeros(ids.shape, dtype=torch.bool)
    mask[rows, columns] = True
    marks = torch.zeros(*ids.shape, WIDTH)
    marks[rows, columns] = vectors * embedding_rms(model)
    return torch.where(mask[..., None], marks, inputs)


def pad(rows: list[Tokens], value: int, left: bool = False) -> torch.Tensor:
    """Return rows of tokens as one tensor."""
    longest = max(map(len, rows))
    fill = [[value] * (longest - len(row)) for row in rows]
    return torch.tensor([f + row if left else row + f for f, row in zip(fill, rows, strict=True)])


def predict(
    model: LlamaForCausalLM, exercises: list[Exercise]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Run the model; return logits at the supervised places, their labels and rows."""
    ids = pad([e.ids for e in exercises], PAD)
    labels = pad([e.labels for e in exercises], IGNORED)
    hidden = model.model(inputs_embeds=embed(model, ids, exercises), use_cache=False)[0]
    rows, columns = torch.nonzero(labels[:, 1:] != IGNORED, as_tuple=True)
    logits = model.lm_head(hidden[rows, columns]).float()
    return logits, labels[rows, columns + 1], rows


# ---------------------------------------------------------------------------------------
# Evaluation on held-out titles
# ---------------------------------------------------------------------------------------


def line_accuracy(model: LlamaForCausalLM, exercises: list[Exercise]) -> float:
    """Return the share of answer lines of which greedy decoding gets every token right."""
    right = total = 0
    for start in range(0, len(exercises), 25):
        part = exercises[start : start + 25]
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            logits, labels, rows = predict(model, part)
        correct = (logits.argmax(-1) == labels).tolist()
        newline = part[0].newline
        whole = True
        for fine, label in zip(correct, labels.tolist(), strict=True):
            whole = whole and fine
            if label == newline:
                right += whole
                total += 1
                whole = True
    return right / max(1, total)


def evaluate(model: LlamaForCausalLM, pool: TitlePool, examples: int = 100) -> dict[str, float]:
    """Measure the exact-line accuracy on held-out titles, kind by kind.

    Parameters
    ----------
    model : LlamaForCausalLM
        The model.
    pool : TitlePool
        Held-out titles.
    examples : int
        How many exercises of each kind.
    """
    model.eval()
    d = Draw(pool, random.Random(5), np.random.default_rng(5), 1.0)
    kinds: dict[str, Callable[[], Exercise]] = {
        "repeat_10": lambda: repeat_list(d, 10),
        "repeat_20": lambda: repeat_list(d, 20),
        "look_up_20": lambda: look_up(d, 20),
        "find_5": lambda: find_mark(d, 5),
        "find_20": lambda: find_mark(d, 20),
        "recommend_rounds_20": lambda: recommend(d, 20, 3),
        "recommend_5_noise_0.2": lambda: recommend(d, 5, 1, 0.2, 5),
        "recommend_20_noise_0.1": lambda: recommend(d, 20, 1, 0.1, 10),
        "recommend_20_noise_0.4": lambda: recommend(d, 20, 1, 0.4, 10),
        "recommend_20_noise_0.7": lambda: recommend(d, 20, 1, 0.7, 10),
        "recommend_text_20": lambda: recommend_text(d, 20),
    }
    return {
        name: round(line_accuracy(model, [make() for _ in range(examples)]), 3)
        for name, make in kinds.items()
    }


# ---------------------------------------------------------------------------------------
# Training
# ---------------------------------------------------------------------------------------


def learning_rate(step: int) -> float:
    """Return the rate: linear warm-up, constant, linear decay at the end."""
    left = (TOTAL_STEPS - step) / (TOTAL_STEPS * DECAY_SHARE)
    return PEAK_RATE * min(1.0, (step + 1) / WARMUP_STEPS, max(left, 0.0) + 0.01)


def save(model: LlamaForCausalLM, weights: dict[str, torch.Tensor], out: Path) -> None:
    """Write the given weights in half precision next to the tokenizer, file by file."""
    scratch = out.parent / f".{out.name}.part"
    config = LlamaConfig(**{**model.config.to_dict(), "dtype": "float16"})
    half = LlamaForCausalLM(config).to(torch.float16)
    half.load_state_dict({k: v.to(torch.float16) for k, v in weights.items()})
    half.generation_config = GenerationConfig(
        pad_token_id=PAD, bos_token_id=BOS, eos_token_id=EOS, do_sample=False
    )
    half.save_pretrained(scratch)
    for file in scratch.iterdir():
        os.replace(file, out / file.name)
    scratch.rmdir()


def train(out: Path, work: Path, stop_at: float) -> None:
    """Train from the last checkpoint, or from nothing, and write the model.

    Parameters
    ----------
    out : Path
        Folder of the finished model.
    work : Path
        Folder of checkpoints and of the log.
    stop_at : float
        Unix time at which to stop with a checkpoint, whatever is left.
    """
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    if not (out / "tokenizer.json").exists():
        train_tokenizer(out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    pool = TitlePool(tokenizer, SEED + 1, 150_000)
    held_out = TitlePool(tokenizer, HELD_OUT_SEED, 10_000)
    torch.manual_seed(SEED)
    model = new_model()
    average = {k: v.detach().clone() for k, v in model.state_dict().items()}
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}],
        lr=PEAK_RATE,
        betas=(0.9, 0.98),
        fused=True,
    )
    step = tokens = 0
    checkpoint = work / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average, step, tokens = state["average"], state["step"], state["tokens"]

    def keep() -> None:
        part = checkpoint.with_suffix(".part")
        torch.save(
            {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "average": average,
                "step": step,
                "tokens": tokens,
            },
            part,
        )
        os.replace(part, checkpoint)

    def log(record: dict[str, object]) -> None:
        record = {"time": datetime.now(timezone.utc).strftime("%H:%M:%S"), **record}
        with (work / "log.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")

    judged = new_model()
    kept = last = time.time()
    losses: list[float] = []
    read = 0
    while step < TOTAL_STEPS and time.time() < stop_at:
        progress = step / TOTAL_STEPS
        level = min(1.0, progress / 0.2) * random.Random(step).random() ** 0.5
        d = Draw(pool, random.Random(SEED * 7 + step), np.random.default_rng((SEED, step)), level)
        exercises = draw_batch(d, progress)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        model.train()
        with torch.autocast("cpu", torch.bfloat16):
            logits, labels, _ = predict(model, exercises)
        loss = functional.cross_entropy(logits, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        share = min(0.997, step / (step + 50))
        with torch.no_grad():
            for name, value in model.state_dict().items():
                average[name].lerp_(value, 1 - share)
        tokens += sum(len(e.ids) for e in exercises)
        read += sum(len(e.ids) for e in exercises)
        losses.append(loss.item())
        if step % 50 == 0:
            speed = read / (time.time() - last)
            log({"step": step, "tokens": tokens, "loss": round(float(np.mean(losses)), 4),
                 "per_second": round(speed), "level": round(min(1.0, progress / 0.2), 2)})  # fmt: skip
            last, read, losses = time.time(), 0, []
        if step % EVALUATE_EVERY == 0 or step == TOTAL_STEPS:
            judged.load_state_dict(average)
            log({"step": step, "tokens": tokens, **evaluate(judged, held_out, 40)})
            save(model, average, work / "model" if step < TOTAL_STEPS else out)
        if time.time() - kept > CHECKPOINT_SECONDS:
            keep()
            kept = time.time()
    keep()


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished model")
    parser.add_argument("--work", type=Path, default=Path("build/tiny"), help="checkpoints, log")
    parser.add_argument("--minutes", type=float, default=1e6, help="stop after so long")
    chosen = parser.parse_args()
    torch.set_num_threads(2)
    train(chosen.out, chosen.work, time.time() + 60 * chosen.minutes)


if __name__ == "__main__":
    main()
