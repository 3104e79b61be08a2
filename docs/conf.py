"""Sphinx settings: Markdown pages, the API from the docstrings, the record from its fields."""

from pathlib import Path

from recbench import __version__
from recbench.runs.record import documentation

project = "recbench"
author = "the recbench authors"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = f"recbench {__version__}"
autodoc_member_order = "bysource"
napoleon_use_ivar = True  # else a documented attribute is listed twice
autodoc_typehints = "signature"
myst_heading_anchors = 3
exclude_patterns = ["_build", "_record_fields.md"]

# Committed, so that it can be read without a build; a test keeps it equal to the code.
Path(__file__).with_name("_record_fields.md").write_text(documentation(), encoding="utf-8")
