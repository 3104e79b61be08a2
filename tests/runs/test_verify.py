import json
import shutil
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from recbench.data.prepare import prepare
from recbench.data.titles import TitleGroups
from recbench.errors import DataError, UserError
from recbench.evaluation.answers import match
from recbench.evaluation.evaluator import Judgement, summary
from recbench.evaluation.full_ranking import FullRanking
from recbench.evaluation.outcome import Outcome
from recbench.evaluation.ranks import target_ranks, top_slots
from recbench.file_digests import folder_digest
from recbench.llm.weights.backbone import caption
from recbench.questions.candidates import draw
from recbench.questions.cold_start import cold_start
from recbench.questions.competitors import competitors
from recbench.questions.controls import seen
from recbench.questions.fraction import with_fraction
from recbench.questions.limit import first_rows
from recbench.questions.make_split import asked_split, make_split, rules_of
from recbench.questions.protocols import protocol
from recbench.runs import remade_question
from recbench.runs.evidence import check_run
from recbench.runs.examples import read_outcome
from recbench.runs.identity import row_of, run_id, training_id_of
from recbench.runs.kept_trainings import TRAINING, kept_model
from recbench.runs.record import RunRecord
from recbench.runs.record_parts import Training
from recbench.runs.remade_question import NotCheckedError, Questions, check_learnt, check_ranks
from recbench.runs.store import finish, publish, run_folder
from recbench.runs.verify import MEANING, as_text, folders_of, verify
from recbench.testing.toy import toy_split

pytestmark = pytest.mark.honesty


def silent(_):
    pass


@pytest.fixture(scope="module")
def dataset(raw_folder, tmp_path_factory):
    return prepare("movielens", tmp_path_factory.mktemp("cache"), raw_folder, silent)


def named(record, **changes):
    """Give a record the names and digests that belong to what is changed in it."""
    changed = record.model_copy(update=changes)
    changed = changed.model_copy(update={"row": row_of(changed)})
    changed = changed.model_copy(update={"run_id": run_id(changed.row, changed.seed)})
    trained = changed.trained.model_copy(update={"training_id": training_id_of(changed)})
    return changed.model_copy(update={"trained": trained})


@pytest.fixture
def honest(dataset, describe, tmp_path):
    """Return a function that writes a run that was really asked, of random scores."""

    def make(rule="paper", writes=False, draws=2, fraction=1.0, only=False, timed=False, **changes):
        asked, limit = protocol(rule), changes.get("limit")
        split = make_split(dataset, asked)
        random, test = np.random.default_rng(0), split.test
        if asked.full:
            ranking = FullRanking.of(split, "test")
            ranks = np.full(len(test), 3, dtype=np.int32)
            outcome, texts = Outcome(draws=1, users=test.users, rank=ranks, writes=False), None
            pack, size = ranking.hash, ranking.size
        else:
            drawn = draw(split, asked, "test", draws, 0)
            if limit is not None:
                split, drawn = first_rows(split, drawn, limit)
                test = split.test
            shown, target = drawn.candidates.reshape(-1, 20), drawn.target_position.reshape(-1)
            scores = random.random(shown.shape, dtype=np.float32)
            titles = seen(split, changes.get("control")).catalogue.titles
            texts = [titles[item] for item in shown[:, 0]] if writes else None
            outcome = Outcome(
                draws=draws,
                users=test.users,
                rank=target_ranks(scores, target),
                writes=writes,
                scores=scores,
                target_slot=target.astype(np.int32),
                answer_slot=match(texts, shown, titles) if writes else top_slots(scores, target),
                title_tokens=np.ones(shown.shape, dtype=np.int32) if writes else None,
            )
            if only:
                outcome = replace(outcome, rank=None, scores=None, title_tokens=None)
            pack, size = drawn.hash, 20
        judged = Judgement(outcome, texts, summary(outcome, silent))
        record = describe(
            judged,
            dataset_digest=dataset.digest,
            split=split.digest,
            pack=pack,
            protocol=asked.name,
            protocol_version=asked.version,
            candidates=size,
            training=Training(fraction=fraction),
            model="ilora" if writes else "gru4rec",
            caption=caption("tiny") if writes else "",
        )
        learnt = with_fraction(split, fraction)
        read = learnt.timed_training_digest if timed else learnt.training_digest
        data = record.trained.model_copy(update={"data": read})
        digests = record.digests.model_copy(update={"catalogue": split.catalogue.digest})
        record = named(record, **{"trained": data, "digests": digests, **changes})
        folder = run_folder(tmp_path / "results", record)
        return finish(folder, record, judged, cold_start(learnt))

    return make


@pytest.fixture
def checked(raw_folder, tmp_path):
    """Return a function that verifies all results: result of each check, by its name."""

    def check(data_dir=raw_folder, path=tmp_path / "results"):
        questions = Questions(tmp_path / "cache", data_dir, silent)
        return verify(folders_of([path]), questions)

    return check


def results(verified):
    return {one.name: one.result for one in verified.checks}


@pytest.mark.parametrize("rule", ["paper", "next-item", "temporal"])
def test_an_honest_run_passes(honest, checked, rule):
    honest(rule)
    (run,) = checked()
    expected = dict.fromkeys(MEANING, "ok") | {"model": "not checked"}
    other = {"answers", "outside"}  # of what writes, and of what is no run
    assert results(run) == {name: one for name, one in expected.items() if name not in other}
    assert not run.failed


def test_answers_are_matched_again(honest, checked, tmp_path):
    run = honest(writes=True)
    assert results(checked()[0])["answers"] == "ok"
    publish(run, tmp_path / "public")
    (published,) = checked(path=tmp_path / "public")
    assert results(published)["answers"] == "not checked"
    assert not published.failed


def test_codes_that_were_written_for_titles_are_matched_again(honest, checked):
    honest(writes=True, control="anonymised-titles")
    (found,) = checked()
    assert results(found)["answers"] == "ok"
    assert not found.failed


def test_a_control_that_is_left_out_of_a_record_is_found(honest, checked):
    run = honest(writes=True, control="anonymised-titles")
    hidden = named(run.record, control=None)
    folder = run.folder.with_name(hidden.run_id)
    run.folder.rename(folder)
    text = hidden.signed(hidden.examples_sha256).model_dump_json()
    (folder / "record.json").write_text(text)
    failed = [one.name for one in checked()[0].checks if one.result == "failed"]
    assert failed == ["answers"]


def test_a_control_that_says_nothing_of_the_model_is_refused(honest, checked):
    honest(control="other-user")
    assert "its control is other-user, which is of no use to its model" in as_text(checked())


@pytest.mark.parametrize("rule", ["paper", "next-item"])
def test_the_first_rows_alone_are_made_again(honest, checked, rule, tmp_path):
    run = honest(rule, limit=4)
    (found,) = checked()
    assert results(found)["question"] == results(found)["rows"] == "ok"
    assert not found.failed
    with pytest.raises(UserError, match=r"is not a result.*run it without --limit"):
        publish(run, tmp_path / "public")
    assert not (tmp_path / "public").exists()


def test_rows_that_are_passed_off_as_all_are_found(honest, checked):
    run = honest(limit=4)
    hidden = named(run.record, limit=None)
    text = hidden.signed(hidden.examples_sha256).model_dump_json()
    (run.folder / "record.json").write_text(text)
    assert [one.name for one in checked()[0].checks if one.result == "failed"] == ["question"]


def test_one_that_ranks_cannot_hide_its_ranks(honest, checked):
    honest(writes=True, only=True)
    (found,) = checked()
    assert [one.name for one in found.checks if one.result == "failed"] == ["claims"]
    assert "its ranks is False, its model declares True" in as_text([found])
    assert "ranks" not in results(found)


def test_a_full_ranking_is_checked_as_far_as_can_be(honest, checked):
    honest("next-item,candidates=all")
    (run,) = checked()
    assert not run.failed
    assert results(run)["rows"] == "ok"
    assert results(run)["ranks"] == "not checked"


@pytest.mark.parametrize(
    ("ranked", "result"), [(None, "not checked"), (69, "not checked"), (3, "failed")]
)
def test_how_many_items_a_full_ranking_left_to_rank_is_checked(honest, checked, ranked, result):
    honest("next-item,candidates=all", ranked=ranked)
    assert results(checked()[0])["ranks"] == result


def test_a_part_of_the_training_users_is_made_again(honest, checked):
    honest(fraction=0.5)
    assert not checked()[0].failed


@pytest.mark.parametrize("timed", [False, True])
def test_what_was_learnt_before_it_was_known_who_was_left_out_is_the_same(tmp_path, timed):
    times = np.arange(len(toy_split().sequences.values)) if timed else None
    earlier = replace(toy_split(), times=times)
    split = replace(earlier, left_out_users=np.array([3], dtype=np.int32))
    other = replace(split, left_out_users=np.array([4], dtype=np.int32))

    def check(learnt):
        digest = learnt.timed_training_digest if timed else learnt.training_digest
        record = SimpleNamespace(training=Training(), trained=SimpleNamespace(data=digest))
        check_learnt(tmp_path, record, SimpleNamespace(split=split))

    for learnt in (split, earlier):
        check(learnt)
    with pytest.raises(DataError, match="its training was of other data than this split gives"):
        check(other)


def test_what_a_model_learnt_that_reads_times_is_made_again(honest, checked):
    honest(timed=True)
    assert results(checked()[0])["learnt"] == "ok"


def rewrite(run, change):
    """Forge a run as one would who knows every check but has no model: table, figures, digests."""
    path = run.folder / "examples.parquet"
    table = parquet.read_table(path)
    for name, values in change(table.to_pydict()).items():
        column = pa.array(values, table.schema.field(name).type)
        table = table.set_column(table.column_names.index(name), name, column)
    parquet.write_table(table, path)
    outcome = read_outcome(run.folder, run.record)
    record = run.record.model_copy(update={"metrics": summary(outcome, silent)})
    from recbench.runs.examples import sha256

    text = record.signed(sha256(run.folder)).model_dump_json()
    (run.folder / "record.json").write_text(text)
    check_run(run.folder, RunRecord.model_validate_json(text))


def other_targets(rows):
    """Call the highest score the target."""
    best = np.argmax(rows["scores"], axis=1).tolist()
    return {"target_slot": best, "answer_slot": best, "rank": [1] * len(best)}


def other_users(rows):
    return {"user": [user + 1 for user in rows["user"]]}


def other_counts(rows):
    return {"target_count": [0] * len(rows["user"])}


def other_answers(rows):
    return {"answer_slot": rows["target_slot"]}


@pytest.mark.parametrize(
    ("forge", "writes", "found"),
    [
        (other_targets, False, "rows"),
        (other_users, False, "rows"),
        (other_counts, False, "rows"),
        (other_answers, True, "answers"),
    ],
)
def test_what_no_table_can_see_is_seen_with_the_data(honest, checked, forge, writes, found):
    rewrite(honest(writes=writes), forge)
    (run,) = checked()
    assert run.failed
    assert results(run)[found] == "failed"
    assert not checked(data_dir=None)[0].failed


@pytest.mark.parametrize("name", ["split", "pack", "dataset", "catalogue"])
def test_another_question_is_seen_with_the_data(honest, checked, name):
    def forged(record):
        return record.digests.model_copy(update={name: "0" * 64})

    run = honest()
    shutil.rmtree(run.folder)
    honest(digests=forged(run.record))
    (found,) = checked()
    assert results(found)["question"] == "failed"
    assert f"its {name} is 000000000000" in as_text([found])


@pytest.mark.parametrize(
    "changes",
    [{"pack_seed": 5}, {"protocol_version": 7}, {"trained": None}],
    ids=["pack seed", "version", "learnt"],
)
def test_other_lies_about_the_question(honest, checked, changes):
    if "trained" in changes:
        run = honest()
        shutil.rmtree(run.folder)
        changes = {"trained": run.record.trained.model_copy(update={"data": "other"})}
    honest(**changes)
    (run,) = checked()
    assert run.failed
    failed = [name for name, result in results(run).items() if result == "failed"]
    assert failed == (["learnt"] if "trained" in changes else ["question"])


def test_a_version_of_before_is_not_checked(honest, checked):
    run = honest("next-item")
    shutil.rmtree(run.folder)
    other = run.record.digests.model_copy(update={"split": "0" * 64})
    honest("next-item", protocol_version=1, digests=other)
    (run,) = checked()
    assert not run.failed
    assert results(run)["question"] == results(run)["rows"] == "not checked"
    installed = protocol("next-item").version
    assert f"its protocol is of version 1, installed is {installed}" in as_text([run])


def test_a_version_of_before_with_the_rows_of_today_is_a_lie(honest, checked):
    honest("next-item", protocol_version=1)
    assert results(checked()[0])["question"] == "failed"


def test_rules_of_own_data_that_are_others_are_not_checked(honest, checked, monkeypatch):
    run = honest()
    shutil.rmtree(run.folder)
    honest(digests=run.record.digests.model_copy(update={"split": "0" * 64}))
    assert checked()[0].failed
    monkeypatch.setattr("recbench.runs.remade_question.ships", lambda _: False)
    (run,) = checked()
    assert not run.failed
    assert results(run)["question"] == results(run)["rows"] == "not checked"
    assert "look at recbench data show movielens" in as_text([run])


def test_own_data_are_split_by_the_rules_of_the_record(honest, checked, dataset, monkeypatch):
    few = rules_of(dataset, protocol("next-item")).model_copy(update={"min_rating": 4.0})
    theirs = replace(dataset, card=dataset.card.under("next-item", few))
    split = asked_split(theirs, protocol("next-item"))
    drawn = draw(split, protocol("next-item"), "test", 2, 0)
    assert split.digest != asked_split(dataset, protocol("next-item")).digest
    run = honest("next-item")
    shutil.rmtree(run.folder)
    other = run.record.digests.model_copy(
        update={"split": split.digest, "catalogue": split.catalogue.digest, "pack": drawn.hash}
    )
    honest("next-item", digests=other, rules=few, examples=len(split.test))
    failed = "its rules are not those of the card of movielens"
    assert results(checked()[0])["question"] == "failed"
    monkeypatch.setattr("recbench.runs.remade_question.ships", lambda _: False)
    assert results(checked()[0])["question"] == "ok"
    assert failed not in as_text(checked())


def test_rules_that_were_not_gone_by_are_a_lie(honest, checked, dataset):
    own = rules_of(dataset, protocol("next-item"))
    run = honest("next-item", rules=own.model_copy(update={"note": "told otherwise"}))
    assert results(checked()[0])["question"] == "ok"
    shutil.rmtree(run.folder)
    honest("next-item", rules=own.model_copy(update={"min_per_item": 5}))
    (run,) = checked()
    assert results(run)["question"] == "failed"
    assert "its rules are not those of the card of movielens" in as_text([run])


def test_a_rank_beyond_what_is_ranked(honest, checked):
    run = honest("next-item,candidates=all")
    rewrite(run, lambda rows: {"rank": [80] * len(rows["rank"])})
    assert results(checked()[0])["ranks"] == "failed"


@pytest.mark.parametrize("more", [0, 1])
def test_the_last_place_is_that_behind_all_that_compete(tmp_path, monkeypatch, more):
    split = toy_split()
    ranking, groups = FullRanking.of(split, "test"), TitleGroups.apart(split.catalogue)
    rank = 1 + competitors(groups, ranking.examples.targets, ranking.excluded)
    rank[3] += more
    outcome = Outcome(1, split.test.users, writes=False, rank=rank)
    monkeypatch.setattr(remade_question, "read_outcome", lambda *_: outcome)
    error, said = [(NotCheckedError, "no rank is too large"), (DataError, "is larger than")][more]
    made = SimpleNamespace(split=split, pack=ranking)
    with pytest.raises(error, match=said):
        check_ranks(tmp_path, SimpleNamespace(ranked=None), made)


def test_without_the_data_it_says_what_was_not_checked(honest, checked, monkeypatch):
    honest()
    module = "recbench.runs.remade_question"
    monkeypatch.setattr(f"{module}.prepare", None)  # nothing may be downloaded
    monkeypatch.setattr(f"{module}.at_hand", lambda *_: False)
    (run,) = checked(data_dir=None)
    assert not run.failed
    assert results(run)["question"] == "not checked"
    assert "movielens is not at hand; name its folder with --data-dir" in as_text([run])


def test_other_data_at_hand_are_said(honest, checked, dataset, monkeypatch):
    from dataclasses import replace

    honest()
    module = "recbench.runs.remade_question"
    monkeypatch.setattr(f"{module}.at_hand", lambda *_: True)
    monkeypatch.setattr(f"{module}.prepare", lambda *_: replace(dataset, digest="f" * 64))
    text = as_text(checked(data_dir=None))
    assert "at hand are ffffffffffff; name their folder with --data-dir" in text
    assert checked()[0].failed  # here they were named


def test_a_protocol_that_is_not_installed_is_said(honest, checked):
    honest(protocol="theirs")
    (run,) = checked()
    assert not run.failed
    assert "unknown protocol 'theirs'" in as_text([run])


@pytest.fixture
def kept(honest, tmp_path):
    """A run whose training is kept beside it: the run, and the training's folder."""
    run = honest()
    model = kept_model(tmp_path / "results", run.record)
    model.mkdir(parents=True)
    (model / "weights").write_text("of this run")
    shutil.rmtree(run.folder)
    digests = {"weights": folder_digest(model), "parts": {}}
    run = honest(trained=run.record.trained.model_copy(update=digests))
    (model.parent / TRAINING).write_text(run.record.trained.model_dump_json())
    return run, model.parent


def test_the_kept_model_is_checked(kept, checked):
    assert results(checked()[0])["model"] == "ok"


def test_a_training_that_was_made_anew_since_says_nothing(kept, checked):
    run, training = kept
    text = (training / TRAINING).read_text()
    (training / TRAINING).write_text(text.replace(run.record.trained.finished, "2027-01-01"))
    assert results(checked()[0])["model"] == "not checked"


def other_weights(run, training):
    (training / "model/weights").write_text("of another run")


def another_part(run, training):
    (training / "model/encoder").mkdir()
    (training / "model/encoder/weights").touch()


def other_device(run, training):
    text = (training / TRAINING).read_text()
    (training / TRAINING).write_text(text.replace('"threads":1', '"threads":2'))


@pytest.mark.parametrize("harm", [other_weights, another_part, other_device])
def test_a_kept_model_that_is_another_is_seen(kept, checked, harm):
    harm(*kept)
    assert results(checked()[0])["model"] == "failed"


def test_a_training_that_an_audit_has_ended_since_is_not_checked(kept, checked):
    _, training = kept
    (training / TRAINING).unlink()
    assert results(checked()[0])["model"] == "not checked"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"random_training": False}, "its random_training is False, its model declares True"),
        ({"caption": "as in the paper"}, "its caption is 'as in the paper', its model declares ''"),
    ],
)
def test_claims_are_those_of_the_model(honest, checked, changes, said):
    honest(**changes)
    (run,) = checked()
    assert [name for name, result in results(run).items() if result == "failed"] == ["claims"]
    assert said in as_text([run])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model": "theirs"}, "unknown model 'theirs'"),
        ({"settings": {"speed": 3}}, "unknown setting 'speed'"),
    ],
)
def test_claims_of_a_model_that_is_not_here_are_not_checked(honest, checked, changes, why):
    honest(**changes)
    (run,) = checked()
    assert results(run)["claims"] == "not checked"
    assert why in as_text([run])


def test_doubles_and_broken_records_fail(honest, made, checked, tmp_path):
    honest()
    made(weights="w", model="caser")
    made(weights="w", model="caser", seed=1)
    (made(model="sasrec").folder / "record.json").write_text("{")
    by_model = {(one.folder.split("/")[-2], one.folder[-1]): one for one in checked()}
    assert {key: run.failed for key, run in by_model.items()} == {
        ("gru4rec", "0"): False,
        ("caser", "0"): True,  # no data of this digest are in the folder that was named
        ("caser", "1"): True,
        ("sasrec", "0"): True,
    }
    assert results(by_model["caser", "0"])["single"] == "ok"
    assert results(by_model["caser", "1"])["single"] == "failed"
    assert results(by_model["caser", "1"])["question"] == "not checked"
    assert results(by_model["sasrec", "0"]) == {"record": "failed"}


def test_the_text_has_one_line_a_check(honest, checked):
    honest()
    found = checked()
    lines = as_text(found).splitlines()
    assert len(lines) == 1 + len(found[0].checks) + 1
    assert lines[0].endswith(": verified")
    assert lines[-1] == "1 runs, 0 failed"


def test_a_path_may_be_a_run_or_any_folder_above(made, tmp_path, monkeypatch):
    one, other = made(), made(seed=1)
    root = tmp_path / "results"
    assert folders_of([one.folder]) == [one.folder]
    assert folders_of([root / "movielens"]) == [one.folder, other.folder]
    assert folders_of([root, one.folder]) == [one.folder, other.folder]
    monkeypatch.chdir(one.folder)
    assert len(folders_of([type(root)(".")])) == 1
    for path in (tmp_path / "nowhere", one.folder / "record.json"):
        with pytest.raises(UserError, match="holds no finished run"):
            folders_of([path])


def test_a_link_to_a_run_is_looked_at(made, tmp_path, checked):
    run = made()
    run.folder.with_name("another-seed1").symlink_to(run.folder)
    found = checked(data_dir=None)
    assert [results(one)["place"] for one in found] == ["ok", "failed"]


def test_json_can_be_read_back(honest, checked):
    honest()
    (run,) = checked()
    value = json.loads(run.model_dump_json())
    assert {one["result"] for one in value["checks"]} <= {"ok", "failed", "not checked"}


def test_questions_are_made_once(honest, raw_folder, tmp_path, monkeypatch):
    honest()
    calls, module = [], "recbench.runs.remade_question"
    real = partial(draw)
    monkeypatch.setattr(f"{module}.draw", lambda *rest: calls.append(1) or real(*rest))
    questions = Questions(tmp_path / "cache", raw_folder, silent)
    folders = folders_of([tmp_path / "results"])
    for _ in range(2):
        verify(folders, questions)
    assert calls == [1]


def test_parts_that_the_kept_model_does_not_have_are_seen(kept, honest, checked) -> None:
    run, training = kept
    claimed = run.record.trained.model_copy(update={"parts": {"encoder": "of another row"}})
    shutil.rmtree(run.folder)
    honest(trained=claimed)
    (training / TRAINING).write_text(claimed.model_dump_json())
    assert results(checked()[0])["model"] == "failed"
