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
from dataclasses import fields, is_dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.evaluation.windows import Reader
from twomind.types import Access, Adapter, Fold, Given, Recording, Task

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

    def __getattribute__(self, name: str) -> Any:
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
        parts = {f.name: object.__getattribute__(self, f.name) for f in fields(self)}
        return Given(**parts).access


class Offer(Given):
    """What a protocol offers; a method gets the part it declared, sealed."""

    def only(self, needs: Access) -> Given:
        kept = Given(**{f.name: getattr(self, f.name) for f in fields(self)}).only(needs)
        return _Handed(**{f.name: getattr(kept, f.name) for f in fields(kept)})


def parts_of(adapter: Any) -> list[Any]:
    """The method, and the methods that it wraps."""
    return [
        adapter,
        *(
            p
            for f in fields(adapter)
            if is_dataclass(v := getattr(adapter, f.name))
            for p in parts_of(v)
        ),
    ]


def _settings(adapter: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for f in fields(adapter):
        value = getattr(adapter, f.name)
        nested = is_dataclass(value) and not isinstance(value, type)
        found[f.name] = {"is": type(value).__name__, **_settings(value)} if nested else value
    return found


def config_of(adapter: Adapter) -> dict[str, Any]:
    """The method's settings as plain values; a wrapped method's with its name.

    Raises:
        BadInput: it is no dataclass, or a field is more than a plain value.
    """
    if not is_dataclass(adapter) or isinstance(adapter, type):
        raise BadInput(
            f"method {type(adapter).__name__}: expected a dataclass whose fields are its settings"
        )
    try:
        return dict(json.loads(json.dumps(_settings(adapter))))
    except TypeError as error:
        raise BadInput(
            f"method {type(adapter).__name__}: expected settings of plain values ({error}); what a "
            "method knows of a "
            "person or of the source comes through `given`"
        ) from error


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

    Raises:
        BadInput: not so.
    """
    needs = adapter.needs
    name = type(adapter).__name__
    if allowed is not None and needs & ~allowed:
        raise BadInput(
            f"{name} needs {needs.words()}, but the protocol {fold.protocol!r} allows "
            f"{allowed.words()}; it forbids "
            f"{(needs & ~allowed).words()}"
        )
    if needs & ~offered:
        raise BadInput(
            f"{name} needs {needs.words()}, but the fold {fold.name!r} of {fold.protocol!r} has no "
            f"{(needs & ~offered).words()} to hand over"
        )


def people_meet(fold: Fold, recordings: Mapping[str, Recording]) -> list[str]:
    """People who are in training and in test, sorted."""
    trained = {recordings[i].subject for i in (*fold.train, *fold.val)}
    return sorted(trained & {recordings[i].subject for i in fold.test})


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
    named = {
        i
        for part in (fold.train, fold.val, fold.test, fold.neutral, fold.target, fold.few)
        for i in part
    }
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
    tested = {recordings[i].subject for i in fold.test}
    handed = {recordings[i].subject for part in (fold.neutral, fold.target, fold.few) for i in part}
    if handed - tested:
        raise BadInput(
            f"fold {fold.name!r}: handed over is somebody who is not tested: "
            f"{sorted(handed - tested)[:3]}"
        )


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if not len(a) or not len(b):
        return False
    shared = len(np.intersect1d(a, b, assume_unique=True))
    smaller = min(len(a), len(b))
    return shared >= min(SAME_ROWS, smaller) and shared >= SAME_SHARE * smaller


def _text(recording: Recording) -> tuple[str, ...]:
    words = tuple(w.text.casefold() for w in recording.words or ())
    return words if len(words) >= SAME_WORDS else ()


def check_content(fold: Fold, reader: Reader) -> None:
    """No test recording is, under another name, in training, in what is handed over, or in the test
    a second time.

    Found are equal rows of any track (copies, and clips cut from overlapping stretches of one take)
    and word-for-word equal transcripts. A take that was encoded or rendered again is not found.

    Raises:
        BadInput: it is.
    """
    place = dict.fromkeys((*fold.neutral, *fold.target, *fold.few), "what is handed over")
    place |= dict.fromkeys(fold.test, "the test")
    place |= dict.fromkeys((*fold.train, *fold.val), "train")
    codes = {i: reader.code(i) for i in place}
    texts = {i: _text(reader.recordings[i]) for i in place}
    overlapping = _overlapping(place, reader)
    tested = set(fold.test)
    for pair in sorted(map(sorted, _sharing(codes) | _sharing_text(texts) | overlapping)):
        i, j = pair if pair[1] in tested else pair[::-1]
        if j not in tested:
            continue
        a, b, where = reader.recordings[i], reader.recordings[j], place[i]
        if frozenset(pair) in overlapping:
            raise BadInput(
                f"fold {fold.name!r}: {j} (test) and {i} (in {where}) are overlapping stretches of "
                "one file, "
                f"{a.media}; windows of one moment may not be on both sides"
            )
        if _same(codes[i], codes[j]) or (texts[i] and texts[i] == texts[j]):
            raise BadInput(
                f"fold {fold.name!r}: the test recording {j} (of {b.subject}) has the same content "
                f"as {i} (of "
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
        if len(together) > 1 and media.is_file():
            for i, j in combinations(together, 2):
                (a, b), (c, d) = reader.span(i), reader.span(j)
                if min(b, d) - max(a, c) > 1e-6:
                    found.add(frozenset((i, j)))
    return found


def _sharing(codes: Mapping[str, np.ndarray]) -> set[frozenset[str]]:
    """Pairs of recordings with at least one code in common."""
    ids = list(codes)
    if not ids:
        return set()
    everything = np.concatenate([codes[i] for i in ids])
    owner = np.repeat(np.arange(len(ids)), [len(codes[i]) for i in ids])
    order = np.argsort(everything, kind="stable")
    everything, owner = everything[order], owner[order]
    # Neighbours are enough: where a code is in training and in test, some two neighbours are on
    # either side.
    equal = np.flatnonzero((everything[1:] == everything[:-1]) & (owner[1:] != owner[:-1]))
    pairs = np.unique(np.stack([owner[equal], owner[equal + 1]], axis=1), axis=0)
    return {frozenset((ids[a], ids[b])) for a, b in pairs}


def _sharing_text(texts: Mapping[str, Sequence[str]]) -> set[frozenset[str]]:
    groups: dict[tuple[str, ...], list[str]] = {}
    for i, text in texts.items():
        if text:
            groups.setdefault(tuple(text), []).append(i)
    return {frozenset(pair) for group in groups.values() for pair in combinations(group, 2)}
