"""A bundle: runs without names in one tar file, which can leave a laboratory and be checked by
whoever gets it.

``bundle.json`` lists every other file with its size and SHA-256, and has a sum of its own. Sums are
written with the letters a to p for the digits 0 to f: people have numbers for names, and a sum in
digits would hold some of them by chance. A bundle is never unpacked: its files are read in memory,
and only if the list, the sizes and the sums hold. Anything else in it (a link, a path, a second file
of a name, a file that is not listed) refuses the whole. The same runs under the same key make the
same bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from twomind.core.errors import BadInput, quoted
from twomind.core.files import load_json, refuse_unreadable, replacing
from twomind.core.lab_key import LabKey
from twomind.evaluation.pseudonyms import PER_PERSON, SCORES, Hider
from twomind.evaluation.runs import ARRAYS, JSON, NOT_TOLD, load_run, save_run
from twomind.types import Rows, Run
from twomind.types.plain import Foreign, Plain

FORMAT = "twomind.bundle/1"
MANIFEST = "bundle.json"
PEOPLE = "people.csv"
#: Names that a bundle may hold beside its list.
_NAMES = re.compile(
    r"runs/\d{4,6}/(?:run\.json|predictions\.safetensors)|people\.csv|tables/[a-z]+\.json"
)
MOST_FILES = 40_000
MOST_BYTES = 4_000_000_000
_MOST_LIST = 50_000_000
_BLOCK = 1 << 20
#: Keys of ``run.json`` that hold figures or a request, which can be computed again or are no
#: business of others.
_LEFT_OUT = ("figures", "key", "predictions_sha256")
_IN_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_IN_DIGITS = str.maketrans("abcdefghijklmnop", "0123456789abcdef")
#: A sum in a text (MD5, SHA-1 or SHA-256), as it is told elsewhere and as a bundle tells it.
_SUM_IN_TEXT = re.compile(
    r"(?<![0-9a-z])(?=[a-f]*[0-9])(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})(?![0-9a-z])"
)
_LETTERED_IN_TEXT = re.compile(r"(?<![0-9a-z])(?:[a-p]{64}|[a-p]{40}|[a-p]{32})(?![0-9a-z])")
#: A sum in the header of a file of arrays, as such a file has it and as a bundle has it.
_SUM = re.compile(rb"(?<=\")[0-9a-f]{64}(?=\\\")")
_LETTERED_SUM = re.compile(rb"(?<=\")[a-p]{64}(?=\\\")")


@dataclass(frozen=True)
class Bundle:
    """What a bundle says, after all its sums were checked."""

    path: Path
    about: Plain
    files: Mapping[str, bytes] = field(repr=False)
    runs: tuple[Run, ...] = field(repr=False)
    tables: Mapping[str, Plain] = field(repr=False)

    @property
    def laboratory(self) -> str:
        """The pseudonym of where it was made."""
        return str(self.about["laboratory"])

    def sealed_by(self, key: LabKey) -> bool:
        """Whether this very bundle was made under a key."""
        content = str(self.about["content_sha256"]).encode()
        own = lettered(key.seal(content))
        return hmac.compare_digest(str(self.about.get("seal", "")).encode(), own.encode())


def lettered(digest: str) -> str:
    """A sum in hex, with letters for its digits.

    >>> lettered("09af")
    'ajkp'
    """
    return digest.translate(_IN_LETTERS)


def _lettered(value: Foreign) -> Foreign:
    return lettered(value) if isinstance(value, str) else value


def _with_spelled(arrays: bytes, sums: re.Pattern[bytes], spelling: Mapping[int, int]) -> bytes:
    """A file of arrays with the sums in its header spelled otherwise; nothing else moves."""
    # Safetensors: length of the header in 8 bytes, header, values.
    end = 8 + int.from_bytes(arrays[:8], "little")

    def spelled(found: re.Match[bytes]) -> bytes:
        return found[0].decode().translate(spelling).encode()

    return sums.sub(spelled, arrays[:end]) + arrays[end:]


def _respelled(values: Plain, sums: re.Pattern[str], spelling: Mapping[int, int]) -> Plain:
    """Plain values with every sum in their texts and keys spelled otherwise."""
    text = json.dumps(values, ensure_ascii=False)
    found: Plain = json.loads(sums.sub(lambda sum_: sum_[0].translate(spelling), text))
    return found


def _with_digits(run: Plain, arrays: bytes) -> Plain:
    """What a run's JSON says, as it was before it was put into a bundle."""
    found = dict(run)
    git = dict(run["git"])
    for name, value in git.items():
        if isinstance(value, str):
            git[name] = value.translate(_IN_DIGITS)
    found["git"] = git
    found["config"] = _respelled(run["config"], _LETTERED_IN_TEXT, _IN_DIGITS)
    found["predictions_sha256"] = hashlib.sha256(arrays).hexdigest()
    return found


# --- writing


def write_bundle(
    runs: Sequence[Run],
    path: Path,
    key: LabKey,
    *,
    windows: bool = False,
    tables: Mapping[str, Plain] | None = None,
) -> Plain:
    """Write a bundle of runs.

    Args:
        runs: with the names of people; they stay here.
        path: the tar file.
        key: of this laboratory.
        windows: keep every row with its time and question; else each person's scores, sorted.
        tables: more plain values by name, for example a table of ``reproduce``; texts in them lose
            their names too.

    Returns:
        What is in its list, with the path.

    Raises:
        BadInput: there is no run.
    """
    if not runs:
        raise BadInput(f"{path}: no run to put into a bundle")
    hider = Hider.of(runs, key, windows)
    hidden = sorted((hider.hidden(run) for run in runs), key=_order)
    files: dict[str, bytes] = {}
    for number, run in enumerate(hidden):
        for name, content in _run_files(run).items():
            files[f"runs/{number:04d}/{name}"] = content
    files[PEOPLE] = _people_csv(hidden)
    for name, table in (tables or {}).items():
        hidden_table = _respelled(hider.plain(table), _SUM_IN_TEXT, _IN_LETTERS)
        files[f"tables/{name}.json"] = _json(hidden_table)
    about = _about(hidden, files, key)
    _write_tar(path, {MANIFEST: _json(about), **files})
    return {**about, "bundle": str(path), "key": str(key.path)}


def _order(run: Run) -> tuple[str, ...]:
    config = json.dumps(dict(run.config), sort_keys=True, default=str)
    return (run.name, config)


def _run_files(run: Run) -> dict[str, bytes]:
    """The two files of a run, as it is kept on disk, without figures."""
    with tempfile.TemporaryDirectory() as folder:
        place = save_run(run, Path(folder) / "run")
        entry = json.loads((place / JSON).read_text(encoding="utf-8"))
        arrays = _with_spelled((place / ARRAYS).read_bytes(), _SUM, _IN_LETTERS)
    for name in _LEFT_OUT:
        entry.pop(name, None)
    entry["git"] = {name: _lettered(value) for name, value in entry["git"].items()}
    entry["config"] = _respelled(entry["config"], _SUM_IN_TEXT, _IN_LETTERS)
    return {JSON: _json(entry), ARRAYS: arrays}


def _people_csv(runs: Sequence[Run]) -> bytes:
    """Each person's figures in percent, to read; everything can be computed from the runs."""
    from twomind.evaluation import people
    from twomind.evaluation.runs import filled

    lines = ["dataset,protocol,model,method,seed,metric,person,percent"]
    for run in runs:
        rows = run.rows[run.level]
        rows = rows.take(rows.y >= 0)
        probs = filled(rows, run.fill)
        for metric in ("macro_f1", "war"):
            each = people.per_person(rows.y, probs, rows.subject, metric)
            for person in sorted(each):
                cells = (run.dataset, run.fold.protocol, run.model, run.method, str(run.seed))
                quoted_cells = [_cell(cell) for cell in cells]
                lines.append(",".join([*quoted_cells, metric, person, f"{100 * each[person]:.2f}"]))
    return ("\n".join(lines) + "\n").encode()


def _cell(text: str) -> str:
    from twomind.core import csv_text

    safe = str(csv_text.cell(text))
    doubled = safe.replace('"', '""')
    return f'"{doubled}"' if re.search(r'[",\n\r]', safe) else safe


def _about(runs: Sequence[Run], files: Mapping[str, bytes], key: LabKey) -> Plain:
    """The list of a bundle."""
    listed = {}
    for name in sorted(files):
        content = files[name]
        listed[name] = {"bytes": len(content), "sha256": _sum(content)}
    about: Plain = {"format": FORMAT, "laboratory": key.laboratory, **_said_of(runs)}
    about["files"] = listed
    about["content_sha256"] = _content(about)
    about["seal"] = lettered(key.seal(about["content_sha256"].encode()))
    return about


def _said_of(runs: Sequence[Run]) -> Plain:
    """What the list of a bundle says of its runs."""
    people = {str(name) for run in runs for name in np.unique(run.rows[run.level].subject)}
    said: Plain = {"n_runs": len(runs), "n_people": len(people)}
    said["scores"] = "per person" if SCORES in runs[0].windows else "per window"
    said["datasets"] = sorted({run.dataset for run in runs})
    said["protocols"] = sorted({run.fold.protocol for run in runs})
    said["fingerprints"] = sorted({run.fingerprint for run in runs})
    said["versions"] = dict(runs[0].versions)
    said["drawn"] = any(run.drawn for run in runs)
    return said


def _content(about: Plain) -> str:
    """SHA-256 over everything that the list says, other than this sum and the seal."""
    said = {name: value for name, value in about.items() if name not in ("content_sha256", "seal")}
    return _sum(_json(said))


def _sum(content: bytes) -> str:
    """SHA-256 in letters."""
    return lettered(hashlib.sha256(content).hexdigest())


def _json(value: object) -> bytes:
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def _read(content: bytes) -> Foreign:
    """The data of a JSON text that could be written as it was read.

    Raises:
        ValueError: it is none, holds what no JSON has (NaN, half of a letter), or is nested too
            deeply.
    """
    value = load_json(content, once=True)
    try:
        _json(value)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def _write_tar(path: Path, files: Mapping[str, bytes]) -> None:
    with replacing(path) as temporary, open(temporary, "wb") as out:
        _tar(files, out)


def _tar(files: Mapping[str, bytes], out: IO[bytes]) -> None:
    """The same files make the same bytes: no times, no owners."""
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), 0, 0o644
            tar.addfile(member, io.BytesIO(content))


# --- reading


def is_bundle(path: Path) -> bool:
    """Whether a path is meant as a bundle: every file that is not the JSON of a run."""
    return (path.is_file() and path.name != JSON) or (path.suffix == ".tar" and not path.is_dir())


def read_bundle(path: Path) -> Bundle:
    """A bundle, after everything in it was checked; nothing is written.

    Raises:
        BadInput: it is none, or not as it was written; the message says what is wrong.
    """
    refuse_unreadable(path)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise BadInput(f"{path}: expected at most {MOST_BYTES / 1e9:.0f} GB, got {size / 1e9:.1f}")
    try:
        with _opened(path) as tar:
            members = _members(tar, path, size)
            about = _list_of(tar, members, path)
            files = _checked(tar, members, about, path)
            every = {MANIFEST: _bytes_of(tar, members[MANIFEST]), **files}
            _refuse_more(path, {name: every[name] for name in members})
    except (tarfile.TarError, EOFError, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise BadInput(f"{path}: expected a bundle that twomind wrote ({error})") from error
    runs = _runs_in(files, path, str(about["laboratory"]))
    for name, value in _said_of(runs).items():
        if about.get(name) != value:
            raise BadInput(
                f"{path}: {MANIFEST} says {name} {quoted(about.get(name))}, and its runs {quoted(value)}"
            )
    if files.get(PEOPLE) != _people_csv(runs):
        raise BadInput(f"{path}: {PEOPLE} is not what its runs give")
    return Bundle(path, about, files, runs, _tables_in(files, path))


def _opened(path: Path) -> tarfile.TarFile:
    """A tar file, open.

    Raises:
        BadInput: it does not begin as one.
    """
    try:
        return tarfile.open(path, "r:")
    except tarfile.ReadError as error:
        raise BadInput(
            f"{path}: is neither a bundle that twomind wrote nor a folder of runs ({error})"
        ) from error


def _members(tar: tarfile.TarFile, path: Path, size: int) -> dict[str, tarfile.TarInfo]:
    """The files of a tar by name.

    Raises:
        BadInput: something in it is not a file of a bundle.
    """
    found: dict[str, tarfile.TarInfo] = {}
    total = 0
    for member in tar:
        name = member.name
        if len(found) >= MOST_FILES:
            raise BadInput(f"{path}: expected at most {MOST_FILES} files")
        if name != MANIFEST and not _NAMES.fullmatch(name):
            raise BadInput(f"{path}: {quoted(name)} is not a file of a bundle; nothing was read")
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.pax_headers:
            raise BadInput(f"{path}: {quoted(name)} is not a plain file; nothing was read")
        if name in found:
            raise BadInput(f"{path}: {quoted(name)} is there twice")
        total += member.size
        if member.size < 0 or total > size:
            raise BadInput(f"{path}: {quoted(name)} claims more bytes than the file has")
        found[name] = member
    if MANIFEST not in found:
        raise BadInput(f"{path}: expected a bundle with {MANIFEST}")
    return found


def _refuse_more(path: Path, files: Mapping[str, bytes]) -> None:
    """A bundle has no byte beside its files: none in a header, none behind the end.

    Raises:
        BadInput: its bytes are others than these files make.
    """
    with tempfile.TemporaryFile() as own:
        _tar(files, own)
        own.seek(0)
        with open(path, "rb") as theirs:
            same = own.seek(0, io.SEEK_END) == theirs.seek(0, io.SEEK_END)
            own.seek(0)
            theirs.seek(0)
            while same and (block := own.read(_BLOCK)):
                same = block == theirs.read(_BLOCK)
    if not same:
        raise BadInput(
            f"{path}: holds bytes beside its files (in a header, or behind its end), which no bundle has"
        )


def _bytes_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member)
    return b"" if stream is None else stream.read(member.size)


def _list_of(tar: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], path: Path) -> Plain:
    """What ``bundle.json`` says.

    Raises:
        BadInput: it is not a list of a bundle, or was changed.
    """
    if members[MANIFEST].size > _MOST_LIST:
        raise BadInput(f"{path}: {MANIFEST} is larger than any")
    about = _read(_bytes_of(tar, members[MANIFEST]))
    wanted = ("format", "laboratory", "files", "content_sha256")
    if not isinstance(about, dict) or any(name not in about for name in wanted):
        raise BadInput(f"{path}: {MANIFEST} is not a list of a bundle")
    if about["format"] != FORMAT:
        raise BadInput(f"{path}: expected {FORMAT}, got {quoted(about['format'])}")
    if not isinstance(about["files"], dict) or about["content_sha256"] != _content(about):
        raise BadInput(f"{path}: {MANIFEST} was changed after it was written")
    if not re.fullmatch(r"[a-z]{1,32}", str(about["laboratory"])):
        raise BadInput(f"{path}: {quoted(about['laboratory'])} is not a pseudonym of a laboratory")
    return about


def _checked(
    tar: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], about: Plain, path: Path
) -> dict[str, bytes]:
    """Every listed file with the bytes that its sum vouches for."""
    listed = about["files"]
    odd = sorted(set(listed) ^ (set(members) - {MANIFEST}))
    if odd:
        what = "is listed and absent" if odd[0] in listed else "is not listed"
        raise BadInput(f"{path}: {quoted(odd[0])} {what}")
    found = {}
    for name, entry in listed.items():
        content = _bytes_of(tar, members[name])
        wanted = entry.get("sha256") if isinstance(entry, dict) else None
        if _sum(content) != wanted:
            raise BadInput(f"{path}: {quoted(name)} was changed after it was written")
        found[name] = content
    return found


def _lay_out(files: Mapping[str, bytes], folder: str, place: Path) -> None:
    """The two files of a run as they lie on disk.

    Raises:
        BadInput: one is absent, or is not the JSON of a run.
    """
    arrays = files.get(f"{folder}/{ARRAYS}")
    text = files.get(f"{folder}/{JSON}")
    if arrays is None or text is None:
        raise BadInput(f"{folder} lacks {JSON if text is None else ARRAYS}")
    arrays = _with_spelled(arrays, _LETTERED_SUM, _IN_DIGITS)
    try:
        entry = _with_digits(_read(text), arrays)
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder}: expected the JSON of a run ({error})") from error
    (place / ARRAYS).write_bytes(arrays)
    (place / JSON).write_bytes(_json(entry))


def _runs_in(files: Mapping[str, bytes], path: Path, laboratory: str) -> tuple[Run, ...]:
    """The runs of a bundle; they are written to a folder of their own to be read, which is removed."""
    folders = {name.rsplit("/", 1)[0] for name in files if name.startswith("runs/")}
    found: list[Run] = []
    # In the order of their numbers, of which those from 10000 on are longer.
    for folder in sorted(folders, key=lambda folder: (len(folder), folder)):
        with tempfile.TemporaryDirectory() as place:
            try:
                _lay_out(files, folder, Path(place))
                run = load_run(Path(place))
            except BadInput as error:
                why = str(error).replace(place, folder)
                raise BadInput(f"{path}: {why}") from error
        if run.place != laboratory:
            raise BadInput(f"{path}: {folder} is of another laboratory")
        odd = _what_no_bundle_has(run, found[0] if found else run)
        if odd:
            raise BadInput(f"{path}: {folder} holds {odd}, which no bundle has")
        found.append(run)
    if not found:
        raise BadInput(f"{path}: it holds no run")
    return tuple(found)


def _what_no_bundle_has(run: Run, first: Run) -> str:
    """What a run of a bundle must not hold, in words; empty: nothing of that kind.

    Args:
        run: as it was read.
        first: the first run of the same bundle.
    """
    rows = run.rows.values()
    held = {
        "attributes of people": bool(run.people),
        "reasons why something was not measured": any(level.reasons for level in rows),
        "events": bool(run.events),
        "more or less of its rows than the first run": _scores(run) != _scores(first),
        "an unknown form of scores": _scores(run) not in (PER_PERSON, None),
        "single rows, though it says that it has each person's scores": (
            _scores(run) == PER_PERSON and not all(map(_is_per_person, rows))
        ),
    }
    return next((what for what, is_there in held.items() if is_there), "")


def _scores(run: Run) -> Foreign:
    """How much of its rows a run says it has; None: every row."""
    return run.windows.get(SCORES)


def _is_per_person(rows: Rows) -> bool:
    """Whether rows tell nothing but people, labels and scores."""
    told = [f"{NOT_TOLD} {label}" for label in rows.y]
    no_clock = np.isnan(rows.span_s).all()
    return bool(no_clock and (rows.recording == rows.subject).all() and list(rows.question) == told)


def _tables_in(files: Mapping[str, bytes], path: Path) -> dict[str, Plain]:
    """The tables of a bundle, by name.

    Raises:
        BadInput: one is no object of JSON.
    """
    found: dict[str, Plain] = {}
    for name, content in files.items():
        if not name.startswith("tables/"):
            continue
        try:
            table = _read(content)
        except ValueError as error:
            raise BadInput(f"{path}: {name} is not JSON ({error})") from error
        if not isinstance(table, dict):
            raise BadInput(f"{path}: {name}: expected an object of JSON")
        found[Path(name).stem] = table
    return found


__all__ = ["Bundle", "is_bundle", "read_bundle", "write_bundle"]
