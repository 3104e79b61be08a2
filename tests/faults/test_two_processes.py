"""Two who want one cell: one works, the other waits, says so, and finds what came out."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from recbench.experiment import run

from .conftest import Toy


def test_one_works_and_the_other_waits_and_finds_the_run(toy: Toy, tmp_path: Path) -> None:
    works, waits, said = Event(), Event(), list[str]()

    def first(line: str) -> None:
        if line.startswith("training "):
            works.set()
            assert waits.wait(60)

    def second(line: str) -> None:
        said.append(line)
        waits.set()

    wanted = toy("popularity", tmp_path)
    with ThreadPoolExecutor() as another:
        made = another.submit(run, wanted, first)
        assert works.wait(60)
        found = run(wanted, second)
    assert found.reused
    assert not made.result().reused
    assert found.record == made.result().record
    assert len(said) == 1
    assert said[0].startswith("waiting for process ")
    assert said[0].endswith(f"which is writing {found.folder}")
