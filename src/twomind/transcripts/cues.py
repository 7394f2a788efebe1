"""Cues of subtitle files (SubRip, WebVTT): lines of text that are shown together."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

# Own reader: pysubs2 1.8 hands WebVTT notes, styles and the next cue's identifier to the cue
# before, and drops a last line that is only a number ("... I am / 42"). Here every spoken word must
# survive, and nothing that was not spoken.

_STAMP = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"^[ \t]*{_STAMP}[ \t]*-->[ \t]*{_STAMP}", re.MULTILINE)
INLINE_STAMP = re.compile(rf"<{_STAMP}>")
_TAG = re.compile(r"</?[a-zA-Z][^>]*>|\{\\[^}]*\}")


def stamp_s(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    """Seconds of a time code's fields."""
    return (
        int(hours or 0) * 3600
        + int(minutes) * 60
        + int(seconds)
        + int(fraction) / 10 ** len(fraction)
    )


@dataclass(frozen=True)
class Cue:
    """Lines of text that are shown together."""

    start_s: float
    end_s: float
    lines: list[str]


def has_timing(text: str) -> bool:
    """Whether some line of the text gives a cue's time."""
    return bool(_TIMING.search(text))


def cues_of(text: str, kind: str) -> Iterator[Cue]:
    """The cues of a file.

    Args:
        text: The file's text.
        kind: ``SubRip`` or ``WebVTT``; they end a cue in different ways.
    """
    lines = text.splitlines()
    at = [i for i, line in enumerate(lines) if _TIMING.match(line)]
    for i, following in pairwise([*at, len(lines)]):
        body = lines[i + 1 : following]
        if kind == "WebVTT":
            body = _until_blank(body)
        elif following < len(lines) and body and body[-1].strip().isdigit():
            body = body[:-1]  # the number of the next cue
        match = _TIMING.match(lines[i])
        assert match
        stamps = match.groups()
        start_s = stamp_s(*stamps[:4])
        end_s = stamp_s(*stamps[4:])
        yield Cue(start_s, end_s, [line for line in body if line.strip()])


def _until_blank(body: list[str]) -> list[str]:
    """A blank line ends a WebVTT cue; what follows is an identifier, a note or a style."""
    for k, line in enumerate(body):
        if not line:
            return body[:k]
    return body


def plain(text: str) -> str:
    """What is shown of a cue's text: no tags, no escapes."""
    return html.unescape(_TAG.sub("", text)).strip()
