"""The unlabelled windows of the person, and why a neutral clip is no substitute for them.

Methods that spread answers over the classes, or align a target with a source of all classes, push
half of a neutral-only set over the boundary. Measured on the small world of the specification,
balanced accuracy in %: source model 88.4; SHOT 96.6 with both classes unlabelled, 76.0 with neutral
only; NRC 96.5 and 74.8; global MMD 96.2 and 77.8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twomind.adaptation import caches
from twomind.core.errors import BadInput
from twomind.types import Access, Features, Given, Prediction

#: what stands behind each claim of the refusal, in % balanced accuracy (specification, section 7)
WHY = (
    "source model 88.4, SHOT 96.6 with both classes and 76.0 with neutral only, NRC 96.5 and "
    "74.8, MMD 96.2 and 77.8"
)
INSTEAD = "use neutral-alignment, neutral-threshold or neutral-mmd for a neutral clip"


def access(data: str) -> Access:
    """What ``data`` (``target`` or ``neutral``) asks of the protocol."""
    caches.one_of("data", data, ("target", "neutral"))
    return Access.NEUTRAL if data == "neutral" else Access.TARGET


def windows(
    model: Any, given: Given, data: str, force: bool, rarest: float, name: str
) -> Sequence[Features]:
    """The windows to adapt on, or a refusal.

    ``data="neutral"`` is neutral-only by declaration. Of unlabelled windows nobody knows; they are
    refused where the source model sees a second class in less than the share ``rarest`` of them.
    That is a guess, and it can miss: on drawn people (30 seeds, 60 windows) 0.05 caught 53 % of
    neutral clips passed off as unlabelled and refused none with both classes; 0.1 caught 93 % (60 %
    where the person was shifted), and refuses a short mixed set in which the model sees 1 of 12.
    What cannot miss is the protocol: it hands a neutral clip over as NEUTRAL.

    Raises:
        BadInput: the windows are of one class as far as can be told, and ``force`` is not set.
    """
    import numpy as np

    if data == "neutral":
        if not force:
            raise BadInput(
                f"{name} needs unlabelled windows of every class, and a neutral clip has one: it "
                "would make the "
                f"answers worse (balanced accuracy in %: {WHY}); {INSTEAD}, or set force=true to "
                "see it happen"
            )
        return given.neutral or ()
    xs = given.target or ()
    read = [r for x in xs if not isinstance(r := caches.read(model, x), Prediction)]
    if force or not read:
        return xs
    share = np.bincount([int(r[1].argmax()) for r in read], minlength=2) / len(read)
    rest = 1 - share.max()
    if rest == 0 or rest < rarest:
        label = getattr(getattr(model, "task", None), "classes", {})
        label = label[int(share.argmax())] if label else f"class {int(share.argmax())}"
        raise BadInput(
            f"{name} needs unlabelled windows of every class; of {len(read)} windows the source "
            "model sees all but "
            f"{rest:.0%} as {label!r}, so they look like one class, which would make the answers "
            "worse (balanced "
            f"accuracy in %: {WHY}); hand over more of the person, {INSTEAD}, or set force=true if "
            "you know better"
        )
    return xs
