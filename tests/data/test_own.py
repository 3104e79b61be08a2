import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recbench.data.card import Rules, card
from recbench.data.filters import filtered
from recbench.data.imported import import_split
from recbench.data.overview import overview
from recbench.data.own import add, pinned, remove
from recbench.data.own_files import Files, atomic_files
from recbench.data.prepare import prepare
from recbench.data.readers.columns import Columns
from recbench.errors import DataError, RecbenchError, UserError
from recbench.questions.export import export
from recbench.questions.make_split import make_split
from recbench.questions.protocols import protocol
from recbench.questions.protocols.choice import default_protocol


def silent(_: str) -> None:
    pass


@pytest.fixture
def files(tmp_path) -> Files:
    """Twelve users with text ids, each with five of eight items, without ratings."""
    folder = tmp_path / "mine"
    folder.mkdir()
    rows = [f"u {u},i-{(u + k) % 8},{100 * u + k}" for k in range(5) for u in range(12)]
    (folder / "events.csv").write_text("user,item,time\n" + "\n".join(rows) + "\n")
    goods = [f'i-{i},"Thing, {i}"' for i in range(8)]
    (folder / "goods.csv").write_text("item,title\n" + "\n".join(goods) + "\n")
    return Files("table", folder / "events.csv", folder / "goods.csv")


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "cache"


def test_what_was_added_is_a_dataset_like_any(files, cache, tmp_path):
    told: list[str] = []
    made = add("mine", files, cache, told.append, noun=("thing", "things"), verb="took")
    assert told == ["columns: user is 'user', item is 'item', time is 'time', title is 'title'"]
    found = prepare("mine", cache, None, silent)
    assert found.digest == made.digest == card("mine", cache).digest
    assert found.catalogue.titles[3] == "Thing, 3"
    assert (found.card.noun, found.card.verb) == (("thing", "things"), "took")
    assert found.ratings is None
    export(make_split(found, protocol("next-item", candidates="4")), tmp_path / "out")
    row = json.loads((tmp_path / "out/test.jsonl").read_text().splitlines()[0])
    assert row == {"history": ["i-0", "i-1", "i-2", "i-3"], "target": "i-4"}
    assert (tmp_path / "out/items.tsv").read_text().splitlines()[1] == "i-0\tThing, 0"


def test_the_same_data_under_another_name_are_called_so(files, cache):
    add("mine", files, cache, silent)
    told: list[str] = []
    add("twin", files, cache, told.append)
    assert told[-1].startswith("These are the data of mine: one table takes runs on both for")
    rows = files.interactions.read_text().splitlines()
    files.interactions.write_text("\n".join(rows[:-1]))
    add("other", files, cache, told.append)
    assert told[-1].startswith("columns: ")


@pytest.mark.parametrize("sign", ["\xa0", "\u3000", "\x1b"])
def test_names_of_files_and_columns_may_hold_any_signs(files, cache, sign):
    place = files.interactions.parent.rename(files.interactions.parent.with_name(f"my{sign}data"))
    events = (place / "events.csv").rename(place / f"my{sign}events.csv")
    rows = [f"{row},five" for row in events.read_text().splitlines()[1:]]
    events.write_text("\n".join(["user,item,time,rating", *rows]) + "\n")
    files = replace(files, interactions=events, items=place / "goods.csv")
    made = add("mine", files, cache, silent)
    shown = ascii(sign)[1:-1]
    assert made.card.description == f"the user's own data, from my{shown}events.csv"
    assert any(f"my{shown}events.csv" in flaw for flaw in made.card.known_flaws)
    shutil.rmtree(cache / "datasets")
    assert prepare("mine", cache, None, silent).digest == made.digest
    export(make_split(made, protocol("next-item", candidates="4")), place)
    split = import_split("split", place, None, cache, silent)
    assert split.card.description == f"a finished split, imported from my{shown}data"
    told: list[str] = []
    import_split("twin", place, None, cache, told.append)
    assert told[-1].startswith("These are the data of split: one table takes runs on both for")
    assert card("split", cache) == split.card


def test_the_files_are_needed_no_more_and_read_again_where_the_cache_lost_them(files, cache):
    made = add("mine", files, cache, silent)
    content = files.interactions.read_text()
    files.interactions.write_text(content.replace("u 1,", "u 99,"))
    assert prepare("mine", cache, None, silent).digest == made.digest
    shutil.rmtree(cache / "datasets")
    with pytest.raises(RecbenchError, match=r"are no longer what was added .*data remove mine"):
        prepare("mine", cache, None, silent)
    files.interactions.write_text(content)
    assert prepare("mine", cache, None, silent).digest == made.digest
    shutil.rmtree(cache / "datasets")
    moved = files.interactions.parent.rename(cache / "moved")
    with pytest.raises(RecbenchError, match=r"was in .*mine; if it has moved, .*--data-dir"):
        prepare("mine", cache, None, silent)
    assert prepare("mine", cache, moved, silent).digest == made.digest
    (moved / files.interactions.name).write_text(content.replace("u 1,", "u 99,"))
    with pytest.raises(RecbenchError, match=r"in .*moved are no longer what was added"):
        prepare("mine", cache, moved, silent)


def test_items_may_lie_elsewhere(files, cache, tmp_path):
    items = files.items.rename(tmp_path / "goods.csv")
    made = add("mine", Files("table", files.interactions, items), cache, silent)
    shutil.rmtree(cache / "datasets")
    assert prepare("mine", cache, None, silent).digest == made.digest


def test_without_times_the_order_of_the_file_counts(files, cache):
    lines = files.interactions.read_text().splitlines()
    files.interactions.write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n")
    told: list[str] = []
    made = add("mine", Files("table", files.interactions, None), cache, told.append)
    assert told[1:] == [
        "No titles: the ids of the items stand for them.",
        "No times: the order of the file is taken for the order of time.",
    ]
    assert made.card.known_flaws == tuple(told[1:])
    assert made.card.rules.order == "file"
    split = make_split(made, protocol("next-item", candidates="4"))
    first = made.items[made.users == split.test.users[0]]
    assert split.test.targets[0] == first[-1]
    np.testing.assert_array_equal(made.times, np.arange(60))
    with pytest.raises(UserError, match="mine has no times for temporal to cut"):
        make_split(made, protocol("temporal"))


@pytest.mark.parametrize("name", ["events.csv", "events.parquet", "events.jsonl"])
def test_a_missing_time_that_was_cast_to_an_integer_is_refused(files, cache, name):
    table = pd.read_csv(files.interactions)
    table.loc[1, "time"] = np.iinfo(np.int64).min
    written = files.interactions.with_name(name)
    if name.endswith(".csv"):
        table.to_csv(written, index=False)
    elif name.endswith(".parquet"):
        table.to_parquet(written)
    else:
        table.to_json(written, orient="records", lines=True)
    with pytest.raises(DataError, match=r"(line 3|row 2|2): expected a time \(not pandas' NaT\)"):
        add("mine", replace(files, interactions=written), cache, silent)
    assert not cache.exists()


def test_low_ratings_are_left_out_where_asked(files, cache):
    with pytest.raises(UserError, match="has no ratings for --min-rating"):
        add("mine", files, cache, silent, rules=Rules(min_rating=3))
    rated = Files("table", files.interactions, None, Columns(rating="time"))
    made = add("mine", rated, cache, silent, rules=Rules(min_rating=100))
    assert len(made) == 60
    for name in ("next-item", "paper"):
        split = make_split(made, protocol(name, candidates="4"))
        assert 0 not in np.concatenate([split.train.users, split.test.users])


def test_one_edit_of_the_rules_means_every_protocol(files, cache):
    add("mine", files, cache, silent, rules=Rules(min_per_user=2))
    file = cache / "own/mine/card.toml"
    text = file.read_text()
    assert text.count('"min_per_user" = 2') == 1
    file.write_text(text.replace('"min_per_user" = 2', '"min_per_user" = 9'))
    for name in ("next-item", "paper", "temporal"):
        with pytest.raises(UserError, match="the rules of mine leave no interaction"):
            make_split(prepare("mine", cache, None, silent), protocol(name, candidates="4"))
    edited = card("mine", cache)
    assert "min_per_user 9" in overview(edited, None)
    assert edited.rules_for("paper").note
    assert default_protocol("mine", cache) == "next-item"


def test_what_a_card_says_of_one_protocol_is_of_that_field_alone(files, cache):
    made = add("mine", files, cache, silent).card
    rules, own = Rules(min_per_user=3, min_per_item=3, note="All."), Rules(min_per_user=1)
    said = made.model_copy(update={"rules": rules, "protocols": {"next-item": own}})
    assert said.rules_for("next-item") == Rules(min_per_user=1, min_per_item=3, note="All.")
    assert said.rules_for("temporal") == rules


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "nan"]),
            st.sampled_from(["x", "y", "z"]),
            st.sampled_from(["1", "5", "", "good"]),
            st.sampled_from(["0", "1700000000", "1700000000000"]),
        ),
        min_size=1,
        max_size=12,
    ),
    rules=st.builds(
        Rules,
        min_rating=st.sampled_from([None, 3.0]),
        pairs=st.sampled_from(["all", "first", "earliest"]),
        min_per_item=st.integers(1, 3),
        min_per_user=st.integers(1, 3),
        catalogue=st.sampled_from(["all", "kept"]),
    ),
    length=st.sampled_from([None, 10]),
)
def test_whatever_is_asked_for_is_kept_or_refused_and_read_again_alike(
    tmp_path, rows, rules, length
):
    place = Path(tempfile.mkdtemp(dir=tmp_path))
    file = place / "e.csv"
    file.write_text("user,item,rating,time\n" + "\n".join(map(",".join, rows)) + "\n")
    cache, files = place / "cache", Files("table", file, None)
    sound = all(rating in ("1", "5") for _, _, rating, _ in rows)
    told: list[str] = []
    refusal = ""
    try:
        made = add("mine", files, cache, told.append, rules=rules, title_length=length)
    except UserError as error:
        refusal = str(error)
    assert "\n" not in refusal
    if refusal:
        assert (told, cache.exists()) == ([], False)
        assert rules != Rules()
        return
    assert sound or rules.min_rating is None
    assert (made.ratings is not None) == sound
    assert not any("\n" in line for line in told)
    assert made.card.rules == rules
    shutil.rmtree(cache / "datasets")
    again = prepare("mine", cache, None, silent)
    assert again.digest == made.digest
    assert len(filtered(again, again.card.rules)) > 0


@pytest.mark.parametrize("name", ["", "a/b", "..", ".x", "a,b", "é", "x" * 65])
def test_a_name_that_cannot_be_one_is_refused(files, cache, name):
    with pytest.raises(UserError, match="cannot name a dataset"):
        add(name, files, cache, silent)
    with pytest.raises(UserError):
        remove(name, cache)


def test_a_name_that_is_taken_is_refused(files, cache):
    with pytest.raises(UserError, match="'movielens' is taken; take another"):
        add("movielens", files, cache, silent)
    add("mine", files, cache, silent)
    with pytest.raises(UserError, match="'mine' is taken; recbench data remove mine"):
        add("mine", files, cache, silent)
    (cache / "own/mine/card.toml").write_text("broken")
    with pytest.raises(UserError, match="'mine' is taken"):
        add("mine", files, cache, silent)


def test_of_two_that_add_under_one_name_at_once_the_first_has_it(files, cache):
    first = add("mine", files, cache, silent)
    with pytest.raises(UserError, match="'mine' is taken; recbench data remove mine"):
        pinned(first.card.model_copy(update={"verb": "wore"}), first, cache)
    assert card("mine", cache).verb != "wore"
    assert [file.name for file in (cache / "own/mine").iterdir()] == ["card.toml"]


def test_what_was_removed_is_gone_but_for_the_users_files(files, cache):
    add("mine", files, cache, silent)
    with pytest.raises(UserError, match="unknown dataset of your own 'min'; did you mean 'mine'"):
        remove("min", cache)
    with pytest.raises(UserError, match="'movielens' came with a package"):
        remove("movielens", cache)
    remove("mine", cache)
    assert not [path for path in cache.rglob("*") if path.is_file()]
    assert files.interactions.is_file()
    with pytest.raises(UserError, match="unknown dataset 'mine'"):
        prepare("mine", cache, None, silent)
    add("mine", files, cache, silent)


def test_a_broken_line_leaves_nothing_behind(files, cache):
    with files.interactions.open("a") as stream:
        stream.write("u 1,i-1,noon\n")
    with pytest.raises(DataError, match=r"events\.csv, line 62: expected a number as time"):
        add("mine", files, cache, silent)
    assert not cache.exists()


def test_a_path_that_no_card_can_hold_is_refused(cache, tmp_path):
    with pytest.raises(UserError, match="expected a path in UTF-8"):
        add("mine", Files("table", tmp_path / "\udcff.csv", None), cache, silent)
    with pytest.raises(UserError, match="expected a path in UTF-8"):
        import_split("mine", tmp_path / "\udcff", "splits", cache, silent)
    assert not cache.exists()


def test_a_recbole_folder_is_found(tmp_path, cache):
    folder = tmp_path / "shop"
    folder.mkdir()
    with pytest.raises(UserError, match=r"expected one \.inter file or shop\.inter, found none"):
        atomic_files(folder)
    (folder / "shop.inter").write_text("user_id:token\titem_id:token\nu\ta\nu\tb\nv\ta\n")
    (folder / "shop.train.inter").write_text("")
    assert atomic_files(folder) == (folder / "shop.inter", None)
    (folder / "shop.item").write_text("item_id:token\tname:token_seq\na\tAlpha\nb\tBeta\n")
    made = add("shop", Files("atomic", *atomic_files(folder)), cache, silent)
    assert made.catalogue.titles == ("Alpha", "Beta")
    assert made.catalogue.raw_ids.tolist() == ["a", "b"]
    assert atomic_files(folder / "../shop") == atomic_files(folder)
    (folder / "shop.inter").unlink()
    (folder / "shop.valid.inter").write_text("")
    with pytest.raises(UserError, match=r"found shop\.train\.inter, shop\.valid\.inter"):
        atomic_files(folder)
