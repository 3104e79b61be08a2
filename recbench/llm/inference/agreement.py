"""When two readings of the same agree, and whether a failure says anything of a model."""

from torch import Tensor

from recbench.hardware.devices import is_deterministic, lacks_deterministic_form
from recbench.llm.inference.hybrid import HybridLM
from recbench.llm.tolerance import TOLERANCE
from recbench.out_of_memory import lacks_memory
from recbench.processes import UnreachableError


def agree(model: HybridLM, expected: Tensor, found: Tensor, part: float = 1.0) -> bool:
    """Tell whether likelihoods are the expected, within `part` of what may be apart."""
    most = part * TOLERANCE[model.lm.get_input_embeddings().weight.dtype]
    return bool(((expected - found).abs() <= most * (1 + expected.abs())).all())


def says_nothing(error: Exception) -> bool:
    """Whether what was raised is no word on the architecture, and has to be let through."""
    if isinstance(error, UnreachableError) or lacks_memory(error):
        return True
    return is_deterministic() and lacks_deterministic_form(error)


def in_a_line(error: Exception) -> str:
    """Return the kind of an error with the first line of what it says."""
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first}"
