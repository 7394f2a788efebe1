"""Everything that a server may come to hold of a recording, beside its bytes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np

from server_world import World
from twomind.server import coders, measuring, quality, reviewing, scripts, worker
from twomind.server.measured import Measured
from twomind.server.sealed_store import SealedStore
from twomind.server.tables import Recording
from twomind.types import Word

PROBABILITY = 0.4321


@dataclass(frozen=True)
class Traces:
    """What was said, what was measured, and why something was decided."""

    said: str
    measured: str
    reason: str


def leave(world: World, recording: str, traces: Traces) -> None:
    """Features, findings, a result, two versions of the words, and a decision."""
    place = world.place
    absent = [quality.NotMeasured("words", traces.measured)]
    values = quality.Values(length_s=9.0)
    findings = quality.judge(values, quality.Asked(), quality.Quality(), absent)
    result = {"prediction": {"probability": PROBABILITY, "reason": traces.measured}}
    words = tuple(Word(text, k, k + 0.5) for k, text in enumerate(traces.said.split()))
    found = Measured(findings, result, scripts.Script(words, "en", "made up"))
    with place.database.reading() as reading:
        person = reading.get_one(Recording, recording).person
    folder = place.folder_of(person, measuring.FEATURES)
    store = SealedStore(folder, secret=place.keys.of(person))
    store.put("voice", store.key(recording, {}), {"x": np.ones(3)}, {"said": traces.said})
    assert worker.keep(place, recording, found)
    reviewing.decide(place, "ada", recording, "usable", traces.reason)
    reviewing.correct(place, "ada", recording, 1, f"{traces.said} indeed")
    # The correction is measured too.
    assert worker.keep(place, recording, found)


def assign(world: World, recording: str) -> str:
    """A coder who may see it; their link."""
    coder = coders.make(world.place, "ada", secrets.token_hex(4))
    coders.assign(world.place, "ada", coder["id"], recording)
    return str(coder["link"])
