"""Protocols keep people, questions and clips apart, know no labels; the guards raise when something
slips.
"""

from __future__ import annotations

import shutil
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import pytest

from twomind.core.errors import BadInput
from twomind.datasets import load_dataset, open_dataset, protocols
from twomind.datasets.leaks import check_fold
from twomind.datasets.protocols import PROTOCOLS, Take, make
from twomind.types import Access, Fold, Recording

ROLES = ("train", "val", "test", "neutral", "target", "few")


@pytest.fixture(scope="module")
def bah_v1(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue("shared") / "data" / "bah_v1"
    if not folder.is_dir():
        pytest.skip("needs the public BAH v1 files")
    return folder


def _takes(n_people: int = 12, n: int = 8, order: bool = True, **more: object) -> list[Take]:
    return [
        Take(
            f"p{p:02d}-{i}",
            f"p{p:02d}",
            str(i),
            neutral=i == 0,
            order=float(i) if order else None,
            **more,
        )  # type: ignore[arg-type]
        for p in range(n_people)
        for i in range(n)
    ]


def _subjects(ids: tuple[str, ...]) -> set[str]:
    return {i.rsplit("-", 1)[0] for i in ids}


# --- the public BAH v1 files
# -----------------------------------------------------------------------------------------


def test_public_bah_counts_are_the_published_ones(bah_v1: Path) -> None:
    data = open_dataset(bah_v1)
    assert data.name == "bah"
    by_split: dict[str, list[Take]] = {}
    for take in data.takes():
        by_split.setdefault(take.split, []).append(take)
    found = {}
    for split, takes in by_split.items():
        numbers = [data.frame_numbers(t.id) for t in takes]  # type: ignore[attr-defined]
        n_positive = sum(data.label("ambivalence_hesitancy", t.id) or 0 for t in takes)
        n_frames = sum(int((labels.labels == 1).sum()) for labels in numbers)
        found[split] = (len(takes), len({t.subject for t in takes}), n_positive, n_frames)
    assert found == {"train": (616, 143, 340, 65_282), "val": (110, 25, 59, 15_157)}
    questions = [sum(t.question == str(q) for t in by_split["train"]) for q in range(1, 8)]
    assert questions == [140, 79, 76, 76, 84, 83, 78]
    report = data.check()
    assert report.complete
    assert len(report.conflicts) == 3, "three train videos whose only short segments were dropped"
    assert data.version == "v1"  # type: ignore[attr-defined]
    fold = data.folds("train-val")[0]
    assert (len(fold.train), len(fold.test), fold.val) == (616, 110, ())
    with pytest.raises(BadInput, match="test 0"):
        data.folds("official")
    with pytest.raises(BadInput, match="82711"):
        data.folds("ten-targets")
    assert not any(map(data.may_be_shown, data.people()))


def test_public_bah_takes_the_released_number_of_chunks(bah_v1: Path) -> None:
    from released_chunks import released_chunks

    from twomind.datasets.frames import read_segments

    for split, expected in (("train", (4602, 939)), ("val", (994, 208))):
        segments, problems = read_segments(bah_v1 / f"segments_{split}.csv")
        chunks = [s.label for s in segments for _ in released_chunks(s.num_frames, s.start_frame)]
        assert not problems
        assert (len(chunks), sum(chunks)) == expected


# --- divisions
# -------------------------------------------------------------------------------------------------------


def test_a_take_has_no_label() -> None:
    assert not {"label", "y"} & {f.name for f in fields(Take)}


@pytest.mark.parametrize("order", [True, False])
def test_a_personalisation_fold_shares_out_the_clips_of_one_person(order: bool) -> None:
    takes = _takes(order=order)
    folds = make("targets-3", takes, seed=4)
    assert len(folds) == 3
    assert len({f.name for f in folds}) == 3
    for fold in folds:
        own = [*fold.test, *fold.neutral, *fold.target, *fold.few]
        assert sorted(own) == sorted(t.id for t in takes if t.subject == fold.name)
        assert _subjects(fold.train).isdisjoint(_subjects(fold.val))
        targets = {f.name for f in folds}
        assert not targets & (_subjects(fold.train) | _subjects(fold.val)), (
            "no target is source of another"
        )
        assert _subjects(fold.train) | _subjects(fold.val) | targets == {t.subject for t in takes}
        assert fold.val
        assert fold.neutral == (f"{fold.name}-0",)
        assert fold.target
        assert fold.few
        if order:
            assert list(fold.test) == sorted(fold.test)
    assert len({f.train for f in folds}) == 1, "one source model serves all targets"
    assert folds == make("targets-3", takes, seed=4)
    assert [f.name for f in folds] != [f.name for f in make("targets-3", takes, seed=5)]


def test_a_stream_without_a_known_order_is_not_one_class_after_the_other() -> None:
    takes = [
        Take(f"010101_w_{20 + p}-{level}-{i:03d}", f"010101_w_{20 + p}", neutral=level == "BL1")
        for p in range(4)
        for level in ("BL1", "PA4")
        for i in range(20)
    ]
    fold = make("targets-1", takes, seed=0)[0]
    levels = [i.split("-")[1] for i in fold.test]
    changes = sum(a != b for a, b in pairwise(levels))
    assert changes > 5
    assert (len(fold.neutral), len(fold.few), len(fold.target), len(fold.test)) == (1, 3, 13, 23)


def test_the_published_ten_are_targets_and_all_others_source() -> None:
    for name, n_source, n in (("biovid", 77, 10), ("stressid", 44, 10), ("unbc", 20, 5)):
        protocol = {10: "ten-targets", 5: "five-targets"}[n]
        targets = load_dataset(name).targets  # type: ignore[attr-defined]
        assert protocol in load_dataset(name).protocols
        assert len(set(targets)) == n
        people = [*targets, *(f"source{i}" for i in range(n_source))]
        takes = [Take(f"{p}/{i}", p, neutral=i == 0) for p in people for i in range(5)]
        folds = make(protocol, takes, 0, targets)
        assert [f.name for f in folds] == list(targets)
        source = {i.split("/")[0] for i in (*folds[0].train, *folds[0].val)}
        assert source == {f"source{i}" for i in range(n_source)}
        assert folds[0].val
        for fold in make("ten-targets-transductive", takes, 0, targets):
            assert fold.test == fold.target == fold.transductive, (
                "a published protocol tests on what it adapts on"
            )
            assert len(fold.test) == 5
        with pytest.raises(BadInput, match=f"absent here: {targets[0]}"):
            make(protocol, [t for t in takes if t.subject != targets[0]], 0, targets)


def test_bah_targets_have_official_train_and_val_people_as_source() -> None:
    targets = load_dataset("bah").targets  # type: ignore[attr-defined]
    split = {
        **dict.fromkeys((*targets, "other"), "test"),
        **{f"t{i}": "train" for i in range(6)},
        "v": "val",
    }
    takes = [
        Take(f"{p}/{q}", p, str(q), q == 1, s, float(q))
        for p, s in split.items()
        for q in range(1, 8)
    ]
    fold = make("ten-targets", takes, 0, targets)[0]
    assert {i.split("/")[0] for i in fold.train} == {f"t{i}" for i in range(6)}
    assert {i.split("/")[0] for i in fold.val} == {"v"}
    assert fold.neutral == (f"{targets[0]}/1",)
    assert (len(fold.few), len(fold.target), len(fold.test)) == (1, 2, 3)
    chosen = make("targets-4", takes, 1)
    assert {split[f.name] for f in chosen} == {"test"}, (
        "where official test people are, they are the targets"
    )


def test_every_official_test_person_is_a_target_and_no_source() -> None:
    split = {f"t{i}": "train" for i in range(4)} | {"v": "val", "a": "test", "b": "test"}
    asked = {person: range(1, 8) for person in split} | {"b": range(1, 3), "c": range(1, 5)}
    split["c"] = "test"
    takes = []
    for person, questions in asked.items():
        for q in questions:
            takes.append(Take(f"{person}/{q}", person, str(q), q == 1, split[person], float(q)))
    folds = make("official-targets", takes, 0)
    # b has two answers: too few to adapt on and to test, and still nobody's source.
    assert [fold.name for fold in folds] == ["a", "c"]
    for fold in folds:
        assert {i.split("/")[0] for i in fold.train} == {"t0", "t1", "t2", "t3"}
        assert {i.split("/")[0] for i in fold.val} == {"v"}
        assert not set(fold.test) & {*fold.target, *fold.few, *fold.neutral}
    every = make("official-targets-transductive", takes, 0)
    assert [fold.name for fold in every] == ["a", "b", "c"]
    assert all(fold.target == fold.test == fold.transductive for fold in every)
    nobody = [take for take in takes if take.split != "test"]
    with pytest.raises(BadInput, match="are not in this folder"):
        make("official-targets", nobody, 0)


def test_leave_one_out_protocols_leave_out_what_they_name() -> None:
    takes = _takes(6, 3)
    by_id = {t.id: t for t in takes}
    people = make("leave-one-person-out", takes)
    assert sorted(i for f in people for i in f.test) == sorted(by_id)
    assert all(
        _subjects(f.test) == {f.name} and f.name not in _subjects((*f.train, *f.val))
        for f in people
    )
    questions = make("leave-one-question-out", takes)
    assert sorted(i for f in questions for i in f.test) == sorted(by_id)
    for fold in questions:
        asked = {by_id[i].question for i in fold.test}
        assert len(asked) == 1
        assert not asked & {by_id[i].question for i in (*fold.train, *fold.val)}
    both = make("leave-one-person-and-question-out", takes)
    assert sorted(i for f in both for i in f.test) == sorted(by_id)
    for fold in both:
        for i in (*fold.train, *fold.val):
            assert by_id[i].question != by_id[fold.test[0]].question
            assert by_id[i].subject != by_id[fold.test[0]].subject
    adapted = make("each-person", takes)
    assert [f.name for f in adapted] == sorted({t.subject for t in takes})
    for fold in adapted:
        assert _subjects((*fold.test, *fold.neutral, *fold.target, *fold.few)) == {fold.name}
        assert _subjects((*fold.train, *fold.val)) == {t.subject for t in takes} - {fold.name}
        assert fold.test
        assert fold.neutral
    groups = make("people-3", takes, seed=1)
    assert sorted(i for f in groups for i in f.test) == sorted(by_id)


def test_an_environment_shift_hands_over_one_environment_and_tests_another() -> None:
    takes = [replace(t, environment="a" if (t.order or 0) < 4 else "b") for t in _takes()]
    by_id = {t.id: t for t in takes}
    folds = make("environment-shift", takes)
    assert len(folds) == 10
    for fold in folds:
        assert {by_id[i].environment for i in (*fold.neutral, *fold.target, *fold.few)} == {"a"}
        assert {by_id[i].environment for i in fold.test} == {"b"}
    with pytest.raises(BadInput, match="two environments"):
        make("environment-shift", _takes())


def test_rules_say_who_may_see_what(tmp_path: Path) -> None:
    assert set(PROTOCOLS) == {
        "official",
        "train-val",
        "five-targets",
        "official-targets",
        "official-targets-transductive",
        "ten-targets",
        "ten-targets-transductive",
        "targets-N",
        "each-person",
        "people-K",
        "leave-one-person-out",
        "leave-one-question-out",
        "leave-one-person-and-question-out",
        "environment-shift",
    }
    from twomind.adaptation import RESETS

    assert all(r.reset in RESETS and r.notes for r in PROTOCOLS.values())
    assert protocols.rules("targets-7") is PROTOCOLS["targets-N"]
    assert Access.NEUTRAL not in protocols.rules("official").access
    assert Access.NEUTRAL in protocols.rules("targets-3").access
    assert Access.SOURCE | Access.TARGET in protocols.rules("targets-3").access
    assert Access.FEW not in protocols.rules("ten-targets-transductive").access
    assert "TRANSDUCTIVE" in protocols.rules("ten-targets-transductive").notes
    with pytest.raises(BadInput, match="no protocol"):
        make("targets", _takes())
    with pytest.raises(BadInput, match="at most"):
        make("targets-12", _takes())
    with pytest.raises(BadInput, match="has no protocol 'official'; it has: ten-targets"):
        open_dataset(load_dataset("biovid").fake(tmp_path), "biovid").folds("official")


# --- guards
# ----------------------------------------------------------------------------------------------------------


def _recordings(takes: list[Take]) -> dict[str, Recording]:
    return {t.id: Recording(t.id, t.subject, Path("/nowhere")) for t in takes}


def test_every_fold_of_every_protocol_passes_its_own_guards() -> None:
    takes = [replace(t, environment="a" if (t.order or 0) < 4 else "b") for t in _takes(6)]
    for name in (
        "targets-2",
        "people-3",
        "leave-one-person-out",
        "leave-one-question-out",
        "leave-one-person-and-question-out",
        "environment-shift",
    ):
        for fold in make(name, takes):
            check_fold(fold, _recordings(takes))


def test_a_clip_or_a_person_in_two_roles_raises() -> None:
    takes = _takes(3, 4)
    known = _recordings(takes)
    good = Fold(
        "f",
        "targets-N",
        ("p00-0",),
        ("p01-1",),
        neutral=("p01-0",),
        target=("p01-2",),
        few=("p01-3",),
    )
    check_fold(good, known)
    with pytest.raises(BadInput, match="p01-0 is both neutral and few"):
        check_fold(replace(good, few=("p01-0",)), known)
    with pytest.raises(BadInput, match="p01 is among the source people"):
        check_fold(replace(good, train=("p00-0", "p01-3"), few=()), known)
    with pytest.raises(BadInput, match="not in the data set"):
        check_fold(replace(good, test=("p01-9",)), known)
    with pytest.raises(ValueError, match="both train and test"):
        replace(good, train=("p01-1",))


@pytest.mark.parametrize("name", ["bah", "biovid", "stressid", "unbc", "own", "people"])
def test_one_person_under_two_names_raises(name: str, tmp_path: Path) -> None:
    """A film (and its crops) is planted under another person; every protocol that parts the two
    must raise.
    """
    root = load_dataset(name).fake(tmp_path)
    data = open_dataset(root, name)
    data.folds("leave-one-person-out")
    recordings = {}
    for r in data.recordings():
        recordings.setdefault(r.subject, r)
    first, second, *_ = recordings.values()
    if first.media.is_file():
        shutil.copy(first.media, second.media)
    else:
        shutil.rmtree(second.media)
        second.media.mkdir()
        for path in first.media.iterdir():
            number = path.stem[len(first.id) :]
            shutil.copy(path, second.media / f"{second.id}{number}{path.suffix}")
    with pytest.raises(BadInput) as caught:
        open_dataset(root, name).folds("leave-one-person-out")
    assert first.subject in str(caught.value)
    assert second.subject in str(caught.value)
    assert "same content" in str(caught.value)


def test_a_twin_in_the_public_form_is_found_by_its_words(tmp_path: Path) -> None:
    """There are no films in the public form; long answers that agree to the word are one answer."""
    said = " ".join(f"word{i}" for i in range(30))
    line = "Videos/{0}/Visite_1/{0}_Question_1_2025-01-01_10-00-00_Video.mp4,0,{1}\n"
    (tmp_path / "train.txt").write_text(line.format("1", said) + line.format("2", "short"))
    (tmp_path / "val.txt").write_text(line.format("3", said) + line.format("4", "short"))
    with pytest.raises(BadInput, match="same content"):
        open_dataset(tmp_path).folds("train-val")
    (tmp_path / "val.txt").write_text(line.format("4", "short"))
    assert open_dataset(tmp_path).folds("train-val")


def test_seeds_do_not_depend_on_the_process() -> None:
    """Python's own hash of a text differs from process to process; a division must not."""
    folds = make("targets-3", _takes(order=False), seed=0)
    assert [f.name for f in folds] == ["p02", "p07", "p09"]
    assert folds[0].test == ("p02-4", "p02-2", "p02-1", "p02-6")
    assert _subjects(folds[0].val) == {"p10"}
