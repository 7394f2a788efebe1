"""One pass over the media of a recording: frames to the face reader, sound to the voice and to the
words. What breaks in one of them does not cost the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import import_module
from threading import Thread
from typing import Any

import numpy as np

from twomind.core.errors import TwomindError, while_doing
from twomind.features.body.reader import BodyReader
from twomind.features.face.reader import FaceReader
from twomind.features.settings import Settings
from twomind.features.voice.track import Spans, VoiceResult, describe_voice
from twomind.media import stream as clock
from twomind.transcripts.align import NOT_AS_LEARNT, SWITCHED_OFF, can_align, why_not
from twomind.transcripts.words import Words
from twomind.types import Progress, Recording, Timing, Track

NOT_ASKED = "the speech model was not asked: there is a transcript, and it goes before"
#: Plain values by name.
Plain = dict[str, Any]
#: A track of the face with its summary, and the voice with its own.
Face = tuple[Track, Plain]
Voice = tuple[VoiceResult, Plain]
#: Modality → whether it is still to be measured.
Wanted = dict[str, bool]
#: Modality → what looks at its pictures.
Readers = dict[str, FaceReader | BodyReader]

#: Samples per second at which sound is decoded here.
SOUND_HZ = 16000


@dataclass
class Pass:
    """What one pass over the media made; everything as plain arrays and values, so that it can be
    stored.
    """

    face: Face | None = None
    body: Face | None = None
    voice: Voice | None = None
    words: Words | None = None
    notes: dict[str, str] = field(default_factory=dict)
    media: Plain = field(default_factory=dict)
    entries: tuple[tuple[str, str], ...] = ()

    @property
    def face_summary(self) -> Plain:
        return self.face[1] if self.face else {}

    @property
    def body_summary(self) -> Plain:
        return self.body[1] if self.body else {}

    @property
    def voice_summary(self) -> Plain:
        return self.voice[1] if self.voice else {}


def others_of(recording: Recording) -> Spans:
    """When other people speak, as (begin, end) in seconds. Words that have no times of their own
    stand beside turns that have none either: then nothing is known.
    """
    for word in recording.words or ():
        if word.timing is Timing.SPREAD_ALL:
            return ()
    spans = [(turn.start_s, turn.end_s) for turn in recording.others]
    return tuple(sorted(spans))


class Measuring:
    """What a pass over a file and a live stream have in common: pictures and sound come in, and what
    is wanted of them is measured. What breaks in one modality does not cost the others.

    Args:
        recording: what is measured; its words and their speakers are read.
        wanted: what is to be measured.
        settings: how.
        made: takes what was found.
    """

    def __init__(
        self, recording: Recording, wanted: Wanted, settings: Settings, made: Pass
    ) -> None:
        self.made = made
        self._recording = recording
        self._wanted = wanted
        self._settings = settings
        self.readers = _open_readers(settings, wanted, made)
        self._sound = wanted["voice"] or wanted["words"]
        self._spool = clock.AudioSpool(SOUND_HZ)
        if self._sound:
            # Needed for the voice after the pass, and slow to import; the tracker leaves the
            # interpreter idle meanwhile.
            Thread(target=import_module, args=("scipy.signal",), daemon=True).start()

    def push(self, item: clock.Frame | clock.Samples) -> None:
        """The next picture, or the next run of sound."""
        if isinstance(item, clock.Samples):
            self._spool.push(item)
        else:
            _push(self.readers, item, self.made)

    def finish(self, report: Plain) -> None:
        """Measure what needs all of it; ``report`` says what came in (a ``StreamReport``)."""
        _finish(self.readers, self.made)
        if self._sound:
            waveform = self._spool.waveform()
            remark = (waveform.remark,) if waveform.remark else ()
            report = {**report, "problems": (*report["problems"], *remark)}
            _sound(waveform, self._wanted, self._settings, self.made, self._recording)
        self.made.media = joined(self.made.media, report)

    def close(self) -> None:
        """Drop what was kept of the sound."""
        self._spool.close()


def run_pass(
    recording: Recording,
    wanted: Wanted,
    settings: Settings,
    made: Pass,
    progress: Progress | None,
) -> None:
    """One streamed pass: frames to the face reader, sound to the spool; then voice and words from
    the spool.
    """
    sound = wanted["voice"] or wanted["words"]
    # Without a face reader the frames are still decoded: their count and stamps are part of the
    # answer.
    info = clock.probe(recording.media)
    looked = wanted["face"] or wanted["body"]
    frames = info.has_video and (looked or not made.media)
    # Of a file of sound alone, the sound tells what else the pictures would.
    heard = sound or not info.has_video
    measuring = Measuring(recording, wanted, settings, made)
    try:
        stream = clock.stream(recording.media, frames, heard, SOUND_HZ)
        for item in clock.prefetch(stream):
            measuring.push(item)
            if progress is not None:
                progress(f"measure {recording.id}", item.time_s, recording.duration_s)
        measuring.finish(asdict(stream.report))
    finally:
        measuring.close()


#: What a pass says of the pictures, and of the sound; the rest is of both.
_OF_PICTURES = ("n_frames", "first_frame_s", "last_frame_s", "n_left_out")


_OF_SOUND = ("n_samples", "audio_start_s", "audio_end_s", "gaps")


def joined(first: Plain, second: Plain) -> Plain:
    """What two passes over the same file met, where one may have decoded less than the other.

    A pass that did not decode the sound knows nothing of it, and its zero is not a count.
    """
    if not first or not second:
        return {**first, **second}
    joined = dict(first)
    for count, *others in (_OF_PICTURES, _OF_SOUND):
        if not first[count]:
            joined |= {name: second[name] for name in (count, *others)}
    joined["n_bad_packets"] = max(first["n_bad_packets"], second["n_bad_packets"])
    joined["truncated"] = first["truncated"] or second["truncated"]
    duration_s = np.fmax(first["duration_s"], second["duration_s"])
    joined["duration_s"] = float(duration_s)
    new = [told for told in second["problems"] if told not in first["problems"]]
    joined["problems"] = (*first["problems"], *new)
    return joined


def _open_readers(settings: Settings, wanted: Wanted, made: Pass) -> Readers:
    """The readers of pictures that are wanted, by modality; of one that cannot start, the notes say
    why.
    """
    ways: dict[str, Callable[[], FaceReader | BodyReader]] = {
        "face": lambda: FaceReader(settings.face),
        "body": lambda: BodyReader(settings.body),
    }
    readers: Readers = {}
    for name, way in ways.items():
        if not wanted[name]:
            continue
        try:
            readers[name] = way()
        except TwomindError as error:
            made.notes[name] = str(error)
    return readers


def _push(readers: Readers, frame: clock.Frame, made: Pass) -> None:
    """Show a frame to all readers. A tracking back end that breaks must not cost the others, the
    voice and the words.
    """
    for name, reader in list(readers.items()):
        try:
            reader.push(frame)
        except Exception as error:
            made.notes[name] = _tracker_failed(name, error)
            del readers[name]


def _finish(readers: Readers, made: Pass) -> None:
    for name, reader in readers.items():
        try:
            result = reader.finish()
        except Exception as error:
            made.notes[name] = _tracker_failed(name, error)
            continue
        found = (result.track, dict(result.summary))
        if name == "face":
            made.face = found
        else:
            made.body = found


def _tracker_failed(name: str, error: Exception) -> str:
    return f"the {name} tracker failed: {type(error).__name__}: {error}"


def _sound(
    waveform: clock.Waveform,
    wanted: Wanted,
    settings: Settings,
    made: Pass,
    recording: Recording,
) -> None:
    if not len(waveform.values):
        for name in ("voice", "words"):
            if wanted[name]:
                made.notes[name] = "no sound could be decoded"
        return
    if wanted["voice"]:
        result = describe_voice(waveform, settings.voice, others_of(recording))
        made.voice = (result, dict(result.summary))
    if wanted["words"] and recording.words is not None:
        _align(waveform, recording, settings, made)
    elif wanted["words"]:
        _recognise(waveform, settings, made)


def is_aligned(recording: Recording, settings: Settings) -> bool:
    """Whether the words of a transcript are put at the times at which they are heard."""
    return settings.speech.align.use and _wants_alignment(recording) and can_align()


def _wants_alignment(recording: Recording) -> bool:
    return bool(recording.words) and not why_not(recording.words or (), recording.language)


def on_alignment(recording: Recording, settings: Settings) -> tuple[str, ...]:
    """What is to be said of words that are not aligned."""
    align = settings.speech.align
    if not _wants_alignment(recording):
        return ()
    if not align.use:
        return (SWITCHED_OFF,)
    return (NOT_AS_LEARNT,) if align.expected and not can_align() else ()


def on_recogniser(recording: Recording, settings: Settings) -> tuple[str, ...]:
    """That a speech model was named and is not asked: there is a transcript."""
    if settings.speech_model is None or not recording.words_source:
        return ()
    return (NOT_ASKED,)


def _align(waveform: clock.Waveform, recording: Recording, settings: Settings, made: Pass) -> None:
    from twomind.transcripts.align import align_words

    assert recording.words is not None
    given = Words(
        recording.words,
        recording.words_source,
        language=recording.language,
        marks=recording.marks,
        others=recording.others,
    )
    made.words = align_words(
        waveform.values,
        waveform.sample_rate_hz,
        waveform.start_s,
        given,
        settings.speech.align,
    )


def _recognise(waveform: clock.Waveform, settings: Settings, made: Pass) -> None:
    from twomind.transcripts.speech import recognise_words

    assert settings.speech_model is not None
    try:
        made.words = recognise_words(
            waveform.values,
            waveform.sample_rate_hz,
            waveform.start_s,
            settings.speech_model,
            offline=settings.offline,
            language=settings.language,
            settings=settings.speech,
        )
    except TwomindError as error:
        made.notes["words"] = while_doing("speech recognition", error)
