"""The models that count, and those that know nothing, from the command line."""

import json
from pathlib import Path

import pytest

SIMPLE = ("random", "last-id", "recent-popularity", "cooccurrence", "itemknn", "ease")
AUDITED = ("--draws", "1", "--device", "cpu", "--json")
RUN = (*AUDITED, "--no-audit")


@pytest.fixture
def ask(call_inside):
    return call_inside


@pytest.fixture
def add(ask, tmp_path: Path):
    """Return a function that adds data of 30 users, whose 8 items have ascending ids."""

    def add_data(time=None):
        rows = [
            f"u{user},{100 + item + 2 * place}" + (f",{time(user, place)}" if time else "")
            for user, item in enumerate(range(30))
            for place in range(8)
        ]
        header = "user,item,time" if time else "user,item"
        (tmp_path / "events.csv").write_text("\n".join([header, *rows]) + "\n")
        assert ask("data", "add", "mine", "--interactions", "events.csv")[0] == 0

    return add_data


def record_of(out):
    return json.loads(Path(json.loads(out)["record"]).read_text())


@pytest.mark.parametrize(
    ("model", "protocol"),
    [
        *((model, "temporal,candidates=all") for model in SIMPLE),
        *(("itemknn", protocol) for protocol in ("paper", "next-item")),
    ],
)
def test_it_runs_is_audited_and_is_verified(call_here, raw_folder, tmp_path, model, protocol):
    data = ("--data-dir", str(raw_folder))
    asked = ("--dataset", "movielens", "--protocol", protocol, *data)
    code, out, err = call_here("run", "--model", model, *asked, *AUDITED)
    assert code == 0, err
    record = record_of(out)
    assert record["audit"]["better_placed"] == record["audit"]["worse_placed"] == 0
    assert record["random_training"] == (model == "random")
    code, out, _ = call_here("verify", str(tmp_path / "results"), *data)
    assert (code, "1 runs, 0 failed" in out or "1 run, 0 failed" in out) == (0, True)


def test_without_times_there_is_no_recent_popularity(ask, add):
    add()
    code, out, err = ask("run", "--model", "recent-popularity", "--dataset", "mine", *RUN)
    refusal = (
        "error: recent-popularity counts the last days of training, and these data have no times; "
        "take popularity, which counts all of it"
    )
    assert (code, out, err.splitlines()[-1]) == (2, "", refusal)
    assert ask("run", "--model", "popularity", "--dataset", "mine", *RUN)[0] == 0


@pytest.mark.parametrize(
    "written",
    [
        lambda day: str(1_700_000_000 + 86_400 * day),
        lambda day: str((1_700_000_000 + 86_400 * day) * 1000),
        lambda day: f"202401{day:02}",
        lambda day: f"2024-01-{day:02}",
    ],
)
def test_days_are_days_however_times_are_written(ask, add, written):
    add(lambda user, place: written(1 + user % 2 * 20 + place))
    days = ("--set", "days=3.5")
    code, out, err = ask("run", "--model", "recent-popularity", "--dataset", "mine", *days, *RUN)
    assert code == 0, err
    # Of 15 users the last interactions of training are of the days 23, 24, 25 and 26.
    assert record_of(out)["trained"]["fit"]["interactions_counted"] == 60


def test_an_order_of_ids_is_exposed(ask, add):
    add()
    code, out, _ = ask("run", "--model", "last-id", "--dataset", "mine", *RUN)
    assert code == 0
    assert json.loads(out)["metrics"]["HitRatio@1"]["value"] > 0.3  # every step is of two ids


def test_a_catalogue_that_is_too_large_for_ease_is_refused_with_what_works(ask, add):
    add()
    asked = ("run", "--model", "ease", "--dataset", "mine")
    code, out, err = ask(*asked, "--set", "most_items=43", *RUN)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == (
        "error: ease solves for at most most_items=43 items, and 44 items take 0 MiB of memory: "
        "give --set most_items=44 where there is as much, or take itemknn"
    )
    code, out, err = ask(*asked, "--set", "most_items=44", *RUN)
    assert (code, "ease: 44 items take 0 MiB of memory" in err) == (0, True)
    assert ask("run", "--model", "itemknn", "--dataset", "mine", *RUN)[0] == 0


@pytest.mark.parametrize(
    ("model", "setting"),
    [
        ("recent-popularity", "days=0"),
        ("recent-popularity", "days=-1"),
        ("recent-popularity", "days=nan"),
        ("cooccurrence", "window=0"),
        ("cooccurrence", "last=0"),
        ("cooccurrence", "decay=-0.1"),
        ("itemknn", "neighbours=0"),
        ("itemknn", "shrinkage=-1"),
        ("ease", "l2=0"),
        ("ease", "most_items=0"),
        ("random", "seed=1"),
        ("last-id", "days=1"),
    ],
)
def test_a_setting_out_of_range_is_refused(ask, model, setting):
    code, out, err = ask("run", "--model", model, "--dataset", "movielens", "--set", setting)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert setting.partition("=")[0] in err


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("recent-popularity", ["days=1e-9"]),
        ("recent-popularity", ["days=1e12"]),
        ("cooccurrence", ["window=1000000000000", "last=1000000000000", "decay=1e12"]),
        ("itemknn", ["neighbours=1000000000000", "shrinkage=1e12"]),
        ("ease", ["l2=0.001"]),
        ("ease", ["l2=1e12"]),
    ],
)
def test_the_largest_and_smallest_settings_run(ask, add, model, settings):
    add(lambda user, place: 1_700_000_000 + 86_400 * place)
    given = [part for setting in settings for part in ("--set", setting)]
    code, _, err = ask("run", "--model", model, "--dataset", "mine", *given, *RUN)
    assert code == 0, err
