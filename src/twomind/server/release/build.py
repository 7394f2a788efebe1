"""Build a release: choose, write what is each person's, then the lists and texts, then list it.

The folder appears whole or not at all. Who withdraws while it is built is not in it.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.core.files import content_hash, write_text
from twomind.server import audit
from twomind.server.place import Place, stamp
from twomind.server.release import card, croissant, ledger, who
from twomind.server.release.answers import NoFace, Writer, Written
from twomind.server.release.ledger import Release
from twomind.server.release.lists import Lists, Out, folders_of
from twomind.server.release.who import Chosen, Cut, Participant
from twomind.server.settled import Settled

SUMS = "SHA256SUMS"
DATA = "data"
_PART = ".part"
#: What many people are recognised by in combination, where the form asks for it.
_IDENTIFYING = ("age", "sex", "region", "ethnicity", "student")
Tell = Callable[[str, float, float], None]


@dataclass(frozen=True)
class Wanted:
    """The release that is asked for: whose answers, into which folder.

    Args:
        out: Gets the release; it may not exist.
        cut: Who is to be in it.
        seed: Of the splits of people who come new; None: that of the first release, or 0.
        leave_out: Questions of the form whose answers stay here.
        by: Who builds it, for the audit log.
    """

    out: Path
    cut: Cut
    seed: int | None = None
    leave_out: frozenset[str] = frozenset()
    by: str = "at the command line"


@dataclass(frozen=True)
class Built:
    """What was built, and whom it holds no more."""

    release: Release
    chosen: Chosen
    remarks: tuple[str, ...]
    recalls: Mapping[int, list[str]]


def build(place: Place, wanted: Wanted, marks: Mapping[str, Settled], tell: Tell) -> Built:
    """Build a release.

    Args:
        place: The study.
        wanted: Which release.
        marks: What coders settled on, by recording.
        tell: Is told how far it is.

    Raises:
        BadInput: The folder exists or lies in the study's; nobody ever agreed to this; there are too
            few people; a question to leave out is not in the form.
        MissingExtra: MediaPipe, which finds faces, is not installed.
    """
    _refuse(place, wanted)
    part = wanted.out.with_name(f".{wanted.out.name}{_PART}")
    if part.exists():
        shutil.rmtree(part)  # a build that was killed
    try:
        built = _Builder(place, wanted, part, tell).built(marks)
        part.rename(wanted.out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return built


def _refuse(place: Place, wanted: Wanted) -> None:
    if wanted.out.exists():
        raise BadInput(f"{wanted.out}: it exists already; give a new folder to --out")
    inside = wanted.out.resolve().is_relative_to(place.folder.resolve())
    if inside:
        raise BadInput(
            f"{wanted.out}: it lies in the study's folder, where nothing is in clear; give a folder "
            "elsewhere to --out"
        )
    known = {question.id for question in place.study.metadata}
    unknown = sorted(wanted.leave_out - known)
    if unknown:
        listed = ", ".join(sorted(known)) or "none"
        raise BadInput(f"--leave-out {unknown[0]}: the form has no such question; it has: {listed}")


@dataclass(frozen=True)
class _Builder:
    """Builds one release in a folder of its own."""

    place: Place
    wanted: Wanted
    folder: Path
    tell: Tell

    def built(self, marks: Mapping[str, Settled]) -> Built:
        chosen = who.choose(self.place, self.wanted.cut, marks)
        before = ledger.earlier(self.place)
        seed = self._seed(before)
        self._refuse_few(chosen)
        people = self._write_people(chosen)
        while True:
            names = [out.participant.pid for out in people]
            shares = self.place.study.release.shares
            splits = ledger.splits(names, before, shares, seed)
            outs = [self._in_split(out, splits) for out in people]
            lists = Lists(self.folder / DATA, outs, self.wanted.leave_out)
            members = lists.write()
            release = self._release(before, seed, members)
            remarks = _remarks(outs, self.wanted.leave_out)
            told = card.Told(self.place, release, before, outs, chosen, remarks)
            self._write_texts(told)
            staying = [out for out in people if self._is_there(out)]
            if len(staying) == len(people):
                break
            people = self._without(people, staying, chosen)
        ledger.keep(self.place, release)
        with self.place.database.writing() as writing:
            audit.note(
                self.place, writing, self.wanted.by, "built a release", f"number {release.number}"
            )
        return Built(release, chosen, tuple(remarks), ledger.recalls(self.place))

    def _seed(self, before: list[Release]) -> int:
        if self.wanted.seed is not None:
            return self.wanted.seed
        return before[0].seed if before else 0

    def _refuse_few(self, chosen: Chosen) -> None:
        if chosen.people:
            return
        counts = {**chosen.absent_people, **chosen.absent_recordings}
        told = "; ".join(f"{number}: {why}" for why, number in counts.items()) or "nobody took part"
        raise BadInput(f"nobody can be released: {told}")

    def _write_people(self, chosen: Chosen) -> list[Out]:
        n_answers = sum(len(one.answers) for one in chosen.people)
        done = 0
        found = []
        writer = Writer(self.place, self.folder / DATA)
        for participant in chosen.people:
            written = []
            for answer in participant.answers:
                self.tell(answer.name, done, n_answers)
                done += 1
                one = _tried(writer, participant, answer, chosen.absent_recordings)
                if one is not None:
                    written.append(one)
            if written:
                neutral = writer.neutral(participant)
                found.append(Out(participant, tuple(written), "", neutral))
            else:
                chosen.absent_people["has no answer that can be released"] += 1
                self._erase(participant)
        return found

    def _in_split(self, out: Out, splits: Mapping[str, str]) -> Out:
        return Out(out.participant, out.answers, splits[out.participant.pid], out.neutral)

    def _is_there(self, out: Out) -> bool:
        return who.still_there(self.place, out.participant, self.wanted.cut)

    def _without(self, people: list[Out], staying: list[Out], chosen: Chosen) -> list[Out]:
        """Leave out who withdrew meanwhile; lists are written again."""
        for out in people:
            if out not in staying:
                chosen.absent_people["withdrew while this was built"] += 1
                self._erase(out.participant)
        for name in ("split", "split-frames"):
            shutil.rmtree(self.folder / DATA / name, ignore_errors=True)
        return staying

    def _erase(self, participant: Participant) -> None:
        for folder in folders_of(self.folder / DATA, participant.pid):
            shutil.rmtree(folder, ignore_errors=True)

    def _release(
        self, before: list[Release], seed: int, members: dict[str, ledger.Member]
    ) -> Release:
        return Release(
            number=before[-1].number + 1 if before else 1,
            at=stamp(self.place.now()),
            cut=self.wanted.cut.name,
            items=self.wanted.cut.items(self.place.study),
            seed=seed,
            out=str(self.wanted.out.resolve()),
            people=members,
        )

    def _write_texts(self, told: card.Told) -> None:
        if any(one.is_drawn for out in told.people for one in out.answers):
            # With one synthetic person among them, the whole stands for no real people.
            write_text(self.folder / "study.json", _json({"drawn": True, "layout": "bah"}))
        card.write(told, self.folder)
        plain = _plain(told)
        write_text(self.folder / "release.json", _json(plain))
        described = croissant.described(told, self.folder)
        write_text(self.folder / croissant.FILE, _json(described))
        (self.folder / SUMS).unlink(missing_ok=True)
        lines = []
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                lines.append(f"{content_hash(path)}  {path.relative_to(self.folder).as_posix()}\n")
        write_text(self.folder / SUMS, "".join(lines))


def _tried(
    writer: Writer, participant: Participant, answer: who.Answer, absent: Counter[str]
) -> Written | None:
    try:
        return writer.answer(participant, answer)
    except NoFace:
        absent["no face could be aligned in it"] += 1
    except BadInput as error:
        # The class alone: its words may name a file of the server.
        why = "its marks or its film cannot be used"
        absent[f"{why} ({type(error).__name__})"] += 1
    return None


def _plain(told: card.Told) -> dict[str, Any]:
    """What a program reads of a release; nobody's name is in it but those of the release."""
    release = told.release
    people: Counter[str] = Counter(member.split for member in release.people.values())
    return {
        "schema": ledger.SCHEMA,
        "study": told.study.id,
        "name": told.name,
        "version": release.version,
        "at": release.at,
        "cut": release.cut,
        "consent_items": list(release.items),
        "seed": release.seed,
        "people": len(release.people),
        "answers": release.answers,
        "people_by_split": dict(people),
        "absent_people": dict(told.chosen.absent_people),
        "absent_recordings": dict(told.chosen.absent_recordings),
        "remarks": list(told.remarks),
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _remarks(people: list[Out], leave_out: frozenset[str]) -> list[str]:
    """How many people stand alone with what they told of themselves."""
    asked = [name for name in _IDENTIFYING if name not in leave_out]
    told = Counter(_combination(out.participant, asked) for out in people)
    alone = sum(number for combination, number in told.items() if number == 1 and any(combination))
    if not alone:
        return []
    shown = ", ".join(asked)
    return [
        f"- {alone} of {len(people)} people are the only ones with their combination of {shown} in "
        "`meta_data.yml`."
    ]


def _combination(participant: Participant, asked: list[str]) -> tuple[str, ...]:
    return tuple(str(participant.told.get(name, "")) for name in asked)
