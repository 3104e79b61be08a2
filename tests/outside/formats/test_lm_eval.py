"""Samples as lm-evaluation-harness logs them (``EvaluationTracker.save_results_samples``)."""

import pytest

from recbench.errors import DataError
from recbench.outside.answers import read_answers
from recbench.outside.formats import lm_eval


def samples(sheet):
    titles = sheet.question.split.catalogue.titles
    return [
        {
            "doc_id": place,
            "doc": {"key": sheet.keys[number], "prompt": "..."},
            "target": "",
            "arguments": {"gen_args_0": {"arg_0": "...", "arg_1": {"until": ["\n"]}}},
            "resps": [[f" {titles[sheet.shown(number)[0]]}\n"]],
            "filtered_resps": [titles[sheet.shown(number)[0]]],
            "filter": "none",
            "metrics": ["exact_match"],
            "doc_hash": "0" * 64,
            "prompt_hash": "0" * 64,
            "target_hash": "0" * 64,
            "exact_match": 0.0,
        }
        for place, number in enumerate(sheet.order)
    ]


def read(file, sheet):
    return read_answers(file, lm_eval.read(file, sheet), sheet)


def test_the_filtered_response_answers_the_question_of_its_doc(sheet, write):
    made = sheet("text")
    titles = made.question.split.catalogue.titles
    found = read(write(samples(made)), made)
    assert found.texts == [titles[made.shown(number)[0]] for number in range(len(made.keys))]


BROKEN = {
    "no doc": ({"doc": None}, "expected a sample whose doc has a key"),
    "no key": ({"doc": {"id": 1}}, "expected a sample whose doc has a key"),
    "foreign": ({"doc": {"key": "a"}}, "line 2: expected the key of a question"),
    "likelihoods": ({"filtered_resps": [["-1.5", "False"]]}, "task of generate_until"),
    "several": ({"filtered_resps": ["a", "b"]}, "task of generate_until that is asked once"),
    "none": ({"filtered_resps": []}, "expected one text as filtered_resps"),
    "another filter": ({"filter": "strict"}, "line 2: expected samples of one filter"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_such_sample_is_refused(sheet, write, name):
    changes, message = BROKEN[name]
    made = sheet("text")
    rows = samples(made)
    rows[1] |= changes
    with pytest.raises(DataError, match=rf"line 2.*{message.removeprefix('line 2: ')}"):
        read(write(rows), made)
