"""Every address × every role: nobody sees or changes what is not theirs.

The table is held against the application's own routes: an address without a line in it fails.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import select
from starlette.testclient import TestClient

import server_traces
from server_world import PASSWORD, Guest, World, as_film, begin_body, done_body, sha_of
from twomind.server import access, coders, recruiting
from twomind.server.tables import Person

ROLES = (
    "anonymous", "a", "b", "coder", "coder without", "researcher",
    "other researcher", "other participant", "other coder",
)  # fmt: skip
#: Who may see something of A.
OF_A = ("a", "researcher", "coder")
CONTENT = as_film(b"what A said")


@dataclass
class Stage:
    """A study with two participants and a researcher, and another study beside it."""

    world: World
    other: World
    a: Guest
    b: Guest
    complete: str
    begun: str
    panel: str
    coder: str
    clients: dict[str, TestClient] = field(default_factory=dict)


@pytest.fixture(scope="module")
def studies(module_path: Path) -> tuple[World, World]:
    """Two studies for the whole file: each test has people of its own in the first."""
    return World(module_path / "one"), World(module_path / "two")


NOTES = ("whispered to nobody", "seen by nobody", "asked for no reason")


def stage_in(world: World, other: World) -> Stage:
    """Two new people, and everybody else who may ask."""
    a, b = world.person(f"panel-id-of-a {secrets.token_hex(4)}"), world.person()
    for guest in (a, b):
        guest.agree()
    a.client.put("/api/me/metadata", json={"answers": {"region": "where A lives"}})
    complete = a.record("q1", [CONTENT])
    begun = a.begin("q2")
    a.put(begun, 0, CONTENT)
    panel = recruiting.panel(world.place, "ada", "panel")["id"]
    server_traces.leave(world, complete, server_traces.Traces(*NOTES))
    clients = {"anonymous": world.client(), "a": a.client, "b": b.client}
    clients["researcher"] = world.researcher()
    assigned, without = (coders.make(world.place, "ada", secrets.token_hex(4)) for _ in "12")
    coders.assign(world.place, "ada", assigned["id"], complete)
    clients["coder"] = world.coder(assigned["link"])
    clients["coder without"] = world.coder(without["link"])
    elsewhere = coders.make(other.place, "ada", secrets.token_hex(4))
    # Sessions of another study, shown to this one.
    for role, stranger in (
        ("other researcher", other.researcher()),
        ("other participant", other.person().client),
        ("other coder", other.coder(elsewhere["link"])),
    ):
        client = world.client()
        client.cookies = stranger.cookies
        client.headers.update(stranger.headers)
        clients[role] = client
    return Stage(world, other, a, b, complete, begun, panel, assigned["id"], clients)


@pytest.fixture(scope="module")
def shared(studies: tuple[World, World]) -> Stage:
    """One for all tests that end and erase nothing."""
    return stage_in(*studies)


@pytest.fixture
def stage(studies: tuple[World, World]) -> Stage:
    """New people in the studies of the file."""
    return stage_in(*studies)


@pytest.fixture
def own_stage(make_world: Callable[..., World]) -> Stage:
    """In studies of this test alone, which it may spoil."""
    return stage_in(make_world("one"), make_world("two"))


@dataclass(frozen=True)
class Line:
    """One address: what is sent, and the status that each role gets; others get 401."""

    allowed: dict[str, int]
    body: Callable[[Stage], Any] | None = None
    otherwise: int = 401


def everybody(status: int, body: Callable[[Stage], Any] | None = None) -> Line:
    return Line({}, body, status)


def own(status: int, body: Callable[[Stage], Any] | None = None, **more: int) -> Line:
    """Of whoever asks."""
    return Line({"a": status, "b": status, **more}, body)


def of_a(status: int, body: Callable[[Stage], Any] | None = None) -> Line:
    """Of A: to B, it is not there."""
    return Line({"a": status, "b": 404}, body)


def coded(status: int, without: int, body: Callable[[Stage], Any] | None = None) -> Line:
    """Of the coder whose it is; of the other one."""
    return Line({"coder": status, "coder without": without}, body)


def team(status: int, body: Callable[[Stage], Any] | None = None) -> Line:
    return Line({"researcher": status}, body)


def consent_body(stage: Stage) -> dict[str, Any]:
    consent = stage.world.place.study.consent
    answers = dict.fromkeys(("processing", "storage", "pictures"), True)
    return {"version": 1, "sha256": consent.sha256("en"), "language": "en", "answers": answers}


def a_token(_stage: Stage) -> dict[str, Any]:
    return {"token": "forged"}


def own_recording(_stage: Stage) -> dict[str, Any]:
    return begin_body(secrets.token_hex(16), "q2")


def no_marks(_stage: Stage) -> dict[str, Any]:
    return {"after": 0, "marks": []}


def old_version(_stage: Stage) -> dict[str, Any]:
    return {"after": 999}


LINES: dict[str, Line] = {
    "GET /join": everybody(503),
    "GET /fr/join": everybody(503),
    "GET /researcher": everybody(503),
    "GET /fr/researcher": everybody(503),
    "GET /code": everybody(503),
    "GET /fr/code": everybody(503),
    "GET /robots.txt": everybody(200),
    "GET /static/participant/{path:path}": everybody(404),
    "GET /static/researcher/{path:path}": everybody(404),
    "GET /static/coder/{path:path}": everybody(404),
    "GET /api/public": everybody(200),
    "POST /api/session": everybody(403, a_token),
    "GET /api/session": own(200),
    "DELETE /api/session": own(204),
    "GET /api/study": own(200),
    "GET /api/me": own(200),
    "PUT /api/me/metadata": own(204, lambda _: {"answers": {"age": 30}}),
    "PUT /api/me/check": own(204, lambda _: {"passed": True}),
    "GET /api/me/download": own(200),
    "POST /api/finish": own(409),
    "POST /api/consent": own(200, consent_body),
    "GET /api/consent/copy": own(200),
    "POST /api/withdraw": own(200, lambda _: {"all": True}),
    "POST /api/withdraw/cancel": own(204),
    "POST /api/recordings": own(201, own_recording),
    "PUT /api/recordings/{recording}/chunks/{number}": of_a(200, lambda _: CONTENT),
    "PUT /api/recordings/{recording}/events": of_a(204, lambda _: {"events": []}),
    "POST /api/recordings/{recording}/done": of_a(200, lambda _: done_body([CONTENT])),
    "GET /api/recordings/{recording}": of_a(200),
    "GET /api/recordings/{recording}/media": of_a(200),
    "POST /api/researcher/session": everybody(403, lambda _: {"name": "ada", "password": "x"}),
    "POST /api/researcher/password": everybody(
        403, lambda _: {"token": "x", "name": "eve", "password": PASSWORD}
    ),
    "GET /api/researcher/oidc": everybody(200),
    # This study has no provider.
    "GET /api/researcher/oidc/start": everybody(404),
    "GET /api/researcher/oidc/back": everybody(404),
    "GET /api/researcher/session": team(200),
    "DELETE /api/researcher/session": team(204),
    "GET /api/researcher/people": team(200),
    "POST /api/researcher/invitations/people": team(201, lambda _: {"names": ["x"]}),
    "POST /api/researcher/invitations/panels": team(201, lambda _: {"label": "x"}),
    "GET /api/researcher/invitations/panels": team(200),
    "DELETE /api/researcher/invitations/panels/{invitation}": team(204),
    "POST /api/researcher/test-participants": team(201),
    "POST /api/researcher/people/{person}/link": team(200),
    "DELETE /api/researcher/people/{person}": team(204),
    "GET /api/researcher/audit": team(200),
    "GET /api/researcher/study": team(200),
    "GET /api/researcher/people/{person}": team(200),
    "GET /api/researcher/queue": team(200),
    "GET /api/researcher/recordings/{recording}": team(200),
    "GET /api/researcher/recordings/{recording}/media": team(200),
    "POST /api/researcher/recordings/{recording}/decisions": team(
        201, lambda _: {"verdict": "exclude", "reason": "too dark"}
    ),
    "POST /api/researcher/recordings/{recording}/measure": team(202),
    "GET /api/researcher/recordings/{recording}/transcript": team(200),
    "POST /api/researcher/recordings/{recording}/transcript": team(
        201, lambda _: {"after": 2, "text": "other words"}
    ),
    "GET /api/researcher/recordings/{recording}/result": team(200),
    "POST /api/researcher/coders": team(201, lambda _: {"name": secrets.token_hex(4)}),
    "GET /api/researcher/coders": team(200),
    "POST /api/researcher/coders/{coder}/link": team(200),
    "DELETE /api/researcher/coders/{coder}": team(204),
    "PUT /api/researcher/coders/{coder}/recordings/{recording}": team(204),
    "DELETE /api/researcher/coders/{coder}/recordings/{recording}": team(204),
    "POST /api/coder/session": everybody(403, a_token),
    "GET /api/coder/session": coded(200, 200),
    "DELETE /api/coder/session": coded(204, 204),
    "GET /api/coder/recordings": coded(200, 200),
    "GET /api/coder/recordings/{recording}/media": coded(200, 404),
    "GET /api/coder/study": coded(200, 200),
    # What was recorded here is no film.
    "GET /api/coder/recordings/{recording}": coded(422, 404),
    "PUT /api/coder/recordings/{recording}/marks": coded(200, 404, no_marks),
    "POST /api/coder/recordings/{recording}/undo": coded(409, 404, old_version),
    "POST /api/coder/recordings/{recording}/redo": coded(409, 404, old_version),
    "POST /api/coder/recordings/{recording}/done": coded(409, 404, old_version),
    "GET /api/coder/recordings/{recording}/eaf": coded(200, 404),
    "PUT /api/coder/recordings/{recording}/eaf": coded(422, 422),
    "GET /api/researcher/coding": team(200),
    "GET /api/researcher/coding/agreement": team(200),
    "GET /api/researcher/coding/table.csv": team(200),
    "POST /api/researcher/coding/assignments": team(200, lambda _: {"coders": 1}),
    "PUT /api/researcher/coding/gold/{recording}": team(409),
    "DELETE /api/researcher/coding/gold/{recording}": team(404),
    "PUT /api/researcher/coding/admission/{coder}": team(204),
    "DELETE /api/researcher/coding/admission/{coder}": team(204),
    "DELETE /api/researcher/coding/recordings/{recording}/done/{coder}": team(204),
    "GET /api/researcher/coding/recordings/{recording}": team(422),
    "GET /api/researcher/coding/recordings/{recording}/media": team(200),
    "PUT /api/researcher/coding/recordings/{recording}/marks": team(200, no_marks),
    "POST /api/researcher/coding/recordings/{recording}/undo": team(409, old_version),
    "POST /api/researcher/coding/recordings/{recording}/redo": team(409, old_version),
    "POST /api/researcher/coding/recordings/{recording}/done": team(409, old_version),
    "DELETE /api/researcher/coding/recordings/{recording}/done": team(204),
    "GET /api/researcher/coding/recordings/{recording}/eaf": team(404),
}
UNSAFE = [name for name in LINES if not name.startswith("GET") and LINES[name].otherwise == 401]


def routes(app: Any) -> Iterator[str]:
    """Every address of the application."""
    waiting = list(app.routes)
    while waiting:
        route = waiting.pop()
        inner = getattr(route, "routes", None) or getattr(
            getattr(route, "original_router", None), "routes", None
        )
        if isinstance(route, APIRoute):
            for method in route.methods:
                yield f"{method} {route.path}"
        elif inner:
            waiting.extend(inner)
        else:
            yield f"? {getattr(route, 'path', route)}"


def ask(stage: Stage, name: str, client: TestClient, **more: Any) -> Any:
    method, _, path = name.partition(" ")
    values = {
        "recording": stage.complete,
        "number": "0",
        "person": stage.a.person,
        "invitation": stage.panel,
        "coder": stage.coder,
        "path:path": "x.js",
    }
    path = re.sub(r"{([^}]+)}", lambda found: values[found.group(1)], path)
    line = LINES[name]
    body = line.body(stage) if line.body else None
    if isinstance(body, bytes):
        more["content"] = body
        more["headers"] = {"X-Chunk-SHA256": sha_of(body), **more.get("headers", {})}
    elif body is not None:
        more["json"] = body
    return client.request(method, path, **more)


def test_every_address_has_a_line(shared: Stage) -> None:
    assert sorted(routes(shared.world.app)) == sorted(LINES)


def ends(name: str) -> bool:
    """Whether a request ends or erases something, so that nothing can be asked after it."""
    return name.startswith("DELETE") or name == "POST /api/withdraw"


@pytest.mark.parametrize("name", LINES)
def test_the_matrix(request: pytest.FixtureRequest, name: str) -> None:
    stage: Stage = request.getfixturevalue("stage" if ends(name) else "shared")
    line = LINES[name]
    names_of_a = ("panel-id-of-a", "where A lives", stage.a.person, stage.begun, *NOTES, "0.4321")
    # The right ones last: they may end or erase what the others ask for.
    order = sorted(ROLES, key=lambda role: role in OF_A)
    for role in order:
        answer = ask(stage, name, stage.clients[role])
        want = line.allowed.get(role, line.otherwise)
        assert answer.status_code == want, (role, answer.text)
        hidden: tuple[str, ...] = ()
        if role == "a":
            # What is measured of somebody and noted about them is not told to them.
            hidden = (NOTES[1], NOTES[2], "0.4321")
        elif role == "coder":
            hidden = names_of_a
        elif role != "researcher":
            hidden = (*names_of_a, "what A said")
        for secret in hidden:
            assert secret not in answer.text, (role, secret)


def test_no_other_page_can_change_anything(stage: Stage) -> None:
    """What is right is in the matrix; here, nothing changes, so one stage does for all."""
    theirs = stage.b.client.headers["X-CSRF-Token"]
    for role in OF_A:
        del stage.clients[role].headers["X-CSRF-Token"]
    for name in UNSAFE:
        role = next(role for role in OF_A if role in LINES[name].allowed)
        for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "x"}, {"X-CSRF-Token": theirs}):
            answer = ask(stage, name, stage.clients[role], headers=headers)
            assert (answer.status_code, answer.json()["error"]) == (403, "csrf"), (name, headers)


def test_a_recording_that_is_begun_takes_nothing_from_another(shared: Stage) -> None:
    assert shared.b.put(shared.begun, 1, b"from B").status_code == 404
    assert shared.b.done(shared.begun, [CONTENT]).status_code == 404
    answer = shared.b.client.post("/api/recordings", json=begin_body(shared.begun, "q2"))
    assert answer.status_code == 409
    assert "chunks" not in answer.json()


# --- links and sessions


def enter(world: World, token: str, **more: Any) -> Any:
    return world.client().post("/api/session", json={"token": token, **more})


def test_forged_links_open_nothing(shared: Stage) -> None:
    good = shared.a.token
    payload, stamp, signature = good.split(".")
    b_payload = shared.b.token.split(".")[0]
    place = shared.world.place
    forged = [
        "", "x", "..", good[:-1], good + "x", f"{b_payload}.{stamp}.{signature}",
        f"{payload}.AAAAAA.{signature}", f"{payload}..{signature}", "a" * 401, "\u00e9.\u00e9.\u00e9",
        access.link_token(shared.other.place, "person", shared.a.person),
        access.link_token(place, "setup", shared.a.person),
        access.link_token(place, "panel", shared.a.person),
        access.link_token(place, "coder", shared.a.person),
    ]  # fmt: skip
    for token in forged:
        answer = enter(shared.world, token)
        assert answer.status_code in (403, 422), token
        assert "set-cookie" not in answer.headers
    assert enter(shared.world, "a" * 401).status_code == 422


def test_links_grow_old(shared: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    import itsdangerous.timed as timed

    assert enter(shared.world, shared.a.token).status_code == 200
    real = timed.time.time()
    monkeypatch.setattr(timed.time, "time", lambda: real + 61 * 86400)
    answer = enter(shared.world, shared.a.token)
    assert (answer.status_code, answer.json()["error"]) == (403, "bad_link")


def test_sessions_end(own_stage: Stage) -> None:
    stage = own_stage
    client = stage.a.client
    copied = dict(client.cookies)
    stage.world.clock.ahead = timedelta(hours=11.9)
    assert client.get("/api/me").status_code == 200
    stage.world.clock.ahead = timedelta(hours=12.1)
    assert client.get("/api/me").status_code == 401
    stage.world.clock.ahead = timedelta()
    assert client.delete("/api/session").status_code == 204
    replay = stage.world.client()
    replay.cookies.update(copied)
    assert replay.get("/api/me").status_code == 401


def test_a_session_is_of_one_role(shared: Stage) -> None:
    client = shared.world.client()
    value = shared.a.client.cookies["twomind_session"]
    client.cookies.set("twomind_researcher", value)
    assert client.get("/api/researcher/people").status_code == 401
    bearer = shared.clients["researcher"].cookies["twomind_researcher"]
    headers = {"Authorization": f"Bearer {bearer}"}
    assert client.get("/api/me", headers=headers).status_code == 401
    assert client.get("/api/researcher/people", headers=headers).status_code == 401


def test_a_bearer_needs_no_cookie_and_no_csrf(shared: Stage) -> None:
    told = enter(shared.world, shared.a.token, bearer=True)
    assert "set-cookie" not in told.headers
    headers = {"Authorization": f"Bearer {told.json()['bearer']}"}
    client = shared.world.client()
    assert client.get("/api/me", headers=headers).status_code == 200
    body = {"answers": {}}
    assert client.put("/api/me/metadata", json=body, headers=headers).status_code == 204


def test_the_cookie_is_for_this_site_and_for_no_script(own_stage: Stage) -> None:
    stage = own_stage
    cookie = enter(stage.world, stage.a.token).headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
        assert part in cookie
    secure = stage.world
    secure.text = lambda text: text.replace(
        "[server]", '[server]\npublic_url = "https://study.example"'
    )
    secure.start()
    answer = enter(secure, stage.a.token)
    assert "Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")


def test_the_first_password_is_set_once(make_world: Callable[..., World]) -> None:
    world = make_world("fresh")
    token = access.link_token(world.place, "setup", "first")
    body = {"token": token, "name": "ada", "password": "short"}
    client = world.client()
    path = "/api/researcher/password"
    assert client.post(path, json=body).status_code == 422
    assert client.post(path, json=body | {"password": PASSWORD}).status_code == 204
    again = client.post(path, json=body | {"name": "eve", "password": PASSWORD})
    assert again.status_code == 403
    signed_in = client.post("/api/researcher/session", json={"name": "ada", "password": PASSWORD})
    assert signed_in.status_code == 200


def test_a_new_password_ends_old_sessions(stage: Stage) -> None:
    client = stage.clients["researcher"]
    assert client.get("/api/researcher/people").status_code == 200
    access.set_password(stage.world.place, "ada", "another " + PASSWORD)
    assert client.get("/api/researcher/people").status_code == 401


def test_passwords_and_sessions_are_not_kept_in_clear(shared: Stage) -> None:
    cookie = shared.a.client.cookies["twomind_session"]
    for path in Path(shared.world.folder).rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert PASSWORD.encode() not in content
            assert cookie.encode() not in content


# --- for every answer


@pytest.mark.parametrize(
    "path", ["/api/me", "/api/public", "/join", "/researcher", "/nothing", "/api/nothing"]
)
def test_the_headers_of_every_answer(shared: Stage, path: str) -> None:
    headers = shared.a.client.get(path).headers
    policy = headers["content-security-policy"]
    for part in ("default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"):
        assert part in policy
    assert "unsafe-inline" not in policy
    assert "'unsafe-eval'" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


@pytest.mark.parametrize("length", ["-1", "x", "1e9", "³"])
def test_lengths_that_are_none(shared: Stage, length: str) -> None:
    headers = {b"Content-Length": length.encode("latin-1")}
    answer = shared.a.client.post("/api/finish", headers=headers)
    assert answer.status_code == 400


def test_a_long_body_is_refused_before_it_is_read(shared: Stage) -> None:
    client = shared.a.client
    assert client.post("/api/consent", content=b"x" * (3 << 20)).status_code == 413
    # Also where no length is said.
    piecewise = (b"x" * (1 << 20) for _ in range(3))
    headers = {"Content-Type": "application/json"}
    assert client.post("/api/consent", content=piecewise, headers=headers).status_code == 413


def test_too_many_requests(make_world: Callable[..., World]) -> None:
    world = make_world(
        "slow", text=lambda text: text.replace("_second = 100000", "_second = 2.0")
        .replace("_minute = 100000", "_minute = 3.0")
    )  # fmt: skip
    client = world.client()
    statuses = [enter(world, "x").status_code for _ in range(5)]
    assert statuses == [403, 403, 403, 429, 429]
    answers = [client.get("/api/public") for _ in range(20)]
    assert {one.status_code for one in answers} == {200, 429}
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 2


def slow_world(make_world: Callable[..., World], **rates: float) -> World:
    """A study with the rates that a study has by itself, or others."""

    def text(plain: str) -> str:
        kept = [line for line in plain.splitlines() if "_per_" not in line]
        return "\n".join([*kept, *(f"{name} = {rate}" for name, rate in rates.items())])

    return make_world("slow", text=text)


def test_a_class_behind_one_address_comes_in_and_a_forger_among_it_is_held_back(
    make_world: Callable[..., World],
) -> None:
    world = slow_world(make_world)
    people = recruiting.invite(world.place, "ada", [f"p{n}" for n in range(20)])
    statuses = [enter(world, f"forged {n}").status_code for n in range(12)]
    assert statuses == 10 * [403] + 2 * [429]
    for one in people:
        guest = world.enter(one["link"].partition("#")[2], one["person"])
        for address in ("/api/public", "/api/study", "/api/me"):
            assert guest.client.get(address).status_code == 200
    answer = enter(world, "forged again")
    assert answer.status_code == 429
    assert answer.json()["error"] == "too_many"
    assert 1 <= int(answer.headers["retry-after"]) <= 7
    assert "wait" not in answer.json()


def test_wrong_passwords_are_counted_before_they_are_looked_at_and_right_ones_are_not(
    make_world: Callable[..., World],
) -> None:
    world = slow_world(make_world, sign_ins_per_minute=3)
    for _ in range(5):
        world.researcher()
    body = {"name": "ada", "password": "wrong " + PASSWORD}
    ask = world.client().post
    statuses = [ask("/api/researcher/session", json=body).status_code for _ in range(4)]
    assert statuses == [403, 403, 403, 429]
    # Now a right one is not looked at either.
    right = ask("/api/researcher/session", json={"name": "ada", "password": PASSWORD})
    assert right.status_code == 429


def test_a_panel_s_link_makes_no_people_without_end(make_world: Callable[..., World]) -> None:
    world = slow_world(make_world, newcomers_per_minute=3)
    token = recruiting.panel(world.place, "ada", "A panel")["link"].partition("#")[2]
    ask = world.client().post
    answers = [ask("/api/session", json={"token": token, "external_id": f"P{n}"}) for n in range(5)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    with world.place.database.reading() as reading:
        assert len(reading.scalars(select(Person)).all()) == 3


def test_trouble_tells_nothing(shared: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    from twomind.server import people

    def fails(*_args: object) -> None:
        raise RuntimeError("secret of A")

    monkeypatch.setattr(people, "items", fails)
    answer = shared.a.client.get("/api/me")
    assert (answer.status_code, answer.json()["error"]) == (500, "trouble")
    assert "secret" not in answer.text
    assert "content-security-policy" in answer.headers


def test_the_audit_log_is_whole_and_says_when_it_is_not(own_stage: Stage) -> None:
    from sqlalchemy import text

    stage = own_stage
    client = stage.clients["researcher"]
    told = client.get("/api/researcher/audit").json()
    assert told["whole"] is True
    whats = {line["what"] for line in told["lines"]}
    assert {"invited", "agreed", "signed in", "password set"} <= whats
    assert stage.a.person not in str(told)
    with stage.world.place.database.writing() as writing:
        writing.execute(text("DELETE FROM audit WHERE id = 3"))
    told = client.get("/api/researcher/audit").json()
    assert (told["whole"], told["broken_at"]) == (False, 4)
