"""Causal parts that stream: dilated convolutions with left context, batch norm over real frames,
windowed attention.

Every part is called as ``part(x, state) -> (y, state)``; ``state`` is None at the start of a
recording, and holds the rows of the past that the next chunk needs. A whole recording is one chunk,
so there is one code path.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from twomind.core.errors import MissingExtra

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "fusion models") from error


#: What a part returns: its rows, and the state that the next chunk continues from.
Streamed = tuple[Tensor, Any]


class CausalConv(nn.Module):
    """Weight-normed 1-D convolution that sees ``(kernel - 1) * dilation`` rows of the past and none
    of the future.
    """

    def __init__(self, n_in: int, n_out: int, kernel: int, dilation: int) -> None:
        super().__init__()
        v = torch.empty(n_out, n_in, kernel)
        nn.init.kaiming_uniform_(v, a=math.sqrt(5))
        self.v = nn.Parameter(v)
        length = v.flatten(1).norm(dim=1)
        self.g = nn.Parameter(length)
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.dilation = dilation
        self.left = (kernel - 1) * dilation

    def forward(self, x: Tensor, left: Tensor | None) -> Streamed:
        """``x (B, n_in, T)`` → ``(B, n_out, T)`` and the left context of the next chunk."""
        if left is None:
            n_batch, n_in, _ = x.shape
            left = x.new_zeros(n_batch, n_in, self.left)
        full = torch.cat([left, x], dim=-1)
        norm = self.v.flatten(1).norm(dim=1)
        scale = self.g / norm.clamp_min(1e-12)
        weight = self.v * scale[:, None, None]
        y = F.conv1d(full, weight, self.bias, dilation=self.dilation)
        start = full.shape[-1] - self.left
        return y, full[..., start:]


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
        self.momentum = momentum
        self.eps = eps

    def forward(self, x: Tensor, frames: Tensor) -> Tensor:
        """``x (B, T, D)``; ``frames (B, T)`` true for real rows, or ``(B, T, D)`` for columns that
        a row really has.
        """
        if self.training:
            if frames.ndim == 2:
                frames = frames[..., None]
            mean, var = self._of_batch(x.float(), frames.float())
        else:
            mean, var = self.running_mean, self.running_var
        shrink = torch.rsqrt(var + self.eps)
        scale = self.weight * shrink
        return (x - mean) * scale + self.bias

    def _of_batch(self, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the batch's real rows ``(D,)``; the running numbers follow them."""
        n = weight.sum(dim=(0, 1))
        n_real = n.clamp_min(1)
        total = (x * weight).sum(dim=(0, 1))
        mean = total / n_real
        squares = (x - mean) ** 2 * weight
        var = squares.sum(dim=(0, 1)) / n_real
        with torch.no_grad():
            # A column that nobody in the batch has teaches nothing.
            known = n > 1
            pace = self.momentum * known.float()
            mean_change = mean.detach() - self.running_mean
            var_change = var.detach() - self.running_var
            self.running_mean += pace * mean_change
            self.running_var += pace * var_change
        return mean, var


class Block(nn.Module):
    """Two dilated convolutions with a residual (1x1 where the width changes)."""

    def __init__(self, n_in: int, n_out: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.first = CausalConv(n_in, n_out, kernel, dilation)
        self.second = CausalConv(n_out, n_out, kernel, dilation)
        self.skip: nn.Module = nn.Identity()
        if n_in != n_out:
            self.skip = nn.Conv1d(n_in, n_out, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, state: Any) -> Streamed:
        a, b = state or (None, None)
        y, a = self.first(x, a)
        y = self.dropout(F.leaky_relu(y))
        y, b = self.second(y, b)
        y = self.dropout(F.leaky_relu(y))
        return y + self.skip(x), [a, b]


class TCN(nn.Module):
    """Causal temporal convolutions, dilation 2^i, then batch norm, as in the BAH baselines (ICLR
    2026).
    """

    def __init__(self, n_in: int, channels: Sequence[int], kernel: int, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        width = n_in
        for i, n_out in enumerate(channels):
            dilation = 2**i
            block = Block(width, n_out, kernel, dilation, dropout)
            self.blocks.append(block)
            width = n_out
        self.norm = MaskedBatchNorm(width)

    def forward(self, x: Tensor, frames: Tensor, state: Any = None) -> Streamed:
        """Rows ``(B, T, D)`` of a chunk.

        Args:
            x: Columns first, ``(B, n_in, T)``.
            frames: Rows that count in the normalisation, ``(B, T)`` bool.
            state: What the chunk before returned; None at the start.
        """
        after = []
        for i, block in enumerate(self.blocks):
            before = state[i] if state else None
            x, kept = block(x, before)
            after.append(kept)
        rows = x.transpose(1, 2)
        return self.norm(rows, frames), after


def receptive_field(n_blocks: int, kernel: int) -> int:
    """Rows that one output row of the TCN sees."""
    per_convolution = (kernel - 1) * (2**n_blocks - 1)
    return 1 + 2 * per_convolution


def lately(present: Tensor, hold: int, state: Tensor | None) -> Streamed:
    """Whether any of the last ``hold`` rows (this one included) was measured, ``(B, T)`` bool.

    Args:
        present: Whether each row was measured, ``(B, T)`` bool.
        hold: Rows.
        state: What the chunk before returned; None at the start.
    """
    full = _after_past(present, hold - 1, state)
    channel = full.float()[:, None]
    highest = F.max_pool1d(channel, hold, stride=1)
    seen = highest[:, 0] > 0
    return seen, _last_rows(full, hold - 1)


def _after_past(rows: Tensor, n: int, past: Tensor | None) -> Tensor:
    """Rows ``(B, T)`` behind the ``n`` rows of the past; at the start of a recording those are
    zero.
    """
    if past is None:
        past = rows.new_zeros(rows.shape[0], n)
    return torch.cat([past, rows], dim=1)


def _last_rows(rows: Tensor, n: int) -> Tensor:
    start = max(rows.shape[1] - n, 0)
    return rows[:, start:]


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

    def forward(self, z: Tensor, left: Tensor | None) -> Streamed:
        """``z (B, T, n_columns)`` standardised, 0 where not measured → ``(B, T, 1)``."""
        n_columns = z.shape[-1]
        share = F.softplus(self.columns) / n_columns**0.5
        longest = max(self.windows)
        total = z @ share
        full = _after_past(total, longest - 1, left)
        means = []
        for window in self.windows:
            rows = full[:, None, longest - window :]
            mean = F.avg_pool1d(rows, window, stride=1)
            means.append(mean[:, 0])
        shares = torch.softmax(self.times, dim=0)
        level = torch.stack(means, dim=-1) @ shares
        steepness = F.softplus(self.steepness)
        above = level - self.threshold
        y = torch.sigmoid(steepness * above * 2)
        past = _last_rows(full, longest - 1)
        return y[..., None], past


class Attention(nn.Module):
    """One-head attention over time. Causal within ``window`` rows, or over all rows when ``window``
    is None.
    """

    def __init__(self, width: int, window: int | None) -> None:
        super().__init__()
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.window = window

    def forward(self, q: Tensor, kv: Tensor, state: Tensor | None = None) -> Streamed:
        """Rows ``(B, T, D)``, and the rows of ``kv`` that the next chunk may look back at.

        Args:
            q: The rows that look, ``(B, T, D)``.
            kv: The rows that they look at, ``(B, T, D)``.
            state: What the chunk before returned; None at the start.
        """
        full = kv
        if state is not None:
            full = torch.cat([state, kv], dim=1)
        n = q.shape[1]
        total = full.shape[1]
        allowed = self._allowed(n, total, q.device)
        query = self.q(q)
        key = self.k(full)
        value = self.v(full)
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        keep = self.window - 1 if self.window else 0
        return self.out(y), _last_rows(full, keep)

    def _allowed(self, n: int, total: int, device: torch.device) -> Tensor | None:
        """Which of the ``total`` rows the last ``n`` may look at; None: all."""
        if self.window is None:
            return None
        row = torch.arange(total - n, total, device=device)
        column = torch.arange(total, device=device)
        back = row[:, None] - column[None]
        return (back >= 0) & (back < self.window)


class EncoderLayer(nn.Module):
    """Post-norm transformer layer with one head."""

    def __init__(self, width: int, window: int | None, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, window)
        first = nn.Linear(width, width)
        second = nn.Linear(width, width)
        between = (nn.ReLU(), nn.Dropout(dropout))
        self.inner = nn.Sequential(first, *between, second)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, state: Tensor | None = None) -> Streamed:
        y, kept = self.attention(x, x, state)
        attended = self.dropout(y)
        x = self.norm1(x + attended)
        inner = self.dropout(self.inner(x))
        return self.norm2(x + inner), kept
