"""A live session: any chunking gives the tables and cues of the file, and one person's session
touches no other's.
"""

from __future__ import annotations

import math
import wave
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import twomind as tm
from twomind.core.errors import BadInput
from twomind.media import stream as media
from twomind.media.recording import open_recording
from twomind.pipeline.live import LiveSession, LiveSettings, replay
from twomind.pipeline.live_events import (
    CueBegan,
    CueEnded,
    Event,
    Finished,
    NotMeasured,
    WindowScored,
)
from twomind.types import Features, Recording, Timing, Word
from twomind.types.plain import to_plain

RATE_HZ = 16000
#: Begins and ends of voiced bursts, in seconds.
SPOKEN = ((0.5, 1.4), (1.9, 2.8), (4.3, 5.2), (5.5, 6.6), (8.2, 9.4), (9.6, 10.4))
SAID = (
    ("um", 0.5), ("I", 0.8), ("want", 1.0), ("to", 1.9), ("but", 2.2), ("maybe", 4.3), ("I", 4.8),
    ("cannot", 5.6), ("I", 8.2), ("cannot", 8.6), ("stop", 9.7),
)  # fmt: skip
LIVE = LiveSettings(step_s=2.0, warm_s=1.0, voice_s=6.0, face_s=8.0, words_late_s=15.0)


def voice() -> np.ndarray:
    """Eleven seconds of bursts with a falling pitch, and a little noise."""
    n = 11 * RATE_HZ
    times_s = np.arange(n) / RATE_HZ
    sound = np.random.default_rng(3).normal(0, 2e-4, n)
    for first_s, last_s in SPOKEN:
        inside = (times_s >= first_s) & (times_s < last_s)
        since_s = times_s[inside] - first_s
        cycles = 140 * since_s - 6 * since_s**2
        shape = np.sin(np.pi * since_s / (last_s - first_s)) ** 0.5
        for k in range(1, 18):
            sound[inside] += 0.12 / k * shape * np.sin(2 * np.pi * k * cycles)
    return sound.astype(np.float32)


def words() -> tuple[Word, ...]:
    return tuple(Word(text, at_s, at_s + 0.2, timing=Timing.RECOGNISED) for text, at_s in SAID)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, np.ndarray]:
    """A sound file with words, and its samples."""
    path = tmp_path_factory.mktemp("live") / "answer.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((voice() * 32767).astype("<i2").tobytes())
    recording = replace(open_recording(path), words=words(), words_source="test", drawn=True)
    with media.stream(path) as items:
        samples = [item.values for item in items if isinstance(item, media.Samples)]
    return recording, np.concatenate(samples)


def session(**more: Any) -> LiveSession:
    given = {"using": ("voice", "words"), "live": LIVE, "drawn": True, **more}
    return LiveSession(**given)


def pushed(
    live: LiveSession, sound: np.ndarray, cuts: list[int], late: list[int]
) -> Iterator[Event]:
    """The sound cut at ``cuts``; each word when ``late`` blocks have come after it."""
    said = list(words())
    edges = sorted({0, len(sound), *cuts})
    for number, (first, last) in enumerate(pairwise(edges)):
        yield from live.push_sound(first / RATE_HZ, sound[first:last])
        ready_s = last / RATE_HZ - late[number % len(late)]
        while said and said[0].end_s <= ready_s:
            yield from live.push_words([said.pop(0)])
    yield from live.push_words(said)
    yield from live.finish()


def in_lanes(events: list[Event]) -> list[Any]:
    """Events in the order of media time; those of words may come later than those of sound."""
    told = [event.to_dict() for event in events]
    for event in told:
        event.pop("id", None)
    return sorted(told, key=lambda e: (e["at_s"], e["event"], str(e)))


@pytest.fixture(scope="module")
def whole(spoken: tuple[Recording, np.ndarray]) -> tuple[list[Any], LiveSession]:
    """The file as if it were live."""
    recording, _ = spoken
    live = session()
    return in_lanes(list(replay(recording, live))), live


chunks = st.lists(st.integers(1, 11 * RATE_HZ - 1), min_size=1, max_size=40)
lateness = st.lists(st.integers(0, 6), min_size=1, max_size=5)


@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(cuts=chunks, late=lateness)
def test_any_chunking_gives_the_same_events_and_tables(
    spoken: tuple[Recording, np.ndarray],
    whole: tuple[list[Any], LiveSession],
    cuts: list[int],
    late: list[int],
) -> None:
    _, sound = spoken
    expected, as_a_file = whole
    live = session()
    assert in_lanes(list(pushed(live, sound, cuts, late))) == expected
    assert live.description is not None
    assert as_a_file.description is not None
    same_tables(live.description, as_a_file.description)


@pytest.mark.slow
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(cuts=chunks, late=lateness)
def test_any_chunking_many_times(
    spoken: tuple[Recording, np.ndarray],
    whole: tuple[list[Any], LiveSession],
    cuts: list[int],
    late: list[int],
) -> None:
    expected, _ = whole
    assert in_lanes(list(pushed(session(), spoken[1], cuts, late))) == expected


def test_a_block_longer_than_what_is_kept_is_heard_to_the_end(
    spoken: tuple[Recording, np.ndarray],
) -> None:
    """The last seconds alone are kept: of a block of eleven, six would be forgotten unheard."""
    _, sound = spoken
    told = []
    for n in (4000, len(sound)):
        how = LiveSettings(voice_s=4.0, words_late_s=0.0)
        live = LiveSession(using=["voice"], drawn=True, live=how)
        events = [live.push_sound(k / RATE_HZ, sound[k : k + n]) for k in range(0, len(sound), n)]
        told.append([event.to_dict() for many in [*events, live.finish()] for event in many])
    assert len(told[0]) >= 5
    assert told[0] == told[1]


def test_what_only_a_file_has_is_told_with_its_reason(
    spoken: tuple[Recording, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, at the same moment of the media however words came."""
    monkeypatch.setattr("twomind.pipeline.live.is_aligned", lambda recording, _: recording.words)
    _, sound = spoken
    told = []
    for late in ([0], [1, 2]):
        live = session()
        events = list(pushed(live, sound, [*range(0, len(sound), 16000)], late))
        told.append([e for e in events if isinstance(e, NotMeasured) and e.modality == "alignment"])
    assert told[0] == told[1]
    assert len(told[0]) == 1
    assert "times at which they came" in told[0][0].reason


def same_tables(one: Any, other: Any) -> None:
    assert one.cues == other.cues
    assert sorted(one.features.tracks) == sorted(other.features.tracks)
    for name, track in one.features.tracks.items():
        beside = other.features.tracks[name]
        np.testing.assert_allclose(track.values, beside.values, atol=1e-6)
        np.testing.assert_allclose(track.times_s, beside.times_s, atol=1e-9)
        np.testing.assert_array_equal(track.valid, beside.valid)


def test_when_it_is_over_it_says_what_describe_says(
    spoken: tuple[Recording, np.ndarray], whole: tuple[list[Any], LiveSession], tmp_path: Path
) -> None:
    recording, _ = spoken
    batch = tm.describe(recording, ("voice", "words"), store=tmp_path)
    _, live = whole
    assert live.description is not None
    same_tables(live.description, batch)
    assert to_plain(live.description.voice) == to_plain(batch.voice)
    assert {cue.kind for cue in batch.cues} >= {"long_pause", "filler", "contrast"}


def test_each_cue_begins_once_and_ends_once(whole: tuple[list[Any], LiveSession]) -> None:
    recording_events, live = whole
    began = [e for e in recording_events if e["event"] == "cue_began"]
    ended = [e for e in recording_events if e["event"] == "cue_ended"]
    dropped = [e for e in recording_events if e["event"] == "cue_dropped"]
    assert len(began) == len(ended) + len(dropped)
    assert len(ended) > 5
    for event in began:
        assert event["start_s"] <= event["at_s"]
    assert live.description is not None
    batch = {(cue.kind, round(cue.start_s, 3)) for cue in live.description.cues}
    found = {(e["kind"], round(e["start_s"], 3)) for e in ended}
    # The references differ; what needs none is the same.
    assert {one for one in batch if one[0] == "filler"} <= found


@pytest.mark.slow
def test_the_answer_at_the_end_is_that_of_predict(
    spoken: tuple[Recording, np.ndarray], tmp_path: Path
) -> None:
    recording, _ = spoken
    asked = replace(recording, question="7")
    live = session(model="words", question="7")
    events = list(replay(asked, live))
    scored = [event for event in events if isinstance(event, WindowScored)]
    assert [event.end_s for event in scored] == [10.0]
    batch = tm.predict(asked, "words", store=tmp_path)
    assert live.prediction is not None
    np.testing.assert_allclose(live.prediction.probs, batch.probs, atol=1e-9)
    first_ten = tuple(word for word in words() if word.start_s < 10)
    x = Features("live", "live", {}, (0.0, 10.0), "7", first_ten)
    np.testing.assert_allclose(scored[0].probs, tm.load("words").predict(x).probs, atol=1e-9)


def halves(sound: np.ndarray, at: int) -> tuple[np.ndarray, np.ndarray]:
    return sound[:at], sound[at:]


@pytest.mark.parametrize("at_s", [pytest.param(3.3, marks=pytest.mark.slow), 7.0])
def test_a_session_that_moved_goes_on_as_if_it_had_not(
    spoken: tuple[Recording, np.ndarray], at_s: float
) -> None:
    _, sound = spoken
    first, second = halves(sound, int(at_s * RATE_HZ))
    said = words()
    early = [word for word in said if word.start_s < at_s]
    rest = said[len(early) :]

    def begin(live: LiveSession) -> list[Event]:
        told = live.push_words(early, at_s)
        return told + live.push_sound(0.0, first)

    def go_on(live: LiveSession) -> list[Event]:
        told = live.push_words(rest, math.inf)
        told += live.push_sound(len(first) / RATE_HZ, second)
        return told + live.finish()

    stayed = session(keep=False)
    begin(stayed)
    moving = session(keep=False)
    begin(moving)
    moved = session(keep=False, state=moving.export())
    expected = [event.to_dict() for event in go_on(stayed)]
    found = [event.to_dict() for event in go_on(moved)]
    assert found[:-1] == expected[:-1]
    assert len(found) > 6


def test_a_state_is_whole_and_of_this_person_or_refused(
    spoken: tuple[Recording, np.ndarray],
) -> None:
    _, sound = spoken
    live = session(person="ana")
    live.push_sound(0.0, sound[:RATE_HZ])
    state = live.export()
    damaged = bytearray(state)
    damaged[-5] ^= 1
    with pytest.raises(BadInput):
        session(person="ana", state=bytes(damaged))
    with pytest.raises(BadInput, match="another person"):
        session(person="ben", state=state)
    with pytest.raises(BadInput, match="another model"):
        session(person="ana", state=state, model="words")


@pytest.mark.slow
def test_two_people_in_turns_are_each_as_if_alone(
    spoken: tuple[Recording, np.ndarray], whole: tuple[list[Any], LiveSession]
) -> None:
    _, sound = spoken
    expected, _ = whole
    other = np.roll(sound, RATE_HZ)[::-1].copy()
    ana, ben = session(person="ana"), session(person="ben")
    told: list[Event] = ana.push_words(words(), math.inf)
    for first in range(0, len(sound), 4000):
        ben.push_sound(first / RATE_HZ, other[first : first + 4000])
        told += ana.push_sound(first / RATE_HZ, sound[first : first + 4000])
    told += ana.finish()
    assert in_lanes(told) == expected


def test_what_is_missing_is_told_once_with_its_reason() -> None:
    live = session(using=("voice",))
    events = live.push_sound(0.0, np.zeros(3 * RATE_HZ, np.float32))
    told = [(event.to_dict()["event"], event.to_dict().get("reason")) for event in events]
    assert told == [("not_measured", "the sound is silent")]
    (finished,) = live.finish()
    assert finished.to_dict()["sound_s"] == 3.0


def test_bad_input_says_what_was_expected() -> None:
    live = session()
    with pytest.raises(BadInput, match="finite"):
        live.push_sound(0.0, np.array([np.nan], np.float32))
    with pytest.raises(BadInput, match=r"\(n,\)"):
        live.push_sound(0.0, np.zeros((2, 2), np.float32))
    with pytest.raises(BadInput, match="uint8"):
        live.push_frame(0.0, np.zeros((4, 4, 3)))
    live.push_frame(1.0, np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(BadInput, match="in order"):
        live.push_frame(0.5, np.zeros((4, 4, 3), np.uint8))
    live.push_words([Word("a", 2.0, 2.1)])
    with pytest.raises(BadInput, match="in order"):
        live.push_words([Word("b", 1.0, 1.1)])
    live.close()
    with pytest.raises(BadInput, match="over"):
        live.push_sound(0.0, np.zeros(4, np.float32))
    for wrong in ({"using": ("smell",)}, {"using": ()}, {"adapt": "t3a"}):
        with pytest.raises(BadInput):
            session(**wrong)
    with pytest.raises(BadInput, match="which only a file gives"):
        session(model=ReadsFiles())
    with pytest.raises(BadInput, match="more than 0"):
        LiveSettings(step_s=0)


class ReadsFiles:
    """A model of what is not measured live."""

    task = tm.Task("any", ("no", "yes"))
    card: ClassVar[dict[str, object]] = {}
    inputs = ("thermal",)
    locates = (False, "no")


@pytest.mark.slow
def test_sound_of_another_rate_is_measured_too(spoken: tuple[Recording, np.ndarray]) -> None:
    _, sound = spoken
    twice = np.repeat(sound, 3)
    live = session(using=("voice",))
    told: list[Event] = []
    for first in range(0, len(twice), 4800):
        told += live.push_sound(first / 48000, twice[first : first + 4800], 48000)
    told += live.finish()
    assert live.description is not None
    pauses = [cue for cue in live.description.cues if cue.kind == "long_pause"]
    assert len(pauses) == 2
    assert [e.kind for e in told if isinstance(e, CueEnded)].count("long_pause") == 2
    assert [e.kind for e in told if isinstance(e, CueBegan)].count("long_pause") == 2


@pytest.mark.parametrize("last_rate_hz", [48000, 44100, RATE_HZ])
def test_the_last_block_is_heard_though_it_came_late(last_rate_hz: int) -> None:
    live = session(using=("voice",))
    live.push_sound(0.0, np.zeros(48000, np.float32), 48000)
    # Whether sound is missing before it, only more of it would tell.
    live.push_sound(1.05, np.zeros(4800, np.float32), 48000)
    live.push_sound(1.15, np.zeros(last_rate_hz, np.float32), last_rate_hz)
    live.push_sound(2.2, np.zeros(last_rate_hz // 10, np.float32), last_rate_hz)
    tail = live._came.tail
    (finished,) = [event for event in live.finish() if isinstance(event, Finished)]
    assert finished.to_dict()["sound_s"] == pytest.approx(2.2, abs=0.001)
    assert tail.end_s == pytest.approx(2.3, abs=0.001)


def test_a_session_that_moves_takes_along_what_came_late() -> None:
    one = session(using=("voice",))
    one.push_sound(0.0, np.zeros(2 * 48000, np.float32), 48000)
    one.push_sound(2.05, np.zeros(9600, np.float32), 48000)
    other = session(using=("voice",), state=one.export())
    other.push_sound(2.25, np.zeros(4800, np.float32), 48000)
    other.push_sound(2.35, np.zeros(14400, np.float32), 48000)
    tail = other._came.tail
    assert tail.between(0.0, 3.0).gaps == ()
    assert tail.end_s == pytest.approx(2.65, abs=0.002)
