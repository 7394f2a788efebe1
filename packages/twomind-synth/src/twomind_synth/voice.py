"""The sound of an answer, with word times, pauses and (built-in engine) pitch that are known
exactly.

Words are made one by one, trimmed to their audible extent and laid on a grid of 1 ms, so that a
subtitle file can say their times without rounding. Engine ``espeak`` is the `espeak-ng` program;
``builtin`` needs nothing and sums the harmonics of a pitch contour that is then known at every
moment.
"""

from __future__ import annotations

import io
import itertools
import math
import shutil
import subprocess
import wave
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from twomind.core.errors import BadInput
from twomind_synth import synth
from twomind_synth.phones import FILLERS, Phone, phones, spelling
from twomind_synth.script import Token
from twomind_synth.world import Factors

#: Sample rate of everything made here.
SAMPLE_RATE_HZ = 24_000
#: Silence between words that flow (s).
FLOW_S = 0.03
#: Shortest silence between two words that counts as a pause (s); everything shorter belongs to the
#: flow of speech.
PAUSE_S = 0.2
#: A sample of espeak louder than this, relative to the word's peak, is audible.
AUDIBLE_DB = -36.0
ENGINES = ("auto", "espeak", "builtin")
_PER_MS = SAMPLE_RATE_HZ // 1000


@dataclass(frozen=True)
class Spoken:
    """One word as it sounds: ``start_s`` and ``end_s`` are its audible extent, whole
    milliseconds.
    """

    text: str
    kind: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Speech:
    """Sound and everything known about it.

    ``values (n,)`` float32 mono; ``pauses`` and ``breaths`` are ``(start_s, end_s)``; ``f0_hz``
    every 10 ms from 0, nan where unvoiced, None (with ``f0_reason``) when the engine does not know;
    ``mouth (k, 5)`` holds start_s, end_s, opening, width and rounding of the lips per sound.
    """

    values: np.ndarray
    sample_rate_hz: int
    engine: str
    words: tuple[Spoken, ...]
    pauses: tuple[tuple[float, float], ...]
    breaths: tuple[tuple[float, float], ...]
    f0_hz: np.ndarray | None
    f0_reason: str
    mouth: np.ndarray
    #: level of the voice every 10 ms (dBFS, without the room's noise), -120 where nothing sounds
    level_db: np.ndarray | None = None
    #: middles of the vowels (s)
    nuclei_s: tuple[float, ...] = ()

    @property
    def duration_s(self) -> float:
        return len(self.values) / self.sample_rate_hz


def resolve_engine(engine: str) -> str:
    """``espeak`` or ``builtin`` for a wish.

    Raises:
        BadInput: the name is unknown, or espeak-ng is asked for and not installed.
    """
    if engine not in ENGINES:
        raise BadInput(f"voice engine: expected one of {', '.join(ENGINES)}, got {engine!r}")
    if engine == "espeak" and not espeak_program():
        raise BadInput(
            "voice engine 'espeak' needs the program espeak-ng, which is not on the PATH; use "
            "'builtin'"
        )
    if engine == "auto":
        return "espeak" if espeak_program() else "builtin"
    return engine


def espeak_program() -> str | None:
    """Path of espeak-ng, or None."""
    return shutil.which("espeak-ng")


def speak(
    tokens: tuple[Token, ...],
    person: Factors,
    rng: np.random.Generator,
    engine: str = "auto",
    noise_db: float = -66.0,
    lead_s: float = 0.6,
    tail_s: float = 0.8,
    sound: bool = True,
) -> Speech:
    """Say the tokens in the person's voice, with ``lead_s`` and ``tail_s`` of silence around them.

    ``sound=False`` leaves the samples at zero; all times, lips and (built-in engine) the pitch are
    the same.
    """
    engine = resolve_engine(engine)
    sounds = [phones(token.text) for token in tokens]
    if engine == "espeak":
        clips = [_espeak_word(token, person) for token in tokens]
        lengths_ms = [math.ceil(len(clip) / _PER_MS) for clip in clips]
    else:
        lengths_ms = [
            length_ms(token, sound, person) for token, sound in zip(tokens, sounds, strict=True)
        ]
    starts_ms, breaths_ms = _place(tokens, lengths_ms, lead_s)
    total_ms = (
        starts_ms[-1] + lengths_ms[-1] + round(tail_s * 1000)
        if tokens
        else round((lead_s + tail_s) * 1000)
    )

    n = total_ms * _PER_MS
    values = rng.normal(0, 10 ** (noise_db / 20), n) if sound else np.zeros(n, np.float32)
    f0_ms = np.full(total_ms, np.nan)
    if engine == "builtin":
        pitch = _pitch_contour(tokens, starts_ms, lengths_ms, person)
    for i, token in enumerate(tokens):
        if engine == "builtin":
            contour = pitch[i]
            voiced = synth.voiced(sounds[i], lengths_ms[i])
            if sound:
                clip, _ = synth.render(
                    sounds[i], contour, SAMPLE_RATE_HZ, person.formant_scale, rng
                )
            f0_ms[starts_ms[i] : starts_ms[i] + lengths_ms[i]] = np.where(voiced, contour, np.nan)
        else:
            clip = clips[i]
        if not sound:
            continue
        at = starts_ms[i] * _PER_MS
        values[at : at + len(clip)] += clip * 10 ** ((person.level_db + token.gain_db) / 20)
    for start, end in breaths_ms if sound else ():
        level = 10 ** ((person.level_db - 24) / 20)
        values[start * _PER_MS : end * _PER_MS] += level * synth.breath(
            (end - start) * _PER_MS, SAMPLE_RATE_HZ, rng
        )

    words = tuple(
        Spoken(token.text, token.kind, start / 1000, (start + length) / 1000)
        for token, start, length in zip(tokens, starts_ms, lengths_ms, strict=True)
    )
    return Speech(
        values=np.clip(values, -0.99, 0.99).astype(np.float32),
        sample_rate_hz=SAMPLE_RATE_HZ,
        engine=engine,
        words=words,
        pauses=_pauses(words),
        breaths=tuple((start / 1000, end / 1000) for start, end in breaths_ms),
        f0_hz=f0_ms[::10] if engine == "builtin" else None,
        f0_reason=""
        if engine == "builtin"
        else "espeak-ng does not state the pitch it speaks with",
        mouth=_mouth(sounds, starts_ms, lengths_ms),
        level_db=_levels(
            tokens, sounds, starts_ms, lengths_ms, breaths_ms, total_ms, person.level_db
        ),
        nuclei_s=_nuclei(sounds, starts_ms, lengths_ms),
    )


def _levels(
    tokens: tuple[Token, ...],
    sounds: list[tuple[Phone, ...]],
    starts_ms: list[int],
    lengths_ms: list[int],
    breaths_ms: list[tuple[int, int]],
    total_ms: int,
    level_db: float,
) -> np.ndarray:
    """Level of all sounds every 10 ms ``(n,)`` dBFS: mean power of the ten milliseconds."""
    power = np.zeros(-(-total_ms // 10) * 10)
    for token, sound, start, length in zip(tokens, sounds, starts_ms, lengths_ms, strict=True):
        gain = 10 ** ((level_db + token.gain_db) / 10)
        power[start : start + length] += gain * synth.loudness(sound, length) ** 2
    for start, end in breaths_ms:
        swell = np.sin(np.pi * (np.arange(end - start) + 0.5) / (end - start)) ** 4
        power[start:end] += 10 ** ((level_db - 24) / 10) * swell
    found: np.ndarray = 10 * np.log10(np.maximum(power.reshape(-1, 10).mean(axis=1), 1e-12))
    return found


def _nuclei(
    sounds: list[tuple[Phone, ...]], starts_ms: list[int], lengths_ms: list[int]
) -> tuple[float, ...]:
    """Middles of the vowels (s)."""
    found = []
    for sound, start, length in zip(sounds, starts_ms, lengths_ms, strict=True):
        edges = start + length * synth.edges(sound)
        found += [
            round((a + b) / 2000, 4)
            for p, a, b in zip(sound, edges, edges[1:], strict=False)
            if p.voice >= 0.99
        ]
    return tuple(found)


def _pauses(words: tuple[Spoken, ...]) -> tuple[tuple[float, float], ...]:
    gaps = ((a.end_s, b.start_s) for a, b in itertools.pairwise(words))
    return tuple((start, end) for start, end in gaps if end - start >= PAUSE_S)


def _place(
    tokens: tuple[Token, ...], lengths_ms: list[int], lead_s: float
) -> tuple[list[int], list[tuple[int, int]]]:
    """Start of every word and the extents of breaths (ms). A breath lies in the middle of its
    pause.
    """
    starts, breaths = [], []
    at = round(lead_s * 1000)
    for i, (token, length) in enumerate(zip(tokens, lengths_ms, strict=True)):
        if i:
            gap = round(max(token.pause_s, FLOW_S) * 1000)
            if token.breath and gap >= 500:
                breaths.append((at + round(0.25 * gap), at + round(0.75 * gap)))
            at += gap
        starts.append(at)
        at += length
    return starts, breaths


def length_ms(token: Token, sound: tuple[Phone, ...], person: Factors) -> int:
    """How long the built-in engine speaks a word."""
    return max(40, round(sum(p.duration_ms for p in sound) * token.rate / person.tempo))


def _pitch_contour(
    tokens: tuple[Token, ...], starts_ms: list[int], lengths_ms: list[int], person: Factors
) -> list[np.ndarray]:
    """Pitch of every word at every millisecond (Hz): falls through a clause, rises a little on
    longer words.
    """
    firsts = [i for i, token in enumerate(tokens) if token.starts_clause or i == 0]
    contours = []
    for i, token in enumerate(tokens):
        first = max(f for f in firsts if f <= i)
        last = min((f for f in firsts if f > i), default=len(tokens)) - 1
        span_ms = max(1, starts_ms[last] + lengths_ms[last] - starts_ms[first])
        t_ms = np.arange(lengths_ms[i])
        along = (starts_ms[i] + t_ms - starts_ms[first]) / span_ms
        semitones = person.pitch_range_st * (0.5 - along)
        if token.kind == "filler":
            semitones = np.full(lengths_ms[i], -1.0)
        elif len(spelling(token.text)) > 4:
            semitones = (
                semitones + 0.4 * person.pitch_range_st * np.sin(np.pi * t_ms / lengths_ms[i]) ** 2
            )
        contours.append(person.pitch_hz * 2 ** ((semitones + token.pitch_st) / 12))
    return contours


def _mouth(
    sounds: list[tuple[Phone, ...]], starts_ms: list[int], lengths_ms: list[int]
) -> np.ndarray:
    rows = []
    for sound, start, length in zip(sounds, starts_ms, lengths_ms, strict=True):
        edges = start + length * synth.edges(sound)
        for phone, a, b in zip(sound, edges, edges[1:], strict=False):
            rows.append((a / 1000, b / 1000, phone.opening, phone.width, phone.rounding))
    return np.array(rows, float).reshape(-1, 5)


# --- espeak-ng
# ---------------------------------------------------------------------------------------------------

_ESPEAK_FILLERS = {"um": "[[V:m]]", "uh": "[[V:]]", "er": "[[3:]]", "hmm": "[[h@m:]]"}
_ESPEAK_LETTERS = {"c": "k", "q": "k", "x": "z", "y": "j", "j": "dZ", "g": "g"}


def _espeak_word(token: Token, person: Factors) -> np.ndarray:
    """One word ``(n,)`` at our sample rate, trimmed to what is audible, speech level about 0 dB
    RMS.
    """
    letters = spelling(token.text)
    if letters in FILLERS:
        text = _ESPEAK_FILLERS[letters]
    elif len(letters) == 1 and token.text.rstrip(".,").endswith("-"):
        text = (
            f"[[{_ESPEAK_LETTERS.get(letters, letters)}@]]" if letters not in "aeiou" else letters
        )
    else:
        text = token.text.strip(".,-")
    voice = "en-us" if person.pitch_hz < 155 else "en-us+f3"
    middle_hz = 110.0 if person.pitch_hz < 155 else 200.0
    pitch = int(np.clip(50 + 45 * math.log2(person.pitch_hz / middle_hz), 5, 95))
    speed = int(np.clip(225 * person.tempo / token.rate, 85, 400))
    return _espeak_clip(text, voice, pitch, speed)


@lru_cache(maxsize=2048)
def _espeak_clip(text: str, voice: str, pitch: int, speed: int) -> np.ndarray:
    from scipy.signal import resample_poly

    program = espeak_program() or "espeak-ng"
    command = [program, "-v", voice, "-p", str(pitch), "-s", str(speed), "-z", "--stdout", text]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    try:
        with wave.open(io.BytesIO(done.stdout)) as file:
            rate_hz = file.getframerate()
            # espeak streams its header with a made-up length, so take what is there.
            raw = np.frombuffer(done.stdout[44 : len(done.stdout) // 2 * 2], "<i2")
    except (wave.Error, EOFError) as error:
        raise BadInput(
            f"espeak-ng said nothing for {text!r}: {done.stderr.decode(errors='replace')[:200]}"
        ) from error
    divisor = math.gcd(SAMPLE_RATE_HZ, rate_hz)
    values = resample_poly(raw / 32768.0, SAMPLE_RATE_HZ // divisor, rate_hz // divisor)
    values = trim(values)
    if not len(values):
        raise BadInput(f"espeak-ng said nothing for {text!r}")
    values = values / max(_rms(values), 1e-9)
    fade = synth.fades(len(values), round(0.003 * SAMPLE_RATE_HZ))
    clip: np.ndarray = values * fade
    clip.setflags(write=False)
    return clip


def trim(values: np.ndarray) -> np.ndarray:
    """The part of a word between its first and last audible sample."""
    peak = np.max(np.abs(values), initial=0.0)
    loud = np.flatnonzero(np.abs(values) > peak * 10 ** (AUDIBLE_DB / 20))
    return values[loud[0] : loud[-1] + 1] if len(loud) else values[:0]


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
