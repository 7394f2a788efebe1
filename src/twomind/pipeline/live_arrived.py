"""What has come into a live session, and what is kept of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.spool import Spool
from twomind.features.causal import LiveSettings
from twomind.features.one_pass import SOUND_HZ
from twomind.features.voice.track import NAMES as VOICE_NAMES
from twomind.features.voice.track import UNITS as VOICE_UNITS
from twomind.media import stream as media
from twomind.media.audio import Resampling, SoundTail
from twomind.pipeline.live_windows import Scoring
from twomind.sound.remembered import BEFORE_S
from twomind.types import Track, Word


class Came:
    """What has come in: up to when, how much, and what of it is still at hand."""

    def __init__(self, live: LiveSettings, using: Sequence[str]) -> None:
        self._live = live
        self._using = using
        self.tail = SoundTail(SOUND_HZ, live.voice_s + live.words_late_s + BEFORE_S)
        self.n_pictures = 0
        self.first_picture_s = self.last_picture_s = math.nan
        self.words: list[Word] = []
        self.words_until_s = -math.inf
        self.has_words = False
        self.over = False
        self._sound_start_s = math.nan
        self._n_samples = 0
        self._gaps: list[tuple[float, float]] = []
        self._resampling: tuple[int, Resampling] | None = None
        self._marks: list[tuple[float, int]] = []

    def picture(self, time_s: float) -> None:
        """Note that a picture has come.

        Raises:
            BadInput: its time is not finite, or before that of the last.
        """
        before_s = 0.0 if math.isnan(self.last_picture_s) else self.last_picture_s
        if not math.isfinite(time_s) or time_s < before_s:
            raise BadInput(
                f"live: a picture at {time_s} s: expected times in order, from 0 s on; the last was "
                f"{before_s} s"
            )
        if not self.n_pictures:
            self.first_picture_s = time_s
        second = math.floor(time_s)
        if not self._marks or second > self._marks[-1][0]:
            self._marks.append((second, self.n_pictures))
            oldest_s = time_s - self._live.face_s - self._live.words_late_s - 2
            self._marks = [mark for mark in self._marks if mark[0] >= oldest_s]
        self.last_picture_s = time_s
        self.n_pictures += 1

    def first_picture_at(self, start_s: float) -> int:
        """Number of a picture not after the first one from ``start_s`` on, and near it."""
        found = self._marks[0][1] if self._marks else 0
        for second, number in self._marks:
            if second <= start_s:
                found = number
        return found

    def sound(self, time_s: float, block: np.ndarray, rate_hz: int) -> Iterator[media.Samples]:
        """A block of sound as runs of the rate at which it is measured."""
        if self._resampling is not None and self._resampling[0] != rate_hz:
            yield from self.last_sound()
        yield from self._heard(self._resampled(time_s, block, rate_hz))

    def last_sound(self) -> Iterator[media.Samples]:
        """What waited for more sound of its rate: none comes."""
        if self._resampling is not None:
            resampling = self._resampling[1]
            self._resampling = None
            yield from self._heard(resampling.flush())

    def _heard(self, runs: Iterator[media.Samples]) -> Iterator[media.Samples]:
        for samples in runs:
            if math.isnan(self._sound_start_s):
                self._sound_start_s = samples.time_s
            self._n_samples += len(samples.values)
            self.tail.push(samples.time_s, samples.values)
            yield samples

    def _resampled(self, time_s: float, block: np.ndarray, rate_hz: int) -> Iterator[media.Samples]:
        if rate_hz == SOUND_HZ:
            yield media.Samples(time_s, block)
            return
        if not 8000 <= rate_hz <= 192000:
            raise BadInput(f"live: expected 8000 to 192000 samples a second, got {rate_hz}")
        import av

        if self._resampling is None:
            self._resampling = (rate_hz, Resampling(SOUND_HZ))
        if not len(block):
            return
        frame = av.AudioFrame.from_ndarray(block[None], format="flt", layout="mono")
        frame.sample_rate = rate_hz
        yield from self._resampling[1].push(frame, time_s)

    def said(self, words: Sequence[Word], until_s: float | None) -> None:
        """Words have come.

        Raises:
            BadInput: they are not in order.
        """
        for word in words:
            if self.words and word.start_s < self.words[-1].start_s:
                raise BadInput(
                    f"live: a word at {word.start_s} s: expected words in order; the last begins at "
                    f"{self.words[-1].start_s} s"
                )
            self.words.append(word)
            self.words_until_s = max(self.words_until_s, word.end_s)
        self.has_words = self.has_words or bool(words) or until_s is not None
        if until_s is not None:
            self.words_until_s = max(self.words_until_s, until_s)

    def words_between(self, start_s: float, end_s: float) -> tuple[Word, ...]:
        """Words that begin in a span."""
        return tuple(word for word in self.words if start_s <= word.start_s < end_s)

    @property
    def reached_s(self) -> float:
        """Up to where pictures and sound are there, or can be waited for no longer."""
        if self.over:
            return self.end_s
        ends = []
        if "face" in self._using:
            ends.append(self.last_picture_s)
        if "voice" in self._using:
            ends.append(self.tail.end_s)
        known = [0.0 if math.isnan(end_s) else end_s for end_s in ends]
        if not known:
            return self.end_s
        return max(min(known), max(known) - self._live.most_lag_s)

    @property
    def said_s(self) -> float:
        """Up to where all words are there."""
        return math.inf if self.over else self.words_until_s

    def complete_s(self, scoring: Scoring, looked_s: float) -> float:
        """Up to where all is there that a model reads."""
        ends = []
        if scoring.windows is not None:
            ends.append(self.last_picture_s if self.n_pictures else 0.0)
        if scoring.needs_tables:
            ends.append(looked_s)
        if scoring.needs_words:
            ends.append(min(self.said_s, self.reached_s))
        return min(ends) if ends else looked_s

    def last_row_s(self, scoring: Scoring, end_s: float) -> float:
        """The last row of what a model reads."""
        is_seen = scoring.needs_pictures and self.n_pictures
        return self.last_picture_s if is_seen else end_s

    @property
    def sound_s(self) -> float:
        """Seconds of sound that came."""
        return self._n_samples / SOUND_HZ

    @property
    def end_s(self) -> float:
        """Where pictures, sound and words end."""
        until_s = self.words_until_s if math.isfinite(self.words_until_s) else 0.0
        last_word_s = self.words[-1].end_s if self.words else until_s
        ends = [self.last_picture_s, self.tail.end_s, last_word_s, 0.0]
        return max(end_s for end_s in ends if math.isfinite(end_s))

    @property
    def anything(self) -> bool:
        """Whether a picture or a sample came."""
        return bool(self.n_pictures or self._n_samples)

    def report(self) -> media.StreamReport:
        """What came in, as a pass over a file tells it."""
        n = self.n_pictures
        step_s = 0.0
        if n > 1:
            step_s = (self.last_picture_s - self.first_picture_s) / (n - 1)
        ends = [self.last_picture_s + step_s, self.tail.end_s]
        known = [end_s for end_s in ends if math.isfinite(end_s)]
        return media.StreamReport(
            n_frames=n,
            n_bad_packets=0,
            first_frame_s=self.first_picture_s,
            last_frame_s=self.last_picture_s,
            n_samples=self._n_samples,
            audio_start_s=self._sound_start_s,
            audio_end_s=self.tail.end_s,
            truncated=False,
            gaps=tuple(self._gaps),
            problems=(),
            duration_s=max(known) if known else math.nan,
        )


class Rows:
    """Rows of a causal table, in a temporary file."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._spool = Spool((len(names) + 2,), np.float64)
        self._like: Track | None = None

    def append(self, track: Track) -> None:
        """Rows that follow those that are there."""
        self._like = track.rows(slice(0, 0))
        assert track.reason_code is not None
        beside = np.stack([track.times_s, track.reason_code.astype(float)], axis=1)
        known = np.array(track.values, float)
        self._spool.append(np.concatenate([beside, known], axis=1))

    def between(self, start_s: float, end_s: float) -> Track | None:
        """The rows of a span; None where there never were any."""
        if self._like is None:
            return None
        rows = self._spool.read()
        first, last = np.searchsorted(rows[:, 0], [start_s, end_s])
        cut = np.array(rows[first:last])
        codes = cut[:, 1].astype(np.uint8)
        values = cut[:, 2:].astype(np.float32)
        valid = codes == 0
        return replace(self._like, values=values, times_s=cut[:, 0], valid=valid, reason_code=codes)

    def close(self) -> None:
        """Give the temporary file back."""
        self._spool.close()


class Tables:
    """The causal tables: each row as it was known when its step was over."""

    def __init__(self, face_names: tuple[str, ...]) -> None:
        self.face = Rows(face_names)
        self.face_relative = Rows(face_names)
        self.voice = Rows(VOICE_NAMES)
        assert len(VOICE_NAMES) == len(VOICE_UNITS)

    def between(self, start_s: float, end_s: float) -> dict[str, Track]:
        """Tracks of a span, those that there are."""
        found = {}
        for name in ("face", "face_relative", "voice"):
            rows: Rows = getattr(self, name)
            track = rows.between(start_s, end_s)
            if track is not None:
                found[name] = track
        return found

    def close(self) -> None:
        """Give the temporary files back."""
        for rows in (self.face, self.face_relative, self.voice):
            rows.close()
