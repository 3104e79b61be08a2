"""Users who have touched (nearly) everything, on the command line."""

import json
import re

import pytest


@pytest.fixture
def call(call_here):
    return call_here


@pytest.fixture
def add(call, tmp_path):
    """Return a function that adds data: for each user the items, oldest first; perhaps titles."""

    def made(users, titles=None):
        rows = [f"{u},{item},{t}\n" for u, own in enumerate(users) for t, item in enumerate(own)]
        events, items = tmp_path / "events.csv", tmp_path / "items.csv"
        events.write_text("user,item,time\n" + "".join(rows), encoding="utf-8")
        arguments = ["--interactions", str(events)]
        if titles is not None:
            lines = [f"{number},{title}\n" for number, title in enumerate(titles)]
            items.write_text("item,title\n" + "".join(lines), encoding="utf-8")
            arguments += ["--items", str(items)]
        code, _, err = call("data", "add", "mine", *arguments)
        assert code == 0, err

    return made


def walks(items, users=25, length=5):
    """Users who have touched `length` of the items each, all items together."""
    return [[(user + step) % items for step in range(length)] for user in range(users)]


EVERYTHING = [*walks(25), list(range(25))]
MOST = [*walks(25), list(range(23))]
ASKED = ("--dataset", "mine", "--protocol", "next-item")
RUN = ("run", "--model", "popularity", *ASKED, "--draws", "1", "--device", "cpu", "--no-audit")
SAID = "1 of 26 test rows has fewer than 19 competitors and is left out (rule: too few competitors)"


@pytest.mark.parametrize("users", [EVERYTHING, MOST], ids=["all", "all but two"])
@pytest.mark.parametrize("negatives", ["uniform", "popular"])
def test_a_user_without_competitors_is_left_out_and_counted(call, add, tmp_path, users, negatives):
    add(users)
    code, out, err = call(*RUN, "--negatives", negatives)
    assert code == 0, err
    assert f"{SAID}\n" in err
    assert SAID.replace("test", "validation") in err
    assert "25 examples, 1 left out (too few competitors), 1 draws of 20" in out
    (file,) = (tmp_path / "results").rglob("record.json")
    record = json.loads(file.read_text(encoding="utf-8"))
    assert (record["examples"], record["left_out"]) == (25, 1)
    assert "1 left out (too few competitors)" in call("leaderboard")[1]
    assert json.loads(call("leaderboard", "--format", "json")[1])[0]["left_out"] == 1
    code, out, err = call("verify", str(tmp_path / "results"))
    assert code == 0, out + err


def test_every_command_that_asks_says_so(call, add, tmp_path):
    add(EVERYTHING)
    code, out, err = call("candidates", *ASKED, "--out", str(tmp_path / "pack.parquet"))
    assert (code, SAID in err) == (0, True)
    assert "25 examples" in out
    code, out, err = call("data", "export", *ASKED, "--out", str(tmp_path / "out"))
    assert code == 0  # nobody is asked
    assert "all rows are written; with --candidates" in err
    assert "26 validation, 26 test rows" in out
    findings = json.loads(call("data", "doctor", "mine", "--format", "json")[1])
    found = next(one for one in findings if one["name"] == "too few competitors")
    assert (found["count"], found["of"], found["severity"]) == (1, 26, "note")
    assert "users: 26; 1 of them touched every item" in call("data", "show", "mine")[1]


def test_a_full_ranking_leaves_out_who_has_touched_everything(call, add):
    add(EVERYTHING)
    code, out, err = call(*RUN, "--candidates", "all")
    assert code == 0
    assert "1 of 26 test rows has no competitor and is left out" in err
    assert "25 examples, 1 left out (too few competitors), all 25 items ranked" in out


def test_a_full_ranking_keeps_who_has_left_one_item(call, add):
    add([*walks(25), list(range(24))])
    code, out, err = call(*RUN, "--candidates", "all")
    assert (code, "left out" in err + out) == (0, False)
    assert "26 examples" in out


def test_rows_of_a_finished_split_are_left_out_too(call, tmp_path):
    folder = tmp_path / "released"
    folder.mkdir()
    items = "".join(f"{i}\tGame {i}\n" for i in range(25))
    (folder / "items.tsv").write_text("id\ttitle\n" + items, encoding="utf-8")
    short = [([at, at + 1], at + 2) for at in range(20)]
    long = [([*range(9)], 9)]  # 15 of 25 items are left
    for part, rows in (("train", short), ("validation", short), ("test", short + long)):
        lines = [json.dumps({"history": past, "target": target}) for past, target in rows]
        (folder / f"{part}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert call("data", "import-splits", str(folder), "--name", "mine")[0] == 0
    code, out, err = call("run", "--model", "popularity", "--dataset", "mine", "--device", "cpu")
    assert code == 0, err
    assert "1 of 21 test rows has fewer than 19 competitors and is left out" in err
    assert "validation rows" not in err
    assert "20 examples, 1 left out" in out


def number(err):
    """Read the number of candidates that an error advises."""
    found = re.search(r"give --candidates (\d+|all)", err)
    assert found, err
    return found[1]


REFUSED = {
    "few items": (walks(12, 12), None, "8"),  # 5 of 12 are touched: 7, and the target
    "titles that all share": (walks(25), ["a", "b"] * 12 + ["a"], "2"),
    "one title": (walks(25), ["a"] * 25, "all"),
    "all but one": ([list(range(4))] * 6 + [[0, 1, 2, 3, 4]] * 2, None, "2"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize(
    "command",
    [
        RUN,
        ("candidates", *ASKED, "--out", "{}/pack.parquet"),
    ],
    ids=["run", "candidates"],
)
def test_what_is_advised_works(call, add, tmp_path, case, command):
    users, titles, advised = REFUSED[case]
    add(users, titles)
    command = [word.format(tmp_path) for word in command]
    if command[0] == "candidates" and advised == "all":
        pytest.skip("a full ranking has no pack")
    code, _, err = call(*command)
    assert (code, err.count("\n")) == (2, err.count("reading") + 1)
    assert "no validation row of mine" in err or "no test row of mine" in err
    assert number(err) == advised
    code, _, err = call(*command, "--candidates", advised)
    assert code == 0, err
    if advised.isdecimal():
        more = str(int(advised) + 1)
        assert call(*command, "--candidates", more)[0] == 2


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_asked_can_be_looked_at(call, add, tmp_path, case):
    users, titles, advised = REFUSED[case]
    add(users, titles)
    asked = ("--protocol", "next-item", "--format", "json")
    findings = json.loads(call("data", "doctor", "mine", *asked)[1])
    found = next(one for one in findings if one["name"] == "too few competitors")
    assert (found["severity"], found["share"]) == ("warning", 1)
    assert number(found["text"]) == advised
    assert call("data", "export", *ASKED, "--out", str(tmp_path / "out"))[0] == 0


@pytest.mark.parametrize("candidates", [(), ("--candidates", "2"), ("--candidates", "all")])
@pytest.mark.parametrize("items", [1, 2, 4])
def test_where_everyone_has_touched_everything_no_number_is_advised(call, add, candidates, items):
    add([[*range(items)] * 4] * 12)
    code, _, err = call(*RUN, *candidates)
    assert code == 2
    assert "has touched every item" in err
    assert "--candidates" not in err


def test_a_full_ranking_of_repeated_interactions_is_verified(call, add, tmp_path):
    add([[0, 0, 0, 0], *([0, 1, 0, 1] for _ in range(2))])
    code, _, err = call(*RUN, "--candidates", "all")
    assert code == 0, err
    code, out, err = call("verify", str(tmp_path / "results"))
    assert code == 0, out + err
