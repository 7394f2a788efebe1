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
from twomind.core.errors import BadInput

#: A number without colons may have any number of digits: 125.5 is two minutes.
_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):(?=\d{1,2}(?!\d)))?(\d+(?:[.,]\d+)?)$")
#: What stands between start and end where a segment is one text.
_BETWEEN = re.compile(r"\s*(?:-->|,|;|\s-\s|\s+to\s+)\s*")


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
        raise BadInput(
            f"{recording}: expected an entry of the BAH annotation file with global_ah, got "
            f"{_short(entry)}"
        )
    try:
        present = _flag(entry["global_ah"])
        spans = _spans(entry, frame_times_s)
        return _build(entry, recording, subject, media, duration_s, coder, present, spans)
    except (BadInput, ValueError) as error:
        raise BadInput(f"{recording}: {error}") from error


def _build(
    entry: Mapping[str, Any],
    recording: str,
    subject: str,
    media: str,
    duration_s: float,
    coder: str,
    present: bool,
    spans: list[tuple[float, float]],
) -> Annotations:
    problems = []
    if bool(spans) != present:
        problems.append(f"global_ah is {int(present)}, but {len(spans)} segments are marked")
    certainty = _per_segment(entry.get("certainty_ah"), len(spans), "certainty_ah", problems)
    cues = _per_segment(entry.get("all_cues"), len(spans), "all_cues", problems)
    ah = [
        Mark(start_s, end_s, PRESENT, "" if sure is None else str(sure))
        for (start_s, end_s), sure in zip(spans, certainty, strict=True)
    ]
    end_s = duration_s if math.isfinite(duration_s) else max((end for _, end in spans), default=0.0)
    tiers = [Tier("answer", (Mark(0.0, end_s, PRESENT if present else ABSENT),), coder=coder)]
    tiers.append(Tier("ah", tuple(ah), coder=coder))
    if entry.get("all_cues") is not None:
        tiers += [Tier("cue", modality=m, coder=coder) for m in MODALITIES]
        tiers.append(Tier("inconsistency", coder=coder))
        for (start_s, until_s), found in zip(spans, cues, strict=True):
            tiers += _cue_tiers(found, start_s, until_s, coder, problems)
    return Annotations(
        recording, merge_tiers(tiers), subject, media, duration_s, tuple(dict.fromkeys(problems))
    )


def _cue_tiers(
    found: Any, start_s: float, end_s: float, coder: str, problems: list[str]
) -> list[Tier]:
    """A segment's cues; they have no times of their own, so each stands for the whole segment."""
    if found is None:
        return []
    if not isinstance(found, Mapping):
        raise BadInput(
            f"all_cues: expected per segment a mapping of modality to cues, got {_short(found)}"
        )
    tiers = []
    for name, value in found.items():
        modality = str(name).strip().lower()
        marks = tuple(Mark(start_s, end_s, label) for label in _labels(value))
        if modality in MODALITIES:
            tiers.append(Tier("cue", marks, modality, coder))
        elif modality.startswith("inconsist"):
            tiers.append(Tier("inconsistency", marks, coder=coder))
        else:
            problems.append(
                f"all_cues: {name!r} is no modality that is known; kept as a tier of that name"
            )
            tiers.append(Tier("other", marks, coder=coder, name=str(name)))
    return tiers


def _labels(value: Any) -> list[str]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [part.strip() for part in re.split(r"[;,]", value) if part.strip()]
    if isinstance(value, Sequence):
        return [label for one in value for label in _labels(one)]
    if isinstance(value, Mapping):  # cue → whether it is there
        return [str(name) for name, there in value.items() if there]
    return [str(value)]


def _per_segment(value: Any, n: int, name: str, problems: list[str]) -> list[Any]:
    """One value per segment; None throughout where the numbers do not agree, because guessing would
    misplace them.
    """
    if value is None:
        return [None] * n
    if isinstance(value, Mapping) and n != 1 and set(map(str, value)) == {str(i) for i in range(n)}:
        value = [value[k] for k in sorted(value, key=lambda k: int(k))]
    elif isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
        value = [value]
    if len(value) != n:
        if len(value):
            problems.append(f"{name}: {len(value)} values for {n} segments; they were left out")
        return [None] * n
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
    return [_frame_span(a, b, np.asarray(frame_times_s, float)) for a, b in frames]


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


def _frame_span(a: int, b: int, times_s: np.ndarray) -> tuple[float, float]:
    if not 0 <= a <= b < len(times_s):
        raise BadInput(
            f"fr_detailed_ah: expected frames 0 <= first <= last < {len(times_s)}, got {a} and {b}"
        )
    if b + 1 < len(times_s):
        return float(times_s[a]), float(times_s[b + 1])
    return float(times_s[a]), float(
        times_s[b] + (np.median(np.diff(times_s)) if len(times_s) > 1 else 0.0)
    )


def _pairs(entry: Mapping[str, Any], name: str) -> list[tuple[Any, Any]]:
    """(start, end) of every segment: from pairs, mappings with start and end, or texts ``start -
    end``.
    """
    value = entry.get(name) or []
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise BadInput(f"{name}: expected a list of (start, end), got {_short(value)}")
    found = []
    for one in value:
        pair = one
        if isinstance(one, Mapping):
            lower = {str(k).lower(): v for k, v in one.items()}
            pair = [v for k, v in lower.items() if k.startswith("start")] + [
                v for k, v in lower.items() if k.startswith(("end", "stop"))
            ]
        elif isinstance(one, str):
            pair = _BETWEEN.split(one.strip("[]() "))
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise BadInput(f"{name}: expected (start, end) per segment, got {_short(one)}")
        found.append((pair[0], pair[1]))
    return found


def _seconds(value: Any) -> float:
    """Seconds from ``HH:MM:SS.mmm``, ``MM:SS`` or a number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    match = _CLOCK.fullmatch(str(value).strip())
    if not match:
        raise BadInput(f"time_detailed_ah: expected a time like 00:00:03.250, got {value!r}")
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds.replace(",", "."))


def _frame(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise BadInput(f"fr_detailed_ah: expected a frame number, got {value!r}") from error


def _flag(value: Any) -> bool:
    if str(value).strip() in ("0", "1", "True", "False"):
        return str(value).strip() in ("1", "True")
    raise BadInput(f"global_ah: expected 0 or 1, got {value!r}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
