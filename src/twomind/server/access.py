"""Who may come in: signed links for participants, passwords for researchers, and sessions."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import delete, select

from twomind.core.errors import BadInput
from twomind.server import audit
from twomind.server.place import Place
from twomind.server.refused import Refused
from twomind.server.tables import Researcher, Session

Role = Literal["participant", "researcher", "coder"]
#: ``person``: one person's own link; ``panel``: a link for many; ``setup``: the first password;
#: ``coder``: a coder's own link.
Purpose = Literal["person", "panel", "setup", "coder"]
_SHORTEST_PASSWORD = 12
_SETUP_S = 24 * 3600
_DAY_S = 24 * 3600
_MOST_TOKEN = 400


# --- links


def _signer(place: Place, purpose: Purpose) -> URLSafeTimedSerializer:
    salt = f"twomind study {place.study.id} link {purpose}"
    return URLSafeTimedSerializer(place.keys.secret(), salt=salt)


def link_token(place: Place, purpose: Purpose, subject: str) -> str:
    """A signed token for one purpose; it opens nothing else.

    Args:
        place: The study; tokens of another study are forged here.
        purpose: What it opens.
        subject: Id of the person or of the invitation.
    """
    token = _signer(place, purpose).dumps(subject)
    return token if isinstance(token, str) else token.decode("ascii")


def read_token(place: Place, purpose: Purpose, token: str) -> str:
    """The subject of a token.

    Raises:
        Refused: It is forged, for something else, or too old.
    """
    days = place.study.recruiting.link_days
    oldest = _SETUP_S if purpose == "setup" else days * _DAY_S
    try:
        if len(token) > _MOST_TOKEN:
            raise BadData("too long")
        subject = _signer(place, purpose).loads(token, max_age=oldest)
    except (BadData, UnicodeError, ValueError) as error:
        raise bad_link() from error
    return str(subject)


def bad_link() -> Refused:
    """The refusal of a link that is not valid."""
    return Refused(
        403,
        "bad_link",
        "This link is not valid or is too old. Ask the people of the study for a new one.",
    )


def link(place: Place, token: str) -> str:
    """The address that a person opens. What follows ``#`` is not sent, so no log holds it."""
    return f"{place.study.server.public_url}/join#{token}"


def external_mark(place: Place, external: str) -> str:
    """A panel's id of a person, hashed with the study's secret."""
    whole = f"external id\0{external}".encode("utf-8", "surrogatepass")
    return hmac.new(place.keys.secret(), whole, hashlib.sha256).hexdigest()


# --- sessions


@dataclass(frozen=True)
class Opened:
    """A new session: what the browser is given."""

    token: str
    csrf: str
    expires: datetime


@dataclass(frozen=True)
class Visitor:
    """Who asks: a session that was found."""

    role: Role
    subject: str
    hash: str
    expires: datetime


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def csrf_of(place: Place, session_hash: str) -> str:
    """What a page of this session sends with each change; no other page can know it."""
    whole = f"csrf\0{session_hash}".encode()
    return hmac.new(place.keys.secret(), whole, hashlib.sha256).hexdigest()


def same_text(one: str, other: str) -> bool:
    """Compare without telling by the time it takes where two texts differ."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def open_session(place: Place, role: Role, subject: str) -> Opened:
    """Begin a session, and drop those that are over."""
    token = secrets.token_urlsafe(32)
    expires = place.now() + timedelta(hours=place.study.server.session_hours)
    session = Session(hash=_hashed(token), role=role, subject=subject, expires=expires)
    with place.database.writing() as writing:
        writing.execute(delete(Session).where(Session.expires < place.now()))
        writing.add(session)
    return Opened(token, csrf_of(place, session.hash), expires)


def find_session(place: Place, role: Role, token: str) -> Visitor | None:
    """The session of a token, if it is of this role and not over."""
    with place.database.reading() as reading:
        found = reading.get(Session, _hashed(token))
    if found is None or found.role != role or found.expires <= place.now():
        return None
    return Visitor(role, found.subject, found.hash, found.expires)


def end_session(place: Place, visitor: Visitor) -> None:
    """The token is worth nothing from now on."""
    with place.database.writing() as writing:
        writing.execute(delete(Session).where(Session.hash == visitor.hash))


# --- researchers

_HASHER = PasswordHasher()
#: Checked where there is nobody of a name, so that the time tells nothing.
_NOBODY = _HASHER.hash(secrets.token_hex(16))


def set_password(place: Place, name: str, password: str) -> None:
    """Give somebody access as a researcher, or another password; their sessions end.

    Raises:
        BadInput: The password is too short.
    """
    if len(password) < _SHORTEST_PASSWORD:
        raise BadInput(
            f"the password has {len(password)} characters; at least {_SHORTEST_PASSWORD}"
        )
    hashed = _HASHER.hash(password)
    with place.database.writing() as writing:
        writing.merge(Researcher(name=name, password=hashed, created=place.now()))
        of_name = (Session.role == "researcher") & (Session.subject == name)
        writing.execute(delete(Session).where(of_name))
        audit.note(place, writing, f"researcher {name}", "password set")


def any_researcher(place: Place) -> bool:
    """Whether somebody can sign in."""
    with place.database.reading() as reading:
        return reading.scalars(select(Researcher).limit(1)).first() is not None


def sign_in(place: Place, name: str, password: str) -> Opened:
    """Begin a researcher's session.

    Raises:
        Refused: Name or password is wrong; which one is not said.
    """
    with place.database.reading() as reading:
        found = reading.get(Researcher, name)
    hashed = _NOBODY if found is None else found.password
    right = _matches(_HASHER.verify, hashed, password)
    with place.database.writing() as writing:
        what = "signed in" if right else "sign-in refused"
        audit.note(place, writing, f"researcher {name}" if found else "somebody", what)
    if not right:
        raise Refused(403, "bad_password", "Name or password is wrong.")
    return open_session(place, "researcher", name)


def _matches(verify: Callable[[str, str], bool], hashed: str, password: str) -> bool:
    try:
        return verify(hashed, password)
    except (Argon2Error, InvalidHashError, UnicodeError):
        return False
