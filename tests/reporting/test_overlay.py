"""The overlay: the recording's own frames with what was measured over them, and only of people who
may be shown.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from twomind.core.store import Store
from twomind.features.describe import Settings
from twomind.media.recording import find_media, open_recording
from twomind.pipeline import rows
from twomind.pipeline.answer import predict_one
from twomind.pipeline.jobs import Job, Options
from twomind.reporting import overlay
from twomind.reporting.report import ReportSettings
from twomind.reporting.result import Result
from twomind.types import Cue, Features, Prediction, Recording, Track

FILM = Path(__file__).parent.parent / "fixtures" / "v0_1" / "media" / "clip-talking.mp4"
PEOPLE = "subject,consent_publication\nada,{}\n"


def result_of(path: Path, n_frames: int = 3, **changes: object) -> Result:
    times_s = np.arange(n_frames) / 10
    face = Track(
        np.full((n_frames, 4), 5.0),
        times_s,
        np.array([True] * (n_frames - 1) + [False]),
        ("AU12", "pose_yaw", "pose_pitch", "pose_roll"),
        ("iod", "deg", "deg", "deg"),
        ("", "too dark"),
        np.array([0] * (n_frames - 1) + [1], np.uint8),
    )
    span_s = (0.0, 1.0)
    result = Result(
        Recording("answer", "ada", path, 1.0),
        Features("answer", "ada", {"face": face, "face_relative": face}, span_s),
        (Cue("smile", "face", 0.05, 0.15, 0.3, "iod"),),
        Prediction.not_measured(span_s, 2, "none"),
        media={"n_frames": n_frames},
    )
    return replace(result, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stated", "embed", "reason"),
    [
        ("yes", "consented", ""),
        ("yes", "none", "without recordings"),
        ("no", "all", "refused to be shown"),
        ("yes\nada,no", "all", "be read"),
        (None, "consented", "nothing says whether this person agreed"),
        (None, "all", ""),
    ],
)
def test_an_overlay_follows_the_consent_of_a_report(
    stated: str | None, embed: str, reason: str, tmp_path: Path
) -> None:
    media = tmp_path / "ada" / "film.mp4"
    media.parent.mkdir()
    media.write_bytes(b"film")
    if stated is not None:
        table = "recording,path,subject\nfilm,ada/film.mp4,ada\n"
        (tmp_path / "recordings.csv").write_text(table, encoding="utf-8")
        (tmp_path / "people.csv").write_text(PEOPLE.format(stated), encoding="utf-8")
    settings = ReportSettings(embed)  # type: ignore[arg-type]
    why = overlay.why_not(result_of(media), settings)
    assert reason in why
    assert bool(why) == bool(reason)


def test_what_has_no_picture_has_no_overlay(tmp_path: Path) -> None:
    settings = ReportSettings("all")
    sound = result_of(tmp_path / "a.wav", media={"n_frames": 0})
    assert "no pictures" in overlay.why_not(sound, settings)
    bare = result_of(tmp_path / "a.mp4")
    bare = replace(bare, features=replace(bare.features, tracks={}))
    assert "neither" in overlay.why_not(bare, settings)


def test_the_text_says_what_there_is_at_the_moment() -> None:
    shown = overlay._Shown(result_of(Path("a.mp4")), None)
    texts = [[line for line, _ in overlay._lines(t, shown)] for t in (0.0, 0.1, 0.2)]
    assert texts[0] == ["0.00 s yaw +5 pitch +5 roll +5", "AU rel. 12+5.00"]
    assert texts[1][-1] == "smile 0.30 iod 0.1-0.1 s"
    assert texts[2] == ["0.20 s not measured: too dark"]


def test_a_film_and_a_picture_of_a_real_run(tmp_path: Path) -> None:
    pytest.importorskip("mediapipe", reason="tracking needs the extra 'face'")
    job = Job(shutil.copy(FILM, tmp_path / "clip.mp4"), "clip", "ada")
    report = ReportSettings(overlay=True, overlay_s=0.4)
    options = Options(model=None, using=("face",), describe=Settings(), report=report)
    made = predict_one(job, options, Store(tmp_path / "store"))
    folder = tmp_path / "out"
    summary = rows.write_result(made, folder, "mark", Options(report=report))
    assert summary["overlay"] == {"file": "overlay.mp4", "reason": ""}
    assert "overlay.mp4" in summary["files"]
    assert open_recording(folder / "overlay.mp4").drawn, "a synthetic person stays one"
    (folder / rows.SUMMARY).unlink()
    assert find_media([tmp_path]) == [job.media], "none of ours, also where a run was killed"
    with av.open(str(FILM)) as one, av.open(str(folder / "overlay.mp4")) as other:
        before = [f for f in one.decode(video=0) if f.time <= 0.4]
        after = list(other.decode(video=0))
    assert [f.time for f in after] == pytest.approx([f.time for f in before], abs=1e-3)
    first, drawn = before[0].to_ndarray(format="rgb24"), after[0].to_ndarray(format="rgb24")
    assert drawn.shape[0] > first.shape[0]
    assert drawn.shape[1] == first.shape[1]
    changed = np.abs(drawn[: len(first)].astype(int) - first).max(2) > 60
    landmarks = overlay._landmarks(FILM, Settings().face, 0.1)
    assert landmarks is not None
    for x, y in landmarks.values[0, ::20, :2].round().astype(int):
        assert changed[y - 3 : y + 4, x - 3 : x + 4].any(), "every landmark is drawn at its place"
    assert changed[:8].mean() < 0.01, "and nothing where there is no face"
    kept = rows.write_result(made, folder, "mark", Options())
    assert "overlay" not in kept
    assert not (folder / "overlay.mp4").exists()
