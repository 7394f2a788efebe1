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
from twomind.types.plain import Array

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
    #: candidates for the n-gram weights (variant "ngram")
    ngram_penalties: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
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
            tried = self.ngram_penalties
            if not with_question:
                # Leaving questions out takes many fits; the strongest penalty travels best to a new
                # prompt.
                tried = tried[-1:]
            return [(60.0, p) for p in tried]
        raise BadInput(f"variant: expected 'lexicon' or 'ngram', got {self.variant!r}")


@dataclass(frozen=True)
class Table:
    """Labelled answers as arrays: ``y, subject, question, n_words (N,)``, ``counts (N, K)``."""

    y: Array
    subject: Array
    question: Array
    n_words: Array
    counts: Array
    texts: tuple[list[str], ...]
    counted: tuple[Counted, ...]

    @cached_property
    def terms(self) -> Counts:
        """All n-grams of every answer, counted."""
        answers = []
        for said, counted in zip(self.texts, self.counted, strict=True):
            answers.append([term for term, _ in ngram_terms(said, counted, 2)])
        return count_terms(answers)

    def __len__(self) -> int:
        return len(self.y)


def table(answers: Sequence[Answer], min_words: int) -> Table:
    """Count the words of every answer; answers under ``min_words`` are left out (they are never
    scored).
    """
    kept: list[Answer] = []
    texts: list[list[str]] = []
    counted: list[Counted] = []
    for answer in answers:
        said = answer.transcript.split()
        found = count(said)
        if found.n_words >= min_words:
            kept.append(answer)
            texts.append(said)
            counted.append(found)
    if not kept:
        raise BadInput(f"no answer has at least {min_words} words")
    y = [a.label for a in kept]
    subject = [a.subject for a in kept]
    question = [a.question or "" for a in kept]
    n_words = [c.n_words for c in counted]
    counts = [c.counts for c in counted]
    return Table(
        y=np.array(y),
        subject=np.array(subject),
        question=np.array(question),
        n_words=np.array(n_words),
        counts=np.array(counts),
        texts=tuple(texts),
        counted=tuple(counted),
    )


def deal(subject: Array, n_folds: int, seed: int) -> Array:
    """Whole people are dealt at random into groups.

    Args:
        subject: the person of every answer ``(N,)``.
        n_folds: number of groups.
        seed: of the deal.

    Returns:
        Fold of every answer ``(N,)``.
    """
    people, index = np.unique(subject, return_inverse=True)
    n = len(people)
    order = np.random.default_rng(seed).permutation(n)
    place = np.empty(n, int)
    place[order] = np.arange(n) % n_folds
    return place[index]


def _columns(categories: Sequence[str]) -> Array:
    names = lexicon().names
    return np.array([names.index(c) for c in categories], int)


def _even(question: Array) -> Array:
    """Weights ``(N,)`` with mean 1 under which every question is asked equally often."""
    _, index, n = np.unique(question, return_inverse=True, return_counts=True)
    weights = 1.0 / n[index]
    even: Array = weights / weights.mean()
    return even


def _average_rates(counts: Array, n_words: Array, weights: Array) -> Array:
    """Rates ``(K,)`` under which the weighted mean of :func:`excess` is zero, by bisection."""
    low = np.zeros(counts.shape[1])
    high = np.ones(counts.shape[1])
    for _ in range(60):
        middle = (low + high) / 2
        above = weights @ excess(counts, n_words, middle) > 0
        low = np.where(above, middle, low)
        high = np.where(above, high, middle)
    # A category that nobody used has no rate; left at the bisection's last step it would divide by
    # next to nothing.
    used = counts.sum(axis=0) > 0
    return np.where(used, (low + high) / 2, 0.0)


def _solve(x: Array, y: Array, penalty: Array, weights: Array) -> Array:
    """Weights ``(D,)`` minimising ``sum(w * log loss) + penalty * b**2 / 2``."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtra("train", "fitting a words model") from error
    scale = 1 / np.sqrt(penalty)
    regression = LogisticRegression(
        C=1.0, fit_intercept=False, solver="newton-cholesky", tol=1e-8, max_iter=2000
    )
    fitted = regression.fit(x * scale, y, sample_weight=weights)
    return np.asarray(fitted.coef_[0] * scale)


@dataclass(frozen=True)
class Prepared:
    """What a fit on some rows needs whatever the penalties: features, their scales and averages."""

    y: Array
    weights: Array  # (n,) of the answers in the fit
    even: Array  # (n,) under which every question is asked equally often
    levels: Array  # the questions; empty for the model without the question
    n_front: int  # columns before length: one per question, or one constant
    length_mean: float
    length_sd: float
    names: tuple[str, ...]  # lexicon categories
    rates: Array
    z_sd: Array
    x: Array  # (n, D): front, length, content
    base_penalty: Array  # (n_front + 1,)
    grams: Grams | None
    terms: tuple[str, ...]  # of the n-grams


def prepare(data: Table, rows: Array, with_question: bool, recipe: Recipe) -> Prepared:
    """Features of some answers, with averages and scales of those alone.

    Args:
        data: all answers.
        rows: indices of the answers ``(n,)``.
        with_question: a log-odds per question; otherwise one constant.
        recipe: how to fit.
    """
    question = data.question[rows]
    n = data.n_words[rows]
    even = _even(question)
    levels = np.unique(question)
    if with_question:
        front = (question[:, None] == levels).astype(float)
        front_penalty = recipe.question_penalty
        # A log-odds per question takes the shares of the questions up.
        weights = np.ones(len(rows))
    else:
        front = np.ones((len(rows), 1))
        front_penalty = 0.01
        # The prior of an unknown prompt is that of the questions asked equally often.
        weights = even
        levels = levels[:0]
    log_n = np.log1p(n)
    length_mean = float(np.average(log_n, weights=even))
    length_variance = np.average((log_n - length_mean) ** 2, weights=even)
    length_sd = float(np.sqrt(length_variance)) or 1.0
    length = (log_n - length_mean) / length_sd
    columns = _columns(recipe.content)
    counts = data.counts[np.ix_(rows, columns)]
    rates = _average_rates(counts, n, even)
    z = excess(counts, n, rates)
    squares = even @ z**2
    z_sd = np.sqrt(squares / even.sum())
    z_sd = np.where(z_sd > 0, z_sd, 1.0)
    n_front = front.shape[1]
    found: Grams | None = None
    terms: tuple[str, ...] = ()
    if recipe.variant == "ngram":
        found = grams(data.terms, rows, data.subject, recipe.min_people)
        every = data.terms.terms
        terms = tuple(every[j] for j in found.columns)
    x = np.column_stack([front, length, z / z_sd])
    front_penalties = np.full(n_front, front_penalty)
    return Prepared(
        y=data.y[rows],
        weights=weights,
        even=even,
        levels=levels,
        n_front=n_front,
        length_mean=length_mean,
        length_sd=length_sd,
        names=recipe.content,
        rates=rates,
        z_sd=z_sd,
        x=x,
        base_penalty=np.r_[front_penalties, recipe.length_penalty],
        grams=found,
        terms=terms,
    )


def solve(made: Prepared, penalty: Penalty) -> Additive:
    """The model with given penalties, not calibrated."""
    of_content, of_ngrams = penalty
    content_penalties = np.full(len(made.names), of_content)
    penalties = np.r_[made.base_penalty, content_penalties]
    ngrams: NGrams | None = None
    offset = 0.0
    if made.grams is not None and of_ngrams is not None:
        b, ngrams = _solve_with_ngrams(made, made.grams, penalties, of_ngrams)
        offset = ngrams.offset
    else:
        b = _solve(made.x, made.y, penalties, made.weights)
    n_front = made.n_front
    average = float(b[:n_front].mean())
    questions = {}
    for question, log_odds in zip(made.levels, b, strict=False):
        questions[str(question)] = float(log_odds - average)
    per_excess = b[n_front + 1 :] / made.z_sd
    content = {}
    for name, weight, rate in zip(made.names, per_excess, made.rates, strict=True):
        content[name] = (float(weight), float(rate))
    length_weight = float(b[n_front] / made.length_sd)
    return Additive(
        baseline=average + offset,
        questions=questions,
        length_weight=length_weight,
        length_mean=made.length_mean,
        content=content,
        ngrams=ngrams,
    )


def _solve_with_ngrams(
    made: Prepared, vocabulary: Grams, penalties: Array, ngram_penalty: float
) -> tuple[Array, NGrams]:
    """Weights of the features ``(D,)``, and the n-grams with theirs."""
    x = made.x
    values = vocabulary.values
    of_features = (x / penalties) @ x.T
    kernel = of_features + vocabulary.products / ngram_penalty
    a = solve_dual(kernel, made.y, made.weights)
    b = x.T @ a / penalties
    w = values.T @ a / ngram_penalty
    offset = float(np.average(values @ w, weights=made.even))
    terms = {}
    for term, idf, weight in zip(made.terms, vocabulary.idf, w, strict=True):
        terms[term] = (float(idf), float(weight))
    return b, NGrams(terms, offset)


def fit_once(
    data: Table, rows: Array, with_question: bool, recipe: Recipe, penalty: Penalty
) -> Additive:
    """One model with given penalties, not calibrated.

    Args:
        data: all answers.
        rows: indices of those it is fitted on ``(n,)``.
        with_question: a log-odds per question; otherwise one constant.
        recipe: how to fit.
        penalty: of the lexicon and of the n-grams.
    """
    made = prepare(data, rows, with_question, recipe)
    return solve(made, penalty)


def logits(model: Additive, data: Table, rows: Array) -> Array:
    """Log-odds of answers under a model: the same number as ``model.parts(...).logit``.

    Args:
        model: fitted on other answers or on these.
        data: all answers.
        rows: indices of the answers ``(n,)``.

    Returns:
        ``(n,)``.
    """
    columns = _columns(tuple(model.content))
    content = list(model.content.values())
    weights = np.array([weight for weight, _ in content])
    rates = np.array([rate for _, rate in content])
    n = data.n_words[rows]
    counts = data.counts[np.ix_(rows, columns)]
    length = np.log1p(n) - model.length_mean
    found = model.baseline + model.length_weight * length
    found = found + excess(counts, n, rates) @ weights
    if model.questions:
        # A question that no training person of this fold answered gets the average one's log-odds.
        asked = []
        for question in data.question[rows]:
            asked.append(model.questions.get(str(question), 0.0))
        found = found + np.array(asked)
    ngrams = model.ngrams
    if ngrams is not None:
        column = data.terms.column
        known = np.array([column[term] for term in ngrams.terms], int)
        of_terms = np.array(list(ngrams.terms.values()))
        idf, term_weights = of_terms.reshape(-1, 2).T
        values = tf_idf(data.terms, rows, known, idf)
        found = found + values @ term_weights - ngrams.offset
    return np.asarray(found)


def scaled(model: Additive, slope: float) -> Additive:
    """The model with its log-odds times ``slope``; without questions, the baseline (the prior of
    any prompt) stays.
    """
    ngrams = model.ngrams
    if ngrams is not None:
        terms = {}
        for term, (idf, weight) in ngrams.terms.items():
            terms[term] = (idf, weight * slope)
        ngrams = replace(ngrams, terms=terms, offset=ngrams.offset * slope)
    baseline = model.baseline
    if model.questions:
        baseline = baseline * slope
    questions = {}
    for question, log_odds in model.questions.items():
        questions[question] = log_odds * slope
    content = {}
    for name, (weight, rate) in model.content.items():
        content[name] = (weight * slope, rate)
    return replace(
        model,
        baseline=baseline,
        questions=questions,
        length_weight=model.length_weight * slope,
        content=content,
        ngrams=ngrams,
    )


#: Indices of the answers to train on and of those to test on.
Split = tuple[Array, Array]


def _splits(data: Table, rows: Array, by_question: bool, n_folds: int, seed: int) -> list[Split]:
    """Other people in training and test; ``by_question`` also another question (people *and* prompt
    unseen).
    """
    fold = deal(data.subject[rows], n_folds, seed)
    question = data.question[rows]
    y = data.y[rows]
    levels = np.unique(question)
    leave_out = [None]
    if by_question and len(levels) > 1:
        leave_out = list(levels)
    found = []
    for f in range(n_folds):
        for level in leave_out:
            test = fold == f
            train = ~test
            if level is not None:
                test = test & (question == level)
                train = train & (question != level)
            both_labels = len(np.unique(y[train])) == 2
            if test.any() and both_labels:
                found.append((rows[train], rows[test]))
    return found


@dataclass(frozen=True)
class Chosen:
    """A calibrated model, the penalties and the slope that its own cross-validation chose."""

    model: Additive
    penalty: Penalty
    slope: float


def fit(data: Table, rows: Array, with_question: bool, recipe: Recipe) -> Chosen:
    """Choose the penalty by grouped cross-validation on ``rows``, fit on all of them, calibrate the
    slope out of fold.

    Without the question, the folds also leave the question out: what is chosen is what works on a
    prompt never seen. Where no fold leaves both labels to train on, there is no choice: the
    strongest penalty, and the slope 1.

    Args:
        data: all answers.
        rows: indices of those it is fitted on ``(n,)``.
        with_question: a log-odds per question; otherwise one constant.
        recipe: how to fit.

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
    n_folds = recipe.n_folds if with_question else 3
    splits = _splits(data, rows, not with_question, n_folds, recipe.seed + 1)
    candidates = recipe.candidates(with_question)
    if not splits:
        penalty = candidates[-1]
        return Chosen(fit_once(data, rows, with_question, recipe, penalty), penalty, 1.0)
    made = []
    tested = []
    for train, test in splits:
        made.append(prepare(data, train, with_question, recipe))
        tested.append(test)
    y = data.y[np.concatenate(tested)]
    tried = []
    for candidate in candidates:
        out, fixed = _out_of_fold(data, splits, made, candidate, with_question)
        loss = log_loss(y, out)
        tried.append((loss, candidate, out, fixed))
    _, penalty, out, fixed = min(tried, key=lambda one: one[0])
    slope = temperature(y, out - fixed, fixed)
    model = fit_once(data, rows, with_question, recipe, penalty)
    return Chosen(scaled(model, slope), penalty, slope)


def _out_of_fold(
    data: Table,
    splits: Sequence[Split],
    made: Sequence[Prepared],
    penalty: Penalty,
    with_question: bool,
) -> tuple[Array, Array]:
    """Log-odds of the tested answers of all splits, and the part of each that the slope leaves
    alone.
    """
    found = []
    fixed = []
    for prepared, (_, test) in zip(made, splits, strict=True):
        model = solve(prepared, penalty)
        found.append(logits(model, data, test))
        alone = 0.0 if with_question else model.baseline
        fixed.append(np.full(len(test), alone))
    return np.concatenate(found), np.concatenate(fixed)


def fit_length_question(data: Table, rows: Array, recipe: Recipe) -> Additive:
    """The shortcut model: question and length by the same solver, no content, no slope."""
    shortcut = replace(recipe, variant="lexicon", content=())
    return fit_once(data, rows, True, shortcut, (1.0, None))


def question_rates(data: Table, rows: Array) -> dict[str, float]:
    """Share of A/H per question among ``rows``."""
    y = data.y[rows]
    question = data.question[rows]
    found = {}
    for one in np.unique(question):
        asked = y[question == one]
        found[str(one)] = float(asked.mean())
    return found


@dataclass(frozen=True)
class HeldOut:
    """Log-odds of every answer from models that never saw its person, ``(R, N)`` over R deals, and
    its fold.
    """

    fold: Array
    known: Array
    length_question: Array
    question_only: Array  # probabilities, (R, N)
    own_prompt: Array  # (R', N): the question unseen as well
    own_baseline: Array  # (R', N): the baseline of the model that scored each of them


def n_steps(data: Table, recipe: Recipe) -> int:
    """How many times :func:`held_out` calls ``tick``."""
    everyone = np.arange(len(data))
    steps = recipe.n_repeats * recipe.n_folds
    for seed in _own_seeds(recipe):
        steps += len(_splits(data, everyone, True, recipe.n_folds, seed))
    return steps


def _own_seeds(recipe: Recipe) -> list[int]:
    """Deals for the model without the question: fewer, for each leaves every question out
    in turn.
    """
    n = min(2, recipe.n_repeats)
    return [recipe.seed + 100 + r for r in range(n)]


def _shares(data: Table, train: Array, test: Array) -> list[float]:
    """The share of A/H that training people have with the question of each tested answer."""
    rates = question_rates(data, train)
    overall = float(data.y[train].mean())
    found = []
    for question in data.question[test]:
        found.append(rates.get(str(question), overall))
    return found


def held_out(data: Table, recipe: Recipe, tick: Callable[[], None] = lambda: None) -> HeldOut:
    """Repeat the whole recipe, choices included, without each group of people (and without each
    question).
    """
    n = len(data)
    folds: list[Array] = []
    known: list[Array] = []
    length_question: list[Array] = []
    question_only: list[Array] = []
    for r in range(recipe.n_repeats):
        seed = recipe.seed + 100 + r
        fold = deal(data.subject, recipe.n_folds, seed)
        whole = np.zeros(n)
        shortcut = np.zeros(n)
        share = np.zeros(n)
        for f in range(recipe.n_folds):
            train = np.flatnonzero(fold != f)
            test = np.flatnonzero(fold == f)
            model = fit(data, train, True, recipe).model
            whole[test] = logits(model, data, test)
            model = fit_length_question(data, train, recipe)
            shortcut[test] = logits(model, data, test)
            share[test] = _shares(data, train, test)
            tick()
        folds.append(fold)
        known.append(whole)
        length_question.append(shortcut)
        question_only.append(share)
    own: list[Array] = []
    own_baseline: list[Array] = []
    for seed in _own_seeds(recipe):
        unseen = np.full(n, np.nan)
        baseline = np.full(n, np.nan)
        splits = _splits(data, np.arange(n), True, recipe.n_folds, seed)
        for train, test in splits:
            model = fit(data, train, False, recipe).model
            unseen[test] = logits(model, data, test)
            baseline[test] = model.baseline
            tick()
        own.append(unseen)
        own_baseline.append(baseline)
    return HeldOut(
        fold=np.array(folds),
        known=np.array(known),
        length_question=np.array(length_question),
        question_only=np.array(question_only),
        own_prompt=np.array(own),
        own_baseline=np.array(own_baseline),
    )


def fold_models(data: Table, recipe: Recipe) -> tuple[Array, list[Additive]]:
    """Fold of every answer ``(N,)`` in the first deal, and per fold the model of all
    other people.
    """
    fold = deal(data.subject, recipe.n_folds, recipe.seed + 100)
    models = []
    for f in range(recipe.n_folds):
        others = np.flatnonzero(fold != f)
        models.append(fit(data, others, True, recipe).model)
    return fold, models
