import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="session")
def load() -> Callable[[str], ModuleType]:
    """Import a file of `tools`, which is no package; its neighbours can be imported from it."""

    def tool(name: str) -> ModuleType:
        path = TOOLS / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"tool_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look there
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(path.parent)
            spec.loader.exec_module(module)
        return module

    return tool
