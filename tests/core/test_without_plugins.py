"""The library alone, as where no other distribution is installed: it works, and says what is
missing.
"""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from twomind.cli.main import main
from twomind.core import registry, synthetic, weights
from twomind.core.errors import BadInput, MissingExtra
from twomind.encoders.opening import open_encoder
from twomind.models import load


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda **_: ())


def test_the_default_recogniser_is_there() -> None:
    assert load("words").task.classes == ("absent", "present")


def test_models_of_synthetic_people_say_what_to_install() -> None:
    pytest.importorskip("torch")
    for wanted in (lambda: load("clip-au"), open_encoder, synthetic.studies):
        with pytest.raises(MissingExtra, match=r"twomind\[synth\]"):
            wanted()


def test_nothing_of_synthetic_people_is_listed() -> None:
    own = {"words", "change-talk", "mediapipe-face", "silero-vad", "mediapipe-body"}
    assert {w.name for w in weights.bundled()} == own
    assert weights.inside("clip-au") is None
    assert "people" not in registry.names("datasets")
    listed = CliRunner().invoke(main, ["--help"]).output
    assert "predict" in listed
    assert "people  " not in listed


def test_an_unknown_plug_in_is_named() -> None:
    with pytest.raises(BadInput, match="no encoder named 'face-text'"):
        registry.load("encoders", "face-text")
