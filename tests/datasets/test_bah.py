"""BAH: its layouts, its annotation and what its parts say of each other, on its fake folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from twomind.core.errors import BadInput
from twomind.core.store import default_root
from twomind.datasets import open_dataset
from twomind.datasets.bah import PLUGIN as BAH
from twomind.datasets.bah_fake import fake as fake_bah

#: Copies the fake folder of a data set by its name.
Copy = Callable[[str], Path]
BAH_FRAMES = "ambivalence_hesitancy_frames"


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


def test_people_are_told_by_the_files_around_the_release_too(copy: Copy) -> None:
    root = copy("bah")
    before = open_dataset(root).people()["90001"]
    (root / "people.csv").write_text("subject,sex,age_band\n90001,x,20-29\nnobody,f,\n")
    near = root / "data" / "split" / "people.csv"
    near.write_text("subject,sex,consent_publication\n90001,y,no\n")
    data = open_dataset(root)
    found = data.people()
    assert "nobody" not in found
    # the nearer file goes before
    told = {"sex": "y", "age_band": "20-29", "consent_publication": "no"}
    assert found["90001"] == {**before, **told}
    near.write_text("subject;sex\n90001;y\n")
    with pytest.raises(BadInput, match=r"people\.csv: expected commas .* got semicolons"):
        open_dataset(root).people()
    report = open_dataset(root).check()
    (found_in,) = report.corrupted
    assert (found_in.path, "semicolons" in found_in.reason) == ("split/people.csv", True)


def test_a_file_around_the_release_takes_consent_back_and_gives_none(copy: Copy) -> None:
    root = copy("bah")
    assert [open_dataset(root).may_be_shown(who) for who in ("90021", "90022")] == [True, False]
    (root / "people.csv").write_text("subject,consent_publication\n90021,no\n90022,yes\n")
    assert not any(open_dataset(root).may_be_shown(who) for who in ("90021", "90022"))


@pytest.mark.parametrize("part", ["split/train.txt", "split-frames/train.txt", "meta_data.yml"])
def test_a_part_that_is_not_utf8_is_bad_input(part: str, copy: Copy) -> None:
    path = copy("bah") / "data" / part
    path.write_bytes(path.read_bytes() + b"\n\xe9t\xe9")
    data = open_dataset(path.parents[len(Path(part).parts)])
    assert isinstance(data, BAH)
    with pytest.raises(BadInput, match=f"{part}: expected a text in UTF-8"):
        _ = data.recordings(), data.frame_splits, data.people()


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
