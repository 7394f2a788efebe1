"""One network around every fusion head: scales, a TCN per modality, frame scores, and a video score
pooled from them.

The video score is a softmax-weighted mean of the frame scores (multiple-instance pooling with a
learnt sharpness; McFee et al. 2018, "auto-pool"): because frame scores are linear in the embedding
``z``, it equals a linear score of the same weighted mean of ``z``. One model answers "somewhere?"
and "when?". The question adds to both scores and to neither's shape in time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twomind.core.errors import BadInput
from twomind.models.fusion.heads import (
    CAN,
    CONFLICT_TERMS,
    LFAN,
    Anchored,
    Conflict,
    Seen,
    Sides,
    Streams,
)
from twomind.models.fusion.input import Grid, Recipe, Scale
from twomind.models.fusion.tcn import TCN, Anchor, lately, receptive_field

#: Seconds over which the conflict model's anchors look back.
ANCHOR_S = (1.0, 2.0, 4.0)
#: Channels of a modality's convolutions, one number per block.
Channels = tuple[int, ...]
#: Published channels of the video's, the sound's and the text's convolutions.
_LFAN_CHANNELS: tuple[Channels, ...] = (
    (256, 256, 128, 128),
    (64, 64, 32, 32),
    (256, 256, 128, 128),
)
_CHANNELS: tuple[Channels, ...] = (
    (256, 256, 128, 128, 128),
    (128, 128, 64, 64),
    (256, 256, 128, 128),
)
MODELS = ("conflict", "plain", "text-anchored", "lfan", "can", "mt", "jmt")
#: What kind of modality each is, by name: published widths and leaders go by it.
KIND_OF: Mapping[str, str] = {
    "video_embedding": "video",
    "face": "video",
    "audio_embedding": "sound",
    "voice": "sound",
    "erased": "sound",
    "text_embedding": "text",
    "words": "text",
}
_KINDS = ("video", "sound", "text")


@dataclass(frozen=True)
class FusionConfig:
    """What a fusion model is made of. Sizes are for a laptop; ``published`` gives those of the BAH
    baselines.
    """

    model: str = "conflict"
    #: mt, jmt: with the defects of the published code.
    released: bool = False
    #: Per modality; others: ``default_channels``.
    channels: tuple[tuple[str, Channels], ...] = ()
    default_channels: Channels = (16, 16)
    kernel: int = 5
    #: Of the head.
    width: int = 16
    #: conflict: pairs of strengths per modality.
    sides: int = 2
    dropout: float = 0.2
    #: mt, jmt: what a stream holds stays beside what it attends to; released: never.
    residual: bool = True
    #: lfan: the modality that leads; empty: the first. text-anchored: the one that carries; empty:
    #: the first of text, else the first.
    leader: str = ""
    #: A modality counts as present this long after it was last measured.
    hold_s: float = 2.0
    #: Share of the training loss of recordings seen in part: each modality alone, some at random.
    partial: float = 0.5
    #: Released variants: share of training recordings from which a modality is taken.
    modality_dropout: float = 0.2
    #: Share of training recordings whose question is withheld.
    question_dropout: float = 0.3

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise BadInput(f"model {self.model!r}: expected one of {', '.join(MODELS)}")
        if self.released and self.model not in ("mt", "jmt"):
            raise BadInput(f"released: only mt and jmt have a released variant, not {self.model}")

    @property
    def lr(self) -> float:
        """Learning rate: attention between modalities needs smaller steps (``docs/fusion.md``)."""
        small_steps = ("lfan", "mt", "jmt", "text-anchored")
        return 3e-3 if self.model in small_steps else 1e-2

    def leader_among(self, modalities: Sequence[str]) -> int:
        """Which of the modalities leads.

        Raises:
            BadInput: the one that is named is not among them.
        """
        if self.leader:
            if self.leader not in modalities:
                raise BadInput(f"leader {self.leader!r}: expected one of {', '.join(modalities)}")
            return list(modalities).index(self.leader)
        if self.model != "text-anchored":
            return 0
        return _first_of("text", modalities)

    @property
    def streams(self) -> bool:
        """Whether it is causal and can be run in chunks."""
        return not self.released


def _first_of(kind: str, modalities: Sequence[str]) -> int:
    """Which is the first modality of a kind; 0 where there is none."""
    kinds = [KIND_OF.get(m, "") for m in modalities]
    return kinds.index(kind) if kind in kinds else 0


def published(model: str, modalities: Sequence[str], released: bool = False) -> FusionConfig:
    """Widths and dropouts of the BAH baselines (ICLR 2026); a video leads in ``lfan``.

    Args:
        model: One of ``MODELS``.
        modalities: Each takes the widths of its kind (``KIND_OF``): video's, sound's or text's.
        released: With the defects of the published code.
    """
    if model == "lfan":
        sizes = _LFAN_CHANNELS
        dropout = 0.1
    else:
        sizes = _CHANNELS
        dropout = 0.2
    by_kind = dict(zip(_KINDS, sizes, strict=True))
    channels = []
    for m in modalities:
        if m in KIND_OF:
            channels.append((m, by_kind[KIND_OF[m]]))
    return FusionConfig(
        model,
        released,
        tuple(channels),
        default_channels=(128, 128, 128, 128),
        width=128,
        dropout=dropout,
        partial=0.0,
        modality_dropout=0.0,
        leader=modalities[_first_of("video", modalities)] if model == "lfan" else "",
    )


class Batch(NamedTuple):
    """Padded recordings."""

    #: Per modality ``(B, T, D)``.
    values: dict[str, Tensor]
    #: Per modality where a value was measured, ``(B, T, D)`` bool.
    mask: dict[str, Tensor]
    #: Real rows, not padding, ``(B, T)`` bool.
    frames: Tensor
    #: Index of each recording's question, ``(B,)``.
    question: Tensor

    def to(self, device: torch.device | str) -> Batch:
        values, mask = {}, {}
        for m in self.values:
            values[m] = self.values[m].to(device)
            mask[m] = self.mask[m].to(device)
        frames = self.frames.to(device)
        question = self.question.to(device)
        return Batch(values, mask, frames, question)


def collate(grids: Sequence[Grid]) -> Batch:
    """Recordings of different length as one batch, padded at the end with masked rows."""
    lengths = np.array([len(g) for g in grids])
    n_rows = max(int(lengths.max()), 1)
    values, mask = {}, {}
    for m in grids[0].values:
        all_values = [g.values[m] for g in grids]
        all_masks = [g.mask[m] for g in grids]
        values[m] = _padded(all_values, n_rows, np.float32)
        mask[m] = _padded(all_masks, n_rows, bool)
    row = np.arange(n_rows)
    frames = row[None] < lengths[:, None]
    question = torch.tensor([g.question for g in grids])
    return Batch(values, mask, torch.from_numpy(frames), question)


def _padded(parts: Sequence[np.ndarray], n_rows: int, dtype: type) -> Tensor:
    """Arrays ``(t_i, D)`` as one tensor ``(B, n_rows, D)`` with zeros at the end."""
    width = parts[0].shape[1]
    shape = (len(parts), n_rows, width)
    out: np.ndarray = np.zeros(shape, dtype)
    for i, part in enumerate(parts):
        out[i, : len(part)] = part
    return torch.from_numpy(out)


class Output(NamedTuple):
    """What the network says of every row."""

    #: Embedding ``(B, T, D)``.
    z: Tensor
    #: Scores ``(B, T, C)`` without the question.
    frame: Tensor
    #: Log weight in the video score, ``(B, T)``.
    log_weight: Tensor
    #: Whether the modality was measured lately, ``(B, T, M)``.
    present: Tensor
    #: What the next chunk continues from.
    state: Any


@dataclass
class _State:
    """Rows of the past that the next chunk needs: per modality those of each part, and the
    head's.
    """

    tcn: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, Tensor] = field(default_factory=dict)
    anchors: dict[str, Any] = field(default_factory=dict)
    head: Any = None


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
        self.config = config
        self.recipe = recipe
        self.n_classes = n_classes
        n_held = round(config.hold_s / recipe.hop_s)
        self.hold = max(n_held, 2)
        self.tcn = nn.ModuleDict()
        absent = {}
        for m, channels in _channels(config, recipe).items():
            n_columns = len(recipe.sources[m].names)
            self.tcn[m] = TCN(2 * n_columns, channels, config.kernel, config.dropout)
            width = channels[-1]
            absent[m] = nn.Parameter(torch.zeros(width))
        self.absent = nn.ParameterDict(absent)
        self.anchor = _anchors(config, recipe)
        self.head = _head(config, recipe)
        self.frame = nn.Linear(self.head.width, n_classes)
        self._begin_as_plain_fusion()
        n_questions = len(recipe.questions) + 1
        self.frame_question = nn.Parameter(torch.zeros(n_classes, n_questions))
        self.video_scale = nn.Parameter(torch.ones(()))
        self.video_bias = nn.Parameter(torch.zeros(n_classes))
        self.video_question = nn.Parameter(torch.zeros(n_classes, n_questions))
        self.sharpness = nn.Parameter(torch.tensor(0.5413))  # softplus of it is 1
        self.frame_slope: Tensor
        self.frame_offset: Tensor
        self.register_buffer("frame_slope", torch.ones(()))
        self.register_buffer("frame_offset", torch.zeros(n_classes))
        for m, source in recipe.sources.items():
            scale = scales.get(m) if scales else None
            if scale is None:
                scale = _no_scale(len(source.names))
            self._set_scale(m, scale)

    def _begin_as_plain_fusion(self) -> None:
        """Terms of conflict weigh nothing at first: each enters by what it earns."""
        if not isinstance(self.head, Conflict):
            return
        with torch.no_grad():
            for group in self.head.groups:
                if group.kind in CONFLICT_TERMS:
                    self.frame.weight[:, group.at] = 0

    def _set_scale(self, m: str, scale: Scale) -> None:
        mean = torch.from_numpy(scale.mean.copy())
        self.register_buffer(f"mean_{m}", mean)
        sd = torch.from_numpy(scale.sd.copy())
        self.register_buffer(f"sd_{m}", sd)

    def forward(self, batch: Batch, state: Any = None, keep: Tensor | None = None) -> Output:
        """Rows of a chunk (or of whole recordings), and the state that the next chunk continues
        from.

        Args:
            batch: The rows of the chunk.
            state: What the chunk before returned; None at the start of a recording.
            keep: In training: the recordings as seen in V ways, each with some modalities only,
                ``(V, B, M)`` bool. The rows come as ``V * B``. Each modality passes its
                convolutions once.
        """
        before = state or _State()
        after = _State()
        seen = self._modalities(batch, before, after)
        if keep is not None:
            seen = _in_ways(seen, keep)
        seen = seen._replace(hs=self._with_absent(seen))
        z, after.head = self.head(seen, before.head)
        score = self.frame(z)
        log_weight = self.log_weight(score)
        return Output(z, score, log_weight, seen.present, after)

    def _modalities(self, batch: Batch, before: _State, after: _State) -> Seen:
        """Every modality through its own part of the network."""
        hs, present, anchors = [], [], []
        for m in self.recipe.modalities:
            mask = batch.mask[m]
            z = self._standardised(m, batch.values[m], mask)
            measured = mask.any(dim=-1)
            last_seen = before.seen.get(m)
            seen, after.seen[m] = lately(measured, self.hold, last_seen)
            # Rows without the modality are no sample of it: counted, they would move the scale of
            # all others.
            real = batch.frames
            if not self.config.released:
                real = real & seen
            measured_as_number = mask.to(z.dtype)
            both = torch.cat([z, measured_as_number], dim=-1)
            columns_first = both.transpose(1, 2)
            left = before.tcn.get(m)
            convolutions = self.tcn[m]
            h, after.tcn[m] = convolutions(columns_first, real, left)
            hs.append(h)
            present.append(seen)
            anchors.append(self._anchored(m, z, before, after))
        where = torch.stack(present, dim=-1)
        return Seen(hs, where, batch.frames, anchors)

    def _standardised(self, m: str, values: Tensor, mask: Tensor) -> Tensor:
        """Values on the training people's scale, 0 where not measured."""
        mean = getattr(self, f"mean_{m}")
        sd = getattr(self, f"sd_{m}")
        z = (values - mean) / sd * mask
        # What is far outside the training people's range must not drown all others.
        return z.clamp(-8, 8)

    def _anchored(self, m: str, z: Tensor, before: _State, after: _State) -> Sides | None:
        """Strengths for and against that the recipe's columns of approach and avoidance give, or
        None.
        """
        if m not in self.anchor:
            return None
        source = self.recipe.sources[m]
        pro, con = self.anchor[m].children()
        past = before.anchors.get(m)
        pro_past, con_past = past or (None, None)
        approach = z[..., source.at(source.approach)]
        avoid = z[..., source.at(source.avoid)]
        strength_for, pro_past = pro(approach, pro_past)
        strength_against, con_past = con(avoid, con_past)
        after.anchors[m] = (pro_past, con_past)
        return strength_for, strength_against

    def _with_absent(self, seen: Seen) -> list[Tensor]:
        """Rows of every modality, with its learned vector where it is absent."""
        found = []
        for i, m in enumerate(self.recipe.modalities):
            h = seen.hs[i]
            here = seen.present[..., i, None]
            absent = self.absent[m].to(h.dtype)
            found.append(torch.where(here, h, absent))
        return found

    def log_weight(self, score: Tensor) -> Tensor:
        """Log weight of every row in the video score: sharpness times the log-odds of "any class
        but the first".
        """
        others = torch.logsumexp(score[..., 1:], dim=-1)
        odds = others - score[..., 0]
        sharpness = F.softplus(self.sharpness)
        return sharpness * odds.clamp(-20, 20)

    def pooled(self, out: Output, frames: Tensor) -> Tensor:
        """Weighted mean of ``z`` over the rows, ``(B, D)``."""
        log_weight = out.log_weight.masked_fill(~frames, -1e4)
        weight = torch.softmax(log_weight, dim=-1)
        weighed = weight[..., None] * out.z
        return weighed.sum(dim=1)

    def embedding(self, pooled: Tensor, question: Tensor) -> Tensor:
        """What the video score is linear in: pooled ``z`` and the question's one-hot, ``(B, D +
        Q)``.
        """
        n_questions = self.frame_question.shape[1]
        asked = F.one_hot(question, n_questions).to(pooled.dtype)
        return torch.cat([pooled, asked], dim=-1)

    def linear(self) -> tuple[Tensor, Tensor]:
        """``weight (C, D + Q)`` and ``bias (C,)`` of the video score."""
        content = self.video_scale * self.frame.weight
        weight = torch.cat([content, self.video_question], dim=1)
        scaled = self.video_scale * self.frame.bias
        return weight, scaled + self.video_bias

    def video(self, out: Output, batch: Batch) -> tuple[Tensor, Tensor]:
        """Embedding and logits of whole recordings."""
        pooled = self.pooled(out, batch.frames)
        e = self.embedding(pooled, batch.question)
        weight, bias = self.linear()
        return e, e @ weight.T + bias

    def frame_logits(self, score: Tensor, question: Tensor) -> Tensor:
        """Calibrated logits of rows ``(B, T, C)``, the question's share added."""
        asked = self.frame_question.T[question]
        total = score + asked[:, None]
        return self.frame_slope * total + self.frame_offset


def _in_ways(seen: Seen, keep: Tensor) -> Seen:
    """The rows once for each way of seeing them, ``keep (V, B, M)``; the rows come as ``V * B``."""
    n = len(keep)
    kept = seen.present[None] & keep[:, :, None]
    present = kept.flatten(0, 1)
    repeated = seen.frames.repeat(n, 1)
    frames = repeated & present.any(dim=-1)  # rows with nothing set no scale
    hs = [h.repeat(n, 1, 1) for h in seen.hs]
    anchors: list[Sides | None] = []
    for pair in seen.anchors or ():
        if pair is None:
            anchors.append(None)
        else:
            pro = pair[0].repeat(n, 1, 1)
            con = pair[1].repeat(n, 1, 1)
            anchors.append((pro, con))
    return Seen(hs, present, frames, anchors)


def _no_scale(n: int) -> Scale:
    """The scale that changes nothing, for ``n`` columns."""
    mean = np.zeros(n, np.float32)
    sd = np.ones(n, np.float32)
    return Scale(mean, sd)


def _channels(config: FusionConfig, recipe: Recipe) -> dict[str, Channels]:
    """Channels of every modality's convolutions."""
    given = dict(config.channels)
    return {m: given.get(m, config.default_channels) for m in recipe.modalities}


def _anchors(config: FusionConfig, recipe: Recipe) -> nn.ModuleDict:
    """Per modality with columns of approach and of avoidance: an anchor for and one against."""
    found = nn.ModuleDict()
    if config.model not in ("conflict", "plain"):
        return found
    spans = []
    for span_s in ANCHOR_S:
        n_rows = round(span_s / recipe.hop_s)
        spans.append(max(n_rows, 1))
    for m, source in recipe.sources.items():
        if source.approach and source.avoid:
            pro = Anchor(len(source.approach), spans)
            con = Anchor(len(source.avoid), spans)
            found[m] = nn.ModuleList([pro, con])
    return found


def _head(config: FusionConfig, recipe: Recipe) -> Conflict | Anchored | LFAN | CAN | Streams:
    """The head of a model; for ``mt`` and ``jmt`` it looks back as far as the convolutions do."""
    channels = _channels(config, recipe).values()
    widths = [c[-1] for c in channels]
    if config.model in ("conflict", "plain"):
        return _conflict(config, recipe, widths)
    if config.model == "lfan":
        return LFAN(
            widths,
            config.width,
            config.dropout,
            leader=config.leader_among(recipe.modalities),
        )
    if config.model == "text-anchored":
        anchor = config.leader_among(recipe.modalities)
        return Anchored(widths, config.width, config.dropout, anchor)
    if config.model == "can":
        return CAN(widths, config.width, config.dropout)
    if config.released and len(widths) < 2:
        raise BadInput("the released MT and JMT need two modalities")
    deepest = max(len(c) for c in channels)
    window = receptive_field(deepest, config.kernel)
    return Streams(
        widths,
        config.width,
        config.dropout,
        window,
        joint=config.model == "jmt",
        released=config.released,
        residual=config.residual,
    )


def _conflict(config: FusionConfig, recipe: Recipe, widths: Sequence[int]) -> Conflict:
    return Conflict(
        recipe.modalities,
        widths,
        config.width,
        config.dropout,
        config.sides,
        terms=config.model == "conflict",
    )
