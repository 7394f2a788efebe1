"""What `predict` knows about one answer: tables, JSON summary and report are written from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twomind.types import Cue, Features, Prediction, Recording, Segment, Track, Word

#: Plain values by name, as JSON can carry them; and the same to read only.
Plain = dict[str, Any]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class NotMeasured:
    """One thing that carries no number, and why. ``what`` is e.g. ``face``, ``words``, ``AU09``,
    ``probability``.
    """

    what: str
    reason: str


@dataclass(frozen=True)
class Result:
    """One answer, described and estimated.

    ``features.tracks`` holds ``face`` and ``voice`` on their native clocks (one row per decoded
    frame; one per 10 ms), ``face_relative`` with the same columns relative to the person's neutral,
    and ``words`` (one row per word). ``located`` is False when the model does not say *when*;
    ``located_reason`` says why, ``segments`` is then empty and ``frame_score`` None. ``media``
    holds n_frames, duration_s, problems and the like; ``neutral`` names where the neutral came
    from, ``voice_neutral`` the voice's; ``model`` is the model's card as plain values;
    ``provenance`` versions, settings and hashes. ``two_sides`` is what the change-talk model told of
    each clause, beside the score; empty where it was not asked. Where a method adapted the model, ``unadapted`` is
    the same model's answer on the same windows without it, and ``adaptation`` says by what method,
    what it saw, and where the person's state is kept.
    """

    recording: Recording
    features: Features
    cues: tuple[Cue, ...]
    prediction: Prediction
    not_measured: tuple[NotMeasured, ...] = ()
    located: bool = False
    located_reason: str = ""
    segments: tuple[Segment, ...] = ()
    frame_score: Track | None = None
    neutral: str = ""
    voice_neutral: str = ""
    media: Values = field(default_factory=dict)
    summary: Values = field(default_factory=dict)
    model: Values = field(default_factory=dict)
    provenance: Values = field(default_factory=dict)
    two_sides: Values = field(default_factory=dict)
    purpose: str = "research"
    unadapted: Prediction | None = None
    adaptation: Values = field(default_factory=dict)

    @property
    def transcript(self) -> tuple[Word, ...] | None:
        """The person's words for a reader: measured, or only known (of another language); None
        where there are none.
        """
        words = self.features.words
        return self.recording.words if words is None else words

    @property
    def why_no_words(self) -> str:
        """Why words are not measured, or what limits them; empty where there is nothing to say."""
        note = self.features.notes.get("words", "")
        if note or self.features.words is not None:
            return note
        return self.recording.words_reason
