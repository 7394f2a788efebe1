"""The words recogniser's scores as a run, so that a leaderboard shows it beside everything else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from twomind.core.errors import BadInput
from twomind.datasets import checking
from twomind.datasets.answers import divided, read_answers
from twomind.datasets.bah_splits import Answer
from twomind.datasets.own import Own
from twomind.datasets.people import people_around
from twomind.datasets.surroundings import TABLE
from twomind.evaluation import machine, shortcuts
from twomind.evaluation.breakdown import GROUPS
from twomind.evaluation.runs import save_run
from twomind.evaluation.words import existing, flat, n_trained_on, probabilities
from twomind.features.words.text import count
from twomind.models.questions import resolve
from twomind.models.words.recogniser import MIN_WORDS, WordsRecogniser, load
from twomind.types import AMBIVALENCE, Fold, Rows, Run
from twomind.types.plain import Array, Plain


def _two(p: Array) -> Array:
    """Probabilities of both classes ``(N, 2)`` from that of the second."""
    return np.stack([1 - p, p], axis=1)


def words_run(
    model: WordsRecogniser,
    answers: tuple[Answer, ...],
    *,
    dataset: str,
    split: str | None,
    drawn: bool = False,
    known: Mapping[str, Mapping[str, str]] | None = None,
) -> Run:
    """Predictions of the words model on labelled answers, with the shortcuts that ship with it.

    Answers without a score take the question-only probability in figures, as in ``twomind score
    words``. Shortcuts were fitted on the model's own training people.

    Args:
        model: the words model.
        answers: labelled ones.
        dataset: the data set's name.
        split: the split's name; None: all labelled answers.
        drawn: whether the people are synthetic.
        known: what is known of each person, for figures of groups.

    Raises:
        BadInput: there is no answer.
    """
    part = split or "all"
    if not answers:
        raise BadInput(f"{dataset} {part}: no labelled answer")
    people = sorted({answer.subject for answer in answers})
    n_known = n_trained_on(model, people)
    fold = Fold(
        name=part,
        protocol=f"official split {split}" if split else "all labelled answers",
        train=(),
        test=tuple(answer.id for answer in answers),
        same_people=n_known > 0,
    )
    return Run(
        name=f"{dataset}-{part}-words-{model.variant}",
        dataset=dataset,
        task=AMBIVALENCE,
        fold=fold,
        model=f"words ({model.variant})",
        method="source-only",
        rows={"recording": _rows(model, answers)},
        fill="question_only",
        windows={"unit": "a whole answer; no clock in a split file"},
        people=known or {},
        drawn=drawn,
        fingerprint=_fingerprint(answers),
        versions=machine.versions(),
        git=machine.git_state(),
        notes=_notes(model, drawn, n_known, len(people)),
    )


def _rows(model: WordsRecogniser, answers: Sequence[Answer]) -> Rows:
    """What the model and the shortcuts say of each answer."""
    p = probabilities(model, answers)
    always = flat(model, len(p))
    names = []
    n_words = []
    for answer in answers:
        names.append(resolve(answer.question, model.questions))
        words = answer.transcript.split()
        n_words.append(count(words).n_words)
    only = shortcuts.question_only(model.shortcuts, names)
    both = shortcuts.length_question(model.shortcuts, names, n_words)
    beside = {name: _two(rate) for name, rate in always.items()}
    beside["question_only"] = _two(only)
    beside["length_question"] = _two(both)
    beside["no_adaptation"] = _two(p)
    reasons = {}
    for answer, score in zip(answers, p, strict=True):
        if np.isnan(score):
            reasons[answer.id] = f"fewer than {MIN_WORDS} words"
    ids = [answer.id for answer in answers]
    subjects = [answer.subject for answer in answers]
    questions = [answer.question or "" for answer in answers]
    labels = [answer.label for answer in answers]
    no_clock = np.full((len(answers), 2), np.nan)  # a split file has none
    return Rows(
        recording=np.array(ids, dtype=str),
        subject=np.array(subjects, dtype=str),
        question=np.array(questions, dtype=str),
        span_s=no_clock,
        y=np.array(labels, int),
        probs=_two(p),
        beside=beside,
        reasons=reasons,
    )


def _notes(model: WordsRecogniser, drawn: bool, n_known: int, n_people: int) -> tuple[str, ...]:
    about = model.card.get("data", {})
    notes = [
        f"shortcuts were fitted on the training people of the words model, {about.get('name')}"
    ]
    if model.drawn and not drawn:
        notes.append(
            "the model learnt from synthetic people: on real ones its figures show the machinery, "
            "nothing else"
        )
    if n_known:
        notes.append(
            f"{n_known} of {n_people} people were in the training data: these are not people "
            "never seen"
        )
    return tuple(notes)


def _fingerprint(answers: Sequence[Answer]) -> str:
    """SHA-256 over ids, labels and words."""
    lines = []
    for answer in answers:
        lines.append(f"{answer.id}|{answer.label}|{answer.transcript}")
    text = "\n".join(lines)
    return hashlib.sha256(text.encode()).hexdigest()


def store_words_run(
    data_dir: Path,
    out: Path,
    split: str = "test",
    model: WordsRecogniser | Path | None = None,
    dataset: str | None = None,
    drawn: bool | None = None,
) -> Plain:
    """Score as :func:`twomind.evaluation.words.score_words` does and keep the run in the folder
    ``out``.

    Args:
        data_dir: a folder of split files, a labelled folder, or a CSV.
        out: folder of the run.
        split: of the folder, where it has splits.
        model: a words model or its file; None: the one that comes with the package.
        dataset: the data set's name (default: that of the folder or file).
        drawn: whether the people are synthetic; by default it is looked up (:func:`is_drawn`).

    Raises:
        BadInput: the data cannot be read.
        MissingWeights: there is no such model.
    """
    data_dir = existing(data_dir)
    answers = read_answers(data_dir, [split]).answers
    recogniser = model if isinstance(model, WordsRecogniser) else load(model)
    own_name = data_dir.name if data_dir.is_dir() else data_dir.stem
    name = dataset or own_name
    if drawn is None:
        drawn = is_drawn(data_dir)
    subjects = [answer.subject for answer in answers]
    known, _ = people_around(data_dir, subjects, GROUPS)
    part = split if divided(data_dir) else None
    run = words_run(recogniser, answers, dataset=name, split=part, drawn=drawn, known=known)
    folder = save_run(run, Path(out))
    return {"run": str(folder), "drawn": drawn}


def is_drawn(data: Path) -> bool:
    """Whether the data's folder, or one of the three above it, says that its people are synthetic, as
    data sets do; or a film that its table lists says so of itself.
    """
    folder = data if data.is_dir() else data.parent
    folder = folder.resolve()
    places = [folder, *list(folder.parents)[:3]]
    if any(checking.is_drawn(place) for place in places):
        return True
    if not (data / TABLE).is_file():
        return False
    listed = Own(data)
    return any(checking.film_header(listed.media(row)).drawn for row in listed.rows.values())
