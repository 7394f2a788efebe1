"""``twomind weights``: model files, listed, checked, added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from twomind.cli.screen import screen
from twomind.cli.settings_options import names
from twomind.cli.verb import PATH, Common, print_json, say, taking, verb
from twomind.core.errors import BadInput, MissingWeights

_COLUMNS = ("name", "state", "licence", "allowed use", "what, and its state")


@click.group("weights")
def weights_group() -> None:
    """Model files: list them, check them, add them."""


@weights_group.command("list")
@verb
def weights_list(as_json: bool, offline: bool) -> int:
    """Every set of model files, with its state, licence and allowed use."""
    from twomind.core import weights

    _print(weights.as_rows(), as_json)
    return 0


@weights_group.command("verify")
@click.argument("name", required=False)
@verb
def weights_verify(name: str | None, as_json: bool, offline: bool) -> int:
    """Recompute the checksums; exit code 5 when one is damaged."""
    from twomind.core import weights

    rows = [row for row in weights.as_rows() if name in (None, row["name"])]
    if not rows:
        raise BadInput(f"no weights named {name!r}; `twomind weights list` shows what there is")
    _print(rows, as_json)
    # A set that was asked for by name has to be there.
    wrong = ("damaged",) if name is None else ("damaged", "absent")
    bad = [row["name"] for row in rows if row["state"] in wrong]
    if bad:
        say(f"twomind: damaged or absent: {', '.join(bad)}")
        return MissingWeights.exit_code
    return 0


@dataclass(frozen=True, kw_only=True)
class _Added(Common):
    name: str
    source: str | None
    sha256: str
    licence: str
    allowed_use: str


@weights_group.command("add")
@click.argument("name")
@click.argument("source", required=False)
@click.option("--sha256", default="", help="Expected checksum of a single file.")
@click.option("--licence", default="", help="Licence of the weights, kept beside them.")
@click.option("--allowed-use", default="", help="What they may be used for, kept beside them.")
@verb
@taking(_Added)
def weights_add(asked: _Added) -> int:
    """Copy or download model files: SOURCE is a file, a folder or an http(s) address.

    Without SOURCE, weights whose download is known (`weights list` names it) are downloaded.
    """
    from twomind.core import weights

    source = weights.offered(asked.name) if asked.source is None else asked.source
    found = weights.add(
        asked.name,
        source,
        sha256=asked.sha256,
        licence=asked.licence,
        allowed_use=asked.allowed_use,
        offline=asked.offline,
    )
    _print([asdict(found)], asked.as_json)
    return 0


@dataclass(frozen=True, kw_only=True)
class _Import(Common):
    file: Path
    kind: str
    out: Path
    source: str
    licence: str
    classes: tuple[str, ...] | None
    encoder: str
    phrases: Path | None
    beside: tuple[Path, ...]
    onto: Path | None
    person: str
    names: Path | None
    feature: str


@weights_group.command("import")
@click.argument("file", type=PATH)
@click.option(
    "--as",
    "kind",
    type=click.Choice(
        ["clip-au", "clip-autt", "tta-cap", "dsfda", "sfda-pft", "bah-fusion", "vggish", "apvit"]
    ),
    required=True,
    help="What the file is a checkpoint of.",
)
@click.option("--out", type=PATH, required=True, help="Folder of the model.")
@click.option("--source", default="", help="Where the file came from, for the card.")
@click.option("--licence", default="", help="Its licence, for the card.")
@click.option(
    "--classes", callback=names, help="Its classes in order, with commas.  [default: neutral,pain]"
)
@click.option(
    "--encoder",
    default="vit-b-32",
    show_default=True,
    help="The CLIP that it was trained on: a name or a folder.",
)
@click.option("--phrases", type=PATH, help="The phrases of a CLIP-AU: FACS number, tab, words.")
@click.option(
    "--beside",
    type=PATH,
    multiple=True,
    help="More files of the same publication, each of another part; repeatable.",
)
@click.option("--onto", type=PATH, help="Of clip-autt: the CLIP-AU that the prompts belong to.")
@click.option("--person", default="", help="Of tta-cap: whose prototypes.  [default: all]")
@click.option(
    "--map",
    "names",
    type=PATH,
    help="Of bah-fusion: a module here, a tab, its name in FILE; the rest is read by order.",
)
@click.option(
    "--feature",
    metavar="NAME",
    default="",
    help="Of apvit: the output of the ONNX file that is the row.  [default: the only one]",
)
@verb
@taking(_Import)
def weights_import(asked: _Import) -> int:
    """Read a published checkpoint FILE by name and shape, and write the model that it makes.

    `predict --model` and `score personalise --model` take it. No code in the file is executed. What
    does not fit is said name by name. A part of a model alone is put onto the rest of it: --beside
    source_B.pt --beside source_C.pt (sfda-pft), --onto CLIP-AU (clip-autt). An apvit is an ONNX file,
    exported once with its program; its rows and a vggish's go to `reproduce bah`.
    """
    from twomind.pipeline.imports import import_weights
    from twomind.training.published import Asked
    from twomind.types import Task

    classes = asked.classes or ("neutral", "pain")
    task = Task(classes[-1], classes, "clip")
    said = Asked(
        asked.source,
        asked.licence,
        task,
        asked.encoder,
        asked.phrases,
        asked.beside,
        asked.onto,
        asked.person,
        asked.names,
        asked.feature,
    )
    found = import_weights(asked.file, asked.kind, said, asked.out)
    if asked.as_json:
        print_json(found)
    say(f"{found['as']}: {found['n']} tensors, written to {found['model']}")
    for name, value in found.items():
        if name not in ("as", "model", "n"):
            say(f"  {name}: {value}")
    if "use" not in found:
        say(f"use it with: twomind predict --model {found['model']} FILM")
    if not asked.licence:
        say("the licence is not stated; give --licence where you know it")
    return 0


def _print(rows: Sequence[dict[str, str]], as_json: bool) -> None:
    if as_json:
        print_json({"weights": rows})
        return
    from rich.table import Table

    table = Table(*_COLUMNS, box=None, pad_edge=False)
    for row in rows:
        what = f"{row['what']}: {row['detail']}"
        table.add_row(row["name"], row["state"], row["licence"], row["allowed_use"], what)
    # Wide enough that names are never cut, whatever the terminal.
    screen(width=160).print(table)
