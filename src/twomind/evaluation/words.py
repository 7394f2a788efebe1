"""Score a words model on labelled transcripts, beside the shortcuts it must beat, each figure with
its interval.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.datasets.bah_splits import Answer, read_answers
from twomind.evaluation import metrics, shortcuts
from twomind.features.words.text import count
from twomind.models.calibration import sigmoid
from twomind.models.questions import resolve
from twomind.models.words.recogniser import MIN_WORDS, WordsRecogniser, load

SCHEMA = "twomind.score.words/1"
POLICY = (
    "answers without a score (no words, or fewer than {n}) take the question-only probability in "
    "the figures over all "
    "answers; `scored_only` leaves them out"
)


def hashed(subject: str, salt: str) -> str:
    """A short salted hash of a participant's pseudonym: enough to notice that a person was trained
    on.
    """
    return hashlib.sha256(f"{salt}:{subject}".encode()).hexdigest()[:10]


def plain(value: Any) -> Any:
    """Plain JSON values: numpy numbers as Python's, nan as None, floats to six digits."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return value


def probabilities(model: WordsRecogniser, answers: Sequence[Answer]) -> np.ndarray:
    """Probability of "present" per answer ``(N,)``; nan where the answer is not scored."""
    found = np.full(len(answers), np.nan)
    for i, answer in enumerate(answers):
        texts = answer.transcript.split()
        if count(texts).n_words >= MIN_WORDS:
            head, name = model.head(answer.question)
            found[i] = float(sigmoid(head.model.parts(texts, name).logit + model.shift()))
    return found


def flat(model: WordsRecogniser, n: int) -> dict[str, np.ndarray]:
    """The rows that know nothing of an answer, ``(N,)`` each: the training rate, and the commoner
    class, for all.
    """
    rate = float(model.card.get("data", {}).get("present", model.prevalence))
    return {"prevalence": np.full(n, rate), "constant": np.full(n, float(rate > 0.5))}


def _block(bound: Mapping[str, Any], weights: np.ndarray) -> dict[str, Any]:
    return {**{k: f() for k, f in bound.items()}, "ci": metrics.intervals(bound, weights)}


def _gain(bound: Mapping[str, Any], base: Mapping[str, Any], weights: np.ndarray) -> dict[str, Any]:
    """Paired difference of every metric with its interval over the same resamples of people."""
    value = {k: f() - base[k]() for k, f in bound.items()}
    spread = {k: metrics.interval(f(weights) - base[k](weights)) for k, f in bound.items()}
    return {**value, "ci": spread}


def _per_question(y: np.ndarray, p: np.ndarray, question: np.ndarray) -> list[dict[str, Any]]:
    rows = []
    for q in sorted(set(question)):
        m = question == q
        rows.append(
            {
                "question": str(q),
                "n": int(m.sum()),
                "observed": float(y[m].mean()),
                "mean_score": float(p[m].mean()),
                "auc": metrics.auc(y[m], p[m]),
                "accuracy": float(((p[m] > metrics.THRESHOLD) == (y[m] == 1)).mean()),
            }
        )
    return rows


def score_answers(
    model: WordsRecogniser, answers: Sequence[Answer], seed: int = 0, n_bootstrap: int = 2000
) -> dict[str, Any]:
    """All figures of a model on labelled answers; plain values."""
    y = np.array([a.label for a in answers])
    subject = np.array([a.subject for a in answers])
    question = np.array([a.question or "" for a in answers])
    names = [resolve(a.question, model.questions) for a in answers]
    n_words = [count(a.transcript.split()).n_words for a in answers]
    only = shortcuts.question_only(model.shortcuts, names)
    both = shortcuts.length_question(model.shortcuts, names, n_words)
    raw = probabilities(model, answers)
    scored = np.isfinite(raw)
    p = np.where(scored, raw, only)
    withheld = probabilities(model.with_question(False), answers)
    withheld = np.where(scored, withheld, model.prevalence)
    weights = metrics.person_weights(subject, n_bootstrap, seed)
    main, base_q, base_lq = (metrics.bound(y, s, question) for s in (p, only, both))
    always = {
        k: _block(metrics.bound(y, s, question), weights) for k, s in flat(model, len(y)).items()
    }
    people = np.unique(subject)
    salt = str(model.people.get("salt", ""))
    trained = set(model.people.get("hashes", ()))
    found = {
        "schema": SCHEMA,
        "n": len(y),
        "n_people": len(people),
        "n_not_scored": int((~scored).sum()),
        "not_scored_policy": POLICY.format(n=MIN_WORDS),
        "prevalence": float(y.mean()),
        **_block(main, weights),
        "prevalence_only": always["prevalence"],
        "constant": always["constant"],
        "question_only": _block(base_q, weights),
        "length_question": _block(base_lq, weights),
        "gain_over_question_only": _gain(main, base_q, weights),
        "gain_over_length_question": _gain(main, base_lq, weights),
        "question_withheld": _block(metrics.bound(y, withheld, question), weights),
        "scored_only": {
            k: f() for k, f in metrics.bound(y[scored], raw[scored], question[scored]).items()
        }
        if scored.any()
        else None,
        "per_question": _per_question(y, p, question),
        "reliability": metrics.reliability_bins(y, p),
        "overlap_with_training": int(sum(hashed(str(s), salt) in trained for s in people)),
        "how": {
            "threshold": f"present when the probability is above {metrics.THRESHOLD}",
            "within_question_auc": "pairs of answers to the same question, pooled over questions",
            "ece_bins": metrics.N_BINS,
            "interval": f"95 % percentile, {n_bootstrap} bootstrap resamples of people, seed "
            f"{seed}; "
            "resampling inflates ece, so its interval can lie above its value",
            "unknown_questions": int(sum(n is None for n in names)),
        },
    }
    return plain(found)


def existing(data_dir: Path) -> Path:
    """The path itself.

    Raises:
        BadInput: there is neither a file nor a folder.
    """
    if not Path(data_dir).exists():
        raise BadInput(
            f"no file or folder {data_dir}; expected a folder with split files (train.txt, val.txt "
            "…), or a CSV with "
            "the columns subject, question, label, transcript"
        )
    return Path(data_dir)


def score_words(
    data_dir: Path,
    split: str = "test",
    model: WordsRecogniser | Path | None = None,
    seed: int = 0,
    n_bootstrap: int = 2000,
) -> dict[str, Any]:
    """Score on ``data_dir/<split>.txt`` (BAH split format), or on a user's own CSV when
    ``data_dir`` is a file.

    Needs no media and no training data: the shortcuts' numbers come with the model.

    Raises:
        BadInput: the data cannot be read.
        MissingWeights: there is no such model.
    """
    data = read_answers(existing(data_dir), [split])
    recogniser = model if isinstance(model, WordsRecogniser) else load(model)
    found = score_answers(recogniser, data.answers, seed, n_bootstrap)
    return {
        **found,
        "split": split if Path(data_dir).is_dir() else Path(data_dir).name,
        "model": {"variant": recogniser.variant, "trained_on": recogniser.card.get("data", {})},
        "n_lines_not_used": len(data.problems),
        "problems": list(data.problems),
    }
