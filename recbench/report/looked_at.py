"""What `recbench inspect` sees in the answers of a table's rows, side by side."""

from recbench.inspection.look import Look, look_beside
from recbench.runs.leaderboard import Table
from recbench.runs.remade_question import Questions
from recbench.runs.sheet import Grid, Sheet
from recbench.runs.text import DASH, figure_cell, question_line

Looks = list[tuple[str, Look]]
"""The label of each row, and the look at its first training."""


def looked_at(table: Table, questions: Questions | None) -> Looks:
    """
    Look at the first training of every row; nothing of a full ranking, which keeps no answers.

    Of a run that is not of its question, what takes the question is left out, with the reason.

    Raises
    ------
    DataError
        If a run is damaged.
    """
    if table.record.full_ranking:
        return []
    return [(row.label, look_beside(row.runs[0], questions)) for row in table.rows]


def looks_sheet(table: Table, looks: Looks) -> Sheet | None:
    """Return what a page says of them, a grid each of what is known of a row; None of nothing."""
    made = [grid(looks) for grid in (_written, _by_rule, _text_and_likelihood, _recommended)]
    grids = [grid for grid in made if grid.lines]
    if not grids:
        return None
    whose: dict[str, list[str]] = {}
    for label, one in looks:
        for why in one.left_out:
            whose.setdefault(why, []).append(label)
    left_out = [f"Left out of {', '.join(labels)}: {why}." for why, labels in whose.items()]
    return Sheet(
        (*grids, *left_out),
        question_line(table.record),
        "; what was answered, by the first training of each row",
    )


def _written(looks: Looks) -> Grid:
    """Of each kind of answer the share."""
    known = [(label, one.answers) for label, one in looks if one.answers]
    kinds = [kind for kind in (known[0][1] if known else ()) if any(of[kind] for _, of in known)]
    lines = [
        [label, *(f"{answers[kind] / sum(answers.values()):.3f}" for kind in kinds)]
        for label, answers in known
    ]
    return Grid(["model: share of what was written", *kinds], lines)


def _by_rule(looks: Looks) -> Grid:
    lines = [
        [label, rule.rule, figure_cell(rule.hit), figure_cell(rule.valid)]
        for label, one in looks
        for rule in one.rules or ()
    ]
    return Grid(["model", "rule of matching", "HitRatio@1", "ValidRatio"], lines)


def _text_and_likelihood(looks: Looks) -> Grid:
    known = [(label, one.text_and_likelihood) for label, one in looks]
    lines = [
        [
            label,
            *(f"{share:.3f}" for share in (of.both, of.text, of.likelihood, of.neither)),
            DASH if of.same is None else f"{of.same:.3f}",
        ]
        for label, of in known
        if of is not None
    ]
    headers = ["model: right", "in text and by likelihood", "in text alone", "by likelihood alone"]
    return Grid([*headers, "in neither", "valid answers that are the likeliest"], lines)


def _recommended(looks: Looks) -> Grid:
    known = [(label, one.recommended) for label, one in looks]
    lines = [
        [
            label,
            f"{of.coverage:.3f}",
            DASH if of.lift is None else f"{of.lift:.2f}",
            f"{of.novelty:.2f}",
        ]
        for label, of in known
        if of is not None
    ]
    return Grid(["model: recommends", "of the items offered", "lift", "novelty (bits)"], lines)
