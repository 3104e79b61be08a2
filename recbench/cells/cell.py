"""What is to be run: plain data, which any machine can be handed."""

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
