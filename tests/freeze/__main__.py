"""Run the twelve commands with the frozen wheel and with the working tree, and compare what they
wrote.

    python -m tests.freeze                  # the old side once (kept in .freeze/), the new side,
    the comparison python -m tests.freeze --only 06 --only 09 python -m tests.freeze --determinism
    # the old side a second time, compared with the first

Exit code 1 where anything differs. Both sides run one after the other in the same folder, so that
paths are the same.
"""

from __future__ import annotations

import argparse
import difflib
import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from tests.freeze import environment
from tests.freeze.clean import Cleaner, digest, name_of
from tests.freeze.commands import ADDED, NEW, OLD, OTHER, REBUILT, SAYS_MORE, Command

HOME, ROOT = environment.HOME, environment.ROOT
SHARED = Path(os.environ.get("TWOMIND_SHARED", ROOT.parent / "shared")).resolve()
INPUTS, WORK = HOME / "inputs", HOME / "work"
FUSION = ROOT / "tests" / "fixtures" / "v0_1" / "models" / "fusion"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.freeze", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--only", action="append", default=[], help="beginning of a command's name; repeatable"
    )
    parser.add_argument(
        "--determinism", action="store_true", help="the old side twice instead of old and new"
    )
    parser.add_argument("--fresh", action="store_true", help="run the old side again")
    given = parser.parse_args(arguments)
    HOME.mkdir(exist_ok=True)
    with open(HOME / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("freeze: another freeze is running in this clone") from None
        return both(given)


def both(given: argparse.Namespace) -> int:
    """Run both sides and compare them; the exit code."""
    frozen = environment.frozen(say)
    inputs(frozen)
    other = frozen if given.determinism else environment.working(say)
    name, table = ("old-again", OLD) if given.determinism else ("new", NEW)
    wrong = 0
    for command, changed in zip(chosen(OLD, given.only), chosen(table, given.only), strict=True):
        a = run(command, frozen, "old", again=given.fresh)
        b = run(changed, other, name, again=True)
        if a is None or b is None:
            print(f"{command.name}: left out, it needs {SHARED / command.needs}", flush=True)
        else:
            wrong += compare(command.name, a, b)
    print(f"{wrong} files differ" if wrong else "everything is equal")
    return 1 if wrong else 0


def chosen(table: Sequence[Command], only: Sequence[str]) -> list[Command]:
    return [c for c in table if not only or c.name.startswith(tuple(only))]


def inputs(frozen: Path) -> None:
    """Films and a data set, drawn once by the frozen wheel."""
    maker = ROOT / "tests" / "freeze" / "frozen_inputs.py"
    mark, made = INPUTS / "made-by", f"{environment.COMMIT} {digest(maker.read_bytes())}"
    if mark.is_file() and mark.read_text() == made:
        return
    say("drawing what both sides are given")
    shutil.rmtree(INPUTS, ignore_errors=True)
    command = [environment.python_of(frozen), maker, INPUTS]
    subprocess.run([str(c) for c in command], env=environment.clean_environment(), check=True)
    mark.write_text(made)


def run(command: Command, side: Path, name: str, again: bool) -> Path | None:
    """Run a command's steps and keep what they wrote as text; the folder of texts. None: what it
    needs is not there.
    """
    kept = HOME / "kept" / name / command.name
    if command.needs and not (SHARED / command.needs).is_dir():
        return None
    mark, made = kept / "made-of", made_of(command, side)
    if not again and mark.is_file() and mark.read_text() == made:
        return kept
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.rmtree(kept, ignore_errors=True)
    WORK.mkdir(parents=True)
    kept.mkdir(parents=True)
    clean = Cleaner(
        {
            str(side): "(environment)",
            str(WORK): "(work)",
            str(ROOT): "(root)",
            str(SHARED): "(shared)",
        }
    )
    started = time.monotonic()
    for number, step in enumerate(command.steps):
        words = shlex.split(step.format(inputs=INPUTS, shared=SHARED, fusion=FUSION))
        if words[0].startswith("@"):
            BUILT_IN[words[0]](words[1:])
            continue
        done = subprocess.run(
            [str(environment.command_of(side)), *words[1:]],
            cwd=WORK,
            env=environment.clean_environment(TWOMIND_STORE=str(WORK / "store")),
            capture_output=True,
            text=True,
        )
        (kept / f"step-{number}.code").write_text(f"{done.returncode}\n")
        (kept / f"step-{number}.stdout").write_text(clean.text(done.stdout, "stdout"))
        (kept / f"step-{number}.stderr").write_text(clean.text(done.stderr, "stderr"))
        if "Traceback" in done.stderr:
            say(
                f"{name} {command.name}, step {number}: a traceback; see "
                f"{kept / f'step-{number}.stderr'}"
            )
    keep(clean, kept / "files")
    say(f"{name} {command.name}: {time.monotonic() - started:.0f} s")
    mark.write_text(made)
    return kept


def made_of(command: Command, side: Path) -> str:
    """What kept texts depend on: steps, inputs, the environment, and how files are turned into
    text.
    """
    code = b"".join(
        (ROOT / "tests" / "freeze" / f"{n}.py").read_bytes() for n in ("clean", "__main__")
    )
    from_wheel = side / "made-of"
    made = from_wheel.read_text() if from_wheel.is_file() else ""
    return digest(
        "\n".join([*command.steps, (INPUTS / "made-by").read_text(), made, digest(code)]).encode()
    )


def keep(clean: Cleaner, into: Path) -> None:
    """Every file in the work folder as text, under its name."""
    found: dict[str, list[str]] = {}
    for path in sorted(p for p in WORK.rglob("*") if p.is_file()):
        name = name_of(path.relative_to(WORK))
        found.setdefault(name, []).append(clean.file(path, name))
    for name, several in found.items():
        # Two entries of one recording that differ in settings alone have the same name: told apart
        # by what they hold, since the end of their keys is a hash of code.
        for k, text in enumerate(sorted(several), start=1):
            target = into / (name if k == 1 else f"{name}.{k}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")


def copy_step(words: Sequence[str]) -> None:
    source, target = (WORK / w for w in words)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not source.exists():  # a step before it failed; its exit code is compared
        target.write_text("(absent)\n")
        return
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)


def search_step(words: Sequence[str]) -> None:
    """List what is there and where the needles are."""
    import hashlib

    at = words.index("--")
    needles = [
        hashlib.sha256(Path(w).read_bytes()).hexdigest() if Path(w).is_file() else w
        for w in words[1:at]
    ]
    files = sorted(p for folder in words[at + 1 :] for p in (WORK / folder).rglob("*"))
    found = {}
    for needle in needles:
        named = {p for p in files if needle in str(p.relative_to(WORK))}
        holding = {p for p in files if p.is_file() and needle.encode() in p.read_bytes()}
        hits = named | holding
        found[needle] = sorted(name_of(p.relative_to(WORK)) for p in hits)
    listing = sorted(name_of(p.relative_to(WORK)) for p in files)
    (WORK / words[0]).write_text(json.dumps({"found": found, "there": listing}, indent=1))


BUILT_IN = {"@copy": copy_step, "@search": search_step}


def texts(folder: Path) -> dict[str, Path]:
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    found.pop("made-of", None)
    return found


def compare(name: str, old: Path, new: Path, lines: int = 12) -> int:
    """Print what differs between two folders of texts; how many files do."""
    a, b = texts(old), texts(new)
    for file in b.keys() - a.keys():
        if any(fnmatch(file, pattern) for pattern in ADDED):
            del b[file]
    rebuilt = [f for f in a.keys() | b.keys() if any(fnmatch(f, pattern) for pattern in REBUILT)]
    for file in rebuilt:
        a.pop(file, None)
        b.pop(file, None)
    wrong = 0
    for file in sorted(a.keys() | b.keys()):
        if file in a and file in b and may_differ(name, file, a[file], b[file]):
            continue
        if file not in a or file not in b:
            print(f"{name}: {file} is only on the {'old' if file in a else 'new'} side")
            wrong += 1
        elif a[file].read_bytes() != b[file].read_bytes():
            print(f"{name}: {file} differs")
            before, after = (p[file].read_text(encoding="utf-8").splitlines() for p in (a, b))
            for line in list(difflib.unified_diff(before, after, "old", "new", lineterm="", n=0))[
                2 : 2 + lines
            ]:
                print(f"    {line[:200]}")
            wrong += 1
    print(f"{name}: {len(a.keys() | b.keys()) - wrong} texts equal, {wrong} not", flush=True)
    return wrong


def may_differ(name: str, file: str, old: Path, new: Path) -> bool:
    """Whether a text that both sides have may be another, or holds all lines of the old one."""
    if any(fnmatch(file, pattern) for pattern in OTHER.get(name, ())):
        return True
    return says_more(name, file, old, new)


def says_more(name: str, file: str, old: Path, new: Path) -> bool:
    """Whether a text may say more than the old one, and holds all its lines."""
    if file not in SAYS_MORE.get(name, ()):
        return False
    now = new.read_text(encoding="utf-8").splitlines()
    return set(old.read_text(encoding="utf-8").splitlines()) <= set(now)


if __name__ == "__main__":
    sys.exit(main())
