"""Files a person or a program reads on: tidy tables (CSV, Parquet), cues and segments (CSV,
WebVTT), JSON summary.

The long table has one row per time and measure: ``recording, subject, modality, time_s, measure,
value, relative, unit, valid, reason, neutral``. ``value`` is raw, ``relative`` the same against the
person's neutral that ``neutral`` names. Where a stream of the person's recordings was given,
``relative_stream`` is the value less the running median of those before, and ``stream_reason`` why
there is none.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import csv_text
from twomind.core.store import replacing, write_text
from twomind.reporting import columns
from twomind.reporting.result import Plain, Result, Values
from twomind.reporting.sheets import opened, shown
from twomind.types import Cue, Evidence, Segment, Track

#: Why a value of a valid row is not there.
_NOT_HERE = "not measurable in this frame"


def _shown(track: Track, rows: slice) -> np.ndarray:
    """Values ``(n, D)`` of some rows, nan where a row is not valid."""
    valid = track.valid[rows, None]
    return np.where(valid, track.values[rows], np.nan)


def _against(relative: Track | None, rows: slice, shown: np.ndarray) -> np.ndarray:
    """The relative values of some rows; nan throughout where there are none."""
    if relative is None:
        return np.full_like(shown, np.nan)
    return _shown(relative, rows)


def _units(track: Track) -> tuple[str, ...]:
    return track.units or ("",) * len(track.names)


COLUMNS = columns.MEASURES.names()

#: The tracks that go into the long table, each with the track that holds its relative values.
TABLED = {"face": "face_relative", "body": "body_relative", "voice": "voice_relative"}

#: Columns that stand behind the others where a stream of the person's recordings was given.
STREAM_COLUMNS = ("relative_stream", "stream_reason")

_BLOCK_ROWS = 4096


def _quoted(text: str) -> str:
    """One CSV field; an empty text stays empty, where the csv module would write two quotes."""
    if not text:
        return ""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow([csv_text.cell(text)])
    return buffer.getvalue()


def _numbers(values: np.ndarray) -> list[str]:
    return ["" if v != v else f"{v:.6g}" for v in values.tolist()]


def _stream_of(result: Result, modality: str) -> Track | None:
    return result.features.tracks.get(f"{modality}_stream")


def _has_stream(result: Result) -> bool:
    return any(_stream_of(result, modality) is not None for modality in TABLED)


def _stream_fields(stream: Track, rows: slice) -> list[str]:
    """The last two fields of each line, with the comma before them."""
    assert stream.reason_code is not None
    shown = _shown(stream, rows)
    values = _numbers(shown.ravel())
    reasons = [_quoted(reason) for reason in stream.reasons]
    width = len(stream.names)
    codes = np.repeat(stream.reason_code[rows], width)
    fields = []
    for value, code in zip(values, codes.tolist(), strict=True):
        fields.append(f",{value},{reasons[code]}")
    return fields


def _with_stream(block: str, stream: Track | None, rows: slice) -> str:
    """Lines of the long table with the columns of the stream behind them."""
    lines = block.split("\n")
    lines.pop()  # what stands behind the last end of a line
    ends = [",,"] * len(lines)
    if stream is not None:
        ends = _stream_fields(stream, rows)
    longer = []
    for line, end in zip(lines, ends, strict=True):
        longer.append(f"{line}{end}\n")
    return "".join(longer)


def _csv_block(head: str, track: Track, relative: Track | None, rows: slice, neutral: str) -> str:
    assert track.reason_code is not None
    shown = _shown(track, rows)
    measured = np.isfinite(shown)
    value_text = _numbers(shown.ravel())
    relative_text = _numbers(_against(relative, rows, shown).ravel())
    reasons = [_quoted(r) for r in track.reasons]
    reason_of_row = [reasons[code] for code in track.reason_code[rows].tolist()]
    names = [_quoted(n) for n in track.names]
    units = [_quoted(u) for u in _units(track)]
    last = neutral if relative is not None else ""
    lines = []
    position = 0
    for row, time_s in enumerate(track.times_s[rows].tolist()):
        start = f"{head}{time_s:.6f}"
        reason = reason_of_row[row]
        for column, name in enumerate(names):
            ok = measured[row, column]
            why = reason if reason or ok else _NOT_HERE
            valid = "true" if ok else "false"
            numbers = f"{value_text[position]},{relative_text[position]}"
            measure = f"{name},{numbers},{units[column]}"
            lines.append(f"{start},{measure},{valid},{why},{last}\n")
            position += 1
    return "".join(lines)


def _blocks(result: Result) -> Iterator[tuple[str, Track, Track | None, slice]]:
    """Modality, track, relative track and rows of each block of the long table."""
    tracks = result.features.tracks
    for modality, relative in TABLED.items():
        track = tracks.get(modality)
        if track is None:
            continue
        other = tracks.get(relative)
        for start in range(0, len(track), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            yield modality, track, other, rows


def write_measures_csv(result: Result, path: Path, bom: bool = False) -> Path:
    """The long table as CSV, in blocks, so that memory does not grow with the video.

    Args:
        result: the answer.
        path: of the file.
        bom: begin with a byte order mark.
    """
    who = f"{_quoted(result.recording.id)},{_quoted(result.recording.subject)}"
    with opened(path, bom) as file:
        names = _names_of_measures(result)
        file.write(",".join(names) + "\n")
        for modality, track, relative, rows in _blocks(result):
            neutral = _quoted(_neutral_of(result, modality))
            block = _csv_block(f"{who},{modality},", track, relative, rows, neutral)
            if len(names) > len(COLUMNS):
                block = _with_stream(block, _stream_of(result, modality), rows)
            file.write(block)
    return path


def _names_of_measures(result: Result) -> tuple[str, ...]:
    optional = STREAM_COLUMNS if _has_stream(result) else ()
    return columns.MEASURES.names(*optional)


def _neutral_of(result: Result, modality: str) -> str:
    return result.voice_neutral if modality == "voice" else result.neutral


def write_measures_parquet(result: Result, path: Path) -> Path | None:
    """The same table as Parquet, where pyarrow is installed; else None."""
    if importlib.util.find_spec("pyarrow") is None:
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.dictionary(pa.int32(), pa.string())
    kinds = dict.fromkeys(COLUMNS, text)
    kinds["time_s"] = pa.float64()
    kinds["value"] = pa.float32()
    kinds["relative"] = pa.float32()
    kinds["valid"] = pa.bool_()
    kinds |= {"relative_stream": pa.float32(), "stream_reason": text}
    names = _names_of_measures(result)
    schema = pa.schema([(name, kinds[name]) for name in names])
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for modality, track, relative, rows in _blocks(result):
            block = _column_block(track, relative, rows)
            block["recording"] = _same(result.recording.id, block)
            block["subject"] = _same(result.recording.subject, block)
            block["modality"] = _same(modality, block)
            neutral = _neutral_of(result, modality) if relative is not None else ""
            block["neutral"] = _same(neutral, block)
            block |= _stream_block(_stream_of(result, modality), rows, block)
            arrays = [_arrow(pa, block[name], kinds[name]) for name in names]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return path


def _stream_block(stream: Track | None, rows: slice, block: Values) -> Plain:
    """The columns of a stream of the person's recordings."""
    found: Plain = {}
    if stream is None:
        found["relative_stream"] = np.full_like(block["value"], np.nan)
        found["stream_reason"] = _same("", block)
        return found
    assert stream.reason_code is not None
    shown = _shown(stream, rows)
    width = len(stream.names)
    code = np.repeat(stream.reason_code[rows], width)
    found["relative_stream"] = shown.ravel().astype(np.float32)
    found["stream_reason"] = (code.astype(np.int32), list(stream.reasons))
    return found


def _arrow(pa: Any, column: Any, kind: Any) -> Any:
    if not pa.types.is_dictionary(kind):
        return pa.array(column, kind)
    codes, names = column
    # Each text once: where one stands twice, the writer leaves memory of the process in the file.
    once = list(dict.fromkeys(names))
    place = np.array([once.index(name) for name in names], np.int32)
    texts = pa.array(once, pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(place[codes], pa.int32()), texts)


def _same(text: str, block: Values) -> tuple[np.ndarray, list[str]]:
    """A text column with one text in every row of the block."""
    codes = np.zeros(len(block["value"]), np.int32)
    return codes, [text]


def _column_block(track: Track, relative: Track | None, rows: slice) -> Plain:
    """The columns that a track fills; text columns as (codes, names)."""
    assert track.reason_code is not None
    width = len(track.names)
    times_s = np.repeat(track.times_s[rows], width)
    shown = _shown(track, rows)
    against = _against(relative, rows, shown).ravel()
    value = shown.ravel()
    measured = np.isfinite(value)
    code = np.repeat(track.reason_code[rows].astype(np.int32), width)
    alone = len(track.reasons)
    code = np.where(measured | (code > 0), code, alone)
    numbers = np.arange(width, dtype=np.int32)
    measure = np.tile(numbers, len(shown))
    block: Plain = {"time_s": times_s}
    block["measure"] = (measure, list(track.names))
    block["value"] = value.astype(np.float32)
    block["relative"] = against.astype(np.float32)
    block["unit"] = (measure, list(_units(track)))
    block["valid"] = measured
    block["reason"] = (code, [*track.reasons, _NOT_HERE])
    return block


def write_rows(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]], bom: bool = False
) -> Path:
    """A CSV, row by row; nan and None become empty fields, and a text that a spreadsheet would run
    stays text.

    Args:
        path: of the file.
        columns: their names.
        rows: a value per column.
        bom: begin with a byte order mark.
    """
    with opened(path, bom) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            texts = [shown(value) for value in row]
            writer.writerow([csv_text.cell(text) for text in texts])
    return path


def _who(result: Result) -> tuple[str, str]:
    return result.recording.id, result.recording.subject


def write_cues_csv(result: Result, path: Path, bom: bool = False) -> Path:
    """One row per cue."""
    who = _who(result)
    rows = []
    for c in result.cues:
        what = (c.modality, c.kind, c.start_s, c.end_s)
        rows.append((*who, *what, c.value, c.unit, c.detail))
    return write_rows(path, columns.CUES.names(), rows, bom)


def _moved(evidence: Iterable[Evidence]) -> dict[tuple[float, str], float]:
    """What each word, known by its start and text, added to the score."""
    moved: dict[tuple[float, str], float] = {}
    for e in evidence:
        if e.kind == "word":
            key = (round(e.start_s, 6), e.name)
            moved[key] = moved.get(key, 0.0) + e.value
    return moved


def write_words_csv(result: Result, path: Path, bom: bool = False) -> Path | None:
    """One row per word of this person: its time, where the time came from, and what it added to
    the score (log-odds). Words that are known and not measured are there too.
    """
    words = result.transcript
    if words is None:
        return None
    moved = _moved(result.prediction.evidence)
    nothing = 0.0 if moved else math.nan
    who = _who(result)
    rows = []
    for w in words:
        share = moved.get((round(w.start_s, 6), w.text), nothing)
        time_from = str(w.timing)
        rows.append((*who, w.text, w.start_s, w.end_s, w.confidence, time_from, share))
    return write_rows(path, columns.WORDS.names(), rows, bom)


def write_transcript_notes_csv(result: Result, path: Path, bom: bool = False) -> Path | None:
    """What a transcript holds besides this person's words; None where that is nothing.

    One row per thing, by ``kind``: a ``mark`` of the transcriber ([noise]) and an ``other`` who
    speaks have their times; a ``remark`` on the transcript and the ``reason`` why its words are not
    measured have none.
    """
    recording = result.recording
    found: list[tuple[str, str, float, float]] = []
    for mark in recording.marks:
        found.append(("mark", mark.text, mark.start_s, mark.end_s))
    for turn in recording.others:
        found.append(("other", turn.label, turn.start_s, turn.end_s))
    found.sort(key=lambda row: row[2])
    for remark in recording.words_remarks:
        found.append(("remark", remark, math.nan, math.nan))
    if result.features.words is None and recording.words_source:
        found.append(("reason", result.why_no_words, math.nan, math.nan))
    if not found:
        return None
    who = _who(result)
    rows = [(*who, *row) for row in found]
    return write_rows(path, columns.NOTES.names(), rows, bom)


#: Kinds of evidence that are shown elsewhere: parts of the score, words with their share, the band.
ADDITIVE = ("part", "word", "band", "no_band", "prevalence")


def write_evidence_csv(result: Result, path: Path, bom: bool = False) -> Path | None:
    """What a model gave besides parts and words (a decision, cited moments with their times); None
    where nothing.
    """
    found = [e for e in result.prediction.evidence if e.kind not in ADDITIVE]
    if not found:
        return None
    who = _who(result)
    rows = []
    for e in found:
        what = (e.kind, e.name, e.value, e.unit)
        rows.append((*who, *what, e.start_s, e.end_s))
    return write_rows(path, columns.EVIDENCE.names(), rows, bom)


def write_change_talk_csv(result: Result, path: Path, bom: bool = False) -> Path | None:
    """One row per clause: its quote, its times, and which side it speaks for; None where the model
    was not asked or told nothing.
    """
    clauses = result.two_sides.get("clauses")
    if not clauses:
        return None
    names = columns.CHANGE_TALK.names()
    who = _who(result)
    rows = []
    for clause in clauses:
        cells = [clause[name] for name in names[len(who) :]]
        rows.append((*who, *cells))
    return write_rows(path, names, rows, bom)


def write_segments_csv(result: Result, path: Path, bom: bool = False) -> Path:
    """One row per stretch that the model marks."""
    who = _who(result)
    rows = []
    for s in result.segments:
        rows.append((*who, s.label, s.start_s, s.end_s, s.score, s.source))
    return write_rows(path, columns.SEGMENTS.names(), rows, bom)


def write_frame_score_csv(result: Result, path: Path, bom: bool = False) -> Path | None:
    """One row per moment: probability of each class; empty where nothing was measured."""
    track = result.frame_score
    if track is None:
        return None
    names = (*columns.FRAME_SCORE.names(), *track.names)
    who = _who(result)
    values = _shown(track, slice(None))
    rows = []
    for time_s, row in zip(track.times_s.tolist(), values.tolist(), strict=True):
        rows.append((*who, time_s, *row))
    return write_rows(path, names, rows, bom)


def _told(span: Cue | Segment) -> str:
    if isinstance(span, Segment):
        return span.label
    label = span.kind.replace("_", " ")
    return f"{label} ({span.detail})" if span.detail else label


def write_vtt(spans: Iterable[Cue | Segment], path: Path) -> Path:
    """Cues or segments as WebVTT, so that any player shows them over the video."""
    import pysubs2

    subtitles = pysubs2.SSAFile()
    for span in spans:
        # A cue of no length would never be shown.
        end_s = max(span.end_s, span.start_s + 0.2)
        start_ms = round(span.start_s * 1000)
        event = pysubs2.SSAEvent(start=start_ms, end=round(end_s * 1000))
        event.plaintext = _told(span)
        subtitles.append(event)
    return write_text(path, subtitles.to_string("vtt"))


def plain(value: Any) -> Any:
    """Any value as JSON-ready plain values: nan becomes null (JSON has no nan), dataclasses become
    objects.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (str, int, bool)) or value is None:
        return value
    return str(value)


def to_json(value: Any) -> str:
    """Strict JSON text (no NaN)."""
    return json.dumps(plain(value), indent=1, ensure_ascii=False, allow_nan=False)


def write_json(value: Any, path: Path) -> Path:
    return write_text(path, to_json(value) + "\n")
