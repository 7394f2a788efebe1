"""Does a model know *when*? Its score inside an answer against annotated segments, beside the
position alone.

A model may draw segments only when, on people it never saw, its score tells marked from unmarked
moments better than chance and better than the position in the answer (lower ends of both
intervals). Moments of one answer are compared with moments of the same answer only, so that neither
the question nor the person can help. Which end of an answer the position row favours is learnt on
the training people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from twomind.core import csv_text
from twomind.core.errors import BadInput
from twomind.datasets.answers import read_answers
from twomind.datasets.bah_splits import Answer, video_id
from twomind.evaluation import metrics
from twomind.features.words.text import count
from twomind.models.words.additive import Additive
from twomind.models.words.recogniser import MIN_WORDS, WordsRecogniser
from twomind.types.plain import Array, Plain

#: Frames are looked at this often: neighbours say the same, and pairs grow with the square.
STEP = 6
HOW_MEASURED = (
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
    frames: Array
    present: Array
    n_frames: int

    @property
    def position(self) -> Array:
        """How far into the answer each frame lies ``(F,)``, in [0, 1)."""
        return self.frames / self.n_frames

    @property
    def has_both(self) -> bool:
        """Whether some frames are marked and some are not."""
        n_marked = self.present.sum()
        return bool(0 < n_marked < len(self.present))


#: ``score(marked) -> (F,)``; higher where the model sees more A/H.
Scorer: TypeAlias = Callable[[Marked], Array]


class _Span(NamedTuple):
    """One row of a segment file; both frames lie inside."""

    video: str
    start: int
    end: int
    label: int


def _spans(path: Path) -> Iterator[_Span]:
    """Every row of a segment file."""
    with csv_text.table(path) as file:
        reader = csv_text.Reader(file, path)
        missing = [name for name in _COLUMNS if name not in reader.columns]
        if missing:
            raise BadInput(
                f"{path}: expected the columns {', '.join(_COLUMNS)}; missing: {', '.join(missing)}"
            )
        for row in reader:
            yield _span(row, f"{path}: line {reader.line_num}")


def _span(row: Mapping[str, str], where: str) -> _Span:
    try:
        start = int(row["start_frame"])
        end = int(row["end_frame"])
        label = int(row["label"])
    except (TypeError, ValueError) as error:
        raise BadInput(f"{where}: expected whole numbers ({error})") from error
    if not 0 <= start <= end or label not in (0, 1):
        raise BadInput(
            f"{where}: expected 0 <= start_frame <= end_frame and "
            "the label 0 or 1, "
            f"got {start}, {end}, {label}"
        )
    return _Span(video_id(row["video"]), start, end, label)


def segment_file(data_dir: Path, split: str) -> Path:
    """Where the segments of a split lie."""
    return Path(data_dir) / f"segments_{split}.csv"


def read_marked(data_dir: Path, split: str) -> list[Marked]:
    """Answers of a split that have both marked and unmarked frames in ``segments_<split>.csv``.

    Columns: ``video, label, start_frame, end_frame`` (inclusive), others are ignored.

    Raises:
        BadInput: the segment file is absent, lacks a column, holds something else than numbers, or
            no such answer.
    """
    path = segment_file(data_dir, split)
    if not path.is_file():
        raise BadInput(
            f"no segment file {path}; expected a CSV with {', '.join(_COLUMNS)} (frames, inclusive)"
        )
    spans: dict[str, list[tuple[int, int, int]]] = {}
    for video, start, end, label in _spans(path):
        spans.setdefault(video, []).append((start, end, label))
    found = []
    for answer in read_answers(Path(data_dir), [split]).answers:
        if answer.id not in spans:
            continue
        marked = _marked(answer, spans[answer.id])
        if marked.has_both:
            found.append(marked)
    if not found:
        raise BadInput(
            f"{path}: no answer of the split {split!r} has both marked and unmarked frames"
        )
    return found


def _marked(answer: Answer, spans: Sequence[tuple[int, int, int]]) -> Marked:
    n_frames = 1 + max(end for _, end, _ in spans)
    label = np.full(n_frames, -1)
    for start, end, value in spans:
        label[start : end + 1] = value
    frames = np.arange(0, n_frames, STEP)
    coded = label[frames] >= 0
    frames = frames[coded]
    return Marked(answer, frames, label[frames], n_frames)


def word_score(model: Additive, question: str | None, marked: Marked) -> Array:
    """What the word at each looked-at frame adds to the score ``(F,)``, words laid evenly over the
    answer.

    Args:
        model: the words model.
        question: the answer's question, as the model knows it.
        marked: the answer with its frames.
    """
    texts = marked.answer.transcript.split()
    shares = model.parts(texts, question).words
    at = (marked.position * len(texts)).astype(int)
    return np.asarray(shares[np.minimum(at, len(texts) - 1)])


def scored(marked: Sequence[Marked]) -> list[Marked]:
    """Those whose answer the words model scores at all."""
    found = []
    for one in marked:
        texts = one.answer.transcript.split()
        if count(texts).n_words >= MIN_WORDS:
            found.append(one)
    return found


@dataclass(frozen=True)
class _Pairs:
    """Per answer ``(N,)``: pairs (marked, unmarked frame) in the right order, and all pairs."""

    right: Array
    total: Array

    @property
    def share(self) -> float:
        """Of all pairs, pooled over the answers."""
        return float(self.right.sum() / self.total.sum())

    def resampled(self, weights: Array) -> Array:
        """The share in every resample ``weights (B, N)``."""
        found: Array = (weights @ self.right) / (weights @ self.total)
        return found


def _pairs(marked: Sequence[Marked], score: Scorer) -> _Pairs:
    right = []
    total = []
    for one in marked:
        n_marked = one.present.sum()
        n_pairs = n_marked * (1 - one.present).sum()
        right.append(metrics.auc(one.present, score(one)) * n_pairs)
        total.append(n_pairs)
    return _Pairs(np.array(right, float), np.array(total, float))


def later_is_marked(marked: Sequence[Marked]) -> bool:
    """Whether marked frames lie later in their answers than unmarked ones."""
    pairs = _pairs(marked, lambda one: one.position)
    return bool(pairs.right.sum() >= pairs.total.sum() / 2)


def locate(
    marked: Sequence[Marked], score: Scorer, later: bool, seed: int = 0, n_bootstrap: int = 2000
) -> Plain:
    """AUC inside answers for a score and for the position, with intervals.

    ``locates``: the score is above chance and above the position, at the lower ends of their
    intervals.

    Args:
        marked: answers with marked and unmarked frames.
        score: of the frames of one answer.
        later: which end of an answer is marked, for the position.
        seed: of the random numbers.
        n_bootstrap: resamples of people behind each interval.
    """
    subjects = np.array([one.answer.subject for one in marked])
    weights = metrics.person_weights(subjects, n_bootstrap, seed)
    sign = 1 if later else -1
    words = _pairs(marked, score)
    position = _pairs(marked, lambda one: sign * one.position)
    of_words = words.resampled(weights)
    of_position = position.resampled(weights)
    words_ci = metrics.interval(of_words)
    position_ci = metrics.interval(of_position)
    gain_ci = metrics.interval(of_words - of_position)
    return {
        "n_answers": len(marked),
        "n_people": len(set(subjects.tolist())),
        "auc_inside_answers": {
            "words": {"value": words.share, "ci": words_ci},
            "position": {"value": position.share, "ci": position_ci},
        },
        "gain_over_position": {"value": words.share - position.share, "ci": gain_ci},
        "locates": bool(gain_ci[0] > 0 and words_ci[0] > 0.5),
    }


def score_located(
    model: WordsRecogniser,
    data_dir: Path,
    split: str = "val",
    seed: int = 0,
    n_bootstrap: int = 2000,
    position: Mapping[str, object] | None = None,
) -> Plain:
    """Whether the words model knows *when* on a split with segments, beside the position
    (:func:`locate`).

    Args:
        model: the words model.
        data_dir: folder of the split files.
        split: a split with a segment file.
        seed: of the random numbers.
        n_bootstrap: resamples of people behind each interval.
        position: which end of an answer is marked (``later_is_marked, learnt_on``; default: as on
            the model's card). Where nobody learnt it, it is the split's own, which favours the
            position row.

    Raises:
        BadInput: the split or its segments cannot be read.
    """
    marked = scored(read_marked(data_dir, split))
    on_card = model.card.get("located") or {}
    position = position or on_card.get("position")
    if not position:
        position = {"later_is_marked": later_is_marked(marked), "learnt_on": f"{split} itself"}

    def score(one: Marked) -> Array:
        head, name = model.head(one.answer.question)
        return word_score(head.model, name, one)

    later = bool(position["later_is_marked"])
    found = locate(marked, score, later, seed, n_bootstrap)
    return {"split": split, **found, "position": dict(position), "how": HOW_MEASURED}


@dataclass(frozen=True)
class Segments:
    """Split files in a folder: those that were trained on, and one of people never seen."""

    data_dir: Path
    train_splits: Sequence[str]
    check_split: str | None

    def has(self, split: str | None) -> bool:
        """Whether a split file has segments beside it."""
        return bool(split) and segment_file(self.data_dir, str(split)).is_file()


def located_card(
    model: WordsRecogniser,
    segments: Segments,
    out_of_fold: Mapping[str, Additive],
    seed: int = 0,
    n_bootstrap: int = 2000,
) -> Plain | None:
    """What the card says about *when*; None when no split file has segments beside it.

    ``locates`` is decided by ``held_out`` alone: False where the check split has no segments.

    Args:
        model: the words model.
        segments: the split files.
        out_of_fold: per training person, a model that never saw that person.
        seed: of the random numbers.
        n_bootstrap: resamples of people behind each interval.
    """
    splits = [split for split in segments.train_splits if segments.has(split)]
    found: Plain = {"locates": False, "how": HOW_MEASURED}
    if splits:
        trained = _of_known_people(segments.data_dir, splits, out_of_fold)
        later = later_is_marked(trained)
        names = ", ".join(splits)
        found["position"] = {"later_is_marked": later, "learnt_on": names}
        own = _out_of_fold_score(out_of_fold)
        found["train"] = {
            "split": names,
            "protocol": "words: people held out (cross-validation); position: its direction was "
            "learnt on these people",
            **locate(trained, own, later, seed, n_bootstrap),
        }
    check_split = segments.check_split
    if check_split and segments.has(check_split):
        position = found.get("position")
        held_out = score_located(model, segments.data_dir, check_split, seed, n_bootstrap, position)
        del held_out["how"]
        found["held_out"] = {"protocol": "people never seen", **held_out}
        found["locates"] = held_out["locates"]
    return found if "train" in found or "held_out" in found else None


def _of_known_people(
    data_dir: Path, splits: Sequence[str], people: Mapping[str, Additive]
) -> list[Marked]:
    """Scored answers of some splits, by people that have a model of their own."""
    found = []
    for split in splits:
        for one in scored(read_marked(data_dir, split)):
            if one.answer.subject in people:
                found.append(one)
    return found


def _out_of_fold_score(out_of_fold: Mapping[str, Additive]) -> Scorer:
    """Each person's frames by the model that never saw that person."""

    def score(one: Marked) -> Array:
        model = out_of_fold[one.answer.subject]
        question = one.answer.question
        if question not in model.questions:
            question = None
        return word_score(model, question, one)

    return score
