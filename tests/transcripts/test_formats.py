"""What a file is, told by what it looks like; and what is refused because its codes would be words."""

from __future__ import annotations

from pathlib import Path

import pytest

from twomind.core.errors import BadInput
from twomind.transcripts.words import Words, read_words

ROWS = "rec 1 {}0.50 0.30 I\nrec 1 {}0.90 0.30 would\nrec 1 {}1.30 0.20 stop\n"
#: Other formats under the name of a text → how the refusal calls them.
OTHERS = {
    "RTF": "{\\rtf1\\ansi I would like to stop.}",
    "PDF": "%PDF-1.4\n1 0 obj\n",
    "web page": "<html><body><p>I would like to stop.</p></body></html>",
    "XML": '<?xml version="1.0"?>\n<tt><body><p begin="1s">I would.</p></body></tt>',
    "TextGrid": 'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 9\n',
    "SubStation": "[Script Info]\nTitle: x\n[Events]\nDialogue: 0,0:00:01.00,0:00:03.00,,I would.\n",
    "MicroDVD": "{24}{72}I would like to stop.\n{96}{144}But it is hard.\n",
    "CHAT": "@UTF8\n@Begin\n*PAR:\tI would like to stop .\n@End\n",
    "CTM": ROWS.format("", "", ""),
    "STM": ROWS.format("anna ", "anna ", "anna "),
    "RTTM": "SPEAKER rec 1 1.00 2.00 <NA> <NA> anna <NA> <NA>\n",
}


def read(folder: Path, name: str, text: str) -> Words:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_words(path, 10.0)


@pytest.mark.parametrize("name", OTHERS)
def test_the_source_of_another_format_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    for suffix in (".txt", ".srt"):
        with pytest.raises(BadInput, match=f"expected text, got .*{name}"):
            read(tmp_path, f"a{suffix}", OTHERS[name])


def test_a_table_with_decimal_commas_has_its_times(tmp_path: Path) -> None:
    points = "start;end;text\n1.5;3.0;I would like to.\n4.0;6.25;It is hard.\n"
    said = read(
        tmp_path, "a.csv", points.replace(".0", ",0").replace(".5", ",5").replace(".25", ",25")
    )
    clean = read(tmp_path, "b.csv", points)
    assert said.words == clean.words
    assert [said.words[0].start_s, said.words[-1].end_s] == [1.5, 6.25]


def test_the_language_in_the_head_of_a_webvtt_counts(tmp_path: Path) -> None:
    cue = "00:01.000 --> 00:03.000\nI would like to stop.\n"
    assert (
        read(tmp_path, "a.vtt", f"WEBVTT\nKind: captions\nLanguage: de\n\n{cue}").language == "de"
    )
    assert read(tmp_path, "b.vtt", f"WEBVTT\n\n{cue}").language is None
    # In a subtitle it is a word.
    assert read(tmp_path, "c.vtt", f"WEBVTT\n\n{cue}Language: de\n").language is None


@pytest.mark.parametrize("begins_s", [2.0, 3.5, 5.0])
def test_words_of_subtitles_that_overlap_do_not_stand_between_each_other(
    begins_s: float, tmp_path: Path
) -> None:
    cues = (
        "1\n00:00:01,000 --> 00:00:06,000\nI would like to stop.\n\n"
        f"2\n00:00:0{begins_s:.3f} --> 00:00:08,000\nBut it is hard.\n"
    )
    said = read(tmp_path, "a.srt", cues.replace(".000 ", ",000 ").replace(".500 ", ",500 "))
    assert " ".join(word.text for word in said.words) == "I would like to stop. But it is hard."
    assert any("subtitles starts before the one before" in problem for problem in said.problems)


TIER = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000"/>
<TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="3000"/></TIME_ORDER>
<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="{tier}"><ANNOTATION>
<ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""


@pytest.mark.parametrize("tier", ["A/H", "coder 1", "ambivalence"])
@pytest.mark.parametrize("value", ["A/H", "N", "none", "absence", "Ambivalence", "1"])
def test_codes_are_no_words(tier: str, value: str, tmp_path: Path) -> None:
    said = read(tmp_path, "a.eaf", TIER.format(tier=tier, value=value))
    assert not said.words
    assert any("no speech of their own" in problem for problem in said.problems)


def test_a_short_answer_on_a_tier_of_speech_is_words(tmp_path: Path) -> None:
    said = read(tmp_path, "a.eaf", TIER.format(tier="transcript", value="no"))
    assert [word.text for word in said.words] == ["no"]


@pytest.mark.parametrize("code", ["<|en|>", "<|0.00|>", "<|nospeech|>", "<eos>", "%noise"])
def test_codes_of_recognisers_are_marks(code: str, tmp_path: Path) -> None:
    said = read(tmp_path, "a.txt", f"I would like to stop. {code}\n")
    assert len(said.words) == 5
    assert [mark.text for mark in said.marks] == [code]
