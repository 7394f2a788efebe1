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
from twomind.reporting.leaderboard_tables import (
    counted_as,
    in_order,
    metric_name,
    number,
    shown_name,
)
from twomind.reporting.messages import ENGLISH, Texts
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


def strip_blocks(
    board: Board, tag: str, colours: Mapping[str, str], t: Texts = ENGLISH
) -> list[Block]:
    """Figures with one dot per person, for each line of the board.

    Args:
        board: of the page.
        tag: begins the names of the figures.
        colours: of the lines that are shown.
        t: texts of the page's language.
    """
    lines = [board.line(n) for n in colours]
    axis = t("board.of_one_person", metric=metric_name(board.metric, t))
    strips = []
    for x in lines:
        colour = colours[x.name]
        name = shown_name(x.name, t)
        strip = figures.Strip(name, x.per_person, x.person_mean, x.person_ci, colour)
        strips.append(strip)
    svg = figures.strips(strips, axis, (0, 1), figures.FIFTHS, t)
    blocks: list[Block] = [Text(t("board.person_by_person"), "h3")]
    blocks.append(Figure(f"{tag}-people", svg, t("board.strips")))
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


def calibration_blocks(
    board: Board, tag: str, colours: Mapping[str, str], t: Texts = ENGLISH
) -> list[Block]:
    """Figures of what a score means and of the surest answers.

    Args:
        board: of the page.
        tag: begins the names of the figures.
        colours: of the lines that are shown.
        t: texts of the page's language.
    """
    lines = [board.line(n) for n in colours]
    dashed = [shown_name(name, t) for name in _dashed(lines)]
    bins = []
    curves = []
    for x in lines:
        colour = colours[x.name]
        name = shown_name(x.name, t)
        bins.append(figures.Calibration(name, _bins(x), colour))
        curves.append(figures.Curve(name, _curve(x), colour))
    x_name = t("board.probability_said", name=board.task.classes[-1])
    drawn_reliability = figures.reliability(bins, board.n_rows, x_name, dashed, t)
    drawn_risk = figures.risk_coverage(curves, dashed, t)
    reliability = Figure(f"{tag}-reliability", drawn_reliability, t("board.reliability"))
    risk = Figure(f"{tag}-risk", drawn_risk, t("board.risk"))
    shown = _shown_colours(colours, t)
    key = figures.legend(list(shown), shown, dashed)
    return [Text(t("board.calibration"), "h3"), Pair((reliability, risk), key)]


def _shown_colours(colours: Mapping[str, str], t: Texts) -> dict[str, str]:
    """Colours of the lines by the names that a page shows."""
    return {shown_name(name, t): colour for name, colour in colours.items()}


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


def timeline_blocks(
    board: Board, tag: str, colours: Mapping[str, str], t: Texts = ENGLISH
) -> list[Block]:
    """The timeline of one recording.

    Args:
        board: of the page.
        tag: begins the name of the figure.
        colours: of the lines that are shown.
        t: texts of the page's language.
    """
    heading = Text(t("board.error"), "h3")
    line = next((x for x in in_order(board) if x.runs), None)
    chosen = _typical(line) if line else None
    if line is None or chosen is None:
        return [heading, Text(t("board.error_none"))]
    _, rows = chosen
    class_name = board.task.classes[-1]
    last = len(board.task.classes) - 1
    marked = rows.y == last
    is_coded = rows.y >= 0
    truth = np.where(is_coded, marked, -1).astype(int)
    colour = colours.get(line.name, figures.COLOURS[0])
    shown = [_told(line.name, rows.probs, last, colour)]
    if line.kind == "method":
        plain = shown_name("no adaptation", t)
        shown.append(_told(plain, rows.beside["no_adaptation"], last, figures.INK))
    svg = figures.timeline(rows.span_s, truth, shown, class_name, t)
    caption = t("board.error_of", name=line.name, recording=rows.recording[0])
    return [heading, Figure(f"{tag}-error", svg, caption)]


def _told(name: str, probs: np.ndarray, last: int, colour: str) -> figures.Told:
    """What a line with probabilities ``(N, C)`` said of the last class."""
    measured = np.isfinite(probs).all(axis=1)
    is_last = classes.decide(np.nan_to_num(probs)) == last
    said = np.where(measured, is_last, -1).astype(int)
    probability = probs[:, last]
    return figures.Told(name, probability, said, colour)


def question_blocks(
    board: Board, tag: str, colours: Mapping[str, str], t: Texts = ENGLISH
) -> list[Block]:
    """Figure and table of the questions.

    Args:
        board: of the page.
        tag: begins the name of the figure.
        colours: of the lines that are shown.
        t: texts of the page's language.
    """
    entries = breakdown.per_question(board)
    if not entries:
        return []
    unit = counted_as(board.level, t)
    last = board.task.classes[-1]
    groups = [_group(e, colours, t) for e in entries]
    shown = _shown_colours(colours, t)
    svg = figures.bars(groups, shown, t("board.share_right"), unit, t)
    key = figures.legend(list(shown), shown)
    caption = t("board.questions", name=last)
    figure = Figure(f"{tag}-questions", svg, caption, key)
    names = [x.name for x in in_order(board) if x.name in colours]
    head = ["", unit, t("board.rate_of", name=last)]
    for name in names:
        own = shown_name(name, t)
        right = t("board.right_of", name=own)
        auc = t("page.labelled", name="AUC", text=own)
        head += [right, auc]
    rows = tuple(_question_row(e, names) for e in entries)
    table = Table(tuple(head), rows, t("board.question_auc"))
    return [Text(t("board.per_question"), "h3"), figure, table]


def _group(entry: Values, colours: Mapping[str, str], t: Texts) -> figures.Group:
    """The bars of a question."""
    right = {}
    for name, found in entry["lines"].items():
        if name in colours:
            right[shown_name(name, t)] = found["war"]
    return figures.Group(entry["question"], entry["n"], entry["rate"], right)


def _question_row(entry: Values, names: Sequence[str]) -> tuple[str, ...]:
    cells = [entry["question"], str(entry["n"])]
    cells.append(number(entry["rate"], 2))
    for name in names:
        own = entry["lines"].get(name, {})
        cells.append(number(own.get("war", math.nan), 2))
        cells.append(number(own.get("auc", math.nan), 2))
    return tuple(cells)
