"""How written words are said."""

from __future__ import annotations

import importlib.util

import pytest

from twomind.transcripts.pronounce import phones_of, spoken_parts


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
    assert phones_of("ill-disposed", known.get) == "IH L D IH S P OW Z D"
    assert phones_of("[noise]", known.get) is None


def test_unknown_words_are_told_by_their_letters() -> None:
    if importlib.util.find_spec("g2p_en") is None:
        pytest.skip("g2p-en is not installed (extra align)")
    assert phones_of("twomind", {}.get) == "T W UW M AH N D"
    assert phones_of("ambivalence", {}.get) == "AE M B IH V AH L AH N S"
