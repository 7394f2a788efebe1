"""No reader can make a remark that is not in the list of ``tests/transcript_remarks.py``."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from transcript_remarks import (
    BESIDE,
    CASES,
    NOT_REMARKS,
    READERS,
    RECOGNISED,
    SENTENCE,
    SOURCE,
    pattern,
    sentences,
)
from twomind.core.errors import BadInput
from twomind.media.recording import transcript_beside
from twomind.transcripts import align, speech
from twomind.transcripts.language import is_measured, only_english
from twomind.transcripts.words import Words, read_words
from twomind.types import Timing, Word


def _of_cases(folder: Path) -> list[str]:
    """What is said of each case's transcript: remarks, and why its words are not measured."""
    said: list[str] = []
    for case in CASES:
        try:
            words = read_words(case.write(folder), case.duration_s, case.speaker)
        except BadInput:
            continue  # a reader may refuse what another remarks on
        said += [*words.problems, words.not_measured]
        if not is_measured(words.language):
            said.append(only_english(words.language))
    return said


def _beside(folder: Path) -> list[str]:
    said: list[str] = []
    for name, content in BESIDE.items():
        media = folder / Path(name).with_suffix(".wav")
        with wave.open(str(media), "wb") as sound:
            sound.setparams((1, 2, 16000, 0, "NONE", ""))
            sound.writeframes(bytes(3200))
        raw = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(raw)
        said += transcript_beside(media)[1]
    return said


@dataclass
class _Guessing:
    """A recogniser that guesses the language, and what it writes."""

    words: tuple[tuple[str, float, float], ...]

    supported_languages: tuple[str, ...] = ("en", "de")

    def transcribe(self, *_: Any, **__: Any) -> tuple[list[Any], Any]:
        words = []
        for text, start_s, end_s in self.words:
            words.append(SimpleNamespace(word=text, start=start_s, end=end_s, probability=0.9))
        guess = SimpleNamespace(language="en", language_probability=0.2)
        return [SimpleNamespace(words=words)], guess


def _recognised(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(speech, "faster_whisper", lambda: SimpleNamespace(__version__="1"))
    monkeypatch.setattr(speech, "find_model", lambda model, offline: Path("model"))
    monkeypatch.setattr(speech, "load_whisper", lambda folder, how: _Guessing(RECOGNISED))
    monkeypatch.setattr(speech, "can_align", lambda: False)
    silence = np.zeros(3 * 16000, np.float32)
    said: list[str] = []
    for has_speech in (False, True):
        monkeypatch.setattr(speech, "_has_speech", lambda *_, there=has_speech: there)
        for use in (True, False):
            settings = speech.SpeechSettings(align=align.AlignSettings(use=use))
            words = speech.recognise_words(
                silence, 16000, 0.0, "model", offline=True, settings=settings
            )
            said += words.problems
    return said


def _aligned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said where words and sound could not be brought together."""

    def fail(*given: Any) -> None:
        piece, found = given[3:5]
        found.failed.append(piece)

    decoder = SimpleNamespace(reinit_feat=lambda: None)
    monkeypatch.setattr(align, "_pocketsphinx", lambda: None)
    monkeypatch.setattr(align, "_decoder", lambda *_: decoder)
    monkeypatch.setattr(align, "_align_piece", fail)
    words = tuple(Word(text, 0.0, 3.0, timing=Timing.SPREAD_ALL) for text in SENTENCE.split())
    given = Words(words, "text", Timing.SPREAD_ALL, (), "en")
    found = align.align_words(np.zeros(3 * 16000, np.float32), 16000, 0.0, given)
    return list(found.problems)


def test_every_remark_that_a_reader_can_make_is_provoked_by_a_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [*_of_cases(tmp_path), *_beside(tmp_path)]
    said += [*_recognised(monkeypatch), *_aligned(monkeypatch)]
    unknown = []
    for path in READERS:
        for line, text in sentences(path):
            known = text in NOT_REMARKS or any(pattern(text).search(one) for one in said)
            if not known:
                unknown.append(f"{path.relative_to(SOURCE)}:{line}: {text!r}")
    assert not unknown, "add a case to tests/transcript_remarks.py that provokes each: " + str(
        unknown
    )


def test_a_loop_that_only_the_prompt_brings_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain words have none: what was cut of the second text is said of the second text."""
    plain = _Guessing(((" well", 0.0, 0.4), (" maybe", 2.5, 2.9)))
    loop = [(" uh,", 1.0, 1.3), *[(" uh,", 1.3, 1.3)] * 8]
    prompted = _Guessing((*plain.words[:1], *loop, *plain.words[1:]))

    def transcribe(*sound: Any, hotwords: str | None, **options: Any) -> tuple[list[Any], Any]:
        asked = prompted if hotwords else plain
        return asked.transcribe(*sound, **options)

    whisper = SimpleNamespace(transcribe=transcribe, supported_languages=("en",))
    monkeypatch.setattr(speech, "faster_whisper", lambda: SimpleNamespace(__version__="1"))
    monkeypatch.setattr(speech, "find_model", lambda model, offline: Path("model"))
    monkeypatch.setattr(speech, "load_whisper", lambda folder, how: whisper)
    monkeypatch.setattr(speech, "can_align", lambda: False)
    monkeypatch.setattr(speech, "_has_speech", lambda *_: True)
    silence = np.zeros(3 * 16000, np.float32)
    words = speech.recognise_words(silence, 16000, 4.0, "model", offline=True, language="en")
    assert [word.text for word in words.words] == ["well", "maybe"]
    (told,) = [one for one in words.problems if "loop" in one]
    assert told.startswith("asked with a prompt, ")
    assert told.endswith("'uh,' 9 times from 5.0 s")


def test_the_source_is_read_for_sentences(tmp_path: Path) -> None:
    """The list would be complete for ever if the source were not really looked through."""
    source = tmp_path / "reader.py"
    source.write_text(
        'def read():\n    """A docstring of several words."""\n'
        '    problems.append(f"{n} words came from nowhere")\n'
        '    error = BadInput("expected something else here")\n'
        '    raise BadInput("expected something else there")\n'
    )
    assert list(sentences(source)) == [(3, "\0 words came from nowhere")]
    assert pattern("\0 words came from nowhere").search("7 words came from nowhere")
    assert len([text for path in READERS for _, text in sentences(path)]) > 20
