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
from typing import Any

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
)


@dataclass(frozen=True)
class Toy:
    """A model, two people's windows in stream order, and everything a method could be handed about
    one person.
    """

    model: Any
    windows: dict[str, tuple[Features, ...]]
    given: Callable[[str], Given]


def toy(seed: int = 0, n_classes: int = 2, n_windows: int = 12, dim: int = 16) -> Toy:
    """Embeddings of three source and two target people: shared class directions, a shift per
    person.
    """
    import torch

    from twomind.models.embedding import EmbeddingRecogniser

    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_classes, dim))
    common = 2 * rng.normal(size=dim)

    def window(person: str, shift: np.ndarray, n: int, y: int) -> Features:
        values = (common + shift + centres[y] + 0.5 * rng.normal(size=(3, dim))).astype(np.float32)
        times = n * 1.0 + np.arange(3) / 3
        track = Track(values, times, np.ones(3, bool))
        return Features(
            f"{person}-{n // 4}", person, {"embedding": track}, (float(n), n + 1.0), drawn=True
        )

    def person(name: str) -> tuple[Example, ...]:
        shift = 0.8 * rng.normal(size=dim)
        ys = [i % n_classes for i in range(n_windows)]
        return tuple(Example(window(name, shift, n, y), y) for n, y in enumerate(ys))

    source = tuple(e for k in range(3) for e in person(f"source{k}"))
    people = {name: person(name) for name in ("anna", "ben")}
    rows = np.stack([e.x.tracks["embedding"].values.mean(axis=0) for e in source])
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    y = np.array([e.y for e in source])
    prototypes = np.stack([unit[y == c].mean(axis=0) for c in range(n_classes)]).astype(np.float32)
    weight = 20 * prototypes / np.linalg.norm(prototypes, axis=1, keepdims=True)
    names = tuple(f"class{c}" for c in range(n_classes))
    weights = {"head.weight": torch.from_numpy(weight), "head.bias": torch.zeros(n_classes)}
    weights |= {"norm.weight": torch.ones(dim), "norm.bias": torch.zeros(dim)}
    model = EmbeddingRecogniser(Task("toy", names, "window"), weights, unit=True, drawn=True)

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
        few = tuple(Example(replace(e.x, recording=f"{subject}-coded"), e.y) for e in own[:4])
        target = tuple(replace(e.x, recording=f"{subject}-before") for e in own)
        neutral = tuple(replace(e.x, recording=f"{subject}-neutral") for e in own if e.y == 0)
        return Given(seed, source, summary, target, neutral, few)

    return Toy(model, {name: tuple(e.x for e in own) for name, own in people.items()}, given)


def _begin(adapter: Adapter, world: Toy, subject: str = "anna") -> State:
    return adapter.begin(world.model, world.given(subject).only(adapter.needs))


def _logits(predictions: Sequence[Prediction]) -> np.ndarray:
    return np.stack([p.probs for p in predictions])


def _same(a: Sequence[Prediction], b: Sequence[Prediction], what: str) -> None:
    assert len(a) == len(b), f"{what}: {len(a)} against {len(b)} predictions"
    np.testing.assert_allclose(_logits(a), _logits(b), atol=1e-6, err_msg=what)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copy(v) for v in value)
    if hasattr(value, "detach"):
        return value.detach().clone()
    return value.copy() if isinstance(value, np.ndarray) else value


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    if hasattr(a, "detach") or isinstance(a, np.ndarray):
        x, y = (np.asarray(v.detach().cpu() if hasattr(v, "detach") else v) for v in (a, b))
        return x.shape == y.shape and bool(np.array_equal(x, y, equal_nan=x.dtype.kind == "f"))
    return bool(a == b) or (a != a and b != b)


def check_config_is_plain(adapter: Adapter, world: Toy) -> None:
    """The method is a frozen dataclass of values that JSON can hold."""
    assert is_dataclass(adapter), "expected a frozen dataclass"
    assert getattr(adapter, "__dataclass_params__").frozen, "expected frozen=True"  # noqa: B009 - unknown to mypy
    json.dumps(asdict(adapter))


def check_probabilities(adapter: Adapter, world: Toy) -> None:
    """Finite and summing to one, with logits, on every window."""
    for step in stream(world.model, adapter, world.windows["anna"], given=world.given):
        p = step.prediction
        assert p.status is Status.OK, f"expected a measured answer, got {p}"
        np.testing.assert_allclose(p.probs.sum(), 1, atol=1e-6)
        assert np.isfinite(np.asarray(p.logits, float)).all(), (
            f"expected finite logits, got {p.logits}"
        )


def check_model_untouched(adapter: Adapter, world: Toy) -> None:
    before = _copy(dict(world.model.params()))
    list(stream(world.model, adapter, world.windows["anna"], given=world.given))
    assert _equal(before, dict(world.model.params())), "the shared weights were changed"


def check_inputs_untouched(adapter: Adapter, world: Toy) -> None:
    windows = world.windows["anna"]
    before = [x.tracks["embedding"].values.copy() for x in windows]
    given = world.given("anna")
    handed = [
        x.tracks["embedding"].values.copy() for x in (*(given.target or ()), *(given.neutral or ()))
    ]
    list(stream(world.model, adapter, windows, given=given))
    assert all(
        _equal(b, x.tracks["embedding"].values) for b, x in zip(before, windows, strict=True)
    ), "input changed"
    after = [x.tracks["embedding"].values for x in (*(given.target or ()), *(given.neutral or ()))]
    assert all(_equal(b, a) for b, a in zip(handed, after, strict=True)), "handed windows changed"


def check_step_is_a_value(adapter: Adapter, world: Toy) -> None:
    """Same state and window → same answer and same next state; the old state is as it was."""
    state = _begin(adapter, world)
    for x in world.windows["anna"][:6]:
        before = _copy(state)
        first, next_state = adapter.step(world.model, state, x)
        assert _equal(before, state), "step changed the state that it was given"
        again, same_next = adapter.step(world.model, state, x)
        _same([first], [again], "the same state and window gave another answer")
        assert _equal(_copy(next_state), _copy(same_next)), (
            "the same state and window gave another next state"
        )
        state = next_state


def check_begin_is_a_value(adapter: Adapter, world: Toy) -> None:
    assert _equal(_copy(_begin(adapter, world)), _copy(_begin(adapter, world))), (
        "begin is not repeatable under a seed"
    )


def check_causal(adapter: Adapter, world: Toy) -> None:
    """A window's answer does not depend on the ones after it."""
    windows = world.windows["anna"]
    whole = [s.prediction for s in stream(world.model, adapter, windows, given=world.given)]
    part = [s.prediction for s in stream(world.model, adapter, windows[:5], given=world.given)]
    _same(whole[:5], part, "an answer depends on later windows")


def check_people_apart(adapter: Adapter, world: Toy) -> None:
    """Two people interleaved equal two separate ones."""
    a, b = world.windows["anna"], world.windows["ben"]
    mixed = [x for pair in zip(a, b, strict=True) for x in pair]
    got: dict[str, list[Prediction]] = {"anna": [], "ben": []}
    for step in stream(world.model, adapter, mixed, given=world.given):
        got[step.x.subject].append(step.prediction)
    for name, windows in (("anna", a), ("ben", b)):
        alone = [s.prediction for s in stream(world.model, adapter, windows, given=world.given)]
        _same(got[name], alone, f"{name} was influenced by the other person")


def check_state_survives_disk(adapter: Adapter, world: Toy) -> None:
    windows = world.windows["anna"]
    steps = list(stream(world.model, adapter, windows, given=world.given))
    with tempfile.TemporaryDirectory() as folder:
        path = save_state(Path(folder) / "anna.safetensors", steps[5].state)
        state, _ = load_state(path)
    resumed = [
        s.prediction
        for s in stream(world.model, adapter, windows[6:], given=world.given, state=state)
    ]
    _same([s.prediction for s in steps[6:]], resumed, "a reloaded state goes on differently")


def check_reset(adapter: Adapter, world: Toy) -> None:
    """Resetting at each window equals a fresh start at each window."""
    windows = world.windows["anna"][:4]
    reset = [
        s.prediction
        for s in stream(world.model, adapter, windows, given=world.given, reset="window")
    ]
    fresh = [adapter.step(world.model, _begin(adapter, world), x)[0] for x in windows]
    _same(reset, fresh, "a reset is not a fresh start")


def check_missing_modality(adapter: Adapter, world: Toy) -> None:
    """A window without the modality is not measured, and the stream goes on with finite answers."""
    windows = list(world.windows["anna"][:5])
    track = windows[2].tracks["embedding"]
    windows[2] = replace(
        windows[2], tracks={"embedding": replace(track, valid=np.zeros(len(track), bool))}
    )
    windows[3] = replace(windows[3], tracks={}, notes={"embedding": "no face"})
    got = [s.prediction for s in stream(world.model, adapter, windows, given=world.given)]
    assert [p.status for p in got[2:4]] == [Status.NOT_MEASURED] * 2, (
        "expected not measured without the modality"
    )
    assert got[3].reason == "no face", f"expected the window's own reason, got {got[3].reason!r}"
    assert np.isfinite(got[4].probs).all(), "the window after a gap has no finite answer"


def check_needs_are_honest(adapter: Adapter, world: Toy) -> None:
    """Everything the method did not ask for may be garbage, and nothing changes."""
    windows = world.windows["anna"]
    full = world.given("anna")
    poison = Given(full.seed, source=(), summary={}, target=(), neutral=(), few=())
    kept = {
        str(f.name).lower(): getattr(full, str(f.name).lower())
        for f in Access
        if f in adapter.needs
    }
    honest = [s.prediction for s in stream(world.model, adapter, windows, given=full)]
    spoiled = [
        s.prediction for s in stream(world.model, adapter, windows, given=replace(poison, **kept))
    ]
    _same(honest, spoiled, "the method read what it did not declare")


def check_one_frame(adapter: Adapter, world: Toy) -> None:
    windows = [
        replace(
            x, tracks={"embedding": x.tracks["embedding"].between(x.span_s[0], x.span_s[0] + 0.1)}
        )
        for x in world.windows["anna"][:4]
    ]
    assert all(len(x.tracks["embedding"]) == 1 for x in windows)
    for step in stream(world.model, adapter, windows, given=world.given):
        assert np.isfinite(step.prediction.probs).all()


def check_one_class(adapter: Adapter, world: Toy) -> None:
    """A stream in which every window is of one class is survived."""
    windows = world.windows["anna"][::2]
    for step in stream(world.model, adapter, windows, given=world.given):
        assert np.isfinite(step.prediction.probs).all()


CHECKS = tuple(f for name, f in list(globals().items()) if name.startswith("check_"))


def check_all(adapter: Adapter, world: Toy | None = None) -> None:
    """Every check, on the toy world unless another one is given."""
    world = world or toy()
    for check in CHECKS:
        check(adapter, world)
