"""How well speech is transcribed: recognised words, fillers and word times against recordings whose
words are known. Recordings come in a folder with a ``manifest.csv``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from twomind.core import csv_text
from twomind.core.errors import BadInput
from twomind.core.numbers import interval, resamples, wilson
from twomind.core.store import Store
from twomind.evaluation.edits import Edits, compared
from twomind.evaluation.grids import Interval, read_grid
from twomind.features.describe import Description, Settings, describe
from twomind.features.voice.unworded import FILLED_PAUSE, WITHOUT_WORDS
from twomind.media.recording import open_recording
from twomind.transcripts.heard import is_filler
from twomind.transcripts.pronounce import spoken_parts
from twomind.types import Recording
from twomind.types.plain import Array, Plain

SCHEMA = "twomind.score.transcripts/1"
COLUMNS = ("file", "transcript", "times", "n_fillers", "note")
#: What every filler counts as: whether um or uh was written does not matter.
FILLER = "<filler>"
#: Figure → what it is.
FIGURES = {
    "wer": "substituted, left out and invented words over the words said, fillers among them",
    "word_recall": "share of the words said, fillers left out, that were written",
    "filler_precision": "share of the fillers found (written, or heard) that were said",
    "filler_recall": "share of the fillers said that were found",
    "insertions_per_min": "words written that were not said, per minute",
    "boundary_ms": "median distance of begins and ends of words from those of the TextGrids, ms",
    "boundary_within_50": "share of begins and ends within 50 ms",
}
#: Two findings of a filler closer than this, in seconds, are one.
_ONE_S = 0.2
_MIN_RECORDINGS = 5
_WRITTEN_APART = {"alright": ("all", "right"), "ok": ("okay",)}
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Item:
    """A recording of the manifest: its file, and what is known about it."""

    media: Path
    transcript: Path | None
    times: Path | None
    n_fillers: int | None
    note: str


@dataclass(frozen=True)
class Token:
    """A word as it is compared, with its time in seconds."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Fillers:
    """Fillers found, of these said, and said in all."""

    found: int
    right: int
    said: int


@dataclass(frozen=True)
class Judged:
    """How well one recording was transcribed."""

    item: Item
    minutes: float
    edits: Edits | None
    words_said: int
    words_met: int
    fillers: Fillers | None
    boundary_ms: tuple[float, ...]
    text: str
    erased_s: float
    remarks: tuple[str, ...] = field(default=())


def read_manifest(folder: Path) -> list[Item]:
    """The recordings of a folder's ``manifest.csv``.

    Raises:
        BadInput: no manifest, a column or a file that it names is absent, or a count is none.
    """
    path = folder / "manifest.csv"
    if not path.is_file():
        raise BadInput(f"{folder}: expected a manifest.csv with the columns {', '.join(COLUMNS)}")
    with csv_text.table(path) as file:
        reader = csv_text.Reader(file, path)
        absent = [name for name in COLUMNS[:-1] if name not in reader.columns]
        if absent:
            raise BadInput(f"{path}: expected the column {absent[0]!r}")
        return [_item(folder, path, row) for row in reader]


def _item(folder: Path, path: Path, row: dict[str, str]) -> Item:
    n_fillers = row["n_fillers"].strip()
    if n_fillers and not n_fillers.isdecimal():
        raise BadInput(
            f"{path}: expected n_fillers as a whole number or nothing; got {n_fillers!r}"
        )
    media = _named(folder, path, row["file"])
    if media is None:
        raise BadInput(f"{path}: expected a file in every row")
    transcript = _named(folder, path, row["transcript"])
    times = _named(folder, path, row["times"])
    note = row.get("note") or ""
    n_known = int(n_fillers) if n_fillers else None
    return Item(media, transcript, times, n_known, note.strip())


def _named(folder: Path, manifest: Path, name: str | None) -> Path | None:
    if not (name or "").strip():
        return None
    path = folder / str(name).strip()
    if not path.is_file():
        raise BadInput(f"{manifest}: there is no file {path}")
    return path


def score_transcripts(
    folder: Path,
    settings: Settings,
    store: Store | None = None,
    tell: Tell | None = None,
    seed: int = 0,
) -> Plain:
    """Recognise all recordings of a folder and compare with what is known about them.

    Args:
        folder: With a ``manifest.csv`` (columns :data:`COLUMNS`).
        settings: How to describe; its ``speech_model`` recognises.
        store: Of measured features; without it the user's own.
        tell: Is told which recording is next.
        seed: Of the resamples behind intervals.

    Returns:
        Plain values: ``figures``, one row per recording, and what was odd.

    Raises:
        BadInput: the manifest cannot be read, or there is no speech model.
    """
    if settings.speech_model is None:
        raise BadInput("scoring transcripts: expected a speech model (--speech-model)")
    items = read_manifest(folder)
    judged = []
    for k, item in enumerate(items, 1):
        if tell is not None:
            tell(f"{k} of {len(items)}: {item.media.name}")
        judged.append(_judge(item, settings, store))
    rows = [_row(one, folder) for one in judged]
    minutes = sum(one.minutes for one in judged)
    return {
        "schema": SCHEMA,
        "data": str(folder),
        "speech_model": str(settings.speech_model),
        "n_recordings": len(judged),
        "minutes": round(minutes, 3),
        "figures": figures(judged, seed),
        "recordings": rows,
    }


def _judge(item: Item, settings: Settings, store: Store | None) -> Judged:
    recording = open_recording(item.media)
    alone = _without_words(recording)
    found = describe(alone, ("voice", "words"), store=store, settings=settings)
    return judge(item, found)


def judge(item: Item, found: Description) -> Judged:
    """Compare what was found in a recording with what is known about it.

    Args:
        item: What is known.
        found: Its description with recognised words.
    """
    words = found.recording.words
    if words is None:
        raise BadInput(f"{item.media}: no words were recognised: {found.features.notes['words']}")
    heard = _heard(found)
    written: list[Token] = []
    for word in words:
        written += _tokens(word.text, word.start_s, word.end_s)
    said = _said(item)
    grid = read_grid(item.times) if item.times is not None else {}
    marked = grid.get("fillers", [])
    known_fillers = [one for one in marked if one.text]
    edits = None
    met = 0
    if said is not None:
        edits = compared(said, _texts(written))
        met = sum(said[k] != FILLER for k, _ in edits.same)
    content = [text for text in said or () if text != FILLER]
    erased_s = sum(cue.value for cue in found.cues if cue.kind == WITHOUT_WORDS)
    return Judged(
        item=item,
        minutes=found.recording.duration_s / 60,
        edits=edits,
        words_said=len(content),
        words_met=met,
        fillers=_fillers(item, said, written, heard, known_fillers),
        boundary_ms=_boundaries(written, grid.get("words", [])),
        text=" ".join(word.text for word in words),
        erased_s=erased_s,
        remarks=found.recording.words_remarks,
    )


def _texts(tokens: Iterable[Token]) -> list[str]:
    return [token.text for token in tokens]


def _without_words(recording: Recording) -> Recording:
    """A transcript beside the file must not stand in for the recogniser."""
    return replace(recording, words=None, words_source="", words_remarks=(), marks=(), others=())


def _heard(found: Description) -> list[Token]:
    cues = [cue for cue in found.cues if cue.kind == FILLED_PAUSE]
    return [Token(FILLER, cue.start_s, cue.end_s) for cue in cues]


def _said(item: Item) -> list[str] | None:
    if item.transcript is None:
        return None
    text = item.transcript.read_text(encoding="utf-8-sig")
    said: list[str] = []
    for word in text.split():
        said += _texts(_tokens(word, 0.0, 0.0))
    return said


def _tokens(word: str, start_s: float, end_s: float) -> list[Token]:
    """A written word as what is said: numbers in words, parts of a compound apart."""
    if is_filler(word):
        return [Token(FILLER, start_s, end_s)]
    parts: list[str] = []
    for part in spoken_parts(word):
        parts += _WRITTEN_APART.get(part, (part,))
    return [Token(part, start_s, end_s) for part in parts]


# --- fillers


def _fillers(
    item: Item,
    said: list[str] | None,
    written: list[Token],
    heard: list[Token],
    known: list[Interval],
) -> Fillers | None:
    """By time where the times of fillers are known, else by their place in the transcript, else by
    their number.
    """
    written_fillers = [token for token in written if token.text == FILLER]
    found = _merged(written_fillers, heard)
    if known:
        right = _met_in_time(known, found)
        return Fillers(len(found), right, len(known))
    if said is not None:
        content = [token for token in written if token.text != FILLER]
        both = sorted([*content, *found], key=lambda token: token.start_s)
        edits = compared(said, _texts(both))
        right = sum(said[k] == FILLER for k, _ in edits.same)
        n_said = said.count(FILLER)
        return Fillers(len(found), right, n_said)
    if item.n_fillers is None:
        return None
    at_most = min(len(found), item.n_fillers)
    return Fillers(len(found), at_most, item.n_fillers)


def _merged(written: list[Token], heard: list[Token]) -> list[Token]:
    """Findings of fillers; what is written and heard at once is one."""
    out: list[Token] = []
    for token in sorted([*written, *heard], key=lambda token: token.start_s):
        if out and token.start_s - out[-1].end_s < _ONE_S:
            last = out[-1]
            end_s = max(last.end_s, token.end_s)
            out[-1] = Token(FILLER, last.start_s, end_s)
        else:
            out.append(token)
    return out


def _met_in_time(known: list[Interval], found: list[Token]) -> int:
    """How many of the known fillers overlap a finding; a finding meets one."""
    used: set[int] = set()
    for one in known:
        for k, token in enumerate(found):
            if k in used:
                continue
            start_s = max(token.start_s, one.start_s)
            end_s = min(token.end_s, one.end_s)
            if end_s > start_s:
                used.add(k)
                break
    return len(used)


# --- times


def _boundaries(written: list[Token], grid: list[Interval]) -> tuple[float, ...]:
    """Distances in ms of begins and ends of the words that both have."""
    known = []
    for one in grid:
        if one.text:
            known += _tokens(one.text, one.start_s, one.end_s)
    edits = compared(_texts(known), _texts(written))
    out: list[float] = []
    for k, n in edits.same:
        mine, theirs = known[k], written[n]
        out.append(1000 * abs(mine.start_s - theirs.start_s))
        out.append(1000 * abs(mine.end_s - theirs.end_s))
    return tuple(out)


# --- figures


def figures(judged: Sequence[Judged], seed: int = 0) -> Plain:
    """All figures over recordings, each with its interval where there is enough to tell.

    Args:
        judged: What every recording gave.
        seed: Of the resamples of recordings.
    """
    compared_ones = [one for one in judged if one.edits is not None]
    edits = [one.edits for one in judged if one.edits is not None]
    n_said = [one.n_said for one in edits]
    wrong = [one.n_wrong for one in edits]
    inserted = [one.n_inserted for one in edits]
    minutes = [one.minutes for one in compared_ones]
    fillers = [one.fillers for one in judged if one.fillers is not None]
    n_right = sum(one.right for one in fillers)
    n_found = sum(one.found for one in fillers)
    n_fillers = sum(one.said for one in fillers)
    n_met = sum(one.words_met for one in compared_ones)
    n_words = sum(one.words_said for one in compared_ones)
    errors_ms = np.array([ms for one in judged for ms in one.boundary_ms])
    near = int((errors_ms <= 50).sum())
    found: Plain = {
        "wer": _ratio(wrong, n_said, seed),
        "word_recall": _share(n_met, n_words),
        "filler_precision": _share(n_right, n_found),
        "filler_recall": _share(n_right, n_fillers),
        "insertions_per_min": _ratio(inserted, minutes, seed),
        "boundary_ms": _median(errors_ms, seed),
        "boundary_within_50": _share(near, len(errors_ms)),
    }
    return found


def _share(k: int, n: int) -> Plain:
    if not n:
        return {"value": None, "interval": None, "k": k, "n": n}
    low, high = wilson(k, n)
    return {"value": k / n, "interval": [low, high], "k": k, "n": n}


def _ratio(above: Sequence[float], below: Sequence[float], seed: int) -> Plain:
    """A ratio of sums, with an interval from resampled recordings where there are five or more."""
    total = sum(below)
    n = len(above)
    if not total:
        return {"value": None, "interval": None, "n": n}
    span = None
    if n >= _MIN_RECORDINGS:
        drawn = resamples(n, 2000, seed)
        sums_above = drawn @ np.array(above, float)
        sums_below = drawn @ np.array(below, float)
        divisors = np.where(sums_below > 0, sums_below, np.nan)
        span = interval(sums_above / divisors)
    return {"value": sum(above) / total, "interval": span, "n": n}


def _median(values: Array, seed: int) -> Plain:
    n = len(values)
    if not n:
        return {"value": None, "interval": None, "n": 0}
    rng = np.random.default_rng(seed)
    drawn = rng.choice(values, (1000, n))
    medians = np.median(drawn, axis=1)
    middle = float(np.median(values))
    return {"value": middle, "interval": interval(medians), "n": n}


def _row(one: Judged, folder: Path) -> Plain:
    edits = one.edits
    fillers = one.fillers
    path = one.item.media.relative_to(folder)
    row: Plain = {"file": str(path), "note": one.item.note}
    row["seconds"] = round(60 * one.minutes, 2)
    row["words_said"] = edits.n_said if edits else None
    row["words_wrong"] = edits.n_wrong if edits else None
    row["words_inserted"] = edits.n_inserted if edits else None
    row["fillers_said"] = fillers.said if fillers else None
    row["fillers_found"] = fillers.found if fillers else None
    row["fillers_right"] = fillers.right if fillers else None
    row["speech_without_words_s"] = round(one.erased_s, 2)
    row["text"] = one.text
    row["remarks"] = list(one.remarks)
    return row
