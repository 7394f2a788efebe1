"""What the supervised table of BAH reads of a recording: a row of each modality per native frame.

Faces pass the frame network that was fine-tuned before, or one that was exported, sound a VGGish, and
the tokens of the transcript are stretched over the frames. Rows lie in the store, and no picture does. What a recording
lacks, it lacks alone: a silent film has no sound, and keeps its faces and words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from twomind.core.source_mark import source_mark
from twomind.core.store import Store, content_hash
from twomind.encoders import exported, stretched, vggish
from twomind.encoders.pretrained import SAMPLE_RATE_HZ, Encoder, network, tokenizer_of
from twomind.encoders.stretched import encode_stretched
from twomind.encoders.vggish import Vggish, encode_vggish
from twomind.media.audio import AudioSpool
from twomind.media.probe import probe
from twomind.media.stream import Samples, stream
from twomind.models.dsfda.crops import TRACK
from twomind.models.frame_cnn import recogniser as frame_cnn
from twomind.training.readable import OF_ONE_FILE
from twomind.types import Features, Recording, Track

#: Track by kind of modality.
TRACKS = {"video": "video_embedding", "sound": "audio_embedding", "text": "text_embedding"}
_KIND = "bah_rows"


class FrameNetwork(Protocol):
    """A frozen network of face crops."""

    @property
    def width(self) -> int:
        """Length of a row."""
        ...

    def rows_of(self, crops: np.ndarray) -> np.ndarray:
        """Rows ``(N, D)`` of crops ``(N, H, W, 3)`` uint8."""
        ...


@dataclass(frozen=True)
class Encoders:
    """The three frozen networks, as far as they are needed and given."""

    video: FrameNetwork | None = None
    video_mark: str | None = None
    sound: Vggish | None = None
    text: Encoder | None = None

    @property
    def widths(self) -> dict[str, int]:
        """Length of a row, by track."""
        found = {}
        if self.video is not None:
            found[TRACKS["video"]] = self.video.width
        if self.sound is not None:
            found[TRACKS["sound"]] = self.sound.width
        if self.text is not None:
            found[TRACKS["text"]] = self.text.width
        return found

    def check(self) -> dict[str, int]:
        """Read every network once, so that none fails when others have been trained.

        Returns:
            Length of a row, by track.

        Raises:
            MissingWeights, MissingExtra, Offline: one cannot be read.
        """
        if self.text is not None:
            network(self.text)
            tokenizer_of(self.text)
        return self.widths

    @cached_property
    def text_network(self) -> Any:
        """The network that encodes text, loaded once."""
        assert self.text is not None
        return network(self.text)


@dataclass(frozen=True)
class Described:
    """recording → its rows, from the store where they were made before."""

    crops: Callable[[str], Features]
    encoders: Encoders
    store: Store

    def __call__(self, recording: Recording) -> Features:
        x = self.crops(recording.id)
        pictures = x.tracks[TRACK]
        said = " ".join(word.text for word in recording.words or ())
        content = _content(recording, pictures)
        self.store.note(recording.subject, content)
        key = self.store.key(content, self._settings(said))
        entry = self.store.get(_KIND, key)
        if entry is None:
            tracks, notes = self._tracks(recording, pictures, said)
            arrays = {}
            for name, track in tracks.items():
                arrays[f"{name}.values"] = track.values
                arrays[f"{name}.times_s"] = track.times_s
                arrays[f"{name}.valid"] = track.valid
            self.store.put(_KIND, key, arrays, {"notes": notes})
        else:
            arrays, meta = entry
            notes = dict(meta["notes"])
            tracks = _read(arrays)
        return replace(x, tracks=tracks, notes={**x.notes, **notes}, words=recording.words)

    def _settings(self, said: str) -> dict[str, Any]:
        own = self.encoders
        makers = (frame_cnn, exported, stretched, vggish)
        marks = [source_mark(module.__name__) for module in makers]
        return {
            "video": own.video_mark,
            "sound": None if own.sound is None else own.sound.mark,
            "text": None if own.text is None else own.text.mark,
            "said": said,
            "recipe": [source_mark(__name__), *marks],
        }

    def _tracks(
        self, recording: Recording, pictures: Track, said: str
    ) -> tuple[dict[str, Track], dict[str, str]]:
        own = self.encoders
        times_s = pictures.times_s
        found = {}
        notes = {}
        if own.video is not None:
            found[TRACKS["video"]] = _faces(own.video, pictures)
        if own.sound is not None:
            track, why = _sound(own.sound, recording, times_s)
            if track is None:
                notes[TRACKS["sound"]] = why
            else:
                found[TRACKS["sound"]] = track
        if own.text is not None:
            track = encode_stretched(own.text, said, times_s, own.text_network)
            if len(track):
                found[TRACKS["text"]] = track
            else:
                notes[TRACKS["text"]] = "no words"
        return found, notes


def _content(recording: Recording, pictures: Track) -> str:
    """A hash of the film, where there is one, and of the pictures."""
    digest = hashlib.sha256(np.ascontiguousarray(pictures.values).tobytes())
    digest.update(pictures.times_s.tobytes())
    if recording.media.is_file():
        digest.update(content_hash(recording.media).encode())
    return digest.hexdigest()


def _read(arrays: dict[str, np.ndarray]) -> dict[str, Track]:
    names = {name.partition(".")[0] for name in arrays}
    found = {}
    for name in sorted(names):
        times_s = arrays[f"{name}.times_s"]
        found[name] = Track(arrays[f"{name}.values"], times_s, arrays[f"{name}.valid"])
    return found


def _faces(model: FrameNetwork, pictures: Track) -> Track:
    """Rows of the crops that can be read; the others, and rows that are no numbers, are not valid."""
    values = np.zeros((len(pictures), model.width), np.float32)
    known = np.flatnonzero(pictures.valid)
    rows = model.rows_of(pictures.values[known])
    numbers = np.isfinite(rows).all(axis=1)
    values[known[numbers]] = rows[numbers]
    valid = np.zeros(len(pictures), bool)
    valid[known[numbers]] = True
    return Track(values, pictures.times_s, valid)


def _sound(encoder: Vggish, recording: Recording, times_s: np.ndarray) -> tuple[Track | None, str]:
    """Rows of the sound; None of a film that is absent, silent or cannot be read, with the reason."""
    if not recording.media.is_file():
        return None, "no film, so no sound"
    try:
        if not probe(recording.media).has_audio:
            return None, "no sound"
        values, start_s = _waveform(recording.media)
    except OF_ONE_FILE as error:
        return None, str(error)
    if not len(values):
        return None, "no sound"
    return encode_vggish(encoder, values, start_s, times_s), ""


def _waveform(film: Path) -> tuple[np.ndarray, float]:
    """Mono samples at 16 kHz, and the time of the first."""
    spool = AudioSpool(SAMPLE_RATE_HZ)
    try:
        with stream(film, video=False) as items:
            for item in items:
                if isinstance(item, Samples):
                    spool.push(item)
        waveform = spool.waveform()
        return np.array(waveform.values, np.float32), float(waveform.start_s)
    finally:
        spool.close()


def why_absent(kinds: Sequence[str], given: Collection[str]) -> str:
    """Why a row of the table cannot be made: which network was not given; "" where none lacks."""
    lacking = [f"{kind}=FOLDER" for kind in kinds if kind not in given]
    if not lacking:
        return ""
    return f"no network for it was given: --set {' --set '.join(lacking)}"


__all__ = ["TRACKS", "Described", "Encoders", "FrameNetwork", "why_absent"]
