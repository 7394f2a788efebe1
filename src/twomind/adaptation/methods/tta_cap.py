"""TTA-CaP with its corrected defaults: see :mod:`twomind.adaptation.tta_cap`.

Sees: prototypes of source people (``SUMMARY``); with ``select`` also a neutral clip or unlabelled
windows of the person. Changes: two caches per person. Published: ``tta-cap-v1`` and
``tta-cap-wacv``.
"""

from __future__ import annotations

from twomind.adaptation.tta_cap import TTACap

PLUGIN = TTACap
