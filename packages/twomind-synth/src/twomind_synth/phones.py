"""Letters to sounds and lip shapes, roughly: enough for a voice with known pitch and for lips that
move with speech.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Phone:
    """One sound: its length (ms at tempo 1), formants (Hz), level of voice and noise (0..1) and lip
    shape (0..1).
    """

    duration_ms: float
    formants_hz: tuple[float, float, float]
    voice: float
    noise: float
    opening: float
    width: float
    rounding: float
    noise_band: str = ""  # "s", "sh" or "f"

    @property
    def voiced(self) -> bool:
        return self.voice > 0


def _vowel(
    f1: float, f2: float, f3: float, opening: float, width: float, rounding: float, ms: float = 105
) -> Phone:
    return Phone(ms, (f1, f2, f3), 1.0, 0.0, opening, width, rounding)


def _consonant(
    formants_hz: tuple[float, float, float],
    voice: float,
    noise: float,
    lips: tuple[float, float, float],
    band: str = "",
    ms: float = 55,
) -> Phone:
    return Phone(ms, formants_hz, voice, noise, *lips, noise_band=band)


_NEUTRAL = (450.0, 1500.0, 2500.0)
VOWELS = {
    "ee": _vowel(310, 2250, 2950, 0.30, 0.85, 0.0, 120),
    "ea": _vowel(320, 2200, 2900, 0.32, 0.80, 0.0, 120),
    "oo": _vowel(330, 950, 2300, 0.25, 0.0, 1.0, 120),
    "ou": _vowel(560, 1050, 2400, 0.55, 0.0, 0.7, 125),
    "ow": _vowel(600, 1000, 2400, 0.60, 0.0, 0.7, 125),
    "ai": _vowel(520, 1900, 2550, 0.45, 0.65, 0.0, 125),
    "ay": _vowel(500, 1950, 2600, 0.45, 0.70, 0.0, 125),
    "ey": _vowel(480, 2000, 2600, 0.40, 0.70, 0.0, 115),
    "au": _vowel(620, 950, 2500, 0.65, 0.0, 0.5, 125),
    "oa": _vowel(500, 900, 2400, 0.50, 0.0, 0.8, 120),
    "oi": _vowel(480, 1300, 2500, 0.45, 0.2, 0.5, 130),
    "a": _vowel(720, 1650, 2500, 0.80, 0.45, 0.0),
    "e": _vowel(550, 1800, 2500, 0.50, 0.60, 0.0, 90),
    "i": _vowel(400, 2050, 2650, 0.35, 0.70, 0.0, 85),
    "o": _vowel(560, 950, 2450, 0.60, 0.0, 0.6),
    "u": _vowel(620, 1200, 2500, 0.50, 0.15, 0.2, 95),
    "y": _vowel(330, 2150, 2800, 0.30, 0.75, 0.0, 85),
}
_LIPS_CLOSED = (0.0, 0.1, 0.0)
_LIPS_TEETH = (0.12, 0.35, 0.0)
CONSONANTS = {
    "th": _consonant(_NEUTRAL, 0.25, 0.15, (0.18, 0.3, 0.0), "f"),
    "sh": _consonant(_NEUTRAL, 0.0, 0.45, (0.22, 0.0, 0.6), "sh", 80),
    "ch": _consonant(_NEUTRAL, 0.0, 0.45, (0.2, 0.0, 0.5), "sh", 75),
    "ng": _consonant((300, 1300, 2400), 0.45, 0.0, (0.2, 0.2, 0.0)),
    "wh": _consonant((320, 750, 2300), 0.5, 0.0, (0.15, 0.0, 0.95)),
    "ph": _consonant(_NEUTRAL, 0.0, 0.25, (0.08, 0.2, 0.0), "f", 70),
    "m": _consonant((270, 1100, 2200), 0.5, 0.0, _LIPS_CLOSED, ms=65),
    "b": _consonant((250, 900, 2200), 0.25, 0.0, _LIPS_CLOSED),
    "p": _consonant((250, 900, 2200), 0.18, 0.0, _LIPS_CLOSED),
    "n": _consonant((280, 1500, 2500), 0.45, 0.0, (0.15, 0.3, 0.0)),
    "d": _consonant((280, 1700, 2600), 0.28, 0.0, _LIPS_TEETH),
    "t": _consonant((300, 1700, 2600), 0.18, 0.12, _LIPS_TEETH, "s"),
    "l": _consonant((360, 1250, 2700), 0.55, 0.0, (0.3, 0.2, 0.0)),
    "r": _consonant((380, 1250, 1700), 0.55, 0.0, (0.22, 0.0, 0.4)),
    "w": _consonant((320, 750, 2300), 0.5, 0.0, (0.15, 0.0, 0.95)),
    "s": _consonant(_NEUTRAL, 0.0, 0.4, _LIPS_TEETH, "s", 80),
    "z": _consonant(_NEUTRAL, 0.3, 0.25, _LIPS_TEETH, "s", 65),
    "c": _consonant((320, 1900, 2500), 0.2, 0.12, (0.25, 0.2, 0.0), "sh"),
    "k": _consonant((320, 1900, 2500), 0.18, 0.12, (0.25, 0.2, 0.0), "sh"),
    "g": _consonant((300, 1900, 2400), 0.28, 0.0, (0.25, 0.2, 0.0)),
    "f": _consonant(_NEUTRAL, 0.0, 0.25, (0.08, 0.2, 0.0), "f", 75),
    "v": _consonant((320, 1200, 2400), 0.35, 0.1, (0.08, 0.2, 0.0), "f"),
    "h": _consonant((500, 1500, 2500), 0.0, 0.2, (0.35, 0.2, 0.0), "f", 50),
    "j": _consonant((300, 1900, 2500), 0.3, 0.2, (0.2, 0.0, 0.5), "sh", 65),
    "q": _consonant((320, 1200, 2400), 0.2, 0.1, (0.2, 0.0, 0.7), "sh"),
    "x": _consonant(_NEUTRAL, 0.0, 0.35, _LIPS_TEETH, "s", 85),
}
#: filler sounds are long and even
FILLERS = {
    "um": (
        _vowel(600, 1250, 2500, 0.35, 0.1, 0.1, 230),
        _consonant((270, 1100, 2200), 0.5, 0.0, _LIPS_CLOSED, ms=170),
    ),
    "uh": (_vowel(620, 1250, 2500, 0.40, 0.1, 0.1, 330),),
    "er": (_vowel(520, 1350, 1750, 0.35, 0.1, 0.2, 330),),
    "hmm": (_consonant((270, 1100, 2200), 0.6, 0.0, _LIPS_CLOSED, ms=420),),
}
_PIECE = re.compile("|".join(sorted([*VOWELS, *CONSONANTS], key=len, reverse=True)))


def spelling(text: str) -> str:
    """The letters of a word, in lower case, without punctuation."""
    return re.sub("[^a-z]", "", text.lower())


def phones(text: str) -> tuple[Phone, ...]:
    """The sounds of one word, at least one."""
    letters = spelling(text)
    if letters in FILLERS:
        return FILLERS[letters]
    if len(letters) == 1 and text.rstrip(".,").endswith("-"):  # a stuttered first sound
        return (CONSONANTS.get(letters, VOWELS.get(letters, VOWELS["u"])),) * 2
    letters = (
        re.sub(r"(.)\1", r"\1", letters) if "ee" not in letters and "oo" not in letters else letters
    )
    if re.fullmatch(".*[aeiouy].*[^aeiou]e", letters):
        letters = letters[:-1]  # the silent final e
    pieces = _PIECE.findall(letters)
    if pieces and pieces[0] == "y" and len(pieces) > 1:
        pieces[0] = "i"
    found = tuple(VOWELS.get(piece) or CONSONANTS[piece] for piece in pieces)
    return found or (VOWELS["u"],)
