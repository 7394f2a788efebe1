"""Where the parts of a BAH release lie on disk, and readers of its own file formats.

Sources: the data set's public README and code repository as summarised in the project's notes; the
releases of 2025 (v1, 1,118 videos), 2026 (v2, 1,427 videos) and the ABAW8 challenge. Path quirks
that are one recording: a blank instead of "_" between date and time, "Visite 1" for "Visite_1", a
computer's name after "_Video".
"""

from __future__ import annotations

import csv
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import csv_text
from twomind.core.errors import BadInput
from twomind.core.source_mark import source_mark
from twomind.core.store import Store, content_hash, default_root
from twomind.core.yaml_files import load_yaml
from twomind.datasets.bah_splits import video_id
from twomind.datasets.frames import FrameLabels, frame_number, read_frame_list

SPLITS = ("train", "val", "test")
ANNOTATIONS = (
    "video_annotation_transcript.yaml",
    "video_annotation_transcript.yml",
    "annotation.yml",
)
NAME = re.compile(
    r"^(?P<subject>[^/_]+)_Question_(?P<question>[1-9]\d?)(?=_|\.|$)(?:_(?P<date>\d{4}-\d\d-\d\d)_(?P<time>\d\d-\d\d-\d\d))?"
)
_SEGMENT_FILES = ("segments_{}.csv", "bah_source_sub_{}_labels.csv")
#: How far a split file is read to see whether it is one.
_LINES_LOOKED_AT = 20
#: Kind of the store's entries with a parsed annotation file; each holds many people.
KIND = "bah-annotations"


@dataclass(frozen=True)
class Video:
    """One listed recording: where its lists say it lies, and what they say of it."""

    id: str
    subject: str
    question: str
    path: str
    split: str = ""
    label: int | None = None
    transcript: str | None = None


def is_video_name(text: str) -> bool:
    """Whether a path ends with the name of a BAH recording."""
    return NAME.match(video_id(text)) is not None


def base_of(root: Path) -> Path | None:
    """The folder in which the parts lie: the root, or the ``data`` below it; None when there is no
    BAH part.
    """
    for base in (root, root / "data", root / "BAH_DB_public_access" / "data", root / "BAH_DB"):
        if not base.is_dir():
            continue
        if any((base / name).is_file() for name in ANNOTATIONS):
            return base
        folder = split_folder(base)
        if folder is not None and any(_names_a_video(folder / f"{s}.txt") for s in SPLITS):
            return base
    return None


def first_file(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of these files that is there."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    return None


def split_folder(base: Path) -> Path | None:
    """The folder with the video-level split files: ``split/``, or the base itself in the public
    form.
    """
    for folder in (base / "split", base):
        if first_file(folder, [f"{split}.txt" for split in SPLITS]):
            return folder
    return None


def _names_a_video(path: Path) -> bool:
    """Whether one of the first lines of a split file names a recording."""
    if not path.is_file():
        return False
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        first = list(islice(file, _LINES_LOOKED_AT))
    return any(is_video_name(line.split(",", 1)[0]) for line in first)


def segment_files(base: Path) -> dict[str, Path]:
    """Segment files: the public ones by split, laboratories' own by target person."""
    found = {}
    for split in SPLITS:
        for pattern in _SEGMENT_FILES:
            path = base / pattern.format(split)
            if path.is_file():
                found[split] = path
    for path in sorted(base.glob("WeightFiles/*/files/*.csv")):
        found[path.stem] = path
    return found


def films(base: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Films below ``Videos/`` by recording, whatever the visit's folder is called."""
    found: dict[str, Path] = {}
    for here, folders, files in os.walk(base / "Videos"):
        folders.sort()
        for name in sorted(files):
            if name.lower().endswith(suffixes) and is_video_name(name):
                found.setdefault(video_id(name), Path(here) / name)
    return found


def crop_folders(base: Path) -> dict[str, Path]:
    """Folders ``cropped-aligned-faces/Videos/<pid>/<visit>/<video>.mp4/`` by recording; never
    descends into one.
    """
    return _video_folders(base / "cropped-aligned-faces")


def transcripts(base: Path) -> dict[str, Path]:
    """Whisper files ``transcription/Videos/<pid>/<visit>/<video>.mp4/<video>.yml`` by recording."""
    found = {}
    for name, folder in _video_folders(base / "transcription").items():
        files = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".yml", ".yaml"))
        if files:
            found[name] = files[0]
    return found


def _video_folders(root: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for here, folders, _ in os.walk(root):
        videos = [f for f in folders if is_video_name(f)]
        for name in sorted(videos):
            found.setdefault(video_id(name), Path(here) / name)
        folders[:] = sorted(set(folders) - set(videos))
    return found


def visit_of(path: str) -> str:
    """The visit's folder of a path in the data set, blanks as underscores; "" when there is none.

    >>> visit_of("Videos/10/Visite 1/10_Question_3_2024-01-01_10-00-00_Video.mp4")
    'Visite_1'
    """
    for part in path.replace("\\", "/").split("/"):
        if part.lower().startswith("visite"):
            return part.replace(" ", "_")
    return ""


# --- frame labels
# ----------------------------------------------------------------------------------------------------


def read_frame_split(path: Path) -> tuple[dict[str, FrameLabels], tuple[str, ...]]:
    """``split-frames/<split>.txt`` (one frame a line: path, comma, label) by recording; and the
    unusable lines.
    """
    folders, problems = read_frame_list(path, separator=",")
    found = {}
    for folder, labels in folders.items():
        if is_video_name(folder):
            found[video_id(folder)] = labels
    return found, problems


# --- the annotation file
# ---------------------------------------------------------------------------------------------


def read_annotations(
    path: Path, store: Store | None = None
) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """Every recording's entry of ``video_annotation_transcript.yaml`` (91 MB) or ABAW8's
    ``annotation.yml``.

    The file is read entry by entry, so memory stays flat, and the result is kept in the store under
    the file's hash. Values are as in the file, but the list of frames becomes ``frame_runs``:
    ``[first, last, label]`` of frame numbers. Also returns the entries that could not be read.

    Raises:
        BadInput: the file holds no entry of a recording.
    """
    store, content = store or Store(default_root()), content_hash(path)
    key = store.key(content, {"reader": "bah annotations", "recipe": source_mark(__name__)})
    kept = store.get(KIND, key)
    if kept is not None:
        found = json.loads(zlib.decompress(kept[0]["json"].tobytes()))
        _note_people(found["entries"], content, store)
        return found["entries"], tuple(found["problems"])
    entries: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    with open(path, encoding="utf-8-sig") as file:
        for line, text in _top_entries(file):
            try:
                entries.update(_without_frames(text) or _recordings_in(_load(text)))
            except BadInput as error:
                problems.append(f"line {line}: {error}")
    if not entries:
        why = f"; {problems[0]}" if problems else ""
        raise BadInput(f"{path}: expected annotations by recording, found none{why}")
    text = json.dumps({"entries": entries, "problems": problems})
    packed = np.frombuffer(zlib.compress(text.encode(), 6), np.uint8)
    _note_people(entries, content, store)
    store.put(KIND, key, {"json": packed}, {"source": path.name})
    return entries, tuple(problems)


def _note_people(entries: Mapping[str, Any], content: str, store: Store) -> None:
    """Everybody who is in the file, so that erasing one of them finds what is kept of it."""
    matches = [NAME.match(name) for name in entries]
    for subject in sorted({match["subject"] for match in matches if match}):
        store.note(subject, content)


def _top_entries(lines: Iterator[str] | Any) -> Iterator[tuple[int, str]]:
    """Text of each top-level entry of a block mapping or list, with its line. Continuations are
    indented or ``-``.
    """
    held: list[str] = []
    start, as_list = 1, False
    for number, line in enumerate(lines, 1):
        if line.startswith(("---", "...", "%", "#")):
            continue
        if not held and line.strip():
            as_list = line.startswith("- ")
        opens = line.startswith("- ") if as_list else line[0] not in " \t\r\n-:#}]"
        if opens and held:
            yield start, "".join(held)
            held = []
        if not held:
            start = number
        if held or line.strip():
            held.append(line)
    if held:
        yield start, "".join(held)


_FRAME = re.compile(
    r"[ \t]*-[ \t]+(?:!!python/tuple[ \t]*\n[ \t]*)?-[ \t]+([^\n]+?)[ \t]*\n[ \t]*-[ \t]+([01])[ "
    r"\t]*\n"
)
_FRAMES_KEY = re.compile(r"^[ \t]+frame_annotation:[ \t]*\n", re.MULTILINE)


def _without_frames(text: str) -> dict[str, dict[str, Any]] | None:
    """The entry of one recording, its list of frames read without YAML; None when it does not look
    as usual.

    The frames are nine tenths of the file; a YAML reader takes most of a minute for them.
    """
    keys = list(_FRAMES_KEY.finditer(text))
    if len(keys) != 1:
        return None
    at, numbered = keys[0].end(), {}
    while match := _FRAME.match(text, at):
        number = frame_number(match[1].strip("'\""))
        if number is None:
            return None
        numbered[number], at = int(match[2]), match.end()
    if not numbered or text[at:].lstrip(" \t").startswith("-"):
        return None
    found = _recordings_in(_load(text[: keys[0].start()] + text[at:]))
    if len(found) != 1:
        return None
    name, entry = found.popitem()
    return {name: {**entry, "frame_runs": runs(numbered)}}


def _load(text: str) -> Any:
    try:
        return load_yaml(text)
    except ValueError as error:
        raise BadInput(f"not YAML: {error}") from error


def _recordings_in(data: Any) -> dict[str, dict[str, Any]]:
    """Entries by recording, from a mapping by video, a list of entries that name theirs, or one
    level deeper.
    """
    if isinstance(data, list):
        return _recordings_in_list(data)
    found: dict[str, dict[str, Any]] = {}
    if not isinstance(data, dict):
        return found
    for key, value in data.items():
        names_one = isinstance(key, str) and is_video_name(key)
        if isinstance(value, dict) and names_one:
            found[video_id(key)] = _compact({"path": key, **value})
        elif isinstance(value, dict | list):
            found.update(_recordings_in(value))
    return found


def _recordings_in_list(items: list[Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for item in items:
        if not isinstance(item, dict):
            continue
        name = _video_named_in(item)
        if name:
            found[video_id(name)] = _compact(item)
        else:
            found.update(_recordings_in(item))
    return found


def _video_named_in(row: Mapping[Any, Any]) -> str | None:
    """The first cell that is the name of a recording."""
    for cell in row.values():
        if isinstance(cell, str) and is_video_name(cell):
            return cell
    return None


def _compact(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry with its frames as runs."""
    found = {}
    for key, value in entry.items():
        if key != "frame_annotation":
            found[str(key)] = _plain(value)
    frames = entry.get("frame_annotation")
    if frames is None:
        return found
    numbered: dict[int, int] = {}
    for pair in frames.items() if isinstance(frames, dict) else frames:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            continue
        name, label = pair
        number = frame_number(str(name))
        if number is not None and label in (0, 1, "0", "1"):
            numbered[number] = int(label)
    found["frame_runs"] = runs(numbered)
    return found


def _plain(value: Any) -> Any:
    """Values that JSON keeps."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def runs(numbered: Mapping[int, int]) -> list[list[int]]:
    """``[first, last, label]`` of consecutive frames with one label.

    >>> runs({0: 0, 1: 0, 2: 1, 5: 1})
    [[0, 1, 0], [2, 2, 1], [5, 5, 1]]
    """
    found: list[list[int]] = []
    for number in sorted(numbered):
        label = numbered[number]
        if found and found[-1][1:] == [number - 1, label]:
            found[-1][1] = number
        else:
            found.append([number, number, label])
    return found


def labels_from_runs(spans: list[list[int]]) -> FrameLabels:
    """The inverse of :func:`runs`."""
    numbers = [np.empty(0, np.int64)]
    labels = [np.empty(0, np.int64)]
    for first, last, label in spans:
        numbers.append(np.arange(first, last + 1))
        labels.append(np.full(last - first + 1, label, np.int64))
    return FrameLabels(np.concatenate(numbers), np.concatenate(labels))


# --- the table
# -------------------------------------------------------------------------------------------------------


def read_table(path: Path) -> dict[str, dict[str, str]]:
    """``bah-video.csv``: the row of each recording; the column that holds its path is found by what
    it holds.
    """
    found: dict[str, dict[str, str]] = {}
    with csv_text.table(path) as file:
        for row in csv.DictReader(file):
            name = _video_named_in(row)
            if not name:
                continue
            cells = {}
            for column, cell in row.items():
                # Cells beyond the header are a list without a name.
                if isinstance(column, str) and isinstance(cell, str):
                    cells[column] = cell
            found[video_id(name)] = cells
    return found
