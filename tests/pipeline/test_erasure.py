"""Erasing is complete: states wherever they were kept, notes, shared annotations, leftovers of
killed processes.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import wave
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from click.testing import CliRunner

from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.core.store import Store, content_hash, settings_hash
from twomind.datasets import bah_files
from twomind.datasets.bah_fake import fake as fake_bah
from twomind.features.describe import describe
from twomind.features.profile import Neutral, Profile, Visit, read_profile, write_profile
from twomind.media.recording import open_recording
from twomind.pipeline.adapt import Adaptation, People
from twomind.pipeline.erasure import erase
from twomind.pipeline.kept_states import folder_name
from twomind.pipeline.profiles import load, of_study, path_of, state_path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def files(*folders: Path) -> list[Path]:
    return sorted(p for folder in folders for p in folder.rglob("*") if p.is_file())


def keep(
    folder: Path,
    seen: list[tuple[str, str]],
    reset: str = "person",
    neutral: str = "",
    study: str = "",
) -> list[Path]:
    """States after some recordings ``(subject, content)`` in order, as ``predict --adapt --state``
    keeps them.
    """
    people = People(Adaptation("source-only", reset=reset, state=folder), study)
    found = [
        people.keep(who, f"take-{content}", content, "model", {"learnt": np.ones(3)}, neutral)
        for who, content in seen
    ]
    assert all(p is not None for p in found)
    return [p.resolve() for p in found if p is not None]


def filed(store: Store, person: str, content: str, kind: str = "face") -> Path:
    store.note(person, content)
    return store.put(kind, store.key(content, {"kind": kind}), {"x": np.ones(2)}, {})


def enrol(profiles: Path, person: str, *contents: str) -> None:
    stats = {"face": {"AU01": Neutral(0.1, 0.1, 90, 3.0)}}
    write_profile(
        Profile(person, tuple(Visit(c, "2026-01-01", stats) for c in contents)),
        path_of(profiles, person),
    )


def test_states_kept_anywhere_go_and_those_of_others_stay(tmp_path: Path, store: Store) -> None:
    ana = keep(tmp_path / "s", [("ana", "content1"), ("ana", "content2")])
    ben = keep(tmp_path / "s", [("ben", "content3")])
    moved = keep(tmp_path / "t", [("ana", "content4")])
    store.note_states("ana", tmp_path / "s")
    entries = [filed(store, "someone", "content4"), filed(store, "ana", "content5", "embeddings")]
    other = filed(store, "ben", "content3")
    gone = erase(tmp_path / "p", "ana", store, states=[tmp_path / "t"])
    assert gone["states"] == 3
    assert not any(p.exists() for p in (*ana, *moved, *entries)), (
        "an entry is found by the state that learnt from it"
    )
    assert not ana[0].parent.exists()
    assert ben[0].exists()
    assert other.exists()
    for path in files(tmp_path):
        for needle in (b"ana", b"content1", b"content2", b"content4", b"content5"):
            assert needle not in path.read_bytes(), path
    with pytest.raises(BadInput, match="nothing of 'ana' is known"):
        erase(tmp_path / "p", "ana", store)


def test_of_a_state_that_learns_from_everybody_all_after_the_person_goes(
    tmp_path: Path, store: Store
) -> None:
    chain = keep(
        tmp_path / "s", [("ben", "content1"), ("ana", "content2"), ("ben", "content3")], "never"
    )
    before = chain[0].read_bytes()
    assert erase(tmp_path / "p", "ana", store, states=[tmp_path / "s"])["states"] == 2
    assert files(tmp_path / "s") == [chain[0]]
    assert chain[0].read_bytes() == before
    (again,) = keep(tmp_path / "s", [("cleo", "content9")], "never")
    assert again.name.startswith("00002-"), "the chain goes on where it was cut"


def test_one_recording_is_erased_from_its_state_on_under_whatever_name(
    tmp_path: Path, store: Store
) -> None:
    media = tmp_path / "take.mp4"
    media.write_bytes(b"film")
    c = content_hash(media)
    chain = keep(tmp_path / "s", [("take", "content1"), ("take", c), ("take", "content3")])
    begun = keep(tmp_path / "s", [("begun-with-it", "content4")], neutral=c)
    apart = keep(tmp_path / "s", [("ana", "content5")])
    store.note_states("ana", tmp_path / "s")
    entry, kept = filed(store, "take", c), filed(store, "ana", "content5")
    enrol(tmp_path / "p", "ana", "content5")
    gone = erase(tmp_path / "p", "ana", store, recordings=[media])
    assert (gone["states"], gone["store_entries"], gone["visits"]) == (3, 1, [])
    assert not any(p.exists() for p in (*chain[1:], *begun, entry))
    assert all(p.exists() for p in (chain[0], *apart, kept, path_of(tmp_path / "p", "ana")))
    # An enrolled recording: the visit goes, and every state of the person, which may be relative to
    # it.
    enrol(tmp_path / "p", "ana", c, "content5")
    gone = erase(tmp_path / "p", "ana", store, recordings=[media])
    assert gone["visits"] == [c[:12]]
    assert gone["profile_kept"]
    assert [v.content for v in read_profile(path_of(tmp_path / "p", "ana")).visits] == ["content5"]
    assert not apart[0].exists()
    with pytest.raises(BadInput, match="no such file"):
        erase(tmp_path / "p", "ana", store, recordings=[tmp_path / "absent.mp4"])


def test_an_older_state_that_is_silent_about_its_neutral_is_not_trusted(
    tmp_path: Path, store: Store
) -> None:
    from twomind.adaptation.state import save_state

    (tmp_path / "take.mp4").write_bytes(b"film")
    old = tmp_path / "s" / folder_name("ana") / "00001-a.safetensors"
    save_state(old, {"x": np.ones(2)}, {"subject": "ana", "content": "content1", "reset": "person"})
    erase(tmp_path / "p", "ana", store, recordings=[tmp_path / "take.mp4"], states=[tmp_path / "s"])
    assert not old.exists()


def test_what_a_killed_process_left_and_what_is_damaged_goes_too(
    tmp_path: Path, store: Store
) -> None:
    (state,) = keep(tmp_path / "s", [("ana", "content1")])
    (shared,) = keep(tmp_path / "s", [("ben", "content3")], "never")
    state.write_bytes(b"damaged")
    half = [
        state.with_name(".00002-x.safetensors.abc.part"),
        shared.with_name(".00002-ana.safetensors.abc.part"),
    ]
    loose = tmp_path / "s" / "loose.safetensors"
    for path in (*half, loose):
        path.write_bytes(b"half")
    entry = filed(store, "ana", "content1")
    half.append(entry.with_name(f".{entry.name}.abc.part"))
    half[-1].write_bytes(b"half")
    store.note_states("ana", tmp_path / "s")
    store.note_states("ana", tmp_path / "moved-away")
    path_of(tmp_path / "p", "ana").parent.mkdir(parents=True)
    path_of(tmp_path / "p", "ana").write_text("{damaged")
    gone = erase(tmp_path / "p", "ana", store)
    assert not any(p.exists() for p in (*half, state, entry, tmp_path / "p" / "ana"))
    assert shared.exists()
    assert gone["states_unreadable"] == [str(loose)], (
        "nobody can say whose it is, and the user is told"
    )
    assert gone["state_folders_not_found"] == [str(tmp_path / "moved-away")]


def test_annotations_of_many_people_go_with_any_of_them(tmp_path: Path, store: Store) -> None:
    path = fake_bah(tmp_path / "bah") / "data" / "video_annotation_transcript.yaml"
    for hit in (False, True):
        bah_files.read_annotations(path, store)
        if hit:  # noted also where the entry is read and not made
            store.forget([content_hash(path)])
            bah_files.read_annotations(path, store)
        (entry,) = files(store.root / "features")
        for person in ("90001", "90012"):
            assert entry.name[:16] in store.noted(person)[0], hit
        face = filed(store, "90012", "content1")
        assert erase(tmp_path / "p", "90001", store)["store_entries"] == 1, hit
        assert files(store.root / "features") == [face]
        face.unlink()
    # With one recording of the person, and where nobody noted who is in it, as earlier versions did
    # not.
    (tmp_path / "take.mp4").write_bytes(b"film")
    for notes in (True, False):
        bah_files.read_annotations(path, store)
        if not notes:
            store.forget([content_hash(path)])
        erase(tmp_path / "p", "90001", store, recordings=[tmp_path / "take.mp4"])
        assert not files(store.root / "features"), notes


def test_entries_of_earlier_versions_are_counted_and_found_by_the_recording(
    tmp_path: Path, store: Store
) -> None:
    (tmp_path / "take.mp4").write_bytes(b"film")
    store.put("face", store.key(content_hash(tmp_path / "take.mp4"), {}), {"x": np.ones(2)}, {})
    filed(store, "ana", "content1")
    assert erase(tmp_path / "p", "ana", store)["store_entries_unclaimed"] == 1
    gone = erase(tmp_path / "p", "ana", store, recordings=[tmp_path / "take.mp4"])
    assert (gone["store_entries"], gone["store_entries_unclaimed"]) == (1, 0)


def test_a_store_that_can_only_be_read_is_no_failure(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.note("ana", "content1")
    monkeypatch.setattr(
        "twomind.core.files.os.open",
        lambda *_: (_ for _ in ()).throw(PermissionError("no")),
    )
    with pytest.raises(PermissionError):
        store.note("ana", "content2")
    monkeypatch.setattr("twomind.core.store.os.access", lambda *_: False)
    store.note("ana", "content2")


def run(*arguments: object) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(main, [*(str(a) for a in arguments), "--json"])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, json.loads(done.stdout)


def test_nothing_of_the_person_is_left_after_predict_with_a_state(
    tmp_path: Path, store: Store
) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("mediapipe")
    from twomind.encoders.frames import FrameSettings, embed
    from twomind.models import load
    from twomind_synth.enrol import draw_clip

    clips = {
        who: draw_clip(tmp_path / f"{who}.mp4", "neutral", k, 0, seconds=2.0, fps=10)
        for k, who in enumerate("ab")
    }
    how = ("--model", "clip-au", "--adapt", "t3a", "--store", store.root)
    how += ("--set", f"states.folder={tmp_path / 's'}")
    how += ("--study", "trial")
    for who, clip in clips.items():
        code, _ = run("predict", clip, *how, "--person", f"person-{who}", "--out", tmp_path / "out")
        assert code == 0
    mark = {who: content_hash(clip) for who, clip in clips.items()}
    assert {"face", "embeddings"} <= {p.parent.parent.name for p in store.made_from([mark["a"]])}
    # Measured, embedded or used as the neutral under other names: whoever it was called, it is
    # noted.
    twin = open_recording(clips["a"], subject="twin")
    embed(twin, [load("clip-au").open_encoder()], settings=FrameSettings(crop="frame"), store=store)
    describe(
        open_recording(clips["b"], subject="calm"),
        ("face",),
        store=store,
        neutral=open_recording(clips["a"]),
    )
    of = {who: settings_hash({"content": m})[:16] for who, m in mark.items()}
    assert [store.noted(name)[0] for name in ("twin", "calm")] == [{of["a"]}, {of["a"], of["b"]}]
    n_b = len(store.made_from([mark["b"]]))
    where = ("--yes", "--profiles", tmp_path / "p", "--store", store.root)
    assert run("profile", "erase", "person-a", *where)[0] == 3, (
        "the state says which study it is of"
    )
    code, gone = run("profile", "erase", "person-a", *where, "--study", "trial")
    assert code == 0
    assert gone["states"] == 1
    assert not store.made_from([mark["a"]])
    assert len(store.made_from([mark["b"]])) == n_b
    needles = ("person-a", mark["a"], mark["a"][:12], of["a"])
    for path in files(tmp_path / "s", store.root):
        for needle in needles:
            assert needle.encode() not in path.read_bytes(), f"{needle} is in {path}"
            assert needle not in str(path.relative_to(tmp_path)), f"{needle} is the name of {path}"
    assert len(files(tmp_path / "s")) == 1
    assert run("profile", "erase", "person-a", *where, "--study", "trial")[0] == 3


def test_an_answer_is_of_the_enrolled_person_whatever_the_file_is_called(
    tmp_path: Path, store: Store
) -> None:
    for name in ("take", "plain"):
        with wave.open(str(tmp_path / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(
                np.random.default_rng(len(name)).integers(-900, 900, 32000, np.int16).tobytes()
            )
    enrol(tmp_path / "p", "ana", "content1")
    how = ("--store", store.root, "--out", tmp_path / "out")
    (tmp_path / "takes.csv").write_text("path,subject\ntake.wav,take\n")
    who = ("--person", "ana", "--profiles", tmp_path / "p")
    assert run("predict", "--manifest", tmp_path / "takes.csv", *who, *how)[0] == 0
    describe(open_recording(tmp_path / "plain.wav"), ("voice",), store=store)
    assert len(files(store.root / "features")) == 2
    assert erase(tmp_path / "p", "ana", store)["store_entries"] == 1
    assert files(store.root / "features") == store.made_from([content_hash(tmp_path / "plain.wav")])
    assert erase(tmp_path / "p", "plain", store)["store_entries"] == 1, (
        "measuring alone notes whose it is"
    )


def test_the_saved_states_of_an_enrolled_person_go_with_the_folder(
    tmp_path: Path, store: Store
) -> None:
    from twomind.adaptation.state import save_state

    enrol(tmp_path / "p", "ana", "content1")
    save_state(state_path(tmp_path / "p", "ana", "few-shot"), {"x": np.ones(2)}, {})
    other = filed(store, "x", "content1")
    gone = erase(tmp_path / "p", "ana", store)
    assert (gone["states"], gone["store_entries"]) == (1, 1)
    assert not other.exists()
    assert not files(tmp_path / "p")


def snapshot(*paths: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in paths}


def test_two_studies_that_both_name_somebody_p1_are_told_apart(
    tmp_path: Path, store: Store
) -> None:
    """One store, one profiles folder, one state folder; the erased P1 leaves no trace, the other
    loses no byte.
    """
    profiles, held, where = (
        tmp_path / "p",
        tmp_path / "s",
        ("--profiles", tmp_path / "p", "--store", store.root),
    )
    of: dict[str, dict[Path, bytes]] = {}
    for study, c in (("pain", "painc"), ("stress", "stressc"), ("", "nonec")):
        place = Store(store.root, study)
        mine = [
            filed(place, "P1", f"{c}1"),
            *keep(held, [("P1", f"{c}2"), ("P1", f"{c}3")], study=study),
        ]
        mine += keep(held, [("P1", f"{c}4")], "never", study=study)
        place.note_states("P1", held)
        enrol(of_study(profiles, study), "P1", f"{c}5")
        of[study] = snapshot(*mine, path_of(of_study(profiles, study), "P1"))
    assert run("profile", "show", "P1", "--study", "stress", *where[:2])[1]["study"] == "stress"
    code, said = run("profile", "erase", "P1", "--yes", *where)
    assert code == 3
    for text in ("--study pain", "--study stress", '--study ""'):
        assert text in said["error"]["message"]
    assert run("profile", "erase", "P1", "--yes", *where, "--study", "other")[0] == 3
    assert all(snapshot(*kept) == kept for kept in of.values()), "a refusal erases nothing"
    notes = set(files(store.root / "people"))
    code, gone = run("profile", "erase", "P1", "--yes", *where, "--study", "pain")
    assert code == 0
    assert (gone["study"], gone["states"], gone["store_entries"]) == ("pain", 3, 1)
    assert gone["also_known_in"] == ["", "stress"]
    assert not any(p.exists() for p in of["pain"])
    for study in ("stress", ""):
        assert snapshot(*of[study]) == of[study], study
        assert Store(store.root, study).noted("P1")[0], study
    assert Store(store.root, "pain").noted("P1") == (set(), [])
    gone_notes = notes - set(files(store.root / "people"))
    assert len(gone_notes) == 2, "the recording and the folder of states"
    mark = next(p.name for p in gone_notes if not p.suffix)
    for path in files(tmp_path):
        for needle in (*(f"painc{n}" for n in range(1, 6)), mark):
            assert needle.encode() not in path.read_bytes(), path
            assert needle not in str(path.relative_to(tmp_path)), path
    # The one of no study is named by the empty text; then one study is left, and a bare name still
    # is not enough.
    assert run("profile", "erase", "P1", "--yes", *where, "--study", "")[1]["states"] == 3
    assert snapshot(*of["stress"]) == of["stress"]
    assert run("profile", "erase", "P1", "--yes", *where)[0] == 3
    assert (
        run("profile", "erase", "P1", "--yes", *where, "--study", "stress")[1]["also_known_in"]
        == []
    )
    assert not files(held, profiles, store.root / "people", store.root / "features")


def test_people_of_no_study_are_erased_by_name_as_ever(tmp_path: Path, store: Store) -> None:
    filed(Store(store.root, "pain"), "P2", "content2")
    enrol(of_study(tmp_path / "p", "pain"), "P2", "content3")
    filed(store, "P1", "content1")
    how = ("--yes", "--profiles", tmp_path / "p", "--store", store.root)
    assert run("profile", "erase", "P1", *how)[1]["store_entries"] == 1
    assert len(files(store.root / "features")) == 1
    with pytest.raises(BadInput, match="pain"):
        load(tmp_path / "p", "P2")
    with pytest.raises(BadInput, match="expected letters"):
        Store(store.root, "../pain")


def test_measuring_enrolling_and_predicting_note_the_study(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wave.open(str(tmp_path / "take.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(np.random.default_rng(1).integers(-900, 900, 32000, np.int16).tobytes())
    how = ("--store", store.root, "--out", tmp_path / "out")
    mark = settings_hash({"content": content_hash(tmp_path / "take.wav")})[:16]
    for n, verb in enumerate(("predict", "describe")):
        who = ("--person", "P1", "--study", f"s{n}")
        assert run(verb, tmp_path / "take.wav", *how, *who)[0] == 0
        assert Store(store.root, f"s{n}").noted("P1")[0] == {mark}, verb
    enrol(of_study(tmp_path / "p", "s0"), "P1", "content1")
    person = ("--person", "P1", "--profiles", tmp_path / "p")
    assert run("predict", tmp_path / "take.wav", *how, *person, "--study", "s0")[0] == 0
    assert run("predict", tmp_path / "take.wav", *how, *person, "--study", "s1")[0] != 0, (
        "not enrolled there"
    )
    assert not store.noted("P1")[0]
    monkeypatch.setenv("TWOMIND_STUDY", "s2")
    assert run("describe", tmp_path / "take.wav", *how, "--person", "P1")[0] == 0
    assert Store(store.root).noted("P1")[0] == {mark}
    assert Store(store.root).study == "s2"


# --- nobody else is read


def age(*folders: Path) -> None:
    """Let everything there have been written some time ago."""
    before = time.time() - 60
    for folder in folders:
        for path in [*folder.rglob("*"), folder]:
            os.utime(path, (before, before))


class Opened:
    """Files and folders that this process opens within a block."""

    _counting: ClassVar[list[Opened]] = []
    _hooked: ClassVar[bool] = False

    def __init__(self) -> None:
        self.paths: list[str] = []

    def __enter__(self) -> Opened:
        if not Opened._hooked:
            sys.addaudithook(Opened._seen)
            Opened._hooked = True
        Opened._counting.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        Opened._counting.remove(self)

    @staticmethod
    def _seen(event: str, arguments: tuple[Any, ...]) -> None:
        if Opened._counting and event in ("open", "os.scandir", "os.listdir"):
            Opened._counting[-1].paths.append(str(arguments[0]))


def many(root: Path, n: int) -> Store:
    """People with a profile, a state of their own, one in a common folder, and two recordings."""
    store = Store(root / "store")
    for number in range(n):
        who = f"P{number:04}"
        enrol(root / "p", who, f"clip{number}")
        keep(root / "p" / who / "states", [(who, f"clip{number}")])
        keep(root / "s", [(who, f"answer{number}")])
        store.note_states(who, root / "s")
        filed(store, who, f"clip{number}")
        filed(store, who, f"answer{number}")
    return store


def test_what_an_erasure_opens_does_not_grow_with_the_number_of_people(tmp_path: Path) -> None:
    counts = {}
    for n in (10, 40):
        store = many(tmp_path / str(n), n)
        profiles, states = tmp_path / str(n) / "p", tmp_path / str(n) / "s"
        age(profiles, states, store.root)
        erase(profiles, "P0003", store)
        with Opened() as opened:
            gone = erase(profiles, "P0007", store)
        assert (gone["states"], gone["store_entries"], gone["visits"]) == (2, 2, ["clip7"])
        assert not [path for path in opened.paths if "P0001" in path]
        counts[n] = len(opened.paths)
    assert counts[40] <= counts[10] + 4


def test_what_came_in_by_another_way_is_erased_too(tmp_path: Path) -> None:
    store = many(tmp_path, 4)
    profiles, states = tmp_path / "p", tmp_path / "s"
    age(profiles, states, store.root)
    assert erase(profiles, "P0000", store)["states"] == 2
    # A copy of a state under another name, in another person's folder; a profile that was restored.
    (own,) = (states / folder_name("P0001")).glob("*.safetensors")
    shutil.copy2(own, profiles / "P0002" / "elsewhere.safetensors")
    shutil.copytree(profiles / "P0003", profiles / "P0004")
    enrol(profiles, "P0004", "clip1")
    gone = erase(profiles, "P0001", store)
    assert gone["states"] == 3
    assert gone["also_enrolled_for_others"] == ["clip1"]
    for path in files(profiles, states, store.root):
        if path.parent.name != "P0004":
            assert b"answer1" not in path.read_bytes()
            assert b"P0001" not in path.read_bytes()
    # What was remembered is damaged or gone: all is read.
    for path in (store.root / "index").iterdir():
        path.write_text("damaged")
    assert erase(profiles, "P0002", store)["states"] == 2
    shutil.rmtree(store.root / "index")
    assert erase(profiles, "P0003", store)["states"] == 3
    assert not files(states)
