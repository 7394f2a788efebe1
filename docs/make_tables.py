"""Writes docs/reference/tables.md from the code, so that the page has every column of every table.

python docs/make_tables.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from twomind.reporting import columns
from twomind.reporting.columns import Column, Table

PAGE = Path(__file__).parent / "reference" / "tables.md"

_HEAD = """# Tables and columns

Written by `python docs/make_tables.py` from the code; do not edit by hand.

Every table that `predict` and `describe` write, with all its columns. The same stands in `codebook.csv` of each run,
with the columns of `answers_wide.csv` besides, which hang on the model and the settings
([what is written](../outputs.md)). The measures that `measures.csv` names are in [measures and cues](../measures.md);
how to read tables in R, SPSS and Excel in [tables](../how-to/tables.md).
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    tables = [value for value in vars(columns).values() if isinstance(value, Table)]
    for table in sorted(tables, key=lambda one: one.file):
        parts.append("\n".join(_lines(table)))
    return "\n".join(parts)


def _lines(table: Table) -> Iterator[str]:
    meaning = table.meaning[:1].upper() + table.meaning[1:]
    yield f"## `{table.file}`\n\n{_cell(meaning)}.\n"
    yield "| column | unit | range | meaning | since |"
    yield "|---|---|---|---|---|"
    for column in table.columns:
        yield _row(column, f"`{column.name}`")
    if table.further is not None:
        yield _row(table.further, f"{table.further.name}, whose names a model chooses")
    yield ""


def _row(column: Column, name: str) -> str:
    meaning = (
        f"{column.meaning} (only where a run asks for it)" if column.optional else column.meaning
    )
    cells = (name, column.unit, column.range, meaning, column.since)
    return "| " + " | ".join(_cell(text) for text in cells) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
