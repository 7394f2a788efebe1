"""Two environments side by side: one holds the frozen wheel, one the working tree; both see the
same other packages.

An environment is a venv whose site-packages links every third-party package of the environment in
use, one by one. What is named after twomind is left out, editable installs and entry points
included, so neither side can import or list anything of the other. No package is downloaded, but
for the build of the wheel where pip can reach an index.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".freeze"
#: The last commit before files moved. Its wheel is "version 0.1".
COMMIT = "96598abed43b74f8b95ed623c5e9b919fd280de7"
#: Folders of the working tree with a pyproject.toml whose distribution the new side sees. A later
#: layout with several distributions is listed here.
DISTRIBUTIONS = (".", "packages/twomind-synth")

_SCRIPT = """#!{python}
import sys
from importlib.metadata import entry_points

if __name__ == "__main__":
    sys.argv[0] = "twomind"
    (command,) = entry_points(group="console_scripts", name="twomind")
    sys.exit(command.load()())
"""


def python_of(environment: Path) -> Path:
    return environment / "bin" / "python"


def command_of(environment: Path) -> Path:
    """The program ``twomind`` of an environment."""
    return environment / "bin" / "twomind"


def site_of(environment: Path) -> Path:
    return (
        environment
        / "lib"
        / f"python{sys.version_info.major}.{sys.version_info.minor}"
        / "site-packages"
    )


def _ours(name: str) -> bool:
    """Whether an entry of site-packages belongs to twomind, in any of the forms in which it can be
    installed.
    """
    return "twomind" in name.lower()


def _linked(environment: Path) -> None:
    """A venv without pip whose site-packages links those of the environment in use."""
    shutil.rmtree(environment, ignore_errors=True)
    venv.create(environment, symlinks=True, with_pip=False)
    own = site_of(environment)
    for folder in {Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("platlib"))}:
        for entry in sorted(folder.iterdir()):
            if (
                not _ours(entry.name)
                and entry.name != "__pycache__"
                and not (own / entry.name).exists()
            ):
                (own / entry.name).symlink_to(entry)
    script = command_of(environment)
    script.write_text(_SCRIPT.format(python=python_of(environment)))
    script.chmod(0o755)


def _describe(environment: Path, project: dict[str, Any], version: str) -> None:
    """Metadata of a distribution as an installer would write it: its name, version and entry
    points.
    """
    about = project["project"]
    folder = site_of(environment) / f"{about['name'].replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {version}\n"
    )
    groups = {"console_scripts": about.get("scripts", {}), **about.get("entry-points", {})}
    lines = []
    for group, entries in groups.items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items()), ""]
    (folder / "entry_points.txt").write_text("\n".join(lines))


def _version(project: dict[str, Any], root: Path) -> str:
    """The version that a pyproject states, or the one in the file that it names."""
    stated = project["project"].get("version")
    if stated:
        return str(stated)
    text = (root / project["tool"]["hatch"]["version"]["path"]).read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("__version__"))
    return line.split("=")[1].strip().strip("\"'")


def _packages(project: dict[str, Any]) -> list[str]:
    return list(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])


def sources(commit: str, into: Path) -> Path:
    """The tree of a commit, as a folder."""
    done = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(into, filter="data")
    return into


def frozen(say: Any = print) -> Path:
    """The environment ``.freeze/env`` with the wheel of :data:`COMMIT`; made once."""
    environment, done = HOME / "env", HOME / "env" / "made-of"
    if done.is_file() and done.read_text() == _made_of():
        return environment
    _linked(environment)
    tree = HOME / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    sources(COMMIT, tree)
    wheel = _wheel(tree, say)
    if wheel is not None:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site_of(environment))
    else:
        project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
        for package in _packages(project):
            shutil.copytree(tree / package, site_of(environment) / Path(package).name)
        _describe(environment, project, _version(project, tree))
    shutil.rmtree(tree)
    check(environment, site_of(environment))
    done.write_text(_made_of())
    return environment


def _made_of() -> str:
    """What an environment depends on; another commit, interpreter or set of packages makes another
    environment.
    """
    folder = Path(sysconfig.get_path("purelib"))
    names = sorted(
        p.name for p in folder.iterdir() if not _ours(p.name) and p.name.endswith(".dist-info")
    )
    digest = hashlib.sha256("\n".join([sys.version, str(folder), *names]).encode()).hexdigest()
    return f"{COMMIT} {digest}"


def _wheel(tree: Path, say: Any) -> Path | None:
    """The wheel that pip builds; None where the build backend cannot be fetched."""
    into = HOME / "wheel"
    shutil.rmtree(into, ignore_errors=True)
    how = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--disable-pip-version-check",
        "--no-deps",
        "-w",
        into,
        tree,
    ]
    done = subprocess.run([str(w) for w in how], capture_output=True, text=True)
    if done.returncode == 0:
        return next(into.glob("twomind-*.whl"))
    say(
        "pip could not build the wheel (no index?); its files are laid out by hand, as the wheel "
        "has them"
    )
    return None


def working(say: Any = print) -> Path:
    """The environment ``.freeze/new``: the sources of the working tree, with the metadata that its
    pyproject states.
    """
    environment = HOME / "new"
    _linked(environment)
    places = []
    for folder in DISTRIBUTIONS:
        root = (ROOT / folder).resolve()
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        places += [str((root / package).parent) for package in _packages(project)]
        _describe(environment, project, _version(project, root))
    places = list(dict.fromkeys(places))
    (site_of(environment) / "working-tree.pth").write_text(
        "".join(f"{place}\n" for place in places)
    )
    check(environment, ROOT, but=HOME)
    return environment


def check(environment: Path, inside: Path, but: Path | None = None) -> None:
    """That a side imports what it should: ``twomind`` from ``inside``, and not from ``but``.

    Raises:
        SystemExit: it does not.
    """
    code = "import twomind; print(twomind.__file__)"
    done = subprocess.run(
        [str(python_of(environment)), "-c", code],
        capture_output=True,
        text=True,
        env=clean_environment(),
        cwd="/",
    )
    found = Path(done.stdout.strip() or "/nowhere").resolve()
    wrong = not found.is_relative_to(inside.resolve()) or (
        but is not None and found.is_relative_to(but.resolve())
    )
    if done.returncode or wrong:
        raise SystemExit(
            f"freeze: expected {environment} to import twomind from {inside}: "
            f"{found}\n{done.stderr}"
        )


def clean_environment(**more: str) -> dict[str, str]:
    """The variables that a command runs with: nothing of the caller's Python or twomind, one
    thread, one runtime.
    """
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PYTHON", "TWOMIND", "VIRTUAL_ENV"))
    }
    fixed = {
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "TWOMIND_CLIP_RUNTIME": "torch",
        "TWOMIND_OFFLINE": "1",
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "200",
        "NO_COLOR": "1",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
    }
    return {**kept, **fixed, **more}
