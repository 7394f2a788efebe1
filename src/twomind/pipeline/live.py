"""A live session: pictures, sound and words in, events out, on the time of the media.

It measures with what ``describe`` measures with, and scores with what ``predict`` and ``adapt`` score
with. While it runs, values are relative to the last seconds (:mod:`twomind.features.causal`); when
it is over, :attr:`LiveSession.description` is what ``describe`` says of the same pictures and sound.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.adaptation.state import save_state
from twomind.core.errors import BadInput
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
from twomind.features.one_pass import SOUND_HZ, Measuring, Pass, is_aligned
from twomind.features.profile import Profile
from twomind.features.settings import Settings
from twomind.features.words.text import describe_words
from twomind.media import stream as media
from twomind.models import load
from twomind.models.base import Model, complete
from twomind.pipeline.adapt import Adaptation
from twomind.pipeline.answer import change_talk_model, heard_by
from twomind.pipeline.live_arrived import Came, Tables
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
from twomind.pipeline.live_sides import LiveSides
from twomind.pipeline.live_state import (
    KIND,
    fill_ledger,
    finite,
    plain_ledger,
    plain_word,
    read_state,
    word_of,
)
from twomind.pipeline.live_windows import About, Scored, Scoring, plain_track, track_of_plain
from twomind.types import Features, Prediction, Recording, State, Status, Track, Word

#: Sound and face rows of the causal tables: what is known of a row when its second is over.
_FACE, _VOICE = "face", "voice"
#: What a file has and a live session has not, and why.
_ALIGNMENT = "alignment"
_NOT_ALIGNED = "words stay at the times at which they came: to put them where they are heard needs the whole sound"
_NO_BODY = "shoulders, posture and hands are described when the session is over, not while it runs"
_NO_BODY_AT_ALL = (
    "shoulders, posture and hands are described of a file, or of a session that keeps rows"
)


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
        change_talk: the model of the two sides of what is said: ``change-talk``, a folder made by
            ``twomind train change-talk``, or ``none``.
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
    change_talk: str = "change-talk"
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
        self._came = Came(self.live, self.using)
        self._sides = self._open_sides()
        self.two_sides: dict[str, Any] = {}
        if self._hears:
            causal.be_ready()
        self._n_cues = 0
        self._shown = self._ledger(causal.is_shown)
        self._said = self._ledger(causal.is_said)
        self._tables = Tables(self._face_names())
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
        # A long block goes in second by second: the last seconds alone are kept.
        told: list[Event] = []
        step = max(sample_rate_hz, 1)
        for first in range(0, max(len(block), 1), step):
            piece = block[first : first + step]
            at_s = time_s + first / sample_rate_hz
            self._hear(self._came.sound(at_s, piece, sample_rate_hz))
            if self._hears:
                self._came.tail.listen()
            told += self._go_on()
        return told

    def _hear(self, runs: Iterable[media.Samples]) -> None:
        for samples in runs:
            if self.keep and self._hears:
                self._measuring.push(samples)

    def push_words(self, words: Sequence[Word], until_s: float | None = None) -> list[Event]:
        """Words that were recognised, in order of time.

        Args:
            words: with their times.
            until_s: up to here all words are known; without it the end of the last one.

        Raises:
            BadInput: a word begins before the one before it, or the session is over.
        """
        self._check_open()
        self._came.said(words, until_s)
        told = [] if self._sides is None else self._sides.heard(self._came.words)
        return told + self._go_on()

    def finish(self) -> list[Event]:
        """Nothing more comes: the last events, and :attr:`description`, :attr:`prediction` and
        :attr:`two_sides`.
        """
        self._check_open()
        self._over = True
        reader = self._reader()
        if reader is not None:
            reader.settle()
        self._hear(self._came.last_sound())
        self._came.over = True
        end_s = self._came.end_s
        told = self._go_on()
        told += self._look(end_s, last=True)
        told += self._look_said(end_s, last=True)
        told += self._last_windows(end_s)
        told += self._last_sides(end_s)
        told += self._complete(end_s)
        self.close()
        return told

    def close(self) -> None:
        """Drop what is kept of the stream; what was found stays."""
        self._over = True
        self._measuring.close()
        self._tables.close()
        self._came.tail.forget()
        self._last_voice = None
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

    def _open_sides(self) -> LiveSides | None:
        if "words" not in self.using or self.change_talk == "none":
            return None
        return LiveSides(change_talk_model(self.change_talk))

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
        told = self._on_alignment(words, now_s)
        known = replace(self._known(now_s, last), words=words)
        found = causal.cues_of(known, self._reference, self.settings)
        return told + _as_events(now_s, self._said.update(now_s, found, last))

    def _on_alignment(self, words: tuple[Word, ...], now_s: float) -> list[Event]:
        """That words are not put at the times at which they are heard, where a file's would be."""
        said = replace(self._recording(), words=words, words_reason="")
        if not self._hears or _ALIGNMENT in self._trouble or not is_aligned(said, self.settings):
            return []
        return self._changed({_ALIGNMENT: _NOT_ALIGNED}, now_s)

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
        if "face" in self.using and self.settings.body.measure:
            now["body"] = _NO_BODY if self.keep else _NO_BODY_AT_ALL
        return self._changed(now, now_s)

    def _changed(self, now: Mapping[str, str], now_s: float) -> list[Event]:
        """Events of what is not measured, where it was before, or the other way round."""
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

    def _last_sides(self, end_s: float) -> list[Event]:
        if self._sides is None:
            return []
        words = tuple(self._came.words) if self._came.has_words else None
        notes = {} if words is not None else {"words": "no words were given"}
        whole = Features("live", self.person, {}, (0.0, end_s), words=words, notes=notes)
        told, self.two_sides = self._sides.finish(whole)
        return told

    def _cut(self, start_s: float, end_s: float) -> Features:
        """What is known of a span, as the model is given it."""
        words = self._came.words_between(start_s, end_s) if self._came.has_words else None
        tracks = self._tables.between(start_s, end_s)
        if words is not None:
            tracks["words"] = describe_words(words)
        notes = {name: why for name, why in self._trouble.items() if why and name != _ALIGNMENT}
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
        self._hear(came.last_sound())
        face = self._face_rows(self._looked_s - self.live.face_s, math.inf)
        sound = came.tail.between(-math.inf, math.inf)
        has_sound = bool(len(sound.values))
        state = {
            "looked_s": self._looked_s,
            "said_s": self._said_s,
            "shown": plain_ledger(self._shown),
            "said": plain_ledger(self._said),
            "trouble": dict(self._trouble),
            "n_cues": self._n_cues,
            "face": None if face is None else plain_track(face),
            "sound": sound.values.copy() if has_sound else None,
            "sound_s": sound.start_s if has_sound else None,
            "words": [plain_word(word) for word in came.words],
            "words_until_s": finite(came.words_until_s),
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
            fill_ledger(ledger, found[name])
        self._trouble = dict(found["trouble"])
        if found["face"] is not None:
            self._before = track_of_plain(found["face"])
        if found["sound"] is not None:
            self._came.tail.push(float(found["sound_s"]), found["sound"])
        words = [word_of(entry) for entry in found["words"]]
        until = found["words_until_s"]
        self._came.said(words, None if until is None else float(until))
        if self._sides is not None:
            self._sides.heard(self._came.words)  # told already
        if self._scoring is not None and found["scoring"] is not None:
            self._scoring.go_on_from(found["scoring"])


_FACE_TRACKS = ("face", "face_relative")


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
        value=finite(cue.value),
        unit=cue.unit,
        detail=cue.detail,
    )


def _probs(prediction: Prediction) -> tuple[float, ...] | None:
    if prediction.status is Status.NOT_MEASURED:
        return None
    return tuple(prediction.probs.tolist())


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


__all__ = ["LiveSession", "LiveSettings", "replay"]
