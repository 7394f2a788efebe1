"""Read ELAN's ``.eaf`` (formats up to 3.0): every annotation with its time, however ELAN keeps it.

ELAN stores times in three ways: alignable annotations with time slots; slots without a value, which
lie evenly between their aligned neighbours in the chain; and reference annotations, which share
their parent's time (evenly, where several subdivide it). All become plain seconds here. The source
is kept, so that writing the file again loses nothing.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from twomind.annotations.marks import (
    CODED,
    Annotations,
    Key,
    Mark,
    Tier,
    guess_kind,
    merge_tiers,
    parse_kind,
)
from twomind.core.eaf import Entry, Resolver, header_of, media_of, parse_eaf
from twomind.core.errors import UNREADABLE, BadInput, shortened
from twomind.core.files import bytes_of

#: Linguistic types that are written here → (kind, modality).
OWN_TYPES: dict[str, tuple[str, str]] = {
    "answer": ("answer", ""),
    "A/H": ("ah", ""),
    "cue audio": ("cue", "audio"),
    "cue body": ("cue", "body"),
    "cue facial": ("cue", "facial"),
    "cue language": ("cue", "language"),
    "inconsistency": ("inconsistency", ""),
    "utterances": ("utterance", ""),
    "words": ("word", ""),
    "model A/H": ("model", ""),
}
CERTAINTY_TYPE = "certainty"
FREE_TYPE, FREE_LANE_TYPE = "free text", "free text, lane"
PROPERTY = "twomind."
_KNOWN_FORMATS = ("2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "3.0")


@dataclass(frozen=True)
class Source:
    """What an EAF file held: its tree as text, what its tiers were read as, and the offset that was
    added.
    """

    xml: str
    tiers: tuple[Tier, ...]
    names: Mapping[Key, tuple[str, ...]]  # tier key → TIER_IDs, certainty tiers included
    entries: tuple[Entry, ...]
    offset_ms: int
    format: str


def read_eaf(
    path: Path | str, *, coder: str = "", named: Mapping[str, str] | None = None
) -> Annotations:
    """Everything in an EAF file.

    Times are on the clock of the first media file: where the file was shifted in ELAN, its offset
    is added.

    Args:
        path: the ``.eaf`` file.
        coder: stands in where a coded tier names no annotator.
        named: what tiers with other names are, e.g. ``{"Ambivalenz": "ah", "Gesicht": "cue:facial"}``. A
            tier that is none of ours becomes one of kind ``other``.

    Returns:
        Tiers with marks in seconds, and ``problems``: what was odd about the file.

    Raises:
        BadInput: no such file, not an EAF file, or one whose references or times contradict each other.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.annotations.eaf_read import read_eaf
        >>> from twomind.annotations.eaf_write import write_eaf
        >>> from twomind.annotations.marks import Annotations, Mark, Tier
        >>> marked = Annotations("a1", (Tier("ah", (Mark(1.0, 2.5, "A/H"),), coder="coder1"),))
        >>> with TemporaryDirectory() as folder:
        ...     file = write_eaf(marked, Path(folder) / "a1.eaf")
        ...     read_eaf(file).segments()[0].end_s
        2.5
    """
    path = Path(path)
    if not path.is_file():
        there = "a folder" if path.is_dir() else "none"
        raise BadInput(f"{path}: expected an ELAN file (.eaf), there is {there}")
    try:
        return eaf_from(bytes_of(path), path, coder=coder, named=named)
    except UNREADABLE as error:
        raise BadInput(f"{path}: {shortened(error)}") from error


def eaf_from(
    content: bytes, path: Path, *, coder: str = "", named: Mapping[str, str] | None = None
) -> Annotations:
    """The same of what an EAF file holds, for whoever has no file.

    Args:
        content: The file's bytes.
        path: Its name, for messages and for the recording's name where the file says none.
        coder: As in :func:`read_eaf`.
        named: As in :func:`read_eaf`.

    Raises:
        BadInput: it is no EAF file, or one whose references or times contradict each other.
    """
    try:
        return _read(parse_eaf(content), path, coder, named or {})
    except (BadInput, *UNREADABLE) as error:  # the last: a value that the types refuse
        raise BadInput(f"{path}: {shortened(error)}") from error


def _read(root: ET.Element, path: Path, coder: str, named: Mapping[str, str]) -> Annotations:
    header = header_of(root)
    media, offset_ms, problems = media_of(header)
    version = root.get("FORMAT") or root.get("VERSION") or ""
    if version not in _KNOWN_FORMATS:
        problems.append(f"the format {version!r} is not known; read as 3.0")
    entries, remarks = Resolver(root).entries()
    tiers, names = _tiers(root, entries, offset_ms, coder, named)
    ids = _tier_ids(root)
    for name in named:
        if name not in ids:
            raise BadInput(f"there is no tier {name!r}; there are: {', '.join(ids) or 'none'}")
    merged = merge_tiers(tiers)
    xml = ET.tostring(root, encoding="unicode")
    source = Source(xml, merged, names, tuple(entries), offset_ms, version)
    said = _own_properties(header)
    media_name = re.split(r"[\\/]", media)[-1]
    stem, _, _ = media_name.rpartition(".")
    subject = said.get("subject", _only_participant(root))
    duration_s = _duration_s(said.get("duration_s", "nan"))
    recording = said.get("recording") or stem or path.stem
    return Annotations(
        recording=recording,
        tiers=merged,
        subject=subject,
        media=media,
        duration_s=duration_s,
        problems=(*problems, *remarks),
        source=source,
    )


def _own_properties(header: ET.Element) -> dict[str, str]:
    """What was written here about the recording."""
    found = {}
    for element in header.findall("PROPERTY"):
        name = element.get("NAME", "")
        if name.startswith(PROPERTY):
            found[name.removeprefix(PROPERTY)] = element.text or ""
    return found


def _only_participant(root: ET.Element) -> str:
    """The one who is named on tiers; empty where several are, or none."""
    people = {tier.get("PARTICIPANT", "") for tier in root.findall("TIER")} - {""}
    return people.pop() if len(people) == 1 else ""


def _duration_s(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _tier_ids(root: ET.Element) -> list[str]:
    return [t.get("TIER_ID", "") for t in root.findall("TIER")]


def _tiers(
    root: ET.Element, entries: list[Entry], offset_ms: int, coder: str, named: Mapping[str, str]
) -> tuple[list[Tier], dict[Key, tuple[str, ...]]]:
    """Every tier but those of certainties, which become a part of marks; and by tier key the names
    of the tiers that it came from.
    """
    parent_of = _certainty_tiers(root)
    by_tier: dict[str, list[Entry]] = defaultdict(list)
    certainty = {}
    for entry in entries:
        by_tier[entry.tier].append(entry)
        if entry.tier in parent_of:
            certainty[entry.parent] = entry.value
    tiers: list[Tier] = []
    names: dict[Key, list[str]] = defaultdict(list)
    for element in root.findall("TIER"):
        tier_id = element.get("TIER_ID", "")
        if tier_id in parent_of:
            continue
        marks = [_mark(entry, offset_ms, certainty) for entry in by_tier[tier_id]]
        tier = _tier(element, marks, coder, named)
        tiers.append(tier)
        own = [name for name, parent in parent_of.items() if parent == tier_id]
        names[tier.key] += [tier_id, *own]
    return tiers, {key: tuple(value) for key, value in names.items()}


def _certainty_tiers(root: ET.Element) -> dict[str, str]:
    """Name of a tier that holds certainties → the tier whose marks they are about."""
    typed = {}
    for tier in root.findall("TIER"):
        if _is_certainty(tier):
            typed[tier.get("TIER_ID", "")] = tier.get("PARENT_REF", "")
    return {name: parent for name, parent in typed.items() if parent not in typed}


def _mark(entry: Entry, offset_ms: int, certainty: Mapping[str, str]) -> Mark:
    start_s = (entry.start_ms + offset_ms) / 1000
    end_s = (entry.end_ms + offset_ms) / 1000
    return Mark(start_s, end_s, entry.value, certainty.get(entry.id, ""))


def _tier(element: ET.Element, marks: list[Mark], coder: str, named: Mapping[str, str]) -> Tier:
    kind, modality = _kind(element, named)
    who = _coder(element, kind, coder)
    name = _own_name(element) if kind == "other" else ""
    return Tier(kind, tuple(marks), modality, who, name)


def _is_certainty(tier: ET.Element) -> bool:
    return tier.get("LINGUISTIC_TYPE_REF") == CERTAINTY_TYPE and bool(tier.get("PARENT_REF"))


def _kind(tier: ET.Element, named: Mapping[str, str]) -> tuple[str, str]:
    tier_id = tier.get("TIER_ID", "")
    own = tier.get("LINGUISTIC_TYPE_REF", "")
    if tier_id in named:
        return parse_kind(named[tier_id])
    if own in OWN_TYPES:
        return OWN_TYPES[own]
    if own in (FREE_TYPE, FREE_LANE_TYPE):
        return "other", ""
    return guess_kind(tier_id)


def _coder(tier: ET.Element, kind: str, fallback: str) -> str:
    """The annotator; of a coded tier without one, what follows ``@`` in its name, unless that is
    the participant.
    """
    who = tier.get("ANNOTATOR", "")
    if who or kind not in CODED:
        return who
    _, at, suffix = tier.get("TIER_ID", "").rpartition("@")
    return suffix if at and suffix and suffix != tier.get("PARTICIPANT") else fallback


def _own_name(tier: ET.Element) -> str:
    """The name of a tier of another kind, without what was appended when it was written here."""
    name = tier.get("TIER_ID", "")
    own = tier.get("LINGUISTIC_TYPE_REF")
    who = tier.get("ANNOTATOR", "")
    if own == FREE_LANE_TYPE:
        name = re.sub(r" #\d+$", "", name)
    if who and own in (FREE_TYPE, FREE_LANE_TYPE):
        name = name.removesuffix(f"@{who}")
    return name
