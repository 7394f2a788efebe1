"""How a language model is asked: every setting of the zero-shot recogniser, checked at birth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.models.llm.ask import Budget, Retry
from twomind.models.llm.consent import check_url
from twomind.models.llm.endpoint import key_variable
from twomind.models.llm.prompts import strategy

PROBABILITY = ("auto", "tokens", "samples", "none")
#: What no answer depends on: limits, waits, leave, the record.
_PASSING = (
    "retry",
    "per_minute",
    "budget",
    "timeout_s",
    "send_video",
    "send_text",
    "send_sound",
    "record",
    "replay",
    "offline",
    "device",
    "key_env",
)
#: What says where a model lies; how it is called is told in other words.
_WHERE = ("model", "endpoint")


@dataclass(frozen=True)
class LlmSettings:
    """Which model, what it is shown, how it is asked. Holds no key: ``key_env`` is the name of a
    variable.

    Raises:
        BadInput: a value is not allowed, or nothing is left to judge by.

    Example:
        >>> from twomind.models.llm.settings import LlmSettings
        >>> LlmSettings(model="qwen", endpoint="http://127.0.0.1:8000/v1").send_video
        False
        >>> LlmSettings(samples=-1)
        Traceback (most recent call last):
        ...
        twomind.core.errors.BadInput: samples: expected at least 0, got -1
    """

    model: str = ""  # the model's name at the endpoint; or a folder, added weights, or a hub id
    endpoint: str | None = (
        None  # http(s)://host/v1; None: a model on this machine through transformers
    )
    strategy: str = "two_sides"
    n_frames: int = 8  # evenly in time from the first to the last
    frame_px: int = 448  # longer side; never enlarged
    jpeg_quality: int = 85
    use_question: bool = True  # tell what was asked; it is a strong hint by itself
    text_only: bool = False  # no pictures
    sound: bool = False  # also the sound, to a model that hears: Qwen2.5-Omni, Qwen3-Omni
    probability: str = "auto"  # tokens where there are any, else samples; or one of these, or none
    samples: int = 5  # how many, where samples are used
    sample_temperature: float = 0.7
    seed: int = 42
    max_tokens: int | None = None  # None: what the strategy needs
    timeout_s: float = 120.0  # one try
    retry: Retry = field(default_factory=Retry)
    per_minute: float | None = None  # tries
    budget: Budget = field(default_factory=Budget)
    key_env: str | None = None
    send_video: bool = False  # frames may leave this machine
    send_text: bool = False  # words may leave this machine
    send_sound: bool = False  # the voice may leave this machine
    record: Path | None = None  # JSON lines; None: in memory
    replay: bool = False  # from the record only
    offline: bool = False
    device: str = "auto"

    def __post_init__(self) -> None:
        strategy(self.strategy)
        if self.endpoint is not None:
            check_url(self.endpoint)
        if self.key_env is not None:
            key_variable(self.key_env, "")
        if self.probability not in PROBABILITY:
            raise BadInput(
                f"probability: expected one of {', '.join(PROBABILITY)}, got {self.probability!r}"
            )
        low = {
            "frames": (self.n_frames, 1),
            "frame_px": (self.frame_px, 16),
            "samples": (self.samples, 0),
            "tries": (self.retry.n, 1),
            "timeout_s": (self.timeout_s, 0.01),
        }
        for name, (value, least) in low.items():
            if not (math.isfinite(value) and value >= least):
                raise BadInput(f"{name}: expected at least {least}, got {value}")
        if self.probability == "samples" and self.samples < 2:
            raise BadInput(
                f"samples: a probability from samples needs at least 2, got {self.samples}"
            )
        if self.text_only and self.sound:
            raise BadInput("llm.text_only: shows the text alone; leave out llm.sound")
        if self.text_only and not strategy(self.strategy).transcript:
            raise BadInput(
                f"strategy {self.strategy!r} shows pictures alone; without them nothing is left to "
                "judge by. Use td1, "
                "td2 or two_sides for text only"
            )

    def lasting(self) -> LlmSettings:
        """What an answer depends on; limits, waits, leave and the record are back at their
        defaults.
        """
        plain = LlmSettings()
        return replace(self, **{name: getattr(plain, name) for name in _PASSING})

    def told(self) -> dict[str, Any]:
        """What an answer depends on, as plain values that may stand anywhere: no path, no address."""
        every = asdict(self)
        return {name: every[name] for name in every if name not in (*_PASSING, *_WHERE)}


def settings_to_dict(settings: LlmSettings) -> dict[str, Any]:
    """Settings as JSON values."""
    record = None if settings.record is None else str(settings.record)
    return {**asdict(settings), "record": record}


def settings_from_dict(entry: Mapping[str, Any]) -> LlmSettings:
    """Settings that :func:`settings_to_dict` wrote.

    Raises:
        BadInput: a value is not allowed.
    """
    found = dict(entry)
    found["retry"] = Retry(**found["retry"])
    found["budget"] = Budget(**found["budget"])
    if found["record"] is not None:
        found["record"] = Path(found["record"])
    return LlmSettings(**found)
