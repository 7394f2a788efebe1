"""The data-flow sheet for an ethics board: what is stored where, how long, who sees it, how it is
erased. Written from ``study.toml``, so that it says what the server does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twomind.server.study import Study

FILE = "data-flow.md"


@dataclass(frozen=True)
class _Kept:
    """One line of the table."""

    what: str
    where: str
    how_long: str
    who: str
    erased: str

    def line(self) -> str:
        cells = (self.what, self.where, self.how_long, self.who, self.erased)
        return f"| {' | '.join(cells)} |"


def sheet(study: Study, folder: Path) -> str:
    """The sheet, in Markdown.

    Args:
        study: What is asked and kept.
        folder: Where the study lies.
    """
    lines = "\n".join(kept.line() for kept in _kept(study, folder))
    asked = "\n".join(
        f"* **{item.id}** ({'needed to take part' if item.required else 'free'}): "
        f"{item.text[study.languages[0]]}"
        for item in study.consent.items
    )
    return f"""# Data flow of the study `{study.id}`

Made by `twomind study sheet` from `study.toml`. Make it again after a change.

## What people agree to (version {study.consent.version}, each item yes or no, none ticked before)

{asked}

## What is kept

| what | where | how long | who sees it | how it is erased |
|---|---|---|---|---|
{lines}

## The way of a recording

1. The participant's browser records after consent is stored, never before. It keeps each piece until
   the server has it safely on its disk, and then deletes it.
2. Pieces travel to `{study.server.public_url}` and to nowhere else: the pages load nothing from other
   servers and send nothing to them.
3. The server encrypts each piece with the participant's own key (AES-256-GCM) before it is written.
   No unencrypted copy lies on the disk.
4. The server measures a recording in its own memory{_measuring(study)}. What it finds is encrypted like
   the recording.
5. Researchers who have signed in see the recordings through the server, coders those that are assigned
   to them. Who looked is in the audit log. The participant gets no result about themselves.

## Withdrawal

A participant withdraws with their own link, all or single items{_second_thoughts(study)}. Their sessions
end, the key is destroyed, then the files and the rows of the database, of which no rest stays in free
pages or logs. Backups made before hold encrypted pieces whose key is gone. What remains is a line in the
audit log that somebody, under a random mark, withdrew.

## Who is responsible

{study.contact[study.languages[0]]}
"""


def _measuring(study: Study) -> str:
    wish = study.measuring
    if not wish.enabled:
        return " (switched off in this study)"
    speech = "are put into writing there" if wish.speech_model else "are not put into writing"
    return f": quality of picture and sound, and the model {wish.model or 'none'!r}; words {speech}"


def _second_thoughts(study: Study) -> str:
    days = study.retention.second_thoughts_days
    return (
        f"; within {days} days they may change their mind" if days else "; it takes effect at once"
    )


def _outside(study: Study) -> str:
    """What is needed of somebody who is shown to coders who are not of the team."""
    needed = ", ".join(study.coding.outside_needs)
    return f"; coders who are not of the team see only who agreed to: {needed}" if needed else ""


def _kept(study: Study, folder: Path) -> list[_Kept]:
    database = study.server.database.partition("@")[2] or f"{folder.name}/data/study.db"
    media = f"{study.retention.media_days} days"
    partial = f"not finished: {study.retention.partial_days} days"
    withdrawal = "key destroyed, then deleted, on withdrawal or when the time is over"
    team = "researchers who have signed in; the participant"
    encrypted = f"{database}, encrypted with the participant's key"
    return [
        _Kept(
            "recordings (picture and sound), with the times of prompts",
            f"{folder.name}/data/people, encrypted with the participant's key",
            f"{media}; {partial}",
            team,
            withdrawal,
        ),
        _Kept("answers to the form", encrypted, media, team, withdrawal),
        _Kept(
            "the panel's id of a person",
            f"{encrypted}; beside it a keyed hash, so that nobody takes part twice",
            media,
            "researchers who have signed in",
            withdrawal,
        ),
        _Kept("consent: text, version, answers, time", database, media, team, withdrawal),
        _Kept("transcripts and their corrections", encrypted, media, team, withdrawal),
        _Kept(
            "what the server measured in a recording: quality, features, what a model said",
            f"{encrypted}; features in {folder.name}/data/people, encrypted likewise",
            media,
            "researchers who have signed in",
            withdrawal,
        ),
        _Kept(
            "decisions of researchers on recordings, with their reasons",
            encrypted,
            media,
            "researchers who have signed in",
            withdrawal,
        ),
        _Kept(
            "which coder may see which recording",
            database,
            media,
            "researchers who have signed in; that coder",
            "deleted on withdrawal or when the time is over",
        ),
        _Kept(
            "what coders mark: every version, and what the team agreed on",
            f"{encrypted}; copies of films for the coder's page in {folder.name}/data/people, likewise",
            media,
            f"its coder; researchers who have signed in{_outside(study)}",
            withdrawal,
        ),
        _Kept(
            "keys of participants, wrapped with a main key",
            f"{study.server.keys}, outside the study's folder and its backups",
            "as long as the recordings",
            "nobody; the server reads them",
            "overwritten and deleted first of all",
        ),
        _Kept(
            "audit log: who did what when; people under a random mark",
            database,
            "as long as the study",
            "researchers who have signed in",
            "with the study's folder",
        ),
    ]
