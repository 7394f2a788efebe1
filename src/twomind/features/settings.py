"""How a recording is described: the settings of every measure, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field

from twomind.features.body.reader import BodySettings
from twomind.features.cues import CueSettings
from twomind.features.face.reader import FaceSettings
from twomind.features.voice.track import VoiceSettings
from twomind.transcripts.speech import SpeechSettings


@dataclass(frozen=True)
class Settings:
    """How to describe. ``speech_model`` (a name or a folder) recognises words where no transcript
    is given.
    """

    face: FaceSettings = field(default_factory=FaceSettings)
    voice: VoiceSettings = field(default_factory=VoiceSettings)
    body: BodySettings = field(default_factory=BodySettings)
    cues: CueSettings = field(default_factory=CueSettings)
    speech_model: str | None = None
    speech: SpeechSettings = field(default_factory=SpeechSettings)
    language: str | None = None
    offline: bool = False
