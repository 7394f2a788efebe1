"""The words recogniser's scores as a run, so that a leaderboard shows it beside everything else."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.datasets import checking
from twomind.datasets.bah_splits import Answer, read_answers
from twomind.evaluation import machine, shortcuts
from twomind.evaluation.runs import save_run
from twomind.evaluation.words import existing, flat, hashed, probabilities
from twomind.features.words.text import count
from twomind.models.questions import resolve
from twomind.models.words.recogniser import MIN_WORDS, WordsRecogniser, load
from twomind.types import AMBIVALENCE, Fold, Rows, Run


def _two(p: np.ndarray) -> np.ndarray:
    return np.stack([1 - p, p], axis=1)


def words_run(
    model: WordsRecogniser,
    answers: tuple[Answer, ...],
    *,
    dataset: str,
    split: str,
    drawn: bool = False,
) -> Run:
    """Predictions of the words model on labelled answers, with the shortcuts that ship with it.

    Answers without a score take the question-only probability in figures, as in ``twomind score
    words``. Shortcuts were fitted on the model's own training people.
    """
    if not answers:
        raise BadInput(f"{dataset} {split}: no labelled answer")
    names = [resolve(a.question, model.questions) for a in answers]
    n_words = [count(a.transcript.split()).n_words for a in answers]
    p = probabilities(model, answers)
    beside = {
        **{name: _two(always) for name, always in flat(model, len(p)).items()},
        "question_only": _two(shortcuts.question_only(model.shortcuts, names)),
        "length_question": _two(shortcuts.length_question(model.shortcuts, names, n_words)),
        "no_adaptation": _two(p),
    }
    rows = Rows(
        recording=np.array([a.id for a in answers], dtype=str),
        subject=np.array([a.subject for a in answers], dtype=str),
        question=np.array([a.question or "" for a in answers], dtype=str),
        span_s=np.full((len(answers), 2), np.nan),  # a split file has no clock
        y=np.array([a.label for a in answers], int),
        probs=_two(p),
        beside=beside,
        reasons={
            a.id: f"fewer than {MIN_WORDS} words"
            for a, one in zip(answers, p, strict=True)
            if np.isnan(one)
        },
    )
    people = sorted({a.subject for a in answers})
    salt, trained = str(model.people.get("salt", "")), set(model.people.get("hashes", ()))
    overlap = sum(hashed(s, salt) in trained for s in people)
    notes = [
        "shortcuts were fitted on the training people of the words model, "
        f"{model.card.get('data', {}).get('name')}"
    ]
    if model.drawn and not drawn:
        notes.append(
            "the model learnt from drawn people: on real ones its figures show the machinery, "
            "nothing else"
        )
    if overlap:
        notes.append(
            f"{overlap} of {len(people)} people were in the training data: these are not people "
            "never seen"
        )
    digest = hashlib.sha256(
        "\n".join(f"{a.id}|{a.label}|{a.transcript}" for a in answers).encode()
    ).hexdigest()
    return Run(
        name=f"{dataset}-{split}-words-{model.variant}",
        dataset=dataset,
        task=AMBIVALENCE,
        fold=Fold(
            split,
            f"official split {split}",
            (),
            tuple(a.id for a in answers),
            same_people=bool(overlap),
        ),
        model=f"words ({model.variant})",
        method="source-only",
        rows={"recording": rows},
        fill="question_only",
        windows={"unit": "a whole answer; no clock in a split file"},
        drawn=drawn,
        fingerprint=digest,
        versions=machine.versions(),
        git=machine.git_state(),
        notes=tuple(notes),
    )


def store_words_run(
    data_dir: Path,
    out: Path,
    split: str = "test",
    model: WordsRecogniser | Path | None = None,
    dataset: str | None = None,
    drawn: bool | None = None,
) -> dict[str, Any]:
    """Score as :func:`twomind.evaluation.words.score_words` does and keep the run in the folder
    ``out``.

    ``drawn`` says whether the people are synthetic; by default it is looked up (:func:`is_drawn`).

    Raises:
        BadInput: the data cannot be read.
        MissingWeights: there is no such model.
    """
    data_dir = existing(data_dir)
    answers = read_answers(data_dir, [split]).answers
    recogniser = model if isinstance(model, WordsRecogniser) else load(model)
    name = dataset or (data_dir.name if data_dir.is_dir() else data_dir.stem)
    drawn = is_drawn(data_dir) if drawn is None else drawn
    run = words_run(recogniser, answers, dataset=name, split=split, drawn=drawn)
    return {"run": str(save_run(run, Path(out))), "drawn": drawn}


def is_drawn(data: Path) -> bool:
    """Whether the data's folder, or one of the three above it, says that its people are drawn, as
    data sets do.
    """
    folder = (data if data.is_dir() else data.parent).resolve()
    return any(checking.is_drawn(place) for place in (folder, *list(folder.parents)[:3]))
