"""`recbench submit`, and `recbench verify` of what it wrote."""

import json
import shutil
import zipfile

import numpy as np
import pytest
from forged_runs import forge, sign

from recbench.runs.examples import sha256
from recbench.runs.identity import row_of, run_id
from recbench.runs.store import Run, read_record
from recbench.submission import writing

pytestmark = pytest.mark.honesty


@pytest.fixture
def two(call_inside, raw_folder, tmp_path):
    """Run two models on the made-up data, in the folder of this test; return how to go on."""
    given = ("--dataset", "movielens", "--data-dir", str(raw_folder), "--draws", "2", "--no-audit")
    for model in ("popularity", "last-id"):
        assert call_inside("run", "--model", model, *given)[0] == 0
    return lambda *arguments: call_inside(*arguments, "--data-dir", str(raw_folder))


def test_a_bundle_is_verified_as_its_runs_are(two, tmp_path):
    code, out, err = two("submit", "results", "--out", "b.zip")
    assert (code, err) == (0, "")
    assert out == "b.zip: runs: 2, division: open, 0.0 MiB\n"
    first = (tmp_path / "b.zip").read_bytes()
    assert two("submit", "results/movielens", "--out", "b.zip")[0] == 0
    assert (tmp_path / "b.zip").read_bytes() == first
    code, out, err = two("verify", "b.zip")
    assert (code, err) == (0, "")
    in_folder = two("verify", "results")[1]
    kept = "ok           model", "not checked  model"
    here = out.replace("b.zip/results", "results").replace(
        ": it is not kept beside its results", ""
    )
    assert here == in_folder.replace(*kept)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert not any(b"Film" in archive.read(name) for name in archive.namelist())
        archive.extractall(tmp_path / "theirs")
    code, out, _ = two("verify", "theirs/results", "b.zip")
    assert (code, out.splitlines()[-1]) == (1, "4 runs, 2 failed")  # each is there twice
    assert two("verify", "b.zip", "b.zip")[0] == 0  # one that is named twice counts once
    first, _ = json.loads(two("verify", "b.zip", "--format", "json")[1])
    assert first["folder"].startswith("b.zip/results/movielens/paper/last-id/")


def test_the_command_of_a_bundle_makes_the_run_anew(two, tmp_path):
    """Where it is given, the run of the bundle itself lies at the place of every run."""
    assert two("submit", "results", "--out", "b.zip")[0] == 0
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        manifest = json.loads(archive.read("manifest.json"))
    for place, command in manifest["runs"].items():
        program, *words = command.split()
        assert program == "recbench"
        code, out, _ = two(*words, "--no-audit")
        anew = place.replace("results", "anew", 1)
        assert (code, out.splitlines()[-1]) == (0, f"wrote {anew}/record.json")


def test_a_run_that_fails_is_not_submitted(two, tmp_path):
    (path,) = tmp_path.glob("results/*/*/last-id/*/record.json")
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1', 1))
    code, out, err = two("submit", "results", "--out", "b.zip")
    assert (code, out) == (2, "")
    assert err.startswith("error: results/movielens/paper/last-id/")
    assert " fails the check 'row': " in err
    assert not (tmp_path / "b.zip").exists()


def test_two_that_are_one_are_not_submitted(two, tmp_path):
    shutil.copytree(tmp_path / "results", tmp_path / "again")
    code, _, err = two("submit", "results", "again", "--out", "b.zip")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("error: again/movielens/paper/last-id/")
    assert "its row and seed are those of another run of movielens" in err
    assert not (tmp_path / "b.zip").exists()


def test_runs_that_are_not_of_the_division_are_not_submitted(two, tmp_path):
    code, _, err = two("submit", "results", "--out", "b.zip", "--division", "closed")
    assert (code, err.count("\n")) == (2, 1)
    assert "of the open division, not the closed one: the data are not movielens as" in err
    assert not (tmp_path / "b.zip").exists()


def test_what_is_only_declared_of_the_closed_division_is_told(call_inside, atomic_folder, tmp_path):
    data = ("--data-dir", str(atomic_folder))  # as published, which the division asks for
    asked = ("--model", "popularity", "--dataset", "movielens", "--draws", "1")
    assert call_inside("run", *asked, *data)[0] == 0
    given = ("--out", "b.zip", "--division", "closed")
    code, out, err = call_inside("submit", "results", *given, *data)
    assert code == 0
    assert out.startswith("b.zip: runs: 1, division: closed, ")
    assert err == (
        "b.zip is closed as far as records show it; that nothing else was tried, and no run left "
        "out, is only declared\n"
    )
    code, out, _ = call_inside("verify", "b.zip", *data)
    assert (code, out.splitlines()[-1]) == (0, "1 runs, 0 failed")


@pytest.fixture
def of_a_shop(call_inside, tmp_path):
    """Run a model on data of a user's own; return the run's folder."""
    chance = np.random.default_rng(0)
    rows = [
        f"{user},{item},{time}"
        for user in range(20)
        for time, item in enumerate(chance.choice(40, 10, replace=False))
    ]
    (tmp_path / "shop.csv").write_text("\n".join(["user,item,time", *rows]))
    assert call_inside("data", "add", "shop", "--interactions", "shop.csv")[0] == 0
    asked = ("--dataset", "shop", "--protocol", "next-item", "--draws", "1")
    assert call_inside("run", "--model", "popularity", *asked)[0] == 0
    (folder,) = tmp_path.glob("results/shop/next-item/popularity/*")
    return folder


def test_what_nobody_can_check_is_not_closed_where_the_data_are_at_hand(
    call_inside, of_a_shop, tmp_path
):
    """A split of own data that was made up passes for one of rules that were not written down."""
    closed = ("submit", "results", "--out", "b.zip", "--division", "closed")
    assert call_inside(*closed)[0] == 0
    record = read_record(of_a_shop)
    digests = record.digests.model_copy(update={"split": "ab" * 32})
    made_up = record.model_copy(update={"digests": digests, "rules": None})
    made_up = made_up.model_copy(update={"row": row_of(made_up)})
    made_up = made_up.model_copy(update={"run_id": run_id(made_up.row, 0)})
    folder = of_a_shop.rename(of_a_shop.with_name(made_up.run_id))
    (folder / "record.json").write_text(made_up.signed(sha256(folder)).model_dump_json())
    told = "the closed division asks for it where the data are at hand, and its question cannot be"
    code, _, err = call_inside(*closed)
    assert (code, told in err, err.count("\n")) == (2, True, 1)
    writing.write_bundle([Run(folder, read_record(folder))], tmp_path / "b.zip", "closed")
    code, out, _ = call_inside("verify", "b.zip")
    assert (code, told in out) == (1, True)
    code, _, err = call_inside("runs", "import", "b.zip", "--results", "taken")
    assert (code, told in err) == (1, True)
    assert call_inside("verify", "b.zip", "--cache", str(tmp_path / "empty"))[0] == 0
    assert call_inside("submit", "results", "--out", "b.zip")[0] == 0
    assert call_inside("verify", "b.zip")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("results", "--out", "b.tar"), "--out names a bundle to write, and b.tar does not end in"),
        (("results", "--out", "results"), "--out names a bundle to write"),
        (("nowhere", "--out", "b.zip"), "nowhere holds no finished run"),
        (("results", "--out", "b.zip", "--division", "won"), "--division"),
        (("results", "--out", "b.zip", "--answers", "no.jsonl"), "--answers names a file, and no"),
        (("results", "--out", "b.zip", "--search", "no.csv"), "--search names a file, and no.csv"),
        (("results", "--out", "b.zip", "--answers", "results"), "and results is none; check its"),
        (("results", "--out", "no/no.zip/b.zip", "--search", "results"), "--search names a file"),
        (("results",), "--out"),
    ],
)
def test_what_cannot_be_submitted_is_one_line(two, tmp_path, arguments, message):
    code, out, err = two("submit", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("error: ") == err.count("\n") == 1
    assert not list(tmp_path.glob("*.zip*"))


def test_what_is_no_bundle_is_one_line(two, tmp_path):
    (tmp_path / "b.zip").write_text("no zip")
    code, out, err = two("verify", "b.zip")
    assert (code, out) == (2, "")
    assert err.startswith("error: b.zip is refused: it is no sound zip archive (")


def test_texts_that_are_in_it_are_told(call_inside, raw_folder, tmp_path):
    given = ("--dataset", "movielens", "--data-dir", str(raw_folder), "--draws", "1", "--no-audit")
    assert call_inside("run", "--model", "zero-shot", "--llm", "tiny", *given)[0] == 0
    code, _, err = call_inside("submit", "results", "--out", "b.zip", "--data-dir", str(raw_folder))
    assert code == 0
    assert err == (
        "b.zip holds what zero-shot wrote, without which its answers cannot be checked: it may "
        "hold titles, which a dataset's licence may forbid to pass on\n"
    )
    code, out, _ = call_inside("verify", "b.zip", "--data-dir", str(raw_folder))
    assert code == 0
    assert "ok           answers" in out


def test_answers_from_a_file_are_scored_again_from_the_bundle(two, tmp_path):
    asked = ("--dataset", "movielens", "--protocol", "next-item", "--draws", "2")
    assert two("questions", *asked, "--out", "asked")[0] == 0
    lines = (tmp_path / "asked/questions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [{"key": r["key"], "scores": r["candidates"]} for r in map(json.loads, lines)]
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "about.toml").write_text('model = "highest id"\nseed = 4\n')
    told = ("--name", "theirs", "--questions", "asked", "--about", "about.toml")
    assert two("score", "a.jsonl", *told)[0] == 0
    runs = "results/movielens/next-item/external.theirs"
    code, _, err = two("submit", runs, "--out", "b.zip")
    assert code == 2
    assert "external:theirs, seed 4, came from a file of answers" in err
    assert two("submit", runs, "--out", "b.zip", "--answers", "a.jsonl")[0] == 0
    assert two("verify", "b.zip")[0] == 0
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        archive.extractall(tmp_path)
    ((place, command),) = json.loads((tmp_path / "manifest.json").read_text())["runs"].items()
    code, out, _ = two(*command.split()[1:])
    assert code == 0
    again = f"{place.replace('results', 'anew', 1)}/record.json"
    assert out.splitlines()[-1] == f"wrote {again}"
    old, new = (json.loads((tmp_path / one).read_text()) for one in (f"{place}/record.json", again))
    for name in ("run_id", "metrics", "examples_sha256", "outside"):
        assert old[name] == new[name]


@pytest.fixture
def scored(two, tmp_path):
    """Return a function that scores answers to the made-up data: their folder and their file."""

    def score(field="scores", draws="2", results="results", about=""):
        (tmp_path / "about.toml").write_text(about)
        told = ("--about", "about.toml", "--results", results)
        asked = ("--dataset", "movielens", "--protocol", "next-item", "--draws", draws)
        kind = "text" if field == "text" else "scores"
        assert two("questions", *asked, "--kind", kind, "--out", "asked")[0] == 0
        lines = (tmp_path / "asked/questions.jsonl").read_text(encoding="utf-8").splitlines()
        answer = {
            "scores": lambda row: row["candidates"],
            "ranking": lambda row: sorted(row["candidates"])[:5],
            "text": lambda row: row["candidate_titles"][0],
        }[field]
        rows = [{"key": row["key"], field: answer(row)} for row in map(json.loads, lines)]
        (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        assert two("score", "a.jsonl", "--name", "theirs", "--questions", "asked", *told)[0] == 0
        (folder,) = tmp_path.glob(f"{results}/movielens/next-item/external.theirs/*")
        return folder, tmp_path / "a.jsonl"

    return score


def submit_unread(folder, file, out):
    """Write a bundle as somebody would who leaves the checks of `recbench submit` out."""
    writing.write_bundle([Run(folder, read_record(folder))], out, answers=[file])


@pytest.mark.parametrize("field", ["scores", "ranking", "text"])
def test_the_file_of_answers_is_read_again(two, scored, field):
    folder, _ = scored(field, "1")
    given = ("--out", "b.zip", "--answers", "a.jsonl")
    assert two("submit", str(folder), *given)[0] == 0
    code, out, _ = two("verify", "b.zip")
    assert (code, out.count("  ok           given     the file of answers, read and")) == (0, 1)
    assert two("runs", "import", "b.zip", "--results", "taken")[0] == 0
    code, out, _ = two("verify", str(folder))
    assert (code, "given" in out) == (0, False)  # it is not at hand there


def test_a_table_that_is_not_that_of_its_file_is_told(two, scored, tmp_path):
    folder, file = scored()
    forge(folder)
    assert two("verify", str(folder))[0] == 0  # the record agrees with itself
    told = "the scores in its table are not those of its file of answers"
    code, _, err = two("submit", str(folder), "--out", "b.zip", "--answers", "a.jsonl")
    assert (code, err.count("\n"), f"fails the check 'given': {folder.name}" in err) == (
        2,
        1,
        False,
    )
    assert told in err
    submit_unread(folder, file, tmp_path / "b.zip")
    code, out, _ = two("verify", "b.zip")
    assert (code, out.splitlines()[-1]) == (1, "1 runs, 1 failed")
    assert told in out
    code, _, err = two("runs", "import", "b.zip", "--results", "taken")
    assert (code, told in err) == (1, True)


@pytest.mark.parametrize(
    ("field", "about", "mine", "why"),
    [
        ("ranking", 'model = "another"\nseed = 1', "", "whose model is '', not 'another'"),
        ("ranking", "random_training = false", "seed = 1", "whose training is random"),
        ("ranking", "", "", "the same cell with other figures"),
        ("ranking", "seed = 1", "", ""),
    ],
)
def test_two_makers_of_one_name_are_not_one_row(two, scored, field, about, mine, why):
    scored(results="mine", about=mine)
    folder, _ = scored(field, about=about)
    given = ("--out", "b.zip", "--answers", "a.jsonl")
    assert two("submit", str(folder), *given)[0] == 0
    code, _, err = two("runs", "import", "b.zip", "--results", "mine")
    assert (code, why in err) == (bool(why), True)
    assert ("score one of the files under another --name" in err) == bool(why)


def test_the_file_of_answers_is_taken_in_with_its_run(two, scored, tmp_path):
    """Without it nobody could check what was imported, nor pass it on."""
    folder, file = scored(about='model = "a rule"')
    assert two("submit", str(folder), "--out", "b.zip", "--answers", "a.jsonl")[0] == 0
    assert two("runs", "import", "b.zip", "--results", "taken")[0] == 0
    (taken,) = tmp_path.glob("taken/movielens/next-item/external.theirs/*")
    assert (taken / "answers").read_bytes() == file.read_bytes()
    assert 'model = "a rule"' in (taken / "about.toml").read_text()
    code, out, _ = two("verify", "taken")
    assert (code, out.count("  ok           given ")) == (0, 1)
    assert two("submit", "taken", "--out", "again.zip")[0] == 0
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert two("runs", "import", "taken", "--results", "on")[0] == 0
    (on,) = tmp_path.glob("on/movielens/next-item/external.theirs/*")
    assert (on / "answers").read_bytes() == file.read_bytes()
    (taken / "answers").write_text("others")
    code, _, err = two("submit", "taken", "--out", "again.zip")
    assert (code, "answers is not the file that it was made of" in err) == (2, True)


def test_what_a_file_of_answers_holds_besides_is_told(two, scored, tmp_path):
    """It goes into the bundle as it is, with the titles and histories of the questions in it."""
    folder, file = scored()
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    asked = (tmp_path / "asked/questions.jsonl").read_text(encoding="utf-8").splitlines()
    whole = [json.loads(line) | row for line, row in zip(asked, rows, strict=True)]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in whole))
    shutil.rmtree(folder)
    assert two("score", "a.jsonl", "--name", "theirs", "--questions", "asked")[0] == 0
    code, _, err = two("submit", str(folder), "--out", "b.zip", "--answers", "a.jsonl")
    assert code == 0
    assert err == (
        "b.zip holds a.jsonl as it is, with candidate_titles, history, history_titles, which "
        "nobody reads: a dataset's licence may forbid to pass titles and histories on; score a "
        "file without them\n"
    )


def test_another_file_of_answers_is_told_without_the_data(scored, call_inside, tmp_path):
    folder, _ = scored()
    (folder / "answers").write_text("others")
    code, out, _ = call_inside("verify", "results", "--cache", str(tmp_path / "empty"))
    assert (code, "answers is not the file that it was made of" in out) == (1, True)


def as_early(folder):
    """Leave out of a record what early ones did not say: how its file is read."""
    outside = read_record(folder).outside
    sign(folder, outside=outside.model_copy(update={"format": None, "kind": None}))


@pytest.mark.parametrize("field", ["scores", "text"])
def test_a_file_is_read_again_of_a_record_that_does_not_say_how(two, scored, tmp_path, field):
    """What the answers are depends on no format: of all the right one is found."""
    folder, file = scored(field, "1")
    as_early(folder)
    submit_unread(folder, file, tmp_path / "b.zip")
    code, out, _ = two("verify", "b.zip")
    assert (code, out.count("  ok           given     the file of answers, read and")) == (0, 1)


def test_who_leaves_out_how_a_file_is_read_is_found_out(two, scored, tmp_path):
    folder, file = scored()
    forge(folder)
    as_early(folder)
    submit_unread(folder, file, tmp_path / "b.zip")
    told = "the scores in its table are not those of its file of answers"
    code, out, _ = two("verify", "b.zip")
    assert (code, told in out) == (1, True)
    outside = read_record(folder).outside.model_copy(update={"answers": "0" * 64})
    sign(folder, outside=outside)
    submit_unread(folder, file, tmp_path / "b.zip")
    told = "read in every format, its file gives other answers than the record's 000000000000"
    code, out, _ = two("verify", "b.zip")
    assert (code, told in out) == (1, True)


def test_without_the_data_the_file_is_not_checked(two, scored, call_inside, tmp_path):
    folder, _ = scored()
    assert two("submit", str(folder), "--out", "b.zip", "--answers", "a.jsonl")[0] == 0
    code, out, _ = call_inside("verify", "b.zip", "--cache", str(tmp_path / "empty"))
    (line,) = [one for one in out.splitlines() if " given " in one]
    assert (code, line.split()[:2]) == (0, ["not", "checked"])
