"""One answer: a recording described, estimated and, where it was asked for, adapted to
its person.
"""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from twomind import __version__
from twomind.core.store import Store, content_hash
from twomind.features import cues
from twomind.features.describe import Description, describe
from twomind.media.recording import open_recording
from twomind.pipeline import adapt as adaptation
from twomind.pipeline.adapt import Adaptation, Adapted, People
from twomind.pipeline.jobs import Job, Options, profile_of
from twomind.reporting.result import NotMeasured, Result
from twomind.types import Access, Features, Given, Prediction, Progress, Recording, Status, Track

NOT_WHEN = (
    "an adapted answer is given for the whole recording; when it shows was not checked for "
    "adapted models"
)


def predict_one(
    job: Job,
    options: Options,
    store: Store,
    progress: Progress | None = None,
    recogniser: Any = None,
    people: People | None = None,
) -> Result:
    """Describe and estimate one answer; ``recogniser`` is one that is loaded already.

    With ``options.adapt``, ``people`` holds everybody's state: the one of this person is gone on
    with, and kept.

    Raises:
        TwomindError: the file cannot be used; the message says what was expected and what to do.
    """
    recording = open_recording(
        job.media, id=job.id, subject=job.subject, question=job.question, transcript=job.transcript
    )
    neutral = open_recording(options.neutral, subject=job.subject) if options.neutral else None
    if (
        options.person is not None
    ):  # the file's subject may be called otherwise, and is the same person
        store.note(options.person, content_hash(job.media))
    profile = profile_of(job, options)
    made = describe(
        recording,
        options.using,
        store=store,
        settings=options.describe,
        neutral=neutral if profile is None else None,
        profile=profile,
        progress=progress,
    )
    prediction, model, moments, adapted = _estimate(
        made, options, store, recogniser, neutral, people
    )
    located = bool(model.get("locates", False))
    return Result(
        recording=made.recording,
        features=made.features,
        cues=made.cues,
        prediction=prediction,
        not_measured=_not_measured(made, prediction, options),
        located=located,
        located_reason="" if located else str(model.get("locates_reason", "no model was asked")),
        **(moments if located else {}),
        neutral=made.neutral,
        voice_neutral=made.voice_neutral,
        media={**made.media, "sha256": made.content, "path": str(job.media)},
        summary=_summary(made),
        model=model,
        provenance=_provenance(options),
        purpose=options.purpose,
        unadapted=None if adapted is None else adapted.unadapted,
        adaptation={}
        if adapted is None or options.adapt is None
        else _about(adapted, options.adapt),
    )


def _estimate(
    made: Description,
    options: Options,
    store: Store,
    recogniser: Any = None,
    neutral: Recording | None = None,
    people: People | None = None,
) -> tuple[Prediction, dict[str, Any], dict[str, Any], Adapted | None]:
    """The prediction, what there is to say of the model, its segments and frame score, and what
    adaptation did.
    """
    if options.model is None:
        reason = "features alone were asked for"
        return Prediction.not_measured(made.features.span_s, 2, reason), {}, {}, None
    from twomind.models import load
    from twomind.models.base import bare, complete

    recogniser = complete(recogniser if recogniser is not None else load(options.model))
    if options.allow_drawn_model:
        recogniser = recogniser.allowing_drawn()
    if options.prevalence is not None:
        recogniser = recogniser.recalibrate(options.prevalence, options.prevalence_source)
    if options.max_risk is not None:
        recogniser = recogniser.abstaining(options.max_risk)
    about = dict(recogniser.describe())
    located, reason = recogniser.locates
    question = made.features.question
    about |= {
        "classes": list(recogniser.task.classes),
        "locates": located,
        "locates_reason": reason,
        "question_known": recogniser.knows(question),
        "skill": dict(recogniser.skill(question)),
    }
    recogniser.refuse(made.features)
    x = recogniser.prepare(made.features, made.recording, store, options.describe.offline)
    if options.adapt is not None:
        adapted = _adapt(bare(recogniser), options, store, x, made, neutral, people)
        return (
            adapted.prediction,
            {**about, "locates": False, "locates_reason": NOT_WHEN},
            {},
            adapted,
        )
    prediction = recogniser.predict(x)
    if not located or prediction.status is Status.NOT_MEASURED:
        return prediction, about, {}, None
    moments = {"segments": recogniser.segments(x), "frame_score": _frame_score(recogniser, x)}
    return prediction, about, moments, None


def _adapt(
    recogniser: Any,
    options: Options,
    store: Store,
    x: Features,
    made: Description,
    neutral: Recording | None,
    people: People | None,
) -> Adapted:
    """One recording with the person's state; the state after it is kept."""
    from twomind.models.base import complete

    how = options.adapt
    assert how is not None
    given = Given(how.seed, summary=adaptation.summary_of(recogniser))
    if neutral is not None and Access.NEUTRAL in how.adapter().needs:
        calm = describe(neutral, options.using, store=store, settings=options.describe)
        offline = options.describe.offline
        prepared = complete(recogniser).prepare(calm.features, neutral, store, offline)
        given = replace(given, neutral=tuple(adaptation.windows_for(recogniser, prepared)))
    adaptation.check(recogniser, how, given)
    people, mark = people or People(how, store.study), adaptation.mark_of(recogniser)
    people.check_model(x.subject, mark)
    adapted = adaptation.adapt(recogniser, how, x, given, people.state(x.subject, made.content))
    before = people.before(x.subject, made.content)
    if (
        how.state is not None
    ):  # so that erasing the person looks there, whether or not the folder is named then
        for name in dict.fromkeys((x.subject, options.person or x.subject)):
            store.note_states(name, how.state)
    calm_content = "" if neutral is None else content_hash(neutral.media)
    kept = people.keep(x.subject, x.recording, made.content, mark, adapted.state, calm_content)
    return replace(adapted, kept=kept, n_before=len(before))


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


def _frame_score(recogniser: Any, x: Any) -> Track:
    """The model's curve: the probability of each class at each moment."""
    times_s, probs, valid = recogniser.timeline(x)
    return Track(np.asarray(probs), np.asarray(times_s), np.asarray(valid), recogniser.task.classes)


def _not_measured(
    made: Description, prediction: Prediction, options: Options
) -> tuple[NotMeasured, ...]:
    """Everything that carries no number, each with its reason."""
    found = [
        NotMeasured(name, made.features.notes.get(name, "unknown"))
        for name in options.using
        if name not in made.features.tracks
    ]
    if prediction.status is not Status.OK:
        found.append(NotMeasured("probability", prediction.reason))
    face = made.features.tracks.get("face")
    if face is not None:
        from twomind.features.face.measures import UNSUPPORTED

        if not face.valid.any():
            found.append(NotMeasured("face", _commonest_reason(face)))
        else:
            empty = [n for n in face.names if not np.isfinite(face.column(n)).any()]
            found += [
                NotMeasured(n, "not measurable in any frame of this recording") for n in empty
            ]
        found += [NotMeasured(name, reason) for name, reason in UNSUPPORTED.items()]
    found += [
        NotMeasured(f"voice: {name}", why)
        for name, why in made.voice.get("not_measured", {}).items()
    ]
    found += [NotMeasured(f"cue: {name}", why) for name, why in cues.NOT_MEASURED.items()]
    return tuple(found)


def _commonest_reason(track: Any) -> str:
    if not len(track):
        return "no video frame could be decoded"
    code = int(np.bincount(track.reason_code).argmax())
    return str(track.reasons[code]) or "no measurable frame"


def _summary(made: Description) -> dict[str, Any]:
    face = made.features.tracks.get("face")
    measurable = float(face.valid.mean()) if face is not None and len(face) else None
    return {
        "cue_counts": dict(Counter(c.kind for c in made.cues)),
        "face": {**made.face, "share_of_frames_measurable": measurable},
        "voice": dict(made.voice),
        "n_words": None if made.features.words is None else len(made.features.words),
        **({"relative_to_neutral": dict(made.relative)} if made.relative else {}),
    }


def _provenance(options: Options) -> dict[str, Any]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"twomind": __version__, "python": platform.python_version()}
    for name in ("av", "numpy", "mediapipe", "faster-whisper"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    plain = asdict(replace(options, adapt=None))
    if options.adapt is not None:
        plain["adapt"] = options.adapt.lasting()
    return {"versions": found, "options": plain}
