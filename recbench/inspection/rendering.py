"""A look as text."""

from recbench.inspection.example import Example
from recbench.inspection.look import Look
from recbench.inspection.rotation import Rotation
from recbench.inspection.templates import Wordings
from recbench.runs.text import DASH, expert_weights_line, figure_cell, grid


def render(look: Look) -> str:
    """Write a look for a terminal, without a last line end."""
    blocks = [
        f"{look.model}: {look.question}",
        *filter(None, [look.no_result]),
        *_answers(look),
        *_text_and_likelihood(look),
        *_recommended(look),
        *_slots(look),
        *_groups(look),
        *(f"Left out: {line}." for line in look.left_out),
    ]
    return "\n\n".join(blocks)


def render_example(one: Example) -> str:
    """Write one row for a terminal, without a last line end."""
    lines = [
        [
            str(each.slot),
            each.title,
            DASH if each.score is None else f"{each.score:.3f}",
            DASH if each.rank is None else str(each.rank),
            ", ".join([*["target"] * each.target, *["answer"] * each.answered]),
        ]
        for each in one.candidates
    ]
    history = "\n".join(f"  {title}" for title in one.history) or f"  {DASH}"
    said = DASH if one.text is None else repr(one.text)
    judged = "hit" if one.hit else "miss" if one.valid else "miss: no valid answer"
    order = "as it was shown" if one.no_result else "oldest first"
    return "\n\n".join(
        [
            f"example {one.example}, draw {one.draw}, user {one.user}: {judged}",
            *filter(None, [one.no_result]),
            f"history, {order}:\n{history}",
            grid(["slot", "candidate", "score", "rank", ""], lines),
            f"written: {said}",
            *([] if one.experts is None else [expert_weights_line(one.experts)]),
        ]
    )


def render_rotation(found: Rotation) -> str:
    """Write a rotation for a terminal, without a last line end."""
    lines = [[str(one.slot), figure_cell(one.hit), figure_cell(one.valid)] for one in found.slots]
    return "\n\n".join(
        [
            f"{found.model}: {found.rows} test rows, each with its target in all "
            f"{len(found.slots)} slots in turn",
            grid(["slot", "HitRatio@1", "ValidRatio"], lines),
            f"HitRatio@1 {found.hit:.3f} over all slots; from the worst to the best slot "
            f"{found.spread:.3f}. The answer is one item wherever the target stands in "
            f"{found.same:.3f} of the rows. 95% intervals over users, each slot by itself.",
        ]
    )


def render_wordings(found: Wordings) -> str:
    """Write what the wording does for a terminal, without a last line end."""
    lines = [
        [one.template, figure_cell(one.hit), figure_cell(one.valid)] for one in found.templates
    ]
    return "\n\n".join(
        [
            f"{found.model}: {found.rows} test rows, asked in the words of {len(lines)} templates",
            grid(["template", "HitRatio@1", "ValidRatio"], lines),
            f"From the worst to the best template {found.hit_spread:.3f} in HitRatio@1, "
            f"{found.valid_spread:.3f} in ValidRatio. The answer is one candidate in whatever "
            f"words in {found.same:.3f} of the rows. 95% intervals over users, each by itself.",
        ]
    )


def _answers(look: Look) -> list[str]:
    if look.answers is None or look.rules is None:
        return []
    total = sum(look.answers.values())
    what = [
        [name, str(count), f"{count / total:.3f}"] for name, count in look.answers.items() if count
    ]
    judged = [[one.rule, figure_cell(one.hit), figure_cell(one.valid)] for one in look.rules]
    return [
        "What was written:\n" + grid(["", "rows", "share"], what),
        "By each rule of matching:\n" + grid(["rule", "HitRatio@1", "ValidRatio"], judged),
    ]


def _text_and_likelihood(look: Look) -> list[str]:
    if (one := look.text_and_likelihood) is None:
        return []
    same = DASH if one.same is None else f"{one.same:.3f}"
    return [
        f"Right in text and by likelihood {one.both:.3f}, in text alone {one.text:.3f}, by "
        f"likelihood alone {one.likelihood:.3f}, in neither {one.neither:.3f}. Of the valid "
        f"answers {same} are the likeliest candidate."
    ]


def _recommended(look: Look) -> list[str]:
    if (one := look.recommended) is None:
        return []
    lift = DASH if one.lift is None else f"{one.lift:.2f}"
    return [
        f"Recommended: {one.items:,} of {one.offered:,} items that were offered "
        f"({one.coverage:.3f}). An answer stands in {one.popularity:.1f} training sequences, a "
        f"target in {one.popularity_of_targets:.1f}, a candidate in "
        f"{one.popularity_of_candidates:.1f} (lift {lift}); novelty {one.novelty:.2f} bits."
    ]


def _slots(look: Look) -> list[str]:
    lines = [
        [
            str(one.slot),
            str(one.rows),
            figure_cell(one.hit),
            DASH if one.answered is None else f"{one.answered:.3f}",
        ]
        for one in look.slots
    ]
    headers = ["slot", "targets", "HitRatio@1", "share of valid answers"]
    even = f"{1 / len(look.slots):.3f}"
    return [
        "By the place in the list:\n"
        + grid(headers, lines)
        + f"\nWhere places do not matter each has {even} of the answers. 95% intervals over users."
    ]


def _groups(look: Look) -> list[str]:
    if not look.groups:
        return []
    lines = [[one.by, one.group, str(one.rows), figure_cell(one.hit)] for one in look.groups]
    return [
        "By how much there was to go on:\n"
        + grid(["", "group", "test rows", "HitRatio@1"], lines)
        + "\n95% intervals over users, each group by itself."
    ]
