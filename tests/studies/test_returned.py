import pandas as pd
import pytest
from matplotlib.figure import Figure

from recbench.errors import PluginError
from recbench.request import Experiment
from recbench.studies.points import COMMON
from recbench.studies.returned import check_cells, check_data, check_figure, check_text

WHOLE = pd.DataFrame(columns=["kind", *COMMON])


def test_what_a_study_should_return_is_handed_on():
    cells, figure = [Experiment(model="popularity")], Figure()
    assert check_cells(cells) is cells
    assert check_data(WHOLE) is WHOLE
    assert check_figure(figure) is figure


@pytest.mark.parametrize(
    "wrong", [None, "ab", ["popularity"], iter([])], ids=["none", "text", "names", "once"]
)
def test_cells_are_experiments(wrong):
    with pytest.raises(PluginError, match=r"its cells\(\) must return a list of Experiments"):
        check_cells(wrong)


@pytest.mark.parametrize("wrong", [None, [{"kind": "value"}]], ids=str)
def test_data_are_a_frame(wrong):
    with pytest.raises(PluginError, match=r"its data\(\) must return a DataFrame"):
        check_data(wrong)


@pytest.mark.parametrize("name", ["kind", *COMMON])
def test_data_have_the_columns_of_every_study(name):
    with pytest.raises(PluginError, match=rf"its data\(\) lacks the column {name}; make it with"):
        check_data(WHOLE.drop(columns=name))


def test_a_figure_is_one():
    with pytest.raises(PluginError, match=r"its figure\(\) must return a matplotlib Figure"):
        check_figure(None)


@pytest.mark.parametrize("wrong", [None, 3, ["a"]], ids=str)
def test_what_is_printed_is_a_text(wrong):
    with pytest.raises(PluginError, match=r"its printed\(\) must be a text, not"):
        check_text(wrong, "printed()")
    assert check_text("a", "printed()") == "a"
