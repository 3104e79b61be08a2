from pathlib import Path

TOOLS = Path(__file__).parents[2] / "tools"


def test_every_tool_is_in_the_index():
    index = (TOOLS / "README.md").read_text(encoding="utf-8")
    lacking = [one.name for one in TOOLS.glob("*.py") if f"`{one.name}`" not in index]
    lacking += [one.name for one in TOOLS.glob("*/") if f"`{one.name}/`" not in index]
    assert [one for one in lacking if one != "__pycache__"] == []
