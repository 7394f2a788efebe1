"""How far sound stands from pictures in what Chromium records, on a machine that leaves it alone and
on one that holds it up; and from when a page gets a microphone's sound.

    python -m benchmarks.browser_sound [FOLDER] [--films 6]

The camera is a canvas that turns white and black, the microphone a sound with a click every 150 ms;
the page notes when each happened. ``held``: the page's process is stopped for 20 to 90 ms, and left
alone for 50 to 500 ms, again and again. ``microphone``: the browser's own test device beeps twice a
second, and a click is when the page gets the first block of a beep. Films that are in FOLDER already
are read and not recorded anew, so that another version reads the same ones. Needs Debian's chromium
and Playwright.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import functools
import http.server
import json
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import save
from twomind.media.stream import AudioSpool, Frame, stream

KINDS = ("quiet", "held", "microphone")
SECONDS = 4
#: A loud sample behind this much silence begins a click.
SILENCE_S = 0.05

PAGE = """
async ([seconds, microphone]) => {
  // When a click sounds is counted in samples, with the usual piece of the last 0.3 s for a clock: a
  // browser that was held makes sound late, in one go.
  const worklet = `registerProcessor("clicks", class extends AudioWorkletProcessor {
    constructor() {
      super();
      this.lates = [];
      this.clicks = [];
      this.port.onmessage = () => this.port.postMessage(this.clicks);
    }
    process(inputs, [[samples]]) {
      this.lates.push(Date.now() - 1000 * currentTime);
      if (this.lates.length > (0.3 * sampleRate) / 128) this.lates.shift();
      const clock = [...this.lates].sort((a, b) => a - b)[this.lates.length >> 1];
      for (let i = 0; i < samples.length; i += 1) {
        const since = (currentFrame + i) % 7200;
        if (since === 0) this.clicks.push(clock + (1000 * (currentFrame + i)) / sampleRate);
        samples[i] = since < 960 ? (Math.random() - 0.5) * 1.6 : 0;
      }
      return true;
    }
  });`;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [160, 120];
  const context = canvas.getContext("2d");
  const stream = canvas.captureStream(0);
  const [camera] = stream.getVideoTracks();
  const turns = [];
  let n = 0;
  setInterval(() => {
    if (n % 10 === 0) turns.push(Date.now());
    context.fillStyle = Math.floor(n / 10) % 2 ? "white" : "black";
    context.fillRect(0, 0, 160, 120);
    context.fillStyle = "gray";
    context.fillRect(Math.random() * 20, 0, 20, 20);
    camera.requestFrame();
    n += 1;
  }, 1000 / 30);
  const made = async () => {
    const audio = new AudioContext({ sampleRate: 48000 });
    await audio.resume();
    await audio.audioWorklet.addModule("data:text/javascript;base64," + btoa(worklet));
    const clicks = new AudioWorkletNode(audio, "clicks");
    const out = audio.createMediaStreamDestination();
    clicks.connect(out);
    const told = () => new Promise((resolve) => {
      clicks.port.onmessage = ({ data }) => resolve(data);
      clicks.port.postMessage(0);
    });
    return [out.stream.getAudioTracks()[0], told];
  };
  const heard = async () => {
    const [track] = (await navigator.mediaDevices.getUserMedia({ audio: true })).getAudioTracks();
    const blocks = new MediaStreamTrackProcessor({ track: track.clone() }).readable.getReader();
    const clicks = [];
    let silent = 0;
    const listen = async () => {
      for (;;) {
        const { value } = await blocks.read();
        const now = performance.timeOrigin + performance.now();
        const samples = new Float32Array(value.numberOfFrames);
        value.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
        const isLoud = samples.some((sample) => Math.abs(sample) > 0.05);
        if (isLoud && silent > 0.05 * value.sampleRate) clicks.push(now);
        silent = isLoud ? 0 : silent + value.numberOfFrames;
        value.close();
      }
    };
    void listen();
    return [track, async () => clicks];
  };
  const [track, told] = await (microphone ? heard() : made());
  stream.addTrack(track);
  await new Promise((resolve) => setTimeout(resolve, 700));
  const recorder = new MediaRecorder(stream, { mimeType: "video/webm;codecs=vp8,opus" });
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  const called = Date.now();
  recorder.start(500);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  await new Promise((resolve) => { recorder.onstop = resolve; recorder.stop(); });
  const said = await told();
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  let media = "";
  for (let k = 0; k < bytes.length; k += 8192) {
    media += String.fromCharCode(...bytes.subarray(k, k + 8192));
  }
  return { called, turns, clicks: said, media: btoa(media) };
}
"""


@contextlib.contextmanager
def held(browser: Any, is_held: bool) -> Iterator[None]:
    """Stop this browser's pages now and then."""
    if not is_held:
        yield
        return
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    numbers = [one["id"] for one in told if one["type"] == "renderer"]
    over = threading.Event()

    def send(number: signal.Signals) -> None:
        for process in numbers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def hold() -> None:
        while not over.is_set():
            send(signal.SIGSTOP)
            time.sleep(random.uniform(0.02, 0.09))
            send(signal.SIGCONT)
            time.sleep(random.uniform(0.05, 0.5))

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        send(signal.SIGCONT)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def address() -> Iterator[str]:
    """An empty page of this machine: others get no worklet."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "index.html").write_text("<title>clicks</title>")
        handler = functools.partial(_Quiet, directory=folder)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def record(folder: Path, n_films: int) -> None:
    """The films that are not there yet, each with what the page noted."""
    from playwright.sync_api import sync_playwright

    missing = [
        (kind, n)
        for kind in KINDS
        for n in range(n_films)
        if not (folder / f"{kind}-{n}.json").exists()
    ]
    if not missing:
        return
    with sync_playwright() as playwright, address() as url:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[
                "--no-sandbox",
                "--autoplay-policy=no-user-gesture-required",
                "--use-fake-device-for-media-stream",
            ],
        )
        for kind, n in missing:
            page = browser.new_page(permissions=["microphone"])
            page.goto(url)
            with held(browser, kind == "held"):
                found = page.evaluate(PAGE, [SECONDS, kind == "microphone"])
            (folder / f"{kind}-{n}.webm").write_bytes(base64.b64decode(found.pop("media")))
            (folder / f"{kind}-{n}.json").write_text(json.dumps(found))
            page.close()
        browser.close()


def errors_ms(path: Path) -> tuple[list[float], int]:
    """How much later than it was each click is read, and how many gaps in the sound are told.

    A click that was noted is the nearest that is read: errors of more than half of the 150 ms between two
    are not seen.
    """
    noted = json.loads(path.with_suffix(".json").read_text())
    light, spool, reading = [], AudioSpool(), stream(path)
    for item in reading:
        if isinstance(item, Frame):
            light.append((item.time_s, item.rgb.mean() > 128))
        else:
            spool.push(item)
    turned_s = np.array([at for (_, before), (at, now) in pairwise(light) if before != now])
    # Which turn is the first that is seen: the one by which the film begins when it was told to.
    begins = [
        float(np.median(np.array(noted["turns"][first:][: len(turned_s)]) / 1000 - turned_s))
        for first in range(len(noted["turns"]) - len(turned_s) + 1)
    ]
    begin_s = min(begins, key=lambda at: abs(at - noted["called"] / 1000))
    clicked_s = np.array(noted["clicks"]) / 1000 - begin_s
    sound = spool.waveform()
    loud_s = sound.start_s + np.flatnonzero(np.abs(sound.values) > 0.05) / sound.sample_rate_hz
    heard_s = loud_s[np.diff(loud_s, prepend=-np.inf) > SILENCE_S]
    whole = clicked_s[(clicked_s > SILENCE_S) & (clicked_s < heard_s[-1] + SILENCE_S)]
    late = [1000 * float(min(heard_s - at, key=abs)) for at in whole]
    return late, len(reading.report.gaps)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--films", type=int, default=6)
    asked = parser.parse_args()
    numbers: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        record(folder, asked.films)
        for kind in KINDS:
            found = [errors_ms(folder / f"{kind}-{n}.webm") for n in range(asked.films)]
            late = np.concatenate([ms for ms, _ in found])
            off = np.abs(late)
            numbers[kind] = {
                "clicks": len(late),
                "median_late_ms": round(float(np.median(late)), 1),
                "median_ms": round(float(np.median(off)), 1),
                "of_ten_nine_within_ms": round(float(np.quantile(off, 0.9)), 1),
                "worst_ms": round(float(off.max()), 1),
                "gaps_told": sum(n for _, n in found),
            }
    save("browser-sound", numbers)


if __name__ == "__main__":
    main()
