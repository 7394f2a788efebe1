"""Who says what, in every format: the person's words alone, at their times, and nobody's name among
them.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcript_writers import FORMATS, Said, Talk, word_file
from twomind.core.errors import BadInput, MissingExtra
from twomind.transcripts.words import Words, read_words, why_no_transcript, words_of_text

TALK = [
    Said("Interviewer", 1, 4, ("Do", "you", "want", "to", "stop?")),
    Said("Anna Berg", 4, 9, ("Well,", "I", "want", "to,", "but", "at", "9:30", "I", "can't.")),
    Said("Interviewer", 10, 12, ("Why", "not?")),
    Said("Anna Berg", 12, 15, ("Note:", "it", "is", "hard.")),
    Said(
        "P02",
        15,
        18,
        (
            "So:",
            "yes",
        ),
    ),
    Said("P02", 19, 20, ("and", "no.")),
]
DURATION_S = 20.0


def _read(tmp_path: Path, name: str, content: str | bytes, speaker: str | None = None) -> Words:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return read_words(path, DURATION_S, speaker)


def _texts(words: Words) -> list[str]:
    return [word.text for word in words.words]


def _said_by(talk: Talk, name: str) -> list[str]:
    return [word for said in talk if said.speaker == name for word in said.words]


def _check(words: Words, talk: Talk, name: str, kind: str) -> None:
    """The words of one speaker, and their times as far as the format tells them."""
    assert _texts(words) == _said_by(talk, name)
    assert words.speaker == name
    told = FORMATS[kind]
    at = 0
    for said in talk:
        if said.speaker != name:
            continue
        first, last = words.words[at], words.words[at + len(said.words) - 1]
        at += len(said.words)
        if told.starts:
            assert first.start_s == pytest.approx(said.start_s)
        if told.ends:
            assert last.end_s == pytest.approx(said.end_s)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", ["Interviewer", "Anna Berg", "P02"])
def test_one_speaker_of_every_format(tmp_path: Path, kind: str, name: str) -> None:
    told = FORMATS[kind]
    words = _read(tmp_path, f"a{told.suffix}", told.write(TALK), f" {name.upper()} ")
    _check(words, TALK, name, kind)
    others = [said for said in TALK if said.speaker != name]
    if told.starts and told.ends:
        spans = [(turn.label, turn.start_s, turn.end_s) for turn in words.others]
        merged = [("P02", 15, 20)] if name != "P02" else []
        expected = [(s.speaker, s.start_s, s.end_s) for s in others if s.speaker != "P02"]
        assert spans == expected + merged


@pytest.mark.parametrize("kind", FORMATS)
def test_nobody_is_taken_for_the_person_where_several_speak(tmp_path: Path, kind: str) -> None:
    told = FORMATS[kind]
    words = _read(tmp_path, f"a{told.suffix}", told.write(TALK))
    assert words.words == words.others == ()
    assert words.not_measured == (
        "three speakers (Interviewer 7 words, Anna Berg 13 words, P02 4 words); say which with "
        "--speaker"
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_who_says_most_on_request(tmp_path: Path, kind: str) -> None:
    told = FORMATS[kind]
    words = _read(tmp_path, f"a{told.suffix}", told.write(TALK), "longest")
    _check(words, TALK, "Anna Berg", kind)
    assert any("those of Anna Berg" in problem for problem in words.problems)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_name_that_does_not_occur_is_refused_with_those_that_do(
    tmp_path: Path, kind: str
) -> None:
    told = FORMATS[kind]
    with pytest.raises(BadInput, match=r"Interviewer 7 words, Anna Berg 13 words.*'Ben'"):
        _read(tmp_path, f"a{told.suffix}", told.write(TALK), "Ben")


@pytest.mark.parametrize("kind", FORMATS)
def test_one_speaker_alone_is_the_person(tmp_path: Path, kind: str) -> None:
    told = FORMATS[kind]
    talk = [said for said in TALK if said.speaker == "Anna Berg"]
    words = _read(tmp_path, f"a{told.suffix}", told.write(talk))
    _check(words, talk, "Anna Berg", kind)
    assert words.others == ()
    assert words.not_measured == ""


TEXTS = [kind for kind, told in FORMATS.items() if told.suffix in (".txt", ".tsv")]


@pytest.mark.parametrize("kind", TEXTS)
def test_the_same_in_a_word_file(tmp_path: Path, kind: str) -> None:
    raw = word_file(FORMATS[kind].write(TALK))
    words = _read(tmp_path, "a.docx", raw, "anna berg")
    _check(words, TALK, "Anna Berg", kind)


_word = st.from_regex(r"[a-z]{1,7}[.,?]?", fullmatch=True)
_names = st.lists(
    st.sampled_from(["Interviewer", "P01", "Anna Berg", "Speaker 2", "Müller"]),
    min_size=2,
    max_size=3,
    unique=True,
)


@st.composite
def _talks(draw: st.DrawFn) -> Talk:
    """Speakers who take turns, each twice or more, with pauses."""
    names = draw(_names)
    n = draw(st.integers(2 * len(names), 10))
    now = draw(st.integers(0, 3))
    talk: Talk = []
    for k in range(n):
        words = tuple(draw(st.lists(_word, min_size=2, max_size=5)))
        end = now + draw(st.integers(1, 4))
        talk.append(Said(names[k % len(names)], now, end, words))
        now = end + draw(st.integers(0, 2))
    return talk


@given(_talks(), st.sampled_from(sorted(FORMATS)))
def test_every_conversation_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, talk: Talk, kind: str
) -> None:
    told = FORMATS[kind]
    path = tmp_path_factory.mktemp("talk") / f"a{told.suffix}"
    path.write_text(told.write(talk), encoding="utf-8")
    n_words = 0
    for name in dict.fromkeys(said.speaker for said in talk):
        words = read_words(path, 100.0, name)
        _check(words, talk, name, kind)
        n_words += len(words.words)
    assert n_words == sum(len(said.words) for said in talk)


# --- what is a label


@pytest.mark.parametrize(
    "text",
    [
        "Well: I think\nSo: yes",
        "Well: I think\nWell: no",
        "my answer: no",
        "My answer: no\nMy answer: yes",
        "Note: I go\nNote: I stay",
        "9:30 I get up",
        "I get up early.\n9:30 I have tea.\n10:15 I go.",
        "Pros: I feel better\nCons: it is hard",
        "Monday: I ran\nTuesday: I rested\nMonday: I ran",
        "Honestly: no\nHonestly: I can't",
        "So I said to the doctor: no",
        "it was 2:1 for us",
        "see https://example.org: there",
        "OK: fine\nI go",
        "I met Anna\nBen\nand Carl",
        "yes 9:30 no",
        "The ratio 3: 4\nI: no, wait",
        "a >> b",
    ],
)
@pytest.mark.parametrize("suffix", [".txt", ".srt", ".vtt", ".json"])
def test_a_colon_in_speech_names_nobody(tmp_path: Path, text: str, suffix: str) -> None:
    content = text
    if suffix == ".json":
        content = json.dumps([{"start": 0, "end": 9, "text": text}])
    elif suffix != ".txt":
        head = "WEBVTT\n\n" if suffix == ".vtt" else ""
        shown = text.replace(">", "&gt;") if suffix == ".vtt" else text
        content = f"{head}00:00:00.000 --> 00:00:09.000\n{shown}\n"
    words = _read(tmp_path, f"a{suffix}", content)
    assert "".join(_texts(words)) == "".join(text.split())
    assert (words.speaker, words.not_measured) == ("", "")


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("Interviewer: Do you?\nParticipant: Yes I do.", "Interviewer 2 words, Participant 3"),
        ("interviewer: do you?\nparticipant: yes", "interviewer 2 words, participant 1 word"),
        ("Q: Do you?\nA: Yes.", "Q 2 words, A 1 word"),
        ("I: Do you?\nP01: Yes.\nWell, no.", "I 2 words, P01 3 words"),
        ("Anna: Do you?\nBen: Yes.", "Anna 2 words, Ben 1 word"),
        ("Dr. Smith: Do you?\nMüller: Yes.\nDr. Smith: Why?", "Dr. Smith 3 words, Müller 1"),
        ("JOHN: Do you?\nyes\nMARY: Yes.", "JOHN 3 words, MARY 1 word"),
        ("[SPEAKER_00]: Do you?\n[SPEAKER_01]: Yes.", "SPEAKER_00 2 words, SPEAKER_01 1 word"),
        ("(speaker 0) Do you?\n(speaker 1) Yes.", "speaker 0 2 words, speaker 1 1 word"),
        ("(speaker 0) Do you?\n(speaker ?) Yes.", "speaker 0 2 words, unlabelled 1 word"),
        ("**Anna:** Do you?\n**Ben:** Yes.", "Anna 2 words, Ben 1 word"),
        ("Speaker 1 (Anna): Do you?\nSpeaker 2 (Ben): Yes.", "Speaker 1 2 words, Speaker 2 1"),
        ("well\nInterviewer: Do you?\nP: Yes.", "unlabelled 1 word, Interviewer 2 words, P 1"),
        (">> Do you?\n>> Yes.\nI do.", "turn 1 2 words, turn 2 3 words"),
        (">> ANN: Do you?\n>> BEN: Yes.", "ANN 2 words, BEN 1 word"),
        ("Do you? [SPEAKER_TURN]\nYes.", "turn 1 2 words, turn 2 1 word"),
        ("Interviewer\nDo you?\n\nParticipant\nYes.\nI do.", "Interviewer 2 words, Participant 3"),
    ],
)
@pytest.mark.parametrize("suffix", [".txt", ".srt"])
def test_labels_are_no_words(tmp_path: Path, text: str, counts: str, suffix: str) -> None:
    content = text
    if suffix == ".srt":
        paragraphs = text.split("\n\n") if "\n\n" in text else text.split("\n")
        cues = [
            f"{i}\n00:00:0{i},000 --> 00:00:0{i},900\n{line}\n"
            for i, line in enumerate(paragraphs, 1)
        ]
        content = "\n".join(cues)
    words = _read(tmp_path, f"a{suffix}", content)
    assert counts in words.not_measured


def test_two_speakers_in_one_cue_share_its_time_by_words(tmp_path: Path) -> None:
    cue = "1\n00:00:02,000 --> 00:00:06,000\nInterviewer: Why not?\nAnna: I can't.\n\n"
    later = "2\n00:00:07,000 --> 00:00:08,000\nreally\n"
    words = _read(tmp_path, "a.srt", cue + later, "anna")
    rows = [(w.text, w.start_s, w.end_s) for w in words.words]
    assert rows == [("I", 4.0, 5.0), ("can't.", 5.0, 6.0), ("really", 7.0, 8.0)]
    assert [(s.label, s.start_s, s.end_s) for s in words.others] == [("Interviewer", 2.0, 4.0)]


def test_a_label_before_single_words(tmp_path: Path) -> None:
    words = ["Speaker", "1:", "Do", "you?", "Speaker", "2:", "Yes."]
    timed = [{"word": w, "start": i, "end": i + 0.5} for i, w in enumerate(words)]
    whole = {
        "segments": [
            {"start": 0, "end": 4, "text": "Speaker 1: Do you?", "words": timed[:4]},
            {"start": 4, "end": 7, "text": "Speaker 2: Yes.", "words": timed[4:]},
        ]
    }
    read = _read(tmp_path, "a.json", json.dumps(whole), "speaker 1")
    assert [(w.text, w.start_s) for w in read.words] == [("Do", 2.0), ("you?", 3.0)]
    loose = _read(tmp_path, "b.json", json.dumps({"words": timed}), "speaker 2")
    assert [(w.text, w.start_s) for w in loose.words] == [("Yes.", 6.0)]


def test_words_of_no_speaker_are_left_out_and_said(tmp_path: Path) -> None:
    segments = [
        {"start": 0, "end": 1, "text": "hello there"},
        {"start": 1, "end": 2, "text": "Yes.", "speaker": "SPEAKER_00"},
    ]
    text = json.dumps({"segments": segments})
    assert "unlabelled 2 words, SPEAKER_00 1 word" in _read(tmp_path, "a.json", text).not_measured
    words = _read(tmp_path, "a.json", text, "SPEAKER_00")
    assert _texts(words) == ["Yes."]
    assert any("2 words" in p and "no named speaker" in p for p in words.problems)
    assert [turn.label for turn in words.others] == ["unlabelled"]
    assert _texts(_read(tmp_path, "a.json", text, "unlabelled")) == ["hello", "there"]


def test_a_person_asked_for_where_nobody_is_named(tmp_path: Path) -> None:
    words = _read(tmp_path, "a.txt", "yes and no", "Anna")
    assert _texts(words) == ["yes", "and", "no"]
    assert any("nobody is named" in problem for problem in words.problems)
    assert _texts(_read(tmp_path, "a.txt", "yes and no", "longest")) == ["yes", "and", "no"]


def test_text_at_hand_names_speakers_too() -> None:
    text = "Interviewer: Why?\nAnna: I can't."
    assert "two speakers" in words_of_text(text, "x", 5.0).not_measured
    assert _texts(words_of_text(text, "x", 5.0, "anna")) == ["I", "can't."]


def test_without_times_nobody_knows_when_the_others_speak() -> None:
    words = words_of_text("Interviewer: Why?\nAnna: I can't.", "x", 5.0, "anna")
    assert words.others == ()
    assert any("when the others speak is not known" in problem for problem in words.problems)


def test_times_of_the_day_are_not_times_of_the_recording(tmp_path: Path) -> None:
    text = "[Anna Berg] 10:01:03\nI can't.\n\n[Ben] 10:01:07\nWhy?\n"
    words = _read(tmp_path, "a.txt", text, "ben")
    assert _texts(words) == ["Why?"]
    assert any("times of the day" in problem for problem in words.problems)


# --- the cases that went wrong


def _case(shared: Path, name: str) -> Path:
    return shared / "cases" / name


@pytest.mark.parametrize("name", ["interviewer.srt", "wx.json"])
def test_two_speakers_of_made_files(shared: Path, name: str) -> None:
    folder = _case(shared, "speakers-in-transcript")
    clean = read_words(folder / "clean.srt", 9.5)
    refused = read_words(folder / name, 9.5)
    assert refused.words == ()
    assert refused.not_measured.startswith("two speakers (")
    assert "15 words" in refused.not_measured
    assert "27 words" in refused.not_measured
    words = read_words(folder / name, 9.5, "longest")
    assert _texts(words) == _texts(clean)


def test_one_labelled_speaker_of_a_made_file(shared: Path) -> None:
    folder = _case(shared, "speakers-in-transcript")
    clean = read_words(folder / "clean.srt", 9.5)
    words = read_words(folder / "speaker.srt", 9.5)
    assert words.words == clean.words
    assert words.problems == clean.problems


def test_voices_of_a_made_file(shared: Path) -> None:
    path = _case(shared, "transcript-remarks-lost") / "two_speakers.vtt"
    assert "Interviewer 12 words, Participant 1 word" in read_words(path, 9.5).not_measured
    words = read_words(path, 9.5, "participant")
    assert [(w.text, w.start_s, w.end_s) for w in words.words] == [("Yes.", 3.0, 5.0)]
    assert [(s.label, s.start_s, s.end_s) for s in words.others] == [("Interviewer", 0.0, 3.0)]


def test_timed_text_of_made_files(shared: Path) -> None:
    folder = _case(shared, "timed-plain-text")
    console = read_words(folder / "whisper_cli.txt", 9.5)
    assert " ".join(_texts(console)) == "I want to stop. But it is hard."
    assert [w.start_s for w in console.words[::4]] == [0.0, 2.0]
    assert console.words[-1].end_s == 4.0
    assert read_words(folder / "otter.txt", 9.5).not_measured.startswith("two speakers")
    otter = read_words(folder / "otter.txt", 9.5, "P01")
    assert " ".join(_texts(otter)) == "Well, um, I don't know."
    assert otter.words[0].start_s == 4.0
    assert [(s.label, s.start_s, s.end_s) for s in otter.others] == [("Interviewer", 1.0, 4.0)]


# --- dumps of programs and services

GO = [("I", 0.5, 1.0), ("can't.", 1.0, 1.5)]


def _dumps() -> dict[str, object]:
    listed = [{"word": w, "start": a, "end": b, "conf": 0.5} for w, a, b in GO]
    spoken = [{**item, "speaker": 1} for item in listed]
    text = "I can't."
    amazon = [
        {
            "type": "pronunciation",
            "start_time": str(a),
            "end_time": str(b),
            "speaker_label": "spk_1",
            "alternatives": [{"content": w.rstrip("."), "confidence": "0.5"}],
        }
        for w, a, b in GO
    ]
    point = {"type": "punctuation", "alternatives": [{"content": "."}]}
    typed = [
        {
            "type": "word",
            "start_time": a,
            "end_time": b,
            "alternatives": [{"content": w, "confidence": 0.5, "speaker": "S1"}],
        }
        for w, a, b in GO
    ]
    google = [
        {"word": w, "startTime": f"{a}s", "endTime": f"{b}s", "speakerTag": 1} for w, a, b in GO
    ]
    rev = [{"type": "text", "value": w, "ts": a, "end_ts": b} for w, a, b in GO]
    stamped = [{"text": w, "start": a, "end": b, "confidence": 0.5} for w, a, b in GO]
    return {
        "Vosk": {"result": listed, "text": text},
        "Vosk, by utterance": [{"result": listed, "text": text}],
        "whisper-timestamped": {
            "segments": [{"start": 0, "end": 2, "text": text, "words": stamped}]
        },
        "WhisperX words": {"word_segments": [{**s, "speaker": "SPEAKER_01"} for s in listed]},
        "diarised chunks": {
            "speakers": [{"speaker": "S", "text": w, "timestamp": [a, b]} for w, a, b in GO],
            "chunks": [{"text": text, "timestamp": [0, 9]}],
        },
        "whisper.cpp": {
            "transcription": [
                {
                    "timestamps": {
                        "from": f"00:00:00,{500 * i + 500:03d}"[:12],
                        "to": f"00:00:0{b},0",
                    },
                    "offsets": {"from": 1000 * a, "to": 1000 * b},
                    "text": f" {w}",
                    "speaker": "0",
                }
                for i, (w, a, b) in enumerate(GO)
            ]
        },
        "Deepgram": {"results": {"channels": [{"alternatives": [{"words": spoken}]}]}},
        "Amazon": {"results": {"items": [*amazon, point]}},
        "Speechmatics": {"results": typed},
        "Google": {"results": [{"alternatives": [{"transcript": text, "words": google}]}]},
        "Azure": {
            "recognizedPhrases": [
                {
                    "speaker": 1,
                    "offsetInTicks": 5_000_000,
                    "durationInTicks": 10_000_000,
                    "nBest": [{"display": text}],
                }
            ]
        },
        "Rev": {"monologues": [{"speaker": 0, "elements": rev}]},
        "YouTube": {
            "events": [
                {
                    "tStartMs": 500,
                    "dDurationMs": 1000,
                    "segs": [{"utf8": "I"}, {"utf8": " can't.", "tOffsetMs": 500}],
                }
            ]
        },
    }


@pytest.mark.parametrize("program", _dumps())
def test_words_of_dumps(tmp_path: Path, program: str) -> None:
    words = _read(tmp_path, "a.json", json.dumps(_dumps()[program]))
    assert [(w.text, w.start_s, w.end_s) for w in words.words] == GO
    assert words.not_measured == ""


def test_a_word_without_a_speaker_between_two_of_one_is_theirs(tmp_path: Path) -> None:
    names = ["A", None, "A", "B", None, "A"]
    items = [
        {"word": f"w{i}", "start": i, "end": i + 0.5, "speaker": name}
        for i, name in enumerate(names)
    ]
    words = _read(tmp_path, "a.json", json.dumps({"words": items}), "a")
    assert _texts(words) == ["w0", "w1", "w2", "w5"]
    assert any("1 word of" in problem for problem in words.problems)


# --- Word and ELAN files


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    raw = io.BytesIO(word_file("yes"))
    with zipfile.ZipFile(raw, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/more.xml", b" " * (40 << 20))
    with pytest.raises(BadInput, match="unpacks to"):
        _read(tmp_path, "a.docx", raw.getvalue())


def test_a_word_file_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    raw = word_file("yes")
    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(MissingExtra, match=r"twomind\[docx\]"):
        _read(tmp_path, "a.docx", raw)
    assert "docx" in why_no_transcript(tmp_path / "a.docx")


def test_deleted_text_is_not_said_and_inserted_text_is(tmp_path: Path) -> None:
    import docx
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    document = docx.Document()
    paragraph = document.add_paragraph("I ")
    for tag, text in (("w:del", "never "), ("w:ins", "can't")):
        change = OxmlElement(tag)
        run = OxmlElement("w:r")
        shown = OxmlElement("w:delText" if tag == "w:del" else "w:t")
        shown.text = text
        shown.set(qn("xml:space"), "preserve")
        run.append(shown)
        change.append(run)
        paragraph._p.append(change)
    raw = io.BytesIO()
    document.save(raw)
    assert _texts(_read(tmp_path, "a.docx", raw.getvalue())) == ["I", "can't"]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("Notes on the plan", False), ("[00:01] well", True), ("Anna: a\nBen: b", True)],
)
def test_a_word_file_beside_a_film_must_prove_itself(
    tmp_path: Path, text: str, is_one: bool
) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(word_file(text))
    assert (why_no_transcript(path) == "") == is_one


def test_parts_of_elan_tiers_give_the_times_of_words(tmp_path: Path) -> None:
    text = FORMATS["ELAN"].write([Said("Anna", 1, 3, ("I", "can't"))])
    parts = "".join(
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{name}{k}" ANNOTATION_REF="x0">'
        f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
        for name, values in (("w", ("I", "can't")),)
        for k, value in enumerate(values)
    )
    words = f'<TIER TIER_ID="w" PARENT_REF="t0" LINGUISTIC_TYPE_REF="parts">{parts}</TIER>'
    kind = '<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="parts" CONSTRAINTS="Symbolic_Subdivision"/>'
    text = text.replace("<LINGUISTIC_TYPE ", f"{words}{kind}<LINGUISTIC_TYPE ", 1)
    read = _read(tmp_path, "a.eaf", text)
    assert [(w.text, w.start_s, w.end_s) for w in read.words] == [("I", 1, 2), ("can't", 2, 3)]


def test_codes_of_elan_are_no_speech(tmp_path: Path) -> None:
    talk = [Said("Anna", 1, 3, ("I", "can't")), Said("Coder", 1, 3, ("present",))]
    text = FORMATS["ELAN"].write(talk)
    coded = text.replace(
        'PARTICIPANT="Coder" LINGUISTIC_TYPE_REF="default-lt"',
        'PARTICIPANT="Anna" LINGUISTIC_TYPE_REF="A/H"',
    )
    words = _read(tmp_path, "a.eaf", coded)
    assert _texts(words) == ["I", "can't"]
    assert any("left out" in problem for problem in words.problems)


# --- nothing is lost


def test_text_in_no_cue_is_a_remark(tmp_path: Path) -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\nyes\n\nand no\n\nNOTE x\n\nid\n00:03.000 --> 00:04.000\nso\n"
    words = _read(tmp_path, "a.vtt", text)
    assert _texts(words) == ["yes", "so"]
    assert any("'and no'" in problem for problem in words.problems)


def test_text_beside_or_before_the_times_is_kept(tmp_path: Path) -> None:
    text = "well\n\n1\n00:00:01,000 --> 00:00:02,000 I can't X1:40\n\n"
    words = _read(tmp_path, "a.srt", text)
    assert _texts(words) == ["well", "I", "can't", "X1:40"]


# --- other ways to write times and names: when "Do you?" and "Yes." begin

WRITTEN = {
    "Teams page": "Anna\n0 minutes 3 seconds0:03\nDo you?\nBen\n0 minutes 7 seconds0:07\nYes.",
    "Premiere": "00:00:03:12 - 00:00:07:20\nSpeaker 1\nDo you?\n\n00:00:07:20 - 00:00:09:00\n"
    "Speaker 2\nYes.",
    "Riverside": "Anna (00:03.00)\nDo you?\n\nBen (00:07.00)\nYes.",
    "HappyScribe": "00:00:03 - 00:00:07 | Anna\nDo you?\n\n00:00:07 - 00:00:09 | Ben\nYes.\n"
    "00:00:09 - 00:00:10 | Anna\n[noise]",
    "Amberscript": "Speaker 1   00:00:03\nDo you?\nSpeaker 2   00:00:07\nYes.",
    "Zoom page": "00:03\nAnna Berg\nDo you?\n00:07\nBen Foo\nYes.\n00:09\nAnna Berg\n[noise]",
    "markdown": "**Interviewer** (00:03): Do you?\n\n**Anna** (00:07): Yes.",
    "brackets": "[00:00:03 --> 00:00:07] SPEAKER_00: Do you?\n[00:00:07 --> 00:00:09] SPEAKER_01: Yes.",
}


@pytest.mark.parametrize("program", WRITTEN)
def test_other_ways_to_write_times(tmp_path: Path, program: str) -> None:
    text = WRITTEN[program]
    refused = _read(tmp_path, "a.txt", text).not_measured
    assert refused.startswith("two speakers (")
    for said, start_s in (("Do you?", 3.0), ("Yes.", 7.0)):
        n_words = len(said.split())
        word = "1 word" if n_words == 1 else f"{n_words} words"
        listed = refused.removeprefix("two speakers (").split(")")[0].split(", ")
        name = next(one.removesuffix(f" {word}") for one in listed if one.endswith(f" {word}"))
        words = _read(tmp_path, "a.txt", text, name)
        spoken = [w for w in words.words if "noise" not in w.text]
        assert [w.text for w in spoken] == said.split()
        assert spoken[0].start_s == start_s


@pytest.mark.parametrize(
    "text",
    [
        "Q. Do you?\nA. Yes.",
        "Interviewer — Do you?\nAnna — Yes.",
        "[Interviewer] Do you?\n[Anna] Yes.",
        "Interviewer:\tDo you?\nAnna:\tYes.",
        "Interviewer : Do you?\nAnna : Yes.",
        "1 Interviewer: Do\n2 you?\n3 Anna: Yes.",
        "1\tInterviewer:\tDo you?\n2\tAnna:\tYes.\n3\tInterviewer:\t[noise]",
    ],
)
def test_other_ways_to_write_names(tmp_path: Path, text: str) -> None:
    refused = _read(tmp_path, "a.txt", text).not_measured
    assert "2 words" in refused
    assert "1 word)" in refused
    name = refused.split(", ")[1].removesuffix(" 1 word); say which with --speaker")
    assert _texts(_read(tmp_path, "a.txt", text, name)) == ["Yes."]


def test_text_between_two_times_shares_them(tmp_path: Path) -> None:
    text = "00:00\n\nAnna Berg: Do you think?\nBen Foo: Yes.\n00:08\n\nAnna Berg: ok\n"
    words = _read(tmp_path, "a.txt", text, "ben foo")
    assert [(w.text, w.start_s, w.end_s) for w in words.words] == [("Yes.", 6.0, 8.0)]


def test_rtf_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"RTF; save it as plain text"):
        _read(tmp_path, "a.txt", "{\\rtf1\\ansi Yes.}")


# --- every token is accounted for


def _tokens(text: str) -> list[str]:
    """Words of letters, whatever stands beside them."""
    return re.findall(r"[^\W\d_]+", text)


#: What these programs write that is no conversation: heads, settings, and lines of their own.
OWN = [
    "WEBVTT",
    "v",
    "Timespan",
    "Content",
    "Speaker",
    "Start",
    "End",
    "Text",
    "From",
    "Detected",
    "language",
    "English",
]


@pytest.mark.parametrize(
    "kind", [kind for kind, told in FORMATS.items() if told.suffix not in (".json", ".eaf")]
)
def test_every_token_is_a_word_a_name_or_a_remark(tmp_path: Path, kind: str) -> None:
    told = FORMATS[kind]
    text = told.write(TALK).replace("Transcribed by https://otter.ai", "").replace("7f-", "")
    left = Counter(token for token in _tokens(text) if token not in OWN)
    for said in TALK:
        left -= Counter(_tokens(said.speaker))
    for name in ("Interviewer", "Anna Berg", "P02"):
        words = _read(tmp_path, f"a{told.suffix}", text, name)
        for word in words.words:
            left -= Counter(_tokens(word.text))
    assert not left


YELLOW_ASKS = [
    '<font color="#FFFF00">Do you\nwant to stop?</font>',
    "- <font color=aqua>I do,</font>\n- <font color='#ffff00'>But?</font>",
    "<font color=aqua>But I can't.</font>",
]


def _captions(texts: list[str], head: str = "") -> str:
    cues = [
        f"{n + 1}\n00:00:{4 * n:02d}.000 --> 00:00:{4 * n + 3:02d}.000\n{text}\n"
        for n, text in enumerate(texts)
    ]
    return head + "\n".join(cues)


def test_speakers_told_by_colour_alone(tmp_path: Path) -> None:
    content = _captions(YELLOW_ASKS)
    asked = _read(tmp_path, "a.srt", content)
    assert "two speakers (colour #ffff00 6 words, colour aqua 5 words)" in asked.not_measured
    words = _read(tmp_path, "a.srt", content, "colour aqua")
    assert _texts(words) == ["I", "do,", "But", "I", "can't."]
    assert (words.others[0].start_s, words.others[0].label) == (0, "colour #ffff00")
    vtt = _captions(["<c.yellow.bg_black>Why not?</c>", "It is hard."], "WEBVTT\n\n")
    words = _read(tmp_path, "b.vtt", vtt, "no colour")
    assert _texts(words) == ["It", "is", "hard."]


@pytest.mark.parametrize(
    "texts",
    [
        ["<font color=white>Yes.</font>", "<font color=white>I want to.</font>"],
        ["It is <font color=red>very</font> hard.", "<font color=white>Yes.</font>"],
        ["<i>It is hard.</i>", "Yes."],
        ["<c.left>It is hard.</c>", "<c.right>Yes.</c>"],
    ],
    ids=["one colour", "stress", "italic", "place"],
)
def test_a_colour_that_tells_nobody_apart(tmp_path: Path, texts: list[str]) -> None:
    words = _read(tmp_path, "a.vtt", _captions(texts, "WEBVTT\n\n"))
    assert not words.not_measured
    assert "Yes." in _texts(words)
    assert words.speaker == ""
