"""Figures of a leaderboard as inline SVG, in plain Python: no plotting library, no network,
readable in a diff.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np

from twomind.reporting.messages import ENGLISH, Texts

#: Told apart also by people who do not see red and green (Okabe and Ito).
COLOURS = ("#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5c00")
#: Kept for harm, so that no method looks harmful by its colour.
HARMED = "#d55e00"
GREY, INK, FAINT = "#767676", "#222222", "#d9d9d9"
#: More lines than this make a figure nobody can read; the table has them all.
MAX_LINES = 6
#: Numbers of an axis from 0 to 1.
FIFTHS = (0, 0.2, 0.4, 0.6, 0.8, 1)
#: Height of a strip, and of a band of moments, px.
_ROW_H, _BAND = 38, 20
#: Two numbers, x and y or least and most.
Point = tuple[float, float]


def _num(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _attributes(**values: float) -> str:
    """Numbers as an SVG element has them; ``_`` in a name stands for ``-``."""
    told = []
    for name, value in values.items():
        attribute = name.replace("_", "-")
        told.append(f'{attribute}="{_num(value)}"')
    return " ".join(told)


@dataclass(frozen=True)
class Margins:
    """Room around the plot area."""

    left: float = 56
    right: float = 12
    top: float = 12
    bottom: float = 40


@dataclass(frozen=True)
class Stroke:
    """How a line is drawn; ``dash`` as SVG has it."""

    colour: str = INK
    width: float = 1
    dash: str = ""

    def attributes(self) -> str:
        """As an SVG element has them."""
        dashed = f' stroke-dasharray="{self.dash}"' if self.dash else ""
        return f'stroke="{self.colour}" stroke-width="{_num(self.width)}"{dashed}'


_GRID = Stroke(FAINT, 0.6)
_AXIS = Stroke(GREY)
_MARK = Stroke(GREY, 1, "4 3")
_DASH = "5 3"


@dataclass(frozen=True)
class Fill:
    """The colour of a box."""

    colour: str
    opacity: float = 1


@dataclass(frozen=True)
class Type:
    """How words are set; ``anchor`` as SVG has it."""

    anchor: str = "start"
    colour: str = INK
    size: float = 12


_TICK_X = Type("middle", GREY, 11)
_TICK_Y = Type("end", GREY, 11)
_TITLE = Type("middle")
_LINE_NAME = Type("end")
_COUNT = Type("middle", GREY, 10)
_BAND_NAME = Type("end", size=11)
_SIDE_LABEL = Type(size=12)
_SIDE_LABEL_SMALL = Type(colour=GREY, size=11)
_UNKNOWN = Fill("#bbbbbb")


def _titled(title: str) -> str:
    """What a browser shows over an element."""
    return f"<title>{escape(title)}</title>" if title else ""


class Canvas:
    """A drawing of ``width`` × ``height`` with a plot area and linear axes."""

    def __init__(
        self,
        width: float,
        height: float,
        x: Point,
        y: Point,
        margins: Margins | None = None,
    ) -> None:
        around = margins or Margins()
        self.width = width
        self.height = height
        self._x = x
        self._y = y
        self.left = around.left
        self.right = width - around.right
        self.top = around.top
        self.bottom = height - around.bottom
        self.parts: list[str] = []

    @property
    def centre(self) -> float:
        """Middle of the plot area's width."""
        return (self.left + self.right) / 2

    @property
    def middle(self) -> float:
        """Middle of the plot area's height."""
        return (self.top + self.bottom) / 2

    def x(self, value: float) -> float:
        a, b = self._x
        share = (value - a) / (b - a)
        return self.left + share * (self.right - self.left)

    def y(self, value: float) -> float:
        a, b = self._y
        share = (value - a) / (b - a)
        return self.bottom - share * (self.bottom - self.top)

    def at(self, point: Point) -> Point:
        """Where a data point lies, in pixels."""
        x, y = point
        return self.x(x), self.y(y)

    def line(self, x1: float, y1: float, x2: float, y2: float, stroke: Stroke = Stroke()) -> None:
        """A straight line in pixels.

        Args:
            x1: of its begin.
            y1: of its begin.
            x2: of its end.
            y2: of its end.
            stroke: how it is drawn.
        """
        ends = _attributes(x1=x1, y1=y1, x2=x2, y2=y2)
        self.parts.append(f"<line {ends} {stroke.attributes()}/>")

    def across(self, y: float, stroke: Stroke) -> None:
        """A line over the whole width of the plot area."""
        self.line(self.left, y, self.right, y, stroke)

    def down(self, x: float, stroke: Stroke) -> None:
        """A line over the whole height of the plot area."""
        self.line(x, self.top, x, self.bottom, stroke)

    def path(self, points: Sequence[Point], stroke: Stroke) -> None:
        """A line through data points."""
        if not points:
            return
        places = []
        for point in points:
            x, y = self.at(point)
            places.append(f"{_num(x)} {_num(y)}")
        d = "M" + " L".join(places)
        self.parts.append(f'<path d="{d}" fill="none" {stroke.attributes()}/>')

    def dot(
        self, cx: float, cy: float, r: float, colour: str, title: str = "", hollow: bool = False
    ) -> None:
        """A dot in pixels.

        Args:
            cx: of its middle.
            cy: of its middle.
            r: its radius.
            colour: of the dot.
            title: what a browser shows over it.
            hollow: its outline alone.
        """
        fill = f'fill="{colour}" fill-opacity=".75"'
        if hollow:
            fill = f'fill="#fff" stroke="{colour}" stroke-width="1.4"'
        place = _attributes(cx=cx, cy=cy, r=r)
        self.parts.append(f"<circle {place} {fill}>{_titled(title)}</circle>")

    def diamond(self, cx: float, cy: float, reach: float) -> None:
        """A diamond in pixels.

        Args:
            cx: of its middle.
            cy: of its middle.
            reach: from its middle to its points.
        """
        left = _num(cx - reach)
        right = _num(cx + reach)
        top = _num(cy - reach)
        bottom = _num(cy + reach)
        x, y = _num(cx), _num(cy)
        across = f"{left},{y} {x},{top}"
        back = f"{right},{y} {x},{bottom}"
        corners = f"{across} {back}"
        self.parts.append(f'<polygon points="{corners}" fill="{INK}"/>')

    def rect(self, x: float, y: float, w: float, h: float, fill: Fill, title: str = "") -> None:
        """A box in pixels.

        Args:
            x: of its left edge.
            y: of its upper edge.
            w: its width.
            h: its height.
            fill: its colour.
            title: what a browser shows over it.
        """
        width = max(w, 0)
        height = max(h, 0)
        place = _attributes(x=x, y=y, width=width, height=height)
        opacity = _attributes(fill_opacity=fill.opacity)
        look = f'fill="{fill.colour}" {opacity}'
        self.parts.append(f"<rect {place} {look}>{_titled(title)}</rect>")

    def text(self, x: float, y: float, words: str, type: Type = Type()) -> None:
        """Words in pixels.

        Args:
            x: of the anchor.
            y: of the line on which they stand.
            words: what is written.
            type: how it is set.
        """
        place = _attributes(x=x, y=y)
        size = _attributes(font_size=type.size)
        look = f'text-anchor="{type.anchor}" fill="{type.colour}" {size}'
        self.parts.append(f"<text {place} {look}>{escape(words)}</text>")

    def tick_x(self, value: float, y: float) -> None:
        """A number of the x axis."""
        self.text(self.x(value), y, f"{value:g}", _TICK_X)

    def tick_y(self, value: float, stroke: Stroke | None = _GRID) -> None:
        """A number of the y axis with its line across the plot area."""
        y = self.y(value)
        if stroke is not None:
            self.across(y, stroke)
        self.text(self.left - 6, y + 4, f"{value:g}", _TICK_Y)

    def name_x(self, name: str) -> None:
        """What the x axis shows, at the foot of the drawing."""
        self.text(self.centre, self.height - 6, name, _TITLE)

    def name_y(self, name: str) -> None:
        """What the y axis shows, upright beside it."""
        turned = f"translate(13 {_num(self.middle)}) rotate(-90)"
        look = f'text-anchor="middle" fill="{INK}" font-size="12"'
        self.parts.append(f'<text transform="{turned}" {look}>{escape(name)}</text>')

    def axes(
        self, x_name: str, y_name: str, x_ticks: Sequence[float], y_ticks: Sequence[float]
    ) -> None:
        """Both axes with a grid.

        Args:
            x_name: what the x axis shows.
            y_name: what the y axis shows.
            x_ticks: its numbers.
            y_ticks: its numbers.
        """
        for tick in x_ticks:
            self.down(self.x(tick), _GRID)
            self.tick_x(tick, self.bottom + 15)
        for tick in y_ticks:
            self.tick_y(tick)
        self.across(self.bottom, _AXIS)
        self.name_x(x_name)
        self.name_y(y_name)

    def svg(self, label: str) -> str:
        """The drawing; ``label`` says in words what it shows."""
        width = _num(self.width)
        height = _num(self.height)
        size = f'viewBox="0 0 {width} {height}" width="{width}"'
        said = f'role="img" aria-label="{escape(label, quote=True)}"'
        parts = "".join(self.parts)
        return f'<svg {size} {said} xmlns="http://www.w3.org/2000/svg">{parts}</svg>'


def _short(name: str, n: int = 30) -> str:
    return name if len(name) <= n else name[: n - 1] + "…"


def legend(names: Sequence[str], colours: Mapping[str, str], dashed: Sequence[str] = ()) -> str:
    """Which colour is which line, as one line of HTML.

    Args:
        names: of the lines.
        colours: of each line.
        dashed: lines that are drawn dashed.
    """
    items = []
    for name in names:
        dash = f' stroke-dasharray="{_DASH}"' if name in dashed else ""
        key = (
            '<svg width="26" height="10" aria-hidden="true"><line x1="1" y1="5" x2="25" y2="5" '
            f'stroke="{colours[name]}" stroke-width="3"{dash}/></svg>'
        )
        items.append(f"<span>{key} {escape(name)}</span>")
    return f'<p class="legend">{"".join(items)}</p>'


def _groups(values: Sequence[float], width: float) -> list[list[int]]:
    """Places of nearly equal values, which lie within ``width`` of the least one."""
    groups: list[list[int]] = [[]]
    for k in np.argsort(values, kind="stable").tolist():
        group = groups[-1]
        if group and values[k] - values[group[0]] > width:
            group = []
            groups.append(group)
        group.append(k)
    return groups


def _jitter(values: Sequence[float], height: float, width: float = 0.02) -> list[float]:
    """Heights that keep dots of nearly equal values apart: a swarm, not chance."""
    found = [0.0] * len(values)
    for group in _groups(values, width):
        room = height / max(len(group), 1)
        step = min(6.0, room)
        middle = (len(group) - 1) / 2
        for j, k in enumerate(group):
            found[k] = (j - middle) * step
    return found


@dataclass(frozen=True)
class Strip:
    """A line of :func:`strips`: a value per person, their mean with its interval."""

    name: str
    values: Mapping[str, float]
    mean: float
    ci: Point
    colour: str


def strips(
    rows: Sequence[Strip],
    x_name: str,
    limits: Point,
    ticks: Sequence[float],
    t: Texts = ENGLISH,
) -> str:
    """One strip per line: a dot per person, the mean with its interval. Names of people are not
    written.

    Args:
        rows: the lines.
        x_name: what the x axis shows.
        limits: of the x axis; values beyond are drawn at its ends.
        ticks: numbers of the x axis.
        t: texts of the page's language.
    """
    height = _ROW_H * len(rows) + 56
    c = Canvas(760, height, limits, (0, 1), Margins(230, 12, 6, 44))
    for tick in ticks:
        c.down(c.x(tick), _GRID)
        c.tick_x(tick, c.bottom + 15)
    said = []
    for k, row in enumerate(rows):
        middle = c.top + _ROW_H * (k + 0.5)
        _draw_strip(c, row, middle, limits, t)
        told = {"name": row.name, "mean": f"{row.mean:.3f}"}
        said.append(t("figure.mean_of", n=len(row.values), **told))
    c.across(c.bottom, _AXIS)
    c.name_x(x_name)
    joint = t("page.joint")
    rows_told = joint.join(said)
    return c.svg(f"{x_name}. {rows_told}")


@dataclass(frozen=True)
class Gain:
    """A row of :func:`forest`: what each person gains, the mean with its interval, and two lines
    of text beside it.
    """

    name: str
    values: Mapping[str, float]
    mean: float
    ci: Point
    told: tuple[str, str]


def forest(rows: Sequence[Gain], x_name: str, harm: float, t: Texts = ENGLISH) -> str:
    """A forest plot: per row a dot per person, and the mean with its interval as a diamond. Names
    of people are not written.

    Args:
        rows: the lines.
        x_name: what the x axis shows.
        harm: dots under ``-harm`` are drawn in the colour of harm.
        t: texts of the page's language.
    """
    far = 0.0
    for row in rows:
        changes = map(abs, row.values.values())
        far = max([far, *changes])
    up_to_a_tenth = math.ceil(far * 10) / 10
    limit = max(up_to_a_tenth, 0.1)
    height = _ROW_H * len(rows) + 56
    margins = Margins(230, 190, 6, 44)
    c = Canvas(960, height, (-limit, limit), (0, 1), margins)
    for k in range(5):
        tick = round(limit * (k - 2) / 2, 2)
        c.down(c.x(tick), _GRID)
        c.tick_x(tick, c.bottom + 15)
    c.down(c.x(0), Stroke(INK, 1, "4 3"))
    said = []
    for k, row in enumerate(rows):
        middle = c.top + _ROW_H * (k + 0.5)
        _draw_gain(c, row, middle, harm, t)
        told = ", ".join(row.told)
        said.append(t("page.labelled", name=row.name, text=told))
    c.across(c.bottom, _AXIS)
    c.name_x(x_name)
    joint = t("page.joint")
    rows_told = joint.join(said)
    return c.svg(f"{x_name}. {rows_told}")


def _draw_gain(c: Canvas, row: Gain, middle: float, harm: float, t: Texts) -> None:
    name = _short(row.name, 34)
    c.text(c.left - 12, middle + 4, name, _LINE_NAME)
    values = list(row.values.values())
    lifts = _jitter(values, _ROW_H - 12)
    for value, lift in zip(values, lifts, strict=True):
        is_harmed = round(value, 12) < -harm
        colour = HARMED if is_harmed else COLOURS[0]
        title = t("figure.one_person", value=f"{value:+.3f}")
        c.dot(c.x(value), middle + lift, 3.2, colour, title)
    mean = c.x(row.mean)
    if all(map(math.isfinite, row.ci)):
        least, most = map(c.x, row.ci)
        c.line(least, middle, most, middle, Stroke(INK, 2))
    c.diamond(mean, middle, 7)
    gain, harmed = row.told
    c.text(c.right + 12, middle - 2, gain, _SIDE_LABEL)
    c.text(c.right + 12, middle + 12, harmed, _SIDE_LABEL_SMALL)


def _draw_strip(c: Canvas, row: Strip, middle: float, limits: Point, t: Texts) -> None:
    name = _short(row.name, 34)
    c.text(c.left - 12, middle + 4, name, _LINE_NAME)
    low, high = limits
    values = row.values.values()
    shown = [min(max(value, low), high) for value in values]
    lifts = _jitter(shown, _ROW_H - 12)
    for value, real, lift in zip(shown, values, lifts, strict=True):
        title = t("figure.one_person", value=f"{real:.3f}")
        c.dot(c.x(value), middle + lift, 3.2, row.colour, title)
    if all(map(math.isfinite, row.ci)):
        least, most = map(c.x, row.ci)
        c.line(least, middle, most, middle, Stroke(INK, 2))
    mean = c.x(row.mean)
    c.line(mean, middle - 9, mean, middle + 9, Stroke(INK, 3))


@dataclass(frozen=True)
class Calibration:
    """Reliability bins of a line, each with ``n``, ``mean_score`` and ``observed``."""

    name: str
    bins: Sequence[Mapping[str, float]]
    colour: str


def reliability(
    lines: Sequence[Calibration],
    total: float,
    x_name: str,
    dashed: Sequence[str] = (),
    t: Texts = ENGLISH,
) -> str:
    """Observed rate against the score said, one dot per non-empty bin, its area by how many answers
    lie in it.

    Args:
        lines: their bins.
        total: answers in all.
        x_name: what the x axis shows.
        dashed: lines that are drawn dashed.
        t: texts of the page's language.
    """
    c = Canvas(360, 340, (0, 1), (0, 1))
    c.axes(x_name, t("figure.observed"), FIFTHS, FIFTHS)
    c.line(c.left, c.bottom, c.right, c.top, _MARK)
    for line in lines:
        is_dashed = line.name in dashed
        points = [(b["mean_score"], b["observed"]) for b in line.bins]
        dash = _DASH if is_dashed else ""
        c.path(points, Stroke(line.colour, 1.4, dash))
        for b, point in zip(line.bins, points, strict=True):
            said, observed = point
            n = b["n"]
            share = n / max(total, 1)
            r = 2 + 9 * math.sqrt(share)
            told = {"name": line.name, "said": f"{said:.2f}", "observed": f"{observed:.2f}"}
            title = t("figure.dot", n=round(n), **told)
            x, y = c.at(point)
            c.dot(x, y, r, line.colour, title, is_dashed)
    return c.svg(t("figure.reliability"))


@dataclass(frozen=True)
class Curve:
    """Coverage and risk ``(N, 2)`` of a line."""

    name: str
    points: np.ndarray
    colour: str


def risk_coverage(lines: Sequence[Curve], dashed: Sequence[str] = (), t: Texts = ENGLISH) -> str:
    """Share of wrong answers among the surest, against the share of answers given.

    Args:
        lines: their curves.
        dashed: lines that are drawn dashed.
        t: texts of the page's language.
    """
    highest = [np.nanmax(line.points[:, 1]) for line in lines]
    top = max(map(float, highest), default=0.5)
    tenths = math.ceil(top * 10)
    high = max(tenths / 10, 0.1)
    ticks = [round(high * k / 5, 3) for k in range(6)]
    c = Canvas(360, 340, (0, 1), (0, high))
    c.axes(t("figure.answered"), t("figure.wrong"), FIFTHS, ticks)
    for line in lines:
        # A handful of answers says little; the curve begins at one in twenty.
        shares = line.points[:, 0]
        kept = line.points[shares >= 0.05]
        points = [(share, wrong) for share, wrong in kept.tolist()]
        if len(points) == 1:  # every answer is as sure as every other
            x, y = c.at(points[0])
            c.dot(x, y, 4, line.colour, line.name)
        dash = _DASH if line.name in dashed else ""
        c.path(points, Stroke(line.colour, 1.8, dash))
    return c.svg(t("figure.risk"))


@dataclass(frozen=True)
class Group:
    """Bars that stand together: how many answers, the observed rate, and a value per line."""

    name: str
    n: int
    rate: float
    values: Mapping[str, float]


def bars(
    groups: Sequence[Group],
    colours: Mapping[str, str],
    y_name: str,
    unit: str,
    t: Texts = ENGLISH,
) -> str:
    """Grouped bars. A tick marks the observed rate of the last class.

    Args:
        groups: one per question.
        colours: of the lines, each a bar of the group.
        y_name: what the y axis shows.
        unit: of what a group counts.
        t: texts of the page's language.
    """
    width_of_group = max(26.0 * len(colours), 60.0)
    width = max(70 + (width_of_group + 18) * len(groups), 360)
    c = Canvas(width, 260, (0, 1), (0, 1), Margins(right=8, bottom=52))
    for tick in (0, 0.25, 0.5, 0.75, 1):
        c.tick_y(tick)
    step = (c.right - c.left) / max(len(groups), 1)
    for k, group in enumerate(groups):
        start = c.left + step * k + 9
        _draw_group(c, group, (start, step), colours, t)
        middle = start + (step - 18) / 2
        c.text(middle, c.bottom + 15, _short(group.name, 14), _TITLE)
        count = f"{group.n} {unit}"
        c.text(middle, c.bottom + 29, count, _COUNT)
    c.across(c.bottom, _AXIS)
    c.name_x(t("figure.question"))
    c.name_y(y_name)
    return c.svg(t("figure.per_question", what=y_name))


def _draw_group(
    c: Canvas, group: Group, place: Point, colours: Mapping[str, str], t: Texts
) -> None:
    """A bar per line, and the observed rate across them; ``place``: where they begin, and how far
    the next group is.
    """
    start, step = place
    bar = (step - 18) / len(colours)
    for j, (line, colour) in enumerate(colours.items()):
        value = group.values.get(line, math.nan)
        if math.isfinite(value):
            title = t("figure.bar", line=line, name=group.name, value=f"{value:.2f}")
            left = start + bar * j
            top = c.y(value)
            height = c.bottom - top
            c.rect(left, top, bar - 2, height, Fill(colour, 0.9), title)
    rate = c.y(group.rate)
    end = start + step - 14
    c.line(start - 4, rate, end, rate, Stroke(INK, 1.6, "2 2"))


@dataclass(frozen=True)
class Told:
    """What a line said of one recording: probability of the last class ``(N,)``, decision
    ``(N,)``.
    """

    name: str
    probability: np.ndarray
    decision: np.ndarray
    colour: str


def timeline(
    spans_s: np.ndarray,
    y: np.ndarray,
    lines: Sequence[Told],
    class_name: str,
    t: Texts = ENGLISH,
) -> str:
    """One recording: what coders marked, what each line decided, and the probability over time.

    Args:
        spans_s: begin and end of each moment ``(N, 2)``.
        y: what coders marked ``(N,)``; -1 where nothing is known.
        lines: what was said; nan is a gap.
        class_name: of the last class.
        t: texts of the page's language.
    """
    start = float(spans_s[:, 0].min())
    end = float(spans_s[:, 1].max())
    bands = _BAND * (len(lines) + 1)
    margins = Margins(left=150, bottom=40 + bands)
    c = Canvas(760, 190 + bands, (start, end), (0, 1), margins)
    for tick in (0, 0.5, 1):
        c.tick_y(tick, Stroke(FAINT, 0.8))
    probability = t("figure.probability")
    c.text(c.left - 30, c.middle + 4, probability, _LINE_NAME)
    for line in lines:
        for stretch in _stretches(spans_s, line.probability):
            c.path(stretch, Stroke(line.colour, 1.8))
    top = c.bottom + 8
    unknown = t("figure.not_coded")
    coders = t("figure.coders")
    _draw_band(c, top, coders, spans_s, y, _Marked(INK, class_name, unknown))
    for line in lines:
        top += _BAND
        marked = _Marked(line.colour, class_name, unknown)
        _draw_band(c, top, line.name, spans_s, line.decision, marked)
    foot = top + _BAND
    step = _tick_step(end - start)
    first = math.ceil(start / step) * step
    last = math.floor(end / step) * step
    for tick in range(first, last + 1, step):
        c.tick_x(tick, foot + 10)
    c.text(c.centre, foot + 25, t("figure.seconds"), _TITLE)
    return c.svg(t("figure.timeline", name=class_name))


def _stretches(spans_s: np.ndarray, values: np.ndarray) -> list[list[Point]]:
    """Points of a stepped line, cut where nothing is known."""
    found: list[list[Point]] = [[]]
    for (a, b), value in zip(spans_s, values, strict=True):
        if math.isfinite(value):
            found[-1].append((float(a), float(value)))
            found[-1].append((float(b), float(value)))
        elif found[-1]:
            found.append([])
    return found


@dataclass(frozen=True)
class _Marked:
    """How moments of the last class look, what it is called, and what is said of other ones of
    which nothing is known.
    """

    colour: str
    class_name: str
    unknown: str


def _draw_band(
    c: Canvas, top: float, name: str, spans_s: np.ndarray, labels: np.ndarray, marked: _Marked
) -> None:
    """A band of moments: of the last class, of another one, or not known."""
    short = _short(name, 22)
    c.text(c.left - 6, top + 11, short, _BAND_NAME)
    whole = c.right - c.left
    c.rect(c.left, top, whole, 13, Fill("#efefef"))
    cuts = np.flatnonzero(np.diff(labels)) + 1
    edges = [0, *cuts.tolist(), len(labels)]
    for first, stop in pairwise(edges):
        a = spans_s[first, 0]
        b = spans_s[stop - 1, 1]
        x = c.x(a)
        width = c.x(b) - x
        if labels[first] == -1:
            c.rect(x, top + 5, width, 3, _UNKNOWN, marked.unknown)
        elif labels[first]:
            title = f"{marked.class_name} {a:.1f}–{b:.1f} s"
            c.rect(x, top, width, 13, Fill(marked.colour), title)


def _tick_step(length_s: float) -> int:
    """Seconds between the numbers of a time axis, so that there are about ten."""
    for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600):
        if length_s / step <= 10:
            return step
    return 3600
