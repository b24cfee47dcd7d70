"""A real Ray cluster of two nodes on this machine's loopback."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

ON_LOOPBACK: Final[Mapping[str, str]] = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray takes the address of a network otherwise, and opens its ports to it
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # A node that is killed is given up at once, not after half a minute
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "2",
}
"""Environment of everything that has to do with the cluster."""


@contextmanager
def two_nodes() -> Iterator[tuple[Any, Any]]:
    """Yield a cluster, and the second of its nodes; each has one core and a small object store."""
    from ray.cluster_utils import Cluster

    before = dict(os.environ)
    os.environ.update(ON_LOOPBACK)
    small = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=small)
    try:
        second = cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
        yield cluster, second
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
        os.environ.clear()
        os.environ.update(before)
