"""Labels beside what any predictor wrote: every way of writing it, and everything wrong with it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tests.scoring_world import CLIP, FRAME, Toy

from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.datasets.bah_splits import read_split
from twomind.datasets.protocols import Take
from twomind.evaluation.results import Asked, Judge
from twomind.evaluation.results_files import held_out_table, read_results
from twomind.pipeline.results import Wanted, score_results
from twomind.reporting.leaderboard import PageSettings
from twomind.types import AMBIVALENCE

TWO = ("absent", "present")
FEW = PageSettings(n_bootstrap=100)


def video(person: int, q: int) -> str:
    return f"{person}_Question_{q}_2024-01-01_10-00-00_Video"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Split files in the public form: 12 people to learn from, 6 to be judged."""
    folder = tmp_path_factory.mktemp("bah")
    rng = np.random.default_rng(3)
    for name, people in (("train", range(12)), ("test", range(50, 56))):
        lines = []
        for person in people:
            for q in range(1, 8):
                label = int(rng.random() < (0.2 if q < 4 else 0.8))
                words = " ".join(f"w{person}x{k}" for k in range(10 + 5 * q + label))
                path = f"Videos/{person}/Visite_1/{video(person, q)}.mp4"
                lines.append(f"{path},{label},{words}")
        (folder / f"{name}.txt").write_text("\n".join(lines))
    return folder


def truth(data: Path) -> dict[str, int]:
    return {one.id: one.label for one in read_split(data / "test.txt").answers}


def written(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def scores(data: Path, seed: int = 0) -> dict[str, float]:
    """A predictor that is right more often than not."""
    rng = np.random.default_rng(seed)
    return {
        name: float(np.clip(0.3 + 0.4 * y + 0.2 * rng.standard_normal(), 0.01, 0.99))
        for name, y in truth(data).items()
    }


def judged(path: Path, data: Path, **asked: Any) -> dict[str, Any]:
    return score_results(Wanted((str(path),), data, asked=Asked(**asked), page=FEW)).found


def line(found: Mapping[str, Any], name: str) -> Any:
    (board,) = found["boards"]
    return next(one for one in board["lines"] if one["name"] == name)


# --- figures


def test_figures_are_those_of_the_scores_beside_shortcuts_of_training_people(
    data: Path, tmp_path: Path
) -> None:
    said = scores(data)
    path = written(tmp_path / "mine.csv", [{"id": k, "score": v} for k, v in said.items()])
    found = judged(path, data)
    y = np.array(list(truth(data).values()))
    p = np.array(list(said.values()))
    figures = line(found, "mine")["figures"]
    assert figures["war"]["value"] == pytest.approx(np.mean((p > 0.5) == y))
    assert figures["brier"]["value"] == pytest.approx(np.mean((p - y) ** 2))
    pairs = (p[y == 1][:, None] > p[y == 0][None]).mean()
    assert figures["auc"]["value"] == pytest.approx(pairs)
    # the question's rate among training people, by hand
    train = read_split(data / "train.txt").answers
    rate = {q: np.mean([a.label for a in train if a.question == q]) for q in "1234567"}
    asked = np.array([rate[name.split("_")[2]] for name in truth(data)])
    only = line(found, "question only")["figures"]
    assert only["war"]["value"] == pytest.approx(np.mean((asked > 0.5) == y))
    assert only["within_question_auc"]["value"] == pytest.approx(0.5)
    assert line(found, "length + question")["kind"] == "shortcut"
    (fit,) = found["results"]
    assert fit["coverage"] == 1.0
    assert fit["without_a_row"] == fit["unknown"] == fit["not_judged"] == 0


FORMS = ["path", "beside", "blank", "capitals", "p0p1", "classes", "tsv", "challenge"]


@pytest.mark.parametrize("form", FORMS)
def test_every_way_of_writing_the_same_says_the_same(form: str, data: Path, tmp_path: Path) -> None:
    said = scores(data)
    rows: list[dict[str, object]] = [{"id": k, "score": v} for k, v in said.items()]
    path = tmp_path / "mine.csv"
    if form == "path":
        rows = [{"path": f"Videos/5/Visite_1/{k}.mp4", "p1": v} for k, v in said.items()]
    elif form == "beside":
        rows = [{"path": "my film.mp4", "id": k, "score": v} for k, v in said.items()]
    elif form == "capitals":
        rows = [{"ID": k, "Score ": v, "Reason": ""} for k, v in said.items()]
    elif form == "blank":
        rows = [{"video": k.replace("01_10", "01 10"), "prob": v} for k, v in said.items()]
    elif form == "p0p1":
        rows = [{"id": k, "p0": 1 - v, "p1": v} for k, v in said.items()]
    elif form == "classes":
        rows = [{"id": k, "present": v, "absent": 1 - v} for k, v in said.items()]
    elif form == "challenge":
        rows = [
            {"video_id": k, "p0": 1 - v, "p1": v, "label": int(v > 0.5)} for k, v in said.items()
        ]
    written(path, rows)
    if form == "tsv":
        path = tmp_path / "mine.tsv"
        path.write_text((tmp_path / "mine.csv").read_text().replace(",", "\t"))
    plain = written(tmp_path / "plain.csv", [{"id": k, "score": v} for k, v in said.items()])
    (got,), (wanted,) = read_results(path, TWO), read_results(plain, TWO)
    judge = Judge(_bah(data))
    a = judge.judge(got, AMBIVALENCE).runs[0].rows["recording"].probs
    b = judge.judge(wanted, AMBIVALENCE).runs[0].rows["recording"].probs
    np.testing.assert_allclose(a, b, atol=1e-12)


def _bah(data: Path) -> Any:
    from twomind.datasets import open_dataset

    return open_dataset(data)


def test_several_predictors_stand_on_one_board_with_their_paired_gain(
    data: Path, tmp_path: Path
) -> None:
    for seed in (0, 1):
        said = scores(data, seed)
        rows = [{"id": k, "score": v} for k, v in said.items()]
        written(tmp_path / f"m{seed}.csv", rows)
    given = (f"first={tmp_path / 'm0.csv'}", f"second={tmp_path / 'm1.csv'}")
    made = score_results(Wanted(given, data, page=FEW), tmp_path / "out")
    (board,) = made.found["boards"]
    assert {"first", "second", "question only"} <= {one["name"] for one in board["lines"]}
    (pair,) = board["against_each_other"]
    assert {pair["a"], pair["b"]} == {"first", "second"}
    # the runs that were kept make the same page again
    done = CliRunner().invoke(
        main,
        [
            "score",
            "report",
            str(tmp_path / "out" / "runs"),
            "--out",
            str(tmp_path / "again"),
            "--bootstrap",
            "100",
            "--json",
        ],
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["boards"][0]["lines"] == board["lines"]
    with pytest.raises(BadInput, match="both called 'm0'"):
        score_results(Wanted((str(tmp_path / "m0.csv"),) * 2, data, page=FEW))


def test_own_decisions_have_a_line_and_no_rank_changes(data: Path, tmp_path: Path) -> None:
    said = scores(data)
    rows = [{"id": k, "score": v, "label": int(v > 0.37)} for k, v in said.items()]
    found = judged(written(tmp_path / "mine.csv", rows), data)
    (fit,) = found["results"]
    assert max(v for v in said.values() if v <= 0.37) < fit["threshold"]
    assert fit["threshold"] < min(v for v in said.values() if v > 0.37)
    own = line(found, f"mine, decided above {fit['threshold']:.3g}")
    y = np.array(list(truth(data).values()))
    yes = np.array(list(said.values())) > 0.37
    assert own["figures"]["war"]["value"] == pytest.approx(np.mean(yes == y))
    assert own["figures"]["auc"] == line(found, "mine")["figures"]["auc"]
    # labels that are the truth are not taken for decisions
    for row, label in zip(rows, y, strict=True):
        row["label"] = int(label)
    with pytest.raises(BadInput, match="does not follow from the score"):
        judged(written(tmp_path / "truth.csv", rows), data)


def test_bare_answers_are_judged(data: Path, tmp_path: Path) -> None:
    rows = [{"id": k, "label": TWO[int(v > 0.5)]} for k, v in scores(data).items()]
    found = judged(written(tmp_path / "bare.csv", rows), data)
    y = np.array(list(truth(data).values()))
    right = np.mean([(v > 0.5) == t for v, t in zip(scores(data).values(), y, strict=True)])
    assert line(found, "bare")["figures"]["war"]["value"] == pytest.approx(right)


def test_what_is_missing_is_counted_and_counts_as_the_training_rate(
    data: Path, tmp_path: Path
) -> None:
    said = list(scores(data).items())
    rows = [{"id": k, "score": v, "reason": ""} for k, v in said[:-3]]
    rows[0] |= {"score": "", "reason": "no face"}
    rows.append({"id": video(3, 1), "score": 0.5, "reason": ""})  # a training person's
    found = judged(written(tmp_path / "mine.csv", rows), data)
    (fit,) = found["results"]
    assert (fit["without_a_row"], fit["not_judged"], fit["judged"]) == (3, 1, len(said))
    assert fit["coverage"] == pytest.approx((len(said) - 4) / len(said))
    assert line(found, "mine")["coverage"] == fit["coverage"]


def test_no_adaptation_has_a_row_where_it_was_said(data: Path, tmp_path: Path) -> None:
    rows = [{"id": k, "score": v, "no_adaptation": 1 - v} for k, v in scores(data).items()]
    found = judged(written(tmp_path / "mine.csv", rows), data)
    base = line(found, "no adaptation")["figures"]["war"]["value"]
    adapted = line(found, "adapted")
    assert base == pytest.approx(1 - adapted["figures"]["war"]["value"])
    assert adapted["against_no_adaptation"]["n_harmed"] >= 0
    # and none where it was not
    plain = written(tmp_path / "p.csv", [{"id": k, "score": v} for k, v in scores(data).items()])
    assert {one["kind"] for one in judged(plain, data)["boards"][0]["lines"]} == {
        "shortcut",
        "base",
    }


# --- folders


def summaries(folder: Path, said: Mapping[str, float], **more: object) -> Path:
    for name, p in said.items():
        place = folder / name
        place.mkdir(parents=True)
        entry = {
            "schema": "twomind.answer/1",
            "recording": name,
            "model": {"classes": list(TWO)},
            "prediction": {"status": "ok", "reason": "", "probability": p, **more},
        }
        (place / "summary.json").write_text(json.dumps(entry))
    return folder


def test_results_of_predict_with_and_without_adaptation(data: Path, tmp_path: Path) -> None:
    folder = summaries(tmp_path / "res", scores(data), unadapted={"probability": 0.4})
    found = judged(folder, data)
    base = line(found, "no adaptation")["figures"]["brier"]["value"]
    y = np.array(list(truth(data).values()))
    assert base == pytest.approx(np.mean((0.4 - y) ** 2))


def test_a_language_models_bare_words_are_judged_and_said(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "llm"
    for name, y in truth(data).items():
        word = {"kind": "said", "name": TWO[y], "value": float(y)}
        summaries(folder, {name: None}, evidence=[word])  # type: ignore[dict-item]
    found = judged(folder, data)
    assert line(found, "llm")["figures"]["macro_f1"]["value"] == 1.0
    assert any("bare word" in note for note in found["boards"][0]["notes"])


def test_a_models_other_order_of_classes_is_refused(data: Path, tmp_path: Path) -> None:
    folder = summaries(tmp_path / "res", scores(data))
    path = next(folder.glob("*/summary.json"))
    entry = json.loads(path.read_text())
    entry["model"]["classes"] = ["present", "absent"]
    path.write_text(json.dumps(entry))
    with pytest.raises(BadInput, match="the model's classes are"):
        judged(folder, data)


def test_a_fusions_folder_has_a_run_per_seed(data: Path, tmp_path: Path) -> None:
    names = list(truth(data))
    for seed in (0, 1):
        p = np.array([scores(data, seed)[name] for name in names])
        place = tmp_path / "fusion" / f"seed-{seed}"
        place.mkdir(parents=True)
        (place / "held-out.csv").write_text(held_out_table(names, np.stack([1 - p, p], axis=1)))
    found = judged(tmp_path / "fusion", data)
    assert [one["seed"] for one in found["results"]] == [0, 1]
    assert line(found, "fusion")["coverage"] == 1.0


# --- moments


SPLIT = {"a": "train", "t": "test"}


class Moving(Toy):
    """The toy with one fold."""

    def folds(self, protocol: str, seed: int) -> tuple[Any, ...]:
        if protocol != "official":
            raise BadInput("only official")
        from twomind.types import Fold

        of = {p: [r.id for r in self.recordings() if r.subject[0] == p] for p in "at"}
        return (Fold("all", protocol, tuple(of["a"]), tuple(of["t"])),)

    def takes(self) -> tuple[Any, ...]:
        return tuple(Take(r.id, r.subject, split=SPLIT[r.subject[0]]) for r in self.recordings())

    def may_be_shown(self, subject: str) -> bool:
        return True


def test_windows_and_moments_are_judged_where_coders_marked(tmp_path: Path) -> None:
    toy = Moving()
    rows = []
    for one in toy.recordings():
        if one.subject[0] != "t":
            continue
        for k in range(8):
            y = int(toy.frame_labels("toy_frames", one.id, np.array([k + 0.5]))[0])
            rows.append(
                {"id": one.id, "start_s": k, "end_s": k + 1, "score": 0.9 if y == 1 else 0.1}
            )
    (windows,) = read_results(written(tmp_path / "w.csv", rows), TWO)
    judge = Judge(toy)  # type: ignore[arg-type]
    assert judge.task_for([windows]) == FRAME
    (run,) = judge.judge(windows, FRAME).runs
    frames = run.rows["frame"]
    coded = frames.y >= 0
    assert coded.any()
    assert (frames.probs[coded].argmax(axis=1) == frames.y[coded]).all()
    assert "position" in frames.beside
    # moments last until the next one: the same figures
    moments = [{"id": r["id"], "time_s": r["start_s"], "score": r["score"]} for r in rows]
    (points,) = read_results(written(tmp_path / "m.csv", moments), TWO)
    again = judge.judge(points, FRAME).runs[0].rows["frame"]
    np.testing.assert_array_equal(again.probs, frames.probs)
    # frames at the very end, and a window that reaches over it, are rounding
    over = [{"id": rows[0]["id"], "start_s": s, "end_s": s + 2, "score": 0.5} for s in (-1, 5.5, 8)]
    (accepted,) = read_results(written(tmp_path / "o.csv", over), TWO)
    assert judge.matched(accepted)[1]["rows"] == 3
    # of a clip task, windows are pooled to recordings
    whole = judge.judge(windows, CLIP).runs[0].rows["recording"]
    assert np.isfinite(whole.probs).all()


@pytest.mark.parametrize(
    ("column", "start_s", "told"),
    [
        ("start_s", 20, r"line 3: .* from 20 to 21 s lies outside '.*', which lasts 8 s"),
        ("start_s", -5, "line 3: .* from -5 to -4 s lies outside"),
        ("time_s", 20, "line 3: .* from 20 to 40 s lies outside"),
    ],
)
def test_windows_outside_the_recording_are_refused(
    column: str, start_s: float, told: str, tmp_path: Path
) -> None:
    toy = Moving()
    name = next(one.id for one in toy.recordings() if one.subject[0] == "t")
    rows = [{"id": name, column: s, "score": 0.5} for s in (0, start_s)]
    if column == "start_s":
        for row in rows:
            row["end_s"] = row["start_s"] + 1
    (windows,) = read_results(written(tmp_path / "w.csv", rows), TWO)
    with pytest.raises(BadInput, match=told):
        Judge(toy).matched(windows)  # type: ignore[arg-type]


def test_where_the_length_is_not_known_windows_before_the_beginning_are_refused(
    data: Path, tmp_path: Path
) -> None:
    far = [{"id": k, "start_s": 9e3, "end_s": 9.1e3, "score": 0.5} for k in truth(data)]
    (late,) = read_results(written(tmp_path / "late.csv", far), TWO)
    assert Judge(_bah(data)).matched(late)[1]["unknown"] == 0
    early = [{"id": k, "start_s": -2, "end_s": -1, "score": 0.5} for k in truth(data)]
    with pytest.raises(BadInput, match=r"lies outside '50_Question[^,]*'; expected seconds"):
        judged(written(tmp_path / "early.csv", early), data)


def test_frames_without_a_known_time_are_refused(data: Path, tmp_path: Path) -> None:
    rows = [{"id": f"{k}/frame-{n}.jpg", "label": 0} for k in list(truth(data))[:1] for n in (0, 1)]
    with pytest.raises(BadInput, match=r"frame 0 is not known.*give time_s"):
        judged(written(tmp_path / "f.csv", rows), data)


# --- what is wrong with a file

BAD: dict[str, tuple[str, str]] = {
    "a score above 1": ("id,score\nA,1.2\n", "line 2, score: expected a probability between 0 and"),
    "a logit": ("id,score\nA,-3\n", "turn logits or percent into probabilities"),
    "a word": ("id,score\nA,yes\n", "line 2, score: expected a probability, got 'yes'"),
    "infinite": ("id,score\nA,inf\n", "between 0 and 1, got inf"),
    "twice": ("id,score\nA,.1\nB,.2\nA,.1\n", "line 4: 'A' is there twice, first at .*line 2"),
    "no header": ("A,0.4\nB,0.3\n", "expected a header with id and score"),
    "no score": ("id,other\nA,0.4\n", "expected a header with id and score"),
    "nothing": ("", "expected a header"),
    "only the header": ("id,score\n", "only the header"),
    "no id": ("id,score\n,0.4\n", "line 2: the column id is empty"),
    "sum": ("id,p0,p1\nA,.4,.4\n", "sum to 1, got 0.800"),
    "label": ("id,label\nA,2\n", "expected a label 0 … 1 or one of absent, present, got '2'"),
    "backwards": ("id,start_s,end_s,score\nA,2,1,.4\n", "expected start_s < end_s"),
    "half a span": ("id,start_s,score\nA,2,.4\n", "expected start_s and end_s together"),
    "no time": ("id,time_s,score\nA,soon,.4\n", "time_s: expected seconds"),
    "a decimal comma": ("id,score\nA,0.4\nB,0,137\n", "line 3: more cells .*a point .0.5, not 0,5"),
    "a column twice": ("id,score,score\nA,.1,.9\n", "column 'score' is there twice"),
    "two scores": ("id,prob,score\nA,.1,.9\n", "the score is there more than once: score and prob"),
    "one of two and all": ("id,p0,p1,p\nA,.1,.9,.2\n", "more than once: p0,p1 and p"),
    "numbers and names": ("id,p0,p1,absent,present\nA,.1,.9,.2,.8\n", "p0,p1 and absent,present"),
    "two decisions": ("id,label,decision\nA,0,1\n", "decision is there more than once: label and"),
    "two ids": ("video_id,recording,score\nA,B,.1\n", "id is there more than once: video_id and"),
    "capitals": ("id,Score,SCORE\nA,.1,.2\n", "'Score' and 'SCORE' mean the same"),
    "window and moment": (
        "id,start_s,end_s,time_s,p\nA,0,1,0,.1\n",
        "of a window .* or of a moment",
    ),
    "semicolons": ("id;score\nA;0,4\n", "expected commas between the columns, got semicolons"),
    "tabs": ("id\tscore\nA\t.4\n", "expected commas between the columns, got tabs"),
    "latin-1": ("id,score\n\xe9,0.5\n", "UTF-8"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_says_where_and_what_was_expected(what: str, tmp_path: Path) -> None:
    text, wanted = BAD[what]
    path = tmp_path / "bad.csv"
    path.write_bytes(text.encode("latin-1" if what == "latin-1" else "utf-8"))
    with pytest.raises(BadInput, match=wanted):
        read_results(path, TWO)


def test_unknown_ids_are_named_with_the_nearest(data: Path, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"id": k, "score": v} for k, v in scores(data).items()]
    rows.append({"id": video(50, 8), "score": 0.5})
    path = written(tmp_path / "mine.csv", rows)
    with pytest.raises(BadInput, match=r"1 of .* did you mean '50_Question_.*--skip-unknown"):
        judged(path, data)
    (fit,) = judged(path, data, skip_unknown=True)["results"]
    assert fit["unknown"] == 1
    rows = [{"id": f"x{k}", "score": 0.5} for k in range(3)]
    with pytest.raises(BadInput, match="3 of 3 ids"):
        judged(written(tmp_path / "other.csv", rows), data, skip_unknown=True)
    # the same recording under two names
    rows = [{"id": video(50, 1), "score": 0.5}, {"id": f"a/{video(50, 1)}.mp4", "score": 0.4}]
    with pytest.raises(BadInput, match="a second row for"):
        judged(written(tmp_path / "two.csv", rows), data)
    rows = [{"id": video(3, 1), "score": 0.5}]
    with pytest.raises(BadInput, match="none of its 1 recordings is judged"):
        judged(written(tmp_path / "train.csv", rows), data)


def test_what_is_no_result_says_what_was_expected(data: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file or folder"):
        read_results(tmp_path / "none", TWO)
    with pytest.raises(BadInput, match="found neither"):
        read_results(data, TWO)
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "run.json").write_text("{}")
    with pytest.raises(BadInput, match="`twomind score report`"):
        read_results(tmp_path / "runs", TWO)
    path = written(tmp_path / "mine.csv", [{"id": video(50, 1), "score": 0.5}])
    with pytest.raises(BadInput, match="no task 'pain'"):
        judged(path, data, task="pain")


def test_groups_have_their_rows_with_n(tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    people, rows, said = [], [], []
    for n in range(12):
        name = f"P{n:02d}"
        people.append({"subject": name, "sex": "f" if n % 2 else "m", "age": 20 + 5 * (n % 2)})
        for q in (1, 2):
            rows.append(
                {
                    "path": f"{name}_{q}.mp4",
                    "subject": name,
                    "id": f"{name}_{q}",
                    "question": q,
                    "label": "present" if (n + q) % 3 else "absent",
                }
            )
            said.append({"id": f"{name}_{q}", "score": 0.3 + 0.05 * (n % 8)})
    written(study / "people.csv", people)
    written(study / "recordings.csv", rows)
    path = written(tmp_path / "mine.csv", said)
    done = CliRunner().invoke(
        main, ["score", "results", str(path), "--data", str(study), "--bootstrap", "100", "--json"]
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    groups = {(g["group"], g["value"]): g for g in found["boards"][0]["groups"]}
    assert groups["sex", "f"]["n_people"] == 6
    assert groups["sex", "f"]["n"] == 12
    value, low, high = groups["sex", "f"]["lines"]["mine"]["macro_f1"]
    assert low <= value <= high
    assert found["protocol"] == "people-5"
    done = CliRunner().invoke(
        main, ["score", "results", str(path), "--data", str(study), "--bootstrap", "100"]
    )
    assert "sex: f" in done.output
    assert "coverage 100 %" in done.output


def test_people_beside_split_files_are_told_apart_as_by_score_words(
    data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "split"
    folder.mkdir()
    for name in ("train.txt", "test.txt"):
        (folder / name).write_text((data / name).read_text())
    people = [{"subject": str(n), "sex": "f"} for n in range(50, 56)]
    written(folder / "people.csv", people)
    path = written(tmp_path / "mine.csv", [{"id": k, "score": v} for k, v in scores(data).items()])
    (group,) = judged(path, folder)["boards"][0]["groups"]
    assert (group["group"], group["value"], group["n_people"]) == ("sex", "f", 6)
    done = CliRunner().invoke(
        main, ["score", "words", "--data", str(folder), "--split", "test", "--json"]
    )
    assert done.exit_code == 0, done.output
    (same,) = json.loads(done.stdout)["per_group"]
    assert (same["group"], same["value"], same["n_people"]) == ("sex", "f", 6)


def test_split_files_in_another_encoding_are_bad_input(data: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "mine.csv", [{"id": video(50, 1), "score": 0.5}])
    folder = tmp_path / "latin"
    folder.mkdir()
    (folder / "test.txt").write_text((data / "test.txt").read_text())
    text = (data / "train.txt").read_text() + "\u00e9t\u00e9"
    (folder / "train.txt").write_bytes(text.encode("latin-1"))
    done = CliRunner().invoke(main, ["score", "results", str(path), "--data", str(folder)])
    assert done.exit_code == 3
    assert f"{folder / 'train.txt'}: expected a text in UTF-8" in done.output
