"""Memory and time per frame over an hour of video: both must stay flat.

    python -m benchmarks.memory [--pass decode|describe] [--minutes 60] [--source clip.mp4] [--ahead
    8]

The long file is one short clip whose encoded packets are repeated with shifted stamps, made once
and kept in ``--cache``. ``--ahead 0`` decodes in the consumer's thread, anything else that many
items ahead in another one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil

from twomind.media.stream import AudioSpool, Frame, MediaStream, Samples, prefetch, stream

from .record import FOLDER, OUT, save

ROOT = Path(__file__).parent.parent
Consumer = Callable[[Frame | Samples], None]


def repeat(source: Path, to: Path, seconds: float) -> Path:
    """Repeat the encoded packets of ``source`` until ``to`` is ``seconds`` long; nothing is encoded
    again.
    """
    with av.open(str(source)) as clip:
        length_s = (
            clip.duration / 1e6 + 0.1
        )  # the rest keeps stamps rising where one repeat follows the other
    temporary = to.with_suffix(".part.mp4")
    with av.open(str(temporary), "w") as out:
        streams: dict[int, Any] = {}
        for turn in range(int(np.ceil(seconds / length_s))):
            with av.open(str(source)) as clip:
                chosen = [*clip.streams.video[:1], *clip.streams.audio[:1]]
                if not streams:
                    streams = {s.index: out.add_stream_from_template(s) for s in chosen}
                for packet in clip.demux(chosen):
                    if packet.dts is None:
                        continue
                    shift = round(turn * length_s / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = streams[packet.stream_index]
                    out.mux(packet)
    temporary.replace(to)
    return to


def decode_pass(spool: AudioSpool) -> tuple[Consumer, Callable[[], Any]]:
    """Decoding and collecting the sound, nothing else."""

    def consume(item: Frame | Samples) -> None:
        if isinstance(item, Samples):
            spool.push(item)

    return consume, spool.waveform


def describe_pass(spool: AudioSpool) -> tuple[Consumer, Callable[[], Any]]:
    """Decoding, sound, and the face reader on every frame."""
    from twomind.features.face.reader import FaceReader, FaceSettings

    face = FaceReader(FaceSettings())

    def consume(item: Frame | Samples) -> None:
        if isinstance(item, Samples):
            spool.push(item)
        else:
            face.push(item)

    def finish() -> None:
        face.finish()
        spool.waveform()

    return consume, finish


PASSES = {"decode": decode_pass, "describe": describe_pass}


def reference(source: Path, n: int = 150) -> float:
    """Processor milliseconds per frame to decode the first ``n`` frames."""
    start_s = time.process_time()
    with stream(source, audio=False) as opened:
        for _ in zip(range(n), opened, strict=False):
            pass
    return (time.process_time() - start_s) / n * 1000


@dataclass
class Meter:
    """One row per minute of video: resident memory, processor and wall time per frame.

    After each minute another process decodes the first frames of ``source``: the same work every
    time, whose cost shows how busy the machine is just then. Time per frame over that reference is
    what can be compared between minutes.
    """

    source: Path
    helper: ProcessPoolExecutor
    process: psutil.Process = field(default_factory=psutil.Process)
    rows: list[dict[str, float]] = field(default_factory=list)
    n: int = 0

    def __post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._at = (self.n, time.process_time(), time.perf_counter())

    def frame(self, time_s: float) -> None:
        self.n += 1
        if time_s >= 60 * (len(self.rows) + 1):
            self.close(time_s / 60)

    def close(self, minute: float) -> None:
        n, cpu_s, wall_s = self._at
        if self.n > n:
            row = {
                "minute": minute,
                "rss_mb": self.process.memory_info().rss / 1e6,
                "cpu_ms_per_frame": (time.process_time() - cpu_s) / (self.n - n) * 1000,
                "wall_ms_per_frame": (time.perf_counter() - wall_s) / (self.n - n) * 1000,
            }
            row["reference_cpu_ms_per_frame"] = self.helper.submit(reference, self.source).result()
            self.rows.append(row)
        self._begin()


def run(path: Path, source_clip: Path, what: str, ahead: int) -> tuple[Meter, MediaStream, float]:
    """Stream the file through one pass; returns the meter, the stream, and the memory after
    finishing in MB.
    """
    spool, source = AudioSpool(), stream(path)
    consume, finish = PASSES[what](spool)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as helper:
        helper.submit(reference, source_clip).result()
        meter = Meter(source_clip, helper)
        for item in prefetch(source, ahead) if ahead else source:
            consume(item)
            if isinstance(item, Frame):
                meter.frame(item.time_s)
    finish()
    return meter, source, meter.process.memory_info().rss / 1e6


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """The figures of requirement R3: memory late against early, time per frame late
    against early.
    """
    tenth = max(1, len(rows) // 10)
    early = rows[min(4, len(rows) - 1)]["rss_mb"]
    cpu = np.array([row["cpu_ms_per_frame"] for row in rows])
    steady = cpu / np.array([row["reference_cpu_ms_per_frame"] for row in rows])
    minutes = [row["minute"] for row in rows]
    return {
        "rss_minute_5_mb": early,
        "rss_last_minute_mb": rows[-1]["rss_mb"],
        "rss_last_over_minute_5": rows[-1]["rss_mb"] / early,
        "first_tenth_cpu_ms_per_frame": float(np.mean(cpu[:tenth])),
        "last_tenth_cpu_ms_per_frame": float(np.mean(cpu[-tenth:])),
        "last_over_first_tenth": float(np.mean(cpu[-tenth:]) / np.mean(cpu[:tenth])),
        "last_over_first_tenth_against_reference": float(
            np.mean(steady[-tenth:]) / np.mean(steady[:tenth])
        ),
        "slope_against_reference_per_hour": float(
            np.polyfit(minutes, steady / np.mean(steady), 1)[0] * 60
        ),
    }


def plot(rows: list[dict[str, float]], title: str, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    minutes = [row["minute"] for row in rows]
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(8, 5), layout="constrained")
    above.plot(minutes, [row["rss_mb"] for row in rows], marker=".")
    above.set(
        ylabel="resident memory (MB)",
        title=title,
        ylim=(0, 1.3 * max(row["rss_mb"] for row in rows)),
    )
    below.plot(minutes, [row["cpu_ms_per_frame"] for row in rows], marker=".", label="processor")
    below.plot(
        minutes,
        [row["reference_cpu_ms_per_frame"] for row in rows],
        linestyle=":",
        label="reference",
    )
    below.plot(minutes, [row["wall_ms_per_frame"] for row in rows], marker=".", label="wall")
    below.set(xlabel="minute of the video", ylabel="ms per frame", ylim=(0, None))
    below.legend()
    figure.savefig(path, dpi=110)


def default_source() -> Path:
    """The public clip of a speaking face where the team's folder is there; a made one otherwise."""
    shared = Path(os.environ.get("TWOMIND_SHARED", ROOT.parent / "shared"))
    clip = shared / "data" / "faces" / "WolfgangLanger_Pexels.mp4"
    if clip.exists():
        return clip
    from tests import media_files as make

    path = Path(tempfile.mkdtemp()) / "made.mp4"
    return make.write(path, make.constant(600), video_options=make.FAST, beeps=make.BEEPS).path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pass", dest="what", choices=PASSES, default="decode")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--source", type=Path, default=None)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "twomind-bench")
    parser.add_argument("--ahead", type=int, default=8)
    asked = parser.parse_args()
    source = asked.source or default_source()
    asked.cache.mkdir(parents=True, exist_ok=True)
    long = asked.cache / f"{source.stem}-{asked.minutes:g}min.mp4"
    if not long.exists():
        repeat(source, long, asked.minutes * 60)
    meter, media, end_mb = run(long, source, asked.what, asked.ahead)
    report, figures = media.report, summary(meter.rows)
    name = f"memory-{asked.what}"
    found = {
        "file": f"{source.name} repeated to {report.duration_s / 60:.1f} minutes",
        "size_px": [media.info.width_px, media.info.height_px],
        "n_frames": report.n_frames,
        "ahead": asked.ahead,
        "rss_after_finish_mb": end_mb,
        **figures,
    }
    save(name, found)
    path = save(name, {**found, "minutes": meter.rows}, show=False, folder=OUT)
    plot(meter.rows, f"{name}: {report.n_frames} frames", path.with_suffix(".png"))
    print(
        f"memory at minute 5: {figures['rss_minute_5_mb']:.1f} MB, at the end: "
        f"{figures['rss_last_minute_mb']:.1f} MB"
    )
    print(
        f"time per frame, last tenth over first tenth: {figures['last_over_first_tenth']:.3f}; "
        f"against the reference: {figures['last_over_first_tenth_against_reference']:.3f}"
    )
    print(f"results in {FOLDER}, minute by minute and as a picture in {OUT}")


if __name__ == "__main__":
    main()
