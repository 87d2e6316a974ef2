"""Ray is there for those who ask for it, and for nobody else."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from mediasense.batches.nodes import Cluster
from mediasense.errors import MediasenseError, UsageError

WITHOUT_RAY = """
import sys
import mediasense, mediasense.ray
import mediasense.batches.cluster, mediasense.batches.errands, mediasense.batches.flow
loaded = [name for name in sys.modules if name.partition(".")[0] == "ray"]
print(loaded)
"""


def test_nothing_of_ray_is_loaded_before_a_cluster_is_asked_for():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RAY], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_without_ray_it_is_said_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'mediasense\[ray\]'"):
        Cluster("auto")


def test_no_cluster_is_started_by_surprise():
    with pytest.raises(UsageError, match="starts no cluster"):
        Cluster("local")


def test_without_a_cluster_it_is_said_what_to_type(monkeypatch, tmp_path):
    from ray._private.services import find_gcs_addresses

    if find_gcs_addresses():
        pytest.skip("this machine has a cluster")
    # Where Ray looks for the last cluster that was started on this machine.
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(MediasenseError, match=r"give the --address of one, or type: ray start"):
        Cluster()


def test_of_a_cluster_that_is_gone_it_is_said_soon(unused_port):
    with pytest.raises(MediasenseError, match=rf"no Ray cluster is reached at .*:{unused_port}: "):
        Cluster(f"127.0.0.1:{unused_port}")


@pytest.fixture
def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
