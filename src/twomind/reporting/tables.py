"""Files a person or a program reads on: tidy tables (CSV, Parquet), cues and segments (CSV,
WebVTT), JSON summary.

The long table has one row per time and measure: ``recording, subject, modality, time_s, measure,
value, relative, unit, valid, reason, neutral``. ``value`` is raw, ``relative`` the same against the
person's neutral that ``neutral`` names.
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

from twomind.core.store import replacing, write_text
from twomind.reporting.result import Result
from twomind.types import Cue, Segment, Track

COLUMNS = (
    "recording",
    "subject",
    "modality",
    "time_s",
    "measure",
    "value",
    "relative",
    "unit",
    "valid",
    "reason",
    "neutral",
)

#: The tracks that go into the long table, each with the track that holds its relative values.
TABLED = {"face": "face_relative", "voice": "voice_relative"}

_BLOCK_ROWS = 4096


def _quoted(text: str) -> str:
    """One CSV field; an empty text stays empty, where the csv module would write two quotes."""
    if not text:
        return ""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow([text])
    return buffer.getvalue()


def _numbers(values: np.ndarray) -> list[str]:
    return ["" if v != v else f"{v:.6g}" for v in values.tolist()]


def _csv_block(head: str, track: Track, relative: Track | None, rows: slice, neutral: str) -> str:
    values, times_s, valid = track.values[rows], track.times_s[rows], track.valid[rows]
    assert track.reason_code is not None
    reasons = [_quoted(r) for r in track.reasons]
    code = track.reason_code[rows].tolist()
    shown = np.where(valid[:, None], values, np.nan)
    other = np.full_like(shown, np.nan)
    if relative is not None:
        other = np.where(relative.valid[rows, None], relative.values[rows], np.nan)
    measured = np.isfinite(shown)
    value_text, relative_text = _numbers(shown.ravel()), _numbers(other.ravel())
    names = [_quoted(n) for n in track.names]
    units = [_quoted(u) for u in (track.units or ("",) * len(names))]
    lines = []
    position = 0
    for row, time_s in enumerate(times_s.tolist()):
        start = f"{head}{time_s:.6f},"
        reason = reasons[code[row]]
        for column, name in enumerate(names):
            ok = measured[row, column]
            why = reason if reason or ok else "not measurable in this frame"
            lines.append(
                f"{start}{name},{value_text[position]},{relative_text[position]},{units[column]},"
                f"{'true' if ok else 'false'},{why},{neutral if relative is not None else ''}"
            )
            position += 1
    return "\n".join(lines) + "\n" if lines else ""


def write_measures_csv(result: Result, path: Path) -> Path:
    """The long table as CSV, in blocks, so that memory does not grow with the video."""
    recording = result.recording
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        file.write(",".join(COLUMNS) + "\n")
        for modality, relative in TABLED.items():
            track = result.features.tracks.get(modality)
            if track is None:
                continue
            head = f"{_quoted(recording.id)},{_quoted(recording.subject)},{modality},"
            other = result.features.tracks.get(relative)
            for start in range(0, len(track), _BLOCK_ROWS):
                rows = slice(start, start + _BLOCK_ROWS)
                file.write(
                    _csv_block(head, track, other, rows, _quoted(_neutral_of(result, modality)))
                )
    return path


def _neutral_of(result: Result, modality: str) -> str:
    return result.voice_neutral if modality == "voice" else result.neutral


def write_measures_parquet(result: Result, path: Path) -> Path | None:
    """The same table as Parquet, where pyarrow is installed; else None."""
    if importlib.util.find_spec("pyarrow") is None:
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.dictionary(pa.int32(), pa.string())
    kinds = dict.fromkeys(COLUMNS, text) | {
        "time_s": pa.float64(),
        "value": pa.float32(),
        "relative": pa.float32(),
        "valid": pa.bool_(),
    }
    schema = pa.schema([(name, kinds[name]) for name in COLUMNS])
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for block in _column_blocks(result):
            columns = [_arrow(pa, block[name], kinds[name]) for name in COLUMNS]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    return path


def _arrow(pa: Any, column: Any, kind: Any) -> Any:
    if not pa.types.is_dictionary(kind):
        return pa.array(column, kind)
    codes, names = column
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(names, pa.string()))


def _column_blocks(result: Result) -> Iterator[Mapping[str, Any]]:
    """Blocks of columns; text columns as (codes, names)."""
    recording = result.recording
    for modality, relative in TABLED.items():
        track = result.features.tracks.get(modality)
        if track is None:
            continue
        other = result.features.tracks.get(relative)
        for start in range(0, len(track), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            n, width = len(track.times_s[rows]), len(track.names)
            zeros = np.zeros(n * width, np.int32)
            shown = np.where(track.valid[rows, None], track.values[rows], np.nan).ravel()
            against = np.full(n * width, np.nan, np.float32)
            if other is not None:
                against = np.where(other.valid[rows, None], other.values[rows], np.nan).ravel()
            assert track.reason_code is not None
            code = np.repeat(track.reason_code[rows].astype(np.int32), width)
            alone = len(track.reasons)
            code = np.where(np.isfinite(shown) | (code > 0), code, alone)
            measure = np.tile(np.arange(width, dtype=np.int32), n)
            yield {
                "recording": (zeros, [recording.id]),
                "subject": (zeros, [recording.subject]),
                "modality": (zeros, [modality]),
                "time_s": np.repeat(track.times_s[rows], width),
                "measure": (measure, list(track.names)),
                "value": shown.astype(np.float32),
                "relative": against.astype(np.float32),
                "unit": (measure, list(track.units or ("",) * width)),
                "valid": np.isfinite(shown),
                "reason": (code, [*track.reasons, "not measurable in this frame"]),
                "neutral": (zeros, [_neutral_of(result, modality) if other is not None else ""]),
            }


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    """A small CSV; nan and None become empty fields."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(
            [
                "" if v is None or (isinstance(v, float) and math.isnan(v)) else _field(v)
                for v in row
            ]
        )
    return write_text(path, buffer.getvalue())


def _field(value: Any) -> Any:
    return (
        f"{value:.6g}"
        if isinstance(value, float) and abs(value) < 1e-3
        else (f"{value:.3f}" if isinstance(value, float) else value)
    )


def write_cues_csv(result: Result, path: Path) -> Path:
    columns = (
        "recording",
        "subject",
        "modality",
        "cue",
        "start_s",
        "end_s",
        "value",
        "unit",
        "detail",
    )
    who = (result.recording.id, result.recording.subject)
    rows = (
        (*who, c.modality, c.kind, c.start_s, c.end_s, c.value, c.unit, c.detail)
        for c in result.cues
    )
    return write_rows(path, columns, rows)


def write_words_csv(result: Result, path: Path) -> Path | None:
    """One row per word: its time, where the time came from, and what it added to the score
    (log-odds).
    """
    if result.features.words is None:
        return None
    moved: dict[tuple[float, str], float] = {}
    for e in result.prediction.evidence:
        if e.kind == "word":
            moved[(round(e.start_s, 6), e.name)] = (
                moved.get((round(e.start_s, 6), e.name), 0.0) + e.value
            )
    scored = bool(moved)
    columns = (
        "recording",
        "subject",
        "word",
        "start_s",
        "end_s",
        "confidence",
        "time_from",
        "moved_score_log_odds",
    )
    who = (result.recording.id, result.recording.subject)
    rows = (
        (
            *who,
            w.text,
            w.start_s,
            w.end_s,
            w.confidence,
            str(w.timing),
            moved.get((round(w.start_s, 6), w.text), 0.0 if scored else math.nan),
        )
        for w in result.features.words
    )
    return write_rows(path, columns, rows)


#: Kinds of evidence that are shown elsewhere: parts of the score, words with their share, the band.
ADDITIVE = ("part", "word", "band", "prevalence")


def write_evidence_csv(result: Result, path: Path) -> Path | None:
    """What a model gave besides parts and words (a decision, cited moments with their times); None
    where nothing.
    """
    found = [e for e in result.prediction.evidence if e.kind not in ADDITIVE]
    if not found:
        return None
    columns = ("recording", "subject", "kind", "name", "value", "unit", "start_s", "end_s")
    who = (result.recording.id, result.recording.subject)
    return write_rows(
        path, columns, ((*who, e.kind, e.name, e.value, e.unit, e.start_s, e.end_s) for e in found)
    )


def write_segments_csv(result: Result, path: Path) -> Path:
    columns = ("recording", "subject", "label", "start_s", "end_s", "score", "source")
    who = (result.recording.id, result.recording.subject)
    rows = ((*who, s.label, s.start_s, s.end_s, s.score, s.source) for s in result.segments)
    return write_rows(path, columns, rows)


def write_frame_score_csv(result: Result, path: Path) -> Path | None:
    """One row per moment: probability of each class; empty where nothing was measured."""
    track = result.frame_score
    if track is None:
        return None
    columns = ("recording", "subject", "time_s", *track.names)
    who = (result.recording.id, result.recording.subject)
    shown = np.where(track.valid[:, None], track.values, np.nan)
    rows = ((*who, float(t), *map(float, row)) for t, row in zip(track.times_s, shown, strict=True))
    return write_rows(path, columns, rows)


def write_vtt(spans: Iterable[Cue | Segment], path: Path) -> Path:
    """Cues or segments as WebVTT, so that any player shows them over the video."""
    import pysubs2

    subtitles = pysubs2.SSAFile()
    for span in spans:
        label = span.kind.replace("_", " ") if isinstance(span, Cue) else span.label
        detail = f" ({span.detail})" if isinstance(span, Cue) and span.detail else ""
        # A cue of no length would never be shown.
        end_s = max(span.end_s, span.start_s + 0.2)
        event = pysubs2.SSAEvent(start=round(span.start_s * 1000), end=round(end_s * 1000))
        event.plaintext = f"{label}{detail}"
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
