"""The model ``change-talk``: which side of a change each clause of a person speaks for.

``change`` (for it), ``sustain`` (for leaving things as they are) or ``neutral``, in the terms of the
motivational interviewing codes MISC and MITI. It stands beside the score of ambivalence and is no
part of it. The numbers are readable (:mod:`twomind.features.words.change_words`); how they came
about, and how often they err: ``docs/change-talk.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import weights
from twomind.core.errors import BadInput, MissingWeights
from twomind.core.seals import read_sealed, write_sealed
from twomind.datasets.talk import CLASSES, NEUTRAL
from twomind.features.words import change_words
from twomind.models.base import BaseModel, read_card, refuse_damaged, write_card
from twomind.models.change_talk.clauses import Clause, clauses
from twomind.models.change_talk.head import (
    LENGTH,
    PLACE,
    Head,
    Risk,
    lengths,
    place_columns,
    readable,
)
from twomind.models.change_talk.sentences import Sentences
from twomind.models.change_talk.tuned import FineTuned
from twomind.transcripts.language import recognised_language
from twomind.types import Evidence, Features, Prediction, Task
from twomind.types.plain import Array

FORMAT = "twomind.change-talk/1"
FILE = "change_talk.json"
SHIPPED = Path(__file__).parent / "weights" / FILE
TASK = Task("change_talk", CLASSES, "window")
#: Of the clauses that are told, at most this share may be wrong among held-out training people.
MAX_RISK = 0.3
CANNOT_TELL = "cannot tell"
#: Too little is said to tell anything.
MIN_WORDS = 2
NOT_FOR = (
    "diagnosis, or any decision about a person without a human who looks for themselves",
    "judging a counsellor, or whether a person will change",
    "selection, monitoring or appraisal at work or in education",
    "talk in another language than that of its training",
)


@dataclass(frozen=True)
class Side:
    """What is said of one clause. ``said``: a class, or ``cannot tell``; ``probs``: calibrated, in
    the order of :data:`CLASSES`; ``even``: if all were equally common; ``sureness``: the largest of
    these.
    """

    clause: Clause
    said: str
    probs: tuple[float, float, float]
    even: tuple[float, float, float]

    @property
    def sureness(self) -> float:
        return max(self.even)


@dataclass(frozen=True)
class ChangeTalk(BaseModel):
    """Change, sustain and neutral talk from words. Settings of use: ``max_risk``."""

    head: Head
    shortcuts: Mapping[str, Head]  # the same training on length, and on length and place, alone
    risk: Risk
    card: Mapping[str, Any]
    encoder: Mapping[str, Any] | None = None
    fine_tuned: FineTuned | None = None  # reads a turn with what was said before it
    max_risk: float = MAX_RISK
    groups_sha256: str = field(default_factory=lambda: change_words.groups().sha256)

    @property
    def task(self) -> Task:
        return TASK

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("words",)

    @property
    def locates(self) -> tuple[bool, str]:
        return False, (
            "it says of each clause which side it speaks for, with the clause's times; it draws no "
            "curve over the recording and marks no ambivalence"
        )

    @cached_property
    def sentences(self) -> Sentences | None:
        """The encoder whose rows it reads besides the words, where it was trained with one."""
        return None if self.encoder is None else Sentences.of_card(self.encoder)

    def abstaining(self, max_risk: float) -> ChangeTalk:
        """Say "cannot tell" so often that at most this share of the told held-out turns is wrong.

        Raises:
            BadInput: no sureness reaches it.
        """
        if not 0 < max_risk < 1:
            raise BadInput(f"max_risk: expected a share between 0 and 1, got {max_risk}")
        if self.risk.threshold(max_risk) is None:
            best = min(self.risk.error, default=float("nan"))
            raise BadInput(
                f"max_risk {max_risk:g} is not reached on held-out people of the training; the "
                f"lowest error is {best:.3f}. Ask for that much or more"
            )
        return replace(self, max_risk=max_risk)

    def numbers(
        self, texts: Sequence[str], place: Array | None = None, before: Sequence[str] | None = None
    ) -> Array:
        """What the model reads of each text ``(N, D)``.

        Args:
            texts: turns or clauses.
            place: where in its conversation each stands, from 0 to 1 ``(N,)``; None: not known,
                as for an answer to one question.
            before: what others said right before each; None: not known.
        """
        own = columns(texts, place, self.sentences)
        if self.fine_tuned is None:
            return own
        return np.concatenate([own, self.fine_tuned.columns(texts, before)], axis=1)

    def cannot_tell(self, even: Array) -> Array:
        """Where nothing is told, ``(N,)``, from ``Head.even``'s probabilities ``(N, 3)``."""
        least = self.risk.threshold(self.max_risk)
        if least is None:
            return np.ones(len(even), bool)
        unsure: Array = even.max(axis=1) < least
        return unsure

    def sides(self, some: Sequence[Clause]) -> tuple[Side, ...]:
        """What is said of each clause of one answer, in order."""
        if not some:
            return ()
        x = self.numbers([clause.text for clause in some])
        together = np.zeros(len(some))
        probs, even = self.head.probs(x, together), self.head.even(x, together)
        unsure = self.cannot_tell(even)
        found = []
        for i, clause in enumerate(some):
            said = CANNOT_TELL if unsure[i] else CLASSES[int(even[i].argmax())]
            found.append(Side(clause, said, _three(probs[i]), _three(even[i])))
        return tuple(found)

    def why_not(self, x: Features) -> str:
        """Why nothing is told of an answer; empty where something is."""
        if x.words is None:
            return f"words: {x.notes.get('words') or 'not measured'}"
        if len(x.words) < MIN_WORDS:
            return f"words: {len(x.words)}; of fewer than {MIN_WORDS} nothing is told"
        own = str(self.card.get("language", "en"))
        spoken = recognised_language([word.text for word in x.words]) or own
        if spoken != own:
            return f"words: the model knows {own!r} alone, and this is {spoken!r}"
        return ""

    def predict(self, x: Features) -> Prediction:
        """The mean probabilities over the clauses: how much is said for each side.

        Each clause is an ``Evidence`` with its quote and its times; its value is the probability
        of change less that of sustain.
        """
        reason = self.why_not(x)
        if reason:
            return Prediction.not_measured(x.span_s, len(CLASSES), reason)
        found = self.sides(clauses(x.words or ()))
        mean = np.mean([side.probs for side in found], axis=0)
        evidence = []
        for side in found:
            clause = side.clause
            lean = side.probs[0] - side.probs[1]
            told = Evidence(
                side.said, clause.text, lean, "p(change) - p(sustain)", clause.start_s, clause.end_s
            )
            evidence.append(told)
        return Prediction(x.span_s, mean / mean.sum(), evidence=tuple(evidence))

    def describe(self) -> dict[str, Any]:
        """The card and the settings in use, as plain values."""
        return {
            "name": "change-talk",
            "card": dict(self.card),
            "questions": [],
            "meaning": "mean probability over clauses, in the order change, sustain, neutral",
            "settings": {"max_risk": self.max_risk},
        }

    @classmethod
    def load(cls, path: Path | None = None, /) -> ChangeTalk:
        """Read a model's file or folder; the shipped one when no path is given."""
        return load(path)

    def save(self, folder: Path) -> Path:
        """Write ``change_talk.json``, a fine-tuned encoder and ``card.json``; gives the folder."""
        network = [] if self.fine_tuned is None else self.fine_tuned.save(folder)
        write_sealed(folder / FILE, to_dict(self))
        write_card(folder, "change-talk", self.card, [FILE, *network])
        return folder


def columns(texts: Sequence[str], place: Array | None, sentences: Sentences | None) -> Array:
    """All numbers of some turns ``(N, D)``: words, length, place, sentence.

    Args:
        texts: the turns.
        place: ``(N,)`` from 0 to 1, nan or None where it is not known.
        sentences: the encoder; None: without.
    """
    where = np.full(len(texts), np.nan) if place is None else np.asarray(place, float)
    parts = [readable(texts), lengths(texts), place_columns(where)]
    if sentences is not None:
        parts.append(sentences.rows(texts))
    return np.concatenate(parts, axis=1)


def column_names(sentences: Sentences | None) -> tuple[str, ...]:
    """What the columns of :func:`columns` are called."""
    own = (*change_words.groups().names, LENGTH, *PLACE)
    return own if sentences is None else (*own, *sentences.names)


def _three(row: Array) -> tuple[float, float, float]:
    change, sustain, neutral = (float(p) for p in row)
    return change, sustain, neutral


def soft_share(probs: Array) -> float:
    """How much of what is said for either side is said for leaving things as they are, from
    ``Head.even``'s probabilities ``(N, 3)``: the shares of the training talk do not enter.
    """
    change, sustain, _ = probs.sum(axis=0)
    return float(sustain / (sustain + change))


# --- on disk


def to_dict(model: ChangeTalk) -> dict[str, Any]:
    """Everything of a model as plain values; settings of use are not part of it."""
    risk = model.risk
    tuned = {} if model.fine_tuned is None else {"fine_tuned": model.fine_tuned.to_dict()}
    return {
        "format": FORMAT,
        "classes": list(CLASSES),
        "groups_sha256": model.groups_sha256,
        "head": model.head.to_dict(),
        "shortcuts": {name: head.to_dict() for name, head in model.shortcuts.items()},
        "risk": {
            "sureness": list(risk.sureness),
            "coverage": list(risk.coverage),
            "error": list(risk.error),
        },
        "encoder": model.encoder,
        **tuned,
        "card": dict(model.card),
    }


def _risk(entry: Mapping[str, Sequence[float]]) -> Risk:
    return Risk(tuple(entry["sureness"]), tuple(entry["coverage"]), tuple(entry["error"]))


def load(path: Path | None = None) -> ChangeTalk:
    """Read a change-talk model from its file or folder.

    Raises:
        MissingWeights: the file is absent, or the shipped one is damaged.
        BadInput: it is no such model, or was trained with other word groups.
    """
    if path is None:
        weights.refuse_damaged("change-talk")
    path = Path(path) if path is not None else SHIPPED
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        raise MissingWeights(
            f"no change-talk model at {path}; reinstall twomind, or train one with `twomind train "
            "change-talk`"
        )
    try:
        entry = read_sealed(path)
    except ValueError as error:
        raise BadInput(f"{path}: expected a change-talk model as JSON ({error})") from error
    came = entry.get("format") if isinstance(entry, dict) else type(entry).__name__
    if came != FORMAT or entry["classes"] != list(CLASSES):
        raise BadInput(f"{path}: expected the format {FORMAT!r}, got {came!r}")
    if entry["groups_sha256"] != change_words.groups().sha256:
        raise BadInput(
            f"{path}: it was trained with another version of the word groups; train it again"
        )
    shortcuts = {name: Head.from_dict(head) for name, head in entry["shortcuts"].items()}
    tuned = None
    if "fine_tuned" in entry:
        refuse_damaged(path.parent, read_card(path.parent))
        tuned = FineTuned.from_dict(entry["fine_tuned"], path.parent)
    return ChangeTalk(
        head=Head.from_dict(entry["head"]),
        shortcuts=shortcuts,
        risk=_risk(entry["risk"]),
        card=entry["card"],
        encoder=entry["encoder"],
        fine_tuned=tuned,
        groups_sha256=entry["groups_sha256"],
    )


def plain_side(side: Side) -> dict[str, Any]:
    """What is said of a clause as plain values: the columns of ``change_talk.csv``."""
    change, sustain, neutral = side.probs
    clause = side.clause
    return {
        "said": side.said,
        "quote": clause.text,
        "start_s": clause.start_s,
        "end_s": clause.end_s,
        "timed": clause.timed,
        "p_change": change,
        "p_sustain": sustain,
        "p_neutral": neutral,
        "sureness": side.sureness,
    }


def two_sides(model: ChangeTalk, x: Features) -> dict[str, Any]:
    """The two sides of an answer as plain values: clauses with quotes and times, how many were told
    for each side, and the soft share of sustain talk; or why nothing is told.
    """
    about = {
        "trained_on": model.card.get("population"),
        "labelled_by": model.card.get("labelled_by"),
        "max_risk": model.max_risk,
        "judged_elsewhere": model.card.get("judged_elsewhere", ""),
    }
    reason = model.why_not(x)
    if reason:
        return {"status": "not_measured", "reason": reason, "clauses": [], "model": about}
    told = model.sides(clauses(x.words or ()))
    rows = [plain_side(side) for side in told]
    counts = dict.fromkeys((*CLASSES, CANNOT_TELL), 0)
    for side in told:
        counts[side.said] += 1
    both = all(counts[name] for name in CLASSES if name != NEUTRAL)
    share = soft_share(np.array([side.even for side in told]))
    return {
        "status": "ok",
        "reason": "",
        "both_sides": both,
        "counts": counts,
        "soft_share_sustain": share,
        "clauses": rows,
        "model": about,
    }


PLUGIN = ChangeTalk
