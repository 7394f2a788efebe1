"""Any method within a guard: see :mod:`twomind.adaptation.guard`. By default around ``tta-cap``."""

from __future__ import annotations

from twomind.adaptation.guard import Guarded

PLUGIN = Guarded
