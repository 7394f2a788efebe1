"""Figures over resamples of people, from what each person adds: those of weighing every row."""

from __future__ import annotations

import numpy as np
import pytest

from twomind.core import numbers
from twomind.evaluation import metrics, resampled_people, samples
from twomind.evaluation.samples import Sample

#: Sums of whole numbers are exact.
EXACT = ("macro_f1", "weighted_f1", "war", "uar", "auc", "within_question_auc", "f1_0", "f1_1")


def drawn_sample(seed: int) -> Sample:
    """Ties, one class only, a person alone, two or three classes: by the seed."""
    r = np.random.default_rng(seed)
    n, n_people, n_classes = (
        int(r.integers(1, 200)),
        int(r.integers(1, 9)),
        int(r.choice([2, 2, 3])),
    )
    y = r.integers(0, n_classes, n)
    if seed % 7 == 0:
        y[:] = r.integers(0, n_classes)
    probs = r.random((n, n_classes)) + 1e-3
    if seed % 3 == 0:
        probs = np.round(probs, 1) + 0.1
    if seed % 5 == 0:
        probs[:] = 0.5
    person = r.integers(0, n_people, n)
    if seed % 4 == 0:
        y = (person % n_classes).astype(int)  # people of one class each
    return Sample(
        y=y,
        probs=probs / probs.sum(axis=1, keepdims=True),
        subject=np.array([f"p{i}" for i in person]),
        question=np.array([str(q) for q in r.integers(0, 3, n)]),
        fold=np.array([f"f{k}" for k in r.integers(0, 2, n)]),
        n=r.integers(1, 4, n).astype(float),
    )


def by_rows(sample: Sample, metric: str, subjects: list[str], drawn: np.ndarray) -> np.ndarray:
    """The same with a weight for every row in every resample."""
    index = np.array([subjects.index(s) for s in sample.subject])
    with np.errstate(all="ignore"):
        return np.asarray(sample.bound[metric](drawn[:, index] * sample.n))


@pytest.mark.parametrize("most_people", [resampled_people.MOST_PEOPLE, 0])
@pytest.mark.parametrize("cells", [8_000_000, 20])
@pytest.mark.parametrize("cost", [0, 30, 10**9])
def test_figures_are_those_of_weighing_every_row(
    monkeypatch: pytest.MonkeyPatch, most_people: int, cells: int, cost: int
) -> None:
    monkeypatch.setattr(resampled_people, "MOST_PEOPLE", most_people)
    monkeypatch.setattr(resampled_people, "_CELLS", cells)
    monkeypatch.setattr(resampled_people, "_SPARSE_COST", cost)
    n_undefined = 0
    for seed in range(30):
        sample = drawn_sample(seed)
        # One person more than there is: the group of that one is empty.
        subjects = [f"p{i}" for i in range(10)]
        drawn = samples.draws(subjects, 40, seed)
        for metric in sample.bound:
            wanted = by_rows(sample, metric, subjects, drawn)
            found = samples.resampled([sample], metric, subjects, drawn)
            n_undefined += int(np.isnan(wanted).sum())
            atol = 0 if metric in EXACT else 1e-12
            np.testing.assert_allclose(found, wanted, rtol=0, atol=atol, err_msg=f"{metric} {seed}")
    assert n_undefined, "resamples without a class are among them"


def test_sums_by_code_are_those_of_a_table_of_codes() -> None:
    r = np.random.default_rng(1)
    for n in (0, 1, 50):
        values, code = r.integers(0, 9, (3, n)).astype(float), r.integers(0, 6, n)
        found = numbers.sums_by(values, code, 7)
        np.testing.assert_array_equal(found, values @ np.eye(7)[code])


def test_groups_are_questions_and_folds() -> None:
    question, fold = np.array(["1", "1", "2", "1"]), np.array(["a", "b", "a", "a"])
    assert metrics.groups(question, None).tolist() == [0, 0, 1, 0]
    found = metrics.groups(question, fold)
    assert found[0] == found[3]
    assert len(set(found.tolist())) == 3
    mixed = np.array([1, None, "1"], object)
    assert metrics.groups(mixed, None)[0] == metrics.groups(mixed, None)[2]


def test_rows_of_people_are_found_once() -> None:
    sample = drawn_sample(2)
    for subject, rows in sample.persons.items():
        np.testing.assert_array_equal(rows, np.flatnonzero(sample.subject == subject))
    assert list(sample.persons) == sorted(set(sample.subject))
