"""Consent before anything else, whole, and taken back."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

import server_traces
from server_world import Guest, World, as_film, begin_body, sha_of
from twomind.core.errors import BadInput
from twomind.server import keeping, withdrawal
from twomind.server.keys import NoKey
from twomind.server.tables import Table


def takes_nothing(guest: Guest, recording: str) -> list[int]:
    """The statuses of everything that brings data."""
    client = guest.client
    return [
        client.post("/api/recordings", json=begin_body(secrets.token_hex(16))).status_code,
        guest.put(recording, 0, as_film(b"x")).status_code,
        client.put(f"/api/recordings/{recording}/events", json={"events": []}).status_code,
        guest.done(recording, [as_film(b"x")]).status_code,
        client.put("/api/me/metadata", json={"answers": {"age": 30}}).status_code,
        client.put("/api/me/check", json={"passed": True}).status_code,
    ]


def test_nothing_is_taken_before_consent(world: World) -> None:
    guest = world.person()
    statuses = takes_nothing(guest, "0" * 32)
    # Of a recording that is not there, nothing is said but that.
    assert statuses == [403, 404, 404, 404, 403, 403]
    assert guest.client.get("/api/me").json()["step"] == "consent"


def test_a_no_to_a_needed_item_is_kept_and_nothing_is_taken(world: World) -> None:
    guest = world.person()
    said = guest.agree(storage=False)
    assert (said.status_code, said.json()["may_record"]) == (201, False)
    answer = guest.client.post("/api/recordings", json=begin_body(secrets.token_hex(16)))
    assert (answer.status_code, answer.json()["error"]) == (403, "no_consent")
    assert guest.agree().json()["may_record"] is True


def test_consent_survives_a_restart_and_so_does_its_absence(world: World) -> None:
    first, second = world.person(), world.person()
    first.agree()
    world.start()
    first, second = (world.enter(one.token, one.person) for one in (first, second))
    assert first.client.get("/api/me").json()["consent"]["may_record"] is True
    assert second.client.get("/api/me").json()["consent"]["may_record"] is False


def test_the_copy_holds_text_answers_and_hash(world: World) -> None:
    guest = world.person()
    assert guest.client.get("/api/consent/copy").status_code == 404
    said = guest.agree("fr", pictures=False)
    copy = guest.client.get("/api/consent/copy").text
    assert copy == said.json()["copy"]
    for part in ("Petite", "Pouvons-nous ?", "[oui] traiter", "[non] montrer", "version 1"):
        assert part in copy
    assert world.place.study.consent.sha256("fr") in copy


def test_the_same_again_is_not_kept_twice(world: World) -> None:
    guest = world.person()
    first, again, other = guest.agree(), guest.agree(), guest.agree(pictures=False)
    assert [one.status_code for one in (first, again, other)] == [201, 200, 201]
    assert first.json()["at"] == again.json()["at"]


@pytest.mark.parametrize(
    "change",
    [{"answers": {}}, {"answers": {"processing": True}}, {"answers": {"processing": None}},
     {"answers": {"processing": True, "storage": True, "pictures": True, "more": True}},
     {"answers": {"processing": 1, "storage": 1, "pictures": 1}}],
)  # fmt: skip
def test_every_item_needs_an_answer_of_its_own(world: World, change: dict[str, object]) -> None:
    guest = world.person()
    consent = world.place.study.consent
    body = {"version": 1, "sha256": consent.sha256("en"), "language": "en"} | change
    assert guest.client.post("/api/consent", json=body).status_code == 422


def test_an_amended_text_is_asked_again(world: World) -> None:
    guest = world.person()
    guest.agree()
    recording = guest.begin()
    old = world.place.study.consent.sha256("en")
    world.text = lambda text: text.replace("May we?", "May we, please?").replace(
        "version = 1", "version = 2"
    )
    world.start()
    guest = world.enter(guest.token, guest.person)
    me = guest.client.get("/api/me").json()
    assert me["consent"] | {"at": ""} == {
        "current": False,
        "may_record": False,
        "version": 1,
        "at": "",
        "answers": {"processing": True, "storage": True, "pictures": True},
    }
    assert takes_nothing(guest, recording) == [403] * 6
    answers = {"processing": True, "storage": True, "pictures": True}
    stale = {"version": 1, "sha256": old, "language": "en", "answers": answers}
    answer = guest.client.post("/api/consent", json=stale)
    assert (answer.status_code, answer.json()["error"]) == (409, "consent_changed")
    assert guest.agree().status_code == 201
    assert guest.put(recording, 0, as_film(b"x")).status_code == 201


def test_a_changed_text_without_a_new_version_is_no_study(world: World) -> None:
    world.text = lambda text: text.replace("May we?", "May we, please?")
    with pytest.raises(BadInput, match="Set version = 2"):
        world.start()


def test_one_item_is_taken_back(world: World) -> None:
    guest = world.person()
    guest.agree()
    recording = guest.record()
    for _ in range(2):
        answer = guest.client.post("/api/withdraw", json={"items": ["pictures"]})
        assert answer.json() == {"erased": False, "at": None}
    assert guest.client.get("/api/me").json()["consent"]["answers"]["pictures"] is False
    assert guest.media(recording)
    assert guest.client.post("/api/withdraw", json={"items": ["nothing"]}).status_code == 422


# --- withdrawal

NEEDLES = (
    "panel-id-4711", "ExtremelyRareRegion", "a sentence that nobody else said",
    "wordsthatwereheard", "measured in nobody else", "a reason that nobody else got", "0.4321",
)  # fmt: skip


def everything(guest: Guest) -> str:
    """Somebody who left traces everywhere; their recording."""
    guest.agree()
    answers = {"age": 47, "region": NEEDLES[1]}
    guest.client.put("/api/me/metadata", json={"answers": answers})
    recording = guest.record("q1", [as_film(NEEDLES[2].encode() * 100), b"end"])
    event = {"seq": 0, "name": "x_said", "media_ms": 1.0, "at": "2026-11-29T04:30:00Z"}
    events = {"events": [event | {"detail": {"text": NEEDLES[2]}}]}
    assert guest.client.put(f"/api/recordings/{recording}/events", json=events).status_code == 204
    server_traces.leave(guest.world, recording, server_traces.Traces(*NEEDLES[3:6]))
    server_traces.assign(guest.world, recording)
    return recording


def found(world: World, needles: list[str]) -> list[str]:
    """Which needles stand in any file of the study or of its keys, or in a row of its database."""
    roots = (world.folder, world.keys)
    files = [path for root in roots for path in root.rglob("*") if path.is_file()]
    contents = [path.read_bytes() for path in files]
    contents.append(" ".join(map(str, files)).encode())
    with world.place.database.reading() as reading:
        for table in Table.metadata.tables.values():
            contents += [repr(row).encode() for row in reading.execute(select(table))]
    return [needle for needle in needles if any(needle.encode() in one for one in contents)]


def test_what_is_erased_is_nowhere(world: World, caplog: pytest.LogCaptureFixture) -> None:
    stays, goes = world.person(), world.person(NEEDLES[0])
    kept = everything(stays)
    recording = everything(goes)
    traces = [goes.person, recording, sha_of(as_film(NEEDLES[2].encode() * 100))]
    assert set(traces) <= set(found(world, traces))
    assert not found(world, list(NEEDLES))
    before = stays.media(kept)

    answer = goes.client.post("/api/withdraw", json={"all": True})
    assert answer.json()["erased"] is True
    traces.remove(sha_of(as_film(NEEDLES[2].encode() * 100)))
    assert found(world, [*traces, *NEEDLES]) == []
    for trace in [*traces, *NEEDLES]:
        assert trace not in caplog.text
    with pytest.raises(NoKey):
        world.place.keys.of(goes.person)
    assert stays.media(kept) == before
    with world.place.database.reading() as reading:
        for table in Table.metadata.tables.values():
            owner = table.columns.get("recording")
            if owner is not None:
                left = reading.execute(select(owner).where(owner == recording)).all()
                assert left == [], table.name


def test_a_backup_made_before_says_nothing_of_who_withdrew_since(
    world: World, tmp_path: Path
) -> None:
    goes = world.person(NEEDLES[0])
    everything(goes)
    file = tmp_path / "backup.tar"
    keeping.backup(world.folder, file)
    goes.client.post("/api/withdraw", json={"all": True})
    content = file.read_bytes()
    assert [needle for needle in NEEDLES if needle.encode() in content] == []


def test_whoever_withdrew_is_let_in_nowhere(world: World) -> None:
    guest = world.person()
    recording = everything(guest)
    guest.client.post("/api/withdraw", json={"items": ["storage"]})
    assert guest.client.get("/api/me").status_code == 401
    assert guest.put(recording, 5, b"late").status_code == 401
    answer = world.client().post("/api/session", json={"token": guest.token})
    assert (answer.status_code, answer.json()["error"]) == (410, "withdrawn")


def test_the_key_goes_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    guest = world.person()
    recording = everything(guest)
    with monkeypatch.context() as patch:

        def power_fails(*_args: object) -> None:
            raise OSError("power")

        patch.setattr(withdrawal.shutil, "rmtree", power_fails)
        with pytest.raises(OSError, match="power"):
            withdrawal.erase(world.place, guest.person)
    with pytest.raises(NoKey):
        world.place.keys.of(guest.person)
    assert found(world, [recording])
    # The next start goes on.
    world.start()
    assert not found(world, [recording, guest.person])


def test_a_copy_made_before_is_unreadable(world: World) -> None:
    guest = world.person()
    everything(guest)
    copies = [path.read_bytes() for path in world.folder.rglob("*") if path.is_file()]
    withdrawal.erase(world.place, guest.person)
    for needle in NEEDLES[1:]:
        assert not any(needle.encode() in copy for copy in copies)


@pytest.fixture
def patient(make_world: Callable[..., World]) -> World:
    return make_world("patient", thoughts=7)


def test_second_thoughts(patient: World) -> None:
    guest = patient.person()
    recording = everything(guest)
    told = guest.client.post("/api/withdraw", json={"all": True}).json()
    assert told == guest.client.post("/api/withdraw", json={"all": True}).json()
    assert (told["erased"], guest.client.get("/api/me").json()["withdrawing"]) == (
        False,
        told["at"],
    )
    assert takes_nothing(guest, recording) == [410] * 6
    assert guest.client.post("/api/withdraw/cancel").status_code == 204
    assert guest.client.get("/api/me").json()["withdrawing"] is None
    assert guest.put(recording, 0, as_film(NEEDLES[2].encode() * 100)).status_code == 200
    guest.client.post("/api/withdraw", json={"all": True})
    patient.clock.ahead = timedelta(days=6.9)
    assert withdrawal.sweep(patient.place) == 0
    patient.clock.ahead = timedelta(days=7.1)
    assert withdrawal.sweep(patient.place) == 1
    assert not found(patient, [recording, guest.person])


def test_who_never_finished_is_swept_and_who_finished_is_kept_as_long_as_promised(
    world: World,
) -> None:
    partial, whole, never = world.person(), world.person(), world.person()
    for guest in (partial, whole):
        guest.agree()
        guest.record("q1")
    whole.record("q2")
    whole.record("neutral")
    assert whole.client.post("/api/finish").status_code == 200
    world.clock.ahead = timedelta(days=29)
    assert withdrawal.sweep(world.place) == 0
    world.clock.ahead = timedelta(days=31)
    assert withdrawal.sweep(world.place) == 1
    assert not found(world, [partial.person])
    assert found(world, [never.person])
    world.clock.ahead = timedelta(days=61)
    assert withdrawal.sweep(world.place) == 1
    assert not found(world, [never.person])
    world.clock.ahead = timedelta(days=3651)
    assert withdrawal.sweep(world.place) == 1
