import pytest

from recbench.llm.prompts.wording import LISTED, TEMPLATES, Wording, prompt_files


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_asks_with_every_title_and_no_number(name):
    wording = Wording("read", "book", "books", name)
    asked = wording.question(["Red River", "Blue {Tower}"], ["White Garden", "Black Forest"])
    for title in ("Red River", "Blue {Tower}", "White Garden", "Black Forest"):
        assert f"{title}\n" in asked
    assert "book" in asked
    assert not any(sign.isdigit() for sign in asked)
    assert asked.endswith(wording.last_line)
    cold = wording.question([], ["White Garden"])
    assert cold.endswith(wording.last_line)
    assert "White Garden\n" in cold


def test_all_templates_are_others_and_the_words_of_runs_are_none_of_them():
    asked = {Wording("read", "book", "books", one).question(["a"], ["b"]) for one in TEMPLATES}
    own = Wording("read", "book", "books", LISTED).question(["a"], ["b"])
    assert len(asked | {own}) == 4
    # Every record of a language model holds this: a template is no part of it.
    assert prompt_files(LISTED).startswith("353f2c6a59e1")
