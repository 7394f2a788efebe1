"""The audit log: who did what when. Lines are only added; each holds the hash of all before it."""

from __future__ import annotations

import hashlib
import json

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from twomind.server.place import Place, stamp
from twomind.server.tables import Audit

#: Characters of one line's ``about``; what a provider writes, for one, has no end of its own.
_MOST = 80
_START = "0" * 64
#: Any number; whoever writes the log holds PostgreSQL's lock of this number.
_LOCK = 7_016_996


def note(place: Place, session: Session, who: str, what: str, about: str = "") -> None:
    """Add a line within a transaction that writes.

    Args:
        place: The study.
        session: The transaction: the line is there exactly if what it tells was done.
        who: ``researcher ada``, ``participant 3f…`` (their mark), ``server``.
        what: Few words.
        about: What or whom it was done to; people by their mark. Longer than 80 characters, it is cut.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
    session.flush()
    last = session.scalars(select(Audit).order_by(Audit.id.desc()).limit(1)).first()
    before = _START if last is None else last.hash
    line = Audit(at=stamp(place.now()), who=who, what=what, about=_shortened(about))
    line.hash = _hash(before, line)
    session.add(line)
    session.flush()


def _shortened(about: str) -> str:
    return about if len(about) <= _MOST else f"{about[: _MOST - 1]}…"


def _hash(before: str, line: Audit) -> str:
    whole = json.dumps([before, line.at, line.who, line.what, line.about])
    return hashlib.sha256(whole.encode()).hexdigest()


def first_broken(session: Session) -> int | None:
    """The number of the first line that was changed, or whose predecessor was taken out."""
    before = _START
    for line in session.scalars(select(Audit).order_by(Audit.id)):
        if line.hash != _hash(before, line):
            return line.id
        before = line.hash
    return None
