"""A :class:`~twomind.reporting.result.Result` as plain values for the page: short series, runs and
marks.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twomind.reporting.result import Result
from twomind.types import Cue, Prediction, Status, Timing, Track, Word

#: Curves are means over bins of this length, or longer ones where a recording would need more than
#: ``MAX_POINTS``.
BIN_S = 0.1
MAX_POINTS = 3000
#: Silence between speech from this length on is drawn as a pause.
MIN_PAUSE_S = 0.25
#: Modalities in the order of the page.
MODALITIES = {"words": "Words", "voice": "Voice", "face": "Face", "head": "Head"}
#: Curves that are open when the page is; the others wait in a list.
SHOWN = ("pitch", "energy", "AU12", "AU04", "gaze_yaw", "pose_yaw")
#: What each measure is called on the page, as far as its own name does not say it.
LABELS = {
    "AU01": "inner brow raised",
    "AU02": "outer brow raised",
    "AU04": "brow lowered",
    "AU05": "upper lid raised",
    "AU06": "cheek raised",
    "AU07": "lid tightened",
    "AU09": "nose wrinkled",
    "AU10": "upper lip raised",
    "AU12": "lip corner pulled up",
    "AU12_left": "… on the left",
    "AU12_right": "… on the right",
    "AU14": "dimple",
    "AU15": "lip corner down",
    "AU17": "chin raised",
    "AU18": "lips puckered",
    "AU20": "lips stretched",
    "AU23": "lips tightened",
    "AU24": "lips pressed",
    "AU25": "lips apart",
    "AU26": "jaw dropped",
    "AU43": "eyes closed",
    "AU45": "blink",
    "pose_yaw": "head turn",
    "pose_pitch": "head up/down",
    "pose_roll": "head tilt",
    "gaze_yaw": "gaze left/right",
    "gaze_pitch": "gaze up/down",
    "eye_opening_left": "left eye open",
    "eye_opening_right": "right eye open",
    "blink": "blink",
    "mouth_opening": "mouth open",
    "mouth_motion": "mouth motion",
    "face_size": "face size",
    "blur": "sharpness",
    "light": "light",
    "occlusion": "covered",
    "pitch": "pitch",
    "energy": "loudness",
}
#: Columns that are drawn as something else (bands, marks) or say nothing as a curve.
_NO_CURVE = {"speech", "syllable"}


def plain(value: Any) -> Any:
    """Nested values as JSON can carry them: numpy to Python, nan to None, enums and paths
    to text.
    """
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int) or type(value) is str:
        return value
    return str(value)


def _round(value: float, digits: int = 3) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None


def spoken_name(kind: str) -> str:
    """``long_pause`` → ``long pause``."""
    return kind.replace("_", " ")


def duration_s(result: Result) -> float:
    """Length of the time axis: the recording's own, else as far as anything reaches; 0 when nothing
    has a time.
    """
    own = result.recording.duration_s
    if math.isfinite(own) and own > 0:
        return own
    ends = [result.features.span_s[1], *(c.end_s for c in result.cues)]
    ends += [float(t.times_s[-1]) for t in result.features.tracks.values() if len(t)]
    ends += [w.end_s for w in _words(result) or ()]
    return max(ends)


def _words(result: Result) -> tuple[Word, ...] | None:
    return result.features.words if result.features.words is not None else result.recording.words


def _step_s(times_s: np.ndarray) -> float:
    return float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.04


# --- series and runs
# -------------------------------------------------------------------------------------------------


def bin_means(times_s: np.ndarray, columns: np.ndarray, end_s: float) -> tuple[float, np.ndarray]:
    """Means of the finite values of ``columns (T, D)`` in equal bins from 0 to ``end_s``: bin
    length, ``(N, D)``.

    A bin without a finite value is nan. Never finer than the samples: a slower track gets longer
    bins.
    """
    bin_s = max(BIN_S, end_s / MAX_POINTS, _step_s(times_s) * 1.001)
    n = max(1, math.ceil(end_s / bin_s - 1e-9))
    where = np.floor(times_s / bin_s).astype(int)
    inside = (where >= 0) & (where < n)
    where, columns = where[inside], np.asarray(columns[inside], float)
    finite = np.isfinite(columns)
    totals, counts = np.zeros((n, columns.shape[1])), np.zeros((n, columns.shape[1]))
    for d in range(columns.shape[1]):
        totals[:, d] = np.bincount(where, np.where(finite[:, d], columns[:, d], 0.0), n)
        counts[:, d] = np.bincount(where, finite[:, d], n)
    return bin_s, np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)


def _short(values: np.ndarray) -> list[float | None]:
    """Four significant digits are finer than a pixel and keep the page small."""
    return [float(f"{v:.4g}") if math.isfinite(v) else None for v in values.tolist()]


def curves_of(track: Track, modality: str, end_s: float, against: str = "") -> list[dict[str, Any]]:
    """One curve per named column with a finite value; ``against`` names the neutral of relative
    values.
    """
    if not len(track) or not track.names:
        return []
    bin_s, means = bin_means(
        track.times_s, np.where(track.valid[:, None], track.values, np.nan), end_s
    )
    units = track.units or ("",) * len(track.names)
    return [
        {
            "name": name,
            "label": LABELS.get(name, spoken_name(name)),
            "unit": unit,
            "modality": "head" if name.startswith("pose_") else modality,
            "against": against,
            "shown": name in SHOWN,
            "bin_s": round(bin_s, 6),
            "values": _short(means[:, d]),
        }
        for d, (name, unit) in enumerate(zip(track.names, units, strict=True))
        if name not in _NO_CURVE and np.isfinite(means[:, d]).any()
    ]


def _subset(track: Track, keep: Sequence[bool]) -> Track:
    from dataclasses import replace

    at = [i for i, k in enumerate(keep) if k]
    names, units = track.names, track.units
    return replace(
        track,
        values=track.values[:, at],
        names=tuple(names[i] for i in at),
        units=tuple(units[i] for i in at) if units else (),
    )


def _curves(result: Result, end_s: float) -> list[dict[str, Any]]:
    """Action units relative to the person's neutral where there is one, everything else as
    measured.
    """
    tracks = result.features.tracks
    found = curves_of(tracks["voice"], "voice", end_s) if "voice" in tracks else []
    face, own = tracks.get("face"), tracks.get("face_relative")
    if face is None:
        return found
    is_au = [name.startswith("AU") for name in face.names]
    if own is not None:
        keep = [name.startswith("AU") for name in own.names]
        found += curves_of(_subset(own, keep), "face", end_s, result.neutral)
        return found + curves_of(_subset(face, [not a for a in is_au]), "face", end_s)
    return found + curves_of(face, "face", end_s)


def runs_of(
    times_s: np.ndarray, codes: np.ndarray, end_s: float, gap_code: int
) -> list[tuple[float, float, int]]:
    """Spans of equal ``codes (T,)``, from 0 to ``end_s``. Where rows are missing, the code is
    ``gap_code``.
    """
    if not len(times_s):
        return [(0.0, end_s, gap_code)] if end_s > 0 else []
    step = _step_s(times_s)
    far = max(4 * step, 0.3)
    ends = np.append(times_s[1:], times_s[-1] + step)
    holes = ends - times_s > far
    spans: list[tuple[float, float, int]] = []

    def add(start: float, end: float, code: int) -> None:
        if end - start <= 1e-9:
            return
        if spans and spans[-1][2] == code and start - spans[-1][1] < 1e-6:
            spans[-1] = (spans[-1][0], end, code)
        else:
            spans.append((start, end, code))

    if times_s[0] > far:
        add(0.0, float(times_s[0]), gap_code)
    cuts = np.flatnonzero((np.diff(codes) != 0) | holes[:-1]) + 1
    for first, stop in zip([0, *cuts.tolist()], [*cuts.tolist(), len(codes)], strict=True):
        last = stop - 1
        end = times_s[last] + step if holes[last] else ends[last]
        add(float(times_s[first]), float(end), int(codes[first]))
        if holes[last]:
            add(float(end), float(ends[last]), gap_code)
    if end_s - ends[-1] > far:
        add(float(ends[-1]), end_s, gap_code)
    return spans


def quality_of(track: Track, end_s: float, gap: str) -> list[list[Any]]:
    """``[start_s, end_s, reason]``; the reason is empty where the track is valid, ``gap`` where it
    has no rows.
    """
    reasons = [*track.reasons, gap]
    assert track.reason_code is not None
    invalid = np.where(track.reason_code > 0, track.reason_code, len(reasons))
    codes = np.where(track.valid, 0, invalid).astype(int)
    names = [*reasons, "not valid, no reason was given"]
    spans = runs_of(track.times_s, codes, end_s, len(reasons) - 1)
    return [[_round(a), _round(b), "" if c == 0 else names[c] or names[-1]] for a, b, c in spans]


def _quality(result: Result, end_s: float) -> list[dict[str, Any]]:
    gaps = {"face": "no video frame", "voice": "no sound"}
    found = []
    for name, gap in gaps.items():
        track = result.features.tracks.get(name)
        if track is None:
            runs: list[list[Any]] = [
                [0.0, _round(end_s), result.features.notes.get(name, "not measured")]
            ]
        else:
            runs = quality_of(track, end_s, gap)
        found.append({"name": name, "label": f"{name} measurable", "runs": runs})
    return found


def _speech(result: Result, end_s: float) -> dict[str, Any] | None:
    """Spans of speech and of the silences between them."""
    track = result.features.tracks.get("voice")
    if track is None or "speech" not in track.names or not track.valid.any():
        return None
    codes = np.nan_to_num(track.column("speech"), nan=-1.0)
    spans = runs_of(track.times_s, np.where(codes < 0, 2, codes >= 0.5).astype(int), end_s, 2)
    speech = [(a, b) for a, b, code in spans if code == 1]
    first, last = (speech[0][0], speech[-1][1]) if speech else (math.inf, -math.inf)
    pauses = [(a, b) for a, b, c in spans if c == 0 and first < a < last and b - a >= MIN_PAUSE_S]
    return {
        name: [[_round(a), _round(b)] for a, b in found]
        for name, found in (("speech", speech), ("pauses", pauses))
    }


# --- words, cues, score
# ----------------------------------------------------------------------------------------------

_SPREAD = (Timing.SPREAD_CUE, Timing.SPREAD_ALL)
TIMING_TEXT = {
    Timing.GIVEN: "The transcript gave a time for each word.",
    Timing.RECOGNISED: "Word times are the speech recogniser's.",
    Timing.SPREAD_CUE: "Only whole subtitles had times; words are spread evenly inside each, so a "
    "word's own time is "
    "approximate.",
    Timing.SPREAD_ALL: "The transcript had no times: the words are spread evenly over the "
    "recording. Their places "
    "do not say when they were spoken.",
}


def _contributions(words: Sequence[Word], prediction: Prediction) -> list[float | None]:
    """What each word added to the score; None where the model said nothing of a word."""
    evidence = [e for e in prediction.evidence if e.kind == "word"]
    if len(evidence) == len(words) and all(
        e.name == w.text for e, w in zip(evidence, words, strict=True)
    ):
        return [_round(e.value, 4) for e in evidence]
    by_key: dict[tuple[str, float], float] = {}
    for e in evidence:
        key = (e.name, round(e.start_s, 3))
        by_key[key] = by_key.get(key, 0.0) + e.value
    found = [by_key.get((w.text, round(w.start_s, 3))) for w in words]
    return [None if v is None else _round(v, 4) for v in found]


def _word_data(result: Result) -> dict[str, Any]:
    words = _words(result)
    if words is None:
        reason = (
            result.features.notes.get("words") or result.recording.words_reason or "not measured"
        )
        return {
            "measured": False,
            "reason": reason,
            "items": [],
            "notes": [],
            "spread": False,
            "moved": False,
        }
    shares = _contributions(words, result.prediction)
    items = [
        {
            "text": w.text,
            "start_s": _round(w.start_s),
            "end_s": _round(w.end_s),
            "spread": w.timing in _SPREAD,
            "confidence": _round(w.confidence, 2),
            "share": share,
        }
        for w, share in zip(words, shares, strict=True)
    ]
    kinds = list(dict.fromkeys(w.timing for w in words))
    return {
        "measured": True,
        "reason": result.features.notes.get("words", ""),
        "source": result.recording.words_source,
        "items": items,
        "notes": [TIMING_TEXT[k] for k in kinds],
        "spread": any(k in _SPREAD for k in kinds),
        "moved": any(s for s in shares),
    }


def _meanings() -> Mapping[str, str]:
    from twomind.features.cues import KINDS

    return KINDS


def _cue_data(cues: Sequence[Cue]) -> list[dict[str, Any]]:
    meanings = _meanings() if cues else {}
    return [
        {
            "kind": c.kind,
            "label": spoken_name(c.kind),
            "meaning": meanings.get(c.kind, ""),
            "modality": c.modality,
            "start_s": _round(c.start_s),
            "end_s": _round(c.end_s),
            "value": None if not math.isfinite(c.value) else float(f"{c.value:.3g}"),
            "unit": c.unit,
            "detail": c.detail,
        }
        for c in sorted(cues, key=lambda c: (c.start_s, c.end_s))
    ]


def modality_counts(cues: Sequence[Cue]) -> dict[str, int]:
    """Cues by modality, in the order of the page; modalities with none are there with 0."""
    counts = Counter(c.modality for c in cues)
    return {name: counts.pop(name, 0) for name in MODALITIES} | dict(counts)


def measured_counts(result: Result) -> dict[str, int | None]:
    """Cues by modality, None where the modality could not be measured: no cue seen is not
    "no cue".
    """
    tracks = result.features.tracks

    def there(name: str) -> bool:
        if name == "words":
            return result.features.words is not None
        track = tracks.get("face" if name == "head" else name)
        return track is not None and bool(track.valid.any())

    return {
        name: n if n or there(name) else None for name, n in modality_counts(result.cues).items()
    }


def score_data(prediction: Prediction) -> dict[str, Any]:
    """The probability with band, abstain zone and parts; for a not-measured answer no number at
    all.
    """
    found: dict[str, Any] = {"status": str(prediction.status), "reason": prediction.reason}
    if prediction.status is Status.NOT_MEASURED:
        return found | {"p": None, "band": None, "zone": None, "parts": []}

    def pair(kind: str) -> list[float] | None:
        ends = {e.name: e.value for e in prediction.evidence if e.kind == kind}
        values = [ends.get("low", math.nan), ends.get("high", math.nan)]
        return [round(v, 4) for v in values] if all(math.isfinite(v) for v in values) else None

    parts = [
        {"name": e.name, "value": _round(e.value, 4), "unit": e.unit}
        for e in prediction.evidence
        if e.kind == "part"
    ]
    p = round(float(prediction.probs[1]), 4)
    return found | {"p": p, "band": pair("band"), "zone": pair("abstain"), "parts": parts}


def _located(result: Result, end_s: float) -> dict[str, Any]:
    segments = result.segments if result.located else ()
    score = result.frame_score if result.located else None
    curve = None
    if score is not None and len(score):
        track = score.values if score.values.ndim == 2 else score.values[:, None]
        bin_s, means = bin_means(
            score.times_s, np.where(score.valid[:, None], track, np.nan)[:, -1:], end_s
        )
        curve = {"bin_s": round(bin_s, 6), "values": _short(means[:, 0])}
    return {
        "located": result.located,
        "reason": result.located_reason
        or ("" if result.located else "no model that locates was asked"),
        "segments": [_segment(s) for s in segments],
        "curve": curve,
        "coded": [_segment(s) for s in result.recording.segments],
    }


def _segment(segment: Any) -> dict[str, Any]:
    return {
        "start_s": _round(segment.start_s),
        "end_s": _round(segment.end_s),
        "label": segment.label,
        "source": segment.source,
        "score": _round(segment.score),
    }


def time_data(result: Result) -> dict[str, Any]:
    """Everything with a time: what the browser draws on the time axis."""
    end_s = duration_s(result)
    return {
        "id": result.recording.id,
        "duration_s": _round(end_s),
        "words": _word_data(result),
        "cues": _cue_data(result.cues),
        "curves": _curves(result, end_s),
        "speech": _speech(result, end_s),
        "quality": _quality(result, end_s),
        "located": _located(result, end_s),
        "modalities": MODALITIES,
    }


def overview_row(result: Result, link: str) -> dict[str, Any]:
    """One line of the overview: small, so that a long batch need not keep its results in memory."""
    return {
        "id": result.recording.id,
        "subject": result.recording.subject,
        "question": result.recording.question,
        "duration_s": _round(duration_s(result)),
        "drawn": result.recording.drawn,
        "purpose": result.purpose,
        "score": score_data(result.prediction),
        "counts": measured_counts(result),
        "meaning": result.model.get("meaning", ""),
        "link": link,
    }


def is_action_unit(name: str) -> bool:
    """``AU09`` and the like."""
    return re.fullmatch(r"AU\d+\w*", name) is not None
