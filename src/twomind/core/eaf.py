"""ELAN's ``.eaf`` (formats up to 3.0): every annotation with its time, however ELAN keeps it.

ELAN stores times in three ways: alignable annotations with time slots; slots without a value, which
lie evenly between their aligned neighbours in the chain; and reference annotations, which share
their parent's time (evenly, where several subdivide it). All become milliseconds here. Coders' marks
and transcripts are both read from these.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import dataclass
from urllib.parse import unquote

from twomind.core.errors import BadInput, quoted

#: No lane of coding has so many lanes above it; each costs a step of the stack.
_MOST_PARENTS = 100
#: A time of more digits is not a time of a recording (this many are three centuries).
_MOST_DIGITS = 13


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


def parse_eaf(raw: bytes) -> ET.Element:
    """The tree of an ELAN file.

    Raises:
        BadInput: it is not XML.
    """
    try:
        return ET.fromstring(raw)
    except (ET.ParseError, ValueError, LookupError) as error:
        raise BadInput(f"expected an ELAN file (XML), but it cannot be parsed: {error}") from error


def header_of(root: ET.Element) -> ET.Element:
    """The header of a document, which must count in milliseconds."""
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


def media_of(header: ET.Element) -> tuple[str, int, list[str]]:
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
