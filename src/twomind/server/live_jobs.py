"""The queue of jobs: a film in, what ``describe`` and ``predict`` say of it out. It survives a
restart.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from twomind.core.errors import TwomindError
from twomind.server.live_place import LivePlace
from twomind.types.plain import to_plain

_LOG = logging.getLogger("twomind.server.live")


class Worker:
    """A thread that does one job after the other; a context.

    Args:
        place: The service.
    """

    def __init__(self, place: LivePlace) -> None:
        self._place = place
        self._stop = threading.Event()
        self._some = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-jobs", daemon=True)

    def __enter__(self) -> Worker:
        self._place.wait_again()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._some.set()
        self._thread.join(5.0)

    def wake(self) -> None:
        """Tell the worker that a job was added."""
        self._some.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            job = self._place.next_job()
            if job is None:
                self._some.wait(5.0)
                self._some.clear()
                continue
            do_job(self._place, job)


def do_job(place: LivePlace, job: dict[str, Any]) -> None:
    """Measure a job's film and keep the result, or why there is none."""
    try:
        result = measured(place, job)
    except TwomindError as error:
        # Its sentence may name the film's folder here, which is nobody's business.
        film = str(place.film_path(job["owner"], job["id"]))
        place.end_job(job, None, str(error).replace(film, "the film"))
    except Exception as error:
        _LOG.error("a job failed: %s", type(error).__name__)
        place.end_job(job, None, f"a defect: {type(error).__name__}")
    else:
        place.end_job(job, result, "")


def measured(place: LivePlace, job: dict[str, Any]) -> dict[str, Any]:
    """Cues, measures and the model's answer; no track, no picture."""
    import twomind as tm

    film = place.film_path(job["owner"], job["id"])
    with tempfile.TemporaryDirectory(prefix="twomind-job-") as store:
        linked = Path(store) / "answer"
        try:
            os.link(film, linked)
        except OSError:
            shutil.copy(film, linked)
        recording = tm.open_recording(linked, person="live", question=job["question"] or None)
        if job["drawn"]:
            recording = replace(recording, drawn=True)
        described = tm.describe(recording, store=store)
        answer = None
        if job["model"]:
            prediction = tm.predict(
                described,
                job["model"],
                allow_synthetic=place.settings.allow_synthetic,
                offline=True,
                store=store,
            )
            answer = prediction.to_dict()
        plain: dict[str, Any] = to_plain(
            {
                "duration_s": described.recording.duration_s,
                "cues": described.cues,
                "face": described.face,
                "voice": described.voice,
                "neutral": described.neutral,
                "notes": described.features.notes,
                "model": job["model"],
                "prediction": answer,
            }
        )
        return plain
