"""The coder's page in a real browser on a real server: pictures that know their numbers, coding by keyboard
alone, undo, and a server that is killed.
"""

from __future__ import annotations

import io
import os
import random
import secrets
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from patience import HANG_S, until

pytest.importorskip("fastapi", reason="needs the extra 'server'")
pytest.importorskip("httpx2", reason="starlette's test client needs it")

import av
import numpy as np

from server_films import pieces
from server_process import Server
from server_world import PASSWORD, begin_body, done_body, sha_of
from twomind.annotations import Annotations
from twomind.server import (
    access,
    admission,
    coders,
    coding,
    coding_media,
    coding_team,
    coding_work,
    reviewing,
    scripts,
    worker,
)
from twomind.server import quality as checks
from twomind.server.measured import Measured
from twomind.server.place import Place, open_place
from twomind.server.tables import Recording
from twomind.types import Word

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

LENGTH_S = 60
RATE = 15
#: Blocks of the burnt-in number: a row of bits.
BITS, BLOCK = 10, 32
WIDTH, HEIGHT = BITS * BLOCK, 240
#: A segment, and when its keys are pressed while the film plays, in seconds.
SEGMENTS = ((5.0, 9.0), (22.0, 27.0), (44.0, 48.0))
SAID = "well I do want to stop but every time I try it um it never works for long"
LOOKS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1440, "height": 1000}},
    "dark": {"viewport": {"width": 1440, "height": 1000}, "color_scheme": "dark"},
    # 200 % of a laptop's page is a page of half the width.
    "zoom": {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
    "french": {"viewport": {"width": 1280, "height": 900}, "locale": "fr-CA"},
}


def times_ms() -> list[int]:
    """When the pictures are shown: as a browser writes them, a few are late and a few are missing."""
    chance = random.Random(5)
    times = []
    for number in range(LENGTH_S * RATE):
        if number and chance.random() < 0.05:
            continue
        late = chance.randrange(0, 20) if number else 0
        times.append(round(number * 1000 / RATE) + late)
    return times


def film() -> bytes:
    """A minute in which each picture shows its number, and a tone that comes and goes."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm", options={"live": "1"}) as out:
        video = out.add_stream(
            "libvpx", rate=RATE, options={"deadline": "realtime", "cpu-used": "8"}
        )
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        sound = out.add_stream("libopus", rate=48000, layout="mono")
        packets = []
        for number, at in enumerate(times_ms()):
            shade = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
            for bit in range(BITS):
                lit = number >> bit & 1
                shade[: BLOCK * 2, bit * BLOCK : (bit + 1) * BLOCK] = 235 if lit else 20
            frame = av.VideoFrame.from_ndarray(shade, "rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            packets += video.encode(frame)
        t = np.arange(LENGTH_S * 48000) / 48000
        values = 0.4 * np.sin(2 * np.pi * 180 * t) * (np.sin(2 * np.pi * t / 5) > 0)
        heard = av.AudioFrame.from_ndarray(
            np.round(values * 32767).astype(np.int16)[None, :], "s16", "mono"
        )
        heard.sample_rate, heard.pts = 48000, 0
        packets += sound.encode(heard)
        packets += [*video.encode(None), *sound.encode(None)]
        packets.sort(key=lambda one: float(one.dts * one.time_base))
        for packet in packets:
            out.mux(packet)
    return buffer.getvalue()


@dataclass
class Studio:
    """A served study with films to code; its place is opened beside the server."""

    server: Server
    place: Place
    links: list[str] = field(default_factory=list)
    recordings: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def record(self, content: bytes) -> str:
        """One more take of the neutral clip would be no answer: each film is of a person of its own."""
        from twomind.server import recruiting

        person = recruiting.invite(self.place, "ada", [secrets.token_hex(4)])[0]["person"]
        self.server.token = access.link_token(self.place, "person", person)
        self.server.headers = {}
        self.server.enter()
        recording = secrets.token_hex(16)
        chunks = pieces(content, 60_000)
        assert self.server.ask("POST", "/api/recordings", begin_body(recording))[0] == 201
        for number, chunk in enumerate(chunks):
            path = f"/api/recordings/{recording}/chunks/{number}"
            sent = {"X-Chunk-SHA256": sha_of(chunk)}
            assert self.server.ask("PUT", path, chunk, **sent)[0] == 201
        body = done_body(chunks) | {"duration_ms": LENGTH_S * 1000.0}
        assert self.server.ask("POST", f"/api/recordings/{recording}/done", body)[0] == 200
        words = tuple(Word(text, 3 * k, 3 * k + 2.5) for k, text in enumerate(SAID.split()))
        found = checks.judge(checks.Values(length_s=60.0), checks.Asked(), checks.Quality(), [])
        script = scripts.Script(words, "en", "made up")
        assert worker.keep(self.place, recording, Measured(found, {}, script))
        reviewing.decide(self.place, "ada", recording, "usable", "")
        self.recordings.append(recording)
        return recording

    def coder(self, name: str, numbers: list[int]) -> int:
        """One more coder, with some of the recordings; who it is."""
        told = coders.make(self.place, "ada", name)
        self.links.append(told["link"])
        for number in numbers:
            coders.assign(self.place, "ada", told["id"], self.recordings[number])
        return len(self.links) - 1

    def marks(self, coder: int = 0, number: int = 1) -> list[coding.Made]:
        """What lies on the disk."""
        name = f"coder{coder + 1:02d}"
        for one in coding.coded(self.place, all_states=True):
            if one.recording == self.recordings[number] and one.coder == name:
                return coding.marks_of(self.place.codebook, one.annotations, name)
        return []


@pytest.fixture(scope="module")
def studio(web: Path) -> Iterator[Studio]:
    near = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="twomind-", dir=near) as folder:
        server = Server(Path(folder) / "study")
        text = (server.folder / "study.toml").read_text(encoding="utf-8")
        off = text.replace("[server]", "[measuring]\nenabled = false\n\n[server]")
        (server.folder / "study.toml").write_text(off, encoding="utf-8")
        server.start()
        studio = Studio(server, open_place(server.folder))
        content = film()
        for _ in range(3):
            studio.record(content)
        for name in ("Ann", "Ben"):
            told = coders.make(studio.place, "ada", name)
            studio.links.append(told["link"])
            for recording in studio.recordings:
                coders.assign(studio.place, "ada", told["id"], recording)
        yield studio
        server.kill()


class Desk:
    """A coder at the page, who counts key presses."""

    def __init__(self, page: Page, studio: Studio, number: int = 0) -> None:
        self.page = page
        self.studio = studio
        self.presses = 0
        self.recording = studio.recordings[number]

    def open(self, link: str) -> None:
        # From nowhere, so that the heading is not one that stands there already.
        self.page.goto("about:blank")
        self.page.goto(link)
        self.page.wait_for_selector("h1")
        self.page.evaluate("(id) => { location.hash = id; }", self.recording)
        self.page.wait_for_selector(".area")
        until(
            lambda: self.page.evaluate("document.querySelector('video').readyState >= 2"), "a film"
        )
        until(lambda: self.shown() == 0 and self.frame == 0, "the first picture")

    def back(self) -> None:
        """The desk that is opened again."""
        self.page.wait_for_selector(".area[data-ready]")

    def told(self, text: str) -> None:
        self.page.wait_for_selector(f".right-side :text({text!r})")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.presses += len(key.split("+")) if len(key) > 1 else 1
            self.page.keyboard.press(key)

    @property
    def frame(self) -> int:
        return int(self.page.get_attribute(".area", "data-frame") or -1)

    def shown(self) -> int:
        """The number that the picture itself shows."""
        return int(
            self.page.evaluate(
                """({ bits, block }) => {
                  const video = document.querySelector('video');
                  const canvas = document.createElement('canvas');
                  canvas.width = video.videoWidth;
                  canvas.height = video.videoHeight;
                  const context = canvas.getContext('2d');
                  context.drawImage(video, 0, 0);
                  let number = 0;
                  for (let bit = 0; bit < bits; bit += 1) {
                    const x = bit * block + block / 2;
                    const [red] = context.getImageData(x, block, 1, 1).data;
                    if (red > 128) number += 2 ** bit;
                  }
                  return number;
                }""",
                {"bits": BITS, "block": BLOCK},
            )
        )

    def saved(self) -> None:
        self.page.wait_for_selector(".area[data-saving=saved]")

    def plays_to(self, at_s: float) -> None:
        wanted = next(k for k, at in enumerate(times_ms()) if at >= at_s * 1000)
        until(lambda: self.frame >= wanted, f"second {at_s}", pause_s=0.01)


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    contexts = []
    problems: list[str] = []

    def make(**options: Any) -> Page:
        context = chromium.new_context(**{"locale": "en-CA", **LOOKS["desktop"]} | options)
        context.set_default_timeout(min(HANG_S, 120) * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: asked(request.url))
        return page

    def asked(url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "blob:", "data:")):
            problems.append(f"asked for {url}")

    yield make
    for context in contexts:
        context.close()
    assert problems == []


def test_every_picture_is_the_one_whose_number_is_shown(
    new_page: Callable[..., Page], studio: Studio
) -> None:
    desk = Desk(new_page(), studio)
    desk.open(studio.links[1])
    n_frames = len(times_ms())
    told = coding_media.clip(studio.place, _recording(studio, desk.recording))
    assert [round(at) for at in told.times_ms] == times_ms()
    seen = []

    def look(want: int) -> None:
        until(lambda: desk.frame == want, f"picture {want}")
        seen.append((want, desk.shown()))

    for step in range(1, 41):
        desk.press("ArrowRight")
        look(step)
    for step in range(39, 19, -1):
        desk.press("ArrowLeft")
        look(step)
    desk.press("End")
    look(n_frames - 1)
    desk.press("Home")
    look(0)
    # Of a picture that is shown already a browser says nothing.
    desk.press("Home", "Home", "ArrowRight")
    look(1)
    box = desk.page.locator(".timeline").bounding_box()
    assert box is not None
    chance = random.Random(3)
    for _ in range(40):
        x = box["x"] + 2 + chance.random() * (box["width"] - 4)
        desk.page.mouse.click(x, box["y"] + 30)
        at_ms = (x - box["x"] - 1) / (box["width"] - 2) * told.length_ms
        near = [k for k, at in enumerate(times_ms()) if at <= at_ms][-1]
        until(lambda near=near: abs(desk.frame - near) <= 2, "the place that was clicked")
        until(lambda: desk.page.evaluate("!document.querySelector('video').seeking"))
        seen.append((desk.frame, desk.shown()))
    wrong = [(want, got) for want, got in seen if want != got]
    assert wrong == [], f"{len(wrong)} of {len(seen)} pictures are wrong"
    assert "another picture" not in desk.page.inner_text("main")


def _recording(studio: Studio, name: str) -> Recording:
    with studio.place.database.reading() as reading:
        return reading.get_one(Recording, name)


def test_a_minute_is_coded_by_keyboard_alone(new_page: Callable[..., Page], studio: Studio) -> None:
    page = new_page()
    desk = Desk(page, studio, 1)
    desk.open(studio.links[0])
    # Faster than life, so that the test need not watch for a minute; no key of the coder's.
    page.evaluate("document.querySelector('video').playbackRate = 4")
    desk.press("Space")
    for start_s, end_s in SEGMENTS:
        desk.plays_to(start_s)
        desk.press("s")
        desk.plays_to(end_s)
        # The end, the label, how sure; two cues in the segment that is chosen.
        desk.press("s", "x", "1", "f", "g", "w", "h")
    desk.press("a", "y", "1")
    desk.saved()
    coding_presses = desk.presses
    page.evaluate("document.querySelector('video').pause()")
    found = studio.marks()
    segments = [one for one in found if one.tier == "ah"]
    cues = [one for one in found if one.tier.startswith("cue-")]
    assert [len(segments), len(cues), len(found)] == [3, 6, 10]
    times = set(times_ms())
    for one, (start_s, end_s) in zip(segments, SEGMENTS, strict=True):
        assert one.start_ms in times
        assert one.end_ms in times
        assert start_s * 1000 <= one.start_ms < end_s * 1000 <= one.end_ms
        assert (one.label, one.certainty) == ("A/H", "sure")
        own = [cue for cue in cues if (cue.start_ms, cue.end_ms) == (one.start_ms, one.end_ms)]
        assert {(cue.tier, cue.label) for cue in own} == {
            ("cue-facial", "gaze"),
            ("cue-language", "hedging"),
        }
    # What docs/study/coding.md says, with the two keys that end it.
    assert coding_presses + 2 == 30

    # Undo and redo, also of what a coder did before the page was loaded again.
    desk.press("z", "z")
    desk.saved()
    until(lambda: len(studio.marks()) == 9, "the answer is undone")
    page.reload()
    desk.back()
    desk.press("Shift+z", "Shift+z")
    until(lambda: sorted(studio.marks(), key=str) == sorted(found, key=str), "all of it is back")

    # An edge by keyboard and by mouse, and the segment alone is played.
    page.click(".lane.ah .mark >> nth=0")
    page.wait_for_selector("tr[aria-current]")
    first = segments[0]
    ends = sorted(times)
    desk.press("Shift+ArrowRight", "Control+ArrowLeft")
    desk.saved()
    moved = sorted(
        (one for one in studio.marks() if one.tier == "ah"), key=lambda one: one.start_ms
    )
    assert moved[0].start_ms == ends[ends.index(first.start_ms) + 1]
    assert moved[0].end_ms == ends[ends.index(first.end_ms) - 1]
    handle = page.locator(".lane.ah .mark").first.locator(".handle.end")
    box = handle.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 3, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 5, steps=4)
    page.mouse.up()
    desk.saved()
    dragged = sorted(
        (one for one in studio.marks() if one.tier == "ah"), key=lambda one: one.start_ms
    )
    assert dragged[0].end_ms > moved[0].end_ms + 1000
    assert dragged[0].end_ms in times
    assert dragged[1:] == moved[1:]
    page.keyboard.press("Enter")
    until(lambda: not page.evaluate("document.querySelector('video').paused"), "playing")
    page.evaluate("document.querySelector('video').playbackRate = 4")
    last = [k for k, at in enumerate(times_ms()) if at < dragged[0].end_ms][-1]
    # It stops a little late, and goes back to the last picture of the segment.
    until(lambda: page.evaluate("document.querySelector('video').paused"), "the end of the segment")
    until(lambda: desk.frame == last, "its last picture")
    until(lambda: desk.shown() == last)

    desk.press("Control+Enter")
    page.wait_for_function("(id) => location.hash !== '#' + id", arg=desk.recording)
    done = [one for one in coding.coded(studio.place) if one.recording == desk.recording]
    assert [one.coder for one in done] == ["coder01"]
    assert isinstance(done[0].annotations, Annotations)


def test_a_killed_server_loses_at_most_one_action_and_the_page_sends_it_again(
    new_page: Callable[..., Page], studio: Studio
) -> None:
    page = new_page()
    desk = Desk(page, studio, 1)
    desk.open(studio.links[1])
    times = times_ms()
    # What is marked is what is shown: the film needs a moment to get there. Each jump ends at the
    # picture that stands at its end, which began up to 70 ms before.
    for keys, at_ms in (("l", 2000), ("l", 4000), ("sl", 6000)):
        desk.press(*keys)
        until(lambda at_ms=at_ms: times[desk.frame] >= at_ms - 250, "the place to mark")
    desk.press("s", "x", "1")
    desk.saved()
    (first,) = studio.marks(1)
    for number in (1, 2):
        before = studio.marks(1)
        desk.press("Shift+ArrowLeft")
        studio.server.kill()
        # On the disk is all that was there before, and this action or not.
        (kept,) = studio.marks(1)
        earlier = times[times.index(before[0].start_ms) - 1]
        assert kept.start_ms in (before[0].start_ms, earlier)
        assert kept.end_ms == before[0].end_ms
        page.wait_for_selector(".area:not([data-saving=saving])")
        desk.press("Control+ArrowRight")
        page.wait_for_selector(".area[data-saving=unsaved]")
        studio.server.start()
        desk.saved()
        (now,) = studio.marks(1)
        assert now.start_ms == times[times.index(first.start_ms) - number]
        assert now.end_ms == times[times.index(first.end_ms) + number]


def test_marks_go_and_come_back_as_somebody_means_it(
    new_page: Callable[..., Page], studio: Studio
) -> None:
    """Deleting, marking twice, edges that are far away, and the numbers of the line of time."""
    who = studio.coder("Cy", [0])
    page = new_page()
    desk = Desk(page, studio, 0)
    desk.open(studio.links[who])
    assert page.locator(".times span").all_inner_texts()[:3] == ["0:00", "0:05", "0:10"]
    desk.press(*"++++++")
    page.wait_for_selector(".times span:text-is('0:00.5')")
    desk.press(*"------")
    times = times_ms()

    def jump(keys: str) -> None:
        before = desk.frame
        desk.press(*keys)
        until(lambda: times[desk.frame] >= times[before] + 2000 * len(keys) - 250, "a jump")

    for label in "ha":
        jump("l")
        desk.press("s")
        jump("l")
        desk.press("s", label, "1", "f", "g", "w", "h")
    desk.saved()
    all_six = studio.marks(who, 0)
    assert len(all_six) == 6
    # The same cue once more is refused, and asked again.
    desk.press("f", "g")
    desk.told("This is marked already: Face, gaze")
    desk.press("Escape")
    assert studio.marks(who, 0) == all_six
    # A segment goes with its cues, in one action; the nearest is chosen then.
    page.click(".lane.ah .mark >> nth=1")
    desk.press("Delete")
    desk.told("and its cues (2)")
    until(lambda: len(studio.marks(who, 0)) == 3, "the segment and its cues are gone")
    page.wait_for_selector("tr[aria-current]:has-text('hesitancy')")
    desk.press("z")
    until(lambda: studio.marks(who, 0) == all_six, "one step brings all back")
    page.wait_for_selector("tr[aria-current]:has-text('ambivalence')")
    desk.press("Shift+Delete")
    until(lambda: len(studio.marks(who, 0)) == 5, "the segment alone is gone")
    desk.press("z")
    until(lambda: studio.marks(who, 0) == all_six, "it is back")
    page.wait_for_selector("tr[aria-current]:has-text('ambivalence')")
    # An end that is far away comes to the picture that is shown, with the cues.
    jump("ll")
    last = desk.frame
    desk.press("Control+ArrowDown")
    desk.saved()
    ends = [one.end_ms for one in studio.marks(who, 0)]
    assert ends.count(times[last + 1]) == 3


def test_who_comes_back_finds_what_was_begun_and_where_they_were(
    new_page: Callable[..., Page], studio: Studio, web: Path
) -> None:
    who = studio.coder("Di", [0])
    page = new_page()
    desk = Desk(page, studio, 0)
    desk.open(studio.links[who])
    desk.press("l", "s", "l", "s", "h", "1", "l", "]")
    until(lambda: times_ms()[desk.frame] > 5500, "the place")
    desk.press("w")
    desk.told("which one?")
    desk.press("Escape", "Shift+w")
    begun = "Language began at"
    desk.told(begun)
    here = desk.frame
    # In another language; after the list; after the page was loaded again.
    page.click("text=Français")
    desk.back()
    desk.told("Langage a commencé")
    until(lambda: desk.shown() == here == desk.frame, "the same picture")
    assert page.get_attribute(".area", "data-speed") == "1.25"
    assert page.locator("tr[aria-current]").count() == 1
    page.click("text=Tous les enregistrements")
    page.click(".recordings a.open")
    desk.back()
    desk.told("Langage a commencé")
    page.click("text=English")
    desk.back()
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    desk.back()
    assert asked == ["beforeunload"]
    desk.told(begun)
    until(lambda: desk.shown() == here == desk.frame, "the same picture")
    # Done is refused while something is begun, and undo drops that alone.
    desk.press("Control+Enter")
    desk.told("has begun and not ended")
    desk.press("z")
    desk.told("what was begun is dropped")
    assert len(studio.marks(who, 0)) == 1
    # The language that was chosen stays when the page is loaded again.
    page.click("text=Français")
    desk.back()
    page.reload()
    desk.back()
    assert page.get_attribute("html", "lang") == "fr"
    # Another coder in this tab sees nothing of it.
    page.goto(studio.links[1])
    page.wait_for_selector(".recordings li >> nth=2")
    assert page.evaluate("sessionStorage.length") == 0
    assert page.evaluate("location.hash") == ""


def test_a_refusal_is_told_in_french_and_the_end_of_all_is_told(
    new_page: Callable[..., Page], studio: Studio, web: Path, tmp_path: Path
) -> None:
    who = studio.coder("Ed", [0])
    page = new_page(**LOOKS["french"])
    desk = Desk(page, studio, 0)
    desk.open(studio.links[who])
    desk.press("Control+Enter")
    desk.told("Il manque la réponse")
    file = tmp_path / "mine.eaf"
    file.write_text("<html/>")
    page.set_input_files("#eaf", str(file))
    desk.told("ne peut pas être lu comme un fichier ELAN")
    # The same file, mended, is taken.
    with page.expect_download() as kept:
        page.click("text=Enregistrer comme fichier ELAN")
    kept.value.save_as(str(file))
    page.set_input_files("#eaf", str(file))
    desk.told("Repris d'ELAN : 0 marques")
    page.focus(".area")
    desk.press("a", "n", "1")
    desk.saved()
    desk.press("Control+Enter")
    page.wait_for_selector("[role=status]:has-text('tout ce qui vous est attribué (1) est codé')")
    check(page, web, "french", "all-done")


def code(studio: Studio, number: int, coder: int, spans: list[tuple[int, int]]) -> None:
    """A coding to the end, by hands that make known errors."""
    recording = studio.recordings[number]
    with studio.place.database.reading() as reading:
        names = {name: who for who, name in coding.pseudonyms(reading).items()}
    hand = coders.hand(studio.place, names[f"coder{coder + 1:02d}"], recording)
    marks = [coding.Made("answer", 0, 60_000, "A/H")]
    for start, end in spans:
        marks.append(coding.Made("ah", start, end, "hesitancy"))
        marks.append(coding.Made("cue-facial", start, end, "gaze"))
    after = coding_work.save(studio.place, hand, recording, 0, marks)["revision"]
    coding_work.finish(studio.place, hand, recording, after)


def test_the_team_agrees_on_one_coding_side_by_side(
    new_page: Callable[..., Page], studio: Studio, web: Path
) -> None:
    code(studio, 0, 0, [(5_000, 15_000)])
    code(studio, 2, 0, [(5_000, 15_000), (30_000, 40_000)])
    code(studio, 2, 1, [(5_000, 15_000), (35_000, 45_000)])
    access.set_password(studio.place, "ada", PASSWORD)
    page = new_page()
    page.goto(f"{studio.url}/researcher")
    page.fill("#name", "ada")
    page.fill("#password", PASSWORD)
    page.click("form button")
    page.wait_for_selector("h1:text('Who is where')")
    page.evaluate("location.hash = '#coding'")
    page.wait_for_selector("td:has-text('coder01 – coder02')")
    # Of 60 s, 15 are marked by both and 35 by neither.
    a, b = 15 / 60, 35 / 60
    chance = (1 / 3) ** 2 + (2 / 3) ** 2
    kappa = (a + b - chance) / (1 - chance)
    row = page.inner_text("tr:has-text('coder01 – coder02')")
    assert f"{kappa:.3f} (too few people for an interval)" in row
    # There is no gold clip yet to go back to.
    assert "Back to the gold clips" not in page.inner_text("main")
    check(page, web, "desktop", "coding")
    page.click(f"a[href='#adjudicate/{studio.recordings[2]}']")
    page.wait_for_selector(".lane.theirs .mark")
    assert page.locator(".lane.theirs .mark").count() == 2 + 4 + 4
    page.click("text=Take the marks of coder02")
    page.wait_for_selector(".area[data-saving=saved] .lane.ah.own .mark")
    check(page, web, "desktop", "side-by-side")
    # What stands there of coders gives way at once; what the team changed, only when it is said so.
    page.focus(".area")
    page.keyboard.press("1")
    page.wait_for_selector("text=Taken over from coder01")
    page.click(".lane.cue.own .mark >> nth=0")
    page.keyboard.press("Delete")
    page.wait_for_selector(".area[data-saving=saved] .saving:has-text('Deleted')")
    page.keyboard.press("2")
    page.wait_for_selector("text=Put the marks of coder02 in place of the 4")
    page.keyboard.press("y")
    page.wait_for_selector("text=Taken over from coder02")
    page.keyboard.press("Control+Enter")
    # Enter goes on with what is next.
    page.wait_for_selector("a.next-to-agree:focus")
    page.click("text=Make it a gold clip")
    page.wait_for_selector("text=No gold clip any more")
    (settled,) = [
        one for one in coding.settled(studio.place) if one.recording == studio.recordings[2]
    ]
    assert settled.how == "adjudicated"
    assert settled.annotations is not None
    spans = [(one.start_s, one.end_s) for one in settled.annotations.segments()]
    assert spans == [(5.0, 15.0), (35.0, 45.0)]
    page.evaluate("location.hash = '#coding'")
    page.wait_for_selector("td:has-text('gold clip')")
    # One gold clip tests nobody: there are three in the codebook.
    assert page.locator("text=Back to the gold clips").count() == 0
    assert "as soon as there are 3 gold clips; there are 1" in page.inner_text("main")
    # Kappa with the gold clip: the first coder's is the one with the second, the second's is 1.
    assert f"{kappa:.3f}" in page.inner_text("tr:has-text('coder01: Ann')")
    assert "1" in page.inner_text("tr:has-text('coder02: Ben') td:nth-child(3)")
    for number in (0, 1):
        agree(studio, number)
    page.reload()
    # Whoever is in can be sent back.
    page.click("tr:has-text('coder01: Ann') >> text=Let in")
    page.wait_for_selector("tr:has-text('coder01: Ann') >> text=Back to the gold clips")
    for number in (0, 1):
        admission.drop_gold(studio.place, "ada", studio.recordings[number])


def agree(studio: Studio, number: int) -> None:
    """The team's coding of a recording, which becomes a gold clip."""
    recording = studio.recordings[number]
    hand = coding_team.hand("ada")
    marks = [coding.Made("answer", 0, 60_000, "no A/H")]
    after = coding_work.save(studio.place, hand, recording, 0, marks)["revision"]
    coding_work.finish(studio.place, hand, recording, after)
    admission.make_gold(studio.place, "ada", recording)


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_serious_and_pictures_are_taken(
    new_page: Callable[..., Page], studio: Studio, web: Path, look: str
) -> None:
    page = new_page(**LOOKS[look])
    page.goto(studio.links[1])
    page.wait_for_selector(".recordings li")
    check(page, web, look, "list")
    desk = Desk(page, studio, 0)
    desk.open(studio.links[1])
    if not studio.marks(1, 0):
        for start, end in ((6, 9), (20, 26)):
            for _ in range(start if start == 6 else 5):
                desk.press("l")
            desk.press(
                "s", *["l"] * ((end - start) // 2), "s", "h", "2", "f", "g", "w", "h", "b", "n"
            )
        desk.press("a", "y", "1")
        desk.saved()
    desk.press("Home", ".")
    page.wait_for_selector("tr[aria-current]")
    desk.press("e")
    page.wait_for_selector(".asked kbd")
    check(page, web, look, "desk")
    # A key that is no answer begins nothing else: what is asked stays.
    desk.press("w")
    page.wait_for_selector(".desk .missing:text-matches('^W ')")
    assert page.locator(".asked kbd:text-is('Esc')").count() == 1
    desk.press("Escape", "?")
    page.wait_for_selector("dialog[open]")
    check(page, web, look, "keys")


def check(page: Page, web: Path, look: str, name: str) -> None:
    axe = (web / "node_modules" / "axe-core" / "axe.min.js").read_text()
    page.evaluate(axe)
    result = page.evaluate("async () => (await axe.run()).violations")
    serious = [one for one in result if one["impact"] in ("serious", "critical")]
    told = [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in serious]
    assert told == [], (look, name)
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth + 1")
    width = "(name) => document.querySelector(name).getBoundingClientRect().width"
    assert page.evaluate(width, "header") == page.evaluate(width, "main"), "they end at one line"
    assert not wide, f"{name} is wider than the window ({look})"
    folder = os.environ.get("TWOMIND_SHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder) / f"coder-{name}-{look}.png"), full_page=True)
