"""How soon the participant's first page can be used on a telephone: 1.6 Mbit/s, 150 ms to the server,
a processor slowed four times, an empty cache.

    python -m benchmarks.study_page

Needs Debian's chromium, Playwright and the built pages (``make web``). A busy machine makes the page
late: the processor time of the page's main thread stands beside the time on the wall.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.record import save
from twomind_synth.visitors.demo import Server

TRIES = 7
LINE = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 94_000}
SLOWED = 4


def one(browser: Any, url: str) -> dict[str, float]:
    """One visit with an empty cache."""
    context = browser.new_context(viewport={"width": 375, "height": 740}, is_mobile=True)
    page = context.new_page()
    session = context.new_cdp_session(page)
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda said: sizes.append(said["encodedDataLength"]))
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", LINE)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    begun = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector("form button:enabled")
    took = time.perf_counter() - begun
    metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    context.close()
    return {"s": took, "main_thread_s": metrics["TaskDuration"], "kb": sum(sizes) / 1000}


def main() -> None:
    from playwright.sync_api import sync_playwright

    from twomind.server import recruiting
    from twomind.server.place import open_place

    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder) / "study")
        place = open_place(server.folder)
        links = recruiting.invite(place, "benchmark", [f"p{n}" for n in range(TRIES)])
        server.start()
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        tries = [one(browser, link["link"]) for link in links]
        browser.close()
        server.stop()
    names = tries[0]
    figures = {
        name: {
            "median": round(median(one[name] for one in tries), 2),
            "least": round(min(one[name] for one in tries), 2),
            "most": round(max(one[name] for one in tries), 2),
        }
        for name in names
    }
    save("study-page", {"tries": TRIES, "load_average": round(load, 1), **figures})


if __name__ == "__main__":
    main()
