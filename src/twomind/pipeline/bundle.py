"""Bundles as commands make and check them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.core.files import read_json
from twomind.core.lab_key import default_path, lab_key, read_key
from twomind.evaluation.board import Board, boards
from twomind.evaluation.breakdown import subgroups
from twomind.evaluation.bundle import Bundle, read_bundle, write_bundle
from twomind.evaluation.runs import find_runs, load_run
from twomind.reporting.leaderboard import json_values
from twomind.types import Run


def bundle_of(
    runs: Sequence[Run], path: Path, windows: bool = False, tables: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A bundle under this laboratory's key, which is made on first use.

    Args:
        runs: what goes into it.
        path: the tar file.
        windows: keep every row, with its time and question.
        tables: more plain values by name.

    Returns:
        What its list says, without the files.

    Raises:
        BadInput: there is no run, or the key can be read by others.
    """
    groups = groups_of(runs)
    more = {"groups": {"groups": groups}} if groups else {}
    about = write_bundle(runs, path, lab_key(), windows=windows, tables={**more, **(tables or {})})
    return _short(about)


#: What of a person a group may be told by: nothing finer leaves the laboratory.
GROUPED_BY = ("sex", "gender", "age", "age_band")
#: Resamples of people behind the interval of a group.
_RESAMPLES = 500


def groups_of(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Figures of groups by sex and by age band, each with how many people it has; no attribute of a
    person. A group of fewer than five carries no figure, and neither does the group from which it
    could be told by taking the rest away.

    Args:
        runs: with what is known of their people.
    """
    found = []
    for task in dict.fromkeys(run.task for run in runs):
        of_task = [run for run in runs if run.task == task]
        try:
            made = boards(of_task, n_bootstrap=_RESAMPLES)
        except BadInput:
            continue  # runs that make no board together have no groups; they leave all the same
        for board in made:
            found += _groups_of(board)
    return found


def _groups_of(board: Board) -> list[dict[str, Any]]:
    """The groups of one board."""
    every = subgroups(board, n_bootstrap=_RESAMPLES)
    named = {"dataset": board.dataset, "protocol": board.protocol, "level": board.level}
    found = []
    for key in GROUPED_BY:
        own = [one for one in every if one["group"] == key]
        found += [{**named, **json_values(one)} for one in _apart(own)]
    return found


def _apart(groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The groups of one attribute. Where one alone is too small to be told, the smallest other is not
    told either: else it would be the rest of everybody.
    """
    told = [one for one in groups if one["n_people"] is not None]
    hidden = len(groups) - len(told)
    left_out = None
    if hidden == 1 and told:
        left_out = min(told, key=lambda one: int(one["n_people"]))
    found = []
    for one in groups:
        entry = dict(one)
        if one is left_out:
            entry |= {"n_people": None, "n": None, "lines": {}}
            entry["suppressed"] = "the rest would tell of a smaller group"
        found.append(entry)
    return found


def bundle_of_folders(paths: Sequence[Path], path: Path, windows: bool = False) -> dict[str, Any]:
    """The same of runs on disk; bundles of other laboratories are not passed on."""
    runs = [load_run(folder) for folder in find_runs(paths)]
    return bundle_of(runs, path, windows)


def bundle_of_table(
    out: Path, table: Mapping[str, Any], path: Path, windows: bool = False
) -> dict[str, Any]:
    """A bundle of the folder of a published table: its runs, its recipe and the table.

    Args:
        out: the folder that ``twomind reproduce`` wrote.
        table: as plain values.
        path: the tar file.
        windows: keep every row.
    """
    recipe = read_json(out / "recipe.json")
    return bundle_of_runs_and_table(out, table, path, windows, {"recipe": recipe})


def bundle_of_runs_and_table(
    out: Path,
    table: Mapping[str, Any],
    path: Path,
    windows: bool = False,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A bundle of the runs below a folder and the table that was made of them.

    Args:
        out: the folder; runs lie in ``runs``.
        table: as plain values.
        path: the tar file.
        windows: keep every row.
        more: other plain values by name.
    """
    runs = [load_run(folder) for folder in find_runs([out / "runs"])]
    return bundle_of(runs, path, windows, {"table": dict(table), **(more or {})})


def verify(path: Path) -> dict[str, Any]:
    """Check a bundle: its list, sizes, sums and runs.

    Returns:
        What its list says; ``sealed`` is whether this laboratory's key made it (None: there is no
        key here).

    Raises:
        BadInput: it is not as it was written; the message says what is wrong.
    """
    bundle = read_bundle(path)
    sealed = None
    key = default_path()
    if key.exists():
        sealed = bundle.sealed_by(read_key(key))
    found = {**_short(bundle.about), "bundle": str(path), "whole": True, "sealed": sealed}
    return {**found, "groups": _groups_in(bundle)}


def _groups_in(bundle: Bundle) -> list[dict[str, Any]]:
    """Which groups its figures are told of, and how many people each has."""
    content = bundle.files.get("tables/groups.json")
    if content is None:
        return []
    kept = ("dataset", "protocol", "level", "group", "value", "n_people")
    groups = json.loads(content)["groups"]
    return [{name: one[name] for name in kept} for one in groups]


def _short(about: Mapping[str, Any]) -> dict[str, Any]:
    """The list without its files."""
    found = {name: value for name, value in about.items() if name not in ("files", "seal")}
    found["n_files"] = len(about["files"])
    return found


__all__ = [
    "bundle_of",
    "bundle_of_folders",
    "bundle_of_runs_and_table",
    "bundle_of_table",
    "groups_of",
    "verify",
]
