"""
Protocols: how a dataset becomes questions. A protocol is data; `make_split` and `draw` act on it.

``paper`` asks the questions of the LLaRA and iLoRA releases (Liao et al., SIGIR 2024; Kong et
al., NeurIPS 2024); ``next-item`` is the usual leave-one-out (He et al., WWW 2017; Kang and
McAuley, ICDM 2018).
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from recbench.errors import unknown
from recbench.settings import digest


class Protocol(BaseModel):
    """
    One way to ask.

    Attributes
    ----------
    name
        Of the command line.
    summary
        The protocol in words.
    split
        ``"users"``: users apart, 80% train, 10% validation, 10% test, by their first
        interaction; ``"last-items"``: every user's last item is a test target, the one before a
        validation target.
    ties
        What orders a user's interactions of one second: ``"introsort"`` (where NumPy before 1.25
        left them) or ``"item-hash"`` (a hash of the raw item id).
    history
        Items of a history at most.
    min_train_history
        Training rows with fewer history items are left out.
    candidates
        Items to choose from, the target included.
    exclude
        What is never drawn as a negative, besides the target: ``"history"`` (the visible one) or
        ``"user"`` (all the user ever touched).
    distinct_titles
        Whether the candidates of a row all have different titles.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    summary: str
    split: Literal["users", "last-items"]
    ties: Literal["introsort", "item-hash"]
    history: int = Field(default=10, ge=1)
    min_train_history: int = Field(ge=0)
    candidates: int = Field(default=20, ge=2)
    exclude: Literal["history", "user"]
    distinct_titles: bool

    @property
    def digest(self) -> str:
        """SHA-256 over everything that changes questions: all but name and summary."""
        return digest(self.model_dump(exclude={"name", "summary"}))


PAPER = Protocol(
    name="paper",
    summary=(
        "As published by LLaRA and iLoRA, row for row: 80% of the users train, 10% validate, 10% "
        "test, by their first interaction; the target is a user's last item, the history the 10 "
        "before it; 20 candidates, negatives uniform over items outside the visible history."
    ),
    split="users",
    ties="introsort",
    min_train_history=3,
    exclude="history",
    distinct_titles=False,
)

NEXT_ITEM = Protocol(
    name="next-item",
    summary=(
        "Every user is tested on the last item, validated on the one before it and trained on the "
        "rest; the history is the 10 items before the target, the validation item among them at "
        "test; 20 candidates with different titles, negatives uniform over items the user never "
        "touched."
    ),
    split="last-items",
    ties="item-hash",
    min_train_history=1,
    exclude="user",
    distinct_titles=True,
)

PROTOCOLS = {each.name: each for each in (PAPER, NEXT_ITEM)}


def protocol(name: str) -> Protocol:
    """Return the protocol of that name; an unknown one raises UserError with the nearest name."""
    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
