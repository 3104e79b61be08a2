"""What is to be run: plain data, which any machine can be handed."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """
    One run that is wanted.

    Attributes
    ----------
    name
        For the user; no other cell has it.
    arguments
        Of ``recbench run``, without the device.
    uses_gpu
        Whether its model computes on a GPU where it is given one
        (`recbench.recommender.System.uses_gpu`); what hands cells to a cluster goes by it.
    """

    name: str
    arguments: tuple[str, ...]
    uses_gpu: bool = False


def wanted(
    models: Sequence[str],
    datasets: Sequence[str],
    seeds: Iterable[int],
    shared: Sequence[str],
    on_gpu: Collection[str] = (),
) -> list[Cell]:
    """
    Name every cell of models x datasets x seeds, seeds running fastest.

    Parameters
    ----------
    models, datasets, seeds
        What to cross.
    shared
        Arguments of ``recbench run`` that all cells have.
    on_gpu
        Those of the models that use a GPU.
    """
    return [
        Cell(
            f"{model} on {dataset}, seed {seed}",
            ("--model", model, "--dataset", dataset, "--seed", str(seed), *shared),
            model in on_gpu,
        )
        for dataset in datasets
        for model in models
        for seed in seeds
    ]
