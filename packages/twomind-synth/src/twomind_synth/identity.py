"""Who a synthetic person is, what the face does at one moment, and what is really drawn of it.

Everything here is plain numbers and strings, so that the truth of a drawn clip can be written as
JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache

import numpy as np

from twomind.core.errors import BadInput

#: The action units that a synthetic face can do, under the names by which they are measured.
AU_NAMES = (
    *("AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12", "AU14"),
    *("AU15", "AU17", "AU18", "AU20", "AU23", "AU24", "AU25", "AU26", "AU43"),
)
#: Action units that act on each half of the face by itself and may be asymmetric.
SIDED_UNITS = (
    "AU01",
    "AU02",
    "AU04",
    "AU05",
    "AU06",
    "AU07",
    "AU10",
    "AU12",
    "AU14",
    "AU15",
    "AU20",
    "AU43",
)
HAIR_STYLES = ("bald", "buzz", "short", "parted", "fringe", "bob", "long", "bun", "curly")
GLASSES = ("none", "thin", "thick")
BEARDS = ("none", "stubble", "full", "moustache", "goatee")

Colour = tuple[int, int, int]  # RGB, 0..255
_SKIN_RAMP = np.array(
    [
        *((240, 210, 188), (233, 194, 166), (221, 176, 143), (204, 153, 116)),
        *((180, 127, 91), (150, 102, 72), (120, 80, 58), (94, 63, 49)),
    ],
    float,
)
_HAIR = (
    (36, 28, 26),
    (62, 42, 32),
    (98, 64, 42),
    (142, 96, 58),
    (196, 156, 98),
    (150, 70, 40),
    (150, 148, 146),
)
_IRIS = ((74, 50, 34), (96, 66, 40), (88, 100, 62), (70, 104, 128), (96, 118, 130))
_SHIRTS = (
    (70, 92, 128),
    (128, 74, 78),
    (74, 112, 96),
    (96, 88, 120),
    (60, 66, 76),
    (176, 160, 132),
    (190, 196, 202),
)


@lru_cache(maxsize=256)
def au_name(key: str | int) -> str:
    """The fixed name (``AU12``) of ``12``, ``"12"``, ``"AU12"``, ``"au12"``; 45 (blink) is drawn as
    ``AU43``.
    """
    digits = str(key).upper().removeprefix("AU").strip()
    number = int(digits) if digits.isdigit() else -1
    name = "AU43" if number == 45 else f"AU{number:02d}"
    if name not in AU_NAMES:
        raise BadInput(
            f"expected an action unit among {', '.join(AU_NAMES)} (or AU45), got {key!r}: use one "
            "of these"
        )
    return name


def skin_colour(tone: float, warmth: float = 0.0) -> Colour:
    """RGB of a skin ``tone`` from 0 (lightest) to 1 (darkest); ``warmth`` -1 (cool) to 1 (warm)."""
    at = np.clip(tone, 0, 1) * (len(_SKIN_RAMP) - 1)
    rgb = np.array([np.interp(at, np.arange(len(_SKIN_RAMP)), _SKIN_RAMP[:, k]) for k in range(3)])
    red, green, blue = (
        int(v) for v in np.clip(rgb * (1 + np.array([0.02, 0.0, -0.05]) * warmth), 0, 255)
    )
    return red, green, blue


@dataclass(frozen=True)
class Person:
    """One drawn identity. Shape values are factors around 1; ``rest``, ``gain``, ``asymmetry`` are
    per action unit.
    """

    id: str = "drawn"
    face_width: float = 1.0  # of the whole head
    face_height: float = 1.0  # of the whole head
    jaw: float = 1.0  # width of the lower face
    chin: float = 1.0  # width of the chin
    eye_distance: float = 1.0  # between the eye centres
    eye_size: float = 1.0
    eye_tilt: float = 0.0  # -1..1, outer corner down..up
    nose_width: float = 1.0
    nose_length: float = 1.0
    mouth_width: float = 1.0
    lip_fullness: float = 1.0
    brow_height: float = 0.0  # -1..1, low..high
    brow_thickness: float = 1.0
    brow_arch: float = 1.0
    age: float = 0.2  # 0..1: lines at rest
    skin: Colour = (224, 179, 146)
    lip_colour: float = 0.5  # 0..1, pale..red
    hair_colour: Colour = (62, 42, 32)
    hair_style: str = "short"
    iris_colour: Colour = (74, 50, 34)
    shirt_colour: Colour = (70, 92, 128)
    glasses: str = "none"
    beard: str = "none"
    rest: Mapping[str, float] = field(default_factory=dict)  # resting intensity, added; absent = 0
    gain: Mapping[str, float] = field(default_factory=dict)  # expressivity, multiplied; absent = 1
    asymmetry: Mapping[str, float] = field(
        default_factory=dict
    )  # -0.5..0.5, + = own left stronger; absent = 0

    def __post_init__(self) -> None:
        for name, value, known in (
            ("hair_style", self.hair_style, HAIR_STYLES),
            ("glasses", self.glasses, GLASSES),
            ("beard", self.beard, BEARDS),
        ):
            if value not in known:
                raise BadInput(f"Person.{name}: expected one of {', '.join(known)}, got {value!r}")
        for name in ("rest", "gain", "asymmetry"):
            object.__setattr__(
                self, name, {au_name(k): float(v) for k, v in getattr(self, name).items()}
            )

    @classmethod
    def random(cls, rng: np.random.Generator, id: str = "drawn") -> Person:
        """A plausible new person; the same generator state gives the same person."""
        return _random_person(rng, id)

    def plain(self) -> dict[str, object]:
        """As plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class FaceState:
    """What one person's face and body do at one moment. Angles in degrees, lengths in centimetres.

    Signs: yaw + turns to the person's own left (towards image right), pitch + up, roll + tilts to
    the own left shoulder; gaze is relative to the head with the same signs. ``aus`` takes names or
    numbers, intensity 0..1.
    """

    aus: Mapping[str | int, float] = field(default_factory=dict)
    blink: float = 0.0  # 0..1 lid closure (AU45), joined with AU43 by the larger one
    gaze_yaw: float = 0.0
    gaze_pitch: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    x_cm: float = 0.0  # + = image right
    y_cm: float = 0.0  # + = up
    z_cm: float = 0.0  # + = towards the camera
    mouth_open: float = 0.0  # speech: jaw and lips part, 0..1
    mouth_wide: float = 0.0  # speech: "ee", 0..1
    mouth_round: float = 0.0  # speech: "oo", 0..1
    breath: float = 0.0  # 0..1, chest filled
    shrug: float = 0.0  # 0..1, both shoulders up

    def __post_init__(self) -> None:
        aus: dict[str | int, float] = {}
        for key, value in self.aus.items():
            if not 0.0 <= value <= 1.5:
                raise BadInput(
                    f"FaceState.aus[{key!r}]: expected an intensity in 0..1, got {value}"
                )
            aus[au_name(key)] = max(float(value), aus.get(au_name(key), 0.0))
        object.__setattr__(self, "aus", aus)

    def plain(self) -> dict[str, object]:
        """As plain values, for JSON."""
        return asdict(self)


#: How much a full speech movement adds to an action unit: (field of FaceState, action unit,
#: intensity).
SPEECH = (
    ("mouth_open", "AU25", 0.85),
    ("mouth_open", "AU26", 0.55),
    ("mouth_wide", "AU20", 0.45),
    ("mouth_round", "AU18", 0.75),
)


def effective_sides(person: Person, state: FaceState) -> dict[str, tuple[float, float]]:
    """Drawn intensity ``(own left, own right)`` per action unit: rest + gain * intensity * (1 ±
    asymmetry) + speech.
    """
    speech = dict.fromkeys(AU_NAMES, 0.0)
    for name, au, amount in SPEECH:
        speech[au] += amount * getattr(state, name)
    sides = {}
    for au in AU_NAMES:
        rest, gain = person.rest.get(au, 0.0), person.gain.get(au, 1.0)
        lean = person.asymmetry.get(au, 0.0) if au in SIDED_UNITS else 0.0
        moved = gain * state.aus.get(au, 0.0)
        left, right = (
            min(max(rest + moved * (1 + s * lean) + speech[au], 0.0), 1.3) for s in (1, -1)
        )
        sides[au] = (left, right)
    left, right = sides["AU43"]
    sides["AU43"] = (min(max(left, state.blink), 1.0), min(max(right, state.blink), 1.0))
    return sides


def effective(person: Person, state: FaceState) -> dict[str, float]:
    """The drawn truth: intensity per action unit, mean of both sides, after rest, gain, asymmetry
    and speech.
    """
    return {au: (left + right) / 2 for au, (left, right) in effective_sides(person, state).items()}


def _random_person(rng: np.random.Generator, id: str) -> Person:
    def factor(spread: float) -> float:
        return round(float(np.clip(rng.normal(1.0, spread), 1 - 2 * spread, 1 + 2 * spread)), 3)

    def colour(choices: tuple[Colour, ...], spread: int) -> Colour:
        base = choices[int(rng.integers(len(choices)))]
        gain = (
            1 + rng.uniform(-spread, spread) / 100
        )  # one gain for all channels keeps the hue natural
        red, green, blue = (int(np.clip(v * gain, 12, 240)) for v in base)
        return red, green, blue

    tone = float(rng.uniform(0, 1))
    dark_only = _HAIR[:3] if tone > 0.55 else _HAIR  # light hair on dark skin would be rare
    moods = {
        "AU01": 0.12,
        "AU02": 0.1,
        "AU04": 0.15,
        "AU12": 0.15,
        "AU15": 0.15,
        "AU07": 0.12,
        "AU24": 0.12,
    }
    return Person(
        id=id,
        face_width=factor(0.045),
        face_height=factor(0.035),
        jaw=factor(0.06),
        chin=factor(0.12),
        eye_distance=factor(0.035),
        eye_size=factor(0.06),
        eye_tilt=round(float(rng.uniform(-0.7, 0.9)), 3),
        nose_width=factor(0.09),
        nose_length=factor(0.05),
        mouth_width=factor(0.06),
        lip_fullness=factor(0.1),
        brow_height=round(float(rng.uniform(-0.8, 0.8)), 3),
        brow_thickness=factor(0.18),
        brow_arch=factor(0.25),
        age=round(float(rng.uniform(0, 1) ** 1.5), 3),
        skin=skin_colour(tone, float(rng.uniform(-1, 1))),
        lip_colour=round(float(rng.uniform(0.2, 0.9)), 3),
        hair_colour=colour(dark_only, 25),
        hair_style=str(rng.choice(HAIR_STYLES)),
        iris_colour=colour(_IRIS[:2] if tone > 0.55 else _IRIS, 15),
        shirt_colour=colour(_SHIRTS, 20),
        glasses=str(rng.choice(GLASSES, p=(0.64, 0.2, 0.16))),
        beard=str(rng.choice(BEARDS, p=(0.66, 0.12, 0.1, 0.06, 0.06))),
        rest={au: round(float(max(0.0, rng.normal(0, top))), 3) for au, top in moods.items()},
        gain={
            au: round(float(np.clip(rng.lognormal(-0.1, 0.25), 0.5, 1.3)), 3)
            for au in AU_NAMES
            if au != "AU43"
        },
        asymmetry={
            au: round(float(np.clip(rng.normal(0, 0.1), -0.3, 0.3)), 3)
            for au in SIDED_UNITS
            if au != "AU43"
        },
    )
