"""Inconsistency cues: two halves at one time, both quoted; nothing where a precondition is absent."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.features.cue_texts import lines

from twomind.features.cues import KINDS, in_order
from twomind.features.inconsistency import inconsistencies
from twomind.features.words.cues import occurrences
from twomind.types import Cue, Timing, Word

VERDICTS = Path(__file__).with_name("seen_verdicts") / "inconsistency.csv"


def spoken(text: str, timing: Timing = Timing.ALIGNED) -> tuple[Word, ...]:
    """A word each half a second."""
    words = text.split()
    return tuple(Word(w, i / 2, i / 2 + 0.4, timing=timing) for i, w in enumerate(words))


def found(text: str, *seen: Cue, timing: Timing = Timing.ALIGNED) -> list[Cue]:
    words = spoken(text, timing)
    return list(inconsistencies(in_order((*occurrences(words), *seen)), words))


def kinds(cues: list[Cue]) -> list[str]:
    return [cue.kind for cue in cues]


SAID = "the whole day was boring and we went"


def test_a_smile_while_something_negative_is_said() -> None:
    smile = Cue("smile", "face", 1.5, 3.0, 0.2, "iod")
    [cue] = found(SAID, smile)
    assert cue.kind == "face_against_words"
    assert cue.modality == "across"
    assert cue.kind in KINDS
    assert (cue.start_s, cue.end_s) == (1.5, 3.0)
    assert "smile (1.5-3.0 s)" in cue.detail
    assert "negative “boring” (2.0-2.4 s)" in cue.detail


@pytest.mark.parametrize(
    "seen",
    [
        Cue("smile", "face", 2.5, 4.0, 0.2, "iod"),  # after the word
        Cue("smile", "face", 1.0, 2.1, 0.2, "iod"),  # over a quarter of it
        Cue("brow_lower", "face", 1.5, 3.0, 0.2, "iod"),  # goes with what is said
        Cue("brow_raise", "face", 1.5, 3.0, 0.2, "iod"),
    ],
)
def test_a_face_that_goes_with_the_words_or_comes_at_another_time(seen: Cue) -> None:
    assert not found(SAID, seen)


@pytest.mark.parametrize("timing", [Timing.SPREAD_CUE, Timing.SPREAD_ALL])
def test_words_without_times_of_their_own_are_held_against_no_face_and_no_voice(
    timing: Timing,
) -> None:
    smile = Cue("smile", "face", 0.0, 9.0, 0.2, "iod")
    pause = Cue("long_pause", "voice", 0.9, 2.0, 1.1, "s")
    assert not found(SAID, smile, timing=timing)
    assert not found("well yes then I love it", pause, timing=timing)


def test_a_willing_word_after_a_long_pause_or_in_slow_speech() -> None:
    text = "well yes then I love it"
    pause = Cue("long_pause", "voice", 0.5, 1.9, 1.4, "s")
    [cue] = found(text, pause)
    assert cue.kind == "voice_against_words"
    assert "long pause (0.5-1.9 s) against" in cue.detail
    assert kinds(found(text, Cue("slow_speech", "voice", 1.0, 3.0, 1.0))) == ["voice_against_words"]
    assert not found(text, Cue("slow_speech", "voice", 2.2, 3.0, 1.0)), "a part of the words"
    assert not found(text, Cue("long_pause", "voice", 0.2, 1.0, 0.8, "s")), "long before them"
    assert not found(text, Cue("fast_speech", "voice", 1.0, 3.0, 9.0))
    assert not found("well yes then I hate it", pause), "hesitant, and not willing"


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("I want to run more but I hate the cold", 1),
        ("I hate the cold but I want to run more", 1),
        ("I want to run more. But I hate the cold.", 1),
        ("I want to run more. It rained. But I hate the cold.", 0),
        ("I want to run more and I hate the cold", 0),
        ("I want to run but I love the cold", 0),
        ("I love the sea but it is far", 0),
        ("I want to run " + "every day of the week as it is and so on " * 2 + "but I hate it", 0),
    ],
)
def test_both_sides_of_one_but(text: str, n: int) -> None:
    for timing in (Timing.ALIGNED, Timing.SPREAD_ALL):
        cues = found(text, timing=timing)
        assert kinds(cues) == ["within_words"] * n
    if n:
        assert cues[0].detail.count("“") == 3
        assert cues[0].detail.lower().endswith("on two sides of “but”")


def test_who_wants_and_does_not_in_german_words_is_not_measured_here() -> None:
    assert not inconsistencies((), ())


def verdicts() -> Iterator[dict[str, str]]:
    with VERDICTS.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def test_what_was_judged_on_real_answers_is_still_found(shared: Path) -> None:
    """The share of wrong ones stands in docs/measures.md; a rule that changes must be judged anew."""
    judged = {(v["source"], int(v["row"]), int(v["first"]), int(v["last"])) for v in verdicts()}
    where = {(v[0], v[1]) for v in judged}
    now = set()
    for line in lines(shared / "data"):
        if (line.source, line.row) not in where:
            continue
        words = tuple(Word(w, float(i), i + 0.8) for i, w in enumerate(line.words))
        for cue in inconsistencies((), words):
            now.add((line.source, line.row, int(cue.start_s), int(cue.end_s)))
    assert judged <= now


def test_the_manual_says_how_often_the_cue_was_wrong() -> None:
    counts = Counter(v["verdict"] for v in verdicts())
    page = (Path(__file__).parents[2] / "docs" / "measures.md").read_text(encoding="utf-8")
    assert f"{counts['false']} of {sum(counts.values())}" in page
