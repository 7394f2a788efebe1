"""What the browser tests need besides a browser: a slow line that can be cut, a server that can be
killed, and a film and a sound for Chromium's fake devices.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from patience import HANG_S

PIECE = 4096


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Line:
    """A TCP proxy on a port of its own: slow, and cut in mid-body when asked.

    DevTools' own throttling leaves no half-sent body; this does.
    """

    def __init__(self, to_port: int, bytes_per_s: float) -> None:
        self.to_port = to_port
        self.bytes_per_s = bytes_per_s
        self.cuts = 0
        self._is_cut = False
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, seconds: float) -> None:
        """Breaks every connection, and takes no new one for so long."""
        self.cuts += 1
        self._is_cut = True
        for end in list(self._open):
            self._close(end)
        time.sleep(seconds)
        self._is_cut = False

    def close(self) -> None:
        self._listener.close()
        for end in list(self._open):
            self._close(end)

    def _accept(self) -> None:
        while True:
            try:
                browser, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                browser.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.to_port))
            except OSError:
                browser.close()
                continue
            self._open |= {browser, server}
            for source, target, rate in (
                (browser, server, self.bytes_per_s),
                (server, browser, np.inf),
            ):
                threading.Thread(
                    target=self._pass, args=(source, target, rate), daemon=True
                ).start()

    def _pass(self, source: socket.socket, target: socket.socket, rate: float) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                target.sendall(piece)
                time.sleep(len(piece) / rate)
        self._close(source)
        self._close(target)

    def _close(self, end: socket.socket) -> None:
        self._open.discard(end)
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


class Server:
    """The example server of the recorder package, as a process that can be killed."""

    def __init__(self, script: Path, folder: Path) -> None:
        self.script = script
        self.folder = folder
        self.port = free_port()
        self.kills = 0
        self.start()

    def start(self) -> None:
        command = [sys.executable, str(self.script), str(self.folder), str(self.port)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{self.port}/example/index.html"
        deadline = time.monotonic() + HANG_S
        while True:
            try:
                urllib.request.urlopen(url, timeout=1).close()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """SIGKILL: no handler runs, no buffer is written."""
        self.kills += 1
        self.stop()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def write_fake_film(
    path: Path, seconds: int = 4, size: tuple[int, int] = (320, 240), noise: int = 60
) -> None:
    """Motion JPEG for ``--use-file-for-fake-video-capture``: a moving picture with noise."""
    width, height = size
    rng = np.random.default_rng(7)
    with av.open(str(path), "w", format="mjpeg") as film:
        stream = film.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        stream.time_base = Fraction(1, 30)
        for n in range(seconds * 30):
            picture = rng.integers(120 - noise, 120 + noise, (height, width, 3), dtype=np.uint8)
            left = (n * 4) % (width - 60)
            picture[60:180, left : left + 60] = (230, 200, 180)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            film.mux(stream.encode(frame.reformat(format="yuvj420p")))
        film.mux(stream.encode())


def write_fake_sound(path: Path, seconds: int = 4, rate: int = 48_000) -> None:
    """A WAV for ``--use-file-for-fake-audio-capture``: a tone that comes and goes, over noise."""
    times = np.arange(seconds * rate) / rate
    loudness = 0.2 + 0.2 * np.sin(2 * np.pi * 1.5 * times)
    noise = np.random.default_rng(7).normal(0, 0.01, len(times))
    samples = loudness * np.sin(2 * np.pi * 220 * times) + noise
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes((samples * 32767).astype("<i2").tobytes())
