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
from twomind.core.store import default_root
from twomind.datasets import dataset_names, load_dataset, open_dataset
from twomind.datasets.bah import PLUGIN as BAH
from twomind.datasets.bah_fake import fake as fake_bah
from twomind.datasets.fakes import unmark_drawn
from twomind.datasets.protocols import PROTOCOLS, rules

NAMES = dataset_names()
#: Data sets of which these tests know the layout; others may be registered, and keep the contract
#: (``test_contract.py``).
KNOWN = ("bah", "biovid", "own", "people", "stressid", "unbc")
BAH_FRAMES = "ambivalence_hesitancy_frames"


@pytest.fixture(scope="module")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: load_dataset(name).fake(tmp_path_factory.mktemp(name), seed=1) for name in KNOWN}


#: Copies the fake folder of a data set by its name.
Copy = Callable[[str], Path]


@pytest.fixture
def copy(fakes: dict[str, Path], tmp_path: Path) -> Copy:
    """A copy of a fake folder that a test may damage."""

    def make(name: str) -> Path:
        return Path(shutil.copytree(fakes[name], tmp_path / name))

    return make


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


# --- BAH
# -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["v2", "v1", "abaw8", "public"])
def test_bah_layouts_agree_on_everything_that_they_hold(
    layout: str, tmp_path: Path, fakes: dict[str, Path]
) -> None:
    whole = open_dataset(fakes["bah"])
    data = open_dataset(fake_bah(tmp_path, seed=1, layout=layout))
    assert data.check(deep=True).complete
    ids = {r.id for r in data.recordings()}
    assert ids <= {r.id for r in whole.recordings()}
    assert len(ids) == (12 if layout == "public" else 26)
    assert {r.subject for r in data.recordings()} >= {"90001", "90002", "90011"}
    times_s = np.arange(12) / 24
    for r in data.recordings():
        assert data.label("ambivalence_hesitancy", r.id) == whole.label(
            "ambivalence_hesitancy", r.id
        )
        assert (
            data.frame_labels(BAH_FRAMES, r.id, times_s).tolist()
            == whole.frame_labels(BAH_FRAMES, r.id, times_s).tolist()
        )
        assert bool(r.segments) == bool(data.label("ambivalence_hesitancy", r.id))
        assert [w.text for w in r.words or ()][:2] == ["well,", "this"]
    for a in data.recordings():
        b = next(r for r in whole.recordings() if r.id == a.id)
        for left, right in zip(a.segments, b.segments, strict=True):
            assert left.start_s == pytest.approx(right.start_s, abs=0.002)
            assert left.end_s == pytest.approx(right.end_s, abs=0.002)


def test_bah_path_quirks_are_one_recording(fakes: dict[str, Path], tmp_path: Path) -> None:
    listed = (fakes["bah"] / "data" / "split" / "train.txt").read_text()
    assert "_2025-02-01 10-01-00_" in listed, "a blank in the list, an underscore on disk"
    data = open_dataset(fakes["bah"])
    assert isinstance(data, BAH)
    assert "90001_Question_1_2025-02-01_10-01-00_Video" in data.films
    assert any(i.startswith("90002") and i.endswith("-DESKTOP-1AB2C") for i in data.films)
    old = fake_bah(tmp_path, seed=1, layout="abaw8")
    assert (old / "data" / "Videos" / "90001" / "Visite 1").is_dir()
    assert {t.environment for t in BAH(old).takes()} == {"Visite_1"}
    orders = [t.order for t in data.takes() if t.subject == "90021"]
    assert orders == sorted(orders)  # type: ignore[type-var]


def test_bah_people_who_refused_are_never_shown(fakes: dict[str, Path], copy: Copy) -> None:
    data = open_dataset(fakes["bah"])
    assert data.may_be_shown("90021")
    assert not data.may_be_shown("90022"), "refused"
    assert not data.may_be_shown("12345"), "not known"
    assert data.people()["90022"]["consent_publication"] == "no"
    assert data.people()["90021"]["language"] == "en"
    root = copy("bah")
    path = root / "data" / "meta_data.yml"
    path.write_text(
        path.read_text().replace("consent for publication: 'Yes'", "consent for publication: maybe")
    )
    assert not any(map(open_dataset(root).may_be_shown, data.people())), "only a plain yes is a yes"
    path.unlink()
    report = open_dataset(root).check()
    assert [f.path for f in report.missing] == ["meta_data.yml"]
    assert not any(map(open_dataset(root).may_be_shown, data.people()))


def test_bah_annotation_is_read_once_and_kept(
    fakes: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from twomind.datasets import bah_files

    path = fakes["bah"] / "data" / "video_annotation_transcript.yaml"
    assert "!!python/tuple" in path.read_text()
    entries, problems = bah_files.read_annotations(path)
    assert len(entries) == 26
    assert problems == ()
    entry = next(e for e in entries.values() if e["global_ah"] == 1)
    assert {
        "certainty_ah",
        "all_cues",
        "time_detailed_ah",
        "fr_detailed_ah",
        "transcript",
        "frame_runs",
    } <= set(entry)
    first, last = entry["fr_detailed_ah"][0]
    assert [first, last, 1] in entry["frame_runs"]
    assert entry["all_cues"][0]["audio"] == ["pause"]
    assert list(default_root().rglob("*.safetensors"))

    def never(text: str) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(bah_files, "_load", never)
    assert bah_files.read_annotations(path)[0] == entries


def test_bah_annotation_with_a_broken_entry_loses_that_entry_only(copy: Copy) -> None:
    root = copy("bah")
    path = root / "data" / "video_annotation_transcript.yaml"
    text = path.read_text()
    path.write_text(text.replace("  global_ah:", "  global_ah: [", 1))
    report = open_dataset(root).check()
    assert [f.path for f in report.corrupted] == [path.name]
    assert "not YAML" in report.corrupted[0].reason
    assert [f.reason.split(" of ")[0] for f in report.missing] == ["no entry"]


def test_bah_frames_read_without_yaml_are_those_read_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    from twomind.core.store import Store
    from twomind.core.yaml_files import load_yaml
    from twomind.datasets import bah_files

    path = fake_bah(tmp_path / "a", seed=4) / "data" / "video_annotation_transcript.yaml"
    as_lists = tmp_path / "lists.yaml"
    as_lists.write_text(yaml.dump(json.loads(json.dumps(load_yaml(path.read_text())))))
    fast = [bah_files.read_annotations(p, Store(tmp_path / "fast"))[0] for p in (path, as_lists)]
    assert all(bah_files._without_frames(text) for _, text in bah_files._top_entries(path.open()))
    assert all(
        bah_files._without_frames(text) for _, text in bah_files._top_entries(as_lists.open())
    )
    monkeypatch.setattr(bah_files, "_without_frames", lambda text: None)
    slow = [bah_files.read_annotations(p, Store(tmp_path / "slow"))[0] for p in (path, as_lists)]
    assert fast == slow
    assert fast[0] == fast[1]


@pytest.mark.parametrize("form", ["list", "wrapped", "one line"])
def test_bah_annotation_forms(form: str, tmp_path: Path) -> None:
    from twomind.datasets.bah_files import read_annotations

    name = "Videos/1/Visite 1/1_Question_2_2025-01-01 10-00-00_Video.mp4"
    entry = "global_ah: 1\n{0}frame_annotation:\n{0}- [a/frame-0.jpg, 0]\n{0}- [a/frame-1.jpg, 1]\n"
    text = {
        "list": f"- video: {name}\n  " + entry.format("  "),
        "wrapped": f"videos:\n  {name}:\n    " + entry.format("    "),
        "one line": f'{{"{name}": {{"global_ah": 1, "frame_annotation": [[frame-0.jpg, 0], '
        "[frame-1.jpg, 1]]}}\n",
    }[form]
    path = tmp_path / "annotation.yml"
    path.write_text(text)
    entries, problems = read_annotations(path)
    assert problems == ()
    assert entries["1_Question_2_2025-01-01_10-00-00_Video"]["frame_runs"] == [[0, 0, 0], [1, 1, 1]]


def test_bah_frame_labels_follow_the_films_own_stamps(copy: Copy) -> None:
    """A film at another rate than the mean: labels go by its stamps, never by frame number / 24."""
    from twomind.datasets.fakes import tiny_film

    root = copy("bah")
    data = open_dataset(root)
    assert isinstance(data, BAH)
    recording = next(r for r in data.recordings() if r.segments)
    first, last = data.annotations[recording.id]["fr_detailed_ah"][0]
    tiny_film(recording.media, n_frames=12, fps=10, seed=5)
    found = open_dataset(root).frame_labels(BAH_FRAMES, recording.id, np.arange(14) / 10)
    assert found.tolist() == [int(first <= n <= last) for n in range(12)] + [-1, -1]
    between = open_dataset(root).frame_labels(
        BAH_FRAMES, recording.id, np.array([first / 10 + 0.06, last / 10 + 0.06])
    )
    assert between.tolist() == [1, 1], "a frame is on show until the next one"


def test_bah_contradictions_are_named(copy: Copy) -> None:
    root = copy("bah")
    split = root / "data" / "split" / "val.txt"
    split.write_text(split.read_text().replace(".mp4,0,", ".mp4,1,", 1))
    frames = root / "data" / "split-frames" / "test.txt"
    frames.write_text(frames.read_text().replace("frame-0.jpg,0", "frame-0.jpg,1", 1))
    reasons = [f.reason for f in open_dataset(root).check().conflicts]
    assert any(r == "split label 1, annotated as 0" for r in reasons)
    assert any(r.startswith("1 frames labelled differently") for r in reasons)
    shutil.copy(split, split.with_name("test.txt"))
    with pytest.raises(BadInput, match="is also in the split"):
        open_dataset(root).recordings()


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("meta_data.yml", "just a sentence"),
        ("video_annotation_transcript.yaml", "{unfinished"),
        ("split-frames/test.txt", "no frame here\n"),
    ],
)
def test_an_unreadable_part_is_reported_by_check_and_stops_a_reader(
    part: str, text: str, copy
) -> None:  # type: ignore[no-untyped-def]
    root = copy("bah")
    (root / "data" / part).write_text(text)
    report = open_dataset(root).check()
    assert [f.path for f in report.corrupted] == [part]
    assert "meta_data.yml" not in {f.path for f in report.missing}
    data = open_dataset(root)
    with pytest.raises(BadInput, match=Path(part).name):
        _ = data.people() if part.startswith("meta") else data.recordings(), data.frame_splits  # type: ignore[attr-defined]


def test_an_empty_split_file_is_a_fault_of_a_release(copy: Copy) -> None:
    root = copy("bah")
    (root / "data" / "split" / "val.txt").write_text("")
    assert open_dataset(root).check().corrupted == (), (
        "a small synthetic study may have nobody to validate on"
    )
    (root / "study.json").unlink()
    found = open_dataset(root).check()
    assert [(f.path, f.reason) for f in found.corrupted] == [("split/val.txt", "the file is empty")]
    assert open_dataset(root).folds("official")[0].val == ()


def test_a_release_without_one_of_its_parts_is_not_complete(copy: Copy) -> None:
    root = copy("bah")
    for part in ("Videos", "cropped-aligned-faces", "transcription"):
        shutil.rmtree(root / "data" / part)
    assert [f.path for f in open_dataset(root).check().missing] == [
        "Videos/",
        "cropped-aligned-faces/",
        "transcription/",
    ]


# --- the others
# ------------------------------------------------------------------------------------------------------


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


# --- the command line
# ------------------------------------------------------------------------------------------------


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
