"""Train a words model and write its card: figures on people it never saw. Behind `twomind train
words`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.store import write_text
from twomind.datasets.bah_splits import Answer, read_answers
from twomind.evaluation import metrics
from twomind.evaluation.located import located_card
from twomind.evaluation.transcript_habits import habits
from twomind.evaluation.words import existing, hashed, plain, score_answers
from twomind.evaluation.words_run import is_drawn
from twomind.models.calibration import Reliability, risk_curve, sigmoid
from twomind.models.words.additive import Additive
from twomind.models.words.recogniser import MIN_WORDS, SHIPPED, Head, WordsRecogniser, load, to_dict
from twomind.training import words as wt
from twomind.types import Progress

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
DRAWN_POPULATION = "drawn people: consistency of the machinery, not validity on people"
_MIN_PEOPLE = 10
_MIN_PER_LABEL = 3


def _mean_bound(
    y: np.ndarray, scores: np.ndarray, question: np.ndarray, folds: np.ndarray
) -> dict[str, Callable[..., Any]]:
    """Every metric as its mean over the deals, ``scores (R, N)``."""
    each = [metrics.bound(y, p, question, fold) for p, fold in zip(scores, folds, strict=False)]

    def mean(name: str) -> Callable[..., Any]:
        return lambda weights=None: np.mean([one[name](weights) for one in each], axis=0)

    return {name: mean(name) for name in each[0]}


def _figures(bound: dict[str, Callable[..., Any]], weights: np.ndarray) -> dict[str, Any]:
    return {**{k: float(f()) for k, f in bound.items()}, "ci": metrics.intervals(bound, weights)}


def _gain(
    a: dict[str, Callable[..., Any]], b: dict[str, Callable[..., Any]], weights: np.ndarray
) -> dict[str, Any]:
    return {
        **{k: float(a[k]() - b[k]()) for k in a},
        "ci": {k: metrics.interval(a[k](weights) - b[k](weights)) for k in a},
    }


def reliability(
    y: np.ndarray, logit: np.ndarray, weights: np.ndarray, n_near: int = 120, n_points: int = 13
) -> Reliability:
    """Observed rate near each of ``n_points`` held-out scores, with its participant-bootstrap 95 %
    interval.
    """
    n_near = min(n_near, max(len(y) // 4, 1))
    order = np.argsort(logit, kind="stable")
    points: list[tuple[float, float, float, float]] = []
    for start in np.linspace(0, len(y) - n_near, n_points).astype(int):
        near = order[start : start + n_near]
        w = weights[:, near]
        total = w.sum(axis=1)
        low, high = metrics.interval((w @ y[near])[total > 0] / total[total > 0])
        p, rate = float(sigmoid(np.median(logit[near]))), float(y[near].mean())
        if not points or p > points[-1][0]:
            points.append((p, rate, low, high))
    p_, rate_, low_, high_ = zip(*points, strict=True)
    return Reliability(p_, rate_, low_, high_, n_near)


def _own_figures(data: wt.Table, held: wt.HeldOut, weights: np.ndarray) -> dict[str, Any]:
    """Figures of the model without the question, on the answers whose question could be
    left out.
    """
    seen = np.isfinite(held.own_prompt).all(axis=0)
    if not seen.any():
        raise BadInput(
            "no question can be left out: without it, all other answers carry one label. Give both "
            "labels in more than "
            "one question"
        )
    y, question, fold = data.y[seen], data.question[seen], held.fold[:, seen]
    logit, weights = held.own_prompt[:, seen], weights[:, seen]
    one = _mean_bound(y, sigmoid(logit - held.own_baseline[:, seen]), question, fold)["auc"]
    several = len(np.unique(data.question)) > 1
    return {
        **_figures(_mean_bound(y, sigmoid(logit), question, fold), weights),
        "auc_one_baseline": float(one()),
        "auc_one_baseline_ci": metrics.interval(one(weights)),
        "protocol": "leave one question out, on people held out as well"
        if several
        else "people held out (one question)",
        "note": "auc pools models whose baselines differ by the question left out; "
        "auc_one_baseline "
        "takes them off",
    }


def _shortcuts(data: wt.Table, recipe: wt.Recipe, prevalence: float) -> dict[str, Any]:
    everyone = np.arange(len(data))
    lq = wt.fit_length_question(data, everyone, recipe)
    return {
        "question_only": {"rates": wt.question_rates(data, everyone), "unknown": prevalence},
        "length_question": {
            "questions": {q: lq.baseline + v for q, v in lq.questions.items()},
            "unknown": lq.baseline,
            "length_weight": lq.length_weight,
            "length_mean": lq.length_mean,
        },
    }


def _check(data: wt.Table) -> None:
    n = {label: len(np.unique(data.subject[data.y == label])) for label in (0, 1)}
    n_people = len(np.unique(data.subject))
    if n_people < _MIN_PEOPLE or min(n.values()) < _MIN_PER_LABEL:
        raise BadInput(
            f"too little to train on: expected answers of at least {MIN_WORDS} words by at least "
            f"{_MIN_PEOPLE} people, "
            f"and each label given to at least {_MIN_PER_LABEL} of them; got {n_people} people, "
            f"{n[0]} of them with "
            f"the label 0 and {n[1]} with the label 1"
        )


def _flat(y: np.ndarray, folds: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """What knows nothing of an answer, ``(R, N)``: the rate of the other folds' people, and their
    commoner label.
    """
    rate = np.stack([[y[fold != own].mean() for own in fold] for fold in folds])
    yield "prevalence", rate
    yield "constant", (rate > 0.5).astype(float)


class _Steps:
    """Counts steps for a progress callback."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, what: str = "cross-validation") -> None:
        self._done += 1
        if self._progress:
            self._progress(what, self._done, self._total)


def skill(
    figures: Mapping[str, Any], protocol: str, n_answers: int, n_people: int
) -> dict[str, Any]:
    """The few figures of one head that go with every prediction; all others are on the card."""
    return {
        "auc": figures["auc"],
        "auc_ci": list(figures["ci"]["auc"]),
        "macro_f1": figures["macro_f1"],
        "within_question_auc": figures["within_question_auc"],
        "protocol": protocol,
        "n_answers": n_answers,
        "n_people": n_people,
    }


def train(
    data: wt.Table,
    recipe: wt.Recipe,
    source: dict[str, Any],
    n_bootstrap: int = 2000,
    progress: Progress | None = None,
) -> tuple[WordsRecogniser, dict[str, Additive]]:
    """Fit, score on held-out people, and put everything on the card; and per person, a model that
    never saw them.
    """
    _check(data)
    everyone = np.arange(len(data))
    n_people = len(np.unique(data.subject))
    step = _Steps(progress, wt.n_steps(data, recipe) + 4)
    rates = wt.question_rates(data, everyone)
    prevalence = float(np.clip(np.mean(list(rates.values())), 0.01, 0.99))
    chosen = wt.fit(data, everyone, True, recipe)
    step("fit")
    own = wt.fit(data, everyone, False, recipe)
    step("fit")
    held = wt.held_out(data, recipe, step)
    fold, models = wt.fold_models(data, recipe)
    step("transcription habits")
    weights = metrics.person_weights(data.subject, n_bootstrap, recipe.seed)
    rows = {
        "words": _mean_bound(data.y, sigmoid(held.known), data.question, held.fold),
        **{
            name: _mean_bound(data.y, always, data.question, held.fold)
            for name, always in _flat(data.y, held.fold)
        },
        "question_only": _mean_bound(data.y, held.question_only, data.question, held.fold),
        "length_question": _mean_bound(
            data.y, sigmoid(held.length_question), data.question, held.fold
        ),
    }
    mean_known, mean_own = held.known.mean(axis=0), held.own_prompt.mean(axis=0)
    figures = {k: _figures(b, weights) for k, b in rows.items()}
    own_figures = _own_figures(data, held, weights)
    seen = np.isfinite(mean_own)
    card = {
        "what": "likelihood that a trained coder would mark ambivalence or hesitancy somewhere in "
        "a "
        "spoken answer",
        "made": datetime.now(UTC).date().isoformat(),
        "data": {
            **source,
            "answers": len(data),
            "people": n_people,
            "present": float(data.y.mean()),
        },
        "population": _population(source),
        "not_for": list(NOT_FOR),
        "recipe": asdict(recipe),
        "chosen": {
            "known_question": {"penalty": chosen.penalty, "slope": chosen.slope},
            "own_prompt": {"penalty": own.penalty, "slope": own.slope},
        },
        "protocol": (
            f"{recipe.n_folds}-fold cross-validation by person, {recipe.n_repeats} deals, mean "
            "over "
            "deals; penalty and "
            "slope chosen inside each training part; pairs within a question counted inside a "
            "fold; "
            "intervals: 95 % "
            f"percentile of {n_bootstrap} bootstrap resamples of people (resampling inflates ece, "
            "so its interval can "
            "lie above its value)"
        ),
        "form": FORM_NOTE if source.get("bah") and recipe.variant == "lexicon" else "",
        "held_out_people": figures,
        "gain_over_length_question": _gain(rows["words"], rows["length_question"], weights),
        "gain_over_question_only": _gain(rows["words"], rows["question_only"], weights),
        "own_prompt": own_figures,
        "per_question": _question_table(data, sigmoid(held.known)),
        "reliability": metrics.reliability_bins(data.y, sigmoid(mean_known)),
        "transcription_habits": habits(data, fold, models),
        "shareable": recipe.variant == "lexicon",
    }
    if not card["shareable"]:
        card["warning"] = (
            "holds n-grams of the training transcripts: keep it where the transcripts may be kept"
        )
    step("intervals")
    salt = hashlib.sha256(json.dumps(sorted(set(map(str, data.subject)))).encode()).hexdigest()
    model = WordsRecogniser(
        known=Head(
            chosen.model,
            reliability(data.y, mean_known, weights),
            risk_curve(data.y, sigmoid(mean_known)),
            skill(figures["words"], "people held out", len(data), n_people),
        ),
        own_prompt=Head(
            own.model,
            reliability(data.y[seen], mean_own[seen], weights[:, seen]),
            risk_curve(data.y[seen], sigmoid(mean_own[seen])),
            skill(
                own_figures,
                own_figures["protocol"],
                int(seen.sum()),
                len(np.unique(data.subject[seen])),
            ),
        ),
        rates=rates,
        prevalence=prevalence,
        shortcuts=_shortcuts(data, recipe, prevalence),
        card=card,
        variant=recipe.variant,
        people={
            "sha256_of_sorted_ids": salt,
            "salt": salt[:16],
            "hashes": sorted(hashed(str(s), salt[:16]) for s in np.unique(data.subject)),
        },
    )
    return model, {str(s): models[f] for s, f in zip(data.subject, fold, strict=True)}


def _is_public(answers: Sequence[Answer]) -> bool:
    """Whether most people are those of the shipped model's training: a folder in BAH's layout may
    be anybody's.
    """
    shipped = load().people
    known, people = set(shipped["hashes"]), {a.subject for a in answers}
    return 2 * sum(hashed(one, shipped["salt"]) in known for one in people) > len(people)


def _population(source: Mapping[str, Any]) -> str:
    if source.get("drawn"):
        return DRAWN_POPULATION
    return POPULATION if source.get("bah") else "of the user's own data"


def _question_table(data: wt.Table, p: np.ndarray) -> list[dict[str, Any]]:
    rows = []
    for q in sorted(set(map(str, data.question))):
        m = data.question == q
        rows.append(
            {
                "question": q,
                "n": int(m.sum()),
                "observed": float(data.y[m].mean()),
                "mean_score": float(p[:, m].mean()),
                "auc": float(np.mean([metrics.auc(data.y[m], one[m]) for one in p])),
                "accuracy": float(
                    np.mean([((one[m] > 0.5) == (data.y[m] == 1)).mean() for one in p])
                ),
            }
        )
    return rows


def train_words(
    data_dir: Path,
    splits: Sequence[str] = ("train",),
    variant: str = "lexicon",
    out: Path | None = None,
    seed: int = 0,
    n_bootstrap: int = 2000,
    check_split: str | None = "val",
    n_repeats: int = 5,
    n_folds: int = 5,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train on BAH split files (``data_dir`` a folder) or a user's own CSV (a file), write the
    model, return its card.

    ``out`` is the file or folder to write (default: the user's data folder, never the package).
    When the folder also holds ``check_split`` and it was not trained on, the model is scored on it
    and the figures go on the card; where ``segments_<split>.csv`` lie beside the split files, so
    does whether it knows *when*. Nothing is written before all is done, then at once.

    Raises:
        BadInput: the data cannot be read or are too few, or ``variant`` is unknown.
        MissingExtra: scikit-learn is absent.
    """
    data_dir = existing(data_dir)
    read = read_answers(data_dir, splits)
    recipe = replace(wt.Recipe(), variant=variant, seed=seed, n_repeats=n_repeats, n_folds=n_folds)
    recipe.candidates()
    is_bah, drawn = data_dir.is_dir(), is_drawn(data_dir)
    public = is_bah and not drawn and _is_public(read.answers)
    source = {
        "name": "BAH v1, public split files" if public else data_dir.name,
        "splits": list(splits) if is_bah else [],
        "bah": public,
        "drawn": drawn,
        "lines_not_used": len(read.problems),
        "answers_read": len(read.answers),
    }
    model, out_of_fold = train(
        wt.table(read.answers, MIN_WORDS), recipe, source, n_bootstrap, progress
    )
    if is_bah:
        is_there = (
            check_split
            and check_split not in splits
            and (data_dir / f"{check_split}.txt").is_file()
        )
        model = _checked(
            model,
            data_dir,
            splits,
            check_split if is_there else None,
            out_of_fold,
            seed,
            n_bootstrap,
        )
    path = _target(out, variant if is_bah else f"own-{data_dir.stem}")
    write_text(path, json.dumps(plain_exact(to_dict(model)), indent=1, ensure_ascii=False) + "\n")
    return {
        "model": str(path),
        "variant": variant,
        "problems": list(read.problems),
        "card": plain(model.card),
    }


def _checked(
    model: WordsRecogniser,
    data_dir: Path,
    splits: Sequence[str],
    check_split: str | None,
    out_of_fold: Mapping[str, Additive],
    seed: int,
    n_bootstrap: int,
) -> WordsRecogniser:
    """The model with its figures on people never seen, and on moments that coders marked, on the
    card.
    """
    card = dict(model.card)
    if check_split:
        checked = score_answers(
            model, read_answers(data_dir, [check_split]).answers, seed, n_bootstrap
        )
        card["held_out_split"] = {"split": check_split, **checked}
    located = located_card(model, data_dir, splits, check_split, out_of_fold, seed, n_bootstrap)
    return replace(model, card={**card, "located": located} if located else card)


def plain_exact(entry: dict[str, Any]) -> dict[str, Any]:
    """Plain values; figures rounded to six digits, the numbers that make a score (``model``) kept
    exactly.
    """
    rounded = plain(entry)
    for head in ("known_question", "own_prompt"):
        rounded[head]["model"] = entry[head]["model"]
    return dict(rounded)


def _target(out: Path | None, name: str) -> Path:
    if out is None:
        from platformdirs import user_data_path

        return user_data_path("twomind", appauthor=False) / "models" / name / "words.json"
    out = Path(out)
    return out if out.suffix == ".json" else out / "words.json"


def ship(data_dir: Path, path: Path = SHIPPED, **options: Any) -> dict[str, Any]:
    """Remake the model that comes with the package, from the public training people only;
    maintainers run this.

    Writes ``path`` and, beside it, ``SHA256SUMS`` in the format of sha256sum. ``options`` as of
    :func:`train_words`.
    """
    found = train_words(data_dir, ("train",), "lexicon", path, **options)
    write_text(
        path.parent / "SHA256SUMS",
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n",
    )
    return found
