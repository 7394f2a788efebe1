"""Which files of a folder are recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from twomind.core.errors import BadInput
from twomind.media.recording import (
    MEDIA_SUFFIXES,
    SOUND_SUFFIXES,
    find_media,
    find_transcript,
    media_and_second_names,
    open_recording,
    transcript_beside,
)
from twomind.media.stream import probe, stream


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


def test_what_twomind_wrote_is_no_recording(tmp_path: Path) -> None:
    film, _, _, beside = made(
        tmp_path, "a.mp4", "results/a/overlay.mp4", "results/a/page.jsonl", "results/a/mine.mp4"
    )
    (own,) = made(tmp_path, "overlay.mp4")
    assert find_media([tmp_path]) == [film, own, beside], "somebody's own may be called so"
    picture, _, _ = made(tmp_path / "p", "b.png", "out/b/overlay.png", "out/b/page.jsonl")
    assert find_media([tmp_path / "p"]) == [picture]
    with pytest.raises(BadInput, match="found none"):
        find_media([tmp_path / "p" / "out"])


def test_what_is_hidden_is_no_recording_unless_it_is_named(tmp_path: Path) -> None:
    folder = tmp_path / ".kept"
    film, hidden, *_ = made(folder, "a.mp4", "._a.mp4", ".Trashes/old.mp4", "b/.c/d.wav")
    assert find_media([folder]) == [film]
    assert find_media([hidden]) == [hidden]
    picture, _ = made(tmp_path / "p", "b.png", "._b.png")
    assert find_media([tmp_path / "p"]) == [picture]


def test_of_several_names_of_a_file_the_first_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    film, stored = made(folder, "a.mp4", ".git/annex/objects/x.mp4")
    second, annexed = folder / "b.mp4", folder / "c.mp4"
    second.symlink_to("a.mp4")
    annexed.symlink_to(stored)
    assert media_and_second_names([folder]) == ([film, annexed], {second: film})
    assert media_and_second_names([second, folder]) == ([second, annexed], {film: second})
    assert media_and_second_names([film, second]) == ([film, second], {}), "what is named is kept"
    assert media_and_second_names([film, second, folder]) == ([film, second, annexed], {})
    assert media_and_second_names([folder, folder]) == ([film, annexed], {second: film})


#: Of endings of cameras and recorders: the container, and what it holds of pictures and of sound.
RECORDERS = {
    ".m2t": ("mpegts", "mpeg2video", "mp2"),
    ".mts": ("mpegts", "libx264", "aac"),
    ".m2ts": ("mpegts", "libx264", "aac"),
    ".vob": ("vob", "mpeg2video", "mp2"),
    ".flv": ("flv", "flv", "aac"),
    ".f4v": ("f4v", "libx264", "aac"),
    ".asf": ("asf", "wmv2", "wmav2"),
    ".mxf": ("mxf", "mpeg2video", "pcm_s16le"),
    ".dv": ("dv", "dvvideo", "pcm_s16le"),
    ".3gp": ("3gp", "mpeg4", "aac"),
    ".3g2": ("3g2", "mpeg4", "aac"),
    ".oga": ("ogg", None, "libopus"),
    ".opus": ("opus", None, "libopus"),
    ".weba": ("webm", None, "libopus"),
    ".mka": ("matroska", None, "flac"),
    ".aac": ("adts", None, "aac"),
    ".aif": ("aiff", None, "pcm_s16be"),
    ".aiff": ("aiff", None, "pcm_s16be"),
    ".caf": ("caf", None, "pcm_s16be"),
    ".wma": ("asf", None, "wmav2"),
}
RATE_HZ = 48_000


def recorded(path: Path) -> None:
    """A second of grey pictures and of silence, in the form that the ending stands for."""
    if path.suffix == ".amr":
        # Nothing here writes it: 50 frames a second of its lowest rate.
        path.write_bytes(b"#!AMR\n" + 50 * (b"\x04" + bytes(12)))
        return
    container, picture_codec, sound_codec = RECORDERS[path.suffix]
    options = {"mpegts_m2ts_mode": "1"} if path.suffix == ".m2ts" else {}
    with av.open(str(path), "w", format=container, options=options) as out:
        streams: list[Any] = []
        if picture_codec is not None:
            pictures = out.add_stream(picture_codec, rate=25)
            pictures.width, pictures.height = 720, 576
            pictures.pix_fmt = "yuv420p"
            streams.append(pictures)
        sound = out.add_stream(sound_codec, rate=RATE_HZ, layout="stereo")
        sound.bit_rate = 64_000
        for k in range(25):
            for one in streams:
                grey = np.full((576, 720, 3), 8 * k, np.uint8)
                out.mux(one.encode(av.VideoFrame.from_ndarray(grey)))
            chunk = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 1920), np.int16), "s16", "stereo")
            chunk.sample_rate, chunk.pts = RATE_HZ, 1920 * k
            out.mux(sound.encode(chunk))
        for one in [*streams, sound]:
            out.mux(one.encode(None))


@pytest.mark.parametrize("ending", [*RECORDERS, ".amr"])
def test_what_cameras_and_recorders_write_is_found_and_read(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    recorded(path)
    assert find_media([tmp_path]) == [path]
    info = probe(path)
    assert info.has_audio
    assert info.has_video == (ending in MEDIA_SUFFIXES)
    with stream(path, video=info.has_video, audio=True) as items:
        kinds = {type(item).__name__ for item in items}
    assert kinds == ({"Frame", "Samples"} if info.has_video else {"Samples"})


def test_the_page_about_files_lists_every_ending() -> None:
    page = Path(__file__).parents[2] / "docs" / "files.md"
    words = set(page.read_text(encoding="utf-8").replace("`", " ").split())
    listed = {word.rstrip(",;") for word in words if word.startswith(".")}
    assert {*MEDIA_SUFFIXES, *SOUND_SUFFIXES} <= listed


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
