"""How Python, numpy and torch tell, each in its own way, that memory does not suffice."""

WORDS = (
    *("can't allocate memory", "out of memory", "std::bad_alloc", "could not create a memory"),
    "Cannot allocate memory",
    *("_ALLOC_FAILED", "_ALLOCATION_FAILED", "calling `cublasCreate", "CUDA calloc"),
    *("find a valid cuDNN algorithm", "unable to find an engine to execute"),
)
"""
Of torch on a CPU and on a GPU, of C++, of torch's library for products of matrices, and of the
system; then of NVIDIA's libraries, and of torch where none of cuDNN's ways has the room it needs.
"""


def lacks_memory(error: BaseException) -> bool:
    """Tell whether something failed for want of memory, so that less at once may do."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    by_kind = not kinds.isdisjoint(("MemoryError", "OutOfMemoryError"))  # the second is torch's
    return by_kind or any(words in str(error) for words in WORDS)
