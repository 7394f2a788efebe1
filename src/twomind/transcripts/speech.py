"""Words from sound, by faster-whisper (the extra ``speech``), with the fillers and repeats that the
sound carries, and no others.

Whisper leaves fillers out, and writes them when its prompt shows some; then it also writes some
that nobody said. So it is asked twice, without a prompt and with one. The plain text stands. What
the prompt added is a candidate: it is kept where the sound, aligned with the words (the extra
``align``), has a place for it, and a filler only where a voice is held.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.sound.pitch import track_pitch
from twomind.sound.rows import HOP_S, Piece, Rows
from twomind.sound.steady import SteadySettings, Stretch, steady_stretches, voiced_rows
from twomind.transcripts import heard
from twomind.transcripts.align import AlignSettings, align, can_align
from twomind.transcripts.language import is_measured
from twomind.transcripts.marks import apart
from twomind.transcripts.spans import Span
from twomind.transcripts.speech_models import (
    Arithmetic,
    alike_everywhere,
    faster_whisper,
    find_model,
    load_whisper,
    no_network,
)
from twomind.transcripts.words import Words, finish
from twomind.types import Timing, Word

SAMPLE_RATE_HZ = 16000
_LOSES = (
    "recognised speech: Whisper leaves out many fillers and repeats, so their absence shows nothing"
)


@dataclass(frozen=True)
class SpeechSettings:
    """How to recognise. Every default leans towards keeping what hesitant speech is made of."""

    #: Hypotheses kept by the search.
    beam_size: int = 5
    #: Text in the style wanted, shown to the model before every window when it is asked the second
    #: time: Whisper writes fillers when its context does. Empty: it is asked once.
    style: str = "Um, well, uh, I... I mean, hmm, like, you know, er, I- I don't know."
    #: Speech probability above which sound is transcribed. Below the usual .5, so that a quiet "um"
    #: is heard.
    vad_threshold: float = 0.35
    #: Silence in seconds that separates stretches of speech; shorter silences are transcribed with
    #: them.
    vad_min_silence_s: float = 2.0
    #: Sound in seconds kept on both sides of speech, for fillers that start or trail off softly.
    vad_pad_s: float = 0.4
    #: Words of up to this length, in seconds, were not said.
    min_word_s: float = 0.015
    #: A filler is kept where there is a voice for this long, in seconds, and in this share of it.
    min_held_s: float = 0.1
    min_voiced: float = 0.6
    #: A filler in which no voice is held lasts for this long, in seconds.
    min_unheld_s: float = 0.3
    #: Without the extra ``align``: how far a filler's time may be off, in seconds.
    reach_s: float = 0.2
    #: Where CTranslate2 computes: ``cpu``, ``cuda``, or ``auto``.
    device: str = "auto"
    #: Arithmetic of CTranslate2; ``auto`` is int8 on the CPU and float16 on a GPU.
    compute_type: str = "auto"
    #: Threads of CTranslate2; 0 leaves it to the library.
    n_threads: int = 0
    #: How words are put at their times.
    align: AlignSettings = field(default_factory=AlignSettings)


@dataclass(frozen=True)
class _Text:
    """What one pass of the recogniser wrote."""

    words: list[Word]
    language: str | None
    probability: float


def recognise_words(
    values: np.ndarray,
    sample_rate_hz: int,
    start_s: float,
    model: str | Path,
    offline: bool,
    language: str | None = None,
    settings: SpeechSettings | None = None,
) -> Words:
    """Words of ``values (n,)`` float mono at 16 kHz whose first sample lies at ``start_s`` on the
    recording's clock.

    ``confidence`` is the model's probability of the word. What was dropped is a remark with its
    times. The sound is decoded in one piece: about 0.5 MB a second.

    Args:
        values: Samples.
        sample_rate_hz: Their rate, 16000.
        start_s: Time of the first one.
        model: A folder with a converted Whisper, ``package:NAME``, or a name on the Hugging Face
            hub (fetched unless ``offline``).
        offline: Whether fetching is forbidden.
        language: Code of the language; None lets the model guess.
        settings: How to recognise.

    Raises:
        MissingExtra: faster-whisper is not installed.
        MissingWeights: the folder is absent or incomplete, or the model cannot be fetched.
        Offline: a hub name that is not on this machine, with ``offline``.
        BadInput: another sample rate, or a language that Whisper does not know.
    """
    settings = settings or SpeechSettings()
    if sample_rate_hz != SAMPLE_RATE_HZ:
        raise BadInput(
            f"speech recognition: expected sound at {SAMPLE_RATE_HZ} Hz, got {sample_rate_hz} Hz"
        )
    version = faster_whisper().__version__
    with no_network(offline), alike_everywhere():
        how = Arithmetic(settings.device, settings.compute_type, settings.n_threads)
        whisper = load_whisper(find_model(model, offline), how)
        source = f"faster-whisper {version}, model {Path(str(model)).name or model}"
        sound = np.ascontiguousarray(values, np.float32)
        # Whisper invents words ("Thank you.") where there is nothing, and fails when its filter
        # leaves nothing.
        if not len(sound) or not _has_speech(sound, settings):
            nothing = ("no speech was found in the sound",)
            return Words((), source, Timing.RECOGNISED, nothing, language)
        text = _transcribe(whisper, sound, start_s, language, settings, "")
        written, marks, on_marks = _without_marks(text.words)
        plain = heard.sort_out(written, settings.min_word_s)
        prompted = heard.Sorted(())
        if settings.style and is_measured(text.language):
            again = _transcribe(whisper, sound, start_s, text.language, settings, settings.style)
            rewritten, _marks, _remarks = _without_marks(again.words)
            prompted = heard.sort_out(rewritten, settings.min_word_s)
    problems = [_LOSES, *_on_language(text, language), *on_marks, *plain.remarks]
    asked = heard.candidates(plain.words, prompted.words)
    words, remarks = _carried(Piece(sound, start_s), asked, text.language, settings)
    noticed = [*problems, *prompted.remarks_on_prompted, *remarks]
    made = finish(words, source, noticed, text.language)
    timing = made.timing if made.words else Timing.RECOGNISED
    noted = sorted([*marks, *plain.laughs], key=lambda mark: mark.start_s)
    return replace(made, marks=tuple(noted), timing=timing)


def _without_marks(words: Sequence[Word]) -> tuple[list[Word], list[Word], tuple[str, ...]]:
    """The words, and what Whisper writes of other sounds (``[Music]``, ``(laughs)``)."""
    spans = [Span(word.text, word.start_s, word.end_s, word.confidence) for word in words]
    found = apart(spans, "faster-whisper")
    return _recognised(found.speech), _recognised(found.marks), found.problems


def _recognised(spans: Iterable[Span]) -> list[Word]:
    return [
        Word(span.text.strip(), span.start_s, span.end_s, span.confidence, Timing.RECOGNISED)
        for span in spans
    ]


def _on_language(text: _Text, wish: str | None) -> tuple[str, ...]:
    if wish is not None or text.probability >= 0.5:
        return ()
    guess = f"the language was guessed as {text.language!r} with probability {text.probability:.2f}"
    return (guess,)


def _carried(
    sound: Piece, asked: heard.Candidates, language: str | None, settings: SpeechSettings
) -> tuple[list[Word], list[str]]:
    """The words that the sound carries, at their times where they can be aligned; and remarks."""
    if not asked.words or not is_measured(language):
        return list(asked.words), []
    voice = _Voice.of(sound, settings)
    if settings.align.use and can_align():
        found = align(sound.values, sound.start_s, asked.words, asked.doubtful, settings.align)
        placed = dict(zip(found.kept, found.words, strict=True))
        remarks = list(found.remarks)
        carries = voice.speaks_in
    else:
        placed = dict(enumerate(asked.words))
        why = "without the extra align" if settings.align.use else "with alignment switched off"
        remarks = [f"{why}, words stand at the recogniser's own times"]
        carries = voice.is_held_near
    words = []
    dropped = []
    for k, word in enumerate(asked.words):
        at = placed.get(k)
        if at is None:
            dropped.append(word)
        elif heard.is_filler(word.text) and not carries(at):
            dropped.append(at)
        else:
            words.append(at)
    if dropped:
        remarks.append(f"words that the sound does not carry were dropped: {heard.told(dropped)}")
    return words, remarks


@dataclass(frozen=True)
class _Voice:
    """Where somebody's voice is heard, and where it is held."""

    start_s: float
    voiced: Rows
    held: tuple[Stretch, ...]
    settings: SpeechSettings

    @classmethod
    def of(cls, sound: Piece, settings: SpeechSettings) -> _Voice:
        pitch_hz, _ = track_pitch(sound)
        longer = SteadySettings(min_s=settings.min_held_s)
        held = steady_stretches(sound, longer, pitch_hz)
        voiced = voiced_rows(sound, pitch_hz, longer)
        return cls(sound.start_s, voiced, held, settings)

    def is_held_near(self, word: Word) -> bool:
        """Whether the voice is held near a word whose time is uncertain."""
        return self._is_held(word, self.settings.reach_s)

    def _is_held(self, word: Word, reach_s: float) -> bool:
        for stretch in self.held:
            first_s = max(stretch.start_s, word.start_s - reach_s)
            last_s = min(stretch.end_s, word.end_s + reach_s)
            if last_s - first_s >= self.settings.min_held_s - 1e-9:
                return True
        return False

    def speaks_in(self, word: Word) -> bool:
        """Whether there is a voice in most of an aligned word, held or for long enough."""
        lasts_s = word.end_s - word.start_s
        if lasts_s < self.settings.min_unheld_s and not self._is_held(word, 0.0):
            return False
        first = round((word.start_s - self.start_s) / HOP_S)
        last = round((word.end_s - self.start_s) / HOP_S)
        rows = self.voiced[max(first, 0) : last]
        long_enough = rows.sum() * HOP_S >= self.settings.min_held_s - 1e-9
        return bool(long_enough and rows.mean() >= self.settings.min_voiced)


def _vad_options(settings: SpeechSettings) -> dict[str, Any]:
    return {
        "threshold": settings.vad_threshold,
        "min_silence_duration_ms": int(settings.vad_min_silence_s * 1000),
        "speech_pad_ms": int(settings.vad_pad_s * 1000),
    }


def _has_speech(sound: np.ndarray, settings: SpeechSettings) -> bool:
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    return bool(get_speech_timestamps(sound, VadOptions(**_vad_options(settings))))


def _transcribe(
    whisper: Any,
    sound: np.ndarray,
    start_s: float,
    language: str | None,
    settings: SpeechSettings,
    style: str,
) -> _Text:
    if language is not None and language not in whisper.supported_languages:
        raise BadInput(
            f"language {language!r}: expected a code that the model knows, such as: en, fr, de"
        )
    segments, info = whisper.transcribe(
        sound,
        language=language,
        beam_size=settings.beam_size,
        # No fall-back to random sampling: it would differ from run to run, and what triggers it
        # (text that compresses well) is exactly what repeats and restarts look like.
        temperature=0.0,
        # Off: with it, one tidy window makes all later windows tidy, and one loop carries on for
        # ever.
        condition_on_previous_text=False,
        # The style goes in as hotwords, which stand before every window; an initial_prompt reaches
        # only the first.
        hotwords=style or None,
        # The default list bars brackets, music and speaker tags, which are not speech; no filler is
        # on it.
        suppress_tokens=[-1],
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        word_timestamps=True,
        vad_filter=True,
        vad_parameters=_vad_options(settings),
    )
    words: list[Word] = []
    for segment in segments:
        for one in segment.words or ():
            _add(words, one, start_s, is_measured(info.language))
    return _Text(words, info.language, info.language_probability)


def _add(words: list[Word], one: Any, start_s: float, parted_by_blanks: bool) -> None:
    """Add a word; what follows without a blank (``-disposed``) belongs to the one before it."""
    text = one.word.strip()
    if not text:
        return
    begin_s = start_s + float(one.start)
    end_s = start_s + max(float(one.start), float(one.end))
    known = math.isfinite(one.probability)
    sure = min(1.0, max(0.0, float(one.probability))) if known else math.nan
    if words and parted_by_blanks and text[0] in "-'’" and not one.word[0].isspace():
        before = words[-1]
        words[-1] = replace(before, text=before.text + text, end_s=max(before.end_s, end_s))
        return
    words.append(Word(text, begin_s, end_s, sure, Timing.RECOGNISED))
