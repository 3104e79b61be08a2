import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from recbench_baselines.popularity import Popularity

from recbench.runs.kept_trainings import kept_model
from recbench.runs.store import finished
from recbench_cli.once import _repeated


@pytest.fixture
def made(call_inside, raw_folder):
    """Return a function that runs a model on the made-up data, and its folder."""

    def run(model="popularity", *options):
        asked = ("--model", model, "--dataset", "movielens", "--data-dir", str(raw_folder))
        assert call_inside("run", *asked, "--no-audit", "--draws", "1", *options)[0] == 0
        (record,) = Path("results").glob(f"*/*/{model}/*/record.json")
        return record.parent

    return run


@pytest.fixture
def recommend(call_inside, raw_folder):
    data = ("--data-dir", str(raw_folder))
    return lambda folder, *words: call_inside("recommend", *data, "--run", str(folder), *words)


@pytest.fixture
def refused(recommend):
    """Return a function that recommends, is refused in one line, and gives it."""

    def run(folder, *words):
        code, out, err = recommend(folder, *words)
        assert (code, out) == (2, "")
        last = err.splitlines()[-1]
        assert last.startswith("error: ")
        return last

    return run


def test_a_ranking_is_printed(made, recommend):
    folder = made()
    code, out, err = recommend(folder, "--history", "film 1", "Film 2 (1990)", "--top", "2")
    assert code == 0
    assert err.startswith("'Film 2 (1990)' is taken for 'Film 2' (id:2): this dataset has its ")
    assert out.startswith("popularity, seed 0, of movielens, protocol paper: ")
    assert "History, oldest first:\n  Film 1\n  Film 2\n" in out
    assert "Of 78 items of the catalogue:" in out
    assert len(out.split("-------\n")[1].splitlines()) == 2


def test_options_take_several_titles_and_json_is_one_object(made, recommend):
    words = ("--candidates", "Film 4", "Film 5", "--history", "Film 1", "--history=Film 2")
    code, out, _ = recommend(made(), *words, "--format", "json", "--explain")
    found = json.loads(out)
    assert code == 0
    assert [one["title"] for one in found["history"]] == ["Film 1", "Film 2"]
    assert {one["title"] for one in found["items"]} == {"Film 4", "Film 5"}
    assert [one["item"]["title"] for one in found["explanation"]["without"]] == ["Film 1", "Film 2"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--history", "Flim 1"), "did you mean 'Film 1' (id:1)"),
        (("--history", "id:x"), "no item has the id 'x'"),
        (("--history", "Film 1", "--candidates", "Film 2", "id:2"), "given twice as a candidate"),
        (("--history", "Film 1", "--top", "0"), "--top"),
        (("--history", "Film 1", "--candidates", "Film 2", "--repeats"), "leave it out"),
        (("--history", "Film 1", "--device", "gpu"), "unknown device 'gpu'"),
        (("--history", "Film 1", "--top", "2", "--top", "3"), "--top is given twice"),
        (("--top", "3"), "Missing option '--history'"),
        (("--history",), "--history"),
    ],
)
def test_a_mistake_is_one_line(made, refused, words, says):
    assert says in refused(made(), *words)


def test_a_model_that_was_not_kept_is_made_again_by_what_the_message_says(
    made, recommend, refused, call_inside
):
    folder = made("sasrec", "--set", "epochs=1", "--seed", "3")
    shutil.rmtree(kept_model(Path("results").absolute(), finished(folder).record))
    said = refused(folder, "--history", "Film 1")
    assert "is not there" in said
    command, _, place = said.partition("make it again by: ")[2].partition("; then name ")
    assert call_inside(*shlex.split(command)[1:])[0] == 0
    code, out, _ = recommend(place, "--history", "Film 1")
    assert code == 0
    assert "sasrec, seed 3" in out


def test_a_model_that_is_another_by_now_is_not_asked(made, refused):
    folder = made()
    (weights,) = Path("results").glob("*/trainings/*/*/model/*.safetensors")
    weights.write_bytes(weights.read_bytes() + b" ")
    assert "is not the one that the run has asked" in refused(folder, "--history", "Film 1")


def test_a_model_of_other_ingredients_is_not_asked(made, refused, monkeypatch):
    folder = made()
    monkeypatch.setattr(Popularity, "ingredients", lambda _: {"prompts": "b" * 64})
    said = refused(folder, "--history", "Film 1")
    assert "was made with 'prompts' None, here it is bbbbbbbbbbbb; make it again by: " in said


def test_a_model_that_knows_users_is_refused_with_the_reason(made, refused, monkeypatch):
    folder = made()
    monkeypatch.setattr(Popularity, "knows_users", True)
    assert "learns a vector of each user" in refused(folder, "--history", "Film 1")


def test_a_model_that_reads_times_goes_by_those_of_its_training(made, recommend):
    code, out, _ = recommend(made("recent-popularity"), "--history", "Film 1")
    assert code == 0
    assert "Of 79 items" in out


def test_answers_from_a_file_have_no_model(call_inside, raw_folder, recommend, refused, tmp_path):
    data = ("--dataset", "movielens", "--data-dir", str(raw_folder))
    assert call_inside("questions", *data, "--kind", "text", "--out", "asked")[0] == 0
    lines = Path("asked/questions.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    answers = [json.dumps({"key": row["key"], "text": "x"}) for row in rows]
    Path("answers.jsonl").write_text("\n".join(answers) + "\n")
    score = ("score", "answers.jsonl", "--name", "theirs", "--questions", "asked")
    assert call_inside(*score, "--data-dir", str(raw_folder))[0] == 0
    (record,) = Path("results").glob("*/*/external.theirs/*/record.json")
    assert "there is no model to ask" in refused(record.parent, "--history", "Film 1")


def test_without_the_data_it_is_one_line(made, call_inside, monkeypatch):
    folder = made()
    monkeypatch.setenv("RECBENCH_CACHE", "another")
    monkeypatch.setattr("recbench.runs.remade_question.at_hand", lambda *_: False)
    code, out, err = call_inside("recommend", "--run", str(folder), "--history", "Film 1")
    assert (code, out) == (2, "")
    assert "name its folder with --data-dir" in err


def test_other_data_are_refused(made, raw_folder, call_inside, tmp_path):
    folder = made()
    other = tmp_path / "other"
    shutil.copytree(raw_folder, other)
    lines = (other / "u.data").read_text().splitlines(keepends=True)
    (other / "u.data").write_text("".join(lines[:-1]))
    words = ("--history", "Film 1", "--data-dir", str(other))
    code, out, err = call_inside("recommend", "--run", str(folder), *words)
    assert (code, out) == (2, "")
    assert "was made with 'dataset' " in err


def test_all_titles_are_listed_where_the_message_says(made, refused, call_inside, raw_folder):
    said = refused(made(), "--history", "zzzz")
    command = said.partition("; ")[2].partition(" lists all titles in ")
    data = ("--data-dir", str(raw_folder))
    assert call_inside(*shlex.split(command[0])[1:], *data)[0] == 0
    assert "80\tFilm 80\n" in Path(command[2]).read_text()


def test_what_is_no_run_is_one_line(refused, tmp_path):
    assert f"{tmp_path} holds no finished run" in refused(tmp_path, "--history", "x")


@pytest.fixture
def shop(call_inside):
    """Return a function that adds data of one's own; titles hold signs that steer terminals."""
    rows = [(u, i, u * 40 + i) for u in range(30) for i in range(u % 7, u % 7 + 12)]
    Path("orders.csv").write_text(
        "user,item,time\n" + "".join(f"{u},{i},{t}\n" for u, i, t in rows)
    )
    titles = [f"{i},\x1b[3{i % 8}mred {i}\x9b2J <b>\n" for i in range(20)]
    Path("products.csv").write_text("item,title\n" + "".join(titles))

    def add(*options):
        files = ("--interactions", "orders.csv", "--items", "products.csv")
        assert call_inside("data", "add", "shop", *files, *options)[0] == 0

    return add


def test_other_words_of_a_prompt_are_other_questions(shop, call_inside):
    shop("--noun", "game/games")
    llm = ("--model", "zero-shot", "--llm", "tiny", "--dataset", "shop", "--candidates", "5")
    assert call_inside("run", *llm, "--no-audit", "--draws", "1")[0] == 0
    (record,) = Path("results").glob("*/*/zero-shot/*/record.json")
    asked = ("recommend", "--run", str(record.parent), "--history", "id:1", "--candidates")
    code, out, _ = call_inside(*asked, "id:2", "id:3", "--explain")
    assert code == 0
    assert " games" in out.partition("Prompt:")[2]
    assert call_inside("data", "remove", "shop")[0] == 0
    shop("--noun", "film/films")
    code, out, err = call_inside(*asked, "id:2", "id:3")
    assert (code, out) == (2, "")
    assert "was made with 'words' game/games, " in err
    assert "(--noun, --verb)" in err
    code, out, err = call_inside("inspect", str(record.parent), "--rotate", "--rows", "1")
    assert (code, out) == (2, "")
    assert "was made with 'words' game/games, " in err


def test_a_model_that_was_transferred_is_asked_about_the_other_data(
    shop, call_inside, raw_folder, recommend
):
    shop()
    llm = ("--model", "zero-shot", "--llm", "tiny", "--train-dataset", "shop", "--draws", "1")
    data = ("--dataset", "movielens", "--data-dir", str(raw_folder))
    assert call_inside("run", *llm, *data, "--no-audit")[0] == 0
    (record,) = Path("results").glob("*/*/zero-shot/*/record.json")
    words = ("--history", "Film 1", "--candidates", "Film 2", "Film 3")
    code, out, err = recommend(record.parent, *words)
    assert code == 0, err
    assert "Of 2 candidates:" in out


def test_titles_cannot_steer_a_terminal(shop, call_inside):
    shop()
    asked = ("--model", "popularity", "--dataset", "shop", "--no-audit", "--draws", "1")
    asked += ("--candidates", "5")
    assert call_inside("run", *asked)[0] == 0
    (record,) = Path("results").glob("*/*/popularity/*/record.json")
    for form in ("text", "json"):
        words = ("--history", "id:1", "--format", form, "--explain")
        code, out, err = call_inside("recommend", "--run", str(record.parent), *words)
        assert code == 0, err
        assert all(line.isprintable() for line in out.splitlines())
        assert "mred 1" in out
    code, _, err = call_inside("recommend", "--run", str(record.parent), "--history", "red")
    assert code == 2
    assert err.strip().isprintable()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--h", "a", "b"], ["--h", "a", "--h", "b"]),
        (["--h", "a", "b", "--top", "3"], ["--h", "a", "--h", "b", "--top", "3"]),
        (["--h=-a", "b"], ["--h=-a", "--h", "b"]),
        (["--h", "-a", "b"], ["--h", "-a", "--h", "b"]),
        (["--top", "3", "x"], ["--top", "3", "x"]),
        (["--h", "a", "--c", "b", "c"], ["--h", "a", "--c", "b", "--c", "c"]),
        (["--h"], ["--h"]),
        ([], []),
    ],
)
def test_an_option_of_several_words_has_all_up_to_the_next(given, meant):
    assert _repeated(given, {"--h", "--c"}) == meant


def test_import_recbench_is_light():
    code = (
        "import recbench, sys; assert not {'torch', 'numpy', 'pandas'} & set(sys.modules);"
        "print(callable(recbench.load_run))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", done.stderr


def test_what_recbench_does_not_have_is_an_error_as_usual():
    import recbench

    with pytest.raises(AttributeError, match="has no attribute 'lod_run'"):
        recbench.lod_run  # noqa: B018
