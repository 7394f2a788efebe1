"""The participant's pages and the study's own server together, over a line that is cut."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from patience import HANG_S, until

pytest.importorskip("fastapi", reason="needs the extra 'server'")
pytest.importorskip("twomind.server.app", reason="needs the study's server")

from web_line import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


class StudyServer:
    """``twomind serve`` as a process of its own, so that it can be killed."""

    def __init__(self, folder: Path) -> None:
        from twomind.server import recruiting
        from twomind.server.making import new_study
        from twomind.server.place import open_place

        self.folder = folder
        self.port = free_port()
        new_study(folder)
        self.shorten()
        place = open_place(folder)
        told = recruiting.invite(place, "ada", ["p1"])[0]
        self.token = told["link"].split("#")[1]
        self.start()

    def shorten(self) -> None:
        """Answers of a second are enough here."""
        file = self.folder / "study.toml"
        text = re.sub(r"(?m)^min_s = .*$", "min_s = 1", file.read_text(encoding="utf-8"))
        address = f'public_url = "{self.url}"'
        file.write_text(re.sub(r"(?m)^public_url = .*$", address, text), encoding="utf-8")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        program = "from twomind.cli.main import main; main()"
        command = [sys.executable, "-c", program, "serve", str(self.folder)]
        command += ["--port", str(self.port)]
        self.process = subprocess.Popen(command)
        until(self.answers, "the server answers")

    def answers(self) -> bool:
        assert self.process.poll() is None, "the server ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def study(web: Path, tmp_path: Path) -> Iterator[StudyServer]:
    study = StudyServer(tmp_path / "study")
    yield study
    study.kill()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(permissions=["camera", "microphone"], locale="en-CA")
    context.set_default_timeout(min(HANG_S, 60) * 1000)
    yield context
    context.close()


def press(page: Page) -> None:
    page.locator("main button.main:visible").first.click()


def take_part(page: Page, study: StudyServer, after_first: Any = lambda: None) -> int:
    """From the link to the thanks; returns how many prompts were answered."""
    page.goto(f"{study.url}/join#{study.token}")
    page.wait_for_selector("fieldset")
    for field in page.locator("fieldset").all():
        field.locator("input[value=yes]").check()
    page.locator("form button").click()
    page.wait_for_selector("text=Turn on camera")
    press(page)
    page.wait_for_selector("#camera")
    page.wait_for_timeout(800)
    press(page)
    page.wait_for_timeout(2500)
    press(page)
    page.wait_for_selector("video[controls]")
    press(page)
    answered = 0
    while True:
        page.wait_for_selector("main :text('Show the question'), main form")
        if page.locator("form").count():
            break
        title = page.locator("h1").inner_text()
        press(page)
        page.wait_for_selector(".lamp")
        page.wait_for_timeout(1400)
        press(page)
        page.wait_for_selector(f"button:has-text('Keep this'), h1:not(:text-is('{title}'))")
        if page.locator("text=Keep this").count():
            press(page)
        answered += 1
        if answered == 1:
            threading.Thread(target=after_first, daemon=True).start()
        page.wait_for_selector(f"h1:not(:text-is('{title}'))")
    page.locator("form button").click()
    page.wait_for_selector("text=All your answers have arrived")
    return answered


@pytest.mark.slow
def test_a_visit_through_kills_of_the_server(
    context: BrowserContext, study: StudyServer, tmp_path: Path
) -> None:
    def kill_three_times() -> None:
        for _ in range(3):
            study.kill()
            time.sleep(0.5)
            study.start()
            time.sleep(1.5)

    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda said: problems.append(said.text) if "Content Security" in said.text else None,
    )
    answered = take_part(page, study, kill_three_times)
    assert problems == []
    assert answered >= 8
    page.click("text=Your data")
    page.wait_for_selector(".recordings li")
    assert page.locator(".recordings li").count() == answered
    assert page.locator(".recordings li:has-text('not complete')").count() == 0
    with page.expect_download() as got:
        page.click("text=Download everything")
    got.value.save_as(tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        media = [name for name in archive.namelist() if name.endswith((".webm", ".mp4"))]
    assert len(media) == answered
