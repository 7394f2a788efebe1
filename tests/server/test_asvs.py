"""What OWASP's verification standard asks of a server, where no other test asks it.

docs/study/asvs.md names each line and its test; ``test_the_page_of_lines`` holds the page against
the tests.
"""

from __future__ import annotations

import ast
import base64
import json
import logging
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server_world import PASSWORD, Guest, World, as_film, begin_body, sha_of
from twomind.server import access, people, uploads
from twomind.server.place import Place

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "study" / "asvs.md"
SCRIPT = "<script>alert(1)</script>"
SQL = "x'); DROP TABLE person; --"


@pytest.fixture
def guest(world: World) -> Guest:
    found = world.person()
    assert found.agree().status_code == 201
    return found


# --- the page


def lines_of_page() -> dict[str, list[str]]:
    """Number of a line → its tests, as ``file::test``."""
    found = {}
    for row in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if re.fullmatch(r"\d+\.\d+\.\d+", cells[0]):
            found[cells[0]] = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", cells[-1])
    return {number: [f"{file}::{test}" for file, test in tests] for number, tests in found.items()}


def test_the_page_of_lines() -> None:
    """About 25 lines, each with a test that there is."""
    lines = lines_of_page()
    assert len(lines) >= 25
    for number, tests in lines.items():
        assert tests, f"{number} names no test"
        for name in tests:
            file, _, test = name.partition("::")
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            functions = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
            assert test in functions, f"{number}: there is no {name}"


# --- passwords and sessions


def test_passwords_are_kept_as_argon2id() -> None:
    """With the settings that are used: in this process the tests hash quickly."""
    code = "from twomind.server import access; print(access._NOBODY)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kind, version, cost = told.stdout.split("$")[1:4]
    values = dict(part.split("=") for part in cost.split(","))
    assert (kind, version) == ("argon2id", "v=19")
    # OWASP's least: 19 MiB and two passes.
    assert int(values["m"]) >= 19 * 1024
    assert int(values["t"]) >= 2


@pytest.mark.parametrize("length", [12, 64, 200])
def test_no_part_of_a_password_is_ignored(world: World, length: int) -> None:
    password = ("é" + "x" * 300)[:length]
    access.set_password(world.place, "ada", password)
    path = "/api/researcher/session"

    def status(tried: str) -> int:
        return world.client().post(path, json={"name": "ada", "password": tried}).status_code

    assert status(password) == 200
    assert status(password[:-1]) == 403
    assert status(password[:-1] + "y") == 403


def test_a_session_is_new_random_and_long(world: World, guest: Guest) -> None:
    def token() -> str:
        client = world.client()
        assert client.post("/api/session", json={"token": guest.token}).status_code == 200
        return client.cookies["twomind_session"]

    found = {token() for _ in range(20)}
    assert len(found) == 20
    assert all(len(base64.urlsafe_b64decode(one + "==")) >= 32 for one in found)
    # Who shows a token of their own gets another one.
    headers = {"Cookie": "twomind_session=chosen-by-somebody-else"}
    answer = world.client().post("/api/session", json={"token": guest.token}, headers=headers)
    assert "chosen-by-somebody-else" not in answer.headers["set-cookie"]


def test_no_token_stands_in_an_address(world: World, guest: Guest) -> None:
    team = world.researcher()
    links = team.post("/api/researcher/invitations/people", json={"names": ["x"]}).json()["links"]
    panel = team.post("/api/researcher/invitations/panels", json={"label": "x"}).json()["link"]
    test = team.post("/api/researcher/test-participants").json()["link"]
    for link in (links[0]["link"], panel, test):
        sent, _, token = link.partition("#")
        assert len(token) > 40
        assert token not in sent
    # And no address takes one.
    answer = world.client().get("/api/me", params={"token": guest.token})
    assert answer.status_code == 401


# --- what is sent


def test_a_change_needs_the_type_that_no_foreign_form_can_send(world: World, guest: Guest) -> None:
    body = json.dumps({"token": guest.token})
    for kind in (None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        headers = {} if kind is None else {"Content-Type": kind}
        answer = world.client().post("/api/session", content=body, headers=headers)
        assert answer.status_code in (400, 422), kind
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/recordings", begin_body("a" * 32) | {"person": "b", "state": "complete"}),
        ("/api/session", {"token": "x", "role": "researcher"}),
        ("/api/withdraw", {"all": False, "person": "b"}),
    ],
)
def test_fields_that_nobody_asked_for_are_refused(
    guest: Guest, path: str, body: dict[str, Any]
) -> None:
    answer = guest.client.post(path, json=body)
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")


@pytest.mark.parametrize(
    "text", [SCRIPT, SQL, "../../etc/passwd", "\u202ename", "'\"`${7*7}{{7*7}}"]
)
def test_texts_are_texts(world: World, text: str) -> None:
    """Scripts, SQL and paths in names come back as they were sent, as JSON, and do nothing."""
    guest = world.person(text)
    guest.agree()
    guest.client.put("/api/me/metadata", json={"answers": {"region": text}})
    team = world.researcher()
    team.post("/api/researcher/invitations/panels", json={"label": text})
    answer = team.get("/api/researcher/people")
    assert answer.headers["content-type"] == "application/json"
    assert [one["external_id"] for one in answer.json()["people"]] == [text]
    panels = team.get("/api/researcher/invitations/panels").json()["panels"]
    assert [one["label"] for one in panels] == [text]
    with world.place.database.reading() as reading:
        private = world.place.opened(
            guest.person, people.find(reading, guest.person).private, people.PRIVATE
        )
    assert private["metadata"] == {"region": text}


@pytest.mark.parametrize(
    "path",
    [
        "/static/participant/../../study.toml",
        "/static/participant/..%2f..%2fstudy.toml",
        "/static/participant/%2e%2e/%2e%2e/study.toml",
        "/static/participant//etc/passwd",
        "/static/participant/..\\..\\study.toml",
        "/static/participant/",
        "/static/participant/assets/",
        "/static/participant/%00",
    ],
)
def test_no_path_leads_out_of_the_pages_and_no_folder_is_listed(
    make_world: Callable[..., World], path: str
) -> None:
    world = make_world("pages")
    assets = world.folder / "no-pages" / "participant" / "assets"
    assets.mkdir(parents=True)
    (assets / "a.js").write_text("1")
    client = world.client()
    assert client.get("/static/participant/assets/a.js").status_code == 200
    assert client.get(path).status_code == 404


def test_pages_travel_packed_to_who_unpacks_them(make_world: Callable[..., World]) -> None:
    world = make_world("pages")
    folder = world.folder / "no-pages" / "participant"
    (folder / "assets").mkdir(parents=True)
    script = "let one = 1;\n" * 500
    (folder / "assets" / "a.js").write_text(script)
    (folder / "assets" / "b.png").write_bytes(b"png" * 500)
    (folder / "index.html").write_text("<p>page</p>")
    client = world.client()

    def ask(path: str, accepts: str) -> Any:
        return client.get(path, headers={"Accept-Encoding": accepts})

    for accepts, packed in (
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("br", False),
        ("gzip;q=0", False),
    ):
        for path, text in (("/static/participant/assets/a.js", script), ("/join", "<p>page</p>")):
            answer = ask(path, accepts)
            assert answer.text == text
            assert (answer.headers.get("content-encoding") == "gzip") is packed
            assert answer.headers["vary"] == "Accept-Encoding"
            assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert int(ask("/static/participant/assets/a.js", "gzip").headers["content-length"]) < 200
    assert "content-encoding" not in ask("/static/participant/assets/b.png", "gzip").headers
    # What holds a secret is never packed: its length would tell of it.
    assert "content-encoding" not in ask("/api/public", "gzip").headers
    # A page that is built anew is sent anew.
    (folder / "index.html").write_text("<p>other</p>")
    os.utime(folder / "index.html", (1, 1))
    assert ask("/join", "gzip").text == "<p>other</p>"


# --- uploads


def test_what_is_uploaded_is_sent_as_film_only(guest: Guest) -> None:
    """A page in place of a film is refused, and within one it stays text that no browser runs."""
    page = b"<!doctype html>" + SCRIPT.encode()
    assert guest.put(guest.begin("q1"), 0, page).status_code == 415
    recording = guest.record("q1", [as_film(b"film") + page])
    answer = guest.client.get(f"/api/recordings/{recording}/media")
    assert answer.headers["content-type"] == "video/webm"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    for mime in ("text/html", "video/webm\r\nX-Evil: 1", "image/svg+xml", "video/webm<script>"):
        body = begin_body(secrets.token_hex(16), "q2") | {"mime": mime}
        assert guest.client.post("/api/recordings", json=body).status_code == 422


def test_uploads_lie_outside_the_pages_under_names_of_the_server(guest: Guest) -> None:
    guest.record("q1", [as_film(b"film")])
    place = guest.world.place
    files = [path for path in place.people.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert re.fullmatch(r"\d{6}\.sealed", path.name)
        assert path.stat().st_mode & 0o177 == 0
        assert path.parent.stat().st_mode & 0o077 == 0
    assert not any(path.is_relative_to(guest.world.folder / "no-pages") for path in files)


@pytest.mark.parametrize("recording", ["../" + "a" * 29, "A" * 32, "a" * 31, "a" * 33, "%2e" * 10])
def test_no_id_is_a_path(guest: Guest, recording: str) -> None:
    body = begin_body(recording, "q1")
    assert guest.client.post("/api/recordings", json=body).status_code == 422
    answer = guest.client.put(
        f"/api/recordings/{recording}/chunks/0",
        content=b"a",
        headers={"X-Chunk-SHA256": sha_of(b"a")},
    )
    assert answer.status_code in (404, 405, 422)


def test_nobody_begins_recordings_without_end(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_MOST_BEGUN", 3)
    statuses = []
    for _ in range(5):
        body = begin_body(secrets.token_hex(16), "q1")
        statuses.append(guest.client.post("/api/recordings", json=body).status_code)
    assert statuses == [201, 201, 201, 409, 409]


# --- answers and logs


@pytest.mark.parametrize("path", ["/api/me", "/api/public", "/robots.txt", "/join", "/nothing"])
def test_every_answer_says_what_it_is(guest: Guest, path: str) -> None:
    kind = guest.client.get(path).headers["content-type"]
    assert kind == "application/json" or kind.endswith("; charset=utf-8")


def test_no_other_site_reads_an_answer(guest: Guest) -> None:
    for origin in ("https://evil.example", "null"):
        headers = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
        for method in ("GET", "OPTIONS", "POST"):
            answer = guest.client.request(method, "/api/me", headers=headers)
            assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "PATCH", "HEAD", "CONNECT", "X-EVIL"])
def test_methods_that_no_address_has(guest: Guest, method: str) -> None:
    assert guest.client.request(method, "/api/me").status_code == 405


def test_a_failed_sign_in_is_in_the_log_and_its_password_is_not(world: World) -> None:
    team = world.researcher()
    tried = "not the password 123"
    for name in ("ada", "nobody-of-this-name"):
        body = {"name": name, "password": tried}
        assert world.client().post("/api/researcher/session", json=body).status_code == 403
    lines = team.get("/api/researcher/audit").json()["lines"]
    refused = [line for line in lines if line["what"] == "sign-in refused"]
    assert [line["who"] for line in refused] == ["somebody", "researcher ada"]
    assert tried not in json.dumps(lines)
    assert "nobody-of-this-name" not in json.dumps(lines)


def test_logs_hold_nothing_of_anybody(
    guest: Guest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even when what fails says in its message what it worked on."""
    caplog.set_level(logging.DEBUG)
    session = guest.client.cookies["twomind_session"]
    said = "what I said about my mother"

    def fails(_place: Place, _person: str, _part: str, values: Any) -> None:
        raise ValueError(f"cannot keep {values}")

    guest.client.put("/api/me/metadata", json={"answers": {"region": said}})
    monkeypatch.setattr(people, "tell", fails)
    answer = guest.client.put("/api/me/metadata", json={"answers": {"region": said}})
    assert answer.status_code == 500
    guest.world.researcher()
    # The test's own client logs what it asks: it is no part of the server.
    server = [one for one in caplog.records if not one.name.startswith("http")]
    logged = "\n".join(f"{one.getMessage()}\n{one.exc_text or ''}" for one in server)
    assert "ValueError" in logged
    assert "people.tell" in logged
    for secret in (said, guest.token, session, guest.person, PASSWORD):
        assert secret not in logged
