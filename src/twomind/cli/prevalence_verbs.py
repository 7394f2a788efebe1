"""``twomind prevalence``: how common A/H is, from codes of a random part and a model's scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twomind.cli.screen import TABLE_WIDTH, screen
from twomind.cli.study_verbs import need_server
from twomind.cli.verb import PATH, Common, print_json, say, taking, tell, verb
from twomind.core.errors import BadInput

if TYPE_CHECKING:
    from twomind.evaluation.prevalence import Drawn
    from twomind.evaluation.prevalence_table import Table

#: What the folder of a study holds.
_STUDY = "study.toml"
_ESTIMATE = "estimate"
_SOURCE = click.argument("source", type=PATH)
_CODES = click.option(
    "--codes",
    multiple=True,
    type=PATH,
    help="What coders marked: annotation files, folders of ELAN files, or the folder of a study that "
    "was coded; repeat it.",
)
_GROUP = click.option(
    "--group",
    default="",
    help="Of a study: a question of its form, or `language`, by which shares are told apart.",
)
_MINUTES = click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Of a coder for one answer. The default is an assumption: give your own.",
)
_SEED = click.option("--seed", type=int, default=0, show_default=True, help="Of random numbers.")


class _OrFile(click.Group):
    """A group whose first word may also be a path: then `estimate` is meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asks = args and args[0] not in (*self.commands, *ctx.help_option_names)
        return super().parse_args(ctx, [_ESTIMATE, *args] if asks else args)


@click.group("prevalence", cls=_OrFile)
def prevalence_group() -> None:
    """How common A/H is: from codes of a random part and a model's scores of all answers.

    `twomind prevalence SOURCE`: the folder of a study that is coded; or a folder of results of
    `twomind predict`, with --codes; or a CSV with the columns id, person, human (1, 0, or empty
    where nothing is coded), model (score of every answer), and any of group, question,
    inclusion_probability. The codes make the share right, the scores make it narrower.
    """


def _read(
    source: Path, codes: Sequence[Path], group: str = "", drawn: Drawn | None = None
) -> Table:
    """The table of a file, a folder of results, or a study; codes of files or of a study."""
    from twomind.pipeline.prevalence import read_source

    studies = [path for path in (source, *codes) if (path / _STUDY).is_file()]
    if group and source not in studies:
        raise BadInput("--group: it is for studies; a table has the column `group`")
    if not studies:
        return read_source(source, codes, drawn)
    need_server()
    from twomind.server.prevalence import drawn_table, study_table

    if source in studies:
        if codes:
            raise BadInput("--codes: a study has its own codes; give one of the two")
        return study_table(source, group, drawn)
    if len(codes) > 1 or source.is_dir():
        raise BadInput("--codes STUDY: expected one study, and the CSV that `next` wrote as SOURCE")
    return drawn_table(source, codes[0], drawn)


@dataclass(frozen=True, kw_only=True)
class _Estimate(Common):
    source: Path
    codes: tuple[Path, ...]
    target: str
    drawn: str | None
    adjust: bool
    group: str
    minutes: float
    seed: int


@prevalence_group.command(_ESTIMATE)
@_SOURCE
@_CODES
@_GROUP
@click.option(
    "--target",
    type=click.Choice(["people", "answers"]),
    default="people",
    show_default=True,
    help="Of whom the interval speaks: people like these, or these answers alone.",
)
@click.option(
    "--drawn",
    type=click.Choice(["answers", "people"]),
    help="What was drawn at random for coding  [default: people, if everybody is coded wholly or "
    "not at all].",
)
@click.option(
    "--adjust",
    is_flag=True,
    help="Let the codes adjust the scores, by question and group too; each person's by the codes "
    "of others.",
)
@_MINUTES
@_SEED
@verb
@taking(_Estimate)
def estimate_verb(asked: _Estimate) -> int:
    """Share of A/H over all answers, by group and question, and the differences between them."""
    from twomind.evaluation.prevalence import Drawn, Target
    from twomind.evaluation.prevalence_report import Asked, prevalence_of

    drawn = None if asked.drawn is None else Drawn(asked.drawn)
    table = _read(asked.source, asked.codes, asked.group, drawn)
    how = Asked(Target(asked.target), asked.adjust, asked.minutes, asked.seed)
    found = prevalence_of(table, how)
    if asked.as_json:
        print_json(found)
    else:
        _print_shares(found)
    for remark in found["remarks"]:
        say(remark)
    return 0


@dataclass(frozen=True, kw_only=True)
class _Next(Common):
    source: Path
    codes: tuple[Path, ...]
    n: int
    out: Path
    seed: int


@prevalence_group.command("next")
@_SOURCE
@_CODES
@click.option("-n", type=click.IntRange(min=1), required=True, help="How many answers.")
@click.option("--out", type=PATH, required=True, help="The new table, a CSV.")
@_SEED
@verb
@taking(_Next)
def next_verb(asked: _Next) -> int:
    """Draw answers to code next; OUT is SOURCE with inclusion_probability and code_next.

    Code every answer that was drawn. Take another --seed for each draw.
    """
    from twomind.evaluation.prevalence_report import choose_next

    table = _read(asked.source, asked.codes)
    found = choose_next(table, asked.out, asked.n, asked.seed)
    if asked.as_json:
        print_json(found)
    else:
        for one in found["next"]:
            tell(one["id"])
    for remark in found["remarks"]:
        say(remark)
    say(f"{found['out']}: code the {len(found['next'])} answers with code_next = 1, all of them")
    return 0


@dataclass(frozen=True, kw_only=True)
class _Plan(Common):
    source: Path
    codes: tuple[Path, ...]
    half_width: float
    people: int | None
    icc: float | None
    minutes: float
    seed: int


@prevalence_group.command("plan")
@_SOURCE
@_CODES
@click.option(
    "--half-width", type=float, required=True, help="Of the 95 % interval, as a share: 0.05."
)
@click.option("--people", type=click.IntRange(min=2), help="How many take part, where it is fixed.")
@click.option(
    "--icc",
    type=click.FloatRange(0, 1),
    help="How much alike the codes of a person are  [default: from the pilot].",
)
@_MINUTES
@_SEED
@verb
@taking(_Plan)
def plan_verb(asked: _Plan) -> int:
    """How many people and codes a half-width needs, from a pilot's SOURCE."""
    from twomind.evaluation.prevalence_plan import Wanted
    from twomind.evaluation.prevalence_report import plan_of

    wanted = Wanted(asked.half_width, asked.people, asked.icc, asked.seed)
    table = _read(asked.source, asked.codes)
    found = plan_of(table, wanted, asked.minutes)
    if asked.as_json:
        print_json(found)
    else:
        _print_plan(found)
    for remark in found["remarks"]:
        say(remark)
    return 0


def _range(found: Mapping[str, Any]) -> str:
    if found["estimate"] is None:
        return "not measured"
    low, high = found["interval"]
    return f"{found['estimate']:.3f} [{low:.3f}, {high:.3f}]"


def _table(title: str, *columns: str) -> Any:
    from rich.table import Table

    return Table(*columns, title=title, title_justify="left", box=None, pad_edge=False)


def _print_shares(found: Mapping[str, Any]) -> None:
    whom = {"people": "people like these", "answers": "these answers alone"}[found["target"]]
    table = _table(
        f"Share of A/H, 95 % intervals for {whom}", "", "with the model", "codes alone", "coded"
    )
    rows = {"all answers": found}
    rows |= {f"group {name}": one for name, one in found["groups"].items()}
    rows |= {f"question {name}": one for name, one in found["questions"].items()}
    for title, row in rows.items():
        coded = f"{row['coded']} of {row['answers']}"
        table.add_row(title, _range(row), _range(row["classical"]), coded)
    console = screen(width=TABLE_WIDTH)
    console.print(table)
    if found["differences"]:
        table = _table("Differences", "", "with the model", "codes alone")
        for row in found["differences"]:
            title = f"{row['of']} {row['first']} less {row['second']}"
            table.add_row(title, _range(row), _range(row["classical"]))
        console.print(table)
    for title, row in rows.items():
        if row["reason"]:
            tell(f"{title}: {row['reason']}")
    tell(_saved(found))


def _saved(found: Mapping[str, Any]) -> str:
    saved = found["codes_saved"]
    hours = found["coder_hours_saved"]
    minutes = found["minutes_per_code"]
    return (
        f"the model stands for {saved:.0f} codes beside the {found['coded']}: {hours:.1f} coder hours "
        f"at {minutes:g} minutes an answer"
    )


def _print_plan(found: Mapping[str, Any]) -> None:
    pilot = found["pilot"]
    half_width = found["half_width"]
    tell(
        f"pilot: share {pilot['share']:.2f}, {pilot['per_person']:.1f} answers a person, alike "
        f"within a person {pilot['icc']:.2f}, unexplained by the model {pilot['left']:.2f}"
    )
    table = _table(
        f"For ±{half_width:g}: at least {found['fewest_people']} people",
        "people", "answers", "codes", "codes, to be safe", "codes without the model", "coder hours",
    )  # fmt: skip
    for row in found["possibilities"]:
        table.add_row(*_possibility(row))
    console = screen(width=TABLE_WIDTH)
    console.print(table)
    table = _table(
        f"For ±{half_width:g} about the answers of this table alone",
        "people", "answers", "codes", "codes, to be safe", "codes without the model", "coder hours",
    )  # fmt: skip
    table.add_row(*_possibility(found["these"]))
    console.print(table)


def _possibility(row: Mapping[str, Any]) -> list[str]:
    safe = row["codes_safe"]
    return [
        str(row["people"]),
        str(row["answers"]),
        str(row["codes"]),
        "more people" if safe is None else str(safe),
        str(row["codes_alone"]),
        f"{row['coder_hours']:.1f}",
    ]
