"""Values relative to what a person was like so far: the causal running median of an ordered stream
of their recordings.

A recording's values then depend on the recordings before it. That is never done silently: the
stream is an explicit, ordered list, and a recording with too few before it has no such value.
"""

from __future__ import annotations

import numpy as np

from twomind.types.plain import Array

#: Recordings of the person that must come before one that is compared with them.
N_WARM_UP = 5


def less_running_median(values: Array, n_warm_up: int = N_WARM_UP) -> tuple[Array, Array]:
    """Each recording's values less the median over all recordings before it.

    Args:
        values: of one person's recordings in the order of the stream ``(N, D)``; nan where a
            measure could not be taken.
        n_warm_up: recordings that must come before; for each measure, known ones.

    Returns:
        The differences ``(N, D)``, nan where too few known values come before, and which
        recordings are past the warm-up ``(N,)``.
    """
    relative = np.full(values.shape, np.nan)
    for n in range(n_warm_up, len(values)):
        before = values[:n]
        known = np.isfinite(before).sum(axis=0)
        enough = known >= n_warm_up
        middle = np.nanmedian(before[:, enough], axis=0)
        relative[n, enough] = values[n, enough] - middle
    past = np.arange(len(values)) >= n_warm_up
    return relative, past
