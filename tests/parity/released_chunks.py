"""How the released programs cut a segment of BAH into samples. The library samples by time."""

from __future__ import annotations


def released_chunks(
    n_frames: int, start_frame: int, window: int = 100, seq_len: int = 20
) -> list[list[int]]:
    """Frame ids of each sample that the released code makes of one BAH segment.

    Args:
        n_frames: Frames of the segment.
        start_frame: Id of its first frame.
        window: Frames of each of the consecutive chunks.
        seq_len: A last chunk shorter than this borrows the frames just before it.
    """
    frames = list(range(start_frame, start_frame + n_frames))
    if n_frames <= window:
        return [frames]
    chunks = []
    for start in range(0, n_frames, window):
        chunk = frames[start : start + window]
        chunks.append(chunk)
    if len(chunks[-1]) < seq_len:
        chunks[-1] = frames[-seq_len:]
    return chunks
