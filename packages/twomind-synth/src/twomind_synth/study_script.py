"""What a person of a study says: an answer of a planned length with A/H segments of planned
lengths, cues and sides.

Besides its cues (which show hesitation), a clause may take a *side*: for (+1) or against (-1).
Words, face, head and voice usually take the same side, in A/H as outside it. In a segment with a
*conflict*, two of them take opposite sides; how often each modality takes each side is the same
with and without conflict, so that only the comparison tells.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from twomind_synth import phrases
from twomind_synth.phones import phones
from twomind_synth.script import Token, filler, hesitant, join, parse, sentences
from twomind_synth.study_people import StudyPerson
from twomind_synth.study_phrases import CLAUSES, LEANING, NEUTRAL, SHORT_PHRASES, TAKES_A_SIDE
from twomind_synth.study_world import CONFLICT_PAIRS, CUE_SIDES, CUE_WEIGHTS, STUDY_CUES, StudyWorld
from twomind_synth.voice import FLOW_S, length_ms
from twomind_synth.world import MODALITY_SETS, choose, stream

#: silence before the first and after the last word (s)
LEAD_S, TAIL_S = 0.6, 0.8
#: a voice that is for or against: semitones and dB
TONE_ST, TONE_DB = 2.0, 2.0

#: A clause is begun when at least half of a usual one still fits; below the second limit it is a
#: short remark.
_HALF_CLAUSE_S, _SHORT_S = 1.2, 1.4

Cues = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Clause:
    """Tokens ``first..last`` (both included) and the side that each modality takes there."""

    first: int
    last: int
    sides: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class StudySegment(Clause):
    """One A/H segment. ``conflict`` is the contradicting pair or empty; ``within`` a modality at
    odds with itself.
    """

    cues: Cues = field(default_factory=dict)
    conflict: tuple[str, ...] = ()
    within: str = ""


@dataclass(frozen=True)
class StudyAnswer:
    """One planned answer. ``label`` is the truth; what an annotator wrote down is decided later."""

    question: int
    label: int
    topic: str
    tokens: tuple[Token, ...]
    segments: tuple[StudySegment, ...]
    clauses: tuple[Clause, ...]

    @property
    def text(self) -> str:
        return " ".join(token.text for token in self.tokens)


@dataclass(frozen=True)
class SegmentShape:
    """What a segment is meant to show, before there are words."""

    cues: Cues
    sides: dict[str, int]
    conflict: tuple[str, ...]
    within: str


def lognormal(
    rng: np.random.Generator, mean_sd: tuple[float, float], limits: tuple[float, float]
) -> float:
    """One draw with the given mean and standard deviation, clipped to the limits."""
    mean, sd = mean_sd
    variance = np.log(1 + (sd / mean) ** 2)
    return float(np.clip(rng.lognormal(np.log(mean) - variance / 2, np.sqrt(variance)), *limits))


def plan_lengths(
    world: StudyWorld, label: int, rng: np.random.Generator
) -> tuple[float, list[float]]:
    """Length of the answer and of its A/H segments (s)."""
    # What follows makes answers longer by a twelfth; it is taken off here.
    total_s = lognormal(rng, (world.answer_s[0] / 1.085, world.answer_s[1]), world.answer_limits_s)
    if not label:
        return total_s, []
    n = (
        1
        if rng.random() < world.one_segment
        else 1 + int(rng.geometric(1 / max(world.more_segments - 1, 1.0)))
    )
    lengths = [lognormal(rng, world.segment_s, world.segment_limits_s) for _ in range(n)]
    # Whoever is torn several times talks longer; what does not fit into the longest answer is not
    # said.
    while len(lengths) > 1 and sum(lengths) > 0.6 * world.answer_limits_s[1]:
        lengths.pop()
    return float(np.clip(max(total_s, sum(lengths) / 0.6), *world.answer_limits_s)), lengths


def plan_segment(
    world: StudyWorld, person: StudyPerson, question: int, rng: np.random.Generator
) -> SegmentShape:
    """Which modalities show a segment with which cues, which side each takes, and whether two
    contradict each other.
    """
    pair: tuple[str, ...] = ()
    if rng.random() < world.conflict:
        pairs, shares = list(CONFLICT_PAIRS), np.array(list(CONFLICT_PAIRS.values()))
        pair = pairs[int(rng.choice(len(pairs), p=shares / shares.sum()))]
    sets = [s for s in MODALITY_SETS if set(pair) <= set(s)]
    share = np.array([MODALITY_SETS[s] for s in sets])
    modalities = sets[int(rng.choice(len(sets), p=share / share.sum()))]
    drawn = {
        m: _draw_cues(person, m, 1 + int(rng.poisson(world.n_cues - 1)), 0, rng) for m in modalities
    }
    sided = [CUE_SIDES[c] for m in (pair or modalities) for c in drawn[m] if c in CUE_SIDES]
    side = sided[int(rng.integers(len(sided)))] if sided else _side_of(question, rng)
    sides = {}
    for m in modalities:
        own = [CUE_SIDES[c] for c in drawn[m] if c in CUE_SIDES]
        chance = TAKES_A_SIDE * (
            1.0 if m == "language" else world.sides * person.displays.get(m, 1.0)
        )
        shows = bool(own) or rng.random() < chance
        sides[m] = side if shows else 0
    if pair:
        own = [CUE_SIDES[c] for c in drawn[pair[0]] if c in CUE_SIDES]
        first = own[0] if own else side
        second = [CUE_SIDES[c] for c in drawn[pair[1]] if c in CUE_SIDES]
        if not own and second:
            first = -second[0]
        sides = dict.fromkeys(modalities, 0) | {pair[0]: first, pair[1]: -first}
    cues = {m: _without_contradiction(person, m, drawn[m], sides[m], rng) for m in modalities}
    within = ""
    if pair and rng.random() < world.within:
        able = [m for m in pair if m in ("facial", "language")]
        within = able[int(rng.integers(len(able)))] if able else ""
    return SegmentShape(cues, sides, pair, within)


def _draw_cues(
    person: StudyPerson, modality: str, n: int, side: int, rng: np.random.Generator
) -> tuple[str, ...]:
    shares = {c: share * person.mix[modality][c] for c, share in CUE_WEIGHTS[modality].items()}
    if side:
        shares = {c: share for c, share in shares.items() if CUE_SIDES.get(c, side) == side}
    return tuple(choose(rng, shares, n))


def _without_contradiction(
    person: StudyPerson, modality: str, cues: tuple[str, ...], side: int, rng: np.random.Generator
) -> tuple[str, ...]:
    """The cues with those replaced that take another side than the modality does here."""
    kept = [c for c in cues if CUE_SIDES.get(c, side) == side]
    if "slow" in kept and "fast" in kept:
        kept.remove("fast")
    for _ in range(len(cues) - len(kept)):
        shares = {
            c: share * person.mix[modality][c]
            for c, share in CUE_WEIGHTS[modality].items()
            if c not in kept
            and CUE_SIDES.get(c, side) == side
            and not {c, *kept} >= {"slow", "fast"}
        }
        kept += choose(rng, shares, 1) if shares else []
    return tuple(kept)


class _Talk:
    """Tokens as they come, with the time that they take."""

    def __init__(self, person: StudyPerson) -> None:
        self.person, self.at_s = person, LEAD_S
        self.tokens: list[Token] = []

    def cost_s(self, token: Token) -> float:
        gap_s = max(token.pause_s, FLOW_S) if self.tokens else 0.0
        return gap_s + length_ms(token, phones(token.text), self.person.factors) / 1000

    def say(self, tokens: list[Token]) -> None:
        for token in tokens:
            self.at_s += self.cost_s(token)
            self.tokens.append(token)


def write_study_answer(world: StudyWorld, person: StudyPerson, question: int) -> StudyAnswer:
    """The answer to one question (1..7); the same for the same world, person, visit and
    question.
    """
    factors = person.factors
    rng = stream(factors.seed, "study", "script", factors.index, person.visit, question)
    label = int(rng.random() < world.ah_rate[question - 1])
    total_s, lengths = plan_lengths(world, label, rng)
    topics = phrases.TOPICS[question]
    topic = topics[person.topic if person.topic >= 0 else int(rng.integers(len(topics)))]
    plain_s = max(total_s - LEAD_S - TAIL_S - sum(lengths), 0.5)
    parts = rng.dirichlet(np.full(len(lengths) + 1, 2.5)) * plain_s
    talk, source = _Talk(person), _Clauses(world, person, question, topic, rng)
    segments: list[StudySegment] = []
    clauses: list[Clause] = []
    for k, part_s in enumerate(parts):
        until_s = talk.at_s + float(part_s)
        while talk.at_s + 1.1 < until_s or not talk.tokens:
            tokens, side = source.plain(opening=not talk.tokens)
            sides = _plain_sides(world, person, side, rng)
            first = len(talk.tokens)
            talk.say(_toned(tokens, sides.get("audio", 0)))
            clauses.append(Clause(first, len(talk.tokens) - 1, sides))
        if k < len(lengths):
            shape = plan_segment(world, person, question, rng)
            first, until_s = len(talk.tokens), talk.at_s + lengths[k]
            while len(talk.tokens) == first or talk.at_s + _HALF_CLAUSE_S < until_s:
                left_s = until_s - talk.at_s
                talk.say(_toned(source.torn(shape, left_s), shape.sides.get("audio", 0)))
            last = len(talk.tokens) - 1
            segments.append(
                StudySegment(first, last, shape.sides, shape.cues, shape.conflict, shape.within)
            )
    return StudyAnswer(
        question, label, topic.doing, sentences(talk.tokens), tuple(segments), tuple(clauses)
    )


def _plain_sides(
    world: StudyWorld, person: StudyPerson, side: int, rng: np.random.Generator
) -> dict[str, int]:
    """Outside A/H whatever is visible takes the side of the words."""
    sides = {"language": side}
    for m in ("audio", "body", "facial"):
        sides[m] = side if rng.random() < world.sides * person.displays[m] else 0
    return sides


def _toned(tokens: list[Token], side: int) -> list[Token]:
    return (
        [replace(t, pitch_st=TONE_ST * side, gain_db=t.gain_db + TONE_DB * side) for t in tokens]
        if side
        else tokens
    )


class _Clauses:
    """Where the clauses of one answer come from; nothing is said twice before everything was said
    once.
    """

    def __init__(
        self,
        world: StudyWorld,
        person: StudyPerson,
        question: int,
        topic: phrases.Topic,
        rng: np.random.Generator,
    ) -> None:
        self.world, self.person, self.question, self.topic, self.rng = (
            world,
            person,
            question,
            topic,
            rng,
        )
        others = [fact for t in phrases.TOPICS[question] if t is not topic for fact in t.facts]
        self._facts = [*topic.facts, *(others[i] for i in rng.permutation(len(others)))]
        self._pools = {"neutral": [NEUTRAL[i] for i in rng.permutation(len(NEUTRAL))]}
        self._pools |= {
            kind: [c[i] for i in rng.permutation(len(c))] for kind, c in CLAUSES.items()
        }
        self._pools["short"] = [SHORT_PHRASES[i] for i in rng.permutation(len(SHORT_PHRASES))]
        self._pools |= {
            "torn": [phrases.TORN[i] for i in rng.permutation(len(phrases.TORN))],
            "facts": self._facts,
        }

    def _next(self, pool: str) -> list[Token]:
        text = self._pools[pool].pop(0)
        self._pools[pool].append(text)
        return parse(text, self.topic)

    def _about(self, side: int) -> list[Token]:
        """A clause that says something for or against, or neither."""
        if not side:
            return self._next("facts" if self.rng.random() < 0.7 else "neutral")
        kinds = (
            ("positive", "motivation")
            if side > 0
            else ("negative", "fail", "excuse", "no_motivation")
        )
        weights = {k: STUDY_CUES["language"][k] for k in kinds}
        return self._next(choose(self.rng, weights, 1)[0])

    def _usual(self, clause: list[Token]) -> list[Token]:
        """The clause as this person speaks, A/H or not: own fillers, hedges, halts and pauses,
        which mean nothing.
        """
        rng, person, factors = self.rng, self.person, self.person.factors
        if rng.random() < person.hedge_rate:
            hedge = phrases.HEDGES[int(rng.integers(len(phrases.HEDGES)))]
            clause = [
                *parse(hedge, self.topic),
                replace(clause[0], starts_clause=False),
                *clause[1:],
            ]
        if rng.random() < person.hedge_rate:
            halts = tuple(c for c in ("pause", "slow", "breath") if rng.random() < 0.4)
            clause = hesitant(clause, {"audio": halts}, factors, self.world, rng)
        if rng.random() < factors.filler_rate:
            clause = join([filler(factors, rng, word=rng.random() < 0.3)], clause)
        pause_s = float(rng.uniform(*self.world.clause_pause_s))
        if rng.random() < 0.15:
            pause_s = float(rng.uniform(*self.world.long_pause_s))
        return [
            replace(clause[0], pause_s=max(pause_s, clause[0].pause_s), starts_clause=True),
            *clause[1:],
        ]

    def plain(self, opening: bool) -> tuple[list[Token], int]:
        """A clause outside A/H and its side."""
        rng = self.rng
        if opening:
            openings = phrases.OPENINGS[self.question]
            clause = parse(openings[int(rng.integers(len(openings)))], self.topic)
            return [replace(clause[0], pause_s=0.0, starts_clause=True), *clause[1:]], 0
        side = _side_of(self.question, rng) if rng.random() < TAKES_A_SIDE else 0
        return self._usual(self._about(side)), side

    def torn(self, shape: SegmentShape, left_s: float) -> list[Token]:
        """A clause of an A/H segment; whether it shows its audio and language cues is a matter of
        subtlety.
        """
        rng, shows = self.rng, self.person.shows
        language, side = shape.cues.get("language", ()), shape.sides.get("language", 0)
        visible = min(1.0, (1.0 - self.world.subtlety) * shows["language"])
        audible = min(1.0, (1.0 - self.world.subtlety) * shows["audio"])
        if left_s < _SHORT_S and not shape.within and rng.random() < visible:
            short = self._next("short")
            return [replace(short[0], pause_s=0.35, starts_clause=True), *short[1:]]
        kinds = [c for c in language if c in CLAUSES]
        if shape.within == "language":
            clause = self._next("positive" if rng.random() < 0.5 else "negative")
            other = self._next("negative" if clause[0].kind in ("positive", "") else "positive")
            clause = [*clause, replace(other[0], starts_clause=False), *other[1:]]
        elif kinds and (side or rng.random() < visible):
            clause = self._next(kinds[int(rng.integers(len(kinds)))])
        elif "language" in shape.cues and not side and rng.random() < visible:
            clause = self._next("torn")
        else:
            clause = self._about(side)
        clause = self._usual(clause)
        # Not every clause of a segment hesitates in every way.
        cues = {
            "language": tuple(c for c in language if rng.random() < visible),
            "audio": tuple(c for c in shape.cues.get("audio", ()) if rng.random() < audible),
        }
        if not any(cues.values()):
            return clause
        before_s = clause[0].pause_s
        clause = hesitant(clause, cues, self.person.factors, self.world, rng)
        return [replace(clause[0], pause_s=max(before_s, clause[0].pause_s)), *clause[1:]]


def _side_of(question: int, rng: np.random.Generator) -> int:
    return 1 if rng.random() < LEANING[question] else -1
