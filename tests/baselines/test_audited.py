"""Our own models, trained on the toy data, are asked again by a fresh process."""

from pathlib import Path

import pytest
from recbench_baselines.bigrec import BIGRec
from recbench_baselines.caser import Caser
from recbench_baselines.constrained_beam import ConstrainedBeam
from recbench_baselines.ilora import ILoRA
from recbench_baselines.morec import MoRec

from recbench.evaluation.audit import audit
from recbench.evaluation.evaluator import evaluate
from recbench.evaluation.fresh_process import SavedModel
from recbench.file_digests import folder_digest
from recbench.questions.candidates import Pack, draw
from recbench.questions.full_ranking import FullRanking
from recbench.questions.protocols import protocol
from recbench.recommender import Recommender, Runtime, reads_candidates
from recbench.testing.toy import toy_split, toy_training_data
from recbench.testing.toy_lm import toy_llm, toy_text_encoder


@pytest.mark.honesty
@pytest.mark.parametrize("model_class", [Caser, MoRec, ILoRA, BIGRec, ConstrainedBeam])
def test_a_fresh_copy_agrees(model_class: type[Recommender], tmp_path: Path) -> None:
    """Of sampled candidates; and of all, where a list of them is not read in a prompt."""
    values = {"epochs": 1}
    if model_class is MoRec:
        values |= {"text_encoder": str(toy_text_encoder(tmp_path / "encoder"))}
    elif model_class is not Caser:
        values |= {"llm": str(toy_llm(tmp_path / "llm")), "examples": 16, "batch_size": 16}
        values |= {"curve_rows": 0}
    runtime = Runtime(0, "cpu", tmp_path / "checkpoints", tmp_path / "cache")
    for folder in (runtime.checkpoints, runtime.cache, tmp_path / "saved"):
        folder.mkdir()
    split = toy_split(users=60)  # 8 test rows
    data = toy_training_data(split)
    model = model_class(model_class.settings_class.build(values))
    model.fit(data, runtime)
    model.save(tmp_path / "saved")
    weights = folder_digest(tmp_path / "saved")
    saved = SavedModel(model_class, model.settings, tmp_path / "saved", weights, data)
    packs: list[Pack | FullRanking] = [draw(split, protocol("paper"), "test", 2, 0)]
    packs += [] if reads_candidates(model) else [FullRanking.of(split, "test")]
    for pack in packs:
        judgement = evaluate(model, split.test, split.catalogue, pack, runtime)
        found = audit(
            *(saved, judgement, split.test, split.catalogue, pack, runtime),
            *(model.scores_in, "exact"),
        )
        assert (found.rows, model.scores_in) == (8, "float32")
        if isinstance(pack, FullRanking):  # of which ranks are kept
            assert found.better_placed == found.worse_placed == 0
        else:
            assert found.largest_difference is not None
            assert found.largest_difference < 1e-5
