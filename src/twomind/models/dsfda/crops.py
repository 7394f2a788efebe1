"""Aligned pictures of the target person's face, sampled by time: what DSFDA reads of a film.

They are pictures of a person, so they are made anew each time and never kept in the store.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from twomind.core.errors import BadInput
from twomind.datasets.frames import FrameFolder, which_faces
from twomind.features.face.align import aligned
from twomind.features.face.tracker import Tracker
from twomind.features.face.tracker_mesh import MeshFinder
from twomind.media import stream as media
from twomind.types import Features, Recording, Track

#: The name of the track.
TRACK = "face_crop"
#: Forehead to chin, as the crops that models are trained on.
TEMPLATE = "mesh"
#: A frame that comes this much too early is still the one that is due.
_EARLY_S = 1e-6


def pictures_of(
    film: Path, folder: FrameFolder | None, px: int, hop_s: float, faces: str = "auto"
) -> Track:
    """Face crops of a recording: those that are there, else those of its film.

    Args:
        film: may be absent where there are crops.
        folder: the crops; None: there are none.
        px: side of a crop in pixels.
        hop_s: at most one frame per this many seconds.
        faces: ``crops`` or ``film`` leaves the other one out.

    Raises:
        BadInput: neither is there, or nothing in it can be read.
    """
    chosen = which_faces(faces, folder is not None, film.is_file())
    if chosen == "film":
        return face_crops(film, px, hop_s)
    if not chosen or folder is None:
        raise BadInput(
            f"{film}: expected a film or a folder of face crops, found neither ({faces})"
        )
    track = folder.track((px, px))
    rows = thinned(track.times_s, hop_s)
    code = None if track.reason_code is None else track.reason_code[rows]
    found = Track(
        track.values[rows],
        track.times_s[rows],
        track.valid[rows],
        reasons=track.reasons,
        reason_code=code,
    )
    if not len(found):
        raise BadInput(f"{folder.folder}: no frame has a time")
    return found


def with_crops(x: Features, recording: Recording, px: int, hop_s: float) -> Features:
    """Features with the track of face crops, made anew from the recording; a recording without
    pictures gets a note instead.

    Args:
        x: what was measured of it.
        recording: where its film lies.
        px: side of a crop in pixels.
        hop_s: at most one frame per this many seconds.

    Raises:
        MissingExtra: MediaPipe is not installed.
    """
    if TRACK in x.tracks:
        return x
    try:
        crops = face_crops(recording.media, px, hop_s)
    except BadInput as error:
        return replace(x, notes={**x.notes, TRACK: str(error)})
    return replace(x, tracks={**x.tracks, TRACK: crops})


def evenly(rows: np.ndarray, limit: int) -> np.ndarray:
    """At most ``limit`` of some rows, evenly spaced, in order.

    >>> evenly(np.arange(10), 3)
    array([0, 4, 9])
    """
    if len(rows) <= limit:
        return rows
    chosen = np.linspace(0, len(rows) - 1, limit).round().astype(int)
    found: np.ndarray = rows[chosen]
    return found


def thinned(times_s: np.ndarray, hop_s: float) -> np.ndarray:
    """Rows at most one per ``hop_s``, the first of each; those without a time are left out."""
    known = np.flatnonzero(np.isfinite(times_s))
    steps = np.floor((times_s[known] + _EARLY_S) / hop_s)
    _, first = np.unique(steps, return_index=True)
    return known[np.sort(first)]


def face_crops(film: Path, px: int, hop_s: float) -> Track:
    """RGB crops ``(T, px, px, 3)`` uint8 of a film, one per sampled frame.

    A frame in which the target's face is not found is black and not valid, with the reason.

    Args:
        film: a media file.
        px: side of a crop in pixels.
        hop_s: at most one frame per this many seconds.

    Raises:
        BadInput: no frame can be decoded.
        MissingExtra: MediaPipe is not installed.
    """
    finder = MeshFinder()
    try:
        crops, times_s, reasons = _crops(film, Tracker(finder), px, hop_s)
    finally:
        finder.close()
    if not crops:
        raise BadInput(f"{film}: no frame could be decoded; the file is damaged, or has no video")
    names = ("", *sorted({reason for reason in reasons if reason}))
    codes = np.array([names.index(reason) for reason in reasons], np.uint8)
    valid = codes == 0
    return Track(np.stack(crops), np.array(times_s), valid, reasons=names, reason_code=codes)


def _crops(
    film: Path, tracker: Tracker, px: int, hop_s: float
) -> tuple[list[np.ndarray], list[float], list[str]]:
    """Crop, time and reason ("": there is a face) of every sampled frame."""
    crops: list[np.ndarray] = []
    times_s: list[float] = []
    reasons: list[str] = []
    due_s = -np.inf
    for frame in media.stream(film, video=True, audio=False):
        if not isinstance(frame, media.Frame) or frame.time_s < due_s:
            continue
        hops = np.floor((frame.time_s + _EARLY_S) / hop_s)
        due_s = (hops + 1) * hop_s - _EARLY_S
        seen = tracker.update(frame.rgb, frame.time_s)
        if seen.landmarks_px is None:
            crop = np.zeros((px, px, 3), np.uint8)
        else:
            crop = aligned(frame.rgb, seen.landmarks_px, px, TEMPLATE)
        crops.append(crop)
        times_s.append(frame.time_s)
        reasons.append(seen.reason)
    return crops, times_s, reasons
