"""Rules of adaptation and training that decide little in most runs: each on a case in which it
decides.

Expected values are written out, or counted in loops from the definition; nothing here is drawn from
a training.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reference.random_clips import clip_model

pytest.importorskip("torch")
pytest.importorskip("sklearn")
import torch

from twomind.adaptation import Step, load_method, pool, stream
from twomind.adaptation.summary import class_means
from twomind.core.errors import BadInput
from twomind.datasets.bah_splits import Answer
from twomind.training import clip_au as clip_au_train
from twomind.training import dsfda as dsfda_train
from twomind.training import fusion as fusion_fit
from twomind.training import pft_losses
from twomind.training import words as words_train
from twomind.types import AMBIVALENCE, Example, Features, Prediction, Task, Track

sfda_world = importlib.import_module("sfda_world")


def _step(recording: str, prediction: Prediction) -> Step:
    return Step(Features(recording, "anna", {}, prediction.span_s, drawn=True), prediction, {})


def test_a_pooled_answer_spans_its_windows_and_means_their_logits() -> None:
    logits = [np.array([0.0, 1.0]), np.array([2.0, 0.0])]
    windows = [Prediction((4.0, 6.0), _softmax(logits[0]), logits=logits[0])]
    windows += [Prediction((1.0, 3.0), _softmax(logits[1]), logits=logits[1])]
    windows += [Prediction.not_measured((7.0, 9.0), 2, "no face")]
    found = pool([_step("one", each) for each in windows])["one"]
    assert found.span_s == (1.0, 9.0)
    np.testing.assert_allclose(found.logits, [1.0, 0.5])
    np.testing.assert_allclose(found.probs, _softmax(np.array([1.0, 0.5])))
    nothing = pool([_step("one", windows[2])])["one"]
    assert (nothing.span_s, nothing.reason) == ((7.0, 9.0), "no face")


def _softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum()


def test_class_means_are_those_of_each_class() -> None:
    rng = np.random.default_rng(3)
    rows, y = rng.normal(size=(7, sfda_world.DIM)), np.array([0, 1, 1, 0, 1, 1, 0])
    model = sfda_world.head(rows, y)
    examples = sfda_world.windows(rows, y, "anna", "one", rng)
    dark = Track(np.zeros((3, sfda_world.DIM), np.float32), np.arange(3.0), np.zeros(3, bool))
    unseen = Features("one", "anna", {"embedding": dark}, (0.0, 3.0), drawn=True)
    found = class_means(model, [*examples, Example(unseen, 0)])
    assert found["class_count"].tolist() == [3, 4]
    for c in (0, 1):
        each = [model.run([example.x])[0][0].numpy() for example in examples if example.y == c]
        np.testing.assert_allclose(found["class_mean"][c], sum(each) / len(each), rtol=1e-5)
    only = class_means(model, [example for example in examples if example.y == 1])
    assert np.isnan(only["class_mean"][0]).all()
    assert only["class_count"].tolist() == [0, 4]


def test_the_released_kl_takes_logits_for_probabilities() -> None:
    """Summed over classes and divided by the rows; ``released_kl_softmax`` takes the probabilities
    that are meant.
    """
    frozen = torch.tensor([[1.0, -0.5, 0.2], [0.3, 0.0, 2.0]])
    translated = torch.tensor([[0.4, 1.5, 0.1], [0.9, 0.2, 0.7]])
    for how, targets in (
        ("released_kl", translated),
        ("released_kl_softmax", translated.softmax(1)),
    ):
        total = 0.0
        for row, target in zip(frozen.tolist(), targets.tolist(), strict=True):
            log_sum = math.log(sum(math.exp(value) for value in row))
            total += sum(
                t * (math.log(t) - (value - log_sum)) for t, value in zip(target, row, strict=True)
            )
        assert float(pft_losses.keep_prediction(frozen, translated, how)) == pytest.approx(
            total / 2, rel=1e-5
        )


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        # (accuracy, mean recall, macro-F1) of every epoch on its own training windows.
        (
            [(0.5, 0.0, 0.5), (0.4, 0.9, 0.4), (0.5, 0.9, 0.5)],
            0,
        ),  # as good is not better, and recall does not count
        (
            [(0.5, 0.0, 0.5), (0.6, 0.0, 0.1), (0.5, 0.0, 0.4)],
            1,
        ),  # higher accuracy; F1 0.4 is below the best, 0.5
        (
            [(0.5, 0.0, 0.5), (0.1, 0.0, 0.6), (0.4, 0.0, 0.5)],
            1,
        ),  # higher F1; accuracy 0.4 is below the best, 0.5
        ([(0.5, 0.0, 0.5), (0.6, 0.0, 0.1), (0.1, 0.0, 0.55)], 2),
    ],
)
def test_clip_au_kept_by_training_keeps_the_last_record_of_accuracy_or_f1(
    monkeypatch: pytest.MonkeyPatch, told: list[tuple[float, float, float]], kept: int
) -> None:
    """The released rule: an epoch that beats all before it in one of the two is kept."""
    rng = np.random.default_rng(5)
    model, _ = clip_model(rng)
    values = rng.normal(size=(6, model.dim)).astype(np.float32)
    track = Track(values, np.arange(6) / 12, np.ones(6, bool))
    examples = []
    for n in range(4):
        x = Features(f"r{n}", f"p{n}", {model.track: track}, (0.0, 0.5), drawn=True)
        examples.append(Example(x, n % 2))
    rows: Iterator[tuple[float, float, float]] = iter(told)
    monkeypatch.setattr(clip_au_train, "_epoch", lambda *_, **__: (1.0, next(rows)))
    how = clip_au_train.TrainSettings(epochs=len(told), keep_by="training")
    done = clip_au_train.train(model, examples, how, validation=[])
    assert done.card["training"]["epoch"] == kept


def test_dsfda_reports_the_mean_of_each_loss_over_the_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = iter([1.0, 2.0, 9.0])

    def source_step(*_: Any) -> dict[str, float]:
        value = next(values)
        return {"critic": value, "cycle": -value}

    monkeypatch.setattr(dsfda_train.steps, "source_step", source_step)
    size = dsfda_train.net.TINY
    people = np.array(["a", "a", "a", "b", "b", "b"])
    data = dsfda_train.Pictures(
        torch.zeros(6, 3, size.px, size.px), np.array([0, 1, 0, 1, 0, 1]), people
    )
    monkeypatch.setattr(dsfda_train.net, "noise_maps", lambda *_: ())
    how = dsfda_train.TrainSettings(batch=2)
    training = dsfda_train.steps.Training({"weight": torch.zeros(1)}, {})
    row = dsfda_train._epoch(training, data, size, how, 4)
    assert row == {"epoch": 4.0, "critic": pytest.approx(4.0), "cycle": pytest.approx(-4.0)}


def test_dsfda_counts_a_class_without_a_picture_as_none() -> None:
    size = dsfda_train.net.TINY
    task = Task("pain", ("no", "some", "much"))
    people = np.array(["a", "a", "b", "b", "b"])
    data = dsfda_train.Pictures(
        torch.zeros(5, 3, size.px, size.px), np.array([0, 1, 0, 1, 0]), people
    )
    how = dsfda_train.TrainSettings(epochs=0)
    model = dsfda_train.train(task, data, size, how)
    assert model.card["training"]["per_class"] == [3, 2, 0]


def test_the_prior_of_a_class_that_no_training_recording_has() -> None:
    """One recording is added to every class, also to the last ones, which no label reaches."""
    found = fusion_fit._log_prior(np.array([0, 0]), 3)
    np.testing.assert_allclose(found, np.log([3 / 5, 1 / 5, 1 / 5]))


@pytest.mark.parametrize(
    ("modalities", "partial", "released"), [(("face",), 0.5, False), (("face", "voice"), 0.5, True)]
)
def test_a_network_that_never_saw_one_modality_alone_is_not_calibrated_on_it(
    modalities: tuple[str, ...], partial: float, released: bool
) -> None:
    net: Any = SimpleNamespace(
        recipe=SimpleNamespace(modalities=modalities),
        config=SimpleNamespace(partial=partial, released=released),
        n_classes=2,
    )
    item: Any = object()  # is not looked at
    logits, labels = fusion_fit._alone(net, [item])
    assert logits.shape == (0, 2)
    assert labels.shape == (0,)


def test_every_part_of_the_words_models_validation_has_somebody_and_both_classes_to_learn_from() -> (
    None
):
    """Persons a and b answer other questions, so of most parts and questions nobody is left."""
    subject = np.array(["a", "a", "b", "b", "c", "c", "d", "d"])
    question = np.array(["1", "1", "2", "2", "1", "2", "1", "2"])
    data: Any = SimpleNamespace(
        subject=subject, question=question, y=np.array([0, 1, 0, 1, 0, 1, 1, 0])
    )
    rows = np.arange(8)
    found = words_train._splits(data, rows, by_question=True, n_folds=4, seed=1)
    # a and b give one part each, c and d two each; one class only is left of none of them.
    assert len(found) == 6
    for train, test in found:
        assert len(test) > 0
        assert set(data.y[train]) == {0, 1}
        assert not set(subject[train]) & set(subject[test])
        assert not set(question[train]) & set(question[test])


def test_where_one_question_was_asked_other_people_alone_are_held_out() -> None:
    """There is no other question to learn from."""
    data: Any = SimpleNamespace(
        subject=np.repeat(list("abcd"), 2), question=np.full(8, "1"), y=np.tile([0, 1], 4)
    )
    found = words_train._splits(data, np.arange(8), by_question=True, n_folds=4, seed=1)
    assert sorted(len(test) for _, test in found) == [2, 2, 2, 2]


def test_n_grams_without_a_penalty_of_their_own_stay_out_of_the_words_model() -> None:
    """They may be counted and still not be asked for."""
    said = [
        "um maybe I guess so",
        "yes I will do it",
        "maybe but I do not know",
        "I will I want it",
    ]
    answers = [
        Answer(str(i), str(i), str(1 + i % 2), int(i in (0, 2)), text)
        for i, text in enumerate(said)
    ]
    data = words_train.table(answers, 1)
    rows = np.arange(len(data))
    with_grams = words_train.Recipe(variant="ngram", min_people=1)
    counted = words_train.prepare(data, rows, True, with_grams)
    assert counted.grams is not None
    plain = words_train.prepare(data, rows, True, words_train.Recipe())
    found = words_train.solve(counted, (30.0, None))
    assert found.ngrams is None
    assert found == words_train.solve(plain, (30.0, None))


def test_subject_based_adaptation_of_a_person_of_whom_no_window_is_sure_enough() -> None:
    """Then nothing is taught, and in particular not the mean over no windows, which is nan."""
    world = sfda_world.world(3)
    method = load_method("subject-msda", confident=1.0, fall=0.0, steps=4, source_steps=4)
    steps = stream(
        world.model, method, [example.x for example in world.test[:5]], given=world.given
    )
    assert all(np.isfinite(step.prediction.probs).all() for step in steps)


@pytest.mark.parametrize(
    "method", ["mmd", "shot", "nrc", "lmmd", "coral", "class-aware", "subject-msda"]
)
def test_windows_of_a_kind_that_is_none_are_refused(method: str) -> None:
    """Taken for the default, they would let a neutral clip through under a misspelt name."""
    with pytest.raises(BadInput, match="neutrals"):
        _ = load_method(method, data="neutrals").needs


class _Answers(SimpleNamespace):
    def __len__(self) -> int:
        return len(self.y)


def test_held_out_answers_of_the_words_model_go_with_the_model_that_scored_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A model is here the mean label of whom it was fitted on; its logit for an answer is that
    times ten.
    """
    subject, question = np.repeat(list("abcdef"), 2), np.tile(["1", "2"], 6)
    y = np.array([0, 1, 1, 0, 0, 0, 1, 1, 0, 1, 1, 0])
    data: Any = _Answers(subject=subject, question=question, y=y)

    def fitted(_: Any, rows: np.ndarray, *__: Any) -> Any:
        model = SimpleNamespace(baseline=float(y[rows].mean()))
        return SimpleNamespace(model=model, baseline=model.baseline)

    monkeypatch.setattr(words_train, "fit", fitted)
    monkeypatch.setattr(words_train, "fit_length_question", fitted)
    monkeypatch.setattr(
        words_train, "logits", lambda model, _, rows: np.full(len(rows), 10 * model.baseline)
    )
    monkeypatch.setattr(words_train, "question_rates", lambda _, rows: {"1": float(y[rows].mean())})
    recipe = words_train.Recipe(n_folds=3, n_repeats=3, seed=5)
    ticks: list[int] = []
    found = words_train.held_out(data, recipe, lambda: ticks.append(1))
    assert len(ticks) == words_train.n_steps(data, recipe)

    assert found.own_prompt.shape == found.own_baseline.shape == (2, 12)  # so many deals at most
    for r in range(2):
        for train, test in words_train._splits(data, np.arange(12), True, 3, 5 + 100 + r):
            np.testing.assert_allclose(found.own_baseline[r, test], y[train].mean())
            np.testing.assert_allclose(found.own_prompt[r, test], 10 * y[train].mean())
    assert found.question_only.shape == (3, 12)
    # The models that go with the held-out answers are those of the first deal.
    assert (words_train.fold_models(data, recipe)[0] == found.fold[0]).all()
    fold = words_train.deal(subject, 3, 5 + 100 + 2)
    for i in range(12):
        others = y[fold != fold[i]].mean()
        assert found.question_only[2, i] == pytest.approx(
            others
        )  # of question 2 nothing is known: the mean of all
        assert found.length_question[2, i] == pytest.approx(10 * others)


@pytest.mark.parametrize("select", fusion_fit.SELECT)
def test_a_fusion_training_keeps_what_scores_highest_and_a_loss_is_better_when_lower(
    select: str,
) -> None:
    y, p = np.array([0, 1, 1, 0]), np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]])
    frame_y, frame_p = np.array([1, 0, 0]), np.array([[0.4, 0.6], [0.3, 0.7], [0.8, 0.2]])
    objective = object.__new__(fusion_fit.Objective)
    objective.fit, objective.task = fusion_fit.FitSettings(select=select), AMBIVALENCE
    objective._val = lambda _: ((y, p), (frame_y, frame_p), 0.7)  # type: ignore[method-assign]
    found = objective.validate(object.__new__(fusion_fit.FusionNet))
    # Present is ranked 1st and 3rd of four recordings, and 2nd of three rows.
    assert (found["ap_video"], found["ap_frame"]) == (
        pytest.approx((1 + 2 / 3) / 2),
        pytest.approx(1 / 2),
    )
    if select == "loss":
        assert found["score"] == -0.7
    else:
        chosen = [value for name, value in found.items() if name.startswith(select)]
        assert len(chosen) == (1 if select == "ap_frame" else 2)
        assert found["score"] == pytest.approx(sum(chosen) / len(chosen))


def _clip_windows(model: Any, rng: np.random.Generator, n: int = 4) -> list[Example]:
    track = Track(
        rng.normal(size=(6, model.dim)).astype(np.float32), np.arange(6) / 12, np.ones(6, bool)
    )
    return [
        Example(Features(f"r{k}", f"p{k}", {model.track: track}, (0.0, 0.5), drawn=True), k % 2)
        for k in range(n)
    ]


def test_clip_au_leaves_out_windows_without_a_row_to_learn_from() -> None:
    rng = np.random.default_rng(5)
    model, _ = clip_model(rng)
    examples = _clip_windows(model, rng)
    seen = examples[0].x.tracks[model.track]
    blind = Track(seen.values, seen.times_s, np.zeros(6, bool))
    nothing = [
        Example(Features("r8", "p8", {model.track: blind}, (0.0, 0.5), drawn=True), 0),
        Example(Features("r9", "p9", {}, (0.0, 0.5), drawn=True), 1),
    ]
    done = clip_au_train.train(
        model, [*examples, *nothing], clip_au_train.TrainSettings(epochs=1), validation=[]
    )
    assert (done.card["training"]["n_windows"], done.card["training"]["n_left_out"]) == (4, 2)


def test_clip_au_of_some_real_people_is_not_of_synthetic_ones_alone() -> None:
    rng = np.random.default_rng(5)
    model, _ = clip_model(rng)
    examples = _clip_windows(model, rng)
    first = replace(examples[0], x=replace(examples[0].x, drawn=False))
    how = clip_au_train.TrainSettings(epochs=1)
    of_both = clip_au_train.train(
        replace(model, drawn=False), [first, *examples[1:]], how, validation=[]
    )
    assert not of_both.drawn
    assert clip_au_train.train(replace(model, drawn=False), examples, how, validation=[]).drawn


def test_clip_au_counts_a_class_that_has_no_window() -> None:
    examples = [SimpleNamespace(y=0), SimpleNamespace(y=1), SimpleNamespace(y=0)]
    assert clip_au_train._per_class(examples, 3).tolist() == [2, 1, 0]  # type: ignore[arg-type]


def test_clip_au_takes_so_many_batches_of_an_epoch_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(5)
    model, _ = clip_model(rng)
    taken, real = [], clip_au_train.training_clip
    monkeypatch.setattr(clip_au_train, "training_clip", lambda *a: taken.append(a) or real(*a))
    for most, wanted in ((2, 2), (9, 4), (0, 4)):
        taken.clear()
        how = clip_au_train.TrainSettings(epochs=1, batch=1, max_batches=most)
        clip_au_train.train(model, _clip_windows(model, rng), how, validation=[])
        assert len(taken) == wanted
