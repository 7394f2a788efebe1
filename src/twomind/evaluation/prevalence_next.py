"""Which answers to code next, so that shares told from all codes stay right.

Each answer that is not coded yet is drawn with a known probability: half of it the same for all,
half in proportion to how much a code varies at the model's score. The draw looks at no code, so a
code cannot decide what is coded next. With ``p`` the probability of being coded before and ``q``
that of being drawn now, an answer's inclusion probability becomes ``p + (1 - p) q``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twomind.core.errors import BadInput
from twomind.evaluation.prevalence import Answers
from twomind.types.plain import Array

#: Part of the draw that is the same for all: a wrong model costs little.
EVEN_SHARE = 0.5
_LEAST_SPREAD = 0.2


@dataclass(frozen=True)
class Draw:
    """Answers to code next.

    Attributes:
        chosen: whether each answer was drawn ``(N,)``.
        chance: inclusion probability of every answer, once these are coded ``(N,)``.
    """

    chosen: Array
    chance: Array


def draw_next(answers: Answers, known: Array, n: int, seed: int) -> Draw:
    """Draw answers to code next.

    Args:
        answers: those coded before are not drawn again.
        known: inclusion probability of every answer until now ``(N,)``; not read where nothing is
            coded.
        n: how many.
        seed: of the draw; another one for each draw.

    Raises:
        BadInput: fewer answers are left, or a probability until now is not known.
    """
    coded = answers.coded
    left = ~coded
    n_left = int(left.sum())
    if n > n_left:
        raise BadInput(f"expected at most the {n_left} answers that are not coded, got {n}")
    before = np.where(np.isfinite(known), known, 0.0) if coded.any() else np.zeros(len(coded))
    if coded.any() and not np.isfinite(known).all():
        raise BadInput(
            "expected `inclusion_probability` for every answer, also for those that are not coded: "
            "without it, what the next codes stand for is not known"
        )
    size = _sizes(answers.score)
    chance_now = np.zeros(len(size))
    chance_now[left] = _chances(size[left], n)
    for place in np.flatnonzero(coded):
        # What it would have been, had this answer not been coded.
        others = np.append(size[left], size[place])
        chance_now[place] = _chances(others, n)[-1]
    chosen = np.zeros(len(size), bool)
    chosen[left] = _drawn(chance_now[left], np.random.default_rng(seed))
    return Draw(chosen, before + (1 - before) * chance_now)


def _sizes(score: Array) -> Array:
    """To what each answer's probability is proportional ``(N,)``; 1 on average."""
    spread = np.maximum(np.sqrt(score * (1 - score)), _LEAST_SPREAD)
    return np.asarray(EVEN_SHARE + (1 - EVEN_SHARE) * spread / spread.mean())


def _chances(size: Array, n: int) -> Array:
    """Probabilities that sum to ``n``, in proportion to ``size (M,)`` as far as none is above 1."""
    found = np.zeros(len(size))
    open_ = np.ones(len(size), bool)
    while open_.any():
        rest = n - int((~open_).sum())
        found[open_] = rest * size[open_] / size[open_].sum()
        above = open_ & (found > 1)
        if not above.any():
            break
        found[above] = 1.0
        open_ &= ~above
    return found


def _drawn(chance: Array, rng: np.random.Generator) -> Array:
    """Exactly as many as ``chance (M,)`` sums to, each with its own probability: every one step
    along a random order.
    """
    order = rng.permutation(len(chance))
    ends = np.cumsum(chance[order])
    # The sum is a whole number but for rounding.
    ends[-1] = round(ends[-1])
    start = rng.random()
    passed = np.floor(ends - start)
    before = np.concatenate([[np.floor(-start)], passed[:-1]])
    chosen = np.zeros(len(chance), bool)
    chosen[order] = passed > before
    return chosen
