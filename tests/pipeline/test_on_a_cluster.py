"""`predict`, `describe` and `export crops` on two nodes: the same files as one process, one node killed."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("ray")

from cluster_nodes import Nodes, nodes
from server_films import webm
from twomind.cli.main import main
from twomind.core.cluster import Cluster
from twomind.core.store import read_arrays

pytestmark = pytest.mark.slow
N = 5
#: What tells of the run, not of the answers.
_OF_THE_RUN = ("ledger.jsonl", "settings.toml")


@pytest.fixture(scope="module")
def two() -> Iterator[Nodes]:
    with nodes(2) as found:
        yield found


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for number in range(N):
        name = f"p{number % 3}_Question_{number % 7 + 1}_{number}"
        (folder / f"{name}.webm").write_bytes(webm(1.0 + 0.2 * number))
        text = f"1\n00:00:00,100 --> 00:00:00,900\nwell um maybe {number}\n"
        (folder / f"{name}.srt").write_text(text)
    (folder / "broken.webm").write_bytes(b"no film")
    return folder


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the nodes have done."""
    done: list[Any] = []
    plain = Cluster.run

    def run(cluster: Cluster, work: Any, items: Any, workers: int) -> Iterator[Any]:
        for outcome in plain(cluster, work, items, workers):
            done.append(outcome)
            yield outcome

    monkeypatch.setattr(Cluster, "run", run)
    return done


def ran(*asked: str) -> dict[str, Any]:
    answer = CliRunner().invoke(main, [*asked, "--json"], catch_exceptions=False)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found | {"exit": answer.exit_code}


def contents(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.is_file() and name not in _OF_THE_RUN and not name.startswith(("ledger/", ".")):
            found[name] = path.read_bytes()
    return found


def test_tables_are_those_of_one_process_and_a_killed_node_loses_nothing(
    two: Nodes, films: Path, tmp_path: Path
) -> None:
    one, cluster = tmp_path / "one", tmp_path / "cluster"
    asked = ["predict", str(films), "--question", "from-name"]
    alone = ran(*asked, "--out", str(one), "--store", str(tmp_path / "s1"), "--workers", "1")

    def kill_one() -> None:
        while not list(cluster.glob("*/summary.json")):
            time.sleep(0.02)
        two.kill(two.workers[0])

    thread = threading.Thread(target=kill_one)
    thread.start()
    store = str(tmp_path / "s2")
    spread = ran(*asked, "--out", str(cluster), "--store", store, "--engine", f"ray:{two.address}")
    thread.join()
    two.add()
    assert spread["n"] == alone["n"] == N + 1
    assert (spread["n_failed"], spread["exit"]) == (alone["n_failed"], alone["exit"]) == (1, 7)
    before, after = contents(one), contents(cluster)
    assert set(before) == set(after)
    differing = [name for name in before if before[name] != after[name]]
    assert differing == []
    entries = [json.loads(path.read_text()) for path in (cluster / "ledger").glob("*.json")]
    assert {entry["item"] for entry in entries} >= {
        path.parent.name for path in cluster.glob("*/summary.json")
    }
    begun = [entry["item"] for entry in entries if entry["state"] == "begun"]
    assert sorted(begun) == sorted({entry["item"] for entry in entries})
    failed = [entry for entry in entries if entry["state"] == "failed"]
    assert [entry["item"] for entry in failed] == ["broken"]
    # Run again: all is there.
    again = ran(*asked, "--out", str(cluster), "--store", store, "--engine", f"ray:{two.address}")
    assert [row["state"] for row in again["answers"]].count("already done") == N


def test_crops_are_those_of_one_process(two: Nodes, films: Path, tmp_path: Path) -> None:
    pytest.importorskip("mediapipe")
    paths = [str(path) for path in sorted(films.glob("p*.webm"))[:3]]
    ran("export", "crops", *paths, "--out", str(tmp_path / "one"))
    ran("export", "crops", *paths, "--out", str(tmp_path / "two"), "--engine", f"ray:{two.address}")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_descriptions_are_those_of_one_process(
    two: Nodes, films: Path, sent: list[Any], tmp_path: Path
) -> None:
    paths = [str(path) for path in sorted(films.glob("p*.webm"))[:2]]
    found = []
    for name, more in (("one", ["--workers", "1"]), ("two", ["--engine", f"ray:{two.address}"])):
        place = ["--out", str(tmp_path / name), "--store", str(tmp_path / f"{name}-store")]
        assert ran("describe", *paths, *place, *more)["exit"] == 0
        found.append(contents(tmp_path / name))
    assert len(found[0]) > 6
    assert found[0] == found[1]
    assert len(sent) == 2


def scores(out: Path) -> dict[str, Any]:
    """Predictions, figures and pages of a comparison, less what it cost and where it was made."""
    found: dict[str, Any] = {}
    for name, held in contents(out).items():
        if name.endswith("predictions.safetensors"):
            arrays, _ = read_arrays(out / name)
            found[name] = {key: array.tobytes() for key, array in arrays.items()}
        elif name.endswith((".svg", "harm.md")):
            found[name] = held
        elif name.endswith("leaderboard.md"):
            lines = held.decode().splitlines()
            kept = [line for line in lines if not line.startswith("twomind score")]
            found[name] = [re.sub(r"[^|]*\|[^|]* MB \|$", "", line) for line in kept]
    return found


def test_folds_of_a_comparison_are_those_of_one_process(
    two: Nodes, sent: list[Any], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("twomind_synth")
    asked = ["score", "personalise", "--drawn", "biovid", "--people", "4"]
    asked += ["--protocol", "targets-2"]
    asked += ["--set", "synthetic.knobs=clips_per_class=2,clip_s=2.0", "--methods", "t3a,shot"]
    found = []
    for name, more in (("one", ["--workers", "1"]), ("two", ["--engine", f"ray:{two.address}"])):
        place = ["--out", str(tmp_path / name), "--store", str(tmp_path / f"{name}-store")]
        assert ran(*asked, *place, *more)["exit"] == 0
        found.append(scores(tmp_path / name))
    assert {name.split(".")[-1] for name in found[0]} == {"safetensors", "svg", "md"}
    assert found[0] == found[1]
    assert len(sent) > 1


def test_a_table_is_that_of_one_process(two: Nodes, sent: list[Any], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("twomind_synth")
    from tests.reproduce_smoke import make_folders

    folders = make_folders(tmp_path / "data", 4)
    asked = ["reproduce", "biovid", str(folders["biovid"]), "--table", "tta-cap", "--quick"]
    asked += ["--set", "models.encoder=face-text", "--set", "protocol.label_free=targets-2"]
    asked += ["--set", "protocol.as_published=", "--device", "cpu"]
    found = []
    for name, more in (("one", ["--workers", "1"]), ("two", ["--engine", f"ray:{two.address}"])):
        place = ["--out", str(tmp_path / name), "--store", str(tmp_path / f"{name}-store")]
        assert ran(*asked, *place, *more)["exit"] == 0
        out = tmp_path / name
        found.append(
            [(out / file).read_bytes() for file in ("table.md", "table.tex", "people.csv")]
        )
    assert found[0] == found[1]
    assert len(sent) > 1


def test_what_goes_in_order_is_refused(two: Nodes, films: Path, tmp_path: Path) -> None:
    answer = CliRunner().invoke(
        main,
        ["predict", str(films), "--out", str(tmp_path), "--adapt", "t3a", "--model", "words",
         "--engine", f"ray:{two.address}"],
    )  # fmt: skip
    assert answer.exit_code != 0
