"""Signing in by OpenID Connect: the accounts that a university has already, for researchers.

Authorization code with PKCE. Signatures are checked by joserfc (extra ``oidc``); the requests to the
provider are Python's own. Which accounts may come in stands in ``study.toml``.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from itsdangerous import BadData, URLSafeTimedSerializer

from twomind.core.errors import BadInput, MissingExtra
from twomind.server.place import Place
from twomind.server.refused import Refused
from twomind.server.study import OpenIdConnect

BACK = "/api/researcher/oidc/back"
#: So long a sign-in at the provider may take, in seconds.
STARTED_S = 600
#: What is known of a provider is asked for again after so many seconds.
_KNOWN_S = 3600.0
_PATIENCE_S = 10
_MOST_BYTES = 1 << 20
#: Signatures that only the provider can make.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
#: How far two clocks may differ, in seconds.
_LEEWAY_S = 60


@dataclass(frozen=True)
class Started:
    """A sign-in that has begun: where to go, and what the browser keeps until it comes back."""

    address: str
    kept: str


@dataclass
class Provider:
    """An OpenID Connect provider, as one study uses it.

    Args:
        place: The study.
        settings: Where the provider is, and who may come in.

    Raises:
        MissingExtra: joserfc is not installed.
        BadInput: The client's secret cannot be read.
    """

    place: Place
    settings: OpenIdConnect
    _known: dict[str, Any] = field(default_factory=dict)
    _known_at: float = -_KNOWN_S
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if importlib.util.find_spec("joserfc") is None:
            raise MissingExtra("oidc", "signing in by OpenID Connect (server.oidc)")
        self._secret = _secret_of(self.settings)

    @property
    def back(self) -> str:
        """Where the provider sends people back: it has to know this address."""
        return f"{self.place.study.server.public_url}{BACK}"

    def start(self) -> Started:
        """Begin a sign-in.

        Raises:
            Refused: The provider cannot be reached.
        """
        verifier, state, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.back,
            "scope": "openid email",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        address = self._endpoint("authorization_endpoint")
        joint = "&" if "?" in address else "?"
        kept = self._signer().dumps({"state": state, "nonce": nonce, "verifier": verifier})
        return Started(f"{address}{joint}{urlencode(asked)}", _text(kept))

    def finish(self, kept: str, state: str, code: str) -> str:
        """Ask the provider who has signed in.

        Args:
            kept: What :meth:`start` gave the browser.
            state: What the provider sent back.
            code: Likewise.

        Returns:
            The researcher's name: their e-mail address, or the subject.

        Raises:
            Refused: It was another browser's sign-in, or too long ago; the provider does not vouch
                for it; or the account is not on the study's list.
        """
        begun = self._begun(kept)
        if not state or not secrets.compare_digest(state.encode(), begun["state"].encode()):
            raise refused("the answer belongs to another sign-in")
        claims = self._claims(self._exchange(code, begun["verifier"]), begun["nonce"])
        return self._name(claims)

    def _begun(self, kept: str) -> dict[str, str]:
        try:
            begun: dict[str, str] = self._signer().loads(kept, max_age=STARTED_S)
        except (BadData, UnicodeError, ValueError) as error:
            raise refused("the sign-in took too long, or began in another browser") from error
        return begun

    def _signer(self) -> URLSafeTimedSerializer:
        salt = f"twomind study {self.place.study.id} openid"
        return URLSafeTimedSerializer(self.place.keys.secret(), salt=salt)

    # --- what is asked of the provider

    def _endpoint(self, name: str) -> str:
        found = self._about().get(name)
        if not isinstance(found, str) or not _is_safe(found):
            raise refused(f"the provider names no safe {name}")
        return found

    def _about(self) -> dict[str, Any]:
        """The provider's description and keys."""
        with self._lock:
            if time.monotonic() - self._known_at < _KNOWN_S:
                return self._known
            issuer = self.settings.issuer.rstrip("/")
            about = _json_of(f"{issuer}/.well-known/openid-configuration")
            if str(about.get("issuer", "")).rstrip("/") != issuer:
                raise refused("the provider calls itself otherwise than server.oidc.issuer")
            if not _is_safe(str(about.get("jwks_uri", ""))):
                raise refused("the provider names no safe jwks_uri")
            self._known = {**about, "keys": _json_of(about["jwks_uri"])}
            self._known_at = time.monotonic()
            return self._known

    def _exchange(self, code: str, verifier: str) -> str:
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.back,
            "client_id": self.settings.client_id,
            "code_verifier": verifier,
        }
        if self._secret:
            asked["client_secret"] = self._secret
        told = _json_of(self._endpoint("token_endpoint"), urlencode(asked).encode())
        token = told.get("id_token")
        if not isinstance(token, str):
            raise refused("the provider sent no id_token")
        return token

    def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        from joserfc import jwk, jwt
        from joserfc.errors import JoseError

        required = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": self._about()["issuer"]},
            aud={"essential": True, "value": self.settings.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            keys = jwk.KeySet.import_key_set(self._about()["keys"])
            claims = jwt.decode(token, keys, algorithms=list(_ALGORITHMS)).claims
            required.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            # Keys change: the next try asks for them again.
            self._known_at = -_KNOWN_S
            raise refused("what the provider says is not signed by it, or is for others") from error
        if claims.get("azp", self.settings.client_id) != self.settings.client_id:
            raise refused("the sign-in was made for another program")
        return claims

    def _name(self, claims: Mapping[str, Any]) -> str:
        allowed = {name.casefold(): name for name in self.settings.researchers}
        email = claims.get("email") if claims.get("email_verified") is True else None
        for said in (email, claims.get("sub")):
            if isinstance(said, str) and said.casefold() in allowed:
                return allowed[said.casefold()]
        raise refused("this account is not on the study's list")


def provider_of(place: Place) -> Provider | None:
    """The provider of a study; None where ``study.toml`` names none.

    Raises:
        MissingExtra, BadInput: As for :class:`Provider`.
    """
    settings = place.study.server.oidc
    return None if settings is None else Provider(place, settings)


def refused(why: str) -> Refused:
    """The refusal of a sign-in that did not work."""
    return Refused(403, "not_signed_in", f"Signing in did not work: {why}.")


def _secret_of(settings: OpenIdConnect) -> str:
    if not settings.client_secret_file:
        return ""
    path = Path(settings.client_secret_file).expanduser()
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"server.oidc.client_secret_file: {path} cannot be read") from error


def _is_safe(address: str) -> bool:
    local = ("http://127.0.0.1:", "http://localhost:", "http://[::1]:")
    return address.startswith(("https://", *local))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A provider answers where it says that it does."""

    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        return None


def _json_of(address: str, body: bytes | None = None) -> dict[str, Any]:
    headers = {"Accept": "application/json"}
    request = urllib.request.Request(address, body, headers)
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=_PATIENCE_S) as answer:
            found = json.loads(answer.read(_MOST_BYTES))
    except (OSError, ValueError) as error:
        raise refused("the provider cannot be reached, or refused") from error
    if not isinstance(found, dict):
        raise refused("the provider's answer cannot be read")
    return found


def _text(token: str | bytes) -> str:
    return token if isinstance(token, str) else token.decode("ascii")
