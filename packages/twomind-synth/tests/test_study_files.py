"""Synthetic studies as files: the formats of the three layouts, resuming after a kill, refusals, crops,
the command.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("cv2", reason="drawing needs the extra 'face'")

from patience import until
from twomind.core.errors import BadInput, Partial
from twomind.transcripts.words import read_words
from twomind_synth import study
from twomind_synth.film import TAG
from twomind_synth.studies.features import film_and_crop, film_crop_more
from twomind_synth.study import StudyPlan, draw_study, plan_study
from twomind_synth.study_film import anchor_points, complete
from twomind_synth.study_layout import TARGETS, clips_of, split_of, take_of
from twomind_synth.study_world import StudyWorld

pytestmark = pytest.mark.slow  # films are made

SHORT = StudyWorld(
    answer_s=(4.0, 1.0),
    answer_limits_s=(3.0, 5.0),
    segment_s=(1.8, 0.4),
    segment_limits_s=(0.8, 2.5),
    more_segments=2.0,
    clips_per_class=1,
    clip_s=2.6,
    task_s=2.0,
)
SMALL = (160, 128)


def small(out: Path, layout: str, n: int = 1, **more: Any) -> StudyPlan:
    fps = {"bah": 6, "biovid": 25, "stressid": 5}[layout]
    return plan_study(out, layout, n, 3, more.pop("world", SHORT), fps=fps, size=SMALL, **more)


@pytest.fixture(scope="module")
def bah(tmp_path_factory: pytest.TempPathFactory) -> StudyPlan:
    plan = small(tmp_path_factory.mktemp("bah"), "bah")
    draw_study(plan, workers=1, work=film_crop_more)
    return plan


class Loader(yaml.SafeLoader):
    """The safe loader that also knows the tag under which the release holds its time stamps."""


Loader.add_constructor(
    "tag:yaml.org,2002:python/tuple", lambda loader, node: tuple(loader.construct_sequence(node))
)


def decoded(path: Path) -> tuple[int, dict[str, str], bool]:
    import av

    with av.open(str(path)) as container:
        return (
            sum(1 for _ in container.decode(video=0)),
            dict(container.metadata),
            bool(container.streams.audio),
        )


def test_bah_layout_is_that_of_the_release(bah: StudyPlan) -> None:
    root, subject = bah.out, bah.clips()[0].subject
    lines = (root / "split" / "train.txt").read_text().splitlines()
    assert len(lines) == 7
    assert (root / "split" / "val.txt").read_text() == ""
    entries = yaml.load((root / "video_annotation_transcript.yaml").read_text(), Loader)
    frames = dict(
        line.rsplit(",", 1)
        for line in (root / "split-frames" / "train.txt").read_text().splitlines()
    )
    for line in lines:
        path, label, transcript = line.split(",", 2)
        name = path.rsplit("/", 1)[1]
        assert path.startswith(f"Videos/{subject}/Visite_1/{subject}_Question_")
        assert name.endswith("_Video.mp4")
        n_frames, tags, sound = decoded(root / path)
        assert tags["comment"] == TAG
        assert sound
        entry = entries[path]
        assert entry["global_ah"] == int(label) == int(bool(entry["time_detailed_ah"]))
        assert entry["transcript"] == transcript
        assert len(entry["frame_annotation"]) == n_frames
        labels = np.array([y for _, y in entry["frame_annotation"]])
        inside = np.zeros(n_frames, int)
        for first, last in entry["fr_detailed_ah"]:
            inside[first : last + 1] = 1
        np.testing.assert_array_equal(labels, inside)
        for (start, end), (first, last) in zip(
            entry["time_detailed_ah"], entry["fr_detailed_ah"], strict=False
        ):
            assert start.startswith("00:00:0")
            assert float(start[-6:]) <= first / 6 + 1e-6
            assert last / 6 < float(end[-6:]) + 1e-6
        n = len(entry["time_detailed_ah"])
        assert len(entry["certainty_ah"]) == len(entry["all_cues"]) == n
        assert all(
            set(c) == {"audio", "body", "facial", "language", "inconsistency"}
            for c in entry["all_cues"]
        )
        crops = sorted((root / "cropped-aligned-faces" / path).glob("frame-*.jpg"))
        assert len(crops) == -(-n_frames // bah.crop_every)
        assert {f"{path}/{c.name}" for c in crops} == {f for f in frames if f.startswith(path)}
        assert all(
            int(frames[f"{path}/frame-{i}.jpg"]) == labels[i]
            for i in range(0, n_frames, bah.crop_every)
        )
        said = yaml.load((root / "transcription" / path / f"{name[:-4]}.yml").read_text(), Loader)
        assert said["text"].strip() == transcript
        assert all(
            isinstance(c["timestamp"], tuple) and c["language"] == "english" for c in said["chunks"]
        )
        words = read_words(root / "transcription" / path / f"{name[:-4]}.yml").words
        assert [w.text for w in words] == transcript.split()
    people = yaml.safe_load((root / "meta_data.yml").read_text())
    assert people[subject]["consent for publication"] in ("Yes", "No")
    assert yaml.safe_load((root / "class_map.yaml").read_text()) == {"No A-H": 0, "With A-H": 1}
    with open(root / "bah-video.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 7


def test_study_says_that_it_is_drawn_and_by_which_factors_people_differ(bah: StudyPlan) -> None:
    found = json.loads((bah.out / "study.json").read_text())
    assert found["drawn"] is True
    assert found["layout"] == "bah"
    assert found["seed"] == 3
    assert found["world"]["conflict"] == SHORT.conflict
    person = found["people"][bah.clips()[0].subject]["visit_1"]
    assert {"rest", "gain", "asymmetry"} <= set(person["look"])
    assert person["habits"]
    assert person["mix"]["facial"]
    truth = json.loads((bah.out / bah.clips()[0].truth).read_text())
    assert len(truth["frames"]["AU12"]) == len(truth["frames"]["time_s"])
    assert not list((bah.out / "Videos").rglob("*.json"))


def test_crops_have_their_sizes_and_the_eyes_where_the_template_wants_them(bah: StudyPlan) -> None:
    import cv2

    media = bah.clips()[3].media
    name = f"cropped-aligned-faces/{media}/frame-5.jpg"
    sizes = {}
    for kind in ("", "crops/arcface-112", "crops/mesh-112", "crops/mesh-256"):
        picture = cv2.imread(str(bah.out / kind / name))
        sizes[kind] = picture.shape[0]
        assert picture.shape[0] == picture.shape[1]
        side = picture.shape[0]
        # A pupil is the darkest thing around the place of an eye.
        y, x = (46, 36) if "mesh" in kind else (51.7, 38.3)
        around = picture[
            int((y - 9) * side / 112) : int((y + 9) * side / 112),
            int((x - 12) * side / 112) : int((x + 12) * side / 112),
        ]
        assert around.min() < 0.5 * np.median(picture)
    assert sizes == {
        "": 256,
        "crops/arcface-112": 112,
        "crops/mesh-112": 112,
        "crops/mesh-256": 256,
    }


def test_the_drawings_own_anchors_are_where_the_tracker_sees_them() -> None:
    pytest.importorskip("mediapipe", reason="tracking needs the extra 'face'")
    from twomind.features.face.align import anchors
    from twomind.features.face.back_ends import open_finder
    from twomind_synth.face import draw

    clip = clips_of("biovid", 1, 0, SHORT)[0]
    finder = open_finder("mesh", None, 1)
    take = take_of(clip, SHORT, 0, size=(320, 240))
    own = anchor_points(take)
    states, off = take.states(), []
    for i in (10, 11, 12):
        seen = finder.one(draw(take.person.look, states[i], take.person.camera, i))
        assert seen is not None
        off.append(
            [
                np.linalg.norm(own[t][i] - anchors(seen, t), axis=1).mean()
                for t in ("arcface", "mesh")
            ]
        )
    finder.close()
    # The face is about 100 px wide here.
    assert np.mean(off, axis=0) == pytest.approx([0, 0], abs=6)


def test_a_damaged_film_is_drawn_again_and_nothing_else_is(bah: StudyPlan) -> None:
    clips = bah.clips()
    before = {c.media: (bah.out / c.media).stat().st_mtime_ns for c in clips}
    (bah.out / clips[0].media).write_bytes(b"cut")
    (bah.out / clips[1].truth).unlink()
    done: list[tuple[str, float, float]] = []
    draw_study(bah, workers=1, progress=lambda *p: done.append(p), work=film_crop_more)
    changed = {c.media for c in clips if (bah.out / c.media).stat().st_mtime_ns != before[c.media]}
    assert changed == {clips[0].media, clips[1].media}
    assert decoded(bah.out / clips[0].media)[0] > 10
    assert done[-1][1:] == (7, 7)


@pytest.mark.slow
def test_several_workers_draw_what_one_draws(tmp_path: Path) -> None:
    """Films byte for byte: nothing of a clip depends on which process drew it, or when."""
    drawn = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        world = StudyWorld(clips_per_class=1, clip_s=2.0)
        draw_study(
            plan_study(out, "biovid", 2, 3, world, fps=5, size=(160, 128), crop_every=0),
            workers=workers,
        )
        drawn.append(
            {p.relative_to(out): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}
        )
    assert len([p for p in drawn[0] if p.suffix == ".mp4"]) == 4
    assert drawn[0] == drawn[1]


@pytest.mark.slow
def test_after_kill_9_the_study_is_whole_when_run_again(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from twomind_synth.study import *;"
        "from twomind_synth.study_world import StudyWorld;"
        "draw_study(plan_study(Path(sys.argv[1]),'stressid',1,3,StudyWorld(task_s=2.0),fps=5,size=(160,128),crop_every=0),1)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(study.__file__).parents[3])}
    running = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment)
    until(
        lambda: (
            len(list(tmp_path.glob("truth/Videos/*/*.json"))) >= 2 or running.poll() is not None
        ),
        pause_s=0.02,
    )
    assert running.poll() is None
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    kept = {p: p.stat().st_mtime_ns for p in tmp_path.glob("truth/Videos/*/*.json")}
    assert 2 <= len(kept) < 11
    assert not (tmp_path / "labels.csv").exists()
    ours, theirs = (tmp_path / "Videos" / f".{who}.mp4.abc.part" for who in ("killed", "at work"))
    for part in (ours, theirs):
        part.write_bytes(b"unfinished")
    later = time.time() + 3600
    os.utime(theirs, (later, later))
    plan = plan_study(
        tmp_path, "stressid", 1, 3, StudyWorld(task_s=2.0), fps=5, size=(160, 128), crop_every=0
    )
    draw_study(plan, workers=1)
    for clip in plan.clips():
        truth = json.loads((tmp_path / clip.truth).read_text())
        assert (
            complete(tmp_path / clip.media, tmp_path / clip.truth, truth["settings_hash"])
            is not None
        )
    assert all(p.stat().st_mtime_ns == stamp for p, stamp in kept.items())
    assert list(tmp_path.rglob(".*.part")) == [theirs]
    rows = list(csv.DictReader((tmp_path / "labels.csv").read_text().splitlines()))
    assert len(rows) == 11
    assert {"subject/task", "binary-stress", "affect3-class"} == set(rows[0])
    name = rows[0]["subject/task"]
    lines = (tmp_path / "files" / f"{name.split('_')[0]}.txt").read_text().splitlines()
    first = [line for line in lines if f"/{name}/" in line]
    assert first[0] == f"{name.split('_')[0]}/{name}/image_0.jpg {rows[0]['binary-stress']}"
    assert first[1].split()[0].endswith("image_5.jpg")


@pytest.mark.slow
def test_biovid_layout_and_a_second_visit(tmp_path: Path) -> None:
    plan = small(tmp_path, "biovid", visits=2)
    draw_study(plan, workers=1, work=film_and_crop)
    subject = plan.clips()[0].subject
    for base in (tmp_path, tmp_path / "visit-2"):
        films = sorted((base / "video" / subject).glob("*.mp4"))
        assert [f.stem[: len(subject) + 4] for f in films] == [f"{subject}-BL1", f"{subject}-PA4"]
        n_frames, tags, sound = decoded(films[0])
        assert (n_frames, tags["comment"], sound) == (65, TAG, False)
        lines = (base / "files" / f"{subject}.txt").read_text().splitlines()
        assert lines[0] == f"{subject}/{films[0].stem}/image2040.jpg 0"
        assert lines[-1].endswith(" 1")
        assert all((base / "sub_red_classes_img" / line.split()[0]).is_file() for line in lines)
        with open(base / "samples.csv", newline="") as file:
            assert [r["class_name"] for r in csv.DictReader(file, delimiter="\t")] == ["BL1", "PA4"]
        assert json.loads((base / "study.json").read_text())["drawn"] is True
    assert len({c.recording for c in plan.clips()}) == 4


def test_twelve_people_hold_the_ten_published_targets_in_the_test_split() -> None:
    for layout, names in TARGETS.items():
        assert {c.subject for c in clips_of(layout, 12, 0, SHORT)} > set(names)
        assert not {c.subject for c in clips_of(layout, 11, 0, SHORT)} & set(names)
    splits = [split_of(i, 24) for i in range(24)]
    assert splits.count("test") == 10
    assert {"train", "val"} <= set(splits[10:])


def test_another_study_in_the_same_folder_and_bad_settings_are_refused(
    bah: StudyPlan, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"another study.*seed"):
        plan_study(bah.out, "bah", 1, 4, SHORT, fps=6, size=SMALL)
    with pytest.raises(BadInput, match=r"another study.*world"):
        small(bah.out, "bah", world=replace(SHORT, conflict=0.0))
    bad: list[dict[str, Any]] = [
        {"layout": "unbc"},
        {"n_people": 0},
        {"visits": 9},
        {"fps": 1},
        {"size": (161, 128)},
        {"crop_every": -1},
    ]
    for settings in bad:
        with pytest.raises(BadInput):
            plan_study(**{"out": tmp_path, "layout": "bah", **settings})


def failing(job: study.ClipJob) -> None:
    if job.clip.key[0] == "PA4":
        raise OSError("the disk is full")


def test_a_clip_that_fails_is_named_and_no_annotation_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(Partial, match=r"1 of 2 clips failed: .*PA4.*disk is full"):
        draw_study(small(tmp_path, "biovid"), workers=1, work=failing)
    assert not (tmp_path / "samples.csv").exists()


@pytest.mark.slow
def test_the_command_draws_a_study_and_refuses_what_it_cannot(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from twomind.cli.main import main

    knobs = [
        "--knob",
        "clips_per_class=1",
        "--knob",
        "clip_s=2.2",
        "--control",
        "people-alike",
        "--workers",
        "1",
    ]
    done = CliRunner().invoke(
        main, ["people", str(tmp_path), "--layout", "biovid", "--crops", "none", "--json", *knobs]
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["clips"] == 2
    assert found["drawn"]
    assert "not validity" in found["means"]
    assert json.loads((tmp_path / "study.json").read_text())["world"]["rest"] == 0
    for wrong in (
        ["--visits", "2"],
        ["--layout", "bah", "--knob", "nope=1"],
        ["--layout", "bah", "--voice", "espeak"],
    ):
        assert (
            CliRunner().invoke(main, ["people", str(tmp_path / "x"), *wrong]).exit_code
            == BadInput.exit_code
        )


@pytest.mark.slow
def test_measured_features_of_a_study_come_from_the_store_the_second_time(
    bah: StudyPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mediapipe", reason="tracking needs the extra 'face'")
    from twomind.core.store import Store
    from twomind.features import describe as room
    from twomind_synth.studies.features import describe_study, recording_of

    store = Store(tmp_path)
    one = replace_clips(bah, 1, monkeypatch)
    rows = describe_study(one, 1, store)
    assert [r["recording"] for r in rows] == [c.recording for c in one.clips()]
    assert rows[0]["face_rows"] > 15

    def never(*_: Any) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(room, "run_pass", never)
    again = room.describe(recording_of(one, one.clips()[0]), store=store)
    assert set(again.features.tracks) == {"face", "face_relative", "voice", "words"}
    assert again.features.drawn


def replace_clips(plan: StudyPlan, n: int, monkeypatch: pytest.MonkeyPatch) -> StudyPlan:
    """The plan with its first clips only."""
    clips = plan.clips()[:n]
    monkeypatch.setattr(StudyPlan, "clips", lambda _: clips)
    return plan
