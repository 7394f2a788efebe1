"""Figures of a leaderboard as inline SVG, in plain Python: no plotting library, no network,
readable in a diff.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

#: Told apart also by people who do not see red and green (Okabe and Ito).
COLOURS = ("#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5c00")
#: Kept for harm, so that no method looks harmful by its colour.
HARMED = "#d55e00"
GREY, INK, FAINT = "#767676", "#222222", "#d9d9d9"
#: More lines than this make a figure nobody can read; the table has them all.
MAX_LINES = 6


def _num(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


class Canvas:
    """A drawing of ``width`` × ``height`` with a plot area and linear axes."""

    def __init__(
        self,
        width: float,
        height: float,
        x: tuple[float, float],
        y: tuple[float, float],
        left: float = 56,
        right: float = 12,
        top: float = 12,
        bottom: float = 40,
    ) -> None:
        self.width, self.height, self._x, self._y = width, height, x, y
        self.left, self.right, self.top, self.bottom = left, width - right, top, height - bottom
        self.parts: list[str] = []

    def x(self, value: float) -> float:
        a, b = self._x
        return self.left + (value - a) / (b - a) * (self.right - self.left)

    def y(self, value: float) -> float:
        a, b = self._y
        return self.bottom - (value - a) / (b - a) * (self.bottom - self.top)

    def line(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        colour: str = INK,
        width: float = 1,
        dash: str = "",
    ) -> None:
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<line x1="{_num(x1)}" y1="{_num(y1)}" x2="{_num(x2)}" y2="{_num(y2)}" '
            f'stroke="{colour}" '
            f'stroke-width="{_num(width)}"{dashed}/>'
        )

    def path(
        self, points: Sequence[tuple[float, float]], colour: str, width: float = 1.8, dash: str = ""
    ) -> None:
        """A line through data points."""
        if not points:
            return
        d = " ".join(
            f"{'M' if k == 0 else 'L'}{_num(self.x(a))} {_num(self.y(b))}"
            for k, (a, b) in enumerate(points)
        )
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<path d="{d}" fill="none" stroke="{colour}" stroke-width="{_num(width)}"{dashed}/>'
        )

    def dot(
        self, cx: float, cy: float, r: float, colour: str, title: str = "", hollow: bool = False
    ) -> None:
        fill = (
            f'fill="#fff" stroke="{colour}" stroke-width="1.4"'
            if hollow
            else f'fill="{colour}" fill-opacity=".75"'
        )
        inner = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(
            f'<circle cx="{_num(cx)}" cy="{_num(cy)}" r="{_num(r)}" {fill}>{inner}</circle>'
        )

    def rect(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        colour: str,
        title: str = "",
        opacity: float = 1,
    ) -> None:
        inner = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(
            f'<rect x="{_num(x)}" y="{_num(y)}" width="{_num(max(w, 0))}" '
            f'height="{_num(max(h, 0))}" fill="{colour}" '
            f'fill-opacity="{_num(opacity)}">{inner}</rect>'
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        anchor: str = "start",
        colour: str = INK,
        size: float = 12,
    ) -> None:
        self.parts.append(
            f'<text x="{_num(x)}" y="{_num(y)}" text-anchor="{anchor}" fill="{colour}" '
            f'font-size="{_num(size)}">'
            f"{escape(words)}</text>"
        )

    def axes(
        self,
        x_name: str,
        y_name: str,
        x_ticks: Sequence[float],
        y_ticks: Sequence[float],
        grid: bool = True,
    ) -> None:
        for tick in x_ticks:
            if grid:
                self.line(self.x(tick), self.top, self.x(tick), self.bottom, FAINT, 0.6)
            self.text(self.x(tick), self.bottom + 15, f"{tick:g}", "middle", GREY, 11)
        for tick in y_ticks:
            if grid:
                self.line(self.left, self.y(tick), self.right, self.y(tick), FAINT, 0.6)
            self.text(self.left - 6, self.y(tick) + 4, f"{tick:g}", "end", GREY, 11)
        self.line(self.left, self.bottom, self.right, self.bottom, GREY)
        self.text((self.left + self.right) / 2, self.height - 6, x_name, "middle", INK, 12)
        if y_name:
            middle = (self.top + self.bottom) / 2
            self.parts.append(
                f'<text transform="translate(13 {_num(middle)}) rotate(-90)" text-anchor="middle" '
                f'fill="{INK}" '
                f'font-size="12">{escape(y_name)}</text>'
            )

    def svg(self, label: str) -> str:
        """The drawing; ``label`` says in words what it shows."""
        return (
            f'<svg viewBox="0 0 {_num(self.width)} {_num(self.height)}" width="{_num(self.width)}" '
            'role="img" '
            f'aria-label="{escape(label, quote=True)}" '
            f'xmlns="http://www.w3.org/2000/svg">{"".join(self.parts)}</svg>'
        )


def _short(name: str, n: int = 30) -> str:
    return name if len(name) <= n else name[: n - 1] + "…"


def legend(names: Sequence[str], colours: Mapping[str, str], dashed: Sequence[str] = ()) -> str:
    """Which colour is which line, as one line of HTML."""
    items = []
    for name in names:
        dash = ' stroke-dasharray="5 3"' if name in dashed else ""
        key = (
            f'<svg width="26" height="10" aria-hidden="true"><line x1="1" y1="5" x2="25" y2="5" '
            f'stroke="{colours[name]}" stroke-width="3"{dash}/></svg>'
        )
        items.append(f"<span>{key} {escape(name)}</span>")
    return f'<p class="legend">{"".join(items)}</p>'


def _jitter(values: Sequence[float], height: float, width: float = 0.02) -> list[float]:
    """Heights that keep dots of nearly equal values apart: a swarm, not chance."""
    order = np.argsort(values, kind="stable")
    found = [0.0] * len(values)
    group: list[int] = []
    groups = []
    for k in order:
        if group and values[k] - values[group[0]] > width:
            groups.append(group)
            group = []
        group.append(int(k))
    groups.append(group)
    for group in groups:
        step = min(6.0, height / max(len(group), 1))
        for j, k in enumerate(group):
            found[k] = (j - (len(group) - 1) / 2) * step
    return found


def strips(
    rows: Sequence[tuple[str, Mapping[str, float], float, tuple[float, float], str]],
    x_name: str,
    limits: tuple[float, float],
    ticks: Sequence[float],
    zero: float | None = None,
    harm: float | None = None,
) -> str:
    """One strip per line: a dot per person, the mean with its interval. With ``zero``, dots under
    ``zero - harm`` are drawn in the colour of harm. Names of people are not written."""
    row_h = 38
    c = Canvas(760, row_h * len(rows) + 56, limits, (0, 1), left=230, top=6, bottom=44)
    for tick in ticks:
        c.line(c.x(tick), c.top, c.x(tick), c.bottom, FAINT, 0.6)
        c.text(c.x(tick), c.bottom + 15, f"{tick:g}", "middle", GREY, 11)
    if zero is not None:
        c.line(c.x(zero), c.top, c.x(zero), c.bottom, INK, 1, "4 3")
    for k, (name, values, mean, ci, colour) in enumerate(rows):
        middle = c.top + row_h * (k + 0.5)
        c.text(c.left - 12, middle + 4, _short(name, 34), "end")
        shown = [min(max(v, limits[0]), limits[1]) for v in values.values()]
        for value, real, dy in zip(shown, values.values(), _jitter(shown, row_h - 12), strict=True):
            hurt = zero is not None and harm is not None and round(real - zero, 12) < -harm
            c.dot(
                c.x(value), middle + dy, 3.2, HARMED if hurt else colour, f"one person: {real:.3f}"
            )
        if all(map(math.isfinite, ci)):
            c.line(c.x(ci[0]), middle, c.x(ci[1]), middle, INK, 2)
        c.line(c.x(mean), middle - 9, c.x(mean), middle + 9, INK, 3)
    c.line(c.left, c.bottom, c.right, c.bottom, GREY)
    c.text((c.left + c.right) / 2, c.height - 6, x_name, "middle")
    said = "; ".join(f"{n}: mean {m:.3f} over {len(v)} people" for n, v, m, _, _ in rows)
    return c.svg(f"{x_name}. {said}")


def reliability(
    lines: Sequence[tuple[str, Sequence[Mapping[str, float]], str]],
    total: float,
    x_name: str,
    dashed: Sequence[str] = (),
) -> str:
    """Observed rate against the score said, one dot per non-empty bin, its area by how many answers
    lie in it.
    """
    c = Canvas(360, 340, (0, 1), (0, 1))
    ticks = (0, 0.2, 0.4, 0.6, 0.8, 1)
    c.axes(x_name, "observed rate", ticks, ticks)
    c.line(c.x(0), c.y(0), c.x(1), c.y(1), GREY, 1, "4 3")
    for name, bins, colour in lines:
        c.path(
            [(b["mean_score"], b["observed"]) for b in bins],
            colour,
            1.4,
            "5 3" if name in dashed else "",
        )
        for b in bins:
            r = 2 + 9 * math.sqrt(b["n"] / max(total, 1))
            title = (
                f"{name}: {b['n']:.0f} answers, said {b['mean_score']:.2f}, observed "
                f"{b['observed']:.2f}"
            )
            c.dot(c.x(b["mean_score"]), c.y(b["observed"]), r, colour, title, name in dashed)
    return c.svg("Reliability: on the dashed diagonal a score means what it says")


def risk_coverage(lines: Sequence[tuple[str, np.ndarray, str]], dashed: Sequence[str] = ()) -> str:
    """Share of wrong answers among the surest, against the share of answers given."""
    top = max((float(np.nanmax(curve[:, 1])) for _, curve, _ in lines), default=0.5)
    high = max(math.ceil(top * 10) / 10, 0.1)
    c = Canvas(360, 340, (0, 1), (0, high))
    ticks = [round(high * k / 5, 3) for k in range(6)]
    c.axes("share answered, surest first", "share wrong", (0, 0.2, 0.4, 0.6, 0.8, 1), ticks)
    for name, curve, colour in lines:
        # A handful of answers says little; the curve begins at one in twenty.
        kept = curve[curve[:, 0] >= 0.05]
        if len(kept) == 1:  # every answer is as sure as every other
            c.dot(c.x(kept[0, 0]), c.y(kept[0, 1]), 4, colour, name)
        c.path(
            [(float(a), float(b)) for a, b in kept], colour, 1.8, "5 3" if name in dashed else ""
        )
    return c.svg("Risk and coverage: how often the surest answers are wrong")


def bars(
    groups: Sequence[tuple[str, int, float, Mapping[str, float]]],
    colours: Mapping[str, str],
    y_name: str,
    unit: str,
) -> str:
    """Grouped bars; ``groups`` are (name, n, rate, line → value). A tick marks the observed rate of
    the last class.
    """
    names = list(colours)
    wide = max(26.0 * len(names), 60.0)
    c = Canvas(max(70 + (wide + 18) * len(groups), 360), 260, (0, 1), (0, 1), right=8, bottom=52)
    for tick in (0, 0.25, 0.5, 0.75, 1):
        c.line(c.left, c.y(tick), c.right, c.y(tick), FAINT, 0.6)
        c.text(c.left - 6, c.y(tick) + 4, f"{tick:g}", "end", GREY, 11)
    step = (c.right - c.left) / max(len(groups), 1)
    for k, (name, n, rate, values) in enumerate(groups):
        start = c.left + step * k + 9
        bar = (step - 18) / len(names)
        for j, line in enumerate(names):
            value = values.get(line, math.nan)
            if math.isfinite(value):
                title = f"{line}, question {name}: {value:.2f}"
                c.rect(
                    start + bar * j,
                    c.y(value),
                    bar - 2,
                    c.bottom - c.y(value),
                    colours[line],
                    title,
                    0.9,
                )
        c.line(start - 4, c.y(rate), start + step - 14, c.y(rate), INK, 1.6, "2 2")
        c.text(start + (step - 18) / 2, c.bottom + 15, f"{_short(name, 14)}", "middle", INK, 12)
        c.text(start + (step - 18) / 2, c.bottom + 29, f"{n} {unit}", "middle", GREY, 10)
    c.line(c.left, c.bottom, c.right, c.bottom, GREY)
    c.text((c.left + c.right) / 2, c.height - 6, "question", "middle")
    c.parts.append(
        f'<text transform="translate(13 {_num((c.top + c.bottom) / 2)}) rotate(-90)" '
        f'text-anchor="middle" fill="{INK}" '
        f'font-size="12">{escape(y_name)}</text>'
    )
    return c.svg(f"{y_name} per question")


def timeline(
    spans_s: np.ndarray,
    y: np.ndarray,
    lines: Sequence[tuple[str, np.ndarray, np.ndarray, str]],
    class_name: str,
) -> str:
    """One recording: what coders marked, what each line decided, and the probability over time.

    ``lines`` are (name, probability of the last class (N,), decision (N,), colour); nan is a gap.
    """
    start, end = float(spans_s[:, 0].min()), float(spans_s[:, 1].max())
    band = 20
    c = Canvas(
        760,
        190 + band * (len(lines) + 1),
        (start, end),
        (0, 1),
        left=150,
        bottom=40 + band * (len(lines) + 1),
    )
    for tick in (0, 0.5, 1):
        c.line(c.left, c.y(tick), c.right, c.y(tick), FAINT, 0.8)
        c.text(c.left - 6, c.y(tick) + 4, f"{tick:g}", "end", GREY, 11)
    c.text(c.left - 30, (c.top + c.bottom) / 2 + 4, "probability", "end")
    for _, p, _, colour in lines:
        stretch: list[tuple[float, float]] = []
        for (a, b), value in zip(spans_s, p, strict=True):
            if math.isfinite(value):
                stretch += [(float(a), float(value)), (float(b), float(value))]
            elif stretch:
                c.path(stretch, colour)
                stretch = []
        c.path(stretch, colour)
    rows = [("coders", y, INK), *((name, said, colour) for name, _, said, colour in lines)]
    for k, (name, labels, colour) in enumerate(rows):
        top = c.bottom + 8 + band * k
        c.text(c.left - 6, top + 11, _short(name, 22), "end", size=11)
        c.rect(c.left, top, c.right - c.left, 13, "#efefef")
        edges = np.flatnonzero(np.diff(labels)) + 1
        for first, last in zip(np.r_[0, edges], np.r_[edges, len(labels)] - 1, strict=True):
            a, b, label = spans_s[first, 0], spans_s[last, 1], labels[first]
            if label == -1:
                c.rect(c.x(a), top + 5, c.x(b) - c.x(a), 3, "#bbbbbb", "not coded or not measured")
            elif label:
                c.rect(c.x(a), top, c.x(b) - c.x(a), 13, colour, f"{class_name} {a:.1f}–{b:.1f} s")
    foot = c.bottom + 8 + band * len(rows)
    step = next(
        s
        for s in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 3600)
        if (end - start) / s <= 10 or s == 3600
    )
    for tick in range(math.ceil(start / step) * step, math.floor(end / step) * step + 1, step):
        c.text(c.x(tick), foot + 10, f"{tick:g}", "middle", GREY, 11)
    c.text((c.left + c.right) / 2, foot + 25, "seconds", "middle")
    return c.svg(f"Timeline of one recording: where coders marked {class_name}, and what was said")
