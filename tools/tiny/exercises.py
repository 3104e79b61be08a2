"""
The exercises that `tiny` is trained on, made of titles, header lines and random vectors.

Each has the shape of a recommender's prompt: a list of entries, a list of candidates, and an answer
to be written, which is one of the candidates. With marks, it is the candidate whose mark was drawn
near those of the entries; without, the one that ends in the same word as half of the entries.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray
from titles import TitleWriter, write_headers
from transformers import PreTrainedTokenizerFast
from wiring import BOS, PAD, WIDTH

IGNORED = -100
LONGEST_TITLE, SHORT_TITLE = 30, 4
Tokens = list[int]
Mark = NDArray[np.float32]


class TitlePool:
    """
    Titles, families of titles and header lines, tokenised once, to draw from.

    Parameters
    ----------
    tokenizer
        Of the model.
    seed
        Of the titles.
    size
        Number of single titles; a fifth as many families are added.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, seed: int, size: int) -> None:
        writer, random_ = TitleWriter(seed), random.Random(seed)
        encode = partial(tokenizer.backend_tokenizer.encode_batch, add_special_tokens=False)
        (self.newline,), (self.colon,) = (one.ids for one in encode(["\n", ":"]))
        texts = [writer.title() for _ in range(size)]
        self.singles = [e.ids for e in encode(texts) if 0 < len(e.ids) <= LONGEST_TITLE]
        self.short = [title for title in self.singles if len(title) <= SHORT_TITLE]
        self.families = [[e.ids for e in encode(writer.family())] for _ in range(size // 5)]
        self.words = [token for token in range(3, len(tokenizer)) if token != self.newline]
        headers = [write_headers(random_, writer) for _ in range(4000)]
        self.headers = [
            [self._ended(line.ids) for line in encode([h.history, h.candidates, h.question])]
            for h in headers
        ]

    def _ended(self, line: Tokens) -> Tokens:
        """End every header line in a colon: how the model knows it."""
        return line if line[-1] == self.colon else [*line[:-1], self.colon]

    def draw(self, random_: random.Random, count: int, alike: float, short: bool) -> list[Tokens]:
        """
        Draw distinct titles in random order.

        Parameters
        ----------
        random_
            To draw with.
        count
            How many.
        alike
            Chance that a draw adds a family of similar titles and not one title.
        short
            Mostly titles of few tokens.
        """
        chosen: dict[tuple[int, ...], None] = {}
        while len(chosen) < count:
            kind = random_.random()
            if kind < alike:
                chosen.update(dict.fromkeys(map(tuple, random_.choice(self.families))))
            elif kind > 0.93:  # words in no order, so that nothing but the list can be copied from
                words = random_.choices(self.words, k=random_.choice((1, 2, 2, 3, 3, 4, 5, 7)))
                chosen[tuple(words)] = None
            else:
                chosen[tuple(random_.choice(self.short if short else self.singles))] = None
        titles = [list(title) for title in chosen][:count]
        random_.shuffle(titles)
        return titles


@dataclass
class Exercise:
    """
    Tokens, of which some are marks and some are to be predicted.

    Attributes
    ----------
    newline
        Token that ends a line.
    ids
        Tokens; a mark has PAD in its place.
    labels
        The token itself where it is to be predicted, else IGNORED.
    places
        Where the marks stand.
    marks
        float32 [WIDTH] each, of about unit mean square.
    """

    newline: int
    ids: Tokens = field(default_factory=lambda: [BOS])
    labels: Tokens = field(default_factory=lambda: [IGNORED])
    places: list[int] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def read(self, title: Tokens, mark: Mark | None = None) -> None:
        """Add a line that is only read, with or without a mark at its end."""
        self.ids += title
        if mark is not None:
            self.places.append(len(self.ids))
            self.marks.append(mark)
            self.ids.append(PAD)
        self.ids.append(self.newline)
        self.labels += [IGNORED] * (len(self.ids) - len(self.labels))

    def write(self, title: Tokens) -> None:
        """Add a line that is to be predicted."""
        self.ids += [*title, self.newline]
        self.labels += [*title, self.newline]


class Maker:
    """
    Makes exercises.

    Parameters
    ----------
    pool
        Titles and header lines.
    seed
        Of everything that is drawn.
    """

    def __init__(self, pool: TitlePool, seed: int) -> None:
        self.pool = pool
        self.random, self.vectors = random.Random(seed), np.random.default_rng(seed)

    def recommend(
        self,
        candidates: int | None = None,
        seen: int | None = None,
        noise: float | None = None,
        marked: bool | None = None,
    ) -> Exercise:
        """
        Make an exercise; what is not given is drawn.

        Parameters
        ----------
        candidates, seen
            Lengths of the second and first list; half of them 20 and 10.
        noise
            Share of random amplitude in the marks of history and target, in [0, 1).
        marked
            Whether there are marks; five times in six.
        """
        draw = self.random
        candidates = candidates or (20 if draw.random() < 0.5 else draw.randint(3, 26))
        seen = seen or (10 if draw.random() < 0.5 else draw.randint(1, 10))
        marked = draw.random() < 5 / 6 if marked is None else marked
        place = draw.randrange(candidates)
        titles = self._titles(seen + candidates)
        marks: Sequence[Mark | None] = [None] * len(titles)
        if marked:
            noise = draw.uniform(0.05, 0.75) if noise is None else noise
            marks = self._marks(candidates, seen, noise, place)
        else:
            ending = draw.choice(self.pool.words)
            for alike in (*draw.sample(range(seen), (seen + 1) // 2), seen + place):
                titles[alike] = [*titles[alike], ending]
        above, between, below = draw.choice(self.pool.headers)
        made = Exercise(self.pool.newline)
        for index, (title, mark) in enumerate(zip(titles, marks, strict=True)):
            if index in (0, seen):
                made.read(above if index == 0 else between)
            made.read(title, mark)
        made.read(below)
        made.write(titles[seen + place])
        return made

    def _marks(self, candidates: int, seen: int, noise: float, place: int) -> Sequence[Mark]:
        """Draw a mark for every line; candidate `place` is near the history, no other nearer."""
        signal = math.sqrt(1 - noise**2)
        project, size = self._space()
        user = self._normal(1, size)
        history = signal * user + noise * self._normal(seen, size)
        if seen > 3 and self.random.random() < 0.25:  # an older interest that no candidate meets
            old = seen // 2
            history[:old] = signal * self._normal(1, size) + noise * self._normal(old, size)
        offered = self._normal(candidates, size)
        offered[place] = signal * user[0] + noise * self._normal(1, size)[0]
        likeness = offered @ user[0]
        rivals = (likeness > 0.8 * likeness[place]) & (np.arange(candidates) != place)
        offered[rivals] *= -1
        return list(project(np.concatenate([history, offered])))

    def _titles(self, count: int) -> list[Tokens]:
        alike = self.random.choice((0.0, 0.2, 0.4))
        return self.pool.draw(self.random, count, alike, self.random.random() < 0.3)

    def _normal(self, count: int, size: int) -> NDArray[np.float32]:
        return self.vectors.standard_normal((count, size), dtype=np.float32)

    def _space(self):
        """Return a random linear map from latent vectors to marks, and the latent size."""
        draw = self.random
        size = WIDTH if draw.random() < 0.4 else draw.choice((12, 16, 24, 32, 48, 64))
        spread = np.eye(WIDTH, dtype=np.float32)
        if size < WIDTH:
            spread = self._normal(size, WIDTH) / math.sqrt(size)
        common = self._normal(1, WIDTH) * (draw.uniform(0, 0.6) if draw.random() < 0.3 else 0)
        scale = math.exp(draw.uniform(-0.25, 0.25))

        def project(latent: NDArray[np.float32]) -> NDArray[np.float32]:
            return ((latent @ spread + common) * scale).astype(np.float32)

        return project, size
