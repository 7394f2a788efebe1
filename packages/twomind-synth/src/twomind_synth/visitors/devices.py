"""A synthetic person's film as the two files that Chromium takes for camera and microphone."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

_RATE_HZ = 48_000


@dataclass(frozen=True)
class Devices:
    """What Chromium shows and plays, again from the beginning at each end."""

    camera: Path
    microphone: Path

    def arguments(self) -> list[str]:
        """Of Chromium's command line."""
        return [
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={self.camera}",
            f"--use-file-for-fake-audio-capture={self.microphone}",
        ]


def devices_from(films: Sequence[Path], folder: Path, fps: int) -> Devices:
    """Write films one after the other as motion JPEG, and their sound as WAV.

    Args:
        films: Of one person, all of one size and rate.
        folder: It is made.
        fps: Frames per second of the films.
    """
    folder.mkdir(parents=True, exist_ok=True)
    camera, microphone = folder / "camera.mjpeg", folder / "microphone.wav"
    with av.open(str(camera), "w", format="mjpeg") as out:
        stream: av.VideoStream | None = None
        for path in films:
            with av.open(str(path)) as film:
                for frame in film.decode(video=0):
                    if stream is None:
                        stream = out.add_stream("mjpeg", rate=fps)
                        stream.width, stream.height = frame.width, frame.height
                        stream.pix_fmt = "yuvj420p"
                    picture = frame.reformat(format="yuvj420p")
                    picture.pts, picture.time_base = None, Fraction(1, fps)
                    out.mux(stream.encode(picture))
        if stream is not None:
            out.mux(stream.encode())
    sound = np.concatenate([_sound_of(path) for path in films])
    with wave.open(str(microphone), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE_HZ)
        file.writeframes(sound.astype("<i2").tobytes())
    return Devices(camera, microphone)


def _sound_of(path: Path) -> np.ndarray:
    pieces = [np.zeros(0, np.int16)]
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE_HZ)
    with av.open(str(path)) as film:
        for frame in film.decode(audio=0):
            for resampled in resampler.resample(frame):
                pieces.append(resampled.to_ndarray()[0])
    return np.concatenate(pieces)
