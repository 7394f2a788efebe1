"""The way of coders and of the team through the pages of a study, with Playwright's browser. What is
coded is coded by keyboard.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

#: How long the server may take for one answer.
_PATIENCE_MS = 600_000
_TOO_MANY = 429

if TYPE_CHECKING:
    from playwright.sync_api import Page


@dataclass(frozen=True)
class Stretch:
    """What a coder marks, as keys of the codebook.

    Attributes:
        tier: Key of the tier.
        label: Key of the label.
        first: Number of its first picture; None for a cue with the times of its segment.
        last: Number of its last picture.
        certainty: Key; empty where it is left out.
    """

    tier: str
    label: str
    first: int | None = None
    last: int | None = None
    certainty: str = ""


@dataclass(frozen=True)
class Plan:
    """What a coder says of one recording: keys of the answer and of its certainty, then stretches."""

    answer: str
    certainty: str
    stretches: tuple[Stretch, ...] = ()


@dataclass
class CoderVisit:
    """A coder at their desk.

    Args:
        page: Of a browser.
        url: Of the study, as its pages are reached.
    """

    page: Page
    url: str
    presses: int = field(default=0, init=False)
    _at: int = field(default=0, init=False)

    def enter(self, link: str) -> None:
        """Open one's own link."""
        self.page.goto(link)
        self.page.wait_for_selector("h1:text('Recordings to code')")

    def clip(self, recording: str) -> dict[str, Any]:
        """What the page knows of a recording: times of its pictures, words, one's own marks."""
        address = f"{self.url}/api/coder/recordings/{recording}"
        answer = self.page.request.get(address, timeout=_PATIENCE_MS)
        told: dict[str, Any] = answer.json()
        return told

    def open(self, recording: str) -> None:
        """A recording on the desk, at its first picture."""
        self.page.evaluate("(id) => { location.hash = id; }", recording)
        self.page.wait_for_function(
            """(id) => document.querySelector(`.area[data-recording="${id}"][data-ready]`) !== null""",
            arg=recording,
        )
        self._at = 0

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        for key in keys:
            self.page.keyboard.press(key)
        self.presses += len(keys)

    def go_to(self, frame: int) -> None:
        """Picture by picture to another one."""
        by = frame - self._at
        key = "ArrowRight" if by > 0 else "ArrowLeft"
        self.press(*[key] * abs(by))
        self._at = frame

    def mark(self, stretch: Stretch) -> None:
        """One segment, or one cue."""
        if stretch.first is None or stretch.last is None:
            self.press(stretch.tier, stretch.label)
            return
        self.go_to(stretch.first)
        self.press(stretch.tier)
        self.go_to(stretch.last)
        self.press(stretch.tier, stretch.label)
        if stretch.certainty:
            self.press(stretch.certainty)

    def code(self, recording: str, plan: Plan) -> None:
        """A recording from its opening to *done*."""
        self.open(recording)
        for stretch in plan.stretches:
            self.mark(stretch)
        self.press("a", plan.answer, plan.certainty)
        self.page.wait_for_selector(".area[data-saving=saved]")
        self.press("Control+Enter")
        self.page.wait_for_function("(id) => location.hash !== '#' + id", arg=recording)


@dataclass
class TeamVisit:
    """A researcher who has signed in.

    Args:
        page: Of a browser.
        url: Of the study.
    """

    page: Page
    url: str
    _csrf: str = field(default="", init=False)

    def sign_in(self, name: str, password: str) -> None:
        """By name and password."""
        self.page.goto(f"{self.url}/researcher")
        self.page.fill("#name", name)
        self.page.fill("#password", password)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector("h1:text('Who is where')")
        self._csrf = self.ask("GET", "session")["csrf"]

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """What the pages ask of the server, without the page.

        Args:
            method: Of HTTP.
            path: Behind ``/api/researcher/``.
            body: Sent as JSON.

        Raises:
            RuntimeError: It was refused.
        """
        answer = self.page.request.fetch(
            f"{self.url}/api/researcher/{path}",
            method=method,
            headers={"X-CSRF-Token": self._csrf},
            data=body,
            timeout=_PATIENCE_MS,
        )
        if answer.status == _TOO_MANY:
            # So many requests a second are answered, and no more.
            self.page.wait_for_timeout(1000)
            return self.ask(method, path, body)
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.text()}")
        return answer.json() if answer.body() else None

    def usable(self, recording: str) -> None:
        """Decide that a recording can be used."""
        body = {"verdict": "usable", "reason": ""}
        self.ask("POST", f"recordings/{recording}/decisions", body)

    def write_down(self, recording: str, text: str) -> None:
        """Correct what was said, or write it where there is nothing yet."""
        path = f"recordings/{recording}/transcript"
        versions = self.ask("GET", path)["versions"]
        after = versions[0]["revision"] if versions else 0
        self.ask("POST", path, {"after": after, "text": text})

    def agree(self, recording: str, coder: int) -> None:
        """Side by side, by keyboard: take over what the first or the second coder marked, and finish."""
        self.page.evaluate("(id) => { location.hash = '#adjudicate/' + id; }", recording)
        selector = f".area[data-recording='{recording}']"
        self.page.wait_for_selector(selector)
        self.page.keyboard.press(str(coder))
        self.page.wait_for_selector(f"{selector}[data-saving=saved] .lane.answer:not(.other) .mark")
        self.page.keyboard.press("Control+Enter")
        self.page.wait_for_selector(f"{selector}[data-done=yes]")
