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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np

from twomind.core.errors import BadInput, quoted
from twomind.core.files import read_json
from twomind.core.store import content_hash, read_arrays, write_arrays, write_text
from twomind.evaluation import classes, people
from twomind.types import Access, Fold, Rows, Run, Task
from twomind.types.plain import Array, Foreign, Plain

FORMAT = "twomind.run/1"
JSON, ARRAYS = "run.json", "predictions.safetensors"
_TEXT = ("recording", "subject", "question")
#: Begins the question of a row of which it was taken out; a label follows, so that no two rows of
#: two classes count as answers to one question.
NOT_TOLD = "not told"
#: Fields of a run that stand in the JSON as they are.
_PLAIN: Mapping[str, type] = {
    "name": str,
    "dataset": str,
    "model": str,
    "method": str,
    "config": dict,
    "seen": dict,
    "reset": str,
    "seed": int,
    "fill": str,
    "windows": dict,
    "people": dict,
    "drawn": bool,
    "fingerprint": str,
    "versions": dict,
    "git": dict,
}


def _is_text(value: Foreign) -> bool:
    return isinstance(value, str)


def _is_number(value: Foreign) -> bool:
    return type(value) in (int, float)


def _may_be_number(value: Foreign) -> bool:
    return value is None or _is_number(value)


def _is_object(value: Foreign) -> bool:
    return isinstance(value, dict)


def _each(fits: Callable[[Foreign], bool], kind: type = list) -> Callable[[Foreign], bool]:
    """Whether a value is a list, or an object, of which every value fits."""

    def check(value: Foreign) -> bool:
        values = value.values() if isinstance(value, dict) else value
        return isinstance(value, kind) and all(map(fits, values))

    return check


class _Kind(NamedTuple):
    """What a field holds: in words, and whether a value is of it."""

    words: str
    fits: Callable[[Foreign], bool]


_WORD = _Kind("a text", _is_text)
_WORDS = _Kind("a list of texts", _each(_is_text))
_WORDS_BY_NAME = _Kind("texts by name", _each(_is_text, dict))
_PARTS = ("train", "test", "val", "neutral", "target", "few", "transductive")
#: What other fields of the JSON hold, by where they stand; one that is absent is no matter here.
_HELD: Mapping[str, _Kind] = {
    "task.name": _WORD,
    "task.classes": _WORDS,
    "task.grain": _WORD,
    "fold.name": _WORD,
    "fold.protocol": _WORD,
    "fold.same_people": _Kind("true or false", lambda value: isinstance(value, bool)),
    **{f"fold.{part}": _WORDS for part in _PARTS},
    "saw": _WORD,
    "windows.frame_hop_s": _Kind("a number", _is_number),
    "people": _Kind("objects by name", _each(_is_object, dict)),
    "versions": _WORDS_BY_NAME,
    "not_shown": _WORDS,
    "seconds": _Kind("numbers by name", _each(_may_be_number, dict)),
    "peak_mb": _Kind("a number", _may_be_number),
    "notes": _WORDS,
    "events": _Kind("a list of objects", _each(_is_object)),
    "place": _WORD,
}
#: The same of one level.
_HELD_OF_LEVEL: Mapping[str, _Kind] = {
    **{f"texts.{name}": _WORDS for name in _TEXT},
    "beside": _WORDS,
    "reasons": _WORDS_BY_NAME,
}
_LEVELS = ("recording", "window", "frame")
#: How far the probabilities of a row may be from 1 together.
_ROUNDING = 1e-3


def folder_name(name: str) -> str:
    """A run's name as a folder's."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", name).strip("._") or "run"


def filled(rows: Rows, fill: str) -> Array:
    """Probabilities ``(N, C)`` with the stand-in where nothing was measured
    (:class:`twomind.types.Run`).
    """
    missing = np.logical_not(np.isfinite(rows.probs).all(axis=1))
    if not missing.any():
        return rows.probs
    if fill in rows.beside:
        return np.where(missing[:, None], rows.beside[fill], rows.probs)
    # Without a training rate there is only "no idea"; of two classes that is called absent.
    no_idea = 1 / rows.probs.shape[1]
    return np.where(missing[:, None], no_idea, rows.probs)


def _figures(run: Run) -> Plain:
    """Per person, at the first level: for a reader of the JSON; tables compute their own."""
    rows = run.rows[run.level]
    rows = rows.take(rows.y >= 0)
    if not len(rows):
        return {}
    probs = filled(rows, run.fill)
    f1 = people.per_person(rows.y, probs, rows.subject, "macro_f1")
    war = people.per_person(rows.y, probs, rows.subject, "war")
    found: Plain = {"level": run.level}
    found["macro_f1"] = classes.macro_f1(rows.y, probs)
    found["war"] = classes.war(rows.y, probs)
    found["per_person"] = {s: {"macro_f1": f1[s], "war": war[s]} for s in war}
    return found


class _LevelEntry(TypedDict):
    """What the JSON says of one level: names by index, and what stands beside."""

    texts: dict[str, list[str]]
    beside: list[str]
    reasons: dict[str, str]
    n: int


def _level_entry(level: str, rows: Rows, arrays: dict[str, Array]) -> _LevelEntry:
    """The rows of one level put into ``arrays``, and what the JSON says of them."""
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
    return {
        "texts": texts,
        "beside": list(rows.beside),
        "reasons": dict(rows.reasons),
        "n": len(rows),
    }


def save_run(run: Run, folder: Path, key: str = "") -> Path:
    """Write a run and return its folder.

    Args:
        run: any run.
        folder: where to write it.
        key: what was asked for, so that the same can be read back.
    """
    folder = Path(folder)
    # A run without its JSON is not there: what is half-written is never read.
    (folder / JSON).unlink(missing_ok=True)
    arrays: dict[str, Array] = {}
    levels = {}
    for level, rows in run.rows.items():
        levels[level] = _level_entry(level, rows, arrays)
    write_arrays(folder / ARRAYS, arrays, {"format": FORMAT})
    entry: Plain = {"format": FORMAT, "key": key}
    entry["predictions_sha256"] = content_hash(folder / ARRAYS)
    entry["task"] = asdict(run.task)
    entry["fold"] = asdict(run.fold)
    entry["saw"] = run.saw.words()
    for name, value in vars(run).items():
        if name not in ("rows", "saw", "task", "fold"):
            entry[name] = _plain(value)
    entry["levels"] = levels
    entry["figures"] = _plain(_figures(run))
    text = json.dumps(entry, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(folder / JSON, text + "\n")
    return folder


def _plain(value: object) -> object:
    """Plain JSON values; what is not finite is None."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    is_plain = isinstance(value, str | int | float | bool | None)
    return value if is_plain else str(value)


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
        entry = read_json(folder / JSON)
        content = content_hash(folder / ARRAYS)
    except (BadInput, OSError, ValueError) as error:
        raise _unreadable(folder, error) from error
    try:
        if entry.get("format") != FORMAT:
            raise BadInput(f"{folder}: expected a run ({FORMAT}), got {entry.get('format')!r}")
        if content != entry["predictions_sha256"]:
            raise BadInput(
                f"{folder}: {ARRAYS} is not the one that {JSON} describes; make the run again"
            )
        arrays, _ = read_arrays(folder / ARRAYS)
        return _from(entry, arrays)
    except (OSError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise _unreadable(folder, error) from error


def _unreadable(folder: Path, error: Exception) -> BadInput:
    return BadInput(
        f"{folder}: expected a run ({JSON} and {ARRAYS}), but it cannot be read: {error}"
    )


def _rows_from(level: str, about: _LevelEntry, arrays: Mapping[str, Array]) -> Rows:
    texts = {}
    for name in _TEXT:
        names = np.array(about["texts"][name], dtype=str)
        index = arrays[f"{level}/{name}"]
        if len(index) and int(index.min()) < 0:
            raise ValueError(f"{level}/{name}: an index below 0")
        texts[name] = names[index]
    beside = {name: _probs(f"{level}/beside/{name}", arrays) for name in about["beside"]}
    return Rows(
        **texts,
        span_s=arrays[f"{level}/span_s"],
        y=arrays[f"{level}/y"].astype(int),
        probs=_probs(f"{level}/probs", arrays),
        beside=beside,
        reasons=about["reasons"],
    )


def _probs(name: str, arrays: Mapping[str, Array]) -> Array:
    """Probabilities ``(N, C)``, of which each row is 1 together, or all nan.

    Raises:
        ValueError: they are none.
    """
    probs = arrays[name]
    known = probs[~np.isnan(probs).all(axis=1)]
    is_share = (known >= -_ROUNDING) & (known <= 1 + _ROUNDING)
    if not is_share.all() or (np.abs(known.sum(axis=1) - 1) > _ROUNDING).any():
        raise ValueError(f"{name}: expected probabilities that are 1 together")
    return probs


def _refuse_other_kinds(entry: Plain, held: Mapping[str, _Kind]) -> None:
    """Every field holds what it should.

    Raises:
        TypeError: one does not; the message names it.
    """
    for where, kind in held.items():
        *outer, name = where.split(".")
        holder = entry[outer[0]] if outer else entry
        if name in holder and not kind.fits(holder[name]):
            raise TypeError(f"{where}: expected {kind.words}, got {quoted(holder[name])}")


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _from(entry: Plain, arrays: Mapping[str, Array]) -> Run:
    plain: Plain = {}
    for name, kind in _PLAIN.items():
        plain[name] = entry[name]
        if type(entry[name]) is not kind:
            raise TypeError(f"{name}: expected {kind.__name__}, got {quoted(entry[name])}")
    _refuse_other_kinds(entry, _HELD)
    rows = {}
    for level, about in entry["levels"].items():
        if level not in _LEVELS:
            raise ValueError(f"levels: expected {', '.join(_LEVELS)}, got {quoted(level)}")
        _refuse_other_kinds(about, _HELD_OF_LEVEL)
        rows[level] = _rows_from(level, about, arrays)
    task = entry["task"]
    fold: Plain = {}
    for name, value in entry["fold"].items():  # JSON has lists where a fold has tuples
        fold[name] = tuple(value) if isinstance(value, list) else value
    seconds = {what: _number(value) for what, value in entry["seconds"].items()}
    return Run(
        task=Task(task["name"], tuple(task["classes"]), task["grain"]),
        fold=Fold(**fold),
        rows=rows,
        saw=_access(entry["saw"]),
        not_shown=tuple(entry["not_shown"]),
        seconds=seconds,
        peak_mb=_number(entry["peak_mb"]),
        notes=tuple(entry["notes"]),
        events=tuple(entry.get("events", ())),
        place=entry.get("place", ""),
        **plain,
    )


def stored_key(folder: Path) -> str:
    """What the run in a folder was asked for; "" when there is no run."""
    try:
        entry = json.loads((Path(folder) / JSON).read_text(encoding="utf-8"))
        return str(entry.get("key", ""))
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


def not_named(paths: Sequence[Path]) -> list[str]:
    """Which bundles lie below the given folders and are not given themselves, a sentence for each
    folder: nobody reads them.
    """
    every = [Path(path) for path in paths]
    given = {path.resolve() for path in every}
    found = []
    for path in every:
        below = sorted(path.rglob("*.[tT][aA][rR]")) if path.is_dir() else []
        tars = [str(file.relative_to(path)) for file in below if file.resolve() not in given]
        if tars:
            more = f" and {len(tars) - 3} more" if len(tars) > 3 else ""
            found.append(
                f"In {path} there is {', '.join(tars[:3])}{more}: a bundle is read only where it is "
                "named itself"
            )
    return found


def find_runs(paths: Sequence[Path]) -> list[Path]:
    """Folders of runs: those given, and those below given folders, sorted.

    Raises:
        BadInput: a path holds none.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.name == JSON:
            path = path.parent
        below = []
        if path.is_dir():
            below = sorted(file.parent for file in path.rglob(JSON))
        if not below:
            what = "".join(f". {told}" for told in not_named([path]))
            raise BadInput(
                f"{path}: expected a folder of a run ({JSON}), or one with runs below it; found "
                f"none{what}"
            )
        for folder in below:
            if folder not in found:
                found.append(folder)
    return found
