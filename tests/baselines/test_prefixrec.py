import numpy as np
import pytest
from recbench_baselines.prefixrec import PrefixRec, PrefixRecSettings

from recbench.errors import UserError
from recbench.testing.contract import AnswererContract, TransferableContract, toy_queries
from recbench.testing.toy import toy_split
from recbench.testing.toy_lm import toy_llm


@pytest.fixture(scope="module", autouse=True)
def _toy_language_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = toy_llm(tmp_path_factory.mktemp("llm"))
    values = {"llm": str(folder), "examples": 32, "batch_size": 16, "prefix_tokens": 4}
    TestPrefixRec.settings = {**values, "curve_rows": 0}


class TestPrefixRec(AnswererContract, TransferableContract):
    model_class = PrefixRec

    def test_nothing_but_the_prefix_is_trained(self, fitted: PrefixRec) -> None:
        trained = {n: p.numel() for n, p in fitted.module.named_parameters() if p.requires_grad}
        # Keys and values of four tokens in two layers of width 32.
        assert list(trained.values()) == [4 * 2 * 2 * 32]

    def test_the_prefix_is_read(self, fitted: PrefixRec, workplace) -> None:
        queries, runtime = toy_queries(toy_split()), self.runtime(workplace, "fitted")
        before = fitted.score(queries, runtime)
        (prefix,) = (p for p in fitted.module.parameters() if p.requires_grad)
        kept = prefix.data.clone()
        prefix.data.mul_(-3)
        after = fitted.score(queries, runtime)
        prefix.data.copy_(kept)
        assert np.abs(after - before).max() > 0.1


def test_a_prefix_cannot_be_checkpointed() -> None:
    with pytest.raises(UserError, match="gradient_checkpointing"):
        PrefixRecSettings.build({"gradient_checkpointing": "true"})
