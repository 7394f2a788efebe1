"""BioVid, StressID and UNBC on their fake folders: names, tables and labels."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from twomind.datasets import load_dataset, open_dataset

#: Copies the fake folder of a data set by its name.
Copy = Callable[[str], Path]


def test_biovid_names_say_person_level_and_time(fakes: dict[str, Path]) -> None:
    data = open_dataset(fakes["biovid"])
    assert data.label("pain", "010101_w_30-BL1-081") == 0
    assert data.label("pain", "010101_w_30-PA4-061") == 1
    assert data.label("pain", "010101_w_30-PA3-041") is None, "not in the two-class question"
    assert data.label("pain_level", "010101_w_30-PA3-041") == 3
    assert data.people()["010101_w_30"] == {"sex": "female", "age": "30"}
    folder = data.frame_folder("010101_w_30-BL1-081")
    assert folder is not None
    assert folder.track().times_s.tolist() == pytest.approx([2.04, 2.08, 2.12, 2.16])
    assert not folder.clock.note
    used = {i for f in data.folds("leave-one-person-out") for i in (*f.train, *f.val, *f.test)}
    assert used
    assert not any("-PA3-" in i for i in used)


@pytest.mark.parametrize("name", ["biovid", "stressid"])
def test_a_further_visit_is_another_environment(name: str, copy: Copy) -> None:
    """``visit-2/`` holds the same layout again; the same names there are other recordings of the
    same people.
    """
    root = copy(name)
    shutil.copytree(load_dataset(name).fake(root / "other", seed=7), root / "visit-2")
    shutil.rmtree(root / "other")
    data = open_dataset(root)
    first = [r.id for r in data.recordings() if "~" not in r.id]
    assert sorted(r.id for r in data.recordings()) == sorted(
        [*first, *(f"{i}~visit2" for i in first)]
    )
    assert all(
        r.media.is_file() and ("visit-2" in r.media.parts) == ("~visit2" in r.id)
        for r in data.recordings()
    )
    assert len(data.people()) == 4
    report = data.check(deep=True)
    assert (report.missing, report.extra, report.corrupted) == ((), (), ())
    for fold in data.folds("environment-shift"):
        assert all(i.endswith("~visit2") for i in fold.test)
        assert not any(i.endswith("~visit2") for i in (*fold.neutral, *fold.target, *fold.few))


def test_biovid_crops_alone_are_enough(copy: Copy) -> None:
    root = copy("biovid")
    shutil.rmtree(root / "video")
    data = open_dataset(root)
    assert data.name == "biovid"
    assert data.check().complete
    assert "no films" in data.check().notes
    assert len(data.folds("leave-one-person-out")) == 4


def test_stressid_is_sorted_by_number_and_labelled_by_task(fakes: dict[str, Path]) -> None:
    data = open_dataset(fakes["stressid"])
    folder = data.frame_folder("aaa1_Stroop")
    assert folder is not None
    assert [n for n, _ in folder.files] == list(range(0, 60, 5))
    assert folder.track().times_s.tolist() == list(range(12)), (
        "one frame a second, whatever the numbers count"
    )
    assert "nominal" in folder.clock.note
    rows = dict(
        line.split(",")[:2] for line in (fakes["stressid"] / "labels.csv").read_text().split()[1:]
    )
    assert {r.id: str(data.label("stress", r.id)) for r in data.recordings()} == rows
    fold = next(f for f in data.folds("targets-2") if f.neutral)
    assert fold.neutral[0].split("_")[1] in ("Breathing", "Relax")


def test_stressid_label_files_stand_in_for_the_table_and_disagreement_is_named(copy: Copy) -> None:
    root = copy("stressid")
    before = {
        r.id: open_dataset(root).label("stress", r.id) for r in open_dataset(root).recordings()
    }
    table = root / "labels.csv"
    text = table.read_text()
    table.unlink()
    assert {
        r.id: open_dataset(root).label("stress", r.id) for r in open_dataset(root).recordings()
    } == before
    table.write_text(text.replace("aaa1_Relax,0", "aaa1_Relax,1"))
    assert [f.path for f in open_dataset(root).check().conflicts] == ["aaa1_Relax"]


def test_a_stressid_label_that_cannot_be_used_is_corrupted_and_not_replaced(copy: Copy) -> None:
    """Neither guessed from the laboratory's label file nor called missing; the same row twice is
    told as well.
    """
    root = copy("stressid")
    table = root / "labels.csv"
    table.write_text(table.read_text().replace("aaa1_Relax,0", "aaa1_Relax,7") + "bbb2_Math,1,1\n")
    data = open_dataset(root)
    assert data.label("stress", "aaa1_Relax") is None
    assert "aaa1_Relax" not in {t.id for t in data.takes()}
    report = data.check()
    assert not [f for f in report.missing if f.path == "aaa1_Relax"]
    reasons = [f.reason for f in report.corrupted if f.path == "labels.csv"]
    assert reasons == [
        "aaa1_Relax: expected binary-stress 0 or 1, got '7'",
        "bbb2_Math is there 2 times; the last counts",
    ]


def test_unbc_scores_frames(fakes: dict[str, Path], copy: Copy) -> None:
    data = open_dataset(fakes["unbc"])
    folder = data.frame_folder("aa901t2aeaff")
    assert folder is not None
    times_s = folder.track().times_s
    assert data.frame_labels("pain", "aa901t2aeaff", times_s).tolist() == [0, 0, 1, 0, 0]
    assert (data.label("pain", "aa901t1aaaff"), data.label("pain", "aa901t2aeaff")) == (0, 1)
    assert data.annotation_entry("aa901t2aeaff") == {"OPR": 2.0}
    root = copy("unbc")
    path = next((root / "Frame_Labels" / "PSPI").rglob("aa901t2aeaff003_facs.txt"))
    path.write_text("   NaN?\n")
    assert open_dataset(root).frame_labels("pain", "aa901t2aeaff", times_s).tolist() == [
        0,
        0,
        -1,
        0,
        0,
    ]
    assert [f.reason for f in open_dataset(root).check().corrupted] == [
        "the label of frame 3 is not a number"
    ]
