"""The share of answers with A/H from the codes of a random part and a model's score of every answer.

The estimate is prediction-powered (Angelopoulos, Duchi & Zrnic 2023, PPI++). With ``y`` the codes,
``f`` the scores, ``a`` the mean over all answers and ``h`` that over the coded ones, each weighted
with one over its inclusion probability (Horvitz-Thompson; the weights are scaled to sum to one, as
Hájek's)::

    share = h(y) + weight * (a(f) - h(f))

The model moves the share of the codes only by how far the scores of the coded answers differ from
those of all. ``weight`` is the slope that makes the variance smallest; a model that knows nothing
gets 0, and what is left is the estimate from the codes alone. Whatever the model is worth, the
estimate is right, since ``a(f)`` and ``h(f)`` estimate the same thing.

Intervals count whole people: all of a person's answers are one term of the variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from itertools import combinations

import numpy as np
from scipy.special import stdtrit

from twomind.core.errors import BadInput
from twomind.core.numbers import Z_95, ratio, wilson
from twomind.types.plain import Array, ToDict

#: Fewest coded people of which a share is told.
FEWEST_PEOPLE = 2
#: Fewest coded answers from which the weight of the model is learnt; with fewer it is 0.
FEWEST_TO_TUNE = 20
#: Two-sided 95 %.
_UPPER = 0.975
#: What is smaller is 0 but for rounding.
_TINY = 1e-9


class Target(Enum):
    """Whom the share and its interval are about."""

    #: People like these: those of the study are a random sample of them.
    PEOPLE = "people"
    #: The answers that are there, and no others.
    ANSWERS = "answers"


class Drawn(Enum):
    """What was drawn at random for coding."""

    ANSWERS = "answers"
    PEOPLE = "people"


@dataclass(frozen=True)
class Answers:
    """``N`` answers, of which some are coded.

    Attributes:
        id: name of each answer ``(N,)``.
        person: whose it is ``(N,)``.
        human: 1 where A/H was coded, 0 where its absence was, nan where nothing was ``(N,)``.
        score: the model's, from 0 to 1 ``(N,)``.
        chance: the probability with which each answer came to be coded ``(N,)``, above 0; nan where
            it is not coded and the chance is not known.
        group: of people or answers, "" where there is none ``(N,)``.
        question: "" where there is none ``(N,)``.
        drawn: whether answers or whole people were drawn for coding.
    """

    id: Array
    person: Array
    human: Array
    score: Array
    chance: Array
    group: Array
    question: Array
    drawn: Drawn = Drawn.ANSWERS

    @property
    def coded(self) -> Array:
        """Whether each answer is coded ``(N,)``."""
        return np.isfinite(self.human)

    def where(self, chosen: Array) -> Answers:
        """The answers for which ``chosen (N,)`` holds."""
        return Answers(
            id=self.id[chosen],
            person=self.person[chosen],
            human=self.human[chosen],
            score=self.score[chosen],
            chance=self.chance[chosen],
            group=self.group[chosen],
            question=self.question[chosen],
            drawn=self.drawn,
        )


@dataclass(frozen=True)
class Share(ToDict):
    """A share, or a difference of two, with its 95 % interval.

    Attributes:
        estimate: the share; nan where it is not measured.
        interval: its ends.
        reason: why it is not measured; "" where it is.
    """

    estimate: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)
    reason: str = ""

    @property
    def width(self) -> float:
        """Upper end less lower end."""
        return self.interval[1] - self.interval[0]


@dataclass(frozen=True)
class Measured(ToDict):
    """What is known of the answers of one group or question, or of all.

    Attributes:
        share: with the model.
        classical: from the codes alone.
        weight: of the model; 0 where it is not used.
        n: answers.
        n_coded: those that are coded.
        n_people: people.
        n_people_coded: people with a coded answer.
        codes_saved: how many more answers would have to be coded, of the same people, for the codes
            alone to tell as much; nan where it is not measured.
    """

    share: Share
    classical: Share
    weight: float
    n: int
    n_coded: int
    n_people: int
    n_people_coded: int
    codes_saved: float


@dataclass(frozen=True)
class Difference(ToDict):
    """The share of one group or question less that of another; people with both are paired."""

    first: str
    second: str
    share: Share
    classical: Share


@dataclass(frozen=True)
class Prevalence:
    """All shares for one target. ``parts`` has groups or questions by ``kind`` and name."""

    target: Target
    whole: Measured
    parts: dict[str, dict[str, Measured]]
    differences: dict[str, list[Difference]]


@dataclass(frozen=True)
class _Estimate:
    """A share and what each unit adds to it.

    Attributes:
        share: may lie a little outside 0 to 1.
        terms: their squares sum to the variance ``(U,)``.
        df: degrees of freedom of the variance.
        n_units: units with codes.
        n_coded: coded answers.
        known: whether these are all that is meant: there is no doubt about the share.
    """

    share: float
    terms: Array
    df: int
    n_units: int
    n_coded: int
    known: bool

    @cached_property
    def variance(self) -> float:
        return float((self.terms**2).sum())

    @cached_property
    def told(self) -> Share:
        """The share with Wilson's interval, for as many answers as would give this variance.

        That number is made smaller where the variance rests on fewer people than answers, by the
        ratio of Student's t (Franco et al. 2019, for surveys drawn in clusters).
        """
        inside = min(max(self.share, 0.0), 1.0)
        if self.known:
            return Share(inside, (inside, inside))
        n = self._n()
        return Share(inside, wilson(inside * n, n, Z_95))

    def _n(self) -> float:
        variance = self.variance
        bernoulli = self.share * (1 - self.share)
        if variance <= _TINY or bernoulli <= _TINY:
            # All codes agree: what is known is how many people, or answers, they are of.
            return self.n_units
        single = stdtrit(max(self.n_coded - 1, 1), _UPPER)
        clustered = stdtrit(self.df, _UPPER)
        return float(bernoulli / variance * (single / clustered) ** 2)


def estimated(answers: Answers, target: Target = Target.PEOPLE) -> Prevalence:
    """Shares over all answers and in every group and question, and their differences.

    Args:
        answers: at least two people's, some of them coded.
        target: of whom the intervals speak.

    Raises:
        BadInput: codes of fewer than two people.
    """
    refuse_too_few(answers)
    study = _Study(answers, target)
    measured: dict[str, dict[str, Measured]] = {}
    differences: dict[str, list[Difference]] = {}
    for kind, of in (("group", answers.group), ("question", answers.question)):
        parts = [_Part(study, of == name, str(name)) for name in np.unique(of) if name]
        measured[kind] = {part.name: part.measured() for part in parts}
        differences[kind] = [_difference(*pair) for pair in combinations(parts, 2)]
    whole = _Part(study, np.ones(len(answers.id), bool))
    return Prevalence(target, whole.measured(), measured, differences)


def refuse_too_few(answers: Answers) -> None:
    """Refuse what no share can be told of.

    Raises:
        BadInput: fewer than two people, or codes of fewer than two.
    """
    n_people = len(np.unique(answers.person))
    n_coded = len(np.unique(answers.person[answers.coded]))
    if n_people < FEWEST_PEOPLE:
        raise BadInput(
            f"expected answers of at least {FEWEST_PEOPLE} people, got {n_people}: from one person "
            "nothing can be said of others"
        )
    if n_coded == 0:
        raise BadInput(
            "no answer is coded: expected 1 or 0 under `human` for a random part of the answers. "
            "`twomind prevalence next` says which to code"
        )
    if n_coded < FEWEST_PEOPLE:
        raise BadInput(
            f"expected codes of at least {FEWEST_PEOPLE} people, got {n_coded}: code answers of "
            "others too; `twomind prevalence next` says which"
        )


def left_of_draw(answers: Answers) -> float:
    """The part of the codes' variance, over the draw of what is coded, that the model leaves.

    Args:
        answers: some of them coded.
    """
    if answers.coded.all():
        # Nothing was drawn: what a draw of half of them would leave.
        answers = replace(answers, chance=np.full(len(answers.id), 0.5))
    part = _Part(_Study(answers, Target.ANSWERS), np.ones(len(answers.id), bool))
    return part.left()


class _Study:
    """Estimates over parts of the same answers, so that parts can be compared."""

    def __init__(self, answers: Answers, target: Target) -> None:
        self.answers = answers
        self.target = target
        _, self.person = np.unique(answers.person, return_inverse=True)
        by_person = answers.drawn is Drawn.PEOPLE
        #: What was drawn for coding ``(N,)``: people, or single answers.
        self.unit = self.person if by_person else np.arange(len(self.person))


def _n_of(numbers: Array) -> int:
    """How many different numbers there are."""
    return int(np.count_nonzero(np.bincount(numbers)))


class _Part:
    """Answers of one group or question."""

    def __init__(self, study: _Study, here: Array, name: str = "") -> None:
        answers = study.answers
        coded = answers.coded & here
        self.study = study
        self.name = name
        self.here = here
        self.coded = coded
        self.n = int(here.sum())
        self.n_coded = int(coded.sum())
        self.n_people_coded = _n_of(study.person[coded])
        # 0 where an answer is not coded, so that sums over all answers are sums over coded ones.
        chance = np.where(coded, answers.chance, 1.0)
        self.times = coded / chance
        total = self.times.sum()
        self.even = self.times / total if total else self.times
        y = np.where(coded, answers.human, 0.0)
        self.share = float(self.even @ y)
        self.score_here = float(answers.score[here].mean()) if self.n else math.nan
        self.score_coded = float(self.even @ answers.score)
        self.y_off = np.where(coded, y - self.share, 0.0)
        self.f_off = np.where(coded, answers.score - self.score_coded, 0.0)
        # Of the random draw alone: sqrt(1 - chance) times what a coded answer adds.
        self.by_chance = self.even * np.sqrt(1 - chance)

    def why_not(self) -> str:
        """Why there is no share; "" where there is one."""
        if not self.n_coded:
            return "not measured: no answer of it is coded"
        if self.n_people_coded < FEWEST_PEOPLE:
            return "not measured: only one person's answers are coded"
        return ""

    def measured(self) -> Measured:
        """The figures with how much they rest on."""
        reason = self.why_not()
        share = Share(reason=reason) if reason else self.with_model.told
        classical = Share(reason=reason) if reason else self.alone.told
        return Measured(
            share=share,
            classical=classical,
            weight=math.nan if reason else self.weight,
            n=self.n,
            n_coded=self.n_coded,
            n_people=_n_of(self.study.person[self.here]),
            n_people_coded=self.n_people_coded,
            codes_saved=math.nan if reason else self.codes_saved(),
        )

    @cached_property
    def weight(self) -> float:
        """Slope of the codes over the scores, over what was drawn; 0 where the model is of no use.

        The draw alone is minimised: how people differ adds the same to every weight's variance.
        """
        if self.n_coded < FEWEST_TO_TUNE or self.n_people_coded < FEWEST_TO_TUNE // 2:
            return 0.0
        y = self._drawn(self.y_off)
        f = self._drawn(self.f_off)
        spread = float(f @ f)
        if spread <= 1e-12 * float(self.by_chance @ self.by_chance):
            return 0.0
        return max(float(y @ f) / spread, 0.0)

    @cached_property
    def with_model(self) -> _Estimate:
        return self._estimate(self.weight)

    @cached_property
    def alone(self) -> _Estimate:
        """From the codes alone."""
        return self._estimate(0.0)

    def _drawn(self, off: Array) -> Array:
        """What each unit of the draw adds ``(U,)``."""
        return np.bincount(self.study.unit, self.by_chance * off)

    def left(self) -> float:
        """The part of the variance of the draw that the model leaves; 1 where there is no draw."""
        classical = self._variance_of_draw(0.0)
        return self._variance_of_draw(self.weight) / classical if classical > 0 else 1.0

    def codes_saved(self) -> float:
        """How many more codes the codes alone would need for the same variance of the draw."""
        n_left = self.n - self.n_coded
        left = self.left()
        if not n_left or left <= 0:
            return float(n_left)
        odds = self.n_coded / n_left / left
        return self.n * odds / (1 + odds) - self.n_coded

    def _variance_of_draw(self, weight: float) -> float:
        residual = self.y_off - weight * self.f_off
        terms = self._drawn(residual)
        n_learnt = 2 if weight else 1
        n_units = _n_of(self.study.unit[self.coded])
        return float(terms @ terms) * n_units / max(n_units - n_learnt, 1)

    def _weights_without(self, weight: float, owner: Array) -> Array:
        """The weight of the model where each owner's codes are left out, by answer ``(N,)``.

        Args:
            weight: from all codes; 0 stays 0.
            owner: a person, or a unit of the draw, of each answer ``(N,)``.
        """
        if not weight:
            return np.zeros(len(owner))
        of_unit = np.zeros(int(self.study.unit.max()) + 1, int)
        of_unit[self.study.unit] = owner
        y = self._drawn(self.y_off)
        f = self._drawn(self.f_off)
        together = np.bincount(of_unit, y * f)
        spread = np.bincount(of_unit, f * f)
        found = ratio(together.sum() - together, spread.sum() - spread, weight)
        return np.maximum(found, 0.0)[owner]

    def _estimate(self, weight: float) -> _Estimate:
        """The share with some weight of the model, for the study's target.

        Its variance is that of the share with each person, or unit of the draw, left out in turn.
        """
        study = self.study
        of_people = study.target is Target.PEOPLE
        owner = study.person if of_people else study.unit
        n_units = _n_of(owner[self.coded])
        weights = self._weights_without(weight, owner)
        residual = self.y_off - weights * self.f_off
        if of_people:
            off = np.where(self.here, study.answers.score - self.score_here, 0.0)
            added = self.even * residual + weights * off / self.n
        else:
            added = self.by_chance * residual
        part = np.bincount(owner, self.even)
        left_out = np.bincount(owner, added) / (1 - np.minimum(part, 0.5))
        share = self.share + weight * (self.score_here - self.score_coded)
        return _Estimate(
            share=share,
            terms=left_out * math.sqrt((n_units - 1) / n_units),
            df=max(n_units - (2 if weight else 1), 1),
            n_units=n_units,
            n_coded=self.n_coded,
            known=not of_people and self.n_coded == self.n,
        )


def _difference(one: _Part, other: _Part) -> Difference:
    """The share of one part less that of another."""
    for part in (one, other):
        if part.why_not():
            nothing = Share(reason=f"{part.why_not()} ({part.name})")
            return Difference(one.name, other.name, nothing, nothing)
    share = _less(one.with_model, other.with_model)
    classical = _less(one.alone, other.alone)
    return Difference(one.name, other.name, share, classical)


def _less(one: _Estimate, other: _Estimate) -> Share:
    """One share less another that may rest on the same people (Zou & Donner 2008, from both
    intervals).
    """
    spread = math.sqrt(one.variance * other.variance)
    together = float(one.terms @ other.terms) / spread if spread > 0 else 0.0
    first = one.told
    second = other.told
    first_low, first_high = first.interval
    second_low, second_high = second.interval
    found = first.estimate - second.estimate
    below = _joined(first.estimate - first_low, second_high - second.estimate, together)
    above = _joined(first_high - first.estimate, second.estimate - second_low, together)
    return Share(found, (max(found - below, -1.0), min(found + above, 1.0)))


def _joined(one: float, other: float, together: float) -> float:
    """Length of the difference of two sides at the angle whose cosine is ``together``."""
    square = one**2 + other**2 - 2 * together * one * other
    return math.sqrt(max(square, 0.0))
