"""Every registered data set fulfils the contract on its own fake folder; a damaged folder is
reported, not guessed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from twomind.cli.main import main
from twomind.core import registry
from twomind.core.errors import BadInput
from twomind.datasets import dataset_names, load_dataset, open_dataset
from twomind.datasets.fakes import unmark_drawn
from twomind.datasets.protocols import PROTOCOLS, rules

NAMES = dataset_names()
#: Data sets of which these tests know the layout; others may be registered, and keep the contract
#: (``test_contract.py``).
KNOWN = ("bah", "biovid", "own", "people", "stressid", "unbc")
#: Copies the fake folder of a data set by its name.
Copy = Callable[[str], Path]
BAH_FRAMES = "ambivalence_hesitancy_frames"


def test_the_order_of_classes_is_a_contract() -> None:
    """A number means the same class in every release of this program."""
    frames = {
        "ambivalence_hesitancy": ("absent", "present"),
        "ambivalence_hesitancy_frames": ("absent", "present"),
    }
    expected = {
        "bah": frames,
        "biovid": {"pain": ("neutral", "pain"), "pain_level": ("BL1", "PA1", "PA2", "PA3", "PA4")},
        "own": frames,
        "people": frames,
        "stressid": {"stress": ("neutral", "stress")},
        "unbc": {"pain": ("neutral", "pain")},
    }
    assert set(expected) == set(KNOWN)
    for name, tasks in expected.items():
        assert {t.name: t.classes for t in load_dataset(name).tasks} == tasks, name


def test_the_page_names_data_sets_and_protocols_that_there_are() -> None:
    page = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
    for name in (*KNOWN, *PROTOCOLS):
        assert f"| `{name}` |" in page, name
    for name, found in PROTOCOLS.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert row.rstrip(" |").endswith(f"| {found.reset}"), row


def test_the_known_data_sets_are_registered() -> None:
    assert registry.names("datasets") == NAMES
    assert set(KNOWN) <= set(NAMES)


@pytest.mark.parametrize("name", KNOWN)
def test_every_protocol_that_is_offered_can_be_made(name: str, fakes: dict[str, Path]) -> None:
    data = open_dataset(fakes[name], name)
    known = {r.id for r in data.recordings()}
    impossible = {
        # A fake has no published people; only "own" has two environments and no official splits.
        "ten-targets",
        "ten-targets-transductive",
        "five-targets",
        *(() if name == "own" else ("environment-shift",)),
        *(("official", "train-val") if name == "own" else ()),
        *(("targets-N",) if name == "unbc" else ()),
    }
    for protocol in data.protocols:
        assert rules(protocol).notes
        asked = {"targets-N": "targets-1", "people-K": "people-3"}.get(protocol, protocol)
        if protocol in impossible:
            with pytest.raises(BadInput, match=asked.replace("-1", "")):
                data.folds(asked)
            continue
        folds = data.folds(asked, seed=2)
        assert folds
        assert all(
            {*f.train, *f.val, *f.test, *f.neutral, *f.target, *f.few} <= known for f in folds
        )
        assert folds == data.folds(asked, seed=2)


@pytest.mark.parametrize("name", KNOWN)
def test_the_layout_alone_says_which_data_set_it_is(name: str, copy: Copy) -> None:
    root = copy(name)
    assert open_dataset(root).name == name
    unmark_drawn(root)
    data = open_dataset(root)
    assert data.name == name
    if name != "people":  # that folder holds nothing but synthetic people
        assert not any(r.drawn for r in data.recordings()), (
            "without any mark a folder is of real people"
        )
    (root / "DRAWN").touch()
    assert all(r.drawn for r in open_dataset(root).recordings())


@pytest.mark.parametrize("name", [name for name in KNOWN if name != "unbc"])  # that has no films
def test_a_film_that_says_so_is_of_a_synthetic_person_in_whatever_folder(
    name: str, copy: Copy
) -> None:
    root = copy(name)
    (root / "study.json").unlink()
    assert all(r.drawn for r in open_dataset(root).recordings() if r.media.is_file())
    # One that does not is of a real person, beside others that do.
    data = open_dataset(root)
    first = next(r for r in data.recordings() if r.media.is_file())
    unmark_drawn(first.media.parent)
    if name != "people":
        drawn = {r.id: r.drawn for r in open_dataset(root).recordings()}
        assert drawn[first.id] is False
        assert any(drawn.values())


@pytest.mark.parametrize("name", KNOWN)
def test_missing_extra_and_corrupted_files_are_listed(name: str, copy: Copy) -> None:
    root = copy(name)
    clean = open_dataset(root, name)
    first, second, third = (r for r in clean.recordings()[:3])
    extra_at = first.media.parent
    if name == "unbc":  # a recording is a folder of pictures
        victims = sorted(second.media.glob("*.png"))
        victims[0].unlink()
        victims[1].write_bytes(victims[1].read_bytes()[:-30])
        lost, cut = second.id, victims[1].name
    else:
        lost, cut = second.media.name, third.media.name
        second.media.unlink()
        third.media.write_bytes(third.media.read_bytes()[:-200])
    stranger = extra_at / "stranger.mp4"
    shutil.copy(first.media, stranger) if first.media.is_file() else stranger.write_bytes(b"x")
    shallow = open_dataset(root, name).check()
    assert not shallow.complete
    assert len(shallow.corrupted) == (name != "unbc"), (
        "a film that is cut off shows without opening it"
    )
    report = open_dataset(root, name).check(deep=True)
    assert not report.complete
    assert any(
        lost.removesuffix(".mp4") in f.path.replace(" 10-", "_10-") for f in report.missing
    ), report.missing
    assert any("stranger" in f.path for f in report.extra), report.extra
    assert any(cut in f.path for f in report.corrupted), report.corrupted
    assert all(f.reason for f in (*report.missing, *report.extra, *report.corrupted))
    assert len(report.missing) == len(report.corrupted) == 1, "one fault is one finding"


@pytest.mark.parametrize("name", ["bah", "biovid", "stressid"])
def test_a_hole_and_a_bad_picture_among_the_crops_are_found(name: str, copy: Copy) -> None:
    root = copy(name)
    recording = open_dataset(root).recordings()[0]
    folder = open_dataset(root).frame_folder(recording.id)
    assert folder is not None
    (_, gone), (_, bad) = folder.files[1:3]
    gone.unlink()
    bad.write_bytes(bad.read_bytes()[:60])
    assert not open_dataset(root).check().corrupted, "only a deep check reads every picture"
    report = open_dataset(root).check(deep=True)
    assert [f.reason.split(":")[0] for f in report.missing] == [
        f"1 of {len(folder.files)} labelled frames are not there"
    ]
    assert [(f.path.endswith(bad.name), f.reason) for f in report.corrupted] == [
        (True, "the JPEG is cut off (no end mark)")
    ]
    track = open_dataset(root).frame_folder(recording.id).track()  # type: ignore[union-attr]
    assert len(track) == len(folder.files) - 1
    assert (~track.valid).sum() == 1


def test_a_folder_of_something_else_says_what_was_looked_for(
    tmp_path: Path, fakes: dict[str, Path]
) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(BadInput) as caught:
        open_dataset(tmp_path)
    for name in NAMES:
        assert load_dataset(name).looks_for in str(caught.value)
    with pytest.raises(BadInput, match="expected the layout of biovid"):
        open_dataset(fakes["bah"], "biovid")
    with pytest.raises(BadInput, match="there is nothing"):
        open_dataset(tmp_path / "absent")
    (tmp_path / "recordings.csv").write_text("path,subject\na.mp4,p\n")
    (tmp_path / "Images").mkdir()
    (tmp_path / "Frame_Labels" / "PSPI").mkdir(parents=True)
    with pytest.raises(BadInput, match=r"own, unbc.*--name"):
        open_dataset(tmp_path)


def test_the_drawn_people_of_today_are_read(tmp_path: Path) -> None:
    from twomind_synth.people import draw_people

    draw_people(
        tmp_path,
        n_people=1,
        seed=3,
        questions=(7,),
        size=(128, 128),
        fps=5,
        voice="builtin",
        workers=1,
    )
    data = open_dataset(tmp_path)
    assert data.name == "people"
    (recording,) = data.recordings()
    assert recording.drawn
    assert recording.words
    assert recording.question == "7"
    label = data.label("ambivalence_hesitancy", recording.id)
    assert bool(recording.segments) == bool(label)
    for s in recording.segments:
        assert data.frame_labels(
            BAH_FRAMES, recording.id, np.array([s.start_s + 0.01])
        ).tolist() == [1]
    assert data.check(deep=True).complete


def test_data_check_and_list_speak(fakes: dict[str, Path], copy: Copy) -> None:
    runner = CliRunner()
    done = runner.invoke(main, ["data", "list", "--json"])
    assert done.exit_code == 0
    rows = json.loads(done.stdout)["datasets"]
    assert [r["name"] for r in rows] == NAMES
    assert all(r["licence"] and r["access"] and r["protocols"] for r in rows)
    done = runner.invoke(main, ["data", "check", str(fakes["stressid"]), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["complete"] is True
    root = copy("biovid")
    film = next((root / "video").rglob("*.mp4"))
    film.write_bytes(b"")
    done = runner.invoke(main, ["data", "check", str(root)])
    assert done.exit_code == 7
    assert "the file is empty (0 bytes)" in done.output
    assert film.name in done.output
    assert runner.invoke(main, ["data", "check", str(root), "--name", "bah"]).exit_code == 3
