"""A study whose people let their recordings be given to others, with answers that are coded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server_films import pieces, webm
from server_world import Guest, World
from twomind.annotations import Annotations, Mark, Tier
from twomind.server import people, reviewing, scripts
from twomind.server.release.build import Built, Wanted, build
from twomind.server.release.who import Cut
from twomind.server.scripts import Script
from twomind.server.settled import Settled
from twomind.server.tables import Recording
from twomind.types import Timing, Word

RESEARCH = """  { id = "research", required = false, text = { en = "give", fr = "donner" } },
]"""


def with_research(text: str) -> str:
    """The study of the tests, with an item that lets recordings be given to others."""
    head, _, rest = text.partition("\n]\n")
    return f"{head}\n{RESEARCH}\n{rest}"


def quiet(_what: str, _done: float, _total: float) -> None:
    pass


@dataclass
class Team:
    """A study with people whose answers are coded."""

    world: World
    marks: dict[str, Settled] = field(default_factory=dict)

    def guest(self, name: str, **answers: bool) -> Guest:
        guest = self.world.person(name)
        assert guest.agree(**answers).status_code == 201
        return guest

    def film(self, guest: Guest, item: str, shade: int = 120) -> str:
        chunks = pieces(webm(2.0, grey=shade))
        recording = guest.begin(item)
        for number, chunk in enumerate(chunks):
            assert guest.put(recording, number, chunk).status_code == 201
        assert guest.done(recording, chunks, duration_ms=2000.0).status_code == 200
        return recording

    def usable(self, recording: str) -> None:
        reviewing.decide(self.world.place, "ada", recording, "usable", "")

    def coded(self, recording: str, present: bool) -> None:
        self.marks[recording] = Settled("one coder", annotations(recording, present))

    def whole(self, name: str, **answers: bool) -> Guest:
        """Somebody with two usable, coded answers and a clip at rest, who has finished."""
        guest = self.guest(name, **answers)
        for item, present in (("neutral", None), ("q1", False), ("q2", True)):
            recording = self.film(guest, item, shade=60 + 40 * (len(self.marks) % 3))
            self.usable(recording)
            if present is not None:
                self.coded(recording, present)
                say(self.world, recording)
        guest.client.put("/api/metadata", json={"answers": {"age": 20 + len(self.marks)}})
        people.finish(self.world.place, guest.person)
        return guest

    def build(self, out: Path, **more: Any) -> Built:
        cut = more.pop("cut", Cut())
        return build(self.world.place, Wanted(out, cut, **more), self.marks, quiet)


def annotations(recording: str, present: bool) -> Annotations:
    label = "A/H" if present else "no A/H"
    tiers = [Tier("answer", (Mark(0.0, 2.0, label),), coder="anna"), Tier("ah", coder="anna")]
    if present:
        tiers[1] = Tier("ah", (Mark(0.5, 1.2, "A/H", "3"),), coder="anna")
        tiers.append(Tier("cue", (Mark(0.6, 0.9, "gaze"),), "facial", "anna"))
        tiers.append(Tier("inconsistency", (Mark(1.5, 1.9, "facial-language"),), coder="anna"))
    return Annotations(recording, tuple(tiers), duration_s=2.0)


def say(world: World, recording_id: str, text: str = "well, maybe yes") -> None:
    words = []
    for number, word in enumerate(text.split()):
        words.append(Word(word, 0.3 * number, 0.3 * number + 0.2, timing=Timing.RECOGNISED))
    with world.place.database.writing() as writing:
        row = writing.get_one(Recording, recording_id)
        scripts.add(world.place, writing, row, scripts.MACHINE, Script(tuple(words), "en", "test"))
