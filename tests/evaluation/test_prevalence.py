"""Prevalence: equal to ppi-python and to plain loops, right whatever the model is worth."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from twomind.core.errors import BadInput
from twomind.evaluation.prevalence import Answers, Drawn, Share, Target, estimated
from twomind.evaluation.prevalence_fit import adjusted, cross_fitted
from twomind.evaluation.prevalence_next import draw_next
from twomind.evaluation.prevalence_plan import Pilot, Wanted, planned


def answers_of(y, f, coded, *, person=None, chance=None, **rest) -> Answers:
    """Answers whose codes are known where ``coded``."""
    n = len(y)
    empty = np.full(n, "")
    return Answers(
        id=np.arange(n),
        person=np.arange(n) if person is None else person,
        human=np.where(coded, y, np.nan),
        score=np.asarray(f, float),
        chance=np.full(n, np.mean(coded)) if chance is None else chance,
        group=rest.get("group", empty),
        question=rest.get("question", empty),
        drawn=rest.get("drawn", Drawn.ANSWERS),
    )


def people(seed: int, n_people: int = 60):
    """Person, code and a fair score of 1 to 7 answers of people who differ."""
    rng = np.random.default_rng(seed)
    size = rng.choice([1, 3, 7], n_people)
    person = np.repeat(np.arange(n_people), size)
    z = rng.normal(0, 1.2, n_people)[person] + rng.normal(0, 1.5, len(person))
    p = 1 / (1 + np.exp(-z - 0.4))
    y = (rng.random(len(person)) < p).astype(float)
    return person, y, np.clip(p + rng.normal(0, 0.1, len(p)), 0.01, 0.99), rng


def some(n: int, n_coded: int, rng) -> np.ndarray:
    return np.isin(np.arange(n), rng.permutation(n)[:n_coded])


# --- against others


def test_equal_to_ppi_python() -> None:
    """Figures of ppi-python 0.2.3 (ppi_mean_pointestimate, ppi_mean_ci, alpha .05, tuned)."""
    i = np.arange(400)
    f = ((i * 37) % 400 + 0.5) / 400
    u = ((i * 161) % 400 + 0.5) / 400
    y = (u < 0.15 + 0.7 * f).astype(float)
    coded = ((i * 73) % 400) < 90
    whole = estimated(answers_of(y, f, coded)).whole
    assert whole.classical.estimate == pytest.approx(0.4444444444)
    assert whole.share.estimate == pytest.approx(0.46270867, abs=1e-4)
    # Theirs is symmetrical, without a correction for few people: as wide within three per cent.
    assert whole.share.width == pytest.approx(0.55948473 - 0.36593261, rel=0.03)
    assert whole.classical.width == pytest.approx(0.54710399 - 0.3417849, rel=0.03)


def test_variance_is_the_jackknife_over_people() -> None:
    person, y, f, rng = people(1)
    chance = rng.uniform(0.2, 0.9, len(y))
    coded = rng.random(len(y)) < chance
    found = estimated(answers_of(y, f, coded, person=person, chance=chance)).whole.classical

    def mean(kept) -> float:
        total, weight = 0.0, 0.0
        for k in range(len(y)):
            if coded[k] and kept(person[k]):
                total += y[k] / chance[k]
                weight += 1 / chance[k]
        return total / weight

    whole = mean(lambda p: True)
    with_codes = sorted(set(person[coded]))
    n = len(with_codes)
    left_out = [mean(lambda p, out=out: p != out) for out in with_codes]
    variance = (n - 1) / n * sum((one - whole) ** 2 for one in left_out)
    assert found.estimate == pytest.approx(whole)
    low, high = found.interval
    # Wilson's interval gives back the number of answers that it is for.
    z2 = 1.959963984540054**2
    effective = next(
        m for m in np.arange(5, 500, 0.01) if _wilson_width(whole, m, z2) <= high - low
    )
    most = whole * (1 - whole) / variance
    assert most * 0.9 < effective <= most + 0.02


def _wilson_width(p: float, n: float, z2: float) -> float:
    return 2 * math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)


# --- rules that hold for all answers


def test_rows_in_another_order_and_classes_the_other_way_round() -> None:
    person, y, f, rng = people(2)
    question = rng.choice(["a", "b"], len(y))
    coded = some(len(y), 90, rng)
    one = answers_of(y, f, coded, person=person, question=question)
    mixed = rng.permutation(len(y))
    for target in Target:
        whole = estimated(one, target)
        again = estimated(one.where(mixed), target)
        assert again.whole.share.interval == pytest.approx(whole.whole.share.interval)
        turned = estimated(
            answers_of(1 - y, 1 - f, coded, person=person, question=question), target
        )
        low, high = whole.whole.share.interval
        assert turned.whole.share.interval == pytest.approx((1 - high, 1 - low))
        difference = whole.differences["question"][0].share
        low, high = difference.interval
        assert turned.differences["question"][0].share.interval == pytest.approx((-high, -low))
        parts = whole.parts["question"]
        assert difference.estimate == pytest.approx(
            parts["a"].share.estimate - parts["b"].share.estimate
        )


def test_what_a_model_is_worth() -> None:
    person, y, f, rng = people(3, 200)
    coded = some(len(y), 200, rng)
    found = {}
    for name, score in {
        "good": f,
        "useless": rng.random(len(y)),
        "wrong": 1 - f,
        "flat": np.full(len(y), 0.3),
        "squeezed": 0.5 + f / 100,
    }.items():
        found[name] = estimated(answers_of(y, score, coded, person=person)).whole
    classical = found["good"].classical
    assert found["good"].share.width < 0.95 * classical.width
    assert found["good"].codes_saved > 20
    assert found["squeezed"].share.width == pytest.approx(found["good"].share.width, rel=1e-6)
    assert found["useless"].share.width < 1.05 * classical.width
    for name in ("wrong", "flat"):
        assert found[name].weight == 0
        assert found[name].share == classical
        assert found[name].codes_saved == pytest.approx(0)


def test_people_who_answered_both_questions_are_paired() -> None:
    """The same person nearly always says the same: the difference is known far better than a share."""
    rng = np.random.default_rng(12)
    person = np.repeat(np.arange(120), 2)
    kind = rng.random(120) < 0.5
    y = (kind[person] ^ (rng.random(240) < 0.02)).astype(float)
    question = np.tile(["a", "b"], 120)
    coded = person < 60
    given = answers_of(y, rng.random(240), coded, person=person, drawn=Drawn.PEOPLE)
    found = estimated(replace(given, question=question))
    strangers = estimated(replace(given, question=question, person=np.arange(240)))
    [paired] = found.differences["question"]
    [apart] = strangers.differences["question"]
    assert paired.classical.estimate == pytest.approx(apart.classical.estimate)
    assert paired.classical.width < 0.5 * apart.classical.width
    assert paired.classical.width < 0.5 * found.whole.classical.width * math.sqrt(2)


def test_everything_coded_needs_no_model() -> None:
    person, y, f, _ = people(4)
    coded = np.ones(len(y), bool)
    for target in Target:
        whole = estimated(answers_of(y, f, coded, person=person), target).whole
        assert whole.share == whole.classical
        assert whole.share.estimate == pytest.approx(y.mean())
        assert whole.codes_saved == 0
    # Of these answers alone the share is known.
    known = estimated(answers_of(y, f, coded, person=person), Target.ANSWERS).whole.share
    assert known.width == 0
    assert estimated(answers_of(y, f, coded, person=person)).whole.share.width > 0.1


def test_codes_that_agree_do_not_make_the_interval_a_point() -> None:
    y = np.ones(60)
    coded = np.arange(60) < 12
    found = estimated(answers_of(y, np.linspace(0, 1, 60), coded)).whole.share
    assert found.estimate == 1
    assert found.interval[0] == pytest.approx(12 / (12 + 1.959963984540054**2))


def test_codes_of_few_are_refused_or_not_measured() -> None:
    person, y, f, _ = people(5)
    nothing = np.zeros(len(y), bool)
    with pytest.raises(BadInput, match="no answer is coded"):
        estimated(answers_of(y, f, nothing, person=person))
    with pytest.raises(BadInput, match="at least 2 people, got 1"):
        estimated(answers_of(y, f, person == person[0], person=person))
    with pytest.raises(BadInput, match="at least 2 people, got 1"):
        estimated(answers_of(y, f, ~nothing, person=np.zeros(len(y))))
    question = np.where(person % 3 == 0, "a", np.where(person == 1, "b", "c"))
    found = estimated(answers_of(y, f, question != "c", person=person, question=question))
    assert found.parts["question"]["c"].share.reason == "not measured: no answer of it is coded"
    assert "only one person" in found.parts["question"]["b"].share.reason
    by_name = {(one.first, one.second): one.share for one in found.differences["question"]}
    assert by_name["a", "c"].reason.endswith("(c)")
    assert math.isnan(by_name["a", "b"].estimate)


def test_answers_that_were_coded_more_often_count_less() -> None:
    """Half of the answers coded with a chance of .8, half with .2, and the two differ."""
    rng = np.random.default_rng(0)
    y = np.repeat([1.0, 0.0], 200)
    chance = np.repeat([0.8, 0.2], 200)
    flat = np.full(400, 0.5)
    told = []
    for _ in range(80):
        coded = rng.random(400) < chance
        told.append(estimated(answers_of(y, flat, coded, chance=chance)).whole.share.estimate)
    assert np.mean(told) == pytest.approx(0.5, abs=0.02)


# --- scores that learn from the codes


def test_nobody_is_scored_by_what_learnt_from_them() -> None:
    person, y, f, rng = people(6)
    coded = some(len(y), 80, rng)
    given = answers_of(y, f, coded, person=person)
    seen = []

    def learn(train, test):
        assert not set(person[train]) & set(person[test])
        assert coded[train].all()
        seen.extend(test)
        return np.full(len(test), 0.25)

    found = cross_fitted(given, learn)
    assert sorted(seen) == list(range(len(y)))
    assert (found.score == 0.25).all()


def test_codes_adjust_a_model_that_knows_no_question() -> None:
    rng = np.random.default_rng(7)
    n = 600
    question = rng.choice(["a", "b"], n)
    y = (rng.random(n) < np.where(question == "a", 0.1, 0.9)).astype(float)
    given = answers_of(y, np.full(n, 0.5), some(n, 100, rng), question=question)
    before = estimated(given).whole
    after = estimated(adjusted(given)).whole
    assert before.codes_saved == pytest.approx(0)
    assert after.share.width < 0.75 * before.share.width
    assert after.share.interval[0] < y.mean() < after.share.interval[1]


# --- what to code next


def test_the_draw_has_the_probabilities_that_it_tells() -> None:
    score = np.array([0.5, 0.5, 0.01, 0.9, 0.99, 0.3, 0.2, 0.7, 0.6, 0.5, 0.0, 1.0])
    y = np.zeros(12)
    n_times = np.zeros(12)
    told = []
    for seed in range(400):
        given = answers_of(y, score, np.zeros(12, bool), chance=np.full(12, np.nan))
        first = draw_next(given, given.chance, 3, seed)
        assert first.chosen.sum() == 3
        assert first.chance.sum() == pytest.approx(3)
        given = answers_of(y, score, first.chosen, chance=first.chance)
        second = draw_next(given, first.chance, 4, seed + 10_000)
        assert second.chosen.sum() == 4
        assert not (second.chosen & first.chosen).any()
        n_times += first.chosen | second.chosen
        told.append(second.chance)
    assert np.mean(told, axis=0) == pytest.approx(n_times / 400, abs=0.075)
    assert second.chance[0] > second.chance[10]


def test_a_draw_that_cannot_be() -> None:
    given = answers_of(np.zeros(5), np.full(5, 0.5), np.arange(5) < 2)
    with pytest.raises(BadInput, match="at most the 3 answers"):
        draw_next(given, given.chance, 4, 0)
    assert draw_next(given, given.chance, 3, 0).chosen.sum() == 3
    with pytest.raises(BadInput, match="for every answer"):
        draw_next(given, np.array([0.4, 0.4, np.nan, 0.4, 0.4]), 1, 0)


# --- a plan


def test_a_plan_keeps_its_promise() -> None:
    person, y, f, rng = people(8, 120)
    pilot = answers_of(y, f, some(len(y), 150, rng), person=person)
    plan = planned(pilot, Wanted(0.06, people=200))
    [one] = plan.possibilities
    assert plan.fewest_people <= 200
    assert one.codes < one.codes_alone
    assert one.codes_safe is None or one.codes_safe >= one.codes
    widths = []
    for seed in range(12):
        person, y, f, rng = people(100 + seed, 200)
        coded = some(len(y), one.codes, rng)
        widths.append(estimated(answers_of(y, f, coded, person=person)).whole.share.width / 2)
    assert np.mean(widths) == pytest.approx(0.06, rel=0.12)


def test_a_pilot_tells_how_alike_a_person_is() -> None:
    rng = np.random.default_rng(9)
    person = np.repeat(np.arange(300), 4)
    kind = (rng.random(300) < 0.5).astype(float)[person]
    own = (rng.random(1200) < 0.5).astype(float)
    coded = some(1200, 900, rng)
    half = rng.random(1200)
    assert Pilot.of(answers_of(kind, half, coded, person=person)).icc == pytest.approx(1, abs=0.02)
    assert Pilot.of(answers_of(own, half, coded, person=person)).icc == pytest.approx(0, abs=0.06)


def test_a_plan_that_cannot_be() -> None:
    person, y, f, rng = people(10)
    coded = some(len(y), 60, rng)
    pilot = answers_of(y, f, coded, person=person)
    with pytest.raises(BadInput, match="too few for"):
        planned(pilot, Wanted(0.02, people=20))
    with pytest.raises(BadInput, match="agree"):
        planned(replace(pilot, human=np.where(coded, 1.0, np.nan)), Wanted(0.1))
    with pytest.raises(BadInput, match="--icc"):
        planned(answers_of(y, f, coded), Wanted(0.1))
    assert planned(answers_of(y, f, coded), Wanted(0.1, icc=0.0)).fewest_people > 20


# --- coverage, at a smaller size than experiments/prevalence_coverage.py


def _holds(share: Share, truth: float) -> bool:
    return share.interval[0] <= truth <= share.interval[1]


@pytest.mark.slow
@pytest.mark.parametrize("target", list(Target))
@pytest.mark.parametrize("drawn", list(Drawn))
def test_coverage_whatever_the_model(target: Target, drawn: Drawn) -> None:
    """Synthetic people: 2,000 resamplings hold the truth in 95 ± 1.5 %."""
    all_person, all_y, all_f, _ = people(11, 300)
    rows = [np.flatnonzero(all_person == k) for k in range(300)]
    n_draws = 2000
    held: dict[str, list[bool]] = {}
    width: dict[str, list[float]] = {}
    for seed in range(n_draws):
        rng = np.random.default_rng([seed, 5])
        drawn_people = np.arange(300)
        if target is Target.PEOPLE:
            drawn_people = rng.integers(0, 300, 100)
        chosen = np.concatenate([rows[k] for k in drawn_people])
        sizes = [len(rows[k]) for k in drawn_people]
        person = np.repeat(np.arange(len(drawn_people)), sizes)
        unit = person if drawn is Drawn.PEOPLE else np.arange(len(person))
        n_units = unit.max() + 1
        n_coded = 40 if drawn is Drawn.PEOPLE else 120
        coded = np.isin(unit, rng.permutation(n_units)[:n_coded])
        chance = np.full(len(unit), n_coded / n_units)
        f = all_f[chosen]
        for name, score in (("good", f), ("useless", rng.random(len(f))), ("wrong", (1 - f) ** 2)):
            given = answers_of(
                all_y[chosen], score, coded, person=person, chance=chance, drawn=drawn
            )
            whole = estimated(given, target).whole
            for kind, share in ((name, whole.share), (f"{name} alone", whole.classical)):
                held.setdefault(kind, []).append(_holds(share, all_y.mean()))
                width.setdefault(kind, []).append(share.width)
    told = {kind: float(np.mean(one)) for kind, one in held.items()}
    assert all(0.935 <= coverage <= 0.965 for coverage in told.values()), told
    assert np.mean(width["useless"]) <= 1.05 * np.mean(width["useless alone"])
    assert np.mean(width["good"]) < 0.97 * np.mean(width["good alone"])
