"""Texts that may leave a laboratory: without the names that it knows, without folders, without
addresses.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

#: What stands for the address of a server.
AN_ADDRESS = "an address"
#: Names shorter than this stand for themselves only as a word of their own.
_SHORT = 3
#: Names with a digit and of this length are found inside words as well.
_LONG = 4
_PART = re.compile(r"[^\W\d_]{3,}")
_SUM = re.compile(r"(?<![0-9a-z])([0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})(?![0-9a-z])")

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S*")
_HOST = re.compile(
    r"\blocalhost(?::\d+)?\b|\b(?:\d{1,3}\.){3}\d{1,3}:\d{2,5}\b|\b[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}:\d{2,5}\b"
)
#: Where a path begins at a root: of a disk, a server, a user, or where the program runs.
_ROOTED = re.compile(
    r"(?<![\w/\\.~])(?:[A-Za-z]:[\\/]|~[\w.-]*[\\/]|\.{1,2}[\\/]|[\\/]{1,2})(?=[^\s/\\])"
)
_BACKSLASH = re.compile(r"\w\\\w")
_WITH_SLASH = re.compile(r"[^\s'\"()\[\]{}=,;]+/[^\s'\"()\[\]{}=,;]*")
#: What has a slash and is no path: a class, a share, the name of a format.
_NO_PATH = re.compile(r"(?i:a/h|n/a|and/or)|\d+/\d+|twomind\.[a-z._-]+/\d+")
_SEPARATOR = re.compile(r"[/\\]+")


def has_path(text: str) -> bool:
    """Whether a text holds a path or an address of a server.

    >>> has_path("read from:/data/x"), has_path("~/x"), has_path("group/model-7"), has_path("A/H 1/5")
    (True, True, True, False)
    """
    rooted = _URL.search(text) or _HOST.search(text) or _ROOTED.search(text)
    return bool(rooted or _BACKSLASH.search(text) or any(_paths_in(text)))


def without_paths(text: str) -> str:
    """A text with the last part alone of every path, and without addresses.

    >>> without_paths("C:/Users/Anna B/net.onnx"), without_paths("of lab/net-7 and/or A/H")
    ('net.onnx', 'of net-7 and/or A/H')
    >>> without_paths("http://me:secret@gpu7.lab.local:8000/v1")
    'an address'
    """
    text = _HOST.sub(AN_ADDRESS, _URL.sub(AN_ADDRESS, text))
    # A folder's name may hold blanks: behind a root, nobody knows where the path ends.
    if _ROOTED.search(text) or _BACKSLASH.search(text):
        return _last_part(text)
    for path in _paths_in(text):
        text = text.replace(path, _last_part(path))
    return text


def _paths_in(text: str) -> list[str]:
    """Words that are paths without a root. Between two plain words of a sentence a slash may mean
    "or".
    """
    found = []
    for word in _WITH_SLASH.findall(text):
        told = word.rstrip(".:!?")
        alone = told == text.strip()
        is_plain = re.fullmatch(r"[^\W\d_]+/[^\W\d_]+", told) is not None
        if not _NO_PATH.fullmatch(told) and (alone or not is_plain):
            found.append(told)
    return found


def _last_part(path: str) -> str:
    parts = [part for part in _SEPARATOR.split(path) if part.strip()]
    return parts[-1] if parts else ""


@dataclass(frozen=True)
class KnownNames:
    """Names of people and of recordings, and what stands for each in a text.

    Args:
        recordings: as the data set has them; they are also meant without folder and ending.
        people: as the data set has them; where a name has several words, each that begins with a
            capital letter is one as well.
        pseudonym: of a kind (``person``, ``recording`` or ``text``) and a name.

    Example:
        >>> from twomind.evaluation.hidden_text import KnownNames
        >>> names = KnownNames(frozenset({"7/7_Question_1.mp4"}), frozenset({"7", "Anna Bo"}), "{0}".format)
        >>> names.hidden("7_question_1: no face of Anna; 7 of 77")
        'recording: no face of text; person of 77'
    """

    recordings: frozenset[str]
    people: frozenset[str]
    pseudonym: Callable[[str, str], str] = field(repr=False)
    _done: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def _known(self) -> Mapping[str, tuple[str, str]]:
        """Every spelling of a name, the longest first: of what kind, and the name that it means."""
        found: dict[str, tuple[str, str]] = {}
        for name in sorted(self.recordings):
            for spelling in _short_names(name):
                found.setdefault(_one_spelling(spelling), ("recording", name))
        for kind, names in (("recording", self.recordings), ("person", self.people)):
            for name in sorted(names):
                found[_one_spelling(name)] = (kind, name)
        for name in sorted(self.people):
            words = _PART.findall(unicodedata.normalize("NFC", name))
            for word in words if len(re.findall(r"\w+", name)) > 1 else ():
                if word[0].isupper():
                    found.setdefault(_one_spelling(word), ("text", word))
        found.pop("", None)
        return {name: found[name] for name in sorted(found, key=lambda one: (-len(one), one))}

    def hidden(self, text: str) -> str:
        """A text with pseudonyms for names; the very text where it holds none.

        What is left as it is: sums in hex digits, which hold a name of digits by chance alone.
        """
        if text not in self._done:
            pieces = _SUM.split(text)
            self._done[text] = "".join(
                piece if n % 2 else self._outside_sums(piece) for n, piece in enumerate(pieces)
            )
        return self._done[text]

    def _outside_sums(self, text: str) -> str:
        composed = unicodedata.normalize("NFC", text)
        left = _one_spelling(text)
        found = composed
        for name, (kind, meant) in self._known.items():
            if name in left:
                found = _in_text(name, meant if kind == "text" else "").sub(
                    self.pseudonym(kind, meant), found
                )
                left = _one_spelling(found)
        return text if found == composed else found


def _short_names(recording: str) -> set[str]:
    """A recording without its folder, and without its ending, blanks as they are or as underscores."""
    name = recording.replace("\\", "/").rsplit("/", 1)[-1]
    stem = re.sub(r"\.(mp4|webm|mkv|mov|avi|wav|m4a)$", "", name, flags=re.IGNORECASE)
    names = {name, stem, stem.replace(" ", "_"), stem.replace("_", " ")}
    # "1.mp4" in the folder of a person is no name: "1" may be anything.
    return {one for one in names if len(one) >= _SHORT}


def _in_text(name: str, word: str = "") -> re.Pattern[str]:
    """A name where it stands for itself: not as a part of another word, unless it is long enough and
    has a digit, as names that a program gave. ``word``: with these capitals alone.
    """
    if word:
        return re.compile(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])")
    escaped = re.escape(name)
    if len(name) < _SHORT:
        return re.compile(rf"(?<![\w.@-]){escaped}(?![\w@-]|\.\w)", re.IGNORECASE)
    if len(name) >= _LONG and any(letter.isdigit() for letter in name):
        return re.compile(escaped, re.IGNORECASE)
    return re.compile(rf"(?<![^\W_]){escaped}(?![^\W_])", re.IGNORECASE)


def _one_spelling(name: str) -> str:
    return unicodedata.normalize("NFC", name).lower()


__all__ = ["AN_ADDRESS", "KnownNames", "has_path", "without_paths"]
