"""What the supervised table of BAH takes, before it is made: frames are counted, a step of each kind is
timed, the rest is arithmetic. Nothing of the data is decoded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from twomind.core import device
from twomind.core.errors import TwomindError
from twomind.encoders.exported import FROZEN, Exported, is_exported
from twomind.encoders.onnx_session import runs_on
from twomind.encoders.pretrained import Encoder
from twomind.models.frame_cnn.net import from_encoder
from twomind.pipeline.bah_supervised import Opened
from twomind.pipeline.fusion import NATIVE_HOP_S, PUBLISHED_STEPS
from twomind.training.frame_cnn import SETTINGS

#: Pictures of a timed step.
_PICTURES = 8
#: Numbers of a row of all modalities, and bytes of each with its mask.
_NUMBERS, _BYTES = 512 + 128 + 768, 5


def counted(data: Opened) -> dict[str, Any]:
    """Frames, steps and hours."""
    asked, fold = data.asked, data.fold
    frames = {name: _n_frames(data, name) for name in (*fold.train, *fold.val, *fold.test)}
    learnt = sum(min(frames[name], asked.per_recording) for name in fold.train)
    cnn_epochs = asked.cnn_epochs if data.is_tuned else 0
    cnn_steps = cnn_epochs * -(-learnt // SETTINGS.batch)
    batch = PUBLISHED_STEPS["batch"]
    assert isinstance(batch, int)
    per_model = asked.epochs * -(-len(fold.train) // batch)
    n_models = len(asked.fusions) * asked.seeds
    total = sum(frames.values())
    here = runs_on(device.name_of()) if data.is_frozen else device.name_of()
    each = seconds_of_a_picture(data.encoder) if data.with_video else {}
    hours: Any = "not measured: the frame network is not here"
    if not data.with_video:
        hours = {"frame network": 0.0, "fusions": "not timed"}
    if each:
        # Forward and backward for each crop that is learnt from, forward for each frame.
        spent = each["forward"] * total
        if cnn_epochs:
            spent += each["both_ways"] * learnt * cnn_epochs
        hours = {"frame network": round(spent / 3600, 4), "fusions": "not timed"}
    other = "cpu" if here != "cpu" else "cuda"
    found = {"frame_network": FROZEN} if data.is_frozen else {}
    return found | {
        "table": "bah supervised",
        "recordings": {name: len(getattr(fold, name)) for name in ("train", "val", "test")},
        "frames": total,
        "models": n_models + data.is_tuned,
        "steps": {"frame_network": cnn_steps, "fusions": n_models * per_model},
        "seconds_of_a_picture": each or "not measured",
        "hours": {here: hours, other: f"not measured: no calibration on {other}"},
        "memory_mb": round(total * _NUMBERS * _BYTES / 2**20),
    }


def _n_frames(data: Opened, name: str) -> int:
    """Native frames of a recording, by its crops, else by its length."""
    folder = data.judge.dataset.frame_folder(name)
    if folder is not None and data.asked.faces != "film":
        return len(folder.files)
    length_s = data.judge.recordings[name].duration_s
    return int(length_s / NATIVE_HOP_S) if np.isfinite(length_s) else 0


def seconds_of_a_picture(encoder: Encoder) -> dict[str, float]:
    """Seconds of a picture through a frame network, ``forward`` and ``both_ways``; empty where it is
    not here. One that was exported goes forward alone.
    """
    import torch

    try:
        if is_exported(encoder.config):
            return {"forward": _timed_exported(Exported(encoder.folder))}
        model = from_encoder(encoder).to(device.chosen())
    except TwomindError:
        return {}
    place = next(model.parameters()).device
    noise = np.random.default_rng(0).integers(0, 256, (_PICTURES, 3 * model.px**2))
    pictures = torch.from_numpy(noise.astype(np.uint8)).to(place)

    def forward() -> None:
        with torch.no_grad():
            model(pictures)

    def both_ways() -> None:
        model(pictures).sum().backward()

    return {"forward": _timed(forward), "both_ways": _timed(both_ways)}


def _timed_exported(network: Exported) -> float:
    """Seconds of a picture through an exported network."""
    noise = np.random.default_rng(0).integers(0, 256, (_PICTURES, network.px, network.px, 3))
    pictures = noise.astype(np.uint8)

    def forward() -> None:
        network.rows_of(pictures)

    return _timed(forward)


def _timed(step: Callable[[], None]) -> float:
    """Seconds of a picture, the first step not counted."""
    step()
    started = time.perf_counter()
    step()
    return (time.perf_counter() - started) / _PICTURES


__all__ = ["counted", "seconds_of_a_picture"]
