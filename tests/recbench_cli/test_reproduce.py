import json


def test_nothing_is_run_and_every_part_is_there(call_here, tmp_path):
    code, out, err = call_here("reproduce", "ilora")
    nothing = f"no finished run below {tmp_path / 'results'}: nothing of the paper is on record"
    assert (code, err) == (0, f"{nothing} there\n")
    assert "Number of experts" in out
    assert f"--results {tmp_path / 'results'}" in out
    assert not (tmp_path / "results").exists()


def test_as_json_it_is_one_object(call_here):
    code, out, _ = call_here("reproduce", "ilora", "--format", "json", "--quick")
    assert code == 0
    assert {part["study"] for part in json.loads(out)["parts"]} > {None, "experts", "guidance"}


def test_a_mistake_is_one_line(call_here):
    for words, says in (
        (("ilra",), "unknown paper 'ilra'; did you mean 'ilora'?"),
        (("ilora", "--llm", " "), "--llm names nothing"),
        ((), "PAPER"),
    ):
        code, out, err = call_here("reproduce", *words)
        assert (code, out) == (2, "")
        assert says in err


def test_a_language_model_without_a_record_is_said(call_here):
    code, out, err = call_here("reproduce", "ilora", "--llm", "tinny")
    assert code == 0
    assert "no record is of the language model 'tinny'" in err
    assert "--llm tinny" in out
