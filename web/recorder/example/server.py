"""The smallest server that @twomind/recorder can send to: python3 server.py FOLDER [PORT [PAGES]].

PAGES is the folder of your own pages; without it the example's are served, at /example/.
"""

import hashlib
import json
import os
import re
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEPT = Path(sys.argv[1]).resolve()
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 8000


def keep(path: Path, body: bytes) -> None:
    """Returns when bytes and folder entry are on the disk."""
    part = path.with_name(f"{path.name}.{os.urandom(4).hex()}.part")
    with part.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    for folder in (path.parent, path.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


class Handler(SimpleHTTPRequestHandler):
    def answer(self, status: int, **fields: object) -> None:
        body = json.dumps(fields).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("the line broke in mid-body: nothing is kept")
        return body

    def do_PUT(self) -> None:
        body = self.body()
        match = re.fullmatch(r"/api/recordings/([0-9a-f]{32})/chunks/(\d{1,6})", self.path)
        if match is None or not (KEPT / match[1]).is_dir():
            return self.answer(404, error="not_found")
        path, sha256 = KEPT / match[1] / f"{int(match[2]):06}", hashlib.sha256(body).hexdigest()
        if sha256 != self.headers["X-Chunk-SHA256"]:
            return self.answer(422, error="bad_hash")
        if path.exists() and path.read_bytes() != body:
            return self.answer(409, error="differs")
        keep(path, body)
        self.answer(201, n=int(match[2]), sha256=sha256, bytes=len(body))

    def do_POST(self) -> None:
        body = json.loads(self.body())
        if self.path == "/api/recordings" and re.fullmatch(r"[0-9a-f]{32}", body["id"]):
            (KEPT / body["id"]).mkdir(parents=True, exist_ok=True)
            keep(KEPT / body["id"] / "begin.json", json.dumps(body).encode())
            return self.answer(201)
        match = re.fullmatch(r"/api/recordings/([0-9a-f]{32})/done", self.path)
        if match is None:
            return self.answer(404, error="not_found")
        folder = KEPT / match[1]
        paths = [folder / f"{n:06}" for n in range(len(body["chunks"]))]
        missing = [n for n, path in enumerate(paths) if not path.exists()]
        if missing:
            return self.answer(409, error="hole", missing=missing)
        media = b"".join(path.read_bytes() for path in paths)
        keep(folder / "media", media)
        keep(folder / "manifest.json", json.dumps(body).encode())
        self.answer(200, state="complete")


if __name__ == "__main__":
    os.chdir(sys.argv[3] if len(sys.argv) > 3 else Path(__file__).parents[1])
    ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
