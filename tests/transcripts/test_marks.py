"""Marks of a transcriber are shown and never counted; speech in brackets stays speech."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from twomind.features.words.text import count
from twomind.transcripts.words import Words, read_words, words_of_text
from twomind.types import Timing


def _said(words: Words) -> list[str]:
    return [word.text for word in words.words]


def _noted(words: Words) -> list[str]:
    return [mark.text for mark in words.marks]


MARKS = [
    *("[noise]", "[NOISE]", "[BLANK_AUDIO]", "[*]", "(.)", "(..)", "(2.3)", "(0.5s)", "[pause]"),
    *("<unk>", "♪", "♪ la la la ♪", "*laughs*", "**laughs**", "((coughs))", "((looks down))"),
    *("(hard to hear)", "(3 seconds)", "(long pause)", "{laughs}", "[laughs]", "(laughing)"),
    *("[chuckles softly]", "[inaudible]", "(inaudible 00:12)", "[unintelligible 00:02:32]"),
    *("(unclear - could not hear)", "[inaudible, maybe]", "(not sure)", "[crosstalk]"),
    *("[name]", "[foreign language]", "(speaking French)", "[door closes]", "(door slams)"),
    *("(phone ringing)", "[ __ ]", "[...]"),
    *("(?)", "( )", "[clears throat]", "(both laugh)", "[nods]", "[no sound]", "[silence]"),
    *("(dog barking in the background)", "[Music]", "(MUSIC PLAYING)", "(DOGS HOWLING)"),
    *("[SPEAKING FOREIGN LANGUAGE]", "<laugh>", "<v_noise>", "[name of doctor]", "[NAME]", "xxx"),
    *("&=laughs", ".hhh", "°hh", "(sighs heavily)", "*sighs unhappily*", "[laughs)", "(--)"),
    *("[1]", "(sips)", "[participant looks away]", "(audio cuts out)", "[end of recording]"),
    *("[(laughs)]", "[laughs (softly)]", "[Interviewer laughs]", "(crying)", "[hard to hear]"),
]

SPEECH = [
    "(I mean) yes",
    "well (you know) it is",
    "maybe (word?) then",
    "[yeah] that is it",
    "[I know] that",
    "it costs (100) a month",
    "I take it (NRT) now",
    "I *really* want it",
    "I <really> want it",
    "(my wife laughed at me) then",
    "(it was all noise to me) then",
    "(music is my life) then",
    "I said (because you laughed) no",
    "1) I stop 2) I go on",
    "f*** it and s*** it",
    "I went home :) then",
    "five < six > four",
    "((I think so)) maybe",
    "[that's right, I never laughed] so",
    "I feel [sad] today",
    "I stopped (drinking) then",
    "[laughter-yeah] it is",
    "I mean [Tuesday?] then",
    "[overlapping: yes] it is",
]


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_is_shown_and_not_counted(mark: str) -> None:
    clean = words_of_text("I go home. Then I cook.", "text", 5.0)
    for text in (
        f"I go home. {mark} Then I cook.",
        f"{mark} I go home. Then I cook.",
        f"I go home. Then I cook. {mark}",
        f"I go {mark} home. Then {mark} I cook.",
        f"I go home. Then I cook {mark}.",
    ):
        words = words_of_text(text, "text", 5.0)
        assert words.words == clean.words, text
        assert set(_noted(words)) == {mark}
        assert any("no speech" in problem for problem in words.problems)
    assert clean.marks == ()


@pytest.mark.parametrize("code", ["[00:01:02]", "(00:01:02)", "[00:12.5 - 00:14.0]"])
@pytest.mark.parametrize("text", ["I go home. {} Then I cook.", "{} I go home. Then I cook."])
def test_a_time_code_is_no_word(code: str, text: str) -> None:
    words = words_of_text(text.format(code), "text", 100.0)
    assert [word.text for word in words.words] == ["I", "go", "home.", "Then", "I", "cook."]


@pytest.mark.parametrize("note", ["[croostalk]", "[shows photo]", "{to dog}", "[Tuesday]"])
def test_an_unknown_note_is_one_between_sentences_alone(note: str) -> None:
    assert _noted(words_of_text(f"I go. {note} Then I cook.", "text", 5.0)) == [note]
    assert _noted(words_of_text(f"I go.\n{note}\nthen I cook", "text", 5.0)) == [note]
    assert _noted(words_of_text(note, "text", 5.0)) == [note]
    inside = words_of_text(f"I go {note} then", "text", 5.0)
    assert inside.marks == ()
    assert any(note in problem for problem in inside.problems)


@pytest.mark.parametrize("text", SPEECH)
def test_brackets_around_speech_swallow_nothing(text: str) -> None:
    words = words_of_text(text, "text", 5.0)
    assert words.marks == ()
    assert " ".join(_said(words)).split() == _spoken(text)


def _spoken(text: str) -> list[str]:
    """The words of a text; punctuation alone stands at the word before it."""
    said: list[str] = []
    for token in text.split():
        if said and not any(c.isalnum() for c in token):
            said[-1] += token
        else:
            said.append(token)
    return said


@pytest.mark.parametrize("text", ["I (mean yes", "so [laughs and then I go home", "well) yes {no"])
def test_what_is_not_closed_is_speech(text: str) -> None:
    words = words_of_text(text, "text", 5.0)
    assert _said(words) == text.split()
    assert words.marks == ()


def test_what_stays_among_the_words_is_said() -> None:
    words = words_of_text("(I mean) yes (then again) [so I went", "text", 5.0)
    told = " | ".join(words.problems)
    assert "2 passages in brackets" in told
    assert "(I mean)" in told
    assert "1 bracket is not closed" in told


def test_a_remark_is_made_of_marks_alone() -> None:
    assert not any("brackets" in p for p in words_of_text("[um] I [laughs] go", "t", 5.0).problems)


@pytest.mark.parametrize("name", ["noise", "blank"])
def test_marks_of_made_files(shared: Path, name: str) -> None:
    folder = shared / "cases" / "nonspeech-marks"
    clean = read_words(folder / "clean.srt", 9.5)
    words = read_words(folder / f"{name}.srt", 9.5)
    assert len(words.marks) == 5
    if name == "noise":
        assert words.words == clean.words
        assert (count(_said(words)).counts == count(_said(clean)).counts).all()
    else:
        assert _said(words) == ["I", "want", "to", "stop."]
        assert words.marks[0].start_s == 0.0
        assert words.marks[0].end_s == 2.0


def test_ordinary_answers_are_read_as_they_stand(shared: Path) -> None:
    for name in ("train.txt", "val.txt"):
        lines = (shared / "data" / "bah_v1" / name).read_text(encoding="utf-8").splitlines()
        for line in lines:
            text = line.split(",", 2)[2]
            if not any(c.isalnum() for c in text):
                continue
            words = words_of_text(text, "text", 300.0)
            assert "".join(_said(words)) == "".join(text.split())
            assert words.marks == ()
            assert count(_said(words)).n_words == count(text.split()).n_words


@pytest.mark.parametrize("filler", ["[um]", "(uh)", "[Um, uh]", "(mhm)", "[uh-huh]", "((erm))"])
def test_a_bracketed_filler_counts(filler: str) -> None:
    words = words_of_text(f"I {filler} go", "text", 5.0)
    assert " ".join(_said(words)) == f"I {filler} go"
    assert words.marks == ()
    assert words.problems == words_of_text("I um go", "text", 5.0).problems


def _json(tmp_path: Path, tokens: list[str], **more: object) -> Words:
    path = tmp_path / "a.json"
    timed = [{"text": t, "start": i, "end": i + 1, **more} for i, t in enumerate(tokens)]
    segment = {"start": 0, "end": len(tokens), "text": " ".join(tokens), "words": timed}
    path.write_text(json.dumps({"segments": [segment]}), encoding="utf-8")
    return read_words(path)


def test_a_mark_goes_over_several_timed_words(tmp_path: Path) -> None:
    words = _json(tmp_path, ["I", "[hard", "to", "hear]", "go", "♪", "happy", "music", "♪", "home"])
    assert [(w.text, w.start_s) for w in words.words] == [("I", 0), ("go", 4), ("home", 9)]
    assert [(m.text, m.start_s, m.end_s) for m in words.marks] == [
        ("[hard to hear]", 1, 4),
        ("♪ happy music ♪", 5, 9),
    ]
    assert all(word.timing is Timing.GIVEN for word in words.words)


def test_notes_of_music_around_other_subtitles_are_marks_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    cues = ["♪", "I want to stop.", "♪"]
    blocks = [
        f"{i}\n00:00:0{i},000 --> 00:00:0{i},900\n{text}\n" for i, text in enumerate(cues, start=1)
    ]
    path.write_text("\n".join(blocks), encoding="utf-8")
    words = read_words(path)
    assert _said(words) == ["I", "want", "to", "stop."]
    assert _noted(words) == ["♪", "♪"]


def test_a_star_is_a_filler_where_the_program_means_one(tmp_path: Path) -> None:
    whisper = _json(tmp_path, ["I", "[*]", "go"], confidence=0.9)
    assert _said(whisper) == ["I", "[*]", "go"]
    assert whisper.marks == ()
    assert count(_said(whisper)).n_words == 2, "a filler is outside the length"
    elsewhere = words_of_text("I [*] go", "text", 3.0)
    assert _said(elsewhere) == ["I", "go"]
    assert _noted(elsewhere) == ["[*]"]


@pytest.mark.parametrize("code", ["%HESITATION", "<hes>", "[filled pause]", "[filler]", "<fil>"])
def test_codes_of_a_filler_are_one_code(code: str) -> None:
    assert _said(words_of_text(f"I {code} go", "text", 3.0)) == ["I", "[*]", "go"]


def test_marks_beside_words_have_no_length_and_take_no_time() -> None:
    words = words_of_text("I [laughs] go [sighs]", "text", 4.0)
    assert [(w.start_s, w.end_s) for w in words.words] == [(0, 2), (2, 4)]
    assert [(m.start_s, m.end_s) for m in words.marks] == [(2, 2), (4, 4)]


def test_several_marks_share_a_subtitle() -> None:
    words = words_of_text("[laughs] [sighs]", "text", 4.0)
    assert [(m.start_s, m.end_s) for m in words.marks] == [(0, 2), (2, 4)]
    assert words.words == ()


TALK = "I go home and then maybe um but not sure it was fun. Well, yes!"
_words = st.lists(st.sampled_from(TALK.split()), min_size=1, max_size=12)


@settings(max_examples=60)
@given(_words, st.lists(st.tuples(st.integers(0, 12), st.sampled_from(MARKS)), max_size=5))
def test_marks_anywhere_never_change_the_words(
    said: list[str], inserted: list[tuple[int, str]]
) -> None:
    clean = words_of_text(" ".join(said), "text", 10.0)
    tokens = list(said)
    for at, mark in inserted:
        tokens.insert(min(at, len(tokens)), mark)
    marked = words_of_text(" ".join(tokens), "text", 10.0)
    # What stands between two notes of music is sung.
    assume(sum("♪" in mark for _, mark in inserted) < 2)
    assert marked.words == clean.words
    assert len(marked.marks) == len(inserted)


def _srt(folder: Path, cues: list[list[str]]) -> Words:
    blocks = []
    for i, cue in enumerate(cues):
        blocks.append(f"{i + 1}\n00:00:{i:02d},000 --> 00:00:{i + 1:02d},000\n{' '.join(cue)}\n")
    path = folder / "a.srt"
    path.write_text("\n".join(blocks), encoding="utf-8")
    return read_words(path, float(len(cues)))


#: Tags of subtitles, and notes of music that may enclose what stands between two of them.
_NOT_HERE = ("<", "♪")


@settings(max_examples=40)
@given(
    st.lists(_words, min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12), st.sampled_from(MARKS)), max_size=5),
)
def test_marks_in_subtitles_never_change_the_words(
    tmp_path_factory: pytest.TempPathFactory,
    cues: list[list[str]],
    inserted: list[tuple[int, int, str]],
) -> None:
    folder = tmp_path_factory.mktemp("marks")
    clean = _srt(folder, cues)
    marked = [list(cue) for cue in cues]
    notes = [entry for entry in inserted if entry[2][0] not in _NOT_HERE]
    for index, at, mark in notes:
        cue = marked[min(index, len(cues) - 1)]
        cue.insert(min(at, len(cue)), mark)
    words = _srt(folder, marked)
    assert words.words == clean.words
    assert len(words.marks) == len(notes)
    for mark in words.marks:
        assert 0 <= mark.start_s <= mark.end_s <= len(cues)


def test_a_mark_goes_over_two_subtitles(tmp_path: Path) -> None:
    words = _srt(tmp_path, [["I", "go", "[hard", "to"], ["hear]", "home"], ["(long"], ["pause)"]])
    assert [(w.text, w.start_s, w.end_s) for w in words.words] == [
        ("I", 0, 0.5),
        ("go", 0.5, 1),
        ("home", 1, 2),
    ]
    assert [(m.text, m.start_s, m.end_s) for m in words.marks] == [
        ("[hard to hear]", 1, 1),
        ("(long pause)", 2, 4),
    ]


@settings(max_examples=60)
@given(st.text(alphabet="[](){}<>*♪ aI.um", max_size=60))
def test_no_text_of_brackets_loses_a_letter(text: str) -> None:
    words = words_of_text(text, "text", 10.0)
    shown = "".join(_said(words) + _noted(words)).replace("[*]", "")
    letters = [c for c in text if c.isalpha()]
    assert sorted(c for c in shown if c.isalpha()) == sorted(letters)


def test_brackets_without_end_take_no_time(tmp_path: Path) -> None:
    for text in ("[" * 100_000, "(" * 50_000 + ")" * 50_000, "*a " * 50_000, "♪ a " * 20_000):
        words_of_text(text, "text", 1e9)
