"""Flash and beep, from the page through the study's server to what `describe` reads.

The camera is a canvas: a synthetic face that turns white, with a tone, at the very moment at which the
page notes an event. In what is described the face is gone and the tone is there at that time.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from patience import until

pytest.importorskip("fastapi", reason="needs the extra 'server'")
pytest.importorskip("mediapipe", reason="needs the extra 'face'")

from sqlalchemy import select

import twomind as tm
from study_visit import StudyServer, patience_ms
from twomind.server import uploads
from twomind.server.tables import Recording
from twomind_synth.visitors.visit import Visit
from web_tone import NEW_TONE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

FRAME_MS = 1000 / 30
SOUND_MS = 20

# A camera and a microphone that the test makes: FACE_ADDRESS stands for a picture.
DEVICES = """
(() => {
NEW_TONE
let white = false;
let draw = () => undefined;
let tone;
// For each flash, in milliseconds: how much later the tone begins, and how far the sound's clock jumps.
window.beeps = [];
window.flash = async () => {
  white = true;
  draw();
  const at = Date.now();
  const late = (await tone.begin()) - at;
  setTimeout(async () => {
    white = false;
    draw();
    window.beeps.push([late, await tone.end()]);
  }, 400);
};
navigator.mediaDevices.getUserMedia = async () => {
  const face = new Image();
  face.src = "FACE_ADDRESS";
  await face.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [320, 240];
  const context = canvas.getContext("2d");
  const stream = canvas.captureStream(0);
  const [camera] = stream.getVideoTracks();
  draw = () => {
    context.drawImage(face, 0, 0, 320, 240);
    context.fillStyle = white ? "white" : `rgb(${Math.random() * 255} 120 120)`;
    context.fillRect(0, 0, white ? 320 : 6, white ? 240 : 6);
    // A picture when it is drawn: one that waits for the camera's own turn says nothing of the recorder.
    camera.requestFrame();
  };
  const audio = new AudioContext({ sampleRate: 48000 });
  await audio.resume();
  tone = await newTone(audio);
  const out = audio.createMediaStreamDestination();
  tone.connect(out);
  setInterval(draw, 1000 / 30);
  stream.addTrack(out.stream.getAudioTracks()[0]);
  return stream;
};
// Which event the next flash goes with: the start of the recorder, or the prompt on the page.
window.flashAt = "";
const start = MediaRecorder.prototype.start;
MediaRecorder.prototype.start = function (...given) {
  this.addEventListener("start", () => { if (window.flashAt === "start") void flash(); });
  return start.apply(this, given);
};
addEventListener("DOMContentLoaded", () => {
  new MutationObserver((changes) => {
    const shown = changes.some(({ addedNodes }) =>
      [...addedNodes].some((node) => node.className === "prompt"));
    if (shown && window.flashAt === "prompt_shown") void flash();
  }).observe(document.body, { childList: true, subtree: true });
});
})();
"""


def drawn_face(folder: Path) -> str:
    """The address of a picture of a synthetic face."""
    import av

    from twomind_synth.people import draw_people

    draw_people(
        folder, n_people=1, seed=3, questions=(1,), size=(320, 240), voice="builtin", workers=1
    )
    with av.open(str(next(folder.rglob("*.mp4")))) as film:
        picture = next(iter(film.decode(video=0))).reformat(format="rgb24")
    with av.open(str(folder / "face.png"), "w", format="image2") as file:
        stream = file.add_stream("png")
        stream.width, stream.height, stream.pix_fmt = 320, 240, "rgb24"
        file.mux(stream.encode(picture))
        file.mux(stream.encode())
    return "data:image/png;base64," + base64.b64encode((folder / "face.png").read_bytes()).decode()


@pytest.fixture
def study(web: Path, tmp_path: Path) -> Iterator[StudyServer]:
    study = StudyServer(tmp_path / "study")
    study.start()
    yield study
    study.kill()


@pytest.fixture
def page(chromium: Browser, tmp_path: Path) -> Iterator[Page]:
    context = chromium.new_context(
        permissions=["camera", "microphone"], locale="en-CA", bypass_csp=True
    )
    context.set_default_timeout(patience_ms())
    devices = DEVICES.replace("NEW_TONE", NEW_TONE)
    context.add_init_script(devices.replace("FACE_ADDRESS", drawn_face(tmp_path)))
    yield context.new_page()
    context.close()


def films(study: StudyServer, folder: Path) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    """Each recording as a file, and its events."""
    place = study.place()
    with place.database.reading() as reading:
        for recording in reading.scalars(select(Recording).order_by(Recording.created)):
            path = folder / f"{recording.item}.webm"
            path.write_bytes(uploads.film(place, reading, recording).readall())
            yield path, uploads.events_of(place, recording)


@dataclass(frozen=True)
class Seen:
    """What is described, in milliseconds: when the face is gone and how long the picture before was
    shown, and when the tone begins."""

    flash: float
    frame: float
    beep: float


def first_flash_and_beep(path: Path) -> Seen:
    tracks = tm.describe(str(path), ("face", "voice")).features.tracks
    face, voice = tracks["face"], tracks["voice"]
    energy = voice.values[:, voice.names.index("energy")]
    # A row half of which is the tone has half of its power: the tone begins between that row and
    # the one before.
    loud = int(np.flatnonzero(energy > np.nanmax(energy) - 3)[0])
    beep_s = (voice.times_s[loud - 1] + voice.times_s[loud]) / 2
    gone = int(np.flatnonzero(~face.valid)[0])
    flash = 1000 * float(face.times_s[gone])
    # A busy machine draws fewer than 30 pictures a second.
    frame = flash - 1000 * float(face.times_s[gone - 1])
    return Seen(flash, max(frame, FRAME_MS), 1000 * float(beep_s))


def test_events_are_where_describe_sees_and_hears_them(
    page: Page, study: StudyServer, tmp_path: Path
) -> None:
    visit = Visit(page, study.url)
    visit.agree(study.invite("p1")[0])
    visit.check()
    kinds, late = [], []
    for n in range(6):
        assert visit.is_asked()
        kinds.append(("start", "prompt_shown")[n % 2])
        page.evaluate("(kind) => { flashAt = kind; beeps.length = 0; }", kinds[-1])
        visit.begin_answer()
        page.wait_for_timeout(2000)
        late += page.evaluate("beeps")
        visit.end_answer()
    place = study.place()

    def all_complete() -> bool:
        with place.database.reading() as reading:
            states = reading.scalars(select(Recording.state)).all()
        return list(states) == ["complete"] * 6

    until(all_complete)
    (tmp_path / "films").mkdir()
    told = list(films(study, tmp_path / "films"))
    errors = []
    for (path, events), kind, (beep_ms, jump_ms) in zip(told, kinds, late, strict=True):
        (event,) = [one for one in events if one["name"] == kind]
        seen = first_flash_and_beep(path)
        at = event["media_ms"]
        flash_late, beep_late = seen.flash - at, seen.beep - at - beep_ms
        errors.append((flash_late / seen.frame, beep_late / (SOUND_MS + jump_ms)))
    assert [frames for frames, _ in errors if not abs(frames) <= 1] == []
    assert [bounds for _, bounds in errors if not abs(bounds) <= 1] == []
