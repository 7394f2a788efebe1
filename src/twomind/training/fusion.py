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
from twomind.types.plain import Array

IMBALANCE = ("weights", "focal", "none")
SELECT = ("ap", "macro_f1", "loss", "ap_frame")


#: Epochs whose mean figure decides when to stop. A handful of validation people can like one epoch
#: by accident, and then the small steps at the end, in which a network settles, are never taken
#: (``experiments/reports/fusion-synthetic.md``).
SMOOTH = 5


def settings_for(config: FusionConfig, **given: object) -> loop.TrainSettings:
    """How a model of this kind is trained, unless ``given`` says otherwise."""
    usual = loop.TrainSettings(lr=config.lr, smooth=SMOOTH)
    return replace(usual, **given)  # type: ignore[arg-type]


@dataclass(frozen=True)
class FitSettings:
    """What is optimised, beside how (``TrainSettings``)."""

    #: classes by inverse frequency, undone after training; "focal": gamma below; "none"
    imbalance: str = "weights"
    gamma: float = 2.0
    #: of the loss on coded rows
    frame_weight: float = 1.0
    #: of the loss on whole recordings; few labels that a network soon knows by heart
    video_weight: float = 0.3
    #: of validation people: mean over recordings and rows; "ap_frame": over rows alone, as published;
    #: "macro_f1", or minus the "loss"
    select: str = "ap"

    def __post_init__(self) -> None:
        if self.imbalance not in IMBALANCE:
            raise BadInput(f"imbalance {self.imbalance!r}: expected one of {', '.join(IMBALANCE)}")
        if self.select not in SELECT:
            raise BadInput(f"select {self.select!r}: expected one of {', '.join(SELECT)}")


@dataclass(frozen=True)
class _Weights:
    """Class weights of rows and recordings ``(C,)``, ones where none are used."""

    frame: Array
    video: Array


def _coded_rows(items: Sequence[Item]) -> Array:
    """Labels of all coded rows."""
    found = []
    for item in items:
        coded = item.frame_y >= 0
        found.append(item.frame_y[coded])
    return np.concatenate(found)


def _labels_of_recordings(items: Sequence[Item]) -> Array:
    """Labels of the recordings that have one."""
    labels = [i.y for i in items]
    every = np.array(labels, int)
    return every[every >= 0]


def _weights(items: Sequence[Item], n_classes: int, fit: FitSettings) -> _Weights:
    even = np.ones(n_classes)
    if fit.imbalance != "weights":
        return _Weights(even, even)
    frame = video = even
    rows = _coded_rows(items)
    if len(rows):
        frame = loop.class_weights(rows, n_classes)
    recordings = _labels_of_recordings(items)
    if len(recordings):
        video = loop.class_weights(recordings, n_classes)
    return _Weights(frame, video)


def _drop(batch: Batch, config: FusionConfig, unknown: int) -> Batch:
    """Questions taken away at random; of a released variant also modalities, never the last that a
    recording has.
    """
    mask = dict(batch.mask)
    if config.released and config.modality_dropout and len(mask) > 1:
        has = _measured(batch)
        drawn = torch.rand(has.shape).to(has.device)
        taken = (drawn < config.modality_dropout) & has
        nothing_left = (taken | ~has).all(dim=1, keepdim=True)
        taken &= ~nothing_left
        kept = ~taken[:, :, None, None]
        for i, m in enumerate(batch.mask):
            mask[m] = mask[m] & kept[:, i]
    asked = batch.question
    n = len(asked)
    chance = torch.rand(n).to(asked.device)
    withheld = chance < config.question_dropout
    question = torch.where(withheld, unknown, asked)
    return batch._replace(mask=mask, question=question)


def _measured(batch: Batch) -> Tensor:
    """Which modalities each recording has ``(B, M)``."""
    has = []
    for mask in batch.mask.values():
        has.append(mask.flatten(1).any(dim=1))
    return torch.stack(has, dim=1)


def _views(has: Tensor) -> Tensor:
    """Recordings as they are, once with each modality alone and, of three or more, once with some
    drawn at random.

    Which modalities are seen ``(V, B, M)``. Without the last, the level of a pair would be nobody's
    to learn.
    """
    n_recordings, n = has.shape
    device = has.device
    whole = has[None]
    each = torch.eye(n, dtype=torch.bool).to(device)
    alone = whole & each[:, None]
    if n <= 2:
        return torch.cat([whole, alone])
    drawn = torch.rand(has.shape).to(device)
    chance = torch.where(has, drawn, -1.0)
    order = chance.argsort(dim=1, descending=True)
    rank = order.argsort(dim=1)
    some = torch.randint(2, n, (n_recordings, 1)).to(device)
    seen = has & (rank < some)
    return torch.cat([whole, alone, seen[None]])


#: Labels ``(N,)`` with the probabilities ``(N, C)`` that a network gave.
Answers = tuple[Array, Array]


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
        self.train = train
        self.val = val
        self.recipe = recipe
        self.task = task
        self.fit = fit
        n_classes = len(task.classes)
        self.weights = _weights(train, n_classes, fit)

    def loss(self, module: nn.Module, items: Sequence[int]) -> Tensor:
        """Of a batch of training items, questions dropped: as they are, and with some modalities
        only.

        A network that always sees everything leans on what is easiest to learn and knows little
        without it (Wang et al. 2020, who give each modality a loss of its own). Here that loss is
        of the same head with the others absent, so it also learns absence. (Dropout by modality,
        Neverova et al. 2016, rarely leaves one by itself.)
        """
        assert isinstance(module, FusionNet)
        config = module.config
        device = module.video_bias.device
        chosen = [self.train[i] for i in items]
        whole = collate([i.grid for i in chosen])
        unknown = len(self.recipe.questions)
        dropped = _drop(whole, config, unknown)
        batch = dropped.to(device)
        frame_y, y = _labels_beside(chosen, batch)
        share = config.partial
        if config.released or not share or len(batch.mask) < 2:
            return self._loss(module, batch, frame_y, y)
        return self._views(module, batch, frame_y, y, share)

    def _views(
        self, net: FusionNet, batch: Batch, frame_y: Tensor, y: Tensor, share: float
    ) -> Tensor:
        """``1 - share`` times the loss of recordings as they are, ``share`` times the mean over the
        other views.
        """
        keep = _views(_measured(batch))
        n = len(keep)
        out = net(batch, keep=keep)
        frames = batch.frames.repeat(n, 1)
        question = batch.question.repeat(n)
        repeated = Batch({}, {}, frames, question)
        rows = net.frame_logits(out.frame, question)
        _, logits = net.video(out, repeated)
        rows = rows.unflatten(0, (n, -1))
        logits = logits.unflatten(0, (n, -1))
        # A recording that lacks a modality teaches nothing about it.
        there = keep.any(dim=-1)
        losses = []
        for v in range(n):
            unseen = ~there[v]
            unseen_rows = unseen[:, None]
            coded = frame_y.masked_fill(unseen_rows, -1)
            known = y.masked_fill(unseen, -1)
            loss = self._loss_of(rows[v], logits[v], coded, known)
            losses.append(loss)
        whole, *others = losses
        partial = torch.stack(others).mean()
        as_they_are = (1 - share) * whole
        return as_they_are + share * partial

    def _loss(self, net: FusionNet, batch: Batch, frame_y: Tensor, y: Tensor) -> Tensor:
        out = net(batch)
        rows = net.frame_logits(out.frame, batch.question)
        _, logits = net.video(out, batch)
        return self._loss_of(rows, logits, frame_y, y)

    def _loss_of(self, rows: Tensor, logits: Tensor, frame_y: Tensor, y: Tensor) -> Tensor:
        """Of logits of rows ``(B, T, C)`` and recordings ``(B, C)``."""
        fit = self.fit
        gamma = fit.gamma if fit.imbalance == "focal" else 0.0
        coded = frame_y >= 0
        known = y >= 0
        of_rows = _on(self.weights.frame, rows)
        of_recordings = _on(self.weights.video, rows)
        of_coded = rows[coded]
        frame = loop.weighted_loss(of_coded, frame_y[coded], of_rows, gamma)
        of_known = logits[known]
        video = loop.weighted_loss(of_known, y[known], of_recordings, gamma)
        total = fit.frame_weight * frame
        return total + fit.video_weight * video

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Figures of validation people; ``score`` decides when to stop."""
        assert isinstance(module, FusionNet)
        video, frame, loss = self._val(module)
        found = {"loss_val": loss}
        found |= self._figures("video", video)
        found |= self._figures("frame", frame)
        return {**found, "score": self._score(found)}

    def _figures(self, name: str, answers: Answers) -> dict[str, float]:
        """Of recordings or rows; none where nothing is coded."""
        labels, probs = answers
        if not len(labels):
            return {}
        n_classes = len(self.task.classes)
        said = probs.argmax(axis=1)
        f1 = loop.macro_f1(labels, said, n_classes)
        positive = (labels > 0).astype(int)
        p_positive = 1 - probs[:, 0]
        precision = loop.average_precision(positive, p_positive)
        return {f"macro_f1_{name}": f1, f"ap_{name}": precision}

    def _score(self, figures: Mapping[str, float]) -> float:
        """The figure that decides when to stop."""
        select = self.fit.select
        chosen = []
        for name, value in figures.items():
            if name.startswith(select) and math.isfinite(value):
                chosen.append(value)
        if not chosen or select == "loss":
            return -figures["loss_val"]
        return float(np.mean(chosen))

    def _val(self, net: FusionNet) -> tuple[Answers, Answers, float]:
        """Answers on recordings and on rows of validation people, and the mean loss."""
        device = net.video_bias.device
        ys: list[Array] = []
        ps: list[Array] = []
        frame_ys: list[Array] = []
        frame_ps: list[Array] = []
        losses: list[float] = []
        for at in range(0, len(self.val), 16):
            chosen = self.val[at : at + 16]
            whole = collate([i.grid for i in chosen])
            batch = whole.to(device)
            frame_y, y = _labels_beside(chosen, batch)
            out = net(batch)
            _, video = net.video(out, batch)
            rows = net.frame_logits(out.frame, batch.question)
            loss = self._loss_of(rows, video, frame_y, y)
            losses.append(float(loss) * len(chosen))
            known = y >= 0
            probs = video.softmax(-1)[known]
            ys.append(y[known].cpu().numpy())
            ps.append(probs.float().cpu().numpy())
            coded = frame_y >= 0
            probs = rows.softmax(-1)[coded]
            frame_ys.append(frame_y[coded].cpu().numpy())
            frame_ps.append(probs.float().cpu().numpy())
        of_recordings = (np.concatenate(ys), np.concatenate(ps))
        of_rows = (np.concatenate(frame_ys), np.concatenate(frame_ps))
        mean = sum(losses) / len(self.val)
        return of_recordings, of_rows, mean


def _on(weights: Array, like: Tensor) -> Tensor:
    return torch.as_tensor(weights, dtype=torch.float32, device=like.device)


def _labels(items: Sequence[Item], t: int) -> tuple[Tensor, Tensor]:
    """Labels of ``t`` rows ``(B, t)``, -1 where there is none, and of recordings ``(B,)``."""
    frame_y = torch.full((len(items), t), -1)
    for own, item in zip(frame_y, items, strict=True):
        coded = item.frame_y.astype(np.int64)
        own[: len(coded)] = torch.from_numpy(coded)
    y = torch.tensor([i.y for i in items])
    return frame_y, y


def _labels_beside(items: Sequence[Item], batch: Batch) -> tuple[Tensor, Tensor]:
    """Labels of rows ``(B, T)`` and of recordings ``(B,)``, where their batch lies."""
    n_rows = batch.frames.shape[1]
    device = batch.frames.device
    frame_y, y = _labels(items, n_rows)
    return frame_y.to(device), y.to(device)


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

    Args:
        train: recordings of training people.
        val: recordings of other people.
        task: the question.
        recipe: what the grids hold.
        config: the network.
        settings: of the loop; by default those of this kind of network.
        fit_settings: what is optimised.
        checkpoint: file that an interrupted training goes on from.
        progress: is told how far it is.

    Raises:
        BadInput: too little to learn from, or a person in both parts.
    """
    settings = settings or settings_for(config)
    how = fit_settings or FitSettings()
    _check(train, val, task)
    n_classes = len(task.classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        scales = fit_scales([i.grid for i in train], recipe)
        net = FusionNet(config, recipe, n_classes, scales)
    objective = Objective(train, val, recipe, task, how)
    data = [data_mark(train), data_mark(val)]
    mark = {
        "data": data,
        "config": asdict(config),
        "recipe": recipe.sha256,
        "fit": asdict(how),
        "task": asdict(task),
    }
    n_items = len(train)
    goal = loop.Goal(n_items, objective.loss, objective.validate)
    done = loop.train(net, goal, settings, mark=mark, checkpoint=checkpoint, progress=progress)
    net.to("cpu").eval()
    card: dict[str, object] = {"format": FORMAT}
    card["training"] = _how_it_went(done, settings, objective)
    card["data"] = _about(train, val, task)
    card["people"] = _people(train, val)
    everybody = [*train, *val]
    card["drawn"] = any(i.drawn for i in everybody)
    card["calibration"] = calibrate(net, train, val, objective.weights)
    card |= _reference(net, train)
    return FusionRecogniser(task, net, card)


def _how_it_went(
    done: loop.Trained, settings: loop.TrainSettings, objective: Objective
) -> dict[str, object]:
    how = objective.fit
    weights = objective.weights
    by_class = {"frame": weights.frame.tolist(), "video": weights.video.tolist()}
    selected_by = f"{how.select} on validation people, mean of {settings.smooth} epochs"
    last = dict(done.history[-1])
    return {
        "settings": asdict(settings),
        "objective": asdict(how),
        "class_weights": by_class,
        "epochs": len(done.history),
        "best_epoch": done.best_epoch,
        "best_score_on_validation_people": done.best,
        "selected_by": selected_by,
        "last": last,
        "seconds": round(done.seconds, 1),
    }


def _check(train: Sequence[Item], val: Sequence[Item], task: Task) -> None:
    parts = {"train": train, "validation": val}
    for name, items in parts.items():
        if not items:
            raise BadInput(f"fusion: no usable recording among the {name} people")
    of_recordings = _labels_of_recordings(train)
    of_rows = _coded_rows(train)
    present = np.unique(np.concatenate([of_recordings, of_rows]))
    n_present = len(present)
    if n_present < 2:
        raise BadInput(
            f"fusion: the training people show {n_present} of the classes "
            f"{', '.join(task.classes)}; two are needed"
        )
    training_people = {i.subject for i in train}
    validation_people = {i.subject for i in val}
    if both := sorted(training_people & validation_people):
        raise BadInput(f"fusion: {both[0]} is both among the training and the validation people")


def _about(train: Sequence[Item], val: Sequence[Item], task: Task) -> dict[str, object]:
    n_classes = len(task.classes)
    return {"train": _counts(train, n_classes), "validation": _counts(val, n_classes)}


def _counts(items: Sequence[Item], n_classes: int) -> dict[str, object]:
    """How many recordings, people and coded rows, and the share of each class."""
    y = _labels_of_recordings(items)
    rows = _coded_rows(items)
    people = {i.subject for i in items}
    of_recordings = _shares(y, n_classes)
    of_rows = _shares(rows, n_classes)
    return {
        "recordings": len(items),
        "people": len(people),
        "share_of_recordings": of_recordings,
        "share_of_rows": of_rows,
        "coded_rows": len(rows),
    }


def _shares(y: Array, n_classes: int) -> list[float]:
    n = np.bincount(y, minlength=n_classes)
    share = n / max(len(y), 1)
    return [float(value) for value in share]


def _people(train: Sequence[Item], val: Sequence[Item]) -> dict[str, object]:
    """Salted hashes of everybody whose labels had a part, as the words model keeps them."""
    items = [*train, *val]
    people = sorted({i.subject for i in items})
    of_all = _sha256(json.dumps(people))
    salt = of_all[:16]
    hashes = []
    for person in people:
        own = _sha256(f"{salt}:{person}")
        hashes.append(own[:10])
    return {"sha256_of_sorted_ids": of_all, "salt": salt, "hashes": sorted(hashes)}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _reference(net: FusionNet, train: Sequence[Item]) -> dict[str, object]:
    """What the score's parts are relative to: their mean over the training recordings."""
    weight, _ = net.linear()
    d = int(net.head.width)
    w = weight.detach().double().numpy()
    pooled = []
    asked = []
    for item in train:
        _, whole = rows_of(net, item.grid)
        pooled.append(whole.pooled)
        column = d + item.grid.question
        asked.append(w[:, column])
    mean = np.mean(pooled, axis=0)
    content = w[:, :d] @ mean
    question = np.mean(asked, axis=0)
    return {"reference": {"content": content.tolist(), "question": question.tolist()}}


# --- calibration on people who were not trained on
# -------------------------------------------------------------------


def _log_prior(y: Array, n_classes: int) -> Array:
    n = np.bincount(y, minlength=n_classes) + 1
    total = len(y) + n_classes
    share = n / total
    return np.log(share)


def _surprise(probs: Array, y: Array) -> Array:
    """Minus the logarithm of the right class's probability ``(N,)``."""
    rows = np.arange(len(y))
    right = probs[rows, y]
    return -np.log(np.maximum(right, 1e-12))


def _slope(y: Array, logits: Array, prior: Array) -> float:
    """The temperature: how much of what moves the logits away from the prior held-out people bear
    out, in [.1, 5].
    """
    from scipy.optimize import minimize_scalar

    def loss(s: float) -> float:
        stretched = prior + s * (logits - prior)
        p = softmax(stretched)
        return float(np.mean(_surprise(p, y)))

    found = minimize_scalar(loss, bounds=(0.1, 5.0), method="bounded")
    return float(found.x)


def _slope_offset(y: Array, logits: Array, prior: Array, share: Array) -> tuple[float, Array]:
    """As :func:`_slope`, with a free level per class: rows are many enough for it, recordings are
    not.

    ``share (N,)``: how much each row counts; they sum to 1.
    """
    from scipy.optimize import minimize

    n = len(prior)

    def loss(v: Array) -> float:
        slope = np.exp(v[0])
        level = np.r_[0.0, v[1:]]
        stretched = prior + slope * (logits - prior)
        p = softmax(stretched + level)
        surprise = float(share @ _surprise(p, y))
        return surprise + 1e-3 * float(v @ v)

    slopes = (np.log(0.1), np.log(5.0))
    levels = [(-3.0, 3.0)] * (n - 1)
    start = np.zeros(n)
    found = minimize(loss, start, bounds=[slopes, *levels])
    log_slope, *others = found.x
    slope = float(np.exp(log_slope))
    return slope, np.r_[0.0, others]


def calibrate(
    net: FusionNet, train: Sequence[Item], val: Sequence[Item], weights: _Weights
) -> dict[str, object]:
    """Undo the class weights, then set the temperature on validation people; written into the
    network's last layer.

    Args:
        net: it is written to.
        train: recordings of training people, for the prior.
        val: recordings of validation people.
        weights: of the classes in the training.

    Returns:
        What was done, with risk and coverage of the calibrated answers, for the card.
    """
    found: dict[str, object] = {"on": "validation people", "undone_class_weights": True}
    found |= _calibrate_recordings(net, train, val, weights.video)
    found |= _calibrate_rows(net, train, val, weights.frame)
    return found


def _video_logits(net: FusionNet, items: Sequence[Item]) -> Array:
    """Logits of whole recordings ``(N, C)``."""
    found = []
    for item in items:
        _, whole = rows_of(net, item.grid)
        found.append(whole.logits())
    return np.stack(found)


def _calibrate_recordings(
    net: FusionNet, train: Sequence[Item], val: Sequence[Item], weights: Array
) -> dict[str, object]:
    y_train = _labels_of_recordings(train)
    with_y = [i for i in val if i.y >= 0]
    if not len(y_train) or not with_y:
        return {}
    n_classes = net.n_classes
    y = _labels_of_recordings(with_y)
    log_w = np.log(np.maximum(weights, 1e-6))
    prior = _log_prior(y_train, n_classes)
    unweighted = _video_logits(net, with_y) - log_w
    s = _slope(y, unweighted, prior)
    with torch.no_grad():
        own = s * net.video_bias.double().numpy()
        towards_prior = own + prior * (1 - s)
        bias = towards_prior - s * log_w
        net.video_scale.mul_(s)
        net.video_question.mul_(s)
        net.video_bias.copy_(torch.from_numpy(bias))
    calibrated = softmax(_video_logits(net, with_y))
    odds = np.exp(prior)
    prevalence = odds / odds.sum()
    found: dict[str, object] = {
        "video": {"slope": s, "log_prior": prior.tolist(), "n": len(y)},
        "prevalence": prevalence.tolist(),
    }
    if n_classes == 2:
        curve = risk_curve(y, calibrated[:, 1])
        found["risk"] = asdict(curve)
    return found


def _calibrate_rows(
    net: FusionNet, train: Sequence[Item], val: Sequence[Item], weights: Array
) -> dict[str, object]:
    coded_train = _coded_rows(train)
    of_items = []
    for item in val:
        rows, _ = rows_of(net, item.grid)
        coded = item.frame_y >= 0
        of_items.append(rows.logits[coded])
    frame_y = _coded_rows(val)
    if not len(coded_train) or not len(frame_y):
        return {}
    logits = np.concatenate(of_items)
    log_w = np.log(np.maximum(weights, 1e-6))
    prior = _log_prior(coded_train, net.n_classes)
    # Where whole recordings are told apart well, their level is nobody's; what is said of a part
    # shows it.
    alone, alone_y = _alone(net, val)
    n = len(frame_y)
    n_alone = len(alone_y)
    half = 0.5 if n_alone else 1.0
    of_whole = np.full(n, half / n)
    rest = 1 - half
    of_alone = np.full(n_alone, rest / max(n_alone, 1))
    share = np.r_[of_whole, of_alone]
    every_y = np.r_[frame_y, alone_y]
    unweighted = np.concatenate([logits, alone]) - log_w
    s, level = _slope_offset(every_y, unweighted, prior, share)
    undone = prior * (1 - s) - s * log_w
    offset = undone + level
    with torch.no_grad():
        net.frame_slope.fill_(s)
        net.frame_offset.copy_(torch.from_numpy(offset))
    calibrated = softmax(s * logits + offset)
    threshold = _threshold(frame_y, calibrated)
    about = {
        "slope": s,
        "level": level.tolist(),
        "log_prior": prior.tolist(),
        "threshold": threshold,
        "n": n,
    }
    return {"frame": about}


def _alone(net: FusionNet, val: Sequence[Item]) -> tuple[Array, Array]:
    """Logits and labels of coded rows with each modality alone ``(N, C), (N,)``; none of a model
    not trained so.
    """
    names = net.recipe.modalities
    config = net.config
    found = [np.empty((0, net.n_classes))]
    ys = [np.empty(0, int)]
    if len(names) < 2 or not config.partial or config.released:
        return found[0], ys[0]
    for item in val:
        coded = item.frame_y >= 0
        for m in names:
            others = [other for other in names if other != m]
            alone = item.grid.without(*others)
            rows, _ = rows_of(net, alone)
            use = rows.valid & coded
            found.append(rows.logits[use])
            ys.append(item.frame_y[use])
    return np.concatenate(found), np.concatenate(ys)


def _threshold(y: Array, p: Array) -> float:
    """Share of "any class but the first" from which a row is marked: best macro-F1 of validation
    people's rows.
    """
    odds = 1 - p[:, 0]
    truth = (y > 0).astype(int)
    quantiles = np.quantile(odds, np.linspace(0.02, 0.98, 49))
    candidates = np.unique(quantiles)
    scores = []
    for c in candidates:
        marked = (odds > c).astype(int)
        scores.append(loop.macro_f1(truth, marked, 2))
    best = int(np.argmax(scores))
    return float(candidates[best])


def with_card(model: FusionRecogniser, figures: Mapping[str, object]) -> FusionRecogniser:
    """The model with figures of held-out people on its card (``located``, ``skill`` …), made in the
    room ``score``.
    """
    return replace(model, card={**model.card, **figures})
