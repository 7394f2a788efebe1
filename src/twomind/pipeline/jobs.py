"""What ``predict`` is asked: the recordings, the options, and what a result depends on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from twomind.core import csv_text, names
from twomind.core.errors import BadInput, quoted
from twomind.core.files import content_hash, refuse_unreadable
from twomind.core.store import settings_hash
from twomind.core.version import __version__
from twomind.datasets.consent import publication
from twomind.features.describe import MODALITIES, Settings
from twomind.features.profile import Profile, read_profile
from twomind.media.recording import find_media, find_transcript, transcript_beside
from twomind.pipeline import profiles
from twomind.pipeline.adapt import Adaptation
from twomind.reporting.report import ReportSettings
from twomind.reporting.sheets import TableSettings


@dataclass(frozen=True)
class Job:
    """One media file to be read, with what is known about it. ``text`` are the words themselves,
    where a table holds them. ``refused`` says why its row of a manifest cannot be used; empty where
    it can.
    """

    media: Path
    id: str
    subject: str
    question: str | None = None
    transcript: Path | None = None
    speaker: str | None = None  # the subject's name in the transcript
    text: str = ""
    refused: str = ""


@dataclass(frozen=True)
class Options:
    """How to predict. Part of the fingerprint of a result: another option is another result."""

    model: str | None = "words"
    using: tuple[str, ...] = MODALITIES
    describe: Settings = field(default_factory=Settings)
    neutral: Path | None = None
    profile: Path | None = None  # one person's profile
    person: str | None = None  # an enrolled person, in ``profiles``
    profiles: Path | None = (
        None  # enrolled people; without ``person``, each subject's own profile where there is one
    )
    stream: Path | None = None  # a CSV of the people's recordings in order
    prevalence: float | None = None
    prevalence_source: str = ""
    max_risk: float | None = None
    allow_drawn_model: bool = False
    change_talk: str = "none"  # the model of the two sides: a plug-in, a folder, or none
    purpose: str = "research"
    llm: Any = None  # LlmSettings, with the model "llm"
    adapt: Adaptation | None = None
    report: ReportSettings = field(default_factory=ReportSettings)
    tables: TableSettings = field(default_factory=TableSettings)


#: Of the files of an answer; a folder of another form is written again.
_FORM = 4
_BAH_NAME = re.compile(r"_Question_(\d\d?)_")


#: Files over all answers: no answer's folder may be called so.
RESERVED_NAMES = (
    "answers.csv",
    "answers_wide.csv",
    "codebook.csv",
    "codebook.html",
    "ledger",
    "ledger.jsonl",
    "llm.json",
    "report.html",
    "settings.toml",
    "tables.xlsx",
)


def _unique_ids(paths: Sequence[Path], taken: Iterable[str] = ()) -> list[str]:
    """File stems as names; where two are equal, with their folder's name before them, and a number
    if that is not enough. No two are the same on any system, and none is ``taken``.
    """
    stems = [names.safe(path.stem) for path in paths]
    n_of = Counter(map(names.same, stems))
    seen = {names.same(name) for name in (*RESERVED_NAMES, *taken)}
    unique = []
    for path, stem in zip(paths, stems, strict=True):
        name = stem
        if n_of[names.same(stem)] > 1:
            name = names.safe(f"{path.parent.name}_{path.stem}")
        unique.append(_free(name, seen))
        seen.add(names.same(unique[-1]))
    return unique


def _free(name: str, seen: Collection[str]) -> str:
    """The name, with the first number behind it that makes it another than all that were seen."""
    found, number = name, 1
    while names.same(found) in seen:
        number += 1
        found = names.safe(f"{name}_{number}")
    return found


def plan(
    paths: Sequence[Path],
    *,
    manifest: Path | None = None,
    question: str | None = None,
    transcript: Path | None = None,
    subject: str | None = None,
    speaker: str | None = None,
) -> list[Job]:
    """The jobs that ``paths`` or a manifest stand for.

    Args:
        paths: media files, or folders of them.
        manifest: a CSV with the column ``path`` and any of ``id, subject, question, transcript,
            speaker``; relative paths count from its folder.
        question: what was asked in all of them; ``from-name`` reads the number from names like
            ``…_Question_7_…``.
        transcript: of the one media file.
        subject: who speaks in all of them; None: each file's name.
        speaker: what they are called in their transcripts, where several people speak;
            ``longest`` for whoever says most. The manifest's own goes before it.

    Returns:
        The jobs. A row of a manifest whose id or subject is not a name, or whose id another row has,
        is a job that is refused.

    Raises:
        BadInput: nothing to do, a path that does not exist, or a manifest without the column
            ``path``.
    """
    if manifest is not None:
        if paths:
            raise BadInput("give either media files or --manifest, not both")
        return _from_manifest(manifest, question, speaker)
    if subject is not None:
        names.refuse(subject, "person")
    media = find_media(list(paths))
    if not media:
        raise BadInput("no media file was given")
    if transcript is not None and len(media) != 1:
        raise BadInput(
            f"--transcript goes with one media file, {len(media)} were given. Put each transcript "
            "beside its media "
            "file with the same name, or use --manifest"
        )
    return [
        Job(path, name, subject or name, _question(question, path), transcript, speaker)
        for path, name in zip(media, _unique_ids(media), strict=True)
    ]


def _question(given: str | None, path: Path) -> str | None:
    if given != "from-name":
        return given
    match = _BAH_NAME.search(f"{path.stem}_")
    return match.group(1) if match else None


def _from_manifest(manifest: Path, question: str | None, speaker: str | None) -> list[Job]:
    rows = _manifest_rows(manifest)
    base = manifest.parent
    media = [base / row["path"] for row in rows]
    given = [row["id"] for row in rows if row.get("id")]
    why_not = _refused_rows(rows)
    jobs = []
    for n, (path, derived) in enumerate(zip(media, _unique_ids(media, given), strict=True)):
        row = rows[n]
        name = row.get("id") or derived
        asked = row.get("question") or _question(question, path)
        transcript = base / row["transcript"] if row.get("transcript") else None
        job = Job(
            path,
            name,
            subject=row.get("subject") or name,
            question=asked,
            transcript=transcript,
            speaker=row.get("speaker") or speaker,
            refused=why_not.get(n, ""),
        )
        jobs.append(job)
    return jobs


def _refused_rows(rows: Sequence[Mapping[str, str]]) -> dict[int, str]:
    """Why rows of a manifest cannot be used, by their place: a name that is none, or an id that
    belongs to an earlier row.
    """
    found: dict[int, str] = {}
    owner: dict[str, str] = {}
    for n, row in enumerate(rows):
        try:
            for column in ("id", "subject"):
                if row.get(column):
                    names.refuse(row[column], column)
        except BadInput as error:
            found[n] = str(error)
            continue
        if not row.get("id"):
            continue
        key = names.same(row["id"])
        if key in RESERVED_NAMES:
            found[n] = f"id {quoted(row['id'])}: a file of the results is called so; use another"
        elif key in owner:
            found[n] = f"id {quoted(row['id'])}: it is already that of {owner[key]}; use another"
        else:
            owner[key] = row["path"]
    return found


def _manifest_rows(manifest: Path) -> list[dict[str, str]]:
    refuse_unreadable(manifest)
    try:
        with csv_text.table(manifest) as file:
            reader = csv_text.Reader(file, manifest)
            if "path" not in reader.columns:
                raise BadInput(
                    f"{manifest}: expected a CSV with a column 'path', got the columns "
                    f"{list(reader.columns)}"
                )
            rows = [_as_they_lie(row, manifest.parent) for row in reader if row["path"].strip()]
    except OSError as error:
        raise BadInput(f"{manifest}: expected a CSV file of recordings: {error}") from error
    if not rows:
        raise BadInput(f"{manifest}: the manifest names no recording")
    return rows


def _as_they_lie(row: dict[str, str], base: Path) -> dict[str, str]:
    """A row of a manifest whose files are called as they lie below ``base``. People write blanks
    around cells; a name of a file may have some of its own.
    """
    found = dict(row)
    for column in ("path", "transcript"):
        name = row.get(column, "")
        if name != name.strip() and not (base / name).exists():
            found[column] = name.strip()
    return found


def fingerprint(job: Job, options: Options, before: Sequence[str] = ()) -> str:
    """What a result depends on: bytes of media and transcript, the options, the model and the
    version.

    Args:
        job: the recording.
        options: how it is predicted.
        before: contents of the recordings that the person's state has learnt from.
    """
    if options.llm is not None:
        options = replace(options, llm=options.llm.lasting())
    # The workbook lies over all answers; it changes none.
    options = replace(options, tables=replace(options.tables, xlsx=False))
    parts: dict[str, Any] = {
        "form": _FORM,
        "media": content_hash(job.media),
        "transcript": _content_of(find_transcript(job.media)),
        "neutral": "",
        "profile": _content_of(profile_path(job, options)),
        "job": {"id": job.id, "subject": job.subject, "question": job.question},
        "speaker": job.speaker or "",
        "passed over": [] if job.transcript else transcript_beside(job.media)[1],
        "options": asdict(replace(options, adapt=None)),
        "model": _model_mark(options.model),
        "change talk": _model_mark(None if options.change_talk == "none" else options.change_talk),
        "consent": str(publication(job.media, job.subject)),
        "version": __version__,
    }
    if job.text:
        parts["text"] = job.text
    if options.stream is not None:
        parts["stream"] = [content_hash(path) for path in stream_before(job, options.stream)]
    # What was named must be there; a pipe would be waited for, for ever.
    for name, path in (("transcript", job.transcript), ("neutral", options.neutral)):
        if path is not None:
            parts[name] = content_hash(path)
    if options.adapt is not None:
        start = _content_of(start_path(job, options))
        parts |= {"adapt": options.adapt.lasting(), "before": list(before)}
        if start:
            parts["enrolled"] = start
    return settings_hash(parts)


def stream_before(job: Job, stream: Path) -> tuple[Path, ...]:
    """The recordings of a person that come before this one in an ordered list of them.

    Args:
        job: the recording.
        stream: a CSV with the column ``path``, in order; where it has the column ``subject``, the
            rows of other people do not count. Relative paths count from its folder.

    Raises:
        BadInput: the list cannot be read, or this recording is not in it exactly once.
    """
    own = []
    for row in _manifest_rows(stream):
        if row.get("subject") in (None, "", job.subject):
            own.append((stream.parent / row["path"]).resolve())
    here = job.media.resolve()
    if own.count(here) != 1:
        raise BadInput(
            f"{stream}: expected {job.media} once among the recordings of {job.subject} in order, "
            f"got it {own.count(here)} times"
        )
    return tuple(own[: own.index(here)])


def _content_of(path: Path | None) -> str:
    """The hash of a file; empty where there is none."""
    if path is None or not path.is_file():
        return ""
    return content_hash(path)


def profile_path(job: Job, options: Options) -> Path | None:
    """The file with the profile of who speaks; None where none was asked for, or the subject is not
    enrolled.

    Raises:
        BadInput: the options contradict each other.
    """
    if options.person is not None and options.profiles is None:
        raise BadInput("--person: give the folder in which the person is enrolled with --profiles")
    # With --adapt the clip is what the method learns from, and may stand beside the profile.
    own = options.neutral if options.adapt is None else None
    given = [one for one in (options.profile, options.profiles, own) if one is not None]
    if len(given) > 1:
        raise BadInput(
            "give --neutral or --profiles, not both; with --adapt, --neutral may stand beside a "
            "profile: the clip is then the method's, and values are relative to the profile"
        )
    if options.profiles is None:
        return options.profile
    if options.person is not None:
        return profiles.path_of(options.profiles, options.person)
    if not profiles.is_name(job.subject):
        return None
    enrolled = profiles.path_of(options.profiles, job.subject)
    return enrolled if enrolled.is_file() else None


def profile_of(job: Job, options: Options) -> Profile | None:
    """The profile of who speaks; None where there is none to be used."""
    path = profile_path(job, options)
    if path is None:
        return None
    if options.person is not None and options.profiles is not None:
        return profiles.load(options.profiles, options.person)
    return read_profile(path)


def start_path(job: Job, options: Options) -> Path | None:
    """What was kept of the person at enrolment for the method that is asked for; None where there
    is nothing, or a neutral clip is given.
    """
    if options.adapt is None or options.profiles is None or options.neutral is not None:
        return None
    person = options.person or job.subject
    if not profiles.is_name(person):
        return None
    path = profiles.state_path(options.profiles, person, f"start-{options.adapt.method}")
    return path if path.is_file() else None


def _model_mark(model: str | None) -> str:
    """Hash of a trained model's file or card: trained anew at the same place, it is
    another model.
    """
    if not model:
        return ""
    path = Path(model)
    return _content_of(path / "card.json" if path.is_dir() else path)
