"""Training and scoring: on made-up people everywhere, and on the public files where they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.datasets.bah_splits import read_split
from twomind.datasets.fakes import unmark_drawn
from twomind.datasets.own import Own
from twomind.evaluation.words import score_words
from twomind.evaluation.words_card import train_words
from twomind.evaluation.words_run import is_drawn
from twomind.models.words.additive import ngram_values
from twomind.models.words.recogniser import WordsRecogniser
from twomind.training import words as wt
from twomind.training.words_grams import count_terms, grams, solve_dual
from twomind.types import Features, Status, Word

HESITANT = [
    "maybe",
    "but",
    "perhaps",
    "i",
    "don't",
    "know",
    "although",
    "i",
    "would",
    "like",
    "to",
    "i",
    "can't",
    "say",
    "however",
]
NEUTRAL = [
    "the",
    "table",
    "stands",
    "in",
    "a",
    "room",
    "with",
    "four",
    "green",
    "chairs",
    "near",
    "some",
    "window",
    "and",
    "it",
    "works",
]
METRICS = ("macro_f1", "ap", "ap_bah", "auc", "within_question_auc", "ece", "brier")


def made_up(folder: Path, n_people: int = 20, seed: int = 0) -> Path:
    """People whose label shows in the question and in hesitant words; three split files in the
    public format.
    """
    rng = np.random.default_rng(seed)
    for name, people in (
        ("train", range(n_people)),
        ("val", range(900, 912)),
        ("test", range(950, 960)),
    ):
        lines = []
        for person in people:
            for q in range(1, 8):
                label = int(rng.random() < (0.2 if q < 4 else 0.8))
                pool = HESITANT + NEUTRAL if label else NEUTRAL
                text = " ".join(rng.choice(pool, rng.integers(15, 40)))
                path = (
                    f"Videos/{person}/Visite_1/{person}_Question_{q}_2024-01-01_10-00-00_Video.mp4"
                )
                lines.append(f"{path},{label},{text}, yes")
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path, dict]:
    pytest.importorskip("sklearn")
    folder = made_up(tmp_path_factory.mktemp("data"))
    out = tmp_path_factory.mktemp("model")
    return folder, out, train_words(folder, out=out, n_repeats=1, n_folds=2, n_bootstrap=50)


def test_training_finds_words_that_carry_the_label(made) -> None:
    folder, out, result = made
    assert result["model"] == str(out / "words.json")
    gain = result["card"]["gain_over_length_question"]
    assert gain["within_question_auc"] > 0.1
    assert gain["ci"]["within_question_auc"][0] > 0
    assert result["card"]["held_out_people"]["question_only"]["within_question_auc"] == 0.5
    assert result["card"]["held_out_split"]["split"] == "val"
    scored = score_words(folder, "test", out, n_bootstrap=50)
    assert scored["auc"] > scored["length_question"]["auc"]
    assert scored["question_withheld"]["auc"] > 0.6


def test_training_is_deterministic(made, tmp_path) -> None:
    folder, out, _ = made
    train_words(folder, out=tmp_path, n_repeats=1, n_folds=2, n_bootstrap=50)
    a, b = (json.loads((f / "words.json").read_text(encoding="utf-8")) for f in (tmp_path, out))
    for model in (a, b):
        model["card"].pop("made")
    assert a == b


def test_the_score_has_every_figure_with_its_interval_and_is_plain_json(made) -> None:
    folder, out, _ = made
    found = score_words(folder, "test", out, n_bootstrap=50)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (
        found["n"],
        found["n_people"],
        found["n_not_scored"],
        found["overlap_with_training"],
    ) == (70, 10, 0, 0)
    for row in ("prevalence_only", "constant", "question_only", "length_question"):
        for name in METRICS:
            for block in (found, found[row]):
                assert isinstance(block[name], float)
                low, high = block["ci"][name]
                assert low <= high
    assert found["question_only"]["within_question_auc"] == 0.5
    assert found["gain_over_length_question"]["auc"] == pytest.approx(
        found["auc"] - found["length_question"]["auc"], abs=2e-6
    )
    assert sum(row["n"] for row in found["per_question"]) == found["n"]
    assert score_words(folder, "train", out, n_bootstrap=5)["overlap_with_training"] == 20


def test_the_table_that_is_printed_carries_its_shortcut_rows(made, monkeypatch) -> None:
    """The training rate and the commoner label stand beside every table, worked out by
    hand here.
    """
    folder, out, result = made
    train = read_split(folder / "train.txt").answers
    rate = np.mean([a.label for a in train])
    y = np.array([a.label for a in read_split(folder / "test.txt").answers])
    found = score_words(folder, "test", out, n_bootstrap=5)
    assert found["prevalence_only"]["brier"] == pytest.approx(np.mean((y - rate) ** 2), abs=1e-6)
    assert found["constant"]["brier"] == pytest.approx(np.mean(y != (rate > 0.5)), abs=1e-6)
    assert found["constant"]["auc"] == found["prevalence_only"]["auc"] == 0.5
    held_out = result["card"]["held_out_people"]
    assert (
        held_out["constant"]["brier"] > held_out["prevalence"]["brier"] > held_out["words"]["brier"]
    )
    monkeypatch.setattr("twomind.evaluation.words_card.train_words", lambda *_, **__: result)
    model = ["--split", "test", "--model", str(out), "--bootstrap", "100"]
    for call in (
        ["score", "words", "--data", str(folder), *model],
        ["train", "words", "--data", str(folder)],
    ):
        done = CliRunner().invoke(main, call)
        assert done.exit_code == 0, done.stderr
        for row in (
            "training rate for everybody",
            "commoner class for everybody",
            "question only",
            "length + question",
        ):
            assert f"{row} (shortcut)" in done.stdout


def test_a_model_of_drawn_people_says_so_and_refuses_real_ones(tmp_path) -> None:
    pytest.importorskip("sklearn")
    study = tmp_path / "study"
    study.mkdir()
    own_table(study / "mine.csv")
    (study / "study.json").write_text('{"drawn": true}', encoding="utf-8")
    card = train_words(
        study / "mine.csv", out=tmp_path / "model", n_repeats=1, n_folds=2, n_bootstrap=5
    )["card"]
    assert card["data"]["drawn"] is True
    assert card["population"].startswith("synthetic people")
    model = WordsRecogniser.load(tmp_path / "model")
    words = tuple(Word(text, i * 0.3, i * 0.3 + 0.2) for i, text in enumerate(HESITANT))
    real = Features("r", "p", {}, (0.0, 5.0), question="Why do you smoke?", words=words)
    with pytest.raises(BadInput, match="learnt from synthetic people"):
        model.predict(real)
    assert model.predict(replace(real, drawn=True)).status is Status.OK
    assert model.allowing_drawn().predict(real).status is Status.OK
    own_table(tmp_path / "real.csv")
    call = [
        "score",
        "words",
        "--data",
        str(tmp_path / "real.csv"),
        "--model",
        str(tmp_path / "model"),
        "--bootstrap",
        "100",
    ]
    assert "this model learnt from synthetic people" in CliRunner().invoke(main, call).stderr


def test_a_listed_film_that_says_so_makes_the_words_those_of_synthetic_people(tmp_path) -> None:
    root = Own.fake(tmp_path / "own")
    (root / "study.json").unlink()
    assert is_drawn(root)
    assert not is_drawn(unmark_drawn(root))


@pytest.mark.slow
def test_a_drawn_study_in_the_public_layout_is_not_called_bah(tmp_path) -> None:
    pytest.importorskip("sklearn")
    folder = tmp_path / "study" / "split"
    folder.mkdir(parents=True)
    made_up(folder)
    (tmp_path / "study" / "DRAWN").write_text("", encoding="utf-8")
    card = train_words(folder, out=tmp_path / "model", n_repeats=1, n_folds=2, n_bootstrap=5)[
        "card"
    ]
    assert "BAH" not in card["data"]["name"]
    assert card["population"].startswith("synthetic people")
    assert not card["form"]


def test_a_folder_in_the_public_layout_is_called_bah_only_when_its_people_are_those_of_bah(
    made, shared
) -> None:
    assert made[2]["card"]["data"]["bah"] is False
    assert "BAH" not in made[2]["card"]["data"]["name"]
    assert made[2]["card"]["population"] == "of the user's own data"
    assert not made[2]["card"]["form"]
    from twomind.evaluation.words_card import _is_public

    assert _is_public(read_split(shared / "data" / "bah_v1" / "train.txt").answers)
    assert not _is_public(read_split(made[0] / "train.txt").answers)


def test_answers_without_words_fall_back_and_are_counted(made, tmp_path) -> None:
    folder, out, _ = made
    lines = (folder / "test.txt").read_text().splitlines()
    lines = [
        ",".join([*line.split(",")[:2], ""]) if i % 7 == 0 else line for i, line in enumerate(lines)
    ]
    (tmp_path / "test.txt").write_text("\n".join([*lines, "broken line"]), encoding="utf-8")
    found = score_words(tmp_path, "test", out, n_bootstrap=20)
    assert (found["n"], found["n_not_scored"], found["n_lines_not_used"]) == (70, 10, 1)
    assert "question-only" in found["not_scored_policy"]
    assert found["scored_only"]["auc"] != found["auc"]


def test_rows_of_a_model_equal_its_parts_also_with_n_grams(made) -> None:
    folder, *_ = made
    data = wt.table(read_split(folder / "train.txt").answers, 5)
    rows = np.arange(40)
    for variant, with_question in (("lexicon", True), ("lexicon", False), ("ngram", True)):
        recipe = wt.Recipe(variant=variant)
        model = wt.scaled(
            wt.fit_once(data, rows, with_question, recipe, recipe.candidates()[0]), 0.8
        )
        expected = wt.logits(model, data, rows)
        for i in rows[:10]:
            parts = model.parts(data.texts[i], str(data.question[i]) if with_question else None)
            assert parts.logit == pytest.approx(expected[i], abs=1e-9)
            assert parts.words.sum() == pytest.approx(parts.content, abs=1e-9)


def test_parts_are_zero_for_the_average_answer(made) -> None:
    folder, *_ = made
    data = wt.table(read_split(folder / "train.txt").answers, 5)
    rows = np.arange(len(data))
    model = wt.fit_once(data, rows, True, wt.Recipe(), (30.0, None))
    even = np.array([1 / np.sum(data.question == q) for q in data.question])
    parts = [model.parts(t, str(q)) for t, q in zip(data.texts, data.question, strict=True)]
    for name in ("question", "length", "content"):
        assert np.average([getattr(p, name) for p in parts], weights=even) == pytest.approx(
            0, abs=1e-9
        )


def test_a_category_that_nobody_used_has_no_rate_and_no_weight(made) -> None:
    folder, *_ = made
    data = wt.table(read_split(folder / "train.txt").answers, 5)
    model = wt.fit_once(data, np.arange(len(data)), True, wt.Recipe(), (30.0, None))
    assert model.content["obligation"] == (0.0, 0.0)
    assert model.content["contrast"][0] > 0


def test_folds_keep_people_together_and_leave_the_question_out(made) -> None:
    folder, *_ = made
    data = wt.table(read_split(folder / "train.txt").answers, 5)
    rows = np.arange(len(data))
    seen = []
    for train, test in wt._splits(data, rows, True, 3, 0):
        assert not set(data.subject[train]) & set(data.subject[test])
        assert not set(data.question[train]) & set(data.question[test])
        seen += list(test)
    assert sorted(seen) == list(rows)


@pytest.mark.parametrize("seed", range(3))
def test_the_dual_solution_is_that_of_the_features(seed: int) -> None:
    """More features than answers, uneven weights and penalties: equal to scikit-learn on the
    features themselves.
    """
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(60, 150)), rng.integers(0, 2, 60)
    weights, penalty = rng.random(60) + 0.2, 10.0 ** rng.uniform(-2, 2, 150)
    scale = 1 / np.sqrt(penalty)
    model = linear_model.LogisticRegression(
        C=1.0, fit_intercept=False, solver="newton-cholesky", tol=1e-10
    )
    expected = model.fit(x * scale, y, sample_weight=weights).coef_[0] * scale
    a = solve_dual((x / penalty) @ x.T, y, weights)
    assert x.T @ a / penalty == pytest.approx(expected, abs=1e-6)


def test_n_gram_values_of_many_equal_those_of_one() -> None:
    said = [["a", "b", "a b", "b"], ["b", "c", "c", "c"], ["a", "c"], ["d"]]
    counts, subject = count_terms(said), np.array(["p", "q", "p", "r"])
    made = grams(counts, np.arange(4), subject, min_people=2)
    # "a" was said by one person only (in two answers), "b" and "c" by two people.
    kept = [counts.terms[j] for j in made.columns]
    assert kept == ["b", "c"]
    assert made.idf == pytest.approx(np.log(5 / 3) + 1)
    table = made.values.toarray()
    for terms, row in zip(said, table, strict=True):
        expected = ngram_values(terms, dict(zip(kept, made.idf, strict=True)))
        assert row == pytest.approx([expected.get(t, 0.0) for t in kept])
    assert made.products == pytest.approx(table @ table.T)


def own_table(path: Path) -> list[str]:
    rng = np.random.default_rng(1)
    rows = ["subject,question,label,transcript"]
    for person in range(12):
        for question in ("Why do you smoke?", "What about sport?"):
            label = int(rng.random() < 0.5)
            rows.append(
                f'p{person},{question},{label},"{" ".join(rng.choice(HESITANT if label else NEUTRAL, 20))}"'
            )
    path.write_text("\n".join(rows), encoding="utf-8")
    return rows


@pytest.mark.parametrize("variant", ["lexicon", "ngram"])
def test_own_transcripts_with_own_questions(variant: str, tmp_path) -> None:
    pytest.importorskip("sklearn")
    path = tmp_path / "mine.csv"
    rows = own_table(path)
    small = {"n_repeats": 1, "n_folds": 2, "n_bootstrap": 10}
    result = train_words(path, variant=variant, out=tmp_path / "model", **small)
    model = WordsRecogniser.load(tmp_path / "model")
    assert set(model.questions) == {"Why do you smoke?", "What about sport?"}
    assert model.head("why do you smoke")[1] == "Why do you smoke?"
    scored = score_words(path, model=model, n_bootstrap=10)
    assert scored["overlap_with_training"] == 12
    assert scored["auc"] > 0.9
    # An n-gram model holds pieces of its transcripts, so it says that it must not be passed on.
    assert result["card"]["shareable"] is (variant == "lexicon")
    assert (model.known.model.ngrams is None) is (variant == "lexicon")
    path.write_text("\n".join(rows[:5]), encoding="utf-8")
    with pytest.raises(BadInput, match="people"):
        train_words(path, variant=variant, out=tmp_path / "few", **small)
    with pytest.raises(BadInput, match="variant"):
        train_words(path, variant="x", out=tmp_path / "few", **small)


LINE = '{person},{question},{label},"{text}"'


def rows_of(
    n_people: int, labels: str = "01", questions: tuple[str, ...] = ("a", "b")
) -> list[str]:
    rng = np.random.default_rng(2)
    return [
        LINE.format(
            person=p,
            question=q,
            label=labels[(p + i) % len(labels)],
            text=" ".join(rng.choice(NEUTRAL, 12)),
        )
        for p in range(n_people)
        for i, q in enumerate(questions)
    ]


ONLY_BY_QUESTION = [*rows_of(12, "0", ("a",)), *rows_of(12, "1", ("b",))]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (rows_of(4), "got 4 people"),
        (rows_of(12, "1"), "0 of them with the label 0"),
        (
            [
                *rows_of(12, "0"),
                LINE.format(person=1, question="a", label=1, text=" ".join(NEUTRAL)),
            ],
            "1 with the label 1",
        ),
        (ONLY_BY_QUESTION, "no question can be left out"),
        ([], "only the header"),
        (["1,a,1,two words", "2,a,0,two words"], "at least 5 words"),
        (["1,a,yes,some words that are enough"], "expected the label 0 or 1, got 'yes'"),
        (None, "missing: subject, question, label, transcript"),
    ],
)
def test_data_that_cannot_be_trained_on_says_why_and_writes_nothing(
    rows, message: str, tmp_path
) -> None:
    pytest.importorskip("sklearn")
    path = tmp_path / "mine.csv"
    path.write_text(
        "" if rows is None else "\n".join(["subject,question,label,transcript", *rows]),
        encoding="utf-8",
    )
    done = CliRunner().invoke(
        main, ["train", "words", "--data", str(path), "--out", str(tmp_path / "m"), "--json"]
    )
    assert done.exit_code == BadInput.exit_code
    assert message in json.loads(done.stdout)["error"]["message"]
    assert not (tmp_path / "m").exists()


def test_data_that_is_not_there() -> None:
    for verb in ("train", "score"):
        done = CliRunner().invoke(main, [verb, "words", "--data", "nowhere.csv"])
        assert done.exit_code == BadInput.exit_code
        assert "no file or folder nowhere.csv" in done.stderr


def test_a_question_with_one_label_is_left_out_of_the_own_prompt_figures(tmp_path) -> None:
    """Without question a, only one label is left; its answers then have no figure, the
    others do.
    """
    pytest.importorskip("sklearn")
    path = tmp_path / "mine.csv"
    rows = [*rows_of(12, "01", ("a",)), *rows_of(12, "1", ("b", "c"))]
    path.write_text("\n".join(["subject,question,label,transcript", *rows]), encoding="utf-8")
    card = train_words(path, out=tmp_path / "m", n_repeats=1, n_folds=2, n_bootstrap=10)["card"]
    assert card["data"]["answers"] == 36
    assert WordsRecogniser.load(tmp_path / "m").skill("unknown")["n_answers"] == 24


@pytest.mark.slow
def test_training_tells_its_progress_and_an_interruption_leaves_the_old_model(
    made, tmp_path
) -> None:
    folder, *_ = made
    small = {"n_repeats": 1, "n_folds": 2, "n_bootstrap": 10}
    heard: list[tuple[str, float, float]] = []
    train_words(folder, out=tmp_path, progress=lambda *step: heard.append(step), **small)
    assert [done for _, done, _ in heard] == list(range(1, len(heard) + 1))
    assert {total for *_, total in heard} == {len(heard)}
    before = (tmp_path / "words.json").read_bytes()

    def interrupt(what: str, done: float, total: float) -> None:
        if done == len(heard):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_words(folder, out=tmp_path, seed=1, progress=interrupt, **small)
    assert [f.name for f in tmp_path.iterdir()] == ["words.json"]
    assert (tmp_path / "words.json").read_bytes() == before


def test_ctrl_c_at_the_command_line_says_that_nothing_was_written(
    made, tmp_path, monkeypatch
) -> None:
    folder, *_ = made

    def interrupted(*_, progress, **__):
        progress("cross-validation", 1, 9)
        raise KeyboardInterrupt

    monkeypatch.setattr("twomind.evaluation.words_card.train_words", interrupted)
    done = CliRunner().invoke(
        main, ["train", "words", "--data", str(folder), "--out", str(tmp_path / "m")]
    )
    assert done.exit_code == 130
    assert "cross-validation (1 of 9 steps)" in done.stderr
    assert "no model was written" in done.stderr


def test_the_shipped_model_on_the_public_validation_people(shared) -> None:
    found = score_words(shared / "data" / "bah_v1", "val", n_bootstrap=200)
    assert found["overlap_with_training"] == 0
    assert found["question_only"]["macro_f1"] == pytest.approx(0.671, abs=5e-4)
    assert found["question_only"]["ap"] == pytest.approx(0.786, abs=5e-4)
    assert found["question_only"]["within_question_auc"] == 0.5
    assert found["auc"] > found["question_only"]["auc"]
    card = WordsRecogniser.load().card["held_out_split"]
    assert found["auc"] == pytest.approx(card["auc"], abs=1e-6)


def test_nothing_that_ships_holds_a_training_transcript(shared) -> None:
    from twomind.models.words.recogniser import SHIPPED

    text = SHIPPED.read_text(encoding="utf-8").lower()
    for name in ("train", "val"):
        for answer in read_split(shared / "data" / "bah_v1" / f"{name}.txt").answers:
            said = answer.transcript.lower().split()
            assert all(" ".join(said[i : i + 5]) not in text for i in range(len(said) - 4))
            assert f'"{answer.subject}"' not in text
