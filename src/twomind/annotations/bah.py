"""One video's entry of BAH's annotation file (``video_annotation_transcript.yaml``, or ABAW8's
``annotation.yml``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twomind.annotations.marks import (
    ABSENT,
    MODALITIES,
    PRESENT,
    Annotations,
    Mark,
    Tier,
    merge_tiers,
)
from twomind.core.errors import UNREADABLE, BadInput, quoted, shortened

#: A number without colons may have any number of digits: 125.5 is two minutes.
_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):(?=\d{1,2}(?!\d)))?(\d+(?:[.,]\d+)?)$")
#: Two times and what stands between them have fewer characters.
_LONGEST_PAIR = 100
#: What stands between start and end where a segment is one text.
_BETWEEN = re.compile(r"\s*+(?:-->|,|;)|\s-\s|\s++to\s")


def from_bah(
    entry: Mapping[str, Any],
    recording: str,
    *,
    subject: str = "",
    media: str = "",
    duration_s: float = math.nan,
    frame_times_s: np.ndarray | None = None,
    coder: str = "BAH",
) -> Annotations:
    """The annotations of an entry that is already loaded: ``global_ah``, ``time_detailed_ah``,
    ``fr_detailed_ah``, ``certainty_ah``, ``all_cues``; the last two may be absent, as in ABAW8.

    Where there are frame numbers but no times, ``frame_times_s (N,)`` (presentation time of every
    frame) gives them; a frame number is never divided by a rate. The last frame of a segment lasts
    until the next one begins.

    What contradicts itself without being unreadable (a video without A/H that has segments,
    certainties of another number than segments) is in ``problems``.

    Raises:
        BadInput: not such an entry, or times that cannot be read.
    """
    if not isinstance(entry, Mapping) or "global_ah" not in entry:
        got = quoted(entry)
        raise BadInput(
            f"{recording}: expected an entry of the BAH annotation file with global_ah, got {got}"
        )
    try:
        present = _flag(entry["global_ah"])
        spans = _spans(entry, frame_times_s)
        problems: list[str] = []
        if bool(spans) != present:
            problems.append(f"global_ah is {int(present)}, but {len(spans)} segments are marked")
        answer = _answer(present, spans, duration_s, coder)
        segments = _segments(entry, spans, coder, problems)
        cues = _cues(entry, spans, coder, problems)
        merged = merge_tiers([answer, segments, *cues])
        remarks = tuple(dict.fromkeys(problems))
        return Annotations(recording, merged, subject, media, duration_s, remarks)
    except (BadInput, *UNREADABLE) as error:
        raise BadInput(f"{recording}: {shortened(error)}") from error


def _answer(present: bool, spans: list[tuple[float, float]], duration_s: float, coder: str) -> Tier:
    """Whether there is A/H, over the whole recording as far as its length is known."""
    end_s = duration_s
    if not math.isfinite(duration_s):
        end_s = max((until_s for _, until_s in spans), default=0.0)
    mark = Mark(0.0, end_s, PRESENT if present else ABSENT)
    return Tier("answer", (mark,), coder=coder)


def _segments(
    entry: Mapping[str, Any], spans: list[tuple[float, float]], coder: str, problems: list[str]
) -> Tier:
    certainties = _per_segment(entry.get("certainty_ah"), len(spans), "certainty_ah", problems)
    marks = []
    for (start_s, end_s), certainty in zip(spans, certainties, strict=True):
        sure = "" if certainty is None else str(certainty)
        marks.append(Mark(start_s, end_s, PRESENT, sure))
    return Tier("ah", tuple(marks), coder=coder)


def _cues(
    entry: Mapping[str, Any], spans: list[tuple[float, float]], coder: str, problems: list[str]
) -> list[Tier]:
    """Tiers of cues; none where the file knows no cues."""
    found = _per_segment(entry.get("all_cues"), len(spans), "all_cues", problems)
    if entry.get("all_cues") is None:
        return []
    tiers = [Tier("cue", modality=modality, coder=coder) for modality in MODALITIES]
    tiers.append(Tier("inconsistency", coder=coder))
    for (start_s, end_s), cues in zip(spans, found, strict=True):
        tiers += _cue_tiers(cues, start_s, end_s, coder, problems)
    return tiers


def _cue_tiers(
    found: Any, start_s: float, end_s: float, coder: str, problems: list[str]
) -> list[Tier]:
    """A segment's cues; they have no times of their own, so each stands for the whole segment."""
    if found is None:
        return []
    if not isinstance(found, Mapping):
        got = quoted(found)
        raise BadInput(f"all_cues: expected per segment a mapping of modality to cues, got {got}")
    tiers = []
    for name, value in found.items():
        modality = str(name).strip().lower()
        labels = _labels(value)
        marks = tuple(Mark(start_s, end_s, label) for label in labels)
        if modality in MODALITIES:
            tiers.append(Tier("cue", marks, modality, coder))
        elif modality.startswith("inconsist"):
            tiers.append(Tier("inconsistency", marks, coder=coder))
        else:
            problems.append(
                f"all_cues: {quoted(name)} is not a modality that is known; kept as a tier of that name"
            )
            tiers.append(Tier("other", marks, coder=coder, name=str(name)))
    return tiers


def _labels(value: Any) -> list[str]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        parts = [part.strip() for part in re.split(r"[;,]", value)]
        return [part for part in parts if part]
    if isinstance(value, Sequence):
        found: list[str] = []
        for one in value:
            found += _labels(one)
        return found
    if isinstance(value, Mapping):  # cue → whether it is there
        return [str(name) for name, there in value.items() if there]
    return [str(value)]


def _per_segment(value: Any, n: int, name: str, problems: list[str]) -> list[Any]:
    """One value per segment; None throughout where the numbers do not agree, because guessing would
    misplace them.
    """
    if value is None:
        return [None] * n
    values = _as_list(value, n)
    if len(values) == n:
        return values
    if values:
        problems.append(f"{name}: {len(values)} values for {n} segments; they were left out")
    return [None] * n


def _as_list(value: Any, n: int) -> list[Any]:
    """A list, a mapping of the ``n`` numbers of segments to values, or one value."""
    if isinstance(value, Mapping):
        numbers = {str(i) for i in range(n)}
        if n == 1 or set(map(str, value)) != numbers:
            return [value]
        return [value[key] for key in sorted(value, key=int)]
    if isinstance(value, str) or not isinstance(value, Sequence):
        return [value]
    return list(value)


def _spans(entry: Mapping[str, Any], frame_times_s: np.ndarray | None) -> list[tuple[float, float]]:
    if entry.get("time_detailed_ah"):
        return spans_s(entry)
    frames = spans_frames(entry)
    if not frames:
        return []
    if frame_times_s is None:
        raise BadInput(
            "there are frame numbers but no times; give frame_times_s, the presentation time of "
            "every frame"
        )
    times_s = np.asarray(frame_times_s, float)
    return [_frame_span(first, last, times_s) for first, last in frames]


def spans_s(entry: Mapping[str, Any]) -> list[tuple[float, float]]:
    """A/H segments of an entry in seconds, in the order of the file (``time_detailed_ah``).

    Raises:
        BadInput: segments or times that cannot be read.
    """
    return [(_seconds(a), _seconds(b)) for a, b in _pairs(entry, "time_detailed_ah")]


def spans_frames(entry: Mapping[str, Any]) -> list[tuple[int, int]]:
    """A/H segments of an entry in frames, both included, in the order of the file
    (``fr_detailed_ah``).

    Raises:
        BadInput: segments or frame numbers that cannot be read.
    """
    return [(_frame(a), _frame(b)) for a, b in _pairs(entry, "fr_detailed_ah")]


def _frame_span(first: int, last: int, times_s: np.ndarray) -> tuple[float, float]:
    """Seconds of frames, both included; the last lasts until the next one begins."""
    n = len(times_s)
    if not 0 <= first <= last < n:
        raise BadInput(
            f"fr_detailed_ah: expected frames 0 <= first <= last < {n}, got {first} and {last}"
        )
    start_s = float(times_s[first])
    if last + 1 < n:
        return start_s, float(times_s[last + 1])
    step_s = np.median(np.diff(times_s)) if n > 1 else 0.0
    return start_s, float(times_s[last] + step_s)


def _pairs(entry: Mapping[str, Any], name: str) -> list[tuple[Any, Any]]:
    """(start, end) of every segment: from pairs, mappings with start and end, or texts ``start -
    end``.
    """
    value = entry.get(name) or []
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    if not is_list:
        raise BadInput(f"{name}: expected a list of (start, end), got {quoted(value)}")
    found = []
    for one in value:
        pair = _pair(one)
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise BadInput(f"{name}: expected (start, end) per segment, got {quoted(one)}")
        found.append((pair[0], pair[1]))
    return found


def _pair(one: Any) -> Any:
    """One segment of any of the three forms; what is none of them, as it is."""
    if isinstance(one, str):
        if len(one) > _LONGEST_PAIR:
            return one
        return _BETWEEN.split(one.strip("[]() "))
    if not isinstance(one, Mapping):
        return one
    lower = {str(name).lower(): value for name, value in one.items()}
    starts = [value for name, value in lower.items() if name.startswith("start")]
    ends = [value for name, value in lower.items() if name.startswith(("end", "stop"))]
    return starts + ends


def _seconds(value: Any) -> float:
    """Seconds from ``HH:MM:SS.mmm``, ``MM:SS`` or a number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    match = _CLOCK.fullmatch(str(value).strip())
    if not match:
        raise BadInput(f"time_detailed_ah: expected a time like 00:00:03.250, got {quoted(value)}")
    hours, minutes, seconds = match.groups()
    n_hours = int(hours or 0)
    n_minutes = int(minutes or 0)
    whole_s = n_hours * 3600 + n_minutes * 60
    return whole_s + float(seconds.replace(",", "."))


def _frame(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise BadInput(f"fr_detailed_ah: expected a frame number, got {quoted(value)}") from error


def _flag(value: Any) -> bool:
    text = str(value).strip()
    if text in ("1", "True"):
        return True
    if text in ("0", "False"):
        return False
    raise BadInput(f"global_ah: expected 0 or 1, got {quoted(value)}")
