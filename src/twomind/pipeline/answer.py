"""One answer: a recording described, estimated and, where it was asked for, adapted to
its person.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.store import Store, content_hash
from twomind.core.version import __version__
from twomind.datasets.surroundings import TEXT_SOURCE
from twomind.features import cues
from twomind.features.describe import Description, Settings, describe
from twomind.features.own_stream import OwnStream
from twomind.features.words.cue_rules import cue_lexicon
from twomind.media.recording import open_recording
from twomind.models.base import BaseModel, bare, complete
from twomind.pipeline import adapt as adaptation
from twomind.pipeline.adapt import Adaptation, Adapted, People
from twomind.pipeline.enrolled_start import start_of
from twomind.pipeline.jobs import Job, Options, profile_of, start_path, stream_before
from twomind.reporting.result import NotMeasured, Result
from twomind.transcripts.align import CAME, HEARD
from twomind.transcripts.words import words_of_text
from twomind.types import Access, Features, Given, Prediction, Progress, Recording, Status, Track

NOT_WHEN = (
    "an adapted answer is given for the whole recording; when it shows was not checked for "
    "adapted models"
)
#: Why the body is not measured where nobody asked for it.
BODY_OFF = "not asked for; --set body=true measures shoulders, posture and hands"
#: Packages whose versions stand in every result.
_PACKAGES = ("av", "numpy", "mediapipe", "faster-whisper")


@dataclass(frozen=True)
class Loaded:
    """What is loaded once for all answers of one process: a model, the states of people."""

    recogniser: Any = None
    people: People | None = None


@dataclass(frozen=True)
class _Work:
    """One answer in hand: what was asked, and the clip in which the person is neutral."""

    options: Options
    store: Store
    neutral: Recording | None
    people: People | None

    def described(self, recording: Recording) -> Description:
        """Another recording, measured like the answer."""
        options = self.options
        return describe(recording, options.using, store=self.store, settings=options.describe)

    def prepared(self, recogniser: Any, x: Features, recording: Recording) -> Features:
        """The features with what a model reads besides what ``describe`` measures."""
        offline = self.options.describe.offline
        return complete(recogniser).prepare(x, recording, self.store, offline)


@dataclass(frozen=True)
class _Estimate:
    """What a model said: its answer, what there is to say of the model, its segments and its
    curve, and what adaptation did.
    """

    prediction: Prediction
    model: dict[str, Any] = field(default_factory=dict)
    moments: dict[str, Any] = field(default_factory=dict)
    adapted: Adapted | None = None

    @property
    def located(self) -> bool:
        return bool(self.model.get("locates", False))

    @property
    def located_reason(self) -> str:
        if self.located:
            return ""
        return str(self.model.get("locates_reason", "no model was asked"))


def predict_one(
    job: Job,
    options: Options,
    store: Store,
    progress: Progress | None = None,
    loaded: Loaded | None = None,
) -> Result:
    """Describe and estimate one answer.

    Args:
        job: the recording, and what is known about it.
        options: how.
        store: computed features, and the notes whose recordings they are.
        progress: is told how far the measuring is.
        loaded: a model that is loaded already. With ``options.adapt``, its people hold everybody's
            state: the one of this person is gone on with, and kept.

    Raises:
        TwomindError: the file cannot be used; the message says what was expected and what to do.
    """
    loaded = loaded or Loaded()
    recogniser = _model(options, loaded)
    options = replace(options, describe=heard_by(recogniser, options.describe))
    recording = open_recording(
        job.media,
        id=job.id,
        subject=job.subject,
        question=job.question,
        transcript=job.transcript,
        speaker=job.speaker,
    )
    if job.text:
        recording = _with_text(recording, job)
    neutral = open_recording(options.neutral, subject=job.subject) if options.neutral else None
    if options.person is not None:
        # The file's subject may be called otherwise, and is the same person.
        store.note(options.person, content_hash(job.media))
    profile = profile_of(job, options)
    made = describe(
        recording,
        options.using,
        store=store,
        settings=options.describe,
        neutral=neutral if profile is None else None,
        profile=profile,
        stream=_stream(job, options),
        progress=progress,
    )
    work = _Work(options, store, neutral, loaded.people)
    return _result(job, work, made, _estimate(made, work, recogniser, job))


def _model(options: Options, loaded: Loaded) -> BaseModel | None:
    """The model that answers; None where features alone are asked for."""
    if options.model is None:
        return None
    if loaded.recogniser is not None:
        return complete(loaded.recogniser)
    from twomind.models import load

    return complete(load(options.model))


def heard_by(model: BaseModel | None, settings: Settings) -> Settings:
    """How to describe for a model: with the speech detector, and the times of words, of what it
    learnt from.

    Args:
        model: The model; None where there is none.
        settings: What was asked for.

    Raises:
        BadInput: another detector was asked for by name, or another face back end than that of
            what the model learnt from.
    """
    if model is None:
        return settings
    model.refuse_backend(settings.face.backend)
    settings = _with_word_times(model, settings)
    if not model.speech_detector:
        return settings
    voice = settings.voice
    if voice.vad != "auto":
        model.refuse_detector(voice.vad)
    return replace(settings, voice=replace(voice, vad=model.speech_detector))


def _with_word_times(model: BaseModel, settings: Settings) -> Settings:
    """Words aligned with the sound, or not, as those were that the model learnt from."""
    align = settings.speech.align
    if model.word_times == CAME:
        align = replace(align, use=False)
    elif model.word_times == HEARD and not align.use:
        raise BadInput(
            f"the model {model.name!r} learnt from words at the times at which they are heard: "
            "leave describe.speech.align.use=true"
        )
    elif model.word_times == HEARD:
        align = replace(align, expected=True)
    return replace(settings, speech=replace(settings.speech, align=align))


def _stream(job: Job, options: Options) -> OwnStream | None:
    """The person's recordings before this one, where a stream was given."""
    if options.stream is None:
        return None
    paths = stream_before(job, options.stream)
    return OwnStream(tuple(open_recording(path, subject=job.subject) for path in paths))


def _with_text(recording: Recording, job: Job) -> Recording:
    """The recording with words that stand in the table of its study."""
    known = recording.duration_s if np.isfinite(recording.duration_s) else None
    said = words_of_text(job.text, TEXT_SOURCE, known, job.speaker)
    return said.of(recording, TEXT_SOURCE)


def _result(job: Job, work: _Work, made: Description, found: _Estimate) -> Result:
    options, adapted = work.options, found.adapted
    about_adaptation: dict[str, Any] = {}
    unadapted = None
    if adapted is not None and options.adapt is not None:
        about_adaptation = _about(adapted, options.adapt)
        unadapted = adapted.unadapted
    moments = found.moments if found.located else {}
    media = {**made.media, "sha256": made.content, "path": str(job.media)}
    return Result(
        recording=made.recording,
        features=made.features,
        cues=made.cues,
        prediction=found.prediction,
        not_measured=_not_measured(made, found.prediction, options),
        located=found.located,
        located_reason=found.located_reason,
        **moments,
        neutral=made.neutral,
        voice_neutral=made.voice_neutral,
        media=media,
        summary=_summary(made),
        model=found.model,
        provenance=_provenance(options),
        two_sides=_two_sides(made.features, options.change_talk),
        purpose=options.purpose,
        unadapted=unadapted,
        adaptation=about_adaptation,
    )


def _two_sides(x: Features, name: str) -> dict[str, Any]:
    """What the change-talk model tells of each clause; {} where it is not asked.

    Raises:
        BadInput: the model is of another kind.
    """
    if name == "none":
        return {}
    from twomind.models.change_talk.recogniser import two_sides

    return two_sides(change_talk_model(name), x)


@cache
def change_talk_model(name: str) -> Any:
    """The change-talk model of a name or a folder, loaded once a process.

    Raises:
        BadInput: it is of another kind.
    """
    from twomind.models import load
    from twomind.models.change_talk.recogniser import ChangeTalk

    found = load(name)
    if not isinstance(found, ChangeTalk):
        raise BadInput(
            f"change_talk.model: expected change-talk, none, or a folder made by `twomind train "
            f"change-talk`, got {name!r}"
        )
    return found


# --- the model


def _estimate(made: Description, work: _Work, model: BaseModel | None, job: Job) -> _Estimate:
    options = work.options
    if model is None:
        reason = "features alone were asked for"
        return _Estimate(Prediction.not_measured(made.features.span_s, 2, reason))
    recogniser = _set(model, options)
    about = _about_model(recogniser, made.features.question)
    recogniser.refuse(made.features)
    x = work.prepared(recogniser, made.features, made.recording)
    if options.adapt is not None:
        adapted = _adapt(bare(recogniser), options.adapt, work, x, made.content, job)
        about |= {"locates": False, "locates_reason": NOT_WHEN}
        return _Estimate(adapted.prediction, about, adapted=adapted)
    prediction = recogniser.predict(x)
    if not about["locates"] or prediction.status is Status.NOT_MEASURED:
        return _Estimate(prediction, about)
    moments = {"segments": recogniser.segments(x), "frame_score": _frame_score(recogniser, x)}
    return _Estimate(prediction, about, moments)


def _set(recogniser: Any, options: Options) -> Any:
    """The recogniser as it is to be read here: on whom, at which prevalence, when to abstain."""
    if options.allow_drawn_model:
        recogniser = recogniser.allowing_drawn()
    if options.prevalence is not None:
        recogniser = recogniser.recalibrate(options.prevalence, options.prevalence_source)
    if options.max_risk is not None:
        recogniser = recogniser.abstaining(options.max_risk)
    return recogniser


def _about_model(recogniser: Any, question: str | None) -> dict[str, Any]:
    located, reason = recogniser.locates
    return {
        **recogniser.describe(),
        "classes": list(recogniser.task.classes),
        "locates": located,
        "locates_reason": reason,
        "question_known": recogniser.knows(question),
        "skill": dict(recogniser.skill(question)),
    }


def _frame_score(recogniser: Any, x: Features) -> Track:
    """The model's curve: the probability of each class at each moment."""
    times_s, probs, valid = recogniser.timeline(x)
    return Track(np.asarray(probs), np.asarray(times_s), np.asarray(valid), recogniser.task.classes)


# --- adaptation


def _adapt(
    recogniser: Any, how: Adaptation, work: _Work, x: Features, content: str, job: Job
) -> Adapted:
    """One recording with the person's state; the state after it is kept."""
    given = _given(recogniser, how, work)
    start = start_path(job, work.options)
    if start is not None:
        # The neutral clip was seen at enrolment.
        given = replace(given, neutral=())
    adaptation.check(recogniser, how, given)
    people = work.people or People(how, work.store.study)
    mark = adaptation.mark_of(recogniser)
    people.check_model(x.subject, mark)
    state = people.state(x.subject, content)
    if state is None and start is not None:
        state = start_of(start, recogniser, how)
    adapted = adaptation.adapt(recogniser, how, x, given, state)
    before = people.before(x.subject, content)
    if how.state is not None:
        # So that erasing the person looks there, whether or not the folder is named then.
        for name in dict.fromkeys((x.subject, work.options.person or x.subject)):
            work.store.note_states(name, how.state)
    calm = "" if work.neutral is None else content_hash(work.neutral.media)
    kept = people.keep(x.subject, x.recording, content, mark, adapted.state, calm)
    return replace(adapted, kept=kept, n_before=len(before))


def _given(recogniser: Any, how: Adaptation, work: _Work) -> Given:
    """What a method is handed: the summary of the source people, and the neutral clip if it needs
    one.
    """
    given = Given(how.seed, summary=adaptation.summary_of(recogniser))
    neutral = work.neutral
    if neutral is None or Access.NEUTRAL not in how.adapter().needs:
        return given
    prepared = work.prepared(recogniser, work.described(neutral).features, neutral)
    return replace(given, neutral=tuple(adaptation.windows_for(recogniser, prepared)))


def _about(adapted: Adapted, how: Adaptation) -> dict[str, Any]:
    """What adaptation did to one answer, as plain values."""
    return {
        **how.lasting(),
        "said": adapted.said,
        "saw": how.adapter().needs.words(),
        "recordings_before": adapted.n_before,
        "n_windows": adapted.n_windows,
        "n_windows_measured": adapted.n_measured,
        "state": None if adapted.kept is None else str(adapted.kept),
        "guard": dict(adapted.guard) or None,
    }


# --- what was not measured, and what it was made of


def _not_measured(
    made: Description, prediction: Prediction, options: Options
) -> tuple[NotMeasured, ...]:
    """Everything that carries no number, each with its reason."""
    tracks, notes = made.features.tracks, made.features.notes
    absent = [name for name in options.using if name not in tracks]
    found = [NotMeasured(name, notes.get(name, "unknown")) for name in absent]
    if prediction.status is not Status.OK:
        found.append(NotMeasured("probability", prediction.reason))
    face = tracks.get("face")
    if face is not None:
        found += _not_measured_of_face(face)
    found += _not_measured_of_body(made)
    of_voice: Mapping[str, str] = made.voice.get("not_measured", {})
    found += [NotMeasured(f"voice: {name}", why) for name, why in of_voice.items()]
    for part in (made.face.get("rest", {}), made.voice):
        doubtful: Mapping[str, str] = part.get("doubtful_cues", {})
        found += [NotMeasured(f"cue: {name}", why) for name, why in doubtful.items()]
    found += [NotMeasured(f"cue: {name}", why) for name, why in cues.NOT_MEASURED.items()]
    return tuple(found)


def _not_measured_of_face(face: Track) -> list[NotMeasured]:
    from twomind.features.face.measures import UNSUPPORTED

    never = [NotMeasured(name, reason) for name, reason in UNSUPPORTED.items()]
    if not face.valid.any():
        return [NotMeasured("face", _commonest_reason(face)), *never]
    empty = [name for name in face.names if not np.isfinite(face.column(name)).any()]
    reason = "not measurable in any frame of this recording"
    return [*(NotMeasured(name, reason) for name in empty), *never]


def _not_measured_of_body(made: Description) -> list[NotMeasured]:
    body = made.features.tracks.get("body")
    if body is None:
        why = made.features.notes.get("body", BODY_OFF)
        return [NotMeasured("body", why)]
    if not body.valid.any():
        return [NotMeasured("body", _commonest_reason(body))]
    of_body: Mapping[str, str] = made.body.get("not_measured", {})
    return [NotMeasured(f"body: {name}", why) for name, why in of_body.items()]


def _commonest_reason(track: Track) -> str:
    if not len(track):
        return "no video frame could be decoded"
    assert track.reason_code is not None
    code = int(np.bincount(track.reason_code).argmax())
    return str(track.reasons[code]) or "no measurable frame"


def _summary(made: Description) -> dict[str, Any]:
    face, words = made.features.tracks.get("face"), made.features.words
    measurable = None
    if face is not None and len(face):
        measurable = float(face.valid.mean())
    found: dict[str, Any] = {
        "cue_counts": dict(Counter(cue.kind for cue in made.cues)),
        "face": {**made.face, "share_of_frames_measurable": measurable},
        "voice": dict(made.voice),
        "n_words": None if words is None else len(words),
    }
    if made.body:
        found["body"] = dict(made.body)
    if made.relative:
        found["relative_to_neutral"] = dict(made.relative)
    return found


@cache
def _versions() -> dict[str, str]:
    versions = {"twomind": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    return versions


def _provenance(options: Options) -> dict[str, Any]:
    plain = asdict(replace(options, adapt=None))
    if options.adapt is not None:
        plain["adapt"] = options.adapt.lasting()
    known = cue_lexicon()
    lexicon = {"version": known.version, "sha256": known.sha256}
    return {"versions": dict(_versions()), "cue_lexicon": lexicon, "options": plain}
