"""A study's own server with its real pages, as a process that can be killed."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from patience import HANG_S, until
from web_line import free_port

if TYPE_CHECKING:
    from twomind.server.place import Place

#: What a study of a test changes in the written ``study.toml``: pattern and what stands instead.
Changes = dict[str, str]
SHORT: Changes = {r"^min_s = .*$": "min_s = 1"}


@dataclass
class StudyServer:
    """``twomind serve`` as a process of its own, so that it can be killed.

    Args:
        folder: For the study; it is written. The keys lie beside it.
        changes: What is changed in ``study.toml``.
        tracer: strace and its options.
    """

    folder: Path
    changes: Changes = field(default_factory=lambda: dict(SHORT))
    tracer: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        from twomind.server.making import new_study

        self.port = free_port()
        new_study(self.folder, self.folder.parent / f"{self.folder.name}-keys")
        self.change({**self.changes, r"^public_url = .*$": f'public_url = "{self.url}"'})

    def change(self, changes: Changes) -> None:
        """Change lines of ``study.toml``."""
        file = self.folder / "study.toml"
        text = file.read_text(encoding="utf-8")
        for pattern, new in changes.items():
            text = re.sub(f"(?m){pattern}", lambda _, new=new: new, text)
        file.write_text(text, encoding="utf-8")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def place(self) -> Place:
        """The study, open in this process."""
        from twomind.server.place import open_place

        return open_place(self.folder)

    def invite(self, *names: str) -> list[str]:
        """Tokens of people's own links."""
        from twomind.server import recruiting

        told = recruiting.invite(self.place(), "ada", names)
        return [one["link"].split("#")[1] for one in told]

    def start(self) -> None:
        program = "from twomind.cli.main import main; main()"
        command = [sys.executable, "-c", program, "serve", str(self.folder)]
        command += ["--port", str(self.port)]
        self.process = subprocess.Popen([*self.tracer, *command])
        until(self.answers, "the server answers")

    def answers(self) -> bool:
        assert self.process.poll() is None, "the server ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """SIGKILL: no handler runs, no buffer is written."""
        if not self.tracer:
            self.process.kill()
        # strace's child is the server; strace ends with it.
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for child in children.read_text().split() if self.tracer else ():
            os.kill(int(child), signal.SIGKILL)
        self.process.wait()


def patience_ms() -> float:
    """How long a page may take for one thing."""
    return min(HANG_S, 900) * 1000
