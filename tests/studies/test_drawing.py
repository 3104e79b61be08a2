"""Figures show names as they are written."""

from recbench.studies.drawing import save, sheet, styled


def test_a_dollar_in_a_name_is_a_dollar(tmp_path):
    """As mathematics, which matplotlib would take it for, this one cannot be drawn."""
    with styled():
        figure, (axes,) = sheet()
        axes.set_title(r"llm=$\frac{$x^, 50% <b>&amp;</b> \input{a}")
        save(figure, tmp_path)
    assert (tmp_path / "figure.svg").stat().st_size
