"""The table with one row per answer, ``answers_wide.csv``: each column with its meaning and with
how its value is taken from the summary of an answer.

What was not measured is None, never 0. Rows are made of what lies in the answers' folders, one
after another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

from twomind.features import cues
from twomind.features.body.measures import MEASURES as BODY
from twomind.features.face.blendshapes import OF_UNITS
from twomind.features.face.measures import ABSOLUTE, MEASURES, UNSUPPORTED
from twomind.features.profile import VOICE_ANSWER
from twomind.features.voice.by_words import (
    FIRST_WORD,
    LAST_WORD,
    PAUSES_BY,
    WORD_RATE,
    WORDS,
)
from twomind.features.voice.track import SUMMARY
from twomind.models.calibration import sigmoid
from twomind.reporting import columns
from twomind.reporting.columns import Column, Table
from twomind.reporting.result import Values

FILE = "answers_wide.csv"
#: The version that wrote this table first.
_SINCE = "0.2.0"
_SIDES = ("change", "sustain", "neutral", "cannot tell")
_JOINED = " | "
#: Endings of names of measures, and their units.
_UNITS_OF_ENDINGS = {
    "_per_min": "per minute",
    "_per_s": "per second",
    "_dbfs": "dBFS",
    "_share": "share",
    "_hz": "Hz",
    "_st": "semitones",
    "_db": "dB",
    "_s": "s",
}
_NEVER_MEASURED = frozenset((*UNSUPPORTED, *(f"cue: {kind}" for kind in cues.NOT_MEASURED)))


@dataclass(frozen=True)
class Answer:
    """One row's source. ``summary`` is that of the answer's folder; empty where there is none, and
    then ``reason`` says why.
    """

    recording: str
    subject: str
    question: str | None
    status: str
    reason: str
    summary: Values = field(default_factory=dict)

    def at(self, *path: str) -> Any:
        """A value of the summary; None where it is not there."""
        found: Any = self.summary
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found


@dataclass(frozen=True)
class Cell:
    """A column and how its value is taken from an answer."""

    column: Column
    value: Callable[[Answer], Any]


@dataclass(frozen=True)
class Layout:
    """Which optional columns there are: those of the landmarker's blendshapes, those of the
    body.
    """

    blendshapes: bool = False
    body: bool = False


def row_of(answer: Answer, layout: Layout) -> list[Any]:
    """The values of one answer, in the order of the table."""
    return [cell.value(answer) for cell in cells(layout)]


@cache
def table(layout: Layout) -> Table:
    """The table with the columns of a layout."""
    found = tuple(replace(cell.column, since=_SINCE) for cell in cells(layout))
    return Table(FILE, "a row per answer: what may go into a statistic", found)


@cache
def cells(layout: Layout) -> tuple[Cell, ...]:
    """The columns of the row of an answer, in order."""
    found = [*_who(), *_score(), *_said()]
    found += [*_voice(), *_counted(layout), *_two_sides()]
    found += _rows_of("face", _face_measures(layout))
    found += _rows_of("voice", _VOICE_ROWS)
    if layout.body:
        body = [(f"body_{m.name}", m.name, m.unit, m.meaning) for m in BODY]
        found += _rows_of("body", body)
    return (*found, *_reasons())


def _at(*path: str) -> Callable[[Answer], Any]:
    def value(answer: Answer) -> Any:
        return answer.at(*path)

    return value


# --- who, and the score


def _who() -> Iterator[Cell]:
    yield Cell(columns.RECORDING, lambda answer: answer.recording)
    yield Cell(columns.SUBJECT, lambda answer: answer.subject)
    yield Cell(columns.QUESTION, lambda answer: answer.question)
    known = Column("question_known", "the model knows the question", "", "true, false")
    yield Cell(known, _at("model", "question_known"))
    synthetic = Column("synthetic", "the person is synthetic", "", "true, false")
    yield Cell(synthetic, _at("drawn_person"))
    yield Cell(Column("duration_s", "length of the recording", "s"), _at("media", "duration_s"))


def _score() -> Iterator[Cell]:
    status = Column("status", "what the model said", "", columns.STATUS)
    yield Cell(status, lambda answer: answer.status)
    yield Cell(columns.PROBABILITY, _at("prediction", "probability"))
    decision = Column("decision", "the more probable class", "", "absent, present, or the model's")
    yield Cell(decision, _at("prediction", "decision"))
    yield Cell(columns.BAND_LOW, partial(_end_of_band, end=0))
    yield Cell(columns.BAND_HIGH, partial(_end_of_band, end=1))
    alone = "of an answer to this question of which nothing else is known, by the same model"
    column = Column("probability_question_alone", alone, "probability", "0 to 1")
    yield Cell(column, question_alone)
    more = Column(
        "probability_beyond_question",
        "probability less probability_question_alone: what the words add to the question",
        "probability",
        "-1 to 1",
    )
    yield Cell(more, _beyond_question)
    baseline = columns.part("baseline", "the average answer", "0.2.0")
    for column in (baseline, *columns.PARTS):
        name = column.name.removeprefix("part_")
        yield Cell(column, _at("prediction", "parts_log_odds", name))
    unadapted = _at("prediction", "unadapted", "probability")
    yield Cell(columns.UNADAPTED, unadapted)


def _end_of_band(answer: Answer, end: int) -> float | None:
    band = answer.at("prediction", "band_95")
    return None if band is None else band[end]


def question_alone(answer: Answer) -> float | None:
    """The probability from the question's part alone; None where the answer has no score, the
    model has no such parts, or the question is not known to it.
    """
    parts = answer.at("prediction", "parts_log_odds") or {}
    if answer.at("prediction", "probability") is None or not {"baseline", "question"} <= set(parts):
        return None
    if not answer.at("model", "question_known"):
        return None
    return float(sigmoid(parts["baseline"] + parts["question"]))


def _beyond_question(answer: Answer) -> float | None:
    alone = question_alone(answer)
    if alone is None:
        return None
    probability: float = answer.at("prediction", "probability")
    return probability - alone


# --- words, voice, and rates


def _said() -> Iterator[Cell]:
    n_words = Column("n_words", "words of the person", "count", "0 and more")
    yield Cell(n_words, _at("words", "n"))
    yield Cell(columns.ERASED, _at("summary", "voice", "speech_without_words_s"))
    told = "words per minute, first to last word; to last speech where pauses_by is sound"
    yield Cell(
        Column("words_per_min", told, "per minute"), partial(_per_minute, n=_at("words", "n"))
    )
    speaking = Column(
        WORD_RATE,
        "words per minute of speaking, pauses left out; where pauses_by is words",
        "per minute",
    )
    yield Cell(speaking, _at("summary", "voice", WORD_RATE))
    syllables = Column(
        "syllables_per_min", "syllables per minute, pauses included, by the sound", "per minute"
    )
    yield Cell(syllables, _syllables_per_minute)
    fillers = Column(
        "fillers_per_min", "fillers (um, uh) among the words, per minute", "per minute"
    )
    yield Cell(fillers, partial(_per_minute, n=_at("measured", "cues", "filler")))


def _per_minute(answer: Answer, n: Callable[[Answer], Any]) -> float | None:
    """A count by the time from the first to the last word, or speech where words do not tell."""
    count = n(answer)
    begin, end = "first_speech_s", "last_speech_s"
    if answer.at("summary", "voice", PAUSES_BY) == WORDS:
        begin, end = FIRST_WORD, LAST_WORD
    first_s = answer.at("summary", "voice", begin)
    last_s = answer.at("summary", "voice", end)
    if count is None or first_s is None or last_s is None or last_s <= first_s:
        return None
    return float(count) / (last_s - first_s) * 60


def _syllables_per_minute(answer: Answer) -> float | None:
    per_s = answer.at("summary", "voice", "speech_rate_per_s")
    return None if per_s is None else float(per_s) * 60


def _voice() -> Iterator[Cell]:
    """Measures of the whole answer; those that a profile keeps also relative to the person's."""
    by = "words: pauses lie between words that have times of their own; sound: between heard speech"
    yield Cell(
        Column(PAUSES_BY, by), lambda answer: answer.at("summary", "voice", PAUSES_BY) or None
    )
    for name, meaning in SUMMARY.items():
        unit = unit_of(name)
        plain = meaning.removeprefix(f"{unit}, ")
        yield Cell(Column(name, plain, unit), _at("summary", "voice", name))
        if name in VOICE_ANSWER:
            told = f"{name} less the person's own at rest (with a profile), both by the sound"
            value = _at("summary", "relative_to_neutral", "voice", name, "relative")
            yield Cell(Column(f"{name}_relative", told, unit), value)


def unit_of(name: str) -> str:
    """The unit of a measure of the voice, by the ending of its name."""
    for ending, unit in _UNITS_OF_ENDINGS.items():
        if name.endswith(ending):
            return unit
    return "count"


# --- cues and sides


def _counted(layout: Layout) -> Iterator[Cell]:
    """A column per kind of cue; those of the body where it is measured."""
    for kind, meaning in cues.KINDS.items():
        if kind in cues.body_cues.KINDS and not layout.body:
            continue
        column = Column(f"cue_{plain_name(kind)}", meaning, "count", "0 and more")
        yield Cell(column, _at("measured", "cues", kind))
    blinks = Column("blinks_per_min", "blinks per minute of measured face", "per minute")
    yield Cell(blinks, _at("summary", "face", "blinks_per_minute"))


def plain_name(text: str) -> str:
    """A name of letters, digits and underscores, as R and SPSS take it."""
    return re.sub(r"\W+", "_", text).strip("_")


def _two_sides() -> Iterator[Cell]:
    """How the clauses are shared out among the sides."""
    n = Column("change_talk_n_clauses", "clauses that were judged", "count", "0 and more")
    yield Cell(n, _n_clauses)
    for side in _SIDES:
        meaning = f"share of the clauses that are told as: {side}"
        column = Column(f"change_talk_{plain_name(side)}", meaning, "share", "0 to 1")
        yield Cell(column, partial(_share_of_clauses, side=side))
    soft = Column(
        "change_talk_soft_sustain",
        "of what is said for either side, how much is said against the change",
        "share",
        "0 to 1",
    )
    yield Cell(soft, _at("change_talk", "soft_share_sustain"))


def _n_clauses(answer: Answer) -> int | None:
    counts = answer.at("change_talk", "counts")
    return None if counts is None else sum(counts.values())


def _share_of_clauses(answer: Answer, side: str) -> float | None:
    n = _n_clauses(answer)
    if not n:
        return None
    told: float = answer.at("change_talk", "counts")[side]
    return told / n


# --- means and spreads of rows

#: Name of the columns, name in the track, unit, meaning.
_Measure = tuple[str, str, str, str]
_VOICE_ROWS: Sequence[_Measure] = (
    ("pitch", "pitch", "Hz", "pitch of the voice"),
    ("energy", "energy", "dBFS", "level of the sound"),
)


def _face_measures(layout: Layout) -> list[_Measure]:
    found = [(m.name, m.name, m.unit, m.meaning) for m in MEASURES]
    if layout.blendshapes:
        meaning_of = {m.name: m.meaning for m in MEASURES}
        for unit in OF_UNITS:
            name = f"{unit}_blendshape"
            meaning = f"{meaning_of.get(unit, unit)}, by the network's blendshapes"
            found.append((name, name, "share", meaning))
    return found


def _rows_of(modality: str, measures: Sequence[_Measure]) -> Iterator[Cell]:
    """Mean, spread and share of valid rows of each measure, raw and relative."""
    valid = Column(f"{modality}_valid", f"share of valid rows of the {modality}", "share", "0 to 1")
    yield Cell(valid, _at("measured", modality, "valid_share"))
    told = f"what the relative values of the {modality} are relative to"
    yield Cell(Column(f"{modality}_neutral", told), _at("measured", modality, "neutral"))
    for name, own, unit, meaning in measures:
        yield from _statistics(name, meaning, unit, ("measured", modality, "measures", own))


def _statistics(name: str, meaning: str, unit: str, path: tuple[str, ...]) -> Iterator[Cell]:
    mean = Column(f"{name}_mean", f"{meaning}: mean over valid rows", unit)
    yield Cell(mean, _at(*path, "mean"))
    spread = Column(f"{name}_sd", f"{meaning}: standard deviation (n - 1)", unit, "0 and more")
    yield Cell(spread, _at(*path, "sd"))
    share = Column(f"{name}_valid", f"{meaning}: share of rows with a value", "share", "0 to 1")
    yield Cell(share, _at(*path, "valid_share"))
    if name in ABSOLUTE:
        return
    told = f"{meaning}, less the neutral"
    yield Cell(Column(f"{name}_relative_mean", f"{told}: mean", unit), _at(*path, "relative_mean"))
    column = Column(f"{name}_relative_sd", f"{told}: standard deviation", unit, "0 and more")
    yield Cell(column, _at(*path, "relative_sd"))


# --- why something is empty


def _reasons() -> Iterator[Cell]:
    reason = Column("reason", "why there is no score, or no result")
    yield Cell(reason, lambda answer: answer.reason)
    yield Cell(columns.NO_BAND, _at("prediction", "band_95_reason"))
    yield Cell(columns.WORDS_REASON, _at("words", "reason"))
    for modality in ("face", "voice", "body"):
        why = Column(f"{modality}_reason", f"why the {modality} is not measured")
        yield Cell(why, partial(_why_not, what=modality))
    sides = Column("change_talk_reason", "why the sides of a change are not told")
    yield Cell(sides, _at("change_talk", "reason"))
    others = Column(
        "not_measured",
        "what else was not measured in this answer, each with its reason, joined with |",
    )
    yield Cell(others, _other_reasons)
    yield Cell(columns.REMARKS, _remarks)


def _not_measured(answer: Answer) -> Iterator[tuple[str, str]]:
    for one in answer.at("not_measured") or ():
        yield one["what"], one["reason"]


def _why_not(answer: Answer, what: str) -> str | None:
    own = dict(_not_measured(answer)).get(what)
    return own or answer.at("summary", what, "reason")


def _other_reasons(answer: Answer) -> str | None:
    """What has no column of its own, and is not absent from every answer."""
    if not answer.summary:
        return None
    own = {"probability", "words", "face", "voice", "body"}
    told = []
    for what, reason in _not_measured(answer):
        if what not in own and what not in _NEVER_MEASURED:
            told.append(f"{what}: {reason}")
    return _JOINED.join(told)


def _remarks(answer: Answer) -> str | None:
    remarks = answer.at("words", "remarks")
    return None if remarks is None else _JOINED.join(remarks)


__all__ = [
    "FILE",
    "Answer",
    "Cell",
    "Layout",
    "cells",
    "plain_name",
    "question_alone",
    "row_of",
    "table",
    "unit_of",
]
