"""How many people and codes a half-width needs, from a pilot.

Of ``P`` people with ``m`` answers each on average, a random part ``c`` of all answers coded, the
variance of a share ``s`` is about::

    s (1 - s) / (P m) * (1 + icc * (m2 / m - 1) + (1 - c) / c * left)

with ``m2`` the mean square of the answers per person, ``icc`` how much alike a person's codes are
(intraclass correlation), and ``left`` the part of the codes' variance that the model leaves
unexplained: 1 for the codes alone. The first two terms are there even if everything is coded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.numbers import Z_95
from twomind.evaluation.prevalence import Answers, left_of_draw, refuse_too_few
from twomind.types.plain import Array, ToDict

#: Multiples of the fewest people that the table of possibilities shows.
_STEPS = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0)
N_BOOTSTRAP = 200
#: The part of resampled pilots that need no more codes than are called safe.
_SAFE = 0.8


@dataclass(frozen=True)
class Pilot(ToDict):
    """What a pilot study says of the share and of how people differ.

    Attributes:
        share: of A/H.
        per_person: mean answers of a person.
        per_person_squared: mean of their square.
        icc: how alike a person's codes are, 0 to 1; nan where nobody has two codes.
        left: part of the variance that the model leaves.
    """

    share: float
    per_person: float
    per_person_squared: float
    icc: float
    left: float

    @classmethod
    def of(cls, answers: Answers) -> Pilot:
        """Read from answers of which some are coded."""
        _, person = np.unique(answers.person, return_inverse=True)
        n = np.bincount(person).astype(float)
        coded = answers.coded
        chance = np.where(coded, answers.chance, 1.0)
        times = coded / chance
        y = np.where(coded, answers.human, 0.0)
        share = float(times @ y / times.sum())
        off = times * (y - share)
        # Over all pairs of two coded answers of one person.
        product = _pairs(person, off)
        weight = _pairs(person, times)
        bernoulli = share * (1 - share)
        icc = math.nan
        if weight > 0 and bernoulli > 0:
            alike = product / weight / bernoulli
            icc = min(max(alike, 0.0), 1.0)
        per_person = float(n.mean())
        squared = float((n**2).mean())
        return cls(share, per_person, squared, icc, left_of_draw(answers))

    @property
    def inflation(self) -> float:
        """How much more the variance is with everything coded than of as many single people."""
        return 1 + self.icc * (self.per_person_squared / self.per_person - 1)


@dataclass(frozen=True)
class Possibility(ToDict):
    """One way to reach the half-width.

    Attributes:
        people: that take part.
        answers: that they give.
        codes: with the model; with safety those that four of five resampled pilots would need.
        codes_safe: see ``codes``; None where they would need more answers than there are.
        codes_alone: without the model.
    """

    people: int
    answers: int
    codes: int
    codes_safe: int | None
    codes_alone: int


@dataclass(frozen=True)
class Plan(ToDict):
    """People and codes for a half-width.

    Attributes:
        half_width: of the 95 % interval.
        pilot: what it says.
        fewest_people: with all their answers coded; fewer cannot do.
        possibilities: with more people, fewer codes.
        these: codes for the answers of the pilot's table alone, and none beyond them.
    """

    half_width: float
    pilot: Pilot
    fewest_people: int
    possibilities: tuple[Possibility, ...]
    these: Possibility


@dataclass(frozen=True)
class Wanted:
    """The precision that is planned for.

    Attributes:
        half_width: of the 95 % interval, as a share.
        people: how many take part; None: several possibilities.
        icc: how alike a person's codes are; None: from the pilot.
        seed: of the resampled pilots.
    """

    half_width: float
    people: int | None = None
    icc: float | None = None
    seed: int = 0


def planned(answers: Answers, wanted: Wanted) -> Plan:
    """People and codes for a half-width.

    Args:
        answers: of a pilot, some of them coded.
        wanted: the half-width, and what is known already.

    Raises:
        BadInput: the pilot is too small, all its codes agree, or nobody has two coded answers.
    """
    refuse_too_few(answers)
    pilot = _told(Pilot.of(answers), wanted)
    bernoulli = pilot.share * (1 - pilot.share)
    if bernoulli <= 0:
        raise BadInput(
            "all codes of the pilot agree: how many are needed cannot be told from them. Code more"
        )
    if math.isnan(pilot.icc):
        raise BadInput(
            "nobody has two coded answers: how much alike a person's answers are is not measured. "
            "Code two answers of some people, or give --icc"
        )
    again = [_told(one, wanted) for one in _resampled(answers, wanted.seed)]
    fewest = _fewest_people(pilot, wanted.half_width)
    numbers = [math.ceil(fewest * step) for step in _STEPS]
    if wanted.people is not None:
        if wanted.people < fewest:
            raise BadInput(
                f"{wanted.people} people are too few for ±{wanted.half_width:g} even if every "
                f"answer is coded: at least {fewest} are needed"
            )
        numbers = [wanted.people]
    found = [_possibility(pilot, again, n, wanted.half_width) for n in numbers]
    return Plan(
        half_width=wanted.half_width,
        pilot=pilot,
        fewest_people=fewest,
        possibilities=tuple(found),
        these=_these(answers, pilot, again, wanted.half_width),
    )


def _told(pilot: Pilot, wanted: Wanted) -> Pilot:
    return pilot if wanted.icc is None else replace(pilot, icc=wanted.icc)


def _pairs(person: Array, values: Array) -> float:
    """Sum of products of any two values of one person."""
    together = np.bincount(person, values)
    alone = np.bincount(person, values**2)
    return float((together**2 - alone).sum())


def _fewest_people(pilot: Pilot, half_width: float) -> int:
    allowed = (half_width / Z_95) ** 2
    one_person = pilot.share * (1 - pilot.share) / pilot.per_person * pilot.inflation
    return max(math.ceil(one_person / allowed - 1e-9), 2)


def _codes(n: float, room: float, left: float) -> int | None:
    """Codes among ``n`` answers whose draw may add ``room`` times a single code's variance over n.

    None where every one of them is not enough.
    """
    if room < 0:
        return None
    if left <= 0:
        return 0
    return math.ceil(n / (1 + room / left) - 1e-9)


def _room(pilot: Pilot, n_answers: float, half_width: float) -> float:
    """What the draw of codes may add to the variance, over ``s (1 - s) / n``."""
    allowed = (half_width / Z_95) ** 2
    single = pilot.share * (1 - pilot.share) / n_answers
    return allowed / single if single > 0 else math.inf


def _possibility(pilot: Pilot, again: list[Pilot], people: int, half_width: float) -> Possibility:
    def needed(one: Pilot, left: float) -> int | None:
        n = people * one.per_person
        return _codes(n, _room(one, n, half_width) - one.inflation, left)

    codes = needed(pilot, pilot.left)
    alone = needed(pilot, 1.0)
    assert codes is not None
    assert alone is not None
    safe = _quantile([needed(one, one.left) for one in again])
    n_answers = round(people * pilot.per_person)
    return Possibility(people, n_answers, codes, safe, alone)


def _these(answers: Answers, pilot: Pilot, again: list[Pilot], half_width: float) -> Possibility:
    n = len(answers.id)
    n_people = len(np.unique(answers.person))

    def needed(one: Pilot, left: float) -> int:
        found = _codes(n, _room(one, n, half_width), left)
        assert found is not None
        return found

    codes = needed(pilot, pilot.left)
    alone = needed(pilot, 1.0)
    safe = _quantile([needed(one, one.left) for one in again])
    return Possibility(n_people, n, codes, safe, alone)


def _quantile(codes: list[int | None]) -> int | None:
    """The number that enough resampled pilots do not exceed; None where that is not a number."""
    known = sorted(math.inf if one is None else one for one in codes)
    if not known:
        return None
    place = math.ceil(_SAFE * len(known)) - 1
    found = known[place]
    return int(found) if math.isfinite(found) else None


def _resampled(answers: Answers, seed: int) -> list[Pilot]:
    """Pilots of people drawn again with replacement, where they have two kinds of codes."""
    _, person = np.unique(answers.person, return_inverse=True)
    order = np.argsort(person, kind="stable")
    is_other = np.diff(person[order]) != 0
    firsts = np.flatnonzero(is_other) + 1
    rows = np.split(order, firsts)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(N_BOOTSTRAP):
        picks = rng.integers(0, len(rows), len(rows))
        chosen = [rows[k] for k in picks]
        sizes = [len(own) for own in chosen]
        names = np.repeat(np.arange(len(picks)), sizes)
        again = answers.where(np.concatenate(chosen))
        pilot = _pilot_of(replace(again, person=names))
        if pilot is not None:
            found.append(pilot)
    return found


def _pilot_of(answers: Answers) -> Pilot | None:
    codes = answers.human[answers.coded]
    if len(np.unique(codes)) < 2:
        return None
    pilot = Pilot.of(answers)
    return None if math.isnan(pilot.icc) else pilot
