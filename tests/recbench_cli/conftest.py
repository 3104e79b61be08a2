import pytest

from recbench_cli import main as cli


def calling(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            cli.main(list(arguments))
        shown = capsys.readouterr()
        return left.value.code or 0, shown.out, shown.err

    return run


@pytest.fixture
def call(capsys):
    """Run the command line in this process; return exit code, standard output, standard error."""
    return calling(capsys)


@pytest.fixture
def call_here(call, tmp_path):
    """Run the command line on folders of this test; return as `call` does."""
    places = ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
    return lambda *arguments: call(*arguments, *places)


@pytest.fixture
def call_inside(capsys, tmp_path, monkeypatch):
    """Run the command line in the empty folder of this test; return as `call` does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECBENCH_CACHE", str(tmp_path / "cache"))
    return calling(capsys)
