"""Words put at the times at which they are heard, on recordings with known times."""

from __future__ import annotations

import builtins
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twomind.core.errors import BadInput, MissingExtra
from twomind.transcripts import align as aligning
from twomind.transcripts.align import (
    AlignSettings,
    align,
    align_words,
    can_align,
    implausible_times,
    why_not,
)
from twomind.transcripts.words import Words
from twomind.types import Segment, Timing, Word

RATE_HZ = 16000


@pytest.fixture
def speech(shared: Path) -> Path:
    pytest.importorskip("pocketsphinx")
    folder = shared / "data" / "speech"
    if not folder.is_dir():
        pytest.skip(f"needs the recordings of {folder}")
    return folder


def sound_of(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        raw = file.readframes(file.getnframes())
    return np.frombuffer(raw, np.int16).astype(np.float32) / 32768


def known(folder: Path, name: str) -> list[Word]:
    """The words of a TextGrid with their times."""
    lines = (folder / f"{name}.TextGrid").read_text().split("\n")
    at = lines.index('"words"')
    rows = lines[at + 4 : at + 4 + 3 * int(lines[at + 3])]
    words = []
    for k in range(0, len(rows), 3):
        if rows[k + 2] != '""':
            words.append(Word(rows[k + 2].strip('"'), float(rows[k]), float(rows[k + 1])))
    return words


def spread(words: list[Word], end_s: float) -> list[Word]:
    edges = np.linspace(0, end_s, len(words) + 1)
    return [
        Word(word.text, float(a), float(b), timing=Timing.SPREAD_ALL)
        for word, a, b in zip(words, edges, edges[1:], strict=False)
    ]


def off(words: list[Word], seed: int) -> list[Word]:
    """Times as wrong as a recogniser's, which err by about a tenth of a second."""
    rng = np.random.default_rng(seed)
    out = []
    for word in words:
        start_s = max(0.0, word.start_s + rng.normal(0, 0.1))
        end_s = max(start_s, word.end_s + rng.normal(0, 0.1))
        out.append(Word(word.text, start_s, end_s, 0.9, Timing.RECOGNISED))
    return sorted(out, key=lambda word: word.start_s)


def errors_ms(found: tuple[Word, ...], true: list[Word]) -> np.ndarray:
    assert [word.text for word in found] == [word.text for word in true]
    starts = [abs(a.start_s - b.start_s) for a, b in zip(found, true, strict=True)]
    ends = [abs(a.end_s - b.end_s) for a, b in zip(found, true, strict=True)]
    return 1000 * np.array(starts + ends)


@pytest.mark.parametrize("name", ["acoustic_corpus", "cold_corpus"])
def test_words_are_put_where_they_are_heard(speech: Path, name: str) -> None:
    sound = sound_of(speech / f"{name}.wav")
    true = [word for word in known(speech, name) if word.end_s - word.start_s > 0.02]
    for given in (spread(true, len(sound) / RATE_HZ), off(true, 0)):
        found = align(sound, 0.0, given)
        assert found.remarks == ()
        assert {word.timing for word in found.words} == {Timing.ALIGNED}
        if [word.text for word in given] == [word.text for word in true]:
            wrong = errors_ms(found.words, true)
            assert np.median(wrong) <= 25
            assert (wrong <= 50).mean() >= 0.6


def test_the_clock_of_the_recording_is_kept(speech: Path) -> None:
    sound = sound_of(speech / "acoustic_corpus.wav")[: 8 * RATE_HZ]
    true = [word for word in known(speech, "acoustic_corpus") if word.end_s < 7.6]
    early = align(sound, 0.0, off(true, 1))
    late = align(sound, 100.0, [shifted(word, 100.0) for word in off(true, 1)])
    for a, b in zip(early.words, late.words, strict=True):
        assert b.start_s - a.start_s == pytest.approx(100.0)


def shifted(word: Word, by_s: float) -> Word:
    start_s, end_s = word.start_s + by_s, word.end_s + by_s
    return Word(word.text, start_s, end_s, word.confidence, word.timing)


def test_doubtful_words_are_kept_where_they_were_said_and_dropped_where_not(speech: Path) -> None:
    """ "um" was said twice in this recording; "uh" after acoustic, talking, some and here's not."""
    sound = sound_of(speech / "acoustic_corpus.wav")
    words: list[Word] = []
    doubtful: set[int] = set()
    invented: set[int] = set()
    for word in known(speech, "acoustic_corpus"):
        if word.text == "um":
            doubtful.add(len(words))
        words.append(word)
        if word.text in ("acoustic", "talking", "some", "here's"):
            invented |= {len(words), len(words) + 1}
            words += [Word("uh", word.end_s, word.end_s), Word(word.text, word.end_s, word.end_s)]
    found = align(sound, 0.0, words, frozenset(doubtful | invented))
    assert doubtful <= set(found.kept)
    assert not invented & set(found.kept)


def test_a_note_and_an_unknown_word_stand_between_their_neighbours(speech: Path) -> None:
    sound = sound_of(speech / "acoustic_corpus.wav")[: 4 * RATE_HZ]
    words = off([word for word in known(speech, "acoustic_corpus") if word.end_s < 3.8], 2)
    noted = [*words[:3], Word("[noise]", words[3].start_s, words[3].start_s), *words[3:]]
    found = align(sound, 0.0, noted).words
    assert [word.text for word in found] == [word.text for word in noted]
    assert found[3].timing is Timing.SPREAD_CUE
    assert found[2].end_s <= found[3].start_s == found[3].end_s <= found[4].start_s


def test_words_that_do_not_fit_the_sound_keep_their_times_with_a_remark(speech: Path) -> None:
    words = spread([Word(f"word{k}", 0, 0) for k in range(200)], 1.0)
    found = align(np.zeros(RATE_HZ, np.float32), 0.0, words)
    assert [w.start_s for w in found.words] == [w.start_s for w in words]
    assert "could not be aligned" in found.remarks[0]


def test_words_that_were_never_said_keep_their_times(speech: Path) -> None:
    """A path through the sound is found for any words; how well it fits tells that they are others.
    The limit was chosen on other recordings than this one.
    """
    stem = speech / "librivox" / "sense_and_sensibility_01_austen_64kb-0870"
    sound = sound_of(stem.with_suffix(".wav"))
    said = stem.with_suffix(".txt").read_text().split()
    never = "my doctor keeps telling me about smoking yet every evening after dinner there it is"
    for text, timing in ((said, Timing.ALIGNED), (never.split(), Timing.SPREAD_ALL)):
        words = spread([Word(word, 0, 0) for word in text], len(sound) / RATE_HZ)
        found = align(sound, 0.0, words)
        assert {word.timing for word in found.words} == {timing}
    assert "could not be aligned" in found.remarks[0]
    assert "aligned" not in str(
        align(sound, 0.0, words, settings=AlignSettings(least_fit=-1.0)).remarks
    )


def test_whose_times_stay() -> None:
    plausible = [Word("a", 0.0, 0.2), Word("b", 0.2, 0.5), Word("c", 0.6, 0.9)]
    assert "plausible" in why_not(plausible, "en")
    assert why_not(spread(plausible, 3.0), None) == ""
    assert "fr" in why_not(spread(plausible, 3.0), "fr")
    assert why_not([], "en")
    no_length = [Word(word.text, word.start_s, word.start_s) for word in plausible]
    assert implausible_times(no_length)
    assert implausible_times([Word("a", 0.0, 9.0), Word("b", 9.0, 18.0)])
    assert implausible_times([Word("a", 0.0, 0.3), Word("b", 0.0, 0.3)])
    assert not implausible_times([])


def test_a_transcripts_own_times_stay(speech: Path) -> None:
    sound = sound_of(speech / "acoustic_corpus.wav")
    true = Words(tuple(known(speech, "acoustic_corpus")), "grid", language="en")
    assert align_words(sound, RATE_HZ, 0.0, true) is true


def test_other_people_are_not_listened_to(speech: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = {}

    def spy(values: np.ndarray, start_s: float, words: Any, **_: Any) -> aligning.Aligned:
        heard["values"] = values
        return aligning.Aligned(tuple(words), tuple(range(len(words))))

    monkeypatch.setattr(aligning, "align", spy)
    words = Words(
        tuple(spread([Word("one", 0, 0), Word("two", 0, 0)], 3.0)),
        "text",
        Timing.SPREAD_ALL,
        others=(Segment(11.0, 12.0, "B", "speaker"),),
    )
    sound = np.ones(3 * RATE_HZ, np.float32)
    align_words(sound, RATE_HZ, 10.0, words)
    silent = heard["values"] == 0
    assert silent[RATE_HZ : 2 * RATE_HZ].all()
    assert silent.sum() == RATE_HZ
    assert sound.all(), "the sound that was given is left as it is"


def test_what_cannot_be_aligned_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    words = Words((Word("a", 0.0, 1.0, timing=Timing.SPREAD_ALL),), "text", Timing.SPREAD_ALL)
    with pytest.raises(BadInput, match="8000"):
        align_words(np.zeros(10, np.float32), 8000, 0.0, words)
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "pocketsphinx":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    assert not can_align()
    with pytest.raises(MissingExtra, match=r"twomind\[align\]"):
        align_words(np.zeros(10, np.float32), RATE_HZ, 0.0, words)


@pytest.mark.parametrize("timing", list(Timing))
def test_every_way_of_timing_a_word_is_told_wherever_timings_are(timing: Timing) -> None:
    from twomind.media.recording import describe_timing
    from twomind.reporting.messages import ENGLISH
    from twomind.transcripts.words import finish

    assert describe_timing(timing)
    assert ENGLISH(f"timing.{timing.name.lower()}")
    assert finish([Word("a", 0.0, 1.0, timing=timing)], "text", [], None).timing is timing


def test_words_of_a_subtitle_that_are_heard_elsewhere_keep_its_times(speech: Path) -> None:
    """The subtitle of the first words stands where the recording ends: it is not of this sound."""
    sound = sound_of(speech / "acoustic_corpus.wav")
    length_s = len(sound) / RATE_HZ
    said = [word.text for word in known(speech, "acoustic_corpus")[:4]]
    edges = np.linspace(length_s - 1.0, length_s, len(said) + 1)
    given = []
    for text, a, b in zip(said, edges, edges[1:], strict=False):
        given.append(Word(text, float(a), float(b), timing=Timing.SPREAD_CUE))
    anywhere = align(sound, 0.0, given, settings=AlignSettings(far_s=1e9))
    assert anywhere.words[0].start_s < given[0].start_s - 4.0
    found = align(sound, 0.0, given)
    assert list(found.words) == given
    assert "keep the times they came with" in found.remarks[0]


def test_a_recording_is_aligned_alike_whatever_was_aligned_before() -> None:
    """The listener adapts to a voice while it hears it, and must forget it with the recording."""
    pytest.importorskip("pocketsphinx")
    times = np.arange(24_000) / 16_000
    tone = (0.3 * np.sin(2 * np.pi * 220 * times)).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.1, 30_000).astype(np.float32)
    said = [Word(text, 0.0, 1.0, timing=Timing.SPREAD_ALL) for text in ("well", "maybe", "two")]
    found = []
    for other in (0.01 * noise, noise, tone):
        align(other, 0.0, said)
        found.append([(word.start_s, word.end_s) for word in align(tone, 0.0, said).words])
    assert found[0] == found[1] == found[2]
