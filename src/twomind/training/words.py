"""Fit the words model: L2 logistic regression, its penalty and slope chosen inside the training
people only.

Every choice that looks at labels (penalty, calibration slope) is made by participant-grouped
cross-validation inside the rows it is given, so :func:`held_out` can repeat the whole recipe per
fold. Needs scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from twomind.core.errors import BadInput, MissingExtra
from twomind.datasets.bah_splits import Answer
from twomind.features.words.lexicon import lexicon
from twomind.features.words.text import Counted, count
from twomind.models.calibration import log_loss, temperature
from twomind.models.words.additive import Additive, NGrams, excess, ngram_terms
from twomind.training.words_grams import Counts, Grams, count_terms, grams, solve_dual, tf_idf

#: The content of the shipped model: of the lexicon (written before any label was looked at) the
#: markers a coder of hesitancy looks for, kept because larger sets were worse in cross-validation
#: on the training people. Filler sounds, repeats and restarts are not in it: automatic transcripts
#: drop them, so a weight would measure the transcriber, not the speaker.
CONTENT = (
    "hedge",
    "uncertainty",
    "contrast",
    "desire",
    "obligation",
    "negation",
    "change_talk",
    "sustain_talk",
)

#: Penalty of the lexicon weights, and of the n-gram weights (None: no n-grams).
Penalty = tuple[float, float | None]


@dataclass(frozen=True)
class Recipe:
    """How to fit. Penalties are of standardised features, in the unit of one answer's
    log-likelihood.
    """

    variant: str = "lexicon"  # or "ngram": word n-grams as well, for local use
    content: tuple[str, ...] = CONTENT  # lexicon categories that enter
    penalties: tuple[float, ...] = (30.0, 60.0, 100.0, 200.0)  # candidates for the lexicon weights
    ngram_penalties: tuple[float, ...] = (
        0.5,
        1.0,
        2.0,
        4.0,
    )  # candidates for the n-gram weights (variant "ngram")
    question_penalty: float = 0.3  # of each question's log-odds
    length_penalty: float = 0.5  # of the weight of length
    min_people: int = 3  # an n-gram said by fewer people is left out
    n_folds: int = 5  # people are dealt into this many groups
    n_repeats: int = 5  # different deals; figures are the mean over them
    seed: int = 0  # of the deals

    def candidates(self, with_question: bool = True) -> list[Penalty]:
        """(penalty of the lexicon, penalty of the n-grams or None)."""
        if self.variant == "lexicon":
            return [(p, None) for p in self.penalties]
        if self.variant == "ngram":
            # Leaving questions out takes many fits; the strongest penalty travels best to a new
            # prompt.
            return [
                (60.0, p)
                for p in (self.ngram_penalties if with_question else self.ngram_penalties[-1:])
            ]
        raise BadInput(f"variant: expected 'lexicon' or 'ngram', got {self.variant!r}")


@dataclass(frozen=True)
class Table:
    """Labelled answers as arrays: ``y, subject, question, n_words (N,)``, ``counts (N, K)``."""

    y: np.ndarray
    subject: np.ndarray
    question: np.ndarray
    n_words: np.ndarray
    counts: np.ndarray
    texts: tuple[list[str], ...]
    counted: tuple[Counted, ...]

    @cached_property
    def terms(self) -> Counts:
        """All n-grams of every answer, counted."""
        return count_terms(
            [
                [t for t, _ in ngram_terms(said, c, 2)]
                for said, c in zip(self.texts, self.counted, strict=True)
            ]
        )

    def __len__(self) -> int:
        return len(self.y)


def table(answers: Sequence[Answer], min_words: int) -> Table:
    """Count the words of every answer; answers under ``min_words`` are left out (they are never
    scored).
    """
    texts = [a.transcript.split() for a in answers]
    counted = [count(t) for t in texts]
    keep = [i for i, c in enumerate(counted) if c.n_words >= min_words]
    if not keep:
        raise BadInput(f"no answer has at least {min_words} words")
    return Table(
        y=np.array([answers[i].label for i in keep]),
        subject=np.array([answers[i].subject for i in keep]),
        question=np.array([answers[i].question or "" for i in keep]),
        n_words=np.array([counted[i].n_words for i in keep]),
        counts=np.array([counted[i].counts for i in keep]),
        texts=tuple(texts[i] for i in keep),
        counted=tuple(counted[i] for i in keep),
    )


def deal(subject: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Fold of every answer ``(N,)``: whole people are dealt at random into ``n_folds`` groups."""
    people, index = np.unique(subject, return_inverse=True)
    place = np.empty(len(people), int)
    place[np.random.default_rng(seed).permutation(len(people))] = np.arange(len(people)) % n_folds
    return place[index]


def _columns(categories: Sequence[str]) -> np.ndarray:
    return np.array([lexicon().names.index(c) for c in categories], int)


def _even(question: np.ndarray) -> np.ndarray:
    """Weights ``(N,)`` with mean 1 under which every question is asked equally often."""
    _, index, n = np.unique(question, return_inverse=True, return_counts=True)
    weights = 1.0 / n[index]
    return weights / weights.mean()


def _average_rates(counts: np.ndarray, n_words: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Rates ``(K,)`` under which the weighted mean of :func:`excess` is zero, by bisection."""
    low, high = np.zeros(counts.shape[1]), np.ones(counts.shape[1])
    for _ in range(60):
        middle = (low + high) / 2
        above = weights @ excess(counts, n_words, middle) > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    # A category that nobody used has no rate; left at the bisection's last step it would divide by
    # next to nothing.
    return np.where(counts.sum(axis=0) > 0, (low + high) / 2, 0.0)


def _solve(x: np.ndarray, y: np.ndarray, penalty: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights ``(D,)`` minimising ``sum(w * log loss) + penalty * b**2 / 2``."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtra("train", "fitting a words model") from error
    scale = 1 / np.sqrt(penalty)
    fitted = LogisticRegression(
        C=1.0, fit_intercept=False, solver="newton-cholesky", tol=1e-8, max_iter=2000
    )
    return np.asarray(fitted.fit(x * scale, y, sample_weight=weights).coef_[0] * scale)


@dataclass(frozen=True)
class Prepared:
    """What a fit on some rows needs whatever the penalties: features, their scales and averages."""

    y: np.ndarray
    weights: np.ndarray  # (n,) of the answers in the fit
    even: np.ndarray  # (n,) under which every question is asked equally often
    levels: np.ndarray  # the questions; empty for the model without the question
    n_front: int  # columns before length: one per question, or one constant
    length_mean: float
    length_sd: float
    names: tuple[str, ...]  # lexicon categories
    rates: np.ndarray
    z_sd: np.ndarray
    x: np.ndarray  # (n, D): front, length, content
    base_penalty: np.ndarray  # (n_front + 1,)
    grams: Grams | None
    terms: tuple[str, ...]  # of the n-grams


def prepare(data: Table, rows: np.ndarray, with_question: bool, recipe: Recipe) -> Prepared:
    """Features of ``rows`` (indices) with averages and scales of those rows alone."""
    question, n = data.question[rows], data.n_words[rows]
    even = _even(question)
    levels = np.unique(question)
    front = (
        (question[:, None] == levels).astype(float) if with_question else np.ones((len(rows), 1))
    )
    log_n = np.log1p(n)
    length_mean = float(np.average(log_n, weights=even))
    length_sd = float(np.sqrt(np.average((log_n - length_mean) ** 2, weights=even))) or 1.0
    counts = data.counts[np.ix_(rows, _columns(recipe.content))]
    rates = _average_rates(counts, n, even)
    z = excess(counts, n, rates)
    z_sd = np.sqrt(even @ z**2 / even.sum())
    z_sd = np.where(z_sd > 0, z_sd, 1.0)
    n_front = front.shape[1]
    found = (
        grams(data.terms, rows, data.subject, recipe.min_people)
        if recipe.variant == "ngram"
        else None
    )
    return Prepared(
        y=data.y[rows],
        # Without the question, the prior of an unknown prompt is that of the questions asked
        # equally often.
        weights=np.ones(len(rows)) if with_question else even,
        even=even,
        levels=levels if with_question else levels[:0],
        n_front=n_front,
        length_mean=length_mean,
        length_sd=length_sd,
        names=recipe.content,
        rates=rates,
        z_sd=z_sd,
        x=np.column_stack([front, (log_n - length_mean) / length_sd, z / z_sd]),
        base_penalty=np.r_[
            np.full(n_front, recipe.question_penalty if with_question else 0.01),
            recipe.length_penalty,
        ],
        grams=found,
        terms=tuple(data.terms.terms[j] for j in found.columns) if found else (),
    )


def solve(made: Prepared, penalty: Penalty) -> Additive:
    """The model with given penalties, not calibrated."""
    x, n_front = made.x, made.n_front
    penalties = np.r_[made.base_penalty, np.full(len(made.names), penalty[0])]
    ngrams, offset = None, 0.0
    if made.grams is not None and penalty[1] is not None:
        kernel = (x / penalties) @ x.T + made.grams.products / penalty[1]
        a = solve_dual(kernel, made.y, made.weights)
        b, w = x.T @ a / penalties, made.grams.values.T @ a / penalty[1]
        offset = float(np.average(made.grams.values @ w, weights=made.even))
        terms = {
            t: (float(i), float(v)) for t, i, v in zip(made.terms, made.grams.idf, w, strict=True)
        }
        ngrams = NGrams(terms, offset)
    else:
        b = _solve(x, made.y, penalties, made.weights)
    average = float(b[:n_front].mean())
    content = zip(made.names, b[n_front + 1 :] / made.z_sd, made.rates, strict=True)
    return Additive(
        baseline=average + offset,
        questions={str(q): float(v - average) for q, v in zip(made.levels, b, strict=False)},
        length_weight=float(b[n_front] / made.length_sd),
        length_mean=made.length_mean,
        content={c: (float(w), float(r)) for c, w, r in content},
        ngrams=ngrams,
    )


def fit_once(
    data: Table, rows: np.ndarray, with_question: bool, recipe: Recipe, penalty: Penalty
) -> Additive:
    """One model on ``rows`` (indices) with given penalties, not calibrated."""
    return solve(prepare(data, rows, with_question, recipe), penalty)


def logits(model: Additive, data: Table, rows: np.ndarray) -> np.ndarray:
    """Log-odds of ``rows`` (indices) under a model, ``(n,)``: the same number as
    ``model.parts(...).logit``.
    """
    columns = _columns(tuple(model.content))
    weights, rates = (
        (np.array(v) for v in zip(*model.content.values(), strict=True))
        if len(columns)
        else (np.empty(0),) * 2
    )
    n = data.n_words[rows]
    found = model.baseline + model.length_weight * (np.log1p(n) - model.length_mean)
    found = found + excess(data.counts[np.ix_(rows, columns)], n, rates) @ weights
    if model.questions:
        # A question that no training person of this fold answered gets the average one's log-odds.
        found = found + np.array([model.questions.get(str(q), 0.0) for q in data.question[rows]])
    if model.ngrams is not None:
        known = np.array([data.terms.column[t] for t in model.ngrams.terms], int)
        idf, weights = np.array(list(model.ngrams.terms.values())).reshape(-1, 2).T
        found = found + tf_idf(data.terms, rows, known, idf) @ weights - model.ngrams.offset
    return found


def scaled(model: Additive, slope: float) -> Additive:
    """The model with its log-odds times ``slope``; without questions, the baseline (the prior of
    any prompt) stays.
    """
    grams = model.ngrams
    return replace(
        model,
        baseline=model.baseline * slope if model.questions else model.baseline,
        questions={q: v * slope for q, v in model.questions.items()},
        length_weight=model.length_weight * slope,
        content={c: (w * slope, r) for c, (w, r) in model.content.items()},
        ngrams=replace(
            grams,
            terms={t: (i, w * slope) for t, (i, w) in grams.terms.items()},
            offset=grams.offset * slope,
        )
        if grams
        else None,
    )


def _splits(
    data: Table, rows: np.ndarray, by_question: bool, n_folds: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train, test) indices: other people; ``by_question`` also another question (people *and*
    prompt unseen).
    """
    fold = deal(data.subject[rows], n_folds, seed)
    levels = np.unique(data.question[rows])
    found = []
    for f in range(n_folds):
        for level in levels if by_question and len(levels) > 1 else [None]:
            test = fold == f
            train = ~test
            if level is not None:
                test, train = (
                    test & (data.question[rows] == level),
                    train & (data.question[rows] != level),
                )
            if test.any() and len(np.unique(data.y[rows][train])) == 2:
                found.append((rows[train], rows[test]))
    return found


@dataclass(frozen=True)
class Chosen:
    """A calibrated model, the penalties and the slope that its own cross-validation chose."""

    model: Additive
    penalty: Penalty
    slope: float


def fit(data: Table, rows: np.ndarray, with_question: bool, recipe: Recipe) -> Chosen:
    """Choose the penalty by grouped cross-validation on ``rows``, fit on all of them, calibrate the
    slope out of fold.

    Without the question, the folds also leave the question out: what is chosen is what works on a
    prompt never seen. Where no fold leaves both labels to train on, there is no choice: the
    strongest penalty, and the slope 1.

    Raises:
        BadInput: ``rows`` have one label only.
    """
    if len(np.unique(data.y[rows])) < 2:
        raise BadInput(
            f"the label {1 - int(data.y[rows][0])} is given to too few people: without one group "
            "of "
            "people in the "
            "cross-validation, none is left; add answers with that label, by several people"
        )
    splits = _splits(
        data, rows, not with_question, recipe.n_folds if with_question else 3, recipe.seed + 1
    )
    if not splits:
        penalty = recipe.candidates(with_question)[-1]
        return Chosen(fit_once(data, rows, with_question, recipe, penalty), penalty, 1.0)
    test = np.concatenate([t for _, t in splits])
    tried = []
    made = [prepare(data, a, with_question, recipe) for a, _ in splits]
    for penalty in recipe.candidates(with_question):
        fitted = [solve(m, penalty) for m in made]
        out = np.concatenate([logits(m, data, b) for m, (_, b) in zip(fitted, splits, strict=True)])
        # The part of each held-out score that the slope leaves alone.
        fixed = [
            np.full(len(b), 0.0 if with_question else m.baseline)
            for m, (_, b) in zip(fitted, splits, strict=True)
        ]
        tried.append((log_loss(data.y[test], out), penalty, out, np.concatenate(fixed)))
    _, penalty, out, fixed_part = min(tried, key=lambda t: t[0])
    slope = temperature(data.y[test], out - fixed_part, fixed_part)
    return Chosen(
        scaled(fit_once(data, rows, with_question, recipe, penalty), slope), penalty, slope
    )


def fit_length_question(data: Table, rows: np.ndarray, recipe: Recipe) -> Additive:
    """The shortcut model: question and length by the same solver, no content, no slope."""
    return fit_once(data, rows, True, replace(recipe, variant="lexicon", content=()), (1.0, None))


def question_rates(data: Table, rows: np.ndarray) -> dict[str, float]:
    """Share of A/H per question among ``rows``."""
    y, question = data.y[rows], data.question[rows]
    return {str(q): float(y[question == q].mean()) for q in np.unique(question)}


@dataclass(frozen=True)
class HeldOut:
    """Log-odds of every answer from models that never saw its person, ``(R, N)`` over R deals, and
    its fold.
    """

    fold: np.ndarray
    known: np.ndarray
    length_question: np.ndarray
    question_only: np.ndarray  # probabilities, (R, N)
    own_prompt: np.ndarray  # (R', N): the question unseen as well
    own_baseline: np.ndarray  # (R', N): the baseline of the model that scored each of them


def n_steps(data: Table, recipe: Recipe) -> int:
    """How many times :func:`held_out` calls ``tick``."""
    everyone = np.arange(len(data))
    own = sum(len(_splits(data, everyone, True, recipe.n_folds, s)) for s in _own_seeds(recipe))
    return recipe.n_repeats * recipe.n_folds + own


def _own_seeds(recipe: Recipe) -> list[int]:
    """Deals for the model without the question: fewer, for each leaves every question out
    in turn.
    """
    return [recipe.seed + 100 + r for r in range(min(2, recipe.n_repeats))]


def held_out(data: Table, recipe: Recipe, tick: Callable[[], None] = lambda: None) -> HeldOut:
    """Repeat the whole recipe, choices included, without each group of people (and without each
    question).
    """
    n, everyone = len(data), np.arange(len(data))
    folds: list[np.ndarray] = []
    known: list[np.ndarray] = []
    lq: list[np.ndarray] = []
    qo: list[np.ndarray] = []
    for r in range(recipe.n_repeats):
        fold = deal(data.subject, recipe.n_folds, recipe.seed + 100 + r)
        rows = [np.zeros(n) for _ in range(3)]
        for f in range(recipe.n_folds):
            train, test = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
            rates = question_rates(data, train)
            rows[0][test] = logits(fit(data, train, True, recipe).model, data, test)
            rows[1][test] = logits(fit_length_question(data, train, recipe), data, test)
            rows[2][test] = [
                rates.get(str(q), float(data.y[train].mean())) for q in data.question[test]
            ]
            tick()
        folds.append(fold)
        for store, row in zip((known, lq, qo), rows, strict=True):
            store.append(row)
    own, own_baseline = [], []
    for seed in _own_seeds(recipe):
        row, base = np.full(n, np.nan), np.full(n, np.nan)
        for train, test in _splits(data, everyone, True, recipe.n_folds, seed):
            model = fit(data, train, False, recipe).model
            row[test], base[test] = logits(model, data, test), model.baseline
            tick()
        own.append(row)
        own_baseline.append(base)
    return HeldOut(*(np.array(a) for a in (folds, known, lq, qo, own, own_baseline)))


def fold_models(data: Table, recipe: Recipe) -> tuple[np.ndarray, list[Additive]]:
    """Fold of every answer ``(N,)`` in the first deal, and per fold the model of all
    other people.
    """
    fold = deal(data.subject, recipe.n_folds, recipe.seed + 100)
    return fold, [
        fit(data, np.flatnonzero(fold != f), True, recipe).model for f in range(recipe.n_folds)
    ]
