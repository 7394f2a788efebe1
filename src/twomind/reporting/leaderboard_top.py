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
    TITLES,
    line_name,
    ordered,
    p_value,
    percent,
    signed,
    with_gain,
    with_interval,
)
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
        found.append(option if value is True else f"{option} {shlex.quote(str(value))}")
    return found


def verdict(board: Board) -> str:
    """One sentence: is any gain real? Never more certain than intervals and people allow."""
    methods = [line for line in board.lines if line.paired is not None]
    n = len(board.subjects)
    if not methods:
        return _verdict_on_skill(board)
    what = f"{TITLES[board.metric]} per person"
    if n < MIN_TO_JUDGE:
        return (
            f"Whether any gain is real cannot be said: {n} people are fewer than the "
            f"{MIN_TO_JUDGE} that a verdict needs."
        )
    better = [line.name for line in methods if _is_better(line)]
    said = f"No method of {len(methods)} gains anything that {n} people could show ({what})"
    if better:
        named = ", ".join(better)
        said = f"Better than no adaptation on {n} people ({what}, p after Holm < .05): {named}"
    worst = max(methods, key=lambda line: _harm(line))
    harm = f"most people harmed: {percent(_harm(worst))}, by {worst.name}"
    return f"{said}; {harm}."


def _verdict_on_skill(board: Board) -> str:
    """Where nothing was adapted: is anything above the shortcuts?"""
    n = len(board.subjects)
    if n < MIN_TO_JUDGE:
        return (
            f"Whether any figure is skill cannot be said: {n} people are fewer than the "
            f"{MIN_TO_JUDGE} that a verdict needs."
        )
    above = [line.name for line in board.lines if _is_above_all(line)]
    if not above:
        return f"Nothing is above every shortcut on {n} people (macro-F1, 95 % interval)."
    return f"Above every shortcut on {n} people (macro-F1, 95 % interval): {', '.join(above)}."


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


def forest_blocks(board: Board, tag: str) -> list[Block]:
    """The forest plot of all methods; nothing where none was compared with no adaptation.

    Args:
        board: of the page.
        tag: begins the name of the figure.
    """
    rows = [_forest_row(line) for _, lines in ordered(board) for line in lines if line.paired]
    if not rows:
        return []
    name = TITLES[board.metric]
    svg = figures.forest(rows, f"gain in {name} per person, against no adaptation", people.HARM)
    caption = (
        "One row is one method: the diamond is the mean gain with its 95 % interval, a dot is one "
        f"person against themselves without adaptation. Orange: harmed, by more than {people.HARM:g}."
    )
    return [Figure(f"{tag}-forest", svg, caption)]


def _forest_row(line: Line) -> figures.Gain:
    paired = line.paired
    assert paired is not None
    changes = {}
    for subject, before in line.unadapted.items():
        changes[subject] = line.per_person[subject] - before
    low, high = paired.ci
    told = f"{signed(paired.mean, 2)} [{signed(low, 2)}, {signed(high, 2)}]"
    harmed = f"{paired.n_harmed} of {paired.n_people} harmed"
    return figures.Gain(line.name, changes, paired.mean, paired.ci, (told, harmed))


def short_table(board: Board) -> Table:
    """Six columns: what a reader asks first. The rest is behind "All metrics"."""
    adapted = any(line.paired for line in board.lines)
    title = TITLES[board.metric]
    middle = ("macro-F1", "gain per person", "p (Holm)", "harmed")
    if not adapted:
        middle = ("macro-F1", f"{title} per person", "AUC", "AUC within question")
    head = ("", *middle, "saw before the stream")
    rows: list[tuple[str, ...]] = []
    for part, lines in ordered(board):
        rows.append((part,))
        rows += [_short_row(line, adapted) for line in lines]
    if board.refused:
        rows.append(("Asked for, and refused",))
    for one in board.refused:
        dashes = [DASH] * (len(head) - 1)
        rows.append((f"{one.name}\n!{one.words()}", *dashes))
    note = "Square brackets: 95 % interval over people."
    if adapted:
        note += (
            " Gain: person by person against no adaptation with the same model; p by sign flips."
        )
    return Table(head, tuple(rows), note, ("saw before the stream",))


def _short_row(line: Line, adapted: bool) -> tuple[str, ...]:
    f1 = with_interval(line.figures["macro_f1"], line.intervals["macro_f1"])
    if not adapted:
        cells = [f1, with_interval(line.person_mean, line.person_ci)]
        for metric in ("auc", "within_question_auc"):
            cells.append(with_interval(line.figures[metric], line.intervals[metric]))
        return (line_name(line), *cells, line.saw)
    paired = line.paired
    if paired is None:
        return (line_name(line), f1, DASH, DASH, DASH, line.saw)
    least, most = paired.harmed_ci
    harmed = f"{percent(paired.share_harmed)}\n[{percent(least)}, {percent(most)}]"
    gain = with_gain(paired.mean, paired.ci)
    return (line_name(line), f1, gain, p_value(line.p_holm), harmed, line.saw)


# --- what a paper takes from the page


def latex(table: Table) -> str:
    """The table for LaTeX, with booktabs."""
    columns = "l" + "r" * (len(table.head) - 1)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines.append(_latex_row(table.head))
    lines.append(r"\midrule")
    for row in table.rows:
        if len(row) == 1:
            lines.append(rf"\multicolumn{{{len(table.head)}}}{{l}}{{\textit{{{_tex(row[0])}}}}} \\")
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
            row = (line.name, line.kind, subject, value, *_against(line, subject))
            writer.writerow(map(csv_text.cell, map(str, row)))
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


def action_blocks(board: Board, tag: str, how: Origin) -> list[Block]:
    """Buttons: LaTeX, a CSV per person, BibTeX; the command, and settings that were changed.

    Args:
        board: of the page.
        tag: begins the names of the files.
        how: the page was asked for.
    """
    links = [
        Link("LaTeX of the table", f"{tag}.tex", latex(short_table(board)), "text/x-tex"),
        Link("CSV per person", f"{tag}-people.csv", per_person_csv(board), "text/csv"),
        Link("BibTeX", "twomind.bib", BIBTEX, "text/plain"),
    ]
    if how.harm:
        links.append(Link("Who was harmed", how.harm))
    blocks: list[Block] = [Links(tuple(links))]
    command = how.command or "Not known: the page was made from Python."
    blocks.append(Fold("Exact command", (Code(command),)))
    changed = "\n".join(how.changed) or "None: every setting is at its default."
    blocks.append(Fold("Settings that differ from the defaults", (Code(changed),)))
    return blocks


def few_people(board: Board) -> list[Block]:
    """The banner where people are too few for a verdict."""
    n = len(board.subjects)
    if n >= MIN_TO_JUDGE:
        return []
    note = (
        f"Only {n} people. Under {MIN_TO_JUDGE}, no line is called above another here: intervals "
        "over so few people are too narrow to be trusted."
    )
    return [Text(note, "few")]
