"""The one reader of people's files and the one writer of ours.

What is written appears whole or not at all, with the permissions that the user's umask gives. What
is read is an ordinary file, and counts only if it stayed the same meanwhile.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from twomind.core import names
from twomind.core.errors import BadInput
from twomind.types.plain import Foreign

_BLOCK = 1 << 20
#: No text that is read whole is larger: a transcript of ten hours, with a time for every word, has
#: some 10 MB.
MOST_TEXT_BYTES = 100_000_000
#: No table is larger, which is read line by line.
MOST_TABLE_BYTES = 2_000_000_000
#: Longest beginning of a file's name in the name of its half-written self.
_STEM_BYTES = 80
LOCK = ".twomind.lock"
_KINDS_OF_FILE = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


# --- reading


def refuse_unreadable(path: Path) -> None:
    """Let only ordinary files that can be opened pass: a pipe or a device would be waited for, for
    ever.

    Raises:
        BadInput: it is none; the message says what it is.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: {_why(error)}. Check the path.") from error
    if not stat.S_ISREG(mode):
        found = [name for is_one, name in _KINDS_OF_FILE.items() if is_one(mode)]
        kind = found[0] if found else "something else"
        hint = (
            "Name the files in it" if kind == "a folder" else "Copy the recording to a file first"
        )
        raise BadInput(f"{path}: expected a file, got {kind}. {hint}.")
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise BadInput(f"{path}: {_why(error)}. Change its permissions.") from error


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "not allowed to read this file"
    if isinstance(error, OSError) and error.strerror:
        return f"it cannot be read ({error.strerror})"
    return f"it cannot be read ({error})"


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex. The name of the file does not count.

    Raises:
        BadInput: it is not an ordinary file, or cannot be read.
    """
    refuse_unreadable(path)
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise BadInput(f"{path}: {_why(error)}") from error
    return digest.hexdigest()


def beside(path: Path, suffix: str) -> Path | None:
    """The file of the same name with another ending; None where there is none, or where that name
    would be too long for any.
    """
    found = path.with_suffix(suffix)
    try:
        return found if found.is_file() else None
    except OSError:
        return None


def refuse_larger(path: Path, most_bytes: int) -> None:
    """Refuse a file that is larger than any of its kind, before it fills the memory.

    Args:
        path: What is to be read.
        most_bytes: As large as it may be.

    Raises:
        BadInput: It is larger.
        OSError: There is none.
    """
    size = path.stat().st_size
    if size > most_bytes:
        raise BadInput(
            f"{path}: expected at most {most_bytes / 1e6:,.0f} MB, got {size / 1e6:,.0f} MB. Check "
            "that this is the right file, or divide it."
        )


def bytes_of(path: Path) -> bytes:
    """The bytes of a text that people made.

    Raises:
        BadInput: It is larger than :data:`MOST_TEXT_BYTES`.
        OSError: It cannot be read.
    """
    refuse_larger(path, MOST_TEXT_BYTES)
    return path.read_bytes()


def text_of(path: Path, encoding: str = "utf-8") -> str:
    """A text that people made, with the ends of its lines as ``\\n``.

    Raises:
        BadInput: It is larger than :data:`MOST_TEXT_BYTES`, or not in this encoding.
        OSError: It cannot be read.
    """
    try:
        return _decoded(path, encoding)
    except UnicodeDecodeError as error:
        called = encoding.upper().removesuffix("-SIG")
        raise BadInput(
            f"{path}: expected a text in {called} ({error}). Save it as {called}"
        ) from error


def _decoded(path: Path, encoding: str) -> str:
    """The text of a file; ValueError where it is not in this encoding."""
    refuse_larger(path, MOST_TEXT_BYTES)
    return path.read_text(encoding=encoding)


@contextlib.contextmanager
def unchanged(path: Path, content: str) -> Iterator[None]:
    """While the body reads ``path``, nobody may write to it.

    Args:
        path: What is read.
        content: Its :func:`content_hash` before.

    Raises:
        BadInput: after the body, the file's size, date or bytes are others.
    """
    before = _stamp(path)
    yield
    if _stamp(path) != before or content_hash(path) != content:
        raise BadInput(
            f"{path}: the file changed while it was read. Nothing of it was kept; wait until it is "
            "written whole, and run again."
        )


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        state = path.stat()
    except OSError as error:
        raise BadInput(f"{path}: {_why(error)}") from error
    return state.st_size, state.st_mtime_ns, state.st_ino


def load_json(text: str | bytes, once: bool = False) -> Foreign:
    """The data of a JSON text.

    Args:
        text: The text.
        once: Refuse an object in which a name is there twice, of which JSON keeps the last.

    Raises:
        ValueError: it is none, is nested too deeply, or holds a number of thousands of digits; the
            message is short.
    """
    try:
        return json.loads(text, object_pairs_hook=_once if once else None)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _once(pairs: list[tuple[str, Foreign]]) -> dict[str, Foreign]:
    found = dict(pairs)
    if len(found) != len(pairs):
        given = [name for name, _ in pairs]
        twice = next(name for name in given if given.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return found


def read_json(path: Path, once: bool = False) -> Foreign:
    """The data of a JSON file in UTF-8.

    Args:
        path: The file.
        once: see :func:`load_json`.

    Raises:
        BadInput: It is larger than :data:`MOST_TEXT_BYTES`.
        OSError: It cannot be read.
        ValueError: It is not UTF-8; or see :func:`load_json`.
    """
    return load_json(_decoded(path, "utf-8"), once)


# --- writing


def encoded(text: str) -> bytes:
    """A text in UTF-8. Bytes of a file's name that are none stand as ``\\udcXX``, which JSON reads
    back as they were.
    """
    return text.encode("utf-8", "backslashreplace")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success flush it to disk and rename it over
    ``path``.

    On any failure, the temporary file is removed and ``path`` keeps its old content.

    Raises:
        OSError: it cannot be written; the error names ``path``.
    """
    stem = names.cut(path.name, _STEM_BYTES)
    temporary = path.with_name(f".{stem}.{secrets.token_hex(6)}.part")
    with naming(path, temporary):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The system takes the umask from the mode.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()


@contextlib.contextmanager
def naming(path: Path | str, temporary: Path | None = None) -> Iterator[None]:
    """A failure of the system within it names ``path``, where it names nothing or ``temporary``.

    Args:
        path: What is written, for people.
        temporary: What it is called meanwhile.

    Raises:
        OSError: As within.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary), temporary):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(encoded(text))
    return path


def make_private(folder: Path) -> None:
    """Make a folder, where there is none yet, into which only its owner can look."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)


# --- one run at a time


@dataclass(frozen=True)
class _Holder:
    """Which process works in a folder, as its lock file says."""

    pid: str = "unknown"

    @classmethod
    def of(cls, lock: Path) -> _Holder:
        try:
            return cls(lock.read_text(encoding="ascii", errors="replace").strip()[:20] or "unknown")
        except OSError:
            return cls()


@contextlib.contextmanager
def alone_in(folder: Path, say: Callable[[str], None] | None = None) -> Iterator[None]:
    """One process at a time works in a folder; a second waits, and says so.

    The system releases the lock when a process ends, however it ends: none is left by a killed one.
    The same thread may enter again.

    Args:
        folder: It is made where there is none.
        say: Takes the sentence about waiting.

    Raises:
        OSError: The folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    lock = FileLock(path.resolve(), is_singleton=True)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        if say is not None:
            pid = _Holder.of(path).pid
            say(f"another run (process {pid}) works in {folder}; waiting until it has ended")
        lock.acquire()
    try:
        with contextlib.suppress(OSError):
            path.write_text(f"{os.getpid()}\n", encoding="ascii")
        yield
    finally:
        if lock.lock_counter == 1:
            # Who waits for the lock sees that its file is gone, and makes another.
            with contextlib.suppress(OSError):
                path.unlink()
        lock.release()
