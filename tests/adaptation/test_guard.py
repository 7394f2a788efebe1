"""The guard: alarms, rollback, the budget; and the harm report, where labels meet predictions."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from twomind.adaptation import Step, check, load_method, stream
from twomind.adaptation.guard import Guarded, decide, signs
from twomind.core.errors import BadInput
from twomind.evaluation.harm import Answers, macro_f1, people_of, report_of, wilson

WILD = {"lr": 20.0}  # Tent with this learning rate says one class after a few windows


def walk(method: Any, toy: check.Toy, windows: Any = None) -> list[Step]:
    return list(stream(toy.model, method, windows or toy.windows["anna"], given=toy.given))


def labels(steps: list[Step]) -> np.ndarray:
    return np.array([int(s.prediction.probs.argmax()) for s in steps])


def test_a_collapsing_method_is_stopped_and_the_log_says_when() -> None:
    toy = check.toy(n_windows=60)
    y = [n % 2 for n in range(60)]
    source, adapted = walk(load_method("source-only"), toy), walk(load_method("tent", **WILD), toy)
    guarded = walk(Guarded("tent", WILD, budget=1.0, unsure=1.01), toy)
    said = {"source": labels(source), "adapted": labels(adapted), "guarded": labels(guarded)}
    answers = Answers(
        subject=["anna"] * len(y),
        recording=[step.x.recording for step in source],
        start_s=[step.x.span_s[0] for step in source],
        y=np.array(y),
        said=said,
        n_classes=2,
        events=[{**event, "subject": "anna"} for event in guarded[-1].state["log"]],
    )
    (anna,) = people_of(answers)
    report = report_of([anna])
    assert anna.adapted < anna.source - 20
    assert anna.guarded >= anna.source - 1
    assert report.harmed_adapted == 1
    assert report.harmed_guarded == 0
    alarms = [e for e in anna.events if e["what"] == "alarms"]
    assert alarms
    assert alarms[0]["did"] == "rolled back"
    assert alarms[0]["recording"] == toy.windows["anna"][alarms[0]["n"] - 1].recording
    assert guarded[-1].state["counts"]["alarms"] == len(alarms)


def test_a_rollback_puts_the_last_good_state_back() -> None:
    toy = check.toy(n_windows=60)
    steps = walk(Guarded("tent", WILD), toy)
    for before, after in pairwise(steps):
        if after.state["counts"]["alarms"] > before.state["counts"]["alarms"]:
            assert check._equal(after.state["inner"], before.state["good"])
            assert after.state["rest"] == Guarded().rest
            assert (after.prediction.probs == toy.model.predict(after.x).probs).all()
            break
    else:
        pytest.fail("no alarm")


def test_without_a_budget_no_answer_changes() -> None:
    toy = check.toy(n_windows=40)
    for method in ("t3a", "tta-cap-v1", "tda"):
        guard = Guarded(method, budget=0.0)
        np.testing.assert_array_equal(
            labels(walk(guard, toy)), labels(walk(load_method("source-only"), toy))
        )


@pytest.mark.parametrize("budget", [0.02, 0.1])
def test_the_budget_bounds_what_can_be_lost(budget: float) -> None:
    """Whatever the adapted answers are: per class, no more than the budget's share leaves
    or joins.
    """
    rng = np.random.default_rng(0)
    config, tally = Guarded(budget=budget, unsure=1.01), np.zeros((3, 2), np.int64)
    said, out = [], []
    for _ in range(400):
        p, q = rng.dirichlet([1, 1]), rng.dirichlet([0.1, 0.1])
        chosen, tally = decide(config, tally, p, q, True)
        said.append(p.argmax())
        out.append((q if chosen else p).argmax())
    said, out = np.array(said), np.array(out)
    changed = said != out
    assert changed.any()
    for c in (0, 1):
        assert (changed & (said == c)).sum() <= budget * (said == c).sum()
        assert (changed & (out == c)).sum() <= budget * (said == c).sum()
    assert macro_f1(said, said, 2) - macro_f1(said, out, 2) <= 100 * 2 * budget


def test_one_answer_changes_only_where_the_source_is_unsure_and_the_method_surer() -> None:
    config, tally = Guarded(budget=1.0, unsure=0.8), np.zeros((3, 2), np.int64)

    def chosen(source: float, adapted: float, quiet: bool = True) -> bool:
        return decide(
            config, tally, np.array([source, 1 - source]), np.array([1 - adapted, adapted]), quiet
        )[0]

    assert chosen(0.6, 0.7)
    assert not chosen(0.9, 0.95)  # the source was sure
    assert not chosen(0.7, 0.6)  # the method is less sure
    assert not chosen(0.6, 0.7, quiet=False)


def test_each_sign_is_seen() -> None:
    config = Guarded()
    even = np.tile([[0.6, 0.4], [0.4, 0.6]], (5, 1))
    assert signs(config, even, even) is None
    assert signs(config, even, np.tile([0.9, 0.1], (10, 1)))[0] == "class balance"  # type: ignore[index]
    sharp = np.tile([[0.999, 0.001], [0.001, 0.999]], (5, 1))
    assert signs(config, even, sharp)[0] == "entropy collapse"  # type: ignore[index]
    assert signs(config, even, even[:, ::-1])[0] == "disagreement"  # type: ignore[index]


def test_the_neutral_clip_is_a_sign_of_its_own() -> None:
    toy = check.toy(n_windows=60)
    deaf = {"max_drift": 2.0, "min_entropy": 0.0, "max_disagreement": 1.0, "neutral_every": 4}
    alarms = []
    for person in ("anna", "ben"):
        guard = Guarded("tent", {"lr": -20.0}, use_neutral=True, neutral_class=0, **deaf)  # type: ignore[arg-type]
        steps = list(stream(toy.model, guard, toy.windows[person], given=toy.given))
        alarms += [e["sign"] for e in steps[-1].state["log"] if e["what"] == "alarms"]
        blind = list(
            stream(
                toy.model, replace(guard, use_neutral=False), toy.windows[person], given=toy.given
            )
        )
        assert blind[-1].state["counts"]["alarms"] == 0
    assert set(alarms) == {"neutral clip"}


def test_bad_settings() -> None:
    with pytest.raises(BadInput, match="got itself"):
        Guarded("guarded")
    with pytest.raises(BadInput, match="share in"):
        Guarded(budget=2)


def test_scores_of_people() -> None:
    y = np.array([0, 0, 1, 1])
    assert macro_f1(y, y, 2) == 100
    assert (
        macro_f1(np.zeros(4, int), np.zeros(4, int), 2) == 100
    )  # an absent class that is never said is left out
    assert macro_f1(y, np.zeros(4, int), 2) == pytest.approx(100 * (2 * 2 / 6) / 2)
    low, high = wilson(5, 100)
    assert (round(low, 3), round(high, 3)) == (
        0.022,
        0.112,
    )  # Wilson 1927, as statsmodels' proportion_confint gives
