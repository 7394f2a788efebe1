"""Prevalence of a study: what is counted, what is coded, and the same numbers as of a table."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from server_world import Guest, World
from twomind.annotations import Annotations, Mark, Tier
from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.server import coding, people, prevalence, recruiting, reviewing
from twomind.server.measured import result_label
from twomind.server.settled import Settled
from twomind.server.tables import Recording


def coded(recording: str, present: bool) -> Settled:
    label = "A/H" if present else "no A/H"
    return Settled("one coder", Annotations(recording, (Tier("answer", (Mark(0, 9, label),)),)))


def scored(world: World, recording_id: str, score: float | None) -> None:
    with world.place.database.writing() as writing:
        row = writing.get_one(Recording, recording_id)
        value = {"prediction": {"probability": score}}
        row.result = world.place.sealed(row.person, value, result_label(row.id))


def ran(*asked: str) -> dict[str, Any]:
    answer = CliRunner().invoke(main, ["prevalence", *asked, "--json"])
    assert answer.exit_code == 0, answer.output
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> dict[str, Settled]:
    found: dict[str, Settled] = {}
    monkeypatch.setattr(coding, "by_recording", lambda place: found)
    return found


def take_part(world: World, number: int, settled: dict[str, Settled]) -> Guest:
    """Two answers; of every second person they are coded."""
    guest = world.person(f"s{number}")
    guest.agree("fr" if number % 3 == 0 else "en")
    for item, score in (("q1", 0.1 + 0.05 * number), ("q2", 0.9 - 0.05 * number)):
        recording = guest.record(item)
        scored(world, recording, score)
        if number % 2 == 0:
            settled[recording] = coded(recording, score > 0.5)
    return guest


@pytest.mark.slow
def test_a_study_gives_what_a_table_of_it_gives(
    world: World, settled: dict[str, Settled], tmp_path: Path
) -> None:
    guests = [take_part(world, number, settled) for number in range(6)]
    clip = guests[0].record("neutral")
    with world.place.database.reading() as reading:
        excluded = people.of_person(reading, guests[5].person)[0].id
    reviewing.decide(world.place, "ada", excluded, "exclude", "noise")
    link = recruiting.test_participant(world.place, "ada")
    tester = world.enter(link["link"].partition("#")[2], link["person"])
    tester.agree()
    tester.record("q1")
    rows = prevalence.rows_of(world.place, "language").rows
    assert len(rows) == 11
    assert {clip, excluded} & {row["id"] for row in rows} == set()
    found = ran(str(world.folder), "--group", "language")
    assert (found["answers"], found["coded"]) == (11, 6)
    assert set(found["questions"]) == {"q1", "q2"}
    assert set(found["groups"]) == {"en", "fr"}
    assert "1 test participants are not counted" in found["remarks"]
    path = tmp_path / "by-hand.csv"
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            one = settled.get(row["id"])
            human = "" if one is None else str(int(prevalence.present_in(one.annotations)))
            writer.writerow({**row, "human": human})
    by_hand = ran(str(path))
    for name in ("estimate", "interval", "classical", "coder_hours_saved", "differences"):
        assert found[name] == by_hand[name]


def test_who_are_drawn_next_are_coded_in_the_study_and_no_other_code_counts(
    world: World, settled: dict[str, Settled], tmp_path: Path
) -> None:
    for number in range(4):
        take_part(world, number, settled)
    settled.clear()
    drawn = tmp_path / "next.csv"
    told = ran("next", str(world.folder), "-n", "3", "--out", str(drawn))
    wanted = [one["id"] for one in told["next"]]
    others = {row["id"] for row in prevalence.rows_of(world.place).rows} - set(wanted)
    settled[min(others)] = coded(min(others), True)
    for name in wanted:
        settled[name] = coded(name, name == wanted[0])
    found = ran(str(drawn), "--codes", str(world.folder))
    assert (found["answers"], found["coded"]) == (8, 3)
    settled.pop(wanted[1])
    answer = CliRunner().invoke(
        main, ["prevalence", str(drawn), "--codes", str(world.folder), "--json"]
    )
    assert answer.exit_code == 3
    assert "were drawn for coding" in answer.output


def test_what_coders_are_not_settled_on_is_refused(
    world: World, settled: dict[str, Settled]
) -> None:
    take_part(world, 0, settled)
    settled[min(settled)] = Settled("open", None)
    with pytest.raises(BadInput, match="1 answers were coded by several"):
        prevalence.study_table(world.folder)
    settled.clear()
    with pytest.raises(BadInput, match="--group shoes"):
        prevalence.study_table(world.folder, "shoes")
