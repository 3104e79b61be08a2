"""
Single examples: what each system made of the same test rows.

All of it is in the tables of the runs but for history, target and candidates by name, which take
the prepared dataset. Shown are the first draw, and the first training of each row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from recbench.errors import DataError
from recbench.evaluation.answers import SHARED_TITLE
from recbench.evaluation.outcome import Outcome
from recbench.evaluation.ranks import candidate_ranks
from recbench.questions.candidates import Pack
from recbench.questions.split import PAD
from recbench.runs.examples import read_answers, read_outcome
from recbench.runs.groups import counts_of
from recbench.runs.leaderboard import Row, Table
from recbench.runs.question import Question
from recbench.runs.remade_question import NotCheckedError, Questions, check_digests
from recbench.runs.sheet import Grid, Sheet
from recbench.runs.text import question_line


@dataclass(frozen=True)
class Browser:
    """
    Some examples of a table.

    Attributes
    ----------
    sheet
        A line an example, which begins with its number.
    all
        What is shown of one when it is chosen, as JSON values: ``systems``, the labels of the rows;
        ``places``, how many candidates were listed, 0 where all items were ranked; and ``details``,
        by the example's number.
    """

    sheet: Sheet
    all: dict[str, Any]


@dataclass(frozen=True)
class _Told:
    """One row of the table: what was kept of its first run."""

    row: Row
    outcome: Outcome
    texts: list[str] | None


def browser(
    table: Table, questions: Questions | None, most: int, report: Callable[[str], None]
) -> Browser:
    """
    Choose examples of a table, evenly over all.

    Parameters
    ----------
    table
        Whose.
    questions
        Makes the question again, for titles; None leaves them out, and what was written too.
    most
        How many examples at most, at least 1.
    report
        Told why there are no titles, where there are none.

    Raises
    ------
    DataError
        If examples are missing or damaged.
    """
    record = table.record
    made = None if questions is None else _made(table, questions, report)
    told = [_told(row, questions is not None) for row in table.rows]
    counts, users = counts_of(table.rows), told[0].outcome.users
    few = min(most, record.examples)
    chosen = np.linspace(0, record.examples - 1, few).round().astype(int).tolist()
    lines = [
        [
            *(str(number), str(users[number])),
            *(str(counts.history_length[number]), str(counts.target_count[number])),
            *(cell for one in told for cell in _cells(one, number * record.draws)),
        ]
        for number in chosen
    ]
    headers = ["example", "user", "items in history", "target in training"]
    headers += [header for one in told for header in _headers(one)]
    said = (
        f"{few} of {record.examples} examples, evenly over all; the first draw, and the first "
        "training of each row. Ranks are the target's, 1 the best; ties count against the model."
    )
    return Browser(
        Sheet((Grid(headers, lines), said), question_line(record), "; single examples"),
        {
            "systems": [one.row.label for one in told],
            "places": 0 if record.full_ranking else record.candidates,
            "details": {str(one): _details(told, made, one, record.draws) for one in chosen},
        },
    )


def _made(table: Table, questions: Questions, report: Callable[[str], None]) -> Question | None:
    """Make the question of a table again; None, with the reason, where it is not the same."""
    try:
        made = questions.of(table.record)
        check_digests(table.rows[0].runs[0].folder, table.record, made)
    except (NotCheckedError, DataError) as error:
        report(f"examples of {table.record.dataset} are shown without titles: {error}")
        return None
    return made


def _told(row: Row, named: bool) -> _Told:
    folder = row.runs[0].folder
    # What was written is mostly a title.
    texts = read_answers(folder) if named else None
    return _Told(row, read_outcome(folder, row.record), texts)


def _headers(one: _Told) -> list[str]:
    label = one.row.label
    wrote = [f"{label}: answer"] if one.outcome.writes else []
    return wrote + ([f"{label}: rank"] if one.outcome.rank is not None else [])


def _cells(one: _Told, line: int) -> list[str]:
    outcome, cells = one.outcome, []
    if outcome.writes:
        right = "right" if outcome.hit[line] else "wrong"
        cells.append(right if outcome.valid[line] else "invalid")
    if outcome.rank is not None:
        cells.append(str(outcome.rank[line]))
    return cells


def _details(told: list[_Told], made: Question | None, number: int, draws: int) -> dict[str, Any]:
    line, outcome = number * draws, told[0].outcome
    slot = None if outcome.target_slot is None else int(outcome.target_slot[line])
    named = {} if made is None else _named(made, number)
    by = [_by(one, line) | _weighed(one, number) for one in told]
    return {"user": int(outcome.users[number]), "slot": slot, "by": by, **named}


def _named(made: Question, number: int) -> dict[str, Any]:
    """Return titles: the history, the oldest first, the target, and the candidates if drawn."""
    titles, test = made.split.catalogue.titles, made.split.test
    history = [titles[item] for item in test.histories[number] if item != PAD]
    named: dict[str, Any] = {"history": history, "target": titles[test.targets[number]]}
    if isinstance(made.pack, Pack):
        shown = made.pack.candidates[number, 0]
        named["candidates"] = [titles[item] for item in shown]
    return named


def _weighed(one: _Told, number: int) -> dict[str, Any]:
    weights = one.outcome.expert_weights
    return {} if weights is None else {"experts": [f"{value:.3f}" for value in weights[number]]}


def _by(one: _Told, line: int) -> dict[str, Any]:
    """Say what one system made of a line: the rank of every candidate, and what it wrote."""
    outcome, found = one.outcome, dict[str, Any]()
    if outcome.scores is not None:
        found["ranks"] = candidate_ranks(outcome.scores[line]).tolist()
    if outcome.writes and outcome.answer_slot is not None:
        slot = int(outcome.answer_slot[line])
        found["answer"] = slot if slot >= 0 else "shared" if slot == SHARED_TITLE else "none"
    if one.texts is not None:
        found["text"] = one.texts[line]
    return found
