"""Labels beside predictions: windows, frames, segments, moments, streams and what no fold may hold,
by loops.

A data set of a few made-up recordings; no media, no model.
"""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twomind.core.errors import BadInput
from twomind.evaluation import (
    breakdown,
    metrics,
    rows,
    runs,
    words,
)
from twomind.evaluation import leaks as guard
from twomind.evaluation.board import Line, Sample
from twomind.evaluation.windows import Labels, Reader, Windows, content
from twomind.types import (
    Features,
    Fold,
    Prediction,
    Recording,
    Rows,
    Run,
    Task,
    Track,
    Word,
)

slow = importlib.import_module("reference.metrics")
clocks = importlib.import_module("reference.clocks")

nan = math.nan
QUICK = settings(deadline=None, derandomize=True, max_examples=40)
FRAME = Task("toy", ("absent", "unsure", "present"), "frame")
TWO = Task("toy", ("absent", "present"), "frame")


@dataclass(frozen=True)
class Toy:
    """Recordings of one label per half second (-1: not coded), beginning at 0."""

    coded: Mapping[str, list[int]]
    whole: Mapping[str, int | None] = field(default_factory=dict)
    subjects: Mapping[str, str] = field(default_factory=dict)
    questions: Mapping[str, str] = field(default_factory=dict)
    n_words: Mapping[str, int] = field(default_factory=dict)
    name: str = "toy"

    def recordings(self) -> tuple[Recording, ...]:
        found = []
        for i in self.coded:
            n = self.n_words.get(i)
            said = None if n is None else tuple(Word(f"w{k}", 0.1 * k, 0.1 * k) for k in range(n))
            found.append(
                Recording(
                    i, self.subjects.get(i, i), Path("none"), self.questions.get(i), words=said
                )
            )
        return tuple(found)

    def label(self, task: str, recording: str) -> int | None:
        return self.whole.get(recording)

    def frame_labels(self, task: str, recording: str, times_s: np.ndarray) -> np.ndarray:
        own = self.coded[recording]
        at = np.floor(np.asarray(times_s) * 2).astype(int)
        return np.array([own[k] if 0 <= k < len(own) else -1 for k in at], int)

    def features(self, recording: str) -> Features:
        return Features(
            recording,
            self.subjects.get(recording, recording),
            {},
            (0.0, len(self.coded[recording]) / 2),
        )

    def reader(self) -> Reader:
        return Reader(self.features, {r.id: r for r in self.recordings()})


# --- labels of windows
# ----------------------------------------------------------------------------------------------


@QUICK
@given(st.lists(st.sampled_from([-1, 0, 1, 2]), min_size=1, max_size=10))
def test_a_window_has_the_commonest_label_of_its_frames_and_of_a_tie_the_later_class(
    coded: list[int],
) -> None:
    labels = Labels(Toy({"r": coded}, {"r": 1}), FRAME, Windows(frame_hop_s=0.5))
    known = [v for v in coded if v >= 0]
    most = max((known.count(v) for v in known), default=0)
    expected = max((v for v in known if known.count(v) == most), default=1)
    assert labels.of_window("r", (0.0, len(coded) / 2)) == expected


def test_labels_of_windows_at_their_edges() -> None:
    coded = {"r": [0, 1, 2, 2, -1, -1], "none": [-1, -1]}
    labels = Labels(Toy(coded, {"r": 0, "none": 2, "x": None}), FRAME, Windows(frame_hop_s=0.5))
    assert labels.of_window("r", (0.0, 1.0)) == 1, "one of each: the later class"
    assert labels.of_window("r", (0.0, 1.5)) == 2
    assert labels.of_window("r", (0.0, 2.0)) == 2
    assert labels.of_window("r", (2.0, 3.0)) == -1, (
        "not coded here, but elsewhere in this recording"
    )
    assert labels.of_window("none", (0.0, 1.0)) == 2, "coded nowhere: the recording's"
    assert labels.of_window("r", (0.6, 0.7)) == 1, "shorter than a frame: its middle"
    clip = Labels(Toy(coded, {"r": 0}), replace(FRAME, grain="clip"), Windows())
    assert clip.of_window("r", (0.5, 1.0)) == 0
    assert clip.of_window("none", (0.5, 1.0)) == -1
    for wrong in (3, -2):
        with pytest.raises(BadInput, match="expected a label"):
            Labels(Toy(coded, {"r": wrong}), FRAME, Windows()).of_recording("r")
    with pytest.raises(BadInput, match="expected a label"):
        Labels(Toy({"r": [5]}), FRAME, Windows()).of_frames("r", np.array([0.1]))
    reader = Toy(coded).reader()
    windows = Windows(1.0, frame_hop_s=0.5)
    found = labels.examples(["r"], lambda i: windows.cut(reader(i)))
    assert [(e.x.span_s, e.y) for e in found] == [((0.0, 1.0), 1), ((1.0, 2.0), 2)]


def test_frames_are_the_middles_of_equal_steps() -> None:
    assert Windows().frames((1.0, 2.0)).tolist() == [1.125, 1.375, 1.625, 1.875]
    assert Windows(frame_hop_s=0.5).frames((0.0, 1.2)).tolist() == [0.25, 0.75]
    assert Windows(frame_hop_s=0.5).frames((0.0, 1.3)).tolist() == [0.25, 0.75, 1.25]
    x = Toy({"r": [0] * 5}).features("r")
    assert [w.span_s for w in Windows(1.0).cut(x)] == [(0.0, 1.0), (1.0, 2.0), (2.0, 2.5)]
    assert [w.span_s for w in Windows(1.0, min_share=0.51).cut(x)] == [(0.0, 1.0), (1.0, 2.0)]
    assert Windows().cut(x) == [x]
    for make in (
        lambda: Windows(frame_hop_s=0),
        lambda: Windows(hop_s=1.0),
        lambda: Windows(2.0, 1.0),
    ):
        with pytest.raises(BadInput, match="windows"):
            make()


def test_a_row_tells_its_recording_by_four_broken_or_sixteen_different_numbers() -> None:
    def n_codes(table: list[list[float]], valid: list[bool] | None = None) -> int:
        n = len(table)
        ok = np.array([True] * n if valid is None else valid)
        return len(
            content(
                Features(
                    "r",
                    "s",
                    {"a": Track(np.array(table, float), np.arange(float(n)), ok)},
                    (0.0, 9.0),
                )
            )
        )

    assert n_codes([[0.5, 1.5, 2.5, 3.5]]) == 1
    assert n_codes([[0.5, 1.5, 2.5, 2.5]]) == 0, "three different ones"
    assert n_codes([[0.5, 1.5, 2.5, 3.0]]) == 0, "whole numbers do not count as broken"
    assert n_codes([[0.5, 1.5, 2.5, nan]]) == 0
    assert n_codes([[float(k) for k in range(16)]]) == 1
    assert n_codes([[float(k) for k in range(15)] + [0.0]]) == 0
    assert n_codes([[0.5, 1.5, 2.5]]) == 0, "fewer than four columns"
    assert n_codes([[0.5, 1.5, 2.5, 3.5]] * 2) == 0, "a row that stands twice"
    assert n_codes([[0.5, 1.5, 2.5, 3.5]] * 2, [True, False]) == 1
    one = Track(np.array([[0.5, 1.5, 2.5, 3.5]]), np.zeros(1), np.ones(1, bool))
    first = content(Features("r", "s", {"a": one}, (0.0, 1.0)))
    assert first.tolist() == content(Features("q", "t", {"b": one}, (5.0, 6.0))).tolist()
    moved = replace(one, values=one.values[:, ::-1].copy())
    assert first.tolist() != content(Features("r", "s", {"a": moved}, (0.0, 1.0))).tolist()
    assert len(content(Features("r", "s", {"a": one, "b": moved}, (0.0, 1.0)))) == 2


# --- rows of every level
# --------------------------------------------------------------------------------------------


def answers(spans: list[tuple[float, float]], p: list[float]) -> list[Prediction]:
    return [Prediction(s, np.array([1 - v, v])) for s, v in zip(spans, p, strict=True)]


def test_a_frame_has_the_answer_of_the_window_it_lies_in() -> None:
    toy = Toy(
        {"a": [0, 1] * 4, "t": [0, 0, 1, 1, -1, 1]},
        {"a": 0, "t": 1},
        questions={"a": "1", "t": "2"},
    )
    fold = Fold("f", "p", ("a",), ("t",))
    windows = Windows(1.0, 1.5, frame_hop_s=0.5)
    spans = [(0.0, 1.0), (1.5, 2.5)]
    found, notes = rows.all_rows(
        fold,
        toy.reader(),
        Labels(toy, TWO, windows),
        rows.Answered(
            ["t", "t"],
            np.array(spans),
            answers(spans, [0.2, 0.9]),
            answers(spans, [0.4, 0.6]),
        ),
    )
    frame = found["frame"]
    assert frame.y.tolist() == [0, 0, 1, 1, -1, 1]
    assert frame.span_s.tolist() == [[k / 2, k / 2 + 0.5] for k in range(6)]
    # The third frame (middle 1.25 s) lies between the windows, the last (2.75 s) after them: not
    # measured.
    assert frame.probs[:, 1] == pytest.approx([0.2, 0.2, nan, 0.9, 0.9, nan], nan_ok=True)
    assert frame.beside["no_adaptation"][:, 1] == pytest.approx(
        [0.4, 0.4, nan, 0.6, 0.6, nan], nan_ok=True
    )
    assert frame.beside["prevalence"][0].tolist() == [0.5, 0.5]
    # Training frames: 0 1 0 1 …; the first tenth holds the first frame (0), the second none, the
    # third the second (1).
    middles = [(k / 2 + 0.25) / 3 for k in range(6)]
    train_at = [(k / 2 + 0.25) / 4 for k in range(8)]
    assert np.allclose(frame.beside["position"], slow.position(train_at, [0, 1] * 4, 2, middles))
    assert found["window"].y.tolist() == [0, 1]
    assert found["recording"].y.tolist() == [1]
    assert found["recording"].probs.shape == (1, 2)
    assert "position" not in found["recording"].beside
    assert found["recording"].question.tolist() == ["2"]
    assert "length_question" in found["frame"].beside
    assert any("one question" in note for note in notes)


def test_which_levels_a_task_has() -> None:
    """Windows stand beside recordings when there are several, or when the task is about them or
    about whole clips.
    """
    toy = Toy({"a": [0, 1] * 4, "t": [0, 0, 1, 1]}, {"a": 0, "t": 1})
    uncoded = Toy({"a": [0, 1] * 4, "t": [-1] * 4}, {"a": 0, "t": 1})
    fold = Fold("f", "p", ("a",), ("t",))

    def levels(grain: str, n: int, world: Toy = toy) -> tuple[set[str], list[str]]:
        task = replace(TWO, grain=grain)
        windows = Windows(2.0 / n, frame_hop_s=0.5)
        spans = [(2.0 * k / n, 2.0 * (k + 1) / n) for k in range(n)]
        said = answers(spans, [0.5] * n)
        labels = Labels(world, task, windows)
        answered = rows.Answered(["t"] * n, np.array(spans), said, said)
        found = rows.all_rows(fold, world.reader(), labels, answered)
        return set(found[0]), found[1]

    assert levels("clip", 1)[0] == {"recording", "window"}
    assert levels("frame", 1)[0] == {"recording", "frame"}
    assert levels("frame", 2)[0] == {"recording", "window", "frame"}
    assert levels("window", 1)[0] == {"recording", "window", "frame"}
    told, notes = levels("frame", 2, uncoded)
    assert told == {"recording", "window"}
    assert (
        notes[-1]
        == "no moment of the test recordings is coded; windows have the label of their recording"
    )
    assert "no moment" not in " ".join(levels("frame", 2)[1])
    with pytest.raises(BadInput, match="no test recording has a label"):
        levels("frame", 1, replace(uncoded, whole={}))


def test_the_length_of_an_answer_is_its_words_where_all_have_them_else_its_seconds() -> None:
    toy = Toy({"a": [0] * 8, "b": [1] * 4}, n_words={"a": 7, "b": 0})
    reader = toy.reader()
    spans = np.array([[0.0, 1.0], [1.0, 2.0]])
    by_words = rows._seen(["a", "b"], spans, reader, "window", True)
    assert by_words.length.tolist() == [7.0, 0.0]
    by_time = rows._seen(["a", "b"], spans, reader, "window", False)
    assert by_time.length.tolist() == [4.0, 2.0]
    assert by_time.position.tolist() == [0.5 / 4, 1.5 / 2], "the middle of the row in the answer"
    assert np.isnan(rows._seen(["a", "b"], spans, reader, "recording", False).position).all()
    past = rows._seen(["b"], np.array([[9.0, 9.5]]), reader, "window", False)
    assert past.position.tolist() == [1.0]


def table(n: int, **change: Any) -> Rows:
    """N rows of two classes at half seconds, of one recording and person unless changed."""
    values: dict[str, Any] = {
        "recording": np.array(["r"] * n),
        "subject": np.array(["s"] * n),
        "question": np.array(["1"] * n),
        "span_s": np.stack([np.arange(n) / 2, np.arange(n) / 2 + 0.5], 1),
        "y": np.zeros(n, int),
        "probs": np.full((n, 2), 0.5),
        **change,
    }
    return Rows(**values)


def test_what_was_not_measured_is_filled_from_the_shortcut_or_with_no_idea() -> None:
    probs = np.array([[0.3, 0.7], [nan, nan]])
    prevalence = np.array([[0.8, 0.2], [0.6, 0.4]])
    one = table(2, probs=probs, beside={"prevalence": prevalence})
    assert runs.filled(one, "prevalence").tolist() == [[0.3, 0.7], [0.6, 0.4]]
    assert runs.filled(one, "other").tolist() == [[0.3, 0.7], [0.5, 0.5]]
    three = replace(one, probs=np.full((2, 3), nan), beside={})
    assert runs.filled(three, "x") == pytest.approx(np.full((2, 3), 1 / 3))
    whole = table(2)
    assert runs.filled(whole, "prevalence") is whole.probs
    half = table(1, probs=np.array([[0.5, nan]]))
    assert runs.filled(half, "x").tolist() == [[0.5, 0.5]], "one nan: the row is not measured"


@QUICK
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from([0, 1, -1]),
            st.sampled_from([0.2, 0.9, nan]),
        ),
        min_size=1,
        max_size=14,
    )
)
def test_stretches_of_one_label_have_the_mean_of_their_measured_frames(
    rows_: list[tuple[str, int, float]],
) -> None:
    rows_ = sorted(rows_, key=lambda r: r[0])
    recording, y = [r[0] for r in rows_], [r[1] for r in rows_]
    probs = [[1 - r[2], r[2]] for r in rows_]
    one = table(len(rows_), recording=np.array(recording), y=np.array(y), probs=np.array(probs))
    found = breakdown.segment_rows(replace(one, beside={"flat": np.array(probs)[:, ::-1]}))
    expected = clocks.segment_means(recording, y, probs)
    assert found.y.tolist() == [e[2] for e in expected]
    assert found.recording.tolist() == [recording[e[0]] for e in expected]
    assert found.span_s.tolist() == [[e[0] / 2, e[1] / 2 + 0.5] for e in expected]
    assert found.probs.ravel() == pytest.approx([v for e in expected for v in e[3]], nan_ok=True)
    assert found.beside["flat"].ravel() == pytest.approx(
        [v for e in expected for v in e[3][::-1]], nan_ok=True
    )


def test_groups_of_people() -> None:
    bands = {
        17.9: "0–17",
        18: "18–29",
        29.9: "18–29",
        30: "30–44",
        45: "45–59",
        60: "60+",
        199: "60+",
    }
    for age, band in bands.items():
        assert breakdown.group_of("age", age) == band
    assert breakdown.group_of("age", 200) == breakdown.group_of("age", -1) == "not known"
    assert breakdown.group_of("age", "25-34") == "25-34"
    assert breakdown.group_of("age", "31") == "30–44"
    for nothing in (None, "", nan):
        assert breakdown.group_of("sex", nothing) == "not known"
    assert breakdown.group_of("sex", "f") == "f"
    assert breakdown.attribute({"Sex": "f"}, "sex") == "f"
    assert breakdown.attribute({}, "sex") is None


def line(y: list[int], p: list[float], subject: list[str], question: list[str]) -> Line:
    probs = np.array([[1 - v, v] for v in p])
    n = len(y)
    one = Sample(np.array(y), probs, np.array(subject), np.array(question), np.zeros(n), np.ones(n))
    return Line("method", "method", "nothing", (one,))


def test_groups_of_fewer_than_five_people_carry_no_figure() -> None:
    people = [f"p{k}" for k in range(9)]
    y = [0, 1] * 9
    p = [0.2, 0.7, 0.6, 0.9, 0.4, 0.5] * 3
    subject = [s for s in people for _ in range(2)]
    board: Any = SimpleNamespace(
        lines=[line(y, p, subject, ["1"] * 18)],
        people={s: {"Sex": "f" if k < 5 else "m"} for k, s in enumerate(people)},
        subjects=tuple(people),
        task=TWO,
    )
    women, men = breakdown.subgroups(board, n_bootstrap=50)
    assert (women["group"], women["value"], women["n_people"]) == ("sex", "f", 5)
    own = [i for i in range(18) if subject[i] in people[:5]]
    truth, score = [y[i] for i in own], [p[i] for i in own]
    value, low, high = women["lines"]["method"]["macro_f1"]
    assert value == pytest.approx(slow.macro_f1(truth, score, [1.0] * 10))
    assert low <= value <= high
    assert women["n"] == 10
    assert (men["n_people"], men["n"], men["lines"]) == (None, None, {})
    assert len(breakdown.subgroups(board, min_people=4, n_bootstrap=20)[1]["lines"]) == 1


def test_figures_per_question() -> None:
    y, p, q = [1, 0, 1, 0, 1], [0.9, 0.2, 0.3, 0.6, 0.8], ["1", "1", "2", "2", "2"]
    board: Any = SimpleNamespace(lines=[line(y, p, ["s"] * 5, q)], task=TWO)
    first, second = breakdown.per_question(board)
    assert (first["question"], first["n"], first["rate"]) == ("1", 2, 0.5)
    assert second["rate"] == pytest.approx(2 / 3)
    assert first["lines"]["method"]["auc"] == 1.0
    assert second["lines"]["method"]["war"] == pytest.approx(1 / 3)
    assert second["lines"]["method"]["auc"] == pytest.approx(slow.auc(y[2:], p[2:], [1.0] * 3))


def test_moments_of_a_line_are_those_of_its_timelines() -> None:
    true = {
        "a": [0, 0, 1, 1, 1, 0, 0, 0],
        "b": [0, 1, 1, 0, -1, 1, 1, 0],
        "c": [1, 1, 0, 0, 0, 0, 1, 1],
    }
    p = {
        "a": [0.1, 0.6, 0.9, 0.8, 0.2, 0.1, 0.9, nan],
        "b": [0.5, 0.51, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1],
    }
    p["c"] = [0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.9]
    n = 24
    probs = np.array([[1 - v, v] for name in true for v in p[name]])
    one = table(
        n,
        recording=np.repeat(list(true), 8),
        subject=np.repeat(["s1", "s2", "s3"], 8),
        span_s=np.tile(np.stack([np.arange(8) / 2, np.arange(8) / 2 + 0.5], 1), (3, 1)),
        y=np.array([v for name in true for v in true[name]]),
        probs=probs,
        beside={"flat": np.full((n, 2), 0.5), "prevalence": np.full((n, 2), 0.5)},
    )
    fold = Fold("f", "p", ("x",), tuple(true))
    run = Run(
        "m", "toy", TWO, fold, "model", "method", {"frame": one}, windows={"frame_hop_s": 0.5}
    )
    mine = Line("method", "method", "nothing", (), (run,))
    found = breakdown.moments(mine)
    assert found is not None
    lines = []
    for name in true:
        said = [-1 if math.isnan(v) else int(v > 0.5) for v in p[name]]
        lines.append(([k / 2 for k in range(8)], true[name], said))
    for name, value in slow.timeline_figures(lines, 0.5, 1.0, 3.0).items():
        assert found[name] == pytest.approx(value, nan_ok=True), name
    pairs = []
    for times, truth, said in lines:
        told = [s if t >= 0 else -1 for t, s in zip(truth, said, strict=True)]
        a, b = slow.events(times, truth, 0.5), slow.events(times, told, 0.5)
        pairs.append((slow.largest_matching(a, b, 1.0), len(a) + len(b)))
    drawn = np.random.default_rng(0).multinomial(3, [1 / 3] * 3, 1000).tolist()
    f1s = [2 * sum(w * k for w, (k, _) in zip(d, pairs, strict=True)) for d in drawn]
    all_s = [sum(w * k for w, (_, k) in zip(d, pairs, strict=True)) for d in drawn]
    assert found["event_f1_ci"] == pytest.approx(
        slow.interval([a / b for a, b in zip(f1s, all_s, strict=True)])
    )
    stretches = clocks.segment_means(one.recording.tolist(), one.y.tolist(), probs.tolist())
    y, score = (
        [s[2] for s in stretches],
        [s[3][1] if not math.isnan(s[3][1]) else 0.5 for s in stretches],
    )
    assert found["n_segments"] == len(stretches)
    assert found["segment_macro_f1"] == pytest.approx(slow.macro_f1(y, score, [1.0] * len(y)))
    assert found["segment_auc"] == pytest.approx(slow.auc(y, score, [1.0] * len(y)))
    flat = breakdown.moments(mine, "flat")
    assert flat is not None
    assert flat["flips_per_minute"] == 0
    assert breakdown.moments(mine, "absent") is None
    assert breakdown.moments(replace(mine, runs=())) is None


# --- what no fold may hold
# ------------------------------------------------------------------------------------------


def test_two_recordings_are_one_when_they_share_enough_rows() -> None:
    """Three rows at least (or all of a shorter one), and a fifth of the shorter recording."""

    def same(shared: int, first: int, second: int) -> bool:
        a = np.arange(first)
        b = np.r_[np.arange(shared), 1000 + np.arange(second - shared)]
        return guard._same(a, b)

    assert same(3, 15, 15), "exactly a fifth"
    assert not same(3, 16, 16)
    assert not same(2, 10, 10), "two rows of ten"
    assert same(2, 2, 50), "all of a short one"
    assert not same(1, 2, 50)
    assert same(3, 15, 5000), "a fifth of the shorter"
    assert not guard._same(np.zeros(0), np.zeros(0))
    assert not guard._same(np.zeros(0), np.arange(3))


def test_transcripts_are_compared_from_twelve_words_on() -> None:
    def said(n: int) -> Recording:
        return Recording(
            "r", "s", Path("x"), words=tuple(Word(f"W{k}", float(k), float(k)) for k in range(n))
        )

    assert guard._text(said(12)) == tuple(f"w{k}" for k in range(12))
    assert guard._text(said(11)) == ()
    assert guard._text(Recording("r", "s", Path("x"))) == ()


def test_stretches_of_one_file_overlap_only_where_they_share_time(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"x")

    def pairs(second: tuple[float, float], media: Path = film) -> int:
        spans = {"a": (0.0, 2.0), "b": second}
        known = {i: Recording(i, i, media if i == "b" else film) for i in spans}
        return len(guard._overlapping(spans, Reader(lambda i: Features(i, i, {}, spans[i]), known)))

    assert pairs((1.0, 3.0)) == 1
    assert pairs((2.0, 3.0)) == 0, "they touch"
    assert pairs((1.999, 3.0)) == 1
    assert pairs((2.5, 3.0)) == 0
    assert pairs((1.0, 3.0), tmp_path / "other.mp4") == 0


def test_people_on_both_sides() -> None:
    known = {i: Recording(i, i[0], Path("x")) for i in ("a1", "a2", "b1", "c1", "d1")}
    fold = Fold("f", "p", ("a1",), ("b1",), val=("c1",))
    assert guard.people_meet(fold, known) == []
    guard.check_people(fold, known)
    assert guard.people_meet(replace(fold, test=("a2",)), known) == ["a"]
    assert guard.people_meet(replace(fold, val=("a2",), train=(), test=("a1",)), known) == ["a"]
    for wrong, message in (
        (replace(fold, test=("a2", "b1")), "people are in training and in test"),
        (replace(fold, test=("z1",)), "not in the data set"),
        (replace(fold, neutral=("d1",)), "not tested"),
        (replace(fold, few=("d1",)), "not tested"),
        (replace(fold, target=("d1",)), "not tested"),
    ):
        with pytest.raises(BadInput, match=message):
            guard.check_people(wrong, known)
    guard.check_people(replace(fold, test=("a2",), same_people=True), known)
    guard.check_people(replace(fold, test=("a2",), protocol="leave-one-question-out"), known)


# --- streams
# --------------------------------------------------------------------------------------------------------


# --- the card of the words
# ------------------------------------------------------------------------------------------


def test_the_flat_rows_of_a_words_model() -> None:
    for rate, constant in ((0.5, 0.0), (0.51, 1.0), (0.3, 0.0)):
        model: Any = SimpleNamespace(card={"data": {"present": rate}}, prevalence=0.9)
        found = words.flat(model, 3)
        assert found["prevalence"].tolist() == [rate] * 3
        assert found["constant"].tolist() == [constant] * 3, "exactly one half is absent"
    bare: Any = SimpleNamespace(card={}, prevalence=0.7)
    assert words.flat(bare, 1)["prevalence"].tolist() == [0.7]


def test_words_figures_per_question_and_as_plain_values() -> None:
    y, p, q = [1, 0, 1, 1], [0.5, 0.5, 0.9, 0.2], ["2", "2", "1", "1"]
    first, second = words._per_question(np.array(y), np.array(p), np.array(q))
    assert (first["question"], first["n"], first["observed"]) == ("1", 2, 1.0)
    assert first["mean_score"] == pytest.approx(0.55)
    assert (first["accuracy"], second["accuracy"]) == (0.5, 0.5), "one half is absent"
    assert second["auc"] == 0.5
    plain = words.plain(
        {1: np.float64(1 / 3), "a": [np.int64(2), nan, math.inf, "x", None, True], "t": (0.5,)}
    )
    assert plain == {"1": 0.333333, "a": [2, None, None, "x", None, True], "t": [0.5]}
    assert len(words.hashed("anna", "salt")) == 10
    assert words.hashed("anna", "salt") != words.hashed("anna", "pepper")
    metrics_a = {"m": lambda w=None: 0.75 if w is None else w[:, 0]}
    metrics_b = {"m": lambda w=None: 0.5 if w is None else w[:, 1]}
    weights = np.random.default_rng(0).random((60, 2))
    gain = metrics.gains(metrics_a, metrics_b, weights)
    assert gain["m"] == 0.25
    assert gain["ci"]["m"] == pytest.approx(slow.interval((weights[:, 0] - weights[:, 1]).tolist()))
    assert all(a <= b for a, b in itertools.pairwise(sorted(gain["ci"]["m"])))
