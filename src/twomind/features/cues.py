"""Events worth a coder's eye, on one list with times. A cue is what can be seen or heard; it is not
ambivalence itself.

The kinds follow what the annotators of BAH mark (audio, body, facial and language cues). The
thresholds were set for people before a webcam and checked on synthetic faces and synthetic voices; how
well they agree with coders is not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from twomind.core.plural import sentence
from twomind.features import inconsistency
from twomind.features.body import cues as body_cues
from twomind.features.body.cues import BodyCueSettings
from twomind.features.events import Event, find_events, find_swings, row_s
from twomind.features.face.gaze import MIN_OPENING
from twomind.features.face.rest import (
    Rest,
    eyes_alike,
    less_rest,
    mouth_closed,
)
from twomind.features.inconsistency import InconsistencySettings
from twomind.features.voice import unworded
from twomind.features.voice.track import VoiceResult
from twomind.features.voice.unworded import UnwordedSettings
from twomind.features.words import cues as word_cues
from twomind.sound.rows import HOP_S
from twomind.sound.runs import runs
from twomind.types import Cue, Timing, Track, Word

_SEEN_AND_HEARD = {
    "long_pause": "Long pause: a silence between speech (BAH audio cue: pause)",
    "slow_speech": "Slow speech: a stretch spoken much slower than this person's usual (BAH audio "
    "cue: slow)",
    "fast_speech": "Fast speech: a stretch spoken much faster than this person's usual (BAH audio "
    "cue: fast)",
    "gaze_away": "Gaze away: the eyes leave where this person usually looks (BAH facial cue: gaze)",
    "eyes_closed": "Eyes closed for longer than a blink (BAH facial cue: eyes closing)",
    "brow_raise": "Brow raise (BAH facial cue: eyebrow)",
    "brow_lower": "Brow lower, or frown (BAH facial cues: eyebrow, frown)",
    "lip_press": "Lip press: the red of the lips narrows (BAH facial cue: lip press)",
    "smile": "Smile, beyond this person's resting face (BAH facial cue: smile)",
    "look_away": "Look away: the head turns off where this person usually faces (BAH body cue: "
    "look "
    "away)",
    "tilt": "Head tilt to one side (BAH body cue: tilt)",
    "head_shake": "Head shake: the head turns to and fro (BAH body cue: head shake)",
    "nod": "Nod: the head goes up and down (BAH body cue: nod)",
}
#: kind → plain description, with the cue of the BAH annotators that it corresponds to where there
#: is one
KINDS: dict[str, str] = {
    **_SEEN_AND_HEARD,
    **body_cues.KINDS,
    **unworded.KINDS,
    **word_cues.WORD_KINDS,
    **inconsistency.KINDS,
}

#: What the BAH annotators mark, or the cue lexicon knows, and this list does not hold: cue → why.
NOT_MEASURED: dict[str, str] = {
    "breath": "a breath or sigh is unvoiced noise near the noise floor, which webcams' noise "
    "suppression removes or "
    "imitates; without labelled breaths its error cannot be stated",
    "laugh": "no detector with a stated error under a permissive licence",
    "click": "a tongue click cannot be told from a keyboard or mouse click",
    "volume": "the level follows the distance to the microphone and its automatic gain; it is in "
    "the voice table",
    "shaky voice": "jitter and shimmer do not survive the sound compression of webcams well enough",
    "eye roll": "shorter and steeper than the gaze measure is accurate for",
    "squint": "narrowed eyes cannot be told from a smile or a low gaze well enough",
    "hanging mouth": "an open mouth cannot be told from speech by landmarks alone",
    "throw": "a hand or head thrown up is too short for the five looks a second at the body",
    "scratch": "a hand at the face is seen; what its fingers do there is not",
    **word_cues.HIDDEN_KINDS,
}


@dataclass(frozen=True)
class CueSettings:
    """When something is a cue. Face values are relative to the person's neutral; ``_iod`` is in
    distances between the eyes (about 63 mm), as :mod:`twomind.features.face.measures` has it."""

    #: Silence between speech, seconds (long after Campione & Véronis 2002).
    long_pause_s: float = 1.0
    #: Articulation rate over this person's median below which a stretch is slow, and above which it
    #: is fast (ratio).
    slow_ratio: float = 0.65
    fast_ratio: float = 1.5
    #: Shortest stretch for which a rate is taken, seconds, and stretches a person's usual rate
    #: needs (count).
    rate_stretch_s: float = 1.5
    #: How far from the median such a stretch is at least, whatever the ratio (syllables/s).
    rate_least_per_s: float = 1.0
    n_rate_stretches: int = 4
    #: Line of sight (head and eyes together) off its usual direction: begins, lasts down to
    #: (degrees), for (seconds).
    gaze_enter_deg: float = 12.0
    gaze_leave_deg: float = 8.0
    gaze_min_s: float = 0.3
    #: Head turned sideways, up or down.
    turn_enter_deg: float = 11.0
    turn_leave_deg: float = 7.0
    turn_min_s: float = 0.3
    #: Head tilted to a shoulder.
    tilt_enter_deg: float = 7.0
    tilt_leave_deg: float = 5.0
    tilt_min_s: float = 0.4
    #: To and fro of the head: smallest swing (degrees), slowest swing (seconds), swings in a row
    #: (count).
    shake_swing_deg: float = 5.0
    nod_swing_deg: float = 5.0
    swing_max_s: float = 0.6
    n_swings: int = 3
    #: Rows that the slowest swing must have (count): with fewer, quick ones are not what they seem.
    n_swing_rows: int = 4
    #: Rows that any cue of face and head lasts, at least (count).
    n_least_rows: int = 2
    #: Mean of AU01 and AU02.
    brow_raise_enter_iod: float = 0.08
    brow_raise_leave_iod: float = 0.05
    #: AU04.
    brow_lower_enter_iod: float = 0.06
    brow_lower_leave_iod: float = 0.04
    #: AU12.
    smile_enter_iod: float = 0.10
    smile_leave_iod: float = 0.06
    #: AU24, while there is no smile (which narrows the lips too).
    lip_press_enter_iod: float = 0.07
    lip_press_leave_iod: float = 0.045
    #: Shortest brow movement, smile and lip press, seconds (lips close for b, p, m for less).
    brow_min_s: float = 0.2
    smile_min_s: float = 0.4
    lip_press_min_s: float = 0.3
    #: How far the eyes are shut (0 open as usual, 1 shut): begins, lasts down to, for (seconds).
    closed_enter: float = 0.65
    closed_leave: float = 0.45
    closed_min_s: float = 0.5
    #: How long a face or head may hold less than what begins a cue, before and after it, seconds.
    edge_s: float = 1.5
    #: A resting face that is known worse than this share of what begins a cue gives no cue.
    most_doubt: float = 0.5
    #: Two events of a kind closer than this are one, seconds.
    merge_s: float = 0.25
    #: Rows without a measure, up to this many seconds of them, do not end an event.
    max_gap_s: float = 0.1
    #: The same for gaze, which every blink interrupts.
    max_blink_s: float = 0.35
    #: What the body does, where it is measured.
    body: BodyCueSettings = field(default_factory=BodyCueSettings)
    #: Two things at one time that do not go together.
    inconsistency: InconsistencySettings = field(default_factory=InconsistencySettings)
    #: Sound that no word covers.
    unworded: UnwordedSettings = field(default_factory=UnwordedSettings)


def find_cues(
    face: Track | None,
    face_relative: Track | None,
    voice: VoiceResult | None,
    words: tuple[Word, ...] | None,
    settings: CueSettings | None = None,
    recognised: bool = False,
    rest: Rest | None = None,
) -> tuple[Cue, ...]:
    """All cues in order of time. What is None gives none.

    A measure that the tracks lack gives no cue of its kind.

    Args:
        face: rows of face measures.
        face_relative: the same columns relative to a neutral that the person gave; without it they
            are relative to the resting face.
        voice: the voice's rows, pauses and summary.
        words: of the answer, with times.
        settings: when something is a cue.
        recognised: the words are a recogniser's, which may leave speech without any.
        rest: the resting face of the recording (:func:`twomind.features.face.rest.estimate_rest`);
            without it and without a neutral the recording's own median is taken.
    """
    settings = settings or CueSettings()
    cues: list[Cue] = []
    if face is not None and len(face):
        relative = _relative(face, face_relative, rest)
        cues += _head(relative, settings)
        doubt = rest if rest is not None and face_relative is None else Rest({}, 0.0)
        cues += _expression(_Shown(face, relative, doubt), settings)
        cues += _eyes_closed(face, settings)
    if voice is not None:
        cues += _pauses(voice, words or (), settings)
        cues += _rates(voice, settings)
    if voice is not None and words:
        cues += unworded.filled_pauses(voice, words, settings.unworded)
    if voice is not None and words is not None and recognised:
        cues += unworded.without_words(voice, words, settings.unworded)
    if words:
        cues += word_cues.occurrences(words)
    return in_order(cues)


def in_order(cues: Iterable[Cue]) -> tuple[Cue, ...]:
    """Cues by time, then by kind."""
    return tuple(sorted(cues, key=lambda c: (c.start_s, c.end_s, c.kind)))


def _relative(face: Track, face_relative: Track | None, rest: Rest | None) -> Track:
    """The face relative to the neutral that was given, to its rest, or to its own median."""
    if face_relative is not None:
        return face_relative
    return less_rest(face, Rest({}, 0.0) if rest is None else rest)


def _column(track: Track, name: str) -> np.ndarray:
    """nan throughout when the track does not have the measure."""
    if name not in track.names:
        return np.full(len(track), np.nan)
    return track.column(name)


# --- head and gaze
# ---------------------------------------------------------------------------------------------------


def _head(track: Track, s: CueSettings) -> Iterator[Cue]:
    yaw = _column(track, "pose_yaw")
    pitch = _column(track, "pose_pitch")
    shakes, nods = _to_and_fro(track.times_s, yaw, pitch, s)
    yield from _cues("head_shake", "head", _mostly(shakes, nods), "deg", _swing_size)
    yield from _cues("nod", "head", _mostly(nods, shakes), "deg", _swing_size)

    turned = np.hypot(yaw, pitch)
    turns = _spans(track, turned, s.turn_enter_deg, s.turn_leave_deg, s.turn_min_s, s)
    turns = [event for event in turns if _share_inside(event, shakes + nods) < 0.5]
    yield from _cues("look_away", "head", turns, "deg", _towards(yaw, pitch))

    roll = _column(track, "pose_roll")
    tilted = np.abs(roll)
    tilts = _spans(track, tilted, s.tilt_enter_deg, s.tilt_leave_deg, s.tilt_min_s, s)
    yield from _cues("tilt", "head", tilts, "deg", _sides(roll, "own left", "own right"))

    yield from _gaze(track, turns, s)


def _to_and_fro(
    times_s: np.ndarray, yaw: np.ndarray, pitch: np.ndarray, s: CueSettings
) -> tuple[list[Event], list[Event]]:
    """Shakes and nods of the head; none where there are too few pictures of each swing."""
    if row_s(times_s) * s.n_swing_rows > s.swing_max_s + 1e-3:
        return [], []
    how = (s.swing_max_s, s.n_swings, s.max_gap_s)
    shakes = find_swings(times_s, yaw, s.shake_swing_deg, *how)
    nods = find_swings(times_s, pitch, s.nod_swing_deg, *how)
    return shakes, nods


def _mostly(own: list[Event], others: list[Event]) -> list[Event]:
    """Those of one kind that do not lie within larger ones of the other kind.

    A movement askew, or one that reaches far enough to be a turn of the head, is counted once: as
    what it is most of.
    """
    kept = []
    for e in own:
        rivals = [other for other in others if other.value > e.value]
        if _share_inside(e, rivals) < 0.5:
            kept.append(e)
    return kept


def _spans(
    track: Track, values: np.ndarray, enter: float, leave: float, min_s: float, s: CueSettings
) -> list[Event]:
    least_s = _least_s(track, min_s, s)
    return find_events(
        track.times_s, values, enter, leave, least_s, s.merge_s, s.max_gap_s, edge_s=s.edge_s
    )


def _least_s(track: Track, min_s: float, s: CueSettings) -> float:
    """The shortest cue that the rows can carry: what one picture shows has no known length."""
    return max(min_s, s.n_least_rows * row_s(track.times_s))


def line_of_sight(relative: Track) -> np.ndarray:
    """Yaw and pitch ``(T, 2)`` in degrees of the line of sight, head and eyes together, off where
    this person usually looks.

    Args:
        relative: rows of face measures, less the person's neutral.
    """
    yaw = _column(relative, "pose_yaw") + _column(relative, "gaze_yaw")
    pitch = _column(relative, "pose_pitch") + _column(relative, "gaze_pitch")
    return np.stack([yaw, pitch], axis=1)


def _gaze(track: Track, turns: list[Event], s: CueSettings) -> Iterator[Cue]:
    """Looks away that are no turn of the head.

    With the eyes' angle to the head added: who turns the head but keeps looking at the screen does
    not look away.
    """
    yaw, pitch = line_of_sight(track).T
    off = np.hypot(yaw, pitch)
    looks = find_events(
        track.times_s,
        off,
        s.gaze_enter_deg,
        s.gaze_leave_deg,
        _least_s(track, s.gaze_min_s, s),
        s.merge_s,
        s.max_blink_s,
        edge_s=s.edge_s,
    )
    looks = [event for event in looks if _share_inside(event, turns) < 0.5]
    yield from _cues("gaze_away", "face", looks, "deg", _towards(yaw, pitch))


#: Says of an event what a reader of the cue is told.
_Tell = Callable[[Event], str]


def _nothing_more(event: Event) -> str:
    return ""


def _swing_size(event: Event) -> str:
    return f"{event.value:.0f} degrees to and fro"


def _overlap_s(a: Event, b: Event) -> float:
    return min(a.end_s, b.end_s) - max(a.start_s, b.start_s)


def _share_inside(event: Event, others: list[Event]) -> float:
    covered = sum(max(0.0, _overlap_s(event, other)) for other in others)
    return covered / (event.end_s - event.start_s)


def _cues(
    kind: str, modality: str, events: list[Event], unit: str, tell: _Tell = _nothing_more
) -> Iterator[Cue]:
    for event in events:
        detail = tell(event)
        yield Cue(kind, modality, event.start_s, event.end_s, event.value, unit, detail)


def _sides(values: np.ndarray, positive: str, negative: str) -> _Tell:
    def tell(event: Event) -> str:
        side = positive if values[event.peak] > 0 else negative
        return f"to the {side}"

    return tell


def _towards(yaw: np.ndarray, pitch: np.ndarray) -> _Tell:
    def tell(event: Event) -> str:
        across = yaw[event.peak]
        up = pitch[event.peak]
        if abs(across) >= abs(up):
            return "to the own left" if across > 0 else "to the own right"
        return "up" if up > 0 else "down"

    return tell


# --- face
# ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shown:
    """A face as it was measured, relative to its rest, and that rest."""

    raw: Track
    relative: Track
    rest: Rest

    def column(self, name: str) -> np.ndarray:
        return _column(self.relative, name)

    def is_known(self, least: float, names: tuple[str, ...], s: CueSettings) -> bool:
        """Is rest known well enough to tell a change of ``least``?"""
        return self.rest.sd(*names) <= s.most_doubt * least


#: The measures that each cue of the face's expression is read from.
_READ_FROM = {
    "brow_raise": ("AU01", "AU02"),
    "brow_lower": ("AU04",),
    "smile": ("AU12",),
    "lip_press": ("AU24",),
}


def doubtful_cues(rest: Rest, settings: CueSettings | None = None) -> dict[str, str]:
    """Cues that were not looked for because the resting face is not known well enough: kind →
    why.
    """
    s = settings or CueSettings()
    found = {}
    for kind, names in _READ_FROM.items():
        least = float(getattr(s, f"{kind}_enter_iod"))
        sd = rest.sd(*names)
        if sd > s.most_doubt * least:
            found[kind] = (
                f"the resting face is not known well enough: ±{sd:.2f} iod, where a change of "
                f"{least:.2f} is to be told; give a neutral clip (--neutral) or a profile"
            )
    return found


def _expression(face: _Shown, s: CueSettings) -> Iterator[Cue]:
    if face.is_known(s.brow_raise_enter_iod, _READ_FROM["brow_raise"], s):
        both_brows = face.column("AU01") + face.column("AU02")
        enter, leave = s.brow_raise_enter_iod, s.brow_raise_leave_iod
        raises = _spans(face.relative, both_brows / 2, enter, leave, s.brow_min_s, s)
        yield from _cues("brow_raise", "face", raises, "iod")

    if face.is_known(s.brow_lower_enter_iod, _READ_FROM["brow_lower"], s):
        enter, leave = s.brow_lower_enter_iod, s.brow_lower_leave_iod
        lowers = _spans(face.relative, face.column("AU04"), enter, leave, s.brow_min_s, s)
        yield from _cues("brow_lower", "face", lowers, "iod")

    smiles: list[Event] = []
    if face.is_known(s.smile_enter_iod, _READ_FROM["smile"], s):
        enter, leave = s.smile_enter_iod, s.smile_leave_iod
        smiles = _spans(face.relative, _smile(face, s), enter, leave, s.smile_min_s, s)
        yield from _cues("smile", "face", smiles, "iod")

    if face.is_known(s.lip_press_enter_iod, _READ_FROM["lip_press"], s):
        pressed = np.where(mouth_closed(face.raw), face.column("AU24"), np.nan)
        enter, leave = s.lip_press_enter_iod, s.lip_press_leave_iod
        presses = _spans(face.relative, pressed, enter, leave, s.lip_press_min_s, s)
        presses = [event for event in presses if _share_inside(event, smiles) < 0.5]
        yield from _cues("lip_press", "face", presses, "iod")


def _smile(face: _Shown, s: CueSettings) -> np.ndarray:
    """AU12 ``(T,)`` where the preconditions of a smile hold, else nan.

    Every corner of the mouth that is seen is raised, and no eye is shut while the other is open.
    """
    smile = face.column("AU12")
    raised = np.ones(len(smile), bool)
    for half in ("AU12_left", "AU12_right"):
        raised &= ~(face.column(half) < s.smile_leave_iod)
    # A low value ends a smile; what is not a smile is left out of it.
    holds = eyes_alike(face.raw) & (raised | (smile < s.smile_leave_iod))
    return np.where(holds, smile, np.nan)


def _mean_opening(face: Track) -> np.ndarray:
    """Mean opening ``(T,)`` of the eyes that are seen; nan where none is."""
    left = _column(face, "eye_opening_left")
    right = _column(face, "eye_opening_right")
    sides = np.stack([left, right])
    seen = np.isfinite(sides)
    n_seen = np.where(seen.any(0), seen.sum(0), np.nan)
    return np.where(seen, sides, 0).sum(0) / n_seen


def _eyes_closed(face: Track, s: CueSettings) -> Iterator[Cue]:
    opening = _mean_opening(face)
    if not np.isfinite(opening).any():
        return
    usual = float(np.nanpercentile(opening, 75))
    if usual < MIN_OPENING:
        return
    shut = 1 - opening / usual
    min_s = _least_s(face, s.closed_min_s, s)
    found = find_events(face.times_s, shut, s.closed_enter, s.closed_leave, min_s, 0.0, s.max_gap_s)
    yield from _cues("eyes_closed", "face", found, "share shut", _lasting)


def _lasting(event: Event) -> str:
    return f"{event.end_s - event.start_s:.1f} s"


# --- voice
# -----------------------------------------------------------------------------------------------------------


def _pauses(voice: VoiceResult, words: Sequence[Word], s: CueSettings) -> Iterator[Cue]:
    """Silences that hold no word that was found in the sound: soft speech may be taken for silence.

    A word that only reaches into a silence takes nothing of it, and neither do words with other
    times, which are spread over the silences too.
    """
    found = [word for word in words if word.timing is Timing.ALIGNED]
    for pause in voice.pauses:
        held = [word for word in found if pause[0] < (word.start_s + word.end_s) / 2 < pause[1]]
        for start_s, end_s in unworded.uncovered(pause, held):
            lasts_s = end_s - start_s
            if lasts_s >= s.long_pause_s:
                told = f"{lasts_s:.1f} s of silence"
                yield Cue("long_pause", "voice", start_s, end_s, lasts_s, "s", told)


def _stretches(voice: VoiceResult, s: CueSettings) -> list[tuple[int, int, float]]:
    """First row, row after the last, and syllables per second of the stretches between pauses."""
    track = voice.track
    speaking = track.valid & ~_inside(track.times_s, voice.pauses)
    spoken = track.column("speech") == 1
    syllable = track.column("syllable") == 1
    stretches = []
    for a, b in runs(speaking):
        inside = np.flatnonzero(spoken[a:b])
        spoken_s = len(inside) * HOP_S
        if spoken_s >= s.rate_stretch_s:
            first = a + inside[0]
            last = a + inside[-1] + 1
            n_syllables = syllable[first:last].sum()
            stretches.append((first, last, n_syllables / spoken_s))
    return stretches


def _rates(voice: VoiceResult, s: CueSettings) -> Iterator[Cue]:
    """Stretches between pauses whose syllables per second are far from this person's median
    stretch.
    """
    track = voice.track
    overall = float(voice.summary.get("articulation_rate_per_s", math.nan))
    if not len(track) or math.isnan(overall):
        return
    stretches = _stretches(voice, s)
    if len(stretches) < s.n_rate_stretches:
        return
    usual = float(np.median([rate for _, _, rate in stretches]))
    for first, last, rate in stretches:
        far = abs(rate - usual) >= s.rate_least_per_s
        kind = _pace(rate / usual, s) if usual and far else None
        if kind is None:
            continue
        start_s = float(track.times_s[first])
        end_s = float(track.times_s[last - 1] + HOP_S)
        told = f"{rate:.1f} syllables per second; this person's median is {usual:.1f}"
        yield Cue(kind, "voice", start_s, end_s, float(rate), "syllables/s", told)


def doubtful_pace(voice: VoiceResult, settings: CueSettings | None = None) -> dict[str, str]:
    """Cues of pace that were not looked for because the person's usual rate is not known: kind →
    why.
    """
    s = settings or CueSettings()
    n = len(_stretches(voice, s)) if len(voice.track) else 0
    if n >= s.n_rate_stretches:
        return {}
    why = sentence(
        "{n} stretch[|es] of at least {s} s [is|are] spoken between pauses; {needed} are needed to tell "
        "this person's usual rate",
        n,
        s=f"{s.rate_stretch_s:g}",
        needed=s.n_rate_stretches,
    )
    return {"slow_speech": why, "fast_speech": why}


def _pace(ratio: float, s: CueSettings) -> str | None:
    """The kind of cue that a stretch this many times as fast as usual is, if any."""
    if ratio <= s.slow_ratio:
        return "slow_speech"
    if ratio >= s.fast_ratio:
        return "fast_speech"
    return None


def _inside(times_s: np.ndarray, spans: tuple[tuple[float, float], ...]) -> np.ndarray:
    inside = np.zeros(len(times_s), bool)
    for start_s, end_s in spans:
        edges_s = [start_s - HOP_S / 2, end_s - HOP_S / 2]
        first, last = np.searchsorted(times_s, edges_s)
        inside[first:last] = True
    return inside
