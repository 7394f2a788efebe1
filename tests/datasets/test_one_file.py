"""A data set is one file: dropped into the package, or in somebody else's, it works everywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

FILE = Path(__file__).parent / "one_file_data_set.py"
NAME = "mine"
ENTRY = "[twomind.datasets]\nmine = their_sittings:PLUGIN\n"
METADATA = "Metadata-Version: 2.1\nName: their-sittings\nVersion: 1.0\n"


def wheel_of(folder: Path) -> Path:
    """Somebody else's package with the data set in it, as a wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "their_sittings-1.0-py3-none-any.whl"
    info = "their_sittings-1.0.dist-info"
    files = {
        "their_sittings.py": FILE.read_text(encoding="utf-8"),
        f"{info}/METADATA": METADATA,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": ENTRY,
    }
    record = f"{info}/RECORD"
    files[record] = "".join(f"{name},,\n" for name in [*files, record])
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return path


def installed(tmp_path: Path) -> list[str]:
    """Import path with the wheel installed in a folder of its own."""
    target = tmp_path / "site"
    wheel = wheel_of(tmp_path / "dist")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    done = subprocess.run(
        [*command, "--target", str(target), str(wheel)], capture_output=True, text=True
    )
    if done.returncode:  # no pip here: a wheel is installed by unpacking it
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(target)
    return [str(target)]


def dropped(tmp_path: Path) -> list[str]:
    """Import path with a copy of the library that has one file more."""
    import twomind

    source = Path(twomind.__file__).parent
    copy = tmp_path / "lib" / "twomind"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(FILE, copy / "datasets" / f"{NAME}.py")
    return [str(copy.parent)]


WAYS = {"dropped into the package": dropped, "installed by somebody else": installed}


class Elsewhere:
    """Processes that know the data set; the one that runs the tests does not."""

    def __init__(self, paths: list[str], folder: Path) -> None:
        self.folder = folder
        before = os.environ.get("PYTHONPATH", "")
        path = os.pathsep.join([*paths, *filter(None, [before])])
        self._environment = {**os.environ, "PYTHONPATH": path}
        self.data = folder / "data"

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            env=self._environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
        )

    def said(self, code: str) -> str:
        done = self.python("-c", code, str(self.data))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def twomind(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "twomind.cli.main", *map(str, arguments))


@pytest.fixture(scope="module", params=WAYS)
def elsewhere(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Elsewhere:
    folder = tmp_path_factory.mktemp("elsewhere")
    found = Elsewhere(WAYS[request.param](folder), folder)
    found.said(
        "import sys\n"
        "from twomind.datasets import load_dataset\n"
        f"load_dataset({NAME!r}).fake(sys.argv[1], seed=3)\n"
    )
    return found


CONTRACT = f"""
from twomind.datasets import load_dataset
from twomind.datasets.check import check_all
check_all(load_dataset({NAME!r}))
"""

DIVIDED = """
import json, sys
from twomind.datasets import open_dataset
data = open_dataset(sys.argv[1])
folds = data.folds("leave-one-person-out")
print(json.dumps([data.name, [fold.name for fold in folds], len(folds[0].test)]))
"""

CONSENT = """
import json, sys
from twomind.datasets import open_dataset
from twomind.datasets.consent import refused
people = {r.subject: r.media for r in open_dataset(sys.argv[1]).recordings()}
print(json.dumps([person for person, film in people.items() if refused(film, person)]))
"""


@pytest.mark.slow
def test_it_keeps_the_contract(elsewhere: Elsewhere) -> None:
    elsewhere.said(CONTRACT)


@pytest.mark.slow
def test_it_is_listed_checked_and_divided(elsewhere: Elsewhere) -> None:
    listed = json.loads(elsewhere.twomind("data", "list", "--json").stdout)["datasets"]
    [mine] = [row for row in listed if row["name"] == NAME]
    assert mine["tasks"] == {"calm": ["restless", "calm"]}
    done = elsewhere.twomind("data", "check", elsewhere.data, "--deep", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["name"], report["recordings"], report["people"]) == (NAME, 16, 4)
    name, folds, n_tested = json.loads(elsewhere.said(DIVIDED))
    assert (name, folds, n_tested) == (NAME, ["kim", "lee", "max", "nia"], 4)
    assert json.loads(elsewhere.said(CONSENT)) == ["lee"], "its reader says who refused"


@pytest.mark.slow
def test_its_films_are_predicted_and_who_refused_is_in_no_report(elsewhere: Elsewhere) -> None:
    films = {person: elsewhere.data / "films" / f"{person}.1.mp4" for person in ("kim", "lee")}
    for person, film in films.items():
        out = elsewhere.folder / person
        done = elsewhere.twomind("predict", film, "--out", out, "--workers", 1, "--json")
        said = json.loads(done.stdout)
        assert (said["n"], said["n_failed"]) == (1, 0), done.stderr
        pages = [Path(said["report"]), *out.glob("*/report.html")]
        shown = ["data:video/mp4" in page.read_text(encoding="utf-8") for page in pages]
        # A film is kept once, in its answer's own page.
        assert shown == [False, person == "kim"]


@pytest.mark.slow
def test_methods_are_scored_on_it(elsewhere: Elsewhere) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("cv2", reason="the encoder of synthetic faces needs the extra 'face'")
    pytest.importorskip("twomind_synth")
    out = elsewhere.folder / "scored"
    crops = elsewhere.folder / "crops-only"  # the films are of noise, in which there is no face
    shutil.copytree(elsewhere.data, crops, ignore=shutil.ignore_patterns("films"))
    asked = (
        "--model",
        "clip-au",
        "--set",
        "clip-au.epochs=1",
        "--protocol",
        "targets-1",
        "--methods",
        "t3a",
    )
    where = ("--data", crops, "--store", out / "store", "--out", out, "--workers", 1)
    done = elsewhere.twomind("score", "personalise", *asked, *where)
    assert done.returncode == 0, done.stderr
    [board] = json.loads((out / "shuffled" / "leaderboard.json").read_text())["boards"]
    assert {"no adaptation", "t3a"} <= {line["name"] for line in board["lines"]}
