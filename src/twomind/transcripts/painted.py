"""Speakers of subtitles who are told apart by nothing but the colour of their text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from twomind.transcripts.cues import INLINE_STAMP, Cue, plain

# The colours that WebVTT names as classes; other classes are about place and style.
_CLASSES = "white|lime|cyan|red|yellow|magenta|blue|black"
_RUN = re.compile(
    r"<font[^<>]*\bcolor\s*=\s*[\"']?(?P<font>#?\w+)[^<>]*>(?P<a>.*?)</font>"
    rf"|<c\.(?:[\w.-]*\.)?(?P<named>{_CLASSES})(?:\.[\w.-]*)?>(?P<b>.*?)</c>",
    re.IGNORECASE | re.DOTALL,
)
_NO_COLOUR = "no colour"


def voiced_by_colour(cues: Sequence[Cue]) -> list[Cue]:
    """The cues, each text in a voice tag that names its colour, where the colours tell speakers.

    They do where each cue shows all of its text in colours of its own or all of it in none, and
    there are several of these. A colour that marks a part of a text is a highlight or stress, and
    a file that names its speakers needs no other sign.

    Args:
        cues: The cues as they are written, tags and all.
    """
    runs = [_runs(cue) for cue in cues]
    colours = {colour for told in runs if told for colour, _ in told}
    named = any("<v" in line or INLINE_STAMP.search(line) for cue in cues for line in cue.lines)
    if named or len(colours) < 2 or any(told is None for told in runs):
        return list(cues)
    return [_voiced(cue, told or []) for cue, told in zip(cues, runs, strict=True)]


def _runs(cue: Cue) -> list[tuple[str, str]] | None:
    """Each text of the cue with its colour; None where only a part of it has one."""
    text = "\n".join(cue.lines)
    found = list(_RUN.finditer(text))
    if not found:
        return [(_NO_COLOUR, text)] if plain(text) else []
    # A dash before a colour begins a turn, as in dialogues without colours.
    if plain(_RUN.sub("", text)).strip(" -–—\n"):
        return None
    return [(_colour(run), run["a"] or run["b"] or "") for run in found]


def _colour(run: re.Match[str]) -> str:
    return f"colour {(run['font'] or run['named']).lower()}"


def _voiced(cue: Cue, runs: Sequence[tuple[str, str]]) -> Cue:
    text = "\n".join(f"<v {colour}>{said}</v>" for colour, said in runs)
    return replace(cue, lines=text.split("\n"))
