"""The people of a study: how each one differs, by named factors that are the ground truth of the
person shift.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twomind_synth.camera import Camera
from twomind_synth.identity import AU_NAMES, SIDED_UNITS, Person
from twomind_synth.study_world import STUDY_CUES, StudyWorld
from twomind_synth.world import Factors, person_factors, stream

#: What pain does to a face, and how strongly (after Prkachin & Solomon 2008; Kunz et al. 2019):
#: brows, orbit, levator, closed eyes, stretched or open mouth; some people smile in pain.
PAIN = {
    **{"AU04": 0.8, "AU06": 0.6, "AU07": 0.75, "AU09": 0.45, "AU10": 0.45, "AU43": 0.5},
    **{"AU20": 0.3, "AU25": 0.35, "AU26": 0.25, "AU12": 0.15},
}
#: What stress does to face, eyes, head and voice, at its height (directions after the reviews of
#: Giannakakis et al. 2017 and 2019; the sizes are ours): action units, blinks per minute, degrees,
#: semitones, factors.
STRESS = {
    **{"AU04": 0.5, "AU07": 0.4, "AU17": 0.25, "AU23": 0.4, "AU24": 0.35, "AU14": 0.3, "AU20": 0.2},
    **{"blink": 0.6, "gaze": 0.6, "sway": 0.6, "pitch": 0.6, "fast": 0.5},
}
#: Meaningless movements that may be somebody's habit: the same kinds that show A/H in others.
STUDY_HABITS = (
    *(
        "nod",
        "tilt",
        "brow_raise",
        "squint",
        "smile",
        "mouth",
        "gaze_away",
        "look_away",
        "brow_lower",
        "restless",
    ),
    *("eyes_closing", "head_shake", "hanging", "lip_press"),
)
#: Resting intensities (standard deviation of the half-normal) of a face that looks tired, stern,
#: friendly …
_MOODS = {
    **{
        "AU01": 0.2,
        "AU02": 0.18,
        "AU04": 0.3,
        "AU05": 0.15,
        "AU06": 0.2,
        "AU07": 0.25,
        "AU09": 0.1,
        "AU10": 0.12,
    },
    **{
        "AU12": 0.25,
        "AU14": 0.15,
        "AU15": 0.25,
        "AU17": 0.2,
        "AU20": 0.12,
        "AU23": 0.2,
        "AU24": 0.25,
        "AU25": 0.12,
    },
    **{"AU43": 0.12},
}
_MIDDLE = Factors(
    name="",
    seed=0,
    index=0,
    pitch_hz=150.0,
    pitch_range_st=2.7,
    tempo=1.0,
    level_db=-22.0,
    formant_scale=1.07,
    filler_rate=0.14,
    filler_sounds=("um", "uh"),
    filler_words=("like", "well"),
    blink_per_min=16.0,
    gaze_side=1,
    habit="nod",
    sway_deg=1.0,
    rest_pose_deg=(0.0, 0.0, 0.0),
)
#: The saturation of everybody when the knob is 0.
_SATURATION = 0.6


@dataclass(frozen=True)
class StudyPerson:
    """One person of a study. ``subject`` is the name in the layout; ``visit`` counts days
    from 1.
    """

    subject: str
    index: int
    visit: int
    factors: Factors
    look: Person
    camera: Camera
    #: curvature of 1 - exp(-k x): expressions level off the earlier the larger it is
    saturation: float
    #: preference per modality and cue (mean 1 over what the cue shares give), and per sign of pain
    #: and of stress
    mix: dict[str, dict[str, float]]
    #: probability that the answer takes the visible side at all: how much this person's face and
    #: head go along
    displays: dict[str, float]
    #: how plainly each modality of this person shows A/H (factor around 1): some show it in the
    #: face, some in the voice
    shows: dict[str, float]
    #: habitual movements and how many of them a minute
    habits: tuple[str, ...]
    habit_per_min: float
    #: probability that a clause outside A/H is hedged, and that it is spoken haltingly
    hedge_rate: float
    #: which of the topics this person talks about
    topic: int
    #: share of pain or stress that shows at all
    openness: float

    def plain(self) -> dict[str, Any]:
        """All factors as plain values, for ``study.json``."""
        found = {
            k: getattr(self, k)
            for k in self.__dataclass_fields__
            if k not in ("factors", "look", "camera")
        }
        return {
            **found,
            "habits": list(self.habits),
            "factors": self.factors.plain(),
            "look": self.look.plain(),
            "camera": self.camera.plain(),
        }


def study_person(
    world: StudyWorld,
    seed: int,
    index: int,
    subject: str,
    visit: int = 1,
    size: tuple[int, int] = (320, 240),
) -> StudyPerson:
    """Person number ``index``; the same however many others there are. A second visit changes only
    the surroundings.

    ``size`` is the picture's (width, height) in px.
    """
    rng = stream(seed, "study", "person", index)
    factors = _factors(world, seed, index, subject)
    look = _look(world, seed, index, subject, rng)
    openness = float(np.clip(np.exp(-0.45 * world.gain * abs(rng.normal())), 0.25, 1.0))
    kinds = [str(k) for k in rng.permutation(STUDY_HABITS)[: int(rng.integers(2, 4))]]
    plain_kinds = STUDY_HABITS if world.habit == 0 else tuple(kinds)
    rate = world.habit_per_min * float(np.exp(world.habit * rng.normal(0, 0.5)))
    saturation = _SATURATION * float(np.exp(world.saturation * rng.normal(0.2, 0.9)))
    mix = {name: _mix(world, shares, rng) for name, shares in STUDY_CUES.items()}
    mix |= {"pain": _mix(world, PAIN, rng), "stress": _mix(world, STRESS, rng)}
    displays = {
        m: float(np.clip(1 + world.mix * rng.normal(0, 0.3), 0.2, 1.4))
        for m in ("audio", "body", "facial")
    }
    shows = {
        m: float(np.clip(np.exp(world.mix * rng.normal(0, 0.5)), 0.3, 1.8)) for m in STUDY_CUES
    }
    topic = int(rng.integers(3))
    hedge_rate = float(np.clip(_between(world.fillers, 0.2, float(rng.beta(0.9, 3.0))), 0, 0.9))
    if visit > 1:
        look = _next_day(world, look, stream(seed, "study", "day", index, visit))
    return StudyPerson(
        subject=subject,
        index=index,
        visit=visit,
        factors=factors,
        look=look,
        camera=study_camera(world, seed, index, visit, size),
        saturation=round(saturation, 4),
        mix=mix,
        displays={k: round(v, 4) for k, v in displays.items()},
        shows={k: round(v, 4) for k, v in shows.items()},
        habits=plain_kinds,
        habit_per_min=round(rate, 3),
        hedge_rate=round(hedge_rate, 4),
        topic=topic if world.vocabulary > 0 else -1,
        openness=round(openness, 4),
    )


def _between(size: float, usual: float, own: float) -> float:
    """``size`` of the way from the usual value to the person's own."""
    return usual + size * (own - usual)


def _factors(world: StudyWorld, seed: int, index: int, subject: str) -> Factors:
    own, usual = person_factors(seed, index), _MIDDLE
    named = world.vocabulary > 0
    return replace(
        own,
        name=subject,
        pitch_hz=round(_between(world.pitch, usual.pitch_hz, own.pitch_hz), 2),
        pitch_range_st=round(
            max(0.3, _between(world.pitch, usual.pitch_range_st, own.pitch_range_st)), 3
        ),
        level_db=round(_between(world.pitch, usual.level_db, own.level_db), 2),
        formant_scale=round(_between(world.pitch, usual.formant_scale, own.formant_scale), 3),
        tempo=round(
            float(np.clip(_between(1.4 * world.tempo, usual.tempo, own.tempo), 0.6, 1.7)), 3
        ),
        filler_rate=round(
            float(
                np.clip(_between(1.6 * world.fillers, usual.filler_rate, own.filler_rate), 0, 0.9)
            ),
            3,
        ),
        filler_sounds=own.filler_sounds if named else usual.filler_sounds,
        filler_words=own.filler_words if named else usual.filler_words,
        blink_per_min=round(
            max(3.0, _between(world.head, usual.blink_per_min, own.blink_per_min)), 2
        ),
        gaze_side=own.gaze_side if world.asymmetry > 0 else usual.gaze_side,
        habit=own.habit if world.habit > 0 else usual.habit,
        sway_deg=round(max(0.1, _between(world.head, usual.sway_deg, own.sway_deg)), 3),
        rest_pose_deg=_pose([_between(world.camera, 0.0, v) for v in own.rest_pose_deg]),
    )


def _pose(values: list[float]) -> tuple[float, float, float]:
    yaw, pitch, roll = (round(v, 2) for v in values)
    return yaw, pitch, roll


_SHAPES = (
    *(
        "face_width",
        "face_height",
        "jaw",
        "chin",
        "eye_distance",
        "eye_size",
        "eye_tilt",
        "nose_width",
        "nose_length",
    ),
    *("mouth_width", "lip_fullness", "brow_height", "brow_thickness", "brow_arch"),
)
_SKINS = (
    "age",
    "skin",
    "lip_colour",
    "hair_colour",
    "hair_style",
    "iris_colour",
    "shirt_colour",
    "beard",
)


def _look(
    world: StudyWorld, seed: int, index: int, subject: str, rng: np.random.Generator
) -> Person:
    own, usual = Person.random(stream(seed, "look", index), subject), Person()
    values: dict[str, Any] = {
        name: round(float(_between(world.shape, getattr(usual, name), getattr(own, name))), 4)
        for name in _SHAPES
    }
    # Colours and styles cannot be half of something: any size above 0 keeps them.
    values |= {name: getattr(own if world.skin > 0 else usual, name) for name in _SKINS}
    values["glasses"] = own.glasses if world.shape > 0 else usual.glasses
    for name in (
        "face_width",
        "face_height",
        "eye_distance",
        "eye_size",
        "mouth_width",
        "lip_fullness",
    ):
        values[name] = float(np.clip(values[name], 0.7, 1.3))
    rest = {au: abs(float(rng.normal(0, top))) for au, top in _MOODS.items()}
    whole = float(rng.normal(-0.15, 0.35))
    gain = {au: whole + float(rng.normal(0, 0.35)) for au in AU_NAMES if au != "AU43"}
    lean = {au: float(rng.normal(0, 0.2)) for au in SIDED_UNITS if au != "AU43"}
    return Person(
        id=subject,
        **values,
        rest={au: round(float(np.clip(world.rest * v, 0, 0.7)), 4) for au, v in rest.items()},
        gain={
            au: round(float(np.clip(np.exp(world.gain * v), 0.2, 1.4)), 4) for au, v in gain.items()
        },
        asymmetry={
            au: round(float(np.clip(world.asymmetry * v, -0.5, 0.5)), 4) for au, v in lean.items()
        },
    )


def study_camera(
    world: StudyWorld, seed: int, index: int, visit: int, size: tuple[int, int]
) -> Camera:
    """Room, light and webcam of one person on one day; picture ``size`` (width, height) px."""
    own = Camera.random(stream(seed, "study", "camera", index, visit), *size)
    usual = Camera(width_px=size[0], height_px=size[1])
    names = (
        "face_size",
        "offset_x",
        "offset_y",
        "exposure",
        "temperature",
        "light_yaw",
        "light_pitch",
    )
    values: dict[str, Any] = {
        n: round(float(_between(world.camera, getattr(usual, n), getattr(own, n))), 4)
        for n in names
    }
    kept = own if world.camera > 0 else usual
    return replace(
        kept,
        **values,
        light_strength=round(
            float(np.clip(_between(world.camera, 0.5, own.light_strength), 0, 1)), 4
        ),
        noise=round(world.noise * _between(world.camera, usual.noise, own.noise), 3),
        jitter_px=0.0,
        seed=own.seed,
    )


def _next_day(world: StudyWorld, look: Person, rng: np.random.Generator) -> Person:
    """Another day: other clothes, and a resting face that is a little different; who it
    is stays.
    """
    other = Person.random(rng, look.id)
    rest = {
        au: round(float(np.clip(v + world.camera * rng.normal(0, 0.06), 0, 0.7)), 4)
        for au, v in look.rest.items()
    }
    return replace(
        look, shirt_colour=other.shirt_colour if world.camera > 0 else look.shirt_colour, rest=rest
    )


def _mix(world: StudyWorld, shares: dict[str, float], rng: np.random.Generator) -> dict[str, float]:
    """How much this person prefers each of the shared cues: log-normal around 1, none is ever
    impossible.
    """
    raw = np.exp(world.mix * rng.normal(0, 1.1, len(shares)))
    # The mean over people stays near the published shares.
    raw = raw / (np.exp((world.mix * 1.1) ** 2 / 2))
    return {name: round(float(v), 4) for name, v in zip(shares, raw, strict=True)}


def factors_plain(people: list[StudyPerson]) -> dict[str, Any]:
    """Ground truth of all people by subject, one entry per visit."""
    out: dict[str, Any] = {}
    for person in people:
        out.setdefault(person.subject, {})[f"visit_{person.visit}"] = person.plain()
    return out
