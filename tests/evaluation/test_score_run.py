"""The harness: what a method gets, what no fold may contain, shortcut rows by hand, and a run that
survives.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scoring_world as w
from twomind.core.errors import BadInput, Partial
from twomind.evaluation import leaks as guard
from twomind.evaluation import metrics, runs
from twomind.evaluation.compare import Comparison, compare
from twomind.evaluation.run import RunOptions, Windows, embedding_summary, run
from twomind.types import Access, Fold, Given, Rows, Task

TOY = w.Toy()
FOLD = TOY.folds("all", 0)[0]


def go(
    adapter: Any = None, fold: Fold = FOLD, task: Task = w.CLIP, dataset: Any = TOY, **more: Any
) -> Any:
    options = {"windows": Windows(2.0), **more}
    return run(
        fold,
        dataset,
        options.pop("features", dataset.features),
        w.Model(task),
        adapter or w.Plain(),
        RunOptions(task, **options),
    )


# --- what a method gets
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["source", "target", "neutral", "few"])
def test_reaching_for_what_was_not_declared_raises(part: str) -> None:
    with pytest.raises(guard.Reached, match=f"reached for given.{part}"):
        go(w.Reaches(part=part))


def test_a_method_gets_what_it_declared_and_nothing_that_leads_to_a_label() -> None:
    seen: list[Any] = []

    @dataclass(frozen=True)
    class Looks(w.Offset):
        def begin(self, model: Any, given: Given) -> Any:
            seen.append(given)
            return super().begin(model, given)

        def step(self, model: Any, state: Any, x: Any) -> Any:
            seen.append(x)
            return super().step(model, state, x)

    go(Looks())
    given = [s for s in seen if isinstance(s, Given)]
    windows = [s for s in seen if not isinstance(s, Given)]
    assert len(given) == 4
    assert all(g.access is Access.NEUTRAL for g in given)
    assert {x.subject for g in given[:1] for x in g.neutral or ()} == {"t0"}
    for x in (*windows, *(x for g in given for x in g.neutral or ())):
        assert not hasattr(x, "y")
        assert "_" not in x.recording, "the recording's own name may hold its label"
    with pytest.raises(guard.Reached):
        _ = given[0].source


def test_labels_come_with_source_and_few_only() -> None:
    fold = replace(
        FOLD,
        few=("t0_1", "t1_1", "t2_1", "t3_1"),
        test=tuple(i for i in FOLD.test if not i.endswith("_1")),
    )
    got: list[Given] = []

    @dataclass(frozen=True)
    class Few(w.Plain):
        @property
        def needs(self) -> Access:
            return Access.FEW | Access.SOURCE | Access.SUMMARY

        def begin(self, model: Any, given: Given) -> Any:
            got.append(given)
            return {}

    @dataclass(frozen=True)
    class Means:
        def pooled(self, x: Any) -> np.ndarray:
            return x.tracks["embedding"].values.mean(axis=0)

    found = go(Few(), fold, summary=embedding_summary(Means()))
    assert found.saw.words() == "source+summary+few"
    assert found.seen["few"] == {"recordings": 4, "windows": 16}
    assert found.seen["source"] == {"recordings": 24, "windows": 96}
    # t1 is person 2 of the shifted order: 2 < 1 is false.
    assert [e.y for g in got[:2] for e in g.few or ()] == [TOY.label("toy", "t0_1")] * 4 + [
        TOY.label("toy", "t1_1")
    ] * 4
    assert got[0].summary is not None
    assert got[0].summary["prototypes"].shape == (2, 6)


def test_a_data_set_cannot_hide_in_a_method() -> None:
    @dataclass(frozen=True)
    class Carries(w.Plain):
        dataset: Any = field(default=TOY)

    with pytest.raises(BadInput, match="plain values"):
        go(Carries(dataset=object()))


def test_settings_of_a_wrapped_method_are_kept_with_its_name() -> None:
    @dataclass(frozen=True)
    class Around(w.Plain):
        inner: Any = field(default=w.Offset(0.5))
        limit: float = 2.0

    assert guard.config_of(Around()) == {"inner": {"is": "Offset", "strength": 0.5}, "limit": 2.0}
    assert go(Around()).config["inner"]["is"] == "Offset"


@pytest.mark.parametrize(
    ("adapter", "more", "message"),
    [
        (w.Offset(), {"fold": replace(FOLD, neutral=())}, "no neutral to hand over"),
        (w.Offset(), {"allowed": Access.TARGET}, "forbids neutral"),
        (w.Offset(), {"fold": replace(FOLD, neutral=("t0_neutral",))}, "'t1' has no neutral"),
    ],
)
def test_a_protocol_that_does_not_hand_it_over_refuses_the_method(
    adapter: Any, more: Any, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        go(adapter, **more)


# --- what no fold may contain
# ----------------------------------------------------------------------------------------


def test_a_person_on_both_sides_raises_unless_the_protocol_means_it() -> None:
    fold = Fold("q", "one-question-out", ("t0_1", *FOLD.train), ("t0_2", "t0_4"))
    with pytest.raises(BadInput, match=r"people are in training and in test: \['t0'\]"):
        go(fold=fold)
    assert len(go(fold=replace(fold, same_people=True)).rows["recording"]) == 2
    about_questions = go(fold=replace(fold, protocol="leave-one-question-out"))
    assert about_questions.fold.same_people, "tables must say that people met"
    assert not go().fold.same_people
    from twomind.evaluation.board import boards
    from twomind.reporting.leaderboard_tables import about

    [found] = boards([about_questions], n_bootstrap=100)
    assert "nothing about people never seen" in about(found)


def _copy(world: Any, new: str, old: str, words: bool = False) -> tuple[Any, Any]:
    """A data set in which ``new`` has the content of ``old``."""
    records = {r.id: r for r in world.recordings()}
    given_words = records[old].words if words else records[new].words
    changed = tuple(replace(r, words=given_words) if r.id == new else r for r in world.recordings())

    @dataclass(frozen=True)
    class Planted(w.Toy):
        def recordings(self) -> Any:
            return changed

        def features(self, recording: str) -> Any:
            x = super().features(old if recording == new and not words else recording)
            return replace(x, recording=recording, subject=recording.split("_")[0])

    planted = Planted()
    return planted, planted.features


@pytest.mark.parametrize("words", [False, True])
def test_a_planted_duplicate_person_raises(words: bool) -> None:
    planted, features = _copy(TOY, "t2_4", "a3_4", words)
    with pytest.raises(
        BadInput, match=r"t2_4 \(of t2\) has the same content as a3_4 \(of a3\) in train"
    ):
        go(dataset=planted, features=features)
    found = go(dataset=planted, features=features, check_content=False)
    assert "not looked for" in found.notes[-1]
    twice, features = _copy(TOY, "t2_4", "t1_2", words)
    with pytest.raises(BadInput, match="in the test"):
        go(dataset=twice, features=features)


def test_clips_cut_from_overlapping_stretches_raise() -> None:
    def features(recording: str) -> Any:
        x = TOY.features(recording)
        if recording != "t1_1":
            return x
        # The last two seconds are the first two of a training clip.
        track, other = x.tracks["embedding"], TOY.features("a0_1").tracks["embedding"]
        values = np.concatenate([track.values[8:], other.values[:8]])
        return replace(x, tracks={"embedding": replace(track, values=values)})

    with pytest.raises(BadInput, match="overlap"):
        go(features=features)


def test_equal_rows_of_counts_and_flags_are_no_duplicate() -> None:
    rng = np.random.default_rng(0)
    flags = rng.integers(0, 2, (32, 8)).astype(np.float32)

    def features(recording: str) -> Any:
        x = TOY.features(recording)
        track = x.tracks["embedding"]
        silent = np.full((32, 6), np.nan, np.float32)
        more = {"words": replace(track, values=flags), "voice": replace(track, values=silent)}
        return replace(x, tracks={**x.tracks, **more})

    assert go(features=features).rows["recording"].y.shape == (16,)
    pixels = rng.integers(0, 256, (32, 3, 4, 3)).astype(np.uint8)

    def same_film(recording: str) -> Any:
        x = features(recording)
        if recording not in ("a1_1", "t1_1"):
            return x
        return replace(
            x, tracks={**x.tracks, "face_crop": replace(x.tracks["embedding"], values=pixels)}
        )

    with pytest.raises(BadInput, match="same content"):
        go(features=same_film)


def test_overlapping_windows_raise() -> None:
    with pytest.raises(BadInput, match="hop_s >= length_s"):
        Windows(2.0, 1.0)
    x = TOY.features("a0_1")
    cut = Windows(3.0).cut(x)
    assert [c.span_s for c in cut] == [(0, 3), (3, 6), (6, 8)]
    assert [c.span_s for c in Windows(3.0, min_share=0.9).cut(x)] == [(0, 3), (3, 6)]
    assert sum(len(c.tracks["embedding"]) for c in cut) == 32
    assert [c.span_s for c in Windows(60.0).cut(x)] == [(0, 8)]


def test_features_of_another_recording_are_refused() -> None:
    with pytest.raises(BadInput, match="belong to something else"):
        go(features=lambda i: TOY.features("a0_1"))


def test_a_permuted_class_order_is_refused() -> None:
    permuted = replace(w.CLIP, classes=w.CLIP.classes[::-1])
    with pytest.raises(BadInput, match="order is a contract"):
        run(FOLD, TOY, TOY.features, w.Model(permuted), w.Plain(), RunOptions(w.CLIP))


def test_a_transductive_protocol_says_so() -> None:
    fold = replace(
        FOLD, target=("t0_1", "t1_1", "t2_1", "t3_1"), transductive=("t0_1", "t1_1", "t2_1", "t3_1")
    )

    @dataclass(frozen=True)
    class Target(w.Plain):
        @property
        def needs(self) -> Access:
            return Access.TARGET

    assert go(Target(), fold).seen == {
        "target": {"recordings": 4, "windows": 16},
        "part_of_the_test": 4,
    }
    assert "part_of_the_test" not in go(w.Plain(), fold).seen


# --- shortcut rows
# ---------------------------------------------------------------------------------------------------


def test_shortcut_rows_are_those_of_the_training_people() -> None:
    rows = go().rows["recording"]
    # 24 training answers, 11 present: 1, 2, 5 and 3 of 6 for the questions 1, 2, 4 and 5.
    assert np.allclose(rows.beside["prevalence"], [13 / 24, 11 / 24])
    assert np.allclose(rows.beside["constant"], [1, 0])
    expected = [np.array([1 - n / 6, n / 6]) for n in (1, 2, 5, 3)]
    assert np.allclose(rows.beside["question_only"], np.tile(expected, (4, 1)))
    # Question 5 has a rate of exactly one half, which is not above one half.
    from twomind.evaluation.classes import decide

    assert decide(rows.beside["question_only"]).tolist() == [0, 0, 1, 0] * 4
    assert (
        metrics.within_question_auc(rows.y, rows.beside["question_only"][:, 1], rows.question)
        == 0.5
    )
    # Present answers are six words longer, so length tells something within questions.
    assert (
        metrics.within_question_auc(rows.y, rows.beside["length_question"][:, 1], rows.question)
        > 0.7
    )
    assert "position" not in rows.beside


def test_length_and_question_is_the_regression_that_it_says() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    from twomind.evaluation import baselines

    rng = np.random.default_rng(0)
    question = rng.choice(["1", "2", "3"], 80)
    length = rng.integers(5, 90, 80).astype(float)
    y = (rng.random(80) < 0.2 + 0.006 * length).astype(int)
    seen = baselines.Seen(question, length, np.full(80, np.nan))
    got = baselines.length_question(seen, y, 2, seen)
    log = np.log1p(length)
    x = np.column_stack(
        [(log - log.mean()) / log.std(), question[:, None] == np.array(["1", "2", "3"])]
    )
    # Two rows of weights with penalty a are one difference with penalty a / 2.
    fitted = linear.LogisticRegression(C=2 / baselines.PENALTY, tol=1e-9, max_iter=5000).fit(x, y)
    assert np.allclose(got, fitted.predict_proba(x), atol=2e-4)


def test_position_stands_in_tables_of_moments() -> None:
    found = go(task=w.FRAME, windows=Windows(1.0))
    rows = found.rows["frame"]
    assert found.level == "frame"
    assert (rows.y == -1).sum() == 16 * 2
    # Per tenth of 8 s: frames of 4–6 s lie in the tenths 5, 6 and 7; 11 of 24 training answers have
    # them.
    at = (rows.span_s.mean(axis=1) / 0.8).astype(int)
    rate = {b: rows.beside["position"][at == b][0, 1] for b in range(10)}
    assert [b for b in range(10) if rate[b] > 0] == [5, 6, 7]
    assert rate[6] == pytest.approx(11 / 24)


def test_no_adaptation_stands_beside_every_method() -> None:
    plain, offset = go(w.Plain()), go(w.Offset())
    for level in ("recording", "window"):
        assert np.array_equal(offset.rows[level].beside["no_adaptation"], plain.rows[level].probs)
        assert not np.allclose(offset.rows[level].probs, plain.rows[level].probs)
    again = go(w.Offset(), unadapted=plain)
    assert np.array_equal(again.rows["window"].beside["no_adaptation"], plain.rows["window"].probs)


def test_what_is_not_measured_carries_no_number_and_is_filled_in_figures_only() -> None:
    def features(recording: str) -> Any:
        x = TOY.features(recording)
        return replace(x, tracks={}, notes={"embedding": "no face"}) if recording == "t1_1" else x

    found = go(features=features)
    rows = found.rows["recording"]
    missing = rows.recording == "t1_1"
    assert np.isnan(rows.probs[missing]).all()
    assert rows.reasons == {"t1_1": "no face"}
    assert np.allclose(runs.filled(rows, found.fill)[missing], [13 / 24, 11 / 24])


def test_rows_are_checked_at_birth() -> None:
    rows = go().rows["recording"]
    with pytest.raises(ValueError, match="expected y in"):
        replace(rows, y=rows.y + 1)
    with pytest.raises(ValueError, match=r"expected subject \(16,\)"):
        replace(rows, subject=rows.subject[:3])
    with pytest.raises(ValueError, match="expected question_only"):
        replace(rows, beside={"question_only": rows.probs[:, :1]})


# --- a run is a file
# -------------------------------------------------------------------------------------------------


def same_rows(a: Rows, b: Rows) -> bool:
    parts = ("recording", "subject", "question", "span_s", "y")
    return all(np.array_equal(getattr(a, p), getattr(b, p)) for p in parts) and np.array_equal(
        a.probs, b.probs, equal_nan=True
    )


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    found = go(w.Offset(), task=w.FRAME, windows=Windows(1.0), out=tmp_path, seed=3)
    [folder] = runs.find_runs([tmp_path])
    back = runs.load_run(folder)
    assert all(same_rows(found.rows[k], back.rows[k]) for k in found.rows)
    assert found.rows.keys() == back.rows.keys()
    for name in found.__dataclass_fields__:
        if name != "rows":
            assert getattr(back, name) == getattr(found, name), name
    entry = json.loads((folder / "run.json").read_text())
    assert entry["saw"] == "neutral"
    assert entry["config"] == {"strength": 1.0}
    assert entry["git"].keys() == {"commit", "changed"}
    assert entry["peak_mb"] > 10
    assert entry["seconds"]["total"] > 0
    assert len(entry["fingerprint"]) == 64
    assert entry["versions"]["numpy"] == np.__version__
    assert set(entry["figures"]["per_person"]) == {"t0", "t1", "t2", "t3"}


class Counted(w.Plain):
    calls = 0

    def step(self, model: Any, state: Any, x: Any) -> Any:
        type(self).calls += 1
        return super().step(model, state, x)


def test_the_same_run_is_read_back_and_a_damaged_or_other_one_is_made_again(tmp_path: Path) -> None:
    def made(**more: Any) -> int:
        Counted.calls = 0
        go(Counted(), out=tmp_path, name="r", **more)
        return Counted.calls

    assert made() == 64
    assert made() == 0
    arrays = tmp_path / "r" / "predictions.safetensors"
    whole = arrays.read_bytes()
    arrays.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BadInput, match="make the run again"):
        runs.load_run(tmp_path / "r")
    assert made() == 64
    assert arrays.read_bytes() == whole
    # Killed between the two files: no run.json, no run.
    (tmp_path / "r" / "run.json").unlink()
    assert made() == 64
    assert made(seed=1) == 64
    assert made(seed=1) == 0
    assert made(seed=1, windows=Windows(4.0)) == 32
    # Another label in the data is another fingerprint.
    other = replace(TOY)
    object.__setattr__(other, "label", lambda task, i: 1 if i == "a0_5" else TOY.label(task, i))
    assert made(seed=1, windows=Windows(4.0)) == 0
    assert go(dataset=other).fingerprint == go().fingerprint  # a0_5 is present already
    object.__setattr__(other, "label", lambda task, i: 0 if i == "a0_5" else TOY.label(task, i))
    assert go(dataset=other).fingerprint != go().fingerprint


def test_compare_runs_every_method_on_every_fold_beside_no_adaptation_and_resumes(
    tmp_path: Path,
) -> None:
    asked: list[str] = []

    def model_for(fold: Fold) -> Any:
        asked.append(fold.name)
        if fold.name == "t2" and len(asked) < 4:
            raise BadInput("the training was stopped")
        return w.Model()

    comparison = Comparison(
        TOY,
        "one-out",
        model_for,
        TOY.features,
        w.CLIP,
        seeds=(0, 1),
        windows=Windows(2.0),
    )

    def go_all(**more: Any) -> Any:
        methods = {"offset": w.Offset(), "counted": Counted()}
        return compare(comparison, methods, tmp_path, **more)

    Counted.calls = 0
    with pytest.raises(Partial, match=r"1 of 4 folds failed.*training was stopped"):
        go_all()
    assert Counted.calls == 3 * 2 * 16
    done: list[tuple[str, float, float]] = []
    found = go_all(progress=lambda *a: done.append(a))
    assert Counted.calls == 4 * 2 * 16, "only the fold that failed may be run"
    assert len(found) == 4 * 2 * 3
    assert {(r.fold.name, r.seed, r.method) for r in found} == {
        (f"t{i}", s, m)
        for i in range(4)
        for s in (0, 1)
        for m in ("source-only", "offset", "counted")
    }
    assert done[-1][1:] == (4, 4)


KILLED = """
import os, sys
sys.path[:0] = [{tests!r}]
import scoring_world as w
from twomind.evaluation.compare import Comparison, compare
from twomind.evaluation.run import Windows
def model_for(fold):
    if fold.name == "t2":
        os.kill(os.getpid(), 9)
    return w.Model()
toy = w.Toy()
asked = Comparison(toy, "one-out", model_for, toy.features, w.CLIP, windows=Windows(2.0))
compare(asked, {{"offset": w.Offset()}}, {out!r})
"""


def test_a_killed_comparison_keeps_what_was_done_and_ends_as_an_undisturbed_one(
    tmp_path: Path,
) -> None:
    code = KILLED.format(tests=str(Path(__file__).parents[1]), out=str(tmp_path / "a"))
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert killed.returncode == -9, killed.stderr.decode()
    assert len(runs.find_runs([tmp_path / "a"])) == 2 * 2

    def go_all(out: Path) -> Any:
        asked = Comparison(
            TOY, "one-out", lambda fold: w.Model(), TOY.features, w.CLIP, windows=Windows(2.0)
        )
        return compare(asked, {"offset": w.Offset()}, out)

    resumed, fresh = go_all(tmp_path / "a"), go_all(tmp_path / "b")
    assert len(resumed) == 8
    for a, b in zip(resumed, fresh, strict=True):
        assert (a.name, a.fingerprint) == (b.name, b.fingerprint)
        assert all(same_rows(a.rows[k], b.rows[k]) for k in a.rows)


def test_scoring_imports_no_torch() -> None:
    code = (
        "import sys, twomind.evaluation.run, twomind.evaluation.runs; sys.exit('torch' in "
        "sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_overlapping_stretches_of_one_film_raise(tmp_path: Path) -> None:
    film = tmp_path / "session.mp4"
    film.write_bytes(b"film")
    changed = tuple(
        replace(r, media=film) if r.id in ("a0_1", "t1_1") else r for r in TOY.recordings()
    )

    @dataclass(frozen=True)
    class OneFilm(w.Toy):
        def recordings(self) -> Any:
            return changed

    with pytest.raises(
        BadInput, match=r"t1_1 \(test\) and a0_1 \(in train\) are overlapping stretches of one file"
    ):
        go(dataset=OneFilm())

    def later(recording: str) -> Any:
        x = TOY.features(recording)
        if recording != "t1_1":
            return x
        track = x.tracks["embedding"]
        return replace(
            x, span_s=(8.0, 16.0), tracks={"embedding": replace(track, times_s=track.times_s + 8)}
        )

    assert go(dataset=OneFilm(), features=later).rows["recording"].span_s[4].tolist() == [8, 16]


def test_several_workers_do_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    toy, methods = w.Toy(n_test=2), {"offset": w.Offset()}
    asked = Comparison(toy, "one-out", w.model_for, TOY.features, w.CLIP, windows=Windows(2.0))
    one = compare(asked, methods, tmp_path / "one")
    two = compare(asked, methods, tmp_path / "two", workers=2)
    assert [r.name for r in one] == [r.name for r in two]
    assert all(
        same_rows(a.rows[k], b.rows[k]) for a, b in zip(one, two, strict=True) for k in a.rows
    )


def test_a_torch_model_and_a_method_by_name(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from twomind.models.embedding import EmbeddingRecogniser

    def model_for(fold: Fold, scale: float = 1.0) -> Any:
        weight = torch.zeros(2, 6)
        weight[1, 0] = scale
        return EmbeddingRecogniser(w.CLIP, {"head.weight": weight, "head.bias": torch.zeros(2)})

    more = {
        "features": TOY.features,
        "task": w.CLIP,
        "windows": Windows(2.0),
        "summary_for": embedding_summary,
    }
    [found] = compare(Comparison(TOY, "all", model_for, **more), ["source-only"], tmp_path)
    assert (found.model, found.method) == ("EmbeddingRecogniser", "source-only")
    key = runs.stored_key(runs.find_runs([tmp_path])[0])
    compare(Comparison(TOY, "all", model_for, **more), ["source-only"], tmp_path)
    assert runs.stored_key(runs.find_runs([tmp_path])[0]) == key
    # Other weights are another run.
    other = Comparison(TOY, "all", lambda fold: model_for(fold, 2.0), **more)
    compare(other, ["source-only"], tmp_path)
    assert runs.stored_key(runs.find_runs([tmp_path])[0]) != key
