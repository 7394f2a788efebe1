"""SFDA-PFT: translate a person's features, by a translator trained at the source and tuned on a
neutral clip.

Paper: arXiv 2508.09202 (ICLR 2026); released code: SFDA-PFT. Sees a neutral clip and the source's
translator (``SUMMARY``); changes the translator, one copy per person. Features are those that the
model's last layer reads; they are computed once, and the model stays as it is.

What is different here, by default:

- the translator is residual and starts at the identity, so before any training it is the source
  model exactly. The released one, and the second network before it, start at random;
- at the source it has to match the moments of another person's features. The released style term
  has no gradient, and the released expression term's default stops with an error;
- the translator alone is trained (.5 M weights at 512 dimensions); released are 11.7 M, with
  statistics of batch normalisation that move;
- a fixed number of epochs; released: best of 20 % of the neutral frames, which the first epoch that
  calls all of them neutral wins.

``target_loss="expr"`` keeps the model's own answers on neutral windows and nothing else, as the
figure has it: its minimum is the source model, so it cannot gain anything. ``variant="released"``:
the released translator (random start, trained to imitate the frozen logits) on the same cached
features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from twomind.core.errors import BadInput, MissingExtra
from twomind.models import pft_net as net
from twomind.models.embedding import from_logits
from twomind.training import pft
from twomind.types import Access, Example, Features, Given, Prediction, State, Status, Trainable
from twomind.types.plain import Array

try:
    import torch
except ImportError as error:
    raise MissingExtra("torch", "SFDA-PFT") from error

if TYPE_CHECKING:
    from twomind.adaptation.check import Toy

LOSSES = ("ce_neutral+expr", "expr")


@dataclass(frozen=True)
class SfdaPft:
    """Works on every model with ``run`` and ``head``. Labels of the person are never read."""

    variant: str = "corrected"  # corrected, released
    target_loss: str = "ce_neutral+expr"  # or expr
    expr: str = "mse_logits"  # or kl_probs
    neutral: int = 0  # the class of the neutral clip
    epochs: int = 25
    batch: int = 32
    learning_rate: float = 1e-4  # of Adam

    def __post_init__(self) -> None:
        if self.variant not in pft.VARIANTS:
            raise BadInput(
                f"sfda-pft variant: expected one of {', '.join(pft.VARIANTS)}, got {self.variant!r}"
            )
        if self.target_loss not in LOSSES:
            raise BadInput(
                f"sfda-pft target_loss: expected one of {', '.join(LOSSES)}, got "
                f"{self.target_loss!r}"
            )

    @property
    def needs(self) -> Access:
        return Access.NEUTRAL | Access.SUMMARY

    def begin(self, model: Trainable, given: Given) -> State:
        head = model.head()
        if not 0 <= self.neutral < len(head[0]):
            raise BadInput(
                f"sfda-pft neutral: expected a class of 0 … {len(head[0]) - 1}, got {self.neutral}"
            )
        start = pft.from_summary(given.summary or {}, self.variant, head[0].shape[1])
        clip = given.neutral or ()
        usable = [x for x in clip if model.predict(x).status is not Status.NOT_MEASURED]
        if not usable:
            raise BadInput(
                f"expected a neutral clip that the model can read, got {len(clip)} "
                "windows of which "
                "none can"
            )
        with torch.no_grad():
            z, _ = model.run(usable)
        how = pft.TargetSettings(
            kind=pft.VARIANTS[self.variant],
            neutral=self.neutral,
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            with_ce=self.target_loss == "ce_neutral+expr",
            expr=self.expr,
            seed=given.seed,
        )
        tuned = pft.adapt_translator(start, z, head, how)
        return {"translator": tuned}

    def step(self, model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
        source = model.predict(x)
        if source.status is Status.NOT_MEASURED:
            return source, state
        with torch.no_grad():
            z, _ = model.run([x])
            moved = net.translate(state["translator"], z, pft.VARIANTS[self.variant])
            logits = pft.logits_of(moved, model.head())
        return from_logits(x, logits[0]), state

    @staticmethod
    def source_summary(model: Trainable) -> Callable[[tuple[Example, ...]], dict[str, Array]]:
        """The translator that is trained at the source; see :mod:`twomind.adaptation.traits`."""
        return pft.source_summary(model)

    @classmethod
    def toy(cls) -> Toy:
        """The contract's toy people, with translators trained on its source people in the
        summary.
        """
        from twomind.adaptation import check

        world = check.toy()
        source = world.given("anna").source or ()
        made: dict[str, Array] = {}
        for variant in pft.VARIANTS:
            summarise = pft.source_summary(world.model, pft.SourceSettings(variant, epochs=3))
            made |= summarise(source)

        def given(subject: str) -> Given:
            own = world.given(subject)
            return replace(own, summary={**(own.summary or {}), **made})

        return replace(world, given=given)


PLUGIN = SfdaPft
