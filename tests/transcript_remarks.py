"""Every remark that a reader of transcripts can make: the sentences, found by reading the source,
and files that provoke each of them.

A new remark needs a case here. A sentence of the readers is prose: a text of three words or more
that is neither a docstring nor the message of an error. Where it is no remark, it stands in
``NOT_REMARKS``.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import twomind
from twomind.core.plural import FORMS

SOURCE = Path(twomind.__file__).parent
READERS = (*sorted((SOURCE / "transcripts").glob("*.py")), SOURCE / "media" / "recording.py")
#: Sentences that say something else.
NOT_REMARKS = {
    # Where words came from, as `words_source` tells it.
    "times given for each word",
    "words spread evenly inside each subtitle",
    "words spread evenly over the whole recording: their times mean nothing",
    "times from speech recognition",
    "times found in the sound",
    # Where a speech model comes from.
    "the installed package \0",
    "weights added as \0",
    "the Hugging Face hub (\0)",
    # Pieces of the message of an error about a speech model.
    "there is no model.bin in it",
    "there is no such package",
    # Why words are not aligned: asked for, and told to nobody.
    "there are no words",
    "only English can be aligned, and the language is \0",
    "the transcript's own word times are plausible",
    # Shown to the speech recogniser.
    "Um, well, uh, I... I mean, hmm, like, you know, er, I- I don't know.",
    "faster-whisper \0, model \0",
    # The name of a format.
    "text with times",
}
_ERRORS = {"BadInput", "MissingWeights", "MissingExtra", "Offline", "ValueError", "TypeError"}
_HOLE = "\0"
#: What is no text of a sentence: a place that is filled in, and the forms of singular and plural.
_PIECES = re.compile(rf"({_HOLE}|{{\w+}}|{FORMS.pattern.replace('(', '(?:')})")


@dataclass(frozen=True)
class Case:
    """A transcript that provokes a remark, of a recording of ``duration_s`` (None: not known)."""

    name: str
    content: str | bytes
    duration_s: float | None = 9.5
    speaker: str | None = None

    def write(self, folder: Path) -> Path:
        path = folder / self.name
        content = self.content
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


# --- the sentences of the source


def sentences(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each sentence of a file; ``\\0`` where a value is filled in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for top in tree.body:
        if isinstance(top, ast.FunctionDef | ast.ClassDef):
            yield from _below(top)


def pattern(text: str) -> re.Pattern[str]:
    """What finds the sentence in a remark, whatever is filled in and whichever forms it takes."""
    found = ""
    for piece in _PIECES.split(text):
        forms = FORMS.fullmatch(piece)
        if forms:
            found += f"(?:{'|'.join(map(re.escape, forms.groups()))})"
        else:
            found += ".*?" if _PIECES.fullmatch(piece) else re.escape(piece)
    return re.compile(found, re.DOTALL)


def _below(node: ast.AST) -> Iterator[tuple[int, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Raise) or _is_error(child) or _is_docstring(child):
            continue
        text = text_of(child)
        if text is None:
            yield from _below(child)
        elif _is_prose(text):
            assert isinstance(child, ast.expr)
            yield child.lineno, text


def _is_prose(text: str) -> bool:
    n_blanks = len(re.findall(r"\S \S", text))
    return n_blanks >= 2 and len(re.findall(r"[^\W\d_]{2,}", text)) >= 3


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_error(node: ast.AST) -> bool:
    called = node.func if isinstance(node, ast.Call) else None
    return isinstance(called, ast.Name) and called.id in _ERRORS


def text_of(node: ast.AST) -> str | None:
    """The text of a literal; None where the node is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    pieces = []
    for value in node.values:
        is_text = isinstance(value, ast.Constant)
        pieces.append(str(value.value) if is_text else _HOLE)
    return "".join(pieces)


# --- files that provoke them


def _srt(*cues: tuple[float, float, str]) -> str:
    blocks = []
    for k, (start_s, end_s, text) in enumerate(cues, 1):
        blocks.append(f"{k}\n{_stamp(start_s)} --> {_stamp(end_s)}\n{text}\n")
    return "\n".join(blocks)


def _stamp(time_s: float) -> str:
    minutes, seconds = divmod(time_s, 60)
    return f"00:{int(minutes):02d}:{seconds:06.3f}".replace(".", ",")


def _segments(*segments: tuple[float, float, str], **more: Any) -> str:
    listed = [{"start": a, "end": b, "text": text} for a, b, text in segments]
    return json.dumps({"segments": listed, **more})


def _chunks(*chunks: tuple[float, float | None, str]) -> str:
    listed = [{"timestamp": [a, b], "text": text} for a, b, text in chunks]
    return json.dumps({"chunks": listed})


def _elan(said: tuple[str, ...], coded: tuple[str, ...]) -> str:
    """An ELAN file with a tier of speech, and a tier of codes of the same person."""
    slots = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="ts{k}" TIME_VALUE="{1000 * k}"/>' for k in range(1, 5)
    )
    tiers = ""
    for name, kind, values in (("Anna", "default-lt", said), ("codes", "A/H", coded)):
        marks = ""
        for k, value in enumerate(values):
            marks += (
                f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{name}{k}" '
                f'TIME_SLOT_REF1="ts{k + 1}" TIME_SLOT_REF2="ts{k + 2}"><ANNOTATION_VALUE>{value}'
                "</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
            )
        tiers += (
            f'<TIER TIER_ID="{name}" PARTICIPANT="Anna" LINGUISTIC_TYPE_REF="{kind}">{marks}</TIER>'
        )
    types = "".join(
        f'<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="{kind}" TIME_ALIGNABLE="true"/>'
        for kind in ("default-lt", "A/H")
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT AUTHOR="" '
        'DATE="2026-01-01T00:00:00Z" FORMAT="3.0" VERSION="3.0"><HEADER MEDIA_FILE="" '
        f'TIME_UNITS="milliseconds"/><TIME_ORDER>{slots}</TIME_ORDER>{tiers}{types}'
        "</ANNOTATION_DOCUMENT>\n"
    )


def _word_file(text: str) -> bytes:
    """The least that Word opens."""
    of = "http://schemas.openxmlformats.org"
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{of}/package/2006/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{kind}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{of}/package/2006/relationships">'
        f'<Relationship Id="r1" Type="{of}/officeDocument/2006/relationships/officeDocument" '
        'Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{of}/wordprocessingml/2006/main"><w:body><w:p>'
        f"<w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in parts.items():
            file.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{content}')
    return buffer.getvalue()


SENTENCE = "I want to stop smoking but I do not know if I can"
GERMAN = (
    "Ich weiß nicht, ob ich das will, aber ich glaube, dass es für mich und die Kinder gut ist."
)
FINNISH = (
    "Minun täytyy miettiä vielä, koska haluaisin lopettaa tupakoinnin mutta pelkään etten pysty. "
    "Ehkä aloitan kävelemällä järven ympäri joka ilta vaimoni kanssa, niin unohdan savukkeet."
)
BASQUE = (
    "Gaur goizean mendira joan nintzen lagunekin eta han ikusi genuen elurra lehen aldiz aurten. "
    "Nire amak esan zidan berandu iritsiko zela etxera lanean jende asko zegoelako bulegoan. "
    "Bihar beharbada hondartzara joango gara eguraldi ona egiten badu arratsaldean behintzat, "
    "osaba eta izeba gurekin etorri nahi badute."
)
_MANY = " ".join(f"word{k}" for k in range(60))
_DIALOGUE = "Interviewer: Do you smoke?\nParticipant: Yes, I do, and I like it.\n"

CASES = (
    # How it is written.
    Case("empty.srt", ""),
    Case("latin.txt", "Na\xefve caf\xe9, he said to me.".encode("cp1252")),
    Case("arrow.srt", "1\n00:00:00,000 -> 00:00:02,000\nI want it.\n\n" + _srt((2, 4, "Yes."))),
    Case(
        "rolling.vtt",
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nI<00:00:01.000><c> want</c>\n\n"
        "00:00:02.000 --> 00:00:04.000\nI want\nto<00:00:03.000><c> stop</c>\n",
    ),
    Case(
        "karaoke.vtt",
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n<u>I</u> want it\n\n"
        "00:00:01.000 --> 00:00:02.000\nI <u>want</u> it\n\n"
        "00:00:02.000 --> 00:00:03.000\nI want <u>it</u>\n",
    ),
    Case("noted.srt", _srt((0, 2, "[laughs] I want it."), (2, 4, "(inaudible) Yes."))),
    Case("aside.srt", _srt((0, 4, "I want it [my brother told me so last year] and more."))),
    Case("open.srt", _srt((0, 4, "I want it [my brother and I said so."))),
    Case(
        "program.txt", f"Detected language: English\n{SENTENCE}\nTranscribed by https://otter.ai\n"
    ),
    Case("numbered.txt", "1 I want it.\n2 I do not know.\n3 And that is all.\n"),
    Case("titled.txt", "Session 3\n\nSmoking: I want it.\nSmoking: I do not know.\n"),
    Case(
        "grows.srt",
        _srt((0, 1, "I"), (1, 2, "I want"), (2, 3, "I want it"), (3, 4, "I want it so")),
    ),
    Case("tags.srt", _srt((0, 4, "I <flash>want</flash> it."))),
    Case("clock.txt", f"[14:03:05] {SENTENCE}\n[14:03:12] And that is all there is.\n"),
    Case(
        "unplaced.vtt",
        "WEBVTT\n\n00:01.000 --> 00:02.000\nyes\n\nand no\n\nNOTE x\n\nid\n"
        "00:03.000 --> 00:04.000\nso\n",
    ),
    Case("coded.eaf", _elan(("I can't",), ("present",))),
    # Its times.
    Case("plain.txt", SENTENCE),
    Case(
        "numbered.txt",
        "1 well I would maybe\n2 try it again\n3 but I am not sure\n4 so we will see\n"
        "5 what comes of it\n6 in the end\n7 I would say\n8 that it was good\n",
    ),
    Case("unknown.txt", SENTENCE, duration_s=None),
    Case("milliseconds.json", _segments((250, 4000, SENTENCE), (4000, 9000, SENTENCE))),
    Case("milliseconds_beyond.json", _segments((100, 560, "I want to stop smoking but I do"))),
    Case(
        "words.json",
        json.dumps(
            {
                "segments": [
                    {
                        "start": 0,
                        "end": 3,
                        "text": "I really want it",
                        "words": [
                            {"word": "I", "start": 0, "end": 1},
                            {"word": "want", "start": 2, "end": 2.5},
                            {"word": "it", "start": 2.5, "end": 3},
                        ],
                    }
                ]
            }
        ),
    ),
    Case("windows.json", _chunks((0, 20, "one two"), (20, 29, "three"), (0, 8, "four")), 40.0),
    Case("windows_late.json", _chunks((0, 28, SENTENCE), (0, 28, SENTENCE)), 54.0),
    Case("last.json", _chunks((0, 4, SENTENCE), (4, None, "and more"))),
    Case("last_unknown.json", _chunks((0, 4, SENTENCE), (4, None, "and more")), None),
    Case("order.srt", _srt((4, 6, "And that is all."), (0, 2, "I want it."))),
    Case("overlap.srt", _srt((0, 3, "I want it."), (1, 4, "And that is all."))),
    Case(
        "overlap.json",
        '[{"word": "I", "start": 0, "end": 2}, {"word": "do", "start": 1, "end": 2}]',
    ),
    Case("backward.json", _segments((3, 1, "I want it"), (4, 5, "and that is all"))),
    Case("early.json", _segments((-0.05, 2, SENTENCE), (2, 4, SENTENCE))),
    Case("other.srt", _srt((60, 63, SENTENCE), (63, 66, "That is what I think"))),
    Case("stays.srt", _srt((0, 6, SENTENCE), (6, 10.4, "and that is all"))),
    Case(
        "some_late.srt", _srt((0, 9, f"{SENTENCE} {SENTENCE} {SENTENCE}"), (20, 21, "Maybe not."))
    ),
    Case("too_fast.json", _segments((0, 0.2, _MANY))),
    Case(
        "too_slow.json",
        json.dumps(
            {"words": [{"word": f"w{k}", "start": 9 * k, "end": 9 * k + 8} for k in range(40)]}
        ),
        400.0,
    ),
    # Its language.
    Case("german.json", _segments((0, 4, "Er geht jeden Tag."), language="de")),
    Case("german.srt", _srt((0, 9, f"{GERMAN} {GERMAN}"))),
    Case("not_english.json", _segments((0, 9, f"{GERMAN} {GERMAN}"), language="en")),
    Case(
        "not_german.json", _segments((0, 9, f"{SENTENCE} and it is what they say"), language="de")
    ),
    Case("finnish.srt", _srt((0, 9, FINNISH))),
    Case("basque.srt", _srt((0, 20, BASQUE)), 20.0),
    # Its speakers.
    Case(
        "voices.vtt",
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n<v Ann>Do you?</v>\n\n"
        "00:00:02.000 --> 00:00:04.000\n<v Bo>Yes, I do.</v>\n",
    ),
    Case("not_told.txt", f"Unknown Speaker  0:01\n{SENTENCE}\n\nUnknown Speaker  0:05\nYes.\n"),
    Case("meeting.txt", f"{SENTENCE}\n\nTranscribed by https://otter.ai\n"),
    Case("back.txt", f"[0:01] {SENTENCE}\n[0:06] {SENTENCE}\n[0:05] Yes.\n"),
    Case("longest.txt", _DIALOGUE, speaker="longest"),
    Case("dialogue.txt", _DIALOGUE, speaker="Participant"),
    Case("nobody.srt", _srt((0, 4, SENTENCE)), speaker="Ann"),
    Case(
        "unlabelled.json",
        json.dumps(
            {
                "segments": [
                    {"start": 0, "end": 2, "text": "Do you smoke?"},
                    {"start": 2, "end": 5, "text": "Yes, I do.", "speaker": "Ann"},
                ]
            }
        ),
        speaker="Ann",
    ),
)
#: What a recogniser wrote of a recording in which nobody speaks: text, start and end in seconds.
RECOGNISED = (
    (" well", 0.0, 0.4),
    (" um", 0.5, 0.9),  # where no voice is held
    (" uh", 1.0, 1.0),  # of no length
    (" ha", 1.2, 1.4),
    (" ha", 1.4, 1.6),
    *[(" yeah", 2.0, 2.0)] * 8,  # a loop
    (" maybe", 2.5, 2.9),
)
#: Files of a recording's name that are no transcript of it.
BESIDE: dict[str, str | bytes] = {
    "notes.docx": _word_file("Notes on the plan"),
    "list.json": "[1, 2]",
    "question.json": json.dumps({"text": "What do you want?", "trial_type": "video"}),
    "bids.json": json.dumps({"TaskName": "interview"}),
}
