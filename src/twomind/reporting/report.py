"""One HTML file that opens without a network: answers in time with their video, and what a score
does not say.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import IO, Annotated, Any, Literal
from urllib.parse import quote

from twomind.core.files import encoded, replacing
from twomind.core.settings import Bounds, check_bounds
from twomind.core.version import __version__
from twomind.datasets.consent import Consent, publication
from twomind.reporting import overview
from twomind.reporting.messages import ENGLISH, Language, Texts
from twomind.reporting.report_data import modalities_with, overview_row, time_data
from twomind.reporting.report_text import answer_text, question_text, seconds
from twomind.reporting.result import Plain, Result, Values
from twomind.reporting.stills import stills_of

#: From here on a page holds the overview alone and links to one page per recording.
MAX_TOGETHER = 24
#: What browsers play. Other containers are linked, and the page says so when they do not play.
PLAYABLE = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm"}
PLAYABLE_SOUND = {
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".wav": "audio/wav",
    ".ogg": "audio/ogg",
    ".flac": "audio/flac",
}
#: Why a recording is neither embedded nor linked, by the key of the text.
LEFT_OUT = {
    Consent.NO: "answer.refused",
    Consent.UNREADABLE: "answer.refused_unreadable",
}
#: Modules of the page in the order they are joined; each may use what stands before it.
_MODULES = (
    "dom.js",
    "player.js",
    "lanes.js",
    "curves.js",
    "review.js",
    "timeline.js",
    "words.js",
    "dock.js",
    "overview.js",
    "page.js",
)
#: Of a transcript and of the cues, what is printed; the rest stands in the tables.
PRINTED_WORDS = 200
PRINTED_CUES = 36
_BLOCK = 3 << 18  # a multiple of 3, so that base64 blocks join


@dataclass(frozen=True)
class ReportSettings:
    """Which recordings a report holds; whoever gets the report gets these.

    The recording of somebody who refused to be shown is neither embedded nor linked, whatever is
    set here.
    """

    #: consented: of people who are known to have agreed, and synthetic ones; all: also of people of
    #: whom nothing is known; none: all are linked
    embed: Literal["consented", "all", "none"] = "consented"
    #: in megabytes, of all recordings of one page together; larger ones are linked
    embed_mb: Annotated[float, Bounds(0)] = 60.0
    #: beside each answer, its frames with landmarks, pose and cues drawn over them, for looking at
    #: what was measured; of recordings that may be embedded. The face is read once more for it
    overlay: bool = False
    #: of an overlay, seconds at most
    overlay_s: Annotated[float, Bounds(0, low_open=True)] = 120.0
    #: of the pages: en or fr; tables and JSON stay English
    language: Language = "en"

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class Shown:
    """One answer as a page shows it. ``row`` and ``rest`` are plain values that JSON carries as
    they are, so that a page can be made of what lies on disk. ``own_page`` is the address of the
    page that holds this answer alone, and its recording: a recording is embedded once.
    """

    media: Path
    subject: str
    row: Mapping[str, Any]
    rest: Mapping[str, Any]
    own_page: str = ""


def shown(result: Result, settings: ReportSettings | None = None) -> Shown:
    """What a page shows of a result: its line of the overview, its texts, and what has a time.

    Args:
        result: the answer.
        settings: whose pictures are shown, and in which language.
    """
    how = settings or ReportSettings()
    t = Texts(how.language)
    times = time_data(result, t)
    text = answer_text(result, times["words"], t)
    rest = {"kind": _kind(result), "text": text, "times": times}
    row = overview_row(result, "")
    alone = text["score"]["alone"]
    row["alone"] = None if alone is None else alone["p"]
    recording = result.recording
    stills = {"printed": "", "small": ""}
    hidden = why_not_shown(recording.media, recording.subject, recording.drawn, how)
    if rest["kind"] == "video" and recording.media.is_file() and not hidden:
        stills = stills_of(recording.media)
    row["still"] = stills["small"]
    rest["still"] = stills["printed"]
    return Shown(recording.media, recording.subject, row, rest)


def write_pages(
    answers: Sequence[Shown],
    path: Path,
    *,
    settings: ReportSettings | None = None,
    title: str = "",
    failed: Sequence[str] = (),
) -> Path:
    """Write one self-contained page. The same answers give the same bytes.

    Args:
        answers: what the page shows of each answer.
        path: of the page.
        settings: which recordings are embedded; others are linked relative to ``path``.
        title: of the page.
        failed: files that could not be described, each with its reason.

    Returns:
        The page's path.
    """
    how = settings or ReportSettings()
    budget = how.embed_mb * 1e6
    parts, rows, embedded = [], [], []
    for number, answer in enumerate(answers, 1):
        media, size = _media(answer, path, how, budget)
        if media["embedded"]:
            budget -= size
            embedded.append((number, answer.media, media["mime"]))
        is_drawn = bool(answer.row.get("drawn"))
        may_show = not why_not_shown(answer.media, answer.subject, is_drawn, how)
        still = answer.rest.get("still", "") if may_show else ""
        text, times = answer.rest["text"], answer.rest["times"]
        part = {"n": number, "media": media, "text": text, "times": times, "still": still}
        parts.append(part)
        small = answer.row.get("still", "") if may_show else ""
        rows.append({**answer.row, "link": f"#answer-{number}", "still": small})
    return _write(path, _Page(title, rows, parts, embedded, Texts(how.language), failed))


def write_overview(
    rows: Sequence[Values],
    path: Path,
    *,
    title: str = "",
    settings: ReportSettings | None = None,
    failed: Sequence[str] = (),
) -> Path:
    """A page of lines alone, each linking to its own page.

    Args:
        rows: of :func:`twomind.reporting.report_data.overview_row`.
        path: of the page.
        title: of the page.
        settings: in which language.
        failed: files that could not be described, each with its reason.
    """
    how = settings or ReportSettings()
    return _write(path, _Page(title, rows, [], [], Texts(how.language), failed))


#: Number of the answer, file and MIME type of each recording that is embedded.
_Embedded = Sequence[tuple[int, Path, str]]


def page_of(recording_id: str) -> str:
    """Relative address of a recording's own page."""
    return f"{quote(recording_id)}/report.html"


# --- media
# -----------------------------------------------------------------------------------------------------------


def _kind(result: Result) -> str:
    """``video`` or ``audio``, as the decoder met it; by the file's name where it did not say."""
    has_video = result.media.get("has_video")
    if has_video is None and "n_frames" in result.media:
        has_video = bool(result.media["n_frames"])
    if has_video is None:
        has_video = result.recording.media.suffix.lower() not in PLAYABLE_SOUND
    return "video" if has_video else "audio"


def _media(
    answer: Shown, page: Path, how: ReportSettings, budget: float
) -> tuple[dict[str, Any], int]:
    """How the page reaches the recording (embedded, by a relative address, or not at all), and its
    size in bytes.
    """
    file = answer.media
    kind, suffix = answer.rest["kind"], file.suffix.lower()
    mime = PLAYABLE.get(suffix) or PLAYABLE_SOUND.get(suffix) or ""
    if kind == "audio":
        mime = mime.replace("video/", "audio/")
    found: Plain = {"kind": kind, "name": file.name, "mime": mime}
    found |= {"embedded": False, "address": "", "left_out": "", "note": "", "own_page": ""}
    if not file.is_file():
        return found, 0
    consent = publication(file, answer.subject)
    if consent in LEFT_OUT:
        return found | {"left_out": Texts(how.language)(LEFT_OUT[consent])}, 0
    size = file.stat().st_size
    agreed = consent is Consent.YES or bool(answer.row.get("drawn"))
    note = _why_linked(how, agreed, size > budget)
    if mime and not note and not answer.own_page:
        return found | {"embedded": True}, size
    if mime and not note:
        found |= {"own_page": answer.own_page}
    return found | {"address": _address(file, page), "note": note if mime else ""}, size


def why_not_shown(media: Path, subject: str, drawn: bool, how: ReportSettings) -> str:
    """Why the pictures of a recording are not shown in what is written; empty where they may be.

    Args:
        media: the recording.
        subject: its person.
        drawn: the person is synthetic.
        how: whose recordings a report holds.
    """
    consent = publication(media, subject)
    if consent in LEFT_OUT:
        return ENGLISH(LEFT_OUT[consent])
    if how.embed == "none":
        return ENGLISH("answer.linked_none")
    if how.embed == "consented" and consent is not Consent.YES and not drawn:
        return ENGLISH("answer.not_known")
    return ""


def _why_linked(how: ReportSettings, agreed: bool, too_large: bool) -> str:
    """Why a recording that a browser plays is not embedded; empty where it is."""
    t = Texts(how.language)
    if how.embed == "none":
        return t("answer.linked_none")
    if how.embed == "consented" and not agreed:
        return t("answer.linked_unknown", why=t("answer.not_known"))
    if too_large:
        return t("answer.linked_large", mb=f"{how.embed_mb:g}")
    return ""


def _address(file: Path, page: Path) -> str:
    """Relative address from the page's folder; an absolute one where there is no relative (another
    drive).
    """
    target = file.resolve()
    try:
        relative = os.path.relpath(target, page.resolve().parent)
    except ValueError:
        return target.as_uri()
    # "./" keeps a first part with a colon from being read as a scheme.
    # By its bytes, which need not be UTF-8.
    return "./" + quote(os.fsencode(Path(relative).as_posix()))


def _media_blocks(embedded: _Embedded) -> Iterator[bytes]:
    """Recordings as data URIs in inert blocks: the browser turns one into a video only when its
    answer is opened.
    """
    for number, file, mime in embedded:
        yield f'<script type="text/plain" id="media-{number}">data:{mime};base64,'.encode()
        with open(file, "rb") as stream:
            while block := stream.read(_BLOCK):
                yield base64.b64encode(block)
        yield b"</script>\n"


# --- the page
# --------------------------------------------------------------------------------------------------------


def _source(name: str) -> str:
    return (files("twomind.reporting") / "web" / "report" / name).read_text(encoding="utf-8")


def _joined() -> str:
    """The page's modules as one script: imports between them fall away, because they share one
    scope.
    """
    parts = []
    for name in _MODULES:
        text = re.sub(r"^import [^;]*;\n", "", _source(name), flags=re.MULTILINE)
        parts.append(re.sub(r"^export ", "", text, flags=re.MULTILINE))
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "\n})();\n"


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode()


def _json(value: Any) -> str:
    """JSON for a ``script`` element: no ``<`` can end the element, whatever a file or a word is
    called.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _leaf(value: Any) -> str:
    """A plain value for a reader."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _fixed(value: float) -> str:
    """A probability as text, with two digits."""
    return f"{value:.2f}"


def _sentence(text: str) -> str:
    """The text with a capital first letter and the rest as it is."""
    return text[:1].upper() + text[1:]


@cache
def _template() -> Callable[..., str]:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "leaf": _leaf,
        "sentence": _sentence,
        "seconds": seconds,
        "question_text": question_text,
        "fixed": _fixed,
    }
    environment.tests["branch"] = lambda value: isinstance(value, Mapping | list)
    return environment.get_template("page.html").render


@dataclass(frozen=True)
class _Page:
    """What stands on one page."""

    title: str
    rows: Sequence[Values]
    answers: Sequence[Values]
    embedded: _Embedded
    texts: Texts
    failed: Sequence[str] = ()


def _write(path: Path, page: _Page) -> Path:
    from markupsafe import Markup

    script = _joined()
    style = _source("style.css")
    digest = hashlib.sha256(script.encode()).hexdigest()
    marker = f"<!--media-{digest[:16]}-->"
    blocks = {f"data-{answer['n']}": answer["times"] for answer in page.answers}
    blocks["texts"] = page.texts.section("js")
    data = {name: Markup(_json(value)) for name, value in blocks.items()}
    made = _template()(
        **_told(page),
        style=Markup(style),
        script=Markup(script),
        style_hash=_digest(style),
        script_hash=_digest(script),
        data=data,
        media_marker=Markup(marker),
    )
    before, after = made.split(marker)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        _pour(file, before, page.embedded, after)
    return path


def _told(page: _Page) -> Plain:
    """What the template is told, besides script and style."""
    t, rows = page.texts, page.rows
    drawn = [row["drawn"] for row in rows]
    counted = [name for row in rows for name in row["counts"]]
    told: Plain = {"t": t, "title": page.title or t("page.title_many"), "version": __version__}
    told["rows"] = overview.grouped(rows)
    told["answers"] = page.answers
    told["drawn"] = any(drawn)
    told["all_drawn"] = all(drawn)
    told["modalities"] = modalities_with(counted, t)
    told["meaning"] = _meaning(rows, t)
    told["sentence"] = overview.sentence(rows, t)
    told["banner"] = overview.banner(rows, t)
    told["failed"] = page.failed
    told["printed_words"] = PRINTED_WORDS
    told["printed_cues"] = PRINTED_CUES
    return told


def _meaning(rows: Sequence[Values], t: Texts) -> str:
    """What the number says: in the model's own words, where it has some."""
    for row in rows:
        if row.get("meaning"):
            return t.said(str(row["meaning"]))
    return t("score.meaning")


def _pour(file: IO[bytes], before: str, embedded: _Embedded, after: str) -> None:
    file.write(encoded(before))
    for block in _media_blocks(embedded):
        file.write(block)
    file.write(encoded(after))
