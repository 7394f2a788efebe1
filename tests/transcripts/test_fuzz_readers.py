"""Files that were damaged or crafted, through every reader of text: what comes out are words (or
annotations), or a short refusal, soon.

A valid file of each format is changed in a few places: cut, repeated, swapped, with odd values in
the place of numbers and texts. ``make test`` runs some hundred of them per reader, ``make fuzz`` ten
thousand.
"""

from __future__ import annotations

import html
import io
import json
import math
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from processor_time import at_most
from transcript_exports import BY_SUFFIX
from transcript_remarks import CASES
from transcript_writers import FORMATS, Said, Talk, eaf, whisperx_json, word_file
from twomind.annotations import read_eaf
from twomind.core.errors import BadInput
from twomind.transcripts.words import Words, read_words

#: No refusal is longer, and none takes as long.
MOST_CHARACTERS = 2_000
MOST_S = 2.0
QUICK, MANY = 150, 10_000
#: Before, inside and after a file, as parts of 65,536.
PLACES = (0, 40_000, 65_535)

TALK: Talk = [
    Said("Interviewer", 0, 2, ("Do", "you", "want", "it?")),
    Said("Anna", 2, 6, ("Um,", "I", "[laughs]", "do", "n't", "know", "(2.3)", "yet.")),
    Said("Anna", 7, 9, ("But", "maybe", "—", "so.")),
]


# --- what is damaged


def _of_cases(*suffixes: str) -> list[bytes]:
    files = [case for case in CASES if Path(case.name).suffix in suffixes]
    return [
        case.content.encode() if isinstance(case.content, str) else case.content for case in files
    ]


def _known(suffix: str) -> list[bytes]:
    """What provokes remarks, and what programs for meetings export."""
    return [*_of_cases(suffix), *(text.encode() for text in BY_SUFFIX[suffix])]


def _dumps() -> list[bytes]:
    """A dump of each program whose JSON is read."""
    words = [
        {"word": word, "start": 0.3 * k, "end": 0.3 * k + 0.2, "probability": 0.9}
        for k, word in enumerate(["I", " do", "n't", " know", " [*]", " it."])
    ]
    segment = {"id": 0, "start": 0.0, "end": 2.0, "text": "I don't know [*] it.", "words": words}
    pieces = [
        {
            "offsets": {"from": 100 * k, "to": 100 * k + 90},
            "text": text,
            "speaker_turn_next": k == 2,
        }
        for k, text in enumerate([" I", " hes", "itate", "."])
    ]
    vosk = [{"conf": 1.0, "start": 0.1, "end": 0.4, "word": "yes"}]
    said = [
        {"transcript": "I do", "words": [{"word": "I", "startTime": "0.1s", "endTime": "0.2s"}]}
    ]
    items = [
        {"type": "pronunciation", "start_time": "0.1", "end_time": "0.4", "speaker_label": "spk_0"}
        | {"alternatives": [{"content": "Yes", "confidence": "0.9"}]},
        {"type": "punctuation", "alternatives": [{"content": "."}]},
    ]
    timed = [{"punctuated_word": "Yes.", "word": "yes", "start": 0.1, "end": 0.4, "speaker": 0}]
    phrase = {"offsetInTicks": 1000000, "durationInTicks": 2000000, "speaker": 1}
    event = {"tStartMs": 0, "dDurationMs": 900, "segs": [{"utf8": "so", "tOffsetMs": 10}]}
    monologue = {
        "speaker": 0,
        "elements": [{"type": "text", "value": "so", "ts": 0.1, "end_ts": 0.3}],
    }
    dumps = [
        {"text": "I don't know", "language": "en", "segments": [segment]},
        {"text": "I do", "chunks": [{"timestamp": [0.0, 1.5], "text": "I do"}]},
        {"result": {"language": "en"}, "transcription": pieces},
        {"result": vosk, "text": "yes"},
        {"results": [{"alternatives": said}]},
        {"results": {"transcripts": [{"transcript": "Yes."}], "items": items}},
        {"results": {"channels": [{"alternatives": [{"transcript": "Yes.", "words": timed}]}]}},
        {"recognizedPhrases": [phrase | {"nBest": [{"display": "Yes.", "lexical": "yes"}]}]},
        {"events": [event], "wireMagic": "pb3"},
        {"monologues": [monologue]},
        json.loads(whisperx_json(TALK)),
    ]
    return [json.dumps(dump).encode() for dump in dumps] + _of_cases(".json")


def _yaml() -> list[bytes]:
    trees = [json.loads(dump) for dump in _dumps()[:4]]
    return [yaml.safe_dump(tree).encode() for tree in trees]


def _written(*suffixes: str) -> list[bytes]:
    return [form.write(TALK).encode() for form in FORMATS.values() if form.suffix in suffixes]


@dataclass(frozen=True)
class Reader:
    """A reader, the names of its files, and valid ones."""

    read: Callable[[Path], object]
    suffix: str
    valid: Callable[[], list[bytes]]


READERS = {
    "srt": Reader(read_words, ".srt", lambda: _written(".srt") + _of_cases(".srt")),
    "vtt": Reader(read_words, ".vtt", lambda: _written(".vtt") + _known(".vtt")),
    "json": Reader(read_words, ".json", _dumps),
    "yaml": Reader(read_words, ".yaml", _yaml),
    "text": Reader(read_words, ".txt", lambda: _written(".txt") + _known(".txt")),
    "table": Reader(read_words, ".tsv", lambda: _written(".tsv", ".csv")),
    "docx": Reader(read_words, ".docx", lambda: [word_file("Anna: I do.\n[00:03] Why?")]),
    "elan speech": Reader(read_words, ".eaf", lambda: [eaf(TALK).encode(), *_of_cases(".eaf")]),
    "elan coding": Reader(read_eaf, ".eaf", lambda: [eaf(TALK).encode(), *_of_cases(".eaf")]),
}

# --- how it is damaged

#: In the place of numbers.
NUMBERS = (
    "-1", "0", "1e999", "-1e308", "1e-400", "NaN", "Infinity", "9" * 400, "0x" + "f" * 50, "1_000",
    "99999999999", "0.1.2", "true", "null", '"x"', "[]", "{}", "2147483648", "\u0663", "\xb2", "1,5",
    "00", "-0.0", ".5", "5.", "1s", "12:99:99", "\U0001d7d8",
)  # fmt: skip
#: In the place of texts, or between them.
TEXTS = (
    "", " ", "\0", "\u202e", "\u2066", "\ufeff", "\ud7ff", "\ufffd", "\U0001f600", "e\u0301" * 9, "\x1b[2J",
    "\x85", "\u2028", "\r", "\n\n", "\t", "[", "]", "(", "((", "<v ", "<", ">", "{", "}", "\\", '"', "'", "*",
    "**", "♪", "|", "&amp;", "&#x110000;", "&#0;", "&lt;b", "-->", "->", "=cmd()", ">>", "Q:", "Anna:", ":",
    "Speaker 1  0:03", "00:00:01,000 --> 00:00:02,000", "[00:01]", "(.)", "(2.3)", "[*]", "&a", "*a", "!!python/x",
    "? ", "- ", "a: &a [*a]", "%TAG", "<![CDATA[", "]]>", "<!DOCTYPE x [<!ENTITY a 'b'>]>", "&a;", "NOTE ", "WEBVTT",
    "\\ud800", "\\u0000", "\xa0", "\u3000", "ａ", "１", "：", "【x】", "ﬁ", "ß", "İ", "Σ",
)  # fmt: skip
#: Said again and again: what is slow where a reader looks at all pairs.
REPEATED = (
    "[", "(", "{", "<", "((", "<v ", "*", "**", "a ", "a. ", "(a", "[a] ", "♪", "♪ a ", ">> ", "\\", "{\\", "- a\n",
    "A: a\n", "A a: ", "0:01 ", "0:01 a\n", "[00:01] ", "00:00:01,000 --> 00:00:02,000\n", "1:", "1 ", "\n", "\t",
    "a\t", ",", '"', "'", "a'", "&", "&#", "&lt;", "do n't ", "um, ", "<u>a</u> ", "<00:00:01.000>", ". ", "- ",
    "a-", "\u0301", "\u202e", " ", "SPEAKER_00 ", "(a) [", "x:x ", "#", "|", "=", "1\n", "Aa Bb\n\n", "a\n\n",
    "From A to B: ", "0 seconds ", "[[", "]", ")", "'s ", "-->", "->", "a:\n", "* a\n", "hh ", "&=a ", "<a>", "</v>",
)  # fmt: skip
_TOKEN = re.compile(rb'"[^"\\]{0,40}"|[+-]?\d+(?:\.\d+)?|[A-Za-z_]+')
_OPS = (
    "cut",
    "drop",
    "twice",
    "again",
    "swap",
    "flip",
    "number",
    "text",
    "within",
    "nest",
    "lines",
    "many",
)


@dataclass(frozen=True)
class Damage:
    """One change: what is done, where (as parts of 65,536), and with what."""

    how: str
    at: int
    length: int
    which: int


def damaged(raw: bytes, done: Sequence[Damage]) -> bytes:
    for one in done:
        raw = _damaged(raw, one)
    return raw[:200_000]


def _damaged(raw: bytes, one: Damage) -> bytes:
    start = one.at * len(raw) >> 16
    end = min(len(raw), start + one.length)
    part = raw[start:end]
    if one.how == "cut":
        return raw[:start]
    if one.how == "drop":
        return raw[:start] + raw[end:]
    if one.how == "twice":
        return raw[:end] + part + raw[end:]
    if one.how == "again":
        return raw[:end] + part * min(200, 4_000 // max(1, len(part))) + raw[end:]
    if one.how == "swap":
        return raw[:start] + part[::-1] + raw[end:]
    if one.how == "flip":
        return (
            raw[:start] + bytes(byte ^ (1 << one.which % 8) for byte in part[:3]) + raw[start + 3 :]
        )
    if one.how == "many":
        text = REPEATED[one.which % len(REPEATED)].encode()
        return raw[:start] + text * (3_000 // len(text)) + raw[start:]
    if one.how == "nest":
        opening = (b"[", b'{"a":', b"- ", b"<a>", b"{a: ", b"((")[one.which % 6]
        return raw[:start] + opening * (10 * one.length) + raw[start:]
    if one.how == "lines":
        lines = raw.split(b"\n")
        moved = lines.pop(one.at % len(lines))
        lines.insert(one.which % (len(lines) + 1), moved)
        return b"\n".join(lines)
    return _replaced(raw, one, start)


def _replaced(raw: bytes, one: Damage, start: int) -> bytes:
    """Another value in the place of a number or a text."""
    values = NUMBERS if one.how == "number" else TEXTS
    value = values[one.which % len(values)].encode("utf-8", "surrogatepass")
    if one.how == "within":
        return raw[:start] + value + raw[start:]
    token = _TOKEN.search(raw, start)
    if token is None:
        return raw + value
    inner = token[0].startswith(b'"') and one.how == "text"
    return raw[: token.start() + inner] + value + raw[token.end() - inner :]


DAMAGE = st.builds(
    Damage,
    st.sampled_from(_OPS),
    st.integers(0, 65_535),
    st.integers(1, 60),
    st.integers(0, 10_000),
)


# --- what must come of it


def check(reader: Reader, path: Path) -> None:
    found: object = None
    refusal = ""
    try:
        with at_most(MOST_S):
            found = reader.read(path)
    except BadInput as error:
        refusal = str(error)
    assert len(refusal) <= MOST_CHARACTERS
    if isinstance(found, Words):
        check_words(found)


def check_words(said: Words) -> None:
    """Words that can be shown, kept and measured."""
    for word in (*said.words, *said.marks):
        assert word.text.strip()
        word.text.encode("utf-8")
        assert math.isfinite(word.start_s)
        assert math.isfinite(word.end_s)
        assert word.start_s <= word.end_s
    assert all(a.start_s <= b.start_s for a, b in pairwise(said.words))
    for problem in (*said.problems, said.not_measured):
        assert len(problem) <= MOST_CHARACTERS
    for other in said.others:
        assert math.isfinite(other.start_s)
        assert math.isfinite(other.end_s)


def _fuzz(name: str, folder: Path, n: int) -> None:
    reader = READERS[name]
    valid = reader.valid()
    path = folder / f"answer{reader.suffix}"

    @settings(
        max_examples=n,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.integers(0, len(valid) - 1), st.lists(DAMAGE, min_size=1, max_size=5))
    @example(0, [])
    def run(which: int, done: list[Damage]) -> None:
        damage = _packed if name == "docx" else damaged
        path.write_bytes(damage(valid[which], done))
        check(reader, path)

    run()


def _packed(raw: bytes, done: Sequence[Damage]) -> bytes:
    """A Word file whose text is damaged, or whose bytes are."""
    if done and done[0].which % 3 == 0:
        return damaged(raw, done)
    return _with_document(raw, lambda content: damaged(content, done))


def _with_document(raw: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A Word file with another text."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(out, "w") as target:
        for part in source.namelist():
            content = source.read(part)
            is_text = part == "word/document.xml"
            target.writestr(part, change(content) if is_text else content)
    return out.getvalue()


def _said(name: str, many: str) -> bytes:
    """A whole file of a format that has its text inside, with ``many`` as what is said."""
    escaped = html.escape(many)
    segments = {"segments": [{"start": 0, "end": 2, "text": many}]}
    if name == "docx":
        whole = word_file("Anna: I do.\n[00:03] Why?")
        return _with_document(whole, lambda content: content.replace(b"I do.", escaped.encode()))
    if name == "json":
        return json.dumps(segments).encode()
    if name == "yaml":
        return yaml.safe_dump(segments).encode()
    return eaf(TALK).replace("Um,", escaped).encode()


@pytest.mark.parametrize("name", READERS)
def test_some_damaged_files(name: str, tmp_path: Path) -> None:
    _fuzz(name, tmp_path, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_ten_thousand_damaged_files(name: str, tmp_path: Path) -> None:
    _fuzz(name, tmp_path, MANY)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_no_repetition_takes_long(name: str, tmp_path: Path) -> None:
    """A hundred thousand characters of one piece, before, inside or after a valid file: each reader
    meets each piece once, and each third of the readers meets it in another place.
    """
    reader = READERS[name]
    valid = reader.valid()[0]
    path = tmp_path / f"answer{reader.suffix}"
    first = list(READERS).index(name)
    for k, piece in enumerate(REPEATED, first):
        start = PLACES[k % len(PLACES)] * len(valid) >> 16
        many = piece * (100_000 // len(piece))
        path.write_bytes(valid[:start] + many.encode() + valid[start:])
        check(reader, path)
        if name in ("docx", "json", "yaml", "elan speech", "elan coding"):
            path.write_bytes(_said(name, many))
            check(reader, path)
