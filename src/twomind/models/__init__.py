"""Estimate: :class:`~twomind.types.Features` → :class:`~twomind.types.Prediction`.

>>> from twomind.models import load
>>> load("words").task.classes
('absent', 'present')
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twomind.core import registry
from twomind.core.errors import BadInput, MissingWeights

_GROUP = "models"
#: Endings of files that `twomind weights import` reads.
_CHECKPOINTS = (".pth", ".pt", ".ckpt")
#: What reads a file or a folder without a card: models of version 0.1 that lie in one file.
_WITHOUT_CARD, _ITS_FILE = "words", "words.json"


def load(name: str | Path = "words") -> Any:
    """A model by the name of a plug-in (``words``: the default that ships), or from a folder that
    one was saved into.

    Args:
        name: a plug-in's name; a folder with a ``card.json``; or a file of one model.

    Returns:
        The model; see :class:`twomind.models.base.Model`.

    Raises:
        BadInput: there is no such plug-in or file; the message lists the plug-ins.
        MissingWeights: a file of the model is damaged, or not the one that was saved.

    Warns:
        Unsealed: the model carries no checksum, as those of 0.1 (:class:`twomind.core.errors.Unsealed`).

    Example:
        >>> from twomind.models import load
        >>> load("words").task.classes
        ('absent', 'present')
    """
    plugins = registry.names(_GROUP)
    if str(name) in plugins:
        return registry.load(_GROUP, str(name)).load()
    path = Path(name)
    folder = _folder_with_card(path)
    if folder is not None:
        return _of_folder(folder)
    if path.is_file() and path.suffix.lower() in _CHECKPOINTS:
        raise BadInput(
            f"{path}: a checkpoint of somebody else's program; read it with `twomind weights import "
            f"{path} --as KIND --out FOLDER`, and give that folder"
        )
    if path.is_dir() and not (path / _ITS_FILE).is_file():
        raise BadInput(_why_no_model(path))
    if path.exists():
        found = registry.load(_GROUP, _WITHOUT_CARD).load(path)
        tell_if_unsealed(path)
        return found
    known = ", ".join(plugins)
    raise BadInput(
        f"model {str(name)!r}: expected one of {known}, or a file or folder made by `twomind train`"
    )


def _why_no_model(folder: Path) -> str:
    """Why a folder without a card is no model, and which folders in it are."""
    from twomind.models.base import CARD

    below = sorted(card.parent.name for card in folder.glob(f"*/{CARD}"))
    if not below:
        return f"{folder}: expected a folder made by `twomind train`, with a {CARD}; it has none"
    choice = ", ".join(below)
    return f"{folder}: it holds several models: {choice}. Name one: {folder / below[0]}"


def tell_if_unsealed(name: str | Path) -> None:
    """Warn where a saved model carries no checksum.

    Args:
        name: as :func:`load` takes it; plug-ins, and what is not a model, pass.
    """
    from twomind.core.seals import is_sealed, tell_unsealed
    from twomind.models.base import CARD

    path = Path(name)
    if str(name) in registry.names(_GROUP):
        return
    folder = _folder_with_card(path)
    alone = path / _ITS_FILE if path.is_dir() else path
    file = alone if folder is None else folder / CARD
    if file.is_file() and not is_sealed(file):
        tell_unsealed(path)


def _of_folder(folder: Path) -> Any:
    """The model of a folder with a card."""
    from twomind.core.seals import is_sealed
    from twomind.models.base import CARD, read_card, refuse_damaged

    card = read_card(folder)
    refuse_damaged(folder, card)
    plugin = registry.load(_GROUP, str(card["recogniser"]))
    if is_sealed(folder / CARD):
        return plugin.load(folder)
    tell_if_unsealed(folder)
    try:
        return plugin.load(folder)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise MissingWeights(
            f"{folder}: damaged: its model cannot be read ({error!r}). Copy it anew."
        ) from error


def _folder_with_card(path: Path) -> Path | None:
    """The model's folder, where ``path`` is one with a card, the card itself, or a file that the
    card beside it names.
    """
    from twomind.models.base import CARD, read_card

    if (path / CARD).is_file():
        return path
    if not path.is_file() or not (path.parent / CARD).is_file():
        return None
    if path.name == CARD:
        return path.parent
    try:
        named = read_card(path.parent).get("files_sha256")
    except BadInput:
        return None  # the card of something else
    return path.parent if isinstance(named, dict) and path.name in named else None
