"""Researchers sign in by OpenID Connect, with a small provider of this test's own."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("joserfc", reason="needs the extra 'oidc'")

from joserfc import jwk, jwt

from server_world import World
from twomind.core.errors import BadInput, MissingExtra
from twomind.server import oidc
from twomind.server.study import study_from

ADA = {"sub": "u1", "email": "Ada@uni.example", "email_verified": True}


@dataclass
class Account:
    """A provider with one account; tests bend what it says."""

    address: str = ""
    key: Any = field(default_factory=lambda: jwk.ECKey.generate_key("P-256", {"kid": "k1"}))
    signs_with: Any = None
    claims: dict[str, Any] = field(default_factory=lambda: dict(ADA))
    about: dict[str, Any] = field(default_factory=dict)
    algorithm: str = "ES256"
    asked: dict[str, dict[str, str]] = field(default_factory=dict)

    def signed(self, nonce: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.address, "aud": "twomind", "iat": now, "exp": now + 60, "nonce": nonce,
            **self.claims,
        }  # fmt: skip
        header = {"alg": self.algorithm, "kid": "k1"}
        key = self.signs_with or self.key
        return jwt.encode(header, claims, key, algorithms=[self.algorithm])

    def agree(self, address: str) -> dict[str, str]:
        """What a person's browser brings back after they have signed in here."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        code = secrets.token_hex(8)
        self.asked[code] = asked
        return {"state": asked["state"], "code": code}

    def exchange(self, told: dict[str, str]) -> dict[str, Any] | None:
        asked = self.asked.pop(told["code"], None)
        digest = hashlib.sha256(told["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or challenge != asked["code_challenge"]:
            return None
        if (told.get("client_secret"), told["redirect_uri"]) != ("s3cret", asked["redirect_uri"]):
            return None
        return {"id_token": self.signed(asked["nonce"]), "token_type": "Bearer"}


@pytest.fixture(scope="module")
def provider() -> Iterator[Account]:
    account = Account()

    class Answers(BaseHTTPRequestHandler):
        def log_message(self, *_args: Any) -> None:
            pass

        def tell(self, value: Any) -> None:
            self.send_response(200 if value is not None else 400)
            self.end_headers()
            self.wfile.write(json.dumps(value).encode())

        def do_GET(self) -> None:
            at = account.address
            if self.path == "/keys":
                public = account.key.as_dict(private=False)
                return self.tell({"keys": [{**public, "kid": "k1"}]})
            about = {
                "issuer": at, "authorization_endpoint": f"{at}/authorize",
                "token_endpoint": f"{at}/token", "jwks_uri": f"{at}/keys",
            }  # fmt: skip
            return self.tell(about | account.about)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            told = {name: values[0] for name, values in parse_qs(body).items()}
            self.tell(account.exchange(told))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    account.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield account
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def study(provider: Account, module_path: Path) -> World:
    secret = module_path / "secret"
    secret.write_text("s3cret\n")

    def text(plain: str) -> str:
        wish = f"""
[server.oidc]
name = "My university"
issuer = "{provider.address}"
client_id = "twomind"
client_secret_file = "{secret}"
researchers = ["ada@uni.example", "u7"]
"""
        return plain + wish

    return World(module_path / "uni", text=text)


@pytest.fixture
def account(provider: Account) -> Account:
    """As it is before a test bends it."""
    plain = Account(provider.address, provider.key)
    vars(provider).update(vars(plain))
    return provider


@pytest.fixture
def world(study: World) -> World:
    """With a server that knows nothing of the provider yet."""
    study.app.state.oidc = oidc.provider_of(study.place)
    return study


def sign_in(world: World, account: Account, **back: str) -> Any:
    """One walk to the provider and back; the client, and where it was led."""
    client = world.client()
    start = client.get("/api/researcher/oidc/start", follow_redirects=False)
    assert start.status_code == 303
    brought = account.agree(start.headers["location"]) | back
    done = client.get("/api/researcher/oidc/back", params=brought, follow_redirects=False)
    assert done.status_code == 303
    return client, done.headers["location"]


def last_line(world: World) -> str:
    lines = world.researcher().get("/api/researcher/audit").json()["lines"]
    refused = [one["about"] for one in lines if one["what"] == "sign-in refused"]
    return str(refused[0])


def test_a_researcher_comes_in_with_an_account_of_theirs(world: World, account: Account) -> None:
    assert world.client().get("/api/researcher/oidc").json() == {"name": "My university"}
    client, led = sign_in(world, account)
    assert led == "/researcher"
    session = client.get("/api/researcher/session").json()
    assert session["name"] == "ada@uni.example"
    client.headers["X-CSRF-Token"] = session["csrf"]
    assert client.post("/api/researcher/test-participants").status_code == 201
    assert "twomind_openid" not in client.cookies
    # A subject is as good as an address.
    account.claims = {"sub": "u7"}
    assert sign_in(world, account)[0].get("/api/researcher/session").json()["name"] == "u7"


REFUSED: dict[str, Callable[[Account], object]] = {
    "somebody else": lambda a: a.claims.update(sub="u2", email="eve@uni.example"),
    "an address that nobody verified": lambda a: a.claims.update(email_verified=False),
    "an address verified in words": lambda a: a.claims.update(email_verified="true"),
    "for another program": lambda a: a.claims.update(aud="other"),
    "made for another program": lambda a: a.claims.update(aud=["twomind", "x"], azp="x"),
    "of another provider": lambda a: a.claims.update(iss="https://evil.example"),
    "expired": lambda a: a.claims.update(exp=int(time.time()) - 3600),
    "another sign-in's": lambda a: a.claims.update(nonce="other"),
    "without a subject": lambda a: a.claims.update(sub=None),
    "signed by another": lambda a: setattr(a, "signs_with", jwk.ECKey.generate_key("P-256")),
    "signed with a public secret": lambda a: (
        setattr(a, "algorithm", "HS256"),
        setattr(a, "signs_with", jwk.OctKey.import_key("s3cret" * 8)),
    ),
    "a provider under another name": lambda a: a.about.update(issuer="https://x.example"),
    "a token address in clear": lambda a: a.about.update(token_endpoint="http://x.example/t"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_provider_does_not_vouch_for_is_refused(
    what: str, world: World, account: Account
) -> None:
    REFUSED[what](account)
    if "provider under" in what:
        start = world.client().get("/api/researcher/oidc/start", follow_redirects=False)
        assert start.headers["location"] == "/researcher#refused"
        return
    client, led = sign_in(world, account)
    assert led == "/researcher#refused"
    assert client.get("/api/researcher/session").status_code == 401
    assert "Signing in did not work" in last_line(world)


def test_answers_that_were_not_asked_for_are_refused(world: World, account: Account) -> None:
    assert sign_in(world, account, state="other")[1] == "/researcher#refused"
    assert sign_in(world, account, code="other")[1] == "/researcher#refused"
    # In a browser that did not begin it, and once more.
    start = world.client().get("/api/researcher/oidc/start", follow_redirects=False)
    brought = account.agree(start.headers["location"])
    other = world.client().get("/api/researcher/oidc/back", params=brought, follow_redirects=False)
    assert other.headers["location"] == "/researcher#refused"


def test_a_provider_that_is_away_is_told(world: World, account: Account) -> None:
    account.about = {"jwks_uri": "http://127.0.0.1:1/keys"}
    start = world.client().get("/api/researcher/oidc/start", follow_redirects=False)
    assert start.headers["location"] == "/researcher#refused"
    assert "cannot be reached" in last_line(world)


def test_without_the_extra_the_server_says_what_to_install(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtra, match=r"twomind\[oidc\]"):
        oidc.provider_of(world.place)


def test_faults_of_the_file_are_told(world: World) -> None:
    text = (world.folder / "study.toml").read_text()
    for old, new, told in (
        ('issuer = "http://127.0.0.1', 'issuer = "http://login.example', "server.oidc.issuer"),
        ('researchers = ["ada@uni.example", "u7"]', "researchers = []", "server.oidc.researchers"),
    ):
        with pytest.raises(BadInput, match=told):
            study_from(text.replace(old, new), "study.toml")
    provider = world.place.study.server.oidc
    assert provider is not None
    with pytest.raises(BadInput, match="client_secret_file"):
        oidc.Provider(world.place, provider.model_copy(update={"client_secret_file": "/absent"}))
