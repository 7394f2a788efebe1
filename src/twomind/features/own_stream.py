"""Values relative to what a person was like so far: the causal running median of an ordered stream
of their recordings.

A recording's values then depend on the recordings before it. That is never done silently: the
stream is an explicit, ordered list, and a recording with too few before it has no such value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from twomind.types import Recording, Track
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


@dataclass(frozen=True)
class OwnStream:
    """The recordings of the person that came before this one, in order."""

    before: tuple[Recording, ...]


def less_earlier(track: Track, earlier: Sequence[Track], raw: tuple[str, ...]) -> Track:
    """A recording's rows less the running median of the person's recordings before it.

    The median is over the medians of the recordings, each over its valid rows.

    Args:
        track: of the recording.
        earlier: the same track of each recording before it.
        raw: columns that stay as measured.

    Returns:
        The rows; none is valid before the warm-up is over, and the reason says so.

    Example:
        >>> import numpy as np
        >>> from twomind.features.own_stream import less_earlier
        >>> from twomind.types import Track
        >>> def row(value):
        ...     return Track(np.array([[value]]), np.zeros(1), np.ones(1, bool), ("f0",), ("Hz",))
        >>> less_earlier(row(130.0), [row(110.0 + k) for k in range(5)], raw=()).values.tolist()
        [[18.0]]
        >>> less_earlier(row(130.0), [row(110.0)], raw=()).reasons[1]
        'warm-up: 1 of 5 recordings of the person come before'
    """
    if len(earlier) < N_WARM_UP:
        why = f"warm-up: {len(earlier)} of {N_WARM_UP} recordings of the person come before"
        unknown = np.full(track.values.shape, np.nan)
        code = np.ones(len(track), np.uint8)
        nowhere = np.zeros(len(track), bool)
        return Track(unknown, track.times_s, nowhere, track.names, track.units, ("", why), code)
    values = np.array(track.values, float)
    for k, name in enumerate(track.names):
        if name not in raw:
            values[:, k] -= _usual(earlier, name)
    return replace(track, values=values)


def _usual(earlier: Sequence[Track], name: str) -> float:
    """The median over earlier recordings; nan where too few have the measure."""
    medians = []
    for track in earlier:
        if name not in track.names:
            continue
        values = track.column(name)[track.valid]
        known = values[np.isfinite(values)]
        if len(known):
            medians.append(float(np.median(known)))
    return float(np.median(medians)) if len(medians) >= N_WARM_UP else math.nan
