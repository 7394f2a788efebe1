"""Score a words model on labelled transcripts, beside the shortcuts it must beat, each figure with
its interval.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from twomind.core.errors import BadInput
from twomind.datasets.answers import EXPECTED, divided, read_answers
from twomind.datasets.bah_splits import Answer
from twomind.datasets.people import people_around
from twomind.evaluation import metrics, shortcuts
from twomind.evaluation.breakdown import GROUPS, MIN_PEOPLE, group_of, members
from twomind.evaluation.metrics import figures, gains
from twomind.features.words.text import count
from twomind.models.calibration import sigmoid
from twomind.models.questions import resolve
from twomind.models.words.recogniser import MIN_WORDS, WordsRecogniser, load
from twomind.types.plain import Array, Plain

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
    text = f"{salt}:{subject}"
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def plain_object(values: Mapping[str, object]) -> Plain:
    """A JSON object of :func:`plain` values."""
    return {str(k): plain(v) for k, v in values.items()}


def plain(value: object) -> object:
    """Plain JSON values: numpy numbers as Python's, nan as None, floats to six digits."""
    if isinstance(value, Mapping):
        return plain_object(value)
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return value


def probabilities(model: WordsRecogniser, answers: Sequence[Answer]) -> Array:
    """Probability of "present" per answer ``(N,)``; nan where the answer is not scored."""
    found = np.full(len(answers), np.nan)
    for i, answer in enumerate(answers):
        texts = answer.transcript.split()
        if count(texts).n_words < MIN_WORDS:
            continue
        head, name = model.head(answer.question)
        parts = head.model.parts(texts, name)
        found[i] = float(sigmoid(parts.logit + model.shift()))
    return found


def flat(model: WordsRecogniser, n: int) -> dict[str, Array]:
    """The rows that know nothing of an answer, ``(N,)`` each: the training rate, and the commoner
    class, for all.
    """
    about = model.card.get("data", {})
    rate = float(about.get("present", model.prevalence))
    commoner = float(rate > 0.5)
    return {"prevalence": np.full(n, rate), "constant": np.full(n, commoner)}


def _per_question(y: Array, p: Array, question: Array) -> list[Plain]:
    rows = []
    for name in sorted(set(question)):
        here = question == name
        own_y = y[here]
        own_p = p[here]
        row: Plain = {"question": str(name), "n": len(own_y)}
        row["observed"] = float(own_y.mean())
        row["mean_score"] = float(own_p.mean())
        row["auc"] = metrics.auc(own_y, own_p)
        row["accuracy"] = metrics.share_right(own_y, own_p)
        rows.append(row)
    return rows


def per_group(
    y: Array, p: Array, subject: Array, people: Mapping[str, Mapping[str, str]]
) -> list[Plain]:
    """Figures of groups of people; groups of fewer than :data:`MIN_PEOPLE` people carry none.

    Args:
        y: labels ``(N,)``.
        p: probability of A/H ``(N,)``.
        subject: the person of each answer ``(N,)``.
        people: what is known of each, by name.

    Returns:
        Per attribute and value: people, answers (``n``), the share with A/H, macro-F1 and AUC.
    """
    rows = []
    for key in GROUPS:
        groups = _members(subject, people, key)
        for value in sorted(groups):
            here = np.isin(subject, groups[value])
            rows.append(_group_row(key, value, groups[value], (y[here], p[here])))
    return rows


def _members(
    subject: Array, people: Mapping[str, Mapping[str, str]], key: str
) -> dict[str, list[str]]:
    """Who belongs to each value of an attribute; nobody where it is known of nobody."""
    found = members(key, np.unique(subject).tolist(), people)
    return {} if set(found) == {group_of(key, None)} else found


def _group_row(key: str, value: str, people: Sequence[str], own: tuple[Array, Array]) -> Plain:
    if len(people) < MIN_PEOPLE:
        why = f"fewer than {MIN_PEOPLE} people"
        return {"group": key, "value": value, "n_people": None, "n": None, "suppressed": why}
    y, p = own
    return {
        "group": key,
        "value": value,
        "n_people": len(people),
        "n": len(y),
        "observed": float(y.mean()),
        "macro_f1": metrics.macro_f1(y, p),
        "auc": metrics.auc(y, p),
    }


def score_answers(
    model: WordsRecogniser,
    answers: Sequence[Answer],
    seed: int = 0,
    n_bootstrap: int = 2000,
    people: Mapping[str, Mapping[str, str]] | None = None,
) -> Plain:
    """All figures of a model on labelled answers; plain values.

    Args:
        model: the words model.
        answers: labelled ones.
        seed: of the random numbers.
        n_bootstrap: resamples of people behind each interval.
        people: what is known of each person, for figures of groups.
    """
    y = np.array([answer.label for answer in answers])
    subject = np.array([answer.subject for answer in answers])
    question = np.array([answer.question or "" for answer in answers])
    names = [resolve(answer.question, model.questions) for answer in answers]
    n_words = [count(answer.transcript.split()).n_words for answer in answers]
    only = shortcuts.question_only(model.shortcuts, names)
    both = shortcuts.length_question(model.shortcuts, names, n_words)
    raw = probabilities(model, answers)
    scored = np.isfinite(raw)
    p = np.where(scored, raw, only)
    without_question = probabilities(model.with_question(False), answers)
    withheld = np.where(scored, without_question, model.prevalence)
    weights = metrics.person_weights(subject, n_bootstrap, seed)
    main = metrics.bound(y, p, question)
    by_question = metrics.bound(y, only, question)
    by_length = metrics.bound(y, both, question)
    always = flat(model, len(y))
    everybody = np.unique(subject)
    found: Plain = {
        "schema": SCHEMA,
        "n": len(y),
        "n_people": len(everybody),
        "n_not_scored": int((~scored).sum()),
        "not_scored_policy": POLICY.format(n=MIN_WORDS),
        "prevalence": float(y.mean()),
    }
    found |= figures(main, weights)
    by_rate = metrics.bound(y, always["prevalence"], question)
    by_class = metrics.bound(y, always["constant"], question)
    found["prevalence_only"] = figures(by_rate, weights)
    found["constant"] = figures(by_class, weights)
    found["question_only"] = figures(by_question, weights)
    found["length_question"] = figures(by_length, weights)
    found["gain_over_question_only"] = gains(main, by_question, weights)
    found["gain_over_length_question"] = gains(main, by_length, weights)
    without = metrics.bound(y, withheld, question)
    found["question_withheld"] = figures(without, weights)
    found["scored_only"] = None
    if scored.any():
        own_question = question[scored]
        alone = metrics.bound(y[scored], raw[scored], own_question)
        found["scored_only"] = {name: metric() for name, metric in alone.items()}
    found["per_question"] = _per_question(y, p, question)
    groups = per_group(y, p, subject, people or {})
    if groups:
        found["per_group"] = groups
    found["reliability"] = metrics.reliability_bins(y, p)
    found["overlap_with_training"] = n_trained_on(model, everybody)
    interval = (
        f"95 % percentile, {n_bootstrap} bootstrap resamples of people, seed {seed}; "
        "resampling inflates ece, so its interval can lie above its value"
    )
    found["how"] = {
        "threshold": f"present when the probability is above {metrics.THRESHOLD}",
        "within_question_auc": "pairs of answers to the same question, pooled over questions",
        "ece_bins": metrics.N_BINS,
        "interval": interval,
        "unknown_questions": names.count(None),
    }
    return plain_object(found)


def n_trained_on(model: WordsRecogniser, people: Sequence[str] | Array) -> int:
    """How many of some people the model was trained on."""
    salt = str(model.people.get("salt", ""))
    trained = set(model.people.get("hashes", ()))
    return sum(hashed(str(one), salt) in trained for one in people)


def existing(data_dir: Path) -> Path:
    """The path of the labelled answers, once it is known to be there.

    Raises:
        BadInput: there is neither a file nor a folder.
    """
    if not Path(data_dir).exists():
        raise BadInput(f"no file or folder {data_dir}; expected {EXPECTED}")
    return Path(data_dir)


def score_words(
    data_dir: Path,
    split: str = "test",
    model: WordsRecogniser | Path | None = None,
    seed: int = 0,
    n_bootstrap: int = 2000,
) -> Plain:
    """Score on ``data_dir/<split>.txt`` (BAH split format), on a labelled folder with
    ``recordings.csv``, or on a user's own CSV when ``data_dir`` is a file.

    Needs no media and no training data: the shortcuts' numbers come with the model.

    Args:
        data_dir: the folder or the CSV.
        split: of the folder.
        model: a words model or its file; None: the one that comes with the package.
        seed: of the random numbers.
        n_bootstrap: resamples of people behind each interval.

    Raises:
        BadInput: the data cannot be read.
        MissingWeights: there is no such model.
    """
    data = read_answers(existing(data_dir), [split])
    recogniser = model if isinstance(model, WordsRecogniser) else load(model)
    path = Path(data_dir)
    subjects = [answer.subject for answer in data.answers]
    people, unread = people_around(path, subjects, GROUPS)
    found = score_answers(recogniser, data.answers, seed, n_bootstrap, people)
    trained_on = recogniser.card.get("data", {})
    found["split"] = split if divided(path) else path.name
    found["model"] = {"variant": recogniser.variant, "trained_on": trained_on}
    found["n_lines_not_used"] = len(data.problems)
    found["problems"] = [*data.problems, *unread]
    return found
