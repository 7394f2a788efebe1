"""A study's server in memory, for the participant's pages alone: it says what docs/study says a
server says, with the same headers, and keeps what was asked of it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; font-src 'self'; "
    "worker-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}


def both(en: str, fr: str) -> dict[str, str]:
    return {"en": en, "fr": fr}


def prompt(name: str, en: str, fr: str, takes: int = 1) -> dict[str, Any]:
    return {"id": name, "text": both(en, fr), "max_s": 30, "min_s": 1, "takes": takes}


def consent_item(name: str, required: bool, en: str, fr: str) -> dict[str, Any]:
    return {"id": name, "required": required, "text": both(en, fr)}


CONSENT = both(
    "We study how people speak about decisions that are hard for them. You will answer three short "
    "questions in front of your camera.\n\nYour recordings are encrypted. You may stop at any time, "
    "and you may withdraw without giving a reason.",
    "Nous étudions comment les gens parlent de décisions difficiles. Vous répondrez à trois courtes "
    "questions devant votre caméra.\n\nVos enregistrements sont chiffrés. Vous pouvez arrêter à tout "
    "moment et vous retirer sans donner de raison.",
)

STUDY: dict[str, Any] = {
    "title": both("Decisions", "Décisions"),
    "languages": ["en", "fr"],
    "contact": both("study@example.org", "etude@example.org"),
    "consent": {
        "version": 1,
        "sha256": {key: hashlib.sha256(text.encode()).hexdigest() for key, text in CONSENT.items()},
        "text": CONSENT,
        "items": [
            consent_item(
                "processing",
                True,
                "I agree that my answers are recorded and processed.",
                "J'accepte que mes réponses soient enregistrées et traitées.",
            ),
            consent_item(
                "pictures",
                False,
                "My picture may be shown in publications.",
                "Mon image peut être montrée dans des publications.",
            ),
        ],
    },
    "checks": {
        "min_light": 40,
        "max_light": 225,
        "min_level_db": -45,
        "face": True,
        "count_to": 10,
    },
    "neutral": prompt(
        "neutral",
        "Please describe the room you are in.",
        "Décrivez la pièce où vous êtes.",
        takes=2,
    ),
    "prompts": [
        prompt("q2", "What have you put off?", "Qu'avez-vous remis à plus tard ?"),
        prompt("q1", "What would you like to change?", "Qu'aimeriez-vous changer ?"),
    ],
    "metadata": [
        {"id": "age", "kind": "number", "text": both("Age", "Âge"), "min": 18, "max": 120},
        {
            "id": "sex",
            "kind": "choice",
            "text": both("Sex", "Sexe"),
            "choices": [
                {"id": "f", "text": both("Female", "Féminin")},
                {"id": "m", "text": both("Male", "Masculin")},
            ],
        },
    ],
    "recording": {
        "chunk_ms": 500,
        "chunk_max_bytes": 8388608,
        "recording_max_bytes": 536870912,
        "video": {"width": 320, "height": 240, "frame_rate": 30},
        "mime": ["video/webm;codecs=vp8,opus"],
    },
    "debriefing": both("This study is about ambivalence.", "Cette étude porte sur l'ambivalence."),
    "payment": both("You will receive 5 dollars.", "Vous recevrez 5 dollars."),
    "test": False,
}


class FakeStudy:
    """One person's study. ``down`` answers nothing; ``log`` has each request in order."""

    def __init__(self, pages: Path) -> None:
        self.pages = pages
        self.down = False
        self.log: list[str] = []
        self.consented: dict[str, Any] | None = None
        self.about_you: dict[str, Any] = {}
        self.check: dict[str, Any] = {}
        self.begun: dict[str, dict[str, Any]] = {}
        self.chunks: dict[str, dict[int, bytes]] = {}
        self.done: dict[str, dict[str, Any]] = {}
        self.withdrawn = False
        self.amended = False
        self.sent_bytes = 0
        handler = type("Handler", (_Handler,), {"study": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def me(self) -> dict[str, Any]:
        items = [STUDY["neutral"], *STUDY["prompts"]]
        return {
            "person": "p1",
            "language": "en",
            "consent": self._consent(),
            "step": "consent",
            "checked": bool(self.check),
            "items": [self._item(item) for item in items],
            "recordings": [
                {"id": key, "item": said["item"], "state": self._state(key), "bytes": 1}
                | {"at": said["started_at"]}
                for key, said in self.begun.items()
            ],
            "withdrawing": None,
            "finished": False,
        }

    def _consent(self) -> dict[str, Any]:
        if self.consented is None:
            return {"current": False, "may_record": False, "version": None, "answers": {}}
        answers = self.consented["answers"]
        current = self.consented["version"] == STUDY["consent"]["version"] and not self.amended
        may = answers["processing"] and current
        return {"current": current, "may_record": may, "version": 1, "answers": answers}

    def _state(self, recording: str) -> str:
        return "complete" if recording in self.done else "open"

    def _item(self, item: dict[str, Any]) -> dict[str, Any]:
        takes = [key for key, said in self.begun.items() if said["item"] == item["id"]]
        state = "none"
        if takes:
            state = "complete" if any(key in self.done for key in takes) else "uploading"
        return {"id": item["id"], "state": state, "takes_left": item["takes"] - len(takes)}

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        chunk = re.fullmatch(r"/api/recordings/(\w+)/chunks/(\d+)", path)
        if chunk:
            self.chunks[chunk[1]][int(chunk[2])] = body
            return 201, {}
        said = json.loads(body) if body else {}
        end = re.fullmatch(r"/api/recordings/(\w+)/done", path)
        if end:
            self.done[end[1]] = said
            return 200, {"state": "complete"}
        return self._answer(f"{method} {path}", said)

    def _answer(self, request: str, said: dict[str, Any]) -> tuple[int, object]:
        match request:
            case "GET /api/public":
                return 200, {"external_id_parameter": "PID"}
            case "POST /api/session":
                if said["token"] != "good":
                    return 403, {"error": "bad_link", "message": "This link is not valid."}
                return 200, {"csrf": "c", "expires_s": 60, "personal_token": "good"}
            case "GET /api/session":
                return 200, {"csrf": "c", "expires_s": 60}
            case "GET /api/study":
                return 200, STUDY
            case "GET /api/me":
                if self.withdrawn:
                    return 410, {"error": "withdrawn", "message": "Withdrawn."}
                return 200, self.me()
            case "POST /api/consent":
                self.consented = said
                return 201, {"at": "now", "may_record": True, "copy": "text"}
            case "PUT /api/me/check":
                self.check = said
                return 204, None
            case "PUT /api/me/metadata":
                self.about_you = said["answers"]
                return 204, None
            case "POST /api/recordings":
                if self.consented is None:
                    return 403, {"error": "no_consent", "message": "No consent."}
                self.begun[said["id"]] = said
                self.chunks.setdefault(said["id"], {})
                return 201, {}
            case "POST /api/finish":
                return 200, {"redirect": "https://panel.example/done", "code": "C0DE"}
            case "POST /api/withdraw":
                self.withdrawn = bool(said.get("all"))
                return 200, {"erased": True, "at": None}
        return 404, {"error": "not_found", "message": "No such thing."}


class _Handler(BaseHTTPRequestHandler):
    study: FakeStudy
    protocol_version = "HTTP/1.1"

    def log_message(self, *given: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    do_PUT = do_POST = do_GET

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        path = self.path.split("?")[0]
        self.study.log.append(f"{self.command} {path}")
        if path.startswith("/api/"):
            if self.study.down:
                self.close_connection = True
                return
            if self.command != "GET" and path != "/api/session":
                assert self.headers["X-CSRF-Token"] == "c"
            status, said = self.study.answer(self.command, path, body)
            sent = b"" if said is None else json.dumps(said).encode()
            self._send(status, "application/json", sent)
            return
        name = path.removeprefix("/static/participant/")
        file = self.study.pages / ("index.html" if path.endswith("/join") else name)
        if file.is_file():
            self._send(200, TYPES[file.suffix], file.read_bytes())
        else:
            self._send(404, "text/plain", b"")

    def _send(self, status: int, kind: str, body: bytes) -> None:
        body = gzip.compress(body)
        self.study.sent_bytes += len(body)
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        if status != 204:
            self.wfile.write(body)
