"""The command that makes a run again is of the very same row."""

from pathlib import Path

import pytest

from recbench.by_hand.again import command, experiment_of, settings_of
from recbench.experiment import build, recommender_class
from recbench.runs.store import read_record, run_folders

RESULTS = Path(__file__).parents[2] / "results"
RECORDS = [read_record(folder) for folder in run_folders(RESULTS)]


def test_there_are_records():
    assert {record.model for record in RECORDS} >= {"ilora", "llara", "sasrec", "popularity"}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record.model}-{record.run_id}")
def test_a_published_run_is_asked_for_again_as_it_was(record):
    again = experiment_of(record, Path("build"))
    model = build(again)
    assert model.settings.identity() == record.settings
    lasting = model.settings.record()
    assert {name: lasting[name] for name in settings_of(record)} == settings_of(record)
    asked = again.model, again.dataset, again.protocol, again.seed, again.draws, again.pack_seed
    known = record.model, record.dataset, record.protocol, record.seed, record.draws
    assert asked == (*known, record.pack_seed)


def test_what_is_usual_is_left_unsaid():
    record = next(one for one in RECORDS if one.model == "ilora" and one.settings["llm"] != "tiny")
    said = command(record, Path("build/results"))
    assert said == (
        "recbench run --set llm=smollm2 --set examples=2000 --set batch_size=16 "
        "--set learning_rate=0.001 --model ilora --dataset movielens --protocol paper --draws 20 "
        "--results build/results"
    )


def test_a_preset_and_what_is_set_on_top_of_it():
    record = next(one for one in RECORDS if one.model == "ilora")
    settings_class = recommender_class("ilora").settings_class
    own = settings_class.build({"expert_ranks": "5,3", "curriculum": "false"}, "paper")
    changed = {
        "preset": "paper",
        "settings": own.identity(),
        "trained": record.trained.model_copy(update={"runtime_settings": {}}),
    }
    again = experiment_of(record.model_copy(update=changed), Path("build"))
    assert again.preset == "paper"
    assert set(again.settings) == {"expert_ranks", "experts", "curriculum"}
    assert build(again).settings == own
