"""
The words of the question, for a language model that is loaded as for one that is asked elsewhere.

They stand in ``with_candidates/*.txt``, and of the question that lists no candidates in
``without_candidates/*.txt``; the noun and the verb come from the data, and no question
states a number. Nothing here takes torch.
"""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Literal

from recbench.llm.folder_hash import hashed

KNOWN, COLD = "next_item.txt", "next_item_cold.txt"
"""Of a user who has a history, and of one who has none."""

Question = Literal[
    "with_candidates",
    "without_candidates",
    "templates/predict",
    "templates/recommend",
    "templates/continue",
]
"""What is asked, by the folder of its words."""
LISTED: Question = "with_candidates"
"""For the next item out of candidates."""
TEMPLATES: tuple[Question, ...] = ("templates/predict", "templates/recommend", "templates/continue")
"""
The same in other words, for a closer look: after the three released prompts of LLaRA (Liao et al.,
SIGIR 2024), with a line a title and without their wrong number of candidates.
"""
UNLISTED: Question = "without_candidates"
"""For the next item of all there are: the candidates are not shown."""


class Wording:
    """
    Asks for the next item.

    Parameters
    ----------
    verb, noun, nouns
        As in `recbench.recommender.TrainingData`.
    question
        What is asked.
    """

    def __init__(self, verb: str, noun: str, nouns: str, question: Question = LISTED) -> None:
        words = {"verb": verb, "noun": noun, "nouns": nouns}
        words = {key: each.replace("{", "{{").replace("}", "}}") for key, each in words.items()}
        self._templates = {
            name: _read(question, name)
            .removesuffix("\n")
            .format_map({**words, "history": "{history}", "candidates": "{candidates}"})
            for name in (KNOWN, COLD)
        }

    def question(self, history: Sequence[str], candidates: Sequence[str]) -> str:
        """Ask with these titles, a line each; `history` is oldest first, and may be empty."""
        return self._templates[KNOWN if history else COLD].format(
            history="\n".join(history), candidates="\n".join(candidates)
        )

    @property
    def last_line(self) -> str:
        """The last line of every question."""
        return self._templates[KNOWN].splitlines()[-1].format()


def prompt_files(question: Question = LISTED) -> str:
    """Return the SHA-256 of the wording of all prompts that ask a question."""
    return hashed(Path(str(files("recbench.llm.prompts"))) / question)


def _read(question: Question, name: str) -> str:
    return (files("recbench.llm.prompts") / question / name).read_text(encoding="utf-8")
