"""The default recogniser: which question, how long an answer, and a lexicon of hesitation and
ambivalence in its words.

It says how likely a trained coder would mark ambivalence or hesitancy *somewhere* in the answer. It
does not say when. numpy only; the numbers lie in ``weights/words.json`` with their card. How they
came about: ``docs/words.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import weights
from twomind.core.errors import BadInput, MissingWeights
from twomind.core.seals import read_sealed, write_sealed
from twomind.features.words.lexicon import lexicon
from twomind.features.words.text import count
from twomind.models.base import NOT_STATED, BaseModel, write_card
from twomind.models.calibration import (
    Reliability,
    Risk,
    band_evidence,
    prevalence_shift,
    reliability_from,
    risk_from,
    sigmoid,
)
from twomind.models.questions import resolve
from twomind.models.words.additive import Additive, NGrams, Parts
from twomind.types import AMBIVALENCE, Evidence, Features, Prediction, Status, Task

FORMAT = "twomind.words/1"
FILE = "words.json"
SHIPPED = Path(__file__).parent / "weights" / FILE
#: Of the weights that ship; another model's is its maker's to state.
SHIPPED_LICENCE = "Apache-2.0"
#: Shorter answers are not scored: too little was said, or the transcript is cut.
MIN_WORDS = 5


@dataclass(frozen=True)
class Head:
    """One calibrated model with what was observed on held-out answers: of known questions, or of
    prompts never seen.
    """

    model: Additive
    reliability: Reliability
    risk: Risk
    skill: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """How the words model is used: question, prevalence, abstaining, synthetic people."""

    use_question: bool = True  # False: score as if the question were unknown
    max_risk: float | None = (
        None  # abstain around 0.5 so that held-out answers outside err at most this often
    )
    prevalence: float | None = None  # share of A/H expected where the answers come from
    prevalence_source: str = ""  # where that number comes from; stored with each prediction
    prevalence_question: str | None = (
        None  # the question that number is about; None: the seven asked equally often
    )
    allow_drawn_model: bool = (
        False  # score real people with a model that learnt from synthetic ones
    )


@dataclass(frozen=True)
class WordsRecogniser(BaseModel):
    """Recogniser of ambivalence/hesitancy from words. ``known`` knows the question, ``own_prompt``
    does not.
    """

    known: Head
    own_prompt: Head
    rates: Mapping[str, float]  # question → share of A/H among the training answers
    prevalence: float  # share of A/H in training with the questions asked equally often
    shortcuts: Mapping[str, Any]
    card: Mapping[str, Any]
    variant: str = "lexicon"
    people: Mapping[str, Any] = field(default_factory=dict)  # salted hashes of the training people
    settings: Settings = field(default_factory=Settings)

    @property
    def task(self) -> Task:
        return AMBIVALENCE

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("words", "question") if self.settings.use_question else ("words",)

    @classmethod
    def load(cls, path: Path | None = None, /) -> WordsRecogniser:
        """Read a model file (or a folder that holds ``words.json``); the shipped one when no path
        is given.
        """
        return load(path)

    def save(self, folder: Path) -> Path:
        """Write ``words.json`` and ``card.json``."""
        path = write_sealed(folder / FILE, to_dict(self))
        write_card(folder, "words", self.card, [FILE], self.drawn)
        return path

    @property
    def questions(self) -> tuple[str, ...]:
        return tuple(self.known.model.questions)

    @property
    def drawn(self) -> bool:
        """Whether it learnt from synthetic people."""
        return bool(self.card.get("data", {}).get("drawn", False))

    @property
    def synthetic(self) -> bool:
        return self.drawn

    @property
    def allow_real(self) -> bool:
        return self.settings.allow_drawn_model

    def allowing_drawn(self, allow: bool = True) -> WordsRecogniser:
        """Let a model that learnt from synthetic people score real ones. Its numbers say nothing about
        them.
        """
        return replace(self, settings=replace(self.settings, allow_drawn_model=allow))

    def with_question(self, use: bool) -> WordsRecogniser:
        """Switch the question off or on as an input."""
        return replace(self, settings=replace(self.settings, use_question=use))

    def recalibrate(
        self, prevalence: float, source: str | None, question: str | None = None
    ) -> WordsRecogniser:
        """Shift the log-odds to another prevalence. ``source`` says where the number comes from and
        is stored.

        ``prevalence`` is the share of A/H over the known questions asked equally often, or over
        answers to ``question`` when that is given.

        Raises:
            BadInput: no source, a share outside (0, 1), or an unknown question.
        """
        if not source or not source.strip():
            raise BadInput(
                f"prevalence {prevalence}: where does this number come from? Give its source (a "
                "pilot study with "
                "coded answers, a publication …); it is stored with every prediction"
            )
        if question is not None and resolve(question, self.questions) is None:
            raise BadInput(
                f"prevalence: the model does not know the question {question!r}; it knows "
                f"{', '.join(self.questions)}"
            )
        prevalence_shift(prevalence, self.prevalence)
        changed = replace(
            self.settings,
            prevalence=float(prevalence),
            prevalence_source=source.strip(),
            prevalence_question=question,
        )
        return replace(self, settings=changed)

    def abstaining(self, max_risk: float) -> WordsRecogniser:
        """Abstain in the smallest zone around 0.5 that keeps the held-out error at or under
        ``max_risk``.

        Raises:
            BadInput: no zone reaches it; the message says the lowest error.
        """
        self.known.risk.zone(max_risk)
        return replace(self, settings=replace(self.settings, max_risk=max_risk))

    def shift(self) -> float:
        """Log-odds added for another prevalence; 0 without."""
        s = self.settings
        if s.prevalence is None:
            return 0.0
        name = resolve(s.prevalence_question, self.questions)
        return prevalence_shift(s.prevalence, self.rates[name] if name else self.prevalence)

    def head(self, question: str | None) -> tuple[Head, str | None]:
        """The model for this question, and the question's name in it (None: the model without the
        question).
        """
        name = resolve(question, self.questions) if self.settings.use_question else None
        return (self.known, name) if name is not None else (self.own_prompt, None)

    def why_not(self, x: Features) -> str:
        """Why this answer is not scored; "" when it is."""
        note = x.notes.get("words", "")
        if x.words is None:
            return f"words: {note or 'not measured'}"
        if note.lower().startswith("truncated"):
            return f"words: {note}; a truncated answer is not scored"
        if not x.words:
            return "words: the answer is empty; an empty answer is not scored"
        n = count([w.text for w in x.words]).n_words
        if n < MIN_WORDS:
            return (
                f"words: {n} word(s) without filler sounds; fewer than {MIN_WORDS} are not scored"
            )
        return ""

    def predict(self, x: Features) -> Prediction:
        """Probability that A/H is present in the answer, in parts; or an honest "not measured".

        Raises:
            BadInput: the model learnt from synthetic people and this is a real one.
        """
        self.refuse(x)
        reason = self.why_not(x)
        if reason:
            return Prediction.not_measured(x.span_s, len(self.task.classes), reason)
        assert x.words is not None
        head, name = self.head(x.question)
        texts = [word.text for word in x.words]
        parts = head.model.parts(texts, name)
        shift = self.shift()
        logit = parts.logit + shift
        p = float(sigmoid(logit))
        probs = np.array([1 - p, p])
        logits = np.array([0.0, logit])
        status, reason = self._decide(head, p)
        evidence = _part_evidence(parts)
        evidence += self._band(head, parts, shift)
        evidence += _word_evidence(x, parts)
        return Prediction(x.span_s, probs, status, reason, tuple(evidence), logits)

    def _band(self, head: Head, parts: Parts, shift: float) -> list[Evidence]:
        """What was observed on held-out answers of about this score; and the prevalence in use."""
        # Under another prevalence the observed rates move by the same shift as the score.
        found = band_evidence(head.reliability, float(sigmoid(parts.logit)), shift)
        prevalence, source = self.settings.prevalence, self.settings.prevalence_source
        if prevalence is not None:
            found.append(Evidence("part", "prevalence", shift, "log-odds"))
            found.append(Evidence("prevalence", source, prevalence, "probability"))
        return found

    def _decide(self, head: Head, p: float) -> tuple[Status, str]:
        """Whether it abstains, and what there is to say of the answer."""
        settings = self.settings
        said = ""
        if settings.prevalence is not None:
            said = (
                f"recalibrated to a prevalence of {settings.prevalence:g} "
                f"({settings.prevalence_source})"
            )
        if settings.max_risk is None:
            return Status.OK, said
        try:
            width, coverage, error = head.risk.zone(settings.max_risk)
        except BadInput as unreachable:
            # Reachable for known questions (checked on asking), but not for a prompt never seen.
            return Status.ABSTAINED, _joined(f"cannot tell: {unreachable}", said)
        if abs(p - 0.5) >= width:
            return Status.OK, said
        why = (
            f"cannot tell: {p:.2f} lies within {width:.2f} of 0.5; outside that zone "
            f"{error:.1%} of held-out answers were wrong, and {coverage:.0%} were decided"
        )
        return Status.ABSTAINED, _joined(why, said)

    def describe(self) -> dict[str, Any]:
        """The card and the settings in use, as plain values.

        The licence of the weights goes with them, and not with every answer.
        """
        skill = {
            "known_question": dict(self.known.skill),
            "unknown_or_own_prompt": dict(self.own_prompt.skill),
        }
        return {
            "name": "words",
            "variant": self.variant,
            "card": {name: value for name, value in self.card.items() if name != "licence"},
            "questions": list(self.questions),
            "skill": skill,
            "settings": asdict(self.settings),
            "min_words": MIN_WORDS,
            "numbers": _additive_dict(replace(self.known.model, ngrams=None)),
        }

    def knows(self, question: str | None) -> bool:
        """Whether this question is an input of the score; for an unknown or own prompt it
        is not.
        """
        return self.head(question)[1] is not None

    @property
    def locates(self) -> tuple[bool, str]:
        """Whether the model may say *when*, and why (not): decided by ``evaluation.located`` on
        people it never saw.
        """
        found = self.card.get("located") or {}
        return bool(found.get("locates", False)), _locates_text(found)

    def skill(self, question: str | None) -> Mapping[str, Any]:
        """The skill to print: the headline when the question is known, else the
        leave-one-question-out figure.

        ``auc, auc_ci, macro_f1, within_question_auc, protocol, n_answers, n_people``; all figures
        are on the card.
        """
        return self.head(question)[0].skill


def _locates_text(found: Mapping[str, Any]) -> str:
    """One or two sentences on whether the words tell marked from unmarked moments of an answer."""
    held_out = found.get("held_out")
    if not held_out:
        return (
            "this model was never compared, on people it did not see, with moments that coders "
            "marked"
        )

    def share(block: Mapping[str, Any], row: str) -> str:
        return f"{block['auc_inside_answers'][row]['value']:.0%}".replace("%", " %")

    told = "tell" if found["locates"] else "do not tell"
    text = (
        f"the words {told} when: of two moments of one answer, one marked and one not, they pick "
        "the marked one in "
        f"{share(held_out, 'words')} of pairs on {held_out['n_people']} people never seen "
        "(guessing: 50 %). "
        f"The position in the answer alone gives {share(held_out, 'position')}"
    )
    train = found.get("train")
    if not train:
        return text
    return (
        f"{text}; on the {train['n_people']} training people it gives {share(train, 'position')}, "
        f"the words {share(train, 'words')}"
    )


def _joined(*texts: str) -> str:
    return "; ".join(text for text in texts if text)


def _part_evidence(parts: Parts) -> list[Evidence]:
    values = {
        "baseline": parts.baseline,
        "question": parts.question,
        "length": parts.length,
        "content": parts.content,
    }
    return [Evidence("part", name, float(value), "log-odds") for name, value in values.items()]


def _word_evidence(x: Features, parts: Parts) -> list[Evidence]:
    assert x.words is not None
    found = []
    for word, share in zip(x.words, parts.words, strict=True):
        span_s = word.start_s, word.end_s
        found.append(Evidence("word", word.text, float(share), "log-odds", *span_s))
    return found


# --- on disk


def to_dict(recogniser: WordsRecogniser) -> dict[str, Any]:
    """Everything of a recogniser as plain values; settings of use are not part of the model."""
    return {
        "format": FORMAT,
        "variant": recogniser.variant,
        "task": recogniser.task.name,
        "classes": list(recogniser.task.classes),
        "lexicon_sha256": lexicon().sha256,
        "prevalence": recogniser.prevalence,
        "question_rates": dict(recogniser.rates),
        "known_question": _head_dict(recogniser.known),
        "own_prompt": _head_dict(recogniser.own_prompt),
        "shortcuts": dict(recogniser.shortcuts),
        "people": dict(recogniser.people),
        "card": dict(recogniser.card),
    }


def _head_dict(head: Head) -> dict[str, Any]:
    return {
        "model": _additive_dict(head.model),
        "skill": dict(head.skill),
        "reliability": _reliability_dict(head.reliability),
        "risk": asdict(head.risk),
    }


def _reliability_dict(reliability: Reliability) -> dict[str, Any]:
    found = asdict(reliability)
    if reliability.tested is None:
        del found["tested"]  # an older model stays as it was written
    return found


def _head(entry: Mapping[str, Any]) -> Head:
    model = _additive(entry["model"])
    reliability = reliability_from(entry["reliability"])
    risk = risk_from(entry["risk"])
    return Head(model, reliability, risk, entry["skill"])


def _additive_dict(model: Additive) -> dict[str, Any]:
    content = {}
    for category, (weight, rate) in model.content.items():
        content[category] = {"weight": weight, "rate": rate}
    length = {"weight": model.length_weight, "mean_log_words": model.length_mean}
    found: dict[str, Any] = {
        "baseline": model.baseline,
        "questions": dict(model.questions),
        "length": length,
        "content": content,
    }
    grams = model.ngrams
    if grams is not None:
        terms = {term: list(numbers) for term, numbers in grams.terms.items()}
        found["ngrams"] = {"n_max": grams.n_max, "offset": grams.offset, "terms": terms}
    return found


def _additive(entry: Mapping[str, Any]) -> Additive:
    questions = {str(name): float(value) for name, value in entry["questions"].items()}
    content = {}
    for category, numbers in entry["content"].items():
        content[category] = float(numbers["weight"]), float(numbers["rate"])
    return Additive(
        baseline=float(entry["baseline"]),
        questions=questions,
        length_weight=float(entry["length"]["weight"]),
        length_mean=float(entry["length"]["mean_log_words"]),
        content=content,
        ngrams=_ngrams(entry.get("ngrams")),
    )


def _ngrams(entry: Mapping[str, Any] | None) -> NGrams | None:
    if not entry:
        return None
    terms = {}
    for term, (weight, rate) in entry["terms"].items():
        terms[term] = float(weight), float(rate)
    return NGrams(terms, entry["offset"], entry["n_max"])


def _read(path: Path) -> dict[str, Any]:
    """A model file of this format."""
    try:
        entry = read_sealed(path)
    except ValueError as error:
        raise BadInput(f"{path}: expected a words model as JSON ({error})") from error
    came = entry.get("format") if isinstance(entry, dict) else type(entry).__name__
    if came != FORMAT:
        raise BadInput(f"{path}: expected the format {FORMAT!r}, got {came!r}")
    found: dict[str, Any] = entry
    return found


def load(path: Path | None = None) -> WordsRecogniser:
    """Read a words model from its file or folder.

    Raises:
        MissingWeights: the file is absent, or the shipped one is damaged.
        BadInput: it is not a words model, its classes differ, or it was made with another lexicon.
    """
    licence = NOT_STATED if path is not None else SHIPPED_LICENCE
    if path is None:
        weights.refuse_damaged("words")
    path = Path(path) if path is not None else SHIPPED
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        raise MissingWeights(
            f"no words model at {path}; reinstall twomind, or train one with `twomind train words`"
        )
    entry = _read(path)
    if entry["classes"] != list(AMBIVALENCE.classes):
        raise BadInput(
            f"{path}: expected the classes {list(AMBIVALENCE.classes)} in this order, got "
            f"{entry['classes']}"
        )
    if entry["lexicon_sha256"] != lexicon().sha256:
        raise BadInput(
            f"{path}: it was trained with another version of the lexicon; train it again"
        )
    return WordsRecogniser(
        known=_head(entry["known_question"]),
        own_prompt=_head(entry["own_prompt"]),
        rates=entry["question_rates"],
        prevalence=float(entry["prevalence"]),
        shortcuts=entry["shortcuts"],
        card={"licence": licence, **entry["card"]},
        variant=entry["variant"],
        people=entry["people"],
    )


PLUGIN = WordsRecogniser
