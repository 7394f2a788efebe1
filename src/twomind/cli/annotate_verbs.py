"""``twomind agree`` and ``twomind annotate export|import``: coders and models beside each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import click

from twomind.cli.verb import PATH, Common, print_json, say, taking, verb
from twomind.core.errors import BadInput

_NAME = click.option(
    "--name",
    "named",
    multiple=True,
    metavar="TIER=KIND",
    help="What a tier of your own name is: ah, answer, cue:facial, inconsistency, utterance, word "
    "… (repeatable).",
)
_RECORDING = click.option(
    "--recording", help="The recording that all files are about, whatever they call it."
)
#: How many disagreements are printed.
_SHOWN = 20


@click.group()
def annotate() -> None:
    """Annotations: export a recording for coders (ELAN, CSV, WebVTT), import what they marked."""


@dataclass(frozen=True, kw_only=True)
class _Export(Common):
    sources: tuple[Path, ...]
    to: str
    out: Path | None
    coders: tuple[str, ...]
    blind: bool
    eaf_format: str
    redo: bool


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
@taking(_Export)
def export_verb(asked: _Export) -> int:
    """SOURCES are results folders of `twomind predict`, or media files: their words, cues and
    segments for coders.

    An ELAN file also gets the empty tiers that a coder fills, with the labels of the BAH codebook
    to choose from.
    """
    from twomind.pipeline.coding import Export, counts, export

    how = Export(asked.to, asked.out, asked.coders, asked.blind, asked.eaf_format, asked.redo)
    done = export(asked.sources, how)
    for remark in done.remarks:
        say(remark)
    if asked.as_json:
        print_json({"files": done.files, "recordings": [counts(one) for one in done.recordings]})
    for path in done.files:
        say(f"written: {path}")
    return 0


@dataclass(frozen=True, kw_only=True)
class _Import(Common):
    files: tuple[Path, ...]
    out: Path
    subject: str | None
    coder: str | None
    recording: str | None
    named: tuple[str, ...]


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
@taking(_Import)
def import_verb(asked: _Import) -> int:
    """ELAN, WebVTT or CSV annotations into one tidy table: recording, subject, tier, modality,
    label, times, coder.
    """
    from twomind.annotations import write_annotations
    from twomind.pipeline.coding import (
        Sources,
        combined,
        counts,
        kinds_of,
        problems_of,
        read_coded,
    )

    _refuse_other_file(asked.out)
    single = len(asked.files) == 1 and not asked.files[0].is_dir()
    coder = "" if asked.coder is None and single else asked.coder
    loaded = read_coded(asked.files, Sources(kinds_of(asked.named), asked.recording, coder))
    whole = [one.annotations for one in loaded]
    found, remarks = combined(
        [replace(one, subject=one.subject or asked.subject or "") for one in whole]
    )
    write_annotations(found, asked.out)
    remarks += problems_of(found)
    if asked.as_json:
        recordings = [counts(one) for one in found]
        print_json({"out": asked.out, "recordings": recordings, "remarks": remarks})
    for remark in remarks:
        say(remark)
    n = 0
    for one in found:
        n += sum(len(tier.marks) for tier in one.tiers)
    say(f"{n} marks of {len(found)} recordings: {asked.out}")
    return 0


def _refuse_other_file(out: Path) -> None:
    """Only a table of annotations is written over."""
    from twomind.annotations import COLUMNS

    if out.suffix.lower() != ".csv":
        raise BadInput(f"{out}: expected a name that ends in .csv")
    if not out.exists():
        return
    text = out.read_text(encoding="utf-8-sig", errors="replace")
    if not text.startswith(",".join(COLUMNS)):
        raise BadInput(
            f"{out}: there is a file that is not a table of annotations; it was left as it is"
        )


@dataclass(frozen=True, kw_only=True)
class _Agree(Common):
    files: tuple[Path, ...]
    tier: str
    label: str | None
    tolerance: float
    offset_tolerance: float | None
    hop: float
    model: Path | None
    threshold: float
    disagreements: Path | None
    recording: str | None
    named: tuple[str, ...]
    bootstrap: int
    seed: int


@click.command("agree")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--tier",
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
@taking(_Agree)
def agree_verb(asked: _Agree) -> int:
    """How far coders agree, and coders with the model: kappa, alpha, events with a time tolerance,
    where they differ.

    FILES are ELAN files (or CSV, WebVTT), or one folder of ELAN files per coder. Files about the
    same recording are compared; several recordings count together.
    """
    from twomind.cli.agree_tables import print_agreement
    from twomind.pipeline.agree import Comparison, agreement, write_disagreements
    from twomind.pipeline.coding import Sources, kinds_of

    how = Comparison(
        tier=asked.tier,
        label=asked.label,
        tolerance_s=asked.tolerance,
        offset_tolerance_s=asked.offset_tolerance,
        hop_s=asked.hop,
        model=asked.model,
        threshold=asked.threshold,
        n_bootstrap=asked.bootstrap,
        seed=asked.seed,
    )
    sources = Sources(kinds_of(asked.named), asked.recording)
    found = agreement(asked.files, sources, how)
    if asked.disagreements:
        write_disagreements(found, asked.disagreements)
        say(f"disagreements: {asked.disagreements}")
    if asked.as_json:
        print_json(found)
    else:
        print_agreement(found, _SHOWN)
    for remark in found["remarks"]:
        say(remark)
    return 0
