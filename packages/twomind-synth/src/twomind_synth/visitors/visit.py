"""The way through the pages of a study, page by page, with Playwright's browser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page


@dataclass
class Visit:
    """Somebody who takes part.

    Args:
        page: Open, with camera and microphone.
        url: Of the study, as its pages are reached.
    """

    page: Page
    url: str

    def press(self, nth: int = 0) -> None:
        """The page's main button."""
        self.page.locator("main button.main:visible").nth(nth).click()

    def agree(self, token: str) -> None:
        """Open a link, and say yes to everything."""
        self.page.goto(f"{self.url}/join#{token}")
        self.page.wait_for_selector("fieldset")
        for one in self.page.locator("fieldset").all():
            one.locator("input[value=yes]").check()
        self.page.locator("form button").click()
        self.page.wait_for_selector("text=Turn on camera")

    def come_back(self, token: str = "") -> None:
        """The page again: with one's own link, or with the session of this browser."""
        self.page.goto(f"{self.url}/join{'#' if token else ''}{token}")
        self.page.wait_for_selector("text=Turn on camera")

    def check(self, count_ms: float = 2500) -> None:
        """Camera and microphone on, count aloud, and say that it was well."""
        self.press()
        self.page.wait_for_selector("#camera")
        self.page.wait_for_timeout(800)
        self.press()
        self.page.wait_for_timeout(count_ms)
        self.press()
        self.page.wait_for_selector("video[controls]")
        self.press()
        self.page.wait_for_selector("main :text('Show the question'), main form")

    def title(self) -> str:
        """What the page is about."""
        return self.page.locator("h1").inner_text()

    def is_asked(self) -> bool:
        """Whether there is one more prompt; waits for the page that says so."""
        self.page.wait_for_selector("main :text('Show the question'), main form")
        return self.page.locator("main form").count() == 0

    def begin_answer(self) -> None:
        """Show the prompt, and record."""
        self.press()
        self.page.wait_for_selector(".lamp")

    def end_answer(self) -> None:
        """Done; the first take is kept."""
        title = self.title()
        self.press()
        self.page.wait_for_selector(f"button:has-text('Keep this'), h1:not(:text-is('{title}'))")
        if self.page.locator("text=Keep this").count():
            self.press()
        self.page.wait_for_selector(f"h1:not(:text-is('{title}'))")

    def leave_as_they_are(self) -> None:
        """Answers that were interrupted are not given again; a new page asks for each of them."""
        leave = self.page.locator("button:has-text('Leave it as it is')")
        while self.is_asked() and leave.count():
            title = self.title()
            leave.click()
            self.page.wait_for_selector(f"h1:not(:text-is('{title}'))")

    def finish(self) -> None:
        """The form, left empty, and the wait for the last acknowledgement."""
        self.page.locator("form button").click()
        self.page.wait_for_selector("text=All your answers have arrived")

    def withdraw(self) -> None:
        """Erase everything."""
        self.page.click("text=Your data")
        self.page.click("text=Withdraw and erase everything")
        self.page.click("text=Yes, erase everything")
        self.page.wait_for_selector("text=You have withdrawn")
