"""A second look at a film, for the quality control alone: is the picture black, does it stand still,
do pictures or sound end before the film does, which language is spoken.

No model reads any of it; what ``twomind predict`` measures stays what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twomind.core.errors import TwomindError
from twomind.features.settings import Settings
from twomind.media import stream as clock
from twomind.transcripts.heard_language import SAMPLE_RATE_HZ, SpokenLanguage, language_of
from twomind.types import Track

#: Pictures are compared so far apart, in seconds.
_STEP_S = 0.2
#: Side of the squares, in pixels, whose mean green is compared.
_SQUARE_PX = 16
#: A picture stands still as long as no more than this share of the squares differs by more than so
#: many of 255 grey levels from the first one. Lips, and the slow sway of somebody who sits and looks,
#: change more within seconds; an encoder's second thoughts on a still picture do not.
_STILL_LEVELS = 1.5
_STILL_SHARE = 0.005
#: Mean of a black picture, of 255.
_BLACK = 12.0
#: Sound below this level, in dB of full scale, is none at all.
_DEAD_DBFS = -90.0


@dataclass(frozen=True)
class Pictures:
    """What the pictures look like as a film.

    Args:
        black_share: Share of the pictures that are black.
        still_s: Longest time that a picture that is not black stands still.
        per_s: Pictures a second.
    """

    black_share: float
    still_s: float
    per_s: float


@dataclass
class _Stills:
    """Looks at pictures as they come."""

    first: np.ndarray | None = None
    since_s: float = 0.0
    last_s: float = -np.inf
    seen_s: float = -np.inf
    n: int = 0
    n_black: int = 0
    longest_s: float = 0.0

    def push(self, frame: clock.Frame) -> None:
        """Take the next picture. Between two pictures the first of them stands still."""
        if self.n:
            self.longest_s = max(self.longest_s, frame.time_s - self.seen_s)
        self.seen_s = frame.time_s
        if frame.time_s - self.last_s < _STEP_S:
            return
        self.last_s = frame.time_s
        squares = _squares(frame.rgb)
        is_black = float(squares.mean()) < _BLACK
        self.n += 1
        self.n_black += is_black
        if is_black:
            self.first = None
        elif self._is_still(squares):
            self.longest_s = max(self.longest_s, frame.time_s - self.since_s)
        else:
            self.first, self.since_s = squares, frame.time_s

    def _is_still(self, squares: np.ndarray) -> bool:
        if self.first is None or self.first.shape != squares.shape:
            return False
        differs = np.abs(squares - self.first) > _STILL_LEVELS
        return float(differs.mean()) <= _STILL_SHARE


def _squares(rgb: np.ndarray) -> np.ndarray:
    """Mean green of whole squares."""
    rows, columns = rgb.shape[0] // _SQUARE_PX, rgb.shape[1] // _SQUARE_PX
    if not rows or not columns:
        return rgb[..., 1].mean(keepdims=True, dtype=np.float32)
    green = rgb[: rows * _SQUARE_PX, : columns * _SQUARE_PX, 1]
    pieces = green.reshape(rows, _SQUARE_PX, columns, _SQUARE_PX)
    squares: np.ndarray = pieces.mean(axis=(1, 3), dtype=np.float32)
    return squares


def look(path: Path) -> Pictures | None:
    """Look at all pictures of a film; None where it has none.

    Args:
        path: The film, in memory.
    """
    if not clock.probe(path).has_video:
        return None
    stills = _Stills()
    stream = clock.stream(path, True, False, SAMPLE_RATE_HZ)
    for item in stream:
        if isinstance(item, clock.Frame):
            stills.push(item)
    report = stream.report
    if not stills.n:
        return None
    spent_s = report.last_frame_s - report.first_frame_s
    per_s = (report.n_frames - 1) / spent_s if spent_s > 0 else float(report.n_frames)
    return Pictures(stills.n_black / stills.n, stills.longest_s, per_s)


def dead_s(voice: Track | None) -> float | None:
    """Longest time without any sound at all, in seconds; None where the sound was not measured.

    Args:
        voice: Of :func:`twomind.features.describe.describe`.
    """
    if voice is None or not len(voice):
        return None
    heard = voice.valid & (np.nan_to_num(voice.column("energy"), nan=0.0) > _DEAD_DBFS)
    edges = np.flatnonzero(np.concatenate([[True], heard, [True]]))
    hop_s = float(np.median(np.diff(voice.times_s))) if len(voice) > 1 else 0.0
    return float((np.diff(edges).max() - 1) * hop_s)


def spoken_language(path: Path, settings: Settings) -> SpokenLanguage | None:
    """The language that is spoken in a film; None where the speech model knows one language only, or
    none is installed.

    Args:
        path: The film, in memory.
        settings: With the speech model of the study.
    """
    if settings.speech_model is None:
        return None
    spool = clock.AudioSpool(SAMPLE_RATE_HZ)
    try:
        for item in clock.stream(path, False, True, SAMPLE_RATE_HZ):
            if isinstance(item, clock.Samples):
                spool.push(item)
        values = spool.waveform().values
        return language_of(values, settings.speech_model, settings.offline)
    except TwomindError:
        return None
    finally:
        spool.close()
