"""Somebody takes part with Firefox, from the link to the thanks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

pytest.importorskip("fastapi", reason="needs the extra 'server'")
pytest.importorskip("websockets", reason="speaks to Firefox")

from sqlalchemy import select

from firefox import Firefox, program
from study_visit import StudyServer
from twomind.server import uploads
from twomind.server.tables import Recording

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason="needs Debian's firefox-esr"),
]
NEXT = "Show the question"


@pytest.fixture
def firefox(tmp_path: Path) -> Iterator[Firefox]:
    firefox = Firefox(tmp_path / "profile")
    yield firefox
    firefox.close()


@pytest.fixture
def study(web: Path, tmp_path: Path) -> Iterator[StudyServer]:
    study = StudyServer(tmp_path / "study")
    study.start()
    yield study
    study.kill()


def consent_and_check(firefox: Firefox, study: StudyServer) -> None:
    firefox.goto(f"{study.url}/join#{study.invite('p1')[0]}")
    firefox.wait("fieldset")
    for n in range(len(firefox.seen("fieldset"))):
        firefox.click("fieldset input[value=yes]", nth=n)
    firefox.click("form button")
    firefox.wait("main button.main", "Turn on camera")
    firefox.click("main button.main")
    firefox.wait("#camera")
    time.sleep(1)
    firefox.click("main button.main")
    time.sleep(2.5)
    firefox.click("main button.main")
    firefox.wait("video[controls]")
    firefox.click("main button.main")


def answer_all(firefox: Firefox) -> int:
    answered = 0
    while True:
        firefox.wait("main button, main form", "")
        if firefox.seen("main form"):
            return answered
        firefox.click("main button.main", NEXT)
        firefox.wait(".lamp")
        time.sleep(2)
        firefox.click("main button.main:enabled")
        if answered == 0:
            firefox.click("main button.main", "Keep this")
        answered += 1
        while not (firefox.seen("main button.main", NEXT) or firefox.seen("main form")):
            time.sleep(0.05)


def test_a_whole_visit(firefox: Firefox, study: StudyServer, tmp_path: Path) -> None:
    consent_and_check(firefox, study)
    answered = answer_all(firefox)
    firefox.click("form button")
    firefox.wait("main", "All your answers have arrived")
    assert answered == 8
    assert firefox.run("async () => (await indexedDB.databases()).length") == 1
    place = study.place()
    with place.database.reading() as reading:
        recordings = list(reading.scalars(select(Recording)))
        assert [one.state for one in recordings] == ["complete"] * 8
        for recording in recordings:
            events = [event["name"] for event in uploads.events_of(place, recording)]
            assert [name for name in events if name[:2] != "x_"] == [
                "start",
                "prompt_shown",
                "stop",
            ]
            path = tmp_path / f"{recording.id}.webm"
            path.write_bytes(uploads.film(place, reading, recording).readall())
            with av.open(str(path)) as film:
                pictures = [frame.time for frame in film.decode(video=0)]
            with av.open(str(path)) as film:
                sound = [frame.time for frame in film.decode(audio=0)]
            # A busy machine's Firefox gives fewer pictures; the clock is tried in Chromium only.
            assert pictures[-1] > 1
            assert sound[-1] > 1
