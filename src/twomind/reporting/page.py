"""A page as a list of blocks, written once as HTML that opens without a network and once as
Markdown.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from twomind.core.files import encoded
from twomind.core.store import write_text
from twomind.reporting.messages import ENGLISH, Texts

STYLE = (files("twomind.reporting") / "web" / "page.css").read_text(encoding="utf-8")


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


@dataclass(frozen=True)
class Link:
    """A button: a file made of ``text`` that the page carries, or without one the address
    ``name`` of a page beside it.
    """

    label: str
    name: str
    text: str = ""
    mime: str = "text/plain"


@dataclass(frozen=True)
class Links:
    items: tuple[Link, ...]


@dataclass(frozen=True)
class Code:
    """Lines to copy."""

    text: str


@dataclass(frozen=True)
class Fold:
    """Blocks behind a heading that opens them."""

    title: str
    blocks: tuple[Block, ...]


Block = Text | Bullets | Table | Figure | Pair | Links | Code | Fold


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
    classes = {h: " class=text" if h in table.words else "" for h in table.head}
    titles = [f'<th scope="col"{classes[h]}>{escape(h)}</th>' for h in table.head]
    body = []
    for row in table.rows:
        if len(row) == 1:
            width = len(table.head)
            title = escape(row[0])
            body.append(f'<tr class="part"><th colspan="{width}">{title}</th></tr>')
            continue
        cells = []
        for h, text in zip(table.head, row, strict=True):
            cells.append(f"<td{classes[h]}>{_cell(text)}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    head = f"<thead><tr>{''.join(titles)}</tr></thead>"
    note = f'<p class="sub">{escape(table.caption)}</p>' if table.caption else ""
    rows = "".join(body)
    return (
        f'<div class="scroll" tabindex="0"><table>{head}<tbody>{rows}</tbody></table></div>{note}'
    )


def _html_text(text: Text) -> str:
    body = escape(text.body)
    if text.kind in ("h1", "h2", "h3"):
        return f"<{text.kind}>{body}</{text.kind}>"
    kind = "" if text.kind == "p" else f" class={text.kind}"
    return f"<p{kind}>{body}</p>"


def _html_figure(figure: Figure) -> str:
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>"
    # It scrolls on a narrow window, so keys must reach it.
    return f'<figure tabindex="0">{figure.key}{figure.svg}{caption}</figure>'


def _html_link(link: Link) -> str:
    label = escape(link.label)
    if not link.text:
        return f'<a class="button" href="{quote(link.name)}">{label}</a>'
    data = base64.b64encode(encoded(link.text)).decode()
    address = f"data:{link.mime};charset=utf-8;base64,{data}"
    return f'<a class="button" download="{escape(link.name)}" href="{address}">{label}</a>'


def _html_more(block: Links | Code | Fold) -> str:
    """What a reader opens, copies or takes away."""
    if isinstance(block, Links):
        links = "".join(map(_html_link, block.items))
        return f'<p class="links">{links}</p>'
    if isinstance(block, Code):
        return f'<pre tabindex="0">{escape(block.text)}</pre>'
    inner = "\n".join(map(_html, block.blocks))
    return f"<details><summary>{escape(block.title)}</summary>\n{inner}\n</details>"


def _html(block: Block) -> str:
    if isinstance(block, Links | Code | Fold):
        return _html_more(block)
    if isinstance(block, Text):
        return _html_text(block)
    if isinstance(block, Bullets):
        items = [f"<li>{escape(i)}</li>" for i in block.items]
        return f"<ul>{''.join(items)}</ul>"
    if isinstance(block, Table):
        return _html_table(block)
    if isinstance(block, Figure):
        return _html_figure(block)
    figures = "".join(map(_html_figure, block.figures))
    return f'{block.key}<div class="pair">{figures}</div>'


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown_table(table: Table) -> str:
    width = len(table.head)
    sides = []
    for k, h in enumerate(table.head):
        to_the_left = k == 0 or h in table.words
        sides.append(" :-- " if to_the_left else " --: ")
    lines = [_markdown_row([_plain(h) for h in table.head])]
    lines.append(f"|{'|'.join(sides)}|")
    for row in table.rows:
        cells = [_plain(text) for text in row]
        if len(row) == 1:
            cells = [f"**{cells[0]}**", *[""] * (width - 1)]
        lines.append(_markdown_row(cells))
    if table.caption:
        lines.append(f"\n{table.caption}")
    return "\n".join(lines)


def _plain(text: str) -> str:
    value, _, small = text.replace("|", "\\|").partition("\n")
    if small.startswith("!"):
        small = f"({small[1:]})"
    return f"{value} {small}" if small else value


def _markdown_more(block: Links | Code | Fold, t: Texts) -> str:
    if isinstance(block, Links):
        beside = [link for link in block.items if not link.text]
        return " ".join(f"[{link.label}]({quote(link.name)})" for link in beside)
    if isinstance(block, Code):
        return f"```\n{block.text}\n```"
    inner = "\n\n".join(_markdown(inside, t) for inside in block.blocks)
    return f"### {block.title}\n\n{inner}"


def _markdown(block: Block, t: Texts) -> str:
    if isinstance(block, Links | Code | Fold):
        return _markdown_more(block, t)
    if isinstance(block, Text):
        marks = {"h1": "# ", "h2": "## ", "h3": "### "}
        marks |= {"banner": f"> **{t('board.note')}** ", "few": f"> **{t('board.few_people')}** "}
        return marks.get(block.kind, "") + block.body
    if isinstance(block, Bullets):
        return "\n".join(f"- {i}" for i in block.items)
    if isinstance(block, Table):
        return _markdown_table(block)
    if isinstance(block, Figure):
        return f"![{block.caption}](figures/{block.name}.svg)\n\n{block.caption}"
    return "\n\n".join(_markdown(figure, t) for figure in block.figures)


def _figures(blocks: Sequence[Block]) -> list[Figure]:
    found: list[Figure] = []
    for block in blocks:
        if isinstance(block, Figure):
            found.append(block)
        elif isinstance(block, Pair):
            found += block.figures
        elif isinstance(block, Fold):
            found += _figures(block.blocks)
    return found


def html_of(blocks: Sequence[Block], title: str, language: str = "en") -> str:
    """A page as HTML that opens without a network.

    Args:
        blocks: what stands on it.
        title: of the page.
        language: of its texts, as a code.
    """
    policy = "base-uri 'none'; form-action 'none'; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    body = "\n".join(map(_html, blocks))
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><main>\n"
        f"{body}\n</main></body></html>\n"
    )


def write_page(
    blocks: Sequence[Block], folder: Path, name: str, title: str, t: Texts = ENGLISH
) -> tuple[Path, Path]:
    """Write a page in HTML that opens without a network, in Markdown, and its figures.

    Args:
        blocks: what stands on it.
        folder: of the files.
        name: of the files without their endings.
        title: of the page.
        t: texts of the page's language.

    Returns:
        The paths of the HTML and the Markdown.
    """
    html = html_of(blocks, title, t.language)
    for figure in _figures(blocks):
        write_text(folder / "figures" / f"{figure.name}.svg", figure.svg + "\n")
    markdown = "\n\n".join(_markdown(block, t) for block in blocks) + "\n"
    html_path = write_text(folder / f"{name}.html", html)
    markdown_path = write_text(folder / f"{name}.md", markdown)
    return html_path, markdown_path
