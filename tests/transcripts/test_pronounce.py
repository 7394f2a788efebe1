"""How written words are said."""

from __future__ import annotations

import importlib.util

import pytest

from twomind.transcripts.pronounce import spoken_parts, ways_to_say


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("Hello,", "hello"),
        ("don’t", "don't"),
        ("ill-disposed", "ill disposed"),
        ("I-", "i"),
        ("Mr.", "mister"),
        ("yknow", "you know"),
        ("50%", "fifty percent"),
        ("0", "zero"),
        ("13", "thirteen"),
        ("110", "one hundred ten"),
        ("1000", "one thousand"),
        ("1984", "nineteen eighty four"),
        ("1900", "nineteen hundred"),
        ("2026", "two thousand twenty six"),
        ("12345", "one two three four five"),
        ("007", "zero zero seven"),
        ("ummmmmm", "umm"),
        ("$5", "dollars five"),
        ("[laughs]", ""),
        ("(2.3)", ""),
        ("♪", ""),
        ("—", ""),
    ],
)
def test_what_is_said_for_a_written_word(token: str, said: str) -> None:
    assert " ".join(spoken_parts(token)) == said


def test_phones_come_from_the_dictionary_part_by_part() -> None:
    known = {"ill": "IH L", "disposed": "D IH S P OW Z D"}
    assert ways_to_say("ill-disposed", known.get) == ("IH L D IH S P OW Z D",)
    assert ways_to_say("[noise]", known.get) == ()


def test_a_word_is_said_in_every_way_of_the_dictionary() -> None:
    known = {"them": "DH EH M", "them(2)": "DH AH M", "them(3)": "DH EH M", "and": "AE N D"}
    assert ways_to_say("them,", known.get) == ("DH EH M", "DH AH M")
    both = ("AE N D DH EH M", "AE N D DH AH M")
    assert ways_to_say("and-them", known.get) == both


def test_unknown_words_are_told_by_their_letters() -> None:
    if importlib.util.find_spec("g2p_en") is None:
        pytest.skip("g2p-en is not installed (extra align)")
    assert ways_to_say("twomind", {}.get) == ("T W UW M AH N D",)
    assert ways_to_say("ambivalence", {}.get) == ("AE M B IH V AH L AH N S",)
