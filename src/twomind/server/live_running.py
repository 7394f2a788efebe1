"""Live sessions that are running: each has a thread that measures, a queue before it, and events
that wait for its client.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twomind.core.errors import TwomindError
from twomind.media.audio import Samples
from twomind.media.stream import Frame
from twomind.pipeline.live import LiveSession
from twomind.pipeline.live_events import Event, PicturesDropped
from twomind.server.live_settings import LiveService
from twomind.server.live_wire import Chunks
from twomind.types import Word

_LOG = logging.getLogger("twomind.server.live")
#: Events that are kept for a client that comes back.
_MOST_EVENTS = 5000
#: Seconds of sound that may wait; then no more is taken from the line until some was heard.
MOST_WAITING_S = 60.0

#: Something that the measuring thread does with the session.
_Task = Callable[[LiveSession], list[Event]]


@dataclass(frozen=True)
class _Waiting:
    """A task in the queue. ``is_picture`` may be dropped; ``sound_s`` counts as waiting sound."""

    task: _Task
    is_picture: bool = False
    sound_s: float = 0.0


@dataclass(eq=False)
class Running:
    """One session of one owner.

    Args:
        owner: Whose it is.
        session: It measures, in this session's own thread alone.
        settings: Of the service.
        clock: Seconds.
    """

    owner: str
    session: LiveSession
    settings: LiveService
    clock: Callable[[], float] = time.monotonic
    id: str = field(default_factory=lambda: secrets.token_hex(16))

    def __post_init__(self) -> None:
        self.begun_at = self.left_at = self.clock()
        self.listener: Callable[[], None] | None = None
        self.over = False
        self.n_received = 0
        self.n_dropped = 0
        self._n_told_dropped = 0
        self._last_s = 0.0
        self._events: deque[tuple[int, dict[str, Any]]] = deque(maxlen=_MOST_EVENTS)
        self._n_events = 0
        self._queue: deque[_Waiting] = deque()
        self._n_pictures = 0
        self._sound_s = 0.0
        self._some = threading.Condition()
        self._chunks: Chunks | None = None
        self._thread = threading.Thread(target=self._run, name="live-session", daemon=True)
        self._thread.start()

    # --- what comes in; any thread

    def picture(self, time_s: float, rgb: Callable[[], np.ndarray]) -> None:
        """A picture, made when its turn has come. Where too many wait, every second is dropped."""
        with self._some:
            if self._n_pictures >= self.settings.most_waiting_pictures:
                self._thin_out()
            self._n_pictures += 1
            look = _Waiting(lambda session: session.push_frame(time_s, rgb()), is_picture=True)
            self._queue.append(look)
            self._some.notify_all()

    def sound(self, time_s: float, values: np.ndarray, rate_hz: int) -> None:
        """A block of sound; it is never dropped."""
        lasts_s = len(values) / rate_hz
        self._add(
            _Waiting(lambda session: session.push_sound(time_s, values, rate_hz), sound_s=lasts_s)
        )

    def words(self, words: list[Word], until_s: float | None) -> None:
        """Words that were recognised."""
        self._add(_Waiting(lambda session: session.push_words(words, until_s)))

    def chunk(self, content: bytes) -> None:
        """Take in a chunk of a recording that a browser's MediaRecorder made."""
        if self._chunks is None:
            self._chunks = Chunks(self._seen, self._heard, self._film_over)
        self._chunks.feed(content)

    def finish(self) -> None:
        """Nothing more comes; the last events follow."""
        if self._chunks is not None:
            self._chunks.end()
            return
        self._add(_Waiting(lambda session: session.finish()))

    def do(self, task: _Task) -> None:
        """Let the measuring thread do something after all that came before."""
        self._add(_Waiting(task))

    @property
    def is_full(self) -> bool:
        """Whether so much sound waits that no more should be taken from the line."""
        return self._sound_s > MOST_WAITING_S

    def _thin_out(self) -> None:
        """Drop every second picture that waits: half as many a second tell more than a hole."""
        kept: deque[_Waiting] = deque()
        n_seen = 0
        for waiting in self._queue:
            n_seen += waiting.is_picture
            if waiting.is_picture and n_seen % 2 == 0:
                self.n_dropped += 1
                self._n_pictures -= 1
            else:
                kept.append(waiting)
        self._queue = kept

    def _seen(self, frame: Frame) -> None:
        self.picture(frame.time_s, lambda: frame.rgb)

    def _heard(self, samples: Samples) -> None:
        self.sound(samples.time_s, samples.values, 16000)

    def _film_over(self, reason: str) -> None:
        if reason:
            self.tell({"event": "trouble", "code": "film", "message": reason})
        self._add(_Waiting(lambda session: session.finish()))

    def _add(self, waiting: _Waiting) -> None:
        with self._some:
            self._queue.append(waiting)
            self._sound_s += waiting.sound_s
            self._some.notify_all()

    # --- what goes out

    def tell(self, event: dict[str, Any]) -> None:
        """An event for the client, numbered."""
        with self._some:
            self._n_events += 1
            self._events.append((self._n_events, {**event, "seq": self._n_events}))
        listener = self.listener
        if listener is not None:
            listener()

    def after(self, seq: int) -> list[dict[str, Any]]:
        """Events after the one of this number."""
        with self._some:
            return [event for number, event in self._events if number > seq]

    # --- the measuring thread

    def _run(self) -> None:
        while True:
            with self._some:
                while not self._queue and not self.over:
                    self._some.wait()
                if self.over:
                    break
                waiting = self._queue.popleft()
                self._n_pictures -= waiting.is_picture
                self._sound_s -= waiting.sound_s
            self._do(waiting)
        self.session.close()
        with self._some:
            self._queue.clear()
        _give_back_memory()

    def _do(self, waiting: _Waiting) -> None:
        try:
            events = waiting.task(self.session)
        except TwomindError as error:
            # What was expected of the client; it holds nothing that was said or seen.
            self.tell({"event": "trouble", "code": error.kind, "message": str(error)})
            return
        except Exception as error:
            # The class alone: a message may hold what somebody said.
            _LOG.error("a live session failed: %s", type(error).__name__)
            self.tell({"event": "trouble", "code": "defect", "message": type(error).__name__})
            self.end()
            return
        for event in events:
            self._last_s = max(self._last_s, event.at_s)
            self._tell_dropped()
            self.tell(event.to_dict())
        self._tell_dropped()
        if any(event.to_dict()["event"] == "finished" for event in events):
            self.end()

    def _tell_dropped(self) -> None:
        new = self.n_dropped - self._n_told_dropped
        if new:
            self._n_told_dropped = self.n_dropped
            self.tell(PicturesDropped(self._last_s, new, self.n_dropped).to_dict())

    def end(self) -> None:
        """Stop; what waits is not measured."""
        with self._some:
            self.over = True
            self._some.notify_all()
        if self._chunks is not None:
            self._chunks.end()
        listener = self.listener
        if listener is not None:
            listener()

    def join(self, timeout_s: float) -> None:
        """Wait until the measuring thread has stopped."""
        self._thread.join(timeout_s)


def _give_back_memory() -> None:
    """Give what a session held back to the system: without it some 4 MB stay behind. Its parts refer to
    each other, so that Python frees them only when it looks for such circles; and native code keeps
    what it freed.
    """
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # no glibc
        return


class Sessions:
    """All sessions of a service, by id.

    Args:
        settings: Of the service.
        clock: Seconds; tests give their own.
    """

    def __init__(self, settings: LiveService, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._all: dict[str, Running] = {}
        self._lock = threading.Lock()

    def add(self, owner: str, make: Callable[[], LiveSession]) -> Running | None:
        """A new session; None where no more may run."""
        with self._lock:
            self._sweep()
            if self._n_measuring() >= self._settings.most_sessions:
                return None
            running = Running(owner, make(), self._settings, self._clock)
            self._all[running.id] = running
            return running

    def find(self, owner: str, number: str) -> Running | None:
        """A session that its client lost and may go on with."""
        with self._lock:
            self._sweep()
            found = self._all.get(number)
            return found if found is not None and found.owner == owner else None

    def left(self, running: Running) -> None:
        """Its client is gone; it may come back for ``resume_s`` seconds."""
        running.listener = None
        running.left_at = self._clock()

    @property
    def n(self) -> int:
        """How many sessions are measuring now."""
        with self._lock:
            self._sweep()
            return self._n_measuring()

    def _n_measuring(self) -> int:
        return sum(not running.over for running in self._all.values())

    def close(self) -> None:
        """End all sessions and wait for their threads."""
        with self._lock:
            for running in self._all.values():
                running.end()
            for running in self._all.values():
                running.join(10.0)
            self._all.clear()

    def _sweep(self) -> None:
        """Forget sessions that are over or were left for too long."""
        now = self._clock()
        for number, running in list(self._all.items()):
            waited = now - running.left_at if running.listener is None else 0.0
            too_long = now - running.begun_at > 60 * self._settings.most_minutes
            if waited > self._settings.resume_s or too_long:
                running.end()
                del self._all[number]
