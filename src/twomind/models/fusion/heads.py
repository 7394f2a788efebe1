"""Fusion heads: features of several modalities per row → one embedding per row.

All are called as ``head(hs, present, frames, state) -> (z, state)``: ``hs`` one ``(B, T, d_m)`` per
modality (absent rows hold a learned vector), ``present (B, T, M)`` and ``frames (B, T)`` bool, ``z
(B, T, width)``. LFAN, CAN, MT and JMT are the supervised baselines of the BAH data set (ICLR 2026),
written anew from their description; where they depart from the published code, the class says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twomind.models.fusion.tcn import Attention, EncoderLayer, MaskedBatchNorm

#: Kinds of terms that the conflict model has and plain fusion has not.
CONFLICT_TERMS = ("conflict within", "conflict", "agreement")


def masked_softmax(scores: Tensor, allowed: Tensor) -> Tensor:
    """Softmax over the last axis among the allowed entries; all zero where none is."""
    weights = torch.softmax(scores.masked_fill(~allowed, -1e4), dim=-1)
    return weights * allowed


class LFAN(nn.Module):
    """Leader-follower attention: per row, attention over the modalities; the first modality leads.

    An absent modality is no key (published: there is always one).
    """

    def __init__(
        self, widths: Sequence[int], width: int, dropout: float, size: int = 16, n_heads: int = 2
    ) -> None:
        super().__init__()
        self.size, self.n_heads = size, n_heads
        inner = size * n_heads
        self.qkv = nn.ModuleList(nn.Linear(d, 3 * inner) for d in widths)
        self.out = nn.Linear(inner * len(widths), inner * len(widths))
        self.norm = nn.LayerNorm(inner * len(widths))
        self.dropout = nn.Dropout(dropout)
        self.width = widths[0] + inner * len(widths)

    def forward(
        self,
        hs: list[Tensor],
        present: Tensor,
        frames: Tensor,
        state: Any = None,
        anchors: Any = None,
    ) -> tuple[Tensor, Any]:
        b, t, m = present.shape
        stacked = torch.stack(
            [layer(h) for layer, h in zip(self.qkv, hs, strict=True)], dim=2
        )  # B T M 3hd
        q, k, v = stacked.reshape(b, t, m, 3, self.n_heads, self.size).permute(
            3, 0, 1, 4, 2, 5
        )  # each B T h M d
        weights = masked_softmax(
            q @ k.transpose(-1, -2) / self.size**0.5, present[:, :, None, None, :]
        )
        mixed = (weights @ v + v).transpose(2, 3).reshape(b, t, -1)
        follower = self.norm(self.dropout(self.out(mixed)))
        return torch.cat([hs[0], follower], dim=-1), None


class CAN(nn.Module):
    """Channel attention: a softmax over all channels of all modalities weighs the channels.

    Channels of an absent modality take no part (published: there is always one).
    """

    def __init__(self, widths: Sequence[int], width: int, dropout: float) -> None:
        super().__init__()
        total = width * len(widths)
        self.project = nn.ModuleList(nn.Linear(d, width) for d in widths)
        self.attend = nn.Linear(total, total)
        self.mix = nn.Linear(total, total)
        self.norm = MaskedBatchNorm(total)
        self.width = total

    def forward(
        self,
        hs: list[Tensor],
        present: Tensor,
        frames: Tensor,
        state: Any = None,
        anchors: Any = None,
    ) -> tuple[Tensor, Any]:
        c = torch.cat([layer(h) for layer, h in zip(self.project, hs, strict=True)], dim=-1)
        here = present.repeat_interleave(c.shape[-1] // present.shape[-1], dim=-1)
        weighed = masked_softmax(self.attend(c * here), here) * c
        return F.leaky_relu(self.norm(self.mix(weighed), frames)), None


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
        self.project = nn.ModuleList(nn.Linear(d, width) for d in widths[: self.used])
        self.joint = nn.Linear(self.used * width, width) if joint else None
        n = self.used + bool(joint)
        self.encode = nn.ModuleList(EncoderLayer(width, look_back, dropout) for _ in range(n))
        self.pairs = _pairs(self.used, joint)
        self.cross = nn.ModuleList(Attention(width, look_back) for _ in self.pairs)
        self.slot_encoder = EncoderLayer(width, None, dropout)
        self.slot_attention = Attention(width, None)
        self.fc = nn.Linear(width, width)
        self.norm = MaskedBatchNorm(width)
        self.released = released
        self.residual = residual and not released
        self.width = width

    def forward(
        self,
        hs: list[Tensor],
        present: Tensor,
        frames: Tensor,
        state: Any = None,
        anchors: Any = None,
    ) -> tuple[Tensor, Any]:
        streams = [layer(h) for layer, h in zip(self.project, hs, strict=False)]
        here = [present[..., m] for m in range(self.used)]
        if self.joint is not None:
            streams.append(self.joint(torch.cat(streams, dim=-1)))
            here.append(present.any(dim=-1))
        old = state or {"encode": [None] * len(streams), "cross": [None] * len(self.pairs)}
        encoded = [
            layer(s, o) for layer, s, o in zip(self.encode, streams, old["encode"], strict=True)
        ]
        ys = [y for y, _ in encoded]
        crossed = [
            layer(ys[q], ys[kv], o)
            for layer, (q, kv), o in zip(self.cross, self.pairs, old["cross"], strict=True)
        ]
        after = {"encode": [s for _, s in encoded], "cross": [s for _, s in crossed]}
        slots = torch.stack([y for y, _ in crossed] or ys, dim=2)  # B T S D
        if self.released:
            return self._head(self._over_rows(slots), frames), after
        allowed = torch.stack([here[q] & here[kv] for q, kv in self.pairs] or here, dim=2)
        if self.residual and self.pairs:
            own = torch.stack([ys[q] for q, _ in self.pairs], dim=2)
            slots = own + torch.where(allowed[..., None], slots, 0.0)
        # With one modality left no pair is whole: those go on whose rows are (first or only) of the
        # stream left.
        read = torch.stack(
            [here[q if self.residual else kv] for q, kv in self.pairs] or here, dim=2
        )
        allowed = torch.where(allowed.any(dim=2, keepdim=True), allowed, read)
        return self._head(self._over_slots(slots, allowed), frames), after

    def _over_slots(self, slots: Tensor, allowed: Tensor) -> Tensor:
        b, t, s, d = slots.shape
        rows, keys = slots.reshape(b * t, s, d), allowed.reshape(b * t, s)
        e, a = self.slot_encoder, self.slot_attention
        rows = e.norm1(rows + e.dropout(_attend(e.attention, rows, keys)))
        rows = e.norm2(rows + e.dropout(e.inner(rows)))
        met = _attend(a, rows, keys)
        rows = rows + met if self.residual else met
        weight = keys[..., None].to(rows.dtype)
        mean = (rows * weight).sum(dim=1) / weight.sum(dim=1).clamp_min(1)
        return mean.reshape(b, t, d)

    def _over_rows(self, slots: Tensor) -> Tensor:
        b, t, s, d = slots.shape
        # (T*B, S, D) read as (sequence, batch, width): the slots are the batch.
        rows = slots.transpose(0, 1).reshape(t * b, s, d).transpose(0, 1)
        rows, _ = self.slot_encoder(rows)
        rows, _ = self.slot_attention(rows, rows)
        return rows[-1].reshape(t, b, d).transpose(0, 1)

    def _head(self, x: Tensor, frames: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.fc(x), frames))


def _attend(layer: Attention, rows: Tensor, keys: Tensor) -> Tensor:
    """Attention over the streams of each row; ``rows (N, S, D)``, ``keys (N, S)``."""
    q, k, v = layer.q(rows), layer.k(rows), layer.v(rows)
    weights = masked_softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, keys[:, None, :])
    return layer.out(weights @ v)


def _pairs(n: int, joint: bool) -> list[tuple[int, int]]:
    """(query, key) streams; with two modalities in the published order, whose last is (second,
    joint).
    """
    if not joint:
        return list(permutations(range(n), 2))
    if n == 2:
        return [(0, 1), (1, 0), (2, 0), (0, 2), (2, 1), (1, 2)]
    return list(permutations(range(n + 1), 2))


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
        m = len(widths)
        self.project = nn.ModuleList(nn.Linear(d, width) for d in widths)
        self.score = nn.Linear(width, 1)
        self.hidden = nn.Linear(width, width)
        self.norm = MaskedBatchNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.sides = nn.ModuleList(nn.Linear(d, 2 * sides) for d in widths)
        self.pairs = [(i, j) for i in range(m) for j in range(i + 1, m)] if terms else []
        self.terms = terms
        between = [(modalities[i], modalities[j]) for i, j in self.pairs]
        groups = [("together", "", width)]
        groups += [("own", name, 2 * sides) for name in modalities]
        groups += [("conflict within", name, sides) for name in modalities if terms]
        groups += [
            (kind, f"{a} and {b}", sides) for a, b in between for kind in ("conflict", "agreement")
        ]
        groups += [("present", "", m)]
        #: ``(kind, name, slice of z)`` of every group of terms.
        self.groups: list[tuple[str, str, slice]] = []
        at = 0
        for kind, name, n in groups:
            self.groups.append((kind, name, slice(at, at + n)))
            at += n
        self.width = at
        # Products of numbers in (0, 1) hardly vary; on one scale with the rest they are learnt as
        # fast as it.
        self.term_norm = MaskedBatchNorm(at - width - m, eps=1e-3)

    def strengths(
        self, hs: list[Tensor], present: Tensor, anchors: Any
    ) -> list[tuple[Tensor, Tensor]]:
        """Per modality: for and against, ``(B, T, sides)`` each; 0 where it is absent."""
        found = []
        for m, (layer, h) in enumerate(zip(self.sides, hs, strict=True)):
            both = torch.sigmoid(layer(h))
            pro, con = both[..., ::2], both[..., 1::2]
            if anchors and anchors[m] is not None:
                pro, con = (
                    torch.cat([a, side[..., 1:]], dim=-1)
                    for a, side in zip(anchors[m], (pro, con), strict=True)
                )
            found.append((pro * present[..., m : m + 1], con * present[..., m : m + 1]))
        return found

    def forward(
        self,
        hs: list[Tensor],
        present: Tensor,
        frames: Tensor,
        state: Any = None,
        anchors: Any = None,
    ) -> tuple[Tensor, Any]:
        tokens = torch.stack(
            [layer(h) for layer, h in zip(self.project, hs, strict=True)], dim=2
        )  # B T M H
        weights = masked_softmax(self.score(torch.tanh(tokens))[..., 0], present)
        plain = (weights[..., None] * tokens).sum(dim=2)
        plain = self.dropout(F.leaky_relu(self.norm(self.hidden(plain), frames)))
        found = self.strengths(hs, present, anchors)
        here = [present[..., m : m + 1] for m in range(len(found))]
        parts = [(torch.cat(pair, dim=-1), here[m]) for m, pair in enumerate(found)]
        if self.terms:
            parts += [(pro * con, here[m]) for m, (pro, con) in enumerate(found)]
        for i, j in self.pairs:
            (pro_i, con_i), (pro_j, con_j) = found[i], found[j]
            parts.append((pro_i * con_j + con_i * pro_j, here[i] & here[j]))
            parts.append((pro_i * pro_j + con_i * con_j, here[i] & here[j]))
        there = torch.cat([h.expand_as(x) for x, h in parts], dim=-1)
        # What an absent modality would say is not "0" but nothing: such terms sit at their mean.
        terms = (
            self.term_norm(torch.cat([x for x, _ in parts], dim=-1), there & frames[..., None])
            * there
        )
        return torch.cat([plain, terms, present.to(plain.dtype)], dim=-1), None
