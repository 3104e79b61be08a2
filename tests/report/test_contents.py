"""A report holds what the tables print, and nothing that the records do not hold."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from recbench.errors import DataError
from recbench.evaluation.answers import NO_CANDIDATE, SHARED_TITLE
from recbench.inspection.look import look
from recbench.questions.split import PAD, Examples
from recbench.report import examples
from recbench.report.contents import contents
from recbench.report.costs import costs, costs_sheet
from recbench.report.examples import browser
from recbench.runs.compare import compare
from recbench.runs.compare_rendering import comparison_sheet
from recbench.runs.examples import read_outcome
from recbench.runs.leaderboard import leaderboard
from recbench.runs.record_parts import Memory
from recbench.runs.remade_question import Questions
from recbench.runs.rendering import sheet
from recbench.runs.sheet import Grid
from recbench.studies.curves import curves_sheet, looks

HITS = [1, 0, 0, 1, 1, 1, 0, 1]
CURVE = [{"rows": 512, "HitRatio@1": 0.5}, {"rows": 700, "HitRatio@1": 0.25}]


def silent(_):
    pass


def told(run, **fit):
    """Return a run whose training reported more."""
    trained = run.record.trained
    more = trained.model_copy(update={"fit": trained.fit | fit})
    return type(run)(run.folder, run.record.model_copy(update={"trained": more}))


def cells(one):
    """Return the lines of the last grid of a sheet."""
    *_, found = [block for block in one.said if isinstance(block, Grid)]
    return found.lines


def test_every_part_says_what_its_command_prints(made):
    runs = [
        made(HITS, model="a", writes=True, caption="mind this"),
        *(made(HITS[::-1], model="b", seed=seed) for seed in (0, 1)),
    ]
    runs[0] = told(runs[0], curve=CURVE)
    (table,) = tables = leaderboard(runs)
    (section,) = contents(tables, None, 0, silent)
    parts = {part.heading: part for part in section.parts}
    assert parts["Leaderboard"].sheet == sheet(table)
    assert parts["Pair by pair"].sheet == comparison_sheet(compare(runs))
    assert parts["Learning curves"].sheet == curves_sheet(looks(tables))
    assert section.runs == 3
    assert section.browser is None
    by_count = parts["By training interactions of the target"]
    # Counts are 0, 1, 2, 3: of two groups, two are drawn.
    assert len(by_count.charts) == 2
    assert "By items in the history" not in parts  # which are 10 for all


def test_groups_are_compared_with_the_tables_baseline(made):
    tables = leaderboard([made(HITS, model="a"), made(HITS[::-1], model="b")], "b")
    (section,) = contents(tables, None, 0, silent)
    (groups,) = [part.sheet for part in section.parts if part.heading.endswith("of the target")]
    (grid,) = [block for block in groups.said if isinstance(block, Grid)]
    (column,) = [number for number, head in enumerate(grid.headers) if head.endswith(" to b")]
    # Each example is in the first group, or in the second; the baseline itself has a dash.
    found = [line[column] for line in grid.lines if line[1] != "0"]
    assert [cell == "-" for cell in found] == [False, True, False, True]


def test_what_records_do_not_hold_is_left_out(made):
    (section,) = contents(leaderboard([made(target_count=[7, 7])]), None, 0, silent)
    assert [part.heading for part in section.parts] == [
        "Leaderboard",
        "Accuracy against training time and memory",
        "By training interactions of the user",  # which are 100 and 101
    ]


def test_one_user_is_compared_with_nobody(made):
    runs = [made(HITS, model=name, users=[3] * 4) for name in ("a", "b")]
    (section,) = contents(leaderboard(runs), None, 0, silent)
    assert "Pair by pair" not in [part.heading for part in section.parts]


def test_costs_are_of_all_trainings_of_a_row(made):
    (table,) = leaderboard([made(seed=seed) for seed in (0, 1)])
    (one,) = costs(table)
    assert (one.number, one.seconds, one.host, one.device) == (1, 2.0, 1024.0, None)
    (line,) = cells(costs_sheet([one], "HitRatio@1"))
    assert line[4:] == ["2.0", "1024", "a cpu"]


def test_memory_is_the_most_that_a_training_took(made):
    runs = [made(seed=seed) for seed in (0, 1)]
    larger = Memory(host=3 * 2**30, device=2**20)
    trained = runs[1].record.trained.model_copy(update={"peak_memory": larger})
    record = runs[1].record.model_copy(update={"trained": trained})
    (one,) = costs(leaderboard([runs[0], replace(runs[1], record=record)])[0])
    assert (one.host, one.device) == (3 * 1024.0, 1.0)


def test_a_difference_that_is_turned_round_has_the_other_sign(made):
    runs = [made(HITS, model="a"), made([1] * 8, model="b")]
    (section,) = contents(leaderboard(runs), None, 0, silent)
    (part,) = [one for one in section.parts if one.heading == "Pair by pair"]
    values = part.charts[0].spec["data"]["values"]
    found = {(one["row"], one["to"]): one["difference"] for one in values}
    assert found == {("1. b", "a"): 3 / 8, ("2. a", "b"): -3 / 8}


def test_costs_are_without_the_encoders(made):
    """Which was trained by whichever run came first."""
    run = told(made(settings={"encoder": "sasrec"}), seconds=0.5)
    (one,) = costs(leaderboard([run])[0])
    assert one.seconds == 0.5


@pytest.mark.parametrize("curve", [[0.9, 0.7], {"rows": 1}, [{"HitRatio@1": 0.5}], [{"rows": 9}]])
def test_what_is_no_learning_curve_is_not_drawn(made, curve):
    (section,) = contents(leaderboard([told(made(), curve=curve)]), None, 0, silent)
    assert "Learning curves" not in [part.heading for part in section.parts]


def test_examples_show_ranks_and_answers_of_every_row(made):
    runs = [made(HITS, model="a", writes=True), made(HITS[::-1], model="b")]
    (table,) = leaderboard(runs)
    found = browser(table, None, 3, silent)
    lines = cells(found.sheet)
    # Of four examples three are shown, the first draw of each.
    assert [line[0] for line in lines] == ["0", "2", "3"]
    headers = found.sheet.said[0].headers
    assert headers[4:] == ["a: answer", "a: rank", "b: rank"]
    assert [line[4:] for line in lines] == [
        ["right", "1", "1"],
        ["right", "1", "1"],
        ["wrong", "2", "2"],
    ]
    detail = found.all["details"]["0"]
    assert (detail["slot"], found.all["places"]) == (0, 4)
    assert detail["by"][0] == {"ranks": [1, 2, 3, 4], "answer": 0}  # no text: it may be a title
    assert "candidates" not in detail


def test_an_answer_that_names_none_or_several_is_told_apart(made, monkeypatch):
    (table,) = leaderboard([made(writes=True, draws=1)])

    def read(folder, record):
        slots = np.array([0, NO_CANDIDATE, SHARED_TITLE, 2], dtype=np.int32)
        return replace(read_outcome(folder, record), answer_slot=slots)

    monkeypatch.setattr(examples, "read_outcome", read)
    found = browser(table, None, 9, silent).all["details"]
    assert [found[str(row)]["by"][0]["answer"] for row in range(4)] == [0, "none", "shared", 2]


def test_a_history_is_shown_without_what_fills_it_up(made, monkeypatch):
    (table,) = leaderboard([made(draws=1)])
    histories = np.array([[PAD, 0, 1], [PAD, PAD, 2], [3, 2, 1], [PAD] * 3], dtype=np.int32)
    asked = Examples(histories, np.zeros(4, np.int32), np.arange(4, dtype=np.int32))
    catalogue = SimpleNamespace(titles=("zero", "one", "two", "three"))
    split = SimpleNamespace(catalogue=catalogue, test=asked)
    remade = SimpleNamespace(split=split, pack=None)
    monkeypatch.setattr(examples, "check_digests", lambda *_: None)
    found = browser(table, SimpleNamespace(of=lambda _: remade), 9, silent).all["details"]
    shown = [found[str(row)]["history"] for row in range(4)]
    assert shown == [["zero", "one"], ["two"], ["three", "two", "one"], []]


def test_what_users_were_given_of_the_experts_is_shown(made):
    weights = [[0.25, 0.75], [0.75, 0.25], [1.0, 0.0], [0.0, 1.0]]
    tables = leaderboard(
        [made(HITS, model="a", writes=True, experts=weights), made(HITS, model="b")]
    )
    section = contents(tables[:1], None, 3, silent)[0]
    (part,) = [one for one in section.parts if "experts" in one.heading]
    assert cells(part.sheet) == [
        ["a", "1", "0.500", "0.038", "0.962"],
        ["a", "2", "0.500", "0.038", "0.962"],
    ]
    assert len(part.charts) == 1
    assert section.browser.all["details"]["2"]["by"][0]["experts"] == ["1.000", "0.000"]


def test_what_was_answered_is_looked_at_as_by_inspect(made):
    runs = [made(HITS, model="a", writes=True), made(HITS, model="b")]
    section = contents(leaderboard(runs), None, 0, silent)[0]
    (part,) = [one for one in section.parts if one.heading == "What was answered"]
    seen = look(runs[0], None).text_and_likelihood
    shares = seen.both, seen.text, seen.likelihood, seen.neither, seen.same
    assert cells(part.sheet) == [["a", *(f"{share:.3f}" for share in shares)]]


def test_why_answers_are_not_looked_at_is_said_once(made, tmp_path):
    runs = [made(HITS, model=name, writes=True) for name in ("a", "b")]
    questions = Questions(tmp_path / "cache", None, silent)
    section = contents(leaderboard(runs), questions, 0, silent)[0]
    (part,) = [one for one in section.parts if one.heading == "What was answered"]
    assert len(part.sheet.said) == 2
    assert part.sheet.said[1].startswith("Left out of a, b: answers and what is recommended: ")


def test_a_run_that_is_not_of_its_question_stops_no_page(made, monkeypatch):
    def refuse(folder, record, remade):
        raise DataError("its protocol is of version 1, installed is 2")

    monkeypatch.setattr("recbench.inspection.look.check_digests", refuse)
    runs = [made(HITS, model=name, writes=True) for name in ("a", "b")]
    questions = SimpleNamespace(of=lambda record: None)
    section = contents(leaderboard(runs), questions, 0, silent)[0]
    (part,) = [one for one in section.parts if one.heading == "What was answered"]
    assert part.sheet.said[1] == (
        "Left out of a, b: answers and what is recommended: its protocol is of version 1, "
        "installed is 2."
    )


def test_examples_without_the_data_say_why(made, tmp_path):

    said = []
    (table,) = leaderboard([made(dataset="unheard-of", writes=True)])
    found = browser(table, Questions(tmp_path, None, silent), 9, said.append)
    assert "shown without titles: unknown dataset 'unheard-of'" in said[0]
    assert found.all["details"]["0"]["by"][0]["text"] == "Title 0"


def test_a_full_ranking_has_ranks_alone(made):
    (table,) = leaderboard([made(ranks=[1, 20, 3], full=True)])
    found = browser(table, None, 9, silent)
    assert [line[-1] for line in cells(found.sheet)] == ["1", "20", "3"]
    assert (found.all["places"], found.all["details"]["1"]["by"]) == (0, [{}])


@pytest.mark.parametrize("most", [1, 2, 1000])
def test_no_example_is_shown_twice(made, most):
    (table,) = leaderboard([made(HITS)])
    numbers = [line[0] for line in cells(browser(table, None, most, silent).sheet)]
    assert len(set(numbers)) == len(numbers) == min(most, 4)
