import numpy as np
import pytest
from recbench_baselines.bigrec import BIGRec, BIGRecSettings
from recbench_baselines.tallrec import TALLRec, TALLRecSettings

from recbench.errors import UserError
from recbench.llm.settings import LLAMA2
from recbench.recommender import reads_candidates, reads_words, writes
from recbench.testing.contract import RecommenderContract, TransferableContract
from recbench.testing.toy_lm import toy_llm


@pytest.fixture(scope="module", autouse=True)
def _toy_language_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = toy_llm(tmp_path_factory.mktemp("llm"))
    values = {"llm": str(folder), "examples": 32, "batch_size": 16, "curve_rows": 0}
    TestBIGRec.settings = values


class TestBIGRec(RecommenderContract, TransferableContract):
    model_class = BIGRec

    def test_it_is_asked_without_a_list(self, fitted: BIGRec) -> None:
        assert not writes(fitted)
        assert not reads_candidates(fitted)
        assert reads_words(fitted)  # its prompts name what a user did with what

    def test_no_prompt_lists_candidates(self, fitted: BIGRec) -> None:
        history = np.array([3, 4], dtype=np.int32)
        shown = fitted.writer.text(history, np.array([7, 8], dtype=np.int32), hybrid=False)
        titles = fitted.writer.titles
        assert shown == (
            f"This user read these books, oldest first:\n{titles[3]}\n{titles[4]}\n"
            "The next book is:\n"
        )
        cold = fitted.writer.text(history[:0], history[:0], hybrid=False)
        assert cold == "Nothing is known about this user yet.\nThe next book is:\n"

    def test_its_prompts_name_it(self, fitted: BIGRec) -> None:
        listed = TALLRec(TALLRecSettings.build({"llm": fitted.settings.llm}))
        assert fitted.ingredients()["prompts"] != listed.ingredients()["prompts"]


def test_the_settings_of_the_paper() -> None:
    settings = BIGRecSettings.build({}, "paper")
    assert settings.llm == LLAMA2
    assert (settings.rank, settings.alpha, settings.dropout) == (8, 16, 0.05)
    assert settings.targets == ("q_proj", "v_proj")
    assert (settings.batch_size, settings.epochs, settings.examples) == (128, 50, 1024)
    assert (settings.learning_rate, settings.objective) == (1e-4, "text")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("candidates", "20", "no prompt of this model lists any; leave it out, not '20'"),
        ("objective", "listwise", "Input should be 'title' or 'text', not 'listwise'"),
    ],
)
def test_what_takes_a_list_is_refused(name: str, value: str, said: str) -> None:
    with pytest.raises(UserError, match=f"^setting '{name}': {said}$"):
        BIGRecSettings.build({name: value})
    assert BIGRecSettings.build({"candidates": "0"}) == BIGRecSettings()


def test_what_was_written_is_a_title_where_its_distance_is_nought() -> None:
    scores = np.array([[-1, 0], [-2, -1], [-0.5, -3], [0, 0]], dtype=np.float32)
    model = BIGRec(BIGRecSettings.build({}))
    assert model._figures(scores) == {"WrittenTitleRatio": 0.5}
