"""Frame embeddings of whole recordings for training on them: films and folders of face crops.

Only the rows are kept, in the store. A recording that is there already is not decoded again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.source_mark import source_mark
from twomind.core.store import Store, content_hash
from twomind.core.track_entries import track_arrays, track_from, track_meta
from twomind.datasets.frames import FrameFolder, which_faces
from twomind.datasets.images import read_picture
from twomind.encoders.encoder import Encoder, refuse_real
from twomind.encoders.frames import FrameSettings, embed
from twomind.types import Features, Recording, Track

KIND = "embeddings"


@dataclass(frozen=True)
class FrameSource:
    """Which frames of a recording become rows."""

    hop_s: float  # at most one row per so many seconds
    #: ``crops`` or ``film``; ``auto``: crops where they are, else faces found in the film
    faces: str = "auto"
    allow_real: bool = False  # let an encoder that has seen synthetic people only look at real ones


def embedded(
    recording: Recording,
    folder: FrameFolder | None,
    encoder: Encoder,
    which: FrameSource,
    store: Store,
) -> Features:
    """One recording as the encoder's track alone: of its face crops, or where there are none, of
    its film.

    Args:
        recording: where its film lies.
        folder: its face crops, if it has any.
        encoder: makes the rows.
        which: which frames.
        store: keeps the rows.

    Raises:
        BadInput: neither film nor crops are there; or the encoder has seen synthetic people only and this
            is a real one.
        MissingExtra: faces of a film are to be found and MediaPipe is not installed.
    """
    allow_real, hop_s = which.allow_real, which.hop_s
    refuse_real(encoder, recording.drawn, recording.id, allow_real)
    chosen = which_faces(which.faces, folder is not None, recording.media.is_file())
    has_film = chosen == "film"
    if has_film:
        settings = FrameSettings(hop_s=hop_s)
        tracks = embed(recording, [encoder], settings=settings, store=store, allow_real=allow_real)
        track = tracks[encoder.track]
    elif chosen == "crops" and folder is not None:
        track = _of_crops(recording, folder, encoder, hop_s, store)
    else:
        raise BadInput(
            f"{recording.id}: expected the film {recording.media} or a folder of face crops "
            f"(data.faces={which.faces}), found neither"
        )
    if not len(track):
        raise BadInput(f"{recording.id}: no frame could be read")
    start_s = 0.0 if has_film else float(track.times_s[0])
    end_s = float(track.times_s[-1]) + hop_s
    return Features(
        recording=recording.id,
        subject=recording.subject,
        tracks={encoder.track: track},
        span_s=(start_s, end_s),
        question=recording.question,
        words=recording.words,
        drawn=recording.drawn,
    )


def _of_crops(
    recording: Recording, folder: FrameFolder, encoder: Encoder, hop_s: float, store: Store
) -> Track:
    """Rows of the crops nearest to a grid of ``hop_s``; a picture that cannot be read is not valid,
    with the reason.
    """
    if not folder.files:
        raise BadInput(f"{folder.folder}: expected frame crops, found none")
    times_s = folder.clock.seconds([number for number, _ in folder.files])
    known = np.flatnonzero(np.isfinite(times_s))
    chosen = known[on_grid(times_s[known], hop_s)]
    times_s = times_s[chosen]
    paths = [folder.files[int(i)][1] for i in chosen]
    content = _content(paths, times_s)
    store.note(recording.subject, content)
    key = store.key(
        content,
        {"encoder": encoder.fingerprint, "crops": "as given", "recipe": rows_recipe(encoder)},
    )
    if entry := store.get(KIND, key):
        return track_from(*entry)
    track = _embed_crops(paths, times_s, encoder)
    store.put(KIND, key, track_arrays(track), track_meta(track))
    return track


def _content(paths: Sequence[Path], times_s: np.ndarray) -> str:
    """A hash of pictures and their times."""
    digest = hashlib.sha256()
    for time_s, path in zip(times_s, paths, strict=True):
        digest.update(f"{time_s:.6f}|{content_hash(path)}".encode())
    return digest.hexdigest()


def _embed_crops(paths: Sequence[Path], times_s: np.ndarray, encoder: Encoder) -> Track:
    """A row per picture, in the encoder's batches."""
    n = len(paths)
    values = np.full((n, encoder.dim), np.nan, np.float32)
    reasons = [""]
    codes = np.zeros(n, np.uint8)
    for start in range(0, n, encoder.batch):
        rows, pictures = [], []
        for row in range(start, min(start + encoder.batch, n)):
            path = paths[row]
            try:
                pictures.append(read_picture(path))
                rows.append(row)
            except BadInput as error:
                reason = str(error).removeprefix(f"{path}: ")
                if reason not in reasons:
                    reasons.append(reason)
                codes[row] = reasons.index(reason)
        if pictures:
            values[rows] = encoder.embed(pictures)
    return Track(values, times_s, codes == 0, reasons=tuple(reasons), reason_code=codes)


def on_grid(times_s: np.ndarray, hop_s: float) -> np.ndarray:
    """Indices of the times nearest to 0, ``hop_s``, 2 ``hop_s`` … after the first one; each once,
    ascending.

    A time of the grid without a frame within half a hop is left out.

    >>> on_grid(np.arange(10) / 15, 0.1)
    array([0, 1, 3, 4, 6, 7, 9])
    """
    if not len(times_s):
        return np.zeros(0, int)
    grid = np.arange(times_s[0], times_s[-1] + 1e-6, hop_s)
    right = np.clip(np.searchsorted(times_s, grid), 0, len(times_s) - 1)
    left = np.maximum(right - 1, 0)
    to_left_s = np.abs(times_s[left] - grid)
    to_right_s = np.abs(times_s[right] - grid)
    # Halfway between two frames the earlier one is taken, whatever the last bit says.
    nearest = np.where(to_left_s <= to_right_s + 1e-6, left, right)
    off_s = np.abs(times_s[nearest] - grid)
    found: np.ndarray = np.unique(nearest[off_s <= hop_s / 2 + 1e-6])
    return found


def without_rows(recording: Recording, name: str, shape: tuple[int, ...], why: str) -> Features:
    """A recording of which nothing could be read: one row that is not valid, with the reason.

    Args:
        recording: which one.
        name: of the track.
        shape: of a row.
        why: what a reader said.
    """
    values = np.zeros((1, *shape), np.float32)
    code = np.ones(1, np.uint8)
    track = Track(values, np.zeros(1), code == 0, reasons=("", why), reason_code=code)
    return Features(
        recording=recording.id,
        subject=recording.subject,
        tracks={name: track},
        span_s=(0.0, 1.0),
        question=recording.question,
        drawn=recording.drawn,
    )


def rows_recipe(encoder: Encoder) -> str:
    """What a row is made by: changed code never reads old entries."""
    return source_mark(__name__, *encoder.modules)
