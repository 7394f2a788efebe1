"""A probability from a model that writes words: from the tokens' own probabilities, else from
repeated samples.

Neither is calibrated on people: it is how sure the model is of the word it writes, not how often it
is right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from twomind.models.llm.ask import Token
from twomind.models.llm.prompts import LABELS

#: Marks that may stand before a label inside its first token.
_LEADING = " \t\n\r\"'`*_:{[(▁Ġ“‘-"
#: The two labels together must hold this much of the first token's probability, or the model was
#: not choosing.
MIN_MASS = 0.5


@dataclass(frozen=True)
class Chance:
    """P(present) with how it was found. ``p`` is nan where there is none, and then ``why`` says so.

    ``mass`` is the probability that the two labels hold together at the place where they part
    (tokens), or the share of samples that could be read. ``bounded``: the other label was not among
    the listed tokens, so its probability was taken as large as it can be, and the truth lies
    farther from 0.5.
    """

    p: float
    source: str = ""
    mass: float = math.nan
    bounded: bool = False
    n: int = 0
    why: str = ""


def _none(why: str) -> Chance:
    return Chance(math.nan, why=why)


def from_tokens(text: str, tokens: Sequence[Token], at: int) -> Chance:
    """From the token at which the two labels part, ``at`` being where the label begins in ``text``.

    Over the listed tokens at that place, sum those that can only begin the one label, and those
    that can only begin the other: ``p = present / (present + absent)``. The rest of the label is
    taken to follow.
    """
    if not tokens:
        return _none("the back end gives no log-probabilities")
    if at < 0:
        return _none("the label's place among the tokens is not known")
    if "".join(t.text for t in tokens)[: len(text)] != text:
        return _none("the tokens do not spell the reply")
    ends = 0
    written = ""  # of the label, before the token looked at
    for token in tokens:
        starts, ends = ends, ends + len(token.text)
        if ends <= at:
            continue
        own = written + (token.text[at - starts :] if starts < at else token.text)
        if _begins(own) is None:  # still a beginning of both labels
            written = own
            continue
        return _share(token, written)
    return _none("the reply ends before the labels part")


def _begins(text: str) -> int | None:
    """Which label ``text`` can begin: 0, 1, -1 for neither, None for both (also for
    nothing yet).
    """
    said = text.casefold()
    fits = [
        i
        for i, name in enumerate(LABELS)
        if name.casefold().startswith(said) or said.startswith(name.casefold())
    ]
    return None if len(fits) == 2 else (fits[0] if fits else -1)


def _share(token: Token, written: str) -> Chance:
    listed = dict(token.top)
    listed.setdefault(token.text, token.logprob)
    sums = [0.0, 0.0]
    for text, logprob in listed.items():
        side = _begins(written + (text if written else text.lstrip(_LEADING)))
        if side in (0, 1) and math.isfinite(logprob):
            sums[side] += math.exp(logprob)
    mass = min(sum(sums), 1.0)
    if mass < MIN_MASS:
        return Chance(
            math.nan,
            "tokens",
            mass,
            why=f"the two labels hold {mass:.2f} of the first token together",
        )
    bounded = min(sums) == 0.0
    if bounded:
        # What is not listed is at most as likely as the least likely listed one, and as what is
        # left over.
        least = min(math.exp(v) for v in listed.values()) if len(listed) > 1 else 1.0
        left = max(1.0 - sum(math.exp(v) for v in listed.values()), 0.0)
        sums[sums.index(0.0)] = max(min(least, left), 1e-12)
    return Chance(sums[1] / sum(sums), "tokens", mass, bounded)


def from_samples(labels: Sequence[int | None]) -> Chance:
    """Laplace's share ``(n_present + 1) / (n_read + 2)``; unreadable samples (None) count for
    neither.

    Where more than half cannot be read there is no probability: what is left is not the model's
    answer.
    """
    read = [label for label in labels if label is not None]
    if not labels:
        return _none("no samples were drawn")
    if 2 * len(read) <= len(labels):
        return _none(f"{len(labels) - len(read)} of {len(labels)} samples could not be read")
    p = (sum(read) + 1) / (len(read) + 2)
    return Chance(p, "samples", len(read) / len(labels), n=len(read))
