"""The default recogniser: additive parts, the question as an input, prevalence, abstaining, and
what is not scored.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from twomind.core import registry
from twomind.core.errors import BadInput, MissingWeights
from twomind.features.words.lexicon import lexicon
from twomind.models.calibration import (
    Reliability,
    Risk,
    band_evidence,
    reliability_from,
    sigmoid,
)
from twomind.models.questions import BAH_QUESTIONS, resolve
from twomind.models.words import recogniser as model_file
from twomind.models.words.recogniser import MIN_WORDS, WordsRecogniser
from twomind.types import Evidence, Features, Recogniser, Status, Word

TEXT = (
    "Um, I would like to stop it, but I don't know how; maybe I should, I I can't say. It is "
    "what it is."
)


def answer(text: str | None = TEXT, question: str | None = "7", note: str = "") -> Features:
    said = (
        None
        if text is None
        else tuple(Word(t, i * 0.4, i * 0.4 + 0.3) for i, t in enumerate(text.split()))
    )
    return Features("r", "s", {}, (0.0, 20.0), question, said, {"words": note} if note else {})


@pytest.fixture(scope="module")
def shipped() -> WordsRecogniser:
    return WordsRecogniser.load()


def parts(prediction) -> dict[str, float]:
    return {e.name: e.value for e in prediction.evidence if e.kind == "part"}


def test_it_is_the_plug_in_named_words() -> None:
    recogniser = registry.load("models", "words").load()
    assert isinstance(recogniser, Recogniser)
    assert recogniser.task.classes == ("absent", "present")


@pytest.mark.parametrize("question", [None, "1", "2", "3", "4", "5", "6", "7", "an own prompt"])
def test_parts_sum_to_the_score_and_words_to_the_content(
    shipped: WordsRecogniser, question: str | None
) -> None:
    prediction = shipped.predict(answer(question=question))
    found = parts(prediction)
    assert list(found) == ["baseline", "question", "length", "content"]
    assert prediction.logits is not None
    assert sum(found.values()) == pytest.approx(float(prediction.logits[1]), abs=1e-9)
    assert prediction.probs[1] == pytest.approx(float(sigmoid(sum(found.values()))), abs=1e-9)
    shares = [e for e in prediction.evidence if e.kind == "word"]
    assert [e.name for e in shares] == TEXT.split()
    assert sum(e.value for e in shares) == pytest.approx(found["content"], abs=1e-9)
    assert (found["question"] == 0) == (question in (None, "an own prompt"))


def test_the_band_lies_around_the_score(shipped: WordsRecogniser) -> None:
    prediction = shipped.predict(answer())
    band = {e.name: e.value for e in prediction.evidence if e.kind == "band"}
    assert 0 <= band["low"] < band["high"] <= 1


def _bands(found: list[Evidence]) -> tuple[list[float], str]:
    ends = [e.value for e in found if e.kind == "band"]
    return ends, "".join(e.name for e in found if e.kind == "no_band")


@pytest.mark.parametrize("shift", [0.0, -1.3, 0.4, 2.0])
def test_a_band_holds_its_score_or_is_absent_with_a_reason(
    shipped: WordsRecogniser, shift: float
) -> None:
    n_bands = 0
    for head in (shipped.known, shipped.own_prompt):
        found = head.reliability
        for p in (*np.linspace(0, 1, 1001), *found.p, *found.low, *found.high, 1e-12, 1 - 1e-12):
            score = float(sigmoid(np.log(p / (1 - p)) + shift)) if shift and 0 < p < 1 else p
            band, why = _bands(band_evidence(found, float(p), shift))
            assert bool(band) != bool(why)
            if band:
                n_bands += 1
                assert band[0] - 1e-12 <= score <= band[1] + 1e-12
                assert found.low[0] <= p <= found.high[-1]
    assert n_bands > 900


@pytest.mark.parametrize("p", [0.0, 0.05, 0.2, 0.26, 0.88, 0.95, 1.0])
def test_an_own_prompt_far_out_is_beyond_what_was_tested(
    shipped: WordsRecogniser, p: float
) -> None:
    band, why = _bands(band_evidence(shipped.own_prompt.reliability, p))
    assert not band
    assert why.startswith("beyond what was tested")


def test_a_score_that_the_tested_answers_contradict_has_no_band(
    shipped: WordsRecogniser,
) -> None:
    band, why = _bands(band_evidence(shipped.own_prompt.reliability, 0.8725))
    assert not band
    assert "72 to 87 % were marked" in why


@pytest.mark.parametrize("question", [None, "my own prompt", *"1234567"])
@pytest.mark.parametrize("words", [5, 20, 150, 600, 5000])
def test_every_prediction_has_a_band_around_its_score_or_none(
    shipped: WordsRecogniser, question: str | None, words: int
) -> None:
    told = " ".join(("maybe but I want to and I do not know " * 1000).split()[:words])
    for said in (told, "I do it because I like it " * (words // 7 + 1)):
        prediction = shipped.predict(answer(said, question=question))
        band, why = _bands(list(prediction.evidence))
        assert bool(band) != bool(why)
        assert why == prediction.why_no_band
        if band:
            assert band[0] <= prediction.probs[1] <= band[1]


def test_how_far_was_tested_is_kept_with_a_model_that_says_it() -> None:
    known = Reliability((0.2, 0.6), (0.3, 0.5), (0.0, 0.4), (0.5, 1.0), 10, (0.1, 0.7))
    assert known.band(0.05) is None
    assert known.why_no_band(0.95).startswith("beyond")
    assert known.band(0.15) == (0.0, 0.5)
    assert reliability_from(asdict(known)) == known


def test_the_question_part_is_centred_and_follows_the_question(shipped: WordsRecogniser) -> None:
    numbers = shipped.known.model.questions
    assert sum(numbers.values()) == pytest.approx(0, abs=1e-9)
    scores = {q: shipped.predict(answer(question=q)).probs[1] for q in numbers}
    assert max(scores, key=scores.get) == "4"
    assert min(scores, key=scores.get) == "1"


def test_a_switched_off_question_equals_an_unknown_one(shipped: WordsRecogniser) -> None:
    off = shipped.with_question(False).predict(answer(question="4"))
    assert np.array_equal(off.probs, shipped.predict(answer(question=None)).probs)
    assert not np.array_equal(off.probs, shipped.predict(answer(question="4")).probs)
    assert shipped.skill("4")["protocol"] != shipped.skill("my prompt")["protocol"]


def test_the_skill_is_compact_and_equals_the_card(shipped: WordsRecogniser) -> None:
    keys = ["auc", "auc_ci", "macro_f1", "within_question_auc", "protocol", "n_answers", "n_people"]
    for question, block in (
        ("4", shipped.card["held_out_people"]["words"]),
        ("my prompt", shipped.card["own_prompt"]),
    ):
        skill = shipped.skill(question)
        assert list(skill) == keys
        assert (skill["auc"], skill["auc_ci"]) == (block["auc"], block["ci"]["auc"])
        assert (skill["n_answers"], skill["n_people"]) == (612, 141)
    assert "leave one question out" in shipped.skill("my prompt")["protocol"]
    assert shipped.skill("my prompt")["auc"] < shipped.skill("4")["auc"]


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (7, "7"),
        ("Q7", "7"),
        ("question 3", "3"),
        ("Ambivalent", "4"),
        (BAH_QUESTIONS["2"][1].upper() + "!", "2"),
    ],
)
def test_known_questions(asked: str, name: str) -> None:
    assert resolve(asked, tuple(BAH_QUESTIONS)) == name


@pytest.mark.parametrize("asked", [None, "", "8", "17", "Why do you smoke?"])
def test_unknown_questions(asked: str | None) -> None:
    assert resolve(asked, tuple(BAH_QUESTIONS)) is None


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (answer(None), "not measured"),
        (answer(None, note="no speech model"), "no speech model"),
        (answer(""), "empty"),
        (answer("um uh yes no um uh"), f"fewer than {MIN_WORDS}"),
        (answer(note="truncated at 3.2 s"), "truncated"),
    ],
)
def test_what_is_not_scored_carries_no_number(
    shipped: WordsRecogniser, x: Features, reason: str
) -> None:
    prediction = shipped.predict(x)
    assert prediction.status is Status.NOT_MEASURED
    assert np.isnan(prediction.probs).all()
    assert reason in prediction.reason
    assert not prediction.evidence


def test_prevalence_shifts_the_log_odds_and_its_source_is_kept(shipped: WordsRecogniser) -> None:
    before = shipped.predict(answer())
    lower = shipped.recalibrate(0.3, "pilot of 40 coded answers").predict(answer())
    expected = np.log(0.3 / 0.7) - np.log(shipped.prevalence / (1 - shipped.prevalence))
    assert lower.logits[1] - before.logits[1] == pytest.approx(expected, abs=1e-9)
    assert sum(parts(lower).values()) == pytest.approx(float(lower.logits[1]), abs=1e-9)
    assert "pilot of 40 coded answers" in lower.reason
    assert any(e.kind == "prevalence" and e.value == 0.3 for e in lower.evidence)
    same = shipped.recalibrate(shipped.rates["7"], "their own data", question="7").predict(answer())
    assert same.probs == pytest.approx(before.probs, abs=1e-9)


@pytest.mark.parametrize(
    ("prevalence", "source"), [(0.3, ""), (0.3, None), (0.3, "  "), (0.0, "x"), (1.2, "x")]
)
def test_a_prevalence_without_source_or_sense_is_refused(
    shipped: WordsRecogniser, prevalence: float, source
) -> None:
    with pytest.raises(BadInput):
        shipped.recalibrate(prevalence, source)


def test_the_zone_is_the_smallest_that_reaches_the_risk() -> None:
    risk = Risk((0.0, 0.1, 0.2, 0.3), (1.0, 0.8, 0.6, 0.4), (0.3, 0.2, 0.21, 0.1), 100)
    assert risk.zone(0.25) == (0.1, 0.8, 0.2)
    assert risk.zone(0.2) == (0.1, 0.8, 0.2)
    assert risk.zone(0.15) == (0.3, 0.4, 0.1)
    with pytest.raises(BadInput, match=r"0\.100"):
        risk.zone(0.05)


def test_abstaining_says_so_keeps_the_number_and_leaves_clear_answers_alone(
    shipped: WordsRecogniser,
) -> None:
    careful = shipped.abstaining(0.2)
    width = shipped.known.risk.zone(0.2)[0]
    statuses = set()
    for q in "1234567":
        prediction = careful.predict(answer(question=q))
        inside = abs(prediction.probs[1] - 0.5) < width
        assert prediction.status is (Status.ABSTAINED if inside else Status.OK)
        assert ("held-out" in prediction.reason) == inside
        statuses.add(prediction.status)
    assert len(statuses) == 2
    with pytest.raises(BadInput):
        shipped.abstaining(0.001)
    with pytest.raises(BadInput):
        shipped.abstaining(0.7)


def test_fillers_and_repeats_do_not_move_the_score(shipped: WordsRecogniser) -> None:
    plain = "I would like to stop it but I don't know how maybe I should"
    verbatim = "Um I would like to to stop it uh but I don't um know how hmm maybe I should"
    assert shipped.predict(answer(plain)).logits[1] == pytest.approx(
        shipped.predict(answer(verbatim)).logits[1], abs=1e-12
    )


def test_what_ships_is_small_readable_and_holds_no_n_gram(shipped: WordsRecogniser) -> None:
    model = shipped.known.model
    n = 2 + 1 + len(model.questions) + 2 * len(model.content)
    own = shipped.own_prompt.model
    assert n + 3 + 2 * len(own.content) <= 50
    assert model.ngrams is None
    assert own.ngrams is None
    assert set(model.content) <= {c.name for c in lexicon().categories if c.scored}
    text = model_file.SHIPPED.read_text(encoding="utf-8")
    assert len(text) < 60_000
    for key in (
        "population",
        "not_for",
        "held_out_people",
        "gain_over_length_question",
        "per_question",
        "own_prompt",
        "transcription_habits",
        "reliability",
        "protocol",
    ):
        assert shipped.card[key], key
    assert shipped.card["data"]["splits"] == ["train"]


def test_saved_and_read_back_is_the_same(shipped: WordsRecogniser, tmp_path) -> None:
    (tmp_path / "words.json").write_text(json.dumps(model_file.to_dict(shipped)), "utf-8")
    again = WordsRecogniser.load(tmp_path)
    assert np.array_equal(again.predict(answer()).probs, shipped.predict(answer()).probs)
    assert replace(again, settings=shipped.settings).rates == shipped.rates


def test_a_wrong_file_is_refused(shipped: WordsRecogniser, tmp_path) -> None:
    with pytest.raises(MissingWeights):
        WordsRecogniser.load(tmp_path / "absent.json")
    path = tmp_path / "words.json"
    path.write_text("{", "utf-8")
    with pytest.raises(BadInput, match="JSON"):
        WordsRecogniser.load(path)
    for change in ({"format": "x"}, {"classes": ["present", "absent"]}, {"lexicon_sha256": "0"}):
        path.write_text(json.dumps({**model_file.to_dict(shipped), **change}), "utf-8")
        with pytest.raises(BadInput):
            WordsRecogniser.load(path)


def test_a_question_counts_where_the_model_knows_it_and_it_is_named(
    shipped: WordsRecogniser,
) -> None:
    known = next(
        head.model
        for head in vars(shipped).values()
        if getattr(head, "model", None) is not None and head.model.questions
    )
    texts = TEXT.split()
    assert known.parts(texts, None).question == 0.0
    assert known.parts(texts, "7").question == known.questions["7"]
    assert replace(known, questions={}).parts(texts, "7").question == 0.0
