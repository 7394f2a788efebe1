"""The settings of a synthetic study: how far people differ, how plainly a label shows, how noisy
everything is.

Every number is ground truth and is written into ``study.json``. The generator knows nothing of any
method. Published numbers are those of the BAH data set (rates per question, segment lengths, cue
shares) unless a line says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from twomind.core.errors import BadInput
from twomind_synth.world import World

LAYOUTS = ("bah", "biovid", "stressid")
MODALITIES = ("audio", "body", "facial", "language")

#: Share of cue mentions (%) per modality, for the cues that a drawn head, voice and transcript can
#: show.
STUDY_CUES: dict[str, dict[str, float]] = {
    "audio": {
        "pause": 37.1,
        "slow": 23.0,
        "breath": 13.3,
        "fast": 7.6,
        "quiet": 3.2,
        "stutter": 2.1,
    },
    "language": {
        **{
            "filler_sound": 20.4,
            "positive": 11.4,
            "motivation": 11.2,
            "filler_word": 11.0,
            "negative": 8.6,
        },
        **{
            "fail": 6.6,
            "hedge": 6.2,
            "excuse": 6.0,
            "no_motivation": 4.9,
            "correction": 3.8,
            "repeat": 3.0,
        },
    },
    "facial": {
        **{"gaze_away": 25.8, "brow_raise": 15.5, "eyes_closing": 10.3, "smile": 8.7, "mouth": 7.4},
        **{"lip_press": 6.2, "brow_lower": 5.7, "hanging": 4.8, "squint": 4.7, "eye_roll": 2.5},
    },
    "body": {
        **{
            "head_shake": 17.4,
            "look_away": 12.3,
            "tilt": 12.3,
            "posture": 9.4,
            "shrug": 9.4,
            "throw": 8.6,
        },
        **{"nod": 7.7, "restless": 3.6},
    },
}
#: Weights with which cues are drawn so that the shares above come out; from
#: ``experiments/study_cue_weights.py``.
CUE_WEIGHTS: dict[str, dict[str, float]] = {
    "audio": {
        "pause": 80.8,
        "slow": 22.6,
        "breath": 5.7,
        "fast": 7.8,
        "quiet": 0.5,
        "stutter": 0.3,
    },
    "language": {
        **{
            "filler_sound": 22.9,
            "positive": 21.8,
            "motivation": 18.5,
            "filler_word": 7.6,
            "negative": 11.9,
        },
        **{
            "fail": 8.3,
            "hedge": 3.2,
            "excuse": 3.2,
            "no_motivation": 4.9,
            "correction": 2.4,
            "repeat": 1.6,
        },
    },
    "facial": {
        **{"gaze_away": 40.8, "brow_raise": 14.6, "eyes_closing": 7.7, "smile": 15.1, "mouth": 5.4},
        **{"lip_press": 4.1, "brow_lower": 8.0, "hanging": 3.2, "squint": 2.5, "eye_roll": 1.6},
    },
    "body": {
        **{
            "head_shake": 86.6,
            "look_away": 8.6,
            "tilt": 7.7,
            "posture": 6.7,
            "shrug": 5.5,
            "throw": 4.6,
        },
        **{"nod": 17.0, "restless": 1.4},
    },
}
#: Cues that take sides: +1 for, -1 against. All others show hesitation without a side.
CUE_SIDES = {
    **{"positive": 1, "motivation": 1, "negative": -1, "fail": -1, "no_motivation": -1},
    **{"smile": 1, "brow_lower": -1, "nod": 1, "head_shake": -1},
}
#: Share (%) of each pair among segments whose modalities contradict each other (face, language,
#: body, voice).
CONFLICT_PAIRS: dict[tuple[str, str], float] = {
    ("facial", "language"): 42.6,
    ("body", "language"): 26.6,
    ("audio", "language"): 16.5,
    ("body", "facial"): 10.1,
    ("audio", "facial"): 2.7,
    ("audio", "body"): 1.6,
}
#: How the release names the pairs.
PAIR_NAMES = {
    ("facial", "language"): "face-language",
    ("body", "language"): "language-body",
    ("audio", "language"): "language-audio",
    ("body", "facial"): "face-body",
    ("audio", "facial"): "face-audio",
    ("audio", "body"): "audio-body",
}
#: The knobs by which people differ: 0 makes everybody alike in this respect, 1 is the default, more
#: exaggerates.
PERSON_KNOBS = (
    *("rest", "gain", "asymmetry", "saturation", "mix", "habit", "shape", "skin"),
    *("fillers", "tempo", "pitch", "vocabulary", "camera", "head"),
)


@dataclass(frozen=True)
class StudyWorld(World):
    """One world for all three layouts. Sizes of differences between people first, then how hard the
    label is to see.
    """

    #: resting intensity of the action units
    rest: float = 1.0
    #: expressivity: factor per person and per action unit
    gain: float = 1.0
    #: left against right half of the face
    asymmetry: float = 1.0
    #: how early an expression stops growing
    saturation: float = 1.0
    #: which of the shared cues a person prefers
    mix: float = 1.0
    #: movements that a person makes all the time and that mean nothing
    habit: float = 1.0
    #: face shape and glasses
    shape: float = 1.0
    #: skin, hair, age lines, beard
    skin: float = 1.0
    #: fillers outside A/H
    fillers: float = 1.0
    #: speed of speech
    tempo: float = 1.0
    #: middle, range and level of the voice
    pitch: float = 1.0
    #: favourite fillers and topics
    vocabulary: float = 1.0
    #: framing, light, exposure and noise of the camera; where the head rests
    camera: float = 1.0
    #: slow movement of the head, blinks
    head: float = 1.0

    #: 0: what shows the label is plain to see; 1: nothing of it shows
    subtlety: float = 0.35
    #: size of everything that has nothing to do with label or person: measurement noise, moods of a
    #: clip, camera noise
    noise: float = 1.0
    #: share of the frames in which the face is lost, besides what the measuring chain loses by
    #: itself (fast path only)
    lost: float = 0.0
    #: probability that a segment was overlooked, and, per answer without one, that one was
    #: invented; in the layouts with a label per clip, that the label is wrong
    label_noise: float = 0.04
    #: standard deviation of an annotated boundary (s)
    boundary_s: float = 0.2
    #: share of A/H segments whose modalities contradict each other; 0 leaves no contradiction at
    #: all
    conflict: float = 0.38
    #: of these, the share in which one modality also contradicts itself (smile over frown, good and
    #: bad words)
    within: float = 0.3
    #: probability that a modality takes the side of what is said (or of its opposite, in a
    #: conflict) visibly
    sides: float = 0.7

    #: mean and standard deviation of an answer (s), and its limits
    answer_s: tuple[float, float] = (26.76, 16.47)
    answer_limits_s: tuple[float, float] = (3.0, 96.0)
    #: mean and standard deviation of an A/H segment (s), and its limits
    segment_s: tuple[float, float] = (4.29, 2.45)
    segment_limits_s: tuple[float, float] = (0.3, 23.8)
    #: probability of exactly one segment in an answer with A/H (332 of 775), and the mean number
    #: where there are more
    one_segment: float = 332 / 775
    more_segments: float = 1172 / 443

    #: share of the filler sounds that the transcripts do not have (Whisper drops some 96 % of them)
    fillers_dropped: float = 0.96

    #: BioVid: clips per class and person (20 in the release), their length, and where the pain
    #: begins
    clips_per_class: int = 20
    clip_s: float = 5.5
    #: StressID: length of a task (s); one to three minutes in the release
    task_s: float = 16.0

    #: overrides of World
    clause_pause_s: tuple[float, float] = (0.4, 1.3)
    habit_per_min: float = 14.0

    def __post_init__(self) -> None:
        for name in (*PERSON_KNOBS, "noise", "boundary_s"):
            if not 0 <= getattr(self, name) <= 3:
                raise BadInput(
                    f"StudyWorld.{name}: expected a size in 0..3, got {getattr(self, name)}"
                )
        shares = (
            "subtlety",
            "label_noise",
            "conflict",
            "within",
            "sides",
            "one_segment",
            "fillers_dropped",
            "lost",
        )
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise BadInput(
                    f"StudyWorld.{name}: expected a share in 0..1, got {getattr(self, name)}"
                )
        if self.clips_per_class < 1 or self.clips_per_class > 20:
            raise BadInput(
                f"StudyWorld.clips_per_class: expected 1..20, got {self.clips_per_class}"
            )
        for name in ("clip_s", "task_s"):
            if not 2.0 <= getattr(self, name) <= 300:
                raise BadInput(f"StudyWorld.{name}: expected 2..300 s, got {getattr(self, name)}")
        if len(self.ah_rate) != 7 or not all(0 <= rate <= 1 for rate in self.ah_rate):
            raise BadInput(f"StudyWorld.ah_rate: expected seven shares in 0..1, got {self.ah_rate}")

    def alike(self) -> StudyWorld:
        """The same world with the person shift at zero: the negative control of every
        adaptation.
        """
        zero: dict[str, Any] = dict.fromkeys(PERSON_KNOBS, 0.0)
        return replace(self, **zero)


def with_knobs(world: StudyWorld, settings: tuple[str, ...]) -> StudyWorld:
    """The world with ``name=value`` settings.

    Raises:
        BadInput: no such setting, or a value that is not a number.
    """
    known = {f.name: getattr(world, f.name) for f in fields(world)}
    changed: dict[str, Any] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        name = name.strip()
        numbers = [n for n, value in known.items() if isinstance(value, int | float)]
        if name not in numbers:
            raise BadInput(
                f"knob {setting!r}: expected name=number with a name among {', '.join(numbers)}"
            )
        try:
            changed[name] = type(known[name])(float(text))
        except ValueError as error:
            raise BadInput(
                f"knob {setting!r}: expected a number after '=', got {text!r}"
            ) from error
    return replace(world, **changed)
