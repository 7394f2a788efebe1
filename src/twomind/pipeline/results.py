"""What any predictor wrote, judged: its rows beside labels and shortcuts, as runs and a page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.evaluation.results import Asked, Judge, read_data
from twomind.evaluation.results_files import Results, read_results
from twomind.evaluation.runs import folder_name, save_run
from twomind.reporting.leaderboard import (
    PAGE_OPTIONS,
    PageSettings,
    found_on_boards,
    write_report,
)
from twomind.reporting.leaderboard_top import Origin, changed_options
from twomind.types import Run

SCHEMA = "twomind.score.results/1"
RUNS = "runs"


@dataclass(frozen=True)
class Wanted:
    """What is judged, on what, and how."""

    results: tuple[str, ...]  # paths, or NAME=PATH
    data: Path
    name: str | None = None  # the data set's layout, where the folder does not say
    asked: Asked = field(default_factory=Asked)
    page: PageSettings = field(default_factory=PageSettings)


@dataclass(frozen=True)
class Judged:
    """The runs of all predictors, and what there is to say of them."""

    runs: tuple[Run, ...]
    found: dict[str, Any]


def score_results(wanted: Wanted, out: Path | None = None) -> Judged:
    """Judge what predictors wrote.

    Args:
        wanted: what is judged.
        out: folder for the runs (``runs/``) and the page; None: nothing is written.

    Returns:
        The runs, and as plain values: per predictor how its rows fitted, and the boards.

    Raises:
        BadInput: no such file, folder, data set, task or protocol; rows that cannot be used or
            belong to recordings that the data set lacks; two predictors of one name.
    """
    judge = Judge(read_data(wanted.data, wanted.name), wanted.asked)
    every = _read(wanted.results, judge.classes())
    task = judge.task_for(every)
    runs: list[Run] = []
    fitted = []
    for one in every:
        scored = judge.judge(one, task)
        runs += scored.runs
        fitted.append({"name": one.name, "path": str(one.path), "seed": one.seed, **scored.counts})
    found: dict[str, Any] = {"schema": SCHEMA, "data": judge.dataset.name, "task": task.name}
    found["protocol"] = judge.folds[0].protocol
    found["results"] = fitted
    if out is None:
        found |= {"boards": found_on_boards(runs, wanted.page)["boards"]}
        return Judged(tuple(runs), found)
    for run in runs:
        save_run(run, out / RUNS / folder_name(run.name))
    page = write_report(runs, out, replace(wanted.page, origin=_origin(wanted, out)))
    found |= {name: page[name] for name in ("boards", "html", "markdown", "json")}
    return Judged(tuple(runs), found)


#: Settings of the judging → their options.
_OPTIONS = {"task": "--task", "protocol": "--protocol", "skip_unknown": "--skip-unknown"}


def _origin(wanted: Wanted, out: Path) -> Origin:
    """The command that makes the page again, and what of it is not at its default."""
    options = changed_options(wanted.asked, Asked(), _OPTIONS)
    options += changed_options(wanted.page, PageSettings(), PAGE_OPTIONS)
    if wanted.name:
        options.insert(0, f"--data-name {shlex.quote(wanted.name)}")
    parts = ["twomind score results", *map(shlex.quote, wanted.results)]
    parts += ["--data", shlex.quote(str(wanted.data)), *options, "--out", shlex.quote(str(out))]
    return Origin(" ".join(parts), tuple(options))


def _read(given: Sequence[str], classes: Sequence[str]) -> list[Results]:
    """Everything that is judged, each under a name of its own."""
    found: list[Results] = []
    seen: dict[tuple[str, int], Path] = {}
    for text in given:
        name, path = _named(text)
        for one in read_results(path, classes, name):
            key = (one.name, one.seed)
            if key in seen:
                raise BadInput(
                    f"{seen[key]} and {path} are both called {one.name!r}; name them: NAME={path}"
                )
            seen[key] = path
            found.append(one)
    return found


def _named(text: str) -> tuple[str, Path]:
    """``NAME=PATH``, or a path alone, also one with an equals sign in it."""
    name, equals, path = text.partition("=")
    if equals and name and "/" not in name and not Path(text).exists():
        return name.strip(), Path(path)
    return "", Path(text)


__all__ = ["Judged", "Wanted", "score_results"]
