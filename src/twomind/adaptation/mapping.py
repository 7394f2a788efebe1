"""What adaptation before use trains: a person's own map of the embedding, and a turn of the head
behind it. torch.

The encoder stays as it is; embeddings ``z (N, D)`` are computed once. A map starts as the identity
and the turn as nothing, so zero steps are the source model, and weight decay pulls back to it. Rows
are trained in units of ``u = (z - centre) / scale``, so one learning rate fits embeddings of any
length::

    u'     = exp(gain) * u + shift + up relu(down u)
    logits = (centre + scale u') weight.T + bias + u' turn.T + offset

A gain is an exponent because a divergence that looks at covariances or distances is blind to a
mirrored axis, and a factor that passes through zero would turn the answers round. Everything lies
in a plain dict of tensors, which is the person's state; the shared weights are only read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twomind.adaptation import caches
from twomind.core.errors import BadInput
from twomind.models.embedding import from_logits
from twomind.types import Example, Features, Prediction, State

Tensors = dict[str, Any]
MAP = ("gain", "shift", "down", "up")
HEAD = ("turn", "offset")


def rows_of(model: Any, xs: Sequence[Features], what: str) -> Any:
    """Embeddings ``(N, D)`` of the windows that have one.

    Raises:
        BadInput: no window of ``what`` can be read.
    """
    import torch

    read = [caches.read(model, x) for x in xs]
    rows = [r[0] for r in read if not isinstance(r, Prediction)]
    if not rows:
        raise BadInput(
            f"expected windows of {what} that the model can read, got {len(xs)} of which none can "
            "be read"
        )
    return torch.from_numpy(np.stack(rows))


def labelled_rows(model: Any, examples: Sequence[Example], what: str) -> tuple[Any, Any, list[str]]:
    """Embeddings ``(N, D)``, classes ``(N,)`` and the person of each, of the windows that can be
    read.
    """
    import torch

    kept = [
        (r[0], e.y, e.x.subject)
        for e in examples
        if not isinstance(r := caches.read(model, e.x), Prediction)
    ]
    if not kept:
        raise BadInput(
            f"expected labelled windows of {what}, got {len(examples)} of which none can be read"
        )
    rows, y, who = zip(*kept, strict=True)
    return torch.from_numpy(np.stack(rows)), torch.tensor(y), list(who)


def head_of(model: Any) -> tuple[Any, Any]:
    import torch

    weight, bias = caches.head(model)
    return torch.from_numpy(weight), torch.from_numpy(bias)


def start(model: Any, rows: Any, rank: int, rng: np.random.Generator) -> Tensors:
    """The identity map in units of ``rows (N, D)``, and the model's head without a turn.

    ``rank`` is the width of the residual branch; 0 leaves it out. ``up`` starts at zero, ``down``
    at random.
    """
    import torch

    weight, bias = head_of(model)
    centre = rows.mean(0)
    spread = float(((rows - centre) ** 2).mean().sqrt())
    floor = 1e-3 * float((rows**2).mean().sqrt()) + 1e-6  # a single row has no spread
    dim = rows.shape[1]
    branch: Tensors = {}
    if rank:
        down = rng.standard_normal((rank, dim)) / np.sqrt(dim)
        branch = {"down": torch.from_numpy(down.astype(np.float32)), "up": torch.zeros(dim, rank)}
    return branch | {
        "centre": centre,
        "scale": torch.tensor(max(spread, floor)),
        "gain": torch.zeros(dim),
        "shift": torch.zeros(dim),
        "weight": weight,
        "bias": bias,
        "turn": torch.zeros_like(weight),
        "offset": torch.zeros_like(bias),
    }


def unmoved(params: Tensors, z: Any) -> Any:
    """``u (N, D)``: the embedding in units of the map, before it."""
    return (z - params["centre"]) / params["scale"]


def moved(params: Tensors, z: Any) -> Any:
    """``u' (N, D)``: after it."""
    u = unmoved(params, z)
    extra = (u @ params["down"].T).relu() @ params["up"].T if "down" in params else 0
    return params["gain"].exp() * u + params["shift"] + extra


def answered(params: Tensors, u: Any) -> Any:
    """Logits ``(N, C)`` of rows in units of the map."""
    z = params["centre"] + params["scale"] * u
    return z @ params["weight"].T + params["bias"] + u @ params["turn"].T + params["offset"]


def batches(n: int, size: int, rng: np.random.Generator) -> Any:
    """Endless index arrays over ``n`` rows, shuffled anew each pass; all at once when ``n`` fits
    into ``size``.
    """
    while True:
        order = rng.permutation(n)
        for at in range(0, max(n - size, 0) + 1, size):
            yield order[at : at + size]


def descend(
    params: Tensors,
    names: Sequence[str],
    loss: Callable[[Tensors, int], Any],
    steps: int,
    lr: Callable[[float], float],
    momentum: float = 0.9,
    decay: float = 1e-3,
) -> Tensors:
    """``steps`` of gradient descent with Nesterov momentum on ``names``; as torch.optim.SGD, but
    returns new tensors.

    ``loss(params, step)`` is differentiated; ``lr(done)`` gives the rate at the share ``done`` of
    all steps.

    Raises:
        BadInput: the loss stopped being finite, and with which rate.
    """
    import torch

    params = dict(params)
    speed: Tensors = {}
    for step in range(steps):
        own = {n: params[n].detach().clone().requires_grad_(True) for n in names}
        with torch.enable_grad():
            value = loss({**params, **own}, step)
            grads = torch.autograd.grad(value, list(own.values()), allow_unused=True)
        rate = lr(step / max(steps, 1))
        if not bool(torch.isfinite(value)):
            raise BadInput(
                f"adaptation diverged at step {step} of {steps} (rate {rate:.3g}); use a smaller lr"
            )
        for (name, w), g in zip(own.items(), grads, strict=True):
            w = w.detach()
            g = decay * w + (0 if g is None else g)
            speed[name] = g if name not in speed else momentum * speed[name] + g
            params[name] = w - rate * (g + momentum * speed[name])
    return params


def tuned(params: Tensors, *groups: Sequence[str]) -> list[str]:
    """The names of ``MAP`` or ``HEAD`` that these parameters have."""
    return [n for group in groups for n in group if n in params]


def state_of(params: Tensors) -> State:
    """What is kept of a person: the map and the turn, not the model's own head."""
    return {"map": {n: v for n, v in params.items() if n not in ("weight", "bias")}}


def check(**settings: float) -> None:
    """Raise BadInput when a setting that must be above zero is not."""
    for name, value in settings.items():
        if not value > 0:
            raise BadInput(f"{name}: expected a number above 0, got {value}")


def predict(model: Any, state: State, x: Features) -> tuple[Prediction, State]:
    """One window through the person's map and head; the state stays."""
    import torch

    got = caches.read(model, x)
    if isinstance(got, Prediction):
        return got, state
    weight, bias = head_of(model)
    params = {**state["map"], "weight": weight, "bias": bias}
    with torch.no_grad():
        logits = answered(params, moved(params, torch.from_numpy(got[0])[None]))
    return from_logits(x, logits[0]), state
