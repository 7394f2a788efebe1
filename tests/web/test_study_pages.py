"""The participant's first page from the study's own server: how much it is, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra 'server'")

from study_visit import StudyServer, patience_ms
from twomind_synth.visitors.visit import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

pytestmark = pytest.mark.slow

MOST_BYTES = 150_000
#: A telephone on a slow network: a round trip, and bytes a second (1.6 Mbit/s).
ROUND_TRIP_S = 0.15
BYTES_PER_S = 200_000
#: Of the two seconds to a page that can be used, what the network may take.
MOST_NETWORK_S = 1.5
PHONE = {"viewport": {"width": 375, "height": 740}, "device_scale_factor": 2, "is_mobile": True}
HIT = "<img src=x onerror='window.hit = 1'><script>window.hit = 2</script>"


@pytest.fixture
def study(web: Path, tmp_path: Path) -> Iterator[StudyServer]:
    study = StudyServer(tmp_path / "study")
    yield study
    study.kill()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(permissions=["camera", "microphone"], locale="en-CA", **PHONE)
    context.set_default_timeout(patience_ms())
    yield context
    context.close()


@dataclass
class Request:
    """One request: when it began and ended, and what came over the line."""

    url: str
    begun: float
    ended: float = float("inf")
    size: int = 0


@dataclass
class Network:
    """Every request of a page, as the browser itself counts it."""

    requests: dict[str, Request] = field(default_factory=dict)

    def listen(self, session: Any) -> None:
        session.on("Network.requestWillBeSent", self._begin)
        session.on("Network.loadingFinished", self._end)
        session.send("Network.enable")

    def _begin(self, said: dict[str, Any]) -> None:
        url = said["request"]["url"]
        self.requests[said["requestId"]] = Request(url, said["timestamp"])

    def _end(self, said: dict[str, Any]) -> None:
        request = self.requests[said["requestId"]]
        request.ended, request.size = said["timestamp"], said["encodedDataLength"]

    @property
    def size(self) -> int:
        return sum(request.size for request in self.requests.values())

    def round_trips(self) -> int:
        """Requests that had to wait for one another, and one to open the connection."""
        depths: dict[str, int] = {}
        for name, request in sorted(self.requests.items(), key=lambda pair: pair[1].begun):
            before = [n for n in depths if self.requests[n].ended <= request.begun]
            depths[name] = 1 + max((depths[n] for n in before), default=0)
        return 1 + max(depths.values())


def test_the_first_page_is_light_and_asks_little(
    context: BrowserContext, study: StudyServer, web: Path
) -> None:
    study.start()
    page = context.new_page()
    network = Network()
    network.listen(context.new_cdp_session(page))
    page.goto(f"{study.url}/join#{study.invite('p1')[0]}")
    page.wait_for_selector("fieldset")
    page.wait_for_load_state("networkidle")
    assert all(one.url.startswith((study.url, "data:")) for one in network.requests.values())
    assert network.size <= MOST_BYTES
    spent = network.round_trips() * ROUND_TRIP_S + network.size / BYTES_PER_S
    print(f"{network.size} bytes, {network.round_trips()} round trips, {spent:.2f} s")
    assert spent <= MOST_NETWORK_S
    page.evaluate((web / "node_modules" / "axe-core" / "axe.min.js").read_text())
    found = page.evaluate("async () => (await axe.run()).violations")
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []


def test_scripts_in_texts_do_nothing(context: BrowserContext, study: StudyServer) -> None:
    """Whoever writes the study, or a panel's label, may be careless: a text is a text."""
    quoted = HIT.replace('"', "'")
    study.change(
        {
            r'^en = "How people.*$': f'en = "{quoted}"',
            r"^We study how people talk about.*$": quoted,
            r'^en = "Please look into.*$': f'en = "{quoted}"',
            r'^text\.en = "Please look into.*$': f'text.en = "{quoted}"',
            r'^en = "\[\[ name.*$': f'en = "{quoted}"',
        }
    )
    study.start()
    page = context.new_page()
    visit = Visit(page, study.url)
    visit.agree(study.invite("p1")[0])
    visit.check()
    visit.begin_answer()
    assert HIT in page.locator(".prompt").inner_text()
    assert HIT in (page.locator("#top").text_content() or "")
    assert HIT in (page.locator("#bottom").text_content() or "")
    assert page.locator("img, main script").count() == 0
    assert page.evaluate("window.hit") is None
