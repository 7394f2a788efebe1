"""The sound of an answer, for a model that hears."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from twomind.core.errors import BadInput
from twomind.media.audio import AudioSpool
from twomind.media.probe import probe
from twomind.media.stream import Samples, stream
from twomind.types import Track

#: Name of the track.
SOUND_TRACK = "heard"
RATE_HZ = 16000


def heard_in(media: Path, span_s: tuple[float, float] | None = None) -> Track:
    """The waveform of a file as a track ``(n, 1)`` at 16 kHz, mono.

    Args:
        media: The file.
        span_s: Only the sound in this window.

    Raises:
        BadInput: there is no sound.
    """
    if not probe(media).has_audio:
        raise BadInput(f"{media}: expected sound, there is none")
    spool = AudioSpool(RATE_HZ)
    try:
        with stream(media, video=False) as items:
            for item in items:
                if isinstance(item, Samples):
                    spool.push(item)
        waveform = spool.waveform()
        values = np.array(waveform.values, np.float32)
        times_s = waveform.start_s + np.arange(len(values)) / RATE_HZ
    finally:
        spool.close()
    if not len(values):
        raise BadInput(f"{media}: expected sound, none can be decoded")
    whole = Track(values[:, None], times_s, np.ones(len(values), bool))
    return whole if span_s is None else whole.between(*span_s)
