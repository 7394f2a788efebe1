"""Which language is spoken, as a Whisper that knows several tells it from the sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twomind.transcripts.speech_models import (
    Arithmetic,
    faster_whisper,
    find_model,
    load_whisper,
    no_network,
)

SAMPLE_RATE_HZ = 16_000


@dataclass(frozen=True)
class SpokenLanguage:
    """A language, and the probability that the model gives it."""

    code: str
    probability: float


def language_of(
    values: np.ndarray, model: str | Path, offline: bool = True
) -> SpokenLanguage | None:
    """The most probable language of the first half minute of speech.

    Args:
        values: Samples ``(n,)`` in [-1, 1] at 16 kHz, mono.
        model: As :func:`twomind.transcripts.speech.recognise_words` takes it.
        offline: Whether fetching a model is forbidden.

    Returns:
        None where the model knows one language only, or nothing is spoken.

    Raises:
        MissingExtra: faster-whisper is not installed.
        MissingWeights: The model is absent or incomplete.
        Offline: The model would have to be fetched.
    """
    faster_whisper()
    with no_network(offline):
        whisper = load_whisper(find_model(model, offline), Arithmetic())
        if not whisper.model.is_multilingual:
            return None
        from faster_whisper.vad import get_speech_timestamps

        sound = np.ascontiguousarray(values, np.float32)
        if not len(sound) or not get_speech_timestamps(sound):
            return None
        code, probability, _ = whisper.detect_language(sound, vad_filter=True)
    return SpokenLanguage(code, float(probability))
