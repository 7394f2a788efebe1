"""Sound on the clock: 16 kHz mono samples placed by presentation stamps, gaps filled with zeros and
listed.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import av

#: A stamp may stray this far from where the samples before it end. Containers round stamps
#: (Matroska to 1 ms) and recorders stamp packets by arrival; what strays farther is a real gap, an
#: overlap, or a clock that drifted.
JITTER_S = 0.010


@dataclass(frozen=True)
class Samples:
    """A run of sound: ``values (n,)`` float32 mono in [-1, 1]; the first one sounds at
    ``time_s``.
    """

    time_s: float
    values: np.ndarray


@dataclass(frozen=True)
class Waveform:
    """All sound of a recording on its clock: ``values (n,)`` float32 mono, sample ``i`` at
    ``start_s + i / rate``.

    ``gaps`` are spans without recorded sound, in seconds; their samples are zero. ``start_s`` is
    nan without sound.
    """

    values: np.ndarray
    sample_rate_hz: int
    start_s: float
    gaps: tuple[tuple[float, float], ...] = ()

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.values) / self.sample_rate_hz


class AudioSpool:
    """Collects :class:`Samples` in a temporary file: memory stays flat however long the recording
    is.

    Samples are placed by their stamps. A hole becomes zeros and is listed; an overlap keeps what
    came first. A stamp that strays by less than ``tolerance_s`` from the end of what is there
    continues it without a seam.
    """

    def __init__(self, sample_rate_hz: int = 16000, tolerance_s: float = 0.001) -> None:
        self._rate_hz = sample_rate_hz
        self._tolerance = tolerance_s * sample_rate_hz
        self._file = tempfile.TemporaryFile(prefix="twomind-sound-")  # noqa: SIM115 - closed by close()
        self._start_s = math.nan
        self._n = 0
        self._gaps: list[tuple[float, float]] = []

    def __len__(self) -> int:
        return self._n

    def push(self, samples: Samples) -> None:
        """Add a run of samples. Raises ValueError when its time is not finite or its values are not
        one-dimensional.
        """
        values = np.asarray(samples.values, np.float32)
        if values.ndim != 1 or not math.isfinite(samples.time_s):
            raise ValueError(
                f"AudioSpool: expected values (n,) at a finite time, got {values.shape} at "
                f"{samples.time_s}"
            )
        if not len(values):
            return
        if math.isnan(self._start_s):
            self._start_s = samples.time_s
        stray = (samples.time_s - self._start_s) * self._rate_hz - self._n
        if stray > self._tolerance:
            self._skip(round(stray))
        elif stray < -self._tolerance:
            values = values[round(-stray) :]
        self._file.write(np.ascontiguousarray(values).tobytes())
        self._n += len(values)

    def _skip(self, n: int) -> None:
        # Seeking leaves a hole that reads as zeros and takes no room on most file systems.
        self._file.seek(n * 4, 1)
        start_s = self._start_s + self._n / self._rate_hz
        self._n += n
        self._gaps.append((start_s, self._start_s + self._n / self._rate_hz))

    def waveform(self) -> Waveform:
        """What has been pushed so far; the values are memory-mapped, read-only."""
        self._file.flush()
        if self._n:
            values: np.ndarray = np.memmap(self._file, np.float32, "r", shape=(self._n,))
        else:
            values = np.empty(0, np.float32)
        return Waveform(values, self._rate_hz, self._start_s, tuple(self._gaps))

    def close(self) -> None:
        self._file.close()


class Resampling:
    """Decoded sound frames in, :class:`Samples` of one rate out, each with its place on the clock.

    The resampler renumbers stamps and holds samples back, so it is only ever given unbroken sound:
    the stamp of the first frame of such a run anchors it, samples are counted from there, and a
    jump of the stamps starts a new run.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._resampler: av.AudioResampler | None = None
        self._key: tuple[str, str, int] | None = None
        self._anchor_s = 0.0
        self._n_in = 0
        self._n_out = 0
        self.gaps: list[tuple[float, float]] = []
        self.n_overlaps = 0
        self.n_without_stamp = 0

    @property
    def _end_s(self) -> float:
        return self._anchor_s + (self._n_in / self._key[2] if self._key else 0.0)

    def push(self, frame: av.AudioFrame, time_s: float | None) -> Iterator[Samples]:
        """``time_s`` is the frame's time on the clock, None when the container has none: then it
        follows the last.
        """
        if not frame.samples:
            return
        if time_s is None:
            self.n_without_stamp += 1
            time_s = self._end_s
        key = (frame.format.name, frame.layout.name, frame.sample_rate)
        stray_s = time_s - self._end_s
        if self._key is not None and abs(stray_s) > JITTER_S:
            if stray_s > 0:
                self.gaps.append((self._end_s, time_s))
            else:
                self.n_overlaps += 1
        if key != self._key or abs(stray_s) > JITTER_S:
            yield from self.flush()
            self._start(key, time_s)
        self._n_in += frame.samples
        assert self._resampler is not None
        frame.pts = (
            None  # a stamp that strays within the tolerance must not make the resampler pad or drop
        )
        yield from self._out(self._resampler.resample(frame))

    def flush(self) -> Iterator[Samples]:
        """The samples that the resampler still holds; the run ends."""
        if self._resampler is not None:
            resampler, self._resampler = self._resampler, None
            yield from self._out(resampler.resample(None))

    def _start(self, key: tuple[str, str, int], time_s: float) -> None:
        import av

        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=self._rate_hz)
        self._key, self._anchor_s, self._n_in, self._n_out = key, time_s, 0, 0

    def _out(self, frames: Sequence[av.AudioFrame | None]) -> Iterator[Samples]:
        for frame in frames:
            if frame is None or not frame.samples:
                continue
            time_s = self._anchor_s + self._n_out / self._rate_hz
            self._n_out += frame.samples
            yield Samples(time_s, frame.to_ndarray().reshape(-1))
