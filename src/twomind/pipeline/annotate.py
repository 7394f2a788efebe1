"""What `predict` found, or a recording alone, as annotations that a coder opens; and a model's
results as a rater.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from twomind.annotations import PROGRAM, Annotations, Mark, Tier, merge_tiers
from twomind.core import csv_text
from twomind.core.errors import BadInput
from twomind.core.files import read_json
from twomind.evaluation.agreement_time import Spans, spans_of_score
from twomind.features.inconsistency import ACROSS
from twomind.types import Timing, Word

_MODALITY = {
    "face": "facial",
    "head": "body",
    "body": "body",
    "voice": "audio",
    "words": "language",
}
#: Cues of `describe` that BAH's coders mark under another name.
CODEBOOK = {
    "long_pause": "pause",
    "slow_speech": "slow",
    "fast_speech": "fast",
    "gaze_away": "gaze",
    "eyes_closed": "eyes closing",
    "brow_raise": "eyebrow",
    "brow_lower": "frown",
    "shoulder_raise": "shrug",
    "posture_shift": "posture",
    "lean_away": "posture",
    "hand_at_face": "hands",
    "hand_movement": "hands",
    "filler": "filler sound",
    "repeat": "repetition",
    "restart": "correction",
    "hedge": "hedging",
}
#: Inconsistency cues by the names of BAH's coders; they have none for words against words.
INCONSISTENT = {
    "face_against_words": "facial-language",
    "voice_against_words": "language-audio",
    "within_words": "language-language",
}
#: Kinds of what a transcript holds besides the person's words: of the transcriber, and of other
#: people.
MARK, OTHER = "mark", "other"
#: The tier of what the transcriber noted.
NOTES_TIER = "transcriber"
#: Which side each clause speaks for, by the change-talk model.
CHANGE_TALK_TIER = "change talk (twomind)"
#: Kind, text, begin and end in seconds.
Note = tuple[str, str, float, float]
#: A pause that ends an utterance, seconds.
UTTERANCE_GAP_S = 0.7


def find_results(source: Path) -> list[Path]:
    """Folders of single answers in a results folder of ``predict``, or ``source`` itself; empty
    when it is neither.
    """
    if (source / "summary.json").is_file():
        return [source]
    return sorted(p.parent for p in source.glob("*/summary.json")) if source.is_dir() else []


def from_results(folder: Path) -> Annotations:
    """One answer's folder: its transcript, the cues that were found and, where the model locates,
    its segments.

    ``media`` is the media file's path as `predict` was given it.

    Raises:
        BadInput: a file of the folder is missing or damaged.
    """
    summary = read_summary(folder)
    media = summary.get("media") or {}
    tiers: list[Tier] = []
    problems: list[str] = []
    if (folder / "words.csv").is_file():
        rows = _rows(folder / "words.csv", ("word", "start_s", "end_s", "time_from"))
        tiers += transcript_tiers([_word(row) for row in rows], problems)
    tiers += _note_tiers(folder / "transcript_notes.csv", problems)
    if (folder / "cues.csv").is_file():
        rows = _rows(folder / "cues.csv", ("modality", "cue", "start_s", "end_s"))
        tiers += [_cue(row) for row in rows]
    tiers += _change_talk_tiers(folder / "change_talk.csv")
    if summary.get("drawn_person"):
        problems.append("a synthetic person: what is marked here says nothing about real people")
    located = summary.get("located") or {}
    if located.get("status"):
        tiers.append(Tier("model", _segments(folder), coder=PROGRAM))
    elif located.get("reason"):
        problems.append(f"no segments of the model: {located['reason']}")
    return Annotations(
        str(summary["recording"]),
        merge_tiers(tiers),
        str(summary.get("subject") or ""),
        str(media.get("path") or ""),
        float(media.get("duration_s") or math.nan),
        tuple(problems),
    )


def from_recording(media: Path) -> Annotations:
    """A media file and the transcript beside it.

    Raises:
        BadInput: the file cannot be read.
    """
    from twomind.media.recording import open_recording

    recording = open_recording(media)
    problems: list[str] = []
    tiers = transcript_tiers(recording.words or (), problems)
    notes = [(MARK, mark.text, mark.start_s, mark.end_s) for mark in recording.marks]
    notes += [(OTHER, turn.label, turn.start_s, turn.end_s) for turn in recording.others]
    tiers += tiers_of_notes(notes)
    if recording.words is None:
        problems.append(f"no words: {recording.words_reason}")
    problems += [f"transcript: {remark}" for remark in recording.words_remarks]
    return Annotations(
        recording.id,
        merge_tiers(tiers),
        recording.subject,
        str(media),
        recording.duration_s,
        tuple(problems),
    )


def read_summary(folder: Path) -> Mapping[str, Any]:
    """The summary of one answer.

    Raises:
        BadInput: it is not there, or not one that `predict` wrote.
    """
    path = folder / "summary.json"
    try:
        summary = read_json(path)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path}: expected a summary that `twomind predict` wrote: {error}"
        ) from error
    schema = str(summary.get("schema", "")) if isinstance(summary, dict) else ""
    if not schema.startswith("twomind.answer/"):
        raise BadInput(
            f"{path}: expected a summary that `twomind predict` wrote (schema twomind.answer)"
        )
    return summary


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    with csv_text.table(path) as file:
        reader = csv_text.Reader(file, path)
        missing = [column for column in columns if column not in reader.columns]
        if missing:
            raise BadInput(
                f"{path}: expected the columns {', '.join(columns)}; missing: {', '.join(missing)}"
            )
        return list(reader)


def _number(text: str | None, otherwise: float = math.nan) -> float:
    return float(text) if text else otherwise


def _word(row: Mapping[str, str]) -> Word:
    return Word(
        row["word"],
        _number(row["start_s"]),
        _number(row["end_s"]),
        _number(row.get("confidence")),
        Timing(row["time_from"]),
    )


def transcript_tiers(words: Sequence[Word], problems: list[str]) -> list[Tier]:
    """Words and utterances as tiers. Words whose times mean nothing become one utterance over all
    of them.
    """
    if not words:
        return []
    kinds = {word.timing for word in words}
    if Timing.SPREAD_ALL in kinds:
        problems.append("the transcript has no times: it is one utterance over the whole recording")
        return [Tier("utterance", (_utterance(words),))]
    if Timing.SPREAD_CUE in kinds:
        problems.append("words lie evenly inside their subtitle; their own times are not known")
    marks = tuple(_word_mark(word) for word in words)
    return [Tier("utterance", _utterances(words)), Tier("word", marks)]


def tiers_of_notes(notes: Sequence[Note]) -> list[Tier]:
    """What the transcriber noted as one tier, and one for each other person who speaks."""
    by_name: dict[str, list[Mark]] = {}
    for kind, text, start_s, end_s in notes:
        name = NOTES_TIER if kind == MARK else text
        by_name.setdefault(name, []).append(Mark(start_s, end_s, text))
    return [Tier("other", tuple(marks), name=name) for name, marks in by_name.items()]


def _note_tiers(path: Path, problems: list[str]) -> list[Tier]:
    """The tiers of an answer's ``transcript_notes.csv``, and its remarks; none where there is no
    such file.
    """
    if not path.is_file():
        return []
    notes: list[Note] = []
    for row in _rows(path, ("kind", "text", "start_s", "end_s")):
        kind = row["kind"]
        if kind in (MARK, OTHER):
            notes.append((kind, row["text"], _number(row["start_s"]), _number(row["end_s"])))
        else:
            problems.append(f"transcript: {row['text']}")
    return tiers_of_notes(notes)


def _word_mark(word: Word) -> Mark:
    sure = "" if math.isnan(word.confidence) else f"{word.confidence:.3f}"
    return Mark(word.start_s, word.end_s, word.text, sure)


def _utterance(words: Sequence[Word]) -> Mark:
    """Words as one mark."""
    text = " ".join(word.text for word in words)
    return Mark(words[0].start_s, max(word.end_s for word in words), text)


def _utterances(words: Sequence[Word]) -> tuple[Mark, ...]:
    """Words up to a pause, or to the end of a sentence."""
    groups = [[words[0]]]
    for before, word in pairwise(words):
        pause_s = word.start_s - before.end_s
        if pause_s >= UTTERANCE_GAP_S or _ends_sentence(before.text):
            groups.append([])
        groups[-1].append(word)
    return tuple(_utterance(group) for group in groups)


def _ends_sentence(word: str) -> bool:
    return word.rstrip("\"')”").endswith((".", "!", "?", "…"))


def _cue(row: Mapping[str, str]) -> Tier:
    if row["modality"] == ACROSS:
        return _inconsistency(row)
    label = CODEBOOK.get(row["cue"], row["cue"].replace("_", " "))
    start_s = _number(row["start_s"])
    mark = Mark(start_s, _number(row["end_s"], start_s), label)
    return Tier("cue", (mark,), _MODALITY[row["modality"]], PROGRAM)


def _inconsistency(row: Mapping[str, str]) -> Tier:
    """Two modalities that do not go together; both quotes stand beside their names."""
    start_s = _number(row["start_s"])
    name = INCONSISTENT[row["cue"]]
    mark = Mark(start_s, _number(row["end_s"], start_s), name, row.get("detail", ""))
    return Tier("inconsistency", (mark,), coder=PROGRAM)


def _change_talk_tiers(path: Path) -> list[Tier]:
    """Which side each clause speaks for, as a tier of its own; none where there is no such file."""
    if not path.is_file():
        return []
    marks = []
    for row in _rows(path, ("said", "start_s", "end_s", "sureness")):
        start_s, end_s = _number(row["start_s"]), _number(row["end_s"])
        marks.append(Mark(start_s, end_s, row["said"], row["sureness"]))
    return [Tier("other", tuple(marks), name=CHANGE_TALK_TIER)]


def _segments(folder: Path) -> tuple[Mark, ...]:
    path = folder / "segments.csv"
    if not path.is_file():
        raise BadInput(
            f"{path}: the summary says that segments were located, but the file is not there"
        )
    marks = []
    for row in _rows(path, ("label", "start_s", "end_s", "score")):
        start_s, end_s = _number(row["start_s"]), _number(row["end_s"])
        marks.append(Mark(start_s, end_s, row["label"], row["score"]))
    return tuple(marks)


def beside(annotations: Annotations, path: Path) -> Annotations:
    """The same, with the media file's place relative to the folder of ``path``."""
    if not annotations.media:
        return annotations
    media = Path(annotations.media)
    if not media.exists():
        problem = (
            f"{media} is not there any more; put it beside {path.name}, or ELAN will ask for it"
        )
        return replace(annotations, media=media.name, problems=(*annotations.problems, problem))
    relative = os.path.relpath(media.resolve(), path.parent.resolve())
    return replace(annotations, media=Path(relative).as_posix())


def model_ratings(
    path: Path, threshold: float
) -> tuple[dict[str, Spans], dict[str, bool], list[str]]:
    """A model as a rater: segments and answers by recording, and what it does not say.

    ``path`` is a results folder of ``predict``, or a CSV with the columns ``time_s, score`` (and
    ``recording``), whose stretches above ``threshold`` are the model's segments.

    Raises:
        BadInput: neither of these.
    """
    if path.is_file():
        return _from_scores(path, threshold), {}, []
    folders = find_results(path)
    if not folders:
        raise BadInput(
            f"{path}: expected a results folder of `twomind predict`, or a CSV with the columns "
            "time_s, score "
            "(and recording)"
        )
    spans: dict[str, Spans] = {}
    answers: dict[str, bool] = {}
    reasons: list[str] = []
    for folder in folders:
        summary = read_summary(folder)
        name = str(summary["recording"])
        located = summary.get("located") or {}
        prediction = summary.get("prediction") or {}
        decision = prediction.get("decision")
        if located.get("status"):
            spans[name] = tuple((mark.start_s, mark.end_s) for mark in _segments(folder))
        else:
            why = located.get("reason") or "no reason given"
            reasons.append(f"the model does not say when: {why}")
        if decision is None:
            reasons.append(f"{name}: no answer of the model: {prediction.get('reason')}")
        else:
            answers[name] = decision == "present"
    return spans, answers, list(dict.fromkeys(reasons))


def _from_scores(path: Path, threshold: float) -> dict[str, Spans]:
    found: dict[str, Spans] = {}
    for name, track in _score_tracks(path).items():
        times_s, score = np.array(track).T
        if (np.diff(times_s) < 0).any():
            raise BadInput(f"{path}: expected the times of {name} in order")
        found[name] = spans_of_score(times_s, score, threshold)
    return found


def _score_tracks(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Times and scores by recording."""
    tracks: dict[str, list[tuple[float, float]]] = {}
    for number, row in enumerate(_rows(path, ("time_s", "score")), start=2):
        name = row.get("recording") or path.stem
        try:
            moment = (float(row["time_s"]), _number(row["score"]))
        except ValueError as error:
            raise BadInput(
                f"{path}, row {number}: expected numbers in time_s and score: {error}"
            ) from error
        tracks.setdefault(name, []).append(moment)
    return tracks
