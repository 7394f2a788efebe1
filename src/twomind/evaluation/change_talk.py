"""How good a change-talk model is on coded conversations, beside what needs no words.

Macro-F1 over change, sustain and neutral; whether of a change and a sustain turn the right one leans
to change (over all pairs, and over pairs of one conversation); calibration; the paired gain over
length and position. Resamples are of whole groups: people, videos, conversations.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from pathlib import Path

import numpy as np

from twomind.core import numbers
from twomind.core.errors import BadInput
from twomind.core.files import content_hash
from twomind.datasets.talk import CLASSES, Talk, Turn
from twomind.datasets.talk_files import read_talk
from twomind.evaluation import metrics
from twomind.models.base import NOT_STATED
from twomind.models.change_talk.head import Head
from twomind.models.change_talk.recogniser import NOT_FOR, ChangeTalk, load, soft_share
from twomind.models.change_talk.sentences import Sentences
from twomind.training.change_talk import (
    Fitted,
    Recipe,
    Table,
    class_shares,
    fit,
    fit_model,
    folds,
    language_of,
    table,
    with_tuned,
)
from twomind.types import Progress
from twomind.types.plain import Array, Plain, to_plain

#: Fewest people with a rating for a correlation with it.
MIN_RATED = 10


@dataclass(frozen=True)
class Answers:
    """What one row of the table says of all turns: ``even`` (classes equally common; by it a class
    is said) and calibrated ``probs``, ``(N, 3)``.
    """

    even: Array
    probs: Array


@dataclass(frozen=True)
class Truth:
    """What was coded, ``y (N,)``, and what belongs together: ``conversation (N,)`` and
    resamples of whole groups ``weights (B, N)``.
    """

    y: Array
    conversation: Array
    weights: Array

    @property
    def sided(self) -> Array:
        """Turns that were coded as change or sustain ``(N,)``."""
        return self.y < 2


def macro_f1(y: Array, said: Array) -> metrics.Bound:
    """Mean F1 of the three classes with the rows bound."""

    def bound(weights: Array | None = None) -> metrics.Value:
        rows = metrics.rows_of(weights, len(y))
        table_of = numbers.counts(y, said, len(CLASSES), rows)
        each = numbers.f1_per_class(table_of)
        return metrics.out(each.mean(axis=1), weights)

    return bound


def figures(truth: Truth, found: Answers) -> Plain:
    """Every figure of one row, and their intervals under ``ci``."""
    said = found.even.argmax(axis=1)
    f1 = macro_f1(truth.y, said)
    row: Plain = {"macro_f1": float(f1())}
    resampled_f1 = np.asarray(f1(truth.weights))
    intervals = {"macro_f1": metrics.interval(resampled_f1)}
    table_of = numbers.counts(truth.y, said, len(CLASSES))
    each = numbers.f1_per_class(table_of)[0]
    row["f1"] = dict(zip(CLASSES, each.tolist(), strict=True))
    sided = truth.sided
    y = (truth.y[sided] == 0).astype(int)
    of_sides = found.even[sided, :2]
    lean = of_sides[:, 0] / of_sides.sum(axis=1)
    row["sustain_vs_change_auc"] = None
    row["sustain_vs_change_auc_within_conversation"] = None
    if len(np.unique(y)) == 2:
        weights = truth.weights[:, sided]
        inside = truth.conversation[sided]
        row["sustain_vs_change_auc"] = float(metrics.auc(y, lean))
        resampled_auc = np.asarray(metrics.auc(y, lean, weights))
        intervals["sustain_vs_change_auc"] = metrics.interval(resampled_auc)
        within = float(metrics.within_question_auc(y, lean, inside))
        row["sustain_vs_change_auc_within_conversation"] = None if math.isnan(within) else within
        resampled_within = metrics.within_question_auc(y, lean, inside, weights=weights)
        intervals["sustain_vs_change_auc_within_conversation"] = metrics.interval(
            np.asarray(resampled_within)
        )
    row["ece"] = ece(truth.y, found.probs)
    row["ci"] = intervals
    return row


def ece(y: Array, probs: Array) -> float:
    """Mean over the classes of the expected calibration error of their probability."""
    errors = []
    for k in range(len(CLASSES)):
        is_it = (y == k).astype(int)
        error = metrics.ece(is_it, probs[:, k])
        errors.append(float(error))
    return float(np.mean(errors))


def majority(y: Array) -> Answers:
    """The commonest class for everybody."""
    counts = np.bincount(y, minlength=len(CLASSES))
    shares = counts / len(y)
    probs = np.tile(shares, (len(y), 1))
    return Answers(probs, probs)


def between_humans(turns: Sequence[Turn]) -> Plain | None:
    """One human against another, over all pairs of coders of a turn; None where one coded each."""
    y, said = [], []
    n_turns = 0
    for turn in turns:
        codes = [CLASSES.index(label) for label in turn.labels.values()]
        n_turns += len(codes) > 1
        for mine, theirs in permutations(codes, 2):
            y.append(mine)
            said.append(theirs)
    if not y:
        return None
    table_of = numbers.counts(np.array(y), np.array(said), len(CLASSES))
    f1 = numbers.f1_per_class(table_of)[0]
    agree = float(numbers.accuracy(table_of)[0])
    return {
        "macro_f1": float(f1.mean()),
        "f1": dict(zip(CLASSES, f1.tolist(), strict=True)),
        "same_class": agree,
        "n_turns": n_turns,
        "n_pairs": len(y) // 2,
    }


def gain_over(truth: Truth, found: Answers, base: Answers) -> Plain:
    """How much larger the macro-F1 is than another row's, paired, with its interval."""
    said = found.even.argmax(axis=1)
    said_by_base = base.even.argmax(axis=1)
    mine = macro_f1(truth.y, said)
    theirs = macro_f1(truth.y, said_by_base)
    value, interval = metrics.gain(mine, theirs, truth.weights)
    return {"value": value, "interval": interval}


def outcome_figures(talk: Talk, probs: Array, seed: int, n_bootstrap: int) -> Plain | None:
    """Spearman's rho of the soft share of sustain talk with a rating of the person some time after,
    beside that of the number of turns and of the labels' own share; None without ratings.

    Args:
        talk: coded conversations with an outcome.
        probs: probabilities of each turn ``(N, 3)``, classes equally common.
        seed: of the resamples.
        n_bootstrap: their number.
    """
    group = np.array([turn.group for turn in talk.turns])
    y = np.array([CLASSES.index(turn.label) for turn in talk.turns])
    rated = [name for name in np.unique(group) if name in talk.outcome]
    if len(rated) < MIN_RATED:
        return None
    soft, hard, n_turns = [], [], []
    for name in rated:
        own = group == name
        soft.append(soft_share(probs[own]))
        own_y = y[own]
        n_sustain = int((own_y == 1).sum())
        n_change = int((own_y == 0).sum())
        sided = n_sustain + n_change
        hard.append(n_sustain / sided if sided else 0.5)
        n_turns.append(int(own.sum()))
    outcome = np.array([talk.outcome[name] for name in rated])
    draws = numbers.resamples(len(rated), n_bootstrap, seed)
    found: Plain = {"outcome": talk.outcome_name, "n_people": len(rated)}
    for name, values in (
        ("soft_share_sustain", soft),
        ("labels_share_sustain", hard),
        ("number_of_turns", n_turns),
    ):
        found[name] = _rho(np.array(values, float), outcome, draws)
    return found


def _rho(a: Array, b: Array, draws: Array) -> Plain:
    from scipy.stats import spearmanr

    samples = []
    for counts in draws:
        picks = np.repeat(np.arange(len(a)), counts)
        one, other = a[picks], b[picks]
        is_constant = len(np.unique(one)) < 2 or len(np.unique(other)) < 2
        rho = math.nan if is_constant else spearmanr(one, other).statistic
        samples.append(float(rho))
    interval = metrics.interval(np.array(samples))
    rho_of_all = spearmanr(a, b).statistic
    return {"rho": float(rho_of_all), "interval": interval}


# --- the two commands


@dataclass(frozen=True)
class Asked:
    """What both commands are told besides the data."""

    seed: int = 0
    n_bootstrap: int = 2000
    labels: Mapping[str, str] | None = None  # codes of another code book → class


def _rows(data: Table, answers: Mapping[str, Answers], asked: Asked) -> Plain:
    """All figures of the model, and under ``rows`` those of what it stands beside."""
    weights = metrics.person_weights(data.group, asked.n_bootstrap, asked.seed)
    truth = Truth(data.y, data.conversation, weights)
    found = figures(truth, answers["model"])
    beside: Plain = {"majority": figures(truth, majority(data.y))}
    for name, answer in answers.items():
        if name != "model":
            beside[name] = figures(truth, answer)
    humans = between_humans(data.talk.turns)
    beside["between_humans"] = humans or {"not_measured": "no turn was coded by several people"}
    by_shape = answers["length_position"]
    found["gain_over_length_position"] = gain_over(truth, answers["model"], by_shape)
    as_it_came = answers.get("encoder_as_it_came")
    if as_it_came is not None:
        found["gain_over_encoder_as_it_came"] = gain_over(truth, answers["model"], as_it_came)
    found["rows"] = beside
    found["n"] = len(data)
    found["n_conversations"] = len(np.unique(data.conversation))
    found["n_groups"] = len(np.unique(data.group))
    found["classes"] = list(CLASSES)
    found["labelled_by"] = data.talk.labelled_by
    without_position = answers["model_without_position"].even
    found["outcome"] = outcome_figures(data.talk, without_position, asked.seed, asked.n_bootstrap)
    return found


def score_change_talk(path: Path, model: Path | None = None, asked: Asked | None = None) -> Plain:
    """Score a change-talk model on coded conversations.

    Args:
        path: see :func:`twomind.datasets.talk_files.read_talk`.
        model: a trained one; None: the one that ships.
        asked: how.

    Raises:
        BadInput: the data cannot be read, or are in another language than the model's.
        MissingWeights: there is no such model.
    """
    how = asked or Asked()
    recogniser = load(model)
    talk = read_talk(path, how.labels)
    own = str(recogniser.card.get("language", "en"))
    spoken = language_of(talk)
    if spoken != own:
        raise BadInput(
            f"{path}: the turns are in {spoken!r} and the model knows {own!r} alone; train one with "
            "`twomind train change-talk`"
        )
    data = table(talk, recogniser.sentences, recogniser.fine_tuned)
    answers = _answers(recogniser, data)
    found = _rows(data, answers, how)
    even = answers["model"].even
    told = ~recogniser.cannot_tell(even)
    wrong = even.argmax(axis=1) != data.y
    coverage = float(told.mean())
    error = float(wrong[told].mean()) if told.any() else None
    found["told"] = {"max_risk": recogniser.max_risk, "coverage": coverage, "error": error}
    trained = set(recogniser.card.get("groups_sha256", ()))
    known = [name for name in np.unique(data.group) if mark_of(str(name)) in trained]
    found["overlap_with_training"] = len(known)
    found["model"] = {"path": None if model is None else str(model), **recogniser.card}
    found["problems"] = list(talk.problems)
    return found


def _answers(model: ChangeTalk, data: Table) -> dict[str, Answers]:
    found = {"model": _of_head(model.head, data, data.x)}
    found["model_without_position"] = _of_head(model.head, data, data.withheld)
    for name, head in model.shortcuts.items():
        found[name] = _of_head(head, data, data.x)
    return found


def _of_head(head: Head, data: Table, x: Array) -> Answers:
    talk = data.conversation
    return Answers(head.even(x, talk), head.probs(x, talk))


def mark_of(group: str) -> str:
    """By what a model knows whom it was trained on; nobody's name stands in it."""
    named = f"twomind change-talk {group}"
    digest = hashlib.sha256(named.encode())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Training:
    """What training is told besides."""

    out: Path | None = None
    encoder: Path | None = None
    place: bool = True
    licence: str = NOT_STATED
    fine_tune: bool = False  # the encoder, too, on the turns and what was said before each


def train_change_talk(
    path: Path,
    training: Training | None = None,
    asked: Asked | None = None,
    progress: Progress | None = None,
) -> Plain:
    """Train a change-talk model; its figures are of groups that were held out.

    Args:
        path: see :func:`twomind.datasets.talk_files.read_talk`.
        training: where the model goes, and what it reads.
        asked: how.
        progress: is told how far fine-tuning is.

    Raises:
        BadInput: the data cannot be read, or hold too little; there is no encoder to fine-tune.
        MissingExtra: scikit-learn, or torch for fine-tuning, is absent.
        MissingWeights: the encoder's folder lacks a file.
    """
    how, training = asked or Asked(), training or Training()
    talk = read_talk(path, how.labels)
    language = language_of(talk)
    if language != "en" and training.encoder is None:
        raise BadInput(
            f"{path}: the turns are in {language!r}, and the word groups are English alone; give a "
            "sentence encoder of that language (--encoder FOLDER)"
        )
    if training.fine_tune and training.encoder is None:
        raise BadInput("--fine-tune: expected an encoder to fine-tune; give --encoder FOLDER")
    sentences = None if training.encoder is None else Sentences.of_folder(training.encoder)
    data = table(talk, sentences)
    recipe = Recipe(place=training.place, seed=how.seed)
    card = _card(path, data, training, language)
    folder = training.out or default_folder()
    if training.fine_tune:
        assert sentences is not None
        model, fits = _fine_tuned(data, card, recipe, sentences, folder, progress)
    else:
        model, fits = fit_model(data, card, recipe, sentences)
    held_out = _held_out(fits)
    found = _rows(data, held_out, how)
    card["figures"] = to_plain(_short(found))
    saved = model.save(folder)
    found["card"] = dict(model.card)
    found["protocol"] = f"{recipe.n_folds}-fold cross-validation, groups kept together"
    found["model"] = str(saved)
    found["problems"] = list(talk.problems)
    return found


def _fine_tuned(
    data: Table,
    card: Plain,
    recipe: Recipe,
    sentences: Sentences,
    folder: Path,
    progress: Progress | None,
) -> tuple[ChangeTalk, dict[str, Fitted]]:
    """The model with its encoder fine-tuned, and what it stands beside: the encoder as it came."""
    from twomind.training.change_talk_tuned import Coded, FineTuning, Work

    settings = FineTuning(seed=recipe.seed)
    coded = Coded.of(data.talk, sentences.encoder)
    work = Work(sentences.encoder, coded, settings, folder / "unfinished", progress)
    columns = work.held_out(folds(data.group, recipe))
    tuned = work.whole(folder)
    card["fine_tuned"] = {**asdict(settings), "share": recipe.tuned_share}
    whole = with_tuned(data, columns.heard, columns.alone)
    model, fits = fit_model(whole, card, recipe, sentences, tuned)
    fits["encoder_as_it_came"] = fit(data, np.arange(len(data)), recipe)
    work.done()
    return model, fits


def default_folder() -> Path:
    """Where a trained model goes, where nothing is said."""
    from platformdirs import user_data_path

    return user_data_path("twomind", appauthor=False) / "models" / "change-talk"


def _held_out(fits: Mapping[str, Fitted]) -> dict[str, Answers]:
    found = {name: Answers(one.even, one.probs) for name, one in fits.items()}
    own = fits["model"]
    found["model_without_position"] = Answers(own.even_without_place, own.probs_without_place)
    return found


def _card(path: Path, data: Table, training: Training, language: str) -> Plain:
    talk = data.talk
    groups = sorted({mark_of(turn.group) for turn in talk.turns})
    digest = content_hash(path) if path.is_file() else None
    about_data = {"name": talk.name, "turns": len(data), "groups": len(groups), "sha256": digest}
    return {
        "name": "change-talk",
        "population": f"{talk.name}: {talk.population}",
        "licence": training.licence,
        "licence_of_data": talk.licence,
        "labelled_by": talk.labelled_by,
        "language": language,
        "unit": talk.unit,
        "not_for": list(NOT_FOR),
        "position": training.place,
        "data": about_data,
        "class_shares": class_shares(data.y),
        "groups_sha256": groups,
    }


def _short(found: Mapping[str, object]) -> Plain:
    """The figures that a card carries."""
    kept = ("macro_f1", "f1", "sustain_vs_change_auc", "ece", "gain_over_length_position")
    within = "sustain_vs_change_auc_within_conversation"
    return {name: found[name] for name in (*kept, within, "ci", "outcome")}
