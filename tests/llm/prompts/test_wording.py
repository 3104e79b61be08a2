import subprocess
import sys

from recbench.llm.prompts.wording import UNLISTED, Wording, prompt_files

ASKED = """This user rated {up} these films, oldest first:
A
{B}
Choose the next film from this list:
C
D
The next film is:"""


def test_titles_stand_a_line_each_and_braces_are_text():
    wording = Wording("rated {up}", "film", "films")
    assert wording.question(["A", "{B}"], ["C", "D"]) == ASKED
    assert wording.last_line == "The next film is:"


def test_of_a_user_without_a_history_nothing_is_said():
    asked = Wording("saw", "film", "films").question([], ["C"])
    assert asked.startswith("Nothing is known about this user yet.\n")
    assert asked.endswith("\nC\nThe next film is:")


def test_it_takes_no_torch():
    code = (
        "import sys, recbench.llm.prompts.wording as w; w.prompt_files();"
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_without_candidates_none_is_shown() -> None:
    words = Wording("watched", "movie", "movies", UNLISTED)
    asked = "This user watched these movies, oldest first:\nA\nB\nThe next movie is:"
    assert words.question(["A", "B"], ["C", "D"]) == asked
    cold = "Nothing is known about this user yet.\nThe next movie is:"
    assert words.question([], ["C"]) == cold
    assert prompt_files(UNLISTED) != prompt_files()
