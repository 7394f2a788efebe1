"""What researchers see of recordings and decide on them, and what that means for a participant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

import server_traces
from server_traces import Traces
from server_world import Guest, World, as_film
from twomind.server import coders, quality, scripts, worker
from twomind.server.measured import Measured
from twomind.types import Timing, Word

TRACES = Traces("well I do not know", "not known", "the light")


@pytest.fixture
def team(world: World) -> TestClient:
    return world.researcher()


@pytest.fixture
def guest(world: World) -> Guest:
    guest = world.person("P1")
    guest.agree()
    return guest


def whole_visit(guest: Guest) -> str:
    """All answers; the recording of the second question."""
    for item in ("neutral", "q1"):
        guest.record(item)
    recording = guest.record("q2")
    assert guest.client.post("/api/finish").status_code == 200
    return recording


def decide(team: TestClient, recording: str, verdict: str, reason: str = "the light") -> Any:
    body = {"verdict": verdict, "reason": reason}
    return team.post(f"/api/researcher/recordings/{recording}/decisions", json=body)


def queue(team: TestClient, show: str = "waiting") -> dict[str, Any]:
    answer = team.get("/api/researcher/queue", params={"show": show})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def item(guest: Guest, name: str) -> dict[str, Any]:
    items = guest.client.get("/api/me").json()["items"]
    return next(one for one in items if one["id"] == name)


# --- the queue


def test_what_is_not_measured_stands_in_the_queue(guest: Guest, team: TestClient) -> None:
    recording = guest.record("q1")
    told = queue(team)
    assert told["measuring"] == 1
    (one,) = told["recordings"]
    assert (one["id"], one["measured"], one["findings"]) == (recording, None, None)
    assert (one["external_id"], one["test"], one["proposal"]) == ("P1", False, "")


def test_the_proposal_comes_with_its_reasons(world: World, guest: Guest, team: TestClient) -> None:
    recording = guest.record("q1")
    values = quality.Values(length_s=31.0, face_share=0.1, face_reason="too dark")
    findings = quality.judge(values, quality.Asked(), quality.Quality())
    worker.keep(world.place, recording, Measured(findings, {}))
    (one,) = queue(team)["recordings"]
    assert one["proposal"] == "again"
    faults = one["findings"]["faults"]
    assert faults[0] == {"code": "face_seldom", "value": 0.1, "limit": 0.5}
    assert faults[1]["value"] == "too dark"
    # A proposal is none but a proposal.
    assert item(guest, "q1")["state"] == "complete"


def test_decisions_are_kept_with_who_and_why(guest: Guest, team: TestClient, world: World) -> None:
    recording = guest.record("q1")
    assert decide(team, recording, "usable", "").status_code == 201
    told = decide(world.researcher("eve"), recording, "exclude", "another person answers").json()
    assert [(one["by"], one["verdict"], one["reason"]) for one in told["decisions"]] == [
        ("ada", "usable", ""),
        ("eve", "exclude", "another person answers"),
    ]
    assert queue(team)["counts"] == {
        "waiting": 0, "usable": 0, "again": 0, "exclude": 1, "open": 0,
    }  # fmt: skip
    assert [one["id"] for one in queue(team, "exclude")["recordings"]] == [recording]


def test_again_and_exclude_need_a_reason(guest: Guest, team: TestClient) -> None:
    recording = guest.record("q1")
    for verdict in ("again", "exclude"):
        answer = decide(team, recording, verdict, "  ")
        assert (answer.status_code, answer.json()["where"]) == (422, "reason")
    assert queue(team)["counts"]["waiting"] == 1


def test_ask_again_opens_that_prompt_alone_also_for_who_has_finished(
    guest: Guest, team: TestClient
) -> None:
    recording = whole_visit(guest)
    assert item(guest, "q2") == {"id": "q2", "state": "complete", "takes_left": 1}
    assert decide(team, recording, "again").status_code == 201
    assert item(guest, "q2") == {"id": "q2", "state": "again", "takes_left": 2}
    assert item(guest, "q1")["state"] == "complete"
    me = guest.client.get("/api/me").json()
    assert me["finished"] is True
    assert "the light" not in str(me)
    assert guest.client.post("/api/finish").json()["open"] == ["q2"]
    second = guest.record("q2")
    assert item(guest, "q2")["state"] == "complete"
    assert guest.client.post("/api/finish").status_code == 200
    # The first take is of no use any more, and cannot be asked for again.
    assert decide(team, recording, "again").json()["error"] == "replaced"
    assert decide(team, second, "usable").status_code == 201
    assert queue(team, "again")["recordings"] == []
    takes = team.get(f"/api/researcher/recordings/{second}").json()["takes"]
    assert [one["state"] for one in takes] == ["replaced", "complete"]


def test_who_finished_and_is_asked_again_is_not_swept_as_unfinished(
    guest: Guest, team: TestClient, world: World
) -> None:
    from twomind.server import withdrawal

    decide(team, whole_visit(guest), "again")
    world.clock.ahead = timedelta(days=31)
    assert withdrawal.sweep(world.place) == 0


def test_what_never_ended_is_told_apart_and_cannot_be_decided(
    guest: Guest, team: TestClient
) -> None:
    begun = guest.begin("q1")
    guest.put(begun, 0, as_film(b"x" * 500))
    assert queue(team)["recordings"] == []
    (one,) = queue(team, "open")["recordings"]
    assert (one["id"], one["state"]) == (begun, "open")
    assert decide(team, begun, "usable").json()["error"] == "open"
    told = team.get(f"/api/researcher/recordings/{begun}").json()
    assert told["manifest"]["stop_reason"] == "incomplete"
    assert team.get(f"/api/researcher/recordings/{begun}/media").status_code == 409


def test_nothing_is_decided_on_somebody_who_withdraws(make_world: Callable[..., World]) -> None:
    world = make_world("thoughts", thoughts=3)
    guest = world.person()
    guest.agree()
    recording = guest.record("q1")
    guest.client.post("/api/withdraw", json={"all": True})
    team = world.researcher()
    assert decide(team, recording, "usable").json()["error"] == "withdrawing"
    path = f"/api/researcher/recordings/{recording}/transcript"
    assert team.post(path, json={"after": 0, "text": "x"}).json()["error"] == "withdrawing"


def test_a_researcher_watches_and_the_log_says_so(guest: Guest, team: TestClient) -> None:
    content = [as_film(b"a" * 5000), b"b" * 10]
    recording = guest.record("q1", content)
    path = f"/api/researcher/recordings/{recording}/media"
    assert team.get(path).content == b"".join(content)
    part = team.get(path, headers={"Range": "bytes=4990-5005"})
    assert (part.status_code, part.content) == (206, b"".join(content)[4990:5006])
    lines = team.get("/api/researcher/audit").json()["lines"]
    assert {"ada"} == {line["who"].split()[1] for line in lines if line["what"] == "watched"}


# --- transcripts


def words_of(told: dict[str, Any]) -> list[tuple[str, float, float]]:
    return [(one["text"], one["start_s"], one["end_s"]) for one in told["words"]]


def test_every_version_is_kept_with_who_and_when(
    world: World, guest: Guest, team: TestClient
) -> None:
    recording = guest.record("q1")
    server_traces.leave(world, recording, TRACES)
    path = f"/api/researcher/recordings/{recording}/transcript"
    text = "well um I do know indeed"
    new = world.researcher("eve").post(path, json={"after": 2, "text": text})
    assert new.status_code == 201
    versions = team.get(path).json()["versions"]
    assert [(one["revision"], one["by"]) for one in versions] == [
        (3, "eve"), (2, "ada"), (1, scripts.MACHINE),
    ]  # fmt: skip
    assert [one["text"] for one in versions] == [text, f"{TRACES.said} indeed", TRACES.said]
    assert all(one["at"].endswith("Z") for one in versions)
    # What was corrected is measured anew.
    assert worker.waiting(world.place) == 1


def test_nobody_overwrites_what_they_have_not_seen(
    world: World, guest: Guest, team: TestClient
) -> None:
    recording = guest.record("q1")
    path = f"/api/researcher/recordings/{recording}/transcript"
    assert team.post(path, json={"after": 0, "text": "by hand"}).status_code == 201
    late = world.researcher("eve").post(path, json={"after": 0, "text": "by eve"})
    assert (late.status_code, late.json()["revision"]) == (409, 1)
    same = team.post(path, json={"after": 1, "text": " by  hand "})
    assert (same.status_code, same.json()["error"]) == (409, "same")
    (version,) = team.get(path).json()["versions"]
    assert (version["source"], version["text"]) == ("written by hand", "by hand")


BEFORE = scripts.Script(
    (Word("I", 1.0, 1.2, 0.9), Word("no", 1.5, 2.0), Word("it", 2.0, 2.4)), "en", "heard"
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I know it", [("I", 1.0, 1.2), ("know", 1.5, 2.0), ("it", 2.0, 2.4)]),
        ("I no", [("I", 1.0, 1.2), ("no", 1.5, 2.0)]),
        ("I um no it", [("I", 1.0, 1.2), ("um", 1.2, 1.5), ("no", 1.5, 2.0), ("it", 2.0, 2.4)]),
        ("I no it now", [("I", 1.0, 1.2), ("no", 1.5, 2.0), ("it", 2.0, 2.4), ("now", 2.4, 9.0)]),
        ("", []),
    ],
)
def test_words_that_stay_keep_their_times(text: str, words: list[tuple[str, float, float]]) -> None:
    made = scripts.corrected(BEFORE, text, 9.0)
    assert [(one.text, one.start_s, one.end_s) for one in made.words] == words
    kept = [one for one in made.words if one in BEFORE.words]
    assert [one.timing for one in kept] == [Timing.GIVEN] * len(kept)
    assert (made.language, made.source) == ("en", "heard")


# --- results


def test_a_result_comes_with_its_limits_and_without_a_verdict(
    world: World, guest: Guest, team: TestClient
) -> None:
    recording = guest.record("q1")
    path = f"/api/researcher/recordings/{recording}/result"
    assert team.get(path).json()["measured"] is None
    result = {
        "prediction": {
            "status": "ok",
            "probability": 0.31,
            "decision": "absent",
            "meaning": "that",
        },
        "model": {"name": "words", "card": {"population": "adults", "not_for": ["diagnosis"]}},
        "located": {"reason": "the words do not tell when"},
    }
    worker.keep(world.place, recording, Measured(quality.Findings(quality.Values()), result))
    told = team.get(path).json()
    assert told["limits"] == {
        "population": "adults",
        "not_for": ["diagnosis"],
        "when": "the words do not tell when",
    }
    assert told["prediction"]["probability"] == 0.31
    assert "decision" not in told["prediction"]


def test_no_participant_is_told_anything_that_was_measured(world: World, guest: Guest) -> None:
    recording = guest.record("q1")
    server_traces.leave(world, recording, TRACES)
    for path in ("/api/me", "/api/study", f"/api/recordings/{recording}", "/api/me/download"):
        text = guest.client.get(path).text
        for hidden in (TRACES.measured, TRACES.reason, str(server_traces.PROBABILITY), '"ada"'):
            assert hidden not in text, path
    # The words are theirs.
    assert TRACES.said in guest.client.get("/api/me/download").text


# --- who is where, quotas, panels, tests


def test_who_is_where(world: World, guest: Guest, team: TestClient) -> None:
    guest.record("q1")
    world.clock.ahead = timedelta(days=1)
    again = world.enter(guest.token, guest.person)
    again.record("q2")
    world.person("P2")
    told = world.researcher("late").get("/api/researcher/people").json()
    first, second = told["people"]
    assert (first["done"], len(first["days"])) == (2, 2)
    assert first["consent"]["processing"] is True
    assert (second["state"], second["done"], second["days"]) == ("invited", 0, [])
    one = world.researcher("late").get(f"/api/researcher/people/{guest.person}").json()
    assert [(each["item"], each["quality"]) for each in one["recordings"]] == [
        ("q1", "waiting"), ("q2", "waiting"),
    ]  # fmt: skip
    assert team.get("/api/researcher/people/" + "0" * 12).status_code in (401, 404)


def test_a_quota_of_a_language_closes_that_language_alone(
    make_world: Callable[..., World],
) -> None:
    world = make_world("quotas", extra="language_quotas = { fr = 1 }")
    first, second, third = (world.person() for _ in range(3))
    assert first.agree("fr").status_code == 201
    full = second.agree("fr")
    assert (full.status_code, full.json()["reason"]) == (410, "quota")
    assert second.agree("en").status_code == 201
    assert third.agree("en").status_code == 201
    told = world.researcher().get("/api/researcher/people").json()
    assert told["languages"] == {"fr": {"counted": 1, "quota": 1}}


def test_a_panel_s_id_goes_back_with_the_person(make_world: Callable[..., World]) -> None:
    world = make_world("panel", extra='completion_url = "https://panel.example/done?id={ID}&ok=1"')
    team = world.researcher()
    link = team.post("/api/researcher/invitations/panels", json={"label": "A"}).json()["link"]
    client = world.client()
    body = {"token": link.partition("#")[2], "external_id": "a b&c/\u00e9"}
    answer = client.post("/api/session", json=body)
    client.headers["X-CSRF-Token"] = answer.json()["csrf"]
    guest = Guest(world, client, client.get("/api/me").json()["person"], "")
    guest.agree()
    whole_visit(guest)
    redirect = guest.client.post("/api/finish").json()["redirect"]
    assert redirect == "https://panel.example/done?id=a%20b%26c%2F%C3%A9&ok=1"


def test_a_test_participant_is_measured_and_never_counted_nor_coded(
    world: World, team: TestClient
) -> None:
    link = team.post("/api/researcher/test-participants").json()
    guest = world.enter(link["link"].partition("#")[2], link["person"])
    guest.agree()
    recording = whole_visit(guest)
    assert queue(team)["recordings"][-1]["test"] is True
    assert worker.waiting(world.place) == 3
    told = team.get("/api/researcher/people").json()
    assert (told["counted"], told["people"], len(told["tests"])) == (0, [], 1)
    coder = coders.make(world.place, "ada", "carl")
    path = f"/api/researcher/coders/{coder['id']}/recordings/{recording}"
    assert team.put(path).json()["error"] == "test"


# --- coders


def test_a_coder_sees_what_is_assigned_and_nothing_of_who_it_is(
    world: World, guest: Guest, team: TestClient
) -> None:
    recording = guest.record("q1")
    server_traces.leave(world, recording, TRACES)
    client = world.coder(server_traces.assign(world, recording))
    told = client.get("/api/coder/recordings").json()["recordings"]
    assert told == [
        {
            "id": recording,
            "item": "q1",
            "prompt": {"en": "one?", "fr": "un ?"},
            "mime": "video/webm;codecs=vp8,opus",
            "state": "new",
        }
    ]
    (coder,) = team.get("/api/researcher/coders").json()["coders"]
    path = f"/api/researcher/coders/{coder['id']}/recordings/{recording}"
    assert team.delete(path).status_code == 204
    assert client.get("/api/coder/recordings").json()["recordings"] == []
    assert client.get(f"/api/coder/recordings/{recording}/media").status_code == 404


def test_a_revoked_coder_is_let_in_no_more(world: World, guest: Guest, team: TestClient) -> None:
    recording = guest.record("q1")
    link = server_traces.assign(world, recording)
    client = world.coder(link)
    (coder,) = team.get("/api/researcher/coders").json()["coders"]
    assert team.delete(f"/api/researcher/coders/{coder['id']}").status_code == 204
    assert client.get("/api/coder/recordings").status_code == 401
    again = world.client().post("/api/coder/session", json={"token": link.partition("#")[2]})
    assert (again.status_code, again.json()["error"]) == (403, "bad_link")
    assert team.get("/api/researcher/coders").json()["coders"] == []


def test_who_withdraws_is_gone_for_coders_too(make_world: Callable[..., World]) -> None:
    world = make_world("thoughts", thoughts=3)
    guest = world.person()
    guest.agree()
    recording = guest.record("q1")
    client = world.coder(server_traces.assign(world, recording))
    guest.client.post("/api/withdraw", json={"all": True})
    assert client.get("/api/coder/recordings").json()["recordings"] == []
    assert client.get(f"/api/coder/recordings/{recording}/media").status_code == 404
