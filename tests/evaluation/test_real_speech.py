"""Real Whisper models on real recordings: what they get, and that nothing is invented."""

from __future__ import annotations

from pathlib import Path

import pytest

import speech_models
from twomind.core.store import Store
from twomind.evaluation.transcribed import score_transcripts
from twomind.features.describe import Settings, describe
from twomind.media.recording import open_recording
from twomind.transcripts.speech import SpeechSettings
from twomind.types.plain import Plain

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["base", "tiny.en"])
def scored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Plain:
    pytest.importorskip("pocketsphinx")
    shared: Path = request.getfixturevalue("shared")
    folder = shared / "data" / "speech"
    if not folder.is_dir():
        pytest.skip(f"needs the recordings of {folder}")
    model = speech_models.needed(request.param)
    settings = Settings(
        speech_model=str(model),
        language="en",
        offline=True,
        speech=SpeechSettings(n_threads=1),
    )
    store = Store(tmp_path_factory.mktemp("store"))
    found = score_transcripts(folder, settings, store)
    return {**found, "name": request.param}


def test_words_are_right_and_where_they_are_heard(scored: Plain) -> None:
    figures = scored["figures"]
    if scored["name"] == "base":
        assert figures["wer"]["value"] <= 0.10
        assert figures["word_recall"]["value"] >= 0.95
    assert figures["insertions_per_min"]["value"] <= 0.5
    assert figures["boundary_ms"]["value"] <= 25
    assert figures["boundary_within_50"]["value"] >= 0.7


def test_no_filler_is_found_in_laughter_breaths_and_clean_reading(scored: Plain) -> None:
    rows = [row for row in scored["recordings"] if row["fillers_said"] == 0]
    assert len(rows) == 5
    assert [row["fillers_found"] for row in rows] == [0] * 5
    assert all(row["words_inserted"] in (0, None) for row in rows)


def test_the_same_recording_gives_the_same_words(shared: Path, tmp_path: Path) -> None:
    """Whatever was recognised before, with however many threads; in laughter a recogniser is as
    unsure as it can be.
    """
    threadpoolctl = pytest.importorskip("threadpoolctl")
    model = speech_models.needed("tiny.en")
    names = ["mfa_laughter.flac", "mfa_um.flac"]
    told: dict[str, set[str]] = {name: set() for name in names}
    for n_threads in (1, 2):
        speech = SpeechSettings(n_threads=n_threads)
        settings = Settings(speech_model=str(model), language="en", offline=True, speech=speech)
        store = Store(tmp_path / str(n_threads))
        with threadpoolctl.threadpool_limits(limits=n_threads, user_api="blas"):
            for name in names:
                recording = open_recording(shared / "data" / "speech" / name)
                found = describe(recording, ("words",), store=store, settings=settings)
                told[name].add(repr(found.recording.words))
        names.reverse()
    assert [len(texts) for texts in told.values()] == [1, 1]
