"""The recorder in a real browser: what the server has is what the browser recorded, to the byte."""

from __future__ import annotations

import base64
import itertools
import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from patience import HANG_S
from twomind.media.stream import AudioSpool, Frame, stream
from web_line import Line, Server
from web_tone import NEW_TONE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.slow

FRAME_MS = 1000 / 30
SOUND_MS = 20

# Independent of the recorder: each chunk that the browser's MediaRecorder gives is sent to the test.
TEE = """
const start = MediaRecorder.prototype.start;
MediaRecorder.prototype.start = function (...given) {
  let next = 0;
  const recording = String(Math.random());
  this.addEventListener("dataavailable", async (event) => {
    const n = next++;
    const reader = new FileReader();
    reader.onload = () => window.tee(recording, n, String(reader.result).split("base64,")[1] ?? "");
    reader.readAsDataURL(event.data);
  });
  return start.apply(this, given);
};
"""

OPEN = """
async () => {
  const recorder = await import("/dist/index.js");
  window.session = await recorder.RecordingSession.open({
    base: "/api/recordings", lookMs: 200, backoff: { firstMs: 50, longestMs: 400 },
  });
  window.openStream = recorder.openStream;
}
"""

RECORD = """
async ([ms, chunkMs]) => {
  window.stream ??= await openStream({ width: 320, height: 240 });
  const recorder = session.recorder(stream, { item: "q1", chunkMs });
  await recorder.start();
  recorder.mark("prompt_shown");
  if (ms > 0) {
    await new Promise((resolve) => setTimeout(resolve, ms));
    await recorder.stop();
  }
  return recorder.id;
}
"""

COMPLETE = "async (id) => { await session.uploader.complete(id); }"


class Tee:
    """What the browser's own recorder gave, recording by recording."""

    def __init__(self) -> None:
        self.recordings: list[dict[int, bytes]] = []
        self._names: dict[str, dict[int, bytes]] = {}

    def take(self, name: str, n: int, text: str) -> None:
        if name not in self._names:
            self._names[name] = {}
            self.recordings.append(self._names[name])
        self._names[name][n] = base64.b64decode(text)

    def media(self, nth: int) -> bytes:
        chunks = self.recordings[nth]
        return b"".join(chunks[n] for n in sorted(chunks))


@pytest.fixture
def server(web: Path, tmp_path: Path) -> Iterator[Server]:
    server = Server(web / "recorder" / "example" / "server.py", tmp_path / "kept")
    yield server
    server.stop()


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    line = Line(server.port, bytes_per_s=150_000)
    yield line
    line.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(permissions=["camera", "microphone"])
    context.set_default_timeout(HANG_S * 1000)
    context.add_init_script(TEE)
    yield context
    context.close()


@pytest.fixture
def tee(context: BrowserContext) -> Tee:
    tee = Tee()
    context.expose_function("tee", tee.take)
    return tee


def open_page(context: BrowserContext, port: int) -> Page:
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{port}/example/index.html")
    page.evaluate(OPEN)
    return page


def media_of(server: Server, recording: str) -> bytes:
    return (server.folder / recording / "media").read_bytes()


def manifest_of(server: Server, recording: str) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((server.folder / recording / "manifest.json").read_text())
    return manifest


def left_in_browser(page: Page) -> int:
    left: int = page.evaluate("async () => (await session.store.recordings()).length")
    return left


class Trouble(threading.Thread):
    """Makes trouble at random times until it is told to stop."""

    def __init__(self, seed: int, times: int, make: Any) -> None:
        super().__init__(daemon=True)
        self.draw = random.Random(seed)
        self.times = times
        self.make = make

    def run(self) -> None:
        for _ in range(self.times):
            time.sleep(self.draw.uniform(0.1, 0.9))
            self.make(self.draw.uniform(0.05, 0.6))


@pytest.mark.slow
def test_thirty_cuts_in_mid_body_lose_and_double_nothing(
    context: BrowserContext, server: Server, line: Line, tee: Tee
) -> None:
    page = open_page(context, line.port)
    for nth in range(3):
        trouble = Trouble(seed=nth, times=10, make=line.cut)
        trouble.start()
        recording = page.evaluate(RECORD, [8000, 500])
        trouble.join()
        page.evaluate(COMPLETE, recording)
        assert media_of(server, recording) == tee.media(nth)
        manifest = manifest_of(server, recording)
        assert manifest["stop_reason"] == "button"
        assert manifest["bytes"] == len(tee.media(nth)) > 100_000
    assert line.cuts == 30
    assert left_in_browser(page) == 0


@pytest.mark.slow
def test_a_killed_server_loses_nothing_that_it_acknowledged(
    context: BrowserContext, server: Server, line: Line, tee: Tee
) -> None:
    def kill(seconds: float) -> None:
        server.kill()
        time.sleep(seconds)
        server.start()

    page = open_page(context, line.port)
    for nth in range(2):
        trouble = Trouble(seed=nth, times=5, make=kill)
        trouble.start()
        recording = page.evaluate(RECORD, [6000, 500])
        trouble.join()
        page.evaluate(COMPLETE, recording)
        assert media_of(server, recording) == tee.media(nth)
    assert server.kills == 10


def test_a_closed_tab_is_gone_on_with_by_the_next_page(
    context: BrowserContext, server: Server, line: Line, tee: Tee
) -> None:
    page = open_page(context, line.port)
    recording = page.evaluate(RECORD, [0, 400])
    # Nothing can be sent any more: what was recorded is in the browser alone.
    line.bytes_per_s = 30_000
    page.wait_for_timeout(2500)
    page.close()
    line.bytes_per_s = 1e6
    page = open_page(context, line.port)
    page.evaluate(COMPLETE, recording)
    media = media_of(server, recording)
    recorded = tee.media(0)
    assert manifest_of(server, recording)["stop_reason"] == "tab_closed"
    assert left_in_browser(page) == 0
    # The chunk that was being made when the tab was closed may be on one side only.
    last = max(tee.recordings[0])
    surely = sum(len(tee.recordings[0][n]) for n in range(last))
    assert recorded.startswith(media[:surely])
    assert media.startswith(recorded[:surely])
    assert len(media) >= surely > 10_000


def test_a_recording_stopped_offline_is_sent_after_a_reload(
    context: BrowserContext, server: Server, line: Line, tee: Tee
) -> None:
    page = open_page(context, line.port)
    context.set_offline(True)
    recording = page.evaluate(RECORD, [2000, 300])
    context.set_offline(False)
    page.reload()
    page.evaluate(OPEN)
    page.evaluate(COMPLETE, recording)
    assert media_of(server, recording) == tee.media(0)
    assert manifest_of(server, recording)["stop_reason"] == "button"


# A picture that turns white, and a tone that begins, at moments that the page knows.
FLASH_AND_BEEP = """
async () => {
  NEW_TONE
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [320, 240];
  const context = canvas.getContext("2d");
  const stream = canvas.captureStream(0);
  const [camera] = stream.getVideoTracks();
  let white = false;
  const draw = () => {
    context.fillStyle = white ? "white" : "black";
    context.fillRect(0, 0, 320, 240);
    context.fillStyle = "gray";
    context.fillRect(Math.random() * 20, 0, 20, 20);
    // A picture when it is drawn: one that waits for the camera's own turn says nothing of the recorder.
    camera.requestFrame();
  };
  setInterval(draw, 1000 / 30);
  const audio = new AudioContext({ sampleRate: 48000 });
  await audio.resume();
  const tone = await newTone(audio);
  const out = audio.createMediaStreamDestination();
  tone.connect(out);
  stream.addTrack(out.stream.getAudioTracks()[0]);
  const recorder = session.recorder(stream, { item: "clock", chunkMs: 500 });
  await new Promise((resolve) => setTimeout(resolve, 700));
  await recorder.start();
  const late = [];
  for (let n = 0; n < 4; n += 1) {
    await new Promise((resolve) => setTimeout(resolve, 700));
    white = true;
    draw();
    recorder.mark("x_flash");
    const at = Date.now();
    const beep = (await tone.begin()) - at;
    await new Promise((resolve) => setTimeout(resolve, 300));
    white = false;
    late.push([beep, await tone.end()]);
  }
  await recorder.stop();
  return [recorder.id, late];
}
""".replace("NEW_TONE", NEW_TONE)


@dataclass(frozen=True)
class Told:
    """What a film tells, in milliseconds: when the picture turns white, how long the one before each
    of these was shown, and when the tone begins."""

    flashes: list[float]
    frames: list[float]
    beeps: list[float]


def told_by(path: Path) -> Told:
    light: list[tuple[float, float]] = []
    spool = AudioSpool()
    for item in stream(path):
        if isinstance(item, Frame):
            light.append((item.time_s, float(item.rgb.mean())))
        else:
            spool.push(item)
    pairs = itertools.pairwise(light)
    turns = [(last, at) for (last, before), (at, now) in pairs if before < 128 <= now]
    flashes = [1000 * at for _, at in turns]
    # A busy machine draws fewer than 30 pictures a second.
    frames = [max(1000 * (at - last), FRAME_MS) for last, at in turns]
    sound = spool.waveform()
    loud_s = sound.start_s + np.flatnonzero(np.abs(sound.values) > 0.1) / sound.sample_rate_hz
    first = np.diff(loud_s, prepend=-np.inf) > 0.1
    return Told(flashes, frames, [1000 * at for at in loud_s[first]])


def test_events_are_on_the_recordings_own_clock(
    context: BrowserContext, server: Server, tee: Tee
) -> None:
    page = open_page(context, server.port)
    recording, beeps = page.evaluate(FLASH_AND_BEEP)
    page.evaluate(COMPLETE, recording)
    told = told_by(server.folder / recording / "media")
    events = manifest_of(server, recording)["events"]
    said = [event["media_ms"] for event in events if event["name"] == "x_flash"]
    flash_late = np.abs(np.subtract(told.flashes, said))
    assert (flash_late / told.frames).max() <= 1
    beep_ms, jump_ms = np.transpose(beeps)
    beep_late = np.abs(np.subtract(told.beeps, np.add(said, beep_ms)))
    assert (beep_late / (SOUND_MS + jump_ms)).max() <= 1


# A stream that is well for a second, and then goes wrong.
GOES_WRONG = """
async (fault) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [160, 120];
  const context = canvas.getContext("2d");
  let wrong = false;
  const draw = () => {
    const red = wrong && fault === "frozen" ? 150 : 100 + Math.random() * 99;
    context.fillStyle = wrong && fault === "black" ? "black" : `rgb(${red} 150 150)`;
    context.fillRect(0, 0, 160, 120);
  };
  setInterval(draw, 30);
  const audio = new AudioContext();
  const gain = new GainNode(audio, { gain: 0.2 });
  const out = audio.createMediaStreamDestination();
  const tone = new OscillatorNode(audio);
  tone.connect(gain).connect(out);
  tone.start();
  const stream = canvas.captureStream(30);
  stream.addTrack(out.stream.getAudioTracks()[0]);
  const told = [];
  let since = Infinity;
  const recorder = session.recorder(stream, {
    item: "watched",
    onTrouble: (trouble) => told.push([trouble, performance.now() - since]),
  });
  await recorder.start();
  await new Promise((resolve) => setTimeout(resolve, 3500));
  const early = told.length;
  wrong = true;
  since = performance.now();
  if (fault === "silent") gain.gain.value = 0;
  await new Promise((resolve) => setTimeout(resolve, 3400));
  const finished = await recorder.stop();
  return { early, told, names: finished.events.map((event) => event.name) };
}
"""


@pytest.mark.parametrize("fault", ["frozen", "black", "silent"])
def test_a_dead_stream_is_told_while_it_is_recorded(
    context: BrowserContext, server: Server, tee: Tee, fault: str
) -> None:
    page = open_page(context, server.port)
    watched = page.evaluate(GOES_WRONG, fault)
    assert watched["early"] == 0
    assert [name for name, _ in watched["told"]] == [fault]
    assert watched["told"][0][1] < 3000
    assert fault in watched["names"]


def test_the_permission_is_asked_for_again_at_each_recording(
    context: BrowserContext, server: Server, tee: Tee
) -> None:
    page = open_page(context, server.port)
    page.evaluate(RECORD, [600, 300])
    denied = """async () => {
      const query = navigator.permissions.query.bind(navigator.permissions);
      navigator.permissions.query = async () => ({ state: "denied" });
      const recorder = session.recorder(stream, { item: "q2" });
      try { await recorder.start(); } catch (error) { return error.problem; }
      finally { navigator.permissions.query = query; }
    }"""
    assert page.evaluate(denied) == "denied"
    page.evaluate("() => stream.getVideoTracks()[0].stop()")
    ended = """async () => {
      try { await session.recorder(stream, { item: "q2" }).start(); }
      catch (error) { return error.problem; }
    }"""
    assert page.evaluate(ended) == "ended"


def test_a_browser_without_permission_says_so(chromium: Browser, server: Server, tee: Tee) -> None:
    context = chromium.new_context(permissions=[])
    page = open_page(context, server.port)
    problem = page.evaluate(
        "async () => { try { await openStream(); } catch (error) { return error.problem; } }"
    )
    assert problem == "denied"
    context.close()


def test_the_example_page_records_and_sends(
    context: BrowserContext, server: Server, tee: Tee
) -> None:
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/example/index.html")
    page.click("#start")
    page.wait_for_selector("#stop:enabled")
    page.wait_for_timeout(1500)
    page.click("#stop")
    page.wait_for_selector("#done:has-text('Complete')")
    # It is still said after all that the recorder tells of its progress.
    page.wait_for_timeout(500)
    assert "Complete" in page.inner_text("#done")
    (folder,) = server.folder.iterdir()
    assert media_of(server, folder.name) == tee.media(0)


JSPSYCH = """
async () => {
  const map = document.createElement("script");
  map.type = "importmap";
  const module = "export const { initJsPsych, ParameterType } = jsPsychModule;";
  const address = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
  map.textContent = JSON.stringify({ imports: { jspsych: address } });
  document.head.append(map);
  const { initJsPsych } = jsPsychModule;
  const { default: RecordPlugin } = await import("/dist/jspsych.js");
  const target = document.querySelector("main");
  const jsPsych = initJsPsych({ display_element: target });
  const stream = await openStream({ width: 320, height: 240 });
  window.ran = jsPsych.run([{
    type: RecordPlugin, session, stream: () => stream, item: "q7",
    stimulus: "<p id='asked'>Tell me.</p>",
  }]).then(() => jsPsych.data.get().values());
}
"""


def test_a_jspsych_experiment_can_use_it(
    context: BrowserContext, server: Server, tee: Tee, web: Path
) -> None:
    page = open_page(context, server.port)
    page.add_script_tag(path=web / "node_modules" / "jspsych" / "dist" / "index.browser.min.js")
    page.evaluate(JSPSYCH)
    page.wait_for_selector("#asked")
    page.click("text=Start")
    page.wait_for_selector("text=Done")
    page.wait_for_timeout(800)
    page.click("text=Done")
    (trial,) = page.evaluate("() => ran")
    assert trial["item"] == "q7"
    assert trial["trial_type"] == "twomind-record"
    assert [event["name"] for event in trial["events"]] == ["start", "prompt_shown", "stop"]
    page.evaluate(COMPLETE, trial["recording"])
    assert media_of(server, trial["recording"]) == tee.media(0)
