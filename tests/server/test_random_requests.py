"""Requests made at random from the description of the addresses: none may put the server into
trouble.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import server_traces
from server_world import World

pytestmark = pytest.mark.slow

schemathesis = pytest.importorskip("schemathesis", reason="makes the requests")


@pytest.fixture
def roles(make_world: Callable[..., World]) -> tuple[World, dict[str, dict[str, str]]]:
    """A study, and the headers of each role."""
    world = make_world("random")
    guest = world.person()
    guest.agree()
    guest.record("q1")
    team = world.researcher()
    headers = {"anonymous": {}}
    coder = world.coder(server_traces.assign(world, guest.record("q2")))
    for role, client in (("participant", guest.client), ("researcher", team), ("coder", coder)):
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        headers[role] = {"Cookie": cookies, "X-CSRF-Token": client.headers["X-CSRF-Token"]}
    return world, headers


#: They end the session with which the others are asked.
_ENDS = ("DELETE", "/api/withdraw", "/api/researcher/session", "/api/coder/session")


@pytest.mark.parametrize("role", ["anonymous", "participant", "researcher", "coder"])
def test_no_request_puts_the_server_into_trouble(
    roles: tuple[World, dict[str, dict[str, str]]], role: str
) -> None:
    world, headers = roles
    schema = schemathesis.openapi.from_dict(world.app.openapi())
    schema.app = world.app
    client = world.client()
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.method.upper() == "DELETE" or operation.path in _ENDS:
            continue

        @given(case=operation.as_strategy())
        @settings(
            max_examples=12,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            deadline=None,
            derandomize=True,
            database=None,
        )
        def ask(case: Any) -> None:
            nonlocal asked
            sent = case.as_transport_kwargs(base_url="http://testserver")
            own = dict(sent.pop("headers", {}))
            sent.pop("cookies", None)
            try:
                answer = client.request(
                    sent.pop("method"), sent.pop("url"), headers={**own, **headers[role]}, **sent
                )
            except (UnicodeEncodeError, ValueError):
                return  # what no client could send
            asked += 1
            assert answer.status_code < 500 or answer.status_code == 503, answer.text
            assert "content-security-policy" in answer.headers

        ask()
    assert asked > 100


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
def test_any_json_is_answered(roles: tuple[World, dict[str, dict[str, str]]], value: Any) -> None:
    import json

    world, headers = roles
    client = world.client()
    content = json.dumps(value).encode()
    own = {"Content-Type": "application/json", **headers["participant"]}
    for path in ("/api/session", "/api/consent", "/api/recordings", "/api/withdraw"):
        answer = client.post(path, content=content, headers=own)
        assert answer.status_code in (400, 403, 422) or path == "/api/withdraw", answer.text
        assert answer.status_code < 500
