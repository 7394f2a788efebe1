"""One leaderboard page from runs: tables with intervals and shortcuts, figures, and what the
numbers do not say.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.store import write_text
from twomind.core.version import __version__
from twomind.evaluation import breakdown, classes, people
from twomind.evaluation.board import Board, Line, against_each_other, boards
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
    place_blocks,
    population,
    ran_where,
    shortcut_table,
)
from twomind.reporting.leaderboard_top import (
    Origin,
    action_blocks,
    changed_options,
    few_people,
    forest_blocks,
    short_table,
    verdict,
)
from twomind.reporting.page import Block, Bullets, Fold, Text, write_page
from twomind.reporting.result import Plain
from twomind.types import Progress, Run

DRAWN = (
    "These people are synthetic: made by the project, not filmed. Numbers about them show that the "
    "machinery is consistent; they say nothing about how well anything works on people."
)
NOT_FOR = (
    "diagnosis, or decisions about a person without a human who looks for themselves",
    "hiring, supervision at work or marking in education",
    "ranking methods by gaps smaller than their intervals",
    "choosing a method, its settings or its threshold and reporting this same page as the result: "
    "choose elsewhere",
)


@dataclass(frozen=True)
class PageSettings:
    """What stands on a leaderboard page, and how its intervals are made.

    ``metric`` is what is compared person by person: macro_f1, war or uar. ``level`` is what is
    judged: recording, window or frame (None: the task's own). Groups of fewer than ``min_people``
    are suppressed. ``origin`` says how the page was asked for.
    """

    metric: str = "macro_f1"
    title: str = "Leaderboard"
    n_bootstrap: int = 2000
    min_people: int = breakdown.MIN_PEOPLE
    seed: int = 0
    level: str | None = None
    origin: Origin = field(default_factory=Origin)


#: Settings of a page → the options of the verbs that write one.
PAGE_OPTIONS = {
    "metric": "--metric",
    "n_bootstrap": "--bootstrap",
    "min_people": "--min-people",
    "seed": "--seed",
    "level": "--level",
}


def _board_blocks(board: Board, tag: str, s: PageSettings, results: Plain) -> list[Block]:
    """All of one board; what its tables are made of goes into ``results``."""
    colours = line_colours(board)
    min_people = s.min_people
    blocks: list[Block] = [Text(f"{board.dataset} · {board.protocol}", "h2")]
    if board.drawn:
        blocks.append(Text(DRAWN, "banner"))
    blocks.append(Text(verdict(board), "verdict"))
    blocks += few_people(board)
    blocks += forest_blocks(board, tag)
    blocks.append(short_table(board))
    blocks += action_blocks(board, tag, s.origin)
    blocks.append(Text(about(board)))
    blocks.append(Text(population(board, min_people)))
    blocks.append(Bullets(tuple(findings(board))))
    every: list[Block] = [main_table(board), metric_table(board)]
    against = shortcut_table(board)
    if against:
        every += [Text("Above the shortcuts", "h3"), against]
    blocks.append(Fold("All metrics", tuple(every)))
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
    results["places"] = ran_where(board)
    blocks += place_blocks(results["places"])
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
    settings: PageSettings | None = None,
    *,
    progress: Progress | None = None,
    refusals: Sequence[Refusal] = (),
) -> Plain:
    """Write ``leaderboard.html``, ``.md``, ``.json`` and figures.

    Args:
        runs: what the page is about.
        out: folder of the files.
        settings: what stands on the page.
        progress: is told how far it is.
        refusals: become rows with their reason.

    Returns:
        What is in the JSON, and the paths ``html``, ``markdown`` and ``json``.

    Raises:
        BadInput: the runs cannot stand on one page (:func:`twomind.evaluation.board.boards`).
    """
    s = settings or PageSettings()
    blocks, plain = _contents(runs, s, progress, refusals)
    folder = Path(out)
    html, markdown = write_page(blocks, folder, "leaderboard", s.title)
    text = json.dumps(plain, indent=1, ensure_ascii=False)
    data = write_text(folder / "leaderboard.json", text + "\n")
    return {**plain, "html": str(html), "markdown": str(markdown), "json": str(data)}


def found_on_boards(runs: Sequence[Run], settings: PageSettings | None = None) -> Plain:
    """What would be in the JSON of a page, without writing one.

    Args:
        runs: what the page would be about.
        settings: what stands on it.

    Raises:
        BadInput: as :func:`write_report`.
    """
    page = settings or PageSettings()
    _, plain = _contents(runs, page, None, ())
    return plain


def _contents(
    runs: Sequence[Run],
    s: PageSettings,
    progress: Progress | None,
    refusals: Sequence[Refusal],
) -> tuple[list[Block], Plain]:
    """What stands on a page, and what is in its JSON."""
    made = boards(runs, s.metric, s.n_bootstrap, s.seed, progress, s.level)
    found = [with_refusals(board, refusals) for board in made]
    task = runs[0].task
    blocks: list[Block] = [Text(s.title, "h1")]
    classes_said = " / ".join(task.classes)
    blocks.append(Text(f"Task {task.name}: {classes_said}, judged per {found[0].level}."))
    drawn = [b.drawn for b in found]
    if any(drawn) and not all(drawn):
        note = "Part of this page is about synthetic people; it is marked where it stands."
        blocks.append(Text(note, "sub"))
    tables = []
    for n, board in enumerate(found, 1):
        parts: Plain = {"moments": {}}
        blocks += _board_blocks(board, f"board{n}", s, parts)
        tables.append({**_plain_board(board), **parts})
    blocks += [Text("How to read this page", "h2"), Bullets(HOW_TO_READ)]
    blocks += [Text("Not for", "h2"), Bullets(NOT_FOR)]
    origin = (
        f"Made by twomind {__version__} from {len(runs)} runs with {s.n_bootstrap} resamples, "
        f"seed {s.seed}."
    )
    blocks.append(Text(origin, "sub"))
    plain: Plain = {"schema": "twomind.leaderboard/1"}
    plain["metric"] = s.metric
    plain["boards"] = tables
    return blocks, json_values(plain)


def _plain_board(board: Board) -> Plain:
    pairs = [{**pair, "paired": pair["paired"].plain()} for pair in against_each_other(board)]
    plain: Plain = {"dataset": board.dataset, "protocol": board.protocol}
    plain["task"] = board.task.name
    plain["classes"] = list(board.task.classes)
    plain["level"] = board.level
    plain["drawn"] = board.drawn
    plain["what_it_means"] = DRAWN if board.drawn else ""
    plain["n_people"] = len(board.subjects)
    plain["n_rows"] = board.n_rows
    plain["findings"] = findings(board)
    plain["notes"] = list(board.notes)
    plain["against_each_other"] = pairs
    plain["lines"] = [_plain_line(line) for line in board.lines]
    if board.refused:
        plain["refused"] = [asdict(one) for one in board.refused]
    return plain


def _plain_line(line: Line) -> Plain:
    figures = {}
    for metric, value in line.figures.items():
        figures[metric] = {"value": value, "ci": line.intervals[metric]}
    per_person = {
        "mean": line.person_mean,
        "ci": line.person_ci,
        "sd": line.person_sd,
        "worst_decile": line.worst,
    }
    against_none = None
    if line.paired:
        against_none = {**line.paired.plain(), "p_holm": line.p_holm}
    aurcs = [_aurc(sample) for sample in line.samples]
    plain: Plain = {"name": line.name, "kind": line.kind, "saw": line.saw}
    plain["figures"] = figures
    plain["per_person"] = per_person
    plain["people"] = {s: _plain_person(line, s) for s in line.per_person}
    plain["against_no_adaptation"] = against_none
    plain["above_shortcuts"] = line.above
    plain["constant"] = line.constant
    plain["people_told_one_class"] = line.n_one_class
    plain["coverage"] = line.coverage
    plain["seconds"] = line.seconds
    plain["peak_mb"] = line.peak_mb
    plain["aurc"] = float(np.mean(aurcs))
    return plain


def _plain_person(line: Line, subject: str) -> Plain:
    value = line.per_person[subject]
    found: Plain = {"value": value}
    if subject in line.unadapted:
        before = line.unadapted[subject]
        found["no_adaptation"] = before
        found["harmed"] = people.harmed(value, before)
    return found


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
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def report(
    paths: Sequence[Path], out: Path, *, progress: Progress | None = None, **settings: Any
) -> Plain:
    """:func:`write_report` for runs on disk.

    A run that lies in two folders counts once; methods that refused, by the ledgers in these
    folders, are rows.

    Args:
        paths: folders of runs, folders with runs below them, or bundles of laboratories.
        out: folder of the files.
        progress: is told how far it is.
        settings: fields of :class:`PageSettings`.

    Raises:
        BadInput: as there; a path holds no run; two folders hold different runs of one thing.
    """
    runs = load_merged(paths)
    refusals = find_refusals(paths)
    page = PageSettings(**settings)
    if page.origin == Origin():
        page = replace(page, origin=_origin(paths, out, page))
    return write_report(runs, out, page, progress=progress, refusals=refusals)


def _origin(paths: Sequence[Path], out: Path, page: PageSettings) -> Origin:
    """The command that makes a page of these runs again."""
    options = changed_options(page, PageSettings(), PAGE_OPTIONS)
    folders = [shlex.quote(str(path)) for path in paths]
    parts = ["twomind score report", *folders, *options, "--out", shlex.quote(str(out))]
    return Origin(" ".join(parts), tuple(options))


__all__ = [
    "DRAWN",
    "PageSettings",
    "found_on_boards",
    "json_values",
    "report",
    "write_report",
]
