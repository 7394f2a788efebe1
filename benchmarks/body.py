"""What the body costs beside the face: processor time per look, and per second of film.

python -m benchmarks.body FILM
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from twomind.features.body.reader import BodyReader, BodySettings
from twomind.features.face.reader import FaceReader
from twomind.media import stream as clock


def frames(path: Path) -> list[clock.Frame]:
    """The pictures of the first ten seconds, decoded before anything is measured."""
    found = []
    with clock.stream(path, True, False, 16000) as stream:
        for item in stream:
            if isinstance(item, clock.Frame) and item.time_s < 10:
                found.append(item)
    return found


def seconds_of(reader: FaceReader | BodyReader, pictures: list[clock.Frame]) -> tuple[float, int]:
    """Processor seconds of all threads, and rows."""
    began = time.process_time()
    for picture in pictures:
        reader.push(picture)
    rows = len(reader.finish().track)
    return time.process_time() - began, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("film", type=Path)
    pictures = frames(parser.parse_args().film)
    length_s = pictures[-1].time_s
    for name, reader in (("face", FaceReader()), ("body", BodyReader(BodySettings(True)))):
        spent_s, rows = seconds_of(reader, pictures)
        per_row_ms = 1000 * spent_s / rows
        print(f"{name}: {per_row_ms:.1f} ms a row, {spent_s / length_s:.2f} s per second of film")


if __name__ == "__main__":
    main()
