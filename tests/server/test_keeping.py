"""Backup, restore, another main key, migrations, PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import CliRunner
from sqlalchemy import select, text

import postgres_tools
import server_traces
from server_world import PASSWORD, World, as_film
from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.server import audit, keeping, withdrawal, worker
from twomind.server.place import open_place
from twomind.server.tables import Audit, Researcher, Table


def said(_text: str) -> None:
    pass


def test_a_backup_is_whole_and_holds_no_key(world: World, tmp_path: Path) -> None:
    guest = world.person()
    guest.agree()
    chunks = [as_film(os.urandom(60000)), os.urandom(10)]
    recording = guest.record("q1", chunks)
    file = tmp_path / "backup.tar"
    keeping.backup(world.folder, file)
    assert file.stat().st_mode & 0o077 == 0
    keys = [path.read_bytes() for path in world.keys.rglob("*.key")]
    assert len(keys) == 3
    content = file.read_bytes()
    assert not any(key in content for key in keys)
    shutil.rmtree(world.folder)
    keeping.restore(file, world.folder)
    world.start()
    again = world.enter(guest.token, guest.person)
    assert again.media(recording) == b"".join(chunks)
    assert not list((world.folder / "data").glob("backup-*"))


def test_who_withdrew_after_the_backup_is_not_restored(world: World, tmp_path: Path) -> None:
    stays, goes = world.person(), world.person()
    for guest in (stays, goes):
        guest.agree()
        guest.record("q1")
    file = tmp_path / "backup.tar"
    keeping.backup(world.folder, file)
    withdrawal.erase(world.place, goes.person)
    shutil.rmtree(world.folder)
    keeping.restore(file, world.folder)
    contents = [path.read_bytes() for path in world.folder.rglob("*") if path.is_file()]
    assert not any(goes.person.encode() in content for content in contents)
    assert not (world.folder / "data" / "people" / goes.person).exists()
    assert (world.folder / "data" / "people" / stays.person).exists()
    world.start()
    assert world.client().post("/api/session", json={"token": goes.token}).status_code == 410


def test_a_backup_is_taken_from_nowhere_else(world: World, tmp_path: Path) -> None:
    file = tmp_path / "evil.tar"
    (tmp_path / "inside").write_text("x")
    with tarfile.open(file, "w") as archive:
        archive.add(world.folder / "study.toml", "study.toml")
        archive.add(tmp_path / "inside", "../outside")
        archive.add(tmp_path / "inside", "data/../../outside")
    with suppress(BadInput):
        keeping.restore(file, tmp_path / "new")
    assert not (tmp_path / "outside").exists()
    for bad in (tmp_path / "inside", tmp_path / "absent.tar"):
        with pytest.raises((BadInput, OSError)):
            keeping.restore(bad, tmp_path / "newer")
    with pytest.raises(BadInput, match="exists already"):
        keeping.restore(file, world.folder)


def test_another_main_key(world: World) -> None:
    guest = world.person()
    guest.agree()
    recording = guest.record("q1", [as_film(b"abc")])
    assert keeping.rotate_key(world.folder, said) == 1
    world.start()
    assert world.enter(guest.token, guest.person).media(recording) == as_film(b"abc")


def test_the_verbs(world: World, tmp_path: Path) -> None:
    world.person()
    folder, file = str(world.folder), str(tmp_path / "b.tar")
    for arguments in (
        ["study", "backup", folder, file],
        ["study", "restore", file, str(tmp_path / "again"), "--json"],
        ["study", "rotate-key", folder],
    ):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
    assert CliRunner().invoke(main, ["study", "backup", folder, file]).exit_code == 3


def test_inviting_at_the_command_line(world: World) -> None:
    folder = str(world.folder)
    runner = CliRunner()
    done = runner.invoke(
        main, ["study", "invite", folder, "P1", "P2", "--panel", "A panel", "--test", "--json"]
    )
    assert done.exit_code == 0, done.output
    links = json.loads(done.stdout)["links"]
    assert [one["name"] for one in links] == ["P1", "P2", "A panel", "test"]
    guest = world.enter(links[0]["link"].partition("#")[2], links[0]["person"])
    assert guest.agree().status_code == 201
    listed = runner.invoke(main, ["study", "people", folder])
    assert "P1  begun  neutral none" in listed.stdout
    assert listed.stdout.endswith("1 count\n")
    assert runner.invoke(main, ["study", "invite", folder]).exit_code == 3


def test_a_password_at_the_command_line(world: World) -> None:
    arguments = ["study", "password", str(world.folder), "eve"]
    short = CliRunner().invoke(main, arguments, input="short\nshort\n")
    assert short.exit_code == 3
    done = CliRunner().invoke(main, arguments, input=f"{PASSWORD}\n{PASSWORD}\n")
    assert done.exit_code == 0, done.output
    assert PASSWORD not in done.output
    body = {"name": "eve", "password": PASSWORD}
    assert world.client().post("/api/researcher/session", json=body).status_code == 200


def test_the_migrations_make_the_tables_that_the_code_has(world: World) -> None:
    with world.place.database.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), Table.metadata)
    assert found == []


def test_a_database_that_cannot_be_opened_is_told(world: World) -> None:
    for address in ("mysql://x", "postgresql://127.0.0.1:1/none"):
        world.database = address
        with pytest.raises(BadInput, match=r"server\.database"):
            world.start()


def test_no_database_takes_a_text_that_another_would_refuse(world: World) -> None:
    with (
        pytest.raises(ValueError, match=r"researcher\.name: 65 characters where 64 have room"),
        world.place.database.writing() as writing,
    ):
        writing.add(Researcher(name="n" * 65, password="-"))


def test_a_long_reason_is_cut_in_the_log(world: World) -> None:
    with world.place.database.writing() as writing:
        audit.note(world.place, writing, "somebody", "sign-in refused", "why " * 100)
    with world.place.database.reading() as reading:
        line = reading.scalars(select(Audit).order_by(Audit.id.desc())).first()
        assert audit.first_broken(reading) is None
    assert line is not None
    assert len(line.about) == 80
    assert line.about.endswith("…")


def test_files_of_nobody_do_not_come_back(world: World, tmp_path: Path) -> None:
    """A database of its own knows nothing any more of who withdrew, and a backup of the files does."""
    strays = world.place.folder_of("gone")
    strays.mkdir(parents=True)
    (strays / "film").write_bytes(b"sealed")
    keeping.backup(world.folder, tmp_path / "backup.tar")
    keeping.restore(tmp_path / "backup.tar", tmp_path / "again")
    assert not (tmp_path / "again" / "data" / "people" / "gone").exists()


# --- PostgreSQL


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgres_tools.running() as server:
        yield server


def test_a_study_in_postgresql(postgres: str, tmp_path: Path) -> None:
    """The whole way once: agree, record, be refused, correct, withdraw."""
    world = World(tmp_path / "study", database=postgres_tools.fresh(postgres))
    assert not (world.folder / "data" / "study.db").exists()
    stays, goes = world.person("P1"), world.person("P2")
    for guest in (stays, goes):
        assert guest.agree().status_code == 201
        guest.client.put("/api/me/metadata", json={"answers": {"age": 30}})
        for item in ("neutral", "q1", "q2"):
            guest.record(item)
        assert guest.client.post("/api/finish").status_code == 200
    recording = stays.client.get("/api/me").json()["recordings"][0]["id"]
    assert stays.put(recording, 0, b"other").status_code == 409
    assert goes.client.get(f"/api/recordings/{recording}").status_code == 404
    told = world.researcher().get("/api/researcher/people").json()
    assert told["counted"] == 2
    theirs = goes.client.get("/api/me").json()["recordings"][1]["id"]
    claims = [worker.claim(world.place) for _ in range(6)]
    assert len({one.recording for one in claims if one is not None}) == 6
    for name in (recording, theirs):
        traces = server_traces.Traces("what was said", "not known", "the light")
        server_traces.leave(world, name, traces)
        server_traces.assign(world, name)
    queue = world.researcher().get("/api/researcher/queue").json()
    assert (queue["counts"]["usable"], queue["counts"]["waiting"], queue["measuring"]) == (2, 4, 4)
    assert goes.client.post("/api/withdraw", json={"all": True}).json()["erased"] is True
    world.start()
    assert world.enter(stays.token, stays.person).media(recording)
    assert world.client().post("/api/session", json={"token": goes.token}).status_code == 410
    place = open_place(world.folder)
    with place.database.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), Table.metadata)
        left = connection.execute(
            text("SELECT count(*) FROM recording WHERE person = :person"), {"person": goes.person}
        )
        assert left.scalar_one() == 0
    assert found == []
    assert world.researcher().get("/api/researcher/audit").json()["whole"] is True
