"""Frame embeddings of a recording: sampled by time, decoded once, kept by content, honest about
gaps.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("mediapipe")
import av

from twomind.core.errors import BadInput
from twomind.core.store import Store
from twomind.encoders import frames
from twomind.encoders.encoder import Encoder, Tokens
from twomind.encoders.frames import FrameSettings, embed
from twomind.media import stream as media
from twomind.types import Recording
from twomind_synth.face import Camera, FaceState, Person, draw

N, RATE = 24, 25


def encoder(
    track: str = "clip", crop_px: int = 32, scale: float = 1.0, drawn_only: bool = False
) -> Encoder:
    """Mean colour of what it is shown: enough to see which pictures came in."""
    from twomind.encoders.clip_towers import new_text_weights, text_tower

    return Encoder(
        name=track,
        track=track,
        dim=3,
        prepare=lambda rgb: (rgb.reshape(-1, 3).mean(axis=0) * scale).astype(np.float32),
        images=lambda rows: rows,
        tokenise=lambda phrases: Tokens(None, None),  # type: ignore[arg-type]
        text=text_tower(new_text_weights(4, 8, 1, 3), n_heads=1),
        fingerprint=f"{track}-{scale}",
        crop_px=crop_px,
        batch=5,
        drawn_only=drawn_only,
    )


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Nearly a second of a synthetic face; frames 10 to 13 show the empty room."""
    path = tmp_path_factory.mktemp("video") / "face.mp4"
    person, camera = Person(), Camera(width_px=320, height_px=240, noise=0.0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", RATE)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for k in range(N):
            away = 10 <= k < 14
            rgb = (
                np.full((240, 320, 3), 120, np.uint8)
                if away
                else draw(person, FaceState(), camera, k)
            )
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return Recording("r", "p", path, drawn=True)


def test_sampled_by_time_and_absent_without_a_face(recording: Recording, tmp_path: Path) -> None:
    (track,) = embed(recording, [encoder()], store=Store(tmp_path)).values()
    np.testing.assert_allclose(track.times_s, 0.08 * np.arange(12), atol=1e-6)
    gone = (track.times_s > 0.39) & (track.times_s < 0.55)
    assert not track.valid[gone].any()
    assert track.valid[~gone].sum() >= 8
    assert track.reasons[int(track.reason_code[6])] == "no face"  # type: ignore[index]
    assert np.isnan(track.values[6]).all()
    assert np.isfinite(track.values[track.valid]).all()


def test_a_face_is_cropped_and_a_frame_is_not(recording: Recording, tmp_path: Path) -> None:
    face = embed(recording, [encoder()], store=Store(tmp_path))["clip"]
    whole = embed(
        recording, [encoder()], store=Store(tmp_path), settings=FrameSettings(crop="frame")
    )["clip"]
    assert whole.valid.all()
    assert np.abs(face.values[0] - whole.values[0]).max() > 5
    np.testing.assert_allclose(whole.values[6], 120, atol=3)


def test_decoded_once_for_all_and_then_read_back(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_passes = 0
    plain = media.stream

    def counted(*args: object, **named: object):  # type: ignore[no-untyped-def]
        nonlocal n_passes
        n_passes += 1
        return plain(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(frames.media, "stream", counted)
    both = [encoder("clip"), encoder("face_text", 64)]
    settings = FrameSettings(crop="frame")
    first = embed(recording, both, store=Store(tmp_path), settings=settings)
    assert n_passes == 1
    again = embed(recording, both, store=Store(tmp_path), settings=settings)
    assert n_passes == 1
    for name in ("clip", "face_text"):
        np.testing.assert_array_equal(first[name].values, again[name].values)
    changed = embed(
        recording, [encoder("clip", scale=2.0)], store=Store(tmp_path), settings=settings
    )["clip"]
    assert n_passes == 2  # other weights are another entry
    np.testing.assert_allclose(changed.values, 2 * first["clip"].values, rtol=1e-5)


def test_batches_keep_the_order(recording: Recording, tmp_path: Path) -> None:
    settings = FrameSettings(crop="frame")
    small = embed(recording, [encoder()], store=Store(tmp_path / "a"), settings=settings)["clip"]
    large = embed(
        recording, [replace(encoder(), batch=64)], store=Store(tmp_path / "b"), settings=settings
    )["clip"]
    np.testing.assert_array_equal(small.values, large.values)


def test_what_is_refused(recording: Recording, tmp_path: Path) -> None:
    blind = encoder(drawn_only=True)
    with pytest.raises(BadInput, match="synthetic people only"):
        embed(replace(recording, drawn=False), [blind], store=Store(tmp_path))
    settings = FrameSettings(crop="frame", hop_s=0.4)
    told = embed(
        replace(recording, drawn=False),
        [blind],
        store=Store(tmp_path),
        settings=settings,
        allow_real=True,
    )
    assert len(told["clip"]) == 3
    with pytest.raises(BadInput, match="different names"):
        embed(recording, [encoder(), encoder()], store=Store(tmp_path))
    with pytest.raises(BadInput, match="crop"):
        FrameSettings(crop="nose")
