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
