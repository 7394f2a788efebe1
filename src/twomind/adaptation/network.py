"""A person's own copy of the model's network, trained on source people and the person at once
(DAN's training). torch.

Only for a model that carries its network (``EmbeddingRecogniser.network``); where the embeddings
were computed before, there is nothing to train, and it refuses. A person's state is then the whole
network and the head, not a small map.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twomind.adaptation import mapping
from twomind.core.errors import BadInput
from twomind.models.embedding import from_logits
from twomind.types import Example, Features, Prediction, State


def of(model: Any, name: str) -> Any:
    """The model's network.

    Raises:
        BadInput: the model has none.
    """
    network = getattr(model, "network", None)
    if network is None:
        raise BadInput(
            f"{name}: scope=network trains the model's network, and this model has none: its "
            "encoder ran before, and "
            "what is left is a linear head; use scope=map, or an EmbeddingRecogniser with network="
        )
    return network


def _rows(model: Any, xs: Sequence[Features], what: str) -> tuple[Any, list[int]]:
    """Inputs ``(N, P)`` of the network, and which windows they are."""
    import torch

    read = [(n, row) for n, x in enumerate(xs) if (row := model.row(x)) is not None]
    if not read:
        raise BadInput(
            f"expected windows of {what} that the model can read, got {len(xs)} of which none can "
            "be read"
        )
    return torch.from_numpy(np.stack([row for _, row in read]).astype(np.float32)), [
        n for n, _ in read
    ]


def fit(
    model: Any,
    source: Sequence[Example],
    target: Sequence[Features],
    apart: Callable[[Any, Any], Any],
    seed: int,
    steps: int,
    batch: int,
    lr: float,
) -> State:
    """Network and head after ``steps`` of Adam on the source's cross-entropy plus ``apart(z_source,
    z_person)``.

    Each step takes ``batch`` rows of either side (all, where there are fewer) through one network.
    Batches that are not full are left out: with few rows the biased MMD is mostly noise, and pulls
    all the same.

    Raises:
        BadInput: no window can be read, or the loss stopped being finite.
    """
    import torch
    from torch.nn import functional as F

    x, kept = _rows(model, [e.x for e in source], "the source")
    t, _ = _rows(model, target, "the person")
    y = torch.tensor([source[n].y for n in kept])
    net, rng = copy.deepcopy(of(model, "network")).train(), np.random.default_rng(seed)
    weight, bias = (torch.nn.Parameter(w.detach().clone()) for w in model.head())
    optimiser = torch.optim.Adam([*net.parameters(), weight, bias], lr)
    ours, theirs = (mapping.batches(len(r), batch, rng) for r in (x, t))
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)  # dropout
        for step in range(steps):
            a, b = next(ours), next(theirs)
            z = model.normed(net(torch.cat([x[a], t[b]])))
            own, other = z[: len(a)], z[len(a) :]
            loss = F.cross_entropy(own @ weight.T + bias, y[a]) + apart(own, other)
            if not bool(torch.isfinite(loss)):
                raise BadInput(
                    f"adaptation diverged at step {step} of {steps} (rate {lr:.3g}); use a smaller "
                    "rate"
                )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    trained = {name: value.detach().clone() for name, value in net.state_dict().items()}
    return {"network": trained, "head": {"weight": weight.detach(), "bias": bias.detach()}}


def predict(model: Any, state: State, x: Features) -> tuple[Prediction, State]:
    """One window through the person's network and head; the state stays."""
    import torch

    row = model.row(x)
    if row is None:
        return model.predict(x), state
    with torch.no_grad():
        z = torch.func.functional_call(
            of(model, "network"),
            state["network"],
            (torch.from_numpy(np.asarray(row, np.float32))[None],),
        )
        logits = model.normed(z) @ state["head"]["weight"].T + state["head"]["bias"]
    return from_logits(x, logits[0]), state
