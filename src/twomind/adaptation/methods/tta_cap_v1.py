"""TTA-CaP as first published (arXiv 2603.21309 v1/v2, released 2026-03-10): a preset of
:mod:`..tta_cap`.

Sees before the stream: prototypes of source people chosen by the person's *neutral-labelled*
windows (the released program took them from the test set; here they are a clip of their own,
declared as ``NEUTRAL``). Known oddities that are kept: for C = 2 the upper entropy threshold 1.2
never rejects (the most is ln 2); an accepted window retrieves itself; a class without prototypes
scores -1e9. Not kept: a file of exactly one person's prototypes was silently used for everybody.
"""

from __future__ import annotations

from dataclasses import dataclass

from twomind.adaptation.tta_cap import TTACap


@dataclass(frozen=True)
class TTACapV1(TTACap):
    """TTA-CaP as first published: the released defaults, where they differ from ``tta-cap``."""

    reset_scope: str = "subject"
    write_order: str = "before"
    neg_class: str = "pred"
    search: str = "all"
    source_term: str = "mix"
    missing: str = "pass"
    negative_gate: str = "margin"
    entropy_unit: str = "nats"
    empty_class: str = "released"
    select: str = "neutral"
    statistics: str = "neutral"
    n_people: int = 5
    tau_pos: float = 0.5
    tau_neg: float = 1.2
    tau_margin: float = 0.05
    lam_src: float = 1.0
    lam_pos: float = 1.0
    lam_neg: float = 1.0
    n_neg: int = 5
    negative_without_entropy: bool = True


PLUGIN = TTACapV1
