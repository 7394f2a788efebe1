"""Coding: one's own marks and nobody else's, every action safe, admission, sharing out, agreement, files."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import server_traces
from server_films import pieces, webm
from server_world import World
from twomind.annotations import VOCABULARY, read_annotations
from twomind.core.errors import BadInput
from twomind.server import (
    admission,
    coders,
    coding,
    coding_media,
    coding_work,
    reviewing,
    withdrawal,
)
from twomind.server.codebook import FILE, bah_text, codebook_from

SECOND = 1000
#: What the coder's page says.
MESSAGES = Path(__file__).parents[2] / "web/coder/src/messages.json"
#: What nobody may see: of another coder, of the team, of the model.
SECRETS = ("secret of the other", "secret of the team", "0.4321")


def mark(tier: str, start: int, end: int, label: str = "", certainty: str = "") -> dict[str, Any]:
    values = {"tier": tier, "start_ms": start, "end_ms": end}
    return {**values, "label": label, "certainty": certainty}


def whole(*spans: tuple[int, int], label: str = "A/H") -> list[dict[str, Any]]:
    """An answer and segments."""
    answer = mark("answer", 0, 30_000, "A/H" if spans else "no A/H")
    return [answer, *(mark("ah", start, end, label) for start, end in spans)]


@dataclass
class Desk:
    """A study with recordings, coders at their pages, and a researcher."""

    world: World
    team: TestClient
    recordings: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    coders: list[TestClient] = field(default_factory=list)

    def record(self, number: int = 1, **answers: bool) -> list[str]:
        made = []
        for _ in range(number):
            guest = self.world.person()
            guest.agree(**answers)
            recording = guest.record("q1", pieces(webm()))
            reviewing.decide(self.world.place, "ada", recording, "usable", "")
            made.append(recording)
        self.recordings += made
        return made

    def coder(self, name: str, outside: bool = False) -> str:
        told = coders.make(self.world.place, "ada", name, outside)
        self.ids.append(told["id"])
        self.coders.append(self.world.coder(told["link"]))
        return str(told["id"])

    def one(self) -> tuple[TestClient, str, str]:
        """A coder with one recording: who asks, where it is asked for, and its name."""
        (recording,) = self.record()
        self.coder("Ann")
        self.assign(0, recording)
        return self.coders[0], f"/api/coder/recordings/{recording}", recording

    def assign(self, coder: int, recording: str) -> None:
        coders.assign(self.world.place, "ada", self.ids[coder], recording)

    def code(self, coder: int, recording: str, marks: list[dict[str, Any]]) -> None:
        code(self.coders[coder], f"/api/coder/recordings/{recording}", marks)

    def code_again(self, coder: int, recording: str, marks: list[dict[str, Any]]) -> None:
        path = f"/api/coder/recordings/{recording}"
        after = self.coders[coder].get(path).json()["coding"]["revision"]
        after = save(self.coders[coder], path, after, marks)["revision"]
        assert self.coders[coder].post(f"{path}/done", json={"after": after}).status_code == 200

    def agree(self, recording: str, marks: list[dict[str, Any]]) -> None:
        code(self.team, f"/api/researcher/coding/recordings/{recording}", marks)


def code(client: TestClient, path: str, marks: list[dict[str, Any]]) -> None:
    after = save(client, path, 0, marks)["revision"]
    answer = client.post(f"{path}/done", json={"after": after})
    assert answer.status_code == 200, answer.text


def save(client: TestClient, path: str, after: int, marks: list[dict[str, Any]]) -> dict[str, Any]:
    answer = client.put(f"{path}/marks", json={"after": after, "marks": marks})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def desk_in(world: World) -> Desk:
    return Desk(world, world.researcher())


@pytest.fixture(scope="module")
def shared(module_path: Path) -> Desk:
    """Two coders who both have one recording; the second is done with it, and so is the team."""
    desk = desk_in(World(module_path / "shared"))
    (recording,) = desk.record()
    for name in ("Ann", "Ben"):
        desk.coder(name)
    for number in (0, 1):
        desk.assign(number, recording)
    desk.code(1, recording, whole((1000, 2000), label=SECRETS[0]))
    desk.agree(recording, whole((1000, 2000), label=SECRETS[1]))
    traces = server_traces.Traces("well I do not know", "not known", "the light")
    server_traces.leave(world=desk.world, recording=recording, traces=traces)
    return desk


@pytest.fixture
def desk(world: World) -> Desk:
    return desk_in(world)


# --- blind


def endpoints(app: Any) -> Iterator[tuple[str, str]]:
    """Every address of coders."""
    for path, methods in app.openapi()["paths"].items():
        if path.startswith("/api/coder"):
            for method in methods:
                yield method.upper(), path


BODIES: dict[str, Any] = {
    "marks": {"after": 10**6, "marks": []},
    "undo": {"after": 10**6},
    "redo": {"after": 10**6},
    "done": {"after": 10**6},
    "session": {"token": "x"},
}


def test_no_address_of_coders_shows_anybody_elses_marks(shared: Desk) -> None:
    (recording,) = shared.recordings
    asked = list(endpoints(shared.world.app))
    assert len(asked) >= 12
    for is_done in (False, True):
        # After one's own coding is done as little as before.
        if is_done:
            shared.code(0, recording, whole((4000, 5000)))
        for method, path in asked:
            if (method, path) == ("DELETE", "/api/coder/session"):
                continue
            address = path.replace("{recording}", recording)
            body = BODIES.get(path.rpartition("/")[2])
            sent: dict[str, Any] = {} if method == "GET" else {"json": body}
            if path.endswith("/eaf"):
                address += "?after=1000000"
            answer = shared.coders[0].request(method, address, **sent)
            assert answer.status_code < 500, (method, path, answer.text)
            told = answer.content.decode("utf-8", "replace")
            for secret in SECRETS:
                assert secret not in told, (method, path, secret)
    told = shared.team.get(f"/api/researcher/coding/recordings/{recording}").text
    assert SECRETS[0] in told
    assert SECRETS[1] in told


@pytest.mark.slow
def test_what_somebody_is_still_at_is_not_shown_to_the_team_either(desk: Desk) -> None:
    (recording,) = desk.record()
    desk.coder("Ann")
    desk.assign(0, recording)
    path = f"/api/coder/recordings/{recording}"
    save(desk.coders[0], path, 0, whole((1, 2), label="unripe"))
    assert "unripe" not in desk.team.get(f"/api/researcher/coding/recordings/{recording}").text
    assert coding.coded(desk.world.place) == []
    (one,) = coding.coded(desk.world.place, all_states=True)
    assert not one.done


# --- the page's parts


def test_a_page_knows_when_each_picture_begins_and_how_loud_it_is(shared: Desk) -> None:
    (recording,) = shared.recordings
    told = shared.coders[1].get(f"/api/coder/recordings/{recording}").json()
    assert told["times_ms"] == pytest.approx([100 * k for k in range(20)], abs=1)
    assert told["length_ms"] == pytest.approx(2000, abs=120)
    assert len(told["peaks"]) == pytest.approx(200, abs=12)
    # A tone of 0.3 of full scale.
    assert sorted(told["peaks"])[100] == pytest.approx(0.3 * 255, abs=12)
    assert [word["text"] for word in told["words"]][:2] == ["well", "I"]


def test_the_film_has_a_length_and_lies_on_no_disk_in_clear(shared: Desk) -> None:
    import av

    (recording,) = shared.recordings
    client = shared.coders[1]
    client.get(f"/api/coder/recordings/{recording}")
    path = f"/api/coder/recordings/{recording}/media"
    content = client.get(path).content
    part = client.get(path, headers={"Range": "bytes=1000-2999"})
    assert (part.status_code, part.content) == (206, content[1000:3000])
    with av.open(io.BytesIO(webm())) as before, av.open(io.BytesIO(content)) as after:
        assert before.duration is None or before.duration <= 0
        assert after.duration == pytest.approx(2_000_000, abs=120_000)
        same = [[bytes(p) for p in film.demux(video=0) if p.size] for film in (before, after)]
    assert same[0] == same[1]
    for file in shared.world.folder.rglob("*"):
        if file.is_file():
            assert content[300:400] not in file.read_bytes()


@pytest.mark.slow
def test_bytes_that_are_no_film_say_so(desk: Desk) -> None:
    guest = desk.world.person()
    guest.agree()
    recording = guest.record("q1")
    desk.coder("Ann")
    desk.assign(0, recording)
    answer = desk.coders[0].get(f"/api/coder/recordings/{recording}")
    assert (answer.status_code, answer.json()["error"]) == (422, "unreadable")


# --- actions


def test_every_action_is_a_version_and_can_be_undone_and_redone(desk: Desk) -> None:
    client, path, _ = desk.one()
    steps = [[mark("ah", k, k + 1) for k in range(n)] for n in range(1, 4)]
    for number, marks in enumerate(steps):
        assert save(client, path, number, marks)["marks"] == marks

    def move(what: str) -> int:
        after = client.get(path).json()["coding"]["revision"]
        told = client.post(f"{path}/{what}", json={"after": after}).json()
        return len(told["marks"])

    assert [move("undo") for _ in range(4)] == [2, 1, 0, 0]
    assert [move("redo") for _ in range(4)] == [1, 2, 3, 3]
    assert [move("undo"), move("undo"), move("redo"), move("undo")] == [2, 1, 2, 1]
    # A new action after undoing: what was undone is not redone any more.
    now = client.get(path).json()["coding"]["revision"]
    save(client, path, now, steps[2])
    assert [move("redo"), move("undo"), move("redo")] == [3, 1, 3]
    # Also after the server was started anew.
    desk.world.start()
    client = desk.world.coder(coders.link(desk.world.place, desk.ids[0]))
    assert len(client.get(path).json()["coding"]["marks"]) == 3


@pytest.mark.slow
def test_two_windows_do_not_overwrite_each_other(desk: Desk) -> None:
    client, path, recording = desk.one()
    save(client, path, 0, whole((1, 2)))
    late = client.put(f"{path}/marks", json={"after": 0, "marks": []})
    assert (late.status_code, late.json()["error"]) == (409, "differs")
    client.post(f"{path}/done", json={"after": 1})
    again = client.put(f"{path}/marks", json={"after": 1, "marks": []})
    assert (again.status_code, again.json()["error"]) == (409, "done")
    back = f"/api/researcher/coding/recordings/{recording}/done/{desk.ids[0]}"
    assert desk.team.delete(back).status_code == 204
    save(client, path, 1, [])


@pytest.mark.parametrize(
    ("marks", "status"),
    [
        ([mark("nothing", 0, 1)], 422),
        ([mark("ah", 5, 5)], 422),
        ([mark("ah", 5, 4)], 422),
        ([mark("ah", 0, 40_000)], 422),
        ([mark("ah", -1, 4)], 422),
        ([mark("answer", 0, 9, "A/H"), mark("answer", 0, 8, "no A/H")], 422),
        ([mark("ah", 0, 4, "a\x00b")], 422),
    ],
)
def test_marks_that_do_not_fit(shared: Desk, marks: list[dict[str, Any]], status: int) -> None:
    path = f"/api/researcher/coding/recordings/{shared.recordings[0]}"
    shared.team.delete(f"{path}/done")
    after = shared.team.get(path).json()["coding"]["revision"]
    answer = shared.team.put(f"{path}/marks", json={"after": after, "marks": marks})
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("marks", "error"),
    [
        ([], "incomplete"),
        ([mark("answer", 0, 9, "A/H"), mark("cue-facial", 0, 9)], "incomplete"),
        ([mark("answer", 0, 9, "no A/H"), mark("ah", 0, 9)], "contradicts"),
    ],
)
def test_what_is_not_whole_is_not_done(
    shared: Desk, marks: list[dict[str, Any]], error: str
) -> None:
    path = f"/api/researcher/coding/recordings/{shared.recordings[0]}"
    shared.team.delete(f"{path}/done")
    after = shared.team.get(path).json()["coding"]["revision"]
    after = save(shared.team, path, after, marks)["revision"]
    answer = shared.team.post(f"{path}/done", json={"after": after})
    assert (answer.status_code, answer.json()["error"]) == (422, error)


# --- admission


def admitting(kappa: float, clips: int = 2) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        text = bah_text().replace("kappa = 0.6", f"kappa = {kappa}")
        (folder / FILE).write_text(text.replace("clips = 3", f"clips = {clips}"), encoding="utf-8")

    return write


def gold_desk(desk: Desk) -> list[str]:
    """Two gold clips and a recording to code."""
    admitting(0.6)(desk.world.folder)
    desk.world.start()
    desk.team = desk.world.researcher()
    clips = desk.record(3)
    for clip in clips[:2]:
        refused = desk.team.put(f"/api/researcher/coding/gold/{clip}")
        assert refused.json()["error"] == "not_agreed"
        desk.agree(clip, whole((500, 1500)))
        assert desk.team.put(f"/api/researcher/coding/gold/{clip}").status_code == 204
    return clips


@pytest.mark.slow
def test_gold_clips_come_first_and_let_in_whoever_agrees(desk: Desk) -> None:
    first, second, other = gold_desk(desk)
    for name in ("good", "bad"):
        desk.coder(name)
    for number in (0, 1):
        desk.assign(number, other)
        told = desk.coders[number].get("/api/coder/recordings").json()
        assert [one["id"] for one in told["recordings"]] == [first, second]
        assert told["admission"]["admitted"] is False
        hidden = desk.coders[number].get(f"/api/coder/recordings/{other}")
        assert hidden.status_code == 404
    spans = ((500, 1500), (16_000, 29_000))
    for number, (start, end) in enumerate(spans):
        desk.code(number, first, whole((start, end)))
        told = desk.coders[number].get("/api/coder/recordings").json()["admission"]
        assert (told["done"], told["kappa"]) == (1, None)
        desk.code(number, second, whole((start, end)))
    good, bad = (client.get("/api/coder/recordings").json() for client in desk.coders)
    assert good["admission"] == {"admitted": True}
    assert [one["id"] for one in good["recordings"]] == [other]
    assert bad["admission"]["kappa"] < 0.6
    assert bad["admission"]["needed"] == 0.6
    # A researcher may let them in all the same.
    assert desk.team.put(f"/api/researcher/coding/admission/{desk.ids[1]}").status_code == 204
    assert desk.coders[1].get(f"/api/coder/recordings/{other}").status_code == 200
    told = desk.team.get("/api/researcher/coding").json()["coders"]
    kappas = [clip["kappa"] for clip in told[0]["gold"]]
    assert kappas == [1.0, 1.0]


@pytest.mark.slow
def test_whoever_did_the_clips_before_they_were_gold_is_let_in(desk: Desk) -> None:
    admitting(0.6)(desk.world.folder)
    desk.world.start()
    desk.team = desk.world.researcher()
    clips = desk.record(2)
    for number, (start, end) in enumerate(((500, 1500), (16_000, 29_000))):
        desk.coder(f"c{number}")
        for clip in clips:
            desk.assign(number, clip)
            desk.code(number, clip, whole((start, end)))
    for clip in clips:
        desk.agree(clip, whole((500, 1500)))
        assert desk.team.put(f"/api/researcher/coding/gold/{clip}").status_code == 204
    good, bad = (client.get("/api/coder/recordings").json()["admission"] for client in desk.coders)
    assert good == {"admitted": True}
    assert (bad["admitted"], bad["done"]) == (False, 2)
    # While the team has its own coding open again there is nothing to be measured by.
    path = f"/api/researcher/coding/recordings/{clips[0]}/done"
    assert desk.team.delete(path).status_code == 204
    bad = desk.coders[1].get("/api/coder/recordings").json()["admission"]
    assert (bad["done"], bad["kappa"]) == (1, None)
    # Agreed anew, and otherwise: now this coder is right, and is let in.
    for clip in clips:
        desk.team.delete(f"/api/researcher/coding/recordings/{clip}/done")
        agree_again(desk, clip, whole((16_000, 29_000)))
    bad = desk.coders[1].get("/api/coder/recordings").json()["admission"]
    assert bad == {"admitted": True}


@pytest.mark.slow
def test_whoever_was_sent_back_comes_in_by_what_they_code_alone(desk: Desk) -> None:
    first, second, other = gold_desk(desk)
    desk.coder("drifted")
    desk.assign(0, other)
    for clip in (first, second):
        desk.code(0, clip, whole((500, 1500)))
    path = f"/api/researcher/coding/admission/{desk.ids[0]}"
    assert desk.team.delete(path).status_code == 204
    # The team agrees on another recording, which becomes a measure too: that is no new coding.
    desk.agree(other, whole((500, 1500)))
    assert desk.team.put(f"/api/researcher/coding/gold/{other}").status_code == 204
    told = desk.coders[0].get("/api/coder/recordings").json()["admission"]
    assert (told["admitted"], told["done"]) == (False, 2)
    done = f"/api/researcher/coding/recordings/{first}/done/{desk.ids[0]}"
    assert desk.team.delete(done).status_code == 204
    desk.code_again(0, first, whole((500, 1500)))
    assert desk.coders[0].get("/api/coder/recordings").json()["admission"] == {"admitted": True}


def agree_again(desk: Desk, clip: str, marks: list[dict[str, Any]]) -> None:
    path = f"/api/researcher/coding/recordings/{clip}"
    after = desk.team.get(path).json()["coding"]["revision"]
    after = save(desk.team, path, after, marks)["revision"]
    assert desk.team.post(f"{path}/done", json={"after": after}).status_code == 200


@pytest.mark.slow
def test_without_gold_clips_nobody_is_tested(desk: Desk) -> None:
    (recording,) = desk.record()
    desk.coder("Ann")
    desk.assign(0, recording)
    told = desk.coders[0].get("/api/coder/recordings").json()
    assert told["admission"] == {"admitted": True}
    assert len(told["recordings"]) == 1


def test_the_very_same_marks_of_all_need_no_agreeing(desk: Desk) -> None:
    (recording,) = desk.record()
    for number, name in enumerate(("Ann", "Ben")):
        desk.coder(name)
        desk.assign(number, recording)
        desk.code(number, recording, whole((1000, 2000)))
    (one,) = coding.settled(desk.world.place)
    assert one.how == "coders agree"
    assert one.annotations is not None
    assert [(mark.start_s, mark.end_s) for mark in one.annotations.segments()] == [(1.0, 2.0)]
    (row,) = desk.team.get("/api/researcher/coding").json()["recordings"]
    assert row["agreed"]
    back = f"/api/researcher/coding/recordings/{recording}/done/{desk.ids[1]}"
    desk.team.delete(back)
    desk.code_again(1, recording, whole((1000, 2001)))
    (one,) = coding.settled(desk.world.place)
    assert (one.how, one.annotations) == ("open", None)
    (row,) = desk.team.get("/api/researcher/coding").json()["recordings"]
    assert not row["agreed"]


# --- who is shown to whom


def test_who_refused_is_shown_only_to_coders_that_the_consent_allows(desk: Desk) -> None:
    wish = '[coding]\noutside_needs = ["pictures"]\n\n[server]'
    desk.world.text = lambda text: text.replace("[server]", wish)
    desk.world.start()
    desk.team = desk.world.researcher()
    (refuses,) = desk.record(pictures=False)
    (agrees,) = desk.record()
    desk.coder("inside")
    desk.coder("outside", outside=True)
    told = desk.team.post("/api/researcher/coding/assignments", json={"coders": 2}).json()
    assert told == {"assigned": 3, "too_few": [refuses]}
    path = f"/api/coder/recordings/{refuses}"
    for part in ("", "/media", "/eaf"):
        assert desk.coders[0].get(path + part).status_code == 200
        assert desk.coders[1].get(path + part).status_code == 404
    with pytest.raises(Exception, match="did not agree"):
        desk.assign(1, refuses)
    # What is taken back later counts at once.
    assert desk.coders[1].get(f"/api/coder/recordings/{agrees}/media").status_code == 200
    with desk.world.place.database.reading() as reading:
        _recording, person = reviewing.here(desk.world.place, reading, agrees)
    withdrawal.withdraw(desk.world.place, person.id, ["pictures"])
    assert desk.coders[1].get(f"/api/coder/recordings/{agrees}/media").status_code == 404
    listed = desk.coders[1].get("/api/coder/recordings").json()["recordings"]
    assert listed == []


@pytest.mark.slow
def test_what_was_coded_goes_with_its_person(desk: Desk) -> None:
    (recording,) = desk.record()
    desk.agree(recording, whole((500, 1500)))
    admission.make_gold(desk.world.place, "ada", recording)
    assert len(coding.settled(desk.world.place)) == 1
    with desk.world.place.database.reading() as reading:
        _recording, person = reviewing.here(desk.world.place, reading, recording)
    withdrawal.erase(desk.world.place, person.id)
    assert coding.coded(desk.world.place) == []
    assert coding.settled(desk.world.place) == []


@pytest.mark.slow
@pytest.mark.parametrize(("share", "allowed"), [(0.0, {1}), (0.5, {1, 2}), (1.0, {2})])
def test_recordings_are_shared_out_evenly_with_overlap(
    desk: Desk, share: float, allowed: set[int]
) -> None:
    recordings = desk.record(6)
    for name in ("a", "b", "c"):
        desk.coder(name)
    body = {"coders": 2, "share": share, "seed": 1}
    told = desk.team.post("/api/researcher/coding/assignments", json=body).json()
    assert told["too_few"] == []
    told = desk.team.get("/api/researcher/coding").json()
    numbers = [len(one["coders"]) for one in told["recordings"]]
    # Which half is drawn by the recordings' ids, which are drawn themselves: it may be none or all.
    assert set(numbers) <= allowed
    loads = [
        len(client.get("/api/coder/recordings").json()["recordings"]) for client in desk.coders
    ]
    assert sum(loads) == sum(numbers)
    assert max(loads) - min(loads) <= 1
    assert len(recordings) == len(numbers)
    again = desk.team.post("/api/researcher/coding/assignments", json=body).json()
    assert again["assigned"] == 0


# --- agreement and files


@pytest.mark.slow
def test_agreement_is_what_twomind_agree_says_of_the_files(desk: Desk, tmp_path: Path) -> None:
    from twomind.pipeline.agree import Comparison, agreement
    from twomind.pipeline.coding import Sources
    from twomind.reporting import tables

    recordings = desk.record(3)
    for name in ("a", "b"):
        desk.coder(name)
    early = desk.team.get("/api/researcher/coding/agreement").json()
    assert early["not_yet"] == "nobody is done with a recording"
    for number, recording in enumerate(recordings):
        for coder in (0, 1):
            desk.assign(coder, recording)
            start = 1000 * number + 137 * coder
            desk.code(coder, recording, whole((start, start + 900), (9000, 9500 + coder)))
    told = desk.team.get("/api/researcher/coding/agreement").json()
    files = []
    for recording in recordings:
        path = f"/api/researcher/coding/recordings/{recording}/eaf"
        files.append(tmp_path / f"{recording}.eaf")
        files[-1].write_bytes(desk.team.get(path).content)
    found = json.loads(json.dumps(tables.plain(agreement(files, Sources({}), Comparison()))))
    for name in ("pairs", "together", "raters", "recordings", "people", "disagreements"):
        assert told[name] == found[name], name
    assert 0 < told["pairs"][0]["kappa"] < 1
    table = tmp_path / "coded.csv"
    table.write_bytes(desk.team.get("/api/researcher/coding/table.csv").content)
    assert len(read_annotations(table)) == 3


@pytest.mark.slow
def test_a_coder_goes_on_in_elan_and_comes_back(desk: Desk, tmp_path: Path) -> None:
    client, path, recording = desk.one()
    marks = [
        mark("answer", 0, 1987, "A/H", "sure"),
        mark("ah", 3, 1001, "hesitancy", "unsure"),
        mark("ah", 500, 1503, "ambivalence"),
        mark("cue-facial", 3, 1001, "gaze"),
        mark("inconsistency", 3, 4, "language-language"),
    ]
    kept = save(client, path, 0, marks)["marks"]
    file = tmp_path / "x.eaf"
    file.write_bytes(client.get(f"{path}/eaf").content)
    (found,) = read_annotations(file)
    assert found.coders == ("coder01",)
    assert found.media == f"{recording}.webm"
    after = save(client, path, 1, [])["revision"]
    answer = client.put(f"{path}/eaf?after={after}", content=file.read_bytes())
    assert answer.status_code == 200, answer.text
    assert answer.json()["marks"] == kept
    # Another recording's file is not taken for this one's.
    other = file.read_text().replace(recording, "f" * 32)
    refused = client.put(f"{path}/eaf?after={after + 1}", content=other.encode())
    assert (refused.status_code, refused.json()["error"]) == (409, "another")
    for content in (b"", b"<x/>", b"\xff"):
        refused = client.put(f"{path}/eaf?after={after + 1}", content=content)
        assert (refused.status_code, refused.json()["error"]) == (422, "invalid")
        assert refused.json()["why"] == "no_eaf"
        assert refused.json()["details"]


def test_nothing_is_marked_twice_and_what_stands_twice_can_be_mended(desk: Desk) -> None:
    client, path, _ = desk.one()
    gaze = mark("cue-facial", 3, 1001, "gaze")
    again = {**gaze, "certainty": "sure"}
    save(client, path, 0, [gaze, {**gaze, "label": "smile"}, {**gaze, "tier": "cue-body"}])
    refused = client.put(f"{path}/marks", json={"after": 1, "marks": [gaze, again]})
    told = refused.json()
    assert (refused.status_code, told["error"], told["why"]) == (422, "invalid", "twice")
    assert (told["tier"], told["label"], told["at_ms"]) == ("cue-facial", "gaze", 3)
    # As an older server took it.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(coding_work, "_refuse_twice", lambda _before, _marks: None)
        save(client, path, 1, [gaze, again])
    save(client, path, 2, [gaze, again, mark("ah", 3, 1001)])
    save(client, path, 3, [gaze])


def _refused(client: TestClient, path: str, body: dict[str, Any], what: str = "marks") -> str:
    ask = client.put if what == "marks" else client.post
    answer = ask(f"{path}/{what}", json=body)
    assert answer.status_code == 422, answer.text
    return str(answer.json()["why"])


def test_a_page_can_say_every_refusal_of_marks_in_its_own_language(desk: Desk) -> None:
    client, path, _ = desk.one()
    answer = mark("answer", 0, 2000, "A/H")
    wrong = {
        "unknown_tier": [mark("nose", 0, 1)],
        "no_length": [mark("ah", 5, 5)],
        "beyond": [mark("ah", 5, 10**8)],
        "several_answers": [answer, {**answer, "end_ms": 1000}],
    }
    whys = {_refused(client, path, {"after": 0, "marks": marks}) for marks in wrong.values()}
    assert whys == set(wrong)
    whys.add(_refused(client, path, {"after": 0}, "done"))
    save(client, path, 0, [answer, mark("cue-facial", 3, 1001)])
    whys.add(_refused(client, path, {"after": 1}, "done"))
    whys |= {"twice", "no_eaf", "most_marks"}
    known = json.loads(MESSAGES.read_text(encoding="utf-8"))
    assert {why for why in whys if f"refused_{why}" not in known} == set()


# --- codebooks


def test_bah_is_a_file_with_the_vocabulary_of_annotations() -> None:
    book = codebook_from(bah_text(), "x")
    for tier in book.tiers:
        labels = {one.id for one in tier.labels}
        known = set(VOCABULARY[tier.kind, tier.modality])
        assert labels >= known
        assert tier.kind == "inconsistency" or labels == known
        keys = [one.key for one in tier.labels]
        assert len(set(keys)) == len(keys)
        assert "" not in keys


@pytest.mark.slow
def test_another_construct_is_another_file(make_world: Callable[..., World]) -> None:
    text = """
    id = "laughs"
    version = 1
    measured = "laugh"
    title = { en = "Laughs" }
    [[tiers]]
    id = "laugh"
    kind = "other"
    key = "q"
    text = { en = "Laugh" }
    labels = [{ id = "polite", key = "p" }, { id = "heartfelt", key = "h" }]
    """
    world = make_world("laughs")
    (world.folder / FILE).write_text(text, encoding="utf-8")
    world.start()
    desk = desk_in(world)
    (recording,) = desk.record()
    desk.coder("Ann")
    desk.assign(0, recording)
    desk.code(0, recording, [mark("laugh", 10, 20, "polite")])
    (one,) = coding.coded(world.place)
    (tier,) = one.annotations.tiers
    assert (tier.kind, tier.name, tier.marks[0].label) == ("other", "laugh", "polite")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('key = "s"', 'key = "a"', "stands twice"),
        ('key = "s"', 'key = "j"', "the page's own"),
        ('key = "s"', 'key = ""', "needs a key"),
        ('modality = "facial"', 'modality = "smell"', "modality"),
        ('measured = "ah"', 'measured = "x"', "no tier"),
        ("kappa = 0.6", "kappa = 6", "less than or equal"),
        ("[admission]", "[admision]", "xtra"),
        ('id = "bah"', "id = ", "no TOML"),
    ],
)
def test_a_codebook_that_cannot_be_used_says_where(old: str, new: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        codebook_from(bah_text().replace(old, new, 1), "codebook.toml")


@pytest.mark.slow
def test_the_copy_is_made_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    (recording,) = desk.record()
    path = f"/api/researcher/coding/recordings/{recording}"
    first = desk.team.get(path).json()
    monkeypatch.setattr(coding_media, "remuxed", None)
    assert desk.team.get(path).json()["peaks"] == first["peaks"]
