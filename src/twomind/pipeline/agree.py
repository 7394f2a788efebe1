"""Coders beside each other, and beside a model: files in, agreement as plain values out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twomind.evaluation.agreement_report import compare
from twomind.evaluation.agreement_time import Spans
from twomind.evaluation.raters import Said, collect, with_model
from twomind.pipeline.annotate import model_ratings
from twomind.pipeline.coding import Sources, read_coded, with_duration
from twomind.reporting.tables import write_rows

_COLUMNS = (
    "recording",
    "start_s",
    "end_s",
    "marked",
    "not_marked",
    "at_border",
    "within_tolerance",
)


@dataclass(frozen=True)
class Comparison:
    """What is compared, and how.

    ``tier`` is a kind of tier (ah, cue:facial …), ``label`` keeps marks of one label. Events are
    matched within ``tolerance_s`` of the onset and ``offset_tolerance_s`` of the offset (None: as
    of the onset); frames lie ``hop_s`` apart. ``model`` is one more rater: a results folder, or a
    CSV of time_s, score whose stretches above ``threshold`` are its segments.
    """

    tier: str = "ah"
    label: str | None = None
    tolerance_s: float = 0.5
    offset_tolerance_s: float | None = None
    hop_s: float = 0.04
    model: Path | None = None
    threshold: float = 0.5
    n_bootstrap: int = 2000
    seed: int = 0


def agreement(files: Sequence[Path], sources: Sources, how: Comparison) -> dict[str, Any]:
    """How far coders agree, and coders with a model.

    Args:
        files: annotation files, or one folder of ELAN files per coder.
        sources: how they are read.
        how: what is compared.

    Returns:
        What :func:`twomind.evaluation.agreement_report.compare` found, with ``tier``, ``label`` and
        ``remarks``.

    Raises:
        BadInput: a file cannot be read, or there is nothing to compare.
    """
    loaded = read_coded(files, sources)
    said = [Said(with_duration(one.annotations, one.file), one.file, one.coder) for one in loaded]
    spans: dict[str, Spans] = {}
    answers: dict[str, bool] = {}
    reasons: list[str] = []
    if how.model is not None:
        spans, answers, reasons = model_ratings(how.model, how.threshold)
    rated, remarks = collect(said, how.tier, how.label, least=2 if how.model is None else 1)
    if how.model is not None:
        of_answers = how.tier == "ah" and how.label is None
        rated = with_model(rated, "model", spans, answers if of_answers else {})
    found = compare(
        rated,
        tolerance_s=how.tolerance_s,
        offset_tolerance_s=how.offset_tolerance_s,
        hop_s=how.hop_s,
        n_bootstrap=how.n_bootstrap,
        seed=how.seed,
    )
    remarks += reasons
    for one in loaded:
        remarks += [f"{one.file.name}: {problem}" for problem in one.annotations.problems]
    return found | {"tier": how.tier, "label": how.label, "remarks": remarks}


def write_disagreements(found: Mapping[str, Any], path: Path) -> None:
    """Every stretch on which raters differ, as a CSV."""
    rows = []
    for one in found["disagreements"]:
        values = [one[column] for column in _COLUMNS]
        rows.append(["; ".join(v) if isinstance(v, tuple) else v for v in values])
    write_rows(path, _COLUMNS, rows)
