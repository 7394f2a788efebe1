"""Helpers for tests of your own models, methods and data sets. The library itself uses none of
them.

Beside them lie the contracts, which a plug-in runs in its own tests: :mod:`twomind.models.check`,
:mod:`twomind.adaptation.check` (with a toy world of people) and :mod:`twomind.datasets.check`.
"""

from twomind.testing.streams import ORDERS, Order, interleaved

__all__ = ["ORDERS", "Order", "interleaved"]
