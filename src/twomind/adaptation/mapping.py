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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from twomind.adaptation import caches
from twomind.core.errors import BadInput
from twomind.models.embedding import from_logits
from twomind.types import Example, Features, Prediction, State, Trainable
from twomind.types.plain import Array

if TYPE_CHECKING:
    from torch import Tensor

Tensors: TypeAlias = "dict[str, Tensor]"
MAP = ("gain", "shift", "down", "up")
HEAD = ("turn", "offset")


def rows_of(model: Trainable, xs: Sequence[Features], what: str) -> Tensor:
    """Embeddings of the windows that have one.

    Args:
        model: whose embeddings.
        xs: the windows.
        what: whose they are, for the message.

    Returns:
        Rows ``(N, D)``.

    Raises:
        BadInput: no window can be read.
    """
    import torch

    rows = caches.embeddings(model, xs)
    if not rows:
        raise BadInput(
            f"expected windows of {what} that the model can read, got {len(xs)} of which none can "
            "be read"
        )
    return torch.from_numpy(np.stack(rows))


def labelled_rows(
    model: Trainable, examples: Sequence[Example], what: str
) -> tuple[Tensor, Tensor, list[str]]:
    """Embeddings of the labelled windows that have one.

    Args:
        model: whose embeddings.
        examples: the windows.
        what: whose they are, for the message.

    Returns:
        Rows ``(N, D)``, classes ``(N,)`` and the person of each.

    Raises:
        BadInput: no window can be read.
    """
    import torch

    rows: list[Array] = []
    y: list[int] = []
    who: list[str] = []
    for e in examples:
        got = caches.read(model, e.x)
        if not isinstance(got, Prediction):
            rows.append(got[0])
            y.append(e.y)
            who.append(e.x.subject)
    if not rows:
        raise BadInput(
            f"expected labelled windows of {what}, got {len(examples)} of which none can be read"
        )
    return torch.from_numpy(np.stack(rows)), torch.tensor(y), who


def head_of(model: Trainable) -> tuple[Tensor, Tensor]:
    """``weight (C, D)`` and ``bias (C,)`` of the model as float32 tensors of its own."""
    import torch

    weight, bias = caches.head(model)
    return torch.from_numpy(weight), torch.from_numpy(bias)


def start(model: Trainable, rows: Tensor, rank: int, rng: np.random.Generator) -> Tensors:
    """The identity map, and the model's head without a turn.

    Args:
        model: whose head.
        rows: embeddings ``(N, D)``, in units of which the map is.
        rank: width of the residual branch; 0 leaves it out. ``up`` starts at zero, ``down`` at
            random.
        rng: for ``down``.
    """
    import torch

    weight, bias = head_of(model)
    centre = rows.mean(0)
    spread = float(((rows - centre) ** 2).mean().sqrt())
    size = float((rows**2).mean().sqrt())
    floor = 1e-3 * size + 1e-6  # a single row has no spread
    dim = rows.shape[1]
    branch: Tensors = {}
    if rank:
        down = rng.standard_normal((rank, dim)) / np.sqrt(dim)
        branch["down"] = torch.from_numpy(down.astype(np.float32))
        branch["up"] = torch.zeros(dim, rank)
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


def unmoved(params: Tensors, z: Tensor) -> Tensor:
    """``u (N, D)``: the embedding in units of the map, before it."""
    return (z - params["centre"]) / params["scale"]


def moved(params: Tensors, z: Tensor) -> Tensor:
    """Embeddings after the map, ``(N, D)``."""
    u = unmoved(params, z)
    straight = params["gain"].exp() * u + params["shift"]
    if "down" not in params:
        return straight
    hidden = u @ params["down"].T
    return straight + hidden.relu() @ params["up"].T


def answered(params: Tensors, u: Tensor) -> Tensor:
    """Logits ``(N, C)`` of rows in units of the map."""
    z = params["centre"] + params["scale"] * u
    of_head = z @ params["weight"].T + params["bias"]
    return of_head + u @ params["turn"].T + params["offset"]


def batches(n: int, size: int, rng: np.random.Generator) -> Iterator[Array]:
    """Endless batches of rows, shuffled anew each pass; all at once when they fit into one.

    Args:
        n: number of rows.
        size: rows of a batch.
        rng: shuffles.

    Yields:
        Indices ``(size,)``.
    """
    last = max(n - size, 0)
    while True:
        order = rng.permutation(n)
        for at in range(0, last + 1, size):
            yield order[at : at + size]


@dataclass(frozen=True)
class Descent:
    """How far and how fast to descend; ``lr(done)`` is the rate at the share ``done`` of all
    steps.
    """

    steps: int
    lr: Callable[[float], float]
    momentum: float = 0.9
    #: weight decay, towards the source model
    decay: float = 1e-3


def steady(lr: float) -> Callable[[float], float]:
    """A learning rate that stays the same in every step."""
    return lambda done: lr


def descend(
    params: Tensors, names: Sequence[str], loss: Callable[[Tensors, int], Tensor], how: Descent
) -> Tensors:
    """Gradient descent with Nesterov momentum; as torch.optim.SGD, but returns new tensors.

    Args:
        params: where it starts; nothing is written to them.
        names: what is trained of them.
        loss: of the parameters and the number of the step; it is differentiated.
        how: number of steps, rate, momentum and decay.

    Returns:
        All parameters, the trained ones moved.

    Raises:
        BadInput: the loss stopped being finite, and with which rate.
    """
    import torch

    params = dict(params)
    speed: Tensors = {}
    for step in range(how.steps):
        own = {n: params[n].detach().clone().requires_grad_(True) for n in names}
        with torch.enable_grad():
            value = loss({**params, **own}, step)
            grads = torch.autograd.grad(value, list(own.values()), allow_unused=True)
        rate = how.lr(step / max(how.steps, 1))
        if not bool(torch.isfinite(value)):
            raise BadInput(
                f"adaptation diverged at step {step} of {how.steps} (rate {rate:.3g}); use a "
                "smaller lr"
            )
        for name, found in zip(own, grads, strict=True):
            w = own[name].detach()
            g = how.decay * w
            if found is not None:
                g = g + found
            speed[name] = g if name not in speed else how.momentum * speed[name] + g
            params[name] = w - rate * (g + how.momentum * speed[name])
    return params


def tuned(params: Tensors, *groups: Sequence[str]) -> list[str]:
    """The names of ``MAP`` or ``HEAD`` that these parameters have."""
    found: list[str] = []
    for group in groups:
        found += [name for name in group if name in params]
    return found


def state_of(params: Tensors) -> State:
    """What is kept of a person: the map and the turn, not the model's own head."""
    own = {n: v for n, v in params.items() if n not in ("weight", "bias")}
    return {"map": own}


def check(**settings: float) -> None:
    """Raise BadInput when a setting that must be above zero is not."""
    for name, value in settings.items():
        if not value > 0:
            raise BadInput(f"{name}: expected a number above 0, got {value}")


def predict(model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
    """One window through the person's map and head; the state stays."""
    import torch

    got = caches.read(model, x)
    if isinstance(got, Prediction):
        return got, state
    weight, bias = head_of(model)
    params = {**state["map"], "weight": weight, "bias": bias}
    z = torch.from_numpy(got[0])[None]
    with torch.no_grad():
        logits = answered(params, moved(params, z))
    return from_logits(x, logits[0]), state
