"""What passes between a recogniser and any language model: one request, one reply, one protocol for
back ends.
"""

from __future__ import annotations

import hashlib
import io
import json
import wave
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

from twomind.core.errors import BadInput, Partial


class EndpointFailed(BadInput):
    """The model could not be asked, or went on failing after all tries. Nothing was answered,
    nothing is invented.
    """

    kind = "endpoint"


class BudgetSpent(Partial):
    """The next request would go over the budget. What was answered is kept; a larger budget goes on
    from there.
    """

    kind = "budget"


@dataclass(frozen=True, eq=False)
class Picture:
    """One frame as it is shown to a model: ``rgb (H, W, 3)`` uint8, already scaled down, at
    ``time_s`` on the clock.
    """

    time_s: float
    rgb: np.ndarray

    def jpeg(self, quality: int = 85) -> bytes:
        """The picture as a JPEG file (no metadata: no place, no camera, no date)."""
        from twomind.models.llm.frames import to_jpeg

        return to_jpeg(self.rgb, quality)


@dataclass(frozen=True, eq=False)
class Sound:
    """What a model hears: mono ``values (n,)`` float32 in [-1, 1], at 16 kHz."""

    values: np.ndarray
    rate_hz: int = 16000

    def wav(self) -> bytes:
        """The sound as a WAV file of 16 bits (no metadata)."""
        held = io.BytesIO()
        with wave.open(held, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(self.rate_hz)
            whole = np.clip(self.values, -1, 1) * 32767
            file.writeframes(whole.astype("<i2").tobytes())
        return held.getvalue()


@dataclass(frozen=True, eq=False)
class Request:
    """One question to a model. ``sample`` tells repeated samples of the same question apart.

    ``alternatives`` asks for the log-probabilities of that many tokens at each place, where the
    back end can.
    """

    text: str
    pictures: tuple[Picture, ...] = ()
    max_tokens: int = 16
    temperature: float = 0.0
    seed: int = 42
    alternatives: int = 0
    sample: int = 0
    sound: Sound | None = None

    def key(self, backend: Mapping[str, Any]) -> str:
        """Name of the answer: SHA-256 over the model, the text, the pixels with their times, the
        sound, and the settings.
        """
        pictures = [
            (
                p.time_s,
                p.rgb.shape,
                hashlib.sha256(np.ascontiguousarray(p.rgb).tobytes()).hexdigest(),
            )
            for p in self.pictures
        ]
        settings = (self.max_tokens, self.temperature, self.seed, self.alternatives, self.sample)
        parts = {
            "backend": dict(backend),
            "text": self.text,
            "pictures": pictures,
            "settings": settings,
        }
        if self.sound is not None:  # absent, an answer keeps the name that it had before
            heard = np.ascontiguousarray(self.sound.values, np.float32).tobytes()
            parts["sound"] = (self.sound.rate_hz, hashlib.sha256(heard).hexdigest())
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[
            :40
        ]


@dataclass(frozen=True)
class Token:
    """One token that was written, its natural-log probability, and the likeliest tokens at that
    place (it included).
    """

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Reply:
    """What came back. ``tokens`` is empty where the back end gives no log-probabilities.

    ``tokens_in`` and ``tokens_out`` are the back end's own counts, -1 where it does not say.
    ``dropped`` names settings that the endpoint refused and that were therefore left out.
    """

    text: str
    tokens: tuple[Token, ...] = ()
    tokens_in: int = -1
    tokens_out: int = -1
    finish: str = ""
    model: str = ""
    seconds: float = 0.0
    dropped: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Reply:
        tokens = tuple(
            Token(t["text"], float(t["logprob"]), tuple((str(a), float(b)) for a, b in t["top"]))
            for t in entry["tokens"]
        )
        return cls(**{**entry, "tokens": tokens, "dropped": tuple(entry["dropped"])})


@dataclass(frozen=True)
class Tried:
    """One try of one request that failed: what happened, and whether trying again can help."""

    why: str
    again: bool
    wait_s: float | None = None  # what the server asked for (Retry-After)
    adapted: bool = False  # a setting was dropped; try at once


class Backend(Protocol):
    """A model that can be asked. ``identity`` names it in the key of its replies; it holds no
    secret.
    """

    @property
    def identity(self) -> Mapping[str, Any]: ...

    def attempt(self, request: Request) -> Reply | Tried:
        """Ask once.

        Raises:
            TwomindError: asking again cannot help (a refused key, an unknown model).
        """
        ...


@dataclass(frozen=True)
class Retry:
    """How to go on after a failed try: ``n`` tries in all, waiting ``first_s``, twice that …, never
    over ``max_s``.

    A wait that the server asks for (Retry-After) is obeyed up to ``max_s``; if it asks for more,
    the request ends.
    """

    n: int = 5
    first_s: float = 1.0
    max_s: float = 60.0

    def wait_s(self, failed: int, asked_s: float | None) -> float:
        """Seconds to wait after the try number ``failed`` (from 1)."""
        own = min(self.first_s * 2.0 ** (failed - 1), self.max_s)
        return own if asked_s is None else max(own, asked_s)


@dataclass(frozen=True)
class Budget:
    """Limits over everything that a record file has seen, earlier runs included; None: no limit.

    ``max_cost`` is in the currency of the prices, which are per million tokens. A limit on tokens
    or cost stops before the first request after it is reached, so the last reply may go over it by
    its own length.
    """

    max_requests: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    price_in: float | None = None
    price_out: float | None = None

    def __post_init__(self) -> None:
        if self.max_cost is not None and (self.price_in is None or self.price_out is None):
            raise BadInput(
                "a limit on cost needs both prices (per million tokens read, and per million "
                "written)"
            )


@dataclass
class Spent:
    """What a record file has seen. ``uncounted`` replies came without a token count."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    uncounted: int = 0
    replies: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    def cost(self, budget: Budget) -> float:
        """In the currency of the prices; nan without prices or with uncounted replies."""
        if budget.price_in is None or budget.price_out is None or self.uncounted:
            return float("nan")
        return (self.tokens_in * budget.price_in + self.tokens_out * budget.price_out) / 1e6

    def check(self, budget: Budget) -> None:
        """Raise BudgetSpent where one more request is not allowed."""
        goes_on = (
            "what was answered is kept: raise the limit and run the same command again to go on"
        )
        if budget.max_requests is not None and self.requests >= budget.max_requests:
            raise BudgetSpent(f"the budget of {budget.max_requests} requests is spent; {goes_on}")
        if self.uncounted and (budget.max_tokens is not None or budget.max_cost is not None):
            raise BudgetSpent(
                f"{self.uncounted} replies came without a count of tokens, so a limit on tokens or "
                "cost cannot be "
                "kept with this endpoint; limit the number of requests instead"
            )
        if budget.max_tokens is not None and self.tokens_in + self.tokens_out >= budget.max_tokens:
            raise BudgetSpent(f"the budget of {budget.max_tokens} tokens is spent; {goes_on}")
        if budget.max_cost is not None and self.cost(budget) >= budget.max_cost:
            raise BudgetSpent(f"the budget of {budget.max_cost:g} is spent; {goes_on}")
