"""Causal parts that stream: dilated convolutions with left context, batch norm over real frames,
windowed attention.

Every part is called as ``part(x, state) -> (y, state)``; ``state`` is None at the start of a
recording, and holds the rows of the past that the next chunk needs. A whole recording is one chunk,
so there is one code path.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from twomind.core.errors import MissingExtra

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "fusion models") from error


class CausalConv(nn.Module):
    """Weight-normed 1-D convolution that sees ``(kernel - 1) * dilation`` rows of the past and none
    of the future.
    """

    def __init__(self, n_in: int, n_out: int, kernel: int, dilation: int) -> None:
        super().__init__()
        v = torch.empty(n_out, n_in, kernel)
        nn.init.kaiming_uniform_(v, a=math.sqrt(5))
        self.v = nn.Parameter(v)
        self.g = nn.Parameter(v.flatten(1).norm(dim=1))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.dilation = dilation
        self.left = (kernel - 1) * dilation

    def forward(self, x: Tensor, left: Tensor | None) -> tuple[Tensor, Tensor]:
        """``x (B, n_in, T)`` → ``(B, n_out, T)`` and the left context of the next chunk."""
        if left is None:
            left = x.new_zeros(x.shape[0], x.shape[1], self.left)
        full = torch.cat([left, x], dim=-1)
        norm = self.v.flatten(1).norm(dim=1).clamp_min(1e-12)
        weight = self.v * (self.g / norm)[:, None, None]
        return F.conv1d(full, weight, self.bias, dilation=self.dilation), full[
            ..., full.shape[-1] - self.left :
        ]


class MaskedBatchNorm(nn.Module):
    """Batch norm over the channels of ``(B, T, D)``; padded rows do not count. At evaluation: the
    running numbers.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))
        self.momentum, self.eps = momentum, eps

    def forward(self, x: Tensor, frames: Tensor) -> Tensor:
        """``x (B, T, D)``; ``frames (B, T)`` true for real rows, or ``(B, T, D)`` for columns that
        a row really has.
        """
        if self.training:
            weight = (frames if frames.ndim == 3 else frames[..., None]).float()
            n = weight.sum(dim=(0, 1))
            value = x.float()
            mean = (value * weight).sum(dim=(0, 1)) / n.clamp_min(1)
            var = ((value - mean) ** 2 * weight).sum(dim=(0, 1)) / n.clamp_min(1)
            with torch.no_grad():
                pace = (
                    self.momentum * (n > 1).float()
                )  # a column that nobody in the batch has teaches nothing
                self.running_mean += pace * (mean.detach() - self.running_mean)
                self.running_var += pace * (var.detach() - self.running_var)
        else:
            mean, var = self.running_mean, self.running_var
        scale = self.weight * torch.rsqrt(var + self.eps)
        return (x - mean) * scale + self.bias


class Block(nn.Module):
    """Two dilated convolutions with a residual (1x1 where the width changes)."""

    def __init__(self, n_in: int, n_out: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.first = CausalConv(n_in, n_out, kernel, dilation)
        self.second = CausalConv(n_out, n_out, kernel, dilation)
        self.skip = nn.Conv1d(n_in, n_out, 1) if n_in != n_out else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, state: Any) -> tuple[Tensor, list[Tensor]]:
        a, b = state or (None, None)
        y, a = self.first(x, a)
        y, b = self.second(self.dropout(F.leaky_relu(y)), b)
        return self.dropout(F.leaky_relu(y)) + self.skip(x), [a, b]


class TCN(nn.Module):
    """Causal temporal convolutions, dilation 2^i, then batch norm, as in the BAH baselines (ICLR
    2026).
    """

    def __init__(self, n_in: int, channels: Sequence[int], kernel: int, dropout: float) -> None:
        super().__init__()
        widths = [n_in, *channels]
        self.blocks = nn.ModuleList(
            Block(a, b, kernel, 2**i, dropout) for i, (a, b) in enumerate(pairwise(widths))
        )
        self.norm = MaskedBatchNorm(widths[-1])

    def forward(self, x: Tensor, frames: Tensor, state: Any = None) -> tuple[Tensor, list[Any]]:
        """``x (B, n_in, T)`` → ``(B, T, D)``."""
        after = []
        for i, block in enumerate(self.blocks):
            x, kept = block(x, state[i] if state else None)
            after.append(kept)
        return self.norm(x.transpose(1, 2), frames), after


def receptive_field(n_blocks: int, kernel: int) -> int:
    """Rows that one output row of the TCN sees."""
    return 1 + 2 * (kernel - 1) * (2**n_blocks - 1)


def lately(present: Tensor, hold: int, state: Tensor | None) -> tuple[Tensor, Tensor]:
    """Whether any of the last ``hold`` rows (this one included) was measured, ``(B, T)`` bool."""
    past = present.new_zeros(present.shape[0], hold - 1) if state is None else state
    full = torch.cat([past, present], dim=1)
    seen = F.max_pool1d(full.float()[:, None], hold, stride=1)[:, 0] > 0
    return seen, full[:, full.shape[1] - (hold - 1) :]


class Anchor(nn.Module):
    """How strongly chosen columns were up in the last seconds, in (0, 1): more of a column is never
    less of it.

    A non-negative sum of columns, averaged over three windows that end now, through a logistic
    curve. So few numbers that what it means stays what its columns mean.
    """

    def __init__(self, n_columns: int, windows: Sequence[int]) -> None:
        super().__init__()
        self.columns = nn.Parameter(torch.zeros(n_columns))
        self.times = nn.Parameter(torch.zeros(len(windows)))
        self.steepness = nn.Parameter(torch.tensor(1.0))
        self.threshold = nn.Parameter(torch.tensor(0.5))
        self.windows = tuple(windows)

    def forward(self, z: Tensor, left: Tensor | None) -> tuple[Tensor, Tensor]:
        """``z (B, T, n_columns)`` standardised, 0 where not measured → ``(B, T, 1)``."""
        total = z @ (F.softplus(self.columns) / z.shape[-1] ** 0.5)
        longest = max(self.windows)
        past = total.new_zeros(total.shape[0], longest - 1) if left is None else left
        full = torch.cat([past, total], dim=1)
        means = torch.stack(
            [F.avg_pool1d(full[:, None, longest - w :], w, stride=1)[:, 0] for w in self.windows],
            dim=-1,
        )
        level = means @ torch.softmax(self.times, dim=0)
        y = torch.sigmoid(F.softplus(self.steepness) * (level - self.threshold) * 2)
        return y[..., None], full[:, full.shape[1] - (longest - 1) :]


class Attention(nn.Module):
    """One-head attention over time. Causal within ``window`` rows, or over all rows when ``window``
    is None.
    """

    def __init__(self, width: int, window: int | None) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.window = window

    def forward(self, q: Tensor, kv: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """``q, kv (B, T, D)`` → ``(B, T, D)`` and the rows of ``kv`` that the next chunk may look
        back at.
        """
        full = kv if state is None else torch.cat([state, kv], dim=1)
        n, total = q.shape[1], full.shape[1]
        allowed = None
        if self.window is not None:
            row = torch.arange(total - n, total, device=q.device)[:, None]
            column = torch.arange(total, device=q.device)[None]
            allowed = (column <= row) & (column > row - self.window)
        y = F.scaled_dot_product_attention(self.q(q), self.k(full), self.v(full), attn_mask=allowed)
        keep = (self.window or 1) - 1
        return self.out(y), full[:, max(total - keep, 0) :]


class EncoderLayer(nn.Module):
    """Post-norm transformer layer with one head."""

    def __init__(self, width: int, window: int | None, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, window)
        self.inner = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y, kept = self.attention(x, x, state)
        x = self.norm1(x + self.dropout(y))
        return self.norm2(x + self.dropout(self.inner(x))), kept
