"""Whether experts should have equal ranks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recbench.data.prepare import at_hand, prepare
from recbench.errors import UserError
from recbench.questions.make_split import asked_split
from recbench.questions.user_clusters import user_clusters
from recbench.request import Experiment
from recbench.runs.leaderboard import Row
from recbench.runs.places import cache_folder
from recbench.runs.store import Run
from recbench.stages import asked_protocol
from recbench.studies.bars import bars, with_differences
from recbench.studies.points import frame, only_table, settings_of
from recbench.studies.required import only_model
from recbench.studies.study import Asked, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

RANK, EXPERTS = 8, 4

EQUAL = "2,2,2,2"
UNEQUAL = ("1,1,2,4", "4,2,1,1", "5,1,1,1")
"""Ranks of four experts that have rank 8 together."""

USUAL = "3,2,2,1"
"""Those by clusters, as a rule; counted in their place where no data are to be read."""


class ExpertRanks(Study):
    """
    iLoRA with four experts of one rank, of several by hand, and by the sizes of user clusters.

    Users are clustered in four by what they had to do with (`recbench.questions.user_clusters`);
    each expert has one rank, and the other four go by the sizes of the clusters (largest
    remainders). Nothing ties an expert to a cluster: the gate is free. Clusters may come to ranks
    that are there by hand, or to equal ones: these are one system then, which is called both.
    """

    question = "Should all experts have the same rank?"
    place = "iLoRA's rebuttal: experts of unequal rank"
    models = ("ilora",)
    seeds = 3
    cut = "the unequal ranks but 4,2,1,1"
    varies = ("experts", "rank", "expert_ranks")

    def cells(self, asked: Asked) -> list[Experiment]:
        """Return the model with equal experts, and with every list of ranks."""
        model = only_model(asked, self.varies)
        several = UNEQUAL[1:2] if asked.quick else (*UNEQUAL, _by_clusters(asked))
        equal: dict[str, Any] = {"rank": RANK, "experts": EXPERTS}
        unequal = [{"rank": RANK, "expert_ranks": ranks} for ranks in several if ranks != EQUAL]
        return [
            asked.cell(model, seed, settings)
            for settings in (equal, *unequal)
            for seed in range(asked.seeds)
        ]

    def data(self, runs: Sequence[Run], asked: Asked) -> "DataFrame":
        """Return the figures, and differences to equal ranks."""
        equal = [row for row in only_table(runs).rows if not settings_of(row)["expert_ranks"]]
        table = only_table(runs, equal[0].label if equal else None)
        clusters = None if asked.quick else _by_clusters(asked)
        how = {row.label: _how(row, clusters) for row in table.rows}
        points = with_differences(table.rows, table.baseline)
        return frame(one | {"ranks": how[one["system"]]} for one in points)

    def figure(self, data: "DataFrame") -> "Figure":
        """Draw figures and differences."""
        return bars(data)


def _how(row: Row, clusters: str | None) -> str:
    """Say where a row's ranks come from; `clusters` are those by clusters, where it is asked."""
    told = settings_of(row)["expert_ranks"]
    ranks = ",".join(map(str, told)) if told else EQUAL
    ways = {"equal": ranks == EQUAL, "by hand": ranks in UNEQUAL, "by clusters": ranks == clusters}
    return " and ".join(way for way, so in ways.items() if so)


def _by_clusters(asked: Asked) -> str:
    """
    Return ranks by the sizes of user clusters.

    Raises
    ------
    UserError
        If the data would have to be downloaded to know them.
    """
    if asked.listing:
        return USUAL
    cache = cache_folder(asked.cache)
    if asked.data_dir is None and not at_hand(asked.dataset, cache):
        raise UserError(
            "expert-ranks goes by the sizes of clusters of users; read the data first: "
            f"recbench data prepare --dataset {asked.dataset}"
        )
    dataset = prepare(asked.dataset, cache, asked.data_dir, lambda _: None)
    split = asked_split(dataset, asked_protocol(asked.cell(asked.models[0], 0)))
    shape = len(split.catalogue), split.train.histories.shape[1]
    clusters = user_clusters(split.sequences, *shape, EXPERTS).clusters
    sizes = np.bincount(clusters.labels, minlength=EXPERTS)
    return ",".join(map(str, ranks_by(sizes, RANK)))


def ranks_by(sizes: NDArray[np.int64], rank: int) -> list[int]:
    """
    Share a rank among experts by sizes [K], not all 0.

    Every expert has one; the others go by largest remainders, of equal ones to the first.
    """
    shares = (rank - len(sizes)) * sizes / sizes.sum()
    ranks = np.floor(shares).astype(np.int64)
    left = rank - len(sizes) - int(ranks.sum())
    ranks[np.argsort(ranks - shares, kind="stable")[:left]] += 1
    return [int(one) + 1 for one in ranks]
