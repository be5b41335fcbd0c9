# SPDX-License-Identifier: Apache-2.0
"""The DNS of the cluster serves additional zones in the ConfigMap coredns-custom."""

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
    """Create zones of an operator, and restart CoreDNS."""
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
    """Restart CoreDNS, which otherwise reloads its configuration only after minutes."""
    cluster.kubectl("rollout", "restart", *COREDNS)
    words = ("rollout", "status", *COREDNS, "--timeout=120s", "--request-timeout=0")
    cluster.kubectl(*words)


def resolved(cluster: Cluster, name: str) -> str:
    """Resolve a name through the Service, on a worker; return the last address."""
    labels = "".join(f"\\x{len(label):02x}{label}" for label in name.split("."))
    head = "\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00"
    service = cluster.get_json("get", "service", "kube-dns", "-n", "kube-system")["spec"][
        "clusterIP"
    ]
    output = cluster.workers[0].run(
        f"exec 3<>/dev/udp/{service}/53; printf '{head}{labels}\\x00\\x00\\x01\\x00\\x01' >&3; "
        "timeout 5 dd bs=512 count=1 status=none <&3 | tail -c 4 | od -An -tu1"
    )
    return ".".join(output.split())


@pytest.mark.usefixtures("custom")
def test_zones_of_the_operator_are_served(healthy: Cluster) -> None:
    """Both a separate zone and an additional rule for the default zone are effective."""
    assert resolved(healthy, NAME) == ADDRESS
    api = healthy.get_json("get", "service", "kubernetes", "-n", "default")["spec"]["clusterIP"]
    assert resolved(healthy, "other.lab.example") == api
