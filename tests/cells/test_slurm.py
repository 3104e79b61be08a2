"""The recipe of docs/cluster.md: it makes the job script that stands below it."""

import ast
import re
import sys
from pathlib import Path

import pytest

jobqueue = pytest.importorskip("dask_jobqueue", reason="it needs: pip install dask-jobqueue")

PAGE = (Path(__file__).parents[2] / "docs/cluster.md").read_text(encoding="utf-8")


def block(language):
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


def settings():
    """Read what the recipe gives to SLURMCluster, without running it."""
    (call,) = (
        node
        for node in ast.walk(ast.parse(block("python")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "SLURMCluster"
    )
    return {one.arg: ast.literal_eval(one.value) for one in call.keywords}


@pytest.mark.filterwarnings("ignore")  # a port that is taken, and Dask's own
def test_the_recipe_makes_the_script():
    given = settings() | {"scheduler_options": {"dashboard_address": None}}
    with jobqueue.SLURMCluster(**given) as cluster:
        script, address = cluster.job_script(), cluster.scheduler_address
    shown = script.replace(sys.executable, "python").replace(address, "ADDRESS")
    assert shown.rstrip() == block("text").rstrip()
    assert settings()["cores"] == settings()["processes"] == 1
