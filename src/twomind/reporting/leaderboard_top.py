"""What stands first on a leaderboard: a one-line verdict, a forest plot of the gains, a table of
six columns, and what a paper takes from the page.
"""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twomind.core import csv_text
from twomind.core.version import __version__
from twomind.evaluation import people
from twomind.evaluation.board import Board, Line
from twomind.reporting import figures
from twomind.reporting.leaderboard_tables import (
    DASH,
    MIN_TO_JUDGE,
    in_order,
    line_name,
    metric_name,
    ordered,
    p_value,
    refused_rows,
    share_harmed,
    signed,
    with_gain,
    with_interval,
)
from twomind.reporting.messages import ENGLISH, Texts
from twomind.reporting.page import Block, Code, Figure, Fold, Link, Links, Table, Text

#: A method is called better from this p on, adjusted for the number of methods.
_ALPHA = 0.05


@dataclass(frozen=True)
class Origin:
    """How a page was asked for: the exact ``command``, the settings that were ``changed``, and the
    address of the ``harm`` page beside it; empty where it is not known or not there.
    """

    command: str = ""
    changed: tuple[str, ...] = ()
    harm: str = ""


def changed_options(now: object, usual: object, options: Mapping[str, str]) -> list[str]:
    """The options, as a command line has them, of what is not at its default.

    Args:
        now: a dataclass of settings.
        usual: the same with its defaults.
        options: field → option.
    """
    found = []
    for name, option in options.items():
        value = getattr(now, name)
        if value == getattr(usual, name):
            continue
        if value is True:
            found.append(option)
        else:
            quoted = shlex.quote(str(value))
            found.append(f"{option} {quoted}")
    return found


def verdict(board: Board, t: Texts = ENGLISH) -> str:
    """One sentence: is any gain real? Never more certain than intervals and people allow."""
    methods = [line for line in board.lines if line.paired is not None]
    n = len(board.subjects)
    if not methods:
        return _verdict_on_skill(board, t)
    what = t("board.per_person", metric=metric_name(board.metric, t))
    if n < MIN_TO_JUDGE:
        return t("board.gain_unknown", n=n, least=MIN_TO_JUDGE)
    better = [line.name for line in methods if _is_better(line)]
    said = t("board.gain_none", n=n, methods=len(methods), what=what)
    if better:
        said = t("board.gain_some", n=n, what=what, names=", ".join(better))
    worst = max(methods, key=lambda line: _harm(line))
    return t("board.gain_harm", said=said, share=t.percent(_harm(worst)), name=worst.name)


def _verdict_on_skill(board: Board, t: Texts) -> str:
    """Where nothing was adapted: is anything above the shortcuts?"""
    n = len(board.subjects)
    if n < MIN_TO_JUDGE:
        return t("board.skill_unknown", n=n, least=MIN_TO_JUDGE)
    above = [line.name for line in board.lines if _is_above_all(line)]
    if not above:
        return t("board.skill_none", n=n)
    return t("board.skill_some", n=n, names=", ".join(above))


def _is_above_all(line: Line) -> bool:
    """Is its macro-F1 above every shortcut, interval and all?"""
    above = line.above or {}
    lows = [found["macro_f1"][1] for found in above.values()]
    return bool(lows) and min(lows) > 0


def _is_better(line: Line) -> bool:
    assert line.paired is not None
    low, _ = line.paired.ci
    return bool(low > 0 and line.p_holm < _ALPHA)


def _harm(line: Line) -> float:
    assert line.paired is not None
    return line.paired.share_harmed


def forest_blocks(board: Board, tag: str, t: Texts = ENGLISH) -> list[Block]:
    """The forest plot of all methods; nothing where none was compared with no adaptation.

    Args:
        board: of the page.
        tag: begins the name of the figure.
        t: texts of the page's language.
    """
    compared = [line for line in in_order(board) if line.paired]
    rows = [_forest_row(line, t) for line in compared]
    if not rows:
        return []
    axis = t("board.forest_axis", metric=metric_name(board.metric, t))
    svg = figures.forest(rows, axis, people.HARM, t)
    caption = t("board.forest", harm=f"{people.HARM:g}")
    return [Figure(f"{tag}-forest", svg, caption)]


def _forest_row(line: Line, t: Texts) -> figures.Gain:
    paired = line.paired
    assert paired is not None
    changes = {}
    for subject, before in line.unadapted.items():
        changes[subject] = line.per_person[subject] - before
    low, high = paired.ci
    interval = f"[{signed(low, 2)}, {signed(high, 2)}]"
    told = f"{signed(paired.mean, 2)} {interval}"
    harmed = t("board.n_harmed", n=paired.n_harmed, all=paired.n_people)
    return figures.Gain(line.name, changes, paired.mean, paired.ci, (told, harmed))


def short_table(board: Board, t: Texts = ENGLISH) -> Table:
    """Six columns: what a reader asks first. The rest is behind "All metrics"."""
    adapted = any(line.paired for line in board.lines)
    saw = t("board.saw")
    per_person = t("board.per_person", metric=metric_name(board.metric, t))
    middle = [per_person, metric_name("auc", t), metric_name("within_question_auc", t)]
    if adapted:
        middle = [t("board.gain"), t("board.p_holm"), t("board.harmed")]
    head = ("", metric_name("macro_f1", t), *middle, saw)
    rows: list[tuple[str, ...]] = []
    for part, lines in ordered(board, t):
        rows.append((part,))
        rows += [_short_row(line, adapted, t) for line in lines]
    rows += refused_rows(board, len(head), t)
    note = t("board.brackets")
    if adapted:
        note += f" {t('board.gain_how')}"
    return Table(head, tuple(rows), note, (saw,))


def _short_row(line: Line, adapted: bool, t: Texts) -> tuple[str, ...]:
    name = line_name(line, t)
    saw = t.said(line.saw)
    f1 = with_interval(line.figures["macro_f1"], line.intervals["macro_f1"])
    if not adapted:
        cells = [f1, with_interval(line.person_mean, line.person_ci)]
        for metric in ("auc", "within_question_auc"):
            cells.append(with_interval(line.figures[metric], line.intervals[metric]))
        return (name, *cells, saw)
    paired = line.paired
    if paired is None:
        return (name, f1, DASH, DASH, DASH, saw)
    harmed = share_harmed(paired, t)
    gain = with_gain(paired.mean, paired.ci)
    p = p_value(line.p_holm)
    return (name, f1, gain, p, harmed, saw)


# --- what a paper takes from the page


def latex(table: Table) -> str:
    """The table for LaTeX, with booktabs."""
    columns = "l" + "r" * (len(table.head) - 1)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines.append(_latex_row(table.head))
    lines.append(r"\midrule")
    for row in table.rows:
        if len(row) == 1:
            n_columns = len(table.head)
            heading = rf"\textit{{{_tex(row[0])}}}"
            lines.append(rf"\multicolumn{{{n_columns}}}{{l}}{{{heading}}} \\")
        else:
            lines.append(_latex_row(row))
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(_tex(cell) for cell in cells) + r" \\"


#: What LaTeX would not print as it stands.
_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "±": r"$\pm$",
    "≈": r"$\approx$",
}


def _tex(text: str) -> str:
    value, _, small = text.partition("\n")
    plain = f"{value} {small.removeprefix('!')}" if small else value
    return "".join(_TEX.get(letter, letter) for letter in plain)


def per_person_csv(board: Board) -> str:
    """A row per line and person: value, without adaptation, gain, harmed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("line", "kind", "person", board.metric, "no_adaptation", "gain", "harmed"))
    for line in board.lines:
        for subject, value in line.per_person.items():
            against = _against(line, subject)
            row = (line.name, line.kind, subject, value, *against)
            texts = map(str, row)
            writer.writerow(map(csv_text.cell, texts))
    return text.getvalue()


def _against(line: Line, subject: str) -> tuple[object, object, object]:
    """Without adaptation, gain, and harmed, where a method was used."""
    before = line.unadapted.get(subject)
    if before is None:
        return "", "", ""
    value = line.per_person[subject]
    return before, value - before, people.harmed(value, before)


BIBTEX = f"""@software{{twomind,
  author = {{{{The twomind authors}}}},
  title = {{twomind: recognises ambivalence and hesitancy in videos of people speaking}},
  version = {{{__version__}}},
  url = {{https://github.com/twomind/twomind}},
  license = {{Apache-2.0}}
}}
"""


def action_blocks(board: Board, tag: str, how: Origin, t: Texts = ENGLISH) -> list[Block]:
    """Buttons: LaTeX, a CSV per person, BibTeX; the command, and settings that were changed.

    Args:
        board: of the page.
        tag: begins the names of the files.
        how: the page was asked for.
        t: texts of the page's language.
    """
    table = latex(short_table(board, t))
    people_csv = per_person_csv(board)
    links = [Link(t("board.latex"), f"{tag}.tex", table, "text/x-tex")]
    links.append(Link(t("board.csv"), f"{tag}-people.csv", people_csv, "text/csv"))
    links.append(Link("BibTeX", "twomind.bib", BIBTEX, "text/plain"))
    if how.harm:
        links.append(Link(t("board.who_harmed"), how.harm))
    blocks: list[Block] = [Links(tuple(links))]
    blocks.append(Text(t("board.tables_beside"), "sub"))
    command = how.command or t("board.command_unknown")
    blocks.append(Fold(t("board.command"), (Code(command),)))
    changed = "\n".join(how.changed) or t("board.changed_none")
    blocks.append(Fold(t("board.changed"), (Code(changed),)))
    return blocks


def few_people(board: Board, t: Texts = ENGLISH) -> list[Block]:
    """The banner where people are too few for a verdict."""
    n = len(board.subjects)
    if n >= MIN_TO_JUDGE:
        return []
    return [Text(t("board.few", n=n, least=MIN_TO_JUDGE), "few")]
