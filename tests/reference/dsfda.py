"""DSFDA in float64: networks, losses, steps and schedule, from the specification (dsfda.md, a.1 to
a.3 and a.8).

Everything is written with indexing, sums and products; of torch only ``autograd`` is used beyond
that, as the differentiator. Deviations that the library states (feature-map prototypes, the
perceptual term on the rebuilt picture, the expression critic that stays) are those of
``twomind.adaptation.methods.dsfda``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]

#: The generator's terms and their weights (a.2): adversarial 0.2 and 0.8, perceptual 1, both
#: reconstructions 5.
FACTORS = {"adv_id": 0.2, "adv_expr": 0.8, "perceptual": 1.0, "cycle_id": 5.0, "cycle_expr": 5.0}


# --- layers (a.1)
# -----------------------------------------------------------------------------------------------------


def convolution(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """Stride 1, "same": every offset of the kernel adds a shifted copy of the input."""
    n_out, n_in, k, _ = kernel.shape
    batch, _, height, width = x.shape
    padded = x.new_zeros(batch, n_in, height + k - 1, width + k - 1)
    half = k // 2
    padded[:, :, half : half + height, half : half + width] = x
    total = x.new_zeros(batch, n_out, height, width)
    for a in range(k):
        for b in range(k):
            part = padded[:, :, a : a + height, b : b + width]
            total = total + torch.einsum("bchw,oc->bohw", part, kernel[:, :, a, b])
    return total if bias is None else total + bias[None, :, None, None]


def transposed(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """Transposed convolution with padding 1: every pixel adds a weighted copy of the kernel."""
    batch, _, height, width = x.shape
    _, n_out, k, _ = kernel.shape
    total = x.new_zeros(batch, n_out, stride * (height - 1) + k, stride * (width - 1) + k)
    for a in range(k):
        for b in range(k):
            part = torch.einsum("bchw,co->bohw", x, kernel[:, :, a, b])
            total[:, :, a : a + stride * height : stride, b : b + stride * width : stride] += part
    return total[:, :, 1:-1, 1:-1]


def instance_norm(x: Tensor, eps: float) -> Tensor:
    """Each map of each sample by itself, to mean 0 and (biased) variance 1."""
    mean = x.sum(dim=(2, 3), keepdim=True) / (x.shape[2] * x.shape[3])
    variance = ((x - mean) ** 2).sum(dim=(2, 3), keepdim=True) / (x.shape[2] * x.shape[3])
    return (x - mean) / (variance + eps) ** 0.5


def relu(x: Tensor) -> Tensor:
    return x * (x > 0)


def pool(x: Tensor) -> Tensor:
    """3x3 maximum, stride 2, windows that reach over the lower and the right border cut
    off there.
    """
    batch, channels, height, width = x.shape
    edge = x.new_full((batch, channels, height + 1, width + 1), -torch.inf)
    edge[:, :, :height, :width] = x
    found = None
    for a in range(3):
        for b in range(3):
            part = edge[:, :, a : a + height - 1 : 2, b : b + width - 1 : 2]
            found = part if found is None else torch.where(part > found, part, found)
    assert found is not None
    return found


def conv_in(w: Weights, at: str, x: Tensor) -> Tensor:
    y = instance_norm(convolution(x, w[f"{at}.conv"]), 1e-3)
    return relu(
        y * w[f"{at}.norm.weight"][None, :, None, None] + w[f"{at}.norm.bias"][None, :, None, None]
    )


def encoder(w: Weights, name: str, x: Tensor, n_blocks: int) -> Tensor:
    """Two pooled convolutions, inception-residual blocks, one more (of 128 px two more) pooled
    convolutions.
    """
    x = pool(conv_in(w, f"{name}.stem0", x))
    x = pool(conv_in(w, f"{name}.stem1", x))
    for n in range(n_blocks):
        block = f"{name}.block{n}"
        one = conv_in(w, f"{block}.branch0.0", x)
        two = conv_in(w, f"{block}.branch1.1", conv_in(w, f"{block}.branch1.0", x))
        three = conv_in(w, f"{block}.branch2.1", conv_in(w, f"{block}.branch2.0", x))
        three = conv_in(w, f"{block}.branch2.2", three)
        merged = convolution(
            torch.cat([one, two, three], 1), w[f"{block}.merge.weight"], w[f"{block}.merge.bias"]
        )
        x = relu(x + 0.17 * merged)
    x = pool(conv_in(w, f"{name}.top0", x))
    return pool(conv_in(w, f"{name}.top1", x)) if f"{name}.top1.conv" in w else x


def head(w: Weights, name: str, features: Tensor) -> Tensor:
    """Three linear layers with ReLU between them, without dropout."""
    h = features.reshape(len(features), -1)
    for k in range(3):
        h = (h[:, None, :] * w[f"{name}.{k}.weight"][None]).sum(2) + w[f"{name}.{k}.bias"]
        if k < 2:
            h = relu(h)
    return h


def decoder(
    w: Weights, expression: Tensor, identity: Tensor, noise: Tensor, n_residual: int
) -> Tensor:
    """Expression, identity and noise, in this order, to a picture."""
    x = torch.cat([expression, identity, noise], 1)
    x = relu(convolution(x, w["decoder.embed.weight"], w["decoder.embed.bias"]))
    for n in range(n_residual):
        x = x + relu(
            convolution(x, w[f"decoder.residual{n}.weight"], w[f"decoder.residual{n}.bias"])
        )
    n = 0
    while f"decoder.up{n}" in w:
        x = relu(instance_norm(transposed(x, w[f"decoder.up{n}"], 2), 1e-5))
        n += 1
    x = transposed(x, w["decoder.out"], 1)
    return 1 / (1 + (-x).exp())


# --- losses
# -----------------------------------------------------------------------------------------------------------


def cross_entropy(logits: Tensor, labels: Sequence[int]) -> Tensor:
    total = logits.new_zeros(())
    for row, label in zip(logits, labels, strict=True):
        total = total + row.exp().sum().log() - row[label]
    return total / len(logits)


def squared(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference."""
    return ((a - b) ** 2).sum() / a.numel()


def absolute(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference."""
    return ((a - b) * torch.sign((a - b).detach())).sum() / a.numel()


def weighted(terms: Mapping[str, Tensor]) -> Tensor:
    total = next(iter(terms.values())) * 0
    for name, value in terms.items():
        total = total + FACTORS[name] * value
    return total


class Networks:
    """The networks on one set of weights."""

    def __init__(self, w: Weights, n_blocks: int, n_residual: int) -> None:
        self.w, self.n_blocks, self.n_residual = w, n_blocks, n_residual

    def e_id(self, x: Tensor) -> Tensor:
        return encoder(self.w, "identity", x, self.n_blocks)

    def e_exp(self, x: Tensor) -> Tensor:
        return encoder(self.w, "expression", x, self.n_blocks)

    def c_exp(self, features: Tensor) -> Tensor:
        return head(self.w, "head", features)

    def g(self, expression: Tensor, identity: Tensor, noise: Tensor) -> Tensor:
        return decoder(self.w, expression, identity, noise, self.n_residual)

    def phi(self, x: Tensor) -> Tensor:
        return encoder(self.w, "identity_critic.trunk", x, self.n_blocks)

    def d_id(self, x: Tensor) -> Tensor:
        return head(self.w, "identity_critic.head", self.phi(x))

    def d_exp(self, x: Tensor) -> Tensor:
        features = encoder(self.w, "expression_critic.trunk", x, self.n_blocks)
        return head(self.w, "expression_critic.head", features)


def source_terms(
    n: Networks,
    x_i: Tensor,
    x_e: Tensor,
    y_id: Sequence[int],
    y_e: Sequence[int],
    noises: Sequence[Tensor],
    phi_real: Tensor | None = None,
) -> dict[str, Tensor]:
    """The generator's terms of a.2."""
    g = n.g(n.e_exp(x_e), n.e_id(x_i), noises[0])
    return {
        "adv_id": cross_entropy(n.d_id(g), y_id),
        "adv_expr": cross_entropy(n.d_exp(g), y_e),
        "perceptual": squared(n.phi(g), (n.phi(x_i) if phi_real is None else phi_real).detach()),
        "cycle_id": absolute(n.g(n.e_exp(x_i), n.e_id(g), noises[1]), x_i),
        "cycle_expr": absolute(n.g(n.e_exp(g), n.e_id(x_e), noises[2]), x_e),
    }


def target_terms(
    n: Networks, x: Tensor, prototype: Tensor, y_prototype: Sequence[int], noises: Sequence[Tensor]
) -> dict[str, Tensor]:
    """The generator's terms at a person (a.3 and a.8): the person is class 0 of the identity
    critic.

    Perceptual: of the rebuilt neutral picture. Lower cycle: the generated picture's expression map
    is the prototype.
    """
    g = n.g(prototype, n.e_id(x), noises[0])
    rebuilt = n.g(n.e_exp(x), n.e_id(g), noises[1])
    return {
        "adv_id": cross_entropy(n.d_id(g), [0] * len(x)),
        "adv_expr": cross_entropy(n.d_exp(g), y_prototype),
        "perceptual": squared(n.phi(rebuilt), n.phi(x).detach()),
        "cycle_id": absolute(rebuilt, x),
        "cycle_expr": absolute(n.e_exp(g), prototype),
    }


# --- steps
# ------------------------------------------------------------------------------------------------------------

GENERATOR = ("identity", "expression", "decoder")


class Trainer:
    """Weights, and one Adam per group of networks."""

    def __init__(self, weights: Weights, lr: float, n_blocks: int, n_residual: int) -> None:
        self.w = {name: value.detach().clone() for name, value in weights.items()}
        self.lr, self.size = lr, (n_blocks, n_residual)
        self.first: dict[str, Tensor] = {}
        self.second: dict[str, Tensor] = {}
        self.steps: dict[str, int] = {}

    def networks(self) -> Networks:
        """The networks as they are now, on fresh leaves."""
        return Networks({k: v.clone().requires_grad_() for k, v in self.w.items()}, *self.size)

    def move(self, n: Networks, loss: Tensor, parts: Sequence[str]) -> None:
        """One step of Adam (0.9, 0.999, 1e-8) on these networks' own weights."""
        names = [name for name in self.w if name.split(".")[0] in parts]
        slopes = torch.autograd.grad(
            loss, [n.w[name] for name in names], retain_graph=True, allow_unused=True
        )
        for name, g in zip(names, slopes, strict=True):
            if g is None:
                continue
            t = self.steps[name] = self.steps.get(name, 0) + 1
            self.first[name] = 0.9 * self.first.get(name, torch.zeros_like(g)) + 0.1 * g
            self.second[name] = 0.999 * self.second.get(name, torch.zeros_like(g)) + 0.001 * g * g
            mean, square = self.first[name] / (1 - 0.9**t), self.second[name] / (1 - 0.999**t)
            self.w[name] = self.w[name] - self.lr * mean / (square**0.5 + 1e-8)

    def source_step(
        self,
        x_i: Tensor,
        x_e: Tensor,
        y_id: Sequence[int],
        y_e: Sequence[int],
        noises: Sequence[Tensor],
        trains_encoder: bool,
        with_d_id: bool = True,
        with_d_exp: bool = True,
    ) -> dict[str, float]:
        """a.2: generate; update C_exp; update D_id and D_exp; update the generator against the
        updated critics.

        The real side of the perceptual term is of the identity critic before its update, as the
        library states.
        """
        before = self.networks()
        g = before.g(before.e_exp(x_e), before.e_id(x_i), noises[0]).detach()
        phi_real = before.phi(x_i).detach()
        l_exp = cross_entropy(before.c_exp(before.e_exp(x_e)), y_e)
        said = {"expr_cls": l_exp}
        self.move(before, l_exp, ("head",))
        if with_d_id:
            fake = before.w["identity_critic.head.2.bias"].shape[0] - 1
            said["critic_real"] = cross_entropy(before.d_id(x_i), y_id)
            said["critic_generated"] = cross_entropy(before.d_id(g), [fake] * len(g))
            self.move(before, said["critic_real"] + said["critic_generated"], ("identity_critic",))
        if with_d_exp:
            said["critic_expr"] = cross_entropy(before.d_exp(x_e), y_e)
            self.move(before, said["critic_expr"], ("expression_critic",))
        now = self.networks()
        terms = source_terms(now, x_i, x_e, y_id, y_e, noises, phi_real)
        total = weighted(terms)
        said |= terms | {"generator": total}
        if trains_encoder:
            total = total + cross_entropy(now.c_exp(now.e_exp(x_e)), y_e)
        self.move(now, total, GENERATOR)
        return {name: float(value.detach()) for name, value in said.items()}

    def target_step(
        self,
        x: Tensor,
        prototype: Tensor,
        y_prototype: Sequence[int],
        neutral: int,
        noises: Sequence[Tensor],
        generated_trains: bool = True,
        with_head: bool = True,
    ) -> dict[str, float]:
        """a.3 and a.8: the identity critic; then generator and recogniser together. The expression
        critic stays.

        L_exp is of the real neutral pictures and, with ``generated_trains``, of generated ones that
        are constants.
        """
        before = self.networks()
        g = before.g(prototype, before.e_id(x), noises[0]).detach()
        said = {
            "critic_real": cross_entropy(before.d_id(x), [0] * len(x)),
            "critic_generated": cross_entropy(before.d_id(g), [1] * len(x)),
        }
        self.move(before, said["critic_real"] + said["critic_generated"], ("identity_critic",))
        now = self.networks()
        terms = target_terms(now, x, prototype, y_prototype, noises)
        said["expr_neutral"] = cross_entropy(now.c_exp(now.e_exp(x)), [neutral] * len(x))
        recognised = said["expr_neutral"]
        if generated_trains:
            said["expr_generated"] = cross_entropy(now.c_exp(now.e_exp(g)), y_prototype)
            recognised = recognised + said["expr_generated"]
        total = weighted(terms)
        said |= terms | {"generator": total}
        if with_head:
            self.move(now, recognised, ("head",))
        self.move(now, total + recognised, GENERATOR)
        return {name: float(value.detach()) for name, value in said.items()}


# --- schedule
# ---------------------------------------------------------------------------------------------------------


def evenly(n: int, limit: int) -> list[set[int]]:
    """For each frame kept, which ones it may be: the nearest to an even spacing from the first to
    the last of ``n``.
    """
    if n <= limit:
        return [{i} for i in range(n)]
    kept = []
    for k in range(limit):
        at = k * (n - 1) / (limit - 1) if limit > 1 else 0.0
        kept.append({i for i in range(n) if abs(i - at) <= 0.5 + 1e-5})
    return kept
