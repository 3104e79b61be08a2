"""
The attention that `tiny` starts from.

Three million parameters and an hour of two CPU cores are too little to discover, from nothing, how
to read two lists, compare vectors and copy a line. So the first weights already do it, roughly,
and training makes it reliable. The residual stream is cut into orthogonal subspaces, one a
meaning, and a few heads move content between them; everything else starts small and random.
Numbers called strengths are attention logits: how sharply a head looks.

A prompt is lines. A header line ends in a colon; an entry ends in a mark (a vector in place of a
token), and every line in a newline. What the heads do, by layer:

0. every token learns what stands one and two places before it, so that a newline carries its line's
   mark and knows whether it ends a header;
1. a newline fetches the first token of its line; a newline averages what the newlines before it
carry;
2. the newline of a header passes on such averages, and newlines learn how far in the prompt they
   stand; induction: what followed the same two tokens before;
3. the newline of the last header looks, in the second list, for the newline whose mark is likest
to the
   average mark of the first list, and writes the first token of that line.

Induction heads: Olsson et al., 2022, arXiv 2209.11895.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

VOCABULARY = 4096
PAD, BOS, EOS = 0, 1, 2
WIDTH, LAYERS, HEADS, INNER = 192, 6, 4, 352
HEAD_WIDTH = WIDTH // HEADS
PAIRS = HEAD_WIDTH // 2
ROPE_BASE = 1e8
SCALE = 3.0  # of token embeddings; also the unit of the residual stream
CONSTANT = 2.0  # share of a direction that all tokens have: position heads look along it
WORD = 48  # directions that tell words apart

RATE = ROPE_BASE ** (-torch.arange(PAIRS) / PAIRS)  # radians a token, by rotary pair
SLOW = [pair for pair in range(PAIRS) if RATE[pair] < 1e-3]  # these hardly see position
FAST = [pair for pair in range(PAIRS) if RATE[pair] > 5e-3]
FLAG, LATE = SLOW[0], SLOW[1]  # pairs that compare a yes or no
CONTENT = [*SLOW, *(pair + PAIRS for pair in SLOW)][2:]  # pairs that compare content
N = len(CONTENT)
HALF = 11  # directions kept of the token two back


def new_model(colon: int, newline: int, seed: int = 0) -> LlamaForCausalLM:
    """
    Return the untrained model with its attention wired.

    Parameters
    ----------
    colon, newline
        Token ids.
    seed
        Of every random weight; torch's own generator is left as it was.
    """
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=2048,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_BASE},
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        initializer_range=0.02,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
        _Wiring(model, colon, newline).wire()
    return model


class _Head:
    """One attention head, emptied, as its four matrices."""

    def __init__(self, model: LlamaForCausalLM, layer: int, head: int, norm: float) -> None:
        attention = model.model.layers[layer].self_attn
        rows = slice(head * HEAD_WIDTH, (head + 1) * HEAD_WIDTH)
        self.q = attention.q_proj.weight[rows].zero_()
        self.k = attention.k_proj.weight[rows].zero_()
        self.v = attention.v_proj.weight[rows].zero_()
        self.o = attention.o_proj.weight[:, rows].zero_()
        # After RMSNorm a component of one unit is about this large, `norm` being the
        # stream's norm in units.
        self.unit = math.sqrt(WIDTH) / norm

    def strength(self, logit: float) -> float:
        """Return the weight with which unit components give that attention logit."""
        return math.sqrt(logit * math.sqrt(HEAD_WIDTH)) / self.unit

    def look(self, pair: int, at: Tensor, by: Tensor, logit: float) -> None:
        """Let tokens with component `by` look at tokens with component `at`."""
        self.q[pair] += self.strength(logit) * by
        self.k[pair] += self.strength(logit) * at

    def look_back(self, tokens: int, along: Tensor) -> None:
        """Let every token look so many tokens back."""
        gain = math.sqrt(16 * math.sqrt(HEAD_WIDTH)) / (self.unit * CONSTANT)
        for pair in FAST:
            self.k[pair] += gain * along
            self.q[pair] += gain * along * math.cos(-tokens * RATE[pair])
            self.q[pair + PAIRS] += gain * along * math.sin(-tokens * RATE[pair])

    def look_near(self, by: Tensor, along: Tensor, low: float, high: float, logit: float) -> None:
        """Let tokens with component `by` prefer what is near, by the pairs of rates in between."""
        for pair in range(PAIRS):
            if low < RATE[pair] < high:
                self.q[pair] += self.strength(logit) * by
                self.k[pair] += self.strength(logit) * along / CONSTANT

    def write(self, where: Tensor, slots: slice, gain: float) -> None:
        """Write value slots into the directions `where` [slots, WIDTH]."""
        self.o[:, slots] += where.T * gain * SCALE / self.unit


class _Wiring:
    """The subspaces of the residual stream, and the heads between them."""

    def __init__(self, model: LlamaForCausalLM, colon: int, newline: int) -> None:
        self.model = model
        basis = iter(torch.linalg.qr(torch.randn(WIDTH, WIDTH))[0].T)
        self.all, self.newline, self.colon = _take(basis, 3)
        self.after_newline, self.after_colon = _take(basis, 2)
        self.share, self.late = _take(basis, 2)  # of headers among the lines so far: how far it is
        self.word, self.first = _take(basis, WORD), _take(basis, WORD)
        self.before, self.average, self.wanted = (_take(basis, N) for _ in range(3))
        self.two_before = _take(basis, HALF)
        # [N, WIDTH]: how a word or mark is read where there is room for N directions only.
        self.read = torch.linalg.qr(torch.randn(WORD, N))[0].T @ self.word
        self._embed(colon, newline)

    def _embed(self, colon: int, newline: int) -> None:
        table = torch.randn(VOCABULARY, WORD)
        table = (table / table.norm(dim=1, keepdim=True)) @ self.word
        table[newline] = self.newline
        table[BOS] = 0.9 * self.newline + 0.4 * table[BOS]  # the first line has a beginning too
        table[colon] = self.colon
        self.model.model.embed_tokens.weight.copy_((table + CONSTANT * self.all) * SCALE)
        self.model.model.norm.weight.fill_(0.5)
        for layer in self.model.model.layers:  # what is not wired starts small
            layer.self_attn.o_proj.weight.mul_(0.15)
            layer.mlp.down_proj.weight.mul_(0.15)

    def wire(self) -> None:
        """Set the heads, layer by layer."""
        self._what_stood_before()
        self._lines()
        self._lists()
        self._answer()
        self._induction()

    def _head(self, layer: int, head: int, norm: float) -> _Head:
        return _Head(self.model, layer, head, norm)

    def _what_stood_before(self) -> None:
        head = self._head(0, 0, 2.24)
        head.look_back(1, self.all)
        head.v[:N], head.v[N], head.v[N + 1] = self.read, self.newline, self.colon
        head.write(self.before, slice(0, N), 2)
        head.write(self.after_newline[None], slice(N, N + 1), 1)
        head.write(self.after_colon[None], slice(N + 1, N + 2), 1)

    def _lines(self) -> None:
        head = self._head(1, 0, 2.6)  # the first token of the own line
        head.look(FLAG, at=self.after_newline, by=self.newline, logit=16)
        head.look_near(self.newline, self.all, 0.018, 0.15, logit=9)
        head.v[:WORD] = self.word
        head.write(self.first, slice(0, WORD), 0.9)
        head = self._head(1, 1, 2.6)  # the mean over newlines of what stood before them
        head.look(FLAG, at=self.newline, by=self.newline, logit=14)
        head.v[:N], head.v[N] = self.before, self.after_colon
        head.write(self.average, slice(0, N), 1.5)
        head.write(self.share[None], slice(N, N + 1), 1)

    def _lists(self) -> None:
        head = self._head(2, 0, 2.9)  # the newline of a header takes the means of headers' newlines
        head.look(FLAG, at=self.after_colon + self.newline, by=self.after_colon, logit=14)
        head.v[:N] = self.average
        head.write(self.wanted, slice(0, N), 3)
        head = self._head(
            2, 1, 2.9
        )  # the share of headers before the latest one: which list this is
        head.look(FLAG, at=4 * self.after_colon + self.newline, by=self.newline, logit=12)
        head.look_near(self.newline, self.all, 0.0015, 0.012, logit=12)
        head.v[0] = self.share
        head.write(self.late[None], slice(0, 1), 1.5)

    def _answer(self) -> None:
        head = self._head(3, 0, 3.6)
        head.q[CONTENT] += head.strength(24) * self.wanted
        head.k[CONTENT] += head.strength(24) * self.before
        head.look(FLAG, at=self.newline, by=self.after_colon, logit=28)
        head.look(LATE, at=-self.late, by=self.after_colon, logit=30)
        head.v[:WORD] = self.first
        head.write(self.word, slice(0, WORD), 6)

    def _induction(self) -> None:
        head = self._head(0, 1, 2.24)
        head.look_back(2, self.all)
        head.v[:HALF] = self.read[:HALF]
        head.write(self.two_before, slice(0, HALF), 1.5)
        head = self._head(2, 2, 3.0)
        head.look(FLAG, at=self.newline, by=self.newline, logit=16)
        one, two = CONTENT[: N - HALF], CONTENT[N - HALF :]
        head.q[one] += head.strength(40) * self.read[HALF:]
        head.k[one] += head.strength(40) * self.before[HALF:]
        head.q[two] += head.strength(12) * self.before[:HALF]
        head.k[two] += head.strength(12) * self.two_before
        head.v[:WORD] = self.word
        head.write(self.word, slice(0, WORD), 4)


def _take(basis: Iterator[Tensor], count: int) -> Tensor:
    return torch.stack([next(basis) for _ in range(count)])
