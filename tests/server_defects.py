"""Films of a synthetic person with seeded defects, as a browser would have sent them."""

from __future__ import annotations

import io
import subprocess
import wave
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

RATE_HZ = 48_000
FPS = 15
SIZE = (480, 360)
#: Length of the films, in seconds.
LENGTH_S = 9.0


@dataclass(frozen=True)
class Take:
    """One answer: pictures ``(T, H, W, 3)`` and sound ``(n,)`` or ``(2, n)``; None: there is none."""

    pictures: np.ndarray | None
    sound: np.ndarray | None
    fps: float = FPS

    def shown(self, change: Callable[[np.ndarray], np.ndarray]) -> Take:
        """With other pictures; ``change`` takes and gives them as numbers of 0 to 255."""
        assert self.pictures is not None
        changed = change(self.pictures.astype(np.float32))
        return replace(self, pictures=np.clip(changed, 0, 255).astype(np.uint8))

    def heard(self, change: Callable[[np.ndarray], np.ndarray]) -> Take:
        """With another sound; what is too loud is cut off, as a sound card does."""
        assert self.sound is not None
        return replace(self, sound=np.clip(change(self.sound), -1, 1).astype(np.float32))

    def first(self, seconds: float) -> Take:
        """Its beginning."""
        assert self.pictures is not None
        assert self.sound is not None
        pictures = self.pictures[: round(seconds * self.fps)]
        return replace(self, pictures=pictures, sound=self.sound[: round(seconds * RATE_HZ)])


@dataclass(frozen=True)
class Sent:
    """What a browser sends: the bytes, what it calls them, and what its manifest says."""

    content: bytes
    mime: str = "video/webm;codecs=vp8,opus"
    duration_s: float = LENGTH_S
    stop_reason: str = "button"
    events: tuple[str, ...] = ()


# --- films


def take_of(film: Path) -> Take:
    """The beginning of a film that was drawn at :data:`FPS`."""
    with av.open(str(film)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
    pieces = []
    with av.open(str(film)) as container:
        for frame in container.decode(audio=0):
            pieces += [one.to_ndarray()[0] for one in resampler.resample(frame)]
    return Take(np.stack(frames), np.concatenate(pieces)).first(LENGTH_S)


@cache
def french(seconds: float = LENGTH_S) -> np.ndarray:
    """Somebody speaks French, by espeak-ng."""
    text = (
        "Je voudrais bien arrêter de fumer, mais je ne sais pas encore si je peux le faire. "
        "Le matin, quand je me lève, la première chose que je fais est de boire un café."
    )
    command = ["espeak-ng", "-v", "fr", "-s", "150", "--stdout", text]
    done = subprocess.run(command, capture_output=True, check=True)
    with wave.open(io.BytesIO(done.stdout)) as file:
        rate = file.getframerate()
        values = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    heard: np.ndarray = np.interp(times, np.arange(len(values)) / rate, values, right=0.0)
    noise = np.random.default_rng(5).normal(0, 0.001, len(heard))
    return (0.7 * heard + noise).astype(np.float32)


def written(take: Take, kind: str = "webm") -> bytes:
    """As a browser writes it: WebM with VP8 and Opus, or MP4 with H.264 and Opus.

    Args:
        take: What to write.
        kind: ``webm`` or ``mp4``.
    """
    buffer = io.BytesIO()
    live = {"live": "1"} if kind == "webm" else {"movflags": "frag_keyframe+empty_moov"}
    packets: list[Any] = []
    with av.open(buffer, "w", format=kind, options=live) as out:
        # A container takes its streams before the first packet.
        video = None if take.pictures is None else _video(out, take, kind)
        layout = "stereo" if take.sound is not None and take.sound.ndim == 2 else "mono"
        sound = None
        if take.sound is not None:
            sound = out.add_stream("libopus", rate=RATE_HZ, layout=layout)
        if video is not None:
            packets += _pictures(video, take)
        if sound is not None:
            packets += _sound(sound, take, layout)
        packets.sort(key=lambda one: float(one.dts * one.time_base))
        for packet in packets:
            out.mux(packet)
    return buffer.getvalue()


def _video(out: Any, take: Take, kind: str) -> Any:
    assert take.pictures is not None
    rate = Fraction(take.fps).limit_denominator(100)
    if kind == "webm":
        options = {"deadline": "realtime", "cpu-used": "8", "g": "100"}
        video = out.add_stream("libvpx", rate=rate, options=options)
    else:
        options = {"preset": "veryfast", "tune": "zerolatency", "g": "15"}
        video = out.add_stream("libx264", rate=rate, options=options)
    video.height, video.width = take.pictures.shape[1:3]
    video.pix_fmt, video.bit_rate = "yuv420p", 1_500_000
    # More threads wait for each other longer than they work.
    video.thread_count = 1
    return video


def _pictures(video: Any, take: Take) -> list[Any]:
    assert take.pictures is not None
    packets = []
    for number, shown in enumerate(take.pictures):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(shown), "rgb24")
        frame.pts, frame.time_base = number, 1 / Fraction(take.fps).limit_denominator(100)
        packets += video.encode(frame)
    return [*packets, *video.encode(None)]


def _sound(sound: Any, take: Take, layout: str) -> list[Any]:
    assert take.sound is not None
    values = np.atleast_2d(take.sound)
    samples = np.round(values * 32767).astype(np.int16).T.reshape(1, -1)
    heard = av.AudioFrame.from_ndarray(samples, "s16", layout)
    heard.sample_rate, heard.pts = RATE_HZ, 0
    return [*sound.encode(heard), *sound.encode(None)]


# --- what goes wrong


def _noise(take: Take, level: float) -> np.ndarray:
    assert take.sound is not None
    return np.random.default_rng(1).normal(0, level, take.sound.shape)


def _hum(take: Take, level: float) -> np.ndarray:
    """A mains hum with its harmonics, as a bad cable brings it."""
    assert take.sound is not None
    times = np.arange(take.sound.shape[-1]) / RATE_HZ
    tones = [np.sin(2 * np.pi * 60 * n * times + n) / n for n in range(1, 12)]
    hum: np.ndarray = level * np.sum(tones, axis=0)
    return hum


def _room(take: Take) -> np.ndarray:
    """The wall behind the person, as the camera sees it without anybody: with its noise."""
    assert take.pictures is not None
    corner = take.pictures[:, :40, :40].astype(np.float32).mean(axis=(1, 2), keepdims=True)
    n, height, width = take.pictures.shape[:3]
    noise = np.random.default_rng(2).normal(0, 3, (8, height, width, 3))
    numbers = np.arange(n) % 8
    room: np.ndarray = corner + noise[numbers]
    return room


def _small(pictures: np.ndarray, height: int, width: int) -> np.ndarray:
    import cv2

    made = [cv2.resize(one, (width, height), interpolation=cv2.INTER_AREA) for one in pictures]
    return np.stack(made)


def _from(pictures: np.ndarray, share: float, change: Callable[[np.ndarray], Any]) -> np.ndarray:
    """Changed from a part of the film on."""
    changed = pictures.copy()
    first = round(share * len(pictures))
    changed[first:] = change(pictures[first:])
    return changed


def far_away(take: Take, factor: float) -> Take:
    """The person sits at the other end of the room."""
    assert take.pictures is not None
    height, width = (round(side / factor) for side in take.pictures.shape[1:3])
    small = _small(take.pictures, height, width)
    room = _room(take)
    room[:, -height:, 100 : 100 + width] = small
    return take.shown(lambda _: room)


def two_people(take: Take, other: Take, first_s: float = 0.0, last_s: float = LENGTH_S) -> Take:
    """Somebody else sits beside the person, for all of the time or a part of it."""
    assert take.pictures is not None
    assert other.pictures is not None
    n = min(len(take.pictures), len(other.pictures))
    first, last = round(first_s * FPS), min(round(last_s * FPS), n)
    wide = np.concatenate([take.pictures[:n], _room(take)[:n].astype(np.uint8)], axis=2)
    wide[first:last, :, take.pictures.shape[2] :] = other.pictures[first:last]
    return replace(take, pictures=wide)


def blurred(take: Take, sigma: float) -> Take:
    """The lens is dirty, or out of focus."""
    import cv2

    return take.shown(lambda p: np.stack([cv2.GaussianBlur(one, (0, 0), sigma) for one in p]))


def frozen(take: Take, share: float) -> Take:
    """The picture stands still from a part of the film on."""
    return take.shown(lambda p: _from(p, share, lambda rest: rest[:1]))


def masked(take: Take) -> Take:
    """After a while something hides the picture below the forehead."""

    def cover(pictures: np.ndarray) -> np.ndarray:
        pictures[len(pictures) // 4 :, SIZE[1] // 3 :] = (60, 90, 160)
        return pictures

    return take.shown(cover)


def beside(take: Take) -> Take:
    """Half of the face is outside the picture."""
    assert take.pictures is not None
    half = take.pictures.shape[2] // 2
    room = _room(take)
    room[:, :, :half] = take.pictures[:, :, half:]
    return take.shown(lambda _: room)


def alone_at(take: Take, share: float) -> Take:
    """The person walks away after a part of the film."""
    room = _room(take)
    return take.shown(lambda p: _from(p, share, lambda rest: room[-len(rest) :]))


def one_word(take: Take) -> Take:
    """One short sound, and then the noise of the room."""

    def change(sound: np.ndarray) -> np.ndarray:
        loud = np.abs(sound) > 0.1
        begin = int(np.flatnonzero(loud)[0])
        quiet = _noise(take, 0.001)
        quiet[begin : begin + RATE_HZ // 3] += sound[begin : begin + RATE_HZ // 3]
        return quiet

    return take.heard(change)


def dead_from(take: Take, share: float) -> Take:
    """The microphone gives nothing from a part of the film on."""

    def change(sound: np.ndarray) -> np.ndarray:
        sound = sound.copy()
        sound[round(share * len(sound)) :] = 0
        return sound

    return take.heard(change)


def shorter_sound(take: Take, share: float) -> Take:
    """The microphone's track ends, the camera's goes on."""
    assert take.sound is not None
    return replace(take, sound=take.sound[: round(share * len(take.sound))])


def shorter_picture(take: Take, share: float) -> Take:
    """The camera's track ends, the microphone's goes on."""
    assert take.pictures is not None
    return replace(take, pictures=take.pictures[: round(share * len(take.pictures))])


def slow(take: Take, every: int) -> Take:
    """A camera, or a computer, that cannot keep up."""
    assert take.pictures is not None
    return replace(take, pictures=take.pictures[::every], fps=take.fps / every)


# --- all of them


@dataclass(frozen=True)
class Defect:
    """One film, what must be found in it, and what is proposed.

    Args:
        name: For the table of the manual.
        sent: Makes what the browser sends.
        codes: Faults that must be among those found; none: a film without a fault.
        more: Further faults that are no mistake.
        item: Which prompt was answered.
        speech: Whether the study has a speech model, which takes most of the time.
        proposal: ``usable``, ``again``, or ``refused`` where the server does not take it.
    """

    name: str
    sent: Callable[[Take, Take], Sent]
    codes: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    item: str = "q1"
    proposal: str = "again"
    speech: bool = False


def _film(change: Callable[[Take], Take], **more: Any) -> Callable[[Take, Take], Sent]:
    def make(take: Take, _other: Take) -> Sent:
        return Sent(written(change(take)), **more)

    return make


def _pictures_as(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Take, Take], Sent]:
    return _film(lambda take: take.shown(change))


def _sound_as(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Take, Take], Sent]:
    return _film(lambda take: take.heard(change))


def _bytes(change: Callable[[bytes], bytes], kind: str = "webm", mime: str = "") -> Any:
    def make(take: Take, _other: Take) -> Sent:
        called = mime or f"video/{kind}"
        return Sent(change(written(take, kind)), called)

    return make


def _with_hole(content: bytes) -> bytes:
    """A sector of a disk that reads as zeros, over a quarter of the film."""
    first, last = len(content) // 2, 3 * len(content) // 4
    return content[:first] + bytes(last - first) + content[last:]


def _plain(change: Callable[[Take, Take], Take]) -> Callable[[Take, Take], Sent]:
    return lambda take, other: Sent(written(change(take, other)))


def _with(level: float, more: Callable[[Take], np.ndarray]) -> Callable[[Take, Take], Sent]:
    """The voice at another level, and something besides."""
    return _film(lambda take: take.heard(lambda sound: level * sound + more(take)))


def _one_channel(take: Take) -> Take:
    assert take.sound is not None
    return replace(take, sound=np.stack([take.sound, np.zeros_like(take.sound)]))


def _quiet_room(sound: np.ndarray) -> np.ndarray:
    quiet: np.ndarray = np.random.default_rng(4).normal(0, 0.001, sound.shape)
    return quiet


def _cut(content: bytes) -> bytes:
    return content[: int(0.66 * len(content))]


def _silence(sound: np.ndarray) -> np.ndarray:
    return np.zeros_like(sound)


def _same(take: Take) -> Take:
    return take


def _short(take: Take) -> Take:
    return take.first(2.0)


def _begun(take: Take) -> Take:
    return take.first(5.0)


def _unplugged(take: Take, _other: Take) -> Sent:
    return Sent(written(take), stop_reason="track_ended", events=("track_ended",))


#: What a hole in a file takes with it depends on where it falls.
_OF_A_HOLE = (
    "truncated", "incomplete", "unreadable", "frozen", "few_pictures", "sound_ends", "sound_dead",
    "picture_ends",
)  # fmt: skip
_NO_VOICE = ("sound_dead", "too_quiet")
_UNSEEN = ("face_seldom", "face_because")

DEFECTS = (
    # the picture
    Defect("dark room", _pictures_as(lambda p: p * 0.1), _UNSEEN),
    Defect("lens covered: black", _pictures_as(lambda p: p * 0.01), ("black", "face_seldom"), _UNSEEN),
    Defect("black for the last half", _pictures_as(lambda p: _from(p, 0.5, lambda r: r * 0.01)), ("black",), _UNSEEN),
    Defect("burnt out by a window", _pictures_as(lambda p: p * 3.5 + 90), ("face_seldom",), _UNSEEN),
    Defect("picture frozen from the start", _film(lambda take: frozen(take, 0.0)), ("frozen",)),
    Defect("picture freezes half way", _film(lambda take: frozen(take, 0.5)), ("frozen",)),
    Defect("nobody there", _film(lambda take: alone_at(take, 0.0)), _UNSEEN, ("frozen",)),
    Defect("the person leaves after a third", _film(lambda take: alone_at(take, 0.3)), _UNSEEN, ("frozen",)),
    Defect("face tiny, far away", _film(lambda take: far_away(take, 6.0)), _UNSEEN, ("frozen",)),
    Defect("half of the face outside the picture", _film(beside), _UNSEEN),
    Defect("out of focus", _film(lambda take: blurred(take, 16.0)), _UNSEEN),
    Defect("something before the mouth", _film(masked), _UNSEEN),
    Defect("two people", _plain(two_people), ("several_faces",)),
    Defect("two pictures a second", _film(lambda take: slow(take, 7)), ("few_pictures",)),
    Defect("no picture at all", _film(lambda take: replace(take, pictures=None)), ("no_picture",)),
    Defect("the camera ends half way", _film(lambda take: shorter_picture(take, 0.5)), ("picture_ends",)),
    # the sound
    Defect("no sound at all", _film(lambda take: replace(take, sound=None)), ("no_sound",)),
    Defect("microphone muted", _sound_as(_silence), ("no_speech", "sound_dead"), _NO_VOICE),
    Defect("far too quiet", _sound_as(lambda s: s * 0.004), ("too_quiet",), ("no_speech", "noisy")),
    Defect("clipped", _sound_as(lambda s: s * 30), ("clipped",), ("noisy",)),
    Defect("hum over the voice", _with(0.3, lambda take: _hum(take, 0.25)), ("loud_noise",), ("no_speech", "noisy")),
    Defect("noise over the voice", _with(0.2, lambda take: _noise(take, 0.2)), ("loud_noise",), ("no_speech", "noisy")),
    Defect("hum alone", _with(0.0, lambda take: _hum(take, 0.1)), ("no_speech", "loud_noise")),
    Defect("the noise of the room alone", _with(0.0, lambda take: _noise(take, 0.003)), ("no_speech",)),
    Defect("one word", _film(one_word), ("no_speech",)),
    Defect("microphone dead after a third", _film(lambda take: dead_from(take, 0.33)), ("sound_dead",)),
    Defect("the microphone ends half way", _film(lambda take: shorter_sound(take, 0.5)), ("sound_ends",)),
    Defect("another language", _film(lambda take: replace(take, sound=french())), ("other_language",), speech=True),
    # the file
    Defect("cut at 66 %", _bytes(_cut), ("incomplete",), ("truncated",)),
    Defect("MP4 cut at 66 %", _bytes(_cut, "mp4"), ("incomplete",), ("truncated",)),
    Defect("a hole of zeros", _bytes(_with_hole), (), _OF_A_HOLE),
    Defect("its head alone", _bytes(lambda c: c[:200]), ("unreadable",)),
    Defect("text behind the head of a film", _bytes(lambda c: c[:64] + b"no film " * 500), ("unreadable",)),
    Defect("shorter than asked", _film(_short, duration_s=2.0), ("too_short",)),
    Defect("the tab was closed", _film(_begun, duration_s=5.0, stop_reason="tab_closed"), ("ended_by_itself",)),
    Defect("the camera was unplugged", _unplugged, ("ended_by_itself", "page_track_ended")),
    # what is not taken at all
    Defect("zero bytes", _bytes(lambda _: b""), proposal="refused"),
    Defect("a picture called a film", _bytes(lambda _: b"\x89PNG\r\n\x1a\n" + bytes(900)), proposal="refused"),
    Defect("an MP4 called WebM", _bytes(lambda c: c, "mp4", "video/webm"), proposal="refused"),
)  # fmt: skip

#: Films that are no worse than people's own computers make them: nothing may be found.
FINE = (
    Defect("as it comes", _film(_same), speech=True),
    Defect("MP4", _bytes(lambda c: c, "mp4")),
    Defect("somebody else", lambda _take, other: Sent(written(other)), speech=True),
    Defect("a dim room", _pictures_as(lambda p: p * 0.5)),
    Defect("a bright room", _pictures_as(lambda p: p * 1.2 + 15)),
    Defect("sitting back", _film(lambda take: far_away(take, 2.0))),
    Defect("soft picture", _film(lambda take: blurred(take, 1.2))),
    Defect("a low voice", _sound_as(lambda s: s * 0.1)),
    Defect("a fan in the room", _with(1.0, lambda take: _noise(take, 0.004))),
    Defect("a weak hum", _with(1.0, lambda take: _hum(take, 0.004))),
    Defect("one dead channel of two", _film(_one_channel)),
    Defect("somebody passes for half a second", _plain(lambda take, other: two_people(take, other, 4.0, 4.5))),
    Defect("a neutral clip, nobody speaks", _sound_as(_quiet_room), item="neutral"),
)  # fmt: skip
