"""Does a model know *when*? Its frame scores inside an answer against annotated segments, beside the position alone.

A model may draw segments only when its gain over the position row is above zero on people held out (lower bound of the
paired interval). Frames of one answer are compared with frames of the same answer only, so that neither the question nor
the person can help.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twomind.capture.datasets.bah_splits import Answer, read_answers, video_id
from twomind.errors import BadInput
from twomind.estimate.words import WordsRecogniser
from twomind.score import metrics

#: Frames are looked at this often: neighbours say the same, and pairs grow with the square.
STEP = 6


@dataclass(frozen=True)
class Marked:
    """One answer with its annotated frames: ``present (F,)`` 0 or 1 every :data:`STEP` frames."""

    answer: Answer
    present: np.ndarray


def read_marked(data_dir: Path, split: str) -> list[Marked]:
    """Answers of a split joined with ``segments_<split>.csv`` (``video, segment_id, label, …, start_frame, end_frame``).

    Raises:
        BadInput: the segment file is absent or lacks a column.
    """
    path = Path(data_dir) / f"segments_{split}.csv"
    if not path.is_file():
        raise BadInput(f"no segment file {path}; expected video, label, start_frame, end_frame (inclusive)")
    frames: dict[str, list[tuple[int, int, int]]] = {}
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = {"video", "label", "start_frame", "end_frame"} - set(reader.fieldnames or [])
        if missing:
            raise BadInput(f"{path}: expected the columns video, label, start_frame, end_frame; missing: {missing}")
        for row in reader:
            span = (int(row["start_frame"]), int(row["end_frame"]), int(row["label"]))
            frames.setdefault(video_id(row["video"]), []).append(span)
    found = []
    for answer in read_answers(Path(data_dir), [split]).answers:
        spans = frames.get(answer.id)
        if not spans:
            continue
        present = np.zeros(max(end for _, end, _ in spans) + 1)
        for start, end, label in spans:
            present[start : end + 1] = label
        found.append(Marked(answer, present[::STEP]))
    return found


def word_score(model: WordsRecogniser, marked: Marked) -> np.ndarray:
    """What the words at each looked-at frame add to the score ``(F,)``, words laid evenly over the answer."""
    texts = marked.answer.transcript.split()
    n = len(marked.present)
    if not texts:
        return np.zeros(n)
    head, name = model.head(marked.answer.question)
    shares = head.model.parts(texts, name).words
    return shares[np.minimum(np.arange(n) * len(texts) // max(n, 1), len(texts) - 1)]


def position_score(marked: Marked) -> np.ndarray:
    """How far into the answer each frame lies ``(F,)``, in [0, 1): later is higher."""
    return np.arange(len(marked.present)) / max(len(marked.present), 1)


def _pairs(marked: Sequence[Marked], score: Callable[[Marked], np.ndarray]) -> np.ndarray:
    """Per answer: pairs of frames (present, absent) in the right order, and all pairs ``(N, 2)``."""
    rows = []
    for one in marked:
        n_pairs = one.present.sum() * (1 - one.present).sum()
        right = metrics.auc(one.present, score(one)) * n_pairs if n_pairs else 0.0
        rows.append((right, n_pairs))
    return np.array(rows)


def score_located(
    model: WordsRecogniser, data_dir: Path, split: str = "val", seed: int = 0, n_bootstrap: int = 2000
) -> dict[str, Any]:
    """AUC of frames inside an answer for the words and for the position, and whether the model may draw segments.

    Pairs are pooled over answers; intervals resample people.
    """
    marked = [m for m in read_marked(data_dir, split) if 0 < m.present.mean() < 1]
    if not marked:
        raise BadInput(f"{data_dir}: no answer of the split {split!r} has both marked and unmarked frames")
    weights = metrics.person_weights(np.array([m.answer.subject for m in marked]), n_bootstrap, seed)
    rows = {"words": _pairs(marked, lambda m: word_score(model, m)), "position": _pairs(marked, position_score)}
    value = {k: float(r[:, 0].sum() / r[:, 1].sum()) for k, r in rows.items()}
    spread = {k: (weights @ r[:, 0]) / (weights @ r[:, 1]) for k, r in rows.items()}
    # The position may count from either end; the better direction is the harder row to beat.
    if value["position"] < 0.5:
        value["position"], spread["position"] = 1 - value["position"], 1 - spread["position"]
    gain = metrics.interval(spread["words"] - spread["position"])
    return {
        "split": split,
        "n_answers": len(marked),
        "n_people": len({m.answer.subject for m in marked}),
        "auc_inside_answers": {k: {"value": value[k], "ci": metrics.interval(spread[k])} for k in rows},
        "gain_over_position": {"value": value["words"] - value["position"], "ci": gain},
        "locates": bool(gain[0] > 0),
        "how": "frames of one answer against each other, pooled; words laid evenly over the answer; 95 % intervals over people",
    }
