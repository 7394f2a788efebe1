"""The tables of a study. What says something about a person is a sealed blob (``private``), under the
person's own key: a backup without the key says nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    DateTime,
    ForeignKey,
    LargeBinary,
    String,
    TypeDecorator,
    event,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Mapper, mapped_column


class Moment(TypeDecorator[datetime]):
    """A time in UTC, also where the database keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Any) -> datetime | None:
        if value is None:
            return None
        found: datetime = value
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


class Table(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map: ClassVar = {
        datetime: Moment,
        dict[str, Any]: JSON,
        list[str]: JSON,
        bytes: LargeBinary,
    }


class Person(Table):
    """A participant, or somebody who tries the study (``kind`` is ``test``)."""

    __tablename__ = "person"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    #: Under which the audit log knows them; it means nothing once this row is gone.
    mark: Mapped[str] = mapped_column(String(16), unique=True)
    #: ``invited``, ``begun``, ``finished``, ``withdrawing``, ``erasing``.
    state: Mapped[str] = mapped_column(String(12))
    #: Keyed hash of a panel's id: one person once.
    external: Mapped[str | None] = mapped_column(String(64), unique=True)
    language: Mapped[str] = mapped_column(String(16))
    order: Mapped[list[str]]
    checked: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime]
    seen: Mapped[datetime]
    finished: Mapped[datetime | None]
    erase_at: Mapped[datetime | None]
    private: Mapped[bytes]


class ConsentText(Table):
    """Every text that people ever agreed to, whole."""

    __tablename__ = "consent_text"

    version: Mapped[int] = mapped_column(primary_key=True)
    language: Mapped[str] = mapped_column(String(16), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    shown: Mapped[str]


class ConsentGiven(Table):
    """What somebody said to a text; the last one counts."""

    __tablename__ = "consent_given"

    id: Mapped[int] = mapped_column(primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    version: Mapped[int]
    language: Mapped[str] = mapped_column(String(16))
    sha256: Mapped[str] = mapped_column(String(64))
    answers: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class Invitation(Table):
    """A link by which many people come in, for a panel or a class."""

    __tablename__ = "invitation"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    label: Mapped[str] = mapped_column(String(200))
    created: Mapped[datetime]
    revoked: Mapped[bool] = mapped_column(default=False)


class Session(Table):
    """Somebody who opened a link or signed in. Only the hash of what the browser holds is kept."""

    __tablename__ = "session"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: ``participant``, ``researcher`` or ``coder``.
    role: Mapped[str] = mapped_column(String(12))
    subject: Mapped[str] = mapped_column(String(64), index=True)
    expires: Mapped[datetime]


class Researcher(Table):
    """Somebody who may sign in."""

    __tablename__ = "researcher"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    password: Mapped[str] = mapped_column(String(200))
    created: Mapped[datetime]


class Recording(Table):
    """One recording of one item, or the beginning of one."""

    __tablename__ = "recording"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    item: Mapped[str] = mapped_column(String(40))
    mime: Mapped[str] = mapped_column(String(100))
    started_at: Mapped[str] = mapped_column(String(40))
    created: Mapped[datetime]
    #: ``open``, ``complete``, ``replaced``.
    state: Mapped[str] = mapped_column(String(12))
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    stop_reason: Mapped[str] = mapped_column(String(20), default="")
    duration_ms: Mapped[float | None]
    #: Hash of the list of hashes that ended it.
    ended: Mapped[str] = mapped_column(String(64), default="")
    #: What a researcher decided last: ``waiting``, ``usable``, ``again``, ``exclude``.
    quality: Mapped[str] = mapped_column(String(12), default="waiting")
    #: What the worker proposes: ``usable``, ``again``, ``exclude``; empty: nothing.
    proposal: Mapped[str] = mapped_column(String(12), default="", server_default="")
    #: When the worker had measured it, and how often it has begun to.
    measured: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    #: Sealed: events, what the quality control found, and what a model said.
    events: Mapped[bytes | None] = mapped_column(LargeBinary)
    findings: Mapped[bytes | None] = mapped_column(LargeBinary)
    result: Mapped[bytes | None] = mapped_column(LargeBinary)


class Chunk(Table):
    """One chunk that is safe on the disk: the manifest of a recording."""

    __tablename__ = "chunk"

    recording: Mapped[str] = mapped_column(ForeignKey("recording.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]


class Transcript(Table):
    """One version of what was said; each correction is a new one."""

    __tablename__ = "transcript"

    recording: Mapped[str] = mapped_column(ForeignKey("recording.id"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(64))
    words: Mapped[bytes]


class Decision(Table):
    """One decision of a researcher on a recording; the last one counts."""

    __tablename__ = "decision"

    id: Mapped[int] = mapped_column(primary_key=True)
    recording: Mapped[str] = mapped_column(ForeignKey("recording.id"), index=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(64))
    verdict: Mapped[str] = mapped_column(String(12))
    #: Sealed: the reason, which may say something about the person.
    reason: Mapped[bytes]


class Coder(Table):
    """Somebody who codes recordings, and comes by a link of their own."""

    __tablename__ = "coder"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    created: Mapped[datetime]
    revoked: Mapped[bool] = mapped_column(default=False)
    #: Not of the team: sees recordings only of people who agreed to that.
    outside: Mapped[bool] = mapped_column(default=False, server_default=false())
    #: When the gold clips, or a researcher, let them code the rest.
    admitted: Mapped[datetime | None]


class Assignment(Table):
    """A recording that a coder may see."""

    __tablename__ = "assignment"

    coder: Mapped[str] = mapped_column(ForeignKey("coder.id"), primary_key=True)
    recording: Mapped[str] = mapped_column(ForeignKey("recording.id"), primary_key=True, index=True)
    at: Mapped[datetime]


class Coding(Table):
    """One coder's coding of one recording. The coder :data:`twomind.server.coding.TEAM` is the one
    that the team agreed on.
    """

    __tablename__ = "coding"

    recording: Mapped[str] = mapped_column(ForeignKey("recording.id"), primary_key=True)
    coder: Mapped[str] = mapped_column(String(16), primary_key=True)
    #: The version that counts; 0: nothing was marked yet.
    revision: Mapped[int] = mapped_column(default=0)
    done: Mapped[datetime | None]


class CodingVersion(Table):
    """What was marked after one action. No version is ever changed."""

    __tablename__ = "coding_version"

    recording: Mapped[str] = mapped_column(ForeignKey("recording.id"), primary_key=True)
    coder: Mapped[str] = mapped_column(String(16), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    #: Who did it: the coder, or a researcher.
    by: Mapped[str] = mapped_column(String(64))
    #: The version that undoing goes back to, and the one that redoing goes on to; -1: none.
    before: Mapped[int]
    after: Mapped[int]
    #: Sealed.
    marks: Mapped[bytes]


class Gold(Table):
    """A recording whose agreed coding is the measure of coders."""

    __tablename__ = "gold"

    recording: Mapped[str] = mapped_column(ForeignKey("recording.id"), primary_key=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(64))


class Audit(Table):
    """Who did what. Each line holds the hash of the line before: none can be taken out unseen."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[str] = mapped_column(String(40))
    who: Mapped[str] = mapped_column(String(80))
    what: Mapped[str] = mapped_column(String(40))
    about: Mapped[str] = mapped_column(String(80))
    hash: Mapped[str] = mapped_column(String(64))


def _refuse_long_texts(mapper: Mapper[Any], _connection: Connection, row: Table) -> None:
    """SQLite keeps a text that is longer than its column, PostgreSQL refuses it: here both refuse it."""
    for attribute in mapper.column_attrs:
        column = attribute.columns[0]
        most = getattr(column.type, "length", None)
        value = getattr(row, attribute.key)
        if isinstance(value, str) and most is not None and len(value) > most:
            raise ValueError(f"{column}: {len(value)} characters where {most} have room")


for _moment in ("before_insert", "before_update"):
    event.listen(Table, _moment, _refuse_long_texts, propagate=True)
