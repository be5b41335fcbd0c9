# SPDX-License-Identifier: Apache-2.0
"""What reports show of the cluster itself: its nodes, the matrix of pings, what was not told.

Distilled from the facts, small enough to stand in the results file, so that a report can be made
from that file alone and be compared with a later one.
"""

from dataclasses import dataclass, field, fields

from conformance.facts.expected import Expectation
from conformance.facts.model import Etcd, Facts, MemberStatus, NodeStatus, NodeView
from conformance.facts.network import Ping
from conformance.outcome import Unavailable

CONTROL, WORKER = "control plane", "worker"


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node as the API and the expectation tell it. `problems`: why it is not as it should be."""

    name: str
    role: str
    address: str = ""
    runtime: str = ""
    kubelet: str = ""
    group: str = ""
    ready: bool = True
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Echo:
    """The pings of a path: the share that was lost, the mean milliseconds of the others."""

    loss: float
    ms: float | None


Matrix = dict[str, dict[str, Echo]]


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The cluster. unasked: by reason, what was not told for it. versions: by component."""

    name: str
    server: str
    taken: str
    nodes: list[Node]
    pods: Matrix
    hosts: Matrix
    versions: dict[str, list[str]] = field(default_factory=dict)
    unasked: dict[str, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def of(facts: Facts, expected: Expectation) -> Overview:
    """The overview of a cluster from its facts; a node that is only expected is shown, too."""
    nodes = [_node(node, expected) for _, node in sorted(facts.nodes.items())]
    nodes += [
        Node(
            name=name,
            role=CONTROL if told.role == "control" else WORKER,
            address=told.address,
            group=told.group,
            ready=False,
            problems=["expected, but not registered"],
        )
        for name, told in sorted(expected.nodes.items())
        if name not in facts.nodes
    ]
    return Overview(
        name=expected.cluster,
        server=facts.server,
        taken=facts.taken,
        nodes=sorted(nodes, key=lambda node: (node.role != CONTROL, node.group, node.name)),
        pods={node: _echoes(view.pod_pings) for node, view in sorted(facts.views.items())},
        hosts={node: _echoes(view.host_pings) for node, view in sorted(facts.views.items())},
        versions=_versions(facts),
        unasked=_unasked(facts),
        seconds=dict(facts.seconds),
    )


def _node(node: NodeStatus, expected: Expectation) -> Node:
    told = expected.nodes.get(node.name)
    control = told.role == "control" if told else node.is_control
    problems = [f"{kind}: {reason}" for kind, reason in node.reasons.items()]
    problems += ["cordoned"] if node.unschedulable else []
    return Node(
        name=node.name,
        role=CONTROL if control else WORKER,
        address=node.address,
        runtime=node.runtime,
        kubelet=node.kubelet,
        group=told.group if told else "",
        ready=node.ready,
        problems=problems,
    )


def _echoes(pings: dict[str, Ping] | Unavailable) -> dict[str, Echo]:
    if isinstance(pings, Unavailable):
        return {}
    return {node: _echo(ping) for node, ping in sorted(pings.items())}


def _echo(ping: Ping) -> Echo:
    lost = 0.0 if ping.is_complete else 1 - ping.received / max(ping.sent, 1)
    return Echo(round(lost, 3), ping.ms if ping.received else None)


def _versions(facts: Facts) -> dict[str, list[str]]:
    etcd = [view.etcd.status for view in facts.views.values() if isinstance(view.etcd, Etcd)]
    found = {
        "API server": {facts.server},
        "kubelet": {node.kubelet for node in facts.nodes.values()},
        "runtime": {node.runtime for node in facts.nodes.values()},
        "etcd": {status.version for status in etcd if isinstance(status, MemberStatus)},
    }
    return {name: sorted(versions - {""}) for name, versions in found.items() if versions - {""}}


def _unasked(facts: Facts) -> dict[str, list[str]]:
    """By reason: the node and the fact that it stands in the way of. What nobody asked is out."""
    found: dict[str, list[str]] = {}
    for node, view in sorted(facts.views.items()):
        for part in fields(NodeView):
            value = getattr(view, part.name)
            if isinstance(value, Unavailable) and not value.permanent:
                found.setdefault(value.unasked, []).append(f"{node}: {part.name}")
    return found
