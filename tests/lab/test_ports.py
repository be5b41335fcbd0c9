# SPDX-License-Identifier: Apache-2.0
"""Exactly the planned TCP ports of every node are reachable, from everywhere.

Ports that a security group permits are visible even if no process listens, because the node refuses
the connection. Therefore both open and refused ports are compared.
"""

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from lab.harness import controller
from lab.harness.cluster import Cluster, Node
from lab.harness.figures import Figure
from lab.harness.workload import Workload

PROGRAM = controller.CHECKOUT / "lab" / "harness" / "programs" / "scan.py"
SSH, API, KUBELET, ETCD, PEERS = 22, 6443, 10250, 2379, 2380
NODE_PORTS = [30000, 32767]

# Open ports by role of source and target: (from, to).
OPEN = {
    ("outside", "control"): {SSH, API},
    ("outside", "worker"): {SSH},
    ("control", "control"): {API, ETCD, PEERS, KUBELET},
    ("control", "worker"): {KUBELET},
    ("worker", "control"): {API, ETCD},
    ("worker", "worker"): set(),
}
# Security groups do not filter from a pod to its own node: ports on any address of the node.
OWN_NODE = {SSH, KUBELET}

Seen = dict[str, dict[str, Any]]
Reached = dict[tuple[str, str], dict[str, Any]]

# Enter the network of the pod with the address $1, then run the program $2 with the argument $3.
IN_POD = """
find /proc/[0-9]*/ns/net -printf '%l %p\\n' 2>/dev/null | sort -u -k1,1 >/run/networks || true
for link in $(cut -d' ' -f2 /run/networks); do
    nsenter --net="$link" ip -4 -oneline address 2>/dev/null | grep -qF " $1/" || continue
    exec nsenter --net="$link" python3 -c "$2" "$3"
done
echo "no pod with address $1" >&2
exit 1
"""


def argument(addresses: list[str], source: str | None = None) -> str:
    """Return the argument of `scan.py`."""
    return json.dumps({"addresses": addresses, "source": source})


def from_controller(addresses: list[str]) -> Seen:
    """Scan addresses of the public network from the controller."""
    words = [sys.executable, str(PROGRAM), argument(addresses)]
    return dict(json.loads(controller.as_admin(*words)))


def from_router(cluster: Cluster, addresses: list[str]) -> Seen:
    """Scan addresses of nodes from their router, as from a public network with a route."""
    router = cluster.resource("router")
    words = ["openstack", "router", "show", "-f", "json", "-c", "external_gateway_info", router]
    gateway = json.loads(controller.as_admin(*words))["external_gateway_info"]
    source = gateway["external_fixed_ips"][0]["ip_address"]
    words = ["ip", "netns", "exec", f"qrouter-{router}", sys.executable, str(PROGRAM)]
    return dict(json.loads(controller.as_admin(*words, argument(addresses, source))))


def from_node(node: Node, addresses: list[str]) -> Seen:
    """Scan from a node."""
    program = controller.quoted(PROGRAM.read_text())
    script = f"python3 -c {program} {controller.quoted(argument(addresses))}"
    return dict(json.loads(node.run(script)))


def from_pod(node: Node, pod: str, addresses: list[str]) -> Seen:
    """Scan from the network of a pod on a node."""
    words = [pod, PROGRAM.read_text(), argument(addresses)]
    script = f"set -- {' '.join(map(controller.quoted, words))}\n{IN_POD}"
    return dict(json.loads(node.run(script)))


def one_of_each_role(nodes: list[Node], source: Node) -> list[str]:
    """Return the addresses of a node of each role, excluding the source of the scan.

    Nodes of a role have one security group; the scan from outside proves that for all of them.
    """
    return list({node.role: node.address for node in nodes if node != source}.values())


@pytest.fixture(scope="module")
def scans(cluster: Cluster, work: Workload, figure_once: Figure) -> Reached:
    """Return the reachable ports of each node and of the floating address, by source."""
    nodes = cluster.nodes
    everything = [node.address for node in nodes]
    api = str(urlsplit(cluster.external).hostname)
    places: dict[str, Any] = {
        "the public network": lambda: from_controller([api]),
        "outside": lambda: from_router(cluster, everything),
    }
    for node in (cluster.control[0], cluster.workers[0]):
        others = one_of_each_role(nodes, node)
        places[node.name] = lambda node=node, others=others: from_node(node, others)
    for node in {worker.runtime: worker for worker in cluster.workers}.values():
        pod, others = work.pod_on(node), [*one_of_each_role(nodes, node), node.address]
        places[f"a pod on {node.name}"] = lambda node=node, pod=pod, others=others: from_pod(
            node, pod, others
        )
    with ThreadPoolExecutor(max_workers=len(places)) as pool:
        running = {place: pool.submit(scan) for place, scan in places.items()}
        seen = {place: scan.result() for place, scan in running.items()}
    names = {node.address: node.name for node in nodes} | {api: "the API's floating address"}
    named = {
        place: {names[address]: found for address, found in results.items()}
        for place, results in seen.items()
    }
    figure_once("ports", named)
    return {(place, node): found for place, nodes in named.items() for node, found in nodes.items()}


def permitted(ports: set[int], node_ports: bool) -> list[list[int]]:
    """Return the planned reachable ports as ranges: open ports, and NodePorts if permitted."""
    return reachable({"open": ports, "refused": [NODE_PORTS] if node_ports else []})


def reachable(found: dict[str, Any]) -> list[list[int]]:
    """Return the open and the refused ports as ranges."""
    ranges = sorted([*([port, port] for port in found["open"]), *map(list, found["refused"])])
    joined: list[list[int]] = []
    for begin, end in ranges:
        if joined and joined[-1][1] == begin - 1:
            joined[-1][1] = end
        else:
            joined.append([begin, end])
    return joined


def expected_of(place: str, node: Node, by_name: dict[str, Node]) -> tuple[set[int], bool]:
    """Return the open ports of a node from a source, and whether NodePorts are permitted."""
    if place == "outside":
        return OPEN["outside", node.role], False
    origin = by_name[re.sub(r"^a pod on ", "", place)]
    return OPEN[origin.role, node.role], True


def test_only_planned_ports_are_reached(cluster: Cluster, scans: Reached) -> None:
    """From outside, from a node of each role and from pods, only planned ports are reachable."""
    by_name = {node.name: node for node in cluster.nodes}
    wrong = {}
    for (place, name), found in scans.items():
        if name not in by_name or place == f"a pod on {name}":
            continue
        ports, node_ports = expected_of(place, by_name[name], by_name)
        planned = permitted(ports, node_ports)
        if set(found["open"]) != ports or reachable(found) != planned:
            wrong[f"{place} to {name}"] = {"seen": found, "planned": planned, "open": sorted(ports)}
    assert not wrong


def test_a_pod_reaches_little_of_its_own_node(cluster: Cluster, scans: Reached) -> None:
    """No security group filters from a pod to its node; only SSH and the kubelet listen there."""
    own = {
        place: set(found["open"])
        for (place, name), found in scans.items()
        if place == f"a pod on {name}"
    }
    assert own
    assert own == dict.fromkeys(own, OWN_NODE)


def test_the_floating_address_reaches_the_api(scans: Reached) -> None:
    """From the public network, the API and SSH are open at the floating address."""
    found = scans["the public network", "the API's floating address"]
    assert set(found["open"]) == {SSH, API}
    assert not found["refused"]
