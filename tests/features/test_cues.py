"""Cues on tracks drawn here row by row: how many, when (to a row), and none where nothing can be
known.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twomind.features import cues as cue_rules
from twomind.features.cues import KINDS, NOT_MEASURED, CueSettings, doubtful_pace, find_cues
from twomind.features.events import Event, find_events, find_swings
from twomind.features.voice.track import NAMES, UNITS, VoiceResult
from twomind.features.words import cues as word_cues
from twomind.types import Cue, Track, Word

FPS = 30.0
ROW_S = 1 / FPS
COLUMNS = (
    *("AU01", "AU02", "AU04", "AU12", "AU24", "pose_yaw", "pose_pitch", "pose_roll"),
    *("gaze_yaw", "gaze_pitch", "eye_opening_left", "eye_opening_right"),
)


def _face(
    duration_s: float = 20.0,
    times_s: np.ndarray | None = None,
    noise: float = 0.02,
    **columns: object,
) -> Track:
    """A still face with slight noise; ``columns`` are arrays, or (start_s, end_s, value) pulses on
    it.
    """
    t = np.arange(0, duration_s, ROW_S) if times_s is None else times_s
    rng = np.random.default_rng(0)
    values = np.zeros((len(t), len(COLUMNS)))
    for k, name in enumerate(COLUMNS):
        usual = 0.3 if name.startswith("eye") else 0.0
        scale = {"p": 1.0, "g": 2.0}.get(name[0], 0.2)  # degrees shake more than lengths
        values[:, k] = usual + noise * scale * rng.normal(size=len(t))
        given = columns.get(name)
        if isinstance(given, np.ndarray):
            values[:, k] += given
        elif given is not None:
            for start_s, end_s, value in given:  # type: ignore[attr-defined]
                values[(t >= start_s - 1e-9) & (t < end_s - 1e-9), k] += value
    return Track(values, t, np.ones(len(t), bool), COLUMNS, tuple("" for _ in COLUMNS))


def _voice(
    pauses: tuple[tuple[float, float], ...] = (), duration_s: float = 20.0, nuclei: object = ()
) -> VoiceResult:
    t = np.arange(round(duration_s * 100)) / 100
    values = np.full((len(t), 4), np.nan, np.float32)
    values[:, 0] = 1
    for a, b in pauses:
        values[round(a * 100) : round(b * 100), 0] = 0
    values[:, 3] = 0
    for at in np.asarray(nuclei, float):
        values[round(at * 100), 3] = 1
    track = Track(values, t, np.ones(len(t), bool), NAMES, UNITS)
    return VoiceResult(track, pauses, {"articulation_rate_per_s": 4.0})


def _spans(cues: tuple[Cue, ...], kind: str) -> list[tuple[float, float]]:
    return [(c.start_s, c.end_s) for c in cues if c.kind == kind]


def _assert_spans(
    cues: tuple[Cue, ...], kind: str, expected: list[tuple[float, float]], within_s: float = ROW_S
) -> None:
    found = _spans(cues, kind)
    assert len(found) == len(expected), (kind, found, expected)
    for got, true in zip(found, expected, strict=True):
        assert got == pytest.approx(true, abs=within_s + 1e-6), kind


def _swing(t: np.ndarray, start_s: float, cycles: float, hz: float, amplitude: float) -> np.ndarray:
    inside = (t >= start_s) & (t <= start_s + cycles / hz)
    return np.where(inside, amplitude * np.sin(2 * np.pi * hz * (t - start_s)), 0.0)


T = np.arange(0, 20, ROW_S)


def test_a_still_face_has_no_cue() -> None:
    assert find_cues(_face(), None, None, None) == ()
    assert find_cues(None, None, None, None) == ()


PULSES: dict[str, tuple[dict[str, float], str, str]] = {
    "brow_raise": ({"AU01": 0.12, "AU02": 0.12}, "face", "iod"),
    "brow_lower": ({"AU04": 0.10}, "face", "iod"),
    "smile": ({"AU12": 0.2}, "face", "iod"),
    "lip_press": ({"AU24": 0.1}, "face", "iod"),
    "gaze_away": ({"gaze_yaw": 17.0}, "face", "deg"),
    "tilt": ({"pose_roll": -9.0}, "head", "deg"),
    "look_away": ({"pose_yaw": 14.0, "gaze_yaw": 8.0}, "head", "deg"),
}


@pytest.mark.parametrize("kind", PULSES)
def test_each_kind_is_found_once_per_event_at_its_time(kind: str) -> None:
    shape, modality, unit = PULSES[kind]
    spans = [(3.0, 4.0), (8.0, 8.6), (15.0, 17.0)]
    face = _face(**{name: [(a, b, value) for a, b in spans] for name, value in shape.items()})
    cues = find_cues(face, None, None, None)
    assert {c.kind for c in cues} == {kind}
    _assert_spans(cues, kind, spans)
    assert {(c.modality, c.unit) for c in cues} == {(modality, unit)}
    largest = max(abs(v) for v in shape.values())
    assert cues[0].value == pytest.approx(largest, rel=0.1)


def test_sides_are_the_persons_own() -> None:
    face = _face(gaze_yaw=[(2, 3, 17.0), (5, 6, -17.0)], gaze_pitch=[(8, 9, 17.0), (11, 12, -17.0)])
    told = [c.detail for c in find_cues(face, None, None, None) if c.kind == "gaze_away"]
    assert told == ["to the own left", "to the own right", "up", "down"]
    face = _face(pose_roll=[(2, 3, 9.0), (5, 6, -9.0)])
    assert [c.detail for c in find_cues(face, None, None, None)] == [
        "to the own left",
        "to the own right",
    ]


def test_head_turned_with_eyes_kept_on_the_screen_is_no_gaze_away() -> None:
    cues = find_cues(_face(pose_yaw=[(3, 5, 15.0)], gaze_yaw=[(3, 5, -15.0)]), None, None, None)
    assert [c.kind for c in cues] == ["look_away"]


def test_shake_and_nod() -> None:
    face = _face(pose_yaw=_swing(T, 4.0, 2, 1.7, 7.0), pose_pitch=_swing(T, 10.0, 2, 1.9, 6.0))
    cues = find_cues(face, None, None, None)
    _assert_spans(cues, "head_shake", [(4.0, 4.0 + 2 / 1.7)], 2 * ROW_S)
    _assert_spans(cues, "nod", [(10.0, 10.0 + 2 / 1.9)], 2 * ROW_S)
    assert {c.kind for c in cues} == {"head_shake", "nod"}
    shake = next(c for c in cues if c.kind == "head_shake")
    assert shake.modality == "head"
    assert shake.value == pytest.approx(12, abs=2)  # outer swings 7, inner 14 degrees


def test_a_movement_askew_is_counted_once() -> None:
    face = _face(pose_yaw=_swing(T, 4.0, 3, 1.7, 9.0), pose_pitch=_swing(T, 4.0, 3, 1.7, 4.0))
    assert [c.kind for c in find_cues(face, None, None, None)] == ["head_shake"]


def test_slow_turns_and_single_turns_are_no_shake() -> None:
    slow = _face(pose_yaw=_swing(T, 2.0, 3, 0.4, 8.0))
    assert not _spans(find_cues(slow, None, None, None), "head_shake")
    once = _face(pose_yaw=[(4.0, 4.4, 8.0)])
    assert not _spans(find_cues(once, None, None, None), "head_shake")
    held = _face(pose_yaw=[(4.0, 5.0, 8.0), (6.0, 7.0, 8.0)])
    assert not _spans(find_cues(held, None, None, None), "head_shake")


def test_eyes_closed_is_longer_than_a_blink() -> None:
    closed = [(3.0, 3.2, -0.27), (6.0, 7.0, -0.27), (12.0, 12.3, -0.27)]
    cues = find_cues(_face(eye_opening_left=closed, eye_opening_right=closed), None, None, None)
    _assert_spans(cues, "eyes_closed", [(6.0, 7.0)])
    one_eye = find_cues(_face(eye_opening_left=closed), None, None, None)
    assert not _spans(one_eye, "eyes_closed"), "a wink is not closed eyes"


def test_a_resting_smile_is_no_smile() -> None:
    smiling = _face(AU12=0.3 + 0.2 * ((T >= 5) & (T < 6)))
    _assert_spans(find_cues(smiling, None, None, None), "smile", [(5.0, 6.0)])
    # relative to a neutral clip without a smile, it is one throughout
    whole = _spans(find_cues(smiling, smiling, None, None), "smile")
    assert whole == [(0.0, pytest.approx(20.0, abs=ROW_S))]


def test_lips_that_narrow_in_a_smile_are_not_pressed() -> None:
    face = _face(AU12=[(5, 7, 0.2)], AU24=[(5, 7, 0.1), (10, 11, 0.1)])
    cues = find_cues(face, None, None, None)
    _assert_spans(cues, "lip_press", [(10, 11)])


# --- rows missing


def _lose(track: Track, start_s: float, end_s: float) -> Track:
    lost = (track.times_s >= start_s - 1e-9) & (track.times_s < end_s - 1e-9)
    values = np.where(
        lost[:, None], 999.0, track.values
    )  # whatever stands in an invalid row must not count
    return replace(track, values=values, valid=~lost)


def test_no_face_no_face_cues_and_no_numbers_from_invalid_rows() -> None:
    face = _face(AU12=[(3, 5, 0.2)])
    assert find_cues(_lose(face, 0, 20), None, None, None) == ()
    assert find_cues(_lose(face, 2.5, 5.5), None, None, None) == ()
    empty = Track(np.empty((0, 1)), np.empty(0), np.empty(0, bool), ("AU12",), ("iod",))
    assert find_cues(empty, None, None, None) == ()


def test_missing_rows_break_an_event_unless_few() -> None:
    face = _face(AU12=[(3, 7, 0.2)])
    _assert_spans(find_cues(_lose(face, 4.5, 4.5 + 2 * ROW_S), None, None, None), "smile", [(3, 7)])
    _assert_spans(find_cues(_lose(face, 4.5, 5.5), None, None, None), "smile", [(3, 4.5), (5.5, 7)])
    # so short on both sides that neither is a smile
    face = _face(AU12=[(4, 4.6, 0.2)])
    assert find_cues(_lose(face, 4.2, 4.4), None, None, None) == ()


def test_a_hole_in_the_clock_breaks_an_event_too() -> None:
    t = np.concatenate([np.arange(0, 5, ROW_S), np.arange(8, 12, ROW_S)])
    cues = find_cues(_face(times_s=t, AU12=[(4, 9, 0.2)]), None, None, None)
    _assert_spans(cues, "smile", [(4, 5), (8, 9)])


def test_blinks_do_not_break_a_gaze() -> None:
    face = _face(gaze_yaw=[(3, 5, 17.0)])
    values = face.values.copy()
    values[(T > 3.8) & (T < 4.05), COLUMNS.index("gaze_yaw")] = np.nan
    _assert_spans(find_cues(replace(face, values=values), None, None, None), "gaze_away", [(3, 5)])


def test_uneven_clock() -> None:
    rng = np.random.default_rng(4)
    t = np.cumsum(rng.uniform(0.02, 0.06, 500))
    cues = find_cues(_face(times_s=t, AU04=[(5, 6, 0.1)]), None, None, None)
    _assert_spans(cues, "brow_lower", [(5, 6)], 0.06)


def test_absent_measures_give_no_cue_of_their_kind() -> None:
    face = _face(AU12=[(3, 5, 0.2)], pose_yaw=[(8, 9, 20.0)])
    keep = [COLUMNS.index("AU12")]
    only = Track(face.values[:, keep], face.times_s, face.valid, ("AU12",), ("iod",))
    assert [c.kind for c in find_cues(only, None, None, None)] == ["smile"]


# --- voice, words, the list


def test_long_pauses() -> None:
    cues = find_cues(None, None, _voice(((2.0, 2.9), (5.0, 6.0), (10.0, 13.5))), None)
    _assert_spans(cues, "long_pause", [(5.0, 6.0), (10.0, 13.5)], 0.0)
    assert [(c.modality, c.value, c.unit) for c in cues] == [
        ("voice", 1.0, "s"),
        ("voice", 3.5, "s"),
    ]


def test_slow_and_fast_stretches_against_the_persons_own_median() -> None:
    pauses = ((4.0, 4.5), (8.0, 8.5), (12.0, 12.5), (16.0, 16.5))
    rates = (4.0, 4.0, 2.0, 7.0, 4.0)
    starts, ends = (0.0, 4.5, 8.5, 12.5, 16.5), (4.0, 8.0, 12.0, 16.0, 20.0)
    nuclei = [
        t
        for a, b, r in zip(starts, ends, rates, strict=True)
        for t in np.arange(a + 0.05, b, 1 / r)
    ]
    cues = find_cues(None, None, _voice(pauses, nuclei=nuclei), None)
    _assert_spans(cues, "slow_speech", [(8.5, 12.0)], 0.011)
    _assert_spans(cues, "fast_speech", [(12.5, 16.0)], 0.011)
    assert len(cues) == 2
    few = find_cues(
        None, None, _voice(pauses, nuclei=nuclei), None, CueSettings(n_rate_stretches=6)
    )
    assert few == (), "too few stretches to know what is usual"
    voice = _voice(pauses, nuclei=nuclei)
    assert doubtful_pace(voice) == {}
    why = doubtful_pace(voice, CueSettings(n_rate_stretches=6))
    assert set(why) == {"slow_speech", "fast_speech"}
    assert why["slow_speech"].startswith("5 stretches ")
    assert " 6 are needed" in why["slow_speech"]


def test_words_come_from_the_text_module_and_all_is_in_order_of_time() -> None:
    said = ["Um", "I", "want", "to,", "but", "I", "I", "don't", "know"]
    words = tuple(Word(w, 2.0 + 0.5 * i, 2.4 + 0.5 * i) for i, w in enumerate(said))
    voice = _voice(((5.0, 6.5),))
    cues = find_cues(_face(AU12=[(1, 2, 0.2), (9, 10, 0.2)]), None, voice, words)
    assert {c for c in cues if c.modality == "words"} == set(word_cues.occurrences(words))
    assert {"smile", "long_pause", "filler", "contrast"} <= {c.kind for c in cues}
    assert [c.start_s for c in cues] == sorted(c.start_s for c in cues)
    assert {c.kind for c in cues} <= set(KINDS)


def test_every_kind_is_described() -> None:
    assert set(word_cues.WORD_KINDS) < set(KINDS)
    assert set(PULSES) | {
        "head_shake",
        "nod",
        "eyes_closed",
        "long_pause",
        "slow_speech",
        "fast_speech",
    } < set(KINDS)
    assert all(KINDS.values())
    assert "breath" in NOT_MEASURED
    assert not set(NOT_MEASURED) & set(KINDS)


# --- the machinery


def test_hysteresis_exactly() -> None:
    t = np.arange(10.0)
    v = np.array([0, 2, 3, 2, 0, 2, 2, 0, 3, 0.0])
    found = find_events(t, v, enter=3, leave=2, min_s=0)
    assert [(e.start_s, e.end_s, e.value, e.peak) for e in found] == [(1, 4, 3, 2), (8, 9, 3, 8)]
    assert [(e.start_s, e.end_s) for e in find_events(t, v, 3, 2, min_s=2)] == [(1, 4)]
    assert [(e.start_s, e.end_s) for e in find_events(t, v, 3, 2, min_s=0, merge_s=4.1)] == [(1, 9)]
    assert [(e.start_s, e.end_s) for e in find_events(t, v, 3, 2, min_s=0, merge_s=4)] == [
        (1, 4),
        (8, 9),
    ]


def test_merging_never_bridges_a_hole() -> None:
    t = np.arange(10.0)
    v = np.array([3, 3, 0, np.nan, np.nan, np.nan, 0, 3, 3, 0])
    assert len(find_events(t, v, 3, 2, 0, merge_s=100, max_gap_s=2)) == 2
    assert len(find_events(t, v, 3, 2, 0, merge_s=100, max_gap_s=3)) == 1


def test_thresholds_are_monotone() -> None:
    rng = np.random.default_rng(5)
    t = np.arange(3000) * ROW_S
    v = np.convolve(rng.normal(size=3000), np.ones(20) / 4, "same")

    def covered(**change: float) -> float:
        wish = {"enter": 1.0, "leave": 0.5, "min_s": 0.2, "merge_s": 0.2, **change}
        return sum(e.end_s - e.start_s for e in find_events(t, v, **wish))

    for name, grid in (
        ("enter", (0.5, 1, 1.5, 2)),
        ("leave", (0.1, 0.5, 0.9)),
        ("min_s", (0, 0.3, 1)),
        ("merge_s", (1, 0.3, 0)),
    ):
        amounts = [covered(**{name: value}) for value in grid]
        assert amounts == sorted(amounts, reverse=True), name
        assert amounts[0] > amounts[-1], name
    wave = 6 * np.sin(2 * np.pi * 1.5 * t) * (1 + np.sin(0.2 * t))
    swings = [
        sum(e.end_s - e.start_s for e in find_swings(t, wave, size, 0.6, 3))
        for size in (1, 4, 12, 20, 30)
    ]
    assert swings == sorted(swings, reverse=True)
    assert swings[0] > swings[-1] == 0


def test_a_movement_that_lies_half_within_a_larger_one_is_part_of_it() -> None:
    nod, shake = Event(0.0, 2.0, 1.0, 0), Event(1.0, 3.0, 5.0, 0)
    apart = Event(1.125, 3.0, 5.0, 0)
    assert cue_rules._mostly([nod], [shake]) == []
    assert cue_rules._mostly([nod], [apart]) == [nod]
    assert cue_rules._mostly([shake], [nod]) == [shake]
