"""What two passes over a file met is joined, where one of them did not decode everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from twomind.core.store import Store
from twomind.features.describe import MODALITIES, Description, Settings, describe
from twomind.features.face.reader import FaceSettings
from twomind.features.one_pass import joined
from twomind.features.voice.track import VoiceSettings
from twomind.media.recording import open_recording

FILM = Path(__file__).parent.parent / "fixtures" / "v0_1" / "media" / "clip-talking.mp4"
OF_SOUND = ("n_samples", "audio_start_s", "audio_end_s", "duration_s", "n_frames", "problems")


def seen(store: Path, using: tuple[str, ...] = MODALITIES, **settings: object) -> Description:
    how = Settings(**settings)  # type: ignore[arg-type]
    return describe(open_recording(FILM), using, store=Store(store), settings=how)


@pytest.mark.parametrize(
    "other",
    [{"face": FaceSettings(far_side_deg=24.0)}, {"voice": VoiceSettings(min_pause_s=0.3)}],
    ids=["only the face anew", "only the voice anew"],
)
def test_a_second_pass_over_a_part_forgets_nothing(
    other: dict[str, object], tmp_path: Path
) -> None:
    whole = seen(tmp_path / "store")
    assert whole.media["n_samples"] > 0
    again = seen(tmp_path / "store", **other)
    for name in OF_SOUND:
        assert list_of(again.media[name]) == list_of(whole.media[name]), name


def list_of(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def test_a_face_that_was_measured_alone_does_not_say_that_there_is_no_sound(
    tmp_path: Path,
) -> None:
    assert seen(tmp_path / "store", ("face",)).media["n_samples"] == 0
    both = seen(tmp_path / "store")
    assert both.media["n_samples"] > 0
    assert both.media["n_frames"] > 0
    kept = seen(tmp_path / "store")
    assert kept.media["n_samples"] == both.media["n_samples"]


def test_what_either_pass_met_is_told_once() -> None:
    base = {
        "n_frames": 0,
        "first_frame_s": 0.0,
        "last_frame_s": 0.0,
        "n_left_out": 0,
        "n_samples": 5,
        "audio_start_s": 0.1,
        "audio_end_s": 1.0,
        "gaps": [(0.2, 0.3)],
        "n_bad_packets": 1,
        "truncated": False,
        "duration_s": 1.0,
        "problems": ["a", "b"],
    }
    other = {**base, "n_frames": 9, "n_samples": 0, "gaps": [], "truncated": True}
    other |= {"duration_s": float("nan"), "problems": ("b", "c"), "n_bad_packets": 0}
    found = joined(base, other)
    assert (found["n_frames"], found["n_samples"], found["gaps"]) == (9, 5, [(0.2, 0.3)])
    assert found["truncated"]
    assert found["duration_s"] == 1.0
    assert found["problems"] == ("a", "b", "c")
    assert found["n_bad_packets"] == 1
    assert joined({}, base) == base
