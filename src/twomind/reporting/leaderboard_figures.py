"""Figures of a leaderboard with their captions: people, calibration, questions, moments, a typical
error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from twomind.evaluation import breakdown, classes, metrics
from twomind.evaluation.board import Board, Line
from twomind.evaluation.runs import filled
from twomind.reporting import figures
from twomind.reporting.leaderboard_tables import LEVELS, TITLES, in_order, number
from twomind.reporting.page import Block, Figure, Pair, Table, Text
from twomind.reporting.result import Values
from twomind.types import Rows, Run


def _strongest(board: Board) -> list[Line]:
    """The strongest shortcut, where there is one."""
    shortcuts = [x for x in board.lines if x.kind == "shortcut"]
    if not shortcuts:
        return []
    return [max(shortcuts, key=lambda x: x.figures["macro_f1"])]


def line_colours(board: Board) -> dict[str, str]:
    """The lines that figures show: methods by macro-F1, no adaptation, and the strongest
    shortcut.
    """
    room = figures.MAX_LINES - 2
    lines = in_order(board)
    methods = [x for x in lines if x.kind == "method"][:room]
    bases = [x for x in lines if x.kind == "base"]
    plain = bases[:1] if methods else bases[:room]
    chosen = methods + plain + _strongest(board)
    colours = {}
    for line, colour in zip(chosen, figures.COLOURS, strict=False):
        if line.kind == "shortcut":
            colour = figures.GREY
        elif line.kind == "base" and methods:
            colour = figures.INK
        colours[line.name] = colour
    return colours


def strip_blocks(board: Board, tag: str, colours: Mapping[str, str]) -> list[Block]:
    """Figures with one dot per person, for each line of the board.

    Args:
        board: of the page.
        tag: begins the names of the figures.
        colours: of the lines that are shown.
    """
    lines = [board.line(n) for n in colours]
    name = TITLES[board.metric]
    strips = []
    for x in lines:
        colour = colours[x.name]
        strip = figures.Strip(x.name, x.per_person, x.person_mean, x.person_ci, colour)
        strips.append(strip)
    svg = figures.strips(strips, f"{name} of one person", (0, 1), figures.FIFTHS)
    caption = (
        "One dot is one person; the thick mark is the mean, the bar its 95 % interval. The "
        "spread between people is what a single mean hides."
    )
    blocks: list[Block] = [Text("Person by person", "h3")]
    blocks.append(Figure(f"{tag}-people", svg, caption))
    return blocks


def _bins(line: Line) -> list[dict[str, float]]:
    """Reliability bins of the last class, all seeds together."""
    samples = line.samples
    last = samples[0].probs.shape[1] - 1
    is_last = [s.y == last for s in samples]
    y = np.concatenate(is_last).astype(float)
    p = np.concatenate([s.probs[:, last] for s in samples])
    counts = np.concatenate([s.n for s in samples])
    n = counts / len(samples)
    bins = (p * metrics.N_BINS).astype(int)
    index = np.minimum(bins, metrics.N_BINS - 1)
    found = []
    for b in np.unique(index):
        here = index == b
        total = n[here].sum()
        entry = {"n": float(total)}
        said = (n * p)[here].sum()
        observed = (n * y)[here].sum()
        entry["mean_score"] = float(said / total)
        entry["observed"] = float(observed / total)
        found.append(entry)
    return found


def _curve(line: Line) -> np.ndarray:
    sample = line.samples[0]
    each = np.arange(len(sample.y))
    rows = np.repeat(each, sample.n.astype(int))
    return classes.risk_coverage(sample.y[rows], sample.probs[rows])


def _dashed(lines: Sequence[Line]) -> list[str]:
    """Lines that are drawn dashed: shortcuts, and no adaptation beside methods."""
    adapted = any(x.kind == "method" for x in lines)
    kinds = ("shortcut", "base") if adapted else ("shortcut",)
    return [x.name for x in lines if x.kind in kinds]


def calibration_blocks(board: Board, tag: str, colours: Mapping[str, str]) -> list[Block]:
    """Figures of what a score means and of the surest answers.

    Args:
        board: of the page.
        tag: begins the names of the figures.
        colours: of the lines that are shown.
    """
    lines = [board.line(n) for n in colours]
    dashed = _dashed(lines)
    bins = []
    curves = []
    for x in lines:
        colour = colours[x.name]
        bins.append(figures.Calibration(x.name, _bins(x), colour))
        curves.append(figures.Curve(x.name, _curve(x), colour))
    x_name = f"probability of “{board.task.classes[-1]}” that was said"
    drawn_reliability = figures.reliability(bins, board.n_rows, x_name, dashed)
    reliability = Figure(
        f"{tag}-reliability",
        drawn_reliability,
        "On the dashed diagonal, a score means what it says. Larger dots hold more answers; small "
        "ones are noise.",
    )
    risk = Figure(
        f"{tag}-risk",
        figures.risk_coverage(curves, dashed),
        "How often the surest answers are wrong (first seed). A useful confidence rises to the "
        "right.",
    )
    key = figures.legend(list(colours), colours, dashed)
    return [Text("Calibration and confidence", "h3"), Pair((reliability, risk), key)]


def _wrong_share(rows: Rows, fill: str) -> float:
    """Share of the coded moments that are wrong."""
    coded = rows.y >= 0
    said = classes.decide(filled(rows, fill))
    wrong = said != rows.y
    return float(wrong[coded].mean())


def _with_an_error(run: Run) -> list[tuple[float, str, Run, Rows]]:
    """Share of wrong moments, name, run and rows of the recordings that may be shown."""
    level = next((k for k in ("frame", "window") if k in run.rows), None)
    if level is None:
        return []
    rows = run.rows[level]
    found = []
    for i in np.unique(rows.recording):
        own = rows.take(rows.recording == i)
        if len(own) < 3 or not (own.y >= 0).any():
            continue
        if str(own.subject[0]) in run.not_shown:
            continue
        wrong = _wrong_share(own, run.fill)
        if wrong > 0:
            found.append((wrong, str(i), run, own))
    return found


def _typical(line: Line) -> tuple[Run, Rows] | None:
    """Of the recordings with any wrong moment whose person may be shown, the one with the median
    share of them.
    """
    found = []
    for run in line.runs:
        if run.seed == line.runs[0].seed:
            found += _with_an_error(run)
    if not found:
        return None
    found.sort(key=lambda f: f[:2])
    _, _, run, rows = found[len(found) // 2]
    return run, rows


def timeline_blocks(board: Board, tag: str, colours: Mapping[str, str]) -> list[Block]:
    """The timeline of one recording.

    Args:
        board: of the page.
        tag: begins the name of the figure.
        colours: of the lines that are shown.
    """
    heading = Text("A typical error", "h3")
    line = next((x for x in in_order(board) if x.runs), None)
    chosen = _typical(line) if line else None
    if line is None or chosen is None:
        why = (
            "No timeline: these runs hold one answer per recording, or nobody with an error may be "
            "shown."
        )
        return [heading, Text(why)]
    _, rows = chosen
    class_name = board.task.classes[-1]
    last = len(board.task.classes) - 1
    marked = rows.y == last
    is_coded = rows.y >= 0
    truth = np.where(is_coded, marked, -1).astype(int)
    colour = colours.get(line.name, figures.COLOURS[0])
    shown = [_told(line.name, rows.probs, last, colour)]
    if line.kind == "method":
        shown.append(_told("no adaptation", rows.beside["no_adaptation"], last, figures.INK))
    svg = figures.timeline(rows.span_s, truth, shown, class_name)
    caption = (
        f"{line.name} on {rows.recording[0]}: the recording with the median share of wrong moments "
        "among those with any, so neither its best nor its worst. It was chosen among people who "
        "agreed to be shown."
    )
    return [heading, Figure(f"{tag}-error", svg, caption)]


def _told(name: str, probs: np.ndarray, last: int, colour: str) -> figures.Told:
    """What a line with probabilities ``(N, C)`` said of the last class."""
    measured = np.isfinite(probs).all(axis=1)
    is_last = classes.decide(np.nan_to_num(probs)) == last
    said = np.where(measured, is_last, -1).astype(int)
    probability = probs[:, last]
    return figures.Told(name, probability, said, colour)


def question_blocks(board: Board, tag: str, colours: Mapping[str, str]) -> list[Block]:
    """Figure and table of the questions.

    Args:
        board: of the page.
        tag: begins the name of the figure.
        colours: of the lines that are shown.
    """
    entries = breakdown.per_question(board)
    if not entries:
        return []
    unit = LEVELS[board.level]
    last = board.task.classes[-1]
    groups = [_group(e, colours) for e in entries]
    svg = figures.bars(groups, colours, "share of right answers", unit)
    key = figures.legend(list(colours), colours)
    caption = (
        f"Share of right answers per question; the dashed tick is the observed rate of “{last}”."
    )
    figure = Figure(f"{tag}-questions", svg, caption, key)
    names = [x.name for x in in_order(board) if x.name in colours]
    head = ["", unit, f"rate of {last}"]
    for name in names:
        head += [f"right: {name}", f"AUC: {name}"]
    rows = tuple(_question_row(e, names) for e in entries)
    note = "AUC inside one question: whether a score tells anything that the question does not."
    return [Text("Per question", "h3"), figure, Table(tuple(head), rows, note)]


def _group(entry: Values, colours: Mapping[str, str]) -> figures.Group:
    """The bars of a question."""
    right = {}
    for name, found in entry["lines"].items():
        if name in colours:
            right[name] = found["war"]
    return figures.Group(entry["question"], entry["n"], entry["rate"], right)


def _question_row(entry: Values, names: Sequence[str]) -> tuple[str, ...]:
    cells = [entry["question"], str(entry["n"])]
    cells.append(number(entry["rate"], 2))
    for name in names:
        own = entry["lines"].get(name, {})
        cells.append(number(own.get("war", math.nan), 2))
        cells.append(number(own.get("auc", math.nan), 2))
    return tuple(cells)
