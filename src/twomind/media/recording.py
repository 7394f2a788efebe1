"""Capture: a media file → :class:`~twomind.types.Recording`; frames, sound and words on one true
clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from twomind.core import files
from twomind.core.errors import BadInput
from twomind.media.own_files import is_own
from twomind.media.stream import probe
from twomind.transcripts.words import read_words, why_no_transcript
from twomind.types import Recording, Timing

#: Looked for beside the media file, with the same stem, in this order: the more exact the times,
#: the earlier.
TRANSCRIPT_SUFFIXES = (".json", ".vtt", ".srt", ".yml", ".yaml", ".txt", ".docx")

#: Endings of films.
MEDIA_SUFFIXES = (
    ".mp4",
    ".m4v",
    ".mov",
    ".webm",
    ".mkv",
    ".avi",
    ".mpg",
    ".mpeg",
    ".wmv",
    ".ogv",
    ".ts",
    ".m2t",
    ".mts",
    ".m2ts",
    ".vob",
    ".flv",
    ".f4v",
    ".asf",
    ".mxf",
    ".dv",
    ".3gp",
    ".3g2",
)


#: Endings of sound alone.
SOUND_SUFFIXES = (
    ".wav",
    ".mp3",
    ".m4a",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".weba",
    ".mka",
    ".aac",
    ".aif",
    ".aiff",
    ".amr",
    ".caf",
    ".wma",
)


#: Begins the name of a file in which macOS keeps what it knows of another.
_BESIDE = "._"
#: Endings of still pictures.
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")


def find_transcript(media: Path) -> Path | None:
    """The transcript that lies beside a media file (same stem), or None."""
    return transcript_beside(media)[0]


def transcript_beside(media: Path) -> tuple[Path | None, list[str]]:
    """The transcript beside a media file (same stem), or None; and a remark on each file of that
    name that was passed over because it is none.
    """
    remarks: list[str] = []
    found: Path | None = None
    for suffix in TRANSCRIPT_SUFFIXES:
        file = files.beside(media, suffix)
        if file is None:
            continue
        why = why_no_transcript(file)
        if not why:
            found = file
            break
        remarks.append(f"{file.name} lies beside the recording and is not a transcript: {why}")
    return found, remarks


def find_media(paths: list[Path]) -> list[Path]:
    """Media files among ``paths``; a folder stands for the films and sound files below it, sorted.

    A file that was named is kept whatever its ending: what it is, its bytes say. Of a folder, a
    sound file beside a film of the same name is left out: it is that film's sound. Still pictures
    count where a folder holds no film and no sound: beside films they are previews. What is called
    like a film and is not a file (a pipe, a broken link, an empty folder) is kept, so that whoever
    opens it says what it is. Left out below a folder are hidden folders (their names begin with a
    point), what macOS keeps beside a file (``._film.mp4``), what twomind wrote itself, and further
    names of one file.

    Raises:
        BadInput: a path does not exist, or a folder holds no media file.
    """
    return media_and_second_names(paths)[0]


def media_and_second_names(paths: list[Path]) -> tuple[list[Path], dict[Path, Path]]:
    """Media files among ``paths`` as :func:`find_media` finds them; and of the links that were left
    out below a folder, since their file has another name that was taken, which name that is.

    Raises:
        BadInput: a path does not exist, or a folder holds no media file.
    """
    named = [path for path in paths if path.exists() and not path.is_dir()]
    name_of: dict[Path, Path] = {}
    for path in named:
        name_of.setdefault(path.resolve(), path)
    found: list[Path] = []
    second: dict[Path, Path] = {}
    for path in paths:
        if not path.is_dir():
            if not path.exists():
                raise BadInput(f"{path}: no such file or folder")
            found.append(path)
            continue
        for media in _media_of(path):
            # Of what is no file, whoever opens it says what it is.
            name = name_of.setdefault(media.resolve(), media) if media.is_file() else media
            if name == media:
                found.append(media)
            else:
                second[media] = name
    for path in named:
        second.pop(path, None)
    return list(dict.fromkeys(found)), second


def _media_of(folder: Path) -> list[Path]:
    """What a folder that was named stands for.

    Raises:
        BadInput: it holds no media file.
    """
    found = _found_below(folder) or _pictures_below(folder)
    if not found and _called_media(folder):
        found = [folder]
    if not found:
        endings = ", ".join((*MEDIA_SUFFIXES, *SOUND_SUFFIXES, *PICTURE_SUFFIXES))
        raise BadInput(f"{folder}: expected media files ({endings}) in this folder, found none")
    return found


def _called_media(path: Path) -> bool:
    return path.suffix.lower() in (*MEDIA_SUFFIXES, *SOUND_SUFFIXES)


def _people_s(folder: Path) -> Iterator[Path]:
    """Files and folders at any depth below a folder, without hidden folders, what macOS keeps beside
    a file under its name, and what twomind wrote itself.
    """
    for path in folder.rglob("*"):
        *above, name = path.relative_to(folder).parts
        is_hidden = any(part.startswith(".") for part in above) or name.startswith(_BESIDE)
        if not is_hidden and not is_own(path):
            yield path


def _found_below(folder: Path) -> list[Path]:
    """Films below a folder, and sound files that are not a film's; sorted."""
    films: list[Path] = []
    sounds: list[Path] = []
    for path in _people_s(folder):
        ending = path.suffix.lower()
        if path.is_dir() and (not _called_media(path) or _found_below(path)):
            continue
        if ending in MEDIA_SUFFIXES:
            films.append(path)
        elif ending in SOUND_SUFFIXES:
            sounds.append(path)
    of_films = {film.with_suffix("") for film in films}
    alone = [sound for sound in sounds if sound.with_suffix("") not in of_films]
    return sorted([*films, *alone])


def _pictures_below(folder: Path) -> list[Path]:
    """Still pictures below a folder, sorted."""
    found = []
    for path in _people_s(folder):
        if path.is_file() and path.suffix.lower() in PICTURE_SUFFIXES:
            found.append(path)
    return sorted(found)


def open_recording(
    path: str | Path,
    *,
    id: str | None = None,
    subject: str | None = None,
    question: str | None = None,
    transcript: str | Path | None = None,
    speaker: str | None = None,
) -> Recording:
    """One media file as a :class:`Recording`: what it is and its words, no pixels yet.

    Args:
        path: the media file.
        id: what results call it; without it the file's name.
        subject: who speaks; without it the id.
        question: a number, the text of a known prompt, any other text, or None for unknown.
        transcript: a file; None looks for one beside the media file (:data:`TRANSCRIPT_SUFFIXES`); JSON,
            YAML or a Word file there must prove to be one. Without a transcript the words are not
            measured, which is not an error.
        speaker: the person's name in a transcript of several people (``longest``: whoever says most).

    Returns:
        The recording, with its words where there are any.

    Raises:
        BadInput: the media file, or a transcript that was named, cannot be read.

    Example:
        >>> import wave
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.media.recording import open_recording
        >>> with TemporaryDirectory() as folder:
        ...     with wave.open(str(Path(folder) / "a1.wav"), "wb") as out:
        ...         out.setparams((1, 2, 16000, 0, "NONE", ""))
        ...         out.writeframes(bytes(2 * 16000))
        ...     _ = (Path(folder) / "a1.txt").write_text("Um, maybe.")
        ...     recording = open_recording(Path(folder) / "a1.wav")
        >>> [word.text for word in recording.words]
        ['Um,', 'maybe.']
    """
    media = Path(path)
    info = probe(media)
    recording = Recording(
        id=id or media.stem,
        subject=subject or id or media.stem,
        media=media,
        question=question,
        duration_s=info.duration_s,
        drawn=info.drawn,
    )
    if transcript:
        return with_transcript(recording, Path(transcript), speaker)
    beside, passed_over = transcript_beside(media)
    if beside is not None:
        recording = with_transcript(recording, beside, speaker)
    return replace(recording, words_remarks=(*passed_over, *recording.words_remarks))


def with_transcript(
    recording: Recording, transcript: Path, speaker: str | None = None
) -> Recording:
    """The recording with the words of a transcript file.

    Args:
        recording: Whose words they are.
        transcript: The file.
        speaker: The person's name in it, ``longest`` for whoever says most; None where only one
            person speaks.

    Raises:
        BadInput: the file cannot be read, or nobody of that name speaks in it.
    """
    duration_s = None if math.isnan(recording.duration_s) else recording.duration_s
    words = read_words(transcript, duration_s, speaker)
    return words.of(recording, f"{transcript.name} ({describe_timing(words.timing)})")


def describe_timing(timing: Timing) -> str:
    """Plain words for where the times came from."""
    return {
        Timing.GIVEN: "times given for each word",
        Timing.SPREAD_CUE: "words spread evenly inside each subtitle",
        Timing.SPREAD_ALL: "words spread evenly over the whole recording: their times mean nothing",
        Timing.RECOGNISED: "times from speech recognition",
        Timing.ALIGNED: "times found in the sound",
    }[timing]
