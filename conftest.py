"""README and docs are executed: their Python and `bash` blocks, in a folder that holds a drawn
answer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser, SkipParser

from patience import HANG_S

# Before torch is imported: two test processes with two threads each on two cores wait for each
# other (7 times as long was seen on a busy machine), and results should not hang on the number of
# cores. Child processes inherit it.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault(
    "OMP_WAIT_POLICY", "passive"
)  # where a test does ask for two threads, they do not spin


# Neither of hypothesis's own limits on time: a busy machine trips them. The same examples in every
# run.
settings.register_profile(
    "twomind", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("twomind")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The team's folder of golden numbers and public data; a stranger's clone has none, and the
    test is skipped.
    """
    folder = Path(os.environ.get("TWOMIND_SHARED", Path(__file__).parent.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the folder {folder} (set TWOMIND_SHARED)")
    return folder


@pytest.fixture(autouse=True)
def _own_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own cache, and none runs a CLIP in whatever is fastest on
    the machine.
    """
    monkeypatch.setenv("TWOMIND_STORE", str(tmp_path_factory.mktemp("store")))
    monkeypatch.setenv("TWOMIND_CLIP_RUNTIME", "torch")


def _run_shell(example: Example) -> None:
    """Every command of the block must succeed, in the document's folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example.parsed],
        cwd=example.namespace["folder"],
        env={
            **os.environ,
            "PATH": path,
            "TWOMIND_STORE": str(example.namespace["folder"] / ".store"),
        },
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="session")
def drawn_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One drawn person's answer to question 7, as `twomind people` writes it."""
    from twomind_synth.people import draw_people

    folder = tmp_path_factory.mktemp("drawn")
    draw_people(folder, n_people=1, seed=3, questions=(7,), voice="builtin", workers=1)
    return folder


#: A user's own labelled answers, made up.
LABELLED = "subject,question,label,transcript\n" + "\n".join(
    f"p{n % 6},{1 + n % 7},{n % 2},{text}"
    for n, text in enumerate(
        ["um I guess I should but I am not sure that I can", "yes I will do it every single day"]
        * 9
    )
)


@pytest.fixture(scope="module")
def document_folder(drawn_study: Path) -> Path:
    """A folder with answer.mp4, answer.srt and labelled.csv, into which a document's commands
    write.
    """
    folder = Path(tempfile.mkdtemp(prefix="twomind-docs-"))
    movie = next(drawn_study.rglob("*.mp4"))
    shutil.copy(movie, folder / "answer.mp4")
    shutil.copy(movie.with_suffix(".srt"), folder / "answer.srt")
    (folder / "labelled.csv").write_text(LABELLED, encoding="utf-8")
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


#: Documents whose examples take more than some ten seconds (drawing, or a further film that is
#: measured).
SLOW_DOCUMENTS = {
    "docs/annotation.md",
    "docs/clip-au.md",
    "docs/outputs.md",
    "docs/synthetic-people.md",
}
SLOW_FOLDERS = ("docs/tutorials/", "docs/how-to/")
#: Tests that are slow, as patterns: those whose kind has a quicker test.
SLOW_TESTS = tuple(
    line
    for line in Path(__file__).with_name("tests").joinpath("slow.txt").read_text().splitlines()
    if line and not line.startswith("#")
)
#: The files that take longest, of the slow tests and then of the quick ones: begun early, longest
#: first, so that no process is left with one at the end. With ``--dist loadfile`` a file stays in
#: one process, where its fixtures are made once.
BEGUN_FIRST = (
    "test_study_end_to_end.py",
    "test_closed_loop_face.py",
    "test_fusion_study.py",
    "test_adapter_contract.py",
    "test_predict.py",
    "README.md",
    "test_drawn_film.py",
    "test_fusion_models.py",
    "test_predict_adapt.py",
    "test_face.py",
    "test_voice.py",
    "test_report.py",
    "test_personalise_clip_au.py",
    "test_fusion_training.py",
    "test_score_words.py",
    "test_face_signs.py",
    "test_speech_recognition.py",
    "test_study_features.py",
    "test_study_files.py",
    "test_training_loop.py",
    "test_media.py",
    "outputs.md",
)


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what `-m` excludes
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow documents are marked as slow tests are, and the longest files come first, in their own
    order within.
    """
    place = {name: k for k, name in enumerate(BEGUN_FIRST)}
    root = Path(__file__).parent

    def name_of(item: pytest.Item) -> str:
        return (
            item.path.relative_to(root).as_posix()
            if item.path.is_relative_to(root)
            else str(item.path)
        )

    for item in items:
        name = name_of(item)
        test = f"{name}::{item.nodeid.partition('::')[2]}"
        listed = any(fnmatchcase(test, pattern) for pattern in SLOW_TESTS)
        if listed or name in SLOW_DOCUMENTS or name.startswith(SLOW_FOLDERS):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


pytest_collect_file = Sybil(
    parsers=[
        CodeBlockParser(language="python", evaluator=_InFolder()),
        CodeBlockParser(language="bash", evaluator=_shell),
        SkipParser(),
    ],
    patterns=["README.md", "docs/*.md", "docs/*/*.md"],
    fixtures=["document_folder"],
).pytest()
