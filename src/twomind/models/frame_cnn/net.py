"""The network: a backbone of single pictures (ResNet, ViT, CLIP's image tower), a reduction to 512
where it is wider, and dropout. Its rows are the visual features of the BAH baselines.

A row is the uint8 pixels of one crop, flattened: so a method that trains through the network holds a
byte per pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twomind.core.errors import BadInput, MissingExtra, MissingWeights
from twomind.encoders import still
from twomind.encoders.exported import is_exported
from twomind.encoders.pretrained import Encoder, network

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtra("torch", "a network of face crops") from error

#: Width that a wider backbone is reduced to, as published.
REDUCED = 512
DROPOUT = 0.1


class FrameNet(nn.Module):
    """Crops ``(B, 3 * px * px)`` as flattened ``(px, px, 3)``, 0 … 255 → rows ``(B, D)``."""

    def __init__(self, backbone: nn.Module, width: int, px: int) -> None:
        super().__init__()
        self.px = px
        self.backbone = backbone
        self.width = min(width, REDUCED)
        self.reduce: nn.Module = nn.Identity()
        if width > REDUCED:
            self.reduce = nn.Sequential(
                nn.ReLU(), nn.BatchNorm1d(width), nn.Linear(width, REDUCED), nn.ReLU()
            )
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, rows: Tensor) -> Tensor:
        pictures = rows.reshape(len(rows), self.px, self.px, 3)
        # Contiguous: gradients of convolutions on strided pictures corrupt memory in torch 2.x on CPUs.
        pixels = pictures.movedim(-1, 1).contiguous().float() / 127.5 - 1
        out = self.backbone(pixel_values=pixels)
        pooled = getattr(out, "pooler_output", None)
        found = out.last_hidden_state[:, 0] if pooled is None else pooled
        reduced: Tensor = self.dropout(self.reduce(found.flatten(1)))
        return reduced


def from_encoder(encoder: Encoder) -> FrameNet:
    """A network to be fine-tuned, of the weights in an encoder's folder.

    Args:
        encoder: a local folder or a hub id of a network of single pictures.

    Raises:
        MissingWeights: it is none.
        BadInput: it was exported, so that nothing of it can be trained.
    """
    if is_exported(encoder.config):
        raise BadInput(no_training(encoder.model))
    if not still.looks_at_single_pictures(encoder.config):
        raise MissingWeights(
            f"{encoder.model}: expected a network of single pictures (ResNet, ViT, CLIP), found "
            f"{encoder.config.get('model_type')!r}, which looks at clips"
        )
    return _net(network(encoder), encoder.config).requires_grad_(True)


def no_training(model: str) -> str:
    """Why an exported network is refused where networks are trained."""
    return (
        f"{model}: was exported as ONNX, so it cannot be trained, and this trains through the "
        "network: give a ResNet, ViT or CLIP. `reproduce bah --table supervised --set cnn=FOLDER` "
        "takes its rows as they are"
    )


def from_config(config: Mapping[str, Any]) -> FrameNet:
    """The same network without weights, of a ``config.json``."""
    from transformers import AutoConfig, AutoModel

    own = {name: value for name, value in config.items() if name != "model_type"}
    made = AutoConfig.for_model(config["model_type"], **own)
    with torch.random.fork_rng(devices=[]):
        return _net(AutoModel.from_config(made), config)


def _net(model: Any, config: Mapping[str, Any]) -> FrameNet:
    width = still.width_of(config)
    if width is None:
        raise MissingWeights("frame network: its config.json does not say how wide its rows are")
    backbone = getattr(model, "vision_model", model)
    return FrameNet(backbone, width, still.seen_px(config))


__all__ = ["FrameNet", "from_config", "from_encoder", "no_training"]
