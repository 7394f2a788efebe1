"""What is measured of one recording that has come in: the same as ``twomind predict`` does with a file.

The film is decrypted into a file in memory, temporary files lie in memory, and what is kept is sealed
with the person's key: nothing of it is on the disk in clear.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twomind.core import scratch
from twomind.core.errors import BadInput, TwomindError, while_doing
from twomind.features.describe import Settings
from twomind.pipeline.answer import predict_one
from twomind.pipeline.jobs import Job, Options
from twomind.reporting import tables
from twomind.reporting.result import Result
from twomind.reporting.summary import summary_of
from twomind.server import looking, people, quality, scripts, uploads
from twomind.server.keys import NoKey
from twomind.server.measured import Measured
from twomind.server.place import Place
from twomind.server.quality import NotMeasured, Values
from twomind.server.scripts import Script
from twomind.server.sealed import Film, Unreadable
from twomind.server.sealed_store import SealedStore
from twomind.server.study import Quality
from twomind.server.tables import Recording
from twomind.transcripts.language import is_measured

FEATURES = "features"
_PIECE = 1 << 20
#: How often it is looked whether the person is still there, in seconds.
_LOOK_S = 0.5
#: What a model says is kept but for these: where a file lay, and what was set.
_NOT_KEPT = ("fingerprint", "subject", "purpose")


class Gone(Exception):
    """The person has withdrawn meanwhile."""


@dataclass(frozen=True)
class Task:
    """One recording to measure, with all that is known about it."""

    recording: Recording
    film: Film
    asked: quality.Asked
    question: str | None
    language: str
    corrected: Script | None


def task_of(place: Place, recording_id: str) -> Task | None:
    """What is to be measured; None where it is gone."""
    with place.database.reading() as reading:
        recording = reading.get(Recording, recording_id)
        if recording is None or not place.keys.has(recording.person):
            return None
        person = people.find(reading, recording.person)
        known = scripts.versions(place, reading, recording)
        takes = people.of_person(reading, person.id)
        events = uploads.events_of(place, recording)
        film = uploads.film(place, reading, recording)
    item = place.study.item(recording.item)
    neutral = place.study.neutral
    before = [one for one in takes if one.item == recording.item and one.id != recording.id]
    asked = quality.Asked(
        speaks=neutral is None or recording.item != neutral.id,
        language=person.language,
        min_s=0.0 if item is None else item.min_s,
        expected_s=None if recording.duration_ms is None else recording.duration_ms / 1000,
        stop_reason=recording.stop_reason,
        events=tuple(event["name"] for event in events),
        asked_before=sum(one.quality == "again" for one in before),
    )
    question = None if item is None or not asked.speaks else item.text.get("en")
    corrected = known[-1].script if known and known[-1].is_corrected else None
    return Task(recording, film, asked, question, person.language, corrected)


def measure(place: Place, task: Task) -> Measured:
    """Measure a recording of a study, without a file of it on the disk.

    Args:
        place: The study.
        task: What :func:`task_of` says.

    Raises:
        Gone: The person has withdrawn meanwhile.
    """
    limits = place.study.quality
    try:
        with ExitStack() as opened:
            opened.enter_context(scratch.in_memory())
            film = opened.enter_context(scratch.memory_file("film"))
            _fill(film, task.film)
            path = scratch.path_of(film)
            result, absent = _predicted(place, task, path)
            looked = _looked(place, task, path, result)
    except (FileNotFoundError, NoKey, Unreadable) as error:
        if not place.keys.has(task.recording.person):
            raise Gone from error
        return _unreadable(task, limits, "its pieces are damaged or missing on the server's disk")
    except BadInput as error:
        if not scratch.can_be_in_memory():
            return _nothing(task, limits, str(error))
        return _unreadable(task, limits, str(error))
    except TwomindError as error:
        return _nothing(task, limits, str(error))
    except Gone:
        raise
    except Exception as error:  # libraries raise a dozen unrelated classes
        # Only its kind: its words may be a participant's.
        return _nothing(task, limits, f"measuring failed ({type(error).__name__})")
    return _measured(task, limits, _Found(result, looked, absent))


def _fill(file: Any, film: Film) -> None:
    while piece := film.read(_PIECE):
        file.write(piece)
    file.flush()


def _predicted(place: Place, task: Task, path: Path) -> tuple[Result, list[NotMeasured]]:
    """The answer; without a speech model, or without the model, where these cannot be used."""
    recording = task.recording
    store = SealedStore(
        place.folder_of(recording.person, FEATURES), secret=place.keys.of(recording.person)
    )
    wish = place.study.measuring
    options = Options(model=wish.model or None, describe=_described(place, task))
    job = Job(path, recording.id, recording.person, task.question, text=_text(task))
    progress = _StillThere(place, recording.person)
    absent = []
    speech = _why_no_speech(options.describe)
    if speech:
        absent.append(NotMeasured("words", speech))
        options = replace(options, describe=replace(options.describe, speech_model=None))
    try:
        return predict_one(job, options, store, progress), absent
    except TwomindError as error:
        if options.model is None:
            raise
        why = _told(error, path)
    result = predict_one(job, replace(options, model=None), store, progress)
    return result, [*absent, NotMeasured("probability", why)]


def _looked(place: Place, task: Task, path: Path, result: Result) -> quality.Looked:
    """What the quality control looks at besides."""
    settings = _described(place, task)
    spoken = None
    if task.asked.speaks and task.asked.language:
        spoken = looking.spoken_language(path, settings)
    voice = result.features.tracks.get("voice")
    return quality.Looked(looking.look(path), looking.dead_s(voice), spoken)


def _described(place: Place, task: Task) -> Settings:
    speech = place.study.measuring.speech_model or None
    if not task.asked.speaks:
        speech = None
    return Settings(speech_model=speech, language=task.language, offline=True)


def _text(task: Task) -> str:
    """Corrected words go before what a recogniser hears; words of other languages are not measured."""
    if task.corrected is None or not is_measured(task.language):
        return ""
    return task.corrected.text


def _why_no_speech(settings: Settings) -> str:
    from twomind.transcripts.speech_models import require

    if settings.speech_model is None:
        return ""
    try:
        require(settings.speech_model, offline=True)
    except TwomindError as error:
        return while_doing("speech recognition", error)
    return ""


@dataclass
class _StillThere:
    """Stops a pass when the person is gone."""

    place: Place
    person: str
    looked: float = 0.0

    def __call__(self, _what: str, _done: float, _whole: float) -> None:
        now = time.monotonic()
        if now - self.looked < _LOOK_S:
            return
        self.looked = now
        if not self.place.keys.has(self.person):
            raise Gone


# --- what came of it


@dataclass(frozen=True)
class _Found:
    """All that came of one film."""

    result: Result
    looked: quality.Looked
    absent: list[NotMeasured]


def _measured(task: Task, limits: Quality, found: _Found) -> Measured:
    result, absent = found.result, found.absent
    summary: dict[str, Any] = tables.plain(summary_of(result, ""))
    said = {one.what for one in absent}
    for name in ("face", "voice", "words"):
        if name not in result.features.tracks and name not in said:
            absent.append(NotMeasured(name, result.features.notes.get(name, "not known why")))
    values = quality.values_from(summary, found.looked)
    remarks = tuple(summary["media"]["problems"])
    findings = quality.judge(values, task.asked, limits, absent, remarks)
    return Measured(findings, _kept(summary, absent), _script(task, result))


def _kept(summary: Mapping[str, Any], absent: list[NotMeasured]) -> dict[str, Any]:
    """What a researcher may see of a model's answer."""
    kept = {name: value for name, value in summary.items() if name not in _NOT_KEPT}
    kept["media"] = {name: one for name, one in summary["media"].items() if name != "path"}
    kept["provenance"] = {"versions": summary["provenance"]["versions"]}
    for one in absent:
        if one.what == "probability":
            kept["prediction"] = {**kept["prediction"], "reason": one.reason}
    return kept


def _script(task: Task, result: Result) -> Script | None:
    recording = result.recording
    if recording.words is None or task.corrected is not None:
        return None
    language = recording.language or task.language
    return Script(recording.words, language, recording.words_source, recording.words_remarks)


def _unreadable(task: Task, limits: Quality, why: str) -> Measured:
    values = Values(readable=False)
    remarks = (_told(why, None),)
    return Measured(quality.judge(values, task.asked, limits, (), remarks), {})


def _nothing(task: Task, limits: Quality, why: str) -> Measured:
    absent = [NotMeasured("recording", _told(why, None))]
    return Measured(quality.judge(Values(), task.asked, limits, absent), {})


def given_up(place: Place, task: Task, tries: int) -> Measured:
    """What is said of a recording on which the worker ended again and again.

    Args:
        place: The study.
        task: The recording.
        tries: How often.
    """
    why = f"the process that measured it ended {tries} times before it was done"
    return _nothing(task, place.study.quality, why)


def _told(error: object, path: Path | None) -> str:
    """A sentence without the path of a file that nobody can open."""
    text = str(error)
    if path is not None:
        return text.replace(str(path), "the recording")
    place, _, rest = text.partition(": ")
    return rest if place.startswith("/proc/") else text
