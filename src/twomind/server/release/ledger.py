"""Every release that was ever built: number, people under their names in releases, their splits.

It says which copies to recall when somebody withdraws, and keeps everybody in their split.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from twomind.core.errors import BadInput
from twomind.core.files import read_json
from twomind.server import consent, durable
from twomind.server.place import DATA, Place
from twomind.server.release.who import CUTS, pseudonym
from twomind.server.tables import Person

SPLITS = ("train", "val", "test")
_FOLDER = "releases"
SCHEMA = "twomind.release/1"


@dataclass(frozen=True)
class Member:
    """Somebody in a release: split, number of answers, and a hash over everything of theirs."""

    split: str
    answers: int
    digest: str


@dataclass(frozen=True)
class Release:
    """A release of the study, as its ledger keeps it.

    Args:
        number: From 1.
        at: When it was built.
        cut: Of whom.
        items: Items of the consent that everybody in it said yes to.
        seed: Of the splits of people who came new.
        out: Folder that was given.
        people: By name in the release.
    """

    number: int
    at: str
    cut: str
    items: tuple[str, ...]
    seed: int
    out: str
    people: Mapping[str, Member]

    @property
    def version(self) -> str:
        return f"{self.number}.0.0"

    @property
    def answers(self) -> int:
        return sum(member.answers for member in self.people.values())


def _folder(place: Place) -> Path:
    return place.folder / DATA / _FOLDER


def earlier(place: Place) -> list[Release]:
    """All releases, the oldest first.

    Raises:
        BadInput: One cannot be read.
    """
    return [_read(path) for path in sorted(_folder(place).glob("*.json"))]


def _read(path: Path) -> Release:
    try:
        plain: dict[str, Any] = read_json(path)
        people = {name: Member(**one) for name, one in plain["people"].items()}
        return Release(
            number=plain["number"],
            at=plain["at"],
            cut=plain["cut"],
            items=tuple(plain["items"]),
            seed=plain["seed"],
            out=plain["out"],
            people=people,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: the list of a release cannot be read ({error})") from error


def keep(place: Place, release: Release) -> None:
    """List a release; it is on the disk before anything goes out."""
    folder = _folder(place)
    durable.make_folder(folder)
    plain = {"schema": SCHEMA, **asdict(release)}
    content = json.dumps(plain, indent=1, ensure_ascii=False).encode()
    durable.write_bytes(folder / f"{release.number:04d}.json", content)


def recalls(place: Place) -> dict[int, list[str]]:
    """By number of release: who is in it and no longer agrees, or has withdrawn."""
    found = {}
    for release in earlier(place):
        agreeing = _agreeing(place, release.items)
        gone = sorted(set(release.people) - agreeing)
        found[release.number] = gone
    return found


def _agreeing(place: Place, items: Sequence[str]) -> set[str]:
    """Names of those who still say yes to all of these."""
    found = set()
    with place.database.reading() as reading:
        for person in reading.scalars(select(Person)):
            given = consent.last(reading, person.id)
            there = person.state not in ("withdrawing", "erasing") and place.keys.has(person.id)
            agrees = given is not None and all(given.answers.get(name) is True for name in items)
            if there and agrees:
                found.add(pseudonym(place, person.id))
    return found


# --- splits


def splits(
    names: Sequence[str], before: Sequence[Release], shares: Sequence[float], seed: int
) -> dict[str, str]:
    """The split of each person. Who was in an earlier release stays where they were.

    Args:
        names: Of people, in releases.
        before: Earlier releases.
        shares: Of people, by split; they sum to 1.
        seed: Of the order in which people who came new are dealt.

    Raises:
        BadInput: There are fewer people than splits.
    """
    if len(names) < len(SPLITS):
        raise BadInput(
            f"{len(names)} people can be released; train, val and test need at least "
            f"{len(SPLITS)}, as nobody is in two"
        )
    known: dict[str, str] = {}
    for release in before:
        known |= {name: member.split for name, member in release.people.items()}
    found = {name: known[name] for name in names if name in known}
    wanted = _numbers(len(names), shares)
    counts = Counter(found.values())
    new = [name for name in names if name not in found]
    for name in sorted(new, key=lambda name: _place_in_deal(seed, name)):
        lacking = {split: wanted[split] - counts[split] for split in SPLITS}
        split = max(SPLITS, key=lambda one: lacking[one])
        found[name] = split
        counts[split] += 1
    return found


def _place_in_deal(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def _numbers(n: int, shares: Sequence[float]) -> dict[str, int]:
    """How many people in each split: by largest remainder, and at least one in each."""
    exact = {split: n * share for split, share in zip(SPLITS, shares, strict=True)}
    found = {split: max(int(value), 1) for split, value in exact.items()}
    while sum(found.values()) < n:
        most = max(SPLITS, key=lambda split: exact[split] - found[split])
        found[most] += 1
    while sum(found.values()) > n:
        most = max(SPLITS, key=lambda split: found[split])
        found[most] -= 1
    return found


# --- what changed


@dataclass(frozen=True)
class Change:
    """What one release has that the one before had not."""

    added: tuple[str, ...]
    gone: tuple[str, ...]
    changed: tuple[str, ...]


def change(before: Release | None, now: Release) -> Change:
    """The difference between two releases of one cut, by person."""
    old = {} if before is None else before.people
    both = [name for name in now.people if name in old]
    return Change(
        added=tuple(sorted(set(now.people) - set(old))),
        gone=tuple(sorted(set(old) - set(now.people))),
        changed=tuple(sorted(name for name in both if now.people[name] != old[name])),
    )


def last_of(releases: Sequence[Release], cut: str) -> Release | None:
    """The latest release of a cut."""
    of_it = [one for one in releases if one.cut == cut]
    return of_it[-1] if of_it else None


__all__ = ["CUTS", "SPLITS", "Change", "Member", "Release", "change", "earlier", "keep", "recalls"]
