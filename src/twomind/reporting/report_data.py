"""A :class:`~twomind.reporting.result.Result` as plain values for the page: short series, runs and
marks.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from twomind.features.body.measures import MEASURES as BODY_MEASURES
from twomind.features.cues import line_of_sight
from twomind.features.voice.by_words import PAUSES_BY, WORDS, speaking_rows, trusted_words
from twomind.reporting.messages import ENGLISH, Texts
from twomind.reporting.result import Plain, Result
from twomind.types import (
    Cue,
    Evidence,
    Prediction,
    Recording,
    Segment,
    Status,
    Timing,
    Track,
    Word,
)

#: Curves are means over bins of this length, or longer ones where a recording would need more than
#: ``MAX_POINTS``.
BIN_S = 0.1
MAX_POINTS = 1200
#: Silence between speech from this length on is drawn as a pause.
MIN_PAUSE_S = 0.25
#: Modalities in the order of the page.
MODALITIES = ("words", "voice", "face", "head")
#: Modalities that a page has only where something of them is there.
OPTIONAL_MODALITIES = ("body", "across")
#: Curves that are open when the page is; the others wait in a list.
OPEN_CURVES = ("pitch", "energy", "AU12", "AU04", "line_of_sight", "pose_yaw")
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


def duration_s(result: Result) -> float:
    """Length of the time axis: the recording's own, else as far as anything reaches; 0 when nothing
    has a time.
    """
    own = result.recording.duration_s
    if math.isfinite(own) and own > 0:
        return own
    _, end_s = result.features.span_s
    ends = [end_s]
    for cue in result.cues:
        ends.append(cue.end_s)
    for track in result.features.tracks.values():
        if len(track):
            ends.append(float(track.times_s[-1]))
    for word in result.transcript or ():
        ends.append(word.end_s)
    return max(ends)


def _step_s(times_s: np.ndarray) -> float:
    if len(times_s) < 2:
        return 0.04
    return float(np.median(np.diff(times_s)))


# --- series and runs
# -------------------------------------------------------------------------------------------------


def bin_means(times_s: np.ndarray, columns: np.ndarray, end_s: float) -> tuple[float, np.ndarray]:
    """Means of the finite values in equal bins.

    A bin without a finite value is nan. Never finer than the samples: a slower track gets longer
    bins.

    Args:
        times_s: of the rows ``(T,)``.
        columns: values ``(T, D)``.
        end_s: the bins reach from 0 to here.

    Returns:
        Length of a bin in seconds, and the means ``(N, D)``.
    """
    just_over_step_s = _step_s(times_s) * 1.001
    bin_s = max(BIN_S, end_s / MAX_POINTS, just_over_step_s)
    n = max(1, math.ceil(end_s / bin_s - 1e-9))
    bins = np.floor(times_s / bin_s).astype(int)
    inside = (bins >= 0) & (bins < n)
    where = bins[inside]
    columns = np.asarray(columns[inside], float)
    finite = np.isfinite(columns)
    known = np.where(finite, columns, 0.0)
    width = columns.shape[1]
    totals = np.zeros((n, width))
    counts = np.zeros((n, width))
    for d in range(width):
        totals[:, d] = np.bincount(where, known[:, d], n)
        counts[:, d] = np.bincount(where, finite[:, d], n)
    means = totals / np.maximum(counts, 1)
    return bin_s, np.where(counts > 0, means, np.nan)


def _valid_values(track: Track) -> np.ndarray:
    """Values ``(T, ...)``, nan in the rows that are not valid."""
    return np.where(track.valid[:, None], track.values, np.nan)


def _short(values: np.ndarray) -> list[float | None]:
    """Four significant digits are finer than a pixel and keep the page small."""
    return [_significant(value, 4) for value in values.tolist()]


def _significant(value: float, digits: int) -> float | None:
    """A number with few digits; None where there is none."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def curves_of(
    track: Track, modality: str, end_s: float, against: str = "", t: Texts = ENGLISH
) -> list[Plain]:
    """One curve per named column with a finite value.

    Args:
        track: of the modality.
        modality: of the curves; those of the head are told by their names.
        end_s: where the time axis ends.
        against: names the neutral of relative values.
        t: texts of the page's language.
    """
    if not len(track) or not track.names:
        return []
    bin_s, means = bin_means(track.times_s, _valid_values(track), end_s)
    units = track.units or ("",) * len(track.names)
    found = []
    for d, (name, unit) in enumerate(zip(track.names, units, strict=True)):
        values = means[:, d]
        if name in _NO_CURVE or not np.isfinite(values).any():
            continue
        curve: Plain = {"name": name, "label": t.name("curve", name)}
        curve["unit"] = unit
        curve["unit_text"] = t.name("unit", unit)
        curve["modality"] = "head" if name.startswith("pose_") else modality
        curve["against"] = against
        curve["shown"] = name in OPEN_CURVES
        curve["bin_s"] = round(bin_s, 6)
        curve["values"] = _short(values)
        found.append(curve)
    return found


def _subset(track: Track, names: Sequence[str]) -> Track:
    """The track with these of its columns."""
    at = [track.names.index(name) for name in names]
    values = track.values[:, at]
    units: tuple[str, ...] = ()
    if track.units:
        units = tuple(track.units[i] for i in at)
    return replace(track, values=values, names=tuple(names), units=units)


def _curves(result: Result, end_s: float, t: Texts) -> list[Plain]:
    """Action units relative to the person's neutral where there is one, everything else as
    measured.
    """
    tracks = result.features.tracks
    found = []
    if "voice" in tracks:
        found += curves_of(tracks["voice"], "voice", end_s, "", t)
    if "body" in tracks:
        names = [measure.name for measure in BODY_MEASURES]
        found += curves_of(_subset(tracks["body"], names), "body", end_s, "", t)
    face = tracks.get("face")
    own = tracks.get("face_relative")
    if face is None:
        return found
    if own is None:
        return found + curves_of(face, "face", end_s, "", t)
    units = [name for name in own.names if name.startswith("AU")]
    others = [name for name in face.names if not name.startswith("AU")]
    against = t.said(result.neutral)
    found += curves_of(_subset(own, units), "face", end_s, against, t)
    found += curves_of(_off_usual(own), "face", end_s, against, t)
    found += curves_of(_subset(face, others), "face", end_s, "", t)
    return found


def _off_usual(own: Track) -> Track:
    """What cues of gaze are found in: how far the line of sight is off its usual direction."""
    yaw, pitch = line_of_sight(own).T
    off = np.hypot(yaw, pitch)
    return replace(own, values=off[:, None], names=("line_of_sight",), units=("deg",))


#: Begin, end and code of a span.
Span = tuple[float, float, int]


def _append(spans: list[Span], start: float, end: float, code: int) -> None:
    """Add a span, or make the last one longer where it goes on."""
    if end - start <= 1e-9:
        return
    if spans:
        first, last, same = spans[-1]
        if same == code and start - last < 1e-6:
            spans[-1] = (first, end, code)
            return
    spans.append((start, end, code))


def runs_of(times_s: np.ndarray, codes: np.ndarray, end_s: float, gap_code: int) -> list[Span]:
    """Spans of equal codes, from 0 to the end.

    Args:
        times_s: of the rows ``(T,)``.
        codes: of the rows ``(T,)``.
        end_s: where the last span ends.
        gap_code: where rows are missing.
    """
    if not len(times_s):
        return [(0.0, end_s, gap_code)] if end_s > 0 else []
    step = _step_s(times_s)
    far = max(4 * step, 0.3)
    last_end = times_s[-1] + step
    ends = np.append(times_s[1:], last_end)
    holes = ends - times_s > far
    spans: list[Span] = []
    if times_s[0] > far:
        _append(spans, 0.0, float(times_s[0]), gap_code)
    is_other_code = np.diff(codes) != 0
    changes = is_other_code | holes[:-1]
    cuts = (np.flatnonzero(changes) + 1).tolist()
    for first, stop in pairwise([0, *cuts, len(codes)]):
        last = stop - 1
        begin = float(times_s[first])
        end = times_s[last] + step if holes[last] else ends[last]
        _append(spans, begin, float(end), int(codes[first]))
        if holes[last]:
            _append(spans, float(end), float(ends[last]), gap_code)
    if end_s - ends[-1] > far:
        _append(spans, float(ends[-1]), end_s, gap_code)
    return spans


def quality_of(track: Track, end_s: float, gap: str) -> list[list[Any]]:
    """Where a track is valid, as ``[start_s, end_s, reason]``.

    Args:
        track: of the modality.
        end_s: where the last span ends.
        gap: the reason where there are no rows; it is empty where the track is valid.
    """
    reasons = [*track.reasons, gap]
    unknown = len(reasons)
    assert track.reason_code is not None
    invalid = np.where(track.reason_code > 0, track.reason_code, unknown)
    codes = np.where(track.valid, 0, invalid).astype(int)
    no_reason = "not valid, no reason was given"
    names = [*reasons, no_reason]
    found = []
    for start, end, code in runs_of(track.times_s, codes, end_s, unknown - 1):
        reason = (names[code] or no_reason) if code else ""
        found.append([_round(start), _round(end), reason])
    return found


def _quality(result: Result, end_s: float, t: Texts) -> list[Plain]:
    gaps = {"face": "no video frame", "voice": "no sound"}
    nothing = "not measured"
    found = []
    for name, gap in gaps.items():
        track = result.features.tracks.get(name)
        if track is None:
            why = result.features.notes.get(name, nothing)
            runs: list[list[Any]] = [[0.0, _round(end_s), why]]
        else:
            runs = quality_of(track, end_s, gap)
        told = []
        for start, end, reason in runs:
            told.append([start, end, t.said(reason)])
        label = t("js.measurable", what=t(f"modality.{name}"))
        found.append({"name": name, "label": label, "runs": told})
    return found


def _rounded(spans: Sequence[_Pair]) -> list[list[float | None]]:
    return [[_round(a), _round(b)] for a, b in spans]


def _speech(result: Result, end_s: float) -> Plain | None:
    """Spans of speech and of the pauses between them: by the words' times where the measures of
    pauses go by these.
    """
    track = result.features.tracks.get("voice")
    if track is None or "speech" not in track.names or not track.valid.any():
        return None
    summary = result.summary.get("voice", {})
    words: list[Word] = []
    if summary.get(PAUSES_BY) == WORDS:
        words = trusted_words(result.recording.words or ())
    column = np.nan_to_num(track.column("speech"), nan=-1.0)
    is_speech = (column >= 0.5) | speaking_rows(track, words)
    codes = np.where(column < 0, 2, is_speech).astype(int)
    spans = runs_of(track.times_s, codes, end_s, 2)
    speech = [(start, end) for start, end, code in spans if code == 1]
    pauses = _pauses(spans)
    if words:
        pauses = _inside_words(pauses, words)
    by = summary.get(PAUSES_BY, "")
    return {"speech": _rounded(speech), "pauses": _rounded(pauses), "by": by}


#: Begin and end in seconds.
_Pair = tuple[float, float]


def _inside_words(pauses: list[_Pair], words: Sequence[Word]) -> list[_Pair]:
    """Those inside the answer, whose first and last sound are words."""
    first_s = min(word.start_s for word in words)
    last_s = max(word.end_s for word in words)
    found = []
    for start, end in pauses:
        if first_s <= start and end <= last_s:
            found.append((start, end))
    return found


def _pauses(spans: Sequence[Span]) -> list[_Pair]:
    """The silences that are long enough for a pause and stand between speech. One beside a gap, or
    beside the turn of another person, is none.
    """
    pauses = []
    neighbours = zip(spans, spans[1:], spans[2:], strict=False)
    for (_, _, before), (start, end, code), (_, _, after) in neighbours:
        between = before == after == 1
        if code == 0 and between and end - start >= MIN_PAUSE_S:
            pauses.append((start, end))
    return pauses


def _key(name: str, start_s: float) -> tuple[str, float]:
    return name, round(start_s, 3)


# --- words, cues, score
# ----------------------------------------------------------------------------------------------

_SPREAD = (Timing.SPREAD_CUE, Timing.SPREAD_ALL)


def _contributions(words: Sequence[Word], prediction: Prediction) -> list[float | None]:
    """What each word added to the score; None where the model said nothing of a word."""
    evidence = [e for e in prediction.evidence if e.kind == "word"]
    named = [e.name for e in evidence]
    if named == [w.text for w in words]:
        return [_round(e.value, 4) for e in evidence]
    by_key: dict[tuple[str, float], float] = {}
    for e in evidence:
        key = _key(e.name, e.start_s)
        by_key[key] = by_key.get(key, 0.0) + e.value
    found: list[float | None] = []
    for w in words:
        share = by_key.get(_key(w.text, w.start_s))
        found.append(None if share is None else _round(share, 4))
    return found


def _word_data(result: Result, t: Texts) -> Plain:
    """The transcript as a reader sees it. ``known`` says whether there are words to show,
    ``measured`` whether they are measured.
    """
    known = result.transcript
    words = known or ()
    shares = _contributions(words, result.prediction)
    pairs = zip(words, shares, strict=True)
    kinds = list(dict.fromkeys(w.timing for w in words))
    found: Plain = {"known": known is not None}
    found["measured"] = result.features.words is not None
    found["reason"] = result.why_no_words
    found["remarks"] = list(result.recording.words_remarks)
    found["source"] = result.recording.words_source
    found["items"] = [_word_item(w, share) for w, share in pairs]
    found["between"] = _between_words(result.recording, words)
    found["notes"] = [t(f"timing.{k.name.lower()}") for k in kinds]
    found["spread"] = any(k in _SPREAD for k in kinds)
    found["moved"] = any(shares)
    return found


def _between_words(recording: Recording, words: Sequence[Word]) -> list[list[Plain]]:
    """What stands before each word and after the last in a transcript, and is not counted: marks,
    and where other people speak. One list more than there are words.
    """
    notes = [_note_item("mark", mark.text, mark) for mark in recording.marks]
    notes += [_note_item("other", turn.label, turn) for turn in recording.others]
    notes.sort(key=lambda note: float(note["start_s"]))
    starts = [word.start_s for word in words]
    n_places = len(words) + 1
    found: list[list[Plain]] = [[] for _ in range(n_places)]
    for note in notes:
        place = bisect_right(starts, note["start_s"])
        found[place].append(note)
    return found


def _note_item(kind: str, text: str, span: Word | Segment) -> Plain:
    item: Plain = {"kind": kind, "text": text}
    item["start_s"] = _round(span.start_s)
    item["end_s"] = _round(span.end_s)
    return item


def _word_item(word: Word, share: float | None) -> Plain:
    item: Plain = {"text": word.text}
    item["start_s"] = _round(word.start_s)
    item["end_s"] = _round(word.end_s)
    item["spread"] = word.timing in _SPREAD
    item["confidence"] = _round(word.confidence, 2)
    item["share"] = share
    return item


def _meanings() -> Mapping[str, str]:
    from twomind.features.cues import KINDS

    return KINDS


#: Decimals of a unit on a page.
_DIGITS = {"s": 1, "deg": 0}


def _cue_data(cues: Sequence[Cue], t: Texts) -> list[Plain]:
    in_time = sorted(cues, key=lambda c: (c.start_s, c.end_s))
    return [_cue_item(cue, t) for cue in in_time]


def _cue_item(cue: Cue, t: Texts) -> Plain:
    item: Plain = {"kind": cue.kind, "label": t.name("kind", cue.kind)}
    item["meaning"] = t.said(_meanings().get(cue.kind, ""))
    item["modality"] = cue.modality
    item["start_s"] = _round(cue.start_s)
    item["end_s"] = _round(cue.end_s)
    item["value"] = _strength(cue)
    item["unit"] = t.name("unit", cue.unit)
    item["detail"] = t.said(cue.detail)
    item["halves"] = halves_of(cue, t)
    return item


def _strength(cue: Cue) -> float | None:
    """As a page shows it: seconds with a tenth and whole degrees, as in the cue's own words."""
    if cue.unit in _DIGITS:
        return _round(cue.value, _DIGITS[cue.unit])
    return _significant(cue.value, 3)


#: One half of an inconsistency: what, and when.
_HALF = re.compile(r"(?P<what>.+?) \((?P<start>\d+\.\d)-(?P<end>\d+\.\d) s\)")


def halves_of(cue: Cue, t: Texts = ENGLISH) -> list[Plain]:
    """The two things that an inconsistency cue quotes, with their times; none of other cues."""
    one, against, other = cue.detail.partition(" against ")
    if cue.modality != "across" or not against:
        return []
    found: list[Plain] = []
    for text in (one, other):
        half = _HALF.match(text)
        if half is None:
            return []
        start_s, end_s = float(half["start"]), float(half["end"])
        found.append({"what": _named(half["what"], t), "start_s": start_s, "end_s": end_s})
    return found


def _named(what: str, t: Texts) -> str:
    """``negative “hate it”`` with the name of its kind of cue in the page's language."""
    name, quote, said = what.partition(" “")
    return f"{t.name('kind', name.replace(' ', '_'))}{quote}{said}"


def _is_measured(result: Result, modality: str) -> bool:
    if modality == "words":
        return result.features.words is not None
    track_name = "face" if modality == "head" else modality
    track = result.features.tracks.get(track_name)
    return track is not None and bool(track.valid.any())


def modality_counts(cues: Sequence[Cue]) -> dict[str, int]:
    """Cues by modality, in the order of the page; modalities with none are there with 0."""
    counts = Counter(c.modality for c in cues)
    return {name: counts.pop(name, 0) for name in MODALITIES} | dict(counts)


def measured_counts(result: Result) -> dict[str, int | None]:
    """Cues by modality, None where the modality could not be measured: no cue seen is not
    "no cue".
    """
    found: dict[str, int | None] = {}
    for modality, n in modality_counts(result.cues).items():
        found[modality] = n if n or _is_measured(result, modality) else None
    if _is_measured(result, "body"):
        found.setdefault("body", 0)
    return found


def _ends(prediction: Prediction, kind: str) -> list[float] | None:
    """Lower and upper end of a band of the probability, where both are known."""
    values = {e.name: e.value for e in prediction.evidence if e.kind == kind}
    low = values.get("low", math.nan)
    high = values.get("high", math.nan)
    if not math.isfinite(low) or not math.isfinite(high):
        return None
    return [round(low, 4), round(high, 4)]


def score_data(prediction: Prediction) -> Plain:
    """The probability with band, abstain zone and parts; for a not-measured answer no number at
    all.
    """
    found: Plain = {"status": str(prediction.status), "reason": prediction.reason}
    if prediction.status is Status.NOT_MEASURED:
        return found | {"p": None, "band": None, "no_band": "", "zone": None, "parts": []}
    found["p"] = round(float(prediction.probs[1]), 4)
    found["band"] = _ends(prediction, "band")
    found["no_band"] = prediction.why_no_band
    found["zone"] = _ends(prediction, "abstain")
    parts = [e for e in prediction.evidence if e.kind == "part"]
    found["parts"] = [_part(e) for e in parts]
    return found


def unadapted_p(result: Result) -> float | None:
    """The probability of the same model without adaptation; None where there is none."""
    plain = result.unadapted
    if plain is None or plain.status is Status.NOT_MEASURED:
        return None
    return round(float(plain.probs[1]), 4)


def _part(evidence: Evidence) -> Plain:
    return {"name": evidence.name, "value": _round(evidence.value, 4), "unit": evidence.unit}


def _score_curve(score: Track, end_s: float) -> Plain:
    """Probability of the last class over time."""
    last = score.values
    if last.ndim > 1:
        last = last[:, -1]
    shown = np.where(score.valid, last, np.nan)
    bin_s, means = bin_means(score.times_s, shown[:, None], end_s)
    return {"bin_s": round(bin_s, 6), "values": _short(means[:, 0])}


def _located(result: Result, end_s: float, t: Texts) -> Plain:
    segments = result.segments if result.located else ()
    score = result.frame_score if result.located else None
    reason = result.located_reason
    if not reason and not result.located:
        reason = "no model that locates was asked"
    found: Plain = {"located": result.located, "reason": t.said(reason)}
    found["segments"] = [_segment(s) for s in segments]
    found["curve"] = None
    if score is not None and len(score):
        found["curve"] = _score_curve(score, end_s)
    found["coded"] = [_segment(s) for s in result.recording.segments]
    return found


def _segment(segment: Segment) -> Plain:
    plain: Plain = {"start_s": _round(segment.start_s)}
    plain["end_s"] = _round(segment.end_s)
    plain["label"] = segment.label
    plain["source"] = segment.source
    plain["score"] = _round(segment.score)
    return plain


def time_data(result: Result, t: Texts = ENGLISH) -> Plain:
    """Everything with a time: what the browser draws on the time axis.

    Args:
        result: the answer.
        t: texts of the page's language.
    """
    end_s = duration_s(result)
    found: Plain = {"id": result.recording.id, "duration_s": _round(end_s)}
    found["words"] = _word_data(result, t)
    found["cues"] = _cue_data(result.cues, t)
    found["curves"] = _curves(result, end_s, t)
    found["speech"] = _speech(result, end_s)
    found["quality"] = _quality(result, end_s, t)
    found["located"] = _located(result, end_s, t)
    there = {name for name in OPTIONAL_MODALITIES if name in result.features.tracks}
    there |= {cue.modality for cue in result.cues}
    found["modalities"] = modalities_with(there, t)
    return found


def modalities_with(there: Iterable[str], t: Texts = ENGLISH) -> Mapping[str, str]:
    """What each modality of a page is called, in the page's order.

    Args:
        there: modalities of which something is known.
        t: texts of the page's language.
    """
    known = set(there)
    more = [name for name in OPTIONAL_MODALITIES if name in known]
    return {name: t(f"modality.{name}") for name in (*MODALITIES, *more)}


def overview_row(result: Result, link: str) -> Plain:
    """One line of the overview: small, so that a long batch need not keep its results in memory."""
    recording = result.recording
    row: Plain = {"id": recording.id, "subject": recording.subject}
    row["question"] = recording.question
    row["duration_s"] = _round(duration_s(result))
    row["drawn"] = recording.drawn
    row["purpose"] = result.purpose
    row["remarks"] = list(recording.words_remarks)
    row["score"] = {**score_data(result.prediction), "before": unadapted_p(result)}
    row["counts"] = measured_counts(result)
    row["meaning"] = result.model.get("meaning", "")
    row["link"] = link
    return row


def is_action_unit(name: str) -> bool:
    """``AU09`` and the like."""
    return re.fullmatch(r"AU\d+\w*", name) is not None
