"""Replies are read strictly: what does not state exactly one label is unparsable and
never a class.
"""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twomind.core.errors import BadInput
from twomind.models.llm.ask import Token
from twomind.models.llm.parse import parse_json, parse_label
from twomind.models.llm.probability import from_samples, from_tokens
from twomind.models.llm.prompts import (
    LABELS,
    STRATEGIES,
    question_text,
    render,
    strategy,
    transcript_lines,
)
from twomind.types import Timing, Word

WORDS = (
    Word("I", 0.5, 0.7),
    Word("should", 0.7, 1.0),
    Word("go,", 1.0, 1.4),
    Word("but...", 2.6, 3.0),
)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Ambivalent", 1),
        ("Non-Ambivalent", 0),
        ("non-ambivalent.", 0),
        (" AMBIVALENT!\n", 1),
        ("**Non-Ambivalent**", 0),
        ('"Ambivalent"', 1),
        ("Non Ambivalent", 0),
        ("NonAmbivalent", 0),
        ("Non‑Ambivalent", 0),  # non-breaking hyphen
        ("Non–Ambivalent", 0),  # en dash
        ("non_ambivalent", 0),
        ("Answer: Ambivalent", 1),
        ("The answer is: Non-Ambivalent.", 0),
        ("ASSISTANT: Ambivalent", 1),
        ("The person is ambivalent.", 1),
        ("She seems to be non-ambivalent.", 0),
        ("<think>Non-Ambivalent? No, both sides.</think>\nAmbivalent", 1),
        # Unparsable, each of which the published scripts count as one class or the other.
        ("", None),
        ("   \n", None),
        ("Yes", None),
        ("I cannot tell from these frames.", None),
        ("Ambivalent or Non-Ambivalent", None),
        ("Non-Ambivalent. No, Ambivalent", None),
        ("Answer: Non-Ambivalent (not Ambivalent)", None),
        ("not ambivalent", None),
        ("The person is not ambivalent.", None),
        ("The person isn't Ambivalent", None),
        ("Ambivalent?", None),
        ("I cannot say whether the person is Ambivalent", None),
        ("unambivalent", None),
        ("Ambivalence", None),
        ("ambivalently", None),
        ("Non: Ambivalent", None),
        ("Ambivalent, ambivalent", None),
        ("Ambivalent: 0.2", None),
        ("<think>Ambivalent", None),  # the thinking was cut off
        ("Ambival", None),
    ],
)
def test_what_a_reply_says(text: str, label: int | None) -> None:
    found = parse_label(text)
    assert found.label == label
    if label is None:
        assert found.why
    else:
        assert text[found.at :].casefold().startswith(("ambivalent", "non")[1 - label])


NOISE = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
WRAP = st.text(" \n\t\"'`*_.:!()[]", max_size=6)


@settings(deadline=None)
@given(NOISE)
def test_nothing_is_read_into_a_text_without_a_label(text: str) -> None:
    if "ambivalent" not in text.casefold():
        assert parse_label(text).label is None


@settings(deadline=None)
@given(WRAP, st.sampled_from([0, 1]), WRAP)
def test_a_label_in_quotes_and_marks_is_that_label(before: str, label: int, after: str) -> None:
    assert parse_label(before + LABELS[label] + after).label == label


@settings(deadline=None)
@given(NOISE, st.permutations(LABELS), st.sampled_from([" ", ", ", " or ", "\n", " - "]), NOISE)
def test_both_labels_are_never_a_class(
    before: str, both: list[str], between: str, after: str
) -> None:
    assert parse_label(f"{before} {both[0]}{between}{both[1]} {after}").label is None


@settings(deadline=None)
@given(NOISE, NOISE)
def test_non_ambivalent_is_never_read_as_ambivalent(before: str, after: str) -> None:
    assert parse_label(f"{before}Non-Ambivalent{after}").label != 1


@settings(deadline=None)
@given(st.sampled_from(["not", "isn't", "never", "hardly", "neither", "no longer"]))
def test_a_denied_label_is_not_that_label(word: str) -> None:
    assert parse_label(f"The person is {word} ambivalent").label is None


# --- the JSON answer
# -------------------------------------------------------------------------------------------------


def answer(**fields: object) -> str:
    return json.dumps(
        {"towards": "wants to go", "away": None, "evidence": [], "answer": "Ambivalent"} | fields
    )


def cite(**fields: object) -> dict:
    return {
        "start_s": 0.5,
        "end_s": 1.4,
        "side": "towards",
        "modality": "words",
        "what": "I should go",
    } | fields


def read(text: str, **given: object):
    return parse_json(text, **({"span_s": (0.0, 5.0), "words": WORDS, "pictures": True} | given))


@pytest.mark.parametrize("wrap", ["{}", "```json\n{}\n```", "<think>hm</think>{}", "\n {} \n"])
def test_the_two_sides_are_read(wrap: str) -> None:
    text = wrap.replace("{}", answer(evidence=[cite()]))
    found = read(text)
    assert (found.label, found.towards, found.away, found.dropped) == (1, "wants to go", "", {})
    assert [(e.name, e.start_s, e.end_s) for e in found.evidence] == [
        ("towards, words: I should go", 0.5, 1.4)
    ]
    assert text[found.at :].startswith("Ambivalent")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ambivalent",
        "[]",
        '"Ambivalent"',
        answer()[:-1],
        answer() + " Hope that helps!",
        answer() + answer(),
        answer(answer="maybe"),
        answer(answer="Ambivalent or Non-Ambivalent"),
        answer(answer=None),
        answer(answer=1),
        '{"evidence": []}',
        '{"answer": "Ambivalent", "answer": "Non-Ambivalent"}',
        '{"answer": "Ambivalent", "evidence": [NaN]}',
        "[" * 100_000,
    ],
)
def test_anything_but_one_whole_object_is_unparsable(text: str) -> None:
    found = read(text)
    assert found.label is None
    assert found.why


@pytest.mark.parametrize(
    ("cited", "why"),
    [
        (cite(start_s=4.0, end_s=9.0), "times outside the clip"),
        (cite(start_s=-2.0), "times outside the clip"),
        (cite(start_s=3.0, end_s=1.0), "times outside the clip"),
        (cite(start_s="0.5"), "no usable times"),
        (cite(end_s=True), "no usable times"),
        (cite(end_s=None), "no usable times"),
        (cite(what="I must stay"), "quotes words that were not said"),
        (cite(what="I should … never"), "quotes words that were not said"),
        (cite(what="  "), "does not say what"),
        (cite(modality="voice"), "a modality that the model was not given"),
        (cite(side="left"), "side is not one of towards, away, both"),
        ("at the end", "not an object"),
    ],
)
def test_cited_moments_that_cannot_be_are_dropped_and_counted(cited: object, why: str) -> None:
    found = read(answer(evidence=[cited, cite()]))
    assert found.label == 1
    assert found.dropped == {why: 1}
    assert len(found.evidence) == 1


def test_what_was_not_shown_cannot_be_cited() -> None:
    face = cite(modality="face", what="a smile")
    assert read(answer(evidence=[face]), pictures=False).dropped == {
        "cites the picture, but none was given": 1
    }
    assert read(answer(evidence=[cite()]), words=None).dropped == {
        "cites words, but none were given": 1
    }
    assert len(read(answer(evidence=[face])).evidence) == 1
    assert read(answer(evidence=[face]), span_s=(2.0, 5.0)).dropped == {
        "times outside the clip": 1
    }  # of a window
    # A quotation may leave something out, and rounding may reach past the end.
    assert len(read(answer(evidence=[cite(what="I … go, but", end_s=5.05)])).evidence) == 1


def test_words_without_times_get_none_from_the_model() -> None:
    words = tuple(Word(w.text, w.start_s, w.end_s, timing=Timing.SPREAD_ALL) for w in WORDS)
    (found,) = read(answer(evidence=[cite()]), words=words).evidence
    assert math.isnan(found.start_s)
    assert transcript_lines(words) == ["I should go,", "but..."]
    assert "no times are known" in render(strategy("td1"), words=words)


# --- probabilities
# ---------------------------------------------------------------------------------------------------


def token(text: str, p: float, **top: float) -> Token:
    return Token(
        text, math.log(p), tuple((k.replace("_", " "), math.log(v)) for k, v in top.items())
    )


def test_probability_from_the_first_token_that_tells_the_labels_apart() -> None:
    tokens = [
        token(" Amb", 0.6, _Amb=0.6, A=0.05, Non=0.2, _No=0.1, Maybe=0.05),
        token("ivalent", 1.0),
    ]
    found = from_tokens(" Ambivalent", tokens, 1)
    assert found.p == pytest.approx(0.65 / 0.95)
    assert found.mass == pytest.approx(0.95)
    assert not found.bounded
    # The same when the label is deep inside a JSON answer and its token carries the quote.
    text = '{"answer": "Non-Ambivalent"}'
    quote = Token(
        '"Non',
        math.log(0.7),
        (('"Non', math.log(0.7)), ('"Amb', math.log(0.2)), ('"I', math.log(0.1))),
    )
    tokens = [token('{"answer": ', 1.0), quote, token("-Ambivalent", 1.0), token('"}', 1.0)]
    assert from_tokens(text, tokens, text.index("Non")).p == pytest.approx(0.2 / 0.9)


def test_a_label_that_is_not_listed_is_bounded_not_zero() -> None:
    found = from_tokens(
        "Ambivalent", [token("Ambivalent", 0.9, Ambivalent=0.9, Yes=0.04, Sure=0.03)], 0
    )
    assert found.bounded
    assert found.p == pytest.approx(
        0.9 / 0.93
    )  # 0.03 is left over, and is the least that is listed
    alone = from_tokens("Ambivalent", [token("Ambivalent", 0.8)], 0)
    assert alone.p == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("text", "tokens", "at"),
    [
        ("Ambivalent", [], 0),
        ("Ambivalent", [token("Amb", 0.9)], -1),
        ("Ambivalent", [token("Something", 0.9)], 0),  # does not spell the reply
        (
            "Ambivalent",
            [token("A", 0.3, A=0.3, The=0.7), token("mbivalent", 1.0)],
            0,
        ),  # the model was not choosing
    ],
)
def test_no_probability_where_the_tokens_do_not_carry_one(
    text: str, tokens: list[Token], at: int
) -> None:
    found = from_tokens(text, tokens, at)
    assert math.isnan(found.p)
    assert found.why


@settings(deadline=None)
@given(st.lists(st.sampled_from([0, 1, None]), max_size=12))
def test_samples_give_laplaces_share_and_unreadable_ones_count_for_neither(labels: list) -> None:
    read_ = [x for x in labels if x is not None]
    found = from_samples(labels)
    if 2 * len(read_) <= len(labels):
        assert math.isnan(found.p)
    else:
        assert found.p == pytest.approx((sum(read_) + 1) / (len(read_) + 2))
        assert 0 < found.p < 1


# --- prompts
# ---------------------------------------------------------------------------------------------------------


def test_every_strategy_is_what_its_name_says() -> None:
    texts = {
        name: render(p, times_s=[0.0, 2.0], words=WORDS, question="7")
        for name, p in STRATEGIES.items()
    }
    assert set(texts) == {"s", "d1", "d2", "td1", "td2", "two_sides"}
    for name, text in texts.items():
        assert ("[0.5 - 1.4] I should go," in text) == (name in ("td1", "td2", "two_sides"))
        assert ("opposite feelings" in text) == (name in ("d1", "td1"))
        assert ("not to want to make it" in text) == (name in ("d2", "td2"))
        assert "2 frames" in text
        assert all(label in text for label in LABELS)
        assert "hesitant" not in text.replace(
            "hesitancy", ""
        )  # the intended response is never told
        assert question_text("7") in text
    assert question_text("7") not in render(strategy("td1"), words=WORDS)
    assert question_text("What did you eat?") == "What did you eat?"
    with pytest.raises(BadInput, match="td1"):
        strategy("t1")
