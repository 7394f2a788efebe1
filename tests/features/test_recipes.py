"""Entries of the store are named by the source files that make them: each such file is there, and
counts.
"""

from __future__ import annotations

import pytest

from twomind.encoders import frame_rows, frames
from twomind.features import describe


def test_every_recipe_names_files_that_are_there() -> None:
    recipes = {
        describe._face_recipe(),
        describe._voice_recipe(describe.VoiceSettings()),
        describe._recipe("transcripts/speech.py"),
        frames._frames_recipe(),
        frame_rows.rows_recipe(),
    }
    assert len(recipes) == 5


def test_a_pattern_that_matches_nothing_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-folder"):
        describe._recipe("no-such-folder/*.py")


def test_another_file_gives_another_recipe() -> None:
    first = describe._recipe("features/voice/pitch.py")
    assert first != describe._recipe("features/voice/track.py")
    assert first != describe._recipe("features/voice/pitch.py", "media/stream.py")
