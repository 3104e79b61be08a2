"""
The audit: some rows are asked again of a copy of the model that knows of nothing else.

Answers must depend on a row's history and candidates alone. A model that looks at what else was
asked, remembers it, or reads what the run left behind, can know targets; so a fresh process with an
empty cache loads the saved model and answers a sample of rows singly, in another order, and what it
answers must be what the run got. The sample is drawn anew in every audit, so that no model can know
its rows beforehand.

Where the run has asked the model that it had just trained, this also proves that it was saved
whole. Of a model that was loaded before it was asked it proves no such thing: where a process was
killed between its training and its first question, or a run without an audit came first, what is
left is the saved model, and what is judged then is what was saved.
"""

import secrets
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recbench.data.catalogue import Catalogue
from recbench.errors import RecbenchError
from recbench.evaluation.answers import Matching, match
from recbench.evaluation.evaluator import Judgement
from recbench.evaluation.fresh_process import Asked, SavedModel, ask_fresh
from recbench.evaluation.full_ranking import without_excluded
from recbench.evaluation.ranks import checked_scores, target_ranks
from recbench.questions.candidates import Pack
from recbench.questions.full_ranking import FullRanking
from recbench.questions.queries import Queries
from recbench.questions.split import Examples
from recbench.recommender import Runtime
from recbench.seeding import generator

LEAST, SHARE, MOST = 32, 0.05, 2_000
"""Examples that are asked again: this share, but no fewer and no more than these numbers."""

CELLS = 1 << 26
"""Most scores of a sample, unless it is the smallest: a bound on memory in full rankings."""

LOWER = ("bfloat16", "float16")
"""
Precisions whose rounding may tell scores apart. In any other, by whatever name, the copy must agree
as in float32, in which all scores are given.
"""

TOLERANCE = 1e-4
"""Of a score that is not in a `LOWER` precision, over its `scale`."""

OTHER_TEXTS = 0.02
"""
Of answers, not in a `LOWER` precision, most that may read differently, and one in any case:
rounding decides between equal words.
"""

DOUBT = 1e-3
"""Where rows are better placed in the run than in the copy by chance this seldom, it is refused."""

Rows = NDArray[np.bool_]
"""Of the rows that were asked again, bool [n], which."""


@dataclass(frozen=True)
class Sample:
    """
    The rows that are asked again.

    Attributes
    ----------
    seed
        From which they were chosen.
    examples
        int64 [n], which, in random order.
    rows
        int64 [n], the row of each in the table of outcomes: one draw of each example.
    queries
        What is asked.
    """

    seed: int
    examples: NDArray[np.int64]
    rows: NDArray[np.int64]
    queries: Queries


class Audit(BaseModel):
    """Some rows asked again, singly, of a copy that a fresh process loaded from disk."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int = Field(description="Test rows that were asked again.")
    seed: int = Field(description="From which they were chosen.")
    largest_difference: float | None = Field(
        description="Largest difference of a score, as a part of what the scores of a row differ "
        "by; null of a full ranking, of which a run keeps ranks alone, and of what only writes."
    )
    better_placed: int = Field(
        description="Rows whose target, or written answer, the run placed better than the copy."
    )
    worse_placed: int = Field(
        description="Rows whose target, or written answer, the run placed worse than the copy."
    )


class AuditError(RecbenchError):
    """What a copy answered is not what the run got."""


def audit(
    saved: SavedModel,
    judgement: Judgement,
    examples: Examples,
    catalogue: Catalogue,
    pack: Pack | FullRanking,
    runtime: Runtime,
    precision: str,
    matching: Matching,
) -> Audit:
    """
    Ask a sample of rows again of a saved model in a fresh process; see `check`.

    Parameters
    ----------
    saved
        The model that was judged, as it was kept.
    judgement
        What it answered.
    examples, catalogue, pack, matching
        As for `recbench.evaluation.evaluator.evaluate`.
    runtime
        Seed and device; a new folder below its `checkpoints` is used, and removed.
    precision
        In which the model scores.

    Raises
    ------
    AuditError
        As `check`.
    RecbenchError
        As `recbench.evaluation.fresh_process.ask_fresh`.
    """
    asked = sample(examples, pack, secrets.randbits(32))
    runtime.report(f"audit: asking {len(asked.rows)} test rows again of a copy in a fresh process")
    given = ask_fresh(saved, asked.queries, runtime)
    return check(asked, given, judgement, pack, catalogue, precision, matching)


def sample(examples: Examples, pack: Pack | FullRanking, seed: int) -> Sample:
    """Choose at least one row, at most all; the copy is told who asks only if it must know."""
    random = generator(seed, "audit", pack.hash)
    most = min(MOST, CELLS // pack.size)
    count = min(len(examples), max(LEAST, min(most, int(SHARE * len(examples)))))
    chosen = random.permutation(len(examples))[:count]
    histories, users = examples.histories[chosen], examples.users[chosen]
    if isinstance(pack, FullRanking):
        return Sample(seed, chosen, chosen, Queries.of_all(histories, pack.size).by(users))
    draws = random.integers(pack.draws, size=count)
    queries = Queries(histories, pack.candidates[chosen, draws]).by(users)
    return Sample(seed, chosen, chosen * pack.draws + draws, queries)


def check(
    asked: Sample,
    given: Asked,
    judgement: Judgement,
    pack: Pack | FullRanking,
    catalogue: Catalogue,
    precision: str,
    matching: Matching,
) -> Audit:
    """
    Compare what a copy answered with what the run got.

    Parameters
    ----------
    asked, given
        The sample, and what the copy answered to it.
    judgement, pack, catalogue, matching
        Of the run.
    precision
        In which the model scores. Scores must agree within `TOLERANCE`, unless it is a `LOWER` one;
        in any precision the target must not be systematically better placed in the run than in the
        copy (a one-sided sign test at `DOUBT`), nor a written answer.

    Raises
    ------
    AuditError
        If they do not agree; a row that does not is named.
    """
    scores, texts = given
    difference, better, worse = None, *np.zeros((2, len(asked.rows)), dtype=np.bool_)
    if judgement.outcome.rank is not None:
        difference, better, worse = _check_ranks(asked, scores, judgement, pack, precision)
    if judgement.answers is not None:
        slots = match(texts, asked.queries.candidates, catalogue.titles, matching)
        more, fewer = _check_texts(asked, texts, slots, judgement, precision)
        better, worse = better | more, worse | fewer
    return Audit(
        rows=len(asked.rows),
        seed=asked.seed,
        largest_difference=difference,
        better_placed=int(better.sum()),
        worse_placed=int(worse.sum()),
    )


def scale(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """
    Return against what differences are held, float64 [rows, 1].

    What the scores [rows, C] of a row differ by, or of the median row where that is more. Scores
    that are small or close together must agree as closely as any; but where a score is a hundred
    times what scores differ by, that hundredth: float32 cannot hold more.
    """
    highest = scores.max(axis=1, keepdims=True).astype(np.float64)
    lowest = scores.min(axis=1, keepdims=True).astype(np.float64)
    spread, size = highest - lowest, np.maximum(highest, -lowest)
    least = np.finfo(np.float32).tiny  # of a row of noughts
    return np.maximum(np.maximum(spread, np.median(spread)), np.maximum(size / 100, least))


def _is_exact(precision: str) -> bool:
    """Tell whether a copy must agree score by score, and word by word."""
    return precision not in LOWER


def _check_ranks(
    asked: Sample,
    given: Any,
    judgement: Judgement,
    pack: Pack | FullRanking,
    precision: str,
) -> tuple[float | None, Rows, Rows]:
    """Return the largest difference of a score, and which rows are better placed, and worse."""
    assert judgement.outcome.rank is not None
    scores = checked_scores(given, asked.queries.candidates.shape, asked.examples)
    before, difference = judgement.outcome.rank[asked.rows], None
    if isinstance(pack, FullRanking):
        rank = _check_full_ranks(asked, scores, before, pack, precision)
    else:
        places = pack.target_position.reshape(-1)[asked.rows].astype(np.int32)
        rank = target_ranks(scores, places)
        difference = _check_scores(asked, scores, judgement, precision)
    return difference, *_by_chance(before < rank, before > rank, _subject(judgement))


def _check_texts(
    asked: Sample,
    texts: list[str],
    slots: NDArray[np.int32],
    judgement: Judgement,
    precision: str,
) -> tuple[Rows, Rows]:
    """Return which rows the run answered better, and worse; `slots` are what `texts` mean."""
    assert judgement.answers is not None
    subject, answers = _subject(judgement), judgement.answers
    other = np.array([answers[row] != text for row, text in zip(asked.rows, texts, strict=True)])
    if _is_exact(precision) and other.sum() > max(1, OTHER_TEXTS * len(other)):
        _refuse(asked.examples[other.argmax()], "is answered in other words", subject)
    assert judgement.outcome.target_slot is not None  # a pack was asked
    hit, before = slots == judgement.outcome.target_slot[asked.rows], judgement.outcome.hit
    hit_before = before[asked.rows]
    return _by_chance(hit_before & ~hit, hit & ~hit_before, subject)


def _subject(judgement: Judgement) -> str:
    """Say what depends on what else was asked, if a copy does not agree."""
    return "answers" if judgement.outcome.rank is None else "scores"


def _check_scores(
    asked: Sample, scores: NDArray[np.float32], judgement: Judgement, precision: str
) -> float:
    assert judgement.outcome.scores is not None  # a pack was asked
    before = judgement.outcome.scores[asked.rows]
    apart = np.abs(scores.astype(np.float64) - before)
    worst = (apart / scale(scores)).max(axis=1)
    if _is_exact(precision) and worst.max() > TOLERANCE:
        row = int(worst.argmax())
        _refuse(
            asked.examples[row],
            f"has a score that differs by {apart[row].max():.3g} (scores: {_range(scores[row])})",
        )
    return float(worst.max())


def _range(scores: NDArray[np.float32]) -> str:
    return f"{scores.min():.3g} to {scores.max():.3g}"


def _check_full_ranks(
    asked: Sample,
    scores: NDArray[np.float32],
    before: NDArray[np.int32],
    ranking: FullRanking,
    precision: str,
) -> NDArray[np.int32]:
    """Return the copy's ranks; the run's may differ by what is within the tolerance."""
    targets = ranking.examples.targets[asked.examples]
    ranked = without_excluded(scores, ranking.excluded, asked.examples, targets)
    own = np.take_along_axis(ranked, targets[:, None].astype(np.intp), axis=1)
    margin = TOLERANCE * scale(scores)
    first = (ranked > own + margin).sum(axis=1) + 1
    last = (ranked >= own - margin).sum(axis=1)
    outside = (before < first) | (before > last)
    if _is_exact(precision) and outside.any():
        row = int(outside.argmax())
        _refuse(
            asked.examples[row],
            f"has its target in place {before[row]}, and in {first[row]} to {last[row]}",
        )
    return target_ranks(ranked, targets)


def _by_chance(is_better: Rows, is_worse: Rows, subject: str) -> tuple[Rows, Rows]:
    """Return the rows that the run placed better, and worse, unless that is no chance."""
    from scipy.stats import binomtest

    better, worse = int(is_better.sum()), int(is_worse.sum())
    if better and binomtest(better, better + worse, alternative="greater").pvalue < DOUBT:
        raise AuditError(
            f"{subject} depend on what else was asked: of the rows that a fresh copy of the model "
            f"was asked again, singly, the run placed {better} better and {worse} worse; the run "
            "is refused"
        )
    return is_better, is_worse


def _refuse(example: int, what: str, subject: str = "scores") -> None:
    raise AuditError(
        f"{subject} depend on what else was asked: test row {example} {what} when a fresh copy of "
        "the model is asked it alone; the run is refused"
    )
