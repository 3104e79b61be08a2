"""What missing cells would take, told from made-up records; nothing is run and no data are read."""

import json

import pytest

from recbench.questions.protocols import protocol
from recbench.request import Experiment
from recbench.runs.kept_trainings import kept_model
from recbench.runs.record_parts import Training
from recbench.stages import build
from recbench.studies import forecast as told
from recbench.studies.forecast import Forecast, forecast, makespan, render, seconds


def settings(model, **own):
    return build(Experiment(model=model, settings=own)).settings.identity()


@pytest.fixture
def sasrec(made):
    """Return a function that makes the record of a run: 1 + 3 s to ask two draws, 2 s to learn."""
    return lambda hits=(), **changes: (
        made(hits, **({"model": "sasrec", "settings": settings("sasrec")} | changes)).record
    )


def cell(**changes):
    return Experiment(**({"model": "sasrec", "draws": 2} | changes))


def test_what_has_a_record_is_there(sasrec, made):
    record = sasrec()
    (found,) = forecast([cell()], [record])
    assert found == Forecast("sasrec", "movielens", "paper", 0, "there")
    for other in (
        {"seed": 1},
        {"draws": 4},
        {"pack_seed": 1},
        {"settings": {"epochs": 3}},
        {"train_fraction": 0.5},
        {"protocol": "paper,candidates=30"},
        {"control": "shuffled-history"},
    ):
        assert forecast([cell(**other)], [record])[0].state == "missing", other
    (unread,) = forecast([cell(matching="substring")], [record])  # it writes nothing
    assert unread.state == "there"
    writer = made(model="tallrec", settings=settings("tallrec"), writes=True).record
    asked = [cell(model="tallrec", matching=rule) for rule in ("exact", "substring")]
    assert [one.state for one in forecast(asked, [writer])] == ["there", "missing"]


def test_what_draws_nothing_is_there_whatever_is_to_be_drawn(sasrec):
    ranked = sasrec(full=True, ranks=[1, 2], protocol="paper,candidates=all")
    assert ranked.draws == 1
    asked = {"protocol": "paper,candidates=all"}
    (there,) = forecast([cell(**asked, draws=20, pack_seed=3)], [ranked])
    assert there.state == "there"
    (missing,) = forecast([cell(**asked, draws=20, seed=1)], [ranked])
    assert missing.seconds == 1 + 3 + 2
    (sampled,) = forecast([cell(**asked, draws=20, seed=1)], [sasrec()])
    assert sampled.seconds == 1 + 3 + 2


def test_candidates_that_rows_bring_are_there_whatever_is_to_be_drawn(sasrec, monkeypatch):
    given = protocol("released,negatives=given")
    monkeypatch.setattr(told, "asked_protocol", lambda _: given)
    record = sasrec(draws=1, protocol=given.name)
    (there,) = forecast([cell(draws=20)], [record])
    assert there.state == "there"
    (other,) = forecast([cell(draws=20, pack_seed=1)], [record])  # in another order
    assert (other.state, other.seconds) == ("missing", 1 + 3 + 2)
    (fewer,) = forecast([cell(draws=20)], [sasrec(draws=2, protocol="released")])
    assert fewer.seconds == 1 + 3 / 2 + 2


def test_the_seed_of_what_is_not_trained_from_one_is_no_other_cell(made):
    record = made(model="popularity", settings={}, random_training=False).record
    wanted = [cell(model="popularity", seed=seed) for seed in range(5)]
    (found,) = forecast(wanted, [record])
    assert (found.seed, found.state) == (0, "there")


def test_the_nearest_runs_tell(sasrec):
    record = sasrec()
    (more,) = forecast([cell(seed=1, draws=4)], [record])
    assert (more.seconds, more.host, more.device) == (1 + 2 * 3 + 2, 1 << 30, None)
    assert more.by == "1 run, cpu"
    (half,) = forecast([cell(train_fraction=0.5)], [record])
    assert half.seconds == 1 + 3 + 1
    (other,) = forecast([cell(settings={"epochs": 3})], [record])
    assert (other.seconds, other.by) == (6, "1 run, other settings, cpu")
    (thirty,) = forecast([cell(protocol="paper,candidates=30")], [record])
    assert (thirty.seconds, thirty.by) == (6, "1 run under paper, cpu")


def test_what_an_earlier_run_has_kept_is_not_learnt_again(sasrec, tmp_path):
    record = sasrec()
    others = [cell(seed=1, results=tmp_path), cell(settings={"epochs": 3}, results=tmp_path)]
    wanted = [cell(protocol="paper,candidates=30", results=tmp_path), *others]
    assert [one.seconds for one in forecast(wanted, [record])] == [6, 6, 6]
    kept_model(tmp_path, record).mkdir(parents=True)
    assert [one.seconds for one in forecast(wanted, [record])] == [4, 6, 6]


def test_another_dataset_tells_by_test_rows(sasrec, made):
    there = sasrec([1] * 4, protocol="temporal")  # two examples
    wanted = cell(dataset="lastfm", protocol="temporal")
    (unknown,) = forecast([wanted], [there])
    assert (unknown.seconds, unknown.by) == (None, "")
    rows = made([1] * 12, model="ease", dataset="lastfm", protocol="temporal").record  # six
    (known,) = forecast([wanted], [there, rows])
    assert (known.seconds, known.by) == (3 * 6, "1 run on movielens, by test rows, cpu")


def test_a_card_knows_the_test_rows_of_data_that_nobody_has_asked(sasrec):
    there = sasrec([1] * 4)  # two examples
    (same,) = forecast([cell(dataset="lastfm")], [there])
    assert (same.seconds, same.by) == (61 * 6, "1 run on movielens, by test rows, cpu")
    (other,) = forecast([cell(dataset="lastfm", protocol="paper,candidates=30")], [there])
    assert (other.seconds, other.by) == (
        61 * 6,
        "1 run on movielens under paper, by test rows, cpu",
    )
    (temporal,) = forecast([cell(dataset="lastfm", protocol="temporal")], [there])
    assert temporal.seconds is None  # of which the card says nothing


def test_runs_of_another_language_model_or_of_few_rows_tell_nothing(made):
    asked = cell(model="ilora", settings={"llm": "smollm2"})
    tiny = made(model="ilora", settings=settings("ilora", llm="tiny"), writes=True).record
    few = made(model="ilora", settings=settings("ilora", llm="smollm2"), limit=2).record
    assert forecast([asked], [tiny, few])[0].by == ""


def test_what_would_be_refused_says_why():
    (found,) = forecast([cell(settings={"epoch": 3})], [])
    assert found.state == "refused"
    assert found.by.startswith("sasrec: unknown setting 'epoch'")


def test_workers_take_the_next_cell():
    assert makespan([3, 1, 1, 1], 1) == 6
    assert makespan([3, 1, 1, 1], 2) == 3
    assert makespan([1, 1, 3], 2) == 4
    assert makespan([], 3) == 0


FOUND = [
    Forecast("a", "d", "paper", 0, "there"),
    Forecast("a", "d", "paper", 1, "missing", 3600.0, 1 << 30, 3 << 30, "1 run, cuda"),
    Forecast("a", "d", "paper", 2, "missing", 1800.0, 1 << 30, None, "1 run, cpu"),
    Forecast("b", "d", "paper", 0, "missing"),
    Forecast("c", "d", "paper", 0, "refused", by="c: no"),
]


def test_a_line_a_cell_and_the_hours_of_all():
    page = render(FOUND, 2, "table")
    lines = [line.split() for line in page.splitlines()]
    assert ["a", "d", "paper", "1", "missing", "1.00", "1.0", "3.0", "1", "run,", "cuda"] in lines
    assert ["b", "d", "paper", "0", "missing", "-", "-", "-", "-"] in lines
    assert (
        "5 cells: 1 there, 3 missing, 1 refused. The missing ones take 1.50 hours one after "
        "another, 1.00 on 2 workers, without 1 of which no earlier run tells." in page
    )
    assert "No earlier run tells what a missing one would take." in render(FOUND[3:], 1, "table")
    assert (
        render(FOUND, 1, "csv").splitlines()[2] == 'a,d,paper,1,missing,1.00,1.0,3.0,"1 run, cuda"'
    )
    totals = json.loads(render(FOUND, 2, "json"))
    assert len(totals.pop("cells")) == 5
    assert totals == {
        **{"there": 1, "missing": 3, "refused": 1, "unknown": 1},
        **{"seconds": 5400.0, "workers": 2, "seconds_on_workers": 3600.0},
    }


def test_many_cells_are_quick(sasrec, monkeypatch):
    """Of 500 cells and 100 records each pair is looked at once."""
    looked = []
    real = told._llm
    monkeypatch.setattr(told, "_llm", lambda *pair: looked.append(pair) or real(*pair))
    wanted = [cell(seed=seed, pack_seed=pack) for seed in range(25) for pack in range(20)]
    forecast(wanted, [sasrec()] * 100)
    assert len(looked) <= 500 * 100


def test_the_time_is_that_of_earlier_records(made):
    records = [made(model="popularity", settings=settings("popularity")).record]
    there = Experiment(model="popularity", draws=2)
    # 1 second to prepare, 3 to answer two draws; 2 to train.
    missing = there.model_copy(update={"seed": 1, "draws": 4})
    assert seconds([there], records) == 0
    assert seconds([there, missing, missing], records) == 1 + 2 * 3 + 2
    half = missing.model_copy(update={"train_fraction": 0.5})
    assert seconds([half], records) == 1 + 2 * 3 + 1
    again = missing.model_copy(update={"protocol": "paper,candidates=30"})
    assert seconds([missing, again], records) == 2 * (1 + 2 * 3) + 2  # of one training
    assert seconds([there, Experiment(model="ease")], records) is None
    few = made(model="popularity", limit=2, pack="few").record
    assert seconds([missing], [few]) is None
    some = missing.model_copy(update={"limit": 1})
    assert seconds([some], records) == 1 + 2 * 3 / records[0].examples + 2
    of_half = made(model="popularity", training=Training(fraction=0.5)).record
    assert seconds([half], [of_half]) == 1 + 2 * 3 + 2  # not half as long again


def test_a_control_is_another_run(sasrec):
    control = cell(control="shuffled-history")
    assert seconds([control], [sasrec()]) == 1 + 3 + 2


def test_the_language_model_that_is_not_named_is_the_default(made):
    """The command that most begin with has no --llm, and its records name it."""
    told = made([1, 0] * 6, model="ilora", settings=settings("ilora"), writes=True).record
    assert seconds([Experiment(model="ilora", draws=2, seed=1)], [told]) == 1 + 3 + 2


def test_a_record_is_found_however_the_settings_of_a_cell_are_written(made):
    settings = {"llm": "tiny", "rank": 8, "expert_ranks": "4,2,1,1", "learning_rate": "1e-3"}
    cell = Experiment(model="ilora", draws=2, settings=settings)
    record = made([1, 0] * 6, model="ilora", settings=build(cell).settings.identity()).record
    assert seconds([cell], [record]) == 0
