"""Bundles as commands make and check them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.core.files import read_json
from twomind.core.lab_key import default_path, lab_key, read_key
from twomind.evaluation.board import Board, boards
from twomind.evaluation.breakdown import MIN_PEOPLE, subgroups
from twomind.evaluation.bundle import Bundle, is_bundle, read_bundle, write_bundle
from twomind.evaluation.pseudonyms import is_shared_out
from twomind.evaluation.runs import find_runs, load_run
from twomind.reporting.leaderboard import json_values
from twomind.types import Run


@dataclass(frozen=True)
class Asked:
    """A bundle that is asked for.

    Args:
        path: the tar file.
        windows: it keeps every row, with its time and question.
        groups: it has the figures of groups by sex and by age band. Beside the scores of each
            person, they can tell who is in which group.
    """

    path: Path
    windows: bool = False
    groups: bool = False


def bundle_of(
    runs: Sequence[Run], asked: Asked, tables: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A bundle under this laboratory's key, which is made on first use.

    Args:
        runs: what goes into it.
        asked: where, and how much of them.
        tables: more plain values by name.

    Returns:
        What its list says, without the files; ``key_is_new`` is whether the key was made for it,
        ``shared_out_by_name`` whether which recordings are tested goes by names.

    Raises:
        BadInput: there is no run, the key can be read by others, or :func:`refuse_others`.
    """
    is_new = not default_path().exists()
    refuse_others(asked.path)
    groups = groups_of(runs) if asked.groups else []
    more = {"groups": {"groups": groups}} if groups else {}
    every = {**more, **(tables or {})}
    about = write_bundle(runs, asked.path, lab_key(), windows=asked.windows, tables=every)
    shared_out = any(is_shared_out(run.fold) for run in runs)
    return {**_short(about), "key_is_new": is_new, "shared_out_by_name": shared_out}


def refuse_others(path: Path) -> None:
    """Nothing is written over but a bundle of this laboratory.

    Raises:
        BadInput: another file is there, or the name is not that of a bundle.
    """
    if path.suffix != ".tar":
        raise BadInput(f"{path}: expected a name that ends in .tar")
    if path.is_symlink():
        raise BadInput(f"{path}: is a link, and is left as it is. Give the name of a file")
    if not path.exists():
        return
    try:
        is_own = default_path().exists() and read_bundle(path).sealed_by(lab_key())
    except BadInput:
        is_own = False
    if not is_own:
        raise BadInput(
            f"{path}: is there, and is no bundle of this laboratory; it is left as it is. Give "
            "another name, or remove it"
        )


#: What of a person a group may be told by: nothing finer leaves the laboratory.
GROUPED_BY = ("sex", "gender", "age", "age_band")
#: Resamples of people behind the interval of a group.
_RESAMPLES = 500


def groups_of(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Figures of groups by sex and by age band, each with how many people it has. What a group of
    fewer than five people is called is not told, nor its figures; and neither are those of a group
    from which fewer than five people could be told by taking the rest away.

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
        found += [{**named, **json_values(one)} for one in _told(own, len(board.subjects))]
    return found


def _told(groups: Sequence[Mapping[str, Any]], n_people: int) -> list[dict[str, Any]]:
    """The groups of one attribute that may be told; of all others together, that there are some."""
    if not groups:
        return []
    told = [dict(one) for one in groups if one["n_people"] is not None]
    n_hidden = n_people - sum(int(one["n_people"]) for one in told)
    # Else those who are hidden would be the rest of everybody.
    while told and 0 < n_hidden < MIN_PEOPLE:
        smallest = min(told, key=lambda one: int(one["n_people"]))
        n_hidden += int(smallest["n_people"])
        told.remove(smallest)
    if n_hidden:
        why = f"so that nothing is told of fewer than {MIN_PEOPLE} people"
        rest: dict[str, Any] = {
            "value": None,
            "n_people": None,
            "n": None,
            "lines": {},
            "suppressed": why,
        }
        told.append({"group": groups[0]["group"], **rest})
    return told


def bundle_of_folders(paths: Sequence[Path], asked: Asked) -> dict[str, Any]:
    """The same of runs on disk.

    Raises:
        BadInput: as there; a path is a bundle, which is not passed on.
    """
    for path in filter(is_bundle, paths):
        laboratory = read_bundle(path).laboratory
        raise BadInput(
            f"{path}: is a bundle (of the laboratory {laboratory}), which is not passed on in another. "
            "Give folders of runs alone"
        )
    runs = [load_run(folder) for folder in find_runs(paths)]
    return bundle_of(runs, asked)


def bundle_of_table(out: Path, table: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    """A bundle of the folder of a published table: its runs, its recipe and the table.

    Args:
        out: the folder that ``twomind reproduce`` wrote.
        table: as plain values.
        asked: where, and how much of the runs.
    """
    recipe = read_json(out / "recipe.json")["recipe"]
    return bundle_of_runs_and_table(out, table, asked, {"recipe": recipe})


def bundle_of_runs_and_table(
    out: Path, table: Mapping[str, Any], asked: Asked, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A bundle of the runs below a folder and the table that was made of them.

    Args:
        out: the folder; runs lie in ``runs``.
        table: as plain values.
        asked: where, and how much of the runs.
        more: other plain values by name.
    """
    runs = [load_run(folder) for folder in find_runs([out / "runs"])]
    return bundle_of(runs, asked, {"table": dict(table), **(more or {})})


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
    """Which groups its figures are told of, and how many people each has.

    Raises:
        BadInput: they are not told as a bundle tells them.
    """
    found = bundle.tables.get("groups", {"groups": []})
    texts = ("dataset", "protocol", "level", "group")
    try:
        groups = [
            {name: one[name] for name in (*texts, "value", "n_people")} for one in found["groups"]
        ]
        is_told = all(isinstance(one[name], str) for one in groups for name in texts)
        is_told = is_told and all(map(_is_counted, groups))
    except (KeyError, TypeError):
        is_told = False
    if not is_told:
        raise BadInput(f"{bundle.path}: tables/groups.json is no list of groups")
    return groups


def _is_counted(group: Mapping[str, Any]) -> bool:
    """Whether a group has a name and enough people, or neither."""
    value, n_people = group["value"], group["n_people"]
    if value is None or n_people is None:
        return value is n_people
    return isinstance(value, str) and type(n_people) is int and n_people >= MIN_PEOPLE


def _short(about: Mapping[str, Any]) -> dict[str, Any]:
    """The list without its files."""
    found = {name: value for name, value in about.items() if name not in ("files", "seal")}
    found["n_files"] = len(about["files"])
    return found


__all__ = [
    "Asked",
    "bundle_of",
    "bundle_of_folders",
    "bundle_of_runs_and_table",
    "bundle_of_table",
    "groups_of",
    "refuse_others",
    "verify",
]
