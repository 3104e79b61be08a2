"""Whether experts should have equal ranks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recbench.experiment import Experiment
from recbench.runs.store import Run
from recbench.studies.bars import bars, with_differences
from recbench.studies.points import frame, only_table
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

UNEQUAL = ("1,1,2,4", "4,2,1,1", "5,1,1,1")
"""Ranks of four experts that have rank 8 together, as 2, 2, 2, 2 has."""


class ExpertRanks(Study):
    """iLoRA with four experts of one rank, and of several, by hand."""

    question = "Should all experts have the same rank?"
    place = "iLoRA's rebuttal: experts of unequal rank"
    cut = "the unequal ranks but 4,2,1,1"

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return iLoRA as it is, and with every list of ranks."""
        unequal = UNEQUAL[1:2] if asked.quick else UNEQUAL
        return [
            asked.cell("ilora", seed, settings)
            for settings in ({}, *({"rank": 8, "expert_ranks": ranks} for ranks in unequal))
            for seed in range(asked.seeds)
        ]

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return the figures, and differences to equal ranks."""
        equal = [row for row in only_table(runs).rows if not row.record.settings["expert_ranks"]]
        table = only_table(runs, equal[0].label if equal else None)
        return frame(with_differences(table.rows, table.baseline))

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw figures and differences."""
        return bars(data)
