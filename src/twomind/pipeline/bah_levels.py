"""A level of a table of BAH (frames, whole answers): rows of a board beside the published figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from twomind.evaluation.board import Board

TITLES = {
    "macro_f1": "AVGF1",
    "ap_bah": "AP as BAH's code has it",
    "ap": "AP",
    "weighted_f1": "weighted F1",
    "f1_1": "F1 of present",
}
#: Row → metric → the published figure.
Published = Mapping[str, Mapping[str, float]]


def level_of(board: Board, metrics: Sequence[str], published: Published) -> dict[str, Any]:
    """Every row of a level, shortcuts too.

    Args:
        board: of the runs.
        metrics: which figures.
        published: by row; nan or absent: none.
    """
    rows = []
    for line in board.lines:
        figures = {}
        for metric in metrics:
            figures[metric] = {
                "value": line.figures[metric],
                "ci": line.intervals.get(metric, [math.nan, math.nan]),
            }
        known = published.get(line.name, {})
        beside = {name: value for name, value in known.items() if math.isfinite(value)}
        row: dict[str, Any] = {"row": line.name, "kind": line.kind, "figures": figures}
        row |= {"coverage": line.coverage, "constant": line.constant, "published": beside}
        rows.append(row)
    return {"protocol": board.protocol, "n_rows": board.n_rows, "rows": rows}


def markdown_of(
    title: str, table: Mapping[str, Any], metrics: Sequence[str], notes: Sequence[str]
) -> str:
    """The page of a table.

    Args:
        title: of the page.
        table: with ``levels`` and ``drawn``.
        metrics: which figures, in order.
        notes: what stands below, one line each.
    """
    head = ["", *(TITLES[metric] for metric in metrics), "read", "published", ""]
    lines = [f"# {title}", ""]
    if table["drawn"]:
        lines += ["These people are synthetic. The figures say nothing about real people.", ""]
    for level, part in table["levels"].items():
        lines += [f"## Per {level}, {part['protocol']}: {part['n_rows']} rows", ""]
        lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        for row in part["rows"]:
            cells = [row["row"], *(_cell(row["figures"][metric]) for metric in metrics)]
            told = [f"{TITLES[name]} {value:.4f}" for name, value in row["published"].items()]
            beside = ", ".join(filter(None, (row["constant"], row.get("note"))))
            cells += [f"{100 * row['coverage']:.0f} %", ", ".join(told) or "—", beside]
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    lines += [f"- {text}" for text in notes]
    return "\n".join(lines) + "\n"


def _cell(figure: Mapping[str, Any]) -> str:
    value, (low, high) = figure["value"], figure["ci"]
    if value is None:
        return "—"
    return f"{value:.4f}" if low is None else f"{value:.4f} [{low:.3f}, {high:.3f}]"


__all__ = ["Published", "level_of", "markdown_of"]
