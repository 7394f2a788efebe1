"""A real server process that speaks the chat-completion protocol over loopback, with scripted
failures.

The port is printed first. ``POST /script`` with ``{"steps": [{"do": "rate", "after": 1}, {"do":
"say", "text": "Ambivalent"}], "seen": FILE}`` begins a new script: the n-th request gets the n-th
step, and later ones the last; what comes in is appended to the file. With ``--local FOLDER`` the
step ``model`` answers from a transformers model there.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ARGUMENTS = argparse.ArgumentParser()
ARGUMENTS.add_argument("--local", default="")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: tuple[dict, ...] = ()
    seen = ""
    local: object = None
    lock = threading.Lock()
    count = 0

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            body = {"raw": raw.decode("latin-1")}
        if self.path == "/script":
            with Handler.lock:
                Handler.script, Handler.seen, Handler.count = tuple(body["steps"]), body["seen"], 0
            self._json(200, {})
            return
        with Handler.lock:
            step = Handler.script[min(Handler.count, len(Handler.script) - 1)]
            Handler.count += 1
            with open(Handler.seen, "a", encoding="utf-8") as file:
                entry = {
                    "path": self.path,
                    "headers": dict(self.headers),
                    "body": body,
                    "time": time.monotonic(),
                }
                file.write(json.dumps(entry) + "\n")
        with suppress(BrokenPipeError, ConnectionResetError):
            getattr(self, f"do_{step['do']}")(step, body)

    # --- steps
    # -------------------------------------------------------------------------------------------------------

    def do_say(self, step: dict, body: dict) -> None:
        self._json(
            200,
            _completion(
                body, step["text"], step.get("tokens") if body.get("logprobs") else None, step
            ),
        )

    def do_slow(self, step: dict, body: dict) -> None:
        time.sleep(step["s"])
        self.do_say(step, body)

    def do_drip(self, step: dict, body: dict) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "100000")
        self.end_headers()
        for _ in range(200):
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.05)

    def do_drip_headers(self, step: dict, body: dict) -> None:
        """Headers that never end; with ``tells`` it is noted when the other side hangs up."""
        seen = Handler.seen
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        try:
            for _ in range(2000):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            if step.get("tells"):
                with Handler.lock, open(seen, "a", encoding="utf-8") as file:
                    file.write(json.dumps({"hung_up": True}) + "\n")
        self.close_connection = True

    def do_rate(self, step: dict, body: dict) -> None:
        extra = {"Retry-After": str(step["after"])} if "after" in step else {}
        self._json(429, {"error": {"message": step.get("message", "slow down")}}, extra)

    def do_fail(self, step: dict, body: dict) -> None:
        key = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        self._json(
            step["code"],
            {"error": {"message": step.get("message", "broken").replace("{key}", key)}},
        )

    def do_raw(self, step: dict, body: dict) -> None:
        self._send(
            200, step["text"].encode(), {"Content-Type": step.get("type", "application/json")}
        )

    def do_hang_up(self, step: dict, body: dict) -> None:
        self.close_connection = True
        self.connection.close()

    def do_redirect(self, step: dict, body: dict) -> None:
        self._send(307, b"", {"Location": step["to"]})

    def do_picky(self, step: dict, body: dict) -> None:
        """Refuses settings that it does not know, as some servers do."""
        for name in step["refuses"]:
            if name in body:
                self._json(
                    400, {"error": {"message": f"Unsupported parameter: '{name}' is not supported"}}
                )
                return
        self.do_say(step, body)

    def do_model(self, step: dict, body: dict) -> None:
        from twomind.models.llm.ask import Picture, Request

        content = body["messages"][0]["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        pictures = [_decode(p["image_url"]["url"]) for p in parts if p["type"] == "image_url"]
        request = Request(
            "".join(p["text"] for p in parts if p["type"] == "text"),
            tuple(Picture(float(i), rgb) for i, rgb in enumerate(pictures)),
            body["max_tokens"],
            body["temperature"],
            body["seed"],
            body.get("top_logprobs", 0),
        )
        with Handler.lock:
            reply = Handler.local.attempt(request)  # type: ignore[attr-defined]
        tokens = [{"token": t.text, "logprob": t.logprob, "top": dict(t.top)} for t in reply.tokens]
        usage = {"prompt_tokens": reply.tokens_in, "completion_tokens": reply.tokens_out}
        self._json(
            200,
            _completion(body, reply.text, tokens or None, {"usage": usage, "finish": reply.finish}),
        )

    # --- sending
    # -----------------------------------------------------------------------------------------------------

    def _json(self, code: int, entry: dict, headers: dict | None = None) -> None:
        self._send(
            code,
            json.dumps(entry).encode(),
            {"Content-Type": "application/json", **(headers or {})},
        )

    def _send(self, code: int, data: bytes, headers: dict) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _decode(url: str):
    import av
    import numpy as np

    packet = av.Packet(base64.b64decode(url.partition(",")[2]))
    codec = av.CodecContext.create("mjpeg", "r")
    frames = [*codec.decode(packet), *codec.decode(None)]
    return np.ascontiguousarray(frames[0].to_ndarray(format="rgb24"))


def _completion(body: dict, text: str, tokens: list | None, step: dict) -> dict:
    logprobs = None
    if tokens:
        logprobs = {
            "content": [
                {
                    "token": t["token"],
                    "logprob": t["logprob"] if "logprob" in t else math.log(t["p"]),
                    "top_logprobs": [
                        {"token": k, "logprob": v if "logprob" in t else math.log(v)}
                        for k, v in t["top"].items()
                    ],
                }
                for t in tokens
            ]
        }
    choice = {
        "index": 0,
        "finish_reason": step.get("finish", "stop"),
        "message": {"role": "assistant", "content": text},
        "logprobs": logprobs,
    }
    usage = step.get("usage", {"prompt_tokens": 100, "completion_tokens": 3})
    found = {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": body.get("model"),
        "choices": [choice],
    }
    return found if usage is None else {**found, "usage": usage}


def main() -> None:
    given = ARGUMENTS.parse_args()
    if given.local:
        from twomind.models.llm.local import Local

        Handler.local = Local(given.local, offline=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
