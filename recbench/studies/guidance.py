"""What should guide iLoRA's gate."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recbench.request import Experiment
from recbench.runs.leaderboard import Row
from recbench.runs.store import Run
from recbench.studies.bars import bars, with_differences
from recbench.studies.points import frame, only_table, settings_of
from recbench.studies.required import check_settings, has_setting
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

SEQUENCE = "sequence"
"""The paper's, which the others are compared with."""

OTHERS = ("other-user", "random", "tokens", "prompt", "token-routing")


class Guidance(Study):
    """
    A gated model guided by the user's sequence, and by what should be worse; iLoRA, as a rule.

    If the gate adapts to the user, another user's sequence and noise must be worse than the user's
    own; if they are not, what is gained is not gained by knowing the user. ``llara`` has no gate:
    one LoRA, as every model without the setting. All differences are to ``sequence`` of the first
    model, named beforehand, with intervals that hold all at once (Bonferroni).
    """

    question = "What should guide the gate: the user's sequence, or is anything as good?"
    place = "iLoRA's paper and rebuttal: random, token, prompt and sequence guidance, one LoRA"
    models = ("ilora", "llara")
    seeds = 3
    cut = "words and tokens as guidance"
    varies = ("guidance",)

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return every model with every guidance, and as it is where it has none."""
        check_settings(asked.models[0], self.varies)
        others = OTHERS[:2] if asked.quick else OTHERS
        guided = [{"guidance": one} for one in (SEQUENCE, *others)]
        return [
            asked.cell(model, seed, settings)
            for model in asked.models
            for settings in (guided if has_setting(model, "guidance") else ({},))
            for seed in range(asked.seeds)
        ]

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return the figures, and differences to the user's own sequence."""
        usual = [row.label for row in only_table(runs).rows if _is_usual(row, asked.models[0])]
        table = only_table(runs, usual[0] if usual else None)
        return frame(with_differences(table.rows, table.baseline))

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw figures and differences."""
        return bars(data)


def _is_usual(row: Row, model: str) -> bool:
    """Tell whether a row is the model's, guided as in the paper."""
    return row.record.model == model and bool(settings_of(row)["guidance"] == SEQUENCE)
