"""Fusion networks with random weights and batches of random recordings, for comparison with the
slow loops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from reference import fusion as ref
from twomind.models.fusion.input import Grid, Recipe, Source
from twomind.models.fusion.net import Batch, FusionConfig, FusionNet

SOURCES = {
    "face": Source("face", ("a", "b", "c"), approach=("c", "a"), avoid=("b",)),
    "voice": Source("voice", ("e", "f")),
    "words": Source("words", ("g", "h", "i"), approach=("h",), avoid=("i", "g")),
}


def shake(module: torch.nn.Module, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Give a module random weights in float64, running numbers too; return them as arrays."""
    module.double()
    state = module.state_dict()
    for name, value in state.items():
        positive = name.endswith(("running_var", "frame_slope", "video_scale")) or name.split(".")[
            -1
        ].startswith("sd_")
        drawn = rng.uniform(0.5, 2.0, value.shape) if positive else rng.normal(0, 0.7, value.shape)
        state[name] = torch.from_numpy(np.asarray(drawn, float))
    module.load_state_dict(state)
    return {name: value.numpy().copy() for name, value in module.state_dict().items()}


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x))


@dataclass(frozen=True)
class World:
    """A network with random weights and a batch of random recordings, some modalities absent for a
    while or always.
    """

    net: FusionNet
    weights: dict[str, np.ndarray]
    design: Any
    names: tuple[str, ...]
    batch: Batch

    def grids(self) -> list[Grid]:
        """The recordings one by one, in single precision as the library keeps them."""
        found = []
        for b in range(len(self.batch.frames)):
            n = int(self.batch.frames[b].sum())
            values = {m: v[b, :n].numpy().astype(np.float32) for m, v in self.batch.values.items()}
            masks = {m: v[b, :n].numpy() for m, v in self.batch.mask.items()}
            found.append(Grid(0, 0.2, values, masks, int(self.batch.question[b])))
        return found

    def answer(self, **options: Any) -> Any:
        values = [self.batch.values[m].numpy() for m in self.names]
        masks = [self.batch.mask[m].numpy() for m in self.names]
        frames, question = self.batch.frames.numpy(), self.batch.question.tolist()
        return ref.network(
            self.weights, self.design, self.names, values, masks, frames, question, **options
        )


def world(
    model: str,
    released: bool,
    residual: bool,
    seed: int,
    n_mod: int | None = None,
    n_batch: int = 2,
) -> World:
    rng = np.random.default_rng(seed)
    names = tuple(
        rng.permutation(list(SOURCES))[: n_mod or rng.integers(2 if released else 1, 4)].tolist()
    )
    recipe = Recipe({m: SOURCES[m] for m in names}, 0.2, ("1", "2"), "")
    kernel, n_blocks = int(rng.integers(2, 4)), int(rng.integers(1, 3))
    channels = tuple(int(c) for c in rng.integers(2, 6, n_blocks))
    config = FusionConfig(
        model,
        released,
        ((names[0], tuple(int(c) for c in rng.integers(2, 6, n_blocks))),),
        channels,
        kernel,
        width=4,
        sides=int(rng.integers(1, 4)),
        dropout=0.0,
        residual=residual,
        hold_s=0.4,
    )
    net = FusionNet(config, recipe, int(rng.integers(2, 4)))
    weights = shake(net, rng)
    longest = int(rng.integers(5, 9))
    lengths = [longest, *rng.integers(2, longest + 1, n_batch - 1).tolist()]
    frames = np.arange(longest)[None] < np.array(lengths)[:, None]
    values, masks = {}, {}
    for m in names:
        shape = (n_batch, longest, len(recipe.sources[m].names))
        mask = rng.random(shape) < 0.8
        for b in range(n_batch):
            start = int(rng.integers(0, longest))
            mask[b, start : start + int(rng.integers(0, 6))] = False  # for a while
            if rng.random() < 0.2:
                mask[b] = False  # for good
        mask &= frames[:, :, None]
        masks[m] = tensor(mask)
        # Some far outside the range of the training people.
        drawn = rng.normal(0, 3, shape) * rng.choice([1, 20], shape, p=[0.9, 0.1])
        values[m] = tensor(np.where(mask, drawn, 0.0).astype(np.float32).astype(float))
    at = [(s.at(s.approach), s.at(s.avoid)) for s in recipe.sources.values()]
    design = ref.Design(
        model,
        released,
        residual,
        kernel,
        n_blocks,
        hold=2,
        anchor_rows=(5, 10, 20),  # 1, 2 and 4 s
        approach=tuple(tuple(a) for a, _ in at),
        avoid=tuple(tuple(b) for _, b in at),
    )
    batch = Batch(values, masks, tensor(frames), tensor(rng.integers(0, 3, n_batch)))
    return World(net.eval(), weights, design, names, batch)
