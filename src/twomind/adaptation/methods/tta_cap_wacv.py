"""TTA-CaP as rewritten on 2026-06-28 (figures named WACV): a preset of
:mod:`twomind.adaptation.tta_cap`.

Sees before the stream: prototypes of source people chosen by *unlabelled windows of the person
known in advance* (``TARGET``; the released program used the whole test stream). Known oddities that
are kept: caches are emptied at every video; only the predicted class is looked up, so that in
embedding space the caches can never change a window's label, only its weight in the video's mean;
for C = 2 the upper entropy threshold 0.8 never rejects.
"""

from __future__ import annotations

from dataclasses import dataclass

from twomind.adaptation.tta_cap import TTACap


@dataclass(frozen=True)
class TTACapWACV(TTACap):
    """TTA-CaP as its authors rewrote it: the released defaults, where they differ from
    ``tta-cap``.
    """

    reset_scope: str = "video"
    write_order: str = "after"
    neg_class: str = "least_likely"
    search: str = "bucket"
    source_term: str = "class"
    missing: str = "block"
    entropy_unit: str = "nats"
    empty_class: str = "released"
    select: str = "target"
    tau_pos: float = 0.5
    tau_neg: float = 0.8
    tau_margin: float = 0.05
    lam_src: float = 1.0
    lam_pos: float = 1.0
    lam_neg: float = 1.0


PLUGIN = TTACapWACV
