"""A report in a real browser: it sorts, filters, draws and opens, and complains of nothing."""

import csv
import shutil

import pytest

from recbench_cli import main as cli

api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("vl_convert")
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("no chromium here: apt-get install chromium", allow_module_level=True)

HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=alert(1)>"
RUNS = ("--dataset", "shop", "--draws", "2", "--no-audit")


def recbench(*arguments):
    with pytest.raises(SystemExit) as left:
        cli.main([*map(str, arguments)])
    assert not left.value.code, arguments


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the runs of two models on data with hostile titles, and a report."""
    place = tmp_path_factory.mktemp("report")
    events = [f"u{u},i{(u + k) % 30},{k}" for k in range(8) for u in range(30)]
    (place / "events.csv").write_text("user,item,time\n" + "\n".join(events) + "\n")
    titles = [f'i{number},"{HOSTILE} {number}"' for number in range(30)]
    (place / "items.csv").write_text("item,title\n" + "\n".join(titles) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECBENCH_CACHE", str(place / "cache"))
        patch.chdir(place)
        recbench("data", "add", "shop", "--interactions", "events.csv", "--items", "items.csv")
        for model, seeds in (("popularity", 1), ("random", 2)):
            for seed in range(seeds):
                recbench("run", "--model", model, "--seed", seed, *RUNS)
        recbench("report", "--out", "report.html")
        recbench("report", "--out", "again.html")
    return place


@pytest.fixture(scope="module")
def browser():
    with api.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser, folder):
    """Return the report, opened without any network; at the end nothing was complained of."""
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 800})
    opened, said = context.new_page(), []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.route(lambda url: not url.startswith("file:"), lambda one: said.append(one.request.url))
    opened.goto((folder / "report.html").as_uri())
    yield opened
    assert said == []
    context.close()


def column(page, table, header):
    """Return the texts of a column of a table, as they stand."""
    heads = page.locator(f"{table} thead th").all_inner_texts()
    (place,) = [number for number, text in enumerate(heads) if text.strip() == header]
    rows = page.locator(f"{table} tbody tr:visible").all()
    return [row.locator("th, td").nth(place).inner_text() for row in rows]


def press(page, table, header):
    """Sort by a column, with the keyboard."""
    button = page.locator(f"{table} thead button").get_by_text(header, exact=True)
    button.focus()
    page.keyboard.press("Enter")


def test_two_reports_are_the_same_bytes(folder):
    assert (folder / "report.html").read_bytes() == (folder / "again.html").read_bytes()


def test_the_leaderboard_is_what_the_command_prints(page, folder, capsys, monkeypatch):
    monkeypatch.setenv("RECBENCH_CACHE", str(folder / "cache"))
    recbench("leaderboard", "--results", folder / "results", "--format", "csv")
    lines = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    shown = column(page, "#grid-1-1-1", "HitRatio@1")
    ends = [[float(one[f"HitRatio@1{end}"]) for end in ("", " low", " high")] for one in lines]
    assert shown == [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in ends]
    assert column(page, "#grid-1-1-1", "model") == [one["model"] for one in lines]


def test_tables_sort_and_filter(page):
    table = "#grid-1-1-1"
    best, second = column(page, table, "model")
    press(page, table, "HitRatio@1")
    assert column(page, table, "model") == [second, best]
    assert page.locator(f"{table} th[aria-sort=ascending]").inner_text().startswith("HitRatio@1")
    press(page, table, "HitRatio@1")
    assert column(page, table, "model") == [best, second]
    press(page, table, "seed SD")  # of which popularity has none: last, however it is turned
    assert column(page, table, "seed SD")[-1] == "-"
    press(page, table, "seed SD")
    assert column(page, table, "seed SD")[-1] == "-"
    page.get_by_label("Filter").first.fill("POPUL any")
    assert column(page, table, "model") == ["popularity"]
    assert page.locator("output").first.inner_text() == "1 of 2 rows"


def test_every_chart_is_drawn_when_it_is_looked_at(page):
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    charts = page.locator(".chart").all()
    assert charts
    for chart in charts:
        chart.scroll_into_view_if_needed()
        drawn = chart.locator("svg.marks")
        drawn.wait_for()
        assert drawn.bounding_box()["width"] <= 390
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0


def test_an_example_is_opened_and_its_titles_are_text(page):
    page.locator(".examples summary").click()
    page.get_by_role("button", name="Show example 0", exact=True).click()
    table = ".chosen table"
    assert page.evaluate("document.activeElement.textContent").startswith("Example 0, user")
    candidates = column(page, table, "candidate")
    assert len(set(candidates)) == len(candidates) == 20
    assert all(one.startswith(HOSTILE) for one in candidates)
    target = page.locator(f"{table} tr.target")
    assert target.locator("td").first.inner_text() in page.locator(".chosen").inner_text()
    listed = column(page, "#grid-1-examples-1", "popularity: rank")[0]
    (place,) = [n for n, one in enumerate(column(page, table, "place")) if "target" in one]
    assert column(page, table, "popularity")[place] == listed
    assert page.title() == "recbench report"


def test_it_is_light_or_dark_as_the_browser_asks(browser, folder):
    seen = []
    for scheme in ("light", "dark"):
        context = browser.new_context(offline=True, color_scheme=scheme)
        page = context.new_page()
        page.goto((folder / "report.html").as_uri())
        text = page.locator(".chart svg text").first
        colours = "(one) => [getComputedStyle(one).fill, getComputedStyle(document.body).color]"
        seen.append(text.evaluate(colours))
        context.close()
    (light, ink), (dark, paper) = seen
    assert (light, dark) == (ink, paper)
    assert light != dark
