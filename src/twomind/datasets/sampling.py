"""Which frames make a clip: the released rules, reproduced exactly, and a corrected one beside
them.

Source: the released CLIP-AU/CLIP-AUTT code as described by this project's notes, checked against
its recorded output.
"""

from __future__ import annotations


def released_clip_indices(n: int, stride: int, seq_len: int, start: int) -> list[int]:
    """Indices into ``n`` frames of one released clip: every ``stride``-th frame, ``seq_len`` of
    them from ``start``.

    ``start`` counts in the thinned list. A clip that reaches the end goes on at the beginning, so
    time may jump inside it; one that is still too short repeats its last frame. See
    :func:`clip_indices` for the corrected rule.

    Args:
        n: number of frames.
        stride: every ``stride``-th frame is kept.
        seq_len: frames of the clip.
        start: where it begins, in the thinned list.

    >>> released_clip_indices(5, 1, 6, 3)
    [3, 4, 0, 1, 2, 3]
    """
    thinned = _thinned(n, stride, seq_len, start)
    clip = thinned[start : start + seq_len]
    if start + seq_len >= len(thinned):
        clip = (clip + thinned)[:seq_len]
    return _filled(clip, seq_len)


def clip_indices(n: int, stride: int, seq_len: int, start: int) -> list[int]:
    """As :func:`released_clip_indices`, but always in order of time: a late start moves back until
    the clip fits.

    A recording shorter than the clip is given whole, its last frame repeated.

    Args:
        n: number of frames.
        stride: every ``stride``-th frame is kept.
        seq_len: frames of the clip.
        start: where it begins, in the thinned list.

    >>> clip_indices(5, 1, 4, 3)
    [1, 2, 3, 4]
    """
    thinned = _thinned(n, stride, seq_len, start)
    latest = max(0, len(thinned) - seq_len)
    start = min(start, latest)
    clip = thinned[start : start + seq_len]
    return _filled(clip, seq_len)


def _thinned(n: int, stride: int, seq_len: int, start: int) -> list[int]:
    thinned = list(range(0, n, stride))
    begins_inside = 0 <= start < len(thinned)
    if min(n, stride, seq_len) < 1 or not begins_inside:
        raise ValueError(
            f"expected n, stride, seq_len of at least 1 and a start below ceil(n / stride); "
            f"got n={n}, stride={stride}, seq_len={seq_len}, start={start}"
        )
    return thinned


def _filled(clip: list[int], seq_len: int) -> list[int]:
    """The clip with its last frame repeated up to the length."""
    n_lacking = seq_len - len(clip)
    return clip + clip[-1:] * n_lacking


def bah_chunks(
    num_frames: int, start_frame: int, window: int = 100, seq_len: int = 20
) -> list[range]:
    """Frame numbers of each sample that the released code makes from one annotated BAH segment.

    A segment longer than ``window`` is cut into consecutive pieces of ``window``; a last piece
    shorter than ``seq_len`` borrows the missing frames from just before it. A segment that was
    short from the start stays short.

    Args:
        num_frames: frames of the segment.
        start_frame: number of its first frame.
        window: frames of a piece.
        seq_len: fewest frames of a last piece.

    >>> bah_chunks(110, 5)
    [range(5, 105), range(95, 115)]
    """
    end = start_frame + num_frames
    if num_frames <= window:
        return [range(start_frame, end)]
    chunks = []
    for at in range(start_frame, end, window):
        chunks.append(range(at, min(at + window, end)))
    if len(chunks[-1]) < seq_len:
        chunks[-1] = range(end - seq_len, end)
    return chunks
