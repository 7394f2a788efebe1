"""Personalise: a frozen model, a method, and one explicit state per person → this person's
predictions.

The reset policy, saving, undo and the answer of a whole recording are done here, once, outside the
methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields

import numpy as np

from twomind.core import registry
from twomind.core.errors import BadInput
from twomind.core.numbers import softmax
from twomind.types import Access, Adapter, Features, Given, Prediction, Recogniser, State, Status
from twomind.types.plain import ToDict

#: When the state starts anew: at every window, recording or person, or never.
RESETS = ("never", "window", "recording", "person")


@dataclass(frozen=True)
class Step(ToDict):
    """One window of a stream: what went in, what came out, and the state after it.

    Args:
        x: the window.
        prediction: its answer.
        state: what the method remembers of the person after it.

    Example:
        >>> from twomind.adaptation import load_method, stream
        >>> from twomind.adaptation.check import toy
        >>> world = toy()
        >>> step = next(stream(world.model, load_method("t3a"), world.windows["anna"]))
        >>> step.x.subject, step.prediction.status.value
        ('anna', 'ok')
    """

    x: Features
    prediction: Prediction
    state: State


def load_method(name: str, **settings: object) -> Adapter:
    """A method by name, configured; its settings are its dataclass fields.

    Args:
        name: of the plug-in, such as ``t3a``.
        **settings: values of the method's fields.

    Returns:
        The configured method.

    Raises:
        BadInput: there is no such method or setting; the message lists what there is.

    Example:
        >>> from twomind.adaptation import load_method
        >>> load_method("guarded", method="t3a", budget=0.05).budget
        0.05
        >>> load_method("t3a", speed=3)
        Traceback (most recent call last):
        ...
        twomind.core.errors.BadInput: t3a has no setting speed; there is: ...
    """
    made_by = registry.load("methods", name)
    known = [field.name for field in fields(made_by)]
    unknown = [setting for setting in settings if setting not in known]
    if unknown:
        has = ", ".join(known) or "none"
        raise BadInput(f"{name} has no setting {', '.join(unknown)}; there is: {has}")
    method: Adapter = made_by(**settings)
    return method


@dataclass(eq=False)
class Walk:
    """The loop of :func:`stream`, window by window as they come.

    Args:
        model: it is never written to.
        adapter: the method.
        given: one value, or a function of the subject. Of it, the method gets exactly what it
            ``needs``.
        reset: when the state starts anew; see :func:`stream`.
        state: goes on from a saved one until the first reset.

    Raises:
        ValueError: ``reset`` is unknown.

    Example:
        >>> from twomind.adaptation import Walk, load_method
        >>> from twomind.adaptation.check import toy
        >>> world = toy()
        >>> walk = Walk(world.model, load_method("t3a"))
        >>> walk.step(world.windows["anna"][0]).x.subject
        'anna'
    """

    model: Recogniser
    adapter: Adapter
    given: Given | Callable[[str], Given] | None = None
    reset: str = "person"
    state: State | None = None

    def __post_init__(self) -> None:
        if self.reset not in RESETS:
            raise ValueError(f"reset: expected one of {', '.join(RESETS)}, got {self.reset!r}")
        self._states: dict[tuple[str, ...], State] = {}
        self._n = 0

    def step(self, x: Features) -> Step:
        """Take in the next window of the stream and predict it.

        Raises:
            ValueError: the method needs what was not given.
        """
        states = self._states
        key = _key(self.reset, self._n, x)
        self._n += 1
        if key not in states:
            if self.reset in ("window", "recording"):
                states.clear()  # one that is over never comes back; a person may
            if self.state is not None:
                states[key], self.state = self.state, None
            else:
                given = self.given
                handed = given(x.subject) if callable(given) else (given or Given())
                states[key] = self.adapter.begin(self.model, handed.only(self.adapter.needs))
        prediction, states[key] = self.adapter.step(self.model, states[key], x)
        return Step(x, prediction, states[key])


def stream(
    model: Recogniser,
    adapter: Adapter,
    windows: Iterable[Features],
    *,
    given: Given | Callable[[str], Given] | None = None,
    reset: str = "person",
    state: State | None = None,
) -> Iterator[Step]:
    """Predict window after window, adapting as the method does. Live use and benchmarks walk this
    same loop.

    Args:
        model: it is never written to.
        adapter: the method.
        windows: of one person or of several, in the order of the stream.
        given: one value, or a function of the subject. Of it, the method gets exactly what it
            ``needs``.
        reset: when the state starts anew. With ``person`` every person has one state of their own,
            also when the windows of several people are interleaved; ``never`` is one state for all.
        state: goes on from a saved one until the first reset.

    Yields:
        Window, answer and state, one step per window.

    Raises:
        ValueError: ``reset`` is unknown, or the method needs what was not given.

    Example:
        >>> from twomind.adaptation import load_method, stream
        >>> from twomind.adaptation.check import toy
        >>> world = toy()
        >>> both = [*world.windows["anna"][:2], *world.windows["ben"][:2]]
        >>> [step.x.subject for step in stream(world.model, load_method("t3a"), both)]
        ['anna', 'anna', 'ben', 'ben']
    """
    walk = Walk(model, adapter, given, reset, state)
    for x in windows:
        yield walk.step(x)


def _key(reset: str, n: int, x: Features) -> tuple[str, ...]:
    """Which state the ``n``-th window belongs to."""
    if reset == "never":
        return ()
    if reset == "window":
        return (str(n),)
    if reset == "recording":
        return (x.subject, x.recording)
    return (x.subject,)


def pool(steps: Iterable[Step]) -> dict[str, Prediction]:
    """One prediction per recording: softmax of the mean of its windows' logits; not-measured
    windows do not count.

    A window without logits counts with the logarithm of its probabilities, which is the same up to
    a constant.

    Args:
        steps: windows with their answers, of one recording or of several.

    Returns:
        By recording: its prediction; "not measured" where no window was.

    Example:
        >>> from twomind.adaptation import load_method, pool, stream
        >>> from twomind.adaptation.check import toy
        >>> world = toy()
        >>> steps = stream(world.model, load_method("source-only"), world.windows["anna"])
        >>> sorted(pool(steps))
        ['anna-0', 'anna-1', 'anna-2']
    """
    found: dict[str, list[Prediction]] = {}
    for step in steps:
        found.setdefault(step.x.recording, []).append(step.prediction)
    return {recording: _pooled(predictions) for recording, predictions in found.items()}


def _pooled(predictions: list[Prediction]) -> Prediction:
    start_s = min(p.span_s[0] for p in predictions)
    end_s = max(p.span_s[1] for p in predictions)
    span_s = (start_s, end_s)
    measured = [p for p in predictions if p.status is not Status.NOT_MEASURED]
    if not measured:
        first = predictions[0]
        return Prediction.not_measured(span_s, len(first.probs), first.reason)
    rows = []
    for p in measured:
        rows.append(np.log(np.maximum(p.probs, 1e-12)) if p.logits is None else p.logits)
    logits = np.mean(np.asarray(rows, float), axis=0)
    return Prediction(span_s, softmax(logits), logits=logits)


__all__ = ["RESETS", "Access", "Given", "Step", "Walk", "load_method", "pool", "stream"]
