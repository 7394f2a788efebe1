"""One network around every fusion head: scales, a TCN per modality, frame scores, and a video score
pooled from them.

The video score is a softmax-weighted mean of the frame scores (multiple-instance pooling with a
learnt sharpness; McFee et al. 2018, "auto-pool"): because frame scores are linear in the embedding
``z``, it equals a linear score of the same weighted mean of ``z``. One model answers "somewhere?"
and "when?". The question adds to both scores and to neither's shape in time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twomind.core.errors import BadInput
from twomind.models.fusion.heads import CAN, CONFLICT_TERMS, LFAN, Conflict, Streams
from twomind.models.fusion.input import Grid, Recipe, Scale
from twomind.models.fusion.tcn import TCN, Anchor, lately, receptive_field

#: Seconds over which the conflict model's anchors look back.
ANCHOR_S = (1.0, 2.0, 4.0)
MODELS = ("conflict", "plain", "lfan", "can", "mt", "jmt")


@dataclass(frozen=True)
class FusionConfig:
    """What a fusion model is made of. Sizes are for a laptop; ``published`` gives those of the BAH
    baselines.
    """

    model: str = "conflict"
    released: bool = False  # mt, jmt: with the defects of the published code
    channels: tuple[
        tuple[str, tuple[int, ...]], ...
    ] = ()  # per modality; others: ``default_channels``
    default_channels: tuple[int, ...] = (16, 16)
    kernel: int = 5
    width: int = 16  # of the head
    sides: int = 2  # conflict: pairs of strengths per modality
    dropout: float = 0.2
    residual: bool = (
        True  # mt, jmt: what a stream holds stays beside what it attends to; released: never
    )
    hold_s: float = 2.0  # a modality counts as present this long after it was last measured
    # share of the training loss of recordings seen in part: each modality alone, some at random
    partial: float = 0.5
    modality_dropout: float = (
        0.2  # released variants: share of training recordings from which a modality is taken
    )
    question_dropout: float = 0.3  # share of training recordings whose question is withheld

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise BadInput(f"model {self.model!r}: expected one of {', '.join(MODELS)}")
        if self.released and self.model not in ("mt", "jmt"):
            raise BadInput(f"released: only mt and jmt have a released variant, not {self.model}")

    @property
    def lr(self) -> float:
        """Learning rate: attention between modalities needs smaller steps (``docs/fusion.md``)."""
        return 3e-3 if self.model in ("lfan", "mt", "jmt") else 1e-2

    @property
    def streams(self) -> bool:
        """Whether it is causal and can be run in chunks."""
        return not self.released


def published(model: str, modalities: Sequence[str], released: bool = False) -> FusionConfig:
    """Widths and dropouts of the BAH baselines (ICLR 2026); the first modality takes the video's,
    and so on.
    """
    if model == "lfan":
        sizes: list[tuple[int, ...]] = [
            (256, 256, 128, 128),
            (64, 64, 32, 32),
            (256, 256, 128, 128),
        ]
    else:
        sizes = [(256, 256, 128, 128, 128), (128, 128, 64, 64), (256, 256, 128, 128)]
    return FusionConfig(
        model,
        released,
        tuple(zip(modalities, sizes, strict=False)),
        (128, 128, 128, 128),
        width=128,
        dropout=0.1 if model == "lfan" else 0.2,
        partial=0.0,
        modality_dropout=0.0,
    )


class Batch(NamedTuple):
    """Padded recordings: ``values, mask`` per modality ``(B, T, D)``, ``frames (B, T)`` bool,
    ``question (B,)``.
    """

    values: dict[str, Tensor]
    mask: dict[str, Tensor]
    frames: Tensor
    question: Tensor

    def to(self, device: Any) -> Batch:
        values = {m: v.to(device) for m, v in self.values.items()}
        mask = {m: v.to(device) for m, v in self.mask.items()}
        return Batch(values, mask, self.frames.to(device), self.question.to(device))


def collate(grids: Sequence[Grid]) -> Batch:
    """Recordings of different length as one batch, padded at the end with masked rows."""
    t = max(max(len(g) for g in grids), 1)
    values, mask = {}, {}
    for m in grids[0].values:
        shape = (len(grids), t, grids[0].values[m].shape[1])
        v, k = np.zeros(shape, np.float32), np.zeros(shape, bool)
        for i, g in enumerate(grids):
            v[i, : len(g)], k[i, : len(g)] = g.values[m], g.mask[m]
        values[m], mask[m] = torch.from_numpy(v), torch.from_numpy(k)
    frames = torch.from_numpy(np.arange(t)[None] < np.array([len(g) for g in grids])[:, None])
    return Batch(values, mask, frames, torch.tensor([g.question for g in grids]))


class Output(NamedTuple):
    """``z (B, T, D)``; ``frame (B, T, C)`` scores without the question; ``log_weight (B, T)`` in
    the video score; ``present (B, T, M)``: the modality was measured lately.
    """

    z: Tensor
    frame: Tensor
    log_weight: Tensor
    present: Tensor
    state: Any


class FusionNet(nn.Module):
    """See the module. ``forward`` gives rows; ``pooled`` and ``video`` the answer of whole
    recordings.
    """

    def __init__(
        self,
        config: FusionConfig,
        recipe: Recipe,
        n_classes: int,
        scales: Mapping[str, Scale] | None = None,
    ) -> None:
        super().__init__()
        self.config, self.recipe, self.n_classes = config, recipe, n_classes
        self.hold = max(round(config.hold_s / recipe.hop_s), 2)
        sizes = dict(config.channels)
        names = recipe.modalities
        blocks = {m: sizes.get(m, config.default_channels) for m in names}
        self.tcn = nn.ModuleDict(
            {
                m: TCN(2 * len(recipe.sources[m].names), blocks[m], config.kernel, config.dropout)
                for m in names
            }
        )
        self.absent = nn.ParameterDict({m: nn.Parameter(torch.zeros(blocks[m][-1])) for m in names})
        spans = [max(round(s / recipe.hop_s), 1) for s in ANCHOR_S]
        anchored = [m for m in names if recipe.sources[m].approach and recipe.sources[m].avoid]
        self.anchor = nn.ModuleDict(
            {
                m: nn.ModuleList(
                    Anchor(len(c), spans)
                    for c in (recipe.sources[m].approach, recipe.sources[m].avoid)
                )
                for m in (anchored if config.model in ("conflict", "plain") else ())
            }
        )
        widths = [blocks[m][-1] for m in names]
        window = receptive_field(max(len(b) for b in blocks.values()), config.kernel)
        self.head = _head(config, names, widths, window)
        d, n_questions = int(self.head.width), len(recipe.questions) + 1
        self.frame = nn.Linear(d, n_classes)
        with torch.no_grad():
            for kind, _, at in getattr(self.head, "groups", ()):
                if (
                    kind in CONFLICT_TERMS
                ):  # it begins as plain fusion, and a term enters by what it earns
                    self.frame.weight[:, at] = 0
        self.frame_question = nn.Parameter(torch.zeros(n_classes, n_questions))
        self.video_scale = nn.Parameter(torch.ones(()))
        self.video_bias = nn.Parameter(torch.zeros(n_classes))
        self.video_question = nn.Parameter(torch.zeros(n_classes, n_questions))
        self.sharpness = nn.Parameter(torch.tensor(0.5413))  # softplus of it is 1
        self.frame_slope: Tensor
        self.frame_offset: Tensor
        self.register_buffer("frame_slope", torch.ones(()))
        self.register_buffer("frame_offset", torch.zeros(n_classes))
        for m in names:
            n = len(recipe.sources[m].names)
            scale = (scales or {}).get(m) or Scale(np.zeros(n, np.float32), np.ones(n, np.float32))
            self.register_buffer(f"mean_{m}", torch.from_numpy(scale.mean.copy()))
            self.register_buffer(f"sd_{m}", torch.from_numpy(scale.sd.copy()))

    def forward(self, batch: Batch, state: Any = None, keep: Tensor | None = None) -> Output:
        """Rows of a chunk (or of whole recordings), and the state that the next chunk continues
        from.

        ``keep (V, B, M)`` bool, in training: the recordings as seen in V ways, each with some
        modalities only; the rows come as ``V * B``. Each modality passes its convolutions once.
        """
        old = state or {"tcn": {}, "seen": {}, "anchors": {}, "head": None}
        after: dict[str, Any] = {"tcn": {}, "seen": {}, "anchors": {}, "head": None}
        hs, present, anchors = [], [], []
        for m in self.recipe.modalities:
            mask = batch.mask[m]
            z = (batch.values[m] - getattr(self, f"mean_{m}")) / getattr(self, f"sd_{m}") * mask
            z = z.clamp(
                -8, 8
            )  # what is far outside the training people's range must not drown all others
            x = torch.cat([z, mask.to(z.dtype)], dim=-1).transpose(1, 2)
            seen, after["seen"][m] = lately(mask.any(dim=-1), self.hold, old["seen"].get(m))
            # Rows without the modality are no sample of it: counted, they would move the scale of
            # all others.
            real = batch.frames if self.config.released else batch.frames & seen
            h, after["tcn"][m] = self.tcn[m](x, real, old["tcn"].get(m))
            hs.append(h)
            present.append(seen)
            anchors.append(self._anchors(m, z, old["anchors"].get(m), after["anchors"]))
        where, frames = torch.stack(present, dim=-1), batch.frames
        if keep is not None:
            n = len(keep)
            where = (where[None] & keep[:, :, None]).flatten(0, 1)
            frames = frames.repeat(n, 1) & where.any(dim=-1)  # rows with nothing set no scale
            hs = [h.repeat(n, 1, 1) for h in hs]
            anchors = [a and (a[0].repeat(n, 1, 1), a[1].repeat(n, 1, 1)) for a in anchors]
        hs = [
            torch.where(where[..., i, None], h, self.absent[m].to(h.dtype))
            for i, (m, h) in enumerate(zip(self.recipe.modalities, hs, strict=True))
        ]
        z, after["head"] = self.head(hs, where, frames, old["head"], anchors)
        score = self.frame(z)
        return Output(z, score, self.log_weight(score), where, after)

    def _anchors(
        self, m: str, z: Tensor, left: Any, after: dict[str, Any]
    ) -> tuple[Tensor, Tensor] | None:
        """Strengths for and against that the recipe's columns of approach and avoidance give, or
        None.
        """
        if m not in self.anchor:
            return None
        source = self.recipe.sources[m]
        pro, con = self.anchor[m].children()
        a, b = left or (None, None)
        p, a = pro(z[..., source.at(source.approach)], a)
        c, b = con(z[..., source.at(source.avoid)], b)
        after[m] = (a, b)
        return p, c

    def log_weight(self, score: Tensor) -> Tensor:
        """Log weight of every row in the video score: sharpness times the log-odds of "any class
        but the first".
        """
        odds = torch.logsumexp(score[..., 1:], dim=-1) - score[..., 0]
        return F.softplus(self.sharpness) * odds.clamp(-20, 20)

    def pooled(self, out: Output, frames: Tensor) -> Tensor:
        """Weighted mean of ``z`` over the rows, ``(B, D)``."""
        weight = torch.softmax(out.log_weight.masked_fill(~frames, -1e4), dim=-1)
        return (weight[..., None] * out.z).sum(dim=1)

    def embedding(self, pooled: Tensor, question: Tensor) -> Tensor:
        """What the video score is linear in: pooled ``z`` and the question's one-hot, ``(B, D +
        Q)``.
        """
        return torch.cat(
            [pooled, F.one_hot(question, self.frame_question.shape[1]).to(pooled.dtype)], dim=-1
        )

    def linear(self) -> tuple[Tensor, Tensor]:
        """``weight (C, D + Q)`` and ``bias (C,)`` of the video score."""
        weight = torch.cat([self.video_scale * self.frame.weight, self.video_question], dim=1)
        return weight, self.video_scale * self.frame.bias + self.video_bias

    def video(self, out: Output, batch: Batch) -> tuple[Tensor, Tensor]:
        """Embedding and logits of whole recordings."""
        e = self.embedding(self.pooled(out, batch.frames), batch.question)
        weight, bias = self.linear()
        return e, e @ weight.T + bias

    def frame_logits(self, score: Tensor, question: Tensor) -> Tensor:
        """Calibrated logits of rows ``(B, T, C)``, the question's share added."""
        asked = self.frame_question.T[question][:, None]
        return self.frame_slope * (score + asked) + self.frame_offset


def _head(config: FusionConfig, names: Sequence[str], widths: Sequence[int], window: int) -> Any:
    width, dropout = config.width, config.dropout
    if config.model in ("conflict", "plain"):
        return Conflict(
            names, widths, width, dropout, config.sides, terms=config.model == "conflict"
        )
    if config.model == "lfan":
        return LFAN(widths, width, dropout)
    if config.model == "can":
        return CAN(widths, width, dropout)
    if config.released and len(widths) < 2:
        raise BadInput("the released MT and JMT need two modalities")
    return Streams(
        widths, width, dropout, window, config.model == "jmt", config.released, config.residual
    )
