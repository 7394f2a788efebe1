"""Debian's Firefox, driven by WebDriver BiDi: what a test needs of it, and no more.

Firefox speaks BiDi itself; no other program stands between.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from patience import HANG_S

#: A camera and a microphone of Firefox's own making, without the question whether they may be used.
PREFERENCES = {
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "intl.accept_languages": "en-CA, en",
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "app.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}
_SEEN = """(css, text) => {
  const shown = (node) => node.getClientRects().length > 0 && node.textContent.includes(text);
  return [...document.querySelectorAll(css)].filter(shown);
}"""


def program() -> str | None:
    """Where Firefox is; None where it is not."""
    return shutil.which("firefox-esr") or shutil.which("firefox")


class Firefox:
    """One Firefox with one tab.

    Args:
        folder: For its profile; it is made.
    """

    def __init__(self, folder: Path) -> None:
        from websockets.sync.client import connect

        folder.mkdir()
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in PREFERENCES.items()]
        (folder / "user.js").write_text("\n".join(lines) + "\n")
        command = [program() or "firefox", "--headless", "--no-remote", "--profile", str(folder)]
        command += ["--remote-debugging-port", "0"]
        self._process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self._line = connect(f"{self._address()}/session", max_size=None)
        self._number = 0
        self._do("session.new", capabilities={})
        tree = self._do("browsingContext.getTree")
        self._tab = tree["contexts"][0]["context"]

    def _address(self) -> str:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            found = re.search(r"WebDriver BiDi listening on (ws://\S+)", line)
            if found:
                return found[1]
        raise AssertionError("Firefox ended before it listened")

    def close(self) -> None:
        self._line.close()
        self._process.kill()
        self._process.wait()

    def _do(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        self._line.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            said = json.loads(self._line.recv(timeout=HANG_S))
            if said.get("id") == self._number:
                assert said["type"] == "success", said
                return said["result"]

    def _call(self, function: str, *arguments: str) -> Any:
        return self._do(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[{"type": "string", "value": text} for text in arguments],
            target={"context": self._tab},
            awaitPromise=True,
        )["result"]

    def run(self, function: str) -> Any:
        """What a function of the page returns, through JSON."""
        found = self._call(f"async () => JSON.stringify(await ({function})())")
        return json.loads(found["value"])

    def goto(self, url: str) -> None:
        self._do("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    def seen(self, css: str, text: str = "") -> list[Any]:
        """The nodes that are shown and hold this text."""
        found: list[Any] = self._call(_SEEN, css, text)["value"]
        return found

    def wait(self, css: str, text: str = "") -> None:
        end = time.monotonic() + HANG_S
        while not self.seen(css, text):
            assert time.monotonic() < end, f"{css} {text} is not shown"
            time.sleep(0.05)

    def click(self, css: str, text: str = "", nth: int = 0) -> None:
        """Press the mouse on a node, as a person does."""
        self.wait(css, text)
        node = self.seen(css, text)[nth]
        self._do(
            "script.callFunction",
            functionDeclaration="(node) => node.scrollIntoView({ block: 'center' })",
            arguments=[{"sharedId": node["sharedId"]}],
            target={"context": self._tab},
            awaitPromise=False,
        )
        origin = {"type": "element", "element": {"sharedId": node["sharedId"]}}
        moves = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        mouse = {"type": "pointer", "id": "mouse", "actions": moves}
        self._do("input.performActions", context=self._tab, actions=[mouse])
