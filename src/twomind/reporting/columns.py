"""What the columns of the tables of an answer are: the one definition from which the writers take
their headings and the codebook its lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

_LOG_ODDS = "log-odds"
_SHARE = "0 to 1"
_NOT_NEGATIVE = "0 and more"


@dataclass(frozen=True)
class Column:
    """One column. ``unit`` is empty for texts; ``range`` are the values that may stand there, as
    far as they are bounded; ``since`` is the version that wrote it first; ``optional``: it is
    there only in runs that ask for it.
    """

    name: str
    meaning: str
    unit: str = ""
    range: str = ""
    since: str = "0.2.0"
    optional: bool = False


@dataclass(frozen=True)
class Table:
    """One table. ``further`` tells of columns whose names only a model knows; None where there are
    none.
    """

    file: str
    meaning: str
    columns: tuple[Column, ...]
    further: Column | None = None

    @property
    def name(self) -> str:
        """Of the file, without its ending."""
        return self.file.partition(".")[0]

    def names(self, *optional: str) -> tuple[str, ...]:
        """The headings of the table, in order.

        Args:
            optional: columns that are there only in runs that ask for them.

        Raises:
            ValueError: The codebook has no such optional column.
        """
        known = {column.name for column in self.columns if column.optional}
        unknown = set(optional) - known
        if unknown:
            raise ValueError(f"{self.file}: no entry in the codebook for {sorted(unknown)}")
        chosen = []
        for column in self.columns:
            if not column.optional or column.name in optional:
                chosen.append(column.name)
        return tuple(chosen)

    def written(self, names: Sequence[str]) -> Table:
        """The table with the columns that were written, each with its entry.

        Raises:
            ValueError: A column has no entry.
        """
        entry_of = {column.name: column for column in self.columns}
        found = []
        for name in names:
            entry = entry_of.get(name)
            if entry is None and self.further is None:
                raise ValueError(f"{self.file}: no entry in the codebook for {name!r}")
            if entry is not None:
                found.append(entry)
        return replace(self, columns=tuple(found))


RECORDING = Column("recording", "which answer: the name of its folder", since="0.1.0")
SUBJECT = Column("subject", "who speaks", since="0.1.0")
QUESTION = Column("question", "what was asked: BAH's number, or a text", since="0.1.0")
_IDENTITY = (RECORDING, SUBJECT)


def _start(since: str = "0.1.0") -> Column:
    return Column("start_s", "when it begins, on the recording's clock", "s", since=since)


def _end(since: str = "0.1.0") -> Column:
    return Column("end_s", "when it ends, on the recording's clock", "s", since=since)


MEASURES = Table(
    "measures.csv",
    "a row per time and measure",
    (
        *_IDENTITY,
        Column("modality", "what is measured", "", "face, voice, body", "0.1.0"),
        Column("time_s", "when, on the recording's clock", "s", since="0.1.0"),
        Column("measure", "which measure (docs/measures.md)", since="0.1.0"),
        Column("value", "the raw value", "see the column unit", since="0.1.0"),
        Column("relative", "the value less the neutral", "see the column unit", since="0.1.0"),
        Column("unit", "unit of value and relative", since="0.1.0"),
        Column("valid", "there is a value", "", "true, false", "0.1.0"),
        Column("reason", "why there is no value", since="0.1.0"),
        Column("neutral", "what relative is relative to", since="0.1.0"),
        Column(
            "relative_stream",
            "the value less the running median of the person's earlier recordings",
            "see the column unit",
            optional=True,
        ),
        Column("stream_reason", "why there is no relative_stream", optional=True),
    ),
)

CUES = Table(
    "cues.csv",
    "a row per cue",
    (
        *_IDENTITY,
        Column("modality", "where it was found", "", "face, voice, words, body, across", "0.1.0"),
        Column("cue", "which kind (docs/measures.md, docs/word-cues.md)", since="0.1.0"),
        _start(),
        _end(),
        Column("value", "how strong it is, where that is measured", "see unit", since="0.1.0"),
        Column("unit", "unit of value", since="0.1.0"),
        Column("detail", "the words, or what was seen or heard", since="0.1.0"),
    ),
)

WORDS = Table(
    "words.csv",
    "a row per word of the person",
    (
        *_IDENTITY,
        Column("word", "the word as it was written", since="0.1.0"),
        _start(),
        _end(),
        Column("confidence", "the recogniser's own", "share", _SHARE, "0.1.0"),
        Column(
            "time_from",
            "where its time comes from",
            "",
            "given, aligned, recognised, spread_in_cue, spread_over_recording",
            "0.1.0",
        ),
        Column("moved_score_log_odds", "what it added to the score", _LOG_ODDS, since="0.1.0"),
    ),
)

NOTES = Table(
    "transcript_notes.csv",
    "what a transcript tells besides the person's words",
    (
        *_IDENTITY,
        Column("kind", "what it is", "", "mark, other, remark, reason"),
        Column("text", "the note; of other: who speaks"),
        _start("0.2.0"),
        _end("0.2.0"),
    ),
)

EVIDENCE = Table(
    "evidence.csv",
    "what a model gave for its answer, besides parts and words",
    (
        *_IDENTITY,
        Column("kind", "what it is, as the model calls it"),
        Column("name", "which one"),
        Column("value", "how much", "see unit"),
        Column("unit", "unit of value"),
        _start("0.2.0"),
        _end("0.2.0"),
    ),
)

CHANGE_TALK = Table(
    "change_talk.csv",
    "a row per clause: which side of a change it speaks for",
    (
        *_IDENTITY,
        Column("said", "the side", "", "change, sustain, neutral, cannot tell"),
        _start("0.2.0"),
        _end("0.2.0"),
        Column("timed", "its times come from its words", "", "true, false"),
        Column("quote", "the clause"),
        Column("p_change", "probability of talk for the change", "probability", _SHARE),
        Column("p_sustain", "probability of talk against it", "probability", _SHARE),
        Column("p_neutral", "probability of neither", "probability", _SHARE),
        Column("sureness", "largest probability if all were equally common", "share", _SHARE),
    ),
)

SEGMENTS = Table(
    "segments.csv",
    "a row per stretch that a model marks",
    (
        *_IDENTITY,
        Column("label", "what is marked", since="0.1.0"),
        _start(),
        _end(),
        Column("score", "the model's", "probability", _SHARE, "0.1.0"),
        Column("source", "who marked it", since="0.1.0"),
    ),
)

FRAME_SCORE = Table(
    "frame_score.csv",
    "a row per moment: the model's curve",
    (*_IDENTITY, Column("time_s", "when, on the recording's clock", "s", since="0.1.0")),
    Column("*", "probability of the class of this name", "probability", _SHARE, "0.1.0"),
)

STATES = "done, already done, skipped, failed"
STATUS = "ok, abstained, not_measured, failed, skipped"
PROBABILITY = Column(
    "probability",
    "that a trained coder would mark ambivalence or hesitancy in the answer, unless the model says "
    "otherwise",
    "probability",
    _SHARE,
    "0.1.0",
)
BAND_LOW = Column("band_low", "lower end of the 95 % band", "probability", _SHARE, "0.1.0")
BAND_HIGH = Column("band_high", "upper end of the 95 % band", "probability", _SHARE, "0.1.0")
NO_BAND = Column("no_band", "why there is no band")
UNADAPTED = Column(
    "probability_unadapted",
    "of the same model without a method of adaptation",
    "probability",
    _SHARE,
    "0.1.0",
)
WORDS_REASON = Column("words_reason", "why the words are not measured")
REMARKS = Column("words_remarks", "what was odd about the transcript, joined with |")
ERASED = Column(
    "speech_without_words_s",
    "somebody speaks, and the recogniser wrote nothing",
    "s",
    _NOT_NEGATIVE,
)


def part(name: str, meaning: str, since: str = "0.1.0") -> Column:
    """What one part of the model's answer adds."""
    return Column(f"part_{name}", f"what {meaning} adds to the score", _LOG_ODDS, since=since)


PARTS = (
    part("question", "the question"),
    part("length", "the length of the answer"),
    part("content", "the choice of words"),
)

ANSWERS = Table(
    "answers.csv",
    "a row per file, failed ones too",
    (
        RECORDING,
        SUBJECT,
        QUESTION,
        Column("state", "what became of it in this run", "", STATES, "0.1.0"),
        Column("status", "what the model said", "", STATUS, "0.1.0"),
        PROBABILITY,
        BAND_LOW,
        BAND_HIGH,
        NO_BAND,
        *PARTS,
        Column("n_words", "words of the person", "count", _NOT_NEGATIVE, "0.1.0"),
        Column("n_cues", "cues of all kinds", "count", _NOT_NEGATIVE, "0.1.0"),
        ERASED,
        Column("reason", "why there is no score, or no result", since="0.1.0"),
        WORDS_REASON,
        REMARKS,
        Column("path", "the media file, as it was given", since="0.1.0"),
        replace(UNADAPTED, optional=True),
    ),
)

CODEBOOK = Table(
    "codebook.csv",
    "a row per column of every table that was written",
    (
        Column("file", "the table"),
        Column("name", "the column; * stands for every other column"),
        Column("unit", "unit of its numbers; empty for texts"),
        Column("range", "values that may stand there, as far as they are bounded"),
        Column("meaning", "what it is"),
        Column("since", "the version of twomind that wrote it first"),
    ),
)

#: The tables of one answer's folder.
OF_ANSWER = (MEASURES, CUES, WORDS, NOTES, EVIDENCE, CHANGE_TALK, SEGMENTS, FRAME_SCORE)
