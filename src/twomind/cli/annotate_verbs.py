"""``twomind agree`` and ``twomind annotate export|import``: coders and models beside each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from twomind.annotations import (
    Annotations,
    Tier,
    blank_tiers,
    merge_tiers,
    read_annotations,
    write_annotations,
)
from twomind.cli.verb import PATH, print_json, say, verb
from twomind.core.errors import BadInput

_NAME = click.option(
    "--name",
    "named",
    multiple=True,
    metavar="TIER=KIND",
    help="What a tier of your own name is: ah, answer, cue:facial, inconsistency, utterance, word "
    "… "
    "(repeatable).",
)
_RECORDING = click.option(
    "--recording", help="The recording that all files are about, whatever they call it."
)
#: How many disagreements are printed.
_SHOWN = 20


@click.group()
def annotate() -> None:
    """Annotations: export a recording for coders (ELAN, CSV, WebVTT), import what they marked."""


@annotate.command("export")
@click.argument("sources", nargs=-1, required=True, type=PATH)
@click.option("--to", type=click.Choice(["eaf", "csv", "vtt"]), default="eaf", show_default=True)
@click.option(
    "--out",
    type=PATH,
    help="Folder for the files, or a .csv for one table [default: beside each medium].",
)
@click.option(
    "--coder", "coders", multiple=True, help="Who will code: one file each, with their empty tiers."
)
@click.option(
    "--blind",
    is_flag=True,
    help="Transcript only: without the cues and segments that the program found.",
)
@click.option("--eaf-format", type=click.Choice(["2.8", "3.0"]), default="3.0", show_default=True)
@click.option(
    "--redo", is_flag=True, help="Overwrite files that are there; a coder's work in them is lost."
)
@verb
def export_verb(
    sources: tuple[Path, ...],
    to: str,
    out: Path | None,
    coders: tuple[str, ...],
    blind: bool,
    eaf_format: str,
    redo: bool,
    as_json: bool,
    offline: bool,
) -> int:
    """SOURCES are results folders of `twomind predict`, or media files: their words, cues and
    segments for coders.

    An ELAN file also gets the empty tiers that a coder fills, with the labels of the BAH codebook
    to choose from.
    """
    found = [_blind(one) if blind else one for source in sources for one in _load(source)]
    twice = sorted(
        {a.recording for a in found if sum(b.recording == a.recording for b in found) > 1}
    )
    if twice:
        raise BadInput(f"the recording {twice[0]!r} was given twice")
    if out is not None and out.suffix.lower() == ".csv" and to == "csv":
        _refuse_existing([out], redo)
        written = [write_annotations(found, out)]
    else:
        if out is not None and out.is_file():
            raise BadInput(
                f"{out}: expected a folder, there is a file; for one table give --to csv --out "
                "NAME.csv"
            )
        plan = [job for one in found for job in _plan(one, to, out, coders)]
        _refuse_existing([path for path, _ in plan], redo)
        written = [_write(path, one, eaf_format) for path, one in plan]
    for one in found:
        for problem in one.problems:
            say(f"{one.recording}: {problem}")
    if as_json:
        print_json({"files": written, "recordings": [_counts(one) for one in found]})
    for path in written:
        say(f"written: {path}")
    return 0


def _load(source: Path) -> list[Annotations]:
    from twomind.pipeline import annotate as room

    folders = room.find_results(source)
    if folders:
        return [room.from_results(folder) for folder in folders]
    if source.is_dir():
        from twomind.media.recording import find_media

        return [room.from_recording(media) for media in find_media([source])]
    return [room.from_recording(source)]


def _blind(one: Annotations) -> Annotations:
    return replace(one, tiers=tuple(t for t in one.tiers if t.kind in ("utterance", "word")))


def _plan(
    one: Annotations, to: str, out: Path | None, coders: Sequence[str]
) -> list[tuple[Path, Annotations]]:
    folder = out or (Path(one.media).parent if one.media and Path(one.media).exists() else None)
    if folder is None:
        raise BadInput(
            f"{one.recording}: its media file {one.media!r} is not there; say with --out where to "
            "write"
        )
    if to != "eaf":
        return [(folder / f"{one.recording}.{to}", one)]
    if not coders:
        return [(folder / f"{one.recording}.eaf", replace(one, tiers=(*blank_tiers(), *one.tiers)))]
    return [
        (
            folder / f"{one.recording}.{_file_name(coder)}.eaf",
            replace(one, tiers=(*blank_tiers(coder), *one.tiers)),
        )
        for coder in coders
    ]


def _file_name(coder: str) -> str:
    if not coder.strip():
        raise BadInput("--coder: expected a name, got an empty one")
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in coder)


def _refuse_existing(paths: Iterable[Path], redo: bool) -> None:
    there = [str(p) for p in paths if p.exists()]
    if there and not redo:
        raise BadInput(
            f"{there[0]} is there "
            f"already{f', and {len(there) - 1} more' if len(there) > 1 else ''}; it may hold a "
            "coder's work. Give --out FOLDER, or --redo to overwrite"
        )


def _write(path: Path, one: Annotations, eaf_format: str) -> Path:
    from twomind.annotations import write_eaf
    from twomind.pipeline.annotate import beside

    placed = beside(one, path)
    for problem in placed.problems[len(one.problems) :]:
        say(f"{one.recording}: {problem}")
    return (
        write_eaf(placed, path, format=eaf_format)
        if path.suffix == ".eaf"
        else write_annotations([placed], path)
    )


def _counts(one: Annotations) -> dict[str, Any]:
    rows = [
        {
            "tier": t.kind,
            "modality": t.modality,
            "coder": t.coder,
            "name": t.name,
            "n": len(t.marks),
        }
        for t in one.tiers
    ]
    return {
        "recording": one.recording,
        "subject": one.subject,
        "tiers": rows,
        "problems": list(one.problems),
    }


@annotate.command("import")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--out", type=PATH, required=True, help="The table: a .csv, as the `own` data set reads it."
)
@click.option("--subject", help="Who speaks, where the files do not say.")
@click.option(
    "--coder",
    help="Who coded, where the files do not say [default: the file's name if there are several].",
)
@_RECORDING
@_NAME
@verb
def import_verb(
    files: tuple[Path, ...],
    out: Path,
    subject: str | None,
    coder: str | None,
    recording: str | None,
    named: tuple[str, ...],
    as_json: bool,
    offline: bool,
) -> int:
    """ELAN, WebVTT or CSV annotations into one tidy table: recording, subject, tier, modality,
    label, times, coder.
    """
    from twomind.annotations import COLUMNS

    if out.suffix.lower() != ".csv":
        raise BadInput(f"{out}: expected a name that ends in .csv")
    if out.exists() and not out.read_text(encoding="utf-8-sig", errors="replace").startswith(
        ",".join(COLUMNS)
    ):
        raise BadInput(
            f"{out}: there is a file that is no table of annotations; it was left as it is"
        )
    single = len(files) == 1 and not files[0].is_dir()
    loaded = _read(files, named, recording, "" if coder is None and single else coder)
    found, remarks = _combined(
        [replace(a, subject=a.subject or subject or "") for a, _, _ in loaded]
    )
    write_annotations(found, out)
    for one in found:
        remarks += [f"{one.recording}: {problem}" for problem in one.problems]
    if as_json:
        print_json({"out": out, "recordings": [_counts(one) for one in found], "remarks": remarks})
    for remark in remarks:
        say(remark)
    n = sum(len(t.marks) for one in found for t in one.tiers)
    say(f"{n} marks of {len(found)} recordings: {out}")
    return 0


def _combined(many: Sequence[Annotations]) -> tuple[list[Annotations], list[str]]:
    """One value per recording. A tier that two files hold alike counts once."""
    found: dict[str, Annotations] = {}
    remarks: list[str] = []
    for one in many:
        before = found.get(one.recording)
        if before is None:
            found[one.recording] = one
            continue
        if before.subject and one.subject and before.subject != one.subject:
            raise BadInput(
                f"{one.recording}: one file says that it is of {before.subject!r}, another "
                f"{one.subject!r}"
            )
        have = {t.key: t for t in before.tiers}
        new = [t for t in one.tiers if t.key not in have]
        for tier in one.tiers:
            if tier.key in have and have[tier.key].marks != tier.marks:
                what = f"{tier.kind}:{tier.modality}".rstrip(":")
                twice = (
                    f"two files hold the tier {what} of {tier.coder or 'nobody'}, with other marks"
                )
                if tier.kind in ("answer", "ah", "cue", "inconsistency"):
                    raise BadInput(f"{one.recording}: {twice}; name the coders apart")
                remarks.append(f"{one.recording}: {twice}; the first one's were taken")
        found[one.recording] = replace(
            before,
            tiers=(*before.tiers, *new),
            subject=before.subject or one.subject,
            problems=(*before.problems, *one.problems),
        )
    return list(found.values()), remarks


def _read(
    paths: Sequence[Path], named: Sequence[str], recording: str | None, coder: str | None
) -> list[tuple[Annotations, Path, str]]:
    """Annotations with their file, and the name of a coder that the file leaves nameless (``coder``
    None: the file's).

    A folder stands for the ELAN files in it; its name is then the coder's.
    """
    kinds = _kinds(named)
    files: list[tuple[Path, str | None]] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.glob("*.eaf"))
            if not inside:
                raise BadInput(f"{path}: expected ELAN files (*.eaf) in this folder, found none")
            files += [(file, path.name) for file in inside]
        else:
            files.append((path, None))
    same = len({file.stem for file, _ in files}) < len(files)
    found = []
    used: set[str] = set()
    for file, folder in files:
        who = (
            coder
            if coder is not None
            else folder or (file.resolve().parent.name if same else file.stem)
        )
        for one in read_annotations(file, named=_in_file(file, kinds, used)):
            if recording:
                one = replace(one, recording=recording)
            if coder is None and folder is None:
                who = who.removeprefix(one.recording).lstrip("._- ") or who
            found.append((_with_coder(one, who), file, who))
    if missing := set(kinds) - used:
        raise BadInput(f"--name: none of the files has a tier {sorted(missing)[0]!r}")
    return found


def _kinds(named: Sequence[str]) -> dict[str, str]:
    from twomind.annotations import parse_kind

    found = {}
    for one in named:
        tier, equals, kind = one.rpartition("=")
        if not equals:
            raise BadInput(f"--name: expected TIER=KIND, got {one!r}")
        parse_kind(kind)
        found[tier] = kind
    return found


def _in_file(path: Path, kinds: Mapping[str, str], used: set[str]) -> dict[str, str]:
    """Those of the named tiers that this file has."""
    if not kinds or path.suffix.lower() != ".eaf":
        return {}
    from twomind.annotations import read_eaf

    source = read_eaf(path).source
    have = {name for names in source.names.values() for name in names}
    used |= have & set(kinds)
    return {name: kind for name, kind in kinds.items() if name in have}


def _with_coder(one: Annotations, who: str) -> Annotations:
    coded = ("answer", "ah", "cue", "inconsistency")
    tiers: list[Tier] = [
        replace(t, coder=t.coder or who) if t.kind in coded else t for t in one.tiers
    ]
    return replace(one, tiers=merge_tiers(tiers))


@click.command("agree")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--tier",
    "what",
    default="ah",
    show_default=True,
    help="What to compare: ah, cue:facial, inconsistency …",
)
@click.option("--label", help="Only marks with this label, e.g. gaze.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=0.5,
    show_default=True,
    help="Of an onset, seconds.",
)
@click.option(
    "--offset-tolerance",
    type=click.FloatRange(0),
    help="Of an offset, seconds [default: as of an onset].",
)
@click.option(
    "--hop",
    type=click.FloatRange(0, 10, min_open=True),
    default=0.04,
    show_default=True,
    help="Frame, seconds.",
)
@click.option(
    "--model",
    type=PATH,
    help="One more rater: a results folder of predict, or a CSV of time_s, score.",
)
@click.option(
    "--threshold",
    type=float,
    default=0.5,
    show_default=True,
    help="Score above which that CSV says A/H.",
)
@click.option(
    "--disagreements", type=PATH, help="Write every stretch on which raters differ to this .csv."
)
@_RECORDING
@_NAME
@click.option(
    "--bootstrap",
    type=click.IntRange(100),
    default=2000,
    show_default=True,
    help="Resamples of people.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@verb
def agree_verb(
    files: tuple[Path, ...],
    what: str,
    label: str | None,
    tolerance: float,
    offset_tolerance: float | None,
    hop: float,
    model: Path | None,
    threshold: float,
    disagreements: Path | None,
    recording: str | None,
    named: tuple[str, ...],
    bootstrap: int,
    seed: int,
    as_json: bool,
    offline: bool,
) -> int:
    """How far coders agree, and coders with the model: kappa, alpha, events with a time tolerance,
    where they differ.

    FILES are ELAN files (or CSV, WebVTT), or one folder of ELAN files per coder. Files about the
    same recording are compared; several recordings count together.
    """
    from twomind.evaluation.agreement_report import compare
    from twomind.evaluation.raters import Said, collect, with_model

    loaded = [
        (_with_duration(a, file), file, who)
        for a, file, who in _read(files, named, recording, None)
    ]
    said = [Said(a, file, who) for a, file, who in loaded]
    spans, answers, reasons = _model(model, threshold)
    rated, remarks = collect(said, what, label, least=1 if model else 2)
    if model:
        rated = with_model(rated, "model", spans, answers if what == "ah" and label is None else {})
    found = compare(
        rated,
        tolerance_s=tolerance,
        offset_tolerance_s=offset_tolerance,
        hop_s=hop,
        n_bootstrap=bootstrap,
        seed=seed,
    )
    remarks += reasons + [f"{file.name}: {p}" for a, file, _ in loaded for p in a.problems]
    found |= {"tier": what, "label": label, "remarks": remarks}
    if disagreements:
        _write_disagreements(found, disagreements)
    if as_json:
        print_json(found)
    else:
        from twomind.cli.agree_tables import print_agreement

        print_agreement(found, _SHOWN)
    for remark in remarks:
        say(remark)
    return 0


def _model(
    path: Path | None, threshold: float
) -> tuple[dict[str, Any], dict[str, bool], list[str]]:
    if path is None:
        return {}, {}, []
    from twomind.pipeline.annotate import model_ratings

    return model_ratings(path, threshold)


def _with_duration(one: Annotations, file: Path) -> Annotations:
    """The length of the recording, from its media file where the annotation file does not
    say it.
    """
    if math.isfinite(one.duration_s) or not one.media:
        return one
    media = file.parent / one.media
    if not media.is_file():
        return one
    from twomind.media.stream import probe

    try:
        return replace(one, duration_s=probe(media).duration_s)
    except BadInput:  # the comparison needs the marks; that the length is not known is said there
        return one


def _write_disagreements(found: Mapping[str, Any], path: Path) -> None:
    from twomind.reporting.tables import write_rows

    columns = (
        "recording",
        "start_s",
        "end_s",
        "marked",
        "not_marked",
        "at_border",
        "within_tolerance",
    )
    rows = [
        [*(d[c] if not isinstance(d[c], tuple) else "; ".join(d[c]) for c in columns)]
        for d in found["disagreements"]
    ]
    write_rows(path, columns, rows)
    say(f"disagreements: {path}")
