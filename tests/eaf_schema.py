"""The rules of the EAF schemas 2.8 and 3.0 that matter to ELAN, as a table: elements and their
order, attributes and their types, identifiers and references. Own words after the published format
description; the XSD itself is on a server that tests must not need."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
ANY = r"(?s).*"
NAME = r"[A-Za-z_][\w.\-]*"  # xsd:ID and xsd:IDREF
WHOLE = r"\d{1,10}"  # xsd:unsignedInt
BOOL = r"true|false|0|1"
WHEN = r"-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"

#: element → (children in order with (least, most), {attribute: (required, pattern)}, may hold text)
_DOCUMENT = [
    ("LICENSE", 0, None),
    ("HEADER", 1, 1),
    ("TIME_ORDER", 1, 1),
    ("TIER", 0, None),
    ("LINGUISTIC_TYPE", 0, None),
    ("LOCALE", 0, None),
    ("LANGUAGE", 0, None),
    ("CONSTRAINT", 0, None),
    ("CONTROLLED_VOCABULARY", 0, None),
    ("LEXICON_REF", 0, None),
    ("REF_LINK_SET", 0, None),
    ("EXTERNAL_REF", 0, None),
]
_MARK = {
    "ANNOTATION_ID": (True, NAME),
    "EXT_REF": (False, ANY),
    "LANG_REF": (False, ANY),
    "CVE_REF": (False, ANY),
}
RULES: dict[str, tuple[list, dict, bool]] = {
    "ANNOTATION_DOCUMENT": (
        _DOCUMENT,
        {
            "AUTHOR": (True, ANY),
            "DATE": (True, WHEN),
            "VERSION": (True, ANY),
            "FORMAT": (False, r"2\.8|3\.0"),
            f"{XSI}noNamespaceSchemaLocation": (False, ANY),
        },
        False,
    ),
    "LICENSE": ([], {"LICENSE_URL": (False, ANY)}, True),
    "HEADER": (
        [("MEDIA_DESCRIPTOR", 0, None), ("LINKED_FILE_DESCRIPTOR", 0, None), ("PROPERTY", 0, None)],
        {"MEDIA_FILE": (False, ANY), "TIME_UNITS": (False, "NTSC-frames|PAL-frames|milliseconds")},
        False,
    ),
    "MEDIA_DESCRIPTOR": (
        [],
        {
            "MEDIA_URL": (True, ANY),
            "MIME_TYPE": (True, ANY),
            "RELATIVE_MEDIA_URL": (False, ANY),
            "TIME_ORIGIN": (False, r"-?\d+"),
            "EXTRACTED_FROM": (False, ANY),
        },
        False,
    ),
    "LINKED_FILE_DESCRIPTOR": (
        [],
        {
            "LINK_URL": (True, ANY),
            "MIME_TYPE": (True, ANY),
            "RELATIVE_LINK_URL": (False, ANY),
            "TIME_ORIGIN": (False, r"-?\d+"),
            "ASSOCIATED_WITH": (False, ANY),
        },
        False,
    ),
    "PROPERTY": ([], {"NAME": (False, ANY)}, True),
    "TIME_ORDER": ([("TIME_SLOT", 0, None)], {}, False),
    "TIME_SLOT": ([], {"TIME_SLOT_ID": (True, NAME), "TIME_VALUE": (False, WHOLE)}, False),
    "TIER": (
        [("ANNOTATION", 0, None)],
        {
            "TIER_ID": (True, ANY),
            "LINGUISTIC_TYPE_REF": (True, ANY),
            "PARTICIPANT": (False, ANY),
            "ANNOTATOR": (False, ANY),
            "DEFAULT_LOCALE": (False, NAME),
            "PARENT_REF": (False, ANY),
            "EXT_REF": (False, NAME),
            "LANG_REF": (False, ANY),
        },
        False,
    ),
    "ANNOTATION": ([("ALIGNABLE_ANNOTATION|REF_ANNOTATION", 1, 1)], {}, False),
    "ALIGNABLE_ANNOTATION": (
        [("ANNOTATION_VALUE", 1, 1)],
        {
            **_MARK,
            "TIME_SLOT_REF1": (True, NAME),
            "TIME_SLOT_REF2": (True, NAME),
            "SVG_REF": (False, ANY),
        },
        False,
    ),
    "REF_ANNOTATION": (
        [("ANNOTATION_VALUE", 1, 1)],
        {**_MARK, "ANNOTATION_REF": (True, NAME), "PREVIOUS_ANNOTATION": (False, NAME)},
        False,
    ),
    "ANNOTATION_VALUE": ([], {}, True),
    "LINGUISTIC_TYPE": (
        [],
        {
            "LINGUISTIC_TYPE_ID": (True, ANY),
            "TIME_ALIGNABLE": (False, BOOL),
            "CONSTRAINTS": (False, NAME),
            "GRAPHIC_REFERENCES": (False, BOOL),
            "CONTROLLED_VOCABULARY_REF": (False, ANY),
            "EXT_REF": (False, NAME),
            "LEXICON_REF": (False, NAME),
        },
        False,
    ),
    "LOCALE": (
        [],
        {"LANGUAGE_CODE": (True, NAME), "COUNTRY_CODE": (False, ANY), "VARIANT": (False, ANY)},
        False,
    ),
    "LANGUAGE": (
        [],
        {"LANG_ID": (True, ANY), "LANG_DEF": (False, ANY), "LANG_LABEL": (False, ANY)},
        False,
    ),
    "CONSTRAINT": ([], {"STEREOTYPE": (True, NAME), "DESCRIPTION": (False, ANY)}, False),
    "CONTROLLED_VOCABULARY": (
        [("DESCRIPTION", 0, None), ("CV_ENTRY_ML", 0, None)],
        {"CV_ID": (True, ANY), "EXT_REF": (False, NAME)},
        False,
    ),
    "DESCRIPTION": ([], {"LANG_REF": (True, ANY)}, True),
    "CV_ENTRY_ML": (
        [("CVE_VALUE", 1, None)],
        {"CVE_ID": (True, ANY), "EXT_REF": (False, NAME)},
        False,
    ),
    "CVE_VALUE": ([], {"LANG_REF": (True, ANY), "DESCRIPTION": (False, ANY)}, True),
    "LEXICON_REF": (
        [],
        {
            n: (n not in ("URL", "DATCAT_ID", "DATCAT_NAME"), NAME if n == "LEX_REF_ID" else ANY)
            for n in (
                "LEX_REF_ID",
                "NAME",
                "TYPE",
                "URL",
                "LEXICON_ID",
                "LEXICON_NAME",
                "DATCAT_ID",
                "DATCAT_NAME",
            )
        },
        False,
    ),
    "REF_LINK_SET": (
        [("CROSS_REF_LINK|GROUP_REF_LINK", 0, None)],
        {
            "LINK_SET_ID": (True, NAME),
            "LINK_SET_NAME": (False, ANY),
            "EXT_REF": (False, NAME),
            "LANG_REF": (False, ANY),
            "CV_REF": (False, ANY),
        },
        False,
    ),
    "CROSS_REF_LINK": (
        [],
        {
            "REF_LINK_ID": (True, NAME),
            "REF1": (True, NAME),
            "REF2": (True, NAME),
            "DIRECTIONALITY": (False, ANY),
            "REF_LINK_NAME": (False, ANY),
            "REF_TYPE": (False, ANY),
        },
        True,
    ),
    "GROUP_REF_LINK": (
        [],
        {
            "REF_LINK_ID": (True, NAME),
            "REFS": (True, ANY),
            "REF_LINK_NAME": (False, ANY),
            "REF_TYPE": (False, ANY),
        },
        True,
    ),
    "EXTERNAL_REF": (
        [],
        {"EXT_REF_ID": (True, NAME), "TYPE": (True, ANY), "VALUE": (True, ANY)},
        False,
    ),
}

#: attributes of type xsd:ID, unique in the document; and of type xsd:IDREF
_IDS = {
    "TIME_SLOT": "TIME_SLOT_ID",
    "ALIGNABLE_ANNOTATION": "ANNOTATION_ID",
    "REF_ANNOTATION": "ANNOTATION_ID",
    "CONSTRAINT": "STEREOTYPE",
    "LOCALE": "LANGUAGE_CODE",
    "EXTERNAL_REF": "EXT_REF_ID",
    "LEXICON_REF": "LEX_REF_ID",
    "REF_LINK_SET": "LINK_SET_ID",
    "CROSS_REF_LINK": "REF_LINK_ID",
    "GROUP_REF_LINK": "REF_LINK_ID",
}
_IDREFS = (
    "TIME_SLOT_REF1",
    "TIME_SLOT_REF2",
    "ANNOTATION_REF",
    "PREVIOUS_ANNOTATION",
    "DEFAULT_LOCALE",
    "CONSTRAINTS",
    "EXT_REF",
    "REF1",
    "REF2",
)
#: keys and key references: (element, attribute) → (element, attribute) that it must name
_KEYS = {
    ("TIER", "LINGUISTIC_TYPE_REF"): ("LINGUISTIC_TYPE", "LINGUISTIC_TYPE_ID"),
    ("TIER", "PARENT_REF"): ("TIER", "TIER_ID"),
    ("LINGUISTIC_TYPE", "CONTROLLED_VOCABULARY_REF"): ("CONTROLLED_VOCABULARY", "CV_ID"),
    ("CVE_VALUE", "LANG_REF"): ("LANGUAGE", "LANG_ID"),
    ("DESCRIPTION", "LANG_REF"): ("LANGUAGE", "LANG_ID"),
    ("TIER", "LANG_REF"): ("LANGUAGE", "LANG_ID"),
}


def violations(path: Path) -> list[str]:
    """What an EAF file breaks; empty when it is valid. ``ELAN`` entries are rules of the program
    beyond the schema.
    """
    root = ET.parse(path).getroot()
    if root.tag != "ANNOTATION_DOCUMENT":
        return [f"root is {root.tag}"]
    found: list[str] = []
    for element in root.iter():
        found += _element(element)
    version = root.get("FORMAT")
    if (
        root.get(f"{XSI}noNamespaceSchemaLocation")
        != f"http://www.mpi.nl/tools/elan/EAFv{version}.xsd"
    ):
        found.append("schema location and format differ")
    if version == "2.8" and root.find("REF_LINK_SET") is not None:
        found.append("REF_LINK_SET in format 2.8")
    return found + _references(root) + _elan(root)


def _element(element: ET.Element) -> list[str]:
    if element.tag not in RULES:
        return [f"unknown element {element.tag}"]
    children, attributes, text = RULES[element.tag]
    found = [f"{element.tag}: unknown attribute {a}" for a in element.attrib if a not in attributes]
    for name, (required, pattern) in attributes.items():
        value = element.get(name)
        if value is None and required:
            found.append(f"{element.tag}: no {name}")
        if value is not None and not re.fullmatch(pattern, value):
            found.append(f"{element.tag}: {name}={value!r}")
    if not text and (element.text or "").strip():
        found.append(f"{element.tag}: text {element.text!r}")
    tags = [c.tag for c in element]
    at = 0
    for names, least, most in children:
        n = 0
        while at < len(tags) and tags[at] in names.split("|"):
            at, n = at + 1, n + 1
        if n < least or (most is not None and n > most):
            found.append(f"{element.tag}: {n} of {names}")
    if at < len(tags):
        found.append(f"{element.tag}: {tags[at]} not expected there")
    return found


def _references(root: ET.Element) -> list[str]:
    found = []
    ids = [e.get(_IDS[e.tag], "") for e in root.iter() if e.tag in _IDS]
    found += [
        f"identifier {i!r} is there twice" for i in sorted({i for i in ids if ids.count(i) > 1})
    ]
    for e in root.iter():
        found += [
            f"{e.tag}: {a}={e.get(a)!r} names nothing"
            for a in _IDREFS
            if a in e.attrib and e.get(a) not in ids
        ]
    for (tag, attribute), (target, key) in _KEYS.items():
        keys = [e.get(key) for e in root.iter(target)]
        if len(keys) != len(set(keys)):
            found.append(f"{target}: {key} is not unique")
        for e in root.iter(tag):
            if attribute in e.attrib and e.get(attribute) not in keys:
                found.append(f"{tag}: {attribute}={e.get(attribute)!r} names nothing")
    return found


def _elan(root: ET.Element) -> list[str]:
    """What ELAN itself demands: slots in order of time, no overlap on a tier, marks with a length,
    real entries.
    """
    found = []
    written = {s.get("TIME_SLOT_ID"): s.get("TIME_VALUE") or "" for s in root.iter("TIME_SLOT")}
    value = {
        k: int(v) for k, v in written.items() if v.isdigit()
    }  # other text is a violation of its type
    known = list(value.values())
    if known != sorted(known):
        found.append("ELAN: time slots out of order")
    entries = {e.get("CVE_ID") for e in root.iter("CV_ENTRY_ML")}
    for tier in root.iter("TIER"):
        spans = []
        for mark in tier.iter("ALIGNABLE_ANNOTATION"):
            a, b = value.get(mark.get("TIME_SLOT_REF1")), value.get(mark.get("TIME_SLOT_REF2"))
            if a is not None and b is not None:
                spans.append((a, b))
        if any(b <= a for a, b in spans):
            found.append(f"ELAN: {tier.get('TIER_ID')} holds a mark without length")
        if any(
            start < end
            for (_, end), (start, _) in zip(sorted(spans), sorted(spans)[1:], strict=False)
        ):
            found.append(f"ELAN: marks overlap on {tier.get('TIER_ID')}")
    for mark in root.iter():
        if "CVE_REF" in mark.attrib and mark.get("CVE_REF") not in entries:
            found.append(f"ELAN: entry {mark.get('CVE_REF')} is in no vocabulary")
    return found
