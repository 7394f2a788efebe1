"""What is imported to say what there is: nothing that measures, and no client of a hub."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import click
import pytest

from twomind.cli import main as lines
from twomind.cli.lazy import Later

_HEAVY = {
    "PIL", "av", "cv2", "huggingface_hub", "jinja2", "mediapipe", "numpy", "openai", "pyarrow",
    "rich", "scipy", "sklearn", "torch", "transformers", "urllib.request", "yaml",
}  # fmt: skip


def imported(*arguments: str) -> set[str]:
    """Modules that a process has imported when ``twomind`` with these arguments ends."""
    code = (
        "import sys\n"
        "from twomind.cli.main import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "finally:\n"
        "    print(*sys.modules, file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_the_package_imports_nothing_but_the_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules); import twomind; print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    new = {name.split(".")[0] for name in done.stdout.split()}
    assert new - {"twomind"} <= sys.stdlib_module_names


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("train", "--help"), ("score", "--help"), ("predict", "--help")],
    ids=" ".join,
)
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert imported(*arguments) & _HEAVY == set()


def test_doctor_imports_no_client_and_no_network_of_weights() -> None:
    found = imported("doctor", "--json")
    assert found & (_HEAVY - {"numpy", "yaml", "urllib.request"}) == set()


@pytest.mark.parametrize("group", ["_VERBS", "_TRAIN", "_SCORE"])
def test_a_verb_s_line_is_the_beginning_of_its_own_help(group: str) -> None:
    later: dict[str, Later] = getattr(lines, group)
    for name, verb in later.items():
        command = verb.load()
        assert command.name == name
        assert command.get_short_help_str(500) == verb.help


def test_no_help_points_into_a_clone() -> None:
    def texts(command: click.Command) -> list[str]:
        own = [command.help or "", *(str(getattr(p, "help", "") or "") for p in command.params)]
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                own += texts(below)
        return own

    assert [text for text in texts(lines.main) if "docs/" in text] == []


def test_docs_lists_the_pages_and_shows_one() -> None:
    def told(*arguments: str) -> tuple[int, str]:
        from click.testing import CliRunner

        done = CliRunner().invoke(lines.main, ["docs", *arguments])
        return done.exit_code, done.output

    code, out = told()
    site = next(
        link.partition(", ")[2]
        for link in importlib.metadata.metadata("twomind").get_all("Project-URL") or []
        if link.startswith("Documentation")
    )
    assert code == 0
    assert out.startswith(f"{site}\n")
    assert "  words " in out
    code, out = told("words")
    assert code == 0
    assert out.startswith(f"{site}/words.md\n\n#")
    code, out = told("no-such-page")
    assert code == 3
    assert "there is: " in out


_INTERRUPTED_AT = """
import os, signal, sys
wanted, sys.argv = sys.argv[1], ["twomind", "predict", sys.argv[2], "--out", sys.argv[3]]
class Finder:
    def find_spec(self, name, *rest):
        if name == wanted:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from twomind.cli.start import main
main()
"""


@pytest.mark.parametrize(
    "module", ["twomind.cli.main", "click", "twomind.cli.progress", "twomind.pipeline.run", "av"]
)
def test_ctrl_c_while_something_is_imported_prints_no_traceback(
    module: str, tmp_path: Path
) -> None:
    film = Path(__file__).parent.parent / "fixtures" / "v0_1" / "media" / "a2.mp4"
    told = [module, str(film), str(tmp_path / "out"), "--workers", "1"]
    command = [sys.executable, "-c", _INTERRUPTED_AT, *told]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 130, done.stderr
    assert "Run the same command again" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupt_that_python_would_drop_ends_the_program(tmp_path: Path) -> None:
    code = (
        "import os, signal, time, weakref\n"
        "from twomind.cli.interrupts import second_interrupt_ends\n"
        "class Thing: pass\n"
        "thing = Thing()\n"
        "def gone(_): os.kill(os.getpid(), signal.SIGINT); time.sleep(5)\n"
        "held = weakref.ref(thing, gone)\n"
        "with second_interrupt_ends():\n"
        "    del thing\n"
        "    print('it went on')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130
    assert "it went on" not in done.stdout
    assert "Traceback" not in done.stderr


def test_ctrl_c_is_answered_before_anything_else_is_imported() -> None:
    """What lies between the start of Python and the program's own handler."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "from twomind.cli.start import main\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own = {"twomind", "twomind.core", "twomind.core.telemetry", "twomind.core.version"}
    assert set(done.stdout.split()) == own | {
        "twomind.cli",
        "twomind.cli.ending",
        "twomind.cli.start",
    }
