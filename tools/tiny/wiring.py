"""
The attention that `tiny` starts from.

Three million parameters and an hour of one CPU core are too little to discover, from nothing, how
to read two lists, compare vectors and copy a line. So the first weights already do it, and training
makes it reliable. The residual stream is cut into orthogonal subspaces, one a meaning, and a few
heads move content between them; everything else starts small and random.

A prompt is lines. A header line ends in a colon; an entry ends in a mark (a vector in place of a
token), and every line in a newline. What the heads do, by layer:

0. every token learns what stands one and two places before it, so that a newline carries its line's
   mark and knows whether it ends a header;
1. a newline fetches the first token of its line; every token fetches what ended the line above,
   which names its own line; a newline averages what the newlines before it carry;
2. the newline of a header takes the average of the first list, and newlines learn how far in the
   prompt they stand;
3. the newline of the last header looks, in the second list, for the newline whose mark is likest to
   that average, and takes the first token and the name of that line;
4. the tokens after it take that name from it;
5. induction, kept to the line of that name: what followed the same two tokens before. The newline
   of the last header writes the first token.

A head that has nothing to look for rests on the very first token, where there is nothing to read.
Induction heads: Olsson et al., 2022, arXiv 2209.11895.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

VOCABULARY = 4096
PAD, BOS, EOS = 0, 1, 2
WIDTH, LAYERS, HEADS, HEAD_WIDTH, INNER = 264, 6, 3, 64, 144
PAIRS = HEAD_WIDTH // 2
ROPE_BASE = 1e10
SCALE = 3.0  # of token embeddings; also the unit of the residual stream
CONSTANT = 2.0  # share of a direction that all tokens have: position heads look along it
WORD = 48  # directions that tell words apart
READ = 40  # of them, in which a word or mark is read
NAME = 13  # of those, in which the token two back is read, and what names a line

RATE = ROPE_BASE ** (-torch.arange(PAIRS) / PAIRS)  # radians a token, by rotary pair
SLOW = [pair for pair in range(PAIRS) if RATE[pair] < 1e-3]  # these hardly see position
FAST = [pair for pair in range(PAIRS) if RATE[pair] > 5e-3]
FLAG, LATE = SLOW[0], SLOW[1]  # pairs that compare a yes or no
CONTENT = [*SLOW, *(pair + PAIRS for pair in SLOW)][2:]  # pairs that compare content
REST = CONTENT[-1]  # compares whether a head rests


@dataclass(frozen=True)
class Strengths:
    """
    How sharply heads look and how loudly they write, as a search like `strengths.py` found them.

    Attributes
    ----------
    own_line, own_line_slowest, own_line_fastest
        Attention logit a rotary pair for what is near, and the rates (radians a token) of the
        pairs, where a token looks for the beginning of its line.
    latest_header, header_means, less_own_mean
        Logits where newlines look for the header before them and headers for each other; how much
        of its own mean a header takes off the means it finds.
    alike
        Logit of a mark that is just like the first list's average.
    name, chosen_name, carried_name, chosen_word
        Loudness of a line's name, of the chosen line's at the last newline and after it, and of
        its first word.
    last_header, its_colon, its_nearness
        Logits where tokens look for the last header.
    same_word, same_word_before, same_name, copy_norm, copy
        Logits of induction, the stream's norm there, loudness of the copy.
    answer, line_end
        Loudness of the first word at the end of the last header; of a newline, anywhere.
    """

    own_line: float = 6.0
    own_line_slowest: float = 0.00633
    own_line_fastest: float = 0.395
    latest_header: float = 19.6
    header_means: float = 3.33
    less_own_mean: float = 0.951
    alike: float = 40.4
    name: float = 1.47
    chosen_name: float = 0.683
    carried_name: float = 0.492
    chosen_word: float = 0.588
    last_header: float = 20.0
    its_colon: float = 1.57
    its_nearness: float = 9.04
    same_word: float = 31.6
    same_word_before: float = 12.5
    same_name: float = 15.3
    copy_norm: float = 3.89
    copy: float = 6.45
    answer: float = 11.5
    line_end: float = 3.0


def new_model(
    colon: int, newline: int, seed: int = 0, strengths: Strengths | None = None
) -> LlamaForCausalLM:
    """
    Return the untrained model with its attention wired.

    Parameters
    ----------
    colon, newline
        Token ids.
    seed
        Of every random weight; torch's own generator is left as it was.
    strengths
        Of the wiring; the defaults if not given.
    """
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        head_dim=HEAD_WIDTH,
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
        _Wiring(model, colon, newline, strengths or Strengths()).wire()
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

    def rest(self, at: Tensor, by: Tensor) -> None:
        """Let tokens with component `by` look at component `at` and nowhere else."""
        self.look(REST, at, by, logit=40)

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

    def __init__(
        self, model: LlamaForCausalLM, colon: int, newline: int, strengths: Strengths
    ) -> None:
        self.model, self.strengths = model, strengths
        basis = iter(torch.linalg.qr(torch.randn(WIDTH, WIDTH))[0].T)
        self.all, self.start, self.newline, self.colon = _take(basis, 4)
        self.after_newline, self.after_colon = _take(basis, 2)
        self.share, self.late = _take(basis, 2)  # of headers among the lines so far: how far it is
        self.word, self.first = _take(basis, WORD), _take(basis, WORD)
        self.before, self.average, self.wanted = (_take(basis, READ) for _ in range(3))
        self.two_before, self.name, self.chosen = (_take(basis, NAME) for _ in range(3))
        self.any = self.all / CONSTANT  # every token has one unit of it
        # [READ, WIDTH]: how a word or mark is read where there is no room for WORD directions.
        self.read = torch.linalg.qr(torch.randn(WORD, READ))[0].T @ self.word
        self._embed(colon, newline)

    def _embed(self, colon: int, newline: int) -> None:
        table = torch.randn(VOCABULARY, WORD)
        table = (table / table.norm(dim=1, keepdim=True)) @ self.word
        table[newline] = self.newline
        table[BOS] = 0.9 * self.newline + self.start  # the first line has a beginning too
        table[colon] = self.colon
        self.model.model.embed_tokens.weight.copy_((table + CONSTANT * self.all) * SCALE)
        self.model.model.norm.weight.fill_(0.4)
        for layer in self.model.model.layers:  # what is not wired starts small
            layer.self_attn.o_proj.weight.mul_(0.15)
            layer.mlp.down_proj.weight.mul_(0.15)

    def wire(self) -> None:
        """Set the heads, layer by layer."""
        self._what_stood_before()
        self._lines()
        self._lists()
        self._choice()
        self._answer()

    def _head(self, layer: int, head: int, norm: float) -> _Head:
        return _Head(self.model, layer, head, norm)

    def _what_stood_before(self) -> None:
        head = self._head(0, 0, 2.24)
        head.look_back(1, self.all)
        head.v[:READ], head.v[READ], head.v[READ + 1] = self.read, self.newline, self.colon
        head.write(self.before, slice(0, READ), 2)
        head.write(self.after_newline[None], slice(READ, READ + 1), 1)
        head.write(self.after_colon[None], slice(READ + 1, READ + 2), 1)
        head = self._head(0, 1, 2.24)
        head.look_back(2, self.all)
        head.v[:NAME] = self.read[:NAME]
        head.write(self.two_before, slice(0, NAME), 1.5)

    def _lines(self) -> None:
        entry_end = self.newline - self.after_colon
        head = self._head(1, 0, 2.6)  # the first token of an entry
        self._look_at_own_line(head, entry_end)
        head.rest(self.start, self.any - entry_end)
        head.v[:WORD] = self.word
        head.write(self.first, slice(0, WORD), 0.9)
        head = self._head(1, 1, 2.6)  # the mean over newlines of what stood before them
        head.look(FLAG, at=self.newline, by=self.newline, logit=14)
        head.rest(self.start, self.any - self.newline)
        head.v[:READ], head.v[READ] = self.before, self.after_colon
        head.write(self.average, slice(0, READ), 1.5)
        head.write(self.share[None], slice(READ, READ + 1), 1)
        head = self._head(1, 2, 2.6)  # what ended the line above names the own line
        self._look_at_own_line(head, self.any)
        head.v[:NAME] = self.two_before
        head.write(self.name, slice(0, NAME), self.strengths.name)

    def _look_at_own_line(self, head: _Head, by: Tensor) -> None:
        strengths = self.strengths
        head.look(FLAG, at=self.after_newline, by=by, logit=16)
        slowest, fastest = strengths.own_line_slowest, strengths.own_line_fastest
        head.look_near(by, self.all, slowest, fastest, strengths.own_line)

    def _lists(self) -> None:
        strengths = self.strengths
        header_end = self.after_colon + self.newline
        head = self._head(2, 0, 2.9)  # a header takes the means of all headers
        head.look(FLAG, at=header_end, by=self.after_colon, logit=strengths.header_means)
        head.rest(self.start, self.any - self.after_colon)
        head.v[:READ] = self.average
        head.write(self.wanted, slice(0, READ), 3)
        head = self._head(2, 2, 2.9)  # less its own, so that the first list's remains
        head.look_back(0, self.after_colon)
        head.rest(self.start, self.any - self.after_colon)
        head.v[:READ] = self.average
        head.write(self.wanted, slice(0, READ), -strengths.less_own_mean)
        head = self._head(2, 1, 2.9)  # the share of headers at the latest one: which list this is
        at = self.newline + 4 * self.after_colon
        head.look(FLAG, at=at, by=self.newline, logit=12)
        head.look_near(self.newline, self.all, 0.0015, 0.012, strengths.latest_header)
        head.rest(self.start, self.any - self.newline)
        head.v[0] = self.share
        head.write(self.late[None], slice(0, 1), 1.5)

    def _choice(self) -> None:
        strengths = self.strengths
        head = self._head(3, 0, 3.6)
        for rows, component in ((head.q, self.wanted), (head.k, self.before)):
            rows[CONTENT[:READ]] += head.strength(strengths.alike) * component
        entry_end = self.newline - self.after_colon - 2 * self.start
        head.look(FLAG, at=entry_end, by=self.after_colon, logit=28)
        head.look(LATE, at=-self.late, by=self.after_colon, logit=30)
        head.rest(self.start, self.any - self.after_colon)
        head.v[:WORD], head.v[WORD : WORD + NAME] = self.first, self.name
        head.write(self.first, slice(0, WORD), strengths.chosen_word)
        head.write(self.chosen, slice(WORD, WORD + NAME), strengths.chosen_name)
        head = self._head(4, 0, 4)  # what follows knows which line was chosen
        header_end = self.newline + strengths.its_colon * self.after_colon
        head.look(FLAG, at=header_end, by=self.any, logit=strengths.last_header)
        head.look_near(self.any, self.all, 0.0025, 0.15, strengths.its_nearness)
        head.v[:NAME] = self.chosen
        head.write(self.chosen, slice(0, NAME), strengths.carried_name)

    def _answer(self) -> None:
        strengths = self.strengths
        head = self._head(5, 0, strengths.copy_norm)
        head.look(FLAG, at=self.start, by=self.newline, logit=40)
        rest = self.read[NAME:][: len(CONTENT) - 2 * NAME]
        one, two, name = CONTENT[: -2 * NAME], CONTENT[-2 * NAME : -NAME], CONTENT[-NAME:]
        for slots, by, at, logit in (
            (one, rest, self.before[NAME:][: len(rest)], strengths.same_word),
            (two, self.before[:NAME], self.two_before, strengths.same_word_before),
            (name, self.chosen, self.name, strengths.same_name),
        ):
            head.q[slots] += head.strength(logit) * by
            head.k[slots] += head.strength(logit) * at
        head.v[:WORD] = self.word
        head.write(self.word, slice(0, WORD), strengths.copy)
        head = self._head(5, 1, 3.4)  # the newline of the last header writes the first token
        head.look_back(0, self.after_colon)
        head.rest(self.start, self.any - self.after_colon)
        head.v[:WORD] = self.first
        head.write(self.word, slice(0, WORD), strengths.answer)
        head = self._head(5, 2, 3.4)  # where nothing else is likely, the line ends
        head.v[0] = self.any
        head.write(self.newline[None], slice(0, 1), strengths.line_end)


def _take(basis: Iterator[Tensor], count: int) -> Tensor:
    return torch.stack([next(basis) for _ in range(count)])
