# SPDX-License-Identifier: Apache-2.0
"""Tests of the rules of security groups."""

from heatgen.plan.security_groups import Rule
from heatgen.render.template import render
from tests.unit.heatgen.support import tiny

ACCESS = tiny.CLUSTER + "access: {api: [198.51.100.0/24], ssh: [203.0.113.0/24, 192.0.2.1/32]}\n"


def traffic(text: str = tiny.CLUSTER) -> set[tuple[str, str, int, int, str]]:
    """Return the rules as (role, protocol, first, last, from)."""
    return {
        (rule.role, rule.protocol, rule.first, rule.last, rule.from_role or rule.from_network)
        for rule in tiny.planned(text).rules
    }


def test_no_external_access_by_default() -> None:
    """Without access.api and access.ssh only nodes and pods can connect."""
    outside = {rule for rule in traffic() if rule[4] not in ("control", "worker")}
    assert outside == {("worker", "tcp", 10250, 10250, "10.244.0.0/16")}


def test_declared_ports() -> None:
    """A port is open to its declared sources only."""
    found = traffic()
    assert {rule for rule in found if rule[2] == 2379} == {
        ("control", "tcp", 2379, 2379, "control"), ("control", "tcp", 2379, 2379, "worker"),
    }  # fmt: skip
    assert {rule[0] for rule in found if rule[2] == 6443} == {"control"}
    assert not any(rule[2] == 22 for rule in found)


def test_access() -> None:
    """access.api opens the API to its networks, access.ssh opens SSH on every node."""
    found = traffic(ACCESS)
    assert ("control", "tcp", 6443, 6443, "198.51.100.0/24") in found
    assert {rule[0] for rule in found if rule[4] == "192.0.2.1/32"} == {"control", "worker"}
    assert not any(rule[4] == "198.51.100.0/24" and rule[2] != 6443 for rule in found)


def test_ports_from_options() -> None:
    """A port that is the value of an option has that value."""
    found = traffic(tiny.CLUSTER + "kvstore: {port: 4001}\n")
    assert ("control", "tcp", 4001, 4001, "worker") in found
    assert not any(rule[2] == 2379 for rule in found)


def test_ranges_and_duplicates() -> None:
    """A range is one rule; so is a port of two blocks, as Neutron rejects duplicates."""
    files = tiny.tree()
    extra = b"  - {port: 30000-32767, protocol: tcp, to: [worker], from: [api], why: node ports}\n"
    duplicate = b"  - {port: 8472, protocol: udp, to: [worker], from: [control], why: again}\n"
    files["blocks/orchestration/kubernetes/block.yaml"] += extra + duplicate
    rules = tiny.planned(ACCESS, files=files).rules
    assert Rule(
        role="worker", protocol="tcp", first=30000, last=32767, from_network="198.51.100.0/24",
        why="orchestration: node ports",
    ) in rules  # fmt: skip
    assert sum(rule.first == 8472 and rule.role == "worker" for rule in rules) == 2


ROUTED = """\
address_pairs:
  - {network: pods, when: {routed: [true]}, why: nodes send with addresses of pods}
"""
OPTION = "  routed: {type: boolean, default: false, description: send without translation}\n"


def routed_files() -> dict[str, bytes]:
    """Return the minimal blocks, with a network that can send packets with addresses of pods."""
    files = tiny.tree()
    block = files["blocks/network/flannel/block.yaml"].decode()
    block = block.replace("options:\n", f"options:\n{OPTION}") + ROUTED
    files["blocks/network/flannel/block.yaml"] = block.encode()
    return files


def test_routed_network() -> None:
    """Nodes accept all packets of pods and of each other only if pods' addresses are sent."""
    plain = tiny.planned(files=routed_files())
    assert plain.rules == tiny.planned().rules
    assert plain.pair_networks == ()
    routed = tiny.planned(tiny.CLUSTER + "network: {routed: true}\n", files=routed_files())
    assert routed.pair_networks == ("10.244.0.0/16",)
    found = {(rule.role, rule.protocol, rule.from_role or rule.from_network)
             for rule in routed.rules if not rule.first}  # fmt: skip
    for role in ("control", "worker"):
        for protocol in ("tcp", "udp", "sctp", "icmp"):
            for origin in ("control", "worker", "10.244.0.0/16"):
                assert (role, protocol, origin) in found


def test_routed_ports() -> None:
    """All ports of servers allow addresses of pods, next to the virtual IP address."""
    text = tiny.CLUSTER + "control_plane: {count: 3}\nnetwork: {routed: true}\n"
    resources = render(tiny.planned(text, files=routed_files())).as_dict()["resources"]
    pods = {"ip_address": "10.244.0.0/16"}
    for index in range(3):
        port = resources[f"control_{index}_port"]["properties"]
        assert port["allowed_address_pairs"] == [{"ip_address": "10.0.0.9"}, pods]
    worker = resources["workers"]["properties"]["resource_def"]["properties"]
    assert worker["networks"] == [{
        "network": {"get_resource": "network"}, "subnet": {"get_resource": "subnet"},
        "port_extra_properties": {"allowed_address_pairs": [pods]},
    }]  # fmt: skip
