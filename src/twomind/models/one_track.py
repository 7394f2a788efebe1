"""What the recognisers of faces have in common: one track that they read, and the rule that a model
of synthetic people does not answer for real ones.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from twomind.models.base import BaseModel
from twomind.models.embedding import from_logits
from twomind.models.synthetic import refuse_real, why_not_read
from twomind.types import Features, Prediction

if TYPE_CHECKING:
    from torch import Tensor


class OneTrack(BaseModel):
    """A frozen dataclass with the fields ``track``, ``drawn`` and ``allow_real``, and ``run``.

    ``drawn`` says that it was trained on synthetic people only: then real recordings are not measured
    unless ``allow_real``.
    """

    if TYPE_CHECKING:
        # Fields of every such dataclass.
        @property
        def track(self) -> str: ...

        @property
        def drawn(self) -> bool: ...

    #: What to do where a real person is refused.
    instead: ClassVar[str]

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.track,)

    @property
    def synthetic(self) -> bool:
        return self.drawn

    @abstractmethod
    def run(self, xs: Sequence[Features]) -> tuple[Tensor, Tensor]:
        """Embeddings ``(B, D)`` and logits ``(B, C)`` of windows that can be measured."""

    def absent(self, x: Features) -> str:
        """Why this window cannot be measured; empty when it can."""
        allowed = self.allow_real
        return why_not_read(x, self.track, learnt_from_drawn=self.drawn, allowed=allowed)

    def predict(self, x: Features) -> Prediction:
        import torch

        if why := self.absent(x):
            return Prediction.not_measured(x.span_s, len(self.task.classes), why)
        with torch.no_grad():
            _, logits = self.run([x])
        return from_logits(x, logits[0])

    def refuse(self, x: Features) -> None:
        """Refuse a real recording, where the model knows synthetic people only.

        Raises:
            BadInput: it does, and was not told otherwise.
        """
        refuse_real(
            learnt_from_drawn=self.drawn,
            drawn=x.drawn,
            allowed=self.allow_real,
            instead=self.instead,
        )

    def allowing_drawn(self, allow: bool = True) -> Self:
        """Let a model that learnt from synthetic people score real ones. Its numbers say nothing about
        them.
        """
        this: Any = self
        changed: Self = replace(this, allow_real=allow)
        return changed


__all__ = ["OneTrack"]
