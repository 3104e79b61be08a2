"""How much of a history a model reads, and what is said where a question shows more."""

from recbench.recommender import TrainingData


def cut(read: int | None, data: TrainingData) -> dict[str, int]:
    """
    Return for the record how many items of a history a model reads, where questions show more.

    Parameters
    ----------
    read
        The latest so many; None for all of them.
    data
        Whose histories are as wide as those that will be asked about.
    """
    shown = data.train.histories.shape[1]
    return {} if read is None or read >= shown else {"items_read": read, "items_shown": shown}


def said_of(cut: dict[str, int], who: str, more: str = "") -> str:
    """
    Say that a history is cut, in one line.

    Parameters
    ----------
    cut
        What `cut` has found, if it is anything.
    who
        Reads it.
    more
        How to have more read, if there is a way.
    """
    read, shown = cut["items_read"], cut["items_shown"]
    ways = f"{more}, --history {read} shows no more" if more else f"--history {read} shows no more"
    return f"of a history of up to {shown} items {who} reads the latest {read}; {ways}"
