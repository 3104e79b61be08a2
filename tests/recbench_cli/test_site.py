"""`recbench leaderboard --site`."""

import pytest

from recbench.report import page


@pytest.fixture
def site(call_inside, raw_folder, monkeypatch):
    """Run two models on the made-up data; return a function that writes their site."""
    pytest.importorskip("altair")
    monkeypatch.setattr(page, "_vega", lambda: "")
    given = ("--dataset", "movielens", "--data-dir", str(raw_folder), "--draws", "1", "--no-audit")
    for model in ("popularity", "last-id"):
        assert call_inside("run", "--model", model, *given)[0] == 0
    return lambda *arguments: call_inside("leaderboard", "--site", "site", *arguments)


def test_it_writes_pages_without_titles(site, tmp_path):
    code, out, err = site()
    assert (code, err) == (0, "")
    assert out == "site: runs: 2, tables: 1, 0.1 MiB\n"
    first = {path.name: path.read_text() for path in (tmp_path / "site").iterdir()}
    assert not any("Film" in text for text in first.values())
    assert site()[0] == 0
    assert {path.name: path.read_text() for path in (tmp_path / "site").iterdir()} == first
    assert site("--models", "popularity", "--baseline", "popularity")[0] == 0
    assert not any("last-id" in path.read_text() for path in (tmp_path / "site").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "csv"), "--site writes pages; leave out --format"),
        (("--group-by", "user"), "--site writes pages; leave out --group-by"),
        (("--k", "2"), "--site writes pages; leave out --k"),
        (("--baseline", "nobody"), "no row is of nobody"),
        (("--models", "nobody"), "unknown model 'nobody'"),
    ],
)
def test_what_pages_have_no_place_for_is_refused(site, tmp_path, arguments, message):
    code, out, err = site(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert not (tmp_path / "site").exists()


def test_a_folder_of_somebody_is_left_alone(site, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/thesis.tex").write_text("mine")
    code, _, err = site()
    assert code == 2
    assert err.startswith("error: site is not written over: it has no site.json")
    assert (tmp_path / "site/thesis.tex").read_text() == "mine"


def test_without_runs_nothing_is_written(call_inside, tmp_path):
    pytest.importorskip("altair")
    code, out, err = call_inside("leaderboard", "--site", "site")
    assert (code, out) == (2, "")
    assert err.startswith("error: site is not written: no finished run below results; make one")
    assert not (tmp_path / "site").exists()


def test_a_package_that_is_missing_is_named_before_anything_is_run(site, monkeypatch):
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    code, _, err = site("--run", "--models", "popularity", "--datasets", "movielens")
    assert (code, err) == (2, "error: a report takes packages: pip install 'recbench[report]'\n")
