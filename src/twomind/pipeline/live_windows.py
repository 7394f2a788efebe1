"""The model of a live session: windows out of what was measured, their scores, and a person's
adaptation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from twomind.adaptation import Step, Walk, pool
from twomind.core.errors import BadInput
from twomind.encoders.frames import LiveWindows
from twomind.media.windows import n_windows
from twomind.models.base import bare, complete, track_of
from twomind.pipeline.adapt import Adaptation, check, mark_of, summary_of
from twomind.types import Features, Given, Prediction, State, Track

#: Tracks that a live session measures itself.
MEASURED = ("face", "face_relative", "voice", "words")
_PICTURES = ("face", "face_relative")


@dataclass(frozen=True)
class About:
    """Whose stream it is: what windows say of themselves."""

    person: str = "live"
    question: str | None = None
    drawn: bool = False


@dataclass(frozen=True)
class Scored:
    """One window's answer; ``unadapted`` is the model's own where a method adapts."""

    index: int
    x: Features
    prediction: Prediction
    unadapted: Prediction | None


#: Gives the features of a span of seconds, of what was measured.
Cut = Callable[[float, float], Features]


@dataclass(eq=False)
class Scoring:
    """Windows of a model as the stream comes in.

    Args:
        model: with all defaults.
        how: the method that adapts it; None: none does.
        about: whose stream it is.
        every_s: between two answers of a model that answers a whole recording.
        state: the person's, to go on from.

    Raises:
        BadInput: the model reads what is not measured live, or cannot be adapted so.
    """

    model: Any
    how: Adaptation | None
    about: About
    every_s: float
    state: State | None = None
    n_adapted: int = 0
    _done: list[Step] = field(default_factory=list)
    _waiting: list[Features] = field(default_factory=list)

    def __post_init__(self) -> None:
        plain: Any = bare(self.model)
        whole = complete(self.model)
        self.whole = whole
        self.inputs = frozenset(self.model.inputs)
        self.length_s: float | None = whole.window_s
        self.windows: LiveWindows | None = None
        self._k = 0
        opens = getattr(plain, "open_encoder", None)
        track = track_of(plain)
        foreign = self.inputs - {*MEASURED, "question"}
        if foreign - {track} or (foreign and (opens is None or self.length_s is None)):
            named = ", ".join(sorted(foreign))
            raise BadInput(
                f"live: the model {whole.name!r} reads {named}, which only a file gives; there are "
                f"{', '.join(MEASURED)}, and frames of a model with an encoder and windows"
            )
        if foreign:
            assert self.length_s is not None
            self.windows = LiveWindows(
                plain.open_encoder(),
                self.length_s,
                settings=plain.frame_settings() if hasattr(plain, "frame_settings") else None,
                recording="live",
                subject=self.about.person,
                question=self.about.question,
                drawn=self.about.drawn,
                allow_real=whole.allow_real,
            )
        self._walk = self._adapting(plain)

    def _adapting(self, plain: Any) -> Walk | None:
        if self.how is None:
            return None
        given = Given(self.how.seed, summary=summary_of(plain))
        check(plain, self.how, given)
        return Walk(plain, self.how.adapter(), given, "person", self.state)

    @property
    def needs_words(self) -> bool:
        """Whether an answer waits for words."""
        return "words" in self.inputs

    @property
    def needs_pictures(self) -> bool:
        """Whether an answer waits for pictures."""
        return self.windows is not None or bool(self.inputs.intersection(_PICTURES))

    @property
    def needs_tables(self) -> bool:
        """Whether it reads what is measured of face or voice."""
        return bool(self.inputs.intersection(("face", "face_relative", "voice")))

    @property
    def next_end_s(self) -> float:
        """When the window under way is over, where it needs a look at that moment."""
        if not self.needs_tables:
            return math.inf
        return (self._k + 1) * (self.length_s or self.every_s)

    @property
    def n_windows(self) -> int:
        """How many windows were scored."""
        return len(self._done)

    @property
    def mark(self) -> str:
        """By what a kept state knows its model: its weights, or its name."""
        plain = bare(self.model)
        return mark_of(plain) if self._walk is not None else self.whole.name

    def frame(self, rgb: Any, time_s: float) -> None:
        """A picture, for a model that looks at them itself."""
        if self.windows is not None:
            self._waiting += self.windows.push(rgb, time_s)

    def due(self, until_s: float, cut: Cut) -> list[Scored]:
        """The windows that are over at a moment and were not scored.

        Args:
            until_s: up to where all is there that the model reads.
            cut: gives the features of a span.
        """
        found = []
        step_s = self.length_s or self.every_s
        while (end_s := (self._k + 1) * step_s) <= until_s:
            if self.windows is not None:
                if not self._waiting:
                    break
                found.append(self._score(self._with_tracks(self._waiting.pop(0), cut)))
                continue
            start_s = 0.0 if self.length_s is None else self._k * step_s
            found.append(self._score(cut(start_s, end_s)))
        return found

    def last(self, last_s: float, cut: Cut) -> list[Scored]:
        """The windows that the end of the stream leaves: the last one when it is half full.

        Args:
            last_s: the last row of the model's track.
            cut: gives the features of a span.
        """
        if self.length_s is None:
            return []
        found = []
        if self.windows is not None:
            for x in [*self._waiting, *self.windows.finish()]:
                found.append(self._score(self._with_tracks(x, cut)))
            self._waiting = []
            return found
        while self._k < n_windows(last_s, self.length_s):
            start_s = self._k * self.length_s
            found.append(self._score(cut(start_s, start_s + self.length_s)))
        return found

    def _with_tracks(self, x: Features, cut: Cut) -> Features:
        own = cut(*x.span_s)
        return replace(own, tracks={**own.tracks, **x.tracks})

    def _score(self, x: Features) -> Scored:
        index = self._k
        self._k += 1
        self.whole.refuse(x)
        unadapted = self.model.predict(x)
        prediction = unadapted
        if self._walk is not None:
            step = self._walk.step(x)
            prediction, self.state = step.prediction, step.state
            self.n_adapted += 1
        light = Features(x.recording, x.subject, {}, x.span_s)
        self._done.append(Step(light, prediction, {}))
        is_adapted = self._walk is not None
        return Scored(index, x, prediction, unadapted if is_adapted else None)

    def whole_answer(self, x: Features) -> Prediction | None:
        """The answer about all of it: of the windows together, or of the whole recording."""
        if self.length_s is None:
            self.whole.refuse(x)
            found: Prediction = self.model.predict(x)
            return found
        if not self._done:
            return None
        (answer,) = pool(self._done).values()
        return answer

    def place(self) -> dict[str, Any]:
        """Where it stands, as a state holds it: the next window and the rows of the one under way."""
        found: dict[str, Any] = {"k": self._k, "state": self.state, "n_adapted": self.n_adapted}
        if self.windows is not None:
            under_way, rows = self.windows.place
            found |= {"under_way": under_way, "rows": plain_track(rows)}
        return found

    def go_on_from(self, place: dict[str, Any]) -> None:
        """Go on where another session stood."""
        self._k = int(place["k"])
        self.n_adapted = int(place["n_adapted"])
        self.state = place["state"]
        if self._walk is not None:
            self._walk.state = self.state
        if self.windows is not None:
            self.windows.go_on_from(int(place["under_way"]), track_of_plain(place["rows"]))

    def close(self) -> None:
        if self.windows is not None:
            self.windows.close()


def plain_track(track: Track) -> dict[str, Any]:
    """A track as a state holds it."""
    return {
        "values": track.values,
        "times_s": track.times_s,
        "valid": track.valid.astype("uint8"),
        "names": list(track.names),
        "units": list(track.units),
        "reasons": list(track.reasons),
        "reason_code": track.reason_code,
    }


def track_of_plain(entry: dict[str, Any]) -> Track:
    """What :func:`plain_track` wrote."""
    return Track(
        entry["values"],
        entry["times_s"],
        entry["valid"].astype(bool),
        tuple(entry["names"]),
        tuple(entry["units"]),
        tuple(entry["reasons"]),
        entry["reason_code"],
    )
