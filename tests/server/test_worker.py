"""What comes in is measured in the background, sealed, and kept through crashes and withdrawals."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server_films import pieces, webm
from server_world import Guest, World, as_film
from twomind.core import scratch
from twomind.core.errors import MissingExtra
from twomind.server import measuring, quality, scripts, withdrawal, worker
from twomind.server.measured import Measured, findings_label, result_label
from twomind.server.tables import Recording, Transcript
from twomind.types import Word

pytestmark = pytest.mark.skipif(not scratch.can_be_in_memory(), reason="needs files in memory")


def recorded(guest: Guest, item: str = "q1", film: bytes | None = None, **more: Any) -> str:
    """A film that came in; its manifest says its true length."""
    content = webm() if film is None else film
    chunks = pieces(content)
    recording = guest.begin(item)
    for number, chunk in enumerate(chunks):
        assert guest.put(recording, number, chunk).status_code == 201
    said = {"duration_ms": 2000.0} | more
    assert guest.done(recording, chunks, **said).status_code == 200
    return recording


def found(world: World, recording: str) -> tuple[Recording, dict[str, Any], dict[str, Any]]:
    place = world.place
    with place.database.reading() as reading:
        row = reading.get_one(Recording, recording)
    findings = place.opened(row.person, row.findings, findings_label(recording))
    return row, findings, place.opened(row.person, row.result, result_label(recording))


@pytest.fixture
def guest(world: World) -> Guest:
    guest = world.person()
    guest.agree()
    return guest


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Measuring that measures nothing, and notes what it was asked."""
    asked: list[str] = []

    def measure(_place: Any, task: measuring.Task) -> Measured:
        asked.append(task.recording.id)
        return Measured(quality.Findings(quality.Values(length_s=2.0)), {"prediction": {}})

    monkeypatch.setattr(measuring, "measure", measure)
    return asked


def clear_files(folder: Path, *secrets: bytes) -> list[Path]:
    """Files in which something stands in clear."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in paths if any(secret in path.read_bytes() for secret in secrets)]


def test_a_film_is_measured_as_the_command_line_does_and_nothing_lies_in_clear(
    world: World, guest: Guest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = recorded(guest)
    # No temporary file can be made on the disk.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    claimed = worker.claim(world.place)
    assert claimed is not None
    assert worker.work(world.place, claimed)
    row, findings, result = found(world, recording)
    assert row.measured is not None
    assert (row.proposal, row.quality, row.tries) == ("again", "waiting", 0)
    values = findings["values"]
    assert values["length_s"] == pytest.approx(2.0, abs=0.1)
    assert values["face_share"] == 0
    codes = {fault["code"] for fault in findings["faults"]}
    # A tone is a loud noise.
    assert codes == {"too_short", "face_seldom", "face_because", "no_speech", "loud_noise"}
    assert {one["what"] for one in findings["not_measured"]} == {"words"}
    assert result["prediction"]["status"] == "not_measured"
    assert "path" not in result["media"]
    assert worker.claim(world.place) is None
    folder = world.folder / "data"
    features = list((folder / "people" / guest.person / measuring.FEATURES).glob("*.sealed"))
    assert len(features) == 2
    assert clear_files(world.folder, b"length_s", b"face_seldom", b"TMS0", b"safetensors") == []
    # A second look reads what is kept, without another pass.
    monkeypatch.setattr("twomind.features.describe.run_pass", None)
    task = measuring.task_of(world.place, recording)
    assert task is not None
    assert measuring.measure(world.place, task).findings.plain() == findings | {
        "faults": tuple(findings["faults"]),
        "not_measured": tuple(findings["not_measured"]),
        "remarks": tuple(findings["remarks"]),
    }


def test_a_film_that_is_none_is_told_and_the_next_is_measured(world: World, guest: Guest) -> None:
    broken = recorded(guest, "q1", as_film(b"no film"))
    claimed = worker.claim(world.place)
    assert claimed is not None
    worker.work(world.place, claimed)
    row, findings, _ = found(world, broken)
    assert row.proposal == "again"
    assert [fault["code"] for fault in findings["faults"]] == ["unreadable"]
    assert "/proc/" not in str(findings)


def test_damaged_pieces_on_the_disk_are_told(world: World, guest: Guest) -> None:
    recording = recorded(guest)
    piece = next((world.folder / "data" / "people" / guest.person / recording).glob("*.sealed"))
    content = bytearray(piece.read_bytes())
    content[100] ^= 1
    piece.write_bytes(content)
    task = measuring.task_of(world.place, recording)
    assert task is not None
    findings = measuring.measure(world.place, task).findings
    assert findings.proposal == "again"
    assert "damaged" in findings.remarks[0]


def test_without_a_heavy_part_it_stands_in_the_queue_all_the_same(
    world: World, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_args: Any, **_more: Any) -> None:
        raise MissingExtra("face", "the face tracker")

    monkeypatch.setattr("twomind.features.one_pass.FaceReader", absent)
    study = world.place.study
    wish = study.measuring.model_copy(update={"speech_model": "package:no_such_model"})
    place = replace(world.place, study=study.model_copy(update={"measuring": wish}))
    recording = recorded(guest, "neutral")
    prompted = recorded(guest, "q1", duration_ms=9000.0)
    for name in (recording, prompted):
        task = measuring.task_of(place, name)
        assert task is not None
        worker.keep(place, name, measuring.measure(place, task))
    _, findings, _ = found(world, recording)
    absent_ones = {one["what"]: one["reason"] for one in findings["not_measured"]}
    assert "twomind[face]" in absent_ones["face"]
    # Nothing else is wrong with the neutral clip: nobody can say so without the face.
    assert [fault["code"] for fault in findings["faults"]] == ["too_short"]
    _, findings, _ = found(world, prompted)
    absent_ones = {one["what"]: one["reason"] for one in findings["not_measured"]}
    assert "no_such_model" in absent_ones["words"]
    assert "incomplete" in {fault["code"] for fault in findings["faults"]}


def test_work_is_found_in_the_database_and_survives_processes_that_end(
    world: World, guest: Guest, quick: list[str]
) -> None:
    recording = recorded(guest)
    for tries in range(worker.MOST_TRIES):
        claimed = worker.claim(world.place)
        assert claimed == worker.Claim(recording, tries)
        world.start()
    # Whoever was asked to stop gives it back.
    claimed = worker.claim(world.place)
    assert claimed is not None
    worker.release(world.place, claimed)
    claimed = worker.claim(world.place)
    assert claimed == worker.Claim(recording, worker.MOST_TRIES)
    worker.work(world.place, claimed)
    row, findings, _ = found(world, recording)
    assert quick == []
    assert row.proposal == ""
    assert "ended 3 times" in findings["not_measured"][0]["reason"]
    assert worker.waiting(world.place) == 0


def test_one_that_kills_does_not_keep_the_others_waiting(
    world: World, guest: Guest, quick: list[str]
) -> None:
    first = recorded(guest, "q1")
    assert worker.claim(world.place) == worker.Claim(first, 0)
    second = recorded(guest, "q2")
    assert worker.claim(world.place) == worker.Claim(second, 0)


def test_what_is_open_or_of_somebody_who_withdraws_is_not_measured(
    make_world: Any, quick: list[str]
) -> None:
    world = make_world("thoughts", thoughts=3)
    guest = world.person()
    guest.agree()
    guest.put(guest.begin("q2"), 0, as_film(b"x"))
    assert worker.waiting(world.place) == 0
    recorded(guest, "q1")
    assert worker.waiting(world.place) == 1
    guest.client.post("/api/withdraw", json={"all": True})
    assert worker.claim(world.place) is None


@pytest.mark.parametrize("when", ["before", "while it reads", "before it is kept"])
def test_nothing_comes_back_of_somebody_who_withdrew_meanwhile(
    world: World, guest: Guest, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(guest)
    claimed = worker.claim(world.place)
    assert claimed is not None
    place = world.place
    real = measuring.predict_one if when == "while it reads" else worker.keep

    def erase_first(*args: Any, **more: Any) -> Any:
        withdrawal.erase(place, guest.person)
        return real(*args, **more)

    if when == "before":
        withdrawal.erase(place, guest.person)
    elif when == "while it reads":
        monkeypatch.setattr(measuring, "predict_one", erase_first)
    else:
        monkeypatch.setattr(worker, "keep", erase_first)
    assert not worker.work(place, claimed)
    assert not (world.folder / "data" / "people" / guest.person).exists()
    assert clear_files(world.folder / "data", guest.person.encode()) == []


def test_a_stray_folder_goes_at_the_next_start(world: World, guest: Guest) -> None:
    stray = world.folder / "data" / "people" / "0123456789ab" / "features"
    stray.mkdir(parents=True)
    (stray / "face-x.sealed").write_bytes(b"x")
    recorded(guest)
    world.start()
    assert not stray.parent.exists()
    assert (world.folder / "data" / "people" / guest.person).exists()


def test_words_of_a_french_answer_are_kept_and_not_scored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recogniser is a stub: which words it hears is tested elsewhere."""
    from twomind.transcripts.words import Words

    heard = Words((Word("je", 0.1, 0.3), Word("sais", 0.4, 0.8)), "stub", language="fr")

    def recognise(*_args: Any, language: str | None = None, **_more: Any) -> Words:
        assert language == "fr"
        return heard

    monkeypatch.setattr("twomind.transcripts.speech.recognise_words", recognise)
    monkeypatch.setattr("twomind.transcripts.speech_models.require", lambda *_a, **_m: None)
    monkeypatch.setattr("twomind.transcripts.speech_models.model_mark", lambda _model: "stub")
    study = world.place.study
    wish = study.measuring.model_copy(update={"speech_model": "stub"})
    place = replace(world.place, study=study.model_copy(update={"measuring": wish}))
    guest = world.person()
    guest.agree("fr")
    recording = recorded(guest)
    claimed = worker.claim(place)
    assert claimed is not None
    assert worker.work(place, claimed)
    _, findings, result = found(world, recording)
    with place.database.reading() as reading:
        (version,) = scripts.versions(place, reading, reading.get_one(Recording, recording))
        row = reading.get_one(Transcript, (recording, 1))
    assert (version.by, version.script.text) == (scripts.MACHINE, "je sais")
    assert b"sais" not in row.words
    assert result["prediction"]["probability"] is None
    words = {one["what"]: one["reason"] for one in findings["not_measured"]}["words"]
    assert "English" in words


# --- what is proposed

GOOD = quality.Values(
    length_s=20.0, face_share=0.95, speech_s=12.0, level_dbfs=-25.0, clipped_share=0.0
)
ASKED = quality.Asked(min_s=3.0, expected_s=20.2)


@pytest.mark.parametrize(
    ("values", "asked", "code"),
    [
        ({"readable": False}, {}, "unreadable"),
        ({"truncated": True}, {}, "truncated"),
        ({"length_s": 13.2}, {}, "incomplete"),
        ({"length_s": 2.0}, {"expected_s": 2.0}, "too_short"),
        ({"has_picture": False}, {}, "no_picture"),
        ({"has_sound": False}, {}, "no_sound"),
        ({"face_share": 0.2, "face_reason": "too dark"}, {}, "face_because"),
        ({"speech_s": 0.0, "level_dbfs": None}, {}, "no_speech"),
        ({"level_dbfs": -61.0}, {}, "too_quiet"),
        ({"black_share": 0.5}, {}, "black"),
        ({"still_s": 4.0}, {}, "frozen"),
        ({"pictures_per_s": 2.0}, {}, "few_pictures"),
        ({"picture_missing_s": 3.0}, {}, "picture_ends"),
        ({"several_faces_share": 0.9}, {}, "several_faces"),
        ({"sound_missing_s": 3.0}, {}, "sound_ends"),
        ({"dead_sound_s": 9.0}, {}, "sound_dead"),
        ({"snr_db": 0.0}, {}, "noisy"),
        ({"noise_dbfs": -20.0}, {}, "loud_noise"),
        ({"language": "fr", "language_probability": 0.9}, {"language": "en"}, "other_language"),
        ({"clipped_share": 0.3}, {}, "clipped"),
        ({}, {"stop_reason": "tab_closed"}, "ended_by_itself"),
        ({}, {"events": ("start", "frozen")}, "page_frozen"),
        ({}, {"events": ("black",)}, "page_black"),
        ({}, {"events": ("silent",)}, "page_silent"),
    ],
)
def test_each_fault_is_told_and_asks_again(
    values: dict[str, Any], asked: dict[str, Any], code: str
) -> None:
    limits = quality.Quality()
    fine = quality.judge(GOOD, ASKED, limits)
    assert (fine.proposal, fine.faults) == ("usable", ())
    judged = quality.judge(replace(GOOD, **values), replace(ASKED, **asked), limits)
    assert code in [fault.code for fault in judged.faults]
    assert judged.proposal == "again"
    again = replace(ASKED, **asked, asked_before=1)
    assert quality.judge(replace(GOOD, **values), again, limits).proposal == "exclude"


def test_a_guess_at_a_language_is_not_believed() -> None:
    guess = replace(GOOD, language="fr", language_probability=0.6)
    english = replace(ASKED, language="en")
    assert quality.judge(guess, english, quality.Quality()).proposal == "usable"
    french = replace(guess, language_probability=0.99)
    quebec = replace(ASKED, language="fr-CA")
    assert quality.judge(french, quebec, quality.Quality()).proposal == "usable"
    assert quality.judge(french, ASKED, quality.Quality()).proposal == "usable"


def test_each_fault_has_words_for_a_researcher() -> None:
    source = Path(quality.__file__).read_text(encoding="utf-8")
    codes = set(re.findall(r'found\.(?:add|below|above)\("(\w+)"', source))
    assert len(codes) > 20
    web = Path(__file__).parents[2] / "web" / "researcher" / "src" / "messages.json"
    told = json.loads(web.read_text(encoding="utf-8"))
    for code in codes | {f"page_{name}" for name in quality.DEAD}:
        assert {"en", "fr"} <= set(told[f"fault_{code}"]), code


def test_nobody_speaks_in_a_neutral_clip() -> None:
    silent = replace(GOOD, speech_s=0.0, level_dbfs=None)
    neutral = replace(ASKED, speaks=False)
    assert quality.judge(silent, neutral, quality.Quality()).proposal == "usable"


def test_what_is_not_measured_is_no_fault_and_no_approval() -> None:
    absent = [quality.NotMeasured("face", "not installed")]
    judged = quality.judge(replace(GOOD, face_share=None), ASKED, quality.Quality(), absent)
    assert (judged.proposal, judged.faults) == ("", ())
    words = [quality.NotMeasured("words", "no speech model")]
    assert quality.judge(GOOD, ASKED, quality.Quality(), words).proposal == "usable"
