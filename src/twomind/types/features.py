"""Tracks and features: what models see of a recording. There is no label field, on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from twomind.types.plain import Array, ToDict
from twomind.types.recording import Word, check_span


@dataclass(frozen=True)
class Track(ToDict):
    """One modality on a clock. Absence is ``valid=False`` (with a reason), never a magic zero.

    Args:
        values: ``(T, *S)`` float. For tables, ``S = (D,)`` with one name and one unit per column. A
            single nan in a valid row means that only this measure could not be taken.
        times_s: ``(T,)`` seconds on the recording's clock, non-decreasing.
        valid: ``(T,)`` bool: whether the row could be measured.
        names: of the columns.
        units: of the columns.
        reasons: why a row is not valid; entry 0 is the empty reason of valid rows.
        reason_code: ``(T,)`` index into ``reasons``; None: all 0.

    Raises:
        ValueError: shapes that do not fit, times that run backwards, or a name that is there twice.

    Example:
        >>> import numpy as np
        >>> from twomind.types import Track
        >>> seen = np.array([True, False])
        >>> track = Track(np.array([[0.2], [0.0]]), np.array([0.0, 0.04]), seen, ("AU04",), ("0-5",))
        >>> track.column("AU04").tolist()
        [0.2, nan]
        >>> len(track.between(0.0, 0.04))
        1
    """

    values: Array
    times_s: Array
    valid: Array
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ("",)
    reason_code: Array | None = None

    def __post_init__(self) -> None:
        n = len(self.times_s)
        self._check_rows(n)
        self._check_columns()
        if self.reason_code is None:
            object.__setattr__(self, "reason_code", np.zeros(n, np.uint8))
        else:
            self._check_reasons(n, self.reason_code)

    def _check_rows(self, n: int) -> None:
        if self.times_s.ndim != 1 or self.valid.shape != (n,) or self.values.shape[:1] != (n,):
            raise ValueError(
                f"Track: expected values ({n}, ...), times_s ({n},), valid ({n},); got values "
                f"{self.values.shape}, times_s {self.times_s.shape}, valid {self.valid.shape}"
            )
        if self.valid.dtype != np.bool_:
            raise ValueError(f"Track: expected valid of dtype bool, got {self.valid.dtype}")
        if n and bool(np.any(np.diff(self.times_s) < 0)):
            raise ValueError("Track: expected non-decreasing times_s")

    def _check_columns(self) -> None:
        n = len(self.names)
        if self.names and (self.values.ndim != 2 or self.values.shape[1] != n):
            raise ValueError(f"Track: expected values (T, {n}), got {self.values.shape}")
        if len(set(self.names)) != n:
            raise ValueError("Track: expected unique names")
        if self.units and len(self.units) != n:
            raise ValueError(f"Track: expected {n} units, got {len(self.units)}")

    def _check_reasons(self, n: int, code: Array) -> None:
        if code.shape != (n,):
            raise ValueError(f"Track: expected reason_code ({n},), got {code.shape}")
        highest = int(code.max()) if n else 0
        if n and highest >= len(self.reasons):
            raise ValueError(
                f"Track: expected reason_code below {len(self.reasons)}, got {highest}"
            )

    def __len__(self) -> int:
        return len(self.times_s)

    def column(self, name: str) -> Array:
        """Values ``(T,)`` of one named measure, nan where the row is not valid. KeyError names what
        there is.
        """
        if name not in self.names:
            raise KeyError(f"no measure {name!r}; there is: {', '.join(self.names)}")
        return np.where(self.valid, self.values[:, self.names.index(name)], np.nan)

    def between(self, start_s: float, end_s: float) -> Track:
        """Rows with ``start_s <= time < end_s``."""
        first, end = np.searchsorted(self.times_s, [start_s, end_s], side="left")
        return self.rows(slice(int(first), int(end), None))

    def rows(self, which: Array | slice[int, int, None]) -> Track:
        """Some rows as a track: by number, by a mask ``(T,)``, or by a slice."""
        assert self.reason_code is not None
        return replace(
            self,
            values=self.values[which],
            times_s=self.times_s[which],
            valid=self.valid[which],
            reason_code=self.reason_code[which],
        )

    def on_grid(self, times_s: Array, max_gap_s: float) -> Track:
        """The nearest valid-or-not row for every asked time ``(N,)``; farther than ``max_gap_s`` is
        not valid.
        """
        times_s = np.asarray(times_s, float)
        reasons = (*self.reasons, "no sample near this time")
        far = len(reasons) - 1
        if not len(self):
            shape = (len(times_s), *self.values.shape[1:])
            return replace(
                self,
                values=np.full(shape, np.nan, np.float32),
                times_s=times_s,
                valid=np.zeros(len(times_s), bool),
                reasons=reasons,
                reason_code=np.full(len(times_s), far, np.uint8),
            )
        assert self.reason_code is not None
        right = np.clip(np.searchsorted(self.times_s, times_s), 1, max(len(self) - 1, 1))
        left = right - 1
        right = np.minimum(right, len(self) - 1)
        nearer_left = np.abs(times_s - self.times_s[left]) <= np.abs(self.times_s[right] - times_s)
        index = np.where(nearer_left, left, right)
        near = np.abs(self.times_s[index] - times_s) <= max_gap_s
        return replace(
            self,
            values=self.values[index],
            times_s=times_s,
            valid=self.valid[index] & near,
            reasons=reasons,
            reason_code=np.where(near, self.reason_code[index], far).astype(np.uint8),
        )


@dataclass(frozen=True)
class Features(ToDict):
    """One window of one recording as models see it. There is no label field, on purpose.

    Args:
        recording: its id.
        subject: the person.
        tracks: by name: ``face``, ``voice``, ``words`` ..., each with its own rows.
        span_s: start and end in seconds on the recording's clock.
        question: what was asked; None when not known.
        words: those that start within the span; None when they are not measured.
        notes: why a modality is absent, by its name.
        drawn: whether the person is synthetic.
        speech_detector: the one by which the voice was told from silence; empty where there is none.
        face_backend: what found the face; empty where there is none.

    Raises:
        ValueError: a span that is not finite or ends before it begins.

    Example:
        >>> from twomind.types import Features, Word
        >>> words = (Word("well", 0.5, 0.8), Word("maybe", 2.0, 2.4))
        >>> x = Features("a1", "anna", {}, (0.0, 3.0), words=words, notes={"face": "no video"})
        >>> [word.text for word in x.between(1.0, 3.0).words]
        ['maybe']
    """

    recording: str
    subject: str
    tracks: Mapping[str, Track]
    span_s: tuple[float, float]
    question: str | None = None
    words: tuple[Word, ...] | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    drawn: bool = False
    speech_detector: str = ""
    face_backend: str = ""

    def __post_init__(self) -> None:
        check_span(f"Features of {self.recording!r}", *self.span_s)

    def between(self, start_s: float, end_s: float) -> Features:
        """The sub-window ``[start_s, end_s)``; a word belongs to the window in which it starts."""
        words = (
            None
            if self.words is None
            else tuple(w for w in self.words if start_s <= w.start_s < end_s)
        )
        tracks = {name: track.between(start_s, end_s) for name, track in self.tracks.items()}
        return replace(self, tracks=tracks, span_s=(start_s, end_s), words=words)

    def on_grid(self, hop_s: float) -> Features:
        """All tracks on one grid of ``hop_s`` seconds (nearest row; farther than one hop is not
        valid).
        """
        if not hop_s > 0:
            raise ValueError(f"Features.on_grid: expected hop_s > 0, got {hop_s}")
        times_s = np.arange(self.span_s[0], self.span_s[1], hop_s)
        return replace(self, tracks={k: t.on_grid(times_s, hop_s) for k, t in self.tracks.items()})


@dataclass(frozen=True)
class Example:
    """A window *with* its answer. Only training and ``score`` accept it.

    Args:
        x: the window.
        y: index of its class in ``Task.classes``.

    Example:
        >>> from twomind.types import Example, Features
        >>> Example(Features("a1", "anna", {}, (0.0, 3.0)), 1).y
        1
    """

    x: Features
    y: int
