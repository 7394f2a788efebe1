"""Thirty and more seeded defects as films, sent as a browser sends them: each is found, with its reason,
and what is fine passes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from server_defects import DEFECTS, FINE, FPS, SIZE, Defect, Sent, Take, take_of
from server_films import pieces
from server_world import Guest, World
from speech_models import needed
from twomind.core import scratch
from twomind.server import worker
from twomind.server.measured import findings_label
from twomind.server.tables import Recording

in_memory = pytest.mark.skipif(not scratch.can_be_in_memory(), reason="needs files in memory")
PAGE = Path(__file__).parents[2] / "docs" / "study" / "quality.md"


@pytest.fixture(scope="module")
def takes(module_path: Path) -> tuple[Take, Take]:
    """Two synthetic people."""
    film = pytest.importorskip("twomind_synth.film")
    settings = film.FilmSettings(SIZE[0], SIZE[1], FPS)
    drawn = [film.draw_person(module_path / "drawn", seed, 1, settings=settings) for seed in (1, 2)]
    one, other = (take_of(made.media) for made in drawn)
    return one, other


def study_in(folder: Path, speech: str) -> World:
    """A study with room for real films."""

    def text(plain: str) -> str:
        roomy = plain.replace("recording_max_bytes = 400000", "recording_max_bytes = 40000000")
        prompts = roomy.replace("takes = 1", "takes = 3\nmin_s = 3")
        return f'{prompts}\n[measuring]\nmodel = ""\nspeech_model = "{speech}"\n'

    return World(folder, text=text)


@pytest.fixture(scope="module")
def silent_study(module_path: Path) -> World:
    return study_in(module_path / "silent", "")


@pytest.fixture(scope="module")
def speech_study(module_path: Path) -> World:
    return study_in(module_path / "speech", str(needed("base")))


@pytest.fixture
def study(defect: Defect, request: pytest.FixtureRequest) -> World:
    """With a speech model for those films that want one."""
    name = "speech_study" if defect.speech else "silent_study"
    found: World = request.getfixturevalue(name)
    return found


def send(guest: Guest, sent: Sent, item: str) -> tuple[str, int]:
    """Everything that a browser says of a recording; the first answer that is no success."""
    recording = guest.begin(item, mime=sent.mime)
    chunks = pieces(sent.content, 60_000)
    for number, chunk in enumerate(chunks):
        status = guest.put(recording, number, chunk).status_code
        if status != 201:
            return recording, status
    events = [
        {"seq": n, "name": name, "media_ms": 100.0 * n, "at": "2026-11-29T04:30:00.125Z"}
        for n, name in enumerate(sent.events)
    ]
    said = {"duration_ms": 1000 * sent.duration_s, "stop_reason": sent.stop_reason}
    return recording, guest.done(recording, chunks, events=events, **said).status_code


def found_in(world: World, recording: str) -> dict[str, Any]:
    """What the worker finds."""
    claimed = worker.claim(world.place)
    assert claimed is not None
    assert claimed.recording == recording
    assert worker.work(world.place, claimed)
    with world.place.database.reading() as reading:
        row = reading.get_one(Recording, recording)
        return world.place.opened(row.person, row.findings, findings_label(recording))


def visitor(world: World) -> Guest:
    guest = world.person()
    guest.agree()
    return guest


def codes_of(findings: dict[str, Any]) -> set[str]:
    return {fault["code"] for fault in findings["faults"]}


@pytest.mark.slow
@in_memory
@pytest.mark.parametrize("defect", DEFECTS, ids=[one.name for one in DEFECTS])
def test_each_defect_is_found(defect: Defect, study: World, takes: tuple[Take, Take]) -> None:
    guest = visitor(study)
    recording, status = send(guest, defect.sent(*takes), defect.item)
    if defect.proposal == "refused":
        assert status in (415, 422)
        assert worker.waiting(study.place) == 0
        return
    assert status == 200
    findings = found_in(study, recording)
    codes = codes_of(findings)
    print(
        defect.name,
        findings["proposal"],
        codes,
        {k: round(v, 2) if isinstance(v, float) else v for k, v in findings["values"].items()},
    )
    assert set(defect.codes) <= codes, findings["values"]
    assert codes <= set(defect.codes) | set(defect.more), findings["values"]
    assert findings["proposal"] == "again"


@pytest.mark.slow
@in_memory
@pytest.mark.parametrize("defect", FINE, ids=[one.name for one in FINE])
def test_what_is_fine_passes(defect: Defect, study: World, takes: tuple[Take, Take]) -> None:
    recording, status = send(visitor(study), defect.sent(*takes), defect.item)
    assert status == 200
    findings = found_in(study, recording)
    print(
        defect.name,
        findings["proposal"],
        {k: round(v, 2) if isinstance(v, float) else v for k, v in findings["values"].items()},
    )
    assert (findings["proposal"], findings["faults"]) == ("usable", [])


@pytest.mark.slow
@in_memory
def test_the_same_defect_in_the_answer_that_was_asked_for_again(
    silent_study: World, takes: tuple[Take, Take]
) -> None:
    dark = next(one for one in DEFECTS if one.name == "dark room").sent(*takes)
    guest = visitor(silent_study)
    first, _ = send(guest, dark, "q1")
    assert found_in(silent_study, first)["proposal"] == "again"
    decision = {"verdict": "again", "reason": "too dark"}
    path = f"/api/researcher/recordings/{first}/decisions"
    assert silent_study.researcher().post(path, json=decision).status_code == 201
    second, _ = send(guest, dark, "q1")
    assert found_in(silent_study, second)["proposal"] == "exclude"


def test_the_manual_lists_every_film() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    told = {row[0]: row[1:] for row in rows}
    for defect in DEFECTS:
        proposal, reasons = told[defect.name]
        assert proposal == ("not taken" if defect.proposal == "refused" else "ask again")
        if defect.codes:
            assert tuple(re.findall(r"`(\w+)`", reasons)) == defect.codes, defect.name
    for fine in FINE:
        assert told[fine.name] == ["usable", ""]
