"""What coders settled on, as a release takes it: from files, and without what is not for others.

How a study is coded on its own pages is not known here: whoever builds a release hands over what counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select

from twomind.annotations import Annotations, read_annotations
from twomind.core.errors import BadInput
from twomind.server.place import Place
from twomind.server.settled import Settled
from twomind.server.tables import Recording

_ENDINGS = (".eaf", ".csv")
#: Kinds of tiers that go into a release.
_KINDS = ("answer", "ah", "cue", "inconsistency")


def known(place: Place) -> list[str]:
    """Ids of all recordings of the study."""
    with place.database.reading() as reading:
        return list(reading.scalars(select(Recording.id)))


def of_files(folder: Path, recordings: Iterable[str]) -> dict[str, Settled]:
    """What ELAN files (or tidy CSV) of a folder hold, by recording.

    Args:
        folder: Of files; a recording's name in them is its id in the study.
        recordings: Ids of all recordings of the study.

    Raises:
        BadInput: The folder holds no such file, one cannot be read, or is of no recording.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder}: expected a folder of ELAN files (*.eaf) or tables (*.csv)")
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in _ENDINGS]
    if not files:
        raise BadInput(f"{folder}: expected ELAN files (*.eaf) or tables (*.csv), found none")
    ids = set(recordings)
    found: dict[str, list[Annotations]] = {}
    for path in files:
        for one in read_annotations(path):
            name = _id_of(one, path, ids)
            found.setdefault(name, []).append(one)
    return {name: _settled(many) for name, many in found.items()}


def _id_of(one: Annotations, path: Path, ids: set[str]) -> str:
    """The recording's id: its name, or the beginning of ``ID.coder.eaf``."""
    for name in (one.recording, path.stem, path.stem.partition(".")[0]):
        if name in ids:
            return name
    raise BadInput(
        f"{path}: {one.recording!r} is no recording of this study. Name the file after the "
        "recording's id, as in its address on the researcher's page"
    )


def _settled(many: Sequence[Annotations]) -> Settled:
    coders = {coder for one in many for coder in one.coders}
    if len(many) > 1 or len(coders) > 1:
        return Settled("open", None)
    return Settled("one coder", many[0])


def plain(annotations: Annotations, named: Mapping[str, str]) -> Annotations:
    """The marks alone: no coder's name, and nothing else that an ELAN file may hold.

    Args:
        annotations: As they were coded.
        named: ``recording``, ``subject`` and ``media`` in the release.
    """
    tiers = []
    for tier in annotations.tiers:
        if tier.kind in _KINDS:
            tiers.append(replace(tier, coder="coder"))
    return replace(
        annotations,
        recording=named["recording"],
        subject=named["subject"],
        media=named["media"],
        tiers=tuple(tiers),
        problems=(),
        source=None,
    )
