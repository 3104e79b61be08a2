"""
Made-up titles and header lines: all that `tiny` ever reads.

Titles look like the names of films, artists, games and books: English words by frequency (the
lists of the package `wordfreq`), names, numbers, accents, other scripts, and families of titles
that are easily taken for one another. No dataset is read.
"""

import random
from dataclasses import dataclass

from wordfreq import top_n_list

_SMALL = ("of", "the", "and", "in", "to", "a", "for", "on", "with", "from", "at", "&")
_ROMAN = ("II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_SYLLABLES = (
    "ka", "ra", "mi", "lo", "ven", "dar", "bel", "an", "ton", "es", "ri",
    "chi", "mu", "sa", "no", "ber", "gh", "ley", "son", "wick", "hol", "mar",
    "te", "va", "ze", "qui", "or", "li", "na", "do", "fe", "ro", "sh",
    "ta", "jo", "el", "um", "by", "pe", "ck", "wen", "ster", "ford", "man",
    "der", "bor", "ski", "vic", "tor", "cla",
)  # fmt: skip
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
            text = (
                f"A {w()} {w()}" if r.random() < 0.5 else f"{w()} and {r.choice(('', 'the '))}{w()}"
            )
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
            made += [f"The {other} of {w()}" for _ in range(2)] + [
                f"The {other}",
                f"{other} {base}",
            ]
        made = list(dict.fromkeys(made))
        r.shuffle(made)
        return made[: r.randint(2, 6)]


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
