"""What must never pass quietly: one person under two names, a clip in two roles, windows that
overlap across roles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from twomind.core.errors import BadInput
from twomind.core.store import content_hash
from twomind.types import Features, Fold, Recording

#: Two answers of fewer words may agree by chance.
MIN_SAME_WORDS = 20

_PEOPLE_MAY_MEET = ("leave-one-question-out",)


def check_fold(
    fold: Fold, recordings: Mapping[str, Recording], content: Mapping[str, str] | None = None
) -> None:
    """Raise unless people and clips are kept apart as the fold's protocol promises.

    ``content`` maps recordings to a hash of what was recorded (:func:`contents`); equal ones on
    both sides of train and test are one recording, whatever its names.

    Raises: BadInput: a recording is not in the data set or has two roles; a person, or one
        recording under two people's
            names, is on both sides.
    """
    roles = {r: getattr(fold, r) for r in ("train", "val", "test", "neutral", "target", "few")}
    unknown = [i for ids in roles.values() for i in ids if i not in recordings]
    if unknown:
        raise BadInput(
            f"fold {fold.name!r}: {len(unknown)} recordings are not in the data set: {unknown[0]}"
        )
    for i, (a, first) in enumerate(roles.items()):
        for b, second in list(roles.items())[i + 1 :]:
            both = (set(first) & set(second)) - set(fold.transductive)
            if both:
                raise BadInput(
                    f"fold {fold.name!r}: {min(both)} is both {a} and {b}; a clip has one role"
                )
    source = [*fold.train, *fold.val]
    handed = [*fold.test, *fold.neutral, *fold.target, *fold.few]
    if fold.protocol not in _PEOPLE_MAY_MEET:
        shared = {recordings[i].subject for i in source} & {recordings[i].subject for i in handed}
        if shared:
            raise BadInput(
                f"fold {fold.name!r}: {min(shared)} is among the source people and the target "
                "people"
            )
    _check_contents(fold, recordings, content or {}, source, handed)
    adapt = [*fold.neutral, *fold.target, *fold.few]
    _check_contents(
        fold, recordings, content or {}, adapt, [i for i in fold.test if i not in fold.transductive]
    )


def _check_contents(
    fold: Fold,
    recordings: Mapping[str, Recording],
    content: Mapping[str, str],
    left: Sequence[str],
    right: Sequence[str],
) -> None:
    first = {content[i]: i for i in left if i in content}
    for i in right:
        other = first.get(content.get(i, ""))
        if other is not None and other != i:
            a, b = recordings[other], recordings[i]
            raise BadInput(
                f"fold {fold.name!r}: the same content is on both sides: {other} of {a.subject}, "
                f"and {i} of "
                f"{b.subject}. Is this one person under two names? Remove one of the two from the "
                "data set."
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
    groups: dict[object, list[tuple[str, Path | None]]] = {}
    found: dict[str, str] = {}
    for recording in recordings:
        folder = (folders or {}).get(recording.id)
        if recording.media.is_file():
            groups.setdefault(("film", recording.media.stat().st_size), []).append(
                (recording.id, recording.media)
            )
        elif folder is not None and folder.is_dir():
            sizes = tuple(sorted(p.stat().st_size for p in folder.iterdir() if p.is_file()))
            if sizes:
                groups.setdefault(sizes, []).append((recording.id, folder))
        elif recording.words is not None and len(recording.words) >= MIN_SAME_WORDS:
            text = " ".join(w.text for w in recording.words)
            found[recording.id] = hashlib.sha256(text.encode()).hexdigest()
    for same in groups.values():
        if len(same) > 1:
            for name, path in same:
                assert path is not None
                found[name] = content_hash(path) if path.is_file() else _folder_hash(path)
    return found


def _folder_hash(folder: Path) -> str:
    # Names are left out: in some sets they hold the recording's own.
    parts = sorted(content_hash(p) for p in folder.iterdir() if p.is_file())
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def check_windows(adapted: Iterable[Features], tested: Iterable[Features]) -> None:
    """Raise when a window that is handed over shares time with a window that is tested.

    Raises:
        BadInput: two windows of one recording overlap; names it and both spans.
    """
    handed: dict[str, list[tuple[float, float]]] = {}
    for x in adapted:
        handed.setdefault(x.recording, []).append(x.span_s)
    for x in tested:
        for start_s, end_s in handed.get(x.recording, ()):
            if start_s < x.span_s[1] and x.span_s[0] < end_s:
                raise BadInput(
                    f"{x.recording}: the tested window {x.span_s[0]:.2f}-{x.span_s[1]:.2f} s "
                    "overlaps one that is "
                    f"handed over for adaptation ({start_s:.2f}-{end_s:.2f} s)"
                )
