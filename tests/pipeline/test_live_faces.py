"""A live session that sees: rows, cues, windows and adaptation are those of the file."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("mediapipe")

import twomind as tm
from twomind.core.store import Store
from twomind.features.body.reader import BodySettings
from twomind.features.settings import Settings
from twomind.media import stream as media
from twomind.media.recording import open_recording
from twomind.pipeline.adapt import Adaptation, summary_of, windows_for
from twomind.pipeline.live import LiveSession, LiveSettings, replay
from twomind.pipeline.live_events import Event, NotMeasured, WasAdapted, WindowScored
from twomind.sound.rows import Piece
from twomind.types import Given

pytestmark = pytest.mark.slow

LIVE = LiveSettings(step_s=2.0, warm_s=2.0)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds of a synthetic face that turns, with a voice."""
    from twomind_synth.face import Camera, FaceState, Person, draw
    from twomind_synth.film import FilmSettings, encode

    path = tmp_path_factory.mktemp("seen") / "seen.mp4"
    settings = FilmSettings(320, 240, 25, "builtin", crf=20, preset="ultrafast")
    camera = Camera(320, 240, noise=0.5, seed=2)
    frames = []
    for k in range(125):
        smiles = 1.0 if 50 <= k < 80 else 0.0
        yaw = 22.0 if 90 <= k < 110 else 0.0
        frames.append(draw(Person(), FaceState(aus={"AU12": smiles}, yaw=yaw), camera, k))
    times_s = np.arange(5 * 16000) / 16000
    spoken = (times_s % 2.5 < 1.2).astype(np.float32)
    buzz = sum(np.sin(2 * np.pi * 130 * k * times_s) / k for k in range(1, 12))
    sound = Piece((0.1 * spoken * buzz).astype(np.float32))
    encode(path, iter(frames), sound, settings)  # type: ignore[arg-type]
    return path


def items_of(film: Path) -> tuple[list[media.Frame], np.ndarray, float]:
    frames, sound, start_s = [], [], 0.0
    with media.stream(film) as items:
        for item in items:
            if isinstance(item, media.Frame):
                frames.append(item)
            else:
                start_s = start_s if sound else item.time_s
                sound.append(item.values)
    return frames, np.concatenate(sound), start_s


def mixed(film: Path, live: LiveSession, seed: int) -> Iterator[Event]:
    """Pictures and sound in their own order each, mixed at random within two seconds."""
    frames, sound, start_s = items_of(film)
    rng = random.Random(seed)
    at = 0
    while frames or at < len(sound):
        ahead_s = (frames[0].time_s if frames else 99.0) - (start_s + at / 16000)
        likely = min(max((2 - ahead_s) / 4, 0), 1)
        if frames and (at >= len(sound) or rng.random() < likely):
            frame = frames.pop(0)
            yield from live.push_frame(frame.time_s, frame.rgb)
        else:
            n = rng.choice((1, 160, 441, 1024, 9000))
            yield from live.push_sound(start_s + at / 16000, sound[at : at + n])
            at += n
    yield from live.finish()


def test_any_mixture_gives_the_tables_and_cues_of_the_file(film: Path, tmp_path: Path) -> None:
    recording = open_recording(film)
    batch = tm.describe(recording, ("face", "voice"), store=tmp_path)
    once = LiveSession(using=("face", "voice"), drawn=True, live=LIVE)
    expected = [event.to_dict() for event in replay(recording, once)]
    assert "look_away" in {cue.kind for cue in batch.cues}
    assert "look_away" in {event.get("kind") for event in expected}
    for seed in range(3):
        live = LiveSession(using=("face", "voice"), drawn=True, live=LIVE)
        assert [event.to_dict() for event in mixed(film, live, seed)] == expected
        assert live.description is not None
        assert live.description.cues == batch.cues
        for name, track in batch.features.tracks.items():
            own = live.description.features.tracks[name]
            np.testing.assert_allclose(own.values, track.values, atol=1e-6)
            np.testing.assert_array_equal(own.valid, track.valid)


def test_windows_and_adaptation_are_those_of_adapt(film: Path, tmp_path: Path) -> None:
    recording = open_recording(film, subject="ana")
    model = tm.load("clip-au")
    live = LiveSession("clip-au", "t3a", person="ana", drawn=True, live=LIVE)
    events = list(replay(recording, live))
    scored = [event for event in events if isinstance(event, WindowScored)]
    adapted = [event for event in events if isinstance(event, WasAdapted)]
    (batch,) = tm.adapt([recording], model, "t3a", store=tmp_path)
    assert len(scored) == len(adapted) == batch.n_windows > 1
    assert live.prediction is not None
    np.testing.assert_allclose(live.prediction.probs, batch.prediction.probs, atol=1e-6)
    described = tm.describe(recording, store=tmp_path)
    x = model.prepare(described.features, described.recording, Store(tmp_path))
    adapter, given = Adaptation("t3a").adapter(), Given(summary=summary_of(model))
    from twomind.adaptation import stream

    for event, step in zip(
        scored, stream(model, adapter, windows_for(model, x), given=given), strict=True
    ):
        np.testing.assert_allclose(event.probs, step.prediction.probs, atol=1e-6)
        np.testing.assert_allclose(event.unadapted, model.predict(step.x).probs, atol=1e-6)


def test_a_moved_session_goes_on_with_the_window_under_way(film: Path) -> None:
    frames, _, _ = items_of(film)

    def session(**more: object) -> LiveSession:
        given = {"using": ("face",), "drawn": True, "live": LIVE, "keep": False, **more}
        return LiveSession("clip-au", "t3a", **given)  # type: ignore[arg-type]

    stayed = session()
    told = []
    for frame in frames:
        told += stayed.push_frame(frame.time_s, frame.rgb)
    told += stayed.finish()
    first = session()
    early = []
    for frame in frames[:57]:
        early += first.push_frame(frame.time_s, frame.rgb)
    moved = session(state=first.export())
    rest = []
    for frame in frames[57:]:
        rest += moved.push_frame(frame.time_s, frame.rgb)
    rest += moved.finish()
    expected = [event for event in told if isinstance(event, WindowScored)]
    found = [event for event in early + rest if isinstance(event, WindowScored)]
    assert [event.index for event in found] == [event.index for event in expected]
    # The face is found anew, a pixel elsewhere.
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.probs, other.probs, atol=0.02)


def test_of_a_body_that_is_asked_for_it_says_why_none_is_told() -> None:
    asked = Settings(body=BodySettings(measure=True))
    told = []
    with LiveSession(using=["face"], settings=asked, keep=False) as live:
        for k in range(13):
            told += live.push_frame(k / 5, np.full((120, 160, 3), 90, np.uint8))
    reasons = {event.modality: event.reason for event in told if isinstance(event, NotMeasured)}
    assert sorted(reasons) == ["body", "face"]
    assert "keeps rows" in reasons["body"]
