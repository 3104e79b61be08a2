"""The tables of what readers accept are what the readers do."""


def test_the_tables_in_the_docs_are_what_the_readers_accept(load):
    """If not: python tools/readers.py."""
    tool = load("readers")
    page = tool.PAGE.read_text(encoding="utf-8")
    assert tool.BLOCK.search(page)[0] == tool.tables()
