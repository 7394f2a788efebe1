"""In which order the test clips of a fold come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from twomind.types import Fold, Task

ORDERS = ("shuffled", "class_blocked", "recorded")


@dataclass(frozen=True)
class Order:
    """Another order of a fold's test clips for each seed: shuffled, class by class, or as the
    protocol has them.

    ``class_blocked`` looks at labels, only to order the stream; within a class the clips are
    shuffled.
    """

    kind: str
    label: Callable[[str, str], int | None]
    task: Task

    def __call__(self, fold: Fold, seed: int) -> Fold:
        if self.kind == "recorded":
            return fold
        shuffled = np.random.default_rng(seed).permutation(len(fold.test))
        test = [fold.test[int(i)] for i in shuffled]
        if self.kind == "class_blocked":
            test.sort(key=self._class)
        return replace(fold, test=tuple(test))

    def _class(self, recording: str) -> int:
        label = self.label(self.task.name, recording)
        return -1 if label is None else int(label)
