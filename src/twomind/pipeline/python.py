"""What ``import twomind`` offers: one answer, one model and one data set in a few lines of Python.

Everything here is a short way to what the packages below do; nothing is decided here that the
command line decides otherwise.
"""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from twomind.core.errors import BadInput
from twomind.core.store import Store, default_root
from twomind.features.describe import MODALITIES, Description
from twomind.features.describe import Settings as DescribeSettings
from twomind.features.describe import describe as measure
from twomind.media import recording as media
from twomind.models import load
from twomind.models.base import Model, bare, complete
from twomind.models.questions import refuse_unknown
from twomind.pipeline.adapt import Adaptation, Adapted, check, summary_of, windows_for
from twomind.pipeline.adapt import adapt as adapt_one
from twomind.pipeline.answer import heard_by
from twomind.transcripts.words import words_of_text
from twomind.types import Access, Features, Given, Prediction, Progress, Recording, State

if TYPE_CHECKING:
    from twomind.features.profile import Profile

#: A file by its path, or opened for reading bytes (``io.BytesIO`` too).
Source = str | PathLike[str] | IO[bytes]
_BLOCK = 1 << 20
#: What can be predicted: a recording, what was measured of one, or the file itself.
Answer = Recording | Description | Features | Source


def open_recording(
    source: Source,
    *,
    id: str | None = None,
    person: str | None = None,
    question: str | None = None,
    transcript: Source | None = None,
    text: str | None = None,
    speaker: str | None = None,
) -> Recording:
    """One answer of one person: what the file is and what is said in it, no pixels yet.

    Args:
        source: The film or sound: a path, or a file that is open for reading bytes, such as
            ``io.BytesIO``. The bytes of an open file are copied to a temporary file, which is
            removed when the program ends.
        id: What results call it. Without it: the file's name, or a name made of its content.
        person: Who speaks. Recordings of one person share a profile and a state.
        question: What was asked: a BAH number ``"1"`` to ``"7"``, its type, its text, any other
            text, or None where it is not known.
        transcript: SubRip, WebVTT, Whisper JSON or YAML, or plain text, as a file. Without it and
            without ``text``, a file beside the recording with the same name is taken.
        text: The words themselves, where they are at hand without times.
        speaker: What the person is called in a transcript of several people; ``"longest"`` takes
            whoever says most words.

    Returns:
        The recording. Its words are None where none were given, or where it cannot be told whose
        they are, which is not an error; ``words_reason`` says why. ``words_remarks`` says what was
        odd about the transcript.

    Raises:
        BadInput: The file or the transcript cannot be read, or both ``transcript`` and ``text``
            were given.

    Example:
        >>> import io, wave
        >>> import twomind as tm
        >>> sound = io.BytesIO()
        >>> with wave.open(sound, "wb") as out:
        ...     out.setparams((1, 2, 16000, 0, "NONE", ""))
        ...     out.writeframes(bytes(2 * 16000))
        >>> _ = sound.seek(0)
        >>> recording = tm.open_recording(sound, person="anna", question="7", text="Um, maybe.")
        >>> [word.text for word in recording.words], recording.duration_s
        (['Um,', 'maybe.'], 1.0)
    """
    if transcript is not None and text is not None:
        raise BadInput("give the words as a transcript file or as text, not both")
    path, made_name = _path_of(source, ".bin")
    beside = None if transcript is None else _path_of(transcript, ".txt")[0]
    recording = media.open_recording(
        path,
        id=id or made_name,
        subject=person,
        question=question,
        transcript=beside,
        speaker=speaker,
    )
    if text is None:
        return recording
    said = words_of_text(text, "text that was given", recording.duration_s, speaker)
    return said.of(recording, said.source)


def describe(
    answer: Recording | Source,
    using: Sequence[str] = MODALITIES,
    *,
    neutral: Recording | Source | None = None,
    profile: Profile | None = None,
    hop_s: float | None = None,
    speaker: str | None = None,
    settings: DescribeSettings | None = None,
    store: Path | str | None = None,
    progress: Progress | None = None,
) -> Description:
    """Measure face, voice and words of one answer, and the cues a coder would mark.

    Args:
        answer: A recording, or its file.
        using: Some of ``"face"``, ``"voice"``, ``"words"``.
        neutral: A clip of the same person with a neutral face; values are given relative to it.
        profile: What enrolment made of such clips.
        hop_s: Puts everything on one grid with this step in seconds; None keeps each on its own
            clock.
        speaker: Of a file: what the person is called in its transcript, as for
            :func:`open_recording`.
        settings: How to measure.
        store: Folder of what was measured before; without it the user's own.
        progress: Is told how far it is, as ``(what, done, total)`` in seconds.

    Returns:
        What was measured. A modality that could not be measured is absent, and
        ``features.notes`` says why.

    Raises:
        BadInput: Nothing in the file can be decoded; an unknown modality; a neutral clip without a
            measurable face.

    Example:
        >>> import wave
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import twomind as tm
        >>> with TemporaryDirectory() as folder:
        ...     with wave.open(str(Path(folder) / "a1.wav"), "wb") as out:
        ...         out.setparams((1, 2, 16000, 0, "NONE", ""))
        ...         out.writeframes(bytes(2 * 16000))
        ...     found = tm.describe(Path(folder) / "a1.wav", ("voice", "words"), store=folder)
        >>> found.features.tracks["voice"].times_s[:2].tolist()
        [0.0, 0.01]
    """
    return measure(
        _recording(_spoken_by(answer, speaker)),
        tuple(using),
        hop_s=hop_s,
        store=_store(store),
        settings=settings,
        neutral=None if neutral is None else _recording(neutral),
        profile=profile,
        progress=progress,
    )


def predict(
    answer: Answer,
    model: Model | str | Path = "words",
    *,
    speaker: str | None = None,
    allow_synthetic: bool = False,
    offline: bool = False,
    store: Path | str | None = None,
) -> Prediction:
    """What a model says of one answer: a probability for each class, or "not measured" and why.

    Args:
        answer: A recording, what :func:`describe` found, its features, or the file. Of features
            alone, a model that looks at pictures finds only the tracks that are in them.
        model: A model, a plug-in's name, or the folder of a saved model.
        speaker: Of a file: what the person is called in its transcript, as for
            :func:`open_recording`.
        allow_synthetic: Let a model that was trained on synthetic people answer about a real one.
            Its numbers say nothing about that person.
        offline: Nothing may be fetched from the network.
        store: Folder of what was measured before; without it the user's own.

    Returns:
        The prediction; ``probs (C,)`` in the order of ``model.task.classes``.

    Raises:
        BadInput: The file cannot be used; there is no such model, or no question of that number;
            or the model knows synthetic people only.

    Example:
        >>> import twomind as tm
        >>> said = "um I should stop but I am not sure that I can".split()
        >>> words = tuple(tm.Word(text, 0.5 * k, 0.5 * k + 0.3) for k, text in enumerate(said))
        >>> x = tm.Features("a1", "anna", {}, (0.0, 6.0), question="7", words=words)
        >>> tm.predict(x).probs.shape
        (2,)
        >>> tm.predict(tm.Features("a2", "anna", {}, (0.0, 6.0), words=())).status.value
        'not_measured'
    """
    work = _Work(_loaded(model, allow_synthetic), _store(store), offline)
    return work.model.predict(work.prepared(_spoken_by(answer, speaker)))


def adapt(
    answers: Iterable[Answer],
    model: Model | str | Path,
    method: str = "t3a",
    *,
    neutral: Answer | None = None,
    state: State | None = None,
    seed: int = 0,
    allow_synthetic: bool = False,
    offline: bool = False,
    store: Path | str | None = None,
    **settings: Any,
) -> Iterator[Adapted]:
    """Answer after answer of one person, with a model that adapts to them as it goes.

    No label is read. The model that was given is not changed: what was learnt of the person is the
    ``state`` of the last result, a value to keep or to drop.

    Args:
        answers: Recordings (or features, or files) of one person, in the order in which they came.
        model: A model that can be adapted, a plug-in's name, or the folder of a saved model.
        method: A method's name; ``twomind.adaptation`` lists them.
        neutral: A clip in which the person is neutral, for methods that need one.
        state: What an earlier call left, to go on from.
        seed: Of methods that draw random numbers.
        allow_synthetic: As for :func:`predict`.
        offline: As for :func:`predict`.
        store: As for :func:`predict`.
        **settings: Settings of the method, which are its fields.

    Yields:
        For each answer the adapted prediction, the same model's without adaptation, and the state.

    Raises:
        BadInput: There is no such method or setting; the method needs what was not given; the
            model has nothing that can be adapted; or the answers are of several people.

    Example:
        >>> import twomind as tm
        >>> from twomind.adaptation.check import toy
        >>> world = toy()
        >>> for one in tm.adapt(world.windows["anna"][:2], world.model, "t3a"):
        ...     print(one.prediction.status, one.unadapted.status)
        ok ok
        ok ok
    """
    how = Adaptation(method, settings, seed=seed)
    work = _Work(_loaded(model, allow_synthetic), _store(store), offline)
    plain = bare(work.model)
    given = Given(seed, summary=summary_of(plain))
    if neutral is not None and Access.NEUTRAL in how.adapter().needs:
        calm = windows_for(plain, work.prepared(neutral))
        given = replace(given, neutral=tuple(calm))
    check(plain, how, given)
    return _adapted(answers, work, how, given, state)


def score(
    data: Path | str,
    model: Model | str | Path = "words",
    *,
    split: str = "val",
    protocol: str | None = None,
    methods: Sequence[str] = (),
    out: Path | str | None = None,
    allow_synthetic: bool = False,
    store: Path | str | None = None,
    seed: int = 0,
    resamples: int = 2000,
) -> dict[str, Any]:
    """How good a model is on labelled people, beside what a guess by the question would get.

    This is the only call that reads labels of the people it is about.

    Args:
        data: Folder of a data set in its own layout; for the words model also a CSV of answers.
        model: A model, a plug-in's name, or the folder of a saved model.
        split: For the words model: the part of the data that is scored.
        protocol: For every other model: how people are divided; ``Dataset.protocols`` lists them.
            The model is taken as it is, and not trained on any part.
        methods: Adaptation methods to compare with no adaptation.
        out: Folder of the runs and the page, with ``protocol``.
        allow_synthetic: As for :func:`predict`.
        store: Folder of what was measured before; without it the user's own.
        seed: Of the resamples.
        resamples: Of people, for the 95 % intervals.

    Returns:
        Figures, intervals and shortcuts, as JSON can hold them.

    Raises:
        BadInput: The data cannot be read; the model is another's; ``out`` is absent where runs are
            made.

    Example:
        >>> import csv
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import twomind as tm
        >>> unsure = "um I guess I should but I am not sure that I can"
        >>> sure = "yes I will do it every single day"
        >>> with TemporaryDirectory() as folder:
        ...     table = Path(folder) / "answers.csv"
        ...     with table.open("w", newline="") as out:
        ...         rows = csv.writer(out)
        ...         _ = rows.writerow(["subject", "question", "label", "transcript"])
        ...         _ = rows.writerows([f"p{k}", 7, k % 2, (sure, unsure)[k % 2]] for k in range(8))
        ...     found = tm.score(table, resamples=20)
        >>> "macro_f1" in found
        True
    """
    loaded = _loaded(model, allow_synthetic)
    if protocol is None:
        return _score_words(Path(data), bare(loaded), split, seed, resamples)
    if out is None:
        raise BadInput("score: give out=FOLDER, in which the runs and the page are kept")
    from twomind.pipeline.fixed_model import Comparison, score_fixed

    asked = Comparison(Path(data), protocol, tuple(methods), Path(out), seed, resamples)
    return score_fixed(loaded, asked, _store(store))


def _score_words(data: Path, model: Any, split: str, seed: int, resamples: int) -> dict[str, Any]:
    from twomind.evaluation.words import score_words
    from twomind.models.words.recogniser import WordsRecogniser

    if not isinstance(model, WordsRecogniser):
        raise BadInput(
            "score: expected protocol=NAME for a model that watches films; only the words model is "
            "scored on a split of transcripts"
        )
    return score_words(data, split, model, seed, resamples)


# --- what stands behind


@dataclass(frozen=True)
class _Work:
    """A model with all defaults, and where and how it may look things up."""

    model: Any
    store: Store
    offline: bool

    def prepared(self, answer: Answer) -> Features:
        """The features with everything that the model reads.

        Raises:
            BadInput: the model refuses these people, or the file cannot be used.
        """
        if isinstance(answer, Features):
            self._refuse(answer)
            return answer
        described = answer
        if not isinstance(described, Description):
            settings = heard_by(self.model, DescribeSettings(offline=self.offline))
            described = measure(_recording(described), store=self.store, settings=settings)
        self._refuse(described.features)
        found: Features = self.model.prepare(
            described.features, described.recording, self.store, self.offline
        )
        return found

    def _refuse(self, x: Features) -> None:
        """Refuse people of whom the model says nothing, and a question that does not exist."""
        self.model.refuse(x)
        refuse_unknown(x.question, self.model.describe().get("questions", ()))


def _adapted(
    answers: Iterable[Answer], work: _Work, how: Adaptation, given: Given, state: State | None
) -> Iterator[Adapted]:
    people: set[str] = set()
    plain = bare(work.model)
    for answer in answers:
        x = work.prepared(answer)
        people.add(x.subject)
        if len(people) > 1:
            raise BadInput(
                f"adapt: expected answers of one person, got {', '.join(sorted(people))}; name them "
                "with open_recording(..., person=...)"
            )
        found = adapt_one(plain, how, x, given, state)
        state = found.state
        yield found


def _loaded(model: Model | str | Path, allow_synthetic: bool) -> Any:
    found = load(model) if isinstance(model, str | Path) else model
    whole = complete(found)
    return whole.allowing_drawn() if allow_synthetic else whole


def _spoken_by(answer: Any, speaker: str | None) -> Any:
    """The answer; a file as the recording of the speaker who is named.

    Raises:
        BadInput: a speaker is named, and the transcript was read before.
    """
    if speaker is None:
        return answer
    if isinstance(answer, Recording | Description | Features):
        raise BadInput(
            "speaker: this answer's transcript is read already; name who speaks in "
            "open_recording(..., speaker=...)"
        )
    return open_recording(answer, speaker=speaker)


def _recording(answer: Recording | Source) -> Recording:
    return answer if isinstance(answer, Recording) else open_recording(answer)


def _store(folder: Path | str | None) -> Store:
    return Store(default_root() if folder is None else Path(folder))


def _path_of(source: Source, suffix: str) -> tuple[Path, str | None]:
    """Where the file lies, and what it is called where it had no name of its own."""
    if isinstance(source, str | PathLike):
        return Path(source), None
    named = Path(str(getattr(source, "name", "")))
    handle, arriving = tempfile.mkstemp(dir=_temporary())
    with open(handle, "wb") as out:
        digest = _copied(source, out)
    folder = _temporary() / digest[:16]
    folder.mkdir(exist_ok=True)
    name = f"recording-{digest[:8]}"
    path = folder / f"{name}{named.suffix or suffix}"
    Path(arriving).replace(path)
    return path, named.stem or name


def _copied(source: IO[bytes], out: IO[bytes]) -> str:
    """Copy an open file block by block, so that a long film needs no memory; its SHA-256."""
    digest = hashlib.sha256()
    while block := source.read(_BLOCK):
        if not isinstance(block, bytes):
            raise BadInput(
                "expected a file that is open for reading bytes, got text; open it with 'rb'"
            )
        digest.update(block)
        out.write(block)
    return digest.hexdigest()


@cache
def _temporary() -> Path:
    """A folder that goes when the program ends."""
    folder = Path(tempfile.mkdtemp(prefix="twomind-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


__all__ = ["adapt", "describe", "load", "open_recording", "predict", "score"]
