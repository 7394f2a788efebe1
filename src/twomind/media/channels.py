"""Which channels of a recording are mixed to one, judged by what each of them holds.

A plain average is right for two channels of the same sound. It loses half the level where one of
them is silent, and everything where one is the other turned over; and a film with a channel for
speech has music in the others. Two microphones that hear a voice at different times make an echo of
it, which has another pitch. So the channels are judged first, over the whole recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

#: Samples that are judged and mixed at a time.
_BLOCK = 1 << 18
#: Levels are taken over this many seconds.
_LEVEL_S = 0.05
#: A channel whose loud parts lie this far, in dB, under those of the loudest one is silent.
SILENT_DB = 40.0
#: A channel whose loud parts lie less than this, in dB, over its quiet ones is steady noise.
STEADY_DB = 6.0
#: A centre channel carries the speech unless it lies this far, in dB, under the loudest channel.
CENTRE_DB = 20.0
#: Channels that correlate less than this cancel each other when they are added: over the whole
#: recording, or over single seconds that hold this share of their sound.
CANCEL, CANCEL_SHARE = -0.5, 0.1
_CANCEL_S = 1.0
#: Channels that correlate less than this, either way, hold different sound; from the other bound on
#: they hold the same.
DIFFERENT, SAME = 0.3, 0.9
#: Up to this level in dBFS (four steps of 16 bits) a recording carries nothing beyond dither.
_DITHER_DB = -78.3
#: A channel is out in a second in which another one lies this far at most, in dB, under its loud
#: parts, and this one by ``SILENT_DB`` further under its own.
_SOUNDS_DB = 20.0
#: Full scale as far as clipping goes, and the share of clipped samples from which a channel is
#: left out where another one holds the same sound unclipped.
_FULL_SCALE, _CLIPPED_SHARE = 0.98, 0.001
#: Two channels are compared at all times up to this many seconds apart. Over the first they hold the
#: same sound at different times; sound goes 17 cm in that time, as between the microphones of a
#: telephone. Up to it an average leaves the pitch as it is.
_LATE_S, _LATEST_S = 0.0005, 0.02
#: They correlate this well there at least, and better by this than at the same time. Of made voices,
#: two in a room whose echo is as strong as they are correlate by .6, and two people by less than .5
#: but for single seconds in one tone. Under the second bound the average loses less than 0.25 dB.
_LATE_SAME, _LATE_GAIN = 0.5, 0.1
#: So it is in this share of their sound. Where the other one is late in more than the second share,
#: two people may have a microphone each, and each is heard in the other one's.
_LATE_SHARE, _TURNED_SHARE = 0.5, 0.1
#: Samples of a piece of which a spectrum is taken, and pieces that are compared as one.
_SPECTRUM, _SPECTRA = 1 << 13, 8
#: The names that FFmpeg gives to the channels of a film for speech and for the lowest tones.
_CENTRE, _LOW = "FC", ("LFE", "LFE2")
#: What a reader calls them.
_SPOKEN = {"FL": "left", "FR": "right", "FC": "centre"}
_STEPS = (
    "the sound channels hold the same sound and are out at different times; they are averaged, and "
    "the level changes there"
)


@dataclass(frozen=True)
class Mix:
    """The channels ``used``, by number, of which the average is taken; ``remark`` says what was
    done where it is more than that, for a reader.
    """

    used: tuple[int, ...]
    remark: str = ""


@dataclass(frozen=True)
class _Judged:
    """What is known of every channel ``(C,)``, and of every two ``(C, C)``."""

    names: tuple[str, ...]
    loud_db: np.ndarray
    quiet_db: np.ndarray
    clipped: np.ndarray
    correlation: np.ndarray
    #: Share of the sound of two channels in which they cancel each other.
    cancelled: np.ndarray
    #: Seconds by which the second of two channels holds the same sound later; 0 where it does not.
    late_s: np.ndarray
    #: In how many seconds the first of two channels is out, and how they correlate in all others.
    n_out: np.ndarray
    together: np.ndarray

    def called(self, channel: int) -> str:
        """The name of a channel for a reader; its number, from 1, where it has none."""
        name = self.names[channel]
        return _SPOKEN.get(name, str(channel + 1))


def plain_mean(values: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Samples ``(n, C)`` to one channel ``(n,)``, without a judgement: all but the lowest tones."""
    kept = _without_low(names, values.shape[1])
    mean: np.ndarray = values[:, kept].mean(axis=1, dtype=np.float32)
    return mean


def mix_blocks(values: np.ndarray, used: tuple[int, ...]) -> Iterator[tuple[np.ndarray, ...]]:
    """The average of some channels of ``(n, C)``, and the loudest of them: ``(k,)`` each, block by
    block.
    """
    for block in _blocks(values):
        chosen = block[:, list(used)]
        yield chosen.mean(axis=1, dtype=np.float32), np.abs(chosen).max(axis=1)


def judge_channels(values: np.ndarray, sample_rate_hz: int, names: tuple[str, ...]) -> Mix:
    """Choose the channels whose average is the sound of a recording.

    Args:
        values: samples ``(n, C)`` in [-1, 1]; may be a memory map.
        sample_rate_hz: their rate.
        names: of the channels ``(C,)`` as FFmpeg has them (``FL``, ``FR``, ``FC``, ``LFE``).
    """
    judged = _judged(values, sample_rate_hz, names)
    heard = _without_low(names, values.shape[1])
    remarks: list[str] = []
    loudest = max(judged.loud_db[heard])
    sounding = [c for c in heard if judged.loud_db[c] > loudest - SILENT_DB]
    remarks += _left_out(judged, heard, sounding, "silent")
    moving = [c for c in sounding if judged.loud_db[c] - judged.quiet_db[c] >= STEADY_DB]
    if moving:
        remarks += _left_out(judged, sounding, moving, "steady noise")
    else:
        moving = sounding
    centre = _centre(judged, moving, loudest)
    if centre is not None and len(moving) > 1:
        remarks.append(
            f"the centre channel is used alone, of {len(names)}: films have speech there"
        )
        return Mix((centre,), "; ".join(remarks))
    clean = _unclipped(judged, moving, values)
    remarks += _left_out(judged, moving, clean, "clipped, and another one holds the same sound")
    throughout = _throughout(judged, clean)
    remarks += _left_out(judged, clean, throughout, "out for seconds in which another one goes on")
    steps = _steps(judged, throughout)
    timely = _timely(judged, throughout)
    remarks += _left_out_late(judged, throughout, timely)
    used, remark = _together(judged, timely)
    if steps and len(used) > 1:
        remark = _STEPS
    if remark:
        remarks.append(remark)
    return Mix(used, "; ".join(remarks))


def _together(judged: _Judged, channels: list[int]) -> tuple[tuple[int, ...], str]:
    """All channels that are left, or one of them where they cancel; and what is to be said."""
    pairs = np.triu_indices(len(channels), 1)
    between = judged.correlation[np.ix_(channels, channels)][pairs]
    if not len(between):
        return tuple(channels), ""
    cancelled = judged.cancelled[np.ix_(channels, channels)][pairs]
    if between.min() < CANCEL or cancelled.max() > CANCEL_SHARE:
        loudness = judged.loud_db[channels]
        one = channels[int(loudness.argmax())]
        told = f"the sound channels cancel each other: channel {judged.called(one)} is used alone"
        return (one,), told
    weakest = float(np.abs(between).min())
    if weakest < DIFFERENT and judged.loud_db[channels].max() > _DITHER_DB:
        told = (
            f"the sound channels hold different sound (correlation {weakest:.2f}) and are "
            "averaged; where each person has a channel, all of them are heard: give the file of "
            "one channel to measure one person"
        )
        return tuple(channels), told
    return tuple(channels), ""


def _left_out(judged: _Judged, before: list[int], after: list[int], why: str) -> list[str]:
    gone = [c for c in before if c not in after]
    if not gone:
        return []
    called = ", ".join(judged.called(c) for c in gone)
    return [f"sound channel {called} left out: {why}"]


def _throughout(judged: _Judged, channels: list[int]) -> list[int]:
    """Without channels that are out at times, where another one holds the same sound throughout."""
    is_out = _is_out(judged)
    whole = [c for c in channels if not is_out[c, channels].any()]
    return [c for c in channels if not is_out[c, whole].any()]


def _steps(judged: _Judged, channels: list[int]) -> bool:
    """Whether channels of the same sound are out at different times."""
    is_out = _is_out(judged)
    return bool(is_out[np.ix_(channels, channels)].any())


def _is_out(judged: _Judged) -> np.ndarray:
    """Whether the first of two channels ``(C, C)`` is out at times, and both hold the same sound."""
    is_same = (np.abs(judged.together) > SAME) | (judged.late_s != 0)
    is_out: np.ndarray = is_same & (judged.n_out > 0)
    return is_out


def _timely(judged: _Judged, channels: list[int]) -> list[int]:
    """Of channels that hold the same sound at different times, the loudest unclipped one."""

    def preferred(channel: int) -> tuple[bool, float]:
        is_clipped = judged.clipped[channel] >= _CLIPPED_SHARE
        return bool(is_clipped), -float(judged.loud_db[channel])

    kept: list[int] = []
    for c in sorted(channels, key=preferred):
        if not judged.late_s[c, kept].any():
            kept.append(c)
    return sorted(kept)


def _left_out_late(judged: _Judged, before: list[int], after: list[int]) -> list[str]:
    told = []
    for c in before:
        if c not in after:
            apart_ms = 1000 * np.abs(judged.late_s[c, after]).max()
            why = f"it holds the sound of another one, {apart_ms:.1f} ms apart"
            told += _left_out(judged, [c], [], why)
    return told


def _centre(judged: _Judged, channels: list[int], loudest_db: float) -> int | None:
    """The channel for speech, in a layout that has one, where it sounds."""
    if _CENTRE not in judged.names:
        return None
    centre = judged.names.index(_CENTRE)
    sounds = judged.loud_db[centre] > loudest_db - CENTRE_DB
    return centre if centre in channels and sounds else None


def _unclipped(judged: _Judged, channels: list[int], values: np.ndarray) -> list[int]:
    """Without clipped channels, where another one holds the same sound unclipped."""
    clean = [c for c in channels if judged.clipped[c] < _CLIPPED_SHARE]

    def is_replaced(channel: int) -> bool:
        if channel in clean:
            return False
        if any(judged.correlation[channel, k] > SAME for k in clean):
            return True
        share = float(judged.clipped[channel])
        return any(_clipped_alike(values, channel, k, share) > SAME for k in clean)

    return [c for c in channels if not is_replaced(c)]


def _clipped_alike(values: np.ndarray, clipped: int, clean: int, share: float) -> float:
    """How a clipped channel correlates with a clean one that is clipped in the same share of its
    samples. What is clipped by 20 dB and more does not look like the clean sound any more.
    """
    some = np.abs(values[:: len(values) // _BLOCK + 1, clean])
    limit = float(np.quantile(some, 1 - share))
    product = np.zeros((2, 2))
    for block in _blocks(values):
        likewise = np.clip(block[:, clean], -limit, limit)
        both = np.stack([block[:, clipped], likewise], axis=1).astype(np.float64)
        both -= both.mean(axis=0)
        product += both.T @ both
    sd = np.sqrt(np.maximum(np.diag(product), 1e-20))
    return float(product[0, 1] / (sd[0] * sd[1]))


def _without_low(names: tuple[str, ...], n_channels: int) -> list[int]:
    kept = [c for c in range(n_channels) if names[c] not in _LOW]
    return kept or list(range(n_channels))


def _blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, len(values), _BLOCK):
        yield np.asarray(values[first : first + _BLOCK])


def _judged(values: np.ndarray, sample_rate_hz: int, names: tuple[str, ...]) -> _Judged:
    n, n_channels = values.shape
    per_level = max(1, int(_LEVEL_S * sample_rate_hz))
    total = np.zeros(n_channels)
    product = np.zeros((n_channels, n_channels))
    n_clipped = np.zeros(n_channels)
    powers = []
    cancelled = np.zeros((2, n_channels, n_channels))
    per_correlation = max(1, int(_CANCEL_S * sample_rate_hz))
    lags = []
    seconds = [np.zeros((0, n_channels, n_channels))]
    for block in _blocks(values):
        exact = block.astype(np.float64)
        total += exact.sum(axis=0)
        product += exact.T @ exact
        n_clipped += (np.abs(block) >= _FULL_SCALE).sum(axis=0)
        powers.append(_powers(exact, per_level))
        cancelled += _cancelled(exact, per_correlation)
        lags += _lags(block, sample_rate_hz)
        if len(exact) >= per_correlation:
            seconds.append(_covariances(_pieces(exact, per_correlation)) / per_correlation)
    mean = total / n
    covariance = product / n - np.outer(mean, mean)
    sd = np.sqrt(np.maximum(np.diag(covariance), 1e-20))
    level = 10 * np.log10(np.maximum(np.concatenate(powers), 1e-12))
    quiet, loud = np.percentile(level, [10, 95], axis=0)
    of_cancelled, of_all = cancelled
    share = of_cancelled / np.maximum(of_all, 1e-20)
    correlation = covariance / np.outer(sd, sd)
    late_s = _late(lags) / sample_rate_hz
    n_out, together = _outages(np.concatenate(seconds), loud)
    return _Judged(names, loud, quiet, n_clipped / n, correlation, share, late_s, n_out, together)


def _pieces(block: np.ndarray, length: int) -> np.ndarray:
    """Whole pieces ``(k, length, C)`` of so many samples; all as one, where they make none."""
    n_pieces = len(block) // length
    if n_pieces == 0:
        return block[None]
    whole = block[: n_pieces * length]
    return whole.reshape(n_pieces, length, -1)


def _powers(block: np.ndarray, length: int) -> np.ndarray:
    """Variance ``(k, C)`` of whole pieces of ``length`` samples."""
    return _pieces(block, length).var(axis=1)


def _cancelled(block: np.ndarray, length: int) -> np.ndarray:
    """How much sound two channels share in pieces in which they cancel, and in all: ``(2, C, C)``. What
    is left behind whole pieces counts as one of its own, since it may be a third of a short answer.
    """
    n_whole = len(block) // length * length
    found = _cancelled_in(_pieces(block, length))
    if 0 < n_whole < len(block):
        found += _cancelled_in(block[None, n_whole:])
    return found


def _cancelled_in(pieces: np.ndarray) -> np.ndarray:
    """The same of pieces ``(k, length, C)``."""
    covariance = _covariances(pieces)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    shared = sd[:, :, None] * sd[:, None, :]
    cancel = covariance < CANCEL * shared
    return np.stack([(shared * cancel).sum(axis=0), shared.sum(axis=0)])


def _covariances(pieces: np.ndarray) -> np.ndarray:
    """Of two channels in pieces ``(k, length, C)``, summed over their samples: ``(k, C, C)``."""
    centred = pieces - pieces.mean(axis=1, keepdims=True)
    covariances: np.ndarray = centred.transpose(0, 2, 1) @ centred
    return covariances


def _outages(covariance: np.ndarray, loud_db: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In how many seconds the first of two channels is out, and how they correlate in all others:
    ``(C, C)`` each, by their covariances in seconds ``(k, C, C)``.
    """
    power = np.diagonal(covariance, axis1=1, axis2=2)
    under_db = loud_db - 10 * np.log10(np.maximum(power, 1e-12))
    further_db = under_db[:, :, None] - under_db[:, None, :]
    other_sounds = under_db[:, None, :] < _SOUNDS_DB
    is_out = (further_db > SILENT_DB) & other_sounds
    both = ~(is_out | is_out.transpose(0, 2, 1))
    shared = (covariance * both).sum(axis=0)
    own = (power[:, :, None] * both).sum(axis=0)
    together = shared / np.sqrt(np.maximum(own * own.T, 1e-20))
    return is_out.sum(axis=0), together


def _lags(block: np.ndarray, sample_rate_hz: int) -> list[np.ndarray]:
    """How two channels lie to each other in pieces of some seconds: the sound that they share and by
    how many samples the second is late with it, ``(2, C, C)`` each.
    """
    spectra = _pieces(block, _SPECTRUM)
    found = []
    for first in range(0, len(spectra), _SPECTRA):
        found.append(_lags_in(spectra[first : first + _SPECTRA], sample_rate_hz))
    return found


def _lags_in(pieces: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """The same of pieces ``(k, length, C)`` as one."""
    _, length, n_channels = pieces.shape
    reach = min(round(_LATEST_S * sample_rate_hz), length - 1)
    lags = np.arange(-reach, reach + 1)
    centred = pieces - pieces.mean(axis=1, keepdims=True)
    sd = np.sqrt((centred**2).sum(axis=(0, 1), dtype=np.float64))
    found = np.zeros((2, n_channels, n_channels))
    found[0] = np.outer(sd, sd)
    n_padded = length + reach
    spectra = np.fft.rfft(centred, n_padded, axis=1)
    # At a lag, so much less of a piece meets the other one.
    shared = found[0][:, :, None] * (1 - np.abs(lags) / length)
    for a, b in combinations(range(n_channels), 2):
        crossed = (spectra[:, :, a].conj() * spectra[:, :, b]).sum(axis=0)
        at_lags = np.fft.irfft(crossed, n_padded)[lags]
        alike = np.abs(at_lags) / np.maximum(shared[a, b], 1e-20)
        best = int(alike.argmax())
        is_same = alike[best] >= _LATE_SAME and alike[best] >= alike[reach] + _LATE_GAIN
        if is_same and abs(lags[best]) > _LATE_S * sample_rate_hz:
            found[1, a, b], found[1, b, a] = lags[best], -lags[best]
    return found


def _late(found: list[np.ndarray]) -> np.ndarray:
    """By how many samples the second of two channels ``(C, C)`` is late over a recording."""
    shared, lags = np.stack(found, axis=1)
    of_all = np.maximum(shared.sum(axis=0), 1e-20)
    later = (shared * (lags > 0)).sum(axis=0) / of_all
    earlier = later.T
    is_later = (later > _LATE_SHARE) & (earlier < _TURNED_SHARE)
    late = np.zeros_like(later)
    for a, b in np.argwhere(is_later):
        of_pair = lags[:, a, b]
        late[a, b] = np.median(of_pair[of_pair > 0])
    lateness: np.ndarray = late - late.T
    return lateness
