"""Word cues: the rules of the cue lexicon, what they find in their surroundings, and how they do on
the judged lists.
"""

from __future__ import annotations

import math

import pytest
from tests.features.cue_texts import Line, lines
from tests.features.judge_cues import (
    VERDICTS,
    Judged,
    agreement,
    draw,
    last_round,
    present_hits,
    read,
    score,
    write,
)

from twomind.features.words.cue_rules import cue_lexicon, parse
from twomind.features.words.cues import HIDDEN_KINDS, WORD_KINDS, find_all, occurrences
from twomind.types import Word


def words(text: str) -> tuple[Word, ...]:
    return tuple(Word(t, float(i), i + 0.5) for i, t in enumerate(text.split()))


def found(text: str, kind: str) -> list[str]:
    return [hit.text for hit in find_all(text.split()) if hit.category == kind]


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("I like the sea as well.", "filler_word", []),
        ("Well, it is the sea.", "filler_word", ["well"]),
        ("It is, you know, the sea", "filler_word", ["you know"]),
        ("Do you know the sea?", "filler_word", []),
        ("Yeah. Okay.", "filler_word", []),
        ("It was rather quick.", "desire", []),
        ("I’d rather walk.", "desire", ["i'd rather"]),
        ("I don't want to walk", "desire", []),
        ("She wants to walk, if I want to", "desire", []),
        ("I really want to walk", "desire", ["i really want"]),
        ("The pay is better", "positive", []),
        ("It is not good", "positive", []),
        ("It's really good, but I would love to go", "positive", ["good"]),
        ("It's not bad. That's no problem", "negative", []),
        ("I hate it and it's boring", "negative", ["hate", "boring"]),
        ("What kind of boat is it, some sort of ferry?", "hedge", []),
        ("It is kind of slow, I think", "hedge", ["kind of", "i think"]),
        ("I think about it a lot", "hedge", []),
        ("Nothing but rain. I have not been there yet.", "contrast", []),
        ("It rains, but I walk", "contrast", ["but"]),
        ("I don't have to go", "obligation", []),
        ("I have to go; it should be fine", "obligation", ["have to"]),
        ("No matter what, why not?", "negation", []),
        ("I did not go, never", "negation", ["not", "never"]),
        ("I don't know him", "uncertainty", []),
        ("I'm not sure, I do not know", "uncertainty", ["not sure", "i do not know"]),
        ("I am willing; my friends are willing", "motivation", ["willing"]),
        ("I keep putting it off by the hour", "no_motivation", []),
        ("I keep putting it off", "no_motivation", ["putting it off"]),
        ("Ummm, I uhhh went. Erm, yes", "filler", ["ummm", "uhhh", "erm"]),
        ("mm-hmm, uh-huh, the umbrella", "filler", []),
        ("Um.", "filler", []),
        ("I I go. Then she-she went to the- the sea", "repeat", ["i", "she", "the"]),
        ("I know that that is so. Very, very good. I see it, it is far", "repeat", []),
        ("I w- I went. I'm I'd go", "restart", ["w", "i'm i'd"]),
        ("I went to the-", "restart", []),
    ],
)
def test_what_stands_around_a_phrase_decides(text: str, kind: str, expected: list[str]) -> None:
    assert found(text, kind) == expected


def test_fillers_and_repeats_between_the_words_of_a_phrase_change_nothing() -> None:
    plain = find_all(["I", "want", "to", "stop", "but", "I", "don't", "know"])
    verbatim = find_all(
        [
            "Um",
            "I,",
            "uh,",
            "want",
            "want",
            "to",
            "stop,",
            "uh,",
            "but",
            "I",
            "I",
            "don't,",
            "um,",
            "know",
        ]
    )
    kept = [hit for hit in verbatim if hit.category not in ("filler", "repeat")]
    assert [(h.category, h.text) for h in kept] == [(h.category, h.text) for h in plain]


def test_occurrences_carry_the_span_of_their_words_in_time_order() -> None:
    said = words("Maybe I would like to stop but um I don't know")
    cues = occurrences(said)
    assert [c.start_s for c in cues] == sorted(c.start_s for c in cues)
    phrase = next(c for c in cues if c.kind == "desire")
    assert (phrase.start_s, phrase.end_s, phrase.detail) == (1.0, 3.5, "i would like")
    assert {c.modality for c in cues} == {"words"}
    assert {c.kind for c in cues} <= set(WORD_KINDS)


def test_a_hidden_kind_is_found_but_not_shown() -> None:
    said = "I can't stop"
    assert found(said, "sustain_talk")
    assert "sustain_talk" not in {c.kind for c in occurrences(words(said))}
    assert set(HIDDEN_KINDS) == {
        "capability",
        "no_capability",
        "no_opportunity",
        "change_talk",
        "sustain_talk",
    }


RULES = """
version = 7
[lists]
deny = ["not"]
clause = ["but"]
self = ["i"]
you = ["you"]
third = ["she"]
fruit = ["apple", "pear*"]
[kinds.repeat]
meaning = "m"
definition = "d"
shown = true
[kinds.fruit]
meaning = "m"
definition = "d"
shown = true
[[kinds.fruit.rules]]
phrases = ["big? @fruit", "@fruit pie"]
{conditions}
"""


@pytest.mark.parametrize(
    ("conditions", "text", "expected"),
    [
        ("", "a big apple and pears, apple pie", ["big apple", "pears", "apple pie"]),
        ('after = ["an"]', "an apple, the apple", ["apple"]),
        ('not_after = ["an", "^"]', "Apple. An apple. The apple", ["apple"]),
        ('before = ["$", ","]', "an apple, a pear is. Apple", ["apple", "apple"]),
        ('not_before = ["is"]', "apple is. Apple was", ["apple"]),
        ('not_before = ["-"]', "apple- or a pear", ["pear"]),
        ('near = ["eat"]', "eat the red and green apple", ["apple"]),
        ('near = ["eat"]', "eat the red and green and blue apple", []),
        ('near = ["eat"]', "Eat. The apple", []),
        ('not_near = ["eat"]', "eat the apple", []),
        ('not_near_after = ["red"]', "apple is so red. Apple", ["apple"]),
        ("not_negated = true", "not an apple. No. An apple", ["apple"]),
        ("not_negated = true", "not now but an apple", ["apple"]),
        ("not_negated = true", "not a b c d e apple", ["apple"]),
        ("not_third = true", "she eats an apple, I eat an apple, you an apple", ["apple"] * 2),
        ("not_other = true", "she eats an apple, I eat an apple, you an apple", ["apple"]),
        ("not_alone = true", "Apple. An apple", ["apple"]),
    ],
)
def test_each_condition(conditions: str, text: str, expected: list[str]) -> None:
    known = parse(RULES.format(conditions=conditions).encode())
    hits = find_all(text.split(), known)
    assert [hit.text for hit in hits if hit.category == "fruit"] == expected


def test_of_two_rules_that_begin_at_one_word_the_longer_phrase_is_the_hit() -> None:
    second = '[[kinds.fruit.rules]]\nphrases = ["apple pie and cream"]'
    known = parse(RULES.format(conditions=second).encode())
    hits = find_all(["an", "apple", "pie", "and", "cream", "and", "an", "apple"], known)
    found = [hit.text for hit in hits if hit.category == "fruit"]
    assert found == ["apple pie and cream", "apple"]


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ('afterr = ["an"]', "fruit, rule 1: no condition is called afterr"),
        ('after = ["@vegetable"]', "no list is called @vegetable"),
    ],
)
def test_a_rule_that_says_nothing_is_refused(conditions: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(RULES.format(conditions=conditions).encode())


def test_the_lexicon_says_what_a_coder_signs() -> None:
    known = cue_lexicon()
    assert (known.version, len(known.sha256)) == (1, 64)
    for kind in known.kinds:
        assert kind.meaning
        assert kind.definition
    assert set(WORD_KINDS) | set(HIDDEN_KINDS) == {kind.name for kind in known.kinds}


# --- judged lists


def line(text: str, row: int = 1) -> Line:
    return Line("x/y.txt", row, f"p{row}", text)


def test_precision_counts_what_was_drawn_and_is_still_found() -> None:
    texts = [line("It rains, but I walk"), line("Nothing but rain", 2), line("Yes, but no", 3)]
    verdicts = [
        Judged("x/y.txt", 1, 2, 2, "contrast", "both", "true"),
        Judged("x/y.txt", 2, 1, 1, "contrast", "both", "false"),
        Judged("x/y.txt", 3, 0, 0, "contrast", "former", "true"),
    ]
    told = next(s for s in score(verdicts, texts) if s.kind == "contrast")
    assert (told.n_right, told.n_judged) == (1, 1), "what is no longer found is not judged"
    assert (told.n_kept, told.n_former) == (1, 2)
    assert told.n_unknown == 1, "the hit on row 3 has no verdict"


def test_a_draw_is_fresh_seeded_and_of_the_judge_half() -> None:
    texts = [line(f"It rains, but I walk {i}", i) for i in range(40)]
    first = draw(texts, "1", ["contrast"], n=5)
    assert len(first) == 5
    assert first == draw(texts, "1", ["contrast"], n=5)
    halves = {t.row: t.half for t in texts}
    assert {halves[hit.row] for hit in first} == {"judge"}
    again = draw(texts, "1", ["contrast"], seen=first, n=5)
    assert not any(hit.meets(old) for hit in again for old in first)


def test_two_judges(tmp_path) -> None:
    places = [Judged("x/y.txt", i, 0, 0, "hedge", "present") for i in range(4)]
    yes = [Judged(h.source, h.row, 0, 0, "hedge", "present", "true") for h in places]
    mixed = [*yes[:3], Judged("x/y.txt", 3, 0, 0, "hedge", "present", "false")]
    assert agreement(mixed, mixed) == (4, 1.0, 1.0)
    assert agreement(yes, mixed) == (4, 0.75, 0.0)
    n, *shares = agreement([], mixed)
    assert n == 0
    assert all(map(math.isnan, shares)), "not measured, and not nought"
    write(tmp_path / "list.csv", mixed)
    assert read(tmp_path / "list.csv") == mixed


def test_every_shown_kind_holds_on_its_judged_list(shared) -> None:
    texts = lines(shared / "data")
    verdicts = last_round(sorted(VERDICTS.glob("*.csv")))
    assert all(hit.verdict for hit in verdicts)
    for told in score(verdicts, texts):
        if told.kind in WORD_KINDS:
            assert told.n_judged >= 50, (
                f"{told.kind}: too few judged hits are left; judge a new list"
            )
            assert told.precision >= 0.9, told
            assert told.precision_of_all >= 0.9, told
            assert told.kept >= 0.6, told


def test_hits_of_a_changed_rule_were_all_judged(shared) -> None:
    """Every hit that a change made since the drawn lists: found, and right."""
    verdicts = read(VERDICTS / "changed" / "hums.csv")
    line_at = {(line.source, line.row): line for line in lines(shared / "data")}
    for hit in verdicts:
        assert any(hit.meets(now) for now in present_hits(line_at[hit.source, hit.row])), hit
        assert hit.verdict == "true"


@pytest.mark.parametrize(
    ("text", "fillers"),
    [
        ("Mm, yeah. Mm. I see it.", []),
        ("Ah, I see. Absolutely not. Mm-mm. No.", []),
        ("My eyes, mm, my feet, ah, and more", ["mm", "ah"]),
        ("Um, it is. Hmm, maybe. Mhm, it is so.", ["um", "hmm"]),
    ],
)
def test_a_sound_that_opens_a_sentence_may_be_an_answer(text: str, fillers: list[str]) -> None:
    assert found(text, "filler") == fillers


def test_the_number_of_hits_is_the_one_that_was_judged(shared) -> None:
    """A changed rule makes or loses hits: judge a fresh list, then write the new numbers here."""
    counted: dict[str, int] = {}
    for told in lines(shared / "data"):
        for hit in present_hits(told):
            counted[hit.kind] = counted.get(hit.kind, 0) + 1
    assert counted == COUNTED


COUNTED = {
    "filler": 1235,
    "filler_word": 2114,
    "repeat": 661,
    "restart": 771,
    "hedge": 1679,
    "uncertainty": 331,
    "contrast": 989,
    "negation": 2866,
    "desire": 416,
    "obligation": 401,
    "motivation": 153,
    "no_motivation": 134,
    "capability": 165,
    "no_capability": 223,
    "no_opportunity": 85,
    "positive": 772,
    "negative": 596,
    "change_talk": 450,
    "sustain_talk": 267,
}
