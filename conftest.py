"""README and docs are executed: their Python and `bash` blocks, in a folder that holds a drawn answer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser, SkipParser

# Before torch is imported: two test processes with two threads each on two cores wait for each other (7 times as long
# was seen on a busy machine), and results should not hang on the number of cores. Child processes inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # where a test does ask for two threads, they do not spin


def _run_shell(example: Example) -> None:
    """Every command of the block must succeed, in the document's folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example.parsed],
        cwd=example.namespace["folder"],
        env={**os.environ, "PATH": path, "TWOMIND_STORE": str(example.namespace["folder"] / ".store")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="session")
def drawn_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One drawn person's answer to question 7, as `twomind people` writes it."""
    from twomind_synth.people import draw_people

    folder = tmp_path_factory.mktemp("drawn")
    draw_people(folder, n_people=1, seed=3, questions=(7,), voice="builtin", workers=1)
    return folder


@pytest.fixture(scope="module")
def document_folder(drawn_study: Path) -> Path:
    """A folder with answer.mp4 and answer.srt, into which a document's commands write."""
    folder = Path(tempfile.mkdtemp(prefix="twomind-docs-"))
    movie = next(drawn_study.rglob("*.mp4"))
    shutil.copy(movie, folder / "answer.mp4")
    shutil.copy(movie.with_suffix(".srt"), folder / "answer.srt")
    return folder


class _InFolder(PythonEvaluator):
    """Python blocks run in the document's folder."""

    def __call__(self, example: Example) -> None:
        before = Path.cwd()
        os.chdir(example.namespace["document_folder"])
        try:
            super().__call__(example)
        finally:
            os.chdir(before)


def _shell(example: Example) -> None:
    example.namespace["folder"] = example.namespace["document_folder"]
    _run_shell(example)


pytest_collect_file = Sybil(
    parsers=[
        CodeBlockParser(language="python", evaluator=_InFolder()),
        CodeBlockParser(language="bash", evaluator=_shell),
        SkipParser(),
    ],
    patterns=["README.md", "docs/*.md"],
    fixtures=["document_folder"],
).pytest()
