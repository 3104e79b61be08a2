"""`recbench questions` and `recbench score`, as somebody outside uses them."""

import json
from typing import get_args, get_type_hints

import pytest

from recbench.outside.formats import FORMATS
from recbench_cli.score import score

QUESTIONS = ("questions", "--dataset", "movielens", "--protocol", "next-item")


@pytest.fixture
def ask(call_inside, raw_folder, tmp_path):
    """Run a command on the made-up data, in the folder of this test."""
    return lambda *arguments: call_inside(*arguments, "--data-dir", str(raw_folder))


def answered(folder, field="scores"):
    lines = (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    for row in map(json.loads, lines):
        answer = [-one for one in row["candidates"]] if field == "scores" else "Film 1"
        yield {"key": row["key"], field: answer}


def write(file, rows):
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def test_answers_become_a_row_beside_a_model_of_ours(ask, call_inside, tmp_path):
    code, out, err = ask(*QUESTIONS, "--draws", "2", "--out", "asked")
    assert code == 0
    assert out.startswith("asked: 60 questions, to be answered in scores")
    assert "Traceback" not in err
    write(tmp_path / "a.jsonl", answered(tmp_path / "asked"))
    (tmp_path / "about.toml").write_text('model = "lowest id"')
    told = ("score", "a.jsonl", "--name", "theirs", "--questions", "asked", "--about", "about.toml")
    code, out, _ = ask(*told)
    assert code == 0
    assert "answers from a file; its maker says: model: lowest id" in out
    assert "wrote results/movielens/next-item/external.theirs/" in out
    code, again, _ = ask(*told)
    assert (code, again.splitlines()[-1].split()[0]) == (0, "found")
    same = ("--protocol", "next-item", "--dataset", "movielens", "--draws", "2")
    assert ask("run", "--model", "last-id", *same)[0] == 0
    code, out, _ = call_inside("leaderboard")
    assert code == 0
    assert {"external:theirs", "last-id"} <= set(out.split())
    assert out.count("2 draws of 20 candidates") == 1  # one table
    assert "external:theirs: not audited" in out
    code, out, _ = call_inside("leaderboard", "--models", "external:theirs", "--format", "csv")
    assert (code, len(out.splitlines())) == (0, 2)
    code, out, _ = call_inside("compare", "external:theirs", "last-id")
    assert code == 0
    code, out, _ = ask("verify", "results")
    assert (code, out.splitlines()[-1]) == (0, "2 runs, 0 failed")


def test_the_questions_may_be_named_by_their_options(ask, tmp_path):
    asked = ("--dataset", "movielens", "--protocol", "paper", "--candidates", "10", "--draws", "2")
    assert ask("questions", *asked, "--out", "asked")[0] == 0
    write(tmp_path / "a.jsonl", answered(tmp_path / "asked"))
    code, out, _ = ask("score", "a.jsonl", "--name", "theirs", *asked, "--json")
    assert code == 0
    assert json.loads(out)["record"].startswith("results/movielens/paper,candidates=10/external.th")


def test_texts_answer_prompts(ask, tmp_path):
    assert ask(*QUESTIONS, "--with-prompts", "--out", "asked")[0] == 0
    write(tmp_path / "a.jsonl", answered(tmp_path / "asked", "text"))
    code, out, _ = ask("score", "a.jsonl", "--name", "theirs", "--questions", "asked")
    assert code == 0
    assert "ValidRatio" in out
    assert "1 draws of 20" in out


def test_answers_to_other_questions_are_refused(ask, tmp_path):
    for seed in ("0", "1"):
        assert ask(*QUESTIONS, "--pack-seed", seed, "--out", f"asked{seed}")[0] == 0
    write(tmp_path / "a.jsonl", answered(tmp_path / "asked0"))
    code, _, err = ask("score", "a.jsonl", "--name", "a", "--questions", "asked1")
    assert code == 2
    assert "a.jsonl, line 1: expected the key of a question" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--kind", "text", "--draws", "2"), "give --draws 1"),
        (("--kind", "scores", "--with-prompts"), "leave out --kind scores"),
        (("--candidates", "all", "--with-prompts"), "no prompt can list the whole catalogue"),
        (("--candidates", "all", "--kind", "text"), "give --candidates N"),
        (("--draws", "0"), "--draws"),
        (("--kind", "words"), "--kind"),
    ],
)
def test_questions_that_cannot_be_asked_are_refused(ask, tmp_path, arguments, message):
    code, _, err = ask(*QUESTIONS, *arguments, "--out", "asked")
    assert (code, err.count("error:")) == (2, 1)
    assert message in err
    assert not (tmp_path / "asked").exists()


def test_a_protocol_with_several_rows_of_a_user_is_refused(ask, tmp_path):
    code, _, err = ask(
        "questions", "--dataset", "movielens", "--protocol", "temporal", "--out", "asked"
    )
    assert code == 2
    assert "a later history of a user holds the target of an earlier row" in err
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say what was asked: --questions and the folder"),
        (("--questions", "asked", "--draws", "2"), "leave out --draws"),
        (("--questions", "asked", "--dataset", "movielens"), "leave out --dataset"),
        (("--questions", "asked", "--pack-seed", "0"), "leave out --pack-seed"),
        (("--questions", "none"), "none/manifest.json is missing; make the questions with"),
        (("--dataset", "movilens"), "did you mean 'movielens'"),
        (("--dataset", "movielens", "--protocol", "nextitem"), "did you mean 'next-item'"),
        (("--dataset", "movielens", "--about", "none.toml"), "check --about"),
        (("--dataset", "movielens", "--format", "excel"), "--format"),
        (("--dataset", "movielens", "--name", "b/c"), "--name"),
    ],
)
def test_what_cannot_be_scored_is_refused(ask, tmp_path, arguments, message):
    (tmp_path / "a.jsonl").touch()
    named = () if "--name" in arguments else ("--name", "theirs")
    code, _, err = ask("score", "a.jsonl", *named, *arguments)
    assert (code, err.count("error:")) == (2, 1)
    assert message in err
    assert not (tmp_path / "results").exists()


def test_a_folder_where_a_file_stands_is_refused(ask, tmp_path):
    (tmp_path / "asked").touch()
    code, _, err = ask(*QUESTIONS, "--out", "asked")
    assert (code, "a file stands where a folder belongs" in err) == (2, True)


def test_every_format_can_be_named():
    (choices,) = [
        get_args(get_args(kind)[0])
        for name, kind in get_type_hints(score, include_extras=True).items()
        if name == "form"
    ]
    assert set(choices) == set(FORMATS)
