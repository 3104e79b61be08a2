"""Sphinx settings: Markdown pages, and the API from the docstrings."""

from recbench import __version__

project = "recbench"
author = "the recbench authors"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = f"recbench {__version__}"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
myst_heading_anchors = 3
exclude_patterns = ["_build"]
