"""The generator of studies, without a picture: rates, lengths, cue shares, knobs at zero, and the
same seed.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from twomind.core.errors import BadInput
from twomind_synth import behaviour
from twomind_synth.identity import effective_sides
from twomind_synth.study_layout import clips_of, take_of
from twomind_synth.study_people import study_person
from twomind_synth.study_script import plan_segment, write_study_answer
from twomind_synth.study_take import (
    TASKS,
    Take,
    bah_take,
    biovid_take,
    drawn_aus,
    say,
    stressid_take,
)
from twomind_synth.study_world import (
    CONFLICT_PAIRS,
    CUE_SIDES,
    PERSON_KNOBS,
    STUDY_CUES,
    StudyWorld,
    with_knobs,
)
from twomind_synth.world import MODALITY_SETS

pytestmark = pytest.mark.slow  # whole studies are planned

WORLD = StudyWorld()


@pytest.fixture(scope="module")
def plans() -> list:
    rng = np.random.default_rng(5)
    people = [study_person(WORLD, 11, i, str(i)) for i in range(250)]
    return [plan_segment(WORLD, p, 1 + k % 7, rng) for p in people for k in range(10)]


@pytest.fixture(scope="module")
def takes() -> list[Take]:
    people = [study_person(WORLD, 4, i, str(i)) for i in range(36)]
    return [bah_take(WORLD, p, q, 10) for p in people for q in range(1, 8)]


def spans(takes: list[Take]) -> np.ndarray:
    return np.array([b - a for t in takes for a, b in t.spans])


def test_rates_lengths_and_prevalence_are_the_published_ones(takes: list[Take]) -> None:
    lengths, durations = spans(takes), np.array([t.duration_s for t in takes])
    assert lengths.mean() == pytest.approx(4.29, abs=0.45)
    assert lengths.std() == pytest.approx(2.45, abs=0.5)
    assert durations.mean() == pytest.approx(26.8, abs=3)
    assert durations.std() == pytest.approx(16.5, abs=3)
    assert durations.min() >= 3
    assert durations.max() < 105
    assert lengths.sum() / durations.sum() == pytest.approx(0.17, abs=0.03)
    for q, rate in enumerate(WORLD.ah_rate, start=1):
        # 36 people: two standard errors of a share are .16
        assert np.mean([t.label for t in takes if t.task == str(q)]) == pytest.approx(rate, abs=0.2)
    several = [len(t.spans) > 1 for t in takes if t.label]
    assert np.mean(several) == pytest.approx(443 / 775, abs=0.12)


def test_lengths_agree_with_the_public_segments_of_the_real_set(takes: list[Take], shared) -> None:
    path = shared / "data" / "bah_v1" / "segments_train.csv"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    with open(path, newline="") as file:
        real = np.array(
            [int(r["num_frames"]) / 24 for r in csv.DictReader(file) if r["label"] == "1"]
        )
    ours = spans(takes)
    ours = ours[ours >= 16 / 24]  # the public file has none shorter
    for share in (25, 50, 75):
        assert np.percentile(ours, share) == pytest.approx(np.percentile(real, share), rel=0.25)


def test_cues_modalities_and_conflicts_have_the_published_shares(plans: list) -> None:
    for modality, shares in STUDY_CUES.items():
        seen = Counter(cue for plan in plans for cue in plan.cues.get(modality, ()))
        total, published = sum(seen.values()), sum(shares.values())
        for cue, share in shares.items():
            assert 100 * seen[cue] / total == pytest.approx(100 * share / published, abs=3.5), cue
    whole = sum(MODALITY_SETS.values())
    sets = Counter(tuple(sorted(plan.cues)) for plan in plans)
    for modalities, share in MODALITY_SETS.items():
        assert sets[modalities] / len(plans) == pytest.approx(share / whole, abs=0.06)
    conflicts = Counter(plan.conflict for plan in plans)
    assert 1 - conflicts[()] / len(plans) == pytest.approx(0.38, abs=0.03)
    for pair, share in CONFLICT_PAIRS.items():
        n = len(plans) - conflicts[()]
        assert conflicts[pair] / n == pytest.approx(share / sum(CONFLICT_PAIRS.values()), abs=0.05)


def test_a_conflict_is_what_it_says_and_nothing_else_contradicts(plans: list) -> None:
    for plan in plans:
        taken = [s for s in plan.sides.values() if s]
        if plan.conflict:
            a, b = plan.conflict
            assert plan.sides[a] == -plan.sides[b] != 0
            assert plan.within in ("", *plan.conflict)
        else:
            assert len(set(taken)) <= 1
            assert not plan.within
        for modality, cues in plan.cues.items():
            assert {CUE_SIDES.get(c, plan.sides[modality]) for c in cues} <= {plan.sides[modality]}


def test_conflict_at_zero_leaves_none_and_within_conflict_is_recorded() -> None:
    rng = np.random.default_rng(0)
    none, much = replace(WORLD, conflict=0.0, within=1.0), replace(WORLD, conflict=1.0, within=1.0)
    person = study_person(WORLD, 1, 0, "a")
    assert not any(
        p.conflict or p.within for p in (plan_segment(none, person, 4, rng) for _ in range(200))
    )
    many = [plan_segment(much, person, 4, rng) for _ in range(200)]
    assert all(p.conflict for p in many)
    assert {p.within for p in many} >= {"facial", "language"}


def differing(world: StudyWorld) -> set[str]:
    """Names of the factors in which three people differ."""
    rows = [study_person(world, 2, i, "same").plain() for i in range(3)]
    flat = []
    for row in rows:
        out = {k: v for k, v in row.items() if k not in ("index", "factors", "look", "camera")}
        for part in ("factors", "look", "camera"):
            out |= {f"{part}.{k}": v for k, v in row[part].items() if k not in ("index", "seed")}
        flat.append(out)
    return {k for k in flat[0] if any(flat[0][k] != other[k] for other in flat[1:])}


def test_person_shift_at_zero_makes_everybody_alike_and_each_knob_moves_its_own_factor() -> None:
    assert differing(WORLD.alike()) == set()
    expected = {
        "rest": "look.rest",
        "gain": "look.gain",
        "asymmetry": "look.asymmetry",
        "saturation": "saturation",
        "mix": "mix",
        "habit": "habits",
        "shape": "look.face_width",
        "skin": "look.skin",
        "fillers": "factors.filler_rate",
        "tempo": "factors.tempo",
        "pitch": "factors.pitch_hz",
        "vocabulary": "topic",
        "camera": "camera.face_size",
        "head": "factors.sway_deg",
    }
    assert set(expected) == set(PERSON_KNOBS)
    for knob, factor in expected.items():
        moved = differing(replace(WORLD.alike(), **{knob: 1.0}))
        assert factor in moved, knob
        others = {f for k, f in expected.items() if k != knob}
        assert not moved & others, knob


def test_at_subtlety_one_no_cue_moves_the_face() -> None:
    person = study_person(WORLD, 3, 0, "a")
    hidden = replace(WORLD, subtlety=1.0)
    for k in (1, 2, 3):
        pain, none = (
            biovid_take(hidden, person, 1, k, 10),
            biovid_take(replace(WORLD, subtlety=0.0), person, 1, k, 10),
        )
        if pain.label:
            assert (
                sum(c.max() for c in none.aus.values())
                > sum(c.max() for c in pain.aus.values()) + 0.3
            )
    take = bah_take(hidden, person, 4, 10)
    assert not any(m.cause == "ah" and m.amplitude > 0 for m in take.movements)


def test_label_noise_is_a_knob() -> None:
    people = [study_person(WORLD, 6, i, str(i)) for i in range(4)]
    clean, noisy = (replace(WORLD, label_noise=v, boundary_s=0.0) for v in (0.0, 0.5))

    def wrong(world: StudyWorld) -> float:
        made = [stressid_take(world, p, task, 5) for p in people for task in TASKS]
        return float(np.mean([t.label != t.noted for t in made]))

    assert wrong(clean) == 0
    assert wrong(noisy) == pytest.approx(0.5, abs=0.2)
    take = next(t for p in people for q in (4, 7) if (t := bah_take(clean, p, q, 10)).label)
    assert [(s.start_s, s.end_s) for s in take.segments] == [
        tuple(round(v, 3) for v in s) for s in take.spans
    ]
    missed = [bah_take(replace(noisy, label_noise=1.0), p, 4, 10) for p in people]
    assert all(not t.segments for t in missed if t.label)


def test_fast_truth_is_what_would_be_drawn(takes: list[Take]) -> None:
    take = takes[3]
    drawn, states = drawn_aus(take), take.states()
    for i in (0, len(states) // 2, len(states) - 1):
        sides = effective_sides(take.person.look, states[i])
        for au, pair in sides.items():
            assert drawn[au][i] == pytest.approx(pair, abs=2e-3), au


def test_speech_has_the_same_times_with_and_without_sound() -> None:
    person = study_person(WORLD, 8, 1, "a")
    answer = write_study_answer(replace(WORLD, answer_s=(6.0, 1.0)), person, 2)
    silent, loud = (say(WORLD, person, answer, 2, sound) for sound in (False, True))
    assert silent.words == loud.words
    assert silent.pauses == loud.pauses
    np.testing.assert_array_equal(silent.f0_hz, loud.f0_hz)
    np.testing.assert_array_equal(silent.mouth, loud.mouth)
    assert not silent.values.any()
    assert loud.values.std() > 0
    # The stated level is the level that sounds, where a vowel is held.
    at = [round(s * 100) for s in loud.nuclei_s]
    rms = np.sqrt(np.convolve(loud.values.astype(float) ** 2, np.ones(240) / 240, "same"))[120::240]
    off = np.array([20 * np.log10(rms[k]) - loud.level_db[k] for k in at])
    assert abs(np.median(off)) < 4


def test_a_second_visit_changes_the_room_and_not_the_person() -> None:
    one, two = (study_person(WORLD, 9, 0, "a", visit) for visit in (1, 2))
    assert one.camera != two.camera
    assert (one.factors, one.mix, one.habits) == (two.factors, two.mix, two.habits)
    assert one.look.skin == two.look.skin
    assert one.look.gain == two.look.gain
    assert one.look.shirt_colour != two.look.shirt_colour
    a, b = (bah_take(WORLD, p, 2, 5) for p in (one, two))
    assert a.answer.text != b.answer.text


def test_the_same_seed_gives_the_same_truth_and_another_gives_another() -> None:
    def first(seed: int) -> Take:
        return take_of(clips_of("stressid", 2, seed, WORLD)[3], WORLD, seed, fps=5)

    a, b, c = first(0), first(0), first(1)
    for name in behaviour.COLUMNS:
        np.testing.assert_array_equal(a.columns[name], b.columns[name])
    assert a.movements == b.movements
    assert a.movements != c.movements


@pytest.mark.parametrize(
    "setting", ["rest=9", "conflict=2", "nonsense=1", "rest", "rest=much", "answer_s=3"]
)
def test_a_knob_that_cannot_be_turned_is_refused(setting: str) -> None:
    with pytest.raises(BadInput):
        with_knobs(WORLD, (setting,))
    assert with_knobs(WORLD, ("rest=0.5", "conflict=0")).rest == 0.5
