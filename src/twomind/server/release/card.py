"""What a release says of itself: the card, the change log, the licence, the texts of the consent."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from sqlalchemy import select

from twomind.core.errors import BadInput
from twomind.core.files import text_of, write_text
from twomind.core.version import __version__
from twomind.server.place import Place
from twomind.server.release.ledger import SPLITS, Change, Release, change
from twomind.server.release.lists import Out
from twomind.server.release.who import Chosen, question_numbers
from twomind.server.study import Release as Said
from twomind.server.study import Study
from twomind.server.tables import ConsentText

CARD = "README.md"
CHANGES = "CHANGES.md"
LICENCE = "LICENSE.txt"
_MOST_NAMED = 20


@dataclass(frozen=True)
class Told:
    """All that the texts of a release are made from.

    Args:
        place: The study.
        release: This one.
        earlier: Those before, the oldest first.
        people: Everybody in it.
        chosen: Who is not in it, counted.
        remarks: What else a reader should know.
    """

    place: Place
    release: Release
    earlier: Sequence[Release]
    people: Sequence[Out]
    chosen: Chosen
    remarks: Sequence[str] = ()

    @property
    def study(self) -> Study:
        return self.place.study

    @property
    def said(self) -> Said:
        return self.place.study.release

    @property
    def name(self) -> str:
        return self.said.name or first_text(self.study, self.study.title)

    @property
    def contact(self) -> str:
        return self.said.contact or first_text(self.study, self.study.contact)

    @property
    def description(self) -> str:
        asked = len(self.study.prompts)
        plain = (
            f"People answer {asked} prompts in front of their own camera; coders marked where they "
            "saw ambivalence or hesitancy."
        )
        return self.said.description.strip() or plain

    @property
    def licence_name(self) -> str:
        return self.said.licence_name or "Research only, no redistribution (LICENSE.txt)"


def first_text(study: Study, texts: Mapping[str, str]) -> str:
    """A text in the first language of the study, on one line."""
    return " ".join(texts[study.languages[0]].split())


def write(told: Told, folder: Path) -> None:
    """Write the texts that go with a release: card, changes, licence and consent.

    Args:
        told: What they are made from.
        folder: Of the release.

    Raises:
        BadInput: The licence that study.toml names cannot be read.
    """
    write_text(folder / CARD, card(told))
    write_text(folder / CHANGES, changes([*told.earlier, told.release]))
    write_text(folder / LICENCE, licence(told))
    with told.place.database.reading() as reading:
        for text in reading.scalars(select(ConsentText)):
            name = f"version-{text.version}-{text.language}.json"
            write_text(folder / "consent" / name, text.shown + "\n")


def licence(told: Told) -> str:
    """The licence of the study, or the one that comes along."""
    if told.said.licence_file:
        path = told.place.folder / told.said.licence_file
        if not path.is_file():
            raise BadInput(f"study.toml: release.licence_file: {path} is not there")
        return text_of(path)
    template = files("twomind.server") / "templates" / "release_licence.txt"
    text = template.read_text(encoding="utf-8")
    text = text.replace("@NAME@", told.name).replace("@VERSION@", told.release.version)
    return text.replace("@CONTACT@", told.contact)


# --- the card


def card(told: Told) -> str:
    """The card of the data set, with a head that hubs of data sets read."""
    release = told.release
    head = [
        "---",
        f"pretty_name: {json.dumps(told.name, ensure_ascii=False)}",
        f"license_name: {json.dumps(told.licence_name, ensure_ascii=False)}",
        "license: other",
        f"language: [{', '.join(told.study.languages)}]",
        "task_categories: [video-classification]",
        "tags: [ambivalence, hesitancy, croissant]",
        "---",
        f"# {told.name}",
        "",
        f"Version {release.version}, built {release.at[:10]} with twomind {__version__} "
        f"(cut `{release.cut}`).",
        "",
        told.description,
        "",
    ]
    parts = [
        _section("Who is in it", _counts(told)),
        _section("Who is not", _absent(told.chosen)),
        _section("What was asked", _prompts(told.study)),
        _section("Consent", _consent(told)),
        _section("Coding", _coding(told)),
        _section("What lies where", _LAYOUT),
        _section("Before you use it", [*_USE_WITH_CARE, *told.remarks]),
        _section("Licence, contact, citation", _ending(told)),
    ]
    return "\n".join(head) + "\n".join(parts)


def _section(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f"## {title}", "", *lines, ""])


def _counts(told: Told) -> list[str]:
    lines = ["| split | people | answers | with A/H | share |", "|---|---|---|---|---|"]
    for split in (*SPLITS, "all"):
        own = [out for out in told.people if split in (out.split, "all")]
        answers = [one for out in own for one in out.answers]
        present = sum(one.entry.present for one in answers)
        share = f"{present / len(answers):.2f}" if answers else "none"
        lines.append(f"| {split} | {len(own)} | {len(answers)} | {present} | {share} |")
    hours = sum(one.duration_s for out in told.people for one in out.answers) / 3600
    lines += [
        "",
        f"{hours:.2f} hours. Nobody is in two splits; who was in an earlier version stays",
    ]
    lines.append(f"in their split. Others were dealt with the seed {told.release.seed}.")
    return lines


def _absent(chosen: Chosen) -> list[str]:
    lines = []
    for kind, counts in (
        ("people", chosen.absent_people),
        ("recordings", chosen.absent_recordings),
    ):
        for why, number in sorted(counts.items()):
            lines.append(f"- {number} {kind}: {why}")
    return lines or ["Everybody and everything is in it."]


def _prompts(study: Study) -> list[str]:
    numbers = question_numbers(study)
    lines = ["| question | id | meant to be | text |", "|---|---|---|---|"]
    for prompt in sorted(study.prompts, key=lambda one: numbers[one.id]):
        text = first_text(study, prompt.text).replace("|", "\\|")
        lines.append(f"| {numbers[prompt.id]} | {prompt.id} | {prompt.response} | {text} |")
    order = "in another order for each person" if study.shuffle else "in this order"
    lines += ["", f"Prompts came {order}; people were not told what an answer is meant to be."]
    return lines


def _consent(told: Told) -> list[str]:
    needed = " and ".join(f"`{name}`" for name in told.release.items)
    lines = [
        f"Everybody said yes to {needed}. The texts are in `consent/`, as people read them.",
        "",
    ]
    counts = Counter(
        (
            out.participant.given.version,
            out.participant.given.language,
            out.participant.given.sha256,
        )
        for out in told.people
    )
    for (version, language, sha256), number in sorted(counts.items()):
        lines.append(f"- version {version} in {language}: {number} people (SHA-256 {sha256})")
    return lines


def _coding(told: Told) -> list[str]:
    counts = Counter(one.answer.how for out in told.people for one in out.answers)
    lines = [f"- {number} answers: {how}" for how, number in sorted(counts.items())]
    beside = sum(one.entry.beside for out in told.people for one in out.answers)
    unknown = sum(not one.entry.knows_frames for out in told.people for one in out.answers)
    if beside:
        lines.append(f"- {beside} cues lie outside every segment: they are in `data/elan` alone")
    if unknown:
        lines.append(f"- {unknown} answers have A/H and no segment: their frames have no label")
    return lines


_LAYOUT = (
    "| part | holds |",
    "|---|---|",
    "| `data/Videos` | films; the streams are those that were recorded |",
    "| `data/cropped-aligned-faces` | the face in every frame that has one; N of `frame-N.jpg` counts frames from 0 |",
    "| `data/transcription` | what was said, with times of words in seconds |",
    "| `data/split`, `data/split-frames` | lists: path, label, transcript; and of frames |",
    "| `data/video_annotation_transcript.yaml` | segments, cues, certainty, label of every frame |",
    "| `data/elan` | the same marks for ELAN, whole |",
    "| `data/meta_data.yml` | what people told of themselves; nobody had to |",
    "| `data/bah-video.csv` | one line per answer |",
    "| `data/neutral` | people at rest, where the study asked for it |",
    "| `croissant.json`, `SHA256SUMS`, `CHANGES.md`, `LICENSE.txt` | for programs; checksums; what changed; licence |",
    "",
    "The layout is that of BAH: `twomind data check --deep`, `train`, `score` and `reproduce bah` open it.",
    "Dates and times in names count from a person's first recording, on 2000-01-01; the true ones are not in it.",
)
_USE_WITH_CARE = (
    "- Labels are what coders saw in a film, not what a person felt.",
    "- People are at home, alone with a camera, and were recruited for this study: others may differ.",
    "- Who withdraws is left out of later versions. Delete what is of them when you are told their name.",
)


def _ending(told: Told) -> list[str]:
    lines = [f"- Licence: {told.licence_name}", f"- Contact: {told.contact}"]
    if told.said.creators:
        lines.append(f"- By: {', '.join(told.said.creators)}")
    if told.said.citation:
        lines.append(f"- Cite: {told.said.citation}")
    return lines


# --- what changed


def changes(releases: Sequence[Release]) -> str:
    """The change log, the newest first; each release against the last one of its cut."""
    parts = ["# Changes", ""]
    last: dict[str, Release] = {}
    sections = []
    for release in releases:
        section = _changed(release, change(last.get(release.cut), release), release.cut in last)
        sections.append(section)
        last[release.cut] = release
    return "\n".join(parts + list(reversed(sections)))


def _changed(release: Release, found: Change, is_later: bool) -> str:
    lines = [
        f"## {release.version} ({release.at[:10]}, cut `{release.cut}`)",
        "",
        f"{len(release.people)} people, {release.answers} answers.",
    ]
    if is_later:
        lines.append(_named("New", found.added))
        lines.append(_named("No longer in it (delete your copies of theirs)", found.gone, all=True))
        lines.append(_named("Something of theirs changed", found.changed))
    return "\n".join([*lines, ""])


def _named(what: str, names: Sequence[str], all: bool = False) -> str:
    if not names:
        return f"- {what}: nobody"
    shown = names if all else names[:_MOST_NAMED]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return f"- {what}: {', '.join(shown)}{more}"
