"""How long a table takes, before it is made: frames and steps are counted, a step of each kind is timed.

Nothing of the data is decoded: recordings and crops are counted, the rest is arithmetic. Hours on a
device that is not here are not measured, and say so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twomind.core import device
from twomind.core.errors import TwomindError
from twomind.encoders.still import KEPT_PX
from twomind.pipeline.bah_cost import seconds_of_a_picture
from twomind.pipeline.reproduce import Opened, Step, steps_of
from twomind.pipeline.reproduce_recipe import Base, Recipe
from twomind.training import clip_au_folds, frame_cnn

if TYPE_CHECKING:
    from twomind.encoders.encoder import Encoder

#: At most so long is one kind of step timed.
_CALIBRATION_S = 15.0
#: Steps of a batch at a person: 25 epochs of 75 neutral pictures in batches of 20.
_DSFDA_STEPS = 100
#: The same by kind of model; a frame network is trained through for 150 steps of 64 pictures.
_STEPS_OF_A_PERSON = {"dsfda": _DSFDA_STEPS, "frame-cnn": 150}
_PICTURES_OF_A_STEP = 64
#: A forward and a backward pass, in forward passes.
_BOTH_WAYS = 3
#: Side of CLIP's pictures.
_CLIP_PX = 224
#: Bytes of a number.
_FLOAT = 4


@dataclass(frozen=True)
class Count:
    """What a model costs, by kind of work."""

    frames: int  # rows that are embedded, or pictures that are read
    training_steps: int
    adaptation_steps: int


def dry_run(recipe: Recipe, data: Opened, calibrate: bool = True) -> dict[str, Any]:
    """What making the table would take.

    Args:
        recipe: the table.
        data: its data.
        calibrate: also time a step of each kind on this machine (about a minute at full size).

    Returns:
        ``frames``, ``steps``, ``hours`` per device, ``memory_mb``, and the same per model.
    """
    per_model = {}
    total = Count(0, 0, 0)
    hours = 0.0
    unknown: list[str] = []
    memory = 0.0
    for base in recipe.models:
        steps = [step for step in steps_of(recipe) if step.base == base]
        count = _counted(recipe, base, steps, data)
        seconds = _timed(base) if calibrate else {}
        per_model[base.name] = _told(count, seconds)
        total = Count(
            total.frames + count.frames,
            total.training_steps + count.training_steps,
            total.adaptation_steps + count.adaptation_steps,
        )
        memory = max(memory, _memory_mb(base, count))
        own = per_model[base.name]["hours"]
        if own is None:
            unknown.append(base.name)
        else:
            hours += own
    here = device.name_of()
    measured: Any = round(hours, 4)
    if unknown or not calibrate:
        measured = "not measured: " + (
            f"the model could not be timed here ({', '.join(unknown)})"
            if calibrate
            else "no calibration was asked for"
        )
    other = "cpu" if here != "cpu" else "cuda"
    return {
        "table": f"{recipe.dataset} {recipe.table}",
        "frames": total.frames,
        "steps": {"training": total.training_steps, "adaptation": total.adaptation_steps},
        "hours": {here: measured, other: f"not measured: no calibration on {other}"},
        "memory_mb": round(memory),
        "models": per_model,
        "runs": sum(_n_runs(recipe, step, data) for step in steps_of(recipe)),
    }


def _told(count: Count, seconds: dict[str, float]) -> dict[str, Any]:
    """A model's counts with its time; None where it was not measured."""
    hours = None
    if seconds:
        spent = count.frames * seconds.get("frame", 0.0)
        spent += count.training_steps * seconds.get("training", 0.0)
        spent += count.adaptation_steps * seconds.get("adaptation", 0.0)
        hours = round(spent / 3600, 4)
    return {
        "frames": count.frames,
        "training_steps": count.training_steps,
        "adaptation_steps": count.adaptation_steps,
        "seconds_each": seconds or "not measured",
        "hours": hours,
    }


def _counted(recipe: Recipe, base: Base, steps: list[Step], data: Opened) -> Count:
    """Frames and steps of one model over all its training seeds."""
    per_recording = _frames_per_recording(base, data)
    n_frames = sum(per_recording.values())
    training, adaptation = 0, 0
    trained: set[tuple[int, tuple[str, ...]]] = set()
    for step in steps:
        folds = data.folds(step.protocol)
        for fold in folds:
            key = (step.training_seed, fold.train)
            if key not in trained:
                trained.add(key)
                training += _training_steps(base, (*fold.train, *fold.val), per_recording)
            n_methods = 1 + len(step.methods)
            # DSFDA tunes a person once; every other method costs a step per clip at most.
            per_method = _STEPS_OF_A_PERSON.get(base.kind, len(fold.test))
            adaptation += n_methods * recipe.seeds.method * per_method
    return Count(n_frames, training, adaptation)


def _n_runs(recipe: Recipe, step: Step, data: Opened) -> int:
    folds = data.folds(step.protocol)
    return len(folds) * recipe.seeds.method * (1 + len(step.methods))


def _frames_per_recording(base: Base, data: Opened) -> dict[str, int]:
    """How many rows or pictures each recording gives: by its crops' times, or its film's length."""
    found = {}
    for one in data.dataset.recordings():
        folder = data.dataset.frame_folder(one.id)
        if folder is not None and data.place.faces != "film":
            times_s = folder.clock.seconds([number for number, _ in folder.files])
            known = times_s[np.isfinite(times_s)]
            found[one.id] = len(np.unique(np.floor((known + 1e-6) / base.hop_s)))
        elif np.isfinite(one.duration_s):
            found[one.id] = max(int(one.duration_s / base.hop_s), 1)
        else:
            found[one.id] = 0
    return found


def _training_steps(base: Base, source: tuple[str, ...], frames: dict[str, int]) -> int:
    """Steps of one training."""
    if base.mode == "zero-shot":
        return 0
    n_items = len(source)
    batch = 8
    if base.kind == "dsfda":
        n_items = sum(min(frames.get(name, 0), base.per_recording) for name in source)
        batch = 20
    elif base.reads_crops:
        n_items = sum(min(frames.get(name, 0), base.per_recording) for name in source)
        batch = 64 if base.mode == "whole" else frame_cnn.SETTINGS.batch
    elif base.kind == "clip-text":
        n_items, batch = 8 * len(source), 64
    return base.epochs * -(-n_items // batch)


def _memory_mb(base: Base, count: Count) -> float:
    """Rows that are held at once, and the networks; a lower bound."""
    if base.kind == "dsfda":
        px = 128 if base.size == "full" else 64
        return count.frames * 3 * px * px * _FLOAT / 2**20 + 36.6 * 4 * _FLOAT
    if base.kind == "frame-cnn":
        return count.frames * 3 * KEPT_PX**2 / 2**20
    if base.mode == "whole":
        # Pictures of all clips, and the weights of both towers with gradients and moments.
        return count.frames * 3 * _CLIP_PX**2 / 2**20 + 151 * 4 * _FLOAT
    rows = min(count.frames * 512 * _FLOAT, clip_au_folds.REMEMBERED_BYTES) / 2**20
    return rows + 151 * _FLOAT + 512


def _timed(base: Base) -> dict[str, float]:
    """Seconds of one frame, training step and adapted clip; empty where nothing can be timed."""
    try:
        if base.kind == "dsfda":
            return _timed_dsfda(base)
        if base.kind == "frame-cnn":
            return _timed_frames(base)
        return _timed_whole(base) if base.mode == "whole" else _timed_clip(base)
    except TwomindError:
        return {}


def _timed_frames(base: Base) -> dict[str, float]:
    """A frame network on noise; a step of a person is of pictures of both sides."""
    each = seconds_of_a_picture(frame_cnn.encoder_of(base.encoder))
    if not each:
        return {}
    step = frame_cnn.SETTINGS.batch * each["both_ways"]
    person = 2 * _PICTURES_OF_A_STEP * each["both_ways"]
    return {"frame": each["forward"], "training": step, "adaptation": person}


def _timed_clip(base: Base) -> dict[str, float]:
    """The encoder on noise; what follows it takes little beside."""
    with device.standing(None, base.precision):
        encoder = clip_au_folds.encoder_of(base.encoder)
    noise = np.random.default_rng(0).integers(0, 256, (4, encoder.crop_px, encoder.crop_px, 3))
    pictures = list(noise.astype(np.uint8))
    per_frame = _seconds(lambda: encoder.embed(pictures)) / len(pictures)
    small = _seconds(lambda: _small_step(encoder.dim))
    adapting = small
    if base.kind == "clip-au":
        # Prompts are tuned through the text tower, one pass each way for all phrases.
        adapting += _BOTH_WAYS * _seconds(lambda: _texts(encoder))
    return {"frame": per_frame, "training": small, "adaptation": adapting}


def _timed_whole(base: Base) -> dict[str, float]:
    """A part of a batch through both towers and back, and a picture through one."""
    from twomind.training import clip_whole

    towers = clip_whole.towers_of(base.encoder)
    px = towers.prepare.size_px
    n = 4
    noise = np.random.default_rng(0).integers(0, 256, (n, px, px, 3)).astype(np.uint8)
    per_part = _seconds(clip_whole.one_part(base.encoder, list(noise)))
    per_picture = per_part / n
    return {
        "frame": 0.0,
        "training": 64 * per_picture,
        "adaptation": per_picture / _BOTH_WAYS * base.per_recording,
    }


def _texts(encoder: Encoder) -> None:
    """All phrases through the text tower."""
    from twomind.encoders.clip_towers import encode_ids
    from twomind.models.clip_au.phrases import PHRASES

    tokens = encoder.tokenise([phrase.text for phrase in PHRASES])
    encode_ids(encoder.text, tokens.ids, tokens.read_at)


def _small_step(dim: int) -> None:
    """The size of a step on rows: a batch of 8 clips of 20 frames through a convolution."""
    import torch

    x = torch.zeros(8, dim, 20, requires_grad=True)
    w = torch.zeros(dim, dim, 3, requires_grad=True)
    torch.nn.functional.conv1d(x, w, padding=1).sum().backward()


def _timed_dsfda(base: Base) -> dict[str, float]:
    """One source step of the network at its size."""
    import torch

    from twomind.models.dsfda import net
    from twomind.training import dsfda_losses as losses
    from twomind.training import dsfda_step as steps
    from twomind.training.tensors import placed

    size = net.SIZES[base.size]
    place = device.chosen()
    training = steps.start(placed(net.new_weights(size, 2, 77), place), 1e-5)
    n = 2
    rng = torch.Generator(place).manual_seed(0)
    x = torch.zeros(n, 3, size.px, size.px, device=place)
    y = torch.zeros(n, dtype=torch.long, device=place)

    def step() -> None:
        batch = steps.Batch(x, y, x, y)
        steps.source_step(training, batch, losses.noises(size, n, rng), steps.Rules(), rng)

    per_pair = _seconds(step) / n
    return {"frame": 0.0, "training": 20 * per_pair, "adaptation": 20 * per_pair}


def _seconds(work: Callable[[], object]) -> float:
    """The least of a few timings, within :data:`_CALIBRATION_S`."""
    best = float("inf")
    started = time.perf_counter()
    for _ in range(5):
        at = time.perf_counter()
        work()
        now = time.perf_counter()
        best = min(best, now - at)
        if now - started > _CALIBRATION_S:
            break
    return best


__all__ = ["Count", "dry_run"]
