"""A transcriber's notes between the words: ``[noise]``, ``(hard to hear)``, ``(2.3)``, ``♪ … ♪``.

They are told from speech by evidence: by what stands in the brackets, not by the brackets. Brackets
around ordinary speech ("(I mean) yes") stay as they are, and so does what is not closed. Square and
curly brackets are a transcriber's own, so few words in them are a note unless somebody could have
said them; round ones, stars and the rest need a note that is known (``marks.toml``).
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

from twomind.core.errors import shortened
from twomind.core.plural import sentence
from twomind.transcripts.fillers import is_backchannel, is_filler
from twomind.transcripts.roles import is_aside_of
from twomind.transcripts.spans import Span, n_words
from twomind.transcripts.tokens import NAMELESS_FILLER, tokens_of

#: No note is longer.
_LONGEST_NOTE = 160
#: So many words in square brackets may be a note that is not known.
_MOST_UNKNOWN = 3
#: A passage in brackets goes on over so many subtitles or words of a list.
_MOST_SPANS = 12

_CLOSING = {"[": "]", "(": ")", "{": "}", "<": ">"}
_OPENING = {closing: opening for opening, closing in _CLOSING.items()}
_OPEN_OR_STAR = ("[", "(", "{", "*", "((")
_BRACKET = re.compile(r"[\[(<{\])>}]")
_STARRED = re.compile(r"(?<![\w*])(\*{1,2})(?=\w)([^*\n]{1,80}?)(?<=[\w.!?])\1(?![\w*])")
#: Notes between other signs, as Trint, sign languages and French transcribers write them.
_FENCED = re.compile(
    r"(?<![\w/])/(?=\w)([^/\n]{1,80}?)(?<=\w)/(?![\w/])|[«‹]\s*([^«»‹›\n]{1,80}?)\s*[»›]"
    r"|(?<![\w~])~(?=\w)([^~\n]{1,80}?)(?<=\w)~(?![\w~])|(?<![\w_])_(?=\w)([^_\n]{1,80}?)(?<=\w)_(?![\w_])"
    r"|(?<![\w#])#(?=\w)([^#\n]{1,80}?)(?<=\w)#(?![\w#])"
)
#: Brackets of other scripts, and what they are here.
_OTHER_BRACKETS = str.maketrans("【】〔〕［］（）｛｝＜＞〈〉＊", "[][][](){}<><>*")
_NOTES = "♪♫♬🎵🎶"
_SUNG = re.compile(rf"[{_NOTES}]+(?:[^{_NOTES}]*[{_NOTES}]+)?")
_ONE_NOTE = re.compile(rf"[{_NOTES}]+")
#: Codes without brackets: CHAT's "xxx" and "&=laughs", breaths (".hh", "°h"), recognisers' own; a
#: word that a program hid ("*****").
_UNBRACKETED = re.compile(
    r"(?<!\S)(?:xxx|yyy|www|\*{3,}|&=[\w:]+|[.·°]?hh+°?|°h+|h+°|spn|sil|blank_audio|%hes\w*|"
    r"%(?:noise|silence|laugh|breath|cough|background)\w*)(?=[.,;:!?]?(?!\S))|<\|[^|<>\n]{0,40}\|>",
    re.IGNORECASE,
)

#: Stands for a code of a filler while marks are looked for (a private character).
_FILLER = "\ue000"
_PUNCTUATION = ".,;:!?…"
#: A word that is laughed, as Switchboard and Buckeye write it.
_LAUGHED = re.compile(r"\b(?:laugh|laughter|laughing)-\w", re.IGNORECASE)
_SENTENCE_ENDS = re.compile(r"[.?!]\s")
_BALANCED = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}")
_NEVER_CLOSED = re.compile(r"(?<!\S)[\[({](?=\w)")
_NO_WORD = re.compile(r"[\s.…·?!*_~\-–—,=]*")
_UNIT = r"(?:s|sec|secs|seconds?|ms|m|min|mins|minutes?)"
_CLOCK = r"\d{1,3}(?::\d{1,2}){1,3}(?:[.,]\d+)?"
_PAUSE = re.compile(rf"[~=<>]?\d{{1,2}}\s*{_UNIT}?|[~=<>]?\d*[.,]\d+\s*{_UNIT}?|\d+\s*{_UNIT}")
_TIMES = re.compile(rf"(?:@\s*)?{_CLOCK}(?:\s*(?:-|–|—|to|/|-->)\s*{_CLOCK})?")
_TIME_INSIDE = re.compile(rf"{_CLOCK}|\d+(?:[.,]\d+)?\s*{_UNIT}?\b")
_WORD = re.compile(r"%?[^\W\d][\w'\-/]*")


@dataclass(frozen=True)
class Apart:
    """Speech and marks of a transcript, each with its times.

    ``problems`` says how many marks there are, and what in brackets stayed among the words.
    """

    speech: tuple[Span, ...]
    marks: tuple[Span, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Note:
    """What stands between two places of the text; ``kind`` is its bracket, ``*``, a music note,
    ``fence`` (signs that set off speech too), ``mistyped`` (two brackets of different kinds) or
    ``code`` (no brackets). ``between``: it stands
    between sentences, lines or subtitles.
    """

    start: int
    end: int
    kind: str
    inside: str
    between: bool = False


def apart(spans: Sequence[Span], kind: str) -> Apart:
    """Take the marks out of a transcript.

    Words keep the time of their span to themselves. A mark inside a span has no length: it stands
    where it is written.

    Args:
        spans: With times, in the order in which they are written.
        kind: The format they come from; whisper-timestamped writes a filler as ``[*]``.
    """
    coded = [span.saying(_with_fillers(span.text, kind)) for span in spans]
    text = _together(coded)
    starts = _starts(coded)
    taken, kept = _decided(text, starts)
    if not taken:
        speech = tuple(_plainly(span) for span in coded)
        return Apart(speech, (), tuple(_remarks(text, taken, kept)))
    pieces = _pieces(taken, starts)
    rest: list[Span] = []
    times: dict[int, list[tuple[Span, float, float]]] = {}
    for index, span in enumerate(coded):
        own = pieces.get(index, [])
        spoken, places = _cut(span, own)
        if spoken:
            rest.append(span.saying(spoken))
        for piece, (start_s, end_s) in zip(own, places, strict=True):
            times.setdefault(piece.note, []).append((span, start_s, end_s))
    marks = []
    for number, note in enumerate(taken):
        shown = text[note.start : note.end]
        marks.append(_mark(shown, times[number]))
    return Apart(tuple(rest), tuple(marks), tuple(_remarks(text, taken, kept)))


def _plainly(span: Span) -> Span:
    return span.saying(span.text.replace(_FILLER, NAMELESS_FILLER))


def _decided(text: str, starts: Sequence[int]) -> tuple[list[_Note], list[_Note]]:
    """The marks of a text, and what stands in brackets and is none."""
    shouted = text.isupper()
    taken: list[_Note] = []
    kept: list[_Note] = []
    end = 0
    for note in sorted(_notes(text), key=_order):
        if note.start < end:
            continue
        if _is_mark(note, _n_spans(note, starts), shouted):
            taken.append(note)
            end = note.end
        elif note.kind not in ("♪", "fence") and not _are_fillers(note.inside):
            kept.append(note)
    return taken, kept


def _order(note: _Note) -> tuple[int, int, bool]:
    """Notes by their place; of two at one place the longer first, and codes before brackets."""
    return note.start, -note.end, note.kind != "code"


def _with_fillers(text: str, kind: str) -> str:
    """A span's text in which one sign stands for every code of a filler."""
    if text.strip() == NAMELESS_FILLER and "whisper" in kind.lower():
        return _FILLER
    return _filler_code().sub(_FILLER, text)


@cache
def _filler_code() -> re.Pattern[str]:
    """A code for a filler, in brackets or, where it has a sign of its own, without."""
    codes = [re.escape(code) for code in _vocabulary()["filler_codes"]]
    inside = "|".join(codes)
    bare = "|".join(code for code in codes if code.startswith("%"))
    return re.compile(rf"[\[(<{{]\s*(?:{inside})\s*[\])>}}]|(?<!\S)(?:{bare})(?!\w)", re.IGNORECASE)


def _together(spans: Sequence[Span]) -> str:
    """The text of all spans; a line ends between subtitles, not between single words."""
    parts: list[str] = []
    n_before = 0
    for span in spans:
        n = n_words(span)
        if parts:
            parts.append("\n" if n > 1 or n_before > 1 else " ")
        parts.append(span.text)
        n_before = n
    return "".join(parts)


def _starts(spans: Iterable[Span]) -> list[int]:
    """Where each span begins in the text of all."""
    starts = []
    at = 0
    for span in spans:
        starts.append(at)
        at += len(span.text) + 1
    return starts


def _notes(text: str) -> Iterator[_Note]:
    """Everything that may be a note, by its brackets or signs."""
    text = text.translate(_OTHER_BRACKETS)
    for start, end in _pairs(text):
        is_matched = _CLOSING[text[start]] == text[end - 1]
        kind = text[start] if is_matched else "mistyped"
        between = _is_between(text[max(0, start - 20) : start], text[end : end + 20])
        yield _Note(start, end, kind, text[start + 1 : end - 1], between)
    for found in _STARRED.finditer(text):
        yield _Note(found.start(), found.end(), "*", found[2])
    for found in _FENCED.finditer(text):
        inside = next(group for group in found.groups() if group)
        yield _Note(found.start(), found.end(), "fence", inside)
    for found in _SUNG.finditer(text):
        yield _Note(found.start(), found.end(), "♪", found[0].strip(_NOTES))
    for found in _ONE_NOTE.finditer(text):
        yield _Note(found.start(), found.end(), "♪", "")
    for found in _UNBRACKETED.finditer(text):
        yield _Note(found.start(), found.end(), "code", found[0])


def _is_between(before: str, after: str) -> bool:
    """Whether what stands between two texts is not a part of a sentence."""
    left = before.rstrip(" \t")
    right = after.lstrip(" \t.,;")
    begins = not left or left[-1] in ".?!…:\n])}"
    return begins and (not right or right[0] in "\n[({" or right[0].isupper())


def _pairs(text: str) -> Iterator[tuple[int, int]]:
    """Brackets that are closed: start and end of each. One that is closed by another kind
    ("[laughs)") counts where its own never comes.
    """
    open_at: list[int] = []
    for found in _BRACKET.finditer(text):
        sign = found[0]
        while open_at and found.end() - open_at[0] > _LONGEST_NOTE:
            del open_at[0]
        if sign in _CLOSING:
            open_at.append(found.start())
            continue
        match = _last_open(text, open_at, _OPENING[sign])
        if match is not None:
            yield open_at[match], found.end()
            del open_at[match:]


def _last_open(text: str, open_at: Sequence[int], opening: str) -> int | None:
    """Index of the bracket that is closed; None where there is none."""
    for index in range(len(open_at) - 1, -1, -1):
        if text[open_at[index]] == opening:
            return index
    may_be_mistyped = bool(open_at) and "<" not in (opening, text[open_at[-1]])
    return len(open_at) - 1 if may_be_mistyped else None


def _n_spans(note: _Note, starts: Sequence[int]) -> int:
    """Over how many spans a note goes."""
    return _span_at(note.end - 1, starts) - _span_at(note.start, starts) + 1


def _span_at(at: int, starts: Sequence[int]) -> int:
    return bisect_right(starts, at) - 1


# --- what is a note ---------------------------------------------------------------------------


def _is_mark(note: _Note, n_spans: int, shouted: bool) -> bool:
    """Whether something in brackets is a note. The one place where this is decided."""
    if note.kind == "code":
        return True
    if n_spans > _MOST_SPANS or len(note.inside) > _LONGEST_NOTE:
        return False
    kind, inside = note.kind, note.inside.strip()
    if kind == "♪":
        return _is_sung(inside, n_spans)
    if kind == "(" and inside.startswith("(") and inside.endswith(")"):
        kind, inside = "((", inside[1:-1].strip()
    if kind == "<":
        inside = inside.strip("|/ ")
    if _are_fillers(inside):
        return False
    if _has_no_words(kind, inside) or (kind in _OPEN_OR_STAR and is_aside_of(inside)):
        return True
    return _is_described(kind, inside, shouted, note.between)


def is_known_note(text: str) -> bool:
    """Whether a text without its brackets is a note by the words that it has: ``Coughing``,
    ``name of city``.
    """
    return any(_is_note_of(text, how) for how in (_likely, _hidden, _sure))


@lru_cache(maxsize=4096)
def is_note_tag(tag: str) -> bool:
    """Whether what looks like a tag of a subtitle is a note: ``<laugh>``, ``<unk>``, ``<hes>``.

    Args:
        tag: With its ``<`` and ``>``.
    """
    if _filler_code().fullmatch(tag):
        return True
    return _is_mark(_Note(0, len(tag), "<", tag[1:-1]), 1, False)


def _is_sung(inside: str, n_spans: int) -> bool:
    """Whether notes of music enclose a song, and do not stand apart with speech between them."""
    if not inside or _is_note_of(inside, _sure):
        return True
    return n_spans == 1 and not _SENTENCE_ENDS.search(inside)


def _has_no_words(kind: str, inside: str) -> bool:
    """Whether brackets hold nothing, dots, the length of a pause or a time code."""
    if kind in _OPEN_OR_STAR and _NO_WORD.fullmatch(inside):
        return True
    is_number = _PAUSE.fullmatch(inside) or _TIMES.fullmatch(inside)
    return bool(is_number) and kind in _CLOSING


def _is_described(kind: str, inside: str, shouted: bool, apart: bool) -> bool:
    """Whether words in brackets describe what is heard or seen; the kind of bracket says how sure
    they must be.
    """
    if _LAUGHED.search(inside):
        return False
    if kind in ("[", "{"):
        return _is_own_note(inside, apart)
    if kind == "((":
        return _is_note_of(inside, _likely)
    # Subtitles write sounds in capitals.
    is_capitals = kind == "(" and inside.isupper() and " " in inside and not shouted
    if is_capitals and _is_note_of(inside, _silent):
        return True
    return _is_note_of(inside, _sure)


def _is_own_note(inside: str, apart: bool) -> bool:
    """Whether square or curly brackets, a transcriber's own, hold a note: a known one; what stands for
    a name; or few words that are no part of a sentence.
    """
    if _is_note_of(inside, _likely) or _is_note_of(inside, _hidden):
        return True
    if inside.endswith("?"):
        return False  # what was heard, and is not sure
    is_code = inside.isupper() or any(c.isdigit() for c in inside)
    return (apart or is_code) and _is_note_of(inside, _short)


def _are_fillers(text: str) -> bool:
    """Whether these are sounds that count as words."""
    words = text.replace(",", " ").split()
    return bool(words) and all(is_filler(word) or is_backchannel(word) for word in words)


def _is_note_of(text: str, how: Callable[[Sequence[str]], bool]) -> bool:
    """Whether a text is a known note as a whole, or one by the words that it has."""
    plain = _TIME_INSIDE.sub(" ", text.lower().replace("’", "'"))
    words = [word.strip("'-/") for word in _WORD.findall(plain)]
    words = [word for word in words if word]
    if not words:
        return False
    return _fits(" ".join(words), "phrases") or how(words)


def _sure(words: Sequence[str]) -> bool:
    """A note goes on after a word that nobody says in an aside; else each of its words belongs to a
    note.
    """
    if _fits(words[0], "certain"):
        return True
    sounds = [_fits(word, "sounds") or _fits(word, "certain") for word in words]
    if not any(sounds):
        return False
    return all(
        sound or word.endswith("ly") or _fits(word, "beside")
        for word, sound in zip(words, sounds, strict=True)
    )


def _likely(words: Sequence[str]) -> bool:
    """Some word names a sound, and nobody speaks."""
    if any(_fits(word, "certain") for word in words):
        return True
    return _silent(words) and any(_fits(word, "sounds") for word in words)


def _hidden(words: Sequence[str]) -> bool:
    """What was said is not told: "[name of city]"."""
    hidden = [_fits(word, "placeholders") for word in words]
    return any(hidden) and all(
        is_hidden or _fits(word, "beside") for word, is_hidden in zip(words, hidden, strict=True)
    )


def _silent(words: Sequence[str]) -> bool:
    """No word is one that people say to each other."""
    return not any(_fits(word, "speech") for word in words)


def _short(words: Sequence[str]) -> bool:
    """Few words, and none that people say to each other."""
    return len(words) <= _MOST_UNKNOWN and _silent(words)


@cache
def _vocabulary() -> dict[str, list[str]]:
    text = Path(__file__).with_name("marks.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def _pattern(group: str) -> re.Pattern[str]:
    """A group of the vocabulary; ``*`` stands for anything."""
    entries = [re.escape(entry).replace(r"\*", ".*") for entry in _vocabulary()[group]]
    return re.compile("|".join(entries))


@lru_cache(maxsize=20_000)
def _fits(text: str, group: str) -> bool:
    return _pattern(group).fullmatch(text) is not None


# --- where it stands --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Piece:
    """What a mark takes of the text of one span."""

    note: int
    start: int
    end: int


def _pieces(taken: Iterable[_Note], starts: Sequence[int]) -> dict[int, list[_Piece]]:
    """Span → what marks take of it, in order."""
    pieces: dict[int, list[_Piece]] = {}
    for number, note in enumerate(taken):
        for index in range(_span_at(note.start, starts), _span_at(note.end - 1, starts) + 1):
            start = max(0, note.start - starts[index])
            piece = _Piece(number, start, note.end - starts[index])
            pieces.setdefault(index, []).append(piece)
    return pieces


def _cut(span: Span, own: Sequence[_Piece]) -> tuple[str, list[tuple[float, float]]]:
    """What a span says beside its marks, and when each mark is."""
    parts: list[str] = []
    n_before: list[int] = []
    at = 0
    n = 0
    for piece in [*own, _Piece(-1, len(span.text), len(span.text))]:
        part = span.text[at : piece.start].replace(_FILLER, NAMELESS_FILLER)
        said = parts[-1].rstrip() if parts else ""
        if own and at and (not said or said[-1] in _PUNCTUATION):
            part = part.lstrip(_PUNCTUATION)  # it belongs to the mark
        n += len(tokens_of(part)[0])
        n_before.append(n)
        if part.strip():
            parts.append(part)
        at = piece.end
    length_s = span.end_s - span.start_s
    places = []
    for k in range(len(own)):
        if n:
            at_s = span.start_s + length_s * n_before[k] / n
            places.append((at_s, at_s))
            continue
        start_s = span.start_s + length_s * k / len(own)
        places.append((start_s, span.start_s + length_s * (k + 1) / len(own)))
    is_said = n > 0 or not own
    return (" ".join(parts) if is_said else ""), places


def _mark(text: str, places: Sequence[tuple[Span, float, float]]) -> Span:
    """A mark with its times: from where it begins to where it ends."""
    first, start_s, _ = places[0]
    last, _, end_s = places[-1]
    is_given = start_s == first.start_s and end_s == last.end_s and end_s > start_s
    spread = first.spread or last.spread or not is_given
    return replace(first, text=text, start_s=start_s, end_s=max(start_s, end_s), spread=spread)


def _remarks(text: str, taken: Sequence[_Note], kept: Sequence[_Note]) -> Iterator[str]:
    """What there is between the words, and what was not taken for it."""
    if taken:
        first = shortened(text[taken[0].start : taken[0].end])
        yield sentence(
            "{n} mark[|s] such as {first} [is|are] no speech; [it is|they are] shown and not counted",
            len(taken),
            first=first,
        )
    if kept:
        first = shortened(text[kept[0].start : kept[0].end])
        yield sentence(
            "{n} passage[|s] in brackets [is not known as a mark and stays|are not known as marks "
            "and stay] among the words (first: {first})",
            len(kept),
            first=first,
        )
    n_open = len(_NEVER_CLOSED.findall(_BALANCED.sub("", text)))
    if n_open:
        yield sentence(
            "{n} bracket[|s] [is|are] not closed; what follows [it|them] stays among the words",
            n_open,
        )
