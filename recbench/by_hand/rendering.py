"""A recommendation as text; control signs in what data or a model brought are shown escaped."""

import json
from collections.abc import Sequence
from typing import Any

from recbench.by_hand.recommendation import Explanation, Item, Recommendation
from recbench.plain_text import printable
from recbench.runs.text import DASH, expert_weights_line, grid


def render(found: Recommendation) -> str:
    """Write it for a terminal, without a last line end."""
    blocks = [
        f"{found.model}, of {found.dataset}, protocol {found.protocol}: {found.run}",
        *_history(found),
        *_items(found),
        *_written(found),
        *([] if found.explanation is None else _explanation(found, found.explanation)),
    ]
    return "\n\n".join(blocks)


def _history(found: Recommendation) -> list[str]:
    titles = "\n".join(f"  {_title(item)}" for item in found.history)
    unread = (
        f"\n{found.unread} earlier {'one is' if found.unread == 1 else 'ones are'} not read: the "
        f"run's histories hold {len(found.history)} items at most."
        if found.unread
        else ""
    )
    return [f"History, oldest first:\n{titles}{unread}"]


def _items(found: Recommendation) -> list[str]:
    if not found.items:
        return []
    of = "items of the catalogue" if found.whole_catalogue else "candidates"
    lines = [
        [str(one.rank), printable(one.title), str(one.id), _digits(one.score)]
        for one in found.items
    ]
    headers = ["rank", "item", "id", "log-likelihood" if found.likelihood else "score"]
    return [f"Of {found.ranked:,} {of}:\n{grid(headers, lines)}"]


def _written(found: Recommendation) -> list[str]:
    if found.text is None:
        return []
    meant = "no candidate" if found.answer is None else _title(found.answer)
    return [f"Written: {printable(found.text) or DASH}\nIt means: {meant}"]


def _explanation(found: Recommendation, why: Explanation) -> list[str]:
    blocks = []
    if why.rivals:
        lines = [[str(one.rank), _title(one), _digits(one.behind)] for one in why.rivals]
        blocks.append(
            f"What comes next after {_title(found.items[0])}:\n"
            + grid(["rank", "item", "behind by"], lines)
        )
    if why.without:
        changed = [
            [_title(one.item), str(one.rank), _change(one.change), _first(one.first)]
            for one in why.without
        ]
        headers = ["without", "its rank", "its score changes by", "first is then"]
        blocks.append(
            f"What becomes of {_title(found.items[0])} when one item of the history is left out:\n"
            + grid(headers, changed)
        )
    return blocks + [_said(name, value) for name, value in why.said.items()]


def _first(found: Item | None) -> str:
    return "none: several are equal" if found is None else _title(found)


def _said(name: str, value: Any) -> str:
    if name == "prompt":
        return "Prompt:\n" + _indented(str(value).splitlines())
    if name == "experts":
        return expert_weights_line(value)
    return printable(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")


def _indented(lines: Sequence[str]) -> str:
    return "\n".join(f"  {printable(line)}".rstrip() for line in lines)


def _title(item: Item) -> str:
    """Write a title, with the id where another item has it, too."""
    return printable(f"{item.title} (id:{item.id})" if item.shares_title else item.title)


def _digits(score: float) -> str:
    """Write a score, or how far apart two are, by what counts whatever the scale of a model's."""
    return f"{score:.4g}"


def _change(score: float) -> str:
    """Write a change of a score; nought has no sign."""
    return f"{score:+.4g}" if score else "0"
