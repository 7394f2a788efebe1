"""A board taken apart: groups of people, questions, and moments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from twomind.evaluation import classes, timeline
from twomind.evaluation.board import Board, Line, by_seed, draws, figure, mean_known, resampled
from twomind.evaluation.metrics import interval
from twomind.evaluation.runs import filled
from twomind.types import Rows

#: Groups of fewer people are not reported.
MIN_PEOPLE = 5
GROUPS = ("sex", "gender", "age", "age_band", "ethnicity", "language")
AGE_BANDS = ((0, 18), (18, 30), (30, 45), (45, 60), (60, 200))


def group_of(key: str, value: Any) -> str:
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return "not known"
    if key == "age":
        try:
            years = float(value)
        except ValueError:
            return str(value)  # a band of the data set's own
        return next(
            (f"{a}–{b - 1}" if b < 200 else f"{a}+" for a, b in AGE_BANDS if a <= years < b),
            "not known",
        )
    return str(value)


def subgroups(
    board: Board, min_people: int = MIN_PEOPLE, n_bootstrap: int = 1000
) -> list[dict[str, Any]]:
    """Per attribute and value: people, each line's macro-F1 and WAR; groups under ``min_people``
    carry no figure.
    """
    found = []
    keys = [k for k in GROUPS if any(k in {n.lower() for n in p} for p in board.people.values())]
    for key in keys:
        member = {s: group_of(key, attribute(board.people.get(s, {}), key)) for s in board.subjects}
        for value in sorted(set(member.values())):
            own = [s for s in board.subjects if member[s] == value]
            entry: dict[str, Any] = {
                "group": key,
                "value": value,
                "n_people": len(own),
                "lines": {},
            }
            if len(own) < min_people:
                found.append(
                    {**entry, "n_people": None, "suppressed": f"fewer than {min_people} people"}
                )
                continue
            drawn = draws(own, n_bootstrap)
            for line in board.lines:
                samples = [s.where(np.isin(s.subject, own)) for s in line.samples]
                entry["lines"][line.name] = {
                    m: [figure(samples, m), *interval(resampled(samples, m, own, drawn))]
                    for m in ("macro_f1", "war")
                }
            found.append(entry)
    return found


def attribute(person: Mapping[str, Any], key: str) -> Any:
    return next((v for k, v in person.items() if k.lower() == key), None)


def per_question(board: Board) -> list[dict[str, Any]]:
    """Per question: rows, the rate of the last class, and each line's share of right answers and
    AUC.
    """
    first = board.lines[0].samples[0]
    names = [q for q in np.unique(first.question) if q]
    found = []
    for q in names:
        entry: dict[str, Any] = {"question": str(q), "lines": {}}
        for line in board.lines:
            here = [s.where(s.question == q) for s in line.samples]
            here = [s for s in here if len(s.y)]
            if not here:
                continue
            entry.setdefault("n", int(here[0].n.sum()))
            entry.setdefault(
                "rate",
                float(
                    (here[0].n * (here[0].y == len(board.task.classes) - 1)).sum() / here[0].n.sum()
                ),
            )
            entry["lines"][line.name] = {m: figure(here, m) for m in ("war", "auc", "macro_f1")}
        found.append(entry)
    return found


def segment_rows(rows: Rows) -> Rows:
    """Stretches of one known label within a recording, each with the mean probabilities of its
    measured frames.

    What stands beside is averaged over its own frames: it fills in where a whole stretch was not
    measured.
    """
    coded = rows.y >= 0
    edge = (rows.recording[1:] != rows.recording[:-1]) | (rows.y[1:] != rows.y[:-1])
    group = np.r_[0, edge.cumsum()]
    first = np.unique(group, return_index=True)[1]
    last = np.r_[first[1:], len(rows)] - 1

    def mean(probs: np.ndarray) -> np.ndarray:
        good = np.isfinite(probs).all(axis=1)
        n = np.add.reduceat(good.astype(float), first)
        total = np.add.reduceat(np.where(good[:, None], probs, 0.0), first)
        return np.where(n[:, None] > 0, total / np.maximum(n, 1)[:, None], np.nan)

    found = rows.take(first)
    spans = np.stack([rows.span_s[first, 0], rows.span_s[last, 1]], axis=1)
    found = replace(
        found,
        span_s=spans,
        probs=mean(rows.probs),
        beside={k: mean(v) for k, v in rows.beside.items()},
    )
    return found.take(coded[first])


def moments(
    line: Line, beside: str | None = None, tolerance_s: float = timeline.TOLERANCE_S
) -> dict[str, Any] | None:
    """Timeline figures of a line's frames (mean over seeds), or of what stands ``beside`` them;
    None without frames.

    ``event_f1_ci`` resamples people; ``segment_*`` are over stretches of one label
    (:func:`segment_rows`).
    """
    runs = [r for r in line.runs if "frame" in r.rows]
    if not runs or len(runs[0].task.classes) != 2:
        return None
    if beside is not None and any(beside not in r.rows["frame"].beside for r in runs):
        return None
    hop = float(runs[0].windows["frame_hop_s"])
    each, segments = [], []
    counts: dict[str, list[tuple[int, int]]] = {}
    for own in by_seed(runs).values():
        lines = {}
        for run in own:
            rows = run.rows["frame"]
            probs = rows.probs if beside is None else rows.beside[beside]
            said = np.where(
                np.isfinite(probs).all(axis=1), classes.decide(np.nan_to_num(probs)), -1
            )
            for i in np.unique(rows.recording):
                here = rows.recording == i
                times = rows.span_s[here, 0]
                lines[i] = (times, rows.y[here], said[here])
                told = np.where(rows.y[here] >= 0, said[here], -1)
                pair = timeline.event_counts(
                    timeline.events(times, rows.y[here], hop),
                    timeline.events(times, told, hop),
                    tolerance_s,
                )
                counts.setdefault(str(rows.subject[here][0]), []).append(pair)
            stretches = segment_rows(replace(rows, probs=probs))
            segments.append((stretches.y, filled(stretches, run.fill), stretches.subject))
        each.append(timeline.score_timelines(lines, hop, tolerance_s))
    found: dict[str, Any] = {k: mean_known([e[k] for e in each]) for k in each[0]}
    table = np.array([[sum(pair[k] for pair in v) for k in (0, 1)] for v in counts.values()], float)
    drawn = draws(list(counts), 1000) @ table
    found["event_f1_ci"] = interval(
        np.where(drawn[:, 1] > 0, 2 * drawn[:, 0] / np.maximum(drawn[:, 1], 1), np.nan)
    )
    y, probs = (np.concatenate([s[k] for s in segments]) for k in (0, 1))
    found["segment_macro_f1"] = classes.macro_f1(y, probs)
    found["segment_auc"] = classes.bound(y, probs, np.zeros(len(y)))["auc"]()
    found["n_segments"] = round(len(y) / len(each))
    return found
