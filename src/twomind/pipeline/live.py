"""A live session: pictures, sound and words in, events out, on the time of the media.

It measures with what ``describe`` measures with, and scores with what ``predict`` and ``adapt`` score
with. While it runs, values are relative to the last seconds (:mod:`twomind.features.causal`); when
it is over, :attr:`LiveSession.description` is what ``describe`` says of the same pictures and sound.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.adaptation.state import load_state, save_state
from twomind.core.errors import BadInput
from twomind.core.spool import Spool
from twomind.features import causal
from twomind.features.causal import Known, Ledger, LiveSettings, Reference, Told
from twomind.features.describe import (
    MODALITIES,
    Against,
    Description,
    Measured,
    described,
)
from twomind.features.entries import with_detector
from twomind.features.face.blinks import find_blinks
from twomind.features.face.reader import FaceReader
from twomind.features.one_pass import SOUND_HZ, Measuring, Pass
from twomind.features.profile import Profile
from twomind.features.settings import Settings
from twomind.features.voice.track import NAMES as VOICE_NAMES
from twomind.features.voice.track import UNITS as VOICE_UNITS
from twomind.features.words.text import describe_words
from twomind.media import stream as media
from twomind.media.audio import Resampling, SoundTail
from twomind.models import load
from twomind.models.base import Model, complete
from twomind.pipeline.adapt import Adaptation
from twomind.pipeline.answer import heard_by
from twomind.pipeline.live_events import (
    CueBegan,
    CueDropped,
    CueEnded,
    Event,
    Finished,
    MeasuredAgain,
    NotMeasured,
    WasAdapted,
    WindowScored,
)
from twomind.pipeline.live_windows import About, Scored, Scoring, plain_track, track_of_plain
from twomind.types import Cue, Features, Prediction, Recording, State, Status, Track, Word

#: What a state of a session is marked with.
KIND = "twomind.live/1"
#: Sound and face rows of the causal tables: what is known of a row when its second is over.
_FACE, _VOICE = "face", "voice"
_Spoken = Sequence[Word]


@dataclass(eq=False)
class LiveSession:
    """Pictures, sound blocks and recognised words in, in any chunking; events out, on media time.

    Every ``push`` gives the events that it brought about. Without a model there are cues alone.
    Close it, or use it in a ``with`` block.

    Args:
        model: a model, a plug-in's name, or the folder of a saved model; None: cues alone.
        adapt: a method's name, or a method with its settings; None: no adaptation.
        state: a person's state to go on from (what ``tm.adapt`` gives), or what :meth:`export`
            gave: bytes, or a file of them. Then the session goes on where that one stood.
        using: some of ``"face"``, ``"voice"``, ``"words"``; what is left out is not waited for.
        person: who is seen.
        question: what they answer.
        neutral: rows of the person's neutral face (``tm.describe(clip).features.tracks["face"]``).
        profile: what enrolment made of neutral clips.
        drawn: the person is synthetic.
        allow_synthetic: let a model of synthetic people answer about a real one.
        settings: how to measure.
        live: when to look, and how far back.
        keep: keep rows and sound in temporary files, for :attr:`description`. Without it the session
            forgets sound after ``live.voice_s`` seconds.

    Raises:
        BadInput: an unknown modality; the model reads what is not measured live; the state is
            damaged, or of another model or method.
        MissingExtra: faces are asked for, and MediaPipe is not installed.

    Example:
        >>> from twomind import LiveSession, Word
        >>> said = (Word("um", 1.0, 1.4), Word("but", 1.6, 2.0), Word("why", 2.1, 2.4))
        >>> with LiveSession(using=["words"]) as session:
        ...     events = [*session.push_words(said), *session.finish()]
        >>> [(event.kind, event.start_s) for event in events if event.event == "cue_began"]
        [('filler', 1.0), ('contrast', 1.6)]
    """

    model: Model | str | Path | None = None
    adapt: str | Adaptation | None = None
    state: State | bytes | Path | None = None
    _: KW_ONLY
    using: Sequence[str] = MODALITIES
    person: str = "live"
    question: str | None = None
    neutral: Track | None = None
    profile: Profile | None = None
    drawn: bool = False
    allow_synthetic: bool = False
    settings: Settings = field(default_factory=Settings)
    live: LiveSettings = field(default_factory=LiveSettings)
    keep: bool = True

    def __post_init__(self) -> None:
        unknown = sorted(set(self.using) - set(MODALITIES))
        if unknown or not self.using:
            raise BadInput(
                f"live: expected some of {', '.join(MODALITIES)}, got {', '.join(unknown) or 'none'}"
            )
        if self.neutral is not None and self.profile is not None:
            raise BadInput("live: expected neutral rows or a profile, got both")
        self._scoring = self._open_scoring()
        if self._scoring is not None:
            self.settings = heard_by(self._scoring.whole, self.settings)
        voice = with_detector(self.settings.voice, self.drawn)
        self.settings = replace(self.settings, voice=voice)
        self._reference = Reference(self.neutral, self.profile, self.drawn)
        self._made = Pass()
        self._measuring = self._open_measuring()
        self._came = _Came(self.live, self.using)
        self._n_cues = 0
        self._shown = self._ledger(causal.is_shown)
        self._said = self._ledger(causal.is_said)
        self._tables = _Tables(self._face_names())
        self._before: Track | None = None
        self._trouble: dict[str, str] = {}
        self._looked_s = self._said_s = 0.0
        self._over = False
        self.description: Description | None = None
        self.prediction: Prediction | None = None
        self._last_voice: Any = None
        self._go_on_from_state()

    # --- what comes in

    def push_frame(self, time_s: float, rgb: np.ndarray) -> list[Event]:
        """The next picture.

        Args:
            time_s: seconds since the beginning of the media, never less than before.
            rgb: ``(H, W, 3)`` uint8.

        Returns:
            The events that this brought about.

        Raises:
            BadInput: the time goes back, the picture has another shape, or the session is over.
        """
        self._check_open()
        picture = np.asarray(rgb)
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise BadInput(
                f"live: expected a picture (H, W, 3) of uint8, got {picture.shape} of "
                f"{picture.dtype}"
            )
        self._came.picture(time_s)
        if "face" in self.using:
            frame = media.Frame(self._came.n_pictures - 1, time_s, picture)
            self._measuring.push(frame)
        if self._scoring is not None:
            self._scoring.frame(picture, time_s)
        return self._go_on()

    def push_sound(
        self, time_s: float, values: np.ndarray, sample_rate_hz: int = SOUND_HZ
    ) -> list[Event]:
        """The next block of sound.

        Args:
            time_s: when its first sample sounds, seconds since the beginning of the media.
            values: mono ``(n,)`` in [-1, 1].
            sample_rate_hz: of the block.

        Raises:
            BadInput: another shape, a time that is not finite, or the session is over.
        """
        self._check_open()
        block = np.asarray(values, np.float32)
        if block.ndim != 1 or not math.isfinite(time_s):
            raise BadInput(f"live: expected sound (n,) at a finite time, got {block.shape}")
        if not np.isfinite(block).all():
            raise BadInput("live: the sound holds values that are not finite")
        for samples in self._came.sound(time_s, block, sample_rate_hz):
            if self.keep and self._hears:
                self._measuring.push(samples)
        return self._go_on()

    def push_words(self, words: _Spoken, until_s: float | None = None) -> list[Event]:
        """Words that were recognised, in order of time.

        Args:
            words: with their times.
            until_s: up to here all words are known; without it the end of the last one.

        Raises:
            BadInput: a word begins before the one before it, or the session is over.
        """
        self._check_open()
        self._came.said(words, until_s)
        return self._go_on()

    def finish(self) -> list[Event]:
        """Nothing more comes: the last events, and :attr:`description` and :attr:`prediction`."""
        self._check_open()
        self._over = True
        reader = self._reader()
        if reader is not None:
            reader.settle()
        self._came.over = True
        end_s = self._came.end_s
        told = self._go_on()
        told += self._look(end_s, last=True)
        told += self._look_said(end_s, last=True)
        told += self._last_windows(end_s)
        told += self._complete(end_s)
        self.close()
        return told

    def close(self) -> None:
        """Drop what is kept of the stream; what was found stays."""
        self._over = True
        self._measuring.close()
        reader = self._reader()
        if reader is not None:
            self._measuring.readers.pop("face")
            reader.close()
        if self._scoring is not None:
            self._scoring.close()

    def __enter__(self) -> LiveSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._over:
            raise BadInput("live: this session is over; begin another")

    # --- what is opened

    @property
    def _hears(self) -> bool:
        return "voice" in self.using

    def _open_scoring(self) -> Scoring | None:
        if self.model is None:
            if self.adapt is not None:
                raise BadInput("live: adapt needs a model")
            return None
        found = load(self.model) if isinstance(self.model, str | Path) else self.model
        whole = complete(found)
        if self.allow_synthetic:
            whole = whole.allowing_drawn()
        how = Adaptation(self.adapt) if isinstance(self.adapt, str) else self.adapt
        about = About(self.person, self.question, self.drawn)
        plain = self.state if isinstance(self.state, Mapping) else None
        return Scoring(whole, how, about, self.live.answer_s, plain)

    def _open_measuring(self) -> Measuring:
        seen = "face" in self.using
        body = seen and self.keep and self.settings.body.measure
        wanted = {"face": seen, "body": body}
        wanted |= {"voice": self._hears and self.keep, "words": False}
        return Measuring(self._recording(), wanted, self.settings, self._made)

    def _ledger(self, takes: Any) -> Ledger:
        live = self.live
        return Ledger(takes, live.settle_s, live.face_s, self._number)

    def _number(self) -> int:
        """The number of the next cue."""
        self._n_cues += 1
        return self._n_cues

    def _reader(self) -> FaceReader | None:
        found = self._measuring.readers.get("face")
        return found if isinstance(found, FaceReader) else None

    def _face_names(self) -> tuple[str, ...]:
        reader = self._reader()
        return () if reader is None else reader.rows().names

    def _recording(self) -> Recording:
        return Recording(
            "live",
            self.person,
            Path("live"),
            self.question,
            drawn=self.drawn,
            words_reason="no words were given",
        )

    # --- what is known so far

    def _go_on(self) -> list[Event]:
        """Look at every moment that what came in allows."""
        told: list[Event] = []
        reached_s = self._came.reached_s
        while (now_s := self._next_look_s()) <= reached_s:
            told += self._look(now_s)
            told += self._windows()
        said_s = min(reached_s, self._came.said_s)
        while (now_s := _next_step(self._said_s, self.live.step_s)) <= said_s:
            told += self._look_said(now_s)
        told += self._windows()
        return told

    def _next_look_s(self) -> float:
        """The next moment: the next step, or before it the end of a window."""
        step_s = _next_step(self._looked_s, self.live.step_s)
        if self._scoring is None or self._scoring.next_end_s <= self._looked_s:
            return step_s
        return min(step_s, self._scoring.next_end_s)

    def _look(self, now_s: float, last: bool = False) -> list[Event]:
        """What is seen and heard at a moment: cues, rows of the causal tables, what is missing."""
        before_s, self._looked_s = self._looked_s, now_s
        known = self._known(now_s, last)
        told = self._troubles(known, before_s, now_s)
        self._keep_rows(known, before_s, math.inf if last else now_s)
        if last or now_s >= self.live.warm_s or self._reference.known:
            found = causal.cues_of(replace(known, words=()), self._reference, self.settings)
            told += _as_events(now_s, self._shown.update(now_s, found, last))
        return told

    def _look_said(self, now_s: float, last: bool = False) -> list[Event]:
        """Cues of words, and of words against face and voice."""
        self._said_s = now_s
        words = self._came.words_between(now_s - self.live.face_s, math.inf if last else now_s)
        if not words:
            return _as_events(now_s, self._said.update(now_s, (), last))
        known = replace(self._known(now_s, last), words=words)
        found = causal.cues_of(known, self._reference, self.settings)
        return _as_events(now_s, self._said.update(now_s, found, last))

    def _known(self, now_s: float, last: bool) -> Known:
        live = self.live
        voice = None
        if self._hears:
            if self._last_voice is None or self._last_voice[0] != now_s:
                tail = self._came.tail
                found = causal.heard(tail, now_s, live.voice_s, self.settings.voice)
                self._last_voice = (now_s, found)
            voice = self._last_voice[1]
        face = self._face_rows(now_s - live.face_s, math.inf if last else now_s)
        return Known(face, voice)

    def _face_rows(self, start_s: float, end_s: float) -> Track | None:
        """Rows of the face of a span, blinks among them as far as they are known."""
        reader = self._reader()
        if reader is None:
            return None
        first = self._came.first_picture_at(start_s)
        rows = reader.rows(first)
        if self._before is not None:
            rows = causal.rows_joined([self._before, rows])
        rows = rows.between(start_s, end_s)
        return _with_blinks(rows, self.settings) if len(rows) else rows

    def _keep_rows(self, known: Known, before_s: float, now_s: float) -> None:
        """Add the last step's rows to the causal tables."""
        if self._scoring is None:
            return
        inputs = self._scoring.inputs
        if known.face is not None and len(known.face) and inputs.intersection(_FACE_TRACKS):
            own = self._reference.of(known.face)
            self._tables.face.append(known.face.between(before_s, now_s))
            self._tables.face_relative.append(own.between(before_s, now_s))
        if known.voice is not None and _VOICE in inputs:
            self._tables.voice.append(known.voice.track.between(before_s, now_s))

    def _troubles(self, known: Known, before_s: float, now_s: float) -> list[Event]:
        """Which modalities begin or cease to be measured."""
        now: dict[str, str] = {}
        if "face" in self.using:
            now["face"] = self._made.notes.get("face") or _why_no_face(known.face, before_s)
        if self._hears and known.voice is not None:
            summary = known.voice.summary
            now["voice"] = summary["reason"] if summary["status"] != "ok" else ""
        told: list[Event] = []
        for modality, reason in now.items():
            if reason == self._trouble.get(modality, ""):
                continue
            self._trouble[modality] = reason
            if reason:
                told.append(NotMeasured(now_s, modality, reason))
            else:
                told.append(MeasuredAgain(now_s, modality))
        return told

    # --- the model

    def _windows(self) -> list[Event]:
        if self._scoring is None:
            return []
        until_s = self._came.complete_s(self._scoring, self._looked_s)
        return self._told(self._scoring.due(until_s, self._cut))

    def _last_windows(self, end_s: float) -> list[Event]:
        if self._scoring is None:
            return []
        last_s = self._came.last_row_s(self._scoring, end_s)
        return self._told(self._scoring.last(last_s, self._cut), end_s)

    def _told(self, scored: Sequence[Scored], at_s: float | None = None) -> list[Event]:
        told: list[Event] = []
        for one in scored:
            now_s = one.x.span_s[1] if at_s is None else at_s
            told.append(self._window_event(one, now_s))
            scoring = self._scoring
            measured = one.prediction.status is not Status.NOT_MEASURED
            if scoring is not None and scoring.how is not None and measured:
                method = scoring.how.method
                told.append(WasAdapted(now_s, one.index, method, scoring.n_adapted))
        return told

    def _window_event(self, one: Scored, now_s: float) -> WindowScored:
        assert self._scoring is not None
        prediction = one.prediction
        start_s, end_s = one.x.span_s
        plain = None if one.unadapted is None else _probs(one.unadapted)
        return WindowScored(
            at_s=now_s,
            index=one.index,
            start_s=start_s,
            end_s=end_s,
            classes=self._scoring.whole.task.classes,
            status=prediction.status.value,
            reason=prediction.reason,
            probs=_probs(prediction),
            unadapted=plain,
        )

    def _cut(self, start_s: float, end_s: float) -> Features:
        """What is known of a span, as the model is given it."""
        words = self._came.words_between(start_s, end_s) if self._came.has_words else None
        tracks = self._tables.between(start_s, end_s)
        if words is not None:
            tracks["words"] = describe_words(words)
        notes = {name: why for name, why in self._trouble.items() if why}
        if words is None:
            notes["words"] = "no words were given"
        voice = self._last_voice[1].summary if self._last_voice else {}
        return Features(
            recording="live",
            subject=self.person,
            tracks=tracks,
            span_s=(start_s, end_s),
            question=self.question,
            words=words,
            notes=notes,
            drawn=self.drawn,
            speech_detector=voice.get("vad", "") if _VOICE in tracks else "",
            face_backend=self.settings.face.backend if _FACE in tracks else "",
        )

    def _complete(self, end_s: float) -> list[Event]:
        """What describe says of all of it, and the answer."""
        came = self._came
        if self.keep and came.anything:
            self._measuring.finish(asdict(came.report()))
            self._measuring.readers.clear()
            recording = self._recording()
            if came.has_words:
                words = tuple(came.words)
                recording = replace(recording, words=words, words_source="words that came live")
            measured = Measured(recording, self._made, tuple(self.using))
            against = Against(self.neutral, self.profile)
            self.description = described(measured, against, self.settings)
        n_windows = 0
        if self._scoring is not None:
            n_windows = self._scoring.n_windows
            whole = self._cut(0.0, max(end_s, 0.0))
            if self.description is not None:
                whole = self.description.features
            self.prediction = self._scoring.whole_answer(whole)
        answer = self.prediction
        return [
            Finished(
                at_s=end_s,
                n_pictures=came.n_pictures,
                sound_s=came.sound_s,
                n_words=len(came.words),
                n_windows=n_windows,
                status="" if answer is None else answer.status.value,
                reason="" if answer is None else answer.reason,
                probs=None if answer is None else _probs(answer),
            )
        ]

    # --- moving

    @property
    def person_state(self) -> State | None:
        """What a method has learnt of the person, as ``tm.adapt`` gives and takes it."""
        return None if self._scoring is None else self._scoring.state

    def export(self) -> bytes:
        """Where the session stands, with its checksum: another session goes on from it.

        The follower of the face does not move: it finds the face anew. From the next detection on
        both would see the same.
        """
        came = self._came
        face = self._face_rows(self._looked_s - self.live.face_s, math.inf)
        sound = came.tail.between(-math.inf, math.inf)
        has_sound = bool(len(sound.values))
        state = {
            "looked_s": self._looked_s,
            "said_s": self._said_s,
            "shown": _plain_ledger(self._shown),
            "said": _plain_ledger(self._said),
            "trouble": dict(self._trouble),
            "n_cues": self._n_cues,
            "face": None if face is None else plain_track(face),
            "sound": sound.values.copy() if has_sound else None,
            "sound_s": sound.start_s if has_sound else None,
            "words": [_plain_word(word) for word in came.words],
            "words_until_s": _finite(came.words_until_s),
            "scoring": None if self._scoring is None else self._scoring.place(),
        }
        with tempfile.TemporaryDirectory(prefix="twomind-live-") as folder:
            path = save_state(Path(folder) / "live.safetensors", state, self._identity())
            return path.read_bytes()

    def _identity(self) -> dict[str, Any]:
        """By what a state knows the session that may go on from it."""
        scoring = self._scoring
        how = None if scoring is None or scoring.how is None else scoring.how.lasting()
        return {
            "kind": KIND,
            "person": self.person,
            "model": None if scoring is None else scoring.mark,
            "how": how,
            "using": sorted(self.using),
        }

    def _go_on_from_state(self) -> None:
        if self.state is None or isinstance(self.state, Mapping):
            return
        found, meta = read_state(self.state)
        other = [name for name, value in self._identity().items() if meta.get(name) != value]
        if other:
            raise BadInput(f"live: this state is of another {', '.join(other)}")
        self._looked_s = float(found["looked_s"])
        self._said_s = float(found["said_s"])
        self._n_cues = int(found["n_cues"])
        for ledger, name in ((self._shown, "shown"), (self._said, "said")):
            _fill_ledger(ledger, found[name])
        self._trouble = dict(found["trouble"])
        if found["face"] is not None:
            self._before = track_of_plain(found["face"])
        if found["sound"] is not None:
            self._came.tail.push(float(found["sound_s"]), found["sound"])
        words = [Word(**entry) for entry in found["words"]]
        until = found["words_until_s"]
        self._came.said(words, None if until is None else float(until))
        if self._scoring is not None and found["scoring"] is not None:
            self._scoring.go_on_from(found["scoring"])


_FACE_TRACKS = ("face", "face_relative")


class _Came:
    """What has come in: up to when, how much, and what of it is still at hand."""

    def __init__(self, live: LiveSettings, using: Sequence[str]) -> None:
        self._live = live
        self._using = using
        self.tail = SoundTail(SOUND_HZ, live.voice_s + live.words_late_s)
        self.n_pictures = 0
        self.first_picture_s = self.last_picture_s = math.nan
        self.words: list[Word] = []
        self.words_until_s = -math.inf
        self.has_words = False
        self.over = False
        self._sound_start_s = math.nan
        self._n_samples = 0
        self._gaps: list[tuple[float, float]] = []
        self._resampling: tuple[int, Resampling] | None = None
        self._marks: list[tuple[float, int]] = []

    def picture(self, time_s: float) -> None:
        """A picture has come.

        Raises:
            BadInput: its time is not finite, or before that of the last.
        """
        before_s = 0.0 if math.isnan(self.last_picture_s) else self.last_picture_s
        if not math.isfinite(time_s) or time_s < before_s:
            raise BadInput(
                f"live: a picture at {time_s} s: expected times in order, from 0 s on; the last was "
                f"{before_s} s"
            )
        if not self.n_pictures:
            self.first_picture_s = time_s
        second = math.floor(time_s)
        if not self._marks or second > self._marks[-1][0]:
            self._marks.append((second, self.n_pictures))
            oldest_s = time_s - self._live.face_s - self._live.words_late_s - 2
            self._marks = [mark for mark in self._marks if mark[0] >= oldest_s]
        self.last_picture_s = time_s
        self.n_pictures += 1

    def first_picture_at(self, start_s: float) -> int:
        """Number of a picture not after the first one from ``start_s`` on, and near it."""
        found = self._marks[0][1] if self._marks else 0
        for second, number in self._marks:
            if second <= start_s:
                found = number
        return found

    def sound(self, time_s: float, block: np.ndarray, rate_hz: int) -> Iterator[media.Samples]:
        """A block of sound as runs of the rate at which it is measured."""
        for samples in self._resampled(time_s, block, rate_hz):
            if math.isnan(self._sound_start_s):
                self._sound_start_s = samples.time_s
            self._n_samples += len(samples.values)
            self.tail.push(samples.time_s, samples.values)
            yield samples

    def _resampled(self, time_s: float, block: np.ndarray, rate_hz: int) -> Iterator[media.Samples]:
        if rate_hz == SOUND_HZ:
            yield media.Samples(time_s, block)
            return
        if not 8000 <= rate_hz <= 192000:
            raise BadInput(f"live: expected 8000 to 192000 samples a second, got {rate_hz}")
        import av

        if self._resampling is None or self._resampling[0] != rate_hz:
            self._resampling = (rate_hz, Resampling(SOUND_HZ))
        if not len(block):
            return
        frame = av.AudioFrame.from_ndarray(block[None], format="flt", layout="mono")
        frame.sample_rate = rate_hz
        yield from self._resampling[1].push(frame, time_s)

    def said(self, words: _Spoken, until_s: float | None) -> None:
        """Words have come.

        Raises:
            BadInput: they are not in order.
        """
        for word in words:
            if self.words and word.start_s < self.words[-1].start_s:
                raise BadInput(
                    f"live: a word at {word.start_s} s: expected words in order; the last begins at "
                    f"{self.words[-1].start_s} s"
                )
            self.words.append(word)
            self.words_until_s = max(self.words_until_s, word.end_s)
        self.has_words = self.has_words or bool(words) or until_s is not None
        if until_s is not None:
            self.words_until_s = max(self.words_until_s, until_s)

    def words_between(self, start_s: float, end_s: float) -> tuple[Word, ...]:
        """Words that begin in a span."""
        return tuple(word for word in self.words if start_s <= word.start_s < end_s)

    @property
    def reached_s(self) -> float:
        """Up to where pictures and sound are there, or can be waited for no longer."""
        if self.over:
            return self.end_s
        ends = []
        if "face" in self._using:
            ends.append(self.last_picture_s)
        if "voice" in self._using:
            ends.append(self.tail.end_s)
        known = [0.0 if math.isnan(end_s) else end_s for end_s in ends]
        if not known:
            return self.end_s
        return max(min(known), max(known) - self._live.most_lag_s)

    @property
    def said_s(self) -> float:
        """Up to where all words are there."""
        return math.inf if self.over else self.words_until_s

    def complete_s(self, scoring: Scoring, looked_s: float) -> float:
        """Up to where all is there that a model reads."""
        ends = []
        if scoring.windows is not None:
            ends.append(self.last_picture_s if self.n_pictures else 0.0)
        if scoring.needs_tables:
            ends.append(looked_s)
        if scoring.needs_words:
            ends.append(min(self.said_s, self.reached_s))
        return min(ends) if ends else looked_s

    def last_row_s(self, scoring: Scoring, end_s: float) -> float:
        """The last row of what a model reads."""
        is_seen = scoring.needs_pictures and self.n_pictures
        return self.last_picture_s if is_seen else end_s

    @property
    def sound_s(self) -> float:
        """Seconds of sound that came."""
        return self._n_samples / SOUND_HZ

    @property
    def end_s(self) -> float:
        """Where pictures, sound and words end."""
        until_s = self.words_until_s if math.isfinite(self.words_until_s) else 0.0
        last_word_s = self.words[-1].end_s if self.words else until_s
        ends = [self.last_picture_s, self.tail.end_s, last_word_s, 0.0]
        return max(end_s for end_s in ends if math.isfinite(end_s))

    @property
    def anything(self) -> bool:
        """Whether a picture or a sample came."""
        return bool(self.n_pictures or self._n_samples)

    def report(self) -> media.StreamReport:
        """What came in, as a pass over a file tells it."""
        n = self.n_pictures
        step_s = 0.0
        if n > 1:
            step_s = (self.last_picture_s - self.first_picture_s) / (n - 1)
        ends = [self.last_picture_s + step_s, self.tail.end_s]
        known = [end_s for end_s in ends if math.isfinite(end_s)]
        return media.StreamReport(
            n_frames=n,
            n_bad_packets=0,
            first_frame_s=self.first_picture_s,
            last_frame_s=self.last_picture_s,
            n_samples=self._n_samples,
            audio_start_s=self._sound_start_s,
            audio_end_s=self.tail.end_s,
            truncated=False,
            gaps=tuple(self._gaps),
            problems=(),
            duration_s=max(known) if known else math.nan,
        )


class _Rows:
    """Rows of a causal table, in a temporary file."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._spool = Spool((len(names) + 2,), np.float64)
        self._like: Track | None = None

    def append(self, track: Track) -> None:
        """Rows that follow those that are there."""
        self._like = track.rows(slice(0, 0))
        assert track.reason_code is not None
        beside = np.stack([track.times_s, track.reason_code.astype(float)], axis=1)
        known = np.array(track.values, float)
        self._spool.append(np.concatenate([beside, known], axis=1))

    def between(self, start_s: float, end_s: float) -> Track | None:
        """The rows of a span; None where there never were any."""
        if self._like is None:
            return None
        rows = self._spool.read()
        first, last = np.searchsorted(rows[:, 0], [start_s, end_s])
        cut = np.array(rows[first:last])
        codes = cut[:, 1].astype(np.uint8)
        values = cut[:, 2:].astype(np.float32)
        valid = codes == 0
        return replace(self._like, values=values, times_s=cut[:, 0], valid=valid, reason_code=codes)


class _Tables:
    """The causal tables: each row as it was known when its step was over."""

    def __init__(self, face_names: tuple[str, ...]) -> None:
        self.face = _Rows(face_names)
        self.face_relative = _Rows(face_names)
        self.voice = _Rows(VOICE_NAMES)
        assert len(VOICE_NAMES) == len(VOICE_UNITS)

    def between(self, start_s: float, end_s: float) -> dict[str, Track]:
        """Tracks of a span, those that there are."""
        found = {}
        for name in ("face", "face_relative", "voice"):
            rows: _Rows = getattr(self, name)
            track = rows.between(start_s, end_s)
            if track is not None:
                found[name] = track
        return found


def _next_step(now_s: float, step_s: float) -> float:
    """The next whole step after a moment."""
    return (math.floor(now_s / step_s + 1e-9) + 1) * step_s


def _why_no_face(face: Track | None, since_s: float) -> str:
    """Why no row since a moment was measured; nothing where one was."""
    if face is None:
        return ""
    recent = face.between(since_s, math.inf)
    if not len(recent):
        return "no picture came"
    if recent.valid.any():
        return ""
    codes = np.asarray(recent.reason_code)
    most = int(np.bincount(codes).argmax())
    return recent.reasons[most]


def _with_blinks(rows: Track, settings: Settings) -> Track:
    """The rows with the blinks that are known of them."""
    names = rows.names
    openings = [rows.column("eye_opening_left"), rows.column("eye_opening_right")]
    opening = np.stack(openings, axis=1).mean(axis=1)
    blink, _ = find_blinks(rows.times_s, opening, settings.face.blinks)
    values = np.array(rows.values)
    values[:, names.index("blink")] = blink
    return replace(rows, values=values)


def _as_events(now_s: float, told: Sequence[Told]) -> list[Event]:
    events: list[Event] = []
    for one in told:
        cue = one.cue
        if one.what == "began":
            events.append(CueBegan(now_s, one.id, cue.kind, cue.modality, cue.start_s))
        elif one.what == "dropped":
            events.append(CueDropped(now_s, one.id, cue.kind))
        else:
            events.append(_ended(now_s, one))
    return events


def _ended(now_s: float, one: Told) -> CueEnded:
    cue = one.cue
    return CueEnded(
        at_s=now_s,
        id=one.id,
        kind=cue.kind,
        modality=cue.modality,
        start_s=cue.start_s,
        end_s=cue.end_s,
        value=_finite(cue.value),
        unit=cue.unit,
        detail=cue.detail,
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _probs(prediction: Prediction) -> tuple[float, ...] | None:
    if prediction.status is Status.NOT_MEASURED:
        return None
    return tuple(prediction.probs.tolist())


def _plain_cue(cue: Cue) -> dict[str, Any]:
    return {**asdict(cue), "value": _finite(cue.value)}


def _cue_of(entry: Mapping[str, Any]) -> Cue:
    value = math.nan if entry["value"] is None else entry["value"]
    return Cue(**{**entry, "value": value})


def _plain_word(word: Word) -> dict[str, Any]:
    known = {"text": word.text, "start_s": word.start_s, "end_s": word.end_s}
    if math.isfinite(word.confidence):
        known["confidence"] = word.confidence
    return known


def _plain_ledger(ledger: Ledger) -> dict[str, Any]:
    return {
        "open": {str(number): _plain_cue(cue) for number, cue in ledger.open.items()},
        "ended": [_plain_cue(cue) for cue in ledger.ended],
        "over_s": _finite(ledger.over_s),
    }


def _fill_ledger(ledger: Ledger, entry: Mapping[str, Any]) -> None:
    ledger.open = {int(number): _cue_of(cue) for number, cue in entry["open"].items()}
    ledger.ended = [_cue_of(cue) for cue in entry["ended"]]
    over_s = entry["over_s"]
    ledger.over_s = -math.inf if over_s is None else float(over_s)


def read_state(state: bytes | Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """A session's state of bytes or of a file.

    Raises:
        BadInput: it is damaged, or no state of a session.
    """
    if isinstance(state, Path):
        found, meta = load_state(state)
    else:
        with tempfile.TemporaryDirectory(prefix="twomind-live-") as folder:
            path = Path(folder) / "state.safetensors"
            path.write_bytes(state)
            found, meta = load_state(path)
    if meta.get("kind") != KIND:
        raise BadInput("live: expected what LiveSession.export gave, got another state")
    return found, meta


def replay(recording: Recording, session: LiveSession) -> Iterator[Event]:
    """A recording as if it were live: the causal events and scores of a file.

    Args:
        recording: its words, where there are any, are known from the beginning.
        session: a new one.

    Yields:
        The events, the last of them ``finished``.

    Example:
        >>> import wave
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind import LiveSession, open_recording, replay
        >>> with TemporaryDirectory() as folder, LiveSession(using=["voice"]) as session:
        ...     path = Path(folder) / "a1.wav"
        ...     with wave.open(str(path), "wb") as file:
        ...         file.setparams((1, 2, 16_000, 0, "NONE", ""))
        ...         file.writeframes(bytes(32_000))
        ...     [event.event for event in replay(open_recording(path), session)]
        ['not_measured', 'finished']
    """
    if recording.words is not None:
        yield from session.push_words(recording.words, math.inf)
    with media.stream(recording.media) as items:
        for item in items:
            if isinstance(item, media.Samples):
                yield from session.push_sound(item.time_s, item.values)
            else:
                yield from session.push_frame(item.time_s, item.rgb)
    yield from session.finish()


__all__ = ["LiveSession", "LiveSettings", "read_state", "replay"]
