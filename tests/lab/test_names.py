# SPDX-License-Identifier: Apache-2.0
"""The cluster's DNS serves what an operator adds to it in ConfigMap coredns-custom."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.harness.cluster import COREDNS, Cluster

pytestmark = pytest.mark.long

NAME, ADDRESS = "name.lab.test", "192.0.2.77"
ZONES = {
    "lab.server": f"lab.test:53 {{\n    hosts {{\n        {ADDRESS} {NAME}\n    }}\n}}\n",
    "lab.override": "rewrite name exact other.lab.example kubernetes.default.svc.cluster.local\n",
}


@pytest.fixture
def custom(healthy: Cluster, tmp_path: Path) -> Iterator[None]:
    """Zones of the operator's, which CoreDNS has read."""
    file = tmp_path / "custom.json"
    where = {"name": "coredns-custom", "namespace": "kube-system"}
    text = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": where, "data": ZONES}
    file.write_text(json.dumps(text))
    try:
        healthy.kubectl("apply", "-f", str(file))
        restart(healthy)
        yield
    finally:
        healthy.kubectl("delete", "-f", str(file), "--ignore-not-found")
        restart(healthy)


def restart(cluster: Cluster) -> None:
    """Have CoreDNS read anew: by itself it takes minutes to."""
    cluster.kubectl("rollout", "restart", *COREDNS)
    words = ("rollout", "status", *COREDNS, "--timeout=120s", "--request-timeout=0")
    cluster.kubectl(*words)


def resolved(cluster: Cluster, name: str) -> str:
    """Ask the service for a name as a worker's pods do; the last address of the answer."""
    labels = "".join(f"\\x{len(label):02x}{label}" for label in name.split("."))
    head = "\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00"
    service = cluster.get_json("get", "service", "kube-dns", "-n", "kube-system")["spec"][
        "clusterIP"
    ]
    said = cluster.workers[0].run(
        f"exec 3<>/dev/udp/{service}/53; printf '{head}{labels}\\x00\\x00\\x01\\x00\\x01' >&3; "
        "timeout 5 dd bs=512 count=1 status=none <&3 | tail -c 4 | od -An -tu1"
    )
    return ".".join(said.split())


@pytest.mark.usefixtures("custom")
def test_zones_of_the_operator_are_served(healthy: Cluster) -> None:
    """A zone of its own, and one more rule for the names of all."""
    assert resolved(healthy, NAME) == ADDRESS
    api = healthy.get_json("get", "service", "kubernetes", "-n", "default")["spec"]["clusterIP"]
    assert resolved(healthy, "other.lab.example") == api
