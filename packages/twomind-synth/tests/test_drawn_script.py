"""What synthetic people say: reproducible, with the published rates, A/H where it is said to be, and
nobody's own words.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from twomind_synth import phrases
from twomind_synth.script import Answer, write_answer
from twomind_synth.world import World, person_factors

QUESTIONS = range(1, 8)


def answers(n_people: int, world: World | None = None, seed: int = 0) -> list[Answer]:
    return [
        write_answer(world or World(), person_factors(seed, i), q)
        for i in range(n_people)
        for q in QUESTIONS
    ]


def test_same_seed_same_answer_and_people_differ() -> None:
    assert answers(3) == answers(3)
    texts = {a.text for a in answers(6)}
    assert len(texts) > 35
    assert person_factors(0, 1) != person_factors(1, 1)


def test_rates_of_ambivalence_follow_the_world() -> None:
    labels = np.array([a.label for a in answers(300)]).reshape(300, 7)
    # 300 draws: a deviation above .1 has a probability below 1 in 1,000.
    assert np.abs(labels.mean(axis=0) - World().ah_rate).max() < 0.1
    assert not any(a.label for a in answers(20, World(ah_rate=(0.0,) * 7)))
    assert all(a.label for a in answers(20, World(ah_rate=(1.0,) * 7)))


def test_segments_exist_exactly_where_the_label_says_and_do_not_overlap() -> None:
    for answer in answers(40):
        assert bool(answer.segments) == bool(answer.label)
        taken: set[int] = set()
        for plan in answer.segments:
            span = set(range(plan.first, plan.last + 1))
            assert span <= set(range(len(answer.tokens)))
            assert not span & taken
            taken |= span
            assert plan.first > 0, "the answer opens with its topic, not with A/H"
            assert answer.tokens[plan.first].starts_clause


def test_language_and_audio_cues_of_a_segment_are_really_in_its_tokens() -> None:
    seen = set()
    for answer in answers(120):
        for plan in answer.segments:
            tokens = answer.tokens[plan.first : plan.last + 1]
            kinds = {t.kind for t in tokens}
            expected = {
                "filler_sound": "filler" in kinds,
                "filler_word": "filler_word" in kinds,
                "hedge": "hedge" in kinds,
                "correction": "restart" in kinds,
                "repeat": "repeat" in kinds,
                "stutter": "stutter" in kinds,
                "pause": max(t.pause_s for t in tokens[1:]) >= World().long_pause_s[0],
                "breath": any(t.breath for t in tokens),
                "quiet": min(t.gain_db for t in tokens) < 0,
            }
            for cue in (*plan.cues.get("language", ()), *plan.cues.get("audio", ())):
                if cue in expected:
                    seen.add(cue)
                    assert expected[cue], (cue, [t.text for t in tokens])
    language = {"filler_sound", "filler_word", "hedge", "correction", "repeat"}
    assert seen == {*language, "stutter", "pause", "breath", "quiet"}


def test_markup_never_reaches_the_words() -> None:
    for answer in answers(60):
        assert 12 <= len(answer.tokens) <= 110
        for token in answer.tokens:
            assert re.fullmatch(r"[A-Za-z'-]+[.,]?", token.text), token


def test_a_question_outside_the_seven_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 1"):
        write_answer(World(), person_factors(0, 0), 8)


def test_no_clause_was_taken_from_a_participant(shared: Path) -> None:
    files = sorted((shared / "data" / "bah_v1").glob("**/*.txt"))
    if not files:
        pytest.skip("no public transcripts in the shared folder")

    def plain(text: str) -> str:
        return " ".join(re.findall("[a-z']+", text.lower()))

    said = plain(" ".join(file.read_text(encoding="utf-8") for file in files))
    ours = [fact for topics in phrases.TOPICS.values() for topic in topics for fact in topic.facts]
    ours += [
        re.sub(r"\w+:|\*", " ", clause).replace("_", " ")
        for clause in (*phrases.TORN, *phrases.DECIDED)
    ]
    for clause in ours:
        # Slots are filled later; what stands around them is compared on its own.
        for part in re.split(r"\{\w+\}", clause):
            if len(plain(part).split()) >= 7:
                assert plain(part) not in said, clause
