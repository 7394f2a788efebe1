"""Writes one conversation as the programs do whose transcripts are read."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Said:
    """One utterance; times in whole seconds."""

    speaker: str
    start_s: int
    end_s: int
    words: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.words)


Talk = list[Said]


def clock(seconds: float, mark: str = ".", digits: int = 3, hours: bool = True) -> str:
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    front = f"{minutes // 60:02d}:{minutes % 60:02d}" if hours else f"{minutes}"
    tail = f"{mark}{round((seconds - whole) * 10**digits):0{digits}d}" if digits else ""
    return f"{front}:{rest:02d}{tail}"


def short(seconds: float) -> str:
    return clock(seconds, digits=0, hours=False)


def long(seconds: float) -> str:
    return clock(seconds, digits=0)


def srt_with_labels(talk: Talk) -> str:
    cues = [
        f"{i}\n{clock(s.start_s, ',')} --> {clock(s.end_s, ',')}\n{s.speaker}: {s.text}\n"
        for i, s in enumerate(talk, 1)
    ]
    return "\n".join(cues)


def whisperx_srt(talk: Talk) -> str:
    return srt_with_labels(talk).replace("\nInterviewer:", "\n[Interviewer]:")


def zoom_vtt(talk: Talk) -> str:
    cues = [
        f"{i}\n{clock(s.start_s)} --> {clock(s.end_s)}\n{s.speaker}: {s.text}\n"
        for i, s in enumerate(talk, 1)
    ]
    return "WEBVTT\n\n" + "\n".join(cues)


def teams_vtt(talk: Talk) -> str:
    cues = [
        f"7f-{i}\n{clock(s.start_s)} --> {clock(s.end_s)}\n<v {s.speaker}>{s.text}</v>\n"
        for i, s in enumerate(talk, 1)
    ]
    return "WEBVTT\n\n" + "\n".join(cues)


def teams_lines(talk: Talk) -> str:
    return "".join(f"{s.speaker}\n{short(s.start_s)}\n{s.text}\n" for s in talk)


def teams_ranges(talk: Talk) -> str:
    return "".join(
        f"{clock(s.start_s)} --> {clock(s.end_s)}\n{s.speaker}\n{s.text}\n\n" for s in talk
    )


def otter(talk: Talk) -> str:
    blocks = [f"{s.speaker}  {short(s.start_s)}  \n{s.text}\n" for s in talk]
    return "\n".join(blocks) + "\nTranscribed by https://otter.ai\n"


def rev(talk: Talk) -> str:
    return "\n".join(f"{s.speaker} ({short(s.start_s)}):\n{s.text}\n" for s in talk)


def descript(talk: Talk) -> str:
    return "\n".join(f"[{long(s.start_s)}] {s.speaker}: {s.text}\n" for s in talk)


def sonix(talk: Talk) -> str:
    return "\n".join(f"[{long(s.start_s)}]\n{s.speaker}: {s.text}\n" for s in talk)


def trint(talk: Talk) -> str:
    return "\n".join(f"[{long(s.start_s)}] {s.speaker}\n{s.text}\n" for s in talk)


def zoom_captions(talk: Talk) -> str:
    return "\n".join(f"[{s.speaker}] {long(s.start_s)}\n{s.text}\n" for s in talk)


def zoom_chat(talk: Talk) -> str:
    return "".join(f"{long(s.start_s)}\t From {s.speaker} : {s.text}\n" for s in talk)


def otranscribe(talk: Talk) -> str:
    return "\n".join(f"{clock(s.start_s, digits=0)} {s.speaker}: {s.text}\n" for s in talk)


def temi(talk: Talk) -> str:
    return "\n".join(f"{s.speaker}: {long(s.start_s)} {s.text}\n" for s in talk)


def whisper_console(talk: Talk) -> str:
    lines = [f"[{clock(s.start_s)} --> {clock(s.end_s)}]  {s.speaker}: {s.text}\n" for s in talk]
    return "Detected language: English\n" + "".join(lines)


def f4(talk: Talk) -> str:
    return "".join(f"{s.speaker}: {s.text} #{long(s.end_s)}-0#\n" for s in talk)


def maxqda(talk: Talk) -> str:
    return "".join(
        f"#{long(s.start_s)}-0# {s.speaker}: {s.text} #{long(s.end_s)}-0#\n" for s in talk
    )


def nvivo(talk: Talk) -> str:
    rows = [
        f"{clock(s.start_s, digits=1)} - {clock(s.end_s, digits=1)}\t{s.text}\t{s.speaker}\n"
        for s in talk
    ]
    return "Timespan\tContent\tSpeaker\n" + "".join(rows)


def table_without_heads(talk: Talk) -> str:
    return nvivo(talk).split("\n", 1)[1]


def spreadsheet(talk: Talk) -> str:
    rows = [f'{s.speaker},{s.start_s},{s.end_s},"{s.text}"\n' for s in talk]
    return "Speaker,Start,End,Text\n" + "".join(rows)


def whisperx_json(talk: Talk) -> str:
    segments = []
    for s in talk:
        step = (s.end_s - s.start_s) / len(s.words)
        words = [
            {"word": w, "start": s.start_s + k * step, "end": s.start_s + (k + 1) * step}
            for k, w in enumerate(s.words)
        ]
        words[-1]["end"] = s.end_s
        segments.append(
            {
                "start": s.start_s,
                "end": s.end_s,
                "text": s.text,
                "speaker": s.speaker,
                "words": words,
            }
        )
    return json.dumps({"segments": segments, "language": "en"})


def assemblyai_json(talk: Talk) -> str:
    utterances = [
        {
            "speaker": s.speaker,
            "start": 1000 * s.start_s,
            "end": 1000 * s.end_s,
            "text": s.text,
        }
        for s in talk
    ]
    return json.dumps({"utterances": utterances})


def eaf(talk: Talk) -> str:
    people = list(dict.fromkeys(s.speaker for s in talk))
    slots = ""
    tiers = ""
    for person in people:
        annotations = ""
        for i, s in enumerate(talk):
            if s.speaker != person:
                continue
            slots += f'<TIME_SLOT TIME_SLOT_ID="a{i}" TIME_VALUE="{1000 * s.start_s}"/>'
            slots += f'<TIME_SLOT TIME_SLOT_ID="b{i}" TIME_VALUE="{1000 * s.end_s}"/>'
            annotations += (
                f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="x{i}" TIME_SLOT_REF1="a{i}" '
                f'TIME_SLOT_REF2="b{i}"><ANNOTATION_VALUE>{s.text}</ANNOTATION_VALUE>'
                "</ALIGNABLE_ANNOTATION></ANNOTATION>"
            )
        tiers += (
            f'<TIER TIER_ID="t{len(tiers)}" PARTICIPANT="{person}" '
            f'LINGUISTIC_TYPE_REF="default-lt">{annotations}</TIER>'
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT FORMAT="3.0">'
        f'<HEADER TIME_UNITS="milliseconds"/><TIME_ORDER>{slots}</TIME_ORDER>{tiers}'
        '<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>'
        "</ANNOTATION_DOCUMENT>"
    )


def labels_alone(talk: Talk) -> str:
    return "\n".join(f"{s.speaker}: {s.text}\n" for s in talk)


def names_alone(talk: Talk) -> str:
    return "\n".join(f"{s.speaker}\n{s.text}\n" for s in talk)


@dataclass(frozen=True)
class Format:
    """How a program writes, the ending of its files, and which times it tells."""

    write: Callable[[Talk], str]
    suffix: str
    starts: bool = True
    ends: bool = True


FORMATS = {
    "srt with labels": Format(srt_with_labels, ".srt"),
    "WhisperX srt": Format(whisperx_srt, ".srt"),
    "Zoom vtt": Format(zoom_vtt, ".vtt"),
    "Teams vtt": Format(teams_vtt, ".vtt"),
    "Teams lines": Format(teams_lines, ".txt", ends=False),
    "Teams ranges": Format(teams_ranges, ".txt"),
    "Otter": Format(otter, ".txt", ends=False),
    "Rev": Format(rev, ".txt", ends=False),
    "Descript": Format(descript, ".txt", ends=False),
    "Sonix": Format(sonix, ".txt", ends=False),
    "Trint": Format(trint, ".txt", ends=False),
    "Zoom captions": Format(zoom_captions, ".txt", ends=False),
    "Zoom chat": Format(zoom_chat, ".txt", ends=False),
    "oTranscribe": Format(otranscribe, ".txt", ends=False),
    "Temi": Format(temi, ".txt", ends=False),
    "Whisper console": Format(whisper_console, ".txt"),
    "f4transkript": Format(f4, ".txt", starts=False),
    "MAXQDA": Format(maxqda, ".txt"),
    "NVivo": Format(nvivo, ".txt"),
    "table without heads": Format(table_without_heads, ".tsv"),
    "spreadsheet": Format(spreadsheet, ".csv"),
    "WhisperX JSON": Format(whisperx_json, ".json"),
    "AssemblyAI JSON": Format(assemblyai_json, ".json"),
    "ELAN": Format(eaf, ".eaf"),
    "labels alone": Format(labels_alone, ".txt", starts=False, ends=False),
    "names alone": Format(names_alone, ".txt", starts=False, ends=False),
}


def word_file(text: str) -> bytes:
    """A Word file with these lines as paragraphs; rows of tabs as a table."""
    import docx

    document = docx.Document()
    rows = [line.split("\t") for line in text.split("\n") if "\t" in line]
    if rows:
        table = document.add_table(rows=0, cols=len(rows[0]))
        for row in rows:
            cells = table.add_row().cells
            for cell, content in zip(cells, row, strict=True):
                cell.text = content
    else:
        for line in text.split("\n"):
            document.add_paragraph(line)
    raw = io.BytesIO()
    document.save(raw)
    return raw.getvalue()
