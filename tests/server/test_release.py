"""A release: who is in it and who is not, BAH's layout, and what a later one differs in."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from server_release import Team, say, with_research
from server_world import Guest, World
from twomind.annotations import read_annotations, write_eaf
from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.datasets import open_dataset
from twomind.datasets.images import encode_picture
from twomind.pipeline.export_crops import CropSettings, Face
from twomind.server import people, recruiting, reviewing, withdrawal
from twomind.server.release import build as building
from twomind.server.release import crops, ledger, who
from twomind.server.release.who import Cut
from twomind.server.settled import Settled
from twomind.server.tables import Person
from twomind.types import AMBIVALENCE

N_FRAMES = 20


@pytest.fixture(autouse=True)
def _faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A face in every frame but the fourth: the films of these tests show nobody."""
    import numpy as np

    def faces_of(film: Path, settings: CropSettings) -> Iterator[Face]:
        shade = film.read_bytes()[-1]
        picture = encode_picture(np.full((16, 16, 3), shade, np.uint8), ".jpg")
        for number in range(N_FRAMES):
            yield Face(number / 10, None if number == 3 else picture, "no face")

    monkeypatch.setattr(crops, "faces_of", faces_of)


@pytest.fixture
def team(make_world: Callable[..., World]) -> Team:
    return Team(make_world("study", text=with_research))


def files_of(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def pid_of(team: Team, guest: Guest) -> str:
    return who.pseudonym(team.world.place, guest.person)


@pytest.mark.slow
def test_who_refused_tried_or_did_not_finish_is_absent_and_counted(
    team: Team, quick_path: Path
) -> None:
    staying = [team.whole(f"s{number}") for number in range(3)]
    refuser = team.whole("refuser", research=False)
    unfinished = team.guest("unfinished")
    team.coded(team.film(unfinished, "q1"), True)
    leaver = team.whole("leaver")
    with team.world.place.database.writing() as writing:
        writing.get_one(Person, leaver.person).state = "withdrawing"
    link = recruiting.test_participant(team.world.place, "ada")
    tester = team.world.enter(link["link"].partition("#")[2], link["person"])
    tester.agree()
    team.film(tester, "q1")
    with team.world.place.database.reading() as reading:
        first, second, third = (people.of_person(reading, one.person) for one in staying)
    team.marks.pop(first[1].id)
    reviewing.decide(team.world.place, "ada", second[1].id, "exclude", "noise")
    team.marks[third[1].id] = Settled("open", None)
    built = team.build(quick_path / "out")
    assert dict(built.chosen.absent_people) == {
        "did not agree to 'research'": 1,
        "has not finished": 1,
        "withdraws": 1,
        "is a test participant": 1,
    }
    assert dict(built.chosen.absent_recordings) == {
        "their person did not agree to 'research'": 3,
        "their person has not finished": 1,
        "their person withdraws": 3,
        "their person is a test participant": 1,
        "nobody has coded it": 1,
        "a researcher decided: exclude": 1,
        "coders are not settled": 1,
    }
    assert set(built.release.people) == {pid_of(team, one) for one in staying}
    assert built.release.answers == 3
    told = json.loads((quick_path / "out" / "release.json").read_text())
    assert told["absent_people"] == dict(built.chosen.absent_people)
    card = (quick_path / "out" / "README.md").read_text()
    assert "- 1 people: did not agree to 'research'" in card
    whole = "".join(files_of(quick_path / "out"))
    texts = [path.read_text() for path in (quick_path / "out").rglob("*.[tyjmc]*") if path.is_file()
             and path.suffix in (".txt", ".yml", ".yaml", ".json", ".md", ".csv")]  # fmt: skip
    for guest in (refuser, unfinished, leaver, tester):
        for secret in (guest.person, pid_of(team, guest)):
            assert secret not in whole
            assert not any(secret in text for text in texts)
    # Nobody's own id, nor a panel's, is in it either.
    assert not any(one.person in text for one in staying for text in texts)
    assert not any('"s0"' in text for text in texts)


@pytest.mark.slow
def test_the_layout_is_read_back_without_a_finding(team: Team, quick_path: Path) -> None:
    guests = [team.whole(f"s{number}", pictures=number == 0) for number in range(4)]
    out = quick_path / "out"
    team.build(out)
    data = open_dataset(out)
    assert data.name == "bah"
    report = data.check(deep=True)
    kinds = ("missing", "extra", "corrupted", "conflicts", "remarks")
    assert {kind: getattr(report, kind) for kind in kinds} == dict.fromkeys(kinds, ())
    assert (report.n_recordings, report.n_people) == (8, 4)
    splits = {take.subject: take.split for take in data.takes()}
    assert sorted(splits.values()) == ["test", "train", "train", "val"]
    labels = {}
    for recording in data.recordings():
        labels[recording.question] = data.label(AMBIVALENCE.name, recording.id)
        assert recording.words is not None
        assert " ".join(word.text for word in recording.words) == "well, maybe yes"
        assert recording.words[1].start_s == pytest.approx(0.3)
        assert recording.duration_s == pytest.approx(2.0, abs=0.02)
    # One prompt is meant to be neutral, the other hesitant.
    assert labels == {"1": 0, "7": 1}
    one = next(found for found in data.recordings() if found.question == "7")
    assert [(s.start_s, s.end_s) for s in one.segments] == [(0.5, 1.2)]
    entry = data.annotation_entry(one.id)
    assert entry is not None
    assert entry["frame_runs"] == [[0, 4, 0], [5, 11, 1], [12, 19, 0]]
    assert entry["certainty_ah"] == [3]
    assert entry["all_cues"][0]["facial"] == ["gaze"]
    assert entry["all_cues"][0]["inconsistency"] == []
    folder = data.frame_folder(one.id)
    assert folder is not None
    assert [n for n, _ in folder.files] == [n for n in range(N_FRAMES) if n != 3]
    shown = {guest.person: data.may_be_shown(pid_of(team, guest)) for guest in guests}
    assert list(shown.values()) == [True, False, False, False]
    # The mark that no segment holds is in the file for ELAN, without the coder's name.
    (elan,) = (out / "data" / "elan").rglob(f"{one.id}.eaf")
    assert b"anna" not in elan.read_bytes()
    (marks,) = read_annotations(elan)
    assert [mark.label for tier in marks.of("inconsistency") for mark in tier.marks] == [
        "facial-language"
    ]
    sums = dict(line.split("  ")[::-1] for line in (out / "SHA256SUMS").read_text().splitlines())
    files = files_of(out)
    files.pop("SHA256SUMS")
    assert sums == files
    assert len(list((out / "data" / "neutral").rglob("*.webm"))) == 4


@pytest.mark.slow
def test_a_later_release_differs_in_who_withdrew_alone(team: Team, quick_path: Path) -> None:
    guests = [team.whole(f"s{number}") for number in range(5)]
    first = team.build(quick_path / "one", seed=4)
    assert first.recalls == {1: []}
    by_split = {member.split: pid for pid, member in first.release.people.items()}
    gone = next(guest for guest in guests if pid_of(team, guest) == by_split["train"])
    pid = pid_of(team, gone)
    withdrawal.erase(team.world.place, gone.person)
    second = team.build(quick_path / "two")
    assert second.recalls == {1: [pid], 2: []}
    one, two = files_of(quick_path / "one"), files_of(quick_path / "two")
    theirs = {name for name in one if pid in name}
    assert set(one) - set(two) == theirs
    assert set(two) <= set(one)
    differing = {name for name in two if one[name] != two[name]}
    assert differing == {
        "CHANGES.md", "LICENSE.txt", "README.md", "SHA256SUMS", "croissant.json", "release.json",
        "data/bah-video.csv", "data/meta_data.yml", "data/split/train.txt",
        "data/split-frames/train.txt", "data/video_annotation_transcript.yaml",
    }  # fmt: skip
    for name in ("data/bah-video.csv", "data/split/train.txt", "data/split-frames/train.txt"):
        before = (quick_path / "one" / name).read_text().splitlines()
        after = (quick_path / "two" / name).read_text().splitlines()
        assert after == [line for line in before if pid not in line]
    entries = [
        yaml.unsafe_load((quick_path / name / "data/video_annotation_transcript.yaml").read_text())
        for name in ("one", "two")
    ]
    assert entries[1] == {key: one for key, one in entries[0].items() if pid not in key}
    changes = (quick_path / "two" / "CHANGES.md").read_text()
    assert f"No longer in it (delete your copies of theirs): {pid}" in changes
    assert "Something of theirs changed: nobody" in changes
    again = CliRunner().invoke(main, ["release", "list", str(team.world.folder), "--json"])
    assert [one["recall"] for one in json.loads(again.stdout)["releases"]] == [[pid], []]


@pytest.mark.slow
def test_who_takes_the_consent_back_is_recalled_and_who_comes_new_moves_nobody(
    team: Team, quick_path: Path
) -> None:
    guests = [team.whole(f"s{number}") for number in range(4)]
    first = team.build(quick_path / "one", seed=1)
    back = guests[0]
    withdrawal.withdraw(team.world.place, back.person, ["research"])
    for number in range(4):
        team.whole(f"new{number}")
    second = team.build(quick_path / "two", seed=99)
    assert second.recalls[1] == [pid_of(team, back)]
    for guest in guests[1:]:
        pid = pid_of(team, guest)
        assert second.release.people[pid] == first.release.people[pid]
    shown = ledger.change(first.release, second.release)
    assert (len(shown.added), len(shown.gone), shown.changed) == (4, 1, ())
    say(team.world, next(iter(team.marks)), "another text")
    with_change = team.build(quick_path / "three")
    assert len(ledger.change(second.release, with_change.release).changed) <= 1


@pytest.mark.slow
def test_who_withdraws_while_it_is_built_is_not_in_it(
    team: Team, quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests = [team.whole(f"s{number}") for number in range(4)]
    place = team.world.place
    write = building.card.write

    def late(told: Any, folder: Path) -> None:
        write(told, folder)
        withdrawal.erase(place, guests[2].person)

    monkeypatch.setattr(building.card, "write", late)
    pid = pid_of(team, guests[2])
    built = team.build(quick_path / "out")
    assert pid not in built.release.people
    assert built.chosen.absent_people == {"withdrew while this was built": 1}
    for path in (quick_path / "out").rglob("*"):
        assert pid not in path.name
        assert path.is_dir() or pid.encode() not in path.read_bytes()
    assert open_dataset(quick_path / "out").check(deep=True).complete


def test_nothing_is_left_of_a_build_that_failed(team: Team, quick_path: Path) -> None:
    team.whole("alone")
    out = quick_path / "folder" / "out"
    out.parent.mkdir()
    with pytest.raises(BadInput, match="at least 3"):
        team.build(out)
    assert list(out.parent.iterdir()) == []
    assert ledger.earlier(team.world.place) == []
    with pytest.raises(BadInput, match="lies in the study's folder"):
        team.build(team.world.folder / "data" / "out")
    out.mkdir()
    with pytest.raises(BadInput, match="exists already"):
        team.build(out)
    with pytest.raises(BadInput, match="no such question"):
        team.build(quick_path / "x", leave_out=frozenset({"shoes"}))


@pytest.mark.slow
def test_a_study_that_never_asked_releases_nobody(world: World, quick_path: Path) -> None:
    team = Team(world)
    for number in range(3):
        team.whole(f"s{number}")
    with pytest.raises(BadInput, match="no item 'research'"):
        team.build(quick_path / "out")
    built = team.build(quick_path / "out", cut=Cut(require=("pictures",)))
    assert built.release.items == ("pictures",)


@pytest.mark.slow
def test_croissant_says_what_lies_there(team: Team, quick_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    for number in range(3):
        team.whole(f"s{number}")
    out = quick_path / "out"
    team.build(out)
    described = mlcroissant.Dataset(out / "croissant.json")
    assert not described.metadata.ctx.issues.errors
    assert not described.metadata.ctx.issues.warnings
    records = list(described.records("answers"))
    with open(out / "data" / "bah-video.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    found = [one["answers/video"].decode() for one in records]
    assert found == [row["video"] for row in rows]
    assert [one["answers/label"] for one in records] == [int(row["label"]) for row in rows]


def test_marks_of_files_stand_for_the_study_s_own_coding(
    team: Team, quick_path: Path, tmp_path: Path
) -> None:
    for number in range(3):
        team.whole(f"s{number}")
    folder = tmp_path / "elan"
    folder.mkdir()
    for number, (recording, settled) in enumerate(team.marks.items()):
        assert settled.annotations is not None
        marked = replace(settled.annotations, recording="a film on a desk")
        write_eaf(marked, folder / (f"{recording}.eaf" if number else f"{recording}.anna.eaf"))
    asked = [
        "release", "build", str(team.world.folder), "--out", str(quick_path / "out"),
        "--marks", str(folder), "--json", "--leave-out", "age",
    ]  # fmt: skip
    ran = CliRunner().invoke(main, asked)
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert (told["people"], told["answers"], told["remarks"]) == (3, 6, [])
    assert "\n  age:" not in (quick_path / "out" / "data" / "meta_data.yml").read_text()
    shutil.copy(next(folder.glob("*.eaf")), folder / "stranger.eaf")
    ran = CliRunner().invoke(main, [*asked[:4], str(quick_path / "again"), *asked[5:]])
    assert ran.exit_code != 0
    assert "stranger" in ran.output
