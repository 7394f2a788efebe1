"""What a browser's recorder sends piece by piece: every picture and all sound come out of it, as soon as
they can.
"""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import media_files as make
from media.test_endings import without_sizes
from media.test_sound_streams import LENGTH_S
from media.test_sound_streams import film as film_with
from twomind.media.audio import Samples
from twomind.media.stream import Frame
from twomind.server.live_wire import Chunks

_N = 45
_FRAGMENTS = "frag_keyframe+empty_moov+default_base_moof"
FILMS: dict[str, dict[str, Any]] = {
    "a.webm": {
        "codec": "libvpx",
        "audio_codec": "libopus",
        "video_options": make.VPX,
        "options": {"live": "1"},
    },
    "h264.mkv": {"audio_codec": "libopus", "video_options": make.FAST},
    "a.mp4": {"video_options": make.FAST, "options": {"movflags": _FRAGMENTS}},
}


class Received:
    """What has come out so far."""

    def __init__(self) -> None:
        self.pictures: list[Frame] = []
        self.sound: list[Samples] = []
        self.ends: list[str] = []
        self.chunks = Chunks(self.pictures.append, self.sound.append, self.ends.append)

    def feed(self, content: bytes, size: int = 3000) -> None:
        for at in range(0, len(content), size):
            self.chunks.feed(content[at : at + size])

    def end(self) -> None:
        self.chunks.end()
        for _ in range(600):
            if self.ends:
                break
            time.sleep(0.05)
        assert self.ends == [""]

    @property
    def sound_s(self) -> float:
        return sum(len(one.values) for one in self.sound) / 16000


@pytest.mark.parametrize("name", FILMS)
def test_every_picture_comes_out_and_all_sound(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    make.write(path, make.constant(_N, Fraction(30)), beeps=(5, 20), **FILMS[name])
    content = path.read_bytes()
    if name == "a.webm":
        content = without_sizes(content)
    received = Received()
    received.feed(content)
    received.end()
    assert [make.read_number(one.rgb) for one in received.pictures] == list(range(_N))
    assert received.sound_s == pytest.approx(_N / 30 + 0.5, abs=0.1)


def test_pictures_come_out_before_the_film_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    make.write(path, make.constant(150, Fraction(30)), **FILMS["h264.mkv"])
    content = path.read_bytes()
    received = Received()
    received.feed(content[: 2 * len(content) // 3])
    for _ in range(600):
        if len(received.pictures) > 60:
            break
        time.sleep(0.05)
    assert len(received.pictures) > 60
    assert not received.ends
    received.feed(content[2 * len(content) // 3 :])
    received.end()
    assert len(received.pictures) == 150


def test_of_several_sound_streams_the_first_is_heard(tmp_path: Path) -> None:
    """Which of them will carry sound, nobody knows yet; two are never mixed."""
    path = film_with(tmp_path / "a.mkv", ("silence", "speech"), "libopus")
    received = Received()
    received.feed(path.read_bytes())
    received.end()
    assert received.sound_s == pytest.approx(LENGTH_S, abs=0.1)
    assert not np.concatenate([one.values for one in received.sound]).any()
