"""Word cues: words for a coder's eye, by the rules of the cue lexicon. No model and no score reads
them.

Filler sounds and the second copies of repeats are taken out before phrases are looked for, so a
transcript that keeps every "um" and one that drops them all give the same cues. English only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from twomind.features.words.cue_rules import CueLexicon, Kind, Rule, compiled, cue_lexicon, longest
from twomind.features.words.lexicon import repeats, restarts
from twomind.features.words.text import Occurrence, Token, tokens
from twomind.transcripts.fillers import is_backchannel, is_filler
from twomind.types import Cue, Word

#: Kinds of word cue that are shown → plain description.
WORD_KINDS: dict[str, str] = {kind.name: kind.meaning for kind in cue_lexicon().shown}
#: Kinds that were judged and are not shown → why.
HIDDEN_KINDS: dict[str, str] = {
    kind.name: "words alone do not tell it well enough: too many of its hits were judged wrong"
    for kind in cue_lexicon().kinds
    if not kind.shown
}

#: Words before a phrase that may deny it, and in which its subject is looked for.
_NEGATION_REACH = 5
_SUBJECT_REACH = 6
_MARKS = ("^", "$", ",", "-")
#: Where one of these opens a sentence it is a listener's sound or an exclamation ("Mm, yeah", "Ah!").
_ANSWERS = re.compile("m+h?|a+h+")
_COMMA = re.compile(r"[,;:]+[\"')\]]*$")


@dataclass(frozen=True)
class _Heard:
    """One normalised token and the word it came from. ``cut``: broken off; ``mark``: what follows it
    as the rules read it, a comma, a ``-`` where it is broken off, or nothing.
    """

    text: str
    word: int
    ends: bool
    cut: bool
    mark: str


def _heard(texts: Sequence[str]) -> list[_Heard]:
    """Tokens; a stuttered "I-I" is two."""
    found = []
    for token in tokens(texts):
        pieces = token.text.split("-")
        is_whole = len(set(pieces)) > 1 or is_backchannel(token.text)
        if is_whole or not pieces[0].isalpha():
            pieces = [token.text]
        for piece in pieces[:-1]:
            found.append(_Heard(piece, token.word, False, False, ""))
        mark = _mark(texts[token.word], token)
        last = _Heard(pieces[-1], token.word, token.ends_sentence, token.cut, mark)
        found.append(last)
    return found


def _mark(word: str, token: Token) -> str:
    if token.cut:
        return "-"
    return "," if _COMMA.search(word.strip()[-20:]) else ""


def find_all(texts: Sequence[str], known: CueLexicon | None = None) -> tuple[Occurrence, ...]:
    """Every hit of every kind in the words of one answer, also of kinds that are not shown, in
    order of its first word.

    Args:
        texts: the words, one by one.
        known: another cue lexicon than the package's.
    """
    known = known or cue_lexicon()
    kinds = {kind.name: kind for kind in known.kinds}
    heard = _heard(texts)
    found = [_occurrence("filler", [token]) for token in _fillers(heard)]

    spoken = _without(heard, [i for i, token in enumerate(heard) if is_filler(token.text)])
    copies = repeats([token.text for token in spoken], [token.ends for token in spoken])
    again: list[int] = []
    for first, n in copies:
        copy = spoken[first : first + n]
        if _slipped(copy, spoken[first - 1], kinds["repeat"]):
            found.append(_occurrence("repeat", copy))
        again += range(first, first + n)

    spoken = _without(spoken, again)
    found += _restarts(spoken)
    for sentence in _sentences(spoken):
        encoded = _Sentence.of(sentence)
        for kind in known.kinds:
            found += _hits(kind, encoded, known)
    # "to-to-to" is one word as it was written down, and one hit.
    at = {(hit.first, hit.last, hit.category): hit for hit in reversed(found)}
    return tuple(at[place] for place in sorted(at))


def occurrences(words: tuple[Word, ...]) -> tuple[Cue, ...]:
    """The word cues of an answer in time order; ``detail`` is the phrase. Their times are as good
    as the words' own.
    """
    cues = []
    for hit in find_all([w.text for w in words]):
        if hit.category not in WORD_KINDS:
            continue
        first = words[hit.first]
        end_s = max(first.end_s, words[hit.last].end_s)
        cue = Cue(hit.category, "words", first.start_s, end_s, detail=hit.text)
        cues.append(cue)
    return tuple(sorted(cues, key=lambda c: (c.start_s, c.end_s, c.kind)))


def _occurrence(kind: str, run: Sequence[_Heard]) -> Occurrence:
    text = " ".join(token.text for token in run)
    return Occurrence(kind, run[0].word, run[-1].word, text)


def _fillers(heard: list[_Heard]) -> Iterator[_Heard]:
    """Filler sounds inside somebody's talk: a turn of nothing but sounds is an answer or a sign of
    listening.
    """
    sounds = [is_filler(token.text) or is_backchannel(token.text) for token in heard]
    if all(sounds):
        return
    opens = True
    for token in heard:
        if is_filler(token.text) and not (opens and _ANSWERS.fullmatch(token.text)):
            yield token
        opens = token.ends


def _slipped(copy: Sequence[_Heard], before: _Heard, kind: Kind) -> bool:
    """Whether the words were said again without meaning to; ``before``: the word before them."""
    text = " ".join(token.text for token in copy)
    if text in kind.exceptions or any(character.isdigit() for character in text):
        return False
    over_comma = len(copy) == 1 and before.mark == ","
    return not over_comma or text in kind.across_comma


def _without(heard: list[_Heard], dropped: Sequence[int]) -> list[_Heard]:
    """The other tokens. A mark before what is dropped goes too; an end of a sentence in what is
    dropped stays.
    """
    gone = set(dropped)
    kept: list[_Heard] = []
    for i, token in enumerate(heard):
        if i not in gone:
            kept.append(token)
        elif kept:
            ends = kept[-1].ends or token.ends
            kept[-1] = replace(kept[-1], mark="", ends=ends)
    return kept


def _restarts(spoken: list[_Heard]) -> list[Occurrence]:
    """Sentences begun anew. What is cut off at the end of a turn was cut off by somebody else."""
    ends = [token.ends for token in spoken]
    cut = [token.cut for token in spoken]
    found = []
    for first, n in restarts([token.text for token in spoken], ends, cut):
        goes_on = first + n < len(spoken)
        if goes_on:
            found.append(_occurrence("restart", spoken[first : first + n]))
    return found


def _sentences(spoken: list[_Heard]) -> Iterator[list[_Heard]]:
    sentence: list[_Heard] = []
    for token in spoken:
        sentence.append(token)
        if token.ends:
            yield sentence
            sentence = []
    if sentence:
        yield sentence


@dataclass(frozen=True)
class _Sentence:
    """A sentence as the rules read it, `` ^ well , i want to $ ``; ``at``: where in it a token
    begins → its number.
    """

    run: Sequence[_Heard]
    text: str
    at: dict[int, int]

    @classmethod
    def of(cls, run: Sequence[_Heard]) -> _Sentence:
        text = " ^ "
        at = {}
        for i, token in enumerate(run):
            at[len(text)] = i
            text += f"{token.text} "
            if token.mark and i < len(run) - 1:
                text += f"{token.mark} "
        return cls(run, text + "$ ", at)


def _hits(kind: Kind, sentence: _Sentence, known: CueLexicon) -> Iterator[Occurrence]:
    """The kind's hits in one sentence: at each word the longest, none within another."""
    spans: list[tuple[int, int]] = []
    for rule in kind.rules:
        spans += _spans(rule, sentence, known)
    busy_until = 0
    for start, end in sorted(spans, key=_longest_first):
        if start < busy_until:
            continue
        busy_until = end
        inside = [i for begins, i in sentence.at.items() if start <= begins < end]
        run = sentence.run[inside[0] : inside[-1] + 1]
        yield _occurrence(kind.name, run)


def _longest_first(span: tuple[int, int]) -> tuple[int, int]:
    start, end = span
    return start, -end


def _spans(rule: Rule, sentence: _Sentence, known: CueLexicon) -> Iterator[tuple[int, int]]:
    position = 0
    while match := compiled(rule.anywhere).search(sentence.text, position):
        start = match.start()
        end = longest(rule, sentence.text, start)
        around = _Around(sentence.text[:start], sentence.text[end:])
        if around.allows(rule, known):
            yield start, end
        position = start + 1


@dataclass(frozen=True)
class _Around:
    """What stands before and behind a phrase in its sentence."""

    before: str
    behind: str

    def allows(self, rule: Rule, known: CueLexicon) -> bool:
        return self._in_place(rule) and self._switched(rule.switches, known)

    def _in_place(self, rule: Rule) -> bool:
        behind = f" {self.behind}"
        near_behind = _joined(_words(self.behind)[:_NEGATION_REACH])
        near_before = _joined(_words(self.before)[-_NEGATION_REACH:])
        seen = {
            "after": (self.before, False),
            "before": (behind, True),
            "near": (near_before, False),
            "near_after": (near_behind, False),
        }
        for name, pattern in rule.places.items():
            text, directly = seen[name.removeprefix("not_")]
            there = _found(pattern, text, directly)
            if there == name.startswith("not_"):
                return False
        return True

    def _switched(self, switches: frozenset[str], known: CueLexicon) -> bool:
        if "not_alone" in switches and not _words(self.before + self.behind):
            return False
        if "not_negated" in switches and self._negated(known):
            return False
        if "not_third" in switches and self._subject(known) in known.others:
            return False
        others = known.others | known.listener
        return not ("not_other" in switches and self._subject(known) in others)

    def _negated(self, known: CueLexicon) -> bool:
        clause: list[str] = []
        for token in reversed(self.before.split()):
            if token in known.clause or len(clause) == _NEGATION_REACH:
                break
            clause.append(token)
        return compiled(known.deny).search(_joined(clause)) is not None

    def _subject(self, known: CueLexicon) -> str:
        """The nearest person named before; empty when none is."""
        people = known.speaker | known.listener | known.others
        for word in reversed(_words(self.before)[-_SUBJECT_REACH:]):
            if word in people:
                return word
        return ""


def _found(pattern: str, text: str, directly: bool) -> bool:
    """Whether it stands in the text; ``directly``: at its beginning, which is a blank."""
    regex = compiled(pattern)
    return bool(regex.match(text, 1) if directly else regex.search(text))


def _words(text: str) -> list[str]:
    return [token for token in text.split() if token not in _MARKS]


def _joined(words: Sequence[str]) -> str:
    """As the rules read it: a blank before the first, and one behind each."""
    return " " + "".join(f"{word} " for word in words)
