import json
import shutil

import pytest

from recbench.data.card import card
from recbench.data.own import add
from recbench.data.own_files import Files
from recbench.errors import UserError
from recbench.file_digests import file_digest
from recbench.outside.read_again import check_given
from recbench.runs.leaderboard import leaderboard
from recbench.runs.listing import listed, shown
from recbench.runs.notes import notes_of
from recbench.runs.remade_question import Questions
from recbench.runs.store import finished, origin, publish, runs
from recbench.submission import importing
from recbench.submission.importing import import_runs, take_files
from recbench.submission.writing import write_bundle

pytestmark = pytest.mark.honesty


@pytest.fixture
def here(tmp_path):
    return tmp_path / "here"


@pytest.fixture
def take(here, tmp_path):
    """Return a function that imports, and gives what came of each run."""

    def run(*paths):
        questions = Questions(tmp_path / "cache", None, lambda _: None)
        found = import_runs(
            paths or [tmp_path / "results"], here, questions, lambda _: None, check_given
        )
        return [(one.result, one.why) for one in found]

    return run


@pytest.fixture
def add_shop(tmp_path):
    """Return a function that adds one file of interactions under a name, and gives the digest."""
    file = tmp_path / "shop.csv"
    rows = [f"{user},{item},{user + item}" for user in range(5) for item in range(4)]
    file.write_text("\n".join(["user,item,time", *rows]))
    return lambda name: (
        add(name, Files("table", file, None), tmp_path / "cache", lambda _: None).digest
    )


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_runs_are_taken_in_as_they_are_and_found_again(made, take, here, tmp_path):
    runs = [made(model="sasrec", seed=seed) for seed in (0, 1)]
    assert take() == [("imported", "")] * 2
    for run in runs:
        own = here / run.folder.relative_to(tmp_path / "results")
        files = "examples.parquet", "from.json", "record.json"
        assert sorted(path.name for path in own.iterdir() if path.is_file()) == [*files]
        for file in map(own.joinpath, (files[0], files[2])):
            assert file.read_bytes() == (run.folder / file.name).read_bytes()
    before = everything(here)
    assert take() == [("there already", "")] * 2
    assert everything(here) == before


def test_the_same_figures_made_elsewhere_are_the_same_run(made, take, here, tmp_path):
    caption = "mechanism test: the built-in language model 'tiny'"
    run = made(model="tallrec", writes=True, caption=caption)
    publish(run, here)  # without what was written, so of other bytes
    before = everything(here)
    assert take() == [("there already", "")]
    assert everything(here) == before
    assert take(run.folder, run.folder) == [("there already", "")]


def test_other_figures_of_one_cell_are_refused_by_name(made, take, here):
    own = made(hits=[1, 0, 0, 1], results=here)
    made(hits=[1, 1, 1, 1])
    before = everything(here)
    ((result, why),) = take()
    assert result == "refused"
    assert why.startswith(f"{own.folder} is the same cell with other figures (HitRatio@1 0.5000")
    assert everything(here) == before


def put(run, name, figure, figure_version=1):
    """Put a figure into a record, and sign it anew."""
    made = run.record.provenance.model_copy(update={"figure_version": figure_version})
    changes = {"metrics": run.record.metrics | {name: figure}, "provenance": made}
    record = run.record.model_copy(update=changes)
    text = record.signed(record.examples_sha256).model_dump_json()
    (run.folder / "record.json").write_text(text)


def test_figures_are_the_same_up_to_what_another_machine_rounds(made, take, here):
    made(results=here)
    figure = (run := made()).record.metrics["MRR"]
    put(run, "MRR", figure.model_copy(update={"low": figure.low + 1e-15}))
    assert take() == [("there already", "")]


def test_figures_of_two_versions_are_the_same_where_their_values_are(made, take, here):
    made(results=here)
    figure = (run := made()).record.metrics["MRR"]
    put(run, "MRR", figure.model_copy(update={"low": 0.0}), figure_version=0)
    assert take() == [("there already", "")]


@pytest.mark.parametrize(
    ("field", "more", "said"),
    [
        ("value", 3e-9, "(Mine 0.7500000000, here 0.7500000030)"),
        ("high", -3e-9, "(Mine's high 0."),
        ("n", 1, "(Mine's n 2, here 3)"),
    ],
)
def test_what_differs_is_named_so_that_it_shows(made, take, here, field, more, said):
    """A plug-in's figure, which neither record is held to here."""
    own, run = made(results=here), made()
    figure = run.record.metrics["MRR"]
    put(own, "Mine", figure)
    put(run, "Mine", figure.model_copy(update={field: getattr(figure, field) + more}))
    ((result, why),) = take()
    assert (result, said in why) == ("refused", True)


def test_a_figure_of_a_plugin_that_one_of_them_lacks_contradicts_nothing(made, take, here):
    made(results=here)
    run = made()
    put(run, "Mine", run.record.metrics["MRR"])
    assert take() == [("there already", "")]


def test_what_is_not_what_it_says_is_refused_and_the_rest_taken(made, take, here):
    bad, good = made(model="caser"), made(model="gru4rec")
    file = bad.folder / "record.json"
    page = json.loads(file.read_text())
    page["times"]["fit"] = 0.5
    file.write_text(json.dumps(page))
    refused, taken = take()
    assert (refused[0], taken[0]) == ("refused", "imported")
    assert refused[1].startswith("it fails the check 'record': ")
    assert [path.parent.name for path in here.rglob("record.json")] == [good.folder.name]


def test_a_run_under_another_seed_is_refused(made, take, here):
    run = made(seed=0, weights="w", results=here)
    made(seed=1, weights="w")
    ((result, why),) = take()
    assert (result, "it has the model of seed 0" in why) == ("refused", True)
    assert [path.parent for path in here.rglob("record.json")] == [run.folder]


@pytest.mark.parametrize("step", ["copyfile", "place"])
def test_a_run_is_there_as_a_whole_or_not_at_all(made, take, here, monkeypatch, step):
    made()

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil if step == "copyfile" else importing, step, killed)
        with pytest.raises(KeyboardInterrupt):
            take()
    assert everything(here) == {}
    assert take() == [("imported", "")]


def test_a_run_that_changes_meanwhile_is_refused(made, take, here, monkeypatch):
    made()
    real = shutil.copyfile

    def copy(source, target):
        real(source, target)
        target.write_bytes(b"other")

    monkeypatch.setattr(shutil, "copyfile", copy)
    assert take() == [("refused", "it was changed while it was read; import it again")]
    assert everything(here) == {}


def test_a_bundle_is_taken_in_as_well(made, take, here, tmp_path):
    run, bundle = made(), tmp_path / "bundle.zip"
    write_bundle([run], bundle)
    assert take(bundle) == [("imported", "")]
    own = here / run.folder.relative_to(tmp_path / "results")
    assert finished(own).record == run.record
    assert take(bundle, run.folder) == [("there already", "")] * 2


def test_what_was_imported_is_marked(made, take, here, tmp_path):
    """Whoever takes in a seed of a row of their own has others' figures in its mean."""
    own = made(hits=[1, 0, 0, 1], results=here)
    made(seed=1)
    bundle = tmp_path / "bobs.zip"
    write_bundle([made(seed=2)], bundle)
    assert take(bundle) == [("imported", "")]
    (table,) = leaderboard(runs(here))
    (row,) = table.rows
    assert "1 of 2 runs was imported" in notes_of(row, None)
    taken = own.folder.with_name(own.folder.name.replace("seed0", "seed2"))
    found = origin(taken)
    assert (found.source, found.sha256) == ("bobs.zip", file_digest(bundle))
    assert found.when.endswith("+00:00")
    assert origin(own.folder) is None
    states = [one.state for one in listed(here)]
    assert states == ["finished", "finished, imported from bobs.zip"]
    assert "imported" not in shown(finished(own.folder), [])
    told = shown(finished(taken), [])["imported"]
    assert told == f"from bobs.zip (SHA-256 {found.sha256[:12]}), {found.when}"
    assert take() == [("imported", ""), ("there already", "")]
    (table,) = leaderboard(runs(here))
    assert "2 of 3 runs were imported" in notes_of(table.rows[0], None)


def test_the_mark_goes_no_further_and_with_the_run(made, take, here, tmp_path):
    run = made(model="sasrec")
    assert take() == [("imported", "")]
    taken = here / run.folder.relative_to(tmp_path / "results")
    for one, out in ((run, "a.zip"), (finished(taken), "b.zip")):
        write_bundle([one], tmp_path / out)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert not (publish(finished(taken), tmp_path / "public") / "from.json").exists()
    made(model="sasrec", results=here, hits=[1, 1, 0, 1])  # made here, in its place
    assert origin(taken) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"source": 3}', "\xff"])
def test_a_mark_that_is_damaged_is_none(made, text):
    folder = made().folder
    (folder / "from.json").write_bytes(text.encode("latin-1"))
    assert origin(folder) is None


def test_what_a_worker_sent_was_made_here(made, here, tmp_path):
    run = made()
    files = {
        path.relative_to(tmp_path / "results").as_posix(): path.read_bytes()
        for path in run.folder.iterdir()
    }
    take_files(files, here, Questions(tmp_path / "cache", None, lambda _: None))
    assert origin(here / run.folder.relative_to(tmp_path / "results")) is None


def test_a_folder_without_a_run_is_said(take, tmp_path):
    with pytest.raises(UserError, match="holds no finished run"):
        take(tmp_path)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_row_has_one_name_of_its_data_in_a_folder(made, take, here, seed):
    """A row knows its data by their digest: whoever came later would push one's own out."""
    own = made(dataset="shop", results=here)
    made(dataset="store", seed=seed)
    before = everything(here)
    ((result, why),) = take()
    assert result == "refused"
    assert f"{own.folder} is of the same row, and calls its data shop" in why
    assert everything(here) == before


def test_published_data_have_the_name_of_their_card(made, take, here):
    made(dataset="Movielens", dataset_digest=card("movielens").digest)
    ((result, why),) = take()
    assert result == "refused"
    assert why.startswith("its data are movielens, and it calls them Movielens")
    assert everything(here) == {}


def test_data_that_are_at_hand_have_the_name_that_they_have_here(made, take, add_shop):
    digest = add_shop("shop")
    made(dataset="store", dataset_digest=digest)
    assert take()[0][1].startswith("its data are shop, and it calls them store")
    add_shop("store")  # whoever has them under that name, too, may have runs of it
    assert take() == [("imported", "")]
