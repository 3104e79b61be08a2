"""Figures show names as they are written."""

from recbench.studies.drawing import named_places, save, sheet, styled

ODD = r"llm=$\frac{$x^, 50% <b>&amp;</b> \input{a}"
"""As mathematics, which matplotlib would take it for, it cannot be drawn."""


def test_a_dollar_in_a_name_is_a_dollar(tmp_path):
    with styled():
        figure, (axes,) = sheet()
        axes.set_title(ODD)
        axes.plot([0, 1], [1, 1000], label=ODD)
        axes.legend()
        named_places(axes, [ODD, "b"])
        axes.set_yscale("log")
        save(figure, tmp_path)
        power, *_ = axes.yaxis.get_ticklabels()
    assert (tmp_path / "figure.svg").stat().st_size
    assert power.get_parse_math()
