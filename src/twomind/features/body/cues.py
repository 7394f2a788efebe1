"""Cues of the body: shoulders, posture, hands. Each is a change against what is usual in this
recording, and none is looked for where what it needs is not seen.

Thresholds are lengths on a body (an eye distance is about 63 mm), set before any film was looked
at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from twomind.features.events import Event, find_events
from twomind.types import Cue, Track

KINDS = {
    "shrug": "Shrug: both shoulders are raised and fall again (BAH body cue: shrug)",
    "shoulder_raise": "Shoulder raised, one alone or both for long",
    "posture_shift": "Posture shift: the body moves and stays there (BAH body cue: posture)",
    "lean_away": "Leaning away from the camera (BAH body cue: posture)",
    "hand_at_face": "A hand at or before the face (BAH body cues: hands, scratch)",
    "hand_movement": "A hand moves quickly (BAH body cue: hands)",
    "restless": "Restless: the body moves most of the time (BAH body cue: restless)",
}


@dataclass(frozen=True)
class BodyCueSettings:
    """When something the body does is a cue; lengths in distances between the eyes."""

    #: Shoulder nearer to the ears, and higher in the picture, than usual.
    raise_enter_iod: float = 0.5
    raise_leave_iod: float = 0.3
    raise_min_s: float = 0.4
    #: A raise of both that lasts longer than this is not a shrug.
    shrug_max_s: float = 3.0
    #: Of a raise of one shoulder, at least this share is that of one alone.
    one_sided: float = 0.5
    #: Middle of the shoulders elsewhere after than before, each over so many seconds.
    shift_iod: float = 1.0
    shift_hold_s: float = 1.6
    #: How much smaller face and shoulders look than usual (share), for (seconds).
    lean_enter: float = 0.12
    lean_leave: float = 0.08
    lean_min_s: float = 1.0
    #: Share of a hand over the face.
    face_enter: float = 0.3
    face_leave: float = 0.15
    face_min_s: float = 0.4
    hand_enter_iod_s: float = 4.0
    hand_leave_iod_s: float = 2.5
    hand_min_s: float = 0.4
    #: Faster than this is a motion; restless is who moves in this share of so many seconds.
    motion_iod_s: float = 0.5
    restless_share: float = 0.6
    restless_leave: float = 0.4
    restless_s: float = 8.0
    #: What is usual is the median; it needs so many seconds of rows.
    usual_s: float = 3.0
    merge_s: float = 0.5
    max_gap_s: float = 0.45


def body_cues(body: Track, settings: BodyCueSettings | None = None) -> tuple[Cue, ...]:
    """All cues of a body track, in order of kinds.

    Args:
        body: rows of body measures.
        settings: when something is a cue.
    """
    s = settings or BodyCueSettings()
    if len(body) < 3:
        return ()
    found = [*_raises(body, s), *_shifts(body, s), *_leaning(body, s)]
    found += [*_hands(body, s), *_restless(body, s)]
    return tuple(found)


def _less_usual(body: Track, name: str, s: BodyCueSettings) -> np.ndarray:
    """A column less its median ``(T,)``; nan where too little of it is known."""
    values = body.column(name)
    known = np.isfinite(values)
    steps_s = np.diff(body.times_s)
    hop_s = float(np.median(steps_s))
    if known.sum() * hop_s < s.usual_s:
        return np.full(len(values), np.nan)
    usual = float(np.median(values[known]))
    return values - usual


def _events(
    body: Track, values: np.ndarray, enter: float, leave: float, min_s: float, s: BodyCueSettings
) -> list[Event]:
    return find_events(body.times_s, values, enter, leave, min_s, s.merge_s, s.max_gap_s)


def _cues(kind: str, events: list[Event], unit: str) -> Iterator[Cue]:
    for event in events:
        yield Cue(kind, "body", event.start_s, event.end_s, event.value, unit)


def _raises(body: Track, s: BodyCueSettings) -> Iterator[Cue]:
    """Shrugs and raised shoulders: nearer to the ears and higher in the picture than usual, so that
    a lowered head is none.
    """
    higher = -_less_usual(body, "shoulder_y", s)
    sides = []
    for side in ("left", "right"):
        near_ear = _less_usual(body, f"{side}_shoulder_raise", s)
        # One shoulder alone lifts the middle by half.
        sides.append(np.minimum(near_ear, 2 * higher))
    left, right = sides
    enter, leave = s.raise_enter_iod, s.raise_leave_iod
    lower = np.minimum(left, right)
    both = _events(body, lower, enter, leave, s.raise_min_s, s)
    for event in both:
        lasts_s = event.end_s - event.start_s
        kind = "shrug" if lasts_s <= s.shrug_max_s else "shoulder_raise"
        yield Cue(kind, "body", event.start_s, event.end_s, event.value, "iod")
    for side, own, other in (("left", left, right), ("right", right, left)):
        is_alone = other <= s.one_sided * own
        not_raised = np.minimum(own, 0)
        alone = np.where(is_alone, own, not_raised)
        for event in _events(body, alone, enter, leave, s.raise_min_s, s):
            span = (event.start_s, event.end_s)
            yield Cue("shoulder_raise", "body", *span, event.value, "iod", f"own {side}")


def _shifts(body: Track, s: BodyCueSettings) -> Iterator[Cue]:
    """Places of the shoulders' middle that differ before and after, and hold both times."""
    columns = [body.column("shoulder_x"), body.column("shoulder_y")]
    places = np.stack(columns, axis=1)
    moved = np.full(len(body), np.nan)
    for row, now_s in enumerate(body.times_s):
        since_s = now_s - s.shift_hold_s
        until_s = now_s + s.shift_hold_s
        before = _held(body.times_s, places, since_s, now_s)
        after = _held(body.times_s, places, now_s, until_s)
        if before is not None and after is not None:
            moved[row] = float(np.linalg.norm(after - before))
    # What is held on both sides of a move is a peak as wide as the move.
    leave = 0.8 * s.shift_iod
    events = _events(body, moved, s.shift_iod, leave, 0.0, s)
    yield from _cues("posture_shift", events, "iod")


def _held(
    times_s: np.ndarray, places: np.ndarray, start_s: float, end_s: float
) -> np.ndarray | None:
    """The place ``(2,)`` in which the body stays over a span; None where it does not, or where
    too little is seen.
    """
    first, last = np.searchsorted(times_s, [start_s - 1e-6, end_s + 1e-6])
    inside = places[first:last]
    known = np.isfinite(inside[:, 0])
    if known.sum() < 3 or not _covers(times_s, start_s, end_s):
        return None
    middle: np.ndarray = np.median(inside[known], axis=0)
    return middle


def _covers(times_s: np.ndarray, start_s: float, end_s: float) -> bool:
    """Whether the rows reach from the begin of a span to its end."""
    from_begin = times_s[0] - 1e-6 <= start_s
    to_end = end_s <= times_s[-1] + 1e-6
    return bool(from_begin and to_end)


def _leaning(body: Track, s: BodyCueSettings) -> Iterator[Cue]:
    """Face and shoulders both look smaller than usual."""
    shares = []
    for name in ("face_size", "shoulder_width"):
        less = -_less_usual(body, name, s)
        is_known = np.isfinite(less).any()
        usual = np.nanmedian(body.column(name)) if is_known else np.nan
        shares.append(less / usual)
    smaller = np.minimum(*shares)
    events = _events(body, smaller, s.lean_enter, s.lean_leave, s.lean_min_s, s)
    yield from _cues("lean_away", events, "share smaller")


def _hands(body: Track, s: BodyCueSettings) -> Iterator[Cue]:
    at_face = body.column("hand_at_face")
    events = _events(body, at_face, s.face_enter, s.face_leave, s.face_min_s, s)
    yield from _cues("hand_at_face", events, "share")
    fast = body.column("hand_motion")
    events = _events(body, fast, s.hand_enter_iod_s, s.hand_leave_iod_s, s.hand_min_s, s)
    yield from _cues("hand_movement", events, "iod/s")


def _restless(body: Track, s: BodyCueSettings) -> Iterator[Cue]:
    """The share of moving rows in the seconds around each row."""
    motion = body.column("body_motion")
    known = np.isfinite(motion)
    moves = known & (motion >= s.motion_iod_s)
    shares = np.full(len(body), np.nan)
    half_s = s.restless_s / 2
    for row, now_s in enumerate(body.times_s):
        start_s = now_s - half_s
        end_s = now_s + half_s
        first, last = np.searchsorted(body.times_s, [start_s, end_s])
        n_known = known[first:last].sum()
        is_whole = _covers(body.times_s, start_s, end_s)
        if is_whole and n_known >= 0.8 * (last - first):
            n_moves = moves[first:last].sum()
            shares[row] = n_moves / n_known
    events = _events(body, shares, s.restless_share, s.restless_leave, 0.0, s)
    yield from _cues("restless", events, "share of time")
