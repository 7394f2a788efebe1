"""A face–text encoder as the rest of the house sees it: pictures → rows, phrases → tokens, and a
frozen text tower.

CLIP (:mod:`.clip`) is one of these; others are plug-ins (group ``encoders``). :mod:`.opening` opens
them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.source_mark import has_source

if TYPE_CHECKING:
    from torch import Tensor

    from twomind.encoders.clip_towers import Tower


#: Prepared pictures ``(n, ...)`` → rows ``(n, dim)`` float32, not normalised.
Images = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Tokens:
    """Phrases as ids ``(N, L)`` int64, padded with 0, and where each is read out ``(N,)``."""

    ids: Tensor
    read_at: Tensor


@dataclass(frozen=True)
class Encoder:
    """One frozen encoder. ``images`` maps prepared pictures ``(n, ...)`` to rows ``(n, dim)``
    float32, not normalised.

    ``fingerprint`` tells one set of weights and one runtime's numbers from another. ``drawn_only``
    marks an encoder that has seen synthetic people and nothing else. ``opened_by`` is the module that
    made it of its files.
    """

    name: str
    track: str
    dim: int
    prepare: Callable[[np.ndarray], np.ndarray]
    images: Images
    tokenise: Callable[[Sequence[str]], Tokens]
    text: Tower
    fingerprint: str
    crop_px: int = 224
    batch: int = 32
    runtime: str = "torch"
    drawn_only: bool = False
    opened_by: str = ""

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the modules whose code makes a row of a picture.

        What was typed into a session has no file that could be looked into; of its changes only the
        fingerprint can tell.
        """
        named = (self.opened_by, _module_of(self.prepare), _module_of(self.images))
        return tuple(name for name in dict.fromkeys(named) if has_source(name))

    def embed(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Rows ``(n, dim)`` of RGB pictures ``(H, W, 3)`` uint8, in batches that fit the memory."""
        rows = []
        for start in range(0, len(pictures), self.batch):
            batch = [self.prepare(picture) for picture in pictures[start : start + self.batch]]
            rows.append(self.images(np.stack(batch)))
        if not rows:
            return np.empty((0, self.dim), np.float32)
        return np.concatenate(rows)


def _module_of(maker: Callable[..., np.ndarray]) -> str:
    """The module of a function; of a partial one, or an object that can be called, its own."""
    while isinstance(maker, partial):
        maker = maker.func
    named: str = maker.__module__
    return named


#: Folder of weights, or a name; what :func:`twomind.encoders.opening.open_encoder` takes.
Name = str | Path


def refuse_real(encoder: Encoder, drawn: bool, recording: str, allow_real: bool = False) -> None:
    """An encoder that has seen synthetic people only does not look at real ones unless told to.

    Args:
        encoder: what looks.
        drawn: whether the recording is of synthetic people.
        recording: its name, for the message.
        allow_real: look all the same.

    Raises:
        BadInput: it would.
    """
    if encoder.drawn_only and not drawn and not allow_real:
        raise BadInput(
            f"{recording}: the encoder {encoder.name!r} has seen synthetic people only, and this "
            "recording is not drawn. Use a CLIP (for example vit-b-32), or say allow_real=True to "
            "look all the same"
        )
