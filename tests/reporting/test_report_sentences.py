"""What the report says of a score, in frequencies."""

from __future__ import annotations

from twomind.reporting.report_text import _sentences


def said(p: float, band: list[float] | None) -> str:
    return " ".join(_sentences({"p": p, "band": band, "parts": []}, own_meaning=False))


def test_the_band_is_what_was_observed_of_scores_nearby() -> None:
    text = said(0.62, [0.41, 0.8])
    assert "expected to mark about 62." in text
    assert "scored nearest to this one, 41 to 80 % were marked (95 % interval" in text
    assert "do not read" not in text


def test_a_score_outside_of_what_was_observed_is_not_told_as_a_rate() -> None:
    text = said(0.14, [0.27, 0.45])
    assert "27 to 45 % were marked" in text
    assert "do not read this score as a rate" in text
    assert "expected to mark" not in text
    assert said(0.14, None).endswith("expected to mark about 14.")
