"""What relative values of the voice are worth: acted emotions told from whole-answer measures, raw,
relative to the speaker's neutral, and relative to the speaker's own running median.

Files are called as in the Berlin emotional speech (``03a01Fa``: speaker, text, emotion, version) or
``PERSON_EMOTION_ANYTHING``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twomind.core import numbers
from twomind.core.errors import BadInput, MissingExtra, TwomindError
from twomind.core.store import Store
from twomind.features.describe import Settings, describe
from twomind.features.own_stream import N_WARM_UP, less_running_median
from twomind.media.recording import SOUND_SUFFIXES, open_recording
from twomind.types import Track
from twomind.types.plain import Array, Plain

_BERLIN = re.compile(r"(\d\d)[a-z]\d\d([WLEAFTN])[a-z]?")
_BERLIN_EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
_NEUTRAL = ("neutral", "normal")
#: Whole-answer measures of the voice that a classifier is given.
MEASURES = (
    *("pitch_median", "pitch_sd", "pitch_p10", "pitch_p90", "pitch_slope", "pitch_change"),
    *("energy_median", "energy_sd", "energy_p10", "energy_p90", "energy_slope", "energy_change"),
    *("voiced_share", "syllables_per_s", "speech_s"),
)
#: What varies less than this over the training clips is constant.
_CONSTANT = 1e-6
#: A speaker is worse off from this much lower unweighted accuracy on.
_HARM = 0.02
_Told = Callable[[str, int, int], None]


@dataclass(frozen=True)
class _Clip:
    name: str
    speaker: str
    emotion: str
    values: Array  # (D,)


@dataclass(frozen=True)
class _Way:
    """One way to give the values: ``values (N, D)``, and which clips have them ``(N,)``."""

    values: Array
    valid: Array


def score_voices(
    folder: Path,
    *,
    order: Path | None = None,
    store: Store | None = None,
    n_bootstrap: int = 2000,
    seed: int = 0,
    progress: _Told | None = None,
) -> Plain:
    """Emotions from whole-answer measures of the voice, one speaker left out at a time.

    Args:
        folder: with the sound files, also below it.
        order: a text file with one file name a line: the order in which each speaker's clips came;
            None: that of their names.
        store: of measured features.
        n_bootstrap: resamples of speakers.
        seed: of the resamples.
        progress: is told how far it has come.

    Returns:
        ``rows``: unweighted accuracy of each way to give the values (``raw``, less one or three
        neutral clips of the speaker, less the speaker's own running median), and of raw values on
        the same clips; ``gain`` over those with its interval over speakers.

    Raises:
        BadInput: no file is called so, or fewer than three speakers or two emotions are there.
        MissingExtra: scikit-learn is not installed.
    """
    paths = _in_order(_files(folder), order)
    clips, left_out = _measured(paths, store, progress)
    speakers = sorted({clip.speaker for clip in clips})
    emotions = sorted({clip.emotion for clip in clips})
    if len(speakers) < 3 or len(emotions) < 2:
        raise BadInput(
            f"{folder}: expected at least three speakers and two emotions, got {len(speakers)} and "
            f"{len(emotions)}"
        )
    y = np.array([emotions.index(clip.emotion) for clip in clips])
    person = np.array([speakers.index(clip.speaker) for clip in clips])
    ways = _ways(clips, person)
    rows = {}
    for name, way in ways.items():
        rows[name] = _row(way, ways["raw"], (y, person), n_bootstrap, seed)
    order_name = "file names" if order is None else order.name
    return {
        "n_clips": len(clips),
        "n_speakers": len(speakers),
        "classes": emotions,
        "chance": 1 / len(emotions),
        "measures": list(MEASURES),
        "warm_up": N_WARM_UP,
        "order": order_name,
        "rows": rows,
        "left_out": left_out,
    }


def _name_of(path: Path) -> tuple[str, str] | None:
    """Speaker and emotion; None where a file is not called so."""
    berlin = _BERLIN.fullmatch(path.stem)
    if berlin is not None:
        speaker, letter = berlin.groups()
        return speaker, _BERLIN_EMOTIONS[letter]
    parts = path.stem.split("_")
    if len(parts) < 2 or not all(parts[:2]):
        return None
    speaker, emotion = parts[:2]
    return speaker, emotion.lower()


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise BadInput(f"{folder}: expected a folder of sound files")
    found = []
    for path in sorted(folder.rglob("*"), key=lambda path: path.name):
        is_sound = path.is_file() and path.suffix.lower() in SOUND_SUFFIXES
        if is_sound and _name_of(path) is not None:
            found.append(path)
    if not found:
        raise BadInput(
            f"{folder}: expected sound files called as in the Berlin emotional speech (03a01Fa.wav) "
            "or PERSON_EMOTION_ANYTHING.wav, found none"
        )
    return found


def _in_order(paths: list[Path], order: Path | None) -> list[Path]:
    """The files in the order that a list of their names gives.

    Raises:
        BadInput: the list does not name every file once.
    """
    if order is None:
        return paths
    text = order.read_text(encoding="utf-8-sig")
    lines = [line.strip() for line in text.splitlines()]
    names = [line for line in lines if line]
    by_name = {path.name: path for path in paths}
    if sorted(names) != sorted(by_name):
        wrong = sorted(set(names) ^ set(by_name))
        told = wrong[0] if wrong else "a name that is there twice"
        raise BadInput(f"{order}: expected each of {len(paths)} file names once; see {told}")
    return [by_name[name] for name in names]


def _measured(
    paths: Sequence[Path], store: Store | None, progress: _Told | None
) -> tuple[list[_Clip], list[Plain]]:
    clips = []
    left_out: list[Plain] = []
    for done, path in enumerate(paths):
        if progress is not None:
            progress(path.name, done, len(paths))
        named = _name_of(path)
        assert named is not None
        try:
            recording = open_recording(path)
            made = describe(recording, ("voice",), settings=Settings(), store=store)
        except TwomindError as error:
            left_out.append({"file": path.name, "reason": str(error)})
            continue
        track = made.features.tracks.get("voice")
        if track is None:
            reason = made.features.notes.get("voice", "no voice")
            left_out.append({"file": path.name, "reason": reason})
            continue
        speaker, emotion = named
        values = voice_values(track)
        clips.append(_Clip(path.stem, speaker, emotion, values))
    return clips, left_out


def voice_values(track: Track) -> Array:
    """The measures :data:`MEASURES` of a whole answer ``(D,)``; nan where one cannot be taken.

    Pitch is in semitones above 1 Hz, level in dB; slopes are per second.
    """
    is_speech = track.column("speech") == 1
    speaking = track.valid & is_speech
    times_s = track.times_s[speaking]
    pitch_hz = track.column("pitch")[speaking].astype(float)
    known_hz = np.where(pitch_hz > 0, pitch_hz, np.nan)
    pitch_st = 12 * np.log2(known_hz)
    level_db = track.column("energy")[speaking].astype(float)
    voiced = np.isfinite(pitch_st)
    n_rows = int(speaking.sum())
    speech_s = n_rows / 100
    is_syllable = track.column("syllable")[speaking] == 1
    n_syllables = float(is_syllable.sum())
    rest = [np.nan, np.nan, speech_s]
    if n_rows:
        rest[0] = float(voiced.mean())
        rest[1] = n_syllables / speech_s
    found = [*_course(times_s, pitch_st), *_course(times_s, level_db), *rest]
    return np.array(found)


def _course(times_s: Array, values: Array) -> list[float]:
    """Median, deviation, 10th and 90th percentile, slope, and mean change from row to row."""
    known = np.isfinite(values)
    if known.sum() < 5:
        return [np.nan] * 6
    at = times_s[known]
    own = values[known]
    low, middle, high = np.percentile(own, [10, 50, 90])
    centred = at - at.mean()
    together = (centred * own).sum()
    spread_s2 = (centred**2).sum()
    slope = float(together / max(spread_s2, 1e-9))
    changes = np.abs(np.diff(own))
    spread = float(own.std())
    return [float(middle), spread, float(low), float(high), slope, float(changes.mean())]


def _ways(clips: Sequence[_Clip], person: Array) -> dict[str, _Way]:
    raw = np.stack([clip.values for clip in clips])
    always = np.ones(len(clips), bool)
    calm = np.array([clip.emotion in _NEUTRAL for clip in clips])
    return {
        "raw": _Way(raw, always),
        "neutral_1": _less_neutral(raw, person, calm, 1),
        "neutral_3": _less_neutral(raw, person, calm, 3),
        "own_stream": _less_stream(raw, person),
    }


def _less_neutral(raw: Array, person: Array, calm: Array, n: int) -> _Way:
    """Values less the mean of the speaker's first ``n`` neutral clips, which are not scored."""
    values = np.full(raw.shape, np.nan)
    valid = np.zeros(len(raw), bool)
    for one in np.unique(person):
        own = np.flatnonzero(person == one)
        first = own[calm[own]][:n]
        if len(first) < n:
            continue
        rest = raw[first].mean(axis=0)
        others = np.setdiff1d(own, first)
        values[others] = raw[others] - rest
        valid[others] = True
    return _Way(values, valid)


def _less_stream(raw: Array, person: Array) -> _Way:
    values = np.full(raw.shape, np.nan)
    valid = np.zeros(len(raw), bool)
    for one in np.unique(person):
        own = np.flatnonzero(person == one)
        values[own], valid[own] = less_running_median(raw[own])
    return _Way(values, valid)


def _row(way: _Way, raw: _Way, known: tuple[Array, Array], n_bootstrap: int, seed: int) -> Plain:
    """One way beside raw values: both are trained and scored on the same clips.

    Args:
        way: how the values are given.
        raw: the values as they are.
        known: class and speaker of each clip, ``(N,)`` each.
        n_bootstrap: resamples of speakers.
        seed: of the resamples.
    """
    rows = np.flatnonzero(way.valid)
    y, person = (one[rows] for one in known)
    if len(np.unique(person)) < 3:
        return {"n_clips": len(rows), "uar": None, "reason": "fewer than three speakers have them"}
    n_classes = int(known[0].max()) + 1
    said = _said(way.values[rows], y, person)
    said_of_raw = _said(raw.values[rows], y, person)
    own = _tables(said, y, person, n_classes)
    base = _tables(said_of_raw, y, person, n_classes)
    drawn = numbers.resamples(len(own), n_bootstrap, seed)
    gains = _uar(own, drawn) - _uar(base, drawn)
    once = np.ones((1, len(own)))
    uar = float(_uar(own, once)[0])
    uar_raw = float(_uar(base, once)[0])
    least = numbers.mean_recall(base) - _HARM
    worse = numbers.mean_recall(own) < least
    return {
        "n_clips": len(rows),
        "uar": uar,
        "uar_raw_same_clips": uar_raw,
        "gain": uar - uar_raw,
        "gain_interval": numbers.interval(gains),
        "n_speakers_worse": int(worse.sum()),
    }


def _uar(tables: Array, weights: Array) -> Array:
    """Unweighted accuracy ``(B,)`` of the speakers' tables ``(S, C, C)`` by weights ``(B, S)``."""
    pooled = np.tensordot(weights, tables, axes=1)
    return numbers.mean_recall(pooled)


def _tables(said: Array, y: Array, person: Array, n_classes: int) -> Array:
    tables = []
    for one in np.unique(person):
        rows = person == one
        table = numbers.counts(y[rows], said[rows], n_classes)
        tables.append(table[0])
    return np.stack(tables)


def _said(values: Array, y: Array, person: Array) -> Array:
    """The class told for each clip ``(N,)`` by a model of the other speakers.

    A logistic regression on standardised values, classes weighted alike; what is not known takes
    the training speakers' mean. Nothing is tuned.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ModuleNotFoundError as error:
        raise MissingExtra("train", "scoring voices") from error
    said = np.zeros(len(y), int)
    for one in np.unique(person):
        test = person == one
        train = ~test
        centre = np.nanmean(values[train], axis=0)
        spread = np.nanstd(values[train], axis=0)
        divisor = np.where(spread > _CONSTANT, spread, 1.0)
        standardised = (values - centre) / divisor
        is_known = np.isfinite(standardised)
        scaled = np.where(is_known, standardised, 0.0)
        model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=2000)
        model.fit(scaled[train], y[train])
        said[test] = model.predict(scaled[test])
    return said


__all__ = ["MEASURES", "score_voices", "voice_values"]
