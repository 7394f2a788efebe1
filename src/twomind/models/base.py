"""The contract of a model: what one must have, and what it gets where it says nothing.

:class:`Model` is the whole of what a third party writes. :class:`BaseModel` adds a default for
everything else that the command line, the report, scoring and adaptation ask; a model may inherit
from it, or not: :func:`complete` gives one that does not the same defaults. A model that can be
adapted is also a :class:`~twomind.types.Trainable`. :mod:`twomind.models.check` tests all of it.
How to write one: ``docs/models.md``.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol, Self, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from twomind.core.errors import BadInput, MissingWeights
from twomind.core.files import content_hash
from twomind.core.seals import read_sealed, write_sealed
from twomind.core.store import Store
from twomind.models.synthetic import refuse_real
from twomind.types import AMBIVALENCE, Features, Prediction, Recording, Segment, Task, Trainable

#: The file by which a model's folder is known.
CARD = "card.json"
#: What every card states.
STATED = ("population", "licence", "not_for")
NOT_STATED = "not stated by whoever trained the model"
NEVER_COMPARED = (
    "this model was never compared, on people it did not see, with moments that coders marked"
)
NO_TIMELINE = "the model gives no timeline"
#: What no model of this kind is for, where a card says nothing more exact.
NOT_FOR = (
    "diagnosis, or any decision about a person without a human who looks for themselves",
    "selection, monitoring or appraisal at work or in education",
)

Card = Mapping[str, object]
Array = NDArray[np.float32] | NDArray[np.int64]


@runtime_checkable
class Model(Protocol):
    """What a model owes to the rest of the library: its task, card, inputs and predictions.

    Example:
        >>> from twomind.models import load
        >>> from twomind.models.base import Model
        >>> isinstance(load("words"), Model)
        True
    """

    @property
    def task(self) -> Task:
        """The question that it answers. The order of the classes is a contract."""
        ...

    @property
    def card(self) -> Card:
        """What there is to know of the model, as JSON values.

        ``population`` (whom it was trained on), ``licence`` and ``not_for`` (one text or several)
        are stated by every card. ``figures`` holds what was measured on held-out people, as
        ``auc``, ``auc_ci``, ``macro_f1``. ``synthetic: true`` says that it was trained on
        synthetic people: then it refuses real ones. ``meaning`` says what its number is, where
        that is not how likely a coder would mark the second class. ``name`` is what it is called.
        """
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """What ``predict`` reads: names of tracks, ``words``, ``question``."""
        ...

    @property
    def locates(self) -> tuple[bool, str]:
        """Whether it may say *when*, and the reason for either."""
        ...

    def predict(self, x: Features) -> Prediction:
        """The answer to one window; "not measured" with a reason where an input is absent."""
        ...

    def save(self, folder: Path) -> Path:
        """Write the model and its ``card.json``, which names the plug-in under ``recogniser``.

        :func:`write_card` writes one.
        """
        ...

    @classmethod
    def load(cls, folder: Path | None = None, /) -> Model:
        """Read what :meth:`save` wrote; without a folder, the model that comes with the plug-in.

        Raises:
            BadInput: there is none.
        """
        ...


if TYPE_CHECKING:
    _Owed = Model
else:  # the members themselves would hide the fields of a dataclass that has them
    _Owed = object


class BaseModel(_Owed):
    """Defaults for everything that a model does not owe.

    Example:
        >>> from twomind.models.base import BaseModel
        >>> from twomind.types import AMBIVALENCE, Features, Prediction
        >>> class Silent(BaseModel):
        ...     task, inputs = AMBIVALENCE, ("words",)
        ...     card = {"name": "silent", "population": "nobody", "licence": "CC0"}
        ...     def predict(self, x):
        ...         return Prediction.not_measured(x.span_s, 2, "it never answers")
        >>> Silent().knows("7"), Silent().window_s
        (False, None)
    """

    _told_to_look: bool = False

    # --- what it is

    @property
    def locates(self) -> tuple[bool, str]:
        return False, NEVER_COMPARED

    @property
    def name(self) -> str:
        """What it is called in results."""
        return str(self.card.get("name") or type(bare(self)).__name__)

    @property
    def synthetic(self) -> bool:
        """Whether it was trained on synthetic people."""
        return trained_on_synthetic(self.card)

    @property
    def allow_real(self) -> bool:
        """Whether a model of synthetic people was told to look at real ones all the same."""
        return self._told_to_look

    def describe(self) -> dict[str, object]:
        """What results and reports keep of the model, as plain values."""
        found: dict[str, object] = {"name": self.name, "card": dict(self.card)}
        if "question" not in self.inputs:
            found["questions"] = []
        meaning = self.card.get("meaning")
        if meaning is None and self.task.name != AMBIVALENCE.name:
            meaning = f"probability of {self.task.classes[1]!r} ({self.task.name})"
        if meaning is not None:
            found["meaning"] = meaning
        return found

    def knows(self, question: str | None) -> bool:
        """Whether this question is an input of the score."""
        return "question" in self.inputs and bool(question and question.strip())

    def skill(self, question: str | None) -> Mapping[str, object]:
        """Figures on held-out people to print beside an answer to this question; {}: none."""
        figures = self.card.get("figures")
        return cast(Mapping[str, object], figures) if isinstance(figures, Mapping) else {}

    @property
    def speech_detector(self) -> str:
        """The one that told the voice from silence in what it was trained on; empty where it
        reads no voice, or its card does not say.
        """
        return ""

    @property
    def face_backend(self) -> str:
        """The one that found the faces that it was trained on; empty where it reads no face."""
        return ""

    @property
    def word_times(self) -> str:
        """``aligned`` where it learnt from words at the times at which they are heard, ``as they
        came`` where from words at the times of their transcripts; empty where it reads no times of
        words.
        """
        return ""

    # --- how it is used

    def allowing_drawn(self, allow: bool = True) -> Self:
        """Let a model of synthetic people score real ones. Its numbers say nothing about them."""
        other = copy.copy(self)
        object.__setattr__(other, "_told_to_look", allow)
        return other

    def refuse(self, x: Features) -> None:
        """Refuse a real recording, where the model knows synthetic people only, and a voice that
        was measured otherwise than those that it learnt from.

        Raises:
            BadInput: it does, and was not told otherwise; or another speech detector or face
                back end was used.
        """
        refuse_real(learnt_from_drawn=self.synthetic, drawn=x.drawn, allowed=self.allow_real)
        self.refuse_detector(x.speech_detector)
        self.refuse_backend(x.face_backend)

    def refuse_detector(self, detector: str) -> None:
        """Refuse another speech detector than that of the model.

        Args:
            detector: Its name; empty where there is no voice.

        Raises:
            BadInput: it is another one.
        """
        own = self.speech_detector
        if detector and own and detector != own:
            raise BadInput(
                f"the model {self.name!r} learnt from voices that were measured with the speech "
                f"detector {own!r}, these with {detector!r}: measure them with "
                f"describe.voice.vad={own}"
            )

    def refuse_backend(self, backend: str) -> None:
        """Refuse another face back end than that of the model.

        Args:
            backend: Its name; empty where there is no face.

        Raises:
            BadInput: it is another one.
        """
        own = self.face_backend
        if backend and own and backend != own:
            raise BadInput(
                f"the model {self.name!r} learnt from faces that the back end {own!r} measured, "
                f"these were measured by {backend!r}: measure them with --set features.face={own}"
            )

    def prepare(
        self, x: Features, recording: Recording, store: Store | None = None, offline: bool = False
    ) -> Features:
        """``x`` with what the model reads and ``describe`` does not measure.

        Args:
            x: what ``describe`` measured.
            recording: where it came from.
            store: where computed tracks are kept.
            offline: nothing may be fetched.
        """
        return x

    def recalibrate(self, prevalence: float, source: str | None) -> BaseModel:
        """The model for another prevalence of the second class.

        Raises:
            BadInput: it cannot be shifted.
        """
        self._no_calibration("--prevalence", "it can be shifted")

    def abstaining(self, max_risk: float) -> BaseModel:
        """The model that abstains where it would err more often than ``max_risk``.

        Raises:
            BadInput: how often it errs was not measured.
        """
        self._no_calibration("--max-risk", "a risk can be kept")

    def _no_calibration(self, option: str, what: str) -> NoReturn:
        raise BadInput(f"{option}: the model {self.name!r} has no calibration by which {what}")

    # --- when

    def timeline(
        self, x: Features
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """``times_s (T,)``, ``probs (T, C)``, ``valid (T,)``; only of a model that locates."""
        raise BadInput(f"the model {self.name!r} does not say when: {self.locates[1]}")

    def segments(self, x: Features) -> Sequence[Segment]:
        """Where the class shows; () of a model that does not locate."""
        return ()

    # --- what adaptation may use

    @property
    def window_s(self) -> float | None:
        """Length of the windows that a recording is cut into; None: it is one window."""
        return None

    def source_summary(self) -> Mapping[str, Array] | None:
        """What may leave the source site, where it lies beside the model."""
        return None


#: What a model may have beside what it owes. :func:`complete` takes it from the model.
OPTIONAL = (
    *("describe", "knows", "skill", "prepare", "recalibrate", "abstaining"),
    *("timeline", "segments", "source_summary", "track", "pooled"),
)


class _Completed(BaseModel):
    """A model that was written to :class:`Model` alone, with the defaults."""

    def __init__(self, model: Model) -> None:
        self.model = model
        for name in OPTIONAL:
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))

    @property
    def task(self) -> Task:
        return self.model.task

    @property
    def card(self) -> Card:
        return self.model.card

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.model.inputs

    @property
    def window_s(self) -> float | None:
        length_s: float | None = getattr(self.model, "window_s", None)
        return length_s

    @property
    def speech_detector(self) -> str:
        return str(getattr(self.model, "speech_detector", ""))

    @property
    def face_backend(self) -> str:
        return str(getattr(self.model, "face_backend", ""))

    @property
    def locates(self) -> tuple[bool, str]:
        may, reason = self.model.locates
        if may and not hasattr(self.model, "timeline"):
            return False, NO_TIMELINE
        return may, reason

    def predict(self, x: Features) -> Prediction:
        self.refuse(x)
        return self.model.predict(x)

    def save(self, folder: Path) -> Path:
        return self.model.save(folder)

    @classmethod
    def load(cls, folder: Path | None = None, /) -> Model:
        raise BadInput("expected the model's own class to load it")


def complete(model: Model) -> BaseModel:
    """The model with a default for everything that it does not have itself.

    Args:
        model: one that keeps :class:`Model`.

    Returns:
        The model itself where it inherits from :class:`BaseModel`; else one around it.

    Example:
        >>> from twomind.models import load
        >>> from twomind.models.base import complete
        >>> complete(load("words")).window_s is None
        True
    """
    return model if isinstance(model, BaseModel) else _Completed(model)


def bare(model: Model) -> Model:
    """The model as its author wrote it: what methods of adaptation are given.

    Args:
        model: a model, or what :func:`complete` made of it.

    Example:
        >>> from twomind.models import load
        >>> from twomind.models.base import bare, complete
        >>> words = load("words")
        >>> bare(complete(words)) is words
        True
    """
    return model.model if isinstance(model, _Completed) else model


def is_trainable(model: object) -> bool:
    """Whether methods can work on its embedding and weights.

    Args:
        model: anything.

    Example:
        >>> from twomind.models import load
        >>> from twomind.models.base import is_trainable
        >>> is_trainable(load("words"))
        False
    """
    return isinstance(model, Trainable)


def track_of(model: object) -> str:
    """The track that holds the rows of a model of one track; ``embedding`` where it has none.

    Args:
        model: one that keeps :class:`Model`.

    Example:
        >>> from twomind.adaptation.check import toy
        >>> from twomind.models.base import track_of
        >>> track_of(toy().model)
        'embedding'
    """
    own = getattr(model, "track", None)
    if own is not None:
        return str(own)
    tracks = [name for name in getattr(model, "inputs", ()) if name not in ("words", "question")]
    return tracks[0] if len(tracks) == 1 else "embedding"


def pools(model: object) -> bool:
    """Whether it gives one embedding of a window before its head, as ``pooled(x) -> (D,)``.

    Args:
        model: anything.

    Example:
        >>> from twomind.adaptation.check import toy
        >>> from twomind.models.base import pools
        >>> pools(toy().model)
        True
    """
    return hasattr(model, "pooled")


# --- cards


def trained_on_synthetic(card: Card) -> bool:
    """Whether a card says so; cards of version 0.1 call it drawn.

    Args:
        card: of a model.

    Example:
        >>> from twomind.models.base import trained_on_synthetic
        >>> trained_on_synthetic({"name": "mine", "synthetic": True})
        True
    """
    return bool(card.get("synthetic", card.get("drawn", False)))


def stated(card: Card, synthetic: bool = False) -> dict[str, object]:
    """A card with what every card states: where it is silent, that it is.

    Args:
        card: of a model.
        synthetic: it was trained on synthetic people.

    Returns:
        A new card with ``population``, ``licence`` and ``not_for``.

    Example:
        >>> from twomind.models.base import stated
        >>> stated({"licence": "CC0"}, synthetic=True)["population"]
        'synthetic people only'
    """
    silent: dict[str, object] = {
        "population": "synthetic people only" if synthetic else NOT_STATED,
        "licence": NOT_STATED,
        "not_for": list(NOT_FOR),
    }
    missing = {name: value for name, value in silent.items() if not card.get(name)}
    return {**card, **missing}


def task_from(entry: Mapping[str, object]) -> Task:
    """A task as ``dataclasses.asdict`` gives it.

    Args:
        entry: ``name``, ``classes`` and ``grain``.

    Example:
        >>> from twomind.models.base import task_from
        >>> task_from({"name": "pain", "classes": ["neutral", "pain"], "grain": "clip"}).classes
        ('neutral', 'pain')
    """
    classes = cast(Sequence[str], entry["classes"])
    return Task(str(entry["name"]), tuple(classes), str(entry["grain"]))


def write_card(
    folder: Path, recogniser: str, card: Card, weights: Sequence[str] = (), synthetic: bool = False
) -> Path:
    """Write ``card.json``, by which ``--model FOLDER`` finds the model; last of all its files.

    Args:
        folder: the model's.
        recogniser: name of the plug-in (entry-point group ``twomind.models``) that reads it.
        card: see :attr:`Model.card`.
        weights: names of the model's files. Their sums tell one training from another.
        synthetic: it was trained on synthetic people.

    Returns:
        The file.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.models.base import read_card, write_card
        >>> with TemporaryDirectory() as folder:
        ...     _ = write_card(Path(folder), "talkative", {"name": "mine", "licence": "CC0"})
        ...     read_card(Path(folder))["recogniser"]
        'talkative'
    """
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in weights}
    entry = {"recogniser": recogniser, **stated(card, synthetic)}
    if synthetic:
        entry["synthetic"] = True
    if sums:
        entry["files_sha256"] = sums
    return write_sealed(folder / CARD, entry)


def read_card(folder: Path) -> dict[str, object]:
    """The card of a model's folder.

    Args:
        folder: the model's.

    Returns:
        What ``card.json`` holds.

    Raises:
        BadInput: it is none.
        MissingWeights: it is damaged or was changed.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.models.base import read_card, write_card
        >>> with TemporaryDirectory() as folder:
        ...     _ = write_card(Path(folder), "talkative", {"licence": "CC0"})
        ...     read_card(Path(folder))["population"]
        'not stated by whoever trained the model'
    """
    path = folder / CARD
    try:
        entry = read_sealed(path)
        entry["recogniser"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path}: expected a model card that names its recogniser ({error!r})"
        ) from error
    return cast(dict[str, object], entry)


def refuse_damaged(folder: Path, card: Mapping[str, object]) -> None:
    """Refuse a model's folder whose files are not those that were saved with its card.

    Args:
        folder: the model's.
        card: its :func:`read_card`.

    Raises:
        MissingWeights: a file is missing or its sum differs.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.models.base import read_card, refuse_damaged, write_card
        >>> with TemporaryDirectory() as place:
        ...     folder = Path(place)
        ...     _ = (folder / "weights.bin").write_bytes(b"1234")
        ...     _ = write_card(folder, "mine", {"licence": "CC0"}, ["weights.bin"])
        ...     refuse_damaged(folder, read_card(folder))
    """
    sums = card.get("files_sha256")
    if not isinstance(sums, Mapping):
        return
    for name, digest in sums.items():
        path = folder / str(name)
        if not path.is_file():
            raise MissingWeights(f"{path}: missing; the model's card names it. Copy it anew.")
        if content_hash(path) != digest:
            raise MissingWeights(
                f"{path}: damaged or changed: its sum is not that of the model's card. Copy the "
                "model anew, or save it again."
            )
