"""Work on several machines: the nodes of a Ray cluster (extra ``ray``).

Each actor is a process that works on one item after another, so that what it loads is loaded once. When
a node dies, the items that it held are tried again elsewhere. Results lie on a path that every node
sees; what comes back to this process is small.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from twomind.core import engine
from twomind.core.device import DEVICE_VARIABLE
from twomind.core.engine import Outcome, attempt
from twomind.core.errors import BadInput, MissingExtra, TwomindError
from twomind.core.version import __version__
from twomind.types.plain import Foreign

Item = TypeVar("Item")
Result = TypeVar("Result")
LOCAL = "local"
_RAY = "ray"
#: Cores and GPUs of one actor.
CPUS_VARIABLE = "TWOMIND_RAY_CPUS"
GPUS_VARIABLE = "TWOMIND_RAY_GPUS"
#: How often one item is begun before it counts as failed: it kills the process that works on it.
TRIES = 3
#: So long nothing may be ready to work, in seconds, before the cluster counts as gone.
PATIENCE_S = 300.0
_LOOK_S = 2.0
#: So long a machine may take to answer at an address. Ray itself asks for minutes, and ends the program.
_ANSWER_S = 10.0
_HEARS = "is it running there (ray start --head --port 6379), and is the port open?"
#: What actors are told of the environment of this process.
_PASSED_ENVIRONMENT = ("TWOMIND_", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_DIED = (
    "the process died {n} times (out of memory, a crash in native code, or a node that was lost)"
)


@contextmanager
def standing(name: str, shared: Sequence[Path] = ()) -> Iterator[None]:
    """Let :func:`twomind.core.engine.run` work there for as long as the block runs.

    Args:
        name: ``local`` (processes of this machine), ``ray`` (a cluster that is made here and ends
            with the block), or ``ray:ADDRESS`` (``auto``, ``host:6379``, ``ray://host:10001``).
        shared: Folders that every node must see.

    Raises:
        BadInput: There is no such engine, or nobody answers at the address.
        MissingExtra: Ray is not installed.
    """
    kind, _, address = name.partition(":")
    if kind not in (LOCAL, _RAY) or (kind == LOCAL and address):
        raise BadInput(f"--engine {name}: expected local, ray, or ray:ADDRESS")
    if kind == LOCAL:
        yield
        return
    # Ray tells on standard output of nodes that died; that is for results.
    with redirect_stdout(sys.stderr):
        ray = _connected(address)
        try:
            with engine.at(Cluster(ray, tuple(path.resolve() for path in shared))):
                yield
        finally:
            ray.shutdown()


def _connected(address: str) -> Foreign:
    if importlib.util.find_spec(_RAY) is None:
        raise MissingExtra(_RAY, "work on a Ray cluster")
    # Ray reports how it is used to its makers unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    _refuse_silent(address)
    import ray

    try:
        ray.init(
            address=address or "local",
            logging_level="ERROR",
            log_to_driver=False,
            **({} if address else {"include_dashboard": False}),
        )
    except Exception as error:  # Ray raises a dozen unrelated classes, and plain ones
        why = (str(error).splitlines() or [type(error).__name__])[0]
        meant = f"no cluster answers at {address}" if address else "no cluster could be started"
        raise BadInput(f"--engine ray: {meant} ({why})") from error
    return ray


def _refuse_silent(address: str) -> None:
    """Refuse an address at which nothing listens, before Ray waits for it."""
    if address in ("", "auto", "local"):
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise BadInput(f"--engine ray:{address}: expected ray:HOST:PORT, as in ray:head:6379")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise BadInput(
            f"--engine ray: no cluster answers at {address} ({error}); {_HEARS}"
        ) from error


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that is connected.

    Args:
        ray: The module, connected.
        shared: Folders that every node must see.
    """

    ray: Foreign
    shared: tuple[Path, ...] = ()

    def n_workers(self, asked: int, n_items: int) -> int:
        """One per core of all nodes, or ``asked``; never more than there are items."""
        found = self.ray.cluster_resources()
        cpus, gpus = _wish()
        room = found.get("CPU", 1) / cpus
        if gpus:
            room = min(room, found.get("GPU", 0) / gpus)
        return max(1, min(asked or int(room), n_items))

    def run(
        self, work: Callable[[Item], Result], items: Iterable[Item], workers: int
    ) -> Iterator[Outcome[Item, Result]]:
        """One outcome per item, as each is done.

        Args:
            work: A function that other processes can import, or a partial of one.
            items: What to work on.
            workers: How many at once.

        Raises:
            BadInput: A node has another version, or does not see what must be shared.
            OSError: No node is left.
        """
        with _shown(self.shared) as token:
            crew: _Crew[Item, Result] = _Crew(self.ray, workers, token)
            kept = self.ray.put(work)
            waiting = deque(_Held(item) for item in items)
            try:
                while waiting or crew.busy:
                    crew.give(kept, waiting)
                    yield from crew.taken(waiting)
            finally:
                crew.dismiss()


def _wish() -> tuple[float, float]:
    """Cores and GPUs of one actor."""
    uses_gpu = os.environ.get(DEVICE_VARIABLE, "").startswith("cuda")
    cpus = _number(CPUS_VARIABLE, 1.0)
    gpus = _number(GPUS_VARIABLE, 1.0 if uses_gpu else 0.0)
    return max(cpus, 0.01), gpus


def _number(name: str, usual: float) -> float:
    text = os.environ.get(name, "")
    try:
        value = float(text) if text else usual
    except ValueError as error:
        raise BadInput(f"{name}: expected a number, got {text!r}") from error
    if value < 0:
        raise BadInput(f"{name}: expected a number that is not negative, got {text!r}")
    return value


# --- what an actor is told and looks at before it works


@dataclass(frozen=True)
class Token:
    """What an actor must find: this version, the folder in which the run began, and a file in each
    shared folder, which is locked.
    """

    text: str
    files: tuple[str, ...]
    here: str
    environment: tuple[tuple[str, str], ...]
    version: str = __version__


@contextmanager
def _shown(shared: Sequence[Path]) -> Iterator[Token]:
    """A file in each shared folder, locked while the run lasts."""
    from filelock import FileLock

    text = secrets.token_hex(8)
    locks = []
    files = []
    try:
        for folder in shared:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f".twomind-shared-{text}"
            lock = FileLock(f"{file}.lock")
            lock.acquire()
            locks.append(lock)
            file.write_text(text, encoding="ascii")
            files.append(file)
        told = [pair for pair in os.environ.items() if pair[0].startswith(_PASSED_ENVIRONMENT)]
        yield Token(text, tuple(map(str, files)), str(Path.cwd()), tuple(sorted(told)))
    finally:
        for lock in locks:
            lock.release()
            Path(lock.lock_file).unlink(missing_ok=True)
        for file in files:
            file.unlink(missing_ok=True)


def refuse(token: Token, node: str) -> None:
    """Refuse to work on a node that differs from where the run began.

    Args:
        token: What must be found here.
        node: Its name, for the message.

    Raises:
        BadInput: Another version, a folder that is not shared, or locks that do not reach here.
    """
    if token.version != __version__:
        raise BadInput(
            f"node {node} has twomind {__version__}, and the run began with {token.version}: install "
            "the same on every node"
        )
    if not Path(token.here).is_dir():
        raise BadInput(f"node {node} has no folder {token.here}: begin in a folder that all share")
    for name in token.files:
        _refuse_unshared(Path(name), token.text, node)


def _refuse_unshared(file: Path, text: str, node: str) -> None:
    from filelock import FileLock, Timeout

    found = file.read_text(encoding="ascii") if file.is_file() else ""
    if found != text:
        raise BadInput(
            f"node {node} does not see {file.parent}: results and store must lie on a path that all "
            "nodes share"
        )
    lock = FileLock(f"{file}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return
    lock.release()
    raise BadInput(
        f"{file.parent}: a lock taken on one node is not seen on {node}. Mount it so that locks reach "
        "other nodes (NFS version 4, without nolock or local_lock)"
    )


class Worker:
    """What runs in an actor's process."""

    def ready(self, token: Token) -> str:
        """The node's name, after a look around.

        Raises:
            BadInput: See :func:`refuse`.
        """
        import socket

        node = f"{socket.gethostname()}, process {os.getpid()}"
        refuse(token, node)
        os.environ.update(dict(token.environment))
        os.chdir(token.here)
        return node

    def attempt(self, work: Callable[[Item], Result], item: Item) -> Outcome[Item, Result]:
        """Do the work on one item; a failure is an outcome, not an exception."""
        return attempt(work, item)


# --- the actors of one run


@dataclass
class _Held(Generic[Item]):
    """An item, and how often it was begun."""

    item: Item
    tries: int = 0


@dataclass
class _Crew(Generic[Item, Result]):
    """Actors: those that start, those that wait for an item, those that work."""

    ray: Foreign
    size: int
    token: Token
    starting: dict[Foreign, Foreign] = field(default_factory=dict)
    idle: list[Foreign] = field(default_factory=list)
    busy: dict[Foreign, tuple[Foreign, _Held[Item]]] = field(default_factory=dict)
    alive_s: float = field(default_factory=time.monotonic)

    def give(self, work: Foreign, waiting: deque[_Held[Item]]) -> None:
        """Items to those who wait for one, and as many actors as there is work for."""
        while self.idle and waiting:
            held = waiting.popleft()
            held.tries += 1
            actor = self.idle.pop()
            self.busy[actor.attempt.remote(work, held.item)] = (actor, held)
        there = len(self.starting) + len(self.idle) + len(self.busy)
        wanted = min(self.size, len(waiting) + len(self.busy))
        for _ in range(wanted - there):
            self._start()

    def _start(self) -> None:
        cpus, gpus = _wish()
        made = self.ray.remote(num_cpus=cpus, num_gpus=gpus, max_restarts=0)(Worker)
        actor = made.remote()
        self.starting[actor.ready.remote(self.token)] = actor

    def taken(self, waiting: deque[_Held[Item]]) -> Iterator[Outcome[Item, Result]]:
        """What was done meanwhile; items of processes that died wait again."""
        watched = [*self.starting, *self.busy]
        done, _ = self.ray.wait(watched, num_returns=1, timeout=_LOOK_S)
        for reference in done:
            self.alive_s = time.monotonic()
            if reference in self.starting:
                self._started(reference)
            else:
                yield from self._ended(reference, waiting)
        if not self.busy and not self.idle and time.monotonic() - self.alive_s > PATIENCE_S:
            raise OSError("no node of the cluster takes work any more; run again to go on")

    def _started(self, reference: Foreign) -> None:
        actor = self.starting.pop(reference)
        try:
            self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            cause = error.cause
            raise cause if isinstance(cause, TwomindError) else _not_installed(error) from error
        except self.ray.exceptions.RayError:
            return  # its node died while it started
        self.idle.append(actor)

    def _ended(
        self, reference: Foreign, waiting: deque[_Held[Item]]
    ) -> Iterator[Outcome[Item, Result]]:
        actor, held = self.busy.pop(reference)
        exceptions = self.ray.exceptions
        try:
            outcome: Outcome[Item, Result] = self.ray.get(reference)
        except exceptions.RayTaskError as error:
            # The result could not be sent; the process is whole.
            self.idle.append(actor)
            message = str(error).strip().splitlines()[-1]
            yield Outcome(held.item, error=message, error_kind="defect", exit_code=1)
        except exceptions.RayError:
            if held.tries < TRIES:
                waiting.append(held)
                return
            message = _DIED.format(n=held.tries)
            yield Outcome(held.item, error=message, error_kind="crash", exit_code=1)
        else:
            self.idle.append(actor)
            yield outcome

    def dismiss(self) -> None:
        """End all processes: what they write is written atomically."""
        actors = [*self.starting.values(), *self.idle, *(one for one, _ in self.busy.values())]
        for actor in actors:
            self.ray.kill(actor)


def _not_installed(error: Exception) -> BadInput:
    why = str(error).strip().splitlines()[-1]
    return BadInput(f"a node of the cluster cannot work: is twomind installed there? ({why})")
