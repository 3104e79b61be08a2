"""
Constrained decoding: beam search over a trie of all titles.

What a language model may write next is what some title goes on with (De Cao et al.,
"Autoregressive Entity Retrieval", ICLR 2021, arXiv 2010.00904). Probabilities are those of the free
model, over its whole vocabulary: a title that is found has its exact log-likelihood.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from recbench.data.ragged import Ragged, chosen, lengths
from recbench.llm.inference.generation import Advance


@dataclass(frozen=True)
class Trie:
    """
    Titles by their tokens: each node stands for a beginning of titles, node 0 for the empty one.

    Attributes
    ----------
    tokens
        int64 [nodes], the last token of each beginning; of no meaning at node 0.
    children
        The nodes behind each one, which are longer by a token. Nodes are numbered by length, so
        that these are 1, 2, 3, ..., cut into rows.
    ends
        int64 [titles], the node of each whole title: equal titles have the same, and one that
        begins another has children.
    """

    tokens: NDArray[np.int64]
    children: Ragged
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, titles: Sequence[Sequence[int]]) -> "Trie":
        """Make the trie of titles, at least one, each of at least one token."""
        longest = max(map(len, titles))
        padded = np.array([[*title, *[-1] * (longest - len(title))] for title in titles])
        nodes = np.zeros(len(titles), dtype=np.int64)  # as far as each title has got
        parents, tokens = [np.empty(0, dtype=np.int64)], [np.zeros(1, dtype=np.int64)]
        known = 1
        for column in padded.T:
            goes_on = column >= 0
            steps = np.stack([nodes[goes_on], column[goes_on]])
            new, which = np.unique(steps, axis=1, return_inverse=True)  # by parent
            nodes[goes_on] = known + which
            known += new.shape[1]
            parents.append(new[0])
            tokens.append(new[1])
        offsets = np.searchsorted(np.concatenate(parents), np.arange(known + 1))
        children = Ragged(np.arange(1, known, dtype=np.int32), offsets.astype(np.int64))
        return cls(np.concatenate(tokens), children, nodes)


def search(advance: Advance, trie: Trie, beams: int) -> NDArray[np.float32]:
    """
    Find the titles that a model would most likely write behind a prompt.

    Token by token the `beams` likeliest beginnings that are not yet whole go on, and of whatever
    they go on with, the likelihood is known: all whole titles among it are found. With as many
    beams as there are beginnings of any one length that is all titles.

    Parameters
    ----------
    advance
        Goes on behind one prompt.
    trie
        Of the titles.
    beams
        At least 1.

    Returns
    -------
    NDArray
        float32 [titles], log-likelihoods, -inf of a title that was not found; at least one is.
    """
    found = np.full(len(trie.children), -np.inf)  # [nodes]
    found[0] = 0.0
    branches = lengths(trie.children)
    nodes, logits = np.zeros(1, dtype=np.int64), advance(None)
    while len(nodes):
        behind = chosen(trie.children, nodes)
        rows, reached = np.repeat(np.arange(len(nodes)), lengths(behind)), behind.values
        steps = logits.log_softmax(dim=-1)[rows, trie.tokens[reached]]
        found[reached] = found[nodes][rows] + steps.cpu().numpy()
        unfinished = branches[reached] > 0
        rows, reached = rows[unfinished], reached[unfinished]
        best = np.argsort(-found[reached], kind="stable")[:beams]
        nodes, rows = reached[best].astype(np.int64), rows[best]
        if len(nodes):
            tokens = torch.from_numpy(trie.tokens[nodes]).to(logits.device)
            logits = advance(tokens, torch.from_numpy(rows).to(logits.device))
    return found[trie.ends].astype(np.float32)


def in_order(found: NDArray[np.float32]) -> NDArray[np.float32]:
    """
    Return scores of all titles: what was found by its likelihood, all others behind it.

    These share one place, since nothing is known of them: as ties they count against the model.
    """
    is_found = np.isfinite(found)
    return np.where(is_found, found, found[is_found].min() - 1).astype(np.float32)
