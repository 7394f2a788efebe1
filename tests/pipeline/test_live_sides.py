"""The two sides of what is said in a live session: the same whatever the pieces, and in the end as
``predict`` says them.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from twomind.core.errors import BadInput
from twomind.models import load
from twomind.models.change_talk.recogniser import two_sides
from twomind.pipeline.live import LiveSession
from twomind.pipeline.live_events import SideTold
from twomind.types import Features, Timing, Word

SAID = (
    "I really want to stop for my kids. But I can't, it helps me relax after a stressful day. "
    "It is hard but then I want to live. I will try on Monday and we met on a Tuesday."
)
GERMAN = "Ich möchte wirklich aufhören zu rauchen. Aber ich kann nicht, weil es mir hilft und so."


def words(said: str, timing: Timing = Timing.RECOGNISED) -> tuple[Word, ...]:
    texts = said.split()
    return tuple(Word(t, 0.4 * n, 0.4 * n + 0.3, timing=timing) for n, t in enumerate(texts))


def told_of(said: tuple[Word, ...], cuts: list[int], **more: Any) -> tuple[list[Any], LiveSession]:
    """Events of words that come in pieces, without those of cues."""
    live = LiveSession(using=["words"], **more)
    events = []
    for first, last in pairwise(sorted({0, len(said), *cuts})):
        events += live.push_words(said[first:last])
    events += live.finish()
    sides = [e.to_dict() for e in events if isinstance(e, SideTold)]
    return sides, live


@pytest.mark.parametrize("cuts", [[7], [1, 2, 3, 20, 21], list(range(99))])
def test_in_any_pieces_the_same_is_told_at_the_same_time(cuts: list[int]) -> None:
    said = words(SAID)
    told, live = told_of(said, [n for n in cuts if n < len(said)])
    assert told == told_of(said, [])[0]
    running = [e for e in told if not e["settled"]]
    assert [e["index"] for e in running] == list(range(len(running)))
    assert [e["said"] for e in running[:2]] == ["change", "sustain"]
    for event in running:
        assert event["end_s"] <= event["at_s"] <= said[-1].end_s
        assert event["quote"] in SAID
    assert running[0]["at_s"] < said[-1].end_s / 2  # while somebody speaks
    settled = [e for e in told if e["settled"]]
    assert len(settled) > len(running)  # the last clause had no next one
    whole = two_sides(load("change-talk"), Features("a", "p", {}, (0.0, 60.0), words=said))
    assert live.two_sides == whole
    for event, row in zip(settled, whole["clauses"], strict=True):
        assert {name: event[name] for name in row} == row


@pytest.mark.parametrize("timing", [Timing.GIVEN, Timing.SPREAD_ALL, Timing.RECOGNISED])
def test_a_session_that_moved_tells_the_rest(timing: Timing) -> None:
    said = words(SAID, timing)
    first, rest = said[:23], said[23:]
    stayed, moving = LiveSession(using=["words"]), LiveSession(using=["words"])
    early = [e for e in stayed.push_words(first) if isinstance(e, SideTold)]
    assert early
    moving.push_words(first)
    moved = LiveSession(using=["words"], state=moving.export())
    expected = [e.to_dict() for e in (*stayed.push_words(rest), *stayed.finish())]
    assert [e.to_dict() for e in (*moved.push_words(rest), *moved.finish())] == expected
    assert moved.two_sides == stayed.two_sides


def test_another_language_is_said_and_nothing_is_left_standing() -> None:
    live = LiveSession(using=["words"])
    events = [*live.push_words(words(GERMAN)), *live.finish()]
    (why,) = [e for e in events if getattr(e, "modality", "") == "change_talk"]
    assert "'de'" in why.reason
    assert not [e for e in events if isinstance(e, SideTold) and e.settled]
    assert live.two_sides["status"] == "not_measured"


def test_it_can_be_left_out_and_another_model_is_no_such_model() -> None:
    told, live = told_of(words(SAID), [], change_talk="none")
    assert told == []
    assert live.two_sides == {}
    with pytest.raises(BadInput, match="change_talk"):
        LiveSession(using=["words"], change_talk="words")
    silent = LiveSession(using=["words"])
    assert [e.event for e in silent.finish()] == ["finished"]
    assert "no words were given" in silent.two_sides["reason"]


def test_words_found_in_the_sound_have_times_of_their_own() -> None:
    told, _ = told_of(words(SAID, Timing.ALIGNED), [])
    assert all(event["timed"] for event in told)
    said = words("I really want to stop for the kids", Timing.ALIGNED)
    late = tuple(replace(w, start_s=w.start_s + 5, end_s=w.end_s + 5) for w in said[4:])
    (first, second) = told_of((*said[:4], *late), [])[1].two_sides["clauses"]
    assert (first["quote"], second["quote"]) == ("I really want to", "stop for the kids")
