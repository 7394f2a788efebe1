"""What a disk holds after the power failed, made from the system calls of a real process.

strace writes down what a server did. From it each moment can be made again: what was flushed is
there; what was only written may be there, in part, or not. The rules are POSIX's, and no kinder: a
file's bytes are safe after ``fsync`` of the file, a name after ``fsync`` of its folder, and nothing
else is.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Every call by which bytes or names come to a disk.
FILE_CALLS = (
    "openat,creat,close,write,pwrite64,writev,pwritev,lseek,ftruncate,truncate,fallocate,fsync,"
    "fdatasync,rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir,link,linkat,symlink"
)
#: And those by which requests come and answers go.
CALLS = f"{FILE_CALLS},sendto,sendmsg,recvfrom"
#: Calls that this reader does not follow: one on a file of ours is an error, not a gap.
_NOT_FOLLOWED = {"creat", "writev", "pwritev", "truncate", "fallocate", "link", "linkat", "symlink"}
_SECTOR = 512
#: SQLite's shared memory: it lives in memory, and is made anew from the log.
_MEMORY = "-shm"


def can_trace() -> bool:
    """Whether strace is here and may trace."""
    if shutil.which("strace") is None:
        return False
    tried = subprocess.run(["strace", "-f", "true"], capture_output=True, check=False)
    return tried.returncode == 0


def tracer(trace: Path, calls: str = CALLS) -> tuple[str, ...]:
    """The beginning of a command whose calls are to be written to ``trace``."""
    return (
        *("strace", "-f", "-y", "-xx", "-s", "40000000", "--seccomp-bpf", "-e", f"trace={calls}"),
        *("-e", "signal=none", "-o", str(trace)),
    )


# --- the trace


@dataclass(frozen=True)
class Call:
    """One system call: its name, its arguments as bytes, and what it gave back."""

    thread: str
    name: str
    arguments: tuple[bytes, ...]
    result: int
    #: The path of the descriptor that came back, if one did.
    opened: bytes = b""


@dataclass(frozen=True)
class Begun:
    """A flush has begun: what is written from here on is not among what it flushes."""

    call: Call


_LINE = re.compile(r"(\d+) +(.*)", re.DOTALL)
_UNFINISHED = " <unfinished ...>"
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)", re.DOTALL)
_WHOLE = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|\?)(?:<([^>]*)>)?(?:\(deleted\))?[^=]*", re.DOTALL)
_ARGUMENT = re.compile(r'"([^"]*)"(?:\.\.\.)?|(?:AT_FDCWD|\d+)<([^>]*)>(?:\(deleted\))?|([^,\s]+)')
_FLUSHES = ("fsync(", "fdatasync(")


def _bytes(escaped: str) -> bytes:
    """``\\x61\\x62`` as ``ab``."""
    return bytes.fromhex(escaped.replace("\\x", ""))


def _argument(found: re.Match[str]) -> bytes:
    text, path, plain = found.groups()
    if text is not None:
        return _bytes(text)
    return plain.encode() if path is None else _bytes(path)


def _call(thread: str, text: str) -> Call | None:
    whole = _WHOLE.fullmatch(text)
    if whole is None or whole[3] == "?":
        return None
    arguments = tuple(_argument(found) for found in _ARGUMENT.finditer(whole[2]))
    # The number of a descriptor, beside its path: offsets are kept by it.
    number = re.match(r"\d+", whole[2])
    first = (number[0].encode(),) if number else (b"",)
    opened = _bytes(whole[4]) if whole[4] else b""
    return Call(thread, whole[1], first + arguments, int(whole[3]), opened)


def read_trace(trace: Path) -> Iterator[Call | Begun]:
    """The calls of a trace in the order in which they ended; answers where they began.

    ``arguments[0]`` is the number of the first argument's descriptor, the others follow it.
    """
    halves: dict[str, str] = {}
    with trace.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            found = _LINE.match(line.rstrip("\n"))
            if found is None:
                continue
            thread, text = found.groups()
            resumed = _RESUMED.match(text)
            if resumed:
                text = halves.pop(thread, "") + resumed[1]
            begins = resumed is None and text.startswith((*_FLUSHES, "sendto(", "sendmsg("))
            if begins:
                whole = text.removesuffix(_UNFINISHED)
                started = _call(thread, whole if whole.endswith(")") else _as_if_done(text))
                if started is not None:
                    yield Begun(started)
            if text.endswith(_UNFINISHED):
                halves[thread] = text.removesuffix(_UNFINISHED)
                continue
            call = _call(thread, text)
            if call is not None:
                yield call


def _as_if_done(text: str) -> str:
    """A call that began, as if it had ended."""
    if not text.endswith(_UNFINISHED):
        return text
    return text.removesuffix(_UNFINISHED).rstrip(", ") + ") = 0"


# --- the disk


@dataclass
class File:
    """A file's bytes: as programs see them, and as they are safe."""

    now: bytearray = field(default_factory=bytearray)
    safe: bytes = b""
    #: What was written since it was last flushed: where, and what (None: cut off here).
    waiting: list[tuple[int, bytes | None]] = field(default_factory=list)

    def write(self, at: int, content: bytes) -> None:
        if at > len(self.now):
            self.now.extend(bytes(at - len(self.now)))
        self.now[at : at + len(content)] = content
        self.waiting.append((at, content))

    def cut(self, size: int) -> None:
        del self.now[size:]
        self.now.extend(bytes(size - len(self.now)))
        self.waiting.append((size, None))

    def survives(self, draw: random.Random | None) -> bytes:
        """What is left: what was flushed, and, with ``draw``, some of the rest, torn in sectors."""
        if draw is None:
            return self.safe
        left = bytearray(self.safe)
        for at, content in self.waiting:
            if draw.random() < 0.5:
                continue
            if content is None:
                del left[at:]
                continue
            whole = len(content) if draw.random() < 0.7 else draw.randrange(len(content) + 1)
            torn = content[: whole - whole % _SECTOR] if whole < len(content) else content
            left.extend(bytes(max(at - len(left), 0)))
            left[at : at + len(torn)] = torn
        return bytes(left)


@dataclass
class Folder:
    """A folder's names: as programs see them, and as they are safe."""

    now: dict[str, File | Folder] = field(default_factory=dict)
    safe: dict[str, File | Folder] = field(default_factory=dict)
    #: Changes since it was last flushed; a rename is one change. None: the name is gone.
    waiting: list[dict[str, File | Folder | None]] = field(default_factory=list)

    def change(self, names: dict[str, File | Folder | None]) -> None:
        _apply(self.now, names)
        self.waiting.append(names)

    def survives(self, draw: random.Random | None) -> dict[str, File | Folder]:
        left = dict(self.safe)
        for names in self.waiting if draw is not None else ():
            if draw is not None and draw.random() < 0.5:
                _apply(left, names)
        return left


def _apply(names: dict[str, File | Folder], change: dict[str, File | Folder | None]) -> None:
    for name, node in change.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


def _from(folder: Path) -> Folder:
    found = Folder()
    for path in folder.iterdir():
        content = b"" if path.is_dir() else path.read_bytes()
        node = _from(path) if path.is_dir() else File(bytearray(content), content)
        found.now[path.name] = found.safe[path.name] = node
    return found


class Disk:
    """A folder on a disk, as it was when this was made; all of it was safe then.

    Args:
        root: What is followed; what a process does elsewhere is left out.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._top = _from(root)
        self._offsets: dict[bytes, int] = {}
        self._flushing: dict[str, tuple[File | Folder, int, bytes]] = {}

    def do(self, step: Call | Begun) -> None:
        """One step of the trace."""
        if isinstance(step, Begun):
            self._flush_begins(step.call)
        elif step.result >= 0:
            self._done(step)

    def rebuild(self, at: Path, draw: random.Random | None = None) -> None:
        """Write what is left after a loss of power.

        Args:
            at: A folder; it is made.
            draw: None: nothing that was not flushed. Else, a random part of it as well.
        """
        _write_out(self._top, at, draw)

    # What follows is one method for each kind of call.

    def _done(self, call: Call) -> None:
        number, *arguments = call.arguments
        if call.name in _NOT_FOLLOWED and any(self._steps(one) is not None for one in arguments):
            raise AssertionError(f"{call.name} on a file of ours is not followed")
        if call.name == "openat":
            self._open(call, arguments)
        elif call.name == "close":
            self._offsets.pop(number, None)
        elif call.name in ("write", "pwrite64"):
            self._write(call, number, arguments)
        elif call.name == "lseek":
            self._offsets[number] = call.result
        elif call.name == "ftruncate":
            node = self._node(arguments[0])
            if isinstance(node, File):
                node.cut(int(arguments[1]))
        elif call.name in ("fsync", "fdatasync"):
            self._flush_ends(call)
        elif call.name.startswith("rename"):
            self._rename(self._paths(call.name, arguments))
        elif call.name.startswith(("mkdir", "unlink", "rmdir")):
            (path,) = self._paths(call.name, arguments)
            self._put(path, Folder() if call.name.startswith("mkdir") else None)

    def _paths(self, name: str, arguments: Sequence[bytes]) -> list[bytes]:
        """The paths of a call: absolute, or below the folder that stands before them."""
        if name not in ("renameat", "renameat2", "mkdirat", "unlinkat"):
            return list(arguments[: 2 if name == "rename" else 1])
        pairs = (
            [arguments[0:2]] if name in ("mkdirat", "unlinkat") else [arguments[:2], arguments[2:4]]
        )
        return [os.path.join(folder, path) for folder, path in pairs]

    def _steps(self, path: bytes) -> list[str] | None:
        root = os.fsencode(self.root)
        if not path.startswith(root + b"/"):
            return None
        return os.fsdecode(path[len(root) + 1 :]).split("/")

    def _node(self, path: bytes) -> File | Folder | None:
        if path == os.fsencode(self.root):
            return self._top
        node: File | Folder | None = self._top
        for step in self._steps(path) or [""]:
            node = node.now.get(step) if isinstance(node, Folder) else None
        return node

    def _put(self, path: bytes, node: File | Folder | None) -> None:
        folder = self._node(os.path.dirname(path))
        if isinstance(folder, Folder):
            folder.change({os.fsdecode(os.path.basename(path)): node})

    def _open(self, call: Call, arguments: Sequence[bytes]) -> None:
        number = str(call.result).encode()
        self._offsets[number] = 0
        path = call.opened
        if self._steps(path) is None:
            return
        flags = arguments[2].split(b"|")
        node = self._node(path)
        if node is None and b"O_CREAT" in flags:
            self._put(path, File())
        elif isinstance(node, File) and b"O_TRUNC" in flags:
            node.cut(0)
        elif isinstance(node, File) and b"O_APPEND" in flags:
            self._offsets[number] = len(node.now)

    def _write(self, call: Call, number: bytes, arguments: Sequence[bytes]) -> None:
        node = self._node(arguments[0])
        if not isinstance(node, File):
            return
        content = arguments[1][: call.result]
        if call.name == "pwrite64":
            node.write(int(arguments[3]), content)
            return
        at = self._offsets.get(number, 0)
        node.write(at, content)
        self._offsets[number] = at + len(content)

    def _rename(self, paths: Sequence[bytes]) -> None:
        old, new = paths
        node = self._node(old)
        if node is None:
            return
        if os.path.dirname(old) != os.path.dirname(new):
            self._put(new, node)
            self._put(old, None)
            return
        folder = self._node(os.path.dirname(old))
        assert isinstance(folder, Folder)
        folder.change(
            {os.fsdecode(os.path.basename(old)): None, os.fsdecode(os.path.basename(new)): node}
        )

    def _flush_begins(self, call: Call) -> None:
        node = self._node(call.arguments[1])
        if node is not None and call.name in ("fsync", "fdatasync"):
            now = bytes(node.now) if isinstance(node, File) else b""
            self._flushing[call.thread] = (node, len(node.waiting), now)

    def _flush_ends(self, call: Call) -> None:
        started = self._flushing.pop(call.thread, None)
        if started is None:
            return
        node, n, now = started
        if isinstance(node, File):
            node.safe = now
        else:
            for names in node.waiting[:n]:
                _apply(node.safe, names)
        del node.waiting[:n]


def _write_out(folder: Folder, at: Path, draw: random.Random | None) -> None:
    at.mkdir(mode=0o700)
    for name, node in sorted(folder.survives(draw).items()):
        if isinstance(node, Folder):
            _write_out(node, at / name, draw)
        elif not name.endswith(_MEMORY):
            (at / name).write_bytes(node.survives(draw))


# --- requests


@dataclass(frozen=True)
class Answer:
    """An answer that has left the server: from here on, what it acknowledges has to last."""

    request: str
    status: int


class Wire:
    """Which request each answer belongs to, by the descriptor of its line."""

    def __init__(self) -> None:
        self._asked: dict[bytes, str] = {}

    def see(self, step: Call | Begun) -> Answer | None:
        """The answer that this step begins to send, if it does."""
        call = step.call if isinstance(step, Begun) else step
        if call.name == "recvfrom" and isinstance(step, Call):
            found = re.match(rb"([A-Z]+ /\S*) HTTP/1\.1\r\n", call.arguments[2])
            if found:
                self._asked[call.arguments[1]] = found[1].decode()
        if call.name != "sendto" or isinstance(step, Call):
            return None
        status = re.match(rb"HTTP/1\.1 (\d+)", call.arguments[2])
        if status is None or call.arguments[1] not in self._asked:
            return None
        return Answer(self._asked[call.arguments[1]], int(status[1]))
