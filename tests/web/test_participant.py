"""The participant's pages in a real browser, from the link to the thanks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from patience import HANG_S, until
from web_study import FakeStudy

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.slow

# Camera and microphone note when they are asked for, and what the server had been told by then.
COUNT_CAMERA = """
window.cameras = 0;
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = (wish) => { window.cameras += 1; return open(wish); };
"""

TITLES = {
    "neutral": ("A first short recording", "Un premier court enregistrement"),
    "first": ("Question 1 of 2", "Question 1 sur 2"),
    "second": ("Question 2 of 2", "Question 2 sur 2"),
}
SIZES = {
    "laptop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 375, "height": 740}, "device_scale_factor": 2},
    "french": {"viewport": {"width": 1280, "height": 800}, "locale": "fr-CA"},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    # 200 % of a laptop's page is a page of half the width.
    "zoom": {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
}


@pytest.fixture
def study(web: Path) -> Iterator[FakeStudy]:
    study = FakeStudy(web / "dist" / "participant")
    yield study
    study.close()


@pytest.fixture
def new_context(chromium: Browser) -> Iterator[Any]:
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        options = {"permissions": ["camera", "microphone"], "locale": "en-CA"} | options
        context = chromium.new_context(**options)
        context.set_default_timeout(min(HANG_S, 60) * 1000)
        context.add_init_script(COUNT_CAMERA)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


def wait_for_light(page: Page) -> None:
    """The pages' policy forbids the `eval` of ``wait_for_function``."""
    until(lambda: page.evaluate("document.getElementById('light').value > 10"))


class Walk:
    """Somebody who takes part; ``at`` is called on each page."""

    def __init__(self, page: Page, study: FakeStudy, at: Any = lambda name: None) -> None:
        self.page = page
        self.study = study
        self.at = at
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self.problems.append(message.text)

    def button(self, nth: int = 0) -> None:
        self.page.locator("main button.main:visible").nth(nth).click()

    def consent(self, answer: str = "yes") -> None:
        self.page.goto(f"{self.study.url}/join#good")
        self.page.wait_for_selector("fieldset")
        self.at("consent")
        for field in self.page.locator("fieldset").all():
            field.locator(f"input[value={answer}]").check()
        self.page.locator("form button").click()

    def check(self) -> None:
        self.page.wait_for_selector("main > button.main")
        self.at("check")
        self.button()
        self.page.wait_for_selector("#camera")
        wait_for_light(self.page)
        self.at("check-open")
        self.button()
        self.page.wait_for_timeout(2500)
        self.button()
        self.page.wait_for_selector("video[controls]")
        self.at("check-playback")
        self.button()

    def answer(self, name: str, takes: bool = False) -> None:
        title = TITLES[name][self.page.evaluate("document.documentElement.lang") == "fr"]
        self.page.wait_for_selector(f"h1:text('{title}')")
        self.at(f"{name}-ready")
        self.button()
        self.page.wait_for_selector(".lamp")
        self.page.wait_for_timeout(1300)
        self.at(f"{name}-recording")
        self.button()
        if takes:
            self.page.wait_for_selector("button.plain:visible")
            self.at(f"{name}-again")
            self.button()

    def about_you(self) -> None:
        self.page.wait_for_selector("#about-age")
        self.at("about-you")
        self.page.fill("#about-age", "31")
        self.page.locator("form button").click()

    def whole(self) -> None:
        self.consent()
        self.check()
        self.answer("neutral", takes=True)
        self.answer("first")
        self.answer("second")
        self.about_you()
        self.page.wait_for_selector("a.main")
        self.at("thanks")


def heading(page: Page) -> str:
    return page.locator("h1").inner_text()


def test_a_whole_visit(new_context: Any, study: FakeStudy) -> None:
    page = new_context().new_page()
    outside: list[str] = []

    def foreign(url: str) -> bool:
        return not url.startswith((study.url, "blob:", "data:"))

    page.on(
        "request", lambda request: outside.append(request.url) if foreign(request.url) else None
    )
    cameras: dict[str, int] = {}

    def at(name: str) -> None:
        cameras[name] = page.evaluate("cameras")
        if name == "consent":
            assert study.sent_bytes <= 150_000
            assert page.locator("input:checked").count() == 0

    walk = Walk(page, study, at)
    walk.whole()
    assert outside == []
    assert walk.problems == []
    # The camera is opened after consent is stored, by the person's own press.
    assert cameras["consent"] == cameras["check"] == 0 < cameras["check-open"]
    assert study.consented == {
        "version": 1,
        "sha256": study.consented["sha256"],
        "language": "en",
        "answers": {"processing": True, "pictures": True},
    }
    assert study.check["passed"]
    assert study.check["values"]["light"] > 40
    assert study.about_you == {"age": 31, "sex": None}
    assert [said["item"] for said in study.begun.values()] == ["neutral", "q2", "q1"]
    assert set(study.done) == set(study.begun)
    for recording, manifest in study.done.items():
        assert manifest["bytes"] == sum(len(chunk) for chunk in study.chunks[recording].values())
        assert [event["name"] for event in manifest["events"]] == ["start", "prompt_shown", "stop"]
    # The way back to the panel is shown after the last acknowledgement only.
    assert study.log.index("POST /api/finish") > max(
        n for n, line in enumerate(study.log) if line.endswith("/done")
    )
    assert page.locator("a.main").get_attribute("href") == "https://panel.example/done"


def test_consent_wants_each_answer_and_a_no_opens_no_camera(
    new_context: Any, study: FakeStudy
) -> None:
    context = new_context()
    page = context.new_page()
    page.goto(f"{study.url}/join#good")
    page.wait_for_selector("fieldset")
    page.locator("form button").click()
    assert page.locator(".missing").count() == 2
    assert "POST /api/consent" not in study.log
    assert page.evaluate("document.activeElement.name") == "processing"
    page = context.new_page()
    Walk(page, study).consent("no")
    page.wait_for_selector("h1:text('Thank you')")
    assert page.evaluate("cameras") == 0
    assert study.begun == {}


def test_a_text_that_changed_is_asked_again_and_says_so(new_context: Any, study: FakeStudy) -> None:
    context = new_context()
    page = context.new_page()
    walk = Walk(page, study)
    walk.consent()
    page.wait_for_selector("text=Turn on camera")
    study.amended = True
    page = context.new_page()
    page.goto(f"{study.url}/join")
    page.wait_for_selector("text=The text has changed")
    assert page.locator("input:checked").count() == 0


def test_an_answer_cut_by_a_closed_tab_is_offered_once_more(
    new_context: Any, study: FakeStudy
) -> None:
    context = new_context()
    walk = Walk(context.new_page(), study)
    walk.consent()
    walk.page.wait_for_selector("text=The text has changed", state="detached")
    walk.check()
    walk.page.wait_for_selector("text=Show the question")
    walk.button()
    walk.page.wait_for_selector(".lamp")
    walk.page.wait_for_timeout(1500)
    # What is in the browser cannot be sent before the next page is open.
    study.down = True
    walk.page.wait_for_timeout(800)
    walk.page.close()
    page = context.new_page()
    again = Walk(page, study)
    study.down = False
    page.goto(f"{study.url}/join")
    again.check()
    page.wait_for_selector("text=was interrupted")
    page.click("button:has-text('Leave it as it is')")
    page.wait_for_selector("text=Question 1 of 2")
    until(lambda: len(study.done) == 1)
    (manifest,) = study.done.values()
    assert manifest["stop_reason"] == "tab_closed"


def test_the_next_prompt_does_not_wait_for_the_network(new_context: Any, study: FakeStudy) -> None:
    page = new_context().new_page()
    walk = Walk(page, study)
    walk.consent()
    walk.check()
    page.wait_for_selector("text=Show the question")
    study.down = True
    walk.answer("neutral", takes=True)
    walk.answer("first")
    walk.answer("second")
    page.wait_for_selector("#about-age")
    assert study.done == {}
    study.down = False
    walk.about_you()
    page.wait_for_selector("a.main")
    assert len(study.done) == 3


def test_a_visit_goes_on_after_the_page_was_closed(new_context: Any, study: FakeStudy) -> None:
    context = new_context()
    walk = Walk(context.new_page(), study)
    walk.consent()
    walk.check()
    walk.answer("neutral", takes=True)
    walk.page.wait_for_selector("text=Question 1 of 2")
    walk.page.close()
    again = Walk(context.new_page(), study)
    again.page.goto(f"{study.url}/join")
    again.page.wait_for_selector("text=Camera and microphone")
    again.check()
    again.page.wait_for_selector("text=Question 1 of 2")
    again.answer("first")
    again.page.wait_for_selector("text=Question 2 of 2")


def test_keyboard_alone(new_context: Any, study: FakeStudy) -> None:
    page = new_context().new_page()
    page.goto(f"{study.url}/join#good")
    page.wait_for_selector("fieldset")

    def tab_to(css: str) -> None:
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("(css) => document.activeElement.matches(css)", css):
                return
        raise AssertionError(f"the keyboard does not reach {css}")

    for name in ("processing", "pictures"):
        tab_to(f"[name={name}]")
        page.keyboard.press("Space")
    tab_to("form button")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Turn on camera")
    tab_to("main button")
    page.keyboard.press("Enter")
    page.wait_for_selector("#camera")
    wait_for_light(page)
    tab_to("main button")
    page.keyboard.press("Enter")
    page.wait_for_timeout(2500)
    page.keyboard.press("Enter")
    page.wait_for_selector("video[controls]")
    tab_to("main button")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Show the question")
    assert study.check["passed"]


def test_a_denied_camera_is_explained_and_tried_again(new_context: Any, study: FakeStudy) -> None:
    context = new_context(permissions=[])
    page = context.new_page()
    walk = Walk(page, study)
    walk.consent()
    page.wait_for_selector("text=Turn on camera")
    walk.button()
    page.wait_for_selector("[role=alert]")
    assert "icon at the left of the address" in page.inner_text("[role=alert]")
    context.grant_permissions(["camera", "microphone"])
    walk.button()
    page.wait_for_selector("#camera")


def test_a_forged_link_says_what_to_do(new_context: Any, study: FakeStudy) -> None:
    page = new_context().new_page()
    page.goto(f"{study.url}/join#forged")
    page.wait_for_selector("text=This link does not work")


def test_withdrawing_asks_once_more_and_empties_the_browser(
    new_context: Any, study: FakeStudy
) -> None:
    page = new_context().new_page()
    walk = Walk(page, study)
    walk.consent()
    walk.check()
    page.wait_for_selector("text=Show the question")
    page.click("text=Your data")
    page.wait_for_selector("text=Your own link")
    assert page.input_value("input[readonly]") == f"{study.url}/join#good"
    page.click("text=Withdraw and erase everything")
    page.click("text=No, keep it")
    assert not study.withdrawn
    page.click("text=Withdraw and erase everything")
    page.click("text=Yes, erase everything")
    page.wait_for_selector("text=You have withdrawn")
    assert study.withdrawn


def test_the_french_pages_are_french(new_context: Any, study: FakeStudy) -> None:
    page = new_context(locale="fr-CA").new_page()
    page.goto(f"{study.url}/fr/join#good")
    page.wait_for_selector("fieldset")
    assert heading(page) == "Votre consentement"
    assert page.evaluate("document.documentElement.lang") == "fr"
    page.click("text=English")
    page.wait_for_selector("html[lang=en]")
    assert heading(page) == "Your consent"


@pytest.mark.slow
@pytest.mark.parametrize("size", list(SIZES))
def test_axe_finds_nothing_serious(
    new_context: Any, study: FakeStudy, web: Path, tmp_path: Path, size: str
) -> None:
    """With ``TWOMIND_SHOTS`` a picture of each page is kept there."""
    page = new_context(**SIZES[size]).new_page()
    axe = (web / "node_modules" / "axe-core" / "axe.min.js").read_text()
    look_at_pages(page, study, axe, size)


def look_at_pages(page: Page, study: FakeStudy, axe: str, size: str) -> None:
    import os

    shots = os.environ.get("TWOMIND_SHOTS")
    found: list[str] = []

    def at(name: str) -> None:
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

    walk = Walk(page, study, at)
    walk.whole()
    page.click("footer button")
    page.wait_for_selector("ul")
    at("your-data")
    assert found == []
