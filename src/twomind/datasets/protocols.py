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
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twomind.core.errors import BadInput
from twomind.types import Access, Fold


@dataclass(frozen=True)
class Take:
    """What a protocol knows of a recording. It has no label.

    ``neutral``: elicited to be neutral (a condition of the study, not an annotation). ``split``:
    official one, or "". ``order``: place in the person's session, None when it is not known.
    ``environment``: visit, room or device, or "".
    """

    id: str
    subject: str
    question: str | None = None
    neutral: bool = False
    split: str = ""
    order: float | None = None
    environment: str = ""


#: What each family of methods is handed where the protocol allows it.
FAMILIES: Mapping[str, Access] = {
    "source only": Access.NOTHING,
    "test-time, no data before the stream": Access.NOTHING,
    "test-time with prototypes of the source": Access.SUMMARY,
    "unsupervised domain adaptation": Access.SOURCE | Access.TARGET,
    "source-free, unlabelled target": Access.TARGET,
    "source-free, neutral clip": Access.NEUTRAL,
    "source-free, neutral clip and source summary": Access.NEUTRAL | Access.SUMMARY,
    "few coded answers": Access.FEW,
}
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

    def sees(self, family: str) -> Access | None:
        """What a family of methods is handed; None when the protocol does not give it what it
        needs.

        Raises:
            BadInput: no such family.
        """
        if family not in FAMILIES:
            raise BadInput(f"no family {family!r}; there is: {', '.join(FAMILIES)}")
        needs = FAMILIES[family]
        return needs if needs & self.access == needs else None


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
        "the ten published target people; adaptation clips are never test clips, "
        "so "
        "published "
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
        "the five target people that one repository lists for UNBC-McMaster; "
        "adaptation clips "
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
        "every question held out once; the same people are in train and "
        "test, "
        "so it says nothing "
        "about new people",
    ),
    "leave-one-person-and-question-out": Rules(
        _SOURCE, "recording", "every answer of a question and a person that were both never seen"
    ),
    "environment-shift": Rules(
        _ALL,
        "person",
        "N=10 target people (or all, when fewer); handed clips are from their "
        "first "
        "environment, test "
        "clips from their others",
    ),
}

#: Share of source people that become validation people where there is no official list.
VAL_SHARE = 0.1


def rules(protocol: str) -> Rules:
    """The rules of a protocol by name, numbers included (``targets-4``).

    Raises:
        BadInput: there is no such protocol.
    """
    generic = re.sub(
        r"^(targets|people)-\d+$", lambda m: f"{m[1]}-{'N' if m[1] == 'targets' else 'K'}", protocol
    )
    if generic not in PROTOCOLS:
        raise BadInput(
            f"no protocol {protocol!r}; there is: {', '.join(PROTOCOLS)} (N and K are numbers)"
        )
    return PROTOCOLS[generic]


def make(
    protocol: str, takes: Sequence[Take], seed: int = 0, targets: Sequence[str] = ()
) -> tuple[Fold, ...]:
    """The folds of a protocol. ``targets`` are the published target people of the data set.

    Raises:
        BadInput: no such protocol, or these takes do not allow it (the message says why).
    """
    rules(protocol)
    if not takes:
        raise BadInput(f"{protocol}: the data set has no recordings")
    number = int(re.sub(r"\D", "", protocol) or 0)
    if protocol == "official":
        return (official(takes),)
    if protocol == "train-val":
        return (train_val(takes),)
    if protocol.startswith(("ten-targets", "five-targets")):
        people = set(_people(takes))
        absent = [t for t in targets if t not in people]
        if not targets or absent:
            shown = (
                f"absent here: {', '.join(absent)}"
                if targets
                else "this data set has no published list"
            )
            raise BadInput(
                f"{protocol}: expected the published target people; {shown}. Use targets-N for "
                "other people."
            )
        return personalise(
            takes, targets, protocol, seed, transductive=protocol.endswith("transductive")
        )
    if protocol.startswith("targets-"):
        return personalise(takes, _choose(takes, number, seed, at_least=3), protocol, seed)
    if protocol == "each-person":
        count = Counter(t.subject for t in takes)
        able = [p for p in sorted(count) if count[p] >= 2]
        if not able or len(count) < 2:
            raise BadInput(
                "each-person: expected at least two people, one of them with two recordings or more"
            )
        return tuple(
            fold for person in able for fold in personalise(takes, [person], protocol, seed)
        )
    if protocol.startswith("people-"):
        return people_folds(takes, number, seed)
    if protocol == "leave-one-person-out":
        return people_folds(takes, len(_people(takes)), seed, protocol)
    if protocol == "leave-one-question-out":
        return leave_one_question_out(takes, seed)
    if protocol == "leave-one-person-and-question-out":
        return leave_one_person_and_question_out(takes, seed)
    return environment_shift(takes, seed)


def official(takes: Sequence[Take]) -> Fold:
    """Train, val and test people as the data set's authors divided them."""
    parts = {
        split: _ids(t for t in takes if t.split == split) for split in ("train", "val", "test")
    }
    if not parts["train"] or not parts["test"]:
        there = ", ".join(f"{k} {len(v)}" for k, v in parts.items())
        raise BadInput(
            f"official: expected recordings of the splits train and test; found {there}. See "
            "train-val."
        )
    return Fold("official", "official", parts["train"], parts["test"], parts["val"])


def train_val(takes: Sequence[Take]) -> Fold:
    """Train on the official train people, test on the official val people; nothing is left to
    select on.
    """
    train, val = (_ids(t for t in takes if t.split == split) for split in ("train", "val"))
    if not train or not val:
        raise BadInput(
            f"train-val: expected recordings of both splits; found train {len(train)}, val "
            f"{len(val)}"
        )
    return Fold("train-val", "train-val", train, val)


def people_folds(takes: Sequence[Take], k: int, seed: int, protocol: str = "") -> tuple[Fold, ...]:
    """``k`` groups of people, each the test of one fold; of the others, some people are
    validation.
    """
    people = _people(takes)
    if not 2 <= k <= len(people):
        raise BadInput(
            f"people-{k}: expected between 2 and {len(people)} groups, as there are {len(people)} "
            "people"
        )
    shuffled = people if k == len(people) else _shuffled(people, seed)
    folds = []
    for i in range(k):
        group = shuffled[i::k]
        train, val = _source(takes, [p for p in people if p not in set(group)], seed)
        name = group[0] if k == len(people) else f"group {i + 1}"
        folds.append(Fold(name, protocol or f"people-{k}", train, _of(takes, group, seed), val))
    return tuple(folds)


def leave_one_question_out(takes: Sequence[Take], seed: int) -> tuple[Fold, ...]:
    """Train on the other questions, test on one; validation people give their other
    questions only.
    """
    questions = _questions(takes, "leave-one-question-out")
    folds = []
    for question in questions:
        others = [t for t in takes if t.question != question]
        train, val = _source(others, _people(others), seed)
        test = _ids(t for t in takes if t.question == question)
        folds.append(Fold(f"question {question}", "leave-one-question-out", train, test, val))
    return tuple(folds)


def leave_one_person_and_question_out(takes: Sequence[Take], seed: int) -> tuple[Fold, ...]:
    """Test on one person's answers to one question; train on other people's other questions."""
    protocol = "leave-one-person-and-question-out"
    questions, folds = _questions(takes, protocol), []
    for person in _people(takes):
        for question in questions:
            test = _ids(t for t in takes if t.subject == person and t.question == question)
            others = [t for t in takes if t.subject != person and t.question != question]
            if test and others:
                train, val = _source(others, _people(others), seed)
                folds.append(Fold(f"{person}, question {question}", protocol, train, test, val))
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
    """
    if any(t.split for t in takes):
        train, val = (
            _of(takes, _people(t for t in takes if t.split == s and t.subject not in targets), seed)
            for s in ("train", "val")
        )
    else:
        train, val = _source(takes, [p for p in _people(takes) if p not in set(targets)], seed)
    if not train:
        raise BadInput(f"{protocol}: no source person is left beside the {len(targets)} targets")
    folds = []
    for person in targets:
        own = _in_order([t for t in takes if t.subject == person], seed)
        neutral = _ids([t for t in own if t.neutral][:1])
        if transductive:
            every = _ids(own)
            folds.append(Fold(person, protocol, train, every, val, neutral, every, (), every))
            continue
        rest = [t.id for t in own if t.id not in neutral]
        if not rest:
            raise BadInput(
                f"{protocol}: {person} has {len(own)} recording(s); expected one to adapt on and "
                "one to test"
            )
        mixed = _shuffled(rest, _person_seed(person, seed))
        n_few = max(1, len(rest) // 10) if len(rest) >= 3 else 0
        n_target = min(max(1, len(rest) // 3), len(rest) - n_few - 1)
        few, target = set(mixed[:n_few]), set(mixed[n_few : n_few + n_target])
        folds.append(
            Fold(
                person,
                protocol,
                train,
                tuple(r for r in rest if r not in few | target),
                val,
                neutral,
                tuple(r for r in rest if r in target),
                tuple(r for r in rest if r in few),
            )
        )
    return tuple(folds)


def environment_shift(takes: Sequence[Take], seed: int, n_targets: int = 10) -> tuple[Fold, ...]:
    """Targets are people recorded in several environments: handed clips from the first, tested in
    the others.
    """
    seen: dict[str, list[str]] = {}
    for take in takes:
        if take.environment not in seen.setdefault(take.subject, []):
            seen[take.subject].append(take.environment)
    several = sorted(p for p, environments in seen.items() if len(environments) > 1)
    if not several:
        raise BadInput(
            "environment-shift: expected people recorded in at least two environments; there are "
            "none"
        )
    targets = sorted(_shuffled(several, seed)[: min(n_targets, max(1, len(_people(takes)) - 2))])
    train, val = _source(takes, [p for p in _people(takes) if p not in set(targets)], seed)
    folds = []
    for person in targets:
        own = _in_order([t for t in takes if t.subject == person], seed)
        first = [t for t in own if t.environment == seen[person][0]]
        neutral = _ids([t for t in first if t.neutral][:1])
        rest = _shuffled([t.id for t in first if t.id not in neutral], _person_seed(person, seed))
        few, target = tuple(rest[: len(rest) // 3]), tuple(rest[len(rest) // 3 :])
        test = _ids(t for t in own if t.environment != seen[person][0])
        folds.append(Fold(person, "environment-shift", train, test, val, neutral, target, few))
    return tuple(folds)


# --- small parts
# -----------------------------------------------------------------------------------------------------


def _people(takes: Iterable[Take]) -> list[str]:
    return sorted({t.subject for t in takes})


def _questions(takes: Sequence[Take], protocol: str) -> list[str]:
    questions = sorted({t.question for t in takes if t.question is not None})
    if len(questions) < 2:
        raise BadInput(
            f"{protocol}: expected at least two questions (or tasks), found {len(questions)}"
        )
    return questions


def _ids(takes: Iterable[Take]) -> tuple[str, ...]:
    return tuple(t.id for t in takes)


def _of(takes: Sequence[Take], people: Sequence[str], seed: int) -> tuple[str, ...]:
    """Recordings of people, each person's in the order of the session."""
    chosen = set(people)
    by_person: dict[str, list[Take]] = {}
    for take in takes:
        if take.subject in chosen:
            by_person.setdefault(take.subject, []).append(take)
    return tuple(t.id for person in sorted(by_person) for t in _in_order(by_person[person], seed))


def _in_order(takes: Sequence[Take], seed: int) -> list[Take]:
    """One person's takes as recorded; in a seeded order where a place is not known, so that no
    class comes first.
    """
    if all(t.order is not None for t in takes):
        return sorted(takes, key=lambda t: (t.order or 0.0, t.id))
    by_id = {t.id: t for t in takes}
    return [by_id[i] for i in _shuffled(sorted(by_id), _person_seed(takes[0].subject, seed))]


def _source(
    takes: Sequence[Take], people: Sequence[str], seed: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Train and validation recordings of source people; validation people are chosen by the seed
    alone.
    """
    n_val = max(1, round(VAL_SHARE * len(people))) if len(people) >= 3 else 0
    # Ranked by a draw per person, so that leaving one person out changes the choice of the others
    # least.
    val = sorted(people, key=lambda p: (_person_seed(p, seed), p))[:n_val]
    return _of(takes, [p for p in people if p not in set(val)], seed), _of(takes, val, seed)


def _choose(takes: Sequence[Take], n: int, seed: int, at_least: int) -> list[str]:
    """``n`` people by the seed with at least ``at_least`` recordings; official test people where
    there are any.
    """
    tested = [t for t in takes if t.split == "test"]
    count = Counter(t.subject for t in (tested or takes))
    able = sorted(p for p, c in count.items() if c >= at_least)
    most = len(able) if tested else min(len(able), len(count) - 1)
    if not 1 <= n <= most:
        raise BadInput(
            f"targets-{n}: at most {max(0, most)} people can be targets: {len(able)} of "
            f"{len(count)} have at least "
            f"{at_least} recordings" + ("" if tested else ", and one must be left as source")
        )
    return sorted(_shuffled(able, seed)[:n])


def _shuffled(items: Sequence[str], seed: int) -> list[str]:
    order = np.random.default_rng(seed).permutation(len(items))
    return [items[int(i)] for i in order]


def _person_seed(person: str, seed: int) -> int:
    """A seed of one's own per person, the same in every process (Python's ``hash`` of a text is
    not).
    """
    import zlib

    return zlib.crc32(f"{seed}/{person}".encode())
