"""The worker: measures what has come in, one recording after the other, in a process of its own.

Work is found in the database, so it goes on after a crash or a restart. A recording on which the
process ends again and again is given up, and waits for a researcher like the others.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session as Transaction

from twomind.server import audit, scripts, withdrawal
from twomind.server.keys import NoKey
from twomind.server.measured import Measured, findings_label, result_label
from twomind.server.place import DATA, Place, open_place
from twomind.server.refused import Refused
from twomind.server.tables import Person, Recording

_LOG = logging.getLogger("twomind.server")
#: After so many processes that ended on a recording it is given up.
MOST_TRIES = 3
_LOCK = "worker.lock"
_LOOK_S = 2.0
#: So long a process without work waits for some, in seconds.
_LINGER_S = 30.0
_MOST_WAIT_S = 120.0
_NICE = 15


def _is_due() -> ColumnElement[bool]:
    here = Person.state.not_in(("withdrawing", "erasing"))
    return (Recording.state == "complete") & Recording.measured.is_(None) & here


def waiting(place: Place) -> int:
    """How many recordings are still to be measured."""
    joined = select(func.count()).select_from(Recording).join(Person, Person.id == Recording.person)
    with place.database.reading() as reading:
        return reading.scalars(joined.where(_is_due())).one()


@dataclass(frozen=True)
class Claim:
    """A recording to be measured now; ``tries`` processes ended on it before."""

    recording: str
    tries: int


def claim(place: Place) -> Claim | None:
    """Take the recording that has waited longest; it counts as a try until it is done."""
    joined = select(Recording).join(Person, Person.id == Recording.person)
    oldest = joined.where(_is_due()).order_by(Recording.tries, Recording.created, Recording.id)
    with place.database.writing() as writing:
        found = writing.scalars(oldest.limit(1)).first()
        if found is None:
            return None
        before = found.tries
        found.tries = before + 1
        return Claim(found.id, before)


def release(place: Place, claimed: Claim) -> None:
    """Whoever asked the process to stop is not the recording's fault."""
    with place.database.writing() as writing:
        found = writing.get(Recording, claimed.recording)
        if found is not None:
            found.tries = claimed.tries


def work(place: Place, claimed: Claim) -> bool:
    """Measure one recording and keep what came of it.

    Returns:
        False where the person is gone.
    """
    # Here, not above: what measures is heavy, and a server without work needs none of it.
    from twomind.server import measuring

    try:
        task = measuring.task_of(place, claimed.recording)
        if task is None:
            return False
        if claimed.tries >= MOST_TRIES:
            measured = measuring.given_up(place, task, claimed.tries)
        else:
            measured = measuring.measure(place, task)
        return keep(place, claimed.recording, measured)
    except (measuring.Gone, NoKey, Refused):
        return False
    finally:
        withdrawal.forget_strays(place)


def keep(place: Place, recording_id: str, measured: Measured) -> bool:
    """Keep what was measured, unless the person is gone.

    Args:
        place: The study.
        recording_id: Of which recording.
        measured: What came of it.

    Returns:
        Whether it was kept.
    """
    with place.database.writing() as writing:
        recording = writing.get(Recording, recording_id)
        if recording is None:
            return False
        # An erasure that begins now waits until this is kept, and then erases it as well.
        person = writing.get(Person, recording.person, with_for_update=True)
        if person is None or person.state == "erasing":
            return False
        owner = person.id
        findings = measured.findings
        recording.findings = place.sealed(owner, findings.plain(), findings_label(recording_id))
        recording.result = place.sealed(owner, measured.result, result_label(recording_id))
        recording.proposal = findings.proposal
        recording.measured = place.now()
        recording.tries = 0
        if measured.script is not None:
            _keep_script(place, writing, recording, measured.script)
        audit.note(place, writing, "server", "measured", person.mark)
    return True


def _keep_script(
    place: Place, writing: Transaction, recording: Recording, script: scripts.Script
) -> None:
    known = scripts.versions(place, writing, recording)
    if known and (known[-1].is_corrected or known[-1].script.words == script.words):
        return
    scripts.add(place, writing, recording, scripts.MACHINE, script)


# --- the process


def run(folder: Path) -> None:
    """Work until there has been nothing to do for a while; what a process of its own does.

    Args:
        folder: The study's folder. A second process in it ends at once.
    """
    lock = FileLock(folder / DATA / _LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return
    with lock:
        place = open_place(folder)
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < _LINGER_S:
            claimed = claim(place)
            if claimed is None:
                time.sleep(_LOOK_S)
                continue
            try:
                work(place, claimed)
            except SystemExit:
                release(place, claimed)
                raise
            idle_since = time.monotonic()


def _end_with_parent() -> None:
    """The server holds the other end of this process's input: when it is gone, so is this."""
    sys.stdin.buffer.read()
    os._exit(0)


def _asked_to_stop(_number: int, _frame: object) -> None:
    sys.exit(0)


def main() -> None:
    """``python -m twomind.server.worker FOLDER``: started by the server, not by people."""
    os.nice(_NICE)
    signal.signal(signal.SIGTERM, _asked_to_stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    run(Path(sys.argv[1]))


class Keeper:
    """Starts the worker's process when there is work, and again when it was killed.

    Args:
        place: The study.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="worker", daemon=True)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Keeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _watch(self) -> None:
        wait_s = _LOOK_S
        while not self._stop.wait(wait_s):
            if self._process is not None:
                ended = self._process.poll()
                if ended is None:
                    continue
                self._process = None
                if ended:
                    _LOG.warning("the worker ended with code %d; it is started again", ended)
                    wait_s = min(2 * wait_s, _MOST_WAIT_S)
                    continue
                wait_s = _LOOK_S
            if waiting(self._place):
                self._process = _started(self._place.folder)


def _started(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", __name__, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
