"""What the report says of a score, in frequencies."""

from __future__ import annotations

from twomind.models.calibration import NO_BAND_REASON
from twomind.reporting.messages import ENGLISH
from twomind.reporting.report_text import _sentences


def said(p: float, band: list[float] | None, no_band: str = "") -> str:
    score = {"p": p, "band": band, "no_band": no_band, "parts": []}
    return " ".join(_sentences(ENGLISH, score, own_meaning=False))


def test_the_band_is_what_was_observed_of_scores_nearby() -> None:
    text = said(0.62, [0.41, 0.8])
    assert "expected to mark about 62." in text
    assert "scored nearest to this one, 41 to 80 % were marked (95 % interval" in text


def test_a_score_beyond_what_was_tested_is_not_told_as_a_rate() -> None:
    text = said(0.14, None, NO_BAND_REASON)
    assert text.startswith("Beyond what was tested: ")
    assert "expected to mark" not in text
    assert said(0.14, None).endswith("expected to mark about 14.")
