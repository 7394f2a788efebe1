"""One leaderboard page from runs: tables with intervals and shortcuts, figures, and what the
numbers do not say.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from twomind import __version__
from twomind.core.store import write_text
from twomind.evaluation import breakdown, classes, people
from twomind.evaluation.board import Board, against_each_other, boards
from twomind.evaluation.merging import load_merged
from twomind.evaluation.refusals import Refusal, find_refusals, with_refusals
from twomind.reporting.leaderboard_figures import (
    calibration_blocks,
    line_colours,
    question_blocks,
    strip_blocks,
    timeline_blocks,
)
from twomind.reporting.leaderboard_tables import (
    about,
    findings,
    group_blocks,
    made_table,
    main_table,
    metric_table,
    moment_blocks,
    pair_table,
    population,
    shortcut_table,
)
from twomind.reporting.page import Block, Bullets, Text, write_page
from twomind.types import Progress, Run

DRAWN = (
    "These people are drawn by the project, not filmed. Numbers about them show that the machinery "
    "is consistent; they "
    "say nothing about how well anything works on people."
)
NOT_FOR = (
    "diagnosis, or decisions about a person without a human who looks for themselves",
    "hiring, supervision at work or marking in education",
    "ranking methods by gaps smaller than their intervals",
    "choosing a method, its settings or its threshold and reporting this same page as the result: "
    "choose elsewhere",
)


def _board_blocks(board: Board, tag: str, min_people: int, results: dict[str, Any]) -> list[Block]:
    colours = line_colours(board)
    blocks: list[Block] = [Text(f"{board.dataset} · {board.protocol}", "h2")]
    if board.drawn:
        blocks.append(Text(DRAWN, "banner"))
    blocks += [
        Text(about(board)),
        Text(population(board, min_people)),
        Bullets(tuple(findings(board))),
        main_table(board),
    ]
    blocks += [Text("All metrics", "h3"), metric_table(board)]
    against = shortcut_table(board)
    if against:
        blocks += [Text("Above the shortcuts", "h3"), against]
    blocks += strip_blocks(board, tag, colours)
    each_other = pair_table(board)
    if each_other:
        blocks += [Text("Against each other", "h3"), each_other]
    blocks += calibration_blocks(board, tag, colours)
    blocks += question_blocks(board, tag, colours)
    blocks += moment_blocks(board, results["moments"])
    blocks += timeline_blocks(board, tag, colours)
    results["groups"] = breakdown.subgroups(board, min_people)
    results["questions"] = breakdown.per_question(board)
    blocks += group_blocks(board, results["groups"], min_people)
    blocks += [Text("How it was made", "h3"), made_table(board)]
    if board.notes:
        blocks += [Text("Remarks", "h3"), Bullets(board.notes)]
    return blocks


HOW_TO_READ = (
    "The unit is the person. Intervals resample whole people with replacement (95 % percentile), "
    "because answers of "
    "one person are alike; the spread between people is larger than most gaps between published "
    "methods.",
    "macro-F1 (AVGF1): mean F1 of all classes, all answers pooled, most probable class said, a tie "
    "goes to the "
    "earlier class. WAR: share of right answers. UAR: mean recall of the classes.",
    "Per person, macro-F1 is over the classes this person shows or is told: who shows one class "
    "only can reach 1.",
    "Worst decile: mean of the worst tenth of the people, at least one. Harmed: worse than without "
    "adaptation by more "
    f"than {people.HARM:g}; interval by Wilson. d_z: mean gain in standard deviations of the gain "
    "between people.",
    "AUC within question compares answers to the same question only, and only scores of one model: "
    "the question "
    "itself cannot help. Question only has .500 there by construction.",
    f"Remarks flag a line within {classes.NEAR_CURVE:g} of the curve macro-F1 = WAR / (1 + WAR) "
    "(two classes) that "
    "every constant predictor lies on, pooled or as a mean over people.",
    "Where nothing was measured, figures use a shortcut's probability, never an invented one; "
    "remarks say how often.",
    "Memory is the high-water mark of the process that ran the method, model and data included.",
)


def write_report(
    runs: Sequence[Run],
    out: Path,
    *,
    metric: str = "macro_f1",
    title: str = "Leaderboard",
    n_bootstrap: int = 2000,
    min_people: int = breakdown.MIN_PEOPLE,
    seed: int = 0,
    level: str | None = None,
    progress: Progress | None = None,
    refusals: Sequence[Refusal] = (),
) -> dict[str, Any]:
    """Write ``leaderboard.html``, ``.md``, ``.json`` and figures into ``out``; return what is in
    the JSON, and paths.

    ``metric`` is what is compared person by person: macro_f1, war or uar. ``level`` is what is
    judged: recording, window or frame (default: the task's own). ``refusals`` become rows with
    their reason.

    Raises:
        BadInput: the runs cannot stand on one page (:func:`twomind.evaluation.board.boards`).
    """
    made = boards(runs, metric, n_bootstrap, seed, progress, level)
    found = [with_refusals(board, refusals) for board in made]
    drawn = any(b.drawn for b in found)
    blocks: list[Block] = [Text(title, "h1")]
    task = runs[0].task
    blocks.append(
        Text(f"Task {task.name}: {' / '.join(task.classes)}, judged per {found[0].level}.", "p")
    )
    if drawn and not all(b.drawn for b in found):
        blocks.append(
            Text("Part of this page is about drawn people; it is marked where it stands.", "sub")
        )
    tables = []
    for n, board in enumerate(found, 1):
        parts: dict[str, Any] = {"moments": {}}
        blocks += _board_blocks(board, f"board{n}", min_people, parts)
        tables.append({**_plain_board(board), **parts})
    blocks += [Text("How to read this page", "h2"), Bullets(HOW_TO_READ)]
    blocks += [Text("Not for", "h2"), Bullets(NOT_FOR)]
    blocks.append(
        Text(
            f"Made by twomind {__version__} from {len(runs)} runs with {n_bootstrap} resamples, "
            f"seed {seed}.",
            "sub",
        )
    )
    html, markdown = write_page(blocks, Path(out), "leaderboard", title)
    plain = {"schema": "twomind.leaderboard/1", "metric": metric, "boards": tables}
    data = write_text(
        Path(out) / "leaderboard.json",
        json.dumps(json_values(plain), indent=1, ensure_ascii=False) + "\n",
    )
    return {**json_values(plain), "html": str(html), "markdown": str(markdown), "json": str(data)}


def _plain_board(board: Board) -> dict[str, Any]:
    plain = _plain_lines(board)
    if board.refused:
        plain["refused"] = [asdict(one) for one in board.refused]
    return plain


def _plain_lines(board: Board) -> dict[str, Any]:
    return {
        "dataset": board.dataset,
        "protocol": board.protocol,
        "task": board.task.name,
        "classes": list(board.task.classes),
        "level": board.level,
        "drawn": board.drawn,
        "what_it_means": DRAWN if board.drawn else "",
        "n_people": len(board.subjects),
        "n_rows": board.n_rows,
        "findings": findings(board),
        "notes": list(board.notes),
        "against_each_other": [
            {**e, "paired": e["paired"].plain()} for e in against_each_other(board)
        ],
        "lines": [
            {
                "name": x.name,
                "kind": x.kind,
                "saw": x.saw,
                "figures": {m: {"value": x.figures[m], "ci": x.intervals[m]} for m in x.figures},
                "per_person": {
                    "mean": x.person_mean,
                    "ci": x.person_ci,
                    "sd": x.person_sd,
                    "worst_decile": x.worst,
                },
                "people": {
                    s: {
                        "value": v,
                        "no_adaptation": x.unadapted[s],
                        "harmed": people.harmed(v, x.unadapted[s]),
                    }
                    if s in x.unadapted
                    else {"value": v}
                    for s, v in x.per_person.items()
                },
                "against_no_adaptation": {**x.paired.plain(), "p_holm": x.p_holm}
                if x.paired
                else None,
                "above_shortcuts": x.above,
                "constant": x.constant,
                "people_told_one_class": x.n_one_class,
                "coverage": x.coverage,
                "seconds": x.seconds,
                "peak_mb": x.peak_mb,
                "aurc": float(np.mean([_aurc(s) for s in x.samples])),
            }
            for x in board.lines
        ],
    }


def _aurc(sample: Any) -> float:
    rows = np.repeat(np.arange(len(sample.y)), sample.n.astype(int))
    return classes.aurc(sample.y[rows], sample.probs[rows])


def json_values(value: Any) -> Any:
    """Plain values; what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(k): json_values(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def report(paths: Sequence[Path], out: Path, **options: Any) -> dict[str, Any]:
    """:func:`write_report` for runs on disk: folders of runs, or folders with runs below them.

    A run that lies in two folders counts once; methods that refused, by the ledgers in these
    folders, are rows.

    Raises:
        BadInput: as there; a path holds no run; two folders hold different runs of one thing.
    """
    runs = load_merged(paths)
    return write_report(runs, out, refusals=find_refusals(paths), **options)


__all__ = ["DRAWN", "json_values", "report", "write_report"]
