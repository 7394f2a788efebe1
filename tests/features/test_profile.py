"""A person's profile as a value: statistics, merging of visits, raw values beside relative ones,
the file.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from twomind.core.errors import BadInput
from twomind.features.face.measures import NAMES, UNITS
from twomind.features.neutral_check import doubts, measure_clip
from twomind.features.profile import (
    Neutral,
    Profile,
    Visit,
    face_neutral,
    read_profile,
    relative_to,
    words_neutral,
    write_profile,
)
from twomind.types import Track, Word


def face(offset: float, n: int = 60, seed: int = 0) -> Track:
    values = (offset + 0.01 * np.random.default_rng(seed).normal(size=(n, len(NAMES)))).astype(
        np.float32
    )
    return Track(values, np.arange(n) / 10, np.ones(n, bool), NAMES, UNITS)


def visit(content: str, centre: float, seconds: float, spoken: bool = False) -> Visit:
    one = Neutral(centre, 0.1, int(seconds * 10), seconds)
    return Visit(content, "2026-01-01", {"face": {"AU04": one, "AU12": one}}, spoken)


def test_a_known_offset_is_taken_off_and_the_raw_value_stays() -> None:
    track = face(0.7, seed=1)
    rest = face_neutral(face(0.7))
    out = relative_to(track, rest)
    k = NAMES.index("AU04")
    assert abs(np.median(out.values[:, k])) < 0.01
    assert np.median(track.values[:, k]) == pytest.approx(0.7, abs=0.01)
    quality = NAMES.index("quality")
    np.testing.assert_array_equal(out.values[:, quality], track.values[:, quality])
    assert rest["AU04"].n == 60
    assert rest["AU04"].seconds == pytest.approx(6.0)
    assert np.isnan(relative_to(track, {}).values[:, k]).all(), "no neutral: no relative value"


def test_visits_merge_by_seconds_and_one_can_be_taken_out() -> None:
    a, b = Profile("anna", (visit("aa", 0.0, 10),)), Profile("anna", (visit("bb", 1.0, 30),))
    both = a.merged(b)
    assert both.neutral("face")["AU04"].centre == pytest.approx(0.75)
    assert both.neutral("face")["AU04"].seconds == 40
    assert both.merged(b) == both, "the same clip twice is one visit"
    assert both.without("bb") == a
    with pytest.raises(BadInput, match="two people"):
        a.merged(Profile("ben"))
    with pytest.raises(BadInput, match="expected one of"):
        both.without("zz")


def test_the_mouth_comes_from_spoken_clips_where_there_is_one() -> None:
    both = Profile("anna", (visit("aa", 0.0, 10), visit("bb", 1.0, 30, spoken=True)))
    assert both.neutral("face")["AU12"].centre == 1.0
    assert both.neutral("face")["AU04"].centre == pytest.approx(0.75)


def test_the_file_gives_back_the_same_and_damage_is_refused(tmp_path: Path) -> None:
    words = tuple(
        Word(w, float(i), i + 0.5) for i, w in enumerate(("maybe", "I", "could", "but", "no"))
    )
    profile = Profile(
        "anna",
        (
            Visit(
                "aa",
                "2026-01-01",
                {"face": face_neutral(face(1 / 3)), "words": words_neutral(words)},
            ),
        ),
    )
    path = write_profile(profile, tmp_path / "p.json")
    again = read_profile(path)
    assert again.neutral("face") == profile.neutral("face")
    assert (
        again.neutral("words")["log_words"].centre == profile.neutral("words")["log_words"].centre
    )
    assert math.isnan(again.neutral("words")["log_words"].spread)
    assert "maybe" not in path.read_text(), "no word of the person is kept"
    found = json.loads(path.read_text())
    path.write_text(json.dumps(found | {"format": "twomind.profile/9"}))
    with pytest.raises(BadInput, match="profile/9"):
        read_profile(path)
    path.write_text(json.dumps(found | {"visits": [{}]}))
    with pytest.raises(BadInput, match="damaged"):
        read_profile(path)


def test_the_check_reads_expression_light_length_and_speech_off_the_tracks() -> None:
    track = face(-0.15)
    values = track.values.copy()
    for name, value in (("light", 0.4), ("pose_yaw", 1.0), ("mouth_motion", 0.1)):
        values[:, NAMES.index(name)] = value

    def said(spoken: bool = False, speech_s: float = 0.0, n: int = 60, **changed: object) -> str:
        own = values.copy()
        for name, value in changed.items():
            own[:, NAMES.index(name)] = value
        clip = Track(own[:n], track.times_s[:n], track.valid[:n], NAMES, UNITS)
        return " ".join(doubts(measure_clip(clip, {"speech_s": speech_s}), spoken=spoken))

    assert said() == ""
    assert "length" in said(n=20)
    assert "too dark" in said(light=0.12)
    assert "too bright" in said(light=0.9)
    assert "turned" in said(pose_yaw=30.0)
    assert "a smile comes and goes" in said(AU12=np.where(np.arange(60) % 30 < 12, 0.1, -0.15))
    assert "smiling throughout" in said(AU12=0.05)
    assert "2.0 s of talking" in said(speech_s=2.0)
    assert said(spoken=True, speech_s=2.0, mouth_motion=0.5) == ""
    assert "the lips move" in said(mouth_motion=0.5)
