"""An encoder that is fine-tuned on coded turns, each with what was said before it."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from twomind.cli.main import main
from twomind.core.errors import BadInput, MissingWeights, TwomindError
from twomind.datasets.talk import CLASSES, said_before
from twomind.datasets.talk_files import read_talk
from twomind.datasets.talks import annomi, mibot
from twomind.encoders.pretrained import Encoder
from twomind.evaluation import change_talk as scoring
from twomind.evaluation.change_talk import Asked, Training
from twomind.models import load
from twomind.models.change_talk.running import RunningSides
from twomind.models.change_talk.tuned import N_BEFORE, N_SAID, pairs_of
from twomind.training import change_talk as training
from twomind.types import Word

pytest.importorskip("sklearn")
pytest.importorskip("torch")
pytest.importorskip("transformers")

import bah_tiny
from twomind.training import change_talk_tuned
from twomind.training.change_talk_tuned import Coded, FineTuning, Work, fine_tuned

FEW = Asked(n_bootstrap=100)
#: What is asked decides what "yes" stands for.
ASKED = {"change": "aaaa", "sustain": "zzzz", "neutral": "mmmm"}
#: A tiny network of letters learns at a rate that would ruin a real one.
FAST = FineTuning(learning_rate=1e-2, head_learning_rate=1e-2, epochs=12, batch=8, withheld=0.1)


@pytest.fixture
def encoder(tmp_path: Path) -> Encoder:
    return Encoder("text", str(bah_tiny.bert(tmp_path / "bert")), offline=True)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six conversations in which everybody says yes, and what is asked decides."""
    rng = np.random.default_rng(0)
    path = tmp_path / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("conversation", "speaker", "order", "text", "label"))
        for k in range(6):
            for order in range(10):
                label = CLASSES[int(rng.integers(3))]
                writer.writerow((f"c{k}", "counsellor", 2 * order, ASKED[label], ""))
                writer.writerow((f"c{k}", "client", 2 * order + 1, "yes", label))
    return path


# --- what was said before


def test_what_was_said_before_is_the_turn_of_somebody_else() -> None:
    said = [
        (5.0, "client", "no"),
        (1.0, "client", "hello"),
        (2.0, "counsellor", "well?"),
        (3.0, "nurse", "and?"),
        (4.0, "client", "yes"),
        (4.0, "client", "yes, as another coder has it"),
    ]
    before = said_before(said)
    of_client = {order: text for (order, who), text in before.items() if who == "client"}
    assert of_client == {1.0: "", 4.0: "and?", 5.0: ""}
    assert before[3.0, "nurse"] == "well?"


def test_every_reader_tells_what_was_said_before(tmp_path: Path, data: Path) -> None:
    for name, one in (("annomi", annomi.AnnoMI), ("mibot", mibot.MIBOT)):
        talk = read_talk(one.fake(tmp_path / name))
        assert {turn.before for turn in talk.turns} == {"tell me more"}
    assert all(turn.before == ASKED[turn.label] for turn in read_talk(data).turns)


# --- the network


def test_a_pair_is_the_end_of_what_was_said_and_the_beginning_of_the_answer(
    encoder: Encoder,
) -> None:
    pairs = pairs_of(encoder, ["b " * 200, "c"], [("a " * 99) + "z", ""])
    assert (len(pairs.before[0]), len(pairs.said[0])) == (N_BEFORE, N_SAID)
    z = pairs_of(encoder, ["z"], None).said[0][0]
    assert pairs.before[0][-1] == z
    entry = pairs.batch([0, 1])
    lengths = entry["attention_mask"].sum(dim=1).tolist()
    assert lengths == [3 + N_BEFORE + N_SAID, 4]
    assert entry["token_type_ids"].sum(dim=1).tolist() == [N_SAID + 1, 2]
    withheld = pairs.batch([0], np.array([True]))
    alone = pairs.alone().batch([0])
    assert withheld["input_ids"].tolist() == alone["input_ids"].tolist()


def test_it_reads_the_turn_before(encoder: Encoder, data: Path) -> None:
    """No word of the answer tells anything: with the question it does, alone it does not."""
    coded = Coded.of(read_talk(data), encoder)
    train, test = np.arange(40), np.arange(40, 60)
    made = fine_tuned(encoder, coded, train, FAST)
    pairs = coded.pairs.some(test)
    heard = made.log_probs(pairs).argmax(axis=1) == coded.y[test]
    alone = made.log_probs(pairs.alone()).argmax(axis=1)
    assert heard.mean() > 0.9
    assert len(np.unique(alone)) == 1


def test_columns_are_of_networks_that_did_not_see_the_group(
    encoder: Encoder, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = read_talk(data)
    group = np.array([turn.group for turn in talk.turns])
    fold = training.folds(group, training.Recipe())
    seen: list[set[str]] = []
    real = change_talk_tuned.fine_tuned

    def watched(start: Encoder, coded: Coded, rows: np.ndarray, *rest: Any) -> object:
        seen.append(set(group[rows]))
        return real(start, coded, rows, *rest)

    monkeypatch.setattr(change_talk_tuned, "fine_tuned", watched)
    once = FineTuning(epochs=1)
    work = Work(encoder, Coded.of(talk, encoder), once, tmp_path / "kept")
    columns = work.held_out(fold)
    assert np.isfinite(columns.heard).all()
    own = [set(group[fold == k]) for k in np.unique(fold)]
    assert [names & others for names, others in zip(own, seen, strict=True)] == [set()] * 5
    assert np.exp(columns.alone).sum(axis=1) == pytest.approx(1.0)


def test_an_interrupted_training_goes_on_to_the_same(
    encoder: Encoder, data: Path, tmp_path: Path
) -> None:
    talk = read_talk(data)
    fold = training.folds(np.array([turn.group for turn in talk.turns]), training.Recipe())
    coded, once = Coded.of(talk, encoder), FineTuning(epochs=1)
    whole = Work(encoder, coded, once, tmp_path / "a").held_out(fold)

    def until_third(stage: str, done: float, total: float) -> None:
        if "fold 3" in stage and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Work(encoder, coded, once, tmp_path / "b", until_third).held_out(fold)
    stages: list[str] = []
    again = Work(encoder, coded, once, tmp_path / "b", lambda stage, *_: stages.append(stage))
    assert np.array_equal(again.held_out(fold).heard, whole.heard)
    assert not any("fold 1" in stage or "fold 2" in stage for stage in stages)
    other = Work(encoder, coded, FineTuning(epochs=1, seed=1), tmp_path / "b").held_out(fold)
    assert not np.array_equal(other.heard, whole.heard)


def test_half_of_the_log_odds_is_the_network_s(data: Path) -> None:
    plain = training.table(read_talk(data))
    rng = np.random.default_rng(1)
    columns = np.log(rng.dirichlet(np.ones(3), len(plain)))
    both = training.with_tuned(plain, columns, columns)
    rows = np.arange(len(plain))
    recipe = training.Recipe()
    base = training.fit(plain, rows, recipe).head.logits(plain.x)
    mixed = training.fit(both, rows, recipe).head.logits(both.x)
    assert mixed == pytest.approx((base + columns) / 2)


# --- the commands


def test_train_score_and_use(encoder: Encoder, data: Path, tmp_path: Path) -> None:
    asked = Training(tmp_path / "model", Path(encoder.model), fine_tune=True)
    found = scoring.train_change_talk(data, asked, FEW)
    assert {"encoder_as_it_came", "length_position"} <= set(found["rows"])
    assert len(found["gain_over_encoder_as_it_came"]["interval"]) == 2
    assert found["card"]["fine_tuned"]["epochs"] == 3
    assert not (tmp_path / "model" / "unfinished").exists()
    # It goes where its folder goes, and says the same there.
    moved = tmp_path / "moved"
    shutil.move(tmp_path / "model", moved)
    first = scoring.score_change_talk(data, moved, FEW)
    model = load(moved)
    model.save(tmp_path / "copy")
    second = scoring.score_change_talk(data, tmp_path / "copy", FEW)
    assert first["f1"] == second["f1"]
    said = ["I", "want", "to.", "But", "I", "cannot."]
    words = [Word(w, float(i), i + 0.5) for i, w in enumerate(said)]
    running = RunningSides(model)
    assert len([*running.push(words), *running.close()]) == 2


def test_a_damaged_network_is_refused(encoder: Encoder, data: Path, tmp_path: Path) -> None:
    asked = ["train", "change-talk", "--data", str(data), "--out", str(tmp_path / "model")]
    asked += ["--encoder", encoder.model, "--fine-tune", "--bootstrap", "100"]
    told = CliRunner().invoke(main, asked)
    assert told.exit_code == 0, told.output
    assert "gain of macro-F1 over the encoder as it came" in told.output
    folder = tmp_path / "model" / "fine_tuned"
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(TwomindError, match="damaged"):
            scoring.score_change_talk(data, tmp_path / "model", FEW)
        path.write_bytes(whole)
    shutil.rmtree(folder)
    with pytest.raises(MissingWeights):
        scoring.score_change_talk(data, tmp_path / "model", FEW)


def test_without_an_encoder_there_is_nothing_to_fine_tune(data: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--encoder FOLDER"):
        scoring.train_change_talk(data, Training(tmp_path / "m", fine_tune=True), FEW)
