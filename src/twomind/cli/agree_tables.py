"""Agreement as tables for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twomind.cli.screen import TABLE_WIDTH, screen


def print_agreement(found: Mapping[str, Any], n_shown: int) -> None:
    """Print who rated, every pair, all together, and where they differ."""
    from rich.table import Table

    console = screen(width=TABLE_WIDTH)

    def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        table = Table(*columns, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        console.print(title, style="bold")
        console.print(table)
        console.print()

    what = found["tier"] + (f" · {found['label']}" if found["label"] else "")
    limits = f"onset ± {found['tolerance_s']:g} s, offset ± {found['offset_tolerance_s']:g} s"
    heading = (
        f"{what}: {_many(found['recordings'], 'recording', 'recordings')} of "
        f"{_many(found['people'], 'person', 'people')}, "
        f"{found['n_frames']} frames of {found['hop_s']:g} s"
    )
    raters = [
        (
            r["rater"] + (" (model)" if r["model"] else ""),
            str(r["recordings"]),
            "does not say when" if r["n_segments"] is None else str(r["n_segments"]),
            _number(r["seconds_marked"], 1),
            _number(r["share_marked"], 3),
        )
        for r in found["raters"]
    ]
    show(heading, ("rater", "recordings", "segments", "seconds", "share of frames"), raters)
    columns = (
        "pair",
        "kappa",
        "alpha",
        "same frames",
        f"event F1 ({limits})",
        "matched",
        "onset / offset off by",
        "utterances, kappa",
        "answers",
    )
    show("pairs", columns, [_pair(p) for p in found["pairs"]])
    if found["together"]:
        heads = (
            "together",
            "raters",
            "alpha",
            "Fleiss kappa",
            "answers alpha",
            "ICC(2,1) of seconds",
        )
        show(
            "all at once", heads, [_together(name, row) for name, row in found["together"].items()]
        )
    listed = found["disagreements"]
    if listed:
        n_border = sum(d["within_tolerance"] for d in listed)
        title = (
            f"{len(listed)} stretches differ, {n_border} of them within the tolerance at a border"
        )
        worst = sorted(
            (d for d in listed if not d["within_tolerance"]),
            key=lambda d: d["start_s"] - d["end_s"],
        )
        rows = [
            (
                d["recording"],
                f"{d['start_s']:.2f} – {d['end_s']:.2f}",
                ", ".join(d["marked"]),
                ", ".join(d["not_marked"]),
            )
            for d in worst[:n_shown]
        ]
        more = f"; the longest {n_shown}" if len(worst) > n_shown else ""
        show(title + more, ("recording", "seconds", "marked by", "not by") if rows else (), rows)
    for one in found["not_measured"]:
        console.print(f"not measured: {one['what']}: {one['reason']}")


def _many(n: int, one: str, more: str) -> str:
    return f"{n} {one if n == 1 else more}"


def _number(value: Any, digits: int) -> str:
    return "not defined" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _with_interval(row: Mapping[str, Any], name: str) -> str:
    interval = row.get(f"{name}_interval")
    text = _number(row.get(name), 3)
    return text + (f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")


def _pair(row: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"{row['a']} – {row['b']}"
    answers = f"{row['answers_same']} of {row['n_answers']} same"
    if math.isfinite(row["answers_kappa"]):
        answers += f", kappa {row['answers_kappa']:.3f}"
    if "kappa" not in row:
        return (name, "not measured", "", "", "not measured", row["reason"], "", "", answers)
    errors = (
        f"{_number(row['onset_error_s'], 2)} / {_number(row['offset_error_s'], 2)} s"
        if row["n_matched"]
        else "–"
    )
    return (
        name,
        _with_interval(row, "kappa"),
        _number(row["alpha"], 3),
        _number(row["raw_agreement"], 3),
        _with_interval(row, "event_f1"),
        f"{row['n_matched']} of {row['n_events_a']} and {row['n_events_b']}",
        errors,
        f"{row['n_utterances']}, {_number(row['utterances_kappa'], 3)}"
        if row["n_utterances"]
        else "no transcript",
        answers,
    )


def _together(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    answers = _number(row["answers_alpha"], 3)
    if "alpha" not in row:
        return (name, ", ".join(row["raters"]), f"not measured: {row['reason']}", "", answers, "")
    forms = {form["form"]: form for form in row["icc_seconds_marked"] or ()}
    two = forms.get("ICC(2,1)")
    amount = (
        f"{_number(two['value'], 3)} [{two['low']:.2f}, {two['high']:.2f}]"
        if two
        else "not measured"
    )
    fleiss = (
        _number(row["fleiss_kappa"], 3)
        if row["fleiss_recordings"]
        else "not measured: none rated by all"
    )
    return (name, ", ".join(row["raters"]), _with_interval(row, "alpha"), fleiss, answers, amount)
