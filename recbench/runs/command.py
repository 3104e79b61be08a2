"""The command that makes a run again, from its record alone."""

import shlex

from recbench.runs.record import RunRecord
from recbench.runs.record_parts import FROM_OUTSIDE, Outside
from recbench.settings import as_text

ADAPTERS_OWN = frozenset({"alpha", "dropout", "targets"})
"""Settings of LoRA that are refused beside an adapter of its own; presets used to set them."""


def command(record: RunRecord, answers: str = "", about: str = "") -> str:
    """
    Write the line that makes a run again.

    Every setting is named, so that the line means the same where defaults are others; it follows
    from the record alone, whatever is installed.

    Parameters
    ----------
    record
        Of the run.
    answers, about
        Where the file of answers lies, and what its maker says (``--about``; empty for nothing):
        of kind external only.

    Returns
    -------
    str
        For a shell, every word quoted that needs it.
    """
    outside = record.outside
    words = _run(record) if outside is None else _score(record, outside, answers, about)
    return shlex.join(["recbench", *words, *_question(record)])


def _run(record: RunRecord) -> list[str]:
    trained = record.trained
    assert trained is not None  # it is of this kind
    learnt, seed = record.training, str(record.seed)
    words = ["run", "--model", record.model, "--seed", seed, *_given("--preset", record.preset)]
    if learnt.fraction != 1:
        words += ["--train-fraction", str(learnt.fraction)]
    words += _given("--train-dataset", learnt.dataset)
    if trained.provenance.device.deterministic:
        words += ["--deterministic"]
    adapters = (record.settings.get(one) for one in ("adapter", "peft"))
    adapted = "llm" in record.settings and any(one is not None for one in adapters)
    for name, value in {**record.settings, **trained.runtime_settings}.items():
        if not (adapted and name in ADAPTERS_OWN):
            words += ["--set", f"{name}={as_text(value)}"]
    return words


def _score(record: RunRecord, outside: Outside, answers: str, about: str) -> list[str]:
    named = ["score", answers, "--name", record.model.removeprefix(FROM_OUTSIDE)]
    told = [*_given("--format", outside.format), *_given("--kind", outside.kind)]
    return [*named, *told, *_given("--about", about or None)]


def _question(record: RunRecord) -> list[str]:
    words = ["--dataset", record.dataset, "--protocol", record.protocol]
    if not record.full_ranking:
        words += ["--draws", str(record.draws), "--pack-seed", str(record.pack_seed)]
    words += ["--matching", record.matching] if record.writes else []
    first = None if record.limit is None else str(record.limit)
    return [*words, *_given("--control", record.control), *_given("--limit", first)]


def _given(option: str, value: str | None) -> list[str]:
    return [] if value is None else [option, value]
