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

_GROUP = "models"
#: Endings of files that `twomind weights import` reads.
_CHECKPOINTS = (".pth", ".pt", ".ckpt")
#: What reads a file or a folder without a card: models of version 0.1 that lie in one file.
_WITHOUT_CARD = "words"


def load(name: str | Path = "words") -> Any:
    """A model by the name of a plug-in (``words``: the default that ships), or from a folder that
    one was saved into.

    Args:
        name: a plug-in's name; a folder with a ``card.json``; or a file of one model.

    Raises:
        BadInput: there is no such plug-in or file; the message lists the plug-ins.
        MissingWeights: a file of the model is damaged, or not the one that was saved.
    """
    plugins = registry.names(_GROUP)
    if str(name) in plugins:
        return registry.load(_GROUP, str(name)).load()
    path = Path(name)
    folder = _folder_with_card(path)
    if folder is not None:
        from twomind.models.base import read_card, refuse_damaged

        card = read_card(folder)
        refuse_damaged(folder, card)
        plugin = str(card["recogniser"])
        return registry.load(_GROUP, plugin).load(folder)
    if path.is_file() and path.suffix.lower() in _CHECKPOINTS:
        raise BadInput(
            f"{path}: a checkpoint of somebody else's program; read it with `twomind weights import "
            f"{path} --as KIND --out FOLDER`, and give that folder"
        )
    if path.exists():
        return registry.load(_GROUP, _WITHOUT_CARD).load(path)
    known = ", ".join(plugins)
    raise BadInput(
        f"model {str(name)!r}: expected one of {known}, or a file or folder made by `twomind train`"
    )


def _folder_with_card(path: Path) -> Path | None:
    """The model's folder, where ``path`` is one with a card, or the card itself."""
    from twomind.models.base import CARD

    if (path / CARD).is_file():
        return path
    return path.parent if path.name == CARD and path.is_file() else None
