"""The fast path: features of synthetic people without a picture, as the real chain would
measure them.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from twomind.core.errors import BadInput
from twomind.features.face.measures import NAMES, UNITS
from twomind.features.voice import track as voice
from twomind.features.words.lexicon import lexicon
from twomind.types import Features
from twomind_synth.studies import measured as fast
from twomind_synth.studies.features import (
    StudyFeatures,
    fingerprint,
    shuffle_modalities,
    study_features,
)
from twomind_synth.study_layout import clips_of, take_of
from twomind_synth.study_world import StudyWorld

pytestmark = pytest.mark.slow  # whole studies are made

WORLD = replace(
    StudyWorld(), answer_s=(8.0, 2.0), answer_limits_s=(4.0, 14.0), clips_per_class=6, task_s=5.0
)


@pytest.fixture(scope="module")
def bah() -> StudyFeatures:
    return study_features("bah", 6, 0, WORLD)


@pytest.fixture(scope="module")
def biovid() -> StudyFeatures:
    return study_features("biovid", 14, 0, WORLD)


def test_columns_units_and_clocks_are_those_of_describe(bah: StudyFeatures) -> None:
    assert len(bah.features) == len(bah.truths) == 42
    for x, truth in zip(bah.features, bah.truths, strict=True):
        assert x.drawn
        assert x.recording == truth.recording
        assert x.question == truth.task
        assert x.tracks["face"].names == x.tracks["face_relative"].names == NAMES
        assert x.tracks["face"].units == UNITS
        assert (x.tracks["voice"].names, x.tracks["voice"].units) == (voice.NAMES, voice.UNITS)
        assert x.tracks["words"].names == lexicon().names
        assert len(x.tracks["words"]) == len(x.words or ())
        np.testing.assert_allclose(np.diff(x.tracks["voice"].times_s), 0.01, atol=1e-9)
        np.testing.assert_allclose(np.diff(x.tracks["face"].times_s), 1 / 15, atol=1e-9)
        assert x.span_s[1] == pytest.approx(x.tracks["voice"].times_s[-1], abs=0.05)
    assert not {"label", "y", "truth"} & {f.name for f in fields(Features)}


def test_layouts_without_speech_say_why_there_is_none(biovid: StudyFeatures) -> None:
    x = biovid.features[0]
    assert set(x.tracks) == {"face", "face_relative"}
    assert x.words is None
    assert x.notes == {"voice": "the file has no sound", "words": "no transcript was given"}
    gridded = study_features("biovid", 1, 0, WORLD, hop_s=0.2).features[0]
    assert len(gridded.tracks["face"]) == 28


def test_same_arguments_same_bytes_and_people_do_not_depend_on_how_many_there_are(
    bah: StudyFeatures,
) -> None:
    again = study_features("bah", 6, 0, WORLD)
    assert fingerprint(again) == fingerprint(bah)
    other = study_features("bah", 6, 1, WORLD)
    assert fingerprint(other) != fingerprint(bah)
    fewer = study_features("bah", 2, 0, WORLD)
    for a, b in zip(fewer.features, bah.features, strict=False):
        np.testing.assert_array_equal(a.tracks["face"].values, b.tracks["face"].values)


def test_labels_of_windows_follow_the_annotated_segments(bah: StudyFeatures) -> None:
    truth = next(t for t in bah.truths if t.segments)
    a, b = truth.segments[0]
    assert truth.label == 1
    assert truth.at(a, b) == 1
    assert all(t.at(0, 2) == 0 for t in bah.truths if not t.segments)
    assert all(t.label == 0 for t in bah.truths if not t.segments)


def person_spread(study: StudyFeatures, column: str) -> float:
    """Between people, of the median of a column."""
    subjects = sorted({x.subject for x in study.features})
    medians = [
        np.nanmedian(
            np.concatenate(
                [x.tracks["face"].column(column) for x in study.features if x.subject == s]
            )
        )
        for s in subjects
    ]
    return float(np.std(medians))


def test_person_shift_at_zero_takes_the_differences_between_people_away(
    biovid: StudyFeatures,
) -> None:
    alike = study_features("biovid", 14, 0, WORLD.alike())
    for column in ("AU04", "AU12", "AU25", "pose_yaw", "eye_opening_left"):
        assert person_spread(alike, column) < 0.35 * person_spread(biovid, column), column


def means(study: StudyFeatures) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = np.array([np.nanmean(x.tracks["face"].values[:, :20], axis=0) for x in study.features])
    subjects = np.array([x.subject for x in study.features])
    return rows, np.array([t.label for t in study.truths]), subjects


def test_a_person_s_own_labels_help_and_the_label_can_be_learnt_from_others(
    biovid: StudyFeatures,
) -> None:
    """The reason for the whole study, on a nearest-mean classifier: chance < other people's means <
    own means.
    """
    x, y, subjects = means(biovid)
    scale = x.std(axis=0)
    others, own = [], []
    for i in range(len(y)):
        mine = (subjects == subjects[i]) & (np.arange(len(y)) != i)
        for found, use in ((others, subjects != subjects[i]), (own, mine)):
            centres = [x[use & (y == c)].mean(axis=0) for c in (0, 1)]
            distance = [float((((x[i] - c) / scale) ** 2).sum()) for c in centres]
            found.append(int(np.argmin(distance)) == y[i])
    assert np.mean(others) > 0.55
    assert np.mean(own) > np.mean(others) + 0.05


def test_nothing_shows_at_subtlety_one() -> None:
    hidden = study_features("biovid", 14, 0, replace(WORLD, subtlety=1.0))
    x, y, subjects = means(hidden)
    centred = x - np.array([x[subjects == s].mean(axis=0) for s in subjects])
    apart = centred[y == 1].mean(axis=0) - centred[y == 0].mean(axis=0)
    # 84 clips a class: about every twentieth column is two standard errors apart by chance.
    assert np.mean(np.abs(apart) > 3 * centred.std(axis=0) * np.sqrt(2 / 84)) <= 0.05


def agreement(windows: list[Features]) -> np.ndarray:
    """Whether the face takes the side of the words: a plain sum of the lexicon, times smile less
    frown.
    """
    found = []
    for w in windows:
        words, face = w.tracks["words"], w.tracks["face_relative"]
        column = words.names.index
        spoken = words.values[:, [column("positive"), column("motivation")]].sum()
        spoken -= words.values[
            :, [column("negative"), column("fail"), column("no_motivation")]
        ].sum()
        shown = np.nanmax(face.column("AU12"), initial=0) - np.nanmax(
            face.column("AU04"), initial=0
        )
        found.append(np.sign(spoken) * shown)
    return np.array(found)


def test_a_conflict_shows_only_in_the_comparison_and_is_gone_when_modalities_are_paired_across_people() -> (
    None
):
    pure = replace(
        WORLD.alike(), noise=0.0, conflict=0.5, within=0.0, subtlety=0.0, ah_rate=(1.0,) * 7
    )
    study = study_features("bah", 14, 1, pure)
    windows, conflict = [], []
    for x, t in zip(study.features, study.truths, strict=True):
        for (a, b), pair in zip(t.spans, t.conflict, strict=True):
            if pair in ((), ("facial", "language")):
                windows.append(x.between(a, b))
                conflict.append(int(bool(pair)))
    y = np.array(conflict)
    assert y.sum() >= 15

    def gap(found: np.ndarray) -> float:
        return float(found[y == 0].mean() - found[y == 1].mean()) / float(found.std())

    shuffled = [
        gap(agreement(list(shuffle_modalities(windows, conflict, seed=s)))) for s in range(8)
    ]
    assert gap(agreement(windows)) > 0.5
    assert abs(np.mean(shuffled)) < 0.25


def test_shuffling_takes_other_people_s_tracks_and_refuses_where_there_are_none(
    bah: StudyFeatures,
) -> None:
    windows = [x.between(0.0, 2.0) for x in bah.features]
    labels = [t.at(0.0, 2.0) for t in bah.truths]
    mixed = shuffle_modalities(windows, [0] * len(labels), seed=1)
    for before, after in zip(windows, mixed, strict=True):
        assert after.words == before.words
        assert after.tracks["voice"] is before.tracks["voice"]
        same = [
            w.subject
            for w in windows
            if np.array_equal(w.tracks["face"].values, after.tracks["face"].values, True)
        ]
        assert same
        assert before.subject not in same
    with pytest.raises(BadInput, match="at least two people"):
        shuffle_modalities(windows[:3], [0, 0, 0])


def test_lost_faces_are_rows_without_numbers_and_with_a_reason() -> None:
    x = study_features("biovid", 3, 0, replace(WORLD, lost=0.2)).features
    valid = np.concatenate([w.tracks["face"].valid for w in x])
    assert 1 - valid.mean() == pytest.approx(0.2, abs=0.08)
    track = next(w.tracks["face"] for w in x if not w.tracks["face"].valid.all())
    assert np.isnan(track.values[~track.valid]).all()
    assert {track.reasons[c] for c in track.reason_code[~track.valid]} == {"no face"}


def test_a_model_of_other_columns_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast.model.cache_clear()
    monkeypatch.setattr(fast, "MODEL", tmp_path / "measured.json")
    with pytest.raises(BadInput, match="study_calibrate"):
        fast.model()
    (tmp_path / "measured.json").write_text('{"names": [], "inputs": [], "shape": []}')
    with pytest.raises(BadInput, match="other columns"):
        fast.model()
    monkeypatch.undo()
    fast.model.cache_clear()


@pytest.mark.slow
def test_the_fast_path_measures_what_the_real_chain_measures(tmp_path: Path) -> None:
    """One film of a person whom the calibration never saw: the same moves, levels within the
    model's spread.
    """
    pytest.importorskip("mediapipe", reason="tracking needs the extra 'face'")
    from twomind.core.store import Store
    from twomind.features.describe import describe
    from twomind.types import Recording
    from twomind_synth.study_film import film_settings, film_take

    clip = next(c for c in clips_of("bah", 1, 5, WORLD) if c.key == (2,))
    take = take_of(clip, WORLD, 5)
    quiet = fast.measured(replace(WORLD, noise=0.0), take, "x")
    film_take(tmp_path / "x.mp4", take, WORLD, film_settings(15))
    real = describe(
        Recording("x", "x", tmp_path / "x.mp4", drawn=True),
        ("face", "voice"),
        store=Store(tmp_path),
    )
    a, b = quiet.tracks["face"], real.features.tracks["face"]
    assert a.names == b.names
    assert len(a) == len(b)
    np.testing.assert_allclose(a.times_s, b.times_s, atol=1e-3)
    for column, least in {
        "pose_yaw": 0.9,
        "pose_pitch": 0.8,
        "pose_roll": 0.85,
        "AU25": 0.6,
        "AU43": 0.6,
    }.items():
        ok = np.isfinite(a.column(column)) & np.isfinite(b.column(column))
        assert np.corrcoef(a.column(column)[ok], b.column(column)[ok])[0, 1] > least, column
    spread = fast.model()["shift_sd"]
    off = [
        abs(np.nanmedian(a.column(n)) - np.nanmedian(b.column(n))) / spread[k]
        for k, n in enumerate(NAMES)
        if n != "blink"
    ]
    assert np.median(off) < 2.5
    spoken = np.array(
        [t.column("speech")[:700] for t in (quiet.tracks["voice"], real.features.tracks["voice"])]
    )
    assert np.mean(spoken[0] == spoken[1]) > 0.93
    energy = [
        np.nanmedian(t.column("energy"))
        for t in (quiet.tracks["voice"], real.features.tracks["voice"])
    ]
    assert energy[0] == pytest.approx(energy[1], abs=4)


def test_the_fit_finds_the_model_that_made_the_measures() -> None:
    """Clips measured by the model itself, fitted anew: what moves pose and smile comes back."""
    from twomind_synth.studies.measured_fit import calibrate

    clips = []
    spoken = study_features("bah", 1, 0, WORLD).features[0].tracks["voice"].values
    for clip in clips_of("bah", 4, 2, WORLD):
        take = take_of(clip, WORLD, 2)
        track = fast.measured_face(WORLD, take)
        face = np.where(track.valid[:, None], track.values, np.nan)
        clips.append({"index": clip.index, "truth": fast.truth_rows(take), "face": face})
    take = take_of(clips_of("bah", 1, 0, WORLD)[0], WORLD, 0)
    clips[0] |= {"voice": spoken, "take": take}
    found, report = calibrate(clips)
    assert report["held_out_r2_within_person"]["pose_yaw"] > 0.9
    at = (fast.INPUTS.index("yaw"), NAMES.index("pose_yaw"))
    assert np.array(found["weights"])[at] == pytest.approx(fast.model()["weights"][at], rel=0.15)
    assert found["names"] == list(NAMES)
    assert abs(found["voice_late_s"]) < 0.05
