"""A person's own copy of the model's network: trained on source people and the person at once (DAN's
training), or as a method says (:class:`Copy`). torch.

Only for a model that carries its network (``EmbeddingRecogniser.network``); where the embeddings
were computed before, there is nothing to train, and it refuses. A person's state is then the whole
network and the head, not a small map.

The copy is trained, and answers, on the device that stands (:func:`twomind.core.device.chosen`); the
state lies in the processor's memory wherever it was made.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from twomind.adaptation import mapping
from twomind.core import device
from twomind.core.errors import BadInput
from twomind.models.embedding import from_logits
from twomind.types import Example, Features, Prediction, State, Trainable
from twomind.types.plain import Array

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Module


#: Inputs that are looked at together.
_TOGETHER = 64


class WithNetwork(Trainable, Protocol):
    """A model that carries its network, from rows ``(B, P)`` to embeddings ``(B, D)``."""

    @property
    def network(self) -> Module | None: ...

    def row(self, x: Features) -> Array | None:
        """The row ``(P,)`` of a window; None when nothing was measured."""
        ...

    def normed(self, z: Tensor, params: Mapping[str, Tensor] | None = None) -> Tensor:
        """What the head reads of embeddings ``(B, D)``."""
        ...


@dataclass(frozen=True)
class Fit:
    """Steps of Adam, rows of either side in each, and its rate."""

    steps: int
    batch: int
    lr: float


def of(model: Trainable, name: str = "this method") -> tuple[WithNetwork, Module]:
    """The model as one with a network, and the network.

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
    return cast("WithNetwork", model), network


def _rows(model: WithNetwork, xs: Sequence[Features], what: str) -> tuple[Tensor, list[int]]:
    """Inputs ``(N, P)`` of the network, and which windows they are."""
    import torch

    rows = []
    kept = []
    for n, x in enumerate(xs):
        row = model.row(x)
        if row is not None:
            rows.append(row)
            kept.append(n)
    if not rows:
        raise BadInput(
            f"expected windows of {what} that the model can read, got {len(xs)} of which none can "
            "be read"
        )
    stacked = np.stack(rows)
    if stacked.dtype != np.uint8:  # pictures stay bytes: a network of pictures scales them itself
        stacked = stacked.astype(np.float32)
    return torch.from_numpy(stacked), kept


@contextmanager
def _training(place: torch.device, seed: int) -> Iterator[None]:
    """Gradients, and dropout by a seed; the generators outside stay where they are."""
    import torch

    cards = [place] if place.type == "cuda" else []
    with torch.random.fork_rng(devices=cards), torch.enable_grad():
        torch.manual_seed(seed)
        yield


def _diverged(loss: Tensor) -> bool:
    return not bool(loss.detach().isfinite())


class Copy:
    """A person's own copy of the model's network and head, under training on the device that stands.

    Args:
        model: it is not written to.
        name: of the method, for the message.

    Raises:
        BadInput: the model has no network, or there is no such device here.
    """

    def __init__(self, model: Trainable, name: str) -> None:
        import torch

        self.carrier, network = of(model, name)
        self.place = device.chosen()
        own = copy.deepcopy(network).requires_grad_(True)
        self.net = own.to(self.place)
        weight, bias = (w.detach().clone().to(self.place) for w in model.head())
        self.weight, self.bias = torch.nn.Parameter(weight), torch.nn.Parameter(bias)

    def rows(self, xs: Sequence[Features], what: str) -> tuple[Tensor, list[int]]:
        """Inputs ``(N, P)`` of the network, on the device, and which windows they are.

        Raises:
            BadInput: no window can be read.
        """
        rows, kept = _rows(self.carrier, xs, what)
        return rows.to(self.place), kept

    def classes(self, y: Sequence[int]) -> Tensor:
        """Classes ``(N,)`` on the device."""
        import torch

        return torch.tensor(y, device=self.place)

    def z(self, rows: Tensor) -> Tensor:
        """What the head reads of inputs, with the network as it is set."""
        return self.carrier.normed(self.net(rows))

    def logits(self, z: Tensor) -> Tensor:
        return z @ self.weight.T + self.bias

    def looked_at(self, rows: Tensor) -> Tensor:
        """The same of many inputs, without a gradient, and the network as it answers."""
        import torch

        was_training = self.net.training
        self.net.eval()
        with torch.no_grad():
            found = torch.cat([self.z(part) for part in torch.split(rows, _TOGETHER)])
        self.net.train(was_training)
        return found

    def mirrored(self, rows: Tensor) -> Tensor:
        """Another view of each input: pictures left to right; others as they are."""
        turned = getattr(self.carrier, "mirrored", None)
        return rows if turned is None else cast("Tensor", turned(rows))

    def descend(
        self,
        loss: Callable[[int], Tensor],
        how: mapping.Descent,
        seed: int,
        with_head: bool = True,
    ) -> None:
        """Gradient descent with Nesterov momentum, in place.

        Args:
            loss: of the number of the step, through :meth:`z` and :meth:`logits`.
            how: number of steps, rate, momentum and decay.
            seed: of dropout.
            with_head: whether the head moves too.

        Raises:
            BadInput: the loss stopped being finite.
        """
        import torch

        trained = [*self.net.parameters()]
        if with_head:
            trained += [self.weight, self.bias]
        optimiser = torch.optim.SGD(
            trained,
            how.lr(0.0),
            momentum=how.momentum,
            nesterov=how.momentum > 0,
            weight_decay=how.decay,
        )
        self.net.train()
        with _training(self.place, seed):
            for step in range(how.steps):
                rate = how.lr(step / max(how.steps, 1))
                for group in optimiser.param_groups:
                    group["lr"] = rate
                value = loss(step)
                if _diverged(value):
                    raise BadInput(
                        f"adaptation diverged at step {step} of {how.steps} (rate {rate:.3g}); "
                        "use a smaller network_lr"
                    )
                optimiser.zero_grad()
                torch.autograd.backward(value)
                optimiser.step()
        self.net.eval()

    def state(self) -> State:
        """What is kept of the person: the whole network, and the head."""
        network = _kept(self.net.state_dict())
        head = {"weight": self.weight, "bias": self.bias}
        return {"network": network, "head": _kept(head)}


def _kept(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies in the processor's memory."""
    return {name: value.detach().clone().cpu() for name, value in tensors.items()}


def batches(n: int, size: int, rng: np.random.Generator) -> Iterator[Array]:
    """As :func:`.mapping.batches`; a lone row comes twice, since batch normalisation needs two."""
    for rows in mapping.batches(n, size, rng):
        yield np.repeat(rows, 2) if len(rows) == 1 else rows


def fit(
    model: Trainable,
    source: Sequence[Example],
    target: Sequence[Features],
    apart: Callable[[Tensor, Tensor], Tensor],
    seed: int,
    how: Fit,
) -> State:
    """Network and head after steps on the source's cross-entropy plus ``apart``.

    Each step takes a batch of either side (all, where there are fewer) through one network. Batches
    that are not full are left out: with few rows the biased MMD is mostly noise, and pulls all the
    same.

    Args:
        model: it is not written to.
        source: labelled windows of source people.
        target: unlabelled windows of the person.
        apart: how far the embeddings of the source and of the person lie apart.
        seed: of the batches and of dropout.
        how: steps, batch and rate.

    Raises:
        BadInput: no window can be read, or the loss stopped being finite.
    """
    import torch
    from torch.nn import functional as F

    own = Copy(model, "mmd")
    x, kept = own.rows([e.x for e in source], "the source")
    t, _ = own.rows(target, "the person")
    y = own.classes([source[n].y for n in kept])
    net = own.net.train()
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.Adam([*net.parameters(), own.weight, own.bias], how.lr)
    ours = batches(len(x), how.batch, rng)
    theirs = batches(len(t), how.batch, rng)
    with _training(own.place, seed):
        for step in range(how.steps):
            a = next(ours)
            b = next(theirs)
            z = own.z(torch.cat([x[a], t[b]]))
            of_source = z[: len(a)]
            of_person = z[len(a) :]
            logits = own.logits(of_source)
            known = F.cross_entropy(logits, y[a])
            loss = known + apart(of_source, of_person)
            if _diverged(loss):
                raise BadInput(
                    f"adaptation diverged at step {step} of {how.steps} (rate {how.lr:.3g}); "
                    "use a smaller rate"
                )
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    return own.state()


@dataclass(frozen=True)
class _Answering:
    """A person's network and head on a device that is not the processor, and of which state."""

    state: Mapping[str, Mapping[str, Tensor]]
    network: Module
    head: Mapping[str, Tensor]

    @classmethod
    def of(cls, network: Module, state: State, place: torch.device) -> _Answering:
        """The last one where it is of this state and place: windows of a person come one after
        another, and a network is not moved for each.
        """
        last = _LAST.get(str(place))
        if last is not None and last.state is state["network"]:
            return last
        own = copy.deepcopy(network)
        own.load_state_dict(state["network"])
        head = {name: value.to(place) for name, value in state["head"].items()}
        found = cls(state["network"], own.to(place).eval(), head)
        _LAST[str(place)] = found
        return found


#: By device, whose network answered last.
_LAST: dict[str, _Answering] = {}


def predict(model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
    """One window through the person's network and head; the state stays."""
    import torch

    carrier, network = of(model)
    row = carrier.row(x)
    if row is None:
        return model.predict(x), state
    if row.dtype != np.uint8:
        row = np.asarray(row, np.float32)
    inputs = torch.from_numpy(row)[None]
    place = device.chosen()
    head = state["head"]
    with torch.no_grad():
        if place.type == "cpu":
            z = torch.func.functional_call(network, state["network"], (inputs,))
        else:
            answering = _Answering.of(network, state, place)
            z = answering.network(inputs.to(place))
            head = answering.head
        normed = carrier.normed(z)
        logits = normed @ head["weight"].T + head["bias"]
    return from_logits(x, logits[0]), state
