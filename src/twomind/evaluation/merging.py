"""Runs read from several folders: the same run found twice counts once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.evaluation.runs import find_runs, load_run
from twomind.types import Rows, Run

#: What two runs of one thing may differ in: where and when they were made, and what they cost.
_MAY_DIFFER = ("name", "seconds", "peak_mb", "versions", "git")
#: Fields that are compared part by part, or said in other words.
_IN_OTHER_WORDS = ("rows", "fold", "fingerprint")


def load_merged(paths: Sequence[Path]) -> list[Run]:
    """The runs in the given folders and below them; two identical runs of one fold are one.

    Args:
        paths: Folders of runs, or folders with runs below them.

    Returns:
        The runs, in the order of their folders.

    Raises:
        BadInput: a path holds no run, or two folders hold different runs of one method, fold and
            seed; the message names both folders and what differs.
    """
    found: dict[tuple[str, ...], tuple[Path, Run]] = {}
    for folder in find_runs(paths):
        run = load_run(folder)
        other_folder, other = found.setdefault(_key(run), (folder, run))
        differ = differences(other, run)
        if differ:
            raise BadInput(
                f"{other_folder} and {folder} are two runs of {run.method} on the fold "
                f"{run.fold.name!r} with seed {run.seed}, and they are not the same: "
                f"{'; '.join(differ)}. Give one"
            )
    return [run for _, run in found.values()]


def _key(run: Run) -> tuple[str, ...]:
    """What a run is of: two with one key stand for the same line, fold and seed of a table."""
    return (
        run.dataset,
        str(run.task),
        run.fold.protocol,
        run.fold.name,
        _text(run.windows),
        run.model,
        run.method,
        _text(run.config),
        run.saw.words(),
        str(run.reset),
        str(run.seed),
    )


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), sort_keys=True, default=str)


def differences(a: Run, b: Run) -> list[str]:
    """In what two runs of one thing differ, in words; empty: they are identical.

    Where they were made, when, and what they cost does not count.
    """
    if a is b:
        return []
    found = []
    for level in dict.fromkeys((*a.rows, *b.rows)):
        if level not in a.rows or level not in b.rows:
            found.append(f"only one has rows per {level}")
        else:
            found += [
                f"per {level}: {what}" for what in _row_differences(a.rows[level], b.rows[level])
            ]
    for f in fields(Run):
        if f.name in (*_MAY_DIFFER, *_IN_OTHER_WORDS):
            continue
        if _plain(getattr(a, f.name)) != _plain(getattr(b, f.name)):
            found.append(f"other {f.name.replace('_', ' ')}")
    if a.fold != b.fold:
        found.append("the fold holds other recordings, or in another order")
    if a.fingerprint != b.fingerprint:
        found.append("the data, labels or features changed between them")
    return found


def _row_differences(a: Rows, b: Rows) -> list[str]:
    if len(a) != len(b):
        return [f"{len(a)} and {len(b)} rows"]
    found = []
    for name in ("recording", "subject", "question", "span_s"):
        if not np.array_equal(getattr(a, name), getattr(b, name)):
            return ["other rows, or in another order"]
    n_labels = int((a.y != b.y).sum())
    if n_labels:
        found.append(f"{n_labels} of {len(a)} labels")
    same = (a.probs == b.probs) | (np.isnan(a.probs) & np.isnan(b.probs))
    n_probs = int((~same).any(axis=1).sum())
    if n_probs:
        largest = float(np.nanmax(np.abs(a.probs - b.probs), initial=0.0))
        found.append(f"{n_probs} of {len(a)} predictions, by up to {largest:.2g}")
    for name in dict.fromkeys((*a.beside, *b.beside)):
        if name not in a.beside or name not in b.beside:
            found.append(f"only one has {name} beside")
        elif not np.array_equal(a.beside[name], b.beside[name], equal_nan=True):
            found.append(f"{name} beside")
    if dict(a.reasons) != dict(b.reasons):
        found.append("reasons why something was not measured")
    return found


def _plain(value: Any) -> Any:
    """A value as it is after being kept: what was just made equals what was read back."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
