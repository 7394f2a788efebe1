"""The table of a recipe from its runs: label-free and as published, beside the published number.

A figure is computed per person and averaged over people, as the publications do; method seeds are
averaged first, training seeds give a spread of their own. An oracle's choice (the best of several
settings by a person's own labels) exists in the column *as published* alone.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import csv_text, numbers
from twomind.core.store import write_text
from twomind.evaluation import baselines, people
from twomind.evaluation.compare import BASE
from twomind.evaluation.refusals import Refusal
from twomind.evaluation.runs import filled
from twomind.pipeline.reproduce_recipe import Recipe, Row, plain
from twomind.reporting.tables import to_json
from twomind.types import Rows, Run
from twomind.types.plain import Array

TITLES = {
    "war": "WAR",
    "macro_f1": "macro-F1",
    "uar": "UAR",
    "ap": "AP",
    "ap_bah": "AP as BAH's code has it",
}
DASH = "—"
_SHORTCUTS = ("prevalence", "constant", "question_only", "length_question", "position")
#: Figure by person.
PerPerson = Mapping[str, float]


class Column(Enum):
    """How the methods of a column were run."""

    LABEL_FREE = "label_free"
    AS_PUBLISHED = "as_published"


@dataclass(frozen=True)
class Made:
    """The runs of one model, training seed and column."""

    model: str
    training_seed: int
    column: Column
    runs: Sequence[Run]
    refusals: Sequence[Refusal]
    why: str = ""  # there is no run, since the model could not be trained


@dataclass(frozen=True)
class Figure:
    """One metric of one cell, in percent. Intervals resample people."""

    value: float
    ci: tuple[float, float]
    sd_people: float
    sd_training: float  # nan with one training seed
    per_person: PerPerson


@dataclass(frozen=True)
class Cell:
    """A row in one column. ``why`` says why there is no figure."""

    figures: Mapping[str, Figure] = field(default_factory=dict)
    why: str = ""
    n_tried: int = 0  # settings that were tried
    choice: str = ""  # how one of them was chosen
    n_training_seeds: int = 0
    n_method_seeds: int = 0
    coverage: float = math.nan
    refused: str = ""  # on how many folds the method refused, and why
    #: against no adaptation of the same model, person by person, in the first metric
    gain: float = math.nan
    gain_ci: tuple[float, float] = (math.nan, math.nan)
    n_harmed: int = 0
    harmed_ci: tuple[float, float] = (math.nan, math.nan)
    p: float = math.nan


@dataclass(frozen=True)
class Line:
    """A row of the table."""

    name: str
    model: str
    kind: str  # base, method, shortcut, absent
    cells: Mapping[str, Cell]
    published: Mapping[str, float]


@dataclass(frozen=True)
class Table:
    """A published table made again, with all that is written of it."""

    title: str
    dataset: str
    table: str
    mark: str
    source: str
    selection: str
    metrics: tuple[str, ...]
    protocols: Mapping[str, str]
    lines: tuple[Line, ...]
    notes: Mapping[str, Any]


def table_of(recipe: Recipe, made: Sequence[Made], notes: Mapping[str, Any]) -> Table:
    """The table of a recipe.

    Args:
        recipe: rows, metrics and published numbers.
        made: the runs of every model, training seed and column.
        notes: what the pages say besides.
    """
    lines = []
    for row in recipe.rows:
        if row.absent:
            cells = {column.value: Cell(why=row.absent) for column in Column}
            lines.append(Line(row.name, "", "absent", cells, row.published))
            continue
        own = [one for one in made if one.model == row.model]
        cells = {column.value: _cell(recipe, row, own, column) for column in Column}
        kind = "base" if row.is_base else "method"
        lines.append(Line(row.name, row.model, kind, cells, row.published))
    lines += _shortcut_lines(recipe, made)
    protocols = {
        Column.LABEL_FREE.value: recipe.protocol.label_free,
        Column.AS_PUBLISHED.value: recipe.protocol.as_published,
    }
    return Table(
        recipe.title,
        str(notes.get("data", recipe.dataset)),
        recipe.table,
        recipe.mark,
        recipe.source,
        recipe.selection,
        recipe.metrics,
        protocols,
        tuple(lines),
        {**notes, "one_class": _with_one_class(made)},
    )


def _with_one_class(made: Sequence[Made]) -> list[str]:
    """Test people whose coded rows are all of one class, in the label-free column."""
    found: dict[str, set[int]] = {}
    for one in made:
        for run in one.runs if one.column is Column.LABEL_FREE else ():
            rows = run.rows[run.level]
            for person, y in zip(rows.subject.tolist(), rows.y.tolist(), strict=True):
                if y >= 0:
                    found.setdefault(person, set()).add(y)
    return sorted(person for person, classes in found.items() if len(classes) == 1)


def _cell(recipe: Recipe, row: Row, made: Sequence[Made], column: Column) -> Cell:
    """One row in one column."""
    own = [one for one in made if one.column is column]
    if not own:
        return Cell(why="no such protocol in this recipe")
    untrained = [one.why for one in own if one.why]
    if untrained:
        return Cell(why=untrained[0])
    if row.is_base:
        specs: tuple[str, ...] = (BASE,)
    elif column is Column.LABEL_FREE:
        specs = (row.label_free,) if row.label_free else ()
    else:
        specs = row.as_published
    if not specs:
        return Cell(why="not run in this column")
    ran = [spec for spec in specs if _ran(own, spec)]
    refused = _why_refused(own, specs)
    if not ran:
        return Cell(why=refused or "no run on any fold", n_tried=len(specs))
    return _measured(recipe, row, _with_stand_ins(own, ran), ran, column, refused)


def _ran(made: Sequence[Made], spec: str) -> bool:
    """Whether a method ran on some fold in every training seed."""
    each = []
    for one in made:
        each.append(any(run.method == spec for run in one.runs))
    return all(each)


def _why_refused(made: Sequence[Made], specs: Sequence[str]) -> str:
    """On how many folds the methods refused, with the first reason; "" where they ran on all."""
    n_folds = len({run.fold.name for one in made for run in one.runs})
    for one in made:
        said = [refusal for refusal in one.refusals if refusal.method in specs]
        if said:
            folds = len({refusal.fold for refusal in said})
            return f"refused {folds} of {n_folds} folds: {said[0].why}"
    return ""


def _with_stand_ins(made: Sequence[Made], specs: Sequence[str]) -> list[Made]:
    """The same runs, and the unadapted ones of a fold in place of a method that refused it: that
    person stays with the model as it is.
    """
    found = []
    for one in made:
        more = []
        for spec in specs:
            own = {(run.fold.name, run.seed) for run in one.runs if run.method == spec}
            for run in one.runs:
                if run.method == BASE and (run.fold.name, run.seed) not in own:
                    more.append(replace(run, method=spec))
        found.append(replace(one, runs=[*one.runs, *more]))
    return found


def _measured(
    recipe: Recipe,
    row: Row,
    made: Sequence[Made],
    specs: Sequence[str],
    column: Column,
    refused: str,
) -> Cell:
    figures = {}
    for metric in recipe.metrics:
        by_seed = [_chosen(one.runs, specs, metric, recipe.metrics[0]) for one in made]
        figures[metric] = figure_of(by_seed, recipe.resamples)
    first = figures[recipe.metrics[0]]
    runs = [run for one in made for run in one.runs if run.method in specs]
    chosen_by = "fixed settings"
    if len(specs) > 1:
        chosen_by = f"ORACLE: {row.choice or 'best setting by labels of the person'}"
    elif column is Column.LABEL_FREE:
        chosen_by = recipe.selection
    cell = Cell(
        figures,
        n_tried=len(specs),
        choice=chosen_by,
        n_training_seeds=len(made),
        n_method_seeds=len({run.seed for run in runs}),
        coverage=_coverage(runs),
        refused=refused,
    )
    if row.is_base:
        return cell
    return _against_base(cell, first, made, recipe)


def _against_base(cell: Cell, first: Figure, made: Sequence[Made], recipe: Recipe) -> Cell:
    """The cell with what adaptation changed, person by person."""
    metric = recipe.metrics[0]
    by_seed = [_chosen(one.runs, (BASE,), metric, metric) for one in made]
    base = figure_of(by_seed, recipe.resamples).per_person
    pair = people.paired(
        {name: value / 100 for name, value in first.per_person.items()},
        {name: value / 100 for name, value in base.items()},
        n_bootstrap=recipe.resamples,
    )
    low, high = pair.ci
    values = asdict(cell) | {
        "figures": cell.figures,
        "gain": 100 * pair.mean,
        "gain_ci": (100 * low, 100 * high),
        "n_harmed": pair.n_harmed,
        "harmed_ci": pair.harmed_ci,
        "p": pair.p_sign_flip,
    }
    return Cell(**values)


def _chosen(runs: Sequence[Run], specs: Sequence[str], metric: str, by: str) -> PerPerson:
    """The figure of each person of one training seed, mean over method seeds; of several settings,
    each person's best by the metric ``by``.
    """
    each: dict[str, list[float]] = {}
    for seed in sorted({run.seed for run in runs}):
        own = [run for run in runs if run.seed == seed]
        of_specs = [_per_person([r for r in own if r.method == spec], metric) for spec in specs]
        ranks = of_specs
        if by != metric:
            ranks = [_per_person([r for r in own if r.method == spec], by) for spec in specs]
        for name in of_specs[0]:
            best = int(np.argmax([rank[name] for rank in ranks]))
            each.setdefault(name, []).append(of_specs[best][name])
    return {name: float(np.mean(values)) for name, values in each.items()}


def _per_person(runs: Sequence[Run], metric: str) -> dict[str, float]:
    """Percent by person, over the coded rows of all folds."""
    found: dict[str, float] = {}
    for run in runs:
        rows = run.rows[run.level]
        found |= _of_rows(rows, filled(rows, run.fill), metric)
    return found


def _of_rows(rows: Rows, probs: Array, metric: str) -> dict[str, float]:
    coded = rows.y >= 0
    each = people.per_person(rows.y[coded], probs[coded], rows.subject[coded], metric)
    return {name: 100 * value for name, value in each.items()}


def figure_of(by_seed: Sequence[PerPerson], resamples: int) -> Figure:
    """A figure from those of each person and training seed. A person of whom it is not defined (the
    precision of somebody who shows one class) is left out.

    Args:
        by_seed: percent by person, one per training seed, of the same people.
        resamples: of people, behind the interval.
    """
    names = sorted(name for name, value in by_seed[0].items() if math.isfinite(value))
    if not names:
        return Figure(math.nan, (math.nan, math.nan), math.nan, math.nan, {})
    values = np.array([[one[name] for name in names] for one in by_seed])
    mean_of_person = values.mean(axis=0)
    sd_training = math.nan
    if len(values) > 1:
        sd_training = float(values.mean(axis=1).std(ddof=1))
    sd_people = float(mean_of_person.std(ddof=1)) if len(names) > 1 else math.nan
    low, high = numbers.interval(numbers.resampled_means(mean_of_person, resamples, 0))
    per_person = dict(zip(names, mean_of_person.tolist(), strict=True))
    return Figure(float(mean_of_person.mean()), (low, high), sd_people, sd_training, per_person)


def _coverage(runs: Sequence[Run]) -> float:
    known = [np.isfinite(run.rows[run.level].probs).all(axis=1) for run in runs]
    return float(np.concatenate(known).mean())


def _shortcut_lines(recipe: Recipe, made: Sequence[Made]) -> list[Line]:
    """What can be had without looking at the person, on the label-free folds of a model."""
    own = [one for one in made if one.runs and one.column is Column.LABEL_FREE]
    lines = []
    for name in _SHORTCUTS:
        runs = [run for one in own[:1] for run in one.runs if run.method == BASE]
        runs = [run for run in runs if run.seed == runs[0].seed]
        if not runs or any(name not in run.rows[run.level].beside for run in runs):
            continue
        figures = {}
        for metric in recipe.metrics:
            of_people: dict[str, float] = {}
            for run in runs:
                rows = run.rows[run.level]
                of_people |= _of_rows(rows, rows.beside[name], metric)
            figures[metric] = figure_of([of_people], recipe.resamples)
        cell = Cell(figures, n_tried=1, choice="fitted on source people", coverage=1.0)
        cells = {
            Column.LABEL_FREE.value: cell,
            Column.AS_PUBLISHED.value: Cell(why="as label-free"),
        }
        lines.append(Line(f"shortcut: {baselines.WORDS[name]}", "", "shortcut", cells, {}))
    return lines


# --- files


def write_table(table: Table, out: Path) -> dict[str, Path]:
    """``table.md``, ``table.tex``, ``table.json`` and ``people.csv`` in a folder.

    Returns:
        The files by kind.
    """
    made = {
        "markdown": (out / "table.md", markdown(table)),
        "latex": (out / "table.tex", latex(table)),
        "csv": (out / "people.csv", people_csv(table)),
        "json": (out / "table.json", to_json(as_plain(table)) + "\n"),
    }
    return {kind: write_text(path, text) for kind, (path, text) in made.items()}


def as_plain(table: Table) -> Any:
    """The table as plain values; a number that is not known is null."""
    return _finite(plain(table))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _head(table: Table) -> list[str]:
    """Titles of the columns."""
    head = ["row", "on"]
    for column in ("label-free", "as published"):
        head += [f"{column}: {TITLES[metric]} %" for metric in table.metrics]
        head += [f"{column}: settings tried", f"{column}: chosen by"]
    head += [f"published: {TITLES[metric]} %" for metric in table.metrics]
    return [*head, *_OF_LABEL_FREE]


#: Columns of the label-free figures alone, in the first metric.
_OF_LABEL_FREE = (
    *("people", "sd of people", "training seeds", "sd of training seeds", "method seeds"),
    *("answered %", "gain", "harmed", "p"),
)


def _cells(table: Table, line: Line) -> list[str]:
    """The texts of one row."""
    texts = [line.name, line.model or DASH]
    for column in Column:
        cell = line.cells[column.value]
        for n, metric in enumerate(table.metrics):
            if cell.figures:
                texts.append(_with_interval(cell.figures[metric]))
            else:
                texts.append(cell.why if n == 0 else DASH)
        chosen = cell.choice or DASH
        if cell.figures and cell.refused:
            chosen = f"{chosen} ({cell.refused}; those people count as unadapted)"
        texts += [str(cell.n_tried or DASH), chosen]
    texts += [_number(line.published.get(metric, math.nan)) for metric in table.metrics]
    cell = line.cells[Column.LABEL_FREE.value]
    first = cell.figures.get(table.metrics[0])
    if first is None:
        return [*texts, *[DASH] * len(_OF_LABEL_FREE)]
    texts += [str(len(first.per_person)), _number(first.sd_people)]
    texts += [str(cell.n_training_seeds or DASH), _number(first.sd_training)]
    texts += [str(cell.n_method_seeds or DASH), _number(100 * cell.coverage)]
    if not math.isfinite(cell.gain):
        return [*texts, *[DASH] * 3]
    low, high = cell.gain_ci
    share_low, share_high = cell.harmed_ci
    n = len(first.per_person)
    harmed = f"{cell.n_harmed} of {n} [{100 * share_low:.0f}, {100 * share_high:.0f}] %"
    return [*texts, f"{cell.gain:+.1f} [{low:+.1f}, {high:+.1f}]", harmed, f"{cell.p:.3f}"]


def _number(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else DASH


def _with_interval(figure: Figure) -> str:
    if not math.isfinite(figure.value):
        return DASH
    low, high = figure.ci
    return f"{figure.value:.1f} [{low:.1f}, {high:.1f}]"


def remarks(table: Table) -> list[str]:
    """What has to be said beside the table."""
    said = [
        f"Published numbers: {table.source}.",
        f"Protocols: label-free {table.protocols['label_free']}; as published "
        f"{table.protocols['as_published'] or 'none'}.",
        f"Selection in the label-free column: {table.selection}. ORACLE: chosen by labels of the "
        "test person; it exists in the column as published alone and is not a figure of a method.",
        "Figures are per person, averaged over people; intervals (95 %) resample people. Harmed: "
        "worse than without adaptation by more than one point, label-free.",
    ]
    if table.notes.get("drawn"):
        said.insert(0, "These people are synthetic. The figures say nothing about real people.")
    said += [f"Differs from the publication: {text}." for text in table.notes.get("differs", ())]
    lost = table.notes.get("unreadable", {})
    if lost:
        first, why = next(iter(lost.items()))
        said.append(
            f"{len(lost)} recordings could not be read and count as the training rate; first: "
            f"{first}: {why}."
        )
    flat = table.notes.get("one_class", ())
    if flat:
        said.append(
            f"{len(flat)} of the test people have coded rows of one class alone ({flat[0]}): an "
            "answer that never changes gets 0 or 100 % of them, and neither says anything."
        )
    return said


def markdown(table: Table) -> str:
    """The table for a page."""
    head = _head(table)
    rows = [head, ["---"] * len(head)]
    rows += [_cells(table, line) for line in table.lines]
    lines = ["| " + " | ".join(_escaped(text, "|") for text in row) + " |" for row in rows]
    said = "\n".join(f"- {text}" for text in remarks(table))
    return f"# {table.title}\n\n" + "\n".join(lines) + f"\n\n{said}\n"


def _escaped(text: str, mark: str) -> str:
    return text.replace(mark, f"\\{mark}").replace("\n", " ")


def latex(table: Table) -> str:
    """The table for a paper: a ``tabular`` with the remarks as comments."""
    head = _head(table)
    rows = [" & ".join(_tex(text) for text in head) + r" \\ \hline"]
    rows += [" & ".join(_tex(t) for t in _cells(table, line)) + r" \\" for line in table.lines]
    said = [f"% {text}" for text in remarks(table)]
    begin = r"\begin{tabular}{" + "l" * len(head) + "}"
    return "\n".join([f"% {table.title}", *said, begin, *rows, r"\end{tabular}", ""])


_TEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    DASH: "--",
}


def _tex(text: str) -> str:
    return "".join(_TEX.get(letter, letter) for letter in text)


def people_csv(table: Table) -> str:
    """One line per row, column, metric and person."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "model", "column", "metric", "person", "percent"])
    for line in table.lines:
        for column, cell in line.cells.items():
            for metric, figure in cell.figures.items():
                for person, value in sorted(figure.per_person.items()):
                    fields = [line.name, line.model, column, metric, person, f"{value:.6f}"]
                    writer.writerow(map(csv_text.cell, fields))
    return text.getvalue()


#: What tells a step's progress.
Tell = Callable[[str, float, float, float], None]

__all__ = [
    "Cell",
    "Column",
    "Figure",
    "Line",
    "Made",
    "Table",
    "as_plain",
    "figure_of",
    "latex",
    "markdown",
    "people_csv",
    "remarks",
    "table_of",
    "write_table",
]
