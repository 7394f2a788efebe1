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
from twomind.core.seals import read_sealed
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
from twomind.pipeline.profiles import import_profile
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
    found = read_sealed(path)
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
    moving = np.where(np.arange(60) % 30 < 12, 0.1, -0.15)
    assert said(spoken=True, speech_s=4.0, AU12=moving, AU04=moving) == "", "speech moves these"
    assert "length" in said(spoken=True, n=20, AU12=moving)
    assert "turned" in said(spoken=True, pose_yaw=30.0)
    assert "the lips move" in said(mouth_motion=0.5)


SHA = "ab" * 32
PLAIN_VISIT = {
    "content": SHA,
    "made": "2026-01-01",
    "spoken": False,
    "doubts": [],
    "drawn": False,
    "entries": [],
    "stats": {"face": {"AU12": [0.1, 0.1, 100, 4.0]}},
}


def _row(text: str) -> str:
    return json.dumps(PLAIN_VISIT).replace("[0.1, 0.1, 100, 4.0]", text)


def _with(old: str, new: str) -> str:
    text = json.dumps(PLAIN_VISIT)
    assert old in text
    return text.replace(old, new)


#: More digits than a float has room for.
HUGE = "9" * 400
ODD_VISITS = {
    "seconds: expected": [
        _row(f"[0.1, 0.1, 100, {s}]")
        for s in ("NaN", "Infinity", "-1", "1e999", "1e12", '"4"', "true", "null", "[4]")
    ],
    "n: expected": [_row(f"[0.1, 0.1, {n}, 4]") for n in ("-1", "2.5", "1e400", '"9"', "false")],
    "centre: expected": [
        _row(f"[{c}, 0.1, 9, 4]") for c in ("Infinity", "1e30", '"0"', "{}", HUGE)
    ],
    "spread: expected": [_row(f"[0.1, {s}, 9, 4]") for s in ("-0.5", "-Infinity", "1e30", HUGE)],
    "not enough values": [_row("[0.1, 0.1]")],
    "spoken: expected": [_with('"spoken": false', '"spoken": "no"')],
    "drawn: expected": [_with('"drawn": false', '"drawn": 0')],
    "doubts: expected": [_with('"doubts": []', '"doubts": "smiling"')],
    "content: expected": [_with(SHA, "*"), _with(SHA, "../../x"), _with(f'"{SHA}"', "7")],
    "SHA-256": [_with(SHA, "ab"), _with(SHA, SHA.upper())],
    "not come": [_with("2026-01-01", "2999-01-01")],
    "a date": [_with("2026-01-01", "yesterday")],
    "there is no 'stats'": [_with('"stats"', '"statistics"')],
    "there twice": [_with('"AU12":', '"AU12": [0, 0, 1, 1], "AU12":')],
    "every clip once": [f"{json.dumps(PLAIN_VISIT)}, {json.dumps(PLAIN_VISIT)}"],
    "no visit": [""],
}


@pytest.mark.parametrize(
    ("reason", "visit"), [(reason, one) for reason, odd in ODD_VISITS.items() for one in odd]
)
def test_an_odd_profile_is_refused_and_the_good_visit_stays(
    tmp_path: Path, reason: str, visit: str
) -> None:
    good = json.dumps({**PLAIN_VISIT, "content": "cd" * 32})
    head = '{"format": "twomind.profile/1", "person": "p", "visits": ['
    (tmp_path / "good.json").write_text(f"{head}{good}]}}")
    (tmp_path / "odd.json").write_text(f"{head}{visit}]}}")
    before = import_profile(tmp_path / "people", tmp_path / "good.json", "p")
    kept = (tmp_path / "people" / "p" / "profile.json").read_bytes()
    with pytest.raises(BadInput, match=reason) as error:
        import_profile(tmp_path / "people", tmp_path / "odd.json", "p")
    assert len(str(error.value)) < 400
    assert (tmp_path / "people" / "p" / "profile.json").read_bytes() == kept
    assert read_profile(tmp_path / "people" / "p" / "profile.json") == before


@pytest.mark.parametrize(
    "more",
    ['"note": NaN', '"person": 7', '"columns": ["seconds", "n"]', '"deep": ' + "[" * 100_000],
)
def test_what_could_not_be_written_again_is_refused(tmp_path: Path, more: str) -> None:
    visits = json.dumps([PLAIN_VISIT])
    person = "" if "person" in more else '"person": "p", '
    text = f'{{"format": "twomind.profile/1", {person}"visits": {visits}, {more}}}'
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(BadInput):
        import_profile(tmp_path / "people", tmp_path / "odd.json", "p")


def test_the_profile_of_the_case_is_refused(shared: Path, tmp_path: Path) -> None:
    case = shared / "cases" / "profile_nan"
    import_profile(tmp_path, case / "good.json", "p")
    with pytest.raises(BadInput, match="AU12: seconds"):
        import_profile(tmp_path, case / "sec_nan.json", "p")
    assert len(read_profile(tmp_path / "p" / "profile.json").visits) == 1


def test_visits_with_a_spread_and_no_seconds_count_alike() -> None:
    def one(content: str, spread: float, seconds: float) -> Visit:
        return Visit(content, "2026-01-01", {"voice": {"pitch": Neutral(1, spread, 9, seconds)}})

    whole = Profile("p", (one("a", 0.1, 0.0), one("b", 0.3, 0.0), one("c", math.nan, 5.0)))
    merged = whole.neutral("voice")["pitch"]
    assert merged.spread == pytest.approx(0.2)
    assert merged.centre == 1


def test_an_unknown_centre_does_not_hide_a_known_one() -> None:
    unknown = Visit("a", "2026-01-01", {"voice": {"pitch": Neutral(math.nan, 0.1, 9, 50.0)}})
    known = Visit("b", "2026-01-01", {"voice": {"pitch": Neutral(2.0, 0.1, 9, 5.0)}})
    assert Profile("p", (unknown, known)).neutral("voice")["pitch"].centre == 2
    assert math.isnan(Profile("p", (unknown,)).neutral("voice")["pitch"].centre)
