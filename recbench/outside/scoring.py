"""
From a file of answers to a record like any other, of kind ``external``.

A name stands for one system. A row of a table is a name on a question; what its maker says of it
names no row, and the seed that is said tells trainings of one row apart. Answers that stand are
evidence and are not replaced: other ones under the same name and seed are refused.
"""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from recbench.errors import UserError
from recbench.evaluation.answers import Matching
from recbench.evaluation.evaluator import Judgement, looked_at, summary
from recbench.evaluation.outcome import Outcome
from recbench.file_digests import file_digest
from recbench.locks import locked
from recbench.outside.about import Maker
from recbench.outside.answers import Answers, read_answers
from recbench.outside.formats import FORMATS
from recbench.outside.formats.objects import check_file
from recbench.outside.sheet import Sheet
from recbench.outside.table import check_table
from recbench.questions.candidates import Pack
from recbench.questions.cold_start import cold_start
from recbench.runs import environment, store
from recbench.runs.evidence import answers_alike, check_same_figures, other_system
from recbench.runs.identity import row_digest, run_id
from recbench.runs.provenance import provenance
from recbench.runs.record import RunRecord
from recbench.runs.record_parts import FROM_OUTSIDE, Outside, Times

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def score(
    file: Path,
    name: str,
    sheet: Sheet,
    pack_seed: int,
    results: Path,
    report: Callable[[str], None],
    maker: Maker,
    form: str = "plain",
    matching: Matching = "exact",
) -> store.Run:
    """
    Judge a file of answers and keep a record, or find the one that stands.

    Parameters
    ----------
    file
        The answers.
    name
        Of the system, of letters, digits, dots, dashes and underscores; tables put `FROM_OUTSIDE`
        before it.
    sheet, pack_seed
        What was asked.
    results
        Folder of run records.
    report
        Told of metrics that fail, and of rows that name no candidate.
    maker
        What is said of the system.
    form
        One of `recbench.outside.formats.FORMATS`.
    matching
        How a text names a candidate.

    Raises
    ------
    UserError
        For a name that cannot be one; for other answers than those that stand under it.
    DataError
        As the format's reader and `read_answers`; nothing is then written. And where a record
        stands with a table or figures that these answers do not give.
    """
    check_name(name)
    check_file(file)
    began = time.monotonic()
    answers = read_answers(file, FORMATS[form](file, sheet), sheet)
    if answers.unnamed:
        report(
            f"{file}: in {answers.unnamed} of {len(sheet.keys)} rows no candidate of the question "
            "is named, so that the target ranks last; make a top of the whole catalogue longer, or "
            "rank the candidates alone"
        )
    outcome = outcome_of(answers, sheet, matching)
    judgement = Judgement(outcome, answers.texts, summary(outcome, report))
    outside = Outside(
        given=answers.given,
        answers=answers.digest,
        file=file_digest(file),
        format=form,
        kind=sheet.kind,
        about=maker.about,
    )
    record = _record(name, sheet, pack_seed, maker, outside, judgement, matching, began)
    folder = store.run_folder(results, record)
    _check_siblings(folder, record)
    with locked(folder, report):
        if found := store.finished(folder):
            return _same(found, record, judgement)
        return store.finish(folder, record, judgement, cold_start(sheet.question.split))


def check_name(name: str) -> None:
    """Refuse what cannot name a system: it becomes a folder, and a column of tables."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"--name takes up to 64 letters, digits, dots, dashes and underscores, and begins with "
            f"a letter or a digit; {ascii(name)[:80]} does not"
        )


def outcome_of(answers: Answers, sheet: Sheet, matching: Matching) -> Outcome:
    """Look at answers beside the targets, as at those of a model of ours."""
    question, pack = sheet.question, sheet.question.pack
    asked = question.split.test, question.split.catalogue
    if isinstance(pack, Pack):
        return looked_at(pack, *asked, answers.scores, answers.texts, matching)
    return Outcome(draws=1, users=asked[0].users, rank=answers.rank, writes=False)


def _record(
    name: str,
    sheet: Sheet,
    pack_seed: int,
    maker: Maker,
    outside: Outside,
    judgement: Judgement,
    matching: Matching,
    began: float,
) -> RunRecord:
    question, model = sheet.question, f"{FROM_OUTSIDE}{name}"
    writes = outside.given == "text"
    matching = matching if writes else "exact"
    row = row_digest(
        model=model,
        settings={},
        ingredients={},
        digests=question.digests,
        protocol=question.protocol.name,
        matching=matching,
    )
    seed = maker.seed if maker.random_training else 0
    seconds = time.monotonic() - began
    return RunRecord(
        kind="external",
        run_id=run_id(row, seed),
        row=row,
        model=model,
        preset=None,
        settings={},
        seed=seed,
        random_training=maker.random_training,
        pack_seed=pack_seed,
        matching=matching,
        caption=outside.caption,
        writes=writes,
        ranks=not writes,
        trained=None,
        outside=outside,
        metrics=judgement.metrics,
        examples_sha256="",
        audit=None,
        provenance=provenance(model, "cpu", "unknown"),
        times=Times(prepare=0.0, fit=0.0, score=seconds, audit=0.0),
        peak_memory=environment.peak_memory("cpu"),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        **question.fields,
    )


def _same(found: store.Run, record: RunRecord, judgement: Judgement) -> store.Run:
    """Return the run that stands, if it is of the same answers and says the same of them."""
    _check_alike(found, record)
    # It may have come from elsewhere: nobody is shown figures that these answers do not give.
    check_table(found.folder, found.record, judgement.outcome, judgement.answers)
    check_same_figures(found.folder, found.record, record.metrics)
    return found


def _check_alike(found: store.Run, record: RunRecord) -> None:
    """Refuse other answers, and other words of their maker."""
    own, other = found.record.outside, record.outside
    assert own is not None
    assert other is not None
    if own.answers != other.answers:
        raise UserError(
            f"{found.folder} holds other answers of {record.model}, seed {record.seed}, which are "
            "not replaced; give another system another --name, another training its own seed in "
            f"--about, or move {found.folder} away"
        )
    said = own.about, found.record.random_training
    if said != (other.about, record.random_training):
        raise UserError(
            f"{found.folder} holds these answers, with other words of their maker; leave --about "
            f"as it was, or move {found.folder} away and give the same command again"
        )


def _check_siblings(folder: Path, record: RunRecord) -> None:
    """Refuse a seed that does not go with the other seeds of its row."""
    assert record.outside is not None
    for path in sorted(folder.parent.glob(f"{record.row[:12]}-seed*/{store.RECORD}")):
        if path.parent == folder:
            continue
        other = store.read_record(path.parent)
        if not (record.random_training and other.random_training):
            raise UserError(
                f"{path.parent} is seed {other.seed} of {record.model}: what has several seeds has "
                "a random training; leave random_training out of --about, give another --name, or "
                f"move {path.parent} away"
            )
        if why := other_system(record, other):
            raise UserError(
                f"{path.parent} is seed {other.seed} of {record.model}, {why}: one name is one "
                f"system; give another --name, or say the same in --about"
            )
        if not answers_alike(record, other):
            raise UserError(
                f"{path.parent} is seed {other.seed} of {record.model}, which "
                f"{'wrote' if other.writes else 'ranked'}: one row answers in one way, by texts or "
                f"by scores; give another --name, or move {path.parent} away"
            )
        if other.outside is not None and other.outside.answers == record.outside.answers:
            raise UserError(
                f"these are the answers of seed {other.seed}, in {path.parent}; give those of seed "
                f"{record.seed}, or say that seed in --about"
            )
