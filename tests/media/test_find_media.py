"""Which files of a folder are recordings."""

from __future__ import annotations

from pathlib import Path

import pytest

from twomind.core.errors import BadInput
from twomind.media.recording import SOUND_SUFFIXES, find_media


def made(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return paths


def test_a_folder_of_sound_files_holds_recordings(tmp_path: Path) -> None:
    names = [f"a{ending}" for ending in SOUND_SUFFIXES] + ["below/b.WAV"]
    sounds = made(tmp_path, *names)
    made(tmp_path, "a.txt", "notes.csv")
    assert find_media([tmp_path]) == sorted(sounds)


def test_the_sound_of_a_film_is_no_recording_of_its_own(tmp_path: Path) -> None:
    film, sound, other = made(tmp_path, "a.mp4", "a.wav", "sub/a.wav")
    assert find_media([tmp_path]) == [film, other]
    assert find_media([sound, film]) == [sound, film], "what is named is kept"


def test_a_folder_without_recordings_says_what_it_expected(tmp_path: Path) -> None:
    made(tmp_path, "a.txt")
    with pytest.raises(BadInput, match=r"expected media files \(\.mp4, .*\.ogg\)"):
        find_media([tmp_path])
    with pytest.raises(BadInput, match="no such file or folder"):
        find_media([tmp_path / "absent"])
