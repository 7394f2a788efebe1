"""A guard around any method: it watches signs that need no label, rolls back, and bounds what may
be changed.

Three things stand between a method and harm:

* **Alarms** over the last ``window`` windows: the adapted class balance drifts from the source's;
  the adapted entropy collapses against the source's; the adapted answers disagree with the
  source's; on the person's neutral clip (when it is handed over) the adapted model finds "neutral"
  less often than the source does. An alarm puts back the last good state, and the source answers
  for the next ``rest`` windows.
* **A rule for a single answer**: one that differs from the source's counts only where the source
  was unsure and the adapted one is surer.
* **A budget**: of the answers the source gave to a class, at most the share ``budget`` may be
  changed, and of the class it is changed to, not more than that share either. So a person's F1 per
  class can only fall by so much.

What happened is in the state: ``log`` (the last ``log_size`` events) and ``counts`` (all of them).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from twomind.adaptation import load_method
from twomind.adaptation.losses import entropy
from twomind.core.errors import BadInput
from twomind.models.base import track_of
from twomind.types import (
    Access,
    Adapter,
    Features,
    Given,
    Prediction,
    Recogniser,
    State,
    Status,
    Track,
)
from twomind.types.plain import Array


@dataclass(frozen=True)
class Guarded:
    """A guard around another method: which one, and how strict the guard is.

    ``budget`` is the share of the source's answers per class that may be changed, 0 to 1. Below the
    probability ``unsure`` of its own answer the source counts as unsure. Alarms look back on ``window``
    windows; ``max_drift``, ``min_entropy``, ``max_disagreement`` and ``max_neutral_loss`` are their limits.
    After an alarm the source answers for ``rest`` windows.

    Example:
        >>> from twomind.adaptation import stream
        >>> from twomind.adaptation.check import toy
        >>> from twomind.adaptation.guard import Guarded
        >>> world = toy()
        >>> steps = list(stream(world.model, Guarded("t3a", budget=0.1), world.windows["anna"]))
        >>> sorted(steps[-1].state["counts"])
        ['alarms', 'changed', 'refused']
    """

    method: str = "tta-cap"
    settings: Mapping[str, object] = field(default_factory=dict)
    #: share of the source's answers per class that may be changed; 0 never changes one, 1 has no
    #: bound
    budget: float = 0.01
    #: the source is unsure below this probability of its answer
    unsure: float = 0.8
    #: windows that the alarms look back on; before so many are seen, the source answers
    window: int = 10
    #: alarm: difference of the mean probability of a class, adapted against source
    max_drift: float = 0.2
    #: alarm: mean entropy, adapted over source
    min_entropy: float = 0.25
    #: alarm: share of differing answers
    max_disagreement: float = 0.3
    #: alarm: how much less often neutral windows are found neutral than by the source
    max_neutral_loss: float = 0.0
    #: ask for the neutral clip, if the method within does not ask for it already
    use_neutral: bool = False
    #: the class of a neutral window
    neutral_class: int = 0
    #: the neutral clip is looked at every so many windows, and so many of its windows
    neutral_every: int = 20
    neutral_windows: int = 6
    #: windows for which the source answers after an alarm
    rest: int = 10
    log_size: int = 100

    wraps: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.method == "guarded":
            raise BadInput("guarded: expected another method within, got itself")
        if not 0 <= self.budget <= 1:
            raise BadInput(f"guarded budget: expected a share in [0, 1], got {self.budget}")
        counts = (
            self.window,
            self.rest,
            self.neutral_every,
            self.neutral_windows,
            self.log_size,
        )
        if min(counts) < 1:
            raise BadInput(
                "guarded: expected window, rest, neutral_every, neutral_windows and log_size of at "
                "least 1"
            )

    @property
    def inner(self) -> Adapter:
        """The method that the guard is around, with its settings."""
        settings = json.dumps(dict(self.settings), sort_keys=True)
        return _load(self.method, settings)

    @property
    def needs(self) -> Access:
        needs = self.inner.needs
        return needs | Access.NEUTRAL if self.use_neutral else needs

    def begin(self, model: Recogniser, given: Given) -> State:
        inner = self.inner.begin(model, given.only(self.inner.needs))
        n = len(model.task.classes)
        return {
            "inner": inner,
            "good": inner,
            "n": 0,
            "rest": 0,
            "source": np.zeros((0, n)),
            "adapted": np.zeros((0, n)),
            "said": np.zeros(n, np.int64),  # answers of the source per class
            "left": np.zeros(n, np.int64),  # of these, changed to another class
            "joined": np.zeros(n, np.int64),  # changed to this class
            "neutral": _neutral(self, model, given),
            "last": {},
            "log": [],
            "counts": {"changed": 0, "refused": 0, "alarms": 0},
        }

    def step(self, model: Recogniser, state: State, x: Features) -> tuple[Prediction, State]:
        source = model.predict(x)
        if source.status is Status.NOT_MEASURED:
            return source, state
        adapted, inner = self.inner.step(model, state["inner"], x)
        after = dict(state)
        after["inner"] = inner
        after["n"] = state["n"] + 1
        after["source"] = self._recent(state["source"], source)
        after["adapted"] = self._recent(state["adapted"], adapted)
        resting = state["rest"] > 0
        alarm = _alarm(self, model, after)
        if alarm:
            after |= {"inner": after["good"], "rest": self.rest, "adapted": after["source"]}
            sign, value = alarm
            event = {"sign": sign, "value": value, "did": "rolled back"}
            after |= _noted(self, after, x, "alarms", event)
        elif resting:
            after["rest"] -= 1
        elif len(after["source"]) == self.window and after["n"] % self.window == 0:
            after["good"] = inner
        quiet = not alarm and not resting and after["n"] > self.window
        tally = np.stack([after["said"], after["left"], after["joined"]])
        chosen, tally = decide(self, tally, source.probs, adapted.probs, quiet)
        a = int(source.probs.argmax())
        b = int(adapted.probs.argmax())
        if a != b and chosen:
            after |= _noted(self, after, x, "changed", {"from": a, "to": b})
        elif a != b:
            counts = after["counts"]
            after["counts"] = {**counts, "refused": counts["refused"] + 1}
        said, left, joined = tally
        after |= {"said": said, "left": left, "joined": joined}
        after["last"] = {"source": source.probs, "adapted": adapted.probs, "quiet": quiet}
        return (adapted if chosen else source), after

    def _recent(self, rows: Array, prediction: Prediction) -> Array:
        """The probabilities of the last ``window`` answers, this one included."""
        return np.concatenate([rows, prediction.probs[None]])[-self.window :]


@lru_cache(maxsize=64)
def _load(method: str, settings: str) -> Adapter:
    """Methods are frozen values; finding one by name reads the plug-in folder, which a step must
    not do.
    """
    return load_method(method, **json.loads(settings))


def decide(
    config: Guarded, tally: Array, source: Array, adapted: Array, quiet: bool
) -> tuple[bool, Array]:
    """Whether the adapted answer may stand in place of the source model's.

    While it is not ``quiet`` the source's answer stands. So it does where both say the same class:
    a method's confidence alone could turn the mean of a recording, past every budget.

    Args:
        config: the guard's settings.
        tally: answers per class ``(3, C)``: said by the source, of these left, joined.
        source: the source's probabilities ``(C,)``.
        adapted: those of the method ``(C,)``.
        quiet: neither an alarm, nor a rest, nor the first windows.

    Returns:
        Whether it may, and the new tally.
    """
    a = int(source.argmax())
    b = int(adapted.argmax())
    tally = tally.copy()
    tally[0, a] += 1
    if not quiet or a == b:
        return False, tally
    if source[a] >= config.unsure or adapted[b] <= source[a]:
        return False, tally
    if config.budget < 1:
        too_many_leave = tally[1, a] + 1 > config.budget * tally[0, a]
        too_many_join = tally[2, b] + 1 > config.budget * tally[0, b]
        if too_many_leave or too_many_join:
            return False, tally
    tally[1, a] += 1
    tally[2, b] += 1
    return True, tally


def signs(config: Guarded, source: Array, adapted: Array) -> tuple[str, float] | None:
    """The first alarm over some windows.

    Args:
        config: the guard's settings.
        source: probabilities of the source ``(W, C)``.
        adapted: those of the adapted model ``(W, C)``.

    Returns:
        The alarm's name and value, or None.
    """
    moved = adapted.mean(axis=0) - source.mean(axis=0)
    drift = float(np.abs(moved).max())
    if drift > config.max_drift:
        return "class balance", drift
    before = max(entropy(source).mean(), 1e-9)
    share = float(entropy(adapted).mean() / before)
    if share < config.min_entropy:
        return "entropy collapse", share
    other = adapted.argmax(axis=1) != source.argmax(axis=1)
    differ = float(other.mean())
    return ("disagreement", differ) if differ > config.max_disagreement else None


def _alarm(config: Guarded, model: Recogniser, state: State) -> tuple[str, float] | None:
    if state["rest"] > 0 or len(state["source"]) < config.window:
        return None
    found = signs(config, state["source"], state["adapted"])
    clip = state["neutral"]
    if found or not clip or state["n"] % config.neutral_every:
        return found
    assert isinstance(model, _OnEmbeddings)
    as_neutral = []
    for row in clip["rows"]:
        prediction, _ = config.inner.step(model, state["inner"], _window_of(model, row))
        as_neutral.append(prediction.probs.argmax() == config.neutral_class)
    loss = clip["source"] - float(np.mean(as_neutral))
    return ("neutral clip", loss) if loss > config.max_neutral_loss + 1e-9 else None


@runtime_checkable
class _OnEmbeddings(Protocol):
    """A model on an embedding track: its windows are small rows, which a state may hold."""

    def pooled(self, x: Features) -> Array | None: ...

    def predict(self, x: Features) -> Prediction: ...


def _neutral(config: Guarded, model: Recogniser, given: Given) -> dict[str, object]:
    """Mean rows of some neutral windows, and the share that the source finds neutral; empty when
    not handed over.

    Only for models on an embedding track: a state holds small arrays, and no windows of pictures.
    """
    if Access.NEUTRAL not in config.needs or not given.neutral:
        return {}
    if not isinstance(model, _OnEmbeddings):
        return {}
    pooled = [model.pooled(x) for x in given.neutral]
    rows = [row for row in pooled if row is not None]
    rows = rows[: config.neutral_windows]
    if not rows:
        return {}
    as_neutral = []
    for row in rows:
        prediction = model.predict(_window_of(model, row))
        as_neutral.append(prediction.probs.argmax() == config.neutral_class)
    return {"rows": np.stack(rows), "source": float(np.mean(as_neutral))}


def _window_of(model: _OnEmbeddings, row: Array) -> Features:
    track = Track(row[None], np.zeros(1), np.ones(1, bool))
    return Features("neutral", "neutral", {track_of(model): track}, (0.0, 1.0))


def _noted(
    config: Guarded, state: State, x: Features, what: str, more: Mapping[str, object]
) -> State:
    """The log and the counts with one more event."""
    event = {
        "what": what,
        "n": state["n"],
        "recording": x.recording,
        "start_s": x.span_s[0],
        **more,
    }
    log = [*state["log"], event]
    counts = {**state["counts"], what: state["counts"][what] + 1}
    return {"log": log[-config.log_size :], "counts": counts}
