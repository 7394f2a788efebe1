"""A model that learnt from synthetic people does not score real ones unless it is told to."""

from __future__ import annotations

from twomind.core.errors import BadInput
from twomind.types import Features


def refuse_real(
    *, learnt_from_drawn: bool, drawn: bool, allowed: bool, instead: str = "Train on real people"
) -> None:
    """Let a synthetic person, a model of real people, or an explicit permission pass.

    Raises:
        BadInput: the model learnt from synthetic people, and this is a real one; ``instead`` says what
            to do.
    """
    if learnt_from_drawn and not drawn and not allowed:
        raise BadInput(
            "this model learnt from synthetic people, and this is a recording of a real person: its "
            "numbers would say "
            f"nothing about them. {instead}, or let it, to see how the machinery "
            "works: predict --set model.allow_drawn=true, score personalise --allow-drawn-model, "
            "in Python allowing_drawn()"
        )


def why_not_read(x: Features, track: str, *, learnt_from_drawn: bool, allowed: bool) -> str:
    """Why a model cannot read a window; empty when it can.

    Args:
        x: the window.
        track: the model's only track.
        learnt_from_drawn: the model learnt from synthetic people.
        allowed: it may read real people all the same.
    """
    rows = x.tracks.get(track)
    if rows is None or not rows.valid.any():
        return x.notes.get(track, f"no valid row of {track} in this window")
    if learnt_from_drawn and not x.drawn and not allowed:
        return "this model has seen synthetic people only, and the recording is not synthetic"
    return ""
