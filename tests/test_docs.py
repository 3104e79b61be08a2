"""What is committed of the documentation although the code says it must be what the code says."""

from pathlib import Path

from recbench.runs.record import documentation

DOCS = Path(__file__).parents[1] / "docs"


def test_the_fields_of_the_record_are_those_of_the_code():
    """If not: build the documentation, or write `documentation()` there."""
    assert (DOCS / "_record_fields.md").read_text(encoding="utf-8") == documentation()


def test_the_page_on_records_leads_to_them():
    assert "_record_fields.md" in (DOCS / "records.md").read_text(encoding="utf-8")
