# SPDX-License-Identifier: Apache-2.0
"""A small cluster for each back end of flannel; kube-proxy with iptables and nftables.

Neutron's port security and security groups are those of a real cloud: host-gw works only because
the template allows the addresses of pods at all ports.
"""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.harness import controller, health, small_cluster
from lab.harness.figures import Figure

pytestmark = [pytest.mark.usefixtures("cloud"), pytest.mark.long]

PODS = "10.244.0.0/16"
NFTABLES = "nft list table ip kube-proxy >/dev/null && echo nftables || echo iptables"


def write(directory: Path, network: dict[str, Any], mode: str) -> Path:
    """Write the small cluster with options of the network and a mode of kube-proxy."""
    spec = yaml.safe_load((controller.CHECKOUT / "lab" / small_cluster.SPEC).read_text())
    kube_proxy = {**spec["overrides"]["kube_proxy"], "mode": mode}
    return small_cluster.write(
        directory, {"network": network, "overrides": {"kube_proxy": kube_proxy}}
    )


def pairs(server: str) -> list[str]:
    """Return the address pairs of a server's port."""
    words = ["openstack", "port", "list", "--server", server, "-f", "json", "-c", "id"]
    [port] = json.loads(controller.inside(*words))
    identity = next(iter(port.values()))
    words = ["openstack", "port", "show", "-f", "json", "-c", "allowed_address_pairs", identity]
    found = json.loads(controller.inside(*words))["allowed_address_pairs"]
    return [pair["ip_address"] for pair in found]


def has_wireguard() -> bool:
    """Return whether the kernel, which servers of the lab share, supports WireGuard."""
    command = ["unshare", "--net", "ip", "link", "add", "probe", "type", "wireguard"]
    return subprocess.run(command, capture_output=True).returncode == 0


def created(
    name: str, network: dict[str, Any], mode: str, device: str, directory: Path, report: Figure
) -> None:
    """Create a cluster, check what its back end needs, and run the suite on it."""
    template = small_cluster.render(write(directory, network, mode))
    routed = network.get("backend") == "host-gw" or "vxlan_direct_routing" in network
    began = time.monotonic()
    with controller.stack(name, template) as status:
        assert status == "CREATE_COMPLETE", controller.failures(name)
        report(f"seconds to create {name}", round(time.monotonic() - began))
        for node in (f"{name}-control-0", f"{name}-worker-0"):
            assert pairs(node) == ([PODS] if routed else []), node
            assert controller.on_node(node, NFTABLES).decode().strip() == mode
            routes = controller.on_node(node, f"ip route show root {PODS}").decode()
            remote = [line for line in routes.splitlines() if "dev cni0" not in line]
            assert remote, f"{node} has no route to pods of the other node"
            if routed:
                assert not any("dev flannel" in line for line in remote), remote
            else:
                assert all(f"dev {device}" in line for line in remote), remote
            if device:
                controller.on_node(node, f"ip link show {device}")
        small_cluster.kubeconfig(name, directory)
        health.run_suite(name, directory)


def test_routes_and_nftables(tmp_path: Path, report: Figure) -> None:
    """With host-gw, packets with addresses of pods pass the port security of all ports."""
    created("routes", {"backend": "host-gw"}, "nftables", "", tmp_path, report)


def test_vxlan_with_options(tmp_path: Path, report: Figure) -> None:
    """Another port and VNI of VXLAN."""
    options = {"vxlan_port": 4789, "vxlan_vni": 42}
    created("tunnel", options, "iptables", "flannel.42", tmp_path, report)


def test_vxlan_with_direct_routing(tmp_path: Path, report: Figure) -> None:
    """Nodes of one subnet send packets with addresses of pods in spite of VXLAN."""
    options = {"vxlan_direct_routing": True}
    created("direct", options, "iptables", "flannel.1", tmp_path, report)


def test_wireguard(tmp_path: Path, report: Figure) -> None:
    """WireGuard connects the nodes; without the kernel's support, the reason is reported."""
    if has_wireguard():
        created("guard", {"backend": "wireguard"}, "nftables", "flannel-wg", tmp_path, report)
        return
    template = small_cluster.render(write(tmp_path, {"backend": "wireguard"}, "iptables"))
    with controller.stack("guard", template) as status:
        assert status == "CREATE_FAILED"
        assert "does not support WireGuard" in controller.failures("guard")
