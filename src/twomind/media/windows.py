"""Where the windows of a recording begin and end: the one place that counts them. It slices and
pads nothing.
"""

from __future__ import annotations

import math

from twomind.core.errors import BadInput

#: A shorter rest is rounding, not time.
_LEAST_S = 1e-6


def n_windows(
    total_s: float, length_s: float, hop_s: float | None = None, min_share: float = 0.5
) -> int:
    """How many windows of ``length_s`` every ``hop_s`` seconds (None: end to end) ``total_s``
    seconds hold; at least 1.

    A last one that does not fit whole counts when at least ``min_share`` of it does: 1 keeps whole
    windows only, 0 any rest.

    Raises:
        BadInput: a length that is not positive, or a hop below it (windows may not overlap).
    """
    if not (math.isfinite(length_s) and length_s > 0):
        raise BadInput(f"windows: expected length_s of more than 0 s, got {length_s}")
    hop_s = length_s if hop_s is None else hop_s
    if not hop_s >= length_s:
        raise BadInput(
            f"windows: expected hop_s >= length_s, got hop_s={hop_s}, length_s={length_s}: "
            "overlapping windows show a "
            "method the same moment twice, and count it twice"
        )
    # The tolerance keeps 3 x 0.1 s from losing a window to rounding.
    return max(math.floor((total_s - max(min_share * length_s, _LEAST_S)) / hop_s + 1e-9) + 1, 1)


def window_spans(
    span_s: tuple[float, float], length_s: float, hop_s: float | None = None, min_share: float = 0.5
) -> list[tuple[float, float]]:
    """``[start, end)`` of each window of ``span_s``, in order of time; none ends after ``span_s``
    does.

    Edges are rounded, so that where one window ends is to the last bit where the next begins: no
    row falls between two.
    """
    start_s, end_s = span_s
    hop = length_s if hop_s is None else hop_s
    n = n_windows(end_s - start_s, length_s, hop_s, min_share)
    starts = [round(start_s + i * hop, 9) if i else start_s for i in range(n)]
    return [(s, min(round(s + length_s, 9), end_s)) for s in starts]
