"""`recbench report` at the command line; what the page does is tested in a browser."""

import pytest

from recbench.report import page


@pytest.fixture
def reported(call_here, raw_folder, tmp_path, monkeypatch):
    """Return a function that writes a page of two runs, without the charts' scripts."""
    pytest.importorskip("altair")
    monkeypatch.setattr(page, "_vega", lambda: "")
    for model in ("popularity", "last-id"):
        asked = ("--model", model, "--dataset", "movielens", "--data-dir", str(raw_folder))
        assert call_here("run", *asked, "--draws", "1", "--no-audit")[0] == 0

    def report(*arguments):
        written = tmp_path / "out" / "r.html"
        code, out, err = call_here("report", "--out", str(written), *arguments)
        return code, out, err, written.read_text() if written.exists() else None

    return report


def test_a_page_holds_the_runs_that_are_asked_for(reported, tmp_path):
    code, out, err, text = reported("--no-titles")
    assert (code, err) == (0, "")
    assert "r.html: runs: 2, tables: 1, " in out
    assert ">last-id</th>" in text
    again = reported("--no-titles", "--results", str(tmp_path / "results"))  # named twice
    assert again[1:] == (out, "", text)
    code, out, err, text = reported("--no-titles", "--models", "popularity", "--examples", "0")
    assert "runs: 1, " in out
    assert ">last-id</th>" not in text
    assert "Single examples" not in text


def test_titles_are_of_the_data_of_the_runs_or_left_out(reported, raw_folder):
    code, _, err, text = reported()
    assert code == 0
    *_, line = err.splitlines()
    assert line.startswith("examples of movielens are shown without titles: ")
    assert "--data-dir" in line
    assert "Film" not in text
    assert "Film 1" in reported("--data-dir", str(raw_folder))[-1]
    assert "Film" not in reported("--data-dir", str(raw_folder), "--no-titles")[-1]


def test_a_broken_run_is_named_and_the_others_are_shown(reported, tmp_path):
    (record,) = tmp_path.glob("results/*/*/last-id/*/record.json")
    record.write_text("{")
    code, _, err, text = reported("--no-titles")
    assert code == 1
    assert err.startswith("a run is missing: ")
    assert ">popularity</th>" in text
    assert ">last-id</th>" not in text


def test_there_must_be_something_to_report(call_here, tmp_path):
    code, out, err = call_here("report", "--out", str(tmp_path / "r.html"))
    assert (code, out) == (2, "")
    assert err.startswith("error: there is nothing to report: no finished run below ")
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("name", ["record.json", "report"])
def test_it_writes_pages_alone(call_here, tmp_path, name):
    out = tmp_path / name
    code, _, err = call_here("report", "--out", str(out))
    assert code == 2
    assert err == f"error: --out names a page to write, and {out} does not end in .html\n"


def test_a_package_that_is_missing_is_named(call_here, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    code, _, err = call_here("report", "--out", str(tmp_path / "r.html"))
    assert (code, err) == (2, "error: a report takes packages: pip install 'recbench[report]'\n")
