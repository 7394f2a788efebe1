"""A sentence encoder that was fine-tuned on coded turns: it reads a turn together with what was said
right before it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import MissingWeights
from twomind.core.numbers import softmax
from twomind.datasets.talk import CLASSES
from twomind.encoders.pretrained import Encoder, network, tokenizer_of
from twomind.types.plain import Array

#: Where it lies in the folder of its model.
FOLDER = "fine_tuned"
#: The columns that it gives: the log-probability of each class, classes equally common.
NAMES = tuple(f"fine-tuned {name}" for name in CLASSES)
#: The tokens of a turn that are read, the first ones; of what was said before it, the last ones.
N_SAID, N_BEFORE = 80, 40
_TOGETHER = 32


@dataclass(frozen=True)
class Marks:
    """The tokens that stand around two texts, and whether the network is told which of them a token
    is of.
    """

    first: int
    divider: int
    empty: int
    told_apart: bool


@dataclass(frozen=True)
class Pairs:
    """Tokens of turns and of what was said before them."""

    before: Sequence[Sequence[int]]
    said: Sequence[Sequence[int]]
    marks: Marks

    def __len__(self) -> int:
        return len(self.said)

    @property
    def lengths(self) -> Array:
        """Tokens of each pair ``(N,)``."""
        both = zip(self.before, self.said, strict=True)
        return np.array([len(before) + len(said) for before, said in both], int)

    def some(self, rows: Array) -> Pairs:
        """Those of some turns ``(n,)``."""
        before, said = [self.before[i] for i in rows], [self.said[i] for i in rows]
        return Pairs(before, said, self.marks)

    def alone(self) -> Pairs:
        """The same turns with nothing before them."""
        return Pairs([()] * len(self), self.said, self.marks)

    def batch(self, rows: Sequence[int], withheld: Array | None = None) -> dict[str, Any]:
        """What a network of the BERT family takes: tensors ``(n, L)`` by name.

        Args:
            rows: which turns.
            withheld: of which of them what was said before is left out ``(n,)``.
        """
        import torch

        left_out = np.zeros(len(rows), bool) if withheld is None else withheld
        made = [self._row(i, bool(out)) for i, out in zip(rows, left_out, strict=True)]
        longest = max(n_first + n_second for _, n_first, n_second in made)
        tokens = np.full((len(made), longest), self.marks.empty, np.int64)
        second, there = np.zeros_like(tokens), np.zeros_like(tokens)
        for k, (own, n_first, n_second) in enumerate(made):
            n = n_first + n_second
            tokens[k, :n] = own
            second[k, n_first:n] = 1
            there[k, :n] = 1
        entry = {"input_ids": tokens, "attention_mask": there}
        if self.marks.told_apart:
            entry["token_type_ids"] = second
        return {name: torch.from_numpy(part) for name, part in entry.items()}

    def _row(self, i: int, withheld: bool) -> tuple[list[int], int, int]:
        before = () if withheld else self.before[i]
        first = [self.marks.first, *before, self.marks.divider]
        second = [*self.said[i], self.marks.divider]
        return first + second, len(first), len(second)


def pairs_of(encoder: Encoder, texts: Sequence[str], before: Sequence[str] | None) -> Pairs:
    """Turns as tokens.

    Args:
        encoder: whose tokens.
        texts: the turns.
        before: what was said right before each; None: not known.
    """
    tokenizer = tokenizer_of(encoder)

    def tokens(some: Sequence[str]) -> list[list[int]]:
        return list(tokenizer(list(some), add_special_tokens=False)["input_ids"])

    heard = tokens([""] * len(texts) if before is None else before)
    marks = Marks(
        first=int(tokenizer.cls_token_id),
        divider=int(tokenizer.sep_token_id),
        empty=int(tokenizer.pad_token_id),
        told_apart=int(encoder.config.get("type_vocab_size", 1)) > 1,
    )
    return Pairs(
        before=[row[-N_BEFORE:] for row in heard],
        said=[row[:N_SAID] for row in tokens(texts)],
        marks=marks,
    )


def states_of(body: Any, entry: Mapping[str, Any]) -> Any:
    """The mean of the last layer's tokens ``(n, D)``, a tensor."""
    states = body(**entry).last_hidden_state
    there = entry["attention_mask"][..., None]
    return (states * there).sum(dim=1) / there.sum(dim=1)


def network_rows(body: Any, pairs: Pairs) -> Array:
    """One row per turn ``(N, D)``, nothing drawn at random."""
    import torch

    body.eval()
    rows: list[Any] = [None] * len(pairs)
    by_length = np.argsort(pairs.lengths, kind="stable")
    with torch.no_grad():
        for at in range(0, len(pairs), _TOGETHER):
            some = by_length[at : at + _TOGETHER].tolist()
            found = states_of(body, pairs.batch(some)).numpy()
            for i, row in zip(some, found, strict=True):
                rows[i] = row
    return np.array(rows, float)


@dataclass(frozen=True)
class Weights:
    """The linear head on the rows of the network: ``weight (3, D)``, ``bias (3,)``."""

    weight: Array
    bias: Array

    def log_probs(self, rows: Array) -> Array:
        """Of each class ``(N, 3)``, classes equally common, from rows ``(N, D)``."""
        found: Array = np.log(np.maximum(softmax(rows @ self.weight.T + self.bias), 1e-12))
        return found


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned encoder with its head. Its network lies in a folder of the model's own."""

    encoder: Encoder
    head: Weights

    @cached_property
    def _network(self) -> Any:
        return network(self.encoder)

    def columns(self, texts: Sequence[str], before: Sequence[str] | None = None) -> Array:
        """Log-probabilities of the classes, as if they were equally common ``(N, 3)``.

        Args:
            texts: turns or clauses.
            before: what was said right before each; None: not known.
        """
        if not texts:
            return np.zeros((0, len(CLASSES)))
        pairs = pairs_of(self.encoder, texts, before)
        return self.head.log_probs(network_rows(self._network, pairs))

    def to_dict(self) -> dict[str, Any]:
        """The head as plain values; the network is written by :meth:`save`."""
        return {
            "weight": self.head.weight.tolist(),
            "bias": self.head.bias.tolist(),
            "mark": self.encoder.mark,
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any], folder: Path) -> FineTuned:
        """Read back what :meth:`to_dict` and :meth:`save` gave.

        Args:
            entry: the head.
            folder: of the model.

        Raises:
            MissingWeights: the network is not there, or is another.
        """
        encoder = Encoder("text", str(folder / FOLDER), offline=True)
        assert encoder.folder
        if encoder.mark != entry["mark"]:
            raise MissingWeights(
                f"{encoder.folder}: not the fine-tuned encoder of this model, or damaged. Copy the "
                "model anew, or train it again."
            )
        return cls(encoder, Weights(np.array(entry["weight"]), np.array(entry["bias"])))

    def save(self, folder: Path) -> list[str]:
        """Copy the network into the folder of a model.

        Returns:
            The names of the files, as the model's card has them.
        """
        there = folder / FOLDER
        if there.resolve() != self.encoder.folder.resolve():
            there.mkdir(parents=True, exist_ok=True)
            for path in files_of(self.encoder):
                shutil.copyfile(path, there / path.name)
        own = sorted(path.name for path in files_of(Encoder("text", str(there), offline=True)))
        return [f"{FOLDER}/{name}" for name in own]


def files_of(encoder: Encoder) -> list[Path]:
    """The network and the tokens of an encoder of text: what has to be kept of its folder."""
    kinds = (".json", ".txt", ".model", ".safetensors")
    return [path for path in encoder.folder.iterdir() if path.is_file() and path.suffix in kinds]
