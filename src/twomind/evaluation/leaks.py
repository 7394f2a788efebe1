"""What a method is handed, and nothing else; and what no fold may contain.

Python cannot lock a method that walks the interpreter's stack. It can see to it that nothing a
method is given leads to a label: windows carry none and have names that say nothing, parts that
were not declared raise when touched, and a method's configuration is plain values, so that no data
set can hide in it.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from twomind.core.errors import BadInput
from twomind.evaluation.windows import Reader
from twomind.types import Access, Adapter, Fold, Given, Recording, Task
from twomind.types.plain import Array, Plain

#: Protocols about something else than people never seen.
PEOPLE_MEET = ("leave-one-question-out",)
_SEALED = ("source", "target", "neutral", "few")
#: Two recordings with this share of equal rows are one recording.
SAME_SHARE = 0.2
SAME_ROWS = 3
#: Word-for-word equal transcripts of at least this many words are one answer.
SAME_WORDS = 12


class Reached(BadInput):
    """A method touched what its protocol does not hand over."""

    kind = "reached"


class _Handed(Given):
    """What was declared. Touching an undeclared part that carries labels or windows raises."""

    def __getattribute__(self, name: str) -> object:
        value = super().__getattribute__(name)
        if value is None and name in _SEALED:
            raise Reached(
                f"the method reached for given.{name}, which it did not declare; name "
                f"Access.{name.upper()} in its "
                "`needs`, so that tables say what it saw"
            )
        return value

    @property
    def access(self) -> Access:
        """Which kinds of data are handed over."""
        parts: Plain = {}
        for one in fields(self):
            parts[one.name] = object.__getattribute__(self, one.name)
        return Given(**parts).access


class Offer(Given):
    """What a protocol offers; a method gets the part it declared, sealed."""

    def only(self, needs: Access) -> Given:
        """The kinds of data that a method declared, and no others."""
        kept = Given(**_parts(self)).only(needs)
        return _Handed(**_parts(kept))


def _parts(given: Given) -> Plain:
    return {one.name: getattr(given, one.name) for one in fields(given)}


def parts_of(adapter: object) -> list[object]:
    """The method, and the methods that it wraps."""
    found = [adapter]
    for value in _fields_of(adapter).values():
        if is_dataclass(value):
            found += parts_of(value)
    return found


def _fields_of(adapter: object) -> Plain:
    """The values of a dataclass's fields by name."""
    if not is_dataclass(adapter) or isinstance(adapter, type):
        raise TypeError(f"expected a dataclass, got {type(adapter).__name__}")
    return {one.name: getattr(adapter, one.name) for one in fields(adapter)}


def _settings(adapter: object) -> Plain:
    found = _fields_of(adapter)
    for name, value in found.items():
        if is_dataclass(value) and not isinstance(value, type):
            found[name] = {"is": type(value).__name__, **_settings(value)}
    return found


def config_of(adapter: Adapter) -> Plain:
    """The method's settings as plain values; a wrapped method's with its name.

    Raises:
        BadInput: it is not a dataclass, or a field is more than a plain value.
    """
    name = type(adapter).__name__
    if not is_dataclass(adapter) or isinstance(adapter, type):
        raise BadInput(f"method {name}: expected a dataclass whose fields are its settings")
    try:
        text = json.dumps(_settings(adapter))
    except TypeError as error:
        raise BadInput(
            f"method {name}: expected settings of plain values ({error}); what a "
            "method knows of a "
            "person or of the source comes through `given`"
        ) from error
    return dict(json.loads(text))


def check_task(model_task: Task, task: Task) -> None:
    """The model answers this very question, with its classes in this very order.

    Raises:
        BadInput: it does not.
    """
    if tuple(model_task.classes) == tuple(task.classes):
        return
    if sorted(model_task.classes) == sorted(task.classes):
        raise BadInput(
            f"class order: the task {task.name!r} has {task.classes}, the model "
            f"{model_task.classes}. The order is a "
            "contract; permute the model's outputs where it is made, not here"
        )
    raise BadInput(
        f"task {task.name!r}: expected a model of the classes {task.classes}, got "
        f"{model_task.classes}"
    )


def check_access(adapter: Adapter, offered: Access, allowed: Access | None, fold: Fold) -> None:
    """The protocol allows, and the fold has, what the method needs.

    Args:
        adapter: the method.
        offered: what the fold has to hand over.
        allowed: what the protocol allows; None: anything.
        fold: for the message.

    Raises:
        BadInput: not so.
    """
    needs = adapter.needs
    name = type(adapter).__name__
    if allowed is not None:
        forbidden = needs & ~allowed
        if forbidden:
            raise BadInput(
                f"{name} needs {needs.words()}, but the protocol {fold.protocol!r} allows "
                f"{allowed.words()}; it forbids "
                f"{forbidden.words()}"
            )
    missing = needs & ~offered
    if missing:
        raise BadInput(
            f"{name} needs {needs.words()}, but the fold {fold.name!r} of {fold.protocol!r} has no "
            f"{missing.words()} to hand over"
        )


def _people(ids: Iterable[str], recordings: Mapping[str, Recording]) -> set[str]:
    return {recordings[i].subject for i in ids}


def people_meet(fold: Fold, recordings: Mapping[str, Recording]) -> list[str]:
    """People who are in training and in test, sorted."""
    trained = _people((*fold.train, *fold.val), recordings)
    return sorted(trained & _people(fold.test, recordings))


def protocol_rules(protocol: str) -> tuple[Access | None, str]:
    """What a protocol lets methods see (None: whatever the fold has) and when the state starts
    anew.

    Read from ``twomind.datasets.protocols``; a protocol that is not listed there has no rule of its
    own.
    """
    place = "twomind.datasets.protocols"
    if importlib.util.find_spec(place) is None:
        return None, "person"
    try:
        found = importlib.import_module(place).rules(protocol)
    except BadInput:
        return None, "person"
    return found.access, found.reset


def check_people(fold: Fold, recordings: Mapping[str, Recording]) -> None:
    """Nobody is in training and in test, unless the fold is about something else than people.

    Raises:
        BadInput: somebody is; or what is handed over before the stream is of somebody else.
    """
    handed = (*fold.neutral, *fold.target, *fold.few)
    named = {*fold.train, *fold.val, *fold.test, *handed}
    unknown = sorted(named - set(recordings))
    if unknown:
        raise BadInput(
            f"fold {fold.name!r}: {len(unknown)} recording(s) are not in the data set: "
            f"{unknown[:3]}"
        )
    shared = people_meet(fold, recordings)
    if shared and not (fold.same_people or fold.protocol in PEOPLE_MEET):
        raise BadInput(
            f"fold {fold.name!r}: {len(shared)} people are in training and in test: {shared[:3]}. "
            "If the protocol is "
            "about another question or room, the fold says same_people=True"
        )
    strangers = _people(handed, recordings) - _people(fold.test, recordings)
    if strangers:
        raise BadInput(
            f"fold {fold.name!r}: handed over is somebody who is not tested: "
            f"{sorted(strangers)[:3]}"
        )


def _same(a: Array, b: Array) -> bool:
    """Whether two recordings share so many codes that they are one."""
    n_smaller = min(len(a), len(b))
    if not n_smaller:
        return False
    n_shared = len(np.intersect1d(a, b, assume_unique=True))
    n_least = max(min(SAME_ROWS, n_smaller), SAME_SHARE * n_smaller)
    return n_shared >= n_least


def _text(recording: Recording) -> tuple[str, ...]:
    """The words of a recording, none where they are few."""
    words = recording.words or ()
    if len(words) < SAME_WORDS:
        return ()
    return tuple(word.text.casefold() for word in words)


@dataclass(frozen=True)
class _Content:
    """What the recordings of a fold hold, and in which part each stands."""

    part: Mapping[str, str]
    codes: Mapping[str, Array]
    texts: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, fold: Fold, reader: Reader) -> _Content:
        handed = (*fold.neutral, *fold.target, *fold.few)
        part = dict.fromkeys(handed, "what is handed over")
        part |= dict.fromkeys(fold.test, "the test")
        part |= dict.fromkeys((*fold.train, *fold.val), "train")
        codes = {i: reader.code(i) for i in part}
        texts = {i: _text(reader.recordings[i]) for i in part}
        return cls(part, codes, texts)

    def alike(self) -> set[frozenset[str]]:
        """Pairs that may be equal."""
        return _sharing(self.codes) | _sharing_text(self.texts)

    def equal(self, a: str, b: str) -> bool:
        """Whether two recordings hold the same."""
        words = self.texts[a]
        if words and words == self.texts[b]:
            return True
        return _same(self.codes[a], self.codes[b])


def check_content(fold: Fold, reader: Reader) -> None:
    """No test recording is, under another name, in training, in what is handed over, or in the test
    a second time.

    Found are equal rows of any track (copies, and clips cut from overlapping stretches of one take)
    and word-for-word equal transcripts. A take that was encoded or rendered again is not found.

    Raises:
        BadInput: it is.
    """
    content = _Content.of(fold, reader)
    overlapping = _overlapping(content.part, reader)
    tested = set(fold.test)
    for pair in sorted(map(sorted, content.alike() | overlapping)):
        other, test = pair
        if test not in tested:
            other, test = test, other
        if test not in tested:
            continue
        a = reader.recordings[other]
        b = reader.recordings[test]
        where = content.part[other]
        if frozenset(pair) in overlapping:
            raise BadInput(
                f"fold {fold.name!r}: {test} (test) and {other} (in {where}) are overlapping "
                "stretches of "
                "one file, "
                f"{a.media}; windows of one moment may not be on both sides"
            )
        if content.equal(other, test):
            raise BadInput(
                f"fold {fold.name!r}: the test recording {test} (of {b.subject}) has the same "
                "content "
                f"as {other} (of "
                f"{a.subject}) in {where}: one of them is a duplicate, or their clips overlap. "
                "Remove it from the data"
            )


def _overlapping(ids: Iterable[str], reader: Reader) -> set[frozenset[str]]:
    """Pairs of recordings that are cut from one media file such that they share a moment."""
    files: dict[Path, list[str]] = {}
    for i in ids:
        files.setdefault(reader.recordings[i].media, []).append(i)
    found = set()
    for media, together in files.items():
        if len(together) < 2 or not media.is_file():
            continue
        for pair in combinations(together, 2):
            a, b = map(reader.span, pair)
            shared_s = min(a[1], b[1]) - max(a[0], b[0])
            if shared_s > 1e-6:
                found.add(frozenset(pair))
    return found


def _sharing(codes: Mapping[str, Array]) -> set[frozenset[str]]:
    """Pairs of recordings with at least one code in common."""
    ids = list(codes)
    if not ids:
        return set()
    everything = np.concatenate([codes[i] for i in ids])
    n_codes = [len(codes[i]) for i in ids]
    owner = np.repeat(np.arange(len(ids)), n_codes)
    order = np.argsort(everything, kind="stable")
    everything = everything[order]
    owner = owner[order]
    # Neighbours are enough: where a code is in training and in test, some two neighbours are on
    # either side.
    same_code = everything[1:] == everything[:-1]
    other_owner = owner[1:] != owner[:-1]
    at = np.flatnonzero(same_code & other_owner)
    found = set()
    for k in at:
        first = ids[owner[k]]
        second = ids[owner[k + 1]]
        found.add(frozenset((first, second)))
    return found


def _sharing_text(texts: Mapping[str, Sequence[str]]) -> set[frozenset[str]]:
    groups: dict[tuple[str, ...], list[str]] = {}
    for i, text in texts.items():
        if text:
            groups.setdefault(tuple(text), []).append(i)
    found = set()
    for group in groups.values():
        for pair in combinations(group, 2):
            found.add(frozenset(pair))
    return found
