"""Fine-tune a sentence encoder on coded turns, each read together with what was said right before it.

The recipe was written down before it was judged on interviews, and nothing of it was chosen there.
Small encoders want a higher rate than the usual 2e-5 to 5e-5, and labels on which experts disagree
are smoothed. What was said before is withheld from some turns in training, because in use it is
not known everywhere. The rows of single tokens are not trained.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput, MissingExtra
from twomind.core.source_mark import source_mark
from twomind.core.store import read_arrays, settings_hash, write_arrays
from twomind.datasets.talk import CLASSES, Talk
from twomind.encoders.pretrained import Encoder, network
from twomind.models.change_talk.tuned import (
    FOLDER,
    FineTuned,
    Pairs,
    Weights,
    files_of,
    network_rows,
    pairs_of,
    states_of,
)
from twomind.types import Progress
from twomind.types.plain import Array

try:
    import torch
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("clip", "fine-tuning an encoder") from error

#: Batches whose turns are sorted by length together, so that little is padded.
_SORTED_TOGETHER = 16


@dataclass(frozen=True)
class FineTuning:
    """How an encoder is fine-tuned."""

    learning_rate: float = 1e-4  # of the encoder
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    smoothing: float = 0.1  # of the labels
    epochs: int = 3
    batch: int = 16
    warm_up: float = 0.1  # of the steps; then the rates fall to 0 on a line
    withheld: float = 0.15  # share of turns whose turn before is left out
    clip: float = 1.0  # norm that a gradient is cut to
    seed: int = 0


@dataclass(frozen=True)
class Coded:
    """Coded turns for a network: pairs and classes ``(N,)``."""

    pairs: Pairs
    y: Array

    @classmethod
    def of(cls, talk: Talk, encoder: Encoder) -> Coded:
        """Of coded conversations, in their order."""
        turns = talk.turns
        texts, before = [turn.text for turn in turns], [turn.before for turn in turns]
        y = np.array([CLASSES.index(turn.label) for turn in turns])
        return cls(pairs_of(encoder, texts, before), y)


@dataclass(frozen=True)
class Tuned:
    """A network and the head on its rows."""

    body: Any
    head: Weights

    def log_probs(self, pairs: Pairs) -> Array:
        """Of the classes of each turn ``(N, 3)``."""
        return self.head.log_probs(network_rows(self.body, pairs))


@dataclass(frozen=True)
class Columns:
    """Log-probabilities ``(N, 3)`` of turns from networks that did not see their group: with what was
    said before, and without it.
    """

    heard: Array
    alone: Array


def fine_tuned(
    encoder: Encoder,
    coded: Coded,
    rows: Array,
    how: FineTuning,
    progress: Progress | None = None,
    stage: str = "fine-tuning",
) -> Tuned:
    """Fine-tune on some turns.

    Args:
        encoder: where it begins; its folder is not written to.
        coded: all turns.
        rows: those it learns from ``(n,)``.
        how: the recipe.
        progress: is told how many steps are done.
        stage: what it is told that this is.

    Raises:
        BadInput: the loss is no number.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(how.seed)
        body = network(encoder).requires_grad_(True).train()
        body.get_input_embeddings().requires_grad_(False)
        head = torch.nn.Linear(encoder.width, len(CLASSES))
        steps = _Steps(body, head, coded, rows, how)
        for done, loss in enumerate(steps, 1):
            if not np.isfinite(loss):
                raise BadInput(
                    "fine-tuning: the loss is no number; are the encoder's weights whole?"
                )
            if progress is not None:
                progress(stage, done, steps.n)
    weight, bias = (part.detach().numpy().astype(float) for part in (head.weight, head.bias))
    return Tuned(body.eval().requires_grad_(False), Weights(weight, bias))


class _Steps:
    """The steps of a training, one loss each."""

    def __init__(self, body: Any, head: Any, coded: Coded, rows: Array, how: FineTuning) -> None:
        self.body, self.head, self.coded, self.rows, self.how = body, head, coded, rows, how
        self.n = how.epochs * -(-len(rows) // how.batch)
        n_warm = max(int(how.warm_up * self.n), 1)

        def rate(step: int) -> float:
            falling = (self.n - step) / max(self.n - n_warm, 1)
            return max(min((step + 1) / n_warm, falling), 0.0)

        self.trained = [p for p in body.parameters() if p.requires_grad]
        groups = [
            {"params": self.trained, "lr": how.learning_rate},
            {"params": list(head.parameters()), "lr": how.head_learning_rate},
        ]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=how.weight_decay)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, rate)
        # Of a class that is not there, nothing is asked.
        counts = np.maximum(np.bincount(coded.y[rows], minlength=len(CLASSES)), 1)
        balanced = len(rows) / (len(CLASSES) * counts)
        self.weight = torch.tensor(balanced, dtype=torch.float32)

    def __iter__(self) -> Iterator[float]:
        rng = np.random.default_rng(self.how.seed)
        for _ in range(self.how.epochs):
            for some in _dealt(self.coded.pairs, self.rows, self.how.batch, rng):
                withheld = rng.random(len(some)) < self.how.withheld
                yield self._step(some, withheld)

    def _step(self, some: Array, withheld: Array) -> float:
        entry = self.coded.pairs.batch(some.tolist(), withheld)
        logits = self.head(states_of(self.body, entry))
        y = torch.from_numpy(self.coded.y[some])
        loss = F.cross_entropy(logits, y, self.weight, label_smoothing=self.how.smoothing)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, self.how.clip)
        self.optimiser.step()
        self.schedule.step()
        return float(loss.detach())


def _dealt(pairs: Pairs, rows: Array, size: int, rng: np.random.Generator) -> Iterator[Array]:
    """Batches in random order, each of turns of about one length."""
    mixed, lengths = rng.permutation(rows), pairs.lengths
    together = _SORTED_TOGETHER * size
    batches: list[Array] = []
    for at in range(0, len(mixed), together):
        some = mixed[at : at + together]
        some = some[np.argsort(lengths[some], kind="stable")]
        batches += [some[a : a + size] for a in range(0, len(some), size)]
    for k in rng.permutation(len(batches)):
        yield batches[k]


@dataclass(frozen=True)
class Work:
    """What is fine-tuned, and how. ``kept``: a folder in which what is done is kept, so that an
    interrupted training goes on.
    """

    encoder: Encoder
    coded: Coded
    how: FineTuning
    kept: Path
    progress: Progress | None = None

    def held_out(self, fold: Array) -> Columns:
        """What networks say of turns whose group they did not see: one network per fold.

        Args:
            fold: of each turn ``(N,)``.
        """
        found = np.zeros((2, len(fold), len(CLASSES)))
        folds = np.unique(fold)
        for number, k in enumerate(folds, 1):
            own = np.flatnonzero(fold == k)
            stage = f"fine-tuning, fold {number} of {len(folds)}"
            found[:, own] = self._of_fold(np.flatnonzero(fold != k), own, stage)
        return Columns(found[0], found[1])

    def _of_fold(self, train: Array, own: Array, stage: str) -> Array:
        """Log-probabilities ``(2, n, 3)`` of one fold, of now or kept from before."""
        path = self.kept / f"{self._mark(train)}.safetensors"
        if path.is_file():
            try:
                arrays, _ = read_arrays(path)
                return np.asarray(arrays["columns"])
            except BadInput:
                path.unlink()  # it is made anew
        made = self._trained(train, stage)
        pairs = self.coded.pairs.some(own)
        found = np.stack([made.log_probs(pairs), made.log_probs(pairs.alone())])
        self.kept.mkdir(parents=True, exist_ok=True)
        write_arrays(path, {"columns": found})
        return found

    def _trained(self, rows: Array, stage: str) -> Tuned:
        return fine_tuned(self.encoder, self.coded, rows, self.how, self.progress, stage)

    def _mark(self, rows: Array) -> str:
        """Another encoder, recipe, turn or fold is another training."""
        pairs = self.coded.pairs
        about = {
            "encoder": self.encoder.mark,
            "how": asdict(self.how),
            "turns": [pairs.before, pairs.said, self.coded.y.tolist()],
            "rows": rows.tolist(),
            "recipe": source_mark(__name__),
        }
        return settings_hash(about)[:24]

    def whole(self, folder: Path) -> FineTuned:
        """Fine-tune on all turns, and write the network beside the tokens of its encoder.

        Args:
            folder: of the model.
        """
        made = self._trained(np.arange(len(self.coded.y)), "fine-tuning, all turns")
        there = folder / FOLDER
        there.mkdir(parents=True, exist_ok=True)
        for path in files_of(self.encoder):
            if path.suffix != ".safetensors":
                shutil.copyfile(path, there / path.name)
        made.body.save_pretrained(there, safe_serialization=True)
        return FineTuned(Encoder("text", str(there), offline=True), made.head)

    def done(self) -> None:
        """Nothing is to be gone on with any more."""
        shutil.rmtree(self.kept, ignore_errors=True)
