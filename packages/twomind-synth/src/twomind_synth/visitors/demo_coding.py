"""The second half of the demonstration: what came in is coded by two coders, agreed on, and released."""

from __future__ import annotations

import json
import random
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twomind.core.errors import BadInput
from twomind_synth.visitors.clips import webm
from twomind_synth.visitors.desk import CoderVisit, Plan, Stretch, TeamVisit
from twomind_synth.visitors.sender import Sender

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from twomind.server.place import Place

Say = Callable[[str], None]
CODERS = ("Ann", "Ben")
#: How much of what came in both coders code; the rest one of them does.
_BOTH = 0.4
#: Kinds of prompts in whose answers these coders find A/H.
_IN_TWO_MINDS = ("ambivalent", "hesitant", "resistant")
_PATIENCE_MS = 120_000
_LENGTH_S = 5.0


def send_films(url: str, token: str, films: Sequence[Path]) -> None:
    """Somebody whose films are there already takes part by the protocol alone.

    Args:
        url: Of the study.
        token: Of their link.
        films: Drawn ones, of which pieces are sent.
    """
    sender = Sender(url, token)
    sender.enter()
    items = [one["id"] for one in sender.ask("GET", "me")["items"]]
    for number, item in enumerate(items):
        film = films[number % len(films)]
        piece = webm(film, float(number // len(films)), _LENGTH_S)
        sender.send(item, piece, _LENGTH_S)
    sender.finish()


def code_all(place: Place, url: str, said: str, say: Say) -> list[str]:
    """The team looks through what came in, two coders code it by keyboard, and the team agrees.

    Args:
        place: The study, which is served.
        url: Of the study.
        said: What is written down as words of each answer.
        say: Takes what is going on.

    Returns:
        What is told at the end.
    """
    from playwright.sync_api import sync_playwright

    from twomind.server import access

    password = secrets.token_urlsafe(12)
    access.set_password(place, "ada", password)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        team = TeamVisit(_page(browser), url)
        team.sign_in("ada", password)
        n_usable = _look_through(place, team, said)
        say(f"the team found {n_usable} recordings usable; two coders code the answers by keyboard")
        links = [team.ask("POST", "coders", {"name": name})["link"] for name in CODERS]
        plan = {"coders": len(CODERS), "share": _BOTH, "seed": 1}
        team.ask("POST", "coding/assignments", plan)
        lines = [_code(place, browser, url, link, number, say) for number, link in enumerate(links)]
        both = _to_agree_on(team)
        lines.append(_agreement(team))
        say(f"the team agrees on {len(both)} answers that both coded otherwise, side by side")
        for recording in both:
            team.agree(recording, 1)
        browser.close()
    return lines


def _page(browser: Browser) -> Any:
    context = browser.new_context(locale="en-CA")
    context.set_default_timeout(_PATIENCE_MS)
    return context.new_page()


def _look_through(place: Place, team: TeamVisit, said: str) -> int:
    from sqlalchemy import select

    from twomind.server.tables import Recording

    with place.database.reading() as reading:
        whole = select(Recording).where(Recording.state == "complete")
        found = list(reading.scalars(whole.order_by(Recording.created)))
    for recording in found:
        team.usable(recording.id)
        item = place.study.item(recording.item)
        if item is not None and item is not place.study.neutral:
            team.write_down(recording.id, said)
    return len(found)


def _code(place: Place, browser: Browser, url: str, link: str, number: int, say: Say) -> str:
    """All that is one coder's."""
    visit = CoderVisit(_page(browser), url)
    visit.enter(link)
    answer = visit.page.request.get(f"{url}/api/coder/recordings").json()
    recordings = answer["recordings"]
    for done, one in enumerate(recordings, 1):
        n_pictures = len(visit.clip(one["id"])["times_ms"])
        item = place.study.item(one["item"])
        present = item is not None and item.response in _IN_TWO_MINDS
        chance = random.Random(f"{number} {one['id']}")
        visit.code(one["id"], _plan(present, n_pictures, number, chance))
        if done % 5 == 0 or done == len(recordings):
            say(f"{CODERS[number]} is done with {done} of {len(recordings)}")
    return f"{CODERS[number]} coded {len(recordings)} answers with {visit.presses} keys"


def _plan(present: bool, n_pictures: int, number: int, chance: random.Random) -> Plan:
    """A segment with two cues, or none; the coders differ in where it ends, and now and then in all."""
    if chance.random() < 0.1:
        present = not present
    if not present:
        return Plan("n", "1")
    first = n_pictures // 8
    last = n_pictures // 3 + 4 * number
    segment = Stretch("s", "x", first, min(last, n_pictures - 1), "1")
    return Plan("y", "1", (segment, Stretch("f", "g"), Stretch("w", "h")))


def _to_agree_on(team: TeamVisit) -> list[str]:
    found = []
    for one in team.ask("GET", "coding")["recordings"]:
        done = [coder for coder in one["coders"] if coder["state"] == "done"]
        if len(done) > 1 and not one["agreed"]:
            found.append(str(one["id"]))
    return found


def _agreement(team: TeamVisit) -> str:
    told = team.ask("GET", "coding/agreement")
    if not told.get("pairs"):
        return f"agreement: not measured, {told.get('not_yet', '')}"
    pair = told["pairs"][0]
    same = f"{pair['answers_same']} of {pair['n_answers']} answers the same"
    return f"agreement: kappa {pair['kappa']:.2f} over pictures, {same}"


def release(folder: Path, out: Path, say: Say) -> list[str]:
    """Build a release with the command line, and open it again.

    Args:
        folder: The study's.
        out: Gets the release.
        say: Takes what is going on.

    Returns:
        What is told at the end.

    Raises:
        BadInput: It cannot be built, or something is wrong in it.
    """
    say("the release is built")
    built = _twomind("release", "build", str(folder), "--cut", "consented", "--out", str(out))
    say("the release is opened, and every file of it is read")
    checked = _twomind("data", "check", str(out), "--deep")
    faults = [kind for kind in ("missing", "extra", "corrupted", "conflicts") if checked[kind]]
    if faults or not checked["complete"]:
        raise BadInput(f"{out}: the release does not read back: {faults}")
    card = out / "README.md"
    text = card.read_text(encoding="utf-8")
    return [
        f"Released: {built['people']} people, {built['answers']} answers; opened again without a finding",
        *[f"  | {line}" for line in text.splitlines()[:6]],
        f"Its card: {card}",
    ]


def _twomind(*asked: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "twomind.cli.main", *asked, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BadInput(f"twomind {' '.join(asked)}: {done.stderr.strip()}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told
