"""Transcript formats, each translated at this edge into one thing: spans of text with what times
they carry.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any

from twomind.core.errors import BadInput
from twomind.core.yaml_files import load_yaml
from twomind.transcripts.cues import has_timing
from twomind.transcripts.dumps import from_dump
from twomind.transcripts.eaf_tiers import eaf_tiers
from twomind.transcripts.plain import plain_text
from twomind.transcripts.spans import Parsed
from twomind.transcripts.subtitles import subtitles
from twomind.transcripts.tables import unnamed_table

EXPECTED = (
    "SubRip (.srt), WebVTT (.vtt), Whisper JSON (.json), Whisper YAML as in BAH (.yml), "
    "text (.txt, .tsv, .csv), Word (.docx) or ELAN (.eaf)"
)
_OPENS_JSON = re.compile(r"\s*(?:\{|\[\s*\{)\s*\"")
#: ``recording channel start length word``, ``SPEAKER recording channel start length …``.
_CTM = re.compile(
    r"(?:SPEAKER )?[\w.-]+ [\dA] (?:[\w.-]+ )?\d+(?:\.\d+)? \d+(?:\.\d+)? \S.*", re.IGNORECASE
)
_FEW_ROWS = 20
_TABLE_SUFFIXES = (".tsv", ".csv", ".tab")
_TEXT_SUFFIXES = ("", ".txt", ".text", ".md", ".tsv", ".csv", ".tab", ".sbv")


def parse(text: str, suffix: str, duration_s: float = math.nan) -> Parsed:
    """Recognise the format by what the text looks like (names may lie), helped by ``suffix`` where
    looks do not decide.

    Raises:
        BadInput: the text is not what its suffix promises.
    """
    parsed = _parse(_unparted(text), suffix, duration_s)
    # Once more: JSON and YAML may write a character by its number.
    spans = tuple(span.saying(_unparted(span.text)) for span in parsed.spans)
    parsed = replace(parsed, spans=spans)
    texts = [span.text for span in spans]
    if not all(map(_is_whole, [*texts, parsed.language or ""])):
        raise BadInput("expected text, got halves of characters (lone surrogates) in it")
    return parsed


def _unparted(text: str) -> str:
    """A text without soft hyphens, where a word may be parted at the end of a line."""
    return text.replace("\N{SOFT HYPHEN}", "")


#: How files begin that are read under their own ending, or not at all → what they are.
_OTHER_FORMATS = {
    r"\{\\rtf": "RTF",
    r"%PDF-": "a PDF file",
    r"<!DOCTYPE html|<html": "a web page",
    r"<\?xml(?![\s\S]{0,1000}<ANNOTATION_DOCUMENT)|<tt[\s>]|<timedtext": "XML",
    r"File type = \"ooTextFile|\"ooTextFile|ooTextFile": "a TextGrid of Praat",
    r"\[Script Info\]": "subtitles of SubStation",
    r"\{\d+\}\{\d+\}": "subtitles of MicroDVD, whose times are frames",
    r"@(?:UTF8|Begin|Loc:)": "a CHAT file",
}


def _refuse_others(looks: str, suffix: str) -> None:
    """Refuse the source of another format, whose codes would be words.

    Raises:
        BadInput: it is one.
    """
    if suffix not in _TEXT_SUFFIXES and suffix not in (".srt", ".vtt"):
        return
    for beginning, name in _OTHER_FORMATS.items():
        if re.match(beginning, looks, re.IGNORECASE):
            raise BadInput(
                f"expected text, got {name}; save it as plain text (.txt), Word (.docx), subtitles "
                "(.srt, .vtt) or ELAN (.eaf)"
            )
    rows = looks.splitlines()[:_FEW_ROWS]
    if rows and all(_CTM.fullmatch(row.strip()) for row in rows):
        raise BadInput(
            "expected text, got the rows of a recogniser (CTM, STM or RTTM); save its words as "
            "JSON, subtitles or a table with the columns start, end, text"
        )


def _is_whole(text: str) -> bool:
    """Whether a text can be written to a file: JSON can escape half a character."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _parse(text: str, suffix: str, duration_s: float) -> Parsed:
    """The spans as they stand in the file."""
    looks = text.lstrip()
    _refuse_others(looks, suffix)
    data_suffixes = (".json", ".jsonl", ".yml", ".yaml", ".tsv", ".csv", ".eaf")
    if looks.startswith("WEBVTT") or suffix == ".vtt":
        return subtitles(text, "WebVTT")
    if suffix == ".srt" or (suffix not in data_suffixes and has_timing(text)):
        return subtitles(text, "SubRip")
    if suffix == ".eaf" or "<ANNOTATION_DOCUMENT" in looks[:1000]:
        return eaf_tiers(text)
    if suffix in (".json", ".jsonl") or (
        suffix not in (".yml", ".yaml", ".docx") and _is_json(text)
    ):
        return _from_data(_load_json(text), "JSON")
    if suffix in (".yml", ".yaml"):
        return _from_data(_load_yaml(text), "YAML")
    if suffix == ".docx":
        parsed = plain_text(text, duration_s)
        return replace(parsed, kind=f"Word, {parsed.kind}")
    if suffix in _TEXT_SUFFIXES:
        return _from_text(text, suffix, duration_s)
    raise BadInput(f"expected a transcript as {EXPECTED}, got a file named *{suffix}")


def _from_text(text: str, suffix: str, duration_s: float) -> Parsed:
    """Text, or the table that a file's name promises."""
    parsed = plain_text(text, duration_s)
    if suffix not in _TABLE_SUFFIXES or parsed.carries:
        return parsed
    return unnamed_table(text) or parsed


#: What programs that write transcripts put into one, beside text with times.
_TRANSCRIPT_KEYS = {
    "text",
    "language",
    "language_probability",
    "duration",
    "task",
    "segments",
    "chunks",
    "words",
    "word_segments",
    "transcription",
    "result",
    "systeminfo",
    "model",
    "params",
    "usage",
}


def doubt(text: str, suffix: str) -> str:
    """Why JSON or YAML may be something else than a transcript; empty where it is one.

    Text with times is a transcript. Text without is one where nothing stands beside it that a
    transcript has not: it may be a question, or a description.
    """
    try:
        if suffix == ".json":
            data, kind = _load_json(text), "JSON"
        else:
            data, kind = _load_yaml(text), "YAML"
        parsed = _from_data(data, kind)
    except BadInput as error:
        return str(error)
    if any(span.text and not math.isnan(span.start_s) for span in parsed.spans):
        return ""
    if not isinstance(data, dict):
        return "no text with times in it"
    others = sorted(str(key) for key in data if key not in _TRANSCRIPT_KEYS)
    if others:
        return f"no text with times in it, and keys that no transcript has: {others[:8]}"
    return ""


# --- JSON and YAML
# ---------------------------------------------------------------------------------------------------


def _load_json(text: str) -> Any:
    if not text.strip():
        return []
    try:
        return json.loads(text)
    except ValueError as error:
        lines = _json_lines(text)
        if lines:
            return lines
        raise BadInput(f"expected Whisper JSON, but it is not JSON: {error}") from error
    except RecursionError as error:
        raise BadInput("expected Whisper JSON, but it is nested too deeply") from error


def _json_lines(text: str) -> list[Any]:
    """Objects of which each stands on a line of its own; none where one is not JSON."""
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        found = [json.loads(line) for line in lines]
    except (ValueError, RecursionError):
        return []
    return found if all(isinstance(one, dict) for one in found) else []


def _is_json(text: str) -> bool:
    """Whether a file of another name holds JSON; a line of text may start with a bracket too."""
    if not _OPENS_JSON.match(text):
        return False
    try:
        json.loads(text)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def _load_yaml(text: str) -> Any:
    try:
        return load_yaml(text, as_written=True) or []
    except ValueError as error:
        raise BadInput(
            f"expected a Whisper transcript as YAML (text, chunks), but it cannot be read: {error}"
        ) from error


def _from_data(data: Any, kind: str) -> Parsed:
    """Any of the dumps that Whisper programs write, and those of others that look like them."""
    parsed = from_dump(data, kind)
    milliseconds = parsed.kind.startswith("whisper.cpp")
    return replace(parsed, unit_known=milliseconds)
