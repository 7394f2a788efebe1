"""Weight and opening time of the report: an answer of ten minutes, and a large film that is embedded.

    python -m benchmarks.report [--film-mb 46]

Needs Debian's chromium and Playwright. Measured from going to the page until its timeline is drawn; a busy
machine makes that late, so the processor time of the page's main thread stands beside it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.record import save
from twomind.reporting.report import ReportSettings, shown, write_pages
from twomind.reporting.result import Result
from twomind.types import Cue, Evidence, Features, Prediction, Recording, Track, Word

TRIES = 5
LENGTH_S = 600.0
N_CURVES = 36


def ten_minutes(media: Path) -> Result:
    """An answer of ten minutes as `predict` makes it: 36 columns at 30 Hz, 1500 words, 600 cues."""
    rng = np.random.default_rng(0)
    times_s = np.arange(0, LENGTH_S, 1 / 30)
    names = ("AU12", "AU04", *(f"measure_{i}" for i in range(N_CURVES - 2)))
    values = rng.normal(size=(len(times_s), N_CURVES)).cumsum(0).astype(np.float32)
    face = Track(values, times_s, np.ones(len(times_s), bool), names, ("iod",) * N_CURVES)
    sound_s = np.arange(0, LENGTH_S, 0.01)
    speech = (np.sin(sound_s) > -0.8).astype(np.float32)
    sound = np.stack([speech, 120 + 10 * np.sin(sound_s), np.full_like(sound_s, -20)], 1)
    voice = Track(
        sound.astype(np.float32),
        sound_s,
        np.ones(len(sound_s), bool),
        ("speech", "pitch", "energy"),
        ("0/1", "Hz", "dBFS"),
    )
    words = tuple(Word(f"word{i}", 0.4 * i, 0.4 * i + 0.3) for i in range(1500))
    kinds = (("smile", "face"), ("long_pause", "voice"), ("hedge", "words"), ("nod", "head"))
    cues = []
    for i in range(600):
        kind, modality = kinds[i % len(kinds)]
        cues.append(Cue(kind, modality, float(i), i + 0.4))
    evidence = [Evidence("part", n, v, "log-odds") for n, v in (("baseline", 0.2), ("content", 1))]
    evidence += [Evidence("word", w.text, 0.01, "log-odds", w.start_s, w.end_s) for w in words]
    p = 1 / (1 + np.exp(-1.2))
    span_s = (0.0, LENGTH_S)
    tracks = {"face": face, "face_relative": face, "voice": voice}
    return Result(
        recording=Recording("long", "P1", media, "7", LENGTH_S, words, "", "long.srt"),
        features=Features("long", "P1", tracks, span_s, "7", words),
        cues=tuple(cues),
        prediction=Prediction(span_s, np.array([1 - p, p]), evidence=tuple(evidence)),
        located_reason="its words do not say when",
        neutral="the recording's own median",
        media={"n_frames": len(times_s)},
    )


def opening(browser: Any, path: Path) -> dict[str, float]:
    """One opening in a context of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    begun = time.perf_counter()
    page.goto(path.as_uri(), wait_until="commit")
    page.wait_for_selector(".playhead", state="attached", timeout=120_000)
    took = time.perf_counter() - begun
    page.wait_for_timeout(500)
    found = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    context.close()
    return {"s": took, "main_thread_s": found["TaskDuration"]}


def figures(tries: list[dict[str, float]]) -> dict[str, Any]:
    """Median, least and most of each."""
    told: dict[str, Any] = {}
    for name in tries[0]:
        values = [one[name] for one in tries]
        told[name] = {
            "median": round(median(values), 2),
            "least": round(min(values), 2),
            "most": round(max(values), 2),
        }
    return told


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser()
    parser.add_argument("--film-mb", type=float, default=46)
    film_mb = parser.parse_args().film_mb
    found: dict[str, Any] = {"tries": TRIES, "load_average": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        place = Path(folder)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        settings = ReportSettings(embed="all")
        answer = ten_minutes(place / "none.mp4")
        path = write_pages([shown(answer)], place / "plain.html", settings=settings)
        found["ten_minutes"] = {"page_mb": round(path.stat().st_size / 1e6, 2)}
        found["ten_minutes"] |= figures([opening(browser, path) for _ in range(TRIES)])
        film = place / "film.mp4"
        film.write_bytes(os.urandom(int(film_mb * 1e6)))
        recording = replace(answer.recording, media=film)
        page = shown(replace(answer, recording=recording), settings)
        own = write_pages([page], place / "own.html", settings=settings)
        pages = [own]
        if hasattr(page, "own_page"):
            linked = replace(page, own_page="own.html")
            pages.append(write_pages([linked], place / "all.html", settings=settings))
        else:
            pages.append(write_pages([page], place / "all.html", settings=settings))
        weights = [round(one.stat().st_size / 1e6, 1) for one in pages]
        found["film"] = {"film_mb": film_mb, "own_page_mb": weights[0], "over_all_mb": weights[1]}
        found["film"] |= figures([opening(browser, own) for _ in range(TRIES)])
        browser.close()
    save("report", found)


if __name__ == "__main__":
    main()
