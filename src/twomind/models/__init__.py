"""Estimate: :class:`~twomind.types.Features` → :class:`~twomind.types.Prediction`.

>>> from twomind.models import load
>>> load("words").task.classes
('absent', 'present')
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twomind.core import registry
from twomind.core.errors import BadInput


def load(name: str | Path = "words") -> Any:
    """A recogniser by the name of a plug-in (``words``: the default that ships), or from a file or
    folder trained here.

    Raises:
        BadInput: there is no such plug-in or file; the message lists the plug-ins.
    """
    if str(name) in registry.names("recognisers"):
        return registry.load("recognisers", str(name)).load()
    path = Path(name)
    card = path / "card.json" if path.is_dir() else path
    if card.name == "card.json" and card.is_file():
        return registry.load("recognisers", _made_by(card)).load(path)
    if path.exists():
        return registry.load("recognisers", "words").load(path)
    known = ", ".join(registry.names("recognisers"))
    raise BadInput(
        f"model {str(name)!r}: expected one of {known}, or a file or folder made by `twomind train`"
    )


def _made_by(card: Path) -> str:
    """The plug-in that a model's card names."""
    import json

    try:
        entry = json.loads(card.read_text(encoding="utf-8"))
        return str(entry["recogniser"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{card}: expected a model card that names its recogniser ({error!r})"
        ) from error
