"""Which face is the target person: follow one person through crossings and losses, and never jump
silently.

Faces are associated with known people by predicted position, size and look. A look is mean colours
of skin and hair and a few proportions of the face: enough to tell two people in one picture apart,
useless to recognise anybody elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from twomind.core.errors import BadInput
from twomind.features.face.tracker_mesh import FaceFinder, box_of

TARGETS = ("continuity", "largest", "central")
NO_FACE, OTHER_PERSON = "no face", "not the target person"

# Bare skin: the person's right half, the midline, the left half.
_SKIN_RIGHT, _SKIN_MIDDLE, _SKIN_LEFT = (
    [50, 101, 117, 205, 108, 36, 123],
    [151, 9, 195, 5],
    [280, 330, 346, 425, 337, 266, 352],
)
_LENGTHS = np.array(
    [(133, 362), (168, 2), (129, 358), (234, 454), (10, 168), (172, 397), (127, 356)]
)
_TOP, _BRIDGE, _NOSE, _EYES = 10, 168, 4, (33, 263)


@dataclass(frozen=True)
class TrackSettings:
    """How the target is chosen and followed."""

    target: str = (
        "continuity"  # the first pick is followed; largest, central: chosen anew in every frame
    )
    max_people: int = 4  # faces that are looked at when there is more than one person
    # frames between looks whether there are more people: one costs as much as a tracked frame
    check_every: int = 30
    crowd_hold_s: float = (
        3.0  # after the last sight of a second person, go on looking for all faces
    )
    small_every: int = 5  # frames between slow searches for small faces while there is none
    zoom_below: float = (
        0.16  # faces narrower than this share of the picture's width are read from an enlarged crop
    )
    look_gate: float = 1.0  # looks farther apart than this are two people
    switch_after_s: float = (
        4.0  # the target is given up for another person after an absence of this long
    )

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise BadInput(
                f"expected the target person to be one of {', '.join(TARGETS)}, got {self.target!r}"
            )


@dataclass(frozen=True)
class Sighting:
    """What one frame shows of the target: landmarks ``(478, 3)`` px, or None and why; about how
    many people.
    """

    landmarks_px: np.ndarray | None
    reason: str
    n_people: int


@dataclass(frozen=True)
class _Face:
    landmarks_px: np.ndarray
    middle: np.ndarray  # (2,) px
    size: float  # px
    look: np.ndarray


@dataclass
class _Person:
    id: int
    middle: np.ndarray
    size: float
    look: np.ndarray  # slow mean
    last_look: np.ndarray
    last_s: float
    since_s: float  # seen without a longer break since
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    n: int = 1


def look_of(rgb: np.ndarray, landmarks_px: np.ndarray) -> np.ndarray:
    """The look ``(D,)`` of a face, scaled so that a distance of 1 tells two people apart."""
    height, width = rgb.shape[:2]
    # Of a turned head only the near half shows skin; the far half's landmarks lie on hair or
    # background.
    right, left = landmarks_px[_EYES[0]], landmarks_px[_EYES[1]]
    span = float(np.linalg.norm(right - left))
    turn = float(landmarks_px[_NOSE, 0] - (right[0] + left[0]) / 2) / max(span, 1e-6)
    skin_points = (
        _SKIN_MIDDLE + (_SKIN_RIGHT if turn > -0.2 else []) + (_SKIN_LEFT if turn < 0.2 else [])
    )
    top, bridge = landmarks_px[_TOP, :2], landmarks_px[_BRIDGE, :2]
    spots = np.concatenate(
        [landmarks_px[skin_points, :2], [1.25 * top - 0.25 * bridge, 1.4 * top - 0.4 * bridge]]
    )
    column, row = np.clip(spots.astype(int), 0, (width - 1, height - 1)).T
    colours = rgb[row, column].astype(np.float32) + 2
    skin, hair = (
        np.sort(colours[: len(skin_points)], axis=0)[len(skin_points) // 2],
        colours[len(skin_points) :].mean(axis=0),
    )
    tone = np.log(skin)
    chroma = np.array([tone[0] - tone[1], tone[2] - tone[1]])
    hair_level = np.log(hair.mean() / skin.mean())
    ends = landmarks_px[_LENGTHS]
    length = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
    shape = np.log(length / max(span, 1e-6))
    return np.concatenate(
        [[1.6 * tone.mean()], 4.0 * chroma, [0.5 * np.clip(hair_level, -2, 1)], 2.5 * shape]
    )


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b))


def _cheapest(costs: np.ndarray) -> Iterable[tuple[int, int]]:
    """Pairs (row, column) of least cost in all; one face and one person, the usual case, need no
    solver.
    """
    if costs.size == 1:
        return [(0, 0)]
    from scipy.optimize import linear_sum_assignment

    return zip(*linear_sum_assignment(costs), strict=True)


class Tracker:
    """Follow one person. Feed every frame in order to :meth:`update`."""

    def __init__(self, finder: FaceFinder, settings: TrackSettings | None = None) -> None:
        self.settings = settings or TrackSettings()
        self.n_switches = 0
        self.max_people_seen = 0
        self._finder = finder
        self._people: list[_Person] = []
        self._target: _Person | None = None
        self._index = -1
        self._next_id = 0
        self._crowd_until_s = -np.inf
        self._zoom_box: np.ndarray | None = None
        self._missed = 0
        self._time_s = 0.0
        self._plain = False  # one face that was expected: the next frame will be asked for it alone

    def update(
        self, rgb: np.ndarray, time_s: float, following: np.ndarray | None = None
    ) -> Sighting:
        """Look at the next frame ``(H, W, 3)`` uint8.

        ``following`` is the picture of the frame after it, where that is known: the back end then
        works on it while the caller deals with this one. What is found does not depend on it.
        """
        self._index += 1
        self._time_s = time_s
        checked_next = (self._index + 1) % self.settings.check_every == 0
        if following is not None and self._plain and not checked_next:
            self._finder.prepare(
                following
            )  # for the usual case, that this frame is as plain as the last one
        faces = self._look(rgb)
        if following is not None and self._plain and not checked_next:
            self._finder.ahead(following)
        pairs = self._assign(faces)
        target = self._choose(pairs, rgb.shape)
        n_people = len(faces)
        self.max_people_seen = max(self.max_people_seen, n_people)
        if target is None:
            return Sighting(None, OTHER_PERSON if faces else NO_FACE, n_people)
        self._zoom_box = (
            box_of(target.landmarks_px)
            if self._is_small(target, rgb) and self._zoom_box is not None
            else None
        )
        return Sighting(target.landmarks_px, "", n_people)

    # ---- looking

    def _look(self, rgb: np.ndarray) -> list[_Face]:
        """The faces of this frame, by the cheapest way that suffices."""
        check = self._index % self.settings.check_every == 0
        self._plain = False
        if self._time_s < self._crowd_until_s:
            faces = self._describe(rgb, self._finder.several(rgb))
        elif self._zoom_box is not None:
            found = self._finder.within(rgb, self._zoom_box)
            faces = self._describe(rgb, [] if found is None else [found])
            if check or not faces or self._suspicious(faces[0]):
                # Leave the crop: the person may have come nearer, and only the whole picture shows
                # other people.
                self._zoom_box = None
                faces = self._describe(rgb, self._finder.several(rgb)) or self._small(rgb)
        elif check and self._finder.count(rgb) > 1:
            faces = self._describe(rgb, self._finder.several(rgb))
        else:
            found = self._finder.one(rgb)
            faces = self._describe(rgb, [] if found is None else [found])
            if faces and self._suspicious(faces[0]):
                faces = self._describe(rgb, self._finder.several(rgb)) or faces
                self._crowd_until_s = self._time_s + self.settings.crowd_hold_s
            else:
                self._plain = bool(faces)
        if len(faces) > 1:
            self._crowd_until_s = self._time_s + self.settings.crowd_hold_s
        if faces:
            self._missed = 0
            return faces
        self._missed += 1
        return self._small(rgb) if self._missed % self.settings.small_every == 1 else []

    def _small(self, rgb: np.ndarray) -> list[_Face]:
        faces = self._describe(rgb, self._finder.small(rgb))
        if faces:
            self._zoom_box = box_of(faces[0].landmarks_px)
            self._missed = 0
        return faces

    def _is_small(self, face: _Face, rgb: np.ndarray) -> bool:
        return face.size < self.settings.zoom_below * rgb.shape[1]

    def _describe(self, rgb: np.ndarray, found: list[np.ndarray]) -> list[_Face]:
        faces: list[_Face] = []
        for landmarks in found:
            box = box_of(landmarks)
            middle, size = (box[:2] + box[2:]) / 2, float(np.mean(box[2:] - box[:2]))
            inside = 0 <= middle[0] < rgb.shape[1] and 0 <= middle[1] < rgb.shape[0]
            if (
                size > 4
                and inside
                and all(_distance(middle, f.middle) > 0.35 * size for f in faces)
            ):
                faces.append(_Face(landmarks, middle, size, look_of(rgb, landmarks)))
        return faces

    def _suspicious(self, face: _Face) -> bool:
        """Does the only face that was looked for not continue the target?"""
        return self._target is not None and self._cost(self._target, face) is None

    # ---- who is who

    def _cost(self, person: _Person, face: _Face) -> float | None:
        """How badly a face continues a person, or None when it cannot be."""
        gap_s = max(self._time_s - person.last_s, 0.0)
        predicted = person.middle + person.velocity * min(gap_s, 0.4)
        away = _distance(face.middle, predicted) / max(min(person.size, face.size), 1.0)
        reach = 0.45 + 2.5 * gap_s
        growth = abs(float(np.log(face.size / person.size)))
        look = _distance(person.look, face.look)
        gate = self.settings.look_gate
        if away > reach or growth > 0.35 + gap_s:
            return None
        alone = not any(p is not person and self._time_s - p.last_s < 5.0 for p in self._people)
        steady = (
            alone
            and gap_s < 0.25
            and away < 0.25
            and _distance(person.last_look, face.look) < 0.6 * gate
        )
        if look > gate and not steady:
            return None
        return away / reach + growth / 0.5 + 2.0 * look / gate

    def _assign(self, faces: list[_Face]) -> list[tuple[_Person, _Face]]:
        """Give every face a person, old or new; people that were seen long ago and briefly are
        forgotten.
        """
        pairs: list[tuple[_Person, _Face]] = []
        left = set(range(len(faces)))
        if faces and self._people:
            never = 1e6
            costs = np.full((len(self._people), len(faces)), never)
            for i, person in enumerate(self._people):
                for k, face in enumerate(faces):
                    cost = self._cost(person, face)
                    costs[i, k] = never if cost is None else cost
            for i, k in _cheapest(costs):
                if costs[i, k] < never:
                    crowded = any(
                        _distance(f.middle, faces[k].middle) < 1.2 * f.size
                        for f in faces
                        if f is not faces[k]
                    )
                    self._see(self._people[i], faces[k], learn=not crowded)
                    pairs.append((self._people[i], faces[k]))
                    left.discard(int(k))
        for k in sorted(left):
            face = faces[k]
            person = _Person(
                self._next_id,
                face.middle,
                face.size,
                face.look,
                face.look,
                self._time_s,
                self._time_s,
            )
            self._next_id += 1
            self._people.append(person)
            pairs.append((person, face))
        self._people = [
            p
            for p in self._people
            if p is self._target or self._time_s - p.last_s < (10.0 if p.n > 15 else 1.0)
        ]
        return pairs

    def _see(self, person: _Person, face: _Face, learn: bool) -> None:
        gap_s = self._time_s - person.last_s
        if 0 < gap_s < 0.25:
            velocity = (face.middle - person.middle) / gap_s
            person.velocity = 0.7 * person.velocity + 0.3 * velocity
        elif gap_s >= 0.25:
            person.velocity = np.zeros(2)
        if gap_s > 0.5:
            person.since_s = self._time_s
        person.middle, person.size, person.last_s, person.last_look = (
            face.middle,
            face.size,
            self._time_s,
            face.look,
        )
        person.n += 1
        if learn:
            person.look = person.look + max(0.03, 1.0 / person.n) * (face.look - person.look)

    def _choose(self, pairs: list[tuple[_Person, _Face]], shape: tuple[int, ...]) -> _Face | None:
        """The target's face in this frame, after deciding who the target is."""
        faces = {person.id: face for person, face in pairs}
        if not pairs:
            return None
        if self._target is None:
            self._target = self._pick(pairs, shape)
        elif self.settings.target != "continuity":
            best = self._pick(pairs, shape)
            if best is not self._target and self._clearly_better(best, faces, shape):
                self._target = best
                self.n_switches += 1
        elif (
            self._target.id not in faces
            and self._time_s - self._target.last_s > self.settings.switch_after_s
        ):
            stayed = [(p, f) for p, f in pairs if self._time_s - p.since_s >= 1.0]
            if stayed:
                self._target = self._pick(stayed, shape)
                self.n_switches += 1
        return faces.get(self._target.id)

    def _merit(self, face: _Face, shape: tuple[int, ...]) -> float:
        middle = np.array([shape[1], shape[0]]) / 2
        off = _distance(face.middle, middle) / float(np.hypot(*middle))
        if self.settings.target == "central":
            return 1.0 - off
        return face.size * (1.0 if self.settings.target == "largest" else 1.0 - 0.5 * off)

    def _pick(self, pairs: list[tuple[_Person, _Face]], shape: tuple[int, ...]) -> _Person:
        return max(pairs, key=lambda pair: self._merit(pair[1], shape))[0]

    def _clearly_better(
        self, best: _Person, faces: dict[int, _Face], shape: tuple[int, ...]
    ) -> bool:
        """A tenth better than the present target, so that two people of one size do not
        alternate.
        """
        assert self._target is not None
        if self._target.id not in faces:
            return self._time_s - self._target.last_s > 0.5
        return self._merit(faces[best.id], shape) > 1.1 * self._merit(faces[self._target.id], shape)
