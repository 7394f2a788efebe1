"""The report and the board in a browser: every interaction, for everybody."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reporting.test_report import face_track, made, page_of, scored, voice_track, without_words
from reporting.test_report_in_browser import browser, movie, opened, ready, until
from twomind.annotations import read_annotations
from twomind.reporting.report import ReportSettings, shown, write_pages
from twomind.reporting.result import Result
from twomind.types import Cue, Word

pytestmark = pytest.mark.slow
__all__ = ["browser", "movie", "opened", "page_of"]

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
HALVES = "smile (1.0-2.4 s) against negative “hate it” (1.2-1.6 s)"


@pytest.fixture(scope="module")
def long_movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of moving picture, as H.264 in MP4."""
    if not shutil.which("ffmpeg"):
        pytest.skip("needs ffmpeg")
    path = tmp_path_factory.mktemp("movie") / "long.mp4"
    source = ["-f", "lavfi", "-i", "testsrc=size=320x180:rate=25:duration=12"]
    made_of = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "faststart"]
    subprocess.run(["ffmpeg", "-v", "error", *source, *made_of, str(path)], check=True)
    return path


def across() -> Result:
    whole = made()
    return replace(
        whole, cues=(*whole.cues, Cue("face_against_words", "across", 1, 2.4, detail=HALVES))
    )


# --- cues that can be judged


def test_each_cue_is_a_button_that_keys_reach(opened) -> None:
    page = opened(made())
    for button in page.locator("button.cue").all():
        box = button.bounding_box()
        assert box["width"] >= 24
        assert box["height"] >= 24
        assert button.get_attribute("aria-label")
    page.locator("button.cue.voice").focus()
    page.keyboard.press("Enter")
    assert page.locator(".chosen").is_visible()
    assert page.locator(".clock").text_content().startswith("0:03.0")
    assert "long pause" in page.locator(".chosen").inner_text()


def test_arrows_walk_along_a_row_of_cues(opened) -> None:
    cues = tuple(Cue("smile", "face", t, t + 0.5) for t in (1.0, 3.0, 5.0))
    page = opened(made(cues=cues))
    page.locator("button.cue").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.locator(".clock").text_content().startswith("0:03.0")
    assert page.locator("button.cue[tabindex='0']").count() == 1, "one stop of the tab key per row"


def test_a_family_of_cues_can_be_hidden(opened) -> None:
    page = opened(made())
    family = page.locator("[data-family='voice'].family")
    assert page.locator("button.cue.voice").count() == 1
    family.click()
    assert family.get_attribute("aria-pressed") == "false"
    assert page.locator("button.cue.voice").count() == 0
    assert page.locator("tr[data-family='voice']:visible").count() == 0
    page.keyboard.press("n")
    family.click()
    assert page.locator("button.cue.voice").count() == 1


def test_an_inconsistency_shows_both_halves(opened) -> None:
    page = opened(across())
    page.locator("button.cue.across").click()
    halves = page.locator(".half")
    assert halves.count() == 2
    assert "smile" in halves.nth(0).inner_text()
    assert "hate it" in halves.nth(1).inner_text()
    halves.nth(1).click()
    assert page.locator(".clock").text_content().startswith("0:01.2")


def judged(page) -> None:
    """Agree with the first cue with a note, call another wrong, write a note alone on a third."""
    page.locator("button.cue.face").click()
    page.locator(".chosen [data-verdict='agree']").click()
    page.locator(".chosen .note").fill("clearly & <visible>")
    page.locator("button.cue.voice").click()
    page.keyboard.press("w")
    page.locator("button.cue.words").click()
    page.locator(".chosen .note").fill("=1+1 heard")


def download(page, button: str, folder: Path) -> Path:
    with page.expect_download() as found:
        page.locator(button).click()
    path = folder / found.value.suggested_filename
    found.value.save_as(path)
    return path


def test_verdicts_export_to_eaf_and_csv_and_come_back(opened, tmp_path) -> None:
    page = opened(made())
    assert page.locator(".export-eaf").is_disabled()
    judged(page)
    assert "3" in page.locator(".export output").inner_text()
    eaf = download(page, ".export-eaf", tmp_path)
    table = download(page, ".export-csv", tmp_path)
    assert eaf.name == "answer_review.eaf"
    expected = {
        "review of face cues": [(1.0, 1.5, "gaze away: agree – clearly & <visible>")],
        "review of voice cues": [(3.0, 4.0, "long pause: wrong")],
        "review of words cues": [(2.9, 3.4, "contrast: note – =1+1 heard")],
    }
    for path in (eaf, table):
        (annotations,) = read_annotations(path)
        tiers = {
            t.name: [(m.start_s, m.end_s, m.label) for m in t.marks] for t in annotations.tiers
        }
        assert tiers == expected, path.name
    rows = list(csv.DictReader(io.StringIO(table.read_text("utf-8-sig"))))
    assert [row["verdict"] for row in rows] == ["agree", "", "wrong"]
    assert rows[1]["note"] == "'=1+1 heard", "no cell is a formula"


def test_verdicts_outlive_the_page(opened) -> None:
    page = opened(made())
    judged(page)
    page.reload()
    assert "3" in page.locator(".export output").inner_text()
    assert page.locator("tr[data-cue] .said").all_inner_texts().count("Wrong") == 1
    page.locator("button.cue.voice").click()
    assert page.locator(".chosen [data-verdict='wrong']").get_attribute("aria-pressed") == "true"
    page.locator(".chosen [data-verdict='wrong']").click()
    assert page.locator(".chosen [data-verdict='wrong']").get_attribute("aria-pressed") == "false"


# --- the first screen, scales


def test_video_timeline_and_transcript_stand_in_the_first_screen(opened, movie) -> None:
    page = opened(made(movie))
    page.set_viewport_size({"width": 1280, "height": 720})
    ready(page)
    for place, whole in ((".player video", 1), (".text", 1), (".transport", 1), (".axisbox", 0)):
        box = page.locator(place).bounding_box()
        end = box["y"] + (box["height"] if whole else 90)
        assert box["y"] >= 0, place
        assert end <= 720, place


def test_curves_have_their_scale_and_neutral_line(opened) -> None:
    page = opened(made())
    row = page.locator(".label[data-row='curve-AU12']")
    assert "eye distances" in row.inner_text()
    ends = [float(t.replace("−", "-")) for t in row.locator(".ends span").all_inner_texts()]
    assert ends[0] > 0 > ends[1]
    assert page.locator("[data-row='curve-AU12'] line.neutral").count() == 1
    assert page.locator("[data-row='curve-pitch'] line.neutral").count() == 0


# --- the docked picture


def test_the_docked_picture_lies_over_nothing_moves_and_goes_when_paused(
    opened, long_movie
) -> None:
    page = opened(made(long_movie))
    page.set_viewport_size({"width": 1280, "height": 720})
    ready(page)
    page.evaluate("document.querySelector('video').muted = true")
    page.locator(".play").click()
    page.evaluate("window.scrollTo(0, 900)")
    page.wait_for_selector(".screen.docked")
    for side in ("right", "left"):
        small = page.locator(".screen.docked").bounding_box()
        main = page.locator("#main").bounding_box()
        apart = small["x"] >= main["x"] + main["width"] or small["x"] + small["width"] <= main["x"]
        assert apart, side
        assert page.evaluate("document.body.dataset.dock") == side
        page.locator(".movedock").click()
    page.evaluate("document.querySelector('video').pause()")
    until(page, "!document.querySelector('.screen.docked')")
    page.evaluate("document.querySelector('video').play()")
    page.wait_for_selector(".screen.docked")
    page.locator(".undock").click()
    assert page.locator(".screen.docked").count() == 0


# --- the overview


def several() -> list[Result]:
    low = scored(())
    low = replace(low, probs=np.array([0.6, 0.4]), evidence=())
    one, two = made(id="anna_1"), made(id="anna_2", prediction=low)
    other = made(id="bea_1")
    bea = replace(other, recording=replace(other.recording, subject="Bea", question="3"))
    nothing = without_words()
    none = replace(nothing, recording=replace(nothing.recording, id="bea_2", subject="Bea"))
    return [one, two, bea, none]


def ids(page) -> list[str]:
    return page.locator("tr.one:visible").evaluate_all("rows => rows.map(r => r.dataset.id)")


def test_the_overview_sorts_filters_and_downloads(opened, tmp_path) -> None:
    page = opened(*several())
    assert page.locator("h1").inner_text().startswith("In 2 of 3 answers")
    assert page.locator("tr.person:visible").count() == 2
    page.locator("[data-sort='score'] button").click()
    assert ids(page) == ["anna_1", "bea_1", "anna_2", "bea_2"]
    assert page.locator("[data-sort='score']").get_attribute("aria-sort") == "descending"
    assert page.locator("tr.person:visible").count() == 0
    page.locator("[data-sort='score'] button").click()
    assert ids(page) == ["anna_2", "anna_1", "bea_1", "bea_2"], "no score stands last either way"
    page.locator("[data-sort='score'] button").click()
    assert page.locator("tr.person:visible").count() == 2
    page.locator("#filter").fill("bea")
    assert ids(page) == ["bea_1", "bea_2"]
    page.locator("#which").select_option("without")
    assert ids(page) == ["bea_2"]
    assert page.locator("#n-shown").inner_text() == "1 of 4 answers shown"
    page.locator("#filter").fill("")
    page.locator("#which").select_option("all")
    path = download(page, "#table-csv", tmp_path)
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))
    assert [row["id"] for row in rows] == ["anna_1", "anna_2", "bea_1", "bea_2"]
    assert [row["score"] for row in rows] == ["0.77", "0.4", "0.77", ""]
    assert rows[3]["reason"]


# --- print


@pytest.mark.parametrize("adapted", [False, True])
def test_print_gives_two_pages_with_a_still(browser, tmp_path, movie, adapted: bool) -> None:
    words = tuple(Word(f"word{i}", 0.02 * i, 0.02 * i + 0.01) for i in range(900))
    cues = tuple(Cue("smile", "face", 0.1 * i, 0.1 * i + 0.05) for i in range(140))
    whole = made(movie, cues=cues)
    whole = replace(
        whole,
        recording=replace(whole.recording, words=words),
        features=replace(whole.features, words=words),
        prediction=scored(words),
    )
    if adapted:
        told = {"method": "t3a", "said": "adapted by t3a", "saw": "nothing"}
        whole = replace(whole, unadapted=scored(words), adaptation=told)
    settings = ReportSettings(embed="all")
    path = write_pages([shown(whole, settings)], tmp_path / "r.html", settings=settings)
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector(".axisbox")
    assert page.locator(".still").is_hidden()
    pdf = page.pdf(format="A4", print_background=True)
    page.emulate_media(media="print")
    assert page.locator(".still").is_visible()
    assert "The rest stands in words.csv" in page.locator("article").inner_text()
    context.close()
    assert pdf.count(b"/Type /Page\n") == 2


# --- for everybody


#: Texts of a row that lie on each other, names that reach out of the column of names, and names that
#: lie on the numbers beside them.
OVERLAPS = """() => {
  const found = [];
  const box = (one) => one.getBoundingClientRect();
  const told = (one) => one.textContent.trim();
  const seen = (inside, what) =>
    [...inside.querySelectorAll(what)].filter((one) => box(one).width);
  const meet = (one, other) => {
    const [a, b] = [box(one), box(other)];
    const across = a.left < b.right - 1 && b.left < a.right - 1;
    return across && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  };
  for (const row of document.querySelectorAll(".canvas > g")) {
    const texts = seen(row, "text");
    texts.forEach((a, i) => {
      const next = texts.slice(i + 1).filter((b) => meet(a, b));
      found.push(...next.map((b) => [told(a), told(b)]));
    });
  }
  for (const scroller of seen(document, ".scroller")) {
    for (const label of scroller.parentElement.querySelectorAll(".label")) {
      if (box(label).right > box(scroller).left + 1) found.push([told(label), "lanes"]);
      const name = label.querySelector(".name");
      const beside = seen(label, ".ends span, .zeroname, .count, .live");
      found.push(...beside.filter((one) => meet(name, one)).map((one) => [told(name), told(one)]));
    }
  }
  return found;
}"""


def views() -> list[tuple[str, int, int, str]]:
    return [
        ("wide", 1440, 900, "light"),
        ("phone", 390, 844, "dark"),
        ("zoomed", 640, 360, "light"),
    ]


@pytest.mark.parametrize(("name", "width", "height", "scheme"), views())
@pytest.mark.parametrize("language", ["en", "fr"])
def test_axe_finds_nothing_serious_and_nothing_is_cut_off(
    browser, tmp_path, movie, name: str, width: int, height: int, scheme: str, language: str
) -> None:
    """At 1440 px, on a telephone in the dark, and at 200 % of a window of 1280 × 720."""
    if not AXE.exists():
        pytest.skip("needs axe-core: npm ci in web/")
    settings = ReportSettings(embed="all", language=language)  # type: ignore[arg-type]
    pages = [
        shown(r, settings)
        for r in [replace(across(), recording=replace(made(movie).recording)), *several()]
    ]
    path = write_pages(pages, tmp_path / "r.html", settings=settings)
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        reduced_motion="reduce",
        bypass_csp=True,
    )
    page = context.new_page()
    for part in ("", "#answer-1", "#answer-5"):
        page.goto("about:blank")
        page.goto(path.as_uri() + part)
        page.wait_for_selector(".axisbox:visible, .rows:visible")
        if part == "#answer-1":
            page.locator("button.cue.face").first.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, part
        assert page.evaluate(OVERLAPS) == [], part
        page.evaluate(AXE.read_text())
        found = page.evaluate("async () => (await axe.run()).violations")
        serious = [
            (v["id"], [n["html"][:160] for n in v["nodes"]][:3])
            for v in found
            if v["impact"] in ("serious", "critical")
        ]
        assert serious == [], part
    context.close()


def test_keys_alone_reach_everything(opened, movie) -> None:
    page = opened(made(movie))
    ready(page)
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "(e => e.className.baseVal ?? (e.className || e.tagName))(document.activeElement)"
            )
        )
    for needed in (
        "play",
        "family",
        "lanes",
        "cue face",
        "cue voice",
        "w",
        "reel",
        "cuego",
        "scroll",
    ):
        assert any(needed in one for one in reached), (needed, reached)


def test_a_long_answer_is_drawn_from_reduced_data() -> None:
    from twomind.reporting.report_data import MAX_POINTS, time_data

    whole = made()
    tracks = {
        "face": face_track(600.0),
        "face_relative": face_track(600.0),
        "voice": voice_track(600.0),
    }
    features = replace(whole.features, tracks=tracks, span_s=(0.0, 600.0))
    times = time_data(
        replace(whole, features=features, recording=replace(whole.recording, duration_s=600.0))
    )
    assert max(len(c["values"]) for c in times["curves"]) <= MAX_POINTS
