"""What it means that a recording cannot be read: it costs only itself, and its row says why.

What concerns every file alike (no such encoder, a model of synthetic people that would look at a
real one) is not of one file: that stops at once, with its own message.
"""

from __future__ import annotations

from twomind.core.errors import BadInput, MissingExtra
from twomind.types import Features, Recording

#: What reading one file may raise while the others are fine. ``MissingExtra``: a film among folders
#: of face crops, where no face can be found without MediaPipe.
OF_ONE_FILE = (BadInput, MissingExtra, OSError)


def unread(recording: Recording, why: str, modalities: tuple[str, ...]) -> Features:
    """A recording of which nothing was measured.

    Args:
        recording: which one.
        why: what its reader said.
        modalities: whose absence is explained by it.
    """
    return Features(
        recording=recording.id,
        subject=recording.subject,
        tracks={},
        span_s=(0.0, 1.0),
        question=recording.question,
        notes=dict.fromkeys(modalities, why),
        drawn=recording.drawn,
    )


def why_unread(x: Features) -> str:
    """Why nothing of a recording could be read; "" where something could."""
    if any(track.valid.any() for track in x.tracks.values()):
        return ""
    for track in x.tracks.values():
        said = [reason for reason in track.reasons if reason]
        if said:
            return said[0]
    notes = list(x.notes.values())
    return notes[0] if notes else "no frame could be read"


__all__ = ["OF_ONE_FILE", "unread", "why_unread"]
