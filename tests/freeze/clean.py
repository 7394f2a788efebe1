"""What a side wrote, as text that can be compared: numbers in full, names sorted, nothing that time
or place decides.

:data:`LEFT_OUT` is the whole list of what is not compared. Everything else is, to the last digit. A
value that is left out is replaced by a word, so that its being there is compared all the same.
"""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import re
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

#: Name of a field (in JSON, or of a column in CSV) → (files in which it is left out, why).
LEFT_OUT: Mapping[str, tuple[str, str]] = {
    "time": ("*ledger.jsonl", "when an answer was made"),
    "since_last_s": ("*ledger.jsonl", "how long it took"),
    "made": ("*", "date of an enrolment, of a training"),
    "seconds": (
        "*run.json|*study.json|*card.json|*leaderboard.*|*harm.*|*stdout",
        "what a run cost",
    ),
    "fit_s": ("*", "what a training cost"),
    "peak_mb": ("*", "memory of the process"),
    "versions": ("*", "of twomind and of the packages"),
    "version": ("*ledger.jsonl", "of twomind"),
    "git": ("*", "commit of the source tree; an installed wheel has none"),
    "fingerprint": (
        "*summary.json|*run.json|*stdout|*report.html",
        "of an answer or run: it holds the version",
    ),
    "settings_hash": ("*.truth.json", "it holds a hash of the code that draws"),
    "code": ("*.truth.json", "a hash of the code that draws"),
    "key": ("*run.json", "of a run: it holds a hash of code"),
    "predictions_sha256": ("*run.json", "the predictions themselves are compared"),
    "findings": ("*leaderboard.json|*stdout", "0.2: under 10 people nothing is called above"),
    "n_pauses": ("*", "0.2: by the words' times where these can be trusted"),
    "pause_total_s": ("*", "0.2: as n_pauses"),
    "pause_mean_s": ("*", "0.2: as n_pauses"),
    "pause_longest_s": ("*", "0.2: as n_pauses"),
    "pauses_per_min": ("*", "0.2: as n_pauses"),
    "n_cues": ("*answers.csv", "0.2: as cues"),
    "cues": (
        "*summary.json|*stdout",
        "0.2: a face's cues need a resting face that is known well enough, words that were judged "
        "wrong too often are no cues, held voices are",
    ),
    "cue_counts": ("*summary.json|*stdout", "0.2: as cues"),
    "not_measured": (
        "*summary.json|*stdout",
        "0.2: it also tells of cues that cannot be looked for, and of the body",
    ),
    "neutral": ("relative/a2/*", "0.2: nobody asks a spoken clip to be neutral"),
    "doubts": ("*", "0.2: the same, and smiles are told with a digit more"),
    "not_neutral": ("*stdout", "0.2: the same"),
    "entries": ("*profile.json|ana.json", "0.2: words of a given transcript are not kept"),
    "problems": (
        "*_face/summary.json|*stdout|store/features/face/*",
        "0.2: a channel of noise is left out, and told",
    ),
    "noise_floor_dbfs": ("*_face/summary.json", "0.2: of the channels that are heard"),
    "vad": ("*", "the setting is auto since 0.2; films of synthetic people keep the energy"),
}

#: Name of a field that version 0.1 did not write → (files in which it is new, why).
ADDED: Mapping[str, tuple[str, str]] = {
    "licence": ("*card.json", "a saved card states its licence"),
    "open_at": ("*", "0.2: only an eye that was seen open can blink"),
    "max_step_s": ("*", "0.2: pictures that are too far apart show no blink"),
    "doubt_fit": ("*", "0.2: faces upside down"),
    "turn_ratio": ("*", "0.2: faces upside down"),
    "n_swing_rows": ("*", "0.2: no cue is shorter than the pictures can carry"),
    "n_least_rows": ("*", "0.2: no cue is shorter than the pictures can carry"),
    "rate_least_per_s": ("*", "0.2: a floor under slow and fast speech"),
    "files": ("*summary.json", "an answer lists its files"),
    "pauses_by": ("*", "0.2: pauses by the words' times, or by the sound"),
    "pauses_by_reason": ("*", "0.2: why not by the words' times"),
    "by_sound": ("*", "0.2: the measures of pauses by the sound"),
    "first_word_s": ("*", "0.2: what goes by the words' times"),
    "last_word_s": ("*", "0.2: what goes by the words' times"),
    "speaking_s": ("*", "0.2: what goes by the words' times"),
    "words_per_speaking_min": ("*", "0.2: what goes by the words' times"),
    "measured": ("*summary.json", "0.2: means and spreads, for the table of answers"),
    "change_talk": ("*summary.json|*stdout", "0.2: which side of a change each clause speaks for"),
    "words_reason": ("*", "0.2: why the words are not measured"),
    "words_remarks": ("*", "0.2: what is odd about a transcript"),
    "no_band": ("*", "0.2: why there is no band"),
    "speech_without_words_s": ("*", "0.2: speech that the recogniser wrote nothing for"),
    "place": ("*run.json", "0.2: the laboratory that a run came from"),
    "whose": ("*run.json", "0.2: whether two laboratories hold the same data"),
    "places": ("*leaderboard.json|*stdout", "0.2: runs of several laboratories"),
    "unread": ("*stdout", "0.2: recordings that could not be read"),
    "people": ("run/run.json", "0.2: what is known of the people of the words recogniser's run"),
    "band_95_reason": ("*", "0.2: why there is no band"),
    "cue_lexicon": ("*summary.json|*stdout", "0.2: which list of word cues was used"),
    "body": ("*summary.json|*stdout", "0.2: settings of the body"),
    "inconsistency": ("*summary.json|*stdout", "0.2: settings of cues across two sources"),
    "unworded": ("*summary.json|*stdout", "0.2: settings of heard fillers"),
    "edge_s": ("*", "0.2: a setting of cues at the ends of an answer"),
    "most_doubt": ("*", "0.2: how well a resting face must be known"),
    "speech": ("*summary.json|*stdout", "0.2: settings of recognition and alignment"),
    "steady": ("*summary.json|*stdout", "0.2: settings of held voices"),
    "front_db": ("*summary.json|*stdout", "0.2: the same"),
    "report": ("*summary.json|*stdout", "0.2: settings of the report"),
    "tables": ("*summary.json|*stdout", "0.2: settings of the tables"),
    "stream": ("*summary.json|*stdout", "0.2: settings of a person's own stream"),
    "rest": ("*summary.json", "0.2: the resting face, and how well it is known"),
    "doubtful_cues": ("*summary.json", "0.2: cues that cannot be told, and why"),
    "language": ("*summary.json|*stdout", "0.2: of the transcript"),
    "n_marks": ("*summary.json|*stdout", "0.2: marks in a transcript"),
    "others": ("*summary.json|*stdout", "0.2: who else speaks in a transcript"),
    "others_s": ("*summary.json|*stdout", "0.2: the same"),
    "n_walked": ("*harm.json", "0.2: how many answers a method gave one by one"),
    "level": ("*harm.json", "0.2: what is judged, as on the leaderboard"),
    "walked": ("*harm.json", "0.2: what a method answers one by one"),
    "held": ("*.safetensors", "0.2: where a voice is held, for heard fillers"),
    "front": ("*.safetensors", "0.2: the same"),
    "tested": ("*words.json", "0.2: between which scores a band was tested"),
    "remarks": ("*", "0.2: what an enrolment remarks, apart from doubts"),
    "face_backend": ("*", "0.2: a visit says how it was measured"),
    "speech_detector": ("*", "0.2: the same"),
    "sha256 of": ("*.safetensors", "checksums of what is in it"),
    "sha256_of_the_rest": ("*.json", "a saved file carries its own checksum"),
}

#: So many digits of a number in JSON count: sums are taken in another order since 0.2.
DIGITS = 12

#: Columns of Parquet tables in single precision less a neutral, which is a mean: six digits count, as
#: in the CSV beside them.
LESS_NEUTRAL = ("relative",)

#: Curve of a page that version 0.1 did not draw → why.
ADDED_CURVES: Mapping[str, str] = {
    "line_of_sight": "what cues of gaze are found in; the angles against the head are folded",
}
#: Curves of a page whose label, and whether they are open, changed with it.
RELABELLED = ("gaze_yaw", "gaze_pitch")

#: Rows of tables whose modality is left out, by file → (the modality, why).
LEFT_OUT_ROWS: Mapping[str, tuple[str, str]] = {
    "*_face/measures.*": ("voice", "0.2: a channel of noise is left out, two others are averaged"),
}

#: Columns of tables in pages (Markdown and HTML) → why they are left out.
LEFT_OUT_COLUMNS: Mapping[str, str] = {
    "time to begin (per window)": "what a run cost",
    "memory": "of the process",
    "commit": "of the source tree",
    "versions": "of twomind and of the packages",
}

#: Kind of an XML file → the attribute that says when it was written.
LEFT_OUT_ATTRIBUTES: Mapping[str, str] = {".eaf": "DATE"}

#: Truth in a table, as version 0.1 wrote it in that of disagreements → as all tables have it.
_SMALL = {"True": "true", "False": "false"}
#: Text in place of the digits of a store entry's name that depend on a hash of source files. The
#: first sixteen depend on the recording alone and are compared.
_ENTRY = re.compile(r"\b([0-9a-f]{16})[0-9a-f]{24}\b")
#: Texts on standard error and in pages that tell a duration.
_DURATION = re.compile(r"\b\d+(\.\d+)? (s|min|h) (by the clock|of processors)\b")
#: The version of the library, where a page or a text names it.
_VERSION = re.compile(r"(\btwomind |<dd>)0\.\d+\.\d+\b")
#: Text as it is now → as version 0.1 had it.
REWORDED: Mapping[str, str] = {
    "These people are synthetic: made by the project, not filmed.": "These people are drawn by the "
    "project, not filmed.",
    "synthetic study (": "drawn study (",
    "twomind.harm/2": "twomind.harm/1",
    "synthetic people: people": "drawn people: people",
    "a synthetic person: ": "a drawn person: ",
    ": 1 answer, said": ": 1 answers, said",
}
#: How a page tells what was observed among held-out answers; reworded in 0.2.
_BAND = re.compile(
    r"The band, (?P<old>0\.\d\d to 0\.\d\d), says how well that share is known \(95 %\)\."
    r"|Of the held-out answers scored nearest to this one, (?P<new>\d+ to \d+) % were marked "
    r"\(95 % interval of that rate\)\."
)
#: A pair of sources to choose in ELAN that version 0.1 did not offer.
_PAIR = re.compile(r'\s*<CV_ENTRY_ML CVE_ID="cve_inconsistency_6">.*?</CV_ENTRY_ML>', re.S)
#: What the page says since 0.2 of how speech was told from other sound.
_DETECTOR = re.compile(r" \(told from [^()]*\)")
_JSON_BLOCK = re.compile(r'(<script[^>]*type="application/json"[^>]*>)(.*?)(</script>)', re.S)
_BLOCKS = re.compile(r"<(script|style)\b[^>]*>.*?</\1>", re.S)
_TABLE = re.compile(r"<table>.*?</table>", re.S)
_ROW = re.compile(r"<tr\b[^>]*>.*?</tr>", re.S)
_CELL = re.compile(r"(<t[dh]\b[^>]*>)(.*?)(</t[dh]>)", re.S)
_EMBEDDED = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]+")


def without(name: str, file: str) -> bool:
    """Whether a field is left out of a file."""
    patterns = LEFT_OUT.get(name, ("", ""))[0]
    return any(fnmatch(file, pattern) for pattern in patterns.split("|") if pattern)


def is_new(name: str, file: str) -> bool:
    """Whether a field of a file is one that version 0.1 did not write."""
    patterns = ADDED.get(name, ("", ""))[0]
    return any(fnmatch(file, pattern) for pattern in patterns.split("|") if pattern)


def plain(value: Any, file: str) -> Any:
    """JSON values with the left-out fields replaced, and without the new ones."""
    if isinstance(value, dict):
        found = {}
        relabelled = "bin_s" in value and value.get("name") in RELABELLED
        for name, inner in value.items():
            if relabelled and name in ("label", "shown"):
                continue
            if not is_new(name, file) and not _is_of_words(name, inner, file):
                found[name] = "(left out)" if without(name, file) else plain(inner, file)
        return found
    if isinstance(value, list):
        return [plain(v, file) for v in value if not _is_new_curve(v)]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    return value


def _is_of_words(name: str, value: Any, file: str) -> bool:
    """What became of an answer's words; 0.2 says so on standard output."""
    return name == "words" and file == "stdout" and isinstance(value, dict) and "source" in value


def _is_new_curve(value: Any) -> bool:
    return isinstance(value, dict) and "bin_s" in value and value.get("name") in ADDED_CURVES


def _band(match: re.Match[str]) -> str:
    """The band in per cent, by either wording."""
    if match["new"]:
        return f"(band) {match['new']} %"
    low, high = match["old"].split(" to ")
    return f"(band) {100 * float(low):.0f} to {100 * float(high):.0f} %"


class Cleaner:
    """Turns files into text. ``places`` are absolute folders, replaced by a name of their own."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = sorted(places.items(), key=lambda item: -len(item[0]))

    def words(self, text: str) -> str:
        """Text less folders, digits that hang on source code, and durations."""
        for place, name in self._places:
            text = text.replace(place, name)
        text = _ENTRY.sub(r"\1(code)", text)
        text = _VERSION.sub(r"\1(version)", text)
        for now, before in REWORDED.items():
            text = text.replace(now, before)
        text = _BAND.sub(_band, text)
        text = _PAIR.sub("", _DETECTOR.sub("", text))
        return _DURATION.sub(r"(time) \3", text)

    def json(self, text: str, file: str) -> str:
        found = plain(json.loads(text), file)
        return self.words(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False)) + "\n"

    def text(self, text: str, file: str) -> str:
        """Standard output or error: JSON where it is, else words."""
        try:
            return self.json(text, file)
        except ValueError:
            return self.words(text)

    def table(self, text: str, file: str) -> str:
        rows = list(csv.reader(io.StringIO(text)))
        head = rows[0] if rows else []
        kept = [i for i, name in enumerate(head) if not is_new(name, file)]
        hidden = {i for i, name in enumerate(head) if without(name, file)}
        out = [",".join(head[i] for i in kept)]
        unseen = _modality_left_out(file)
        for row in rows[1:]:
            if unseen and unseen in row:
                continue
            cells = ["(left out)" if i in hidden else row[i] for i in kept if i < len(row)]
            out.append(",".join(_SMALL.get(cell, cell) for cell in cells))
        return self.words("\n".join(out)) + "\n"

    def tensors(self, path: Path, file: str) -> str:
        from safetensors import safe_open

        lines = []
        with safe_open(str(path), framework="numpy") as found:
            for name in sorted(found.keys()):
                lines.append(f"{name} {array(found.get_tensor(name))}")
            meta = {k: _maybe_json(v) for k, v in (found.metadata() or {}).items()}
        return "\n".join(lines) + "\n" + self.json(json.dumps(meta), file)

    def page(self, text: str, file: str) -> str:
        """A page: the data in it, what it says, and a digest of its scripts and styles."""
        found = ["# data"]
        for block in _JSON_BLOCK.findall(text):
            found.append(self.json(html.unescape(block[1]), file))
        text = _JSON_BLOCK.sub("", text)
        rest = "".join(m.group(0) for m in _BLOCKS.finditer(text))
        found += ["# scripts and styles", digest(rest.encode()), "# page"]
        text = _TABLE.sub(lambda m: page_table(m.group(0)), _BLOCKS.sub("", text))
        body = _EMBEDDED.sub(lambda m: f"embedded {digest(m.group(0).encode())}", text)
        found.append(self.words(body))
        return "\n".join(found) + "\n"

    def file(self, path: Path, name: str) -> str:
        """One file as text. ``name`` is what it is called among the others."""
        kind = path.suffix.lower()
        if kind == ".parquet":
            return self.parquet(path, name)
        if kind == ".safetensors":
            return self.tensors(path, name)
        if kind in (".mp4", ".png", ".jpg"):
            return f"{digest(path.read_bytes())} {path.stat().st_size} bytes\n"
        text = path.read_text(encoding="utf-8")
        if kind == ".json":
            return self.json(text, name)
        if kind == ".jsonl":
            return "".join(self.json(line, name) for line in text.splitlines())
        if kind == ".csv":
            return self.table(text, name)
        if kind == ".html":
            return self.page(text, name)
        if kind in LEFT_OUT_ATTRIBUTES:
            named = LEFT_OUT_ATTRIBUTES[kind]
            return self.words(
                re.sub(rf'(<ANNOTATION_DOCUMENT\b[^>]*?\b{named}=)"[^"]*"', r'\1"(left out)"', text)
            )
        if kind == ".md":
            return self.words(markdown(text))
        return self.words(text)

    def parquet(self, path: Path, name: str) -> str:
        import pyarrow.parquet as parquet

        found = parquet.read_table(path)
        lines = [f"{field.name}: {field.type}" for field in found.schema]
        columns = []
        for column in found.column_names:
            values = found.column(column).to_pylist()
            if without(column, name):
                values = ["(left out)"] * len(values)
            if column in LESS_NEUTRAL:
                values = [f"{value:.6g}" for value in values]
            columns.append(values)
        unseen = _modality_left_out(name)
        for row in zip(*columns, strict=True):
            if not unseen or unseen not in row:
                lines.append(",".join(map(repr, row)))
        return self.words("\n".join(lines)) + "\n"


def markdown(text: str) -> str:
    """Markdown with the left-out columns of its tables replaced."""
    lines, hidden = text.splitlines(), set()
    for i, line in enumerate(lines):
        if not line.startswith("|"):
            hidden = set()
            continue
        cells = line.split(" | ")
        if i + 1 < len(lines) and re.fullmatch(r"\|[\s:|-]+\|", lines[i + 1]):
            names = [c.strip("| ") for c in cells]
            hidden = {k for k, name in enumerate(names) if name in LEFT_OUT_COLUMNS}
            continue
        if hidden and "---" not in line:
            lines[i] = " | ".join("(left out)" if k in hidden else c for k, c in enumerate(cells))
    return "\n".join(lines) + "\n"


def page_table(text: str) -> str:
    """A table of a page with its left-out columns replaced."""
    rows = _ROW.findall(text)
    names = [cell[1] for cell in _CELL.findall(rows[0])] if rows else []
    hidden = {k for k, name in enumerate(names) if name in LEFT_OUT_COLUMNS}
    for row in rows[1:]:
        cells = _CELL.findall(row)
        if hidden and len(cells) == len(names):
            kept = [
                a + ("(left out)" if k in hidden else b) + c for k, (a, b, c) in enumerate(cells)
            ]
            text = text.replace(row, "<tr>" + "".join(kept) + "</tr>")
    return text


def array(value: np.ndarray) -> str:
    """An array in one line: type, shape, a digest of all its bytes, and its first numbers
    in full.
    """
    head = " ".join(repr(v) for v in np.ravel(value)[:6].tolist())
    return (
        f"{value.dtype} {list(value.shape)} {digest(np.ascontiguousarray(value).tobytes())} {head}"
    )


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _modality_left_out(file: str) -> str:
    """The modality whose rows of a table are left out; none."""
    for pattern, (modality, _) in LEFT_OUT_ROWS.items():
        if fnmatch(file, pattern):
            return modality
    return ""


def _maybe_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def name_of(path: Path) -> str:
    """A file's name less what hangs on source code, folder included."""
    return _ENTRY.sub(r"\1-code", path.as_posix())
