"""Tiny files in real formats, for the ``fake`` folders of the data sets. They show nothing and mean
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from twomind.core.store import replacing, write_text
from twomind.datasets.images import encode_picture
from twomind.media.probe import DRAWN_COMMENT


def tiny_film(
    path: Path, n_frames: int = 12, fps: int = 24, seed: int = 0, side_px: int = 32
) -> Path:
    """A few pictures of noise as MP4 (MPEG-4 part 2, which every FFmpeg build can write), marked as
    drawn.

    Args:
        path: file to write.
        n_frames: number of pictures.
        fps: pictures a second.
        seed: seed of the noise.
        side_px: width and height.
    """
    import av

    draw = np.random.default_rng(seed)
    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        container.metadata["comment"] = DRAWN_COMMENT
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width = stream.height = side_px
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps)
        for i in range(n_frames):
            picture = draw.integers(0, 256, (side_px, side_px, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def tiny_crop(path: Path, seed: int | Sequence[int] = 0, side_px: int = 16) -> Path:
    """One small picture, a colour of its own per seed.

    Args:
        path: file to write, JPEG or PNG by its ending.
        seed: seed of the colour; several numbers (person, clip, frame) make one seed, and no two
            different rows of numbers the same.
        side_px: width and height.
    """
    draw = np.random.default_rng(seed)
    rgb = np.broadcast_to(draw.integers(0, 256, 3, dtype=np.uint8), (side_px, side_px, 3))
    if not isinstance(seed, int):
        # A colour alone comes about twice among thousands of pictures; 16 of them do not.
        tiles = draw.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        rgb = tiles.repeat(side_px // 4, axis=0).repeat(side_px // 4, axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        encode_picture(rgb, path.suffix)
    )  # not flushed to disk one by one: there are hundreds
    return path


def unmark_drawn(root: Path) -> Path:
    """Take away whatever says that the people of a folder are synthetic: its marks, and the tags of
    its films. For tests of what is asked of real people.

    Args:
        root: folder of the data set.
    """
    for name in ("study.json", "DRAWN"):
        (root / name).unlink(missing_ok=True)
    tag = DRAWN_COMMENT.encode()
    for path in root.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if tag in content:
            path.write_bytes(content.replace(tag, b"-" * len(tag)))
    return root


def mark_drawn(root: Path, layout: str, seed: int) -> Path:
    """``study.json``: these people are synthetic.

    Args:
        root: folder of the data set.
        layout: name of the data set whose layout it has.
        seed: seed that it was made with.
    """
    return write_text(
        root / "study.json",
        json.dumps({"drawn": True, "layout": layout, "fake": True, "seed": seed}),
    )
