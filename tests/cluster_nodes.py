"""A Ray cluster of two nodes on this machine: processes of their own, one of which can be killed."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


@dataclass
class Nodes:
    """A head that does no work, and nodes that do."""

    cluster: Any
    workers: list[Any] = field(default_factory=list)

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self, cpus: int = 1) -> Any:
        node = self.cluster.add_node(num_cpus=cpus, object_store_memory=80_000_000)
        self.workers.append(node)
        return node

    def kill(self, node: Any) -> None:
        """End a node at once, with all its processes, as a power cut does."""
        self.workers.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)


@contextmanager
def nodes(n: int = 2) -> Iterator[Nodes]:
    """A cluster of ``n`` nodes of one core each."""
    from ray.cluster_utils import Cluster

    # A machine that does much else takes long to start a node.
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "240")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    before = os.environ.get("PYTHONPATH")
    # What a test can import, its nodes can.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "object_store_memory": 80_000_000,
            "include_dashboard": False,
            "_system_config": {
                "health_check_period_ms": 500,
                "health_check_failure_threshold": 3,
                "health_check_initial_delay_ms": 0,
            },
        },
    )
    try:
        found = Nodes(cluster)
        for _ in range(n):
            found.add()
        yield found
    finally:
        cluster.shutdown()
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
