"""A page as a list of blocks, written once as HTML that opens without a network and once as
Markdown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from twomind.core.store import write_text

STYLE = """
:root { color-scheme: light; --ink:#1c2126; --sub:#56606b; --line:#dcdfe3; --banner:#fff4d6; --banner-line:#b07d00; }
* { box-sizing: border-box; }
body { margin: 0; background: #f7f7f5; color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 8px; } h2 { font-size: 20px; margin: 40px 0 6px; }
h3 { font-size: 16px; margin: 26px 0 6px; }
p { margin: 6px 0; max-width: 88ch; } ul { margin: 6px 0; padding-left: 20px; max-width: 92ch; }
.sub { color: var(--sub); font-size: 13px; }
.banner { background: var(--banner); border-left: 4px solid var(--banner-line); padding: 10px 16px; border-radius: 3px;
  margin: 10px 0; max-width: none; }
.scroll { overflow-x: auto; border: 1px solid var(--line); background: #fff; margin: 8px 0; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 9px; text-align: right; border-top: 1px solid var(--line); vertical-align: top; }
td .ci { display: block; color: var(--sub); font-size: 11.5px; white-space: nowrap; }
thead th { border-top: 0; color: var(--sub); font-weight: 500; vertical-align: bottom; text-align: right; }
th:first-child, td:first-child { text-align: left; min-width: 176px; position: sticky; left: 0; background: #fff; }
td.text, thead th.text { text-align: left; } tr.part th { background: #f0f1f2; font-weight: 600; text-align: left; }
.flag { background: var(--banner); border-radius: 3px; padding: 0 4px; }
figure { margin: 10px 0; } figure svg { max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line);
  padding: 6px; font-family: inherit; }
figcaption { color: var(--sub); font-size: 13px; max-width: 88ch; }
.pair { display: flex; flex-wrap: wrap; gap: 16px; } .pair figure { max-width: 376px; }
.legend { font-size: 13px; } .legend span { margin-right: 16px; white-space: nowrap; }
.legend svg { border: 0 !important; padding: 0 !important; vertical-align: middle; }
td .ci.note { white-space: normal; max-width: 220px; } td .ci .flag { color: var(--ink); }
"""


@dataclass(frozen=True)
class Text:
    """A heading (``h1`` to ``h3``), a paragraph, a small one (``sub``), or a ``banner``."""

    body: str
    kind: str = "p"


@dataclass(frozen=True)
class Bullets:
    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Cells are text; what stands after a line break (an interval, a remark) is set small, flagged
    if it begins with !.

    A row of one cell is a heading inside the table. Columns named in ``words`` are set to the left.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figure:
    name: str
    svg: str
    caption: str
    key: str = ""  # which colour is which, as HTML


@dataclass(frozen=True)
class Pair:
    """Figures side by side under one key."""

    figures: tuple[Figure, ...]
    key: str = ""


Block = Text | Bullets | Table | Figure | Pair


def _cell(text: str) -> str:
    value, _, small = text.partition("\n")
    if not small:
        return escape(value)
    inner = escape(small.removeprefix("!"))
    if small.startswith("!"):
        inner = f'<span class="flag">{inner}</span>'
    wraps = "" if small[:1] in "[(" else " note"
    return f'{escape(value)}<span class="ci{wraps}">{inner}</span>'


def _html_table(table: Table) -> str:
    head = "".join(
        f'<th scope="col"{" class=text" if h in table.words else ""}>{escape(h)}</th>'
        for h in table.head
    )
    body = []
    for row in table.rows:
        if len(row) == 1:
            body.append(
                f'<tr class="part"><th colspan="{len(table.head)}">{escape(row[0])}</th></tr>'
            )
            continue
        cells = [
            f"<td{' class=text' if h in table.words else ''}>{_cell(text)}</td>"
            for h, text in zip(table.head, row, strict=True)
        ]
        body.append(f"<tr>{''.join(cells)}</tr>")
    note = f'<p class="sub">{escape(table.caption)}</p>' if table.caption else ""
    return (
        "<div "
        f'class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>{note}'
    )


def _html_figure(figure: Figure) -> str:
    return f"<figure>{figure.key}{figure.svg}<figcaption>{escape(figure.caption)}</figcaption></figure>"


def _html(block: Block) -> str:
    if isinstance(block, Text):
        if block.kind in ("h1", "h2", "h3"):
            return f"<{block.kind}>{escape(block.body)}</{block.kind}>"
        return f"<p{'' if block.kind == 'p' else f' class={block.kind}'}>{escape(block.body)}</p>"
    if isinstance(block, Bullets):
        return f"<ul>{''.join(f'<li>{escape(i)}</li>' for i in block.items)}</ul>"
    if isinstance(block, Table):
        return _html_table(block)
    if isinstance(block, Figure):
        return _html_figure(block)
    return f'{block.key}<div class="pair">{"".join(map(_html_figure, block.figures))}</div>'


def _plain(text: str) -> str:
    value, _, small = text.replace("|", "\\|").partition("\n")
    if small.startswith("!"):
        small = f"({small[1:]})"
    return f"{value} {small}" if small else value


def _markdown(block: Block) -> str:
    if isinstance(block, Text):
        marks = {"h1": "# ", "h2": "## ", "h3": "### ", "banner": "> **Note.** "}
        return marks.get(block.kind, "") + block.body
    if isinstance(block, Bullets):
        return "\n".join(f"- {i}" for i in block.items)
    if isinstance(block, Table):
        lines = ["| " + " | ".join(map(_plain, block.head)) + " |"]
        lines.append(
            "|"
            + "|".join(
                " :-- " if k == 0 or h in block.words else " --: " for k, h in enumerate(block.head)
            )
            + "|"
        )
        for row in block.rows:
            cells = (
                [f"**{_plain(row[0])}**", *[""] * (len(block.head) - 1)]
                if len(row) == 1
                else list(map(_plain, row))
            )
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines) + (f"\n\n{block.caption}" if block.caption else "")
    if isinstance(block, Figure):
        return f"![{block.caption}](figures/{block.name}.svg)\n\n{block.caption}"
    return "\n\n".join(map(_markdown, block.figures))


def write_page(blocks: Sequence[Block], folder: Path, name: str, title: str) -> tuple[Path, Path]:
    """Write ``name.html`` (self-contained), ``name.md`` and the figures beside it; return both
    paths.
    """
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    html = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(map(_html, blocks))
        + "\n</main></body></html>\n"
    )
    figures = [
        f
        for b in blocks
        for f in (b.figures if isinstance(b, Pair) else (b,))
        if isinstance(f, Figure)
    ]
    for figure in figures:
        write_text(folder / "figures" / f"{figure.name}.svg", figure.svg + "\n")
    markdown = "\n\n".join(map(_markdown, blocks)) + "\n"
    return write_text(folder / f"{name}.html", html), write_text(folder / f"{name}.md", markdown)
