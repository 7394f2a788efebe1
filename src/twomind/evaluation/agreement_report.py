"""Every coefficient of one comparison of raters, as plain values for a table or JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np

from twomind.core import numbers
from twomind.evaluation import agreement
from twomind.evaluation.agreement_time import (
    Events,
    Spans,
    bootstrap,
    by_segment,
    disagreements,
    grid,
    match_events,
    on_grid,
    on_units,
)
from twomind.evaluation.raters import Rated
from twomind.types.plain import Array, Plain

#: Fewer recordings than this give no intraclass correlation.
LEAST_ICC = 3
#: Fewer people than this give no interval.
LEAST_PEOPLE = 5

#: Codes of frames and of whole answers.
_CODES = (0, 1)
_UNIT_CODES = (0.0, 1.0)


@dataclass(frozen=True)
class _Tolerance:
    """How far two events may lie apart and still be one; None: offsets as onsets."""

    onset_s: float
    offset_s: float | None


@dataclass(frozen=True)
class _Resampling:
    n_bootstrap: int
    seed: int


def compare(
    rated: Sequence[Rated],
    *,
    tolerance_s: float = 0.5,
    offset_tolerance_s: float | None = None,
    hop_s: float = 0.04,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> Plain:
    """Agreement of all raters: pairs, all coders, all coders and models; frames, utterances,
    events, answers, amounts.

    Frames lie ``hop_s`` apart in the middle of each hop. An event of one rater is matched by
    another's when onset and offset lie within the tolerances. Values that are not defined are nan;
    ``not_measured`` says why.

    Args:
        rated: what the raters marked, by recording.
        tolerance_s: how far onsets may lie apart, in seconds.
        offset_tolerance_s: the same of offsets; None: as of onsets.
        hop_s: from frame to frame, in seconds.
        n_bootstrap: resamples behind each interval.
        seed: of the random numbers.
    """
    names = _names(rated)
    models = _models(rated)
    coders = [name for name in names if name not in models]
    tolerance = _Tolerance(tolerance_s, offset_tolerance_s)
    frames = [_frames(one, names, hop_s) for one in rated]
    comparison = _Comparison(rated, names, frames, _Resampling(n_bootstrap, seed))
    together = {}
    if len(coders) > 1:
        together["coders"] = comparison.together(coders)
    if models and coders:
        together["coders and models"] = comparison.together(names)
    pairs = [comparison.pair(a, b, tolerance) for a, b in combinations(names, 2)]
    raters = []
    for name in names:
        row = comparison.rater(name)
        row["model"] = name in models
        raters.append(row)
    people = {one.subject for one in rated}
    return {
        "schema": "twomind.agreement/1",
        "raters": raters,
        "pairs": pairs,
        "together": together,
        "disagreements": _disagreements(rated, tolerance_s),
        "recordings": len(rated),
        "people": len(people),
        "n_frames": sum(codes.shape[1] for codes in frames),
        "hop_s": hop_s,
        "tolerance_s": tolerance_s,
        "offset_tolerance_s": tolerance_s if offset_tolerance_s is None else offset_tolerance_s,
        "not_measured": _not_measured(rated, people) + _undefined(pairs),
    }


def _names(rated: Sequence[Rated]) -> list[str]:
    """All raters, in the order in which they come."""
    found: dict[str, None] = {}
    for one in rated:
        found |= dict.fromkeys(one.spans)
        found |= dict.fromkeys(one.answers)
    return list(found)


def _models(rated: Sequence[Rated]) -> set[str]:
    found: set[str] = set()
    for one in rated:
        found |= one.models
    return found


def _frames(one: Rated, names: Sequence[str], hop_s: float) -> Array:
    """Codes ``(R, T)``: 1 marked, 0 not marked, -1 did not look at the recording."""
    times_s = grid(one.extent_s, hop_s)
    not_looked = np.full(len(times_s), -1)
    rows = []
    for name in names:
        row = not_looked
        if name in one.spans:
            row = on_grid(one.spans[name], times_s).astype(int)
        rows.append(row)
    return np.stack(rows)


def _not_measured(rated: Sequence[Rated], people: set[str]) -> list[dict[str, str]]:
    found = []
    if len(people) < LEAST_PEOPLE:
        why = (
            f"people: {len(people)}; frames of one person hang together, so intervals need at "
            f"least {LEAST_PEOPLE}"
        )
        found.append({"what": "intervals", "reason": why})
    if len(rated) < LEAST_ICC:
        why = f"recordings: {len(rated)}; the intraclass correlation needs at least {LEAST_ICC}"
        found.append({"what": "ICC", "reason": why})
    unknown = [one.recording for one in rated if not one.extent_known]
    if unknown:
        why = (
            f"the length of {len(unknown)} recordings is not known ({', '.join(unknown[:3])}): "
            "frames end with the "
            "last mark, and kappa and alpha differ from those over the whole recording"
        )
        found.append({"what": "length", "reason": why})
    return found


def _undefined(pairs: Sequence[Plain]) -> list[dict[str, str]]:
    """Why kappa is nan where it is."""
    found = []
    for pair in pairs:
        if "kappa" not in pair or not math.isnan(pair["kappa"]):
            continue
        n_events = pair["n_events_a"] + pair["n_events_b"]
        reason = "neither left a frame unmarked"
        if n_events == 0:
            reason = "neither marked anything"
        what = f"kappa and alpha of {pair['a']} – {pair['b']}"
        found.append({"what": what, "reason": reason})
    return found


def _disagreements(rated: Sequence[Rated], tolerance_s: float) -> list[Plain]:
    found = []
    for one in rated:
        if len(one.spans) < 2:
            continue
        for stretch in disagreements(one.spans, tolerance_s):
            row = {"recording": one.recording, **asdict(stretch)}
            found.append(row)
    return found


@dataclass(frozen=True)
class _Comparison:
    """Numbers of raters and groups of raters, over the same recordings.

    ``frames`` holds codes ``(R, T)`` per recording, raters in the order of ``names``.
    """

    rated: Sequence[Rated]
    names: Sequence[str]
    frames: Sequence[Array]
    resampling: _Resampling

    def _interval(
        self, value: Callable[[Array], agreement.Coefficient], chosen: Sequence[int]
    ) -> list[float] | None:
        people = [self.rated[k].subject for k in chosen]
        how = self.resampling
        return bootstrap(value, people, how.n_bootstrap, how.seed, LEAST_PEOPLE)

    def rater(self, name: str) -> Plain:
        """How many recordings a coder looked at, and how much of them the coder marked."""
        spans: list[tuple[float, float]] = []
        n_looked = n_frames = n_marked = 0
        index = self.names.index(name)
        for one, codes in zip(self.rated, self.frames, strict=True):
            if name not in one.spans:
                continue
            n_looked += 1
            spans += one.spans[name]
            n_frames += codes.shape[1]
            n_marked += int(codes[index].sum())
        n_answered = sum(name in one.answers for one in self.rated)
        return {
            "rater": name,
            "recordings": n_looked or n_answered,
            "n_segments": len(spans) if n_looked else None,
            "seconds_marked": float(_seconds(spans)) if n_looked else math.nan,
            "share_marked": n_marked / n_frames if n_frames else math.nan,
        }

    def pair(self, a: str, b: str, tolerance: _Tolerance) -> Plain:
        """Two raters, over the recordings that both looked at."""
        both = []
        for k, one in enumerate(self.rated):
            if a in one.spans and b in one.spans:
                both.append(k)
        found: Plain = {"a": a, "b": b, "recordings": len(both)}
        found |= self._answers(a, b)
        if not both:
            found["reason"] = "no recording in which both marked segments"
            return found
        found |= self._kappa(a, b, both)
        found |= self._units([a, b], both)
        events = []
        segments = []
        for k in both:
            one = self.rated[k]
            mine = one.spans[a]
            other = one.spans[b]
            matched = match_events(mine, other, tolerance.onset_s, tolerance.offset_s)
            events.append(matched)
            for segment in by_segment(mine, other, matched):
                row = {"recording": one.recording, **asdict(segment)}
                segments.append(row)
        found |= self._events(events, both)
        found |= self._amounts([a, b], both)
        found["segments"] = segments
        return found

    def _kappa(self, a: str, b: str, both: Sequence[int]) -> Plain:
        """Agreement of two raters on frames."""
        i = self.names.index(a)
        j = self.names.index(b)
        each = []
        for k in both:
            codes = self.frames[k]
            table, _ = agreement.confusion(codes[i], codes[j], _CODES)
            each.append(table)
        tables = np.stack(each)
        whole = tables.sum(axis=0)

        def kappa(weights: Array) -> agreement.Coefficient:
            return agreement.cohen_from_table(_sum(weights, tables))

        return {
            "n_frames": int(tables.sum()),
            "raw_agreement": float(np.trace(whole) / tables.sum()),
            "kappa": agreement.cohen_from_table(whole),
            "kappa_interval": self._interval(kappa, both),
            "alpha": agreement.alpha_from_coincidences(_symmetric(whole), _CODES),
        }

    def _events(self, events: Sequence[Events], both: Sequence[int]) -> Plain:
        rows = []
        onset: list[float] = []
        offset: list[float] = []
        for matched in events:
            rows.append((len(matched.pairs), matched.n_a, matched.n_b))
            onset += map(abs, matched.onset_error_s)
            offset += map(abs, matched.offset_error_s)
        counts = np.array(rows, float)
        total = counts.sum(axis=0)
        n_matched, n_a, n_b = total

        def f1(weights: Array) -> Array:
            return _event_f1(weights @ counts)

        return {
            "n_events_a": int(n_a),
            "n_events_b": int(n_b),
            "n_matched": int(n_matched),
            "event_f1": float(_event_f1(total)),
            "event_f1_interval": self._interval(f1, both),
            "event_precision": n_matched / n_b if n_b else math.nan,
            "event_recall": n_matched / n_a if n_a else math.nan,
            "onset_error_s": _median(onset),
            "offset_error_s": _median(offset),
        }

    def _answers(self, a: str, b: str) -> Plain:
        """Agreement of two raters on whole recordings: is there any A/H."""
        first = []
        second = []
        n_same = 0
        for one in self.rated:
            mine = _code(one, a)
            other = _code(one, b)
            if mine is None or other is None:
                continue
            first.append(mine)
            second.append(other)
            n_same += mine == other
        kappa = math.nan
        if first:
            kappa = agreement.cohen_kappa(first, second, categories=_CODES)
        return {"n_answers": len(first), "answers_same": n_same, "answers_kappa": kappa}

    def _units(self, names: Sequence[str], chosen: Sequence[int]) -> Plain:
        """Agreement on utterances, of the recordings that have a transcript and that all of them
        looked at.
        """
        some = [self.rated[k] for k in chosen if self.rated[k].units]
        if not some:
            return {"n_utterances": 0, "utterances_kappa": math.nan}
        said = np.stack([_said_of_units(some, name) for name in names])
        if len(names) == 2:
            kappa = agreement.cohen_kappa(said[0], said[1], None, _UNIT_CODES)
        else:
            counts = agreement.counts_per_unit(said, _UNIT_CODES)
            kappa = agreement.fleiss_kappa(counts)
        return {"n_utterances": said.shape[1], "utterances_kappa": kappa}

    def _amounts(self, names: Sequence[str], chosen: Sequence[int]) -> Plain:
        """ICC of the seconds that each marked per recording."""
        if len(chosen) < LEAST_ICC:
            return {"icc_seconds_marked": None}
        table = []
        for k in chosen:
            spans = self.rated[k].spans
            row = [_seconds(spans[name]) for name in names]
            table.append(row)
        forms = agreement.icc(table)
        return {"icc_seconds_marked": [asdict(form) for form in forms.values()]}

    def together(self, names: Sequence[str]) -> Plain:
        """All of several raters at once: Fleiss' kappa where all looked, Krippendorff's alpha over
        everything.
        """
        index = [self.names.index(name) for name in names]
        frames = [codes[index] for codes in self.frames]
        n_looked = [_n_looked(codes) for codes in frames]
        used = [k for k, n in enumerate(n_looked) if n > 1]
        found: Plain = {"raters": list(names), "recordings": len(used)}
        found |= self._answers_together(names)
        if not used:
            found["reason"] = "no recording in which two of them marked segments"
            return found
        absent = self._absent(names)
        if absent:
            found["reason"] = f"{', '.join(absent)} says nothing of when"
            return found
        found |= self._alpha(frames, used)
        full = [k for k in used if n_looked[k] == len(names)]
        kappa = math.nan
        if full:
            counts = [agreement.counts_per_unit(frames[k], _CODES) for k in full]
            kappa = agreement.fleiss_kappa(np.concatenate(counts))
        found["fleiss_kappa"] = kappa
        found["fleiss_recordings"] = len(full)
        found |= self._units(names, full)
        found |= self._amounts(names, full)
        return found

    def _absent(self, names: Sequence[str]) -> list[str]:
        """Raters that looked at no frame of any recording."""
        found = []
        for name in names:
            index = self.names.index(name)
            looked = [codes[index].max(initial=-1) >= 0 for codes in self.frames]
            if not any(looked):
                found.append(name)
        return found

    def _alpha(self, frames: Sequence[Array], used: Sequence[int]) -> Plain:
        each = []
        for k in used:
            each.append(agreement.coincidences(frames[k], len(_CODES)))
        tables = np.stack(each)

        def alpha(weights: Array) -> agreement.Coefficient:
            return agreement.alpha_from_coincidences(_sum(weights, tables), _CODES)

        return {
            "n_frames": sum(frames[k].shape[1] for k in used),
            "alpha": agreement.alpha_from_coincidences(tables.sum(axis=0), _CODES),
            "alpha_interval": self._interval(alpha, used),
        }

    def _answers_together(self, names: Sequence[str]) -> Plain:
        ratings: list[list[int | None]] = []
        complete: list[list[int]] = []
        for one in self.rated:
            said = [_code(one, name) for name in names]
            known = [code for code in said if code is not None]
            if len(known) < 2:
                continue
            ratings.append(said)
            if len(known) == len(said):
                complete.append(known)
        alpha = kappa = math.nan
        if ratings:
            by_rater = list(zip(*ratings, strict=True))
            alpha = agreement.krippendorff_alpha(by_rater, categories=_CODES)
        if complete:
            counts = agreement.counts_per_unit(np.array(complete).T, _CODES)
            kappa = agreement.fleiss_kappa(counts)
        return {"n_answers": len(ratings), "answers_alpha": alpha, "answers_fleiss_kappa": kappa}


def _code(one: Rated, name: str) -> int | None:
    """What a rater said of a whole recording."""
    said = one.answers.get(name)
    return None if said is None else int(said)


def _said_of_units(some: Sequence[Rated], name: str) -> Array:
    """The rater's codes of all utterances, one recording after the other."""
    each = []
    for one in some:
        each.append(on_units(one.spans[name], one.units))
    return np.concatenate(each)


def _n_looked(codes: Array) -> int:
    """How many raters looked at a recording, of codes ``(R, T)``."""
    looked = (codes >= 0).any(axis=1)
    return int(looked.sum())


def _seconds(spans: Spans) -> float:
    return sum(end_s - start_s for start_s, end_s in spans)


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else math.nan


def _sum(weights: Array, tables: Array) -> Array:
    """Weighted sums of tables ``(N, C, C)`` for weights ``(B, N)`` → ``(B, C, C)``."""
    return np.tensordot(weights, tables, axes=(1, 0))


def _symmetric(table: Array) -> Array:
    """Coincidences of two raters without missing ratings."""
    return np.asarray(table + table.T)


def _event_f1(counts: Array) -> Array:
    """Event F1 of counts ``(..., 3)``: matched, all of a, all of b; nan where there is none."""
    both = counts[..., 1] + counts[..., 2]
    return numbers.f1_of(counts[..., 0], both, math.nan)
