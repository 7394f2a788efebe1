"""Cuts while people record: network, tab, browser, the server's process, the server's power.

    python tests/web_cuts.py

records 30 answers of 20 to 60 s with the study's own pages and server, five people at the same time,
each with a Chromium, a slow line and a server of their own, and cuts each answer once. Then what each
server has is held against what the browser's own recorder gave. A smaller round is among the slow
tests (tests/web/test_cuts.py).
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patience import until
from power_loss import FILE_CALLS, Disk, can_trace, read_trace, tracer
from study_visit import SHORT, StudyServer, patience_ms
from twomind_synth.visitors.visit import Visit
from web_line import Line, write_fake_film, write_fake_sound

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Playwright

KINDS = ("network", "tab", "browser", "server", "power")
#: The browser is gone: what it had stored is the recording.
_ENDS = ("tab", "browser")
#: Bytes a second: less than twice what is recorded, so that most cuts fall into a body.
_LINE = 80_000
_SMALL_PICTURE = """chunk_ms = 1000
mime = ["video/webm;codecs=vp8,opus"]
video = { width = 320, height = 240, frame_rate = 15 }"""

#: On a busy machine a server needs a minute to be there again; no answer ends by itself meanwhile.
_LONG = {
    r"^max_s = .*\n": "",
    r"^\[\[prompts\]\]$": "[[prompts]]\nmax_s = 3000",
    r"^\[neutral\]$": "[neutral]\nmax_s = 3000",
}

# What the browser's own recorder gives, and what is safe in the browser's store: independent of the
# recorder's code.
LISTEN = """
const start = MediaRecorder.prototype.start;
MediaRecorder.prototype.start = function (...given) {
  const recording = String(Math.random());
  let next = 0;
  this.addEventListener("dataavailable", (event) => {
    if (event.data.size === 0) return;
    const n = next++;
    const reader = new FileReader();
    reader.onload = () => window.gave(recording, n, String(reader.result).split("base64,")[1] ?? "");
    reader.readAsDataURL(event.data);
  });
  return start.apply(this, given);
};
const add = IDBObjectStore.prototype.add;
IDBObjectStore.prototype.add = function (value, ...more) {
  if (this.name === "bytes") {
    const { recording, n, sha256 } = value;
    this.transaction.addEventListener("complete", () => window.stored(recording, n, sha256));
  }
  return add.call(this, value, ...more);
};
"""


@dataclass(frozen=True)
class Cut:
    """One recording and what is done to it."""

    kind: str
    seconds: float


@dataclass
class Result:
    """What became of one recording."""

    kind: str
    seconds: float
    bytes: int
    problem: str = ""


@dataclass
class Heard:
    """What the browser said, over all its lives."""

    given: dict[str, dict[int, bytes]] = field(default_factory=dict)
    stored: dict[str, dict[int, str]] = field(default_factory=dict)

    def gave(self, recorder: str, n: int, text: str) -> None:
        self.given.setdefault(recorder, {})[n] = base64.b64decode(text)

    def keep(self, recording: str, n: int, sha256: str) -> None:
        self.stored.setdefault(recording, {})[n] = sha256

    def given_of(self, recording: str) -> list[bytes]:
        """The chunks that the browser's recorder gave of a recording, by the hash of its first."""
        first = self.stored[recording][0]
        for chunks in self.given.values():
            if 0 in chunks and hashlib.sha256(chunks[0]).hexdigest() == first:
                return [chunks[n] for n in sorted(chunks)]
        return []


class Room:
    """One person with a browser, a slow line and a server of their own."""

    def __init__(self, folder: Path, cuts: Sequence[Cut], seed: int, devices: Path) -> None:
        self.root = folder / "disk"
        self.folder = folder
        self.root.mkdir(parents=True)
        self.cuts = cuts
        self.draw = random.Random(seed)
        self.devices = devices
        self.heard = Heard()
        self.context: BrowserContext | None = None
        traced = any(cut.kind == "power" for cut in cuts)
        trace = tracer(folder / "trace", FILE_CALLS) if traced else ()
        changes = SHORT | _LONG | {r"^chunk_ms = .*$": _SMALL_PICTURE}
        self.study = StudyServer(self.root / "study", changes, trace)
        (self.token,) = self.study.invite("p1")
        self.start_server()
        self.line = Line(self.study.port, _LINE)

    # --- the server

    def start_server(self) -> None:
        if self.study.tracer:
            shutil.rmtree(self.folder / "before", ignore_errors=True)
            shutil.copytree(self.root, self.folder / "before")
        self.study.start()

    def kill_server(self) -> None:
        self.study.kill()
        time.sleep(self.draw.uniform(0.2, 2))
        self.start_server()

    def lose_power(self) -> None:
        """The server is gone, and with it all that it had not flushed."""
        self.study.kill()
        disk = Disk(self.folder / "before")
        disk.root = self.root
        for step in read_trace(self.folder / "trace"):
            disk.do(step)
        shutil.rmtree(self.root)
        # At times some of what was not flushed is there all the same.
        disk.rebuild(self.root, None if self.draw.random() < 0.5 else self.draw)
        self.start_server()

    # --- the browser

    def open_browser(self, playwright: Playwright) -> Page:
        profile = self.folder / "profile"
        self.context = playwright.chromium.launch_persistent_context(
            str(profile),
            executable_path=shutil.which("chromium"),
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={self.devices / 'camera.mjpeg'}",
                f"--use-file-for-fake-audio-capture={self.devices / 'microphone.wav'}",
                "--autoplay-policy=no-user-gesture-required",
                "--hide-crash-restore-bubble",
            ],
            permissions=["camera", "microphone"],
            locale="en-CA",
        )
        self.context.set_default_timeout(patience_ms())
        self.context.expose_function("gave", self.heard.gave)
        self.context.expose_function("stored", self.heard.keep)
        self.context.add_init_script(LISTEN)
        return self.context.new_page()

    def kill_browser(self) -> None:
        """SIGKILL to the browser itself; its children end with it."""
        lock = os.readlink(self.folder / "profile" / "SingletonLock")
        os.kill(int(lock.rpartition("-")[2]), signal.SIGKILL)

    # --- the visit

    def run(self, playwright: Playwright) -> list[Result]:
        url = f"http://127.0.0.1:{self.line.port}"
        visit = Visit(self.open_browser(playwright), url)
        visit.agree(self.token)
        visit.check()
        for cut in self.cuts:
            assert visit.is_asked()
            visit.begin_answer()
            if cut.kind in _ENDS:
                visit.page.wait_for_timeout(1000 * cut.seconds)
                visit = Visit(self._after_end(playwright, visit, cut), url)
                visit.come_back(self.token)
                visit.check()
                visit.leave_as_they_are()
            else:
                self._through(visit, cut)
                visit.end_answer()
        self._wait_for_all(visit)
        return self._judge()

    def _after_end(self, playwright: Playwright, visit: Visit, cut: Cut) -> Page:
        assert self.context is not None
        if cut.kind == "tab":
            visit.page.close()
            return self.context.new_page()
        self.kill_browser()
        # Playwright notices by itself that the browser is gone.
        until(lambda: not _is_there(visit.page), "the browser is gone")
        return self.open_browser(playwright)

    def _through(self, visit: Visit, cut: Cut) -> None:
        """Record on while the cut is made; the page is waited for so that it can speak."""
        makes: dict[str, Callable[[], None]] = {
            "network": lambda: self.line.cut(self.draw.uniform(0.5, 5)),
            "server": self.kill_server,
            "power": self.lose_power,
        }
        at = cut.seconds * self.draw.uniform(0.3, 0.7)
        visit.page.wait_for_timeout(1000 * at)
        maker = _Maker(makes[cut.kind])
        maker.start()
        visit.page.wait_for_timeout(1000 * (cut.seconds - at))
        while maker.is_alive():
            visit.page.wait_for_timeout(100)
        if maker.error is not None:
            raise maker.error

    def _states(self) -> list[str]:
        from sqlalchemy import select

        from twomind.server.tables import Recording

        place = self.study.place()
        with place.database.reading() as reading:
            states = list(reading.scalars(select(Recording.state)))
        place.database.engine.dispose()
        return states

    def _wait_for_all(self, visit: Visit) -> None:
        wanted = ["complete"] * len(self.cuts)
        end = time.monotonic() + patience_ms() / 1000
        while self._states() != wanted:
            assert time.monotonic() < end, f"not all recordings are complete: {self._states()}"
            visit.page.wait_for_timeout(300)

    def _judge(self) -> list[Result]:
        from sqlalchemy import select

        from twomind.server import uploads
        from twomind.server.tables import Recording

        place = self.study.place()
        results = []
        with place.database.reading() as reading:
            recordings = reading.scalars(select(Recording).order_by(Recording.started_at)).all()
            for recording, cut in zip(recordings, self.cuts, strict=True):
                media = uploads.film(place, reading, recording).readall()
                manifest = uploads.manifest(place, reading, recording)
                problem = self._problem(cut, media, manifest)
                results.append(Result(cut.kind, cut.seconds, len(media), problem))
        place.database.engine.dispose()
        return results

    def _problem(self, cut: Cut, media: bytes, manifest: dict[str, Any]) -> str:
        given = self.heard.given_of(manifest["id"])
        stored = self.heard.stored[manifest["id"]]
        whole = b"".join(given)
        ended = cut.kind in _ENDS
        surely = b"".join(given[n] for n in sorted(stored) if n < len(given))
        kept = [manifest["chunks"].get(str(n)) == sha256 for n, sha256 in stored.items()]
        reason = "tab_closed" if ended else "button"
        checks = {
            "the bytes differ": whole == media or (ended and _same_start(whole, media)),
            "a stored chunk is lost": all(kept) and media.startswith(surely),
            "the manifest is not complete": manifest["state"] == "complete",
            "the manifest has a hole": manifest["missing"] == [],
            "the manifest's length is wrong": manifest["bytes"] == len(media),
            "the reason is wrong": manifest["stop_reason"] == reason,
            "the recording is too short": manifest["duration_ms"] >= 1000 * cut.seconds - 5000,
        }
        return "; ".join(name for name, so in checks.items() if not so)

    def close(self) -> None:
        self.line.close()
        self.study.kill()
        if self.context is not None:
            self.context.close()


class _Maker(threading.Thread):
    """Makes a cut, and keeps what went wrong."""

    def __init__(self, make: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.make = make
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.make()
        except BaseException as error:
            self.error = error


def _is_there(page: Page) -> bool:
    from playwright.sync_api import Error

    try:
        page.wait_for_timeout(50)
        page.evaluate("1")
    except Error:
        return False
    return True


def _same_start(one: bytes, other: bytes) -> bool:
    return one.startswith(other) or other.startswith(one)


def plan(n: int, rooms: int, seconds: tuple[float, float], seed: int) -> list[list[Cut]]:
    """Which cuts are made in which room: every kind as often; the power fails in the first room.

    Args:
        n: Recordings, all together.
        rooms: How many people record at the same time.
        seconds: Shortest and longest recording.
        seed: Of the lengths and the order.
    """
    draw = random.Random(seed)
    kinds = [KINDS[k % len(KINDS)] for k in range(n)]
    if not can_trace():
        kinds = ["server" if kind == "power" else kind for kind in kinds]
    # Only the first room's server is traced: it is slower.
    kinds.sort(key=lambda kind: (kind != "power", draw.random()))
    each = -(-n // rooms)
    cuts = [Cut(kind, draw.uniform(*seconds)) for kind in kinds]
    return [cuts[start : start + each] for start in range(0, n, each)]


def make_cuts(folder: Path, planned: list[list[Cut]], seed: int = 0) -> list[Result]:
    """Record and cut in all rooms at the same time.

    Raises:
        AssertionError: A room did not come to its end.
    """
    devices = folder / "devices"
    devices.mkdir(parents=True)
    # Little noise: five pictures are encoded at the same time.
    write_fake_film(devices / "camera.mjpeg", noise=8)
    write_fake_sound(devices / "microphone.wav")
    results: list[Result] = []
    failed: list[str] = []

    def visit(n: int, cuts: list[Cut]) -> None:
        from playwright.sync_api import sync_playwright

        try:
            room = Room(folder / f"room-{n}", cuts, seed + n, devices)
            with sync_playwright() as playwright:
                try:
                    found = room.run(playwright)
                    results.extend(found)
                    print(f"room {n}:\n{told(found)}", flush=True)
                finally:
                    room.close()
        except Exception:
            failed.append(f"room {n}: {traceback.format_exc()}")
            print(failed[-1], file=sys.stderr)

    threads = [threading.Thread(target=visit, args=(n, cuts)) for n, cuts in enumerate(planned)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, "\n".join(failed)
    return results


def told(results: list[Result]) -> str:
    """A line for each kind of cut, and one for each recording that is not as it was recorded."""
    lines = []
    for kind, n in Counter(result.kind for result in results).items():
        of_kind = [result for result in results if result.kind == kind]
        good = sum(not result.problem for result in of_kind)
        seconds = sum(result.seconds for result in of_kind)
        size = sum(result.bytes for result in of_kind) / 1e6
        lines.append(
            f"{kind:8} {good} of {n} identical and complete; {seconds:.0f} s, {size:.1f} MB"
        )
    bad = [result for result in results if result.problem]
    lines += [f"{result.kind}, {result.seconds:.0f} s: {result.problem}" for result in bad]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=30)
    parser.add_argument("--rooms", type=int, default=5)
    parser.add_argument("--shortest", type=float, default=20)
    parser.add_argument("--longest", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    lengths = (asked.shortest, asked.longest)
    planned = plan(asked.recordings, asked.rooms, lengths, asked.seed)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="twomind-cuts-", ignore_cleanup_errors=True) as folder:
        results = make_cuts(Path(folder), planned, asked.seed)
    print(told(results))
    print(f"{len(results)} recordings, {time.monotonic() - begun:.0f} s")
    sys.exit(any(result.problem for result in results))


if __name__ == "__main__":
    main()
