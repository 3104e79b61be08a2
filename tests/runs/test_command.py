"""The command of a record makes the same row again."""

import shlex
from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from recbench.errors import UserError
from recbench.request import Experiment
from recbench.runs.command import command
from recbench.runs.record_parts import FROM_OUTSIDE, About, Device, Outside, Training
from recbench.runs.store import read_record, run_folders
from recbench.settings import Settings
from recbench.stages import build
from recbench_cli.parsing import settings_of

PUBLISHED = run_folders(Path(__file__).parents[2] / "results")


def options(line):
    """Return the options of a line, each with all its values."""
    words, found = shlex.split(line), {}
    for name, value in zip(words, [*words[1:], ""], strict=True):
        if name.startswith("--"):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_a_published_run_is_made_again_by_its_command(folder):
    record = read_record(folder)
    said = options(command(record))
    ((preset,), (model,)) = said.get("--preset", [None]), said["--model"]
    settings = settings_of(said.get("--set", []), None)
    (protocol,) = said["--protocol"]
    asked = Experiment(model=model, protocol=protocol, preset=preset, settings=settings)
    made = build(asked).settings
    assert made.identity() == record.settings
    assert {name: made.record()[name] for name in record.trained.runtime_settings} == (
        record.trained.runtime_settings
    )
    assert (said["--protocol"], said["--dataset"]) == ([record.protocol], [record.dataset])
    assert said["--seed"] == [str(record.seed)]
    if not record.full_ranking:
        assert (said["--draws"], said["--pack-seed"]) == ([str(record.draws)], ["0"])


def test_all_that_was_asked_for_is_named(made):
    asked = {"preset": "paper", "matching": "substring", "pack_seed": 4, "seed": 2}
    training = Training(fraction=0.5, dataset="lastfm")
    settings = {"rate": 3e-05, "layers": ["q", "v"], "curve": None, "tied": True, "note": "it's"}
    run = made(writes=True, training=training, settings=settings, **asked)
    trained = run.record.trained
    device = Device(name="cpu", hardware="x", system="y", threads=1, deterministic=True)
    by = trained.provenance.model_copy(update={"device": device})
    changes = {"provenance": by, "runtime_settings": {"precision": "float32"}}
    record = run.record.model_copy(update={"trained": trained.model_copy(update=changes)})
    assert command(record) == (
        "recbench run --model gru4rec --seed 2 --preset paper --train-fraction 0.5 "
        "--train-dataset lastfm --deterministic --set rate=3e-05 --set layers=q,v --set curve=null "
        """--set tied=true --set 'note=it'"'"'s' --set precision=float32 --dataset movielens """
        "--protocol paper --draws 2 --pack-seed 4 --matching substring"
    )


@pytest.mark.parametrize("adapter", ["adapter", "peft"])
def test_what_an_adapter_has_of_its_own_is_not_named(made, adapter):
    settings = {"llm": "tiny", "rank": 8, "alpha": 16, "dropout": 0.1, "targets": ["a"]}
    whole = command(made(settings=settings | {adapter: None}).record)
    assert "--set alpha=16 --set dropout=0.1 --set targets=a" in whole
    line = command(made(settings=settings | {adapter: "mine"}).record)
    assert f"--set llm=tiny --set rank=8 --set {adapter}=mine" in line
    other = command(made(settings={"adapter": "mine", "dropout": 0.1}).record)  # no language model
    assert "--set adapter=mine --set dropout=0.1" in other


def test_a_full_ranking_draws_nothing(made):
    run = made(full=True, ranks=(1, 2), protocol="paper,candidates=all")
    assert command(run.record).endswith(" --protocol paper,candidates=all")


def test_what_the_model_was_shown_otherwise_is_named(made):
    run = made(control="shuffled-history", limit=2)
    assert command(run.record).endswith(" --pack-seed 0 --control shuffled-history --limit 2")


def test_answers_from_a_file_are_scored_again(made):
    outside = Outside(given="scores", answers="", file="", format="trec", kind="scores")
    update = {"kind": "external", "outside": outside, "trained": None, "settings": {}}
    record = made().record.model_copy(update={**update, "model": f"{FROM_OUTSIDE}theirs"})
    assert command(record, "a b.jsonl", "a.toml") == (
        "recbench score 'a b.jsonl' --name theirs --format trec --kind scores --about a.toml "
        "--dataset movielens --protocol paper --draws 2 --pack-seed 0"
    )


def test_what_old_records_did_not_say_changes_no_digest():
    old = Outside(given="text", answers="a", file="b", about=About(model="m"))
    assert set(old.model_dump()) == {"given", "answers", "file", "about"}
    new = Outside(given="text", answers="a", file="b", format="plain", kind="text")
    assert Outside.model_validate(new.model_dump()) == new


class Inner(BaseModel):
    width: int = 4
    name: str = "x"


class OfParts(Settings):
    rates: dict[str, float] = Field(default={"x": 1.0})
    inner: Inner | None = None
    layers: tuple[Inner, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    words: tuple[str, ...] = ("a", "b")


def test_settings_of_several_parts_are_read_as_they_are_written(made):
    inner = Inner(width=2, name='it\'s, "so" é')
    settings = OfParts(rates={"y": 0.5}, inner=inner, layers=(inner,), pairs=((1, 2), (3, 4)))
    line = command(made(settings=settings.record()).record)
    assert OfParts.build(settings_of(options(line)["--set"], None)) == settings
    line = command(made(settings=OfParts().record(), seed=1).record)
    assert OfParts.build(settings_of(options(line)["--set"], None)) == OfParts()


def test_what_is_no_json_is_refused_by_name():
    with pytest.raises(UserError, match="setting 'rates': Input should be a valid dictionary"):
        OfParts.build({"rates": "{'x': 1}"})
