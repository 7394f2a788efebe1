"""Who says which part of a transcript, one notion for all formats; and the part of one person."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from twomind.core.errors import BadInput, quoted, shortened
from twomind.core.plural import sentence
from twomind.transcripts.labels import (
    bare_head,
    cut,
    heads_of_paragraphs,
    is_not_told,
    label_of,
    n_fields,
    names_in,
    same_name,
)
from twomind.transcripts.marks import apart
from twomind.transcripts.roles import is_aside_of, is_role, is_unknown
from twomind.transcripts.spans import Parsed, Span, fill, share
from twomind.transcripts.tokens import tokens_of
from twomind.transcripts.units import in_seconds
from twomind.types import Segment

#: Stands for whoever says most words.
LONGEST = "longest"
#: Shown for what no name stands before, where other parts have one.
UNLABELLED = "unlabelled"
#: Captions write it where another speaker begins; tinydiarize writes the second.
_TURN = re.compile(r"\s*>{2,}[ \t]*")
_TURN_AFTER = re.compile(r"\[SPEAKER_TURN\]|\[ SPEAKER_TURN\]", re.IGNORECASE)
_TURN_NAME = "turn {}"
_FIRST_TURN = _TURN_NAME.format(1)
#: A pause of another speaker up to this length is a part of their turn.
_PAUSE_S = 1.0
#: A line of a subtitle in which two people speak: ``- Are you? / - Yes.``
_DASH = re.compile(r"\s*[-–—‐]\s?(?=[^\s\-–—])")
#: The second line alone has the dash: what stands above it is a whole sentence, and so it begins.
_ANSWER = re.compile(r"(?<=[.?!…\"'”’])[ \t]*\n[ \t]*[-–—‐]\s?(?=[^\W\d_])")
#: Where another speaker may be named inside a line.
_INSIDE = re.compile(r"(?<=[.?!…])[ \t]+(?=([A-Z][\w ]{0,30}?):\s)")
#: A heading has no more words, and does not end as a sentence does.
_HEADING_WORDS = 10
_SENTENCE_ENDS = (".", "?", "!", "…", ",", ";")
#: A title, however it begins and however long it is: ``abc-defg (2025-06-03) - Transcript``.
_TITLE = re.compile(r".{0,200}\bTranscript\W{0,8}")
#: So many words of a line can belong to a label.
_LABEL_WORDS = 6
_MOST_NAMES = 12
_MEETING_OF_NOBODY = (
    "no speaker is named in this transcript of a meeting; it is taken as what this person says, and "
    "it is not if others speak in the recording"
)
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Choice:
    """The part of a transcript that is this person's.

    ``parsed`` has their spans alone; ``others`` says when other people speak. Where it cannot be
    told who they are, ``not_measured`` says why, and there are no spans.
    """

    parsed: Parsed
    speaker: str = ""
    others: tuple[Segment, ...] = ()
    not_measured: str = ""


def _n_spoken(spans: Iterable[Span]) -> int:
    """How many words are spoken, without what stands beside them."""
    return sum(len(tokens_of(span.text)[0]) for span in spans)


def speakers(parsed: Parsed) -> dict[str, int]:
    """Everyone who is named, in the order in which they first speak, with their number of words.

    What no name stands before counts for :data:`UNLABELLED` where there are names. Marks are no
    words.
    """
    counts = dict.fromkeys((span.speaker for span in parsed.spans), 0)
    if set(counts) <= {""}:
        return {}
    for span in apart(parsed.spans, parsed.kind).speech:
        counts[span.speaker] += _n_spoken([span])
    spoken = {name: n for name, n in counts.items() if n or name}
    return {name or UNLABELLED: n for name, n in spoken.items()}


# --- names of the file
# ---------------------------------------------------------------------------------------------------


def with_speakers(parsed: Parsed) -> Parsed:
    """The transcript with a speaker for each span, and no label of one in any text.

    Names that the format gives (a key, a voice tag, a line of its own) are taken as they are.
    Where it gives none, labels at the start of lines are looked for.
    """
    spans: Sequence[Span] = parsed.spans
    fields: list[str] = []
    if any(span.speaker for span in spans):
        known = _in_order(spans) if parsed.carries else list(spans)
    else:
        spans, fields = _without_fields(_without_frames(spans))
        known = list(_from_labels(spans))
    written: dict[str, str] = {}
    out: list[Span] = []
    for span in known:
        name = " ".join(span.speaker.split())
        if is_unknown(name):
            name = ""
        first_written = written.setdefault(same_name(name), name)
        out.append(span.saying(span.text, first_written))
    headings = _headings(out)
    problems = list(parsed.problems)
    above = [*fields, *(line for span in headings for line in span.text.split("\n"))]
    if above:
        first = shortened(above[0], 60)
        problems.append(
            f"what stands above the first name or time was taken for a heading and left out "
            f"(first: {first})"
        )
    problems += _one_label(spans, out)
    return replace(parsed, spans=tuple(out[len(headings) :]), problems=tuple(problems))


def _without_frames(spans: Sequence[Span]) -> list[Span]:
    """Spans without the brackets around each line, where every line is framed with who says it:
    ``[Interviewer: Do you?]``.
    """
    texts = [span.text for span in spans]
    lines = [line.strip() for text in texts for line in text.split("\n") if line.strip()]
    if not all(line[0] in "[(" and line[-1] in "])" and is_aside_of(line[1:-1]) for line in lines):
        return list(spans)
    bare = ["\n".join(line.strip()[1:-1] for line in text.split("\n")) for text in texts]
    return [span.saying(text) for span, text in zip(spans, bare, strict=True)]


def _without_fields(spans: Sequence[Span]) -> tuple[list[Span], list[str]]:
    """A text without the fields above it (``Participant ID: P01``), and their lines."""
    rest = list(spans)
    if not rest or not math.isnan(rest[0].start_s):
        return rest, []
    lines = rest[0].text.split("\n")
    n = n_fields(lines)
    if n == 0 and len(lines) == 1 and len(rest) > 1:
        n = int(n_fields([*lines, rest[1].text]) > 0)
    rest[0] = replace(rest[0], text="\n".join(lines[n:]))
    left_out = [line.strip() for line in lines[:n] if line.strip()]
    return (rest if rest[0].text.strip() else rest[1:]), left_out


def _headings(spans: Sequence[Span]) -> list[Span]:
    """What stands above the first name or time and is not a sentence: a title, a date."""
    above: list[Span] = []
    for span in spans:
        if span.speaker or not math.isnan(span.start_s):
            return above
        if not all(_is_heading(line) for line in span.text.split("\n")):
            return []
        above.append(span)
    return []  # nothing follows that it could be the heading of


def _is_heading(line: str) -> bool:
    words = line.split()
    if not words:
        return True
    if _TITLE.fullmatch(line.strip()):
        return True
    begins = not line.lstrip()[0].islower()
    return begins and len(words) <= _HEADING_WORDS and not words[-1].endswith(_SENTENCE_ENDS)


def _one_label(before: Sequence[Span], after: Iterable[Span]) -> list[str]:
    """A remark where one word before a colon was taken for the name of the only speaker, and is
    nobody's usual role.
    """
    names = {span.speaker for span in after if span.speaker}
    if len(names) != 1 or any(span.speaker for span in before):
        return []
    name = next(iter(names))
    if is_role(name) or name == _FIRST_TURN:
        return []
    return [
        f"{shortened(name, 60)!r} at the start of lines was taken for the name of the speaker; it "
        "is not among the words"
    ]


def _in_order(spans: Iterable[Span]) -> list[Span]:
    """Each span with the last name that was given."""
    name = ""
    out: list[Span] = []
    for span in spans:
        name = span.speaker or name
        out.append(replace(span, speaker=name))
    return out


@dataclass(frozen=True)
class _Part:
    """Text of one speaker inside a span: ``name`` is empty where no label stands before it."""

    text: str
    name: str = ""


def _from_labels(spans: Sequence[Span]) -> Iterator[Span]:
    """Spans with the speakers that labels in their text name; as they are where there are none."""
    texts = [_with_turns(span) for span in spans]
    lines = [line for k in range(len(spans)) for line in _lines(spans, texts, k)]
    bare = [_TURN.sub("", line, count=1) if _TURN.match(line) else line for line in lines]
    names = names_in([line for line in bare if line.strip()])
    texts = [_with_names_apart(text, names) for text in texts]
    heads = heads_of_paragraphs(list(_paragraphs(spans, texts)))
    turns = any(_TURN.match(line) for line in lines)
    if not names and not heads and not turns:
        yield from spans
        return
    said = list(_Reader(names, heads).read(spans, texts))
    if {span.speaker for span in said} == {_FIRST_TURN}:
        said = [replace(span, speaker="") for span in said]  # nobody else speaks
    yield from said


def _paragraphs(spans: Sequence[Span], texts: Sequence[str]) -> Iterator[str]:
    """All lines, with a blank one before each span."""
    for span, text in zip(spans, texts, strict=True):
        if span.opens:
            yield from ("", *text.split("\n"))


def _with_turns(span: Span) -> str:
    """A change of speaker that stands after a text, as a line before the next one; and lines with
    dashes in one subtitle, each of another speaker.
    """
    text = _TURN_AFTER.sub("\n>> ", span.text)
    text = _with_names_apart(text, frozenset())
    lines = text.split("\n")
    n_dashes = sum(_DASH.match(line) is not None for line in lines)
    if math.isnan(span.start_s):
        return text
    if n_dashes == 1:
        return _ANSWER.sub(_next_turn, text)
    if n_dashes < 2:
        return text
    return "\n".join(_DASH.sub(">> ", line, count=1) for line in lines)


def _next_turn(dash: re.Match[str]) -> str:
    """Another speaker, where what follows a dash begins a sentence."""
    following = dash.string[dash.end()]
    return dash[0] if following.islower() else "\n>> "


def _with_names_apart(text: str, names: frozenset[str]) -> str:
    """Lines that begin with a label, with each label that stands inside one, after a sentence, on a
    line of its own: a role, or one of ``names``.
    """

    def is_label(name: str) -> bool:
        return is_role(name) or same_name(name) in names

    def cut_here(found: re.Match[str]) -> str:
        return "\n" if is_label(found[1]) else found[0]

    if _INSIDE.search(text) is None:
        return text
    lines = []
    for line in text.split("\n"):
        label = label_of(line)
        begins = label is not None and not label.style and is_label(label.name)
        lines.append(_INSIDE.sub(cut_here, line) if begins else line)
    return "\n".join(lines)


def _lines(spans: Sequence[Span], texts: Sequence[str], k: int) -> list[str]:
    """The lines that a span opens; a line that goes on over single words up to what a label may
    take.
    """
    if not spans[k].opens:
        return []
    lines = texts[k].split("\n")
    after = k + 1
    while after < len(spans) and after < k + _LABEL_WORDS and not spans[after].opens:
        lines[-1] = f"{lines[-1]} {texts[after]}"
        after += 1
    return lines


class _Reader:
    """Goes through the lines of a transcript with the names that are labels in it."""

    def __init__(self, names: frozenset[str], heads: frozenset[str]) -> None:
        self._names = names
        self._heads = heads
        self._speaker = ""
        self._n_turns = 0
        self._spoken = False  # whether the turn has words
        self._drop = 0  # words of a label that are still to be left out

    def read(self, spans: Sequence[Span], texts: Sequence[str]) -> Iterator[Span]:
        """The spans, each with its speaker, without labels."""
        for k, span in enumerate(spans):
            lines = _lines(spans, texts, k)
            if lines:
                own = texts[k].split("\n")
                parts = self._parts(own, lines)
            else:
                parts = [self._rest(span.text)]
            parts = [part for part in parts if part.text.strip()]
            pieces = [span.saying(part.text, part.name) for part in parts]
            if len(pieces) > 1:
                pieces = share(pieces, span.start_s, span.end_s)
            yield from pieces

    def _rest(self, text: str) -> _Part:
        """A word inside a line, or nothing where it belongs to the line's label."""
        words = text.split()
        kept = words[self._drop :]
        self._drop = max(0, self._drop - len(words))
        return self._said(text if len(kept) == len(words) else " ".join(kept))

    def _parts(self, own: list[str], lines: list[str]) -> list[_Part]:
        """A span's lines as parts of one speaker each; ``lines`` show what follows the last."""
        self._drop = 0
        said = [self._line(text, line) for text, line in zip(own, lines, strict=True)]
        parts: list[_Part] = []
        for name, of_one in groupby(said, key=lambda part: part.name):
            parts.append(_Part("\n".join(part.text for part in of_one), name))
        return parts

    def _line(self, text: str, line: str) -> _Part:
        turn = _TURN.match(line)
        if turn:
            text = text[turn.end() :]
            line = line[turn.end() :]
            self._turn()
        if same_name(bare_head(line)) in self._heads:
            self._name(bare_head(line))
            return self._said("")
        label = cut(line, self._names)
        if label is None:
            return self._said(text)
        self._name(label.name)
        n_label = len(line.split()) - len(label.rest.split())
        own_words = text.split()
        self._drop = max(0, n_label - len(own_words))
        if line == text:
            return self._said(label.rest)
        return self._said(" ".join(own_words[n_label:]))

    def _said(self, text: str) -> _Part:
        self._spoken = self._spoken or bool(text.strip())
        return _Part(text, self._speaker or self._turn_name())

    def _name(self, name: str) -> None:
        self._speaker = name
        self._spoken = True

    def _turn(self) -> None:
        """Another speaker begins, who is not named yet."""
        if self._spoken:
            self._n_turns += 1
        self._speaker = ""
        self._spoken = False

    def _turn_name(self) -> str:
        """Turns without a name are told apart by their number, where nobody is named."""
        if self._names or self._heads:
            return ""
        return _TURN_NAME.format(self._n_turns + 1)


# --- the person
# ---------------------------------------------------------------------------------------------------


def choose(parsed: Parsed, speaker: str | None, duration_s: float) -> Choice:
    """The part of a transcript that one person says.

    Args:
        parsed: With the speakers of :func:`with_speakers`.
        speaker: The person's name, :data:`LONGEST` for whoever says most words; None where only
            one person speaks.
        duration_s: Length of the recording; nan where it is not known.

    Raises:
        BadInput: nobody of that name speaks in it.
    """
    counts = speakers(parsed)
    if not counts:
        problems = _nobody_named(parsed, speaker)
        return Choice(replace(parsed, problems=(*parsed.problems, *problems)))
    spoken = [name for name, n in counts.items() if n]
    if speaker is None and len(spoken) > 1:
        n = len(spoken)
        number = _NUMBERS[n] if n < len(_NUMBERS) else str(n)
        told = f"{number} speakers ({_listed(counts)}); say which with --speaker"
        return Choice(replace(parsed, spans=()), not_measured=told)
    if speaker is None:
        name = spoken[0] if spoken else next(iter(counts))
    else:
        name = _named(counts, speaker)
    return _part_of(parsed, name, duration_s, _remarks(counts, name, speaker))


def _nobody_named(parsed: Parsed, speaker: str | None) -> list[str]:
    """A remark where the transcript names nobody, and a person was asked for or several may speak."""
    if not parsed.spans:
        return []
    if speaker is None or same_name(speaker) == LONGEST:
        return [_MEETING_OF_NOBODY] if parsed.of_meeting else []
    return [f"nobody is named in the transcript; all its words are taken as those of {speaker}"]


def _named(counts: dict[str, int], speaker: str) -> str:
    """The name as the transcript writes it."""
    by_name = {same_name(name): name for name in counts}
    wanted = same_name(speaker)
    for known in (wanted, f"speaker{wanted}"):  # who has a number alone is shown as a speaker
        if known in by_name:
            return by_name[known]
    if wanted == LONGEST:
        return max(counts, key=lambda name: counts[name])
    raise BadInput(
        f"expected one who speaks in the transcript ({_listed(counts)}), got the speaker "
        f"{quoted(speaker)}"
    )


def _remarks(counts: dict[str, int], name: str, speaker: str | None) -> list[str]:
    others = {other: n for other, n in counts.items() if other != name}
    remarks = []
    if is_not_told(name) and not any(others.values()):
        remarks.append(
            f"all of the transcript stands under {shortened(name, 60)!r}, which tells nobody apart; "
            "it is taken as what this person says, and it is not if others speak in the recording"
        )
    if speaker is not None and same_name(speaker) == LONGEST and same_name(name) != LONGEST:
        beside = f" ({_listed(others)})" if others else ""
        remarks.append(
            f"the words are those of {name}, who says most of the transcript "
            f"({_n_words(counts[name])}){beside}"
        )
    if others.get(UNLABELLED):
        remarks.append(
            sentence(
                "{words} of the transcript [is|are] of no named speaker and [was|were] left out",
                others[UNLABELLED],
                words=_n_words(others[UNLABELLED]),
            )
        )
    return remarks


def _part_of(parsed: Parsed, name: str, duration_s: float, remarks: list[str]) -> Choice:
    """The spans of one speaker; their times regard what the others say between them."""
    spans = list(parsed.spans)
    if all(_is_of(span, name) for span in spans):
        told = replace(parsed, problems=(*parsed.problems, *remarks))
        return Choice(told, name)
    if not parsed.unit_known:
        spans, on_unit = in_seconds(spans, duration_s)
        remarks = [*on_unit, *remarks]
    others: tuple[Segment, ...] = ()
    if all(math.isnan(span.start_s) for span in spans):
        remarks.append(
            "the transcript has no times: when the others speak is not known, and what is measured "
            "of the voice may be theirs"
        )
    else:
        filled = fill(spans, math.nan, duration_s)
        others = tuple(_turns_of_others(filled, name, duration_s))
        last = spans[-1]
        if math.isnan(last.end_s) and not math.isnan(last.start_s):
            filled[-1] = last  # whoever reads the words says how its end was found
        spans = filled
    person = tuple(span for span in spans if _is_of(span, name))
    problems = (*parsed.problems, *remarks)
    part = replace(parsed, spans=person, problems=problems, unit_known=True)
    return Choice(part, name, others)


def _is_of(span: Span, name: str) -> bool:
    """Whether a span is this speaker's; notes that stand with no name stay with the person."""
    if span.speaker:
        return span.speaker == name
    return name == UNLABELLED or not _n_spoken(apart([span], "").speech)


def _turns_of_others(spans: Iterable[Span], name: str, duration_s: float) -> Iterator[Segment]:
    """When the others speak: neighbouring spans of one of them are one turn."""
    hi_s = math.inf if math.isnan(duration_s) else duration_s
    turn: Segment | None = None
    for span in sorted(spans, key=lambda span: span.start_s):
        if _is_of(span, name):
            if turn is not None:
                yield turn
            turn = None
            continue
        start_s = min(max(span.start_s, 0.0), hi_s)
        end_s = min(max(span.end_s, start_s), hi_s)
        label = span.speaker or UNLABELLED
        if turn is not None and turn.label == label and start_s - turn.end_s <= _PAUSE_S:
            turn = replace(turn, end_s=max(turn.end_s, end_s))
            continue
        if turn is not None:
            yield turn
        turn = Segment(start_s, end_s, label, "transcript")
    if turn is not None:
        yield turn


def _n_words(n: int) -> str:
    return "1 word" if n == 1 else f"{n} words"


def _shown(name: str) -> str:
    """A name in a list; in quotes where it holds a comma."""
    short = shortened(name, 60)
    return repr(short) if "," in short else short


def _listed(counts: dict[str, int]) -> str:
    """Names with their number of words, for a reader."""
    listed = [f"{_shown(name)} {_n_words(n)}" for name, n in counts.items()]
    more = len(listed) - _MOST_NAMES
    if more > 0:
        listed = [*listed[:_MOST_NAMES], f"and {more} more"]
    return ", ".join(listed)
