"""
From what a user writes to the item that is meant, and never by a guess.

A title is read word for word, then without regard to case and spaces, then with its article in
front, then without its year; the first reading that any title shares decides. Where several items
share it, or none does, the choices are told, and so is a year that no title could be held to.
"""

import difflib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from recbench.data.catalogue import Catalogue
from recbench.data.titles import article_first, normalised, without_year, year_of
from recbench.errors import UserError
from recbench.plain_text import printable

ID = "id:"
"""Begins what names an item by its id."""

READINGS: tuple[Callable[[str], str], ...] = (str, normalised, article_first, without_year)

CHOICES = 5
"""Items that are suggested, at most."""

ALIKE = 0.65
"""From which likeness on (`difflib`, in [0, 1]) a title is suggested for another."""

SHORTEST = 3
"""Letters from which on a title is suggested that has them in it."""


class Lookup:
    """
    Finds items of a catalogue.

    Parameters
    ----------
    catalogue
        Of the dataset.
    listing
        Where a user finds all titles, as a sentence without its end.
    counts
        int64 [items], training interactions of each: they tell items of one title apart.
    report
        Told one line of what was taken for another than it may have meant.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        listing: str,
        counts: NDArray[np.int64],
        report: Callable[[str], None],
    ) -> None:
        self._listing, self._counts, self._report = listing, counts, report
        self._titles = catalogue.titles
        self._ids = catalogue.raw_ids.tolist()
        self._codes = {str(one): code for code, one in enumerate(self._ids)}
        self._indexes = [_index(read, self._titles) for read in READINGS]

    def items(self, several: Sequence[str | int]) -> list[int]:
        """Return the catalogue code of each; see `item`."""
        return [self.item(words) for words in several]

    def item(self, words: str | int) -> int:
        """
        Return the catalogue code of one item.

        Parameters
        ----------
        words
            Its title, or `ID` and its id; a number is an id, as of an `Item`.

        Raises
        ------
        UserError
            Where no item is meant, or several may be, with those that come near.
        """
        word_for_word, *_ = self._indexes
        if not isinstance(words, str):
            return self._by_id(str(words))
        if words[: len(ID)].lower() == ID and words not in word_for_word:
            return self._by_id(words[len(ID) :])
        for read, index in zip(READINGS, self._indexes, strict=True):
            found = [code for code in index.get(read(words), []) if self._may_be(code, words)]
            if len(found) == 1:
                self._tell_unread_year(found[0], words)
                return found[0]
            if found:
                raise UserError(
                    f"'{printable(words)}' may be {len(found)} items: {self._named(found)}; name "
                    "the one that is meant by its id, as it stands here"
                )
        raise self._unknown(words)

    def _by_id(self, words: str) -> int:
        if (found := self._id_in(words)) is not None:
            return self._codes[found]
        near = difflib.get_close_matches(words.strip(), self._codes, CHOICES, ALIKE)
        like = f"; there are {', '.join(map(printable, near))}" if near else ""
        raise UserError(f"no item has the id '{printable(words)}'{like}")

    def _id_in(self, words: str) -> str | None:
        """Return the id that is written: with the spaces around it where it has them itself."""
        return next((one for one in (words, words.strip()) if one in self._codes), None)

    def _may_be(self, code: int, words: str) -> bool:
        """Tell whether years, where both have one, are the same."""
        said, known = year_of(words), year_of(self._titles[code])
        return said is None or known is None or said == known

    def _tell_unread_year(self, code: int, words: str) -> None:
        if year_of(words) is not None and year_of(self._titles[code]) is None:
            self._report(
                f"'{printable(words)}' is taken for {self._named([code])}: this dataset has its "
                "title without a year"
            )

    def _unknown(self, words: str) -> UserError:
        if near := self._near(words):
            hint = f"did you mean {self._named(near)}?"
        elif (found := self._id_in(words)) is not None:
            hint = f"if that is an id, write {ID}{printable(found)}"
        else:
            hint = self._listing
        return UserError(f"no item is called '{printable(words)}'; {hint}")

    def _near(self, words: str) -> list[int]:
        """Return the codes of titles that are like what was written, or have it in them."""
        index, said = self._indexes[-1], without_year(words)
        alike = difflib.get_close_matches(said, index, CHOICES, ALIKE)
        longer = [key for key in index if said in key] if len(said) >= SHORTEST else []
        keys = dict.fromkeys([*sorted(longer, key=len), *alike])
        return [code for key in keys for code in index[key]][:CHOICES]

    def _named(self, codes: Sequence[int]) -> str:
        """Write titles with their ids, as they may be given; of one title, with their counts."""
        titles = [self._titles[code] for code in codes]
        return ", ".join(
            f"'{printable(title)}' ({ID}{printable(str(self._ids[code]))})"
            + (f" of {self._counts[code]} training interactions" * (titles.count(title) > 1))
            for code, title in zip(codes, titles, strict=True)
        )


def _index(read: Callable[[str], str], titles: Sequence[str]) -> dict[str, list[int]]:
    """Return the catalogue codes of all titles that are read alike."""
    found: dict[str, list[int]] = {}
    for code, title in enumerate(titles):
        found.setdefault(read(title), []).append(code)
    return found
