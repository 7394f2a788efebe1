"""Estimate: :class:`~twomind.types.Features` → :class:`~twomind.types.Prediction`.

>>> from twomind.estimate import load
>>> load("words").task.classes
('absent', 'present')
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twomind import registry
from twomind.errors import BadInput


def load(name: str | Path = "words") -> Any:
    """A recogniser by the name of a plug-in (``words``: the default that ships), or from a file or folder trained here.

    Raises:
        BadInput: there is no such plug-in or file; the message lists the plug-ins.
    """
    if str(name) in registry.names("recognisers"):
        return registry.load("recognisers", str(name)).load()
    path = Path(name)
    if path.exists():
        return registry.load("recognisers", "words").load(path)
    known = ", ".join(registry.names("recognisers"))
    raise BadInput(f"model {str(name)!r}: expected one of {known}, or a file or folder made by `twomind train`")
