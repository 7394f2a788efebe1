"""A model that learnt from drawn people does not score real ones unless it is told to."""

from __future__ import annotations

from twomind.core.errors import BadInput


def refuse_real(
    *, learnt_from_drawn: bool, drawn: bool, allowed: bool, instead: str = "Train on real people"
) -> None:
    """Let a drawn person, a model of real people, or an explicit permission pass.

    Raises: BadInput: the model learnt from drawn people, and this is a real one; ``instead`` says
        what to do.
    """
    if learnt_from_drawn and not drawn and not allowed:
        raise BadInput(
            "this model learnt from drawn people, and this is a recording of a real person: its "
            "numbers would say "
            f"nothing about them. {instead}, or let it, to see how the machinery "
            "works: predict --set model.allow_drawn=true, score personalise --allow-drawn-model, "
            "in Python allowing_drawn()"
        )
