"""Write ELAN's ``.eaf``, format 2.8 or 3.0: tiers by kind and coder, with vocabularies to choose
labels from.

A file that was read is written from its own tree: tiers that did not change stay as they were, byte
for byte of their content, with everything else the file holds. Tiers that changed are written anew;
tiers of other kinds that hang on them keep their marks and times, but stand on their own.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from twomind.annotations.eaf_read import (
    CERTAINTY_TYPE,
    FREE_LANE_TYPE,
    FREE_TYPE,
    OWN_TYPES,
    PROPERTY,
    Source,
)
from twomind.annotations.marks import VOCABULARY, Annotations, Mark, Tier
from twomind.core.errors import BadInput
from twomind.core.store import write_text

FORMATS = ("2.8", "3.0")
#: Order of the elements in a document, as the schema demands.
ORDER = (
    "LICENSE",
    "HEADER",
    "TIME_ORDER",
    "TIER",
    "LINGUISTIC_TYPE",
    "LOCALE",
    "LANGUAGE",
    "CONSTRAINT",
    "CONTROLLED_VOCABULARY",
    "LEXICON_REF",
    "REF_LINK_SET",
    "EXTERNAL_REF",
)
CONSTRAINTS = {
    "Time_Subdivision": "Time subdivision of parent annotation's time interval, no time gaps "
    "allowed within this "
    "interval",
    "Symbolic_Subdivision": "Symbolic subdivision of a parent annotation. Annotations refering to "
    "the same parent are "
    "ordered",
    "Symbolic_Association": "1-1 association with a parent annotation",
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps "
    "are allowed",
}
CERTAINTIES = ("low", "medium", "high")
_MIME = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
    ".wmv": "video/x-ms-wmv",
    ".ogv": "video/ogg",
    ".wav": "audio/x-wav",
    ".mp3": "audio/mpeg",
}
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_TYPE_OF = {kind: name for name, kind in OWN_TYPES.items()}
_UND = {
    "LANG_ID": "und",
    "LANG_DEF": "http://cdb.iso.org/lg/CDB-00130975-001",
    "LANG_LABEL": "undetermined (und)",
}


def write_eaf(
    annotations: Annotations, path: Path | str, *, format: str | None = None, author: str = ""
) -> Path:
    """Write an EAF file that ELAN opens, atomically; reading it gives the same annotations at 1 ms.

    ``format`` is ``2.8`` or ``3.0``; None keeps the file's own where it was read from one, else
    3.0. A mark of less than half a millisecond becomes 1 ms long, because ELAN has no annotations
    without length. Marks that overlap on one tier, which ELAN does not allow, go to further tiers
    of the same kind (``A/H #2``).

    Raises:
        BadInput: another format, or something that EAF cannot hold.
    """
    source: Source | None = annotations.source
    chosen = format or (source.format if source and source.format in FORMATS else "3.0")
    if chosen not in FORMATS:
        raise BadInput(f"expected the EAF format {' or '.join(FORMATS)}, got {chosen!r}")
    try:
        root = _updated(annotations, source) if source else _fresh(annotations)
    except OverflowError as error:
        raise BadInput(f"{path}: {error}") from error
    _stamp(root, annotations, chosen, author)
    ET.indent(root, "    ")
    ET.register_namespace("xsi", _XSI)
    text = ET.tostring(root, encoding="unicode", short_empty_elements=True)
    return write_text(Path(path), f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')


def _fresh(annotations: Annotations) -> ET.Element:
    root = ET.Element("ANNOTATION_DOCUMENT", {"AUTHOR": ""})
    ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    ET.SubElement(root, "TIME_ORDER")
    _Appender(root, annotations.subject, 0).add(annotations.tiers)
    return root


def _updated(annotations: Annotations, source: Source) -> ET.Element:
    """The source's tree, with the tiers that are no longer the same taken out and written anew."""
    root = ET.fromstring(source.xml)
    before = {t.key: _ms(t) for t in source.tiers}
    now = {t.key: t for t in annotations.tiers}
    stale = {key for key in before if key not in now or _ms(now[key]) != before[key]}
    parent = {t.get("TIER_ID", ""): t.get("PARENT_REF") for t in root.findall("TIER")}
    # A tier whose parent goes cannot stay as it is, for its annotations refer to the parent's; nor
    # can its own rows.
    while True:
        gone = {name for key in stale for name in source.names[key]}
        hanging = {name for name, above in parent.items() if above in gone} - gone
        if not hanging:
            break
        grown = stale | {key for key, names in source.names.items() if hanging & set(names)}
        assert grown > stale, "every tier of a file belongs to one that was read from it"
        stale = grown
    appender = _Appender(root, annotations.subject, source.offset_ms)
    slots = _used_slots(root)
    for tier in [t for t in root.findall("TIER") if t.get("TIER_ID") in gone]:
        root.remove(tier)
    _drop(root, slots - _used_slots(root))
    appender.add([t for t in annotations.tiers if t.key in stale or t.key not in before])
    return root


def _ms(tier: Tier) -> Tier:
    return replace(tier, marks=tuple(m.at_ms() for m in tier.marks))


def _used_slots(root: ET.Element) -> set[str | None]:
    return {
        e.get(name)
        for e in root.iter("ALIGNABLE_ANNOTATION")
        for name in ("TIME_SLOT_REF1", "TIME_SLOT_REF2")
    }


def _drop(root: ET.Element, slots: set[str | None]) -> None:
    """Take out time slots, and links to annotations that are gone."""
    order = root.find("TIME_ORDER")
    assert order is not None
    for slot in [s for s in order if s.get("TIME_SLOT_ID") in slots]:
        order.remove(slot)
    marks = {e.get("ANNOTATION_ID") for e in root.iter() if "ANNOTATION_ID" in e.attrib}
    links = {e.get("REF_LINK_ID") for e in root.iter() if "REF_LINK_ID" in e.attrib}
    for group in root.findall("REF_LINK_SET"):
        for link in list(group):
            ends = [link.get("REF1"), link.get("REF2"), *(link.get("REFS") or "").split()]
            if any(end not in marks | links for end in ends if end):
                group.remove(link)


def _stamp(root: ET.Element, annotations: Annotations, format: str, author: str) -> None:
    """What the head of a document says, and its elements in the order of the schema."""
    if format == "2.8" and root.find("REF_LINK_SET") is not None:
        raise BadInput(
            "the file holds links between annotations, which format 2.8 does not know; write it as "
            "3.0"
        )
    if author or "AUTHOR" not in root.attrib:
        root.set("AUTHOR", author)
    root.set("DATE", datetime.now(UTC).isoformat(timespec="seconds"))
    root.set("FORMAT", format)
    root.set("VERSION", format)
    root.set(
        f"{{{_XSI}}}noNamespaceSchemaLocation", f"http://www.mpi.nl/tools/elan/EAFv{format}.xsd"
    )
    header = root.find("HEADER")
    assert header is not None
    if annotations.source is None and annotations.media:
        _add_media(header, annotations.media)
    facts = {
        "recording": annotations.recording,
        "subject": annotations.subject,
        "duration_s": f"{annotations.duration_s:.3f}"
        if annotations.duration_s == annotations.duration_s
        else "",
    }
    for name, value in facts.items():
        _set_property(header, f"{PROPERTY}{name}", value)
    _set_property(header, "lastUsedAnnotationId", str(_last_mark(root)))
    _modern_vocabularies(root)
    root[:] = sorted(root, key=lambda e: ORDER.index(e.tag) if e.tag in ORDER else len(ORDER))


def _last_mark(root: ET.Element) -> int:
    """The highest number that an annotation has, or ever had according to ELAN."""
    ids = [e.get("ANNOTATION_ID", "") for e in root.iter()]
    said = [f"a{p.text}" for p in root.iter("PROPERTY") if p.get("NAME") == "lastUsedAnnotationId"]
    return max(
        (int(m.group(1)) for text in (*ids, *said) if (m := re.fullmatch(r"a(\d+)", text))),
        default=0,
    )


def _set_property(header: ET.Element, name: str, value: str) -> None:
    found = next((p for p in header.findall("PROPERTY") if p.get("NAME") == name), None)
    if found is None and value:
        found = ET.SubElement(header, "PROPERTY", {"NAME": name})
    if found is not None:
        found.text = value


def _add_media(header: ET.Element, media: str) -> None:
    """The media file by its relative place alone: the two move together, and no one's folder names
    leave the house.
    """
    place = PurePosixPath(media.replace("\\", "/"))
    elsewhere = (
        place.is_absolute() or str(place).startswith("..") or re.match("[A-Za-z]:", str(place))
    )
    url = str(place) if elsewhere else f"./{place}"
    mime = _MIME.get(place.suffix.lower(), "video/*")
    header.insert(
        0,
        ET.Element(
            "MEDIA_DESCRIPTOR", {"MEDIA_URL": url, "MIME_TYPE": mime, "RELATIVE_MEDIA_URL": url}
        ),
    )


def _modern_vocabularies(root: ET.Element) -> None:
    """Vocabularies of formats before 2.8 in the form that 2.8 and 3.0 demand."""
    vocabularies = root.findall("CONTROLLED_VOCABULARY")
    old = [
        cv for cv in vocabularies if cv.find("CV_ENTRY") is not None or "DESCRIPTION" in cv.attrib
    ]
    for cv in old:
        entries = cv.findall("CV_ENTRY")
        for entry in entries:
            cv.remove(entry)
        description = cv.attrib.pop("DESCRIPTION", "")
        cv.insert(0, _element("DESCRIPTION", {"LANG_REF": "und"}, description))
        for i, entry in enumerate(entries):
            attributes = {"CVE_ID": _entry_id(cv.get("CV_ID", ""), i)}
            if "EXT_REF" in entry.attrib:
                attributes["EXT_REF"] = entry.attrib["EXT_REF"]
            node = ET.SubElement(cv, "CV_ENTRY_ML", attributes)
            about = (
                {"DESCRIPTION": entry.attrib["DESCRIPTION"]}
                if "DESCRIPTION" in entry.attrib
                else {}
            )
            node.append(_element("CVE_VALUE", {**about, "LANG_REF": "und"}, entry.text or ""))
    if old and all(e.get("LANG_ID") != "und" for e in root.findall("LANGUAGE")):
        ET.SubElement(root, "LANGUAGE", _UND)


def _element(tag: str, attributes: Mapping[str, str], text: str) -> ET.Element:
    element = ET.Element(tag, dict(attributes))
    element.text = text
    return element


def _entry_id(vocabulary: str, i: int) -> str:
    return f"cve_{re.sub(r'[^A-Za-z0-9]+', '_', vocabulary)}_{i}"


class _Appender:
    """Adds tiers, with their time slots, types and vocabularies, to a document."""

    def __init__(self, root: ET.Element, subject: str, offset_ms: int) -> None:
        self._root, self._subject, self._offset_ms = root, subject, offset_ms
        # Identifiers of what will be taken out are not given to something else.
        self._ids = {
            value for e in root.iter() for name, value in e.attrib.items() if name.endswith("_ID")
        }
        self._tier_ids: set[str] = set()
        self._n_slots = 0
        self._n_marks = _last_mark(root)
        self._slots: list[tuple[int, ET.Element]] = []
        self._entries: dict[tuple[str, str], str] = {}  # (vocabulary, label) → entry

    def add(self, tiers: Sequence[Tier]) -> None:
        if not tiers:
            return
        self._tier_ids = {t.get("TIER_ID", "") for t in self._root.findall("TIER")}
        self._add_vocabularies(tiers)
        for tier in tiers:
            self._add_tier(tier)
        self._place_slots()
        self._add_types()

    def _add_tier(self, tier: Tier) -> None:
        own = _TYPE_OF.get((tier.kind, tier.modality))
        base = (own or tier.name) + (f"@{tier.coder}" if tier.coder else "")
        for lane in _lanes(tier.marks, self._offset_ms):
            name, n = base, 1
            while name in self._tier_ids:
                n += 1
                name = f"{base} #{n}"
            self._tier_ids.add(name)
            type_ref = own or (FREE_TYPE if n == 1 else FREE_LANE_TYPE)
            element = self._tier_element(name, type_ref, tier.coder)
            ids = [self._alignable(element, spot) for spot in lane]
            if tier.kind == "ah" or any(mark.certainty for mark, _, _ in lane):
                certain = [mark.certainty for mark, _, _ in lane]
                self._add_certainty(name, tier.coder, zip(ids, certain, strict=True))

    def _tier_element(self, name: str, type_ref: str, coder: str, parent: str = "") -> ET.Element:
        attributes = {"LINGUISTIC_TYPE_REF": type_ref, "TIER_ID": name}
        if coder:
            attributes["ANNOTATOR"] = coder
        if self._subject:
            attributes["PARTICIPANT"] = self._subject
        if parent:
            attributes["PARENT_REF"] = parent
        return ET.SubElement(self._root, "TIER", attributes)

    def _alignable(self, tier: ET.Element, spot: tuple[Mark, int, int]) -> str:
        mark, start_ms, end_ms = spot
        attributes = {
            "ANNOTATION_ID": self._new_id("a"),
            "TIME_SLOT_REF1": self._slot(start_ms),
            "TIME_SLOT_REF2": self._slot(end_ms),
        }
        entry = self._entries.get((tier.attrib["LINGUISTIC_TYPE_REF"], mark.label))
        if entry:
            attributes["CVE_REF"] = entry
        holder = ET.SubElement(
            ET.SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION", attributes
        )
        ET.SubElement(holder, "ANNOTATION_VALUE").text = mark.label
        return attributes["ANNOTATION_ID"]

    def _add_certainty(self, parent: str, coder: str, values: Iterable[tuple[str, str]]) -> None:
        name = f"certainty of {parent}"
        while name in self._tier_ids:
            name += "'"
        self._tier_ids.add(name)
        tier = self._tier_element(name, CERTAINTY_TYPE, coder, parent)
        for mark, value in values:
            if value:
                attributes = {"ANNOTATION_ID": self._new_id("a"), "ANNOTATION_REF": mark}
                holder = ET.SubElement(
                    ET.SubElement(tier, "ANNOTATION"), "REF_ANNOTATION", attributes
                )
                ET.SubElement(holder, "ANNOTATION_VALUE").text = value

    def _new_id(self, prefix: str) -> str:
        while True:
            if prefix == "a":
                self._n_marks += 1
                name = f"a{self._n_marks}"
            else:
                self._n_slots += 1
                name = f"ts{self._n_slots}"
            if name not in self._ids:
                self._ids.add(name)
                return name

    def _slot(self, time_ms: int) -> str:
        name = self._new_id("ts")
        self._slots.append(
            (time_ms, ET.Element("TIME_SLOT", {"TIME_SLOT_ID": name, "TIME_VALUE": str(time_ms)}))
        )
        return name

    def _place_slots(self) -> None:
        """New slots among the old ones in order of time; a slot without a time stays behind the one
        before it.
        """
        order = self._root.find("TIME_ORDER")
        assert order is not None
        keyed: list[tuple[int, int, ET.Element]] = []
        last = 0
        for slot in order:
            last = int(slot.get("TIME_VALUE") or last)
            keyed.append((last, 0, slot))
        keyed += [(time_ms, 1, slot) for time_ms, slot in self._slots]
        order[:] = [slot for _, _, slot in sorted(keyed, key=lambda k: k[:2])]

    def _add_vocabularies(self, tiers: Sequence[Tier]) -> None:
        """Per type the labels to choose from: those of the codebook, and others that occur."""
        found: dict[str, dict[str, None]] = {}
        for tier in tiers:
            labels = VOCABULARY.get((tier.kind, tier.modality))
            if labels:
                chosen = found.setdefault(_TYPE_OF[tier.kind, tier.modality], dict.fromkeys(labels))
                chosen |= dict.fromkeys(m.label for m in tier.marks if m.label)
        if any(t.kind == "ah" for t in tiers):
            found[CERTAINTY_TYPE] = dict.fromkeys(CERTAINTIES)
        if found:
            self._add_missing("LANGUAGE", "LANG_ID", [_UND])
        for name, entries in found.items():
            self._add_vocabulary(name, list(entries))

    def _add_types(self) -> None:
        """Types and constraints that the document does not have yet."""
        have = {t.get("LINGUISTIC_TYPE_ID") for t in self._root.findall("LINGUISTIC_TYPE")}
        used = {t.get("LINGUISTIC_TYPE_REF") for t in self._root.findall("TIER")}
        vocabularies = {cv.get("CV_ID") for cv in self._root.findall("CONTROLLED_VOCABULARY")}
        for name in (*OWN_TYPES, CERTAINTY_TYPE, FREE_TYPE, FREE_LANE_TYPE):
            if name not in used or name in have:
                continue
            attributes = {
                "GRAPHIC_REFERENCES": "false",
                "LINGUISTIC_TYPE_ID": name,
                "TIME_ALIGNABLE": "true",
            }
            if name == CERTAINTY_TYPE:
                attributes |= {"TIME_ALIGNABLE": "false", "CONSTRAINTS": "Symbolic_Association"}
            if name in vocabularies:
                attributes["CONTROLLED_VOCABULARY_REF"] = name
            ET.SubElement(self._root, "LINGUISTIC_TYPE", attributes)
        constraints = [{"STEREOTYPE": s, "DESCRIPTION": d} for s, d in CONSTRAINTS.items()]
        self._add_missing("CONSTRAINT", "STEREOTYPE", constraints)

    def _add_missing(self, tag: str, key: str, wanted: Sequence[dict[str, str]]) -> None:
        have = {e.get(key) for e in self._root.findall(tag)}
        for attributes in wanted:
            if attributes[key] not in have:
                ET.SubElement(self._root, tag, attributes)

    def _add_vocabulary(self, name: str, labels: Sequence[str]) -> None:
        cv = next(
            (c for c in self._root.findall("CONTROLLED_VOCABULARY") if c.get("CV_ID") == name), None
        )
        if cv is None:
            cv = ET.SubElement(self._root, "CONTROLLED_VOCABULARY", {"CV_ID": name})
            ET.SubElement(cv, "DESCRIPTION", {"LANG_REF": "und"})
        for entry in cv.findall("CV_ENTRY_ML"):
            for value in entry.findall("CVE_VALUE"):
                self._entries[name, value.text or ""] = entry.get("CVE_ID", "")
        used = {e.get("CVE_ID") for e in cv.findall("CV_ENTRY_ML")}
        i = 0
        for label in labels:
            if (name, label) in self._entries:
                continue
            while _entry_id(name, i) in used:
                i += 1
            used.add(_entry_id(name, i))
            entry = ET.SubElement(cv, "CV_ENTRY_ML", {"CVE_ID": _entry_id(name, i)})
            ET.SubElement(entry, "CVE_VALUE", {"LANG_REF": "und", "DESCRIPTION": ""}).text = label
            self._entries[name, label] = _entry_id(name, i)


def _lanes(marks: Sequence[Mark], offset_ms: int) -> list[list[tuple[Mark, int, int]]]:
    """Marks in rows that do not overlap (at least one row), with start and end in ms of the
    document.
    """
    lanes: list[list[tuple[Mark, int, int]]] = []
    for mark in sorted(marks):
        start_ms = round(mark.start_s * 1000) - offset_ms
        end_ms = max(round(mark.end_s * 1000) - offset_ms, start_ms + 1)
        if start_ms < 0:
            raise OverflowError(
                f"a mark at {mark.start_s} s lies before the shifted start of the ELAN file"
            )
        lane = next((lane for lane in lanes if lane[-1][2] <= start_ms), None)
        if lane is None:
            lane = []
            lanes.append(lane)
        lane.append((mark, start_ms, end_ms))
    return lanes or [[]]
