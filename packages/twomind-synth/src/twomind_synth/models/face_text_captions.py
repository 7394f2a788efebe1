"""What is said of a synthetic face while the face–text encoder learns: action units in words, with how
strong they are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: Words for everything a synthetic face can do; the first of each is how
#: :mod:`twomind.models.clip_au.phrases` says it.
WORDS: dict[str, tuple[str, ...]] = {
    "AU01": ("inner eyebrows raised", "inner brows up", "the inner part of the brows lifted"),
    "AU02": ("outer eyebrows raised", "outer brows up", "the outer part of the brows lifted"),
    "AU04": ("eyebrows lowered and drawn together", "a frown", "brows down and knitted"),
    "AU05": ("upper eyelids raised", "eyes wide open", "upper lids lifted"),
    "AU06": (
        "cheeks raised with wrinkled eye corners",
        "cheeks lifted",
        "crow's feet beside the eyes",
    ),
    "AU07": ("eyelids tightened", "lids tight", "lower lids drawn up"),
    "AU09": ("nose wrinkled", "a wrinkled nose", "wrinkles across the nose"),
    "AU10": ("upper lip raised", "upper lip up", "the upper lip lifted"),
    "AU12": ("lip corners pulled up in a smile", "a smile", "smiling", "lip corners up"),
    "AU14": ("lip corners tightened into dimples", "dimples", "dimpled lip corners"),
    "AU15": ("lip corners pulled down", "lip corners down", "mouth corners hanging"),
    "AU17": ("chin raised pushing up the lower lip", "chin raised", "chin up with a wrinkled chin"),
    "AU18": ("lips puckered", "a pout", "puckered mouth"),
    "AU20": ("lips stretched sideways", "lips stretched", "mouth drawn wide"),
    "AU23": ("lips tightened", "tight lips", "narrowed lips"),
    "AU24": ("lips pressed together", "pressed lips", "lips pressed"),
    "AU25": ("lips slightly parted", "lips parted", "lips apart"),
    "AU26": ("jaw dropped", "mouth open", "open jaw"),
    "AU43": ("eyes closed", "closed eyes", "eyes shut"),
    "left": ("head turned left", "looking to the left with the head"),
    "right": ("head turned right", "looking to the right with the head"),
    "up": ("head up", "head tilted up"),
    "down": ("head down", "head bowed"),
    "gaze_left": ("eyes looking left", "gaze to the left"),
    "gaze_right": ("eyes looking right", "gaze to the right"),
    "gaze_up": ("eyes looking up", "gaze up"),
    "gaze_down": ("eyes looking down", "gaze down"),
}
NAMES = tuple(WORDS)
#: What a mirrored picture shows.
MIRRORED = {"left": "right", "right": "left", "gaze_left": "gaze_right", "gaze_right": "gaze_left"}
SLIGHTLY, STRONGLY = 0.45, 0.8
MIN_SAID = 0.25
_BEGIN = ("", "a person with ", "a face with ", "someone with ")
_CALM = ("a neutral face", "a calm face", "nothing moves in the face", "a relaxed face")


def all_sentences() -> list[str]:
    """Every text that can be said, for the vocabulary."""
    extra = [*_BEGIN, *_CALM, "slightly", "strongly", "and", "no", "not"]
    return [*(t for texts in WORDS.values() for t in texts), *extra]


def caption(shown: Mapping[str, float], rng: np.random.Generator) -> str:
    """One sentence about what a face does: the movements above a quarter, strongest first more
    often, in any order.
    """
    said = [name for name, value in shown.items() if value >= MIN_SAID]
    if not said:
        return str(rng.choice(_CALM))
    weights = np.array([shown[name] for name in said])
    n = min(len(said), int(rng.integers(1, 5)))
    chosen = rng.choice(said, n, replace=False, p=weights / weights.sum())
    parts = []
    for name in chosen:
        how = (
            "slightly " if shown[name] < SLIGHTLY else "strongly " if shown[name] > STRONGLY else ""
        )
        parts.append(how + str(rng.choice(WORDS[name])))
    return str(rng.choice(_BEGIN)) + " and ".join(parts)
