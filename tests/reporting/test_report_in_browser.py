"""The report in a real browser."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import patience
from reporting.test_report import DURATION_S, made, without_words, write_report
from twomind.reporting.result import Result
from twomind.types import (
    Segment,
)

# --- in a browser
# ----------------------------------------------------------------------------------------------------

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"needs {CHROMIUM}")
    with playwright.sync_playwright() as p:
        chromium = p.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=FLAGS, timeout=1000 * patience.HANG_S
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def movie(tmp_path_factory) -> Path:
    """Six seconds as a browser records them: WebM without a declared duration."""
    if not shutil.which("ffmpeg"):
        pytest.skip("needs ffmpeg")
    path = tmp_path_factory.mktemp("movie") / "answer.webm"
    source = [
        "-f",
        "lavfi",
        "-i",
        f"testsrc=size=160x120:rate=25:duration={DURATION_S}",
        "-c:v",
        "libvpx",
        "-g",
        "10",
    ]
    with open(path, "wb") as file:
        subprocess.run(
            ["ffmpeg", "-v", "error", *source, "-f", "webm", "-live", "1", "-"],
            stdout=file,
            check=True,
        )
    return path


@pytest.fixture
def opened(browser, tmp_path):
    """Open a report with the network cut; fails the test on any console error or any request but
    for files.
    """
    contexts = []

    def open_(*results: Result, **options: object):
        path = write_report(list(results), tmp_path / "report.html", **options)  # type: ignore[arg-type]
        context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
        context.set_default_timeout(1000 * patience.HANG_S)
        context.set_default_navigation_timeout(1000 * patience.HANG_S)
        page = context.new_page()
        page.wrong = []
        page.on(
            "console",
            lambda m: page.wrong.append(m.text) if m.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda e: page.wrong.append(str(e)))
        page.on(
            "request",
            lambda r: page.wrong.append(r.url) if r.url.startswith(("http", "ws")) else None,
        )
        page.goto(path.as_uri())
        contexts.append((context, page))
        return page

    yield open_
    for context, page in contexts:
        wrong = list(page.wrong)
        context.close()
        assert not wrong


def until(page, condition: str) -> None:
    """Poll from outside: waiting inside the page would need `eval`, which the page's own policy
    forbids.
    """
    patience.until(lambda: page.evaluate(condition), condition)


def playhead(page) -> float:
    head = page.locator(".playhead").bounding_box()
    lanes = page.locator(".lanes").bounding_box()
    return (head["x"] - lanes["x"]) / lanes["width"]


def ready(page) -> None:
    until(
        page, "(v => v && v.readyState >= 2 && v.duration < 100)(document.querySelector('video'))"
    )


def test_a_click_on_a_cue_moves_the_video_and_the_playhead_follows(opened, movie) -> None:
    page = opened(made(movie))
    ready(page)
    until(page, "document.querySelector('video').currentTime < 0.1")
    before = playhead(page)
    page.locator("button.cue.voice").click()
    until(page, "Math.abs(document.querySelector('video').currentTime - 3.0) < 0.01")
    assert playhead(page) - before == pytest.approx(3.0 / DURATION_S, abs=0.02)
    page.locator(".text .w").nth(1).click()
    until(page, "Math.abs(document.querySelector('video').currentTime - 1.3) < 0.01")
    assert page.locator(".text .w.current").text_content() == "I"
    assert playhead(page) - before == pytest.approx(1.3 / DURATION_S, abs=0.02)
    page.keyboard.press("n")
    until(page, "Math.abs(document.querySelector('video').currentTime - 2.9) < 0.01")
    page.locator(".play").click()
    until(page, "document.querySelector('video').currentTime > 3.3")
    assert playhead(page) - before > 3.2 / DURATION_S


def test_a_click_on_the_axis_seeks_and_hovering_names_the_cue(opened, movie) -> None:
    page = opened(made(movie))
    ready(page)
    lanes = page.locator(".lanes")
    box = lanes.bounding_box()
    page.mouse.move(box["x"], box["y"])
    lanes.click(position={"x": box["width"] * 0.75, "y": 10})
    until(
        page, f"Math.abs(document.querySelector('video').currentTime - {0.75 * DURATION_S}) < 0.1"
    )
    page.locator("button.cue.face").hover()
    tip = page.locator(".tip").inner_text()
    assert "gaze away" in tip
    assert "14 degrees" in tip
    assert "0:01.0" in tip


def test_a_linked_recording_plays_under_the_content_policy(opened, movie, tmp_path) -> None:
    shutil.copy(movie, tmp_path / "linked.webm")
    page = opened(made(tmp_path / "linked.webm"), embed_mb=0)
    ready(page)
    assert page.evaluate("document.querySelector('video').videoWidth") == 160
    assert page.locator("video").is_visible()
    assert page.locator(".unplayable").is_hidden()


def test_a_recording_that_does_not_play_leaves_the_timeline_working(opened, tmp_path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"this is no video")
    page = opened(made(tmp_path / "broken.mp4"))
    page.wait_for_selector(".unplayable", state="visible")
    page.locator("button.cue.voice").click()
    assert page.locator(".clock").text_content().startswith("0:03.0")
    page.locator(".play").click()
    until(page, "document.querySelector('.lanes').getAttribute('aria-valuenow') > 3.2")


def test_not_located_and_not_measured_are_on_the_screen(opened) -> None:
    page = opened(without_words())
    assert page.locator(".notlocated").count() == 0, "nothing was scored: there is no when"
    assert page.locator(".segment").count() == 0
    assert page.locator(".wordtext").count() == 0
    assert "not measured" in page.locator(".score").inner_text()


def test_segments_are_drawn_at_their_times_when_the_model_locates(opened) -> None:
    page = opened(made(located=True, segments=(Segment(1.5, 3.0, "A/H", "model", 0.8),)))
    lanes, segment = page.locator(".lanes").bounding_box(), page.locator(".segment").bounding_box()
    assert (segment["x"] - lanes["x"]) / lanes["width"] == pytest.approx(1.5 / DURATION_S, abs=0.02)
    assert segment["width"] / lanes["width"] == pytest.approx(1.5 / DURATION_S, abs=0.02)
    assert page.locator(".notlocated").count() == 0


def test_the_selector_opens_one_answer_at_a_time(opened) -> None:
    page = opened(made(id="one"), made(id="two"))
    assert page.locator(".overview").is_visible()
    assert page.locator("article:visible").count() == 0
    page.locator(".rows a").nth(1).click()
    page.wait_for_selector("#answer-2", state="visible")
    assert page.locator("article:visible").count() == 1
    page.locator("#choose").select_option("answer-1")
    page.wait_for_selector("#answer-1", state="visible")
    assert page.locator("article:visible .canvas").count() == 1
    page.locator("[data-step='-1']").click()
    page.wait_for_selector(".overview", state="visible")


def test_it_fits_a_telephone(opened) -> None:
    page = opened(made())
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator(".lanes").bounding_box()["width"] > 200
