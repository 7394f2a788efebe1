"""Divisions of a data set into source people and target people: pure functions of a list of takes.

A protocol says which recordings a method may train on, be handed, and is tested on. Labels play no
part in any division: who is a target, which clip is handed over and which is tested are decided by
official lists, by how the clip was elicited (a neutral question, a stimulus level, a task), by the
order of recording, and by a seed.

Sources: the official BAH splits; the ten target people that the notes on CLIP-AUTT, TTA-CaP and
DSFDA list for BioVid, StressID and BAH, and the five for UNBC-McMaster; the recommendation there
that clips used for adaptation are not clips that are tested.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twomind.core.errors import BadInput
from twomind.types import Access, Fold

#: Recordings by id, in order.
Ids = tuple[str, ...]


@dataclass(frozen=True)
class Take:
    """What a protocol knows of a recording. It has no label.

    ``neutral``: elicited to be neutral (a condition of the study, not an annotation). ``split``:
    official one, or "". ``order``: place in the person's session, None when it is not known.
    ``environment``: visit, room or device, or "".

    Example:
        >>> from twomind.datasets.protocols import Take
        >>> Take("kim.1", "kim", order=1.0).neutral
        False
    """

    id: str
    subject: str
    question: str | None = None
    neutral: bool = False
    split: str = ""
    order: float | None = None
    environment: str = ""


_SOURCE = Access.SOURCE | Access.SUMMARY
_ALL = _SOURCE | Access.TARGET | Access.NEUTRAL | Access.FEW


@dataclass(frozen=True)
class Rules:
    """What may be handed over under a protocol, when the state starts anew, and what a table must
    say beside it.
    """

    access: Access
    reset: str
    notes: str


#: Protocols by name. ``targets-N`` and ``people-K`` stand for any number.
PROTOCOLS: Mapping[str, Rules] = {
    "official": Rules(
        _SOURCE,
        "person",
        "official train, val and test people; nothing of the test people is handed",
    ),
    "train-val": Rules(
        _SOURCE,
        "person",
        "official val people as test, where the official test is not at hand; select nothing on it",
    ),
    "ten-targets": Rules(
        _ALL,
        "person",
        "the ten published target people; adaptation clips are never test clips, so published "
        "numbers, which test on the clips they adapt on, are not comparable",
    ),
    "ten-targets-transductive": Rules(
        _SOURCE | Access.TARGET | Access.NEUTRAL,
        "person",
        "TRANSDUCTIVE: the ten published target people, adapted on the very clips that are tested, "
        "as published",
    ),
    "five-targets": Rules(
        _ALL,
        "person",
        "the five target people that one repository lists for UNBC-McMaster; adaptation clips "
        "are never test clips",
    ),
    "targets-N": Rules(
        _ALL, "person", "N people chosen by the seed; adaptation clips are never test clips"
    ),
    "each-person": Rules(
        _ALL,
        "person",
        "every person once a target, all others source; adaptation clips are never test clips",
    ),
    "people-K": Rules(_SOURCE, "person", "K groups of people, each held out once"),
    "leave-one-person-out": Rules(_SOURCE, "person", "every person held out once"),
    "leave-one-question-out": Rules(
        _SOURCE,
        "recording",
        "every question held out once; the same people are in train and test, so it says nothing "
        "about new people",
    ),
    "leave-one-person-and-question-out": Rules(
        _SOURCE, "recording", "every answer of a question and a person that were both never seen"
    ),
    "environment-shift": Rules(
        _ALL,
        "person",
        "N=10 target people (or all, when fewer); handed clips are from their first environment, "
        "test clips from their others",
    ),
}

#: Share of source people that become validation people where there is no official list.
VAL_SHARE = 0.1


#: How many recordings somebody needs to be a target, one each to adapt on, to code and to test.
_LEAST_OF_A_TARGET = 3


def rules(protocol: str) -> Rules:
    """The rules of a protocol by name, numbers included (``targets-4``).

    Raises:
        BadInput: there is no such protocol.
    """
    generic = _generic(protocol)
    if generic not in PROTOCOLS:
        raise BadInput(
            f"no protocol {protocol!r}; there is: {', '.join(PROTOCOLS)} (N and K are numbers)"
        )
    return PROTOCOLS[generic]


def _generic(protocol: str) -> str:
    """``targets-N`` for ``targets-4``, ``people-K`` for ``people-3``."""
    if re.fullmatch(r"targets-\d+", protocol):
        return "targets-N"
    if re.fullmatch(r"people-\d+", protocol):
        return "people-K"
    return protocol


@dataclass(frozen=True)
class _Asked:
    """What folds are asked for."""

    protocol: str
    takes: Sequence[Take]
    seed: int
    targets: Sequence[str]

    @property
    def number(self) -> int:
        """The number in the protocol's name; 0 where it has none."""
        digits = re.sub(r"\D", "", self.protocol)
        return int(digits or 0)


def make(
    protocol: str, takes: Sequence[Take], seed: int = 0, targets: Sequence[str] = ()
) -> tuple[Fold, ...]:
    """The folds of a protocol.

    Args:
        protocol: its name, numbers included.
        takes: the recordings that may be used.
        seed: who is chosen where nothing is listed, and the order where none is known.
        targets: the published target people of the data set.

    Raises:
        BadInput: no such protocol, or these takes do not allow it (the message says why).
    """
    rules(protocol)
    if not takes:
        raise BadInput(f"{protocol}: the data set has no recordings")
    folds = _MAKERS[_generic(protocol)]
    return folds(_Asked(protocol, takes, seed, targets))


def official(takes: Sequence[Take]) -> Fold:
    """Train, val and test people as the data set's authors divided them."""
    train = _of_split(takes, "train")
    val = _of_split(takes, "val")
    test = _of_split(takes, "test")
    if not train or not test:
        there = f"train {len(train)}, val {len(val)}, test {len(test)}"
        raise BadInput(
            f"official: expected recordings of the splits train and test; found {there}. See "
            "train-val."
        )
    return Fold("official", "official", train, test, val)


def train_val(takes: Sequence[Take]) -> Fold:
    """Train on the official train people, test on the official val people; nothing is left to
    select on.
    """
    train = _of_split(takes, "train")
    val = _of_split(takes, "val")
    if not train or not val:
        raise BadInput(
            f"train-val: expected recordings of both splits; found train {len(train)}, val "
            f"{len(val)}"
        )
    return Fold("train-val", "train-val", train, val)


def people_folds(takes: Sequence[Take], k: int, seed: int, protocol: str = "") -> tuple[Fold, ...]:
    """``k`` groups of people, each the test of one fold; of the others, some people are
    validation.

    Args:
        takes: the recordings.
        k: number of groups; as many as people means one person each.
        seed: how people are grouped, and who is validation.
        protocol: what the folds call their protocol, where it is not ``people-k``.

    Raises:
        BadInput: fewer than two groups, or more than people.
    """
    people = _people(takes)
    if not 2 <= k <= len(people):
        raise BadInput(
            f"people-{k}: expected between 2 and {len(people)} groups, as there are {len(people)} "
            "people"
        )
    one_each = k == len(people)
    shuffled = people if one_each else _shuffled(people, seed)
    folds = []
    for i in range(k):
        group = shuffled[i::k]
        others = [person for person in people if person not in group]
        train, val = _source(takes, others, seed)
        test = _of(takes, group, seed)
        name = group[0] if one_each else f"group {i + 1}"
        folds.append(Fold(name, protocol or f"people-{k}", train, test, val))
    return tuple(folds)


def leave_one_question_out(takes: Sequence[Take], seed: int) -> tuple[Fold, ...]:
    """Train on the other questions, test on one; validation people give their other
    questions only.
    """
    protocol = "leave-one-question-out"
    folds = []
    for question in _questions(takes, protocol):
        others = [take for take in takes if take.question != question]
        train, val = _source(others, _people(others), seed)
        test = _ids(take for take in takes if take.question == question)
        folds.append(Fold(f"question {question}", protocol, train, test, val))
    return tuple(folds)


def leave_one_person_and_question_out(takes: Sequence[Take], seed: int) -> tuple[Fold, ...]:
    """Test on one person's answers to one question; train on other people's other questions."""
    protocol = "leave-one-person-and-question-out"
    questions = _questions(takes, protocol)
    folds = []
    for person in _people(takes):
        for question in questions:
            tested = []
            others = []
            for take in takes:
                is_of_person = take.subject == person
                is_to_question = take.question == question
                if is_of_person and is_to_question:
                    tested.append(take)
                elif not is_of_person and not is_to_question:
                    others.append(take)
            if tested and others:
                train, val = _source(others, _people(others), seed)
                name = f"{person}, question {question}"
                folds.append(Fold(name, protocol, train, _ids(tested), val))
    return tuple(folds)


def personalise(
    takes: Sequence[Take],
    targets: Sequence[str],
    protocol: str,
    seed: int,
    transductive: bool = False,
) -> tuple[Fold, ...]:
    """One fold per target person. All other people are source (with official splits: train, and val
    as validation).

    A target's clips are shared out once: the first neutral one is ``neutral``; of the rest, a tenth
    (at least one, where there are three or more) is ``few``, a third is ``target``, and the others,
    at least one, are ``test``, in the order of the session, or in a seeded order where that is not
    known. Labels are not looked at.

    Args:
        takes: the recordings.
        targets: the target people, one fold each, in this order.
        protocol: what the folds call their protocol.
        seed: which clips are ``few`` and ``target``, who is validation, unknown orders.
        transductive: all clips of a target are handed over and tested.

    Raises:
        BadInput: no source person is left, or a target has too few recordings.
    """
    train, val = _source_beside(takes, targets, seed)
    if not train:
        raise BadInput(f"{protocol}: no source person is left beside the {len(targets)} targets")
    folds = []
    for person in targets:
        own = _in_order(_takes_of(takes, person), seed)
        neutral = _first_neutral(own)
        if transductive:
            every = _ids(own)
            fold = Fold(
                name=person,
                protocol=protocol,
                train=train,
                test=every,
                val=val,
                neutral=neutral,
                target=every,
                transductive=every,
            )
        else:
            rest = [take.id for take in own if take.id not in neutral]
            if not rest:
                raise BadInput(
                    f"{protocol}: {person} has {len(own)} recording(s); expected one to adapt on "
                    "and one to test"
                )
            test, target, few = _shared_out(rest, _person_seed(person, seed))
            fold = Fold(person, protocol, train, test, val, neutral, target, few)
        folds.append(fold)
    return tuple(folds)


def _source_beside(takes: Sequence[Take], targets: Sequence[str], seed: int) -> tuple[Ids, Ids]:
    """Train and validation recordings of everybody but the targets: by the official splits, where
    there are any.
    """
    others = [take for take in takes if take.subject not in targets]
    if not any(take.split for take in takes):
        return _source(takes, _people(others), seed)
    train = _people(take for take in others if take.split == "train")
    val = _people(take for take in others if take.split == "val")
    return _of(takes, train, seed), _of(takes, val, seed)


def _shared_out(clips: Sequence[str], seed: int) -> tuple[Ids, Ids, Ids]:
    """``test``, ``target`` and ``few`` of one person's clips, each in the given order."""
    n = len(clips)
    n_few = max(1, n // 10) if n >= _LEAST_OF_A_TARGET else 0
    n_target = min(max(1, n // 3), n - n_few - 1)
    mixed = _shuffled(clips, seed)
    few = set(mixed[:n_few])
    target = set(mixed[n_few : n_few + n_target])
    test = set(clips) - target - few
    return _kept(clips, test), _kept(clips, target), _kept(clips, few)


def _kept(clips: Sequence[str], chosen: set[str]) -> Ids:
    """Those of the clips that were chosen, in their order."""
    return tuple(clip for clip in clips if clip in chosen)


def environment_shift(takes: Sequence[Take], seed: int, n_targets: int = 10) -> tuple[Fold, ...]:
    """Targets are people recorded in several environments: handed clips from the first, tested in
    the others.

    Args:
        takes: the recordings.
        seed: who is a target, who is validation, which handed clips are coded.
        n_targets: how many targets at most; two people are left as source.

    Raises:
        BadInput: nobody was recorded in two environments.
    """
    protocol = "environment-shift"
    first_of: dict[str, str] = {}
    several: set[str] = set()
    for take in takes:
        if take.environment != first_of.setdefault(take.subject, take.environment):
            several.add(take.subject)
    if not several:
        raise BadInput(
            f"{protocol}: expected people recorded in at least two environments; there are none"
        )
    people = _people(takes)
    n = min(n_targets, max(1, len(people) - 2))
    targets = sorted(_shuffled(sorted(several), seed)[:n])
    others = [person for person in people if person not in targets]
    train, val = _source(takes, others, seed)
    folds = []
    for person in targets:
        own = _in_order(_takes_of(takes, person), seed)
        first, later = [], []
        for take in own:
            if take.environment == first_of[person]:
                first.append(take)
            else:
                later.append(take)
        neutral = _first_neutral(first)
        rest = [take.id for take in first if take.id not in neutral]
        mixed = tuple(_shuffled(rest, _person_seed(person, seed)))
        n_few = len(rest) // 3
        few, target = mixed[:n_few], mixed[n_few:]
        test = _ids(later)
        folds.append(Fold(person, protocol, train, test, val, neutral, target, few))
    return tuple(folds)


# --- what is asked for, by name
# ---------------------------------------------------------------------------------------------------


def _make_official(asked: _Asked) -> tuple[Fold, ...]:
    return (official(asked.takes),)


def _make_train_val(asked: _Asked) -> tuple[Fold, ...]:
    return (train_val(asked.takes),)


def _make_published(asked: _Asked) -> tuple[Fold, ...]:
    _check_published(asked)
    return personalise(asked.takes, asked.targets, asked.protocol, asked.seed)


def _make_transductive(asked: _Asked) -> tuple[Fold, ...]:
    _check_published(asked)
    return personalise(asked.takes, asked.targets, asked.protocol, asked.seed, transductive=True)


def _check_published(asked: _Asked) -> None:
    """All published target people are here."""
    people = _people(asked.takes)
    absent = [person for person in asked.targets if person not in people]
    if asked.targets and not absent:
        return
    if asked.targets:
        shown = f"absent here: {', '.join(absent)}"
    else:
        shown = "this data set has no published list"
    raise BadInput(
        f"{asked.protocol}: expected the published target people; {shown}. Use targets-N for "
        "other people."
    )


def _make_targets(asked: _Asked) -> tuple[Fold, ...]:
    targets = _choose(asked.takes, asked.number, asked.seed)
    return personalise(asked.takes, targets, asked.protocol, asked.seed)


def _make_each_person(asked: _Asked) -> tuple[Fold, ...]:
    count = Counter(take.subject for take in asked.takes)
    able = [person for person in sorted(count) if count[person] >= 2]
    if not able or len(count) < 2:
        raise BadInput(
            "each-person: expected at least two people, one of them with two recordings or more"
        )
    folds: list[Fold] = []
    for person in able:
        folds += personalise(asked.takes, [person], asked.protocol, asked.seed)
    return tuple(folds)


def _make_people(asked: _Asked) -> tuple[Fold, ...]:
    return people_folds(asked.takes, asked.number, asked.seed)


def _make_one_person(asked: _Asked) -> tuple[Fold, ...]:
    n_people = len(_people(asked.takes))
    return people_folds(asked.takes, n_people, asked.seed, asked.protocol)


def _make_one_question(asked: _Asked) -> tuple[Fold, ...]:
    return leave_one_question_out(asked.takes, asked.seed)


def _make_one_of_both(asked: _Asked) -> tuple[Fold, ...]:
    return leave_one_person_and_question_out(asked.takes, asked.seed)


def _make_environment_shift(asked: _Asked) -> tuple[Fold, ...]:
    return environment_shift(asked.takes, asked.seed)


_MAKERS: Mapping[str, Callable[[_Asked], tuple[Fold, ...]]] = {
    "official": _make_official,
    "train-val": _make_train_val,
    "ten-targets": _make_published,
    "ten-targets-transductive": _make_transductive,
    "five-targets": _make_published,
    "targets-N": _make_targets,
    "each-person": _make_each_person,
    "people-K": _make_people,
    "leave-one-person-out": _make_one_person,
    "leave-one-question-out": _make_one_question,
    "leave-one-person-and-question-out": _make_one_of_both,
    "environment-shift": _make_environment_shift,
}

# --- small parts
# ---------------------------------------------------------------------------------------------------


def _people(takes: Iterable[Take]) -> list[str]:
    return sorted({take.subject for take in takes})


def _takes_of(takes: Iterable[Take], person: str) -> list[Take]:
    return [take for take in takes if take.subject == person]


def _questions(takes: Sequence[Take], protocol: str) -> list[str]:
    questions = {take.question for take in takes if take.question is not None}
    if len(questions) < 2:
        raise BadInput(
            f"{protocol}: expected at least two questions (or tasks), found {len(questions)}"
        )
    return sorted(questions)


def _ids(takes: Iterable[Take]) -> Ids:
    return tuple(take.id for take in takes)


def _of_split(takes: Sequence[Take], split: str) -> Ids:
    return _ids(take for take in takes if take.split == split)


def _first_neutral(takes: Sequence[Take]) -> Ids:
    """The first neutral recording, if there is one."""
    neutral = [take for take in takes if take.neutral]
    return _ids(neutral[:1])


def _of(takes: Sequence[Take], people: Sequence[str], seed: int) -> Ids:
    """Recordings of people, each person's in the order of the session."""
    by_person: dict[str, list[Take]] = {person: [] for person in people}
    for take in takes:
        if take.subject in by_person:
            by_person[take.subject].append(take)
    found: list[str] = []
    for person in sorted(by_person):
        found += _ids(_in_order(by_person[person], seed))
    return tuple(found)


def _in_order(takes: Sequence[Take], seed: int) -> list[Take]:
    """One person's takes as recorded; in a seeded order where a place is not known, so that no
    class comes first.
    """
    if all(take.order is not None for take in takes):
        return sorted(takes, key=lambda take: (take.order or 0.0, take.id))
    by_id = {take.id: take for take in takes}
    mixed = _shuffled(sorted(by_id), _person_seed(takes[0].subject, seed))
    return [by_id[name] for name in mixed]


def _source(takes: Sequence[Take], people: Sequence[str], seed: int) -> tuple[Ids, Ids]:
    """Train and validation recordings of source people; validation people are chosen by the seed
    alone.
    """
    n_val = 0
    if len(people) >= 3:
        n_val = max(1, round(VAL_SHARE * len(people)))
    # Ranked by a draw per person, so that leaving one person out changes the choice of the others
    # least.
    ranked = sorted(people, key=lambda person: (_person_seed(person, seed), person))
    val, train = ranked[:n_val], ranked[n_val:]
    return _of(takes, train, seed), _of(takes, val, seed)


def _choose(takes: Sequence[Take], n: int, seed: int) -> list[str]:
    """``n`` people by the seed with enough recordings; official test people where there are any."""
    tested = [take for take in takes if take.split == "test"]
    count = Counter(take.subject for take in (tested or takes))
    able = sorted(person for person, c in count.items() if c >= _LEAST_OF_A_TARGET)
    most = len(able) if tested else min(len(able), len(count) - 1)
    if not 1 <= n <= most:
        left = "" if tested else ", and one must be left as source"
        instead = f"targets-{most}, or " if most > 0 else ""
        raise BadInput(
            f"targets-{n}: at most {max(0, most)} people can be targets: {len(able)} of "
            f"{len(count)} have at least {_LEAST_OF_A_TARGET} recordings{left}. Ask for {instead}"
            "people-K, which holds out groups of people"
        )
    return sorted(_shuffled(able, seed)[:n])


def _shuffled(items: Sequence[str], seed: int) -> list[str]:
    order = np.random.default_rng(seed).permutation(len(items))
    return [items[int(i)] for i in order]


def _person_seed(person: str, seed: int) -> int:
    """A seed of one's own per person, the same in every process (Python's ``hash`` of a text is
    not).
    """
    return zlib.crc32(f"{seed}/{person}".encode())
