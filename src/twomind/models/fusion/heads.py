"""Fusion heads: features of several modalities per row → one embedding per row.

All are called as ``head(seen, state) -> (z, state)``: ``seen`` is a :class:`Seen`, ``z`` is ``(B,
T, width)``. LFAN, CAN, MT and JMT are the supervised baselines of the BAH data set (ICLR 2026),
written anew from their description; where they depart from the published code, the class says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twomind.models.fusion.tcn import Attention, EncoderLayer, MaskedBatchNorm

#: Kinds of terms that the conflict model has and plain fusion has not.
CONFLICT_TERMS = ("conflict within", "conflict", "agreement")

#: Where the gates of :class:`Anchored` begin: open by an eighth.
GATE_SHUT = -2.0
#: One tensor per modality, or per stream.
Tensors = list[Tensor]
#: A modality's strengths for and against, ``(B, T, n)`` each.
Sides = tuple[Tensor, Tensor]
#: What a head returns: the embedding of every row, and the state that the next chunk continues
#: from.
Headed = tuple[Tensor, Any]


class Seen(NamedTuple):
    """What a head reads of a batch."""

    #: Per modality its rows ``(B, T, d_m)``; absent rows hold a learned vector.
    hs: Tensors
    #: Which modality is there, ``(B, T, M)`` bool.
    present: Tensor
    #: Real rows, not padding, ``(B, T)`` bool.
    frames: Tensor
    #: Conflict model: per modality None, or its anchored strengths, ``(B, T, 1)`` each.
    anchors: Sequence[Sides | None] | None = None


def masked_softmax(scores: Tensor, allowed: Tensor) -> Tensor:
    """Softmax over the last axis among the allowed entries; all zero where none is."""
    scores = scores.masked_fill(~allowed, -1e4)
    return torch.softmax(scores, dim=-1) * allowed


def _attention_weights(q: Tensor, k: Tensor, keys: Tensor) -> Tensor:
    """Of scaled dot products, among the keys that are there."""
    size = q.shape[-1]
    products = q @ k.transpose(-1, -2)
    return masked_softmax(products / size**0.5, keys)


def _linears(widths: Sequence[int], width: int) -> nn.ModuleList:
    """One linear layer per modality, all to the same width."""
    layers = nn.ModuleList()
    for d in widths:
        layers.append(nn.Linear(d, width))
    return layers


def _each(layers: nn.ModuleList, hs: Tensors) -> Tensors:
    """Every modality's rows through its own layer."""
    found = []
    for layer, h in zip(layers, hs, strict=True):
        found.append(layer(h))
    return found


class LFAN(nn.Module):
    """Leader-follower attention: per row, attention over the modalities; one of them leads.

    An absent modality is not a key (published: there is always one).
    """

    def __init__(
        self,
        widths: Sequence[int],
        width: int,
        dropout: float,
        size: int = 16,
        n_heads: int = 2,
        leader: int = 0,
    ) -> None:
        super().__init__()
        self.leader = leader
        self.size = size
        self.n_heads = n_heads
        inner = size * n_heads
        total = inner * len(widths)
        self.qkv = _linears(widths, 3 * inner)
        self.out = nn.Linear(total, total)
        self.norm = nn.LayerNorm(total)
        self.dropout = nn.Dropout(dropout)
        self.width = widths[leader] + total

    def forward(self, seen: Seen, state: Any = None) -> Headed:
        b, t, m = seen.present.shape
        projected = _each(self.qkv, seen.hs)
        stacked = torch.stack(projected, dim=2)  # B T M 3hd
        split = stacked.reshape(b, t, m, 3, self.n_heads, self.size)
        q, k, v = split.permute(3, 0, 1, 4, 2, 5)  # each B T h M d
        keys = seen.present[:, :, None, None, :]
        weights = _attention_weights(q, k, keys)
        attended = weights @ v + v
        mixed = attended.transpose(2, 3).reshape(b, t, -1)
        follower = self.norm(self.dropout(self.out(mixed)))
        leader = seen.hs[self.leader]
        return torch.cat([leader, follower], dim=-1), None


class Anchored(nn.Module):
    """Text-anchored fusion: one modality carries the embedding, the others correct it.

    ``z = a + sum over m of g_m * r_m``: ``a`` is of the anchor alone, ``r_m`` the residual of
    another modality, and ``g_m`` in (0, 1) a gate per channel that looks at both. Residuals begin at
    zero and gates nearly shut, so that the model begins as the anchor alone, and what a modality adds
    it has to earn. An absent modality adds nothing.
    """

    def __init__(self, widths: Sequence[int], width: int, dropout: float, anchor: int) -> None:
        super().__init__()
        self.at = anchor
        self.others = [m for m in range(len(widths)) if m != anchor]
        n_anchor = widths[anchor]
        own = [widths[m] for m in self.others]
        self.anchor = nn.Linear(n_anchor, width)
        self.norm = MaskedBatchNorm(width)
        self.residual = _linears(own, width)
        self.gate = _linears([n_anchor + n for n in own], width)
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():
            for values in self.residual.parameters():
                values.zero_()
            for name, values in self.gate.named_parameters():
                if name.endswith("bias"):
                    values.fill_(GATE_SHUT)
        self.width = width + len(widths)

    def forward(self, seen: Seen, state: Any = None) -> Headed:
        text = seen.hs[self.at]
        normed = self.norm(self.anchor(text), seen.frames)
        z = F.leaky_relu(normed)
        for m, gate, residual in zip(self.others, self.gate, self.residual, strict=True):
            other = seen.hs[m]
            both = torch.cat([text, other], dim=-1)
            opened = torch.sigmoid(gate(both)) * seen.present[..., m, None]
            z = z + opened * residual(other)
        present = seen.present.to(z.dtype)
        return torch.cat([self.dropout(z), present], dim=-1), None


class CAN(nn.Module):
    """Channel attention: a softmax over all channels of all modalities weighs the channels.

    Channels of an absent modality take no part (published: there is always one).
    """

    def __init__(self, widths: Sequence[int], width: int, dropout: float) -> None:
        super().__init__()
        total = width * len(widths)
        self.project = _linears(widths, width)
        self.attend = nn.Linear(total, total)
        self.mix = nn.Linear(total, total)
        self.norm = MaskedBatchNorm(total)
        self.per_modality = width
        self.width = total

    def forward(self, seen: Seen, state: Any = None) -> Headed:
        projected = _each(self.project, seen.hs)
        channels = torch.cat(projected, dim=-1)
        here = seen.present.repeat_interleave(self.per_modality, dim=-1)
        scores = self.attend(channels * here)
        weighed = masked_softmax(scores, here) * channels
        mixed = self.norm(self.mix(weighed), seen.frames)
        return F.leaky_relu(mixed), None


class Streams(nn.Module):
    """MT, and with ``joint`` JMT: cross-attention over time between every two streams, then over
    the streams.

    Corrected: the last attention runs over the stream axis of each row, absent streams are no keys,
    and the mean of the streams goes on; attention over time looks back ``window`` rows only, so it
    streams. With ``residual`` a pair's rows are its first stream plus what that attends to in the
    second, as in cross-modal transformers (Tsai et al. 2019); without, only the second's values,
    averaged over seconds: *when* something happened is blurred away.

    ``released``: as the published code behaves. It takes the first two modalities; the last
    attention is called sequence-first on ``(T*B, streams, D)``, so it runs over all rows of all
    clips of the batch, the streams do not meet, and only the last one is kept. Predictions depend
    on who else is in the batch, and nothing is causal.
    """

    def __init__(
        self,
        widths: Sequence[int],
        width: int,
        dropout: float,
        window: int,
        joint: bool = False,
        released: bool = False,
        residual: bool = True,
    ) -> None:
        super().__init__()
        if released and len(widths) < 2:
            raise ValueError("the released MT and JMT need two modalities")
        self.used = 2 if released else len(widths)
        look_back = None if released else window
        self.project = _linears(widths[: self.used], width)
        self.joint = None
        if joint:
            self.joint = nn.Linear(self.used * width, width)
        n_streams = self.used + bool(joint)
        encoders = [EncoderLayer(width, look_back, dropout) for _ in range(n_streams)]
        self.encode = nn.ModuleList(encoders)
        self.pairs = _pairs(self.used, joint)
        crossings = [Attention(width, look_back) for _ in self.pairs]
        self.cross = nn.ModuleList(crossings)
        self.slot_encoder = EncoderLayer(width, None, dropout)
        self.slot_attention = Attention(width, None)
        self.fc = nn.Linear(width, width)
        self.norm = MaskedBatchNorm(width)
        self.released = released
        self.residual = residual and not released
        self.width = width

    def forward(self, seen: Seen, state: Any = None) -> Headed:
        before = state or {"encode": None, "cross": None}
        streams, here = self._streams(seen)
        ys, encode_state = self._encoded(streams, before["encode"])
        crossed, cross_state = self._crossed(ys, before["cross"])
        after = {"encode": encode_state, "cross": cross_state}
        if self.released:
            slots = torch.stack(crossed, dim=2)  # B T S D
            kept = self._over_rows(slots)
        elif self.pairs:
            slots, allowed = self._slots(ys, crossed, here)
            kept = self._over_slots(slots, allowed)
        else:
            slots = torch.stack(ys, dim=2)
            kept = self._over_slots(slots, torch.stack(here, dim=2))
        z = self.norm(self.fc(kept), seen.frames)
        return F.leaky_relu(z), after

    def _streams(self, seen: Seen) -> tuple[Tensors, Tensors]:
        """The streams, each ``(B, T, D)``, and in which rows each is there, ``(B, T)``."""
        hs = seen.hs[: self.used]
        streams = _each(self.project, hs)
        here = list(seen.present.unbind(dim=-1))
        here = here[: self.used]
        if self.joint is not None:
            together = torch.cat(streams, dim=-1)
            streams.append(self.joint(together))
            here.append(seen.present.any(dim=-1))
        return streams, here

    def _encoded(self, streams: Tensors, state: Any) -> tuple[Tensors, Any]:
        """Every stream through its own encoder."""
        ys, after = [], []
        for n, layer in enumerate(self.encode):
            before = state[n] if state else None
            y, kept = layer(streams[n], before)
            ys.append(y)
            after.append(kept)
        return ys, after

    def _crossed(self, ys: Tensors, state: Any) -> tuple[Tensors, Any]:
        """Of every pair: what its first stream attends to in its second."""
        crossed, after = [], []
        for n, layer in enumerate(self.cross):
            q, kv = self.pairs[n]
            before = state[n] if state else None
            y, kept = layer(ys[q], ys[kv], before)
            crossed.append(y)
            after.append(kept)
        return crossed, after

    def _slots(self, ys: Tensors, crossed: Tensors, here: Tensors) -> tuple[Tensor, Tensor]:
        """What the last attention reads: the rows of every pair ``(B, T, S, D)``, and which of them
        it may read, ``(B, T, S)``.
        """
        first = [q for q, _ in self.pairs]
        second = [kv for _, kv in self.pairs]
        first_here = _chosen(here, first)
        second_here = _chosen(here, second)
        whole = first_here & second_here
        slots = torch.stack(crossed, dim=2)
        if self.residual:
            own = _chosen(ys, first)
            met = torch.where(whole[..., None], slots, 0.0)
            slots = own + met
        # With one modality left no pair is whole: those go on whose rows are (first or only) of the
        # stream left.
        left = first_here if self.residual else second_here
        some_whole = whole.any(dim=2, keepdim=True)
        return slots, torch.where(some_whole, whole, left)

    def _over_slots(self, slots: Tensor, allowed: Tensor) -> Tensor:
        """Attention over the streams of each row, then the mean over those that are there."""
        b, t, s, d = slots.shape
        n_rows = b * t
        rows = slots.reshape(n_rows, s, d)
        keys = allowed.reshape(n_rows, s)
        encoder = self.slot_encoder
        attended = _attend(encoder.attention, rows, keys)
        rows = encoder.norm1(rows + encoder.dropout(attended))
        inner = encoder.inner(rows)
        rows = encoder.norm2(rows + encoder.dropout(inner))
        met = _attend(self.slot_attention, rows, keys)
        rows = rows + met if self.residual else met
        weight = keys[..., None].to(rows.dtype)
        total = (rows * weight).sum(dim=1)
        n_there = weight.sum(dim=1).clamp_min(1)
        mean = total / n_there
        return mean.reshape(b, t, d)

    def _over_rows(self, slots: Tensor) -> Tensor:
        """The released attention over all rows of the batch; the last stream goes on."""
        b, t, s, d = slots.shape
        # (T*B, S, D) read as (sequence, batch, width): the slots are the batch.
        n_rows = t * b
        by_row = slots.transpose(0, 1).reshape(n_rows, s, d)
        rows = by_row.transpose(0, 1)
        rows, _ = self.slot_encoder(rows)
        rows, _ = self.slot_attention(rows, rows)
        last = rows[-1]
        return last.reshape(t, b, d).transpose(0, 1)


def _chosen(streams: Tensors, which: Sequence[int]) -> Tensor:
    """Some of the streams, side by side on axis 2."""
    chosen = [streams[n] for n in which]
    return torch.stack(chosen, dim=2)


def _attend(layer: Attention, rows: Tensor, keys: Tensor) -> Tensor:
    """Attention over the streams of each row; ``rows (N, S, D)``, ``keys (N, S)``."""
    q = layer.q(rows)
    k = layer.k(rows)
    v = layer.v(rows)
    weights = _attention_weights(q, k, keys[:, None, :])
    return layer.out(weights @ v)


def _pairs(n: int, joint: bool) -> list[tuple[int, int]]:
    """(query, key) streams; with two modalities in the published order, whose last is (second,
    joint).
    """
    if joint and n == 2:
        return [(0, 1), (1, 0), (2, 0), (0, 2), (2, 1), (1, 2)]
    n_streams = n + joint
    return list(permutations(range(n_streams), 2))


class Group(NamedTuple):
    """Terms of one kind that lie side by side in the conflict model's embedding."""

    kind: str
    name: str
    #: Where they lie in ``z``.
    at: slice


class Conflict(nn.Module):
    """Conflict-aware fusion (ours): what speaks for, what speaks against, and whether they meet.

    Each modality gives ``sides`` pairs of strengths in (0, 1) per row: one for, one against. The
    first pair is anchored where the recipe names columns of approach and of avoidance (a smile
    against a frown, "I want" against "I can't"); the others are learnt. Besides plain attention
    over the modalities, products of the strengths enter the (linear) score by themselves: *within*
    a modality (for and against at once), *between* two (the one for, the other against), and
    agreement. Terms of an absent modality say nothing: they sit at their mean. With ``terms=False``
    the products are left out: the plain fusion that it is compared with.
    """

    def __init__(
        self,
        modalities: Sequence[str],
        widths: Sequence[int],
        width: int,
        dropout: float,
        sides: int,
        terms: bool,
    ) -> None:
        super().__init__()
        n_modalities = len(widths)
        self.project = _linears(widths, width)
        self.score = nn.Linear(width, 1)
        self.hidden = nn.Linear(width, width)
        self.norm = MaskedBatchNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.sides = _linears(widths, 2 * sides)
        self.terms = terms
        self.pairs: list[tuple[int, int]] = []
        if terms:
            self.pairs += combinations(range(n_modalities), 2)
        #: Every group of terms, in their order in ``z``.
        self.groups: list[Group] = []
        self.width = 0
        self._add("together", "", width)
        self._add_terms(modalities, sides)
        n_terms = self.width - width
        self._add("present", "", n_modalities)
        # Products of numbers in (0, 1) hardly vary; on one scale with the rest they are learnt as
        # fast as it.
        self.term_norm = MaskedBatchNorm(n_terms, eps=1e-3)

    def _add_terms(self, modalities: Sequence[str], sides: int) -> None:
        for name in modalities:
            self._add("own", name, 2 * sides)
        if self.terms:
            for name in modalities:
                self._add("conflict within", name, sides)
        for i, j in self.pairs:
            both = f"{modalities[i]} and {modalities[j]}"
            self._add("conflict", both, sides)
            self._add("agreement", both, sides)

    def _add(self, kind: str, name: str, n: int) -> None:
        """A group of ``n`` terms behind the others."""
        end = self.width + n
        place = slice(self.width, end)
        self.groups.append(Group(kind, name, place))
        self.width = end

    def strengths(self, seen: Seen) -> list[Sides]:
        """Per modality: for and against, ``(B, T, sides)`` each; 0 where it is absent."""
        anchors = seen.anchors or [None] * len(seen.hs)
        here = seen.present.split(1, dim=-1)
        found = []
        scores = _each(self.sides, seen.hs)
        for m, score in enumerate(scores):
            strength = torch.sigmoid(score)
            pro = strength[..., ::2]
            con = strength[..., 1::2]
            anchor = anchors[m]
            if anchor is not None:
                anchored_pro, anchored_con = anchor
                pro = _with_first(anchored_pro, pro)
                con = _with_first(anchored_con, con)
            pro = pro * here[m]
            con = con * here[m]
            found.append((pro, con))
        return found

    def forward(self, seen: Seen, state: Any = None) -> Headed:
        plain = self._plain(seen)
        sides = self.strengths(seen)
        values, there = self._values(sides, seen.present)
        # What an absent modality would say is not "0" but nothing: such terms sit at their mean.
        counted = there & seen.frames[..., None]
        terms = self.term_norm(values, counted) * there
        present = seen.present.to(plain.dtype)
        z = torch.cat([plain, terms, present], dim=-1)
        return z, None

    def _plain(self, seen: Seen) -> Tensor:
        """Attention over the modalities of each row, ``(B, T, width)``."""
        projected = _each(self.project, seen.hs)
        tokens = torch.stack(projected, dim=2)  # B T M H
        scores = self.score(torch.tanh(tokens))
        weights = masked_softmax(scores[..., 0], seen.present)
        weighed = weights[..., None] * tokens
        mixed = weighed.sum(dim=2)
        normed = self.norm(self.hidden(mixed), seen.frames)
        return self.dropout(F.leaky_relu(normed))

    def _values(self, sides: list[Sides], present: Tensor) -> tuple[Tensor, Tensor]:
        """All terms in the order of the groups, and where each is there, ``(B, T, n_terms)``."""
        here = present.split(1, dim=-1)
        values: Tensors = []
        there: Tensors = []

        def add(value: Tensor, where: Tensor) -> None:
            values.append(value)
            there.append(where.expand_as(value))

        for m, pair in enumerate(sides):
            add(torch.cat(pair, dim=-1), here[m])
        if self.terms:
            for m, (pro, con) in enumerate(sides):
                add(pro * con, here[m])
        for i, j in self.pairs:
            pro_i, con_i = sides[i]
            pro_j, con_j = sides[j]
            both = here[i] & here[j]
            conflict = pro_i * con_j + con_i * pro_j
            add(conflict, both)
            agreement = pro_i * pro_j + con_i * con_j
            add(agreement, both)
        all_values = torch.cat(values, dim=-1)
        all_there = torch.cat(there, dim=-1)
        return all_values, all_there


def _with_first(first: Tensor, rows: Tensor) -> Tensor:
    """The rows ``(B, T, n)`` with another first column."""
    others = rows[..., 1:]
    return torch.cat([first, others], dim=-1)
