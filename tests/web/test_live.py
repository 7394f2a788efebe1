"""The example page of the live client in a real Chromium, with a synthetic person as its camera."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import wave
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from patience import HANG_S
from web_line import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow
SECONDS, RATE = 8, 25


def write_person(path: Path) -> None:
    """Motion JPEG of a synthetic person who smiles from second 2 to 4 and looks away at 6."""
    from twomind_synth.face import Camera, FaceState, Person, draw

    camera = Camera(480, 360, noise=0.5, seed=2)
    with av.open(str(path), "w", format="mjpeg") as film:
        stream = film.add_stream("mjpeg", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 480, 360, "yuvj420p"
        stream.time_base = Fraction(1, RATE)
        stream.options = {"qscale": "3"}
        for k in range(SECONDS * RATE):
            at_s = k / RATE
            smiles = 1.0 if 2 <= at_s < 4 else 0.0
            yaw = 22.0 if 6 <= at_s < 7 else 0.0
            rgb = draw(Person(), FaceState(aus={"AU12": smiles}, yaw=yaw), camera, k)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            film.mux(stream.encode(frame.reformat(format="yuvj420p")))
        film.mux(stream.encode())


def write_voice(path: Path) -> None:
    times_s = np.arange(SECONDS * 48000) / 48000
    buzz = sum(np.sin(2 * np.pi * 130 * k * times_s) / k for k in range(1, 12))
    loud = np.where(times_s % 2.7 < 1.2, 0.2, 0.0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes((loud * buzz * 20000).astype("<i2").tobytes())


def write_film(film: Path, camera: Path, seconds: float = 12.0) -> None:
    """The beginning of a film as Motion JPEG."""
    with av.open(str(film)) as source, av.open(str(camera), "w", format="mjpeg") as made:
        stream = made.add_stream("mjpeg", rate=RATE)
        size = source.streams.video[0]
        stream.width, stream.height, stream.pix_fmt = size.width, size.height, "yuvj420p"
        stream.time_base = Fraction(1, RATE)
        stream.options = {"qscale": "3"}
        n = 0
        for frame in source.decode(video=0):
            assert frame.time is not None
            if frame.time > seconds:
                break
            while n / RATE <= frame.time:
                picture = av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), "rgb24")
                made.mux(stream.encode(picture.reformat(format="yuvj420p")))
                n += 1
        made.mux(stream.encode())


def test_the_example_page_tells_cues_while_a_person_is_seen(
    web: Path, chromium: Browser, tmp_path: Path
) -> None:
    write_person(tmp_path / "camera.mjpeg")
    told = seen_on_the_page(chromium, tmp_path, 12, synthetic=True)
    kinds = {text.split(" · ")[2] for text in told if "cue_ended" in text}
    assert "long_pause" in kinds
    # On a machine that is busy with other work there are too few pictures for cues of the face.
    if not any("pictures_dropped" in text for text in told):
        assert kinds & {"smile", "look_away", "gaze_away"}, told


def test_a_real_person_is_seen_on_the_page(
    web: Path, chromium: Browser, shared: Path, tmp_path: Path
) -> None:
    film = shared / "data" / "expressive" / "many_expressions.mp4"
    if not film.exists():
        pytest.skip("needs the real clip of shared/data")
    write_film(film, tmp_path / "camera.mjpeg")
    told = seen_on_the_page(chromium, tmp_path, 6, synthetic=False)
    assert [text for text in told if "cue_began" in text], told
    assert not [text for text in told if "not_measured" in text and "face" in text], told


def seen_on_the_page(chromium: Browser, tmp_path: Path, looks: int, synthetic: bool) -> list[str]:
    """The events that the page tells, newest first; a picture of it every two seconds."""
    program = shutil.which("chromium")
    write_voice(tmp_path / "microphone.wav")
    service = tmp_path / "live"
    service.mkdir()
    (service / "live.toml").write_text("least_free_bytes = 1\n")
    command = [sys.executable, "-m", "twomind.cli.main", "serve", "--live", str(service)]
    token = subprocess.run(
        [*command, "--new-token"], capture_output=True, text=True, check=True, timeout=HANG_S
    ).stdout.strip()
    port = free_port()
    server = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.PIPE, text=True)
    pictures = Path(os.environ.get("TWOMIND_PICTURES", tmp_path))
    arguments = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={tmp_path / 'camera.mjpeg'}",
        f"--use-file-for-fake-audio-capture={tmp_path / 'microphone.wav'}",
    ]
    try:
        assert server.stdout is not None
        assert f":{port}" in server.stdout.readline()
        # Another browser of the same driver: of that there can be one alone.
        browser = chromium.browser_type.launch(executable_path=program, args=arguments)
        page = browser.new_page(viewport={"width": 700, "height": 900})
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"http://127.0.0.1:{port}/")
        page.fill("#token", token)
        page.fill("#purpose", "We try the page with one person before the camera.")
        if synthetic:
            page.check("#synthetic")
        page.click("#begin")
        page.get_by_text("connected", exact=True).wait_for(timeout=1000 * HANG_S)
        name = "live" if synthetic else "live-real"
        for number in range(looks):
            page.wait_for_timeout(2000)
            page.screenshot(path=pictures / f"{name}-{number:02d}.png")
        page.click("#end")
        page.wait_for_selector("li.finished", timeout=1000 * HANG_S)
        page.screenshot(path=pictures / f"{name}-end.png")
        told = page.locator("#events li").all_inner_texts()
        browser.close()
    finally:
        server.terminate()
        server.wait(HANG_S)
    assert not faults
    assert not [text for text in told if "mediapipe" in text or "trouble" in text]
    assert "finished" in told[0]
    return told
