"""Time and memory of reading BAH's annotation file: a made-up one of the real size (1,427 videos of
642 frames).

python -m benchmarks.bah_annotation
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

from twomind.core.store import Store
from twomind.datasets.bah_files import read_annotations

N_VIDEOS, N_FRAMES = 1427, 642


def write(path: Path) -> Path:
    """A file as PyYAML's plain dumper writes it."""
    with open(path, "w", encoding="utf-8") as file:
        for i in range(N_VIDEOS):
            person = 80000 + i // 5
            name = f"Videos/{person}/Visite_1/{person}_Question_{i % 5 + 1}_2025-01-01_10-00-{i % 60:02d}_Video.mp4"
            file.write(
                f"{name}:\n  global_ah: 1\n  time_detailed_ah:\n  - - 00:00:01.000\n    - "
                "00:00:02.000\n"
            )
            file.write(
                "  fr_detailed_ah:\n  - - 24\n    - 47\n  certainty_ah:\n  - 3\n  "
                "frame_annotation:\n"
            )
            for n in range(N_FRAMES):
                file.write(
                    f"  - !!python/tuple\n    - {name}/frame-{n}.jpg\n    - {int(24 <= n < 48)}\n"
                )
            file.write("  transcript: well this is made up\n")
    return path


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "video_annotation_transcript.yaml")
        print(f"file: {path.stat().st_size / 1e6:.0f} MB")
        for what in ("first time", "from the store"):
            start_s = time.process_time()
            entries, problems = read_annotations(path, Store(Path(folder) / "store"))
            assert len(entries) == N_VIDEOS, problems
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{what}: {time.process_time() - start_s:.1f} s of processor time, peak "
                f"{peak_mb:.0f} MB"
            )


if __name__ == "__main__":
    main()
