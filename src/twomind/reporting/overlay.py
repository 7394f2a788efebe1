"""The debugging picture of a recording: its own frames with what was measured drawn over them.

Landmarks, where the head points, the cues of the moment and a few measures, or why the frame was
not measured. The film has no sound. It shows the person, so it is written only where the recording
itself may be embedded in a report (:func:`why_not`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import MissingExtra
from twomind.core.files import replacing
from twomind.features.face.reader import FaceReader, FaceSettings
from twomind.media import stream as clock
from twomind.media.own_files import OVERLAY_FILM, OVERLAY_PICTURE
from twomind.media.probe import DRAWN_COMMENT
from twomind.media.recording import PICTURE_SUFFIXES
from twomind.reporting.report import ReportSettings, why_not_shown
from twomind.reporting.result import Result
from twomind.types import Cue, Track

FILM = OVERLAY_FILM
PICTURE = OVERLAY_PICTURE
#: The longer side of what is written, px; its frames per second at most.
_SIDE_PX = 960
_MOST_HZ = 30.0
_TICKS_PER_S = 90000
#: Constant quality of x264: about a megabyte per minute.
_QUALITY = "28"
#: Height of a line of text, as a share of the width of the picture, px.
_LINE_SHARE = 1 / 28
_N_LINES = 5
_POINT = (90, 220, 255)
_ARROW = (255, 190, 60)
_TEXT = (235, 235, 235)
_CUE = (255, 160, 160)
_BODY = (140, 255, 140)
#: Where the arrow of the head begins.
_NOSE = 4
#: Face widths that the arrow of the head is long.
_ARROW_LENGTH = 0.8
#: What is written of the face, relative to its neutral or its median.
_SHOWN_UNITS = ("AU01", "AU02", "AU04", "AU12", "AU24", "AU25", "AU43")
_POSE = ("pose_yaw", "pose_pitch", "pose_roll")


def why_not(result: Result, settings: ReportSettings) -> str:
    """Why there is no overlay of a recording; empty where there may be one.

    Args:
        result: the answer.
        settings: whose recordings may be shown.
    """
    if not result.media.get("n_frames"):
        return "the recording has no pictures"
    if "face" not in result.features.tracks and "body" not in result.features.tracks:
        return "neither face nor body was measured"
    recording = result.recording
    return why_not_shown(recording.media, recording.subject, recording.drawn, settings)


def write_overlay(
    result: Result, folder: Path, settings: ReportSettings, face: FaceSettings
) -> Path:
    """Write the overlay of one answer: a film, or a picture where the recording is one.

    Landmarks are not kept with the measures, so the face is read once more.

    Args:
        result: the answer.
        folder: that takes the file.
        settings: ``overlay_s`` is the length at most, seconds.
        face: how the face was read.

    Returns:
        Its path.

    Raises:
        MissingExtra: OpenCV, which comes with MediaPipe, is not installed.
    """
    path = result.recording.media
    shown = _Shown(result, _landmarks(path, face, settings.overlay_s))
    drawn = _drawn_frames(path, shown, settings.overlay_s)
    if path.suffix.lower() in PICTURE_SUFFIXES:
        _, rgb = next(drawn)
        return _write_picture(rgb, folder / PICTURE)
    return _write_film(drawn, folder / FILM, result.recording.drawn)


def _frames(path: Path, most_s: float) -> Iterator[clock.Frame]:
    """Pictures of the first ``most_s`` seconds."""
    with clock.stream(path, True, False, 16000) as stream:
        for item in stream:
            if not isinstance(item, clock.Frame):
                continue
            if item.time_s > most_s:
                return
            yield item


def _landmarks(path: Path, face: FaceSettings, most_s: float) -> Track | None:
    """The landmarks of every frame ``(T, 478, 3)`` px."""
    reader = FaceReader(replace(face, keep_landmarks=True))
    for frame in _frames(path, most_s):
        reader.push(frame)
    return reader.finish().landmarks


@dataclass(frozen=True)
class _Shown:
    """What is drawn over the frames of one answer."""

    result: Result
    landmarks: Track | None

    def track(self, name: str) -> Track | None:
        return self.result.features.tracks.get(name)

    def cues_at(self, time_s: float) -> list[Cue]:
        now = []
        for cue in self.result.cues:
            seen = cue.modality in ("face", "head", "body", "voice", "across")
            if seen and cue.start_s <= time_s < cue.end_s:
                now.append(cue)
        return now


def _drawn_frames(path: Path, shown: _Shown, most_s: float) -> Iterator[tuple[float, np.ndarray]]:
    """Time and picture of every frame that is written."""
    last_s = -np.inf
    least_s = 1 / _MOST_HZ - 1e-3
    size: tuple[int, int] | None = None
    for frame in _frames(path, most_s):
        if frame.time_s - last_s < least_s:
            continue
        last_s = frame.time_s
        rgb = _drawn(frame, shown)
        if size is None:
            size = (rgb.shape[0], rgb.shape[1])
        yield frame.time_s, _fitted(rgb, size)


def _fitted(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture as large as the film's first one, whatever the recording's sizes."""
    if rgb.shape[:2] == size:
        return rgb
    import cv2

    height, width = size
    fitted: np.ndarray = cv2.resize(rgb, (width, height))
    return fitted


def _drawn(frame: clock.Frame, shown: _Shown) -> np.ndarray:
    """One frame with everything over it, and a strip of text below it."""
    cv2 = _opencv()
    height, width = frame.rgb.shape[:2]
    scale = min(1.0, _SIDE_PX / max(height, width))
    # Even sides, as the film's format needs them.
    wide, high = (2 * round(side * scale / 2) for side in (width, height))
    canvas = cv2.resize(frame.rgb, (wide, high))
    line_px = max(12, round(wide * _LINE_SHARE))
    half_px = line_px * _N_LINES // 2 + 3
    strip = np.zeros((2 * half_px, wide, 3), np.uint8)
    _draw_face(cv2, canvas, frame.time_s, shown, scale)
    _draw_body(cv2, canvas, frame.time_s, shown)
    for row, (line, colour) in enumerate(_lines(frame.time_s, shown)[:_N_LINES]):
        place = (4, round(line_px * (row + 0.8)))
        size = line_px / 34
        cv2.putText(strip, line, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
    return np.concatenate([canvas, strip])


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise MissingExtra("face", "drawing over the frames (report.overlay)") from error
    return cv2


def _row_at(track: Track, time_s: float) -> int | None:
    """The row nearest to a time, within a tenth of a second; None where there is none."""
    if not len(track):
        return None
    row = int(np.abs(track.times_s - time_s).argmin())
    near = abs(float(track.times_s[row]) - time_s) < 0.1
    return row if near else None


def _draw_face(cv2: Any, canvas: np.ndarray, time_s: float, shown: _Shown, scale: float) -> None:
    if shown.landmarks is None:
        return
    row = _row_at(shown.landmarks, time_s)
    if row is None or not shown.landmarks.valid[row]:
        return
    points = np.asarray(shown.landmarks.values[row]) * scale
    for x, y in points[:, :2].round().astype(int).tolist():
        cv2.circle(canvas, (x, y), 1, _POINT, -1)
    pose = _values_at(shown.track("face"), _POSE, time_s)
    if pose is None:
        return
    yaw, pitch, _ = np.radians(pose)
    width_px = float(np.ptp(points[:, 0]))
    begin = points[_NOSE, :2]
    right = np.sin(yaw) * np.cos(pitch)
    down = -np.sin(pitch)
    ahead = np.array([right, down])
    end = begin + _ARROW_LENGTH * width_px * ahead
    corners = np.stack([begin, end]).round().astype(int).tolist()
    cv2.arrowedLine(canvas, *map(tuple, corners), _ARROW, 2, cv2.LINE_AA)


def _draw_body(cv2: Any, canvas: np.ndarray, time_s: float, shown: _Shown) -> None:
    """Points of the body, which its track has in shares of the picture."""
    body = shown.track("body")
    if body is None:
        return
    row = _row_at(body, time_s)
    if row is None:
        return
    high, wide = canvas.shape[:2]
    names = [name.removesuffix("_x") for name in body.names if name.endswith("_x")]
    for name in names:
        x_column = body.names.index(f"{name}_x")
        y_column = body.names.index(f"{name}_y")
        x = body.values[row, x_column] * wide
        y = body.values[row, y_column] * high
        if np.isfinite(x + y):
            centre = (round(float(x)), round(float(y)))
            cv2.circle(canvas, centre, 5, _BODY, 2, cv2.LINE_AA)


def _values_at(track: Track | None, names: tuple[str, ...], time_s: float) -> np.ndarray | None:
    """Some measures of the row at a time ``(len(names),)``; None where one is missing."""
    row = None if track is None else _row_at(track, time_s)
    if track is None or row is None:
        return None
    known = [name for name in names if name in track.names]
    columns = [track.names.index(name) for name in known]
    values: np.ndarray = track.values[row, columns].astype(float)
    is_whole = len(values) == len(names) and np.isfinite(values).all()
    return values if is_whole else None


def _lines(time_s: float, shown: _Shown) -> list[tuple[str, tuple[int, int, int]]]:
    """The text of a moment, each line with its colour."""
    found = [(_first_line(time_s, shown), _TEXT)]
    relative = shown.track("face_relative")
    row = None if relative is None else _row_at(relative, time_s)
    if relative is not None and row is not None and relative.valid[row]:
        units = []
        for name in (unit for unit in _SHOWN_UNITS if unit in relative.names):
            value = float(relative.values[row, relative.names.index(name)])
            if np.isfinite(value):
                units.append(f"{name[2:]}{value:+.2f}")
        units_told = " ".join(units)
        found.append((f"AU rel. {units_told}", _TEXT))
    for cue in shown.cues_at(time_s):
        strength = f" {cue.value:.2f} {cue.unit}" if np.isfinite(cue.value) else ""
        times = f"{cue.start_s:.1f}-{cue.end_s:.1f} s"
        found.append((f"{cue.kind}{strength} {times}", _CUE))
    return found


def _first_line(time_s: float, shown: _Shown) -> str:
    face = shown.track("face")
    start = f"{time_s:.2f} s"
    row = None if face is None else _row_at(face, time_s)
    if face is None or row is None:
        return start
    assert face.reason_code is not None
    if not face.valid[row]:
        return f"{start} not measured: {face.reasons[int(face.reason_code[row])]}"
    pose = _values_at(face, _POSE, time_s)
    if pose is None:
        return start
    yaw, pitch, roll = pose
    return f"{start} yaw {yaw:+.0f} pitch {pitch:+.0f} roll {roll:+.0f}"


def _write_picture(rgb: np.ndarray, path: Path) -> Path:
    done, written = _opencv().imencode(".png", rgb[:, :, ::-1])
    assert done
    with replacing(path) as temporary:
        temporary.write_bytes(written.tobytes())
    return path


def _write_film(frames: Iterator[tuple[float, np.ndarray]], path: Path, drawn: bool) -> Path:
    import av

    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        if drawn:
            container.metadata["comment"] = DRAWN_COMMENT
        stream = None
        for time_s, rgb in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=round(_MOST_HZ))
                stream.options = {"crf": _QUALITY, "preset": "veryfast"}
                stream.height, stream.width = rgb.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = Fraction(1, _TICKS_PER_S)
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            picture.pts = round(time_s * _TICKS_PER_S)
            picture.time_base = Fraction(1, _TICKS_PER_S)
            container.mux(stream.encode(picture))
        if stream is not None:
            container.mux(stream.encode(None))
    return path
