"""Change talk: clauses, numbers, the model, and what an answer shows of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from twomind.core.errors import BadInput, MissingWeights
from twomind.features.words import change_words
from twomind.models import check, load
from twomind.models.change_talk import recogniser
from twomind.models.change_talk.clauses import clause_texts, clauses
from twomind.models.change_talk.head import around
from twomind.models.change_talk.recogniser import CANNOT_TELL, ChangeTalk, two_sides
from twomind.models.change_talk.running import RunningSides
from twomind.types import Features, Status, Timing, Word

BOTH = (
    "I really want to stop smoking for my kids and my health. But I can't, it helps me relax after "
    "a stressful day."
)


def spoken(text: str, notes: dict[str, str] | None = None) -> Features:
    words = tuple(Word(t, i * 0.4, i * 0.4 + 0.3) for i, t in enumerate(text.split()))
    return Features("r", "s", {}, (0.0, 60.0), None, words, notes=notes or {})


def number(said: str, name: str) -> float:
    return float(change_words.numbers(said)[change_words.groups().names.index(name)])


# --- clauses


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("I want to. I can't.", ("I want to.", "I can't.")),
        (
            "I want to stop but I really can't do it",
            ("I want to stop", "but I really can't do it"),
        ),
        ("not but", ("not but",)),
        ("Anything but that", ("Anything but that",)),
        ("", ()),
    ],
)
def test_where_clauses_end(said: str, wanted: tuple[str, ...]) -> None:
    assert clause_texts(said) == wanted


def test_a_silence_ends_a_clause_only_where_words_have_their_own_times() -> None:
    def said(timing: Timing) -> tuple[Word, ...]:
        starts = [0.0, 0.5, 1.0, 4.0, 4.5, 5.0]
        return tuple(Word("so", s, s + 0.3, timing=timing) for s in starts)

    assert [c.start_s for c in clauses(said(Timing.GIVEN))] == [0.0, 4.0]
    assert len(clauses(said(Timing.SPREAD_CUE))) == 1


def test_every_word_is_in_one_clause() -> None:
    words = spoken(BOTH + " and so on" * 30).words
    assert words is not None
    found = clauses(words)
    covered = [i for clause in found for i in range(clause.first, clause.last + 1)]
    assert covered == list(range(len(words)))
    assert len(found) > 3


# --- numbers


def test_names_and_numbers_go_together() -> None:
    names = change_words.groups().names
    assert len(names) == len(set(names)) == len(change_words.numbers("I want to"))
    assert not change_words.numbers("").any()


@pytest.mark.parametrize(
    ("said", "name", "n"),
    [
        ("I want to stop", "desire", 1),
        ("I want to stop", "not desire", 0),
        ("I do not want to stop", "not desire", 1),
        ("no. I want to stop", "not desire", 0),
        ("I do not care but I want to stop", "not desire", 0),
        ("I don’t want to", "not desire", 1),
        ("not a b c d e want", "not desire", 0),
        ("smoked, smoking, SMOKES", "behaviour", 3),
    ],
)
def test_counts(said: str, name: str, n: int) -> None:
    assert number(said, name) == pytest.approx(np.log1p(n))


def test_fillers_change_nothing() -> None:
    plain = change_words.numbers("I want to stop smoking")
    filled = change_words.numbers("I um want to uh stop smoking")
    assert np.array_equal(plain, filled)


def test_what_stands_around_but() -> None:
    assert number("I want to but I can't", "place of but") == pytest.approx(4 / 6)
    assert number("I want to but I can't", "negation after but") == pytest.approx(np.log(2))
    assert number("I can't but I want to", "negation after but") == 0


# --- the model that ships


def test_it_keeps_the_contract() -> None:
    model = load("change-talk")
    check.check_model(model, [spoken(BOTH), spoken("Yes. I will try to quit, thanks.")])


def test_both_sides_with_their_quotes_and_times() -> None:
    found = two_sides(load("change-talk"), spoken(BOTH))
    said = [(clause["said"], clause["quote"].split()[0]) for clause in found["clauses"]]
    assert said == [("change", "I"), ("sustain", "But")]
    assert found["both_sides"]
    first, second = found["clauses"]
    assert first["end_s"] <= second["start_s"]
    assert 0 < found["soft_share_sustain"] < 1


def test_it_cannot_tell_what_says_nothing() -> None:
    model = load("change-talk")
    [side] = model.sides(clauses(spoken("The weather is nice here").words or ()))
    assert side.said in (CANNOT_TELL, "neutral")
    strict = model.abstaining(min(model.risk.error))
    told = [s.said for s in strict.sides(clauses(spoken(BOTH + " Maybe so.").words or ()))]
    assert CANNOT_TELL in told
    with pytest.raises(BadInput, match="is not reached"):
        model.abstaining(0.001)


def test_it_refuses_another_language() -> None:
    said = "Ich möchte wirklich aufhören zu rauchen, aber ich kann nicht, weil es mir hilft und so."
    found = load("change-talk").predict(spoken(said))
    assert found.status is Status.NOT_MEASURED
    assert "'de'" in found.reason
    assert two_sides(load("change-talk"), spoken(said))["status"] == "not_measured"


def test_it_says_what_it_was_trained_on() -> None:
    card = load("change-talk").card
    assert "smokers" in card["population"]
    assert "language model" in card["labelled_by"]
    assert card["licence"].startswith("CC-BY-SA-4.0")
    notice = (recogniser.SHIPPED.parent / "NOTICE").read_text(encoding="utf-8")
    assert "MIBOT" in notice
    assert "CC-BY-SA-4.0" in notice


def test_nobody_stands_in_the_file() -> None:
    groups = load("change-talk").card["groups_sha256"]
    assert all(len(mark) == 16 for mark in groups)


def test_a_damaged_or_foreign_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="no change-talk model"):
        ChangeTalk.load(tmp_path)
    entry = json.loads(recogniser.SHIPPED.read_text(encoding="utf-8"))
    for change in ({"format": "x"}, {"classes": ["a"]}, {"groups_sha256": "0"}):
        (tmp_path / recogniser.FILE).write_text(json.dumps({**entry, **change}), encoding="utf-8")
        with pytest.raises(BadInput):
            ChangeTalk.load(tmp_path)


# --- while somebody speaks


@pytest.mark.parametrize("n_at_once", [1, 3, 1000])
def test_whole_clauses_are_told_while_somebody_speaks(n_at_once: int) -> None:
    words = spoken(BOTH + " It is hard but then I want it. Nothing else.").words or ()
    running = RunningSides(load("change-talk"))
    told = []
    for first in range(0, len(words), n_at_once):
        told += running.push(words[first : first + n_at_once])
    n_before_the_end = len(told)
    told += running.close()
    assert tuple(side.clause for side in told) == clauses(words)
    assert len(told) > n_before_the_end > 0
    assert [side.said for side in told[:2]] == ["change", "sustain"]
    assert running.close() == ()


def test_what_comes_later_changes_nothing_that_was_told() -> None:
    first, second = spoken(BOTH).words or (), spoken("I never want to stop. I like it.").words or ()
    model = load("change-talk")
    short, long = RunningSides(model), RunningSides(model)
    told = short.push(first)
    assert told
    assert long.push((*first, *second))[: len(told)] == told


def test_nothing_is_told_while_the_language_is_another() -> None:
    said = "Ich möchte wirklich aufhören zu rauchen. Aber ich kann nicht, weil es mir hilft und so."
    running = RunningSides(load("change-talk"))
    assert running.push(spoken(said).words or ()) == ()
    assert "'de'" in running.why_not()
    assert running.close() == ()


# --- the head


def test_neighbours_count_by_their_distance_and_inside_one_conversation() -> None:
    lean = np.array([1.0, 0.0, 0.0, 0.0, 5.0])
    talk = np.array(["a", "a", "a", "a", "b"])
    found = around(lean, talk)
    assert found[1] == pytest.approx(1.0 / (1 + 1 + 0.6))
    assert found[3] == pytest.approx(0.3 / 1.9)
    assert found[4] == 0


def test_what_speaks_for_a_side_at_all_is_judged_alone() -> None:
    head = load("change-talk").head
    logits = np.random.default_rng(0).normal(size=(6, 3))
    together = head.of_logits(logits, np.zeros(6), head.shift)
    alone = head.of_logits(logits, np.arange(6), head.shift)
    assert head.run > 0
    assert np.allclose(together[:, 2], alone[:, 2])
    assert not np.allclose(together[:, 0], alone[:, 0])
    assert np.allclose(together.sum(axis=1), 1)
