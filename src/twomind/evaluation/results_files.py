"""What a predictor said, read from whatever it wrote: the folder of ``twomind predict``, a fusion's
folder, or a CSV of anybody's.

A table has a column ``id`` (or ``video_id``, ``recording``, ``video``, ``path``) and what was said:
``score`` (the probability of the last of two classes; also ``p1``, ``probability``), or ``p0,p1,…``
of every class, or the class names; ``label`` alone is a bare answer. ``start_s,end_s`` or ``time_s``
make a row that of a window or a moment, and so does an id that ends with ``/frame-N.jpg``. More
columns: ``no_adaptation`` (the score of the same model unadapted), ``reason`` (why there is none).
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from twomind.core import csv_text
from twomind.core.errors import BadInput, quoted
from twomind.core.files import read_json
from twomind.evaluation.runs import JSON as RUN
from twomind.types.plain import Array, Foreign, Plain

IDS = ("id", "video_id", "recording", "video")
#: Of the recording: an id, or beside one more that is not looked at.
FILE = "path"
SCORES = ("score", "p1", "probability", "prob", "p")
LABELS = ("label", "decision", "prediction")
#: What `twomind train fusion` says of people that it did not learn from.
HELD_OUT = "held-out.csv"
#: How far probabilities of all classes may be from 1 in sum: they were rounded when written.
_ROUNDED = 0.01
_TIMES = ("start_s", "end_s", "time_s")
_MORE = ("no_adaptation", "reason")
_FRAME = re.compile(r"^(?P<video>.+)/frame-(?P<number>\d+)\.(?:jpg|jpeg|png)$", re.IGNORECASE)


@dataclass(frozen=True)
class Said:
    """What was said of one recording, or of a part of it.

    ``probs (C,)`` are nan where nothing was measured; ``span_s`` is None of a whole recording;
    ``frame`` is a frame's number where its time is not known; ``plain`` is without adaptation;
    ``label`` is the predictor's own decision, where it told one.
    """

    id: str
    where: str
    probs: Array
    span_s: tuple[float, float] | None = None
    frame: int | None = None
    plain: Array | None = None
    label: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Results:
    """Everything one predictor said. ``method`` is empty where nothing adapted; ``notes`` are for
    the page; ``config`` tells it from another one of the same name.
    """

    name: str
    path: Path
    said: tuple[Said, ...]
    method: str = ""
    seed: int = 0
    notes: tuple[str, ...] = ()
    config: Mapping[str, Foreign] = field(default_factory=dict)


def read_results(path: Path, classes: Sequence[str], name: str = "") -> list[Results]:
    """What lies at a path; a fusion's folder holds one per seed.

    Args:
        path: a CSV, or a folder of `twomind predict` or `twomind train fusion`.
        classes: of the task, in their order.
        name: what the predictor is called on the page; empty: after the path.

    Raises:
        BadInput: there is nothing of these, or a row cannot be used; the message names the line.
    """
    path = Path(path)
    called = name or (path.name if path.is_dir() else path.stem) or "results"
    if path.is_file():
        return [_table(path, classes, called)]
    if not path.is_dir():
        raise BadInput(
            f"{path}: no such file or folder; expected a CSV with the columns id,score, or the "
            "folder that `twomind predict` wrote"
        )
    if sorted(path.glob("*/summary.json")):
        return [_folder(path, classes, called)]
    held_out = sorted(path.rglob(HELD_OUT))
    if held_out:
        return _fusion(held_out, path, classes, called)
    if sorted(path.rglob(RUN)):
        raise BadInput(
            f"{path}: these are runs, in which labels stand beside predictions already; give them "
            "to `twomind score report`"
        )
    raise BadInput(
        f"{path}: expected results of `twomind predict` (folders with summary.json) or of `twomind "
        f"train fusion` ({HELD_OUT}); found neither"
    )


# --- folders


def _folder(path: Path, classes: Sequence[str], name: str) -> Results:
    """The results of ``twomind predict``."""
    said: list[Said] = []
    methods: set[str] = set()
    n_bare = 0
    for file in sorted(path.glob("*/summary.json")):
        entry = _summary(file)
        one, is_bare = _answer(entry, str(file), classes)
        n_bare += is_bare
        said.append(one)
        said += _moments(file.parent / "frame_score.csv", one.id, classes)
        adapted = entry.get("adaptation") or {}
        if adapted:
            methods.add(str(adapted.get("method", "adapted")))
    if len(methods) > 1:
        raise BadInput(f"{path}: expected results of one method, got {', '.join(sorted(methods))}")
    notes: list[str] = []
    if n_bare:
        notes.append(
            f"{name}: {n_bare} answers are a bare word without a probability, and count as 0 or 1: "
            "AUC, AP, ECE and Brier of such answers are coarse"
        )
    return Results(name, path, _once(said), "".join(methods), notes=tuple(notes))


def _summary(path: Path) -> Plain:
    try:
        entry = read_json(path)
        if entry["schema"] != "twomind.answer/1":
            raise KeyError("schema")
        _ = entry["prediction"]["probability"], entry["recording"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: expected a summary of `twomind predict` ({error!r})") from error
    return dict(entry)


def _answer(entry: Plain, where: str, classes: Sequence[str]) -> tuple[Said, bool]:
    """The answer about a whole recording, and whether it is a bare word."""
    prediction = entry["prediction"]
    own = (entry.get("model") or {}).get("classes")
    if own is not None and tuple(own) != tuple(classes):
        raise BadInput(
            f"{where}: the model's classes are {tuple(own)}, the task's {tuple(classes)}; give "
            "another --task"
        )
    p, why = prediction["probability"], str(prediction.get("reason") or "")
    probs = _of_last(p, where, len(classes))
    is_bare = False
    if not np.isfinite(probs).all():
        word = _word_of(prediction)
        if word is not None and 0 <= word < len(classes):
            probs, is_bare = np.eye(len(classes))[word], True
    plain = None
    unadapted = prediction.get("unadapted")
    if unadapted:
        plain = _of_last(unadapted.get("probability"), where, len(classes))
    return Said(str(entry["recording"]), where, probs, plain=plain, reason=why), is_bare


def _word_of(prediction: Plain) -> int | None:
    """The class that a language model named without a probability."""
    for one in prediction.get("evidence") or ():
        if isinstance(one, Mapping) and one.get("kind") == "said":
            return int(one["value"])
    return None


def _of_last(p: object, where: str, n_classes: int) -> Array:
    """Both probabilities from that of the second class; nan where there is none."""
    if p is None:
        return np.full(n_classes, np.nan)
    if n_classes != 2:
        raise BadInput(f"{where}: one probability says nothing of {n_classes} classes")
    score = _share(str(p), where, "probability")
    return np.array([1 - score, score])


def _moments(path: Path, recording: str, classes: Sequence[str]) -> list[Said]:
    """The curve over time, where the model has earned one."""
    if not path.is_file():
        return []
    found = []
    for one in _table(path, classes, "").said:
        found.append(Said(recording, one.where, one.probs, one.span_s, reason=one.reason))
    return found


def _fusion(files: Sequence[Path], root: Path, classes: Sequence[str], name: str) -> list[Results]:
    """Held-out people of a fusion's folds, together by seed."""
    by_seed: dict[int, list[Said]] = {}
    for file in files:
        digits = re.fullmatch(r"seed-(\d+)", file.parent.name)
        seed = int(digits[1]) if digits else 0
        by_seed.setdefault(seed, []).extend(_table(file, classes, name).said)
    made = []
    for seed, said in sorted(by_seed.items()):
        made.append(Results(name, root, _once(said), seed=seed))
    return made


def held_out_table(ids: Sequence[str], probs: Array) -> str:
    """The text of :data:`HELD_OUT`.

    Args:
        ids: recordings.
        probs: of every class, ``(N, C)``.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", *(f"p{k}" for k in range(probs.shape[1]))])
    for name, row in zip(ids, probs.tolist(), strict=True):
        writer.writerow([csv_text.cell(name), *row])
    return text.getvalue()


# --- tables


@dataclass(frozen=True)
class _Columns:
    """Which columns of a table mean what."""

    id: str
    probs: tuple[str, ...]  # one: of the last of two classes; several: of every class
    label: str
    start: str
    end: str
    time: str

    @classmethod
    def of(cls, names: Sequence[str], classes: Sequence[str], path: Path) -> _Columns:
        """
        Raises:
            BadInput: who or what was said is missing, or is there in two columns.
        """
        who = _only(names, [(name,) for name in IDS], "the id", path)
        if not who and FILE in names:
            who = (FILE,)
        probs = _only(names, _ways(names, classes), "the score", path)
        label = "".join(_only(names, [(name,) for name in LABELS], "the decision", path))
        if not who or not (probs or label):
            wanted = "score" if len(classes) == 2 else ",".join(_numbered(classes))
            raise BadInput(
                f"{path}: expected a header with id and {wanted} (or label), got "
                f"{quoted(','.join(names))}"
            )
        time = "time_s" if "time_s" in names else ""
        start = "start_s" if "start_s" in names else ""
        end = "end_s" if "end_s" in names else ""
        if bool(start) != bool(end):
            raise BadInput(f"{path}: expected start_s and end_s together; only one is there")
        if start and time:
            raise BadInput(
                f"{path}: a row is of a window (start_s,end_s) or of a moment (time_s); leave one "
                "out"
            )
        return cls(who[0], probs, label, start, end, time)


def _numbered(classes: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"p{k}" for k in range(len(classes)))


def _ways(names: Sequence[str], classes: Sequence[str]) -> list[tuple[str, ...]]:
    """The columns that may tell the probabilities, each way of writing them."""
    ways = list(dict.fromkeys([_numbered(classes), tuple(classes)]))
    of_every = {name for way in ways if set(way) <= set(names) for name in way}
    if len(classes) == 2:
        ways += [(name,) for name in SCORES if name not in of_every]
    return ways


def _only(
    names: Sequence[str], ways: Sequence[tuple[str, ...]], what: str, path: Path
) -> tuple[str, ...]:
    """The one way of writing something that is there; empty: none.

    Raises:
        BadInput: there are two, of which one would be ignored.
    """
    there = [way for way in ways if set(way) <= set(names)]
    if len(there) > 1:
        told = " and ".join(",".join(way) for way in there)
        raise BadInput(f"{path}: {what} is there more than once: {told}. Leave one of them")
    return there[0] if there else ()


def _spelled(columns: Sequence[str], classes: Sequence[str], path: Path) -> tuple[str, ...]:
    """The columns with the capitals that are expected.

    Raises:
        BadInput: two of them differ in capitals alone.
    """
    known = [*IDS, FILE, *SCORES, *LABELS, *_TIMES, *_MORE, *_numbered(classes), *classes]
    expected = {name.casefold(): name for name in known}
    before: dict[str, str] = {}
    found = []
    for column in columns:
        name = column if column in known else expected.get(column.casefold(), column)
        if name and name in before:
            raise BadInput(
                f"{path}: the columns {quoted(before[name])} and {quoted(column)} mean the same; "
                "leave one out"
            )
        before[name] = column
        found.append(name)
    return tuple(found)


def _table(path: Path, classes: Sequence[str], name: str) -> Results:
    """The rows of a CSV (or TSV)."""
    said = []
    try:
        with csv_text.table(path) as file:
            delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
            reader = csv_text.Reader(file, path, delimiter)
            reader.columns = _spelled(reader.columns, classes, path)
            columns = _Columns.of(reader.columns, classes, path)
            for cells in reader:
                where = f"{path}, line {reader.line_num}"
                said.append(_row(cells, columns, classes, where))
    except OSError as error:
        raise BadInput(f"{path}: it cannot be read ({error})") from error
    if not said:
        raise BadInput(f"{path}: there is only the header; expected a row per recording")
    return Results(name, path, _with_ends(_once(said)))


def _row(cells: Mapping[str, str], columns: _Columns, classes: Sequence[str], where: str) -> Said:
    name = cells[columns.id].strip().replace("\\", "/")
    if not name:
        raise BadInput(f"{where}: the column {columns.id} is empty")
    frame = None
    picture = _FRAME.match(name)
    if picture:
        name, frame = picture["video"], int(picture["number"])
    probs = _probs(cells, columns, len(classes), where)
    label = _label(cells.get(columns.label, ""), classes, where)
    if not columns.probs and label is not None:
        probs = np.eye(len(classes))[label]
    plain = None
    if "no_adaptation" in cells:
        plain = _one_or_none(cells["no_adaptation"], where, "no_adaptation", len(classes))
    span_s = _span(cells, columns, where)
    return Said(name, where, probs, span_s, frame, plain, label, cells.get("reason", ""))


def _probs(cells: Mapping[str, str], columns: _Columns, n: int, where: str) -> Array:
    if len(columns.probs) == 1:
        return _one_or_none(cells[columns.probs[0]], where, columns.probs[0], n)
    if not columns.probs or any(not cells[column].strip() for column in columns.probs):
        return np.full(n, np.nan)
    probs = np.array([_share(cells[column], where, column) for column in columns.probs])
    if abs(probs.sum() - 1) > _ROUNDED:
        raise BadInput(
            f"{where}: expected probabilities of all classes that sum to 1, got {probs.sum():.3f}"
        )
    return np.asarray(probs / probs.sum())


def _one_or_none(text: str, where: str, column: str, n: int) -> Array:
    """Both probabilities from that of the second class; nan where the cell is empty or says so."""
    if n != 2:
        raise BadInput(f"{where}, {column}: one score says nothing of {n} classes")
    if text.strip().lower() in ("", "nan", "na", "none", "null"):
        return np.full(n, np.nan)
    score = _share(text, where, column)
    return np.array([1 - score, score])


def _share(text: str, where: str, column: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise BadInput(
            f"{where}, {column}: expected a probability, got {quoted(text, 30)}"
        ) from error
    if not 0 <= value <= 1:
        raise BadInput(
            f"{where}, {column}: expected a probability between 0 and 1, got {value:g}; turn logits "
            "or percent into probabilities first"
        )
    return value


def _label(text: str, classes: Sequence[str], where: str) -> int | None:
    """A class by its number or name; None where the cell is empty."""
    text = text.strip()
    if not text:
        return None
    if text in classes:
        return list(classes).index(text)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if value not in range(len(classes)):
        names = ", ".join(classes)
        raise BadInput(
            f"{where}: expected a label 0 … {len(classes) - 1} or one of {names}, got "
            f"{quoted(text, 30)}"
        )
    return int(value)


def _span(cells: Mapping[str, str], columns: _Columns, where: str) -> tuple[float, float] | None:
    """A window's span; of a moment, its time twice."""
    if columns.start:
        start_s, end_s = _seconds(cells, "start_s", where), _seconds(cells, "end_s", where)
        if math.isnan(start_s) and math.isnan(end_s):
            return None
        if not start_s < end_s:
            raise BadInput(f"{where}: expected start_s < end_s, got {start_s:g} and {end_s:g}")
        return start_s, end_s
    if columns.time:
        time_s = _seconds(cells, "time_s", where)
        return None if math.isnan(time_s) else (time_s, time_s)
    return None


def _seconds(cells: Mapping[str, str], column: str, where: str) -> float:
    text = cells[column].strip()
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise BadInput(f"{where}, {column}: expected seconds, got {quoted(text, 30)}")
    return value


def _once(said: Sequence[Said]) -> tuple[Said, ...]:
    """The same rows, of which none is there twice.

    Raises:
        BadInput: one is; the message names both places.
    """
    first: dict[tuple[object, ...], Said] = {}
    for one in said:
        other = first.setdefault((one.id, one.span_s, one.frame), one)
        if other is not one:
            what = "" if one.span_s is None else f" from {one.span_s[0]:g} s"
            raise BadInput(
                f"{one.where}: {quoted(one.id)}{what} is there twice, first at {other.where}; "
                "expected one row for each"
            )
    return tuple(said)


def _with_ends(said: Sequence[Said]) -> tuple[Said, ...]:
    """Moments as spans: each lasts until the recording's next one, the last as long as usual."""
    return spread_moments(said, lambda one: None if one.span_s is None else one.span_s[0])


def spread_moments(
    said: Sequence[Said], time_of: Callable[[Said], float | None]
) -> tuple[Said, ...]:
    """The same rows, with moments (spans without length, or frames) as spans until the next one.

    Args:
        said: rows of any number of recordings.
        time_of: when a moment is, in seconds; None where the row is none.
    """
    times: dict[str, list[float]] = {}
    for one in said:
        time_s = time_of(one)
        if time_s is not None and _is_moment(one):
            times.setdefault(one.id, []).append(time_s)
    ends = {name: _ends(sorted(own)) for name, own in times.items()}
    found = []
    for one in said:
        time_s = time_of(one)
        if time_s is None or not _is_moment(one):
            found.append(one)
            continue
        span_s = (time_s, ends[one.id][time_s])
        found.append(
            Said(one.id, one.where, one.probs, span_s, None, one.plain, one.label, one.reason)
        )
    return tuple(found)


def _is_moment(one: Said) -> bool:
    if one.span_s is None:
        return one.frame is not None
    return one.span_s[0] == one.span_s[1]


def _ends(times_s: Sequence[float]) -> dict[float, float]:
    """When each moment ends."""
    steps = np.diff(times_s)
    usual = float(np.median(steps)) if len(steps) else 1.0
    ends = [*times_s[1:], times_s[-1] + usual]
    return dict(zip(times_s, ends, strict=True))


__all__ = ["HELD_OUT", "Results", "Said", "held_out_table", "read_results", "spread_moments"]
