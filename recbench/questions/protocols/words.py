"""A protocol in words, so that nobody has to read its fields to know what is asked."""

from recbench.questions.protocols import Protocol

ROWS = {
    "users": "users are cut apart by their first interaction: the first {first}% train, those up "
    "to {second}% validate, the rest test; a validation or test row asks for a user's last item",
    "last-items": "every user with at least 3 interactions is tested on the last one, validated on "
    "the one before it and trained on the rest; users with fewer only train",
    "temporal": "interactions before {first}% of all in order of time train, those up to {second}% "
    "validate, the rest test; what shares a second with a cut lies behind it; a validation or test "
    "row asks for an interaction that has at least {min_history} earlier ones of its user",
    "released": "train, validation and test rows stand in the files that were released",
}
TIES = {
    "introsort": "as NumPy before 1.25 sorted them, which is part of the published rows",
    "shuffled": "another for each user: by what SplitMix64 draws for the user, numbered from 0 by "
    "ascending id, with the first 64 bits of SHA-256 of the item's id as its seed",
    "released": "as released",
}
NEGATIVES = {
    "uniform": "uniformly",
    "popular": "without replacement, in proportion to training count + 1",
    "given": "as the rows bring them; none are drawn",
}
EXCLUDED = {
    "history": "the items of the visible history",
    "earlier": "all items that the user touched before the target",
    "user": "all items that the user touches at any time, at validation save those of the test",
}


def in_words(protocol: Protocol) -> dict[str, str]:
    """
    Say what a protocol asks.

    Returns
    -------
    dict of str to str
        Topic to one clause, in the order in which they are to be read.
    """
    first, second = protocol.cuts
    rows = ROWS[protocol.split].format(first=first, second=second, min_history=protocol.min_history)
    positions = f"with {protocol.min_train_history} or more items before it"
    words = {
        "rows": rows,
        "training rows": "as released"
        if protocol.split == "released"
        else f"every position of a training sequence {positions}",
        "order within one second": TIES[protocol.ties],
        "history": f"the last {protocol.history} items before the target, fewer where there are "
        "fewer",
    }
    excluded = f"the target and what is not excluded; excluded are {EXCLUDED[protocol.exclude]}"
    if protocol.full:
        return words | {"candidates": f"the whole catalogue is ranked: {excluded}"}
    titles = "all of different titles" if protocol.distinct_titles else "titles may be equal"
    size, drawn = protocol.candidates, protocol.drawn
    if protocol.given:
        shown = f"{size}: those that each row brings, the target among them, shuffled"
        return words | {"candidates": shown, "negatives": NEGATIVES[protocol.negatives]}
    return words | {
        "candidates": f"{size}: the target and {drawn} negatives, shuffled, {titles}",
        "negatives": f"drawn {NEGATIVES[protocol.negatives]} from the whole catalogue, save "
        f"{EXCLUDED[protocol.exclude]}",
    }
