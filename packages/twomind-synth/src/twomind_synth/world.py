"""The settings of a world of synthetic people, and the factors in which its people differ. All of it is
ground truth.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

#: The published share of cue mentions per modality set (BAH, cue statistics); the rest is left out
#: and renormalised.
MODALITY_SETS: dict[tuple[str, ...], float] = {
    ("audio", "body", "facial", "language"): 54.1,
    ("body", "facial", "language"): 14.7,
    ("audio", "facial", "language"): 11.3,
    ("audio", "body", "facial"): 8.1,
    ("facial", "language"): 3.4,
    ("audio", "facial"): 2.8,
}

#: Published frequency (% of the mentions of a modality) of the cues that a drawn head and its voice
#: can show.
CUE_SHARES: dict[str, dict[str, float]] = {
    "audio": {
        "pause": 37.1,
        "slow": 23.0,
        "breath": 13.3,
        "fast": 7.6,
        "quiet": 3.2,
        "stutter": 2.1,
    },
    "language": {
        "filler_sound": 20.4,
        "torn": 11.4 + 11.2,  # positive and motivation words
        "filler_word": 11.0,
        "hedge": 6.2,
        "correction": 3.8,
        "repeat": 3.0,
    },
    "facial": {
        "gaze_away": 25.8,
        "brow_raise": 15.5,
        "smile": 8.7,
        "mouth": 7.4,
        "lip_press": 6.2,
        "brow_lower": 5.7,
        "squint": 4.7,
        "eye_roll": 2.5,
    },
    "body": {
        "head_shake": 17.4,
        "look_away": 12.3,
        "tilt": 12.3,
        "posture": 9.4,
        "shrug": 9.4,
        "nod": 7.7,
    },
}


@dataclass(frozen=True)
class World:
    """Settings of one world of synthetic people. Shares and times follow the published BAH numbers
    unless said.
    """

    #: probability that the answer to question 1..7 shows ambivalence or hesitancy (A/H)
    ah_rate: tuple[float, ...] = (0.221, 0.620, 0.579, 0.947, 0.500, 0.398, 0.885)
    #: mean and standard deviation of the number of clauses in an answer
    n_clauses: tuple[float, float] = (5.0, 0.9)
    #: probability of a second A/H segment in an answer that shows A/H (BAH: 443 of 775; fewer here,
    #: in shorter answers)
    second_segment: float = 0.3
    #: mean number of cues shown per modality of a segment
    n_cues: float = 1.8
    #: size of the movements that show A/H: 1 plain to see, 0 invisible
    strength: float = 1.0
    #: movements of the same kinds per minute outside A/H, the same for every label
    habit_per_min: float = 8.0
    #: probability of an audible breath in a long pause inside A/H, besides the segments that show
    #: breath as their cue
    breath: float = 0.0
    #: level of the background noise (dB relative to full scale, RMS)
    noise_db: float = -66.0
    #: pause between clauses (s): shortest and longest
    clause_pause_s: tuple[float, float] = (0.28, 0.55)
    #: pause shown as a cue of A/H (s): shortest and longest
    long_pause_s: tuple[float, float] = (0.7, 1.6)

    def plain(self) -> dict[str, Any]:
        """The settings as plain values, for hashes and truth files."""
        return asdict(self)


@dataclass(frozen=True)
class Factors:
    """How one person differs from the others, apart from the face that ``face.Person`` draws. Known
    truth.
    """

    name: str
    seed: int
    index: int
    #: middle of the voice (Hz)
    pitch_hz: float
    #: how far pitch moves within a clause (semitones)
    pitch_range_st: float
    #: speed of speech, 1 is about 3 words per second
    tempo: float
    #: level of the voice (dB relative to full scale, RMS while speaking)
    level_db: float
    #: formant scale: 1 a long vocal tract, 1.17 a short one
    formant_scale: float
    #: probability of a filler before a clause outside A/H
    filler_rate: float
    #: this person's filler sounds and filler words, the favourite first
    filler_sounds: tuple[str, ...]
    filler_words: tuple[str, ...]
    #: blinks per minute
    blink_per_min: float
    #: side to which the eyes leave the camera: +1 the person's left, -1 right
    gaze_side: int
    #: a movement that this person makes all the time and that means nothing
    habit: str
    #: slow movement of the head (deg, standard deviation)
    sway_deg: float
    #: where the head points at rest (deg): yaw, pitch, roll
    rest_pose_deg: tuple[float, float, float]

    def plain(self) -> dict[str, Any]:
        return asdict(self)


HABITS = ("nod", "tilt", "brow_raise", "squint", "smile", "mouth")


def stream(seed: int, *keys: str | int) -> np.random.Generator:
    """An independent random stream per purpose: a new knob does not shift what the others draw."""
    words = [zlib.crc32(str(key).encode()) for key in keys]
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))


def person_factors(seed: int, index: int) -> Factors:
    """Person number ``index`` of the world ``seed``; the same however many others there are."""
    rng = stream(seed, "factors", index)
    low_voice = rng.random() < 0.5
    pitch_hz = float(rng.uniform(95, 145) if low_voice else rng.uniform(165, 235))
    sounds = rng.permutation(["um", "uh", "hmm", "er"])
    words = rng.permutation(["like", "you know", "well", "so yeah"])
    return Factors(
        name=f"drawn{seed}-{index:03d}",
        seed=seed,
        index=index,
        pitch_hz=round(pitch_hz, 2),
        pitch_range_st=round(float(rng.uniform(1.5, 4.0)), 3),
        tempo=round(float(rng.uniform(0.88, 1.18)), 3),
        level_db=round(float(rng.uniform(-25, -19)), 2),
        formant_scale=round(
            float(rng.uniform(0.97, 1.05) if low_voice else rng.uniform(1.08, 1.18)), 3
        ),
        filler_rate=round(float(rng.beta(1.5, 9.0)), 3),
        filler_sounds=tuple(str(w) for w in sounds[:2]),
        filler_words=tuple(str(w) for w in words[:2]),
        blink_per_min=round(float(rng.uniform(10, 24)), 2),
        gaze_side=int(rng.choice([-1, 1])),
        habit=str(rng.choice(HABITS)),
        sway_deg=round(float(rng.uniform(0.5, 1.8)), 3),
        rest_pose_deg=(
            round(float(rng.normal(0, 2.5)), 2),
            round(float(rng.normal(0, 2.0)), 2),
            round(float(rng.normal(0, 1.5)), 2),
        ),
    )


def choose(rng: np.random.Generator, shares: dict[str, float], n: int) -> list[str]:
    """``n`` different names (or all, where there are fewer), drawn by their shares."""
    names = list(shares)
    p = np.array([shares[name] for name in names], float)
    return [
        names[i] for i in rng.choice(len(names), min(n, len(names)), replace=False, p=p / p.sum())
    ]
