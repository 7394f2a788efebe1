"""A run on disk: ``NAME/run.json`` and ``NAME/predictions.safetensors``. The JSON is written last
and vouches for both.

``run.json`` holds everything a reader needs; the predictions (with the labels beside them) are kept
exactly, so that every figure can be computed again. A run file therefore falls under the licence of
its data set's labels.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.store import content_hash, read_arrays, write_arrays, write_text
from twomind.evaluation import classes, people
from twomind.types import Access, Fold, Rows, Run, Task

FORMAT = "twomind.run/1"
JSON, ARRAYS = "run.json", "predictions.safetensors"
_TEXT = ("recording", "subject", "question")


def folder_name(name: str) -> str:
    """A run's name as a folder's."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", name).strip("._") or "run"


def filled(rows: Rows, fill: str) -> np.ndarray:
    """Probabilities ``(N, C)`` with the stand-in where nothing was measured
    (:class:`twomind.types.Run`).
    """
    missing = np.logical_not(np.isfinite(rows.probs).all(axis=1))
    if not missing.any():
        return rows.probs
    if fill not in rows.beside:
        # Without a training rate there is only "no idea"; of two classes that is called absent.
        return np.where(missing[:, None], 1 / rows.probs.shape[1], rows.probs)
    return np.where(missing[:, None], rows.beside[fill], rows.probs)


def _figures(run: Run) -> dict[str, Any]:
    """Per person, at the first level: for a reader of the JSON; tables compute their own."""
    rows = run.rows[run.level]
    rows = rows.take(rows.y >= 0)
    if not len(rows):
        return {}
    probs = filled(rows, run.fill)
    per = {m: people.per_person(rows.y, probs, rows.subject, m) for m in ("macro_f1", "war")}
    subjects = list(per["war"])
    return {
        "level": run.level,
        "macro_f1": classes.macro_f1(rows.y, probs),
        "war": classes.war(rows.y, probs),
        "per_person": {s: {m: per[m][s] for m in per} for s in subjects},
    }


def save_run(run: Run, folder: Path, key: str = "") -> Path:
    """Write a run and return its folder. ``key`` says what was asked for, so that the same can be
    read back.
    """
    folder = Path(folder)
    (folder / JSON).unlink(
        missing_ok=True
    )  # a run without it is not there: what is half-written is never read
    arrays: dict[str, np.ndarray] = {}
    levels: dict[str, Any] = {}
    for level, rows in run.rows.items():
        texts = {}
        for name in _TEXT:
            names, index = np.unique(getattr(rows, name), return_inverse=True)
            texts[name] = [str(n) for n in names]
            arrays[f"{level}/{name}"] = index.astype(np.int32)
        arrays[f"{level}/span_s"] = rows.span_s.astype(np.float64)
        arrays[f"{level}/y"] = rows.y.astype(np.int32)
        arrays[f"{level}/probs"] = rows.probs.astype(np.float64)
        for name, probs in rows.beside.items():
            arrays[f"{level}/beside/{name}"] = probs.astype(np.float64)
        levels[level] = {
            "texts": texts,
            "beside": list(rows.beside),
            "reasons": dict(rows.reasons),
            "n": len(rows),
        }
    write_arrays(folder / ARRAYS, arrays, {"format": FORMAT})
    skip = {"rows", "saw", "task", "fold"}
    body = {k: v for k, v in run.__dict__.items() if k not in skip}
    entry = {
        "format": FORMAT,
        "key": key,
        "predictions_sha256": content_hash(folder / ARRAYS),
        "task": asdict(run.task),
        "fold": asdict(run.fold),
        "saw": run.saw.words(),
        **{k: _plain(v) for k, v in body.items()},
        "levels": levels,
        "figures": _plain(_figures(run)),
    }
    write_text(
        folder / JSON, json.dumps(entry, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    )
    return folder


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _access(words: str) -> Access:
    found = Access.NOTHING
    for word in words.split("+"):
        if word != "nothing":
            found |= Access[word.upper()]
    return found


def load_run(folder: Path) -> Run:
    """A run by its folder (or its ``run.json``).

    Raises:
        BadInput: there is none, or it is damaged or incomplete.
    """
    folder = Path(folder)
    folder = folder.parent if folder.name == JSON else folder
    try:
        entry = json.loads((folder / JSON).read_text(encoding="utf-8"))
        if entry.get("format") != FORMAT:
            raise BadInput(f"{folder}: expected a run ({FORMAT}), got {entry.get('format')!r}")
        if content_hash(folder / ARRAYS) != entry["predictions_sha256"]:
            raise BadInput(
                f"{folder}: {ARRAYS} is not the one that {JSON} describes; make the run again"
            )
        arrays, _ = read_arrays(folder / ARRAYS)
        return _from(entry, arrays)
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{folder}: expected a run ({JSON} and {ARRAYS}), but it cannot be read: {error}"
        ) from error


def _from(entry: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Run:
    rows = {}
    for level, about in entry["levels"].items():
        texts = {n: np.array(about["texts"][n], dtype=str)[arrays[f"{level}/{n}"]] for n in _TEXT}
        rows[level] = Rows(
            **texts,
            span_s=arrays[f"{level}/span_s"],
            y=arrays[f"{level}/y"].astype(int),
            probs=arrays[f"{level}/probs"],
            beside={name: arrays[f"{level}/beside/{name}"] for name in about["beside"]},
            reasons=about["reasons"],
        )
    task = entry["task"]
    fold: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in entry["fold"].items()
    }
    return Run(
        name=entry["name"],
        dataset=entry["dataset"],
        task=Task(task["name"], tuple(task["classes"]), task["grain"]),
        fold=Fold(**fold),
        model=entry["model"],
        method=entry["method"],
        rows=rows,
        config=entry["config"],
        saw=_access(entry["saw"]),
        seen=entry["seen"],
        reset=entry["reset"],
        seed=entry["seed"],
        fill=entry["fill"],
        windows=entry["windows"],
        people=entry["people"],
        not_shown=tuple(entry["not_shown"]),
        drawn=entry["drawn"],
        seconds={k: math.nan if v is None else v for k, v in entry["seconds"].items()},
        peak_mb=math.nan if entry["peak_mb"] is None else entry["peak_mb"],
        fingerprint=entry["fingerprint"],
        versions=entry["versions"],
        git=entry["git"],
        notes=tuple(entry["notes"]),
        events=tuple(entry.get("events", ())),
    )


def stored_key(folder: Path) -> str:
    """What the run in a folder was asked for; "" when there is no run."""
    try:
        return str(json.loads((Path(folder) / JSON).read_text(encoding="utf-8")).get("key", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def read_back(folder: Path, key: str) -> Run | None:
    """The run in a folder when it is whole and was asked for with the same ``key``; None: make it
    (again).
    """
    if not key or stored_key(folder) != key:
        return None
    try:
        return load_run(folder)
    except BadInput:
        return None


def find_runs(paths: Sequence[Path]) -> list[Path]:
    """Folders of runs: those given, and those below given folders, sorted.

    Raises:
        BadInput: a path holds none.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        path = path.parent if path.name == JSON else path
        below = sorted(p.parent for p in path.rglob(JSON)) if path.is_dir() else []
        if not below:
            raise BadInput(
                f"{path}: expected a folder of a run ({JSON}), or one with runs below it; found "
                "none"
            )
        found += [p for p in below if p not in found]
    return found
