import pytest

from recbench_cli import main as cli


@pytest.fixture
def call(capsys):
    """Run the command line in this process; return exit code, standard output, standard error."""

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            cli.main(list(arguments))
        shown = capsys.readouterr()
        return left.value.code or 0, shown.out, shown.err

    return run


@pytest.fixture
def call_here(call, tmp_path):
    """Run the command line on folders of this test; return as `call` does."""
    places = ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
    return lambda *arguments: call(*arguments, *places)
