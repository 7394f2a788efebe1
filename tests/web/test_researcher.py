"""The researcher's pages in a real browser, on a study's own server."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from patience import HANG_S, until

pytest.importorskip("fastapi", reason="needs the extra 'server'")
pytest.importorskip("httpx2", reason="starlette's test client needs it")

import uvicorn

from server_films import pieces, webm
from server_world import PASSWORD, Guest, World
from twomind.server import coders, quality, recruiting, reviewing, scripts, worker
from twomind.server.app import create_app
from twomind.server.measured import Measured
from twomind.types import Word
from web_line import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.slow

SIZES: dict[str, dict[str, Any]] = {
    "laptop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 2},
    "french": {"viewport": {"width": 1280, "height": 800}, "locale": "fr-CA"},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    # 200 % of a laptop's page is a page of half the width.
    "zoom": {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
}
GOOD = quality.Values(
    length_s=31.4, face_share=0.93, speech_s=22.0, level_dbfs=-24.0, clipped_share=0.0, n_words=4
)
RESULT = {
    "prediction": {
        "status": "ok", "reason": "", "probability": 0.42, "band_95": [0.3, 0.55],
        "meaning": "probability that a trained coder would mark it",
    },
    "model": {
        "name": "words",
        "card": {"population": "adults who were recruited online", "not_for": ["diagnosis", "work"]},
    },
    "located": {"reason": "the words do not tell when"},
    "cues": {"filler_word": 2, "contrast": 1},
    "not_measured": [{"what": "voice", "reason": "the file has no sound"}],
}  # fmt: skip


class Study:
    """A study in which all kinds of recordings lie, served in a thread."""

    def __init__(self, folder: Path, web: Path) -> None:
        self.port = free_port()
        address = f'[server]\npublic_url = "http://127.0.0.1:{self.port}"'
        self.world = World(
            folder / "study",
            extra="quota = 40\nlanguage_quotas = { fr = 10 }",
            text=lambda text: text.replace("[server]", address),
        )
        self.guest = self._visit("P-017")
        self.fill()
        self.world.researcher()
        place = replace(self.world.place, now=self.world.clock)
        config = uvicorn.Config(
            create_app(place, web / "dist"), host="127.0.0.1", port=self.port, log_level="error"
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until(lambda: self.server.started, "the server is up")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join()

    def _visit(self, name: str) -> Guest:
        guest = self.world.person(name)
        guest.agree()
        return guest

    def fill(self) -> None:
        place, guest = self.world.place, self.guest
        self.dark = guest.record("q1", pieces(webm()))
        values = replace(GOOD, face_share=0.12, face_reason="too dark")
        self.keep(self.dark, values, words="well I I do not know")
        self.good = guest.record("q2", pieces(webm()))
        self.keep(self.good, GOOD, words="yes I would")
        reviewing.decide(place, "ada", self.good, "usable", "")
        other = self._visit("P-018")
        self.unmeasured = other.record("q1", pieces(webm()))
        absent = [quality.NotMeasured("face", "the face tracker needs pip install 'twomind[face]'")]
        self.keep(self.unmeasured, replace(GOOD, face_share=None), absent)
        other.put(other.begin("q2"), 0, webm()[:5000])
        told = recruiting.test_participant(place, "ada")
        tester = self.world.enter(told["link"].partition("#")[2], told["person"])
        tester.agree("fr")
        tester.record("q2", pieces(webm()))
        recruiting.panel(place, "ada", "Panel of November")
        coders.make(place, "ada", "Carl")

    def keep(
        self,
        recording: str,
        values: quality.Values,
        absent: list[quality.NotMeasured] | None = None,
        words: str = "",
    ) -> None:
        findings = quality.judge(values, quality.Asked(), quality.Quality(), absent or [])
        spoken = tuple(Word(text, k, k + 0.5) for k, text in enumerate(words.split()))
        script = scripts.Script(spoken, "en", "made up") if words else None
        assert worker.keep(self.world.place, recording, Measured(findings, RESULT, script))

    def quality_of(self, recording: str) -> str:
        return str(reviewing.detail(self.world.place, recording)["quality"])


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    near = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="twomind-", dir=near) as made:
        yield Path(made)


@pytest.fixture(scope="module")
def study(folder: Path, web: Path) -> Iterator[Study]:
    study = Study(folder, web)
    yield study
    study.close()


@pytest.fixture
def new_page(chromium: Browser, study: Study) -> Iterator[Callable[..., Page]]:
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def make(signed_in: bool = True, **options: Any) -> Page:
        context = chromium.new_context(**{"locale": "en-CA"} | options)
        context.set_default_timeout(min(HANG_S, 60) * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: heard(said.type, said.text))
        page.on("request", lambda request: asked(request.url))
        page.goto(f"{study.url}/researcher")
        if signed_in:
            sign_in(page)
        return page

    def heard(kind: str, text: str) -> None:
        # Before somebody has signed in, and where something is refused, the server says so.
        if kind == "error" and "401" not in text and "403" not in text:
            problems.append(text)

    def asked(url: str) -> None:
        if not url.startswith((study.url, "blob:", "data:")):
            problems.append(f"asked for {url}")

    yield make
    for context in contexts:
        context.close()
    assert problems == []


def sign_in(page: Page, password: str = PASSWORD) -> None:
    page.fill("#name", "ada")
    page.fill("#password", password)
    page.click("form button")


def open_hash(page: Page, hash: str, heading: str = "") -> None:
    page.evaluate("(hash) => { location.hash = hash; }", hash)
    page.wait_for_selector(f"h1{heading}")


def test_a_wrong_password_says_so_and_lets_nobody_in(new_page: Callable[..., Page]) -> None:
    page = new_page(signed_in=False)
    page.wait_for_selector("#name")
    sign_in(page, "wrong")
    page.wait_for_selector("[role=alert]:text('Name or password is wrong')")
    sign_in(page)
    page.wait_for_selector("h1:text('Who is where')")
    page.reload()
    page.wait_for_selector("h1:text('Who is where')")
    page.click("text=Sign out")
    page.wait_for_selector("h1:text('Sign in')")
    page.reload()
    page.wait_for_selector("h1:text('Sign in')")


def test_who_is_where(new_page: Callable[..., Page], study: Study) -> None:
    page = new_page()
    page.wait_for_selector("td:has-text('P-017')")
    text = page.inner_text("main")
    assert "2 of 40" in text
    assert "0 of 10" in text
    assert "2 of 3" in page.inner_text("tr:has-text('P-017')")
    tests = page.locator("table").nth(1)
    assert "P-0" not in tests.inner_text()
    page.click("text=P-017")
    page.wait_for_selector("h1:text('Person P-017')")
    page.click("text=Show their link")
    link = page.input_value("input[readonly]")
    assert link.startswith(f"{study.url}/join#")


SLOW_PEOPLE = """() => {
  const ask = window.fetch;
  window.late = 0;
  window.fetch = async (...given) => {
    const answer = await ask(...given);
    if (!String(given[0]).endsWith("/people")) return answer;
    await new Promise((done) => setTimeout(done, 1000));
    setTimeout(() => { window.late += 1; }, 300);
    return answer;
  };
}"""


def test_a_page_that_was_left_is_not_shown_over_the_next(new_page: Callable[..., Page]) -> None:
    page = new_page()
    open_hash(page, "#log", ":text('Audit log')")
    page.evaluate(SLOW_PEOPLE)
    page.evaluate("() => { location.hash = '#people'; }")
    open_hash(page, "#invite", ":text('Invitations')")
    page.wait_for_function("() => window.late === 1")
    assert page.locator("h1:text('Invitations')").count() == 1


def test_a_decision_by_keyboard_alone_asks_the_person_again(
    new_page: Callable[..., Page], study: Study
) -> None:
    page = new_page()
    page.wait_for_selector("h1:text('Who is where')")

    def tab_to(css: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("(css) => document.activeElement.matches(css)", css):
                return
        raise AssertionError(f"the keyboard does not reach {css}")

    tab_to("main a[href='#queue']")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:text('Quality')")
    tab_to(f"a[href='#recording/{study.dark}']")
    page.keyboard.press("Enter")
    page.wait_for_selector("h2:text('Decision')")
    tab_to("input[name=verdict]")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.value") == "again"
    tab_to("form button")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]:text('Please give a reason')")
    assert page.evaluate("document.activeElement.id") == "reason"
    page.keyboard.type("too dark to see you")
    tab_to("form button")
    page.keyboard.press("Enter")
    page.wait_for_selector("td:has-text('too dark to see you')")
    assert study.quality_of(study.dark) == "again"
    items = study.guest.client.get("/api/me").json()["items"]
    assert {one["id"]: one["state"] for one in items}["q1"] == "again"


def test_the_queue_says_why(new_page: Callable[..., Page], study: Study) -> None:
    page = new_page()
    open_hash(page, "#queue/all", ":text('Quality')")
    text = page.inner_text("main")
    assert "well seen in 12% of the pictures" in text
    assert "Mostly because: too dark" in text
    assert "not measured: face: the face tracker needs pip install" in text
    assert "none: look at it yourself" in text
    assert "It has not been measured yet." in text
    page.click("text=Not complete (1)")
    page.wait_for_selector("text=Its end did not arrive")


def test_words_are_corrected_and_every_version_stays(
    new_page: Callable[..., Page], study: Study
) -> None:
    page = new_page()
    open_hash(page, f"#recording/{study.dark}", ":text('q1')")
    page.wait_for_selector("#words")
    assert page.input_value("#words") == "well I I do not know"
    page.fill("#words", "well um I I do not know")
    page.click("text=Save as a new version")
    page.wait_for_selector("text=All versions (2)")
    page.click("text=All versions (2)")
    texts = page.locator(".versions blockquote").all_inner_texts()
    assert texts == ["well um I I do not know", "well I I do not know"]
    assert "Version 2, ada" in page.inner_text(".versions")


def test_the_film_plays_and_a_result_comes_after_its_limits(
    new_page: Callable[..., Page], study: Study
) -> None:
    page = new_page()
    open_hash(page, f"#recording/{study.unmeasured}", ":text('q1')")
    page.wait_for_selector("video")
    until(lambda: page.evaluate("document.querySelector('video').readyState >= 1"), "a film")
    assert "42%" not in page.inner_text("main")
    page.click("text=Show it with its limits")
    page.wait_for_selector("text=95 % band 30% to 55%")
    text = page.inner_text("main")
    assert text.index("diagnosis") < text.index("42%")
    assert "never for a decision about this person" in text


def test_links_for_a_list_a_panel_and_a_test(new_page: Callable[..., Page], study: Study) -> None:
    page = new_page()
    open_hash(page, "#invite", ":text('Invitations')")
    page.fill("#names", "N1\n\nN2\nN1\n")
    page.click("text=Make the links")
    page.wait_for_selector("#links")
    lines = page.input_value("#links").splitlines()
    assert [line.split("\t")[0] for line in lines] == ["N1", "N2"]
    page.fill("#label", "Another panel")
    page.click("button:text-is('Make the link')")
    page.wait_for_selector("label:text('Another panel')")
    page.click("text=Make a test participant")
    page.wait_for_selector("text=Open it in another tab")


def test_erasing_asks_once_more(new_page: Callable[..., Page], study: Study) -> None:
    told = recruiting.invite(study.world.place, "ada", ["P-goes"])[0]
    page = new_page()
    open_hash(page, f"#person/{told['person']}", ":text('P-goes')")
    page.click("text=Erase this person")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    page.click("text=Erase this person")
    page.click("dialog[open] >> text=No, go back")
    assert study.world.place.keys.has(told["person"])
    page.click("text=Erase this person")
    page.click("dialog[open] >> text=Yes, erase everything")
    page.wait_for_selector("h1:text('Who is where')")
    assert not study.world.place.keys.has(told["person"])


@pytest.mark.parametrize("size", list(SIZES))
def test_axe_finds_nothing_serious(
    new_page: Callable[..., Page], study: Study, web: Path, size: str
) -> None:
    """With ``TWOMIND_SHOTS`` a picture of each page is kept there."""
    axe = (web / "node_modules" / "axe-core" / "axe.min.js").read_text()
    shots = os.environ.get("TWOMIND_SHOTS")
    page = new_page(signed_in=False, **SIZES[size])
    found: list[str] = []

    def look(name: str) -> None:
        if shots:
            page.screenshot(path=f"{shots}/{size}-{name}.png", full_page=True)
        page.evaluate(axe)
        result = page.evaluate("async () => (await axe.run()).violations")
        found.extend(
            f"{name}: {one['id']} {one['nodes'][0]['html']}"
            for one in result
            if one["impact"] in ("serious", "critical")
        )
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            found.append(f"{name}: {wide} pixels wider than the window")
        for badge in page.locator(".badge").all():
            # A class of another page's would take it out of its line.
            if badge.evaluate("badge => getComputedStyle(badge).position") != "static":
                found.append(f"{name}: the badge {badge.inner_text()} is out of its place")

    page.wait_for_selector("#name")
    look("sign-in")
    sign_in(page)
    page.wait_for_selector("table")
    look("people")
    person = study.guest.person
    for hash, name, css in (
        (f"#person/{person}", "person", "dl.facts"),
        ("#queue/all", "queue", "article"),
        (f"#recording/{study.good}", "recording", "video"),
        (f"#recording/{study.dark}", "recording-asked-again", "video"),
        ("#invite", "invite", "#names"),
        ("#coders", "coders", "#coder-name"),
        ("#log", "log", "table"),
    ):
        open_hash(page, hash)
        page.wait_for_selector(css)
        if name == "recording":
            for summary in page.locator("summary").all():
                summary.click()
            page.wait_for_selector("h3")
        look(name)
    assert found == []
    if size == "french":
        assert page.evaluate("document.documentElement.lang") == "fr"
        assert page.inner_text("h1") == "Journal"
