"""Any method within a guard: see :mod:`twomind.personalise.guard`. By default around ``tta-cap``."""

from __future__ import annotations

from twomind.personalise.guard import Guarded

PLUGIN = Guarded
