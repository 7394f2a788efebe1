"""A study from link to board: twelve drawn people take part, two coders with known errors code by
keyboard in a real Chromium, the team agrees, the share is told, the release is built and scored.

What agreement, adjudication and prevalence must be follows from the errors by plain arithmetic, here.
"""

from __future__ import annotations

import csv
import json
import math
import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra 'server'")
pytest.importorskip("httpx2", reason="starlette's test client needs it")
pytest.importorskip("mediapipe", reason="faces of a release are aligned")
pytest.importorskip("twomind_synth")

from click.testing import CliRunner

from patience import HANG_S
from server_process import Server
from server_release import with_research
from server_world import PASSWORD
from twomind.annotations import Annotations
from twomind.annotations.bah_write import present_in
from twomind.cli.main import main
from twomind.server import access, coding, coding_media, people, recruiting
from twomind.server.coding import Made
from twomind.server.measured import result_label
from twomind.server.place import Place, open_place
from twomind.server.tables import Recording
from twomind_synth import film
from twomind_synth.visitors.clips import webm
from twomind_synth.visitors.desk import CoderVisit, Plan, Stretch, TeamVisit
from twomind_synth.visitors.devices import devices_from
from twomind_synth.visitors.sender import Sender
from twomind_synth.visitors.visit import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

#: Who takes part in a browser, and who by the protocol alone.
N_BROWSER, N_SENDERS = 2, 10
ANSWERS = ("q1", "q2")
LENGTH_S = 5.0
N_PICTURES = 25
#: Answers that are drawn for coding; of these so many by both coders, and by each alone.
N_DRAWN, N_BOTH, N_ALONE = 20, 8, 6
SMALL = film.FilmSettings(width_px=320, height_px=240, fps=5, preset="ultrafast")
HOP_MS = 40
SAID = (
    "well I do want to stop but every time I try it um it never works for long",
    "I like it a lot and I do it every day with my friends",
)
#: Keys of the codebook, and what they stand for.
LABELS = {"x": "A/H", "h": "hesitancy", "g": "gaze", "p": "pause", "y": "A/H", "n": "no A/H"}
TIERS = {"s": "ah", "f": "cue-facial", "v": "cue-audio"}
CERTAIN = {"1": "sure", "2": "fairly sure", "": ""}


@dataclass
class World:
    """The served study, and who and what is in it."""

    server: Server
    place: Place
    recordings: list[str] = field(default_factory=list)
    coders: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def invite(self, number: int) -> tuple[str, str]:
        """Token and id of somebody."""
        told = recruiting.invite(self.place, "ada", [f"person {number}"])[0]
        return told["link"].partition("#")[2], told["person"]

    def of(self, person: str) -> list[Recording]:
        with self.place.database.reading() as reading:
            return list(people.of_person(reading, person))

    def row(self, recording: str) -> Recording:
        with self.place.database.reading() as reading:
            return reading.get_one(Recording, recording)


@pytest.fixture
def world() -> Iterator[World]:
    near = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="twomind-", dir=near) as folder:
        server = Server(Path(folder) / "study")
        file = server.folder / "study.toml"
        text = with_research(file.read_text(encoding="utf-8"))
        text = text.replace("chunk_max_bytes = 65536", "chunk_max_bytes = 4000000")
        text = text.replace("[server]", "[measuring]\nenabled = false\n\n[server]")
        file.write_text(text, encoding="utf-8")
        server.start()
        yield World(server, open_place(server.folder))
        server.kill()


@pytest.fixture
def drawn(tmp_path: Path) -> list[film.Film]:
    """A film of each who sends, and one that is the camera of the others."""
    films = []
    for index in range(N_SENDERS + 1):
        folder = tmp_path / "drawn" / str(index)
        films.append(film.film_answer(folder, film.World(), 5, index, 7, SMALL))
    return films


@pytest.fixture
def browser(chromium: Browser, drawn: list[film.Film], tmp_path: Path) -> Iterator[Browser]:
    """With a film of these people as its camera; a process may have one driver of browsers only."""
    devices = devices_from([drawn[-1].media], tmp_path / "devices", SMALL.fps)
    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    launched = chromium.browser_type.launch(
        executable_path=shutil.which("chromium"), args=[*arguments, *devices.arguments()]
    )
    yield launched
    launched.close()


def ran(*asked: str) -> dict[str, Any]:
    answer = CliRunner().invoke(main, [*asked, "--json"])
    assert answer.exit_code == 0, answer.output
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


# --- taking part


def take_part(world: World, browser: Browser) -> list[str]:
    """Two people in a browser, side by side: consent, devices, a clip at rest, two answers."""
    visits, ids = [], []
    for number in range(N_BROWSER):
        token, person = world.invite(number)
        context = browser.new_context(permissions=["camera", "microphone"], locale="en-CA")
        context.set_default_timeout(min(HANG_S, 600) * 1000)
        visit = Visit(context.new_page(), world.url)
        visit.agree(token)
        visit.check()
        visits.append(visit)
        ids.append(person)
    for _ in ("neutral", *ANSWERS):
        for visit in visits:
            assert visit.is_asked()
            visit.begin_answer()
        visits[-1].page.wait_for_timeout(LENGTH_S * 1000)
        for visit in visits:
            visit.end_answer()
    for visit in visits:
        assert not visit.is_asked()
        visit.finish()
        visit.page.context.close()
    return ids


def send(world: World, number: int, drawn: film.Film) -> str:
    """Somebody who takes part by the protocol alone."""
    token, person = world.invite(number)
    sender = Sender(world.url, token)
    sender.enter()
    sender.send("neutral", webm(drawn.media, 0, 1.0), 1.0)
    for place, item in enumerate(ANSWERS):
        sender.send(item, webm(drawn.media, place * LENGTH_S, LENGTH_S), LENGTH_S)
    sender.finish()
    return person


# --- what is so, and what coders with errors say


@dataclass(frozen=True)
class Case:
    """One answer: what is so, and what each coder says of it."""

    recording: str
    truth: Plan
    says: dict[int, Plan]

    @property
    def right(self) -> int:
        """Number of a coder who made no error here; the first of those who coded it otherwise."""
        return next((k for k, plan in self.says.items() if plan == self.truth), min(self.says))


def flipped(plan: Plan) -> Plan:
    """The wrong answer for the whole recording, with or without a segment accordingly."""
    if plan.answer == "y":
        return Plan("n", "2")
    return Plan("y", "2", (Stretch("s", "h", 8, 14, "2"),))


def later_end(plan: Plan) -> Plan:
    """The first segment ends four pictures late."""
    first, *others = plan.stretches
    return replace(plan, stretches=(replace(first, last=first.last + 4), *others))


def cue_missed(plan: Plan) -> Plan:
    return replace(plan, stretches=plan.stretches[:-1])


#: Which error is made in which answer, by its number among the drawn, and by which coder.
ERRORS = {
    (0, 1): flipped,
    (1, 0): flipped,
    (2, 0): later_end,
    (4, 1): later_end,
    (6, 0): cue_missed,
    (N_BOTH + 0, 0): flipped,
    (N_BOTH + 2, 0): later_end,
    (N_BOTH + N_ALONE + 1, 1): flipped,
    (N_BOTH + N_ALONE + 2, 1): cue_missed,
}


def truth_of(number: int) -> Plan:
    """In answers of even number there is A/H: a segment with two cues, in every fourth a second one."""
    if number % 2:
        return Plan("n", "1")
    first = 3 + number % 3
    stretches = [Stretch("s", "x", first, first + 5, "1"), Stretch("f", "g"), Stretch("v", "p")]
    if number % 4 == 0:
        second = Stretch("s", "h", first + 11, first + 14, "2")
        stretches += [second, Stretch("f", "g")]
    return Plan("y", "1", tuple(stretches))


def fitted(plan: Plan, n_pictures: int) -> Plan:
    """The same on a film of more or fewer pictures than those that are sent: a browser's."""

    def there(number: int | None) -> int | None:
        return None if number is None else number * n_pictures // N_PICTURES

    stretches = []
    for one in plan.stretches:
        stretches.append(replace(one, first=there(one.first), last=there(one.last)))
    return replace(plan, stretches=tuple(stretches))


def who_codes(number: int) -> tuple[int, ...]:
    if number < N_BOTH:
        return (0, 1)
    return (0,) if number < N_BOTH + N_ALONE else (1,)


def cases_of(world: World, drawn: list[str]) -> list[Case]:
    found = []
    for number, recording in enumerate(drawn):
        n_pictures = len(coding_media.clip(world.place, world.row(recording)).times_ms)
        truth = truth_of(number)
        says = {}
        for coder in who_codes(number):
            error = ERRORS.get((number, coder))
            said = truth if error is None else error(truth)
            says[coder] = fitted(said, n_pictures)
        found.append(Case(recording, fitted(truth, n_pictures), says))
    return found


def marks_of(plan: Plan, times_ms: list[float], length_ms: float) -> set[Made]:
    """What the keys of a plan mean on a film whose pictures are shown at these times."""

    def rounded(at_ms: float) -> int:
        return math.floor(at_ms + 0.5)

    ends = [*times_ms[1:], length_ms]
    made = {Made("answer", 0, rounded(length_ms), LABELS[plan.answer], CERTAIN[plan.certainty])}
    start = end = 0
    for one in plan.stretches:
        if one.first is not None and one.last is not None:
            start, end = rounded(times_ms[one.first]), rounded(ends[one.last])
        made.add(Made(TIERS[one.tier], start, end, LABELS[one.label], CERTAIN[one.certainty]))
    return made


def found_marks(place: Place, annotations: Annotations, coder: str) -> set[Made]:
    return set(coding.marks_of(place.codebook, annotations, coder))


# --- plain arithmetic


def table_of(cases: list[Case], made: dict[tuple[str, int], set[Made]], world: World) -> list[int]:
    """Moments that neither, the second, the first, and both coders marked as A/H."""
    counts = [0, 0, 0, 0]
    for case in cases:
        length_ms = world.row(case.recording).duration_ms or 0
        for k in range(math.ceil(length_ms / HOP_MS - 1e-6)):
            at_ms = (k + 0.5) * HOP_MS
            codes = []
            for coder in (0, 1):
                segments = [one for one in made[case.recording, coder] if one.tier == "ah"]
                codes.append(any(one.start_ms <= at_ms < one.end_ms for one in segments))
            counts[2 * codes[0] + codes[1]] += 1
    return counts


def kappa_of(counts: list[int]) -> float:
    neither, second, first, both = counts
    n = sum(counts)
    by_chance = (first + both) * (second + both) + (neither + second) * (neither + first)
    expected = by_chance / n**2
    return ((neither + both) / n - expected) / (1 - expected)


def alpha_of(counts: list[int]) -> float:
    _neither, second, first, both = counts
    n = 2 * sum(counts)
    yes = first + second + 2 * both
    expected = 2 * yes * (n - yes) / (n * (n - 1))
    return 1 - ((first + second) * 2 / n) / expected


@dataclass(frozen=True)
class Shares:
    """Of the codes alone, and with the model."""

    alone: float
    with_model: float


def shares_of(rows: list[dict[str, str]], codes: dict[str, bool]) -> Shares:
    """The share of A/H where each drawn answer stands for as many as its chance says, and what the
    model adds: its slope times the difference of its mean over all and over the coded answers.
    """
    coded = [row for row in rows if row["id"] in codes]
    weights = {row["id"]: 1 / float(row["inclusion_probability"]) for row in coded}
    scores = {row["id"]: float(row["model"]) for row in rows}
    total = sum(weights.values())
    share = sum(weight * codes[name] for name, weight in weights.items()) / total
    score = sum(weight * scores[name] for name, weight in weights.items()) / total
    together = spread = 0.0
    for name, weight in weights.items():
        left = (weight / total) ** 2 * (1 - 1 / weight)
        together += left * (codes[name] - share) * (scores[name] - score)
        spread += left * (scores[name] - score) ** 2
    slope = max(together / spread, 0.0)
    everywhere = sum(scores.values()) / len(scores)
    return Shares(share, share + slope * (everywhere - score))


# --- the whole


@pytest.mark.usefixtures("web")
def test_from_link_to_board(
    world: World, browser: Browser, drawn: list[film.Film], tmp_path: Path
) -> None:
    everybody = take_part(world, browser)
    everybody += [send(world, N_BROWSER + k, drawn[k]) for k in range(N_SENDERS)]
    team = signed_in(world, browser)
    for person in everybody:
        looked_through(world, team, person)
    assert len(world.recordings) == len(everybody) * len(ANSWERS) == 24
    scores = score(world)

    # Which answers are coded is drawn.
    asked = str(tmp_path / "next.csv")
    study = str(world.server.folder)
    told = ran("prevalence", "next", study, "-n", str(N_DRAWN), "--seed", "3", "--out", asked)
    chosen = {one["id"] for one in told["next"]}
    cases = cases_of(world, [name for name in world.recordings if name in chosen])
    assert len(cases) == N_DRAWN
    made = code(world, browser, team, cases)
    agreement(world, team, cases, made, tmp_path)
    settled = adjudicate(world, team, cases, made)

    # The share: of what was settled, and it differs from the truth by the errors nobody saw.
    with open(asked, newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["id"]: float(row["model"]) for row in rows} == pytest.approx(scores)
    found = ran("prevalence", asked, "--codes", study)
    assert (found["answers"], found["coded"]) == (24, N_DRAWN)
    expected = shares_of(rows, settled)
    assert found["classical"]["estimate"] == pytest.approx(expected.alone, abs=1e-9)
    assert found["estimate"] == pytest.approx(expected.with_model, abs=1e-9)
    truth = {case.recording: case.truth.answer == "y" for case in cases}
    unseen = [name for name in settled if settled[name] != truth[name]]
    alone = (cases[N_BOTH], cases[N_BOTH + N_ALONE + 1])
    assert set(unseen) == {case.recording for case in alone}
    weight = {row["id"]: 1 / float(row["inclusion_probability"] or 1) for row in rows}
    total = sum(weight[name] for name in settled)
    moved = sum(weight[name] * (settled[name] - truth[name]) for name in unseen) / total
    assert expected.alone - shares_of(rows, truth).alone == pytest.approx(moved, abs=1e-9)

    release(world, settled, tmp_path)


def signed_in(world: World, browser: Browser) -> TeamVisit:
    access.set_password(world.place, "ada", PASSWORD)
    context = browser.new_context(locale="en-CA")
    context.set_default_timeout(min(HANG_S, 600) * 1000)
    team = TeamVisit(context.new_page(), world.url)
    team.sign_in("ada", PASSWORD)
    return team


def looked_through(world: World, team: TeamVisit, person: str) -> None:
    """The team finds all usable, and writes down what was said."""
    for recording in sorted(world.of(person), key=lambda one: one.item):
        assert recording.state == "complete"
        team.usable(recording.id)
        if recording.item in ANSWERS:
            said = SAID[len(world.recordings) % 2]
            team.write_down(recording.id, said)
            world.recordings.append(recording.id)


def score(world: World) -> dict[str, float]:
    """What a model says, which is fairly good."""
    chance = random.Random(11)
    scores = {}
    for number, name in enumerate(world.recordings):
        scores[name] = (0.35 if number % 3 else 0.65) + chance.uniform(-0.25, 0.25)
    with world.place.database.writing() as writing:
        for name, value in scores.items():
            row = writing.get_one(Recording, name)
            result = {"prediction": {"probability": value}}
            row.result = world.place.sealed(row.person, result, result_label(row.id))
    return scores


def code(
    world: World, browser: Browser, team: TeamVisit, cases: list[Case]
) -> dict[tuple[str, int], set[Made]]:
    """Both coders, by keyboard; what is on the server is what their keys mean."""
    made = {}
    for coder, name in enumerate(("Ann", "Ben")):
        told = team.ask("POST", "coders", {"name": name})
        theirs = [case for case in cases if coder in case.says]
        for case in theirs:
            team.ask("PUT", f"coders/{told['id']}/recordings/{case.recording}")
        context = browser.new_context(locale="en-CA")
        context.set_default_timeout(min(HANG_S, 600) * 1000)
        visit = CoderVisit(context.new_page(), world.url)
        visit.enter(told["link"])
        for case in theirs:
            clip = visit.clip(case.recording)
            plan = case.says[coder]
            made[case.recording, coder] = marks_of(plan, clip["times_ms"], clip["length_ms"])
            visit.code(case.recording, plan)
        context.close()
    found = {}
    for one in coding.coded(world.place):
        coder = int(one.coder.removeprefix("coder")) - 1
        found[one.recording, coder] = found_marks(world.place, one.annotations, one.coder)
    assert found == made
    return made


def agreement(
    world: World,
    team: TeamVisit,
    cases: list[Case],
    made: dict[tuple[str, int], set[Made]],
    folder: Path,
) -> None:
    """On the page, by ``twomind agree`` of the files, and by hand: the same."""
    both = cases[:N_BOTH]
    counts = table_of(both, made, world)
    (pair,) = team.ask("GET", "coding/agreement")["pairs"]
    # A picture that begins at the very moment of a count may be told either way.
    assert pair["kappa"] == pytest.approx(kappa_of(counts), abs=5e-3)
    assert pair["alpha"] == pytest.approx(alpha_of(counts), abs=5e-3)
    assert 0.3 < pair["kappa"] < 0.95
    assert (pair["n_answers"], pair["answers_same"]) == (N_BOTH, N_BOTH - 2)
    # Twice the first said yes where the second said no.
    assert pair["answers_kappa"] == pytest.approx(kappa_of([3, 0, 2, 3]))
    files = []
    for case in both:
        path = f"{world.url}/api/researcher/coding/recordings/{case.recording}/eaf"
        files.append(folder / f"{case.recording}.eaf")
        files[-1].write_bytes(team.page.request.get(path).body())
    (same,) = ran("agree", *map(str, files))["pairs"]
    assert same["kappa"] == pytest.approx(pair["kappa"], abs=1e-9)


def adjudicate(
    world: World, team: TeamVisit, cases: list[Case], made: dict[tuple[str, int], set[Made]]
) -> dict[str, bool]:
    """Side by side, the team takes over who made no error; what was settled is what is so there."""
    refused = CliRunner().invoke(main, ["prevalence", str(world.server.folder)])
    differ = [case for case in cases[:N_BOTH] if case.says[0] != case.says[1]]
    assert f"{len(differ)} answers were coded by several and are not settled" in refused.output
    to_do = [one["id"] for one in team.ask("GET", "coding")["recordings"] if not one["agreed"]]
    assert set(to_do) >= {case.recording for case in differ}
    for case in differ:
        team.agree(case.recording, case.right + 1)
    settled = {}
    by_name = {case.recording: case for case in cases}
    for one in coding.settled(world.place):
        case = by_name[one.recording]
        assert one.annotations is not None
        how = "one coder" if len(case.says) == 1 else "coders agree"
        assert one.how == ("adjudicated" if case in differ else how)
        coder = coding.TEAM if case in differ else f"coder{case.right + 1:02d}"
        marks = found_marks(world.place, one.annotations, coder)
        assert marks == made[case.recording, case.right]
        if len(case.says) == 2:
            assert case.says[case.right] == case.truth
        settled[one.recording] = present_in(one.annotations)
    assert set(settled) == set(by_name)
    return settled


def release(world: World, settled: dict[str, bool], folder: Path) -> None:
    """Built, read back without a finding, trained on, scored."""
    out = folder / "release"
    study = str(world.server.folder)
    built = ran("release", "build", study, "--cut", "consented", "--out", str(out))
    persons = {world.row(name).person for name in settled}
    assert (built["people"], built["answers"]) == (len(persons), N_DRAWN)
    assert json.loads((out / "release.json").read_text())
    checked = ran("data", "check", str(out), "--deep")
    assert checked["complete"]
    assert not any(checked[kind] for kind in ("missing", "extra", "corrupted", "conflicts"))
    with open(out / "data" / "bah-video.csv", newline="") as file:
        labels = [int(row["label"]) for row in csv.DictReader(file)]
    assert sorted(labels) == sorted(map(int, settled.values()))
    split = str(out / "data" / "split")
    model = str(folder / "words.json")
    ran(
        "train", "words", "--data", split, "--splits", "train,val,test", "--out", model,
        "--bootstrap", "100",
    )  # fmt: skip
    rows = ["id,score"]
    for line in (out / "data" / "split" / "test.txt").read_text().splitlines():
        rows.append(f"{Path(line.split(',')[0]).stem},{0.4 + 0.01 * len(rows)}")
    (folder / "mine.csv").write_text("\n".join(rows) + "\n")
    board = ran(
        "score", "results", str(folder / "mine.csv"), "--data", str(out), "--protocol", "official",
        "--out", str(folder / "board"),
    )  # fmt: skip
    assert board
    assert any((folder / "board").iterdir())
