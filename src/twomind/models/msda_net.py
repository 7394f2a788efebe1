"""The network of the subject-based adaptation code (Zeeshan et al., FG 2024) as released, as
functions of weights.

A ResNet-18 with three slips in its forward pass, kept because the recorded numbers have them: no
ReLU and no pooling after the first layer, and a 4x4 average of the last map, which of a 7x7 map
reads the top left 4x4 only. Use :func:`twomind.models.pft_net.extract` for a ResNet-18 without
them. Here to compare with the recorded numbers; no trained weights are published with a licence,
and the method ``subject-msda`` works on any model's embedding instead. Names of weights are those
of the released program.
"""

from __future__ import annotations

from twomind.core.errors import BadInput, MissingExtra
from twomind.models import pft_net as resnet
from twomind.models.pft_net import Weights

try:
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "the released network of subject-based adaptation") from error

#: Side of the average over the last map.
POOL = 4
#: Least and greatest side of a picture, in pixels, for which that average gives one number (the
#: last map is 4 to 7).
SIDES_PX = (49, 112)


def extract(w: Weights, x: Tensor) -> tuple[Tensor, Tensor]:
    """Features ``(B, 512)`` of pictures ``(B, 3, 100, 100)``, and the last map ``(B, 512, 7, 7)``.

    Raises:
        BadInput: a side is not between 49 and 112 pixels.
    """
    least, greatest = SIDES_PX
    sides = tuple(x.shape[-2:])
    if min(sides) < least or max(sides) > greatest:
        raise BadInput(
            f"expected pictures of {least} to {greatest} pixels (released: 100), got {sides}"
        )
    base = {}
    for name, value in w.items():
        if name.startswith("base_network."):
            base[name.removeprefix("base_network.")] = value
    maps = resnet.stem(base, x)
    for n in range(1, 5):
        maps = resnet.layer(base, n, maps)
    return F.avg_pool2d(maps, POOL).flatten(1), maps


def classify(w: Weights, z: Tensor) -> Tensor:
    """Logits ``(B, K)`` of features ``(B, 512)``: 1024 hidden units and ReLU, dropout off. The
    bottleneck is unused.
    """
    hidden = F.relu(resnet.linear(w, "classifier_layer.0", z))
    return resnet.linear(w, "classifier_layer.3", hidden)
