"""What of a recogniser's words is taken out, and what is left for the sound to decide."""

from __future__ import annotations

import pytest

from twomind.transcripts.heard import candidates, is_filler, sort_out
from twomind.types import Timing, Word

MIN_S = 0.015


def said(text: str, start_s: float = 0.0, length_s: float = 0.2) -> list[Word]:
    """Words one after the other; one with a dot behind it has no length."""
    words = []
    at_s = start_s
    for token in text.split():
        lasts_s = 0.0 if token.endswith("·") else length_s
        token = token.rstrip("·")
        words.append(Word(token, at_s, at_s + lasts_s, 0.9, Timing.RECOGNISED))
        at_s += lasts_s
    return words


def texts(words: tuple[Word, ...]) -> str:
    return " ".join(word.text for word in words)


@pytest.mark.parametrize("text", ["um", "Uh,", "uhm", "ummm...", "er", "Erm.", "hmm", "mm", "Uhh"])
def test_fillers(text: str) -> None:
    assert is_filler(text)


@pytest.mark.parametrize("text", ["her", "hum", "arm", "a", "am", "human", "eh", "ah", "mom", "I"])
def test_words_that_only_look_like_fillers(text: str) -> None:
    assert not is_filler(text)


def test_words_without_length_are_dropped_and_told() -> None:
    found = sort_out(said("I uh· think um· so"), MIN_S)
    assert texts(found.words) == "I think so"
    assert found.remarks == ("words of no length were dropped: uh (0.2 s), um (0.4 s)",)


def test_many_dropped_words_are_not_all_told() -> None:
    found = sort_out(said(" ".join(f"word{k}·" for k in range(40))), MIN_S)
    assert found.words == ()
    assert found.remarks[0].endswith("and 28 more")


def test_a_loop_is_cut_to_its_first_phrase() -> None:
    loop = " ".join(["a line· "] * 20)
    found = sort_out(said(f"we cross {loop} then stop"), MIN_S)
    assert texts(found.words) == "we cross a then stop"
    assert "a loop of the recogniser was cut: 'a line' 20 times from 0.4 s" in found.remarks


def test_a_loop_of_one_word_is_cut() -> None:
    found = sort_out(said("yeah " + "yeah· " * 30), MIN_S)
    assert texts(found.words) == "yeah"


def test_of_a_loop_of_fillers_nothing_stays() -> None:
    """Laughter makes a recogniser write a hundred of them; the first may have a length."""
    found = sort_out(said("right uh, " + "uh,· " * 30 + "so"), MIN_S)
    assert texts(found.words) == "right so"
    assert "a loop of the recogniser was cut: 'uh,' 31 times from 0.2 s" in found.remarks


def test_of_a_text_with_a_prompt_loops_and_dropped_fillers_are_told() -> None:
    """Nothing is told of its other words: they were only asked for again."""
    found = sort_out(said("right uh, " + "uh,· " * 30 + "so um· then· stop"), MIN_S)
    assert found.remarks_on_prompted == (
        "asked with a prompt, the recogniser wrote a loop, which was cut: 'uh,' 31 times from "
        "0.2 s",
        "asked with a prompt, the recogniser wrote fillers of no length, which were dropped: "
        "um (0.6 s)",
    )
    assert sort_out(said("right then· ha ha"), MIN_S).remarks_on_prompted == ()


def test_who_says_no_four_times_says_it_four_times() -> None:
    found = sort_out(said("no no no no I will not"), MIN_S)
    assert texts(found.words) == "no no no no I will not"
    assert found.remarks == ()


def test_laughter_is_a_mark_and_no_word() -> None:
    found = sort_out(said("right Ha, ha, haha ho· ho so"), MIN_S)
    assert texts(found.words) == "right so"
    ((mark),) = found.laughs
    assert (mark.text, mark.start_s) == ("[laughs]", 0.2)
    assert mark.end_s == pytest.approx(1.0)
    assert "laughter" in found.remarks[0]


def test_he_he_said_is_a_repeat_and_no_laughter() -> None:
    assert texts(sort_out(said("he he said"), MIN_S).words) == "he he said"


def test_a_letter_held_for_ever_is_cut() -> None:
    assert texts(sort_out(said("u" + "m" * 300), MIN_S).words) == "ummm"
    assert texts(sort_out(said("10000"), MIN_S).words) == "10000"


def doubted(plain: str, styled: str) -> tuple[str, list[str]]:
    found = candidates(said(plain), said(styled))
    return texts(found.words), [found.words[k].text for k in sorted(found.doubtful)]


def test_fillers_of_the_styled_text_are_candidates_at_their_place() -> None:
    assert doubted("I want to go", "I um want to go uh") == ("I um want to go uh", ["um", "uh"])


def test_other_words_of_the_styled_text_are_none() -> None:
    text, doubtful = doubted("I want to go", "I want to go I don't know you know")
    assert (text, doubtful) == ("I want to go", [])


def test_repeats_of_the_styled_text_are_candidates() -> None:
    assert doubted("I want to go", "I I want to go") == ("I I want to go", ["I"])
    text, doubtful = doubted("we go there now", "we go we go there now")
    assert (text, doubtful) == ("we go we go there now", ["we", "go"])


def test_fillers_and_second_copies_of_the_plain_text_are_doubtful_too() -> None:
    text, doubtful = doubted("um I I want that that", "")
    assert (text, doubtful) == ("um I I want that that", ["um", "I", "that"])


def test_the_same_sentence_said_twice_keeps_its_own_fillers() -> None:
    """The second sentence lies 30 s after the first one; its filler must not go to the first."""
    plain = [*said("I want to go"), *said("I want to go", 30.0)]
    styled = [*said("I want to go"), *said("um I want to go", 29.8)]
    found = candidates(plain, styled)
    assert texts(found.words) == "I want to go um I want to go"
    assert found.doubtful == {4}


def test_nothing_gives_nothing() -> None:
    assert sort_out([], MIN_S).words == ()
    assert candidates([], []).words == ()
    assert doubted("", "um") == ("um", ["um"])
