"""The public contract of a model, as plain functions that raise ``AssertionError`` with what broke.

``check_model(model, windows)`` runs them all; a third party's model passes the same ones as those
that ship. The windows are examples that the model can measure; two different ones are enough.
"""

from __future__ import annotations

import copy
import inspect
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.models.base import CARD, STATED, Model, complete, is_trainable, read_card
from twomind.types import Features, Prediction, Status, Task

#: Two runs of one model may differ by rounding, and by no more.
TOLERANCE = 1e-5
Check = Callable[[Model, Sequence[Features]], None]


def check_members(model: Model, xs: Sequence[Features]) -> None:
    """Everything that a model owes is there, and of its kind.

    Args:
        model: the model.
        xs: windows that it can measure, with everything that it reads.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.models import load
        >>> from twomind.models.check import check_members
        >>> from twomind.types import Features, Word
        >>> said = "well I am not sure that I can do it today".split()
        >>> words = tuple(Word(text, float(k), k + 0.5) for k, text in enumerate(said))
        >>> x = Features("r1", "anna", {}, (0.0, 12.0), words=words)
        >>> check_members(load("words"), [x])
    """
    assert isinstance(model, Model), "expected every member of twomind.models.base.Model"
    assert isinstance(model.task, Task), f"task: expected a Task, got {model.task!r}"
    assert isinstance(model.card, Mapping), f"card: expected a mapping, got {model.card!r}"
    names = model.inputs
    assert isinstance(names, tuple), f"inputs: expected a tuple of names, got {names!r}"
    assert all(isinstance(name, str) for name in names), f"inputs: expected names, got {names!r}"
    assert names, "inputs: a model that reads nothing can say nothing"
    described = complete(model).describe()
    assert described.get("name"), "describe: expected what the model is called, under 'name'"


def check_card(model: Model, xs: Sequence[Features]) -> None:
    """The card states population, licence, and what the model is not for.

    Args:
        model: the model.
        xs: windows that it can measure, with everything that it reads.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.models import load
        >>> from twomind.models.check import check_card
        >>> from twomind.types import Features, Word
        >>> said = "well I am not sure that I can do it today".split()
        >>> words = tuple(Word(text, float(k), k + 0.5) for k, text in enumerate(said))
        >>> x = Features("r1", "anna", {}, (0.0, 12.0), words=words)
        >>> check_card(load("words"), [x])
    """
    for name in STATED:
        _check_stated(model.card, name)


def _check_stated(card: Mapping[str, object], name: str) -> None:
    value = card.get(name)
    assert value, f"card: expected {name}, got {value!r}"
    texts = [value] if isinstance(value, str) else value
    assert isinstance(texts, list | tuple), f"card, {name}: expected text or texts, got {value!r}"
    for text in texts:
        is_text = isinstance(text, str) and bool(text.strip())
        assert is_text, f"card, {name}: expected text, got {text!r}"


def check_probabilities(model: Model, xs: Sequence[Features]) -> None:
    """One probability per class of the task, in its order, summing to one, on every example.

    Args:
        model: the model.
        xs: windows that it can measure, with everything that it reads.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.models import load
        >>> from twomind.models.check import check_probabilities
        >>> from twomind.types import Features, Word
        >>> said = "well I am not sure that I can do it today".split()
        >>> words = tuple(Word(text, float(k), k + 0.5) for k, text in enumerate(said))
        >>> x = Features("r1", "anna", {}, (0.0, 12.0), words=words)
        >>> check_probabilities(load("words"), [x])
    """
    n_classes = len(model.task.classes)
    for x in xs:
        found = model.predict(x)
        assert isinstance(found, Prediction), f"predict: expected a Prediction, got {found!r}"
        measured = found.status is not Status.NOT_MEASURED
        assert measured, f"expected an answer to the example, got {found.reason!r}"
        n = len(found.probs)
        assert n == n_classes, f"expected {n_classes} probabilities, as the task has, got {n}"
        total = float(found.probs.sum())
        assert abs(total - 1) < TOLERANCE, f"expected probabilities that sum to 1, got {total}"
        assert tuple(found.span_s) == tuple(x.span_s), "predict: expected the span of the window"
        if found.logits is not None:
            _check_order(found)


def _check_order(found: Prediction) -> None:
    """Logits and probabilities are of the same classes."""
    far = _apart(_softmax(np.asarray(found.logits, float)), found.probs)
    assert far < 1e-3, f"logits and probabilities are of another order or scale: apart by {far:.3g}"


def check_not_measured(model: Model, xs: Sequence[Features]) -> None:
    """A window that holds nothing is not measured, without a number and with a reason.

    Args:
        model: the model.
        xs: windows that it can measure, with everything that it reads.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.models import load
        >>> from twomind.models.check import check_not_measured
        >>> from twomind.types import Features, Word
        >>> said = "well I am not sure that I can do it today".split()
        >>> words = tuple(Word(text, float(k), k + 0.5) for k, text in enumerate(said))
        >>> x = Features("r1", "anna", {}, (0.0, 12.0), words=words)
        >>> check_not_measured(load("words"), [x])
    """
    for x in xs:
        nothing = replace(x, tracks={}, words=None, notes={})
        _check_says_why(model.predict(nothing), "of a window that holds nothing")


def _check_says_why(found: Prediction, what: str) -> None:
    assert found.status is Status.NOT_MEASURED, f"expected not measured {what}, got {found.probs}"
    assert np.isnan(found.probs).all(), f"expected no number {what}, got {found.probs}"
    assert found.reason.strip(), f"expected a reason {what}"


def check_input_untouched(model: Model, xs: Sequence[Features]) -> None:
    """``predict`` does not write into the window.

    Args:
        model: the model.
        xs: windows that it can measure, with everything that it reads.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.models import load
        >>> from twomind.models.check import check_input_untouched
        >>> from twomind.types import Features, Word
        >>> said = "well I am not sure that I can do it today".split()
        >>> words = tuple(Word(text, float(k), k + 0.5) for k, text in enumerate(said))
        >>> x = Features("r1", "anna", {}, (0.0, 12.0), words=words)
        >>> check_input_untouched(load("words"), [x])
    """
    for x in xs:
        before = {name: track.values.copy() for name, track in x.tracks.items()}
        words = copy.copy(x.words)
        model.predict(x)
        assert x.tracks.keys() == before.keys(), "predict added or removed a track of the window"
        for name, values in before.items():
            same = np.array_equal(values, x.tracks[name].values, equal_nan=True)
            assert same, f"predict changed the track {name!r} of the window"
        assert x.words == words, "predict changed the words of the window"


def check_repeatable(model: Model, xs: Sequence[Features]) -> None:
    """The same window gets the same answer, whatever was asked between.

    Args:
        model: the model.
        xs: windows that it can measure, with everything that it reads.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.models import load
        >>> from twomind.models.check import check_repeatable
        >>> from twomind.types import Features, Word
        >>> said = "well I am not sure that I can do it today".split()
        >>> words = tuple(Word(text, float(k), k + 0.5) for k, text in enumerate(said))
        >>> x = Features("r1", "anna", {}, (0.0, 12.0), words=words)
        >>> check_repeatable(load("words"), [x])
    """
    first = [model.predict(x) for x in xs]
    again = [model.predict(x) for x in reversed(xs)]
    _check_same(first, again[::-1], "the same window got another answer the second time")


def _check_same(first: Sequence[Prediction], second: Sequence[Prediction], what: str) -> None:
    for a, b in zip(first, second, strict=True):
        assert a.status is b.status, f"{what}: {a.status} and {b.status}"
        close = np.allclose(a.probs, b.probs, atol=TOLERANCE, equal_nan=True)
        assert close, f"{what}: {a.probs} and {b.probs}"


def check_saved(model: Model, xs: Sequence[Features]) -> None:
    """A saved model has a card that names its plug-in, and answers the same when it is loaded.

    Args:
        model: the model.
        xs: windows that it can measure, with everything that it reads.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.models import load
        >>> from twomind.models.check import check_saved
        >>> from twomind.types import Features, Word
        >>> said = "well I am not sure that I can do it today".split()
        >>> words = tuple(Word(text, float(k), k + 0.5) for k, text in enumerate(said))
        >>> x = Features("r1", "anna", {}, (0.0, 12.0), words=words)
        >>> check_saved(load("words"), [x])
    """
    before = [model.predict(x) for x in xs]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        model.save(folder)
        assert (folder / CARD).is_file(), f"save: expected a {CARD} in the folder"
        try:
            card = read_card(folder)
        except BadInput as error:
            raise AssertionError(f"save: {error}") from error
        for name in STATED:
            _check_stated(card, name)
        loaded = type(model).load(folder)
        after = [loaded.predict(x) for x in xs]
    assert loaded.task == model.task, f"load: expected the task {model.task}, got {loaded.task}"
    _check_same(before, after, "the loaded model answers differently")


def check_inputs(model: Model, xs: Sequence[Features]) -> None:
    """What ``inputs`` names is all that is read: the rest changes nothing, and without it there is
    no answer.

    Args:
        model: the model.
        xs: windows that it can measure, with everything that it reads.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.models import load
        >>> from twomind.models.check import check_inputs
        >>> from twomind.types import Features, Word
        >>> said = "well I am not sure that I can do it today".split()
        >>> words = tuple(Word(text, float(k), k + 0.5) for k, text in enumerate(said))
        >>> x = Features("r1", "anna", {}, (0.0, 12.0), words=words)
        >>> check_inputs(load("words"), [x])
    """
    for x in xs:
        given = model.predict(x)
        declared = _only(x, model.inputs)
        alone = model.predict(declared)
        _check_same([given], [alone], "predict reads what inputs does not name")
        without = _without(x, model.inputs)
        _check_says_why(model.predict(without), "of a window without the inputs")


def _only(x: Features, names: Sequence[str]) -> Features:
    """The window with what is named and nothing else."""
    tracks = {name: track for name, track in x.tracks.items() if name in names}
    words = x.words if "words" in names else None
    question = x.question if "question" in names else None
    return replace(x, tracks=tracks, words=words, question=question)


def _without(x: Features, names: Sequence[str]) -> Features:
    """The window without what is named. A question alone is not an input to answer from."""
    tracks = {name: track for name, track in x.tracks.items() if name not in names}
    words = None if "words" in names else x.words
    return replace(x, tracks=tracks, words=words)


def check_locates(model: Model, xs: Sequence[Features]) -> None:
    """A model says when, with a curve for it, or says why not.

    Args:
        model: the model.
        xs: windows that it can measure, with everything that it reads.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.models import load
        >>> from twomind.models.check import check_locates
        >>> from twomind.types import Features, Word
        >>> said = "well I am not sure that I can do it today".split()
        >>> words = tuple(Word(text, float(k), k + 0.5) for k, text in enumerate(said))
        >>> x = Features("r1", "anna", {}, (0.0, 12.0), words=words)
        >>> check_locates(load("words"), [x])
    """
    may, reason = model.locates
    assert isinstance(may, bool), f"locates: expected True or False, got {may!r}"
    assert reason.strip(), "locates: expected the reason for it, or for not"
    if not may:
        segments = complete(model).segments(xs[0])
        assert not len(segments), f"a model that does not locate gave {len(segments)} segments"
        return
    assert hasattr(model, "timeline"), "locates: expected timeline(x) of a model that says when"
    for x in xs:
        _check_timeline(model, x)


def _check_timeline(model: Model, x: Features) -> None:
    times_s, probs, valid = complete(model).timeline(x)
    wanted = (len(times_s), len(model.task.classes))
    assert probs.shape == wanted, f"timeline: expected probabilities {wanted}, got {probs.shape}"
    assert valid.shape == wanted[:1], f"timeline: expected valid {wanted[:1]}, got {valid.shape}"
    assert bool(np.all(np.diff(times_s) >= 0)), "timeline: expected times in order"
    start_s, end_s = x.span_s
    inside = (times_s >= start_s) & (times_s <= end_s)
    assert bool(inside.all()), f"timeline: expected times within {x.span_s}"
    totals = probs[valid].sum(axis=1)
    assert np.allclose(totals, 1, atol=1e-4), "timeline: expected probabilities that sum to 1"


def check_synthetic(model: Model, xs: Sequence[Features]) -> None:
    """A model of synthetic people does not answer about a real one unless it is told to.

    Args:
        model: the model.
        xs: windows that it can measure, with everything that it reads.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.models import load
        >>> from twomind.models.check import check_synthetic
        >>> from twomind.types import Features, Word
        >>> said = "well I am not sure that I can do it today".split()
        >>> words = tuple(Word(text, float(k), k + 0.5) for k, text in enumerate(said))
        >>> x = Features("r1", "anna", {}, (0.0, 12.0), words=words)
        >>> check_synthetic(load("words"), [x])
    """
    whole = complete(model)
    if not whole.synthetic:
        return
    real = replace(xs[0], drawn=False)
    try:
        whole.refuse(real)
    except BadInput:
        pass
    else:
        raise AssertionError("a model of synthetic people did not refuse a real recording")
    told = whole.allowing_drawn()
    told.refuse(real)
    measured = told.predict(real).status is not Status.NOT_MEASURED
    assert measured, "a model that was told to look at a real recording does not answer"


# --- what a trainable one owes besides


def check_run(model: Any, xs: Sequence[Features]) -> None:
    """Logits are the embedding through the head, and those of ``predict``.

    Args:
        model: the model.
        xs: windows that it can measure, with everything that it reads.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation.check import toy
        >>> from twomind.models.check import check_run
        >>> world = toy()
        >>> check_run(world.model, world.windows["anna"][:2])
    """
    embedding, logits = model.run(xs)
    weight, bias = model.head()
    shape = tuple(logits.shape)
    wanted = (len(xs), len(model.task.classes))
    assert shape == wanted, f"run: expected logits {wanted}, got {shape}"
    far = _apart(_through(embedding, weight, bias), logits)
    assert far < 1e-3, f"run: the logits are not embedding @ head; apart by {far:.3g}"
    for x, row in zip(xs, _array(logits), strict=True):
        far = _apart(_softmax(row), model.predict(x).probs)
        assert far < 1e-3, f"run and predict answer differently: apart by {far:.3g}"


def check_weights_untouched(model: Any, xs: Sequence[Features]) -> None:
    """Neither an answer nor a run with other weights writes into the model's own.

    Args:
        model: the model.
        xs: windows that it can measure, with everything that it reads.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation.check import toy
        >>> from twomind.models.check import check_weights_untouched
        >>> world = toy()
        >>> check_weights_untouched(world.model, world.windows["anna"][:2])
    """
    before = {name: _array(value).copy() for name, value in model.params().items()}
    model.predict(xs[0])
    model.run(xs)
    model.run(xs, _moved(model.params()))
    after = model.params()
    assert before.keys() == after.keys(), "params: names changed between two calls"
    for name, value in before.items():
        same = np.array_equal(value, _array(after[name]), equal_nan=True)
        assert same, f"the shared weight {name!r} was written to"


def check_weights_honoured(model: Any, xs: Sequence[Features]) -> None:
    """The weights that are handed over are the ones that are used, by ``run`` and by ``head``.

    Args:
        model: the model.
        xs: windows that it can measure, with everything that it reads.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation.check import toy
        >>> from twomind.models.check import check_weights_honoured
        >>> world = toy()
        >>> check_weights_honoured(world.model, world.windows["anna"][:2])
    """
    _, own = model.run(xs)
    _, same = model.run(xs, dict(model.params()))
    far = _apart(own, same)
    assert far < TOLERANCE, f"run with the model's own weights differs by {far:.3g}"
    moved = _moved(model.params())
    embedding, logits = model.run(xs, moved)
    far = _apart(own, logits)
    assert far > TOLERANCE, "run does not use the weights that it is handed"
    weight, bias = model.head(moved)
    far = _apart(_through(embedding, weight, bias), logits)
    assert far < 1e-3, f"head does not use the weights that it is handed; apart by {far:.3g}"


def _moved(params: Mapping[str, Any]) -> dict[str, Any]:
    """Every floating weight, a little larger."""
    found = {}
    for name, value in params.items():
        is_float = _array(value).dtype.kind == "f"
        found[name] = value * 1.1 + 0.01 if is_float else value
    return found


def _array(value: Any) -> np.ndarray:
    """A tensor of whatever library as an array."""
    plain = value.detach().cpu() if hasattr(value, "detach") else value
    return np.asarray(plain)


def _apart(a: Any, b: Any) -> float:
    """The largest difference of two arrays."""
    return float(np.abs(_array(a) - _array(b)).max())


def _softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max())
    found: np.ndarray = e / e.sum()
    return found


def _through(embedding: Any, weight: Any, bias: Any) -> np.ndarray:
    """Logits of an embedding through a head."""
    logits: np.ndarray = _array(embedding) @ _array(weight).T + _array(bias)
    return logits


#: What every model passes, and what one that can be trained passes besides.
CHECKS: tuple[Check, ...] = (
    check_members,
    check_card,
    check_probabilities,
    check_not_measured,
    check_input_untouched,
    check_repeatable,
    check_saved,
    check_inputs,
    check_locates,
    check_synthetic,
)
TRAINABLE_CHECKS: tuple[Callable[[Any, Sequence[Features]], None], ...] = (
    check_run,
    check_weights_untouched,
    check_weights_honoured,
)


def check_model(model: Model, xs: Sequence[Features]) -> None:
    """Every check that applies.

    Args:
        model: the model.
        xs: windows that it can measure, with everything that it reads.

    Raises:
        AssertionError: the first duty that is not kept, in a sentence.

    Example:
        >>> from twomind.models import load
        >>> from twomind.models.check import check_model
        >>> from twomind.types import Features, Word
        >>> said = "well I am not sure that I can do it today".split()
        >>> words = tuple(Word(text, float(k), k + 0.5) for k, text in enumerate(said))
        >>> x = Features("r1", "anna", {}, (0.0, 12.0), words=words)
        >>> check_model(load("words"), [x])
    """
    assert xs, "expected at least one window that the model can measure"
    assert not inspect.isclass(model), "expected a model, not its class"
    for check in CHECKS:
        check(model, xs)
    if is_trainable(model):
        for check_trainable in TRAINABLE_CHECKS:
            check_trainable(model, xs)
