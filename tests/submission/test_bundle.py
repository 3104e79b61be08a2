"""A bundle is the same bytes for the same runs, and comes back as it was."""

import hashlib
import json
import tomllib
import zipfile

import pytest

from recbench.errors import UserError
from recbench.outside.about import Maker, read_maker
from recbench.runs.command import command
from recbench.runs.record_parts import About, Outside
from recbench.runs.store import finish, run_folder, run_folders
from recbench.submission.manifest import about_text
from recbench.submission.reading import opened, read_manifest
from recbench.submission.writing import held_texts, write_bundle

pytestmark = pytest.mark.honesty


@pytest.fixture
def runs(made):
    return [made(model="a"), made(model="a", seed=1), made(model="b", writes=True)]


def test_the_same_runs_are_the_same_bytes(runs, tmp_path):
    write_bundle(runs, tmp_path / "a.zip")
    write_bundle(runs[::-1], tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    write_bundle(runs[:1], tmp_path / "a.zip")  # a bundle takes the place of a bundle
    assert len(read_manifest(tmp_path / "a.zip").runs) == 1


def test_it_holds_the_runs_as_they_are_and_names_every_member(runs, tmp_path):
    written = write_bundle(runs, tmp_path / "a.zip")
    with opened(tmp_path / "a.zip") as (manifest, folder):
        assert manifest == written
        assert len(run_folders(folder / "results")) == 3
        for run in runs:
            place = f"results/{run.folder.relative_to(tmp_path / 'results').as_posix()}"
            assert manifest.runs[place] == f"{command(run.record)} --results anew"
            for path in run.folder.iterdir():
                content = (folder / place / path.name).read_bytes()
                assert content == path.read_bytes()
                assert manifest.files[f"{place}/{path.name}"] == hashlib.sha256(content).hexdigest()
    assert not folder.exists()


def test_any_program_that_unpacks_zip_archives_unpacks_it(runs, tmp_path):
    write_bundle(runs, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        archive.extractall(tmp_path / "theirs")
    assert json.loads((tmp_path / "theirs/manifest.json").read_text())["division"] == "open"
    assert len(run_folders(tmp_path / "theirs/results")) == 3


def test_whose_texts_are_in_it_is_known(runs):
    assert held_texts(runs) == ["b"]


def test_nothing_else_is_written_over(runs, tmp_path):
    out = tmp_path / "thesis.zip"
    out.write_bytes(b"a thesis")
    with pytest.raises(UserError, match="is no bundle of recbench, and is not written over"):
        write_bundle(runs, out)
    assert out.read_bytes() == b"a thesis"
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(UserError, match="is no bundle of recbench, and is not written over"):
        write_bundle(runs, tmp_path / "folder.zip")
    with pytest.raises(UserError, match=r"does not end in \.zip"):
        write_bundle(runs, tmp_path / "a.tar")


def test_what_is_too_large_is_refused(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("recbench.submission.writing.LARGEST", 1000)
    with pytest.raises(UserError, match="submit fewer at once"):
        write_bundle(runs, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [
        ("archive._MOST", 6, r"it has 7 members, and no bundle more than 6; submit fewer at once$"),
        ("archive._LARGEST_TEXT", 100, "bytes, and may have 100; submit fewer at once$"),
        ("archive._LONGEST_NAME", 20, "is no member that a bundle has; submit fewer at once$"),
        ("tables.MOST_VALUES", 10, "values, and may have 10; leave that run out, or .* --draws$"),
        ("tables._MOST_TEXT", 3, "bytes of text, and may have 3; leave that run out"),
    ],
)
def test_what_no_reader_would_take_is_not_written(runs, tmp_path, monkeypatch, limit, value, said):
    out = tmp_path / "a.zip"
    write_bundle(runs[:1], out)
    before = out.read_bytes()
    monkeypatch.setattr("recbench.submission.writing.check_target", lambda _: None)
    monkeypatch.setattr(f"recbench.submission.{limit}", value)
    with pytest.raises(UserError, match=said):
        write_bundle(runs, out)
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.zip"]


@pytest.fixture
def scored(describe, judge, count, tmp_path):
    """Return a run of kind external and the file that it was scored from."""
    file = tmp_path / "theirs.jsonl"
    file.write_text("what they answered")
    judged = judge((1, 0, 0, 1))
    about = About(model='theirs, "v1" é')
    outside = Outside(
        given="scores",
        answers="digest",
        file=hashlib.sha256(file.read_bytes()).hexdigest(),
        format="plain",
        kind="scores",
        about=about,
    )
    fields = describe(judged, model="b", settings={}, audit=None, seed=3).model_dump()
    changes = {"kind": "external", "outside": outside, "trained": None, "model": "external:b"}
    from recbench.runs.record import RunRecord

    record = RunRecord.model_validate(fields | changes)
    return finish(run_folder(tmp_path / "results", record), record, judged, count(judged)), file


def test_answers_from_outside_are_brought_along(scored, tmp_path):
    run, file = scored
    write_bundle([run], tmp_path / "a.zip", answers=[file])
    with opened(tmp_path / "a.zip") as (manifest, folder):
        ((place, line),) = manifest.runs.items()
        assert (folder / place / "answers").read_text() == "what they answered"
        maker = read_maker(folder / place / "about.toml")
        assert maker == Maker(model='theirs, "v1" é', seed=3, random_training=True)
        assert line == (
            f"recbench score {place}/answers --name b --format plain --kind scores "
            f"--about {place}/about.toml --dataset movielens --protocol paper --draws 2 "
            "--pack-seed 0 --results anew"
        )


def test_without_its_answers_it_is_refused(scored, tmp_path):
    run, file = scored
    with pytest.raises(UserError, match=r"external:b, seed 3, .* name it with --answers"):
        write_bundle([run], tmp_path / "a.zip")
    (tmp_path / "other").write_text("something else")
    with pytest.raises(UserError, match=r"other holds the answers of none of these runs"):
        write_bundle([run], tmp_path / "a.zip", answers=[file, tmp_path / "other"])
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize("words", ['"quoted"', "back\\slash", "é x", "'", "#", "{}"])
def test_what_a_maker_says_is_toml(words):
    class Record:
        outside = Outside(given="text", answers="", file="", about=About(model=words))
        seed, random_training = 0, False

    found = tomllib.loads(about_text(Record()))
    assert found == {"model": words, "seed": 0, "random_training": False}
