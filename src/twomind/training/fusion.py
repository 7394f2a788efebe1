"""Train a fusion model on labelled people: losses on rows and recordings, stopping and calibration
on other people.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from twomind.core.errors import BadInput
from twomind.models.calibration import risk_curve
from twomind.models.fusion.input import Recipe, fit_scales
from twomind.models.fusion.net import Batch, FusionConfig, FusionNet, collate
from twomind.models.fusion.recogniser import FORMAT, FusionRecogniser
from twomind.models.fusion.run import rows_of, softmax
from twomind.training import loop
from twomind.training.fusion_data import Item, data_mark
from twomind.types import Progress, Task

IMBALANCE = ("weights", "focal", "none")
SELECT = ("ap", "macro_f1", "loss")


#: Epochs whose mean figure decides when to stop. A handful of validation people can like one epoch
#: by accident, and then the small steps at the end, in which a network settles, are never taken
#: (``docs/fusion-study.md``).
SMOOTH = 5


def settings_for(config: FusionConfig, **given: Any) -> loop.TrainSettings:
    """How a model of this kind is trained, unless ``given`` says otherwise."""
    return loop.TrainSettings(**{"lr": config.lr, "smooth": SMOOTH, **given})


@dataclass(frozen=True)
class FitSettings:
    """What is optimised, beside how (``TrainSettings``)."""

    # classes by inverse frequency, undone after training; "focal": gamma below; "none"
    imbalance: str = "weights"
    gamma: float = 2.0
    frame_weight: float = 1.0  # of the loss on coded rows
    video_weight: float = (
        0.3  # of the loss on whole recordings; few labels that a network soon knows by heart
    )
    select: str = (
        "ap"  # of validation people: mean over recordings and rows; "macro_f1", or minus the "loss"
    )

    def __post_init__(self) -> None:
        if self.imbalance not in IMBALANCE:
            raise BadInput(f"imbalance {self.imbalance!r}: expected one of {', '.join(IMBALANCE)}")
        if self.select not in SELECT:
            raise BadInput(f"select {self.select!r}: expected one of {', '.join(SELECT)}")


@dataclass(frozen=True)
class _Weights:
    """Class weights of rows and recordings ``(C,)``, ones where none are used."""

    frame: np.ndarray
    video: np.ndarray


def _weights(items: Sequence[Item], n_classes: int, fit: FitSettings) -> _Weights:
    if fit.imbalance != "weights":
        return _Weights(np.ones(n_classes), np.ones(n_classes))
    frames = np.concatenate([i.frame_y[i.frame_y >= 0] for i in items])
    videos = np.array([i.y for i in items if i.y >= 0], int)
    return _Weights(
        *(
            loop.class_weights(y, n_classes) if len(y) else np.ones(n_classes)
            for y in (frames, videos)
        )
    )


def _drop(batch: Batch, config: FusionConfig, unknown: int) -> Batch:
    """Questions taken away at random; of a released variant also modalities, never the last that a
    recording has.
    """
    mask = dict(batch.mask)
    if config.released and config.modality_dropout and len(mask) > 1:
        has = _measured(batch)
        taken = (torch.rand(has.shape).to(has.device) < config.modality_dropout) & has
        taken &= ~(taken | ~has).all(dim=1, keepdim=True)
        mask = {m: v & ~taken[:, i, None, None] for i, (m, v) in enumerate(mask.items())}
    withheld = torch.rand(len(batch.question)).to(batch.question.device) < config.question_dropout
    return batch._replace(mask=mask, question=torch.where(withheld, unknown, batch.question))


def _measured(batch: Batch) -> Tensor:
    """Which modalities each recording has ``(B, M)``."""
    return torch.stack([m.flatten(1).any(dim=1) for m in batch.mask.values()], dim=1)


def _views(has: Tensor) -> Tensor:
    """Recordings as they are, once with each modality alone and, of three or more, once with some
    drawn at random.

    Which modalities are seen ``(V, B, M)``. Without the last, the level of a pair would be nobody's
    to learn.
    """
    n = has.shape[1]
    alone = torch.eye(n, dtype=torch.bool).to(has.device)
    views = [has[None], has[None] & alone[:, None]]
    if n > 2:
        drawn = torch.where(has, torch.rand(has.shape).to(has.device), -1.0)
        rank = drawn.argsort(dim=1, descending=True).argsort(dim=1)
        some = torch.randint(2, n, (len(has), 1)).to(has.device)
        views.append((has & (rank < some))[None])
    return torch.cat(views)


class Objective:
    """Loss on items and figures of validation people, as the training loop wants them."""

    def __init__(
        self,
        train: Sequence[Item],
        val: Sequence[Item],
        recipe: Recipe,
        task: Task,
        fit: FitSettings,
    ) -> None:
        self.train, self.val, self.recipe, self.task, self.fit = train, val, recipe, task, fit
        self.weights = _weights(train, len(task.classes), fit)

    def loss(self, module: nn.Module, items: Sequence[int]) -> Tensor:
        """Of a batch of training items, questions dropped: as they are, and with some modalities
        only.

        A network that always sees everything leans on what is easiest to learn and knows little
        without it (Wang et al. 2020, who give each modality a loss of its own). Here that loss is
        of the same head with the others absent, so it also learns absence. (Dropout by modality,
        Neverova et al. 2016, rarely leaves one by itself.)
        """
        assert isinstance(module, FusionNet)
        device = module.video_bias.device
        chosen = [self.train[i] for i in items]
        batch = _drop(
            collate([i.grid for i in chosen]), module.config, len(self.recipe.questions)
        ).to(device)
        frame_y, y = (t.to(device) for t in _labels(chosen, batch.frames.shape[1]))
        share = module.config.partial
        if module.config.released or not share or len(batch.mask) < 2:
            return self._loss(module, batch, frame_y, y)
        return self._views(module, batch, frame_y, y, share)

    def _views(
        self, net: FusionNet, batch: Batch, frame_y: Tensor, y: Tensor, share: float
    ) -> Tensor:
        """``1 - share`` times the loss of recordings as they are, ``share`` times the mean over the
        other views.
        """
        has = _measured(batch)
        keep = _views(has)
        n = len(keep)
        out = net(batch, keep=keep)
        batch = Batch({}, {}, batch.frames.repeat(n, 1), batch.question.repeat(n))
        rows, logits = (
            v.unflatten(0, (n, -1))
            for v in (net.frame_logits(out.frame, batch.question), net.video(out, batch)[1])
        )
        # A recording that lacks a modality teaches nothing about it.
        there = keep.any(dim=-1)
        losses = [
            self._loss_of(
                rows[v],
                logits[v],
                frame_y.masked_fill(~there[v][:, None], -1),
                y.masked_fill(~there[v], -1),
            )
            for v in range(n)
        ]
        return (1 - share) * losses[0] + share * torch.stack(losses[1:]).mean()

    def _loss(self, net: FusionNet, batch: Batch, frame_y: Tensor, y: Tensor) -> Tensor:
        out = net(batch)
        rows = net.frame_logits(out.frame, batch.question)
        return self._loss_of(rows, net.video(out, batch)[1], frame_y, y)

    def _loss_of(self, rows: Tensor, logits: Tensor, frame_y: Tensor, y: Tensor) -> Tensor:
        """Of logits of rows ``(B, T, C)`` and recordings ``(B, C)``."""
        fit, gamma = self.fit, self.fit.gamma if self.fit.imbalance == "focal" else 0.0
        coded, known = frame_y >= 0, y >= 0
        total = fit.frame_weight * loop.weighted_loss(
            rows[coded], frame_y[coded], _on(self.weights.frame, rows), gamma
        )
        total = total + fit.video_weight * loop.weighted_loss(
            logits[known], y[known], _on(self.weights.video, rows), gamma
        )
        return total

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Figures of validation people; ``score`` decides when to stop."""
        assert isinstance(module, FusionNet)
        (y, p), (frame_y, frame_p), loss = self._val(module)
        n = len(self.task.classes)
        found = {"loss_val": loss}
        for name, labels, probs in (("video", y, p), ("frame", frame_y, frame_p)):
            if len(labels):
                found[f"macro_f1_{name}"] = loop.macro_f1(labels, probs.argmax(axis=1), n)
                found[f"ap_{name}"] = loop.average_precision(
                    (labels > 0).astype(int), 1 - probs[:, 0]
                )
        chosen = [v for k, v in found.items() if k.startswith(self.fit.select) and math.isfinite(v)]
        score = float(np.mean(chosen)) if chosen and self.fit.select != "loss" else -loss
        return {**found, "score": score}

    def _val(
        self, net: FusionNet
    ) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray], float]:
        device = net.video_bias.device
        ys, ps, fys, fps, losses = [], [], [], [], []
        for at in range(0, len(self.val), 16):
            chosen = self.val[at : at + 16]
            batch = collate([i.grid for i in chosen]).to(device)
            frame_y, y = (t.to(device) for t in _labels(chosen, batch.frames.shape[1]))
            out = net(batch)
            video, rows = net.video(out, batch)[1], net.frame_logits(out.frame, batch.question)
            losses.append(float(self._loss_of(rows, video, frame_y, y)) * len(chosen))
            video, rows = video.softmax(-1), rows.softmax(-1)
            known, coded = y >= 0, frame_y >= 0
            ys.append(y[known].cpu().numpy())
            ps.append(video[known].float().cpu().numpy())
            fys.append(frame_y[coded].cpu().numpy())
            fps.append(rows[coded].float().cpu().numpy())
        loss = sum(losses) / len(self.val)
        return (
            (np.concatenate(ys), np.concatenate(ps)),
            (np.concatenate(fys), np.concatenate(fps)),
            loss,
        )


def _on(weights: np.ndarray, like: Tensor) -> Tensor:
    return torch.as_tensor(weights, dtype=torch.float32, device=like.device)


def _labels(items: Sequence[Item], t: int) -> tuple[Tensor, Tensor]:
    frame_y = torch.full((len(items), t), -1)
    for i, item in enumerate(items):
        frame_y[i, : len(item.frame_y)] = torch.from_numpy(item.frame_y.astype(np.int64))
    return frame_y, torch.tensor([i.y for i in items])


def fit(
    train: Sequence[Item],
    val: Sequence[Item],
    task: Task,
    recipe: Recipe,
    config: FusionConfig,
    settings: loop.TrainSettings | None = None,
    fit_settings: FitSettings | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> FusionRecogniser:
    """Train, stop on validation people, calibrate on them; the card says what it was.

    Raises:
        BadInput: too little to learn from, or a person in both parts.
    """
    settings, how = settings or settings_for(config), fit_settings or FitSettings()
    _check(train, val, task)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        net = FusionNet(
            config, recipe, len(task.classes), fit_scales([i.grid for i in train], recipe)
        )
    objective = Objective(train, val, recipe, task, how)
    mark = {
        "data": [data_mark(train), data_mark(val)],
        "config": asdict(config),
        "recipe": recipe.sha256,
        "fit": asdict(how),
        "task": asdict(task),
    }
    done = loop.train(
        net,
        len(train),
        objective.loss,
        objective.validate,
        settings,
        mark=mark,
        checkpoint=checkpoint,
        progress=progress,
    )
    net.to("cpu").eval()
    card = {
        "format": FORMAT,
        "training": {
            "settings": asdict(settings),
            "objective": asdict(how),
            "class_weights": {k: v.tolist() for k, v in asdict(objective.weights).items()},
            "epochs": len(done.history),
            "best_epoch": done.best_epoch,
            "best_score_on_validation_people": done.best,
            "selected_by": f"{how.select} on validation people, mean of {settings.smooth} epochs",
            "last": dict(done.history[-1]),
            "seconds": round(done.seconds, 1),
        },
        "data": _about(train, val, task),
        "people": _people(train, val),
        "drawn": any(i.drawn for i in (*train, *val)),
        "calibration": calibrate(net, train, val, objective.weights),
    }
    return FusionRecogniser(task, net, {**card, **_reference(net, train)})


def _check(train: Sequence[Item], val: Sequence[Item], task: Task) -> None:
    for name, items in (("train", train), ("validation", val)):
        if not items:
            raise BadInput(f"fusion: no usable recording among the {name} people")
    present = {int(c) for i in train for c in (i.y, *i.frame_y) if c >= 0}
    if len(present) < 2:
        raise BadInput(
            f"fusion: the training people show {len(present)} of the classes "
            f"{', '.join(task.classes)}; two are needed"
        )
    if both := sorted({i.subject for i in train} & {i.subject for i in val}):
        raise BadInput(f"fusion: {both[0]} is both among the training and the validation people")


def _about(train: Sequence[Item], val: Sequence[Item], task: Task) -> dict[str, Any]:
    def part(items: Sequence[Item]) -> dict[str, Any]:
        y = np.array([i.y for i in items if i.y >= 0], int)
        rows = np.concatenate([i.frame_y[i.frame_y >= 0] for i in items])
        n = len(task.classes)
        return {
            "recordings": len(items),
            "people": len({i.subject for i in items}),
            "share_of_recordings": (np.bincount(y, minlength=n) / max(len(y), 1)).tolist(),
            "share_of_rows": (np.bincount(rows, minlength=n) / max(len(rows), 1)).tolist(),
            "coded_rows": len(rows),
        }

    return {"train": part(train), "validation": part(val)}


def _people(train: Sequence[Item], val: Sequence[Item]) -> dict[str, Any]:
    """Salted hashes of everybody whose labels had a part, as the words model keeps them."""
    people = sorted({i.subject for i in (*train, *val)})
    salt = hashlib.sha256(json.dumps(people).encode()).hexdigest()
    hashes = [hashlib.sha256(f"{salt[:16]}:{p}".encode()).hexdigest()[:10] for p in people]
    return {"sha256_of_sorted_ids": salt, "salt": salt[:16], "hashes": sorted(hashes)}


def _reference(net: FusionNet, train: Sequence[Item]) -> dict[str, Any]:
    """What the score's parts are relative to: their mean over the training recordings."""
    weight, _ = net.linear()
    d = int(net.head.width)
    w = weight.detach().double().numpy()
    pooled = np.mean([rows_of(net, i.grid)[1].pooled for i in train], axis=0)
    asked = np.mean([w[:, d + i.grid.question] for i in train], axis=0)
    return {"reference": {"content": (w[:, :d] @ pooled).tolist(), "question": asked.tolist()}}


# --- calibration on people who were not trained on
# -------------------------------------------------------------------


def _log_prior(y: np.ndarray, n_classes: int) -> np.ndarray:
    share = (np.bincount(y, minlength=n_classes) + 1) / (len(y) + n_classes)
    return np.log(share)


def _slope(y: np.ndarray, logits: np.ndarray, prior: np.ndarray) -> float:
    """The temperature: how much of what moves the logits away from the prior held-out people bear
    out, in [.1, 5].
    """
    from scipy.optimize import minimize_scalar

    def loss(s: float) -> float:
        p = softmax(prior + s * (logits - prior))
        return float(-np.mean(np.log(np.maximum(p[np.arange(len(y)), y], 1e-12))))

    return float(minimize_scalar(loss, bounds=(0.1, 5.0), method="bounded").x)


def _slope_offset(
    y: np.ndarray, logits: np.ndarray, prior: np.ndarray, share: np.ndarray
) -> tuple[float, np.ndarray]:
    """As :func:`_slope`, with a free level per class: rows are many enough for it, recordings are
    not.

    ``share (N,)``: how much each row counts; they sum to 1.
    """
    from scipy.optimize import minimize

    n = len(prior)

    def loss(v: np.ndarray) -> float:
        p = softmax(prior + np.exp(v[0]) * (logits - prior) + np.r_[0.0, v[1:]])
        return float(-share @ np.log(np.maximum(p[np.arange(len(y)), y], 1e-12))) + 1e-3 * float(
            v @ v
        )

    found = minimize(
        loss, np.zeros(n), bounds=[(np.log(0.1), np.log(5.0)), *[(-3.0, 3.0)] * (n - 1)]
    ).x
    return float(np.exp(found[0])), np.r_[0.0, found[1:]]


def calibrate(
    net: FusionNet, train: Sequence[Item], val: Sequence[Item], weights: _Weights
) -> dict[str, Any]:
    """Undo the class weights, then set the temperature on validation people; written into the
    network's last layer.

    Returns what was done, with risk and coverage of the calibrated answers, for the card.
    """
    n = net.n_classes
    found: dict[str, Any] = {"on": "validation people", "undone_class_weights": True}
    y_train = np.array([i.y for i in train if i.y >= 0], int)
    with_y = [i for i in val if i.y >= 0]
    if len(y_train) and with_y:
        y = np.array([i.y for i in with_y])
        log_w, prior = np.log(np.maximum(weights.video, 1e-6)), _log_prior(y_train, n)
        logits = np.stack([rows_of(net, i.grid)[1].logits() for i in with_y])
        s = _slope(y, logits - log_w, prior)
        with torch.no_grad():
            bias = s * net.video_bias.double().numpy() + prior * (1 - s) - s * log_w
            net.video_scale.mul_(s)
            net.video_question.mul_(s)
            net.video_bias.copy_(torch.from_numpy(bias))
        calibrated = softmax(np.stack([rows_of(net, i.grid)[1].logits() for i in with_y]))
        found["video"] = {"slope": s, "log_prior": prior.tolist(), "n": len(y)}
        found["prevalence"] = (np.exp(prior) / np.exp(prior).sum()).tolist()
        if n == 2:
            found["risk"] = asdict(risk_curve(y, calibrated[:, 1]))
    coded_train = np.concatenate([i.frame_y[i.frame_y >= 0] for i in train])
    rows = [(rows_of(net, i.grid)[0], i.frame_y) for i in val]
    frame_y = np.concatenate([fy[fy >= 0] for _, fy in rows])
    if len(coded_train) and len(frame_y):
        logits = np.concatenate([r.logits[fy >= 0] for r, fy in rows])
        log_w, prior = np.log(np.maximum(weights.frame, 1e-6)), _log_prior(coded_train, n)
        # Where whole recordings are told apart well, their level is nobody's; what is said of a
        # part shows it.
        alone, alone_y = _alone(net, val)
        half = 0.5 if len(alone_y) else 1.0
        share = np.r_[
            np.full(len(frame_y), half / len(frame_y)),
            np.full(len(alone_y), (1 - half) / max(len(alone_y), 1)),
        ]
        s, level = _slope_offset(
            np.r_[frame_y, alone_y], np.concatenate([logits, alone]) - log_w, prior, share
        )
        offset = prior * (1 - s) - s * log_w + level
        with torch.no_grad():
            net.frame_slope.fill_(s)
            net.frame_offset.copy_(torch.from_numpy(offset))
        p = softmax(s * logits + offset)
        found["frame"] = {
            "slope": s,
            "level": level.tolist(),
            "log_prior": prior.tolist(),
            "threshold": _threshold(frame_y, p),
            "n": len(frame_y),
        }
    return found


def _alone(net: FusionNet, val: Sequence[Item]) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels of coded rows with each modality alone ``(N, C), (N,)``; none of a model
    not trained so.
    """
    names, found, ys = net.recipe.modalities, [np.empty((0, net.n_classes))], [np.empty(0, int)]
    if len(names) > 1 and net.config.partial and not net.config.released:
        for item in val:
            for m in names:
                rows, _ = rows_of(net, item.grid.without(*(o for o in names if o != m)))
                use = rows.valid & (item.frame_y >= 0)
                found.append(rows.logits[use])
                ys.append(item.frame_y[use])
    return np.concatenate(found), np.concatenate(ys)


def _threshold(y: np.ndarray, p: np.ndarray) -> float:
    """Share of "any class but the first" from which a row is marked: best macro-F1 of validation
    people's rows.
    """
    odds, truth = 1 - p[:, 0], (y > 0).astype(int)
    candidates = np.unique(np.quantile(odds, np.linspace(0.02, 0.98, 49)))
    scores = [loop.macro_f1(truth, (odds > c).astype(int), 2) for c in candidates]
    return float(candidates[int(np.argmax(scores))])


def with_card(model: FusionRecogniser, figures: Mapping[str, Any]) -> FusionRecogniser:
    """The model with figures of held-out people on its card (``located``, ``skill`` …), made in the
    room ``score``.
    """
    return replace(model, card={**model.card, **figures})
