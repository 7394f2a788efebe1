"""Transcripts of every format become the same words, none lost, each with an honest time."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twomind.core.errors import BadInput
from twomind.transcripts.words import Words, read_words
from twomind.types import Recording, Timing


def _read(
    tmp_path: Path, name: str, content: str | bytes, duration_s: float | None = None
) -> Words:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return read_words(path, duration_s)


def _rows(words: Words) -> list[tuple[str, float, float]]:
    return [(w.text, round(w.start_s, 4), round(w.end_s, 4)) for w in words.words]


# --- subtitles

SRT = """1
00:00:01,000 --> 00:00:03,000
<i>Um,</i> I would
{\\an8}like to

2
00:00:04,500 --> 00:00:05,000
yes.

3
00:01:00,000 --> 00:01:02,000
- the number is
42
"""


def test_srt_spreads_words_evenly_in_their_cue(tmp_path: Path) -> None:
    words = _read(tmp_path, "a.srt", SRT)
    assert _rows(words)[:6] == [
        ("Um,", 1.0, 1.4),
        ("I", 1.4, 1.8),
        ("would", 1.8, 2.2),
        ("like", 2.2, 2.6),
        ("to", 2.6, 3.0),
        ("yes.", 4.5, 5.0),
    ]
    assert [w.text for w in words.words[6:]] == ["-the", "number", "is", "42"], (
        "a last line that is a number is spoken"
    )
    assert [w.timing for w in words.words] == [Timing.SPREAD_CUE] * 5 + [Timing.GIVEN] + [
        Timing.SPREAD_CUE
    ] * 4
    assert words.timing is Timing.SPREAD_CUE
    assert all(math.isnan(w.confidence) for w in words.words)
    assert words.source == "SubRip (a.srt)"
    assert words.problems == ()


def test_srt_one_word_per_cue_is_given(tmp_path: Path) -> None:
    cues = [("7", 0.0, 0.5), ("is", 0.5, 0.7), ("7", 0.9, 1.2)]
    text = "".join(
        f"{i}\n00:00:00,{int(a * 1000):03d} --> "
        f"00:00:0{int(b)},{round(b * 1000) % 1000:03d}\n{w}\n\n"
        for i, (w, a, b) in enumerate(cues, 1)
    )
    words = _read(tmp_path, "a.srt", text)
    assert _rows(words) == cues
    assert words.timing is Timing.GIVEN


def test_srt_recognised_under_another_name_and_with_windows_line_ends(tmp_path: Path) -> None:
    plain = _read(tmp_path, "a.srt", SRT)
    other = _read(tmp_path, "a.txt", SRT.replace("\n", "\r\n"))
    assert _rows(other) == _rows(plain)


VTT = """WEBVTT - made by hand

STYLE
::cue { color: red }

NOTE this is not spoken

intro
00:01.000 --> 00:03.000 align:start position:0%
<v Ann>well <00:00:01.500>I &amp; <00:00:02.250><c.loud>you</c>

NOTE nor
is this

second cue
01:00:04.000 --> 01:00:05.000
<b>no</b>
"""


def test_vtt_inline_stamps_are_word_times_and_notes_are_not_words(tmp_path: Path) -> None:
    words = _read(tmp_path, "a.vtt", VTT)
    assert _rows(words) == [
        ("well", 1.0, 1.5),
        ("I", 1.5, 1.875),
        ("&", 1.875, 2.25),
        ("you", 2.25, 3.0),
        ("no", 3604.0, 3605.0),
    ]
    assert [w.timing for w in words.words] == [
        Timing.GIVEN,
        Timing.SPREAD_CUE,
        Timing.SPREAD_CUE,
        Timing.GIVEN,
        Timing.GIVEN,
    ]


def test_vtt_rolling_captions_show_each_word_once(tmp_path: Path) -> None:
    text = """WEBVTT

00:00:00.000 --> 00:00:02.000
 
so<00:00:00.500><c> I</c><00:00:01.000><c> think</c>

00:00:02.000 --> 00:00:02.010
so I think

00:00:02.010 --> 00:00:04.000
so I think
maybe<00:00:03.000><c> not</c>
"""
    words = _read(tmp_path, "a.vtt", text)
    assert _rows(words) == [
        ("so", 0.0, 0.5),
        ("I", 0.5, 1.0),
        ("think", 1.0, 2.0),
        ("maybe", 2.01, 3.0),
        ("not", 3.0, 4.0),
    ]
    assert any("2 lines" in p and "rolling" in p for p in words.problems)


def test_the_name_of_one_speaker_alone_is_no_word(tmp_path: Path) -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>yes\n\n00:02.000 --> 00:03.000\n<v Ann>no\n"
    words = _read(tmp_path, "a.vtt", text)
    assert _rows(words) == [("yes", 1.0, 2.0), ("no", 2.0, 3.0)]
    assert (words.speaker, words.problems, words.not_measured) == ("Ann", (), "")


# --- lines that should be a timing

#: Second timing lines that are mistyped, and when its words begin and end: as meant, or where no
#: time can be read between the neighbours.
MISTYPED = [
    ("00:00:04,000 -> 00:00:07,000", 4.0, 7.0),
    ("00:00:04:000 --> 00:00:07:000", 4.0, 7.0),
    ("00:00:04 --> 00:00:07", 4.0, 7.0),
    ("00:04:000 --> 00:07:000", 4.0, 7.0),
    ("00:00:04,000 – 00:00:07,000", 4.0, 7.0),
    ("00:00:04,000 00:00:07,000", 4.0, 7.0),
    ("00: 00: 04, 000 -- > 00: 00: 07, 000", 4.0, 7.0),
    ("00:00:04,000 --> 00:00:o7,000", 4.0, 8.0),
    ("00:00:o4,000 --> 00:00:07,000", 3.0, 8.0),
    ("00:00:04,000 -->", 4.0, 8.0),
]


@pytest.mark.parametrize(("line", "start_s", "end_s"), MISTYPED)
@pytest.mark.parametrize("number", ["2\n", ""])
def test_a_mistyped_timing_keeps_its_text_near_its_time(
    tmp_path: Path, line: str, start_s: float, end_s: float, number: str
) -> None:
    first = "1\n00:00:01,000 --> 00:00:03,000\nI stop.\n\n"
    last = "3\n00:00:08,000 --> 00:00:09,000\nMaybe.\n"
    words = _read(tmp_path, "a.srt", f"{first}{number}{line}\nBut no.\n\n{last}")
    middle_s = (start_s + end_s) / 2
    assert _rows(words) == [
        ("I", 1.0, 2.0),
        ("stop.", 2.0, 3.0),
        ("But", start_s, middle_s),
        ("no.", middle_s, end_s),
        ("Maybe.", 8.0, 9.0),
    ]
    assert any("1 line " in p and line[:10] in p for p in words.problems)


@pytest.mark.parametrize("name", ["arrow.srt", "colon_ms.srt"])
def test_mistyped_timings_of_made_files(shared: Path, name: str) -> None:
    words = read_words(shared / "cases" / "bad-timing-line" / name, 9.5)
    said = "I want to stop. But it is hard. Maybe."
    assert [w.text for w in words.words] == said.split()
    assert [words.words[k].start_s for k in (0, 4, 8)] == [1.0, 4.0, 8.0]
    assert any("should give a cue's time" in p for p in words.problems)


@pytest.mark.parametrize(
    "line", ["1,000,000 - 2,000,000", "from -> 00:00:04,000 on", "it was 10:30 - 11:30", "a -> b"]
)
def test_speech_with_numbers_is_no_timing(tmp_path: Path, line: str) -> None:
    words = _read(tmp_path, "a.srt", f"1\n00:00:01,000 --> 00:00:03,000\nwell\n{line}\n")
    assert "".join(w.text for w in words.words) == "well" + line.replace(" ", "")
    assert words.problems == ()


# --- karaoke captions

#: Right: nine words, each at the time of the cue that marks it.
KARAOKE_ROWS = [
    ("I", 0.2, 0.6),
    ("really", 0.7, 1.1),
    ("want", 1.2, 1.6),
    ("to", 1.7, 2.1),
    ("stop", 2.2, 2.6),
    ("smoking", 2.7, 3.1),
    ("but", 3.2, 3.6),
    ("I", 3.7, 4.1),
    ("can't", 4.2, 4.6),
]


@pytest.mark.parametrize("name", ["hl_stable.srt", "hl_whisper.srt"])
def test_karaoke_captions_of_two_programs_are_one_utterance(shared: Path, name: str) -> None:
    folder = shared / "cases" / "highlight-captions"
    words = read_words(folder / name, 9.5)
    clean = read_words(folder / "hl_clean.txt", 9.5)
    assert _rows(words) == KARAOKE_ROWS
    assert [w.text for w in words.words] == [w.text for w in clean.words]
    assert words.timing is Timing.GIVEN
    assert any("8 cues" in p and "highlight" in p for p in words.problems)


def _captions(*cues: str) -> str:
    """WebVTT with one cue a second."""
    shown = [f"00:{i:02d}.000 --> 00:{i:02d}.800\n{cue}\n\n" for i, cue in enumerate(cues)]
    return "WEBVTT\n\n" + "".join(shown)


def test_a_highlight_that_moves_gives_its_words_their_times(tmp_path: Path) -> None:
    text = _captions(
        "- <c.now>I</c> am un&amp;sure",
        "- I am un&amp;sure",  # a pause: nothing is marked
        "- I am <c.now>un</c>&amp;sure",
        "- I am un&amp;<c.now>sure</c>",
        "- <c.now>I</c> am un&amp;sure",  # said once more
        "- <c.now>I am</c> un&amp;sure",
        "<u>really</u>",
    )
    words = _read(tmp_path, "a.vtt", text)
    assert _rows(words) == [
        ("-I", 0.0, 0.8),
        ("am", 0.8, 2.0),
        ("un&sure", 2.0, 3.8),
        ("-I", 4.0, 4.8),
        ("am", 5.0, 5.8),
        ("un&sure", 5.8, 5.8),
        ("really", 6.0, 6.8),
    ]
    assert [w.timing for w in words.words[:3]] == [Timing.GIVEN, Timing.SPREAD_CUE, Timing.GIVEN]


def test_a_sentence_said_twice_is_kept_twice(tmp_path: Path) -> None:
    for cues in (
        ("I <u>can't</u>", "I <u>can't</u>"),
        ("<font color=red>I can't</font>", "<font color=red>I can't</font>"),
        ("I can't", "I <u>can't</u>"),
        ("I <i>can't</i>", "<i>I</i> can't"),
    ):
        words = _read(tmp_path, "a.vtt", _captions(*cues))
        assert [w.text for w in words.words] == ["I", "can't"] * 2
        assert words.problems == ()


# --- Whisper


def test_openai_whisper_json(tmp_path: Path) -> None:
    data = {
        "text": " Um, I, I might.",
        "language": "en",
        "segments": [
            {
                "start": 0.5,
                "end": 2.5,
                "text": " Um, I, I might.",
                "words": [
                    {"word": " Um,", "start": 0.5, "end": 0.9, "probability": 0.7},
                    {"word": " I,", "start": 0.9, "end": 1.2, "probability": 0.9},
                    {"word": " I", "start": 1.6, "end": 1.7, "probability": 0.8},
                    {"word": " might.", "start": 1.7, "end": 2.5, "probability": 1.2},
                ],
            }
        ],
    }
    words = _read(tmp_path, "a.json", json.dumps(data))
    assert _rows(words) == [
        ("Um,", 0.5, 0.9),
        ("I,", 0.9, 1.2),
        ("I", 1.6, 1.7),
        ("might.", 1.7, 2.5),
    ]
    assert [w.confidence for w in words.words[:3]] == [0.7, 0.9, 0.8]
    assert math.isnan(words.words[3].confidence), "1.2 is no probability"
    assert (words.timing, words.language) == (Timing.GIVEN, "en")


def test_faster_whisper_dump_as_a_bare_list_of_segments_without_words(tmp_path: Path) -> None:
    data = [
        {"id": 1, "start": 0.0, "end": 1.0, "text": " two words"},
        {"id": 2, "start": 1, "end": 3, "text": " end"},
    ]
    words = _read(tmp_path, "a.json", json.dumps(data))
    assert _rows(words) == [("two", 0.0, 0.5), ("words", 0.5, 1.0), ("end", 1.0, 3.0)]


def test_whisperx_words_without_times_lie_between_their_neighbours(tmp_path: Path) -> None:
    data = {
        "segments": [
            {
                "start": 1.0,
                "end": 4.0,
                "text": "by 2030 or so",
                "words": [
                    {"word": "by", "start": 1.0, "end": 1.5, "score": 0.9},
                    {"word": "2030"},
                    {"word": "or", "start": 2.5, "end": 3.0, "score": 0.5},
                    {"word": "so"},
                ],
            }
        ],
        "word_segments": [{"word": "by", "start": 1.0, "end": 1.5, "score": 0.9}],
    }
    words = _read(tmp_path, "a.json", json.dumps(data))
    assert _rows(words) == [
        ("by", 1.0, 1.5),
        ("2030", 1.5, 2.5),
        ("or", 2.5, 3.0),
        ("so", 3.0, 4.0),
    ]
    assert [w.timing for w in words.words] == [
        Timing.GIVEN,
        Timing.SPREAD_CUE,
        Timing.GIVEN,
        Timing.SPREAD_CUE,
    ]


def test_words_of_the_text_that_the_word_list_lacks_are_put_back(tmp_path: Path) -> None:
    listed = [{"word": "I", "start": 0.0, "end": 0.2}, {"word": "go", "start": 1.0, "end": 1.5}]
    data = {"segments": [{"start": 0.0, "end": 1.5, "text": "I, uh, um, go", "words": listed}]}
    words = _read(tmp_path, "a.json", json.dumps(data))
    assert [w.text for w in words.words] == ["I", "uh,", "um,", "go"]
    assert _rows(words)[1:3] == [("uh,", 0.2, 0.6), ("um,", 0.6, 1.0)]
    assert any("2 of its words" in p for p in words.problems)


def test_words_beside_segments_and_word_lists_alone(tmp_path: Path) -> None:
    listed = [{"word": "oh", "start": 0.1, "end": 0.2}, {"word": "no", "start": 0.4, "end": 0.6}]
    expected = [("oh", 0.1, 0.2), ("no", 0.4, 0.6)]
    for data in (
        {"text": "oh no", "words": listed},
        {"segments": [{"start": 0, "end": 1, "text": "oh no"}], "words": listed},
        listed,
    ):
        assert _rows(_read(tmp_path, "a.json", json.dumps(data))) == expected


def test_whisper_cpp(tmp_path: Path) -> None:
    data = {
        "result": {"language": "en"},
        "transcription": [{"offsets": {"from": 500, "to": 1500}, "text": " so what"}],
    }
    words = _read(tmp_path, "a.json", json.dumps(data))
    assert _rows(words) == [("so", 0.5, 1.0), ("what", 1.0, 1.5)]
    assert words.language == "en"


def test_whisper_cpp_pieces_of_a_word_are_joined(shared: Path) -> None:
    folder = shared / "cases" / "subword-tokens"
    words = read_words(folder / "cpp.json", 9.5)
    whole = read_words(folder / "cpp_words.json", 9.5)
    assert [w.text for w in words.words] == [w.text for w in whole.words]
    assert len(words.words) == 13
    assert ("uncomfortable", 4.95, 6.3) in _rows(words)
    assert words.timing is Timing.GIVEN


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([" un", "sure", ".", " I", "'m"], ["unsure.", "I'm"]),
        ([" I am un", "sure of", " it"], ["I", "am", "unsure", "of", "it"]),
        ([" no.", "But", " so"], ["no.", "But", "so"]),
        ([" so", "[noise]", " so"], ["so", "so"]),
        ([" so ", "what", " now"], ["so", "what", "now"]),
        (["so", "what", "if", " now"], ["so", "what", "if", "now"]),  # blanks were taken away
    ],
)
def test_a_piece_without_a_blank_continues_the_word(
    tmp_path: Path, pieces: list[str], expected: list[str]
) -> None:
    timed = [
        {"offsets": {"from": 500 * i, "to": 500 * i + 400}, "text": piece}
        for i, piece in enumerate(pieces)
    ]
    words = _read(tmp_path, "a.json", json.dumps({"transcription": timed}))
    assert [w.text for w in words.words] == expected


def test_pipeline_chunks_with_an_open_end(tmp_path: Path) -> None:
    chunks = [
        {"text": " maybe", "timestamp": [0.2, 0.8]},
        {"text": " some day", "timestamp": [1.0, None]},
    ]
    closed = _read(
        tmp_path, "a.json", json.dumps({"text": "maybe some day", "chunks": chunks}), duration_s=5.0
    )
    assert _rows(closed) == [("maybe", 0.2, 0.8), ("some", 1.0, 3.0), ("day", 3.0, 5.0)]
    assert any("no end" in p for p in closed.problems)
    open_end = _read(tmp_path, "a.json", json.dumps({"chunks": chunks}))
    assert all(math.isfinite(w.end_s) for w in open_end.words)
    assert open_end.words[-1].timing is Timing.SPREAD_CUE
    assert any("estimated" in p for p in open_end.problems)


BAH = """text: one two three four five six
chunks:
- language: english
  text: ' one two'
  timestamp: !!python/tuple
  - 0.0
  - 14.0
- language: english
  text: ' three'
  timestamp: !!python/tuple
  - 14.0
  - 28.0
- language: english
  text: ' four'
  timestamp: !!python/tuple
  - 0.0
  - 4.0
- language: english
  text: ' five'
  timestamp: !!python/tuple [6.0, 27.0]
- language: english
  text: ' six'
  timestamp: !!python/tuple
  - 0.0
  - null
"""


def test_bah_yaml_windows_are_added_up_and_cut_at_the_end(tmp_path: Path) -> None:
    words = _read(tmp_path, "a.yml", BAH, duration_s=60.0)
    assert _rows(words) == [
        ("one", 0.0, 7.0),
        ("two", 7.0, 14.0),
        ("three", 14.0, 28.0),
        ("four", 28.0, 32.0),
        ("five", 34.0, 55.0),
        ("six", 55.0, 60.0),
    ]
    assert words.language == "en"
    assert any("3 Whisper windows" in p for p in words.problems)
    short = _read(tmp_path, "a.yml", BAH, duration_s=50.0)
    assert [w.text for w in short.words] == ["one", "two", "three", "four", "five", "six"], (
        "no word is dropped"
    )
    assert max(w.end_s for w in short.words) == 50.0
    assert any("beyond the end" in p for p in short.problems)


def test_times_that_never_start_again_are_left_alone(tmp_path: Path) -> None:
    chunks = [{"text": "a b", "timestamp": [0, 29]}, {"text": "c", "timestamp": [27.5, 45]}]
    words = _read(tmp_path, "a.json", json.dumps({"chunks": chunks}))
    assert _rows(words)[-1] == ("c", 27.5, 45.0)
    assert any("starts before" in p for p in words.problems)


def test_yaml_is_read_by_libyaml_as_the_reader_in_python_reads_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import yaml

    from twomind.core import yaml_files

    used: list[type] = []
    loader_of = yaml_files._loader
    monkeypatch.setattr(
        yaml_files, "_loader", lambda base, *more: used.append(base) or loader_of(base, *more)
    )
    nested = "a: !!python/tuple [1, [2, !!python/tuple [3.5, null]]]\n"
    fast = [yaml_files.load_yaml(text) for text in (BAH, nested, "")]
    assert all(issubclass(loader, yaml.CSafeLoader) for loader in used)
    assert fast[1] == {"a": (1, [2, (3.5, None)])}
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert [yaml_files.load_yaml(text) for text in (BAH, nested, "")] == fast
    assert not issubclass(used[-1], yaml.cyaml.CParser)
    for bad in ("{unfinished", "a: 2024-13-45", "!!python/object:os.x {}"):
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            yaml_files.load_yaml(bad)


def test_yaml_cannot_run_code(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    with pytest.raises(BadInput, match="YAML"):
        _read(tmp_path, "a.yml", f"!!python/object/apply:os.mkdir ['{marker}']")
    assert not marker.exists()


# --- the unit of times


@pytest.mark.parametrize("duration_s", [9.5, None, 3600.0])
def test_milliseconds_are_known_by_the_length_of_words(
    shared: Path, duration_s: float | None
) -> None:
    words = read_words(shared / "cases" / "json-units-and-lists" / "aai.json", duration_s)
    assert _rows(words)[0] == ("I", 0.25, 0.5)
    assert _rows(words)[-1] == ("day.", 2.05, 2.3)
    assert len(words.words) == 7
    assert words.timing is Timing.GIVEN
    assert any("milliseconds" in p for p in words.problems)
    assert not any("beyond the end" in p for p in words.problems)


def _segments(*times: tuple[float, float]) -> str:
    segments = [{"text": "well I think so", "start": a, "end": b} for a, b in times]
    return json.dumps({"segments": segments})


def test_milliseconds_of_segments(tmp_path: Path) -> None:
    words = _read(tmp_path, "a.json", _segments((500, 1500), (2000, 4000)), 5.0)
    assert _rows(words)[0] == ("well", 0.5, 0.75)
    assert _rows(words)[-1] == ("so", 3.5, 4.0)


@pytest.mark.parametrize(
    "times", [((60_000, 61_000), (68_000, 69_000)), ((0.5, 900.5), (1000.5, 2000.5))]
)
def test_times_of_no_unit_are_refused(
    tmp_path: Path, times: tuple[tuple[float, float], ...]
) -> None:
    with pytest.raises(BadInput, match=r"a\.json: expected times in seconds.*milliseconds"):
        _read(tmp_path, "a.json", _segments(*times), 9.5)


@pytest.mark.parametrize(
    ("times", "duration_s"),
    [
        (((60, 64), (65, 69)), math.nan),
        (((0, 30),), 20.0),
        (((0, 3000),), 3600.0),
    ],
)
def test_seconds_stay_seconds(
    tmp_path: Path, times: tuple[tuple[float, float], ...], duration_s: float
) -> None:
    words = _read(tmp_path, "a.json", _segments(*times), duration_s)
    assert not any("milliseconds" in p for p in words.problems)
    assert words.words[-1].end_s == min(times[-1][1], duration_s)


# --- plain text and encodings


def test_plain_text_is_spread_over_the_recording_and_flagged(tmp_path: Path) -> None:
    words = _read(tmp_path, "a.txt", "Um — I would,\nI think ...", duration_s=10.0)
    assert _rows(words) == [
        ("Um—", 0, 2),
        ("I", 2, 4),
        ("would,", 4, 6),
        ("I", 6, 8),
        ("think...", 8, 10),
    ]
    assert {w.timing for w in words.words} == {words.timing} == {Timing.SPREAD_ALL}
    assert any("says nothing about when" in p for p in words.problems)


@pytest.mark.parametrize("duration_s", [None, math.nan, 0.0])
def test_plain_text_without_a_duration_invents_no_time(
    tmp_path: Path, duration_s: float | None
) -> None:
    words = _read(tmp_path, "a.txt", "yes and no", duration_s)
    assert _rows(words) == [("yes", 0, 0), ("and", 0, 0), ("no", 0, 0)]
    assert words.timing is Timing.SPREAD_ALL
    assert any("all words stand at 0 s" in p for p in words.problems)


@pytest.mark.parametrize(
    ("codec", "remarked"), [("utf-8", 0), ("utf-8-sig", 0), ("utf-16", 0), ("latin-1", 1)], ids=str
)
def test_encodings(tmp_path: Path, codec: str, remarked: int) -> None:
    words = _read(tmp_path, "a.txt", "déjà vu où ça".encode(codec), 4.0)
    assert [w.text for w in words.words] == ["déjà", "vu", "où", "ça"]
    assert sum("UTF-8" in p for p in words.problems) == remarked


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", ""),
        ("a.txt", " \n\t"),
        ("a.srt", ""),
        ("a.vtt", ""),
        ("a.vtt", "WEBVTT\n\n"),
        ("a.json", ""),
        ("a.json", '{"text": "", "segments": []}'),
        ("a.json", '{"text": "", "chunks": []}'),
        ("a.json", '{"words": []}'),
        ("a.yml", ""),
        ("a.yml", "text: ''\nchunks: []\n"),
    ],
)
def test_empty_is_known_and_wordless_not_an_error(tmp_path: Path, name: str, content: str) -> None:
    assert _read(tmp_path, name, content, 5.0).words == ()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.srt", "hello there", "-->"),
        ("a.vtt", "hello there", "-->"),
        ("a.json", "hello there", "JSON"),
        ("a.json", "3", "segments"),
        ("a.json", '{"a": 1}', "segments"),
        ("a.json", '{"segments": ["x"]}', "segment 1"),
        ("a.json", '{"segments": [{"text": "x", "start": "soon", "end": 2}]}', "soon"),
        ("a.json", '{"segments": [{"text": ["x"], "start": 1, "end": 2}]}', "text"),
        ("a.json", '{"chunks": [{"text": "x", "timestamp": 3}]}', "timestamp"),
        ("a.json", '{"words": [{"word": "x", "start": Infinity, "end": 2}]}', "time in seconds"),
        ("a.yml", "a: [", "YAML"),
        ("a.yml", "just a sentence", "segments"),
        ("a.docx", "hello", "docx"),
        ("a.srt", b"\0\1\2\3", "binary"),
        ("a.txt", b"\x00\x00\x00\x18ftypmp42", "binary"),
    ],
)
def test_garbage_says_what_was_expected(
    tmp_path: Path, name: str, content: str | bytes, says: str
) -> None:
    with pytest.raises(BadInput, match=says) as caught:
        _read(tmp_path, name, content)
    assert "expected" in str(caught.value)
    assert name in str(caught.value)


def test_absent_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="none of that name"):
        read_words(tmp_path / "none.srt")
    with pytest.raises(BadInput, match="a folder"):
        read_words(tmp_path)


# --- times


def test_odd_times_are_mended_and_remarked(tmp_path: Path) -> None:
    listed = [
        {"word": "c", "start": 2.0, "end": 1.5},
        {"word": "a", "start": -0.5, "end": 0.4},
        {"word": "b", "start": 0.3, "end": 1.0},
        {"word": "d", "start": 3.0, "end": 9.0},
    ]
    words = _read(tmp_path, "a.json", json.dumps(listed), duration_s=4.0)
    assert _rows(words) == [("a", 0, 0.4), ("b", 0.3, 1.0), ("c", 2.0, 2.0), ("d", 3.0, 4.0)]
    told = " | ".join(words.problems)
    for remark in (
        "ends before it starts",
        "before the recording does",
        "beyond the end",
        "in order",
        "starts before the word",
    ):
        assert remark in told


_token = st.text(
    st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=8
).filter(lambda text: not re.fullmatch("(?i)h+|xxx|spn|sil", text))  # codes of transcribers


_cues = st.lists(st.lists(_token, min_size=1, max_size=6), min_size=1, max_size=12)


@given(_cues, st.sampled_from(["srt", "vtt", "json", "yml"]))
def test_every_word_is_kept_in_every_format(
    tmp_path_factory: pytest.TempPathFactory, cues: list[list[str]], kind: str
) -> None:
    def stamp(t: float, mark: str) -> str:
        return f"00:{int(t) // 60:02d}:{int(t) % 60:02d}{mark}000"

    if kind == "json":
        content = json.dumps(
            [{"text": " ".join(c), "start": i, "end": i + 1} for i, c in enumerate(cues)]
        )
    elif kind == "yml":
        content = json.dumps(
            {
                "chunks": [
                    {"text": " ".join(c), "timestamp": [i, i + 1]} for i, c in enumerate(cues)
                ]
            },
            ensure_ascii=False,
        )
    else:
        mark = "," if kind == "srt" else "."
        content = "" if kind == "srt" else "WEBVTT\n\n"
        for i, cue in enumerate(cues):
            content += f"{i + 1}\n{stamp(i, mark)} --> {stamp(i + 1, mark)}\n{' '.join(cue)}\n\n"
    words = _read(tmp_path_factory.mktemp("words"), f"a.{kind}", content)
    assert [w.text for w in words.words] == [token for cue in cues for token in cue]
    for word in words.words:
        i = int(word.start_s + 1e-6)
        assert word.text in cues[i]
    Recording("a", "s", Path("a.mp4"), words=words.words)
