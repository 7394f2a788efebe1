"""Somebody who takes part by the study's protocol alone, without a browser: for drawn films that are
there already.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

_CHUNK_BYTES = 60_000
_TOO_MANY = 429


@dataclass
class Sender:
    """A participant.

    Args:
        url: Of the study.
        token: Of their link.
    """

    url: str
    token: str
    _headers: dict[str, str] = field(default_factory=dict, init=False)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """One request of the protocol.

        Args:
            method: Of HTTP.
            path: Behind ``/api/``.
            body: Bytes as they are, else JSON.
            headers: Besides.
        """
        content: bytes | None = None
        kind = "application/json"
        if isinstance(body, bytes):
            content, kind = body, "application/octet-stream"
        elif body is not None:
            content = json.dumps(body).encode()
        sent = {**self._headers, "Content-Type": kind, **headers}
        request = urllib.request.Request(f"{self.url}/api/{path}", content, sent, method=method)
        while True:
            try:
                with urllib.request.urlopen(request) as answer:
                    text = answer.read()
                return json.loads(text) if text else None
            except urllib.error.HTTPError as error:
                # So many requests a second are answered, and no more.
                if error.code != _TOO_MANY:
                    raise
                time.sleep(1)

    def enter(self) -> None:
        """Open the link, and say yes to everything."""
        told = self.ask("POST", "session", {"token": self.token, "bearer": True})
        self._headers = {"Authorization": f"Bearer {told['bearer']}"}
        consent = self.ask("GET", "study")["consent"]
        body = {
            "version": consent["version"],
            "sha256": consent["sha256"]["en"],
            "language": "en",
            "answers": {item["id"]: True for item in consent["items"]},
        }
        self.ask("POST", "consent", body)

    def send(self, item: str, film: bytes, duration_s: float) -> str:
        """A whole recording, in chunks.

        Args:
            item: The prompt that it answers.
            film: WebM.
            duration_s: Its length in seconds.

        Returns:
            Its id.
        """
        recording = secrets.token_hex(16)
        begun = {"id": recording, "item": item, "mime": "video/webm;codecs=vp8,opus"}
        self.ask("POST", "recordings", {**begun, "started_at": "2026-11-29T04:30:00.125Z"})
        chunks = [film[at : at + _CHUNK_BYTES] for at in range(0, len(film), _CHUNK_BYTES)]
        hashes = [hashlib.sha256(chunk).hexdigest() for chunk in chunks]
        for number, (chunk, sha256) in enumerate(zip(chunks, hashes, strict=True)):
            path = f"recordings/{recording}/chunks/{number}"
            self.ask("PUT", path, chunk, **{"X-Chunk-SHA256": sha256})
        done = {"chunks": hashes, "bytes": len(film), "stop_reason": "button"}
        self.ask("POST", f"recordings/{recording}/done", {**done, "duration_ms": duration_s * 1000})
        return recording

    def finish(self) -> None:
        """All answers are given."""
        self.ask("POST", "finish")
