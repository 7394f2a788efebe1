"""Several studies in one process, opened at the same time."""

from __future__ import annotations

import threading
from pathlib import Path

from server_world import World


def test_studies_are_opened_at_the_same_time(tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def open_one(n: int) -> None:
        try:
            assert World(tmp_path / f"study-{n}").client().get("/api/public").status_code == 200
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=open_one, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
