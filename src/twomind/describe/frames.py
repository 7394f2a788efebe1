"""Frame embeddings of a recording: decoded once, sampled by time, cached under the hash of its bytes.

Several encoders share the one pass. A frame in which the target's face is not found is not valid, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from twomind.capture import media
from twomind.describe import _recipe, _track_arrays, _track_from, _track_meta
from twomind.describe.encoder import Encoder, refuse_real
from twomind.errors import BadInput
from twomind.store import Store, content_hash, default_root
from twomind.types import Features, Progress, Recording, Track

CROPS = ("face", "frame")


@dataclass(frozen=True)
class FrameSettings:
    """Which pictures an encoder sees."""

    hop_s: float = 0.08  # at most one frame per hop
    crop: str = "face"  # the aligned face of the target person; or the whole frame
    template: str = "mesh"  # of the aligned face: forehead to chin

    def __post_init__(self) -> None:
        if self.crop not in CROPS:
            raise BadInput(f"crop: expected one of {', '.join(CROPS)}, got {self.crop!r}")
        if not self.hop_s > 0:
            raise BadInput(f"hop_s: expected more than 0 s, got {self.hop_s}")


def embed(
    recording: Recording,
    encoders: Sequence[Encoder],
    *,
    settings: FrameSettings | None = None,
    store: Store | None = None,
    allow_real: bool = False,
    progress: Progress | None = None,
) -> dict[str, Track]:
    """One track per encoder, by its name for tracks (``clip (T, 512)``): a row per sampled frame.

    Raises:
        BadInput: nothing can be decoded, or an encoder that knows drawn people only was given a real recording.
        MissingExtra: faces are asked for and MediaPipe is not installed.
    """
    settings, store = settings or FrameSettings(), store or Store(default_root())
    if len({e.track for e in encoders}) != len(encoders):
        raise BadInput("encoders: expected tracks of different names; embed one CLIP at a time")
    for encoder in encoders:
        refuse_real(encoder, recording.drawn, recording.id, allow_real)
    content = content_hash(recording.media)
    found: dict[str, Track] = {}
    keys = {}
    for encoder in encoders:
        own = {"encoder": encoder.fingerprint, "frames": asdict(settings), "recipe": _frames_recipe()}
        keys[encoder.track] = store.key(content, own)
        if entry := store.get("embeddings", keys[encoder.track]):
            found[encoder.track] = _track_from(*entry)
    todo = [e for e in encoders if e.track not in found]
    if todo:
        for name, track in _embed(recording, todo, settings, progress).items():
            store.put("embeddings", keys[name], _track_arrays(track), _track_meta(track))
            found[name] = track
    return found


def with_embeddings(features: Features, tracks: Mapping[str, Track]) -> Features:
    """The same window with embedding tracks beside the others."""
    return replace(features, tracks={**features.tracks, **tracks})


def _frames_recipe() -> str:
    return _recipe("frames.py", "clip_images.py", "align.py", "tracker*.py", "capture/media*.py")


@dataclass
class _Rows:
    """What one encoder has seen so far."""

    encoder: Encoder
    waiting: list[np.ndarray] = field(default_factory=list)
    done: list[np.ndarray] = field(default_factory=list)

    def push(self, picture: np.ndarray) -> None:
        self.waiting.append(self.encoder.prepare(picture))
        if len(self.waiting) >= self.encoder.batch:
            self.flush()

    def flush(self) -> None:
        if self.waiting:
            self.done.append(self.encoder.images(np.stack(self.waiting)))
            self.waiting = []


def _embed(
    recording: Recording, encoders: Sequence[Encoder], settings: FrameSettings, progress: Progress | None
) -> dict[str, Track]:
    rows = [_Rows(e) for e in encoders]
    times, reasons = [], []
    tracker, finder = _open_tracker() if settings.crop == "face" else (None, None)
    due = -np.inf
    try:
        for frame in media.prefetch(media.stream(recording.media, video=True, audio=False)):
            if not isinstance(frame, media.Frame) or frame.time_s < due:
                continue
            due = (np.floor(frame.time_s / settings.hop_s + 1e-6) + 1) * settings.hop_s - 1e-6
            reason = ""
            if tracker is None:
                for one in rows:
                    one.push(frame.rgb)
            else:
                seen = tracker.update(frame.rgb, frame.time_s)
                reason = seen.reason
                if seen.landmarks_px is not None:
                    _push_faces(rows, frame.rgb, seen.landmarks_px, settings.template)
            times.append(frame.time_s)
            reasons.append(reason)
            if progress is not None:
                progress(f"embed {recording.id}", frame.time_s, recording.duration_s)
    finally:
        if finder is not None:
            finder.close()
    if not times:
        raise BadInput(f"{recording.media}: no frame could be decoded; the file is cut or damaged, or has no video")
    for one in rows:
        one.flush()
    return {one.encoder.track: _as_track(one, np.array(times), reasons) for one in rows}


def _push_faces(rows: Sequence[_Rows], rgb: np.ndarray, landmarks_px: np.ndarray, template: str) -> None:
    from twomind.describe.align import aligned

    crops = {px: aligned(rgb, landmarks_px, px, template) for px in {r.encoder.crop_px for r in rows}}
    for one in rows:
        one.push(crops[one.encoder.crop_px])


def _open_tracker() -> tuple[Any, Any]:
    from twomind.describe.tracker import Tracker
    from twomind.describe.tracker_mesh import MeshFinder

    finder = MeshFinder()
    return Tracker(finder), finder


def _as_track(one: _Rows, times_s: np.ndarray, reasons: Sequence[str]) -> Track:
    valid = np.array([not r for r in reasons])
    values = np.full((len(times_s), one.encoder.dim), np.nan, np.float32)
    if one.done:
        values[valid] = np.concatenate(one.done)
    names = ("", *sorted({r for r in reasons if r}))
    codes = np.array([names.index(r) for r in reasons], np.uint8)
    return Track(values, times_s, valid, reasons=names, reason_code=codes)
