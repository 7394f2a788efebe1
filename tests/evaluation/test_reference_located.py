"""Knowing when: what is marked inside an answer, against slow references."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evaluation.test_reference_rows import QUICK, nan, slow

from twomind.core.errors import BadInput
from twomind.datasets.bah_splits import Answer
from twomind.evaluation import (
    located,
    located_frames,
)

# --- knowing when
# ---------------------------------------------------------------------------------------------------


def marked(subject: str, label: list[int]) -> located.Marked:
    """One answer; a label per looked-at frame, -1 where nobody coded."""
    spans = [(6 * k, 6 * k + 5, v) for k, v in enumerate(label) if v >= 0]
    return located._marked(Answer(subject, subject, "1", 1, "one two three four five six"), spans)


@QUICK
@given(st.data())
def test_a_score_inside_answers_is_over_pairs_of_one_answer(data: Any) -> None:
    made, scores = [], {}
    for k in range(data.draw(st.integers(1, 4))):
        label = [0, 1, *data.draw(st.lists(st.sampled_from([0, 1, 1, -1]), max_size=5))]
        one = marked(f"p{k % 3}", label)
        made.append(one)
        n = len(one.frames)
        scores[id(one)] = data.draw(
            st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=n, max_size=n)
        )
    found = located.locate(made, lambda m: np.array(scores[id(m)]), True, seed=2, n_bootstrap=60)

    def pairs(score: Any) -> list[tuple[float, float]]:
        out = []
        for one in made:
            y = one.present.tolist()
            total = y.count(1) * y.count(0)
            out.append((slow.auc(y, score(one), [1.0] * len(y)) * total, total))
        return out

    mine, place = pairs(lambda m: scores[id(m)]), pairs(lambda m: (m.frames / m.n_frames).tolist())
    subjects = sorted({m.answer.subject for m in made})
    p = len(subjects)
    draws = np.random.default_rng(2).multinomial(p, [1 / p] * p, 60).tolist()
    owner = [subjects.index(m.answer.subject) for m in made]

    def figure(table_: list[tuple[float, float]], weight: list[int]) -> float:
        right = sum(weight[o] * r for o, (r, _) in zip(owner, table_, strict=True))
        return float(right / sum(weight[o] * t for o, (_, t) in zip(owner, table_, strict=True)))

    whole = [1] * p
    inside = found["auc_inside_answers"]
    assert inside["words"]["value"] == pytest.approx(figure(mine, whole))
    assert inside["position"]["value"] == pytest.approx(figure(place, whole))
    assert found["gain_over_position"]["value"] == pytest.approx(
        figure(mine, whole) - figure(place, whole)
    )
    assert inside["words"]["ci"] == pytest.approx(slow.interval([figure(mine, d) for d in draws]))
    gains = slow.interval([figure(mine, d) - figure(place, d) for d in draws])
    assert found["gain_over_position"]["ci"] == pytest.approx(gains)
    assert found["locates"] == (
        gains[0] > 0 and slow.interval([figure(mine, d) for d in draws])[0] > 0.5
    )
    assert (found["n_answers"], found["n_people"]) == (len(made), p)
    assert located.later_is_marked(made) == (figure(place, whole) >= 0.5)


def test_exactly_chance_locates_nothing_and_a_tie_counts_as_later() -> None:
    both = [marked("a", [0, 1, 0]), marked("b", [0, 1, 0])]
    assert located.later_is_marked(both)
    found = located.locate(both, lambda m: np.ones(3), False, n_bootstrap=20)
    assert found["auc_inside_answers"]["position"]["value"] == 0.5
    assert found["locates"] is False
    first = [marked("a", [1, 0, 0]), marked("b", [1, 0, 0])]
    assert not located.later_is_marked(first)
    assert (
        located.locate(first, lambda m: np.ones(3), False, n_bootstrap=5)["auc_inside_answers"][
            "position"
        ]["value"]
        == 1
    )
    assert (
        located.locate(first, lambda m: np.ones(3), True, n_bootstrap=5)["auc_inside_answers"][
            "position"
        ]["value"]
        == 0
    )


def test_words_lie_evenly_over_the_answer() -> None:
    class Model:
        def parts(self, texts: list[str], question: Any) -> Any:
            return SimpleNamespace(words=np.arange(float(len(texts))))

    one = marked("a", [0, 0, 0, 1])  # frames 0, 6, 12, 18 of 24; six words of four frames each
    assert located.word_score(Model(), "1", one).tolist() == [0, 1, 3, 4]  # type: ignore[arg-type]


def moments(
    subject: str, question: str, present: list[int], score: list[float]
) -> located_frames.Moments:
    n = len(present)
    place = np.array([(k + 0.5) / n for k in range(n)])
    return located_frames.Moments(
        subject, question, place, np.array(present), np.array(score, float)
    )


def test_shortcut_rates_are_drawn_towards_the_overall_one_by_ten_moments() -> None:
    train = [moments("a", "1", [0, 1, 1, 1], [0] * 4), moments("b", "2", [0, 0, 0, 1], [0] * 4)]
    found = located_frames.shortcuts(train)
    overall = (4 + 1) / (8 + 2)
    assert found.overall == pytest.approx(overall)
    assert found.question == {
        "1": pytest.approx((3 + 10 * overall) / 14),
        "2": pytest.approx((1 + 10 * overall) / 14),
    }
    # Middles at 1/8, 3/8, 5/8, 7/8: tenths 1, 3, 6 and 8.
    marked_in = {1: (0, 2), 3: (1, 2), 6: (1, 2), 8: (2, 2)}
    rate = [
        (marked_in.get(b, (0, 0))[0] + 10 * overall) / (marked_in.get(b, (0, 0))[1] + 10)
        for b in range(10)
    ]
    assert found.position == pytest.approx(rate)

    def odds(p: float) -> float:
        return math.log(p / (1 - p))

    new = moments("c", "9", [0, 1, 0, 1], [0] * 4)
    place = [odds(rate[b]) for b in (1, 3, 6, 8)]
    assert found.score(new, "position") == pytest.approx(place)
    assert found.score(new, "question") == pytest.approx([odds(overall)] * 4), (
        "an unknown question: the overall rate"
    )
    known = moments("c", "1", [0, 1, 0, 1], [0] * 4)
    asked = odds(found.question["1"])
    assert found.score(known, "question") == pytest.approx([asked] * 4)
    assert found.score(known, "question_position") == pytest.approx(
        [v + asked - odds(overall) for v in place]
    )
    last = located_frames.Moments("c", "1", np.array([1.0]), np.array([1]), np.array([0.0]))
    assert found.score(last, "position") == pytest.approx([odds(rate[9])])
    for nothing in ([], [moments("a", "1", [], [])]):
        with pytest.raises(BadInput, match="no coded moment"):
            located_frames.shortcuts(nothing)


def test_a_frame_score_beside_its_shortcuts() -> None:
    rng = np.random.default_rng(5)
    train = [
        moments(f"t{k}", str(k % 2), rng.integers(0, 2, 6).tolist(), [0] * 6) for k in range(4)
    ]
    known = located_frames.shortcuts(train)
    held = []
    for k in range(5):
        present = [0, 1, *rng.integers(0, 2, 4).tolist()]
        score = [round(0.3 * v + 0.7 * float(rng.random()), 1) for v in present]
        score[5] = nan if k == 1 else score[5]
        held.append(moments(f"h{k % 3}", str(k % 3), present, score))
    held.append(moments("h0", "1", [1, 1], [0.9, 0.2]))
    held.append(moments("h1", "1", [1, 0], [nan, nan]))
    found = located_frames.locate_frames(held, known, seed=1, n_bootstrap=80)
    measured = []
    for m in held:
        ok = [i for i in range(len(m.score)) if not math.isnan(m.score[i])]
        if ok:
            measured.append(
                located_frames.Moments(
                    m.subject, m.question, m.position[ok], m.present[ok], m.score[ok]
                )
            )
    assert (found["n_answers"], found["n_people"], found["n_answers_with_both"]) == (6, 3, 5)

    def rows_of(name: str) -> Any:
        return (lambda m: m.score) if name == "model" else (lambda m: known.score(m, name))

    def inside(name: str, weight: Mapping[str, int]) -> float:
        right = total = 0.0
        for m in measured:
            y = m.present.tolist()
            k = y.count(1) * y.count(0)
            if k:
                right += (
                    weight[m.subject] * k * slow.auc(y, rows_of(name)(m).tolist(), [1.0] * len(y))
                )
                total += weight[m.subject] * k
        return right / total

    def overall(name: str, weight: Mapping[str, int]) -> float:
        y = [v for m in measured for v in m.present.tolist()]
        p = [v for m in measured for v in rows_of(name)(m).tolist()]
        return float(
            slow.auc(y, p, [float(weight[m.subject]) for m in measured for _ in m.present])
        )

    ones = {"h0": 1, "h1": 1, "h2": 1}
    draws = [
        dict(zip(ones, d, strict=True))
        for d in np.random.default_rng(1).multinomial(3, [1 / 3] * 3, 80).tolist()
    ]
    for name in ("model", "position", "question", "question_position"):
        one = found["auc_inside_answers"][name]
        assert one["value"] == pytest.approx(inside(name, ones)), name
        assert one["ci"] == pytest.approx(slow.interval([inside(name, d) for d in draws])), name
        one = found["auc_overall"][name]
        assert one["value"] == pytest.approx(overall(name, ones)), name
        assert one["ci"] == pytest.approx(slow.interval([overall(name, d) for d in draws])), name
    for key, figure, row in (
        ("inside_over_position", inside, "position"),
        ("overall_over_question", overall, "question"),
        ("overall_over_question_position", overall, "question_position"),
    ):
        gain = found["gain"][key]
        assert gain["value"] == pytest.approx(figure("model", ones) - figure(row, ones))
        assert gain["ci"] == pytest.approx(
            slow.interval([figure("model", d) - figure(row, d) for d in draws])
        )
    low = [
        found["auc_inside_answers"]["model"]["ci"][0] - 0.5,
        *(g["ci"][0] for g in found["gain"].values()),
    ]
    assert found["locates"] == all(v > 0 for v in low)


def test_one_person_with_both_kinds_of_moments_shows_nothing() -> None:
    known = located_frames.shortcuts([moments("t", "1", [0, 1], [0, 0])])
    found = located_frames.locate_frames(
        [moments("a", "1", [0, 1], [0.1, 0.9]), moments("b", "1", [1], [0.9])], known
    )
    assert found["locates"] is False
    assert "only 1" in found["reason"]
    two = [moments(s, "1", [0, 1] * 4, [0.1, 0.9] * 4) for s in ("a", "b")]
    assert located_frames.locate_frames(two, known, n_bootstrap=50)["locates"] is True


def test_a_gain_that_may_as_well_be_a_loss_locates_nothing() -> None:
    """One person's moments are told best by the score, the other's by the position: the interval
    holds zero.
    """
    known = located_frames.shortcuts([moments("t", "1", [0, 0, 1, 1], [0] * 4) for _ in range(5)])
    held = [
        moments("a", "1", [0, 1, 0, 1], [0.1, 0.9, 0.1, 0.9]),
        moments("b", "1", [0, 0, 1, 1], [0.1, 0.5, 0.4, 0.9]),
    ]
    found = located_frames.locate_frames(held, known, n_bootstrap=100)
    # Of the first person the position has 1/2 (two tenths have one rate), the score 1; of the
    # second 1 and 3/4.
    assert found["gain"]["inside_over_position"]["ci"] == pytest.approx([-0.25, 0.5])
    assert all(g["ci"][1] > 0 for g in found["gain"].values())
    assert found["auc_inside_answers"]["model"]["ci"][0] == pytest.approx(0.75)
    assert found["locates"] is False
