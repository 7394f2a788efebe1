"""The unlabelled windows of the person, and why a neutral clip is not a substitute for them.

Methods that spread answers over the classes, or align a target with a source of all classes, push
half of a neutral-only set over the boundary. Measured on the small world of the specification,
balanced accuracy in %: source model 88.4; SHOT 96.6 with both classes unlabelled, 76.0 with neutral
only; NRC 96.5 and 74.8; global MMD 96.2 and 77.8.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twomind.adaptation import caches
from twomind.core.errors import BadInput
from twomind.types import Access, Features, Given, Trainable

#: what stands behind each claim of the refusal, in % balanced accuracy (specification, section 7)
EVIDENCE = (
    "source model 88.4, SHOT 96.6 with both classes and 76.0 with neutral only, NRC 96.5 and "
    "74.8, MMD 96.2 and 77.8"
)
INSTEAD = "use neutral-alignment, neutral-threshold or neutral-mmd for a neutral clip"


def access(data: str) -> Access:
    """What ``data`` (``target`` or ``neutral``) asks of the protocol."""
    caches.one_of("data", data, ("target", "neutral"))
    return Access.NEUTRAL if data == "neutral" else Access.TARGET


def windows(
    model: Trainable, given: Given, data: str, force: bool, rarest: float, name: str
) -> Sequence[Features]:
    """The windows to adapt on, or a refusal.

    Of unlabelled windows nobody knows of how many classes they are; they are refused where the
    source model sees a second class in a small share of them. That is a guess, and it can miss: on
    synthetic people (30 seeds, 60 windows) 0.05 caught 53 % of neutral clips passed off as unlabelled
    and refused none with both classes; 0.1 caught 93 % (60 % where the person was shifted), and
    refuses a short mixed set in which the model sees 1 of 12. What cannot miss is the protocol: it
    hands a neutral clip over as NEUTRAL.

    Args:
        model: the source model.
        given: what the protocol hands over.
        data: ``target``, or ``neutral``, which is neutral-only by declaration.
        force: never refuse.
        rarest: refuse where the second class has a smaller share than this.
        name: of the method, for the message.

    Raises:
        BadInput: the windows are of one class as far as can be told, and ``force`` is not set.
    """
    if data == "neutral":
        if not force:
            raise BadInput(
                f"{name} needs unlabelled windows of every class, and a neutral clip has one: it "
                "would make the "
                f"answers worse (balanced accuracy in %: {EVIDENCE}); {INSTEAD}, or set force=true to "
                "see it happen"
            )
        return given.neutral or ()
    xs = given.target or ()
    read = caches.readings(model, xs)
    if force or not read:
        return xs
    predicted = [int(logits.argmax()) for _, logits in read]
    share = np.bincount(predicted, minlength=2) / len(read)
    rest = 1 - share.max()
    if rest == 0 or rest < rarest:
        label = model.task.classes[int(share.argmax())]
        raise BadInput(
            f"{name} needs unlabelled windows of every class; of {len(read)} windows the source "
            "model sees all but "
            f"{rest:.0%} as {label!r}, so they look like one class, which would make the answers "
            "worse (balanced "
            f"accuracy in %: {EVIDENCE}); hand over more of the person, {INSTEAD}, or set force=true if "
            "you know better"
        )
    return xs
