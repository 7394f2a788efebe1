"""Pictures and films that twomind itself writes: where they lie among people's recordings, they are
none of them.
"""

from __future__ import annotations

from pathlib import Path

#: What was measured, drawn over the recording.
OVERLAY_FILM = "overlay.mp4"
OVERLAY_PICTURE = "overlay.png"
#: In the folder of an answer: what the pages show of it. It is written before the overlay.
PAGE = "page.jsonl"


def is_own(path: Path) -> bool:
    """Whether a file is a film or picture of an answer's folder that we wrote. What else lies in
    such a folder is somebody's: results may be kept beside the recordings.
    """
    if path.name not in (OVERLAY_FILM, OVERLAY_PICTURE):
        return False
    return (path.parent / PAGE).is_file()
