"""Back end: any OpenAI-compatible endpoint (vLLM, Ollama, llama.cpp, hosted), through the official
client.

The key is read from the environment when it is needed and kept in no setting; every text that comes
back is searched for it before anybody sees it. Requests to this machine go past no proxy, and no
redirect is followed anywhere.
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from twomind.core.errors import BadInput, MissingExtra
from twomind.models.llm.ask import EndpointFailed, Reply, Request, Token, Tried
from twomind.models.llm.consent import Address

DEFAULT_KEY = "TWOMIND_LLM_KEY"
HIDDEN = "[key removed]"
#: Settings that an endpoint may refuse, each with what is then done about it.
_OPTIONAL = ("logprobs", "seed", "temperature", "max_tokens")
_Made = TypeVar("_Made")


class TooLate(Exception):
    """Something was not done in time."""


def within(limit_s: float, work: Callable[[], _Made], give_up: Callable[[], None]) -> _Made:
    """What some work returns or raises, if it is done in time.

    It has a thread of its own: a limit of the client starts anew with every byte, so that a server
    which lets single bytes drip, of its headers too, would hold the caller for ever.

    Args:
        limit_s: seconds from now.
        work: what is done.
        give_up: ends what is still at work after that.

    Raises:
        TooLate: it was not done by then.
    """
    made: Future[_Made] = Future()

    def run() -> None:
        try:
            made.set_result(work())
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=run, name="twomind-ask", daemon=True).start()
    wait([made], min(limit_s, threading.TIMEOUT_MAX))
    if not made.done():
        give_up()
        raise TooLate
    return made.result()


def key_variable(given: str | None, host: str) -> str:
    """The environment variable that holds the key. ``OPENAI_API_KEY`` is used of itself only for
    its own host.

    Raises:
        BadInput: not the name of a variable (perhaps the key itself, so it is not repeated).
    """
    if given is None:
        return "OPENAI_API_KEY" if host == "api.openai.com" else DEFAULT_KEY
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", given):
        raise BadInput(
            "llm.key_env: expected the NAME of an environment variable (capitals, digits, _), "
            "such as "
            f"{DEFAULT_KEY}; never the key itself"
        )
    return given


def read_key(variable: str, *, needed: bool) -> str:
    """The key, or a placeholder for a local server that wants none.

    Raises:
        BadInput: it is not set and the endpoint is not this machine.
    """
    key = os.environ.get(variable, "").strip()
    if not key and needed:
        raise BadInput(f"the endpoint needs a key: put it into the environment variable {variable}")
    return key or "none"


def without(text: str, key: str) -> str:
    """The text with every occurrence of the key taken out."""
    return text.replace(key, HIDDEN) if len(key) >= 6 else text


@dataclass
class Endpoint:
    """One model behind one address. ``timeout_s`` is for one try, from sending to the
    whole reply.
    """

    address: Address
    model: str
    key_env: str = DEFAULT_KEY
    timeout_s: float = 120.0
    jpeg_quality: int = 85
    _dropped: list[str] = field(default_factory=list)
    _client: Any = None

    @property
    def identity(self) -> Mapping[str, Any]:
        return endpoint_identity(self.address.shown, self.model, self.jpeg_quality)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def ready(self) -> None:
        """Make the client, without a connection.

        Raises:
            MissingExtra: ``openai`` is not installed.
            BadInput: a key is needed and not set.
        """
        self._connected()

    def _connected(self) -> Any:
        if self._client is None:
            try:
                import openai
            except ImportError as error:
                raise MissingExtra("llm", "asking a language model at an endpoint") from error
            # trust_env: a proxy from the environment would carry frames that are meant for this
            # machine elsewhere.
            http = openai.DefaultHttpxClient(
                trust_env=not self.address.local, follow_redirects=False, timeout=self.timeout_s
            )
            key = read_key(self.key_env, needed=not self.address.local)
            self._client = openai.OpenAI(
                api_key=key,
                base_url=self.address.url,
                max_retries=0,
                timeout=self.timeout_s,
                http_client=http,
            )
        return self._client

    def attempt(self, request: Request) -> Reply | Tried:
        client = self._connected()
        key = str(client.api_key)
        started = time.monotonic()
        try:
            # A try that comes too late leaves its connection in any state: the next one gets another.
            reply = within(self.timeout_s, lambda: self._send(client, request, key), self.close)
        except TooLate:
            return Tried(f"no whole reply within {self.timeout_s:g} s", True)
        except Exception as error:
            # `from None` everywhere below: the library's own error may quote the key, and a
            # traceback would print it.
            failed = _why(error, key, self.key_env, self.timeout_s)
            if isinstance(failed, BadInput):
                adapted = self._adapt(error, request)
                if adapted is None:
                    raise failed from None
                return adapted
            return failed
        if isinstance(reply, Tried):
            return reply
        return Reply(**{**reply, "seconds": round(time.monotonic() - started, 3)})

    def _send(self, client: Any, request: Request, key: str) -> dict[str, Any] | Tried:
        """One HTTP request."""
        settings: dict[str, Any] = {"temperature": request.temperature, "seed": request.seed}
        settings["max_tokens"] = request.max_tokens
        if request.alternatives:
            settings |= {"logprobs": True, "top_logprobs": min(request.alternatives, 20)}
        for name in self._dropped:
            value = settings.pop(name, None)
            if name == "logprobs":
                settings.pop("top_logprobs", None)
            if name == "max_tokens":
                settings["max_completion_tokens"] = value
        messages = [{"role": "user", "content": content(request, self.jpeg_quality)}]
        with client.chat.completions.with_streaming_response.create(
            model=self.model, messages=messages, **settings
        ) as response:
            body = bytearray()
            for block in response.iter_bytes():
                body += block
                if len(body) > 32_000_000:
                    return Tried("the reply is longer than 32 MB", False)
        return read_reply(bytes(body), tuple(self._dropped), key)

    def _adapt(self, error: Exception, request: Request) -> Tried | None:
        """Leave out a setting that the endpoint says it does not know; None when that is not what
        it said.
        """
        if getattr(error, "status_code", None) not in (400, 422):
            return None
        said = str(getattr(error, "body", "") or "") + str(error)
        for name in _OPTIONAL:
            used = name != "logprobs" or request.alternatives
            if used and name not in self._dropped and name in said:
                self._dropped.append(name)
                return Tried(
                    f"the endpoint does not take the setting {name}; it was left out",
                    True,
                    adapted=True,
                )
        return None


def endpoint_identity(shown: str, model: str, jpeg_quality: int) -> dict[str, Any]:
    """What names this back end in the key of a reply; made without any look-up, so that replay
    needs no network.
    """
    return {
        "kind": "endpoint",
        "address": shown.rstrip("/"),
        "model": model,
        "jpeg_quality": jpeg_quality,
    }


def content(request: Request, quality: int) -> str | list[dict[str, Any]]:
    """The message: the pictures in order of time, the sound, then the text. Text alone stays a plain
    string.
    """
    if not request.pictures and request.sound is None:
        return request.text
    parts: list[dict[str, Any]] = []
    for picture in request.pictures:
        data = base64.b64encode(picture.jpeg(quality)).decode()
        parts.append({"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}})
    if request.sound is not None:
        data = base64.b64encode(request.sound.wav()).decode()
        parts.append({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})
    return [*parts, {"type": "text", "text": request.text}]


def read_reply(body: bytes, dropped: tuple[str, ...], key: str) -> dict[str, Any] | Tried:
    """The fields of a :class:`Reply` from the body of a chat completion, or why it is none (which
    is tried again).
    """
    try:
        entry = json.loads(body.decode("utf-8"))
        choice = entry["choices"][0]
        text = choice["message"].get("content")
        usage = entry.get("usage") or {}
        tokens = () if "logprobs" in dropped else _tokens(choice.get("logprobs"), key)
        counts = [int(usage.get(k, -1)) for k in ("prompt_tokens", "completion_tokens")]
        if text is not None and not isinstance(text, str):
            raise TypeError("the content is not text")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        what = "an empty body" if not body.strip() else f"{type(error).__name__}"
        return Tried(
            f"expected a chat completion as JSON, got something else ({what}, {len(body)} bytes)",
            True,
        )
    return {
        "text": without(text or "", key),
        "tokens": tokens,
        "tokens_in": counts[0],
        "tokens_out": counts[1],
        "finish": str(choice.get("finish_reason") or ""),
        "model": without(str(entry.get("model") or ""), key),
        "dropped": dropped,
    }


def _tokens(logprobs: Any, key: str) -> tuple[Token, ...]:
    """Tokens with their alternatives; nothing where they are absent or malformed, for they are only
    an extra.
    """
    try:
        rows = (logprobs or {}).get("content") or []
        found = []
        for row in rows:
            top = tuple(
                (without(str(t["token"]), key), float(t["logprob"]))
                for t in row.get("top_logprobs") or []
            )
            found.append(Token(without(str(row["token"]), key), float(row["logprob"]), top))
        numbers = [v for t in found for v in (t.logprob, *(x for _, x in t.top))]
        return tuple(found) if all(not math.isnan(v) and v <= 1e-6 for v in numbers) else ()
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()


def _why(error: Exception, key: str, key_env: str, timeout_s: float) -> Tried | BadInput:
    """What a failed try means: worth another one, or the end (a BadInput to raise)."""
    import openai

    said = without(f"{error}", key)[:300]
    if isinstance(error, openai.APITimeoutError):
        return Tried(f"no reply within {timeout_s:g} s", True)
    if isinstance(error, openai.APIStatusError):
        return _why_status(error, said, key_env)
    if isinstance(error, openai.APIConnectionError):
        cause = type(error.__cause__).__name__ if error.__cause__ else "no connection"
        return Tried(f"the connection failed ({cause})", True)
    # The client stands on httpx or httpx2, by its version, and lets their errors through while a
    # body is read.
    kinds = {c.__name__ for c in type(error).__mro__}
    if "TimeoutException" in kinds:
        return Tried(f"no reply within {timeout_s:g} s", True)
    if "HTTPError" in kinds:
        return Tried(f"the connection broke ({type(error).__name__})", True)
    if isinstance(error, openai.OpenAIError | ValueError | UnicodeError):
        return Tried(f"the reply cannot be read ({type(error).__name__})", True)
    raise error


def _why_status(error: Any, said: str, key_env: str) -> Tried | BadInput:
    code = int(error.status_code)
    if code in (401, 403):
        return EndpointFailed(f"the endpoint refused the key in {key_env} ({code}): {said}")
    if 300 <= code < 400:
        return EndpointFailed(
            f"the endpoint redirects elsewhere ({code}), which is not followed; give its own "
            "address"
        )
    if code == 429 and "insufficient_quota" in said:
        return EndpointFailed(f"the account at the endpoint has no quota left (429): {said}")
    if code in (408, 409, 425, 429) or code >= 500:
        return Tried(f"the endpoint answered {code}", True, _retry_after(error.response.headers))
    if code == 404:
        return EndpointFailed(f"the endpoint has no such model or path (404): {said}")
    return EndpointFailed(f"the endpoint refused the request ({code}): {said}")


def _retry_after(
    headers: Any, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> float | None:
    """Seconds that the server asks to wait: a number, or a date."""
    given = headers.get("retry-after")
    if not given:
        return None
    try:
        wait = float(given)
    except ValueError:
        try:
            wait = (parsedate_to_datetime(given) - now()).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(wait, 0.0) if math.isfinite(wait) else None
