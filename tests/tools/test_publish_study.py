import json
import subprocess
import sys

import pandas as pd
import pytest

from recbench import experiment
from recbench.request import Experiment
from recbench.runs import store
from recbench.studies.gradient_similarity import GradientSimilarity
from recbench.studies.points import frame


@pytest.fixture(scope="module")
def tool(load):
    return load("publish_study")


def written(folder, runs=()):
    """Write what a study of two users' gradients leaves."""
    known = {"system": "a", "figure": "cosine of two gradients", "seeds": "1", "users": 2}
    ends = {"which": "most alike", "history": "A Title; B", "and": "C"}
    data = frame([{"kind": "users", **ends, **known, "value": 0.5, "examples": 2}])
    folder.mkdir(parents=True)
    data.to_parquet(folder / "data.parquet", index=False)
    table = GradientSimilarity().table(data)
    (folder / "table.md").write_text(f"# Question\n\n{table}\n\nWhat must be known.\n")
    about = {"study": "gradient-similarity", "runs": list(runs)}
    (folder / "study.json").write_text(json.dumps(about, indent=2) + "\n")
    (folder / "figure.svg").write_text("<svg/>")
    return folder


def test_a_published_study_names_no_title(tool, tmp_path):
    source = written(tmp_path / "build" / "movielens-tiny")
    script = [sys.executable, "-P", tool.__file__, source, tmp_path / "results"]
    done = subprocess.run(script, stdout=subprocess.PIPE, text=True, check=True)
    copy = tmp_path / "results/studies/gradient-similarity/movielens-tiny"
    assert done.stdout == f"{copy}\n"
    assert {one.name for one in copy.iterdir()} == {one.name for one in source.iterdir()}
    bare = pd.read_parquet(copy / "data.parquet")
    whole = pd.read_parquet(source / "data.parquet")
    pd.testing.assert_frame_equal(bare, whole.drop(columns=["history", "and"]))
    text = (copy / "table.md").read_text()
    assert "A Title" not in text
    assert text.endswith("What must be known.\n")
    assert GradientSimilarity().table(bare) in text
    assert (copy / "study.json").read_bytes() == (source / "study.json").read_bytes()


def test_a_run_that_was_published_is_named_as_its_copy(tool, raw_folder, tmp_path):
    build, target = tmp_path / "build", tmp_path / "results"
    places = {"data_dir": raw_folder, "results": build, "cache": tmp_path / "cache"}
    own, other = (
        experiment.run(Experiment(model=name, draws=1, **places), lambda _: None)
        for name in ("popularity", "last-id")
    )
    copy = store.read_record(store.publish(own, target))
    named = [
        {"run": str(run.folder.relative_to(build)), "record_sha256": run.record.record_sha256}
        for run in (own, other)
    ]
    tool.main(written(build / "studies/gradient-similarity/movielens-tiny", named), target)
    about = target / "studies/gradient-similarity/movielens-tiny/study.json"
    digests = [one["record_sha256"] for one in json.loads(about.read_text())["runs"]]
    assert digests == [copy.record_sha256, other.record.record_sha256]


def test_a_table_that_is_not_that_of_its_data_is_not_copied(tool, tmp_path):
    source = written(tmp_path / "build" / "movielens-tiny")
    (source / "table.md").write_text("A Title\n")
    with pytest.raises(SystemExit) as left:
        tool.main(source, tmp_path / "results")
    assert left.value.code.startswith("error: ")
    assert "\n" not in left.value.code
    assert not (tmp_path / "results").exists()
