"""Does a model know *when*? Its score inside an answer against annotated segments, beside the
position alone.

A model may draw segments only when, on people it never saw, its score tells marked from unmarked
moments better than chance and better than the position in the answer (lower ends of both
intervals). Moments of one answer are compared with moments of the same answer only, so that neither
the question nor the person can help. Which end of an answer the position row favours is learnt on
the training people.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.datasets.bah_splits import Answer, read_answers, video_id
from twomind.evaluation import metrics
from twomind.features.words.text import count
from twomind.models.words.additive import Additive
from twomind.models.words.recogniser import MIN_WORDS, WordsRecogniser

#: Frames are looked at this often: neighbours say the same, and pairs grow with the square.
STEP = 6
HOW = (
    f"every {STEP}th frame against the other frames of its answer, pairs pooled over answers; "
    "words "
    "laid evenly over "
    "the answer, as the public files have no word times; 95 % percentile intervals over people"
)
_COLUMNS = ("video", "label", "start_frame", "end_frame")


@dataclass(frozen=True)
class Marked:
    """Annotated frames of one answer: ``frames (F,)`` numbers, ``present (F,)`` 0 or 1; none that
    nobody coded.
    """

    answer: Answer
    frames: np.ndarray
    present: np.ndarray
    n_frames: int

    @property
    def position(self) -> np.ndarray:
        """How far into the answer each frame lies ``(F,)``, in [0, 1)."""
        return self.frames / self.n_frames


#: ``score(marked) -> (F,)``; higher where the model sees more A/H.
Scorer = Callable[[Marked], np.ndarray]


def _spans(path: Path) -> Iterator[tuple[str, int, int, int]]:
    """``(video id, first frame, last frame, label)`` of every row of a segment file."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
        if missing:
            raise BadInput(
                f"{path}: expected the columns {', '.join(_COLUMNS)}; missing: {', '.join(missing)}"
            )
        for row in reader:
            try:
                start, end, label = (int(row[c]) for c in ("start_frame", "end_frame", "label"))
            except (TypeError, ValueError) as error:
                raise BadInput(
                    f"{path}: line {reader.line_num}: expected whole numbers ({error})"
                ) from error
            if not 0 <= start <= end or label not in (0, 1):
                raise BadInput(
                    f"{path}: line {reader.line_num}: expected 0 <= start_frame <= end_frame and "
                    "the label 0 or 1, "
                    f"got {start}, {end}, {label}"
                )
            yield video_id(row["video"]), start, end, label


def segment_file(data_dir: Path, split: str) -> Path:
    """Where the segments of a split lie."""
    return Path(data_dir) / f"segments_{split}.csv"


def read_marked(data_dir: Path, split: str) -> list[Marked]:
    """Answers of a split that have both marked and unmarked frames in ``segments_<split>.csv``.

    Columns: ``video, label, start_frame, end_frame`` (inclusive), others are ignored.

    Raises: BadInput: the segment file is absent, lacks a column, holds something else than numbers,
        or no such answer.
    """
    path = segment_file(data_dir, split)
    if not path.is_file():
        raise BadInput(
            f"no segment file {path}; expected a CSV with {', '.join(_COLUMNS)} (frames, inclusive)"
        )
    spans: dict[str, list[tuple[int, int, int]]] = {}
    for video, start, end, label in _spans(path):
        spans.setdefault(video, []).append((start, end, label))
    answers = read_answers(Path(data_dir), [split]).answers
    found = [_marked(answer, spans[answer.id]) for answer in answers if answer.id in spans]
    found = [m for m in found if 0 < m.present.sum() < len(m.present)]
    if not found:
        raise BadInput(
            f"{path}: no answer of the split {split!r} has both marked and unmarked frames"
        )
    return found


def _marked(answer: Answer, spans: Sequence[tuple[int, int, int]]) -> Marked:
    n_frames = max(end for _, end, _ in spans) + 1
    label = np.full(n_frames, -1)
    for start, end, value in spans:
        label[start : end + 1] = value
    frames = np.arange(0, n_frames, STEP)
    frames = frames[label[frames] >= 0]
    return Marked(answer, frames, label[frames], n_frames)


def word_score(model: Additive, question: str | None, marked: Marked) -> np.ndarray:
    """What the word at each looked-at frame adds to the score ``(F,)``, words laid evenly over the
    answer.
    """
    texts = marked.answer.transcript.split()
    shares = model.parts(texts, question).words
    return shares[np.minimum((marked.position * len(texts)).astype(int), len(texts) - 1)]


def scored(marked: Sequence[Marked]) -> list[Marked]:
    """Those whose answer the words model scores at all."""
    return [m for m in marked if count(m.answer.transcript.split()).n_words >= MIN_WORDS]


def _pairs(marked: Sequence[Marked], score: Scorer) -> np.ndarray:
    """Per answer: pairs (marked, unmarked frame) in the right order, and all pairs, ``(N, 2)``."""
    n = [m.present.sum() * (1 - m.present).sum() for m in marked]
    return np.array(
        [[metrics.auc(m.present, score(m)) * k, k] for m, k in zip(marked, n, strict=True)], float
    )


def later_is_marked(marked: Sequence[Marked]) -> bool:
    """Whether marked frames lie later in their answers than unmarked ones."""
    right, total = _pairs(marked, lambda m: m.position).sum(axis=0)
    return bool(right >= total / 2)


def locate(
    marked: Sequence[Marked], score: Scorer, later: bool, seed: int = 0, n_bootstrap: int = 2000
) -> dict[str, Any]:
    """AUC inside answers for a score and for the position (``later``: which end is marked), with
    intervals.

    ``locates``: the score is above chance and above the position, at the lower ends of their
    intervals.
    """
    weights = metrics.person_weights(
        np.array([m.answer.subject for m in marked]), n_bootstrap, seed
    )
    sign = 1 if later else -1
    pairs = {
        "words": _pairs(marked, score),
        "position": _pairs(marked, lambda m: sign * m.position),
    }
    value = {k: float(r[:, 0].sum() / r[:, 1].sum()) for k, r in pairs.items()}
    spread = {k: (weights @ r[:, 0]) / (weights @ r[:, 1]) for k, r in pairs.items()}
    intervals = {k: metrics.interval(s) for k, s in spread.items()}
    gain = metrics.interval(spread["words"] - spread["position"])
    return {
        "n_answers": len(marked),
        "n_people": len({m.answer.subject for m in marked}),
        "auc_inside_answers": {k: {"value": value[k], "ci": intervals[k]} for k in pairs},
        "gain_over_position": {"value": value["words"] - value["position"], "ci": gain},
        "locates": bool(gain[0] > 0 and intervals["words"][0] > 0.5),
    }


def score_located(
    model: WordsRecogniser,
    data_dir: Path,
    split: str = "val",
    seed: int = 0,
    n_bootstrap: int = 2000,
    position: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Whether the words model knows *when* on a split with segments, beside the position
    (:func:`locate`).

    ``position`` says which end of an answer is marked (``later_is_marked, learnt_on``; default: as
    on the model's card). Where nobody learnt it, it is the split's own, which favours the position
    row.

    Raises:
        BadInput: the split or its segments cannot be read.
    """
    marked = scored(read_marked(data_dir, split))
    position = position or (model.card.get("located") or {}).get("position")
    position = position or {
        "later_is_marked": later_is_marked(marked),
        "learnt_on": f"{split} itself",
    }

    def score(one: Marked) -> np.ndarray:
        head, name = model.head(one.answer.question)
        return word_score(head.model, name, one)

    found = locate(marked, score, bool(position["later_is_marked"]), seed, n_bootstrap)
    return {"split": split, **found, "position": dict(position), "how": HOW}


def located_card(
    model: WordsRecogniser,
    data_dir: Path,
    train_splits: Sequence[str],
    check_split: str | None,
    out_of_fold: Mapping[str, Additive],
    seed: int = 0,
    n_bootstrap: int = 2000,
) -> dict[str, Any] | None:
    """What the card says about *when*; None when no split file has segments beside it.

    ``out_of_fold``: per training person, a model that never saw that person. ``locates`` is decided
    by ``held_out`` alone: False where ``check_split`` has no segments.
    """
    with_segments = [s for s in train_splits if segment_file(data_dir, s).is_file()]
    found: dict[str, Any] = {"locates": False, "how": HOW}
    if with_segments:
        trained = scored([m for s in with_segments for m in read_marked(data_dir, s)])
        trained = [m for m in trained if m.answer.subject in out_of_fold]
        later = later_is_marked(trained)
        found["position"] = {"later_is_marked": later, "learnt_on": ", ".join(with_segments)}

        def score(one: Marked) -> np.ndarray:
            fold_model, question = out_of_fold[one.answer.subject], one.answer.question
            return word_score(
                fold_model, question if question in fold_model.questions else None, one
            )

        found["train"] = {
            "split": ", ".join(with_segments),
            "protocol": "words: people held out (cross-validation); position: its direction was "
            "learnt on these people",
            **locate(trained, score, later, seed, n_bootstrap),
        }
    if check_split and segment_file(data_dir, check_split).is_file():
        held_out = score_located(
            model, data_dir, check_split, seed, n_bootstrap, found.get("position")
        )
        found["held_out"] = {
            "protocol": "people never seen",
            **{k: v for k, v in held_out.items() if k != "how"},
        }
        found["locates"] = held_out["locates"]
    return found if "train" in found or "held_out" in found else None
