"""A person's neutral, the quality of a face and phrases in text against slow loops, and at every
edge.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twomind.core.errors import BadInput
from twomind.features import profile as pro
from twomind.features.face import quality as qual
from twomind.features.face.measures import ABSOLUTE, MEASURES, NAMES, UNITS
from twomind.features.profile import Neutral, Profile, Visit
from twomind.features.voice.track import NAMES as VOICE_NAMES
from twomind.features.words import lexicon as lex
from twomind.features.words import text
from twomind.features.words.cues import occurrences
from twomind.types import Track, Word

ref = importlib.import_module("reference.profile")

nan = math.nan
QUICK = settings(deadline=None, derandomize=True, max_examples=40)


def close(found: Neutral, expected: tuple[float, float, int, float]) -> None:
    got = (found.centre, found.spread, found.n, found.seconds)
    assert got == pytest.approx(expected, abs=1e-9, nan_ok=True)


# --- one clip
# -------------------------------------------------------------------------------------------------------

VALUES = st.lists(
    st.one_of(st.integers(-8, 8).map(lambda k: k / 4), st.just(nan)), min_size=11, max_size=30
)


@QUICK
@given(VALUES, st.integers(0, 2**30))
def test_a_measure_at_rest_is_its_median_and_the_median_distance_from_it(
    values: list[float], bits: int
) -> None:
    n = len(values)
    valid = [bool(bits >> k & 1) or k < 10 for k in range(n)]
    track = Track(
        np.array(values)[:, None], np.arange(n) * 0.25, np.array(valid), ("AU04",), ("iod",)
    )
    found = pro.face_neutral(track)
    expected = ref.at_rest([v for v, ok in zip(values, valid, strict=True) if ok], 0.25)
    if expected is None:
        assert found == {}
    else:
        close(found["AU04"], expected)


def test_a_neutral_needs_ten_rows_and_its_step_is_the_median_one() -> None:
    def of(n: int, times: np.ndarray | None = None) -> dict[str, Neutral]:
        t = np.arange(n) * 0.5 if times is None else times
        return pro.face_neutral(Track(np.ones((n, 1)), t, np.ones(n, bool), ("AU04",), ("iod",)))

    assert of(9) == {}
    close(of(10)["AU04"], (1.0, 0.0, 10, 5.0))
    with_hole = np.r_[np.arange(9) * 0.5, 100.0]
    assert of(10, with_hole)["AU04"].seconds == 5.0, "a hole does not count as time"
    skewed = np.array([0.0] * 6 + [1.0] * 4 + [100.0])
    track = Track(skewed[:, None], np.arange(11.0), np.ones(11, bool), ("AU04",), ("iod",))
    close(pro.face_neutral(track)["AU04"], (0.0, 0.0, 11, 11.0))


def test_quality_blinks_and_motion_have_no_neutral() -> None:
    track = Track(np.ones((12, len(NAMES))), np.arange(12.0), np.ones(12, bool), NAMES, UNITS)
    assert set(pro.face_neutral(track)) == set(NAMES) - set(ABSOLUTE)
    expected = {m.name for m in MEASURES if m.kind == "quality"} | {"blink", "mouth_motion"}
    assert set(ABSOLUTE) == expected
    assert {
        "AU12",
        "AU12_left",
        "AU15",
        "AU17",
        "AU18",
        "AU20",
        "AU23",
        "AU24",
        "AU25",
        "AU26",
    } <= set(pro.MOUTH)
    assert not {"AU01", "AU04", "AU09", "pose_yaw"} & set(pro.MOUTH)


def test_a_voice_at_rest_is_measured_while_it_speaks() -> None:
    n = 120
    speech = np.r_[np.ones(100), np.zeros(20)]
    hz = np.r_[np.arange(100.0, 200.0), np.full(20, 9.0)]
    energy = np.r_[np.full(100, -20.0), np.full(20, -80.0)]
    values = np.stack([speech, hz, energy, np.zeros(n)], 1)
    track = Track(values, np.arange(n) * 0.01, np.ones(n, bool), VOICE_NAMES, ("", "", "", ""))
    summary = {
        "speech_s": 1.0,
        "articulation_rate_per_s": 4.5,
        "pitch_sd_st": nan,
        "pauses_per_min": None,
    }
    found = pro.voice_neutral(track, summary)
    close(found["pitch"], (149.5, 25.0, 100, 1.0))
    close(found["energy"], (-20.0, 0.0, 100, 1.0))
    close(found["articulation_rate_per_s"], (4.5, nan, 1, 1.0))
    assert set(found) == {"pitch", "energy", "articulation_rate_per_s"}
    assert pro.voice_neutral(track, {**summary, "speech_s": 0.99}) == {}
    assert pro.voice_neutral(track, {}) == {}
    assert pro.voice_neutral(track.between(9, 9), summary) == {}


def test_words_at_rest_are_rates_per_word_and_the_log_of_their_number() -> None:
    said = ["um", "maybe", "I", "should", "go,", "maybe"]
    words = tuple(Word(w, 2.0 + k, 2.5 + k) for k, w in enumerate(said))
    found = pro.words_neutral(words)
    close(found["log_words"], (math.log(1 + 5), nan, 1, 5.5))  # "um" is no word
    close(found["hedge"], (2 / 5, nan, 5, 5.5))
    close(found["filler"], (1 / 5, nan, 5, 5.5))
    close(found["fear"], (0.0, nan, 5, 5.5))
    assert set(found) == {"log_words", *lex.lexicon().names}
    assert pro.words_neutral(()) == {}
    assert pro.words_neutral((Word("um", 0.0, 1.0),))["filler"].centre == 1.0, (
        "no word at all: per one"
    )


# --- several clips
# --------------------------------------------------------------------------------------------------

ONE = st.tuples(
    st.integers(-8, 8).map(float),
    st.sampled_from([0.0, 0.5, 2.0, nan]),
    st.integers(1, 50),
    st.sampled_from([0.0, 1.0, 3.0, 10.0]),
)


@QUICK
@given(st.lists(ONE, min_size=1, max_size=4))
def test_visits_are_weighted_by_their_seconds(parts: list[tuple[float, float, int, float]]) -> None:
    visits = tuple(
        Visit(f"c{k}", f"2026-01-0{k + 1}", {"voice": {"pitch": Neutral(*p)}})
        for k, p in enumerate(parts)
    )
    person = Profile("anna", visits)
    known = [p for p in parts if math.isfinite(p[1])]
    if sum(p[3] for p in parts) > 0 and known and not sum(p[3] for p in known):
        return  # a spread from visits of no length only: nothing is said about it
    close(person.neutral("voice")["pitch"], ref.merged(parts))
    assert person.between("voice")["pitch"] == pytest.approx(
        ref.sample_sd([p[0] for p in parts]), nan_ok=True
    )
    assert person.neutral("face") == {}
    seconds = sum(p[3] for p in parts)
    many = "s" if len(parts) > 1 else ""
    assert person.named("voice") == f"profile of anna: {len(parts)} visit{many}, {seconds:.1f} s"
    assert person.named("face") == ""


def test_the_spread_is_weighted_and_over_the_visits_that_have_one() -> None:
    def visit(k: int, centre: float, spread: float, seconds: float) -> Visit:
        return Visit(f"c{k}", "2026", {"face": {"AU04": Neutral(centre, spread, 10, seconds)}})

    person = Profile(
        "anna", (visit(1, 0.0, 1.0, 30.0), visit(2, 4.0, 3.0, 10.0), visit(3, 8.0, nan, 40.0))
    )
    found = person.neutral("face")["AU04"]
    assert found.spread == pytest.approx((30 * 1 + 10 * 3) / 40)
    assert found.centre == pytest.approx((0 * 30 + 4 * 10 + 8 * 40) / 80)
    assert (found.n, found.seconds) == (30, 80.0)


def test_mouth_measures_come_from_spoken_clips_where_there_is_one() -> None:
    def visit(k: int, centre: float, spoken: bool) -> Visit:
        stats = {name: Neutral(centre, 0.1, 10, 10.0) for name in ("AU04", "AU25")}
        return Visit(
            f"c{k}",
            "2026",
            {"face": stats, "voice": {"AU25": Neutral(centre, 0.1, 10, 10.0)}},
            spoken,
        )

    both = Profile("anna", (visit(1, 0.0, False), visit(2, 1.0, True)))
    assert both.neutral("face")["AU25"].centre == 1.0
    assert both.neutral("face")["AU25"].seconds == 10.0
    assert both.neutral("face")["AU04"].centre == 0.5
    assert both.neutral("voice")["AU25"].centre == 0.5, "of the face only"
    silent = Profile("anna", (visit(1, 0.0, False), visit(2, 1.0, False)))
    assert silent.neutral("face")["AU25"].centre == 0.5


def test_a_visit_is_named_measured_and_taken_out() -> None:
    stats = {"face": {"a": Neutral(0, 0, 1, 2.0), "b": Neutral(0, 0, 1, 5.0)}}
    one = Visit("0123456789abcdef", "2026-01-02", stats)
    other = Visit("01ff", "2026-01-01", stats, doubts=("smiling",))
    assert one.id == "0123456789ab"
    assert (one.seconds("face"), one.seconds("voice")) == (5.0, 0.0)
    person = Profile("anna", (one,)).merged(Profile("anna", (other,)))
    assert [v.content for v in person.visits] == ["01ff", "0123456789abcdef"], (
        "in order of when they were made"
    )
    assert person.named("face") == "profile of anna: 2 visits, 10.0 s, clip not neutral"
    assert person.without("0123").visits == (other,)
    for wrong in ("", "01", "9"):
        with pytest.raises(BadInput, match="expected one of"):
            person.without(wrong)
    again = replace(one, made="2026-05-05")
    assert Profile("anna", (one,)).merged(Profile("anna", (again,))).visits == (again,)
    for make in (lambda: Profile(" "), lambda: Profile("anna", (one, one))):
        with pytest.raises(ValueError, match="Profile"):
            make()


def test_relative_values_are_measured_less_neutral() -> None:
    track = Track(
        np.array([[1.0, 5.0, 7.0]] * 2),
        np.arange(2.0),
        np.ones(2, bool),
        ("AU04", "quality", "AU12"),
        ("",) * 3,
    )
    out = pro.relative_to(
        track, {"AU04": Neutral(0.25, 9.0, 1, 1.0), "quality": Neutral(1.0, 0, 1, 1.0)}
    )
    assert out.values[0].tolist() == pytest.approx([0.75, 5.0, nan], nan_ok=True)
    assert track.values[0, 0] == 1.0
    found = pro.answer_relative(
        {"a": Neutral(3.0, 0, 1, 1), "b": Neutral(1.0, 0, 1, 1)}, {"a": Neutral(5.0, 0, 1, 1)}
    )
    assert found == {"a": {"value": 3.0, "neutral": 5.0, "relative": -2.0}}


def test_a_profile_written_and_read_is_the_same(tmp_path: Path) -> None:
    stats = {"face": {"AU04": Neutral(0.1, nan, 5, 2.5)}, "words": {}}
    visit = Visit("abc", "2026", stats, True, ("smiling",), (("face", "k1"), ("voice", "k2")), True)
    person = Profile("anna", (visit,), {"note": "x"})
    back = pro.read_profile(pro.write_profile(person, tmp_path / "p.json"))
    close(back.visits[0].stats["face"]["AU04"], (0.1, nan, 5, 2.5))
    plain = replace(back.visits[0], stats=stats)
    assert replace(back, visits=(plain,)) == person


# --- quality
# --------------------------------------------------------------------------------------------------------

S = qual.QualitySettings()
#: (face px, sharpness, light, clipped, yaw, pitch, cover): a good face.
GOOD = {
    "face_px": 150.0,
    "sharpness": 1.0,
    "light": 0.5,
    "clipped": 0.0,
    "yaw": 0.0,
    "pitch": 0.0,
    "cover": 0.0,
}


def judged(*faces: dict[str, float]) -> tuple[dict[str, np.ndarray], list[int]]:
    columns = {k: np.array([f[k] for f in faces]) for k in GOOD}
    pixels = np.zeros((len(faces), qual.N_PIXEL_VALUES))
    pixels[:, 0], pixels[:, 1], pixels[:, 2] = (
        columns["sharpness"],
        columns["light"],
        columns["clipped"],
    )
    pose = np.stack([columns["yaw"], columns["pitch"], np.zeros(len(faces))], 1)
    found, code = qual.judge(columns["face_px"], pixels, pose, columns["cover"], S)
    return found, code.tolist()


@QUICK
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "face_px": st.sampled_from([0.0, 20.0, 39.9, 40.0, 41.0, 80.0, 120.0, 200.0]),
                "sharpness": st.sampled_from([0.0, 0.02, 0.04, 0.1, 0.2, 1.0]),
                "light": st.sampled_from([0.0, 0.05, 0.0999, 0.1, 0.2, 0.25, 0.9]),
                "clipped": st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.51, 1.0]),
                "yaw": st.sampled_from([0.0, -15.0, 30.0, 40.0, -40.1, 60.0, 95.0]),
                "pitch": st.sampled_from([0.0, 35.0, -35.1, 20.0]),
                "cover": st.sampled_from([0.0, 0.25, 0.5, 0.51, 1.0]),
            }
        ),
        min_size=1,
        max_size=6,
    )
)
def test_quality_is_the_product_of_its_scores_and_the_first_rule_forbids(
    faces: list[dict[str, float]],
) -> None:
    columns, code = judged(*faces)
    for k, one in enumerate(faces):
        score, rule = ref.quality(**one)
        assert columns["quality"][k] == pytest.approx(score, abs=1e-9)
        assert code[k] == rule
        assert columns["blur"][k] == pytest.approx(1 / (1 + one["sharpness"]))
        assert columns["occlusion"][k] == one["cover"]
        assert (columns["face_size"][k], columns["light"][k]) == (one["face_px"], one["light"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"face_px": 40.0}, ""),
        ({"face_px": 39.99}, "face too small"),
        ({"light": 0.10}, ""),
        ({"light": 0.099}, "too dark"),
        ({"clipped": 0.5}, ""),
        ({"clipped": 0.501}, "too bright"),
        ({"sharpness": 1 / 0.97 - 1 + 1e-9}, ""),
        ({"sharpness": 1 / 0.971 - 1}, "too blurred"),
        ({"yaw": -40.0}, ""),
        ({"yaw": -40.1}, "turned away"),
        ({"pitch": 35.0}, ""),
        ({"pitch": 35.1}, "turned away"),
        ({"cover": 0.5}, ""),
        ({"cover": 0.501}, "partly covered"),
        ({"cover": 0.9, "light": 0.0}, "too dark"),
    ],
)
def test_what_forbids_measuring_and_from_where_on(change: dict[str, float], reason: str) -> None:
    columns, (code,) = judged({**GOOD, **change})
    assert ("", *qual.REASONS)[code] == reason
    assert judged(GOOD)[0]["quality"][0] == 1.0
    assert 0 <= columns["quality"][0] <= 1


def test_a_ramp() -> None:
    assert qual.ramp(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), 1.0, 3.0).tolist() == [0, 0, 0.5, 1, 1]
    assert qual.ramp(np.array([0.0, 2.0, 4.0]), 3.0, 1.0).tolist() == [1, 0.5, 0]


def skin_rows(
    n: int, odd: int = 0, colour: tuple[float, float, float] = (180, 140, 120)
) -> np.ndarray:
    """``n`` faces of one skin colour, the first ``odd`` of their spots blue."""
    pixels = np.zeros((n, qual.N_PIXEL_VALUES))
    spots = pixels[:, 3:].reshape(n, -1, 3)
    spots[:] = colour
    spots[:, :odd] = (20, 40, 220)
    return pixels


def test_covered_skin_is_the_share_of_spots_of_another_colour() -> None:
    n_spots = (qual.N_PIXEL_VALUES - 3) // 3
    assert n_spots == sum(map(len, qual._REGIONS.values()))
    frontal = np.ones(6, bool)
    assert qual.Skin().occlusion(skin_rows(6), frontal).tolist() == [0.0] * 6
    assert qual.Skin().occlusion(skin_rows(6, 6), frontal) == pytest.approx([6 / n_spots] * 6)
    # A spot that always looks odd on this person (a beard) is learnt as usual, from five clean
    # frontal faces on.
    bearded, learnt = skin_rows(6, 4), qual.Skin()
    first = learnt.occlusion(bearded, frontal)
    assert first == pytest.approx([4 / n_spots] * 6)
    assert learnt.occlusion(bearded, frontal).tolist() == [0.0] * 6
    assert learnt.occlusion(skin_rows(6), frontal).tolist() == [0.0] * 6, (
        "odd is off both: the face's and the usual"
    )
    few, turned = qual.Skin(), qual.Skin()
    few.occlusion(bearded[:4], frontal[:4])
    assert few.occlusion(bearded, frontal) == pytest.approx(first), "four faces teach nothing"
    turned.occlusion(bearded, ~frontal)
    assert turned.occlusion(bearded, frontal) == pytest.approx(first), "nor do turned ones"
    covered = qual.Skin()
    covered.occlusion(skin_rows(6, 7), frontal)
    assert covered.occlusion(skin_rows(6, 7), frontal) == pytest.approx([7 / n_spots] * 6), (
        "over a quarter is cover"
    )


# --- text
# -----------------------------------------------------------------------------------------------------------

SAID = (
    "i don't know not sure kind of a little bit no wait hesitant can't would like to decide "
    "whether the very um you"
)
TOKENS = st.lists(st.sampled_from(SAID.split()), max_size=14)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(TOKENS)
def test_phrases_are_found_longest_first_without_overlap(tokens: list[str]) -> None:
    phrases = {k: c.phrases for k, c in enumerate(lex.lexicon().categories)}
    assert lex.matches(tokens) == ref.matches(phrases, tokens)


@pytest.mark.parametrize(
    ("token", "pattern", "fits"),
    [
        ("hesitant", "hesita*", True),
        ("hesita", "hesita*", True),
        ("hesit", "hesita*", False),
        ("isn't", "*n't", True),
        ("n't", "*n't", True),
        ("isn't-it", "*n't", False),
        ("know", "know", True),
    ],
)
def test_a_star_stands_for_any_letters(token: str, pattern: str, fits: bool) -> None:
    assert (pattern in lex.patterns_of(token)) == fits == ref.fits(pattern, token)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "very", "so"]), st.sampled_from([False, False, True])),
        max_size=12,
    )
)
def test_repeats_are_their_definition(table: list[tuple[str, bool]]) -> None:
    tokens, ends = [t for t, _ in table], [e for _, e in table]
    assert lex.repeats(tokens, ends) == ref.repeats(tokens, ends, lex.EMPHATIC)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("i i'm there", [(0, 2)]),
        ("it's it is", [(0, 2)]),
        ("i i go", []),
        ("i you go", []),
        ("i would i think", [(0, 3)]),
        ("i would i would", []),
        ("i would you think", []),
        ("i run i think", []),
        ("i would i", []),
        ("i would i'm here", [(0, 3)]),
        ("dog would dog think", []),
    ],
)
def test_restarts_are_their_definition(said: str, expected: list[tuple[int, int]]) -> None:
    tokens = said.split()
    no = [False] * len(tokens)
    assert lex.restarts(tokens, no, no) == expected
    first = [True, *no[1:]]
    assert lex.restarts(tokens, first, no) == [], "not over the end of a sentence"
    assert (len(tokens) - 1, 1) in lex.restarts(tokens, no, [*no[:-1], True])


def test_tokens_of_spoken_words() -> None:
    found = text.tokens(["“Kind—of,”", "—", "w-", "Well.", "it’s", "50%", "a…b"])
    assert [(t.text, t.word, t.ends_sentence, t.cut) for t in found] == [
        ("kind", 0, False, False),
        ("of", 0, False, False),
        ("w", 2, False, True),
        ("well", 3, True, False),
        ("it's", 4, False, False),
        ("50%", 5, False, False),
        ("a", 6, False, False),
        ("b", 6, False, False),
    ]


def test_counts_leave_fillers_and_second_copies_out() -> None:
    said = ["um", "I", "I", "kind", "of", "—", "maybe", "go"]
    found = text.count(said)
    assert found.is_counted.tolist() == [False, True, False, True, True, False, True, True]
    assert found.n_words == 5
    names = lex.lexicon().names
    starts = {
        names[k]: i
        for i, k in zip(*np.nonzero(found.starts), strict=True)
        if names[k] in ("filler", "repeat")
    }
    assert starts == {"filler": 0, "repeat": 2}
    hedges = found.starts[:, names.index("hedge")]
    assert hedges.tolist() == [0, 0, 0, 1, 0, 0, 1, 0], "an occurrence counts where it begins"
    assert found.counts[names.index("hedge")] == 2
    words = tuple(Word(w, float(k), k + 0.5) for k, w in enumerate(said))
    track = text.describe_words(words)
    assert track.column("hedge").tolist() == [0, 0, 0, 1, 1, 0, 1, 0], "a row is 1 throughout it"
    assert track.times_s.tolist() == [float(k) for k in range(8)]
    cues = [
        (c.kind, c.start_s, c.end_s, c.detail)
        for c in occurrences(words)
        if c.kind in ("hedge", "filler")
    ]
    assert cues == [
        ("filler", 0.0, 0.5, "um"),
        ("hedge", 3.0, 4.5, "kind of"),
        ("hedge", 6.0, 6.5, "maybe"),
    ]
    late = (Word("kind", 1.0, 9.0), Word("of", 2.0, 2.5), Word("slow", 2.5, 3.0))
    assert [(c.start_s, c.end_s) for c in occurrences(late) if c.kind == "hedge"] == [(1.0, 9.0)]
    assert text.count([]).n_words == 0
