"""Recordings with filled pauses at known times: fillers cut out of real recordings by their times
and put into pauses of others, with noise and through the codecs of web cameras.

``python -m experiments.filler_mixes SHARED OUT`` writes three folders, each with a manifest as
``twomind score transcripts`` reads it. ``judge`` judges, once. ``development`` shares no recording
and no filler with it. ``earlier`` is a judging half of before that was looked at since: thresholds
were chosen on it and on ``development``, and it has the recordings and most fillers of ``judge``,
with other places, noise and pitch.

``python -m experiments.filler_mixes SHARED OUT READINGS`` writes ``again`` beside them, with other
people, sentences and kinds of noise. ``READINGS`` is the folder ``test`` of PocketSphinx's source:
``pip download --no-deps --no-binary pocketsphinx pocketsphinx==5.1.1``, unpacked.
"""

from __future__ import annotations

import csv
import sys
import wave
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
from scipy.signal import resample

RATE_HZ = 16000
SPEECH = "data/speech"
PEOPLE = "data/emodb/wav"
#: Tones of a hum: the mains, its double, and blades.
HUM_HZ = (50.0, 100.0, 150.0, 237.0)
#: Kinds of file and their encoders; a plain file is kept as it is.
CODECS = ((".wav", None), (".webm", "libopus"), (".m4a", "aac"))


@dataclass(frozen=True)
class Cut:
    """A stretch of a recording, seconds."""

    file: str
    start_s: float
    end_s: float
    text: str = ""


@dataclass(frozen=True)
class Half:
    """What one half is made of: fillers, sounds that are none, and speech to put them into."""

    fillers: tuple[Cut, ...]
    others: tuple[Cut, ...]
    speech: tuple[Cut, ...]
    #: Speech over noise, dB; none is the recording's own.
    noise_db: tuple[float | None, ...]
    #: How much higher or lower, and faster or slower, the speech is made (share).
    other_voices: float = 0.0
    #: What is added, one for each level of noise.
    noise_kinds: tuple[str, ...] = ("pink", "pink", "pink")
    #: Beginnings of the names of recordings of other people who talk in the background; without
    #: them the sentences themselves, backwards.
    background: tuple[str, ...] = ()
    #: Tones of a fan's hum.
    hum_hz: tuple[float, ...] = HUM_HZ


_READ = "librivox/sense_and_sensibility_01_austen_64kb-08{}0.wav"

#: Two sentences that were read, of which the second goes on with the first.
_ILL_DISPOSED = (
    Cut(_READ.format(8), 0.0, 2.99, "he was not an ill disposed young man"),
    Cut(
        _READ.format(9),
        0.0,
        5.3,
        "unless to be rather cold hearted and rather selfish is to be ill disposed",
    ),
)
DEVELOPMENT = Half(
    fillers=(
        Cut("acoustic_corpus.wav", 8.00, 8.58, "um"),
        Cut("acoustic_corpus.wav", 14.48, 14.95, "uh"),
        Cut("acoustic_corpus.wav", 22.88, 23.55, "um"),
        Cut("mfa_um.flac", 3.75, 4.35, "um"),
        Cut("mfa_um.flac", 4.30, 4.90, "mm"),
    ),
    others=(
        Cut("mfa_laughter.flac", 3.0, 3.8),
        Cut("mfa_laughter.flac", 5.0, 5.8),
        Cut("mfa_breaths.flac", 1.0, 1.8),
    ),
    speech=(
        Cut(
            _READ.format(7),
            0.0,
            7.1,
            "and mister john dashwood had then leisure to consider how much there might be "
            "prudently in his power to do for them",
        ),
        Cut(
            "acoustic_corpus.wav",
            0.7,
            7.75,
            "this is the acoustic corpus i'm talking pretty fast here there's nothing going else "
            "going on we're just yknow there's some speech errors but who cares",
        ),
        Cut(
            "acoustic_corpus.wav",
            8.6,
            14.2,
            "this is me talking really slow and slightly lower in intensity",
        ),
    ),
    noise_db=(None, 25.0, 15.0),
)
JUDGE = Half(
    fillers=(
        Cut("cold_corpus.wav", 1.22, 1.69, "uh"),
        Cut("cold_corpus.wav", 3.67, 3.98, "uh"),
        Cut("cold_corpus.wav", 7.30, 7.88, "uh"),
        Cut("cold_corpus.wav", 9.87, 10.36, "um"),
        Cut("cold_corpus.wav", 17.76, 18.34, "uh"),
        Cut("mfa_uh.flac", 2.42, 2.82, "uh"),
        Cut("mfa_uh.flac", 2.82, 3.56, "uh"),
    ),
    others=(
        Cut("mfa_laughter.flac", 7.4, 8.1),
        Cut("mfa_laughter.flac", 10.0, 10.9),
        Cut("mfa_breaths.flac", 6.0, 6.7),
    ),
    speech=(
        *_ILL_DISPOSED,
        Cut(
            "cold_corpus.wav",
            4.0,
            6.95,
            "i have a cold so i probably sound quite different than the",
        ),
        Cut(
            "cold_corpus.wav",
            10.4,
            17.6,
            "the recording environment is also quite different and i'm saying a bunch of different "
            "words that i did not say in the original one",
        ),
        Cut(
            "cold_corpus.wav",
            18.5,
            25.6,
            "and here's a long pause and i think this is probably good alright thanks",
        ),
    ),
    noise_db=(None, 20.0, 12.0),
    other_voices=0.08,
)


EARLIER = replace(
    JUDGE,
    fillers=(
        *JUDGE.fillers[:5],
        Cut("mfa_uh.flac", 2.40, 3.00, "uh"),
        Cut("mfa_uh.flac", 3.00, 3.60, "uh"),
    ),
    noise_db=(None, 25.0, 15.0),
)


_MORE_READ = "data/librivox/sense_and_sensibility_01_austen_64kb-09{}0.wav"
_MEETING = "regression/chan3.wav"
#: Fillers of ``JUDGE`` (no others are at hand) among people, sentences and noises that are new.
AGAIN = Half(
    fillers=JUDGE.fillers,
    others=(
        Cut("mfa_laughter.flac", 8.2, 8.8),
        Cut("mfa_laughter.flac", 9.25, 9.95),
        Cut("mfa_breaths.flac", 2.2, 3.2),
        Cut("mfa_hes.flac", 1.5, 2.2),
        Cut(_MEETING, 9.75, 10.6),
    ),
    speech=(
        Cut(
            _MORE_READ.format(2),
            0.0,
            6.05,
            "had he married a more amiable woman he might have been made still more respectable "
            "than he was",
        ),
        Cut(_MORE_READ.format(3), 0.0, 3.29, "he might even have been made amiable himself"),
        Cut("data/cards/001.wav", 0.0, 1.0, "ten of clubs"),
        Cut("data/cards/003.wav", 0.0, 1.5, "seven of clubs"),
        Cut("data/cards/005.wav", 0.0, 3.4, "eight of spades four of clubs seven of hearts"),
        Cut(_MEETING, 0.2, 1.65, "yeah we had a long discussion about"),
        Cut(
            _MEETING,
            2.85,
            6.3,
            "how much how easy we want to make it for people to bleep things out so",
        ),
        Cut(_MEETING, 8.25, 9.5, "morgan wants to make it hard"),
        Cut(_MEETING, 17.15, 19.1, "i didn't even check yesterday whether it was moving"),
        Cut("data/goforward.raw", 0.4, 2.1, "go forward ten meters"),
        Cut("data/numbers.raw", 0.2, 3.2, "thirty three four six ninety two"),
        Cut("data/something.raw", 0.2, 2.3, "go somewhere and do something"),
    ),
    noise_db=(None, 20.0, 12.0),
    other_voices=0.08,
    noise_kinds=("pink", "fan", "babble"),
)


_LEVELS = (None, 20.0, 12.0, 20.0, 12.0)
_KINDS = ("pink", "fan", "fan", "babble", "babble")
#: On these the rules about the level of a filled pause were chosen.
TUNING = replace(
    DEVELOPMENT,
    speech=(
        *DEVELOPMENT.speech,
        *_ILL_DISPOSED,
    ),
    noise_db=_LEVELS,
    noise_kinds=_KINDS,
    other_voices=0.08,
    background=("03", "08", "09"),
    hum_hz=(60.0, 120.0, 180.0, 310.0),
)
#: Judges those rules. Nobody who is heard in ``TUNING`` says a sentence of it, or is in its
#: background. Its fillers are those of ``JUDGE``: no others are at hand.
FRESH = Half(
    fillers=JUDGE.fillers,
    others=(
        Cut("mfa_laughter.flac", 6.0, 6.8),
        Cut("mfa_laughter.flac", 10.95, 11.45),
        Cut("mfa_breaths.flac", 4.0, 4.9),
        Cut(_MEETING, 9.75, 10.6),
    ),
    speech=(
        *AGAIN.speech[2:],
        Cut("data/tidigits/dhd.2934z.raw", 0.15, 1.7, "two nine three four zero"),
        Cut("data/cards/002.wav", 0.0, 1.95, "four queen of clubs"),
        Cut("data/cards/004.wav", 0.0, 1.5, "five five"),
    ),
    noise_db=_LEVELS,
    noise_kinds=_KINDS,
    other_voices=0.08,
    background=("10", "11", "12"),
)


@dataclass(frozen=True)
class Mix:
    """A recording made of cuts: samples, what is said, and where the fillers lie (seconds)."""

    samples: np.ndarray
    text: str
    fillers: tuple[tuple[float, float, str], ...]


class Maker:
    """Makes the mixes of one half."""

    def __init__(self, half: Half, roots: tuple[Path, ...], seed: int) -> None:
        self.half = half
        self.roots = roots
        self.rng = np.random.default_rng(seed)
        self._sounds: dict[str, np.ndarray] = {}

    def mix(self, n_fillers: int) -> Mix:
        """Sentences with a filler, or a sound that is none, in the pauses between them."""
        parts: list[np.ndarray] = []
        said: list[str] = []
        fillers: list[tuple[float, float, str]] = []
        n_sentences = len(self.half.speech)
        order = [int(k) for k in self.rng.permutation(n_sentences)]
        at = 0
        for k in range(n_fillers):
            sentence = self.half.speech[order[k % n_sentences]]
            speech, text = self._words(sentence, k)
            for part in (self._room(), speech, self._room()):
                parts.append(part)
                at += len(part)
            said.append(text)
            if self.rng.random() < 0.25:
                other = self._cut(self._one_of(self.half.others))
                parts += [other, self._room()]
                at += len(parts[-2]) + len(parts[-1])
            cut = self._one_of(self.half.fillers)
            filler = self._varied(self._cut(cut))
            fillers.append((at / RATE_HZ, (at + len(filler)) / RATE_HZ, cut.text))
            said.append(cut.text)
            parts.append(filler)
            at += len(filler)
        parts.append(self._room())
        return Mix(np.concatenate(parts), " ".join(said), tuple(fillers))

    def _words(self, sentence: Cut, k: int) -> tuple[np.ndarray, str]:
        speech = self._cut(sentence)
        span = self.half.other_voices
        if span:
            speed = self.rng.uniform(1 - span, 1 + span)
            speech = resample(speech, int(len(speech) / speed)).astype(np.float32)
        return self._levelled(speech, -23.0), sentence.text

    def _one_of(self, cuts: tuple[Cut, ...]) -> Cut:
        return cuts[int(self.rng.integers(len(cuts)))]

    def _cut(self, cut: Cut) -> np.ndarray:
        if cut.file not in self._sounds:
            self._sounds[cut.file] = decoded(self._found(cut.file))
        sound = self._sounds[cut.file]
        piece = sound[int(cut.start_s * RATE_HZ) : int(cut.end_s * RATE_HZ)].copy()
        return faded(piece)

    def _found(self, file: str) -> Path:
        for root in self.roots:
            if (root / file).is_file():
                return root / file
        raise FileNotFoundError(f"{file} is in none of {', '.join(map(str, self.roots))}")

    def babble(self, n: int) -> np.ndarray:
        """Six voices at once: of other people as they spoke, else the sentences backwards, so that
        no word can be understood.
        """
        if self.half.background:
            return self._other_people(n)
        total = np.zeros(n, np.float32)
        for _ in range(6):
            sentence = self._one_of(self.half.speech)
            speech = self._levelled(self._cut(sentence)[::-1], -23.0)
            start = int(self.rng.integers(len(speech)))
            total += np.resize(np.roll(speech, start), n)
        return total

    def _other_people(self, n: int) -> np.ndarray:
        """Six rows of German sentences by people of the Berlin database."""
        files = []
        for root in self.roots:
            files += [
                p for p in sorted(root.glob("*.flac")) if p.name.startswith(self.half.background)
            ]
        total = np.zeros(n, np.float32)
        for _ in range(6):
            row = np.zeros(0, np.float32)
            while len(row) < n:
                path = files[int(self.rng.integers(len(files)))]
                row = np.concatenate([row, self._levelled(decoded(path), -23.0)])
            total += row[:n]
        return total

    def _varied(self, filler: np.ndarray) -> np.ndarray:
        """Another voice of the same filler: higher or lower, louder or softer."""
        speed = self.rng.uniform(0.88, 1.14)
        other = resample(filler, int(len(filler) / speed)).astype(np.float32)
        return self._levelled(other, -23.0 + self.rng.uniform(-8.0, 1.0))

    def _levelled(self, sound: np.ndarray, dbfs: float) -> np.ndarray:
        now_db = 10 * np.log10(np.mean(sound**2) + 1e-12)
        return (sound * 10 ** ((dbfs - now_db) / 20)).astype(np.float32)

    def _room(self) -> np.ndarray:
        n = int(self.rng.uniform(0.12, 0.5) * RATE_HZ)
        return self.rng.normal(0, 10 ** (-75 / 20), n).astype(np.float32)


def faded(piece: np.ndarray) -> np.ndarray:
    """With 10 ms of fading at both ends."""
    n = RATE_HZ // 100
    ramp = np.linspace(0, 1, n, dtype=np.float32)
    piece[:n] *= ramp
    piece[-n:] *= ramp[::-1]
    return piece


def decoded(path: Path) -> np.ndarray:
    """Samples ``(n,)`` float mono at 16 kHz; a file ``.raw`` is 16 bits of that already."""
    if path.suffix == ".raw":
        return np.fromfile(path, "<i2").astype(np.float32) / 32768
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", RATE_HZ)
        parts = []
        for frame in container.decode(audio=0):
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
        parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    return np.concatenate(parts)


def pink(n: int, rng: np.random.Generator) -> np.ndarray:
    """Noise that falls by 3 dB an octave, as rooms have it."""
    spectrum = np.fft.rfft(rng.normal(size=n))
    hz = np.fft.rfftfreq(n, 1 / RATE_HZ)
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(hz, 50.0)), n)


def fan(n: int, rng: np.random.Generator, hum_hz: tuple[float, ...] = HUM_HZ) -> np.ndarray:
    """Noise that falls by 6 dB an octave, with the hum of the mains and its blades."""
    spectrum = np.fft.rfft(rng.normal(size=n))
    hz = np.fft.rfftfreq(n, 1 / RATE_HZ)
    air = np.fft.irfft(spectrum / np.maximum(hz, 80.0), n)
    air /= np.sqrt(np.mean(air**2))
    time_s = np.arange(n) / RATE_HZ
    hum = sum(np.sin(2 * np.pi * tone_hz * time_s) / k for k, tone_hz in enumerate(hum_hz, 1))
    return air + 0.5 * hum


def noisy(
    sound: np.ndarray, snr_db: float | None, noise: Callable[[int], np.ndarray]
) -> np.ndarray:
    """With noise that lies ``snr_db`` under speech; as it is where that is None."""
    if snr_db is None:
        return sound
    added = noise(len(sound))
    added = added / np.sqrt(np.mean(added**2))
    return (sound + added * 10 ** ((-23.0 - snr_db) / 20)).astype(np.float32)


def write_sound(path: Path, sound: np.ndarray, codec: str | None) -> None:
    """A wave file, or one through a codec at a low bit rate."""
    samples = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
    if codec is None:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(samples.tobytes())
        return
    with av.open(str(path), "w") as container:
        rate = 48000
        stream = container.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 24000 if codec == "libopus" else 40000
        resampler = av.AudioResampler(stream.format.name, "mono", rate, stream.frame_size or 960)
        frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
        frame.sample_rate = RATE_HZ
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def write_grid(path: Path, fillers: tuple[tuple[float, float, str], ...], end_s: float) -> None:
    """A TextGrid with one tier, ``fillers``."""
    rows: list[tuple[float, float, str]] = []
    at = 0.0
    for start_s, stop_s, text in fillers:
        rows += [(at, start_s, ""), (start_s, stop_s, text)]
        at = stop_s
    rows.append((at, end_s, ""))
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", f"{end_s}"]
    lines += ["<exists>", "1", '"IntervalTier"', '"fillers"', "0", f"{end_s}", f"{len(rows)}"]
    for start_s, stop_s, text in rows:
        lines += [f"{start_s:.3f}", f"{stop_s:.3f}", f'"{text}"']
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Size:
    """How many mixes of how many fillers, and the seed of what is drawn."""

    n_mixes: int
    n_fillers: int
    seed: int


def write_half(half: Half, roots: tuple[Path, ...], out: Path, size: Size) -> None:
    """All mixes of one half, with their manifest."""
    out.mkdir(parents=True, exist_ok=True)
    maker = Maker(half, roots, size.seed)
    noises = {
        "pink": lambda n: pink(n, maker.rng),
        "fan": lambda n: fan(n, maker.rng, half.hum_hz),
        "babble": maker.babble,
    }
    rows = []
    for k in range(size.n_mixes):
        mix = maker.mix(size.n_fillers)
        ending, codec = CODECS[k % len(CODECS)]
        level = (k // len(CODECS)) % len(half.noise_db)
        snr_db = half.noise_db[level]
        kind = half.noise_kinds[level]
        name = f"mix_{k:03d}"
        write_sound(out / f"{name}{ending}", noisy(mix.samples, snr_db, noises[kind]), codec)
        (out / f"{name}.txt").write_text(mix.text + "\n", encoding="utf-8")
        write_grid(out / f"{name}.TextGrid", mix.fillers, len(mix.samples) / RATE_HZ)
        noise = "own noise" if snr_db is None else f"{snr_db:.0f} dB over {kind} noise"
        note = f"{noise}, {codec or 'no codec'}"
        rows.append((f"{name}{ending}", f"{name}.txt", f"{name}.TextGrid", size.n_fillers, note))
    with (out / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "transcript", "times", "n_fillers", "note"))
        writer.writerows(rows)


def main(shared: str, out: str, readings: str | None = None) -> None:
    """Write all of them; ``again`` and ``fresh`` where the readings that they need are at hand."""
    roots = (Path(shared) / SPEECH, Path(shared) / PEOPLE)
    write_half(DEVELOPMENT, roots, Path(out) / "development", Size(12, 7, seed=1))
    write_half(EARLIER, roots, Path(out) / "earlier", Size(27, 8, seed=20261129))
    write_half(JUDGE, roots, Path(out) / "judge", Size(25, 8, seed=1717))
    write_half(TUNING, roots, Path(out) / "tuning", Size(15, 7, seed=61))
    if readings is not None:
        roots = (*roots, Path(readings))
        write_half(AGAIN, roots, Path(out) / "again", Size(25, 8, seed=230617))
        write_half(FRESH, roots, Path(out) / "fresh", Size(25, 8, seed=20261130))


if __name__ == "__main__":
    main(*sys.argv[1:])
