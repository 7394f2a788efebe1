"""Fit the change-talk model: a balanced multinomial regression on readable numbers, with what it
owes to be calibrated and to abstain from people who were held out.

Whole groups (people, videos) are kept together. The penalty is fixed, not chosen. Needs
scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twomind.core.errors import BadInput, MissingExtra
from twomind.datasets.talk import CLASSES, Talk
from twomind.models.change_talk.head import LENGTH, PLACE, Head, Risk
from twomind.models.change_talk.recogniser import ChangeTalk, column_names, columns
from twomind.models.change_talk.sentences import Sentences
from twomind.models.change_talk.tuned import NAMES, FineTuned
from twomind.training.words import deal
from twomind.transcripts.language import recognised_language
from twomind.types.plain import Array

#: What is easy to get from the form of the talk alone, and judged beside the model.
SHORTCUTS = {"length": (LENGTH,), "length_position": (LENGTH, *PLACE)}
#: A number whose standard deviation is smaller never changes.
_CONSTANT = 1e-3


@dataclass(frozen=True)
class Recipe:
    """How the change-talk model is fitted: penalties, and folds of cross-validation."""

    penalty: float = 100.0  # of the squares of standardised weights, in log-likelihood of a turn
    #: the same of the words and of the row where there is an encoder: chosen by cross-validation
    #: over the videos of AnnoMI
    penalty_beside_sentence: float = 300.0
    sentence_penalty: float = 7500.0
    #: of a fine-tuned encoder in what is said; half, chosen before it was judged on anything
    tuned_share: float = 0.5
    shortcut_penalty: float = 30.0  # of those of length and place alone
    place: bool = True  # the place in the conversation enters
    n_folds: int = 5  # groups are dealt into so many
    seed: int = 0  # of the deal


@dataclass(frozen=True)
class Table:
    """Coded turns as arrays: ``x (N, D)``, ``y (N,)`` indices of :data:`CLASSES`, ``group (N,)``,
    ``conversation (N,)``. ``withheld (N, D)``: the same of the turn alone, without its place in the
    conversation and what was said before it.
    """

    talk: Talk
    names: tuple[str, ...]
    x: Array
    withheld: Array
    y: Array
    group: Array
    conversation: Array
    n_sentence: int = 0  # columns of an encoder, after the others
    n_tuned: int = 0  # columns of a fine-tuned one, the last

    def __len__(self) -> int:
        return len(self.y)

    def columns(self, names: Sequence[str]) -> Array:
        """The places of columns in the table, by name."""
        return np.array([self.names.index(name) for name in names])


def table(
    talk: Talk, sentences: Sentences | None = None, fine_tuned: FineTuned | None = None
) -> Table:
    """The numbers of every coded turn.

    Args:
        talk: coded conversations.
        sentences: an encoder whose rows are added.
        fine_tuned: a fine-tuned one whose columns are added.
    """
    turns = talk.turns
    place = np.array([turn.place for turn in turns])
    texts = [turn.text for turn in turns]
    x = columns(texts, place, sentences)
    names = column_names(sentences)
    withheld = x.copy()
    withheld[:, [names.index(name) for name in PLACE]] = np.nan
    made = Table(
        talk=talk,
        names=names,
        x=x,
        withheld=withheld,
        y=np.array([CLASSES.index(turn.label) for turn in turns]),
        group=np.array([turn.group for turn in turns]),
        conversation=np.array([turn.conversation for turn in turns]),
        n_sentence=0 if sentences is None else len(sentences.names),
    )
    if fine_tuned is None:
        return made
    before = [turn.before for turn in turns]
    return with_tuned(made, fine_tuned.columns(texts, before), fine_tuned.columns(texts))


def with_tuned(data: Table, heard: Array, alone: Array) -> Table:
    """The table with the columns of a fine-tuned encoder.

    Args:
        data: without them.
        heard: log-probabilities of every turn, read with what was said before ``(N, 3)``.
        alone: the same without that ``(N, 3)``.
    """
    return replace(
        data,
        names=(*data.names, *NAMES),
        x=np.concatenate([data.x, heard], axis=1),
        withheld=np.concatenate([data.withheld, alone], axis=1),
        n_tuned=len(NAMES),
    )


def language_of(talk: Talk) -> str:
    """The language of the turns by their words; English where they do not tell."""
    return recognised_language([turn.text for turn in talk.turns]) or "en"


def _regression(x: Array, y: Array, penalty: float) -> tuple[Array, Array]:
    """``weight (3, D)`` and ``bias (3,)``; a class that is not there is never said."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtra("train", "fitting a change-talk model") from error
    there = np.unique(y)
    if len(there) < 2:
        raise BadInput(
            f"expected turns of at least two of {', '.join(CLASSES)}; all are of one class"
        )
    made = LogisticRegression(C=1 / penalty, class_weight="balanced", max_iter=500, tol=1e-5)
    made.fit(x, y)
    weight = np.zeros((len(CLASSES), x.shape[1]))
    bias = np.full(len(CLASSES), -30.0)
    if len(there) == 2:
        weight[there[1]] = made.coef_[0]
        bias[there] = [0.0, float(made.intercept_[0])]
    else:
        weight[there] = made.coef_
        bias[there] = made.intercept_
    return weight, bias


@dataclass(frozen=True)
class _Plan:
    """What enters a fit: indices of the columns ``(D,)``, and the penalty of each weight ``(D,)``.
    ``tuned_share``: how much a fine-tuned encoder has in the log-odds; the fit has the rest.
    """

    columns: Array
    penalty: Array
    tuned_share: float = 0.0

    @classmethod
    def of(cls, data: Table, recipe: Recipe, shortcut: str | None) -> _Plan:
        """Everything, or the columns of a shortcut."""
        if shortcut is not None:
            columns = data.columns(SHORTCUTS[shortcut])
            return cls(columns, np.full(len(columns), recipe.shortcut_penalty))
        n = len(data.names) - data.n_tuned
        beside = data.n_sentence > 0
        penalty = np.full(n, recipe.penalty_beside_sentence if beside else recipe.penalty)
        penalty[n - data.n_sentence :] = recipe.sentence_penalty
        enters = np.ones(n, bool)
        if not recipe.place:
            enters[data.columns(PLACE)] = False
        share = recipe.tuned_share if data.n_tuned else 0.0
        return cls(np.flatnonzero(enters), penalty[enters], share)


def fit_plain(data: Table, rows: Array, plan: _Plan) -> Head:
    """A head that is not calibrated, over all columns; those that do not enter have no weight.

    Args:
        data: all turns.
        rows: indices of those it is fitted on ``(n,)``.
        plan: what enters.
    """
    x = data.x[np.ix_(rows, plan.columns)]
    n = len(data.names)
    mean, scale = np.zeros(n), np.ones(n)
    weight = np.zeros((len(CLASSES), n))
    mean[plan.columns] = x.mean(axis=0)
    sd = x.std(axis=0)
    lightest = float(plan.penalty.min())
    stretch = np.sqrt(plan.penalty / lightest)
    scale[plan.columns] = np.where(sd > _CONSTANT, sd, 1.0) * stretch
    z = (x - mean[plan.columns]) / scale[plan.columns]
    weight[:, plan.columns], bias = _regression(z, data.y[rows], lightest)
    if plan.tuned_share:
        weight, bias = (1 - plan.tuned_share) * weight, (1 - plan.tuned_share) * bias
        weight[:, -data.n_tuned :] = plan.tuned_share * np.eye(len(CLASSES))
    return Head(data.names, mean, scale, weight, bias, 1.0, np.zeros(len(CLASSES)))


@dataclass(frozen=True)
class Fitted:
    """A head with its calibration, and what it says of turns whose group was held out:
    ``probs, even (N, 3)``, and the same without the place in the conversation.
    """

    head: Head
    probs: Array
    even: Array
    probs_without_place: Array
    even_without_place: Array


def fit(data: Table, rows: Array, recipe: Recipe, shortcut: str | None = None) -> Fitted:
    """Fit a calibrated head on coded turns.

    Args:
        data: all turns.
        rows: indices of those it is fitted on ``(n,)``.
        recipe: how.
        shortcut: a name of :data:`SHORTCUTS`, to be fitted on those columns alone.

    Returns:
        The head; its probabilities are of ``rows``.

    Raises:
        BadInput: fewer than two groups or classes.
    """
    plan = _Plan.of(data, recipe, shortcut)
    logits, blind = _held_out_logits(data, rows, plan, recipe)
    talk, y = data.conversation[rows], data.y[rows]
    made = calibrated(fit_plain(data, rows, plan), logits, y, talk)
    none = np.zeros(len(CLASSES))
    return Fitted(
        head=made,
        probs=made.of_logits(logits, talk, made.shift),
        even=made.of_logits(logits, talk, none),
        probs_without_place=made.of_logits(blind, talk, made.shift),
        even_without_place=made.of_logits(blind, talk, none),
    )


def _held_out_logits(data: Table, rows: Array, plan: _Plan, recipe: Recipe) -> tuple[Array, Array]:
    """Logits ``(n, 3)`` of each turn from a head that did not see its group; and the same where the
    place in the conversation is withheld, and what was said before.
    """
    fold = folds(data.group[rows], recipe)
    logits = np.zeros((len(rows), len(CLASSES)))
    blind = np.zeros_like(logits)
    for k in np.unique(fold):
        made = fit_plain(data, rows[fold != k], plan)
        own = rows[fold == k]
        logits[fold == k] = made.logits(data.x[own])
        blind[fold == k] = made.logits(data.withheld[own])
    return logits, blind


def folds(group: Array, recipe: Recipe) -> Array:
    """Whole groups are dealt into folds.

    Args:
        group: of every turn ``(N,)``.
        recipe: how many folds there are, at most, and the seed of the deal.

    Returns:
        Fold of every turn ``(N,)``.

    Raises:
        BadInput: there is one group.
    """
    n_groups = len(np.unique(group))
    if n_groups < 2:
        raise BadInput("expected at least two conversations, there is one")
    return deal(group, min(recipe.n_folds, n_groups), recipe.seed)


def calibrated(made: Head, logits: Array, y: Array, talk: Array) -> Head:
    """The head with the slope, the shift of each class and the weight of the turns around that
    minimise the log loss of held-out turns.

    Args:
        made: a head that is not calibrated.
        logits: of held-out turns ``(N, 3)``.
        y: classes ``(N,)``.
        talk: which conversation each turn is of ``(N,)``.
    """
    from scipy.optimize import minimize

    rows = np.arange(len(y))

    def head(free: Array) -> Head:
        shift = np.array([free[1], free[2], -free[1] - free[2]])
        return replace(made, slope=float(free[0]), shift=shift, run=float(free[3]))

    def loss(free: Array) -> float:
        one = head(free)
        probs = one.of_logits(logits, talk, one.shift)
        return float(-np.log(np.maximum(probs[rows, y], 1e-12)).mean())

    bounds = [(0.2, 3.0), (-5.0, 5.0), (-5.0, 5.0), (0.0, 1.5)]
    found = minimize(loss, np.array([1.0, 0.0, 0.0, 0.3]), method="L-BFGS-B", bounds=bounds)
    return head(found.x)


def risk_of(even: Array, y: Array, min_told: int = 30) -> Risk:
    """Coverage and error of held-out turns by the sureness from which on they are told.

    Args:
        even: probabilities ``(N, 3)``, classes equally common.
        y: classes ``(N,)``.
        min_told: the highest sureness still tells so many.
    """
    sure = even.max(axis=1)
    wrong = even.argmax(axis=1) != y
    levels, coverages, errors = [], [], []
    for level in np.arange(0.34, 0.96, 0.01):
        told = sure >= level
        if told.sum() < min_told:
            break
        levels.append(round(float(level), 2))
        coverages.append(round(float(told.mean()), 4))
        errors.append(round(float(wrong[told].mean()), 4))
    return Risk(tuple(levels), tuple(coverages), tuple(errors))


def fit_model(
    data: Table,
    card: dict[str, Any],
    recipe: Recipe,
    sentences: Sentences | None = None,
    fine_tuned: FineTuned | None = None,
) -> tuple[ChangeTalk, dict[str, Fitted]]:
    """The model on all turns, and what it and each shortcut say of held-out groups.

    Args:
        data: all turns.
        card: of the model.
        recipe: how to fit.
        sentences: the encoder whose rows the table holds.
        fine_tuned: an encoder that was fine-tuned on all turns. The table holds what others like it
            say of turns whose group they did not see.

    Returns:
        The model; the fits by name, its own as ``model``.
    """
    rows = np.arange(len(data))
    whole = fit(data, rows, recipe)
    fits = {"model": whole}
    for name in SHORTCUTS:
        fits[name] = fit(data, rows, recipe, name)
    shortcuts = {name: fits[name].head for name in SHORTCUTS}
    encoder = None if sentences is None else sentences.card()
    risk = risk_of(whole.even, data.y)
    model = ChangeTalk(whole.head, shortcuts, risk, card, encoder, fine_tuned)
    return model, fits


def class_shares(y: Sequence[int] | Array) -> dict[str, float]:
    """How common each class is."""
    counts = np.bincount(np.asarray(y), minlength=len(CLASSES))
    return {name: float(n / counts.sum()) for name, n in zip(CLASSES, counts, strict=True)}
