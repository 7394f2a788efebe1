"""Which files of a folder are recordings."""

from __future__ import annotations

from pathlib import Path

import pytest

from twomind.core.errors import BadInput
from twomind.media.recording import (
    SOUND_SUFFIXES,
    find_media,
    find_transcript,
    open_recording,
    transcript_beside,
)


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
    with pytest.raises(BadInput, match=r"expected media files \(\.mp4, .*\.ogg, .*\.tiff\)"):
        find_media([tmp_path])
    with pytest.raises(BadInput, match="no such file or folder"):
        find_media([tmp_path / "absent"])


TIMED = '[{"start": 0.5, "end": 1.0, "text": "maybe"}]'


@pytest.mark.parametrize(
    "content",
    [
        TIMED,
        '{"segments": [], "text": "", "language": "en"}',
        '{"text": "I might."}',
        '{"trial": 3, "words": [{"word": "maybe", "start": 0.5, "end": 1.0}]}',
    ],
)
def test_json_beside_a_film_that_is_a_transcript(tmp_path: Path, content: str) -> None:
    film, json_file, srt = made(tmp_path, "a.mp4", "a.json", "a.srt")
    json_file.write_text(content)
    assert transcript_beside(film) == (json_file, [])
    assert find_transcript(film) == json_file
    assert srt.is_file()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"TaskName": "interview", "SamplingFrequency": 16000}', "TaskName"),
        ('{"trial_type": "video", "text": "What would you change?"}', "trial_type"),
        ('[{"trial_type": "video", "text": "What would you change?"}]', "no text with times"),
        ('[{"start": 0.5, "end": 1.0, "label": "smile"}]', "no text with times"),
        ("", "no text with times"),
        ('{"text": "I mi', "not JSON"),
        ("\0", "binary"),
    ],
)
def test_json_beside_a_film_that_is_none_is_passed_over(
    tmp_path: Path, content: str, why: str
) -> None:
    film, json_file = made(tmp_path, "a.mp4", "a.json")
    json_file.write_text(content)
    found, (remark,) = transcript_beside(film)
    assert found is None
    assert "a.json" in remark
    assert why in remark
    (yaml_file,) = made(tmp_path, "a.yml")
    yaml_file.write_text("chunks:\n- text: maybe\n  timestamp: [0.5, 1.0]\n")
    assert transcript_beside(film) == (yaml_file, [remark])


def test_a_description_beside_a_recording_is_not_its_words(shared: Path) -> None:
    folder = shared / "cases" / "bids-sidecar"
    described = open_recording(folder / "sub-01_task-interview.wav")
    assert described.words is not None
    assert len(described.words) == 13
    assert "sub-01_task-interview.srt" in described.words_source
    assert "sub-01_task-interview.json" in "; ".join(described.words_remarks)
    asked = open_recording(shared / "cases" / "sidecar-text" / "answer.wav")
    assert asked.words is None
    assert "answer.json" in "; ".join([*asked.words_remarks, asked.words_reason])
    assert "no transcript was given" in "; ".join([*asked.words_remarks, asked.words_reason])
