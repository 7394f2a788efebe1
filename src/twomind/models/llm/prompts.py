"""What a model is asked. Five published strategies in our own words, and one of ours that asks for
both sides.

The five follow the zero-shot study of BAH (its definitions and their order, not its wording): ``s``
asks bare, ``d1`` and ``d2`` define first, ``td1`` and ``td2`` put the transcript before that.
``two_sides`` asks for evidence with times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twomind.core.errors import BadInput
from twomind.models.questions import BAH_QUESTIONS, resolve
from twomind.types import Timing, Word

#: The two words a model may answer with, in the order of the task's classes (absent, present).
LABELS = ("Non-Ambivalent", "Ambivalent")
#: A new line of the transcript begins after a silence of this length, or after this many words.
LINE_PAUSE_S = 0.7
LINE_WORDS = 12

_ONE_WORD = (
    f"Which of the two fits the person: {LABELS[0]} or {LABELS[1]}? Reply with one of these "
    "two words and nothing else."
)
_OPPOSITE = (
    "Someone is ambivalent when they have opposite feelings about one and the same thing, or one "
    "and the same person, "
    "at one time."
)
_CHANGE = (
    "Ambivalence, or hesitancy, means to want to make a change and, at the same time, not to "
    "want to make it."
)
_TWO_SIDES = f"""\
Decide whether the person is in two minds. Being in two minds (ambivalence, hesitancy) means that something pulls them \
towards a thing or a change while something else pulls them away from it, or that they hold back from deciding. It can \
show in the words ("but", "I should", corrections, hedges), in face and body (a smile over a complaint, looking away, \
a shrug, a head shake with a yes), or where these disagree. It is not the same as disliking something, not knowing a \
fact, or thinking before answering.

Work in this order:
1. towards: in one sentence, what pulls the person towards it; null if nothing does.
2. away: in one sentence, what pulls the person away from it; null if nothing does.
3. evidence: the moments that show either side. Use only what was given to you, and only times that lie in it. For \
words, quote them exactly. If there is none, give an empty list.
4. answer: {LABELS[1]} or {LABELS[0]}.

Reply with one JSON object and nothing else, in this form:
{{"towards": "…", "away": "…", "evidence": [{{"start_s": 1.5, "end_s": 3.0, "side": "towards", "modality": "words", \
"what": "…"}}], "answer": "…"}}
side is "towards", "away" or "both"; modality is "words", "face" or "body"."""


@dataclass(frozen=True)
class Prompt:
    """One way of asking. ``reply`` says what is expected back: ``label`` (one word) or ``json``
    (one object).

    ``transcript``: the words are part of it, and without them the question is not asked.
    ``pictures``: whether something is left to judge by when no pictures are sent (False: the
    strategy is pictures only).
    """

    name: str
    ask: str
    definition: str = ""
    transcript: bool = False
    reply: str = "label"
    max_tokens: int = 16


STRATEGIES: dict[str, Prompt] = {
    p.name: p
    for p in (
        Prompt("s", _ONE_WORD),
        Prompt("d1", _ONE_WORD, _OPPOSITE),
        Prompt("d2", _ONE_WORD, _CHANGE),
        Prompt("td1", _ONE_WORD, _OPPOSITE, transcript=True),
        Prompt("td2", _ONE_WORD, _CHANGE, transcript=True),
        Prompt("two_sides", _TWO_SIDES, transcript=True, reply="json", max_tokens=900),
    )
}


def strategy(name: str) -> Prompt:
    """The prompt of that name.

    Raises:
        BadInput: there is none; the message lists what there is.
    """
    if name not in STRATEGIES:
        raise BadInput(f"strategy {name!r}: expected one of {', '.join(STRATEGIES)}")
    return STRATEGIES[name]


def timed(words: Sequence[Word]) -> bool:
    """Whether the words' times say when they were spoken."""
    return not any(w.timing is Timing.SPREAD_ALL for w in words)


def transcript_lines(words: Sequence[Word]) -> list[str]:
    """``[start - end] words`` per line, in seconds; without times where the transcript carried
    none.

    >>> transcript_lines([Word("I", 0.5, 0.6), Word("should.", 0.7, 1.0), Word("But", 2.5, 2.8)])
    ['[0.5 - 1.0] I should.', '[2.5 - 2.8] But']
    """
    lines: list[list[Word]] = []
    for word in words:
        last = lines[-1] if lines else []
        if not last or len(last) >= LINE_WORDS or word.start_s - last[-1].end_s >= LINE_PAUSE_S:
            lines.append([])
        lines[-1].append(word)
    if not timed(words):
        return [" ".join(w.text for w in line) for line in lines]
    written = []
    for line in lines:
        text = " ".join(w.text for w in line)
        start_s = line[0].start_s
        end_s = line[-1].end_s
        written.append(f"[{start_s:.1f} - {end_s:.1f}] {text}")
    return written


def question_text(question: str | None) -> str:
    """What was asked, for a reader: the theme of a known question, else the text itself; "" when
    unknown.

    The *intended response* of a BAH question (hesitant, willing …) is never told: it would give the
    answer away.
    """
    if question is None or not question.strip():
        return ""
    name = resolve(question, tuple(BAH_QUESTIONS))
    if name is None:
        return question.strip()
    _, theme = BAH_QUESTIONS[name]
    return theme


def render(
    prompt: Prompt,
    *,
    times_s: Sequence[float] = (),
    words: Sequence[Word] | None = None,
    question: str | None = None,
) -> str:
    """The text that goes with the pictures: what is shown, the question, the transcript, the
    definition, the ask.

    Args:
        prompt: The way of asking.
        times_s: Times of the pictures.
        words: That were said; None: not given.
        question: None leaves it out (the switch is the caller's).
    """
    parts = []
    if times_s:
        shown = ", ".join(f"{t:.1f}" for t in times_s)
        parts.append(
            f"You see {len(times_s)} frames of a video of a person who answers a question, at "
            f"{shown} s."
        )
    elif prompt.transcript:
        parts.append(
            "A person answers a question on video. You are given the words, not the pictures."
        )
    asked = question_text(question)
    if asked:
        parts.append(f"What the person was asked about: {asked}")
    if prompt.transcript and words is not None:
        unit = "start and end in seconds" if timed(words) else "no times are known"
        lines = [f"What the person says ({unit}):", *transcript_lines(words)]
        parts.append("\n".join(lines))
    parts += [prompt.definition, prompt.ask]
    return "\n\n".join(p for p in parts if p)
