"""The user's own folder: tables, marks and whose count, ELAN files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from twomind.cli.main import main
from twomind.core import registry
from twomind.core.errors import BadInput
from twomind.datasets import load_dataset, open_dataset

#: Copies the fake folder of a data set by its name.
Copy = Callable[[str], Path]
BAH_FRAMES = "ambivalence_hesitancy_frames"


def test_own_reads_tables_marks_and_other_questions(copy: Copy) -> None:
    root = copy("own")
    data = open_dataset(root)
    first, *_, last = (r for r in data.recordings() if r.subject == "ada")
    assert [w.text for w in first.words or ()] == ["hello", "from", "ada"]
    assert [w.text for w in last.words or ()] == ["this", "is", "made", "up", "by", "ada"]
    assert [(s.start_s, s.end_s) for s in last.segments] == [(0.1, 0.3)]
    assert data.frame_labels(BAH_FRAMES, last.id, np.array([0.05, 0.1, 0.3])).tolist() == [0, 1, 0]
    assert (data.may_be_shown("ada"), data.may_be_shown("bo")) == (True, False)
    (root / "study.json").unlink()
    real = open_dataset(root)
    assert [real.may_be_shown(p) for p in ("ada", "bo", "cy")] == [True, False, False]
    (root / "task.json").write_text(json.dumps({"name": "pain", "classes": ["neutral", "pain"]}))
    assert open_dataset(root).label("pain", last.id) == 1
    table = root / "recordings.csv"
    table.write_text(table.read_text() + "x.mp4,,1,1,,,,\ny.mp4,p,1,7,,,,\n")
    reasons = [f.reason for f in open_dataset(root).check().corrupted]
    assert [r.split(":")[0] for r in reasons] == ["line 18", "line 19"]


def _coded(copy, rows: list[str]) -> Path:  # type: ignore[no-untyped-def]
    """The own folder with these marks alone: ``answer,coder,start,end`` of ada's answers
    2 and 3.
    """
    root = Path(copy("own"))
    cells = [row.split(",") for row in rows]
    marks = [
        f"ada answer {n},ada,ah,,{'A/H' if a else ''},{a},{b},,{who}" for n, who, a, b in cells
    ]
    head = "recording,subject,tier,modality,label,start_s,end_s,certainty,coder"
    (root / "annotations.csv").write_text("\n".join([head, *marks]) + "\n")
    return root


COUNTED = {
    "any": [1, 1, 1, 1, 0],
    "majority": [0, 1, 1, 0, 0],
    "all": [0, 0, 1, 0, 0],
    "anna": [1, 1, 1, 0, 0],
    "cy": [0, 0, 1, 1, 0],
}


@pytest.mark.parametrize("coders", COUNTED)
def test_the_user_says_which_coders_count(coders: str, copy: Copy) -> None:
    """Three coders of one recording, and one of another; what the program marked is no coder's."""
    root = _coded(
        copy,
        [
            "2,anna,0.0,0.3",
            "2,bo,0.1,0.2",
            "2,bo,0.2,0.3",
            "2,cy,0.2,0.4",
            "2,twomind,0.0,0.5",
            "3,bo,0.1,0.3",
        ],
    )
    at = np.array([0.05, 0.15, 0.25, 0.35, 0.45])
    by_argument = load_dataset("own")(root, coders=coders)  # type: ignore[call-arg]
    assert by_argument.frame_labels(BAH_FRAMES, "ada answer 2", at).tolist() == COUNTED[coders]
    (root / "task.json").write_text(json.dumps({"coders": coders}))
    data = open_dataset(root)
    assert data.frame_labels(BAH_FRAMES, "ada answer 2", at).tolist() == COUNTED[coders]
    lone = data.frame_labels(BAH_FRAMES, "ada answer 3", at).tolist()
    assert lone == ([-1] * 5 if coders in ("anna", "cy") else [0, 1, 1, 0, 0]), "one coder looked"
    segments = {r.id: [(s.start_s, s.end_s) for s in r.segments] for r in data.recordings()}
    if coders == "majority":
        assert segments["ada answer 2"] == [(0.1, 0.3)], (
            "two marks that touch are one where coders are counted"
        )
    notes = data.check().notes
    assert any(
        "1 recordings have several coders (anna, bo, cy)" in n and "task.json" in n for n in notes
    )
    assert any(
        f"1 recordings that others coded were not coded by {coders}" in n for n in notes
    ) == (-1 in lone)


def test_a_coder_who_found_nothing_counts_and_two_are_a_majority_together_only(copy: Copy) -> None:
    root = _coded(copy, ["2,anna,0.1,0.3", "2,bo,,", "3,anna,0.1,0.3"])
    own = load_dataset("own")
    for coders, found in (("any", [1]), ("majority", [-1]), ("all", [-1]), ("bo", [-1])):
        data = own(root, coders=coders)  # type: ignore[call-arg]
        # The answer is labelled present: without a segment that counts, nobody knows where.
        assert data.frame_labels(BAH_FRAMES, "ada answer 2", np.array([0.2])).tolist() == found, (
            coders
        )
        assert any("none of them counts" in n for n in data.check().notes) == (coders != "any")


def test_a_coder_who_is_not_there_is_refused_with_the_names_of_those_who_are(copy: Copy) -> None:
    root = _coded(copy, ["2,anna,0.1,0.3", "2,bo,0.1,0.3", "3,,0.1,0.3"])
    (root / "task.json").write_text(
        json.dumps({"name": "pain", "classes": ["neutral", "pain"], "coders": "ana"})
    )
    with pytest.raises(
        BadInput,
        match=r"expected any, majority, all or a coder \(\(no name\), anna, bo\); got 'ana'",
    ):
        open_dataset(root).recordings()
    done = CliRunner().invoke(main, ["data", "check", str(root)])
    assert done.exit_code == 3
    assert "anna, bo" in done.output
    (root / "annotations.csv").unlink()
    with pytest.raises(BadInput, match="nobody's A/H marks are here"):
        open_dataset(root).check()
    for bad in ({"coders": ["anna"]}, {"name": "pain", "coders": "any"}, ["any"]):
        (root / "task.json").write_text(json.dumps(bad))
        with pytest.raises(BadInput, match=r'"coders": \.\.\.'):
            open_dataset(root)


def test_marks_without_usable_times_are_named_and_not_counted(copy: Copy) -> None:
    data = open_dataset(
        _coded(copy, ["2,anna,0.3,0.1", "2,anna,soon,0.1", "2,anna,0.1,nan", "2,anna,0.1,0.2"])
    )
    reasons = [f.reason for f in data.check().corrupted]
    assert [r.split(", got ")[1] for r in reasons] == ["0.3, 0.1", "soon, 0.1", "0.1, nan"]
    assert data.frame_labels(BAH_FRAMES, "ada answer 2", np.array([0.15, 0.25])).tolist() == [1, 0]


def test_own_reads_elan_files_beside_the_films(tmp_path: Path) -> None:
    """ELAN files and no table of marks; an empty tier is not "nothing found", a program's mark is
    no label.
    """
    from twomind.annotations import PROGRAM, Annotations, Mark, Tier, write_annotations

    root = registry.load("datasets", "own").fake(tmp_path)
    (root / "annotations.csv").unlink()
    listed = [f"{who}/{who} answer {n}.mp4,{who}" for who in ("ada", "bo") for n in (1, 2)]
    (root / "recordings.csv").write_text("\n".join(["path,subject", *listed]) + "\n")
    span = Mark(0.1, 0.3, "A/H")
    files = {
        "ada/ada answer 1": (Tier("ah", marks=(span, Mark(0.35, 0.4, "no A/H")), coder="anna"),),
        "ada/ada answer 2": (Tier("ah", marks=(), coder="anna"),),
        "bo/bo answer 1": (Tier("ah", marks=(span,), coder=PROGRAM),),
        "bo/bo answer 2": (
            Tier("ah", marks=(), coder="anna"),
            Tier("answer", marks=(Mark(0.0, 0.5, "no A/H"),), coder="anna"),
        ),
    }
    for stem, tiers in files.items():
        write_annotations([Annotations(Path(stem).name, tiers=tiers)], root / f"{stem}.eaf")
    own = open_dataset(root, "own")
    at = np.array([0.2, 0.37])
    task = own.tasks[1].name
    assert own.frame_labels(task, "ada answer 1", at).tolist() == [1, 0]
    for stem in ("ada answer 2", "bo answer 1"):
        assert own.frame_labels(task, stem, at).tolist() == [-1, -1], "nobody said anything"
    assert own.frame_labels(task, "bo answer 2", at).tolist() == [0, 0]
    (root / "ada" / "ada answer 1.eaf").write_text("<broken")
    report = open_dataset(root, "own").check()
    assert any("ada answer 1.eaf" in f.path for f in report.corrupted)
