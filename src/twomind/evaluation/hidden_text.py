"""Texts that may leave a laboratory: without the names that it knows, without folders, without
addresses.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from twomind.core import registry
from twomind.media.recording import MEDIA_SUFFIXES, SOUND_SUFFIXES

AN_ADDRESS = "an address"
A_FOLDER = "a folder"

# --- paths and addresses

_ADDRESS = re.compile(
    r"""[A-Za-z][A-Za-z0-9+.-]*://\S*               # with what is asked for
    |[\w.+-]+@[\w-]+(?:\.[\w-]+)+                    # of a person
    |\blocalhost(?::\d+)?\b
    |\b(?:\d{1,3}\.){3}\d{1,3}:\d{2,5}\b
    |\b(?:10|127|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2,3}\b
    |\[[0-9A-Fa-f:]*:[0-9A-Fa-f:]*\](?::\d+)?
    |\b[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}:\d{2,5}\b
    |\b[\w-]+(?:\.[\w-]+)*\.(?:local|lan|internal|intern|intra|corp|home)\b""",
    re.VERBOSE,
)
#: Ends a path in a text.
_END = r",;)\]}\"'<>|\n"
#: A path from a root on: of a disk, a server, a user, or where the program runs. Its folders may have
#: blanks.
_ROOTED = re.compile(
    rf"(?<![\w/\\.~])(?:[A-Za-z]:[\\/]|~[\w.-]*[\\/]|\.{{1,2}}[\\/]|[\\/]{{1,2}})(?=[^\s/\\])"
    rf"(?:[^/\\{_END}]*[/\\])*[^\s/\\{_END}]*"
)
_USER = re.compile(r"(?<![\w/\\.~])~[A-Za-z][\w.-]*")
#: Only the folder of a user, whose name is its last part.
_OF_USER = re.compile(r"(?i)(?:[a-z]:)?[/\\](?:home|users)[/\\][^/\\]+[/\\]?|~[^/\\]*[/\\]?")
#: Words with a separator between them.
_INSIDE = re.compile(rf"[^\s/\\(\[{{={_END}]+[/\\][^\s(\[{{={_END}]*")
#: What has a slash and is no path: a class, "or", a share, a rate, the name of a format.
_NO_PATH = re.compile(
    r"(?i:a/h|n/a|and/or|yes/no)|\d+/\d+|[a-z]+/(?:s|min|h|step|epoch|frame|person|window)"
    r"|(?:audio|video|text|visual|face|voice|words)(?:/(?:audio|video|text|visual|face|voice|words))+"
    r"|twomind\.[a-z._-]+/\d+"
)
_SEPARATOR = re.compile(r"[/\\]+")


def has_path(text: str) -> bool:
    """Whether a text holds a path or an address.

    >>> has_path("read from:/data/x"), has_path("~/x"), has_path("group/model-7"), has_path("A/H 1/5")
    (True, True, True, False)
    """
    return without_paths(text) != text


def without_paths(text: str) -> str:
    """A text with the last part alone of every path, and without addresses.

    >>> without_paths("C:/Users/Anna B/net.onnx"), without_paths("cnn (/m/net, float32) and/or A/H")
    ('net.onnx', 'cnn (net, float32) and/or A/H')
    >>> without_paths("http://me:secret@gpu7.lab.local:8000/v1"), without_paths("/home/anna")
    ('an address', 'a folder')
    """
    text = _ADDRESS.sub(AN_ADDRESS, text)
    text = _USER.sub(A_FOLDER, _ROOTED.sub(_last_part, text))
    return _INSIDE.sub(_last_part, text)


def _last_part(found: re.Match[str]) -> str:
    """What stays of a path."""
    path = found.group()
    told = path.rstrip(".:!?")
    if _NO_PATH.fullmatch(told):
        return path
    if _OF_USER.fullmatch(told):
        return A_FOLDER + path[len(told) :]
    parts = [part for part in _SEPARATOR.split(told) if part.strip()]
    return (parts[-1] if parts else A_FOLDER) + path[len(told) :]


# --- names

#: Names shorter than this stand for themselves only as words of their own.
_SHORT = 3
#: Names with letters and digits, of this length, are found inside words as well.
_LONG = 4
#: So many first letters are looked up.
_FIRST = 6
_LETTERS = re.compile(r"[^\W\d_]+")
_BETWEEN = re.compile(r"[\s_.\-]")
#: Scripts that part words: of others, a name may stand between any letters.
_SPACED = re.compile(r"[0-9A-Za-z\u00c0-\u0e00\u1e00-\u2fff]")
_SUM = re.compile(r"(?<![0-9a-z])(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})(?![0-9a-z])")
#: Words of this program and of everybody: they name nobody, whoever is called so.
_WORDS = (
    "absent present official train val test validation question group fold model source target own "
    "recording window frame person people participant subject patient speaker user student child "
    "visit visite session answer video film clip audio sound voice face text words only neutral "
    "baseline mean constant prevalence position length seed run adapted data set"
)


@dataclass(frozen=True)
class KnownNames:
    """Names of people and of recordings, and what stands for each in a text.

    A name is found in whatever spelling: capitals, full width, with other signs or none between its
    words. Words of the program are never names.

    Args:
        recordings: as the data set has them; they are also meant without folder and ending.
        people: as the data set has them; where a name has several words, each is one as well.
        pseudonym: of a kind (``person``, ``recording`` or ``text``) and a name.

    Example:
        >>> from twomind.evaluation.hidden_text import KnownNames
        >>> names = KnownNames(frozenset({"7/7_Question_1.mp4"}), frozenset({"7", "Anna Bo"}), "{0}".format)
        >>> names.hidden("7_question_1: no face of Anna; 7 of 77; anna_bo.pt")
        'recording: no face of text; person of 77; person.pt'
    """

    recordings: frozenset[str]
    people: frozenset[str]
    pseudonym: Callable[[str, str], str] = field(repr=False)
    _done: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def _known(self) -> Mapping[str, tuple[str, str]]:
        """Every name in the one spelling: of what kind, and the name that it means."""
        found: dict[str, tuple[str, str]] = {}
        for name in sorted(self.people):
            words = _LETTERS.findall(unicodedata.normalize("NFC", name))
            if len(words) > 1:
                found |= {_spelled(word): ("text", word) for word in words if len(word) >= _SHORT}
        for name in sorted(self.recordings):
            for short in _short_names(name):
                found[_spelled(short)] = ("recording", name)
        for kind, names in (("recording", self.recordings), ("person", self.people)):
            found |= {_spelled(name): (kind, name) for name in sorted(names)}
        for word in ("", *_own_words()):
            found.pop(word, None)
        return found

    @cached_property
    def _by_beginning(self) -> Mapping[str, list[str]]:
        """Names by their first letters, the longest first."""
        found: dict[str, list[str]] = {}
        for name in sorted(self._known, key=lambda one: (-len(one), one)):
            found.setdefault(name[:_FIRST], []).append(name)
        return found

    @cached_property
    def _lengths(self) -> tuple[int, ...]:
        return tuple(sorted({len(one) for one in self._by_beginning}, reverse=True))

    def hidden(self, text: str) -> str:
        """A text with pseudonyms for names; the very text where it holds none.

        What is left as it is: a sum in hex digits that holds a name by chance.
        """
        if text not in self._done:
            self._done[text] = self._hidden(text)
        return self._done[text]

    def is_name(self, text: str) -> bool:
        """Whether a text is a name, and nothing else."""
        return _spelled(text) in self._known

    def _hidden(self, text: str) -> str:
        composed = unicodedata.normalize("NFC", text)
        letters = list(_letters(composed))
        spelled = "".join(letter for letter, _ in letters)
        sums = [one.span() for one in _SUM.finditer(composed)]
        pieces = []
        kept, at = 0, 0
        while at < len(spelled):
            name = self._at(composed, letters, spelled, at, sums)
            if name is None:
                at += 1
                continue
            first, last = letters[at][1], letters[at + len(name) - 1][1]
            pieces += [composed[kept:first], self.pseudonym(*self._known[name])]
            kept, at = last + 1, at + len(name)
        return "".join([*pieces, composed[kept:]]) if pieces else text

    def _at(
        self,
        text: str,
        letters: list[tuple[str, int]],
        spelled: str,
        at: int,
        sums: list[tuple[int, int]],
    ) -> str | None:
        """The longest name that stands at a place."""
        for length in self._lengths:
            for name in self._by_beginning.get(spelled[at : at + length], ()):
                if len(name[:_FIRST]) != length or not spelled.startswith(name, at):
                    continue
                span = letters[at][1], letters[at + len(name) - 1][1] + 1
                inside = [one for one in sums if one[0] <= span[0] and span[1] <= one[1]]
                if (not inside or span in inside) and self._stands(text, name, span):
                    return name
        return None

    def _stands(self, text: str, name: str, span: tuple[int, int]) -> bool:
        """Whether a name stands there for itself, and is not a part of another word or number."""
        before, after, own = text[: span[0]], text[span[1] :], text[slice(*span)]
        if name.isdigit():
            return not _BETWEEN.search(own) and _is_number(name, before, after)
        if len(name) >= _LONG and any(letter.isdigit() for letter in name):
            return True
        if self._known[name][0] == "text" and len(name) == _SHORT and not own[0].isupper():
            return False
        return not _SPACED.search(own) or _is_word(own, before, after)


def _is_number(name: str, before: str, after: str) -> bool:
    """Whether digits stand there as a number of their own; a short one as a word of its own."""
    if len(name) < _SHORT:
        return not re.search(r"[\w.@-]$", before) and not re.match(r"[\w@-]|\.\w", after)
    return not re.search(r"\d$|\d\.$", before) and not re.match(r"\d", after)


def _is_word(own: str, before: str, after: str) -> bool:
    """Whether letters stand there as a word of their own, or as one of "stateAnna" and "AnnaModel"."""
    letter = r"[^\W\d_]" if len(own) >= _LONG else r"[^\W_]"
    begins = not re.search(f"{letter}$", before) or (before[-1].islower() and own[0].isupper())
    ends = not re.match(letter, after) or (own[-1].islower() and after[0].isupper())
    return begins and ends


def _own_words() -> set[str]:
    found = set(_WORDS.split())
    for group in ("datasets", "methods", "models"):
        for name in registry.names(group):
            found |= {name, *_BETWEEN.split(name)}
    return {_spelled(word) for word in found}


def _short_names(recording: str) -> set[str]:
    """A recording without its folder and its endings, where that is no common word."""
    name = recording.replace("\\", "/").rsplit("/", 1)[-1]
    stem = name
    while PurePosixPath(stem).suffix.lower() in (*MEDIA_SUFFIXES, *SOUND_SUFFIXES, ".gz", ".tar"):
        stem = PurePosixPath(stem).stem
    found = {name, stem}
    # "mine.mp4" and "1.mp4" in the folder of a person are no names: "mine" may be anything.
    return {one for one in found if len(one) >= _SHORT and not re.fullmatch(r"[^\W\d_]+|\d+", one)}


def _letters(text: str) -> Iterator[tuple[str, int]]:
    """The letters, digits and signs of a composed text in one spelling, each with its place."""
    for at, sign in enumerate(text):
        if _BETWEEN.match(sign) or unicodedata.category(sign) == "Cf":
            continue
        for letter in unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", sign).casefold()):
            if unicodedata.category(letter) != "Mn":  # accents, which people leave out
                # ς is σ at the end of a word.
                yield ("σ" if letter == "ς" else letter), at


def _spelled(name: str) -> str:
    """A name in the one spelling."""
    composed = unicodedata.normalize("NFC", name)
    return "".join(letter for letter, _ in _letters(composed))


__all__ = ["AN_ADDRESS", "A_FOLDER", "KnownNames", "has_path", "without_paths"]
