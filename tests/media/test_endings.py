"""A file that was cut says so where its container can tell; a whole one never does."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import media_files as make
from twomind.core.errors import BadInput
from twomind.media.endings import ending, missing_bytes
from twomind.media.probe import NOT_DECLARED, probe
from twomind.media.stream import stream

FILMS: dict[str, dict[str, Any]] = {
    "plain.mp4": {},
    "fragments.mp4": {"options": {"movflags": "frag_keyframe+empty_moov"}},
    "whole.mkv": {},
    "browser.webm": {
        "options": {"live": "1"},
        "codec": "libvpx",
        "audio_codec": "libopus",
        "video_options": make.VPX,
    },
    "packets.ts": {},
    "old.avi": {
        "codec": "mpeg4",
        "audio_codec": "pcm_s16le",
        "time_base": Fraction(1, 30000),
    },
}


def film(folder: Path, name: str) -> Path:
    path = folder / name
    make.write(path, make.constant(45), **FILMS[name])
    if name == "browser.webm":
        path.write_bytes(without_sizes(path.read_bytes()))
    return path


CLUSTER = b"\x1f\x43\xb6\x75"


def without_sizes(film: bytes) -> bytes:
    """As a browser writes it: the size of no cluster is known (all ones)."""
    content = bytearray(film)
    at = content.find(CLUSTER)
    while at >= 0:
        n_bytes = 9 - content[at + 4].bit_length()
        content[at + 4 : at + 4 + n_bytes] = bytes([0xFF >> (n_bytes - 1)]) + b"\xff" * (
            n_bytes - 1
        )
        at = content.find(CLUSTER, at + 4)
    return bytes(content)


def tone(path: Path, codec: str, seconds: float = 2.0) -> Path:
    """A tone without pictures."""
    import av

    rate = 48000
    wave = (9000 * np.sin(np.arange(int(rate * seconds)) * 0.06)).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream_ = container.add_stream(codec, rate=rate, layout="mono")
        for at in range(0, len(wave), 4800):
            frame = av.AudioFrame.from_ndarray(wave[None, at : at + 4800], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            container.mux(stream_.encode(frame))
        container.mux(stream_.encode(None))
    return path


def cuts(path: Path, folder: Path, n: int, least: float = 0.4) -> list[Path]:
    """The file cut at ``n`` random places behind this share of it."""
    content = path.read_bytes()
    rng = np.random.default_rng(7)
    places = rng.integers(int(least * len(content)), len(content) - 1, n)
    found = []
    for k, place in enumerate(places):
        cut = folder / f"cut{k}{path.suffix}"
        cut.write_bytes(content[:place])
        found.append(cut)
    return found


@pytest.mark.parametrize("name", sorted(FILMS))
def test_a_whole_film_is_not_truncated(name: str, tmp_path: Path) -> None:
    path = film(tmp_path, name)
    source = stream(path)
    assert sum(1 for _ in source) > 40
    assert not source.report.truncated
    assert missing_bytes(path) == 0
    declares = not math.isnan(probe(path).duration_s)
    told = ending(path).told or declares
    assert (NOT_DECLARED in source.report.problems) == (not told)


@pytest.mark.parametrize("name", ["fragments.mp4", "whole.mkv", "browser.webm", "old.avi"])
def test_a_cut_anywhere_is_told(name: str, tmp_path: Path) -> None:
    """But for one that falls between two blocks or clusters, where nothing is missing."""
    path = film(tmp_path, name)
    content = path.read_bytes()
    silent = [cut for cut in cuts(path, tmp_path, 150) if not ending(cut).sentence]
    if name == "browser.webm":
        # Its blocks are tiny, so that a few cuts fall just before one (A3) or a cluster (1F).
        assert {content[cut.stat().st_size] for cut in silent} <= {0xA3, 0x1F}
        assert len(silent) < 10
    else:
        assert len(silent) <= 1


def test_a_cut_film_of_a_browser_says_so_in_the_report(tmp_path: Path) -> None:
    cut = cuts(film(tmp_path, "browser.webm"), tmp_path, 1)[0]
    source = stream(cut)
    assert sum(1 for _ in source) > 10
    assert source.report.truncated
    assert any("truncated" in told for told in source.report.problems)
    assert NOT_DECLARED not in source.report.problems


def test_a_film_without_its_index_is_refused(tmp_path: Path) -> None:
    cut = cuts(film(tmp_path, "plain.mp4"), tmp_path, 1)[0]
    with pytest.raises(BadInput, match="moov"):
        probe(cut)


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.ogg", "libopus")])
def test_sound_that_is_cut(name: str, codec: str, tmp_path: Path) -> None:
    path = tone(tmp_path / name, codec)
    assert ending(path).sentence == ""
    for cut in cuts(path, tmp_path, 60):
        assert ending(cut).sentence, cut.stat().st_size


@pytest.mark.parametrize(("name", "codec"), [("a.flac", "flac"), ("a.aiff", "pcm_s16be")])
def test_sound_with_a_length_needs_no_remark(name: str, codec: str, tmp_path: Path) -> None:
    path = tone(tmp_path / name, codec, 4.0)
    half = make.cut(path, tmp_path / f"half{path.suffix}", 0.5)
    for file, is_cut in ((path, False), (half, True)):
        source = stream(file)
        assert sum(1 for _ in source) > 1
        assert source.report.truncated == is_cut
        assert NOT_DECLARED not in source.report.problems


def test_a_page_of_ogg_that_does_not_end_the_stream(tmp_path: Path) -> None:
    """Cut exactly between two pages, nothing is missing but the mark of the last one."""
    path = tone(tmp_path / "a.ogg", "libopus", 5.0)
    content = path.read_bytes()
    at = content.rindex(b"OggS")
    path.write_bytes(content[:at])
    assert "last" in ending(path).sentence


def wave(*chunks: tuple[bytes, int, bytes], riff: int | None = None) -> bytes:
    inner = b"".join(name + struct.pack("<I", size) + body for name, size, body in chunks)
    outer = len(inner) + 4 if riff is None else riff
    return b"RIFF" + struct.pack("<I", outer) + b"WAVE" + inner


FORMAT = (b"fmt ", 16, struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16))


def test_the_samples_of_a_wave_are_counted_whatever_its_outer_size_says(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for riff in (None, 0, 0xFFFFFFFF):
        path.write_bytes(wave(FORMAT, (b"data", 4000, bytes(3000)), riff=riff))
        assert missing_bytes(path) == 1000
        path.write_bytes(wave(FORMAT, (b"data", 4000, bytes(4000)), riff=riff))
        assert missing_bytes(path) == 0
    path.write_bytes(wave(FORMAT, (b"data", 0xFFFFFFFF, bytes(4000)), riff=0xFFFFFFFF))
    assert missing_bytes(path) == 0
    assert not ending(path).told, "written live: nothing counts the samples"


def test_a_damaged_block_is_no_cut(tmp_path: Path) -> None:
    """An element that claims more than there is, with another cluster behind it."""
    path = film(tmp_path, "browser.webm")
    content = bytearray(path.read_bytes())
    clusters = [k for k in range(len(content)) if content[k : k + 4] == CLUSTER]
    assert len(clusters) > 1, "the test needs two clusters"
    # A block stands behind the time of its cluster: name, length, value.
    time = content.index(b"\xe7", clusters[0])
    block = time + 2 + (content[time + 1] & 0x7F)
    assert content[block] == 0xA3
    content[block + 1 : block + 5] = b"\x1f\xff\xff\xfe"
    path.write_bytes(content)
    assert ending(path).sentence == ""


def test_packets_of_a_transport_stream_are_whole(tmp_path: Path) -> None:
    path = film(tmp_path, "packets.ts")
    assert ending(path).sentence == ""
    assert not ending(path).told
    path.write_bytes(path.read_bytes()[:-50])
    assert missing_bytes(path) == 50
