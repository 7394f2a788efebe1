"""Three synthetic people take part in a study on this machine, with a real Chromium each; a fourth sends films.
What they leave is coded by two coders and released.

    python -m twomind_synth.visitors.demo demo/study

One loses the network while speaking, one closes the tab and comes back, one withdraws. Two coders code
the answers by keyboard, the team agrees, and a release is built and opened. Afterwards it is told what
each of them left, and where to look. Needs ``twomind[server]``, Playwright, Debian's
chromium and the built pages; ``make demo-study`` brings all of them.
"""

from __future__ import annotations

import argparse
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from twomind.core.errors import BadInput, MissingExtra
from twomind_synth.people import draw_people
from twomind_synth.visitors import demo_coding
from twomind_synth.visitors.devices import Devices, devices_from
from twomind_synth.visitors.visit import Visit

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

_FPS = 15
_SIZE = (480, 360)
_ANSWER_MS = 6000
_OFFLINE_MS = 8000
#: How long a page may take for one thing.
_PATIENCE_MS = 120_000
#: Which answer something happens to.
_EVENTFUL_ANSWER = 2
#: Questions of which each person's camera film is drawn.
_QUESTIONS = (4, 7)


@dataclass
class Person:
    """One synthetic person, and what they do besides answering."""

    name: str
    does: str
    token: str = ""
    id: str = ""
    said: list[str] = field(default_factory=list)


PEOPLE = (
    Person("Ada", "loses the network for 8 s while speaking"),
    Person("Ben", "closes the tab while speaking, and comes back with their own link"),
    Person("Cleo", "withdraws after three answers"),
)
#: A release needs three people; this one took part elsewhere, and their films are sent.
SENDS = Person("Dan", "sends films by the protocol, without a browser")
_SAID = "well I do want to change it but every time I try it um it never works for long"


class Server:
    """``twomind serve`` as a process of its own."""

    def __init__(self, folder: Path) -> None:
        from twomind.server.making import new_study

        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        new_study(folder, folder.parent / "keys")
        file = folder / "study.toml"
        text = file.read_text(encoding="utf-8")
        text = re.sub(r"(?m)^min_s = .*$", "min_s = 2", text)
        text = re.sub(r"(?m)^public_url = .*$", f'public_url = "{self.url}"', text)
        file.write_text(text, encoding="utf-8")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [sys.executable, "-m", "twomind.cli.main", "serve", str(self.folder)]
        with (self.folder.parent / "server.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        while True:
            if self._process.poll() is not None:
                raise BadInput(f"the server ended; see {self.folder.parent / 'server.log'}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)

    @property
    def process(self) -> int:
        """Number of its process."""
        return self._process.pid

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._process.terminate()
        self._process.wait()


# --- taking part


def take_part(person: Person, url: str, devices: Devices) -> None:
    """One person's visit, from the link to the end."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=[*arguments, *devices.arguments()]
        )
        context = browser.new_context(permissions=["camera", "microphone"], locale="en-CA")
        context.set_default_timeout(_PATIENCE_MS)
        visit = Visit(context.new_page(), url)
        visit.agree(person.token)
        visit.check()
        _DO[person.name](person, visit, context)
        browser.close()


def _answer(visit: Visit, meanwhile: Callable[[], None] | None = None) -> None:
    visit.begin_answer()
    visit.page.wait_for_timeout(_ANSWER_MS / 2)
    if meanwhile is not None:
        meanwhile()
    visit.page.wait_for_timeout(_ANSWER_MS / 2)
    visit.end_answer()


def _loses_the_network(person: Person, visit: Visit, context: BrowserContext) -> None:
    def cut() -> None:
        context.set_offline(True)
        visit.page.wait_for_timeout(_OFFLINE_MS)
        context.set_offline(False)

    n = 0
    while visit.is_asked():
        _answer(visit, cut if n == _EVENTFUL_ANSWER else None)
        n += 1
    visit.finish()
    person.said.append(f"{n} answers, all acknowledged")


def _closes_the_tab(person: Person, visit: Visit, context: BrowserContext) -> None:
    n = 0
    while visit.is_asked():
        if n == _EVENTFUL_ANSWER:
            visit.begin_answer()
            visit.page.wait_for_timeout(_ANSWER_MS)
            visit.page.close()
            visit = Visit(context.new_page(), visit.url)
            visit.come_back(person.token)
            visit.check()
            visit.leave_as_they_are()
        else:
            _answer(visit)
        n += 1
    visit.finish()
    person.said.append(f"{n} answers, one of them up to where the tab was closed")


def _withdraws(person: Person, visit: Visit, _context: BrowserContext) -> None:
    for _ in range(_EVENTFUL_ANSWER + 1):
        visit.is_asked()
        _answer(visit)
    visit.is_asked()
    visit.withdraw()
    person.said.append("three answers, then withdrew")


_DO = {"Ada": _loses_the_network, "Ben": _closes_the_tab, "Cleo": _withdraws}


# --- afterwards


def tell(folder: Path, people: tuple[Person, ...]) -> list[str]:
    """What each person left, and where to look.

    Args:
        folder: The study's.
        people: Who took part.

    Raises:
        BadInput: Something is not as it should be: an answer that is not complete, or a trace of who
            has withdrawn.
    """
    from twomind.server import people as of_people
    from twomind.server import uploads
    from twomind.server.export import ending
    from twomind.server.place import open_place
    from twomind.server.tables import Person as Row

    place = open_place(folder)
    look = folder.parent / "look"
    look.mkdir(exist_ok=True)
    lines, wrong = [], []
    for person in people:
        lines.append(f"{person.name} ({person.does}): {'; '.join(person.said)}")
        with place.database.reading() as reading:
            row = reading.get(Row, person.id)
            if row is None:
                files = traces(folder.parent, person.id)
                lines.append(f"  erased: key, files and rows; {files} files searched, no trace")
                continue
            for recording in of_people.of_person(reading, person.id):
                told = uploads.manifest(place, reading, recording)
                seconds = (recording.duration_ms or 0) / 1000
                lines.append(
                    f"  {recording.item:8} {told['state']:9} {seconds:5.1f} s "
                    f"{recording.size / 1e6:5.2f} MB in {len(told['chunks'])} chunks, "
                    f"ended by {told['stop_reason']}"
                )
                if told["state"] != "complete" or told["missing"]:
                    wrong.append(f"{person.name}, {recording.item}: not complete")
                film = uploads.film(place, reading, recording).readall()
                name = f"{person.name}-{recording.item}.{ending(recording.mime)}"
                (look / name).write_bytes(film)
    place.database.engine.dispose()
    if wrong:
        raise BadInput("\n".join(wrong))
    lines += [
        "",
        f"Encrypted, as the server keeps them: {folder / 'data' / 'people'}",
        f"Decrypted, to look at (synthetic people only): {look}",
        f"Who is where: twomind study people {folder}",
        f"The pages again: twomind study invite {folder} --test; twomind serve {folder}",
    ]
    return lines


def traces(folder: Path, person: str) -> int:
    """Search every file for a person's id: the study's, its keys, the server's log.

    Returns:
        How many files were searched.

    Raises:
        BadInput: It is in one of them.
    """
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        if person in path.name or person.encode() in path.read_bytes():
            raise BadInput(f"{path}: something of {person}, who has withdrawn, is left")
    return len(files)


def run(folder: Path, say: Callable[[str], None]) -> list[str]:
    """The whole demonstration, in a folder that is made anew.

    Args:
        folder: For the synthetic films, the study and its keys.
        say: Takes what is going on.

    Returns:
        What is told at the end.
    """
    from twomind.server import recruiting
    from twomind.server.place import open_place

    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    everybody = (*PEOPLE, SENDS)
    say(f"drawing {len(everybody)} people")
    drawn = folder / "drawn"
    draw_people(drawn, n_people=len(everybody), seed=7, questions=_QUESTIONS, size=_SIZE, fps=_FPS)
    films = sorted(path for path in drawn.iterdir() if path.is_dir())
    server = Server(folder / "my-study")
    place = open_place(server.folder)
    told = recruiting.invite(place, "at the command line", [person.name for person in everybody])
    for person, link in zip(everybody, told, strict=True):
        person.token, person.id = link["link"].partition("#")[2], link["person"]
    server.start()
    say(f"the study is served at {server.url}; they take part at the same time")
    failed: list[str] = []

    def visit(person: Person, own: Path) -> None:
        try:
            mp4 = sorted(own.glob("*.mp4"))
            take_part(person, server.url, devices_from(mp4, folder / "devices" / person.name, _FPS))
        except Exception:
            failed.append(f"{person.name}: {traceback.format_exc()}")

    threads = [
        threading.Thread(target=visit, args=pair) for pair in zip(PEOPLE, films, strict=False)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        server.stop()
        raise BadInput("\n".join(failed))
    demo_coding.send_films(server.url, SENDS.token, sorted(films[len(PEOPLE)].glob("*.mp4")))
    SENDS.said.append("seven answers, sent")
    coded = demo_coding.code_all(place, server.url, _SAID, say)
    server.stop()
    place.database.engine.dispose()
    released = demo_coding.release(server.folder, folder / "release", say)
    return [*tell(server.folder, everybody), "", *coded, "", *released]


def main() -> None:
    """Run it, and print what each person left."""
    parser = argparse.ArgumentParser(description="Three synthetic people take part in a study.")
    parser.add_argument("folder", type=Path, help="For everything; it is made anew.")
    folder: Path = parser.parse_args().folder
    begun = time.monotonic()
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError as error:
        raise MissingExtra("dev", "a browser") from error
    lines = run(folder.resolve(), lambda text: print(f"  {text} ..."))
    print("\n".join(lines))
    print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
