"""The picture of the page: gains with their intervals, a panel per encoder.

python -m experiments.real.picture experiments/out/FILE.json... docs/pictures/adaptation-on-people.svg
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .run import METHODS
from .tables import encoders

PANEL_PX, LABEL_PX, ROW_PX, HEAD_PX = 150, 90, 20, 46
#: Gains that lie at the edges of a panel.
EDGE = 0.3
AXIS = "gain over the same rows without adaptation, with its interval over people"
_STYLE = "font: 12px sans-serif; fill: #333"


def svg(panels: Mapping[str, Any]) -> str:
    """The picture as text; a panel per encoder."""
    width = LABEL_PX + PANEL_PX * len(panels)
    height = HEAD_PX + ROW_PX * len(METHODS) + 50
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">']
    lines.append(f'<rect width="{width}" height="{height}" fill="white"/>')
    for row, name in enumerate(METHODS):
        y = HEAD_PX + ROW_PX * (row + 0.7)
        lines.append(_text(4, y, name))
    for column, (name, one) in enumerate(panels.items()):
        lines += _panel(LABEL_PX + PANEL_PX * column, name, one)
    lines.append(_text((LABEL_PX + width) / 2, height - 10, AXIS, "middle"))
    lines.append("</svg>\n")
    return "\n".join(lines)


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" style="{_STYLE}">{text}</text>'


def _panel(left: float, name: str, one: Mapping[str, Any]) -> Iterator[str]:
    """One encoder: its name, the line of no gain, and a dot with an interval per row."""
    middle = left + PANEL_PX / 2
    bottom = HEAD_PX + ROW_PX * len(METHODS)
    of_set, encoder = name.split(", ")
    yield _text(middle, 16, f"{of_set} ({one['n_people']})", "middle")
    yield _text(middle, 32, encoder, "middle")
    yield f'<path d="M{middle:.0f} {HEAD_PX}V{bottom}" stroke="#999"/>'
    for gain in (-0.2, 0.2):
        x = _x(middle, gain)
        yield f'<path d="M{x:.0f} {HEAD_PX}V{bottom}" stroke="#ddd"/>'
        yield _text(x, bottom + 16, f"{gain:+.1f}", "middle")
    yield _text(middle, bottom + 16, "0", "middle")
    for row, method in enumerate(METHODS):
        figures = one["rows"][method]
        y = HEAD_PX + ROW_PX * (row + 0.5)
        low, high = (_x(middle, bound) for bound in figures["gain_interval"])
        colour = "#1f6fb2" if figures["p_holm"] < 0.05 else "#777"
        yield f'<path d="M{low:.1f} {y}H{high:.1f}" stroke="{colour}" stroke-width="2"/>'
        yield f'<circle cx="{_x(middle, figures["gain"]):.1f}" cy="{y}" r="4" fill="{colour}"/>'


def _x(middle: float, gain: float) -> float:
    held = max(-EDGE, min(EDGE, gain))
    return middle + held / EDGE * (PANEL_PX / 2 - 8)


def main() -> None:
    *sources, target = sys.argv[1:]
    Path(target).write_text(svg(encoders(sources)), encoding="utf-8")


if __name__ == "__main__":
    main()
