"""Weights are whole, described, and never half there (R5)."""

from __future__ import annotations

import hashlib
import http.server
import importlib.util
import json
import threading
from pathlib import Path

import pytest

from twomind.core import weights
from twomind.core.errors import BadInput, MissingWeights, Offline

BYTES = bytes(range(256)) * 400
SUM = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture(autouse=True)
def shelf(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TWOMIND_WEIGHTS", str(tmp_path / "shelf"))
    return tmp_path / "shelf"


@pytest.fixture
def server():
    """A server on this machine: /whole, /cut (breaks off in the middle), anything else is 404."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path not in ("/whole", "/cut"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(BYTES)))
            self.end_headers()
            self.wfile.write(BYTES if self.path == "/whole" else BYTES[: len(BYTES) // 2])

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def left_over(shelf: Path) -> list[Path]:
    return list(shelf.rglob("*")) if shelf.exists() else []


def test_a_file_is_copied_described_and_found(tmp_path, shelf) -> None:
    source = tmp_path / "m.bin"
    source.write_bytes(BYTES)
    found = weights.add("mine", str(source), sha256=SUM, licence="MIT", allowed_use="research")
    assert (found.state, found.licence, found.allowed_use) == ("present", "MIT", "research")
    assert (weights.locate("mine") / "m.bin").read_bytes() == BYTES
    assert "mine" in {row["name"] for row in weights.as_rows()}


def test_a_download_that_breaks_off_leaves_nothing(server, shelf) -> None:
    with pytest.raises(MissingWeights, match=r"(broke off|failed)"):
        weights.add("mine", f"{server}/cut")
    assert left_over(shelf) == []
    weights.add("mine", f"{server}/whole", sha256=SUM)
    with pytest.raises(MissingWeights):
        weights.add("mine", f"{server}/cut")
    assert weights.survey()[-1].state == "present", "a failed update keeps what was there"


def test_a_wrong_sum_or_an_absent_file_leaves_nothing(server, shelf) -> None:
    with pytest.raises(MissingWeights, match="expected SHA-256"):
        weights.add("mine", f"{server}/whole", sha256="0" * 64)
    with pytest.raises(MissingWeights, match="failed"):
        weights.add("mine", f"{server}/nothing")
    assert left_over(shelf) == []


def test_offline_forbids_the_download(server, shelf) -> None:
    with pytest.raises(Offline, match="not allowed"):
        weights.add("mine", f"{server}/whole", offline=True)


def test_a_flipped_byte_is_noticed(tmp_path) -> None:
    source = tmp_path / "m.bin"
    source.write_bytes(BYTES)
    weights.add("mine", str(source))
    kept = weights.locate("mine") / "m.bin"
    kept.write_bytes(b"\xff" + BYTES[1:])
    assert next(f for f in weights.survey() if f.name == "mine").state == "damaged"
    with pytest.raises(MissingWeights, match="damaged"):
        weights.locate("mine")


def test_a_folder_needs_the_files_its_reader_needs(tmp_path, shelf) -> None:
    folder = tmp_path / "whisper"
    folder.mkdir()
    (folder / "model.bin").write_bytes(BYTES)
    with pytest.raises(MissingWeights, match=r"missing: .*config\.json"):
        weights.add("whisper-tiny", str(folder))
    assert left_over(shelf) == []
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    assert weights.add("whisper-tiny", str(folder)).licence == "MIT"


@pytest.mark.parametrize("name", ["", "../evil", "a/b", ".hidden"])
def test_a_name_that_is_a_path_is_refused(name) -> None:
    with pytest.raises(BadInput, match="plain name"):
        weights.add(name, "x")


def test_nothing_there(tmp_path) -> None:
    with pytest.raises(BadInput, match="expected a file"):
        weights.add("mine", str(tmp_path / "nothing"))
    with pytest.raises(MissingWeights, match="twomind weights add"):
        weights.locate("whisper-base")


def test_the_shipped_and_bundled_weights_match_their_sums() -> None:
    states = {f.name: f.state for f in weights.survey()}
    assert states["words"] == "present"
    if importlib.util.find_spec("mediapipe") is not None:
        assert states["mediapipe-face"] == "present"


def test_the_manifest_is_readable_and_holds_every_sum(tmp_path) -> None:
    source = tmp_path / "m.bin"
    source.write_bytes(BYTES)
    weights.add("mine", str(source))
    manifest = json.loads((weights.folder() / "mine" / "manifest.json").read_text())
    assert manifest["files"] == {"m.bin": SUM}
    assert manifest["licence"] == "not stated"
