"""Write ELAN's ``.eaf``, format 2.8 or 3.0: tiers by kind and coder, with vocabularies to choose
labels from.

A file that was read is written from its own tree: tiers that did not change stay as they were, byte
for byte of their content, with everything else the file holds. Tiers that changed are written anew;
tiers of other kinds that hang on them keep their marks and times, but stand on their own.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from twomind.annotations.marks import VOCABULARY, Annotations, Key, Mark, Tier
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
_UNDETERMINED_LANGUAGE = {
    "LANG_ID": "und",
    "LANG_DEF": "http://cdb.iso.org/lg/CDB-00130975-001",
    "LANG_LABEL": "undetermined (und)",
}


def write_eaf(
    annotations: Annotations,
    path: Path | str,
    *,
    format: str | None = None,
    author: str = "",
    date: str = "",
) -> Path:
    """Write an EAF file that ELAN opens, atomically; reading it gives the same annotations at 1 ms.

    A mark of less than half a millisecond becomes 1 ms long, because ELAN has no annotations
    without length. Marks that overlap on one tier, which ELAN does not allow, go to further tiers
    of the same kind (``A/H #2``).

    Args:
        annotations: what to write.
        path: the file.
        format: ``2.8`` or ``3.0``; None keeps the file's own where it was read from one, else 3.0.
        author: stands in the file.
        date: stands in the file, in place of that of the moment.

    Returns:
        The file.

    Raises:
        BadInput: another format, or something that EAF cannot hold.

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
    try:
        text = eaf_text(annotations, format=format, author=author, date=date)
    except OverflowError as error:
        raise BadInput(f"{path}: {error}") from error
    return write_text(Path(path), text)


def eaf_text(
    annotations: Annotations, *, format: str | None = None, author: str = "", date: str = ""
) -> str:
    """What :func:`write_eaf` writes, for whoever keeps it elsewhere than in a file.

    Args:
        annotations: what to write.
        format: ``2.8`` or ``3.0``; None keeps the file's own, else 3.0.
        author: stands in the file.
        date: stands in the file, in place of that of the moment.

    Raises:
        BadInput: another format.
        OverflowError: something that EAF cannot hold.
    """
    source: Source | None = annotations.source
    chosen = format or (source.format if source and source.format in FORMATS else "3.0")
    if chosen not in FORMATS:
        raise BadInput(f"expected the EAF format {' or '.join(FORMATS)}, got {chosen!r}")
    root = _updated(annotations, source) if source else _fresh(annotations)
    _stamp(root, annotations, chosen, author)
    if date:
        root.set("DATE", date)
    ET.indent(root, "    ")
    ET.register_namespace("xsi", _XSI)
    text = ET.tostring(root, encoding="unicode", short_empty_elements=True)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _fresh(annotations: Annotations) -> ET.Element:
    root = ET.Element("ANNOTATION_DOCUMENT", {"AUTHOR": ""})
    ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    ET.SubElement(root, "TIME_ORDER")
    _Appender(root, annotations.subject, 0).add(annotations.tiers)
    return root


def _updated(annotations: Annotations, source: Source) -> ET.Element:
    """The source's tree, with the tiers that are no longer the same taken out and written anew."""
    root = ET.fromstring(source.xml)
    before = {tier.key: tier.at_ms() for tier in source.tiers}
    now = {tier.key: tier for tier in annotations.tiers}
    changed = {key for key, tier in before.items() if key not in now or now[key].at_ms() != tier}
    stale = _with_hanging(changed, root, source)
    gone = _names_of(stale, source)
    appender = _Appender(root, annotations.subject, source.offset_ms)
    slots = _used_slots(root)
    for tier in root.findall("TIER"):
        if tier.get("TIER_ID") in gone:
            root.remove(tier)
    _drop(root, slots - _used_slots(root))
    kept = before.keys() - stale
    appender.add([tier for tier in annotations.tiers if tier.key not in kept])
    return root


def _names_of(keys: set[Key], source: Source) -> set[str]:
    """Names that tiers have in the file, those of their certainties too."""
    return {name for key in keys for name in source.names[key]}


def _with_hanging(stale: set[Key], root: ET.Element, source: Source) -> set[Key]:
    """Also what hangs on tiers that go: it cannot stay as it is, for its annotations refer to the
    parent's; nor can its own rows.
    """
    parent = {tier.get("TIER_ID", ""): tier.get("PARENT_REF") for tier in root.findall("TIER")}
    while True:
        gone = _names_of(stale, source)
        hanging = {name for name, above in parent.items() if above in gone} - gone
        if not hanging:
            return stale
        touched = {key for key, names in source.names.items() if hanging & set(names)}
        assert touched - stale, "every tier of a file belongs to one that was read from it"
        stale = stale | touched


def _used_slots(root: ET.Element) -> set[str | None]:
    found = set()
    for element in root.iter("ALIGNABLE_ANNOTATION"):
        found.add(element.get("TIME_SLOT_REF1"))
        found.add(element.get("TIME_SLOT_REF2"))
    return found


def _drop(root: ET.Element, slots: set[str | None]) -> None:
    """Take out time slots, and links to annotations that are gone."""
    order = root.find("TIME_ORDER")
    assert order is not None
    for slot in list(order):
        if slot.get("TIME_SLOT_ID") in slots:
            order.remove(slot)
    known = _values(root, "ANNOTATION_ID") | _values(root, "REF_LINK_ID")
    for group in root.findall("REF_LINK_SET"):
        for link in list(group):
            ends = [link.get("REF1"), link.get("REF2"), *(link.get("REFS") or "").split()]
            if any(end and end not in known for end in ends):
                group.remove(link)


def _values(root: ET.Element, name: str) -> set[str]:
    """Every value that an attribute has in a document."""
    return {element.attrib[name] for element in root.iter() if name in element.attrib}


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
    schema = f"http://www.mpi.nl/tools/elan/EAFv{format}.xsd"
    root.set(f"{{{_XSI}}}noNamespaceSchemaLocation", schema)
    header = root.find("HEADER")
    assert header is not None
    if annotations.source is None and annotations.media:
        _add_media(header, annotations.media)
    known = math.isfinite(annotations.duration_s)
    duration = f"{annotations.duration_s:.3f}" if known else ""
    _set_property(header, f"{PROPERTY}recording", annotations.recording)
    _set_property(header, f"{PROPERTY}subject", annotations.subject)
    _set_property(header, f"{PROPERTY}duration_s", duration)
    _set_property(header, "lastUsedAnnotationId", str(_last_mark(root)))
    _modern_vocabularies(root)
    root[:] = sorted(root, key=_place)


def _place(element: ET.Element) -> int:
    """Where an element stands in a document."""
    return ORDER.index(element.tag) if element.tag in ORDER else len(ORDER)


def _last_mark(root: ET.Element) -> int:
    """The highest number that an annotation has, or ever had according to ELAN."""
    texts = [element.get("ANNOTATION_ID", "") for element in root.iter()]
    for element in root.iter("PROPERTY"):
        if element.get("NAME") == "lastUsedAnnotationId":
            texts.append(f"a{element.text}")
    matches = [re.fullmatch(r"a(\d+)", text) for text in texts]
    return max((int(match.group(1)) for match in matches if match), default=0)


def _set_property(header: ET.Element, name: str, value: str) -> None:
    found = _named(header, "PROPERTY", "NAME", name)
    if found is None and value:
        found = ET.SubElement(header, "PROPERTY", {"NAME": name})
    if found is not None:
        found.text = value


def _named(parent: ET.Element, tag: str, key: str, value: str) -> ET.Element | None:
    """The first element of a kind whose attribute has this value."""
    for element in parent.findall(tag):
        if element.get(key) == value:
            return element
    return None


def _add_media(header: ET.Element, media: str) -> None:
    """The media file by its relative place alone: the two move together, and no one's folder names
    leave the house.
    """
    place = PurePosixPath(media.replace("\\", "/"))
    url = str(place)
    on_a_drive = re.match("[A-Za-z]:", url) is not None
    if not (place.is_absolute() or url.startswith("..") or on_a_drive):
        url = f"./{place}"
    url = url.replace("%", "%25")  # a URL's sign for a character by its number
    mime = _MIME.get(place.suffix.lower(), "video/*")
    attributes = {"MEDIA_URL": url, "MIME_TYPE": mime, "RELATIVE_MEDIA_URL": url}
    header.insert(0, ET.Element("MEDIA_DESCRIPTOR", attributes))


def _modern_vocabularies(root: ET.Element) -> None:
    """Vocabularies of formats before 2.8 in the form that 2.8 and 3.0 demand."""
    changed = False
    for vocabulary in root.findall("CONTROLLED_VOCABULARY"):
        if vocabulary.find("CV_ENTRY") is not None or "DESCRIPTION" in vocabulary.attrib:
            _modernise(vocabulary)
            changed = True
    if changed and _named(root, "LANGUAGE", "LANG_ID", "und") is None:
        ET.SubElement(root, "LANGUAGE", _UNDETERMINED_LANGUAGE)


def _modernise(vocabulary: ET.Element) -> None:
    entries = vocabulary.findall("CV_ENTRY")
    for entry in entries:
        vocabulary.remove(entry)
    description = vocabulary.attrib.pop("DESCRIPTION", "")
    vocabulary.insert(0, _element("DESCRIPTION", {"LANG_REF": "und"}, description))
    for i, entry in enumerate(entries):
        attributes = {"CVE_ID": _entry_id(vocabulary.get("CV_ID", ""), i)}
        if "EXT_REF" in entry.attrib:
            attributes["EXT_REF"] = entry.attrib["EXT_REF"]
        node = ET.SubElement(vocabulary, "CV_ENTRY_ML", attributes)
        about = {}
        if "DESCRIPTION" in entry.attrib:
            about["DESCRIPTION"] = entry.attrib["DESCRIPTION"]
        about["LANG_REF"] = "und"
        node.append(_element("CVE_VALUE", about, entry.text or ""))


def _element(tag: str, attributes: Mapping[str, str], text: str) -> ET.Element:
    element = ET.Element(tag, dict(attributes))
    element.text = text
    return element


def _entry_id(vocabulary: str, i: int) -> str:
    plain = re.sub(r"[^A-Za-z0-9]+", "_", vocabulary)
    return f"cve_{plain}_{i}"


@dataclass(frozen=True)
class _Spot:
    """A mark, with its start and end in ms of the document."""

    mark: Mark
    start_ms: int
    end_ms: int


class _Appender:
    """Adds tiers, with their time slots, types and vocabularies, to a document."""

    def __init__(self, root: ET.Element, subject: str, offset_ms: int) -> None:
        self._root = root
        self._subject = subject
        self._offset_ms = offset_ms
        # Identifiers of what will be taken out are not given to something else.
        self._ids: set[str] = set()
        for element in root.iter():
            self._ids |= {v for name, v in element.attrib.items() if name.endswith("_ID")}
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
        base = own or tier.name
        if tier.coder:
            base += f"@{tier.coder}"
        for lane in _lanes(tier.marks, self._offset_ms):
            name = base
            n = 1
            while name in self._tier_ids:
                n += 1
                name = f"{base} #{n}"
            self._tier_ids.add(name)
            free_type = FREE_TYPE if n == 1 else FREE_LANE_TYPE
            element = self._tier_element(name, own or free_type, tier.coder)
            ids = [self._alignable(element, spot) for spot in lane]
            certain = [spot.mark.certainty for spot in lane]
            if tier.kind == "ah" or any(certain):
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

    def _alignable(self, tier: ET.Element, spot: _Spot) -> str:
        name = self._new_id("a")
        start = self._slot(spot.start_ms)
        end = self._slot(spot.end_ms)
        attributes = {"ANNOTATION_ID": name, "TIME_SLOT_REF1": start, "TIME_SLOT_REF2": end}
        label = spot.mark.label
        entry = self._entries.get((tier.attrib["LINGUISTIC_TYPE_REF"], label))
        if entry:
            attributes["CVE_REF"] = entry
        _annotate(tier, "ALIGNABLE_ANNOTATION", attributes, label)
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
                _annotate(tier, "REF_ANNOTATION", attributes, value)

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
        attributes = {"TIME_SLOT_ID": name, "TIME_VALUE": str(time_ms)}
        self._slots.append((time_ms, ET.Element("TIME_SLOT", attributes)))
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
        keyed.sort(key=lambda key: key[:2])
        order[:] = [slot for _, _, slot in keyed]

    def _add_vocabularies(self, tiers: Sequence[Tier]) -> None:
        """Per type the labels to choose from: those of the codebook, and others that occur."""
        found: dict[str, dict[str, None]] = {}
        for tier in tiers:
            labels = VOCABULARY.get((tier.kind, tier.modality))
            if labels:
                own = _TYPE_OF[tier.kind, tier.modality]
                chosen = found.setdefault(own, dict.fromkeys(labels))
                chosen |= dict.fromkeys(mark.label for mark in tier.marks if mark.label)
        if any(t.kind == "ah" for t in tiers):
            found[CERTAINTY_TYPE] = dict.fromkeys(CERTAINTIES)
        if found:
            self._add_missing("LANGUAGE", "LANG_ID", [_UNDETERMINED_LANGUAGE])
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
        cv = _named(self._root, "CONTROLLED_VOCABULARY", "CV_ID", name)
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
            entry_id = _entry_id(name, i)
            used.add(entry_id)
            entry = ET.SubElement(cv, "CV_ENTRY_ML", {"CVE_ID": entry_id})
            entry.append(_element("CVE_VALUE", {"LANG_REF": "und", "DESCRIPTION": ""}, label))
            self._entries[name, label] = entry_id


def _annotate(tier: ET.Element, kind: str, attributes: Mapping[str, str], text: str) -> None:
    """Put one annotation at the end of a tier."""
    annotation = ET.SubElement(tier, "ANNOTATION")
    holder = ET.SubElement(annotation, kind, dict(attributes))
    holder.append(_element("ANNOTATION_VALUE", {}, text))


def _lanes(marks: Sequence[Mark], offset_ms: int) -> list[list[_Spot]]:
    """Marks in rows that do not overlap; at least one row."""
    lanes: list[list[_Spot]] = []
    for mark in sorted(marks):
        start_ms = round(mark.start_s * 1000) - offset_ms
        end_ms = round(mark.end_s * 1000) - offset_ms
        if start_ms < 0:
            raise OverflowError(
                f"a mark at {mark.start_s} s lies before the shifted start of the ELAN file"
            )
        spot = _Spot(mark, start_ms, max(end_ms, start_ms + 1))
        _first_free(lanes, start_ms).append(spot)
    return lanes or [[]]


def _first_free(lanes: list[list[_Spot]], start_ms: int) -> list[_Spot]:
    """The first row in which nothing lasts until then; a new one where there is none."""
    for lane in lanes:
        if lane[-1].end_ms <= start_ms:
            return lane
    lanes.append([])
    return lanes[-1]
