"""Annotations survive every format at 1 ms, and files that ELAN wrote are read in full
and on time.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import eaf_schema as schema
from twomind.annotations import (
    KINDS,
    MODALITIES,
    VOCABULARY,
    Annotations,
    Mark,
    Tier,
    blank_tiers,
    from_bah,
    merge_tiers,
    read_annotations,
    read_csv,
    read_eaf,
    read_vtt,
    write_annotations,
    write_csv,
    write_eaf,
    write_vtt,
)
from twomind.core.errors import BadInput
from twomind.datasets import load_dataset, open_dataset

# --- what hypothesis draws
# ---------------------------------------------------------------------------------------

_FORBIDDEN = "".join(map(chr, [*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF]))
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=_FORBIDDEN), max_size=12
)
names = st.text("abcÄé ;=<>&\"'@#-:,.12", min_size=1, max_size=8)
times_ms = st.integers(0, 600_000)


@st.composite
def marks(draw):
    start_ms, length_ms = draw(times_ms), draw(st.integers(1, 8000))
    return Mark(start_ms / 1000, (start_ms + length_ms) / 1000, draw(texts), draw(texts))


@st.composite
def tiers(draw):
    kind = draw(st.sampled_from(sorted(KINDS)))
    modality = draw(st.sampled_from(MODALITIES)) if kind == "cue" else ""
    name = draw(names) if kind == "other" else ""
    return Tier(
        kind, tuple(draw(st.lists(marks(), max_size=6))), modality, draw(st.just("") | names), name
    )


@st.composite
def recordings(draw):
    found = merge_tiers(draw(st.lists(tiers(), max_size=6)))
    duration_s = draw(st.just(math.nan) | st.integers(0, 10**6).map(lambda ms: ms / 1000))
    media = draw(st.sampled_from(["", "a b.mp4", "../x/a.mp4"]))
    return Annotations(draw(names), found, draw(st.just("") | names), media, duration_s)


TOLERATED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
many = settings(max_examples=60, deadline=None, suppress_health_check=TOLERATED)


# --- round trips
# -------------------------------------------------------------------------------------------------


@many
@given(recordings(), st.sampled_from(["2.8", "3.0"]))
def test_eaf_comes_back_identical_and_valid(tmp_path, one, format) -> None:
    path = write_eaf(one, tmp_path / "x.eaf", format=format)
    assert schema.violations(path) == []
    assert f'FORMAT="{format}"' in path.read_text(encoding="utf-8")
    back = read_eaf(path)
    assert back.at_ms() == one.at_ms()
    assert back.problems == ()
    # Written again from its own source, in the other format, it is still the same.
    other = write_eaf(back, tmp_path / "y.eaf", format="3.0" if format == "2.8" else "2.8")
    assert schema.violations(other) == []
    assert read_eaf(other).at_ms() == one.at_ms()


@many
@given(recordings())
def test_vtt_comes_back_identical(tmp_path, one) -> None:
    assert read_vtt(write_vtt(one, tmp_path / "x.vtt")).at_ms() == one.at_ms()


@many
@given(st.lists(recordings(), max_size=3, unique_by=lambda r: r.recording))
def test_csv_comes_back_identical(tmp_path, several) -> None:
    """The table holds no media, no duration, and no recording without a tier."""
    wanted = tuple(replace(r, media="", duration_s=math.nan).at_ms() for r in several if r.tiers)
    assert tuple(r.at_ms() for r in read_csv(write_csv(several, tmp_path / "x.csv"))) == wanted


@many
@given(recordings(), recordings())
def test_a_file_that_was_read_and_changed_is_the_changed_one(tmp_path, one, two) -> None:
    read = read_eaf(write_eaf(one, tmp_path / "x.eaf"))
    changed = replace(read, tiers=two.tiers)
    path = write_eaf(changed, tmp_path / "y.eaf")
    assert schema.violations(path) == []
    assert read_eaf(path).at_ms() == changed.at_ms()


@given(st.lists(st.floats(0, 500, allow_nan=False), min_size=2, max_size=2).map(sorted))
@settings(max_examples=50, deadline=None, suppress_health_check=TOLERATED)
def test_times_between_milliseconds_move_by_half_a_millisecond_at_most(tmp_path, span) -> None:
    one = Annotations("r", (Tier("ah", (Mark(*span),)),))
    for path in (tmp_path / "x.eaf", tmp_path / "x.csv", tmp_path / "x.vtt"):
        (back,) = read_annotations(write_annotations([one], path))
        (mark,) = back.tiers[0].marks
        assert abs(mark.start_s - span[0]) <= 0.000501
        # ELAN and WebVTT have no marks without length: those become 1 ms long.
        assert abs(mark.end_s - span[1]) <= 0.001501


def test_a_mark_of_less_than_a_millisecond_has_a_length_in_elan(tmp_path) -> None:
    """The shortest segment of BAH is one frame long, 4 ms; words of some transcripts have no length
    at all.
    """
    one = Annotations(
        "r", (Tier("word", (Mark(1.0, 1.0, "um"), Mark(1.0, 1.0004, "er"), Mark(2.0, 2.004, "x"))),)
    )
    path = write_eaf(one, tmp_path / "x.eaf")
    assert schema.violations(path) == []
    marks_ = read_eaf(path).of("word")[0].marks
    assert marks_ == (Mark(1.0, 1.001, "er"), Mark(1.0, 1.001, "um"), Mark(2.0, 2.004, "x"))
    assert read_vtt(write_vtt(one, tmp_path / "x.vtt")).of("word")[0].marks == marks_


def test_another_reader_finds_the_same(tmp_path) -> None:
    """pympi, which shares no code with this project."""
    import pympi

    one = Annotations(
        "r",
        (
            Tier("ah", (Mark(1, 2.5, "A/H", "high"), Mark(2, 3.001, "hesitancy")), coder="Änne"),
            Tier("word", (Mark(0.2, 0.3, "<um> & “so”"),)),
            Tier("cue", (Mark(1.1, 1.4, "gaze"), Mark(1.2, 1.3, "raises a pen")), "facial", "Änne"),
        ),
        "p1",
        "take 1.mp4",
    )
    for format in ("2.8", "3.0"):
        other = pympi.Elan.Eaf(str(write_eaf(one, tmp_path / "x.eaf", format=format)))
        found = {
            name: sorted(tuple(a[:3]) for a in other.get_annotation_data_for_tier(name))
            for name in other.get_tier_names()
        }
        assert found["A/H@Änne"] == [(1000, 2500, "A/H")]
        assert found["A/H@Änne #2"] == [(2000, 3001, "hesitancy")]
        assert found["certainty of A/H@Änne"] == [(1000, 2500, "high")]
        assert found["words"] == [(200, 300, "<um> & “so”")]
        assert found["cue facial@Änne"] == [(1100, 1400, "gaze")]
        assert found["cue facial@Änne #2"] == [(1200, 1300, "raises a pen")]
        assert other.media_descriptors[0]["RELATIVE_MEDIA_URL"] == "./take 1.mp4"
        labels = {v[0][0][0] for v in other.controlled_vocabularies["cue facial"][1].values()}
        assert labels == {*VOCABULARY["cue", "facial"], "raises a pen"}
        assert other.tiers["A/H@Änne"][2]["ANNOTATOR"] == "Änne"


def test_what_another_writer_made_is_read(tmp_path) -> None:
    import pympi

    other = pympi.Elan.Eaf(author="someone")
    other.add_tier("AH")
    other.add_annotation("AH", 1500, 2750, "hesitancy")
    other.add_tier("gestures", part="P7")
    other.add_annotation("gestures", 0, 10, "points")
    other.to_file(str(tmp_path / "x.eaf"))
    back = read_eaf(tmp_path / "x.eaf", coder="bo")
    assert back.of("ah")[0] == Tier("ah", (Mark(1.5, 2.75, "hesitancy"),), coder="bo")
    assert back.of("other")[-1].marks == (Mark(0, 0.01, "points"),)
    assert (back.subject, back.recording) == ("P7", "x")


def test_no_folder_of_the_writer_leaves_the_house(tmp_path) -> None:
    text = write_eaf(
        Annotations("r", blank_tiers("anna"), "", "a.mp4"), tmp_path / "x.eaf"
    ).read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert "file:/" not in text


# --- files that ELAN wrote
# ---------------------------------------------------------------------------------------

ELAN = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="lab" DATE="2025-03-01T10:00:00+01:00" FORMAT="3.0" VERSION="3.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
    <LICENSE LICENSE_URL="https://example.org/l">by</LICENSE>
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
        <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/lab/take.mp4" MIME_TYPE="video/mp4" RELATIVE_MEDIA_URL="./take.mp4"/>
        <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/lab/side.mp4" MIME_TYPE="video/mp4" RELATIVE_MEDIA_URL="./side.mp4" TIME_ORIGIN="250"/>
        <LINKED_FILE_DESCRIPTOR LINK_URL="file:///C:/lab/eda.csv" MIME_TYPE="unknown" RELATIVE_LINK_URL="./eda.csv"/>
        <PROPERTY NAME="URN">urn:nl-mpi-tools-elan-eaf:1</PROPERTY>
        <PROPERTY NAME="lastUsedAnnotationId">14</PROPERTY>
    </HEADER>
    <TIME_ORDER>
        <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000"/>
        <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1000"/>
        <TIME_SLOT TIME_SLOT_ID="ts3"/>
        <TIME_SLOT TIME_SLOT_ID="ts4"/>
        <TIME_SLOT TIME_SLOT_ID="ts5" TIME_VALUE="4000"/>
        <TIME_SLOT TIME_SLOT_ID="ts6" TIME_VALUE="4000"/>
        <TIME_SLOT TIME_SLOT_ID="ts7" TIME_VALUE="5000"/>
        <TIME_SLOT TIME_SLOT_ID="ts8" TIME_VALUE="9000"/>
    </TIME_ORDER>
    <TIER DEFAULT_LOCALE="en" LINGUISTIC_TYPE_REF="utt" PARTICIPANT="K" TIER_ID="K-Spch">
        <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts6"><ANNOTATION_VALUE>well I uh</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="word-t" PARENT_REF="K-Spch" PARTICIPANT="K" TIER_ID="W-Spch">
        <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts3"><ANNOTATION_VALUE>well</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
        <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4"><ANNOTATION_VALUE>I</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
        <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a4" TIME_SLOT_REF1="ts4" TIME_SLOT_REF2="ts6"><ANNOTATION_VALUE>uh</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="sub" PARENT_REF="W-Spch" PARTICIPANT="K" TIER_ID="morph">
        <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a6" ANNOTATION_REF="a2" PREVIOUS_ANNOTATION="a5"><ANNOTATION_VALUE>ll</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
        <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a5" ANNOTATION_REF="a2"><ANNOTATION_VALUE>we</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="gloss" PARENT_REF="morph" PARTICIPANT="K" TIER_ID="gloss">
        <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a7" ANNOTATION_REF="a6" CVE_REF="cveid0"><ANNOTATION_VALUE>g</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
    </TIER>
    <TIER ANNOTATOR="anna" LINGUISTIC_TYPE_REF="utt" PARTICIPANT="K" TIER_ID="A-H">
        <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a8" TIME_SLOT_REF1="ts7" TIME_SLOT_REF2="ts8"><ANNOTATION_VALUE/></ALIGNABLE_ANNOTATION></ANNOTATION>
    </TIER>
    <TIER ANNOTATOR="anna" LINGUISTIC_TYPE_REF="note" PARENT_REF="A-H" PARTICIPANT="K" TIER_ID="remark">
        <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a9" ANNOTATION_REF="a8"><ANNOTATION_VALUE>not sure</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
    </TIER>
    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="utt" TIME_ALIGNABLE="true"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Time_Subdivision" GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="word-t" TIME_ALIGNABLE="true"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Subdivision" GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="sub" TIME_ALIGNABLE="false"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" CONTROLLED_VOCABULARY_REF="g" EXT_REF="er1" GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="gloss" TIME_ALIGNABLE="false"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="note" TIME_ALIGNABLE="false"/>
    <LOCALE COUNTRY_CODE="US" LANGUAGE_CODE="en"/>
    <LANGUAGE LANG_DEF="http://cdb.iso.org/lg/CDB-00138502-001" LANG_ID="eng" LANG_LABEL="English (eng)"/>
    <CONSTRAINT DESCRIPTION="t" STEREOTYPE="Time_Subdivision"/>
    <CONSTRAINT DESCRIPTION="s" STEREOTYPE="Symbolic_Subdivision"/>
    <CONSTRAINT DESCRIPTION="a" STEREOTYPE="Symbolic_Association"/>
    <CONTROLLED_VOCABULARY CV_ID="g"><DESCRIPTION LANG_REF="eng">d</DESCRIPTION><CV_ENTRY_ML CVE_ID="cveid0"><CVE_VALUE DESCRIPTION="" LANG_REF="eng">g</CVE_VALUE></CV_ENTRY_ML></CONTROLLED_VOCABULARY>
    <REF_LINK_SET LINK_SET_ID="rls1"><CROSS_REF_LINK REF1="a1" REF2="a8" REF_LINK_ID="rl1"/></REF_LINK_SET>
    <EXTERNAL_REF EXT_REF_ID="er1" TYPE="ecv" VALUE="https://example.org/v.ecv"/>
</ANNOTATION_DOCUMENT>
"""  # noqa: E501


@pytest.fixture
def elan(tmp_path) -> Path:
    path = tmp_path / "elan.eaf"
    path.write_text(ELAN, encoding="utf-8")
    assert schema.violations(path) == []
    return path


def _spans(one: Annotations) -> dict[str, list[tuple[int, int, str]]]:
    return {
        t.name or t.kind: [
            (round(m.start_s * 1000), round(m.end_s * 1000), m.label) for m in t.marks
        ]
        for t in one.tiers
    }


def test_times_that_elan_derives_are_derived(elan) -> None:
    one = read_eaf(elan)
    assert _spans(one) == {
        "K-Spch": [(1000, 4000, "well I uh")],
        # two slots without a time divide 1000 … 4000 evenly
        "W-Spch": [(1000, 2000, "well"), (2000, 3000, "I"), (3000, 4000, "uh")],
        # symbolic subdivision, along the chain and not in the order of the file
        "morph": [(1000, 1500, "we"), (1500, 2000, "ll")],
        "gloss": [(1500, 2000, "g")],
        "ah": [(5000, 9000, "")],
        "remark": [(5000, 9000, "not sure")],
    }
    assert (one.recording, one.subject, one.media) == ("take", "K", "take.mp4")
    assert one.segments()[0].label == "A/H"
    assert any("2 time slots carry no time" in p for p in one.problems)
    assert any("different offsets" in p for p in one.problems)


def test_a_shift_made_in_elan_is_taken_into_account(elan) -> None:
    elan.write_text(
        ELAN.replace(
            'RELATIVE_MEDIA_URL="./take.mp4"', 'RELATIVE_MEDIA_URL="./take.mp4" TIME_ORIGIN="1200"'
        )
    )
    one = read_eaf(elan)
    assert _spans(one)["ah"] == [(6200, 10200, "")]
    tier = one.of("ah")[0]
    more = replace(
        one,
        tiers=(
            *(t for t in one.tiers if t is not tier),
            replace(tier, marks=(Mark(2.0, 3.0, "A/H"),)),
        ),
    )
    back = read_eaf(write_eaf(more, elan.with_name("y.eaf")))
    assert _spans(back)["ah"] == [(2000, 3000, "A/H")]
    assert 'TIME_VALUE="800"' in elan.with_name("y.eaf").read_text()
    early = replace(one, tiers=(Tier("ah", (Mark(0.5, 3),), coder="bo"),))
    with pytest.raises(BadInput, match="before the shifted start"):
        write_eaf(early, elan.with_name("z.eaf"))


def _content(path: Path) -> set[str]:
    """Every element with its attributes and text, as lines."""
    root = ET.parse(path).getroot()
    volatile = {"PROPERTY", "ANNOTATION_DOCUMENT"}
    return {
        f"{e.tag} {sorted(e.attrib.items())} {(e.text or '').strip()}"
        for e in root.iter()
        if e.tag not in volatile
    }


def test_reading_and_writing_loses_nothing(elan) -> None:
    again = write_eaf(read_eaf(elan), elan.with_name("again.eaf"))
    assert _content(again) == _content(elan)
    assert schema.violations(again) == []
    assert read_eaf(again) == read_eaf(elan)
    with pytest.raises(BadInput, match="write it as 3"):
        write_eaf(read_eaf(elan), again, format="2.8")


def test_changing_one_tier_keeps_the_others_as_they_were(elan) -> None:
    one = read_eaf(elan)
    mine = Tier("ah", (Mark(5, 6, "ambivalence"),), coder="anna")
    changed = replace(
        one, tiers=(*(t for t in one.tiers if t.kind != "ah"), mine, Tier("cue", (), "audio", "bo"))
    )
    path = write_eaf(changed, elan.with_name("changed.eaf"))
    assert schema.violations(path) == []
    lost = {
        line for line in _content(elan) - _content(path) if not re.match("(TIER|ANNOTATION)", line)
    }
    # What hung on the tier that changed, and the link to its mark; nothing else.
    assert {line.split()[0] for line in lost} == {
        "ALIGNABLE_ANNOTATION",
        "REF_ANNOTATION",
        "TIME_SLOT",
        "CROSS_REF_LINK",
    }
    assert all("'a8'" in x or "'ts7'" in x or "'ts8'" in x for x in lost)
    back = read_eaf(path)
    assert back.at_ms() == changed.at_ms()
    assert _spans(back)["remark"] == [(5000, 9000, "not sure")]
    assert _spans(back)["morph"] == _spans(one)["morph"]


def test_a_certainty_of_a_certainty_is_a_tier_like_others(tmp_path) -> None:
    one = Annotations("r", (Tier("ah", (Mark(1, 2, "A/H", "low"),), coder="x"),))
    text = write_eaf(one, tmp_path / "x.eaf").read_text(encoding="utf-8")
    nested = (
        '<TIER LINGUISTIC_TYPE_REF="certainty" TIER_ID="why" PARENT_REF="certainty of '
        'A/H@x"><ANNOTATION>'
        '<REF_ANNOTATION ANNOTATION_ID="a9" '
        'ANNOTATION_REF="a2"><ANNOTATION_VALUE>dark</ANNOTATION_VALUE>'
        "</REF_ANNOTATION></ANNOTATION></TIER>"
    )
    (tmp_path / "x.eaf").write_text(
        text.replace("<LINGUISTIC_TYPE ", nested + "<LINGUISTIC_TYPE ", 1), encoding="utf-8"
    )
    read = read_eaf(tmp_path / "x.eaf")
    assert read.of("ah") == one.tiers
    assert read.of("other")[0].marks == (Mark(1, 2, "dark"),)
    other = replace(read, tiers=(Tier("ah", (), coder="x"), *read.of("other")))
    assert read_eaf(write_eaf(other, tmp_path / "y.eaf")).at_ms() == other.at_ms()


def test_old_formats_are_brought_up_to_date(elan) -> None:
    old = ELAN.replace('FORMAT="3.0" VERSION="3.0"', 'FORMAT="2.7" VERSION="2.7"').replace(
        "EAFv3.0", "EAFv2.7"
    )
    old = re.sub(
        r"<CONTROLLED_VOCABULARY.*</CONTROLLED_VOCABULARY>",
        '<CONTROLLED_VOCABULARY CV_ID="g" DESCRIPTION="d"><CV_ENTRY '
        'DESCRIPTION="x">g</CV_ENTRY>'
        "</CONTROLLED_VOCABULARY>",
        old,
    )
    old = re.sub(r"\s*<(REF_LINK_SET|LICENSE|LANGUAGE) .*", "", old).replace(
        ' CVE_REF="cveid0"', ""
    )
    elan.write_text(old)
    path = write_eaf(read_eaf(elan), elan.with_name("new.eaf"))
    assert schema.violations(path) == []
    assert "<CVE_VALUE" in path.read_text()
    assert read_eaf(path) == read_eaf(elan)


def test_tiers_of_any_name_can_be_declared(elan) -> None:
    one = read_eaf(
        elan, named={"K-Spch": "utterance", "gloss": "cue:facial", "W-Spch": "word"}, coder="bo"
    )
    assert one.of("cue", "facial")[0].coder == "bo"
    assert [w.text for w in one.words() or ()] == ["well", "I", "uh"]
    with pytest.raises(BadInput, match="no tier 'nothing'"):
        read_eaf(elan, named={"nothing": "ah"})
    with pytest.raises(BadInput, match="expected a kind of tier"):
        read_eaf(elan, named={"gloss": "face"})


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("</ANNOTATION_DOCUMENT>", "", "cannot be parsed"),
        ("ANNOTATION_DOCUMENT", "CV_RESOURCE", "ANNOTATION_DOCUMENT"),
        ("TIME_ORDER>", "TIMES>", "TIME_ORDER"),
        ('TIME_UNITS="milliseconds"', 'TIME_UNITS="PAL-frames"', "PAL-frames"),
        ('TIME_VALUE="5000"', 'TIME_VALUE="5.0"', "ts7"),
        ('TIME_VALUE="5000"', 'TIME_VALUE="-5"', "ts7"),
        ('TIME_VALUE="9000"', 'TIME_VALUE="100"', "before it begins"),
        ('TIME_SLOT_ID="ts8"', 'TIME_SLOT_ID="ts7"', "again"),
        ('TIME_SLOT_REF2="ts8"', 'TIME_SLOT_REF2="ts99"', "ts99"),
        ('ANNOTATION_REF="a8"', 'ANNOTATION_REF="a88"', "a88"),
        ('ANNOTATION_REF="a8"', 'ANNOTATION_REF="a9"', "circle"),
        ('ANNOTATION_ID="a9"', 'ANNOTATION_ID="a8"', "a8"),
        ('PARENT_REF="A-H"', 'PARENT_REF="B"', "parent tier"),
        ('PARENT_REF="A-H"', 'PARENT_REF="remark"', "circle"),
        ('TIER_ID="remark"', 'TIER_ID="A-H"', "again"),
        (
            'TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4"',
            'TIME_SLOT_REF1="ts4" TIME_SLOT_REF2="ts3"',
            "share one side",
        ),
        ('TIME_ORIGIN="250"', 'TIME_ORIGIN="x"', "TIME_ORIGIN"),
    ],
)
def test_malformed_files_are_refused_in_words(elan, old, new, says) -> None:
    assert old in ELAN
    elan.write_text(ELAN.replace(old, new), encoding="utf-8")
    with pytest.raises(BadInput, match=says) as caught:
        read_eaf(elan)
    assert str(elan) in str(caught.value)


def test_files_that_are_not_there_or_something_else(tmp_path) -> None:
    (tmp_path / "x.eaf").write_bytes(b"\x00\x01\x02")
    (tmp_path / "x.vtt").write_text("1\n00:01.000 --> 00:02.000\nhm\n")
    (tmp_path / "y.vtt").write_text("WEBVTT\n\n00:01 --> 00:02\nhm\n")
    (tmp_path / "z.vtt").write_text("WEBVTT\n\n00:03.000 --> 00:02.000\nhm\n")
    (tmp_path / "x.csv").write_text("recording,label\na,b\n")
    (tmp_path / "y.csv").write_text("recording,tier,start_s,end_s\nr,ah,1,x\n")
    (tmp_path / "z.csv").write_text("recording,tier,start_s,end_s\nr,ah,2,1\n")
    (tmp_path / "w.csv").write_text("recording,tier,start_s,end_s,modality\nr,cue,2,3,nose\n")
    for name in (
        "no.eaf",
        "x.eaf",
        "x.vtt",
        "y.vtt",
        "z.vtt",
        "x.csv",
        "y.csv",
        "z.csv",
        "w.csv",
        "a.docx",
    ):
        with pytest.raises(BadInput, match=re.escape(name)):
            read_annotations(tmp_path / name)
    with pytest.raises(BadInput, match="row 2"):
        read_csv(tmp_path / "y.csv")
    with pytest.raises(BadInput, match="holds one recording"):
        write_annotations([Annotations("a"), Annotations("b")], tmp_path / "two.eaf")


def test_values_are_checked_at_birth() -> None:
    for bad in (
        {"start_s": 2, "end_s": 1},
        {"start_s": -1, "end_s": 1},
        {"start_s": 0, "end_s": math.nan},
        {"start_s": 0, "end_s": 1, "label": "\x07"},
    ):
        with pytest.raises(ValueError, match="expected"):
            Mark(**bad)
    for bad in (
        {"kind": "nose"},
        {"kind": "cue"},
        {"kind": "ah", "modality": "body"},
        {"kind": "other"},
    ):
        with pytest.raises(ValueError, match="Tier"):
            Tier(**bad)
    with pytest.raises(ValueError, match="twice"):
        Annotations("r", (Tier("ah"), Tier("ah")))


def test_subtitles_of_others_are_the_transcript(tmp_path) -> None:
    path = tmp_path / "x.vtt"
    path.write_text(
        "WEBVTT - by x\n\nNOTE hi\n\nSTYLE\n::cue {}\n\n7\n00:01.500 --> 01:00:02.000 "
        "align:start\n"
        "<v Bo>well\nI &amp; you</v>\n"
    )
    one = read_vtt(path)
    assert one.tiers == (Tier("utterance", (Mark(1.5, 3602.0, "well\nI & you"),)),)


# --- BAH
# ---------------------------------------------------------------------------------------------------------

ENTRY = {
    "global_ah": 1,
    "time_detailed_ah": [["00:00:03.250", "00:00:05.000"], ["00:01:00.000", "00:01:00.004"]],
    "fr_detailed_ah": [[78, 119], [1440, 1440]],
    "certainty_ah": ["high", "low"],
    "all_cues": [
        {
            "audio": ["pause", "slow"],
            "body": [],
            "facial": "gaze, eyebrow",
            "language": None,
            "inconsistency": ["facial-language"],
        },
        {
            "audio": None,
            "body": ["shrug"],
            "facial": [],
            "language": ["hedging"],
            "inconsistency": [],
        },
    ],
}


def test_an_entry_of_bah() -> None:
    one = from_bah(ENTRY, "v1", subject="p1", duration_s=70.5)
    assert one.problems == ()
    assert one.of("answer")[0].marks == (Mark(0, 70.5, "A/H"),)
    assert one.of("ah")[0].marks == (
        Mark(3.25, 5.0, "A/H", "high"),
        Mark(60.0, 60.004, "A/H", "low"),
    )
    cues = {t.modality: [(m.start_s, m.label) for m in t.marks] for t in one.of("cue")}
    assert cues == {
        "audio": [(3.25, "pause"), (3.25, "slow")],
        "body": [(60.0, "shrug")],
        "facial": [(3.25, "eyebrow"), (3.25, "gaze")],
        "language": [(60.0, "hedging")],
    }
    assert [m.label for m in one.of("inconsistency")[0].marks] == ["facial-language"]
    assert next((s.start_s, s.end_s, s.label, s.source) for s in one.segments()) == (
        3.25,
        5.0,
        "A/H",
        "BAH",
    )


def test_bah_without_what_abaw8_left_out() -> None:
    entry = {k: ENTRY[k] for k in ("global_ah", "time_detailed_ah", "fr_detailed_ah")}
    one = from_bah(entry, "v1")
    assert one.of("cue") == ()
    assert [m.certainty for m in one.of("ah")[0].marks] == ["", ""]
    none = from_bah(
        {"global_ah": 0, "time_detailed_ah": [], "certainty_ah": [], "all_cues": []},
        "v2",
        duration_s=9,
    )
    assert none.of("answer")[0].marks[0].present is False
    assert none.of("ah")[0].marks == ()
    assert none.problems == ()


@pytest.mark.parametrize(
    "form",
    [
        [["00:00:03.250", "00:02:05.5"]],
        [{"Start": 3.25, "stop": "02:05,5"}],
        ["[00:00:03.250 - 00:02:05.500]"],
        ["3.25 --> 125.5"],
        [("3.25", 125.5)],
    ],
)
def test_one_reader_of_bah_segments_serves_annotations_and_the_data_set(
    form: list, tmp_path
) -> None:
    one = from_bah({"global_ah": 1, "time_detailed_ah": form}, "v1")
    assert [(m.start_s, m.end_s) for m in one.of("ah")[0].marks] == [(3.25, 125.5)]
    data = open_dataset(load_dataset("bah").fake(tmp_path), "bah")
    first = next(iter(data.videos))
    later = [["00:03:00.000", "00:03:01.000"]]
    data.annotations = {first: {"global_ah": 1, "time_detailed_ah": later + form}}
    found = next(r for r in data.recordings() if r.id == first).segments
    assert [(s.start_s, s.end_s) for s in found] == [(3.25, 125.5), (180.0, 181.0)], (
        "in order of time"
    )


def test_a_bah_frame_number_that_is_none_is_a_finding(tmp_path) -> None:
    with pytest.raises(BadInput, match="v1: fr_detailed_ah: expected a frame number, got 'x'"):
        from_bah({"global_ah": 1, "fr_detailed_ah": [[1, "x"]]}, "v1", frame_times_s=np.arange(9.0))
    data = open_dataset(load_dataset("bah").fake(tmp_path), "bah")
    first = next(iter(data.videos))
    data.annotations = {first: {"global_ah": 1, "fr_detailed_ah": [[1, None]]}}
    data.recordings()
    assert [f.path for f in data.problems] == [f"entry of {first}"]


def test_bah_frames_need_true_times() -> None:
    entry = {"global_ah": 1, "fr_detailed_ah": [[1, 2], [4, 4]]}
    with pytest.raises(BadInput, match="frame_times_s"):
        from_bah(entry, "v1")
    times_s = np.array([0.0, 0.04, 0.11, 0.15, 0.2])  # a variable rate
    marks_ = from_bah(entry, "v1", frame_times_s=times_s).of("ah")[0].marks
    assert [(m.start_s, m.end_s) for m in marks_] == [(0.04, 0.15), (0.2, pytest.approx(0.245))]
    with pytest.raises(BadInput, match="frames 0 <= first"):
        from_bah({"global_ah": 1, "fr_detailed_ah": [[3, 9]]}, "v1", frame_times_s=times_s)


def test_bah_contradictions_are_said_and_nothing_is_guessed() -> None:
    odd = from_bah({**ENTRY, "global_ah": 0, "certainty_ah": ["high"]}, "v1")
    assert any("global_ah is 0, but 2 segments" in p for p in odd.problems)
    assert any("certainty_ah: 1 values for 2 segments" in p for p in odd.problems)
    assert [m.certainty for m in odd.of("ah")[0].marks] == ["", ""]
    for bad, says in (
        ({}, "global_ah"),
        ({**ENTRY, "global_ah": "maybe"}, "0 or 1"),
        ({**ENTRY, "time_detailed_ah": [["3", "soon"]]}, "soon"),
        (
            {**ENTRY, "time_detailed_ah": [["00:00:05.000", "00:00:03.000"]]},
            "v9: .*start_s <= end_s",
        ),
        ({**ENTRY, "time_detailed_ah": ["00:00:05.000"]}, "start, end"),
        ({**ENTRY, "all_cues": [["pause"], ["x"]]}, "all_cues"),
    ):
        with pytest.raises(BadInput, match=says):
            from_bah(bad, "v9")


def test_two_ways_to_write_a_blank_name_one_film(shared):
    folder = shared / "cases" / "eaf-media-percent"
    read = [read_eaf(folder / name) for name in ("pct_A.eaf", "pct_B.eaf")]
    assert [one.media for one in read] == ["my clip.mp4", "my clip.mp4"]
    assert {one.recording for one in read} == {"my clip"}


@pytest.mark.parametrize("media", ["my%20clip.mp4", "100 %.mp4", "100%.mp4", "a b.mp4", "ä.mp4"])
def test_any_name_of_a_film_comes_back(tmp_path, media):
    one = Annotations("r", (Tier("ah", (Mark(0.0, 1.0, "A/H"),), coder="a"),), media=media)
    assert read_eaf(write_eaf(one, tmp_path / "r.eaf")).media == media


@pytest.mark.parametrize("label", ["N", "n", "None", "NONE", " none ", "Absence", "ABSENCE"])
def test_labels_of_absence_say_that_there_is_none(tmp_path, label):
    tier = Tier("answer", (Mark(0.0, 1.0, label),), coder="a")
    marked = Tier("ah", (Mark(0.0, 1.0, label), Mark(2.0, 3.0, "A")), coder="a")
    one = read_eaf(write_eaf(Annotations("r", (tier, marked)), tmp_path / "r.eaf"))
    assert not any(mark.present for found in one.of("answer") for mark in found.marks)
    assert [(s.start_s, s.end_s) for s in one.segments()] == [(2.0, 3.0)]
