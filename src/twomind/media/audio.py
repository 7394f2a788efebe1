"""Sound on the clock: 16 kHz mono samples placed by presentation stamps, gaps filled with zeros and
listed. The channels of a recording are kept apart until they have been judged (``channels``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np

from twomind.core.scratch import scratch_file
from twomind.media.arrivals import JITTER_S, Arrival, Arrivals
from twomind.media.channels import judge_channels, mix_blocks, plain_mean
from twomind.sound.remembered import BEFORE_S, LastSeconds, RowMemory

if TYPE_CHECKING:
    import av


@dataclass(frozen=True)
class Samples:
    """A run of sound: ``values (n,)`` float32 mono in [-1, 1]; the first one sounds at
    ``time_s``.

    Of a recording with several channels, ``values`` is their plain average, ``channels (n, C)``
    holds each of them, and ``names (C,)`` what FFmpeg calls them.
    """

    time_s: float
    values: np.ndarray
    channels: np.ndarray | None = None
    names: tuple[str, ...] = ()

    def since(self, start_s: float, rate_hz: int) -> Samples:
        """Without what sounds before a time."""
        n = math.ceil((start_s - self.time_s) * rate_hz - 1e-6)
        if n <= 0:
            return self
        channels = None if self.channels is None else self.channels[n:]
        return Samples(round(self.time_s + n / rate_hz, 9), self.values[n:], channels, self.names)


@dataclass(frozen=True)
class Waveform:
    """All sound of a recording on its clock: ``values (n,)`` float32 mono, sample ``i`` at
    ``start_s + i / rate``.

    ``gaps`` are spans without recorded sound, in seconds; their samples are zero. ``start_s`` is
    nan without sound. Of a recording with several channels, ``peaks (n,)`` is the loudest of those
    that were mixed (the average of a clipped and an unclipped one is not at full scale), and
    ``remark`` says what was left out, if anything was.
    """

    values: np.ndarray
    sample_rate_hz: int
    start_s: float
    gaps: tuple[tuple[float, float], ...] = ()
    peaks: np.ndarray | None = None
    remark: str = ""

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.values) / self.sample_rate_hz


def _file() -> IO[bytes]:
    return scratch_file("twomind-sound-")


class Placing:
    """Where runs of samples go by their stamps: a hole is skipped and listed, an overlap keeps what
    came first, a stamp that strays by less than ``tolerance_s`` continues without a seam.
    """

    def __init__(self, rate_hz: int, tolerance_s: float = 0.001) -> None:
        self.rate_hz = rate_hz
        self.start_s = math.nan
        self.n = 0
        self.gaps: list[tuple[float, float]] = []
        self._tolerance = tolerance_s * rate_hz

    @property
    def end_s(self) -> float:
        """Where the samples end that are there; nan before the first."""
        return self.start_s + self.n / self.rate_hz

    def place(self, time_s: float, n: int) -> tuple[int, int]:
        """How many samples of silence come before a run of ``n``, and how many of it are there
        already.
        """
        if math.isnan(self.start_s):
            self.start_s = time_s
        stray = (time_s - self.start_s) * self.rate_hz - self.n
        hole = round(stray) if stray > self._tolerance else 0
        known = min(round(-stray), n) if stray < -self._tolerance else 0
        if hole:
            begin_s = self.end_s
            self.n += hole
            self.gaps.append((begin_s, self.end_s))
        self.n += n - known
        return hole, known


class SoundTail:
    """The last seconds of a sound that is still coming in, on its clock.

    Args:
        rate_hz: samples per second.
        keep_s: seconds that are kept.
    """

    def __init__(self, rate_hz: int, keep_s: float) -> None:
        self._placing = Placing(rate_hz)
        self._keep = round(keep_s * rate_hz)
        self._values = np.empty(0, np.float32)
        self._waiting: list[np.ndarray] = []
        self._memory = RowMemory()
        self._n_listened = 0

    @property
    def end_s(self) -> float:
        """Up to where sound has come; nan before the first."""
        return self._placing.end_s

    def push(self, time_s: float, values: np.ndarray) -> None:
        """The next run ``(n,)`` of mono samples."""
        hole, known = self._placing.place(time_s, len(values))
        if hole:
            silence = np.zeros(min(hole, self._keep), np.float32)
            self._waiting.append(silence)
        self._waiting.append(np.array(values[known:], np.float32))

    def between(self, start_s: float, end_s: float) -> Waveform:
        """The sound of a span, as far as it is there and kept, cut at whole samples."""
        self._settle()
        placing = self._placing
        if not placing.n:
            return Waveform(self._values, placing.rate_hz, math.nan)
        oldest = placing.n - len(self._values)
        wanted = (start_s - placing.start_s) * placing.rate_hz
        until = (end_s - placing.start_s) * placing.rate_hz
        first = math.ceil(max(oldest, wanted - 1e-6))
        last = max(first, math.ceil(min(placing.n, until - 1e-6)))
        values = self._values[first - oldest : last - oldest]
        begin_s = placing.start_s + first / placing.rate_hz
        inside = [gap for gap in placing.gaps if gap[1] > begin_s and gap[0] < end_s]
        return Waveform(values, placing.rate_hz, begin_s, tuple(inside))

    def last_seconds(self, start_s: float, end_s: float) -> LastSeconds:
        """As :meth:`between`; rows of it are computed once."""
        found = self.between(start_s, end_s)
        placing = self._placing
        oldest = placing.n - len(self._values)
        first = oldest
        if len(found.values):
            first = round((found.start_s - placing.start_s) * placing.rate_hz)
        before = self._values[: first - oldest]
        where = (found.start_s, found.gaps, first, before)
        return LastSeconds(found.values, found.sample_rate_hz, *where, self._memory)

    def forget(self) -> None:
        """Drop what is kept."""
        self._values = np.empty(0, np.float32)
        self._waiting = []
        self._memory = RowMemory()

    def listen(self) -> None:
        """Compute rows of what has come in, as far as they can be known, now and not when they are
        asked for.
        """
        n = self._placing.n
        if n - self._n_listened >= self._placing.rate_hz // 4:
            self._n_listened = n
            recent_s = self.end_s - 2 * BEFORE_S
            self._memory.listen(self.last_seconds(recent_s, self.end_s))

    def _settle(self) -> None:
        """Join what came in, and forget what is too old."""
        whole = np.concatenate([self._values, *self._waiting])
        self._waiting = []
        self._values = whole[-self._keep :].copy() if len(whole) > self._keep else whole
        oldest_s = self.end_s - self._keep / self._placing.rate_hz
        recent = [gap for gap in self._placing.gaps if gap[1] > oldest_s]
        self._placing.gaps[:] = recent


class AudioSpool:
    """Collects :class:`Samples` in a temporary file: memory stays flat however long the recording
    is.

    Samples are placed by their stamps. A hole becomes zeros and is listed; an overlap keeps what
    came first. A stamp that strays by less than ``tolerance_s`` from the end of what is there
    continues it without a seam. The first samples say how many channels there are; a later run with
    another number of them is mixed, and counts for each.
    """

    def __init__(self, sample_rate_hz: int = 16000, tolerance_s: float = 0.001) -> None:
        self._placing = Placing(sample_rate_hz, tolerance_s)
        self._file = _file()
        self._names: tuple[str, ...] = ()
        self._mixed: list[IO[bytes]] = []

    def __len__(self) -> int:
        return self._placing.n

    @property
    def _n_channels(self) -> int:
        return max(1, len(self._names))

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
        if not self._placing.n:
            self._names = samples.names
        if self._names:
            values = self._apart(samples)
        hole, known = self._placing.place(samples.time_s, len(values))
        if hole:
            # Seeking leaves a hole that reads as zeros and takes no room on most file systems.
            self._file.seek(hole * 4 * self._n_channels, 1)
        self._file.write(np.ascontiguousarray(values[known:]).tobytes())

    def _apart(self, samples: Samples) -> np.ndarray:
        """The run in as many channels ``(n, C)`` as the recording began with."""
        if samples.channels is not None and samples.names == self._names:
            return np.asarray(samples.channels, np.float32)
        mono = np.asarray(samples.values, np.float32)
        return np.repeat(mono[:, None], self._n_channels, axis=1)

    def waveform(self) -> Waveform:
        """What has been pushed so far; the values are memory-mapped, read-only."""
        self._file.flush()
        placing = self._placing
        gaps = tuple(placing.gaps)
        if not placing.n:
            return Waveform(np.empty(0, np.float32), placing.rate_hz, placing.start_s, gaps)
        if self._names:
            return self._mix(gaps)
        values = np.memmap(self._file, np.float32, "r", shape=(placing.n,))
        return Waveform(values, placing.rate_hz, placing.start_s, gaps)

    def _mix(self, gaps: tuple[tuple[float, float], ...]) -> Waveform:
        """The judged channels as one, through two more temporary files."""
        n, rate_hz = self._placing.n, self._placing.rate_hz
        apart = np.memmap(self._file, np.float32, "r", shape=(n, self._n_channels))
        mix = judge_channels(apart, rate_hz, self._names)
        values_file = _file()
        peaks_file = _file()
        self._mixed += [values_file, peaks_file]
        for mean, loudest in mix_blocks(apart, mix.used):
            values_file.write(mean.tobytes())
            peaks_file.write(loudest.tobytes())
        values_file.flush()
        peaks_file.flush()
        values = np.memmap(values_file, np.float32, "r", shape=(n,))
        peaks = np.memmap(peaks_file, np.float32, "r", shape=(n,))
        return Waveform(values, rate_hz, self._placing.start_s, gaps, peaks, mix.remark)

    def close(self) -> None:
        for file in (self._file, *self._mixed):
            file.close()


class Resampling:
    """Decoded sound frames in, :class:`Samples` of one rate out, each with its place on the clock.

    The resampler renumbers stamps and holds samples back, so it is only ever given unbroken sound:
    the stamp of the first frame of such a run anchors it, samples are counted from there, and a
    jump of the stamps starts a new run. A stamp that is late and soon caught up with is no jump:
    recorders stamp packets when they come, and on a busy machine some come late
    (:mod:`twomind.media.arrivals`).

    Args:
        sample_rate_hz: of what comes out.
        stamped_when_encoded: the recorder stamped sound when it had encoded it, all of it too late.
    """

    def __init__(self, sample_rate_hz: int, stamped_when_encoded: bool = False) -> None:
        self._rate_hz = sample_rate_hz
        self._arrivals: Arrivals[av.AudioFrame] = Arrivals(stamped_when_encoded)
        self._resampler: av.AudioResampler | None = None
        self._key: tuple[str, str, int] | None = None
        self._names: tuple[str, ...] = ()
        self._anchor_s = 0.0
        self._n_in = 0
        self._n_out = 0
        self.gaps: list[tuple[float, float]] = []
        self.n_overlaps = 0
        self.n_without_stamp = 0
        self.n_no_numbers = 0

    def problems(self) -> list[str]:
        """What was odd about the sound beside its gaps."""
        found = []
        if self.n_no_numbers:
            found.append(
                f"{self.n_no_numbers} sample(s) of the sound are no numbers; they were taken as silence"
            )
        if self.n_overlaps:
            found.append(f"{self.n_overlaps} overlap(s) in the sound")
        if self.n_without_stamp:
            found.append(
                f"{self.n_without_stamp} piece(s) of sound without a stamp: placed after the one "
                "before"
            )
        return found

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
        length_s = frame.samples / frame.sample_rate
        for one in self._arrivals.push(Arrival(frame, time_s, length_s, _key(frame))):
            yield from self._place(one)

    def flush(self) -> Iterator[Samples]:
        """The samples that wait, and those that the resampler still holds; the run ends."""
        for one in self._arrivals.flush():
            yield from self._place(one)
        yield from self._end_run()

    def _place(self, one: Arrival[av.AudioFrame]) -> Iterator[Samples]:
        frame, key = one.item, _key(one.item)
        if one.time_s is not None or key != self._key:
            time_s = self._end_s if one.time_s is None else one.time_s
            yield from self._begin(frame, key, time_s)
        self._n_in += frame.samples
        assert self._resampler is not None
        frame.pts = (
            None  # a stamp that strays within the tolerance must not make the resampler pad or drop
        )
        yield from self._out(self._resampler.resample(frame))

    def _begin(
        self, frame: av.AudioFrame, key: tuple[str, str, int], time_s: float
    ) -> Iterator[Samples]:
        """A run begins here: what lies between it and the one before is told."""
        stray_s = time_s - self._end_s
        if self._key is not None and abs(stray_s) > JITTER_S:
            if stray_s > 0:
                self.gaps.append((self._end_s, time_s))
            else:
                self.n_overlaps += 1
        yield from self._end_run()
        self._start(frame, key, time_s)

    def _end_run(self) -> Iterator[Samples]:
        if self._resampler is not None:
            resampler, self._resampler = self._resampler, None
            yield from self._out(resampler.resample(None))

    def _start(self, frame: av.AudioFrame, key: tuple[str, str, int], time_s: float) -> None:
        import av

        self._names = _channel_names(frame)
        layout = frame.layout if self._names else "mono"
        self._resampler = av.AudioResampler(format="flt", layout=layout, rate=self._rate_hz)
        self._key, self._anchor_s, self._n_in, self._n_out = key, time_s, 0, 0

    def _out(self, frames: Sequence[av.AudioFrame | None]) -> Iterator[Samples]:
        for frame in frames:
            if frame is None or not frame.samples:
                continue
            time_s = self._anchor_s + self._n_out / self._rate_hz
            self._n_out += frame.samples
            samples = self._samples(time_s, self._finite(frame.to_ndarray()))
            if self._arrivals.late_s:
                # What was recorded before the recording's first stamp has no place on its clock.
                samples = samples.since(0.0, self._rate_hz)
            if len(samples.values):
                yield samples

    def _finite(self, packed: np.ndarray) -> np.ndarray:
        """Samples of which those that are no numbers, as a program may write, are silence."""
        is_number = np.isfinite(packed)
        if is_number.all():
            return packed
        self.n_no_numbers += int(packed.size - is_number.sum())
        return np.where(is_number, packed, np.float32(0.0))

    def _samples(self, time_s: float, packed: np.ndarray) -> Samples:
        if not self._names:
            return Samples(time_s, packed.reshape(-1))
        channels = packed.reshape(-1, len(self._names))
        return Samples(time_s, plain_mean(channels, self._names), channels, self._names)


def _key(frame: av.AudioFrame) -> tuple[str, str, int]:
    """What a resampler is made for."""
    return frame.format.name, frame.layout.name, frame.sample_rate


def _channel_names(frame: av.AudioFrame) -> tuple[str, ...]:
    """What FFmpeg calls the channels; nothing for a single one."""
    channels = frame.layout.channels
    return tuple(c.name for c in channels) if len(channels) > 1 else ()
