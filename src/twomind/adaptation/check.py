"""The public contract of every adaptation method, as plain functions that raise ``AssertionError``
with what broke.

``check_all(adapter)`` runs them on a toy world of embeddings; a third party's method passes the
same ones.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path

import numpy as np

from twomind.adaptation import stream
from twomind.adaptation.state import load_state, save_state
from twomind.adaptation.summary import class_means
from twomind.types import (
    Access,
    Adapter,
    Example,
    Features,
    Given,
    Prediction,
    State,
    Status,
    Task,
    Track,
    Trainable,
)
from twomind.types.plain import Array


@dataclass(frozen=True)
class Toy:
    """A model, two people's windows in stream order, and everything a method could be handed about
    one person.

    Args:
        model: a small one on embeddings.
        windows: by person, in the order of the stream.
        given: a person's name to everything that a method could be handed about them.

    Example:
        >>> from twomind.adaptation.check import toy
        >>> sorted(toy().windows)
        ['anna', 'ben']
    """

    model: Trainable
    windows: dict[str, tuple[Features, ...]]
    given: Callable[[str], Given]


def toy(seed: int = 0, n_classes: int = 2, n_windows: int = 12, dim: int = 16) -> Toy:
    """Embeddings of three source and two target people: shared class directions, a shift per
    person.

    Args:
        seed: of everything that is drawn.
        n_classes: the classes take turns in each person's windows.
        n_windows: windows per person, of three rows and one second each.
        dim: width of the embedding.

    Returns:
        The model, the windows of two target people, and what a method may be handed.

    Example:
        >>> from twomind.adaptation.check import toy
        >>> world = toy(n_classes=3)
        >>> world.model.predict(world.windows["anna"][0]).probs.shape
        (3,)
    """
    import torch

    from twomind.models.embedding import EmbeddingRecogniser

    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_classes, dim))
    common = 2 * rng.normal(size=dim)

    def window(person: str, shift: Array, n: int, y: int) -> Features:
        noise = 0.5 * rng.normal(size=(3, dim))
        values = common + shift + centres[y] + noise
        times_s = n * 1.0 + np.arange(3) / 3
        track = Track(values.astype(np.float32), times_s, np.ones(3, bool))
        recording = f"{person}-{n // 4}"
        span_s = (float(n), n + 1.0)
        return Features(recording, person, {"embedding": track}, span_s, drawn=True)

    def person(name: str) -> tuple[Example, ...]:
        shift = 0.8 * rng.normal(size=dim)
        examples = []
        for n in range(n_windows):
            y = n % n_classes
            examples.append(Example(window(name, shift, n, y), y))
        return tuple(examples)

    source = (*person("source0"), *person("source1"), *person("source2"))
    people = {name: person(name) for name in ("anna", "ben")}
    rows = np.stack([e.x.tracks["embedding"].values.mean(axis=0) for e in source])
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    y = np.array([e.y for e in source])
    means = [unit[y == c].mean(axis=0) for c in range(n_classes)]
    prototypes = np.stack(means).astype(np.float32)
    weight = 20 * prototypes / np.linalg.norm(prototypes, axis=1, keepdims=True)
    weights = {
        "head.weight": torch.from_numpy(weight),
        "head.bias": torch.zeros(n_classes),
        "norm.weight": torch.ones(dim),
        "norm.bias": torch.zeros(dim),
    }
    names = tuple(f"class{c}" for c in range(n_classes))
    task = Task("toy", names, "window")
    model = EmbeddingRecogniser(task, weights, unit=True, drawn=True)

    def given(subject: str) -> Given:
        own = people[subject]
        summary = {
            "prototypes": prototypes.repeat(2, axis=0),
            "prototype_class": np.arange(n_classes).repeat(2),
            "prototype_subject": np.tile([0, 1], n_classes),
            "subject_mean": unit[:: len(unit) // 2][:2],
            "subject_variance": np.full((2, dim), 0.05),
            "mean": rows.mean(axis=0),
            "variance": rows.var(axis=0),
            **class_means(model, source),
        }
        few = tuple(Example(renamed(e.x, "coded"), e.y) for e in own[:4])
        target = tuple(renamed(e.x, "before") for e in own)
        neutral = tuple(renamed(e.x, "neutral") for e in own if e.y == 0)
        return Given(seed, source, summary, target, neutral, few)

    windows = {name: tuple(e.x for e in own) for name, own in people.items()}
    return Toy(model, windows, given)


def renamed(x: Features, what: str) -> Features:
    """A window as one of another recording of the same person.

    Args:
        x: the window.
        what: the recording's new name, after that of the person.

    Example:
        >>> from twomind.adaptation.check import renamed
        >>> from twomind.types import Features
        >>> renamed(Features("a1", "anna", {}, (0.0, 1.0)), "neutral").recording
        'anna-neutral'
    """
    return replace(x, recording=f"{x.subject}-{what}")


def _begin(adapter: Adapter, world: Toy, subject: str = "anna") -> State:
    given = world.given(subject)
    return adapter.begin(world.model, given.only(adapter.needs))


def _answers(
    adapter: Adapter, world: Toy, windows: Sequence[Features], given: Given | None = None
) -> list[Prediction]:
    """A stream's answers; each person gets what the world hands over, or ``given``."""
    steps = stream(world.model, adapter, windows, given=given or world.given)
    return [step.prediction for step in steps]


def _probs(predictions: Sequence[Prediction]) -> Array:
    return np.stack([p.probs for p in predictions])


def _same(a: Sequence[Prediction], b: Sequence[Prediction], what: str) -> None:
    assert len(a) == len(b), f"{what}: {len(a)} against {len(b)} predictions"
    np.testing.assert_allclose(_probs(a), _probs(b), atol=1e-6, err_msg=what)


def _copy(value: object) -> object:
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        items = [_copy(v) for v in value]
        return tuple(items) if isinstance(value, tuple) else items
    if hasattr(value, "detach"):
        return value.detach().clone()
    return value.copy() if isinstance(value, np.ndarray) else value


def _equal(a: object, b: object) -> bool:
    if isinstance(a, dict):
        if not isinstance(b, dict) or a.keys() != b.keys():
            return False
        return all(_equal(value, b[name]) for name, value in a.items())
    if isinstance(a, list | tuple):
        if not isinstance(b, list | tuple) or len(a) != len(b):
            return False
        return all(_equal(x, y) for x, y in zip(a, b, strict=True))
    if hasattr(a, "detach") or isinstance(a, np.ndarray):
        x = _as_array(a)
        y = _as_array(b)
        nan_is_nan = x.dtype.kind == "f"
        return x.shape == y.shape and bool(np.array_equal(x, y, equal_nan=nan_is_nan))
    both_nan = a != a and b != b
    return bool(a == b) or both_nan


def _as_array(value: object) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value)


def check_config_is_plain(adapter: Adapter, world: Toy) -> None:
    """The method is a frozen dataclass of values that JSON can hold.

    Args:
        adapter: the method.
        world: people and a model to try it on.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation import load_method
        >>> from twomind.adaptation.check import check_config_is_plain, toy
        >>> check_config_is_plain(load_method("t3a"), toy())
    """
    assert is_dataclass(adapter), "expected a frozen dataclass"
    settings = getattr(adapter, "__dataclass_params__")  # noqa: B009 - unknown to mypy
    assert settings.frozen, "expected frozen=True"
    json.dumps(asdict(adapter))


def check_probabilities(adapter: Adapter, world: Toy) -> None:
    """Finite and summing to one, with logits, on every window.

    Args:
        adapter: the method.
        world: people and a model to try it on.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation import load_method
        >>> from twomind.adaptation.check import check_probabilities, toy
        >>> check_probabilities(load_method("t3a"), toy())
    """
    for p in _answers(adapter, world, world.windows["anna"]):
        assert p.status is Status.OK, f"expected a measured answer, got {p}"
        np.testing.assert_allclose(p.probs.sum(), 1, atol=1e-6)
        logits = np.asarray(p.logits, float)
        assert np.isfinite(logits).all(), f"expected finite logits, got {p.logits}"


def check_model_untouched(adapter: Adapter, world: Toy) -> None:
    """A whole stream does not write to the shared weights.

    Args:
        adapter: the method.
        world: people and a model to try it on.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation import load_method
        >>> from twomind.adaptation.check import check_model_untouched, toy
        >>> check_model_untouched(load_method("t3a"), toy())
    """
    before = _copy(dict(world.model.params()))
    _answers(adapter, world, world.windows["anna"])
    after = dict(world.model.params())
    assert _equal(before, after), "the shared weights were changed"


def check_inputs_untouched(adapter: Adapter, world: Toy) -> None:
    """Neither the windows nor what was handed over is written to.

    Args:
        adapter: the method.
        world: people and a model to try it on.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation import load_method
        >>> from twomind.adaptation.check import check_inputs_untouched, toy
        >>> check_inputs_untouched(load_method("t3a"), toy())
    """
    windows = world.windows["anna"]
    given = world.given("anna")
    handed = (*(given.target or ()), *(given.neutral or ()))
    before = [_values(x).copy() for x in windows]
    handed_before = [_values(x).copy() for x in handed]
    _answers(adapter, world, windows, given)
    after = [_values(x) for x in windows]
    assert _equal(before, after), "input changed"
    assert _equal(handed_before, [_values(x) for x in handed]), "handed windows changed"


def _values(x: Features) -> Array:
    return x.tracks["embedding"].values


def check_step_is_a_value(adapter: Adapter, world: Toy) -> None:
    """Same state and window → same answer and same next state; the old state is as it was.

    Args:
        adapter: the method.
        world: people and a model to try it on.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation import load_method
        >>> from twomind.adaptation.check import check_step_is_a_value, toy
        >>> check_step_is_a_value(load_method("t3a"), toy())
    """
    state = _begin(adapter, world)
    for x in world.windows["anna"][:6]:
        before = _copy(state)
        first, next_state = adapter.step(world.model, state, x)
        assert _equal(before, state), "step changed the state that it was given"
        again, same_next = adapter.step(world.model, state, x)
        _same([first], [again], "the same state and window gave another answer")
        repeats = _equal(next_state, same_next)
        assert repeats, "the same state and window gave another next state"
        state = next_state


def check_begin_is_a_value(adapter: Adapter, world: Toy) -> None:
    """``begin`` with the same seed gives the same state.

    Args:
        adapter: the method.
        world: people and a model to try it on.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation import load_method
        >>> from twomind.adaptation.check import check_begin_is_a_value, toy
        >>> check_begin_is_a_value(load_method("t3a"), toy())
    """
    first = _begin(adapter, world)
    again = _begin(adapter, world)
    assert _equal(first, again), "begin is not repeatable under a seed"


def check_causal(adapter: Adapter, world: Toy) -> None:
    """A window's answer does not depend on the ones after it.

    Args:
        adapter: the method.
        world: people and a model to try it on.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation import load_method
        >>> from twomind.adaptation.check import check_causal, toy
        >>> check_causal(load_method("t3a"), toy())
    """
    windows = world.windows["anna"]
    whole = _answers(adapter, world, windows)
    part = _answers(adapter, world, windows[:5])
    _same(whole[:5], part, "an answer depends on later windows")


def check_people_apart(adapter: Adapter, world: Toy) -> None:
    """Two people interleaved equal two separate ones.

    Args:
        adapter: the method.
        world: people and a model to try it on.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation import load_method
        >>> from twomind.adaptation.check import check_people_apart, toy
        >>> check_people_apart(load_method("t3a"), toy())
    """
    a = world.windows["anna"]
    b = world.windows["ben"]
    mixed: list[Features] = []
    for pair in zip(a, b, strict=True):
        mixed += pair
    got: dict[str, list[Prediction]] = {"anna": [], "ben": []}
    for step in stream(world.model, adapter, mixed, given=world.given):
        got[step.x.subject].append(step.prediction)
    for name, windows in (("anna", a), ("ben", b)):
        alone = _answers(adapter, world, windows)
        _same(got[name], alone, f"{name} was influenced by the other person")


def check_state_survives_disk(adapter: Adapter, world: Toy) -> None:
    """A state that was saved and read again goes on as if it had stayed in memory.

    Args:
        adapter: the method.
        world: people and a model to try it on.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation import load_method
        >>> from twomind.adaptation.check import check_state_survives_disk, toy
        >>> check_state_survives_disk(load_method("t3a"), toy())
    """
    windows = world.windows["anna"]
    steps = list(stream(world.model, adapter, windows, given=world.given))
    with tempfile.TemporaryDirectory() as folder:
        path = save_state(Path(folder) / "anna.safetensors", steps[5].state)
        state, _ = load_state(path)
    rest = stream(world.model, adapter, windows[6:], given=world.given, state=state)
    resumed = [step.prediction for step in rest]
    expected = [step.prediction for step in steps[6:]]
    _same(expected, resumed, "a reloaded state goes on differently")


def check_reset(adapter: Adapter, world: Toy) -> None:
    """Resetting at each window equals a fresh start at each window.

    Args:
        adapter: the method.
        world: people and a model to try it on.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation import load_method
        >>> from twomind.adaptation.check import check_reset, toy
        >>> check_reset(load_method("t3a"), toy())
    """
    windows = world.windows["anna"][:4]
    steps = stream(world.model, adapter, windows, given=world.given, reset="window")
    reset = [step.prediction for step in steps]
    fresh = []
    for x in windows:
        prediction, _ = adapter.step(world.model, _begin(adapter, world), x)
        fresh.append(prediction)
    _same(reset, fresh, "a reset is not a fresh start")


def check_missing_modality(adapter: Adapter, world: Toy) -> None:
    """A window without the modality is not measured, and the stream goes on with finite answers.

    Args:
        adapter: the method.
        world: people and a model to try it on.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation import load_method
        >>> from twomind.adaptation.check import check_missing_modality, toy
        >>> check_missing_modality(load_method("t3a"), toy())
    """
    windows = list(world.windows["anna"][:5])
    track = windows[2].tracks["embedding"]
    blank = replace(track, valid=np.zeros(len(track), bool))
    windows[2] = replace(windows[2], tracks={"embedding": blank})
    windows[3] = replace(windows[3], tracks={}, notes={"embedding": "no face"})
    got = _answers(adapter, world, windows)
    for p in got[2:4]:
        assert p.status is Status.NOT_MEASURED, "expected not measured without the modality"
    assert got[3].reason == "no face", f"expected the window's own reason, got {got[3].reason!r}"
    assert np.isfinite(got[4].probs).all(), "the window after a gap has no finite answer"


def check_needs_are_honest(adapter: Adapter, world: Toy) -> None:
    """Everything the method did not ask for may be garbage, and nothing changes.

    Args:
        adapter: the method.
        world: people and a model to try it on.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation import load_method
        >>> from twomind.adaptation.check import check_needs_are_honest, toy
        >>> check_needs_are_honest(load_method("t3a"), toy())
    """
    windows = world.windows["anna"]
    full = world.given("anna")
    poison = Given(full.seed, source=(), summary={}, target=(), neutral=(), few=())
    kept = {}
    for flag in Access:
        if flag in adapter.needs:
            name = str(flag.name).lower()
            kept[name] = getattr(full, name)
    honest = _answers(adapter, world, windows, full)
    spoiled = _answers(adapter, world, windows, replace(poison, **kept))
    _same(honest, spoiled, "the method read what it did not declare")


def check_one_frame(adapter: Adapter, world: Toy) -> None:
    """Windows of a single row are survived.

    Args:
        adapter: the method.
        world: people and a model to try it on.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation import load_method
        >>> from twomind.adaptation.check import check_one_frame, toy
        >>> check_one_frame(load_method("t3a"), toy())
    """
    windows = []
    for x in world.windows["anna"][:4]:
        start_s = x.span_s[0]
        track = x.tracks["embedding"].between(start_s, start_s + 0.1)
        assert len(track) == 1, f"expected one row, got {len(track)}"
        windows.append(replace(x, tracks={"embedding": track}))
    for p in _answers(adapter, world, windows):
        assert np.isfinite(p.probs).all(), "a window of one row has no finite answer"


def check_one_class(adapter: Adapter, world: Toy) -> None:
    """A stream in which every window is of one class is survived.

    Args:
        adapter: the method.
        world: people and a model to try it on.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from twomind.adaptation import load_method
        >>> from twomind.adaptation.check import check_one_class, toy
        >>> check_one_class(load_method("t3a"), toy())
    """
    for p in _answers(adapter, world, world.windows["anna"][::2]):
        assert np.isfinite(p.probs).all(), "a stream of one class has no finite answer"


CHECKS = tuple(f for name, f in list(globals().items()) if name.startswith("check_"))


def check_all(adapter: Adapter, world: Toy | None = None) -> None:
    """Every check, on the toy world unless another one is given.

    Args:
        adapter: the method.
        world: what it is tried on; None: :func:`toy`.

    Raises:
        AssertionError: the first duty that is not kept, in a sentence.

    Example:
        >>> from twomind.adaptation import load_method
        >>> from twomind.adaptation.check import check_all
        >>> check_all(load_method("source-only"))
    """
    world = world or toy()
    for check in CHECKS:
        check(adapter, world)
