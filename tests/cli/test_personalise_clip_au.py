"""``score personalise --model clip-au``: a CLIP-AU per fold, on frame embeddings of films, crops
and synthetic faces.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("cv2", reason="drawing needs the extra 'face'")
pytest.importorskip("torch")
pytest.importorskip("mediapipe")

from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.core.store import Store
from twomind.datasets import biovid, open_dataset
from twomind.encoders import frame_rows
from twomind.encoders.frame_rows import FrameSource
from twomind.encoders.opening import open_encoder
from twomind.evaluation.windows import Labels, Windows
from twomind.models.clip_au.clips import ClipSettings
from twomind.pipeline.personalise_methods import ALL, chosen_methods, parsed, within_guard
from twomind.training import clip_au as clip_au_train
from twomind.training import clip_au_folds
from twomind.types import Access, Features, Fold, Task, Track
from twomind_synth.face import Person
from twomind_synth.studies import rows as study_rows
from twomind_synth.study_layout import clips_of, person_of
from twomind_synth.study_world import StudyWorld

EVERYTHING = Access.NEUTRAL | Access.SUMMARY | Access.TARGET | Access.SOURCE | Access.FEW
TINY = (
    "--people",
    4,
    "--set",
    "synthetic.knobs=clips_per_class=2,clip_s=2.0",
    "--set",
    "clip-au.hop_s=0.8",
    "--set",
    "clip-au.epochs=2",
)
METHODS = "tta-cap,clip-autt:mode=episodic:steps=2"


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def scored(out: Path, *more: object) -> tuple[int, str, str]:
    command = [
        "score",
        "personalise",
        "--model",
        "clip-au",
        "--workers",
        1,
        "--store",
        out / "store",
        "--out",
        out,
    ]
    return run(*command, *more)


# --- the verb, end to end
# -----------------------------------------------------------------------------------------


def test_a_drawn_study_is_drawn_trained_and_scored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("--drawn", "biovid", *TINY, "--protocol", "targets-2", "--methods", METHODS, "--json")
    trained, drawn = [], []
    train, draw = clip_au_train.train, study_rows.DrawnRows._draw
    monkeypatch.setattr(clip_au_train, "train", lambda *a, **k: trained.append(a) or train(*a, **k))
    monkeypatch.setattr(study_rows.DrawnRows, "_draw", lambda *a: drawn.append(a) or draw(*a))
    code, said, talk = scored(tmp_path, *asked)
    assert code == 0, talk
    assert len(trained) == 1, "both targets have the same source people"
    assert len(drawn) == 4 * 4
    [card] = json.loads(said)["models"]
    assert (card["n_people"] + card["n_people_validation"], card["encoder"]) == (2, "face-text")

    [board] = json.loads((tmp_path / "shuffled" / "leaderboard.json").read_text())["boards"]
    saw = {line["name"]: line["saw"] for line in board["lines"]}
    assert {"no adaptation", *METHODS.split(",")} <= saw.keys()
    assert saw["tta-cap"] == "summary"
    assert (tmp_path / "shuffled" / "harm.html").is_file()
    runs = [json.loads(p.read_text()) for p in (tmp_path / "runs").rglob("run.json")]
    assert {r["model"] for r in runs} == {"clip-au (face-text, float32)"}
    assert {r["config"]["steps"] for r in runs if r["method"].startswith("clip-autt")} == {2}

    clip_au_folds._remembered.clear()  # as a new process has it
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("run.json")}
    assert scored(tmp_path, *asked)[0] == 0
    assert (len(trained), len(drawn)) == (1, 16), "asked again, nothing is drawn or trained"
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("run.json")}


def crops_only(root: Path, real: bool) -> Path:
    """A tiny BioVid of crops without films."""
    biovid.fake(root, n_clips=2, n_frames=2)
    for film in (root / "video").rglob("*.mp4"):
        film.unlink()
    if real:
        (root / "study.json").unlink()
    return root


def test_face_crops_of_a_data_set_are_enough(tmp_path: Path) -> None:
    root = crops_only(tmp_path / "biovid", real=False)
    asked = (
        "--data",
        root,
        "--set",
        "clip-au.epochs=1",
        "--protocol",
        "targets-1",
        "--methods",
        "t3a",
    )
    code, _, talk = scored(tmp_path / "out", *asked)
    assert code == 0, talk
    assert "CLIP-AU (face-text)" in talk


def test_an_encoder_of_drawn_people_refuses_real_ones_unless_told_otherwise(tmp_path: Path) -> None:
    root = crops_only(tmp_path / "biovid", real=True)
    asked = (
        "--data",
        root,
        "--set",
        "clip-au.epochs=1",
        "--protocol",
        "targets-1",
        "--methods",
        "t3a",
        "--set",
        "clip-au.encoder=face-text",
    )
    code, _, talk = scored(tmp_path / "out", *asked)
    assert code == 3
    assert "--allow-drawn-model" in talk
    assert "vit-b-32" in talk
    assert not (tmp_path / "out" / "runs").exists()
    code, _, talk = scored(tmp_path / "out", *asked, "--allow-drawn-model")
    assert code == 0, talk


def test_a_clip_looks_at_real_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    monkeypatch.setenv("TWOMIND_CLIP_RUNTIME", "torch")
    from clip_files import make_tiny_clip

    encoder = make_tiny_clip(tmp_path / "clip")
    root = crops_only(tmp_path / "biovid", real=True)
    asked = (
        "--data",
        root,
        "--set",
        "clip-au.epochs=1",
        "--protocol",
        "targets-1",
        "--set",
        f"clip-au.encoder={encoder}",
    )
    code, said, talk = scored(tmp_path / "out", *asked, "--methods", "clip-autt", "--json")
    assert code == 0, talk
    assert json.loads(said)["models"][0]["encoder"] == str(encoder)
    [board] = json.loads((tmp_path / "out" / "shuffled" / "leaderboard.json").read_text())["boards"]
    assert not board["drawn"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ("--model", "described", "--set", "clip-au.encoder=face-text"),
            "clip-au.encoder: goes with --model clip-au",
        ),
        (
            ("--model", "described", "--allow-drawn-model"),
            "--allow-drawn-model: goes with a model that was trained before",
        ),
        (
            ("--model", "clip-au", "--set", "described.face=face_relative"),
            "described.face: goes with --model described",
        ),
        (("--model", "clip-au", "--set", "clip-au.encoder=./no-such-folder"), "no-such-folder"),
        (("--set", "clip-au.hop_s=0"), "clip-au.hop_s: expected a number above 0"),
        (
            ("--set", "described.face=mask"),
            "described.face: expected one of face, face_relative, got 'mask'",
        ),
        (
            ("--model", "clip-au", "--methods", "clip-autt:mode=hopeful"),
            "expected one of corrected, subject",
        ),
        (
            ("--model", "clip-au", "--methods", "clip-autt:moode=subject"),
            "clip-autt has no setting 'moode'",
        ),
        (
            ("--model", "clip-au", "--methods", "clip-autt:subject"),
            "--methods 'subject': expected name=value",
        ),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_drawn(
    given: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> Track:
        raise AssertionError("nothing is to be drawn")

    monkeypatch.setattr(study_rows.DrawnRows, "_draw", never)
    command = [
        "score",
        "personalise",
        "--drawn",
        "biovid",
        *TINY[:4],
        "--protocol",
        "targets-1",
        "--offline",
    ]
    code, _, talk = run(*command, "--workers", 1, "--out", tmp_path, "--store", tmp_path, *given)
    assert code in (3, 6)
    assert said in talk


# --- which methods
# ------------------------------------------------------------------------------------------------


def test_all_methods_of_clip_au_hold_every_mode_of_clip_autt_and_say_what_is_left_out() -> None:
    kept, left = chosen_methods(ALL, EVERYTHING, "clip-au")
    modes = {spec: method.mode for spec, method in kept.items() if spec.startswith("clip-autt")}
    assert modes == {
        "clip-autt": "corrected",
        "clip-autt:mode=subject": "subject",
        "clip-autt:mode=episodic": "episodic",
        "clip-autt:mode=released": "released",
    }
    assert {
        "tta-cap",
        "t3a",
        "sfda-pft",
        "mmd",
        "tpt",
    } <= kept.keys()
    assert left.keys() == {"dsfda", "sar", "tent"}
    assert (
        "clip-autt:mode=released"
        not in chosen_methods(ALL, EVERYTHING & ~Access.TARGET, "clip-au")[0]
    )
    assert "clip-autt" in chosen_methods(ALL, EVERYTHING)[1], "the described model has no prompts"


def test_a_guard_stands_around_the_method_as_it_was_set() -> None:
    methods, _ = chosen_methods(
        ("clip-autt:mode=episodic:steps=3", "guarded"), EVERYTHING, "clip-au"
    )
    found = within_guard(methods)
    assert list(found) == [
        "clip-autt:mode=episodic:steps=3",
        "guarded",
        "guarded clip-autt:mode=episodic:steps=3",
    ]
    assert (
        found["guarded clip-autt:mode=episodic:steps=3"].inner
        == methods["clip-autt:mode=episodic:steps=3"]
    )
    assert parsed("t3a") == ("t3a", {})


# --- the fold's model
# ---------------------------------------------------------------------------------------------


class Toy:
    """Recordings ``<person>...<label>``."""

    def label(self, task: str, recording: str) -> int:
        return int(recording[-1])


def reading_of(asked: list[str], spoilt: str = "") -> Callable[[str], Features]:
    def read(recording: str) -> Features:
        asked.append(recording)
        dim = open_encoder().dim
        rng = np.random.default_rng(sum(map(ord, recording)))
        values = (rng.normal(size=(6, dim)) + int(recording[-1])).astype(np.float32)
        if spoilt and recording.startswith(spoilt):
            values = -values
        track = Track(values, 0.1 * np.arange(6), np.ones(6, bool))
        return Features(recording, recording[0], {"face_text": track}, (0.0, 0.6), drawn=True)

    return read


def models_of(folder: Path, asked: list[str], spoilt: str = "") -> clip_au_folds.FoldModels:
    toy: Any = Toy()
    labels = Labels(toy, Task("toy", ("no", "yes"), "clip"), Windows(None))
    settings = clip_au_train.TrainSettings(epochs=2)
    clips = ClipSettings(hop_s=0.1)
    return clip_au_folds.FoldModels(
        labels, reading_of(asked, spoilt), "face-text", clips, settings, folder
    )


def clips_by(people: str) -> tuple[str, ...]:
    return tuple(f"{p}{y}" for p in people for y in (0, 1))


FOLD = Fold(
    "t", "targets-1", clips_by("abc"), clips_by("tu"), clips_by("d"), ("tn0",), ("tx1",), ("uf0",)
)


def test_a_fold_s_model_never_sees_the_people_who_are_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    train, handed = clip_au_train.train, []
    monkeypatch.setattr(
        clip_au_train, "train", lambda *a, **k: handed.append((a, k)) or train(*a, **k)
    )
    model = models_of(tmp_path / "one", asked)(FOLD)
    assert {a[0] for a in asked} == set("abcd")
    [((_, source, _), more)] = handed
    assert {e.x.subject for e in source} == set("abc")
    assert {e.x.subject for e in more["validation"]} == {"d"}, (
        "they choose the epoch, and are not trained on"
    )
    others = {
        spoilt: models_of(tmp_path / spoilt, [], spoilt)(FOLD).weights_mark() for spoilt in "tua"
    }
    assert others["t"] == others["u"] == model.weights_mark()
    assert others["a"] != model.weights_mark(), "the comparison can tell"


def test_a_model_is_kept_by_what_it_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = models_of(tmp_path, [])(FOLD).weights_mark()
    train, trained = clip_au_train.train, []
    monkeypatch.setattr(clip_au_train, "train", lambda *a, **k: trained.append(a) or train(*a, **k))
    assert models_of(tmp_path, [])(FOLD).weights_mark() == mark
    assert (
        models_of(tmp_path, [])(replace(FOLD, name="v", test=clips_by("v"))).weights_mark() == mark
    )
    assert not trained
    for changed in (replace(FOLD, train=clips_by("ab")), replace(FOLD, val=clips_by("e"))):
        models_of(tmp_path, [])(changed)
    models_of(tmp_path, [], "a")(FOLD)
    assert len(list(tmp_path.iterdir())) == 4, (
        "other people, other validation, other rows: other models"
    )


# --- rows
# ---------------------------------------------------------------------------------------------------------


def test_frames_on_a_grid_are_the_nearest_ones() -> None:
    assert frame_rows.on_grid(np.arange(10) / 15, 0.1).tolist() == [0, 1, 3, 4, 6, 7, 9]
    assert frame_rows.on_grid(np.array([0.0, 0.1, 0.9, 1.0]), 0.5).tolist() == [0, 3], (
        "no frame near 0.5"
    )
    assert frame_rows.on_grid(np.array([2.0]), 0.5).tolist() == [0]
    assert frame_rows.on_grid(np.zeros(0), 0.5).tolist() == []


def test_crops_become_rows_by_their_time_and_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = biovid.fake(tmp_path / "biovid", n_clips=1, n_frames=6)
    found = open_dataset(root)
    recording = replace(found.recordings()[0], media=tmp_path / "no-film.mp4")
    folder = found.frame_folder(recording.id)
    folder.files[2][1].write_bytes(b"no picture")
    encoder, store = open_encoder(), Store(tmp_path / "store")
    x = frame_rows.embedded(recording, folder, encoder, FrameSource(0.08), store)
    track = x.tracks[encoder.track]
    assert track.times_s.tolist() == pytest.approx([2.04, 2.12, 2.20]), (
        "every second crop of 25 a second"
    )
    assert track.valid.tolist() == [True, False, True]
    assert "JPEG or PNG" in track.reasons[track.reason_code[1]]
    assert store.noted(recording.subject)[0], "by the person's name, erasing finds the rows"

    with pytest.raises(BadInput, match="has seen synthetic people only"):
        frame_rows.embedded(
            replace(recording, drawn=False), folder, encoder, FrameSource(0.08), store
        )

    def never(_: np.ndarray) -> np.ndarray:
        raise AssertionError("kept rows are read back")

    never.__module__ = encoder.images.__module__  # the same code, as far as the store knows
    again = frame_rows.embedded(
        recording, folder, replace(encoder, images=never), FrameSource(0.08), store
    )
    assert np.array_equal(again.tracks[encoder.track].values, track.values, equal_nan=True)


def test_drawn_rows_are_those_of_the_film(tmp_path: Path) -> None:
    from twomind_synth.studies.features import recording_of
    from twomind_synth.study import draw_study, plan_study

    world = StudyWorld(clips_per_class=1, clip_s=2.0)
    plan = plan_study(tmp_path / "study", "biovid", 1, 0, world, fps=25)
    draw_study(plan, workers=1)
    encoder, store = open_encoder(), Store(tmp_path / "store")
    direct = study_rows.DrawnRows(world, 0, 0.4, store.root)
    found = []
    for clip in plan.clips():
        film = frame_rows.embedded(
            recording_of(plan, clip), None, encoder, FrameSource(0.4), store
        ).tracks[encoder.track]
        rows = direct(clip, encoder)
        assert rows.times_s.tolist() == pytest.approx(film.times_s.tolist())
        assert rows.valid.all()
        found.append((rows.values, film.values))
    (rows, film), (_, other) = found
    cosine = (rows * film).sum(axis=1)
    assert cosine.min() > 0.93, "the codec and nothing else lies between them"
    assert (rows * other).sum(axis=1).mean() < cosine.mean() - 0.01, "another clip is told apart"


def test_people_of_drawn_studies_are_not_those_the_encoder_was_trained_on() -> None:
    from twomind_synth.models.face_text_train import Recipe

    recipe, world = Recipe(), StudyWorld()
    shape = ("face_width", "eye_distance", "mouth_width", "brow_height", "nose_length")
    trained = np.array(
        [
            [
                getattr(Person.random(np.random.default_rng((recipe.seed, i)), f"p{i}"), n)
                for n in shape
            ]
            for i in range(recipe.n_people + recipe.n_held_out)
        ]
    )
    for seed in (0, recipe.seed):
        for clip in clips_of("stressid", 24, seed, world)[::11]:
            look = person_of(clip, world, seed).look
            near = np.abs(trained - [getattr(look, n) for n in shape]).max(axis=1).min()
            assert near > 1e-3, clip.subject
