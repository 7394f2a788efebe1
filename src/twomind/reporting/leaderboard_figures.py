"""Figures of a leaderboard with their captions: people, calibration, questions, moments, a typical
error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from twomind.evaluation import breakdown, classes, metrics, people
from twomind.evaluation.board import Board, Line
from twomind.evaluation.runs import filled
from twomind.reporting import figures
from twomind.reporting.leaderboard_tables import LEVELS, TITLES, number, ordered
from twomind.reporting.page import Block, Figure, Pair, Table, Text
from twomind.types import Rows, Run


def line_colours(board: Board) -> dict[str, str]:
    """The lines that figures show: methods by macro-F1, no adaptation, and the strongest
    shortcut.
    """
    chosen = [x for t, part in ordered(board) for x in part if t == "Methods"][
        : figures.MAX_LINES - 2
    ]
    bases = next((part for t, part in ordered(board) if t.startswith("Without")), [])
    chosen += bases[:1] if chosen else bases[: figures.MAX_LINES - 2]
    adapted = any(x.kind == "method" for x in chosen)
    shortcuts = [x for x in board.lines if x.kind == "shortcut"]
    if shortcuts:
        chosen.append(max(shortcuts, key=lambda x: x.figures["macro_f1"]))
    palette = dict(zip((x.name for x in chosen), figures.COLOURS, strict=False))
    return {
        x.name: figures.GREY
        if x.kind == "shortcut"
        else figures.INK
        if x.kind == "base" and adapted
        else palette[x.name]
        for x in chosen
    }


def strip_blocks(board: Board, tag: str, colours: Mapping[str, str]) -> list[Block]:
    lines = [board.line(n) for n in colours]
    name = TITLES[board.metric]
    rows = [(x.name, x.per_person, x.person_mean, x.person_ci, colours[x.name]) for x in lines]
    ticks = (0, 0.2, 0.4, 0.6, 0.8, 1)
    blocks: list[Block] = [
        Text("Person by person", "h3"),
        Figure(
            f"{tag}-people",
            figures.strips(rows, f"{name} of one person", (0, 1), ticks),
            "One dot is one person; the thick mark is the mean, the bar its 95 % interval. The "
            "spread between people "
            "is what a single mean hides.",
        ),
    ]
    gains = []
    for x in lines:
        if x.paired is None:
            continue
        d = {s: x.per_person[s] - x.unadapted[s] for s in x.unadapted}
        if d:
            gains.append((x.name, d, x.paired.mean, x.paired.ci, colours[x.name]))
    if gains:
        far = max(max(abs(v) for v in d.values()) for _, d, _, _, _ in gains)
        limit = max(math.ceil(far * 10) / 10, 0.1)
        marks = [round(-limit + limit * k / 2, 2) for k in range(5)]
        svg = figures.strips(
            gains,
            f"change of {name} against no adaptation",
            (-limit, limit),
            marks,
            0.0,
            people.HARM,
        )
        caption = (
            "The same people, each against themselves without adaptation. "
            f"Orange: harmed, by more than {people.HARM:g}."
        )
        blocks.append(Figure(f"{tag}-gains", svg, caption))
    return blocks


def _bins(line: Line) -> list[dict[str, float]]:
    """Reliability bins of the last class, all seeds together."""
    c = line.samples[0].probs.shape[1] - 1
    y = np.concatenate([s.y == c for s in line.samples]).astype(float)
    p = np.concatenate([s.probs[:, c] for s in line.samples])
    n = np.concatenate([s.n for s in line.samples]) / len(line.samples)
    index = np.minimum((p * metrics.N_BINS).astype(int), metrics.N_BINS - 1)
    found = []
    for b in np.unique(index):
        here = index == b
        total = n[here].sum()
        found.append(
            {
                "n": float(total),
                "mean_score": float((n * p)[here].sum() / total),
                "observed": float((n * y)[here].sum() / total),
            }
        )
    return found


def _curve(line: Line) -> np.ndarray:
    sample = line.samples[0]
    rows = np.repeat(np.arange(len(sample.y)), sample.n.astype(int))
    return classes.risk_coverage(sample.y[rows], sample.probs[rows])


def calibration_blocks(board: Board, tag: str, colours: Mapping[str, str]) -> list[Block]:
    lines = [board.line(n) for n in colours]
    adapted = any(x.kind == "method" for x in lines)
    dashed = [x.name for x in lines if x.kind == "shortcut" or (x.kind == "base" and adapted)]
    last = board.task.classes[-1]
    bins = [(x.name, _bins(x), colours[x.name]) for x in lines]
    first = Figure(
        f"{tag}-reliability",
        figures.reliability(bins, board.n_rows, f"probability of “{last}” that was said", dashed),
        "On the dashed diagonal, a score means what it says. Larger dots hold more answers; small "
        "ones are noise.",
    )
    second = Figure(
        f"{tag}-risk",
        figures.risk_coverage([(x.name, _curve(x), colours[x.name]) for x in lines], dashed),
        "How often the surest answers are wrong (first seed). A useful confidence rises to the "
        "right.",
    )
    return [
        Text("Calibration and confidence", "h3"),
        Pair((first, second), figures.legend(list(colours), colours, dashed)),
    ]


def _typical(line: Line) -> tuple[Run, Rows] | None:
    """Of the recordings with any wrong moment whose person may be shown, the one with the median
    share of them.
    """
    found = []
    for run in line.runs:
        level = next((k for k in ("frame", "window") if k in run.rows), None)
        if level is None or run.seed != line.runs[0].seed:
            continue
        rows = run.rows[level]
        for i in np.unique(rows.recording):
            own = rows.take(rows.recording == i)
            coded = own.y >= 0
            if len(own) < 3 or str(own.subject[0]) in run.not_shown or not coded.any():
                continue
            wrong = float((classes.decide(filled(own, run.fill)) != own.y)[coded].mean())
            if wrong > 0:
                found.append((wrong, str(i), run, own))
    found.sort(key=lambda f: f[:2])
    return found[len(found) // 2][2:] if found else None


def timeline_blocks(board: Board, tag: str, colours: Mapping[str, str]) -> list[Block]:
    heading = Text("A typical error", "h3")
    line = next((x for _, part in ordered(board) for x in part if x.runs), None)
    chosen = _typical(line) if line else None
    if line is None or chosen is None:
        return [
            heading,
            Text(
                "No timeline: these runs hold one answer per recording, or nobody with an error "
                "may "
                "be shown."
            ),
        ]
    _, rows = chosen
    c = len(board.task.classes) - 1

    def one(name: str, probs: np.ndarray, colour: str) -> tuple[str, np.ndarray, np.ndarray, str]:
        measured = np.isfinite(probs).all(axis=1)
        said = np.where(measured, classes.decide(np.nan_to_num(probs)) == c, -1)
        return name, probs[:, c], said.astype(int), colour

    truth = np.where(rows.y >= 0, rows.y == c, -1).astype(int)
    drawn_lines = [one(line.name, rows.probs, colours.get(line.name, figures.COLOURS[0]))]
    if line.kind == "method":
        drawn_lines.append(one("no adaptation", rows.beside["no_adaptation"], "#222222"))
    svg = figures.timeline(rows.span_s, truth, drawn_lines, board.task.classes[-1])
    caption = (
        f"{line.name} on {rows.recording[0]}: the recording with the median share of wrong moments "
        "among those with "
        "any, so neither its best nor its worst. It was chosen among people who agreed to be shown."
    )
    return [heading, Figure(f"{tag}-error", svg, caption)]


def question_blocks(board: Board, tag: str, colours: Mapping[str, str]) -> list[Block]:
    entries = breakdown.per_question(board)
    if not entries:
        return []
    groups = [
        (
            e["question"],
            e["n"],
            e["rate"],
            {k: v["war"] for k, v in e["lines"].items() if k in colours},
        )
        for e in entries
    ]
    svg = figures.bars(groups, colours, "share of right answers", LEVELS[board.level])
    key = figures.legend(list(colours), colours)
    last = board.task.classes[-1]
    caption = (
        f"Share of right answers per question; the dashed tick is the observed rate of “{last}”."
    )
    lines = [x for _, part in ordered(board) for x in part if x.name in colours]
    head = (
        "",
        LEVELS[board.level],
        f"rate of {last}",
        *(f"{w} {x.name}" for x in lines for w in ("right:", "AUC:")),
    )
    rows = []
    for e in entries:
        own = [e["lines"].get(x.name, {}) for x in lines]
        cells = [number(o.get(m, math.nan), 2) for o in own for m in ("war", "auc")]
        rows.append((e["question"], str(e["n"]), number(e["rate"], 2), *cells))
    return [
        Text("Per question", "h3"),
        Figure(f"{tag}-questions", svg, caption, key),
        Table(
            head,
            tuple(rows),
            "AUC inside one question: whether a score tells anything that the question does not.",
        ),
    ]
