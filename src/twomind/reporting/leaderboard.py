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
from twomind.reporting.messages import ENGLISH, Language, Texts
from twomind.reporting.page import Block, Bullets, Fold, Text, write_page
from twomind.reporting.result import Plain
from twomind.types import Progress, Run

#: What numbers about synthetic people mean.
DRAWN = ENGLISH("board.drawn")


@dataclass(frozen=True)
class PageSettings:
    """What stands on a leaderboard page, and how its intervals are made.

    ``metric`` is what is compared person by person: macro_f1, war or uar. ``level`` is what is
    judged: recording, window or frame (None: the task's own). Groups of fewer than ``min_people``
    are suppressed. ``origin`` says how the page was asked for; ``language`` is of the page and its
    Markdown, JSON and CSV stay English.
    """

    metric: str = "macro_f1"
    title: str = ""  # Leaderboard, in the page's language
    n_bootstrap: int = 2000
    min_people: int = breakdown.MIN_PEOPLE
    seed: int = 0
    level: str | None = None
    origin: Origin = field(default_factory=Origin)
    language: Language = "en"


#: Settings of a page → the options of the verbs that write one.
PAGE_OPTIONS = {
    "metric": "--metric",
    "n_bootstrap": "--bootstrap",
    "min_people": "--min-people",
    "seed": "--seed",
    "level": "--level",
    "language": "--language",
}


def _board_blocks(board: Board, tag: str, s: PageSettings, results: Plain) -> list[Block]:
    """All of one board; what its tables are made of goes into ``results``."""
    t = Texts(s.language)
    colours = line_colours(board)
    min_people = s.min_people
    blocks: list[Block] = []
    if board.drawn:
        blocks.append(Text(t("board.drawn"), "banner"))
    blocks.append(Text(verdict(board, t), "verdict"))
    blocks += few_people(board, t)
    blocks += forest_blocks(board, tag, t)
    blocks.append(short_table(board, t))
    blocks += action_blocks(board, tag, s.origin, t)
    blocks.append(Text(about(board, t)))
    blocks.append(Text(population(board, min_people, t)))
    blocks.append(Bullets(tuple(findings(board, t))))
    blocks.append(_all_metrics(board, t))
    blocks += strip_blocks(board, tag, colours, t)
    each_other = pair_table(board, t)
    if each_other:
        blocks += [Text(t("board.against_each_other"), "h3"), each_other]
    blocks += calibration_blocks(board, tag, colours, t)
    blocks += question_blocks(board, tag, colours, t)
    blocks += moment_blocks(board, results["moments"], t)
    blocks += timeline_blocks(board, tag, colours, t)
    results["groups"] = breakdown.subgroups(board, min_people)
    results["questions"] = breakdown.per_question(board)
    blocks += group_blocks(board, results["groups"], min_people, t)
    blocks += [Text(t("board.made"), "h3"), made_table(board, t)]
    results["places"] = ran_where(board)
    blocks += place_blocks(results["places"], t)
    if board.notes:
        notes = Bullets(tuple(map(t.said, board.notes)))
        blocks += [Text(t("board.remarks"), "h3"), notes]
    return blocks


def _all_metrics(board: Board, t: Texts) -> Fold:
    """Every column, behind a heading that opens them."""
    every: list[Block] = [main_table(board, t), metric_table(board, t)]
    against = shortcut_table(board, t)
    if against:
        every += [Text(t("board.above_shortcuts"), "h3"), against]
    return Fold(t("board.all_metrics"), tuple(every))


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
    t = Texts(s.language)
    html, markdown = write_page(blocks, folder, "leaderboard", _title(s, t), t)
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
    t = Texts(s.language)
    blocks: list[Block] = [Text(_title(s, t), "h1")]
    one_task = len({(board.task, board.level) for board in found}) == 1
    if one_task:
        blocks.append(_task_of(found[0], t))
    drawn = [b.drawn for b in found]
    if any(drawn) and not all(drawn):
        blocks.append(Text(t("board.part_drawn"), "sub"))
    tables = []
    for n, board in enumerate(found, 1):
        parts: Plain = {"moments": {}}
        blocks.append(Text(f"{board.dataset} · {board.protocol}", "h2"))
        if not one_task:
            blocks.append(_task_of(board, t))
        blocks += _board_blocks(board, f"board{n}", s, parts)
        tables.append({**_plain_board(board), **parts})
    blocks += [Text(t("board.how_to_read"), "h2"), Bullets(_how_to_read(t))]
    not_for = tuple(t.section("board_not_for").values())
    blocks += [Text(t("board.not_for"), "h2"), Bullets(not_for)]
    how = {"version": __version__, "resamples": s.n_bootstrap, "seed": s.seed}
    blocks.append(Text(t("board.made_by", n=len(runs), **how), "sub"))
    plain: Plain = {"schema": "twomind.leaderboard/1"}
    plain["metric"] = s.metric
    plain["boards"] = tables
    return blocks, json_values(plain)


def _task_of(board: Board, t: Texts) -> Text:
    """What was asked, and what is judged."""
    classes_said = " / ".join(board.task.classes)
    level = t.name("level", board.level)
    return Text(t("board.task", name=board.task.name, classes=classes_said, level=level))


def _title(s: PageSettings, t: Texts) -> str:
    return s.title or t("board.title")


def _how_to_read(t: Texts) -> tuple[str, ...]:
    limits = {"harm": f"{people.HARM:g}", "near": f"{classes.NEAR_CURVE:g}"}
    return tuple(text.format(**limits) for text in t.section("board_reading").values())


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
    every = np.arange(len(sample.y))
    rows = np.repeat(every, sample.n.astype(int))
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
