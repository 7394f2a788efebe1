"""The main job: media files in; tables, cues, summaries and a report out. Resumable; one bad file stops nothing."""

from __future__ import annotations

import csv
import platform
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from twomind import __version__, engine
from twomind.capture import MEDIA_SUFFIXES, find_media, find_transcript, open_recording
from twomind.describe import MODALITIES, Description, Settings, cues, describe
from twomind.describe.profile import Profile, read_profile
from twomind.errors import BadInput
from twomind.serve import adapt as adaptation
from twomind.serve import profiles, tables
from twomind.serve.adapt import Adaptation, Adapted, People
from twomind.serve.result import NotMeasured, Result
from twomind.store import Ledger, Store, content_hash, settings_hash
from twomind.types import Access, Features, Given, Prediction, Progress, Recording, Status, Track

#: What a probability says, unless the model says otherwise of its own.
MEANING = "probability that a trained coder would mark ambivalence or hesitancy somewhere in this answer"
NOT_WHEN = "an adapted answer is given for the whole recording; when it shows was not checked for adapted models"
PURPOSES = ("research", "medical", "quality", "demonstration")


@dataclass(frozen=True)
class Job:
    """One media file to be read, with what is known about it."""

    media: Path
    id: str
    subject: str
    question: str | None = None
    transcript: Path | None = None


@dataclass(frozen=True)
class Options:
    """How to predict. Part of the fingerprint of a result: another option is another result."""

    model: str | None = "words"
    using: tuple[str, ...] = MODALITIES
    describe: Settings = field(default_factory=Settings)
    neutral: Path | None = None
    profile: Path | None = None  # one person's profile
    person: str | None = None  # an enrolled person, in ``profiles``
    profiles: Path | None = None  # enrolled people; without ``person``, each subject's own profile where there is one
    prevalence: float | None = None
    prevalence_source: str = ""
    max_risk: float | None = None
    allow_drawn_model: bool = False
    purpose: str = "research"
    llm: Any = None  # LlmSettings, with the model "llm"
    adapt: Adaptation | None = None


@dataclass(frozen=True)
class Done:
    """What became of one job; ``state``: done, already done, skipped or failed (the last two have no ``result``)."""

    job: Job
    state: str
    result: Result | None = None
    error: str = ""
    error_kind: str = ""
    exit_code: int = 0


_BAH_NAME = re.compile(r"_Question_(\d)_")


def _unique_ids(paths: Sequence[Path]) -> list[str]:
    """File stems; where two are equal, with their folder's name before them, and a number if that is not enough."""
    stems = [re.sub(r"[^\w.-]+", "_", p.stem) or "recording" for p in paths]
    clash = {s for s, n in Counter(stems).items() if n > 1}
    longer = [re.sub(r"[^\w.-]+", "_", f"{p.parent.name}_{p.stem}") for p in paths]
    names = [long if stem in clash else stem for stem, long in zip(stems, longer, strict=True)]
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return unique


def plan(
    paths: Sequence[Path],
    *,
    manifest: Path | None = None,
    question: str | None = None,
    transcript: Path | None = None,
    subject: str | None = None,
) -> list[Job]:
    """The jobs that ``paths`` (files, folders) or a manifest stand for.

    A manifest is a CSV with the column ``path`` and any of ``id, subject, question, transcript``; relative paths count
    from the manifest's folder. ``question="from-name"`` reads the number from names like ``…_Question_7_…``.

    Raises:
        BadInput: nothing to do, a path that does not exist, or a manifest without the column ``path``.
    """
    if manifest is not None:
        if paths:
            raise BadInput("give either media files or --manifest, not both")
        return _from_manifest(manifest, question)
    media = find_media(list(paths))
    if not media:
        raise BadInput("no media file was given")
    if transcript is not None and len(media) != 1:
        raise BadInput(
            f"--transcript goes with one media file, {len(media)} were given. Put each transcript beside its media "
            "file with the same name, or use --manifest"
        )
    return [
        Job(path, name, subject or name, _question(question, path), transcript)
        for path, name in zip(media, _unique_ids(media), strict=True)
    ]


def _question(given: str | None, path: Path) -> str | None:
    if given != "from-name":
        return given
    match = _BAH_NAME.search(f"{path.stem}_")
    return match.group(1) if match else None


def _from_manifest(manifest: Path, question: str | None) -> list[Job]:
    try:
        with open(manifest, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if "path" not in (reader.fieldnames or []):
                raise BadInput(f"{manifest}: expected a CSV with a column 'path', got the columns {reader.fieldnames}")
            rows = [row for row in reader if row["path"]]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{manifest}: expected a CSV file of recordings: {error}") from error
    if not rows:
        raise BadInput(f"{manifest}: the manifest names no recording")
    base = manifest.parent
    media = [base / row["path"] for row in rows]
    ids = [row.get("id") or name for row, name in zip(rows, _unique_ids(media), strict=True)]
    return [
        Job(
            path,
            name,
            row.get("subject") or name,
            row.get("question") or _question(question, path),
            base / row["transcript"] if row.get("transcript") else None,
        )
        for row, path, name in zip(rows, media, ids, strict=True)
    ]


def fingerprint(job: Job, options: Options, before: Sequence[str] = ()) -> str:
    """What a result depends on: bytes of media and transcript, the options, the model and the version.

    ``before``: contents of the recordings that the person's state has learnt from.
    """
    transcript = job.transcript or find_transcript(job.media)
    if options.llm is not None:
        options = replace(options, llm=options.llm.lasting())
    parts = {
        "media": content_hash(job.media),
        "transcript": content_hash(transcript) if transcript and transcript.is_file() else "",
        "neutral": content_hash(options.neutral) if options.neutral and options.neutral.is_file() else "",
        "profile": content_hash(found) if (found := profile_path(job, options)) and found.is_file() else "",
        "job": {"id": job.id, "subject": job.subject, "question": job.question},
        "options": asdict(replace(options, adapt=None)),
        **({} if options.adapt is None else {"adapt": options.adapt.lasting(), "before": list(before)}),
        "model": _model_mark(options.model),
        "version": __version__,
    }
    return settings_hash(parts)


def profile_path(job: Job, options: Options) -> Path | None:
    """The file with the profile of who speaks; None where none was asked for, or the subject is not enrolled.

    Raises:
        BadInput: the options contradict each other.
    """
    if options.person is not None and options.profiles is None:
        raise BadInput("--person: give the folder in which the person is enrolled with --profiles")
    # With --adapt the clip is what the method learns from, and may stand beside the profile.
    own = options.neutral if options.adapt is None else None
    if sum(x is not None for x in (options.profile, options.profiles, own)) > 1:
        raise BadInput(
            "give one of --neutral, --profile and --profiles; with --adapt, --neutral may stand beside a profile: the "
            "clip is then the method's, and values are relative to the profile"
        )
    if options.profiles is None:
        return options.profile
    if options.person is not None:
        return profiles.path_of(options.profiles, options.person)
    return options.profiles / job.subject / "profile.json" if job.subject in profiles.people(options.profiles) else None


def _profile_of(job: Job, options: Options) -> Profile | None:
    path = profile_path(job, options)
    if path is None:
        return None
    if options.person is not None and options.profiles is not None:
        return profiles.load(options.profiles, options.person)
    return read_profile(path)


def _model_mark(model: str | None) -> str:
    """Hash of a trained model's file or card: trained anew at the same place, it is another model."""
    path = Path(model) if model else None
    card = path / "card.json" if path is not None and path.is_dir() else path
    return content_hash(card) if card is not None and card.is_file() else ""


def predict_one(
    job: Job,
    options: Options,
    store: Store,
    progress: Progress | None = None,
    recogniser: Any = None,
    people: People | None = None,
) -> Result:
    """Describe and estimate one answer; ``recogniser`` is one that is loaded already.

    With ``options.adapt``, ``people`` holds everybody's state: the one of this person is gone on with, and kept.

    Raises:
        TwomindError: the file cannot be used; the message says what was expected and what to do.
    """
    recording = open_recording(
        job.media, id=job.id, subject=job.subject, question=job.question, transcript=job.transcript
    )
    neutral = open_recording(options.neutral, subject=job.subject) if options.neutral else None
    if options.person is not None:  # the file's subject may be called otherwise, and is the same person
        store.note(options.person, content_hash(job.media))
    profile = _profile_of(job, options)
    made = describe(
        recording,
        options.using,
        store=store,
        settings=options.describe,
        neutral=neutral if profile is None else None,
        profile=profile,
        progress=progress,
    )
    prediction, model, moments, adapted = _estimate(made, options, store, recogniser, neutral, people)
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
        adaptation={} if adapted is None or options.adapt is None else _about(adapted, options.adapt),
    )


def _estimate(
    made: Description,
    options: Options,
    store: Store,
    recogniser: Any = None,
    neutral: Recording | None = None,
    people: People | None = None,
) -> tuple[Prediction, dict[str, Any], dict[str, Any], Adapted | None]:
    """The prediction, what there is to say of the model, its segments and frame score, and what adaptation did."""
    if options.model is None:
        reason = "features alone were asked for"
        return Prediction.not_measured(made.features.span_s, 2, reason), {}, {}, None
    from twomind.estimate import load

    recogniser = recogniser if recogniser is not None else load(options.model)
    if options.allow_drawn_model and hasattr(recogniser, "allowing_drawn"):
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
    x = made.features
    if hasattr(recogniser, "prepare"):  # a model that reads more than what `describe` measures
        x = recogniser.prepare(x, made.recording, store, options.describe.offline)
    if options.adapt is not None:
        adapted = _adapt(recogniser, options, store, x, made, neutral, people)
        return adapted.prediction, {**about, "locates": False, "locates_reason": NOT_WHEN}, {}, adapted
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
    how = options.adapt
    assert how is not None
    given = Given(how.seed, summary=adaptation.summary_of(recogniser))
    if neutral is not None and Access.NEUTRAL in how.adapter().needs:
        calm = describe(neutral, options.using, store=store, settings=options.describe)
        prepared = calm.features
        if hasattr(recogniser, "prepare"):
            prepared = recogniser.prepare(prepared, neutral, store, options.describe.offline)
        given = replace(given, neutral=tuple(adaptation.windows_for(recogniser, prepared)))
    adaptation.check(recogniser, how, given)
    people, mark = people or People(how, store.study), adaptation.mark_of(recogniser)
    people.check_model(x.subject, mark)
    adapted = adaptation.adapt(recogniser, how, x, given, people.state(x.subject, made.content))
    before = people.before(x.subject, made.content)
    if how.state is not None:  # so that erasing the person looks there, whether or not the folder is named then
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


def _not_measured(made: Description, prediction: Prediction, options: Options) -> tuple[NotMeasured, ...]:
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
        from twomind.describe.measures import UNSUPPORTED

        if not face.valid.any():
            found.append(NotMeasured("face", _commonest_reason(face)))
        else:
            empty = [n for n in face.names if not np.isfinite(face.column(n)).any()]
            found += [NotMeasured(n, "not measurable in any frame of this recording") for n in empty]
        found += [NotMeasured(name, reason) for name, reason in UNSUPPORTED.items()]
    found += [NotMeasured(f"voice: {name}", why) for name, why in made.voice.get("not_measured", {}).items()]
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


def summary_of(result: Result, mark: str) -> dict[str, Any]:
    """The JSON summary of one answer (schema ``twomind.answer/1``)."""
    prediction, recording = result.prediction, result.recording
    ok = prediction.status is Status.OK
    evidence = prediction.evidence
    band = {e.name: e.value for e in evidence if e.kind == "band"}
    return {
        "schema": "twomind.answer/1",
        "recording": recording.id,
        "subject": recording.subject,
        "question": recording.question,
        "drawn_person": recording.drawn,
        "purpose": result.purpose,
        "fingerprint": mark,
        "media": result.media,
        "words": {
            "status": "ok" if result.features.words is not None else "not_measured",
            "n": None if result.features.words is None else len(result.features.words),
            "source": recording.words_source,
            "reason": result.features.notes.get("words", ""),
        },
        "prediction": {
            "status": str(prediction.status),
            "reason": prediction.reason,
            "probability": float(prediction.probs[1]) if prediction.status is not Status.NOT_MEASURED else None,
            "decision": _decision(result) if ok else None,
            "band_95": [band["low"], band["high"]] if {"low", "high"} <= band.keys() else None,
            "parts_log_odds": {e.name: e.value for e in evidence if e.kind == "part"} or None,
            "evidence": [e for e in evidence if e.kind not in tables.ADDITIVE],
            **({} if result.unadapted is None else {"unadapted": _unadapted(result)}),
            "meaning": result.model.get("meaning", MEANING),
        },
        "located": {"status": result.located, "reason": result.located_reason, "segments": list(result.segments)},
        "cues": result.summary.get("cue_counts", {}),
        "summary": result.summary,
        "neutral": result.neutral,
        **({"adaptation": result.adaptation} if result.adaptation else {}),
        "not_measured": list(result.not_measured),
        "model": result.model,
        "provenance": result.provenance,
    }


def _unadapted(result: Result) -> dict[str, Any]:
    """The answer of the same model on the same windows with no method."""
    found = result.unadapted
    assert found is not None
    measured = found.status is not Status.NOT_MEASURED
    classes = result.model.get("classes", ["absent", "present"])
    return {
        "status": str(found.status),
        "reason": found.reason,
        "probability": float(found.probs[1]) if measured else None,
        "decision": str(classes[int(np.argmax(found.probs))]) if measured else None,
    }


def _decision(result: Result) -> str:
    classes = result.model.get("classes", ["absent", "present"])
    return str(classes[int(np.argmax(result.prediction.probs))])


def write_result(result: Result, folder: Path, mark: str) -> None:
    """All files of one answer. The summary is written last: where it lies, the rest is whole."""
    from twomind.serve.report import write_report

    folder.mkdir(parents=True, exist_ok=True)
    _clear(folder)
    tables.write_measures_csv(result, folder / "measures.csv")
    tables.write_measures_parquet(result, folder / "measures.parquet")
    tables.write_cues_csv(result, folder / "cues.csv")
    tables.write_vtt(result.cues, folder / "cues.vtt")
    tables.write_words_csv(result, folder / "words.csv")
    tables.write_evidence_csv(result, folder / "evidence.csv")
    if result.located:
        tables.write_segments_csv(result, folder / "segments.csv")
        tables.write_vtt(result.segments, folder / "segments.vtt")
        tables.write_frame_score_csv(result, folder / "frame_score.csv")
    write_report([result], folder / "report.html")
    tables.write_json(summary_of(result, mark), folder / "summary.json")


def _clear(folder: Path) -> None:
    """Remove what a killed run left half-written, and files that only another model's answer would have."""
    for name in (".*.part", "segments.csv", "segments.vtt", "frame_score.csv", "evidence.csv"):
        for path in folder.glob(name):
            path.unlink(missing_ok=True)


def _work(
    job: Job,
    options: Options,
    store: Store,
    out: Path,
    redo: bool,
    progress: Progress | None = None,
    recogniser: Any = None,
    people: People | None = None,
) -> Done:
    """One job from file to files; what was done before with the same fingerprint is read, not made again."""
    learnt = () if people is None else people.before(job.subject, content_hash(job.media))
    mark = fingerprint(job, options, learnt)
    folder = out / job.id
    before = _read_mark(folder / "summary.json")
    result = predict_one(job, options, store, progress, recogniser, people)
    if before == mark and not redo:
        return Done(job, "already done", result)
    write_result(result, folder, mark)
    return Done(job, "done", result)


def _read_mark(path: Path) -> str | None:
    import json

    try:
        return json.loads(path.read_text(encoding="utf-8")).get("fingerprint")
    except (OSError, ValueError):
        return None


def predict_all(
    jobs: Sequence[Job],
    options: Options,
    out: Path,
    *,
    store: Store,
    workers: int = 0,
    redo: bool = False,
    progress: Progress | None = None,
    on_done: Callable[[Done], None] | None = None,
    recogniser: Any = None,
) -> list[Done]:
    """Every job; results, a ledger (``ledger.jsonl``), a table (``answers.csv``) and a report in ``out``.

    A ``recogniser`` that is loaded already (it counts requests, say) is used for all jobs, in this process.
    Interrupt it at any time and call it again: files that are whole are kept, the rest is made as if undisturbed.
    """
    out.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(out / "ledger.jsonl")
    people = None
    if options.adapt is not None:
        recogniser = _ready_to_adapt(jobs, options, recogniser)
        people = People(options.adapt, store.study)
    n = 1 if recogniser is not None else engine.n_workers(workers, len(jobs))
    shared = {"progress": progress if n == 1 else None, "recogniser": recogniser, "people": people}
    work = partial(_work, options=options, store=store, out=out, redo=redo, **shared)
    finished: list[Done] = []
    for done, seconds in _timed(_until_spent(_outcomes(work, jobs, n), jobs)):
        if len(jobs) > 1 and _is_bystander(done):
            done = replace(done, state="skipped", exit_code=0)
        finished.append(done)
        ledger.append(
            done.job.id,
            path=str(done.job.media),
            state=done.state,
            error_kind=done.error_kind,
            error=done.error,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            since_last_s=round(seconds, 3),
            version=__version__,
        )
        if on_done is not None:
            on_done(done)
    order = {job.id: i for i, job in enumerate(jobs)}
    finished.sort(key=lambda d: order[d.job.id])
    write_overview(finished, out)
    return finished


def _ready_to_adapt(jobs: Sequence[Job], options: Options, recogniser: Any) -> Any:
    """The model, once for all, after everything was refused that can be before a file is read.

    Raises:
        BadInput: the method does not go with the model or with what is given.
    """
    from twomind.estimate import load

    how = options.adapt
    assert how is not None
    if options.prevalence is not None or options.max_risk is not None:
        raise BadInput("--prevalence and --max-risk go with a model's own calibration, which --adapt leaves behind")
    recogniser = recogniser if recogniser is not None else load(options.model or "words")
    given = Given(how.seed, summary=adaptation.summary_of(recogniser), neutral=() if options.neutral else None)
    adaptation.check(recogniser, how, given)
    subjects = sorted({job.subject for job in jobs})
    if Access.NEUTRAL in how.adapter().needs and len(subjects) > 1:
        raise BadInput(
            f"--adapt {how.method} needs a neutral clip of the person, and --neutral is one clip for {len(subjects)} "
            f"people ({', '.join(subjects[:3])} …): run it once per person"
        )
    return recogniser


def _is_bystander(done: Done) -> bool:
    """A transcript, a table or a licence among recordings (``predict study/*``) is left out, and that is no failure."""
    return done.error_kind == BadInput.kind and done.job.media.suffix.lower() not in MEDIA_SUFFIXES


def _outcomes(work: Callable[[Job], Done], jobs: Sequence[Job], n: int) -> Iterator[Done]:
    for outcome in engine.run(work, jobs, n):
        if outcome.ok and outcome.result is not None:
            yield outcome.result
        else:
            yield Done(outcome.item, "failed", None, outcome.error, outcome.error_kind, outcome.exit_code)


def _until_spent(items: Iterator[Done], jobs: Sequence[Job]) -> Iterator[Done]:
    """The same items; once a budget is spent (one worker, so in order), the rest is not begun."""
    for n, done in enumerate(items, 1):
        yield done
        if done.error_kind == "budget":
            yield from (replace(done, job=job) for job in jobs[n:])
            return


def _timed(items: Iterator[Done]) -> Iterator[tuple[Done, float]]:
    before = time.perf_counter()
    for item in items:
        now = time.perf_counter()
        yield item, now - before
        before = now


def write_overview(finished: Sequence[Done], out: Path) -> None:
    """``answers.csv`` (one row per file, failed ones too) and the report over all answers."""
    from twomind.serve.report import write_report

    adapted = any(d.result is not None and d.result.adaptation for d in finished)
    columns = (
        "recording", "subject", "question", "state", "status", "probability", "band_low", "band_high",
        "part_question", "part_length", "part_content", "n_words", "n_cues", "reason", "path",
        *(("probability_unadapted",) if adapted else ()),
    )  # fmt: skip
    tables.write_rows(out / "answers.csv", columns, [_overview_row(d, adapted) for d in finished])
    results = [d.result for d in finished if d.result is not None]
    if results:
        write_report(results, out / "report.html")


def _overview_row(done: Done, adapted: bool = False) -> list[Any]:
    row = _plain_row(done)
    if not adapted:
        return row
    plain = None if done.result is None else done.result.unadapted
    return [*row, None if plain is None else float(plain.probs[1])]


def _plain_row(done: Done) -> list[Any]:
    job, result = done.job, done.result
    if result is None:
        blank: list[Any] = [None] * 8
        return [job.id, job.subject, job.question, done.state, done.state, *blank, done.error, job.media]
    prediction = result.prediction
    parts: Mapping[str, float] = {e.name: e.value for e in prediction.evidence if e.kind == "part"}
    band: Mapping[str, float] = {e.name: e.value for e in prediction.evidence if e.kind == "band"}
    return [
        job.id,
        job.subject,
        job.question,
        done.state,
        str(prediction.status),
        float(prediction.probs[1]),
        band.get("low"),
        band.get("high"),
        parts.get("question"),
        parts.get("length"),
        parts.get("content"),
        None if result.features.words is None else len(result.features.words),
        len(result.cues),
        prediction.reason,
        job.media,
    ]


def exit_code(finished: Sequence[Done]) -> int:
    """0 when all went well, 7 when some failed, the failure's own code when nothing was done."""
    failed = [d for d in finished if d.state == "failed"]
    if any(d.result is not None for d in finished):
        return 7 if failed else 0
    return failed[0].exit_code or 1 if failed else BadInput.exit_code
