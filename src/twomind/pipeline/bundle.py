"""Bundles as commands make and check them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twomind.core.files import read_json
from twomind.core.lab_key import default_path, lab_key, read_key
from twomind.evaluation.bundle import read_bundle, write_bundle
from twomind.evaluation.runs import find_runs, load_run
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
    about = write_bundle(runs, path, lab_key(), windows=windows, tables=tables)
    return _short(about)


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
    return {**_short(bundle.about), "bundle": str(path), "whole": True, "sealed": sealed}


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
    "verify",
]
