"""What should guide iLoRA's gate."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recbench.experiment import Experiment
from recbench.runs.leaderboard import Row
from recbench.runs.store import Run
from recbench.studies.bars import bars, with_differences
from recbench.studies.points import frame, only_table
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

SEQUENCE = "sequence"
"""The paper's, which the others are compared with."""

OTHERS = ("other-user", "random", "tokens", "prompt", "token-routing")


class Guidance(Study):
    """
    iLoRA with its gate guided by the user's sequence, and by what should be worse.

    If the gate adapts to the user, another user's sequence and noise must be worse than the user's
    own; if they are not, what is gained is not gained by knowing the user. ``llara`` has no gate:
    one LoRA. All differences are to ``sequence``, named beforehand, with intervals that hold all
    at once (Bonferroni).
    """

    question = "What should guide the gate: the user's sequence, or is anything as good?"
    place = "iLoRA's paper and rebuttal: random, token, prompt and sequence guidance, one LoRA"
    seeds = 2
    cut = "words and tokens as guidance"
    varies = ("guidance",)

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return iLoRA with every guidance, and LLaRA."""
        others = OTHERS[:2] if asked.quick else OTHERS
        guided = [("ilora", {}), *(("ilora", {"guidance": one}) for one in others)]
        return [
            asked.cell(model, seed, settings)
            for model, settings in [*guided, ("llara", {})]
            for seed in range(asked.seeds)
        ]

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return the figures, and differences to the user's own sequence."""
        usual = [row.label for row in only_table(runs).rows if guidance(row) == SEQUENCE]
        table = only_table(runs, usual[0] if usual else None)
        return frame(with_differences(table.rows, table.baseline))

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw figures and differences."""
        return bars(data)


def guidance(row: Row) -> str | None:
    """Return what guides a row's gate; None where it has none."""
    record = row.record
    return record.settings.get("guidance", SEQUENCE) if record.model == "ilora" else None
