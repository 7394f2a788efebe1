"""How many words were said, against a threshold. numpy only; nothing of ``twomind.models``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from twomind.types import AMBIVALENCE, Features, Prediction, Task

CARD = {
    "name": "talkative",
    "population": "three friends of somebody else",
    "licence": "CC0",
    "not_for": ["anything but showing that a model can come from elsewhere"],
    "figures": {"auc": 0.61, "auc_ci": [0.4, 0.8]},
}


class Talkative:
    """The longer the answer, the likelier."""

    task: Task = AMBIVALENCE
    card = CARD
    inputs = ("words",)
    locates = (False, "somebody else never looked")

    def __init__(self, usual: float = 20.0) -> None:
        self.usual = usual

    def predict(self, x: Features) -> Prediction:
        if not x.words:
            return Prediction.not_measured(x.span_s, 2, x.notes.get("words", "no words"))
        p = 1 / (1 + np.exp(self.usual - len(x.words)))
        return Prediction(x.span_s, np.array([1 - p, p]))

    def save(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        card = {"recogniser": "talkative", "usual": self.usual, **self.card}
        path = folder / "card.json"
        path.write_text(json.dumps(card), encoding="utf-8")
        return path

    @classmethod
    def load(cls, folder: Path | None = None, /) -> Talkative:
        if folder is None:
            return cls()
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        return cls(card["usual"])
