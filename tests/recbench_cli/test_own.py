import json
import shutil

import pytest

EVENTS = ("--interactions", "events.csv", "--user-column", "client")


@pytest.fixture
def call(call_inside):
    return call_inside


@pytest.fixture
def events(tmp_path):
    rows = [f"u{u},i{(u + k) % 30},{k}" for k in range(8) for u in range(30)]
    file = tmp_path / "events.csv"
    file.write_text("client,item,time\n" + "\n".join(rows) + "\n")
    return "events.csv"


def test_what_was_added_can_be_used_everywhere_and_removed(call, events, tmp_path):
    code, out, err = call(
        "data", "add", "mine", "--interactions", events, "--user-column", "client"
    )
    assert code == 0
    assert out.startswith("mine: 240 interactions, 30 items\ndigest ")
    assert "No titles" in err
    assert "mine: mine." in call("data", "list")[1]
    asked = ("--dataset", "mine", "--protocol", "next-item")
    assert "240 interactions" in call("data", "prepare", "--dataset", "mine")[1]
    assert call("data", "export", *asked, "--out", "out")[0] == 0
    row = json.loads((tmp_path / "out/test.jsonl").read_text().splitlines()[0])
    assert row["target"] == "i7"
    assert "30 examples" in call("candidates", *asked, "--out", "pack.parquet")[1]
    code, out, _ = call("run", "--model", "popularity", *asked, "--draws", "1")
    assert code == 0
    assert call("run", "--model", "popularity", "--dataset", "mine", "--draws", "1")[0] == 0
    kept = sorted(folder.name for folder in (tmp_path / "results/mine").iterdir())
    assert kept == ["next-item", "trainings"]
    code, out, _ = call("leaderboard", "--datasets", "mine", *asked[2:])
    assert code == 0
    assert "mine, protocol next-item v3: 30 examples" in out
    assert call("data", "remove", "mine")[:2] == (0, "mine is forgotten\n")
    assert "unknown dataset 'mine'" in call("data", "prepare", "--dataset", "mine")[2]
    code, out, err = call("leaderboard", "--datasets", "mine")  # its records stay
    assert (code, err) == (0, "")
    assert "mine, protocol next-item v3: 30 examples" in out
    fill = ("leaderboard", "--run", "--models", "popularity", "--datasets", "mine")
    assert "unknown dataset 'mine'" in call(*fill)[2]


def test_a_preparation_that_is_interrupted_leaves_nothing_half_done(
    call, events, tmp_path, monkeypatch
):
    written = []

    def interrupted(table, file, **_):
        file.write_bytes(b"half")
        written.append(file)
        if file.name == "items.parquet":
            raise KeyboardInterrupt

    add = ("data", "add", "mine", "--interactions", events, "--user-column", "client")
    with monkeypatch.context() as patch:
        patch.setattr("pyarrow.parquet.write_table", interrupted)
        code, out, err = call(*add)
        assert (code, out, len(written)) == (130, "", 2)
        assert err.splitlines()[-1].startswith("interrupted; ")
        assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    made = call(*add)[1]
    (prepared,) = (tmp_path / "cache/datasets/mine").iterdir()
    shutil.rmtree(prepared)
    with monkeypatch.context() as patch:
        patch.setattr("pyarrow.parquet.write_table", interrupted)
        code, out, err = call("data", "prepare", "--dataset", "mine")
        assert (code, out, len(written)) == (130, "", 4)
        assert err.splitlines()[-1].startswith("interrupted; ")
        assert not list((tmp_path / "cache/datasets/mine").iterdir())
    assert call("data", "prepare", "--dataset", "mine")[1].split()[-1] in made


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give either --interactions (and --items) or --recbole"),
        (("--interactions", "events.csv", "--recbole", "."), "give either --interactions"),
        (("--interactions", "events.csv"), "no column is recognised as the user"),
        (("--interactions", "nowhere.csv"), "nowhere.csv: expected a file, found none"),
        (("--recbole", "."), "expected one .inter file"),
        (("--recbole", "events.csv"), "events.csv: expected a folder with an .inter file"),
        ((*EVENTS, "--min-rating", "nan"), "--min-rating must be a number, not nan"),
        ((*EVENTS, "--item-column", "client"), "column 'client' cannot be both user and item"),
        ((*EVENTS, "--title-column", "item"), "--title-column item is of a table of items"),
        (("--recbole", ".", "--min-rating", "x"), "Invalid value for '--min-rating'"),
    ],
)
def test_what_cannot_be_added_is_one_line(call, events, tmp_path, arguments, said):
    code, out, err = call("data", "add", "mine", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err
    assert not (tmp_path / "cache").exists()
