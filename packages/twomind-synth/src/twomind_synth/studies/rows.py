"""Frame embeddings of a synthetic data set: only the faces that are asked for are drawn, without a
film.

Only their rows are kept, in the store; a take that is there already is not drawn again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twomind.core.source_mark import source_mark
from twomind.core.store import Store, settings_hash
from twomind.core.track_entries import track_arrays, track_from, track_meta
from twomind.encoders.encoder import Encoder
from twomind.encoders.frame_rows import KIND, on_grid
from twomind.encoders.frames import FrameSettings, LiveWindows
from twomind.training.clip_au_folds import encoder_of, remembered
from twomind.types import Features, Track
from twomind_synth.face import draw
from twomind_synth.study_film import FPS, SIZE, film_settings, settings_of
from twomind_synth.study_layout import Clip, clips_of, person_of, take_of
from twomind_synth.study_world import StudyWorld


@dataclass(frozen=True)
class DrawnRows:
    """A take of a synthetic study → the encoder's track, from the frames of its film nearest to a grid
    of ``hop_s``.

    The frames are those that the film would show (before the codec), found and aligned like a
    film's.
    """

    world: StudyWorld
    seed: int
    hop_s: float
    store: Path

    def __call__(self, clip: Clip, encoder: Encoder) -> Track:
        store, fps = Store(self.store), FPS[clip.layout]
        person = person_of(clip, self.world, self.seed)
        content = settings_hash(
            settings_of(self.world, self.seed, person, clip.recording, film_settings(fps))
        )
        own = {
            "encoder": encoder.fingerprint,
            "drawn": True,
            "hop_s": self.hop_s,
            "recipe": source_mark(__name__, *encoder.modules),
        }
        key = store.key(content, own)
        if entry := store.get(KIND, key):
            return track_from(*entry)
        track = self._draw(clip, encoder, person)
        store.note(clip.subject, content)
        store.put(KIND, key, track_arrays(track), track_meta(track))
        return track

    def _draw(self, clip: Clip, encoder: Encoder, person: Any) -> Track:
        take = take_of(clip, self.world, self.seed, FPS[clip.layout], SIZE, person)
        states = take.states()
        # One window that is longer than the take: all rows come out at the end.
        hop_s = 0.5 / FPS[clip.layout]
        with LiveWindows(
            encoder,
            take.duration_s + 1.0,
            settings=FrameSettings(hop_s=hop_s),
            subject=clip.subject,
            drawn=True,
        ) as live:
            for i in on_grid(take.times_s, self.hop_s):
                live.push(
                    draw(take.person.look, states[i], take.person.camera, int(i)),
                    float(take.times_s[i]),
                )
            [window] = live.finish()
        return window.tracks[encoder.track]


def with_rows(x: Features, track: str, rows: Track) -> Features:
    """The same recording with this track alone: a model of pictures is not to find measures beside
    them.
    """
    return replace(x, tracks={track: rows}, notes={})


@dataclass(frozen=True)
class Drawn:
    """recording id → rows of the faces of a drawn take, kept in the store; picklable, for worker
    processes.
    """

    clips: Mapping[str, tuple[Clip, Features]]  # a take, and all that is known of it but its tracks
    rows: DrawnRows
    encoder: str

    def __hash__(self) -> int:
        return hash((self.rows, self.encoder, len(self.clips)))

    def __call__(self, recording: str) -> Features:
        return remembered(self, recording, self._read)

    def _read(self, recording: str) -> Features:
        encoder = encoder_of(self.encoder)
        clip, bare = self.clips[recording]
        return with_rows(bare, encoder.track, self.rows(clip, encoder))


def drawn_reading(study: Any, visits: int, encoder: str, hop_s: float, store: Path) -> Drawn:
    """The reading of a synthetic study (:func:`twomind_synth.studies.features.study_features`), without
    its measures.
    """
    bare = {x.recording: replace(x, tracks={}, notes={}) for x in study.features}
    n_people = len({t.subject for t in study.truths})
    clips = clips_of(study.layout, n_people, study.seed, study.world, visits)
    rows = DrawnRows(study.world, study.seed, hop_s, store)
    return Drawn({c.recording: (c, bare[c.recording]) for c in clips}, rows, encoder)


def drawn_hop_s(layout: str, world: StudyWorld, length_s: float | None, n_faces: int) -> float:
    """Seconds between the faces of a drawn clip: ``n_faces`` over a window of ``length_s``, or a
    usual clip.
    """
    whole_s = {"bah": world.answer_s[0], "biovid": world.clip_s, "stressid": world.task_s}[layout]
    return round(min(length_s or whole_s, whole_s) / n_faces, 4)
