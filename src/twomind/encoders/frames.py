"""Frame embeddings of a recording: decoded once, sampled by time, cached under the hash of its
bytes.

Several encoders share the one pass. A frame in which the target's face is not found is not valid,
with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.files import unchanged
from twomind.core.source_mark import source_mark, weights_mark
from twomind.core.store import Store, content_hash, default_root
from twomind.core.track_entries import track_arrays, track_from, track_meta
from twomind.encoders.encoder import Encoder, refuse_real
from twomind.media import stream as media
from twomind.media.windows import n_windows
from twomind.types import Features, Progress, Recording, Track

if TYPE_CHECKING:
    from twomind.features.face.tracker import Tracker
    from twomind.features.face.tracker_mesh import MeshFinder

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

    Args:
        recording: what is decoded.
        encoders: each with another name for its track.
        settings: which pictures they see; see :class:`FrameSettings`.
        store: keeps the rows; the store's folder by default.
        allow_real: let an encoder that has seen synthetic people only look at real ones.
        progress: told the time in the film, frame by frame.

    Returns:
        By name of the track: rows ``(T, dim)``, one per sampled frame.

    Raises:
        BadInput: nothing can be decoded, or an encoder that has seen synthetic people only was given a
            real recording.
        MissingExtra: faces are asked for and MediaPipe is not installed.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.core.store import Store
        >>> from twomind.datasets.fakes import tiny_film
        >>> from twomind.encoders.frames import FrameSettings, embed
        >>> from twomind.encoders.opening import open_encoder
        >>> from twomind.types import Recording
        >>> with TemporaryDirectory() as folder:
        ...     film = Path(folder) / "a1.mp4"
        ...     _ = tiny_film(film)
        ...     recording = Recording("a1", "anna", film, drawn=True)
        ...     whole = FrameSettings(crop="frame")
        ...     found = embed(recording, [open_encoder()], settings=whole, store=Store(Path(folder)))
        >>> sorted(found)
        ['face_text']
    """
    settings = settings or FrameSettings()
    store = store or Store(default_root())
    if len({e.track for e in encoders}) != len(encoders):
        raise BadInput("encoders: expected tracks of different names; embed one CLIP at a time")
    for encoder in encoders:
        refuse_real(encoder, recording.drawn, recording.id, allow_real)
    content = content_hash(recording.media)
    store.note(recording.subject, content)
    found: dict[str, Track] = {}
    keys = {}
    for encoder in encoders:
        own = {
            "encoder": encoder.fingerprint,
            "frames": asdict(settings),
            "recipe": _frames_recipe(encoder, settings),
        }
        keys[encoder.track] = store.key(content, own)
        if entry := store.get("embeddings", keys[encoder.track]):
            found[encoder.track] = track_from(*entry)
    todo = [encoder for encoder in encoders if encoder.track not in found]
    if not todo:
        return found
    with unchanged(recording.media, content):
        made = _embed(recording, todo, settings, progress)
    for name, track in made.items():
        store.put("embeddings", keys[name], track_arrays(track), track_meta(track))
        found[name] = track
    return found


def with_embeddings(features: Features, tracks: Mapping[str, Track]) -> Features:
    """The same window with embedding tracks beside the others."""
    return replace(features, tracks={**features.tracks, **tracks})


def _frames_recipe(encoder: Encoder, settings: FrameSettings) -> list[str]:
    """What a row is made by: changed code never reads old entries."""
    from twomind.features.face.back_ends import model_files

    finder = model_files("mesh", None) if settings.crop == "face" else ()
    return [source_mark(__name__, *encoder.modules), weights_mark(finder)]


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


class _Watch:
    """Frames in order → rows of every encoder; what a whole recording and a live stream have in
    common.
    """

    def __init__(self, encoders: Sequence[Encoder], settings: FrameSettings) -> None:
        self._encoders = encoders
        self._settings = settings
        self._tracker: Tracker | None = None
        self._finder: MeshFinder | None = None
        if settings.crop == "face":
            self._tracker, self._finder = _open_tracker()
        self._due = -np.inf
        self._fresh()

    def _fresh(self) -> None:
        self.times_s: list[float] = []
        self._reasons: list[str] = []
        self._rows = [_Rows(e) for e in self._encoders]

    def wants(self, time_s: float) -> bool:
        """Whether the frame of this time is one of those sampled."""
        return not time_s < self._due

    def push(self, rgb: np.ndarray, time_s: float) -> None:
        """Take in one sampled frame and encode it, or note why that cannot be done."""
        self._told(time_s)
        reason = ""
        if self._tracker is None:
            for one in self._rows:
                one.push(rgb)
        else:
            seen = self._tracker.update(rgb, time_s)
            reason = seen.reason
            if seen.landmarks_px is not None:
                _push_faces(self._rows, rgb, seen.landmarks_px, self._settings.template)
        self.times_s.append(time_s)
        self._reasons.append(reason)

    def _told(self, time_s: float) -> None:
        """The frame of this time was sampled: from when on is the next one due?"""
        hop_s = self._settings.hop_s
        self._due = (np.floor(time_s / hop_s + 1e-6) + 1) * hop_s - 1e-6

    def held(self) -> dict[str, Track]:
        """The rows since the last take, one track per encoder."""
        for one in self._rows:
            one.flush()
        found = {}
        for one in self._rows:
            times_s = np.array(self.times_s, float)
            found[one.encoder.track] = _as_track(one, times_s, self._reasons)
        return found

    def take(self) -> dict[str, Track]:
        """The rows since the last call; what follows begins anew."""
        found = self.held()
        self._fresh()
        return found

    def go_on_from(self, tracks: Mapping[str, Track]) -> None:
        """Begin with rows that another watch has :meth:`held`."""
        for one in self._rows:
            before = tracks[one.encoder.track]
            assert before.reason_code is not None
            self.times_s = before.times_s.tolist()
            self._reasons = [before.reasons[code] for code in before.reason_code]
            one.done = [before.values[before.valid]]
        if self.times_s:
            self._told(self.times_s[-1])

    def close(self) -> None:
        if self._finder is not None:
            self._finder.close()


def _embed(
    recording: Recording,
    encoders: Sequence[Encoder],
    settings: FrameSettings,
    progress: Progress | None,
) -> dict[str, Track]:
    watch = _Watch(encoders, settings)
    try:
        for frame in media.prefetch(media.stream(recording.media, video=True, audio=False)):
            if not isinstance(frame, media.Frame) or not watch.wants(frame.time_s):
                continue
            watch.push(frame.rgb, frame.time_s)
            if progress is not None:
                progress(f"embed {recording.id}", frame.time_s, recording.duration_s)
        if not watch.times_s:
            raise BadInput(
                f"{recording.media}: no frame could be decoded; the file is cut or damaged, or has "
                "no video"
            )
        return watch.take()
    finally:
        watch.close()


def live_spans(last_s: float, length_s: float) -> list[tuple[float, float]]:
    """Spans ``[k, k + 1) length_s`` up to a last row at ``last_s``; a last one less than half full
    is left out.

    At least one span comes back. The spans of a recording that grows are those of the whole
    recording: only the last one can still be wanting. So they begin at 0 and are all of one length,
    while :func:`twomind.media.windows.window_spans`, which knows the recording's end, cuts the last
    one there.
    """
    n = n_windows(last_s, length_s)
    return [(k * length_s, (k + 1) * length_s) for k in range(n)]


def windows_of(x: Features, track: str, length_s: float) -> list[Features]:
    """The windows of a whole recording, as :class:`LiveWindows` gives them one by one; empty
    without any row.

    Args:
        x: the whole recording.
        track: name of the track whose last row ends it.
        length_s: length of a window in seconds.
    """
    rows = x.tracks.get(track)
    if rows is None or not len(rows):
        return []
    spans = live_spans(float(rows.times_s[-1]), length_s)
    return [x.between(*span) for span in spans]


@dataclass(eq=False)
class LiveWindows:
    """Frames of a camera in; windows of ``length_s`` seconds out, each as soon as it is over.
    Memory stays flat.

    Frames come in order, with their time in seconds since the start. A window without any frame
    comes out all the same, without a row. Close it, or use it in a ``with`` block.

    Args:
        encoder: makes the rows.
        length_s: length of a window in seconds.
        settings: which pictures the encoder sees; see :class:`FrameSettings`.
        recording: name of the stream in its windows.
        subject: name of the person in them.
        question: what the person answers.
        drawn: whether the person is drawn.
        allow_real: let an encoder that has seen synthetic people only look at a real one.

    Raises:
        BadInput: ``length_s`` is not positive, or the encoder has seen synthetic people only and ``drawn``
            is False.
    """

    encoder: Encoder
    length_s: float
    _: KW_ONLY
    settings: FrameSettings | None = None
    recording: str = "live"
    subject: str = "live"
    question: str | None = None
    drawn: bool = False
    allow_real: bool = False

    def __post_init__(self) -> None:
        refuse_real(self.encoder, self.drawn, self.recording, self.allow_real)
        live_spans(0.0, self.length_s)
        self._watch = _Watch([self.encoder], self.settings or FrameSettings())
        self._k = 0
        self._last_s = -np.inf

    def push(self, rgb: np.ndarray, time_s: float) -> list[Features]:
        """The next frame ``(H, W, 3)`` uint8 RGB; back come the windows that are over before it.

        Raises:
            BadInput: the time is before that of the last frame.
        """
        if time_s < max(self._last_s, 0.0):
            raise BadInput(
                f"frame at {time_s} s: expected times in order, from 0 s on; the last was "
                f"{self._last_s} s"
            )
        self._last_s = time_s
        if not self._watch.wants(time_s):
            return []
        done = []
        while time_s >= self._end_s():
            done.append(self._window())
        self._watch.push(rgb, time_s)
        return done

    def finish(self) -> list[Features]:
        """The last window, when it is at least half full; the stream is over and the face finder is
        closed.
        """
        done = []
        times_s = self._watch.times_s
        if times_s and len(live_spans(times_s[-1], self.length_s)) > self._k:
            done.append(self._window())
        self.close()
        return done

    @property
    def place(self) -> tuple[int, Track]:
        """The number of the window under way, and its rows so far: from there another may
        :meth:`go_on_from`.
        """
        return self._k, self._watch.held()[self.encoder.track]

    def go_on_from(self, k: int, rows: Track) -> None:
        """Go on where another left its ``place``.

        Args:
            k: number of the window under way.
            rows: of it, so far.
        """
        self._k = k
        self._watch.go_on_from({self.encoder.track: rows})

    def _end_s(self) -> float:
        """When the present window is over."""
        return (self._k + 1) * self.length_s

    def _window(self) -> Features:
        span_s = self._k * self.length_s, self._end_s()
        self._k += 1
        return Features(
            recording=self.recording,
            subject=self.subject,
            tracks=self._watch.take(),
            span_s=span_s,
            question=self.question,
            drawn=self.drawn,
        )

    def close(self) -> None:
        self._watch.close()

    def __enter__(self) -> LiveWindows:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def live_windows(
    frames: Iterable[Any], encoder: Encoder, length_s: float, **about: Any
) -> Iterator[Features]:
    """The windows of a stream of frames, lazily: each is there as soon as its last frame is.

    Args:
        frames: pairs ``(time_s, rgb)``, or the items of :func:`twomind.media.stream.stream` (sound
            is passed over).
        encoder: makes the rows.
        length_s: length of a window in seconds.
        **about: goes to :class:`LiveWindows`: ``subject``, ``recording``, ``drawn`` …

    Yields:
        Features with the encoder's track; a window without a frame has no row.

    Example:
        >>> import numpy as np
        >>> from twomind.encoders.frames import FrameSettings, live_windows
        >>> from twomind.encoders.opening import open_encoder
        >>> grey = np.full((64, 64, 3), 128, np.uint8)
        >>> frames = [(k / 10, grey) for k in range(20)]
        >>> whole = FrameSettings(crop="frame")
        >>> windows = live_windows(frames, open_encoder(), 1.0, settings=whole, drawn=True)
        >>> [x.span_s for x in windows]
        [(0.0, 1.0), (1.0, 2.0)]
    """
    with LiveWindows(encoder, length_s, **about) as live:
        for item in frames:
            if isinstance(item, media.Samples):
                continue
            if isinstance(item, media.Frame):
                time_s, rgb = item.time_s, item.rgb
            else:
                time_s, rgb = item
            yield from live.push(rgb, float(time_s))
        yield from live.finish()


def _push_faces(
    rows: Sequence[_Rows], rgb: np.ndarray, landmarks_px: np.ndarray, template: str
) -> None:
    from twomind.features.face.align import aligned

    sizes_px = {one.encoder.crop_px for one in rows}
    crops = {px: aligned(rgb, landmarks_px, px, template) for px in sizes_px}
    for one in rows:
        one.push(crops[one.encoder.crop_px])


def _open_tracker() -> tuple[Tracker, MeshFinder]:
    from twomind.features.face.tracker import Tracker
    from twomind.features.face.tracker_mesh import MeshFinder

    finder = MeshFinder()
    return Tracker(finder), finder


def _as_track(one: _Rows, times_s: np.ndarray, reasons: Sequence[str]) -> Track:
    valid = np.array([not reason for reason in reasons])
    values = np.full((len(times_s), one.encoder.dim), np.nan, np.float32)
    if one.done:
        values[valid] = np.concatenate(one.done)
    given = {reason for reason in reasons if reason}
    names = ("", *sorted(given))
    codes = np.array([names.index(reason) for reason in reasons], np.uint8)
    return Track(values, times_s, valid, reasons=names, reason_code=codes)
