"""Files for coders and from coders: recordings written out to be coded, and what coders marked read
back into one value per recording.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twomind.annotations import (
    Annotations,
    Tier,
    blank_tiers,
    merge_tiers,
    parse_kind,
    read_annotations,
    read_eaf,
    write_annotations,
    write_eaf,
)
from twomind.core.errors import BadInput
from twomind.pipeline import annotate

#: Kinds of tiers that a coder writes.
_CODED = ("answer", "ah", "cue", "inconsistency")


# --- for coders


@dataclass(frozen=True)
class Export:
    """Settings of an export for coders: format, place, coders, and what is left out.

    ``to`` is eaf, csv or vtt. ``out`` is a folder, or a .csv for one table of all; None: beside
    each medium. ``coders`` get one file each, with their empty tiers. ``blind`` leaves out what the
    program found. ``redo`` overwrites files that are there.
    """

    to: str = "eaf"
    out: Path | None = None
    coders: tuple[str, ...] = ()
    blind: bool = False
    eaf_format: str = "3.0"
    redo: bool = False


@dataclass(frozen=True)
class Exported:
    """What was written, and what there is to say about it."""

    files: tuple[Path, ...]
    recordings: tuple[Annotations, ...]
    remarks: tuple[str, ...]


def export(sources: Sequence[Path], how: Export) -> Exported:
    """Write recordings out for coders; nothing is written where a file is in the way.

    Args:
        sources: results folders of ``predict``, media files, or folders of them.
        how: what is written.

    Raises:
        BadInput: a recording was given twice, a file is there already, or there is no place for
            one.
    """
    found: list[Annotations] = []
    for source in sources:
        found += _load(source)
    if how.blind:
        found = [_blind(one) for one in found]
    _refuse_twice(found)
    remarks: list[str] = []
    if how.out is not None and how.out.suffix.lower() == ".csv" and how.to == "csv":
        _refuse_existing([how.out], how.redo)
        written = [write_annotations(found, how.out)]
    else:
        planned: list[tuple[Path, Annotations]] = []
        for one in found:
            planned += _files_of(one, how)
        _refuse_existing([path for path, _ in planned], how.redo)
        written = [_write(path, one, how.eaf_format, remarks) for path, one in planned]
    return Exported(tuple(written), tuple(found), (*remarks, *problems_of(found)))


def problems_of(found: Iterable[Annotations]) -> list[str]:
    """The problems of each recording, with its name."""
    lines = []
    for one in found:
        lines += [f"{one.recording}: {problem}" for problem in one.problems]
    return lines


def _load(source: Path) -> list[Annotations]:
    folders = annotate.find_results(source)
    if folders:
        return [annotate.from_results(folder) for folder in folders]
    if source.is_dir():
        from twomind.media.recording import find_media

        return [annotate.from_recording(media) for media in find_media([source])]
    return [annotate.from_recording(source)]


def _blind(one: Annotations) -> Annotations:
    return replace(one, tiers=tuple(t for t in one.tiers if t.kind in ("utterance", "word")))


def _refuse_twice(found: Sequence[Annotations]) -> None:
    names = [one.recording for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(f"the recording {twice[0]!r} was given twice")


def _files_of(one: Annotations, how: Export) -> list[tuple[Path, Annotations]]:
    folder = _folder_of(one, how.out)
    if how.to != "eaf":
        return [(folder / f"{one.recording}.{how.to}", one)]
    if not how.coders:
        return [(folder / f"{one.recording}.eaf", replace(one, tiers=(*blank_tiers(), *one.tiers)))]
    planned = []
    for coder in how.coders:
        path = folder / f"{one.recording}.{_file_name(coder)}.eaf"
        planned.append((path, replace(one, tiers=(*blank_tiers(coder), *one.tiers))))
    return planned


def _folder_of(one: Annotations, out: Path | None) -> Path:
    if out is not None and out.is_file():
        raise BadInput(
            f"{out}: expected a folder, there is a file; for one table give --to csv --out NAME.csv"
        )
    if out is not None:
        return out
    if one.media and Path(one.media).exists():
        return Path(one.media).parent
    raise BadInput(
        f"{one.recording}: its media file {one.media!r} is not there; say with --out where to write"
    )


def _file_name(coder: str) -> str:
    if not coder.strip():
        raise BadInput("--coder: expected a name, got an empty one")
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in coder)


def _refuse_existing(paths: Iterable[Path], redo: bool) -> None:
    there = [str(path) for path in paths if path.exists()]
    if redo or not there:
        return
    more = f", and {len(there) - 1} more" if len(there) > 1 else ""
    raise BadInput(
        f"{there[0]} is there already{more}; it may hold a coder's work. Give --out FOLDER, or "
        "--redo to overwrite"
    )


def _write(path: Path, one: Annotations, eaf_format: str, remarks: list[str]) -> Path:
    placed = annotate.beside(one, path)
    new = placed.problems[len(one.problems) :]
    remarks += [f"{one.recording}: {problem}" for problem in new]
    if path.suffix == ".eaf":
        return write_eaf(placed, path, format=eaf_format)
    return write_annotations([placed], path)


def counts(one: Annotations) -> dict[str, Any]:
    """A recording's tiers and how many marks each has, as plain values."""
    rows = []
    for tier in one.tiers:
        row = {"tier": tier.kind, "modality": tier.modality, "coder": tier.coder}
        rows.append({**row, "name": tier.name, "n": len(tier.marks)})
    return {
        "recording": one.recording,
        "subject": one.subject,
        "tiers": rows,
        "problems": list(one.problems),
    }


# --- from coders


@dataclass(frozen=True)
class Coded:
    """What one file holds of a recording. ``coder`` is who marked it, where the file is silent."""

    annotations: Annotations
    file: Path
    coder: str


@dataclass(frozen=True)
class Sources:
    """How coders' files are read.

    ``kinds`` says what tiers of the coder's own names are. ``recording`` is what all files are
    about, whatever they call it. ``coder`` is who coded where a file does not say; None: the name
    of its folder or of the file.
    """

    kinds: Mapping[str, str]
    recording: str | None = None
    coder: str | None = None


def kinds_of(named: Sequence[str]) -> dict[str, str]:
    """Texts ``TIER=KIND`` as tier → kind.

    Raises:
        BadInput: one is none, or an unknown kind.
    """
    found = {}
    for one in named:
        tier, equals, kind = one.rpartition("=")
        if not equals:
            raise BadInput(f"--name: expected TIER=KIND, got {one!r}")
        parse_kind(kind)
        found[tier] = kind
    return found


def read_coded(paths: Sequence[Path], how: Sources) -> list[Coded]:
    """What the files hold; a folder stands for the ELAN files in it, and its name for the coder.

    Args:
        paths: files and folders.
        how: how they are read.

    Raises:
        BadInput: a folder holds no ELAN file, a file cannot be read, or none has a tier that was
            named.
    """
    files = _files_in(paths)
    stems = {file.stem for file, _ in files}
    found: list[Coded] = []
    used: set[str] = set()
    for file, folder in files:
        own_name = file.resolve().parent.name if len(stems) < len(files) else file.stem
        who = how.coder if how.coder is not None else folder or own_name
        for one in read_annotations(file, named=_in_file(file, how.kinds, used)):
            if how.recording:
                one = replace(one, recording=how.recording)
            if how.coder is None and folder is None:
                # Of NAME.coder.eaf the coder is what is left.
                who = who.removeprefix(one.recording).lstrip("._- ") or who
            found.append(Coded(_with_coder(one, who), file, who))
    missing = set(how.kinds) - used
    if missing:
        raise BadInput(f"--name: none of the files has a tier {sorted(missing)[0]!r}")
    return found


def _files_in(paths: Sequence[Path]) -> list[tuple[Path, str | None]]:
    """Every file, with the name of the folder that was given for it."""
    files: list[tuple[Path, str | None]] = []
    for path in paths:
        if not path.is_dir():
            files.append((path, None))
            continue
        inside = sorted(path.glob("*.eaf"))
        if not inside:
            raise BadInput(f"{path}: expected ELAN files (*.eaf) in this folder, found none")
        files += [(file, path.name) for file in inside]
    return files


def _in_file(path: Path, kinds: Mapping[str, str], used: set[str]) -> dict[str, str]:
    """Those of the named tiers that this file has."""
    if not kinds or path.suffix.lower() != ".eaf":
        return {}
    have: set[str] = set()
    for names in read_eaf(path).source.names.values():
        have |= set(names)
    found = {name: kind for name, kind in kinds.items() if name in have}
    used |= set(found)
    return found


def _with_coder(one: Annotations, who: str) -> Annotations:
    tiers = []
    for tier in one.tiers:
        coded = tier.kind in _CODED
        tiers.append(replace(tier, coder=tier.coder or who) if coded else tier)
    return replace(one, tiers=merge_tiers(tiers))


def combined(many: Sequence[Annotations]) -> tuple[list[Annotations], list[str]]:
    """One value per recording, and remarks. A tier that two files hold alike counts once.

    Raises:
        BadInput: two files name another person, or a coder marked a recording in two ways.
    """
    found: dict[str, Annotations] = {}
    remarks: list[str] = []
    for one in many:
        before = found.get(one.recording)
        found[one.recording] = one if before is None else _merged(before, one, remarks)
    return list(found.values()), remarks


def _merged(before: Annotations, one: Annotations, remarks: list[str]) -> Annotations:
    if before.subject and one.subject and before.subject != one.subject:
        raise BadInput(
            f"{one.recording}: one file says that it is of {before.subject!r}, another "
            f"{one.subject!r}"
        )
    have = {tier.key: tier for tier in before.tiers}
    new: list[Tier] = []
    for tier in one.tiers:
        if tier.key not in have:
            new.append(tier)
        elif have[tier.key].marks != tier.marks:
            remarks.append(_twice(one.recording, tier))
    return replace(
        before,
        tiers=(*before.tiers, *new),
        subject=before.subject or one.subject,
        problems=(*before.problems, *one.problems),
    )


def _twice(recording: str, tier: Tier) -> str:
    what = f"{tier.kind}:{tier.modality}".rstrip(":")
    who = tier.coder or "nobody"
    twice = f"{recording}: two files hold the tier {what} of {who}, with other marks"
    if tier.kind in _CODED:
        raise BadInput(f"{twice}; name the coders apart")
    return f"{twice}; the first one's were taken"


def with_duration(one: Annotations, file: Path) -> Annotations:
    """The length of the recording, from its media file where the annotation file does not
    say it.
    """
    if math.isfinite(one.duration_s) or not one.media:
        return one
    media = file.parent / one.media
    if not media.is_file():
        return one
    from twomind.media.stream import probe

    try:
        return replace(one, duration_s=probe(media).duration_s)
    except BadInput:  # the comparison needs the marks; that the length is not known is said there
        return one
