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
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.source_mark import source_mark
from twomind.core.store import Store, content_hash, default_root
from twomind.core.yaml_files import load_yaml
from twomind.datasets.bah_splits import video_id
from twomind.datasets.frames import FrameLabels, frame_number

SPLITS = ("train", "val", "test")
ANNOTATIONS = (
    "video_annotation_transcript.yaml",
    "video_annotation_transcript.yml",
    "annotation.yml",
)
NAME = re.compile(
    r"^(?P<subject>[^/_]+)_Question_(?P<question>[1-7])(?=_|\.|$)(?:_(?P<date>\d{4}-\d\d-\d\d)_(?P<time>\d\d-\d\d-\d\d))?"
)
_SEGMENT_FILES = ("segments_{}.csv", "bah_source_sub_{}_labels.csv")
#: Kind of the store's entries with a parsed annotation file; each holds many people.
KIND = "bah-annotations"


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


def split_folder(base: Path) -> Path | None:
    """The folder with the video-level split files: ``split/``, or the base itself in the public
    form.
    """
    return next(
        (f for f in (base / "split", base) if any((f / f"{s}.txt").is_file() for s in SPLITS)), None
    )


def _names_a_video(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        return any(
            is_video_name(line.split(",", 1)[0]) for _, line in zip(range(20), file, strict=False)
        )


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
    parts = path.replace("\\", "/").split("/")
    return next((p.replace(" ", "_") for p in parts if p.lower().startswith("visite")), "")


# --- frame labels
# ----------------------------------------------------------------------------------------------------


def read_frame_split(path: Path) -> tuple[dict[str, FrameLabels], tuple[str, ...]]:
    """``split-frames/<split>.txt`` (one frame a line: path, comma, label) by recording; and the
    unusable lines.
    """
    from twomind.datasets.frames import read_frame_list

    folders, problems = read_frame_list(path, separator=",")
    return {
        video_id(folder): labels for folder, labels in folders.items() if is_video_name(folder)
    }, problems


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
        raise BadInput(
            f"{path}: expected annotations by recording, found none"
            + "".join(f"; {p}" for p in problems[:1])
        )
    packed = zlib.compress(json.dumps({"entries": entries, "problems": problems}).encode(), 6)
    _note_people(entries, content, store)
    store.put(KIND, key, {"json": np.frombuffer(packed, np.uint8)}, {"source": path.name})
    return entries, tuple(problems)


def _note_people(entries: Mapping[str, Any], content: str, store: Store) -> None:
    """Everybody who is in the file, so that erasing one of them finds what is kept of it."""
    for subject in sorted({match["subject"] for name in entries if (match := NAME.match(name))}):
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
    found: dict[str, dict[str, Any]] = {}
    if isinstance(data, list):
        for item in data:
            if isinstance(item, dict):
                name = next(
                    (v for v in item.values() if isinstance(v, str) and is_video_name(v)), None
                )
                found.update({video_id(name): _compact(item)} if name else _recordings_in(item))
    elif isinstance(data, dict):
        for key, value in data.items():
            if isinstance(value, dict) and isinstance(key, str) and is_video_name(key):
                found[video_id(key)] = _compact({"path": key, **value})
            elif isinstance(value, dict | list):
                found.update(_recordings_in(value))
    return found


def _compact(entry: Mapping[str, Any]) -> dict[str, Any]:
    frames = entry.get("frame_annotation")
    rest = {str(k): _plain(v) for k, v in entry.items() if k != "frame_annotation"}
    if frames is None:
        return rest
    pairs = frames.items() if isinstance(frames, dict) else frames
    numbered: dict[int, int] = {}
    for pair in pairs:
        number = (
            frame_number(str(pair[0]))
            if isinstance(pair, tuple | list) and len(pair) == 2
            else None
        )
        if number is not None and pair[1] in (0, 1, "0", "1"):
            numbered[number] = int(pair[1])
    return {**rest, "frame_runs": runs(numbered)}


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
    ordered = sorted(numbered)
    groups = groupby(enumerate(ordered), key=lambda pair: (pair[1] - pair[0], numbered[pair[1]]))
    return [
        [(frames := [n for _, n in group])[0], frames[-1], label] for (_, label), group in groups
    ]


def labels_from_runs(spans: list[list[int]]) -> FrameLabels:
    """The inverse of :func:`runs`."""
    numbers = [np.arange(first, last + 1) for first, last, _ in spans]
    labels = [np.full(last - first + 1, label, np.int64) for first, last, label in spans]
    empty = np.empty(0, np.int64)
    return FrameLabels(
        np.concatenate(numbers) if spans else empty, np.concatenate(labels) if spans else empty
    )


# --- people
# ----------------------------------------------------------------------------------------------------------


def read_people(path: Path) -> dict[str, dict[str, str]]:
    """``meta_data.yml``: participant → sex, age, ethnicity ..., and the consents as yes, no or
    unknown.

    Raises:
        BadInput: the file is not a mapping by participant, or a list of entries with an id.
    """
    data = _load(path.read_text(encoding="utf-8-sig"))
    if (
        isinstance(data, dict)
        and len(data) == 1
        and isinstance(next(iter(data.values())), dict | list)
    ):
        inner = next(iter(data.values()))
        if isinstance(inner, list) or all(isinstance(v, dict) for v in inner.values()):
            data = inner
    if isinstance(data, list):
        keyed = {}
        for item in data:
            name = next(
                (
                    item[k]
                    for k in item
                    if _word(k) in ("id", "pid", "participant", "participant_id", "subject")
                ),
                None,
            )
            if name is not None:
                keyed[str(name)] = item
        data = keyed
    if (
        not isinstance(data, dict)
        or not all(isinstance(v, dict) for v in data.values())
        or not data
    ):
        raise BadInput(f"{path}: expected the data of each participant by id")
    return {str(pid): _person(raw) for pid, raw in data.items()}


def _word(key: Any) -> str:
    return re.sub(r"[^a-z0-9]+", "_", str(key).lower()).strip("_")


def _person(raw: Mapping[str, Any]) -> dict[str, str]:
    out: dict[str, str] = {}
    for key, value in raw.items():
        name, text = _word(key), "" if value is None else str(value).strip()
        if "consent" in name:
            which = "publication" if "publ" in name else "challenges" if "chall" in name else ""
            if which:
                out[f"consent_{which}"] = consent(value)
                continue
        if "ethnic" in name:
            out["ethnicity" if "simpl" in name else "ethnicity_detailed"] = text
        elif name in ("sex", "gender"):
            out["sex"] = text.lower()
        else:
            out[name] = text
    if "ethnicity" not in out and "ethnicity_detailed" in out:
        out["ethnicity"] = out["ethnicity_detailed"]
    return out


def consent(value: Any) -> str:
    """yes, no, or unknown: only a plain yes is a yes."""
    text = str(value).strip().lower()
    if text in ("yes", "y", "true", "1", "agree", "agreed", "oui"):
        return "yes"
    return (
        "no"
        if text in ("no", "n", "false", "0", "disagree", "refused", "refuse", "non")
        else "unknown"
    )


# --- the table
# -------------------------------------------------------------------------------------------------------


def read_table(path: Path) -> dict[str, dict[str, str]]:
    """``bah-video.csv``: the row of each recording; the column that holds its path is found by what
    it holds.
    """
    found: dict[str, dict[str, str]] = {}
    with open(path, encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            name = next((v for v in row.values() if isinstance(v, str) and is_video_name(v)), None)
            if name:
                found[video_id(name)] = {
                    k: v for k, v in row.items() if isinstance(k, str) and isinstance(v, str)
                }
    return found
