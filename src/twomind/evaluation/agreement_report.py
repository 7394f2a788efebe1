"""Every coefficient of one comparison of raters, as plain values for a table or JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from twomind.evaluation import agreement
from twomind.evaluation.agreement_time import (
    Events,
    bootstrap,
    by_segment,
    disagreements,
    grid,
    match_events,
    on_grid,
    on_units,
)
from twomind.evaluation.raters import Rated

#: Fewer recordings than this give no intraclass correlation.
LEAST_ICC = 3
#: Fewer people than this give no interval.
LEAST_PEOPLE = 5


def compare(
    rated: Sequence[Rated],
    *,
    tolerance_s: float = 0.5,
    offset_tolerance_s: float | None = None,
    hop_s: float = 0.04,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Agreement of all raters: pairs, all coders, all coders and models; frames, utterances,
    events, answers, amounts.

    Frames lie ``hop_s`` apart in the middle of each hop. An event of one rater is matched by
    another's when onset and offset lie within the tolerances. Values that are not defined are nan;
    ``not_measured`` says why.
    """
    names = list(dict.fromkeys(w for r in rated for w in (*r.spans, *r.answers)))
    models = sorted({m for r in rated for m in r.models})
    frames = [_frames(r, names, hop_s) for r in rated]
    people = [r.subject for r in rated]
    make = _Maker(rated, names, frames, people, n_bootstrap, seed)
    coders = [n for n in names if n not in models]
    together = {"coders": make.together(coders)} if len(coders) > 1 else {}
    if models and coders:
        together["coders and models"] = make.together(names)
    pairs = [make.pair(a, b, tolerance_s, offset_tolerance_s) for a, b in combinations(names, 2)]
    return {
        "schema": "twomind.agreement/1",
        "raters": [make.rater(n) | {"model": n in models} for n in names],
        "pairs": pairs,
        "together": together,
        "disagreements": _disagreements(rated, tolerance_s),
        "recordings": len(rated),
        "people": len(set(people)),
        "n_frames": sum(f.shape[1] for f in frames),
        "hop_s": hop_s,
        "tolerance_s": tolerance_s,
        "offset_tolerance_s": tolerance_s if offset_tolerance_s is None else offset_tolerance_s,
        "not_measured": _not_measured(rated, set(people)) + _undefined(pairs),
    }


def _frames(one: Rated, names: Sequence[str], hop_s: float) -> np.ndarray:
    """Codes ``(R, T)``: 1 marked, 0 not marked, -1 did not look at the recording."""
    times_s = grid(one.extent_s, hop_s)
    rows = [
        on_grid(one.spans[n], times_s).astype(int) if n in one.spans else np.full(len(times_s), -1)
        for n in names
    ]
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
    unknown = [r.recording for r in rated if not r.extent_known]
    if unknown:
        why = (
            f"the length of {len(unknown)} recordings is not known ({', '.join(unknown[:3])}): "
            "frames end with the "
            "last mark, and kappa and alpha differ from those over the whole recording"
        )
        found.append({"what": "length", "reason": why})
    return found


def _undefined(pairs: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    found = []
    for pair in pairs:
        if "kappa" in pair and math.isnan(pair["kappa"]):
            both = (
                "marked anything"
                if pair["n_events_a"] + pair["n_events_b"] == 0
                else "left a frame unmarked"
            )
            found.append(
                {
                    "what": f"kappa and alpha of {pair['a']} – {pair['b']}",
                    "reason": f"neither {both}",
                }
            )
    return found


def _disagreements(rated: Sequence[Rated], tolerance_s: float) -> list[dict[str, Any]]:
    return [
        {"recording": r.recording, **asdict(d)}
        for r in rated
        if len(r.spans) > 1
        for d in disagreements(r.spans, tolerance_s)
    ]


class _Maker:
    """Numbers of raters and groups of raters, over the same recordings."""

    def __init__(
        self,
        rated: Sequence[Rated],
        names: Sequence[str],
        frames: Sequence[np.ndarray],
        people: Sequence[str],
        n_bootstrap: int,
        seed: int,
    ) -> None:
        self._rated, self._names, self._frames, self._people = rated, list(names), frames, people
        self._n_bootstrap, self._seed = n_bootstrap, seed

    def _interval(self, value: Any, chosen: Sequence[int]) -> list[float] | None:
        people = [self._people[i] for i in chosen]
        return bootstrap(value, people, self._n_bootstrap, self._seed, LEAST_PEOPLE)

    def rater(self, name: str) -> dict[str, Any]:
        looked = [r for r in self._rated if name in r.spans]
        frames = [
            f[self._names.index(name)]
            for r, f in zip(self._rated, self._frames, strict=True)
            if name in r.spans
        ]
        marked = sum(int(f.sum()) for f in frames)
        n = sum(len(f) for f in frames)
        spans = [span for r in looked for span in r.spans[name]]
        return {
            "rater": name,
            "recordings": len(looked) or sum(name in r.answers for r in self._rated),
            "n_segments": len(spans) if looked else None,
            "seconds_marked": float(sum(b - a for a, b in spans)) if looked else math.nan,
            "share_marked": marked / n if n else math.nan,
        }

    def pair(
        self, a: str, b: str, tolerance_s: float, offset_tolerance_s: float | None
    ) -> dict[str, Any]:
        """Two raters, over the recordings that both looked at."""
        i, j = self._names.index(a), self._names.index(b)
        both = [k for k, r in enumerate(self._rated) if a in r.spans and b in r.spans]
        found: dict[str, Any] = {"a": a, "b": b, "recordings": len(both), **self._answers([a, b])}
        if not both:
            return found | {"reason": "no recording in which both marked segments"}
        tables = np.stack(
            [agreement.confusion(self._frames[k][i], self._frames[k][j], [0, 1])[0] for k in both]
        )
        pairs = [self._rated[k].spans for k in both]
        events = [match_events(s[a], s[b], tolerance_s, offset_tolerance_s) for s in pairs]
        return {
            **found,
            "n_frames": int(tables.sum()),
            "raw_agreement": float(np.trace(tables.sum(axis=0)) / tables.sum()),
            "kappa": agreement.cohen_from_table(tables.sum(axis=0)),
            "kappa_interval": self._interval(
                lambda w: agreement.cohen_from_table(_sum(w, tables)), both
            ),
            "alpha": agreement.alpha_from_coincidences(_symmetric(tables.sum(axis=0)), [0, 1]),
            **self._units([a, b], both),
            **self._events(events, both),
            **self._amounts([a, b], both),
            "segments": [
                {"recording": self._rated[k].recording, **asdict(one)}
                for k, s, e in zip(both, pairs, events, strict=True)
                for one in by_segment(s[a], s[b], e)
            ],
        }

    def _events(self, events: Sequence[Events], both: Sequence[int]) -> dict[str, Any]:
        counts = np.array([(len(e.pairs), e.n_a, e.n_b) for e in events], float)
        matched, n_a, n_b = counts.sum(axis=0)
        onset = [abs(v) for e in events for v in e.onset_error_s]
        offset = [abs(v) for e in events for v in e.offset_error_s]
        return {
            "n_events_a": int(n_a),
            "n_events_b": int(n_b),
            "n_matched": int(matched),
            "event_f1": float(_f1(counts.sum(axis=0)[None])[0]),
            "event_f1_interval": self._interval(lambda w: _f1(w @ counts), both),
            "event_precision": matched / n_b if n_b else math.nan,
            "event_recall": matched / n_a if n_a else math.nan,
            "onset_error_s": float(np.median(onset)) if onset else math.nan,
            "offset_error_s": float(np.median(offset)) if offset else math.nan,
        }

    def _answers(self, names: Sequence[str]) -> dict[str, Any]:
        """Agreement of two raters on whole recordings: is there any A/H."""
        both = [r.answers for r in self._rated if all(n in r.answers for n in names)]
        said = [[int(r[n]) for r in both] for n in names]
        kappa = agreement.cohen_kappa(said[0], said[1], categories=[0, 1]) if both else math.nan
        same = sum(a == b for a, b in zip(*said, strict=True))
        return {"n_answers": len(both), "answers_same": same, "answers_kappa": kappa}

    def _units(self, names: Sequence[str], chosen: Sequence[int]) -> dict[str, Any]:
        """Agreement on utterances, of the recordings that have a transcript and that all of them
        looked at.
        """
        some = [self._rated[k] for k in chosen if self._rated[k].units]
        if not some:
            return {"n_utterances": 0, "utterances_kappa": math.nan}
        said = np.stack(
            [np.concatenate([on_units(r.spans[n], r.units) for r in some]) for n in names]
        )
        if len(names) == 2:
            return {
                "n_utterances": said.shape[1],
                "utterances_kappa": agreement.cohen_kappa(said[0], said[1], None, [0.0, 1.0]),
            }
        kappa = agreement.fleiss_kappa(agreement.counts_per_unit(said, [0.0, 1.0]))
        return {"n_utterances": said.shape[1], "utterances_kappa": kappa}

    def _amounts(self, names: Sequence[str], chosen: Sequence[int]) -> dict[str, Any]:
        """ICC of the seconds that each marked per recording."""
        if len(chosen) < LEAST_ICC:
            return {"icc_seconds_marked": None}
        seconds = [[sum(b - a for a, b in self._rated[k].spans[n]) for n in names] for k in chosen]
        return {"icc_seconds_marked": [asdict(form) for form in agreement.icc(seconds).values()]}

    def together(self, names: Sequence[str]) -> dict[str, Any]:
        """All of several raters at once: Fleiss' kappa where all looked, Krippendorff's alpha over
        everything.
        """
        index = [self._names.index(n) for n in names]
        frames = [f[index] for f in self._frames]
        used = [k for k, f in enumerate(frames) if ((f >= 0).any(axis=1)).sum() > 1]
        full = [k for k in used if (frames[k] >= 0).all()]
        found: dict[str, Any] = {
            "raters": list(names),
            "recordings": len(used),
            **self._answers_together(names),
        }
        if not used:
            return found | {"reason": "no recording in which two of them marked segments"}
        absent = [
            n
            for n, i in zip(names, index, strict=True)
            if all((f[i] < 0).all() for f in self._frames)
        ]
        if absent:
            return found | {"reason": f"{', '.join(absent)} says nothing of when"}
        tables = np.stack([agreement.coincidences(frames[k], 2) for k in used])
        counts = [agreement.counts_per_unit(frames[k], [0, 1]) for k in full]
        return {
            **found,
            "n_frames": sum(frames[k].shape[1] for k in used),
            "alpha": agreement.alpha_from_coincidences(tables.sum(axis=0), [0, 1]),
            "alpha_interval": self._interval(
                lambda w: agreement.alpha_from_coincidences(_sum(w, tables), [0, 1]), used
            ),
            "fleiss_kappa": agreement.fleiss_kappa(np.concatenate(counts)) if full else math.nan,
            "fleiss_recordings": len(full),
            **self._units(names, full),
            **self._amounts(names, full),
        }

    def _answers_together(self, names: Sequence[str]) -> dict[str, Any]:
        some = [r.answers for r in self._rated if sum(n in r.answers for n in names) > 1]
        ratings = [[int(r[n]) if n in r else None for r in some] for n in names]
        alpha = agreement.krippendorff_alpha(ratings, categories=[0, 1]) if some else math.nan
        full = [r for r in some if all(n in r for n in names)]
        counts = agreement.counts_per_unit([[int(r[n]) for r in full] for n in names], [0, 1])
        return {
            "n_answers": len(some),
            "answers_alpha": alpha,
            "answers_fleiss_kappa": agreement.fleiss_kappa(counts) if full else math.nan,
        }


def _sum(weights: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Weighted sums of tables ``(N, C, C)`` for weights ``(B, N)`` → ``(B, C, C)``."""
    return np.tensordot(weights, tables, axes=(1, 0))


def _symmetric(table: np.ndarray) -> np.ndarray:
    """Coincidences of two raters without missing ratings."""
    return np.asarray(table + table.T)


def _f1(counts: np.ndarray) -> np.ndarray:
    """Event F1 of rows (matched, all of a, all of b)."""
    n = counts[:, 1] + counts[:, 2]
    return np.where(n > 0, 2 * counts[:, 0] / np.where(n > 0, n, 1), np.nan)
