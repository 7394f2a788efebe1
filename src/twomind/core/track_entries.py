"""A track as an entry of the store: arrays and plain values."""

from __future__ import annotations

from collections.abc import Mapping

from twomind.types import Track
from twomind.types.plain import Array, Foreign, Plain


def track_arrays(track: Track) -> dict[str, Array]:
    """The arrays of a track, by name."""
    assert track.reason_code is not None
    return {
        "values": track.values,
        "times_s": track.times_s,
        "valid": track.valid,
        "reason_code": track.reason_code,
    }


def track_meta(track: Track) -> Plain:
    """The rest of a track, as plain values."""
    return {"names": track.names, "units": track.units, "reasons": track.reasons}


def track_from(arrays: Mapping[str, Array], meta: Mapping[str, Foreign]) -> Track:
    """The track of which :func:`track_arrays` and :func:`track_meta` made an entry."""
    return Track(
        arrays["values"],
        arrays["times_s"],
        arrays["valid"],
        tuple(meta["names"]),
        tuple(meta["units"]),
        tuple(meta["reasons"]),
        arrays["reason_code"],
    )
