"""Train a words model and write its card: figures on people it never saw. Behind `twomind train
words`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.seals import write_sealed
from twomind.datasets.answers import divided, has_split_files, read_answers
from twomind.datasets.bah_splits import Answer
from twomind.evaluation import metrics
from twomind.evaluation.held_out import (
    flat_rows,
    mean_bound,
    own_figures,
    question_table,
    reliability,
)
from twomind.evaluation.located import Segments, located_card
from twomind.evaluation.transcript_habits import transcription_effects
from twomind.evaluation.words import existing, hashed, plain_object, score_answers
from twomind.evaluation.words_run import is_drawn
from twomind.models.calibration import risk_curve, sigmoid
from twomind.models.words.additive import Additive
from twomind.models.words.recogniser import MIN_WORDS, Head, WordsRecogniser, load, to_dict
from twomind.training import words as wt
from twomind.types import Progress
from twomind.types.plain import Array, Plain

NOT_FOR = (
    "diagnosis, or any decision about a person without a human who listened to the answer",
    "selection, monitoring or appraisal at work or in education",
    "saying when in the answer ambivalence or hesitancy shows: it does not know",
    "languages other than English, speech of children, answers read aloud or written",
    "comparing groups of people: no figure per group could be computed from the public files",
)
POPULATION = (
    "adults from nine Canadian provinces, recruited online, who answered seven questions of an "
    "avatar, alone at "
    "their own webcam, in English (a few French answers); transcripts by an automatic recogniser "
    "that drops nearly "
    "all filler sounds; labels mostly by one annotator, agreement not published"
)
FORM_NOTE = (
    "which lexicon categories enter, and in what form, was settled by cross-validation on the same "
    "training people, so "
    "these figures are slightly favourable; the validation split played no part in any choice"
)
DRAWN_POPULATION = "synthetic people: consistency of the machinery, not validity on people"
TARGET_OF_SCORE = (
    "likelihood that a trained coder would mark ambivalence or hesitancy somewhere in a spoken "
    "answer"
)
WARNING = "holds n-grams of the training transcripts: keep it where the transcripts may be kept"
_MIN_PEOPLE = 10
_MIN_PER_LABEL = 3


def _shortcuts(data: wt.Table, recipe: wt.Recipe, prevalence: float) -> Plain:
    everyone = np.arange(len(data))
    fitted = wt.fit_length_question(data, everyone, recipe)
    rates = wt.question_rates(data, everyone)
    questions = {q: fitted.baseline + shift for q, shift in fitted.questions.items()}
    length_question: Plain = {"questions": questions, "unknown": fitted.baseline}
    length_question["length_weight"] = fitted.length_weight
    length_question["length_mean"] = fitted.length_mean
    return {
        "question_only": {"rates": rates, "unknown": prevalence},
        "length_question": length_question,
    }


def _n_people(data: wt.Table, where: Array | None = None) -> int:
    subjects = data.subject if where is None else data.subject[where]
    return len(np.unique(subjects))


def _check(data: wt.Table) -> None:
    n_absent = _n_people(data, data.y == 0)
    n_present = _n_people(data, data.y == 1)
    n_people = _n_people(data)
    if n_people < _MIN_PEOPLE or min(n_absent, n_present) < _MIN_PER_LABEL:
        raise BadInput(
            f"too little to train on: expected answers of at least {MIN_WORDS} words by at least "
            f"{_MIN_PEOPLE} people, "
            f"and each label given to at least {_MIN_PER_LABEL} of them; got {n_people} people, "
            f"{n_absent} of them with "
            f"the label 0 and {n_present} with the label 1"
        )


class _Steps:
    """Counts steps for a progress callback."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def __call__(self, what: str = "cross-validation") -> None:
        self._done += 1
        if self._progress:
            self._progress(what, self._done, self._total)


def skill(figures: Mapping[str, object], protocol: str, n_answers: int, n_people: int) -> Plain:
    """The few figures of one head that go with every prediction; all others are on the card.

    Args:
        figures: of the head on held-out people.
        protocol: how they were held out.
        n_answers: answers behind the figures.
        n_people: people behind them.
    """
    found: Plain = dict(figures)
    return {
        "auc": found["auc"],
        "auc_ci": list(found["ci"]["auc"]),
        "macro_f1": found["macro_f1"],
        "within_question_auc": found["within_question_auc"],
        "protocol": protocol,
        "n_answers": n_answers,
        "n_people": n_people,
    }


@dataclass(frozen=True)
class _Trained:
    """Models fitted on everybody, what held-out people were told, and resamples of people."""

    data: wt.Table
    recipe: wt.Recipe
    known: wt.Chosen
    own: wt.Chosen
    held: wt.HeldOut
    weights: Array

    @property
    def known_logit(self) -> Array:
        """Mean over the deals ``(N,)``, question known."""
        return np.asarray(self.held.known.mean(axis=0))

    @property
    def own_logit(self) -> Array:
        """The same without the question; nan where the question could not be left out."""
        return np.asarray(self.held.own_prompt.mean(axis=0))


def train(
    data: wt.Table,
    recipe: wt.Recipe,
    source: Plain,
    n_bootstrap: int = 2000,
    progress: Progress | None = None,
) -> tuple[WordsRecogniser, dict[str, Additive]]:
    """Fit, score on held-out people, and put everything on the card; and per person, a model that
    never saw them.

    Args:
        data: labelled answers.
        recipe: what is fitted, and how people are dealt into folds.
        source: where the answers are from, for the card.
        n_bootstrap: resamples of people behind each interval.
        progress: is told how far it is.

    Raises:
        BadInput: too few people, or no question can be left out.
    """
    _check(data)
    everyone = np.arange(len(data))
    step = _Steps(progress, wt.n_steps(data, recipe) + 4)
    rates = wt.question_rates(data, everyone)
    prevalence = float(np.clip(np.mean(list(rates.values())), 0.01, 0.99))
    known = wt.fit(data, everyone, True, recipe)
    step("fit")
    own = wt.fit(data, everyone, False, recipe)
    step("fit")
    held = wt.held_out(data, recipe, step)
    fold, models = wt.fold_models(data, recipe)
    step("transcription habits")
    weights = metrics.person_weights(data.subject, n_bootstrap, recipe.seed)
    trained = _Trained(data, recipe, known, own, held, weights)
    rows = _rows(trained)
    figures = {name: metrics.figures(bound, weights) for name, bound in rows.items()}
    without_question = own_figures(data, held, weights)
    card = _card(trained, source)
    card["protocol"] = _protocol(recipe, n_bootstrap)
    card["form"] = FORM_NOTE if source.get("bah") and recipe.variant == "lexicon" else ""
    card["held_out_people"] = figures
    words = rows["words"]
    card["gain_over_length_question"] = metrics.gains(words, rows["length_question"], weights)
    card["gain_over_question_only"] = metrics.gains(words, rows["question_only"], weights)
    card["own_prompt"] = without_question
    card["per_question"] = question_table(data, sigmoid(held.known))
    card["reliability"] = metrics.reliability_bins(data.y, sigmoid(trained.known_logit))
    card["transcription_habits"] = transcription_effects(data, fold, models)
    card["shareable"] = recipe.variant == "lexicon"
    if not card["shareable"]:
        card["warning"] = WARNING
    step("intervals")
    model = WordsRecogniser(
        known=_known_head(trained, figures["words"]),
        own_prompt=_own_head(trained, without_question),
        rates=rates,
        prevalence=prevalence,
        shortcuts=_shortcuts(data, recipe, prevalence),
        card=card,
        variant=recipe.variant,
        people=_people(data),
    )
    never_saw = {}
    for subject, own_fold in zip(data.subject, fold, strict=True):
        never_saw[str(subject)] = models[own_fold]
    return model, never_saw


def _rows(trained: _Trained) -> dict[str, metrics.BoundRows]:
    """Figures of the model and of the shortcuts on held-out people."""
    data, held = trained.data, trained.held
    scores = {"words": sigmoid(held.known)}
    scores |= flat_rows(data.y, held.fold)
    scores["question_only"] = held.question_only
    scores["length_question"] = sigmoid(held.length_question)
    return {name: mean_bound(data.y, s, data.question, held.fold) for name, s in scores.items()}


def _card(trained: _Trained, source: Plain) -> Plain:
    """What the model is and what it learnt from; figures come later."""
    data = trained.data
    about = dict(source)
    about["answers"] = len(data)
    about["people"] = _n_people(data)
    about["present"] = float(data.y.mean())
    chosen = {"known_question": _chosen(trained.known), "own_prompt": _chosen(trained.own)}
    return {
        "what": TARGET_OF_SCORE,
        "made": datetime.now(UTC).date().isoformat(),
        "data": about,
        "population": _population(source),
        "not_for": list(NOT_FOR),
        "recipe": asdict(trained.recipe),
        "chosen": chosen,
    }


def _chosen(fitted: wt.Chosen) -> Plain:
    return {"penalty": fitted.penalty, "slope": fitted.slope}


def _protocol(recipe: wt.Recipe, n_bootstrap: int) -> str:
    return (
        f"{recipe.n_folds}-fold cross-validation by person, {recipe.n_repeats} deals, mean "
        "over "
        "deals; penalty and "
        "slope chosen inside each training part; pairs within a question counted inside a "
        "fold; "
        "intervals: 95 % "
        f"percentile of {n_bootstrap} bootstrap resamples of people (resampling inflates ece, "
        "so its interval can "
        "lie above its value)"
    )


def _known_head(trained: _Trained, figures: Plain) -> Head:
    data = trained.data
    logit = trained.known_logit
    return Head(
        trained.known.model,
        reliability(data.y, logit, trained.weights),
        risk_curve(data.y, sigmoid(logit)),
        skill(figures, "people held out", len(data), _n_people(data)),
    )


def _own_head(trained: _Trained, figures: Plain) -> Head:
    """The head without the question, from the answers whose question could be left out."""
    data = trained.data
    seen = np.isfinite(trained.own_logit)
    y = data.y[seen]
    logit = trained.own_logit[seen]
    return Head(
        trained.own.model,
        reliability(y, logit, trained.weights[:, seen]),
        risk_curve(y, sigmoid(logit)),
        skill(figures, figures["protocol"], int(seen.sum()), _n_people(data, seen)),
    )


def _people(data: wt.Table) -> Plain:
    """Salted hashes of the training people."""
    subjects = sorted(set(map(str, data.subject)))
    digest = hashlib.sha256(json.dumps(subjects).encode()).hexdigest()
    salt = digest[:16]
    hashes = [hashed(subject, salt) for subject in subjects]
    return {"sha256_of_sorted_ids": digest, "salt": salt, "hashes": sorted(hashes)}


def _is_public(answers: Sequence[Answer]) -> bool:
    """Whether most people are those of the shipped model's training: a folder in BAH's layout may
    be anybody's.
    """
    shipped = load().people
    known = set(shipped["hashes"])
    people = {answer.subject for answer in answers}
    n_known = sum(hashed(one, shipped["salt"]) in known for one in people)
    return 2 * n_known > len(people)


def _population(source: Mapping[str, object]) -> str:
    if source.get("drawn"):
        return DRAWN_POPULATION
    return POPULATION if source.get("bah") else "of the user's own data"


class TrainOptions(TypedDict, total=False):
    """Options of :func:`train_words` beyond the data, the variant and the target."""

    seed: int
    n_bootstrap: int
    check_split: str | None
    n_repeats: int
    n_folds: int
    progress: Progress | None


@dataclass(frozen=True)
class _Settings:
    """The same, with what holds where nothing is given."""

    seed: int = 0
    n_bootstrap: int = 2000
    check_split: str | None = "val"
    n_repeats: int = 5
    n_folds: int = 5
    progress: Progress | None = None


def train_words(
    data_dir: Path,
    splits: Sequence[str] = ("train",),
    variant: str = "lexicon",
    out: Path | None = None,
    **options: Unpack[TrainOptions],
) -> Plain:
    """Train on BAH split files or a labelled folder (``data_dir`` a folder), or a user's own CSV (a
    file), write the model, return its card.

    When the folder also holds the check split and it was not trained on, the model is scored on it
    and the figures go on the card; where ``segments_<split>.csv`` lie beside the split files, so
    does whether it knows *when*. Nothing is written before all is done, then at once.

    Args:
        data_dir: the folder or the CSV.
        splits: splits of the folder to train on.
        variant: ``lexicon``, or another form of the model.
        out: the file or folder to write (default: the user's data folder, never the package).
        **options: ``seed`` (0), ``n_bootstrap`` resamples behind each interval (2000),
            ``check_split`` to score on afterwards ("val"; None: no split), ``n_repeats`` deals (5)
            of people into ``n_folds`` (5), and ``progress``, which is told how far it is.

    Raises:
        BadInput: the data cannot be read or are too few, or ``variant`` is unknown.
        MissingExtra: scikit-learn is absent.
    """
    data_dir = existing(data_dir)
    read = read_answers(data_dir, splits)
    how = _Settings(**options)
    recipe = replace(
        wt.Recipe(),
        variant=variant,
        seed=how.seed,
        n_repeats=how.n_repeats,
        n_folds=how.n_folds,
    )
    recipe.candidates()
    is_bah = has_split_files(data_dir)
    source = _source(data_dir, splits, read.answers, len(read.problems))
    table = wt.table(read.answers, MIN_WORDS)
    model, out_of_fold = train(table, recipe, source, how.n_bootstrap, how.progress)
    if is_bah:
        split = _split_to_check(data_dir, splits, how.check_split)
        model = _scored_on(model, data_dir, split, how)
        model = _with_located(model, out_of_fold, data_dir, splits, split, how)
    path = _target(out, variant if is_bah else f"own-{data_dir.stem}")
    write_sealed(path, plain_exact(to_dict(model)))
    return {
        "model": str(path),
        "variant": variant,
        "problems": list(read.problems),
        "card": plain_object(model.card),
    }


def _source(
    data_dir: Path, splits: Sequence[str], answers: Sequence[Answer], n_problems: int
) -> Plain:
    """Where the answers are from, for the card."""
    is_bah = has_split_files(data_dir)
    drawn = is_drawn(data_dir)
    is_public = is_bah and not drawn and _is_public(answers)
    return {
        "name": "BAH v1, public split files" if is_public else data_dir.name,
        "splits": list(splits) if divided(data_dir) else [],
        "bah": is_public,
        "drawn": drawn,
        "lines_not_used": n_problems,
        "answers_read": len(answers),
    }


def _split_to_check(data_dir: Path, splits: Sequence[str], split: str | None) -> str | None:
    """The split to score on afterwards; None where it is absent or was trained on."""
    if not split or split in splits:
        return None
    return split if (data_dir / f"{split}.txt").is_file() else None


def _scored_on(
    model: WordsRecogniser, data_dir: Path, split: str | None, how: _Settings
) -> WordsRecogniser:
    """The model with its figures on people never seen on the card."""
    if split is None:
        return model
    answers = read_answers(data_dir, [split]).answers
    figures = score_answers(model, answers, how.seed, how.n_bootstrap)
    card = dict(model.card)
    card["held_out_split"] = {"split": split, **figures}
    return replace(model, card=card)


def _with_located(
    model: WordsRecogniser,
    out_of_fold: Mapping[str, Additive],
    data_dir: Path,
    splits: Sequence[str],
    check_split: str | None,
    how: _Settings,
) -> WordsRecogniser:
    """The model with its figures on moments that coders marked on the card."""
    segments = Segments(data_dir, splits, check_split)
    located = located_card(model, segments, out_of_fold, how.seed, how.n_bootstrap)
    if not located:
        return model
    return replace(model, card={**model.card, "located": located})


def plain_exact(entry: Plain) -> Plain:
    """Plain values; figures rounded to six digits, the numbers that make a score (``model``) kept
    exactly.
    """
    rounded = plain_object(entry)
    for head in ("known_question", "own_prompt"):
        rounded[head]["model"] = entry[head]["model"]
    return rounded


def _target(out: Path | None, name: str) -> Path:
    if out is None:
        from platformdirs import user_data_path

        folder = user_data_path("twomind", appauthor=False)
        return folder / "models" / name / "words.json"
    out = Path(out)
    return out if out.suffix == ".json" else out / "words.json"
