"""What must never pass quietly: one person under two names, a clip in two roles."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from twomind.core.errors import BadInput
from twomind.core.store import content_hash
from twomind.types import Fold, Recording

#: Two answers of fewer words may agree by chance.
MIN_SAME_WORDS = 20

#: A recording's id, and its film or its folder of crops.
Media = tuple[str, Path]
#: Every recording of a data set, by id.
Recordings = Mapping[str, Recording]
#: Hashes of what was recorded, by recording.
Contents = Mapping[str, str]

_ROLES = ("train", "val", "test", "neutral", "target", "few")
_PEOPLE_MAY_MEET = ("leave-one-question-out",)


def check_fold(fold: Fold, recordings: Recordings, content: Contents | None = None) -> None:
    """Raise unless people and clips are kept apart as the fold's protocol promises.

    ``content`` maps recordings to a hash of what was recorded (:func:`contents`); equal ones on
    both sides of train and test are one recording, whatever its names.

    Args:
        fold: the fold.
        recordings: every recording of the data set, by id.
        content: hashes by id; recordings that have no twin may be left out.

    Raises:
        BadInput: a recording is not in the data set or has two roles; a person, or one recording
            under two people's names, is on both sides.
    """
    _check_roles(fold, recordings)
    source = [*fold.train, *fold.val]
    adapt = [*fold.neutral, *fold.target, *fold.few]
    handed = [*fold.test, *adapt]
    if fold.protocol not in _PEOPLE_MAY_MEET:
        _check_people(fold, recordings, source, handed)
    tested = [name for name in fold.test if name not in fold.transductive]
    content = content or {}
    twins = _twins(content, source, handed) or _twins(content, adapt, tested)
    if twins:
        raise BadInput(_same_content(fold, recordings, *twins))


def _check_roles(fold: Fold, recordings: Recordings) -> None:
    """Every recording is one of the data set, and has one role."""
    roles: dict[str, tuple[str, ...]] = {role: getattr(fold, role) for role in _ROLES}
    unknown: list[str] = []
    for ids in roles.values():
        unknown += [name for name in ids if name not in recordings]
    if unknown:
        raise BadInput(
            f"fold {fold.name!r}: {len(unknown)} recordings are not in the data set: {unknown[0]}"
        )
    for role, other in combinations(_ROLES, 2):
        shared = set(roles[role]) & set(roles[other])
        both = shared - set(fold.transductive)
        if both:
            raise BadInput(
                f"fold {fold.name!r}: {min(both)} is both {role} and {other}; a clip has one role"
            )


def _check_people(
    fold: Fold, recordings: Recordings, source: Sequence[str], handed: Sequence[str]
) -> None:
    """Nobody is among the source people and the target people."""
    source_people = {recordings[name].subject for name in source}
    target_people = {recordings[name].subject for name in handed}
    shared = source_people & target_people
    if shared:
        raise BadInput(
            f"fold {fold.name!r}: {min(shared)} is among the source people and the target people"
        )


def _twins(content: Contents, left: Sequence[str], right: Sequence[str]) -> tuple[str, str] | None:
    """Two recordings, one of each side, with the same content; None where there are none."""
    first = {content[name]: name for name in left if name in content}
    for name in right:
        other = first.get(content.get(name, ""))
        if other is not None and other != name:
            return other, name
    return None


def _same_content(fold: Fold, recordings: Recordings, a: str, b: str) -> str:
    return (
        f"fold {fold.name!r}: the same content is on both sides: {a} of {recordings[a].subject}, "
        f"and {b} of {recordings[b].subject}. Is this one person under two names? Remove one of "
        "the two from the data set."
    )


def contents(
    recordings: Iterable[Recording], folders: Mapping[str, Path] | None = None
) -> dict[str, str]:
    """A hash of what was recorded, only for recordings that may have a twin; the others are left
    out.

    Films are compared by their bytes, and only where their sizes agree; without a film, ``folders``
    of crops by the sizes and then the bytes of their files; without either, transcripts of at least
    :data:`MIN_SAME_WORDS` words. A twin that was cut or encoded anew is not found.
    """
    films: dict[int, list[Media]] = defaultdict(list)
    crops: dict[tuple[int, ...], list[Media]] = defaultdict(list)
    found: dict[str, str] = {}
    folders = folders or {}
    for recording in recordings:
        name, film, words = recording.id, recording.media, recording.words
        folder = folders.get(name)
        if film.is_file():
            size = film.stat().st_size
            films[size].append((name, film))
        elif folder is not None and folder.is_dir():
            sizes = _sizes(folder)
            if sizes:
                crops[sizes].append((name, folder))
        elif words is not None and len(words) >= MIN_SAME_WORDS:
            text = " ".join(word.text for word in words)
            found[name] = hashlib.sha256(text.encode()).hexdigest()
    found |= _hashes(films.values(), content_hash)
    found |= _hashes(crops.values(), _folder_hash)
    return found


def _hashes(groups: Iterable[Sequence[Media]], hashed: Callable[[Path], str]) -> dict[str, str]:
    """Hashes of what has the same size as another."""
    found = {}
    for group in groups:
        if len(group) < 2:
            continue
        for name, path in group:
            found[name] = hashed(path)
    return found


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()]


def _sizes(folder: Path) -> tuple[int, ...]:
    """Sizes of a folder's files, ascending."""
    sizes = [path.stat().st_size for path in _files(folder)]
    return tuple(sorted(sizes))


def _folder_hash(folder: Path) -> str:
    # Names are left out: in some sets they hold the recording's own.
    parts = sorted(content_hash(path) for path in _files(folder))
    joined = "".join(parts)
    return hashlib.sha256(joined.encode()).hexdigest()
