"""Labels of speakers at the start of a line (``Interviewer: ...``), and what tells them from speech
with a colon in it (``Well: I think``).

The rule: a prefix is a label where it is a role of conversations (Interviewer, Speaker 1), or where
it looks like a name and stands before several lines, or beside other labels. What people say before
a colon (Note, Well, Monday) is never one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from twomind.transcripts.marks import is_known_note
from twomind.transcripts.roles import CODE, is_role

#: No name that is written before a line has more words or characters.
_MOST_WORDS = 4
_MOST_CHARACTERS = 40

_COLON = re.compile(
    r"([^\s:\[\]()<>{}*][^:\[\]()<>{}*]{0,60}?)\s*(?:\(([^()]{1,40})\)\s*)?(?::(?=\s|$)|：)"
)
#: One of several people whom a program calls the same: ``iPhone (2): ...``.
_NUMBER = re.compile(r"\d{1,2}")
_IN_BRACKETS = re.compile(
    r"[\[(<]\s*+([^\[\]()<>:\s][^\[\]()<>:]{0,59}?)\s*+(?::\s*+)?[\])>]\s*(?:(:?)(?=\s|$)|(：))"
)
#: ``Interviewer - ...`` and, of a question and its answer, ``Q. ...``.
_DASHED = re.compile(r"([^\W\d_][\w .'’]{0,40}?)\s+[-–—](?=\s)")
_LETTERED = re.compile(r"([QA])\.(?=\s)")
#: ``Interviewer | ...``, ``Interviewer> ...``, ``I; ...``: signs that set off speech too.
_SIGNED = re.compile(r"([^\W\d_][\w .'’]{0,40}?)\s?(\||>{1,2}|»|—|–|=|;|\.)(?=\s)")
_WRAPPED = re.compile(r"\s*(?:\(([^()]{1,60})\)|\[([^\[\]]{1,60})\])\s*")
_EMPHASIS = re.compile(r"^(?:\*\*|__)(.{1,60}?)(?:\*\*|__)")
#: Before a label: the sign of a list or of a heading; CHAT writes a star without a blank.
_BULLET = re.compile(r"[-*•·#>]{1,6}\s+")
_CHAT = re.compile(r"\*([A-Z][A-Z0-9_]{1,6}):\s")

_ROUND = str.maketrans("", "", "()")
_NOT_TOLD = re.compile(r"(?:unknown|unidentified)(?: (?:speaker|person|participant))?")
_NAME_WORD = re.compile(r"[^\W\d_][\w.'’-]*|\d{1,4}")
_PARTICLES = frozenset(
    """
    al ben bin da das de del della den der di do dos du e el ibn la las le los ten ter van von y zu
    """.split()  # noqa: SIM905
)

#: What people say, or write, before a colon.
_SPEECH = frozenset(
    """
    a about actually after again all also always an and another answer any anyway as at basically
    be because before besides both but can cause certainly clearly come common cons consequence
    decision definitely did do does example exactly exception fact few fifth final finally fine
    first firstly for fourth frankly from fun funny generally goal goals good great hello here hey
    hi how however i idea if imagine important in indeed instead is issue it just last lastly later
    least lesson let like listen look lots luckily mainly maybe me mean meaning mine more most mostly motto my
    myself namely naturally never new next no nobody none nope not note nothing now obviously of oh
    ok okay on once one only option or other others otherwise our overall part perhaps plan please
    plus point possibly probably problem pro pros question quote rather reality really reason reasons
    remember reminder result right rule sadly same say second secondly see seriously short since so some
    sometimes somehow soon sorry step still story such suddenly summary sure surely tell thanks that
    the their them then there therefore these they thing things think third this those though three
    thus time tip to today tomorrow too topic true truth truly two uh um unfortunately us usually
    very wait warning was we well were what whatever when where whether which who why with
    wonder worse worst would yeah yep yes yesterday yet you your
    monday tuesday wednesday thursday friday saturday sunday january february march
    july september october november december morning mornings afternoon evening evenings
    night nights noon midnight breakfast lunch dinner weekend weekends spring summer autumn winter
    advantage advantages disadvantage disadvantages benefit benefits cost costs risk risks
    laughs laughter laughing noise noises music inaudible unintelligible pause silence sighs sigh
    coughs cough crosstalk applause background crying cries blank_audio speaker_turn
    url http https www date duration title subject re language kind location
    """.split()  # noqa: SIM905
)
#: Signs after a role, where two lines have one.
_SIGNS = ("|", ">", ">>", "»", "—", "–")
#: Words in the name of a field above a transcript.
_FIELD_WORDS = frozenset(
    """
    id code number no nr date day session visit wave location place site duration length age gender
    sex transcriber transcribed transcription file filename recording recorded project study version
    title topic subject language condition group consent status time start end name format source
    """.split()  # noqa: SIM905
)
_SENTENCE = frozenset(
    """
    i i'm i've i'd i'll it it's is was were are am be my me we our you your they he she that that's
    this there do don't did have had can can't would not so um uh like just think know want
    """.split()  # noqa: SIM905
)
#: Of at least so many lines, so large a part begins with a name where a program wrote them.
_FEW_LINES = 5
_NEARLY_ALL = 0.8
#: What stands in a field has no more words.
_FIELD_VALUE_WORDS = 8
_NAMES_IN_LY = ("beverly", "kimberly", "connelly", "donnelly", "kennelly")


@dataclass(frozen=True)
class Label:
    """What may be a label, and the rest of its line.

    ``marked`` where brackets and a colon set it off. ``style`` names a way of writing labels that
    is also that of speech: one alone proves nothing.
    """

    name: str
    rest: str
    marked: bool = False
    style: str = ""


def same_name(name: str) -> str:
    """Names with the same value are one speaker: case, blanks and brackets make no difference."""
    return "".join(name.casefold().translate(_ROUND).split())


def is_not_told(name: str) -> bool:
    """Whether a program writes this for whomever it does not know: ``Unknown Speaker``."""
    return bool(_NOT_TOLD.fullmatch(" ".join(name.casefold().split())))


def is_like_a_name(name: str) -> bool:
    """Whether this may be someone's name or code: words in capitals, none of them said before a
    colon.
    """
    words = name.replace(",", " ").split()
    if not words or _is_long(name):
        return False
    if _is_said(name):
        return False
    if not all(_NAME_WORD.fullmatch(word) for word in words) or words[0].isdigit():
        return False
    written = [word for word in words if word not in _PARTICLES and not word.isdigit()]
    return bool(written) and all(_is_capital(word) for word in written)


def _is_long(name: str) -> bool:
    """Whether this has more words or characters than names have; particles count for no word."""
    words = [word for word in name.split() if word not in _PARTICLES]
    return len(words) > _MOST_WORDS or len(name) > _MOST_CHARACTERS


def _is_capital(word: str) -> bool:
    """Whether a word starts with a capital; always so in scripts that have none."""
    return not word[0].islower()


def label_of(line: str) -> Label | None:
    """What may be the label of a line; None where nothing is written like one."""
    text = line.lstrip()
    chat = _CHAT.match(text)
    if chat:
        return Label(chat[1], text[chat.end() :].strip(), marked=True)
    bullet = _BULLET.match(text)
    if bullet is None:
        return _bare_label(text)
    listed = _bare_label(text[bullet.end() :])
    emphasised = _EMPHASIS.match(text[bullet.end() :]) is not None
    is_label = listed is not None and (emphasised or is_role(listed.name))
    return listed if is_label else _bare_label(text)


def _bare_label(text: str) -> Label | None:
    """What may be the label of a line that begins with it."""
    emphasis = _EMPHASIS.match(text)
    if emphasis:
        text = emphasis[1] + text[emphasis.end() :]
    bracketed = _IN_BRACKETS.match(text)
    if bracketed:
        style = "" if bracketed[2] or bracketed[3] or is_role(bracketed[1]) else "["
        rest = text[bracketed.end() :].strip()
        return Label(bracketed[1], rest, marked=not style, style=style)
    match = _COLON.match(text)
    if match is not None:
        number = match[2] or ""
        name = f"{match[1]} {number}" if _NUMBER.fullmatch(number) else match[1]
        return Label(name, text[match.end() :].strip())
    dashed = _DASHED.match(text)
    if dashed is not None:
        return Label(dashed[1], text[dashed.end() :].strip(), style="-")
    lettered = _LETTERED.match(text)
    if lettered is not None:
        return Label(lettered[1], text[lettered.end() :].strip(), style="Q.")
    signed = _SIGNED.match(text)
    if signed is not None and (is_role(signed[1]) or CODE.fullmatch(signed[1])):
        return Label(signed[1], text[signed.end() :].strip(), style=signed[2])
    return None


def names_in(lines: Sequence[str]) -> frozenset[str]:
    """The labels that these lines use, as :func:`same_name` writes them.

    Args:
        lines: The lines of one transcript that hold text, in order, without times.
    """
    found = [label_of(line) for line in lines]
    unsaid = _unsaid(found)
    written = [label for label in unsaid if not _is_long(label.name)]
    styles = _styles(written, len(lines))
    labels = [label for label in written if label.style in styles]
    counts = Counter(same_name(label.name) for label in labels)
    opening = found[0] if found else None
    names: set[str] = set()
    for label in labels:
        name = same_name(label.name)
        if _is_sure(label, again=counts[name] > 1, opens=label == opening):
            names.add(name)
    all_labelled = len(lines) > 1 and len(labels) == len(lines)
    if all_labelled and max(counts.values()) > 1:
        names.update(name for name in counts if len(name) <= _MOST_CHARACTERS // 2)
    elif names or all_labelled:
        names.update(_likely(labels))
    names.update(_on_nearly_all(unsaid, len(lines)))
    return frozenset(names)


def _unsaid(found: Sequence[Label | None]) -> list[Label]:
    """What may be labels, without what people say before a colon."""
    return [label for label in found if label is not None and not _is_said(label.name)]


def _on_nearly_all(labels: Sequence[Label], n_lines: int) -> set[str]:
    """What stands before a colon, where nearly every line begins so and the same come again: each
    is who speaks, whatever it looks like, as people call themselves in a meeting (``iphone``).
    """
    named = [same_name(label.name) for label in labels if not label.style]
    people = set(named)
    enough = n_lines >= _FEW_LINES and len(named) >= _NEARLY_ALL * n_lines
    return people if enough and 2 * len(people) <= len(named) else set()


def _styles(labels: Sequence[Label], n_lines: int) -> set[str]:
    """The ways of writing labels that are in use: one that speech has too where a role, or both a
    question and its answer, is written so, or every line.
    """
    styles = {"", *_styles_of_all(labels, n_lines)}
    roles = Counter(label.style for label in labels if is_role(label.name))
    styles.update(sign for sign in _SIGNS if roles[sign] > 1)
    for label in labels:
        if is_role(label.name) and label.style == "-":
            styles.add("-")
        if is_role(label.name) and label.marked:
            styles.add("[")
    if {label.name for label in labels if label.style == "Q."} == {"Q", "A"}:
        styles.add("Q.")
    return styles


def _styles_of_all(labels: Sequence[Label], n_lines: int) -> set[str]:
    """The one way in which every line begins with a label, and one of them comes again; what a
    transcriber notes is none.
    """
    styles = {label.style for label in labels}
    if n_lines < 2 or len(labels) < n_lines or len(styles) > 1:
        return set()
    names = [label.name for label in labels]
    if not all(CODE.fullmatch(name) or is_role(name) or is_like_a_name(name) for name in names):
        return set()
    if any(map(is_known_note, names)):
        return set()
    people = Counter(map(same_name, names))
    return styles if len(people) > 1 or styles <= set(_SIGNS) else set()


def _is_sure(label: Label, again: bool, opens: bool) -> bool:
    """Whether a label is one by itself.

    Args:
        label: What may be one.
        again: Whether it stands before other lines too.
        opens: Whether it opens the transcript.
    """
    if label.marked or is_role(label.name):
        return True
    if CODE.fullmatch(label.name):
        return again or opens
    return is_like_a_name(label.name) and (again or _stands_out(label, opens))


def _stands_out(label: Label, opens: bool) -> bool:
    """Whether a name that stands there once is none the less a label: ``JOHN: hello``, or a first
    and a last name that open the transcript.
    """
    capitals = label.name.isupper() and len(label.name) > 2 and not label.rest.isupper()
    return capitals or (opens and len(label.name.split()) > 1)


def _likely(labels: Sequence[Label]) -> list[str]:
    """What is a label beside others: everything that looks like one, though it stands there once."""
    names = [label.name for label in labels]
    return [same_name(name) for name in names if CODE.fullmatch(name) or is_like_a_name(name)]


def _is_said(name: str) -> bool:
    """Whether the words before a colon are speech, or no name at all."""
    words = name.casefold().split()
    spoken = [word for word in words if word.strip(".,'’") in _SPEECH and len(word) > 1]
    adverbs = [word for word in words if len(word) > 6 and word.endswith("ly")]
    return bool(spoken) or any(word not in _NAMES_IN_LY for word in adverbs)


def cut(line: str, names: frozenset[str]) -> Label | None:
    """The label of a line, where it is one of ``names``."""
    label = label_of(line)
    if label is None or same_name(label.name) not in names:
        return None
    return label


@lru_cache(maxsize=4096)  # a name comes again and again
def is_name_alone(text: str) -> bool:
    """Whether a text that stands by itself, beside a time, is what someone is called."""
    return is_role(text) or bool(CODE.fullmatch(text)) or is_like_a_name(text)


def heads_of_paragraphs(lines: Sequence[str]) -> frozenset[str]:
    """Names on lines of their own, before what they say, as :func:`same_name` writes them.

    A role there is one where a paragraph starts with it, or where it stands alone again. Other
    names are where every paragraph starts with one, and one of them comes again.
    """
    alone = [bare_head(line) for line in lines]
    opening = list(_opening(alone))
    roles = [line for line in alone if len(line) > 1 and is_role(line) and _is_capital(line)]
    counts = Counter(map(same_name, roles))
    found = {same_name(line) for line in opening if line in roles}
    found.update(name for name, n in counts.items() if n > 1)
    if _all_are_names(opening, _n_paragraphs(alone)):
        found.update(map(same_name, opening))
    found.update(_alternating([line for line in alone if line]))
    wrapped = {same_name(name) for name in map(_wrapped, lines) if name}
    return frozenset(found | wrapped if found & wrapped else found)


def bare_head(line: str) -> str:
    """A line without the signs by which it stands out: ``**Anna**``, ``### Anna``, ``(Anna)``."""
    text = line.strip()
    bullet = _BULLET.match(text)
    if bullet and text.startswith("#"):
        text = text[bullet.end() :]
    emphasis = _EMPHASIS.match(text)
    if emphasis and emphasis.end() == len(text):
        text = emphasis[1].strip()
    return _wrapped(text) or text


def _wrapped(text: str) -> str:
    """The name that stands alone in brackets, as Google Meet writes it; empty where none does."""
    found = _WRAPPED.fullmatch(text)
    name = (found[1] or found[2]).strip() if found else ""
    return name if is_name_alone(name) and not is_known_note(name) else ""


def _alternating(lines: Sequence[str]) -> set[str]:
    """Names on lines of their own between what they say: the first line is one, each comes again,
    none stands below another or at the end.
    """
    if not lines or not is_name_alone(lines[0]):
        return set()
    counts = Counter(same_name(line) for line in lines if len(line) > 1 and is_name_alone(line))
    names = {name for name, n in counts.items() if n > 1}
    is_name = [same_name(line) in names for line in lines]
    if len(names) < 2 or not is_name[0] or is_name[-1]:
        return set()
    beside = any(one and after for one, after in pairwise(is_name))
    return set() if beside else names


def n_fields(lines: Sequence[str]) -> int:
    """How many lines at the beginning are fields about a transcript (``Participant ID: P01``), or
    headings between them.

    Args:
        lines: All lines of a text.
    """
    opening = list(_opening_labels(lines))
    if not opening:
        return 0
    below = Counter(same_name(found.name) for found in map(label_of, lines) if found is not None)
    again = {name for name, n in below.items() if n > 1}
    n = 0
    for k, label in opening:
        if label.style or not _is_field(label, below, again):
            break
        n = k + 1
    return n if any(line.strip() for line in lines[n:]) else 0


def _opening_labels(lines: Sequence[str]) -> Iterator[tuple[int, Label]]:
    """What may be labels of the first lines, up to one that has none; the first of all may be a
    title.
    """
    n_titles = 0
    for k, line in enumerate(lines):
        label = label_of(line)
        if label is not None:
            yield k, label
        elif line.strip():
            n_titles += 1
            if k > 0 or n_titles > 1 or not _may_be_title(line):
                return


def _may_be_title(line: str) -> bool:
    """Whether a line may stand above fields: few words, no sentence, and nobody speaks."""
    is_sentence = line.rstrip().endswith((".", "?", "!", ","))
    return not is_sentence and len(line.split()) <= _FIELD_VALUE_WORDS and not _is_spoken(line)


def _is_spoken(text: str) -> bool:
    """Whether a text has a word that stands in sentences and in no field."""
    return any(word.strip(".,").replace("’", "'") in _SENTENCE for word in text.casefold().split())


def _is_field(label: Label, below: Counter[str], again: set[str]) -> bool:
    """Whether this is not speech: a field by its name, or one that says who somebody is.

    Args:
        label: Of one of the first lines.
        below: How often each label is there.
        again: Those that are there again.
    """
    value = label.rest
    if below[same_name(label.name)] > 1 or not value or value.endswith(("?", "!", "…", ",")):
        return False
    if len(value.split()) > _FIELD_VALUE_WORDS or _is_spoken(value):
        return False
    words = label.name.casefold().replace("/", " ").split()
    if any(word.strip(".#") in _FIELD_WORDS for word in words):
        return not value.endswith(".")
    others = again - {same_name(label.name)}
    return is_role(label.name) and bool(others) and is_name_alone(value)


def _opening(lines: Sequence[str]) -> Iterator[str]:
    """The first line of each paragraph that has more lines."""
    for before, line, after in zip(["", *lines], lines, [*lines[1:], ""], strict=False):
        if line and after and not before:
            yield line


def _all_are_names(opening: Sequence[str], n_paragraphs: int) -> bool:
    """Whether every paragraph opens with a name, and one comes again or all have two words."""
    if n_paragraphs < 2 or len(opening) < n_paragraphs:
        return False
    if not all(map(is_name_alone, opening)):
        return False
    again = max(Counter(map(same_name, opening)).values()) > 1
    return again or all(len(line.split()) > 1 for line in opening)


def _n_paragraphs(lines: Sequence[str]) -> int:
    """How many runs of lines with text there are."""
    return sum(bool(line) and not before for before, line in zip(["", *lines], lines, strict=False))
