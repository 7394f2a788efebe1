"""The parts of a release that need no server: marks in BAH's form, splits, numbers of questions."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from twomind.annotations import Annotations, Mark, Tier, from_bah
from twomind.annotations.bah_write import to_bah
from twomind.core.errors import BadInput
from twomind.server.release import ledger
from twomind.server.release.answers import whisper_yaml
from twomind.server.release.ledger import Member, Release
from twomind.server.release.who import question_numbers
from twomind.server.scripts import Script
from twomind.server.study import Prompt, Study
from twomind.transcripts.formats import parse
from twomind.types import Timing, Word

TIMES = [number / 30 for number in range(90)]


def coded(*tiers: Tier) -> Annotations:
    return Annotations("r", tiers, duration_s=3.0)


def segments(*spans: tuple[float, float]) -> Tier:
    return Tier("ah", tuple(Mark(start, end, "A/H") for start, end in spans))


def test_marks_come_back_as_they_were() -> None:
    cue = Tier("cue", (Mark(0.5, 1.0, "gaze"), Mark(0.6, 0.7, "smile")), "facial")
    answer = Tier("answer", (Mark(0, 3, "A/H"),))
    ours = coded(answer, Tier("ah", (Mark(0.5, 1.0, "A/H", "2"), Mark(2.0, 2.5, "A/H"))), cue)
    entry = to_bah(ours, TIMES)
    again = from_bah(entry.plain(), "r", duration_s=3.0, frame_times_s=None)
    assert [(s.start_s, s.end_s) for s in again.segments()] == [(0.5, 1.0), (2.0, 2.5)]
    labels = [mark.label for tier in again.of("cue", "facial") for mark in tier.marks]
    assert labels == ["gaze", "smile"]
    assert [mark.certainty for mark in again.of("ah")[0].marks] == ["2", ""]
    assert not again.problems


def test_every_edge_on_a_frame_s_time_takes_that_frame_and_not_the_one_before() -> None:
    """Marks are whole milliseconds, frames at 30 a second are not."""
    for first, end in product(range(0, 80, 7), (1, 2, 5)):
        start_s, end_s = TIMES[first], TIMES[first + end]
        mark = Mark(start_s, end_s, "A/H").at_ms()
        entry = to_bah(coded(replace(segments((0, 1)), marks=(mark,))), TIMES)
        assert entry.frames == ((first, first + end - 1),)
        assert sum(entry.labels(len(TIMES))) == end


def test_a_segment_between_two_frames_is_the_frame_on_show() -> None:
    entry = to_bah(coded(segments((0.34, 0.35))), TIMES)
    assert entry.frames == ((10, 10),)
    assert to_bah(coded(segments((2.99, 3.0))), TIMES).frames == ((89, 89),)


@pytest.mark.parametrize(
    ("tiers", "why"),
    [
        ((), "neither an answer"),
        ((Tier("ah"),), "neither an answer"),
        ((Tier("answer", (Mark(0, 3, "no A/H"),)), segments((0, 1))), "1 segments are marked"),
        ((Tier("answer", (Mark(0, 1, "no A/H"), Mark(1, 3, "A/H"))),), "contradict"),
    ],
)
def test_marks_that_say_nothing_or_two_things_are_refused(
    tiers: tuple[Tier, ...], why: str
) -> None:
    with pytest.raises(BadInput, match=why):
        to_bah(coded(*tiers), TIMES)


def test_an_answer_without_segments_labels_no_frame() -> None:
    entry = to_bah(coded(Tier("answer", (Mark(0, 3, "A/H"),))), TIMES)
    assert entry.present
    assert not entry.knows_frames
    assert to_bah(coded(Tier("answer", (Mark(0, 3, "no A/H"),))), TIMES).knows_frames


def release(number: int, **splits: str) -> Release:
    people = {name: Member(split, 1, "x") for name, split in splits.items()}
    return Release(number, "2026", "consented", ("research",), 0, "out", people)


@pytest.mark.parametrize("n", [3, 4, 7, 12, 100])
def test_splits_are_seeded_whole_and_near_their_shares(n: int) -> None:
    names = [f"p{number}" for number in range(n)]
    shares = (0.6, 0.15, 0.25)
    found = ledger.splits(names, [], shares, 5)
    assert found == ledger.splits(names[::-1], [], shares, 5)
    assert set(found) == set(names)
    for split, share in zip(ledger.SPLITS, shares, strict=True):
        number = list(found.values()).count(split)
        assert number >= 1
        assert abs(number - n * share) < 1.01
    assert n < 12 or found != ledger.splits(names, [], shares, 6)


def test_nobody_moves_and_the_new_ones_fill_what_is_lacking() -> None:
    before = [release(1, a="train", b="train", c="val", d="test"), release(2, e="test")]
    found = ledger.splits(["a", "b", "e", "x", "y", "z"], before, (0.5, 0.25, 0.25), 0)
    assert (found["a"], found["b"], found["e"]) == ("train", "train", "test")
    assert sorted(found.values()).count("val") == 2
    assert sorted(found.values()).count("train") == 3
    with pytest.raises(BadInput, match="at least 3"):
        ledger.splits(["a", "b"], before, (0.5, 0.25, 0.25), 0)


def test_questions_are_numbered_by_what_they_are_meant_to_bring_out() -> None:
    kinds = ["hesitant", "other", "neutral", "hesitant", "willing"]
    prompts = []
    for number, kind in enumerate(kinds):
        prompts.append(Prompt.model_validate({"id": f"q{number}", "response": kind, "text": {}}))
    study = Study.model_construct(prompts=tuple(prompts))
    assert question_numbers(study) == {"q0": 7, "q1": 8, "q2": 1, "q3": 9, "q4": 5}


def test_words_without_times_of_their_own_come_back_without_them() -> None:
    words = [
        Word("one", 0.0, 0.4, timing=Timing.RECOGNISED),
        Word("two:", 1.0, 1.5, timing=Timing.SPREAD_CUE),
        Word("three", 1.5, 2.0, timing=Timing.SPREAD_CUE),
        Word('“quoted" é 😀', 2.0, 2.5, timing=Timing.ALIGNED),
    ]
    parsed = parse(whisper_yaml(Script(tuple(words)), "en"), ".yml")
    assert [(span.text, span.start_s, span.end_s) for span in parsed.spans] == [
        ("one", 0.0, 0.4),
        ("two: three", 1.0, 2.0),
        ('“quoted" é 😀', 2.0, 2.5),
    ]
    assert parse(whisper_yaml(Script(()), "en"), ".yml").spans == ()
