"""The harm report of runs: who was harmed, what was changed and when; and streams in another order
per seed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scoring_world as w
from twomind.evaluation import people
from twomind.evaluation.board import boards
from twomind.evaluation.compare import Comparison, compare
from twomind.evaluation.orders import Order
from twomind.evaluation.run import Windows
from twomind.evaluation.runs import filled, load_run
from twomind.reporting.harm_page import HarmSettings, harm_of, write_harm
from twomind.types import Access, Fold, Given, Prediction, Run, State

TOY = w.Toy()


@dataclass(frozen=True)
class Turned(w.Plain):  # type: ignore[misc]
    """Turns the answer of the windows from ``after`` on; with a log, as a guard has."""

    after: int = 1
    logs: bool = False
    method: str = ""

    @property
    def needs(self) -> Access:
        return Access.NOTHING

    def begin(self, model: Any, given: Given) -> State:
        return {"n": 0, "log": []}

    def step(self, model: Any, state: State, x: Any) -> tuple[Prediction, State]:
        found, n, log = model.predict(x), state["n"] + 1, state["log"]
        if n > self.after:
            found = replace(found, probs=found.probs[::-1], logits=None)
            if self.logs:
                log = [
                    *log,
                    {"what": "changed", "n": n, "recording": x.recording, "start_s": x.span_s[0]},
                ]
        return found, {"n": n, "log": log[-2:]}


def walked(tmp_path: Path, methods: dict[str, Any], **more: Any) -> list[Any]:
    options = {"seeds": (0, 1), "windows": Windows(2.0), **more}
    asked = Comparison(TOY, "all", lambda fold: w.Model(w.CLIP), TOY.features, w.CLIP, **options)
    return compare(asked, methods, tmp_path)


def test_a_report_says_who_was_harmed_and_every_answer_that_was_changed(tmp_path: Path) -> None:
    methods = {
        "turned": Turned(after=2),
        "guarded turned": Turned(after=5, logs=True, method="turned"),
    }
    runs = walked(tmp_path, methods)
    one = harm_of(runs)["turned"]
    assert list(harm_of(runs)) == ["turned"], (
        "a guarded run stands beside the method that it is around"
    )
    for run in (r for r in runs if r.method == "turned"):
        rows = run.rows["window"]
        plain = rows.beside["no_adaptation"].argmax(axis=1)
        said = rows.probs.argmax(axis=1)
        for person in np.unique(rows.subject):
            own = one["seeds"][str(person)][run.seed]
            mine = (rows.subject == person) & (rows.y >= 0)
            differ = np.flatnonzero(mine & (said != plain))
            changes = [c for c in own.changes if c["by"] == "adapted"]
            assert [(c["recording"], c["start_s"]) for c in changes] == [
                (str(rows.recording[i]), rows.span_s[i, 0]) for i in differ
            ]
            assert [c["did"] == "mended" for c in changes] == [
                bool(said[i] == rows.y[i]) for i in differ
            ]
            assert own.changed_adapted == len(differ) > own.changed_guarded
    harmed = {p.subject for p in one["means"].people if p.adapted < p.source - 1}
    assert harmed, "turned answers harm somebody"
    assert one["means"].harmed_adapted == pytest.approx(len(harmed) / len(one["means"].people))


@pytest.mark.parametrize("n_folds", [1, 2])
def test_the_page_names_the_people_that_the_leaderboard_names(tmp_path: Path, n_folds: int) -> None:
    runs = walked(tmp_path, {"turned": Turned(after=3)})
    if n_folds == 2:  # the same people's windows in two folds of one seed
        runs = [half for run in runs for half in halved(run)]
    [board] = boards(runs, n_bootstrap=10)
    [line] = [one for one in board.lines if one.name == "turned"]
    assert board.level == "recording"
    one = harm_of(runs)["turned"]
    means = {person.subject: person for person in one["means"].people}
    assert means.keys() == line.per_person.keys()
    for subject, person in means.items():
        assert person.adapted == pytest.approx(100 * line.per_person[subject])
        assert person.source == pytest.approx(100 * line.unadapted[subject])
        assert person.n < person.n_walked, "recordings are judged, windows are walked"
    assert line.paired is not None
    assert one["means"].harmed_adapted == line.paired.share_harmed > 0
    by_window = people_by_window(runs, "turned")
    assert by_window != {s: p.adapted for s, p in means.items()}, "else this shows nothing"


def halved(run: Run) -> list[Run]:
    """A run as two, of every other recording each."""
    names = sorted(run.fold.test)
    found = []
    for k in (0, 1):
        mine = tuple(names[k::2])
        fold = replace(run.fold, name=f"{run.fold.name}-{k}", test=mine)
        rows = {level: r.take(np.isin(r.recording, mine)) for level, r in run.rows.items()}
        found.append(replace(run, fold=fold, rows=rows))
    return found


def people_by_window(runs: list[Run], method: str) -> dict[str, float]:
    """Macro-F1 per person over windows, mean over the seeds."""
    each: dict[str, list[float]] = {}
    for run in runs:
        if run.method == method:
            rows = run.rows["window"].take(run.rows["window"].y >= 0)
            figures = people.per_person(rows.y, filled(rows, run.fill), rows.subject)
            for subject, value in figures.items():
                each.setdefault(subject, []).append(100 * value)
    return {subject: float(np.mean(values)) for subject, values in each.items()}


def test_the_guards_log_goes_into_the_run_by_the_recordings_own_names_and_none_is_lost(
    tmp_path: Path,
) -> None:
    runs = walked(tmp_path, {"guarded turned": Turned(after=1, logs=True, method="turned")})
    [run] = [r for r in runs if r.method != "source-only" and r.seed == 0]
    tested = set(run.fold.test)
    n_windows = {s: int((run.rows["window"].subject == s).sum()) for s in run.people}
    assert {e["recording"] for e in run.events} <= tested, "the method itself sees opaque names"
    assert {s: sum(e["subject"] == s for e in run.events) for s in run.people} == {
        s: n - 1 for s, n in n_windows.items()
    }, "the state keeps two entries of its log, the run all"
    kept = load_run(next(p for p in tmp_path.iterdir() if "turned-seed0" in p.name))
    assert kept.events == run.events


def test_without_a_guarded_stream_the_report_says_so(tmp_path: Path) -> None:
    written = write_harm(
        walked(tmp_path / "runs", {"turned": Turned()}), tmp_path, HarmSettings("toy")
    )
    found = json.loads(Path(written["json"]).read_text())
    assert found["methods"]["turned"]["harmed_guarded"] is None
    assert "No guarded stream was walked" in Path(written["markdown"]).read_text()


@pytest.mark.parametrize("kind", ["shuffled", "class_blocked", "recorded"])
def test_the_stream_has_another_order_for_each_seed_and_the_same_clips(kind: str) -> None:
    fold = Fold("a", "p", ("t",), tuple(f"c{i}" for i in range(12)))
    order = Order(kind, lambda task, recording: int(recording[1:]) % 2, w.CLIP)
    streams = [order(fold, seed).test for seed in (0, 1, 0)]
    assert streams[0] == streams[2], "one seed, one order"
    assert all(sorted(s) == sorted(fold.test) for s in streams)
    assert (streams[0] == streams[1]) == (kind == "recorded")
    classes = [int(i[1:]) % 2 for i in streams[0]]
    assert (classes == sorted(classes)) == (kind == "class_blocked")


def test_the_order_reaches_the_method_and_the_summary_is_made_once(tmp_path: Path) -> None:
    made = []

    def summary_for(model: Any) -> Any:
        return lambda source: made.append(len(source)) or {"prototypes": np.zeros((1, 2))}

    @dataclass(frozen=True)
    class Summed(w.Plain):  # type: ignore[misc]
        @property
        def needs(self) -> Access:
            return Access.SUMMARY

    order = Order("shuffled", TOY.label, w.CLIP)
    runs = walked(tmp_path, {"a": Summed(), "b": Summed()}, order=order, summary_for=summary_for)
    assert len(made) == 1
    streams = {
        r.seed: list(dict.fromkeys(r.rows["window"].recording)) for r in runs if r.method == "a"
    }
    assert streams[0] != streams[1]
    assert streams[1] == list(order(TOY.folds("all", 0)[0], 1).test)
