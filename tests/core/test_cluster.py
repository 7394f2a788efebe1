"""The engine on a real cluster of two nodes: nothing is lost when one is killed."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from twomind.core import cluster, engine
from twomind.core.errors import BadInput, MissingExtra


def test_an_unknown_engine_is_refused() -> None:
    for name in ("dask", "local:host", "rays", ""):
        with pytest.raises(BadInput, match="expected local, ray"), cluster.standing(name):
            pass
    with cluster.standing("local"):
        assert not engine.is_elsewhere()


def test_an_address_at_which_nobody_listens_is_refused_before_ray_waits() -> None:
    pytest.importorskip("ray")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for name in (f"ray:{address}", f"ray:ray://{address}"):
            with pytest.raises(BadInput, match=r"no cluster answers.*ray start"):
                cluster._refuse_silent(name.removeprefix("ray:"))
    for name in ("head", "head:", ":6379", "head:port"):
        with (
            pytest.raises(BadInput, match="expected ray:HOST:PORT"),
            cluster.standing(f"ray:{name}"),
        ):
            pass


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"twomind\[ray\]"), cluster.standing("ray"):
        pass


def test_a_node_that_differs_is_refused(tmp_path: Path) -> None:
    with cluster._shown([tmp_path]) as token:
        with pytest.raises(BadInput, match="install the same"):
            cluster.refuse(replace(token, version="0.0.1"), "a")
        with pytest.raises(BadInput, match="has no folder"):
            cluster.refuse(replace(token, here=str(tmp_path / "absent")), "a")
        with pytest.raises(BadInput, match="does not see"):
            cluster.refuse(replace(token, text="another"), "a")
        with pytest.raises(BadInput, match="does not see"):
            cluster.refuse(replace(token, files=(str(tmp_path / "absent"),)), "a")
        # On another file system a lock may be of one node alone: here nobody holds it.
        other = tmp_path / "unlocked"
        other.write_text(token.text)
        with pytest.raises(BadInput, match="a lock taken on one node"):
            cluster.refuse(replace(token, files=(str(other),)), "a")
        other.unlink()
        other.with_name("unlocked.lock").unlink(missing_ok=True)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def two() -> Iterator[object]:
    pytest.importorskip("ray")
    from cluster_nodes import nodes

    with nodes(2) as found:
        yield found


@pytest.mark.slow
def test_two_nodes_do_what_one_process_does_and_a_killed_one_costs_nothing(
    two: object, tmp_path: Path
) -> None:
    from cluster_nodes import Nodes

    assert isinstance(two, Nodes)
    from cluster_work import note

    work = partial(note, folder=tmp_path, wait_s=0.5)
    items = list(range(24))
    killed: list[float] = []

    def kill_one() -> None:
        while len(list(tmp_path.glob("*.json"))) < 6:
            time.sleep(0.05)
        two.kill(two.workers[0])
        killed.append(time.monotonic())

    thread = threading.Thread(target=kill_one)
    thread.start()
    with cluster.standing(f"ray:{two.address}", (tmp_path,)):
        n = engine.n_workers(0, len(items))
        assert n == 2
        outcomes = list(engine.run(work, items, n))
    thread.join()
    assert killed
    found = {outcome.item: outcome for outcome in outcomes}
    assert len(outcomes) == len(found) == len(items)
    assert found[13].error_kind == "bad_input"
    for number in items:
        assert number == 13 or found[number].result == number * number
    begun = [path.name.split("-")[1] for path in tmp_path.glob("begun-*")]
    again = {number for number in begun if begun.count(number) > 1}
    assert 1 <= len(again) <= 2
    said = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert {one["loads"] for one in said} == {1}
    assert len({one["pid"] for one in said}) == 2
    two.add()
    # A process that dies of its item is tried thrice, and takes nobody with it.
    with cluster.standing(f"ray:{two.address}", (tmp_path,)):
        outcomes = list(engine.run(partial(note, folder=tmp_path), [1, 66, 2, 3], 2))
    found = {outcome.item: outcome for outcome in outcomes}
    assert found[66].error_kind == "crash"
    assert "3 times" in found[66].error
    assert [found[number].result for number in (1, 2, 3)] == [1, 4, 9]
