# SPDX-License-Identifier: Apache-2.0
"""Layer 1, the micro-OS: the nodes are there, are who they should be, and are sound."""

import pytest

from conformance.expectation import Expectation
from conformance.facts import Facts
from conformance.roster import is_control
from conformance.verdict import known, require

pytestmark = pytest.mark.os

DESCRIBE = "kubectl describe node {}"


def test_expected_node_is_registered(
    facts: Facts, expected: Expectation, expected_node: str
) -> None:
    """Every node that the stack made has joined the cluster, under its own name."""
    require(
        expected_node in facts.nodes,
        at=f"{expected_node}: kubectl get nodes",
        expected=f"a node {expected_node} ({expected.nodes[expected_node].role})",
        seen=f"only {', '.join(sorted(facts.nodes))}",
        likely="its kubelet does not run, cannot reach the API, or registered under another name",
        look=f"on {expected_node}: journalctl -u kubelet -n 50",
    )


def test_node_has_expected_address_and_role(
    facts: Facts, expected: Expectation, expected_node: str
) -> None:
    """A node's internal address and its role are those that the stack gave it."""
    if expected_node not in facts.nodes:
        pytest.skip(f"{expected_node} is not registered (see test_expected_node_is_registered)")
    want, node = expected.nodes[expected_node], facts.nodes[expected_node]
    role = "control" if is_control(node) else "worker"
    require(
        (node.address, role) == (want.address, want.role),
        at=f"{expected_node}: InternalIP and role label",
        expected=f"{want.address}, {want.role}",
        seen=f"{node.address}, {role}",
        likely="kubelet took another interface's address, or the control plane's label is missing",
        look=DESCRIBE.format(expected_node),
    )


def test_node_is_expected(expected: Expectation, node: str) -> None:
    """No stranger has joined the cluster."""
    if not expected.nodes:
        pytest.skip("no --expect names the nodes")
    require(
        node in expected.nodes,
        at=f"{node}: kubectl get nodes",
        expected=f"one of {', '.join(sorted(expected.nodes))}",
        seen=f"a node {node} that the stack did not make",
        likely="a node that is gone left its object behind, or another machine joined",
        look=DESCRIBE.format(node),
    )


def test_node_is_ready(facts: Facts, node: str) -> None:
    """The node's kubelet reports it Ready."""
    status = facts.nodes[node]
    require(
        status.ready,
        at=f"{node}: condition Ready",
        expected="True",
        seen=status.reasons.get("Ready", "no such condition"),
        likely="kubelet, the container runtime or the CNI configuration of the node",
        look=f"on {node}: systemctl status kubelet; journalctl -u kubelet -n 50; ls /etc/cni/net.d",
    )


def test_node_is_not_under_pressure(facts: Facts, node: str) -> None:
    """Memory, disk and process ids of the node suffice, and its network is set up."""
    pressing = {kind: why for kind, why in facts.nodes[node].reasons.items() if kind != "Ready"}
    require(
        not pressing,
        at=f"{node}: conditions",
        expected="MemoryPressure, DiskPressure, PIDPressure, NetworkUnavailable: False",
        seen="; ".join(f"{kind}: {why}" for kind, why in pressing.items()),
        likely="the node's flavor is too small, or something fills it",
        look=DESCRIBE.format(node),
    )


def test_node_runs_expected_kubernetes(facts: Facts, expected: Expectation, node: str) -> None:
    """The node's kubelet is of the version that was deployed."""
    if "kubernetes" not in expected.versions:
        pytest.skip("no --expect names the version of Kubernetes")
    require(
        facts.nodes[node].kubelet.lstrip("v") == expected.versions["kubernetes"],
        at=f"{node}: kubelet",
        expected=expected.versions["kubernetes"],
        seen=facts.nodes[node].kubelet,
        likely="an upgrade that has not reached this node",
        look=f"on {node}: systemctl status kubelet; ls -l /opt/heatgen/bin",
    )


def test_units_are_active(facts: Facts, node: str) -> None:
    """Every cluster component that is installed as a systemd unit, and is to start, runs."""
    units = known(facts.view(node).units)
    down = {
        name: f"{unit.active} ({unit.sub})"
        for name, unit in units.items()
        if unit.load == "loaded" and unit.active != "active" and unit.file != "disabled"
    }
    require(
        not down,
        at=f"{node}: systemd",
        expected="every component's unit active",
        seen=", ".join(f"{name} {state}" for name, state in down.items()),
        likely="the component failed to start or was stopped",
        look=f"on {node}: journalctl -n 50 -u {next(iter(down), '')}",
    )


def test_node_forwards_packets(facts: Facts, node: str) -> None:
    """The kernel passes packets on between a pod and the rest of the cluster."""
    sysctls = known(facts.view(node).sysctls)
    require(
        sysctls.get("net/ipv4/ip_forward") == "1",
        at=f"{node}: /proc/sys/net/ipv4/ip_forward",
        expected="1",
        seen=sysctls.get("net/ipv4/ip_forward", "no such file"),
        likely="the os block's sysctl file is missing, or something reset it after boot",
        look=f"on {node}: sysctl net.ipv4.ip_forward; grep -r ip_forward /etc/sysctl.d",
    )
