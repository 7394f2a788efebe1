"""CLIP-AUTT: tune the prompts of the facial-movement phrases to one person, on the entropy of their
own clips.

Paper: arXiv 2603.27999 (ECCV 2026); released code: osamazeeshan/CLIP-AUTT. What is different here,
by default:

- the prompts hold the movements' words. The released ones do not: of each phrase only its length is
  left;
- no label has a say. The released code keeps the epoch that did best on the target's labels;
- the state is one person's. The released contexts are never reset, so each person inherits the last
  one's;
- windows are compared with the factor that the loss uses (released: without);
- a window's answer is given after its update, from whole clips, as CLIP-AU gives it; zero steps are
  CLIP-AU exactly;
- the mean entropy alone is least when every clip gets one class. The entropy of the mean answer is
  taken off the loss, and an update after which the person's answers are suddenly sure, or drift to
  one class, is dropped.

``mode`` ``released``, ``subject`` and ``episodic`` keep the released prompts and loss: ten passes
over the person's unlabelled videos in advance; once over them as they come, each answered before
its update; each clip by itself, from the start, answered after its ``steps``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from twomind.adaptation import clip_autt_parts as tuning
from twomind.core.errors import BadInput, MissingExtra
from twomind.models.clip_au import parts
from twomind.models.clip_au.clips import released_rows
from twomind.models.clip_au.recogniser import ClipAu, PhraseText
from twomind.models.embedding import from_logits
from twomind.types import Access, Features, Given, Prediction, State, Task

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtra("torch", "CLIP-AUTT") from error

if TYPE_CHECKING:
    from twomind.adaptation.check import Toy

MODES = ("corrected", "subject", "episodic", "released")


@dataclass(frozen=True)
class ClipAutt:
    """Needs a :class:`~twomind.models.clip_au.recogniser.ClipAu` with its text tower. Labels are
    never read.
    """

    mode: str = "corrected"  # corrected, subject, episodic, released
    steps: int = 1  # updates per window; in corrected and episodic
    learning_rate: float = 1e-3  # of AdamW, on token embeddings with a deviation of about .02
    weight_decay: float = 1e-4
    n_context: int = 4  # tokens tuned per phrase
    k: int = 16  # frames of a window, of which the least uncertain one is tuned on
    # corrected only
    balance: float = 1.0  # weight of the entropy of the mean answer
    memory: int = 32  # clips of the person that are remembered, as one row each
    #: an update may not bring the mean entropy below this share of the source's
    entropy_floor: float = 0.5
    #: nor move the mean probability of a class farther than this from the source's
    max_drift: float = 0.15
    patience: int = 3  # so many dropped updates in a row end the tuning for this person
    max_updates: int = 200  # and so many in all
    # released only
    epochs: int = 10
    batch: int = 40

    model_kind: ClassVar[str] = "clip-au"

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise BadInput(f"clip-autt mode: expected one of {', '.join(MODES)}, got {self.mode!r}")

    @property
    def needs(self) -> Access:
        return Access.TARGET if self.mode == "released" else Access.NOTHING

    def begin(self, model: ClipAu, given: Given) -> State:
        if not isinstance(model, ClipAu):
            raise BadInput(
                f"clip-autt tunes the prompts of a CLIP-AU model, got a {type(model).__name__}"
            )
        text = model.phrase_text()
        if self.mode == "corrected":
            context = torch.zeros(len(model.phrases), self.n_context, text.tower.width)
            memory = torch.zeros(0, model.dim)
            counts = {"n_updates": 0, "n_dropped": 0, "in_a_row": 0, "why": ""}
            return {"context": context, "moments": {}, "memory": memory, **counts}
        start = tuning.random_context(tuning.released_prompts(text, self.n_context), given.seed)
        if self.mode == "released":
            return {"context": self._adapted(model, start, given)}
        return {"context": start}

    def step(self, model: ClipAu, state: State, x: Features) -> tuple[Prediction, State]:
        if why := model.absent(x):
            return Prediction.not_measured(x.span_s, len(model.task.classes), why), state
        if self.mode == "corrected":
            return self._corrected(model, state, x)
        return self._released(model, state, x)

    def _rule(self) -> tuning.Rule:
        rule = tuning.Rule() if self.mode == "corrected" else tuning.RELEASED
        return replace(rule, learning_rate=self.learning_rate, weight_decay=self.weight_decay)

    def _corrected(self, model: ClipAu, state: State, x: Features) -> tuple[Prediction, State]:
        w = model.weights
        state = dict(state)
        frames, lengths, owner = model.frames([x])
        with torch.no_grad():
            whole = parts.clip_rows(w, frames, lengths)
        # Of one clip alone, the balanced loss is zero whatever the prompts, and its gradient all
        # rounding error.
        n_clips = len(whole) + len(state["memory"])
        enough = not self.balance or n_clips > 1
        if self.steps and enough and not state["why"]:
            windows = windows_of(w, frames, lengths, self.k)
            state |= self._tuned(model, state, windows, whole)
        with torch.no_grad():
            # Untouched prompts are the model's own, to the last bit.
            phrases = model.phrase_rows()
            if state["n_updates"]:
                phrases = self._prompts(model).rows(w, state["context"])
            _, logits = model.answer(whole, owner, 1, phrases)
        memory = torch.cat([state["memory"], whole])
        too_many = max(0, n_clips - self.memory)
        state["memory"] = memory[too_many:]
        return from_logits(x, logits[0]), state

    def _prompts(self, model: ClipAu) -> tuning.Prompts:
        build = tuning.worded_prompts if self.mode == "corrected" else tuning.released_prompts
        return build(model.phrase_text(), self.n_context)

    def _tuned(
        self, model: ClipAu, state: State, windows: Sequence[Tensor], whole: Tensor
    ) -> State:
        """The state after this window's updates, as far as the guard lets them pass."""
        w = model.weights
        prompts = self._prompts(model)
        after = dict(state)
        memory = state["memory"]
        seen = torch.cat([whole, memory])
        with torch.no_grad():
            source = parts.classify(w, parts.similarities(seen, model.phrase_rows()))
        for _ in range(self.steps):
            context, moments = after["context"], after["moments"]
            done = tuning.update(
                w,
                prompts,
                context,
                windows,
                self._rule(),
                moments,
                memory=memory,
                balance=self.balance,
            )
            with torch.no_grad():
                phrases = prompts.rows(w, done.context)
                tuned = parts.classify(w, parts.similarities(seen, phrases))
            why = self._refused(source, tuned)
            if why:
                after["n_dropped"] += 1
                after["in_a_row"] += 1
                after["moments"] = {}
                if after["in_a_row"] >= self.patience:
                    after["why"] = why
                break
            after["context"] = done.context
            after["moments"] = dict(done.moments)
            after["in_a_row"] = 0
            after["n_updates"] += 1
            if after["n_updates"] >= self.max_updates:
                after["why"] = f"{self.max_updates} updates were made"
                break
        return after

    def _refused(self, source: Tensor, tuned: Tensor) -> str:
        """Why an update is dropped, from the answers on the person's clips before any tuning and
        after it.
        """
        before = parts.entropy(source).mean()
        after = parts.entropy(tuned).mean()
        if after < self.entropy_floor * before:
            return f"entropy fell from {float(before):.3f} to {float(after):.3f} nats"
        mean_source = source.softmax(dim=-1).mean(dim=0)
        mean_tuned = tuned.softmax(dim=-1).mean(dim=0)
        drift = (mean_tuned - mean_source).abs().max()
        return f"the mean answer moved by {float(drift):.2f}" if drift > self.max_drift else ""

    def _released(self, model: ClipAu, state: State, x: Features) -> tuple[Prediction, State]:
        w = model.weights
        frames, lengths, _ = model.frames([x])
        windows = windows_of(w, frames, lengths, self.k)
        rule = self._rule()
        prompts = self._prompts(model)
        context, moments = state["context"], None
        if self.mode == "subject":  # answered before the update, by a fresh optimiser each time
            done = tuning.update(w, prompts, context, windows, rule)
            return from_logits(x, done.logits.mean(dim=0)), {"context": done.context}
        if self.mode == "episodic":
            for _ in range(self.steps):
                done = tuning.update(w, prompts, context, windows, rule, moments)
                context, moments = done.context, done.moments
        logits = answer(w, prompts, context, windows, rule)
        return from_logits(x, logits.mean(dim=0)), state

    def _adapted(self, model: ClipAu, context: Tensor, given: Given) -> Tensor:
        """The context after the released passes over the person's own windows, on fresh random
        crops in each epoch.

        The released code crashes when a person has fewer clips than a batch; here they are one
        batch.
        """
        xs = [x for x in given.target or () if not model.absent(x)]
        if not xs:
            return context
        rng = np.random.default_rng(given.seed)
        epochs = (self._epoch(model, xs, rng) for _ in range(self.epochs))
        for done in tuning.passes(
            model.weights, self._prompts(model), context, epochs, self._rule()
        ):
            context = done.context
        return context

    def _epoch(
        self, model: ClipAu, xs: Sequence[Features], rng: np.random.Generator
    ) -> list[list[Tensor]]:
        """The windows of one random crop of each clip, in batches; what does not fill one is left
        out.
        """
        size = min(self.batch, len(xs))
        batches = []
        for at in range(0, len(xs) - size + 1, size):
            batch = []
            for x in xs[at : at + size]:
                clip, length = wrapped_clip(model, x, rng)
                (windows,) = windows_of(model.weights, clip, length, self.k)
                batch.append(windows)
            batches.append(batch)
        return batches

    @classmethod
    def variants(cls, model_kind: str) -> Sequence[Mapping[str, object]]:
        """Every mode is a method of its own: see :mod:`twomind.adaptation.traits`."""
        if model_kind != cls.model_kind:
            return ({},)
        others = [mode for mode in MODES if mode != cls.mode]
        return ({}, *({"mode": mode} for mode in others))

    @classmethod
    def toy(cls) -> Toy:
        """A small world for the contract's checks: a random CLIP-AU on the toy embeddings."""
        from twomind.adaptation import check

        return replace(check.toy(), model=toy_model())


def windows_of(w: parts.Weights, frames: Tensor, lengths: Tensor, k: int) -> list[Tensor]:
    """Unit rows of the windows of every clip.

    Args:
        w: the model's weights.
        frames: clips ``(n, T, D)``, padded.
        lengths: of each ``(n,)``.
        k: frames of a window.

    Returns:
        Rows ``(n_i, D)`` of each clip.
    """
    found = []
    with torch.no_grad():
        for clip, n in zip(frames, lengths.tolist(), strict=True):
            rows = parts.window_rows(w, clip[None, :n], k)
            found.append(rows[0])
    return found


def wrapped_clip(model: ClipAu, x: Features, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """The released random crop of a window's valid rows, wrapped around.

    Args:
        model: whose track and clip length.
        x: the window.
        rng: draws where the crop begins.

    Returns:
        The clip ``(1, T, D)`` and its length ``(1,)``.
    """
    track = x.tracks[model.track]
    rows = track.values[track.valid]
    first = int(rng.integers(len(rows)))
    taken = released_rows(len(rows), 1, model.clips.n_frames, first)
    clip = torch.from_numpy(np.asarray(rows[taken], np.float32))[None]
    return clip, torch.tensor([clip.shape[1]])


def answer(
    w: parts.Weights,
    prompts: tuning.Prompts,
    context: Tensor,
    windows: Sequence[Tensor],
    rule: tuning.Rule,
) -> Tensor:
    """The answer of clips with a given context, each from its window of lowest entropy.

    Args:
        w: the model's weights.
        prompts: what the context goes into.
        context: ``(N, M, W)``.
        windows: unit rows ``(n_i, D)`` of each clip's windows.
        rule: how windows are compared.

    Returns:
        Logits ``(B, C)``.
    """
    with torch.no_grad():
        phrases = prompts.rows(w, context)
        start, _ = tuning.choose(w, windows, phrases, rule)
        rows = tuning.selected(windows, start)
        return parts.classify(w, parts.similarities(rows, phrases))


def toy_model(dim: int = 16, n_phrases: int = 5, seed: int = 0) -> ClipAu:
    """A random CLIP-AU on a track ``embedding``, with a random text tower of two layers.

    Args:
        dim: width of the embedding.
        n_phrases: so many of the phrases.
        seed: of all weights.
    """
    from twomind.encoders.clip_towers import encode_ids, new_text_weights, text_tower
    from twomind.models.clip_au.phrases import PHRASES
    from twomind.models.clip_au.recogniser import PHRASE_FEATURES

    text_weights = new_text_weights(40, 16, 2, dim, context=12, seed=seed)
    tower = text_tower(text_weights, n_heads=2)
    rng = np.random.default_rng(seed)
    ids = torch.zeros(n_phrases, 12, dtype=torch.long)
    read_at = torch.from_numpy(rng.integers(4, 8, n_phrases))
    for phrase, end in zip(ids, read_at.tolist(), strict=True):
        phrase[:end] = torch.from_numpy(rng.integers(1, 38, end))
        phrase[0] = 38
        phrase[end] = 39
    weights = parts.new_weights(n_phrases, dim, 2, seed, width=32)
    weights["temporal.weight"] = 4 * weights["temporal.weight"]
    weights[PHRASE_FEATURES] = encode_ids(tower, ids, read_at)
    text = PhraseText(tower, ids, read_at, ids, read_at)
    task = Task("toy", ("class0", "class1"), "window")
    return ClipAu(
        task, weights, PHRASES[:n_phrases], track="embedding", encoder="toy", drawn=True, text=text
    )


PLUGIN = ClipAutt
