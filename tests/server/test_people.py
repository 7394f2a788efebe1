"""How people come: invitations, panels, quotas, one person once, and going on elsewhere."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from server_world import Guest, World, as_film


def all_of(guest: Guest) -> None:
    for item in ("neutral", "q1", "q2"):
        guest.record(item)


def panel_token(world: World) -> str:
    answer = world.researcher().post("/api/researcher/invitations/panels", json={"label": "P"})
    link: str = answer.json()["link"]
    assert "?PROLIFIC_PID={ID}#" in link
    return link.partition("#")[2]


def enter(world: World, token: str, external: str, client: Any = None) -> Any:
    body = {"token": token, "external_id": external}
    return (client or world.client()).post("/api/session", json=body)


def test_the_same_name_is_the_same_person(world: World) -> None:
    client = world.researcher()
    path = "/api/researcher/invitations/people"
    first = client.post(path, json={"names": ["P1", "P2"]}).json()["links"]
    again = client.post(path, json={"names": ["P2"]}).json()["links"]
    assert first[1]["person"] == again[0]["person"] != first[0]["person"]


def test_what_a_prompt_is_for_is_never_sent(world: World) -> None:
    guest = world.person()
    guest.agree()
    for path in ("/api/study", "/api/me", "/api/public"):
        text = guest.client.get(path).text
        assert "hesitant" not in text
        assert "response" not in text


def test_the_order_is_random_kept_and_whole(world: World) -> None:
    orders = set()
    for _ in range(12):
        guest = world.person()
        prompts = [prompt["id"] for prompt in guest.client.get("/api/study").json()["prompts"]]
        again = [prompt["id"] for prompt in guest.client.get("/api/study").json()["prompts"]]
        assert prompts == again
        assert sorted(prompts) == ["q1", "q2"]
        orders.add(tuple(prompts))
    assert len(orders) == 2


def test_going_on_in_another_browser(world: World) -> None:
    first = world.person()
    first.agree()
    first.record("neutral")
    second = world.enter(first.token, first.person)
    me = second.client.get("/api/me").json()
    assert {item["id"]: item["state"] for item in me["items"]}["neutral"] == "complete"
    second.client.put("/api/me/check", json={"passed": True})
    assert second.client.get("/api/me").json()["step"] == "prompts"
    recording = first.begin("q1")
    first.put(recording, 0, as_film(b"one"))
    second.put(recording, 1, b"two")
    assert second.done(recording, [as_film(b"one"), b"two"]).status_code == 200
    assert first.media(recording) == as_film(b"one") + b"two"
    second.record("q2")
    items = first.client.get("/api/me").json()["items"]
    assert [item["state"] for item in items] == ["complete"] * 3
    assert len(first.client.get("/api/me").json()["recordings"]) == 3


def test_the_end_waits_for_everything_and_then_leads_on(make_world: Callable[..., World]) -> None:
    extra = 'completion_url = "https://panel.example/done?cc=1"\ncompletion_code = "1"'
    guest = make_world(extra=extra).person()
    guest.agree()
    guest.record("q1")
    recording = guest.begin("q2")
    guest.put(recording, 0, as_film(b"x"))
    answer = guest.client.post("/api/finish")
    assert answer.status_code == 409
    assert sorted(answer.json()["open"]) == ["neutral", "q2"]
    guest.done(recording, [as_film(b"x")])
    guest.record("neutral")
    for _ in range(2):
        answer = guest.client.post("/api/finish")
        assert answer.json() == {"redirect": "https://panel.example/done?cc=1", "code": "1"}
    assert guest.client.get("/api/me").json()["finished"] is True


# --- panels


def test_a_panel_s_person_takes_part_once(world: World) -> None:
    token = panel_token(world)
    assert enter(world, token, "").status_code == 422
    first = world.client()
    told = enter(world, token, "PID1", first).json()
    first.headers["X-CSRF-Token"] = told["csrf"]
    guest = Guest(world, first, "", told["personal_token"])
    guest.agree()
    elsewhere = enter(world, token, "PID1")
    assert (elsewhere.status_code, elsewhere.json()["error"]) == (409, "already_begun")
    assert enter(world, token, "PID1", first).status_code == 200
    assert enter(world, token, "PID2", first).status_code == 200
    own = world.client().post("/api/session", json={"token": told["personal_token"]})
    assert own.status_code == 200


def test_who_came_first_with_somebody_s_id_sees_nothing_of_them(world: World) -> None:
    token = panel_token(world)
    thief = world.client()
    stolen = enter(world, token, "PID1", thief).json()
    victim = world.client()
    told = enter(world, token, "PID1", victim).json()
    victim.headers["X-CSRF-Token"] = told["csrf"]
    assert Guest(world, victim, "", "").agree().status_code == 201
    assert thief.get("/api/me").status_code == 401
    again = thief.post("/api/session", json={"token": stolen["personal_token"]})
    assert again.status_code == 410


def test_a_revoked_link_lets_nobody_new_in(world: World) -> None:
    client = world.researcher()
    told = client.post("/api/researcher/invitations/panels", json={"label": "P"}).json()
    token = told["link"].partition("#")[2]
    assert enter(world, token, "PID1").status_code == 200
    path = f"/api/researcher/invitations/panels/{told['id']}"
    assert client.delete(path).status_code == 204
    assert enter(world, token, "PID2").status_code == 403
    assert client.get("/api/researcher/invitations/panels").json()["panels"][0]["revoked"] is True


# --- quotas and tests


@pytest.fixture
def pair(make_world: Callable[..., World]) -> World:
    return make_world(extra="quota = 2")


def test_the_quota_counts_who_agreed_and_no_tests(pair: World) -> None:
    client = pair.researcher()
    for _ in range(3):
        link = client.post("/api/researcher/test-participants").json()
        tester = pair.enter(link["link"].partition("#")[2], link["person"])
        assert tester.client.get("/api/study").json()["test"] is True
        assert tester.agree().status_code == 201
        all_of(tester)
        assert tester.client.post("/api/finish").status_code == 200
    guests = [pair.person() for _ in range(3)]
    assert [guest.agree().status_code for guest in guests] == [201, 201, 410]
    told = client.get("/api/researcher/people").json()
    assert (told["counted"], told["quota"]) == (2, 2)
    assert (len(told["people"]), len(told["tests"])) == (3, 3)
    late = pair.client().post("/api/session", json={"token": guests[2].token})
    assert (late.status_code, late.json()["reason"]) == (410, "quota")
    # Who is in may go on; who withdraws makes room.
    assert pair.enter(guests[0].token, guests[0].person).client.get("/api/me").status_code == 200
    guests[0].client.post("/api/withdraw", json={"all": True})
    assert pair.enter(guests[2].token, guests[2].person).agree().status_code == 201


def test_the_researcher_sees_who_is_where(world: World) -> None:
    guest = world.person("P1")
    guest.agree(pictures=False)
    guest.record("q1")
    told = world.researcher().get("/api/researcher/people").json()["people"][0]
    assert (told["external_id"], told["state"]) == ("P1", "begun")
    assert told["items"] == {"neutral": "none", "q1": "complete", "q2": "none"} | {}
    assert told["consent"]["pictures"] is False


def test_a_lost_link_and_an_erasure_by_the_researcher(world: World) -> None:
    guest, client = world.person("P1"), world.researcher()
    told = client.post(f"/api/researcher/people/{guest.person}/link").json()
    assert world.enter(told["link"].partition("#")[2], guest.person)
    assert client.delete(f"/api/researcher/people/{guest.person}").status_code == 204
    assert client.delete(f"/api/researcher/people/{guest.person}").status_code == 404
    assert guest.client.get("/api/me").status_code == 401
    lines = client.get("/api/researcher/audit").json()["lines"]
    assert [(line["who"], line["what"]) for line in lines if line["what"] == "erases"] == [
        ("researcher ada", "erases")
    ]


# --- the form, and one's own data


@pytest.mark.parametrize(
    ("answers", "status"),
    [({"age": 31}, 204), ({"age": None}, 204), ({}, 204), ({"age": 17}, 422), ({"age": 121}, 422),
     ({"age": True}, 422), ({"age": "31"}, 422), ({"region": "x" * 501}, 422), ({"name": "x"}, 422),
     ({"region": "\ud800"}, 422)],
)  # fmt: skip
def test_the_form(world: World, answers: dict[str, Any], status: int) -> None:
    guest = world.person()
    guest.agree()
    body = json.dumps({"answers": answers}).encode()
    headers = {"Content-Type": "application/json"}
    answer = guest.client.put("/api/me/metadata", content=body, headers=headers)
    assert answer.status_code == status


def test_one_s_own_data_as_a_file(world: World) -> None:
    guest = world.person("P1")
    guest.agree()
    guest.client.put("/api/me/metadata", json={"answers": {"age": 31}})
    chunks = [as_film(b"a" * 65536), b"b" * 1000]
    guest.record("q2", chunks)
    answer = guest.client.get("/api/me/download")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.read("01-q2.webm") == b"".join(chunks)
        assert json.loads(archive.read("you.json"))["answers"] == {"age": 31}
        assert "[yes] process" in archive.read("consent.txt").decode()
        manifest = json.loads(archive.read("01-q2.json"))
    assert (manifest["state"], manifest["stop_reason"]) == ("complete", "button")


def test_a_recording_without_its_end_is_incomplete_in_the_manifest(world: World) -> None:
    guest = world.person()
    guest.agree()
    recording = guest.begin("q1")
    guest.put(recording, 0, as_film(b"x" * 1000))
    answer = guest.client.get("/api/me/download")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        manifest = json.loads(archive.read("01-q1.json"))
    assert (manifest["state"], manifest["stop_reason"]) == ("open", "incomplete")
