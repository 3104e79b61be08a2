"""Plug-ins that raise, exit or give nonsense: named in one line, and nothing else goes wrong."""

import json
from pathlib import Path

import pytest

from recbench.testing.toy_lm import toy_llm

RUN = ("run", "--model", "acme", "--dataset", "movielens", "--device", "cpu", "--draws", "1")


@pytest.fixture
def ask(call_here, raw_folder):
    """Run the command line on made-up data."""
    return lambda *arguments: call_here(*arguments, "--data-dir", str(raw_folder))


RAISED = [
    ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    ("def (", "SyntaxError: invalid syntax (__init__.py, line 1)"),
    ("raise SystemExit(0)", "SystemExit: 0"),
    ("import sys; sys.exit()", "SystemExit"),
    ("import os; os.environ['ACME_HOME']", "KeyError: 'ACME_HOME'"),
    ("raise RuntimeError('one\\ntwo')", "RuntimeError: one"),
    ("import warnings; warnings.warn('old')", "UserWarning: old"),
    ("raise BaseException('odd')", "BaseException: odd"),
    ("raise OSError(28, 'No space left on device', 'x')", "OSError: [Errno 28] No space left"),
    ("from recbench.errors import UserError; raise UserError('mine')", "UserError: mine"),
    ("Other = 1", "AttributeError: module 'acme_"),
]


@pytest.mark.parametrize(("source", "said"), RAISED, ids=[said for _, said in RAISED])
@pytest.mark.parametrize("asked", [("models", "acme"), RUN], ids=["models", "run"])
def test_a_model_that_cannot_be_imported_is_named(call_here, install, source, said, asked):
    install(source)
    code, out, err = call_here(*asked)
    assert (code, out) == (1, "")
    assert err.startswith("error: the model 'acme' of package acme-plugin cannot be imported: ")
    assert said in err
    assert err.count("\n") == 1
    code, out, err = call_here("models")
    assert (code, err) == (0, "")
    assert "acme" in out


def test_ctrl_c_during_an_import_is_no_fault_of_the_plug_in(call_here, install):
    install("raise KeyboardInterrupt")
    code, _, err = call_here("models", "acme")
    assert code == 130
    assert err.startswith("interrupted")


def test_debug_shows_where_a_plug_in_raised(call_here, install):
    install("def f():\n    raise RuntimeError('here')\n\nf()\n")
    code, _, err = call_here("models", "acme", "--debug")
    assert code == 1
    assert "in f\n    raise RuntimeError('here')" in err
    assert err.splitlines()[-1].startswith("error: the model 'acme'")


HEAD = """
import sys
import numpy as np
from pydantic import model_validator
from recbench.settings import Settings
from cheats import AtOnce, Guess, Writing, Written

def boom(*_, **__):
    {act}

"""
METHODS = [
    *("__init__", "fit", "score", "save", "load", "ingredients", "answer", "title_lengths"),
    *("announce", "account"),
]


@pytest.mark.parametrize("method", [*METHODS, "caption", "validator"])
@pytest.mark.parametrize(
    ("act", "said"),
    [("raise RuntimeError('one\\ntwo')", "RuntimeError: one"), ("sys.exit(0)", "exit")],
    ids=["raises", "exits"],
)
def test_a_model_that_fails_is_named(ask, install, method, act, said):
    body = {
        "caption": "class Acme(Guess):\n    caption = property(boom)\n",
        "validator": "class S(Settings):\n    @model_validator(mode='before')\n    @classmethod\n"
        "    def check(cls, given):\n        boom()\n"
        "class Acme(Guess):\n    settings_class = S\n",
    }
    named = f"class Acme(Writing):\n    {method} = boom\n"
    install(HEAD.format(act=act) + body.get(method, named))
    code, out, err = ask(*RUN, "--protocol", "paper")
    assert (code, out) == (1, "")
    last = err.splitlines()[-1]
    assert last.startswith("error: the model 'acme' of package acme-plugin")
    assert said in last.lower() if said == "exit" else said in last
    assert "two" not in last or method == "load"  # one line, of the first
    assert "Traceback" not in err


GIVEN = [
    ("score", "None", "gave scores of shape ()"),
    ("score", "np.zeros((1, 1), dtype=np.float32)", "gave scores of shape (1, 1), expected"),
    ("score", "[[1.0], [1.0, 2.0]]", "gave scores that are no array: "),
    ("score", "np.full(q[1].candidates.shape, 'a')", "gave scores of type <U1, expected float32"),
    ("score", "np.full(q[1].candidates.shape, np.inf, np.float32)", "is inf; scores must be"),
    ("answer", "None", "answer must return a list of texts"),
    ("answer", "'text'", "answer must return a list of texts"),
    ("answer", "[1] * len(q[1])", "answer must return a list of texts"),
    ("answer", "['one']", "gave 1 answers to"),
    ("title_lengths", "[0]", "title_lengths must return 80 whole numbers of at least 1"),
    ("fit", "None", "fit must return a dict with parameters_trained"),
    ("ingredients", "{'a': {1, 2}}", "its ingredients must be JSON values: "),
    ("account", "{'a': {1, 2}}", "its account must be JSON values: "),
    ("account", "3", "its account must be a dict, not 3"),
    ("__init__", "None", "it has no settings; its __init__ must call that of Recommender"),
]


@pytest.mark.parametrize("given", ["None", "1, 2, 3", "[1, 2]"])
def test_scores_and_answers_at_once_are_a_pair(ask, install, given):
    source = f"class Acme(AtOnce):\n    score_and_answer = lambda *_: ({given})\n"
    install(HEAD.format(act="pass") + source)
    code, _, err = ask(*RUN)
    assert code == 1
    assert err.splitlines()[-1].endswith(": score_and_answer must return scores and texts")


@pytest.mark.parametrize(("method", "given", "said"), GIVEN, ids=str)
def test_a_model_that_gives_nonsense_is_named(ask, install, method, given, said):
    source = HEAD.format(act="pass") + f"class Acme(Writing):\n    {method} = lambda *q: {given}\n"
    install(source)
    code, _, err = ask(*RUN)
    assert code == 1
    last = err.splitlines()[-1]
    assert last.startswith("error: the model 'acme' of package acme-plugin: ")
    assert said in last


MADE = "from cheats import Guess, Written\nfrom recbench.recommender import Transferable\n"
NEITHER = MADE + (
    "class Acme(Transferable):\n    settings_class = Guess.settings_class\n"
    "    fit, save, load, transfer = Guess.fit, Guess.save, Guess.load, Guess.fit\n    {}\n"
)
HALF = MADE + "class Acme(Written):\n    {} = Guess.score\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Acme = 3", "it is no class made from recbench's Recommender or Answerer"),
        ("from recbench.recommender import Recommender as Acme", "it lacks fit, load, save, score"),
        ("from recbench.recommender import Answerer as Acme", "it lacks answer, fit, load, save"),
        (
            "from recbench.recommender import System as Acme",
            "it lacks fit, load, save, score or answer",
        ),
        (NEITHER.format("pass"), "it lacks score or answer"),
        (NEITHER.format("answer = Guess.score"), "it lacks score or answer"),
        (HALF.format("score"), "it lacks title_lengths"),
        (HALF.format("title_lengths"), "it lacks score"),
        (
            "from cheats import Guess\nclass Acme(Guess):\n    settings_class = dict\n",
            "its settings_class is no class made from recbench's Settings",
        ),
    ],
)
@pytest.mark.parametrize("asked", [("models", "acme"), RUN], ids=["models", "run"])
def test_what_is_no_model_is_named(call_here, install, source, said, asked):
    install(source)
    code, _, err = call_here(*asked)
    assert code == 1
    assert err.startswith(f"error: the model 'acme' of package acme-plugin: {said}")


RANKING = """class Acme(Written):
    def score(self, queries, runtime):
        return self.writing.score(queries, runtime)

    def title_lengths(self):
        return self.writing.title_lengths()
"""


@pytest.mark.parametrize("source", [RANKING, "Acme = Writing", "Acme = AtOnce", "Acme = Written"])
def test_an_answerer_that_ranks_is_ranked_whatever_it_is_made_from(ask, install, source):
    install(HEAD.format(act="pass") + source)
    code, out, err = ask(*RUN, "--protocol", "paper", "--json")
    assert code == 0, err
    path = Path(json.loads(out)["record"])
    record, told = json.loads(path.read_text()), json.loads(out)["metrics"]
    assert record["writes"]
    assert record["audit"]["rows"] > 0
    assert record["ranks"] == ("HitRatio@1|likelihood" in told) == (source != "Acme = Written")


def test_a_bug_of_ours_is_not_called_the_plug_in_s(ask, install, monkeypatch):
    install("from cheats import Guess as Acme")

    def broken(*_):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("recbench.experiment.describe", broken)
    code, _, err = ask(*RUN)
    assert code == 1
    assert "error: this is a bug in recbench or a plug-in: ZeroDivisionError: ours" in err


METRIC = """
import sys
import numpy as np
from recbench.evaluation.metrics import Metric

class Acme(Metric):
    def values(self, outcome):
        n = len(outcome)
        {act}
"""
METRICS = [
    ("raise ValueError('one\\ntwo')", " failed: ValueError: one ("),
    ("sys.exit(0)", " failed: SystemExit: 0 ("),
    ("return None", ": values must return a dict, not NoneType"),
    ("return {1: np.ones(n)}", ": the name of a figure must be one line of text that can be "),
    ("return {'a\\nb': np.ones(n)}", ": the name of a figure must be one line of text that "),
    ("return {'NDCG@7': np.ones(n)}", ": it gives 'NDCG@7', which is named as recbench's own "),
    ("return {'Acme': np.ones(n + 1)}", " values in [0, 1] as 'Acme'"),
    ("return {'Acme': ['a'] * n}", " values in [0, 1] as 'Acme'"),
    ("return {'Acme': np.full(n, np.inf)}", " values in [0, 1] as 'Acme'"),
    ("return {'Acme': np.full(n, -1)}", " values in [0, 1] as 'Acme'"),
    ("return {'Acme': np.ones(n), 'B': np.full(n, 2)}", " values in [0, 1] as 'B'"),
    ("return {'MRR': np.ones(n)}", ": it gives 'MRR', which another metric gave before"),
]


@pytest.mark.parametrize(("act", "said"), METRICS, ids=[act for act, _ in METRICS])
def test_a_metric_that_fails_is_named_and_the_run_goes_on(ask, call_here, install, act, said):
    install(METRIC.format(act=act), group="metrics", name="zz")
    code, out, err = ask("run", "--model", "popularity", *RUN[3:], "--json", "--no-audit")
    assert code == 0
    assert "MRR" in json.loads(out)["metrics"]
    assert not {"Acme", "B"} & json.loads(out)["metrics"].keys()
    lines = [line for line in err.splitlines() if "acme-plugin" in line]
    assert len(lines) == 1
    assert lines[0].startswith("the metric 'zz' of package acme-plugin")
    assert said in lines[0]
    code, out, _ = call_here("leaderboard")
    assert code == 0
    assert "popularity" in out


@pytest.mark.parametrize("act", ["raise RuntimeError('odd')", "raise SystemExit(0)", ""])
@pytest.mark.parametrize(
    ("group", "command"),
    [("datasets", ("data", "list")), ("protocols", ("protocols", "list"))],
    ids=["dataset", "protocol"],
)
def test_a_card_that_cannot_be_had_is_named_and_the_others_are_listed(
    call_here, install, act, group, command
):
    install(act, group=group, target=".cards:acme.toml")
    code, out, err = call_here(*command)
    assert code == 0
    assert "movielens" in out or "paper" in out
    assert f"the {group[:-1]} 'acme' of package acme-plugin" in err
    assert err.count("\n") == 1
    given = {"datasets": "--dataset", "protocols": "--protocol"}[group]
    rest = [] if group == "datasets" else ["--dataset", "movielens"]
    code, _, err = call_here("candidates", given, "acme", *rest, "--out", "x.parquet")
    assert code == 1
    assert f"the {group[:-1]} 'acme' of package acme-plugin" in err
    assert err.count("\n") == 1


TWICE = "registered more than once, by acme-plugin and {}; uninstall {}"
FOREIGN = TWICE.format("other-plugin", "all but one of them\n")
OURS = TWICE.format("recbench", "acme-plugin\n")


@pytest.fixture
def claim(install):
    """Let one foreign package register a name, and a second one where it is none of ours."""

    def claimed(group, name, source="", target=":Acme"):
        install(source, group, name, target)
        if name == "acme":
            install(source, group, name, target, owner="other-plugin")

    return claimed


NAMED = {
    "models": ("model", ("models",), ("models", "{}"), "popularity"),
    "model_families": ("model family", ("models", "sasrec"), ("models", "{}"), "recbole"),
    "datasets": ("dataset", ("data", "list"), ("data", "prepare", "--dataset", "{}"), "movielens"),
    "protocols": ("protocol", ("protocols", "list"), ("protocols", "show", "{}"), "next-item"),
    "studies": ("study", ("study",), ("study", "{}", "--quick"), "experts"),
    "language_models": (
        "language model",
        ("models", "--llms"),
        ("run", "--model", "zero-shot", "--dataset", "movielens", "--set", "llm={}"),
        "tiny",
    ),
    "text_encoders": (
        "text encoder",
        ("models", "morec"),
        ("run", "--model", "morec", "--dataset", "movielens", "--set", "text_encoder={}"),
        "all-minilm-l6-v2",
    ),
}
UNLISTED = ("model_families", "text_encoders")
"""Of these no command lists the names alone."""


@pytest.mark.parametrize("whose", ["foreign", "ours"])
@pytest.mark.parametrize("group", NAMED)
def test_a_name_of_two_packages_is_refused_and_stops_nobody_else(call_here, claim, group, whose):
    kind, listing, asking, ours = NAMED[group]
    name = ours if whose == "ours" else "acme"
    claim(group, name)
    said = f"the {kind} '{name}' is {OURS if whose == 'ours' else FOREIGN}"
    code, out, err = call_here(*listing)
    assert code == 0
    assert out
    assert f"\n{name}:" not in f"\n{out}"
    assert (err.count("\n"), err.endswith(said)) == ((0, False) if group in UNLISTED else (1, True))
    code, out, err = call_here(*(word.format(name) for word in asking))
    assert (code, out) == (2, "")
    assert f"\n{err}".endswith(f"\nerror: {said}")


@pytest.mark.parametrize(
    ("group", "name", "told"),
    [
        ("models", "acme", ""),
        ("models", "sasrec", ""),
        ("model_families", "acme", ""),
        ("datasets", "acme", ""),
        ("metrics", "acme", FOREIGN.replace("\n", "; until then it is left out\n")),
        ("metrics", "MRR", OURS.replace("\n", "; until then recbench's own is taken\n")),
    ],
)
def test_a_run_that_names_no_name_of_two_packages_goes_on(ask, call_here, claim, group, name, told):
    claim(group, name, METRIC.format(act="return {'Acme': np.ones(n)}"))
    code, out, err = ask("run", "--model", "popularity", *RUN[3:], "--json", "--no-audit")
    assert code == 0
    assert {"MRR", "HitRatio@1"} <= json.loads(out)["metrics"].keys()
    assert "Acme" not in json.loads(out)["metrics"]
    assert told in err
    assert err.count("more than once") == bool(told)
    code, out, err = call_here("leaderboard")
    assert (code, "popularity" in out) == (0, True)
    assert "not to be trusted" not in err


@pytest.mark.parametrize("name", ["tiny", "acme"])
@pytest.mark.parametrize("model", ["tallrec", "bigrec"])
def test_a_run_with_another_language_model_goes_on(ask, call_here, claim, tmp_path, model, name):
    claim("language_models", name)
    claim("text_encoders", "all-minilm-l6-v2")
    told = [f"llm={toy_llm(tmp_path / 'llm')}", "examples=4", "batch_size=4", "curve_rows=0"]
    given = [word for one in told for word in ("--set", one)]
    options = ("--protocol", "next-item", "--limit", "2", "--json", "--no-audit")
    for _ in ("asked", "found"):
        code, out, err = ask("run", "--model", model, *RUN[3:], *given, *options)
        assert code == 0, err
        assert "more than once" not in err
        given += ["--set", "precision=float32"]
    assert json.loads(out)["metrics"]
    code, out, err = call_here("models", model)
    assert (code, err) == (0, "")
    assert "llm=tiny" in out


def test_data_of_ones_own_cannot_have_a_name_of_two_packages(call_here, claim):
    claim("datasets", "acme")
    code, _, err = call_here("data", "add", "acme", "--interactions", "x.csv")
    assert code == 2
    assert err == "error: the name 'acme' is taken; take another\n"


NO_FAMILY = "the model family 'acme' of package acme-plugin"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Acme = 3", f"{NO_FAMILY}: it is no Family of recbench.registry, with texts alone in it"),
        (
            "from recbench.registry import Family\nAcme = Family('songs', {'Sad': 3})",
            f"{NO_FAMILY}: it is no Family of recbench.registry, with texts alone in it",
        ),
        ("1 / 0", f"{NO_FAMILY} cannot be imported: ZeroDivisionError: division by zero"),
    ],
)
@pytest.mark.parametrize(
    "asked",
    [("models", "acme"), ("models", "acme", "--format", "json"), ("models", "acme:Sad")],
    ids=["family", "json", "member"],
)
def test_what_is_no_family_is_named_and_stops_nobody_else(call_here, install, source, said, asked):
    install(source, group="model_families")
    code, out, err = call_here(*asked)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {said}")
    assert err.count("\n") == 1
    for others in (("models",), ("models", "popularity")):
        code, _, err = call_here(*others)
        assert (code, err) == (0, "")


def test_an_entry_point_that_names_nothing_is_named(call_here, install):
    install("", target=" is not a target")
    code, _, err = call_here("models", "acme")
    assert code == 1
    assert err.startswith("error: the model 'acme' of package acme-plugin cannot be imported: ")
    code, _, err = call_here("models")
    assert (code, err) == (0, "")


def test_an_encoder_that_fails_is_named(ask, install):
    install(
        "from recbench_baselines.sasrec import SASRec\n"
        "class Acme(SASRec):\n    def item_vectors(self):\n        return 1 / 0\n"
    )
    options = ("--set", "encoder=acme", "--set", "examples=2")
    code, _, err = ask("run", "--model", "llara", *RUN[3:], *options)
    assert code == 1
    last = err.splitlines()[-1]
    assert last.startswith(
        "error: the model 'acme' of package acme-plugin failed: ZeroDivisionError: division by zero"
    )


PRINTS = """
import sys
from recbench_baselines.popularity import Popularity
print("imported")

class Acme(Popularity):
    def fit(self, data, runtime):
        print("epoch 1")
        sys.stdout.write("epoch 2\\n")
        return super().fit(data, runtime)
"""


def test_what_a_plug_in_prints_is_not_on_standard_output(ask, call_here, install):
    install(PRINTS)
    code, out, err = ask(*RUN, "--json")
    assert code == 0, err
    assert set(json.loads(out)) == {"record", "metrics"}
    assert all(line in err.splitlines() for line in ("imported", "epoch 1", "epoch 2"))
    install(PRINTS)  # a module that was not imported yet
    code, out, err = call_here("models", "acme", "--format", "json")
    assert (code, json.loads(out)["model"], err) == (0, "acme", "imported\n")
    code, out, err = call_here("leaderboard", "--format", "csv")
    assert (code, out.count("\n"), "acme" in out) == (0, 2, True)
    print("as before")
    code, out, _ = call_here("models", "--help")
    assert (code, out.startswith("as before\n"), "--llms" in out) == (0, True, True)
