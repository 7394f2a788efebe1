"""A release with faces in it goes into the verbs that open BAH: from link to board."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("mediapipe")
pytest.importorskip("twomind_synth")


import llm_tools as tools
from server_films import pieces
from server_release import say, with_research
from server_world import World
from twomind.annotations import Annotations, Mark, Tier
from twomind.cli.main import main
from twomind.server import reviewing
from twomind.server.release.build import Wanted, build
from twomind.server.release.who import Cut
from twomind.server.settled import Settled
from twomind.server.tables import Person

pytestmark = pytest.mark.slow
#: As few as a model of words is trained on.
N_PEOPLE = 10


def with_room(text: str) -> str:
    return with_research(text).replace(
        "recording_max_bytes = 400000", "recording_max_bytes = 4000000"
    )


def ran(*asked: str) -> dict[str, Any]:
    answer = CliRunner().invoke(main, [*asked, "--json"])
    assert answer.exit_code == 0, answer.output
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_train_score_and_reproduce_read_it(
    make_world: Callable[..., World], tmp_path: Path, quick_path: Path
) -> None:
    from twomind_synth import film

    world = make_world("study", text=with_room)
    small = film.FilmSettings(width_px=320, height_px=240, fps=5)
    marks = {}
    for index in range(N_PEOPLE):
        guest = world.person(f"s{index}")
        guest.agree()
        item, question = ("q1", 1) if index % 2 else ("q2", 7)
        drawn = film.film_answer(tmp_path, film.World(), 5, index, question, small)
        chunks = pieces(drawn.media.read_bytes(), 60_000)
        recording = guest.begin(item, mime="video/mp4")
        for number, chunk in enumerate(chunks):
            assert guest.put(recording, number, chunk).status_code == 201
        guest.done(recording, chunks, duration_ms=15000.0)
        reviewing.decide(world.place, "ada", recording, "usable", "")
        spans = tuple(Mark(start, end, "A/H") for start, end in drawn.segments)
        answer = Mark(0, 15, "A/H" if drawn.label else "no A/H")
        tiers = (Tier("answer", (answer,)), Tier("ah", spans))
        marks[recording] = Settled("one coder", Annotations(recording, tiers))
        words = [line for line in drawn.transcript.read_text().splitlines() if line.isalpha()]
        say(world, recording, " ".join(words))
        with world.place.database.writing() as writing:
            writing.get_one(Person, guest.person).state = "finished"
    out = tmp_path / "out"
    built = build(world.place, Wanted(out, Cut()), marks, lambda *_: None)
    assert (len(built.release.people), built.release.answers) == (N_PEOPLE, N_PEOPLE)
    checked = ran("data", "check", str(out), "--deep")
    assert checked["complete"]
    assert not any(checked[kind] for kind in ("missing", "extra", "corrupted", "conflicts"))
    crops = list((out / "data" / "cropped-aligned-faces").rglob("*.jpg"))
    assert len(crops) > 300
    ran(
        "train", "words", "--data", str(out / "data" / "split"), "--splits", "train,val,test",
        "--out", str(tmp_path / "words.json"), "--bootstrap", "100",
    )  # fmt: skip
    scored = ran(
        "score", "words", "--data", str(out / "data" / "split"), "--split", "test",
        "--bootstrap", "100",
    )  # fmt: skip
    assert scored
    fusion = ran(
        "train", "fusion", "--data", str(out), "--protocol", "official", "--epochs", "2",
        "--modalities", "face,words", "--bootstrap", "100", "--out", str(tmp_path / "fusion"),
        "--store", str(quick_path / "store"),
    )  # fmt: skip
    assert fusion
    rows = ["id,score"]
    for line in (out / "data" / "split" / "test.txt").read_text().splitlines():
        rows.append(f"{Path(line.split(',')[0]).stem},0.5")
    (tmp_path / "mine.csv").write_text("\n".join(rows) + "\n")
    board = ran(
        "score", "results", str(tmp_path / "mine.csv"), "--data", str(out), "--protocol", "official",
        "--out", str(tmp_path / "board"),
    )  # fmt: skip
    assert board
    with tools.serving(tmp_path / "llm", tools.say("Ambivalent")) as served:
        table = ran(
            "reproduce", "bah", str(out), "--table", "zero-shot", "--out", str(tmp_path / "table"),
            "--set", f"llm.endpoint={served.url}", "--set", "llm.model=m", "--set", "bootstrap=100",
            "--set", "llm.n_frames=2",
        )  # fmt: skip
    assert table["levels"]
