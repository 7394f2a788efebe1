"""Agreement as tables for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twomind.cli.screen import TABLE_WIDTH, screen

_RATERS = ("rater", "recordings", "segments", "seconds", "share of frames")
_TOGETHER = (
    "together",
    "raters",
    "alpha",
    "Fleiss kappa",
    "answers alpha",
    "ICC(2,1) of seconds",
)
_DIFFERENCES = ("recording", "seconds", "marked by", "not by")
NOT_MEASURED = "not measured"


def print_agreement(found: Mapping[str, Any], n_shown: int) -> None:
    """Print who rated, every pair, all together, and where they differ."""
    console = screen(width=TABLE_WIDTH)
    _show(console, _heading(found), _RATERS, [_rater(row) for row in found["raters"]])
    _show(console, "pairs", _pair_columns(found), [_pair(row) for row in found["pairs"]])
    if found["together"]:
        rows = [_together(name, row) for name, row in found["together"].items()]
        _show(console, "all at once", _TOGETHER, rows)
    if found["disagreements"]:
        _show_differences(console, found["disagreements"], n_shown)
    for one in found["not_measured"]:
        line = f"{NOT_MEASURED}: {one['what']}: {one['reason']}"
        console.print(line)


def _show(console: Any, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console.print(title, style="bold")
    console.print(table)
    console.print()


def _heading(found: Mapping[str, Any]) -> str:
    what = found["tier"]
    if found["label"]:
        what += f" · {found['label']}"
    recordings = _many(found["recordings"], "recording", "recordings")
    people = _many(found["people"], "person", "people")
    frames = f"{found['n_frames']} frames of {found['hop_s']:g} s"
    return f"{what}: {recordings} of {people}, {frames}"


def _rater(row: Mapping[str, Any]) -> tuple[str, ...]:
    name = row["rater"]
    if row["model"]:
        name += " (model)"
    segments = "does not say when" if row["n_segments"] is None else str(row["n_segments"])
    seconds = _number(row["seconds_marked"], 1)
    return (name, str(row["recordings"]), segments, seconds, _number(row["share_marked"], 3))


def _pair_columns(found: Mapping[str, Any]) -> tuple[str, ...]:
    onset, offset = found["tolerance_s"], found["offset_tolerance_s"]
    return (
        "pair",
        "kappa",
        "alpha",
        "same frames",
        f"event F1 (onset ± {onset:g} s, offset ± {offset:g} s)",
        "matched",
        "onset / offset off by",
        "utterances, kappa",
        "answers",
    )


def _show_differences(console: Any, listed: Sequence[Mapping[str, Any]], n_shown: int) -> None:
    """The longest stretches that differ by more than the tolerance at a border."""
    worst = [one for one in listed if not one["within_tolerance"]]
    worst.sort(key=lambda one: one["start_s"] - one["end_s"])
    n_border = len(listed) - len(worst)
    title = f"{len(listed)} stretches differ, {n_border} of them within the tolerance at a border"
    if len(worst) > n_shown:
        title += f"; the longest {n_shown}"
    rows = [_difference(one) for one in worst[:n_shown]]
    _show(console, title, _DIFFERENCES if rows else (), rows)


def _difference(one: Mapping[str, Any]) -> tuple[str, ...]:
    seconds = f"{one['start_s']:.2f} – {one['end_s']:.2f}"
    return (one["recording"], seconds, ", ".join(one["marked"]), ", ".join(one["not_marked"]))


def _many(n: int, one: str, more: str) -> str:
    return f"{n} {one if n == 1 else more}"


def _number(value: Any, digits: int) -> str:
    if value is None or not math.isfinite(value):
        return "not defined"
    return f"{value:.{digits}f}"


def _with_interval(row: Mapping[str, Any], name: str) -> str:
    text = _number(row.get(name), 3)
    interval = row.get(f"{name}_interval")
    if not interval:
        return text
    low, high = interval
    return f"{text} [{low:.2f}, {high:.2f}]"


def _pair(row: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"{row['a']} – {row['b']}"
    answers = f"{row['answers_same']} of {row['n_answers']} same"
    if math.isfinite(row["answers_kappa"]):
        answers += f", kappa {row['answers_kappa']:.3f}"
    if "kappa" not in row:
        return (name, NOT_MEASURED, "", "", NOT_MEASURED, row["reason"], "", "", answers)
    errors = "–"
    if row["n_matched"]:
        onset, offset = _number(row["onset_error_s"], 2), _number(row["offset_error_s"], 2)
        errors = f"{onset} / {offset} s"
    utterances = "no transcript"
    if row["n_utterances"]:
        utterances = f"{row['n_utterances']}, {_number(row['utterances_kappa'], 3)}"
    matched = f"{row['n_matched']} of {row['n_events_a']} and {row['n_events_b']}"
    kappa, alpha = _with_interval(row, "kappa"), _number(row["alpha"], 3)
    same, events = _number(row["raw_agreement"], 3), _with_interval(row, "event_f1")
    return (name, kappa, alpha, same, events, matched, errors, utterances, answers)


def _together(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    raters = ", ".join(row["raters"])
    answers = _number(row["answers_alpha"], 3)
    if "alpha" not in row:
        return (name, raters, f"{NOT_MEASURED}: {row['reason']}", "", answers, "")
    forms = {form["form"]: form for form in row["icc_seconds_marked"] or ()}
    two = forms.get("ICC(2,1)")
    amount = NOT_MEASURED
    if two:
        amount = f"{_number(two['value'], 3)} [{two['low']:.2f}, {two['high']:.2f}]"
    fleiss = f"{NOT_MEASURED}: none rated by all"
    if row["fleiss_recordings"]:
        fleiss = _number(row["fleiss_kappa"], 3)
    return (name, raters, _with_interval(row, "alpha"), fleiss, answers, amount)
