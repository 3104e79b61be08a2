"""Who may be of the closed division, as far as records show it."""

import csv
import json

import pytest

from recbench.data.card import card
from recbench.errors import DataError, UserError
from recbench.questions.protocols import protocol
from recbench.registry import load
from recbench.runs.record_parts import Training
from recbench.submission.division import SEEDS, TRIALS, check_division, read_search

pytestmark = pytest.mark.honesty

PLAIN = {"settings": load("models", "popularity").settings_class().identity()}
KIND = load("models", "gru4rec").settings_class
USUAL = {"settings": KIND().identity(), "dataset_digest": card("movielens").digest}


@pytest.fixture
def rows(made):
    """Return a function that makes the records of a row, one a seed."""

    def make(seeds=range(SEEDS), **changes):
        return [made(seed=seed, **USUAL | changes).record for seed in seeds]

    return make


@pytest.fixture
def search(tmp_path):
    """Return a function that writes what was tried."""

    def write(**models):
        file = tmp_path / "search.csv"
        with file.open("w", newline="") as stream:
            out = csv.writer(stream)
            out.writerow(["model", "seed", "hit_ratio", "settings"])
            for model, tried in models.items():
                out.writerows([model, 0, 0.5, json.dumps(one)] for one in tried)
        return file

    return write


def test_defaults_of_the_first_seeds_are_of_both(rows):
    check_division("closed", rows())
    check_division("closed", rows(range(5)))
    check_division("open", rows([7]))


def test_one_run_of_what_is_not_random_is_enough(rows):
    one = rows([0], model="popularity", random_training=False, **PLAIN)
    check_division("closed", one)


def test_a_control_is_of_the_open_division_and_a_few_rows_of_none(rows):
    controls = rows(control="shuffled-history")
    check_division("open", controls)
    with pytest.raises(UserError, match="closed one: it is a control, not a result to rank"):
        check_division("closed", controls)
    for division in ("open", "closed"):
        with pytest.raises(UserError, match=r"is not a result: the first 3 .*; run it without --l"):
            check_division(division, rows(limit=3))


@pytest.mark.parametrize("seeds", [[0], [0, 1], [1, 2, 3], [0, 1, 3]])
def test_seeds_are_not_picked(rows, seeds):
    said = ", ".join(map(str, seeds))
    with pytest.raises(UserError, match=rf"the seeds 0 to 2 at least, this {said}$"):
        check_division("closed", rows(seeds))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"training": Training(fraction=0.5)}, "did not learn from all training rows"),
        ({"training": Training(dataset="lastfm")}, "and from those alone"),
        ({"protocol": "paper,candidates=30"}, "asks paper,candidates=30, not paper as it"),
        ({"protocol": "paper,candidates=all,history=5"}, "not paper as it stands"),
        ({"dataset_digest": "of mine"}, "the data are not movielens as published"),
        ({"pack_seed": 3}, "are of pack seed 3, expected 0"),
        ({"matching": "substring"}, "are matched by substring"),
        ({"audit": None}, "it was not audited"),
        ({"settings": USUAL["settings"] | {"epochs": 3}}, "no --search holds its model"),
    ],
)
def test_what_the_closed_division_does_not_take_the_open_one_does(rows, changes, why):
    records = rows(**changes)
    check_division("open", records)
    with pytest.raises(UserError, match=why) as refused:
        check_division("closed", records)
    assert "gru4rec/" in str(refused.value)
    assert " is of the open division, not the closed one: " in str(refused.value)


@pytest.mark.parametrize("rule", ["paper,candidates=all", "released,candidates=6,negatives=given"])
def test_a_full_ranking_and_given_candidates_are_the_protocol_as_it_stands(rows, rule):
    check_division("closed", rows(protocol=rule, protocol_version=protocol(rule).version))


def test_a_protocol_stands_as_it_is_today(rows):
    """Of one that was retired no question can be made again, so that nothing of it is checked."""
    today = protocol("next-item").version
    asked = {"protocol": "next-item"}
    check_division("closed", rows(**asked, protocol_version=today))
    for version in (1, today - 1, today + 1):
        with pytest.raises(UserError, match=f"asks version {version} of next-item, .* is {today}$"):
            check_division("closed", rows(**asked, protocol_version=version))
    with pytest.raises(UserError, match="cannot be told: unknown protocol 'theirs'"):
        check_division("closed", rows(protocol="theirs"))


def test_the_defaults_of_what_is_not_installed_cannot_be_told(rows):
    with pytest.raises(UserError, match="the defaults of strange cannot be told: unknown model"):
        check_division("closed", rows(model="strange"))


def test_settings_that_were_tried_are_taken(rows, search):
    tried = [USUAL["settings"] | {"epochs": n} for n in (3, 4)]
    check_division("closed", rows(settings=tried[1]), search(gru4rec=[*tried, tried[0]]))
    other = [USUAL["settings"] | {"epochs": 5}]
    with pytest.raises(UserError, match="were not tried in the search"):
        check_division("closed", rows(settings=tried[1]), search(gru4rec=other))


def test_a_setting_that_came_later_was_tried_where_it_is_said_alone(rows, search):
    """A record leaves it out at its default, and so does a line from before there was any."""
    chosen = KIND(epochs=3)
    assert "softmax_items" not in chosen.identity()
    other = KIND(epochs=3, softmax_items=1024)
    for tried, asked in ((other, chosen), (chosen, other)):
        with pytest.raises(UserError, match="were not tried in the search"):
            check_division(
                "closed", rows(settings=asked.identity()), search(gru4rec=[tried.record()])
            )
    for tried in (chosen.record(), chosen.identity()):
        check_division("closed", rows(settings=chosen.identity()), search(gru4rec=[tried]))
    check_division("closed", rows(settings=other.identity()), search(gru4rec=[other.record()]))


def test_how_something_was_computed_is_no_setting_that_was_tried(made, search):
    kind = load("models", "ease").settings_class
    chosen = kind(l2=7.0)
    assert chosen.record().keys() > chosen.identity().keys()
    fields = {"model": "ease", "random_training": False, "settings": chosen.identity()}
    record = made(**USUAL | fields).record
    check_division("closed", [record], search(ease=[chosen.record()]))


def test_every_model_is_tried_equally_often_and_not_too_often(search):
    tried = [{"rate": n} for n in range(TRIALS + 1)]
    assert len(read_search(search(a=tried[1:], b=tried[1:]))["b"]) == TRIALS
    for models in ({"a": tried[:2], "b": tried[:1]}, {"a": tried}, {}):
        with pytest.raises(DataError, match=f"expected at most {TRIALS} trials, the same number"):
            read_search(search(**models))


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "model,settings\n,{}", "model,settings\na", "model,settings\na,1"),
        *('model,settings\na,"{', "model\na", "\xff\n", "model,settings\na," + "[" * 100_000),
    ],
)
def test_a_search_that_cannot_be_read_is_one_line(tmp_path, text):
    file = tmp_path / "search.csv"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError) as refused:
        read_search(file)
    assert str(refused.value).startswith(f"{file}: expected ")
    assert "\n" not in str(refused.value)


def test_the_searches_of_recbench_itself_can_be_submitted(request):
    files = sorted((request.config.rootpath / "results/search").glob("*.csv"))
    assert [max(map(len, read_search(file).values())) for file in files] == [3, TRIALS]
