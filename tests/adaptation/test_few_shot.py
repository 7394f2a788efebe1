"""A few coded answers of a person: the source with none, the person's own rate with many, honest in
between.
"""

from __future__ import annotations

import numpy as np
import pytest

from twomind.adaptation import load_method, stream
from twomind.adaptation.offsets import apply, estimate, fit_sd, stretch
from twomind.core.errors import BadInput
from twomind.models.words.recogniser import load
from twomind.types import Example, Features, Given, Status, Word


def answer(text: str, name: str) -> Features:
    words = tuple(Word(w, float(i), i + 0.5) for i, w in enumerate(text.split()))
    return Features(name, "anna", {}, (0.0, float(len(words))), "5", words)


SAID = "I think I would nearly always be ready to help my neighbours with the garden"


def world(sd: float, n_people: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Marginal log-odds of a calibrated source, labels, and whose they are."""
    rng = np.random.default_rng(seed)
    own = rng.normal(0, sd, n_people)
    z = rng.normal(0, 1, (n_people, n))
    y = rng.random((n_people, n)) < 1 / (1 + np.exp(-(stretch(sd * sd) * z + own[:, None])))
    logits = np.stack([np.zeros(z.size), z.ravel()], axis=1)
    return logits, y.ravel().astype(int), np.repeat(np.arange(n_people), n)


def test_without_coded_answers_it_is_the_source() -> None:
    model = load()
    x = answer(SAID, "a")
    (step,) = stream(model, load_method("few-shot"), [x], given=Given(few=()))
    np.testing.assert_allclose(step.prediction.probs, model.predict(x).probs, atol=1e-12)


def test_coded_answers_move_the_words_recogniser_and_the_parts_still_add_up() -> None:
    model = load()
    few = tuple(Example(answer(SAID, f"c{i}"), 1) for i in range(3))
    (step,) = stream(model, load_method("few-shot"), [answer(SAID, "a")], given=Given(few=few))
    p = step.prediction
    assert p.probs[1] > model.predict(answer(SAID, "a")).probs[1] + 0.1
    parts = {e.name: e.value for e in p.evidence if e.kind == "part"}
    assert p.logits is not None
    assert sum(parts.values()) == pytest.approx(p.logits[1] - p.logits[0])
    assert not [e for e in p.evidence if e.kind == "band"], (
        "the band belongs to the source's scores"
    )


def test_an_answer_that_cannot_be_measured_says_nothing() -> None:
    short = answer("no idea", "s")
    given = Given(few=(Example(short, 1),))
    first, second = stream(load(), load_method("few-shot"), [answer(SAID, "a"), short], given=given)
    assert first.state["n"] == 0
    assert second.prediction.status is Status.NOT_MEASURED


def test_the_spread_between_people_is_found_and_none_is_found_where_there_is_none() -> None:
    assert fit_sd(*world(1.2, 400, 6, 0)) == pytest.approx(1.2, abs=0.25)
    logits, y, who = world(1.2, 400, 6, 1)
    assert fit_sd(logits, y, np.random.default_rng(0).permutation(who)) < 0.4


def test_predictions_are_better_and_calibrated_in_a_known_world() -> None:
    logits, y, who = world(1.2, 600, 9, 2)
    gain, p = [], []
    for person in range(600):
        mine = np.flatnonzero(who == person)
        offset = estimate(logits[mine[:5]], y[mine[:5]], 1.2)
        z = np.array([apply(row, offset, 1.2) for row in logits[mine[5:]]])
        p.append(1 / (1 + np.exp(-(z[:, 1] - z[:, 0]))))
        before = 1 / (1 + np.exp(-logits[mine[5:], 1]))
        gain.append(np.mean((before - y[mine[5:]]) ** 2 - (p[-1] - y[mine[5:]]) ** 2))
    assert np.mean(gain) > 0.01
    said, truth = np.concatenate(p), np.concatenate([y[who == k][5:] for k in range(600)])
    for low, high in ((0, 0.3), (0.3, 0.7), (0.7, 1)):
        here = (said >= low) & (said < high)
        assert said[here].mean() == pytest.approx(truth[here].mean(), abs=0.05)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(BadInput, match="stated or summary"):
        load_method("few-shot", prior="guess")
    with pytest.raises(BadInput, match="person_offset_sd"):
        load_method("few-shot", prior="summary").begin(load(), Given(few=(), summary={}))
    with pytest.raises(BadInput, match="label 2"):
        load_method("few-shot").begin(load(), Given(few=(Example(answer(SAID, "a"), 2),)))
