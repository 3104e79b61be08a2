import pytest
from recbench_baselines.tallrec import TALLRec, TALLRecSettings

from recbench.llm.settings import LLAMA2
from recbench.testing.contract import AnswererContract, TransferableContract
from recbench.testing.toy_lm import toy_llm, toy_tokenizer


@pytest.fixture(scope="module", autouse=True)
def _toy_language_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = toy_llm(tmp_path_factory.mktemp("llm"))
    values = {"llm": str(folder), "examples": 32, "batch_size": 16, "candidates": 8}
    TestTALLRec.settings = values
    chat = toy_llm(tmp_path_factory.mktemp("chat"))
    tokenizer = toy_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<turn>", "<end>"]})
    tokenizer.chat_template = (
        "{% for m in messages %}{{ '<turn>' + m['role'] + '\n' + m['content'] + '<end>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<turn>assistant\n' }}{% endif %}"
    )
    tokenizer.save_pretrained(chat)
    shown = {"prompt_style": "chat", "title_tokens": 10}
    TestTALLRecInAChat.settings = {**values, "llm": str(chat), **shown}


class TestTALLRec(AnswererContract, TransferableContract):
    model_class = TALLRec

    def test_the_settings_of_the_paper(self) -> None:
        settings = TALLRecSettings.build({}, "paper")
        assert settings.llm == LLAMA2
        assert (settings.rank, settings.alpha, settings.dropout) == (8, 16, 0.05)
        assert settings.targets == ("q_proj", "v_proj")
        assert (settings.batch_size, settings.epochs, settings.examples) == (128, 5, None)
        assert (settings.learning_rate, settings.objective) == (1e-4, "text")


class TestTALLRecInAChat(AnswererContract):
    """Asked in turns, with titles that are shortened."""

    model_class = TALLRec
