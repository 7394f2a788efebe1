"""Which face is the target person: follow one person through crossings and losses, and never jump
silently.

Faces are associated with known people by predicted position, size and look. A look is mean colours
of skin and hair and a few proportions of the face: enough to tell two people in one picture apart,
useless to recognise anybody elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from twomind.core.errors import BadInput
from twomind.features.face.head import Fit, misfit
from twomind.features.face.tracker_mesh import (
    FaceFinder,
    GivesBlendshapes,
    TurnedFinder,
    box_of,
)

#: A face that fits a head worse by this, in distances between the eyes, is looked at anew.
_WORSE_FIT = 0.02
TARGETS = ("continuity", "largest", "central")
NO_FACE, OTHER_PERSON = "no face", "not the target person"

# Bare skin: the person's right half, the midline, the left half.
_SKIN_RIGHT = np.array([50, 101, 117, 205, 108, 36, 123])
_SKIN_MIDDLE = np.array([151, 9, 195, 5])
_SKIN_LEFT = np.array([280, 330, 346, 425, 337, 266, 352])
_SKIN_MOSTLY_RIGHT = np.concatenate([_SKIN_MIDDLE, _SKIN_RIGHT])
_SKIN_MOSTLY_LEFT = np.concatenate([_SKIN_MIDDLE, _SKIN_LEFT])
_SKIN_ALL = np.concatenate([_SKIN_MIDDLE, _SKIN_RIGHT, _SKIN_LEFT])
_LENGTHS = np.array(
    [(133, 362), (168, 2), (129, 358), (234, 454), (10, 168), (172, 397), (127, 356)]
)
_TOP, _BRIDGE, _NOSE, _EYES = 10, 168, 4, (33, 263)


def _spots(landmarks_px: np.ndarray, skin_points: np.ndarray) -> np.ndarray:
    """Where to look at a face's colours ``(K + 2, 2)``: skin, then two spots of hair above it."""
    top = landmarks_px[_TOP, :2]
    bridge = landmarks_px[_BRIDGE, :2]
    hair_low = 1.25 * top - 0.25 * bridge
    hair_high = 1.4 * top - 0.4 * bridge
    return np.concatenate([landmarks_px[skin_points, :2], [hair_low, hair_high]])


def _colours(rgb: np.ndarray, spots: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    limits = (width - 1, height - 1)
    inside = np.minimum(np.maximum(spots.astype(int), 0), limits)
    column, row = inside.T
    return rgb[row, column].astype(np.float32) + 2


def _visible_skin(turn: float) -> np.ndarray:
    """Of a turned head only the near half shows skin; the far half's landmarks lie on hair or
    background.
    """
    if turn <= -0.2:
        return _SKIN_MOSTLY_LEFT
    return _SKIN_MOSTLY_RIGHT if turn >= 0.2 else _SKIN_ALL


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
    # landmarks that fit a head worse than this (root mean square, in distances between the eyes)
    # may be drawn over a face that is upside down: the picture is turned, to see
    doubt_fit: float = 0.05
    turn_ratio: float = 0.75  # turned, a face must fit this much better than it does as it is

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise BadInput(
                f"expected the target person to be one of {', '.join(TARGETS)}, got {self.target!r}"
            )


@dataclass(frozen=True)
class Sighting:
    """What one frame shows of the target: landmarks ``(478, 3)`` px, or None and why; about how
    many people; the face's blendshapes ``(52,)`` where the back end gives them.
    """

    landmarks_px: np.ndarray | None
    reason: str
    n_people: int
    blendshapes: np.ndarray | None = None


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


#: A person and their face in this frame.
_Seen = tuple[_Person, _Face]


def look_of(rgb: np.ndarray, landmarks_px: np.ndarray) -> np.ndarray:
    """The look ``(D,)`` of a face, scaled so that a distance of 1 tells two people apart."""
    right = landmarks_px[_EYES[0]]
    left = landmarks_px[_EYES[1]]
    span = max(_distance(right, left), 1e-6)
    nose_x = landmarks_px[_NOSE, 0] - (right[0] + left[0]) / 2
    turn = float(nose_x) / span
    skin_points = _visible_skin(turn)
    n_skin = len(skin_points)
    colours = _colours(rgb, _spots(landmarks_px, skin_points))
    by_brightness = np.sort(colours[:n_skin], axis=0)
    skin = by_brightness[n_skin // 2]
    hair = _mean(colours[n_skin:])
    tone = np.log(skin)
    red, green, blue = tone
    hair_level = np.log(_mean(hair) / _mean(skin))
    ends = landmarks_px[_LENGTHS]
    across = ends[:, 0] - ends[:, 1]
    length = np.sqrt(np.add.reduce(across * across, axis=1))
    look = np.empty(4 + len(_LENGTHS), np.float32)
    look[0] = 1.6 * _mean(tone)
    look[1] = 4.0 * (red - green)
    look[2] = 4.0 * (blue - green)
    look[3] = 0.5 * np.clip(hair_level, -2, 1)
    look[4:] = 2.5 * np.log(length / span)
    return look


def _mean(values: np.ndarray) -> np.ndarray:
    """Over the first axis; a few times quicker than ``mean`` for a handful of numbers."""
    total: np.ndarray = np.add.reduce(values, axis=0)
    return total / len(values)


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """Between two points; a few times quicker than ``norm``."""
    step = a - b
    return float(np.sqrt(step.dot(step)))


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
        # Asked once: to ask it of each picture takes a twentieth of our own work.
        self._gives_shapes = isinstance(finder, GivesBlendshapes)
        self._people: list[_Person] = []
        self._target: _Person | None = None
        self._index = -1
        self._next_id = 0
        self._crowd_until_s = -np.inf
        self._zoom_box: np.ndarray | None = None
        self._missed = 0
        self._time_s = 0.0
        self._plain = False  # one face that was expected: the next frame will be asked for it alone
        self._shape: tuple[int, int] | None = None
        self._upright = finder
        self._upside_down = TurnedFinder(finder)
        self._fit = Fit()
        self._doubted = -np.inf  # index of the frame that was turned last, to see
        self._doubted_fit = np.inf  # how badly its face fitted

    def update(
        self, rgb: np.ndarray, time_s: float, following: np.ndarray | None = None
    ) -> Sighting:
        """Look at the next frame.

        Args:
            rgb: the picture ``(H, W, 3)`` uint8.
            time_s: on the recording's clock.
            following: the picture of the frame after it, where that is known: the back end then
                works on it while the caller deals with this one. What is found does not depend on
                it.
        """
        self._index += 1
        self._time_s = time_s
        self._fit_to(rgb.shape[:2])
        checked_next = (self._index + 1) % self.settings.check_every == 0
        if following is not None and self._plain and not checked_next:
            # For the usual case, that this frame is as plain as the last one.
            self._finder.prepare(following)
        faces = self._look(rgb)
        if following is not None and self._plain and not checked_next:
            self._finder.ahead(following)
        pairs = self._assign(faces)
        target = self._choose(pairs, rgb.shape)
        n_people = len(faces)
        self.max_people_seen = max(self.max_people_seen, n_people)
        if target is None:
            return Sighting(None, OTHER_PERSON if faces else NO_FACE, n_people)
        zoomed = self._zoom_box is not None
        self._zoom_box = None
        if zoomed and self._is_small(target, rgb):
            self._zoom_box = box_of(target.landmarks_px)
        shapes = None
        if self._gives_shapes:
            finder = cast(GivesBlendshapes, self._finder)
            shapes = finder.blendshapes(target.landmarks_px)
        return Sighting(target.landmarks_px, "", n_people, shapes)

    def _fit_to(self, shape: tuple[int, ...]) -> None:
        """Keep what is known of people in shares of the picture: where its size changes, they
        change theirs.
        """
        height, width = shape
        before, self._shape = self._shape, (height, width)
        if before is None or before == self._shape:
            return
        height_before, width_before = before
        scale = np.array([width / width_before, height / height_before])
        for person in self._people:
            person.middle = person.middle * scale
            person.velocity = person.velocity * scale
            person.size *= float(scale.mean())
        if self._zoom_box is not None:
            self._zoom_box = self._zoom_box * np.tile(scale, 2)

    # ---- looking

    def _look(self, rgb: np.ndarray) -> list[_Face]:
        """The faces of this frame, upright or upside down."""
        faces = self._look_one_way(rgb)
        if faces:
            return self._turned(rgb, faces[0]) if self._in_doubt(faces) else faces
        if self._target is None and self._missed % self.settings.small_every == 1:
            return self._turned(rgb, None)
        return []

    def _in_doubt(self, faces: list[_Face]) -> bool:
        """May the only face be upside down? Asked of one that fits no head well: once in a while,
        and at once where it fits worse than when it was asked last.
        """
        if len(faces) > 1:
            return False
        fit = self._fit.above(faces[0].landmarks_px, self.settings.doubt_fit)
        if fit is None:
            return False
        lately = self._index - self._doubted < self.settings.check_every
        if lately and fit < self._doubted_fit + _WORSE_FIT:
            return False
        self._doubted, self._doubted_fit = self._index, fit
        return True

    def _turned(self, rgb: np.ndarray, face: _Face | None) -> list[_Face]:
        """The face as it is, or that of the picture turned by half, where that fits a head better
        and the detector is surer of it; from then on pictures are looked at in that way.
        """
        here = self._finder
        other = self._upside_down if here is self._upright else self._upright
        if face is None:
            kept = []
            region = rgb
            found = other.several(rgb) or other.small(rgb)
            limit = self.settings.doubt_fit
        else:
            kept = [face]
            box = box_of(face.landmarks_px)
            region = _around(rgb, box)
            within = other.within(rgb, box)
            found = [] if within is None else [within]
            limit = self.settings.turn_ratio * misfit(face.landmarks_px)
        if not found or misfit(found[0]) > limit:
            return kept
        if other.score(region) <= here.score(region):
            return kept
        self._finder = other
        self._plain = False
        self._zoom_box = None
        self._missed = 0
        return self._describe(rgb, found)

    def _look_one_way(self, rgb: np.ndarray) -> list[_Face]:
        """The faces of this frame, by the cheapest way that suffices."""
        check = self._index % self.settings.check_every == 0
        self._plain = False
        if self._time_s < self._crowd_until_s:
            faces = self._several(rgb)
        elif self._zoom_box is not None:
            faces = self._look_zoomed(rgb, self._zoom_box, check)
        elif check and self._finder.count(rgb) > 1:
            faces = self._several(rgb)
        else:
            faces = self._look_for_one(rgb)
        if len(faces) > 1:
            self._expect_a_crowd()
        if faces:
            self._missed = 0
            return faces
        self._missed += 1
        if self._missed % self.settings.small_every == 1:
            return self._small(rgb)
        return []

    def _several(self, rgb: np.ndarray) -> list[_Face]:
        return self._describe(rgb, self._finder.several(rgb))

    def _expect_a_crowd(self) -> None:
        self._crowd_until_s = self._time_s + self.settings.crowd_hold_s

    def _look_zoomed(self, rgb: np.ndarray, box: np.ndarray, check: bool) -> list[_Face]:
        """The face in the enlarged crop where it was last seen; the whole picture when in doubt."""
        found = self._finder.within(rgb, box)
        faces = [] if found is None else self._describe(rgb, [found])
        if faces and not check and not self._suspicious(faces[0]):
            return faces
        # Leave the crop: the person may have come nearer, and only the whole picture shows other
        # people.
        self._zoom_box = None
        return self._several(rgb) or self._small(rgb)

    def _look_for_one(self, rgb: np.ndarray) -> list[_Face]:
        """The one face that is expected; all faces when it is somebody else's."""
        found = self._finder.one(rgb)
        faces = [] if found is None else self._describe(rgb, [found])
        if faces and self._suspicious(faces[0]):
            self._expect_a_crowd()
            return self._several(rgb) or faces
        self._plain = bool(faces)
        return faces

    def _small(self, rgb: np.ndarray) -> list[_Face]:
        faces = self._describe(rgb, self._finder.small(rgb))
        if faces:
            self._zoom_box = box_of(faces[0].landmarks_px)
            self._missed = 0
        return faces

    def _is_small(self, face: _Face, rgb: np.ndarray) -> bool:
        return face.size < self.settings.zoom_below * rgb.shape[1]

    def _describe(self, rgb: np.ndarray, found: list[np.ndarray]) -> list[_Face]:
        """Faces large enough, inside the picture, each one once."""
        height, width = rgb.shape[:2]
        faces: list[_Face] = []
        for landmarks in found:
            box = box_of(landmarks)
            middle = (box[:2] + box[2:]) / 2
            size = float(_mean(box[2:] - box[:2]))
            inside = 0 <= middle[0] < width and 0 <= middle[1] < height
            if size <= 4 or not inside:
                continue
            twice = any(_distance(middle, f.middle) <= 0.35 * size for f in faces)
            if not twice:
                look = look_of(rgb, landmarks)
                faces.append(_Face(landmarks, middle, size, look))
        return faces

    def _suspicious(self, face: _Face) -> bool:
        """Does the only face that was looked for not continue the target?"""
        if self._target is None:
            return False
        return self._cost(self._target, face) is None

    # ---- who is who

    def _cost(self, person: _Person, face: _Face) -> float | None:
        """How badly a face continues a person, or None when it cannot be."""
        gate = self.settings.look_gate
        gap_s = max(self._time_s - person.last_s, 0.0)
        moved = person.velocity * min(gap_s, 0.4)
        predicted = person.middle + moved
        smaller = max(min(person.size, face.size), 1.0)
        away = _distance(face.middle, predicted) / smaller
        reach = 0.45 + 2.5 * gap_s
        growth = abs(float(np.log(face.size / person.size)))
        if away > reach or growth > 0.35 + gap_s:
            return None
        look = _distance(person.look, face.look)
        if look > gate:
            still = gap_s < 0.25 and away < 0.25
            as_before = _distance(person.last_look, face.look) < 0.6 * gate
            if not (still and as_before and self._is_alone(person)):
                return None
        return away / reach + growth / 0.5 + 2.0 * look / gate

    def _is_alone(self, person: _Person) -> bool:
        """Was nobody else seen of late?"""
        others = [p for p in self._people if p is not person]
        return not any(self._time_s - p.last_s < 5.0 for p in others)

    def _assign(self, faces: list[_Face]) -> list[_Seen]:
        """Give every face a person, old or new; people that were seen long ago and briefly are
        forgotten.
        """
        pairs: list[_Seen] = []
        left = set(range(len(faces)))
        if faces and self._people:
            for i, k in self._continued(faces):
                person = self._people[i]
                face = faces[k]
                self._see(person, face, learn=not _crowded(face, faces))
                pairs.append((person, face))
                left.discard(k)
        for k in sorted(left):
            face = faces[k]
            pairs.append((self._new_person(face), face))
        self._people = [p for p in self._people if self._remembered(p)]
        return pairs

    def _continued(self, faces: list[_Face]) -> list[tuple[int, int]]:
        """Known people and the faces that continue them: (person, face), the cheapest in all."""
        never = 1e6
        costs = np.full((len(self._people), len(faces)), never)
        for i, person in enumerate(self._people):
            for k, face in enumerate(faces):
                cost = self._cost(person, face)
                if cost is not None:
                    costs[i, k] = cost
        found = []
        for i, k in _cheapest(costs):
            if costs[i, k] < never:
                found.append((int(i), int(k)))
        return found or self._after_a_cut(faces)

    def _after_a_cut(self, faces: list[_Face]) -> list[tuple[int, int]]:
        """The only face, where nobody was: after a cut or a zoom it is the one known person whose
        look it has; where two have it, or none, it is somebody new.
        """
        if len(faces) != 1:
            return []
        (face,) = faces
        alike = [i for i, person in enumerate(self._people) if self._looks_like(person, face)]
        if len(alike) != 1:
            return []
        (only,) = alike
        person = self._people[only]
        person.middle = face.middle
        person.velocity = np.zeros(2)
        return [(only, 0)]

    def _looks_like(self, person: _Person, face: _Face) -> bool:
        """As usual, or as in the last picture?"""
        as_usual = _distance(person.look, face.look)
        as_before = _distance(person.last_look, face.look)
        return min(as_usual, as_before) <= self.settings.look_gate

    def _new_person(self, face: _Face) -> _Person:
        now_s = self._time_s
        look = face.look
        person = _Person(self._next_id, face.middle, face.size, look, look, now_s, now_s)
        self._next_id += 1
        self._people.append(person)
        return person

    def _remembered(self, person: _Person) -> bool:
        """People that were seen long ago and briefly are forgotten, the target never."""
        if person is self._target:
            return True
        hold_s = 10.0 if person.n > 15 else 1.0
        return self._time_s - person.last_s < hold_s

    def _see(self, person: _Person, face: _Face, learn: bool) -> None:
        gap_s = self._time_s - person.last_s
        if 0 < gap_s < 0.25:
            velocity = (face.middle - person.middle) / gap_s
            person.velocity = 0.7 * person.velocity + 0.3 * velocity
        elif gap_s >= 0.25:
            person.velocity = np.zeros(2)
        if gap_s > 0.5:
            person.since_s = self._time_s
        person.middle = face.middle
        person.size = face.size
        person.last_s = self._time_s
        person.last_look = face.look
        person.n += 1
        if learn:
            rate = max(0.03, 1.0 / person.n)
            person.look = person.look + rate * (face.look - person.look)

    def _choose(self, pairs: list[_Seen], shape: tuple[int, ...]) -> _Face | None:
        """The target's face in this frame, after deciding who the target is."""
        if not pairs:
            return None
        faces = {person.id: face for person, face in pairs}
        if self._target is None:
            self._target = self._pick(pairs, shape)
        elif self.settings.target != "continuity":
            best = self._pick(pairs, shape)
            if best is not self._target and self._clearly_better(best, faces, shape):
                self._switch_to(best)
        elif self._target.id not in faces and self._given_up(self._target):
            stayed = []
            for person, face in pairs:
                if self._time_s - person.since_s >= 1.0:
                    stayed.append((person, face))
            if stayed:
                self._switch_to(self._pick(stayed, shape))
        return faces.get(self._target.id)

    def _switch_to(self, person: _Person) -> None:
        self._target = person
        self.n_switches += 1

    def _given_up(self, person: _Person) -> bool:
        return self._time_s - person.last_s > self.settings.switch_after_s

    def _merit(self, face: _Face, shape: tuple[int, ...]) -> float:
        middle = np.array([shape[1], shape[0]]) / 2
        off = _distance(face.middle, middle) / float(np.hypot(*middle))
        if self.settings.target == "central":
            return 1.0 - off
        if self.settings.target == "largest":
            return face.size
        return face.size * (1.0 - 0.5 * off)

    def _pick(self, pairs: list[_Seen], shape: tuple[int, ...]) -> _Person:
        merits = [self._merit(face, shape) for _, face in pairs]
        best = merits.index(max(merits))
        person, _ = pairs[best]
        return person

    def _clearly_better(
        self, best: _Person, faces: dict[int, _Face], shape: tuple[int, ...]
    ) -> bool:
        """A tenth better than the present target, so that two people of one size do not
        alternate.
        """
        target = self._target
        assert target is not None
        if target.id not in faces:
            return self._time_s - target.last_s > 0.5
        present = self._merit(faces[target.id], shape)
        return self._merit(faces[best.id], shape) > 1.1 * present


def _around(rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The picture around a face, twice as wide and high as the face."""
    height, width = rgb.shape[:2]
    margin = (box[2:] - box[:2]) / 2
    limits = (width, height)
    x0, y0 = np.clip(box[:2] - margin, 0, limits).astype(int)
    x1, y1 = np.clip(box[2:] + margin, 0, limits).astype(int)
    return rgb[y0:y1, x0:x1]


def _crowded(face: _Face, faces: list[_Face]) -> bool:
    """Does another face stand so near that colours may be mixed up?"""
    for other in faces:
        away = _distance(other.middle, face.middle)
        if other is not face and away < 1.2 * other.size:
            return True
    return False
