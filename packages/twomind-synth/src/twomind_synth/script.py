"""What a synthetic person says: a short answer as tokens with kinds and planned pauses, with or without
A/H in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from twomind_synth import phrases
from twomind_synth.world import CUE_SHARES, MODALITY_SETS, Factors, World, choose, stream

#: how much longer (slow) or shorter (fast) a word of an A/H segment gets
RATE = {"slow": 1.3, "fast": 0.75}
FILLER_KINDS = ("filler", "filler_word")


@dataclass(frozen=True)
class Token:
    """One spoken word. ``kind`` is the planned kind (``filler``, ``hedge`` …) or empty; any word
    may carry meaning too.

    ``pause_s`` is the silence before the word (0: the words flow), ``rate`` stretches it (above 1:
    slower), ``gain_db`` changes its level, ``pitch_st`` its pitch (semitones), ``breath`` puts an
    audible breath into the pause, ``starts_clause`` restarts the pitch contour.
    """

    text: str
    kind: str = ""
    pause_s: float = 0.0
    rate: float = 1.0
    gain_db: float = 0.0
    breath: bool = False
    starts_clause: bool = False
    pitch_st: float = 0.0


@dataclass(frozen=True)
class SegmentPlan:
    """One planned A/H segment: the tokens ``first..last`` (both included) and the cues it shows,
    per modality.
    """

    first: int
    last: int
    cues: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """One planned answer. ``label`` is 1 when A/H is present."""

    question: int
    label: int
    topic: str
    tokens: tuple[Token, ...]
    segments: tuple[SegmentPlan, ...]

    @property
    def text(self) -> str:
        return " ".join(token.text for token in self.tokens)


def write_answer(world: World, person: Factors, question: int) -> Answer:
    """The answer of one person to one question (1..7); the same for the same world, person and
    question.
    """
    if question not in phrases.TOPICS:
        raise ValueError(f"question: expected 1..7, got {question}")
    rng = stream(person.seed, "script", person.index, question)
    topics = phrases.TOPICS[question]
    topic = topics[int(rng.integers(len(topics)))]
    label = int(rng.random() < world.ah_rate[question - 1])
    n_segments = (1 + int(rng.random() < world.second_segment)) if label else 0
    plain = _plain_clauses(world, question, topic, label, n_segments, rng)
    torn = [phrases.TORN[i] for i in rng.permutation(len(phrases.TORN))[:n_segments]]
    # The first clause names the topic; A/H comes anywhere after it.
    last = len(plain) - int(plain[-1] in phrases.CLOSINGS)
    slots = (
        sorted(rng.choice(np.arange(1, last + 1), n_segments, replace=False)) if n_segments else []
    )

    tokens: list[Token] = []
    segments: list[SegmentPlan] = []
    for number in range(len(plain) + 1):
        for k, slot in enumerate(slots):
            if slot == number:
                cues = _cues(world, rng)
                # A segment without language cues says something plain; the rest of its cues are
                # elsewhere.
                text = (
                    torn[k]
                    if cues.get("language")
                    else topic.facts[int(rng.integers(len(topic.facts)))]
                )
                clause = hesitant(parse(text, topic), cues, person, world, rng)
                segments.append(SegmentPlan(len(tokens), len(tokens) + len(clause) - 1, cues))
                tokens += clause
        if number < len(plain):
            clause = parse(plain[number], topic)
            if number and rng.random() < person.filler_rate:
                clause = join([filler(person, rng)], clause)
            tokens += _begin(clause, float(rng.uniform(*world.clause_pause_s)) if tokens else 0.0)
    return Answer(question, label, topic.doing, sentences(tokens), tuple(segments))


def _plain_clauses(
    world: World,
    question: int,
    topic: phrases.Topic,
    label: int,
    n_torn: int,
    rng: np.random.Generator,
) -> list[str]:
    """Opening, facts and closing; a torn clause is about as long as one and a half plain ones."""
    n = int(np.clip(round(rng.normal(*world.n_clauses) - 1.5 * n_torn), 3, 8))
    openings = phrases.OPENINGS[question]
    facts = [topic.facts[i] for i in sorted(rng.permutation(len(topic.facts))[: max(n - 2, 1)])]
    clauses = [openings[int(rng.integers(len(openings)))], *facts]
    if not label:
        decided = phrases.DECIDED if question in (4, 7) else phrases.CLOSINGS
        clauses.append(decided[int(rng.integers(len(decided)))])
    elif n_torn == 1 and rng.random() < 0.5:
        clauses.append(phrases.CLOSINGS[int(rng.integers(len(phrases.CLOSINGS)))])
    return clauses


def _cues(world: World, rng: np.random.Generator) -> dict[str, tuple[str, ...]]:
    """The cue mix of one segment: which modalities show it, and with which cues."""
    sets = list(MODALITY_SETS)
    share = np.array(list(MODALITY_SETS.values()))
    modalities = sets[int(rng.choice(len(sets), p=share / share.sum()))]
    return {
        m: tuple(choose(rng, CUE_SHARES[m], 1 + int(rng.poisson(world.n_cues - 1))))
        for m in modalities
    }


def parse(clause: str, topic: phrases.Topic) -> list[Token]:
    """Tokens of a marked-up clause. ``*`` becomes a mark on the next token (a tiny
    planned pause).
    """
    tokens: list[Token] = []
    hesitate = False
    for part in clause.format(do=topic.do, doing=topic.doing).split():
        if part == "*":
            hesitate = True
            continue
        kind, _, words = part.rpartition(":")
        for word in words.split("_"):
            tokens.append(Token(word, kind, pause_s=0.12 if hesitate else 0.0))
            hesitate = False
    return _begin(tokens, 0.0)


def _begin(clause: list[Token], pause_s: float) -> list[Token]:
    return [
        replace(clause[0], pause_s=max(pause_s, clause[0].pause_s), starts_clause=True),
        *clause[1:],
    ]


def join(before: list[Token], clause: list[Token]) -> list[Token]:
    """``before`` spoken at the head of ``clause``."""
    head = replace(before[0], pause_s=clause[0].pause_s, starts_clause=True)
    return [head, *before[1:], replace(clause[0], pause_s=0.15, starts_clause=False), *clause[1:]]


def filler(person: Factors, rng: np.random.Generator, word: bool = False) -> Token:
    """A filler sound, or a filler word (which may be two words: see :func:`_split`); mostly the
    person's favourite.
    """
    choices = person.filler_words if word else person.filler_sounds
    text = choices[0] if rng.random() < 0.7 else choices[-1]
    return Token(text, "filler_word" if word else "filler", rate=1.0 if word else 1.3)


def hesitant(
    clause: list[Token],
    cues: dict[str, tuple[str, ...]],
    person: Factors,
    world: World,
    rng: np.random.Generator,
) -> list[Token]:
    """The clause with its audio and language cues put in. ``torn`` is in the words of the clause
    already.
    """
    audio, language = cues.get("audio", ()), cues.get("language", ())
    marks = [i for i, token in enumerate(clause) if token.pause_s > 0] or [max(1, len(clause) // 2)]
    mark = marks[0]
    rate = float(np.prod([RATE.get(cue, 1.0) for cue in audio]))
    gain_db = -6.0 if "quiet" in audio else 0.0
    clause = [replace(t, rate=t.rate * rate, gain_db=gain_db) for t in clause]

    def long_pause() -> float:
        return float(rng.uniform(*world.long_pause_s))

    middle: list[Token] = []
    if "correction" in language:
        dropped = f"{phrases.RESTARTS[int(rng.integers(len(phrases.RESTARTS)))]}-".split()
        middle += [Token(w, "restart", rate=rate) for w in dropped]
    if "filler_sound" in language:
        middle.append(filler(person, rng))
    if "filler_word" in language:
        middle += _split(filler(person, rng, word=True))
    if "hedge" in language:
        hedge = phrases.HEDGES[int(rng.integers(len(phrases.HEDGES)))]
        middle += [replace(t, starts_clause=False) for t in parse(hedge, phrases.TOPICS[1][0])]
    head, tail = clause[:mark], clause[mark:]
    if "repeat" in language and tail:
        tail = [tail[0], replace(tail[0], kind="repeat", pause_s=0.12), *tail[1:]]
    if "stutter" in audio and tail:
        first = tail[0].text.lstrip("'")[:1]
        tail = [Token(f"{first}-", "stutter", rate=rate, gain_db=gain_db), *tail]
    middle = [*middle, *tail]
    pause_s = long_pause() if "pause" in audio else 0.2
    breath = rng.random() < world.breath
    middle[0] = replace(middle[0], pause_s=pause_s, breath="pause" in audio and breath)
    if len(middle) > len(tail):  # the filler stands apart from what follows
        first_of_tail = len(middle) - len(tail)
        middle[first_of_tail] = replace(
            middle[first_of_tail], pause_s=float(rng.uniform(0.15, 0.4))
        )
    out = [*head, *middle]
    if "breath" in audio:
        out[0] = replace(out[0], pause_s=long_pause(), breath=True)
    else:
        out[0] = replace(out[0], pause_s=float(rng.uniform(*world.clause_pause_s)))
    return [replace(out[0], starts_clause=True), *out[1:]]


def _split(token: Token) -> list[Token]:
    """A filler of several words as one token per word."""
    words = token.text.split()
    return [
        replace(token, text=w, pause_s=token.pause_s if i == 0 else 0.0)
        for i, w in enumerate(words)
    ]


def sentences(tokens: list[Token]) -> tuple[Token, ...]:
    """Capitals and full stops, as a careful typist would write the clauses; a filler is followed by
    a comma.
    """
    out = []
    for i, token in enumerate(tokens):
        text = token.text
        if token.starts_clause:
            text = text[:1].upper() + text[1:]
        if i + 1 == len(tokens) or tokens[i + 1].starts_clause:
            text += "."
        elif token.kind in FILLER_KINDS and tokens[i + 1].kind not in FILLER_KINDS:
            text += ","
        out.append(replace(token, text=text))
    return tuple(out)
