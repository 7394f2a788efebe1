"""What prevalence is told from: a table, or a folder of results, with the files of coders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twomind.core.errors import BadInput, quoted
from twomind.evaluation.prevalence import Drawn
from twomind.evaluation.prevalence_table import Rows, Table, read_rows, table_of, with_codes
from twomind.evaluation.raters import Rated, Said, collect
from twomind.pipeline.coding import Coded, Sources, read_coded

_OVERVIEW = "answers.csv"
#: Columns of a folder of results, and what they are here.
_FROM_RESULTS = {
    "id": "recording",
    "person": "subject",
    "question": "question",
    "model": "probability",
}
_MOST_SHOWN = 5


def read_source(source: Path, codes: Sequence[Path] = (), drawn: Drawn | None = None) -> Table:
    """Answers with scores and codes.

    Args:
        source: a table, or a folder of results of ``twomind predict``.
        codes: annotation files of coders, or folders of ELAN files.
        drawn: see :func:`twomind.evaluation.prevalence_table.table_of`.

    Raises:
        BadInput: something cannot be read, coders differ, or a coder's file has no mark.
    """
    rows = _of_results(source) if source.is_dir() else read_rows(source)
    if codes:
        rows = with_codes(rows, _codes(codes))
    return table_of(rows, drawn)


def _of_results(folder: Path) -> Rows:
    path = folder / _OVERVIEW
    if not path.is_file():
        raise BadInput(
            f"{folder}: expected a folder of results of `twomind predict`, with {_OVERVIEW}, or a "
            "CSV file, or of a study with study.toml"
        )
    given = read_rows(path, tuple(_FROM_RESULTS.values()))
    rows = []
    for row in given.rows:
        cells = {name: row[column] for name, column in _FROM_RESULTS.items()}
        rows.append({**cells, "human": ""})
    return Rows(path, ("id", "person", "human", "model", "question"), tuple(rows))


def _codes(paths: Sequence[Path]) -> dict[str, bool]:
    """Whether coders saw A/H, by recording."""
    loaded = read_coded(paths, Sources({}))
    _refuse_blank(loaded)
    said = [Said(one.annotations, one.file, one.coder) for one in loaded]
    rated, _ = collect(said, least=1)
    found: dict[str, bool] = {}
    differ = []
    for one in rated:
        answers = _of_people(one)
        if len(answers) > 1:
            differ.append(one.recording)
        for present in answers:
            found[one.recording] = present
    if differ:
        shown = ", ".join(quoted(name, 40) for name in differ[:_MOST_SHOWN])
        raise BadInput(
            f"coders differ about {len(differ)} recordings, such as {shown}: settle them, and give "
            "the files of one coder, or the settled ones"
        )
    return found


def _of_people(one: Rated) -> set[bool]:
    answers = set()
    for who, present in one.answers.items():
        if who not in one.models:
            answers.add(present)
    return answers


def _refuse_blank(loaded: Sequence[Coded]) -> None:
    """An ELAN file without any mark may be one that nobody has opened yet."""
    blank = []
    for one in loaded:
        annotations = one.annotations
        tiers = (*annotations.of("answer"), *annotations.of("ah"))
        if one.file.suffix.lower() == ".eaf" and not any(tier.marks for tier in tiers):
            blank.append(one.file.name)
    if blank:
        shown = ", ".join(blank[:_MOST_SHOWN])
        raise BadInput(
            f"{len(blank)} ELAN files have neither an answer nor a segment, such as {shown}: mark "
            "`no A/H` on the tier `answer` where that is meant, and leave out what nobody coded"
        )
