"""One answer from sound and words to a report, with the base install alone. Run in the environment
that is tried: ``python walk.py FOLDER``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE_HZ = 16000
FPS = 10
SAID = "Um, I want to stop, but I don't know. Maybe I could, uh, try again next week."


def sound() -> np.ndarray:
    """Eight seconds: syllables of a low voice with pauses between them."""
    times_s = np.arange(8 * RATE_HZ) / RATE_HZ
    voice = sum(np.sin(2 * np.pi * 120 * k * times_s) / k for k in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 4 * times_s), 0, 1)
    speaking = (times_s % 2.0) < 1.4
    noise = np.random.default_rng(0).normal(0, 1e-3, len(times_s))
    values = 0.2 * voice * syllables * speaking + noise
    return (np.clip(values, -1, 1) * 32767).astype(np.int16)[None]


def write_film(path: Path) -> None:
    """The sound, and grey pictures beside it."""
    with av.open(str(path), "w", format="matroska") as out:
        pictures = out.add_stream("mpeg4", rate=FPS)
        pictures.width, pictures.height, pictures.pix_fmt = 160, 120, "yuv420p"
        track = out.add_stream("pcm_s16le", rate=RATE_HZ)
        for i in range(8 * FPS):
            picture = av.VideoFrame.from_ndarray(np.full((120, 160, 3), 90, np.uint8), "rgb24")
            picture.pts = i
            picture.time_base = Fraction(1, FPS)
            out.mux(pictures.encode(picture))
        out.mux(pictures.encode(None))
        frame = av.AudioFrame.from_ndarray(sound(), format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        frame.time_base = Fraction(1, RATE_HZ)
        frame.pts = 0
        out.mux(track.encode(frame))
        out.mux(track.encode(None))


def twomind(*arguments: str | Path) -> str:
    """Standard output of one command."""
    command = [sys.executable, "-m", "twomind.cli.main", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write_film(folder / "answer.mkv")
    (folder / "answer.txt").write_text(SAID, encoding="utf-8")
    examined = json.loads(twomind("doctor", "--json", "--offline"))
    assert examined["python_supported"]
    out = folder / "results"
    given = ("--transcript", folder / "answer.txt", "--store", folder / "store", "--out", out)
    told = twomind("predict", folder / "answer.mkv", *given, "--workers", "1", "--json")
    (answer,) = json.loads(told)["answers"]
    assert answer["state"] == "done", answer
    assert 0 < answer["prediction"]["probability"] < 1, answer["prediction"]
    assert "voice" not in [row["what"] for row in answer["not_measured"]]
    # Without the extra, the message says how to get it.
    said = json.dumps(answer["not_measured"])
    assert "pip install 'twomind[face]'" in said, said
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "answer" in report
    print(f"{answer['prediction']['probability']:.6f}")


if __name__ == "__main__":
    main()
