"""Pauses by the times of the words, by the sound, and that the output says by which."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from twomind.features.profile import voice_neutral
from twomind.features.voice import by_words as told
from twomind.features.voice.pauses import silences
from twomind.features.voice.track import NAMES, UNITS
from twomind.types import Timing, Track, Word

MIN_S = 0.25


def word(start_s: float, end_s: float, timing: Timing = Timing.ALIGNED) -> Word:
    return Word("so", start_s, end_s, timing=timing)


def voice(*speech: tuple[float, float], missing: tuple[float, float] = (0, 0)) -> Track:
    """Ten seconds with speech between these times."""
    times_s = 1.0 + np.arange(1000) * 0.01
    values = np.zeros((1000, len(NAMES)), np.float32)
    for start_s, end_s in speech:
        values[(times_s > start_s - 0.005) & (times_s < end_s - 0.005), 0] = 1
    valid = ~((times_s > missing[0] - 0.005) & (times_s < missing[1] - 0.005))
    return Track(values, times_s, valid, NAMES, UNITS)


def summary(n_pauses: float = 7) -> dict[str, Any]:
    """As the sound alone has it."""
    measures = dict.fromkeys(told.OF_PAUSES, 1.0)
    more = {"status": "ok", "not_measured": {"pitch_sd_st": "noisy"}, "speech_s": 5.0}
    return {**measures, **more, "n_pauses": n_pauses}


def measured(track: Track, *words: Word) -> tuple[Any, dict[str, Any]]:
    return told.by_words(track, summary(), words, MIN_S)


def test_a_pause_is_a_silence_of_the_words_and_of_the_sound() -> None:
    heard = voice((2, 4), (5, 5.5), (7, 9))
    pauses, found = measured(heard, word(2, 3.9), word(5.9, 6.2), word(7, 8.8))
    assert np.allclose(pauses, [(4, 5), (5.5, 5.9), (6.2, 7)]), (
        "soft speech that the detector missed is no pause, nor is a voice that nobody wrote"
    )
    assert found["n_pauses"] == 3
    assert found["pause_total_s"] == pytest.approx(2.2)
    assert found["pause_longest_s"] == pytest.approx(1.0)
    assert found["pauses_per_min"] == pytest.approx(60 * 3 / 6.8)
    assert (found[told.FIRST_WORD], found[told.LAST_WORD]) == (2.0, pytest.approx(8.8))
    assert found[told.SPEAKING] == pytest.approx(6.8 - 2.2)
    assert found[told.WORD_RATE] == pytest.approx(60 * 3 / 4.6)
    assert found["not_measured"] == {"pitch_sd_st": "noisy"}


def test_the_output_says_by_which_and_keeps_the_others() -> None:
    heard = voice((2, 4), (5, 6))
    _, found = measured(heard, word(2, 4), word(5, 6))
    assert (found[told.PAUSES_BY], found[told.NOT_BY_WORDS]) == ("words", "")
    assert found[told.BY_SOUND]["n_pauses"] == 7, "to hold against recordings without words"
    pauses, found = told.by_words(heard, summary(), None, MIN_S)
    assert pauses is None
    assert (found[told.PAUSES_BY], found["n_pauses"]) == ("sound", 7)
    assert found[told.NOT_BY_WORDS] == "there are no words"
    assert told.WORD_RATE not in found


def test_what_lies_outside_the_words_is_not_inside_the_answer() -> None:
    heard = voice((1.2, 1.5), (2, 4), (5, 6), (8, 9))
    pauses, found = measured(heard, word(2, 4), word(5, 6))
    assert np.allclose(pauses, [(4, 5)]), "a cough before and after makes no pause"
    assert found["n_pauses"] == 1


def test_a_silence_beside_what_is_missing_is_none() -> None:
    heard = voice((2, 4), (6, 7), missing=(4.5, 5))
    assert measured(heard, word(2, 4), word(6, 7))[0] == ()


@pytest.mark.parametrize("timing", [Timing.SPREAD_CUE, Timing.SPREAD_ALL, Timing.RECOGNISED])
def test_times_that_do_not_tell_leave_it_to_the_sound(timing: Timing) -> None:
    words = [word(2, 4, timing), word(5, 6, timing)]
    pauses, found = measured(voice((2, 4), (5, 6)), *words)
    assert pauses is None
    assert found[told.PAUSES_BY] == "sound"
    assert "neither their own nor aligned" in found[told.NOT_BY_WORDS]


def test_a_word_in_ten_may_have_lost_its_time() -> None:
    heard = voice((1, 10))
    edges = np.linspace(1, 10, 11)
    words = [word(a, b) for a, b in pairwise(edges)]
    lost = [*words[:-1], word(9.1, 10, Timing.RECOGNISED)]
    assert measured(heard, *lost)[1][told.PAUSES_BY] == "words"
    more = [*words[:-2], *(word(8.2, 9.1, Timing.RECOGNISED), word(9.1, 10, Timing.RECOGNISED))]
    assert measured(heard, *more)[1][told.PAUSES_BY] == "sound"


def test_own_times_that_run_through_silences_are_not_trusted() -> None:
    """Some recognisers give all the time to some word."""
    heard = voice((2, 3), (4, 5), (6, 7))
    given = [word(a, b, Timing.GIVEN) for a, b in ((2, 4), (4, 6), (6, 7))]
    assert "run through silences" in measured(heard, *given)[1][told.NOT_BY_WORDS]
    tight = [word(a, b, Timing.GIVEN) for a, b in ((2, 3), (4, 5), (6, 7))]
    assert measured(heard, *tight)[1][told.PAUSES_BY] == "words"
    soft = [*tight[:1], word(3.2, 3.8, Timing.GIVEN), *tight[1:]]
    assert measured(heard, *soft)[1][told.PAUSES_BY] == "words", "one that is not heard was soft"


def test_implausible_times_are_not_trusted() -> None:
    same = [word(2, 2.4, Timing.GIVEN) for _ in range(5)]
    assert "implausible" in measured(voice((2, 4)), *same)[1][told.NOT_BY_WORDS]


def test_words_beside_the_sound_are_not_trusted() -> None:
    assert "outside the sound" in measured(voice((2, 4)), word(20, 21))[1][told.NOT_BY_WORDS]


def test_what_noise_hides_stays_unmeasured() -> None:
    lost = {**summary(), "n_pauses": math.nan}
    pauses, found = told.by_words(voice((2, 4)), lost, [word(2, 4)], MIN_S)
    assert pauses is None
    assert found[told.PAUSES_BY] == ""
    assert math.isnan(found["n_pauses"])


def test_a_profile_holds_pauses_by_the_sound_against_pauses_by_the_sound() -> None:
    heard = voice((2, 4), (5, 6))
    _, found = measured(heard, word(2, 4), word(5, 6))
    assert found["pauses_per_min"] != 1.0
    assert voice_neutral(heard, found)["pauses_per_min"].centre == 1.0
    assert voice_neutral(heard, summary())["pauses_per_min"].centre == 1.0


def test_without_words_both_definitions_agree() -> None:
    heard = voice((2, 4), (5, 6), (6.1, 8))
    speech = heard.column("speech") == 1
    alone = silences(speech, ~heard.valid, 1.0, MIN_S)
    spoken = [word(2, 4), word(5, 6), word(6.1, 8)]
    assert told.pauses_between(heard, spoken, MIN_S) == alone
