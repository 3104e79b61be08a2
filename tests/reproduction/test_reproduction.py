"""A paper beside what is on record: nothing is invented, and what is missing can be run."""

import json
import math
import re
import shlex
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from recbench import experiment, registry
from recbench.data.card import card
from recbench.errors import UserError
from recbench.models import recommender_class
from recbench.registry import listed
from recbench.reproduction import wanted as wanting
from recbench.reproduction.filled import filled
from recbench.reproduction.page import as_json, commands_of, page
from recbench.reproduction.paper import Paper, Part, read_paper
from recbench.runs.record_parts import Training
from recbench.stages import build
from recbench.studies import cells
from recbench.studies.study import Asked
from recbench_cli import main as cli

SYSTEMS = Path(__file__).parents[2] / "../shared/reference/SYSTEMS.md"
PAPER = read_paper("ilora")
STUDIED = [one for one in PAPER.parts if one.study]
HITS = [1, 0] * 6
TEST_ROWS = {"movielens": 95, "lastfm": 122, "steam": 1186}
"""Of `paper`, as released."""


def like(model, **settings):
    """Return what `made` needs for a run of a model with all its settings."""
    identity = recommender_class(model).settings_class.build(settings).identity()
    data = {"dataset_digest": card("movielens").digest}
    return {"model": model, "settings": identity, "writes": "llm" in identity, **data}


def asked(*llms, quick=False):
    return Asked("movielens", llms=llms, draws=PAPER.draws, quick=quick)


def only(*names):
    parts = tuple(part for part in PAPER.parts if part.name in names)
    assert len(parts) == len(names)
    return PAPER.model_copy(update={"parts": parts})


def cell_of(sections, name):
    (found,) = [cell for section in sections for cell in section.cells if cell.wanted.name == name]
    return found


def written(number):
    return f"{number:.3f}".removeprefix("0")


def test_what_is_on_record_is_filled_in_beside_the_published_figure(made):
    runs = [made(HITS, **like("llara"))]
    sections = filled(only("All systems"), asked(), runs)
    cell = cell_of(sections, "llara (encoder=sasrec) on movielens")
    assert [one.value for one in cell.wanted.published["HitRatio@1"]] == [0.4526, 0.4421]
    assert [one.value for one in cell.wanted.published["ValidRatio"]] == [0.9789, 0.9684]
    (row,) = cell.rows
    assert row.estimates["HitRatio@1"].figure.value < 1
    others = [one for one in sections[0].cells if one is not cell]
    assert not any(one.rows for one in others)
    text = page(PAPER, sections, asked(), "table")
    assert "0.453 (a), 0.442 (b)" in text
    assert "It was not the same question: " in text
    assert "llara (llm=tiny, examples=1000)" in text


@pytest.mark.parametrize(
    "changes",
    [
        like("ilora"),
        like("llara", encoder="caser"),
        like("llara", curriculum="false"),
        {"protocol": "paper,candidates=30"},
        {"training": Training(fraction=0.5)},
        {"dataset": "lastfm"},
        {"dataset_digest": "of other files than the card's"},
    ],
)
def test_a_record_of_something_else_is_not(made, changes):
    run = made(HITS, **(like("llara") | changes))
    sections = filled(only("All systems"), asked(), [run])
    assert not cell_of(sections, "llara (encoder=sasrec) on movielens").rows


def test_what_was_asked_otherwise_says_so_and_leaves_its_cell_missing(made):
    two_draws = Asked("movielens", draws=2)
    for changes, missing in (
        ({}, 0),
        ({"draws": 4}, 0),
        ({"pack_seed": 9}, 1),
        ({"matching": "substring"}, 1),
    ):
        sections = filled(only("All systems"), two_draws, [made(HITS, **like("llara") | changes)])
        cell = cell_of(sections, "llara (encoder=sasrec) on movielens")
        assert len(cell.missing) == missing
        text = page(PAPER, sections, two_draws, "table")
        for name in ("draws", "pack_seed", "matching"):
            assert (f" [{name}={changes.get(name)}]" in text) == (name in changes)
        (found,) = [
            one
            for one in as_json(PAPER, sections, two_draws)["parts"][0]["cells"]
            if one["cell"] == "llara (encoder=sasrec) on movielens"
        ]
        assert [one["asked_otherwise"] for one in found["records"]] == [changes]


def test_the_page_of_a_study_that_stands_is_named(made, tmp_path):
    names = only("Similarity of gradients between clusters of users")
    asked_here = Asked("movielens", draws=PAPER.draws, results=tmp_path)
    sections = filled(names, asked_here, [])
    assert "own page" not in page(PAPER, sections, asked_here, "table")
    for name in ("movielens-tiny", "movielens-smollm2", "movielens-tiny-quick", "lastfm-tiny"):
        folder = tmp_path / "studies" / "gradient-similarity" / name
        folder.mkdir(parents=True)
        (folder / "study.json").touch()
    text = page(PAPER, sections, asked_here, "table")
    assert f"The study's own page: {tmp_path}/studies/gradient-similarity/movielens-smollm2" in text
    assert text.count("movielens-tiny/table.md") == 1
    assert ("quick" in text, "studies/gradient-similarity/lastfm" in text) == (False, False)


def test_with_a_language_model_named_its_records_alone_are_shown(made):
    runs = [made(HITS, **like("ilora", llm=llm)) for llm in ("tiny", "smollm2")]
    name = "ilora (encoder=sasrec) on movielens"
    for llms, number in (((), 2), (("smollm2",), 1), (("other",), 0)):
        sections = filled(only("All systems"), asked(*llms), runs)
        assert len(cell_of(sections, name).rows) == number
        missing = cell_of(sections, name).missing or cell_of(sections, "tallrec on lastfm").missing
        assert {cell.settings["llm"] for cell in missing} == {llms[0] if llms else "tiny"}


def test_what_a_card_says_is_no_difference(made):
    runs = [made(HITS, **like("llara", llm="smollm2", examples=2000))]
    cell = cell_of(
        filled(only("All systems"), asked(), runs), "llara (encoder=sasrec) on movielens"
    )
    (row,) = cell.rows
    assert cell.wanted.differences(row.record) == {"llm": "smollm2", "examples": 2000}


@pytest.mark.parametrize("llm", ["some/model", 3, None, ["tiny"]])
@pytest.mark.parametrize("model", ["llara", "sasrec"])
def test_a_record_of_an_odd_language_model_is_read(made, model, llm):
    own = like(model)
    runs = [made(HITS, **own | {"settings": own["settings"] | {"llm": llm}})]
    assert filled(only("All systems"), asked(), runs)


def test_what_only_ranks_by_likelihood_is_said_to(made):
    runs = [
        made(HITS, candidates=6, **like("llara")),
        made(HITS, candidates=6, **like("sasrec")),
    ]
    sections = filled(only("More places, and NDCG"), asked(), runs)
    lines = page(PAPER, sections, asked(), "table").splitlines()
    (guided,) = [line for line in lines if line.startswith("llara on movielens")]
    (plain,) = [line for line in lines if line.startswith("sasrec on movielens")]
    assert "by likelihood" in guided
    assert "by likelihood" not in plain
    (part,) = only("More places, and NDCG").parts
    assert part.remark in lines


def test_published_rows_that_cannot_be_are_counted_from_their_figures():
    """A target at rank 4 or 5 adds 1 / log2(5) or 1 / log2(6) to NDCG."""
    (part,) = only("More places, and NDCG").parts
    assert part.figures == ("HitRatio@3", "HitRatio@5", "NDCG@3", "NDCG@5")
    times = {
        f"{cell.model} on {dataset}": (ndcg_5 - ndcg_3) / (hits_5 - hits_3)
        for cell in part.cells
        for dataset, (hits_3, hits_5, ndcg_3, ndcg_5) in cell.on.items()
    }
    rounding = 0.005  # what four digits leave open moves a quotient over .0473 by less
    low, high = 1 / math.log2(6) - rounding, 1 / math.log2(5) + rounding
    (sound,) = [name for name, one in times.items() if low <= one <= high]
    others = [one for name, one in times.items() if name != sound]
    assert f"{len(others)} of {len(times)} cannot be" in part.remark
    assert f"Only that of {sound} ({written(times[sound])} times) is" in part.remark
    assert f"have {written(min(others))} to {written(max(others))} times" in part.remark


def test_a_study_counts_what_it_would_run_and_shows_what_is_near(made):
    """Experts are compared where all learn alike: a record of more rows is shown, and named so."""
    runs = [made(HITS, **like("ilora", batch_size="16", examples="8000"))]
    sections = filled(only("Number of experts"), asked(), runs)
    name = "ilora (llm=tiny, examples=1000, rank=8, experts=4) on movielens"
    cell = cell_of(sections, name)
    assert (len(cell.rows), len(cell.missing)) == (1, 1)
    assert cell.seconds > 0
    text = page(PAPER, sections, asked(), "markdown")
    assert "ilora (llm=tiny, examples=8000) [batch_size=16, draws=2]" in text
    assert "Published: figure not at hand." in text
    assert "8 runs are not on record: 8 would take about" in text
    runs.append(made([1, 0] * 100, draws=20, **like("ilora", examples="1000")))
    again = cell_of(filled(only("Number of experts"), asked(), runs), name)
    assert (len(again.rows), again.missing, again.seconds) == (2, (), 0)


@pytest.mark.honesty
@pytest.mark.parametrize("part", STUDIED, ids=lambda one: one.study)
def test_no_record_stands_beside_two_cells_that_are_compared_by_how_they_were_trained(made, part):
    """One of 8,000 rows, shown beside cells of 250 and of 500, would be a figure of neither."""
    runs = [made(HITS, **like(model, examples="8000")) for model in ("llara", "ilora")]
    runs += [made(HITS, **like("ilora", examples="1000", rank=rank)) for rank in ("8", "16")]
    (section,) = filled(PAPER.model_copy(update={"parts": (part,)}), asked(), runs)
    found = [(cell.wanted.cells[0], row) for cell in section.cells for row in cell.rows]
    for row in {id(row): row for _, row in found}.values():
        beside = [cell for cell, of in found if of is row]
        for name in wanting.HOW_TRAINED:
            assert len({cell.settings.get(name) for cell in beside}) == 1, (row.label, name)


def test_cells_of_ever_more_rows_have_the_records_of_as_many(made):
    rows = (250, 500, 1000, 8000)
    runs = [made(HITS, **like("llara", examples=str(number))) for number in rows]
    name = "Similarity of gradients between clusters of users"
    sections = filled(only(name), asked(), runs)
    for number in rows[:3]:
        cell = cell_of(sections, f"llara (llm=tiny, examples={number}) on movielens")
        assert [row.record.settings["examples"] for row in cell.rows] == [number]


def test_experts_of_unequal_rank_are_no_equal_ones(made):
    runs = [made(HITS, **like("ilora", examples="1000", expert_ranks="4,2,1,1"))]
    (section,) = filled(only("Experts of unequal rank"), asked(), runs)
    filled_in = {cell.wanted.name for cell in section.cells if cell.rows}
    assert filled_in == {
        "ilora (llm=tiny, examples=1000, rank=8, expert_ranks=4,2,1,1) on movielens"
    }


def test_a_note_says_of_which_question_it_is(made):
    runs = [made([1] * 12, protocol=name, **like("popularity")) for name in ("paper", "temporal")]
    name = "The order under more candidates and other protocols"
    text = page(PAPER, filled(only(name), asked(), runs), asked(), "table")
    assert "popularity on movielens under paper, popularity on movielens under temporal: " in text


def test_quick_is_one_seed_of_a_part(made):
    whole, quick = (
        filled(only("Experts of unequal rank"), asked(quick=one), [])[0] for one in (False, True)
    )
    assert len(quick.missing) < len(whole.missing)
    assert {cell.seed for cell in quick.missing} == {0}
    assert commands_of(quick, asked(quick=True))[0].endswith("--quick")


def test_a_study_that_is_not_installed_is_named_and_costs_nothing(monkeypatch):
    monkeypatch.setattr(wanting, "sound", lambda *_: {})
    sections = filled(only("Number of experts"), asked(), [])
    assert sections[0].cells == ()
    assert commands_of(sections[0], asked()) == []
    text = page(PAPER, sections, asked(), "table")
    assert "The study that puts it to the test, experts, is not installed here." in text


def test_a_model_that_cannot_be_had_is_named_and_stops_no_other(made, monkeypatch):
    real = registry.entry_points
    twice = EntryPoint("ilora", "mine:ILoRA", "recbench.models")

    def points(group):
        return [*real(group=group), *([twice] if group == twice.group else [])]

    monkeypatch.setattr(registry, "entry_points", points)
    whole = only("All systems")
    text = page(whole, filled(whole, asked(), [made(HITS, **like("llara"))]), asked(), "table")
    assert "ilora cannot be had: the model 'ilora' is registered more than once" in text
    assert "llara (llm=tiny, examples=1000)" in text
    assert filled(PAPER, asked(), [])


def test_without_records_nothing_is_known_of_time():
    (section,) = filled(only("40 candidates"), asked(), [])
    assert (section.seconds, section.untold) == (0, 6)
    assert "6 runs are not on record: of 6 no earlier record tells" in page(
        PAPER, [section], asked(), "table"
    )


def test_as_json_it_says_the_same(made):
    runs = [made(HITS, **like("llara"))]
    sections = filled(only("All systems"), asked(), runs)
    found = json.loads(json.dumps(as_json(PAPER, sections, asked())))
    (part,) = found["parts"]
    assert len(part["commands"]) == sum(cell["missing"] for cell in part["cells"])
    (cell,) = [one for one in part["cells"] if one["records"]]
    assert cell["published"]["HitRatio@1"][0]["value"] == 0.4526
    assert set(cell["records"][0]["figures"]) == {"HitRatio@1", "ValidRatio"}


@pytest.fixture
def read(monkeypatch):
    """Return a function that reads a command line down to the experiments that it would run."""

    def run(command):
        seen = []

        def one(wanted, **_):
            seen.append(wanted)
            raise KeyboardInterrupt

        def several(wanted, _):
            seen.extend(wanted)
            raise KeyboardInterrupt

        monkeypatch.setattr(experiment, "run", one)
        monkeypatch.setattr(cells, "located", several)
        with pytest.raises(SystemExit) as left:
            cli.main(shlex.split(command)[1:])
        assert left.value.code == cli.INTERRUPTED, command
        return seen

    return run


def test_every_command_runs_what_is_missing(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for section in filled(PAPER, asked(), []):
        found = [one for command in commands_of(section, asked()) for one in read(command)]
        for one in found:
            assert build(one).settings
        named = {cells.name(one) for one in found}
        assert {cells.name(one) for one in section.missing} <= named


def test_every_study_that_is_named_is_one():
    named = {part.study for part in PAPER.parts if part.study}
    assert named <= set(listed("studies"))


def test_other_language_models_are_those_of_the_part_unless_one_is_named(made):
    part = only("Other language models")
    runs = [made(HITS, **like("ilora", llm=llm)) for llm in ("tiny", "smollm2")]
    for llms, known in (((), {"tiny", "smollm2"}), (("smollm2",), {"smollm2"})):
        (section,) = filled(part, asked(*llms), runs)
        shown = {row.record.settings["llm"] for cell in section.cells for row in cell.rows}
        assert shown == known
        (command,) = commands_of(section, asked(*llms))
        assert set(command.split("--llm ")[1].split()[0].split(",")) == known


def test_without_data_and_packages_the_page_is_made_all_the_same(monkeypatch):
    def lacking(*_):
        raise UserError("read the data first")

    monkeypatch.setattr("recbench.statistics.clusters.check_can_cluster", lacking)
    for room in ("expert_attention", "gradient_similarity", "interference"):
        monkeypatch.setattr(f"recbench.studies.{room}.check_can_cluster", lacking)
    monkeypatch.setattr("recbench.studies.expert_ranks.at_hand", lambda *_: False)
    sections = filled(PAPER, asked(), [])
    assert all(section.cells for section in sections)
    assert page(PAPER, sections, asked(), "table")


@pytest.mark.skipif(not SYSTEMS.is_file(), reason="the facts of the papers are not here")
def test_no_figure_is_invented():
    facts = set(re.findall(r"(?<!\d)[01]?\.\d{4}", SYSTEMS.read_text(encoding="utf-8")))
    known = {f"{float(one):.4f}" for one in facts}
    for part in PAPER.parts:
        for cell in part.cells:
            for values in cell.on.values():
                assert {f"{value:.4f}" for value in values} <= known, (part.name, cell.model)


def test_no_figure_is_rounded_twice():
    """Of what was published with four digits three are printed: of its count, where known."""
    (part,) = only("All systems").parts
    for one in wanting.wanted(part, asked()):
        for known in (known for several in one.published.values() for known in several):
            rows = TEST_ROWS[one.cells[0].dataset]
            share = round(known.value * rows) / rows
            if round(share, 4) == round(known.value, 4):
                assert f"{known.value:.3f}" == f"{share:.3f}", (one.name, known)


def test_only_what_had_a_language_model_of_a_size_is_said_to():
    text = page(PAPER, filled(only("All systems"), asked(), []), asked(), "table")
    assert "LLaRA's paper, of GPT-4. It was not the same question" in text
    assert "7 billion parameters" not in text.partition("It was not the same question")[2]
    assert "(a) LLaRA's repository, July 2024, its Llama2 of 7 billion parameters;" in text
    assert re.search(r"tallrec on movielens +0\.389 ", text)


def test_a_value_is_of_a_figure():
    cell = {"model": "sasrec", "on": {"movielens": [0.1, 0.2]}}
    with pytest.raises(ValueError, match="has not a value a figure"):
        Part(name="x", place="y", figures=("HitRatio@1",), cells=(cell,))


def test_another_paper_is_refused_by_name():
    with pytest.raises(UserError, match="unknown paper 'ilra'; did you mean 'ilora'"):
        read_paper("ilra")
    assert isinstance(PAPER, Paper)
