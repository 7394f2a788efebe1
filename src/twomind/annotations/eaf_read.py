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
from urllib.parse import unquote

from twomind.annotations.marks import (
    CODED,
    Annotations,
    Mark,
    Tier,
    guess_kind,
    merge_tiers,
    parse_kind,
)
from twomind.core.errors import UNREADABLE, BadInput, quoted, shortened

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
#: No lane of coding has so many lanes above it; each costs a step of the stack.
_MOST_PARENTS = 100
#: A time of more digits is no time of a recording (this many are three centuries).
_MOST_DIGITS = 13
_KNOWN_FORMATS = ("2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "3.0")


@dataclass(frozen=True)
class Entry:
    """One annotation of the file, with its resolved time in whole milliseconds of the document
    (before any offset).
    """

    id: str
    tier: str
    value: str
    start_ms: int
    end_ms: int
    parent: str = ""


@dataclass(frozen=True)
class Source:
    """What an EAF file held: its tree as text, what its tiers were read as, and the offset that was
    added.
    """

    xml: str
    tiers: tuple[Tier, ...]
    names: Mapping[
        tuple[str, str, str, str], tuple[str, ...]
    ]  # tier key → TIER_IDs, certainty tiers included
    entries: tuple[Entry, ...]
    offset_ms: int
    format: str


def read_eaf(
    path: Path | str, *, coder: str = "", named: Mapping[str, str] | None = None
) -> Annotations:
    """Everything in an EAF file.

    ``coder`` stands in where a coded tier names no annotator. ``named`` says what tiers with other
    names are, e.g. ``{"Ambivalenz": "ah", "Gesicht": "cue:facial"}``. A tier that is none of ours
    becomes one of kind ``other``.

    Times are on the clock of the first media file: where the file was shifted in ELAN, its offset
    is added.

    Raises: BadInput: no such file, not an EAF file, or one whose references or times contradict
        each other.
    """
    path = Path(path)
    if not path.is_file():
        there = "a folder" if path.is_dir() else "none"
        raise BadInput(f"{path}: expected an ELAN file (.eaf), there is {there}")
    try:
        root = ET.fromstring(path.read_bytes())
    except (ET.ParseError, ValueError, LookupError) as error:
        raise BadInput(
            f"{path}: expected an ELAN file (XML), but it cannot be parsed: {error}"
        ) from error
    try:
        return _read(root, path, coder, named or {})
    except (BadInput, *UNREADABLE) as error:  # the last: a value that the types refuse
        raise BadInput(f"{path}: {shortened(error)}") from error


def _read(root: ET.Element, path: Path, coder: str, named: Mapping[str, str]) -> Annotations:
    header = _header(root)
    media, offset_ms, problems = _media(header)
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
    return Annotations(
        recording=said.get("recording") or stem or path.stem,
        tiers=merged,
        subject=subject,
        media=media,
        duration_s=duration_s,
        problems=(*problems, *remarks),
        source=source,
    )


def _header(root: ET.Element) -> ET.Element:
    if root.tag != "ANNOTATION_DOCUMENT":
        raise BadInput(
            f"expected an ELAN file with the element ANNOTATION_DOCUMENT, got {root.tag}"
        )
    header = root.find("HEADER")
    if header is None or root.find("TIME_ORDER") is None:
        raise BadInput("expected the elements HEADER and TIME_ORDER, which every ELAN file has")
    units = header.get("TIME_UNITS", "milliseconds")
    if units != "milliseconds":
        raise BadInput(
            f"expected times in milliseconds, got TIME_UNITS={units}; save the file in ELAN again"
        )
    return header


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


def _media(header: ET.Element) -> tuple[str, int, list[str]]:
    """The first media file (relative where known), its offset in ms, and remarks."""
    found = []
    for descriptor in header.findall("MEDIA_DESCRIPTOR"):
        text = descriptor.get("TIME_ORIGIN")
        try:
            origin = int(text or 0)
        except ValueError:
            raise BadInput(f"expected TIME_ORIGIN in milliseconds, got {text!r}") from None
        url = descriptor.get("RELATIVE_MEDIA_URL") or descriptor.get("MEDIA_URL") or ""
        # ELAN writes a blank as it is or as %20, by version and by how the file was added.
        place = unquote(url.removeprefix("file://"))
        name = place.removeprefix("file:").removeprefix("./")
        found.append((name, origin))
    if not found:
        return header.get("MEDIA_FILE", ""), 0, []
    first, offset_ms = found[0]
    problems = []
    if offset_ms:
        problems.append(
            f"the media file was shifted by {offset_ms} ms in ELAN; times are on the media "
            "file's "
            "clock"
        )
    if len({origin for _, origin in found}) > 1:
        problems.append(
            f"{len(found)} media files with different offsets: times are on the clock of {first}"
        )
    return first, offset_ms, problems


class Resolver:
    """Times of all annotations of one document, in ms."""

    def __init__(self, root: ET.Element) -> None:
        self._remarks: list[str] = []
        self._slots: dict[str, int | None] = {}
        for slot in root.iterfind("TIME_ORDER/TIME_SLOT"):
            self._add_slot(slot)
        self._types: dict[str, str] = {}
        for linguistic_type in root.findall("LINGUISTIC_TYPE"):
            type_id = linguistic_type.get("LINGUISTIC_TYPE_ID", "")
            self._types[type_id] = linguistic_type.get("CONSTRAINTS", "")
        self._parent_tier: dict[str, str] = {}
        self._constraint: dict[str, str] = {}
        self._tier_of: dict[str, str] = {}
        self._order: list[tuple[str, str, ET.Element]] = []  # (annotation id, tier, element)
        self._element: dict[str, ET.Element] = {}
        for tier in root.findall("TIER"):
            self._add_tier(tier)
        self._check_parents()
        self._times: dict[str, tuple[int, int]] = {}
        self._open: set[str] = set()
        self._filled: dict[tuple[str, str], float] = {}
        self._chains = {tier: self._chain(tier) for tier in self._constraint}
        self._shared = self._sharing()

    def _add_slot(self, slot: ET.Element) -> None:
        name = slot.get("TIME_SLOT_ID", "")
        if not name or name in self._slots:
            raise BadInput(
                f"expected a TIME_SLOT_ID of its own for every time slot, got {name!r} again"
            )
        value = slot.get("TIME_VALUE")
        if value is None:
            self._slots[name] = None
            return
        if not re.fullmatch(rf"\s*\+?0*\d{{1,{_MOST_DIGITS}}}\s*", value):
            raise BadInput(
                f"time slot {name}: expected whole milliseconds from 0 on, got {quoted(value)}"
            )
        self._slots[name] = int(value)

    def _add_tier(self, tier: ET.Element) -> None:
        name = tier.get("TIER_ID", "")
        if not name or name in self._constraint:
            raise BadInput(f"expected a TIER_ID of its own for every tier, got {name!r} again")
        if tier.get("PARENT_REF"):
            self._parent_tier[name] = tier.get("PARENT_REF", "")
        self._constraint[name] = self._types.get(tier.get("LINGUISTIC_TYPE_REF", ""), "")
        for element in tier.iterfind("ANNOTATION/*"):
            self._add_annotation(element, name)

    def _add_annotation(self, element: ET.Element, tier: str) -> None:
        mark = element.get("ANNOTATION_ID", "")
        if not mark or mark in self._element:
            raise BadInput(
                f"tier {tier!r}: expected an ANNOTATION_ID of its own for every one, got "
                f"{mark!r} again"
            )
        self._check_kind(element, mark, tier)
        self._order.append((mark, tier, element))
        self._element[mark] = element
        self._tier_of[mark] = tier

    def _check_kind(self, element: ET.Element, mark: str, tier: str) -> None:
        """Whether an annotation is of a kind that is known, and its time slots are there."""
        if element.tag == "REF_ANNOTATION":
            return
        if element.tag != "ALIGNABLE_ANNOTATION":
            raise BadInput(
                f"tier {tier!r}: expected alignable or reference annotations, got {element.tag}"
            )
        for slot in (element.get("TIME_SLOT_REF1"), element.get("TIME_SLOT_REF2")):
            if slot not in self._slots:
                raise BadInput(f"annotation {mark} refers to the time slot {slot}: not there")

    def _check_parents(self) -> None:
        for name, parent in self._parent_tier.items():
            if parent not in self._constraint:
                raise BadInput(f"tier {name!r}: its parent tier {parent!r} is not there")
            seen = {name}
            while parent in self._parent_tier and parent not in seen:
                seen.add(parent)
                if len(seen) > _MOST_PARENTS:
                    raise BadInput(
                        f"tier {name!r} has more than {_MOST_PARENTS} tiers above it; expected "
                        "fewer"
                    )
                parent = self._parent_tier[parent]
            if parent in seen:
                raise BadInput(f"tier {name!r} is its own parent, in a circle")

    def _chain(self, tier: str) -> tuple[dict[str, str], dict[str, str]]:
        """The next and the previous time slot along one tier's alignable annotations."""
        after: dict[str, str] = {}
        before: dict[str, str] = {}
        for _, name, element in self._order:
            if name != tier or element.tag != "ALIGNABLE_ANNOTATION":
                continue
            start = element.attrib["TIME_SLOT_REF1"]
            end = element.attrib["TIME_SLOT_REF2"]
            for slot, links in ((start, after), (end, before)):
                if slot in links and self._slots[slot] is None:
                    raise BadInput(
                        f"tier {tier!r}: two annotations share one side of {slot}, a slot "
                        "without a time"
                    )
            after[start] = end
            before[end] = start
        return after, before

    def _sharing(self) -> dict[tuple[str, str], list[ET.Element]]:
        """Reference annotations that share one parent annotation on one tier, in their order."""
        shared: dict[tuple[str, str], list[ET.Element]] = defaultdict(list)
        for mark, tier, element in self._order:
            if element.tag != "REF_ANNOTATION":
                continue
            parent = element.get("ANNOTATION_REF", "")
            if parent not in self._element:
                raise BadInput(f"annotation {mark} refers to the annotation {parent!r}: not there")
            shared[tier, parent].append(element)
        return {key: _in_order(group) for key, group in shared.items()}

    def entries(self) -> tuple[list[Entry], list[str]]:
        """All annotations in the order of the file, and remarks."""
        found = []
        for mark, tier, element in self._order:
            start, end = self._span(mark)
            if end < start:
                raise BadInput(
                    f"annotation {mark} on tier {tier!r} ends at {end} ms, before it begins at "
                    f"{start} ms"
                )
            text = element.findtext("ANNOTATION_VALUE") or ""
            parent = element.get("ANNOTATION_REF", "")
            found.append(Entry(mark, tier, text, start, end, parent))
        if self._filled:
            self._remarks.append(
                f"{len(self._filled)} time slots carry no time; they were laid evenly between "
                "their "
                "neighbours, "
                "as ELAN shows them"
            )
        return found, self._remarks

    def _span(self, mark: str) -> tuple[int, int]:
        if mark in self._times:
            return self._times[mark]
        if mark in self._open:
            raise BadInput(f"annotation {mark} refers to itself in a circle")
        self._open.add(mark)
        element = self._element[mark]
        if element.tag == "ALIGNABLE_ANNOTATION":
            span = self._own_span(element, self._tier_of[mark])
        else:
            span = self._part_of_parent(element, self._tier_of[mark])
        self._times[mark] = span
        return span

    def _own_span(self, element: ET.Element, tier: str) -> tuple[int, int]:
        start = self._slot(element.attrib["TIME_SLOT_REF1"], tier)
        end = self._slot(element.attrib["TIME_SLOT_REF2"], tier)
        return round(start), round(end)

    def _part_of_parent(self, element: ET.Element, tier: str) -> tuple[int, int]:
        """The parent's time, or where several subdivide it, an even part of it."""
        parent = element.get("ANNOTATION_REF", "")
        start, end = self._span(parent)
        if self._constraint[tier] == "Symbolic_Association":
            return start, end
        group = self._shared[tier, parent]
        k = group.index(element)
        n = len(group)
        length = end - start
        return start + length * k // n, start + length * (k + 1) // n

    def _slot(self, slot: str, tier: str) -> float:
        """Time of a slot; one without a value lies evenly between its neighbours with a time in the
        tier's chain.
        """
        known = self._anchor(slot, tier)
        if known is not None:
            return known
        if (slot, tier) not in self._filled:
            low, n_low = self._walk(slot, tier, back=True)
            high, n_high = self._walk(slot, tier, back=False)
            n_steps = n_low + n_high
            self._filled[slot, tier] = low + (high - low) * n_low / n_steps
        return self._filled[slot, tier]

    def _anchor(self, slot: str, tier: str) -> float | None:
        """The slot's own time, or the one it has on the parent tier where that uses it too."""
        value = self._slots[slot]
        if value is not None:
            return value
        parent = self._parent_tier.get(tier)
        if parent is None:
            return None
        if any(slot in links for links in self._chains[parent]):
            return self._slot(slot, parent)
        return None

    def _walk(self, slot: str, tier: str, back: bool) -> tuple[float, int]:
        """Time of the nearest slot that has one along the chain, and how many steps away it is."""
        links = self._chains[tier][1 if back else 0]
        at = slot
        n = 0
        seen = {slot}
        while at in links:
            at = links[at]
            n += 1
            value = self._anchor(at, tier)
            if value is not None:
                return value, n
            if at in seen:
                raise BadInput(f"tier {tier!r}: its time slots refer to each other in a circle")
            seen.add(at)
        # The chain ends without a time: the next slot that has one in the document's order bounds
        # it.
        names = list(self._slots)
        here = names.index(at)
        further = names[:here][::-1] if back else names[here + 1 :]
        for name in further:
            value = self._slots[name]
            if value is not None:
                return value, n + 1
        if back:
            return 0.0, n + 1
        raise BadInput(
            f"tier {tier!r}: the time slot {slot} has no time, and none after it has one"
        )


def _in_order(group: list[ET.Element]) -> list[ET.Element]:
    """Reference annotations along their PREVIOUS_ANNOTATION chain; the order of the file where
    there is no chain.
    """
    after = {}
    first = []
    for element in group:
        previous = element.get("PREVIOUS_ANNOTATION")
        if previous:
            after[previous] = element
        else:
            first.append(element)
    if len(first) != 1 or len(after) != len(group) - 1:
        return group
    chain = first
    while len(chain) < len(group):
        following = after.get(chain[-1].get("ANNOTATION_ID", ""))
        if following is None:
            return group
        chain.append(following)
    return chain


def _tiers(
    root: ET.Element, entries: list[Entry], offset_ms: int, coder: str, named: Mapping[str, str]
) -> tuple[list[Tier], dict[tuple[str, str, str, str], tuple[str, ...]]]:
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
    names: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
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
