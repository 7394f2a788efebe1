"""How far the clock is off, per kind of file: burnt-in frame numbers and beeps against the times
read.

python -m benchmarks.clock
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from tests import media_files as make

from twomind.media.stream import AudioSpool, Frame, prefetch, stream

from .record import save


def measure(kind: str, folder: Path) -> dict[str, float]:
    """Worst errors of one kind in milliseconds; frames lost or shown with a wrong number."""
    truth = make.write_kind(folder, kind)
    numbers, times, spool = [], [], AudioSpool()
    for item in prefetch(stream(truth.path)):
        if isinstance(item, Frame):
            numbers.append(make.read_number(item.rgb))
            times.append(item.time_s)
        else:
            spool.push(item)
    wave = spool.waveform()
    shown = np.array(
        [[t, truth.stamps_s[n]] for n, t in zip(numbers, times, strict=True) if n is not None]
    )
    clock = shown[:, 0] - shown[:, 1]
    nominal = shown[0, 0] + np.arange(len(shown)) / (
        (len(shown) - 1) / (shown[-1, 0] - shown[0, 0])
    )
    heard = make.onsets_s(wave.values, wave.sample_rate_hz, wave.start_s)
    beeps = [at - times[k] for at, k in zip(heard, make.BEEPS, strict=True)]
    return {
        "frames": len(numbers),
        "lost_or_wrong": make.N_FRAMES - sum(n == k for k, n in enumerate(numbers)),
        "clock_ms": float(np.abs(clock - clock[0]).max() * 1000),
        "sound_to_picture_ms": float(np.abs(beeps).max() * 1000),
        "counting_frames_instead_ms": float(np.abs(nominal - shown[:, 0]).max() * 1000),
    }


def main() -> None:
    rows = {}
    for kind in make.KINDS:
        with tempfile.TemporaryDirectory() as folder:
            rows[kind] = measure(kind, Path(folder))
    print(
        f"{'kind':32} {'frames':>6} {'wrong':>6} {'clock':>9} {'sound':>9} {'n / fps':>9}   "
        "(worst, "
        "ms)"
    )
    for kind, row in rows.items():
        figures = " ".join(
            f"{row[k]:9.3f}"
            for k in ("clock_ms", "sound_to_picture_ms", "counting_frames_instead_ms")
        )
        print(f"{kind:32} {row['frames']:6} {row['lost_or_wrong']:6} {figures}")
    save("clock", {"unit": "milliseconds, worst of the file", "kinds": rows})


if __name__ == "__main__":
    main()
