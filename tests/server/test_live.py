"""The live service: who may begin what, a line that breaks, jobs that survive, and whose state is whose."""

from __future__ import annotations

import json
import logging
import struct
import time
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")
from anyio.from_thread import start_blocking_portal
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect, WebSocketState

from twomind.core.errors import BadInput
from twomind.server import live_api, live_place
from twomind.server.live_app import create_live_app
from twomind.server.live_jobs import do_job
from twomind.server.live_place import LivePlace, open_live
from twomind.server.live_policy import KINDS, Purpose, default, policy_of
from twomind.server.live_settings import load_settings
from twomind.server.live_wire import HEAD, PCM16

RESEARCH = {"kind": "research", "text": "We try the service on ourselves."}
HEALTHY = "Rowing club "
RATE_HZ = 16000


@pytest.fixture
def place(tmp_path: Path) -> LivePlace:
    made = open_live(tmp_path / "live")
    made.settings = replace(made.settings, least_free_bytes=1, resume_s=5.0)
    return made


@pytest.fixture
def client(place: LivePlace) -> Iterator[TestClient]:
    with TestClient(create_live_app(place)) as made:
        made.headers["Authorization"] = f"Bearer {place.new_token()}"
        yield made


def token_of(client: TestClient) -> str:
    return client.headers["Authorization"].removeprefix("Bearer ")


def begin(client: TestClient, **more: Any) -> dict[str, Any]:
    told = {"type": "begin", "token": token_of(client), "purpose": RESEARCH}
    return {**told, "using": ["voice", "words"], "synthetic": True, **more}


def spoken(seconds: float, seed: int = 1) -> np.ndarray:
    """Bursts of a second, with a second of silence between them."""
    times_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    buzz = sum(np.sin(2 * np.pi * (120 + 10 * seed) * k * times_s) / k for k in range(1, 12))
    loud = np.where(times_s % 2.5 < 1.0, 0.1, 0.0)
    return (loud * buzz + np.random.default_rng(seed).normal(0, 2e-4, len(times_s))).astype("f4")


def sound(at_s: float, values: np.ndarray) -> bytes:
    return HEAD.pack(PCM16, at_s, RATE_HZ) + (values * 32767).astype("<i2").tobytes()


def blocks(values: np.ndarray, first_s: float = 0.0) -> Iterator[bytes]:
    for at in range(0, len(values), 8000):
        yield sound(first_s + at / RATE_HZ, values[at : at + 8000])


def until(line: Any, *ends: str) -> list[dict[str, Any]]:
    """Events up to one of these kinds."""
    told: list[dict[str, Any]] = []
    while not told or told[-1]["event"] not in ends:
        event = line.receive_json()
        if event["event"] != "received":
            told.append(event)
    return told


def refusal(client: TestClient, message: dict[str, Any]) -> dict[str, Any]:
    with client.websocket_connect("/api/live/ws") as line:
        line.send_text(json.dumps(message))
        return line.receive_json()


@pytest.mark.slow
def test_a_session_tells_cues_and_logs_no_word(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with client.websocket_connect("/api/live/ws") as line:
        line.send_text(json.dumps(begin(client, model="words", question="7")))
        assert line.receive_json()["event"] == "ready"
        words = [{"text": HEALTHY, "start_s": 0.2, "end_s": 0.4}]
        words.append({"text": "maybe", "start_s": 2.6, "end_s": 2.9})
        line.send_text(json.dumps({"type": "words", "words": words, "until_s": 11}))
        for block in blocks(spoken(11)):
            line.send_bytes(block)
        line.send_text('{"type": "finish"}')
        told = until(line, "finished")
    kinds = [event["event"] for event in told]
    assert {"cue_began", "cue_ended", "window_scored"} <= set(kinds)
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
    assert {e["kind"] for e in told if e["event"] == "cue_ended"} >= {"long_pause"}
    assert told[-1]["sound_s"] == pytest.approx(11.0)
    assert told[-1]["status"] == "not_measured"
    assert "words" in told[-1]["reason"]
    assert "owing" not in caplog.text
    assert "maybe" not in caplog.text


def test_work_and_school_are_refused_with_the_reason(client: TestClient) -> None:
    told = refusal(client, begin(client, purpose={"kind": "work", "text": "we hire people"}))
    assert (told["event"], told["error"], told["status"]) == ("refused", "purpose", 403)
    assert "Article 5(1)(f)" in told["message"]
    hidden = {"kind": "other", "text": "to see which pupil in the classroom is bored"}
    assert "education" in refusal(client, begin(client, purpose=hidden))["message"]
    assert refusal(client, begin(client, purpose=None))["error"] == "purpose"
    asked = {"purpose": "education", "purpose_text": "exams of our pupils"}
    answer = client.post("/api/live/jobs", params=asked, content=b"film")
    assert answer.status_code == 403
    assert client.get("/api/live/jobs").json() == {"jobs": []}


def test_the_policy_may_be_another(tmp_path: Path) -> None:
    assert default(Purpose("research", "Students of psychology as participants")) == ""
    assert default(Purpose("care", "A session with my own therapist")) == ""
    assert default(Purpose("care", "short")) != ""
    assert default(Purpose("love", "a purpose that is long enough")) != ""
    assert set(KINDS) >= {"work", "education"}
    assert policy_of("twomind.server.live_policy:default") is default
    with pytest.raises(BadInput, match="module:function"):
        policy_of("nothing.such:rule")
    (tmp_path / "live.toml").write_text("most_sessions = 'two'")
    with pytest.raises(BadInput, match="expected int"):
        load_settings(tmp_path)


def test_only_tokens_come_in_and_see_their_own(client: TestClient, place: LivePlace) -> None:
    assert refusal(client, begin(client, token="guess"))["status"] == 401
    assert refusal(client, begin(client, model="secret"))["error"] == "no_model"
    assert refusal(client, {"type": "finish"})["status"] == 400
    other = {"Authorization": f"Bearer {place.new_token()}"}
    state = place.put_state(place.owner(token_of(client)), b"state")["id"]
    assert client.get(f"/api/live/states/{state}").content == b"state"
    for headers, status in ((other, 404), ({"Authorization": ""}, 401)):
        assert client.get(f"/api/live/states/{state}", headers=headers).status_code == status
        assert client.delete(f"/api/live/states/{state}", headers=headers).status_code == status
    on_disk = b"".join(path.read_bytes() for path in place.folder.rglob("*") if path.is_file())
    assert token_of(client).encode() not in on_disk
    assert client.delete(f"/api/live/states/{state}").status_code == 204
    assert client.get(f"/api/live/states/{state}").status_code == 404
    assert not list(place.folder.rglob(state))


@pytest.mark.slow
def test_who_lost_the_line_goes_on(client: TestClient) -> None:
    whole = spoken(8)
    with client.websocket_connect("/api/live/ws") as line:
        line.send_text(json.dumps(begin(client)))
        session = line.receive_json()["session"]
        for block in blocks(whole[: 6 * RATE_HZ]):
            line.send_bytes(block)
        first = until(line, "cue_ended")
    with client.websocket_connect("/api/live/ws") as line:
        again = begin(client, resume=session, after=first[0]["seq"], purpose=None)
        line.send_text(json.dumps(again))
        ready = line.receive_json()
        assert (ready["session"], ready["received"]) == (session, 12)
        for block in blocks(whole[6 * RATE_HZ :], 6.0):
            line.send_bytes(block)
        line.send_text('{"type": "finish"}')
        told = until(line, "finished")
    assert told[0]["seq"] == first[0]["seq"] + 1
    assert told[-1]["sound_s"] == pytest.approx(8.0)
    other = begin(client, resume="0" * 32)
    assert refusal(client, other)["error"] == "gone"


@pytest.mark.slow
def test_a_client_that_closes_first_is_no_fault_of_the_server() -> None:
    class Gone:
        client_state = WebSocketState.CONNECTED

        async def close(self, code: int) -> None:
            raise WebSocketDisconnect(code)

    # In a thread of its own: a browser that another test opened may run a loop in this one.
    with start_blocking_portal() as portal:
        portal.call(live_api._close, Gone(), 1000)


def test_a_session_moves_to_another_server(client: TestClient, tmp_path: Path) -> None:
    whole = spoken(9)

    def events(line: Any, values: np.ndarray, first_s: float, last: str) -> None:
        for block in blocks(values, first_s):
            line.send_bytes(block)
        line.send_text(json.dumps({"type": last}))

    with client.websocket_connect("/api/live/ws") as line:
        line.send_text(json.dumps(begin(client)))
        line.receive_json()
        events(line, whole, 0.0, "finish")
        stayed = until(line, "finished")
    with client.websocket_connect("/api/live/ws") as line:
        line.send_text(json.dumps(begin(client)))
        line.receive_json()
        events(line, whole[: 5 * RATE_HZ], 0.0, "export")
        early = until(line, "exported")
    state = client.get(f"/api/live/states/{early[-1]['state']}")
    assert state.headers["X-SHA256"] == early[-1]["sha256"]
    elsewhere = open_live(tmp_path / "elsewhere")
    elsewhere.settings = replace(elsewhere.settings, least_free_bytes=1)
    with TestClient(create_live_app(elsewhere)) as other:
        other.headers["Authorization"] = f"Bearer {elsewhere.new_token()}"
        damaged = state.content[:-3] + b"abc"
        assert other.post("/api/live/states", content=damaged).status_code == 422
        kept = other.post("/api/live/states", content=state.content).json()
        assert kept["sha256"] == early[-1]["sha256"]
        with other.websocket_connect("/api/live/ws") as line:
            line.send_text(json.dumps(begin(other, state=kept["id"])))
            assert line.receive_json()["event"] == "ready"
            events(line, whole[5 * RATE_HZ :], 5.0, "finish")
            late = until(line, "finished")

    def plain(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
        drop = ("seq",)
        kept = [event for event in told if event["event"].startswith("cue")]
        return [{k: v for k, v in event.items() if k not in drop} for event in kept]

    assert plain(early + late) == plain(stayed)
    assert len(plain(late)) > 1


@pytest.mark.slow
def test_two_people_in_turns_are_each_as_if_alone(client: TestClient) -> None:
    def alone(seed: int) -> list[dict[str, Any]]:
        with client.websocket_connect("/api/live/ws") as line:
            line.send_text(json.dumps(begin(client)))
            line.receive_json()
            for block in blocks(spoken(6, seed)):
                line.send_bytes(block)
            line.send_text('{"type": "finish"}')
            return until(line, "finished")

    expected = [alone(1), alone(7)]
    url = "/api/live/ws"
    with client.websocket_connect(url) as one, client.websocket_connect(url) as other:
        lines = (one, other)
        for line in lines:
            line.send_text(json.dumps(begin(client)))
            line.receive_json()
        assert refusal(client, begin(client))["error"] == "busy"
        for pair in zip(blocks(spoken(6, 1)), blocks(spoken(6, 7)), strict=True):
            for line, block in zip(lines, pair, strict=True):
                line.send_bytes(block)
        for line in lines:
            line.send_text('{"type": "finish"}')
        assert [until(line, "finished") for line in lines] == expected


def test_pictures_are_dropped_and_told_sound_never(client: TestClient, place: LivePlace) -> None:
    from twomind.pipeline.live import LiveSession
    from twomind.server.live_running import Running

    class Slow(LiveSession):
        def push_frame(self, time_s: float, rgb: np.ndarray) -> list[Any]:
            time.sleep(0.02)
            return super().push_frame(time_s, rgb)

    few = replace(place.settings, most_waiting_pictures=3)
    running = Running("owner", Slow(using=("voice",), drawn=True), few)
    whole = spoken(2)
    for number in range(50):
        running.picture(number * 0.04, lambda: np.zeros((4, 4, 3), np.uint8))
        running.sound(number * 0.04, whole[number * 640 : (number + 1) * 640], RATE_HZ)
    running.finish()
    running.join(20.0)
    told = running.after(0)
    dropped = [event for event in told if event["event"] == "pictures_dropped"]
    finished = told[-1] if told[-1]["event"] == "finished" else told[-2]
    assert dropped[-1]["n_in_all"] + finished["n_pictures"] == 50
    assert dropped[-1]["n_in_all"] > 20
    assert sum(event["n"] for event in dropped) == dropped[-1]["n_in_all"]
    assert finished["sound_s"] == pytest.approx(2.0)


def test_a_full_disk_begins_nothing(
    client: TestClient, place: LivePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(live_place.shutil, "disk_usage", lambda _: usage(10, 10, 0))
    assert refusal(client, begin(client))["status"] == 507
    asked = {"purpose": "research", "purpose_text": RESEARCH["text"]}
    assert client.post("/api/live/jobs", params=asked, content=b"film").status_code == 507
    assert not list(place.folder.rglob("*.film*"))
    health = client.get("/api/live/health").json()
    assert (health["takes_work"], bool(health["reason"])) == (False, True)


def wav(seconds: float) -> bytes:
    values = (spoken(seconds) * 32767).astype("<i2").tobytes()
    kind = struct.pack("<IHHIIHH", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
    body = b"WAVEfmt " + kind + b"data" + struct.pack("<I", len(values)) + values
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.slow
def test_a_job_survives_a_restart(tmp_path: Path) -> None:
    place = open_live(tmp_path / "live")
    place.settings = replace(place.settings, least_free_bytes=1)
    token = place.new_token()
    app = create_live_app(place)
    asked = {"purpose": "research", "purpose_text": RESEARCH["text"], "synthetic": True}
    # Without its lifespan the application has no worker: as if it was killed at once.
    client = TestClient(app, headers={"Authorization": f"Bearer {token}"})
    number = client.post("/api/live/jobs", params=asked, content=wav(6)).json()["id"]
    broken = client.post("/api/live/jobs", params=asked, content=b"no film").json()["id"]
    assert place.next_job()["id"] == number
    again = open_live(tmp_path / "live")
    assert client.get(f"/api/live/jobs/{number}").json()["state"] == "running"
    assert again.wait_again() == 1
    while job := again.next_job():
        do_job(again, job)
    assert client.get(f"/api/live/jobs/{number}").json()["state"] == "done"
    result = client.get(f"/api/live/jobs/{number}/result").json()
    assert {cue["kind"] for cue in result["cues"]} == {"long_pause"}
    failed = client.get(f"/api/live/jobs/{broken}").json()
    assert failed["state"] == "failed"
    assert str(tmp_path) not in failed["reason"]
    assert client.get(f"/api/live/jobs/{broken}/result").status_code == 409
    assert not list(again.folder.rglob("*.film"))
    assert client.delete(f"/api/live/jobs/{number}").status_code == 204
    assert not list(again.folder.rglob("*.result"))


def test_every_event_and_message_has_a_schema(client: TestClient) -> None:
    schema = client.get("/api/live/events.schema.json").json()
    told = json.dumps(schema["events"])
    for name in ("cue_began", "cue_ended", "window_scored", "adapted", "not_measured", "finished"):
        assert f'"{name}"' in told
    assert "Begin" in json.dumps(schema["messages"])
    paths = client.get("/api/live/openapi.json").json()["paths"]
    assert {"/api/live/jobs", "/api/live/states/{number}", "/api/live/models"} <= set(paths)
    (model,) = client.get("/api/live/models").json()["models"]
    assert model["name"] == "words"


def test_a_message_that_is_none_is_told_and_the_session_goes_on(client: TestClient) -> None:
    with client.websocket_connect("/api/live/ws") as line:
        line.send_text(json.dumps(begin(client)))
        line.receive_json()
        for wrong in ("[]", "{", '{"type": "words", "words": [{"text": ""}]}', '{"type": "begin"}'):
            line.send_text(wrong)
            assert line.receive_json()["event"] == "trouble"
        for wrong in (b"", b"\x01", b"\x09" + bytes(20), HEAD.pack(PCM16, float("nan"), 1) + b"ab"):
            line.send_bytes(wrong)
            assert line.receive_json()["event"] == "trouble"
        line.send_bytes(HEAD.pack(1, 0.0, 0) + b"no picture")
        assert line.receive_json()["event"] == "trouble"
        line.send_text('{"type": "finish"}')
        assert until(line, "finished")


def test_the_client_knows_every_event_and_field(client: TestClient) -> None:
    source = Path(__file__).parents[2] / "web" / "client" / "src" / "events.ts"
    text = source.read_text(encoding="utf-8")
    told = client.get("/api/live/events.schema.json").json()["events"]["$defs"]
    for event in told.values():
        name = event["properties"]["event"]["const"]
        (declared,) = [part for part in text.split("export interface") if f'"{name}"' in part]
        for field in event["properties"]:
            assert f"{field}:" in declared or field in ("at_s", "event"), (name, field)


@pytest.mark.slow
def test_no_request_puts_the_service_into_trouble(client: TestClient, place: LivePlace) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="makes the requests")
    from hypothesis import HealthCheck, Phase, given, settings

    place.settings = replace(place.settings, requests_per_second=1e6)
    app = create_live_app(place)
    schema = schemathesis.openapi.from_dict(app.openapi())
    plain = TestClient(app, raise_server_exceptions=False)
    asked = 0
    for result in schema.get_all_operations():

        @given(case=result.ok().as_strategy())
        @settings(
            max_examples=15,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            deadline=None,
            derandomize=True,
            database=None,
        )
        def ask(case: Any) -> None:
            nonlocal asked
            sent = case.as_transport_kwargs(base_url="http://testserver")
            headers = {**dict(sent.pop("headers", {})), **client.headers}
            sent.pop("cookies", None)
            method, url = sent.pop("method"), sent.pop("url")
            try:
                answer = plain.request(method, url, headers=headers, **sent)
            except (UnicodeEncodeError, ValueError):
                return  # what no client could send
            asked += 1
            assert answer.status_code < 500, (method, url, answer.text)
            assert "content-security-policy" in answer.headers

        ask()
    assert asked > 60


def test_a_study_offers_it_beside_its_own_addresses(make_world: Any, tmp_path: Path) -> None:
    from twomind.server.app import create_app
    from twomind.server.live_api import Live

    world = make_world("beside")
    made = open_live(tmp_path / "beside-live")
    app = create_app(world.place, live=Live.of(made))
    with TestClient(app) as client:
        assert client.get("/api/live/health").status_code == 200
        assert client.get("/api/live/jobs").status_code == 401
        assert client.get("/api/study").status_code != 500
