"""Asking over the wire: a real server process on loopback that fails in every way it can, and what
may reach it.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import socket
import sys
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import numpy as np
import pytest

from patience import HANG_S, until
from twomind.core.errors import BadInput, MissingExtra, Offline
from twomind.models.llm.ask import EndpointFailed, Retry
from twomind.models.llm.consent import locate, require
from twomind.models.llm.endpoint import key_variable
from twomind.models.llm.recogniser import LlmRecogniser, LlmSettings, constant
from twomind.types import Status

pytest.importorskip("openai")
import llm_tools as tools

answer, first, recogniser, say, serving = (
    tools.answer,
    tools.first,
    tools.recogniser,
    tools.say,
    tools.serving,
)
KEY = "sk-test-3f9a7c5d1e"
COUNTS = dict.fromkeys(("replies", "measured", "word alone", "unparsable", "not asked"), 0)


# --- what is asked
# ---------------------------------------------------------------------------------------------------


def test_frames_words_and_question_arrive_as_they_are(tmp_path: Path) -> None:
    with serving(tmp_path, say()) as served:
        recogniser(served.url).predict(answer())
        recogniser(served.url, text_only=True).predict(answer())
        recogniser(served.url, strategy="d1", use_question=False).predict(answer())
        both, text, pictures = (
            s["body"]["messages"][0]["content"] for s in served.seen if s["body"]["seed"] == 42
        )
    images = [
        base64.b64decode(p["image_url"]["url"].partition("base64,")[2])
        for p in both
        if p["type"] == "image_url"
    ]
    PIL = pytest.importorskip("PIL.Image")
    for image, grey in zip(images, (20, 80), strict=True):
        shown = np.asarray(PIL.open(io.BytesIO(image)))
        assert shown.shape == (24, 32, 3)
        assert abs(int(shown.mean()) - grey) <= 2
    assert "[0.0 - 1.9] I should go but" in both[-1]["text"]
    assert "0.0, 1.0 s" in both[-1]["text"]
    assert "undecided" in both[-1]["text"]
    assert isinstance(text, str)
    assert "image" not in text
    assert "I should go but" in text
    assert "I should go" not in json.dumps(pictures)
    assert "undecided" not in json.dumps(pictures)


def test_the_probability_is_that_of_the_tokens(tmp_path: Path) -> None:
    with serving(tmp_path, say(tokens=first(0.6, 0.2))) as served:
        found = recogniser(served.url).predict(answer())
        assert len(served.seen) == 1
    assert found.status is Status.OK
    assert found.probs[1] == pytest.approx(0.75)
    assert {e.kind: (e.name, e.value) for e in found.evidence}["source"] == (
        "tokens",
        pytest.approx(0.8),
    )


def test_without_tokens_samples_are_drawn_and_each_is_another_request(tmp_path: Path) -> None:
    steps = [
        say("Ambivalent"),
        say("Non-Ambivalent"),
        say("Ambivalent"),
        say("either"),
        say("Ambivalent"),
    ]
    with serving(tmp_path, say(), *steps) as served:
        model = recogniser(served.url, samples=5)
        found = model.predict(answer())
        bodies = [s["body"] for s in served.seen]
    assert found.probs[1] == pytest.approx((3 + 1) / (4 + 2))  # one of the five cannot be read
    assert [b["temperature"] for b in bodies] == [0.0] + [0.7] * 5
    assert len({b["seed"] for b in bodies}) == 6
    assert model.summary()["samples"] == {"drawn": 5, "unparsable": 1}


@pytest.mark.parametrize(
    "settings", [{"samples": 0}, {"probability": "none"}, {"probability": "tokens"}]
)
def test_a_bare_word_gives_no_probability_but_is_kept_as_evidence(
    tmp_path: Path, settings: dict
) -> None:
    with serving(tmp_path, say("Non-Ambivalent")) as served:
        model = recogniser(served.url, **settings)
        found = model.predict(answer())
        assert len(served.seen) == 1
    assert found.status is Status.NOT_MEASURED
    assert np.isnan(found.probs).all()
    assert "without a probability" in found.reason
    assert [(e.name, e.value) for e in found.evidence if e.kind == "said"] == [("absent", 0.0)]
    assert model.summary()["answers"] == COUNTS | {"replies": 1, "word alone": 1}


@pytest.mark.parametrize(
    "text", ["", "I am not sure.", "Ambivalent or Non-Ambivalent", "not ambivalent"]
)
def test_an_unparsable_reply_is_not_measured_and_counted(tmp_path: Path, text: str) -> None:
    with serving(tmp_path, say(text)) as served:
        model = recogniser(served.url)
        found = model.predict(answer())
    assert found.status is Status.NOT_MEASURED
    assert "unparsable" in found.reason
    assert not found.evidence
    assert model.summary()["answers"] == COUNTS | {"replies": 1, "unparsable": 1}
    assert model.summary()["decisions"] == {"absent": 0, "present": 0}


def test_a_cut_reply_says_so(tmp_path: Path) -> None:
    with serving(tmp_path, say('{"towards": "wan', finish="length")) as served:
        assert (
            "cut at its longest"
            in recogniser(served.url, strategy="two_sides").predict(answer()).reason
        )


def test_without_words_or_pictures_nothing_is_asked(tmp_path: Path) -> None:
    with serving(tmp_path, say()) as served:
        model = recogniser(served.url)
        assert "words" in model.predict(answer(said="")).reason
        assert "pictures" in model.predict(answer(n_pictures=0)).reason
        assert served.seen == []
        assert model.summary()["answers"]["not asked"] == 2
    with pytest.raises(BadInput, match="pictures alone"):
        LlmSettings(model="m", strategy="d1", text_only=True)
    with pytest.raises(BadInput, match=r"expected llm\.model"):
        recogniser(None, model="").predict(answer())


def test_constant_answers_are_flagged(tmp_path: Path) -> None:
    with serving(tmp_path, say(tokens=first(0.9, 0.1))) as served:
        model = recogniser(served.url)
        for n in range(5):
            assert model.summary()["constant"] == ""
            model.predict(answer(recording=f"r{n}"))
        assert "all 5 answers got the same class ('present')" in model.summary()["constant"]
    assert constant([0] * 9 + [1], ("absent", "present")) == ""


# --- failures
# --------------------------------------------------------------------------------------------------------

#: name → (what the server does first, what the record says of it)
RECOVERS = {
    "rate limit": ({"do": "rate", "after": 0.05}, "answered 429"),
    "rate limit without a time": ({"do": "rate"}, "answered 429"),
    "server error": ({"do": "fail", "code": 500}, "answered 500"),
    "overloaded": ({"do": "fail", "code": 503}, "answered 503"),
    "malformed JSON": ({"do": "raw", "text": '{"choices": [{"mess'}, "got something else"),
    "empty body": ({"do": "raw", "text": ""}, "an empty body"),
    "a page": (
        {"do": "raw", "text": "<html>gateway</html>", "type": "text/html"},
        "got something else",
    ),
    "another object": ({"do": "raw", "text": '{"choices": []}'}, "got something else"),
    "no text": (
        {"do": "raw", "text": '{"choices": [{"message": {"content": {"a": 1}}}]}'},
        "got something else",
    ),
    "hangs up": ({"do": "hang_up"}, "the connection failed"),
    "too slow": ({"do": "slow", "s": 3.0, "text": "Non-Ambivalent"}, "reply within 0.7 s"),
    "drips": ({"do": "drip"}, "no whole reply within 0.7 s"),
    "drips headers": ({"do": "drip_headers"}, "no whole reply within 0.7 s"),
}
LATE = ("too slow", "drips", "drips headers")


@pytest.mark.parametrize("name", RECOVERS)
def test_a_failure_that_passes_is_tried_again(tmp_path: Path, name: str) -> None:
    step, why = RECOVERS[name]
    with serving(tmp_path, step, say(tokens=first(0.8, 0.2))) as served:
        model = recogniser(served.url, **({"timeout_s": 0.7} if name in LATE else {}))
        model._records().wait = lambda _: _be_patient(model)
        assert model.predict(answer()).probs[1] == pytest.approx(0.8)
        assert len(served.seen) == 2
        whole = model.summary()["whole_record"]
        assert whole["requests"] == 2
        ((failed, n),) = whole["failed_tries"].items()
        assert why in failed
        assert n == 1


def test_a_server_whose_headers_never_end_is_given_up_and_hung_up_on(tmp_path: Path) -> None:
    with serving(tmp_path, {"do": "drip_headers", "tells": True}) as served:
        model = recogniser(served.url, timeout_s=0.5, retry=Retry(n=1))
        with pytest.raises(EndpointFailed, match=r"no whole reply within 0\.5 s"):
            model.predict(answer())
        until(lambda: {"hung_up": True} in served.seen, "the connection was closed")


def _be_patient(model: LlmRecogniser) -> None:
    """From the second try on a reply may take long: only the first, which is late on purpose, is to
    be given up.
    """
    model._backend.timeout_s, model._backend._client = HANG_S, None


def test_a_failure_that_stays_ends_after_all_tries_and_answers_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, {"do": "fail", "code": 500}) as served:
        with pytest.raises(EndpointFailed, match="500; given up after 3 tries"):
            recogniser(served.url).predict(answer())
        assert len(served.seen) == 3
    with pytest.raises(EndpointFailed, match="connection failed"):
        recogniser(f"http://127.0.0.1:{tools.closed_port()}/v1").predict(answer())


def test_retry_after_is_obeyed_and_back_off_doubles(tmp_path: Path) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=40_000), usegmt=True)
    steps = [
        {"do": "rate", "after": 7},
        {"do": "rate"},
        {"do": "rate", "after": later},
        say(tokens=first(0.8, 0.2)),
    ]
    waits: list[float] = []
    with serving(tmp_path, *steps) as served:
        model = recogniser(served.url, retry=Retry(n=4, first_s=2.0, max_s=50_000.0))
        model._records().wait = waits.append
        model.predict(answer())
    assert waits[:2] == [7.0, 4.0]
    assert 30_000 < waits[2] <= 40_000  # from now to the date, less what has passed since
    with serving(tmp_path, {"do": "rate", "after": 3600}) as served:
        with pytest.raises(EndpointFailed, match="asks to wait 3600 s"):
            recogniser(served.url).predict(answer())
        assert len(served.seen) == 1


@pytest.mark.parametrize(
    ("step", "match"),
    [
        ({"do": "fail", "code": 401}, "refused the key in TWOMIND_LLM_KEY"),
        ({"do": "fail", "code": 404, "message": "model 'm' not found"}, "no such model"),
        (
            {"do": "fail", "code": 400, "message": "context too long"},
            "refused the request .400.*context too long",
        ),
        ({"do": "rate", "message": "insufficient_quota"}, "no quota"),
    ],
)
def test_a_failure_that_cannot_pass_is_not_tried_again(
    tmp_path: Path, step: dict, match: str
) -> None:
    with serving(tmp_path, step) as served:
        with pytest.raises(EndpointFailed, match=match):
            recogniser(served.url).predict(answer())
        assert len(served.seen) == 1


def test_settings_that_a_server_does_not_know_are_left_out(tmp_path: Path) -> None:
    picky = {"do": "picky", "refuses": ["logprobs", "seed", "max_tokens"], "text": "Ambivalent"}
    with serving(tmp_path, picky) as served:
        model = recogniser(served.url, samples=2)
        assert model.predict(answer()).probs[1] == pytest.approx(
            0.75
        )  # samples stand in for the tokens
        last = served.seen[-1]["body"]
        assert "max_completion_tokens" in last
        assert not {"logprobs", "top_logprobs", "seed", "max_tokens"} & set(last)
        n = len(served.seen)
        model.predict(answer(recording="r2"))
        assert len(served.seen) == n  # recordings with the same content are the same question


# --- keys
# ------------------------------------------------------------------------------------------------------------


def test_the_key_is_sent_and_is_nowhere_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture,
) -> None:
    monkeypatch.setenv("TWOMIND_LLM_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-place")
    caplog.set_level(logging.DEBUG)
    echo = say(f"Ambivalent {KEY}")
    refuse = {"do": "fail", "code": 401, "message": "Incorrect API key provided: {key}"}
    bad = {"do": "fail", "code": 400, "message": "cannot serve {key}"}
    record = tmp_path / "record.jsonl"
    said: list[str] = []
    with serving(
        tmp_path, echo, refuse, bad, {"do": "fail", "code": 500, "message": "{key}"}
    ) as served:
        model = recogniser(served.url, record=record, samples=0)
        model.warn = said.append
        said.append(str(model.predict(answer())))
        for n in range(3):
            with pytest.raises(EndpointFailed) as caught:
                model.predict(answer(said=f"number {n}"))
            said.append("".join(traceback.format_exception(caught.value)))
        sent = {k.lower(): v for k, v in served.seen[0]["headers"].items()}
        assert sent["authorization"] == f"Bearer {KEY}"
        assert "sk-of-another-place" not in served.seen_path.read_text()
    said += [
        repr(model),
        str(model.describe()),
        str(model.summary()),
        str(model.settings),
        caplog.text,
    ]
    said += [record.read_text(), *capfd.readouterr()]
    assert len(record.read_text().splitlines()) > 6
    assert "[key removed]" in "".join(said)
    assert KEY not in "\n".join(said)


def test_a_key_is_taken_from_where_it_belongs() -> None:
    assert key_variable(None, "api.openai.com") == "OPENAI_API_KEY"
    assert key_variable(None, "example.org") == "TWOMIND_LLM_KEY"
    assert key_variable("MY_KEY", "example.org") == "MY_KEY"
    with pytest.raises(BadInput) as caught:
        LlmSettings(model="m", key_env=KEY)
    assert KEY not in str(caught.value)
    for url in (f"http://me:{KEY}@127.0.0.1/v1", f"http://127.0.0.1/v1?key={KEY}"):
        with pytest.raises(BadInput, match="environment variable") as caught:
            LlmSettings(model="m", endpoint=url)
        assert KEY not in str(caught.value)


def test_a_remote_endpoint_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWOMIND_LLM_KEY", raising=False)
    model = recogniser("http://192.0.2.1/v1", send_text=True, send_video=True)
    with pytest.raises(BadInput, match="TWOMIND_LLM_KEY"):
        model.predict(answer())
    assert model.summary()["whole_record"]["requests"] == 0  # nothing was sent, so nothing is spent


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtra, match=r"twomind\[llm\]"):
        recogniser("http://127.0.0.1:1/v1").check()


# --- consent
# ---------------------------------------------------------------------------------------------------------


def _resolves(monkeypatch: pytest.MonkeyPatch, **names: tuple[str, ...]) -> list[str]:
    asked: list[str] = []

    def look_up(host: str, *_: object, **__: object) -> list:
        asked.append(host)
        key = host.replace(".", "_").replace("-", "_")
        if key not in names:
            raise socket.gaierror("no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0)) for ip in names[key]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:11434/v1", True),
        ("http://127.9.9.9/v1", True),
        ("https://[::1]:8000/v1", True),
        ("http://localhost:8000/v1", True),
        ("http://here.example/v1", True),
        ("http://localhost.evil.example/v1", False),
        ("http://half.example/v1", False),  # one of its two addresses leads away
        ("https://localhost/v1", False),  # a name cannot be pinned under TLS
        ("http://0.0.0.0:8000/v1", False),
        ("http://192.168.1.5/v1", False),
        ("https://api.openai.com/v1", False),
    ],
)
def test_only_what_cannot_leave_the_machine_is_local(
    monkeypatch: pytest.MonkeyPatch, url: str, local: bool
) -> None:
    _resolves(
        monkeypatch,
        localhost=("127.0.0.1",),
        here_example=("127.0.0.1", "127.0.0.2"),
        localhost_evil_example=("203.0.113.9",),
        half_example=("127.0.0.1", "203.0.113.9"),
        api_openai_com=("203.0.113.1",),
    )
    found = locate(url)
    assert found.local is local
    if local and "example" in url:
        assert found.url == "http://127.0.0.1/v1"  # the name cannot lead elsewhere later


def test_nothing_leaves_without_its_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    away = locate("http://203.0.113.1/v1")
    with pytest.raises(BadInput, match=r"llm\.send_video=true and llm\.send_text=true"):
        require(away, pictures=True, text=True, send_video=False, send_text=False)
    with pytest.raises(BadInput, match=r"with llm\.send_text=true;"):
        require(away, pictures=True, text=True, send_video=True, send_text=False)
    warning = require(away, pictures=True, text=True, send_video=True, send_text=True)
    sent = "Warning: frames of the person and their words are sent to 203.0.113.1."
    assert warning == f"{sent} The connection is not encrypted (http)."
    said: list[str] = []
    monkeypatch.setenv("TWOMIND_LLM_KEY", KEY)
    model = recogniser("https://203.0.113.1/v1", send_text=True, send_video=True)
    model.warn = said.append
    model.check()
    assert said == [sent]
    assert (
        require(
            locate("http://127.0.0.1/v1"),
            pictures=True,
            text=True,
            send_video=False,
            send_text=False,
        )
        == ""
    )

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", never)
    for settings in ({}, {"send_text": True}, {"strategy": "d1", "send_text": True}):
        with pytest.raises(BadInput, match=r"llm\.send_video=true"):
            recogniser("http://203.0.113.1/v1", **settings).predict(answer())
    with pytest.raises(BadInput, match=r"with llm\.send_text=true;"):
        recogniser("http://203.0.113.1/v1", text_only=True, send_video=True).check()


def test_offline_asks_nobody_not_even_for_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _resolves(monkeypatch)
    for url in ("http://203.0.113.1/v1", "https://api.openai.com/v1"):
        with pytest.raises(Offline):
            recogniser(url, offline=True, send_video=True, send_text=True).check()
    assert asked == []


def test_a_proxy_from_the_environment_never_sees_what_is_meant_for_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        serving(tmp_path, say(tokens=first(0.8, 0.2))) as served,
        serving(tmp_path, say()) as proxy,
    ):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert recogniser(served.url).predict(answer()).status is Status.OK
        assert proxy.seen == []


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with serving(tmp_path, say()) as elsewhere:
        step = {"do": "redirect", "to": f"{elsewhere.url}/chat/completions"}
        with (
            serving(tmp_path, step) as served,
            pytest.raises(EndpointFailed, match="redirects elsewhere"),
        ):
            recogniser(served.url).predict(answer())
        assert elsewhere.seen == []


def test_requests_are_spaced(tmp_path: Path) -> None:
    waits: list[float] = []
    now = [0.0]
    with serving(tmp_path, say(tokens=first(0.8, 0.2))) as served:
        model = recogniser(served.url, per_minute=30)
        model._records().wait = lambda s: (waits.append(s), now.__setitem__(0, now[0] + s))[0]
        model._records().clock = lambda: now[0]
        for n in range(3):
            model.predict(answer(said=f"words {n}"))
            now[0] += 0.5
    assert waits == [1.5, 1.5]
