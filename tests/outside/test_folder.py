import json

import pytest
from pyarrow import parquet

from recbench.errors import DataError, UserError
from recbench.outside import folder as writing
from recbench.outside.folder import check_files, write_questions
from recbench.outside.making import sheet_in
from recbench.outside.manifest import MANIFEST, read_manifest


def lines(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def silent(_):
    pass


def test_both_tables_hold_the_same_and_no_target(sheet, tmp_path):
    made = sheet()
    write_questions(made, 0, tmp_path)
    found = lines(tmp_path / "questions.jsonl")
    assert parquet.read_table(tmp_path / "questions.parquet").to_pylist() == found
    names = {"key", "history", "history_titles", "candidates", "candidate_titles"}
    assert {name for row in found for name in row} == names
    assert [row["key"] for row in found] == sorted(made.keys)
    catalogue, test = made.question.split.catalogue, made.question.split.test
    for row in found:
        number = made.examples[row["key"]]
        own = [code for code in test.histories[number].tolist() if code >= 0]
        assert row["history"] == catalogue.raw_ids[own].tolist()
        assert row["history_titles"] == [catalogue.titles[code] for code in own]
        assert row["candidates"] == catalogue.raw_ids[made.shown(number)].tolist()
        assert row["candidate_titles"] == [f"Film {one}" for one in row["candidates"]]
        assert catalogue.raw_ids[test.targets[number]] in row["candidates"]


def test_the_same_questions_are_the_same_bytes(sheet, tmp_path):
    for name in ("one", "other"):
        write_questions(sheet(), 0, tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "other" / file.name).read_bytes()


def test_prompts_list_the_candidates_of_a_row(sheet, tmp_path):
    write_questions(sheet("text"), 0, tmp_path, prompts=True)
    for row in lines(tmp_path / "questions.jsonl"):
        shown = row["prompt"].splitlines()
        assert [line for line in shown if line in row["candidate_titles"]] == row[
            "candidate_titles"
        ]
        assert set(row["history_titles"]) <= set(shown)


def test_prompts_are_refused_where_no_text_is_asked_for(sheet, tmp_path):
    with pytest.raises(UserError, match="leave out --kind scores"):
        write_questions(sheet(), 0, tmp_path / "none", prompts=True)
    assert not (tmp_path / "none").exists()


def test_a_full_ranking_lists_its_items_once(sheet, tmp_path):
    made = sheet(rule="next-item,candidates=all")
    manifest = write_questions(made, 0, tmp_path)
    assert {name for row in lines(tmp_path / "questions.jsonl") for name in row} == {
        "key",
        "history",
        "history_titles",
    }
    ids = made.question.split.catalogue.raw_ids.tolist()
    assert lines(tmp_path / "items.jsonl") == [{"id": i, "title": f"Film {i}"} for i in ids]
    assert parquet.read_table(tmp_path / "items.parquet").num_rows == len(ids)
    assert "items.jsonl" in manifest.answer


def test_the_manifest_says_what_was_asked(sheet, tmp_path):
    made = sheet(draws=3)
    write_questions(made, 0, tmp_path)
    manifest = read_manifest(tmp_path)
    assert manifest.digests == made.question.digests
    assert (manifest.rows, manifest.draws, manifest.candidates) == (len(made.keys), 3, 20)
    assert (manifest.kind, manifest.protocol) == ("scores", "next-item")
    assert set(manifest.files) == {"questions.jsonl", "questions.parquet"}
    assert "text" not in manifest.answer


def test_texts_may_answer_one_draw(sheet, tmp_path):
    assert "what the system wrote" in write_questions(sheet("text"), 0, tmp_path).answer
    assert "what the system wrote" in write_questions(sheet(draws=1), 0, tmp_path).answer


@pytest.mark.parametrize(
    ("kind", "rule"),
    [("scores", "next-item"), ("text", "paper"), ("scores", "next-item,candidates=all")],
)
def test_a_folder_leads_back_to_its_questions(
    sheet, kind, rule, tmp_path, outside_cache, raw_folder
):
    made = sheet(kind, rule)
    write_questions(made, 0, tmp_path)
    said = []
    found, pack_seed = sheet_in(tmp_path, outside_cache, raw_folder, said.append)
    assert (found.keys, found.kind, pack_seed) == (made.keys, kind, 0)
    assert not [line for line in said if "--draws" in line]


def test_questions_half_written_have_no_manifest_of_earlier_ones(sheet, tmp_path, monkeypatch):
    write_questions(sheet(), 0, tmp_path)

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "_write", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_questions(sheet(draws=3), 0, tmp_path)
    assert not (tmp_path / MANIFEST).exists()


def test_questions_may_be_written_again_and_leave_other_files_alone(sheet, tmp_path):
    (tmp_path / "mine.txt").touch()
    for made in (sheet(), sheet(draws=3)):
        write_questions(made, 0, tmp_path)
    assert read_manifest(tmp_path).draws == 3
    assert (tmp_path / "mine.txt").exists()


def test_what_earlier_questions_left_goes_and_is_said(sheet, tmp_path):
    said = []
    write_questions(sheet(rule="next-item,candidates=all"), 0, tmp_path, report=said.append)
    (tmp_path / "mine.txt").write_text("mine")
    write_questions(sheet(), 0, tmp_path, report=said.append)
    wanted = {"mine.txt", MANIFEST, "questions.jsonl", "questions.parquet"}
    assert {file.name for file in tmp_path.iterdir()} == wanted
    (line,) = said
    assert "held other questions, which are replaced: movielens under next-item,cand" in line
    write_questions(sheet(), 0, tmp_path, report=said.append)
    assert len(said) == 1


def test_the_manifest_of_another_program_is_not_replaced(sheet, tmp_path):
    (tmp_path / MANIFEST).write_text('{"name": "my page"}')
    with pytest.raises(UserError, match="would be replaced; name another folder by --out"):
        write_questions(sheet(), 0, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [MANIFEST]


def test_a_file_that_was_changed_is_refused(sheet, tmp_path):
    manifest = write_questions(sheet(), 0, tmp_path)
    file = tmp_path / "questions.jsonl"
    file.write_bytes(file.read_bytes().replace(b"Film", b"Fiml", 1))
    with pytest.raises(DataError, match=r"questions.jsonl was changed.*recbench questions"):
        check_files(tmp_path, manifest)
    file.unlink()
    check_files(tmp_path, manifest)  # the other one is enough


@pytest.mark.parametrize(
    ("field", "value"),
    [("rows", 3), ("keys", "0" * 64), ("pack_seed", 5), ("protocol_version", 9), ("draws", 2)],
)
def test_a_manifest_of_other_questions_is_refused(
    sheet, field, value, tmp_path, outside_cache, raw_folder
):
    write_questions(sheet(), 0, tmp_path)
    changed = json.loads((tmp_path / MANIFEST).read_text()) | {field: value}
    (tmp_path / MANIFEST).write_text(json.dumps(changed))
    with pytest.raises(DataError, match=r"manifest.json: its .* make them anew"):
        sheet_in(tmp_path, outside_cache, raw_folder, silent)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 2}', "\0", "null"])
def test_a_broken_manifest_is_refused(text, tmp_path):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(DataError, match="expected what recbench questions writes"):
        read_manifest(tmp_path)


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(DataError, match="missing; make the questions with"):
            read_manifest(folder)
