"""The database of a study: SQLite in its folder, or PostgreSQL by one setting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from twomind.core.errors import BadInput
from twomind.server import durable

SQLITE = "study.db"
_WRITING = "twomind_writing"
#: Alembic keeps what it is doing in one place for a whole process.
_MIGRATING = threading.Lock()


@dataclass(frozen=True)
class Database:
    """Transactions on one study's database."""

    engine: Engine

    @classmethod
    def at(cls, address: str, data: Path) -> Database:
        """Open the database and bring its tables to this version.

        Args:
            address: ``postgresql://…``; empty for SQLite.
            data: Folder of SQLite's file.

        Raises:
            BadInput: The address cannot be used, or nobody answers there.
        """
        durable.make_folder(data)
        try:
            engine = _engine(address, data)
            database = cls(engine)
            database.upgrade()
        except ModuleNotFoundError as error:
            raise BadInput(
                "server.database: PostgreSQL needs pip install 'twomind[postgres]'"
            ) from error
        except (ArgumentError, SQLAlchemyError) as error:
            why = str(error).splitlines()[0]
            raise BadInput(f"server.database: it cannot be opened ({why})") from error
        return database

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def upgrade(self) -> None:
        """Make or change the tables, as the migrations say."""
        with as_file(files("twomind.server") / "migrations") as folder:
            config = Config()
            config.set_main_option("script_location", str(folder))
            with _MIGRATING, self._connected() as connection, connection.begin():
                config.attributes["connection"] = connection
                command.upgrade(config, "head")

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            yield connection.execution_options(**{_WRITING: True})

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only reads."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that writes; on the disk when the block has ended, or undone."""
        with (
            self._connected() as connection,
            Session(connection, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def forget(self) -> None:
        """Leave nothing of deleted rows in free pages or in the log of changes."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if self.is_sqlite:
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
            connection.execute(text("VACUUM"))
            if self.is_sqlite:
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))


def _engine(address: str, data: Path) -> Engine:
    if not address:
        engine = create_engine(f"sqlite:///{data / SQLITE}", hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if not address.startswith("postgresql://"):
        raise BadInput('server.database: empty, or an address that begins with "postgresql://"')
    driver = address.replace("postgresql://", "postgresql+psycopg://", 1)
    return create_engine(driver, pool_pre_ping=True, hide_parameters=True)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transactions begin too late: see _begin_sqlite.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        "busy_timeout=20000",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return
    # A transaction that will write takes its turn at once; else two could wait for each other.
    writes = connection.get_execution_options().get(_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
