"""A Ray cluster of several nodes on this machine, as a program: it obeys one command a line.

``add`` starts a node, ``kill N`` ends the N-th at once (SIGKILL), ``kill_workers N`` the workers on
the N-th, ``end`` ends them all. Each is answered with one line. A node is a set of processes of
its own, with workers of its own; only the machine is the same.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

NODES = 3
SIZE = {"num_cpus": 2, "object_store_memory": 80 * 2**20}


def main() -> None:
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # Ray prints as it likes
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**SIZE, "include_dashboard": False})
    nodes = [cluster.head_node]
    nodes += [cluster.add_node(**SIZE) for _ in range(NODES - 1)]
    print(cluster.address, file=out)
    for line in sys.stdin:
        command, _, which = line.strip().partition(" ")
        if command == "add":
            nodes.append(cluster.add_node(**SIZE))
        elif command == "kill":
            cluster.remove_node(nodes[int(which)], allow_graceful=False)
        elif command == "kill_workers":
            kill_workers(nodes[int(which)])
        elif command == "end":
            break
        print(len(nodes) - 1, file=out)
    with contextlib.suppress(Exception):
        cluster.shutdown()


def kill_workers(node: object) -> None:
    """End every worker of a node that is busy with a batch."""
    raylet = node.all_processes["raylet"][0].process.pid
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            title = (folder / "cmdline").read_bytes()
            if int(parent) == raylet and b"ray::Process" in title:
                os.kill(int(folder.name), signal.SIGKILL)


if __name__ == "__main__":
    main()
