"""Cues while they come: found from what was seen and heard so far, against a causal reference.

``describe`` compares with the whole recording: its resting face, its loudness, its noise. A live
stream has no whole. Here, at moments of media time ``step_s`` apart, the last ``face_s`` seconds of
rows and the last ``voice_s`` of sound go through the same functions as a whole recording does. What
is found depends on the time of the media alone, never on how it was cut on its way here.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from twomind.core.errors import BadInput
from twomind.features import profile as profiles
from twomind.features.cues import find_cues, in_order
from twomind.features.face.reader import relative
from twomind.features.face.rest import estimate_rest, less_rest
from twomind.features.inconsistency import inconsistencies
from twomind.features.one_pass import SOUND_HZ
from twomind.features.profile import Profile
from twomind.features.settings import Settings
from twomind.features.voice.track import VoiceResult, VoiceSettings, describe_voice
from twomind.features.voice.unworded import FILLED_PAUSE, WITHOUT_WORDS
from twomind.media.audio import SoundTail
from twomind.types import Cue, Track, Word

#: The modalities whose cues need words, and kinds of the voice that do.
_WORDED_MODALITIES = ("words", "across")
_WORDED_KINDS = (FILLED_PAUSE, WITHOUT_WORDS)


@dataclass(frozen=True)
class LiveSettings:
    """When a live stream is looked at, and how far back.

    Raises:
        BadInput: a time that must be above 0 is not, or cues settle later than is looked back.

    Example:
        >>> from twomind import LiveSettings
        >>> LiveSettings(step_s=0.5).settle_s
        2.0
    """

    #: Seconds of media from one look to the next.
    step_s: float = 1.0
    #: Seconds of the face, and of sound, that a look goes back, and that are its reference. A pause
    #: longer than the second is not told live.
    face_s: float = 60.0
    voice_s: float = 20.0
    #: A cue is over when it ended so many seconds ago: until then it may grow.
    settle_s: float = 2.0
    #: No cue is looked for in less than this: nothing is known yet of what is usual.
    warm_s: float = 5.0
    #: Pictures do not wait longer for sound, nor sound for pictures, seconds.
    most_lag_s: float = 5.0
    #: How late words may come, seconds.
    words_late_s: float = 20.0
    #: Seconds between two answers of a model that answers a whole recording.
    answer_s: float = 10.0

    def __post_init__(self) -> None:
        for name in ("step_s", "face_s", "voice_s", "answer_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise BadInput(f"live.{name}: expected more than 0 s, got {value}")
        if not self.settle_s < min(self.face_s, self.voice_s):
            raise BadInput(
                f"live.settle_s: expected less than face_s and voice_s, got {self.settle_s}"
            )


@dataclass(frozen=True)
class Reference:
    """What the face is relative to: the rows of a neutral clip, a profile, or, where there is
    neither, what was seen last. ``drawn`` people have another population.
    """

    neutral: Track | None = None
    profile: Profile | None = None
    drawn: bool = False

    @property
    def known(self) -> bool:
        """Whether the person's neutral face was given."""
        of_profile = self.profile is not None and bool(self.profile.neutral("face"))
        return self.neutral is not None or of_profile

    def of(self, face: Track) -> Track:
        """The rows less the neutral that was given, or less their own resting face."""
        if self.neutral is not None:
            against, _ = relative(face, self.neutral)
            return against
        if self.profile is not None and self.known:
            return profiles.relative_to(face, self.profile.neutral("face"))
        return less_rest(face, estimate_rest(face, self.drawn))


@dataclass(frozen=True)
class Known:
    """What is known at a moment: the last rows of the face, the last sound as rows, words."""

    face: Track | None = None
    voice: VoiceResult | None = None
    words: tuple[Word, ...] = ()


def be_ready() -> None:
    """Load what the first look at sound needs: it takes a second or so, in which a stream waits."""
    for name in ("scipy.signal", "scipy.ndimage"):
        importlib.import_module(name)


def heard(tail: SoundTail, now_s: float, length_s: float, settings: VoiceSettings) -> VoiceResult:
    """The voice of the last seconds before a moment."""
    first_s = now_s - length_s
    return describe_voice(tail.last_seconds(first_s, now_s), settings)


def cues_of(known: Known, reference: Reference, settings: Settings) -> tuple[Cue, ...]:
    """All cues of what is known, by the rules of a whole recording.

    Args:
        known: the last rows.
        reference: what the face is relative to.
        settings: how it is described.
    """
    face = known.face if known.face is not None and len(known.face) else None
    at_rest = rest = None
    if face is not None and reference.known:
        at_rest = reference.of(face)
    elif face is not None:
        rest = estimate_rest(face, reference.drawn)
    words = known.words or None
    cues = find_cues(face, at_rest, known.voice, words, settings.cues, rest=rest)
    if words:
        across = inconsistencies(cues, words, settings.cues.inconsistency)
        cues = in_order((*cues, *across))
    return cues


def is_said(cue: Cue) -> bool:
    """Whether a cue needs words."""
    return cue.modality in _WORDED_MODALITIES or cue.kind in _WORDED_KINDS


def is_shown(cue: Cue) -> bool:
    """Whether a cue needs no words."""
    return not is_said(cue)


@dataclass(frozen=True)
class Told:
    """What became of a cue: ``began``, ``ended`` or ``dropped``, which is one that did not hold when
    more was known.
    """

    what: str
    id: int
    cue: Cue


@dataclass(eq=False)
class Ledger:
    """Which cues are under way, and which were told. Each is told once when it begins and once when
    it ends.

    Args:
        takes: which cues are kept here.
        settle_s: a cue is over when it ended so long ago.
        keep_s: how long one that was told is remembered.
        next_id: number of the next cue.
    """

    takes: Callable[[Cue], bool]
    settle_s: float
    keep_s: float
    next_id: Callable[[], int]
    open: dict[int, Cue] = field(default_factory=dict)
    ended: list[Cue] = field(default_factory=list)
    over_s: float = -math.inf

    def update(self, now_s: float, found: Iterable[Cue], last: bool = False) -> list[Told]:
        """What is new at a moment.

        Args:
            now_s: the moment.
            found: all cues of what is known then.
            last: nothing more comes.
        """
        over_s = math.inf if last else now_s - self.settle_s
        told: list[Told] = []
        held: set[int] = set()
        for cue in filter(self.takes, found):
            number = self._going_on(cue, held)
            if number is None:
                if cue.end_s <= self.over_s or any(_same(cue, old) for old in self.ended):
                    continue
                number = self.next_id()
                told.append(Told("began", number, cue))
            held.add(number)
            self.open[number] = cue
        told += self._closed(held, over_s)
        self.over_s = max(self.over_s, now_s - self.settle_s)
        oldest_s = now_s - self.keep_s
        self.ended = [cue for cue in self.ended if cue.end_s > oldest_s]
        return told

    def _going_on(self, cue: Cue, held: set[int]) -> int | None:
        """The number of the cue under way that this one is."""
        for number, other in self.open.items():
            if number not in held and _same(cue, other):
                return number
        return None

    def _closed(self, held: set[int], over_s: float) -> list[Told]:
        """Cues that are over, and those that no longer hold."""
        told = []
        for number, cue in list(self.open.items()):
            if number not in held:
                told.append(Told("dropped", number, cue))
            elif cue.end_s <= over_s:
                told.append(Told("ended", number, cue))
                self.ended.append(cue)
            else:
                continue
            del self.open[number]
        return told


def _same(one: Cue, other: Cue) -> bool:
    """Whether two findings are of one event: the same kind at overlapping times."""
    if (one.kind, one.modality) != (other.kind, other.modality):
        return False
    if one.modality in _WORDED_MODALITIES and one.detail != other.detail:
        return False
    if (one.start_s, one.end_s) == (other.start_s, other.end_s):
        return True
    return one.start_s < other.end_s and other.start_s < one.end_s


def rows_joined(tracks: Sequence[Track]) -> Track:
    """Tracks of one kind, one after the other."""
    first = tracks[0]
    if len(tracks) == 1:
        return first
    codes = [np.asarray(track.reason_code) for track in tracks]
    return replace(
        first,
        values=np.concatenate([track.values for track in tracks]),
        times_s=np.concatenate([track.times_s for track in tracks]),
        valid=np.concatenate([track.valid for track in tracks]),
        reason_code=np.concatenate(codes),
    )


__all__ = [
    "SOUND_HZ",
    "Known",
    "Ledger",
    "LiveSettings",
    "Reference",
    "Told",
    "cues_of",
    "heard",
    "is_said",
    "is_shown",
    "rows_joined",
]
