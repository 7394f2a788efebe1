"""Cut one recording's features into windows, in order of time. It only slices; nothing is resampled or padded."""

from __future__ import annotations

import math

from twomind.types import Features


def windows(
    features: Features, length_s: float, hop_s: float | None = None, *, keep_rest: bool = True
) -> list[Features]:
    """Windows of ``length_s`` every ``hop_s`` seconds (None: end to end), each ``[start, start + length)``.

    The last window ends with the recording; with ``keep_rest`` a shorter one is kept when it holds time that no whole
    window covers. A recording shorter than one window is one window.

    Raises:
        ValueError: a length or hop that is not positive, or a hop longer than the window (it would skip time).
    """
    hop_s = length_s if hop_s is None else hop_s
    if not (math.isfinite(length_s) and 0 < hop_s <= length_s):
        raise ValueError(f"windows: expected 0 < hop_s <= length_s, got length_s={length_s}, hop_s={hop_s}")
    start_s, end_s = features.span_s
    total_s = end_s - start_s
    # The tolerance keeps 3 x 0.1 s from losing a window to rounding.
    n_whole = math.floor((total_s - length_s) / hop_s + 1e-9) + 1 if total_s >= length_s - 1e-9 else 0
    # Rounded, so that where one window ends is to the last bit where the next begins: no row is in both or in neither.
    starts = [round(start_s + i * hop_s, 9) if i else start_s for i in range(n_whole)]
    cut = [features.between(s, min(round(s + length_s, 9), end_s)) for s in starts]
    covered_s = cut[-1].span_s[1] if cut else start_s
    if (keep_rest or not cut) and end_s - covered_s > 1e-6:
        cut.append(features.between(round(starts[-1] + hop_s, 9) if starts else start_s, end_s))
    return cut
