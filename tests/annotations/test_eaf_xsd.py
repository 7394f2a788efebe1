"""EAF files against ELAN's own XML schemas and against files that ELAN wrote.

Both lie in the source archive of pympi-ling, which ``make install-dev`` puts into ``.venv/eaf``;
nothing of them is part of this project. ``tests/eaf_schema.py`` holds the same rules as a table and
needs no file.
"""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path

import pytest

import eaf_schema
from twomind.annotations import (
    VOCABULARY,
    Annotations,
    Mark,
    Tier,
    blank_tiers,
    read_eaf,
    write_eaf,
)

xmlschema = pytest.importorskip("xmlschema")
FORMATS = ("2.8", "3.0")


def member(ending: str) -> bytes:
    """A file of the archive by the end of its name."""
    archives = sorted(Path(sys.prefix, "eaf").glob("pympi*.tar.gz"))
    if not archives:
        pytest.skip("pympi's source archive is not in .venv/eaf (make install-dev fetches it)")
    with tarfile.open(archives[-1]) as archive:
        name = next(name for name in archive.getnames() if name.endswith(ending))
        content = archive.extractfile(name)
        assert content is not None
        return content.read()


@pytest.fixture(scope="module", params=FORMATS)
def format_and_schema(request) -> tuple[str, xmlschema.XMLSchema]:
    return request.param, xmlschema.XMLSchema(io.BytesIO(member(f"EAFv{request.param}.xsd")))


def rich() -> Annotations:
    """Every kind of tier, overlaps, certainty, several coders, odd characters."""
    cues = [
        Tier(
            "cue",
            (Mark(1.1, 1.4, next(iter(labels))), Mark(1.2, 1.3, "a pen <&\"'> “é”")),
            modality,
            "Änne",
        )
        for (kind, modality), labels in VOCABULARY.items()
        if kind == "cue"
    ]
    return Annotations(
        "r",
        (
            *blank_tiers("bo"),
            Tier("ah", (Mark(0, 2.5, "A/H", "high"), Mark(2, 3.001, "hesitancy")), coder="Änne"),
            Tier("word", (Mark(0.2, 0.3, "<um>"), Mark(1.0, 1.0, "so"))),
            Tier("other", (Mark(0.5, 0.6, "points"),), coder="Änne", name="gestures"),
            *cues,
        ),
        "p1",
        "take 1.mp4",
    )


def test_what_is_written_is_valid_in_elans_own_schema(format_and_schema, tmp_path) -> None:
    format, schema = format_and_schema
    for one in (rich(), Annotations("r", blank_tiers("anna")), Annotations("r", ())):
        path = write_eaf(one, tmp_path / "x.eaf", format=format)
        assert [error.reason for error in schema.iter_errors(str(path))] == []


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('TIME_SLOT_REF2="ts', 'TIME_SLOT_REF2="gone'),
        ('LINGUISTIC_TYPE_REF="', 'LINGUISTIC_TYPE_REF="gone '),
        (' DATE="', ' DAY="'),
        ("<TIME_ORDER>", "<LOCALE LANGUAGE_CODE='en'/><TIME_ORDER>"),
        ('TIME_VALUE="', 'TIME_VALUE="0.'),
    ],
)
def test_the_schema_and_the_table_refuse_the_same_damage(
    format_and_schema, tmp_path, good, bad
) -> None:
    """Else the test above, or the table that stands in where the archive is absent, could
    not fail.
    """
    format, schema = format_and_schema
    path = write_eaf(rich(), tmp_path / "x.eaf", format=format)
    text = path.read_text(encoding="utf-8")
    assert good in text
    path.write_text(text.replace(good, bad, 1), encoding="utf-8")
    assert list(schema.iter_errors(str(path)))
    assert eaf_schema.violations(path)


@pytest.mark.parametrize("version", ["2.7", "2.8", "3.0"])
def test_files_that_elan_wrote_are_read_as_pympi_reads_them(tmp_path, version) -> None:
    import pympi

    path = tmp_path / "sample.eaf"
    path.write_bytes(member(f"sample_{version}.eaf"))
    other = pympi.Elan.Eaf(str(path))
    theirs = sorted(
        (start, end, text)
        for name in other.get_tier_names()
        if not other.get_parameters_for_tier(name).get("PARENT_REF")
        for start, end, text, *_ in other.get_annotation_data_for_tier(name)
        if text
    )
    assert theirs
    ours = sorted(
        (round(1000 * mark.start_s), round(1000 * mark.end_s), mark.label)
        for tier in read_eaf(path).tiers
        for mark in tier.marks
    )
    assert set(theirs) <= set(ours)
