"""
The page itself: everything in one file, and nothing fetched when it is opened.

Text from data is escaped by the template, and what would steer a reader's eye or terminal is
written out (`recbench.plain_text`); scripts that are not ours do not run, since the page
names the hashes of its own (Content-Security-Policy), which also forbids every connection.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from typing import Any, NamedTuple

from recbench.errors import NotInstalledError
from recbench.plain_text import printable, printable_json
from recbench.report.charts import CONFIG
from recbench.report.contents import Section

PACKAGES = ("altair", "jinja2", "vl_convert")


def check_installed() -> None:
    """Raise NotInstalledError where a package is missing that draws the page."""
    if any(find_spec(name) is None for name in PACKAGES):
        raise NotInstalledError("a report takes packages: pip install 'recbench[report]'")


class Link(NamedTuple):
    """A page of a site, and what it is of."""

    page: str
    title: str
    runs: int


def page(sections: Sequence[Section], home: str = "") -> str:
    """
    Write a report as HTML; the same sections give the same bytes.

    Parameters
    ----------
    sections
        From `recbench.report.contents.contents`.
    home
        The page beside it that leads here; empty where it stands alone.
    """
    scripts = [_vega(), _own("page.js")]
    return _filled(
        "page.html",
        sections=sections,
        home=home,
        runs=sum(section.runs for section in sections),
        scripts=scripts,
        hashes=" ".join(f"'sha256-{_sha256(script)}'" for script in scripts),
        config=_json(CONFIG),
        json=_json,
    )


def index(links: Sequence[Link], report: str) -> str:
    """Write the page that leads to all others, `report` last."""
    return _filled("index.html", links=links, report=report)


def _filled(template: str, **values: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("recbench.report", "."),
        autoescape=True,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(template).render(style=_own("page.css"), **values)


def _shown(value: object) -> object:
    """Return what the template writes of a value; what is marked safe is ours."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return printable(str(value)) if is_text else value


def _json(values: object) -> str:
    """Write JSON that can stand inside a script of a page: nothing in it ends that script."""
    text = printable_json(json.dumps(values, ensure_ascii=False, separators=(",", ":")))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _own(name: str) -> str:
    return (files("recbench.report") / name).read_text(encoding="utf-8")


@cache
def _vega() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script."""
    import vl_convert

    # Without a script of one's own, which its types ask for, it gives `window.vegaEmbed`.
    return str(vl_convert.javascript_bundle())  # type: ignore[call-arg]


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
