"""The fusion recogniser: face, voice, words (and frozen encoders) → "somewhere in this answer?" and
"when?".

A model lies in a folder: ``model.safetensors`` and ``card.json`` (task and class order, feature
recipe and its hash, training people as salted hashes, whether they were drawn, calibration, figures
on held-out people, whether it may say *when*). How models are trained and what they show:
``docs/fusion.md``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput, MissingExtra, MissingWeights
from twomind.core.seals import read_sealed, write_sealed
from twomind.core.store import Store, default_root, read_arrays, write_arrays
from twomind.features.face.back_ends import UNSTATED_BACK_END
from twomind.features.words.lexicon import lexicon
from twomind.models.base import NEVER_COMPARED, BaseModel, stated, task_from
from twomind.models.calibration import band_evidence, prevalence_shift, reliability_from, risk_from
from twomind.models.fusion.erased import ERASED
from twomind.models.fusion.input import Grid, Recipe, grid_of, recipe_from, why_empty
from twomind.models.synthetic import refuse_real
from twomind.transcripts.align import CAME
from twomind.types import (
    AMBIVALENCE,
    Evidence,
    Features,
    Prediction,
    Recording,
    Segment,
    Status,
    Task,
)

try:
    import torch

    from twomind.models.fusion.evidence import cited, contributions, evidence_spans
    from twomind.models.fusion.net import FusionConfig, FusionNet, collate
    from twomind.models.fusion.run import Chunks, Rows, Runner, rows_of, softmax
except ImportError as error:
    raise MissingExtra("torch", "fusion models") from error

FORMAT = "twomind.fusion/1"
CARD, WEIGHTS = "card.json", "model.safetensors"
#: Marked rows closer than this are one segment; shorter ones are not shown.
BRIDGE_S, SHORTEST_S = 0.6, 0.4


@dataclass(frozen=True)
class Settings:
    """How a fusion model is used: question, prevalence, abstaining, synthetic people."""

    use_question: bool = True  # False: score as if the question were unknown
    max_risk: float | None = (
        None  # abstain so that held-out answers outside the zone err at most this often
    )
    prevalence: float | None = None  # share of the second class where the answers come from
    prevalence_source: str = ""
    allow_drawn_model: bool = (
        False  # score real people with a model that learnt from synthetic ones
    )


@dataclass(frozen=True)
class FusionRecogniser(BaseModel):
    """A trained fusion model; weights are shared and never written to."""

    task: Task
    net: FusionNet
    card: Mapping[str, Any]
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        if self.net.n_classes != len(self.task.classes):
            raise BadInput(
                f"task {self.task.name!r} has {len(self.task.classes)} classes, the network "
                f"{self.net.n_classes}"
            )
        self.net.eval()

    # --- what it is
    # ------------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, path: str | Path | None = None, /) -> FusionRecogniser:
        """Read a folder that ``twomind train fusion`` wrote; no fusion model ships with the
        package.
        """
        return load(path)

    def save(self, folder: Path) -> Path:
        """Write the model's folder; the card last."""
        return save(self, folder)

    @property
    def inputs(self) -> tuple[str, ...]:
        tracks: dict[str, None] = {}
        for source in self.recipe.sources.values():
            made_of = ("voice", "words") if source.track == ERASED else (source.track,)
            tracks |= dict.fromkeys(made_of)
        asks = self.settings.use_question and bool(self.recipe.questions)
        return (*tracks, "question") if asks else tuple(tracks)

    @property
    def recipe(self) -> Recipe:
        return self.net.recipe

    @property
    def drawn(self) -> bool:
        """Whether synthetic people were among those it learnt from."""
        return bool(self.card.get("drawn", False))

    @property
    def synthetic(self) -> bool:
        return self.drawn

    @property
    def allow_real(self) -> bool:
        return self.settings.allow_drawn_model

    @property
    def speech_detector(self) -> str:
        reads_voice = any(source.track == "voice" for source in self.recipe.sources.values())
        # Cards of version 0.1 do not state it; that was its default.
        return str(self.card.get("speech_detector", "energy")) if reads_voice else ""

    @property
    def face_backend(self) -> str:
        reads_face = any(source.track.startswith("face") for source in self.recipe.sources.values())
        return str(self.card.get("face_backend", UNSTATED_BACK_END)) if reads_face else ""

    @property
    def word_times(self) -> str:
        reads_words = any(source.track == "words" for source in self.recipe.sources.values())
        # Cards from before words could be aligned do not state it.
        return str(self.card.get("word_times", CAME)) if reads_words else ""

    def params(self) -> Mapping[str, Any]:
        return {k: v.detach() for k, v in self.net.state_dict().items()}

    def run(
        self, xs: Sequence[Features], params: Mapping[str, Any] | None = None
    ) -> tuple[Any, Any]:
        """Embedding ``(B, D + Q)`` and calibrated logits ``(B, C)`` of whole windows,
        differentiable in ``params``.
        """
        whole = _Whole(self.net)
        return torch.func.functional_call(whole, _prefixed(params), (self._batch(xs),))

    def _batch(self, xs: Sequence[Features]) -> Any:
        grids = []
        for x in xs:
            grid = grid_of(x, self.recipe)
            if why_empty(x, grid, self.recipe):
                raise ValueError(
                    "run: a window has nothing that the model reads; ask predict instead"
                )
            grids.append(replace(grid, question=self.question_of(x)))
        return collate(grids)

    def head(self, params: Mapping[str, Any] | None = None) -> tuple[Any, Any]:
        return torch.func.functional_call(_Linear(self.net), _prefixed(params), ())

    # --- settings
    # --------------------------------------------------------------------------------------------------

    def allowing_drawn(self, allow: bool = True) -> FusionRecogniser:
        """Let a model that learnt from synthetic people score real ones. Its numbers say nothing about
        them.
        """
        return replace(self, settings=replace(self.settings, allow_drawn_model=allow))

    def recalibrate(
        self, prevalence: float, source: str | None, question: str | None = None
    ) -> FusionRecogniser:
        """Shift the log-odds to another prevalence of the second class; ``source`` says where it
        comes from.

        Raises:
            BadInput: no source, a share outside (0, 1), more than two classes, or a question is
                named.
        """
        if not source or not source.strip():
            raise BadInput(
                f"prevalence {prevalence}: where does this number come from? Give its source; it "
                "is "
                "stored"
            )
        if question is not None:
            raise BadInput(
                "prevalence: a fusion model takes one prevalence over all questions, not one per "
                "question"
            )
        self._trained_prevalence()
        prevalence_shift(prevalence, 0.5)
        changed = replace(
            self.settings, prevalence=float(prevalence), prevalence_source=source.strip()
        )
        return replace(self, settings=changed)

    def _trained_prevalence(self) -> float:
        known = self.card.get("calibration", {}).get("prevalence")
        if known is None or len(known) != 2:
            raise BadInput(
                "prevalence: this model was not calibrated for two classes of whole recordings"
            )
        return float(known[1])

    def abstaining(self, max_risk: float) -> FusionRecogniser:
        """Abstain in the smallest zone around 0.5 that keeps the held-out error at or under
        ``max_risk``.

        Raises:
            BadInput: no zone reaches it, or risk was not measured.
        """
        risk = self.card.get("calibration", {}).get("risk")
        if risk is None:
            raise BadInput("max_risk: the risk of this model was not measured on held-out people")
        risk_from(risk).zone(max_risk)
        return replace(self, settings=replace(self.settings, max_risk=max_risk))

    def prepare(
        self, x: Features, recording: Recording, store: Store | None = None, offline: bool = False
    ) -> Features:
        """The features with the tracks of the frozen encoders that this model reads, made from the
        recording.

        Raises:
            BadInput, MissingWeights, Offline: an encoder's files are others now, or cannot be had.
        """
        if not (entries := self.card.get("encoders", ())):
            return x
        from twomind.encoders.pretrained import from_card, with_embeddings

        self.refuse(x)
        encoders = [from_card(entry, offline) for entry in entries]
        return with_embeddings(x, recording, encoders, store or Store(default_root()))

    # --- answers
    # ---------------------------------------------------------------------------------------------------

    def question_of(self, x: Features) -> int:
        """Index of the question as the model takes it; the last one means unknown, or
        switched off.
        """
        return self.recipe.question(x.question if self.settings.use_question else None)

    def shift(self) -> float:
        """Log-odds added to the second class for another prevalence; 0 without."""
        if self.settings.prevalence is None:
            return 0.0
        return prevalence_shift(self.settings.prevalence, self._trained_prevalence())

    def predict(self, x: Features) -> Prediction:
        """Whether the class shows somewhere in the window, in parts, with the spans that moved the
        score.

        Raises:
            BadInput: the model learnt from synthetic people and this is a real one.
        """
        self.refuse(x)
        grid = grid_of(x, self.recipe)
        if reason := why_empty(x, grid, self.recipe):
            return Prediction.not_measured(x.span_s, len(self.task.classes), reason)
        question = self.question_of(x)
        rows, runner = rows_of(self.net, grid, question)
        logits = runner.logits()
        logits[-1] += self.shift()
        probs = softmax(logits)
        status, reason = self._decide(probs)
        evidence = (
            *self._parts(runner, probs, grid),
            *evidence_spans(self.net, rows, runner, _class(probs)),
        )
        return Prediction(x.span_s, probs, status, reason, evidence, logits)

    def _parts(self, runner: Runner, probs: np.ndarray, grid: Grid) -> list[Evidence]:
        """Exact parts of the log-odds, the band of held-out answers, and what leaving out a
        modality would do.
        """
        k = _class(probs)
        parts = contributions(self.net, runner, self.card.get("reference"), k)
        if self.settings.prevalence is not None:
            parts["prevalence"] = self.shift()
        found = [Evidence("part", name, value, "log-odds") for name, value in parts.items()]
        found += self._band(probs)
        there = [modality for modality, mask in grid.mask.items() if mask.any()]
        if len(there) < 2:
            return found
        whole = _log_odds(runner, k)
        for modality in there:
            _, without = rows_of(self.net, grid.without(modality), runner.question)
            less = float(whole - _log_odds(without, k))
            found.append(Evidence("modality", modality, less, "log-odds with less without it"))
        return found

    def _band(self, probs: np.ndarray) -> list[Evidence]:
        """What was observed on held-out answers of about this score, where that was measured."""
        reliability = self.card.get("reliability")
        if reliability is None or self.settings.prevalence is not None or len(probs) != 2:
            return []
        return band_evidence(reliability_from(reliability), float(probs[1]))

    def _decide(self, probs: np.ndarray) -> tuple[Status, str]:
        """Whether it abstains, and what there is to say of the answer."""
        settings = self.settings
        said = ""
        if settings.prevalence is not None:
            said = (
                f"recalibrated to a prevalence of {settings.prevalence:g} "
                f"({settings.prevalence_source})"
            )
        if settings.max_risk is None:
            return Status.OK, said
        risk = risk_from(self.card["calibration"]["risk"])
        width, coverage, error = risk.zone(settings.max_risk)
        p = float(probs[1])
        if abs(p - 0.5) >= width:
            return Status.OK, said
        why = (
            f"cannot tell: {p:.2f} lies within {width:.2f} of 0.5; outside that zone "
            f"{error:.1%} of held-out answers were wrong, and {coverage:.0%} were decided"
        )
        return Status.ABSTAINED, f"{why}; {said}" if said else why

    def rows(self, x: Features) -> Rows:
        """All rows of the window, with what the video score is pooled from."""
        self.refuse(x)
        return rows_of(self.net, grid_of(x, self.recipe), self.question_of(x))[0]

    def timeline(self, x: Features) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``times_s (T,)`` of row starts, ``probs (T, C)`` (nan where not valid), ``valid (T,)``.
        See ``locates``.
        """
        rows = self.rows(x)
        return rows.times_s, rows.probs, rows.valid

    def segments(self, x: Features) -> tuple[Segment, ...]:
        """Where the class shows; ``()`` unless held-out people bore out that the model knows *when*
        (``locates``).
        """
        if not self.locates[0]:
            return ()
        times_s, probs, valid = self.timeline(x)
        level = float(self.card["calibration"]["frame"]["threshold"])
        score = np.where(valid, 1 - probs[:, 0], 0.0)
        source = f"fusion {self.net.config.model}"
        found = []
        for start_s, end_s in _spans(score > level, times_s, self.recipe.hop_s):
            inside = (times_s >= start_s - 1e-9) & (times_s < end_s - 1e-9)
            mean = np.nanmean(probs[inside], axis=0)
            label = self.task.classes[_class(mean)]
            last_s = float(min(end_s, max(x.span_s[1], start_s)))
            strength = float(score[inside].mean())
            found.append(Segment(float(start_s), last_s, label, source, strength))
        return tuple(found)

    def cited_span(self, x: Features, width_s: float = 3.0) -> tuple[float, float]:
        """The ``width_s`` seconds that raised the score most (for deletion tests); nan where there
        is nothing.
        """
        rows = self.rows(x)
        return cited(self.net, rows, width_s)

    def stream(self, question: str | None = None, drawn: bool = False) -> FusionStream:
        """Answers while the recording comes in.

        Raises:
            BadInput: a released variant, which is not causal; or a synthetic model for a real person.
        """
        refuse_real(learnt_from_drawn=self.drawn, drawn=drawn, allowed=self.allow_real)
        if not self.net.config.streams:
            raise BadInput(
                "the released variants attend to the future and cannot stream; use the corrected "
                "model"
            )
        asked = self.recipe.question(question if self.settings.use_question else None)
        return FusionStream(self, Chunks(self.recipe), Runner(self.net, asked))

    # --- for reports
    # -----------------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """The card and the settings in use, as plain values.

        The licence of the weights goes with them, and not with every answer.
        """
        config = self.net.config
        released = " (released)" if config.released else ""
        return {
            "name": "fusion",
            "variant": config.model + released,
            "modalities": list(self.recipe.modalities),
            "questions": list(self.recipe.questions),
            "card": {name: value for name, value in self.card.items() if name != "licence"},
            "settings": asdict(self.settings),
            "skill": dict(self.card.get("skill", {})),
        }

    def knows(self, question: str | None) -> bool:
        """Whether this question is an input of the score."""
        asked = self.recipe.question(question if self.settings.use_question else None)
        return asked < len(self.recipe.questions)

    @property
    def locates(self) -> tuple[bool, str]:
        """Whether the model may say *when*, and why (not): on held-out people by
        ``evaluation.located_frames``.
        """
        found = self.card.get("located") or {}
        if not found:
            return False, NEVER_COMPARED
        return bool(found.get("locates", False)), str(found.get("reason", ""))

    def skill(self, question: str | None) -> Mapping[str, Any]:
        """Figures on held-out people; {} when there are none."""
        return dict(self.card.get("skill", {}))


@dataclass(frozen=True)
class FusionStream:
    """One recording coming in: ``push`` a piece, get the rows that are complete; the same numbers
    as ``timeline``.
    """

    model: FusionRecogniser
    chunks: Chunks
    runner: Runner

    def push(self, x: Features) -> Rows:
        """Rows that this piece completes (their time is their start; they end ``hop_s`` later)."""
        return self.runner.advance(self.chunks.push(x))

    def finish(self) -> Rows:
        """The last, cut row, if there is one."""
        grid = self.chunks.finish()
        return self.runner.advance(grid if grid is not None else _nothing(self.model.recipe))

    def probs(self) -> np.ndarray:
        """Of the recording so far ``(C,)``."""
        logits = self.runner.logits()
        logits[-1] += self.model.shift()
        return softmax(logits)


def _nothing(recipe: Recipe) -> Grid:
    values = {}
    for modality, source in recipe.sources.items():
        values[modality] = np.empty((0, len(source.names)), np.float32)
    masks = {modality: rows.astype(bool) for modality, rows in values.items()}
    return Grid(0, recipe.hop_s, values, masks, len(recipe.questions))


class _Whole(torch.nn.Module):
    """Video embedding and logits as a module, for ``functional_call``."""

    def __init__(self, net: FusionNet) -> None:
        super().__init__()
        self.net = net
        self.eval()

    def forward(self, batch: Any) -> Any:
        return self.net.video(self.net(batch), batch)


class _Linear(torch.nn.Module):
    def __init__(self, net: FusionNet) -> None:
        super().__init__()
        self.net = net
        self.eval()

    def forward(self) -> Any:
        return self.net.linear()


def _prefixed(params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {f"net.{k}": v for k, v in (params or {}).items()}


def _class(probs: np.ndarray) -> int:
    """The likeliest class but the first: what evidence speaks for."""
    return int(np.argmax(probs[1:])) + 1


def _log_odds(runner: Runner, k: int) -> np.floating[Any]:
    """Of class ``k`` against the first."""
    logits = runner.logits()
    found: np.floating[Any] = logits[k] - logits[0]
    return found


def _spans(marked: np.ndarray, times_s: np.ndarray, hop_s: float) -> list[tuple[float, float]]:
    """Runs of marked rows in seconds, near ones joined, short ones left out."""
    padded = np.r_[False, marked, False].astype(int)
    edges = np.flatnonzero(np.diff(padded))
    found: list[tuple[float, float]] = []
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        start_s = float(times_s[first])
        end_s = float(times_s[end - 1]) + hop_s
        near = bool(found) and start_s - found[-1][1] < BRIDGE_S
        if near:
            start_s, _ = found.pop()
        found.append((start_s, end_s))
    long_enough = SHORTEST_S - 1e-9
    return [span for span in found if span[1] - span[0] >= long_enough]


# --- on disk
# ---------------------------------------------------------------------------------------------------------


def save(model: FusionRecogniser, folder: str | Path) -> Path:
    """Write a model's folder; the card last. Settings of use are not part of the model."""
    folder = Path(folder)
    contract = {"format": FORMAT, "task": asdict(model.task), "recipe_sha256": model.recipe.sha256}
    weights = {}
    for name, value in model.params().items():
        weights[name] = np.atleast_1d(value.cpu().numpy())
    path = write_arrays(folder / WEIGHTS, weights, contract)
    card = {
        **stated(model.card, model.drawn),
        **contract,
        "recogniser": "fusion",
        "config": asdict(model.net.config),
        "recipe": asdict(model.recipe),
        "weights_sha256": _digest(path),
    }
    write_sealed(folder / CARD, plain(card), nan=False)
    return folder


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def plain(value: Any) -> Any:
    """Plain JSON values: numpy numbers as Python's, nan as None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load(path: str | Path | None = None) -> FusionRecogniser:
    """Read a fusion model from its folder.

    Raises:
        MissingWeights: a file of it is absent, or its weights are not those of the card.
        BadInput: no path, not a fusion model, another class order, recipe or lexicon.
    """
    if path is None:
        raise BadInput(
            "no fusion model ships with twomind; train one (`twomind train fusion`) and give its "
            "folder"
        )
    folder = Path(path)
    folder = folder.parent if folder.name in (CARD, WEIGHTS) else folder
    for name in (CARD, WEIGHTS):
        if not (folder / name).is_file():
            raise MissingWeights(
                f"{folder}: expected a fusion model with {CARD} and {WEIGHTS}; {name} is absent"
            )
    card = _card(folder)
    arrays, contract = read_arrays(folder / WEIGHTS)
    recipe, task = _contract(folder, card, contract)
    net = FusionNet(_config(card["config"]), recipe, len(task.classes))
    expected = net.state_dict()
    if set(expected) != set(arrays):
        raise BadInput(
            f"{folder / WEIGHTS}: expected the weights of a {net.config.model} model of this "
            "version"
        )
    weights = {}
    for name, like in expected.items():
        weights[name] = torch.from_numpy(arrays[name].copy()).reshape(like.shape)
    net.load_state_dict(weights)
    return FusionRecogniser(task, net.requires_grad_(False), card)


def _card(folder: Path) -> dict[str, Any]:
    """The card, after checking that it is one of this format and of these weights."""
    path = folder / CARD
    try:
        card: dict[str, Any] = read_sealed(path)
    except ValueError as error:
        raise BadInput(f"{path}: expected JSON ({error})") from error
    if card.get("format") != FORMAT:
        raise BadInput(f"{path}: expected the format {FORMAT!r}, got {card.get('format')!r}")
    if _digest(folder / WEIGHTS) != card["weights_sha256"]:
        raise MissingWeights(
            f"{folder / WEIGHTS}: not the weights that the card was written for; copy the folder "
            "again"
        )
    return card


def _config(entry: Mapping[str, Any]) -> FusionConfig:
    # A card without "residual" is of a time when no head had one.
    known = {"residual": False, **entry}
    channels = []
    for modality, widths in known["channels"]:
        channels.append((modality, tuple(widths)))
    known["channels"] = tuple(channels)
    known["default_channels"] = tuple(known["default_channels"])
    return FusionConfig(**known)


def _contract(
    folder: Path, card: Mapping[str, Any], contract: Mapping[str, Any]
) -> tuple[Recipe, Task]:
    """Recipe and task of a model, after checking that card and weights agree on them and that they
    still hold.
    """
    task = task_from(card["task"])
    _check_classes(folder, task, contract.get("task", {}))
    recipe = recipe_from(card["recipe"])
    hashes = {recipe.sha256, card["recipe_sha256"], contract.get("recipe_sha256")}
    if len(hashes) > 1:
        raise BadInput(
            f"{folder}: the feature recipe is not the one that the model was trained with"
        )
    tracks = {source.track for source in recipe.sources.values()}
    if "words" in tracks and recipe.lexicon_sha256 != lexicon().sha256:
        raise BadInput(
            f"{folder}: it was trained with another version of the lexicon; train it again"
        )
    return recipe, task


def _check_classes(folder: Path, task: Task, written: Mapping[str, Any]) -> None:
    """The card's classes are those that the weights were written with, in the same order."""
    classes = list(task.classes)
    if list(written.get("classes", ())) != classes or written.get("name") != task.name:
        raise BadInput(
            f"{folder}: the weights were trained for the classes {written.get('classes')} in this "
            f"order, the card says {classes}; the order of classes is a contract"
        )
    if task.name == AMBIVALENCE.name and task.classes != AMBIVALENCE.classes:
        raise BadInput(
            f"{folder}: expected the classes {list(AMBIVALENCE.classes)} in this order, got "
            f"{task.classes}"
        )


PLUGIN = FusionRecogniser
