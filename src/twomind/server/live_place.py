"""What a live service keeps: tokens, sealed states, and the queue of jobs. Everything belongs to the
holder of one token; nothing of a name or a word is kept beside it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twomind.core import names
from twomind.server import durable
from twomind.server.keys import Keys
from twomind.server.live_policy import Policy, policy_of
from twomind.server.live_settings import LiveService, load_settings
from twomind.server.place import now, stamp
from twomind.server.refused import Refused, not_found
from twomind.server.sealed import Unreadable, seal, unseal

_DATA = "data"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (hash TEXT PRIMARY KEY, owner TEXT NOT NULL, created TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS states (
  id TEXT PRIMARY KEY, owner TEXT NOT NULL, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL,
  created TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, owner TEXT NOT NULL, state TEXT NOT NULL, model TEXT NOT NULL,
  question TEXT NOT NULL, drawn INTEGER NOT NULL, bytes INTEGER NOT NULL, reason TEXT NOT NULL,
  created TEXT NOT NULL);
"""


def hashed(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(eq=False)
class LivePlace:
    """The folder of one live service, open. Two may run in one process.

    Args:
        folder: Of the service.
        settings: What ``live.toml`` says.
        keys: Of the holders of tokens, in ``FOLDER.keys`` beside the folder.
    """

    folder: Path
    settings: LiveService
    keys: Keys
    policy: Policy
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        durable.make_folder(self.folder / _DATA)
        with self.writing() as database:
            database.executescript(_SCHEMA)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction; what it wrote is on the disk when it is left."""
        with self._lock:
            database = sqlite3.connect(self.folder / _DATA / "live.sqlite", timeout=30)
            database.row_factory = sqlite3.Row
            try:
                database.execute("PRAGMA synchronous = FULL")
                with database:
                    yield database
            finally:
                database.close()

    # --- tokens

    def new_token(self) -> str:
        """A token, for somebody who may use the service; it is shown once."""
        token = secrets.token_urlsafe(32)
        owner = secrets.token_hex(16)
        self.keys.make(owner)
        with self.writing() as database:
            row = (hashed(token), owner, stamp(now()))
            database.execute("INSERT INTO tokens VALUES (?, ?, ?)", row)
        return token

    def has_tokens(self) -> bool:
        """Whether anybody may use the service."""
        with self.writing() as database:
            return database.execute("SELECT 1 FROM tokens").fetchone() is not None

    def owner(self, token: str) -> str:
        """Whose token this is.

        Raises:
            Refused: Nobody's.
        """
        with self.writing() as database:
            found = database.execute(
                "SELECT owner FROM tokens WHERE hash = ?", (hashed(token),)
            ).fetchone()
        if found is None:
            raise Refused(401, "no_token", "Give a token of this service (Authorization: Bearer).")
        return str(found["owner"])

    # --- room

    def refuse_full(self, coming: int = 0) -> None:
        """Begin nothing where the disk is nearly full.

        Raises:
            Refused: Less than ``least_free_bytes`` would be left.
        """
        free = shutil.disk_usage(self.folder).free
        if free - coming < self.settings.least_free_bytes:
            raise Refused(507, "full", "The server's disk is nearly full; nothing new is begun.")

    # --- states

    def put_state(self, owner: str, content: bytes) -> dict[str, Any]:
        """Keep a session's state, sealed under its owner's key."""
        self.refuse_full(len(content))
        number = secrets.token_hex(16)
        path = self._owned(owner, "states", number)
        durable.make_folder(path.parent)
        durable.write_bytes(path, seal(self.keys.of(owner), content, f"state {number}"))
        entry = (number, owner, hashlib.sha256(content).hexdigest(), len(content), stamp(now()))
        with self.writing() as database:
            database.execute("INSERT INTO states VALUES (?, ?, ?, ?, ?)", entry)
        return self.state_entry(owner, number)

    def state_entry(self, owner: str, number: str) -> dict[str, Any]:
        """What is told of a state."""
        with self.writing() as database:
            found = database.execute(
                "SELECT * FROM states WHERE id = ? AND owner = ?", (number, owner)
            ).fetchone()
        if found is None:
            raise not_found()
        return {name: found[name] for name in ("id", "sha256", "bytes", "created")}

    def states(self, owner: str) -> list[dict[str, Any]]:
        """All states of an owner."""
        with self.writing() as database:
            rows = database.execute(
                "SELECT id FROM states WHERE owner = ? ORDER BY created, id", (owner,)
            ).fetchall()
        return [self.state_entry(owner, row["id"]) for row in rows]

    def get_state(self, owner: str, number: str) -> bytes:
        """A state as it was put.

        Raises:
            Refused: There is none of this owner, or it is damaged.
        """
        self.state_entry(owner, number)
        sealed = self._owned(owner, "states", number).read_bytes()
        try:
            return unseal(self.keys.of(owner), sealed, f"state {number}")
        except Unreadable as error:
            raise Refused(409, "damaged", "This state is damaged on the disk.") from error

    def erase_state(self, owner: str, number: str) -> None:
        """The state is gone from disk and list."""
        self.state_entry(owner, number)
        durable.remove(self._owned(owner, "states", number))
        with self.writing() as database:
            database.execute("DELETE FROM states WHERE id = ? AND owner = ?", (number, owner))

    # --- jobs

    def add_job(self, owner: str, number: str, about: dict[str, Any]) -> None:
        """A job whose file is on the disk waits to be done."""
        row = (number, owner, "waiting", about["model"], about["question"], about["drawn"])
        with self.writing() as database:
            database.execute(
                "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, '', ?)",
                (*row, about["bytes"], stamp(now())),
            )

    def job(self, owner: str, number: str) -> dict[str, Any]:
        """What is told of a job.

        Raises:
            Refused: There is none of this owner.
        """
        with self.writing() as database:
            found = database.execute(
                "SELECT * FROM jobs WHERE id = ? AND owner = ?", (number, owner)
            ).fetchone()
        if found is None:
            raise not_found()
        told = ("id", "state", "model", "bytes", "reason", "created")
        return {name: found[name] for name in told}

    def jobs(self, owner: str) -> list[dict[str, Any]]:
        """All jobs of an owner."""
        with self.writing() as database:
            rows = database.execute(
                "SELECT id FROM jobs WHERE owner = ? ORDER BY created, id", (owner,)
            ).fetchall()
        return [self.job(owner, row["id"]) for row in rows]

    def next_job(self) -> dict[str, Any] | None:
        """The oldest job that waits, marked as being done."""
        with self.writing() as database:
            found = database.execute(
                "SELECT * FROM jobs WHERE state = 'waiting' ORDER BY created, id LIMIT 1"
            ).fetchone()
            if found is None:
                return None
            database.execute("UPDATE jobs SET state = 'running' WHERE id = ?", (found["id"],))
        return dict(found)

    def wait_again(self) -> int:
        """Jobs that a server was doing when it stopped wait again; how many."""
        with self.writing() as database:
            return database.execute(
                "UPDATE jobs SET state = 'waiting' WHERE state = 'running'"
            ).rowcount

    def end_job(self, job: dict[str, Any], result: dict[str, Any] | None, reason: str) -> None:
        """Keep a job's result, sealed, or why there is none; its film is gone."""
        owner, number = job["owner"], job["id"]
        if result is not None:
            content = json.dumps(result).encode("ascii")
            sealed = seal(self.keys.of(owner), content, f"result {number}")
            durable.write_bytes(self.result_path(owner, number), sealed)
        durable.remove(self.film_path(owner, number))
        with self.writing() as database:
            state = "failed" if result is None else "done"
            values = (state, reason, number)
            database.execute("UPDATE jobs SET state = ?, reason = ? WHERE id = ?", values)

    def result(self, owner: str, number: str) -> dict[str, Any]:
        """A job's result.

        Raises:
            Refused: It is not done, or failed.
        """
        told = self.job(owner, number)
        if told["state"] != "done":
            raise Refused(409, told["state"], told["reason"] or f"This job is {told['state']}.")
        sealed = self.result_path(owner, number).read_bytes()
        found: dict[str, Any] = json.loads(unseal(self.keys.of(owner), sealed, f"result {number}"))
        return found

    def erase_job(self, owner: str, number: str) -> None:
        """A job, its film and its result are gone; one that is being done cannot be."""
        if self.job(owner, number)["state"] == "running":
            raise Refused(409, "running", "This job is being done; erase it when it is over.")
        durable.remove(self.film_path(owner, number))
        durable.remove(self.result_path(owner, number))
        with self.writing() as database:
            database.execute("DELETE FROM jobs WHERE id = ? AND owner = ?", (number, owner))

    def film_path(self, owner: str, number: str) -> Path:
        """Where a job's film lies until it is done."""
        return self._owned(owner, "jobs", f"{number}.film")

    def result_path(self, owner: str, number: str) -> Path:
        """Where a job's sealed result lies."""
        return self._owned(owner, "jobs", f"{number}.result")

    def _owned(self, owner: str, *more: str) -> Path:
        return names.inside(self.folder / _DATA, owner, *more)


def open_live(folder: Path) -> LivePlace:
    """Open the folder of a live service; a new one is made.

    Raises:
        BadInput: ``live.toml``, the policy or the folder of keys cannot be used.
    """
    settings = load_settings(folder)
    policy = policy_of(settings.policy)
    beside = folder.resolve()
    keys = Keys.at(beside.with_name(f"{beside.name}.keys"))
    return LivePlace(folder, settings, keys, policy)
